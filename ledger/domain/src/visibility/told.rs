//! What of a judgement a reader is told: of acts that he does not see, nothing.

use super::{Grade, Sight};
use crate::judge::{Finding, Judgement};

/// The part of a judgement that is for a reader. Each thing is told whole or not at all: what an act began or ended that he may
/// not know of is left out, since to call it open would be untrue, and to call it ended would tell of the act. Findings are those
/// about his own agency (row `V-27`), all of them for the audit and the centers.
#[must_use]
pub fn told(judgement: Judgement, sight: &Sight<'_, '_>) -> Judgement {
    let Judgement { mut leads, mut handoffs, mut clocks, mut reminders, mut obligations, mut findings, outcome } =
        judgement;
    let sees = |revision: u64| sight.grade(revision) >= Grade::Existence;
    let reads = |revision: u64| sight.grade(revision) >= Grade::Redacted;
    leads.retain(|lead| sees(lead.from) && lead.to.is_none_or(sees));
    handoffs.retain(|handoff| sees(handoff.proposal) && handoff.answered.is_none_or(sees));
    for runs in [&mut clocks, &mut reminders] {
        // What opened without an act is for who is bound by it.
        let is_own = |obliged: Option<&str>| sight.sees_all_findings() || obliged == Some(sight.reader().agency);
        runs.retain(|run| run.opened_by.map_or_else(|| is_own(run.obliged.as_deref()), sees));
        runs.retain(|run| run.ended_by.is_none_or(sees));
    }
    obligations.retain(|obligation| reads(obligation.from) && obligation.by.is_none_or(sees));
    findings.retain(|finding| is_for(finding, sight) && finding.cleared.is_none_or(sees));
    let outcome = outcome.filter(|_| sight.closing().is_some_and(sees));
    Judgement { leads, handoffs, clocks, reminders, obligations, findings, outcome }
}

/// Whether a finding is for a reader: it is about his agency, or all are for him, and he may know of the act.
fn is_for(finding: &Finding, sight: &Sight<'_, '_>) -> bool {
    let about_own = finding.agency.as_deref() == Some(sight.reader().agency);
    let act_is_seen = || {
        let here = finding.revision.filter(|_| finding.chain.is_none());
        here.is_none_or(|revision| sight.grade(revision) >= Grade::Existence)
    };
    (sight.sees_all_findings() || about_own) && act_is_seen()
}
