//! Signatures of an entry beside that of the agency that answers for it: an officer's, or another agency's.
//!
//! They bear witness and decide nothing. The list of signatures is under the leaf hash but under no signature, so whoever
//! appends an entry chooses which extra ones it carries: he can leave one out, or add one that is none. An entry whose
//! agency has signed counts all the same, or a third person could undo what two have signed; the extra signature that is
//! none is named. Only keys that count there sign: a key that nobody answers for would bear witness of nothing. What the
//! entry itself says about keys counts already: a key that it enrols signs beside the one that enrols it, and shows so
//! that it is held.

use crate::{
    entry::Entry,
    key::KeyId,
    ledger::Fault,
    registry::{Registry, SignedAt},
    statement::{Statement, pre_authentication},
};

/// A signature beside the agency's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraSignature {
    /// Key that it names.
    pub key_id: KeyId,
    /// Agency that the key is enrolled for, or why the signature is none.
    pub agency: Result<String, Fault>,
}

/// The extra signatures of an entry, each checked against the keys that count there.
pub(crate) fn extra_signatures(
    registry: &Registry,
    at: SignedAt,
    entry: &Entry,
    statement: &Statement,
) -> Vec<ExtraSignature> {
    let extra = entry.signatures.iter().filter(|signature| signature.key_id != statement.key_id);
    extra
        .map(|signature| {
            let key_id = signature.key_id;
            let agency = match registry.key(key_id).filter(|enrolled| enrolled.check(at).is_ok()) {
                None => Err(Fault::ExtraKeyUnknown { key_id }),
                Some(enrolled) => {
                    let signed = enrolled.key.verifies(&pre_authentication(&entry.statement), &signature.value);
                    if signed { Ok(enrolled.agency.clone()) } else { Err(Fault::ExtraSignatureBad { key_id }) }
                }
            };
            ExtraSignature { key_id, agency }
        })
        .collect()
}
