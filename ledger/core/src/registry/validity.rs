//! From when to when a key counts.
//!
//! ```text
//! leaf         0 … enrolled ─────────────── rotated, revoked ──────────▶   order of the log: nobody can shift it
//! recorded_at  … valid_from ───── valid_to … invalid_from ────────────▶   the desk's word, in days and seconds
//! ```
//!
//! The order of the log decides first: an entry is judged by what stands before it, whatever is recorded afterwards. Within
//! that order `recorded_at` decides, since that is when a key signed; `occurred_at` is the agency's word about its act and
//! lies years back when files are entered. A revocation bounds `recorded_at` from below by its own: an entry behind it was
//! not recorded before it.

use mediation_domain::calendar::{Day, format_instant};
use mediation_proto::mediation::types::v1::KeyRevocationReason;

use crate::{
    key::{KeyId, PublicKey},
    log::Order,
};

/// Where in the log an entry stands, and when its desk says that it was recorded: what its key is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedAt {
    /// Place in the log's order.
    pub order: Order,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub recorded_at: i64,
}

/// A signing key that an agency has enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledKey {
    /// Agency.
    pub agency: String,
    /// The key.
    pub key: PublicKey,
    /// Place of its enrolment.
    pub enrolled: Order,
    /// First day of use; none: from its enrolment on.
    pub valid_from: Option<Day>,
    /// Last day of use; none: until rotated or revoked.
    pub valid_to: Option<Day>,
    /// Place of the rotation that replaced it.
    pub replaced: Option<Order>,
    /// Its revocations, in the order of recording, each as of an earlier instant than the one before.
    pub revocations: Vec<Revocation>,
}

/// The revocation of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Where it stands, and when it was recorded.
    pub at: SignedAt,
    /// From when on the key's signatures are not the agency's word; seconds since 1970-01-01T00:00:00Z.
    pub invalid_from: i64,
    /// Why.
    pub reason: KeyRevocationReason,
}

/// Why the key of an entry is not one that could sign it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// Nobody had enrolled it.
    #[error("key {key_id} is not enrolled")]
    Unknown {
        /// The key.
        key_id: KeyId,
    },
    /// It is another agency's.
    #[error("key {key_id} is one of `{agency}`")]
    OfAnother {
        /// The key.
        key_id: KeyId,
        /// Whose it is.
        agency: String,
    },
    /// A root key signs acts about keys, a signing key everything else.
    #[error("key {key_id} is not the one that signs such an act")]
    NotForThisAct {
        /// The key.
        key_id: KeyId,
    },
    /// Recorded before its first day.
    #[error("key {key_id} is not valid before {valid_from}")]
    NotYetValid {
        /// The key.
        key_id: KeyId,
        /// Its first day.
        valid_from: Day,
    },
    /// Recorded after its last day.
    #[error("key {key_id} has expired: its last day was {valid_to}")]
    Expired {
        /// The key.
        key_id: KeyId,
        /// Its last day.
        valid_to: Day,
    },
    /// Another key has taken its place.
    #[error("key {key_id} was replaced by a rotation before")]
    Replaced {
        /// The key.
        key_id: KeyId,
    },
    /// It was revoked before.
    #[error("key {key_id} was revoked as of {}", format_instant(*invalid_from))]
    Revoked {
        /// The key.
        key_id: KeyId,
        /// As of when; seconds since 1970-01-01T00:00:00Z.
        invalid_from: i64,
    },
}

impl EnrolledKey {
    /// Whether it counts for an entry there and then.
    ///
    /// # Errors
    /// Why it does not: the first of not enrolled, revoked, replaced, not yet valid, expired.
    pub fn check(&self, at: SignedAt) -> Result<(), KeyFault> {
        let key_id = self.key.id();
        if self.enrolled >= at.order {
            return Err(KeyFault::Unknown { key_id });
        }
        if let Some(revocation) = self.revocations.iter().find(|revocation| revocation.binds(at)) {
            return Err(KeyFault::Revoked { key_id, invalid_from: revocation.invalid_from });
        }
        if self.replaced.is_some_and(|replaced| replaced < at.order) {
            return Err(KeyFault::Replaced { key_id });
        }
        let day = Day::of(at.recorded_at.div_euclid(1000));
        match (self.valid_from, self.valid_to) {
            (Some(valid_from), _) if day < valid_from => Err(KeyFault::NotYetValid { key_id, valid_from }),
            (_, Some(valid_to)) if valid_to < day => Err(KeyFault::Expired { key_id, valid_to }),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// The earliest instant (seconds) as of which it has been revoked; none when it has not.
    #[must_use]
    pub fn revoked_as_of(&self) -> Option<i64> {
        self.revocations.iter().map(|revocation| revocation.invalid_from).min()
    }
}

impl Revocation {
    /// Whether it stands before an entry, and the entry was recorded from its instant on.
    fn binds(&self, entry: SignedAt) -> bool {
        let recorded_at = entry.recorded_at.max(self.at.recorded_at);
        self.at.order < entry.order && recorded_at.div_euclid(1000) >= self.invalid_from
    }
}

/// A root key, and between which places it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RootKey {
    pub(super) agency: String,
    pub(super) key: PublicKey,
    /// Place of the act that named it; none for the founding.
    pub(super) since: Option<Order>,
    /// Place of the rotation that replaced it.
    pub(super) until: Option<Order>,
}

impl RootKey {
    /// Whether an act before that place named it.
    pub(super) fn is_known(&self, order: Order) -> bool {
        self.since.is_none_or(|since| since < order)
    }

    /// Whether it is known there and no other has replaced it.
    pub(super) fn counts(&self, order: Order) -> bool {
        self.is_known(order) && self.until.is_none_or(|until| order <= until)
    }
}
