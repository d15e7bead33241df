//! Reads `data/clocks.json` and compiles it: names become places in tables, conditions become trees.

use std::collections::{BTreeMap, BTreeSet};

use mediation_proto::{derived::KINDS, fields::MessageInfo};
use serde::Deserialize;

use super::{
    Clock, ClockKind, Clocks, Deemed, End, Entry, KindEntries, Matching, Obliged, Retro, Severity, Start, Suspends,
    Use,
    arithmetic::{Approver, Extension, Further, Term, Unit},
    condition::{ConditionData, Names, Path, kind_named, path},
};
use crate::{calendar::Day, catalogue, judge::chain::Kind};

/// What a rule set may set differently from the data.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    /// Units by clock, among those that the clock's `unit_parameter` allows.
    pub(crate) units: BTreeMap<String, Unit>,
    /// Tags of rules that only advise: their findings are observations.
    pub(crate) advisory: BTreeSet<String>,
    /// Ids of clocks and invariants that are enabled although the data, or their tag, do not enable them.
    pub(crate) enabled: BTreeSet<String>,
    /// Clocks that are judged from their start although the data let them only remind until they are ended.
    pub(crate) judged_at_once: BTreeSet<String>,
    /// Whether a petition limit that ends on a rest day ends on the next working day (信访期限顺延); the Regulation is
    /// silent.
    petition_roll: Roll,
}

impl Parameters {
    /// Whether a rule is enabled, by what the data say, its tag and its id.
    pub(crate) fn enables(&self, by_default: bool, tag: &str, id: &str) -> bool {
        self.enabled.contains(id) || (by_default && !self.advisory.contains(tag))
    }

    fn rolls(&self, data: &ClockData) -> bool {
        match data.roll {
            Roll::Yes => true,
            Roll::No => matches!(self.petition_roll, Roll::Yes) && data.row.starts_with(PETITION_ROWS),
            Roll::Nothing => false,
        }
    }
}

/// Rows of the limits of 信访工作条例.
const PETITION_ROWS: &str = "XF-";

impl Clocks {
    /// Compiles a table of clocks.
    pub(crate) fn load(text: &str, parameters: &Parameters) -> Result<Self, LoadError> {
        let data: TableData = serde_json::from_str(text)?;
        let loader = Loader { data: &data.clocks, parameters };
        let clocks = data.clocks.iter().map(|clock| loader.clock(clock)).collect::<Result<Vec<_>, _>>()?;
        let mut by_kind = Vec::new();
        by_kind.resize_with(KINDS.len(), KindEntries::default);
        for (place, clock) in clocks.iter().enumerate().filter(|(_, clock)| clock.usage != Use::Reference) {
            let mut add = |kind: Kind, list: fn(&mut KindEntries) -> &mut Vec<(usize, usize)>, at| {
                if let Some(entries) = by_kind.get_mut(kind.0) {
                    list(entries).push((place, at));
                }
            };
            for (at, start) in clock.starts.iter().enumerate() {
                add(start.entry.kind, |entries| &mut entries.starts, at);
            }
            for (at, end) in clock.ends.iter().enumerate() {
                add(end.entry.kind, |entries| &mut entries.ends, at);
            }
            for (at, void) in clock.voids.iter().enumerate() {
                add(void.kind, |entries| &mut entries.voids, at);
            }
            for (at, suspends) in clock.suspends.iter().enumerate() {
                add(suspends.entry.kind, |entries| &mut entries.suspends, at);
            }
        }
        let places = |of: fn(&Clock) -> bool| {
            let marked = clocks.iter().enumerate().filter(move |(_, clock)| of(clock));
            marked.map(|(place, _)| place).collect()
        };
        let (backward, deemed) = (places(|clock| clock.term.backward), places(|clock| clock.deemed.is_some()));
        let mut table = Self { clocks, by_kind, backward, deemed };
        table.overriding_first();
        Ok(table)
    }

    /// Puts clocks that override others before them, and keeps the order of the data otherwise.
    fn overriding_first(&mut self) {
        for entries in &mut self.by_kind {
            let (plain, overridden): (Vec<_>, Vec<_>) = entries
                .starts
                .iter()
                .partition(|(place, _)| self.clocks.get(*place).is_some_and(|clock| clock.overridden_by.is_empty()));
            entries.starts = plain.into_iter().chain(overridden).collect();
        }
    }
}

struct Loader<'a> {
    data: &'a [ClockData],
    parameters: &'a Parameters,
}

impl Loader<'_> {
    fn clock(&self, data: &ClockData) -> Result<Clock, LoadError> {
        let overriding = self.data.iter().filter(|other| other.overrides.contains(&data.id)).map(|other| &other.id);
        let overridden_by: BTreeSet<&String> = data.overridden_by.iter().chain(overriding).collect();
        let editions = self.data.iter().enumerate().filter(|(_, other)| other.id == data.id || data.precludes(other));
        Ok(Clock {
            id: data.id.clone(),
            row: data.row.clone(),
            zh: data.zh.clone(),
            en: data.en.clone(),
            kind: data.kind,
            usage: data.usage,
            term: self.term(data)?,
            source: data.source.clone(),
            article: data.article.clone(),
            tag: data.tag.clone(),
            enabled: self.parameters.enables(data.enabled_by_default, &data.tag, &data.id),
            valid: (data.valid_from, data.valid_to),
            blocks_close: data.blocks_close,
            prose: data.prose.clone(),
            finding: data.finding.clone(),
            severity: data.severity,
            late_agreement: data.late_agreement.clone(),
            finds_on_act: matches!(data.finds_on, FindsOn::Act),
            survives_close: data.survives_close,
            reminds_until_ended: data.reminds_until_ended && !self.parameters.judged_at_once.contains(data.id.as_str()),
            is_minimum: data.minimum,
            matching: data.matching,
            obliged: obliged(&data.obliged)?,
            starts: data.start.iter().map(|start| self.start(start)).collect::<Result<_, _>>()?,
            ends: data.end.iter().map(|end| self.end(end)).collect::<Result<_, _>>()?,
            voids: data.void_by.iter().map(|entry| Ok(self.entry(entry)?.0)).collect::<Result<_, LoadError>>()?,
            suspends: self.suspends(data)?,
            suspension_grounds: data.suspension.as_ref().map(|suspension| suspension.ground_codes.clone()),
            retro: data.retro.as_ref().map(retro).transpose()?,
            overridden_by: self.places(overridden_by)?,
            own_delay_of: self.places(&data.own_delay_of)?,
            editions: editions.map(|(place, _)| place).collect(),
            limit_field: data.limit_field.as_deref().map(|field| limit_field(data, field)).transpose()?,
            deemed: data.deemed_start.as_ref().map(|deemed| self.deemed(deemed)).transpose()?,
        })
    }

    fn term(&self, data: &ClockData) -> Result<Term, LoadError> {
        let unit = self.parameters.units.get(data.id.as_str()).copied();
        if let Some(unit) = unit
            && !data.unit_parameter.contains(&unit)
        {
            return Err(LoadError::NoParameter(data.id.clone()));
        }
        Ok(Term {
            amount: data.amount,
            unit: unit.unwrap_or(data.unit),
            rolls: self.parameters.rolls(data),
            backward: data.backward,
            extension: data.extension.as_ref().map(|extension| Extension {
                amount_max: extension.max_amount,
                unit: extension.unit,
                approver: extension.approver,
                party_told: extension.needs_party_told,
                further: extension
                    .further
                    .as_ref()
                    .map(|further| Further { amount_max: further.max_amount, approver: further.approver }),
            }),
        })
    }

    fn entry(&self, data: &EntryData) -> Result<(Entry, &'static MessageInfo), LoadError> {
        let kind = kind_named(&data.event)?;
        let row = catalogue::event(&data.event).ok_or_else(|| LoadError::NoEvent(data.event.clone()))?;
        let info = row.kind.info;
        let names = Names { clock: &|id| self.place(id), period: &|_| None };
        let when = data.when.as_ref().map(|when| when.compile(info, &names)).transpose()?;
        Ok((Entry { kind, when }, info))
    }

    fn start(&self, data: &EntryData) -> Result<Start, LoadError> {
        let (entry, info) = self.entry(data)?;
        let from_field = data.from_field.as_deref().map(|field| path(info, field)).transpose()?;
        Ok(Start { entry, from_field, from_clock: self.places(&data.from_clock)?, restart: data.restart })
    }

    fn end(&self, data: &EntryData) -> Result<End, LoadError> {
        let (entry, info) = self.entry(data)?;
        let from_field = data.from_field.as_deref().map(|field| path(info, field)).transpose()?;
        Ok(End { entry, from_field, own: data.own })
    }

    /// The acts that suspend by their nature. `ClockSuspended` and `ClockResumed` say themselves which clock they mean.
    fn suspends(&self, data: &ClockData) -> Result<Vec<Suspends>, LoadError> {
        let Some(suspension) = &data.suspension else { return Ok(Vec::new()) };
        let named = |entry: &&EntryData| entry.event != "ClockSuspended";
        let by = suspension.by.iter().filter(named).map(|data| {
            let (entry, info) = self.entry(data)?;
            let days = match (&data.from_field, &data.to_field) {
                (Some(from), Some(to)) => Some((path(info, from)?, path(info, to)?)),
                (_, None) => None,
                (None, Some(to)) => return Err(LoadError::NoPath { event: info.name, path: to.clone() }),
            };
            Ok(Suspends { entry, days })
        });
        match suspension.until.iter().find(|entry| entry.event != "ClockResumed") {
            Some(other) => Err(LoadError::NoEvent(other.event.clone())),
            None => by.collect(),
        }
    }

    fn deemed(&self, data: &DeemedData) -> Result<Deemed, LoadError> {
        Ok(Deemed { lapse_of: self.places(&data.lapse_of)?, plus_days: data.plus_days })
    }

    fn place(&self, id: &str) -> Result<usize, LoadError> {
        let place = self.data.iter().position(|clock| clock.id == id);
        place.ok_or_else(|| LoadError::NoClock(id.to_owned()))
    }

    fn places<'s>(&self, ids: impl IntoIterator<Item = &'s String>) -> Result<Vec<usize>, LoadError> {
        ids.into_iter().map(|id| self.place(id)).collect()
    }
}

fn retro(data: &RetroData) -> Result<Retro, LoadError> {
    let row = catalogue::event(&data.event).ok_or_else(|| LoadError::NoEvent(data.event.clone()))?;
    Ok(Retro { kind: kind_named(&data.event)?, from_field: path(row.kind.info, &data.from_field)? })
}

/// The field that holds the limit; the starting acts of such a clock are of one kind.
fn limit_field(data: &ClockData, field: &str) -> Result<Path, LoadError> {
    let event = data.start.first().map(|start| start.event.clone()).unwrap_or_default();
    let row = catalogue::event(&event).ok_or_else(|| LoadError::NoEvent(event.clone()))?;
    path(row.kind.info, field)
}

fn obliged(text: &str) -> Result<Obliged, LoadError> {
    Ok(match text {
        "start.agency" => Obliged::Recorder,
        "start.target_or_agency" => Obliged::TargetOrRecorder,
        "start.agency_or_center" => Obliged::RecorderOrCenter,
        "proposal.agency" => Obliged::Proposer,
        "party" => Obliged::Party,
        other => match (other.strip_prefix("start."), other.strip_prefix("each:")) {
            (Some(field), _) => Obliged::Field(field.to_owned()),
            (None, Some(field)) => Obliged::Each(field.to_owned()),
            (None, None) => return Err(LoadError::NoObliged(other.to_owned())),
        },
    })
}

#[derive(Debug, Deserialize)]
struct TableData {
    clocks: Vec<ClockData>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockData {
    id: String,
    row: String,
    zh: String,
    en: String,
    kind: ClockKind,
    #[serde(rename = "use")]
    usage: Use,
    amount: Option<u32>,
    unit: Unit,
    roll: Roll,
    start: Vec<EntryData>,
    end: Vec<EntryData>,
    void_by: Vec<EntryData>,
    #[serde(rename = "match")]
    matching: Matching,
    obliged: String,
    extension: Option<ExtensionData>,
    suspension: Option<SuspensionData>,
    overrides: Vec<String>,
    overridden_by: Vec<String>,
    finding: Option<String>,
    severity: Option<Severity>,
    source: String,
    article: String,
    tag: String,
    enabled_by_default: bool,
    valid_from: Option<Day>,
    valid_to: Option<Day>,
    prose: String,
    #[serde(default)]
    own_delay_of: Vec<String>,
    #[serde(default)]
    blocks_close: bool,
    #[serde(default)]
    survives_close: bool,
    #[serde(default)]
    reminds_until_ended: bool,
    #[serde(default)]
    minimum: bool,
    late_agreement: Option<String>,
    retro: Option<RetroData>,
    #[serde(default)]
    finds_on: FindsOn,
    #[serde(default)]
    backward: bool,
    #[serde(default)]
    unit_parameter: Vec<Unit>,
    limit_field: Option<String>,
    deemed_start: Option<DeemedData>,
    // Said to the reader of the table; nothing is computed from it.
    #[serde(rename = "note_later")]
    _note_later: Option<String>,
    #[serde(rename = "on_expiry")]
    _on_expiry: Option<String>,
    #[serde(rename = "valid_from_basis")]
    _valid_from_basis: Option<String>,
}

impl ClockData {
    /// Whether another clock is an edition of the same row that never holds on the same day.
    fn precludes(&self, other: &Self) -> bool {
        let ends_before = |first: &Self, second: &Self| {
            first.valid_to.zip(second.valid_from).is_some_and(|(last, first)| last < first)
        };
        self.row == other.row && (ends_before(self, other) || ends_before(other, self))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryData {
    event: String,
    when: Option<ConditionData>,
    from_field: Option<String>,
    to_field: Option<String>,
    #[serde(default)]
    from_clock: Vec<String>,
    #[serde(default)]
    restart: bool,
    #[serde(default)]
    own: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetroData {
    event: String,
    from_field: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeemedData {
    lapse_of: Vec<String>,
    plus_days: i64,
}

#[derive(Debug, Deserialize)]
struct SuspensionData {
    by: Vec<EntryData>,
    until: Vec<EntryData>,
    ground_codes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct ExtensionData {
    max_amount: Option<u32>,
    unit: Unit,
    approver: Approver,
    needs_party_told: bool,
    further: Option<FurtherData>,
}

#[derive(Debug, Deserialize)]
struct FurtherData {
    approver: Approver,
    max_amount: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
enum Roll {
    #[serde(rename = "Y")]
    Yes,
    #[default]
    #[serde(rename = "N")]
    No,
    #[serde(rename = "-")]
    Nothing,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FindsOn {
    #[default]
    Expiry,
    Act,
}

/// Why a table of clocks cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the clocks are not of the format: {0}")]
    Format(#[from] serde_json::Error),
    #[error("`{0}` is no event of the catalogue")]
    NoEvent(String),
    #[error("there is no clock `{0}`")]
    NoClock(String),
    #[error("`{path}` leads nowhere from `{event}`")]
    NoPath { event: &'static str, path: String },
    #[error("there is no period `{0}`")]
    NoPeriod(String),
    #[error("`{0}` is nothing that a field can equal")]
    NoLiteral(String),
    #[error("`{0}` names nobody who could be obliged")]
    NoObliged(String),
    #[error("the unit of `{0}` is no parameter, or not this unit")]
    NoParameter(String),
}
