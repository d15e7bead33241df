//! Whether time alone changes what a chain amounts to: found out without judging it once more, where that can be.

use super::{Matter, chain::Chain};
use crate::{
    clocks::{Instance, Use},
    history::Recorded,
};

/// Whether the chain is judged alike as of a later instant; none where that has to be tried.
///
/// Time enters a judgement in these places alone: which acts exist, open runs of clocks (with the handoffs and findings that
/// follow from them, and the clocks that open by their lapse), which appointments were made, and how long two have led.
pub(super) fn lasts(matter: &Matter<'_>, history: &[Recorded], later: i64) -> Option<bool> {
    let Matter { chain, course, leads, .. } = matter;
    let all_exist = history.iter().all(|recorded| recorded.occurred_at <= chain.as_of());
    let knows = |agency| chain.directory().is_settled(agency, chain.as_of());
    if later < chain.as_of() || !all_exist || !chain.all().iter().all(|act| knows(act.agency)) {
        return None;
    }
    if course.instances.iter().any(|instance| grows(chain, instance, later)) {
        return Some(false);
    }
    (course.instances.iter().all(|instance| !instance.is_open()) && leads.unreleased.is_empty()).then_some(true)
}

/// Whether the days of an open run are others by then: what lapses meanwhile opens other runs and leaves it as it is.
fn grows(chain: &Chain<'_>, instance: &Instance<'_>, later: i64) -> bool {
    let is_told = matches!(instance.usage(), Use::Judged | Use::Reminder);
    is_told && instance.is_open() && instance.days_late(later) != instance.days_late(chain.as_of())
}
