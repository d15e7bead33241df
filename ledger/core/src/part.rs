//! Parts of an act: split before anything is signed, committed to one by one, encrypted one by one.
//!
//! ```text
//! part digest = SHA-256( "mediation-ledger/part/v1" 0x00 | u8 algorithm | u8 len, origin | event_id[16]
//!                        | u8 part kind | u8 part number | salt[32] | u64be len | plaintext )
//! stored part = cipher( data key, nonce[12], salt | plaintext, AAD = origin | event_id | part kind | part number )
//! ```
//!
//! The salt exists nowhere but inside the ciphertext: when the data key is destroyed nobody can guess a name against
//! the commitment.

mod cipher;
mod identities;

use bytes::Bytes;
use mediation_domain::{
    catalogue::{self, FieldType},
    history::EventId,
};
use mediation_proto::{
    fields::{Fields, KindInfo, Value},
    mediation::ledger::v1::{self as proto, Act, PartKind},
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub use self::cipher::{Cipher, NONCE_BYTES};
use crate::{
    chain::ChainId,
    entropy::{Entropy, EntropyError, Purpose},
    limits::{PART_BYTES_MAX, PARTS_MAX},
    merkle::Hash,
    statement::{StatementError, encode},
    vault::{DataKey, Holder},
};

/// Bytes of a salt.
pub const SALT_BYTES: usize = 32;

const DIGEST_DOMAIN: &[u8] = b"mediation-ledger/part/v1\0";
const SHA_256: u8 = 1;

/// Commitment to one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment {
    /// Kind of the part.
    pub kind: PartKind,
    /// Number of the part within its kind.
    pub number: u8,
    /// Part digest.
    pub digest: Hash,
}

impl Commitment {
    pub(crate) fn to_proto(self) -> proto::Commitment {
        proto::Commitment {
            algorithm: u32::from(SHA_256),
            kind: self.kind as i32,
            number: u32::from(self.number),
            digest: Bytes::copy_from_slice(&self.digest.0),
        }
    }

    pub(crate) fn from_proto(message: &proto::Commitment) -> Result<Self, StatementError> {
        let kind = PartKind::try_from(message.kind).ok().filter(|kind| *kind != PartKind::Unspecified);
        let number = u8::try_from(message.number).ok();
        let digest = message.digest.as_ref().try_into().ok();
        match (message.algorithm == u32::from(SHA_256), kind, number, digest) {
            (true, Some(kind), Some(number), Some(digest)) => Ok(Self { kind, number, digest: Hash(digest) }),
            _ => Err(StatementError::UnknownCommitment),
        }
    }
}

/// One part of an act, before it is salted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Kind.
    pub kind: PartKind,
    /// Number within its kind.
    pub number: u8,
    /// Whose key keeps it.
    pub holder: Holder,
    /// Encoded [`Act`] with this part's fields.
    pub plaintext: Bytes,
}

/// Splits an act into its parts, by kind, then number. The catalogue says which field belongs to which part.
///
/// # Errors
/// The message names no act, or a part is too large, or there are too many.
pub fn split(act: &Act) -> Result<Vec<Part>, SplitError> {
    let (kind, event) = act.event().ok_or(SplitError::NoAct)?;
    let header = act.header.as_ref().map(encode).unwrap_or_default();
    let mut facts = Vec::new();
    let mut narrative = Vec::new();
    let mut sealed = Vec::new();
    let mut identities: Vec<(String, Vec<u8>)> = Vec::new();
    let encoded = encode(act);
    let body = body_of(&encoded, kind).ok_or(SplitError::NoAct)?;
    let row = catalogue::row(kind);
    let mut taken = std::collections::BTreeMap::<u32, usize>::new();
    for (number, raw) in wire::fields(body) {
        let field = row.fields.iter().find(|field| field.number == number).ok_or(SplitError::NoAct)?;
        match field.part {
            PartKind::Narrative => narrative.extend_from_slice(raw),
            PartKind::Sealed => sealed.extend_from_slice(raw),
            PartKind::Identities => {
                let at = taken.entry(number).or_default();
                let subject = subject_of(event, number, *at, field.ty);
                *at += 1;
                match identities.iter_mut().find(|known| known.0 == subject) {
                    Some(known) => known.1.extend_from_slice(raw),
                    None => identities.push((subject, raw.to_vec())),
                }
            }
            PartKind::Act | PartKind::Unspecified => facts.extend_from_slice(raw),
        }
    }
    let mut parts = vec![part(PartKind::Act, 0, Holder::Chain, wrap(kind, &header, &facts))?];
    for (at, (subject, raw)) in identities.into_iter().enumerate() {
        let number = u8::try_from(at).map_err(|_| SplitError::TooManyParts)?;
        parts.push(part(PartKind::Identities, number, Holder::Subject(subject), wrap(kind, &[], &raw))?);
    }
    for (part_kind, raw) in [(PartKind::Narrative, narrative), (PartKind::Sealed, sealed)] {
        if !raw.is_empty() {
            parts.push(part(part_kind, 0, Holder::Chain, wrap(kind, &[], &raw))?);
        }
    }
    if parts.len() > PARTS_MAX {
        return Err(SplitError::TooManyParts);
    }
    Ok(parts)
}

fn part(kind: PartKind, number: u8, holder: Holder, plaintext: Vec<u8>) -> Result<Part, SplitError> {
    if plaintext.len() > PART_BYTES_MAX {
        return Err(SplitError::TooLarge { kind, size: plaintext.len() });
    }
    Ok(Part { kind, number, holder, plaintext: plaintext.into() })
}

fn subject_of(event: &dyn Fields, number: u32, at: usize, ty: FieldType) -> String {
    debug_assert!(matches!(ty, FieldType::Record(_)), "identities are records with a subject");
    match event.value(number, at) {
        Some(Value::Message(identity)) => identity.text("subject").unwrap_or_default().to_owned(),
        Some(Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Enum(_)) | None => String::new(),
    }
}

/// Bytes of the act's own message inside an encoded [`Act`].
fn body_of<'a>(encoded: &'a [u8], kind: &KindInfo) -> Option<&'a [u8]> {
    let family = wire::fields(encoded).find(|field| field.0 == kind.family_number)?;
    let event = wire::fields(wire::content(family.1)?).find(|field| field.0 == kind.number)?;
    wire::content(event.1)
}

/// Encoded [`Act`] around some fields of an act's own message.
fn wrap(kind: &KindInfo, header: &[u8], fields: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(header.len() + fields.len() + 16);
    if !header.is_empty() {
        wire::write(&mut out, HEADER, header);
    }
    let mut event = Vec::with_capacity(fields.len() + 8);
    wire::write(&mut event, kind.number, fields);
    wire::write(&mut out, kind.family_number, &event);
    out
}

/// Field number of the header in [`Act`].
const HEADER: u32 = 6;

/// Puts parts together again; those that are missing leave their fields empty.
///
/// # Errors
/// A plaintext is no encoded act.
pub fn join<'a>(plaintexts: impl IntoIterator<Item = &'a [u8]>) -> Result<Act, prost::DecodeError> {
    let mut act = Act::default();
    for plaintext in plaintexts {
        act.merge(plaintext)?;
    }
    Ok(act)
}

/// The act that opened parts tell together; none when a part holds anything but the fields of its own kind, or parts
/// tell of different acts. Otherwise an agency could show one act to those who see all parts, and another one to those
/// who do not.
#[must_use]
pub fn join_opened(parts: &[OpenedPart]) -> Option<Act> {
    let (mut kind, mut act) = (None, None);
    for opened in parts {
        let alone = join([opened.plaintext.as_ref()]).ok()?;
        let (own, _) = alone.event()?;
        if *kind.get_or_insert(own.event) != own.event {
            return None;
        }
        // Taken apart again, a part is itself; any other but the act's comes with an empty act part before it.
        let again = split(&alone).ok()?;
        let expected = if opened.commitment.kind == PartKind::Act { 1 } else { 2 };
        let last = again.last().filter(|_| again.len() == expected)?;
        if last.kind != opened.commitment.kind || last.plaintext != opened.plaintext {
            return None;
        }
        match &mut act {
            None => act = Some(alone),
            Some(act) => act.merge(opened.plaintext.as_ref()).ok()?,
        }
    }
    Some(act.unwrap_or_default())
}

/// Digest that a statement commits to.
#[must_use]
pub fn digest(
    origin: &str,
    event_id: EventId,
    kind: PartKind,
    number: u8,
    salt: &[u8; SALT_BYTES],
    plaintext: &[u8],
) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(DIGEST_DOMAIN);
    hasher.update([SHA_256, u8::try_from(origin.len()).unwrap_or(u8::MAX)]);
    hasher.update(origin.as_bytes());
    hasher.update(event_id.0);
    hasher.update([kind_byte(kind), number]);
    hasher.update(salt);
    hasher.update((plaintext.len() as u64).to_be_bytes());
    hasher.update(plaintext);
    Hash(hasher.finalize().into())
}

fn kind_byte(kind: PartKind) -> u8 {
    u8::try_from(kind as i32).unwrap_or_default()
}

/// A part that is salted, committed to and encrypted.
#[derive(Debug, Clone)]
pub struct SealedPart {
    /// What the statement says of it.
    pub commitment: Commitment,
    /// What the log stores.
    pub stored: proto::StoredPart,
    /// What the vault keeps.
    pub key: DataKey,
}

/// Salts, commits to and encrypts a part under a fresh key.
///
/// # Errors
/// There is no randomness.
pub fn seal(
    entropy: &dyn Entropy,
    cipher: Cipher,
    origin: &str,
    chain: ChainId,
    event_id: EventId,
    part: &Part,
) -> Result<SealedPart, SealError> {
    let salt = salt(entropy, origin, chain, event_id, part)?;
    seal_salted(entropy, cipher, origin, chain, event_id, part, &salt)
}

/// A fresh salt for a part.
///
/// # Errors
/// There is no randomness.
pub fn salt(
    entropy: &dyn Entropy,
    origin: &str,
    chain: ChainId,
    event_id: EventId,
    part: &Part,
) -> Result<Zeroizing<[u8; SALT_BYTES]>, SealError> {
    let mut salt = Zeroizing::new([0_u8; SALT_BYTES]);
    let place = [kind_byte(part.kind), part.number];
    let of: [&[u8]; 5] = [origin.as_bytes(), &chain.0, &event_id.0, &place, &part.plaintext];
    entropy.fill(&Purpose { what: "part/salt", of: &of }, salt.as_mut())?;
    Ok(salt)
}

/// Commits to and encrypts a part under a salt that is given and a fresh key.
///
/// # Errors
/// There is no randomness.
pub fn seal_salted(
    entropy: &dyn Entropy,
    cipher: Cipher,
    origin: &str,
    chain: ChainId,
    event_id: EventId,
    part: &Part,
    salt: &[u8; SALT_BYTES],
) -> Result<SealedPart, SealError> {
    let mut key = DataKey([0; 32]);
    let mut nonce = [0_u8; NONCE_BYTES];
    let place = [kind_byte(part.kind), part.number];
    let of: [&[u8]; 6] = [origin.as_bytes(), &chain.0, &event_id.0, &place, salt, &part.plaintext];
    entropy.fill(&Purpose { what: "part/key", of: &of }, &mut key.0)?;
    entropy.fill(&Purpose { what: "part/nonce", of: &of }, &mut nonce)?;
    let digest = digest(origin, event_id, part.kind, part.number, salt, &part.plaintext);
    let mut message = Zeroizing::new(Vec::with_capacity(SALT_BYTES + part.plaintext.len()));
    message.extend_from_slice(salt);
    message.extend_from_slice(&part.plaintext);
    let aad = associated_data(origin, event_id, part.kind, part.number);
    let ciphertext = cipher.encrypt(&key.0, nonce, &aad, &message).ok_or(SealError::Cipher)?;
    Ok(SealedPart {
        commitment: Commitment { kind: part.kind, number: part.number, digest },
        stored: proto::StoredPart {
            digest: Bytes::copy_from_slice(&digest.0),
            cipher: u32::from(cipher.number()),
            nonce: Bytes::copy_from_slice(&nonce),
            ciphertext: ciphertext.into(),
        },
        key,
    })
}

/// A part that was decrypted and agrees with its commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenedPart {
    /// What the statement says of it.
    pub commitment: Commitment,
    /// The salt.
    pub salt: [u8; SALT_BYTES],
    /// Encoded [`Act`] with this part's fields.
    pub plaintext: Bytes,
}

impl std::fmt::Debug for OpenedPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedPart").field("commitment", &self.commitment).finish_non_exhaustive()
    }
}

/// Reads a part as it is sent. Nothing is checked against a commitment yet, so that its digest is zero; none when kind,
/// number or salt are not of their form.
#[must_use]
pub fn disclosed(shown: &proto::DisclosedPart) -> Option<OpenedPart> {
    let number = u8::try_from(shown.number).ok()?;
    let kind = Some(shown.kind()).filter(|kind| *kind != PartKind::Unspecified)?;
    let salt = shown.salt.as_ref().try_into().ok()?;
    let commitment = Commitment { kind, number, digest: Hash::ZERO };
    Some(OpenedPart { commitment, salt, plaintext: shown.plaintext.clone() })
}

/// Decrypts a stored part under the cipher that it names, and checks it against its commitment.
///
/// # Errors
/// The part is another one, names a cipher that is not known here, does not decrypt, or does not agree with the commitment.
pub fn open(
    origin: &str,
    event_id: EventId,
    commitment: Commitment,
    stored: &proto::StoredPart,
    key: &DataKey,
) -> Result<OpenedPart, OpenError> {
    let Commitment { kind, number, digest: expected } = commitment;
    if stored.digest != expected.0.as_slice() {
        return Err(OpenError::OtherPart { kind, number });
    }
    let unknown = OpenError::UnknownCipher { kind, number, cipher: stored.cipher };
    let cipher = Cipher::of_number(stored.cipher).ok_or(unknown)?;
    let nonce: [u8; NONCE_BYTES] =
        stored.nonce.as_ref().try_into().map_err(|_| OpenError::OtherPart { kind, number })?;
    let aad = associated_data(origin, event_id, kind, number);
    let message = cipher.decrypt(&key.0, nonce, &aad, &stored.ciphertext).map(Bytes::from);
    let message = message.ok_or(OpenError::Undecryptable { kind, number })?;
    let (salt, _) = message.split_first_chunk::<SALT_BYTES>().ok_or(OpenError::Undecryptable { kind, number })?;
    let (salt, plaintext) = (*salt, message.slice(SALT_BYTES..));
    if digest(origin, event_id, kind, number, &salt, &plaintext) != expected {
        return Err(OpenError::CommitmentBroken { kind, number });
    }
    Ok(OpenedPart { commitment, salt, plaintext })
}

fn associated_data(origin: &str, event_id: EventId, kind: PartKind, number: u8) -> Vec<u8> {
    let mut aad = Vec::with_capacity(origin.len() + 18);
    aad.extend_from_slice(origin.as_bytes());
    aad.extend_from_slice(&event_id.0);
    aad.extend_from_slice(&[kind_byte(kind), number]);
    aad
}

/// Reading and writing protobuf at the level of fields: what splitting needs, without a second encoding of anything.
mod wire {
    use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

    /// Fields of an encoded message in order: number and all its bytes, tag included. Stops at the first byte that is
    /// no field; the message comes from our own encoder.
    pub(super) fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
        std::iter::from_fn(move || {
            let whole = rest;
            let (number, wire_type) = decode_key(&mut rest).ok()?;
            match wire_type {
                WireType::Varint => {
                    decode_varint(&mut rest).ok()?;
                }
                WireType::LengthDelimited => {
                    let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                    rest = rest.get(length..)?;
                }
                WireType::SixtyFourBit => rest = rest.get(8..)?,
                WireType::ThirtyTwoBit => rest = rest.get(4..)?,
                WireType::StartGroup | WireType::EndGroup => return None,
            }
            Some((number, whole.get(..whole.len() - rest.len())?))
        })
    }

    /// Content of a length-delimited field.
    pub(super) fn content(mut field: &[u8]) -> Option<&[u8]> {
        decode_key(&mut field).ok()?;
        let length = usize::try_from(decode_varint(&mut field).ok()?).ok()?;
        field.get(..length)
    }

    /// Writes a length-delimited field.
    pub(super) fn write(out: &mut Vec<u8>, number: u32, content: &[u8]) {
        encode_key(number, WireType::LengthDelimited, out);
        encode_varint(content.len() as u64, out);
        out.extend_from_slice(content);
    }
}

/// Why an act cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The message names no act.
    #[error("the message names no act")]
    NoAct,
    /// A part is too large.
    #[error("part {kind:?} has {size} bytes, more than {PART_BYTES_MAX}")]
    TooLarge {
        /// Kind of the part.
        kind: PartKind,
        /// Size in bytes.
        size: usize,
    },
    /// Too many parts.
    #[error("more than {PARTS_MAX} parts")]
    TooManyParts,
}

/// Why a part was not sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] EntropyError),
    /// The cipher refused the length.
    #[error("the cipher refused the part")]
    Cipher,
}

/// Why a part does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// What is stored is not the part that was committed to.
    #[error("stored part {number} of kind {kind:?} is another one than was committed to")]
    OtherPart {
        /// Kind of the part.
        kind: PartKind,
        /// Number of the part.
        number: u8,
    },
    /// The cipher is one that this program does not know.
    #[error("part {number} of kind {kind:?} is encrypted under cipher {cipher}, which is not known here")]
    UnknownCipher {
        /// Kind of the part.
        kind: PartKind,
        /// Number of the part.
        number: u8,
        /// Number of the cipher.
        cipher: u32,
    },
    /// Wrong key, wrong cipher, or damaged ciphertext.
    #[error("part {number} of kind {kind:?} does not decrypt")]
    Undecryptable {
        /// Kind of the part.
        kind: PartKind,
        /// Number of the part.
        number: u8,
    },
    /// Decrypted, but not what was committed to.
    #[error("part {number} of kind {kind:?} does not agree with its commitment")]
    CommitmentBroken {
        /// Kind of the part.
        kind: PartKind,
        /// Number of the part.
        number: u8,
    },
}

#[cfg(test)]
mod tests;
