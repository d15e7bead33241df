//! The last answers, which may be given again.

use std::time::Duration;

use tokio::time::Instant;

use super::question::{Agencies, Question, Year};

/// The last answer of each kind. Whoever counts holds it, so that one is at it at a time.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) year: Option<Answered<Year>>,
    pub(super) agencies: Option<Answered<Agencies>>,
}

/// A question that was answered.
#[derive(Debug)]
pub(super) struct Answered<Q: Question> {
    pub(super) question: Q,
    pub(super) answer: Q::Answer,
    /// Of the tree that was counted.
    pub(super) checkpoint: String,
    pub(super) done: Instant,
    pub(super) took: Duration,
}

impl<Q: Question> Answered<Q> {
    /// Whether it is the answer: to the same question, of the same tree, or of one that it was counted of a moment ago. On a log
    /// that grows faster than it is counted nobody would ever be answered otherwise.
    pub(super) fn answers(&self, question: Q, checkpoint: &str) -> bool {
        let is_fresh = self.done.elapsed() <= self.took;
        self.question == question && (self.checkpoint == checkpoint || is_fresh)
    }
}
