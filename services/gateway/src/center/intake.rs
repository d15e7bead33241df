//! A matter is handed in: `POST /v1/intakes`.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mediation_proto::{
    ActRequest,
    derived::{
        TYPES_CHANNEL, TYPES_DISPUTE_TYPE, TYPES_ID_KIND, TYPES_PARTY_CAPACITY, TYPES_PARTY_SIDE,
        TYPES_SPECIALISED_FIELD,
    },
    fields::{EnumInfo, kind_of_event},
    json::act_from_json,
    mediation::{ledger::v1::Receipt, types::v1::IdKind},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Center, Here, Right,
    channel::Channel,
    json_body,
    naming::{IntakeKey, is_subject},
    problem::{Kind, Problem, Violation},
};

/// Parties of a matter that is handed in.
pub(super) const PARTIES_MAX: usize = 20;

/// Header that carries the key of an intake.
pub(super) const KEY_HEADER: &str = "idempotency-key";

/// A matter, as a channel hands it in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Intake {
    channel: String,
    division: String,
    dispute_type: String,
    emergency: bool,
    summary: String,
    parties: Vec<PartySaid>,
    headcount: Option<u64>,
    representatives_presented: Option<u64>,
    identity_verified: Option<bool>,
    related_number: Option<String>,
    grid: Option<String>,
    specialised_field: Option<String>,
}

/// A party of it: by the pseudonym that the ledger knows him by, by a document, or by neither.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartySaid {
    side: String,
    capacity: String,
    minor: bool,
    under_14: Option<bool>,
    represents: Option<u64>,
    subject: Option<String>,
    document: Option<DocumentSaid>,
    name: Option<String>,
    phone: Option<String>,
    address: Option<String>,
}

/// An identity document. Its number makes the pseudonym and is kept nowhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentSaid {
    kind: String,
    number: String,
}

impl std::fmt::Debug for DocumentSaid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DocumentSaid").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Records a matter, once for its key.
pub(super) async fn hand_in(State(center): Here, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let channel = center.admitted(&headers, Right::Intake)?;
    let key = key(&headers, center.clock.now_ms())?;
    let intake: Intake = json_body(&headers, body).await?;
    intake.check(channel)?;
    let subjects = center.subjects(channel, &key, &intake).await?;
    let (number, receipt) = center.recorded(channel, &key, &intake, &subjects).await?;
    Ok((StatusCode::CREATED, Json(told(&center, &number, &receipt, &intake, &subjects))).into_response())
}

fn key(headers: &HeaderMap, now_ms: i64) -> Result<IntakeKey, Problem> {
    let invalid = |zh: &str, en: &str| Problem::new(Kind::IdempotencyKeyInvalid).say(zh, en);
    let mut said = headers.get_all(KEY_HEADER).iter();
    let (Some(text), None) = (said.next(), said.next()) else {
        return Err(invalid("请求须带一个 Idempotency-Key", "a request carries one Idempotency-Key"));
    };
    let key = text.to_str().ok().and_then(IntakeKey::parse).ok_or_else(|| {
        invalid("应为 UUIDv7：36 个字符，小写并带连字符", "must be a UUIDv7, 36 characters, lower case with hyphens")
    })?;
    if key.is_timely(now_ms) {
        return Ok(key);
    }
    Err(invalid(
        "键中的时间须在此前 72 小时至此后 5 分钟之间",
        "the moment in the key lies more than 72 hours back or 5 minutes ahead",
    ))
}

impl Intake {
    /// What the ledger would not say, or could not say as well. All other rules are the ledger's, and told in its words.
    fn check(&self, channel: &Channel) -> Result<(), Problem> {
        let mut violations = Vec::new();
        let mut code = |path: String, list: &EnumInfo, code: &str| {
            if list.number(code).is_none() {
                let (zh, en) =
                    (format!("应为代码表 {} 的代码", list.name), format!("must be a code of `{}`", list.name));
                violations.push(Violation { path, zh, en });
            }
        };
        code("channel".to_owned(), &TYPES_CHANNEL, &self.channel);
        code("dispute_type".to_owned(), &TYPES_DISPUTE_TYPE, &self.dispute_type);
        if let Some(field) = &self.specialised_field {
            code("specialised_field".to_owned(), &TYPES_SPECIALISED_FIELD, field);
        }
        for (at, party) in self.parties.iter().enumerate() {
            code(format!("parties.{at}.side"), &TYPES_PARTY_SIDE, &party.side);
            code(format!("parties.{at}.capacity"), &TYPES_PARTY_CAPACITY, &party.capacity);
            if let Some(document) = &party.document {
                code(format!("parties.{at}.document.kind"), &TYPES_ID_KIND, &document.kind);
            }
        }
        let mut violate = |path: String, zh: &str, en: &str| {
            violations.push(Violation { path, zh: zh.to_owned(), en: en.to_owned() });
        };
        if !(1..=PARTIES_MAX).contains(&self.parties.len()) {
            violate("parties".to_owned(), "应有 1 至 20 名当事人", "must have 1 to 20 parties");
        }
        for (at, party) in self.parties.iter().enumerate() {
            if party.subject.is_some() && party.document.is_some() {
                let (zh, en) = ("假名与证件只填其一", "give a subject or a document, not both");
                violate(format!("parties.{at}"), zh, en);
            }
            if party.subject.as_deref().is_some_and(|subject| !is_subject(subject)) {
                let (zh, en) = (
                    "应为 psn_ 或 org_ 加 32 位小写十六进制",
                    "must be `psn_` or `org_` and 32 digits of lower-case hex",
                );
                violate(format!("parties.{at}.subject"), zh, en);
            }
            if party.name.is_none() && (party.phone.is_some() || party.address.is_some()) {
                violate(
                    format!("parties.{at}.name"),
                    "填写电话或地址时须填写姓名",
                    "is required with a phone or an address",
                );
            }
        }
        if !violations.is_empty() {
            return Err(Problem::of_fields(violations));
        }
        if channel.terms.codes.contains(&self.channel) {
            return Ok(());
        }
        let (name, code) = (&channel.terms.name, &self.channel);
        Err(Problem::new(Kind::ChannelNotYours)
            .say(format!("渠道“{name}”不得以“{code}”提交"), format!("channel `{name}` may not hand in as `{code}`")))
    }

    fn data(&self, subjects: &[String]) -> Map<String, Value> {
        let of = |party: &PartySaid, subject: &String| {
            json!({"subject": subject, "side": party.side, "capacity": party.capacity, "minor": party.minor,
                "under_14": party.under_14, "represents": party.represents})
        };
        let parties: Vec<Value> =
            self.parties.iter().zip(subjects).map(|(party, subject)| of(party, subject)).collect();
        let identity = |(party, subject): (&PartySaid, &String)| {
            let name = party.name.as_ref()?;
            let kind = party.document.as_ref().map(|document| &document.kind);
            let masked = party.document.as_ref().and_then(masked);
            Some(json!({"subject": subject, "name": name, "id_kind": kind, "id_masked": masked,
                "phone": party.phone, "address": party.address}))
        };
        let identities: Vec<Value> = self.parties.iter().zip(subjects).filter_map(identity).collect();
        let fields = json!({
            "channel": self.channel, "division": self.division, "dispute_type": self.dispute_type,
            "emergency": self.emergency, "summary": self.summary, "parties": parties, "identities": identities,
            "headcount": self.headcount, "representatives_presented": self.representatives_presented,
            "identity_verified": self.identity_verified, "related_number": self.related_number, "grid": self.grid,
            "specialised_field": self.specialised_field,
        });
        fields.as_object().cloned().unwrap_or_default()
    }
}

/// A resident's number as it may be kept, `3602**********123X`. Of other documents nothing is kept.
fn masked(document: &DocumentSaid) -> Option<String> {
    let number: String = document.number.chars().filter(|letter| !letter.is_whitespace()).collect();
    let (head, tail) = (number.get(..4)?, number.get(14..)?);
    (document.kind == "RESIDENT_ID" && number.len() == 18).then(|| format!("{head}**********{tail}"))
}

impl Center {
    /// The pseudonyms of the parties: as said, as the ledger makes it of a document, or one of this matter alone.
    async fn subjects(&self, channel: &Channel, key: &IntakeKey, intake: &Intake) -> Result<Vec<String>, Problem> {
        let mut subjects = Vec::with_capacity(intake.parties.len());
        for (at, party) in intake.parties.iter().enumerate() {
            let document = party.document.as_ref().and_then(|document| {
                let kind = TYPES_ID_KIND.number(&document.kind).and_then(|kind| IdKind::try_from(kind).ok())?;
                Some((kind, &document.number)).filter(|(kind, _)| *kind != IdKind::None)
            });
            subjects.push(match (&party.subject, document) {
                (Some(subject), _) => subject.clone(),
                (None, Some((kind, number))) => self.client.subject(kind, number).await?,
                (None, None) => self.secret.subject(&channel.terms.name, key, at),
            });
        }
        Ok(subjects)
    }

    /// Walks the numbers of the key until one is free, or was its own all along.
    async fn recorded(
        &self,
        channel: &Channel,
        key: &IntakeKey,
        intake: &Intake,
        subjects: &[String],
    ) -> Result<(String, Receipt), Problem> {
        let data = intake.data(subjects);
        let event_id = self.secret.event_id(&channel.terms.name, key).to_string();
        let terms = &self.terms;
        for number in self.secret.numbers(&channel.terms.name, key, &terms.division, terms.numbers) {
            let request = ActRequest {
                chain_id: Some(self.secret.chain(&number).to_string()),
                event_id: Some(event_id.clone()),
                // The first act of the chain, or none: so two matters never share a number.
                expected_revision: Some(0),
                occurred_at: Some(prost_types::Timestamp { seconds: key.moment_s(), nanos: 0 }),
                wait: None,
                act: act(&terms.official, &number, &data)?,
            };
            match self.client.record(request).await.map_err(Problem::from) {
                Ok((receipt, _)) => return Ok((number, receipt)),
                Err(problem) if TAKEN.contains(&problem.ledger_reason()) => {}
                Err(problem) => return Err(problem),
            }
        }
        Err(Problem::new(Kind::NumbersExhausted))
    }
}

/// What the ledger says of a chain that another matter has opened.
const TAKEN: [&str; 3] = ["REVISION_STALE", "ALREADY_OPEN", "CHAIN_CLOSED"];

fn act(
    official: &str,
    number: &str,
    data: &Map<String, Value>,
) -> Result<mediation_proto::mediation::ledger::v1::Act, Problem> {
    let header = json!({"chain_no": number, "signer": official, "signer_role": "REG"});
    let header = header.as_object().cloned().unwrap_or_default();
    let kind = kind_of_event("DisputeRegistered").ok_or_else(|| Problem::new(Kind::Internal))?;
    act_from_json(kind, &header, data, &|_| None).map_err(|error| {
        let (path, en) = (error.path, error.problem);
        Problem::of_fields(vec![Violation { path, zh: format!("格式不符：{en}"), en }])
    })
}

/// The answer: the number, the receipt, and a code for each party.
fn told(center: &Center, number: &str, receipt: &Receipt, intake: &Intake, subjects: &[String]) -> Value {
    let party = |(party, subject): (&PartySaid, &String)| json!({"side": party.side, "subject": subject, "code": center.secret.code(number, subject)});
    let seal = receipt.seal.as_ref().map(|seal| {
        let path: Vec<String> = seal.inclusion.iter().map(hex::encode).collect();
        json!({"leaf_index": seal.leaf_index, "inclusion": path, "checkpoint": seal.checkpoint})
    });
    json!({
        "chain_no": number,
        "parties": intake.parties.iter().zip(subjects).map(party).collect::<Vec<_>>(),
        "receipt": {
            "chain_id": receipt.chain_id, "event_id": receipt.event_id, "revision": receipt.revision,
            "leaf_hash": hex::encode(&receipt.leaf_hash), "entry": STANDARD.encode(&receipt.entry), "seal": seal,
        },
    })
}
