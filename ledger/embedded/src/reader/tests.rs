use std::path::PathBuf;

use bytes::Bytes;
use mediation_ledger::log::Log as _;

use super::*;
use crate::{Embedded, Options, SEGMENT_BYTES_MIN, disk::SimulatedDisk};

const ORIGIN: &str = "ledger.example/city";

fn dir() -> PathBuf {
    PathBuf::from("/ledger")
}

fn record(chain: u8, revision: u64) -> Bytes {
    format!("{chain}/{revision} {}", "x".repeat(700)).into()
}

/// Three chains that grow in turn, over several segments.
async fn written() -> SimulatedDisk {
    let simulated = SimulatedDisk::default();
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let options = Options { segment_bytes: SEGMENT_BYTES_MIN, ..Options::new(ORIGIN) };
    Embedded::create(&disk, &dir(), &options).unwrap();
    let log = Embedded::open(disk, &dir(), &options).unwrap();
    for revision in 0..40 {
        for chain in 1..=3 {
            log.append(ChainId([chain; 16]), Revision(revision), record(chain, revision)).await.unwrap();
        }
    }
    log.close().await;
    simulated
}

fn expected() -> Expected {
    Expected { origin: ORIGIN.to_owned(), covered: None }
}

#[tokio::test]
async fn a_reader_finds_every_chain_whole_while_the_log_is_closed() {
    let disk = written().await;
    let reader = LogReader::open(&disk, &dir(), &expected()).unwrap();
    assert_eq!(reader.size(), TreeSize(120));
    assert!(reader.index.last_segment() > 0, "the log is to have several segments");
    assert_eq!(reader.chains().collect::<Vec<_>>(), [1, 2, 3].map(|chain| ChainId([chain; 16])));
    for chain in 1..=3_u8 {
        let found = reader.chain(ChainId([chain; 16])).unwrap();
        assert!(found.iter().map(|stored| &stored.record).eq(&(0..40).map(|at| record(chain, at)).collect::<Vec<_>>()));
        assert!(found.iter().map(|stored| stored.revision.0).eq(0..40));
    }
    assert!(reader.chain(ChainId([9; 16])).unwrap().is_empty());
}

#[tokio::test]
async fn a_log_that_lacks_what_a_checkpoint_covers_is_not_read() {
    let disk = written().await;
    let covered = Some((TreeSize(121), Hash::ZERO));
    let error = LogReader::open(&disk, &dir(), &Expected { covered, ..expected() }).unwrap_err();
    assert!(error.to_string().starts_with("the log is damaged: "), "{error}");
}
