//! Whether an act may be recorded as the next of its chain, and under which key.
//!
//! A desk records on chains of which the vault shows it nothing: its agency has no part in them yet. Where such a chain
//! stands only the vault can say, so the vault runs the same admission over the whole chain. All that does not depend on the
//! chain is decided here first: what is malformed, or secret, goes nowhere.

use std::sync::Arc;

use mediation_domain::admit::admit;

use super::{RecordError, Recorder, Submission};
use crate::{
    chain::ChainId,
    key::KeyId,
    ledger::Fold,
    log::{Log, Order},
    registry::{Entered, KeyFault, Registry, SignedAt},
    vault::{Admission, Candidate, Vault},
};

impl<L: Log, V: Vault> Recorder<L, V> {
    /// Reads what was added to a chain since. What was read blindly is read anew: its keys may be given by now.
    pub(super) async fn catch_up(&self, fold: &mut Fold) -> Result<(), RecordError> {
        if fold.is_blind() {
            *fold = Fold::new(fold.chain());
        }
        self.ledger.catch_up(fold).await?;
        Ok(())
    }

    /// Whether the rules admit an act as the next of its chain; gives the registry that it is admitted under.
    pub(super) async fn admitted(
        &self,
        submission: &Submission<'_>,
        fold: &Fold,
    ) -> Result<Arc<Registry>, RecordError> {
        if !fold.is_blind() {
            return self.admit(submission, fold);
        }
        let Submission { caller, request, .. } = *submission;
        let registry = self.ledger.registry_for(fold, &caller.agency, &request.act)?;
        if let Err(refusal) = admit(caller, fold.standing(), registry.directory(), request.occurred_at, &request.act)
            && !refusal.depends_on_chain()
        {
            return Err(refusal.into());
        }
        let (chain, next) = (fold.chain(), fold.next());
        let candidate = Candidate { chain, next, occurred_at: request.occurred_at, act: &request.act };
        match self.ledger.vault().admit(caller, candidate).await? {
            Admission::NotNeeded => Err(RecordError::Withheld { chain }),
            Admission::Refused(refusal) => Err(refusal.into()),
            Admission::Admitted { chain_is_empty } => {
                registry.check_chain(chain, chain_is_empty, &request.act)?;
                Ok(registry)
            }
        }
    }

    /// As [`Recorder::admitted`], of a chain that is seen.
    pub(super) fn admit(&self, submission: &Submission<'_>, fold: &Fold) -> Result<Arc<Registry>, RecordError> {
        let Submission { caller, request, .. } = *submission;
        if fold.is_blind() {
            return Err(RecordError::Withheld { chain: fold.chain() });
        }
        let registry = self.ledger.registry_for(fold, &caller.agency, &request.act)?;
        admit(caller, fold.standing(), registry.directory(), request.occurred_at, &request.act)?;
        registry.check_chain(fold.chain(), fold.standing().is_empty(), &request.act)?;
        Ok(registry)
    }

    /// Everything else that can be known beforehand of an entry that would not count; gives the registry as it stands with
    /// the act. Admission comes before the revision: who may not know the chain learns nothing of where it stands.
    pub(super) fn check(
        &self,
        submission: &Submission<'_>,
        fold: &Fold,
        registry: Arc<Registry>,
        recorded_at: i64,
    ) -> Result<Arc<Registry>, RecordError> {
        let Submission { caller, request, key_id, key_is_held, .. } = *submission;
        if let Some(expected) = request.expected_revision.filter(|expected| *expected != fold.next()) {
            return Err(RecordError::RevisionStale { expected, actual: fold.next() });
        }
        let on_registry = fold.chain() == ChainId::registry(self.ledger.origin());
        let at = SignedAt { order: Order::END, recorded_at };
        registry
            .key_of(&caller.agency, key_id, on_registry, at)
            .and_then(|_key| registry.check_signer(&caller.agency, key_id, &request.act))
            .map_err(|fault| key_refused(&caller.agency, key_id, key_is_held, fault))?;
        let Some(before) = fold.registry() else { return Ok(registry) };
        let (agency, occurred_at) = (caller.agency.as_str(), request.occurred_at);
        let at = SignedAt { order: Order::pending(fold.next()), recorded_at };
        let mut after = before.clone();
        after.apply(&Entered { agency, occurred_at, at, act: &request.act })?;
        Ok(Arc::new(after))
    }
}

/// What is refused when a key is not one that could sign. Where the key is held here, another one may, or none.
fn key_refused(agency: &str, key_id: KeyId, key_is_held: bool, fault: KeyFault) -> RecordError {
    let agency = agency.to_owned();
    match fault {
        KeyFault::Unknown { .. } | KeyFault::NotForThisAct { .. } if key_is_held => RecordError::KeyNotHeld { agency },
        KeyFault::Unknown { .. } | KeyFault::NotForThisAct { .. } | KeyFault::OfAnother { .. } if !key_is_held => {
            RecordError::KeyNotEnrolled { agency, key_id }
        }
        KeyFault::Unknown { .. }
        | KeyFault::NotForThisAct { .. }
        | KeyFault::OfAnother { .. }
        | KeyFault::NotYetValid { .. }
        | KeyFault::Expired { .. }
        | KeyFault::Replaced { .. }
        | KeyFault::Revoked { .. } => RecordError::KeyInvalid { agency, fault },
    }
}
