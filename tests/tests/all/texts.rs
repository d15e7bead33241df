//! Words in the text of acts: found by who is shown them and by nobody else, on record, and gone when the text is.

use std::{collections::BTreeSet, process::Command, time::Duration};

use mediation_client::{Client, ClientError, Told};
use mediation_domain::{catalogue, visibility::Row};
use mediation_ledger::part::join;
use mediation_projections::texts::{Words, found};
use mediation_proto::mediation::{
    ledger::v1::chain_service_client::ChainServiceClient,
    ledger::v1::{ChainSummary, DisclosedPart, GetChainRequest, PartKind, Reading, SearchChainsRequest},
    types::v1::{AgencyKind, Part, Role, VisibilityGrade},
};
use serde_json::{Value, json};

use crate::{
    search::indexed,
    served::{Served, accusation, chain_id, event_id, mediation, reading, registration, request},
    workspace,
};

/// Time within which the index has followed what is recorded.
const WITHIN: Duration = Duration::from_secs(60);

async fn reader(served: &Served, agency: &str, kind: AgencyKind, role: Role) -> Client {
    let reading = Reading { role: Some(role.into()), ..reading(agency) };
    served.client(agency, kind).await.reading(reading)
}

fn asks(text: &str) -> SearchChainsRequest {
    SearchChainsRequest { text: Some(text.to_owned()), page_size: Some(100), ..SearchChainsRequest::default() }
}

/// What is found, page by page; waits while the index of texts is built.
async fn searched(client: &Client, text: &str) -> Vec<ChainSummary> {
    let (mut chains, mut wanted) = (Vec::new(), asks(text));
    let answered = async {
        loop {
            match client.search(wanted.clone()).await {
                Ok(answer) => {
                    chains.extend(answer.chains);
                    if answer.next_page_token.is_empty() {
                        return std::mem::take(&mut chains);
                    }
                    wanted.page_token = Some(answer.next_page_token);
                    continue;
                }
                Err(error) => assert_eq!(told(&error).reason, "INDEX_NOT_READY"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(WITHIN, answered).await.expect("the index of texts is built")
}

async fn chains(client: &Client, text: &str) -> Vec<String> {
    searched(client, text).await.into_iter().map(|chain| chain.chain_id).collect()
}

/// Waits until these chains are found, in whatever order.
async fn finds(client: &Client, text: &str, expected: &[&String]) {
    let expected: BTreeSet<&String> = expected.iter().copied().collect();
    let all_found = async {
        while !chains(client, text).await.iter().collect::<BTreeSet<_>>().eq(&expected) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(WITHIN, all_found).await.unwrap_or_else(|_| panic!("{text}"));
}

fn told(error: &ClientError) -> Told {
    error.told().expect("the ledger said it")
}

/// A case on a served ledger, and the chain that it made.
fn replayed(served: &Served, case: &str) -> String {
    let file = workspace::root().join(format!("tests/cases/{case}.json"));
    let replayed = served.run(&["replay", file.to_str().unwrap()]);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let text = String::from_utf8(replayed.stdout).unwrap();
    text.lines().find_map(|line| line.trim().strip_prefix("链 chain ")).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_are_found_by_who_is_shown_them_and_that_is_on_record() {
    let served = Served::new();
    let chain = replayed(&served, "G02");
    let center = reader(&served, "ZC-LP", AgencyKind::GovernanceCenter, Role::Reg).await;
    // The last act of the case is in the index, and so are those before it.
    finds(&center, "自动履行", &[&chain]).await;
    indexed(&served).await;
    let listed = searched(&center, "门窗 漏水").await;
    let hit = &listed[0].hits[0];
    assert_eq!((hit.revision, hit.event.as_str()), (0, "DisputeRegistered"));
    let excerpt = "门窗店通过乐法诉智云小程序反映，安装门窗后业主拖欠货款23600元，业主称两扇窗漏水。";
    assert_eq!(hit.excerpt, excerpt);
    // What was agreed to in the mediation the committee finds that recorded it, and neither the court nor the audit.
    let committee = reader(&served, "PMC-LP", AgencyKind::Mediation, Role::Med).await;
    assert_eq!(chains(&committee, "金额差距").await, [chain.as_str()]);
    let audit = reader(&served, "AUD-JDZ", AgencyKind::Audit, Role::Aud).await;
    assert_eq!(chains(&audit, "漏水").await, [chain.as_str()], "the audit reads what was registered");
    let court = reader(&served, "CT-LP", AgencyKind::Court, Role::Jast).await;
    let bench = reader(&served, "CT-LP", AgencyKind::Court, Role::Judge).await;
    assert_eq!(chains(&court, "判决确定").await, [chain.as_str()]);
    let stranger = reader(&served, "GZ-JDZ", AgencyKind::Notary, Role::Reg).await;
    for client in [&court, &bench, &audit, &stranger] {
        assert!(chains(client, "金额差距").await.is_empty());
    }
    assert!(chains(&stranger, "漏水").await.is_empty());
    // Names, addresses and phones are no text, and what was offered under the seal is not searched by anybody.
    for words in ["启明门窗店", "洎阳街道", "137", "愿付", "15000"] {
        for client in [&center, &committee, &court, &bench, &audit] {
            assert!(chains(client, words).await.is_empty(), "{words}");
        }
    }
    let accesses = center.accesses(&chain, None, None).await.unwrap().rows;
    let opening = center.search(asks("漏水")).await.unwrap();
    assert_eq!(opening.chains.len(), 1);
    let read: Vec<_> = accesses.iter().filter(|row| row.parts == [i32::from(Part::Narrative)]).collect();
    let own: Vec<_> = read.iter().filter(|row| row.agency == "ZC-LP").collect();
    assert!(!own.is_empty(), "{accesses:?}");
    for row in own {
        assert_eq!((row.grade(), row.event_ids.len()), (VisibilityGrade::F, 1), "{row:?}");
    }
    assert!(read.iter().all(|row| row.agency != "GZ-JDZ"), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_counselling_is_found_by_anybody() {
    let served = Served::new();
    let chain = replayed(&served, "G09");
    let center = reader(&served, "TC-ZS-XC", AgencyKind::TownshipCenter, Role::Tcom).await;
    finds(&center, "情绪低落", &[&chain]).await;
    let governing = reader(&served, "ZC-ZS", AgencyKind::GovernanceCenter, Role::Reg).await;
    finds(&governing, "欠付款已补齐", &[&chain]).await;
    let committee = reader(&served, "PMC-ZS-XC", AgencyKind::Mediation, Role::Med).await;
    let counsellors = reader(&served, "XL-ZS", AgencyKind::Psychology, Role::Psy).await;
    let audit = reader(&served, "AUD-JDZ", AgencyKind::Audit, Role::Aud).await;
    for client in [&center, &committee, &counsellors, &audit] {
        for words in ["情绪回避", "疏导", "睡眠", "不愿上学"] {
            assert!(chains(client, words).await.is_empty(), "{words}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restricted_chain_is_found_by_nobody_who_may_not_know_of_it() {
    let served = Served::new();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let handed_on = async || {
        let chain = chain_id();
        bureau.record(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
        let data = json!({"mode": "TRANSFER", "target": "CT-FL", "purpose": "PRE_FILING_MEDIATION", "legal_basis": "x",
            "request": "请核查屋顶漏水", "documents": [{"kind": "移送函", "digest_algorithm": "SHA_256", "pages": 1,
                "digest": "84d046a81d9f068e10e4322b3c744b48954a64d3c0ec1d13e8c6a0e7c7ea51cd", "sensitivity": "S1"}]});
        bureau.record(request(&chain, &event_id(), "HandoffProposed", "XF-FL/REG-1", "REG", data)).await.unwrap();
        chain
    };
    let (restricted, open) = (handed_on().await, handed_on().await);
    let court = reader(&served, "CT-FL", AgencyKind::Court, Role::Jast).await;
    finds(&court, "漏水", &[&restricted, &open]).await;
    bureau.record(accusation(&restricted)).await.unwrap();
    finds(&court, "漏水", &[&open]).await;
    let own = reader(&served, "XF-FL", AgencyKind::Petition, Role::Peto).await;
    finds(&own, "漏水", &[&restricted, &open]).await;
    finds(&own, "堵塞", &[&restricted, &open]).await;
    let one = SearchChainsRequest { page_size: Some(1), ..asks("漏水") };
    let answer = court.search(one).await.unwrap();
    assert_eq!((answer.chains.len(), answer.next_page_token.as_str()), (1, ""), "no page says that there is another");
}

fn order(measure: &str, more: &[(&str, Value)]) -> Value {
    let mut order = json!({"measure": measure, "order_no": "删字1号", "scope": "CHAIN", "basis": "SUBJECT_REQUEST",
        "legal_basis": "个人信息保护法第四十七条"});
    more.iter().for_each(|(name, value)| order[*name] = value.clone());
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_frozen_or_erased_is_not_found_and_not_after_the_next_start() {
    let mut served = Served::new();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let (frozen, erased, stays) = (chain_id(), chain_id(), chain_id());
    for chain in [&frozen, &erased, &stays] {
        bureau.record(registration(chain, &event_id(), "排水渠堵塞")).await.unwrap();
    }
    let own = reader(&served, "XF-FL", AgencyKind::Petition, Role::Reg).await;
    finds(&own, "堵塞", &[&frozen, &erased, &stays]).await;
    let freeze = event_id();
    let ordered =
        |chain: &str, id: &str, data: Value| request(chain, id, "ErasureOrdered", "XF-FL/HEAD-1", "HEAD", data);
    bureau.record(ordered(&frozen, &freeze, order("FREEZE", &[]))).await.unwrap();
    finds(&own, "堵塞", &[&erased, &stays]).await;
    let erase = event_id();
    bureau.record(ordered(&erased, &erase, order("ERASE", &[]))).await.unwrap();
    let audit = served.client("AUD-JDZ", AgencyKind::Audit).await;
    let data = json!({"order": {"event_id": erase}});
    let signed = request(&erased, &event_id(), "ErasureCountersigned", "AUD-JDZ/HEAD-1", "HEAD", data);
    audit.record(signed).await.unwrap();
    let executed = async {
        while !is_executed(&served, &erased) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(WITHIN, executed).await.unwrap();
    finds(&own, "堵塞", &[&stays]).await;
    drop((bureau, own, audit));
    served.stop();
    served.start();
    let own = reader(&served, "XF-FL", AgencyKind::Petition, Role::Reg).await;
    assert_eq!(chains(&own, "堵塞").await, [stays.as_str()]);
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let lift = order("LIFT", &[("lifts", json!({"event_id": freeze}))]);
    bureau.record(ordered(&frozen, &event_id(), lift)).await.unwrap();
    finds(&own, "堵塞", &[&frozen, &stays]).await;
}

fn is_executed(served: &Served, chain: &str) -> bool {
    let shown = served.run(&["chain", chain, "--json", "--agency", "XF-FL"]);
    let said: Value = serde_json::from_slice(&shown.stdout).unwrap();
    said["entries"].as_array().unwrap().iter().any(|entry| entry["event"] == "ErasureExecuted")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_looked_for_is_refused_in_both_languages() {
    let served = Served::new();
    let bureau = reader(&served, "XF-FL", AgencyKind::Petition, Role::Reg).await;
    for (words, zh, en) in [
        ("水".repeat(65), "`text` 有 65 个字符，超过 64 个", "`text` has 65 characters, more than 64"),
        (
            "甲 乙 丙 丁 戊 己 庚 辛 壬".to_owned(),
            "`text` 分词后有 9 个词，超过 8 个",
            "`text` has 9 different words, more than 8",
        ),
        ("，😀".to_owned(), "`text` 不含可检索的文字", "`text` holds no word to look for"),
    ] {
        let error = bureau.search(asks(&words)).await.unwrap_err();
        let told = told(&error);
        assert_eq!(told.reason, "MALFORMED");
        assert!(told.zh.contains(zh) && told.en.contains(en), "{told:?}");
    }
}

/// A served ledger whose configuration says something else of the search in texts.
async fn configured(from: &str, to: &str) -> (Served, Client) {
    let mut served = Served::new();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    bureau.record(registration(&chain_id(), &event_id(), "排水渠堵塞")).await.unwrap();
    drop(bureau);
    served.stop();
    let file = served.path().join("mediation.toml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    assert!(configuration.contains(from), "{configuration}");
    std::fs::write(&file, configuration.replace(from, to)).unwrap();
    served.start();
    let own = reader(&served, "XF-FL", AgencyKind::Petition, Role::Reg).await;
    (served, own)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_texts_are_not_searched_or_are_too_many_it_is_said_and_other_searches_go_on() {
    let (served, own) = configured("[search]\ntext = true", "[search]\ntext = false").await;
    indexed(&served).await;
    assert_eq!(told(&own.search(asks("堵塞")).await.unwrap_err()).reason, "TEXT_SEARCH_OFF");
    assert_eq!(own.search(SearchChainsRequest::default()).await.unwrap().chains.len(), 1);
    let (served, own) = configured("text_bytes_max = 134217728", "text_bytes_max = 14").await;
    indexed(&served).await;
    let refused = async {
        loop {
            let told = told(&own.search(asks("堵塞")).await.unwrap_err());
            if told.reason != "INDEX_NOT_READY" {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let told = tokio::time::timeout(WITHIN, refused).await.unwrap();
    assert_eq!(told.reason, "TEXT_INDEX_FULL");
    assert!(told.zh.contains("上限") && told.en.contains("text_bytes_max"), "{told:?}");
    assert_eq!(own.search(SearchChainsRequest::default()).await.unwrap().chains.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_says_where_words_stand() {
    let served = Served::new();
    let chain = chain_id();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    bureau.record(registration(&chain, &event_id(), "三楼屋顶漏水")).await.unwrap();
    let own = reader(&served, "XF-FL", AgencyKind::Petition, Role::Reg).await;
    finds(&own, "漏水", &[&chain]).await;
    let said = served.run(&["search", "--agency", "XF-FL", "--text", "漏水"]);
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains("#0 纠纷登记：三楼屋顶漏水"), "{text} {}", String::from_utf8_lossy(&said.stderr));
    let said = served.run(&["search", "--agency", "XF-FL", "--text", "漏水", "--json"]);
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    let hit = json!({"revision": 0, "event": "DisputeRegistered", "excerpt": "三楼屋顶漏水"});
    assert_eq!(said["chains"][0]["hits"], json!([hit]));
    let refused = served.run(&["search", "--agency", "XF-FL", "--text", &"水".repeat(65)]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("超过 64 个"));
}

/// What a reader is shown of every chain that he may know of, in the order of the list: of each act the plain narrative.
async fn shown(served: &Served, agency: &str, client: &Client) -> Vec<(String, Vec<DisclosedPart>)> {
    let mut listed = Vec::new();
    let mut wanted = SearchChainsRequest { page_size: Some(100), ..SearchChainsRequest::default() };
    loop {
        let answer = client.search(wanted.clone()).await.unwrap();
        listed.extend(answer.chains.into_iter().map(|chain| chain.chain_id));
        if answer.next_page_token.is_empty() {
            break;
        }
        wanted.page_token = Some(answer.next_page_token);
    }
    let mut service = ChainServiceClient::new(served.connection(Some(agency)).await.channel);
    let mut shown = Vec::new();
    for chain in listed {
        let reading = client.reads().cloned();
        let wanted = GetChainRequest { chain_id: Some(chain.clone()), reading, ..GetChainRequest::default() };
        let entries = service.get_chain(wanted).await.unwrap().into_inner().entries;
        let counting = entries.into_iter().filter(|entry| entry.fault.is_empty());
        let parts = counting.flat_map(|entry| entry.parts).filter(|part| part.kind() == PartKind::Narrative);
        shown.push((chain, parts.filter(is_searched).collect()));
    }
    shown
}

/// Acts of counselling are left out.
fn is_searched(part: &DisclosedPart) -> bool {
    let act = join([part.plaintext.as_ref()]).unwrap();
    let (kind, _) = act.event().unwrap();
    let row = Row::named(&catalogue::row(kind).visibility_row).unwrap();
    ![Row::REFERRAL, Row::COUNSELLING].contains(&row)
}

/// A number that follows from the one before (SplitMix64), so that a failing run can be run again.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap()
}

/// Some letters of a text that stand beside each other, and at times some of another one.
fn piece(texts: &[String], state: &mut u64) -> String {
    let letters: Vec<char> = texts[next(state) % texts.len()].chars().collect();
    let from = next(state) % letters.len();
    let piece: String = letters[from..].iter().take(1 + next(state) % 5).collect();
    if next(state).is_multiple_of(4) { format!("{piece} {}", self::piece(texts, state)) } else { piece }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_made_up_city_the_index_answers_as_a_scan_of_all_that_the_reader_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("ledger");
    let made = Command::new(mediation())
        .args(["city", "--year", "2024", "--seed", "7", "--scale", "0.0004", "--out"])
        .arg(&ledger)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut served = Served::at(&ledger);
    served.start();
    indexed(&served).await;
    let (mut state, mut asked_for, mut hits) = (7, 0, 0);
    for (agency, kind, role) in [
        ("AUD-JDZ", AgencyKind::Audit, Role::Aud),
        ("XF-FL", AgencyKind::Petition, Role::Peto),
        ("CT-ZS", AgencyKind::Court, Role::Jast),
        ("ZC-ZS", AgencyKind::GovernanceCenter, Role::Reg),
        ("PMC-ZS", AgencyKind::Mediation, Role::Med),
    ] {
        let client = reader(&served, agency, kind, role).await;
        let shown = shown(&served, agency, &client).await;
        let texts: Vec<String> = shown.iter().flat_map(|(_, parts)| parts).flat_map(texts_of).collect();
        if texts.is_empty() {
            continue;
        }
        for _ in 0..24 {
            let text = piece(&texts, &mut state);
            let Ok(words) = Words::parse(&text) else { continue };
            let holds = |part: &DisclosedPart| found(&words, &part.plaintext).is_some();
            let scanned: Vec<&String> =
                shown.iter().filter(|(_, parts)| parts.iter().any(holds)).map(|(chain, _)| chain).collect();
            let answered = chains(&client, &text).await;
            assert_eq!(answered.iter().collect::<Vec<_>>(), scanned, "{agency} {text}");
            asked_for += 1;
            hits += answered.len();
        }
    }
    assert!(asked_for > 60 && hits > asked_for, "{asked_for} questions, {hits} chains");
}

/// The free text of a part.
fn texts_of(part: &DisclosedPart) -> Vec<String> {
    let act = join([part.plaintext.as_ref()]).unwrap();
    let (kind, fields) = act.event().unwrap();
    let told = catalogue::row(kind).fields.iter().filter(|field| field.part == PartKind::Narrative);
    told.filter_map(|field| fields.text(field.name).map(str::to_owned)).collect()
}
