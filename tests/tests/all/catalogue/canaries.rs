//! What is personal stands in the encrypted parts and nowhere else.
//!
//! Every field outside the `act` part of every act of the catalogue holds a string that stands nowhere else. After recording,
//! reading, exporting, verifying and every kind of refusal none of them stands in a log line of any level, in a file of the
//! ledger's directory, or in a file's name, be it as it is, in hex or in base64.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use mediation_domain::catalogue::{self, FieldRow, FieldType, Row};
use mediation_proto::mediation::{
    ledger::v1::{GetChainRequest, PartKind, Reading, WatchChainRequest, chain_service_client::ChainServiceClient},
    types::v1::{AgencyKind, Role},
};
use serde_json::{Value, json};

use super::{Desks, ORDERS, ROOTED, required};
use crate::{
    model::followed,
    served::{mediation, reading},
};

/// What every canary begins with.
const CANARY: &str = "canary7f3a91d2";

/// Canaries that were let out.
#[derive(Debug, Default)]
struct Canaries(u32);

impl Canaries {
    fn next(&mut self) -> Value {
        self.0 += 1;
        json!(format!("{CANARY}{:05}", self.0))
    }

    /// Puts canaries into the fields of these rows: those outside the `act` part, and of records that stand there.
    fn fill(&mut self, fields: &[FieldRow], data: &mut serde_json::Map<String, Value>, is_inside: bool) {
        let is_personal = |field: &&FieldRow| {
            is_inside || matches!(field.part, PartKind::Identities | PartKind::Narrative | PartKind::Sealed)
        };
        for field in fields.iter().filter(is_personal) {
            let Some(value) = data.get_mut(field.name) else { continue };
            let values = if let Value::Array(values) = value { values.iter_mut().collect() } else { vec![value] };
            for value in values {
                if matches!(field.ty, FieldType::Text | FieldType::String) {
                    *value = self.next();
                } else if let (FieldType::Record(info), Value::Object(inner)) = (field.ty, value) {
                    self.fill(&catalogue::record(info).unwrap().fields, inner, true);
                }
            }
        }
    }
}

/// As it is, in hex, and in base64 at each of the three places where it may begin.
pub(crate) fn needles(canary: &str) -> Vec<String> {
    let in_base64 = |shift: usize| {
        let encoded = STANDARD_NO_PAD.encode([&b"xx"[..shift], canary.as_bytes()].concat());
        // The letters at the ends hold bits of the neighbours.
        encoded[3..encoded.len() - 2].to_owned()
    };
    let hex = hex::encode(canary);
    [canary.to_owned(), hex.to_uppercase(), hex].into_iter().chain((0..3).map(in_base64)).collect()
}

/// Where canaries stand in these bytes.
fn sightings(bytes: &[u8], needles: &[String]) -> Vec<usize> {
    let text = String::from_utf8_lossy(bytes);
    needles.iter().filter_map(|needle| text.find(needle.as_str())).collect()
}

/// Files of a directory in whose bytes or names canaries stand, with the places.
pub(crate) fn standing(directory: &Path, needles: &[String]) -> Vec<String> {
    let files = files(directory);
    assert!(files.len() > 100, "only {} files were looked at", files.len());
    let seen = files.iter().filter_map(|file| {
        let (name, bytes) = (sightings(file.as_os_str().as_encoded_bytes(), needles), std::fs::read(file).unwrap());
        let seen = [name, sightings(&bytes, needles)].concat();
        (!seen.is_empty()).then(|| format!("{} at {seen:?}", file.display()))
    });
    seen.collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Runs the binary; what it prints of itself, the answer of a reading aside, goes where the logs go.
fn run(arguments: &[&OsStr]) -> Vec<u8> {
    Command::new(mediation()).args(arguments).output().unwrap().stderr
}

#[test]
fn a_canary_is_seen_in_every_notation() {
    let needles = needles(CANARY);
    for shift in 0..3 {
        let bytes = [&b"abc"[..shift], CANARY.as_bytes(), b"00001 and more"].concat();
        for seen in [bytes.clone(), hex::encode(&bytes).into_bytes(), STANDARD_NO_PAD.encode(&bytes).into_bytes()] {
            assert!(!sightings(&seen, &needles).is_empty(), "{}", String::from_utf8_lossy(&seen));
        }
    }
    assert!(sightings(b"canary7f3a91d", &needles).is_empty());
}

/// Records an act with canaries, and tries what is refused; the chain, and how often it was.
async fn let_out(desks: &Desks, row: &'static Row, canaries: &mut Canaries) -> (String, u32) {
    let kind = *row.agency_kinds.first().unwrap();
    let chain = desks.opened_chain().await;
    let mut act = desks.sample(row, kind, &chain);
    canaries.fill(&row.fields, &mut act.data, false);
    canaries.fill(&catalogue::header().fields, &mut act.header, false);
    desks.client(kind).send(desks.request(row, &chain, act.clone())).await.unwrap();
    let mut refused = 0;
    // For a field that is missing, for a text that is too long, for a name in the place of a pseudonym.
    if let Some(absent) = required(&row.fields, row.event).into_iter().next() {
        desks.refused(row, kind, &chain, absent.removed_from(act.clone())).await;
        refused += 1;
    }
    for field in &row.fields {
        let canary = canaries.next().as_str().unwrap().to_owned();
        let value = if matches!(field.ty, FieldType::Text) {
            json!(canary.repeat(1_000))
        } else if matches!(field.ty, FieldType::Person) {
            json!(format!("{canary} 张三"))
        } else {
            continue;
        };
        let mut wrong = act.clone();
        wrong.data.insert(field.name.to_owned(), if field.list { json!([value]) } else { value });
        refused += u32::from(desks.client(kind).send(desks.request(row, &chain, wrong)).await.is_err());
    }
    (chain.chain, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_personal_field_of_any_act_stands_outside_its_encrypted_part() {
    let (needles, outside) = (needles(CANARY), tempfile::tempdir().unwrap());
    let log = outside.path().join("log");
    let mut desks = Desks::open_logging_everything_to(&log).await;
    let (mut canaries, mut recorded, mut refused, mut told) = (Canaries::default(), Vec::new(), 0, Vec::new());
    let is_recorded = |row: &&Row| !ROOTED.contains(&row.event) && !ORDERS.contains(&row.event);
    for row in catalogue::rows().iter().filter(is_recorded) {
        let (chain, refusals) = let_out(&desks, row, &mut canaries).await;
        recorded.push(chain);
        refused += refusals;
    }
    assert!(canaries.0 > 300 && refused > 300, "{} canaries, {refused} refusals", canaries.0);

    // Every chain is read by several, and by one who may not; some are watched.
    let mut read = 0;
    for chain in &recorded {
        for (agency, kind) in
            [("AUD-JDZ", AgencyKind::Audit), ("XF-JDZ", AgencyKind::Petition), ("CT-JDZ", AgencyKind::Court)]
        {
            let client = desks.served.client(agency, kind).await;
            read += u32::from(client.chain(chain, None).await.is_ok());
            let nobody = Reading { reader: Some(canaries.next().as_str().unwrap().to_owned()), ..reading(agency) };
            assert!(
                client.reading(Reading { role: Some(Role::Judge.into()), ..nobody }).chain(chain, None).await.is_err()
            );
        }
    }
    assert!(read as usize > recorded.len(), "{read} readings");
    let mut chains = ChainServiceClient::new(desks.served.connection(Some("AUD-JDZ")).await.channel);
    let wanted =
        WatchChainRequest { chain_id: Some(recorded[0].clone()), from_revision: 0, reading: Some(reading("AUD-JDZ")) };
    assert!(chains.watch_chain(wanted).await.unwrap().into_inner().message().await.unwrap().is_some());
    let malformed = GetChainRequest {
        chain_id: Some(canaries.next().as_str().unwrap().to_owned()),
        as_of: Some(canaries.next().as_str().unwrap().to_owned()),
        ..GetChainRequest::default()
    };
    chains.get_chain(malformed).await.unwrap_err();

    // Commands: what they print for themselves is a log; the bundle is for whom it was made.
    let directory = desks.served.path();
    let (bundle, ledger) = (outside.path().join("bundle.zip"), desks.served.address.clone());
    let at = ["--ledger", &ledger, "--agency", "AUD-JDZ", "--dir"].map(OsStr::new);
    let chain = OsStr::new(&recorded[0]);
    let export = [&["export".as_ref(), chain, "--out".as_ref(), bundle.as_os_str()][..], &at, &[directory.as_os_str()]];
    told.push(run(&export.concat()));
    assert!(bundle.exists(), "{}", String::from_utf8_lossy(&told[0]));
    for command in ["chain", "access-log"] {
        told.push(run(&[&[command.as_ref(), chain][..], &at, &[directory.as_os_str()]].concat()));
    }
    tokio::task::block_in_place(|| desks.served.stop());
    told.push(run(&["rebuild".as_ref(), "--dir".as_ref(), directory.as_os_str()]));
    let entries = followed(&directory).unwrap();
    assert!(entries > recorded.len() as u64, "the read model, which is searched with everything else, is complete");
    for command in ["findings", "figures"] {
        told.push(run(&[command.as_ref(), "--dir".as_ref(), directory.as_os_str()]));
    }
    told.push(run(&["verify".as_ref(), directory.as_os_str()]));

    told.push(std::fs::read(&log).unwrap());
    assert!(told.last().unwrap().len() > 100_000, "the log is as talkative as it can be");
    for text in &told {
        let text = String::from_utf8_lossy(text);
        let lines: Vec<&str> = text.lines().filter(|line| !sightings(line.as_bytes(), &needles).is_empty()).collect();
        assert!(lines.is_empty(), "{} lines, such as\n{}", lines.len(), lines[0]);
    }
    assert_eq!(standing(&directory, &needles), Vec::<String>::new());
}
