//! Chains of a log that goes on growing, read up to a place in it and tallied.

use std::collections::BTreeMap;

use mediation_domain::{
    figures::{Plan, Report},
    history::Recorded,
    judge::{Moment, judge},
    rules::RuleSet,
};
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::{CheckedEntry, Fold, Ledger, LedgerError},
    log::{Follower as _, Log},
    vault::Vault,
};

/// What was counted, and from what.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) report: Report,
    pub(super) reading: Reading,
}

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

/// Counts the first entries of the log. In memory are the places of the chains, and one chain at a time.
///
/// # Errors
/// The log or the vault is away, or stored bytes are damaged.
pub(super) async fn count<L: Log, V: Vault>(
    ledger: &Ledger<L, V>,
    (plan, rules): (&Plan, &'static RuleSet),
    size: u64,
) -> Result<Counted, LedgerError> {
    let (mut tally, mut reading) = (plan.tally(), Reading::default());
    let moment = Moment { as_of: plan.as_of(), known_at: None };
    for (chain, end) in ends(ledger, size).await? {
        let entries = ledger.catch_up(&mut Fold::new(chain)).await?;
        let registry = ledger.registry();
        reading.chains += 1;
        let counted = entries.into_iter().take_while(|entry| entry.revision < end);
        let counted = counted.inspect(|entry| reading.count(entry));
        let history: Vec<Recorded> = counted.filter_map(|entry| entry.outcome.ok()).collect();
        let directory = registry.directory();
        tally.take(chain.0, &history, directory, || judge(&history, directory, rules, moment));
        // Whoever waits for this to end is heard between two chains.
        tokio::task::yield_now().await;
    }
    Ok(Counted { report: tally.report(), reading })
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
