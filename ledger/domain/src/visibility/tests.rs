//! The whole matrix against a second reading of its data, and what readers see of cases.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

mod chains;
mod told;
mod whole;

use super::*;

/// A reader of each column.
fn reader(code: &str) -> Reader<'static> {
    let (kind, role, subject) = match code {
        "CT" => (AgencyKind::Court, Role::Jast, None),
        "PR" => (AgencyKind::Procuratorate, Role::Pros, None),
        "XF" => (AgencyKind::Petition, Role::Peto, None),
        "SF_PMC" => (AgencyKind::Mediation, Role::Med, None),
        "GA" => (AgencyKind::Police, Role::Pol, None),
        "RS_ARB" => (AgencyKind::Arbitration, Role::Arb, None),
        "DEP" => (AgencyKind::Department, Role::Adm, None),
        "TC" => (AgencyKind::TownshipCenter, Role::Tcom, None),
        "GRID" => (AgencyKind::TownshipCenter, Role::Grid, None),
        "PSY" => (AgencyKind::Psychology, Role::Psy, None),
        "LAW" => (AgencyKind::LawOffice, Role::Law, None),
        "ZC" => (AgencyKind::GovernanceCenter, Role::Dir, None),
        "AUD" => (AgencyKind::Audit, Role::Aud, None),
        "PTY" => (AgencyKind::GovernanceCenter, Role::Pty, Some("psn_1")),
        _ => panic!("`{code}` is no column"),
    };
    Reader { agency: "X-1", kind, role, subject, grid: None }
}

/// An agency in the middle of a chain that has nothing special.
fn at_work() -> Relation {
    Relation {
        tie: Tie::Lead,
        ended_days: None,
        recorded: false,
        conditions: Footnote::all().fold(Footnotes::default(), Footnotes::and),
        disclosed: Parts::default(),
        minor: false,
        accusation: false,
        own_grid: true,
        own_side: true,
    }
}

#[test]
fn every_act_of_the_catalogue_has_a_row_and_every_agency_a_column() {
    for row in crate::catalogue::rows() {
        assert!(Row::named(&row.visibility_row).is_some(), "{}", row.event);
    }
    assert_eq!(Row::all().count(), 28);
    assert_eq!(Column::all().count(), 14);
    for number in 1..40 {
        let Ok(kind) = AgencyKind::try_from(number) else { continue };
        assert!(Column::of(kind, Role::Reg).is_some(), "{kind:?}");
    }
    assert_eq!(Column::of(AgencyKind::Unspecified, Role::Reg), None);
    assert_eq!(Row::named("V-04"), None);
    assert_eq!(Row::named("V-29"), None);
}

#[test]
fn whom_the_matrix_does_not_know_sees_nothing() {
    let stranger = Reader { kind: AgencyKind::Unspecified, ..reader("CT") };
    for row in Row::all() {
        let decision = decide(&stranger, row, &at_work());
        assert_eq!((decision.grade, decision.rule.to_string()), (Grade::None, "M-12".to_owned()));
    }
}

#[test]
fn a_state_secret_is_visible_to_nobody() {
    let row = Row::named("V-28").unwrap();
    for column in Column::all() {
        for tie in Tie::ALL {
            for recorded in [false, true] {
                let relation =
                    Relation { tie, recorded, disclosed: Parts::default().and(PartKind::Sealed), ..at_work() };
                let decision = decide(&reader(column.code()), row, &relation);
                assert_eq!(decision.grade, Grade::None);
                assert_eq!(decision.part(PartKind::Sealed, true), Shown::Withheld);
            }
        }
    }
}

#[test]
fn the_rule_says_why() {
    let why = |code: &str, row: &str, relation: Relation| {
        decide(&reader(code), Row::named(row).unwrap(), &relation).rule.to_string()
    };
    assert_eq!(why("CT", "V-7", at_work()), "V-7/CT");
    assert_eq!(why("XF", "V-3", Relation { conditions: Footnotes::default(), ..at_work() }), "V-3/XF/2");
    assert_eq!(why("CT", "V-7", Relation { tie: Tie::None, ..at_work() }), "M-1");
    assert_eq!(why("CT", "V-7", Relation { ended_days: Some(181), ..at_work() }), "M-2");
    assert_eq!(why("CT", "V-7", Relation { ended_days: Some(180), ..at_work() }), "V-7/CT");
    assert_eq!(why("CT", "V-7", Relation { tie: Tie::CoAgency, minor: true, ..at_work() }), "M-3");
    assert_eq!(why("GRID", "V-22", Relation { own_grid: false, ..at_work() }), "M-4");
    assert_eq!(why("PTY", "V-7", Relation { own_side: false, ..at_work() }), "M-5");
    assert_eq!(why("CT", "V-7", Relation { tie: Tie::None, recorded: true, ..at_work() }), "M-6");
    assert_eq!(why("CT", "V-7", Relation { accusation: true, ..at_work() }), "V-11/CT");
}

#[test]
fn what_was_said_in_a_mediation_of_the_same_court_does_not_reach_its_bench() {
    let own = Relation { recorded: true, ..at_work() };
    let clerk = decide(&reader("CT"), Row::MEDIATION, &own);
    assert_eq!(clerk.part(PartKind::Sealed, false), Shown::Plain);
    let judge = decide(&Reader { role: Role::Judge, ..reader("CT") }, Row::MEDIATION, &own);
    assert_eq!(judge.grade, Grade::Existence);
    assert_eq!(judge.part(PartKind::Sealed, false), Shown::Withheld);
    // Nor when the chain carries an accusation, which closes and never opens.
    let accused = Relation { accusation: true, ..own };
    assert_eq!(decide(&Reader { role: Role::Judge, ..reader("CT") }, Row::MEDIATION, &accused).grade, Grade::None);
}

#[test]
fn the_identity_of_a_party_depends_on_the_condition_of_its_own_cell() {
    // A law office without the client sees the registration redacted, as its cell says, and of identities nothing.
    let relation = Relation { conditions: Footnotes::default(), ..at_work() };
    let decision = decide(&reader("LAW"), Row::named("V-1").unwrap(), &relation);
    assert_eq!((decision.grade, decision.part(PartKind::Identities, false)), (Grade::Redacted, Shown::Withheld));
    let decision = decide(&reader("LAW"), Row::named("V-1").unwrap(), &at_work());
    assert_eq!((decision.grade, decision.part(PartKind::Identities, false)), (Grade::Redacted, Shown::Masked));
}

#[test]
fn the_audit_reads_a_session_only_when_two_heads_have_approved() {
    let relation = Relation { tie: Tie::Mandate, ..at_work() };
    let audit = decide(&reader("AUD"), Row::MEDIATION, &relation);
    assert_eq!((audit.grade, audit.part(PartKind::Sealed, false)), (Grade::Redacted, Shown::Withheld));
    let approved = Relation { disclosed: Parts::default().and(PartKind::Sealed), ..relation };
    let audit = decide(&reader("AUD"), Row::MEDIATION, &approved);
    assert_eq!(audit.part(PartKind::Sealed, false), Shown::Plain);
    assert_eq!(audit.part(PartKind::Narrative, false), Shown::Withheld);
    // An approval opens nothing to a column without the footnote.
    let police = decide(&reader("GA"), Row::MEDIATION, &approved);
    assert_eq!(police.part(PartKind::Sealed, false), Shown::Withheld);
}
