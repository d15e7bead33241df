//! The heads' stream, as a sealer reads it.

use mediation_ledger::{
    chain::Revision,
    heads::{Head, Heads},
    log::Log,
};

use super::{
    super::head::{HeadError, SignedHead},
    SealerError, SharedSealer,
};

/// Heads that are read at once.
const PAGE: usize = 256;

/// Heads that are looked back over, at first.
const BACK: usize = 64;

/// Heads that are looked back over at most: days of a busy log. Older ones are not judged again.
const BACK_MAX: usize = 16_384;

impl<L: Log, H: Heads> SharedSealer<L, H> {
    /// Reads what is new, up to a head that our tree has not reached yet.
    pub(super) async fn hear(&mut self) -> Result<(), SealerError> {
        let mut place = match self.place {
            Some(place) => place,
            None => self.beginning().await?,
        };
        self.place = Some(place);
        loop {
            if self.heard.as_ref().is_some_and(|(_, head)| head.size() > self.trunk.size()) {
                return Ok(());
            }
            let page = self.heads.read(place, PAGE).await?;
            let is_last = page.len() < PAGE;
            for head in page {
                place = head.revision.next();
                self.place = Some(place);
                if !self.take(&head)? {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Where to begin: at the head that this process has shown last, so that all that came since are judged; at the
    /// newest one in a process that has shown none.
    async fn beginning(&self) -> Result<Revision, SealerError> {
        let shown = self.trunk.last_size();
        let is_old = |head: &Head| {
            let size = self.open_head(head).ok().map(|head| head.size());
            size.is_some_and(|size| shown.is_none_or(|shown| size <= shown))
        };
        let mut back = BACK;
        loop {
            let last = self.heads.last(back).await?;
            if let Some(head) = last.iter().find(|head| is_old(head)) {
                return Ok(head.revision);
            }
            if last.len() < back || back >= BACK_MAX {
                return Ok(last.last().map_or(Revision::FIRST, |head| head.revision));
            }
            back *= 4;
        }
    }

    /// Takes a head of the stream. Answers whether to read on: not before the tree is as long.
    fn take(&mut self, head: &Head) -> Result<bool, SealerError> {
        let signed = match self.open_head(head) {
            Ok(signed) => signed,
            Err(error) => {
                let revision = head.revision.0;
                tracing::warn!(%error, revision, "a record in the heads' stream is no head of this log and passed over");
                return Ok(true);
            }
        };
        self.heard(head.revision, signed)?;
        Ok(self.newest.is_none_or(|newest| newest <= self.trunk.size()))
    }

    /// Notes a head that the log has signed and that stands in the stream.
    pub(super) fn heard(&mut self, revision: Revision, head: SignedHead) -> Result<(), SealerError> {
        let size = head.size();
        if size > self.trunk.size() {
            if self.active {
                tracing::info!(size = size.0, "another sealer is ahead: this one stands by");
                self.active = false;
            }
        } else {
            self.judge(revision, &head)?;
        }
        if self.newest.is_some_and(|newest| size <= newest) {
            // Nothing new: a sealer that signs the same, or somebody who copies heads. It puts off no takeover.
            tracing::debug!(size = size.0, revision = revision.0, "an older head stands in the stream again");
            return Ok(());
        }
        self.newest = Some(size);
        self.uncovered_since = None;
        self.heard = Some((revision, head));
        Ok(())
    }

    fn open_head(&self, head: &Head) -> Result<SignedHead, HeadError> {
        SignedHead::open(&head.note, &self.origin, &self.keys.borrow(), self.trunk.twin_key())
    }
}
