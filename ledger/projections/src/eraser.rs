//! The eraser (删除执行): carries out orders to erase, once each.
//!
//! ```text
//! log.follow ─ chains with orders ─ fold ─ in force? hindered? ─ digests ─▶ journal, durable
//!                                                                         ─▶ vault.destroy, durable
//!                                                                         ─▶ ErasureExecuted
//! ```
//!
//! A crash after the journal leaves an order that is in force and begun: it is gone on with, since destroying a key again is
//! none. A crash after the keys leaves it the same. The act has one event id, whoever records it.
//!
//! The journal lies in clear, outside the vault: a vault that was copied back from before an erasure cannot open the act
//! that tells of it, and what the journal names is destroyed in it again before anything is served.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    io,
    sync::Arc,
    time::Duration,
};

use mediation_domain::{
    admit::Caller,
    calendar::Day,
    erasure::{BACKUP_DAYS_MAX, Erasures, Hindrance, Hold, Order, State},
    history::EventId,
};
use mediation_ledger::{
    chain::ChainId,
    entry::Entry,
    erasure::{event_id, reached},
    ledger::{CheckedEntry, Fold, LedgerError},
    log::{Followed, Follower as _, Log, ReadError},
    merkle::Hash,
    record::Record,
    recorder::{RecordError, Recorder, Request},
    vault::{Vault, VaultError},
};
use mediation_proto::mediation::{
    ledger::v1::{Act, act::Family},
    registry::v1::{ErasureExecuted, RegistryAct, registry_act},
    types::v1::{ActHeader, DigestAlgorithm, Document, ErasureMeasure, Role, Sensitivity, StepRef},
};
use tokio::time::Instant;

/// Time after which the eraser looks again at what has become possible.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Times as long as it has read that the eraser rests while it goes through what was recorded before it started, so that desks have
/// the machine to themselves; orders wait meanwhile, and what they close is hidden all the same.
const REST_FACTOR: u32 = 4;

/// Longest of these rests.
const REST_MAX: Duration = Duration::from_secs(1);

/// Rest after a fault.
const FAULT_REST: Duration = Duration::from_secs(10);

/// Age of a record beyond which others may follow it that were not read yet, in milliseconds.
const BEHIND_MS: i64 = 5_000;

/// Keys that one act names.
const KEYS_MAX: usize = 500;

/// What is about to be destroyed, kept outside the vault.
pub trait Journal: Send + Sync + Debug {
    /// Notes parts of a chain whose keys an order destroys. MUST be durable when it returns.
    ///
    /// # Errors
    /// It could not be written.
    fn note(&self, chain: ChainId, order: EventId, digests: &BTreeSet<Hash>) -> io::Result<()>;

    /// What was noted for an order.
    fn noted(&self, chain: ChainId, order: EventId) -> BTreeSet<Hash>;
}

/// Carries out orders, for the agencies whose keys its recorder holds.
#[derive(Debug)]
pub struct Eraser<L: Log, V> {
    erasing: Erasing<L, V>,
    follower: L::Follower,
    /// Chains with orders that are not carried out, or holds, to be looked at.
    marked: BTreeSet<ChainId>,
    /// Chains that wait for a day.
    waiting: BTreeSet<ChainId>,
    day: Option<Day>,
    /// What was read last was recorded long ago, and when it was read: more may follow at once.
    behind: bool,
    moved: Instant,
    /// The log is damaged where it would read on.
    is_blind: bool,
}

/// What carries out the orders of one chain.
#[derive(Debug)]
pub struct Erasing<L, V> {
    recorder: Arc<Recorder<L, V>>,
    journal: Arc<dyn Journal>,
    /// Holds, by the chain on which they stand.
    holds: BTreeMap<ChainId, Vec<Hold>>,
}

/// An order of a chain, and what is to be done about it.
#[derive(Debug)]
pub struct Planned {
    /// The order.
    pub order: Order,
    /// Parts whose keys it destroys, or what stands against it.
    pub parts: Result<BTreeSet<Hash>, Hindrance>,
    /// Leaf hash of the order.
    leaf: Hash,
    /// Acts that say so stand already.
    told: bool,
}

impl<L: Log, V: Vault> Eraser<L, V> {
    /// Starts from the beginning of the log.
    ///
    /// # Errors
    /// The log cannot be followed.
    pub async fn start(recorder: Arc<Recorder<L, V>>, journal: Arc<dyn Journal>) -> Result<Self, ReadError> {
        let follower = recorder.ledger().log().follow(None).await?;
        let erasing = Erasing::new(recorder, journal);
        let (marked, waiting) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { erasing, follower, marked, waiting, day: None, behind: true, moved: Instant::now(), is_blind: false })
    }

    /// Carries out what is ordered until told to stop. What fails is tried again; nothing is shown meanwhile.
    ///
    /// # Errors
    /// The log cannot be followed.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) -> Result<(), ReadError> {
        tokio::pin!(stop);
        let rest = tokio::time::sleep(LOOK_EVERY);
        tokio::pin!(rest);
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                batch = self.follower.next(), if !self.is_blind => match batch {
                    // Every other chain is served on. Orders that were not read are carried out once the log is mended.
                    Err(ReadError::Damaged { place }) => {
                        tracing::error!(place, "the eraser reads the log no further: stored bytes are damaged");
                        self.is_blind = true;
                    }
                    batch => self.mark(&batch?).await,
                },
                () = &mut rest => {
                    let next = tokio::select! {
                        // Between any two steps of it the next start goes on.
                        () = &mut stop => return Ok(()),
                        next = self.round() => next,
                    };
                    rest.as_mut().reset(Instant::now() + next);
                }
            }
        }
    }

    async fn mark(&mut self, batch: &[Followed]) {
        let began = Instant::now();
        for followed in batch {
            let chain = followed.stored.chain;
            // A record that cannot be looked at now may be about an erasure.
            let event = self.erasing.recorder.ledger().event(&followed.stored).await;
            if event.map_or(true, |event| event.is_some_and(|event| ABOUT.contains(&event))) {
                self.marked.insert(chain);
            }
        }
        let last = batch.last().and_then(|followed| Record::parse(&followed.stored.record));
        let recorded_at = last.and_then(|record| Entry::parse(&record.entry).ok()).map(|entry| entry.recorded_at);
        let now_ms = self.erasing.recorder.ledger().clock().now_ms();
        self.behind = recorded_at.is_some_and(|recorded_at| recorded_at < now_ms - BEHIND_MS);
        if self.behind {
            tokio::time::sleep((began.elapsed() * REST_FACTOR).min(REST_MAX)).await;
        }
        self.moved = Instant::now();
    }

    async fn round(&mut self) -> Duration {
        // A hold may stand in what was not read yet.
        if self.behind && self.moved.elapsed() < LOOK_EVERY {
            return LOOK_EVERY;
        }
        let today = self.erasing.today();
        if self.day.replace(today) != Some(today) {
            self.marked.append(&mut self.waiting);
        }
        let marked = std::mem::take(&mut self.marked);
        // All holds are known before anything is destroyed.
        let mut faulty = BTreeSet::new();
        for chain in &marked {
            if let Err(error) = self.erasing.look(*chain).await {
                tracing::warn!(%chain, %error, "a chain with an order to erase cannot be read; trying again");
                faulty.insert(*chain);
            }
        }
        if !faulty.is_empty() {
            self.marked.extend(marked);
            return FAULT_REST;
        }
        for chain in marked {
            match self.erasing.carry_out(chain).await {
                Ok(waits) => drop(waits.then(|| self.waiting.insert(chain))),
                Err(error) => {
                    tracing::warn!(%chain, %error, "an order to erase cannot be carried out; trying again");
                    faulty.insert(chain);
                }
            }
        }
        let rest = if faulty.is_empty() { LOOK_EVERY } else { FAULT_REST };
        self.marked.append(&mut faulty);
        rest
    }
}

impl<L: Log, V: Vault> Erasing<L, V> {
    /// Knows no hold yet.
    #[must_use]
    pub fn new(recorder: Arc<Recorder<L, V>>, journal: Arc<dyn Journal>) -> Self {
        Self { recorder, journal, holds: BTreeMap::new() }
    }

    /// Takes note of the holds on a chain, which may cover chains on which they do not stand.
    ///
    /// # Errors
    /// The log or the vault is away.
    pub async fn look(&mut self, chain: ChainId) -> Result<(), EraseError> {
        let (erasures, _) = self.read(chain).await?;
        self.holds.insert(chain, erasures.holds().to_vec());
        Ok(())
    }

    async fn read(&self, chain: ChainId) -> Result<(Erasures, Vec<CheckedEntry>), EraseError> {
        let mut fold = Fold::new(chain);
        let entries = self.recorder.ledger().catch_up(&mut fold).await?;
        Ok((fold.standing().erasures().clone(), entries))
    }

    /// What is to be done about each order to erase on a chain.
    ///
    /// # Errors
    /// The chain cannot be read.
    pub async fn plan(&self, chain: ChainId) -> Result<Vec<Planned>, EraseError> {
        let (erasures, entries) = self.read(chain).await?;
        let text = chain.to_string();
        let elsewhere = || self.holds.iter().filter(|(at, _)| **at != chain).flat_map(|(_, holds)| holds);
        let mut planned = Vec::new();
        for order in erasures.orders().filter(|order| order.measure == ErasureMeasure::Erase) {
            let begun = self.journal.noted(chain, order.id);
            let is_begun = !begun.is_empty() || order.state() == State::Executed;
            let may = if is_begun { Ok(()) } else { erasures.may_execute(order, &text, elsewhere(), self.today()) };
            // What is gone already does not open any more: the journal and the acts name it.
            let gone = order.destroyed().filter_map(|digest| Some(Hash(hex::decode(digest).ok()?.try_into().ok()?)));
            let parts: Result<BTreeSet<Hash>, Hindrance> =
                may.map(|()| gone.chain(begun).chain(reached(&erasures, order, &entries)).collect());
            let of_order = |entry: &&CheckedEntry| entry.revision.0 == order.revision;
            let leaf = entries.iter().find(of_order).map_or(Hash::ZERO, |entry| entry.leaf);
            let is_told = |digest: &Hash| order.has_destroyed(&digest.to_string());
            let told = parts.iter().flatten().all(is_told);
            planned.push(Planned { order: order.clone(), parts, leaf, told });
        }
        Ok(planned)
    }

    /// Carries out the orders of a chain. Says whether one waits for a day.
    ///
    /// # Errors
    /// The log, the vault or the journal is away; nothing is half done that the next call does not go on with.
    pub async fn carry_out(&self, chain: ChainId) -> Result<bool, EraseError> {
        let mut waits = false;
        for planned in self.plan(chain).await? {
            let Planned { order, parts, .. } = &planned;
            match parts {
                Ok(parts) if parts.is_empty() => {
                    tracing::info!(%chain, order = %order.id, "an order to erase reaches nothing that is there");
                }
                Ok(parts) => {
                    let noted = self.journal.noted(chain, order.id);
                    let missing: BTreeSet<Hash> = parts.difference(&noted).copied().collect();
                    if !missing.is_empty() {
                        self.journal.note(chain, order.id, &missing).map_err(EraseError::Journal)?;
                    }
                    let digests: Vec<Hash> = parts.iter().copied().collect();
                    let destroyed = self.recorder.ledger().vault().destroy(chain, &digests).await?;
                    if !planned.told {
                        self.tell(chain, &planned, &digests).await?;
                        tracing::info!(%chain, order = %order.id, destroyed, "an order to erase is carried out");
                    }
                }
                Err(Hindrance::Held { .. } | Hindrance::Kept { .. }) => waits = true,
                Err(Hindrance::NotCountersigned | Hindrance::NotInForce) => {}
            }
        }
        Ok(waits)
    }

    /// Records that the keys are gone.
    async fn tell(&self, chain: ChainId, planned: &Planned, digests: &[Hash]) -> Result<(), EraseError> {
        let (ledger, order) = (self.recorder.ledger(), &planned.order);
        let caller = self.recorder.stands_in_for(&order.agency).ok_or(EraseError::NoKey)?;
        let occurred_at = ledger.clock().now_ms().div_euclid(1_000);
        for (number, keys) in (0..).zip(digests.chunks(KEYS_MAX)) {
            let request = Request {
                chain,
                event_id: event_id(ledger.origin(), chain, order.id, number),
                expected_revision: None,
                occurred_at,
                act: executed(&caller, planned, keys, Day::of(occurred_at)),
            };
            match self.recorder.record(&caller, &request).await {
                Ok(_) => {}
                // Another eraser has recorded it.
                Err(RecordError::EventIdReused { .. } | RecordError::EventIdTaken) => {}
                Err(error) => return Err(EraseError::Record(Box::new(error))),
            }
        }
        Ok(())
    }

    fn today(&self) -> Day {
        Day::of(self.recorder.ledger().clock().now_ms().div_euclid(1_000))
    }
}

/// The act that says that keys are gone. Its proof is the entry of the order itself.
fn executed(caller: &Caller, planned: &Planned, keys: &[Hash], today: Day) -> Act {
    let Order { id, scope, basis, legal_basis, subject, .. } = &planned.order;
    let header = ActHeader {
        signer: Some(format!("{}/SYS-1", caller.agency)),
        signer_role: Some(Role::Sys.into()),
        ..ActHeader::default()
    };
    let proof = Document {
        kind: Some("删除决定（账本条目）".to_owned()),
        digest_algorithm: Some(DigestAlgorithm::Sha256.into()),
        digest: Some(planned.leaf.to_string()),
        sensitivity: Some(Sensitivity::S1.into()),
        ..Document::default()
    };
    let act = ErasureExecuted {
        scope: Some((*scope).into()),
        basis: Some((*basis).into()),
        legal_basis: Some(legal_basis.clone()),
        keys: keys.iter().map(ToString::to_string).collect(),
        subject: subject.clone(),
        chains: Vec::new(),
        order: Some(StepRef { event_id: Some(id.to_string()) }),
        retention_proof: Some(proof),
        backups_expire_on: Some(today.plus(i64::from(BACKUP_DAYS_MAX)).to_string()),
    };
    let family = Family::Registry(RegistryAct { act: Some(registry_act::Act::ErasureExecuted(act)) });
    Act { header: Some(header), family: Some(family) }
}

/// Event of the act that places a hold.
pub const HELD: &str = "LegalHoldPlaced";

/// Acts after which there may be something to do.
const ABOUT: [&str; 5] = ["ErasureOrdered", "ErasureCountersigned", "ErasureExecuted", HELD, "DisputeClosed"];

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// The chain cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The vault did not destroy the keys.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The journal could not be written.
    #[error("the journal of erasures cannot be written")]
    Journal(#[source] io::Error),
    /// No key is held here that may sign the act.
    #[error("neither a key of the agency that ordered nor one of a governance center is held here")]
    NoKey,
    /// The act was not recorded.
    #[error(transparent)]
    Record(Box<RecordError>),
}

#[cfg(test)]
mod tests;
