use std::{fs, sync::Barrier};

use ed25519_dalek::SigningKey;
use mediation_ledger::{
    checkpoint::Checkpoint,
    clock::ManualClock,
    merkle::{Tree, TreeSize, hash_leaf},
    note::{KeyName, SignatureType, VerifierKey},
    witness::{AddCheckpoint, Rejection, checkpoint_path, origin_digest},
};
use tempfile::TempDir;

use super::*;

const ORIGIN: &str = "ledger.example/main";

fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

fn log_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn open(directory: &TempDir, key: u8) -> Result<Witness, WitnessError> {
    let log = VerifierKey::new(name(ORIGIN), SignatureType::Ed25519, log_key().verifying_key()).unwrap();
    let clock = Arc::new(ManualClock::at(1_760_000_000_000));
    Witness::open(directory.path(), name("court.example/w"), SigningKey::from_bytes(&[key; 32]), vec![log], clock)
}

fn tree(size: u64) -> Tree {
    (0..size).map(|number| hash_leaf(format!("e{number}").as_bytes())).collect()
}

fn body(old: u64, new: u64) -> Vec<u8> {
    let tree = tree(new);
    let proof = tree.consistency_path(TreeSize(old), TreeSize(new)).unwrap();
    let checkpoint = Checkpoint { origin: name(ORIGIN), size: tree.size(), root: tree.root() };
    let checkpoint = checkpoint.sign(&log_key()).unwrap();
    AddCheckpoint { old: TreeSize(old), proof, checkpoint }.to_string().into_bytes()
}

fn size(witness: &Witness) -> Option<String> {
    witness.last(&origin_digest(&name(ORIGIN)))?.lines().nth(1).map(str::to_owned)
}

#[test]
fn what_was_cosigned_outlives_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let witness = open(&directory, 9).unwrap();
    let signature = witness.add_checkpoint(&body(0, 7)).unwrap();
    assert_eq!(
        signature.to_string(),
        "— court.example/w 7vpZZQAAAABo53gAqCtTsZwVErfgsG7c58vv+2XQp5i5+bzCUCRjkqMw9fNkGZj+oJrne1rLfZU4JfY3vOT/foibFf5CjfEaLZCiCA=="
    );
    assert!(matches!(open(&directory, 9), Err(WitnessError::Held { .. })), "two would cosign past each other");
    drop(witness);
    let witness = open(&directory, 9).unwrap();
    assert_eq!(size(&witness).as_deref(), Some("7"));
    for (old, new) in [(0, 5), (0, 9), (5, 7)] {
        let refused = witness.add_checkpoint(&body(old, new)).unwrap_err();
        assert!(matches!(refused, Refused::Rejected(Rejection::OtherSize { size: TreeSize(7) })), "{refused}");
    }
    witness.add_checkpoint(&body(7, 9)).unwrap();
    assert_eq!(size(&witness).as_deref(), Some("9"));
}

#[test]
fn a_state_that_is_not_its_own_keeps_the_witness_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    open(&directory, 9).unwrap().add_checkpoint(&body(0, 7)).unwrap();
    assert!(matches!(open(&directory, 10), Err(WitnessError::Damaged { .. })), "another key");
    let path = directory.path().join(format!("{}.checkpoint", origin_digest(&name(ORIGIN))));
    let note = fs::read_to_string(&path).unwrap();
    for spoilt in [String::new(), note.replace("\n7\n", "\n3\n"), note.replace("court.example/w", "other.example/w")] {
        fs::write(&path, spoilt).unwrap();
        assert!(matches!(open(&directory, 9), Err(WitnessError::Damaged { .. })));
    }
    fs::write(&path, note).unwrap();
    fs::write(path.with_extension("new"), "half a fi").unwrap();
    assert!(open(&directory, 9).is_ok(), "what a crash leaves of the next one says nothing");
    let missing = TempDir::with_prefix("gone").unwrap();
    fs::remove_dir(missing.path()).unwrap();
    assert!(matches!(open(&missing, 9), Err(WitnessError::Io(_))), "a state is created on purpose only");
}

#[test]
fn a_checkpoint_that_cannot_be_stored_is_not_cosigned() {
    let directory = tempfile::tempdir().unwrap();
    let witness = open(&directory, 9).unwrap();
    witness.add_checkpoint(&body(0, 3)).unwrap();
    // A directory stands where the new file should.
    let new = directory.path().join(format!("{}.new", origin_digest(&name(ORIGIN))));
    fs::create_dir(&new).unwrap();
    assert!(matches!(witness.add_checkpoint(&body(3, 7)), Err(Refused::NotStored(_))));
    assert_eq!(size(&witness).as_deref(), Some("3"));
    fs::remove_dir(&new).unwrap();
    witness.add_checkpoint(&body(3, 7)).unwrap();
}

#[test]
fn of_many_at_once_each_extends_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let witness = open(&directory, 9).unwrap();
    let together = Barrier::new(8);
    let cosigned: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=8_u64)
            .map(|new| {
                let (witness, together) = (&witness, &together);
                scope.spawn(move || {
                    together.wait();
                    witness.add_checkpoint(&body(0, new)).is_ok()
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap().then_some(())).count()
    });
    assert_eq!(cosigned, 1, "all start from nothing, and only the first finds nothing");
}

#[tokio::test]
async fn every_answer_over_http_is_that_of_the_specification() {
    use hyper::service::Service as _;
    let directory = tempfile::tempdir().unwrap();
    let service = hyper_util::service::TowerToHyperService::new(router(Arc::new(open(&directory, 9).unwrap())));
    let ask = async |method: &str, path: &str, body: Vec<u8>| {
        let request = axum::http::Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let answer = service.call(request).await.unwrap();
        let content_type = answer.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, content_type.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    };
    let path = format!("/{}", checkpoint_path(&name(ORIGIN)));
    assert_eq!(ask("GET", &path, Vec::new()).await.0, 404);
    let (status, _, line) = ask("POST", "/add-checkpoint", body(0, 7)).await;
    assert!(status == 200 && line.starts_with("— court.example/w ") && line.ends_with('\n'), "{status} {line}");
    let conflict = ask("POST", "/add-checkpoint", body(0, 9)).await;
    assert_eq!(conflict, (409, "text/x.tlog.size".to_owned(), "7\n".to_owned()));
    let text = String::from_utf8(body(7, 9)).unwrap();
    let without_proof = text.split_once("\n\n").map(|(_, note)| format!("old 7\n\n{note}")).unwrap();
    assert_eq!(ask("POST", "/add-checkpoint", without_proof.into_bytes()).await.0, 422);
    assert_eq!(ask("POST", "/add-checkpoint", b"old 7\n".to_vec()).await.0, 400);
    assert_eq!(ask("POST", "/add-checkpoint", vec![b'a'; BODY_BYTES_MAX + 1]).await.0, 400);
    let (status, _, note) = ask("GET", &path, Vec::new()).await;
    assert!(status == 200 && note.starts_with("ledger.example/main\n7\n") && note.ends_with(&line), "{note}");
    assert_eq!(ask("GET", "/add-checkpoint", Vec::new()).await.0, 405);
}
