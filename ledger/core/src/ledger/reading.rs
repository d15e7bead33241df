//! Reading stored records: opening what the vault gives, and folding chains as far as they were not read yet.

use super::{CheckedEntry, Fault, Fold, Ledger, LedgerError, Opened, ReadEntry, open_record};
use crate::{
    chain::{ChainId, Revision},
    log::{Log, Order, Stored},
    merkle::Hash,
    record::{Record, leaf_bytes},
    vault::{Keys, Vault, Wanted},
};

/// Records of a chain that are read from the log at once.
const PAGE: usize = 256;

impl<L: Log, V: Vault> Ledger<L, V> {
    /// Reads what has been added to a chain since, folds it, and gives it back.
    ///
    /// # Errors
    /// The log or the vault is away, or stored bytes are damaged.
    pub async fn catch_up(&self, fold: &mut Fold) -> Result<Vec<CheckedEntry>, LedgerError> {
        let read = self.catch_up_all(std::slice::from_mut(fold)).await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// As [`catch_up`](Self::catch_up), for many chains, whose entries it gives back in the order of the folds. The log and
    /// the vault are asked once for a page of all of them.
    ///
    /// # Errors
    /// As [`catch_up`](Self::catch_up).
    pub async fn catch_up_all(&self, folds: &mut [Fold]) -> Result<Vec<Vec<CheckedEntry>>, LedgerError> {
        let mut read: Vec<Vec<CheckedEntry>> = folds.iter().map(|_| Vec::new()).collect();
        let mut rest: Vec<(&mut Fold, &mut Vec<CheckedEntry>)> = folds.iter_mut().zip(&mut read).collect();
        while !rest.is_empty() {
            let places: Vec<(ChainId, Revision)> = rest.iter().map(|(fold, _)| (fold.chain, fold.next)).collect();
            let pages = self.log.read_chains(&places, PAGE).await?;
            let on_registry = ChainId::registry(&self.origin);
            if places.iter().zip(&pages).any(|(place, page)| place.0 != on_registry && !page.is_empty()) {
                // Whatever stands before these records in the log is read by now, so that each is judged by all of it.
                Box::pin(self.refresh_registry()).await?;
            }
            let trusted = |fold: &Fold| if fold.chain == on_registry { Order::FIRST } else { fold.trusted };
            let trusted: Vec<Order> = rest.iter().map(|(fold, _)| trusted(fold)).collect();
            let opened = self.open_chains(&pages, &trusted).await?;
            let registry = self.registry();
            let mut longer = Vec::new();
            for ((fold, entries), (page, opened)) in rest.into_iter().zip(pages.into_iter().zip(opened)) {
                let full = page.len() == PAGE;
                fold.blind |= opened.iter().flatten().any(Opened::keeps_facts_back);
                entries.reserve(page.len());
                for (stored, opened) in page.into_iter().zip(opened) {
                    let (revision, order, leaf) = (stored.revision, stored.order, leaf_bytes(&stored.record));
                    entries.push(fold.place_opened(&self.origin, &registry, revision, order, leaf, opened));
                }
                if full {
                    longer.push((fold, entries));
                }
            }
            rest = longer;
        }
        Ok(read)
    }

    /// Reads one entry with the parts that open.
    ///
    /// # Errors
    /// The log or the vault is away, or stored bytes are damaged.
    pub async fn entry_parts(&self, chain: ChainId, revision: Revision) -> Result<Option<ReadEntry>, LedgerError> {
        let page = self.log.read(chain, revision, 1).await?;
        let (opened, withheld) = self.open(&page).await?;
        let read = page.into_iter().zip(opened).next();
        Ok(read.and_then(|(stored, opened)| {
            let Opened { statement, parts, .. } = opened.ok()?;
            Some(ReadEntry { stored, statement, parts, withheld })
        }))
    }

    /// Name of the event of a stored record, as far as its facts open; nothing else of it is checked.
    ///
    /// # Errors
    /// The vault is away.
    pub async fn event(&self, stored: &Stored) -> Result<Option<&'static str>, LedgerError> {
        let (opened, _) = self.open(std::slice::from_ref(stored)).await?;
        let opened = opened.into_iter().next().and_then(Result::ok);
        Ok(opened.and_then(|opened| opened.act.event().map(|(kind, _)| kind.event)))
    }

    /// Takes stored records of a chain apart and opens the parts whose keys the vault gives. Says whether it withheld any.
    async fn open(&self, page: &[Stored]) -> Result<(Vec<Result<Opened, Fault>>, bool), LedgerError> {
        let records = parsed(page);
        let keys = match wanted(page, &records, Order::FIRST) {
            Some(Wanted { chain, next, digests }) => self.vault.keys(chain, next, &digests).await?,
            None => Keys::default(),
        };
        Ok((self.opened(records, &keys), !keys.withheld.is_empty()))
    }

    /// As [`open`](Self::open), for pages of many chains, each trusted before a place in the log: the vault is asked once for all.
    async fn open_chains(
        &self,
        pages: &[Vec<Stored>],
        trusted: &[Order],
    ) -> Result<Vec<Vec<Result<Opened, Fault>>>, LedgerError> {
        let records: Vec<Vec<Option<Record>>> = pages.iter().map(|page| parsed(page)).collect();
        let read = pages.iter().zip(&records).zip(trusted);
        let wanted: Vec<Option<Wanted>> =
            read.map(|((page, records), trusted)| wanted(page, records, *trusted)).collect();
        let asked: Vec<bool> = wanted.iter().map(Option::is_some).collect();
        let wanted: Vec<Wanted> = wanted.into_iter().flatten().collect();
        let given = if wanted.is_empty() { Vec::new() } else { self.vault.keys_of_chains(wanted).await? };
        let mut given = given.into_iter();
        let opened = records.into_iter().zip(asked).map(|(records, asked)| {
            let keys = if asked { given.next() } else { None };
            self.opened(records, &keys.unwrap_or_default())
        });
        Ok(opened.collect())
    }

    fn opened(&self, records: Vec<Option<Record>>, Keys { given, withheld }: &Keys) -> Vec<Result<Opened, Fault>> {
        let opened = records.into_iter().map(|record| {
            let record = record.ok_or(Fault::NotARecord)?;
            let mut opened = open_record(&self.origin, &record, &|digest| given.get(&digest).cloned())?;
            opened.kept_back = opened.withheld.iter().any(|commitment| withheld.contains(&commitment.digest));
            Ok(opened)
        });
        opened.collect()
    }
}

fn parsed(page: &[Stored]) -> Vec<Option<Record>> {
    page.iter().map(|stored| Record::parse(&stored.record)).collect()
}

/// The keys that the parts of a page need; none when it has no parts. Of what stands before a place in the log and is trusted the
/// facts are enough, which are its first part.
fn wanted(page: &[Stored], records: &[Option<Record>], trusted: Order) -> Option<Wanted> {
    let last = page.last()?;
    let parts = page.iter().zip(records).flat_map(|(stored, record)| {
        let parts = record.iter().flat_map(|record| &record.parts);
        parts.take(if stored.order < trusted { 1 } else { usize::MAX })
    });
    let digests: Vec<Hash> = parts.filter_map(|part| part.digest.as_ref().try_into().ok().map(Hash)).collect();
    (!digests.is_empty()).then(|| Wanted { chain: last.chain, next: last.revision.next(), digests })
}
