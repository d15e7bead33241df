//! What `mediation verify` says.

use std::fmt;

use mediation_domain::calendar::Day;
use mediation_ledger::{
    merkle::{Hash, TreeSize},
    verify::Counts,
};
use serde_json::{Value, json};

use crate::output::line;

/// What is not evidence, and not checked.
const EXCLUDED: [(&str, &str); 5] = [
    ("mediation.toml, witnesses.policy", "配置 · configuration"),
    ("pki/", "传输证书 · transport certificates"),
    ("log.lock, vault/lock", "锁 · locks"),
    ("scrub, backup.last", "巡检进度、最近备份时间 · where the scrub is, when the last backup was made"),
    ("models/", "可重建的读模型 · rebuildable read models"),
];

/// What was checked, and everything that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) counts: Counts,
    pub(crate) bytes: u64,
    pub(super) wraps: u64,
    pub(super) keys: u64,
    pub(crate) size: TreeSize,
    pub(crate) root: Option<Hash>,
    /// Tree sizes whose timestamps hold, with the authority's word in seconds since 1970-01-01T00:00:00Z.
    pub(super) stamps: Vec<(TreeSize, u64)>,
    /// The newest checkpoint that the tree agrees with, by file.
    pub(super) checkpoints: Vec<(String, TreeSize)>,
    /// Heads of a shared log that its keys have signed.
    pub(super) heads: Option<u64>,
    pub(crate) notes: Vec<String>,
    pub(crate) faults: Vec<String>,
}

impl Report {
    /// Nothing is wrong.
    pub(crate) fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// What is wrong, each with its file and place.
    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Adds something that is wrong.
    pub(crate) fn fault(&mut self, place: impl fmt::Display, problem: impl fmt::Display) {
        self.faults.push(format!("{place}: {problem}"));
    }

    /// Prints the report.
    pub(crate) fn print(&self) {
        let Counts { entries, chains, signatures, parts, withheld } = self.counts;
        line(if self.is_good() { "核验通过 ✓ · verified" } else { "核验发现问题 ✗ · faults found" });
        line(format!("  条目 entries {entries}，链 chains {chains}，有效签名 signatures {signatures}"));
        line(format!(
            "  已打开并相符的内容部分 parts {parts}，未打开 withheld {withheld}，保险库密钥 wraps {}",
            self.wraps
        ));
        line(format!("  机构与日志密钥 keys {}，已检查字节 bytes {}", self.keys, self.bytes));
        if let Some(root) = self.root {
            line(format!("  默克尔树 tree 大小 {}，根 {root}", self.size));
        }
        if let Some(heads) = self.heads {
            line(format!("  共享日志的树头 heads {heads}"));
        }
        for (name, size) in &self.checkpoints {
            line(format!("  检查点 {name} 大小 {size}：树与之相符"));
        }
        if let (Some((first, from)), Some((last, to))) = (self.stamps.first(), self.stamps.last()) {
            let count = self.stamps.len();
            let day = |time: u64| Day::of(i64::try_from(time).unwrap_or(i64::MAX));
            let (from, to) = (day(*from), day(*to));
            line(format!("  时间戳 timestamps {count}：大小 {first} 于 {from} 至大小 {last} 于 {to}"));
        }
        for note in &self.notes {
            line(format!("  注 {note}"));
        }
        for fault in &self.faults {
            line(format!("  ✗ {fault}"));
        }
        let excluded: Vec<String> = EXCLUDED.iter().map(|(path, what)| format!("{path}（{what}）")).collect();
        line(format!("  不在核验之列 excluded：{}", excluded.join("；")));
    }

    /// The report as JSON.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "good": self.is_good(),
            "entries": self.counts.entries, "chains": self.counts.chains, "signatures": self.counts.signatures,
            "parts": self.counts.parts, "withheld": self.counts.withheld, "wraps": self.wraps, "keys": self.keys,
            "bytes": self.bytes, "tree_size": self.size.0, "root": self.root.map(|root| root.to_string()),
            "checkpoints": self.checkpoints.iter().map(|(name, size)| json!({"file": name, "size": size.0})).collect::<Vec<_>>(),
            "timestamps": self.stamps.iter().map(|(size, time)| json!({"size": size.0, "time": time})).collect::<Vec<_>>(),
            "heads": self.heads,
            "notes": self.notes, "faults": self.faults,
            "excluded": EXCLUDED.map(|(path, _)| path),
        })
    }
}
