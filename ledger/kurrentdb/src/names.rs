//! Names of streams and ids of events.

use bytes::Bytes;
use mediation_ledger::chain::{ChainId, uuid_v8};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The stream of signed tree heads. One cluster holds one ledger.
pub const HEADS_STREAM: &str = "ledger-heads";

/// Type of our events. Readers do not look at it: whatever stands in a chain's stream takes a number.
pub(crate) const RECORD_KIND: &str = "mediation.ledger.record.v1";

const CHAIN_PREFIX: &str = "chain-";
const LEDGER_PREFIX: &str = "ledger-";
const METADATA_PREFIX: &str = "$$";

/// Stream of a chain.
pub(crate) fn chain_stream(chain: ChainId) -> String {
    format!("{CHAIN_PREFIX}{chain}")
}

/// Chain of a stream whose records take numbers: a name in the one accepted form.
pub(crate) fn chain_of(stream: &str) -> Option<ChainId> {
    ChainId::parse(stream.strip_prefix(CHAIN_PREFIX)?)
}

/// Whether a stream is of this ledger, or looks as if it were.
pub(crate) fn is_ours(stream: &str) -> bool {
    stream.starts_with(CHAIN_PREFIX) || stream.starts_with(LEDGER_PREFIX)
}

/// The stream of ours that a stream holds the metadata of.
pub(crate) fn described(stream: &str) -> Option<&str> {
    stream.strip_prefix(METADATA_PREFIX).filter(|described| is_ours(described))
}

/// Id of an event: the engine takes the same ids at the same revision for the same write, whatever their bytes, so an id
/// commits to stream, revision and bytes.
pub(crate) fn event_id(stream: &str, revision: u64, record: &Bytes) -> Uuid {
    let mut hasher = Sha256::new();
    hasher.update(b"mediation-ledger/kurrentdb-event/v1\0");
    hasher.update(stream.as_bytes());
    hasher.update(b"\0");
    hasher.update(revision.to_be_bytes());
    hasher.update(Sha256::digest(record));
    Uuid::from_bytes(uuid_v8(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_accepted_form_of_a_name_takes_numbers() {
        let chain = ChainId([0xab; 16]);
        assert_eq!(chain_of(&chain_stream(chain)), Some(chain));
        for foreign in
            ["chain-", "chain-ABABABAB-abab-abab-abab-abababababab", "chain-abab", "ledger-heads", "$$chain-x"]
        {
            assert_eq!(chain_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn metadata_of_our_streams_is_told_from_that_of_others() {
        assert_eq!(described("$$chain-1"), Some("chain-1"));
        assert_eq!(described("$$ledger-heads"), Some("ledger-heads"));
        assert_eq!(described("$$$all"), None);
        assert_eq!(described("chain-1"), None);
    }

    #[test]
    fn an_id_commits_to_stream_revision_and_bytes() {
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        let id = event_id("chain-1", 0, &a);
        assert_eq!(id, event_id("chain-1", 0, &a));
        assert_eq!(id.get_version_num(), 8);
        for other in [event_id("chain-2", 0, &a), event_id("chain-1", 1, &a), event_id("chain-1", 0, &b)] {
            assert_ne!(id, other);
        }
    }
}
