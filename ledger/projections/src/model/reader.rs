//! Questions to the read model.

use std::{collections::BTreeSet, sync::Arc};

use mediation_domain::calendar::Day;
use mediation_ledger::chain::ChainId;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use tokio::task::spawn_blocking;

use super::{
    Error,
    file::Place,
    store::{Identity, meta},
};

/// Rows of an answer at most, so that an answer has a bound.
pub const ROWS_MAX: u32 = 1_000;

/// Answers questions from the model as it stands, each from one connection of its own.
///
/// It decides nothing about who may see what. `ties` and the rest of a filter only make lists short: of every row that is
/// told to anybody, the caller MUST have asked the one place that decides (`Node::look`) whether he may know of its chain,
/// and how much of it.
#[derive(Debug, Clone)]
pub struct Reader {
    place: Place,
    identity: Identity,
}

/// Which chains are wanted: those that meet every condition that is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Beginning of the dispute number (纠纷链号).
    pub number_prefix: Option<String>,
    /// Agency that recorded on the chain or that its facts name.
    pub agency: Option<String>,
    /// Agency that reads: chains with which it has nothing to do are left out; none for one that may know of every chain.
    pub reader: Option<String>,
    /// Code of the type of dispute.
    pub dispute_type: Option<String>,
    /// First day of opening.
    pub opened_from: Option<Day>,
    /// Last day of opening.
    pub opened_to: Option<Day>,
    /// Day on which, or after which, one act at least was done.
    pub acted_from: Option<Day>,
    /// Day on which, or before which, one act at least was done.
    pub acted_to: Option<Day>,
    /// Code of the outcome.
    pub outcome: Option<String>,
    /// Only chains that are not closed.
    pub is_open: bool,
    /// Only chains with an open limit that has passed.
    pub is_overdue: bool,
    /// Code of a finding that stands on the chain, made good or not.
    pub finding: Option<String>,
    /// Ids of the only chains that are wanted; every chain without it.
    pub among: Option<Arc<BTreeSet<ChainId>>>,
}

/// Place in a list of chains, to go on behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageKey {
    /// Business time of the first act, in seconds since 1970-01-01T00:00:00Z.
    pub opened_at_s: i64,
    /// Chain id.
    pub chain_id: String,
}

/// A chain that agencies handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainRow {
    /// Chain id.
    pub chain_id: String,
    /// Dispute number (纠纷链号).
    pub dispute_no: Option<String>,
    /// Event that opened it.
    pub opening_event: Option<String>,
    /// Code of the type of dispute.
    pub dispute_type: Option<String>,
    /// Business time of the first act, in seconds since 1970-01-01T00:00:00Z.
    pub opened_at_s: i64,
    /// Business time of the last act, likewise.
    pub last_act_at_s: Option<i64>,
    /// Acts that count.
    pub acts: u64,
    /// Agency that leads now.
    pub lead_agency: Option<String>,
    /// Code of the outcome; none while it is open.
    pub outcome: Option<String>,
    /// Whether it is closed.
    pub is_closed: bool,
    /// Whether it carries an accusation (检举控告).
    pub is_restricted: bool,
    /// Earliest limit that is open, `YYYY-MM-DD`.
    pub next_due_on: Option<String>,
    /// Calendar days by which the open limit that is latest is overdue; 0 when none is.
    pub days_overdue_max: u64,
}

impl ChainRow {
    /// The place behind this chain in a list.
    #[must_use]
    pub fn key(&self) -> PageKey {
        PageKey { opened_at_s: self.opened_at_s, chain_id: self.chain_id.clone() }
    }
}

/// What kind of thing an agency has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// To answer a handoff.
    Handoff,
    /// To do what a clock runs for.
    Clock,
    /// To watch that an obligation that it recorded is performed.
    Obligation,
}

/// One thing that an agency has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocketRow {
    /// Chain id.
    pub chain_id: String,
    /// What kind.
    pub duty: Duty,
    /// Mode of the handoff, id of the clock, or id of the obligation.
    pub code: String,
    /// Revision of the act that brought it; none when no act did.
    pub revision: Option<u64>,
    /// Last day, `YYYY-MM-DD`; none while there is none.
    pub due_on: Option<String>,
    /// Calendar days late.
    pub days_late: u64,
}

/// A finding with its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingRow {
    /// Chain id.
    pub chain_id: String,
    /// Code, `F-OVERDUE`.
    pub code: String,
    /// Revision of the act at which it stands.
    pub revision: Option<u64>,
    /// Agency that is blamed.
    pub agency: Option<String>,
    /// Id of the clock that is concerned.
    pub clock: Option<String>,
    /// Calendar days late.
    pub days_late: Option<u64>,
    /// Letter of the severity.
    pub severity: String,
    /// OPEN, CURED or CLEARED.
    pub state: String,
    /// Legal source.
    pub article: String,
}

const CHAIN: &str = "SELECT chain_id, dispute_no, opening_event, dispute_type, coalesce(opened_at_s, 0), last_act_at_s,
        coalesce(acts, 0), lead_agency, outcome, coalesce(is_closed, 0), coalesce(is_restricted, 0), next_due_on,
        coalesce(days_overdue_max, 0) FROM chains";

const SEARCH: &str = " WHERE kind = 'MATTER' AND opened_at_s IS NOT NULL
    AND (:type IS NULL OR dispute_type = :type)
    AND (:from IS NULL OR opened_at_s >= :from) AND (:to IS NULL OR opened_at_s <= :to)
    AND (:acted_from IS NULL OR last_act_at_s >= :acted_from)
    AND (:acted_to IS NULL OR EXISTS
         (SELECT 1 FROM entries WHERE entries.chain_id = chains.chain_id AND occurred_at_s <= :acted_to))
    AND (:outcome IS NULL OR outcome = :outcome)
    AND (NOT :open OR is_closed = 0) AND (NOT :overdue OR days_overdue_max > 0)
    AND (:after_s IS NULL OR opened_at_s < :after_s OR (opened_at_s = :after_s AND chain_id > :after_id))";

/// The order of a list, and its length.
const LISTED: &str = " ORDER BY opened_at_s DESC, chain_id LIMIT :limit";

/// The question for the chains of a filter. What an index finds the chains of is said only where it is given: of an agency that has to
/// do with few of many chains the list would else be looked for among all of them.
fn question(filter: &Filter) -> String {
    let by_index = [
        (":number", filter.number_prefix.is_some(), "dispute_no >= :number AND dispute_no < :number || char(0x10ffff)"),
        (":agency", filter.agency.is_some(), "chain_id IN (SELECT chain_id FROM ties WHERE agency = :agency)"),
        (":reader", filter.reader.is_some(), "chain_id IN (SELECT chain_id FROM ties WHERE agency = :reader)"),
        (":finding", filter.finding.is_some(), "chain_id IN (SELECT chain_id FROM findings WHERE code = :finding)"),
        (":among", filter.among.is_some(), "chain_id IN (SELECT value FROM json_each(:among))"),
    ];
    let mut question = format!("{CHAIN}{SEARCH}");
    for (name, is_given, condition) in by_index {
        // Every name is bound, and must be used.
        question.push_str(&if is_given { format!(" AND {condition}") } else { format!(" AND {name} IS NULL") });
    }
    question.push_str(LISTED);
    question
}

impl Reader {
    pub(super) fn new(place: Place, identity: Identity) -> Self {
        Self { place, identity }
    }

    /// Day that the model is judged as of, `YYYY-MM-DD`; none while it is being judged for the first time.
    ///
    /// # Errors
    /// There is no model yet, or it cannot be read. So it is with every question.
    pub async fn judged_as_of(&self) -> Result<Option<String>, Error> {
        self.ask(|connection| meta(connection, "judged_as_of")).await
    }

    /// Leaves that the model has taken in, of a log whose cursors are leaves.
    ///
    /// # Errors
    /// As [`judged_as_of`](Self::judged_as_of).
    pub async fn leaves(&self) -> Result<u64, Error> {
        let cursor = self.ask(|connection| meta(connection, "cursor")).await?;
        let last = cursor.as_deref().and_then(|cursor| cursor.split(' ').next()).and_then(|leaf| leaf.parse().ok());
        Ok(last.map_or(0, |last: u64| last.saturating_add(1)))
    }

    /// Chains that meet a filter, the one opened last first, those of one instant by id; behind a place in that order.
    ///
    /// # Errors
    /// As [`judged_as_of`](Self::judged_as_of).
    pub async fn search(&self, filter: Filter, after: Option<PageKey>, limit: u32) -> Result<Vec<ChainRow>, Error> {
        self.ask(move |connection| {
            let mut statement = connection.prepare(&question(&filter))?;
            let found = statement.query_map(
                named_params! {
                    ":number": filter.number_prefix, ":agency": filter.agency, ":reader": filter.reader, ":type": filter.dispute_type,
                    ":from": filter.opened_from.map(Day::begin), ":to": filter.opened_to.map(Day::end),
                    ":acted_from": filter.acted_from.map(Day::begin), ":acted_to": filter.acted_to.map(Day::end),
                    ":outcome": filter.outcome, ":open": filter.is_open, ":overdue": filter.is_overdue,
                    ":finding": filter.finding, ":among": filter.among.as_deref().map(listed), ":after_s": after.as_ref().map(|key| key.opened_at_s),
                    ":after_id": after.as_ref().map(|key| key.chain_id.as_str()), ":limit": limit.min(ROWS_MAX),
                },
                chain_row,
            )?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The chain with this dispute number; of several the one opened first.
    ///
    /// # Errors
    /// As [`judged_as_of`](Self::judged_as_of).
    pub async fn chain_by_number(&self, dispute_no: String) -> Result<Option<ChainRow>, Error> {
        self.ask(move |connection| {
            let one = " WHERE dispute_no = ?1 AND kind = 'MATTER' ORDER BY opened_at_s, chain_id LIMIT 1";
            let mut statement = connection.prepare(&format!("{CHAIN}{one}"))?;
            Ok(statement.query_row(params![dispute_no], chain_row).optional()?)
        })
        .await
    }

    /// What an agency has to do by a day: what is due first comes first, and last what has no day. Without a day everything.
    ///
    /// # Errors
    /// As [`judged_as_of`](Self::judged_as_of).
    pub async fn docket(&self, agency: String, horizon: Option<Day>, limit: u32) -> Result<Vec<DocketRow>, Error> {
        self.ask(move |connection| {
            let mut statement = connection.prepare(
                "SELECT chain_id, what, code, revision, due_on, coalesce(days_late, 0) FROM docket
                  WHERE agency = ?1 AND (?2 IS NULL OR due_on <= ?2)
                  ORDER BY due_on IS NULL, due_on, chain_id, what, revision, code LIMIT ?3",
            )?;
            let horizon = horizon.map(|day| day.to_string());
            let found = statement.query_map(params![agency, horizon, limit.min(ROWS_MAX)], docket_row)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Findings of a code, against an agency, or both; by chain, in the order of the judge.
    ///
    /// # Errors
    /// As [`judged_as_of`](Self::judged_as_of).
    pub async fn findings(
        &self,
        code: Option<String>,
        agency: Option<String>,
        limit: u32,
    ) -> Result<Vec<FindingRow>, Error> {
        self.ask(move |connection| {
            let mut statement = connection.prepare(
                "SELECT chain_id, code, revision, agency, clock, days_late, severity, state, article FROM findings
                  WHERE (?1 IS NULL OR code = ?1) AND (?2 IS NULL OR agency = ?2) ORDER BY chain_id, no LIMIT ?3",
            )?;
            let found = statement.query_map(params![code, agency, limit.min(ROWS_MAX)], finding_row)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Asks the model on a thread that may wait for the disk, from one state of it.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (place, identity) = (self.place.clone(), self.identity.clone());
        spawn_blocking(move || {
            let Some((_guard, mut connection)) = place.read()? else { return Err(Error::NotReady) };
            let transaction = connection.transaction()?;
            if !identity.is_of(&transaction)? {
                return Err(Error::NotReady);
            }
            question(&transaction)
        })
        .await?
    }
}

/// Chain ids as JSON, which SQLite takes for a list. They are digits and hyphens.
fn listed(chains: &BTreeSet<ChainId>) -> String {
    let quoted: Vec<String> = chains.iter().map(|chain| format!("\"{chain}\"")).collect();
    format!("[{}]", quoted.join(","))
}

fn chain_row(row: &Row<'_>) -> rusqlite::Result<ChainRow> {
    Ok(ChainRow {
        chain_id: row.get(0)?,
        dispute_no: row.get(1)?,
        opening_event: row.get(2)?,
        dispute_type: row.get(3)?,
        opened_at_s: row.get(4)?,
        last_act_at_s: row.get(5)?,
        acts: count(row, 6)?.unwrap_or_default(),
        lead_agency: row.get(7)?,
        outcome: row.get(8)?,
        is_closed: row.get(9)?,
        is_restricted: row.get(10)?,
        next_due_on: row.get(11)?,
        days_overdue_max: count(row, 12)?.unwrap_or_default(),
    })
}

fn docket_row(row: &Row<'_>) -> rusqlite::Result<DocketRow> {
    let duty = match row.get::<_, String>(1)?.as_str() {
        "HANDOFF" => Duty::Handoff,
        "CLOCK" => Duty::Clock,
        _ => Duty::Obligation,
    };
    Ok(DocketRow {
        chain_id: row.get(0)?,
        duty,
        code: row.get(2)?,
        revision: count(row, 3)?,
        due_on: row.get(4)?,
        days_late: count(row, 5)?.unwrap_or_default(),
    })
}

fn finding_row(row: &Row<'_>) -> rusqlite::Result<FindingRow> {
    Ok(FindingRow {
        chain_id: row.get(0)?,
        code: row.get(1)?,
        revision: count(row, 2)?,
        agency: row.get(3)?,
        clock: row.get(4)?,
        days_late: count(row, 5)?,
        severity: row.get(6)?,
        state: row.get(7)?,
        article: row.get(8)?,
    })
}

/// A number that is never negative.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let number: Option<i64> = row.get(column)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()))
}
