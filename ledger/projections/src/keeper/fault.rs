//! What a failure to note a lapse says about the world.

use mediation_ledger::{
    ledger::LedgerError,
    log::{AppendError, ReadError},
    recorder::RecordError,
    vault::VaultError,
};

/// What a fault concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// No room in a queue or on a disk: it passes, and nothing but writing waits for it.
    Full,
    /// This chain alone: its bytes are damaged, or its act cannot be put together. Trying again changes nothing.
    Chain,
    /// The log, the vault or the signer: every chain.
    World,
}

/// Weighs a failure that is no refusal.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what the enums may grow is a fault of the world until it is weighed here"
)]
pub(super) fn weight(error: &RecordError) -> Weight {
    match error {
        RecordError::Append(AppendError::Full { .. } | AppendError::NoSpace)
        | RecordError::Vault(VaultError::Full | VaultError::NoSpace)
        | RecordError::Contended { .. } => Weight::Full,
        RecordError::Ledger(
            LedgerError::Log(ReadError::Damaged { .. }) | LedgerError::Vault(VaultError::Damaged { .. }),
        )
        | RecordError::Vault(VaultError::OtherAgency { .. })
        | RecordError::Withheld { .. }
        | RecordError::Append(AppendError::TooLarge { .. })
        | RecordError::Split(_)
        | RecordError::RecordTooLarge { .. }
        | RecordError::Registry(_)
        | RecordError::Lost { .. } => Weight::Chain,
        _ => Weight::World,
    }
}
