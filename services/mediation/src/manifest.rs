//! The manifest: what a ledger is, fixed when it is founded and signed by its log key.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use ed25519_dalek::SigningKey;
use mediation_client::Trust;
use mediation_ledger::{
    merkle::Hash,
    note::{KeyName, Note, SignatureType, VerifierKey},
    registry::Registry,
};
use mediation_proto::mediation::types::v1::KeyRevocationReason;

use crate::layout::Layout;

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
    /// Key that signed checkpoints from the founding on; the registry names those that have joined or replaced it.
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

    /// The bytes of a directory's manifest.
    ///
    /// # Errors
    /// The directory holds no ledger.
    pub(crate) fn bytes(layout: &Layout) -> Result<Vec<u8>> {
        let bytes = fs::read(layout.manifest());
        bytes.with_context(|| {
            format!("`{}` holds no ledger (no manifest); found one with `mediation init`", layout.root().display())
        })
    }

    /// The manifest of a directory.
    ///
    /// # Errors
    /// The directory holds no ledger, or its manifest is damaged.
    pub(crate) fn read(layout: &Layout) -> Result<Self> {
        Self::open(&Self::bytes(layout)?).context("the manifest is damaged")
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

    /// The trust file that is published: a C2SP tlog-policy of the keys that sign now. In comments, which our tools read:
    /// genesis, the key of the twin (other tools would refuse the whole file over a key of a type they do not know), and the
    /// keys that were retired in good order, under which receipts were given.
    pub(crate) fn policy(&self, registry: &Registry) -> String {
        let mut text = format!("# genesis {}\n", self.genesis);
        if let Some(twin) = &self.twin_key {
            text.push_str(&format!("{TWIN}{twin}\n"));
        }
        for key in registry.log_keys() {
            match key.retired {
                None => text.push_str(&format!("log {}\n", key.vkey)),
                // Whoever has the private key could sign anything with it.
                Some((_, KeyRevocationReason::Compromised)) => {}
                Some(_) => text.push_str(&format!("{RETIRED}{}\n", key.vkey)),
            }
        }
        text.push_str("quorum none\n");
        text
    }

    /// Reads what a client needs from a trust file.
    pub(crate) fn read_policy(text: &str) -> Result<(Trust, Option<Hash>)> {
        let genesis = text.lines().find_map(|line| line.strip_prefix("# genesis "));
        let twin = text.lines().find_map(|line| line.strip_prefix(TWIN));
        let keys = |prefix| text.lines().filter_map(move |line| line.strip_prefix(prefix));
        let keys = keys("log ").chain(keys(RETIRED)).map(|key| Ok(key.split(' ').next().unwrap_or(key).parse()?));
        let mut keys = keys.collect::<Result<Vec<VerifierKey>>>()?.into_iter();
        let log_key = keys.next().context("the policy names no log")?;
        let twin_key = twin.map(str::parse).transpose()?;
        let trust = Trust { log_key, other_log_keys: keys.collect(), twin_key };
        Ok((trust, genesis.map(str::parse).transpose()?))
    }

    /// Every key that a stored checkpoint may be signed with: the founding's, and those that the trust file names beside it.
    /// What the registry says of them is known only when the log has been read.
    pub(crate) fn stored_keys(&self, layout: &Layout) -> Vec<VerifierKey> {
        let policy = fs::read_to_string(layout.policy()).unwrap_or_default();
        let named = Self::read_policy(&policy).map(|(trust, _)| trust.log_keys().cloned().collect::<Vec<_>>());
        let mut keys = vec![self.log_key.clone()];
        keys.extend(named.unwrap_or_default().into_iter().filter(|key| *key != self.log_key));
        keys
    }
}

/// What the line of a trust file begins with that names the key of the twin.
const TWIN: &str = "# sm3-log ";

/// What the line of a trust file begins with that names a retired key.
const RETIRED: &str = "# retired-log ";

fn read_twin_key(line: &str) -> Result<VerifierKey> {
    let key = line.strip_prefix("sm3-log-key ").context("a line follows that is no `sm3-log-key`")?;
    Ok(key.parse()?)
}
