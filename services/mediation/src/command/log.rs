//! `mediation log`.

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use mediation_ledger::merkle::{Hash, LeafIndex, TreeSize, verify_inclusion};
use mediation_ledger::{note::Note, proof::OfflineProof};
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
        LogCommand::Checkpoint { access, json } => checkpoint(&access, json).await?,
        LogCommand::Proof { access, chain, event_id, json } => proof(&access, &chain, &event_id, json).await?,
        LogCommand::Consistency { access, first, second, json } => consistency(&access, first, second, json).await?,
    }
    Ok(true)
}

async fn checkpoint(access: &Access, as_json: bool) -> Result<()> {
    let (client, _) = access.connect().await?;
    let note = client.checkpoint().await?;
    if as_json {
        let checkpoint = client.trust().checkpoint(&note)?;
        return output::json(
            &json!({"origin": checkpoint.origin.as_str(), "size": checkpoint.size.0, "root": checkpoint.root.to_string(), "note": note}),
        );
    }
    line(note.trim_end());
    Ok(())
}

async fn proof(access: &Access, chain: &str, event_id: &str, as_json: bool) -> Result<()> {
    let (client, _) = access.connect().await?;
    let (receipt, verified) = client.receipt(chain, event_id).await?;
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
