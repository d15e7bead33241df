//! From what figures were counted, and what was read and not counted.

use mediation_ledger::{
    checkpoint::Checkpoint,
    merkle::{Hash, TreeSize},
    verify::TreeHead,
};
use mediation_proto::mediation::ledger::v1::{FiguresCounted, FiguresNotCounted};
use serde_json::{Value, json};

use crate::{
    output::line,
    survey::{Reading, Survey},
};

/// From what figures were counted.
pub(super) struct Sources {
    counted: FiguresCounted,
    not_counted: FiguresNotCounted,
    checkpoint: Checkpoint,
    /// Where it was computed here.
    directory: Option<Directory>,
}

/// What was found of a directory.
pub(super) struct Directory {
    tree: TreeHead,
    is_torn: bool,
    faults: Vec<String>,
}

impl Directory {
    /// Of a directory that was read.
    pub(super) fn of(survey: &Survey, reading: &Reading) -> Self {
        let faults = reading.faults.values().cloned().collect();
        Self { tree: survey.tree, is_torn: survey.is_torn, faults }
    }
}

impl Sources {
    pub(super) fn new(
        counted: Option<FiguresCounted>,
        not_counted: Option<FiguresNotCounted>,
        checkpoint: Checkpoint,
        directory: Option<Directory>,
    ) -> Self {
        let (counted, not_counted) = (counted.unwrap_or_default(), not_counted.unwrap_or_default());
        Self { counted, not_counted, checkpoint, directory }
    }

    /// Whether every entry counts.
    pub(super) fn is_good(&self) -> bool {
        self.not_counted.faulty.is_empty()
    }

    pub(super) fn print(&self) {
        let Self { counted, not_counted, checkpoint, directory } = self;
        line(format!("  账本 ledger {}", checkpoint.origin));
        let head = format!("  检查点 checkpoint 大小 size {}，根 root {}", checkpoint.size, checkpoint.root);
        match directory {
            Some(Directory { tree, .. }) => {
                line(format!("{head}：日志与之相符 extended by the log"));
                line(format!("  默克尔树 tree 大小 size {}，根 root {}", tree.size, tree.root));
            }
            None => line(format!("{head}：签名有效；由账本自行统计 signed; counted by the ledger itself")),
        }
        line(format!(
            "  条目 entries {}，链 chains {}；逐条验签，有效签名 signatures verified {}",
            counted.entries, counted.chains_read, counted.signatures
        ));
        line(format!(
            "  计入 counted：行为 acts {}，链 chains {}；已撤销 withdrawn {}，截至时点之后 later {}",
            counted.acts, counted.chains, not_counted.withdrawn, not_counted.later
        ));
        let faulty: u64 = not_counted.faulty.iter().map(|faulty| faulty.entries).sum();
        line(format!(
            "  未计入 not counted：无法读取的行为 unreadable acts {}（未打开的部分 withheld parts {}），无效条目 faulty entries {faulty}",
            not_counted.unreadable_acts, not_counted.withheld_parts,
        ));
        let Some(directory) = directory else { return };
        if directory.is_torn {
            line("  注 崩溃留下的未确认批次不计 · what a crash left of an unacknowledged batch is not counted");
        }
        for fault in &directory.faults {
            line(format!("  ✗ {fault}"));
        }
    }

    /// Adds this to what was counted.
    pub(super) fn to_json(&self, mut figures: Value) -> Value {
        let Self { counted, not_counted, checkpoint, directory } = self;
        let faulty = not_counted.faulty.iter().map(|faulty| (faulty.code.clone(), json!(faulty.entries)));
        let head = |size: TreeSize, root: Hash| json!({"size": size.0, "root": root.to_string()});
        let sources = json!({
            "origin": checkpoint.origin.as_str(),
            "checkpoint": head(checkpoint.size, checkpoint.root),
            "tree": directory.as_ref().map(|directory| head(directory.tree.size, directory.tree.root)),
            "entries": counted.entries, "chains": counted.chains_read, "signatures": counted.signatures,
            "counted": {"acts": counted.acts, "chains": counted.chains,
                "withdrawn": not_counted.withdrawn, "later": not_counted.later},
            "not_counted": {"unreadable_acts": not_counted.unreadable_acts, "withheld_parts": not_counted.withheld_parts,
                "faulty_entries": faulty.collect::<serde_json::Map<String, Value>>(),
                "faults": directory.as_ref().map(|directory| &directory.faults)},
        });
        if let (Value::Object(figures), Value::Object(sources)) = (&mut figures, sources) {
            figures.extend(sources);
        }
        figures
    }
}
