//! Follows the log, act by act, from a place on.

use std::collections::VecDeque;

use mediation_client::{Client, ClientError, Followed};
use mediation_proto::mediation::ledger::v1::FollowedAct;

use super::Event;

/// Follows the log for one reader.
#[derive(Debug)]
pub struct Follower {
    client: Client,
    /// Leaf to ask from when the stream is opened anew.
    next: u64,
    /// Acts that were read and not told, and the leaf after them.
    read: VecDeque<FollowedAct>,
    after: u64,
    followed: Option<Followed>,
}

impl Follower {
    /// Follows from a leaf on.
    #[must_use]
    pub fn new(client: Client, next: u64) -> Self {
        Self { client, next, read: VecDeque::new(), after: next, followed: None }
    }

    /// The next event. May be dropped at any time and asked again: nothing is lost.
    ///
    /// # Errors
    /// The ledger refuses or is away. Asked again it goes on where it was.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            while let Some(act) = self.read.pop_front() {
                self.next = act.leaf_index.saturating_add(1);
                let origin = self.client.trust().log_key.name().as_str();
                if let Some(event) = Event::of(origin, &act) {
                    return Ok(event);
                }
            }
            self.next = self.next.max(self.after);
            let Some(followed) = self.followed.as_mut() else {
                self.followed = Some(self.client.follow(self.next).await?);
                continue;
            };
            match followed.next().await {
                Ok(Some(answer)) => {
                    self.read.extend(answer.acts);
                    self.after = answer.next;
                }
                Ok(None) => self.followed = None,
                Err(error) => {
                    self.followed = None;
                    return Err(error);
                }
            }
        }
    }
}
