//! What is to be told of the handling of personal data (个人信息保护法 47, 50, 55–57): breaches, impact assessments, requests
//! of persons, orders to freeze and erase, holds, and readings, for each agency and in all.
//!
//! ```text
//! every chain ─ Tally::take ─ merge ─ report ─ Report: accounts of agencies, sums
//! ```
//!
//! An act counts when it exists at the end of the last day and was not withdrawn. What is reported as of a period is what
//! began in it: a breach by the day of its discovery, an assessment by its own day, a request by the day of its receipt, an
//! order and a reading by the day of the act. Holds are those in force at the end, whenever they were placed.
//!
//! No row of a chain with an accusation (检举控告) names the chain, the number of an order on it, or what stands there in free text.

mod breach;
mod sums;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::{sums::Sums, tally::Tally};
use crate::{calendar::Day, figures::Period};

/// Months for which the report of an impact assessment is kept at least (个人信息保护法 56).
pub const ASSESSMENT_KEPT_MONTHS: u32 = 36;

/// The limit of a request of a person.
const CLOCK: &str = "HD-6";

/// What is told of all agencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The days that are told of. What stands open does so at the end of the last one.
    pub period: Period,
    /// By the id of the agency that recorded; of readings, the agency of the reader.
    pub agencies: BTreeMap<String, Account>,
}

impl Report {
    /// The sums over all agencies. A chain that several readers exported counts once for each of them.
    #[must_use]
    pub fn sums(&self) -> Sums {
        self.agencies.values().map(Account::sums).fold(Sums::default(), Sums::and)
    }
}

/// What is told of one agency.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Account {
    /// Breaches of personal data (个人信息泄露), by the day of discovery.
    pub breaches: Vec<Breach>,
    /// Impact assessments (个人信息保护影响评估), by their days.
    pub assessments: Vec<Assessment>,
    /// Requests of persons (个人权利请求), by the day of receipt.
    pub requests: Vec<Request>,
    /// Orders to freeze, to erase and to lift, by their days.
    pub orders: Vec<Order>,
    /// Holds in force (保全冻结).
    pub holds: Vec<Hold>,
    /// Readings that are recorded, by purpose and grade.
    pub readings: Vec<Readings>,
    /// Readings that were refused, by the reason.
    pub refusals: Vec<Refusals>,
    /// Exports of evidence bundles, by the reader.
    pub exports: Vec<Exports>,
}

/// Where something stands. What stands on a chain with an accusation is told without its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Chain id; none when the chain is restricted.
    pub chain: Option<String>,
    /// Place on the chain; none when the chain is restricted.
    pub revision: Option<u64>,
    /// The chain carries an accusation.
    pub is_restricted: bool,
}

/// One breach, which one report or several tell of. Of each field what the last report that gives it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// The last report.
    pub place: Place,
    /// Reports of it.
    pub reports: u64,
    /// Day of discovery.
    pub discovered_on: Day,
    /// What has happened, or may have: codes of `PersonalDataIncident`.
    pub incidents: Vec<&'static str>,
    /// Codes of `PersonalDataKind`.
    pub data_kinds: Vec<&'static str>,
    /// Persons affected, as far as it is known.
    pub persons_affected: u64,
    /// Days from the discovery to the notice of the authority; none: it was not told.
    pub authority_days: Option<i64>,
    /// Days from the discovery to the notice of the persons; none: they were not told.
    pub persons_days: Option<i64>,
    /// Measures avoid the harm effectively, so that persons need not be told.
    pub is_harm_avoided: bool,
    /// A reason why persons were not told was given.
    pub is_reason_given: bool,
    /// That reason; none also when it was frozen or erased, or the chain is restricted.
    pub no_notice_reason: Option<String>,
}

/// One impact assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assessment {
    /// Where it stands.
    pub place: Place,
    /// Its day.
    pub assessed_on: Day,
    /// Codes of `ImpactOccasion`.
    pub occasions: Vec<&'static str>,
    /// Code of `RiskLevel`.
    pub risk: Option<&'static str>,
    /// Last day on which its report is kept, as it says.
    pub kept_until: Option<Day>,
    /// It is to be kept at the end of the period: the law's three years, or the day that it names, is not over.
    pub is_kept: bool,
    /// It names a day before the law's three years are over.
    pub is_kept_too_short: bool,
}

/// One request of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Where it stands.
    pub place: Place,
    /// Day of receipt.
    pub received_on: Day,
    /// Code of `SubjectRight`.
    pub right: Option<&'static str>,
    /// Last day to answer, by clock HD-6.
    pub due: Option<Day>,
    /// Day of the answer; none: there is none.
    pub decided_on: Option<Day>,
    /// Code of `SubjectDecision`.
    pub decision: Option<&'static str>,
    /// Whether it was answered in time, by clock HD-6.
    pub state: Timeliness,
    /// Calendar days from the limit to the answer, or to the end of the period while there is none.
    pub days_late: u64,
}

/// Whether a request was answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Timeliness {
    /// Answered by the last day.
    InTime,
    /// Answered later.
    Late,
    /// Not answered; the last day is not over.
    Open,
    /// Not answered; the last day is over.
    Overdue,
    /// The limit fell away.
    Void,
    /// The rule set of the chain is unknown or has no such limit, or the clock runs for another request: of several that an agency
    /// has on one chain at once it runs for the first alone.
    Unjudged,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Where it stands.
    pub place: Place,
    /// Its day.
    pub ordered_on: Day,
    /// Number of the order (决定文号); none when the chain is restricted.
    pub number: Option<String>,
    /// Code of `ErasureMeasure`.
    pub measure: Option<&'static str>,
    /// Code of `ErasureScope`.
    pub scope: Option<&'static str>,
    /// Code of `ErasureBasis`.
    pub basis: Option<&'static str>,
    /// Where it stands at the end of the period; none for an order to lift.
    pub state: Option<OrderState>,
    /// Another agency has countersigned it.
    pub is_countersigned: bool,
    /// What stands against an erasure that is in force.
    pub hindered: Option<Hindered>,
}

/// Where an order to freeze or to erase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    /// It waits for the counter-signature of another agency.
    Ordered,
    /// It is in force; an erasure is to be carried out.
    InForce,
    /// The keys are destroyed.
    Executed,
    /// It has no effect any more.
    Lifted,
}

/// What hinders an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hindered {
    /// Hold or retention.
    pub by: Hinders,
    /// Its last day; none where it has no end, or has not begun.
    pub until: Option<Day>,
    /// What it says, in Chinese.
    pub zh: String,
    /// What it says, in English.
    pub en: String,
}

/// In which way an erasure is hindered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Hinders {
    /// A legal hold (保全冻结).
    Hold,
    /// A retention period (保管期限).
    Retention,
}

/// One hold in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Where it stands.
    pub place: Place,
    /// Last day; none for ever.
    pub until: Option<Day>,
}

/// Readings of one purpose and grade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readings {
    /// Code of `AccessPurpose`; none where none was given.
    pub purpose: Option<&'static str>,
    /// Code of `VisibilityGrade`.
    pub grade: Option<&'static str>,
    /// Records.
    pub count: u64,
}

/// Refused readings of one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusals {
    /// Code of `AccessRefusal`.
    pub refusal: Option<&'static str>,
    /// Records; one stands for many attempts.
    pub count: u64,
    /// Attempts.
    pub attempts: u64,
}

/// Exports by one reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exports {
    /// The official.
    pub reader: String,
    /// Records of readings for the purpose EXPORT.
    pub count: u64,
    /// Different chains.
    pub chains: u64,
}
