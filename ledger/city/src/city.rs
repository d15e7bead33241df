//! The city: its agencies, its chains, and all its acts in the order in which they were recorded.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    vec,
};

use mediation_domain::{calendar::Day, directory::Directory, history::Recorded};

use crate::{
    agenda::agenda,
    dispute::{Budget, Disputes},
    matter::{Matter, Places},
    member::{self, Member},
    plan::Plan,
    registry::registry,
    scale::Scale,
    story::Story,
};

/// Identity of the ledger that the city's registry chains belong to.
pub const ORIGIN: &str = "city.mediation.example/main";

/// A city in a year, with what came before it for comparison.
#[derive(Debug)]
pub struct City {
    year: i64,
    seed: u64,
    plan: Plan,
    members: Vec<Member>,
    directory: Directory,
}

/// What the disputes share in of the figures that other chains make up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) grid_events: u64,
    pub(crate) petitions: u64,
    pub(crate) warnings: u64,
}

impl City {
    /// The city of a year and a seed, at a scale.
    #[must_use]
    pub fn new(year: i64, seed: u64, scale: Scale) -> Self {
        let members = member::members();
        let directory = member::directory(&members);
        Self { year, seed, plan: Plan::new(scale), members, directory }
    }

    /// Its year.
    #[must_use]
    pub fn year(&self) -> i64 {
        self.year
    }

    /// The agencies that record.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The same, as the rules know them.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Every chain, by the day on which it begins, told when it is asked for.
    #[must_use]
    pub fn stories(&self) -> Stories<'_> {
        let disputes = Disputes::new(&self.directory, self.year, self.seed, &self.budget());
        let uses = disputes.uses();
        let shares = Shares { grid_events: uses.grid_events, petitions: uses.petitions, warnings: uses.warnings };
        let matters = agenda(&self.plan, self.year, &shares);
        let places = Places::new(&self.directory, &matters);
        let registry = registry(&self.plan, &self.members, self.year, self.seed);
        Stories {
            city: self,
            registry: registry.into_iter(),
            matters: matters.into_iter(),
            places,
            disputes,
            dispute: 0,
            end: Day::parse(&format!("{}-01-01", self.year + 1)).map_or(i64::MAX, |day| day.begin() * 1_000),
        }
    }

    /// Every act of every chain, by the time of recording.
    #[must_use]
    pub fn acts(&self) -> Acts<'_> {
        Acts { stories: self.stories(), ahead: None, open: BTreeMap::new(), next: BinaryHeap::new(), opened: 0 }
    }

    /// The integers that the figures of the year must come to, by their ids.
    #[must_use]
    pub fn expected(&self) -> BTreeMap<&'static str, u64> {
        let plan = &self.plan;
        let uses = Disputes::new(&self.directory, self.year, self.seed, &self.budget()).uses();
        let reported = plan.scaled("P-24a", "count").max(uses.grid_events);
        BTreeMap::from([
            ("P-14", uses.settled),
            ("P-15", uses.confirmations),
            ("P-16", uses.sessions),
            ("P-17a", uses.online),
            ("P-17b", uses.online_settled),
            ("P-18a", plan.scaled("P-18a", "count").max(plan.scaled_item("P-18b", 0))),
            ("P-19", plan.scaled("P-19", "count")),
            ("P-24a", reported),
            ("P-24b", plan.scaled("P-24b", "count").clamp(uses.grid_events, reported)),
            ("P-25", plan.fixed("P-25", "count")),
            ("P-30", plan.scaled("P-30", "sum")),
            ("P-31", plan.scaled("P-31", "count")),
        ])
    }

    fn budget(&self) -> Budget {
        Budget {
            settled: self.plan.scaled("P-14", "count"),
            confirmations: self.plan.scaled("P-15", "count"),
            sessions: self.plan.scaled("P-16", "count"),
            online: self.plan.scaled("P-17a", "count"),
            online_settled: self.plan.scaled("P-17b", "count"),
        }
    }
}

/// The chains of a city. What would be recorded after its year is left out: nobody has recorded it yet.
#[derive(Debug)]
pub struct Stories<'a> {
    city: &'a City,
    registry: vec::IntoIter<Story>,
    matters: vec::IntoIter<(Day, Matter)>,
    places: Places<'a>,
    disputes: Disputes<'a>,
    /// The next dispute.
    dispute: usize,
    /// Milliseconds at which the year is over.
    end: i64,
}

impl Stories<'_> {
    /// The first chain that begins next: the registry, then disputes and other matters by day.
    fn tell(&mut self) -> Option<Story> {
        if let Some(story) = self.registry.next() {
            return Some(story);
        }
        let City { seed, directory, .. } = self.city;
        loop {
            let matter = self.matters.as_slice().first().map(|(day, _)| *day);
            let dispute = self.disputes.opened_on(self.dispute);
            let told = match (matter, dispute) {
                (None, None) => return None,
                (Some(day), Some(other)) if day <= other => self.matter(directory, *seed),
                (Some(_), None) => self.matter(directory, *seed),
                (_, Some(_)) => {
                    self.dispute += 1;
                    self.disputes.story(self.dispute - 1)
                }
            };
            if told.is_some() {
                return told;
            }
        }
    }

    fn matter(&mut self, directory: &Directory, seed: u64) -> Option<Story> {
        let (day, matter) = self.matters.next()?;
        matter.tell(directory, &self.places, seed, day)
    }
}

impl Iterator for Stories<'_> {
    type Item = Story;

    fn next(&mut self) -> Option<Story> {
        let mut story = self.tell()?;
        story.acts.retain(|act| act.recorded_at < self.end);
        Some(story)
    }
}

/// The acts of a city. Only chains that have begun and are not over are in memory.
#[derive(Debug)]
pub struct Acts<'a> {
    stories: Stories<'a>,
    /// A chain that begins later than what is recorded next.
    ahead: Option<Story>,
    open: BTreeMap<u64, ([u8; 16], vec::IntoIter<Recorded>)>,
    /// When the next act of each open chain is recorded.
    next: BinaryHeap<Reverse<(i64, [u8; 16], u64)>>,
    opened: u64,
}

impl Acts<'_> {
    /// Opens every chain that may begin before the earliest act of those that are open. One that begins on a later day
    /// shows that no other does.
    fn open_due(&mut self) {
        while let Some(story) = self.ahead.take().or_else(|| self.stories.next()) {
            let Some(first) = story.acts.first() else { continue };
            let begins = Day::of(first.occurred_at).begin() * 1_000;
            if self.next.peek().is_some_and(|Reverse((earliest, ..))| begins > *earliest) {
                self.ahead = Some(story);
                return;
            }
            self.opened += 1;
            self.next.push(Reverse((first.recorded_at, story.chain, self.opened)));
            self.open.insert(self.opened, (story.chain, story.acts.into_iter()));
        }
    }
}

impl Iterator for Acts<'_> {
    type Item = ([u8; 16], Recorded);

    fn next(&mut self) -> Option<Self::Item> {
        self.open_due();
        let Reverse((_, chain, number)) = self.next.pop()?;
        let (_, acts) = self.open.get_mut(&number)?;
        let act = acts.next()?;
        match acts.as_slice().first() {
            Some(later) => self.next.push(Reverse((later.recorded_at, chain, number))),
            None => {
                self.open.remove(&number);
            }
        }
        Some((chain, act))
    }
}
