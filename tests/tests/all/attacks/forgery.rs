//! A log written anew by somebody who has its directory and every key in it.

use std::{fs, path::PathBuf, sync::Arc};

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    entry::Entry,
    key::Ed25519Signer,
    log::{Log as _, Stored},
    merkle::{LeafIndex, Tree, TreeSize},
    record::{Record, leaf_hash},
    recorder::sign,
    statement::Statement,
};
use mediation_log_embedded::{
    Embedded, Options,
    disk::{Disk, RealDisk},
};
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::json;

use super::statement;
use crate::served::{Served, chain_id, copy, event_id, private_key, registration, request};

/// The agency whose chain is attacked.
pub(super) const AGENCY: &str = "XF-FL";

/// A ledger with one chain of three acts that nobody serves.
pub(super) async fn honest() -> Served {
    let mut served = founded();
    served.start();
    record(&served, &chain_id(), 3).await;
    served.stop();
    served
}

/// A ledger whose log is served with its entries, and whose clock keeper rests; nobody serves it yet.
pub(super) fn founded() -> Served {
    let mut served = Served::new();
    served.stop();
    let path = served.path().join("mediation.toml");
    let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    let more = "[log_http]\nlisten = \"127.0.0.1:0\"\nentries = true\n[keeper]\nenabled = false\n";
    config.extend(more.parse::<toml::Table>().unwrap());
    fs::write(path, toml::to_string(&config).unwrap()).unwrap();
    served
}

/// Records the first acts of a chain; answers their event ids.
pub(super) async fn record(served: &Served, chain: &str, acts: usize) -> Vec<String> {
    let client = served.client(AGENCY, AgencyKind::Petition).await;
    let mut recorded = Vec::new();
    for at in 0..acts {
        let id = event_id();
        let act = if at == 0 {
            registration(chain, &id, "排水渠堵塞")
        } else {
            let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
            request(chain, &id, "FollowUpVisited", "XF-FL/REG-1", "REG", visited)
        };
        client.trust().verify(&client.send(act).await.unwrap()).unwrap();
        recorded.push(id);
    }
    recorded
}

/// The records of a log, to be changed and written to a directory of their own.
pub(super) struct Forgery {
    original: PathBuf,
    origin: String,
    records: Vec<Stored>,
    /// The chain that is attacked: the last one beside the registry.
    chain: ChainId,
}

impl Forgery {
    pub(super) async fn of(served: &Served) -> Self {
        let origin = served.trust().log_key.name().as_str().to_owned();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let log = Embedded::open(disk, &served.path(), &Options::new(origin.as_str())).unwrap();
        let size = log.size();
        let mut records = Vec::new();
        while (records.len() as u64) < size.0 {
            records.extend(log.leaves(LeafIndex(records.len() as u64), 256).await.unwrap());
        }
        log.close().await;
        let registry = ChainId::registry(&origin);
        let chain = records.iter().rev().map(|stored| stored.chain).find(|chain| *chain != registry).unwrap();
        Self { original: served.path(), origin, records, chain }
    }

    /// The log written anew, with a checkpoint of its own signed by the log's key.
    pub(super) async fn write(self) -> Served {
        let (original, origin) = (self.original.clone(), self.origin.clone());
        let (forged, tree) = self.written().await;
        let key = private_key(&original.join("keys/log.key"));
        let checkpoint = Checkpoint { origin: origin.parse().unwrap(), size: tree.size(), root: tree.root() };
        fs::write(forged.path().join("checkpoint.last"), checkpoint.sign(&key).unwrap().to_string()).unwrap();
        forged
    }

    pub(super) async fn write_under_the_old_checkpoint(self) -> Served {
        self.written().await.0
    }

    async fn written(self) -> (Served, Tree) {
        let directory = tempfile::Builder::new().prefix("mediation-forged-").tempdir().unwrap();
        let forged = Served::inside(directory);
        copy(&self.original, &forged.path());
        fs::remove_dir_all(forged.path().join("log")).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let options = Options { segment_bytes: 1_048_576, ..Options::new(self.origin.as_str()) };
        Embedded::create(&disk, &forged.path(), &options).unwrap();
        let log = Embedded::open(disk, &forged.path(), &options).unwrap();
        let mut tree = Tree::new();
        for stored in self.records {
            tree.append(leaf_hash(&stored.record));
            log.append(stored.chain, stored.revision, stored.record).await.unwrap();
        }
        assert_eq!(log.size(), TreeSize(tree.size().0));
        log.close().await;
        (forged, tree)
    }

    /// Place among all records of an act of the chain.
    fn at(&self, place: usize) -> usize {
        let of_chain = self.records.iter().enumerate().filter(|(_, stored)| stored.chain == self.chain);
        of_chain.map(|(at, _)| at).nth(place).unwrap()
    }

    /// The log numbers what it is given; the statements go on to say what they said.
    fn number_again(&mut self) {
        let of_chain = self.records.iter_mut().filter(|stored| stored.chain == self.chain);
        of_chain.zip(0..).for_each(|(stored, revision)| stored.revision = Revision(revision));
    }

    pub(super) fn remove(&mut self, place: usize) {
        self.records.remove(self.at(place));
        self.number_again();
    }

    pub(super) fn insert_copy(&mut self, of: usize, before: usize) {
        let copied = self.records[self.at(of)].clone();
        self.records.insert(self.at(before), copied);
        self.number_again();
    }

    pub(super) fn swap(&mut self, one: usize, other: usize) {
        let (one, other) = (self.at(one), self.at(other));
        self.records.swap(one, other);
        self.number_again();
    }

    pub(super) fn set_record(&mut self, place: usize, record: Bytes) {
        let at = self.at(place);
        self.records[at].record = record;
    }

    pub(super) fn set_entry(&mut self, place: usize, change: impl FnOnce(Bytes) -> Bytes) {
        let record = Record::parse(&self.records[self.at(place)].record).unwrap();
        let entry = change(record.entry.clone());
        self.set_record(place, Record { entry, ..record }.to_bytes());
    }

    /// Changes the signed bytes and leaves the signature as it was.
    pub(super) fn set_statement(&mut self, place: usize, change: impl FnOnce(Bytes) -> Bytes) {
        self.set_entry(place, |entry| {
            let entry = Entry::parse(&entry).unwrap();
            Entry { statement: change(entry.statement.clone()), ..entry }.to_bytes()
        });
    }

    /// Changes what a statement says and leaves the signature as it was.
    pub(super) fn restate(&mut self, place: usize, change: impl FnOnce(&mut Statement)) {
        self.set_statement(place, |bytes| {
            let mut statement = Statement::parse(&bytes).unwrap();
            change(&mut statement);
            statement.to_bytes()
        });
    }

    /// Changes what a statement says and signs it with the agency's own key.
    pub(super) fn sign_again(&mut self, place: usize, change: impl FnOnce(&mut Statement)) {
        let key = self.signer(AGENCY);
        self.set_entry(place, |entry| {
            let recorded_at = Entry::parse(&entry).unwrap().recorded_at;
            let mut statement = statement(&entry);
            change(&mut statement);
            sign(&statement, &key, recorded_at).unwrap()
        });
    }

    /// Signs an act again as if it had been recorded some milliseconds later, or earlier.
    pub(super) fn record_again(&mut self, place: usize, later_ms: i64) {
        let key = self.signer(AGENCY);
        self.set_entry(place, |entry| {
            sign(&statement(&entry), &key, Entry::parse(&entry).unwrap().recorded_at + later_ms).unwrap()
        });
    }

    /// Appends the last act once more, as the next of its chain, recorded a minute after the log ended.
    pub(super) fn append_copy_after_the_revocation(&mut self, place: usize) {
        let last = self.records[self.at(place)].clone();
        let previous = leaf_hash(&last.record);
        let revision = Revision(last.revision.0 + 1);
        self.records.push(Stored { revision, ..last });
        self.record_again(place + 1, 60_000);
        self.sign_again(place + 1, |statement| {
            statement.revision = revision;
            statement.previous = previous;
            statement.event_id.0[15] ^= 1;
        });
    }

    pub(super) fn signer(&self, agency: &str) -> Ed25519Signer {
        Ed25519Signer::new(private_key(&self.original.join("keys").join(agency).join("signing.key")))
    }
}
