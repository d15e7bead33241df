//! `mediation chain`.

use anyhow::Result;
use clap::Args;
use mediation_client::{Replay, VerifiedChain};
use mediation_domain::{calendar::format_instant, wording};
use mediation_ledger::{chain::Revision, registry::Registry};
use mediation_proto::{derived::TYPES_VISIBILITY_GRADE, mediation::ledger::v1::ClosedPart};
use serde_json::{Value, json};

use crate::{
    access::{Access, ReadingArguments, chain_id},
    output::{self, line},
    report, view,
};

/// `mediation chain`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 链编号（UUID），或 registry、registry:机构 · Chain id (UUID), or registry, or registry:AGENCY
    #[arg(value_name = "CHAIN")]
    chain: String,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    reading: ReadingArguments,
    /// 截至某日终了 · Judged as of the end of this day
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<String>,
    /// 回放：此时点已登记者 · Replay: as it was known at this instant
    #[arg(long, value_name = "YYYY-MM-DDTHH:MM:SS+08:00")]
    known_at: Option<String>,
    /// 回放：至此版本 · Replay: as it was known when the entry of this revision was recorded
    #[arg(long, value_name = "REVISION")]
    through: Option<u64>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows a chain.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let (client, registry) = arguments.access.connect_reading(&arguments.reading).await?;
    let id = chain_id(&arguments.chain, &client);
    let Arguments { as_of, known_at, through, .. } = arguments;
    let replay = Replay { as_of, known_at, through_revision: through };
    let chain = client.replayed_chain(&id, replay, &registry).await?;
    if arguments.json {
        output::json(&to_json(&id, &chain, &registry))?;
    } else {
        line(format!("链 {id}"));
        view::print(&chain, &registry);
        if chain.left_out > 0 {
            line(format!(
                "  此时点之后登记的 {} 项未列 · {} entries that were recorded later are left out",
                chain.left_out, chain.left_out
            ));
        }
        line(format!(
            "  检查点：大小 {}，根 {}（全部条目已逐条核验包含证明、链接与签名）",
            chain.checkpoint.size, chain.checkpoint.root
        ));
    }
    Ok(chain.entries.iter().all(|(_, entry)| entry.outcome.is_ok()))
}

fn to_json(id: &str, chain: &VerifiedChain, registry: &Registry) -> Value {
    let entries: Vec<Value> = chain
        .entries
        .iter()
        .map(|(index, entry)| {
            let statement = entry.statement.as_ref();
            let recorded = entry.outcome.as_ref().ok();
            let event = recorded.and_then(|recorded| recorded.act.event());
            json!({
                "revision": entry.revision.0,
                "leaf_index": index.0,
                "leaf_hash": entry.leaf.to_string(),
                "agency": statement.map(|statement| statement.agency.as_str()),
                "event_id": statement.map(|statement| statement.event_id.to_string()),
                "occurred_at": statement.map(|statement| statement.occurred_at),
                "recorded_at_ms": entry.recorded_at,
                "event": event.map(|(kind, _)| kind.event),
                "data": event.map(|(_, fields)| mediation_proto::json::to_json(fields)),
                "header": recorded.and_then(|recorded| recorded.act.header.as_ref()).map(|header| mediation_proto::json::to_json(header)),
                "grade": grade_of(chain, entry.revision),
                "rule": chain.told.get(&entry.revision).map(|told| told.rule.as_str()),
                "existence": chain.told.get(&entry.revision).and_then(|told| told.existence.as_ref())
                    .map(|existence| json!({"event": existence.event, "outcome": existence.outcome})),
                "identities_masked": chain.told.get(&entry.revision)
                    .map(|told| told.masked.iter().map(|masked| mediation_proto::json::to_json(masked)).collect::<Vec<_>>()),
                "parts_withheld": entry.withheld.len(),
                "parts_closed": chain.told.get(&entry.revision).map(|told| told.closed.iter().map(closed).collect::<Vec<_>>()),
                "later": chain.is_later(entry),
                "fault": entry.outcome.as_ref().err().map(ToString::to_string),
                "key_revoked_later_from": entry.late_revocation(registry).map(|late| format_instant(late.invalid_from)),
            })
        })
        .collect();
    let hidden: Vec<Value> = chain
        .hidden
        .iter()
        .map(|hidden| {
            json!({
                "revision": hidden.revision.0, "leaf_index": hidden.index.0, "leaf_hash": hidden.leaf.to_string(),
                "fault": hidden.fault,
            })
        })
        .collect();
    json!({"chain": id, "checkpoint": chain.note, "entries": entries, "hidden": hidden, "left_out": chain.left_out, "judgement": report::judgement(&chain.judgement, &|revision| json!(revision))})
}

fn closed(part: &ClosedPart) -> Value {
    json!({
        "kind": part.kind().as_str_name(), "number": part.number, "order": part.order, "order_no": part.order_no,
        "erased": part.erased, "said": wording::closing(part),
    })
}

/// Letter of the grade in which the reader sees an act.
fn grade_of(chain: &VerifiedChain, revision: Revision) -> Option<&'static str> {
    TYPES_VISIBILITY_GRADE.code(chain.told.get(&revision)?.grade?.into())
}
