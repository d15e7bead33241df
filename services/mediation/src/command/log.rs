//! `mediation log`.

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use mediation_ledger::merkle::{Hash, LeafIndex, TreeSize, verify_inclusion};
use mediation_ledger::{note::Note, proof::OfflineProof};
use mediation_proto::mediation::ledger::v1::ReceiptLevel;
use serde_json::json;

use crate::{
    access::Access,
    output::{self, line},
};

/// `mediation log`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// 最新检查点（C2SP 签名注记） · The last checkpoint, a C2SP signed note
    Checkpoint {
        #[command(flatten)]
        access: Access,
        /// 孪生树（SM3）的检查点，以 SM2 签名 · That of the twin tree over SM3, signed with SM2
        #[arg(long)]
        sm3: bool,
        /// 以 JSON 输出 · Print JSON
        #[arg(long)]
        json: bool,
    },
    /// 某行为的离线证明（C2SP tlog-proof） · Offline proof of an act (C2SP tlog-proof)
    Proof {
        #[command(flatten)]
        access: Access,
        /// 链编号 · Chain id
        #[arg(long, value_name = "UUID")]
        chain: String,
        /// 行为编号 · Event id
        #[arg(long, value_name = "UUID")]
        event_id: String,
        /// 以达到见证法定数的检查点为准 · Under a checkpoint that a quorum of witnesses has cosigned
        #[arg(long)]
        witnessed: bool,
        /// 以 JSON 输出 · Print JSON
        #[arg(long)]
        json: bool,
    },
    /// 各见证的进度；有滞后者退出码为 1 · How the witnesses stand; exit code 1 when one lags
    Witnesses {
        #[command(flatten)]
        access: Access,
        /// 以 JSON 输出 · Print JSON
        #[arg(long)]
        json: bool,
    },
    /// 两棵树之间的一致性证明 · Consistency proof between two trees
    Consistency {
        #[command(flatten)]
        access: Access,
        /// 较早的树大小 · Size of the earlier tree
        first: u64,
        /// 较晚的树大小 · Size of the later tree
        second: u64,
        /// 以 JSON 输出 · Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Prints checkpoints and proofs.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    match arguments.command {
        LogCommand::Checkpoint { access, sm3, json } => checkpoint(&access, sm3, json).await?,
        LogCommand::Proof { access, chain, event_id, witnessed, json } => {
            let level = if witnessed { ReceiptLevel::Witnessed } else { ReceiptLevel::Sealed };
            proof(&access, &chain, &event_id, level, json).await?;
        }
        LogCommand::Witnesses { access, json } => return witnesses(&access, json).await,
        LogCommand::Consistency { access, first, second, json } => consistency(&access, first, second, json).await?,
    }
    Ok(true)
}

async fn checkpoint(access: &Access, sm3: bool, as_json: bool) -> Result<()> {
    let (client, _) = access.connect().await?;
    let note = if sm3 { client.twin_checkpoint().await? } else { client.checkpoint().await? };
    if as_json {
        let trust = client.trust();
        let checkpoint = if sm3 { trust.twin_checkpoint(&note)? } else { trust.checkpoint(&note)? };
        return output::json(
            &json!({"origin": checkpoint.origin.as_str(), "size": checkpoint.size.0, "root": checkpoint.root.to_string(), "note": note}),
        );
    }
    line(note.trim_end());
    Ok(())
}

async fn proof(access: &Access, chain: &str, event_id: &str, level: ReceiptLevel, as_json: bool) -> Result<()> {
    let (client, _) = access.connect().await?;
    let (receipt, verified) = client.receipt_of_level(chain, event_id, level).await?;
    ensure!(
        level != ReceiptLevel::Witnessed || receipt.level() == level,
        "no checkpoint over the act has a quorum of witnesses yet; see `mediation log witnesses`"
    );
    let (index, checkpoint) = verified.seal.context("the act is not sealed yet; try again in a moment")?;
    let seal = receipt.seal.context("the act is not sealed yet; try again in a moment")?;
    let path = mediation_client::trust::hashes(&seal.inclusion).context("the path is malformed")?;
    if as_json {
        let path: Vec<String> = path.iter().map(Hash::to_string).collect();
        return output::json(&json!({
            "leaf_index": index.0, "tree_size": checkpoint.size.0, "leaf_hash": verified.leaf.to_string(),
            "inclusion": path, "entry": hex::encode(&receipt.entry), "checkpoint": seal.checkpoint,
        }));
    }
    verify_inclusion(verified.leaf, LeafIndex(index.0), TreeSize(checkpoint.size.0), &path, checkpoint.root)?;
    let proof = OfflineProof { extra: Vec::new(), index, path, checkpoint: Note::parse(seal.checkpoint.as_bytes())? };
    line(proof.to_string().trim_end());
    Ok(())
}

async fn witnesses(access: &Access, as_json: bool) -> Result<bool> {
    let (client, _) = access.connect().await?;
    let answer = client.witnesses().await?;
    let none_lags = answer.witnesses.iter().all(|witness| !witness.lagging);
    if as_json {
        let rows = answer.witnesses.iter().map(|witness| {
            json!({
                "name": witness.name, "key_id": witness.key_id, "url": witness.url,
                "cosigned_size": witness.cosigned_size, "cosigned_at": witness.cosigned_at,
                "checkpoints_behind": witness.checkpoints_behind, "seconds_behind": witness.seconds_behind,
                "lagging": witness.lagging, "trouble": witness.trouble,
            })
        });
        output::json(&json!({
            "sealed_size": answer.sealed_size, "witnessed_size": answer.witnessed_size,
            "witnessed_checkpoint": answer.witnessed_checkpoint, "witnesses": rows.collect::<Vec<_>>(),
        }))?;
        return Ok(none_lags);
    }
    let size = |size: Option<u64>| size.map_or_else(|| "—".to_owned(), |size| size.to_string());
    line(format!("封存 sealed {}，达到法定数 witnessed {}", answer.sealed_size, size(answer.witnessed_size)));
    let head = ["见证", "联署至", "落后检查点", "落后秒", "状态"].map(str::to_owned).to_vec();
    let rows = answer.witnesses.iter().map(|witness| {
        let state = match (&witness.trouble, witness.lagging) {
            (Some(trouble), true) => format!("滞后 lagging: {trouble}"),
            (Some(trouble), false) => trouble.clone(),
            (None, true) => "滞后 lagging".to_owned(),
            (None, false) => "✓".to_owned(),
        };
        let (checkpoints, seconds) = (witness.checkpoints_behind.to_string(), witness.seconds_behind.to_string());
        vec![witness.name.clone(), size(witness.cosigned_size), checkpoints, seconds, state]
    });
    let table: Vec<_> = std::iter::once(head).chain(rows).collect();
    output::table(&table).iter().for_each(|row| line(format!("  {row}")));
    Ok(none_lags)
}

async fn consistency(access: &Access, first: u64, second: u64, as_json: bool) -> Result<()> {
    let (client, _) = access.connect().await?;
    let path: Vec<String> = client.consistency(first, second).await?.iter().map(Hash::to_string).collect();
    if as_json {
        return output::json(&json!({"first": first, "second": second, "consistency": path}));
    }
    for hash in path {
        line(hash);
    }
    Ok(())
}
