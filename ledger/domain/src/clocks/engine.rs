//! Runs the clocks of a rule set over a chain, act by act.

mod matching;
mod open;
mod starting;

use mediation_proto::fields::Value;

use self::open::Open;
use super::{
    Clock, Clocks, EndKind, Instance, Use,
    arithmetic::{Approver, ExtensionFault, Grant, Interval},
    condition::Path,
    instance::{End, is_past},
};
use crate::{
    calendar::{Calendar, Day},
    judge::chain::{Act, Chain, Kind, kind},
};

/// What the clocks did on a chain.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    /// Every instance, in the order of opening, reminders included.
    pub(crate) instances: Vec<Instance<'a>>,
    /// One for each `DeadlineExtended`.
    pub(crate) extensions: Vec<Extended>,
    /// One for each `ClockSuspended`.
    pub(crate) suspensions: Vec<Suspended>,
    /// Position of each act that ended or voided an instance, and place of the instance, in the order of the acts.
    touched: Vec<(usize, usize)>,
}

impl<'a> Course<'a> {
    /// The instances that are judged.
    pub(crate) fn judged(&self) -> impl DoubleEndedIterator<Item = &Instance<'a>> {
        self.instances.iter().filter(|instance| instance.usage() == Use::Judged)
    }

    /// The instances that an act ended or voided.
    pub(crate) fn touched(&self, at: usize) -> impl Iterator<Item = &Instance<'a>> {
        let from = self.touched.partition_point(|(by, _)| *by < at);
        let touched = self.touched.get(from..).unwrap_or_default().iter().take_while(move |(by, _)| *by == at);
        touched.filter_map(|(_, place)| self.instances.get(*place))
    }
}

/// What an extension did.
#[derive(Debug)]
pub(crate) struct Extended {
    /// Position of the act.
    pub(crate) by: usize,
    /// Id of the clock that was extended; the given one when none was open.
    pub(crate) clock: String,
    /// Codes of what is wrong.
    pub(crate) faults: Vec<&'static str>,
}

/// What a suspension did.
#[derive(Debug)]
pub(crate) struct Suspended {
    /// Position of the act.
    pub(crate) by: usize,
    /// The clock can be suspended.
    pub(crate) allowed: bool,
    /// The ground is one of the rule.
    pub(crate) grounded: bool,
}

/// Runs the clocks over the acts of a chain that count.
pub(crate) fn run<'a>(clocks: &'static Clocks, calendar: &'static Calendar, chain: &Chain<'a>) -> Course<'a> {
    let course = Course { instances: Vec::new(), extensions: Vec::new(), suspensions: Vec::new(), touched: Vec::new() };
    let mut engine = Engine { clocks, calendar, chain, course, open: Open::default(), lapsing: Vec::new() };
    for act in chain.acts() {
        engine.lapse(act.day, act.at);
        engine.act(act);
    }
    engine.lapse(chain.today(), chain.all().len());
    engine.course
}

struct Engine<'c, 'a> {
    clocks: &'static Clocks,
    calendar: &'static Calendar,
    chain: &'c Chain<'a>,
    course: Course<'a>,
    open: Open,
    /// Places of the open instances whose lapse will open another clock by itself.
    lapsing: Vec<usize>,
}

impl<'a> Engine<'_, 'a> {
    /// The order of the data's `steps`: extensions, suspensions, ends, voids, starts, ends marked own.
    fn act(&mut self, act: &Act<'a>) {
        match act.kind {
            EXTENDED => self.extend(act),
            SUSPENDED => self.suspend(act),
            RESUMED => self.resume(act),
            _ => {}
        }
        let Some(entries) = self.clocks.by_kind.get(act.kind.0) else { return };
        for (place, at) in &entries.suspends {
            self.suspend_by_nature(act, *place, *at);
        }
        let mut reopened = Vec::new();
        for (place, at) in &entries.ends {
            if self.end(act, *place, *at) {
                reopened.push(*place);
            }
        }
        for (place, at) in &entries.voids {
            self.void(act, *place, *at);
        }
        if act.is(CLOSED) {
            self.close(act);
        }
        let before = self.course.instances.len();
        for (place, at) in &entries.starts {
            if !reopened.contains(place) {
                self.start(act, *place, *at, before);
            }
        }
        for (place, at) in &entries.ends {
            self.end_own(act, *place, *at, before);
        }
    }

    /// Ends one instance, or every one that fits; whether the act, standing alone, opened and ended one.
    fn end(&mut self, act: &Act<'a>, place: usize, at: usize) -> bool {
        let Some(clock) = self.clocks.clocks.get(place).filter(|clock| !clock.term.backward) else { return false };
        if clock.retro.is_none() && !self.open.has(place) {
            return false;
        }
        let Some(end) = clock.ends.get(at).filter(|end| !end.own && self.holds(act, end.entry.when.as_ref())) else {
            return false;
        };
        let day = self.day(act, end.from_field.as_ref());
        let ended = self.ending(act, clock, place);
        for instance in &ended {
            self.finish(*instance, act, day, EndKind::Ended);
        }
        let Some(retro) = clock.retro.as_ref().filter(|retro| ended.is_empty() && act.is(retro.kind)) else {
            return false;
        };
        let start = retro.from_field.text(self.chain, act).and_then(Day::parse);
        let Some(start) = start.filter(|start| clock.holds_on(*start)) else { return false };
        let instance = self.open(act, clock, place, start, None);
        self.finish(instance, act, day, EndKind::Ended);
        true
    }

    fn end_own(&mut self, act: &Act<'a>, place: usize, at: usize, before: usize) {
        if before == self.course.instances.len() {
            return;
        }
        let Some(clock) = self.clocks.clocks.get(place) else { return };
        let Some(end) = clock.ends.get(at).filter(|end| end.own && self.holds(act, end.entry.when.as_ref())) else {
            return;
        };
        let day = self.day(act, end.from_field.as_ref());
        for instance in before..self.course.instances.len() {
            if self.instance(instance).is_some_and(|instance| instance.place == place && instance.is_open()) {
                self.finish(instance, act, day, EndKind::Ended);
            }
        }
    }

    fn void(&mut self, act: &Act<'a>, place: usize, at: usize) {
        let Some(clock) = self.clocks.clocks.get(place) else { return };
        let Some(entry) = clock.voids.get(at).filter(|_| self.open.has(place)) else { return };
        if self.holds(act, entry.when.as_ref()) {
            for instance in self.voided(act, place) {
                self.finish(instance, act, act.day, EndKind::Voided);
            }
        }
    }

    fn close(&mut self, act: &Act<'a>) {
        for place in self.open.all() {
            let voids = self.instance(place).is_some_and(|open| open.is_duty() && !open.clock.survives_close);
            if voids {
                self.finish(place, act, act.day, EndKind::Voided);
            }
        }
    }

    fn finish(&mut self, place: usize, act: &Act<'a>, day: Day, kind: EndKind) {
        self.course.touched.push((act.at, place));
        if let Some(instance) = self.course.instances.get_mut(place) {
            self.open.remove(instance.place, place);
            self.lapsing.retain(|lapsing| *lapsing != place);
            instance.end = Some(End { by: act.at, day, instant: act.occurred_at, kind });
        }
    }

    fn extend(&mut self, act: &Act<'a>) {
        let given = act.text("clock_id").unwrap_or_default();
        let Some(place) = self.named_instance(act, given) else {
            let extended = Extended { by: act.at, clock: given.to_owned(), faults: vec!["NO_CLOCK"] };
            return self.course.extensions.push(extended);
        };
        let too_near = self.is_too_near(act, place);
        let Some(instance) = self.course.instances.get_mut(place) else { return };
        let clock = instance.clock;
        let approver: Option<Approver> =
            act.code("approver_role").and_then(|code| serde_json::from_value(code.into()).ok());
        let grant = Grant {
            on: act.day,
            amount: act.int("days").unwrap_or_default(),
            approver,
            consented: act.texts("consenting").next().is_some(),
            told_on: act.date("party_told_on"),
        };
        let faults = instance.period.extend(&grant, &clock.term, self.calendar);
        instance.limit = instance.period.limit(&clock.term, self.calendar);
        let mut faults: Vec<&str> = faults.into_iter().map(ExtensionFault::code).collect();
        if too_near {
            faults.push("SS-12");
        }
        self.course.extensions.push(Extended { by: act.at, clock: clock.id.clone(), faults });
    }

    /// Whether the request or the decision came too near to the limit: clocks counted back from it (SS-12).
    fn is_too_near(&self, act: &Act<'a>, place: usize) -> bool {
        let Some(due) = self.instance(place).and_then(Instance::due) else { return false };
        self.clocks.backward.iter().filter_map(|place| self.clocks.clocks.get(*place)).any(|clock| {
            let latest = due.plus(-i64::from(clock.term.amount.unwrap_or_default()));
            let mut ends = clock.ends.iter().filter(|end| act.is(end.entry.kind));
            ends.any(|end| self.holds(act, end.entry.when.as_ref()) && self.day(act, end.from_field.as_ref()) > latest)
        })
    }

    fn suspend(&mut self, act: &Act<'a>) {
        let given = act.text("clock_id").unwrap_or_default();
        let named = || self.clocks.called(given);
        let allowed = named().any(|(_, clock)| clock.suspension_grounds.is_some());
        let ground = act.code("ground").unwrap_or_default();
        let grounded = |(_, clock): &(usize, &Clock)| {
            clock.suspension_grounds.as_ref().is_some_and(|grounds| grounds.iter().any(|code| code == ground))
        };
        let suspended = Suspended { by: act.at, allowed, grounded: named().any(|clock| grounded(&clock)) };
        let place = self.suspendable(act, named().filter(grounded).map(|(place, _)| place));
        self.course.suspensions.push(suspended);
        if let Some(place) = place {
            self.interrupt(place, act, Interval { from: act.day, to: None });
        }
    }

    fn suspend_by_nature(&mut self, act: &Act<'a>, place: usize, at: usize) {
        let Some(suspends) = self.clocks.clocks.get(place).and_then(|clock| clock.suspends.get(at)) else { return };
        if !self.holds(act, suspends.entry.when.as_ref()) {
            return;
        }
        let date = |path: &Path| path.text(self.chain, act).and_then(Day::parse);
        let interval = match &suspends.days {
            None => Interval { from: act.day, to: None },
            Some((from, to)) => {
                let (Some(from), Some(to)) = (date(from), date(to)) else { return };
                Interval { from, to: Some(to) }
            }
        };
        let instance = self.suspendable(act, [place]);
        if let Some(instance) = instance {
            self.interrupt(instance, act, interval);
        }
    }

    fn interrupt(&mut self, place: usize, act: &Act<'a>, interval: Interval) {
        let Some(instance) = self.course.instances.get_mut(place) else { return };
        let term = &instance.clock.term;
        if instance.period.suspend(interval, term, self.calendar) {
            instance.suspended_by = interval.to.is_none().then_some(act.at);
            instance.limit = instance.period.limit(term, self.calendar);
        }
    }

    fn resume(&mut self, act: &Act<'a>) {
        let Some(suspension) = self.chain.referred(act, "suspension").map(|act| act.at) else { return };
        for place in self.open.all() {
            let Some(instance) = self.course.instances.get_mut(place) else { continue };
            if instance.suspended_by == Some(suspension) {
                instance.suspended_by = None;
                instance.period.resume(act.day);
                instance.limit = instance.period.limit(&instance.clock.term, self.calendar);
            }
        }
    }

    /// Opens the clocks that open by lapse alone, for limits that passed before a day.
    fn lapse(&mut self, day: Day, upto: usize) {
        for place in &self.clocks.deemed {
            let Some(clock) = self.clocks.clocks.get(*place) else { continue };
            let Some(deemed) = &clock.deemed else { continue };
            let mut due: Vec<(Day, usize)> = Vec::new();
            for at in &self.lapsing {
                let open = self.instance(*at).filter(|open| deemed.lapse_of.contains(&open.place));
                let Some(limit) = open.and_then(|open| open.limit) else { continue };
                let start = limit.due.day().plus(deemed.plus_days);
                if start <= day && is_past(limit, start.begin()) {
                    due.push((start, *at));
                }
            }
            due.sort_unstable();
            for (start, at) in due {
                self.lapsing.retain(|lapsing| *lapsing != at);
                let proposal = self.instance(at).and_then(|instance| instance.proposal);
                if clock.holds_on(start) {
                    self.open_by_lapse(clock, *place, start, proposal, upto);
                }
            }
        }
    }

    fn holds(&self, act: &Act<'a>, when: Option<&super::Condition>) -> bool {
        when.is_none_or(|condition| condition.holds(self.chain, act, &|clock| self.open.has(clock)))
    }

    /// The day in a field, when the act carries it, else the day of the act.
    fn day(&self, act: &Act<'a>, field: Option<&Path>) -> Day {
        field.and_then(|path| path.text(self.chain, act)).and_then(Day::parse).unwrap_or(act.day)
    }

    fn instance(&self, place: usize) -> Option<&Instance<'a>> {
        self.course.instances.get(place)
    }
}

impl Clocks {
    /// Whether another clock opens by the lapse of this one alone.
    fn is_followed(&self, clock: usize) -> bool {
        let deemed = self.deemed.iter().filter_map(|place| self.clocks.get(*place)?.deemed.as_ref());
        deemed.into_iter().any(|deemed| deemed.lapse_of.contains(&clock))
    }

    /// The clocks that an act means by a name, with their places.
    fn called<'n>(&self, name: &'n str) -> impl Iterator<Item = (usize, &Clock)> + use<'_, 'n> {
        self.clocks.iter().enumerate().filter(move |(_, clock)| clock.is_called(name))
    }
}

impl Clock {
    /// Whether this edition of the clock holds for a start day.
    fn holds_on(&self, start: Day) -> bool {
        self.valid.0.is_none_or(|from| from <= start) && self.valid.1.is_none_or(|to| start <= to)
    }

    /// Whether an act that names a clock means this one: by its id or its row.
    fn is_called(&self, name: &str) -> bool {
        self.id == name || self.row == name
    }
}

/// Value of a list field that holds agency ids, of either form: texts, or records with a field `agency`.
fn agencies<'a>(act: &Act<'a>, field: &str) -> Vec<&'a str> {
    let listed = crate::judge::chain::values(act.fields, field).filter_map(|value| match value {
        Value::Text(text) => Some(text),
        Value::Message(message) => message.text("agency"),
        Value::Bool(_) | Value::Int(_) | Value::Enum(_) => None,
    });
    listed.collect()
}

const CLOSED: Kind = kind("DisputeClosed");
const EXTENDED: Kind = kind("DeadlineExtended");
const SUSPENDED: Kind = kind("ClockSuspended");
const RESUMED: Kind = kind("ClockResumed");
