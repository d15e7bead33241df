//! Every act of the catalogue, recorded through the desk of every kind of agency that may record it: once as it should
//! be, and once for each required field without that field.

use std::{collections::BTreeMap, path::Path};

use mediation_client::{Client, ClientError};
use mediation_domain::catalogue::{self, FieldRow, FieldType, Row};
use mediation_proto::{
    ActRequest,
    derived::{TYPES_AGENCY_KIND, TYPES_ROLE},
    json::act_from_json,
    mediation::{
        ledger::v1::ReceiptLevel,
        types::v1::{AgencyKind, Role},
    },
};
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    golden::sample::Filling,
    served::{Served, chain_id, event_id, registration},
    workspace,
};

pub(crate) mod canaries;
mod hostile;

/// Acts that count on the registry chain alone, where root keys enter them.
const ROOTED: &[&str] = &[
    "LedgerFounded",
    "LedgerReincarnated",
    "AgencyKeyEnrolled",
    "AgencyKeyRotated",
    "AgencyKeyRevoked",
    "AgencyRootRotated",
    "AgencyJoined",
    "LogKeyAdded",
    "LogKeyRetired",
    "WitnessEnrolled",
    "WitnessRetired",
];

/// Acts that need an order, or a part in the chain, before they are admitted: `erasure.rs` records them.
const ORDERS: &[&str] = &["ErasureOrdered", "ErasureCountersigned"];

/// The fixture city has no village center that records for itself.
const VILLAGE: &str =
    r#"{"id": "VC-FL-SA-01", "zh": "寿安镇示例村综治中心", "kind": "VILLAGE_CENTER", "division": "360222101201"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_act_is_recorded_by_every_kind_of_agency_that_may() {
    let mut desks = Desks::open().await;
    let mut wrong = Vec::new();
    for row in catalogue::rows().iter().filter(|row| !ROOTED.contains(&row.event) && !ORDERS.contains(&row.event)) {
        for kind in &row.agency_kinds {
            let chain = desks.opened_chain().await;
            let act = desks.sample(row, *kind, &chain);
            if let Err(error) = desks.client(*kind).send(desks.request(row, &chain, act)).await {
                wrong.push(format!("{} by {}: {error}", row.event, kind.as_str_name()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    desks.served.stop();
    let (report, clean) = desks.served.verify();
    assert!(clean, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_without_a_required_field_is_refused_by_the_name_of_the_field() {
    let desks = Desks::open().await;
    let mut wrong = Vec::new();
    let mut tried = 0;
    for row in catalogue::rows() {
        let kind = *row.agency_kinds.first().unwrap();
        let chain = desks.opened_chain().await;
        let whole = desks.sample(row, kind, &chain);
        let header = required(&catalogue::header().fields, "header");
        for absent in required(&row.fields, row.event).into_iter().chain(header) {
            let status = desks.refused(row, kind, &chain, absent.removed_from(whole.clone())).await;
            wrong.extend(absent.not_named_by(&status).map(|what| format!("{}: {what}: {status:?}", absent.path)));
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // Each act has at least the signer and his role to leave out.
    assert!(tried > 4 * catalogue::rows().len(), "only {tried} fields were left out");
}

/// A served ledger, and a client of each kind of agency.
struct Desks {
    served: Served,
    clients: BTreeMap<AgencyKind, (String, Client)>,
}

/// An act in the notation of the catalogue: header and fields.
#[derive(Debug, Clone)]
struct Notation {
    header: Map<String, Value>,
    data: Map<String, Value>,
}

impl Desks {
    async fn open() -> Self {
        Self::of(|_| {}).await
    }

    /// The same, with a log of every level in a file.
    async fn open_logging_everything_to(log: &Path) -> Self {
        Self::of(|served| {
            served.stop();
            served.start_tracing_to(log);
        })
        .await
    }

    async fn of(prepare: impl FnOnce(&mut Served)) -> Self {
        let mut agencies: Vec<Value> =
            serde_json::from_str(&workspace::read("ledger/domain/data/agencies.json")).unwrap();
        agencies.push(serde_json::from_str(VILLAGE).unwrap());
        let mut served = Served::founded_by(&agencies);
        prepare(&mut served);
        let mut clients = BTreeMap::new();
        for agency in &agencies {
            let kind = AgencyKind::from_str_name(&format!("AGENCY_KIND_{}", agency["kind"].as_str().unwrap())).unwrap();
            if let std::collections::btree_map::Entry::Vacant(vacant) = clients.entry(kind) {
                let id = agency["id"].as_str().unwrap().to_owned();
                let client = served.client(&id, kind).await;
                vacant.insert((id, client));
            }
        }
        let kinds = TYPES_AGENCY_KIND.values.iter().filter(|(number, _)| *number != 0).count();
        assert_eq!(clients.len(), kinds, "every kind of agency has a desk");
        Self { served, clients }
    }

    fn agency(&self, kind: AgencyKind) -> &str {
        &self.clients[&kind].0
    }

    fn client(&self, kind: AgencyKind) -> &Client {
        &self.clients[&kind].1
    }

    /// A fresh chain with one act on it.
    async fn opened_chain(&self) -> Opened {
        let opened = Opened { chain: chain_id(), earlier: event_id() };
        let bureau = AgencyKind::Petition;
        let mut request = registration(&opened.chain, &opened.earlier, "排水渠堵塞");
        request.wait = Some(ReceiptLevel::Accepted as i32);
        request.act.header.as_mut().unwrap().signer = Some(format!("{}/REG-1", self.agency(bureau)));
        self.client(bureau).send(request).await.unwrap();
        opened
    }

    /// An act with every field filled, as an agency of this kind may record it.
    fn sample(&self, row: &Row, kind: AgencyKind, opened: &Opened) -> Notation {
        let filling = Filling { earlier: &opened.earlier, agencies: ["CT-LP", "PMC-LP"], string };
        let mut header = filling.object(&catalogue::header().fields);
        let signer = format!("{}/S-1", self.agency(kind));
        let role = row.signers.iter().find(|role| **role != Role::Unspecified).unwrap();
        header.insert("signer".to_owned(), json!(signer));
        header.insert("signer_role".to_owned(), json!(TYPES_ROLE.code(*role as i32).unwrap()));
        header.insert("cosigners".to_owned(), json!([{"agency": "CT-LP", "signer": "CT-LP/S-2", "role": "HEAD"}]));
        let mut data = filling.object(&row.fields);
        // The days of a breach agree with each other, and it completes no other one.
        if row.event == "BreachReported" {
            data.remove("earlier");
            data.iter_mut().filter(|(name, _)| name.ends_with("_on")).for_each(|(_, day)| *day = json!("2024-03-01"));
        }
        // Nobody approves his own exports, nor those of another agency.
        if row.event == "ExportApproved" {
            data.insert("reader".to_owned(), json!(format!("{}/S-2", self.agency(kind))));
        }
        Notation { header, data }
    }

    fn request(&self, row: &Row, opened: &Opened, act: Notation) -> ActRequest {
        ActRequest {
            chain_id: Some(opened.chain.clone()),
            event_id: Some(event_id()),
            expected_revision: None,
            occurred_at: Some(prost_types::Timestamp { seconds: 1_709_514_720, nanos: 0 }),
            wait: Some(ReceiptLevel::Accepted as i32),
            act: act_from_json(row.kind, &act.header, &act.data, &|_| Some(opened.earlier.clone())).unwrap(),
        }
    }

    async fn refused(&self, row: &Row, kind: AgencyKind, opened: &Opened, act: Notation) -> Status {
        match self.client(kind).send(self.request(row, opened, act)).await {
            Err(ClientError::Status(status)) => *status,
            Err(error) => panic!("{}: {error}", row.event),
            Ok(receipt) => panic!("{} was recorded: {receipt:?}", row.event),
        }
    }
}

/// A chain, and the event id of its first act.
struct Opened {
    chain: String,
    earlier: String,
}

/// Strings that have a form are given one.
fn string(name: &str, at: usize) -> String {
    match name {
        "division" => format!("36022210{at}"),
        "chain_no" => "JF3602032024030400017".to_owned(),
        "public_key" | "root_key" => "0".repeat(64),
        name if name == "digest" || name.ends_with("_digest") => "0".repeat(64),
        _ => format!("{name} {at}"),
    }
}

/// A required field that is left out.
#[derive(Debug)]
struct Absent {
    /// As the refusal names it, with places of lists: `DisputeRegistered.parties.0.side`.
    path: String,
    title: String,
}

/// Required fields, also those of records in fields that are there.
fn required(fields: &'static [FieldRow], root: &str) -> Vec<Absent> {
    let mut found = Vec::new();
    for field in fields {
        let path = format!("{root}.{}", field.name);
        if field.required {
            found.push(Absent { path: path.clone(), title: field.zh.clone() });
        }
        if let FieldType::Record(info) = field.ty {
            let root = if field.list { format!("{path}.0") } else { path };
            found.extend(required(&catalogue::record(info).unwrap().fields, &root));
        }
    }
    found
}

impl Absent {
    fn removed_from(&self, mut act: Notation) -> Notation {
        let mut steps = self.path.split('.');
        let root = if steps.next() == Some("header") { &mut act.header } else { &mut act.data };
        let mut steps: Vec<&str> = steps.collect();
        let last = steps.pop().unwrap();
        let place = match steps.split_first() {
            None => root,
            Some((first, rest)) => {
                let inner =
                    rest.iter().fold(root.get_mut(*first).unwrap(), |value, step| match step.parse::<usize>() {
                        Ok(at) => &mut value[at],
                        Err(_) => &mut value[*step],
                    });
                inner.as_object_mut().unwrap()
            }
        };
        assert!(place.remove(last).is_some(), "`{}` was not there to be left out", self.path);
        act
    }

    /// What the refusal does not say.
    fn not_named_by(&self, status: &Status) -> impl Iterator<Item = &'static str> {
        let details = status.get_error_details();
        let reason = details.error_info().map_or("", |info| info.reason.as_str());
        let chinese = details.localized_message().map_or("", |localized| localized.message.as_str());
        let violations = details.bad_request().map_or(&[][..], |bad| &bad.field_violations);
        let fields: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
        let checks = [
            ((status.code(), reason) == (Code::InvalidArgument, "MALFORMED"), "another reason"),
            (fields == [self.path.as_str()], "not the one violation"),
            (status.message().contains(&format!("`{}` is required", self.path)), "not told in English"),
            (chinese.contains(&format!("{}”为必填项", self.title)), "not told in Chinese"),
        ];
        checks.into_iter().filter(|(holds, _)| !holds).map(|(_, what)| what)
    }
}
