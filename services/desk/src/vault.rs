//! The vault as a service of its own: it keeps the keys of all parts, and gives each agency what its processes need to record.
//! The caller is the agency of the client certificate.
//!
//! ```text
//! Deposit  kept durably, never replaced
//! Keys     of what the caller recorded, all; of the other acts of a chain that it is on, those of the `act` parts: by these a
//!          desk knows where the chain stands. Everything else is withheld, whether the chain exists or not
//! Admit    the chain, folded with all keys ─ admit(caller, act) ─ the answer of a single machine
//! ```
//!
//! What readers see is not decided by keys: they are shown chains by the process that holds the vault (`relay.rs`).

mod remote;
mod wire;

use std::{collections::HashMap, sync::Arc, time::Duration};

use mediation_domain::admit::{Caller, admit};
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::{CheckedEntry, Fold, Folds, Ledger},
    log::Log,
    merkle::Hash,
    recorder::FOLDS_DEFAULT,
    vault::{Admission, Keys, Vault},
};
use mediation_proto::mediation::{
    ledger::v1::{
        AdmitRequest, AdmitResponse, DepositRequest, DepositResponse, KeysRequest, KeysResponse, PartKind, Reason,
        vault_service_server::VaultService,
    },
    types::v1::AgencyKind,
};
use tokio::sync::OwnedMutexGuard;
use tonic::{Request, Response, Status, async_trait};

pub use self::remote::{RemoteVault, VaultAccess};
use crate::{caller, node::request_id, status::Refused};

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
    folds: Folds<Known>,
}

/// A chain as far as the vault has read it.
#[derive(Debug)]
struct Known {
    fold: Fold,
    /// Whose each part is, and whether it is an `act` part.
    parts: HashMap<Hash, (Arc<str>, bool)>,
}

impl From<ChainId> for Known {
    fn from(chain: ChainId) -> Self {
        Self { fold: Fold::new(chain), parts: HashMap::new() }
    }
}

impl Known {
    fn take(&mut self, entries: &[CheckedEntry]) {
        for statement in entries.iter().filter_map(|entry| entry.statement.as_ref()) {
            let agency: Arc<str> = statement.agency.as_str().into();
            let part = |kind| (Arc::clone(&agency), kind == PartKind::Act);
            self.parts.extend(statement.commitments.iter().map(|known| (known.digest, part(known.kind))));
        }
    }

    /// Whether the key of a part is for the processes of an agency that is on the chain, or is not.
    fn is_for(&self, agency: &str, is_on: bool, part: &Hash) -> bool {
        self.parts.get(part).is_some_and(|(owner, is_act)| owner.as_ref() == agency || (is_on && *is_act))
    }
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
        let known = self.known(chain, next).await?;
        let is_on = self.is_on(&caller, &known.fold);
        let (given, withheld): (Vec<Hash>, Vec<Hash>) =
            digests.into_iter().partition(|part| known.is_for(&caller.agency, is_on, part));
        drop(known);
        let mut keys = match given.is_empty() {
            true => Keys::default(),
            false => self.ledger.vault().keys(chain, next, &given).await?,
        };
        keys.withheld.extend(withheld);
        Ok(wire::keys_response(keys))
    }

    /// The checks of a desk that sees the chain. What the registry says of a chain that is an agency's the desk itself
    /// adds: the registry is open to it.
    async fn decided(&self, request: Request<AdmitRequest>) -> Result<AdmitResponse, Refused> {
        let caller = self.caller(&request).await?;
        let AdmitRequest { chain_id, next_revision, occurred_at, act } = request.into_inner();
        let (chain, act) = (wire::read_chain(chain_id.as_deref())?, act.unwrap_or_default());
        let known = self.known(chain, Revision(next_revision)).await?;
        let (fold, registry) = (&known.fold, self.ledger.refresh_registry().await?);
        let admission = match admit(&caller, fold.standing(), registry.directory(), occurred_at, &act) {
            Ok(()) => Admission::Admitted { chain_is_empty: fold.standing().is_empty() },
            Err(refusal) => Admission::Refused(refusal),
        };
        Ok(wire::admit_response(admission))
    }

    /// Whether the processes of an agency are given the `act` parts of a chain: those of the agencies that recorded on it or are
    /// named in it, of the centers that keep its clocks, and of the audit; of a chain with an accusation those that take part
    /// alone. The registry chain is open.
    fn is_on(&self, caller: &Caller, fold: &Fold) -> bool {
        let oversees =
            matches!(caller.kind, AgencyKind::GovernanceCenter | AgencyKind::TownshipCenter | AgencyKind::Audit);
        let standing = fold.standing();
        fold.chain() == ChainId::registry(self.ledger.origin())
            || standing.takes_part(&caller.agency)
            || (oversees && !standing.is_restricted())
    }

    /// A chain with all keys, at least as far as the caller has read it.
    async fn known(&self, chain: ChainId, next: Revision) -> Result<OwnedMutexGuard<Known>, Refused> {
        let kept = self.folds.of(chain);
        for _look in 0..LOOKS_MAX {
            let mut known = Arc::clone(&kept).lock_owned().await;
            let entries = self.ledger.catch_up(&mut known.fold).await?;
            known.take(&entries);
            if known.fold.next() >= next {
                return Ok(known);
            }
            drop(known);
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
