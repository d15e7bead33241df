//! The targets.

use std::{fmt::Display, str::FromStr};

use bytes::Bytes;
use mediation_ledger::{
    bundle::{self, TrustFile},
    checkpoint::Checkpoint,
    entry::Entry,
    merkle::{Hash, LeafIndex, TreeSize, verify_consistency, verify_inclusion},
    note::{KeyName, Note, VerifierKey},
    policy::Policy,
    proof::OfflineProof,
    record::{self, Record},
    statement::Statement,
    tile::{TILE_WIDTH, Tile, decode_entries, encode_entries},
    witness::{AddCheckpoint, Answer, Submission},
};

/// A parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name; its corpus is the directory of this name.
    pub name: &'static str,
    /// Takes any bytes, and panics when the parser breaks its word. Answers whether the parser accepted them.
    pub run: fn(&[u8]) -> bool,
}

/// Every parser of outside bytes.
pub const TARGETS: &[Target] = &[
    Target { name: "bundle", run: bundle },
    Target { name: "bundle-file", run: bundle_file },
    Target { name: "checkpoint", run: text::<Checkpoint> },
    Target { name: "entry", run: entry },
    Target { name: "entry-bundle", run: entry_bundle },
    Target { name: "key-name", run: text::<KeyName> },
    Target { name: "merkle-proof", run: merkle_proof },
    Target { name: "note", run: note },
    Target { name: "policy", run: policy },
    Target { name: "record", run: record },
    Target { name: "statement", run: statement },
    Target { name: "tile-path", run: text::<Tile> },
    Target { name: "tlog-proof", run: tlog_proof },
    Target { name: "trust-file", run: trust_file },
    Target { name: "verifier-key", run: text::<VerifierKey> },
    Target { name: "witness-answer", run: witness_answer },
    Target { name: "witness-request", run: witness_request },
];

/// The log of the corpus: its trust file, one of its checkpoints, and the bundle of its registry chain.
const TRUST: &str = include_str!("../corpus/trust-file/registry");
const CHECKPOINT: &[u8] = include_bytes!("../corpus/note/checkpoint");
const BUNDLE: &[u8] = include_bytes!("../corpus/bundle/registry");

/// A text with one form.
fn text<T: FromStr + Display>(input: &[u8]) -> bool {
    let Ok(read) = str::from_utf8(input) else { return false };
    let Ok(parsed) = read.parse::<T>() else { return false };
    assert_eq!(parsed.to_string(), read, "one text only");
    true
}

fn note(input: &[u8]) -> bool {
    let Ok(note) = Note::parse(input) else { return false };
    assert_eq!(note.to_string().as_bytes(), input, "one encoding only");
    // Nobody's signature is accepted without a key, and checking signatures of any kind does not panic.
    assert!(note.verify(&[]).is_err());
    let Ok(trust) = TrustFile::parse(TRUST) else { return true };
    if let Some(origin) = trust.origin()
        && let Ok(signed) = Checkpoint::open(input, origin, &trust.keys())
    {
        assert_eq!(signed.checkpoint.to_string(), note.text());
    }
    true
}

fn tlog_proof(input: &[u8]) -> bool {
    let Ok(proof) = OfflineProof::parse(input) else { return false };
    assert_eq!(proof.to_string().as_bytes(), input, "one encoding only");
    true
}

/// An older size and root, a newer size and root, and hashes: what verifiers of both proofs are handed.
fn merkle_proof(input: &[u8]) -> bool {
    let (words, rest) = input.split_at(input.len().min(16));
    let mut numbers = words.as_chunks::<8>().0.iter().map(|word| u64::from_be_bytes(*word));
    let (Some(old), Some(new)) = (numbers.next(), numbers.next()) else { return false };
    let mut hashes = rest.as_chunks::<32>().0.iter().map(|hash| Hash(*hash));
    let (Some(old_root), Some(new_root)) = (hashes.next(), hashes.next()) else { return false };
    let path: Vec<_> = hashes.collect();
    let included = verify_inclusion(old_root, LeafIndex(old), TreeSize(new), &path, new_root);
    let consistent = verify_consistency(TreeSize(old), old_root, TreeSize(new), new_root, &path);
    if included.is_ok() {
        assert!(old < new && path.len() <= 64);
    }
    if consistent.is_ok() {
        assert!(old <= new && path.len() <= 65);
    }
    included.is_ok() || consistent.is_ok()
}

/// Comments and spaces are free, so that only the policy must be the same.
fn policy(input: &[u8]) -> bool {
    let Ok(policy) = Policy::parse(input) else { return false };
    let again = Policy::parse(policy.to_string().as_bytes());
    assert_eq!(again.as_ref(), Ok(&policy), "the policy that was written");
    assert_eq!(policy.is_met(&[]), policy.needs_no_witness(), "nobody is no quorum");
    true
}

fn trust_file(input: &[u8]) -> bool {
    let Some(trust) = str::from_utf8(input).ok().and_then(|text| TrustFile::parse(text).ok()) else { return false };
    assert!(trust.origin().is_some(), "a trust file names its log");
    // Whatever groups it has, this ends.
    let met = trust.is_met_by(&[]);
    assert!(met || trust.witness_count() > 0, "a quorum needs witnesses");
    true
}

fn statement(input: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(input);
    let Ok(statement) = Statement::parse(&bytes) else { return false };
    assert_eq!(statement.to_bytes(), bytes, "one encoding only");
    true
}

fn entry(input: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(input);
    let Ok(entry) = Entry::parse(&bytes) else { return false };
    statement(&entry.statement);
    assert_eq!(entry.to_bytes(), bytes, "one encoding only");
    true
}

fn record(input: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(input);
    // Garbage has a leaf too, and none that an entry could have.
    let leaf = record::leaf_bytes(&bytes);
    let Some(record) = Record::parse(&bytes) else {
        assert!(record::is_foreign_leaf(&leaf));
        return false;
    };
    assert_eq!(leaf, record.entry);
    assert_eq!(record.to_bytes(), bytes, "one encoding only");
    entry(&record.entry);
    true
}

/// The width stands in the path, so that every width is tried.
fn entry_bundle(input: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(input);
    let mut widths = (1..=TILE_WIDTH).filter_map(|width| decode_entries(&bytes, width).ok());
    let Some(entries) = widths.next() else { return false };
    assert!(widths.next().is_none(), "one width only");
    let again = encode_entries(entries.iter().map(AsRef::as_ref));
    assert_eq!(again.as_deref(), Ok(input), "one encoding only");
    true
}

fn witness_request(input: &[u8]) -> bool {
    if let Ok(trust) = TrustFile::parse(TRUST)
        && let Ok(submission) = Submission::read(input, &trust.logs().cloned().collect::<Vec<_>>())
    {
        // A witness that has seen nothing, and one that has seen this very tree.
        for last in [None, Some(submission.checkpoint())] {
            if let Err(rejection) = submission.check(last) {
                assert!((400..500).contains(&rejection.status()), "the log's fault, not the witness's");
            }
        }
    }
    let Ok(request) = AddCheckpoint::parse(input) else { return false };
    assert_eq!(request.to_string().as_bytes(), input, "one encoding only");
    true
}

/// The first byte chooses the status.
fn witness_answer(input: &[u8]) -> bool {
    let Some((choice, body)) = input.split_first() else { return false };
    let status = match choice {
        b'0' => 200,
        b'1' => 409,
        other => 400 + u16::from(*other),
    };
    let (Ok(checkpoint), Ok(trust)) = (Note::parse(CHECKPOINT), TrustFile::parse(TRUST)) else { return false };
    let Some(key) = trust.logs().next() else { return false };
    Answer::read(status, body, &checkpoint, key).is_ok()
}

fn bundle(input: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(input);
    let container = bundle::read(&bytes);
    if let Ok(files) = &container {
        let again = bundle::write(files);
        assert_eq!(again.as_deref(), Ok(input), "one encoding only");
    }
    let verdict = bundle::verify(&bytes, Some(TRUST));
    assert!(container.is_ok() || verdict.is_ok_and(|verdict| !verdict.is_good()), "what cannot be read is not good");
    container.is_ok()
}

/// A name, a line feed and content: in place of the file of that name in a bundle that is else in order.
fn bundle_file(input: &[u8]) -> bool {
    let Some(at) = input.iter().position(|byte| *byte == b'\n') else { return false };
    let (name, content) = (input.get(..at).unwrap_or_default(), input.get(at + 1..).unwrap_or_default());
    let (Ok(name), Ok(mut files)) = (str::from_utf8(name), bundle::read(&Bytes::from_static(BUNDLE))) else {
        return false;
    };
    let replaced = files.insert(name.to_owned(), Bytes::copy_from_slice(content));
    let Ok(bytes) = bundle::write(&files) else { return false };
    bundle::verify(&bytes.into(), Some(TRUST)).is_ok_and(|verdict| {
        let same = replaced.is_some_and(|before| before == content);
        assert!(!verdict.is_good() || same, "a changed bundle is good");
        true
    })
}
