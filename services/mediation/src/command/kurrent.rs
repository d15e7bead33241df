//! `mediation kurrent`: prepares a KurrentDB cluster for a ledger, and checks that it still is.

use anyhow::Result;
use clap::{Args, Subcommand};
use mediation_log_kurrentdb::admin::{self, Finding, Roles};
use serde_json::json;

use crate::{
    cluster::Cluster,
    output::{self, line},
};

/// `mediation kurrent`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: KurrentCommand,
}

#[derive(Debug, Subcommand)]
enum KurrentCommand {
    /// 设置集群的访问控制：谁可写入、谁可读取，无人可删改 · Sets who may write and read; nobody may delete or change metadata
    Init {
        #[command(flatten)]
        cluster: Cluster,
        /// 写入用户或组（窗口、封签）；可多次给出 · User or group that writes (desks, sealers); repeatable
        #[arg(long, value_name = "NAME", default_value = "ledger-writer")]
        writer: Vec<String>,
        /// 只读用户或组；可多次给出 · User or group that only reads; repeatable
        #[arg(long, value_name = "NAME", default_value = "ledger-reader")]
        reader: Vec<String>,
        /// 以 JSON 输出 · Print JSON
        #[arg(long)]
        json: bool,
    },
    /// 检查集群的设置；有问题时退出码为 1 · Checks how the cluster is set up; exit code 1 when something is wrong
    Check {
        #[command(flatten)]
        cluster: Cluster,
        /// 以 JSON 输出 · Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Sets up or checks.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    match arguments.command {
        KurrentCommand::Init { cluster, writer, reader, json } => {
            admin::init(cluster.options()?, &Roles { writers: writer.clone(), readers: reader.clone() }).await?;
            if json {
                output::json(&json!({"writers": writer, "readers": reader}))?;
            } else {
                line("集群访问控制已设置 ✓ · the access of the cluster is set");
                line(format!("  写入 writers {}", writer.join(" ")));
                line(format!("  读取 readers {}", reader.join(" ")));
                line("下一步 · next: mediation kurrent check, mediation migrate");
            }
            Ok(true)
        }
        KurrentCommand::Check { cluster, json } => {
            let findings = admin::check(cluster.options()?).await?;
            // Who asks decides which of these two is told: both are as they should be.
            let is_about_who_asks =
                |finding: &&Finding| matches!(finding, Finding::Administrator { .. } | Finding::ListsUnseen);
            let (notes, faults): (Vec<&Finding>, Vec<&Finding>) = findings.iter().partition(is_about_who_asks);
            let texts = |findings: &[&Finding]| findings.iter().map(ToString::to_string).collect::<Vec<_>>();
            if json {
                let good = faults.is_empty();
                output::json(&json!({"good": good, "findings": texts(&faults), "notes": texts(&notes)}))?;
                return Ok(good);
            }
            line(match faults.is_empty() {
                true => "集群设置无误 ✓ · the cluster is set up as it should be",
                false => "集群设置有问题 ✗ · the cluster is not set up as it should be",
            });
            texts(&faults).iter().for_each(|finding| line(format!("  ✗ {finding}")));
            texts(&notes).iter().for_each(|note| line(format!("  注 {note}")));
            Ok(faults.is_empty())
        }
    }
}
