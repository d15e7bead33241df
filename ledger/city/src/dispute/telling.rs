//! A dispute while it is told: who takes part, what was done so far, and the defect that is to be planted in it.

use std::collections::BTreeMap;

use mediation_domain::{calendar::Day, clocks::arithmetic::Period};
use mediation_proto::fields::kind_of_event;
use serde_json::{Map, Value as Json, json};

use super::{
    place::Place,
    script::{Script, Signer, Step, calendar, chain_number, rules},
};
use crate::{
    defects::{Blame, Change, Defect, Mark},
    story::{Planted, Story},
};

/// A dispute while it is told.
#[derive(Debug)]
pub(crate) struct Telling<'a> {
    script: Script,
    /// The agencies of its county and township.
    pub(crate) place: Place<'a>,
    /// Number of the dispute in the city, from which its agencies' own numbers are made.
    serial: u64,
    numbered: u64,
    /// Pseudonym of the applicant.
    pub(crate) applicant: String,
    /// Pseudonym of the respondent.
    pub(crate) respondent: String,
    /// Pseudonyms of further main parties, who consent, attend and sign like the two.
    pub(crate) others: Vec<String>,
    /// Who mediates, once appointed.
    pub(crate) mediator: Option<String>,
    /// Procedures with their final states, for the closing.
    pub(crate) procedures: Vec<Json>,
    /// Obligations with their states, for the closing.
    pub(crate) obligations: BTreeMap<String, &'static str>,
    /// Day on which the first instalment is due.
    pub(crate) first_due: Option<Day>,
    /// The parties settle on the online platform of 乐平.
    pub(crate) online: bool,
    /// Day on which the last agreement was reached.
    pub(crate) agreed_on: Day,
    /// The mediator who was recused.
    pub(crate) recused: Option<String>,
    /// Last day on which something is due.
    pub(crate) due: Option<Day>,
    told: Vec<Told>,
    proposal: Option<Step>,
    /// Who should have done the act that the defect leaves out.
    intended: Option<String>,
    defect: Option<&'static Defect>,
    /// Position of the act at which the defect struck.
    struck: Option<usize>,
}

/// What is remembered of an act, so that findings at it can be declared.
#[derive(Debug)]
struct Told {
    event: &'static str,
    agency: String,
    target: Option<String>,
}

impl<'a> Telling<'a> {
    pub(crate) fn new(mut script: Script, place: Place<'a>, serial: u64, defect: Option<&'static Defect>) -> Self {
        let (applicant, respondent, agreed_on) = (script.person(), script.person(), script.day());
        Self {
            script,
            place,
            serial,
            numbered: 0,
            applicant,
            respondent,
            others: Vec::new(),
            mediator: None,
            procedures: Vec::new(),
            obligations: BTreeMap::new(),
            first_due: None,
            online: false,
            agreed_on,
            recused: None,
            due: None,
            told: Vec::new(),
            proposal: None,
            intended: None,
            defect,
            struck: None,
        }
    }

    /// The story, with what must be found in it. None when a defect was to be planted and the dispute held nothing that
    /// it changes.
    pub(crate) fn end(mut self) -> Option<Story> {
        if let Some(defect) = self.defect {
            let struck = self.struck?;
            let is_late = matches!(defect.change, Change::Late { .. });
            if is_late && self.told.get(struck).is_none_or(|told| told.event != defect.event) {
                return None;
            }
            for mistake in defect.mistakes {
                for at in self.marked(mistake.at, struck)? {
                    let (at, agency) = (u64::try_from(at).ok(), self.blamed(mistake.by, at, struck)?);
                    let planted = Planted { code: mistake.code, at, agency: Some(agency), clock: mistake.clock };
                    self.script.plant(planted);
                }
            }
        }
        Some(self.script.end())
    }

    /// An act that is signed by the first of the agency in that role.
    pub(crate) fn act(&mut self, event: &'static str, agency: &str, role: &str, data: Json) -> Step {
        let signer = format!("{agency}/{role}-1");
        self.signed(event, agency, role, &signer, data)
    }

    /// An act of a mediating body that its mediator signs, or its clerk while none is appointed.
    pub(crate) fn mediated(&mut self, event: &'static str, agency: &str, data: Json) -> Step {
        let own = self.mediator.clone().filter(|mediator| mediator.starts_with(&format!("{agency}/")));
        let signer = own.unwrap_or_else(|| format!("{agency}/MED-1"));
        self.signed(event, agency, "MED", &signer, data)
    }

    /// An act that somebody of another agency signs too.
    pub(crate) fn cosigned(
        &mut self,
        event: &'static str,
        (agency, role): (&str, &str),
        cosigner: (&str, &str),
        data: Json,
    ) -> Step {
        let signer = format!("{agency}/{role}-1");
        self.done(event, Signer { agency, role, signer: &signer, cosigner: Some(cosigner) }, data)
    }

    /// An act that somebody signs.
    pub(crate) fn signed(&mut self, event: &'static str, agency: &str, role: &str, signer: &str, data: Json) -> Step {
        self.done(event, Signer { agency, role, signer, cosigner: None }, data)
    }

    /// An act, as the defect leaves it: a defect strikes at the first act that it changes.
    fn done(&mut self, event: &'static str, by: Signer<'_>, data: Json) -> Step {
        let mut data = match data {
            Json::Object(data) => data,
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => Map::new(),
        };
        let change = self.change(event, &data);
        match change {
            Some(Change::Instead(tell)) => {
                self.intended = Some(by.agency.to_owned());
                tell(self);
                return self.script.last();
            }
            Some(Change::Without(field)) => {
                data.shift_remove(field);
            }
            Some(Change::With(alter)) => alter(self, &mut data),
            Some(Change::Before(tell)) => tell(self),
            Some(Change::Entered { working_days }) => self.script.enter_late(working_days),
            Some(Change::After(_) | Change::Late { .. } | Change::Hasty(_)) | None => {}
        }
        let target = data.get("target").and_then(Json::as_str).map(str::to_owned);
        self.told.push(Told { event, agency: by.agency.to_owned(), target });
        let step = self.script.act(event, by, &data);
        if event == "HandoffProposed" {
            self.proposal = Some(step);
        }
        if let Some(Change::After(tell)) = change {
            self.struck = Some(self.told.len());
            tell(self);
        }
        step
    }

    /// Waits some working days, up to the act that ends a clock which counts from `start`. The clock is met; when the
    /// defect is that it is not, the wait lasts until it has run out.
    pub(crate) fn within(&mut self, clock: &str, start: Day, working_days: u32) {
        let late = self.due_change().and_then(|change| {
            let Change::Late { clock: missed, by } = change else { return None };
            (missed == clock).then_some(by)
        });
        let limit = self.limit(clock, start);
        match (late, limit) {
            (Some(by), Some(limit)) => {
                self.struck = Some(self.told.len());
                self.script.wait_for(calendar().plus_working_days(limit, by));
            }
            (None, Some(limit)) if working_days > 0 && self.day_after(working_days) > limit => self.wait_until(limit),
            _ => self.wait(working_days),
        }
    }

    /// Waits until a party's time that counts from `start` is over; when the defect is haste, not so long.
    pub(crate) fn lapse(&mut self, clock: &str, start: Day) {
        match self.due_change() {
            Some(Change::Hasty(broken)) if broken == clock => {
                self.struck = Some(self.told.len());
                self.wait(0);
            }
            _ => {
                if let Some(limit) = self.limit(clock, start) {
                    self.script.wait_for(calendar().plus_working_days(limit, 1));
                }
            }
        }
    }

    /// Waits some working days.
    pub(crate) fn wait(&mut self, working_days: u32) {
        self.script.wait(working_days);
    }

    /// Waits a number of working days between two.
    pub(crate) fn wait_some(&mut self, least: u32, most: u32) {
        let days = self.draw(least, most);
        self.wait(days);
    }

    /// Waits until the last working day that is not after a day; not at all when it has come.
    pub(crate) fn wait_until(&mut self, day: Day) {
        let day = (0..14).map(|back| day.plus(-back)).find(|day| calendar().is_working(*day)).unwrap_or(day);
        self.script.wait_for(day);
    }

    /// Lets hours pass.
    pub(crate) fn pass(&mut self, hours: i64) {
        self.script.pass(hours);
    }

    /// How many acts there are.
    pub(crate) fn length(&self) -> u64 {
        self.script.length()
    }

    /// Declares what a judge must find.
    pub(crate) fn plant(&mut self, planted: Planted) {
        self.script.plant(planted);
    }

    /// A grid of the township.
    pub(crate) fn grid(&mut self) -> String {
        let number = self.draw(1, GRIDS_PER_TOWNSHIP);
        format!("{}-{number:03}", self.place.township)
    }

    /// The day on which the next act is done.
    pub(crate) fn day(&self) -> Day {
        self.script.day()
    }

    /// The day so many working days from now.
    pub(crate) fn day_after(&self, working_days: u32) -> Day {
        calendar().plus_working_days(self.day(), working_days)
    }

    /// A number between two, both included.
    pub(crate) fn draw(&mut self, least: u32, most: u32) -> u32 {
        least + self.script.below(most - least + 1)
    }

    /// One of several.
    pub(crate) fn one_of<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        let count = u32::try_from(others.len()).unwrap_or_default();
        let at = usize::try_from(self.script.below(count + 1)).unwrap_or_default();
        others.get(at).copied().unwrap_or(first)
    }

    /// A pseudonym that nobody else has.
    pub(crate) fn person(&mut self) -> String {
        self.script.person()
    }

    /// A number that no other act of the city carries.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.serial * NUMBERS_PER_DISPUTE + self.numbered
    }

    /// The number of a case of a court: `(2024)赣0281民初17号`. Courts are numbered by their divisions, without the
    /// province and without the digits that are 00 for a city.
    pub(crate) fn case_number(&mut self, court: &str, kind: &str) -> String {
        let division = self.place.division(court);
        let code = division.get(2..).unwrap_or_default();
        let code = code.strip_suffix("00").unwrap_or(code);
        format!("({})赣{code}{kind}{}号", self.day().year(), self.number())
    }

    /// A document with a digest of its own.
    pub(crate) fn document(&mut self, kind: &str, sensitivity: &str) -> Json {
        let pages = self.draw(1, 5);
        let digest = self.script.digest();
        json!({"kind": kind, "digest_algorithm": "SHA_256", "digest": digest, "pages": pages, "sensitivity": sensitivity})
    }

    /// A digest of something that is kept elsewhere.
    pub(crate) fn digest(&mut self) -> String {
        self.script.digest()
    }

    /// The main parties.
    pub(crate) fn parties(&self) -> Vec<String> {
        [&self.applicant, &self.respondent].into_iter().chain(&self.others).cloned().collect()
    }

    /// Number of another chain of the county.
    pub(crate) fn other_chain_number(&self) -> String {
        chain_number(self.place.county(), self.day(), self.serial + 1)
    }

    /// Whether the catalogue has acts of a kind: what it has not yet is left out of the stories.
    pub(crate) fn knows(&self, event: &str) -> bool {
        kind_of_event(event).is_some()
    }

    /// Whether an act of a kind was done.
    pub(crate) fn has(&self, event: &str) -> bool {
        self.told.iter().any(|told| told.event == event)
    }

    /// Who opened the chain.
    pub(crate) fn opener(&self) -> Option<String> {
        self.told.first().map(|told| told.agency.clone())
    }

    /// The last handoff that was proposed.
    pub(crate) fn proposal(&self) -> Option<Step> {
        self.proposal
    }

    /// Waits until everything that is owed should have been done.
    pub(crate) fn wait_past_due(&mut self) {
        if let Some(due) = self.due {
            self.script.wait_for(calendar().plus_working_days(due, 1));
        }
    }

    /// The change of the defect, while it has changed nothing.
    fn due_change(&self) -> Option<Change> {
        self.defect.filter(|_| self.struck.is_none()).map(|defect| defect.change)
    }

    /// The change of the defect, when this is the act that it changes.
    fn change(&mut self, event: &str, data: &Map<String, Json>) -> Option<Change> {
        let defect = self.defect.filter(|defect| self.struck.is_none() && defect.event == event)?;
        let strikes = match defect.change {
            Change::Late { .. } | Change::Hasty(_) => false,
            Change::Without(field) => data.contains_key(field),
            Change::With(_) | Change::Instead(_) | Change::Before(_) | Change::After(_) | Change::Entered { .. } => {
                true
            }
        };
        if !strikes || !(defect.when)(self, data) {
            return None;
        }
        self.struck = Some(self.told.len());
        Some(defect.change)
    }

    fn limit(&self, clock: &str, start: Day) -> Option<Day> {
        let term = rules().clocks().named(clock)?.term;
        Some(Period::new(start, start.begin(), None).limit(&term, calendar())?.due.day())
    }

    /// The acts at which a finding is made; none when there must be one and is none.
    fn marked(&self, mark: Mark, struck: usize) -> Option<Vec<usize>> {
        let later = |event: &str| {
            let told = self.told.iter().enumerate().skip(struck);
            told.filter(|(_, told)| told.event == event).map(|(at, _)| at).collect::<Vec<_>>()
        };
        match mark {
            Mark::Here => Some(vec![struck]),
            Mark::Later(event) => Some(vec![*later(event).first()?]),
            Mark::Perhaps(event) => Some(later(event).into_iter().take(1).collect()),
            Mark::Each(event) => Some(later(event)).filter(|marked| !marked.is_empty()),
            Mark::Proposal => {
                let proposed = |told: &Told| told.target.is_some();
                Some(vec![self.told.get(..struck)?.iter().rposition(proposed)?])
            }
        }
    }

    fn blamed(&self, blame: Blame, at: usize, struck: usize) -> Option<String> {
        let is_center = |agency: &str| [self.place.center(), self.place.town()].contains(&agency);
        match blame {
            Blame::Recorder => Some(self.told.get(at)?.agency.clone()),
            Blame::Target => self.told.get(at)?.target.clone(),
            Blame::Intended => self.intended.clone(),
            Blame::Center => {
                let mut before = self.told.get(..struck)?.iter().map(|told| &told.agency);
                before.rfind(|agency| is_center(agency)).or_else(|| self.told.first().map(|told| &told.agency)).cloned()
            }
            Blame::Closer => {
                let closing = self.told.iter().skip(struck).find(|told| told.event == "DisputeClosed");
                closing.map(|told| told.agency.clone())
            }
        }
    }
}

/// Numbers that one dispute can give: far more than its agencies need, so that those of two disputes never meet.
const NUMBERS_PER_DISPUTE: u64 = 100;

/// Grids that every township has at least.
const GRIDS_PER_TOWNSHIP: u32 = 58;
