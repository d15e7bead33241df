//! The scrub of a served ledger: damage on the disk is found, told by file, byte and entry, and hurts nobody else.

use std::{
    fs::{self, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::Value;

use crate::{
    metrics::{configure, text, value},
    served::{Served, chain_id, event_id, registration},
};

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Byte of a segment where its first record begins: behind the header, and that of the first batch.
const FRAME: usize = 128 + 56;

async fn until(served: &Served, what: &str, is_so: impl Fn(&str) -> bool) -> String {
    let begun = Instant::now();
    loop {
        let text = text(served);
        if is_so(&text) {
            return text;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn has_ended(text: &str) -> bool {
    value(text, "mediation_ledger_scrub_end_timestamp_seconds") > Some(0.0)
}

fn damages(text: &str) -> Option<f64> {
    value(text, "mediation_ledger_scrub_damages")
}

/// Writes bytes into a file in place.
fn write_at(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
}

/// Names of the segments, in their order.
fn segments(served: &Served) -> Vec<PathBuf> {
    let files = fs::read_dir(served.path().join("log")).unwrap().map(|file| file.unwrap().path());
    let mut segments: Vec<PathBuf> = files.filter(|path| !path.ends_with("spare.segment")).collect();
    segments.sort();
    segments
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_on_the_disk_is_found_by_file_byte_and_entry_and_stays_known_until_it_is_mended() {
    let mut served = Served::new();
    served.stop();
    // One byte a second: five seconds of rest, which is the longest, after each segment.
    configure(&served.path(), "[scrub]\nevery_days = 7\nbytes_per_second_max = 1\n");
    served.start();
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    while segments(&served).len() < 4 {
        client.record(registration(&chain_id(), &event_id(), &"排水渠堵塞".repeat(500))).await.unwrap();
    }
    let whole = until(&served, "the pass over a new ledger", has_ended).await;
    assert_eq!(damages(&whole), Some(0.0));
    served.stop();

    // Without the file a pass begins at the start. Its first two segments take ten seconds, and the sealer, which must have read the
    // third one before that is damaged, takes less; should it not, the pass ends without damage, and another one is begun.
    let log = served.directory.path().join("log.jsonl");
    let segment = segments(&served)[2].clone();
    let bytes = fs::read(&segment).unwrap();
    let chain = uuid::Uuid::from_slice(&bytes[FRAME..FRAME + 16]).unwrap().to_string();
    let begun = Instant::now();
    loop {
        fs::remove_file(served.path().join("scrub")).unwrap();
        served.start_logging_to(&log);
        // It holds the leaves by then.
        let is_sealed = |text: &str| value(text, "mediation_ledger_seal_lag_entries") == Some(0.0);
        until(&served, "the sealer", is_sealed).await;
        write_at(&segment, FRAME as u64 + 300, &[bytes[FRAME + 300] ^ 1]);
        let text = until(&served, "the damage", |text| damages(text) > Some(0.0) || has_ended(text)).await;
        if damages(&text) > Some(0.0) {
            assert_eq!(damages(&text), Some(1.0));
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the scrub is always there before the sealer: {text}");
        served.stop();
        write_at(&segment, FRAME as u64 + 300, &[bytes[FRAME + 300]]);
    }
    let lines = fs::read_to_string(&log).unwrap();
    let line = lines.lines().find(|line| line.contains("the scrub has found damage on the disk")).unwrap();
    let told: Value = serde_json::from_str(line).unwrap();
    let fields = &told["fields"];
    assert_eq!((told["level"].as_str(), fields["offset"].as_u64()), (Some("ERROR"), Some(FRAME as u64)), "{told}");
    assert!(fields["file"].as_str().unwrap().ends_with(segment.file_name().unwrap().to_str().unwrap()), "{told}");
    assert_eq!((fields["chain"].as_str(), fields["revision"].as_u64()), (Some(chain.as_str()), Some(0)), "{told}");
    let leaf: u64 = segment.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(fields["leaf"].as_u64(), Some(leaf), "{told}");

    let shown = served.run(&["chain", &chain, "--agency", "XF-FL"]);
    assert!(!shown.status.success() && String::from_utf8_lossy(&shown.stderr).contains("DATA_LOSS"), "{shown:?}");
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    client.record(registration(&chain_id(), &event_id(), "排水渠堵塞")).await.unwrap();
    until(&served, "the end of the pass", has_ended).await;
    served.stop();

    // It stays known when the place is mended, until a pass has been there.
    write_at(&segment, FRAME as u64 + 300, &[bytes[FRAME + 300]]);
    served.start();
    let known = until(&served, "what is known", has_ended).await;
    assert_eq!(damages(&known), Some(1.0));
    served.stop();
    fs::remove_file(served.path().join("scrub")).unwrap();
    configure(&served.path(), "[scrub]\nbytes_per_second_max = 1000000000\n");
    served.start();
    let mended = until(&served, "the last pass", has_ended).await;
    assert_eq!(damages(&mended), Some(0.0));
    served.stop();
    let (report, good) = served.verify();
    assert!(good, "{report:#}");
}
