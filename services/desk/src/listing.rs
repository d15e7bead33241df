//! A chain as lists tell it: nothing but what its reader is shown of it.
//!
//! ```text
//! index ─ candidates ─ each: every act of the chain ─ Viewed by the reader ─ Listed: his part of acts and judgement
//!                                                                          └ asked again whether it meets the conditions
//! ```
//!
//! The index says where to look, and nothing that is told: what a reader may not know must not show in what a list holds, nor in
//! which conditions find it.

use mediation_domain::{
    calendar::Day,
    catalogue,
    history::Recorded,
    judge::{Judgement, Moment, judge},
    rules::RuleSet,
    visibility::{Grade, Sight, told},
};
use mediation_ledger::{
    chain::ChainId,
    ledger::{Fold, rule_set_of},
    log::Log,
    vault::Vault,
};
use mediation_projections::{model, texts::Words};
use mediation_proto::{
    fields::Value,
    mediation::{
        ledger::v1::{ChainSummary, Reason},
        types::v1::{DisputeType, Part},
    },
};

use crate::{
    accesses::Seen,
    disclosure::sent_grade,
    node::Node,
    reading::Reads,
    status::Refused,
    texts::{hits, holding},
};

/// A chain by one reader.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) chain: ChainId,
    pub(crate) summary: ChainSummary,
    /// What of the judgement he is told, as of the end of today.
    pub(crate) judged: Judgement,
    /// Agencies of the acts that he may know of, by revision.
    pub(crate) agencies: Vec<(u64, String)>,
    /// What the record of the reading says.
    pub(crate) seen: Vec<Seen>,
}

impl<L: Log, V: Vault> Node<L, V> {
    /// The index of the chains.
    ///
    /// # Errors
    /// This process keeps none.
    pub(crate) fn index(&self) -> Result<&model::Reader, Refused> {
        self.scope().index.as_ref().ok_or_else(|| Refused::new(Reason::IndexNotReady))
    }

    /// A chain as a list tells it to a reader; none when he may not know of it.
    ///
    /// Where words are looked for, it tells where he is shown them.
    ///
    /// # Errors
    /// The chain cannot be read.
    pub(crate) async fn listed(
        &self,
        reads: &Reads,
        chain: ChainId,
        words: Option<&Words>,
    ) -> Result<Option<Listed>, Refused> {
        // Who was told nothing of it is told so again without another look, which would show in time.
        if self.is_denied(reads, chain).await? {
            return Ok(None);
        }
        let mut fold = Fold::new(chain);
        let entries = self.ledger().catch_up(&mut fold).await?;
        if fold.is_blind() {
            return Ok(None);
        }
        let registry = self.ledger().registry();
        let name = rule_set_of(&entries).unwrap_or_else(|| self.ledger().rule_set()).to_owned();
        let Ok(rules) = RuleSet::for_chain(&name) else { return Ok(None) };
        let holding = words.map(|words| (words, holding(&entries, words)));
        let history: Vec<Recorded> = entries.into_iter().filter_map(|entry| entry.outcome.ok()).collect();
        let today = self.today();
        self.look(&history, &registry, &reads.reader(), |sight| {
            if !sight.is_known() {
                self.deny(reads, (&fold, &registry));
                return Ok(None);
            }
            let judged = judge(&history, registry.directory(), rules, Moment::end_of(today));
            let mut listed = listed(chain, &history, told(judged, sight), sight, today);
            if let Some((words, holding)) = &holding {
                let (hits, seen) = hits(sight, holding, words);
                listed.summary.hits = hits;
                listed.seen.extend(seen);
            }
            Ok(Some(listed))
        })
    }

    /// The day by the ledger's clock.
    pub(crate) fn today(&self) -> Day {
        Day::of(self.ledger().clock().now_ms().div_euclid(1_000))
    }
}

fn listed(chain: ChainId, history: &[Recorded], judged: Judgement, sight: &Sight<'_, '_>, today: Day) -> Listed {
    let known: Vec<&Recorded> = history.iter().filter(|act| sight.grade(act.revision) >= Grade::Existence).collect();
    let read = known.iter().filter(|act| sight.grade(act.revision) >= Grade::Redacted);
    let day = |act: Option<&&Recorded>| act.map(|act| Day::of(act.occurred_at).to_string()).unwrap_or_default();
    let opening = known.first().and_then(|act| sight.existence(act.revision));
    let open = || {
        let clocks = judged.clocks.iter().filter(|run| run.state.code() == "OPEN").filter_map(|run| run.due);
        let handoffs = judged.handoffs.iter().filter(|handoff| handoff.answer.code() == "OPEN");
        clocks.map(|due| due.day()).chain(handoffs.filter_map(|handoff| handoff.due))
    };
    let mut findings: Vec<String> = judged.findings.iter().map(|finding| finding.code.clone()).collect();
    findings.sort_unstable();
    findings.dedup();
    let summary = ChainSummary {
        chain_id: chain.to_string(),
        chain_no: read.clone().find_map(|act| act.act.header.as_ref()?.chain_no.clone()),
        dispute_type: read.clone().find_map(|act| dispute_type(act)).map(Into::into),
        opening_event: opening.map(|(event, _)| event.to_owned()).unwrap_or_default(),
        opened_on: day(known.first()),
        last_act_on: day(known.last()),
        acts: known.len() as u64,
        lead: judged.leads.iter().rfind(|lead| lead.to.is_none()).map(|lead| lead.agency.clone()),
        outcome: judged.outcome.map(str::to_owned),
        next_due: open().min().map(|due| due.to_string()),
        days_overdue: open().map(|due| today.days_after(due)).max().unwrap_or_default(),
        findings,
        hits: Vec::new(),
    };
    let agencies = known.iter().map(|act| (act.revision, act.agency.clone())).collect();
    Listed { chain, summary, judged, agencies, seen: seen(&known, history.len(), sight) }
}

fn dispute_type(act: &Recorded) -> Option<DisputeType> {
    let (kind, fields) = act.act.event()?;
    let field = catalogue::row(kind).named("dispute_type")?;
    let Value::Enum(number) = fields.value(field.number, 0)? else { return None };
    DisputeType::try_from(number).ok()
}

/// Of a chain that is listed, facts are seen: one row for each grade.
fn seen(known: &[&Recorded], all: usize, sight: &Sight<'_, '_>) -> Vec<Seen> {
    let mut rows: Vec<Seen> = Vec::new();
    for act in known {
        let Some(decision) = sight.decide(act.revision) else { continue };
        let (grade, rule) = (sent_grade(decision.grade), decision.rule.to_string());
        let at = rows.iter().position(|row| row.grade == grade).unwrap_or_else(|| {
            rows.push(Seen { grade, parts: vec![Part::Act], acts: Vec::new(), rules: Vec::new(), disclosure: None });
            rows.len() - 1
        });
        let Some(row) = rows.get_mut(at) else { continue };
        row.acts.push(act.event_id);
        if !row.rules.contains(&rule) {
            row.rules.push(rule);
        }
    }
    for row in &mut rows {
        row.rules.sort_unstable();
        if row.acts.len() == all {
            row.acts.clear();
        }
    }
    rows
}
