//! A directory that was restored signs nothing until it is known that nothing newer was signed.
//!
//! A backup is a shorter log than the one it was made of. Whatever was recorded after it may be known to others: signed on,
//! the ledger would have two histories under one name, and every witness could prove it. So the first start asks. Each
//! witness of the policy is given the backup's own checkpoint, and answers with the size that it has cosigned last:
//!
//! ```text
//! one of them has cosigned a larger tree, or another one       nothing is signed: bring a newer copy, or reincarnate
//! those who do not answer could make a quorum by themselves    nothing is signed: nobody knows; try again
//! otherwise                                                    no checkpoint that was witnessed is newer: go on
//! ```
//!
//! Where there are no witnesses, somebody has to say what the newest checkpoint is (`--known-checkpoint`). There is no way
//! around both: a ledger whose end is lost is carried on under another origin.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use mediation_ledger::{
    checkpoint::{Checkpoint, Cosignature},
    log::{Follower as _, Log},
    merkle::{Tree, TreeSize},
    note::Note,
    policy::{Policy, PolicyWitness},
    record::leaf_hash,
    witness::{ADD_CHECKPOINT_PATH, AddCheckpoint, Answer, AnswerError},
};
use mediation_projections::witnesses::Courier;
use serde::{Deserialize, Serialize};

use crate::{backup::Contents, contents, durable, known::ADVICE, layout::Layout};

/// What a restored directory says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restored {
    /// When the backup was made.
    made_at: String,
    /// Entries that it had.
    pub(crate) tree_size: u64,
    /// Checkpoints that others hold.
    pub(crate) known: Vec<String>,
}

/// Requests to one witness: one tells the size, the next has the proof.
const REQUESTS_MAX: u32 = 3;

impl Restored {
    /// Of a backup, with the checkpoints in files that others hold.
    pub(crate) fn new(backup: &Contents, known: &[PathBuf]) -> Result<Self> {
        let read = |path: &PathBuf| {
            contents::text(path).with_context(|| format!("cannot read the checkpoint `{}`", path.display()))
        };
        let known = known.iter().map(read).collect::<Result<_>>()?;
        Ok(Self { made_at: backup.made_at.clone(), tree_size: backup.tree_size, known })
    }

    /// What a directory says; none when it was not restored, or was served since.
    pub(crate) fn read(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.restored();
        match contents::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            read => {
                let bytes = read.with_context(|| format!("cannot read `{}`", path.display()))?;
                let restored = serde_json::from_slice(&bytes);
                Ok(Some(restored.with_context(|| format!("`{}` is damaged", path.display()))?))
            }
        }
    }

    pub(crate) fn write(&self, layout: &Layout) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        durable::create(&layout.restored(), &text)
    }

    /// Refuses a directory that was restored and not served since, to whoever would sign without asking.
    pub(crate) fn refuse(layout: &Layout) -> Result<()> {
        ensure!(
            Self::read(layout)?.is_none(),
            "`{}` was restored from a backup: serve it first, which asks the witnesses whether anything newer was signed · 该目录由备份恢复，须先启动服务，向见证人确认没有更新的检查点",
            layout.root().display()
        );
        Ok(())
    }

    /// From now on the directory is like any other.
    pub(crate) fn settle(layout: &Layout) -> Result<()> {
        let path = layout.restored();
        fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
        durable::sync_directory(&path)
    }

    /// Asks the witnesses of a policy about the checkpoint that the log ends with.
    ///
    /// # Errors
    /// Something newer was signed, or nobody can say that nothing was.
    pub(crate) async fn confirm<L: Log, C: Courier>(
        &self,
        log: &L,
        last: &Note,
        has_known: bool,
        asked: Option<(&Policy, &C, Duration)>,
    ) -> Result<()> {
        let Some((policy, courier, timeout)) = asked.filter(|(policy, ..)| !policy.needs_no_witness()) else {
            ensure!(
                has_known,
                "restored from a backup of {}, and there is no witness to ask whether anything newer was signed: name the newest checkpoint that anybody kept with --known-checkpoint · 由备份恢复且无见证人可问，须以 --known-checkpoint 给出他人留存的最新检查点",
                self.made_at
            );
            return Ok(());
        };
        let checkpoint: Checkpoint = last.text().parse()?;
        let tree = grown(log, checkpoint.size).await?;
        let mut silent = Vec::new();
        for (name, witness) in policy.witnesses() {
            match ask(&tree, last, checkpoint.size, witness, courier, timeout).await {
                Ok(()) => {}
                Err(Standing::Accuses(why)) => {
                    let made_at = &self.made_at;
                    bail!("nothing is signed on what a backup of {made_at} restored: witness `{name}` {why}; {ADVICE}")
                }
                Err(Standing::Silent(why)) => {
                    tracing::warn!(witness = name, why, "a witness cannot be asked what it has cosigned");
                    let (witness, key_id) = (witness.key.name().clone(), witness.key.id());
                    silent.push((name, Cosignature { witness, key_id, time: 0 }));
                }
            }
        }
        let (names, silent): (Vec<&str>, Vec<Cosignature>) = silent.into_iter().unzip();
        ensure!(
            !policy.is_met(&silent),
            "nothing is signed on what a backup of {0} restored: {1} do not answer, and together they could have witnessed something newer; start again when they do · 由备份恢复，见证人 {1} 未应答，无法确认没有更新的检查点，暂不签署",
            self.made_at,
            names.join(", ")
        );
        Ok(())
    }
}

/// The tree of a log up to a size.
async fn grown<L: Log>(log: &L, size: TreeSize) -> Result<Tree> {
    let (mut tree, mut follower) = (Tree::default(), log.follow(None).await?);
    while tree.size() < size {
        for followed in follower.next().await? {
            tree.append(leaf_hash(&followed.stored.record));
        }
    }
    Ok(tree)
}

/// Why a witness does not say that all is well.
enum Standing {
    /// It has seen more, or something else.
    Accuses(String),
    /// It says nothing.
    Silent(String),
}

/// Has a witness cosign the checkpoint anew: who has cosigned more, or other things, cannot.
async fn ask<C: Courier>(
    tree: &Tree,
    note: &Note,
    size: TreeSize,
    witness: &PolicyWitness,
    courier: &C,
    timeout: Duration,
) -> Result<(), Standing> {
    let Some(url) = &witness.url else { return Err(Standing::Silent("the policy gives no address".to_owned())) };
    let url = format!("{}/{ADD_CHECKPOINT_PATH}", url.trim_end_matches('/'));
    let mut old = TreeSize(0);
    for _ in 0..REQUESTS_MAX {
        if old > size {
            return Err(Standing::Accuses(format!("has cosigned {old} entries, the backup has {size}")));
        }
        let proof = tree.consistency_path(old, size).map_err(|error| Standing::Silent(error.to_string()))?;
        let request = AddCheckpoint { old, proof, checkpoint: note.clone() };
        let (status, body) = courier.post(&url, request.to_string(), timeout).await.map_err(Standing::Silent)?;
        match Answer::read(status, &body, note, &witness.key) {
            Ok(Answer::Cosigned { .. }) => return Ok(()),
            Ok(Answer::OtherSize(other)) => old = other,
            Err(AnswerError::Refused { status: 422, .. }) => {
                return Err(Standing::Accuses(format!("has cosigned another history at {old} entries")));
            }
            Err(error) => return Err(Standing::Silent(error.to_string())),
        }
    }
    Err(Standing::Silent("it gives another size at every request".to_owned()))
}
