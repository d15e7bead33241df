//! Counting: chains go by, in whatever order, and leave rows behind.

use std::collections::{BTreeMap, BTreeSet};

use mediation_proto::{
    derived::{TYPES_ERASURE_BASIS, TYPES_ERASURE_MEASURE, TYPES_ERASURE_SCOPE},
    mediation::ledger::v1::PartKind,
};

use super::{
    ASSESSMENT_KEPT_MONTHS, Account, Assessment, CLOCK, Exports, Hindered, Hinders, Hold, Order, OrderState, Place,
    Readings, Refusals, Report, Request, Timeliness,
    breach::{Told, breaches},
};
use crate::{
    calendar::Day,
    clocks::{ClockState, arithmetic::Due},
    directory::Directory,
    erasure::{self, Erasures, Hindrance},
    figures::Period,
    history::Recorded,
    judge::{
        ChainKey, ClockRun, Moment,
        chain::{Act, Chain, Kind, kind},
        judge,
    },
    rules::RuleSet,
    standing::Standing,
};

/// What the chains that went by amount to so far.
#[derive(Debug, Clone)]
pub struct Tally {
    period: Period,
    accounts: BTreeMap<String, Account>,
    reports: Vec<Told>,
    erasing: Vec<Erasing>,
    /// Readings by agency, purpose and grade.
    readings: BTreeMap<(String, Option<&'static str>, Option<&'static str>), u64>,
    /// Records and attempts by agency and reason.
    refusals: BTreeMap<(String, Option<&'static str>), (u64, u64)>,
    /// Records and chains by agency and reader.
    exports: BTreeMap<(String, String), (u64, BTreeSet<String>)>,
}

/// The orders and holds of a chain. Whether an order may be carried out, holds on other chains say as well.
#[derive(Debug, Clone)]
struct Erasing {
    chain: String,
    is_restricted: bool,
    erasures: Erasures,
    /// Day of the act at each revision that orders.
    days: BTreeMap<u64, Day>,
}

/// A chain that goes by.
struct Passing<'a, 'c> {
    chain: &'c Chain<'a>,
    id: String,
    standing: Standing,
    is_restricted: bool,
}

impl Tally {
    /// Nothing has gone by yet.
    #[must_use]
    pub fn new(period: Period) -> Self {
        Self {
            period,
            accounts: BTreeMap::new(),
            reports: Vec::new(),
            erasing: Vec::new(),
            readings: BTreeMap::new(),
            refusals: BTreeMap::new(),
            exports: BTreeMap::new(),
        }
    }

    /// Takes a chain, whole: its acts that count, in the order of their revisions. Each chain MUST go by once, in one tally of
    /// those that are put together. `rules` is the rule set that the chain names; none when it is not known.
    pub fn take(&mut self, id: ChainKey, history: &[Recorded], directory: &Directory, rules: Option<&'static RuleSet>) {
        let moment = Moment::end_of(self.period.to);
        let chain = Chain::new(history, directory, moment);
        self.read(&chain);
        if !chain.has_any(TOLD) {
            return;
        }
        // Of all that is recorded, as for readers: what cannot be read any more may have been an accusation.
        let standing: Standing = history.iter().collect();
        let unreadable = history.iter().any(|recorded| recorded.act.event().is_none());
        let is_restricted = unreadable || standing.is_restricted();
        let passing = Passing { chain: &chain, id: id.to_string(), standing, is_restricted };
        let reports = chain.of(BREACH).map(|act| Told::of(act, passing.place(act), passing.may_show(act)));
        self.reports.extend(reports);
        self.assess(&passing);
        if chain.has_any(&[RECEIVED]) {
            let runs = rules.map(|rules| judge(history, directory, rules, moment).clocks).unwrap_or_default();
            self.request(&passing, &runs);
        }
        self.order(passing, history, moment);
    }

    /// Puts in what another tally took of other chains. Both MUST be of the same period.
    pub fn merge(&mut self, other: Self) {
        for (agency, account) in other.accounts {
            let own = self.account(&agency);
            own.assessments.extend(account.assessments);
            own.requests.extend(account.requests);
            own.orders.extend(account.orders);
        }
        self.reports.extend(other.reports);
        self.erasing.extend(other.erasing);
        for (key, count) in other.readings {
            *self.readings.entry(key).or_default() += count;
        }
        for (key, (count, attempts)) in other.refusals {
            let own = self.refusals.entry(key).or_default();
            *own = (own.0 + count, own.1.saturating_add(attempts));
        }
        for (key, (count, chains)) in other.exports {
            let own = self.exports.entry(key).or_default();
            own.0 += count;
            own.1.extend(chains);
        }
    }

    /// What there is to tell, the same whatever the order in which chains went by.
    #[must_use]
    pub fn report(mut self) -> Report {
        for (agency, breach) in breaches(std::mem::take(&mut self.reports)) {
            if self.period.holds(breach.discovered_on) {
                self.account(&agency).breaches.push(breach);
            }
        }
        self.settle_orders();
        for ((agency, purpose, grade), count) in std::mem::take(&mut self.readings) {
            self.account(&agency).readings.push(Readings { purpose, grade, count });
        }
        for ((agency, refusal), (count, attempts)) in std::mem::take(&mut self.refusals) {
            self.account(&agency).refusals.push(Refusals { refusal, count, attempts });
        }
        for ((agency, reader), (count, chains)) in std::mem::take(&mut self.exports) {
            self.account(&agency).exports.push(Exports { reader, count, chains: chains.len() as u64 });
        }
        for account in self.accounts.values_mut() {
            account.assessments.sort_by(|one, other| {
                (one.assessed_on, &one.place, &one.occasions).cmp(&(other.assessed_on, &other.place, &other.occasions))
            });
            account.requests.sort_by(|one, other| {
                (one.received_on, &one.place, one.due).cmp(&(other.received_on, &other.place, other.due))
            });
            account.orders.sort_by(|one, other| {
                (one.ordered_on, &one.place, one.measure).cmp(&(other.ordered_on, &other.place, other.measure))
            });
            account.holds.sort_by(|one, other| (&one.place, one.until).cmp(&(&other.place, other.until)));
        }
        Report { period: self.period, agencies: self.accounts }
    }

    fn account(&mut self, agency: &str) -> &mut Account {
        self.accounts.entry(agency.to_owned()).or_default()
    }

    fn read(&mut self, chain: &Chain<'_>) {
        let period = self.period;
        for act in chain.of_any(&[ACCESSED, DENIED]).filter(|act| period.holds(act.day)) {
            let agency = act.text("reader_agency").unwrap_or(act.agency).to_owned();
            if act.is(DENIED) {
                let refused = self.refusals.entry((agency, act.code("refusal"))).or_default();
                *refused = (refused.0 + 1, refused.1.saturating_add(act.int("attempts").unwrap_or(1)));
                continue;
            }
            let purpose = act.code("purpose");
            if purpose == Some("EXPORT") {
                let reader = act.text("reader").unwrap_or_default().to_owned();
                let exported = self.exports.entry((agency.clone(), reader)).or_default();
                exported.0 += 1;
                exported.1.extend(act.text("chain").map(str::to_owned));
            }
            *self.readings.entry((agency, purpose, act.code("grade"))).or_default() += 1;
        }
    }

    fn assess(&mut self, passing: &Passing<'_, '_>) {
        for act in passing.chain.of(ASSESSED) {
            let assessed_on = act.date("assessed_on").unwrap_or(act.day);
            if !self.period.holds(assessed_on) {
                continue;
            }
            let least = assessed_on.plus_months(ASSESSMENT_KEPT_MONTHS);
            let kept_until = act.date("kept_until");
            let assessment = Assessment {
                place: passing.place(act),
                assessed_on,
                occasions: act.codes("occasions").collect(),
                risk: act.code("risk"),
                kept_until,
                is_kept: self.period.to <= kept_until.map_or(least, |until| until.max(least)),
                is_kept_too_short: kept_until.is_some_and(|until| until < least),
            };
            self.account(act.agency).assessments.push(assessment);
        }
    }

    fn request(&mut self, passing: &Passing<'_, '_>, runs: &[ClockRun]) {
        let period = self.period;
        for act in passing.chain.of(RECEIVED).filter(|act| period.holds(act.day)) {
            let is_answer = |answer: &&Act<'_>| {
                passing.chain.referred(answer, "request").is_some_and(|request| request.at == act.at)
            };
            let answer = passing.chain.of_after(DECIDED, act.at).rfind(is_answer);
            // One that another request's answer ended says nothing of this one.
            let ended =
                |run: &&ClockRun| run.ended_by.is_none_or(|by| answer.is_some_and(|answer| answer.revision == by));
            let run = runs.iter().find(|run| run.id == CLOCK && run.opened_by == Some(act.revision)).filter(ended);
            let request = Request {
                place: passing.place(act),
                received_on: act.day,
                right: act.code("right"),
                due: run.and_then(|run| run.due).map(Due::day),
                decided_on: answer.map(|answer| answer.day),
                decision: answer.and_then(|answer| answer.code("decision")),
                state: run.map_or(Timeliness::Unjudged, timeliness),
                days_late: run.map_or(0, |run| run.days_late),
            };
            self.account(act.agency).requests.push(request);
        }
    }

    fn order(&mut self, passing: Passing<'_, '_>, history: &[Recorded], moment: Moment) {
        let mut days = BTreeMap::new();
        for act in passing.chain.of(ORDERED) {
            days.insert(act.revision, act.day);
            if act.code("measure") == Some("LIFT") && self.period.holds(act.day) {
                let number = act.text("order_no").filter(|_| !passing.is_restricted).map(str::to_owned);
                let order = Order {
                    place: passing.place(act),
                    ordered_on: act.day,
                    number,
                    measure: act.code("measure"),
                    scope: act.code("scope"),
                    basis: act.code("basis"),
                    state: None,
                    is_countersigned: false,
                    hindered: None,
                };
                self.account(act.agency).orders.push(order);
            }
        }
        let erasures: Erasures = history.iter().filter(|act| act.occurred_at <= moment.as_of).collect();
        if !erasures.is_empty() {
            let (chain, is_restricted) = (passing.id, passing.is_restricted);
            self.erasing.push(Erasing { chain, is_restricted, erasures, days });
        }
    }

    /// Orders and holds of all chains, once all holds are known.
    fn settle_orders(&mut self) {
        let erasing = std::mem::take(&mut self.erasing);
        let today = self.period.to;
        for own in &erasing {
            for order in own.erasures.orders() {
                let Some(day) = own.days.get(&order.revision).copied().filter(|day| self.period.holds(*day)) else {
                    continue;
                };
                let others = erasing.iter().filter(|other| other.chain != own.chain);
                let elsewhere = others.flat_map(|other| other.erasures.holds());
                let may = own.erasures.may_execute(order, &own.chain, elsewhere, today);
                self.account(&order.agency).orders.push(own.row(order, day, may.err()));
            }
            for hold in own.erasures.holds().iter().filter(|hold| hold.is_in_force(today)) {
                let hold_row = Hold { place: own.place(hold.revision), until: hold.until };
                self.account(&hold.agency).holds.push(hold_row);
            }
        }
    }
}

impl Passing<'_, '_> {
    fn place(&self, act: &Act<'_>) -> Place {
        place(&self.id, act.revision, self.is_restricted)
    }

    /// Whether the free text of an act may be told: nobody has frozen it, and the chain is not restricted.
    fn may_show(&self, act: &Act<'_>) -> bool {
        let narrative =
            erasure::Place { revision: act.revision, event_id: act.event_id, kind: PartKind::Narrative, subject: None };
        !self.is_restricted && self.standing.erasures().is_frozen(&narrative).is_none()
    }
}

impl Erasing {
    fn place(&self, revision: u64) -> Place {
        place(&self.chain, revision, self.is_restricted)
    }

    fn row(&self, order: &erasure::Order, ordered_on: Day, hindrance: Option<Hindrance>) -> Order {
        let state = match order.state() {
            erasure::State::Ordered => OrderState::Ordered,
            erasure::State::InForce => OrderState::InForce,
            erasure::State::Executed => OrderState::Executed,
            erasure::State::Lifted => OrderState::Lifted,
        };
        let waits = state == OrderState::InForce;
        Order {
            place: self.place(order.revision),
            ordered_on,
            number: Some(order.number.clone()).filter(|_| !self.is_restricted),
            measure: TYPES_ERASURE_MEASURE.code(order.measure.into()),
            scope: TYPES_ERASURE_SCOPE.code(order.scope.into()),
            basis: TYPES_ERASURE_BASIS.code(order.basis.into()),
            state: Some(state),
            is_countersigned: order.is_countersigned(),
            hindered: hindrance.filter(|_| waits).and_then(|hindrance| hindered(&hindrance)),
        }
    }
}

/// What hinders an erasure that is in force; a freeze is carried out by itself.
fn hindered(hindrance: &Hindrance) -> Option<Hindered> {
    let (by, until) = match hindrance {
        Hindrance::NotCountersigned | Hindrance::NotInForce => return None,
        Hindrance::Held { until } => (Hinders::Hold, *until),
        Hindrance::Kept { until, .. } => (Hinders::Retention, *until),
    };
    Some(Hindered { by, until, zh: hindrance.zh(), en: hindrance.to_string() })
}

fn place(chain: &str, revision: u64, is_restricted: bool) -> Place {
    let shown = !is_restricted;
    Place { chain: shown.then(|| chain.to_owned()), revision: shown.then_some(revision), is_restricted }
}

fn timeliness(run: &ClockRun) -> Timeliness {
    match run.state {
        ClockState::Met | ClockState::Early => Timeliness::InTime,
        ClockState::Late => Timeliness::Late,
        ClockState::Open if run.days_late > 0 => Timeliness::Overdue,
        ClockState::Open => Timeliness::Open,
        ClockState::Lapsed => Timeliness::Overdue,
        ClockState::Void => Timeliness::Void,
    }
}

const BREACH: Kind = kind("BreachReported");
const ASSESSED: Kind = kind("ImpactAssessed");
const RECEIVED: Kind = kind("SubjectRequestReceived");
const DECIDED: Kind = kind("SubjectRequestDecided");
const ORDERED: Kind = kind("ErasureOrdered");
const HELD: Kind = kind("LegalHoldPlaced");
const ACCESSED: Kind = kind("RecordAccessed");
const DENIED: Kind = kind("AccessDenied");

/// Kinds that have rows of their own; of a chain without them nothing but readings is told.
const TOLD: &[Kind] = &[BREACH, ASSESSED, RECEIVED, ORDERED, HELD];
