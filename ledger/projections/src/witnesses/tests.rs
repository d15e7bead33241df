//! The collector over a log in memory and witnesses that are functions.

use std::{collections::BTreeMap, sync::Mutex};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::Log as _,
    memory::MemoryLog,
    note::SignatureType,
    store::{CheckpointStore, StoredCheckpoints},
    witness::Submission,
};
use tokio::{sync::oneshot, task::JoinHandle};

use super::*;
use crate::sealer::{LogSigner, Sealer};

const ORIGIN: &str = "test.example/log";
const TIME: u64 = 1_760_000_000;
const OPTIONS: Options =
    Options { grace: Duration::from_secs(1), timeout: Duration::from_secs(3), lag_limit: Duration::from_secs(30) };

fn log_signer() -> LogSigner {
    LogSigner::new(ORIGIN.parse().unwrap(), vec![SigningKey::from_bytes(&[7; 32])])
}

fn witness_key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[100 + number; 32])
}

fn witness_name(number: u8) -> KeyName {
    format!("w{number}.example").parse().unwrap()
}

/// Seven witnesses, of which five make the quorum.
fn policy() -> Policy {
    let [log] = <[_; 1]>::try_from(log_signer().verifiers().unwrap()).unwrap();
    let witnesses = (1..=7).map(|number| {
        let key = witness_key(number).verifying_key();
        let key = VerifierKey::new(witness_name(number), SignatureType::CosignatureV1, key).unwrap();
        format!("witness w{number} {key} {number}\n")
    });
    let witnesses: String = witnesses.collect();
    format!("log {log}\n{witnesses}group five 5 w1 w2 w3 w4 w5 w6 w7\nquorum five\n").parse().unwrap()
}

/// How a witness behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Good,
    Down,
    /// Answers after so many milliseconds.
    Slow(u64),
    /// Answers with the signature of witness 1.
    Liar,
}

#[derive(Debug)]
struct FakeWitnesses {
    manners: Mutex<BTreeMap<u8, Manner>>,
    last: Mutex<BTreeMap<u8, Checkpoint>>,
}

impl FakeWitnesses {
    fn good() -> Arc<Self> {
        let manners = (1..=7).map(|number| (number, Manner::Good)).collect();
        Arc::new(Self { manners: Mutex::new(manners), last: Mutex::default() })
    }

    fn set(&self, numbers: impl IntoIterator<Item = u8>, manner: Manner) {
        self.manners.lock().unwrap().extend(numbers.into_iter().map(|number| (number, manner)));
    }

    /// The rule of the witness, with the last checkpoint of the one with this number.
    fn answer(&self, number: u8, signer: u8, body: &str) -> (u16, Vec<u8>) {
        let decide = |last: &mut BTreeMap<u8, Checkpoint>| {
            let submission = Submission::read(body.as_bytes(), &log_signer().verifiers().unwrap())?;
            submission.check(last.get(&number))?;
            last.insert(number, submission.checkpoint().clone());
            let note = submission.cosigned(&witness_name(signer), &witness_key(signer), TIME).unwrap();
            Ok(format!("{}\n", note.signatures().last().unwrap()))
        };
        match decide(&mut self.last.lock().unwrap()) {
            Ok(line) => (200, line.into_bytes()),
            Err(rejection) => {
                let rejection: mediation_ledger::witness::Rejection = rejection;
                (rejection.status(), rejection.body().1.into_bytes())
            }
        }
    }
}

impl Courier for FakeWitnesses {
    async fn post(&self, url: &str, body: String, timeout: Duration) -> Result<(u16, Vec<u8>), String> {
        let number: u8 = url.strip_suffix("/add-checkpoint").unwrap().parse().unwrap();
        let manner = self.manners.lock().unwrap().get(&number).copied().unwrap();
        match manner {
            Manner::Good => Ok(self.answer(number, number, &body)),
            Manner::Down => Err("refused".to_owned()),
            Manner::Liar => Ok(self.answer(number, 1, &body)),
            Manner::Slow(ms) => {
                let wait = Duration::from_millis(ms);
                tokio::time::sleep(wait.min(timeout)).await;
                if wait < timeout { Ok(self.answer(number, number, &body)) } else { Err("too slow".to_owned()) }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Kept {
    note: Mutex<Option<String>>,
    fails: Mutex<bool>,
}

impl WitnessedStore for Kept {
    fn load(&self) -> io::Result<Option<String>> {
        Ok(self.note.lock().unwrap().clone())
    }

    fn store(&self, note: &str) -> io::Result<()> {
        if *self.fails.lock().unwrap() {
            return Err(io::Error::other("no space"));
        }
        *self.note.lock().unwrap() = Some(note.to_owned());
        Ok(())
    }
}

#[derive(Debug)]
struct NoStore;

impl CheckpointStore for NoStore {
    fn load(&self) -> io::Result<StoredCheckpoints> {
        Ok(StoredCheckpoints::default())
    }

    fn store(&self, _note: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

struct Running {
    log: MemoryLog,
    seals: Seals,
    cosigned: Cosigned,
    kept: Arc<Kept>,
    size: u64,
    _stop: oneshot::Sender<()>,
    tasks: (JoinHandle<()>, JoinHandle<()>),
}

impl Running {
    async fn start(witnesses: &Arc<FakeWitnesses>) -> Self {
        let (log, kept) = (MemoryLog::new(), Arc::new(Kept::default()));
        let (sealer, seals) = Sealer::start(&log, log_signer(), Arc::new(NoStore)).await.unwrap();
        let sealer = tokio::spawn(async { sealer.run(std::future::pending()).await.unwrap() });
        let store: Arc<dyn WitnessedStore> = Arc::<Kept>::clone(&kept);
        let keys = log_signer().verifiers().unwrap();
        let (collector, cosigned) =
            Witnesses::new(policy(), &keys, seals.clone(), witnesses, store, None, OPTIONS).unwrap();
        let (stop, stopped) = oneshot::channel();
        let collector = tokio::spawn(async { collector.run(async { drop(stopped.await) }).await.unwrap() });
        Self { log, seals, cosigned, kept, size: 0, _stop: stop, tasks: (sealer, collector) }
    }

    /// Appends and waits for the seal: as long as intake takes.
    async fn append(&mut self, text: &str) {
        let entry = Bytes::copy_from_slice(text.as_bytes());
        let record = mediation_ledger::record::Record { entry, parts: Vec::new() }.to_bytes();
        self.log.append(ChainId([1; 16]), Revision(self.size), record).await.unwrap();
        self.size += 1;
        self.seals.reached(TreeSize(self.size)).await;
    }

    async fn witnessed(&self, within: Duration) -> Option<TreeSize> {
        let seal = self.cosigned.wait(ChainId([1; 16]), Revision(self.size - 1), within).await;
        seal.and_then(|_| self.cosigned.witnessed().map(|(size, _)| size))
    }

    fn verified(&self, note: &str) -> SignedCheckpoint {
        let note = Note::parse(note.as_bytes()).unwrap();
        SignedCheckpoint::verify(note, &ORIGIN.parse().unwrap(), &policy().keys()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.0.abort();
        self.tasks.1.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_all_have_cosigned_is_published_and_stored() {
    let mut running = Running::start(&FakeWitnesses::good()).await;
    for round in 1..=3 {
        running.append("act").await;
        assert_eq!(running.witnessed(OPTIONS.grace).await, Some(TreeSize(round)));
    }
    let (_, note) = running.cosigned.witnessed().unwrap();
    assert_eq!(running.verified(&note).cosignatures.len(), 7);
    assert_eq!(running.cosigned.checkpoint().as_ref(), Some(&note));
    assert_eq!(running.kept.load().unwrap(), Some(note));
    for row in running.cosigned.rows() {
        assert_eq!((row.cosigned, row.checkpoints_behind, row.trouble), (Some((TreeSize(3), TIME)), 0, None));
    }
}

#[tokio::test(start_paused = true)]
async fn two_of_seven_may_be_down_and_a_witness_that_comes_back_catches_up() {
    let witnesses = FakeWitnesses::good();
    let mut running = Running::start(&witnesses).await;
    running.append("act").await;
    assert_eq!(running.witnessed(OPTIONS.grace).await, Some(TreeSize(1)));
    witnesses.set([2, 6], Manner::Down);
    running.append("act").await;
    assert_eq!(running.witnessed(OPTIONS.grace).await, Some(TreeSize(2)));
    let (_, note) = running.cosigned.witnessed().unwrap();
    assert_eq!(running.verified(&note).cosignatures.len(), 5);
    tokio::time::sleep(OPTIONS.lag_limit * 2).await;
    let lagging = |running: &Running| {
        running.cosigned.rows().iter().filter(|row| row.is_lagging).map(|row| row.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(lagging(&running), [witness_name(2), witness_name(6)]);
    let row = running.cosigned.rows().into_iter().find(|row| row.name == witness_name(2)).unwrap();
    assert_eq!((row.checkpoints_behind, row.seconds_behind >= 59), (1, true), "{row:?}");
    assert_eq!(row.trouble.as_deref(), Some("no answer: refused"));
    witnesses.set([2, 6], Manner::Good);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(lagging(&running), []);
    running.append("act").await;
    assert_eq!(running.witnessed(OPTIONS.grace).await, Some(TreeSize(3)));
}

#[tokio::test(start_paused = true)]
async fn with_four_down_nothing_is_witnessed_and_sealing_goes_on() {
    let witnesses = FakeWitnesses::good();
    let mut running = Running::start(&witnesses).await;
    running.append("act").await;
    assert_eq!(running.witnessed(OPTIONS.grace).await, Some(TreeSize(1)));
    witnesses.set([1, 2, 3, 4], Manner::Down);
    for _ in 0..50 {
        running.append("act").await;
    }
    assert_eq!(running.witnessed(Duration::from_secs(10)).await, None);
    assert_eq!(running.cosigned.witnessed().map(|(size, _)| size), Some(TreeSize(1)), "the last one stays");
    assert_eq!(running.seals.size(), TreeSize(51));
    let newest = running.verified(&running.cosigned.checkpoint().unwrap());
    assert_eq!((newest.checkpoint.size, newest.cosignatures.len()), (TreeSize(51), 3));
    witnesses.set([1, 2, 3, 4], Manner::Good);
    assert_eq!(running.witnessed(Duration::from_secs(60)).await, Some(TreeSize(51)), "by those who come back");
}

#[tokio::test(start_paused = true)]
async fn a_slow_witness_holds_up_nobody_and_its_late_word_counts() {
    let witnesses = FakeWitnesses::good();
    witnesses.set([1, 2, 3], Manner::Slow(1_700));
    let mut running = Running::start(&witnesses).await;
    running.append("act").await;
    assert_eq!(running.witnessed(Duration::from_millis(1_500)).await, None);
    let early = running.verified(&running.cosigned.checkpoint().unwrap());
    assert_eq!(early.cosignatures.len(), 4, "published after the grace with those that came");
    running.append("act").await;
    assert_eq!(
        running.cosigned.wait(ChainId([1; 16]), Revision(0), Duration::from_millis(500)).await.map(|_| ()),
        Some(())
    );
    assert_eq!(
        running.cosigned.witnessed().map(|(size, _)| size),
        Some(TreeSize(1)),
        "the first round, by its late words"
    );
    assert_eq!(running.witnessed(Duration::from_secs(4)).await, Some(TreeSize(2)));
}

#[tokio::test(start_paused = true)]
async fn a_witness_that_hangs_costs_one_grace_and_no_more() {
    let witnesses = FakeWitnesses::good();
    witnesses.set([5], Manner::Slow(1_000_000));
    let mut running = Running::start(&witnesses).await;
    running.append("act").await;
    tokio::time::sleep(OPTIONS.timeout * 2).await;
    let begun = Instant::now();
    running.append("act").await;
    assert_eq!(running.witnessed(OPTIONS.grace).await, Some(TreeSize(2)));
    assert!(begun.elapsed() < OPTIONS.grace / 2, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_signature_of_another_is_not_a_witnesses_own() {
    let witnesses = FakeWitnesses::good();
    witnesses.set([2, 3, 4], Manner::Liar);
    let mut running = Running::start(&witnesses).await;
    running.append("act").await;
    assert_eq!(running.witnessed(Duration::from_secs(10)).await, None);
    let row = running.cosigned.rows().into_iter().find(|row| row.name == witness_name(3)).unwrap();
    assert_eq!(row.trouble.as_deref(), Some("the answer is no cosignature: no trusted key has signed"));
}

#[tokio::test(start_paused = true)]
async fn two_histories_of_one_log_get_no_second_cosignature() {
    let witnesses = FakeWitnesses::good();
    let mut first = Running::start(&witnesses).await;
    first.append("act").await;
    first.append("one act").await;
    assert_eq!(first.witnessed(OPTIONS.grace).await, Some(TreeSize(2)));
    drop(first);
    let seen = witnesses.last.lock().unwrap().clone();
    let mut second = Running::start(&witnesses).await;
    second.append("act").await;
    assert_eq!(second.witnessed(Duration::from_secs(5)).await, None);
    let ahead =
        "it has cosigned a tree of 2 leaves, more than this log has: this log was rolled back, or there are two";
    assert!(second.cosigned.rows().iter().all(|row| row.trouble.as_deref() == Some(ahead)));
    second.append("another act").await;
    second.append("and one more").await;
    assert_eq!(second.witnessed(Duration::from_secs(60)).await, None);
    assert!(
        second.cosigned.rows().iter().all(|row| row.trouble.as_ref().is_some_and(|text| text.contains("status 422")))
    );
    assert_eq!(*witnesses.last.lock().unwrap(), seen);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_not_shown_as_witnessed() {
    let mut running = Running::start(&FakeWitnesses::good()).await;
    *running.kept.fails.lock().unwrap() = true;
    running.append("act").await;
    assert_eq!(running.witnessed(Duration::from_secs(5)).await, None);
    *running.kept.fails.lock().unwrap() = false;
    running.append("act").await;
    assert_eq!(running.witnessed(OPTIONS.grace).await, Some(TreeSize(2)));
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_is_served_again_if_the_policy_still_says_so() {
    let mut running = Running::start(&FakeWitnesses::good()).await;
    running.append("act").await;
    assert_eq!(running.witnessed(OPTIONS.grace).await, Some(TreeSize(1)));
    let trusted = log_signer().verifiers().unwrap();
    let log = trusted.first().unwrap();
    let again = witnessed(running.kept.as_ref(), log.name(), &trusted, &policy()).unwrap().unwrap();
    assert_eq!((again.checkpoint.size, again.current.map(|signed| signed.cosignatures.len())), (TreeSize(1), Some(7)));
    let stricter = policy().to_string().replace(
        "group five",
        &format!("witness w8 {} 8\ngroup eight all w8\ngroup five", {
            let key = witness_key(8).verifying_key();
            VerifierKey::new(witness_name(8), SignatureType::CosignatureV1, key).unwrap()
        }),
    );
    let stricter: Policy = stricter.replace("quorum five", "quorum eight").parse().unwrap();
    let again = witnessed(running.kept.as_ref(), log.name(), &trusted, &stricter).unwrap().unwrap();
    assert_eq!((again.checkpoint.size, again.current), (TreeSize(1), None));
    *running.kept.note.lock().unwrap() = Some("spoilt".to_owned());
    assert!(matches!(
        witnessed(running.kept.as_ref(), log.name(), &trusted, &policy()),
        Err(WitnessesError::Checkpoint(_))
    ));
}
