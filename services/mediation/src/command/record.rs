//! `mediation record`.

use std::{fs, io::Read as _, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use mediation_proto::{ActRequest, fields::kind_of_event, json::act_from_json};
use serde_json::{Map, Value, json};

use crate::{
    access::{Access, chain_id},
    output::{self, line},
    signing::Signing,
    submitted,
};

/// `mediation record`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    /// 行为名称，如 DisputeRegistered · Name of the act, such as DisputeRegistered
    #[arg(long, value_name = "EVENT")]
    event: String,
    /// 链编号，或 registry、registry:机构；缺省则新立一链 · Chain id, registry or registry:AGENCY; a new chain without it
    #[arg(long, value_name = "CHAIN")]
    chain: Option<String>,
    /// 行为编号（UUIDv7）；重试须用同一编号 · Event id (UUIDv7); keep it for a retry
    #[arg(long, value_name = "UUID")]
    event_id: Option<String>,
    /// 期望版本 · Revision that the act shall take
    #[arg(long, value_name = "N")]
    expected_revision: Option<u64>,
    /// 签署角色代码 · Code of the signer's role
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// 签署人编号，如 ZC-ZS/REG-1 · signer_ref, such as ZC-ZS/REG-1
    #[arg(long, value_name = "SIGNER")]
    signer: String,
    /// 业务时间（自 1970 年起的秒数），缺省为现在 · Business time in seconds since 1970; now without it
    #[arg(long, value_name = "SECONDS")]
    occurred_at: Option<i64>,
    /// 所答复行为的编号 · Event ids of the acts that this one answers
    #[arg(long, value_name = "UUID")]
    cause: Vec<String>,
    /// 行为字段（JSON 对象）、@文件，或 - 取标准输入 · Fields as a JSON object, @FILE, or - for standard input
    #[arg(long, value_name = "JSON")]
    data: String,
    #[command(flatten)]
    signing: Signing,
    /// 把行为编号追加到此文件，供 mediation monitor 比对 · Append the event id to this file, which `mediation monitor` compares
    #[arg(long, value_name = "FILE")]
    submitted: Option<PathBuf>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Records one act.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let Some(agency) = arguments.access.agency.clone() else { bail!("name the recording agency with --agency") };
    let kind = kind_of_event(&arguments.event).with_context(|| format!("there is no act `{}`", arguments.event))?;
    let mut header = Map::new();
    header.insert("signer".to_owned(), json!(arguments.signer));
    header.insert("signer_role".to_owned(), json!(arguments.role));
    header.insert("causes".to_owned(), json!(arguments.cause));
    let act = act_from_json(kind, &header, &data(&arguments.data)?, &|id| id.as_str().map(str::to_owned))?;
    let keys = arguments.signing.keys(&agency)?;
    let now = || uuid::Uuid::now_v7().to_string();
    let event_id = arguments.event_id.unwrap_or_else(now);
    let occurred_at = match arguments.occurred_at {
        Some(seconds) => seconds,
        None => i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs())?,
    };
    let (client, _) = arguments.access.connect().await?;
    let named = arguments.chain.map(|name| chain_id(&name, &client));
    let chain = named.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    // First listed, then sent: an act that stands in the log and on no list would be taken for a forgery.
    arguments.submitted.as_deref().map(|file| submitted::append(file, &event_id)).transpose()?;
    let request = ActRequest {
        chain_id: Some(chain.clone()),
        event_id: Some(event_id.clone()),
        expected_revision: arguments.expected_revision,
        occurred_at: Some(prost_types::Timestamp { seconds: occurred_at, nanos: 0 }),
        wait: None,
        act,
    };
    let recorded = match &keys {
        Some(keys) => client.record_signed(request, keys).await,
        None => client.record(request).await,
    };
    let (_, verified) = recorded.with_context(|| {
        format!("`{}` of `{agency}` was not acknowledged (chain {chain}, event id {event_id})", arguments.event)
    })?;
    let seal = verified.seal.as_ref();
    if arguments.json {
        output::json(&json!({
            "chain": chain, "event_id": event_id, "revision": verified.statement.revision.0,
            "leaf_hash": verified.leaf.to_string(), "leaf_index": seal.map(|(index, _)| index.0),
            "tree_size": seal.map(|(_, checkpoint)| checkpoint.size.0),
        }))?;
    } else {
        line(format!("已登记 · recorded: {} {}", arguments.event, agency));
        line(format!("  链 chain        {chain}"));
        line(format!("  行为 event id   {event_id}"));
        line(format!("  版本 revision   {}", verified.statement.revision));
        line(format!("  叶 leaf hash    {}", verified.leaf));
        match seal {
            Some((index, checkpoint)) => {
                line(format!("  封存 sealed     第 {index} 叶，检查点大小 {}，包含证明已核验", checkpoint.size))
            }
            None => line("  封存 sealed     尚未封存，请稍后凭行为编号查询"),
        }
    }
    Ok(true)
}

fn data(argument: &str) -> Result<Map<String, Value>> {
    let text = match argument.strip_prefix('@') {
        Some(path) => fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?,
        None if argument == "-" => {
            let mut text = String::new();
            std::io::stdin().take(4 * 1024 * 1024).read_to_string(&mut text)?;
            text
        }
        None => argument.to_owned(),
    };
    serde_json::from_str(&text).context("the fields are no JSON object")
}
