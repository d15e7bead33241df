//! What a monitor keeps between two looks, as text: it is written whole, and read by whoever wonders.
//!
//! ```text
//! mediation-monitor/v1
//! log <origin>
//! agency <id>
//! tree <size> <hash>…                              complete subtrees, the largest first
//! registry <next revision> <head> <revision>@<leaf>…   its content is read again, and must lead to this head
//! unplaced <leaves that count on no chain>
//! chain <id> <next revision> <head> <event id>@<revision>…
//! unsubmitted <leaf> <chain> <revision> <event id> <key id>
//! faulty <leaf> <why>
//!
//! <the checkpoint's note>
//! ```

use std::{collections::BTreeMap, str::FromStr};

use mediation_domain::history::EventId;

use crate::{
    chain::{ChainId, Revision},
    checkpoint::{CheckpointError, SignedCheckpoint},
    key::KeyId,
    ledger::Fold,
    log::Order,
    merkle::{Frontier, Hash, LeafIndex},
    monitor::{OwnAct, Watch},
    note::{KeyName, Note, VerifierKey},
};

const TITLE: &str = "mediation-monitor/v1";

/// A state as it was read: a watch whose registry must be read again.
#[derive(Debug)]
pub struct Kept {
    watch: Watch,
    registry: (Revision, Hash),
    /// The checkpoint that was verified last.
    pub checkpoint: SignedCheckpoint,
}

impl Watch {
    /// The text that is kept, with the note of the checkpoint whose tree this is.
    #[must_use]
    pub fn to_text(&self, note: &Note) -> String {
        let mut text = format!("{TITLE}\nlog {}\nagency {}\ntree {}", self.origin, self.agency, self.tree.size());
        let mut add = |line: String| text.push_str(&line);
        self.tree.subtrees().iter().for_each(|hash| add(format!(" {hash}")));
        add(format!("\nregistry {} {}", self.registry.next(), self.registry.head()));
        self.registered.iter().for_each(|(revision, leaf)| add(format!(" {revision}@{leaf}")));
        add("\n".to_owned());
        add(format!("unplaced {}\n", self.unplaced));
        for (id, fold) in &self.chains {
            add(format!("chain {id} {} {}", fold.next(), fold.head()));
            fold.places().iter().for_each(|(event, place)| add(format!(" {event}@{place}")));
            add("\n".to_owned());
        }
        for (index, act) in &self.unsubmitted {
            add(format!("unsubmitted {index} {} {} {} {}\n", act.chain, act.revision, act.event_id, act.key_id));
        }
        for (index, fault) in &self.faulty {
            add(format!("faulty {index} {fault}\n"));
        }
        add(format!("\n{note}"));
        text
    }
}

impl Kept {
    /// Reads a state. Its tree must be the one that the kept checkpoint signs.
    ///
    /// # Errors
    /// The text was not written by a monitor of this agency and log, or the checkpoint is not to be believed.
    pub fn parse(text: &str, origin: &KeyName, agency: &str, keys: &[VerifierKey]) -> Result<Self, StateError> {
        let (lines, note) = text.split_once("\n\n").ok_or(StateError::Form { line: 1 })?;
        let checkpoint =
            SignedCheckpoint::verify(Note::parse(note.as_bytes()).map_err(CheckpointError::from)?, origin, keys)?;
        let header = format!("{TITLE}\nlog {origin}\nagency {agency}\n");
        let rest = lines.strip_prefix(header.as_str()).ok_or(StateError::Other)?;
        let mut kept =
            Self { watch: Watch::new(origin.as_str(), agency), registry: (Revision::FIRST, Hash::ZERO), checkpoint };
        for (line, text) in (4..).zip(rest.lines()) {
            kept.take(text).ok_or(StateError::Form { line })?;
        }
        let tree = &kept.watch.tree;
        if (tree.size(), tree.root()) != (kept.checkpoint.checkpoint.size, kept.checkpoint.checkpoint.root) {
            return Err(StateError::OtherTree);
        }
        Ok(kept)
    }

    /// Takes back the registry chain, from its first entry on, and gives the watch. Each is the leaf and the parts shown.
    ///
    /// # Errors
    /// [`StateError::OtherRegistry`]: what is shown now does not lead to the head that was kept.
    pub fn resume<'e>(
        self,
        entries: impl IntoIterator<Item = &'e (bytes::Bytes, Vec<crate::part::OpenedPart>)>,
    ) -> Result<(Watch, SignedCheckpoint), StateError> {
        let Self { mut watch, registry: (next, head), checkpoint } = self;
        for (revision, (leaf, parts)) in (0..next.0).map(Revision).zip(entries) {
            let known = watch.registry.registry().cloned().unwrap_or_default();
            // What does not count was told when it was first read, whatever its place; it moves no head.
            let order = watch.registered.get(&revision).map_or(Order::FIRST, |leaf| (*leaf).into());
            drop(watch.registry.place_disclosed(&watch.origin, &known, revision, order, leaf.clone(), parts.clone()));
        }
        if watch.registry.head() != head {
            return Err(StateError::OtherRegistry);
        }
        watch.registry.give_back(next);
        Ok((watch, checkpoint))
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        if kind == "faulty" {
            let (index, fault) = rest.split_once(' ')?;
            self.watch.faulty.insert(index.parse().ok()?, fault.to_owned());
            return Some(());
        }
        let mut words = rest.split(' ');
        match kind {
            "tree" => {
                let size = words.next()?.parse().ok()?;
                let subtrees = words.by_ref().map(|word| word.parse().ok()).collect::<Option<_>>()?;
                self.watch.tree = Frontier::restore(size, subtrees).ok()?;
            }
            "registry" => {
                self.registry = (revision(words.next()?)?, words.next()?.parse().ok()?);
                let place = |word: &str| {
                    let (place, leaf) = word.split_once('@')?;
                    Some((revision(place)?, leaf.parse().ok()?))
                };
                self.watch.registered = words.by_ref().map(place).collect::<Option<_>>()?;
            }
            "unplaced" => self.watch.unplaced = words.next()?.parse().ok()?,
            "chain" => {
                let (id, next) = (ChainId::parse(words.next()?)?, revision(words.next()?)?);
                let head = words.next()?.parse().ok()?;
                let place = |word: &str| {
                    let (event, place) = word.split_once('@')?;
                    Some((EventId::parse(event)?, revision(place)?))
                };
                let places = words.by_ref().map(place).collect::<Option<BTreeMap<_, _>>>()?;
                self.watch.chains.insert(id, Fold::kept(id, next, head, places));
            }
            "unsubmitted" => {
                let index: LeafIndex = words.next()?.parse().ok()?;
                let (chain, revision) = (ChainId::parse(words.next()?)?, revision(words.next()?)?);
                let (event_id, key_id) = (EventId::parse(words.next()?)?, KeyId(Hash::from_str(words.next()?).ok()?.0));
                self.watch.unsubmitted.insert(index, OwnAct { index, chain, revision, event_id, key_id });
            }
            _ => return None,
        }
        words.next().is_none().then_some(())
    }
}

fn revision(text: &str) -> Option<Revision> {
    text.parse().ok().map(Revision)
}

/// Why a state cannot be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is of another log, or of another agency.
    #[error("the state is one of another log or another agency")]
    Other,
    /// A line that no monitor has written.
    #[error("line {line} of the state cannot be understood")]
    Form {
        /// Line, from 1.
        line: usize,
    },
    /// The checkpoint that was kept is not to be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tree that was kept is not the kept checkpoint's.
    #[error("the tree of the state is not that of its checkpoint")]
    OtherTree,
    /// The registry chain that is shown is not the one that was verified.
    #[error("the registry chain that is shown does not lead to the head that was kept")]
    OtherRegistry,
}
