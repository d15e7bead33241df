//! Reading a chain: every entry examined, what counts folded, what does not named.
//!
//! An entry *counts* when its bytes are well-formed, it says the place at which it stands, it links to the last entry
//! that counts, and the agency's key signed it. None of this needs the content, so every reader draws the same line,
//! whatever he may see. What the content then breaks (a part that does not open, an act that admission refuses) is a
//! fault of the act: the entry keeps its place in the chain of hashes, and the act is left out of the history.

mod extra;
mod fault;
mod folds;
mod opened;
mod reading;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use mediation_domain::{
    admit::{Caller, Refusal, admit, admit_told},
    history::{EventId, Recorded},
    standing::Standing,
};
use mediation_proto::mediation::ledger::v1::{Act, PartKind};

pub(crate) use self::extra::extra_signatures;
use self::opened::{Opened, open_record, opened_from_parts};
pub use self::{
    extra::ExtraSignature,
    fault::{Fault, LedgerError, SIGNER_INVALID},
    folds::Folds,
};
use crate::{
    chain::{ChainId, Revision},
    clock::Clock,
    entry::Entry,
    key::PublicKey,
    limits::RECORDED_AHEAD_MS_MAX,
    log::{Log, Order, Stored},
    merkle::{Hash, hash_leaf},
    part::{Cipher, Commitment, OpenedPart},
    record::{Record, is_foreign_leaf, leaf_bytes},
    registry::{Entered, Registry, RegistryError, Revocation, SignedAt},
    statement::{Statement, pre_authentication},
    vault::{DataKey, Vault},
};

/// A ledger, to be read: the log, the vault, and who takes part.
#[derive(Debug)]
pub struct Ledger<L, V> {
    origin: String,
    rule_set: String,
    cipher: Cipher,
    log: Arc<L>,
    vault: Arc<V>,
    clock: Arc<dyn Clock>,
    registry: RwLock<Arc<Registry>>,
    registry_read: tokio::sync::Mutex<RegistryRead>,
}

/// The registry chain as far as it was read, so that reading it again reads only what was added.
#[derive(Debug)]
struct RegistryRead {
    fold: Fold,
    /// What stands before this place is in the registry that is shown.
    shown: Revision,
}

/// Where a chain stands: what the next entry must link to, and what admission needs to know.
#[derive(Debug, Clone)]
pub struct Fold {
    chain: ChainId,
    next: Revision,
    head: Hash,
    /// Leaf hashes since the head of entries that are hidden from this reader: any of them may be the last that counts.
    hidden: Vec<Hash>,
    standing: Standing,
    places: BTreeMap<EventId, Revision>,
    /// The registry as it grows along its own chain; none on every other chain.
    registry: Option<Registry>,
    blind: bool,
    /// Of entries before this place in the log the facts alone are opened, and the signatures are not checked again.
    trusted: Order,
    /// Acts stand on the chain that this reader is not shown: where the chain stands he cannot know for sure.
    unseen: bool,
    /// When the last entry that counts was recorded, in milliseconds; before there is one, longer ago than anything.
    recorded_at: i64,
}

impl Fold {
    /// An empty chain.
    #[must_use]
    pub fn new(chain: ChainId) -> Self {
        Self {
            chain,
            next: Revision::FIRST,
            head: Hash::ZERO,
            hidden: Vec::new(),
            standing: Standing::default(),
            places: BTreeMap::new(),
            registry: None,
            blind: false,
            trusted: Order::FIRST,
            unseen: false,
            recorded_at: i64::MIN,
        }
    }

    /// An empty chain of which the recorder is trusted before a place in the log: signatures that it made or checked are not
    /// checked again, and [`Ledger::catch_up`] opens the facts (`act` parts) alone, so that admission looks at no more than
    /// of an act whose other parts are gone. Only who knows that nobody but recorders appended what stands there may do so.
    #[must_use]
    pub fn trusting(chain: ChainId, trusted: Order) -> Self {
        Self { trusted, ..Self::new(chain) }
    }

    /// A chain that is not the registry's, as it was kept: its next place, the last entry that counts, and its acts.
    pub(crate) fn kept(chain: ChainId, next: Revision, head: Hash, places: BTreeMap<EventId, Revision>) -> Self {
        Self { next, head, places, ..Self::new(chain) }
    }

    /// Gives the place that an entry has claimed to the next one.
    pub(crate) fn give_back(&mut self, place: Revision) {
        self.next = place;
    }

    /// Event ids of the acts that count, with their places.
    pub(crate) fn places(&self) -> &BTreeMap<EventId, Revision> {
        &self.places
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// Place of the next entry.
    #[must_use]
    pub fn next(&self) -> Revision {
        self.next
    }

    /// Whether the vault has withheld `act` parts of entries that were read. What counts is known all the same, but not where the
    /// chain stands, and only a fold that is begun anew learns what the vault gives later.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// Leaf hash of the last entry that counts.
    #[must_use]
    pub fn head(&self) -> Hash {
        self.head
    }

    /// When the next entry is recorded, by a clock that says `now_ms`: not before the last one that counts, since a clock that
    /// leaps back must not make later look earlier. A clock that was wrong by more than anybody can wait for
    /// ([`RECORDED_AHEAD_MS_MAX`]) does not hold the chain: then the present counts again.
    #[must_use]
    pub fn recorded_next(&self, now_ms: i64) -> i64 {
        let ahead_ms = self.recorded_at.saturating_sub(now_ms);
        if (1..=RECORDED_AHEAD_MS_MAX).contains(&ahead_ms) { self.recorded_at } else { now_ms }
    }

    /// What admission needs to know.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Place of the act with this event id.
    #[must_use]
    pub fn place(&self, event_id: EventId) -> Option<Revision> {
        self.places.get(&event_id).copied()
    }
}

/// One entry of a chain, examined.
#[derive(Debug, Clone)]
pub struct CheckedEntry {
    /// Place in the chain.
    pub revision: Revision,
    /// Place in the log.
    pub order: Order,
    /// Leaf hash.
    pub leaf: Hash,
    /// The leaf's bytes: the entry, or the marker that stands for a record that is none.
    pub entry: Bytes,
    /// The statement, when it can be read.
    pub statement: Option<Statement>,
    /// The desk's word, in milliseconds; 0 when it cannot be read.
    pub recorded_at: i64,
    /// Parts that could be opened.
    pub parts: Vec<OpenedPart>,
    /// Commitments whose parts could not: destroyed, or not for this reader.
    pub withheld: Vec<Commitment>,
    /// Signatures beside the agency's own. They decide nothing about what counts.
    pub extra_signatures: Vec<ExtraSignature>,
    /// The act, when it counts.
    pub outcome: Result<Recorded, Fault>,
}

impl CheckedEntry {
    /// What was found out afterwards about the key of an entry that counts: it keeps counting, and I-21 finds it.
    #[must_use]
    pub fn late_revocation<'r>(&self, registry: &'r Registry) -> Option<&'r Revocation> {
        let statement = self.statement.as_ref().filter(|_| self.outcome.is_ok())?;
        registry.late_revocation(statement.key_id, self.recorded_at)
    }
}

/// One entry with the parts that open.
#[derive(Debug, Clone)]
pub struct ReadEntry {
    /// As it is stored.
    pub stored: Stored,
    /// Its statement.
    pub statement: Statement,
    /// Parts that could be opened.
    pub parts: Vec<OpenedPart>,
    /// Whether the vault has withheld any.
    pub withheld: bool,
}

/// Name of the rule set that a chain is judged by: the one that the first act that counts was recorded under. None for a
/// chain without such an act.
#[must_use]
pub fn rule_set_of(entries: &[CheckedEntry]) -> Option<&str> {
    let first = entries.iter().find(|entry| entry.outcome.is_ok())?;
    first.statement.as_ref().map(|statement| statement.rule_set.as_str())
}

impl<L: Log, V: Vault> Ledger<L, V> {
    /// A ledger over a log and a vault, whose new parts are sealed under AES-256-GCM. Nothing is read yet.
    #[must_use]
    pub fn new(origin: &str, rule_set: &str, log: Arc<L>, vault: Arc<V>, clock: Arc<dyn Clock>) -> Self {
        let registry = RwLock::new(Arc::new(Registry::default()));
        let fold = Fold::new(ChainId::registry(origin));
        let registry_read = tokio::sync::Mutex::new(RegistryRead { fold, shown: Revision::FIRST });
        let (origin, rule_set, cipher) = (origin.to_owned(), rule_set.to_owned(), Cipher::Aes256Gcm);
        Self { origin, rule_set, cipher, log, vault, clock, registry, registry_read }
    }

    /// Whose new parts are sealed under this cipher. What stands opens under the one that it names.
    #[must_use]
    pub fn with_cipher(self, cipher: Cipher) -> Self {
        Self { cipher, ..self }
    }

    /// Identity of the ledger.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Rule set that new acts name.
    #[must_use]
    pub fn rule_set(&self) -> &str {
        &self.rule_set
    }

    /// Cipher that new parts are sealed under.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Arc<L> {
        &self.log
    }

    /// The vault.
    #[must_use]
    pub fn vault(&self) -> &Arc<V> {
        &self.vault
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The registry as last read.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads what has been added to the registry chain since.
    ///
    /// # Errors
    /// The log or the vault is away.
    pub async fn refresh_registry(&self) -> Result<Arc<Registry>, LedgerError> {
        let mut read = self.registry_read.lock().await;
        let RegistryRead { fold, shown } = &mut *read;
        for entry in self.catch_up(fold).await? {
            if let Err(fault) = entry.outcome {
                tracing::error!(revision = %entry.revision, %fault, "an entry of the registry chain does not count");
            }
        }
        let known = self.registry();
        // Comparing two registries walks over every agency and key, and there is seldom anything new.
        if fold.next == std::mem::replace(shown, fold.next) {
            return Ok(known);
        }
        if fold.registry.as_ref().is_none_or(|registry| *registry == *known) {
            return Ok(known);
        }
        let registry = Arc::new(fold.registry.clone().unwrap_or_default());
        *self.registry.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&registry);
        Ok(registry)
    }

    /// The registry that an act is admitted under as the next of a chain. A founding brings its own.
    pub(crate) fn registry_for(&self, fold: &Fold, agency: &str, act: &Act) -> Result<Arc<Registry>, RegistryError> {
        if fold.chain != ChainId::registry(&self.origin) {
            return Ok(self.registry());
        }
        let mut registry = fold.registry.clone().unwrap_or_default();
        if fold.registry.is_none() {
            registry.found(&self.origin, Hash::ZERO, agency, act)?;
        }
        Ok(Arc::new(registry))
    }
}

impl Fold {
    /// Gives an entry that was read with some of its parts its place, or says why it does not count. What this reader
    /// may not see is withheld; the line between what counts and what does not is the same for him.
    ///
    /// The registry must have read what stands before the entry in the log; what it has read beyond does not matter.
    #[must_use]
    pub fn place_disclosed(
        &mut self,
        origin: &str,
        registry: &Registry,
        revision: Revision,
        order: Order,
        entry: Bytes,
        parts: Vec<OpenedPart>,
    ) -> CheckedEntry {
        let opened =
            if is_foreign_leaf(&entry) { Err(Fault::NotARecord) } else { opened_from_parts(origin, &entry, parts) };
        self.place_opened(origin, registry, revision, order, entry, opened)
    }

    /// Passes over an entry of which this reader is shown the leaf hash alone. The next one that he sees may link to it.
    pub fn pass_hidden(&mut self, leaf: Hash) {
        self.next = self.next.next();
        self.hidden.push(leaf);
        (self.blind, self.unseen) = (true, true);
    }

    /// Gives a stored record its place, opening the parts whose keys are given. Of the registry the same holds as above.
    #[must_use]
    pub fn place_record(
        &mut self,
        origin: &str,
        registry: &Registry,
        revision: Revision,
        order: Order,
        record: &Bytes,
        key: &dyn Fn(Hash) -> Option<DataKey>,
    ) -> CheckedEntry {
        let parsed = Record::parse(record);
        let opened = parsed.as_ref().ok_or(Fault::NotARecord).and_then(|record| open_record(origin, record, key));
        self.place_opened(origin, registry, revision, order, leaf_bytes(record), opened)
    }

    /// Gives an entry its place, or says why it does not count.
    fn place_opened(
        &mut self,
        origin: &str,
        registry: &Registry,
        revision: Revision,
        order: Order,
        entry: Bytes,
        opened: Result<Opened, Fault>,
    ) -> CheckedEntry {
        self.next = revision.next();
        let leaf = hash_leaf(&entry);
        let mut checked = CheckedEntry {
            revision,
            order,
            leaf,
            entry,
            statement: None,
            recorded_at: 0,
            parts: Vec::new(),
            withheld: Vec::new(),
            extra_signatures: Vec::new(),
            outcome: Err(Fault::NotARecord),
        };
        let mut opened = match opened {
            Ok(opened) => opened,
            Err(fault) => {
                checked.outcome = Err(fault);
                return checked;
            }
        };
        // A key that the entry itself enrols may sign beside the one that enrols it: that shows that it is held.
        let at = SignedAt { order: order.behind(), recorded_at: opened.entry.recorded_at };
        checked.outcome = self.count(origin, registry, (revision, order), leaf, &mut opened);
        // Beside an entry that does not count nobody bears witness of anything.
        if self.head == leaf {
            let registry = self.registry.as_ref().unwrap_or(registry);
            checked.extra_signatures = extra_signatures(registry, at, &opened.entry, &opened.statement);
        }
        checked.recorded_at = opened.entry.recorded_at;
        checked.statement = Some(opened.statement);
        checked.parts = opened.parts;
        checked.withheld = opened.withheld;
        checked
    }

    /// Takes the entry that was just made as the next of this chain, and found good before, without reading it again.
    /// Afterwards the fold is the same as one that has read it; but for the registry chain, where it stands in for one
    /// only as long as the place of the entry in the log is not known, and has to be forgotten then.
    pub(crate) fn advance(&mut self, origin: &str, leaf: Hash, recorded: &Recorded) -> Result<(), RegistryError> {
        self.next = Revision(recorded.revision).next();
        self.link(leaf);
        self.recorded_at = recorded.recorded_at;
        self.places.insert(recorded.event_id, Revision(recorded.revision));
        if self.chain == ChainId::registry(origin) {
            let order = Order::pending(Revision(recorded.revision));
            match &mut self.registry {
                Some(registry) => registry.apply(&entered(recorded, order))?,
                None => {
                    let registry = self.registry.insert(Registry::default());
                    registry.found(origin, leaf, &recorded.agency, &recorded.act)?;
                }
            }
        }
        self.standing.apply(recorded);
        Ok(())
    }

    fn count(
        &mut self,
        origin: &str,
        registry: &Registry,
        (revision, order): (Revision, Order),
        leaf: Hash,
        opened: &mut Opened,
    ) -> Result<Recorded, Fault> {
        let statement = &opened.statement;
        let at = SignedAt { order, recorded_at: opened.entry.recorded_at };
        self.check_place(origin, revision, statement)?;
        let on_registry = self.chain == ChainId::registry(origin);
        let founds = on_registry && self.registry.is_none();
        if founds {
            let mut founded = Registry::default();
            founded.found(origin, leaf, &statement.agency, &opened.act)?;
            check_signature(&founded, on_registry, at, &opened.entry, statement)?;
            self.registry = Some(founded);
        } else {
            let registry = self.registry.as_ref().unwrap_or(registry);
            if order < self.trusted && !on_registry {
                counting_key(registry, on_registry, at, statement)?;
            } else {
                check_signature(registry, on_registry, at, &opened.entry, statement)?;
            }
        }
        // From here on the entry counts; what follows is about its act.
        self.link(leaf);
        self.recorded_at = opened.entry.recorded_at;
        self.places.insert(statement.event_id, revision);
        if let Some(fault) = &opened.content_fault {
            return Err(fault.clone());
        }
        let is_told = !opened.withheld.iter().any(|commitment| commitment.kind == PartKind::Act);
        let registry = self.registry.as_ref().unwrap_or(registry);
        if is_told {
            registry.check_signer(&statement.agency, statement.key_id, &opened.act)?;
        }
        let recorded = Recorded {
            revision: revision.0,
            event_id: statement.event_id,
            agency: statement.agency.clone(),
            occurred_at: statement.occurred_at,
            recorded_at: opened.entry.recorded_at,
            act: std::mem::take(&mut opened.act),
        };
        let directory = registry.directory();
        let kind = directory.kind(&statement.agency).ok_or(Fault::UnknownAgency)?;
        let caller = Caller { agency: statement.agency.clone(), kind };
        // Admission can be run again only over the whole act. A reader who is shown less knows less of where the chain stands,
        // too, and takes it on trust.
        if opened.withheld.is_empty() {
            let admitted = admit(&caller, &self.standing, directory, statement.occurred_at, &recorded.act);
            admitted.or_else(|refusal| self.excused(refusal)).map_err(Box::new)?;
        } else if !opened.kept_back {
            admit_told(&caller, &self.standing, statement.occurred_at, &recorded.act).map_err(Box::new)?;
        }
        if is_told {
            let is_first = self.standing.is_empty() && !self.unseen;
            registry.check_chain(self.chain, is_first, &recorded.act)?;
        }
        self.unseen |= opened.keeps_facts_back();
        if let Some(registry) = self.registry.as_mut().filter(|_| !founds) {
            registry.apply(&entered(&recorded, order))?;
        }
        if is_told || opened.kept_back {
            self.standing.apply(&recorded);
        } else {
            self.standing.apply_unreadable(recorded.event_id);
        }
        Ok(recorded)
    }

    /// The next entry links to this one.
    fn link(&mut self, leaf: Hash) {
        self.head = leaf;
        self.hidden.clear();
    }

    /// A refusal that what is not shown could have made otherwise is none.
    fn excused(&self, refusal: Refusal) -> Result<(), Refusal> {
        if self.unseen && refusal.depends_on_chain() { Ok(()) } else { Err(refusal) }
    }

    fn check_place(&self, origin: &str, revision: Revision, statement: &Statement) -> Result<(), Fault> {
        if statement.origin != origin {
            return Err(Fault::OtherLedger);
        }
        if statement.chain != self.chain || statement.revision != revision {
            return Err(Fault::OtherPlace);
        }
        if statement.previous != self.head && !self.hidden.contains(&statement.previous) {
            return Err(Fault::BrokenLink { expected: self.head, found: statement.previous });
        }
        if self.places.contains_key(&statement.event_id) {
            return Err(Fault::EventIdReused);
        }
        Ok(())
    }

    /// The registry, when this is its chain.
    #[must_use]
    pub fn registry(&self) -> Option<&Registry> {
        self.registry.as_ref()
    }
}

fn entered(recorded: &Recorded, order: Order) -> Entered<'_> {
    let Recorded { agency, occurred_at, recorded_at, act, .. } = recorded;
    let at = SignedAt { order, recorded_at: *recorded_at };
    Entered { agency, occurred_at: *occurred_at, at, act }
}

/// Whether the agency's key signed. What the act is plays no part: those who may not see it draw the same line.
pub(crate) fn check_signature(
    registry: &Registry,
    on_registry: bool,
    at: SignedAt,
    entry: &Entry,
    statement: &Statement,
) -> Result<(), Fault> {
    let key = counting_key(registry, on_registry, at, statement)?;
    let signature = entry.signatures.iter().find(|signature| signature.key_id == statement.key_id);
    let signed =
        signature.is_some_and(|signature| key.verifies(&pre_authentication(&entry.statement), &signature.value));
    if signed { Ok(()) } else { Err(Fault::BadSignature) }
}

/// The key that the statement names, when it is one by which an entry of the agency counts there and then.
fn counting_key(
    registry: &Registry,
    on_registry: bool,
    at: SignedAt,
    statement: &Statement,
) -> Result<PublicKey, Fault> {
    if registry.directory().agency(&statement.agency).is_none() {
        return Err(Fault::UnknownAgency);
    }
    Ok(registry.key_of(&statement.agency, statement.key_id, on_registry, at)?)
}

#[cfg(test)]
mod tests;
