//! The acts of a chain, as rows.

use std::collections::BTreeMap;

use mediation_client::{ToldAct, VerifiedChain};
use mediation_domain::{
    calendar::Day,
    catalogue,
    wording::{self, Names},
};
use mediation_ledger::{chain::Revision, ledger::CheckedEntry, merkle::LeafIndex, registry::Registry};
use mediation_proto::{
    derived::{TYPES_ROLE, TYPES_VISIBILITY_GRADE},
    fields::kind_of_event,
    mediation::types::v1::Identity,
};

use super::{is_witnessed, texts};
use crate::console::frame::{Text, Tongue};

/// A chain and those who acted on it.
#[derive(Debug, Clone, Copy)]
pub(in crate::console) struct Known<'c> {
    pub(in crate::console) registry: &'c Registry,
    pub(in crate::console) chain: &'c VerifiedChain,
}

/// One act.
#[derive(Debug, Clone, Default)]
pub(in crate::console) struct ActRow {
    pub(in crate::console) revision: u64,
    /// Number that people call it by: one more than the revision.
    pub(in crate::console) number: u64,
    pub(in crate::console) day: String,
    pub(in crate::console) occurred: String,
    pub(in crate::console) recorded: String,
    pub(in crate::console) agency: Text,
    pub(in crate::console) agency_id: String,
    pub(in crate::console) signer: Text,
    pub(in crate::console) role: String,
    pub(in crate::console) event: Text,
    pub(in crate::console) grade: String,
    pub(in crate::console) rule: String,
    pub(in crate::console) index: u64,
    pub(in crate::console) leaf: String,
    pub(in crate::console) fault: Option<Text>,
    pub(in crate::console) revoked: Option<String>,
    pub(in crate::console) facts: Vec<(String, Text)>,
    pub(in crate::console) masked: Vec<Vec<(String, Text)>>,
    pub(in crate::console) closed: Vec<Text>,
    /// Parts of which the commitment alone is shown.
    pub(in crate::console) withheld: usize,
    pub(in crate::console) cosigners: usize,
    pub(in crate::console) is_witnessed: bool,
    /// The reader may know nothing of it but its place.
    pub(in crate::console) is_hidden: bool,
    /// Its place in the messages: number of the family and of the act in it.
    pub(in crate::console) kind: Option<String>,
    /// Findings that name it.
    pub(in crate::console) findings: Vec<String>,
}

/// Rows of the acts up to the end of the day as of which the chain is judged, in the order of the chain.
pub(in crate::console) fn act_rows(known: &Known<'_>, witnessed: Option<u64>, t: Tongue) -> Vec<ActRow> {
    let shown = known.chain.entries.iter().filter(|(_, entry)| !known.chain.is_later(entry));
    let mut rows: BTreeMap<Revision, ActRow> =
        shown.map(|(index, entry)| (entry.revision, act_row(known, *index, entry, t))).collect();
    rows.extend(known.chain.hidden.iter().map(|hidden| {
        let row = ActRow {
            index: hidden.index.0,
            leaf: hidden.leaf.to_string(),
            fault: (!hidden.fault.is_empty()).then(|| Text::of(&hidden.fault)),
            event: Text::of(t.say("（不可见）", "(not shown)")),
            is_hidden: true,
            ..ActRow::default()
        };
        (hidden.revision, row)
    }));
    let findings = &known.chain.judgement.findings;
    let numbered = rows.into_iter().map(|(revision, row)| ActRow {
        revision: revision.0,
        number: revision.0 + 1,
        is_witnessed: is_witnessed(LeafIndex(row.index), witnessed),
        findings: findings
            .iter()
            .filter(|found| found.revision == Some(revision.0))
            .map(|found| found.code.clone())
            .collect(),
        ..row
    });
    numbered.collect()
}

fn act_row(known: &Known<'_>, index: LeafIndex, entry: &CheckedEntry, t: Tongue) -> ActRow {
    let told = known.chain.told.get(&entry.revision);
    let mut row = ActRow {
        index: index.0,
        leaf: entry.leaf.to_string(),
        recorded: wording::instant(entry.recorded_at.div_euclid(1_000)),
        withheld: entry.withheld.len(),
        cosigners: entry.extra_signatures.len(),
        event: Text::of(&event(entry, told, t)),
        fault: entry.outcome.as_ref().err().map(|fault| Text::of(&format!("{}: {fault}", fault.code()))),
        revoked: entry.late_revocation(known.registry).map(|late| wording::instant(late.invalid_from)),
        ..ActRow::default()
    };
    if let Some(statement) = &entry.statement {
        row.day = Day::of(statement.occurred_at).to_string();
        row.occurred = wording::instant(statement.occurred_at);
        row.agency_id.clone_from(&statement.agency);
        row.agency = Text::of(&known.name(&statement.agency));
    }
    if let Ok(recorded) = &entry.outcome {
        if let Some(header) = &recorded.act.header {
            row.signer = Text::of(header.signer());
            let role = header.signer_role.and_then(|role| catalogue::zh_of_number(&TYPES_ROLE, role));
            row.role = role.unwrap_or_default().to_owned();
        }
        if let Some((kind, fields)) = recorded.act.event() {
            row.kind = Some(format!("{}.{}", kind.family_number, kind.number));
            row.facts = texts(wording::facts(known, fields, &catalogue::row(kind).fields));
        }
    }
    if let Some(told) = told {
        let grade = told.grade.and_then(|grade| catalogue::zh_of_number(&TYPES_VISIBILITY_GRADE, grade.into()));
        row.grade = grade.unwrap_or_default().to_owned();
        row.rule.clone_from(&told.rule);
        row.masked = told.masked.iter().map(|identity| masked(known, identity)).collect();
        row.closed = told.closed.iter().map(|part| Text::of(&wording::closing(part))).collect();
    }
    row
}

fn masked(known: &Known<'_>, identity: &Identity) -> Vec<(String, Text)> {
    let record = catalogue::record(mediation_proto::fields::Fields::info(identity));
    record.map(|record| texts(wording::facts(known, identity, &record.fields))).unwrap_or_default()
}

fn event(entry: &CheckedEntry, told: Option<&ToldAct>, t: Tongue) -> String {
    let recorded = entry.outcome.as_ref().ok().and_then(|recorded| recorded.act.event());
    if let Some((kind, _)) = recorded {
        let row = catalogue::row(kind);
        return t.say(&row.zh, row.event).to_owned();
    }
    let Some(existence) = told.and_then(|told| told.existence.as_ref()) else {
        return t.say("（内容不可见）", "(content not shown)").to_owned();
    };
    let row = kind_of_event(&existence.event).map(catalogue::row);
    let event = row.map_or(existence.event.as_str(), |row| t.say(&row.zh, row.event));
    let outcome = if existence.outcome.is_empty() { String::new() } else { format!("（{}）", existence.outcome) };
    format!("{event}{outcome}")
}

impl Known<'_> {
    /// Public name of an agency, or its id.
    pub(in crate::console) fn name(&self, id: &str) -> String {
        self.agency(id).unwrap_or_else(|| id.to_owned())
    }

    /// An act by its revision, as people call it.
    pub(in crate::console) fn place(&self, revision: u64) -> String {
        let entry = self.chain.entries.iter().find(|(_, entry)| entry.revision.0 == revision);
        let recorded = entry.and_then(|(_, entry)| entry.outcome.as_ref().ok());
        let event = recorded.and_then(|recorded| recorded.act.event());
        let title = event.map(|(kind, _)| format!("「{}」", catalogue::row(kind).zh)).unwrap_or_default();
        format!("第 {} 项{title}", revision + 1)
    }
}

impl Names for Known<'_> {
    fn agency(&self, id: &str) -> Option<String> {
        self.registry.directory().agency(id).map(|agency| agency.name.clone())
    }

    fn act(&self, event_id: &str) -> Option<String> {
        let is_it = |(_, entry): &&(LeafIndex, CheckedEntry)| {
            entry.statement.as_ref().is_some_and(|statement| statement.event_id.to_string() == event_id)
        };
        self.chain.entries.iter().find(is_it).map(|(_, entry)| self.place(entry.revision.0))
    }
}
