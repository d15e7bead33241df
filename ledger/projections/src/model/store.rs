//! What is written, transaction by transaction. Each leaves a model from which the next goes on.
//!
//! ```text
//! append   entries by place · chains that moved · pending · cursor          one batch of the log
//! load     a chain's rows and entries, none of which stand yet            whole log at one go, see `loading`
//! put      rows of some chains, all new · pending without them              judged
//! look     pending: chains that the day, or the agencies, may change        nothing is judged yet
//! ```
//!
//! An entry stands in `entries` from `append` on. Until `put` its chain stands in `pending`, and what is told of it is as
//! it was before. A crash between the two loses nothing: `pending` is part of the same transaction as the cursor.

use std::str::FromStr;

use mediation_domain::{calendar::Day, directory::Directory, rules::RuleSet};
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{Cursor, Followed},
    merkle::{Hash, hash_leaf},
    record::leaf_hash,
};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{
    Error,
    derived::Derived,
    rows::{self, Rows},
    steps::Steps,
};

/// The tables. A change of what they hold, or of how it is derived, needs another version.
const SCHEMA: &str = include_str!("schema.sql");

/// Their indexes.
const INDEXES: &str = include_str!("indexes.sql");

/// Version of the tables and of what is written into them. A model of another one is built anew.
pub const VERSION: u32 = 2;

/// A model that is written.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) connection: Connection,
    steps: Steps,
}

/// Whose model it is: a model of another ledger, version or rules is not gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) origin: String,
    /// Rule set of a chain that names none.
    pub(super) rule_set: String,
}

impl Identity {
    fn rows(&self) -> [(&'static str, String); 4] {
        let rules: Vec<String> =
            RuleSet::all().iter().map(|rules| format!("{}:{}", rules.name(), rules.digest())).collect();
        [
            ("schema_version", VERSION.to_string()),
            ("origin", self.origin.clone()),
            ("rule_set", self.rule_set.clone()),
            ("rules", rules.join(" ")),
        ]
    }

    /// Whether a model is of this identity.
    pub(super) fn is_of(&self, connection: &Connection) -> Result<bool, Error> {
        for (name, value) in self.rows() {
            if meta(connection, name)?.as_ref() != Some(&value) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The last entry that was followed: the log must still hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) cursor: Cursor,
    pub(super) chain: ChainId,
    pub(super) revision: Revision,
    pub(super) leaf: Hash,
}

impl Head {
    pub(super) fn of(last: &Followed) -> Self {
        let Followed { cursor, stored } = last;
        let leaf = leaf_hash(&stored.record);
        Self { cursor: *cursor, chain: stored.chain, revision: stored.revision, leaf }
    }

    fn write(&self, connection: &Connection, steps: &Steps) -> Result<(), Error> {
        let Self { cursor, chain, revision, leaf } = self;
        set(connection, "cursor", &format!("{} {}", cursor.0, cursor.1))?;
        steps.take()?;
        set(connection, "head", &format!("{chain} {} {leaf}", revision.0))?;
        steps.take()
    }
}

/// A model that is loaded: nobody else has the file, and nothing of it stands before all of it does.
#[derive(Debug)]
pub(super) struct Loaded {
    connection: Connection,
    steps: Steps,
}

/// What a model says of itself once all its chains are written.
#[derive(Debug)]
pub(super) struct Tail {
    /// Entries that were followed.
    pub(super) entries: u64,
    /// The last of them.
    pub(super) head: Option<Head>,
    /// Day that the chains are judged as of.
    pub(super) day: Day,
    /// Agencies under which they are judged.
    pub(super) directory: Directory,
}

impl Loaded {
    /// Makes the tables in an empty file.
    pub(super) fn create(connection: Connection, identity: &Identity, steps: Steps) -> Result<Self, Error> {
        connection.execute_batch("BEGIN")?;
        connection.execute_batch(SCHEMA)?;
        for (name, value) in identity.rows() {
            steps.take()?;
            set(&connection, name, &value)?;
        }
        Ok(Self { connection, steps })
    }

    /// What writes the rows of chains.
    pub(super) fn rows(&self) -> Result<Rows<'_>, Error> {
        Rows::first(&self.connection, &self.steps)
    }

    /// Says what the model is of, and closes it.
    pub(super) fn complete(self, tail: &Tail) -> Result<(), Error> {
        let Self { connection, steps } = self;
        for index in INDEXES.split_inclusive(';') {
            steps.take()?;
            connection.execute_batch(index)?;
        }
        set(&connection, "entries", &tail.entries.to_string())?;
        tail.head.as_ref().map_or(Ok(()), |head| head.write(&connection, &steps))?;
        rows::agencies(&connection, &tail.directory)?;
        set(&connection, "directory", &agencies_digest(&tail.directory))?;
        set(&connection, "judging_as_of", &tail.day.to_string())?;
        set(&connection, "judged_as_of", &tail.day.to_string())?;
        steps.take()?;
        connection.execute_batch("COMMIT")?;
        steps.take()?;
        connection.close().map_err(|(_, error)| error)?;
        steps.take()
    }
}

/// A chain that waits to be judged, and the entries of it that were followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) chain: ChainId,
    pub(super) entries: u64,
}

impl Store {
    /// Opens a model, or says that it cannot be used: it is damaged, or of another identity.
    pub(super) fn open(connection: Connection, identity: &Identity, steps: Steps) -> Result<Option<Self>, Error> {
        let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_master WHERE name = 'meta'", [], |row| row.get(0))?;
        if sound != "ok" || tables != 1 || !identity.is_of(&connection)? {
            return Ok(None);
        }
        Ok(Some(Self { connection, steps }))
    }

    /// Makes the tables in an empty file.
    pub(super) fn create(mut connection: Connection, identity: &Identity, steps: Steps) -> Result<Self, Error> {
        let transaction = connection.transaction()?;
        steps.take()?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute_batch(INDEXES)?;
        for (name, value) in identity.rows() {
            steps.take()?;
            set(&transaction, name, &value)?;
        }
        set(&transaction, "entries", "0")?;
        transaction.commit()?;
        Ok(Self { connection, steps })
    }

    /// Enters a batch of the log.
    pub(super) fn append(&mut self, batch: &[Followed]) -> Result<(), Error> {
        let Some(last) = batch.last() else { return Ok(()) };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut new = 0_u64;
        {
            let mut entry = transaction.prepare(
                "INSERT INTO entries (position, chain_id, revision, leaf_hash) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO NOTHING",
            )?;
            let mut known =
                transaction.prepare("SELECT leaf_hash FROM entries WHERE chain_id = ?1 AND revision = ?2")?;
            let mut chain = transaction.prepare(
                "INSERT INTO chains (chain_id, entries) VALUES (?1, ?2)
                 ON CONFLICT (chain_id) DO UPDATE SET entries = max(entries, excluded.entries)",
            )?;
            let mut pending =
                transaction.prepare("INSERT INTO pending (chain_id) VALUES (?1) ON CONFLICT DO NOTHING")?;
            for Followed { stored, .. } in batch {
                let (id, leaf) = (stored.chain.to_string(), leaf_hash(&stored.record).to_string());
                let revision = rows::int(stored.revision.0);
                self.steps.take()?;
                if entry.execute(params![rows::int(stored.order.0), id, revision, leaf])? == 0 {
                    // It stands already when the batch is given again, and must be the same.
                    let stands: Option<String> = known.query_row(params![id, revision], |row| row.get(0)).optional()?;
                    if stands != Some(leaf) {
                        return Err(Error::OtherLog { position: stored.order.0 });
                    }
                    continue;
                }
                new += 1;
                self.steps.take()?;
                chain.execute(params![id, revision.saturating_add(1)])?;
                self.steps.take()?;
                pending.execute(params![id])?;
            }
        }
        let entries = number(&transaction, "entries")?.saturating_add(new);
        set(&transaction, "entries", &entries.to_string())?;
        self.steps.take()?;
        Head::of(last).write(&transaction, &self.steps)?;
        transaction.commit()?;
        self.steps.take()
    }

    /// Chains that wait to be judged, at most so many.
    pub(super) fn pending(&self, limit: usize) -> Result<Vec<Pending>, Error> {
        let mut statement = self
            .connection
            .prepare("SELECT chain_id, entries FROM pending JOIN chains USING (chain_id) ORDER BY chain_id LIMIT ?1")?;
        let found = statement
            .query_map(params![rows::int(limit as u64)], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        let mut pending = Vec::new();
        for found in found {
            let (chain, entries) = found?;
            let chain = ChainId::parse(&chain).ok_or(Error::Malformed { what: "chain_id" })?;
            pending.push(Pending { chain, entries: u64::try_from(entries).unwrap_or_default() });
        }
        Ok(pending)
    }

    /// Chains that wait to be judged.
    pub(super) fn pending_count(&self) -> Result<u64, Error> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM pending", [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Writes what chains say now in place of what they said, and takes them off the list.
    pub(super) fn put(&mut self, derived: &[Derived]) -> Result<(), Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut rows = Rows::again(&transaction, &self.steps)?;
        derived.iter().try_for_each(|derived| rows.replace(derived))?;
        drop(rows);
        self.steps.take()?;
        transaction.commit()?;
        self.steps.take()
    }

    /// Marks the chains that may be judged otherwise: on another day those that time changes, under other agencies all.
    /// When nothing waits any more, the model is as of that day.
    pub(super) fn look(&mut self, day: Day, directory: &Directory) -> Result<(), Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let agencies = agencies_digest(directory);
        let (before, today) = (meta(&transaction, "judging_as_of")?, day.to_string());
        let is_other = meta(&transaction, "directory")?.as_ref() != Some(&agencies);
        // When the clock was set back, a chain that had settled by the later day may not have by the earlier one.
        let is_earlier = before.as_ref().is_some_and(|before| *before > today);
        if is_other || before.as_ref() != Some(&today) {
            let which = if is_other || is_earlier { "true" } else { "is_settled = 0" };
            self.steps.take()?;
            let mark = format!(
                "INSERT INTO pending (chain_id) SELECT chain_id FROM chains WHERE {which} ON CONFLICT DO NOTHING"
            );
            transaction.execute(&mark, [])?;
            self.steps.take()?;
            set(&transaction, "judging_as_of", &today)?;
            set(&transaction, "directory", &agencies)?;
        }
        if is_other {
            rows::agencies(&transaction, directory)?;
        }
        let waits: bool = transaction.query_row("SELECT EXISTS (SELECT 1 FROM pending)", [], |row| row.get(0))?;
        if !waits && meta(&transaction, "judged_as_of")?.as_ref() != Some(&today) {
            self.steps.take()?;
            set(&transaction, "judged_as_of", &today)?;
        }
        self.steps.take()?;
        transaction.commit()?;
        self.steps.take()
    }

    /// Day that chains are judged as of.
    pub(super) fn judging_as_of(&self) -> Result<Day, Error> {
        let day = meta(&self.connection, "judging_as_of")?;
        day.as_deref().and_then(Day::parse).ok_or(Error::Malformed { what: "judging_as_of" })
    }

    /// Entries that were followed.
    pub(super) fn entries(&self) -> Result<u64, Error> {
        number(&self.connection, "entries")
    }

    /// The last entry that was followed; none before the first.
    pub(super) fn head(&self) -> Result<Option<Head>, Error> {
        let (Some(cursor), Some(head)) = (meta(&self.connection, "cursor")?, meta(&self.connection, "head")?) else {
            return Ok(None);
        };
        let malformed = || Error::Malformed { what: "cursor, head" };
        let (high, low) = cursor.split_once(' ').ok_or_else(malformed)?;
        let cursor = Cursor(parsed(high)?, parsed(low)?);
        let mut head = head.split(' ');
        let chain = head.next().and_then(ChainId::parse).ok_or_else(malformed)?;
        let revision = Revision(parsed(head.next().ok_or_else(malformed)?)?);
        let leaf = hex::decode(head.next().ok_or_else(malformed)?).ok().and_then(|bytes| bytes.try_into().ok());
        Ok(Some(Head { cursor, chain, revision, leaf: Hash(leaf.ok_or_else(malformed)?) }))
    }

    /// Puts everything into the one file, so that it can be moved.
    pub(super) fn finish(&self) -> Result<(), Error> {
        self.steps.take()?;
        let settle = "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;";
        self.connection.execute_batch(settle)?;
        self.steps.take()
    }
}

/// A value of the table `meta`.
pub(super) fn meta(connection: &Connection, name: &str) -> Result<Option<String>, Error> {
    let mut statement = connection.prepare("SELECT value FROM meta WHERE name = ?1")?;
    Ok(statement.query_row(params![name], |row| row.get(0)).optional()?)
}

/// A digest that another build writes otherwise only means that everything is judged once more.
fn agencies_digest(directory: &Directory) -> String {
    hash_leaf(format!("{directory:?}").as_bytes()).to_string()
}

fn set(connection: &Connection, name: &str, value: &str) -> Result<(), Error> {
    let set = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    connection.execute(set, params![name, value])?;
    Ok(())
}

fn number(connection: &Connection, name: &str) -> Result<u64, Error> {
    meta(connection, name)?.as_deref().map_or(Ok(0), parsed)
}

fn parsed<T: FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::Malformed { what: "meta" })
}
