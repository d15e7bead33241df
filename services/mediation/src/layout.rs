//! Where things stand in a ledger's directory.
//!
//! ```text
//! D/
//!   mediation.toml     configuration                          not evidence
//!   manifest           origin, log key, genesis; signed       written once, by init
//!   policy             the trust file that is published       follows from the manifest and the registry
//!   checkpoint.last    last published checkpoint
//!   checkpoint.sm3     last published checkpoint of the twin tree
//!   timestamps/        authority.pem, <tree size>.tsr         only of a ledger whose checkpoints are stamped
//!   log/               segments
//!   restored           until a restored directory is served for the first time: nothing is signed before
//!   scrub              where the scrub is                      not evidence
//!   sync.failed        when a sync failed last                  not evidence
//!   erased             what was destroyed in the vault         belongs to the log, never copied back from before
//!   vault/             key-encryption key, wraps
//!   models/            tables that follow from the log         not evidence, built anew at any time
//!   keys/              log.key, log-sm2.key, AGENCY/root.key, AGENCY/signing.key; log.next.key while one log key
//!                      replaces the other, AGENCY/signing.next.key until it takes the place of the other; subject.key,
//!                      which makes pseudonyms
//!   pki/               development certificates               transport only, not evidence
//! ```
//!
//! A process whose log is on a cluster has no `log/`, but `leaves`, and only its own keys. What it writes may lie in another
//! directory (`state`), so that the rest can be read only.

use std::path::{Path, PathBuf};

/// Name of the file that says that a directory was restored.
pub(crate) const RESTORED: &str = "restored";

/// The directory of a ledger.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
    state: PathBuf,
}

impl Layout {
    /// The layout of this directory.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), state: root.to_owned() }
    }

    /// With what the process keeps for itself in another directory, named from this one.
    pub(crate) fn with_state(self, state: Option<&Path>) -> Self {
        let state = state.map_or_else(|| self.root.clone(), |state| self.root.join(state));
        Self { state, ..self }
    }

    /// Where a process keeps its last checkpoints, its vault, its leaves and its timestamps.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where something stands that is named as in a ledger's directory: of the vault, or written once.
    pub(crate) fn of(&self, path: &str) -> PathBuf {
        if path.starts_with("vault/") { self.state.join(path) } else { self.root.join(path) }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("mediation.toml")
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.root.join("manifest")
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.root.join("policy")
    }

    /// Answers of a timestamp authority, and the certificates that they must lead to.
    pub(crate) fn timestamps(&self) -> PathBuf {
        self.state.join("timestamps")
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.state.join("vault")
    }

    /// What follows from the log and can be built anew.
    pub(crate) fn models(&self) -> PathBuf {
        self.state.join("models")
    }

    /// The key of the pseudonyms.
    pub(crate) fn subject_key(&self) -> PathBuf {
        self.keys().join("subject.key")
    }

    /// That the directory was restored, until it is known that nothing newer was signed.
    pub(crate) fn restored(&self) -> PathBuf {
        self.state.join(RESTORED)
    }

    /// Where the scrub is, and what it has found.
    pub(crate) fn scrub(&self) -> PathBuf {
        self.state.join("scrub")
    }

    /// What was destroyed in the vault.
    pub(crate) fn erased(&self) -> PathBuf {
        self.state.join("erased")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    pub(crate) fn log_key(&self) -> PathBuf {
        self.keys().join("log.key")
    }

    /// The SM2 key of the log, of a ledger with a twin.
    pub(crate) fn sm2_log_key(&self) -> PathBuf {
        self.keys().join("log-sm2.key")
    }

    /// A second log key, while one replaces the other.
    pub(crate) fn next_log_key(&self) -> PathBuf {
        self.keys().join("log.next.key")
    }

    pub(crate) fn root_key(&self, agency: &str) -> PathBuf {
        self.keys().join(agency).join("root.key")
    }

    pub(crate) fn signing_key(&self, agency: &str) -> PathBuf {
        self.keys().join(agency).join("signing.key")
    }

    /// A new signing key until it has taken the place of the other.
    pub(crate) fn next_signing_key(&self, agency: &str) -> PathBuf {
        self.keys().join(agency).join("signing.next.key")
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.pki().join("authority.pem")
    }

    pub(crate) fn authority_key(&self) -> PathBuf {
        self.pki().join("authority.key")
    }

    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.pki().join("server.pem")
    }

    pub(crate) fn server_key(&self) -> PathBuf {
        self.pki().join("server.key")
    }

    pub(crate) fn certificate(&self, agency: &str) -> PathBuf {
        self.pki().join("agencies").join(agency).join("certificate.pem")
    }

    pub(crate) fn certificate_key(&self, agency: &str) -> PathBuf {
        self.pki().join("agencies").join(agency).join("certificate.key")
    }
}
