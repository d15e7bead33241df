//! The invariant about the order of procedures.

use crate::{
    clocks::Instance,
    judge::{
        Matter,
        chain::{Act, Kind, kind},
        findings::Draft,
        obligations::duties,
    },
};

/// I-24: a procedure before the one that must come first.
pub(super) fn wrong_path<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.acts() {
        let reason = match act.kind {
            SUPERVISION if is_supervised_too_early(matter, act) => "W1",
            CASE_FILED if is_sued_before_arbitration(matter, act) => "W2",
            CASE_FILED if is_administrative(act) && has_running_reconsideration(matter, act) => "W3",
            RECONSIDERATION if has_running_suit(matter, act) => "W3",
            NOT_PROSECUTED if is_reconciliation_unperformed(matter, act) => "W4",
            AWARD if matches!(act.code("kind"), None | Some("LABOUR")) && act.lacks("mediation_tried") => "W5",
            REVIEW if !matter.chain.has_before(&[kind("PetitionReplied")], act.at) => "W6",
            RE_REVIEW if !matter.chain.has_before(&[kind("ReviewDecided")], act.at) => "W6",
            _ => continue,
        };
        drafts.push(Draft::at(act).reason(reason));
    }
}

fn is_supervised_too_early(matter: &Matter<'_>, act: &Act<'_>) -> bool {
    let chain = &matter.chain;
    let unfounded = match act.code("ground") {
        Some("RETRIAL_REJECTED") => !chain.has_before(&[kind("RetrialRejected")], act.at),
        Some("RETRIAL_OVERDUE") => !is_past_limit(matter, act, &["SS-10"]),
        Some("RETRIAL_PLAINLY_WRONG") => {
            let retried = chain.of_before(const { kind("RetrialOrdered") }, act.at).next();
            let decided =
                |retried: &Act<'_>| chain.of_any_before(DECISIONS, act.at).any(|decision| decision.at > retried.at);
            !retried.is_some_and(decided)
        }
        Some(_) | None => false,
    };
    unfounded && act.lacks("proof_document")
}

fn is_sued_before_arbitration(matter: &Matter<'_>, act: &Act<'_>) -> bool {
    let chain = &matter.chain;
    let registered = chain.of_before(const { kind("DisputeRegistered") }, act.at).next();
    let is_labour = registered.is_some_and(|registered| registered.code("dispute_type") == Some("LABOUR"));
    let is_civil = act.code("procedure").is_some_and(|procedure| CIVIL.contains(&procedure));
    if !is_labour || !is_civil {
        return false;
    }
    let filing = chain.referred(act, "filing").filter(|filing| filing.is(FILING));
    let filing = filing.or_else(|| chain.latest(FILING, act.at));
    let opened = [AWARD, kind("SupportForProsecutionIssued")];
    !chain.has_before(&opened, act.at)
        && !is_past_limit(matter, act, &["LD-2", "LD-5"])
        && !filing.is_some_and(|filing| filing.has("sues_after"))
}

fn has_running_reconsideration(matter: &Matter<'_>, act: &Act<'_>) -> bool {
    let mut begun = matter.chain.of_before(RECONSIDERATION, act.at);
    begun.any(|begun| runs(matter, begun, RECONSIDERED, act))
}

fn has_running_suit(matter: &Matter<'_>, act: &Act<'_>) -> bool {
    let mut suits = matter.chain.of_before(CASE_FILED, act.at).filter(|suit| is_administrative(suit));
    suits.any(|suit| runs(matter, suit, SUIT_ENDED, act))
}

/// Whether a procedure has not ended before an act. It ends with its own agency; of two there the numbers tell which.
fn runs(matter: &Matter<'_>, begun: &Act<'_>, ends: &[Kind], act: &Act<'_>) -> bool {
    let mut later = matter.chain.of_any_before(ends, act.at).filter(|later| later.at > begun.at);
    !later.any(|later| {
        let is_same = begun.procedure_no().zip(later.procedure_no()).is_none_or(|(own, other)| own == other);
        later.agency == begun.agency && is_same
    })
}

fn is_administrative(act: &Act<'_>) -> bool {
    matches!(act.code("procedure"), Some("ADMINISTRATIVE" | "ADMINISTRATIVE_SIMPLE"))
}

fn is_reconciliation_unperformed(matter: &Matter<'_>, act: &Act<'_>) -> bool {
    let chain = &matter.chain;
    let Some(agreement) = chain.latest(const { kind("CriminalReconciliationAgreementSigned") }, act.at) else {
        return false;
    };
    let suggested = chain.of_before(const { kind("CriminalReconciliationSuggested") }, act.at).next();
    let since = suggested.map_or(0, |suggested| suggested.at);
    let open = duties(chain, act.at).iter().any(|duty| duty.recorded >= since && !duty.state.is_final());
    open && agreement.bool("guarantee") != Some(true)
}

/// Whether an instance of one of these clocks had passed its limit before an act: ended or voided late by then, or still
/// open with a limit before its day.
fn is_past_limit(matter: &Matter<'_>, act: &Act<'_>, clocks: &[&str]) -> bool {
    let is_past = |instance: &Instance<'_>| match instance.end.filter(|end| end.by < act.at) {
        Some(_) => instance.is_late(act.occurred_at),
        None => {
            instance.opened_by.is_none_or(|opened_by| opened_by < act.at)
                && instance.limit.is_some_and(|limit| limit.is_passed(act.day, act.occurred_at))
        }
    };
    matter.course.judged().any(|instance| clocks.contains(&instance.clock.id.as_str()) && is_past(instance))
}

const CIVIL: &[&str] = &["ORDINARY", "SIMPLE", "SMALL_CLAIMS"];

const SUPERVISION: Kind = kind("SupervisionApplied");
const CASE_FILED: Kind = kind("CaseFiled");
const FILING: Kind = kind("FilingMaterialReceived");
const RECONSIDERATION: Kind = kind("ReconsiderationAccepted");
const NOT_PROSECUTED: Kind = kind("NonProsecutionDecided");
const AWARD: Kind = kind("ArbitralAwardRendered");
const REVIEW: Kind = kind("ReviewRequested");
const RE_REVIEW: Kind = kind("ReReviewRequested");
const DECISIONS: &[Kind] = &[kind("JudgmentRendered"), kind("CourtMediationStatementIssued")];
const RECONSIDERED: &[Kind] =
    &[kind("ReconsiderationDecided"), kind("ReconsiderationMediated"), kind("ReconsiderationWithdrawn")];
const SUIT_ENDED: &[Kind] = &[
    kind("JudgmentRendered"),
    kind("CourtMediationStatementIssued"),
    kind("CaseWithdrawnInCourt"),
    kind("FilingRejected"),
];
