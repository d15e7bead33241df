//! The event id of a lapse: whoever notes that a limit has passed gives the act the same name, so that it cannot be noted
//! twice.

use mediation_domain::{history::EventId, judge::Lapse};
use sha2::{Digest as _, Sha256};

use crate::chain::{ChainId, uuid_v8};

/// Domain of the digest.
const DOMAIN: &[u8] = b"mediation-ledger/lapse/v1\0";

/// Event id of the act that notes a lapse: a UUIDv8 of the SHA-256 over origin, chain, kind of act, cause, obligation and
/// due day (`docs/format.md`). The agency is not under it: two keepers that know the chain differently and hold two
/// centers obliged still note the lapse once.
#[must_use]
pub fn event_id(origin: &str, chain: ChainId, lapse: &Lapse) -> EventId {
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    field(&mut hasher, origin);
    hasher.update(chain.0);
    field(&mut hasher, lapse.event);
    hasher.update(lapse.cause.0);
    field(&mut hasher, lapse.obligation.as_deref().unwrap_or_default());
    field(&mut hasher, &lapse.due.to_string());
    EventId(uuid_v8(hasher.finalize().into()))
}

/// A text with its length before it, so that no two rows of fields give the same bytes.
fn field(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use mediation_domain::calendar::Day;
    use mediation_proto::mediation::ledger::v1::Act;

    use super::*;

    fn lapse(event: &'static str, obligation: Option<&str>, due: &str) -> Lapse {
        Lapse {
            event,
            agency: "ZC-ZS".to_owned(),
            cause: EventId::parse("018e0695-0a80-7000-8000-000000000001").unwrap(),
            obligation: obligation.map(str::to_owned),
            due: Day::parse(due).unwrap(),
            occurred_at: 0,
            act: Act::default(),
        }
    }

    fn id(lapse: &Lapse) -> String {
        let chain = ChainId::parse("6f1d9c2a-44b0-4e37-9a51-07d3e852c60b").unwrap();
        event_id("ledger.example/main", chain, lapse).to_string()
    }

    #[test]
    fn the_ids_are_those_of_the_format() {
        // Made with Python's hashlib from the layout in docs/format.md, where they stand.
        assert_eq!(id(&lapse("HandoffTimedOut", None, "2024-03-08")), "53d6506c-97c0-8064-8e78-0ca91cf4a1c8");
        assert_eq!(id(&lapse("ObligationDefaulted", Some("O1"), "2024-06-30")), "918398e1-99af-8073-a087-880ad124e281");
    }

    #[test]
    fn another_act_obligation_or_day_has_another_id_and_another_center_the_same() {
        let known = lapse("ObligationDefaulted", Some("O1"), "2024-06-30");
        for other in [
            lapse("HandoffTimedOut", Some("O1"), "2024-06-30"),
            lapse("ObligationDefaulted", Some("O2"), "2024-06-30"),
            lapse("ObligationDefaulted", Some("O1"), "2024-07-01"),
        ] {
            assert_ne!(id(&other), id(&known));
        }
        let elsewhere = Lapse { agency: "ZC-JDZ".to_owned(), ..known.clone() };
        assert_eq!(id(&elsewhere), id(&known));
        assert!(EventId::parse(&id(&known)).unwrap().is_keepers());
    }
}
