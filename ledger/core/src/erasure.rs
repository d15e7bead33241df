//! Carrying out an order to erase: which parts it reaches, and the name of the act that says it is done.

use std::collections::BTreeSet;

use mediation_domain::{
    erasure::{Erasures, Order, Place},
    history::EventId,
};
use mediation_proto::mediation::types::v1::Identity;
use sha2::{Digest as _, Sha256};

use crate::{
    chain::{ChainId, uuid_v8},
    ledger::CheckedEntry,
    merkle::Hash,
    part::OpenedPart,
};

/// Domain of the digest.
const DOMAIN: &[u8] = b"mediation-ledger/erasure/v1\0";

/// Event id of the act that says that an order is carried out: a UUIDv8 of the SHA-256 over origin, chain, order and the number
/// of the act among those of the order (`docs/format.md`). So it is recorded once, whoever carries the order out.
#[must_use]
pub fn event_id(origin: &str, chain: ChainId, order: EventId, number: u32) -> EventId {
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    hasher.update((origin.len() as u64).to_be_bytes());
    hasher.update(origin.as_bytes());
    hasher.update(chain.0);
    hasher.update(order.0);
    hasher.update(number.to_be_bytes());
    EventId(uuid_v8(hasher.finalize().into()))
}

/// Parts of a chain that an order reaches, of those that open: what does not is gone already.
#[must_use]
pub fn reached(erasures: &Erasures, order: &Order, entries: &[CheckedEntry]) -> BTreeSet<Hash> {
    let parts = entries.iter().flat_map(|entry| entry.parts.iter().map(move |part| (entry, part)));
    let reached = parts.filter(|(entry, part)| {
        let identities = part.identities();
        place(entry, part, &identities).is_some_and(|place| erasures.reaches(order, &place))
    });
    reached.map(|(_, part)| part.commitment.digest).collect()
}

/// A part of an entry as orders name it. Its identities, where it holds any, are read beforehand.
#[must_use]
pub fn place<'p>(entry: &CheckedEntry, part: &OpenedPart, identities: &'p [Identity]) -> Option<Place<'p>> {
    Some(Place {
        revision: entry.revision.0,
        event_id: entry.statement.as_ref()?.event_id,
        kind: part.commitment.kind,
        subject: identities.first().map(Identity::subject),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_that_of_the_format() {
        // Made with Python's hashlib from the layout in docs/format.md, where it stands.
        let chain = ChainId::parse("6f1d9c2a-44b0-4e37-9a51-07d3e852c60b").unwrap();
        let order = EventId::parse("018e0695-0a80-7000-8000-000000000001").unwrap();
        assert_eq!(
            event_id("ledger.example/main", chain, order, 0).to_string(),
            "1dc8fab7-400e-8609-a0f6-a3d7dfdb9989"
        );
    }

    #[test]
    fn each_order_of_each_chain_has_its_own_ids_and_they_are_the_platforms() {
        let (chain, order) = (ChainId([1; 16]), EventId([2; 16]));
        let known = event_id("ledger.example/main", chain, order, 0);
        assert!(known.is_keepers());
        assert_ne!(event_id("ledger.example/main", chain, order, 1), known);
        assert_ne!(event_id("ledger.example/main", chain, EventId([3; 16]), 0), known);
        assert_ne!(event_id("ledger.example/main", ChainId([3; 16]), order, 0), known);
        assert_ne!(event_id("ledger.example/other", chain, order, 0), known);
    }
}
