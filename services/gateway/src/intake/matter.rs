//! A matter as it is handed in, and the act that registers it.

use mediation_client::{Client, trust::VerifiedReceipt};
use mediation_domain::{identity::normalised, visibility::mask_number};
use mediation_ledger::chain::ChainId;
use mediation_proto::{
    derived::TYPES_ID_KIND,
    fields::kind_of_event,
    json::act_from_json,
    mediation::{
        ledger::v1::{Act, Receipt},
        types::v1::IdKind,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{book::Noted, problem::Problem, secret::Secret};

/// Parties of a matter that is handed in; of more, a representative is heard at the counter.
const PARTIES_MAX: usize = 50;

/// A matter (矛盾纠纷事项) as a channel hands it in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Matter {
    /// 行政区划代码: 6, 9 or 12 digits.
    #[schema(pattern = "^([0-9]{6}|[0-9]{9}|[0-9]{12})$", example = "360203")]
    division: String,
    /// 纠纷类型.
    #[schema(example = "LEASE")]
    dispute_type: String,
    /// 纠纷概要.
    #[schema(min_length = 1, max_length = 5000, example = "房东不退押金。")]
    summary: String,
    /// 是否紧急.
    #[serde(default)]
    emergency: bool,
    /// 涉及人数.
    #[schema(minimum = 1, maximum = 1_000_000)]
    headcount: Option<u32>,
    /// 专业调处领域.
    specialised_field: Option<String>,
    /// 当事人.
    #[schema(min_items = 1, max_items = 50)]
    parties: Vec<MatterParty>,
}

/// A party (当事人). The number of his document makes his pseudonym and is kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MatterParty {
    /// 地位.
    #[schema(example = "APPLICANT")]
    side: String,
    /// 身份.
    #[schema(example = "NATURAL_PERSON")]
    capacity: String,
    /// 是否未成年.
    #[serde(default)]
    minor: bool,
    /// 姓名或名称.
    #[schema(min_length = 1, max_length = 100, example = "苗岫")]
    name: String,
    /// 证件种类.
    #[schema(example = "RESIDENT_ID")]
    id_kind: Option<String>,
    /// 证件号.
    #[schema(min_length = 1, max_length = 64)]
    id_number: Option<String>,
    /// 电话.
    #[schema(min_length = 1, max_length = 32)]
    phone: Option<String>,
    /// 地址.
    #[schema(min_length = 1, max_length = 200)]
    address: Option<String>,
}

/// That a matter was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// 纠纷链号.
    #[schema(example = "JF3602032026112750012")]
    pub(super) number: String,
    /// 查询码: with it the citizen asks what became of the matter.
    status_code: String,
    /// Chain id (UUID).
    chain: String,
    /// Event id (UUID) of the registration.
    event_id: String,
    /// Revision of the registration in its chain.
    revision: u64,
    /// Leaf hash, hex.
    leaf_hash: String,
    /// Place in the log; absent while it is not sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf_index: Option<u64>,
    /// Checkpoint under which the gateway has verified its inclusion; absent while it is not sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

impl Accepted {
    pub(super) fn of(noted: &Noted, status_code: String, receipt: &Receipt, verified: &VerifiedReceipt) -> Self {
        Self {
            number: noted.number.clone(),
            status_code,
            chain: noted.chain.clone(),
            event_id: receipt.event_id.clone(),
            revision: verified.statement.revision.0,
            leaf_hash: verified.leaf.to_string(),
            leaf_index: verified.seal.as_ref().map(|(index, _)| index.0),
            checkpoint: receipt.seal.as_ref().map(|seal| seal.checkpoint.clone()),
        }
    }
}

impl Matter {
    /// Reads a matter.
    ///
    /// # Errors
    /// It is not JSON, has fields that no matter has, or lacks some.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let matter: Self = serde_json::from_slice(body).map_err(|error| Problem::not_json(&error))?;
        let digits = matter.division.bytes().all(|digit| digit.is_ascii_digit());
        if !matches!(matter.division.len(), 6 | 9 | 12) || !digits {
            return Err(Problem::malformed("division", "应为 6、9 或 12 位数字", "must be 6, 9 or 12 digits"));
        }
        if !(1..=PARTIES_MAX).contains(&matter.parties.len()) {
            let (zh, en) = (format!("应有 1 至 {PARTIES_MAX} 名当事人"), format!("must be 1 to {PARTIES_MAX} parties"));
            return Err(Problem::malformed("parties", &zh, &en));
        }
        Ok(matter)
    }

    pub(super) fn division(&self) -> &str {
        &self.division
    }

    /// Pseudonyms of the parties, in their order: by the document, where one is shown.
    pub(super) async fn subjects(
        &self,
        client: &Client,
        secret: &Secret,
        chain: ChainId,
    ) -> Result<Vec<String>, Problem> {
        let mut subjects = Vec::with_capacity(self.parties.len());
        for (party, place) in self.parties.iter().zip(0..) {
            let subject = match party.document(place)? {
                Some((kind, number)) => client.subject(kind, &number).await?,
                None => secret.pseudonym(party.prefix(), chain, place),
            };
            subjects.push(subject);
        }
        Ok(subjects)
    }

    /// The act that registers it.
    pub(super) fn act(
        &self,
        channel: &str,
        noted: &Noted,
        subjects: &[String],
        official: &str,
    ) -> Result<Act, Problem> {
        let header = json!({"chain_no": noted.number, "signer": official, "signer_role": "REG"});
        let parties: Vec<Value> =
            self.parties.iter().zip(subjects).map(|(party, subject)| party.facts(subject)).collect();
        let identities: Vec<Value> =
            self.parties.iter().zip(subjects).map(|(party, subject)| party.identity(subject)).collect();
        let data = json!({
            "channel": channel, "division": self.division, "dispute_type": self.dispute_type,
            "emergency": self.emergency, "headcount": self.headcount, "specialised_field": self.specialised_field,
            "summary": self.summary, "parties": parties, "identities": identities,
        });
        let kind = kind_of_event("DisputeRegistered").ok_or_else(Problem::broken)?;
        let given = |value: Value| present(value).as_object().cloned().unwrap_or_default();
        act_from_json(kind, &given(header), &given(data), &|_| None).map_err(|error| {
            let path = error.path.trim_start_matches("DisputeRegistered.").to_owned();
            Problem::malformed(&path, &format!("有误（{}）", error.problem), &error.problem)
        })
    }
}

impl MatterParty {
    /// Kind and number of the document that he showed.
    fn document(&self, place: usize) -> Result<Option<(IdKind, String)>, Problem> {
        let path = |field: &str| format!("parties[{place}].{field}");
        let (kind, number) = match (&self.id_kind, &self.id_number) {
            (None, None) => return Ok(None),
            (Some(kind), Some(number)) => (kind, number),
            (Some(_), None) | (None, Some(_)) => {
                let (zh, en) = ("证件种类与证件号应同时填写", "must come together with the other of kind and number");
                return Err(Problem::malformed(&path("id_kind"), zh, en));
            }
        };
        let known = TYPES_ID_KIND.number(kind).and_then(|number| IdKind::try_from(number).ok());
        let kind = known.ok_or_else(|| {
            Problem::malformed(&path("id_kind"), "不是已知的证件种类", "is no known kind of document")
        })?;
        let number = normalised(kind, number)
            .map_err(|fault| Problem::malformed(&path("id_number"), &fault.zh(), &fault.to_string()))?;
        Ok(Some((kind, number)))
    }

    /// What the pseudonym of one without a document begins with.
    fn prefix(&self) -> &'static str {
        if self.capacity == "NATURAL_PERSON" { "psn_" } else { "org_" }
    }

    fn facts(&self, subject: &str) -> Value {
        json!({"subject": subject, "side": self.side, "capacity": self.capacity, "minor": self.minor})
    }

    fn identity(&self, subject: &str) -> Value {
        json!({
            "subject": subject, "name": self.name, "id_kind": self.id_kind,
            "id_masked": self.id_number.as_deref().map(|number| mask_number(number.trim())),
            "phone": self.phone, "address": self.address,
        })
    }
}

/// Without what is not given.
fn present(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(name, value)| (name, present(value))).collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(present).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
