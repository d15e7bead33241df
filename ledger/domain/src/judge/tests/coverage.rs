//! Small histories that together open and end every clock that is judged and that the cases leave out.

use std::collections::BTreeSet;

use super::{
    cases_in, judged as judged_case,
    table::{clocks, findings, judged},
};
use crate::{
    clocks::Use,
    judge::{Judgement, tests::fixture},
};

/// What it is about, the day it is judged, the acts, the runs of clocks, the findings.
type Scenario = (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);

#[test]
fn every_scenario_is_judged_as_it_expects() {
    for (name, as_of, acts, expected, found) in SCENARIOS {
        let judgement = judged(as_of, acts);
        assert_eq!(clocks(&judgement), *expected, "{name}");
        assert_eq!(findings(&judgement), *found, "{name}");
    }
}

#[test]
fn every_judged_clock_is_opened_and_ended_somewhere() {
    let mut ended = BTreeSet::new();
    let mut note = |judgement: &Judgement| {
        ended.extend(judgement.clocks.iter().filter(|run| run.done.is_some()).map(|run| run.id.to_owned()));
    };
    for (_, as_of, acts, ..) in SCENARIOS {
        note(&judged(as_of, acts));
    }
    for case in cases_in("tests/cases").iter().chain(&cases_in("tests/cases/extra")) {
        note(&judged_case(case));
        for mutation in &case.mutations {
            note(&judged_case(&case.mutated(mutation).unwrap()));
        }
    }
    let judged = fixture().clocks().iter().filter(|clock| clock.usage == Use::Judged);
    let left: Vec<&str> = judged.map(|clock| clock.id.as_str()).filter(|id| !ended.contains(*id)).collect();
    assert_eq!(left, ["SS-12a", "SS-12b"], "counted back from a limit, they have no runs of their own");
}

const SCENARIOS: &[Scenario] = &[
    (
        "reconsideration in the ordinary procedure, then a suit through both instances",
        "2025-05-13",
        r#"
        2024-05-20 NR-FL ADM CompensationDecisionServed {"receipt_on": "2024-05-22", "remedy_told": true}
        2024-07-22 SF-JDZ RECON ReconsiderationApplied {"respondent": "NR-FL", "challenged": {"step": 1}}
        2024-07-25 SF-JDZ RECON ReconsiderationCorrectionRequested {"application": {"step": 2}, "receipt_on": "2024-07-26"}
        2024-08-12 SF-JDZ RECON ReconsiderationAccepted {"number": "1", "procedure": "ORDINARY", "application": {"step": 2}, "correction_received_on": "2024-08-09"}
        2024-08-21 SF-JDZ RECON ReconsiderationServed {"respondent": "NR-FL", "served_on": "2024-08-21"}
        2024-09-05 NR-FL ADM ReconsiderationReplied {"served": {"step": 5}}
        2024-10-12 SF-JDZ RECON ReconsiderationDecided {"receipt_on": "2024-10-14", "suit_right_told": true}
        2024-10-30 CT-LP JAST FilingMaterialReceived {"suit": "ADMINISTRATIVE", "sues_after": {"step": 7}}
        2024-11-06 CT-LP JUDGE CaseFiled {"case_number": "(2024)赣0281行初1号", "number_type": "XING_CHU_ADMIN", "procedure": "ADMINISTRATIVE_SIMPLE"}
        2024-12-02 CT-LP JUDGE ProcedureConverted {"from": "ADMINISTRATIVE_SIMPLE", "to": "ADMINISTRATIVE"}
        2025-01-08 CT-LP JUDGE JudgmentRendered {"number": "(2024)赣0281行初1号", "appealable": true, "appeal_told": true, "receipt_on": "2025-01-10"}
        2025-01-26 CT-LP JAST AppealFiled {"against": "JUDGMENT"}
        2025-02-10 CT-JDZ JUDGE CaseFiled {"case_number": "(2025)赣02民终5号", "number_type": "MIN_ZHONG", "procedure": "SECOND_INSTANCE"}
        2025-05-12 CT-JDZ JUDGE JudgmentRendered {"number": "(2025)赣02民终5号", "appealable": false}
        2025-05-12 CT-JDZ JAST JudgmentEffective {"effective_on": "2025-05-12"}
        "#,
        &[
            "FY-1 2024-05-22→2024-07-22 MET 0 (1…2)",
            "XS-2 2024-05-22→2024-11-22 VOID 0 (1…4)",
            "FY-2 2024-07-22→2024-07-29 VOID 0 (2…3)",
            "FY-4 2024-07-26→2024-08-09 MET 0 (3…4)",
            "FY-5a 2024-08-12→2024-08-21 MET 0 (4…5)",
            "FY-7 2024-08-12→2024-10-11 LATE 1 (4…7)",
            "FY-6a 2024-08-21→2024-09-04 LATE 1 (5…6)",
            "XS-1 2024-10-14→2024-10-29 LATE 1 (7…8)",
            "SS-1 2024-10-30→2024-11-06 MET 0 (8…9)",
            "XS-3b 2024-11-06→2024-12-23 VOID 0 (9…10)",
            "XS-3a 2024-11-06→2025-05-06 MET 0 (10…11)",
            "SS-7a 2025-01-10→2025-01-26 MET 0 (11…12)",
            "SS-8a 2025-01-26→2025-04-27 VOID 0 (12…13)",
            "SS-8a 2025-02-10→2025-05-12 MET 0 (13…14)",
            "SS-9 2025-05-12→2025-11-12 OPEN 0 (15…-)",
        ],
        &["F-OVERDUE 6 NR-FL FY-6a +1 M", "F-OVERDUE 7 SF-JDZ FY-7 +1 M"],
    ),
    (
        "reconsideration in the simple procedure, accepted late, suspended and mediated",
        "2024-09-30",
        r#"
        2024-09-02 SF-JDZ RECON ReconsiderationApplied {"respondent": "NR-FL", "known_on": "2024-07-04"}
        2024-09-10 SF-JDZ RECON ReconsiderationAccepted {"number": "1", "procedure": "SIMPLE", "application": {"step": 1}}
        2024-09-13 SF-JDZ RECON ReconsiderationServed {"respondent": "NR-FL", "served_on": "2024-09-12"}
        2024-09-18 SF-JDZ RECON ClockSuspended {"clock_id": "FY-8", "ground": "APPRAISAL", "document": {"kind": "x"}}
        2024-09-24 SF-JDZ RECON ClockResumed {"clock_id": "FY-8", "suspension": {"step": 4}, "document": {"kind": "x"}}
        2024-09-25 SF-JDZ RECON ReconsiderationMediated {}
        "#,
        &[
            "FY-1 2024-07-04→2024-09-02 MET 0 (1…1)",
            "FY-2 2024-09-02→2024-09-09 LATE 1 (1…2)",
            "FY-5b 2024-09-09→2024-09-12 MET 0 (2…3)",
            "FY-8 2024-09-09→2024-10-16 MET 0 (2…6)",
            "FY-6b 2024-09-12→2024-09-20 VOID 5 (3…6)",
        ],
        &["F-OVERDUE 2 SF-JDZ FY-2 +1 M", "F-OVERDUE 6 NR-FL FY-6b +5 M"],
    ),
    (
        "a respondent who answers within the five days of the simple procedure, and a suit filed at once as simple",
        "2024-12-31",
        r#"
        2024-09-10 SF-JDZ RECON ReconsiderationAccepted {"number": "1", "procedure": "SIMPLE"}
        2024-09-12 SF-JDZ RECON ReconsiderationServed {"respondent": "NR-FL", "served_on": "2024-09-12"}
        2024-09-20 NR-FL ADM ReconsiderationReplied {"served": {"step": 2}}
        2024-09-30 SF-JDZ RECON ReconsiderationDecided {"receipt_on": "2024-09-30", "suit_right_told": true}
        2024-10-10 CT-LP JUDGE CaseFiled {"case_number": "(2024)赣0281行初1号", "number_type": "XING_CHU_ADMIN", "procedure": "ADMINISTRATIVE_SIMPLE"}
        2024-11-25 CT-LP JUDGE JudgmentRendered {"number": "(2024)赣0281行初1号", "appealable": false}
        "#,
        &[
            "FY-5b 2024-09-10→2024-09-13 MET 0 (1…2)",
            "FY-8 2024-09-10→2024-10-10 MET 0 (1…4)",
            "FY-6b 2024-09-12→2024-09-20 MET 0 (2…3)",
            "XS-1 2024-09-30→2024-10-15 LAPSED 0 (4…-)",
            "XS-3b 2024-10-10→2024-11-25 MET 0 (5…6)",
        ],
        &[],
    ),
    (
        "a direct suit against a decision ends the six months and voids the time for reconsideration",
        "2024-06-30",
        r#"
        2024-05-20 NR-FL ADM CompensationDecisionServed {"receipt_on": "2024-05-22", "remedy_told": true}
        2024-06-20 CT-LP JAST FilingMaterialReceived {"suit": "ADMINISTRATIVE", "sues_after": {"step": 1}}
        2024-06-27 CT-LP JUDGE CaseFiled {"case_number": "(2024)赣0281行初1号", "number_type": "XING_CHU_ADMIN", "procedure": "ADMINISTRATIVE"}
        "#,
        &[
            "FY-1 2024-05-22→2024-07-22 VOID 0 (1…2)",
            "XS-2 2024-05-22→2024-11-22 MET 0 (1…2)",
            "SS-1 2024-06-20→2024-06-27 MET 0 (2…3)",
            "XS-3a 2024-06-27→2024-12-27 OPEN 0 (3…-)",
        ],
        &[],
    ),
    (
        "land title: accepted late, served and answered as the decision tells, then sued",
        "2025-01-16",
        r#"
        2024-06-03 NR-FL ADM AdjudicationApplied {"matter": "LAND_TITLE"}
        2024-06-14 NR-FL ADM AdjudicationAccepted {"number": "1", "application": {"step": 1}}
        2024-12-13 NR-FL HEAD AdjudicationDecided {"respondent_served_on": "2024-06-20", "answer_received_on": "2024-07-19", "receipt_on": "2024-12-16", "suit_right_told": true}
        2025-01-15 CT-LP JAST FilingMaterialReceived {"sues_after": {"step": 3}}
        "#,
        &[
            "CJ-1 2024-06-03→2024-06-13 LATE 1 (1…2)",
            "CJ-2 2024-06-13→2024-06-20 MET 0 (2…3)",
            "CJ-4 2024-06-13→2024-12-13 MET 0 (2…3)",
            "CJ-5 2024-12-16→2025-01-15 MET 0 (3…4)",
            "SS-1 2025-01-15→2025-01-22 OPEN 0 (4…-)",
        ],
        &["F-OVERDUE 2 NR-FL CJ-1 +1 M"],
    ),
    (
        "land title: service and answer known at the acceptance",
        "2024-03-13",
        r#"
        2024-03-04 NR-FL ADM AdjudicationAccepted {"number": "1", "respondent_served_on": "2024-03-05", "answer_received_on": "2024-04-05"}
        "#,
        &[
            "CJ-2 2024-03-04→2024-03-11 MET 0 (1…1)",
            "CJ-3 2024-03-05→2024-04-04 LATE 1 (1…1)",
            "CJ-4 2024-03-04→2024-09-04 OPEN 0 (1…-)",
        ],
        &[],
    ),
    (
        "medical mediation by the health department: accepted late, suspended for appraisal, agreed one day late",
        "2024-05-20",
        r#"
        2024-03-04 WJ-JDZ ADM MediationApplied {"kind": "ADMIN", "applicants": ["a"]}
        2024-03-12 WJ-JDZ MED MediationAccepted {"kind": "ADMIN", "committee": "WJ-JDZ", "file_number": "1"}
        2024-03-20 WJ-JDZ MED ClockSuspended {"clock_id": "TJ-5", "ground": "APPRAISAL", "document": {"kind": "x"}}
        2024-04-10 WJ-JDZ MED ClockResumed {"clock_id": "TJ-5", "suspension": {"step": 3}, "document": {"kind": "x"}}
        2024-05-16 WJ-JDZ MED OralAgreementRecorded {"mediator": "m", "effective_on": "2024-05-16"}
        "#,
        &[
            "TJ-4 2024-03-04→2024-03-11 LATE 1 (1…2)",
            "TJ-5 2024-03-11→2024-05-15 LATE 1 (2…5)",
            "SF-1 2024-05-16→2024-06-17 OPEN 0 (5…-)",
        ],
        &["F-OVERDUE 2 WJ-JDZ TJ-4 +1 M", "F-DEEMED-FAILED 5 WJ-JDZ TJ-5 +1 M"],
    ),
    (
        "medical people's mediation that fails late is overdue, not deemed failed",
        "2024-04-20",
        r#"
        2024-03-01 YT-JDZ REG MediationConsentRecorded {"consents": [{"subject": "a", "given": true}], "rights_told": true}
        2024-03-04 YT-JDZ MED MediationAccepted {"kind": "MEDICAL", "committee": "YT-JDZ", "file_number": "1"}
        2024-04-17 YT-JDZ MED MediationFailed {"routes_told": ["LITIGATION"]}
        "#,
        &["TJ-3 2024-03-04→2024-04-16 LATE 1 (2…3)"],
        &["F-OVERDUE 3 YT-JDZ TJ-3 +1 M"],
    ),
    (
        "labour: mediation runs out, arbitration with an extension, award late, suit late for one side",
        "2024-06-14",
        r#"
        2024-03-04 PMC-LP MED MediationApplied {"kind": "LABOUR", "applicants": ["a"]}
        2024-03-20 ARB-LP ARB ArbitrationApplied {"known_on": "2023-03-20", "applicants": ["a"]}
        2024-03-27 ARB-LP ARB ArbitrationAccepted {"number": "1", "application": {"step": 2}}
        2024-05-11 ARB-LP HEAD DeadlineExtended {"clock_id": "LD-5", "days": 15, "approver_role": "HEAD", "party_told_on": "2024-05-11"}
        2024-05-27 ARB-LP ARB ArbitralAwardRendered {"final": true, "mediation_tried": true, "suit_right_told": true, "receipt_on": "2024-05-28"}
        2024-06-13 CT-LP JAST FilingMaterialReceived {"sues_after": {"step": 5}}
        "#,
        &[
            "TJ-6 2024-03-04→2024-03-19 LATE 1 (1…2)",
            "LD-1 2023-03-20→2024-03-20 MET 0 (2…2)",
            "LD-2 2024-03-20→2024-03-27 MET 0 (2…3)",
            "LD-5 2024-03-27→2024-05-26 LATE 1 (3…5)",
            "LD-6 2024-05-28→2024-06-12 LATE 1 (5…6)",
            "LD-7 2024-05-28→2024-06-27 MET 0 (5…6)",
            "SS-1 2024-06-13→2024-06-20 OPEN 0 (6…-)",
        ],
        &["F-OVERDUE 5 ARB-LP LD-5 +1 M"],
    ),
    (
        "commercial awards on both sides of the new law",
        "2026-06-03",
        r#"
        2025-12-01 ARB-LP ARB ArbitrationApplied {"kind": "COMMERCIAL"}
        2025-12-08 ARB-LP ARB ArbitrationAccepted {"kind": "COMMERCIAL", "number": "1"}
        2026-02-27 ARB-LP ARB ArbitralAwardRendered {"kind": "COMMERCIAL", "suit_right_told": true, "receipt_on": "2026-02-28"}
        2026-03-02 ARB-LP ARB ArbitralAwardRendered {"kind": "COMMERCIAL", "suit_right_told": true}
        2026-06-03 CT-LP JAST FilingMaterialReceived {}
        "#,
        &[
            "SZ-1 2025-12-01→2025-12-06 LATE 2 (1…2)",
            "SZ-2 2026-02-28→2026-08-28 MET 0 (3…5)",
            "SZ-2n 2026-03-02→2026-06-02 LATE 1 (4…5)",
            "SS-1 2026-06-03→2026-06-10 OPEN 0 (5…-)",
        ],
        &["F-OVERDUE 2 ARB-LP SZ-1 +2 M"],
    ),
    (
        "rural land arbitration does not roll over the holiday",
        "2024-06-05",
        r#"
        2024-03-04 ARB-LP ARB ArbitrationAccepted {"kind": "RURAL_LAND", "number": "1"}
        2024-05-06 ARB-LP ARB ArbitralAwardRendered {"kind": "RURAL_LAND", "suit_right_told": true}
        2024-06-05 CT-LP JAST FilingMaterialReceived {}
        "#,
        &[
            "NC-1a 2024-03-04→2024-05-03 LATE 3 (1…2)",
            "NC-1b 2024-05-06→2024-06-05 MET 0 (2…3)",
            "SS-1 2024-06-05→2024-06-12 OPEN 0 (3…-)",
        ],
        &["F-OVERDUE 2 ARB-LP NC-1a +3 M"],
    ),
    (
        "a simple petition to another organ through review and re-review to its end, and accepted again",
        "2024-08-31",
        r#"
        2024-03-01 TG-FL-SA PETO PetitionReceived {"kind": "CLAIM", "direct": true, "procedure": "SIMPLE"}
        2024-03-07 TG-FL-SA ADM PetitionAccepted {"notice_on": "2024-03-07", "routes_told": ["LITIGATION"], "petition": {"step": 1}}
        2024-03-15 TG-FL-SA HEAD PetitionReplied {"receipt_on": "2024-03-18", "review_right_told": true}
        2024-04-17 GOV-FL PETO ReviewRequested {"organ": "GOV-FL", "against": {"step": 3}}
        2024-05-18 GOV-FL HEAD ReviewDecided {"receipt_on": "2024-05-20", "re_review_right_told": true}
        2024-06-20 GOV-JDZ PETO ReReviewRequested {"organ": "GOV-JDZ", "against": {"step": 5}}
        2024-07-20 GOV-JDZ HEAD ReReviewDecided {"published": true}
        2024-07-21 GOV-JDZ HEAD PetitionTerminated {}
        2024-08-01 TG-FL-SA PETO PetitionReceived {"kind": "CLAIM", "direct": true, "anonymous": true}
        2024-08-02 TG-FL-SA ADM PetitionAccepted {"notice_on": "2024-08-02", "routes_told": ["LITIGATION"]}
        "#,
        &[
            "XF-2 2024-03-01→2024-03-16 MET 0 (1…2)",
            "XF-11a 2024-03-01→2024-03-06 LATE 1 (1…2)",
            "XF-11b 2024-03-01→2024-03-15 MET 0 (1…3)",
            "XF-5 2024-03-07→2024-05-06 MET 0 (2…3)",
            "XF-6 2024-03-18→2024-04-17 MET 0 (3…4)",
            "XF-7 2024-04-17→2024-05-17 LATE 1 (4…5)",
            "XF-8 2024-05-20→2024-06-19 LATE 1 (5…6)",
            "XF-9 2024-06-20→2024-07-20 MET 0 (6…7)",
            "XF-5 2024-08-02→2024-10-01 OPEN 0 (10…-)",
        ],
        &["O-OVERDUE 2 TG-FL-SA XF-11a +1 O", "F-OVERDUE 5 GOV-FL XF-7 +1 M", "F-REPEAT-ACCEPTED 10 TG-FL-SA m"],
    ),
    (
        "an assigned petition is reported a day late",
        "2024-05-10",
        r#"
        2024-04-08 XF-FL PETO PetitionAssigned {"target": "TG-FL-SA", "delivered_on": "2024-04-08", "report_by": "2024-04-28", "legal_basis": "x"}
        2024-04-09 TG-FL-SA ADM HandoffAccepted {"proposal": {"step": 1}}
        2024-04-10 TG-FL-SA ADM PetitionDeclined {"ground": "NOT_COMPETENT", "competent_agency": "NR-FL"}
        2024-04-29 TG-FL-SA ADM HandoffOutcomeReported {"proposal": {"step": 1}, "success": true}
        2024-05-07 XF-FL PETO HandoffOutcomeAcknowledged {"report": {"step": 4}}
        "#,
        &[
            "XF-3 2024-04-08→2024-04-23 MET 0 (1…3)",
            "XF-4 2024-04-08→2024-04-15 MET 0 (1…2)",
            "XF-10 2024-04-08→2024-04-28 LATE 1 (1…4)",
            "HD-3 2024-04-29→2024-05-07 MET 0 (4…5)",
        ],
        &["F-NO-LEAD 1 XF-FL C", "F-OVERDUE 4 TG-FL-SA XF-10 +1 M"],
    ),
    (
        "a refusal to file is appealed and answered late",
        "2024-04-23",
        r#"
        2024-03-04 CT-LP JAST FilingMaterialReceived {}
        2024-03-11 CT-LP JUDGE FilingRejected {"receipt_on": "2024-03-12", "appeal_told": true, "filing": {"step": 1}}
        2024-03-22 CT-LP JAST AppealFiled {"against": "RULING"}
        2024-04-23 CT-JDZ JUDGE JudgmentRendered {"number": "(2024)赣02民终9号", "appealable": false}
        "#,
        &[
            "SS-1 2024-03-04→2024-03-11 MET 0 (1…2)",
            "SS-7b 2024-03-12→2024-03-22 MET 0 (2…3)",
            "SS-8b 2024-03-22→2024-04-22 LATE 1 (3…4)",
        ],
        &["F-OVERDUE 4 CT-LP SS-8b +1 M"],
    ),
    (
        "entrusted mediation: seven days while a simple trial runs, fifteen otherwise",
        "2024-04-30",
        r#"
        2024-03-04 CT-LP JUDGE CaseFiled {"case_number": "(2024)赣0281民初1号", "number_type": "MIN_CHU", "procedure": "SIMPLE"}
        2024-03-04 CT-LP JAST ComplaintServed {"served_on": "2024-03-04"}
        2024-03-05 CT-LP JAST HandoffProposed {"mode": "DELEGATION", "target": "PMC-LP", "purpose": "ENTRUSTED_MEDIATION", "legal_basis": "x"}
        2024-03-06 PMC-LP MED HandoffAccepted {"proposal": {"step": 3}, "receipt_on": "2024-03-06"}
        2024-03-14 PMC-LP MED MediationFailed {"routes_told": ["LITIGATION"]}
        2024-03-15 CT-LP JUDGE ProcedureConverted {"from": "SIMPLE", "to": "ORDINARY"}
        2024-03-18 CT-LP JAST HandoffProposed {"mode": "DELEGATION", "target": "PMC-LP", "purpose": "ENTRUSTED_MEDIATION", "legal_basis": "x"}
        2024-03-22 PMC-LP MED HandoffAccepted {"proposal": {"step": 7}, "receipt_on": "2024-03-22"}
        2024-04-07 PMC-LP MED MediationTerminated {"routes_told": ["LITIGATION"]}
        "#,
        &[
            "SS-2 2024-03-04→2024-03-11 MET 0 (1…2)",
            "SS-5 2024-03-04→2024-06-04 VOID 0 (1…6)",
            "SS-3 2024-03-04→2024-03-19 LAPSED 0 (2…-)",
            "TJ-9 2024-03-05→2024-03-08 MET 0 (3…4)",
            "TJ-8b 2024-03-06→2024-03-13 LATE 1 (4…5)",
            "SS-4 2024-03-04→2024-09-04 OPEN 0 (6…-)",
            "TJ-9 2024-03-18→2024-03-21 LATE 1 (7…8)",
            "HD-4 2024-03-22→2024-03-25 VOID 0 (-…8)",
            "TJ-8a 2024-03-22→2024-04-07 MET 0 (8…9)",
        ],
        &["F-NO-LEAD 1 CT-LP C", "F-OVERDUE 5 PMC-LP TJ-8b +1 M", "F-HANDOFF-TIMEOUT 8 PMC-LP TJ-9 +1 m"],
    ),
    (
        "online mediation: parties choose, else the court designates",
        "2024-03-31",
        r#"
        2024-03-04 CT-LP JAST MediationApplied {"kind": "PEOPLE", "applicants": ["a"], "channel": "ONLINE"}
        2024-03-04 CT-LP JAST MediationConsentRecorded {"consents": [{"subject": "b", "given": true}], "rights_told": true, "channel": "ONLINE"}
        2024-03-08 CT-LP CHAIR MediatorAppointed {"mediator": "m", "conflict_checked_on": "2024-03-08"}
        "#,
        &["TJ-10b 2024-03-04→2024-03-07 LATE 1 (1…3)", "TJ-10a 2024-03-04→2024-03-06 LATE 2 (2…3)"],
        &["F-OVERDUE 3 CT-LP TJ-10b +1 M"],
    ),
    (
        "procuratorial protest and a suggestion on enforcement",
        "2024-09-30",
        r#"
        2024-03-04 PR-LP PROS ProtestFiled {"number": "1", "court": "CT-LP", "delivered_on": "2024-03-07"}
        2024-04-08 CT-LP JUDGE RetrialOrdered {"number": "(2024)赣0281民再1号"}
        2024-05-06 PR-LP PROS ProcuratorialSuggestionIssued {"kind": "ENFORCEMENT", "target": "CT-LP", "delivered_on": "2024-05-08", "legal_basis": "x"}
        2024-05-08 CT-LP JAST HandoffAccepted {"proposal": {"step": 3}}
        2024-08-08 CT-LP HEAD DeadlineExtended {"clock_id": "JC-6", "days": 1, "approver_role": "HEAD"}
        2024-09-09 CT-LP JUDGE ProcuratorialSuggestionAnswered {"suggestion": {"step": 3}}
        "#,
        &[
            "JC-5 2024-03-07→2024-04-07 LATE 1 (1…2)",
            "JC-6 2024-05-08→2024-09-09 MET 0 (3…6)",
            "HD-1 2024-05-08→2024-05-11 MET 0 (3…4)",
        ],
        &["F-NO-LEAD 1 PR-LP C", "F-OVERDUE 2 CT-LP JC-5 +1 M"],
    ),
    (
        "the new law on public security is advisory",
        "2026-02-28",
        r#"
        2026-01-05 GA-CJ POL PublicSecurityCaseAccepted {"number": "1"}
        2026-02-05 GA-CJ POL PublicSecurityPenaltyDecided {"number": "2"}
        "#,
        &["GA-1n 2026-01-05→2026-02-04 LATE 1 (1…2)"],
        &["O-OVERDUE 2 GA-CJ GA-1n +1 O"],
    ),
    (
        "grid, whistle and risk",
        "2024-09-30",
        r#"
        2024-09-10 TC-ZS-XC GRID GridEventReported {"@time": "10:00", "self_handled": false}
        2024-09-10 TC-ZS-XC TCOM GridEventDispatched {"@time": "15:00", "target": "ZJ-JDZ", "report": {"step": 1}, "level": "SIMPLE"}
        2024-09-12 ZJ-JDZ ADM GridEventAccepted {"dispatch": {"step": 2}}
        2024-09-13 ZJ-JDZ ADM GridEventFeedbackGiven {"report": {"step": 1}}
        2024-09-18 TC-ZS-XC TCOM GridEventClosed {"report": {"step": 1}}
        2024-09-18 TC-ZS-XC TCOM WhistleBlown {"level": "HARD", "departments": ["ZJ-JDZ"]}
        2024-09-26 ZJ-JDZ ADM WhistleAnswered {"whistle": {"step": 6}}
        2024-09-26 TC-ZS-XC TCOM WhistleBlown {"level": "WORK", "departments": ["ZJ-JDZ", "NR-FL"]}
        2024-09-29 ZJ-JDZ ADM WhistleAnswered {"whistle": {"step": 8}, "others": [{"agency": "NR-FL"}]}
        2024-09-27 ZC-ZS DIR RiskWarningRaised {"@time": "09:10", "level": 2}
        2024-09-28 ZC-ZS DIR RiskWarningEscalated {"@time": "10:00", "warning": {"step": 10}}
        2024-09-28 ZC-ZS DIR RiskWarningRaised {"@time": "11:00", "level": 3}
        "#,
        &[
            "WG-1 2024-09-10→2024-09-10T15:00:00+08:00 MET 0 (1…2)",
            "WG-2 2024-09-10→2024-09-11 LATE 1 (2…3)",
            "WG-3a 2024-09-11→2024-09-14 LATE 4 (3…5)",
            "WG-4b 2024-09-18→2024-09-25 LATE 1 (6…7)",
            "WG-4a 2024-09-26→2024-09-30 MET 0 (8…9)",
            "WG-4a 2024-09-26→2024-09-30 MET 0 (8…9)",
            "WG-5 2024-09-27→2024-09-28T10:00:00+08:00 MET 0 (10…11)",
        ],
        &["F-OVERDUE 3 ZJ-JDZ WG-2 +1 m", "F-OVERDUE 5 ZJ-JDZ WG-3a +4 m", "F-OVERDUE 7 ZJ-JDZ WG-4b +1 m"],
    ),
    (
        "a notarial deed and a personal-information request",
        "2024-12-31",
        r#"
        2024-04-25 GZ-JDZ NOT NotarizationApplied {}
        2024-05-20 GZ-JDZ NOT NotarizationIssued {"number": "1", "enforceable": true}
        2024-09-23 ZC-ZS REG SubjectRequestReceived {"right": "ACCESS"}
        2024-10-21 ZC-ZS HEAD SubjectRequestDecided {"request": {"step": 3}, "decision": "GRANTED"}
        "#,
        &["GZ-1 2024-04-25→2024-05-17 LATE 3 (1…2)", "HD-6 2024-09-23→2024-10-17 LATE 4 (3…4)"],
        &["F-OVERDUE 2 GZ-JDZ GZ-1 +3 M", "F-OVERDUE 4 ZC-ZS HD-6 +4 m"],
    ),
    (
        "a third person objects to a confirmation after the six months",
        "2024-10-15",
        r#"
        2024-04-01 CT-ZS JUDGE JudicialConfirmationGranted {"receipt_on": "2024-04-02"}
        2024-10-09 CT-ZS JAST ConfirmationObjected {"by_third_person": true}
        "#,
        &["SF-5a 2024-04-02→2024-04-17 LAPSED 0 (1…-)", "SF-5b 2024-04-02→2024-10-08 LATE 1 (1…2)"],
        &[],
    ),
    (
        "an enforcement objection is decided late and without a word about the review; a second one not at all",
        "2024-05-31",
        r#"
        2024-04-01 CT-LP EXEC EnforcementMeasureTaken {"measure": "ACCOUNT_FROZEN"}
        2024-04-08 CT-LP JAST EnforcementObjected {"objector": "a", "act": {"step": 1}}
        2024-04-09 CT-LP JAST EnforcementObjected {"objector": "b", "act": {"step": 1}}
        2024-04-24 CT-LP JUDGE EnforcementObjectionDecided {"objection": {"step": 2}, "upheld": false, "receipt_on": "2024-04-25"}
        2024-05-06 CT-JDZ JAST EnforcementReviewApplied {"applicants": ["a"], "against": {"step": 4}}
        "#,
        &["ZX-5a 2024-04-08→2024-04-23 LATE 1 (2…4)", "ZX-5b 2024-04-25→2024-05-06 MET 0 (4…5)"],
        &["F-NOT-INFORMED 4 CT-LP M review_right_told", "F-OVERDUE 4 CT-LP ZX-5a +1 M"],
    ),
    (
        "land title: service and answer as acts of their own, the service late",
        "2024-07-31",
        r#"
        2024-06-03 NR-FL ADM AdjudicationAccepted {"number": "1"}
        2024-06-13 NR-FL ADM AdjudicationServed {"served_on": "2024-06-12", "acceptance": {"step": 1}}
        2024-07-15 NR-FL ADM AdjudicationAnswered {"received_on": "2024-07-12", "served": {"step": 2}}
        "#,
        &[
            "CJ-2 2024-06-03→2024-06-11 LATE 1 (1…2)",
            "CJ-4 2024-06-03→2024-12-03 OPEN 0 (1…-)",
            "CJ-3 2024-06-12→2024-07-12 MET 0 (2…3)",
        ],
        &["F-OVERDUE 2 NR-FL CJ-2 +1 M"],
    ),
    (
        "land title: a service that the acceptance tells and that is recorded again counts once",
        "2024-07-31",
        r#"
        2024-06-03 NR-FL ADM AdjudicationAccepted {"number": "1", "respondent_served_on": "2024-06-04"}
        2024-06-05 NR-FL ADM AdjudicationServed {"served_on": "2024-06-04", "acceptance": {"step": 1}}
        2024-07-05 NR-FL ADM AdjudicationAnswered {}
        "#,
        &[
            "CJ-2 2024-06-03→2024-06-11 MET 0 (1…1)",
            "CJ-3 2024-06-04→2024-07-04 LATE 1 (1…3)",
            "CJ-4 2024-06-03→2024-12-03 OPEN 0 (1…-)",
        ],
        &[],
    ),
    (
        "labour arbitration: served late, answered late, forwarded late",
        "2024-04-10",
        r#"
        2024-03-04 ARB-LP ARB ArbitrationAccepted {"number": "1"}
        2024-03-12 ARB-LP ARB ArbitrationServed {"served_on": "2024-03-12", "acceptance": {"step": 1}}
        2024-03-28 ARB-LP ARB ArbitrationAnswered {"received_on": "2024-03-27", "served": {"step": 2}}
        2024-04-07 ARB-LP ARB ArbitrationAnswerForwarded {"served_on": "2024-04-07", "answered": {"step": 3}}
        "#,
        &[
            "LD-3a 2024-03-04→2024-03-11 LATE 1 (1…2)",
            "LD-5 2024-03-04→2024-04-18 OPEN 0 (1…-)",
            "LD-3b 2024-03-12→2024-03-26 LATE 1 (2…3)",
            "LD-3c 2024-03-27→2024-04-03 LATE 4 (3…4)",
        ],
        &["F-OVERDUE 2 ARB-LP LD-3a +1 M", "F-OVERDUE 4 ARB-LP LD-3c +4 M"],
    ),
    (
        "a refusal of legal aid is objected to and reviewed late",
        "2024-03-31",
        r#"
        2024-03-04 LA-LP LAID LegalAidApplied {}
        2024-03-08 LA-LP LAID LegalAidDenied {"application": {"step": 1}, "objection_right_told": true}
        2024-03-12 SF-JDZ ADM LegalAidDecisionObjected {"applicant": "a", "against": {"step": 2}, "received_on": "2024-03-11"}
        2024-03-18 SF-JDZ HEAD LegalAidObjectionDecided {"objection": {"step": 3}, "maintained": false}
        "#,
        &["FL-1 2024-03-04→2024-03-11 MET 0 (1…2)", "FL-3 2024-03-11→2024-03-16 LATE 2 (3…4)"],
        &["F-OVERDUE 4 SF-JDZ FL-3 +2 M"],
    ),
    (
        "protection orders: issued half an hour late, refused in time, withdrawn, and prolonged",
        "2024-12-31",
        r#"
        2024-06-07 CT-LP JAST ProtectionOrderApplied {"@time": "10:30", "applicant": "a", "respondent": "b", "urgent": false}
        2024-06-10 CT-LP JUDGE ProtectionOrderIssued {"@time": "11:30", "application": {"step": 1}, "measures": ["NO_VIOLENCE"], "valid_until": "2024-12-10"}
        2024-06-11 CT-LP JAST ProtectionOrderApplied {"@time": "09:00", "applicant": "c", "respondent": "b", "urgent": true}
        2024-06-12 CT-LP JUDGE ProtectionOrderRefused {"@time": "10:00", "application": {"step": 3}, "review_right_told": true}
        2024-06-13 CT-LP JAST ProtectionOrderApplied {"@time": "09:00", "applicant": "c", "respondent": "b", "urgent": false}
        2024-06-14 CT-LP JAST ProtectionOrderApplicationWithdrawn {"@time": "09:00", "application": {"step": 5}, "withdrawn_by": "c"}
        2024-12-05 CT-LP JUDGE ProtectionOrderChanged {"order": {"step": 2}, "change": "EXTENDED", "valid_until": "2025-06-10"}
        "#,
        &[
            "GA-2a 2024-06-07→2024-06-10T11:00:00+08:00 LATE 0 (1…2)",
            "GA-2b 2024-06-11→2024-06-12T10:00:00+08:00 MET 0 (3…4)",
            "GA-2a 2024-06-13→2024-06-16T10:00:00+08:00 VOID 0 (5…6)",
        ],
        &["F-OVERDUE 2 CT-LP GA-2a +0 M"],
    ),
    (
        "land taking: a pre-announcement cut short, a plan published long enough, an announcement late",
        "2024-09-30",
        r#"
        2024-04-24 GOV-FL ADM LandTakingPreAnnounced {"number": "1", "scope": "x", "purpose": "x"}
        2024-05-09 GOV-FL ADM LandTakingPreAnnouncementEnded {"announced": {"step": 1}}
        2024-05-13 GOV-FL ADM CompensationPlanPublished {"number": "2"}
        2024-06-12 GOV-FL ADM CompensationPlanPublicationEnded {"published": {"step": 3}}
        2024-09-03 GOV-FL ADM LandTakingApprovalReceived {"number": "3", "approved_by": "x", "receipt_on": "2024-09-02"}
        2024-09-25 GOV-FL ADM LandTakingAnnounced {"number": "4", "approval": {"step": 5}}
        "#,
        &[
            "ZD-1a 2024-04-24→2024-05-10 EARLY 1 (1…2)",
            "ZD-1b 2024-05-13→2024-06-12 MET 0 (3…4)",
            "ZD-1c 2024-09-02→2024-09-24 LATE 1 (5…6)",
        ],
        &["F-OVERDUE 2 GOV-FL ZD-1a +1 M TOO_EARLY", "F-OVERDUE 6 GOV-FL ZD-1c +1 M"],
    ),
    (
        "a publication that goes on past its minimum is no breach",
        "2024-09-30",
        r#"
        2024-04-24 GOV-FL ADM LandTakingPreAnnounced {"number": "1", "scope": "x", "purpose": "x"}
        "#,
        &["ZD-1a 2024-04-24→2024-05-10 OPEN 0 (1…-)"],
        &[],
    ),
    (
        "honours and the list of grid items break no rule",
        "2024-12-31",
        r#"
        2024-03-01 ZFW-JDZ ADM AgencyOnboarded {"subject": "ZFW-JDZ", "kind": "POLITICAL_LEGAL_COMMITTEE", "level": "CITY"}
        2024-03-02 ZFW-JDZ HEAD HonourAwarded {"title": "平安建设先进市", "year": 2023}
        2024-03-03 ZFW-JDZ ADM GridItemListed {"code": "01", "name": "x", "department": "x", "version": "2024"}
        2024-12-03 ZFW-JDZ ADM GridItemDelisted {"code": "01", "version": "2025", "listing": {"step": 3}}
        "#,
        &[],
        &[],
    ),
    (
        "a breach that is reported, then completed, an impact assessment and an approval of exports run no clock",
        "2024-12-31",
        r#"
        2024-03-01 ZC-ZS REG BreachReported {"incident": ["LEAK"], "discovered_on": "2024-03-01", "data_kinds": ["CONTACT"]}
        2024-03-04 ZC-ZS HEAD BreachReported {"earlier": {"step": 1}, "authority_notified_on": "2024-03-04"}
        2024-03-05 ZC-ZS HEAD ImpactAssessed {"occasions": ["SENSITIVE"], "risk": "LEVEL_3", "lawful_necessary": true}
        2024-03-06 ZC-ZS HEAD ExportApproved {"reader": "ZC-ZS/REG-1", "chains_max": 5, "until_on": "2024-12-31"}
        "#,
        &[],
        &[],
    ),
];
