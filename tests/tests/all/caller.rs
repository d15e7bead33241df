//! Acts that agencies sign themselves, over processes: the server has no key, is killed in between, and is sent what is
//! not what it prepared; many at once; and a server that lies.

mod stand_in;

use std::{process::Command, sync::Arc};

use mediation_client::{CallerKeys, CallerSigner, Client, ClientError, signing::ToSign};
use mediation_ledger::{
    bundle::read,
    entry::Entry,
    key::{Ed25519Signer, Signer, Sm2Signer},
    part,
    statement::{Statement, pre_authentication},
};
use mediation_proto::{
    ActRequest,
    mediation::{
        ledger::v1::{
            DisclosedPart, Prepared, Receipt, Signature, SubmitRequest, prepare_response::Result as Preparation,
        },
        types::v1::AgencyKind,
    },
};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    bundle::{script_verdict, verdict},
    served::{Served, chain_id, event_id, mediation, registration, request},
};

const BUREAU: &str = "XF-FL";
const CENTER: &str = "ZC-FL";

/// A ledger whose desks hold no key, and a petition bureau that keeps its own.
struct Bureau {
    served: Served,
    client: Client,
    keys: CallerKeys,
}

impl Bureau {
    async fn new() -> Self {
        let served = Served::without_keys();
        let client = served.client(BUREAU, AgencyKind::Petition).await;
        let keys = served.keys(BUREAU, &[]);
        Self { served, client, keys }
    }

    async fn prepared(&self, request: &ActRequest) -> Prepared {
        let prepared = self.client.prepare(request.clone(), self.keys.own.public_key().id()).await.unwrap();
        let Preparation::Prepared(prepared) = prepared else { panic!("{prepared:?}") };
        prepared
    }

    /// What the bureau submits after it has signed what was prepared.
    async fn signed(&self, request: &ActRequest) -> SubmitRequest {
        submission(self.prepared(request).await, &[self.keys.own.as_ref()])
    }

    async fn record(&self, request: ActRequest) -> Receipt {
        self.client.record_signed(request, &self.keys).await.unwrap().0
    }

    async fn size(&self) -> u64 {
        let note = self.client.checkpoint().await.unwrap();
        self.client.trust().checkpoint(&note).unwrap().size.0
    }
}

fn submission(prepared: Prepared, signers: &[&dyn Signer]) -> SubmitRequest {
    let signatures = signers.iter().map(|signer| signature(*signer, &prepared.statement)).collect();
    let parts = prepared.parts.into_iter().map(|prepared| prepared.part.unwrap()).collect();
    SubmitRequest { statement: prepared.statement, signatures, parts, wait: None }
}

fn signature(signer: &dyn Signer, statement: &[u8]) -> Signature {
    let value = signer.sign(&pre_authentication(statement)).unwrap().into();
    Signature { key_id: signer.public_key().id().0.to_vec().into(), value }
}

/// Code and reason of a refusal, which is told in both languages.
fn told<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (Code, String, Box<Status>) {
    let Err(ClientError::Status(status)) = answer else { panic!("{answer:?}") };
    let localized = status.get_details_localized_message().expect("every refusal is told in Chinese");
    assert!(localized.message.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter)));
    let reason = status.get_details_error_info().expect("every refusal has a reason").reason;
    (status.code(), reason, status)
}

fn fresh() -> ActRequest {
    registration(&chain_id(), &event_id(), "排水渠堵塞")
}

fn follow_up(chain: &str) -> ActRequest {
    let data = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
    request(chain, &event_id(), "FollowUpVisited", "XF-FL/REG-1", "REG", data)
}

fn closing(chain: &str) -> ActRequest {
    let data = json!({"outcome": "MEDIATED", "ground": "FULL_PERFORMANCE",
        "procedures": [{"kind": "PETITION", "number": "XF36022220240408000015", "state": "COMPLETED"}]});
    request(chain, &event_id(), "DisputeClosed", "ZC-FL/DIR-1", "DIR", data)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_without_a_key_records_what_the_agency_signs_and_points_others_to_signing() {
    let mut bureau = Bureau::new().await;
    let (code, reason, status) = told(bureau.client.record(fresh()).await);
    assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "KEY_NOT_HELD"));
    assert!(status.message().contains("`Prepare` and `Submit`"), "{}", status.message());
    assert!(status.get_details_localized_message().unwrap().message.contains("Prepare 和 Submit"));

    let act = fresh();
    let (receipt, verified) = bureau.client.record_signed(act.clone(), &bureau.keys).await.unwrap();
    assert!(verified.seal.is_some(), "sealed, as any other");
    let chain = bureau.client.chain(act.chain_id.as_deref().unwrap(), None).await.unwrap();
    assert_eq!(chain.entries.first().unwrap().parts.len(), 3, "its parts can be read");
    // Asked again, and after a restart, it stands already: nothing is signed.
    let again = bureau.client.record_signed(act.clone(), &bureau.keys).await.unwrap().0;
    assert_eq!(again.entry, receipt.entry);
    tokio::task::block_in_place(|| bureau.served.stop());
    assert!(bureau.served.verify().1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_between_prepare_and_submit_takes_what_it_prepared_and_once() {
    let mut bureau = Bureau::new().await;
    let act = fresh();
    let (first, second) = (bureau.signed(&act).await, bureau.signed(&act).await);
    let other = ActRequest { act: registration("", "", "另一件事").act, ..act.clone() };
    let other = bureau.signed(&other).await;
    let before = bureau.size().await;
    bureau.served.kill();
    bureau.served.start();
    bureau.client = bureau.served.client(BUREAU, AgencyKind::Petition).await;
    assert_eq!(bureau.size().await, before, "preparing keeps nothing");
    let receipt = bureau.client.submit(first.clone()).await.unwrap();
    assert_eq!(Entry::parse(&receipt.entry).unwrap().statement, first.statement, "what was signed is what is stored");
    for again in [&first, &second] {
        let again = bureau.client.submit(again.clone()).await.unwrap();
        assert_eq!((again.entry, again.revision), (receipt.entry.clone(), receipt.revision));
    }
    let (code, reason, _) = told(bureau.client.submit(other).await);
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "EVENT_ID_REUSED"));
    assert_eq!(bureau.size().await, before + 1);
    tokio::task::block_in_place(|| bureau.served.stop());
    assert!(bureau.served.verify().1);
}

/// What is submitted in place of what was prepared and signed, and what it is told.
struct Row(&'static str, SubmitRequest, Code, &'static str);

/// The same act with a statement that was changed, its commitments recomputed, and signed by the bureau.
fn crafted(honest: &SubmitRequest, signer: &dyn Signer, change: impl FnOnce(&mut Statement)) -> SubmitRequest {
    let mut statement = Statement::parse(&honest.statement).unwrap();
    change(&mut statement);
    for (commitment, shown) in statement.commitments.iter_mut().zip(&honest.parts) {
        let opened = part::disclosed(shown).unwrap();
        let (origin, event_id) = (&statement.origin, statement.event_id);
        let (kind, number) = (commitment.kind, commitment.number);
        commitment.digest = part::digest(origin, event_id, kind, number, &opened.salt, &opened.plaintext);
    }
    let statement = statement.to_bytes();
    let signatures = vec![signature(signer, &statement)];
    SubmitRequest { statement, signatures, ..honest.clone() }
}

fn malformed(what: &'static str, request: SubmitRequest) -> Row {
    Row(what, request, Code::InvalidArgument, "MALFORMED")
}

fn malformed_rows(honest: &SubmitRequest, own: &dyn Signer) -> Vec<Row> {
    let with_parts = |change: fn(&mut Vec<DisclosedPart>)| {
        let mut request = honest.clone();
        change(&mut request.parts);
        request
    };
    let signed_by = |signatures| SubmitRequest { signatures, ..honest.clone() };
    let longer = [honest.statement.as_ref(), &[0xa0, 0x06, 0x01]].concat().into();
    let keepers = |statement: &mut Statement| statement.event_id.0[6] = 0x80 | (statement.event_id.0[6] & 0x0f);
    vec![
        malformed("no statement", SubmitRequest { statement: vec![7; 40].into(), ..honest.clone() }),
        malformed("an unknown field in the statement", SubmitRequest { statement: longer, ..honest.clone() }),
        malformed("a part left out", with_parts(|parts| drop(parts.pop()))),
        malformed("a part twice", with_parts(|parts| parts.push(parts[0].clone()))),
        malformed("a salt that is another part's", with_parts(|parts| parts[0].salt = parts[1].salt.clone())),
        malformed("a salt of 31 bytes", with_parts(|parts| parts[0].salt.truncate(31))),
        malformed("other content", with_parts(|parts| parts[2].plaintext = parts[1].plaintext.clone())),
        malformed("no signature", signed_by(vec![])),
        malformed("a key that signs twice", signed_by(vec![signature(own, &honest.statement); 2])),
        malformed("an event id of the clock keeper", crafted(honest, own, keepers)),
        malformed(
            "a business time in the far future",
            crafted(honest, own, |statement| statement.occurred_at = 32_503_680_000),
        ),
    ]
}

fn signature_rows(honest: &SubmitRequest, own: &dyn Signer, court: &dyn Signer) -> Vec<Row> {
    let denied = |what, request, reason| Row(what, request, Code::PermissionDenied, reason);
    let stranger = Ed25519Signer::generate().unwrap();
    let signed_by = |signatures| SubmitRequest { signatures, ..honest.clone() };
    let own_signature = signature(own, &honest.statement);
    let mut later = Statement::parse(&honest.statement).unwrap();
    later.occurred_at += 60;
    let later = SubmitRequest { statement: later.to_bytes(), ..honest.clone() };
    let foreign = Signature { value: signature(court, &honest.statement).value, ..own_signature.clone() };
    let other_key = crafted(honest, court, |statement| statement.key_id = court.public_key().id());
    let (unknown, bad) = (signature(&stranger, &honest.statement), signature(court, b"something else"));
    vec![
        denied("a business time that was changed after signing", later, "SIGNATURE_BAD"),
        denied("a signature of another agency's key", signed_by(vec![foreign]), "SIGNATURE_BAD"),
        denied("another agency's key", other_key, "KEY_NOT_ENROLLED"),
        denied("only an extra signature", signed_by(vec![signature(court, &honest.statement)]), "SIGNATURE_BAD"),
        denied(
            "an extra signature of nobody's key",
            signed_by(vec![own_signature.clone(), unknown]),
            "KEY_NOT_ENROLLED",
        ),
        denied("an extra signature over something else", signed_by(vec![own_signature, bad]), "SIGNATURE_BAD"),
    ]
}

fn statement_rows(honest: &SubmitRequest, own: &dyn Signer) -> Vec<Row> {
    let other = |what, change: fn(&mut Statement)| {
        Row(what, crafted(honest, own, change), Code::InvalidArgument, "STATEMENT_OTHER")
    };
    let further = crafted(honest, own, |statement| statement.revision = statement.revision.next());
    vec![
        other("another ledger", |statement| statement.origin = "other.example/main".to_owned()),
        other("another agency", |statement| statement.agency = "CT-ZS".to_owned()),
        other("another rule set", |statement| statement.rule_set = "cn-2019".to_owned()),
        Row("a place further on", further, Code::Aborted, "PREPARED_STALE"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_was_prepared_and_signed_is_refused_and_changes_nothing() {
    let bureau = Bureau::new().await;
    let size = bureau.size().await;
    let honest = bureau.signed(&fresh()).await;
    let (own, court) = (bureau.keys.own.as_ref(), bureau.served.signer("CT-ZS"));
    let rows = malformed_rows(&honest, own).into_iter();
    let rows = rows.chain(signature_rows(&honest, own, court.as_ref())).chain(statement_rows(&honest, own));
    for Row(what, request, code, reason) in rows {
        let (found_code, found, status) = told(bureau.client.submit(request).await);
        assert_eq!((found_code, found.as_str()), (code, reason), "{what}: {status:?}");
    }
    // Another agency's certificate: what the bureau signed only the bureau submits.
    let stolen = bureau.signed(&fresh()).await;
    let center = bureau.served.client(CENTER, AgencyKind::GovernanceCenter).await;
    assert_eq!(told(center.submit(stolen.clone()).await).1, "STATEMENT_OTHER");
    let court = bureau.served.client("CT-ZS", AgencyKind::Petition).await;
    assert_eq!(told(court.submit(stolen).await).1, "WRONG_DESK");
    // A key that is not the bureau's is not prepared for.
    let other = bureau.client.prepare(fresh(), bureau.served.signer("CT-ZS").public_key().id()).await;
    assert_eq!(told(other).1, "KEY_NOT_ENROLLED");
    assert_eq!(bureau.size().await, size, "refusals have moved the tree");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_prepared_before_the_chain_moved_is_admitted_as_it_stands_now() {
    let bureau = Bureau::new().await;
    let center = bureau.served.client(CENTER, AgencyKind::GovernanceCenter).await;
    let keys = bureau.served.keys(CENTER, &[]);
    let act = fresh();
    let chain = act.chain_id.clone().unwrap();
    bureau.record(act).await;
    let late = bureau.signed(&follow_up(&chain)).await;
    let receipt = bureau.record(follow_up(&chain)).await;
    let (code, reason, status) = told(bureau.client.submit(late).await);
    assert_eq!((code, reason.as_str()), (Code::Aborted, "PREPARED_STALE"));
    let told_head = status.get_details_error_info().unwrap().metadata;
    assert_eq!(told_head.get("actual").map(String::as_str), Some("2"));
    assert_eq!(told_head.get("head"), Some(&hex::encode(&receipt.leaf_hash)));

    let close = closing(&chain);
    let prepared = center.prepare(close.clone(), keys.own.public_key().id()).await.unwrap();
    let Preparation::Prepared(prepared) = prepared else { panic!("{prepared:?}") };
    center.record_signed(closing(&chain), &keys).await.unwrap();
    let size = bureau.size().await;
    let expired = center.submit(submission(prepared, &[keys.own.as_ref()])).await;
    assert_eq!(told(expired).1, "CHAIN_CLOSED");
    assert_eq!(told(center.prepare(close, keys.own.public_key().id()).await).1, "CHAIN_CLOSED");
    assert_eq!(bureau.size().await, size);
}

#[tokio::test(flavor = "multi_thread")]
async fn extra_signatures_of_other_agencies_ride_along_and_are_verified() {
    let mut bureau = Bureau::new().await;
    bureau.keys = bureau.served.keys(BUREAU, &["CT-ZS", CENTER]);
    let act = fresh();
    let chain = act.chain_id.clone().unwrap();
    let receipt = bureau.record(act).await;
    assert_eq!(Entry::parse(&receipt.entry).unwrap().signatures.len(), 3);
    tokio::task::block_in_place(|| bureau.served.stop());
    let (report, good) = bureau.served.verify();
    assert!(good, "{report}");
    let number = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(number("signatures"), number("entries") + 2);

    let bundle = bureau.served.directory.path().join("chain.evidence.zip");
    let mut export = Command::new(mediation());
    export.args(["export", &chain, "--dir"]).arg(bureau.served.path()).arg("--out").arg(&bundle);
    let exported = export.output().unwrap();
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let (rust, script) = (verdict(&bundle, None), script_verdict(&bundle, None));
    assert_eq!((&rust["good"], &script["good"]), (&json!(true), &json!(true)), "{rust:#} {script:#}");
    let signatures = |verdict: &Value| {
        let rows = verdict["checks"].as_array().unwrap();
        rows.iter().find(|row| row["check"] == "signatures").unwrap().clone()
    };
    assert_eq!(signatures(&rust), signatures(&script));
    let files = read(&std::fs::read(&bundle).unwrap().into()).unwrap();
    let report = String::from_utf8_lossy(&files["report.html"]);
    assert_eq!(report.matches("附加签名").count(), 2, "each is named in the report");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_agencies_systems_that_sign_on_one_chain_at_once_all_get_through() {
    let mut bureau = Bureau::new().await;
    let act = fresh();
    let chain = act.chain_id.clone().unwrap();
    bureau.record(act).await;
    let callers = (0..8).map(|_| {
        let (client, keys, chain) = (bureau.client.clone(), bureau.keys.clone(), chain.clone());
        tokio::spawn(async move {
            for _ in 0..5 {
                client.record_signed(follow_up(&chain), &keys).await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let processes: Vec<_> = (0..8).map(|_| sign_with(&bureau.served, &chain).spawn().unwrap()).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let shown = bureau.client.chain(&chain, None).await.unwrap();
    assert_eq!(shown.entries.len(), 1 + 8 * 5 + 8);
    tokio::task::block_in_place(|| bureau.served.stop());
    assert!(bureau.served.verify().1);
}

/// `mediation record --sign-with` of a follow-up, with the bureau's key.
fn sign_with(served: &Served, chain: &str) -> Command {
    let data = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
    record(served, BUREAU, "REG", chain, "FollowUpVisited", &data, "signing.key")
}

fn record(served: &Served, agency: &str, role: &str, chain: &str, event: &str, data: &Value, key: &str) -> Command {
    let mut command = Command::new(mediation());
    command
        .args(["record", "--json", "--ledger", &served.address, "--agency", agency, "--event", event, "--role", role])
        .args(["--signer", &format!("{agency}/{role}-1"), "--chain", chain, "--occurred-at", "1709514720"])
        .args(["--data", &data.to_string(), "--dir"])
        .arg(served.path())
        .arg("--sign-with")
        .arg(served.key_file(agency, key))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_enrols_a_key_with_its_root_key_and_signs_with_it_on_its_own_machine() {
    let mut bureau = Bureau::new().await;
    let (edwards, sm2) = (Ed25519Signer::generate().unwrap(), Sm2Signer::generate().unwrap());
    let keys: [(&str, Arc<dyn CallerSigner>); 2] = [("ED25519", Arc::new(edwards)), ("SM2_SM3", Arc::new(sm2))];
    let act = fresh();
    let chain = act.chain_id.clone().unwrap();
    let acts = [act, follow_up(&chain)];
    for ((algorithm, new), act) in keys.into_iter().zip(acts) {
        let enrolled = json!({"agency": BUREAU, "algorithm": algorithm, "valid_from": "2020-01-01",
            "public_key": hex::encode(new.public_key().to_bytes())});
        let mut command = record(&bureau.served, BUREAU, "SYS", "registry", "AgencyKeyEnrolled", &enrolled, "root.key");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        bureau.keys.own = new;
        bureau.record(act).await;
    }
    // The root key enrols, and signs nothing else.
    let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
    let refused =
        record(&bureau.served, BUREAU, "REG", &chain, "FollowUpVisited", &visited, "root.key").output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(3) && told.contains("KEY_NOT_ENROLLED"), "{told}");
    tokio::task::block_in_place(|| bureau.served.stop());
    assert!(bureau.served.verify().1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_takes_what_an_honest_server_prepares() {
    let bureau = Bureau::new().await;
    let act = fresh();
    let trust = bureau.client.trust();
    let key = bureau.keys.own.public_key().id();
    let own = mediation_client::signing::Own { origin: trust.log_key.name().as_str(), agency: BUREAU, key };
    ToSign::check(bureau.prepared(&act).await, &act, &own).unwrap();
}
