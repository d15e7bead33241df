//! One chain while it is written: the clock on the wall, what was recorded, and chance from a seed.

use std::fmt;

use mediation_domain::{
    calendar::{Calendar, Day},
    history::{EventId, Recorded},
    identity::mod_11_2,
    rules::RuleSet,
};
use mediation_proto::{fields::kind_of_event, json::act_from_json};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::story::{Planted, Story};

/// An act of the chain that later ones can name: `{"step": n}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step(usize);

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reference = serializer.serialize_map(Some(1))?;
        reference.serialize_entry("step", &self.0)?;
        reference.end()
    }
}

/// Chance from a seed: SHA-256 over a key and a counter, so that the same seed gives the same numbers on every machine.
#[derive(Clone)]
pub(crate) struct Chance {
    key: [u8; 32],
    counter: u64,
    pool: [u8; 32],
    used: usize,
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chance").field("counter", &self.counter).finish_non_exhaustive()
    }
}

impl Chance {
    /// The chance of one thing of one city.
    pub(crate) fn new(seed: u64, thing: &str, number: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(number.to_be_bytes());
        hash.update(thing.as_bytes());
        Self { key: hash.finalize().into(), counter: 0, pool: [0; 32], used: 32 }
    }

    /// A number below a bound; 0 when the bound is 0. The bias is below 2^-32 for every bound that is used.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        if self.used + 8 > self.pool.len() {
            self.pool = self.bytes();
            self.used = 0;
        }
        let number =
            self.pool.iter().skip(self.used).take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        self.used += 8;
        u32::try_from((u128::from(number) * u128::from(bound)) >> 64).unwrap_or_default()
    }

    /// 32 bytes that are as good as random.
    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        self.counter += 1;
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(self.counter.to_be_bytes());
        hash.finalize().into()
    }
}

/// One chain while it is written.
#[derive(Debug)]
pub(crate) struct Script {
    chain: [u8; 16],
    /// Number of the chain; only disputes have one.
    number: Option<String>,
    chance: Chance,
    /// Seconds since 1970-01-01T00:00:00Z at which the next act is done.
    now: i64,
    /// Milliseconds at which the last act was recorded.
    recorded_at: i64,
    /// The next act is entered so many working days late.
    entry_delay: Option<u32>,
    acts: Vec<Recorded>,
    planted: Vec<Planted>,
}

/// Who does an act, and who signs with him.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signer<'a> {
    pub(crate) agency: &'a str,
    pub(crate) role: &'a str,
    pub(crate) signer: &'a str,
    pub(crate) cosigner: Option<(&'a str, &'a str)>,
}

impl Script {
    /// A chain that is opened on a working day, in a division of six or more digits.
    pub(crate) fn new(mut chance: Chance, day: Day, division: &str, serial: u64) -> Self {
        let mut chain = [0; 16];
        for (byte, random) in chain.iter_mut().zip(chance.bytes()) {
            *byte = random;
        }
        form(&mut chain, 8);
        let number = chain_number(division, day, serial);
        Self { number: Some(number), ..Self::on(chain, chance, day) }
    }

    /// A chain that is no dispute, and is opened on a working day.
    pub(crate) fn unnumbered(mut chance: Chance, day: Day) -> Self {
        let mut chain = [0; 16];
        for (byte, random) in chain.iter_mut().zip(chance.bytes()) {
            *byte = random;
        }
        form(&mut chain, 8);
        Self::on(chain, chance, day)
    }

    /// The chain of this id.
    pub(crate) fn on(chain: [u8; 16], chance: Chance, day: Day) -> Self {
        let mut script = Self {
            chain,
            number: None,
            chance,
            now: 0,
            recorded_at: i64::MIN,
            entry_delay: None,
            acts: Vec::new(),
            planted: Vec::new(),
        };
        script.morning(calendar().roll(day));
        script
    }

    /// Records an act now, and lets some minutes pass. It names as its causes what its fields name, else the act before.
    ///
    /// # Panics
    /// When the data are not those of the event: the scripts of the city are wrong then, whatever the seed.
    pub(crate) fn act(&mut self, event: &str, by: Signer<'_>, data: &Map<String, Json>) -> Step {
        let mut causes = Vec::new();
        data.values().for_each(|value| steps(value, &mut causes));
        if causes.is_empty() && !self.acts.is_empty() {
            causes.push(json!(self.acts.len() - 1));
        }
        let mut header = Map::from_iter([
            ("signer".to_owned(), by.signer.into()),
            ("signer_role".to_owned(), by.role.into()),
            ("causes".to_owned(), causes.into()),
        ]);
        if let Some(number) = &self.number {
            header.insert("chain_no".to_owned(), number.as_str().into());
        }
        if let Some((agency, role)) = by.cosigner {
            let cosigner = json!({"agency": agency, "signer": format!("{agency}/{role}-1"), "role": role});
            header.insert("cosigners".to_owned(), json!([cosigner]));
        }
        let resolve = |reference: &Json| {
            let at = usize::try_from(reference.as_u64()?).ok()?;
            self.acts.get(at).map(|act| act.event_id.to_string())
        };
        let act = kind_of_event(event).map(|kind| act_from_json(kind, &header, data, &resolve));
        let act = match act {
            Some(Ok(act)) => act,
            Some(Err(error)) => panic!("`{event}` is not written as the catalogue says: {error}"),
            None => panic!("`{event}` is no event of the catalogue"),
        };
        let recorded_at = self.enter();
        let (revision, event_id) = (self.acts.len(), self.event_id(recorded_at));
        self.acts.push(Recorded {
            revision: u64::try_from(revision).unwrap_or(u64::MAX),
            event_id,
            agency: by.agency.to_owned(),
            occurred_at: self.now,
            recorded_at,
            act,
        });
        self.now += i64::from(120 + self.chance.below(780));
        Step(revision)
    }

    /// The act before.
    pub(crate) fn last(&self) -> Step {
        Step(self.acts.len().saturating_sub(1))
    }

    /// How many acts there are.
    pub(crate) fn length(&self) -> u64 {
        u64::try_from(self.acts.len()).unwrap_or(u64::MAX)
    }

    /// Lets hours pass.
    pub(crate) fn pass(&mut self, hours: i64) {
        self.now += hours * 3_600;
    }

    /// Declares what a judge must find.
    pub(crate) fn plant(&mut self, planted: Planted) {
        self.planted.push(planted);
    }

    /// The chain as it was written.
    pub(crate) fn end(mut self) -> Story {
        self.planted.sort();
        Story { chain: self.chain, acts: self.acts, planted: self.planted }
    }

    /// The day on which the next act is done.
    pub(crate) fn day(&self) -> Day {
        Day::of(self.now)
    }

    /// Waits some working days, until the morning; none: some minutes of the same day.
    pub(crate) fn wait(&mut self, working_days: u32) {
        if working_days == 0 {
            self.now += i64::from(300 + self.chance.below(900));
        } else {
            self.morning(calendar().plus_working_days(self.day(), working_days));
        }
    }

    /// Waits until the morning of a day; not at all when it has come.
    pub(crate) fn wait_for(&mut self, day: Day) {
        if day > self.day() {
            self.morning(day);
        }
    }

    /// Lets the next act be entered so many working days after it was done.
    pub(crate) fn enter_late(&mut self, working_days: u32) {
        self.entry_delay = Some(working_days);
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.chance.below(bound)
    }

    /// A pseudonym.
    pub(crate) fn person(&mut self) -> String {
        format!("psn_{}", hex(self.chance.bytes().get(..12).unwrap_or_default()))
    }

    /// A digest of something that is kept elsewhere.
    pub(crate) fn digest(&mut self) -> String {
        hex(&self.chance.bytes())
    }

    /// Offices open at half past eight.
    fn morning(&mut self, day: Day) {
        self.now = day.begin() + 30_600 + i64::from(self.chance.below(4_800));
    }

    /// The instant of entry: mostly at once, at times in the evening, in the order of the chain.
    fn enter(&mut self) -> i64 {
        let lag = match (self.entry_delay.take(), self.chance.below(8)) {
            (Some(days), _) => calendar().plus_working_days(self.day(), days).begin() + 36_000 - self.now,
            (None, 0) => i64::from(600 + self.chance.below(18_000)),
            (None, _) => i64::from(5 + self.chance.below(500)),
        };
        let milliseconds = i64::from(self.chance.below(1_000));
        self.recorded_at = ((self.now + lag) * 1_000 + milliseconds).max(self.recorded_at.saturating_add(1));
        self.recorded_at
    }

    /// A UUIDv7 of the instant of entry.
    fn event_id(&mut self, recorded_at: i64) -> EventId {
        let mut id = [0; 16];
        let time = recorded_at.to_be_bytes();
        for (byte, value) in id.iter_mut().zip(time.into_iter().skip(2).chain(self.chance.bytes())) {
            *byte = value;
        }
        form(&mut id, 7);
        EventId(id)
    }
}

/// The working-day calendar of the rule set by which the city's chains are judged.
pub(crate) fn calendar() -> &'static Calendar {
    rules().calendar()
}

/// The rule set by which the city's chains are judged.
///
/// # Panics
/// When the domain has no rule set of this name.
pub(crate) fn rules() -> &'static RuleSet {
    RuleSet::named("cn-2024-fixture").unwrap_or_else(|| panic!("the rule set of the fixtures is gone"))
}

/// A chain number with its check character, ISO 7064 MOD 11-2 over the 18 digits.
pub(crate) fn chain_number(division: &str, day: Day, serial: u64) -> String {
    let digits = format!("{:0<6.6}{}{:04}", division, day.to_string().replace('-', ""), serial % 10_000);
    let check = mod_11_2(&digits);
    format!("JF{digits}{check}")
}

/// The steps that a value names, each once.
fn steps(value: &Json, found: &mut Vec<Json>) {
    match value {
        Json::Object(object) => match object.get("step") {
            Some(step) if object.len() == 1 => {
                if !found.contains(step) {
                    found.push(step.clone());
                }
            }
            _ => object.values().for_each(|value| steps(value, found)),
        },
        Json::Array(values) => values.iter().for_each(|value| steps(value, found)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// Marks bytes as a UUID of a version.
fn form(id: &mut [u8; 16], version: u8) {
    let [_, _, _, _, _, _, kind, _, variant, ..] = id;
    *kind = *kind & 0x0f | version << 4;
    *variant = *variant & 0x3f | 0x80;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
