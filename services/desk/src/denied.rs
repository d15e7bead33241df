//! Who was told that a chain does not exist, remembered as long as nothing has changed on which that depends: the chain, the
//! registry, the day. Who asks again is told so without the chain being looked at again, so that a chain that he may not know of
//! costs what one costs that does not exist: one read of the log, which finds nothing new.

use std::{collections::BTreeSet, sync::Arc};

use mediation_domain::calendar::Day;
use mediation_ledger::{
    chain::ChainId,
    ledger::{Fold, Folds, Ledger, LedgerError},
    log::Log,
    registry::Registry,
    vault::Vault,
};
use mediation_proto::mediation::types::v1::Role;

/// Chains of which it is remembered.
const CHAINS_MAX: usize = 1_024;

/// Readers of one chain who are remembered.
const READERS_MAX: usize = 256;

/// All that a denial depends on beside the chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Denied {
    pub(crate) agency: String,
    /// None for the agency's system that asks for a receipt.
    pub(crate) role: Option<Role>,
    pub(crate) subject: Option<String>,
    pub(crate) grid: Option<String>,
}

/// The denials of a process.
#[derive(Debug)]
pub(crate) struct Denials {
    chains: Folds<Known>,
}

#[derive(Debug)]
struct Known {
    fold: Fold,
    /// The registry and the day by which it was decided.
    decided: Option<(Arc<Registry>, Day)>,
    denied: BTreeSet<Denied>,
}

impl From<ChainId> for Known {
    fn from(chain: ChainId) -> Self {
        Self { fold: Fold::new(chain), decided: None, denied: BTreeSet::new() }
    }
}

impl Default for Denials {
    fn default() -> Self {
        Self { chains: Folds::new(CHAINS_MAX) }
    }
}

impl Denials {
    /// Whether the chain was denied to him before, and still is.
    ///
    /// # Errors
    /// The log or the vault is away, or stored bytes are damaged.
    pub(crate) async fn hold<L: Log, V: Vault>(
        &self,
        ledger: &Ledger<L, V>,
        chain: ChainId,
        to: &Denied,
    ) -> Result<bool, LedgerError> {
        // Of a chain that was denied to nobody nothing is kept, and nothing is to be.
        let Some(kept) = self.chains.kept(chain) else { return Ok(false) };
        let mut known = kept.lock().await;
        if !known.denied.contains(to) {
            return Ok(false);
        }
        let registry = ledger.refresh_registry().await?;
        let decided = known.decided.as_ref();
        let stands = decided.is_some_and(|(by, day)| Arc::ptr_eq(by, &registry) && *day == today(ledger));
        if stands && ledger.catch_up(&mut known.fold).await?.is_empty() {
            return Ok(true);
        }
        *known = Known::from(chain);
        Ok(false)
    }

    /// Remembers that a chain was denied, as it was read. Where somebody else is at it, the next time will do.
    pub(crate) fn remember<L: Log, V: Vault>(
        &self,
        ledger: &Ledger<L, V>,
        (fold, registry): (&Fold, &Arc<Registry>),
        to: Denied,
    ) {
        let kept = self.chains.of(fold.chain());
        let Ok(mut known) = kept.try_lock() else { return };
        let today = today(ledger);
        let same = known.decided.as_ref().is_some_and(|(by, day)| Arc::ptr_eq(by, registry) && *day == today);
        if !same || known.fold.next() != fold.next() || known.denied.len() >= READERS_MAX {
            let decided = Some((Arc::clone(registry), today));
            *known = Known { fold: fold.clone(), decided, denied: BTreeSet::new() };
        }
        known.denied.insert(to);
    }
}

fn today<L: Log, V: Vault>(ledger: &Ledger<L, V>) -> Day {
    Day::of(ledger.clock().now_ms().div_euclid(1_000))
}
