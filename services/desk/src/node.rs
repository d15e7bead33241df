//! What a serving process holds: the recorder, the seals, the rules. Every service shares one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use mediation_domain::{
    admit::Caller,
    calendar::Day,
    directory::Directory,
    history::Recorded,
    judge::Moment,
    visibility::{Reader, Sight, Viewed},
};
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::{Fold, Ledger},
    log::Log,
    merkle::Hash,
    recorder::{Placed, Recorder},
    registry::Registry,
    vault::Vault,
};
use mediation_projections::{model, sealer::Seals, texts::TextsReader, witnesses::Cosigned};
use mediation_proto::{
    DeskInfo,
    derived::DESKS,
    mediation::ledger::v1::{Reading, Reason, Receipt, ReceiptLevel, Seal},
};
use tokio::{runtime::Handle, sync::watch, time::Instant};
use tonic::Request;

use crate::{
    accesses::Accesses,
    caller::{self, Peer},
    chains::Audience,
    denied::{Denials, Denied},
    exports::EXPORTS_PER_MONTH_MAX,
    gate::{Door, Entered},
    mirror::Places,
    quota::{Full, Quota, Quotas},
    reading::Reads,
    relay::Relay,
    status::Refused,
    subscribers::{Subscriber, Subscribers},
    vault::RemoteVault,
    watched::Watched,
};

/// How long an answer waits for its seal, and the witnesses, before it is given as far as it has come.
pub const SEAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What of a ledger a process serves.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Keys of the desks ([`DeskInfo::key`]); all without it.
    pub desks: Option<BTreeSet<String>>,
    /// Agencies that are answered; all without it. What a process of some agencies holds is theirs: it answers no others.
    pub agencies: Option<BTreeSet<String>>,
    /// Chains are shown.
    pub chains: bool,
    /// What each agency may ask of the process; as much as it likes without it.
    pub quota: Option<Quota>,
    /// Different chains that each agency may export in a calendar month without an approval.
    pub exports_max: u64,
    /// Index of the chains, where this process keeps one.
    pub index: Option<model::Reader>,
    /// Index of the texts of acts, where this process keeps one.
    pub texts: Option<TextsReader>,
    /// Where streams are driven, which those who record do not wait for; in the runtime that serves without it.
    pub background: Option<Handle>,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            desks: None,
            agencies: None,
            chains: true,
            quota: None,
            exports_max: EXPORTS_PER_MONTH_MAX,
            index: None,
            texts: None,
            background: None,
        }
    }
}

impl Scope {
    /// Whether the desk of this short name is served.
    pub(crate) fn serves(&self, name: &str) -> bool {
        let key = DESKS.iter().find(|desk| desk.name == name).map(DeskInfo::key);
        key.is_some_and(|key| self.desks.as_ref().is_none_or(|desks| desks.contains(&key)))
    }
}

/// Where it is decided what readers see, and recorded that they read.
#[derive(Debug)]
pub enum Readings<L, V> {
    /// In this process, which holds the vault. The recorder may be one that signs for nothing else.
    Here(Arc<Recorder<L, V>>),
    /// In the process that holds the vault.
    Elsewhere(RemoteVault),
}

/// A serving process.
#[derive(Debug)]
pub struct Node<L, V> {
    recorder: Arc<Recorder<L, V>>,
    accesses: Accesses<L, V>,
    relay: Option<Relay>,
    registries: Registries,
    denials: Denials,
    places: Places,
    watched: Watched,
    subscribers: Subscribers,
    seals: Seals,
    cosigned: Cosigned,
    scope: Scope,
    quotas: Quotas,
    stopping: watch::Sender<bool>,
}

impl<L: Log, V: Vault> Node<L, V> {
    /// A node that records with this recorder and takes proofs from these seals; nobody cosigns its checkpoints.
    #[must_use]
    pub fn new(recorder: Arc<Recorder<L, V>>, seals: Seals) -> Arc<Self> {
        let cosigned = Cosigned::by_nobody(seals.clone());
        Self::with_witnesses(recorder, seals, cosigned)
    }

    /// A node whose checkpoints witnesses cosign.
    #[must_use]
    pub fn with_witnesses(recorder: Arc<Recorder<L, V>>, seals: Seals, cosigned: Cosigned) -> Arc<Self> {
        let readings = Readings::Here(Arc::clone(&recorder));
        Self::within(recorder, readings, seals, cosigned, Scope::default())
    }

    /// A node that serves a part of the ledger.
    #[must_use]
    pub fn within(
        recorder: Arc<Recorder<L, V>>,
        readings: Readings<L, V>,
        seals: Seals,
        cosigned: Cosigned,
        scope: Scope,
    ) -> Arc<Self> {
        let (background, exports_max) = (scope.background.clone(), scope.exports_max);
        let (accesses, relay) = match readings {
            Readings::Here(recorder) => (Accesses::new(recorder, exports_max, background), None),
            Readings::Elsewhere(vault) => {
                (Accesses::new(Arc::clone(&recorder), exports_max, background), Some(Relay::new(vault)))
            }
        };
        let (quotas, stopping) = (Quotas::new(scope.quota), watch::Sender::new(false));
        let (registries, denials) = (Registries::default(), Denials::default());
        let (places, watched, subscribers) = (Places::default(), Watched::default(), Subscribers::default());
        Arc::new(Self {
            recorder,
            accesses,
            relay,
            registries,
            denials,
            places,
            watched,
            subscribers,
            seals,
            cosigned,
            scope,
            quotas,
            stopping,
        })
    }

    /// Records what readers were refused until now: a process that stops keeps nothing back.
    pub async fn flush_refusals(&self) {
        self.accesses.flush().await;
    }

    /// Where some leaves stand in the log.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// The chains that somebody watches.
    pub(crate) fn watched(&self) -> &Watched {
        &self.watched
    }

    /// The streams that are open.
    #[must_use]
    pub fn subscribers(&self) -> &Subscribers {
        &self.subscribers
    }

    /// Who reads one more stream.
    pub(crate) fn subscriber(&self) -> Arc<Subscriber> {
        Arc::new(self.subscribers.open())
    }

    /// The records of readings.
    pub(crate) fn accesses(&self) -> &Accesses<L, V> {
        &self.accesses
    }

    /// The process that shows chains in this one's stead.
    pub(crate) fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }

    /// What it serves.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The recorder.
    #[must_use]
    pub fn recorder(&self) -> &Recorder<L, V> {
        &self.recorder
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger<L, V> {
        self.recorder.ledger()
    }

    /// The seals.
    #[must_use]
    pub fn seals(&self) -> &Seals {
        &self.seals
    }

    /// The cosigned checkpoints.
    #[must_use]
    pub fn cosigned(&self) -> &Cosigned {
        &self.cosigned
    }

    /// Ends every open stream: a server that stops waits for them.
    pub(crate) fn end_streams(&self) {
        self.stopping.send_replace(true);
    }

    /// Resolves when open streams are to end.
    pub(crate) fn streams_end(&self) -> impl Future<Output = ()> + Send + use<L, V> {
        let mut stopping = self.stopping.subscribe();
        async move {
            // An error says that the node is gone; that is an end as well.
            drop(stopping.wait_for(|stopping| *stopping).await);
        }
    }

    /// Where streams are driven.
    pub(crate) fn background(&self) -> Handle {
        self.scope.background.clone().unwrap_or_else(Handle::current)
    }

    /// What the agencies have left of their quotas.
    pub(crate) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Who calls. His request is taken from his agency's quota, unless the gate has done so.
    pub(crate) fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Refused> {
        let caller = caller::caller(request, self.ledger().origin(), self.ledger().registry().directory())?;
        if self.answers(&caller.agency) {
            match request.extensions().get::<Entered>() {
                Some(entered) => entered.arrive(),
                None => self.quotas.take(&caller.agency)?,
            }
            return Ok(caller);
        }
        let agency = caller.agency;
        Err(Refused::new(Reason::WrongDesk).detail(
            format!("`{agency}` is not among the agencies that this process serves"),
            format!("本进程不为 {agency} 提供服务"),
        ))
    }

    /// Whether this process answers an agency.
    fn answers(&self, agency: &str) -> bool {
        self.scope.agencies.as_ref().is_none_or(|agencies| agencies.contains(agency))
    }

    /// Whether a chain is one of the registry, which is open.
    pub(crate) fn is_open(&self, chain: ChainId) -> bool {
        self.registries.holds(self.ledger().origin(), self.ledger().registry().directory(), chain)
    }

    /// For whom a chain is read.
    pub(crate) fn audience(
        &self,
        caller: &Caller,
        chain: ChainId,
        reading: Option<Reading>,
    ) -> Result<Audience, Refused> {
        let registry = self.ledger().registry();
        if self.is_open(chain) {
            return Ok(Audience::Everybody { agency: caller.agency.clone() });
        }
        let now_s = self.ledger().clock().now_ms().div_euclid(1_000);
        Reads::parse(caller, reading, registry.directory(), now_s).map(Audience::Reader)
    }

    /// Looks at a chain with the eyes of a reader: the one place that says as of when it is decided who sees what.
    ///
    /// # Errors
    /// As `see`.
    pub(crate) fn look<T>(
        &self,
        history: &[Recorded],
        registry: &Registry,
        reader: &Reader<'_>,
        see: impl FnOnce(&Sight<'_, '_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let moment = moment(self.ledger().clock().now_ms(), history);
        see(&Viewed::new(history, registry.directory(), moment).by(reader))
    }

    /// Refuses who was told before that there is no such chain, when that still holds.
    pub(crate) async fn not_denied(&self, audience: &Audience, chain: ChainId) -> Result<(), Refused> {
        let Audience::Reader(reads) = audience else { return Ok(()) };
        if !self.is_denied(reads, chain).await? {
            return Ok(());
        }
        self.accesses.refuse(reads, chain);
        Err(Refused::no_chain(chain))
    }

    /// Whether a reader was told before that there is no such chain, and that still holds.
    pub(crate) async fn is_denied(&self, reads: &Reads, chain: ChainId) -> Result<bool, Refused> {
        Ok(self.denials.hold(self.ledger(), chain, &reads.viewer()).await?)
    }

    /// Remembers that a reader may not know of a chain, as it was read.
    pub(crate) fn deny(&self, reads: &Reads, (fold, registry): (&Fold, &Arc<Registry>)) {
        self.denials.remember(self.ledger(), (fold, registry), reads.viewer());
    }

    /// The same for the system of an agency that has recorded nothing on the chain.
    pub(crate) async fn receipt_not_denied(&self, agency: &str, chain: ChainId) -> Result<(), Refused> {
        let holds = self.denials.hold(self.ledger(), chain, &system(agency)).await?;
        if holds { Err(Refused::no_chain(chain)) } else { Ok(()) }
    }

    /// Denies an agency's system the receipts of a chain.
    pub(crate) fn deny_receipt(&self, agency: &str, fold: &Fold) -> Refused {
        self.denials.remember(self.ledger(), (fold, &self.ledger().registry()), system(agency));
        Refused::no_chain(fold.chain())
    }

    /// Whether a reader may know of a chain; refused in the same words whether it does not exist or is not for him. A chain
    /// that could not be seen whole is for nobody: what could not be seen may restrict it.
    pub(crate) fn may_know(
        &self,
        reads: &Reads,
        (fold, registry): (&Fold, &Arc<Registry>),
        sight: &Sight<'_, '_>,
    ) -> Result<(), Refused> {
        if sight.is_known() && !fold.is_blind() {
            return Ok(());
        }
        if !fold.is_blind() {
            self.deny(reads, (fold, registry));
        }
        self.accesses.refuse(reads, fold.chain());
        Err(Refused::no_chain(fold.chain()))
    }

    /// The receipt of a placed act, as far as was asked for, or as far as it has come by the time-out.
    pub(crate) async fn receipt(&self, placed: Placed, wait: ReceiptLevel) -> Receipt {
        let (chain, revision, until) = (placed.chain, placed.revision, Instant::now() + SEAL_TIMEOUT);
        let seal = match wait {
            ReceiptLevel::Accepted => None,
            ReceiptLevel::Unspecified | ReceiptLevel::Sealed | ReceiptLevel::Witnessed => {
                self.seals.wait(chain, revision, SEAL_TIMEOUT).await
            }
        };
        if wait == ReceiptLevel::Witnessed && seal.is_some() {
            let rest = until.saturating_duration_since(Instant::now());
            let witnessed = self.cosigned.wait(chain, revision, rest).await;
            if witnessed.is_some() {
                let receipt = self.receipt_with(placed, witnessed);
                return Receipt { level: ReceiptLevel::Witnessed.into(), ..receipt };
            }
        }
        self.receipt_with(placed, seal)
    }

    pub(crate) fn receipt_with(&self, placed: Placed, seal: Option<Seal>) -> Receipt {
        let Placed { chain, event_id, revision: Revision(revision), leaf: Hash(leaf), entry } = placed;
        let level = if seal.is_some() { ReceiptLevel::Sealed } else { ReceiptLevel::Accepted };
        Receipt {
            chain_id: ChainId::to_string(&chain),
            event_id: event_id.to_string(),
            revision,
            leaf_hash: leaf.to_vec().into(),
            entry,
            level: level.into(),
            seal,
        }
    }
}

impl<L: Log, V: Vault> Door for Node<L, V> {
    fn enter<'p>(&self, peer: &'p Peer) -> Option<(&'p str, Result<Entered, Full>)> {
        let agency = peer.agency(self.ledger().origin()).filter(|agency| self.answers(agency))?;
        self.ledger().registry().directory().kind(agency)?;
        Some((agency, self.quotas.enter(agency).map(Entered::new)))
    }

    fn refused(&self, full: Full, agency: &str) -> Refused {
        self.quotas.refused(full, agency)
    }
}

/// Registry chains, which are open: that of the ledger, and one of each agency.
#[derive(Debug, Default)]
struct Registries(RwLock<BTreeMap<String, ChainId>>);

impl Registries {
    fn holds(&self, origin: &str, directory: &Directory, chain: ChainId) -> bool {
        let agencies = directory.iter().count();
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.len() == agencies {
            return chain == ChainId::registry(origin) || known.values().any(|own| *own == chain);
        }
        drop(known);
        let own = |agency: &str| (agency.to_owned(), ChainId::agency_registry(origin, agency));
        let all: BTreeMap<String, ChainId> = directory.iter().map(|(agency, _)| own(agency)).collect();
        let holds = chain == ChainId::registry(origin) || all.values().any(|own| *own == chain);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
        holds
    }
}

/// The moment as of which it is decided who sees what: the end of today, or later where acts are dated ahead.
fn moment(now_ms: i64, history: &[Recorded]) -> Moment {
    let today = Moment::end_of(Day::of(now_ms.div_euclid(1_000)));
    let last = history.iter().map(|recorded| recorded.occurred_at).max();
    Moment { as_of: last.map_or(today.as_of, |last| today.as_of.max(last)), ..today }
}

/// The system of an agency, which asks for receipts.
fn system(agency: &str) -> Denied {
    Denied { agency: agency.to_owned(), role: None, subject: None, grid: None }
}

/// Id of a request, by which its trace is found.
#[must_use]
pub fn request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
