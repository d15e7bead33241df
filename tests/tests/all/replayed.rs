//! A chain as it was known at an instant or at an act: what was recorded later is not there, and nothing is judged of it.

use std::time::{Duration, SystemTime};

use mediation_client::{Client, ClientError, Replay, VerifiedChain};
use mediation_domain::calendar::format_instant;
use mediation_ledger::registry::Registry;
use mediation_proto::{ActRequest, mediation::types::v1::AgencyKind};
use serde_json::{Value, json};

use crate::served::{Served, chain_id, event_id, registration, request};

/// Three days before the registration.
const EARLIER_S: i64 = 1_709_255_520;

/// A petition that came in before the dispute was registered, and is entered after it.
fn entered_late(chain: &str) -> ActRequest {
    let data = json!({"form": "VISIT", "kind": "CLAIM", "headcount": 1, "direct": true, "origin": "DIRECT"});
    let late = request(chain, &event_id(), "PetitionReceived", "XF-FL/PETO-1", "PETO", data);
    ActRequest { occurred_at: Some(prost_types::Timestamp { seconds: EARLIER_S, nanos: 0 }), ..late }
}

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A chain with an act that was recorded late, and the last second in which it was not recorded.
async fn recorded_late(bureau: &Client) -> (String, i64) {
    let chain = chain_id();
    bureau.record(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    let before = seconds();
    while seconds() == before {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bureau.record(entered_late(&chain)).await.unwrap();
    (chain, before)
}

async fn replayed(client: &Client, chain: &str, replay: Replay, registry: &Registry) -> VerifiedChain {
    client.replayed_chain(chain, replay, registry).await.unwrap()
}

fn reason(error: &ClientError) -> String {
    error.told().expect("the ledger said it").reason
}

fn through(revision: u64) -> Replay {
    Replay { through_revision: Some(revision), ..Replay::default() }
}

fn known_at(instant: &str) -> Replay {
    Replay { known_at: Some(instant.to_owned()), ..Replay::default() }
}

fn clocks(chain: &VerifiedChain) -> Vec<&str> {
    chain.judgement.clocks.iter().map(|clock| clock.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_that_was_recorded_late_is_absent_before_it_was_and_present_after() {
    let served = Served::new();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let registry = bureau.registry(None).await.unwrap();
    let (chain, before) = recorded_late(&bureau).await;
    let whole = replayed(&bureau, &chain, Replay::default(), &registry).await;
    assert_eq!((whole.entries.len(), whole.left_out), (2, 0));
    assert!(clocks(&whole).contains(&"XF-1"), "{:?}", clocks(&whole));
    // By its own word it was done before everything else: only what is on record tells when it became known.
    let by_day = Replay { as_of: Some("2024-03-02".to_owned()), ..Replay::default() };
    let by_day = replayed(&bureau, &chain, by_day, &registry).await;
    assert_eq!((by_day.entries.len(), by_day.left_out), (2, 0));
    assert!(clocks(&by_day).contains(&"XF-1"));
    let later: Vec<bool> = by_day.entries.iter().map(|(_, entry)| by_day.is_later(entry)).collect();
    assert_eq!(later, [true, false]);

    let then = replayed(&bureau, &chain, known_at(&format_instant(before)), &registry).await;
    assert_eq!((then.entries.len(), then.left_out), (1, 1));
    assert!(!clocks(&then).contains(&"XF-1"), "{:?}", clocks(&then));
    assert_eq!(then.judgement.leads.len(), 1, "who led is known");
    assert_eq!(then.judgement.as_of, format_instant(before).split_once('T').unwrap().0);
    let recorded = whole.entries[1].1.recorded_at.div_euclid(1_000);
    let after = replayed(&bureau, &chain, known_at(&format_instant(recorded)), &registry).await;
    assert_eq!((after.entries.len(), after.left_out), (2, 0), "a time as it is told means all of its second");
    assert!(clocks(&after).contains(&"XF-1"));

    let first = replayed(&bureau, &chain, through(0), &registry).await;
    assert_eq!((first.entries.len(), first.left_out), (1, 1));
    assert_eq!(first.judgement.as_of, "2024-03-04", "as of an act it is the day of what was known");
    let last = replayed(&bureau, &chain, through(1), &registry).await;
    assert_eq!((last.entries.len(), last.left_out, last.judgement.as_of.as_str()), (2, 0, "2024-03-04"));
    let nothing = replayed(&bureau, &chain, known_at("2024-03-04T00:00:00+08:00"), &registry).await;
    assert_eq!((nothing.entries.len(), nothing.left_out), (0, 2), "nothing was on record yet");
    assert!(nothing.judgement.leads.is_empty() && nothing.judgement.clocks.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_is_malformed_is_refused_and_tells_nobody_how_long_a_chain_is() {
    let served = Served::new();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let registry = bureau.registry(None).await.unwrap();
    let (chain, _) = recorded_late(&bureau).await;
    for wrong in ["2024-03-04", "2024-03-04T00:00:00", "2024-03-04T00:00:00Z", "24:00", ""] {
        let refused = bureau.replayed_chain(&chain, known_at(wrong), &registry).await.unwrap_err();
        assert_eq!(reason(&refused), "MALFORMED", "{wrong}");
    }
    let refused = bureau.replayed_chain(&chain, through(2), &registry).await.unwrap_err();
    assert_eq!(reason(&refused), "MALFORMED");
    let stranger = served.client("GZ-JDZ", AgencyKind::Notary).await;
    for revision in [0, 2] {
        let refused = stranger.replayed_chain(&chain, through(revision), &registry).await.unwrap_err();
        assert_eq!(reason(&refused), "CHAIN_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_says_what_was_known_then() {
    let served = Served::new();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let (chain, before) = recorded_late(&bureau).await;
    let instant = format_instant(before);
    for replay in [["--known-at", instant.as_str()], ["--through", "0"]] {
        let shown = served.run(&["chain", &chain, "--agency", "XF-FL", "--json", replay[0], replay[1]]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(shown["entries"].as_array().unwrap().len(), 1, "{replay:?}");
        assert_eq!(shown["left_out"], 1);
    }
    let shown = served.run(&["chain", &chain, "--agency", "XF-FL", "--through", "0"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("此时点之后登记的 1 项未列 · 1 entries that were recorded later are left out"), "{shown}");
}
