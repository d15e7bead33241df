//! Breaches, put together from their reports: a later report names an earlier one and completes it.

use std::collections::BTreeMap;

use super::{Breach, Place};
use crate::{calendar::Day, history::EventId, judge::chain::Act};

/// One report of a breach.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) agency: String,
    pub(super) event_id: EventId,
    pub(super) earlier: Option<EventId>,
    /// Later reports come later by this.
    order: (i64, i64, Place),
    discovered_on: Day,
    incidents: Vec<&'static str>,
    data_kinds: Vec<&'static str>,
    persons_affected: Option<u64>,
    authority_notified_on: Option<Day>,
    persons_notified_on: Option<Day>,
    is_harm_avoided: Option<bool>,
    is_reason_given: bool,
    no_notice_reason: Option<String>,
}

impl Told {
    /// What an act tells. `may_show`: its free text may be told.
    pub(super) fn of(act: &Act<'_>, place: Place, may_show: bool) -> Self {
        let reason = act.text("no_notice_reason").filter(|reason| !reason.is_empty());
        Self {
            agency: act.agency.to_owned(),
            event_id: act.event_id,
            earlier: act.records("earlier").next().and_then(|step| EventId::parse(step.text("event_id")?)),
            order: (act.occurred_at, act.recorded_at, place),
            discovered_on: act.date("discovered_on").unwrap_or(act.day),
            incidents: act.codes("incident").collect(),
            data_kinds: act.codes("data_kinds").collect(),
            persons_affected: act.int("persons_affected"),
            authority_notified_on: act.date("authority_notified_on"),
            persons_notified_on: act.date("persons_notified_on"),
            is_harm_avoided: act.bool("harm_avoided"),
            is_reason_given: reason.is_some(),
            no_notice_reason: reason.filter(|_| may_show).map(str::to_owned),
        }
    }
}

/// The breaches that reports tell of, with their agencies, by the day of discovery. A report that names one of another agency,
/// or none that there is, is the first of its own breach.
pub(super) fn breaches(mut reports: Vec<Told>) -> Vec<(String, Breach)> {
    reports.sort_by(|one, other| one.order.cmp(&other.order));
    // Of each report the place of the breach that it belongs to.
    let mut of_report: BTreeMap<(String, EventId), usize> = BTreeMap::new();
    let mut breaches: Vec<(String, Breach)> = Vec::new();
    for report in reports {
        let earlier = report.earlier.and_then(|id| of_report.get(&(report.agency.clone(), id)).copied());
        let at = earlier.unwrap_or(breaches.len());
        of_report.insert((report.agency.clone(), report.event_id), at);
        match breaches.get_mut(at) {
            Some((_, breach)) => breach.complete(report),
            None => breaches.push((report.agency.clone(), Breach::first(report))),
        }
    }
    breaches.sort_by_key(|(_, breach)| breach.discovered_on);
    breaches
}

impl Breach {
    fn first(report: Told) -> Self {
        let mut breach = Self {
            place: report.order.2.clone(),
            reports: 0,
            discovered_on: report.discovered_on,
            incidents: Vec::new(),
            data_kinds: Vec::new(),
            persons_affected: 0,
            authority_days: None,
            persons_days: None,
            is_harm_avoided: false,
            is_reason_given: false,
            no_notice_reason: None,
        };
        breach.complete(report);
        breach
    }

    /// Days are told from the discovery as the last report has it.
    fn complete(&mut self, report: Told) {
        let moved = self.discovered_on.since(report.discovered_on);
        let days = |known: Option<i64>, told: Option<Day>| match told {
            Some(told) => Some(told.since(report.discovered_on)),
            None => known.map(|known| known + moved),
        };
        self.authority_days = days(self.authority_days, report.authority_notified_on);
        self.persons_days = days(self.persons_days, report.persons_notified_on);
        self.discovered_on = report.discovered_on;
        self.place = report.order.2;
        self.reports += 1;
        self.persons_affected = report.persons_affected.unwrap_or(self.persons_affected);
        self.is_harm_avoided = report.is_harm_avoided.unwrap_or(self.is_harm_avoided);
        if !report.incidents.is_empty() {
            self.incidents = report.incidents;
        }
        if !report.data_kinds.is_empty() {
            self.data_kinds = report.data_kinds;
        }
        if report.is_reason_given {
            self.is_reason_given = true;
            self.no_notice_reason = report.no_notice_reason;
        }
    }
}
