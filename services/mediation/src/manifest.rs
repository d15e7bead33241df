//! The manifest: what a ledger is, fixed when it is founded and signed by its log key.

use anyhow::{Context as _, Result, bail, ensure};
use ed25519_dalek::SigningKey;
use mediation_client::Trust;
use mediation_ledger::{
    merkle::Hash,
    note::{KeyName, Note, SignatureType, VerifierKey},
    part::Cipher,
    registry::Registry,
};
use mediation_proto::mediation::types::v1::KeyRevocationReason;

use crate::{contents, layout::Layout};

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
    /// Cipher that parts are sealed under; a vault is made with the same.
    pub(crate) cipher: Cipher,
}

impl Manifest {
    /// The signed manifest.
    pub(crate) fn sign(&self, key: &SigningKey) -> Result<String> {
        let mut text = format!(
            "{TITLE}\norigin {}\nrule-set {}\nsegment-bytes {}\ngenesis {}\nlog-key {}\n",
            self.origin, self.rule_set, self.segment_bytes, self.genesis, self.log_key
        );
        if let Some(twin) = &self.twin_key {
            text.push_str(&format!("{TWIN_KEY}{twin}\n"));
        }
        // A ledger without the line is older than it, or of the cipher that there was before.
        if self.cipher != Cipher::default() {
            text.push_str(&format!("{CIPHER}{}\n", self.cipher));
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
        let path = layout.manifest();
        let bytes = contents::read(&path);
        bytes.with_context(|| match path.exists() {
            true => format!("cannot read `{}`", path.display()),
            false => {
                format!("`{}` holds no ledger (no manifest); found one with `mediation init`", layout.root().display())
            }
        })
    }

    /// The manifest of a directory.
    ///
    /// # Errors
    /// The directory holds no ledger, or its manifest is damaged.
    pub(crate) fn read(layout: &Layout) -> Result<Self> {
        Self::open(&Self::bytes(layout)?).with_context(|| format!("`{}` is damaged", layout.manifest().display()))
    }

    /// Reads a manifest. Its signature must be that of the log key that it names.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self> {
        let note = Note::parse(bytes)?;
        let mut lines = note.text().lines().peekable();
        if lines.next() != Some(TITLE) {
            bail!(
                "not a `{TITLE}`; a newer ledger needs a newer `mediation` · 清单版本不同，较新的账本须用较新的 mediation 打开"
            );
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
            twin_key: lines.next_if(|line| line.starts_with(TWIN_KEY)).map(read_twin_key).transpose()?,
            cipher: lines.next().map_or(Ok(Cipher::default()), read_cipher)?,
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
        let policy = contents::text(&layout.policy()).unwrap_or_default();
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

/// What the line of a manifest begins with that names the key of the twin.
const TWIN_KEY: &str = "sm3-log-key ";

/// What the line of a manifest begins with that names another cipher of parts than AES-256-GCM.
const CIPHER: &str = "part-cipher ";

fn read_twin_key(line: &str) -> Result<VerifierKey> {
    Ok(line.strip_prefix(TWIN_KEY).unwrap_or(line).parse()?)
}

fn read_cipher(line: &str) -> Result<Cipher> {
    let name = line.strip_prefix(CIPHER).context("a line follows that is neither `sm3-log-key` nor `part-cipher`")?;
    ensure!(name == Cipher::Sm4Gcm.to_string(), "parts are sealed under `{name}`, which this program does not know");
    Ok(Cipher::Sm4Gcm)
}

#[cfg(test)]
mod tests {
    use mediation_ledger::key::{Signer as _, Sm2Signer};

    use super::*;

    fn manifest(has_twin: bool, cipher: Cipher) -> (Manifest, SigningKey) {
        let (origin, key): (KeyName, _) = ("ledger.example/main".parse().unwrap(), SigningKey::from_bytes(&[1; 32]));
        let sm2 = Sm2Signer::new(sm2::SecretKey::from_slice(&[2; 32]).unwrap()).unwrap();
        let manifest = Manifest {
            log_key: Manifest::verifier(&origin, &key).unwrap(),
            twin_key: has_twin.then(|| VerifierKey::of_log(origin.twin(), sm2.public_key())),
            origin,
            rule_set: "cn-2024-fixture".to_owned(),
            segment_bytes: 1_048_576,
            genesis: Hash([3; 32]),
            cipher,
        };
        (manifest, key)
    }

    #[test]
    fn a_manifest_reads_as_it_was_written_and_names_only_another_cipher_than_the_first() {
        for has_twin in [false, true] {
            for (cipher, line) in [(Cipher::Aes256Gcm, None), (Cipher::Sm4Gcm, Some("part-cipher SM4-GCM"))] {
                let (manifest, key) = manifest(has_twin, cipher);
                let text = manifest.sign(&key).unwrap();
                assert_eq!(Manifest::open(text.as_bytes()).unwrap(), manifest);
                assert_eq!(text.lines().find(|line| line.starts_with("part-cipher")), line);
            }
        }
    }

    #[test]
    fn a_manifest_that_names_another_cipher_or_more_is_refused() {
        let (manifest, key) = manifest(true, Cipher::Sm4Gcm);
        let text = manifest.sign(&key).unwrap();
        for (line, told) in [
            ("part-cipher AES-256-GCM\n", "`AES-256-GCM`, which this program does not know"),
            ("part-cipher ZUC-GXM\n", "`ZUC-GXM`, which this program does not know"),
            ("cipher SM4-GCM\n", "neither `sm3-log-key` nor `part-cipher`"),
            ("part-cipher SM4-GCM\npart-cipher SM4-GCM\n", "lines follow"),
        ] {
            let other = Note::parse(text.as_bytes()).unwrap().text().replace("part-cipher SM4-GCM\n", line);
            let mut note = Note::new(other).unwrap();
            note.sign(&manifest.origin, &key).unwrap();
            let refused = Manifest::open(note.to_string().as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
