//! What an agency signs, and the one place that encodes.
//!
//! A statement is encoded once, signed over these very bytes (DSSE pre-authentication encoding), stored and hashed.
//! Nobody encodes it again to verify it; parsing compares with the canonical encoding only to refuse what two parsers
//! might read differently.

use bytes::Bytes;
use mediation_domain::{calendar::Day, history::EventId};
use mediation_proto::mediation::ledger::v1 as proto;
use prost::Message;

use crate::{
    chain::{ChainId, Revision},
    key::KeyId,
    limits::{AGENCY_BYTES_MAX, ENTRY_BYTES_MAX, ORIGIN_BYTES_MAX, PARTS_MAX, RULE_SET_BYTES_MAX},
    merkle::Hash,
    part::Commitment,
};

/// DSSE payload type of a statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.mediation-ledger.statement.v1+protobuf";

/// Encodes a message. Everything that is signed or stored is encoded here, once.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn encode(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}

/// The bytes that are signed: DSSE v1 pre-authentication encoding of a statement.
#[must_use]
pub fn pre_authentication(statement: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), statement.len()).into_bytes();
    bytes.extend_from_slice(statement);
    bytes
}

/// The statement of an agency about one act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Identity of the ledger.
    pub origin: String,
    /// Event id, with the chain the idempotency key.
    pub event_id: EventId,
    /// Chain.
    pub chain: ChainId,
    /// Place in the chain.
    pub revision: Revision,
    /// Leaf hash of the last valid entry of the chain; zero for the first.
    pub previous: Hash,
    /// Agency that answers for the act.
    pub agency: String,
    /// Key that signs.
    pub key_id: KeyId,
    /// The agency's word: seconds since 1970-01-01T00:00:00Z.
    pub occurred_at: i64,
    /// Rule set that the chain is judged by.
    pub rule_set: String,
    /// Commitments of the parts, by kind, then number; the first is the act's.
    pub commitments: Vec<Commitment>,
}

impl Statement {
    /// The bytes to be signed and stored.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        encode(&proto::Statement {
            origin: self.origin.clone(),
            event_id: Bytes::copy_from_slice(&self.event_id.0),
            chain: Bytes::copy_from_slice(&self.chain.0),
            revision: self.revision.0,
            previous: Bytes::copy_from_slice(&self.previous.0),
            agency: self.agency.clone(),
            key_id: Bytes::copy_from_slice(&self.key_id.0),
            occurred_at: self.occurred_at,
            rule_set: self.rule_set.clone(),
            commitments: self.commitments.iter().map(|commitment| commitment.to_proto()).collect(),
        })
        .into()
    }

    /// Whether it states what was done on a later day than this one, YYYY-MM-DD.
    #[must_use]
    pub fn occurred_after(&self, day: &str) -> bool {
        Day::parse(day).is_some_and(|day| Day::of(self.occurred_at) > day)
    }

    /// Reads signed bytes.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn parse(bytes: &Bytes) -> Result<Self, StatementError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(StatementError::TooLarge { size: bytes.len() });
        }
        let message = proto::Statement::decode(bytes.clone()).map_err(StatementError::NotProtobuf)?;
        if encode(&message) != *bytes {
            return Err(StatementError::NotCanonical);
        }
        let statement = Self {
            event_id: EventId(sized(&message.event_id, "event_id")?),
            chain: ChainId(sized(&message.chain, "chain")?),
            revision: Revision(message.revision),
            previous: Hash(sized(&message.previous, "previous")?),
            key_id: KeyId(sized(&message.key_id, "key_id")?),
            origin: bounded(message.origin, ORIGIN_BYTES_MAX, "origin")?,
            agency: bounded(message.agency, AGENCY_BYTES_MAX, "agency")?,
            rule_set: bounded(message.rule_set, RULE_SET_BYTES_MAX, "rule_set")?,
            occurred_at: message.occurred_at,
            commitments: message.commitments.iter().map(Commitment::from_proto).collect::<Result<_, _>>()?,
        };
        statement.check_commitments()?;
        Ok(statement)
    }

    fn check_commitments(&self) -> Result<(), StatementError> {
        if self.commitments.len() > PARTS_MAX {
            return Err(StatementError::TooManyParts { count: self.commitments.len() });
        }
        let places: Vec<_> =
            self.commitments.iter().map(|commitment| (commitment.kind as i32, commitment.number)).collect();
        let ordered = places.windows(2).all(|pair| pair.first() < pair.last());
        if places.first() != Some(&(proto::PartKind::Act as i32, 0)) || !ordered {
            return Err(StatementError::PartsDisordered);
        }
        Ok(())
    }
}

fn sized<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], StatementError> {
    bytes.try_into().map_err(|_| StatementError::WrongLength { field, expected: N, found: bytes.len() })
}

fn bounded(text: String, max: usize, field: &'static str) -> Result<String, StatementError> {
    if text.is_empty() || text.len() > max || text.chars().any(char::is_control) {
        return Err(StatementError::Malformed { field });
    }
    Ok(text)
}

/// Why bytes are not a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Too many bytes.
    #[error("a statement of {size} bytes is larger than an entry may be")]
    TooLarge {
        /// Size in bytes.
        size: usize,
    },
    /// Not protobuf.
    #[error("the statement is not protobuf")]
    NotProtobuf(#[source] prost::DecodeError),
    /// Unknown fields, defaults written out, or fields out of order.
    #[error("the statement is not in its canonical encoding")]
    NotCanonical,
    /// A field of fixed length has another one.
    #[error("`{field}` has {found} bytes, not {expected}")]
    WrongLength {
        /// Field.
        field: &'static str,
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A text is empty, too long, or has control characters.
    #[error("`{field}` is empty, too long or has control characters")]
    Malformed {
        /// Field.
        field: &'static str,
    },
    /// A commitment is not one.
    #[error("a commitment is of unknown algorithm, kind or number")]
    UnknownCommitment,
    /// Too many commitments.
    #[error("{count} parts are too many")]
    TooManyParts {
        /// Number of commitments.
        count: usize,
    },
    /// The first commitment is not the act's, or they are not in order.
    #[error("the commitments do not begin with the act, or are not in order")]
    PartsDisordered,
}

#[cfg(test)]
mod tests {
    use mediation_proto::mediation::ledger::v1::PartKind;

    use super::*;

    fn statement() -> Statement {
        Statement {
            origin: "test.example/log".to_owned(),
            event_id: EventId([1; 16]),
            chain: ChainId([2; 16]),
            revision: Revision(0),
            previous: Hash::ZERO,
            agency: "CT-ZS".to_owned(),
            key_id: KeyId([3; 32]),
            occurred_at: 1_709_514_720,
            rule_set: "cn-2024-fixture".to_owned(),
            commitments: vec![Commitment { kind: PartKind::Act, number: 0, digest: Hash([4; 32]) }],
        }
    }

    #[test]
    fn the_pre_authentication_encoding_is_that_of_dsse() {
        let bytes = pre_authentication(&[0x0a, 0x01, 0x41]);
        let mut expected = b"DSSEv1 54 application/vnd.mediation-ledger.statement.v1+protobuf 3 ".to_vec();
        expected.extend_from_slice(&[0x0a, 0x01, 0x41]);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_statement_reads_back_as_it_was_written() {
        let statement = statement();
        assert_eq!(Statement::parse(&statement.to_bytes()), Ok(statement));
    }

    #[test]
    fn bytes_that_two_parsers_might_read_differently_are_refused() {
        let bytes = statement().to_bytes();
        let with = |extra: &[u8]| Bytes::from([bytes.as_ref(), extra].concat());
        // An unknown field, a field twice, a default written out, a varint longer than it need be.
        for extra in [&[0xa0, 0x06, 0x01][..], &[0x32, 0x01, 0x41], &[0x20, 0x00], &[0x40, 0x80, 0x00]] {
            assert_eq!(Statement::parse(&with(extra)), Err(StatementError::NotCanonical), "{extra:?}");
        }
        assert!(matches!(Statement::parse(&with(&[0xff])), Err(StatementError::NotProtobuf(_))));
    }

    #[test]
    fn a_statement_out_of_bounds_is_refused() {
        let cases: [(&str, Statement); 6] = [
            ("origin", Statement { origin: String::new(), ..statement() }),
            ("origin", Statement { origin: "x".repeat(ORIGIN_BYTES_MAX + 1), ..statement() }),
            ("agency", Statement { agency: "CT\n".to_owned(), ..statement() }),
            ("agency", Statement { agency: "x".repeat(AGENCY_BYTES_MAX + 1), ..statement() }),
            ("rule_set", Statement { rule_set: String::new(), ..statement() }),
            ("rule_set", Statement { rule_set: "x".repeat(RULE_SET_BYTES_MAX + 1), ..statement() }),
        ];
        for (field, statement) in cases {
            assert_eq!(Statement::parse(&statement.to_bytes()), Err(StatementError::Malformed { field }));
        }
    }

    #[test]
    fn commitments_begin_with_the_act_and_stand_in_order() {
        let commitment = |kind, number| Commitment { kind, number, digest: Hash([4; 32]) };
        let disordered = [
            vec![],
            vec![commitment(PartKind::Narrative, 0)],
            vec![commitment(PartKind::Act, 1)],
            vec![commitment(PartKind::Act, 0), commitment(PartKind::Act, 0)],
            vec![commitment(PartKind::Act, 0), commitment(PartKind::Sealed, 0), commitment(PartKind::Narrative, 0)],
        ];
        for commitments in disordered {
            let bytes = Statement { commitments, ..statement() }.to_bytes();
            assert_eq!(Statement::parse(&bytes), Err(StatementError::PartsDisordered));
        }
    }
}
