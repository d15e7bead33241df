//! Opening instances.

use super::{Engine, agencies, matching::is_same_procedure};
use crate::{
    calendar::Day,
    clocks::{Clock, ClockKind, EndKind, Instance, Matching, Obliged, Start, Use, arithmetic::Period},
    judge::chain::{Act, Kind, kind},
};

use mediation_proto::mediation::types::v1::AgencyKind;

impl<'a> Engine<'_, 'a> {
    /// Opens what a starting act opens. `before` is the number of instances before the act opened any.
    pub(super) fn start(&mut self, act: &Act<'a>, place: usize, at: usize, before: usize) {
        let Some(clock) = self.clocks.clocks.get(place) else { return };
        let Some(start) = clock.starts.get(at).filter(|start| self.holds(act, start.entry.when.as_ref())) else {
            return;
        };
        if clock.deemed.is_some() {
            return self.adopt(act, place);
        }
        let opened = self.course.instances.get(before..).unwrap_or_default();
        if opened.iter().any(|instance| clock.overridden_by.contains(&instance.place)) {
            return;
        }
        let fixed = clock.limit_field.as_ref().and_then(|field| field.text(self.chain, act)).and_then(Day::parse);
        if clock.term.amount.is_none() && fixed.is_none() {
            return;
        }
        let day = self.start_day(act, start);
        if start.restart {
            return self.restart(act, clock, place, day);
        }
        for obliged in self.obliged(act, clock) {
            let day = self.without_own_delay(act, clock, obliged, day);
            if clock.holds_on(day) && !self.runs_already(act, clock, obliged) {
                let instance = self.open(act, clock, place, day, obliged);
                self.fix(instance, fixed);
            }
        }
    }

    /// Opens an instance on an act and gives its place.
    pub(super) fn open(
        &mut self,
        act: &Act<'a>,
        clock: &'static Clock,
        place: usize,
        start: Day,
        obliged: Option<&'a str>,
    ) -> usize {
        let proposal = if act.is_proposal() { Some(act.at) } else { self.chain.proposal(act).map(|act| act.at) };
        let obligations = match clock.matching {
            Matching::Obligation => act.texts("obligation_ids").collect(),
            Matching::Chain | Matching::Agency | Matching::Procedure | Matching::Answer | Matching::Agreement => {
                Vec::new()
            }
        };
        let instant = if start == act.day { act.occurred_at } else { start.begin() };
        self.push(Instance {
            opened_by: Some(act.at),
            opened_by_proposal: act.is_proposal(),
            procedure_no: act.procedure_no(),
            obligations,
            ..self.blank(clock, place, Period::new(start, instant, None), obliged, proposal)
        })
    }

    /// Opens an instance by lapse alone. The act that notes the lapse is its starting act, if it was recorded.
    pub(super) fn open_by_lapse(
        &mut self,
        clock: &'static Clock,
        place: usize,
        start: Day,
        proposal: Option<usize>,
        upto: usize,
    ) {
        let notes = |act: &&Act<'a>| self.chain.proposal(act).map(|act| act.at) == proposal;
        let first = |start: &Start| self.chain.of_before(start.entry.kind, upto).find(notes);
        let noted = proposal.and_then(|_| clock.starts.iter().filter_map(first).min_by_key(|act| act.at));
        let opened_by = noted.map(|act| act.at);
        let obliged = noted.map(|act| act.agency).or_else(|| self.center_before(start, upto));
        let period = Period::new(start, start.begin(), None);
        let instance = Instance { opened_by, ..self.blank(clock, place, period, obliged, proposal) };
        self.push(instance);
    }

    /// Makes an act the starting act of the instance that opened by the lapse which the act notes.
    fn adopt(&mut self, act: &Act<'a>, place: usize) {
        let Some(proposal) = self.chain.proposal(act).map(|act| act.at) else { return };
        let noted = self.course.instances.iter_mut().find(|instance| {
            instance.place == place && instance.proposal == Some(proposal) && instance.opened_by.is_none()
        });
        if let Some(instance) = noted {
            instance.opened_by = Some(act.at);
            instance.obliged = Some(act.agency);
        }
    }

    /// Begins the period anew, when one is open.
    fn restart(&mut self, act: &Act<'a>, clock: &'static Clock, place: usize, day: Day) {
        let Some(old) = self.restarted(act, clock).filter(|_| clock.holds_on(day)) else { return };
        let kept = self.instance(old).and_then(|instance| instance.obliged);
        let kind_of = |agency: &str| self.chain.directory().kind(agency);
        let keeps = kept.is_some_and(|kept| kind_of(kept) != act.agency_kind);
        let obliged = if keeps { kept } else { self.obliged(act, clock).next().flatten() };
        self.finish(old, act, act.day, EndKind::Restarted);
        self.open(act, clock, place, day, obliged);
    }

    fn start_day(&self, act: &Act<'a>, start: &Start) -> Day {
        let is_meant = |instance: &&Instance<'a>| start.from_clock.contains(&instance.place);
        let known = if start.from_clock.is_empty() { &[] } else { self.course.instances.as_slice() };
        let from_clock = known.iter().rfind(is_meant);
        from_clock.map_or_else(|| self.day(act, start.from_field.as_ref()), Instance::start)
    }

    /// Rule A-6: when the same act ended an own earlier duty after its limit, the period counts from that limit.
    fn without_own_delay(&self, act: &Act<'a>, clock: &Clock, obliged: Option<&str>, day: Day) -> Day {
        let late = self.course.touched(act.at).filter(|ended| {
            clock.own_delay_of.contains(&ended.place)
                && ended.is_ended(EndKind::Ended)
                && ended.obliged == obliged
                && ended.is_late(act.occurred_at)
        });
        late.filter_map(Instance::due).fold(day, Day::min)
    }

    /// Whether a duty of the same key runs, so that the act opens nothing.
    fn runs_already(&self, act: &Act<'a>, clock: &Clock, obliged: Option<&str>) -> bool {
        if clock.kind == ClockKind::Right {
            return false;
        }
        let open = || clock.editions.iter().flat_map(|place| self.open.of(*place));
        match clock.matching {
            Matching::Chain => open().next().is_some(),
            Matching::Agency | Matching::Procedure => open()
                .filter_map(|at| self.instance(at))
                .any(|open| open.obliged == obliged && is_same_procedure(act, open.procedure_no)),
            Matching::Answer | Matching::Agreement | Matching::Obligation => false,
        }
    }

    /// Who is bound; one instance opens for each.
    fn obliged(&self, act: &Act<'a>, clock: &Clock) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
        let (one, each) = match &clock.obliged {
            Obliged::Recorder | Obliged::RecorderOrCenter => (Some(Some(act.agency)), Vec::new()),
            Obliged::Field(field) => (Some(act.text(field)), Vec::new()),
            Obliged::TargetOrRecorder => (Some(Some(act.text("target").unwrap_or(act.agency))), Vec::new()),
            Obliged::Each(field) => (None, agencies(act, field)),
            Obliged::Proposer => (Some(self.chain.proposal(act).map(|proposal| proposal.agency)), Vec::new()),
            Obliged::Party => (Some(None), Vec::new()),
        };
        one.into_iter().chain(each.into_iter().map(Some))
    }

    /// The last governance or township center that recorded before a day, else the registering agency.
    fn center_before(&self, day: Day, upto: usize) -> Option<&'a str> {
        let is_center =
            |act: &Act<'a>| matches!(act.agency_kind, Some(AgencyKind::GovernanceCenter | AgencyKind::TownshipCenter));
        let center = self.chain.before(upto).rfind(|act| act.day < day && is_center(act));
        let registering = || self.chain.of_before(REGISTERED, upto).next();
        center.or_else(registering).map(|act| act.agency)
    }

    fn blank(
        &self,
        clock: &'static Clock,
        place: usize,
        period: Period,
        obliged: Option<&'a str>,
        proposal: Option<usize>,
    ) -> Instance<'a> {
        let limit = period.limit(&clock.term, self.calendar);
        Instance {
            clock,
            place,
            period,
            limit,
            obliged,
            opened_by: None,
            proposal,
            opened_by_proposal: false,
            procedure_no: None,
            obligations: Vec::new(),
            suspended_by: None,
            end: None,
        }
    }

    fn fix(&mut self, place: usize, fixed: Option<Day>) {
        let Some(instance) = self.course.instances.get_mut(place).filter(|_| fixed.is_some()) else { return };
        instance.period.fixed = fixed;
        instance.limit = instance.period.limit(&instance.clock.term, self.calendar);
    }

    fn push(&mut self, instance: Instance<'a>) -> usize {
        let place = self.course.instances.len();
        if instance.clock.usage != Use::Reference {
            self.open.insert(instance.place, place);
            if self.clocks.is_followed(instance.place) {
                self.lapsing.push(place);
            }
        }
        self.course.instances.push(instance);
        place
    }
}

const REGISTERED: Kind = kind("DisputeRegistered");
