//! Chains of a log that goes on growing, read up to a place in it.

use std::collections::BTreeMap;

use mediation_domain::{directory::Directory, history::Recorded};
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::{CheckedEntry, Fold, Ledger, LedgerError},
    log::{Follower as _, Log},
    vault::Vault,
};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// Entries.
    pub entries: u64,
    /// Chains.
    pub chains: u64,
    /// Signatures that were found good, of entries whose acts count.
    pub signatures: u64,
    /// Parts that were not opened: destroyed, or without a key.
    pub withheld: u64,
    /// Acts of which not even the kind could be read.
    pub unread: u64,
    /// Entries that do not count, by the code of the finding.
    pub faulty: BTreeMap<&'static str, u64>,
}

/// Reads the first entries of the log, chain after chain; answers what was read. In memory are the places of the chains, and one
/// chain at a time.
///
/// # Errors
/// The log or the vault is away, or stored bytes are damaged.
pub(super) async fn read<L: Log, V: Vault>(
    ledger: &Ledger<L, V>,
    size: u64,
    mut take: impl FnMut(ChainId, &[Recorded], &Directory),
) -> Result<Reading, LedgerError> {
    let mut reading = Reading::default();
    for (chain, end) in ends(ledger, size).await? {
        let entries = ledger.catch_up(&mut Fold::new(chain)).await?;
        let registry = ledger.registry();
        reading.chains += 1;
        let counted = entries.into_iter().take_while(|entry| entry.revision < end);
        let counted = counted.inspect(|entry| reading.count(entry));
        let history: Vec<Recorded> = counted.filter_map(|entry| entry.outcome.ok()).collect();
        take(chain, &history, registry.directory());
        // Whoever waits for this to end is heard between two chains.
        tokio::task::yield_now().await;
    }
    Ok(reading)
}

/// The chains that the first entries of the log are of, and where each ends among them.
async fn ends<L: Log, V: Vault>(ledger: &Ledger<L, V>, size: u64) -> Result<BTreeMap<ChainId, Revision>, LedgerError> {
    let mut follower = ledger.log().follow(None).await?;
    let (mut ends, mut left) = (BTreeMap::new(), size);
    while left > 0 {
        for followed in follower.next().await? {
            if left == 0 {
                break;
            }
            ends.insert(followed.stored.chain, followed.stored.revision.next());
            left -= 1;
        }
    }
    Ok(ends)
}

impl Reading {
    /// Takes an entry into account.
    pub fn count(&mut self, entry: &CheckedEntry) {
        self.entries += 1;
        self.withheld += entry.withheld.len() as u64;
        match &entry.outcome {
            Ok(recorded) => {
                self.signatures += 1;
                self.unread += u64::from(recorded.act.event().is_none());
            }
            Err(fault) => *self.faulty.entry(fault.code()).or_default() += 1,
        }
    }

    /// Takes what was read elsewhere into account as well.
    pub fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.chains += other.chains;
        self.signatures += other.signatures;
        self.withheld += other.withheld;
        self.unread += other.unread;
        for (code, count) in other.faulty {
            *self.faulty.entry(code).or_default() += count;
        }
    }
}
