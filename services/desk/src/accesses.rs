//! Readings, recorded before anything is shown (M-11).
//!
//! ```text
//! readers ─ what they will see ─▶ queue ─ all that wait at once ─ one batch, durable ─▶ each is told that he may be shown it
//! ```
//!
//! `RecordAccessed` goes to the monthly access chain of the reader's agency ([`ChainId::accesses`]), so that reading never moves
//! the chain that is read. It is signed by that agency where its key is held here, else by a governance center whose key is. What
//! was refused is recorded too, later and once for many attempts: whoever asks about chains that are not for him must not be
//! able to fill the log.

mod gathered;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use mediation_domain::{
    admit::Caller,
    calendar::Day,
    history::EventId,
    limits::{LIST_LENGTH_MAX, STRING_BYTES_MAX},
};
use mediation_ledger::{
    chain::ChainId,
    ledger::Ledger,
    limits::APPEND_ATTEMPTS_MAX,
    log::{AppendError, Log},
    recorder::{BatchError, RecordError, Recorder, Request, Submitted},
    vault::Vault,
};
use mediation_proto::mediation::{
    ledger::v1::{Act, Reason, act::Family},
    registry::v1::{AccessDenied, RecordAccessed, RegistryAct, registry_act},
    types::v1::{AccessPurpose, AccessRefusal, ActHeader, Part, Role, StepRef, VisibilityGrade},
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use self::gathered::Gathered;
use crate::{exports::Exports, reading::Reads, status::Refused};

/// Readings that may wait for their record.
const QUEUE_MAX: usize = 4_096;

/// Records after which a batch takes no further reading: some times what comes in while one sync lasts.
const BATCH_MAX: usize = 512;

/// Time for which what streams will show is gathered: a record costs two syncs however many readings it holds, and those who record
/// acts wait for the same disk.
const GATHERED: Duration = Duration::from_millis(100);

/// Time within which what was refused is recorded.
const REFUSALS_EVERY: Duration = Duration::from_secs(10);

/// Refusals that are kept apart until they are recorded; beyond them attempts are told to the trace alone.
const REFUSALS_MAX: usize = 1_024;

/// What a reader will see of some acts of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) grade: VisibilityGrade,
    /// Parts, in their order.
    pub(crate) parts: Vec<Part>,
    /// The acts; empty for the whole chain.
    pub(crate) acts: Vec<EventId>,
    /// Rules that decided, in order.
    pub(crate) rules: Vec<String>,
    /// The approval by which it is seen.
    pub(crate) disclosure: Option<EventId>,
}

/// Who waits for the record of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Somebody who has asked: it is recorded at once.
    Asker,
    /// A stream that goes on: it is recorded with the next that is, or when [`GATHERED`] has passed.
    Stream,
}

/// Records readings.
#[derive(Debug)]
pub(crate) struct Accesses<L, V> {
    recorder: Arc<Recorder<L, V>>,
    exports: Exports,
    /// Where streams are driven, and what they show is recorded.
    background: Option<Handle>,
    /// Of those who ask; made when somebody reads for the first time.
    asked: OnceLock<mpsc::Sender<Ask>>,
    /// Of streams; the same.
    streamed: OnceLock<mpsc::Sender<Ask>>,
}

/// Told when a record is durable.
type Answer = oneshot::Sender<Result<(), Refused>>;

/// Records that somebody waits for.
type Waiting = (Vec<Submitted>, Vec<Answer>);

/// What the task is asked.
#[derive(Debug)]
enum Ask {
    Record(Box<Reading>, Answer),
    Refusal(Box<Refusal>),
    Flush(oneshot::Sender<()>),
}

/// What a reader will see of a chain.
#[derive(Debug)]
struct Reading {
    waits: Waits,
    signer: Caller,
    reads: Reads,
    approval: Option<EventId>,
    chain: ChainId,
    now_ms: i64,
    seen: Vec<Seen>,
}

/// Attempts of the same kind are one refusal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Refusal {
    reads: Reads,
    chain: ChainId,
    ground: Ground,
}

/// Why a chain was not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ground {
    /// It is not for the reader, or does not exist: that cannot be told apart.
    NotForReader,
    /// He may read it, and his agency has exported as much as it may without an approval.
    ExportNeedsApproval,
}

impl Ground {
    fn refusal(self) -> AccessRefusal {
        match self {
            Self::NotForReader => AccessRefusal::NotOnChain,
            Self::ExportNeedsApproval => AccessRefusal::RoleNotEntitled,
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::NotForReader => "M-1",
            Self::ExportNeedsApproval => "EXPORT_NEEDS_APPROVAL",
        }
    }
}

impl<L: Log, V: Vault> Accesses<L, V> {
    /// Records with this recorder, which may be one that signs for nothing else. `exports_max` is how many different chains an
    /// agency may export in a calendar month without an approval. What streams show is recorded in the runtime that is given, else in
    /// the one of who reads.
    pub(crate) fn new(recorder: Arc<Recorder<L, V>>, exports_max: u64, background: Option<Handle>) -> Self {
        let exports = Exports::new(exports_max);
        Self { recorder, exports, background, asked: OnceLock::new(), streamed: OnceLock::new() }
    }

    /// The ledger that is read.
    pub(crate) fn ledger(&self) -> &Ledger<L, V> {
        self.recorder.ledger()
    }

    /// Records a reading, durably. Nothing may be shown before.
    ///
    /// # Errors
    /// No key is held here that may sign it, it could not be recorded, or the agency has exported as much as it may: then nothing
    /// may be shown at all.
    pub(crate) async fn record(&self, reads: &Reads, chain: ChainId, seen: Vec<Seen>) -> Result<(), Refused> {
        self.record_for(Waits::Asker, reads, chain, seen).await
    }

    /// The same, and who waits for it.
    ///
    /// # Errors
    /// As [`Accesses::record`].
    pub(crate) async fn record_for(
        &self,
        waits: Waits,
        reads: &Reads,
        chain: ChainId,
        seen: Vec<Seen>,
    ) -> Result<(), Refused> {
        if seen.is_empty() {
            return Ok(());
        }
        let now_ms = self.ledger().clock().now_ms();
        if reads.purpose != AccessPurpose::Export {
            return self.write(waits, (reads, None), (chain, now_ms), seen).await;
        }
        let day = Day::of(now_ms.div_euclid(1_000));
        let month = self.exports.of(ChainId::accesses(self.ledger().origin(), &reads.agency, &day.month()));
        let mut month = month.lock().await;
        let may = self.exports.may(self.ledger(), &mut month, reads, (chain, day)).await;
        let approval = may.inspect_err(|refused| {
            if refused.reason() == Reason::ExportNeedsApproval {
                self.note(reads, chain, Ground::ExportNeedsApproval);
            }
        })?;
        self.write(waits, (reads, approval), (chain, now_ms), seen).await
    }

    async fn write(
        &self,
        waits: Waits,
        (reads, approval): (&Reads, Option<EventId>),
        (chain, now_ms): (ChainId, i64),
        seen: Vec<Seen>,
    ) -> Result<(), Refused> {
        let signer = signer(&self.recorder, &reads.agency)?;
        let reading = Reading { waits, signer, reads: reads.clone(), approval, chain, now_ms, seen };
        let (answer, answered) = oneshot::channel();
        let asked = self.queue(waits).try_send(Ask::Record(Box::new(reading), answer));
        asked.map_err(|_full| not_recorded(Reason::Overloaded, "the queue of access records is full"))?;
        let gone = || not_recorded(Reason::Internal, "the task that records readings is gone");
        answered.await.unwrap_or_else(|_gone| Err(gone()))
    }

    /// Notes that a chain was not shown, whether it exists or not. It is recorded within some seconds.
    pub(crate) fn refuse(&self, reads: &Reads, chain: ChainId) {
        self.note(reads, chain, Ground::NotForReader);
    }

    fn note(&self, reads: &Reads, chain: ChainId, ground: Ground) {
        let refusal = Refusal { reads: reads.clone(), chain, ground };
        if self.queue(Waits::Asker).try_send(Ask::Refusal(Box::new(refusal))).is_err() {
            tracing::warn!(agency = reads.agency, "a refused reading is not recorded: the queue is full");
        }
    }

    /// Records what was refused until now.
    pub(crate) async fn flush(&self) {
        let Some(queue) = self.asked.get() else { return };
        let (done, flushed) = oneshot::channel();
        if queue.send(Ask::Flush(done)).await.is_ok() {
            // An error says that the task is gone, and with it what it kept.
            drop(flushed.await);
        }
    }

    fn queue(&self, waits: Waits) -> &mpsc::Sender<Ask> {
        let (queue, runtime) = match waits {
            Waits::Asker => (&self.asked, None),
            Waits::Stream => (&self.streamed, self.background.clone()),
        };
        queue.get_or_init(|| {
            let (queue, asks) = mpsc::channel(QUEUE_MAX);
            let task = Task { recorder: Arc::clone(&self.recorder), refusals: BTreeMap::new() };
            runtime.unwrap_or_else(Handle::current).spawn(task.run(asks));
            queue
        })
    }
}

/// Writes what is asked, batch by batch.
struct Task<L, V> {
    recorder: Arc<Recorder<L, V>>,
    /// Attempts since the last record.
    refusals: BTreeMap<Refusal, u64>,
}

impl<L: Log, V: Vault> Task<L, V> {
    async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        let mut tick = tokio::time::interval(REFUSALS_EVERY);
        loop {
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.take(ask, &mut asks).await,
                    None => break,
                },
                _ = tick.tick() => self.record_refusals().await,
            }
        }
        self.record_refusals().await;
    }

    async fn take(&mut self, first: Ask, asks: &mut mpsc::Receiver<Ask>) {
        let (mut gathered, mut flushed) = (Gathered::default(), Vec::new());
        let (until, mut gathers) = (Instant::now() + GATHERED, true);
        let mut next = Some(first);
        while let Some(ask) = next {
            match ask {
                Ask::Record(reading, answer) => {
                    gathers &= reading.waits == Waits::Stream;
                    gathered.add(*reading, answer);
                }
                Ask::Refusal(refusal) => self.note(*refusal),
                Ask::Flush(done) => {
                    gathers = false;
                    flushed.push(done);
                }
            }
            if gathered.records >= BATCH_MAX {
                break;
            }
            next = match asks.try_recv() {
                Ok(ask) => Some(ask),
                Err(_) if gathers && !gathered.readings.is_empty() => {
                    timeout_at(until, asks.recv()).await.ok().flatten()
                }
                Err(_) => None,
            };
        }
        let origin = self.recorder.ledger().origin();
        let waiting = gathered.readings.into_iter().map(|(reading, answers)| (records(origin, reading), answers));
        self.record(waiting.collect()).await;
        if !flushed.is_empty() {
            self.record_refusals().await;
        }
        for done in flushed {
            // Nobody waits any more: that is his affair.
            done.send(()).ok();
        }
    }

    fn note(&mut self, refusal: Refusal) {
        if self.refusals.len() >= REFUSALS_MAX && !self.refusals.contains_key(&refusal) {
            tracing::warn!(agency = refusal.reads.agency, "a refused reading is not recorded: there are too many");
            return;
        }
        *self.refusals.entry(refusal).or_default() += 1;
    }

    /// Records all of them at once; one that is refused is told so, and the others are recorded without it.
    async fn record(&self, mut waiting: Vec<Waiting>) {
        let mut attempts = 0;
        while !waiting.is_empty() {
            let batch: Vec<Submitted> = waiting.iter().flat_map(|(acts, _)| acts.iter().cloned()).collect();
            attempts += 1;
            match self.recorder.record_batch(batch).await {
                Ok(_) => return waiting.into_iter().for_each(|(_, answers)| tell(answers, &|| Ok(()))),
                // Another process has recorded on the same access chain.
                Err(BatchError::Failed(RecordError::Append(AppendError::Conflict { .. })))
                    if attempts < APPEND_ATTEMPTS_MAX => {}
                Err(error) => {
                    let (to_blame, cause) = (error.index(), error.to_string());
                    let reason = Refused::from(error).reason();
                    let refused = || not_recorded(reason, &cause);
                    let Some(to_blame) = to_blame.and_then(|index| place(&waiting, index)) else {
                        return waiting.into_iter().for_each(|(_, answers)| tell(answers, &|| Err(refused())));
                    };
                    let (_, answers) = waiting.remove(to_blame);
                    tell(answers, &|| Err(refused()));
                }
            }
        }
    }

    async fn record_refusals(&mut self) {
        let refusals = std::mem::take(&mut self.refusals);
        let now_ms = self.recorder.ledger().clock().now_ms();
        let mut acts = Vec::with_capacity(refusals.len());
        for (Refusal { reads, chain, ground }, attempts) in refusals {
            match signer(&self.recorder, &reads.agency) {
                Ok(signer) => {
                    let (origin, act) = (self.recorder.ledger().origin(), denied(&reads, (chain, ground), attempts));
                    acts.push(submitted(origin, &signer, &reads.agency, act, now_ms));
                }
                Err(_) => tracing::warn!(agency = reads.agency, "a refused reading is not recorded: no key signs it"),
            }
        }
        if acts.is_empty() {
            return;
        }
        let (answer, answered) = oneshot::channel();
        self.record(vec![(acts, vec![answer])]).await;
        if let Ok(Err(refused)) = answered.await {
            tracing::error!(reason = ?refused.reason(), "refused readings could not be recorded");
        }
    }
}

/// Tells all who wait for a record what has become of it. Who waits no longer: that is his affair.
fn tell(answers: Vec<Answer>, outcome: &dyn Fn() -> Result<(), Refused>) {
    for answer in answers {
        drop(answer.send(outcome()));
    }
}

/// The acts that record a reading.
fn records(origin: &str, reading: Reading) -> Vec<Submitted> {
    let Reading { signer, reads, approval, chain, now_ms, seen, .. } = reading;
    let acts = seen.into_iter().flat_map(|seen| accessed(&reads, approval, chain, seen));
    acts.map(|act| submitted(origin, &signer, &reads.agency, act, now_ms)).collect()
}

/// The one whose acts hold the request at an index.
fn place(waiting: &[Waiting], index: usize) -> Option<usize> {
    let mut end = 0;
    waiting.iter().position(|(acts, _)| {
        end += acts.len();
        index < end
    })
}

/// Who signs the record of a reading.
fn signer<L: Log, V: Vault>(recorder: &Recorder<L, V>, agency: &str) -> Result<Caller, Refused> {
    recorder.stands_in_for(agency).ok_or_else(|| {
        let cause = "neither a key of the reader's agency nor one of a governance center is held here";
        not_recorded(Reason::KeyNotHeld, cause)
    })
}

/// The refusal to show what could not be recorded; it names why the record was refused.
fn not_recorded(why: Reason, cause: &str) -> Refused {
    let why = why.info();
    Refused::new(Reason::ReadingNotRecorded).detail(why.en, why.zh).with("because", why.name).caused_by(cause)
}

/// The records of one grade; more than one when the acts are too many for a list.
fn accessed(reads: &Reads, approval: Option<EventId>, chain: ChainId, seen: Seen) -> Vec<registry_act::Act> {
    let Seen { grade, parts, acts, rules, disclosure } = seen;
    let rule = joined(&rules);
    let record = |acts: &[EventId]| {
        registry_act::Act::RecordAccessed(RecordAccessed {
            reader_agency: Some(reads.agency.clone()),
            reader: Some(reads.reader.clone()),
            reader_role: Some(reads.role.into()),
            chain: Some(chain.to_string()),
            steps: acts.iter().map(step).collect(),
            parts: parts.iter().map(|part| (*part).into()).collect(),
            grade: Some(grade.into()),
            purpose: Some(reads.purpose.into()),
            rule: Some(rule.clone()),
            sensitivity_max: None,
            disclosure: disclosure.as_ref().map(step),
            trial_bench: (reads.role == Role::Judge).then_some(true),
            legal_basis: reads.legal_basis.clone(),
            approval: approval.as_ref().map(step),
        })
    };
    if acts.is_empty() { vec![record(&[])] } else { acts.chunks(LIST_LENGTH_MAX).map(record).collect() }
}

/// That a chain was not shown. Whether it exists it does not say of a chain that is not for the reader: his agency may read this record.
fn denied(reads: &Reads, (chain, ground): (ChainId, Ground), attempts: u64) -> registry_act::Act {
    registry_act::Act::AccessDenied(AccessDenied {
        reader_agency: Some(reads.agency.clone()),
        reader: Some(reads.reader.clone()),
        reader_role: Some(reads.role.into()),
        chain: Some(chain.to_string()),
        steps: Vec::new(),
        refusal: Some(ground.refusal().into()),
        purpose: Some(reads.purpose.into()),
        rule: Some(ground.rule().to_owned()),
        attempts: Some(attempts),
    })
}

fn step(event_id: &EventId) -> StepRef {
    StepRef { event_id: Some(event_id.to_string()) }
}

/// As many of the rules as a field holds.
fn joined(rules: &[String]) -> String {
    let mut text = String::new();
    for rule in rules {
        if text.len() + rule.len() + " …".len() >= STRING_BYTES_MAX {
            text.push_str(" …");
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(rule);
    }
    text
}

/// The request that records an act on the access chain of an agency.
fn submitted(origin: &str, signer: &Caller, agency: &str, act: registry_act::Act, now_ms: i64) -> Submitted {
    let occurred_at = now_ms.div_euclid(1_000);
    let header = ActHeader {
        signer: Some(format!("{}/SYS-1", signer.agency)),
        signer_role: Some(Role::Sys.into()),
        ..ActHeader::default()
    };
    let family = Family::Registry(RegistryAct { act: Some(act) });
    let request = Request {
        chain: ChainId::accesses(origin, agency, &Day::of(occurred_at).month()),
        event_id: EventId(uuid::Uuid::now_v7().into_bytes()),
        expected_revision: None,
        occurred_at,
        act: Act { header: Some(header), family: Some(family) },
    };
    Submitted { caller: signer.clone(), request }
}
