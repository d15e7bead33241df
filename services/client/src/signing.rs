//! Recording acts that the caller signs himself: his key never comes near the server, and what he signs he has checked.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use mediation_ledger::{
    entry::Entry,
    key::{KeyId, SignError},
    limits::SIGNATURES_MAX,
    merkle::Hash,
    part::{self, SplitError},
    statement::{Statement, StatementError, pre_authentication},
};
use mediation_proto::{
    ActRequest,
    mediation::ledger::v1::{
        DisclosedPart, PartKind, Prepared, Receipt, Signature, SubmitRequest, prepare_response::Result as Preparation,
    },
};
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::{
    client::{Asked, Client, ClientError},
    trust::{TrustError, VerifiedReceipt},
};

pub use mediation_ledger::key::Signer as CallerSigner;

/// Times one act is prepared and signed while others move the chain. Whoever is late once has let somebody else through;
/// with eight at once on one chain, all the time, one that is late so often is not to be expected in a ledger's life.
const SIGNINGS_MAX: u32 = 64;

/// Longest pause before an act is prepared anew, per time it was late already, and at most.
const LATE_PAUSE_MS: u128 = 8;
const LATE_PAUSE_MS_MAX: u128 = 200;

/// The keys of a caller. They sign where they are: a token's key never leaves it.
#[derive(Debug, Clone)]
pub struct CallerKeys {
    /// Agency that answers for the act.
    pub agency: String,
    /// Its key, which is enrolled.
    pub own: Arc<dyn CallerSigner>,
    /// Keys that sign beside it: an officer's, another agency's. They are enrolled too.
    pub extra: Vec<Arc<dyn CallerSigner>>,
}

impl Client {
    /// Records an act under the caller's own keys: lets the ledger prepare it, checks that what was prepared is what was
    /// asked for, signs, submits, and verifies that the receipt is one for it, with all signatures. While others move the
    /// chain it is prepared and signed anew, bounded, with the same event id.
    ///
    /// # Errors
    /// The ledger refuses or stays away; what it prepared is something else, and nothing was signed; the signer does not
    /// sign; or the receipt proves nothing, or another act.
    pub async fn record_signed(
        &self,
        request: ActRequest,
        keys: &CallerKeys,
    ) -> Result<(Receipt, VerifiedReceipt), ClientError> {
        let mut late = 0;
        loop {
            let prepared = self.again(|| self.prepare(request.clone(), keys.own.public_key().id())).await?;
            let prepared = match prepared {
                Preparation::Prepared(prepared) => prepared,
                Preparation::Recorded(receipt) => return self.signed_receipt(receipt, &request, keys),
            };
            let submission = keys.sign(self.check_prepared(prepared, &request, keys)?, &request).await?;
            match self.again(|| self.submit(submission.clone())).await {
                Ok(receipt) => return self.signed_receipt(receipt, &request, keys),
                Err(ClientError::Status(status)) if is_stale(&status) && late + 1 < SIGNINGS_MAX => {
                    late += 1;
                    tracing::debug!(late, "the chain has moved on, preparing again");
                    tokio::time::sleep(pause(late)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn check_prepared(
        &self,
        prepared: Prepared,
        request: &ActRequest,
        keys: &CallerKeys,
    ) -> Result<ToSign, TrustError> {
        let own =
            Own { origin: self.trust().log_key.name().as_str(), agency: &keys.agency, key: keys.own.public_key().id() };
        Ok(ToSign::check(prepared, request, &own)?)
    }

    /// A receipt of an act that the caller's keys have signed, all of them. The list of signatures is under no signature:
    /// a server could have left one out.
    fn signed_receipt(
        &self,
        receipt: Receipt,
        request: &ActRequest,
        keys: &CallerKeys,
    ) -> Result<(Receipt, VerifiedReceipt), ClientError> {
        let verified = self.trust().verify(&receipt)?;
        Asked::of(request).check(&verified)?;
        let entry = Entry::parse(&receipt.entry).map_err(TrustError::from)?;
        if verified.statement.agency != keys.agency || verified.statement.key_id != keys.own.public_key().id() {
            return Err(TrustError::OtherAct.into());
        }
        let signed = pre_authentication(&entry.statement);
        for signer in keys.all() {
            let key = signer.public_key();
            let signature = entry.signatures.iter().find(|signature| signature.key_id == key.id());
            if !signature.is_some_and(|signature| key.verifies(&signed, &signature.value)) {
                return Err(TrustError::SignatureMissing { key_id: key.id() }.into());
            }
        }
        Ok((receipt, verified))
    }
}

impl CallerKeys {
    fn all(&self) -> impl Iterator<Item = &Arc<dyn CallerSigner>> {
        std::iter::once(&self.own).chain(&self.extra)
    }

    /// Signs what was checked. Devices take their time, and other requests of this process shall not wait for them.
    async fn sign(&self, to_sign: ToSign, request: &ActRequest) -> Result<SubmitRequest, ClientError> {
        if self.extra.len() >= SIGNATURES_MAX {
            return Err(SignError(format!("an act has at most {SIGNATURES_MAX} signatures")).into());
        }
        let mut signatures = Vec::with_capacity(1 + self.extra.len());
        for signer in self.all() {
            let (signer, signed) = (Arc::clone(signer), pre_authentication(&to_sign.statement));
            let signing = tokio::task::spawn_blocking(move || signature(signer.as_ref(), &signed));
            signatures.push(signing.await.map_err(|error| SignError(error.to_string()))??);
        }
        let ToSign { statement, parts } = to_sign;
        Ok(SubmitRequest { statement, signatures, parts, wait: request.wait })
    }
}

/// One signature, which the signer's own public key verifies: a device that signs something else is found here.
fn signature(signer: &dyn CallerSigner, signed: &[u8]) -> Result<Signature, SignError> {
    let (key, value) = (signer.public_key(), signer.sign(signed)?);
    if !key.verifies(signed, &value) {
        return Err(SignError("what it made does not verify under its own public key".to_owned()));
    }
    Ok(Signature { key_id: Bytes::copy_from_slice(&key.id().0), value: value.into() })
}

fn is_stale(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == "PREPARED_STALE")
}

/// A pause of chance length: those who were late together shall not be late together again.
fn pause(late: u32) -> Duration {
    let longest = (LATE_PAUSE_MS * u128::from(late)).min(LATE_PAUSE_MS_MAX);
    Duration::from_millis(u64::try_from(uuid::Uuid::new_v4().as_u128() % longest).unwrap_or_default())
}

/// What a statement must say of the caller.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// Ledger that he writes.
    pub origin: &'a str,
    /// Agency that he is.
    pub agency: &'a str,
    /// Key that he signs with.
    pub key: KeyId,
}

/// What was prepared, found to be exactly the act that was asked for.
#[derive(Debug, Clone)]
pub struct ToSign {
    statement: Bytes,
    parts: Vec<DisclosedPart>,
}

impl ToSign {
    /// Checks what a server has prepared. It could have prepared another act, or another one beside it: nothing that is
    /// under the statement may be anything but what was asked for. Which revision and predecessor are the chain's, and
    /// by which rules it is judged, a caller learns by reading the chain; he insists on a place by `expected_revision`.
    ///
    /// # Errors
    /// The first thing that is not what was asked for.
    pub fn check(prepared: Prepared, request: &ActRequest, own: &Own<'_>) -> Result<Self, PreparedError> {
        let statement = Statement::parse(&prepared.statement)?;
        let first_is_linked = statement.revision.0 == 0 && statement.previous != Hash::ZERO;
        let agrees = [
            ("origin", statement.origin == own.origin),
            ("chain", request.chain_id.as_ref() == Some(&statement.chain.to_string())),
            ("event_id", request.event_id.as_ref() == Some(&statement.event_id.to_string())),
            ("revision", request.expected_revision.is_none_or(|expected| expected == statement.revision.0)),
            ("previous", !first_is_linked),
            ("agency", statement.agency == own.agency),
            ("key_id", statement.key_id == own.key),
            ("occurred_at", request.occurred_at.is_some_and(|time| time.seconds == statement.occurred_at)),
        ];
        if let Some((field, _)) = agrees.into_iter().find(|(_, agrees)| !agrees) {
            return Err(PreparedError::Other { field });
        }
        let expected = part::split(&request.act)?;
        let shown: Vec<DisclosedPart> = prepared.parts.into_iter().filter_map(|prepared| prepared.part).collect();
        if shown.len() != expected.len() || statement.commitments.len() != expected.len() {
            return Err(PreparedError::OtherParts);
        }
        for ((expected, shown), commitment) in expected.iter().zip(&shown).zip(&statement.commitments) {
            let (kind, number) = (expected.kind, expected.number);
            let opened = part::disclosed(shown).ok_or(PreparedError::OtherParts)?;
            let places = [&opened.commitment, commitment].map(|place| (place.kind, place.number));
            if places != [(kind, number); 2] {
                return Err(PreparedError::OtherParts);
            }
            if opened.plaintext != expected.plaintext {
                return Err(PreparedError::OtherContent { kind, number });
            }
            let digest = part::digest(own.origin, statement.event_id, kind, number, &opened.salt, &expected.plaintext);
            if digest != commitment.digest {
                return Err(PreparedError::CommitmentBroken { kind, number });
            }
        }
        Ok(Self { statement: prepared.statement, parts: shown })
    }
}

/// What was prepared is not what was asked for. Nothing was signed; whoever runs the server has something to explain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PreparedError {
    /// The bytes are no statement.
    #[error("what was prepared is no statement: {0}")]
    Statement(#[from] StatementError),
    /// A field of the statement is another one than was asked for.
    #[error("the prepared statement has another `{field}` than was asked for")]
    Other {
        /// Field.
        field: &'static str,
    },
    /// Parts are missing, or there are more than the act has.
    #[error("the prepared parts are not those of the act")]
    OtherParts,
    /// A part says something else than was asked for.
    #[error("prepared part {number} of kind {kind:?} has other content than was asked for")]
    OtherContent {
        /// Kind of the part.
        kind: PartKind,
        /// Number of the part.
        number: u8,
    },
    /// The statement commits to something else than the part that is shown.
    #[error("the statement commits to something else than part {number} of kind {kind:?}")]
    CommitmentBroken {
        /// Kind of the part.
        kind: PartKind,
        /// Number of the part.
        number: u8,
    },
    /// The act that was asked for has no parts of allowed size.
    #[error(transparent)]
    Split(#[from] SplitError),
}
