//! What is recorded: disputes of twenty acts each, at the desk of a governance center.

use std::{
    collections::VecDeque,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use mediation_proto::{
    ActRequest, fields::kind_of_event, json::act_from_json, mediation::desk::v1::GovernanceCenterRecordRequest,
};
use serde_json::{Map, Value, json};

/// Acts of a chain: its registration, and visits.
pub(super) const CHAIN_ACTS: usize = 20;

/// One caller's acts, of several disputes in turn.
#[derive(Debug, Clone)]
pub(super) struct Acts {
    registered: GovernanceCenterRecordRequest,
    visited: GovernanceCenterRecordRequest,
    /// Chains under way, with the acts that each has.
    chains: VecDeque<(String, usize)>,
    width: usize,
}

impl Acts {
    /// Acts of an agency, one each on so many disputes in turn.
    pub(super) fn new(agency: &str, width: usize) -> Result<Self> {
        let registered = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
            "summary": "承租人拖欠租金三个月，双方要求调解。",
            "parties": [{"subject": "psn_1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}]});
        let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false, "notes": "双方已履行，未见反复。"});
        Ok(Self {
            registered: request(agency, "DisputeRegistered", registered)?,
            visited: request(agency, "FollowUpVisited", visited)?,
            chains: VecDeque::new(),
            width,
        })
    }

    /// The next act.
    pub(super) fn next(&mut self) -> GovernanceCenterRecordRequest {
        let (chain, acts) = match self.chains.len() < self.width {
            true => (uuid::Uuid::new_v4().to_string(), 0),
            false => self.chains.pop_front().unwrap_or_default(),
        };
        let mut act = if acts == 0 { self.registered.clone() } else { self.visited.clone() };
        act.event_id = Some(uuid::Uuid::now_v7().to_string());
        act.chain_id = Some(chain.clone());
        if acts + 1 < CHAIN_ACTS {
            self.chains.push_back((chain, acts + 1));
        }
        act
    }
}

/// An act that occurs now.
fn request(agency: &str, event: &str, data: Value) -> Result<GovernanceCenterRecordRequest> {
    let header = Map::from_iter([
        ("signer".to_owned(), json!(format!("{agency}/REG-1"))),
        ("signer_role".to_owned(), json!("REG")),
    ]);
    let kind = kind_of_event(event).with_context(|| format!("there is no event `{event}`"))?;
    let Value::Object(data) = data else { anyhow::bail!("the fields of an act are an object") };
    let act = act_from_json(kind, &header, &data, &|id| id.as_str().map(str::to_owned))?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let occurred_at = Some(prost_types::Timestamp { seconds: i64::try_from(now_s)?, nanos: 0 });
    let request = ActRequest { chain_id: None, event_id: None, expected_revision: None, occurred_at, wait: None, act };
    Ok(GovernanceCenterRecordRequest::try_from(request)?)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn chains_get_twenty_acts_each_in_turn() {
        let mut acts = Acts::new("ZC-ZS", 3).unwrap();
        let chains: Vec<String> = (0..120).map(|_| acts.next().chain_id.unwrap()).collect();
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for chain in &chains {
            *counts.entry(chain).or_default() += 1;
        }
        // The others are under way: as many at a time as were asked for.
        let (whole, under_way): (Vec<usize>, Vec<usize>) = counts.into_values().partition(|acts| *acts == CHAIN_ACTS);
        assert!(whole.len() >= 5 && under_way.len() <= 3 && under_way.iter().all(|acts| *acts < CHAIN_ACTS));
        assert!(chains.windows(3).all(|three| three[0] != three[1] && three[1] != three[2] && three[0] != three[2]));
    }
}
