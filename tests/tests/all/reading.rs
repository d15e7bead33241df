//! Reading as the visibility matrix allows it: what each reader is shown, that it is on record before, and that what is not for
//! him cannot be told from what does not exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};

use mediation_client::Client;
use mediation_proto::mediation::{
    desk::v1::{PetitionRecordRequest, petition_desk_client::PetitionDeskClient},
    ledger::v1::{ChainEntry, GetChainRequest, PartKind, Reading, chain_service_client::ChainServiceClient},
    types::v1::{AgencyKind, Role, VisibilityGrade},
};
use serde_json::{Value, json};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::{
    served::{Served, accusation, chain_id, event_id, reading, registration},
    workspace,
};

fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// A case on a served ledger, and the chain that it made.
fn replayed(served: &Served, case: &str) -> String {
    let replayed = served.run(&["replay", case_file(case).to_str().unwrap()]);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let text = String::from_utf8(replayed.stdout).unwrap();
    text.lines().find_map(|line| line.trim().strip_prefix("链 chain ")).unwrap().to_owned()
}

fn case_file(case: &str) -> PathBuf {
    workspace::root().join(format!("tests/cases/{case}.json"))
}

/// The agencies that recorded in a case.
fn agencies(case: &str) -> BTreeSet<String> {
    let case: Value = serde_json::from_slice(&std::fs::read(case_file(case)).unwrap()).unwrap();
    let steps = case["steps"].as_array().unwrap().iter();
    steps.map(|step| step["agency"].as_str().unwrap().to_owned()).chain(["AUD-JDZ".to_owned()]).collect()
}

async fn service(served: &Served, agency: &str) -> ChainServiceClient<Channel> {
    ChainServiceClient::new(served.connection(Some(agency)).await.channel)
}

/// The entries of a chain as an official of an agency sees them.
async fn seen(served: &Served, agency: &str, role: Role, chain: &str) -> Result<Vec<ChainEntry>, Status> {
    let reading = Reading { role: Some(role.into()), ..reading(agency) };
    let wanted =
        GetChainRequest { chain_id: Some(chain.to_owned()), reading: Some(reading), ..GetChainRequest::default() };
    service(served, agency).await.get_chain(wanted).await.map(|answer| answer.into_inner().entries)
}

fn has(entry: &ChainEntry, kind: PartKind) -> bool {
    entry.parts.iter().any(|part| part.kind() == kind)
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bench_sees_of_a_mediation_that_it_was_and_how_it_ended_and_never_what_was_offered() {
    let served = Served::new();
    let chain = replayed(&served, "G02");
    let committee = seen(&served, "PMC-LP", Role::Reg, &chain).await.unwrap();
    let sessions: Vec<usize> = (0..committee.len()).filter(|at| has(&committee[*at], PartKind::Sealed)).collect();
    assert!(!sessions.is_empty(), "the committee sees what was said");
    for role in [Role::Judge, Role::Reg] {
        let court = seen(&served, "CT-LP", role, &chain).await.unwrap();
        for at in &sessions {
            let entry = &court[*at];
            assert_eq!(entry.grade(), VisibilityGrade::E, "{role:?}");
            assert!(entry.parts.is_empty() && entry.masked.is_empty(), "{role:?}");
            let existence = entry.existence.as_ref().unwrap();
            assert!(!existence.event.is_empty() && entry.rule == "V-4/CT", "{existence:?} {}", entry.rule);
        }
        assert!(court.iter().all(|entry| !has(entry, PartKind::Sealed)));
        let bytes: Vec<u8> =
            court.iter().flat_map(|entry| &entry.parts).flat_map(|part| part.plaintext.to_vec()).collect();
        for sealed in sessions.iter().flat_map(|at| &committee[*at].parts) {
            assert!(!bytes.windows(sealed.plaintext.len()).any(|window| window == sealed.plaintext));
        }
    }
    // A client proves the chain with its holes, from every reader's place.
    let registry = served.client("CT-LP", AgencyKind::Court).await.registry(None).await.unwrap();
    for (agency, kind) in [("CT-LP", AgencyKind::Court), ("AUD-JDZ", AgencyKind::Audit)] {
        let verified = served.client(agency, kind).await.verified_chain(&chain, None, &registry).await.unwrap();
        assert!(verified.entries.iter().all(|(_, entry)| entry.outcome.is_ok()), "{agency}");
        assert_eq!(verified.entries.len() + verified.hidden.len(), committee.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counselling_reaches_nobody_but_the_center_and_others_verify_around_it() {
    let served = Served::new();
    let chain = replayed(&served, "G09");
    let center = seen(&served, "XL-ZS", Role::Reg, &chain).await.unwrap();
    let sessions: Vec<usize> = (0..center.len()).filter(|at| has(&center[*at], PartKind::Sealed)).collect();
    assert!(!sessions.is_empty(), "the center sees its notes");
    let mut readers = 0;
    for agency in agencies("G09").iter().filter(|agency| *agency != "XL-ZS") {
        let Ok(entries) = seen(&served, agency, Role::Reg, &chain).await else { continue };
        readers += 1;
        for at in &sessions {
            assert!(entries[*at].parts.is_empty(), "{agency}");
            let receipt = entries[*at].receipt.as_ref().unwrap();
            let audit = agency.starts_with("AUD-");
            assert!(audit || receipt.entry.is_empty(), "{agency} learns neither who counselled nor when");
            assert_eq!(receipt.leaf_hash.len(), 32);
        }
    }
    assert!(readers >= 2, "others are on the chain");
}

/// Every field of a refusal but the id of the request and the chain that was asked for.
fn told(status: &Status, chain: &str) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    let localized = details.localized_message().unwrap();
    let resource = details.resource_info().unwrap();
    format!("{:?} {} {} {:?} {localized:?} {resource:?}", status.code(), status.message(), info.reason, info.metadata)
        .replace(chain, "CHAIN")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restricted_chain_is_refused_to_the_accused_as_one_that_does_not_exist() {
    let served = Served::new();
    let (restricted, absent) = (chain_id(), chain_id());
    let accusation = accusation(&restricted);
    let mut desk = PetitionDeskClient::new(served.connection(Some("XF-FL")).await.channel);
    desk.record(PetitionRecordRequest::try_from(accusation).unwrap()).await.unwrap();
    let accused = served.client("CT-FL", AgencyKind::Court).await;
    let mut answers = Vec::new();
    for chain in [&restricted, &absent] {
        let entries = seen(&served, "CT-FL", Role::Reg, chain).await.unwrap_err();
        let mut service = service(&served, "CT-FL").await;
        let wanted = mediation_proto::mediation::ledger::v1::WatchChainRequest {
            chain_id: Some(chain.clone()),
            from_revision: 0,
            reading: Some(reading("CT-FL")),
        };
        let watched = service.watch_chain(wanted).await.unwrap_err();
        let mediation_client::ClientError::Status(receipt) = accused.receipt(chain, &event_id()).await.unwrap_err()
        else {
            panic!("no status")
        };
        let mediation_client::ClientError::Status(accesses) = accused.accesses(chain, None, None).await.unwrap_err()
        else {
            panic!("no status")
        };
        let refused = [&entries, &watched, &receipt, &accesses].map(|status| told(status, chain));
        assert_eq!(entries.code(), Code::NotFound);
        answers.push(refused);
    }
    assert_eq!(answers[0], answers[1]);
    // The refusals are recorded, and do not tell either whether there is such a chain.
    let mut served = served;
    tokio::task::block_in_place(|| served.stop());
    served.start();
    let audit = served.client("AUD-JDZ", AgencyKind::Audit).await;
    let rows = audit.accesses(&restricted, None, None).await.unwrap().rows;
    let refusal = rows.iter().find(|row| row.refusal.is_some()).expect("the refusal is on record");
    assert_eq!((refusal.agency.as_str(), refusal.reader.as_str()), ("CT-FL", "CT-FL/TEST-1"));
    tokio::task::block_in_place(|| served.stop());
    assert!(served.verify().1);
}

/// Runs `mediation mirror` for an agency.
fn mirrored(served: &Served, agency: &str, out: &Path) -> Output {
    served.run(&["mirror", "--agency", agency, "--json", "--out", out.to_str().unwrap()])
}

/// The mirrored entries by leaf index.
fn mirrored_entries(out: &Path) -> BTreeMap<u64, Vec<u8>> {
    let (bytes, mut entries) = (std::fs::read(out.join("entries")).unwrap(), BTreeMap::new());
    let mut rest = bytes.as_slice();
    while let Some((index, after)) = rest.split_first_chunk::<8>() {
        let (length, after) = after.split_first_chunk::<4>().unwrap();
        let (entry, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        entries.insert(u64::from_be_bytes(*index), entry.to_vec());
        rest = after;
    }
    entries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_shows_neither_restricted_chains_nor_counselling_to_who_may_not_know_of_it() {
    let mut served = Served::new();
    let counselled = replayed(&served, "G09");
    let restricted = chain_id();
    let accusation = accusation(&restricted);
    let mut desk = PetitionDeskClient::new(served.connection(Some("XF-FL")).await.channel);
    desk.record(PetitionRecordRequest::try_from(accusation).unwrap()).await.unwrap();
    let center = seen(&served, "XL-ZS", Role::Reg, &counselled).await.unwrap();
    let leaf = |entry: &ChainEntry| entry.receipt.as_ref().unwrap().leaf_hash.to_vec();
    let sessions: BTreeSet<Vec<u8>> = center.iter().filter(|entry| has(entry, PartKind::Sealed)).map(leaf).collect();
    assert!(!sessions.is_empty());
    let outside = tempfile::tempdir().unwrap();
    let restricted_id = uuid::Uuid::parse_str(&restricted).unwrap().into_bytes();
    let holds = |entries: &BTreeMap<u64, Vec<u8>>, id: &[u8]| {
        entries.values().any(|entry| entry.windows(id.len()).any(|window| window == id))
    };
    let mut sizes = BTreeMap::new();
    for agency in ["CT-FL", "XF-FL", "XL-ZS", "AUD-JDZ"] {
        let out = outside.path().join(agency);
        let report = said(&mirrored(&served, agency, &out));
        let (entries, hashes) = (mirrored_entries(&out), std::fs::read(out.join("hashes")).unwrap());
        assert_eq!(report["size"], json!(hashes.len() / 32), "{agency}");
        assert_eq!(report["entries"], json!(entries.len()), "{agency}");
        let leaves = hashes.chunks(32).zip(0..).filter(|(_, at)| entries.contains_key(at));
        let leaves: BTreeSet<Vec<u8>> = leaves.map(|(hash, _)| hash.to_vec()).collect();
        let shows_sessions = sessions.is_subset(&leaves);
        assert_eq!(shows_sessions, ["XL-ZS", "AUD-JDZ"].contains(&agency), "{agency}");
        assert!(shows_sessions || sessions.is_disjoint(&leaves), "{agency}");
        assert_eq!(holds(&entries, &restricted_id), ["XF-FL", "AUD-JDZ"].contains(&agency), "{agency}");
        let everything = std::fs::read(out.join("entries")).unwrap();
        assert_eq!(holds(&BTreeMap::from([(0, everything)]), &restricted_id), agency != "CT-FL" && agency != "XL-ZS");
        sizes.insert(agency, report["size"].as_u64().unwrap());
    }
    // Carried on, after what a cut run may have left.
    let out = outside.path().join("CT-FL");
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    bureau.record(registration(&chain_id(), &event_id(), "排水渠堵塞")).await.unwrap();
    for (file, torn) in [("hashes", &b"torn"[..]), ("entries", &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 7])] {
        let kept = std::fs::read(out.join(file)).unwrap();
        std::fs::write(out.join(file), [&kept, torn].concat()).unwrap();
    }
    let report = said(&mirrored(&served, "CT-FL", &out));
    assert!(report["size"].as_u64() > sizes.get("CT-FL").copied(), "{report}");
    assert_eq!(report["entries"], json!(mirrored_entries(&out).len()));
    // A log that took something back is told, and the mirror is left as it is.
    let mut hashes = std::fs::read(out.join("hashes")).unwrap();
    hashes[40] ^= 1;
    std::fs::write(out.join("hashes"), &hashes).unwrap();
    let refused = mirrored(&served, "CT-FL", &out);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("日志已被改动"), "{told}");
    assert_eq!(std::fs::read(out.join("hashes")).unwrap(), hashes);
    tokio::task::block_in_place(|| served.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_and_why_must_be_said_and_is_listed_to_the_agencies_of_the_chain() {
    let served = Served::new();
    let chain = chain_id();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    bureau.record(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    let wanted = GetChainRequest { chain_id: Some(chain.clone()), ..GetChainRequest::default() };
    let refused = service(&served, "XF-FL").await.get_chain(wanted).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, "READING_NOT_STATED".to_owned()));
    bureau.chain(&chain, None).await.unwrap();
    let read =
        ["chain", &chain, "--agency", "AUD-JDZ", "--reader", "AUD-JDZ/AUD-7", "--legal-basis", "审计法第三十四条"];
    assert!(served.run(&read).status.success());
    let list =
        |agency: &str| said(&served.run(&["access-log", &chain, "--json", "--agency", agency]))["accesses"].clone();
    let rows = list("AUD-JDZ");
    let row = &rows[0];
    assert_eq!((&row["agency"], &row["reader"]), (&json!("AUD-JDZ"), &json!("AUD-JDZ/AUD-7")));
    assert_eq!((&row["purpose"], &row["legal_basis"]), (&json!("AUDIT"), &json!("审计法第三十四条")));
    assert_eq!((&row["role"], &row["refusal"]), (&json!("AUD"), &Value::Null));
    let grades: BTreeSet<&str> = rows.as_array().unwrap().iter().filter_map(|row| row["grade"].as_str()).collect();
    assert_eq!(grades, BTreeSet::from(["F", "R"]), "facts in full, identities in masks: {rows:#}");
    let own = list("XF-FL");
    assert_eq!(own.as_array().unwrap().len(), rows.as_array().unwrap().len());
    let readers: BTreeSet<&str> = own.as_array().unwrap().iter().map(|row| row["reader"].as_str().unwrap()).collect();
    assert_eq!(readers, BTreeSet::from(["", "XF-FL/TEST-1"]), "the auditor's own name is not for the bureau");
    let stranger = served.run(&["access-log", &chain, "--agency", "CT-ZS"]);
    assert_eq!(stranger.status.code(), Some(3), "{}", String::from_utf8_lossy(&stranger.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_can_sign_no_record_shows_nothing() {
    let mut served = Served::new();
    let chain = chain_id();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    bureau.record(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    tokio::task::block_in_place(|| served.stop());
    for agency in std::fs::read_dir(served.path().join("keys")).unwrap() {
        let key = agency.unwrap().path().join("signing.key");
        if key.exists() {
            std::fs::remove_file(key).unwrap();
        }
    }
    served.start();
    let refused = seen(&served, "XF-FL", Role::Reg, &chain).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::Unavailable, "READING_NOT_RECORDED".to_owned()));
    assert!(refused.message().contains("does not hold the signing key"), "{}", refused.message());
    served.client("XF-FL", AgencyKind::Petition).await.registry(None).await.unwrap();
}

/// Reads on without a pause, each time as somebody else, and counts what he was shown.
async fn read_on(client: Client, chain: Arc<str>, reader: usize) -> Vec<String> {
    let mut shown = Vec::new();
    for at in 0.. {
        let name = format!("XF-FL/R-{reader}-{at}");
        let own = client.clone().reading(Reading { reader: Some(name.clone()), ..reading("XF-FL") });
        match own.chain(&chain, None).await {
            Ok(_) => shown.push(name),
            Err(_) => break,
        }
    }
    shown
}

/// Killed between the record and the answer the process may have recorded what nobody was shown; never the other way round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_every_reading_that_was_answered_is_on_record() {
    let mut served = Served::new();
    let chain: Arc<str> = chain_id().into();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    bureau.record(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    for round in 0..3 {
        let client = served.client("XF-FL", AgencyKind::Petition).await;
        let readers: Vec<_> = (0..4)
            .map(|reader| tokio::spawn(read_on(client.clone(), Arc::clone(&chain), round * 4 + reader)))
            .collect();
        tokio::time::sleep(std::time::Duration::from_millis(300 + 70 * round as u64)).await;
        tokio::task::block_in_place(|| served.kill());
        let mut shown = BTreeSet::new();
        for reader in readers {
            shown.extend(reader.await.unwrap());
        }
        assert!(!shown.is_empty());
        served.start();
        let own = served.client("XF-FL", AgencyKind::Petition).await;
        let (mut recorded, mut token) = (BTreeSet::new(), None);
        loop {
            let answer = own.accesses(&chain, Some(1_000), token).await.unwrap();
            recorded.extend(answer.rows.into_iter().map(|row| row.reader));
            token = Some(answer.next_page_token).filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        let missing: Vec<&String> = shown.difference(&recorded).collect();
        assert!(missing.is_empty(), "round {round}: {missing:?} of {} were shown without a record", shown.len());
    }
    tokio::task::block_in_place(|| served.stop());
    assert!(served.verify().1);
}
