//! An entry as a CloudEvent.

use mediation_domain::calendar::format_instant;
use mediation_ledger::{chain::ChainId, entry::Entry, statement::Statement};
use mediation_proto::mediation::ledger::v1::FollowedAct;
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
    /// The event of an act; none where its entry is not what an entry is.
    #[must_use]
    pub fn of(origin: &str, act: &FollowedAct) -> Option<Self> {
        let entry = Entry::parse(&act.entry).ok()?;
        let statement = Statement::parse(&entry.statement).ok()?;
        let (index, recorded_s) = (act.leaf_index, entry.recorded_at.div_euclid(1_000));
        let (chain, event_id) = (statement.chain, statement.event_id.to_string());
        let event = json!({
            "specversion": "1.0", "id": index.to_string(), "source": format!("//{origin}"),
            "type": "mediation.act.recorded.v1", "subject": chain.to_string(), "time": format_instant(recorded_s),
            "datacontenttype": "application/json", "partitionkey": chain.to_string(),
            "data": {
                "chain_id": chain.to_string(), "event_id": event_id, "revision": statement.revision.0,
                "agency": statement.agency, "occurred_at": format_instant(statement.occurred_at),
                "leaf_index": index, "leaf_hash": hex::encode(&act.leaf_hash),
            },
        });
        Some(Self { index, chain, json: event.to_string() })
    }
}
