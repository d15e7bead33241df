//! The index over a log in memory: grown and built anew, the one like the other; what leaves it, and how much it takes.

use std::collections::BTreeMap;

use mediation_domain::visibility::Reader as Seer;
use mediation_proto::mediation::types::v1::{AgencyKind, Role};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    growing::Told,
    index::{Entered, Index},
    words::cut,
    *,
};
use crate::keeper::tests::{Bench, CENTER, TARGET, chain, event_id};

/// Entries that every bench begins with: the founding, and two keys.
const FOUNDED: u64 = 3;

/// Time within which the index is complete, by a clock that stands still while there is work.
const WITHIN: Duration = Duration::from_secs(600);

fn center() -> Eyes {
    let reader =
        Seer { agency: CENTER, kind: AgencyKind::GovernanceCenter, role: Role::Reg, subject: None, grid: None };
    Eyes::of(&reader)
}

fn court() -> Eyes {
    Eyes::of(&Seer { agency: "CT-ZS", kind: AgencyKind::Court, role: Role::Jast, subject: None, grid: None })
}

/// The bureau that records obligations, in the chains of the bench.
fn target() -> Eyes {
    let kind = AgencyKind::HumanResources;
    Eyes::of(&Seer { agency: TARGET, kind, role: Role::Med, subject: None, grid: None })
}

async fn asked(texts: &TextsReader, words: &str, eyes: Eyes) -> Vec<ChainId> {
    texts.find(Words::parse(words).unwrap(), eyes).await.unwrap().into_iter().collect()
}

/// Waits until the index answers in this way.
async fn answers(texts: &TextsReader, (words, eyes): (&str, Eyes), expected: &[ChainId]) {
    let answered = async {
        while texts
            .find(Words::parse(words).unwrap(), eyes.clone())
            .await
            .ok()
            .is_none_or(|found| !found.iter().eq(expected))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WITHIN, answered).await.unwrap_or_else(|_| panic!("{words}"));
}

/// An index that grows until the end of the test.
fn started(bench: &Bench, entries: u64, text_bytes_max: u64) -> TextsReader {
    let texts = Texts::new(Arc::clone(bench.process().ledger()), entries, text_bytes_max);
    let reader = texts.reader();
    tokio::spawn(texts.run(std::future::pending()));
    reader
}

async fn register(bench: &Bench, number: u8, summary: &str) {
    let registered = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "parties": [{"subject": "psn_1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}],
        "identities": [{"subject": "psn_1", "name": "苗岫", "address": "昌江区新平路"}], "summary": summary});
    bench.act(chain(number), 1, CENTER, "DisputeRegistered", "REG", registered).await.unwrap();
}

fn order(measure: &str, lifts: Option<u8>) -> Value {
    json!({"measure": measure, "order_no": "删字1号", "scope": "CHAIN", "basis": "SUBJECT_REQUEST", "legal_basis": "x",
        "lifts": lifts.map(|number| json!({"event_id": event_id(number).to_string()}))})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_grew_answers_as_one_that_is_built_anew() {
    let bench = Bench::new().await;
    let grown = started(&bench, FOUNDED, TEXT_BYTES_MAX);
    let said = ["屋顶漏水，要求赔偿", "拖欠租金", "楼上漏水", "漏水后拖欠租金"];
    for (number, summary) in (1..).zip(said) {
        register(&bench, number, summary).await;
        bench.answer(chain(number)).await.unwrap_err();
    }
    answers(&grown, ("漏水", center()), &[chain(1), chain(3), chain(4)]).await;
    bench.owe(chain(2), &["2024-04-30"]).await;
    answers(&grown, ("支付", target()), &[chain(2)]).await;
    let anew = started(&bench, FOUNDED + 5, TEXT_BYTES_MAX);
    answers(&anew, ("支付", target()), &[chain(2)]).await;
    for words in ["漏水", "赔偿", "租金", "拖欠 漏水", "支付", "苗岫", "新平路", "x", "屋顶 租金"]
    {
        for eyes in [center(), target(), court()] {
            let answer = asked(&grown, words, eyes.clone()).await;
            assert_eq!(answer, asked(&anew, words, eyes).await, "{words}");
        }
    }
    assert_eq!(asked(&grown, "拖欠 漏水", center()).await, [chain(4)], "all words in one act");
    assert!(asked(&grown, "苗岫", center()).await.is_empty(), "names are not indexed");
    assert!(asked(&grown, "新平路", center()).await.is_empty(), "addresses are not indexed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_frozen_leaves_the_index_and_comes_back_when_it_is_let_go() {
    let bench = Bench::new().await;
    let texts = started(&bench, FOUNDED, TEXT_BYTES_MAX);
    register(&bench, 1, "屋顶漏水").await;
    bench.propose(chain(2)).await;
    bench.answer(chain(2)).await.unwrap();
    answers(&texts, ("漏水", center()), &[chain(1)]).await;
    answers(&texts, ("租金", center()), &[chain(2)]).await;
    bench.act(chain(1), 2, CENTER, "ErasureOrdered", "HEAD", order("FREEZE", None)).await.unwrap();
    answers(&texts, ("漏水", center()), &[]).await;
    bench.act(chain(1), 3, CENTER, "ErasureOrdered", "HEAD", order("LIFT", Some(2))).await.unwrap();
    answers(&texts, ("漏水", center()), &[chain(1)]).await;
    // An erasure hides what it reaches from its counter-signature on, before the key is gone.
    bench.act(chain(2), 5, CENTER, "ErasureOrdered", "HEAD", order("ERASE", None)).await.unwrap();
    let signed = json!({"order": {"event_id": event_id(5).to_string()}});
    bench.act(chain(2), 6, TARGET, "ErasureCountersigned", "HEAD", signed).await.unwrap();
    answers(&texts, ("租金", center()), &[]).await;
    let anew = started(&bench, FOUNDED + 8, TEXT_BYTES_MAX);
    answers(&anew, ("漏水", center()), &[chain(1)]).await;
    assert!(asked(&anew, "租金", center()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_built_and_when_there_is_too_much_it_says_so() {
    let bench = Bench::new().await;
    register(&bench, 1, "屋顶漏水").await;
    let words = || Words::parse("漏水").unwrap();
    let unbuilt = Texts::new(Arc::clone(bench.process().ledger()), 4, TEXT_BYTES_MAX).reader();
    let error = unbuilt.find(words(), center()).await.unwrap_err();
    let expected = "the index of texts is being built: 0 of 4 entries followed, 0 chains wait";
    assert_eq!(error.to_string(), expected);
    let small = started(&bench, 4, 11);
    let is_full = async {
        while !matches!(small.find(words(), center()).await, Err(Error::Full { text_bytes_max: 11 })) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WITHIN, is_full).await.unwrap();
    let exact = started(&bench, 4, 12);
    answers(&exact, ("漏水", center()), &[chain(1)]).await;
}

#[test]
fn no_text_stands_in_the_debug_output() {
    let state = State::Building(Built::default());
    assert_eq!(format!("{state:?}"), "Building(Built { followed: 0, entries: 0, waiting: 0 })");
}

/// Acts with some words each, in some rows, by some agencies, of which some are taken out again.
fn acts() -> impl Strategy<Value = Vec<(u8, u8, usize, bool, String, bool)>> {
    let text = "(漏水|屋顶|赔偿|铁路局|上海|abc|，){0,6}";
    prop::collection::vec((0..4_u8, 0..6_u8, 0..28_usize, any::<bool>(), text, any::<bool>()), 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_leaves_out_nothing_that_a_scan_finds(acts in acts(), asked in "(漏水|屋顶|赔偿|铁路局|水|顶漏|abc){1,3}") {
        let rows: Vec<Row> = Row::all().collect();
        let (mut index, mut stands) = (Index::new().unwrap(), BTreeMap::new());
        for (chain_number, revision, row, is_own, text, is_taken_out) in acts {
            let (chain, revision) = (chain(chain_number), u64::from(revision));
            index.remove(chain, revision);
            let told = Told {
                revision,
                row: *rows.get(row).unwrap(),
                agency: if is_own { CENTER } else { TARGET }.to_owned(),
                texts: vec![text],
            };
            let words = cut(&told.texts);
            index.enter(Entered { chain, revision, row: told.row, agency: told.agency.clone(), words }).unwrap();
            stands.insert((chain, revision), told);
            index.commit().unwrap();
            if is_taken_out {
                index.remove(chain, revision);
                index.commit().unwrap();
                stands.remove(&(chain, revision));
            }
        }
        let words = Words::parse(&asked).unwrap();
        for eyes in [center(), court()] {
            let found = index.searched().find(&words, &eyes).unwrap();
            let is_open = |told: &Told| eyes.rows.contains(&told.row) || told.agency == eyes.agency;
            let scanned = stands.iter().filter(|(_, told)| is_open(told) && words.are_in(&told.texts));
            let scanned: BTreeSet<ChainId> = scanned.map(|((chain, _), _)| *chain).collect();
            // It leaves none out, and what it gives beyond them is left out by looking again.
            prop_assert!(scanned.is_subset(&found), "{:?} {:?}", scanned, found);
            let terms = words.terms();
            let candidates = stands.iter().filter(|(_, told)| is_open(told) && terms.is_subset(&cut(&told.texts)));
            prop_assert_eq!(found, candidates.map(|((chain, _), _)| *chain).collect());
        }
    }
}

#[test]
fn what_is_taken_out_soon_stands_in_memory_no_more() {
    let mut index = Index::new().unwrap();
    let words = cut(&["屋顶漏水canary4f1e".to_owned()]);
    let row = Row::all().next().unwrap();
    index.enter(Entered { chain: chain(1), revision: 0, row, agency: CENTER.to_owned(), words }).unwrap();
    index.commit().unwrap();
    assert_eq!(index.searched().count("canary4f1e"), 1);
    index.remove(chain(1), 0);
    index.commit().unwrap();
    // It is not found at once; that nothing of it is left is the work of another thread.
    assert!(index.searched().find(&Words::parse("canary4f1e").unwrap(), &center()).unwrap().is_empty());
    let began = tokio::time::Instant::now();
    while index.searched().count("canary4f1e") > 0 {
        assert!(began.elapsed().as_secs() < 60, "it is still there");
        std::thread::yield_now();
        index.commit().unwrap();
    }
}
