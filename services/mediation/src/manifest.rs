//! The manifest: what a ledger is, fixed when it is founded and signed by its log key.

use anyhow::{Context as _, Result, bail, ensure};
use ed25519_dalek::SigningKey;
use mediation_client::Trust;
use mediation_ledger::{
    merkle::Hash,
    note::{KeyName, Note, SignatureType, VerifierKey},
};

const TITLE: &str = "mediation ledger manifest v1";

/// What a ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Identity of the ledger, and name of its log key.
    pub(crate) origin: KeyName,
    /// Rule set that its chains are judged by.
    pub(crate) rule_set: String,
    /// Size of a log segment in bytes.
    pub(crate) segment_bytes: u64,
    /// Leaf hash of the first entry of the registry chain: the root of trust.
    pub(crate) genesis: Hash,
    /// Key that signs checkpoints.
    pub(crate) log_key: VerifierKey,
    /// SM2 key that signs checkpoints of the twin tree over SM3, and those of the log beside its own key; none without a
    /// twin.
    pub(crate) twin_key: Option<VerifierKey>,
}

impl Manifest {
    /// The signed manifest.
    pub(crate) fn sign(&self, key: &SigningKey) -> Result<String> {
        let mut text = format!(
            "{TITLE}\norigin {}\nrule-set {}\nsegment-bytes {}\ngenesis {}\nlog-key {}\n",
            self.origin, self.rule_set, self.segment_bytes, self.genesis, self.log_key
        );
        if let Some(twin) = &self.twin_key {
            text.push_str(&format!("sm3-log-key {twin}\n"));
        }
        let mut note = Note::new(text)?;
        note.sign(&self.origin, key)?;
        Ok(note.to_string())
    }

    /// Reads a manifest. Its signature must be that of the log key that it names.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self> {
        let note = Note::parse(bytes)?;
        let mut lines = note.text().lines();
        if lines.next() != Some(TITLE) {
            bail!("not a `{TITLE}`; a newer ledger needs a newer `mediation`");
        }
        let mut value = |key: &str| {
            let line = lines.next().with_context(|| format!("`{key}` is missing"))?;
            let value = line.strip_prefix(key).and_then(|rest| rest.strip_prefix(' '));
            value.with_context(|| format!("`{key}` is missing")).map(str::to_owned)
        };
        let manifest = Self {
            origin: value("origin")?.parse()?,
            rule_set: value("rule-set")?,
            segment_bytes: value("segment-bytes")?.parse()?,
            genesis: value("genesis")?.parse()?,
            log_key: value("log-key")?.parse()?,
            twin_key: lines.next().map(read_twin_key).transpose()?,
        };
        ensure!(lines.next().is_none(), "lines follow the manifest's last one");
        let twin = manifest.origin.twin();
        ensure!(
            manifest.twin_key.as_ref().is_none_or(|key| *key.name() == twin),
            "the key of the twin is not named as the twin's origin"
        );
        ensure!(*manifest.log_key.name() == manifest.origin, "the log key is not named as the origin");
        note.verify(std::slice::from_ref(&manifest.log_key))?;
        ensure!(note.to_string().as_bytes() == bytes, "the manifest is not in its one form");
        Ok(manifest)
    }

    /// The key of the twin as it signs the checkpoints of the log itself, beside the log key.
    pub(crate) fn second_key(&self) -> Option<VerifierKey> {
        self.twin_key.as_ref().map(|twin| VerifierKey::of_log(self.origin.clone(), twin.public_key()))
    }

    /// The log key of an origin.
    pub(crate) fn verifier(origin: &KeyName, key: &SigningKey) -> Result<VerifierKey> {
        Ok(VerifierKey::new(origin.clone(), SignatureType::Ed25519, key.verifying_key())?)
    }

    /// The trust file that is published: a C2SP tlog-policy, with genesis pinned in a comment that our tools read, and
    /// the key of the twin in another: other tools would refuse the whole file over a key of a type they do not know.
    pub(crate) fn policy(&self) -> String {
        let twin = self.twin_key.as_ref().map_or_else(String::new, |key| format!("{TWIN}{key}\n"));
        format!("# genesis {}\n{twin}log {}\nquorum none\n", self.genesis, self.log_key)
    }

    /// Reads what a client needs from a trust file.
    pub(crate) fn read_policy(text: &str) -> Result<(Trust, Option<Hash>)> {
        let genesis = text.lines().find_map(|line| line.strip_prefix("# genesis "));
        let twin = text.lines().find_map(|line| line.strip_prefix(TWIN));
        let log = text.lines().find_map(|line| line.strip_prefix("log ")).context("the policy names no log")?;
        let vkey = log.split(' ').next().unwrap_or(log);
        let trust = Trust { log_key: vkey.parse()?, twin_key: twin.map(str::parse).transpose()? };
        Ok((trust, genesis.map(str::parse).transpose()?))
    }
}

/// What the line of a trust file begins with that names the key of the twin.
const TWIN: &str = "# sm3-log ";

fn read_twin_key(line: &str) -> Result<VerifierKey> {
    let key = line.strip_prefix("sm3-log-key ").context("a line follows that is no `sm3-log-key`")?;
    Ok(key.parse()?)
}
