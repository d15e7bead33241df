//! Limits that are missed, and rights of parties that are cut short.

use super::{Blame, Change, Defect, Mark, Mistake, always};

/// One row for each clock and each kind of act that can end it.
pub(super) static DEFECTS: &[Defect] = &[
    late("the oral agreement comes after the month", "OralAgreementRecorded", "TJ-1", &overdue("TJ-1")),
    late("the failure comes after the month", "MediationFailed", "TJ-1", &overdue("TJ-1")),
    late("the delegated mediation fails too late", "MediationFailed", "TJ-7", &overdue("TJ-7")),
    late("the delegated mediation succeeds too late", "MediationAgreementSigned", "TJ-7", &deemed_failed("TJ-7")),
    late("the entrusted mediation succeeds too late", "MediationAgreementSigned", "TJ-8b", &deemed_failed("TJ-8b")),
    late("the health commission mediates too long", "MediationAgreementSigned", "TJ-5", &deemed_failed("TJ-5")),
    late("the health commission accepts too late", "MediationAccepted", "TJ-4", &overdue("TJ-4")),
    late("the petition is forwarded too late", "PetitionForwarded", "XF-1", &overdue("XF-1")),
    late("the petition is assigned too late", "PetitionAssigned", "XF-1", &overdue("XF-1")),
    late("the notice to the petitioner is late", "PetitionAccepted", "XF-3", &overdue("XF-3")),
    late("the opinion on the petition is late", "PetitionReplied", "XF-5", &overdue("XF-5")),
    late("the review is late", "ReviewDecided", "XF-7", &overdue("XF-7")),
    late("the re-review is late", "ReReviewDecided", "XF-9", &overdue("XF-9")),
    late("the court accepts the confirmation late", "JudicialConfirmationAccepted", "SF-2", &overdue("SF-2")),
    late("the ruling misses the soft target", "JudicialConfirmationGranted", "SF-3", &SOFT_TARGET),
    late("the complaint is served late", "ComplaintServed", "SS-2", &overdue("SS-2")),
    late("the simple procedure takes too long", "JudgmentRendered", "SS-5", &overdue("SS-5")),
    late(
        "the settlement under the simple procedure is late",
        "CourtMediationStatementIssued",
        "SS-5",
        &overdue("SS-5"),
    ),
    late("the small claim takes too long", "JudgmentRendered", "SS-6", &overdue("SS-6")),
    late("the appeal takes too long", "JudgmentRendered", "SS-8a", &overdue("SS-8a")),
    late("the application for retrial is rejected late", "RetrialRejected", "SS-10", &overdue("SS-10")),
    late("the recusal is decided late", "RecusalDecided", "SS-11", &overdue("SS-11")),
    late("enforcement is filed late", "EnforcementFiled", "ZX-2", &overdue("ZX-2")),
    late("the procedural reply is late", "ProceduralReplySent", "JC-1", &overdue("JC-1")),
    late("the court answers the suggestion late", "RetrialOrdered", "JC-4", &overdue("JC-4")),
    late("the review for prosecution takes too long", "NonProsecutionDecided", "JC-7", &overdue("JC-7")),
    late("the police punish late", "PublicSecurityPenaltyDecided", "GA-1", &overdue("GA-1")),
    late("the police close late", "PublicSecurityCaseClosedByMediation", "GA-1", &overdue("GA-1")),
    late("the board accepts late", "ArbitrationAccepted", "LD-2", &overdue("LD-2")),
    late("the award is late", "ArbitralAwardRendered", "LD-5", &overdue("LD-5")),
    late("the statement of the board is late", "ArbitrationMediationStatementIssued", "LD-5", &overdue("LD-5")),
    late("the inspection takes too long", "LaborInspectionDecided", "LD-8", &overdue("LD-8")),
    late("the lawyer is assigned late", "LegalAidAssigned", "FL-2", &overdue("FL-2")),
    late("the notary is late", "NotarizationIssued", "GZ-1", &overdue("GZ-1")),
    late("the adjudication is accepted late", "AdjudicationAccepted", "CJ-1", &overdue("CJ-1")),
    late("the reconsideration is accepted late", "ReconsiderationAccepted", "FY-2", &overdue("FY-2")),
    late("the respondent is served late", "ReconsiderationServed", "FY-5a", &overdue("FY-5a")),
    late("the respondent answers late", "ReconsiderationReplied", "FY-6a", &overdue("FY-6a")),
    late("the statement of the office is late", "ReconsiderationMediated", "FY-7", &overdue("FY-7")),
    late("the decision of the office is late", "ReconsiderationDecided", "FY-7", &overdue("FY-7")),
    late("the outcome is acknowledged late", "HandoffOutcomeAcknowledged", "HD-3", &overdue("HD-3")),
    late("the committee answers the court late", "HandoffAccepted", "TJ-9", &timed_out("TJ-9")),
    late("the organ answers the bureau late", "HandoffAccepted", "XF-4", &timed_out("XF-4")),
    late("the target answers late", "HandoffAccepted", "HD-1", &timed_out("HD-1")),
    late("the counsellor answers late", "PsychReferralAccepted", "HD-1", &timed_out("HD-1")),
    Defect {
        name: "a silent target is not brought to the coordinator",
        event: "HandoffAccepted",
        when: always,
        change: Change::Late { clock: "HD-1", by: 5 },
        mistakes: &[
            Mistake::new("F-HANDOFF-TIMEOUT", Mark::Here).clock("HD-1"),
            Mistake::new("F-NO-ESCALATION", Mark::Proposal).by(Blame::Center).clock("HD-4"),
        ],
    },
    Defect {
        name: "the parties ask for confirmation when their time is over, and the court accepts",
        event: "JudicialConfirmationApplied",
        when: always,
        change: Change::Late { clock: "SF-1", by: 1 },
        mistakes: &[Mistake::new("F-LATE-CONFIRM", Mark::Later("JudicialConfirmationAccepted")).clock("SF-1")],
    },
    // The clock of the agency that delegated the mediation runs on meanwhile, and runs out.
    Defect {
        name: "the agreement comes after the month",
        event: "MediationAgreementSigned",
        when: always,
        change: Change::Late { clock: "TJ-1", by: 1 },
        mistakes: &[
            Mistake::new("F-OVERDUE", Mark::Here).clock("TJ-1"),
            Mistake::new("F-OVERDUE", Mark::Perhaps("PublicSecurityCaseClosedByMediation")).clock("GA-1"),
            Mistake::new("F-OVERDUE", Mark::Perhaps("NonProsecutionDecided")).clock("JC-7"),
        ],
    },
    // What follows counts from the limit that was missed, not from the late act, and is late as well.
    Defect {
        name: "the court files late, and so serves late",
        event: "CaseFiled",
        when: always,
        change: Change::Late { clock: "SS-1", by: 5 },
        mistakes: &[
            Mistake::new("F-OVERDUE", Mark::Here).clock("SS-1"),
            Mistake::new("F-OVERDUE", Mark::Perhaps("ComplaintServed")).clock("SS-2"),
        ],
    },
    Defect {
        name: "legal aid is granted late, and so the lawyer is assigned late",
        event: "LegalAidGranted",
        when: always,
        change: Change::Late { clock: "FL-1", by: 3 },
        mistakes: &[
            Mistake::new("F-OVERDUE", Mark::Here).clock("FL-1"),
            Mistake::new("F-OVERDUE", Mark::Later("LegalAidAssigned")).clock("FL-2"),
        ],
    },
    hasty("closed while a review may be asked for", "XF-6"),
    hasty("closed while a suit against the award is open", "LD-6"),
    hasty("closed while a suit against the title decision is open", "CJ-5"),
    hasty("closed while a suit against the reconsideration is open", "XS-1"),
];

static SOFT_TARGET: [Mistake; 1] = [Mistake::new("O-OVERDUE", Mark::Here).clock("SF-3")];

const fn late(name: &'static str, event: &'static str, clock: &'static str, mistakes: &'static [Mistake]) -> Defect {
    Defect { name, event, when: always, change: Change::Late { clock, by: 1 }, mistakes }
}

const fn hasty(name: &'static str, clock: &'static str) -> Defect {
    const MISTAKES: &[Mistake] = &[Mistake::new("F-CLOSED-RIGHT-RUNNING", Mark::Later("DisputeClosed"))];
    Defect { name, event: "", when: always, change: Change::Hasty(clock), mistakes: MISTAKES }
}

const fn overdue(clock: &'static str) -> [Mistake; 1] {
    [Mistake::new("F-OVERDUE", Mark::Here).clock(clock)]
}

const fn deemed_failed(clock: &'static str) -> [Mistake; 1] {
    [Mistake::new("F-DEEMED-FAILED", Mark::Here).clock(clock)]
}

const fn timed_out(clock: &'static str) -> [Mistake; 1] {
    [Mistake::new("F-HANDOFF-TIMEOUT", Mark::Here).clock(clock)]
}
