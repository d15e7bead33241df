//! Why an act of the registry chain has no effect.

use super::KeyFault;

/// Why an act of the registry chain has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The first entry of the registry chain does not found a ledger.
    #[error("the first entry of the registry chain does not found the ledger")]
    NotAFounding,
    /// A ledger is founded once.
    #[error("the ledger is founded already")]
    FoundedTwice,
    /// A member is named twice.
    #[error("`{agency}` is named twice")]
    NamedTwice {
        /// Agency.
        agency: String,
    },
    /// A member's kind is not one of the catalogue.
    #[error("`{agency}` is of unknown kind")]
    UnknownKind {
        /// Agency.
        agency: String,
    },
    /// A key is not one.
    #[error("the key of `{agency}` is malformed")]
    MalformedKey {
        /// Agency.
        agency: String,
    },
    /// The key is enrolled already, or is a root key.
    #[error("`{agency}` enrols a key that is enrolled already, or is a root key")]
    KeyTaken {
        /// Agency that signed.
        agency: String,
    },
    /// A new key has not signed that it is held by whoever names it.
    #[error("`{agency}` does not prove that it holds the new key")]
    NotProved {
        /// Agency that signed.
        agency: String,
    },
    /// The key that is rotated or revoked is none of the agency's.
    #[error("`{agency}` has no such key")]
    NoSuchKey {
        /// Agency that signed.
        agency: String,
    },
    /// The key that is rotated has no place any more that another could take.
    #[error("`{agency}` rotates a key that does not count: {fault}")]
    RotatesInvalid {
        /// Agency that signed.
        agency: String,
        /// Why the key does not count.
        fault: KeyFault,
    },
    /// The key is revoked as of that instant, or an earlier one.
    #[error("`{agency}` revokes a key that is revoked already")]
    RevokedAlready {
        /// Agency that signed.
        agency: String,
    },
    /// An agency enrols keys for itself only.
    #[error("`{agency}` enrols a key for another agency")]
    EnrolsForAnother {
        /// Agency that signed.
        agency: String,
    },
    /// An agency rotates and revokes its own keys, and runs its own witnesses, only.
    #[error("`{agency}` acts on keys of another agency")]
    ActsForAnother {
        /// Agency that signed.
        agency: String,
    },
    /// An agency appoints and dismisses its own signers only.
    #[error("`{agency}` appoints or dismisses a signer of another agency")]
    AppointsForAnother {
        /// Agency that signed.
        agency: String,
    },
    /// Only the center that founded the ledger takes in members and log keys.
    #[error("`{agency}` is not the founder of the ledger")]
    NotTheFounder {
        /// Agency that signed.
        agency: String,
    },
    /// The vkey is none, or not one of this log, or not one of a cosigner.
    #[error("`{agency}` names a vkey that is none of this ledger's")]
    MalformedVkey {
        /// Agency that signed.
        agency: String,
    },
    /// The log key or witness is named already.
    #[error("`{agency}` names a log key or witness that is named already")]
    VkeyTaken {
        /// Agency that signed.
        agency: String,
    },
    /// The log key or witness is none, or is retired already.
    #[error("`{agency}` retires a log key or witness that does not sign")]
    NoSuchVkey {
        /// Agency that signed.
        agency: String,
    },
    /// A log without a key could sign nothing.
    #[error("`{agency}` retires the last log key")]
    LastLogKey {
        /// Agency that signed.
        agency: String,
    },
    /// The registry chain of an agency begins with its onboarding.
    #[error("the registry chain of `{agency}` begins with its onboarding")]
    NotItsOnboarding {
        /// Agency whose chain it is.
        agency: String,
    },
    /// The registry chain of an agency takes acts of the registry and corrections only.
    #[error("the registry chain of `{agency}` takes acts of the registry and corrections only")]
    NotOfRegistry {
        /// Agency whose chain it is.
        agency: String,
    },
    /// A day or instant of the act is not one.
    #[error("`{agency}` gives a day that is none")]
    MalformedDay {
        /// Agency that signed.
        agency: String,
    },
}
