//! Asks one witness.

use std::{sync::Arc, time::Duration};

use mediation_ledger::{
    checkpoint::Cosignature,
    merkle::TreeSize,
    note::VerifierKey,
    witness::{ADD_CHECKPOINT_PATH, AddCheckpoint, Answer, AnswerError},
};
use tokio::sync::{mpsc, watch};

use super::{Answered, Courier, Standing, Target};
use crate::sealer::Seals;

/// Pause after the first failure; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause: a witness that comes back is asked again within it.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Requests about one checkpoint before it counts as a failure: one may tell the size, the next has the proof.
const REQUESTS_MAX: u32 = 3;

/// Keeps one witness asked about the newest checkpoint.
#[derive(Debug)]
pub(super) struct Asker<C> {
    pub(super) key: VerifierKey,
    /// Prefix of its submissions.
    pub(super) url: String,
    pub(super) courier: Arc<C>,
    pub(super) seals: Seals,
    pub(super) standing: Arc<Standing>,
    pub(super) target: watch::Receiver<Option<Arc<Target>>>,
    pub(super) answers: mpsc::Sender<Answered>,
    pub(super) timeout: Duration,
    /// Size that the witness has cosigned last, as far as is known; its word is what counts.
    pub(super) known: Option<TreeSize>,
}

impl<C: Courier> Asker<C> {
    /// Asks until the collector is gone.
    pub(super) async fn run(mut self) {
        let mut done = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let is_next = |target: &Option<Arc<Target>>| {
                target.as_ref().is_some_and(|target| done.is_none_or(|done| target.checkpoint.size > done))
            };
            let Ok(target) = self.target.wait_for(is_next).await.map(|target| target.clone()) else { return };
            let Some(target) = target else { continue };
            match self.ask(&target).await {
                Ok(answered) => {
                    done = Some(target.checkpoint.size);
                    pause = FIRST_PAUSE;
                    if self.answers.send(answered).await.is_err() {
                        return;
                    }
                }
                Err(trouble) => {
                    self.standing.trouble(&self.key, &trouble);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn ask(&mut self, target: &Target) -> Result<Answered, Trouble> {
        let new = target.checkpoint.size;
        for _ in 0..REQUESTS_MAX {
            let old = self.known.unwrap_or_default();
            let Some(proof) = self.seals.consistency(old, new) else { return Err(Trouble::Ahead { size: old }) };
            let request = AddCheckpoint { old, proof, checkpoint: target.note.clone() };
            let url = format!("{}/{ADD_CHECKPOINT_PATH}", self.url.trim_end_matches('/'));
            let answer = self.courier.post(&url, request.to_string(), self.timeout).await;
            let (status, body) = answer.map_err(Trouble::Away)?;
            match Answer::read(status, &body, &target.note, &self.key)? {
                Answer::Cosigned { signature, time } => {
                    self.known = Some(new);
                    let (witness, key_id) = (self.key.name().clone(), self.key.id());
                    return Ok(Answered { size: new, signature, cosignature: Cosignature { witness, key_id, time } });
                }
                Answer::OtherSize(size) => self.known = Some(size),
            }
        }
        Err(Trouble::Wavers)
    }
}

/// What keeps a witness from cosigning.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// No answer.
    #[error("no answer: {0}")]
    Away(String),
    /// It has seen a larger tree than there is.
    #[error(
        "it has cosigned a tree of {size} leaves, more than this log has: this log was rolled back, or there are two"
    )]
    Ahead {
        /// Size of that tree.
        size: TreeSize,
    },
    /// It says another size each time: somebody else submits checkpoints of this log.
    #[error("it gives another size at every request")]
    Wavers,
    /// It refuses, or answers nonsense.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl Trouble {
    /// Whether the witness says that the log has two histories: no retry mends that.
    pub(super) fn is_accusation(&self) -> bool {
        match self {
            Self::Ahead { .. } => true,
            Self::Answer(AnswerError::Refused { status, .. }) => *status == 422,
            Self::Away(_) | Self::Wavers | Self::Answer(_) => false,
        }
    }
}
