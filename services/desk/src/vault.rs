//! The vault as a service of its own: it keeps the keys of all parts, and gives each agency those of the chains that are
//! open to it. The caller is the agency of the client certificate.
//!
//! ```text
//! Deposit  kept durably, never replaced
//! Keys     is the chain open to the caller? the keys : withheld, whether the chain exists or not
//! Admit    the chain, folded with all keys ─ admit(caller, act) ─ the answer of a single machine
//! ```

mod remote;
mod wire;

use std::{sync::Arc, time::Duration};

use mediation_domain::admit::{Caller, admit};
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::{Fold, Folds, Ledger},
    log::Log,
    recorder::FOLDS_DEFAULT,
    vault::{Admission, Keys, Vault},
};
use mediation_proto::mediation::ledger::v1::{
    AdmitRequest, AdmitResponse, DepositRequest, DepositResponse, KeysRequest, KeysResponse, Reason,
    vault_service_server::VaultService,
};
use tokio::sync::OwnedMutexGuard;
use tonic::{Request, Response, Status, async_trait};

pub use self::remote::{RemoteVault, VaultAccess};
use crate::{caller, disclosure::is_open, node::request_id, status::Refused};

/// Keys of one deposit: with the longest pseudonyms they fit into a request.
pub const DEPOSITS_MAX: usize = 2_048;

/// Keys that are asked for at once: some pages of a chain.
pub const DIGESTS_MAX: usize = 4_096;

/// Times that the log is read until it has come as far as the caller says that it has: another node of a cluster may be
/// behind by a moment.
const LOOKS_MAX: u32 = 10;

/// Pause between two of them.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// `VaultService` of the process that holds the vault.
#[derive(Debug)]
pub struct Custodian<L, V> {
    ledger: Arc<Ledger<L, V>>,
    folds: Folds,
}

impl<L: Log, V: Vault> Custodian<L, V> {
    /// The service over the vault of this ledger, which must give all keys that it keeps.
    #[must_use]
    pub fn new(ledger: Arc<Ledger<L, V>>) -> Arc<Self> {
        Arc::new(Self { ledger, folds: Folds::new(FOLDS_DEFAULT) })
    }

    async fn deposited(&self, request: Request<DepositRequest>) -> Result<DepositResponse, Refused> {
        let caller = self.caller(&request).await?;
        let deposits = wire::read_deposits(request.into_inner())?;
        let keys: usize = deposits.iter().map(|(_, deposits)| deposits.len()).sum();
        self.ledger.vault().deposit_all(deposits).await?;
        tracing::trace!(agency = caller.agency, keys, "keys deposited");
        Ok(DepositResponse {})
    }

    async fn released(&self, request: Request<KeysRequest>) -> Result<KeysResponse, Refused> {
        let caller = self.caller(&request).await?;
        let (chain, next, digests) = wire::read_keys_request(request.into_inner())?;
        let keys = if self.is_open(&caller, chain, next).await? {
            self.ledger.vault().keys(chain, next, &digests).await?
        } else {
            Keys { withheld: digests.into_iter().collect(), ..Keys::default() }
        };
        Ok(wire::keys_response(keys))
    }

    /// The checks of a desk that sees the chain. What the registry says of a chain that is an agency's the desk itself
    /// adds: the registry is open to it.
    async fn decided(&self, request: Request<AdmitRequest>) -> Result<AdmitResponse, Refused> {
        let caller = self.caller(&request).await?;
        let AdmitRequest { chain_id, next_revision, occurred_at, act } = request.into_inner();
        let (chain, act) = (wire::read_chain(chain_id.as_deref())?, act.unwrap_or_default());
        let fold = self.fold(chain, Revision(next_revision)).await?;
        let registry = self.ledger.refresh_registry().await?;
        let admission = match admit(&caller, fold.standing(), registry.directory(), occurred_at, &act) {
            Ok(()) => Admission::Admitted { chain_is_empty: fold.standing().is_empty() },
            Err(refusal) => Admission::Refused(refusal),
        };
        Ok(wire::admit_response(admission))
    }

    /// Whether a chain is open to the caller. Who takes part in one does so for ever, however old the fold is.
    async fn is_open(&self, caller: &Caller, chain: ChainId, next: Revision) -> Result<bool, Refused> {
        if chain == ChainId::registry(self.ledger.origin()) {
            return Ok(true);
        }
        if self.folds.of(chain).lock().await.standing().takes_part(&caller.agency) {
            return Ok(true);
        }
        let fold = self.fold(chain, next).await?;
        Ok(is_open(self.ledger.origin(), caller, &fold))
    }

    /// The fold of a chain with all keys, at least as far as the caller has read it.
    async fn fold(&self, chain: ChainId, next: Revision) -> Result<OwnedMutexGuard<Fold>, Refused> {
        let kept = self.folds.of(chain);
        for _look in 0..LOOKS_MAX {
            let mut fold = Arc::clone(&kept).lock_owned().await;
            self.ledger.catch_up(&mut fold).await?;
            if fold.next() >= next {
                return Ok(fold);
            }
            drop(fold);
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Err(Refused::new(Reason::LogUnavailable))
    }

    /// Who calls. An agency may have joined since the registry was last read.
    async fn caller<T: Sync>(&self, request: &Request<T>) -> Result<Caller, Refused> {
        let origin = self.ledger.origin();
        match caller::caller(request, origin, self.ledger.registry().directory()) {
            Err(refused) if refused.reason() == Reason::CertificateUnknown => {
                caller::caller(request, origin, self.ledger.refresh_registry().await?.directory())
            }
            known => known,
        }
    }
}

#[async_trait]
impl<L: Log, V: Vault> VaultService for Custodian<L, V> {
    async fn deposit(&self, request: Request<DepositRequest>) -> Result<Response<DepositResponse>, Status> {
        self.deposited(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn keys(&self, request: Request<KeysRequest>) -> Result<Response<KeysResponse>, Status> {
        self.released(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn admit(&self, request: Request<AdmitRequest>) -> Result<Response<AdmitResponse>, Status> {
        self.decided(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }
}

#[cfg(test)]
mod tests;
