//! Freezing and erasing (冻结与删除): what was ordered on a chain, what it reaches, and whether it may be carried out.
//!
//! ```text
//! ErasureOrdered FREEZE                           in force at once ─ LIFT ─▶ lifted
//! ErasureOrdered ERASE ─ ErasureCountersigned ─▶ in force ─ holds, retention ─▶ ErasureExecuted
//! ```
//!
//! An order reaches names, free text and sealed content, and never the facts: limits and figures need them. While the law
//! says that data must be kept it is frozen, not erased (个人信息保护法 47, last paragraph).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use mediation_proto::{
    fields::{Fields, Value},
    mediation::{
        ledger::v1::PartKind,
        types::v1::{ErasureBasis, ErasureMeasure, ErasureScope, Part},
    },
};

use crate::{
    calendar::Day,
    catalogue,
    history::{EventId, Recorded},
    judge::chain::{bool_of, records, texts, values},
};

mod retention;
#[cfg(test)]
mod tests;

pub use self::retention::{Retention, retention};

/// Days after an erasure at which the last backup of a vault must be gone.
pub const BACKUP_DAYS_MAX: u32 = 30;

/// An order on a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Event id of the order.
    pub id: EventId,
    /// Its place on the chain.
    pub revision: u64,
    /// Agency that ordered.
    pub agency: String,
    /// Number of the order (决定文号).
    pub number: String,
    /// FREEZE or ERASE.
    pub measure: ErasureMeasure,
    /// What it is about.
    pub scope: ErasureScope,
    /// Why.
    pub basis: ErasureBasis,
    /// Provisions that it names.
    pub legal_basis: String,
    /// Person, by pseudonym.
    pub subject: Option<String>,
    /// Acts that it names.
    steps: BTreeSet<EventId>,
    /// Parts that it names; empty for all.
    parts: BTreeSet<i32>,
    /// Counter-signatures by other agencies.
    countersigned: BTreeSet<EventId>,
    lifted: bool,
    /// Digests of parts whose keys an act on the chain says are destroyed, in lower-case hex.
    executed: Option<BTreeSet<String>>,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for the counter-signature of another agency.
    Ordered,
    /// What it reaches is shown to nobody; an erasure is to be carried out.
    InForce,
    /// The keys are destroyed.
    Executed,
    /// It has no effect any more.
    Lifted,
}

/// A part of an act, as orders name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Revision of the act.
    pub revision: u64,
    /// Event id of the act.
    pub event_id: EventId,
    /// Kind of the part.
    pub kind: PartKind,
    /// Whose identities it holds; none for other parts, or where that cannot be read.
    pub subject: Option<&'a str>,
}

/// A legal hold (保全冻结): nothing that it covers may be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Event id of the act that placed it.
    pub id: EventId,
    /// Its place on the chain.
    pub revision: u64,
    /// Agency that placed it.
    pub agency: String,
    /// Last day on which it holds; none for ever.
    pub until: Option<Day>,
    chains: BTreeSet<String>,
    subjects: BTreeSet<String>,
}

impl Hold {
    /// Whether it holds on a day.
    #[must_use]
    pub fn is_in_force(&self, day: Day) -> bool {
        self.until.is_none_or(|until| day <= until)
    }

    fn covers(&self, chain: &str, names: &BTreeSet<String>, subject: Option<&str>) -> bool {
        self.chains.contains(chain)
            || !self.chains.is_disjoint(names)
            || subject.is_some_and(|subject| self.subjects.contains(subject))
    }
}

/// Why an erasure may not be carried out now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// Nobody of another agency has countersigned it.
    NotCountersigned,
    /// It was lifted, or is none.
    NotInForce,
    /// A legal hold covers it.
    Held {
        /// Last day of the hold; none where it has none.
        until: Option<Day>,
    },
    /// A retention period runs.
    Kept {
        /// The period.
        row: &'static Retention,
        /// Its last day; none for a period that never ends, or has not begun since the chain is open.
        until: Option<Day>,
    },
}

impl Hindrance {
    /// What it says, in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        let day = |day: Option<Day>| day.map_or_else(|| "期限未定".to_owned(), |day| format!("至 {day}"));
        match self {
            Self::NotCountersigned => "尚无其他机构会签".to_owned(),
            Self::NotInForce => "该决定未生效或已解除".to_owned(),
            Self::Held { until } => format!("保全冻结期间不得删除（{}）", day(*until)),
            Self::Kept { row, until } => format!(
                "“{}”法定保管期限未满（{}），不得删除，可以冻结（个人信息保护法第四十七条第二款）",
                row.zh,
                day(*until)
            ),
        }
    }
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: Option<Day>| day.map_or_else(|| "without an end".to_owned(), |day| format!("until {day}"));
        match self {
            Self::NotCountersigned => f.write_str("no other agency has countersigned it"),
            Self::NotInForce => f.write_str("the order is not in force"),
            Self::Held { until } => write!(f, "a legal hold covers it ({})", day(*until)),
            Self::Kept { row, until } => {
                write!(f, "{} must be kept ({}); a FREEZE is possible (PIPL 47)", row.en, day(*until))
            }
        }
    }
}

/// The orders and holds of a chain. Applying its acts one by one gives the same as applying them all at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erasures {
    orders: BTreeMap<EventId, Order>,
    holds: Vec<Hold>,
    /// Places of the acts above, which no order reaches.
    own: BTreeSet<u64>,
    /// Numbers of the chain, as its acts give them.
    names: BTreeSet<String>,
    /// Retention periods that some act of the chain begins, by their place in the list.
    kept: BTreeSet<usize>,
    /// Closings and reopenings that were not withdrawn; of a closing, its day.
    closings: Vec<(EventId, Option<Day>)>,
}

impl Erasures {
    /// Takes the next act of the chain into account.
    pub fn apply(&mut self, recorded: &Recorded) {
        let Some((kind, event)) = recorded.act.event() else { return };
        // Every act of every chain comes here: nothing is copied that is known.
        if let Some(number) = recorded.act.header.as_ref().and_then(|header| header.chain_no.as_ref())
            && !self.names.contains(number)
        {
            self.names.insert(number.clone());
        }
        self.kept.extend(retention::begun_by(kind.event, &catalogue::row(kind).visibility_row));
        match kind.event {
            ORDERED => self.order(recorded, event),
            COUNTERSIGNED => self.countersign(recorded, event),
            EXECUTED => self.execute(recorded, event),
            HELD => self.hold(recorded, event),
            CLOSED => self.closings.push((recorded.event_id, Some(Day::of(recorded.occurred_at)))),
            REOPENED => self.closings.push((recorded.event_id, None)),
            CORRECTED if bool_of(event, "withdrawn") == Some(true) => self.withdraw(recorded, event),
            _ => return,
        }
        if matches!(kind.event, ORDERED | COUNTERSIGNED | EXECUTED | HELD) {
            self.own.insert(recorded.revision);
        }
    }

    /// Orders to freeze or erase, in the order of their revisions.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        let mut orders: Vec<&Order> = self.orders.values().collect();
        orders.sort_by_key(|order| order.revision);
        orders.into_iter()
    }

    /// An order by its event id.
    #[must_use]
    pub fn named(&self, id: EventId) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// Holds that were placed on the chain.
    #[must_use]
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// Whether an order or a hold stands on the chain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.holds.is_empty()
    }

    /// Whether an order is about a part.
    #[must_use]
    pub fn reaches(&self, order: &Order, place: &Place<'_>) -> bool {
        let in_time = order.measure != ErasureMeasure::Erase || place.revision < order.revision;
        if !in_time || self.own.contains(&place.revision) || place.kind == PartKind::Act {
            return false;
        }
        match order.scope {
            ErasureScope::Subject => {
                place.kind == PartKind::Identities
                    && order.subject.is_some()
                    && place.subject == order.subject.as_deref()
            }
            ErasureScope::Chain => true,
            ErasureScope::Part => {
                let named = order.parts.is_empty() || order.parts.contains(&part_of(place.kind).into());
                let whose = order.subject.is_none()
                    || place.kind != PartKind::Identities
                    || place.subject == order.subject.as_deref();
                named && whose && order.steps.contains(&place.event_id)
            }
            ErasureScope::Unspecified => false,
        }
    }

    /// The order by which a part is shown to nobody: it was frozen, or is to be erased.
    #[must_use]
    pub fn is_frozen(&self, place: &Place<'_>) -> Option<&Order> {
        let hides = |order: &&Order| matches!(order.state(), State::InForce | State::Executed);
        self.orders.values().filter(hides).find(|order| self.reaches(order, place))
    }

    /// The erasure that destroyed the key of a part, by the digest of the part in lower-case hex.
    #[must_use]
    pub fn erased_by(&self, digest: &str) -> Option<&Order> {
        self.orders.values().find(|order| order.has_destroyed(digest))
    }

    /// Whether an order says why the key of a part is gone: one that is carried out names the part, one that is in force may have
    /// been begun. Whose identities a part held cannot be read any more.
    #[must_use]
    pub fn explains(&self, place: &Place<'_>, digest: &str) -> bool {
        let mut erasing = self.orders.values().filter(|order| order.measure == ErasureMeasure::Erase);
        erasing.any(|order| {
            let is_meant = match order.state() {
                State::Executed => order.has_destroyed(digest),
                State::InForce => true,
                State::Ordered | State::Lifted => false,
            };
            is_meant && self.reaches(order, &Place { subject: order.subject.as_deref(), ..*place })
        })
    }

    /// Whether an order may be carried out on a day. `chain` is the chain's id, `elsewhere` the holds on other chains.
    ///
    /// # Errors
    /// What stands against it.
    pub fn may_execute<'h>(
        &self,
        order: &Order,
        chain: &str,
        elsewhere: impl IntoIterator<Item = &'h Hold>,
        day: Day,
    ) -> Result<(), Hindrance> {
        match order.state() {
            State::Ordered => return Err(Hindrance::NotCountersigned),
            State::Lifted => return Err(Hindrance::NotInForce),
            State::InForce | State::Executed if order.measure == ErasureMeasure::Erase => {}
            State::InForce | State::Executed => return Err(Hindrance::NotInForce),
        }
        let mut elsewhere = elsewhere.into_iter();
        let covers = |hold: &&Hold| hold.is_in_force(day) && hold.covers(chain, &self.names, order.subject.as_deref());
        if let Some(hold) = elsewhere.find(covers) {
            return Err(Hindrance::Held { until: hold.until });
        }
        self.may_order(order.basis, day)
    }

    /// Whether an erasure may be ordered on a day, by what stands on this chain. A hold on the chain covers it.
    ///
    /// # Errors
    /// What stands against it.
    pub fn may_order(&self, basis: ErasureBasis, day: Day) -> Result<(), Hindrance> {
        if let Some(hold) = self.holds.iter().find(|hold| hold.is_in_force(day)) {
            return Err(Hindrance::Held { until: hold.until });
        }
        match basis {
            // What was never lawful to have, or a court has told to destroy, no period keeps.
            ErasureBasis::CourtOrder | ErasureBasis::UnlawfulProcessing => Ok(()),
            ErasureBasis::RetentionEnded | ErasureBasis::SubjectRequest | ErasureBasis::Unspecified => self.kept(day),
        }
    }

    /// The retention period that runs longest.
    fn kept(&self, day: Day) -> Result<(), Hindrance> {
        let closed = self.closings.last().and_then(|closing| closing.1);
        let rows = self.kept.iter().filter_map(|at| retention().get(*at));
        let runs = rows.filter_map(|row| match row.ends(closed) {
            Some(until) if until < day => None,
            until => Some((row, until)),
        });
        // A period without an end is longer than any other.
        let longest = runs.max_by_key(|(_, until)| (until.is_none(), *until));
        longest.map_or(Ok(()), |(row, until)| Err(Hindrance::Kept { row, until }))
    }

    fn order(&mut self, recorded: &Recorded, event: &dyn Fields) {
        let text = |name: &str| texts(event, name).next().map(str::to_owned);
        let measure = number(event, "measure").and_then(|number| ErasureMeasure::try_from(number).ok());
        if measure == Some(ErasureMeasure::Lift) {
            let lifted = step(event, "lifts").and_then(|id| self.orders.get_mut(&id));
            if let Some(order) = lifted.filter(|order| order.executed.is_none()) {
                order.lifted = true;
            }
            return;
        }
        let order = Order {
            id: recorded.event_id,
            revision: recorded.revision,
            agency: recorded.agency.clone(),
            number: text("order_no").unwrap_or_default(),
            measure: measure.unwrap_or(ErasureMeasure::Unspecified),
            scope: number(event, "scope")
                .and_then(|number| ErasureScope::try_from(number).ok())
                .unwrap_or(ErasureScope::Unspecified),
            basis: number(event, "basis")
                .and_then(|number| ErasureBasis::try_from(number).ok())
                .unwrap_or(ErasureBasis::Unspecified),
            legal_basis: text("legal_basis").unwrap_or_default(),
            subject: text("subject"),
            steps: records(event, "steps").filter_map(|step| step.text("event_id").and_then(EventId::parse)).collect(),
            parts: values(event, "parts").filter_map(code).collect(),
            countersigned: BTreeSet::new(),
            lifted: false,
            executed: None,
        };
        self.orders.insert(order.id, order);
    }

    fn countersign(&mut self, recorded: &Recorded, event: &dyn Fields) {
        let order = step(event, "order").and_then(|id| self.orders.get_mut(&id));
        if let Some(order) = order.filter(|order| order.agency != recorded.agency) {
            order.countersigned.insert(recorded.event_id);
        }
    }

    /// Only the platform's own act says that keys are gone: no desk takes its event id from a caller.
    fn execute(&mut self, recorded: &Recorded, event: &dyn Fields) {
        if !recorded.event_id.is_keepers() {
            return;
        }
        let order = step(event, "order").and_then(|id| self.orders.get_mut(&id));
        if let Some(order) = order.filter(|order| order.measure == ErasureMeasure::Erase && order.is_countersigned()) {
            order.executed.get_or_insert_default().extend(texts(event, "keys").map(str::to_owned));
        }
    }

    fn hold(&mut self, recorded: &Recorded, event: &dyn Fields) {
        self.holds.push(Hold {
            id: recorded.event_id,
            revision: recorded.revision,
            agency: recorded.agency.clone(),
            until: texts(event, "until_on").next().and_then(Day::parse),
            chains: texts(event, "chains").map(str::to_owned).collect(),
            subjects: texts(event, "subjects").map(str::to_owned).collect(),
        });
    }

    /// An agency takes back what it recorded itself. What is executed stays executed.
    fn withdraw(&mut self, recorded: &Recorded, event: &dyn Fields) {
        let Some(target) = step(event, "target") else { return };
        self.closings.retain(|closing| closing.0 != target);
        self.holds.retain(|hold| hold.id != target || hold.agency != recorded.agency);
        if let Some(order) = self.orders.get_mut(&target)
            && order.agency == recorded.agency
            && order.executed.is_none()
        {
            order.lifted = true;
        }
    }
}

impl<'a> FromIterator<&'a Recorded> for Erasures {
    fn from_iter<T: IntoIterator<Item = &'a Recorded>>(history: T) -> Self {
        let mut erasures = Self::default();
        history.into_iter().for_each(|recorded| erasures.apply(recorded));
        erasures
    }
}

impl Order {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        if self.executed.is_some() {
            State::Executed
        } else if self.lifted {
            State::Lifted
        } else if self.measure == ErasureMeasure::Erase && !self.is_countersigned() {
            State::Ordered
        } else {
            State::InForce
        }
    }

    /// Whether an act says that the key of a part is destroyed, by the digest of the part in lower-case hex.
    #[must_use]
    pub fn has_destroyed(&self, digest: &str) -> bool {
        self.executed.as_ref().is_some_and(|digests| digests.contains(digest))
    }

    /// Digests of the parts whose keys acts on the chain say are destroyed, in lower-case hex.
    pub fn destroyed(&self) -> impl Iterator<Item = &str> {
        self.executed.iter().flatten().map(String::as_str)
    }

    /// Whether another agency has countersigned it.
    #[must_use]
    pub fn is_countersigned(&self) -> bool {
        !self.countersigned.is_empty()
    }
}

fn step(event: &dyn Fields, name: &str) -> Option<EventId> {
    records(event, name).next()?.text("event_id").and_then(EventId::parse)
}

fn number(event: &dyn Fields, name: &str) -> Option<i32> {
    event.named(name).and_then(code)
}

fn code(value: Value<'_>) -> Option<i32> {
    match value {
        Value::Enum(number) => Some(number),
        Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Message(_) => None,
    }
}

/// A kind of part, as acts name it.
#[must_use]
pub fn part_of(kind: PartKind) -> Part {
    match kind {
        PartKind::Act => Part::Act,
        PartKind::Identities => Part::Identities,
        PartKind::Narrative => Part::Narrative,
        PartKind::Sealed => Part::Sealed,
        PartKind::Unspecified => Part::Unspecified,
    }
}

const ORDERED: &str = "ErasureOrdered";
const COUNTERSIGNED: &str = "ErasureCountersigned";
const EXECUTED: &str = "ErasureExecuted";
const HELD: &str = "LegalHoldPlaced";
const CLOSED: &str = "DisputeClosed";
const REOPENED: &str = "DisputeReopened";
const CORRECTED: &str = "RecordCorrected";
