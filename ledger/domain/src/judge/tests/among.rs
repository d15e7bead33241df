//! Rules that look across chains.

use super::{directory, fixture, table};
use crate::{
    calendar::Day,
    case::StepNumber,
    history::Recorded,
    judge::{ChainKey, FindingState, Gathering, Judgement, Moment, Surroundings, judge, judge_among},
};

/// Chains with their numbers, their acts numbered 101, 102 … on the first, 201, 202 … on the second.
struct World(Vec<(ChainKey, Vec<Recorded>)>);

impl World {
    fn new(chains: &[(&str, &str)]) -> Self {
        let chains = chains.iter().zip(1_u8..).map(|((number, acts), key)| {
            let mut case = table::numbered(u32::from(key) * 100 + 1, "2024-12-31", acts);
            (*number).clone_into(&mut case.chain);
            (ChainKey([key; 16]), case.history(&StepNumber::event_id).unwrap())
        });
        Self(chains.collect())
    }

    fn surroundings(&self) -> Surroundings {
        let mut gathering = Gathering::default();
        self.0.iter().for_each(|(chain, history)| gathering.take(*chain, history));
        gathering.finish()
    }

    /// Judges the chain of this place, counted from 1.
    fn judged(&self, place: usize, moment: Moment) -> Judgement {
        let (chain, history) = self.0.get(place - 1).unwrap();
        judge_among(history, &directory(), fixture(), moment, self.surroundings().around(*chain))
    }

    /// Findings of a code, one a line: `code step agency severity reasons state`, the step with its chain when it is another.
    fn findings(&self, place: usize, as_of: &str, code: &str) -> Vec<String> {
        let judgement = self.judged(place, Moment::end_of(Day::parse(as_of).unwrap()));
        let lines = judgement.findings.iter().filter(|finding| finding.code == code).map(|finding| {
            let chain = finding.chain.map_or_else(String::new, |chain| format!("{}:", chain.0.first().unwrap()));
            let agency = finding.agency.as_deref().unwrap_or("-");
            let mut line =
                format!("{code} {chain}{} {agency} {}", finding.revision.unwrap() + 1, finding.severity.letter());
            if !finding.reasons.is_empty() {
                line = format!("{line} {}", finding.reasons.join(","));
            }
            if finding.state == FindingState::Cleared {
                line.push_str(" cleared");
            }
            line
        });
        lines.collect()
    }

    /// Judged alone nothing of the code is found.
    fn is_clean_alone(&self, place: usize, as_of: &str, code: &str) -> bool {
        let (_, history) = self.0.get(place - 1).unwrap();
        let moment = Moment::end_of(Day::parse(as_of).unwrap());
        let judgement = judge(history, &directory(), fixture(), moment);
        judgement.findings.iter().all(|finding| finding.code != code)
    }
}

#[test]
fn a_number_that_an_act_of_another_chain_gave_is_taken() {
    let filed = r#"CT-ZS JUDGE CaseFiled {"case_number": "(2024)赣0203民初7号", "number_type": "MIN_CHU"}"#;
    let file = r#"PMC-ZS MED MediationAccepted {"kind": "PEOPLE", "file_number": "(2024)珠人调字第1号"}"#;
    let world = World::new(&[
        ("A", &format!("2024-03-05 {filed}\n2024-03-06 {file}")),
        ("B", &format!("2024-03-04 {filed}\n2024-03-08 {file}\n2025-01-02 {file}")),
        ("C", r#"2024-03-09 CT-FL JUDGE CaseFiled {"case_number": "(2024)赣0203民初7号", "number_type": "MIN_CHU"}"#),
    ]);
    let bad = |place, as_of| world.findings(place, as_of, "F-BAD-NUMBER");
    assert!(world.is_clean_alone(1, "2024-12-31", "F-BAD-NUMBER"));
    assert_eq!(bad(1, "2024-12-31"), ["F-BAD-NUMBER 1 CT-ZS m DUPLICATE"]);
    assert_eq!(bad(2, "2024-12-31"), ["F-BAD-NUMBER 2 PMC-ZS m DUPLICATE"]);
    // A file number is unique within its year, and the court of another place has numbers of its own.
    assert_eq!(bad(2, "2025-12-31"), ["F-BAD-NUMBER 2 PMC-ZS m DUPLICATE"]);
    assert_eq!(bad(3, "2024-12-31"), ["F-BAD-NUMBER 1 CT-FL m COURT"]);
    assert!(bad(2, "2024-03-07").is_empty());
}

#[test]
fn of_two_acts_of_one_instant_the_one_on_the_chain_with_the_smaller_id_has_the_number() {
    let filed = r#"2024-03-05 CT-ZS JUDGE CaseFiled {"case_number": "(2024)赣0203民初7号", "number_type": "MIN_CHU"}"#;
    let world = World::new(&[("A", filed), ("B", filed)]);
    assert!(world.findings(1, "2024-12-31", "F-BAD-NUMBER").is_empty());
    assert_eq!(world.findings(2, "2024-12-31", "F-BAD-NUMBER"), ["F-BAD-NUMBER 1 CT-ZS m DUPLICATE"]);
}

#[test]
fn a_number_that_was_withdrawn_is_free_from_the_correction_on() {
    let filed = r#"CT-ZS JUDGE CaseFiled {"case_number": "(2024)赣0203民初7号", "number_type": "MIN_CHU"}"#;
    let corrected = |day: &str, target: u32| {
        format!("{day} CT-ZS HEAD RecordCorrected {{\"target\": {{\"step\": {target}}}, \"withdrawn\": true}}")
    };
    let first = format!("2024-03-04 {filed}\n{}\n{}", corrected("2024-03-10", 101), corrected("2024-03-20", 102));
    let world = World::new(&[("A", &first), ("B", &format!("2024-03-06 {filed}"))]);
    let found = |as_of| world.findings(2, as_of, "F-BAD-NUMBER").len();
    assert_eq!([found("2024-03-07"), found("2024-03-10"), found("2024-03-19"), found("2024-03-20")], [1, 0, 0, 1]);
}

#[test]
fn a_petition_that_was_terminated_on_a_chain_of_the_same_facts_is_not_accepted_again() {
    let terminated = r#"2024-03-04 XF-FL HEAD PetitionTerminated {}"#;
    let link = |day: &str, ground: &str, chains: &str| {
        format!(r#"{day} ZC-ZS DIR DisputesLinked {{"chains": [{chains}], "ground": "{ground}"}}"#)
    };
    let again = r#"
        2024-04-01 GOV-FL HEAD PetitionReceived {"form": "LETTER"}
        2024-04-08 GOV-FL HEAD PetitionAccepted {"routes_told": ["PETITION_REVIEW"]}"#;
    let closed = "2024-05-06 GOV-FL DIR DisputeClosed {\"outcome\": \"MEDIATED\", \"ground\": \"NO_OBLIGATION\"}";
    let linked = |on_a: &str, on_b: &str, on_c: &str| {
        let again = format!("{again}\n{on_c}\n{closed}");
        World::new(&[("A", &format!("{terminated}\n{on_a}")), ("B", on_b), ("C", &again)])
    };
    let found = |world: &World, as_of| world.findings(3, as_of, "F-REPEAT-ACCEPTED");
    let repeat = ["F-REPEAT-ACCEPTED 2 GOV-FL m"];
    for world in [
        linked("", "", &link("2024-05-01", "SAME_FACTS", "\"A\"")),
        linked(&link("2024-05-01", "SAME_FACTS", "\"C\""), "", ""),
        linked("", &link("2024-05-01", "SAME_FACTS", "\"A\", \"C\""), ""),
        linked(
            &link("2024-04-20", "SAME_FACTS", "\"02020202-0202-0202-0202-020202020202\""),
            "2024-03-01 ZC-ZS REG FollowUpVisited {}",
            &link("2024-05-01", "SAME_FACTS", "\"B\""),
        ),
    ] {
        assert_eq!(found(&world, "2024-12-31"), repeat);
        assert!(found(&world, "2024-04-30").is_empty());
        assert!(world.is_clean_alone(3, "2024-12-31", "F-REPEAT-ACCEPTED"));
        // Such an acceptance calls for no opinion.
        assert!(world.findings(3, "2024-12-31", "F-MISSING-STEP").is_empty());
    }
    let other = linked("", "", &link("2024-05-01", "SAME_PARTIES", "\"A\""));
    assert!(found(&other, "2024-12-31").is_empty());
    assert_eq!(other.findings(3, "2024-12-31", "F-MISSING-STEP"), ["F-MISSING-STEP 4 GOV-FL M S1"]);
}

#[test]
fn a_petition_received_before_the_termination_may_be_accepted() {
    let world = World::new(&[
        (
            "A",
            r#"2024-04-02 XF-FL HEAD PetitionTerminated {}
                 2024-05-01 ZC-ZS DIR DisputesLinked {"chains": ["B"], "ground": "SAME_FACTS"}"#,
        ),
        (
            "B",
            r#"2024-04-01 GOV-FL HEAD PetitionReceived {"form": "LETTER"}
                 2024-04-08 GOV-FL HEAD PetitionAccepted {"routes_told": ["PETITION_REVIEW"]}"#,
        ),
    ]);
    assert!(world.findings(2, "2024-12-31", "F-REPEAT-ACCEPTED").is_empty());
}

#[test]
fn the_mediator_of_a_dispute_takes_no_other_role_in_one_that_was_split_from_it() {
    let world = World::new(&[
        (
            "A",
            r#"2024-03-04 PMC-ZS DIR MediatorAppointed {"mediator": "PMC-ZS/M-001", "conflict_checked_on": "2024-03-04"}
                 2024-03-11 ZC-ZS DIR DisputeSplit {"chains": ["B"], "ground": "DIFFERENT_PROCEDURE"}"#,
        ),
        (
            "B",
            r#"2024-03-12 ZC-ZS DIR DisputeSplit {"chains": ["03030303-0303-0303-0303-030303030303"], "ground": "DIFFERENT_PROCEDURE"}
                 2024-03-13 CT-ZS JUDGE HearingHeld {"assessors": ["PMC-ZS/M-002"]}"#,
        ),
        (
            "C",
            r#"2024-04-01 CT-ZS JUDGE HearingHeld {"witnesses": ["PMC-ZS/M-001"]}
                 2024-04-02 LA-LP HEAD LegalAidAssigned {"lawyer": "PMC-ZS/M-001"}"#,
        ),
        ("D", r#"2024-04-01 CT-ZS JUDGE HearingHeld {"witnesses": ["PMC-ZS/M-001"]}"#),
    ]);
    let found = |place| world.findings(place, "2024-12-31", "F-ROLE-CONFLICT");
    assert_eq!(found(3), ["F-ROLE-CONFLICT 1 CT-ZS M", "F-ROLE-CONFLICT 2 LA-LP M"]);
    assert!(found(2).is_empty() && found(4).is_empty());
    assert!(world.is_clean_alone(3, "2024-12-31", "F-ROLE-CONFLICT"));
}

#[test]
fn a_hold_on_another_chain_keeps_the_keys_that_it_covers() {
    let hold = r#"2024-03-04 ZFW-JDZ HEAD LegalHoldPlaced {"chains": ["B"], "until_on": "2024-06-30"}"#;
    let erased = |day: &str| format!(r#"{day} ZC-ZS HEAD ErasureExecuted {{"keys": ["k"]}}"#);
    for (day, found) in [("2024-03-01", 0), ("2024-06-30", 1), ("2024-07-01", 0)] {
        let world = World::new(&[("A", hold), ("B", &erased(day)), ("C", &erased(day))]);
        assert_eq!(world.findings(2, "2024-12-31", "F-ERASURE").len(), found, "{day}");
        assert!(world.findings(3, "2024-12-31", "F-ERASURE").is_empty());
    }
}

#[test]
fn readings_on_an_access_chain_are_judged_with_the_chain_that_was_read() {
    let dispute = r#"
        2024-03-04 ZC-ZS REG DisputeRegistered {"division": "360203", "parties": [{"subject": "a", "side": "APPLICANT", "minor": true, "guardian": "g"}]}
        2024-03-05 PMC-ZS MED MediationSessionHeld {"mediator": "m"}
        2024-03-20 PMC-ZS MED MediationSessionHeld {"mediator": "m"}"#;
    let read = |day: &str, what: &str| {
        format!(r#"{day} CT-ZS JUDGE RecordAccessed {{"reader_agency": "CT-ZS", "chain": "A", "grade": "F", {what}}}"#)
    };
    let access = [
        read("2024-03-06", r#""parts": ["SEALED"], "purpose": "HANDLING", "steps": [{"step": 102}]"#),
        read("2024-03-07", r#""parts": ["SEALED"], "purpose": "HANDLING", "steps": [{"step": 103}]"#),
        read("2024-03-08", r#""parts": ["ACT"]"#),
        read("2024-03-09", r#""parts": ["IDENTITIES"], "purpose": "HANDLING""#),
        read("2024-03-10", r#""parts": ["ACT"], "purpose": "HANDLING""#),
    ];
    let world = World::new(&[("A", dispute), ("X", &access.join("\n")), ("B", dispute)]);
    let all = |place| {
        let codes = ["F-PRIVILEGE-LEAK", "F-NO-BASIS", "F-MINOR-EXPOSED"];
        codes.iter().flat_map(|code| world.findings(place, "2024-12-31", code)).collect::<Vec<_>>()
    };
    let of_the_readings = ["F-PRIVILEGE-LEAK 2:1 CT-ZS C", "F-NO-BASIS 2:3 CT-ZS M", "F-MINOR-EXPOSED 2:4 CT-ZS C"];
    assert_eq!(all(1), of_the_readings);
    assert!(all(2).is_empty(), "a reading is found once, with the chain that was read");
    assert!(all(3).is_empty());
    assert!(world.findings(1, "2024-03-07", "F-NO-BASIS").is_empty());
}

#[test]
fn who_reads_an_accusation_is_found_on_his_access_chain() {
    let accusation = r#"2024-03-04 XF-FL HEAD PetitionReceived {"form": "LETTER", "kind": "ACCUSATION"}"#;
    let read = r#"2024-03-06 GOV-FL HEAD RecordAccessed {"reader_agency": "GOV-FL", "chain": "01010101-0101-0101-0101-010101010101", "grade": "R", "parts": ["ACT"], "purpose": "HANDLING"}"#;
    let world = World::new(&[("A", accusation), ("X", read)]);
    assert_eq!(world.findings(1, "2024-12-31", "F-ACCUSER-EXPOSED"), ["F-ACCUSER-EXPOSED 2:1 GOV-FL C"]);
}

#[test]
fn an_auditor_clears_on_a_chain_of_his_own() {
    let act = r#"2024-03-05 PMC-ZS DIR MediatorAppointed {"mediator": "m"}"#;
    let audit = r#"
        2024-04-01 AUD-JDZ AUD AuditFindingRaised {"code": "F-NO-CONFLICT-CHECK", "steps": [{"step": 101}], "against": "PMC-ZS"}
        2024-04-20 AUD-JDZ AUD AuditFindingCleared {"finding": {"step": 201}, "remedy": "EXPLAINED"}"#;
    let world = World::new(&[("A", act), ("X", audit)]);
    let found = |as_of| world.findings(1, as_of, "F-NO-CONFLICT-CHECK");
    assert_eq!(found("2024-04-19"), ["F-NO-CONFLICT-CHECK 1 PMC-ZS m"]);
    assert_eq!(found("2024-04-20"), ["F-NO-CONFLICT-CHECK 1 PMC-ZS m cleared"]);
    let judgement = world.judged(1, Moment::end_of(Day::parse("2024-04-20").unwrap()));
    let finding = judgement.findings.first().unwrap();
    assert_eq!((finding.cleared, finding.cleared_on), (None, Some(ChainKey([2; 16]))));
}

#[test]
fn what_other_chains_recorded_later_was_not_known() {
    let filed = r#"CT-ZS JUDGE CaseFiled {"case_number": "(2024)赣0203民初7号", "number_type": "MIN_CHU"}"#;
    let mut world = World::new(&[("A", &format!("2024-03-04 {filed}")), ("B", &format!("2024-03-06 {filed}"))]);
    let entered_late_ms = Day::parse("2024-05-01").unwrap().begin() * 1_000;
    world.0.first_mut().unwrap().1.first_mut().unwrap().recorded_at = entered_late_ms;
    let end = Moment::end_of(Day::parse("2024-12-31").unwrap());
    let then = Moment { known_at: Some(entered_late_ms - 1), ..end };
    let found =
        |moment| world.judged(2, moment).findings.iter().filter(|finding| finding.code == "F-BAD-NUMBER").count();
    assert_eq!([found(then), found(end)], [0, 1]);
}

/// Chains that link, split, hold, read and correct each other.
fn entangled() -> World {
    World::new(&[
        (
            "A",
            r#"2024-03-04 CT-ZS JUDGE CaseFiled {"case_number": "(2024)赣0203民初7号", "number_type": "MIN_CHU"}
                 2024-03-05 ZC-ZS DIR DisputesLinked {"chains": ["B", "C"], "ground": "SAME_FACTS"}
                 2024-03-06 XF-FL HEAD PetitionTerminated {}"#,
        ),
        (
            "B",
            r#"2024-03-04 CT-ZS JUDGE CaseFiled {"case_number": "(2024)赣0203民初7号", "number_type": "MIN_CHU"}
                 2024-03-05 ZFW-JDZ HEAD LegalHoldPlaced {"chains": ["A", "C"], "until_on": "2024-06-30"}
                 2024-03-06 PMC-ZS DIR MediatorAppointed {"mediator": "m"}
                 2024-03-07 ZC-ZS DIR DisputeSplit {"chains": ["C"], "ground": "DIFFERENT_PROCEDURE"}"#,
        ),
        (
            "C",
            r#"2024-03-06 GOV-FL HEAD RecordAccessed {"reader_agency": "GOV-FL", "chain": "A", "grade": "R", "parts": ["ACT"]}
                 2024-03-07 CT-ZS JUDGE CaseFiled {"case_number": "(2024)赣0203民初7号", "number_type": "MIN_CHU"}
                 2024-03-08 CT-ZS HEAD RecordCorrected {"target": {"step": 302}, "withdrawn": true}"#,
        ),
    ])
}

#[test]
fn what_is_gathered_does_not_depend_on_the_order_of_feeding() {
    let world = entangled();
    let expected = world.surroundings();
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut gathering = Gathering::default();
        for at in order {
            let (chain, history) = world.0.get::<usize>(at).unwrap();
            // In pieces, as a log gives them.
            history.iter().for_each(|act| gathering.take(*chain, std::slice::from_ref(act)));
        }
        assert_eq!(gathering.finish(), expected, "{order:?}");
    }
}

#[test]
fn what_several_gather_of_some_chains_each_is_what_one_gathers_of_all() {
    let world = entangled();
    let expected = world.surroundings();
    for apart in 0..3 {
        let mut gatherings = [Gathering::default(), Gathering::default()];
        for (at, (chain, history)) in world.0.iter().enumerate() {
            gatherings.get_mut(usize::from(at == apart)).unwrap().take(*chain, history);
        }
        let [mut whole, other] = gatherings;
        whole.merge(other);
        assert_eq!(whole.finish(), expected, "chain {apart} apart");
    }
}

#[test]
fn a_judgement_among_others_does_not_change_when_any_of_them_goes_on() {
    let world = entangled();
    for day in 3..10_i64 {
        let moment = Moment::end_of(Day::parse("2024-03-01").unwrap().plus(day));
        let then = world.0.iter().map(|(chain, history)| {
            let until = history.iter().filter(|act| act.occurred_at <= moment.as_of);
            (*chain, until.cloned().collect())
        });
        let then = World(then.collect());
        for place in 1..=3 {
            assert_eq!(world.judged(place, moment), then.judged(place, moment), "{place} on day {day}");
        }
    }
}
