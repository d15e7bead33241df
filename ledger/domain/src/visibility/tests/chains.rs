//! What readers see of whole chains.

use mediation_proto::derived::TYPES_AGENCY_KIND;

use super::*;
use crate::{
    calendar::Day,
    case::{Case, StepNumber},
    catalogue,
    history::Recorded,
    judge::{
        Moment,
        tests::{cases, directory, table},
    },
};

pub(super) fn history(case: &Case) -> Vec<Recorded> {
    case.history(&StepNumber::event_id).unwrap()
}

/// Grades of the acts of a chain as letters, in order.
fn grades(history: &[Recorded], as_of: &str, reader: &Reader<'_>) -> String {
    let directory = directory();
    let viewed = Viewed::new(history, &directory, Moment::end_of(Day::parse(as_of).unwrap()));
    let acts = history.iter().filter_map(|act| viewed.decide(reader, act.revision));
    acts.map(|decision| decision.grade.letter()).collect()
}

fn golden(name: &str) -> Vec<Recorded> {
    history(&cases().into_iter().find(|case| case.case == name).unwrap())
}

pub(super) fn official<'a>(agency: &'a str, role: Role) -> Reader<'a> {
    let code = agency.split('-').next().and_then(catalogue::agency_kind_of_prefix).unwrap();
    let kind = TYPES_AGENCY_KIND.number(code).and_then(|kind| AgencyKind::try_from(kind).ok()).unwrap();
    Reader { agency, kind, role, subject: None, grid: None }
}

#[test]
fn a_judge_sees_of_a_mediation_that_it_was_held_and_how_it_ended() {
    let g02 = golden("G02");
    // Step 8: whom the committee appointed. 9 and 10: the session, and that it failed. 11 and 12: report and receipt.
    assert_eq!(grades(&g02, "2024-06-20", &official("CT-LP", Role::Judge)), "FFFFFFFREEFFFFF");
    let directory = directory();
    let viewed = Viewed::new(&g02, &directory, Moment::end_of(Day::parse("2024-08-01").unwrap()));
    for revision in [8, 9] {
        let decision = viewed.decide(&official("CT-LP", Role::Judge), revision).unwrap();
        for kind in [PartKind::Act, PartKind::Identities, PartKind::Narrative, PartKind::Sealed] {
            assert_eq!(decision.part(kind, true), Shown::Withheld);
        }
        let committee = viewed.decide(&official("PMC-LP", Role::Med), revision).unwrap();
        assert_eq!(committee.part(PartKind::Sealed, false), Shown::Plain);
    }
}

#[test]
fn who_is_not_on_the_chain_sees_nothing_and_does_not_know_it() {
    let g02 = golden("G02");
    let directory = directory();
    let viewed = Viewed::new(&g02, &directory, Moment::end_of(Day::parse("2024-08-01").unwrap()));
    for (agency, role) in
        [("XF-LP", Role::Peto), ("GA-LP", Role::Pol), ("CT-FL", Role::Judge), ("TC-ZS-XC", Role::Tcom)]
    {
        let reader = official(agency, role);
        assert!(!viewed.is_known_to(&reader), "{agency}");
        assert_eq!(grades(&g02, "2024-08-01", &reader).trim_matches('N'), "");
    }
    assert!(viewed.is_known_to(&official("AUD-JDZ", Role::Aud)));
}

#[test]
fn an_agency_sees_half_a_year_after_its_part_ended_what_others_did_redacted() {
    let g02 = golden("G02");
    let committee = official("PMC-LP", Role::Med);
    let within = grades(&g02, "2024-12-10", &committee);
    let after = grades(&g02, "2024-12-11", &committee);
    // The court took note of the report on 2024-06-13. What the committee did itself stays.
    assert_eq!(&within[..3], "FFR");
    assert_eq!(&after[..3], "RRR");
    assert_eq!((&within[6..11], &after[6..11]), ("FFFFF", "FFFFF"));
}

#[test]
fn what_was_said_in_counselling_reaches_nobody_but_the_center() {
    let g09 = golden("G09");
    let directory = directory();
    let viewed = Viewed::new(&g09, &directory, Moment::end_of(Day::parse("2024-09-20").unwrap()));
    let sealed = |agency: &str, role: Role| {
        let decision = viewed.decide(&official(agency, role), 8).unwrap();
        (decision.grade, decision.part(PartKind::Sealed, true))
    };
    assert_eq!(sealed("XL-ZS", Role::Psy), (Grade::Full, Shown::Plain));
    for (agency, role) in
        [("PMC-ZS-XC", Role::Med), ("TC-ZS-XC", Role::Tcom), ("TC-ZS-XC", Role::Grid), ("ZC-ZS", Role::Dir)]
    {
        assert_eq!(sealed(agency, role), (Grade::None, Shown::Withheld), "{agency} {role:?}");
    }
    assert_eq!(sealed("AUD-JDZ", Role::Aud).1, Shown::Withheld);
}

#[test]
fn a_proposal_lets_its_receiver_read_what_it_must_answer_until_it_is_returned() {
    let acts = r#"
        2024-03-04 ZC-ZS REG DisputeRegistered {}
        2024-03-05 ZC-ZS REG HandoffProposed {"mode": "DELEGATION", "target": "PMC-ZS-XC", "purpose": "MEDIATION"}
        2024-03-08 PMC-ZS-XC MED HandoffReturned {"proposal": {"step": 2}, "reason": "R1"}
    "#;
    let chain = history(&table::case("2024-04-01", acts));
    let committee = official("PMC-ZS-XC", Role::Med);
    assert_eq!(grades(&chain[..2], "2024-03-06", &committee), "RF");
    assert_eq!(grades(&chain, "2024-03-08", &committee), "NNF", "beside its own answer");
}

#[test]
fn an_accused_unit_sees_nothing_of_an_accusation_although_it_is_on_the_chain() {
    let acts = r#"
        2024-03-04 XF-LP PETO PetitionReceived {"kind": "ACCUSATION", "form": "VISIT", "headcount": 1, "direct": true, "origin": "DIRECT"}
        2024-03-05 XF-LP PETO PetitionForwarded {"target": "PR-LP"}
        2024-03-06 PR-LP PROS HandoffAccepted {"proposal": {"step": 2}}
        2024-03-07 XF-LP PETO HandoffProposed {"mode": "DELEGATION", "target": "ZJ-LP", "purpose": "MEDIATION"}
        2024-03-08 ZJ-LP ADM HandoffAccepted {"proposal": {"step": 4}}
    "#;
    let chain = history(&table::case("2024-04-01", acts));
    assert_eq!(grades(&chain, "2024-03-20", &official("ZJ-LP", Role::Adm)), "NNNNF", "beside what it recorded itself");
    assert_eq!(grades(&chain, "2024-03-20", &official("PR-LP", Role::Pros)), "FFFFF");
    assert_eq!(grades(&chain, "2024-03-20", &official("XF-LP", Role::Peto)), "FFRFR");
    assert_eq!(grades(&chain, "2024-03-20", &official("ZC-LP", Role::Dir)), "NNNNN");
}

#[test]
fn a_correction_is_read_like_what_it_corrects_and_withdrawing_an_accusation_opens_nothing() {
    let acts = r#"
        2024-03-04 XF-LP PETO PetitionReceived {"kind": "ACCUSATION", "form": "VISIT", "headcount": 1, "direct": true, "origin": "DIRECT"}
        2024-03-05 XF-LP PETO RecordCorrected {"target": {"step": 1}, "field": "kind", "old_digest": "0", "new_digest": "0", "reason": "CLERICAL", "withdrawn": true}
        2024-03-06 XF-LP PETO HandoffProposed {"mode": "DELEGATION", "target": "PMC-LP", "purpose": "MEDIATION"}
        2024-03-07 PMC-LP MED HandoffAccepted {"proposal": {"step": 3}}
    "#;
    let chain = history(&table::case("2024-04-01", acts));
    assert_eq!(grades(&chain, "2024-03-20", &official("PMC-LP", Role::Med)), "NNNF");
    let acts = r#"
        2024-03-04 ZC-LP REG DisputeRegistered {}
        2024-03-04 ZC-LP DIR LeadAgencyAssigned {"new_lead": "PMC-LP", "previous_lead": "ZC-LP", "previous_released": true, "reason": "PLACE"}
        2024-03-05 PMC-LP MED MediationSessionHeld {}
        2024-03-06 PMC-LP MED RecordCorrected {"target": {"step": 3}, "field": "place", "old_digest": "0", "new_digest": "0", "reason": "CLERICAL"}
    "#;
    let chain = history(&table::case("2024-04-01", acts));
    assert_eq!(grades(&chain, "2024-03-20", &official("ZC-LP", Role::Dir)), "FFEE");
}

#[test]
fn a_party_sees_his_own_side_and_only_his_own_identity() {
    let acts = r#"
        2024-03-04 ZC-LP REG DisputeRegistered {"parties": [
            {"subject": "psn_a", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false},
            {"subject": "psn_c", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": true, "guardian": "psn_a"},
            {"subject": "psn_b", "side": "RESPONDENT", "capacity": "NATURAL_PERSON", "minor": false}]}
        2024-03-05 CT-LP JAST FilingMaterialReceived {}
        2024-03-06 ZC-LP REG PartyRepresentativeElected {"representatives": ["psn_b"], "represented_count": 1}
    "#;
    let acts = acts.replace("[\n", "[").replace(",\n", ",");
    let chain = history(&table::case("2024-04-01", &acts));
    let party = |subject| Reader { subject: Some(subject), role: Role::Pty, ..official("ZC-LP", Role::Reg) };
    assert_eq!(grades(&chain, "2024-03-20", &party("psn_a")), "RFN");
    assert_eq!(grades(&chain, "2024-03-20", &party("psn_b")), "RFF");
    assert_eq!(grades(&chain, "2024-03-20", &party("psn_x")), "NNN");
    let directory = directory();
    let viewed = Viewed::new(&chain, &directory, Moment::end_of(Day::parse("2024-03-20").unwrap()));
    let own = |subject: &str| viewed.is_own(&party("psn_a"), subject);
    assert_eq!((own("psn_a"), own("psn_c"), own("psn_b")), (true, true, false));
}

#[test]
fn an_accusation_of_a_later_day_hides_the_chain_at_once() {
    let acts = r#"
        2024-03-04 XF-LP PETO PetitionReceived {"kind": "CLAIM", "form": "VISIT", "headcount": 1, "direct": true, "origin": "DIRECT"}
        2024-03-05 XF-LP PETO HandoffProposed {"mode": "DELEGATION", "target": "PMC-LP", "purpose": "MEDIATION"}
        2024-03-06 PMC-LP MED HandoffAccepted {"proposal": {"step": 2}}
        2024-04-01 XF-LP PETO PetitionReceived {"kind": "ACCUSATION", "form": "VISIT", "headcount": 1, "direct": true, "origin": "DIRECT"}
    "#;
    let chain = history(&table::case("2024-04-01", acts));
    let committee = official("PMC-LP", Role::Med);
    assert_eq!(grades(&chain[..3], "2024-03-20", &committee), "RFF");
    assert_eq!(
        grades(&chain, "2024-03-20", &committee),
        "NNF",
        "its own answer is left, and the accusation is not told"
    );
}

#[test]
fn an_elected_representative_sees_the_side_that_he_speaks_for() {
    let acts = r#"
        2024-03-04 ZC-LP REG DisputeRegistered {"parties": [{"subject": "psn_a", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}, {"subject": "psn_b", "side": "RESPONDENT", "capacity": "NATURAL_PERSON", "minor": false}]}
        2024-03-06 ZC-LP REG PartyRepresentativeElected {"representatives": ["psn_r"], "represented_count": 7}
        2024-03-07 ZC-LP REG PartyAdded {"party": {"subject": "psn_d", "side": "RESPONDENT", "capacity": "ENTERPRISE", "minor": false}}
    "#;
    let chain = history(&table::case("2024-04-01", acts));
    let reader = |subject| Reader { subject: Some(subject), role: Role::Rep, ..official("ZC-LP", Role::Reg) };
    assert_eq!(grades(&chain, "2024-03-20", &reader("psn_r")), "RFN");
    assert_eq!(grades(&chain, "2024-03-20", &reader("psn_x")), "NNN");
}

#[test]
fn a_handoff_ends_with_an_outcome_that_needs_no_acknowledgement() {
    // The referral of G09 was closed on 2024-09-25. A party is a minor, so that who does not handle the matter any more
    // sees less of it at once, and less again after half a year; its own acts the center sees in full.
    let g09 = golden("G09");
    let center = official("XL-ZS", Role::Psy);
    let of_referral = |as_of: &str| grades(&g09, as_of, &center).get(6..10).unwrap_or_default().to_owned();
    assert_eq!(grades(&g09, "2024-09-24", &center).get(6..), Some("FFFFNN"), "no agreement, no obligation");
    assert_eq!(of_referral("2024-09-25"), "RFFF");
    assert_eq!(of_referral("2025-03-24"), "RFFF");
    assert_eq!(of_referral("2025-03-25"), "EFFF");
}

#[test]
fn a_grid_worker_sees_the_chains_of_his_own_grid() {
    let g09 = golden("G09");
    let grid = |grid| Reader { grid, ..official("TC-ZS-XC", Role::Grid) };
    let own = g09[0].act.event().and_then(|(_, event)| event.text("grid")).unwrap().to_owned();
    // A party is a minor, and the township center has handed the lead over.
    assert_eq!(&grades(&g09, "2024-09-20", &grid(Some(&own)))[..5], "RRERE");
    assert_eq!(grades(&g09, "2024-09-20", &grid(Some("360203006001999"))).trim_matches('N'), "");
    assert_eq!(grades(&g09, "2024-09-20", &grid(None)).trim_matches('N'), "");
}

#[test]
fn approvals_of_two_heads_open_the_named_part_of_the_named_act_until_they_expire() {
    let approval = |agency: &str, day: &str| {
        format!(
            r#"{day} {agency} HEAD DisclosureApproved {{"recipient": "AUD-JDZ", "steps": [{{"step": 2}}], "parts": ["SEALED"], "ground": "SUPERVISION", "expires_on": "2024-05-01"}}"#
        )
    };
    let session = "2024-03-04 PMC-LP MED DisputeRegistered {}\n2024-03-05 PMC-LP MED MediationSessionHeld {}\n";
    let audit = official("AUD-JDZ", Role::Aud);
    let sealed = |acts: &str, as_of: &str, revision: u64| {
        let chain = history(&table::case("2024-06-01", acts));
        let directory = directory();
        let viewed = Viewed::new(&chain, &directory, Moment::end_of(Day::parse(as_of).unwrap()));
        viewed.decide(&audit, revision).unwrap().part(PartKind::Sealed, false)
    };
    let one = format!("{session}{}\n{}", approval("PMC-LP", "2024-03-06"), approval("PMC-LP", "2024-03-07"));
    assert_eq!(sealed(&one, "2024-04-01", 1), Shown::Withheld, "twice the same agency");
    let two = format!("{session}{}\n{}", approval("PMC-LP", "2024-03-06"), approval("SF-LP", "2024-03-07"));
    assert_eq!(sealed(&two, "2024-04-01", 1), Shown::Plain);
    assert_eq!(sealed(&two, "2024-03-06", 1), Shown::Withheld, "before the second");
    assert_eq!(sealed(&two, "2024-05-02", 1), Shown::Withheld, "after the last day");
    assert_eq!(sealed(&two, "2024-04-01", 0), Shown::Withheld, "another act");
}

/// A dispute of two with a referral of one of them to counselling, and legal aid for him.
const REFERRED: &str = r#"
    2024-03-04 ZC-LP REG DisputeRegistered {"parties": [{"subject": "psn_a", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}, {"subject": "psn_b", "side": "RESPONDENT", "capacity": "NATURAL_PERSON", "minor": false}]}
    2024-03-05 ZC-LP DIR PsychReferralMade {"subject": "psn_a", "target": "XL-LP"}
    2024-03-06 XL-LP PSY PsychReferralAccepted {"proposal": {"step": 2}, "counsellor": "XL-LP/PSY-1"}
    2024-03-07 XL-LP PSY PsychCrisisFlagged {"referral": {"step": 2}}
    2024-03-08 LA-LP LAID LegalAidApplied {"applicants": ["psn_a"]}
    2024-03-09 LA-LP LAID LegalAidGranted {"application": {"step": 5}}
    2024-03-09 LA-LP LAID LegalAidDenied {}
"#;

#[test]
fn what_is_about_one_party_alone_does_not_reach_the_other_though_it_names_nobody() {
    let chain = history(&table::case("2024-04-01", REFERRED));
    let party = |subject| Reader { subject: Some(subject), role: Role::Pty, ..official("ZC-LP", Role::Reg) };
    assert_eq!(grades(&chain, "2024-03-20", &party("psn_a")), "RFFFFFN");
    assert_eq!(grades(&chain, "2024-03-20", &party("psn_b")), "RNNNNNN");
}

#[test]
fn an_agency_cannot_put_itself_on_a_chain_nor_take_another_off_it() {
    let acts = r#"
        2024-03-04 ZC-LP REG DisputeRegistered {}
        2024-03-05 XF-LP PETO HandoffProposed {"mode": "DELEGATION", "target": "GA-LP", "purpose": "MEDIATION"}
        2024-03-06 XF-LP PETO HandoffAccepted {"proposal": {"step": 2}}
        2024-03-06 GA-LP POL HandoffAccepted {"proposal": {"step": 2}}
        2024-03-07 ZC-LP DIR HandoffProposed {"mode": "DELEGATION", "target": "PMC-LP", "purpose": "MEDIATION"}
        2024-03-08 XF-LP PETO HandoffReturned {"proposal": {"step": 5}, "reason": "R1"}
        2024-03-09 PMC-LP MED HandoffAccepted {"proposal": {"step": 5}}
    "#;
    let chain = history(&table::case("2024-04-01", acts));
    assert_eq!(grades(&chain, "2024-03-20", &official("XF-LP", Role::Peto)), "NFFNNFN", "its own acts");
    assert_eq!(grades(&chain, "2024-03-20", &official("GA-LP", Role::Pol)), "NNNFNNN", "its own act");
    assert_eq!(grades(&chain, "2024-03-20", &official("PMC-LP", Role::Med)), "FRRRFFF");
}

#[test]
fn a_correction_of_a_correction_is_read_like_what_was_corrected_first() {
    let correction = |day: &str, step: u8| {
        format!(
            r#"{day} PMC-LP MED RecordCorrected {{"target": {{"step": {step}}}, "field": "place", "old_digest": "0", "new_digest": "0", "reason": "CLERICAL"}}"#
        )
    };
    let acts = format!(
        "2024-03-04 CT-LP REG DisputeRegistered {{}}\n2024-03-05 PMC-LP MED MediationSessionHeld {{}}\n{}\n{}",
        correction("2024-03-06", 2),
        correction("2024-03-07", 3)
    );
    let chain = history(&table::case("2024-04-01", &acts));
    assert_eq!(grades(&chain, "2024-03-20", &official("CT-LP", Role::Judge)), "FEEE");
    // Whose target is not there as of the day cannot be placed: it is no act that a reader sees.
    let early = correction("2024-03-05", 2).replace("2024-03-05", "2024-03-03");
    let acts = format!(
        "2024-03-02 CT-LP REG DisputeRegistered {{}}\n2024-03-05 PMC-LP MED MediationSessionHeld {{}}\n{early}"
    );
    let chain = history(&table::case("2024-04-01", &acts));
    assert_eq!(grades(&chain, "2024-03-03", &official("CT-LP", Role::Judge)), "F");
}

#[test]
fn a_minor_is_kept_in_mind_whatever_is_corrected_and_a_released_representative_is_none() {
    let acts = r#"
        2024-03-04 ZC-LP REG DisputeRegistered {"parties": [{"subject": "psn_a", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": true}]}
        2024-03-05 ZC-LP REG PartyAdded {"party": {"subject": "psn_a", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}}
        2024-03-06 ZC-LP DIR CoAgencyJoined {"joined": "SF-LP", "presence_mode": "ROTATING"}
        2024-03-07 ZC-LP REG PartyRepresentativeElected {"representatives": ["psn_r"], "represented_count": 7}
        2024-03-08 ZC-LP REG PartyRepresentativeElected {"representatives": ["psn_s"], "represented_count": 7, "released": ["psn_r"]}
    "#;
    let chain = history(&table::case("2024-04-01", acts));
    assert_eq!(grades(&chain, "2024-03-20", &official("SF-LP", Role::Adm)), "RRRRR");
    let elected = |subject| Reader { subject: Some(subject), role: Role::Rep, ..official("ZC-LP", Role::Reg) };
    assert_eq!(grades(&chain, "2024-03-07", &elected("psn_r")), "RFRF");
    assert_eq!(grades(&chain, "2024-03-20", &elected("psn_r")).trim_matches('N'), "");
    assert_eq!(grades(&chain, "2024-03-20", &elected("psn_s")), "RFRFF");
}

#[test]
fn a_petitioner_follows_his_petition_and_nobody_else_does() {
    let acts = r#"
        2024-03-04 XF-LP PETO PetitionReceived {"kind": "CLAIM", "form": "VISIT", "headcount": 1, "direct": true, "origin": "DIRECT", "petitioners": ["psn_a"]}
        2024-03-05 XF-LP PETO PetitionAccepted {}
    "#;
    let chain = history(&table::case("2024-04-01", acts));
    let party = |subject| Reader { subject: Some(subject), role: Role::Pty, ..official("XF-LP", Role::Peto) };
    assert_eq!(grades(&chain, "2024-03-20", &party("psn_a")).chars().next(), Some('F'));
    assert_eq!(grades(&chain, "2024-03-20", &party("psn_b")), "NN");
}

#[test]
fn acts_that_follow_from_many_are_looked_at_once() {
    let petition = r#"2024-03-04 XF-LP PETO PetitionReceived {"kind": "CLAIM", "form": "VISIT", "headcount": 1, "direct": true, "origin": "DIRECT", "petitioners": ["psn_a"]}"#;
    let follows = |step: u32| {
        format!(
            "2024-03-05 XF-LP PETO PetitionAccepted {{\"@causes\": [{}, {}]}}",
            step - 1,
            step.saturating_sub(2).max(1)
        )
    };
    let acts: Vec<String> = std::iter::once(petition.to_owned()).chain((2..=100).map(follows)).collect();
    let chain = history(&table::case("2024-04-01", &acts.join("\n")));
    let party = |subject| Reader { subject: Some(subject), role: Role::Pty, ..official("XF-LP", Role::Peto) };
    assert_eq!(grades(&chain, "2024-03-20", &party("psn_a")), "F".repeat(100));
    assert_eq!(grades(&chain, "2024-03-20", &party("psn_b")), "N".repeat(100));
}
