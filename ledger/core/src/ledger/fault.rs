//! Why an entry, or its act, does not count; and why a chain could not be read.

use mediation_domain::admit::Refusal;

use crate::{
    entry::EntryError,
    key::KeyId,
    log::ReadError,
    merkle::Hash,
    part::OpenError,
    registry::{KeyFault, RegistryError},
    statement::StatementError,
    vault::VaultError,
};

/// Why an entry, or its act, does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes are no record.
    #[error("the bytes are no record")]
    NotARecord,
    /// The leaf is no entry.
    #[error("the leaf is no entry: {0}")]
    Entry(#[from] EntryError),
    /// The signed bytes are no statement.
    #[error("the signed bytes are no statement: {0}")]
    Statement(#[from] StatementError),
    /// The stored parts are not those that were committed to.
    #[error("the stored parts are not those that were committed to")]
    OtherParts,
    /// The opened parts are no act.
    #[error("the opened parts are no act")]
    NotAnAct,
    /// Signed for another ledger.
    #[error("the statement belongs to another ledger")]
    OtherLedger,
    /// Signed for another chain or revision.
    #[error("the statement belongs to another place")]
    OtherPlace,
    /// Does not link to the last entry that counts.
    #[error("the entry links to {found}, not to {expected}")]
    BrokenLink {
        /// Leaf hash of the last entry that counts.
        expected: Hash,
        /// Leaf hash that the statement names.
        found: Hash,
    },
    /// An earlier act has the same event id.
    #[error("the event id stands on the chain already")]
    EventIdReused,
    /// The agency does not take part.
    #[error("the agency does not take part in this ledger")]
    UnknownAgency,
    /// The key is not one by which the entry could count.
    #[error("{0}")]
    Key(#[from] KeyFault),
    /// The signature is missing or not the key's.
    #[error("the signature is not the agency's")]
    BadSignature,
    /// A signature beside the agency's own names a key that does not count there. The entry counts all the same.
    #[error("an extra signature names key {key_id}, which does not count there")]
    ExtraKeyUnknown {
        /// Key that it names.
        key_id: KeyId,
    },
    /// A signature beside the agency's own is not that of the key it names. The entry counts all the same.
    #[error("an extra signature is not that of key {key_id}")]
    ExtraSignatureBad {
        /// Key that it names.
        key_id: KeyId,
    },
    /// A part does not open.
    #[error("{0}")]
    Part(OpenError),
    /// The act is one that admission refuses.
    #[error("admission refuses the act: {0}")]
    Refused(#[from] Box<Refusal>),
    /// The act of the registry chain has no effect.
    #[error("{0}")]
    Registry(#[from] RegistryError),
}

/// Code of the finding (I-21 of `data/invariants.json`) that a signature is whose key does not count, or was revoked
/// afterwards as of an instant before it.
pub const SIGNER_INVALID: &str = "F-SIGNER-INVALID";

impl Fault {
    /// Code of the finding that the fault is (`data/invariants.json`).
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownAgency
            | Self::Key(_)
            | Self::BadSignature
            | Self::ExtraKeyUnknown { .. }
            | Self::ExtraSignatureBad { .. }
            | Self::Refused(_) => SIGNER_INVALID,
            Self::NotARecord
            | Self::Entry(_)
            | Self::Statement(_)
            | Self::OtherParts
            | Self::NotAnAct
            | Self::OtherLedger
            | Self::OtherPlace
            | Self::BrokenLink { .. }
            | Self::EventIdReused
            | Self::Part(_)
            | Self::Registry(_) => "F-INTEGRITY",
        }
    }
}

/// Why a chain could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The log did not give it.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The vault did not open it.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
