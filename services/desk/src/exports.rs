//! How much an agency may export in a month: counted from its access chain before anything is shown, so that a restart forgets
//! nothing.

use std::sync::Arc;

use mediation_domain::{
    calendar::Day,
    exports::{Approvals, Asked, Exported, is_beyond, may_export},
    history::EventId,
};
use mediation_ledger::{
    chain::ChainId,
    ledger::{Fold, Folds, Ledger, LedgerError},
    log::Log,
    vault::Vault,
};
use mediation_proto::mediation::ledger::v1::Reason;
use tokio::sync::Mutex;

use crate::{reading::Reads, status::Refused};

/// Different chains that an agency exports in a calendar month without an approval, unless the configuration says otherwise:
/// several times what the busiest court of a city hands out.
pub const EXPORTS_PER_MONTH_MAX: u64 = 200;

/// Access chains whose exports are remembered: those of a city's agencies in one month.
const CHAINS_MAX: usize = 256;

/// The exports of all agencies.
#[derive(Debug)]
pub(crate) struct Exports {
    chains_max: u64,
    months: Folds<Month>,
}

/// The exports of an agency in a month, as far as its access chain was read. Whoever exports holds it until his reading is
/// recorded: the next one counts it.
#[derive(Debug)]
pub(crate) struct Month {
    fold: Fold,
    exported: Exported,
}

impl From<ChainId> for Month {
    fn from(chain: ChainId) -> Self {
        Self { fold: Fold::new(chain), exported: Exported::default() }
    }
}

impl Exports {
    pub(crate) fn new(chains_max: u64) -> Self {
        Self { chains_max, months: Folds::new(CHAINS_MAX) }
    }

    /// The exports that stand on an access chain.
    pub(crate) fn of(&self, accesses: ChainId) -> Arc<Mutex<Month>> {
        self.months.of(accesses)
    }

    /// By which approval a reader may export a chain; none while his agency needs none.
    ///
    /// # Errors
    /// The agency has exported as much as it may, or the ledger is away.
    pub(crate) async fn may<L: Log, V: Vault>(
        &self,
        ledger: &Ledger<L, V>,
        month: &mut Month,
        reads: &Reads,
        (chain, day): (ChainId, Day),
    ) -> Result<Option<EventId>, Refused> {
        let read = match ledger.catch_up(&mut month.fold).await {
            Ok(read) => read,
            // It may have been read in part: the next one who exports begins anew, and counts them all.
            Err(error) => {
                *month = Month::from(month.fold.chain());
                return Err(error.into());
            }
        };
        let exported = &mut month.exported;
        for entry in read {
            if let Ok(recorded) = &entry.outcome {
                exported.apply(recorded);
            }
        }
        let chain = chain.to_string();
        let asked = Asked { chain: &chain, reader: &reads.reader, approval: reads.approval, day };
        let approvals = match reads.approval {
            Some(_) if is_beyond(exported, self.chains_max, &chain) => Some(approvals(ledger, &reads.agency).await?),
            Some(_) | None => None,
        };
        may_export(exported, self.chains_max, &asked, approvals.as_ref()).map_err(|hindrance| {
            Refused::new(Reason::ExportNeedsApproval).detail(hindrance.to_string(), hindrance.zh())
        })
    }
}

async fn approvals<L: Log, V: Vault>(ledger: &Ledger<L, V>, agency: &str) -> Result<Approvals, LedgerError> {
    let mut fold = Fold::new(ChainId::agency_registry(ledger.origin(), agency));
    let entries = ledger.catch_up(&mut fold).await?;
    Ok(Approvals::of(agency, entries.iter().filter_map(|entry| entry.outcome.as_ref().ok())))
}
