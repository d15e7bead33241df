//! Signing by the caller: the agency's key is never here.
//!
//! ```text
//! prepare  catch up ─ seen this event id? the same entry ─ admit ─ salts, statement        nothing is kept
//!          ◂ statement, and of each part kind, number, salt and plaintext
//! caller   recomputes every commitment, compares the plaintexts with what he asked for, signs
//! submit   statement, signatures, salts and plaintexts come back
//!          commitments recomputed ─ admit at the head as it is now ─ keys enrolled, signatures good ─ place still free?
//!          seal under these salts ─ log.append
//! ```
//!
//! What was prepared travels with the caller and is checked anew, as if nobody had ever prepared it: there is no lease
//! that could be held or lost, nothing to fill a server's memory, and any server of the ledger, started again or not,
//! takes what another one prepared. It costs sending the parts twice.

use bytes::Bytes;
use mediation_domain::{admit::Caller, history::EventId};
use mediation_proto::mediation::ledger::v1::{Act, PartKind};
use zeroize::Zeroizing;

use super::{Placed, RecordError, Recorder, Request, Signing, Submission};
use crate::{
    chain::ChainId,
    entry::{Entry, Signature},
    key::KeyId,
    ledger::{Fault, Fold, check_signature, extra_signatures},
    limits::SIGNATURES_MAX,
    log::{Log, Order},
    part::{self, Commitment, OpenedPart, Part, SALT_BYTES, SplitError},
    registry::{Registry, SignedAt},
    statement::{Statement, StatementError},
    vault::Vault,
};

/// What a caller gets who wants to sign an act himself.
#[derive(Debug, Clone)]
pub enum Preparation {
    /// What he is to sign.
    Prepared(Prepared),
    /// Nothing is left to sign: the act stands already, with the same content.
    Recorded(Placed),
}

/// An act that only lacks its signature. It may go stale: the place it names may be taken by another act.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Bytes that are to be signed, in their pre-authentication encoding.
    pub statement: Bytes,
    /// What the statement commits to, in the order of its commitments.
    pub parts: Vec<PreparedPart>,
}

/// A part that is salted.
#[derive(Clone)]
pub struct PreparedPart {
    /// Kind, number, whose key will keep it, and plaintext.
    pub part: Part,
    /// Its salt.
    pub salt: Zeroizing<[u8; SALT_BYTES]>,
}

impl std::fmt::Debug for PreparedPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedPart").field("kind", &self.part.kind).field("number", &self.part.number).finish()
    }
}

impl PreparedPart {
    /// What the statement says of it.
    fn commitment(&self, origin: &str, event_id: EventId) -> Commitment {
        let Part { kind, number, ref plaintext, .. } = self.part;
        Commitment { kind, number, digest: part::digest(origin, event_id, kind, number, &self.salt, plaintext) }
    }
}

/// A signed act as it came back, in agreement with itself: the parts are those that the statement commits to, and are
/// the parts of one act. Whether its signatures are good only the registry can tell.
#[derive(Debug, Clone)]
pub struct Signed {
    bytes: Bytes,
    statement: Statement,
    signatures: Vec<Signature>,
    parts: Vec<Part>,
    salts: Vec<[u8; SALT_BYTES]>,
    act: Act,
}

impl Signed {
    /// Takes what came back. The digests of the parts are not looked at, they are recomputed.
    ///
    /// # Errors
    /// The first thing that does not agree.
    pub fn new(statement: Bytes, mut signatures: Vec<Signature>, parts: Vec<OpenedPart>) -> Result<Self, SignedError> {
        let bytes = statement;
        let statement = Statement::parse(&bytes)?;
        if signatures.is_empty() || signatures.len() > SIGNATURES_MAX {
            return Err(SignedError::SignatureCount { count: signatures.len() });
        }
        signatures.sort_by_key(|signature| signature.key_id);
        if signatures.windows(2).any(|pair| pair.first().map(|one| one.key_id) == pair.last().map(|one| one.key_id)) {
            return Err(SignedError::SignedTwice);
        }
        let commitments = &statement.commitments;
        let place = |commitment: &Commitment| (commitment.kind, commitment.number);
        if !commitments.iter().map(place).eq(parts.iter().map(|part| place(&part.commitment))) {
            return Err(SignedError::OtherParts);
        }
        for (commitment, part) in commitments.iter().zip(&parts) {
            let (kind, number) = place(commitment);
            let digest = part::digest(&statement.origin, statement.event_id, kind, number, &part.salt, &part.plaintext);
            if digest != commitment.digest {
                return Err(SignedError::CommitmentBroken { kind, number });
            }
        }
        let act = part::join_opened(&parts).ok_or(SignedError::NotAnAct)?;
        let own = part::split(&act)?;
        let plaintexts = parts.iter().map(|part| (place(&part.commitment), &part.plaintext));
        if !own.iter().map(|part| ((part.kind, part.number), &part.plaintext)).eq(plaintexts) {
            return Err(SignedError::NotAnAct);
        }
        let salts = parts.iter().map(|part| part.salt).collect();
        Ok(Self { bytes, statement, signatures, parts: own, salts, act })
    }

    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Salts, in the order of the parts.
    pub(super) fn salts(&self) -> &[[u8; SALT_BYTES]] {
        &self.salts
    }

    /// The entry that it makes.
    pub(super) fn entry(&self, recorded_at: i64) -> Bytes {
        self.to_entry(recorded_at).to_bytes()
    }

    fn to_entry(&self, recorded_at: i64) -> Entry {
        Entry { statement: self.bytes.clone(), signatures: self.signatures.clone(), recorded_at }
    }

    fn request(&self) -> Request {
        let Statement { chain, event_id, occurred_at, .. } = self.statement;
        Request { chain, event_id, expected_revision: None, occurred_at, act: self.act.clone() }
    }
}

impl<L: Log, V: Vault> Recorder<L, V> {
    /// Prepares an act for a caller who signs it himself, with the key of this id. Nothing is kept of it.
    ///
    /// # Errors
    /// Everything for which [`Recorder::record`] would refuse the act as the chain stands now.
    pub async fn prepare(&self, caller: &Caller, request: &Request, key_id: KeyId) -> Result<Preparation, RecordError> {
        let parts = part::split(&request.act)?;
        let submission = Submission { caller, request, key_id, key_is_held: false, parts };
        let fold = self.folds.of(request.chain);
        let mut fold = fold.lock().await;
        self.catch_up(&mut fold).await?;
        if let Some(revision) = fold.place(request.event_id) {
            return Ok(Preparation::Recorded(self.replay(&submission, revision).await?));
        }
        self.ledger.refresh_registry().await?;
        let admitted = self.admitted(&submission, &fold).await?;
        drop(self.check(&submission, &fold, admitted, fold.recorded_next(self.ledger.clock().now_ms()))?);
        let origin = self.ledger.origin();
        let salted = submission.parts.iter().map(|part| {
            let salt = part::salt(self.entropy.as_ref(), origin, request.chain, request.event_id, part)?;
            Ok(PreparedPart { part: part.clone(), salt })
        });
        let parts: Vec<PreparedPart> = salted.collect::<Result<_, RecordError>>()?;
        let commitments = parts.iter().map(|part| part.commitment(origin, request.event_id)).collect();
        let statement = self.statement(&submission, &fold, commitments).to_bytes();
        Ok(Preparation::Prepared(Prepared { statement, parts }))
    }

    /// Records an act that the caller has signed, durably. The same chain and event id with the same content answers the
    /// same entry, whatever it was signed with.
    ///
    /// # Errors
    /// Those of [`Recorder::record`]; what was signed is not what would be prepared for this caller, or a signature is
    /// none; or [`RecordError::PreparedStale`]: prepare again, and sign again.
    pub async fn submit(&self, caller: &Caller, signed: &Signed) -> Result<Placed, RecordError> {
        let statement = signed.statement();
        let agrees = [
            ("origin", statement.origin == self.ledger.origin()),
            ("agency", statement.agency == caller.agency),
            ("rule_set", statement.rule_set == self.ledger.rule_set()),
        ];
        if let Some((field, _)) = agrees.into_iter().find(|(_, agrees)| !agrees) {
            return Err(RecordError::OtherStatement { field });
        }
        let request = signed.request();
        let (key_id, parts) = (statement.key_id, signed.parts.clone());
        let submission = Submission { caller, request: &request, key_id, key_is_held: false, parts };
        self.place(&submission, Signing::Caller(signed)).await
    }

    /// Whether an entry made of this would count as the next of the chain, extra signatures and all. A signature that is
    /// none is told before a place that is taken: preparing anew would not mend it.
    pub(super) fn check_signed(
        &self,
        signed: &Signed,
        fold: &Fold,
        after: &Registry,
        recorded_at: i64,
    ) -> Result<(), RecordError> {
        let (entry, statement) = (signed.to_entry(recorded_at), signed.statement());
        let at = SignedAt { order: Order::END, recorded_at };
        let on_registry = fold.chain() == ChainId::registry(self.ledger.origin());
        let registry = self.ledger.registry_for(fold, &statement.agency, &signed.act)?;
        if check_signature(&registry, on_registry, at, &entry, statement).is_err() {
            return Err(RecordError::SignatureBad { key_id: statement.key_id });
        }
        for extra in extra_signatures(after, at, &entry, statement) {
            let key_id = extra.key_id;
            match extra.agency {
                Ok(_) => {}
                Err(Fault::ExtraKeyUnknown { .. }) => return Err(RecordError::ExtraKeyUnknown { key_id }),
                Err(_) => return Err(RecordError::SignatureBad { key_id }),
            }
        }
        if statement.revision != fold.next() || statement.previous != fold.head() {
            let prepared = statement.revision;
            return Err(RecordError::PreparedStale { prepared, next: fold.next(), head: fold.head() });
        }
        Ok(())
    }
}

/// Why what came back is not one signed act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignedError {
    /// The bytes are no statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// No signature, or too many.
    #[error("{count} signatures, not 1 to {SIGNATURES_MAX}")]
    SignatureCount {
        /// Number of signatures.
        count: usize,
    },
    /// A key signed twice.
    #[error("a key signed twice")]
    SignedTwice,
    /// The parts are not those that the statement commits to: one is missing, is too many, or out of order.
    #[error("the parts are not those that the statement commits to")]
    OtherParts,
    /// Salt and plaintext of a part do not give its commitment.
    #[error("part {number} of kind {kind:?} does not agree with its commitment")]
    CommitmentBroken {
        /// Kind of the part.
        kind: PartKind,
        /// Number of the part.
        number: u8,
    },
    /// The parts are not those of one act.
    #[error("the parts are not those of one act")]
    NotAnAct,
    /// The act cannot be split into parts of allowed size.
    #[error(transparent)]
    Split(#[from] SplitError),
}
