//! Sums of what is told.

use mediation_proto::{derived::TYPES_ERASURE_MEASURE, mediation::types::v1::ErasureMeasure};
use serde::Serialize;

use super::{Account, OrderState, Timeliness};

/// How much there is of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sums {
    /// Breaches.
    pub breaches: u64,
    /// Persons affected by them.
    pub persons_affected: u64,
    /// Breaches of which the authority was not told.
    pub authority_not_told: u64,
    /// Breaches of which the persons were not told.
    pub persons_not_told: u64,
    /// Impact assessments.
    pub assessments: u64,
    /// Of them, those that are to be kept at the end.
    pub assessments_kept: u64,
    /// Requests of persons.
    pub requests: u64,
    /// Of them, those that were decided.
    pub requests_decided: u64,
    /// Of the decided, those that were granted, in whole or in part.
    pub requests_granted: u64,
    /// Answered in time.
    pub requests_in_time: u64,
    /// Answered late.
    pub requests_late: u64,
    /// Not answered, and not late.
    pub requests_open: u64,
    /// Not answered, and late.
    pub requests_overdue: u64,
    /// Of which the limit is not known.
    pub requests_unjudged: u64,
    /// Orders to freeze.
    pub frozen: u64,
    /// Orders to erase.
    pub erased: u64,
    /// Orders to lift.
    pub lifted: u64,
    /// Orders that another agency has countersigned.
    pub countersigned: u64,
    /// Orders that are carried out.
    pub executed: u64,
    /// Orders that something stands against.
    pub hindered: u64,
    /// Holds in force.
    pub holds: u64,
    /// Readings.
    pub readings: u64,
    /// Refused attempts to read.
    pub attempts_refused: u64,
    /// Exports.
    pub exports: u64,
}

impl Account {
    /// The sums over its rows.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let requests = |state: Timeliness| count(&self.requests, |request| request.state == state);
        let orders = |measure: ErasureMeasure| {
            let code = TYPES_ERASURE_MEASURE.code(measure.into());
            count(&self.orders, |order| code.is_some() && order.measure == code)
        };
        Sums {
            breaches: count(&self.breaches, |_| true),
            persons_affected: self.breaches.iter().map(|breach| breach.persons_affected).sum(),
            authority_not_told: count(&self.breaches, |breach| breach.authority_days.is_none()),
            persons_not_told: count(&self.breaches, |breach| breach.persons_days.is_none()),
            assessments: count(&self.assessments, |_| true),
            assessments_kept: count(&self.assessments, |assessment| assessment.is_kept),
            requests: count(&self.requests, |_| true),
            requests_decided: count(&self.requests, |request| request.decided_on.is_some()),
            requests_granted: count(&self.requests, |request| {
                request.decision.is_some_and(|code| GRANTED.contains(&code))
            }),
            requests_in_time: requests(Timeliness::InTime),
            requests_late: requests(Timeliness::Late),
            requests_open: requests(Timeliness::Open),
            requests_overdue: requests(Timeliness::Overdue),
            requests_unjudged: requests(Timeliness::Unjudged),
            frozen: orders(ErasureMeasure::Freeze),
            erased: orders(ErasureMeasure::Erase),
            lifted: orders(ErasureMeasure::Lift),
            countersigned: count(&self.orders, |order| order.is_countersigned),
            executed: count(&self.orders, |order| order.state == Some(OrderState::Executed)),
            hindered: count(&self.orders, |order| order.hindered.is_some()),
            holds: count(&self.holds, |_| true),
            readings: self.readings.iter().map(|readings| readings.count).sum(),
            attempts_refused: self.refusals.iter().map(|refusals| refusals.attempts).sum(),
            exports: self.exports.iter().map(|exports| exports.count).sum(),
        }
    }
}

impl Sums {
    /// With other sums.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            breaches: self.breaches + other.breaches,
            persons_affected: self.persons_affected.saturating_add(other.persons_affected),
            authority_not_told: self.authority_not_told + other.authority_not_told,
            persons_not_told: self.persons_not_told + other.persons_not_told,
            assessments: self.assessments + other.assessments,
            assessments_kept: self.assessments_kept + other.assessments_kept,
            requests: self.requests + other.requests,
            requests_decided: self.requests_decided + other.requests_decided,
            requests_granted: self.requests_granted + other.requests_granted,
            requests_in_time: self.requests_in_time + other.requests_in_time,
            requests_late: self.requests_late + other.requests_late,
            requests_open: self.requests_open + other.requests_open,
            requests_overdue: self.requests_overdue + other.requests_overdue,
            requests_unjudged: self.requests_unjudged + other.requests_unjudged,
            frozen: self.frozen + other.frozen,
            erased: self.erased + other.erased,
            lifted: self.lifted + other.lifted,
            countersigned: self.countersigned + other.countersigned,
            executed: self.executed + other.executed,
            hindered: self.hindered + other.hindered,
            holds: self.holds + other.holds,
            readings: self.readings + other.readings,
            attempts_refused: self.attempts_refused.saturating_add(other.attempts_refused),
            exports: self.exports + other.exports,
        }
    }
}

fn count<T>(rows: &[T], is_meant: impl Fn(&T) -> bool) -> u64 {
    rows.iter().filter(|row| is_meant(row)).count() as u64
}

/// Decisions that give a person what he asked for, or a part of it.
const GRANTED: &[&str] = &["GRANTED", "PARTLY_GRANTED"];
