//! The one write path: admit → commit → sign → append.
//!
//! ```text
//! record   catch up with the chain
//!          seen this event id? same content: the same entry; other content: refused
//!          admit                                     pure; refuses; nothing has changed
//!          seal parts, keep their keys in the vault  a crash here leaves keys that open nothing
//!          statement ← commitments, previous, revision
//!          entry ← sign                              bytes are fixed here
//!          log.append(chain, expected revision)      a crash here: stored or not; the caller asks again
//! ```
//!
//! Many acts at once go the same way in `batch`: one deposit and one append for all of them. In `caller` the agency signs
//! elsewhere, with a key that is never here: the line is cut before the signature, and goes on when it comes.

mod admission;
mod batch;
mod caller;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use mediation_domain::{
    admit::{Caller, Refusal},
    history::{EventId, Recorded},
};
use mediation_proto::mediation::{ledger::v1::Act, types::v1::AgencyKind};

pub use self::{
    batch::{BatchError, Submitted},
    caller::{Preparation, Prepared, PreparedPart, Signed, SignedError},
};
use crate::{
    chain::{ChainId, Revision},
    entropy::{Entropy, SystemEntropy},
    entry::{Entry, Signature},
    key::{KeyId, SignError, Signer},
    ledger::{Fault, Fold, Folds, Ledger, LedgerError, ReadEntry},
    limits::{APPEND_ATTEMPTS_MAX, ENTRY_BYTES_MAX, RECORD_BYTES_MAX, RESEND_ATTEMPTS_MAX},
    log::{AppendError, Log},
    merkle::{Hash, hash_leaf},
    part::{self, Commitment, OpenedPart, Part, SealError, SealedPart, SplitError},
    record::Record,
    registry::{KeyFault, Registry, RegistryError},
    statement::{Statement, pre_authentication},
    vault::{Deposit, Vault, VaultError},
};

/// Chains whose fold is kept, so that recording reads only what was added since, unless said otherwise.
pub const FOLDS_DEFAULT: usize = 4_096;

/// A request to record one act, parsed.
#[derive(Debug, Clone)]
pub struct Request {
    /// Chain, chosen by the caller.
    pub chain: ChainId,
    /// Idempotency key, chosen by the caller.
    pub event_id: EventId,
    /// Revision that the act shall take, when the caller insists.
    pub expected_revision: Option<Revision>,
    /// The agency's word: seconds since 1970-01-01T00:00:00Z.
    pub occurred_at: i64,
    /// What was done.
    pub act: Act,
}

/// An act that stands on its chain, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Chain.
    pub chain: ChainId,
    /// Event id.
    pub event_id: EventId,
    /// Place in the chain.
    pub revision: Revision,
    /// Leaf hash.
    pub leaf: Hash,
    /// The leaf's bytes.
    pub entry: Bytes,
}

/// Records acts.
#[derive(Debug)]
pub struct Recorder<L, V> {
    ledger: Arc<Ledger<L, V>>,
    signers: BTreeMap<String, Arc<dyn Signer>>,
    entropy: Arc<dyn Entropy>,
    folds: Folds,
}

impl<L: Log, V: Vault> Recorder<L, V> {
    /// A recorder that signs for these agencies, with the operating system's randomness.
    #[must_use]
    pub fn new(ledger: Arc<Ledger<L, V>>, signers: BTreeMap<String, Arc<dyn Signer>>) -> Self {
        let entropy = Arc::new(SystemEntropy);
        Self { ledger, signers, entropy, folds: Folds::new(FOLDS_DEFAULT) }
    }

    /// With other entropy: a ledger that is made up. See [`crate::entropy::SeededEntropy`] for what that costs.
    #[must_use]
    pub fn with_entropy(self, entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, ..self }
    }

    /// With room for the folds of so many chains. One that is forgotten is read from the log again.
    #[must_use]
    pub fn with_folds_max(self, folds_max: usize) -> Self {
        Self { folds: Folds::new(folds_max), ..self }
    }

    /// The ledger that is written.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger<L, V>> {
        &self.ledger
    }

    /// Whether a key of an agency is held here.
    #[must_use]
    pub fn signs_for(&self, agency: &str) -> bool {
        self.signers.contains_key(agency)
    }

    /// Who signs what the platform itself records for an agency, such as that somebody has read: that agency where its key is held
    /// here, else a governance center whose key is; none where neither is.
    #[must_use]
    pub fn stands_in_for(&self, agency: &str) -> Option<Caller> {
        let registry = self.ledger.registry();
        let directory = registry.directory();
        let own = directory.kind(agency).filter(|_| self.signs_for(agency));
        if let Some(kind) = own {
            return Some(Caller { agency: agency.to_owned(), kind });
        }
        let is_center = |kind| kind == AgencyKind::GovernanceCenter;
        let mut centers = directory.iter().filter(|(id, known)| is_center(known.kind) && self.signs_for(id));
        centers.next().map(|(id, known)| Caller { agency: id.to_owned(), kind: known.kind })
    }

    /// Records an act for an agency, durably.
    ///
    /// # Errors
    /// A refusal, after which nothing has changed, or a fault; only [`AppendError::Unknown`] leaves open whether
    /// the act was recorded.
    pub async fn record(&self, caller: &Caller, request: &Request) -> Result<Placed, RecordError> {
        let (submission, signer) = self.submission(caller, request)?;
        self.place(&submission, Signing::Here(signer)).await
    }

    /// Gives a submission its place, durably.
    async fn place(&self, submission: &Submission<'_>, signing: Signing<'_>) -> Result<Placed, RecordError> {
        let request = submission.request;
        // Writers of one chain in this process take turns, so that they do not spend their attempts on each other.
        let fold = self.folds.of(request.chain);
        let mut fold = fold.lock().await;
        for _attempt in 0..APPEND_ATTEMPTS_MAX {
            self.catch_up(&mut fold).await?;
            if let Some(revision) = fold.place(request.event_id) {
                return self.replay(submission, revision).await;
            }
            let registry = self.ledger.refresh_registry().await?;
            let admitted = self.admitted(submission, &fold).await?;
            let recorded_at = fold.recorded_next(self.ledger.clock().now_ms());
            let after = self.check(submission, &fold, admitted, recorded_at)?;
            if let Signing::Caller(signed) = signing {
                self.check_signed(signed, &fold, &after, recorded_at)?;
            }
            let attempt = self.attempt(submission, signing, &fold, recorded_at)?;
            let Attempt { placed, record, deposits, recorded_at } = attempt;
            // A crash after this leaves keys of parts that no record has: they open nothing.
            self.ledger.vault().deposit(request.chain, deposits).await?;
            match self.append(&placed, &record).await {
                Ok(()) => {
                    self.settle(&mut fold, &registry, &placed, recorded_at, submission).await?;
                    return Ok(placed);
                }
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RecordError::Contended { attempts: APPEND_ATTEMPTS_MAX })
    }

    /// What all attempts at a request have in common, and the key that is held here.
    fn submission<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a Request,
    ) -> Result<(Submission<'a>, &'a dyn Signer), RecordError> {
        let signer = self
            .signers
            .get(&caller.agency)
            .ok_or_else(|| RecordError::KeyNotHeld { agency: caller.agency.clone() })?;
        let (key_id, parts) = (signer.public_key().id(), part::split(&request.act)?);
        Ok((Submission { caller, request, key_id, key_is_held: true, parts }, signer.as_ref()))
    }

    /// Brings the fold up to an entry that was just appended. When the registry has moved meanwhile, the entry may stand
    /// behind a revocation of its key: then it has to be read as everybody reads it.
    async fn settle(
        &self,
        fold: &mut Fold,
        registry: &Arc<Registry>,
        placed: &Placed,
        recorded_at: i64,
        submission: &Submission<'_>,
    ) -> Result<(), RecordError> {
        let Submission { caller, request, .. } = submission;
        // The place in the log, by which the registry goes, is known only to who reads it there.
        let on_registry = fold.chain() == ChainId::registry(self.ledger.origin());
        let unmoved = !on_registry && Arc::ptr_eq(registry, &self.ledger.refresh_registry().await?);
        if fold.is_blind() {
            // The agency takes part from now on, and is given the keys of what it could not see.
            *fold = Fold::new(request.chain);
            if unmoved {
                return Ok(());
            }
        } else if unmoved {
            let recorded = recorded(caller, (*request).clone(), placed.revision, recorded_at);
            if fold.advance(self.ledger.origin(), placed.leaf, &recorded).is_err() {
                // It stands all the same; what counts of it the next reading of the chain will say.
                *fold = Fold::new(request.chain);
            }
            return Ok(());
        }
        let read = self.ledger.catch_up(fold).await?;
        let own = read.into_iter().find(|entry| entry.revision == placed.revision);
        match own.map(|entry| entry.outcome) {
            Some(Err(Fault::Key(fault))) => Err(RecordError::KeyInvalid { agency: caller.agency.clone(), fault }),
            Some(Ok(_) | Err(_)) | None => Ok(()),
        }
    }

    /// Fixes entry, keys and recorded time for one revision. Nothing is kept anywhere yet.
    fn attempt(
        &self,
        submission: &Submission<'_>,
        signing: Signing<'_>,
        fold: &Fold,
        recorded_at: i64,
    ) -> Result<Attempt, RecordError> {
        let Submission { request, parts, .. } = submission;
        let Request { chain, event_id, .. } = **request;
        let (entropy, cipher, origin) = (self.entropy.as_ref(), self.ledger.cipher(), self.ledger.origin());
        let (sealed, entry): (Vec<SealedPart>, Bytes) = match signing {
            Signing::Here(signer) => {
                let seal = |part| part::seal(entropy, cipher, origin, chain, event_id, part);
                let sealed = parts.iter().map(seal).collect::<Result<Vec<_>, _>>()?;
                let commitments = sealed.iter().map(|part| part.commitment).collect();
                let entry = sign(&self.statement(submission, fold, commitments), signer, recorded_at)?;
                (sealed, entry)
            }
            Signing::Caller(signed) => {
                let salted = parts.iter().zip(signed.salts());
                let seal = |(part, salt)| part::seal_salted(entropy, cipher, origin, chain, event_id, part, salt);
                (salted.map(seal).collect::<Result<_, _>>()?, signed.entry(recorded_at))
            }
        };
        let leaf = hash_leaf(&entry);
        let stored = sealed.iter().map(|part| part.stored.clone()).collect();
        let record = Record { entry: entry.clone(), parts: stored }.to_bytes();
        if entry.len() > ENTRY_BYTES_MAX || record.len() > RECORD_BYTES_MAX {
            return Err(RecordError::RecordTooLarge { size: record.len() });
        }
        let deposits = parts
            .iter()
            .zip(sealed)
            .map(|(part, sealed)| Deposit {
                digest: sealed.commitment.digest,
                holder: part.holder.clone(),
                key: sealed.key,
            })
            .collect();
        let placed = Placed { chain, event_id, revision: fold.next(), leaf, entry };
        Ok(Attempt { placed, record, deposits, recorded_at })
    }

    /// What the agency states of the act as the next of its chain.
    fn statement(&self, submission: &Submission<'_>, fold: &Fold, commitments: Vec<Commitment>) -> Statement {
        let Submission { caller, request, key_id, .. } = submission;
        Statement {
            origin: self.ledger.origin().to_owned(),
            event_id: request.event_id,
            chain: request.chain,
            revision: fold.next(),
            previous: fold.head(),
            agency: caller.agency.clone(),
            key_id: *key_id,
            occurred_at: request.occurred_at,
            rule_set: self.ledger.rule_set().to_owned(),
            commitments,
        }
    }

    /// Appends, and asks again with the same bytes while nobody can say how it ended.
    async fn append(&self, placed: &Placed, record: &Bytes) -> Result<(), AppendError> {
        let Placed { chain, revision, .. } = *placed;
        let mut resends = 0;
        loop {
            match self.ledger.log().append(chain, revision, record.clone()).await {
                Err(AppendError::Unknown(cause)) if resends < RESEND_ATTEMPTS_MAX => {
                    resends += 1;
                    tracing::warn!(%chain, %revision, resends, ?cause, "append ended unknown, asking again");
                }
                Err(error) if resends > 0 => return Err(error.after_unknown()),
                ended => return ended,
            }
        }
    }

    /// The event id stands on the chain: the same entry for the same content, a refusal for other content.
    async fn replay(&self, submission: &Submission<'_>, revision: Revision) -> Result<Placed, RecordError> {
        let Submission { caller, request, parts, .. } = submission;
        let found = self.ledger.entry_parts(request.chain, revision).await?;
        let ReadEntry { stored, statement, parts: opened, withheld } = found.ok_or(RecordError::Lost { revision })?;
        let entry = Record::parse(&stored.record).ok_or(RecordError::Lost { revision })?.entry;
        if statement.agency != caller.agency {
            return Err(RecordError::EventIdTaken);
        }
        if withheld {
            // Of content that cannot be seen nobody may say that it is the same.
            return Err(RecordError::Withheld { chain: request.chain });
        }
        let same = statement.occurred_at == request.occurred_at
            && same_parts(self.ledger.origin(), request.event_id, &statement, parts, &opened);
        if !same {
            let recorded = statement.commitments.first().map(|commitment| commitment.digest).unwrap_or(Hash::ZERO);
            return Err(RecordError::EventIdReused {
                recorded,
                submitted: submitted_digest(self.ledger.origin(), request.event_id, parts, &opened),
            });
        }
        Ok(Placed { chain: request.chain, event_id: request.event_id, revision, leaf: hash_leaf(&entry), entry })
    }
}

/// A request, and what is made of it once for all attempts.
struct Submission<'a> {
    caller: &'a Caller,
    request: &'a Request,
    /// Key that signs, or has signed.
    key_id: KeyId,
    /// Whether it lies here.
    key_is_held: bool,
    parts: Vec<Part>,
}

/// Who signs.
#[derive(Clone, Copy)]
enum Signing<'a> {
    /// This process, at every attempt.
    Here(&'a dyn Signer),
    /// The caller has, for one place in the chain.
    Caller(&'a Signed),
}

/// Everything that is frozen for one revision.
struct Attempt {
    placed: Placed,
    record: Bytes,
    /// Keys of the parts, for the vault.
    deposits: Vec<Deposit>,
    recorded_at: i64,
}

/// What the fold of the chain takes from an act that stands on it.
fn recorded(caller: &Caller, request: Request, revision: Revision, recorded_at: i64) -> Recorded {
    Recorded {
        revision: revision.0,
        event_id: request.event_id,
        agency: caller.agency.clone(),
        occurred_at: request.occurred_at,
        recorded_at,
        act: request.act,
    }
}

/// Signs a statement: the one place that signs acts.
///
/// # Errors
/// The signer did not sign.
pub fn sign(statement: &Statement, signer: &dyn Signer, recorded_at: i64) -> Result<Bytes, SignError> {
    let bytes = statement.to_bytes();
    let value = signer.sign(&pre_authentication(&bytes))?;
    let signature = Signature { key_id: statement.key_id, value: value.into() };
    Ok(Entry { statement: bytes, signatures: vec![signature], recorded_at }.to_bytes())
}

/// Same content: each submitted part recomputes the stored commitment under the stored salt. For parts that are erased
/// the remaining ones suffice.
fn same_parts(origin: &str, event_id: EventId, statement: &Statement, parts: &[Part], opened: &[OpenedPart]) -> bool {
    let places = statement.commitments.iter().map(|commitment| (commitment.kind, commitment.number));
    if !places.eq(parts.iter().map(|part| (part.kind, part.number))) {
        return false;
    }
    opened.iter().all(|known| {
        let place = (known.commitment.kind, known.commitment.number);
        parts.iter().filter(|part| (part.kind, part.number) == place).all(|part| {
            part::digest(origin, event_id, part.kind, part.number, &known.salt, &part.plaintext)
                == known.commitment.digest
        })
    })
}

/// What the submitted act part would have been committed to under the stored salt.
fn submitted_digest(origin: &str, event_id: EventId, parts: &[Part], opened: &[OpenedPart]) -> Hash {
    let (Some(part), Some(known)) = (parts.first(), opened.first()) else { return Hash::ZERO };
    part::digest(origin, event_id, part.kind, part.number, &known.salt, &part.plaintext)
}

/// Why an act was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No key of this agency is held here that may sign the act: none at all, one that is not enrolled, or a signing key
    /// where the root key is needed.
    #[error("no key of `{agency}` that may sign this act is held here")]
    KeyNotHeld {
        /// Agency.
        agency: String,
    },
    /// The key that is held here for the agency does not count: of an entry that it signed, nobody would take notice.
    #[error("`{agency}` cannot sign: {fault}")]
    KeyInvalid {
        /// Agency.
        agency: String,
        /// Why.
        fault: KeyFault,
    },
    /// The key that the caller signs with is none of his agency's, or not the one for this act.
    #[error("key {key_id} is not one of `{agency}` that may sign this act")]
    KeyNotEnrolled {
        /// Agency.
        agency: String,
        /// Key that it named.
        key_id: KeyId,
    },
    /// What was signed is not what this ledger would have prepared for this caller.
    #[error("the signed statement names another `{field}`")]
    OtherStatement {
        /// Field that differs.
        field: &'static str,
    },
    /// A signature is missing, or is not that of its key.
    #[error("the signature is not that of key {key_id}")]
    SignatureBad {
        /// Key that it names.
        key_id: KeyId,
    },
    /// An extra signature names a key that does not count now.
    #[error("an extra signature names key {key_id}, which does not count")]
    ExtraKeyUnknown {
        /// Key that it names.
        key_id: KeyId,
    },
    /// The statement was prepared for another place: the chain has moved since.
    #[error("the statement was prepared for revision {prepared}, the next one is {next}")]
    PreparedStale {
        /// Revision that it was prepared for.
        prepared: Revision,
        /// The next one.
        next: Revision,
        /// Leaf hash that the next entry must link to.
        head: Hash,
    },
    /// The act cannot be split into parts of allowed size.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// Entry or record exceed their bounds.
    #[error("a record of {size} bytes is too large")]
    RecordTooLarge {
        /// Size in bytes.
        size: usize,
    },
    /// The caller insisted on a revision that is not the next one.
    #[error("revision {expected} was expected, the next one is {actual}")]
    RevisionStale {
        /// Revision the caller insists on.
        expected: Revision,
        /// The next one.
        actual: Revision,
    },
    /// The event id stands on the chain with other content.
    #[error("the event id was used for other content")]
    EventIdReused {
        /// Commitment of the act that stands.
        recorded: Hash,
        /// What the submitted act would have been committed to.
        submitted: Hash,
    },
    /// The event id stands on the chain for an act of another agency. No digests are told: over the stored salt they
    /// would let the caller guess what he may not see.
    #[error("the event id was used by another agency")]
    EventIdTaken,
    /// Others were faster every time.
    #[error("the chain moved on {attempts} times")]
    Contended {
        /// Attempts made.
        attempts: u32,
    },
    /// The log gave no acknowledgement.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The chain could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The vault did not keep the keys.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No randomness, or the cipher refused.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The signer did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The act would have no effect on the registry chain.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The vault withholds the chain from this process where it has to be seen: to compare an act with one that stands, or
    /// to record many at once.
    #[error("chain {chain} is withheld from this process")]
    Withheld {
        /// Chain.
        chain: ChainId,
    },
    /// An entry that was there is not there any more.
    #[error("the entry at revision {revision} is gone")]
    Lost {
        /// Its place.
        revision: Revision,
    },
}

#[cfg(test)]
mod tests;
