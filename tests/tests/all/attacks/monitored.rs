//! What `mediation monitor` sees of a served log, as a process of its own.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    thread,
};

use mediation_ledger::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    merkle::{Hash, verify_consistency},
    note::Note,
};
use tempfile::TempDir;

use super::{
    alarms,
    forgery::{AGENCY, Forgery, founded, record},
    run,
};
use crate::served::{Served, chain_id, copy};

/// A monitor's state and list, on a machine of the agency's own.
struct Desk {
    directory: TempDir,
}

impl Desk {
    /// Has looked at an honest ledger, and taken what was there for its own.
    fn beside(served: &Served) -> Self {
        let desk = Self { directory: tempfile::tempdir().unwrap() };
        fs::write(desk.list(), "# acts of XF-FL\n").unwrap();
        let (code, first) = desk.look(served);
        assert_eq!(code, Some(1), "the agency's own keys are acts that somebody has signed with them: {first:?}");
        assert!(first.iter().all(|(name, _)| name == "act-not-submitted"), "{first:?}");
        for (_, cause) in &first {
            desk.submit(cause.split("act ").nth(1).unwrap().split(' ').next().unwrap());
        }
        assert_eq!(desk.look(served), (Some(0), Vec::new()));
        desk
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn list(&self) -> PathBuf {
        self.directory.path().join("submitted")
    }

    fn submit(&self, event_id: &str) {
        let listed = fs::read_to_string(self.list()).unwrap();
        fs::write(self.list(), format!("{listed}{event_id}\n")).unwrap();
    }

    fn look(&self, served: &Served) -> (Option<i32>, Vec<(String, String)>) {
        self.look_at(served, served.log_http.as_deref().unwrap(), &[])
    }

    fn look_at(&self, served: &Served, log: &str, more: &[&str]) -> (Option<i32>, Vec<(String, String)>) {
        let (dir, state, list) = (served.path(), self.state(), self.list());
        let log = format!("http://{log}");
        let mut arguments = vec!["monitor", "--once", "--json", "--agency", AGENCY, "--log", &log, "--ledger"];
        arguments.extend([served.address.as_str(), "--dir", dir.to_str().unwrap()]);
        arguments.extend(["--state", state.to_str().unwrap(), "--submitted", list.to_str().unwrap()]);
        arguments.extend(more);
        let (code, out, err) = run(&arguments);
        if code.is_some_and(|code| code > 1) { (code, vec![("".to_owned(), err)]) } else { (code, alarms(&out)) }
    }

    /// The notes that it kept as evidence, smallest tree first; each must verify with the published key alone.
    fn evidence(&self, served: &Served) -> Vec<Checkpoint> {
        let key = served.trust().log_key;
        let of_note = |path: PathBuf| {
            let note = Note::parse(&fs::read(path).unwrap()).unwrap();
            SignedCheckpoint::verify(note, key.name(), std::slice::from_ref(&key)).unwrap().checkpoint
        };
        let files = fs::read_dir(self.state().join("evidence")).unwrap().map(|file| file.unwrap().path());
        let mut notes: Vec<_> = files.filter(|path| path.extension().unwrap() == "checkpoint").map(of_note).collect();
        notes.sort_by_key(|checkpoint| checkpoint.size);
        notes
    }
}

fn names(alarms: &[(String, String)]) -> Vec<&str> {
    alarms.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_under_an_agencys_key_that_it_did_not_submit_is_found_until_it_is_accounted_for() {
    let mut served = founded();
    served.start();
    let desk = Desk::beside(&served);
    let chain = chain_id();
    let own = record(&served, &chain, 1).await;
    desk.submit(&own[0]);
    assert_eq!(desk.look(&served), (Some(0), Vec::new()));
    let other = chain_id();
    let stolen = record(&served, &other, 2).await;
    for _ in 0..2 {
        let (code, found) = desk.look(&served);
        assert_eq!((code, names(&found)), (Some(1), vec!["act-not-submitted"; 2]), "{found:?}");
        assert!(found[0].1.contains(&stolen[0]) && found[0].1.contains(&other), "{found:?}");
    }
    stolen.iter().for_each(|event| desk.submit(event));
    assert_eq!(desk.look(&served), (Some(0), Vec::new()));
    // Nobody has cosigned what this monitor wants cosigned.
    let witness = desk.directory.path().join("witness");
    let made = run(&["witness", "init", "--name", "court.example/witness", "--dir", witness.to_str().unwrap()]);
    let policy = desk.directory.path().join("witnesses.policy");
    fs::write(&policy, format!("log {}\nwitness w {}quorum w\n", served.trust().log_key, made.1)).unwrap();
    let asked = ["--witness-policy", policy.to_str().unwrap()];
    let (code, found) = desk.look_at(&served, served.log_http.as_deref().unwrap(), &asked);
    assert_eq!((code, names(&found)), (Some(1), vec!["unwitnessed"]), "{found:?}");
    let log = served.log_http.clone().unwrap();
    served.stop();
    let (code, said) = desk.look_at(&served, &log, &[]);
    assert_eq!(code, Some(4), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_that_has_seen_one_view_keeps_both_notes_of_a_fork_and_the_proof() {
    let mut served = founded();
    served.start();
    record(&served, &chain_id(), 2).await;
    served.stop();
    let mut fork = Served::inside(tempfile::Builder::new().prefix("mediation-fork-").tempdir().unwrap());
    copy(&served.path(), &fork.path());
    served.start();
    record(&served, &chain_id(), 3).await;
    let desk = Desk::beside(&served);
    served.stop();
    fork.start();
    record(&fork, &chain_id(), 5).await;
    let (code, found) = desk.look(&fork);
    assert_eq!((code, names(&found)), (Some(1), vec!["checkpoints-inconsistent"]), "{found:?}");
    let notes = desk.evidence(&served);
    let [kept, shown] = notes.as_slice() else { panic!("{notes:?}") };
    let proof = fs::read_to_string(desk.state().join(format!("evidence/{}-{}.consistency", kept.size, shown.size)));
    let path: Vec<Hash> = proof.unwrap().lines().map(|line| Hash::from_base64(line).unwrap()).collect();
    let begins: Hash = found[0].1.split("begins with root ").nth(1).unwrap()[..64].parse().unwrap();
    verify_consistency(kept.size, begins, shown.size, shown.root, &path).unwrap();
    assert_ne!(begins, kept.root, "the log's key has signed two trees of {} leaves", kept.size);
    // The state is still that of the first view.
    fork.stop();
    served.start();
    assert_eq!(desk.look(&served), (Some(0), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_rolled_back_to_yesterday_is_named() {
    let mut served = founded();
    let mut yesterday = Served::inside(tempfile::Builder::new().prefix("mediation-old-").tempdir().unwrap());
    copy(&served.path(), &yesterday.path());
    served.start();
    record(&served, &chain_id(), 2).await;
    let desk = Desk::beside(&served);
    served.stop();
    yesterday.start();
    let (code, found) = desk.look(&yesterday);
    assert_eq!((code, names(&found)), (Some(1), vec!["rolled-back"]), "{found:?}");
    assert_eq!(desk.evidence(&served).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_is_rewritten_and_signed_with_every_key_is_found_by_who_has_seen_it() {
    let mut served = founded();
    served.start();
    record(&served, &chain_id(), 3).await;
    let desk = Desk::beside(&served);
    served.stop();
    let mut forgery = Forgery::of(&served).await;
    forgery.sign_again(2, |statement| statement.occurred_at -= 86_400);
    let mut forged = forgery.write().await;
    assert!(forged.verify().1, "nothing in the directory tells: only who has seen the old tail can");
    forged.start();
    let (code, found) = desk.look(&forged);
    assert_eq!((code, names(&found)), (Some(1), vec!["checkpoints-inconsistent"]), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_that_does_not_count_and_a_tile_that_is_not_the_logs_are_named() {
    let mut served = founded();
    served.start();
    let desk = Desk::beside(&served);
    record(&served, &chain_id(), 3).await.iter().for_each(|event| desk.submit(event));
    // A proxy that changes one byte of one kind of file.
    for (path, named) in
        [("/tile/entries/", "entries-other"), ("/tile/0/", "tile-wrong"), ("/checkpoint", "checkpoint-invalid")]
    {
        let proxy = spoil(served.log_http.clone().unwrap(), path);
        let (code, found) = desk.look_at(&served, &proxy, &[]);
        assert_eq!((code, names(&found)), (Some(1), vec![named]), "{path}: {found:?}");
    }
    assert_eq!(desk.look(&served), (Some(0), Vec::new()), "nothing of it was kept");
    served.stop();
    let mut forgery = Forgery::of(&served).await;
    forgery.insert_copy(1, 2);
    // The copy goes behind the last leaf, so that the tree extends the one that was seen.
    forgery.swap(2, 3);
    let mut forged = forgery.write().await;
    forged.start();
    for _ in 0..2 {
        let (code, found) = desk.look(&forged);
        assert_eq!((code, names(&found)), (Some(1), vec!["leaf-invalid"]), "{found:?}");
        assert!(found[0].1.contains("F-INTEGRITY: the statement belongs to another place"), "{found:?}");
    }
}

/// Passes requests on to a log and changes the last byte of what stands below a path; answers its address.
fn spoil(log: String, path: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap() > 0 {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).unwrap();
            let Some(asked) = request.split(' ').nth(1) else { continue };
            let mut server = TcpStream::connect(&log).unwrap();
            write!(server, "GET {asked} HTTP/1.1\r\nHost: {log}\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            server.read_to_end(&mut answer).unwrap();
            if asked.starts_with(path) {
                // Within the signature, the hash, or the entry: five bytes before the end, whatever ends there.
                let at = answer.len() - 5;
                answer[at] ^= 1;
            }
            client.write_all(&answer).unwrap();
        }
    });
    address
}
