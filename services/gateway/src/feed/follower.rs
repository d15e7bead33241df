//! Follows the log, leaf by leaf, from a place on.

use std::collections::VecDeque;

use bytes::Bytes;
use mediation_client::{Client, ClientError, Mirrored};
use mediation_ledger::merkle::Hash;

use super::{Event, Head};

/// Follows the log for one reader.
#[derive(Debug)]
pub struct Follower {
    client: Client,
    head: Head,
    /// Leaf that is next.
    next: u64,
    /// Leaves that were read and not looked at; the first of them is `next`.
    read: VecDeque<(Hash, Option<Bytes>)>,
    mirrored: Option<Mirrored>,
}

impl Follower {
    /// Follows from a leaf on.
    #[must_use]
    pub fn new(client: Client, head: Head, next: u64) -> Self {
        Self { client, head, next, read: VecDeque::new(), mirrored: None }
    }

    /// The next event; none when the feed has ended. May be dropped at any time and asked again: nothing is lost.
    ///
    /// # Errors
    /// The ledger refuses or is away. Asked again it goes on where it was.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            while let Some((leaf, entry)) = self.read.pop_front() {
                let index = self.next;
                self.next += 1;
                let origin = self.client.trust().log_key.name().as_str();
                if let Some(event) = entry.and_then(|entry| Event::of(origin, index, leaf, &entry)) {
                    return Ok(Some(event));
                }
            }
            let Some(mirrored) = self.mirrored.as_mut() else {
                let next = self.next;
                if self.head.wait_for(|size| *size > next).await.is_err() {
                    return Ok(None);
                }
                self.mirrored = Some(self.client.mirror(next).await?);
                continue;
            };
            match mirrored.next().await {
                Ok(leaves) if leaves.is_empty() => self.mirrored = None,
                Ok(leaves) => self.read.extend(leaves),
                Err(error) => {
                    self.mirrored = None;
                    return Err(error);
                }
            }
        }
    }
}
