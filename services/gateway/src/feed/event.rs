//! An entry as a CloudEvent.

use bytes::Bytes;
use mediation_domain::calendar::{Day, format_instant};
use mediation_ledger::{chain::ChainId, entry::Entry, merkle::Hash, statement::Statement};
use serde_json::json;

/// What is told of one act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Leaf index, which is the event's id.
    pub index: u64,
    /// Chain that the act stands on.
    pub chain: ChainId,
    /// CloudEvent in structured JSON, on one line.
    pub json: String,
}

impl Event {
    /// The event of a leaf; none of foreign bytes, and of the ledger's own books: registries, and records of readings, which
    /// would tell of every look at a chain as if something had happened on it.
    #[must_use]
    pub fn of(origin: &str, index: u64, leaf: Hash, entry: &Bytes) -> Option<Self> {
        let entry = Entry::parse(entry).ok()?;
        let statement = Statement::parse(&entry.statement).ok()?;
        let recorded_s = entry.recorded_at.div_euclid(1_000);
        if is_book(origin, &statement, recorded_s) {
            return None;
        }
        let (chain, event_id) = (statement.chain, statement.event_id.to_string());
        let event = json!({
            "specversion": "1.0", "id": index.to_string(), "source": format!("//{origin}"),
            "type": "mediation.act.recorded.v1", "subject": chain.to_string(), "time": format_instant(recorded_s),
            "datacontenttype": "application/json", "partitionkey": chain.to_string(),
            "data": {
                "chain_id": chain.to_string(), "event_id": event_id, "revision": statement.revision.0,
                "agency": statement.agency, "occurred_at": format_instant(statement.occurred_at),
                "leaf_index": index, "leaf_hash": leaf.to_string(),
            },
        });
        Some(Self { index, chain, json: event.to_string() })
    }
}

fn is_book(origin: &str, statement: &Statement, recorded_s: i64) -> bool {
    let agency = &statement.agency;
    let access = |moment| ChainId::accesses(origin, agency, &Day::of(moment).month());
    [
        ChainId::registry(origin),
        ChainId::agency_registry(origin, agency),
        access(recorded_s),
        access(statement.occurred_at),
    ]
    .contains(&statement.chain)
}
