//! The contract of the paths, as an OpenAPI 3.1 document: every answer that there can be, every bound, made of the same lists
//! and numbers that the paths go by.

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use mediation_domain::catalogue;
use mediation_proto::{
    derived::{
        TYPES_CHANNEL, TYPES_DISPUTE_TYPE, TYPES_ID_KIND, TYPES_PARTY_CAPACITY, TYPES_PARTY_SIDE,
        TYPES_SPECIALISED_FIELD,
    },
    fields::EnumInfo,
};
use serde_json::{Map, Value, json};

use super::{
    BODY_BYTES_MAX,
    intake::PARTIES_MAX,
    naming::CODE_LENGTH,
    problem::{Kind, PROBLEM},
    worklist::PAGE_SIZE_MAX,
};

/// The document.
pub(super) async fn show() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document().to_string()).into_response()
}

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "七中心对接网关 · Integration gateway of the seven centers",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "受理渠道提交矛盾纠纷、当事人凭码查询、中心待办。问题以 application/problem+json 答复，中英文并列。\n\nIntake of matters from front desks, mini-programs and terminals; what a party may know of his own; the center's worklist.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": "intake"}, {"name": "matter"}, {"name": "worklist"}, {"name": "events"}, {"name": "contract"}],
        "security": [{"channel": []}],
        "paths": {
            "/v1/intakes": {"post": intake()},
            "/v1/matters/{chain_no}": {"get": matter()},
            "/v1/worklist": {"get": worklist()},
            "/v1/events": {"get": events()},
            "/v1/openapi.json": {"get": {
                "operationId": "contract", "tags": ["contract"], "summary": "本文档 · This document", "security": [],
                "responses": answers(200, "本文档 · This document", &json!({"type": "object"}), &[Kind::LedgerAway]),
            }},
        },
        "components": {
            "securitySchemes": {"channel": {"type": "http", "scheme": "bearer", "description": "渠道令牌 · Token of a channel"}},
            "schemas": {"Intake": intake_schema(), "Receipt": receipt_schema(), "Matter": matter_schema(),
                "Worklist": worklist_schema(), "Problem": problem_schema()},
        },
    })
}

fn intake() -> Value {
    let key = json!({"name": "Idempotency-Key", "in": "header", "required": true,
        "description": "UUIDv7，其时间即提交时间；重试用同一键 · A UUIDv7 of the moment of handing in, no more than 72 hours back; the same for every retry",
        "schema": {"type": "string", "pattern": UUID_V7}, "example": "018e0a2b-3c4d-7abc-8def-0123456789ab"});
    let kinds = [
        Kind::IdempotencyKeyInvalid,
        Kind::BodyMalformed,
        Kind::NoToken,
        Kind::RightMissing,
        Kind::ChannelNotYours,
        Kind::TooSlow,
        Kind::BodyTooLarge,
        Kind::NotJson,
        Kind::FieldsInvalid,
        Kind::IdempotencyKeyReused,
        Kind::LedgerRefused,
        Kind::QuotaExceeded,
        Kind::Internal,
        Kind::LedgerNotBelieved,
        Kind::LedgerAway,
        Kind::NumbersExhausted,
    ];
    json!({
        "operationId": "handIn", "tags": ["intake"], "summary": "提交一件矛盾纠纷 · Hand in a matter",
        "description": format!("登记为“纠纷登记”并答复纠纷链号、回执与各当事人的查询码。请求体至多 {BODY_BYTES_MAX} 字节。\n\nRecords `DisputeRegistered`; answers number, receipt and a code for each party. The same key and content get the same number, codes and entry, whenever they are sent again; the seal of the receipt may be of a later checkpoint."),
        "parameters": [key],
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/Intake"}, "example": example()}}},
        "responses": answers(201, "已登记 · Recorded", &json!({"$ref": "#/components/schemas/Receipt"}), &kinds),
    })
}

fn matter() -> Value {
    let number = json!({"name": "chain_no", "in": "path", "required": true, "description": "纠纷链号 · Number of the matter",
        "schema": {"type": "string", "minLength": 1, "maxLength": 64}, "example": "JF3602032024030400017"});
    let code = json!({"name": "Matter-Code", "in": "header", "required": true, "description": "当事人查询码 · Code of a party",
        "schema": {"type": "string", "pattern": format!("^[A-Za-z0-9_-]{{{CODE_LENGTH}}}$")}});
    let kinds = [
        Kind::NoToken,
        Kind::RightMissing,
        Kind::MatterNotFound,
        Kind::LedgerRefused,
        Kind::QuotaExceeded,
        Kind::LedgerNotBelieved,
        Kind::LedgerAway,
    ];
    json!({
        "operationId": "showMatter", "tags": ["matter"], "summary": "当事人查询本人事项 · A party asks for his own matter",
        "description": "以当事人身份向账本查阅，并留有查阅记录。号码不存在与查询码不符，答复相同。\n\nReads the ledger as that party, which is recorded. A wrong code and a number that does not exist get the same answer.",
        "parameters": [number, code],
        "responses": answers(200, "事项 · The matter", &json!({"$ref": "#/components/schemas/Matter"}), &kinds),
    })
}

fn worklist() -> Value {
    let kinds = [
        Kind::QueryMalformed,
        Kind::NoToken,
        Kind::RightMissing,
        Kind::LedgerRefused,
        Kind::QuotaExceeded,
        Kind::LedgerNotBelieved,
        Kind::LedgerAway,
    ];
    json!({
        "operationId": "worklist", "tags": ["worklist"], "summary": "中心待办 · What the center has to do",
        "parameters": [
            {"name": "due_to", "in": "query", "description": "仅此日或之前到期者 · Only what is due on this day or earlier",
                "schema": {"type": "string", "format": "date", "pattern": DAY}},
            {"name": "page_size", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_SIZE_MAX}},
        ],
        "responses": answers(200, "待办 · Duties", &json!({"$ref": "#/components/schemas/Worklist"}), &kinds),
    })
}

fn events() -> Value {
    let kinds = [
        Kind::LastEventIdInvalid,
        Kind::NoToken,
        Kind::RightMissing,
        Kind::QuotaExceeded,
        Kind::LedgerAway,
        Kind::StreamsTaken,
    ];
    let mut answers = answers(200, "事件流，不会结束 · Events, without an end", &json!({}), &kinds);
    if let Some(content) = answers.pointer_mut("/200/content") {
        *content = json!({"text/event-stream": {"schema": {"type": "string"},
            "example": "id: 42\ndata: {\"specversion\":\"1.0\",\"id\":\"42\",\"type\":\"mediation.act.recorded.v1\"}\n\n"}});
    }
    json!({
        "operationId": "events", "tags": ["events"], "summary": "事件流：CloudEvents 1.0 · The feed: CloudEvents 1.0",
        "description": "本中心可知的每一行为一条，编号即叶序号；断线后凭 Last-Event-ID 续传。\n\nOne event for each act that the center may know of, its id the leaf index; goes on after `Last-Event-ID`, without it from the beginning.",
        "parameters": [{"name": "Last-Event-ID", "in": "header", "schema": {"type": "string", "pattern": "^[0-9]{1,19}$"}}],
        "responses": answers,
    })
}

/// The answers of an operation: the good one, and each status of these kinds with the reasons that it may have.
fn answers(status: u16, says: &str, schema: &Value, kinds: &[Kind]) -> Value {
    let good = json!({"description": says, "content": {"application/json": {"schema": schema}}});
    let mut answers = Map::from_iter([(status.to_string(), good)]);
    let mut statuses: Vec<u16> = kinds.iter().chain(&[Kind::MethodNotAllowed]).map(|kind| kind.told().1).collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let here: Vec<_> = kinds
            .iter()
            .chain(&[Kind::MethodNotAllowed])
            .map(|kind| kind.told())
            .filter(|told| told.1 == status)
            .collect();
        let says: Vec<String> = here.iter().map(|(name, _, zh, en)| format!("`{name}`：{zh} · {en}")).collect();
        let names: Vec<&str> = here.iter().map(|told| told.0).collect();
        let (name, _, zh, en) = here.first().copied().unwrap_or_default();
        let example = json!({"type": format!("urn:mediation:problem:{name}"), "title": en, "status": status, "detail": en, "reason": name,
            "title_zh": zh, "detail_zh": zh});
        let schema =
            json!({"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"reason": {"enum": names}}}]});
        let mut answer =
            json!({"description": says.join("\n\n"), "content": {PROBLEM: {"schema": schema, "example": example}}});
        let header = match status {
            401 => Some(("WWW-Authenticate", json!({"const": "Bearer"}))),
            405 => Some(("Allow", json!({"type": "string"}))),
            429 | 503 => Some(("Retry-After", json!({"type": "string", "pattern": "^[0-9]+$"}))),
            _ => None,
        };
        if let (Some((name, schema)), Some(answer)) = (header, answer.as_object_mut()) {
            let required = matches!(status, 401 | 405 | 429);
            answer.insert("headers".to_owned(), json!({name: {"required": required, "schema": schema}}));
        }
        answers.insert(status.to_string(), answer);
    }
    Value::Object(answers)
}

/// Codes of a list, with their titles.
fn codes(list: &EnumInfo) -> Value {
    let accepted = list.values.iter().map(|(_, code)| *code).filter(|code| catalogue::accepted(list.name, code));
    let codes: Vec<&str> = accepted.collect();
    let titles: Vec<String> =
        codes.iter().map(|code| format!("`{code}` {}", catalogue::zh(list.name, code).unwrap_or_default())).collect();
    json!({"type": "string", "enum": codes, "description": titles.join("；")})
}

/// Text of one line. Bounds count letters; the ledger counts bytes besides.
fn line(letters_max: u32, says: &str) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": letters_max, "description": says})
}

fn number() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64})
}

fn intake_schema() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "required": ["channel", "division", "dispute_type", "emergency", "summary", "parties"],
        "properties": {
            "channel": codes(&TYPES_CHANNEL),
            "division": {"type": "string", "pattern": "^([0-9]{6}|[0-9]{9}|[0-9]{12})$", "description": "行政区划代码 · Division"},
            "dispute_type": codes(&TYPES_DISPUTE_TYPE),
            "emergency": {"type": "boolean"},
            "summary": line(8_192, "纠纷概要，至多 8192 字节，不得含完整身份证号 · What it is about; at most 8192 bytes, no whole number of an identity card"),
            "parties": {"type": "array", "minItems": 1, "maxItems": PARTIES_MAX, "items": party_schema()},
            "headcount": number(), "representatives_presented": number(),
            "identity_verified": {"type": "boolean"},
            "related_number": line(256, "既有文书案号 · Number of an earlier document"),
            "grid": line(256, "网格编码 · Grid"),
            "specialised_field": codes(&TYPES_SPECIALISED_FIELD),
        },
    })
}

fn party_schema() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["side", "capacity", "minor"],
        "properties": {
            "side": codes(&TYPES_PARTY_SIDE), "capacity": codes(&TYPES_PARTY_CAPACITY),
            "minor": {"type": "boolean"}, "under_14": {"type": "boolean"}, "represents": number(),
            "subject": {"type": "string", "pattern": SUBJECT, "description": "账本假名，与证件只填其一 · Pseudonym; this or a document"},
            "document": {"type": "object", "additionalProperties": false, "required": ["kind", "number"],
                "description": "身份证件；号码只用于生成假名，不留存 · Its number makes the pseudonym and is kept nowhere",
                "properties": {"kind": codes(&TYPES_ID_KIND), "number": line(64, "证件号 · Number")}},
            "name": line(256, "姓名·名称 · Name"),
            "phone": line(256, "电话，须同时填写姓名 · Phone; with a name only"),
            "address": line(256, "地址，须同时填写姓名 · Address; with a name only"),
        },
    })
}

fn receipt_schema() -> Value {
    let seal = json!({"type": ["object", "null"], "additionalProperties": false, "required": ["leaf_index", "inclusion", "checkpoint"],
        "description": "包含证明；尚未封存时为 null · Inclusion proof; null while the act is not sealed",
        "properties": {"leaf_index": number(), "checkpoint": {"type": "string"},
            "inclusion": {"type": "array", "maxItems": 64, "items": {"type": "string", "pattern": HASH}}}});
    json!({
        "type": "object", "additionalProperties": false, "required": ["chain_no", "parties", "receipt"],
        "properties": {
            "chain_no": {"type": "string", "pattern": CHAIN_NUMBER, "description": "纠纷链号 · Number of the matter"},
            "parties": {"type": "array", "maxItems": PARTIES_MAX, "items": {
                "type": "object", "additionalProperties": false, "required": ["side", "subject", "code"],
                "properties": {"side": codes(&TYPES_PARTY_SIDE), "subject": {"type": "string", "pattern": SUBJECT},
                    "code": {"type": "string", "minLength": CODE_LENGTH, "maxLength": CODE_LENGTH,
                        "description": "该当事人的查询码，只交给本人 · For this party alone"}}}},
            "receipt": {
                "type": "object", "additionalProperties": false,
                "required": ["chain_id", "event_id", "revision", "leaf_hash", "entry", "seal"],
                "properties": {"chain_id": {"type": "string", "format": "uuid"}, "event_id": {"type": "string", "format": "uuid"},
                    "revision": number(), "leaf_hash": {"type": "string", "pattern": HASH},
                    "entry": {"type": "string", "contentEncoding": "base64"}, "seal": seal}},
        },
    })
}

fn agency_schema(types: &Value) -> Value {
    json!({"type": types, "additionalProperties": false, "required": ["id", "name"],
        "properties": {"id": {"type": "string"}, "name": {"type": "string"}}})
}

fn matter_schema() -> Value {
    let (one, perhaps) = (json!("object"), json!(["object", "null"]));
    let day = json!({"type": ["string", "null"], "pattern": DAY});
    json!({
        "type": "object", "additionalProperties": false,
        "required": ["chain_no", "state", "as_of", "registered_on", "last_act_on", "center", "lead", "next_step", "outcome"],
        "properties": {
            "chain_no": {"type": "string", "pattern": CHAIN_NUMBER},
            "state": {"enum": ["REGISTERED", "IN_PROGRESS", "CLOSED"], "description": "已登记；办理中；已办结"},
            "as_of": {"type": "string"}, "registered_on": day, "last_act_on": day,
            "center": agency_schema(&one), "lead": agency_schema(&perhaps),
            "next_step": {"type": ["object", "null"], "additionalProperties": false, "required": ["zh", "due", "by"],
                "properties": {"zh": {"type": "string"}, "due": {"type": "string"}, "by": agency_schema(&perhaps)}},
            "outcome": {"type": ["object", "null"], "additionalProperties": false, "required": ["code", "zh"],
                "properties": {"code": {"type": "string"}, "zh": {"type": ["string", "null"]}}},
        },
    })
}

fn worklist_schema() -> Value {
    let text = json!({"type": "string"});
    let perhaps = json!({"type": ["string", "null"]});
    json!({
        "type": "object", "additionalProperties": false, "required": ["as_of", "duties", "more"],
        "properties": {
            "as_of": text, "more": {"type": "boolean"},
            "duties": {"type": "array", "maxItems": PAGE_SIZE_MAX, "items": {
                "type": "object", "additionalProperties": false,
                "required": ["chain_id", "chain_no", "kind", "code", "zh", "due", "days_late", "revision", "from"],
                "properties": {"chain_id": {"type": "string", "format": "uuid"}, "chain_no": perhaps,
                    "kind": {"enum": ["HANDOFF", "CLOCK", "OBLIGATION"]}, "code": text, "zh": text, "due": perhaps,
                    "days_late": number(), "revision": {"type": ["integer", "null"], "minimum": 0}, "from": perhaps}}},
        },
    })
}

fn problem_schema() -> Value {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.told().0).collect();
    let text = json!({"type": "string", "minLength": 1});
    json!({
        "type": "object", "description": "RFC 9457",
        "required": ["type", "title", "status", "detail", "reason", "title_zh", "detail_zh"],
        "properties": {
            "type": {"type": "string", "format": "uri"}, "title": text, "status": {"type": "integer"}, "detail": text,
            "reason": {"enum": names}, "title_zh": text, "detail_zh": text,
            "ledger_reason": {"type": "string", "description": "账本的拒绝原因 · Reason of the ledger"},
            "request_id": {"type": "string", "description": "账本的请求编号 · The ledger's id of the request"},
            "violations": {"type": "array", "items": {"type": "object", "required": ["path", "zh", "en"],
                "properties": {"path": text, "zh": text, "en": text}}},
        },
    })
}

fn example() -> Value {
    json!({
        "channel": "TERMINAL", "division": "360203", "dispute_type": "NEIGHBOUR", "emergency": false,
        "summary": "楼上空调滴水，双方多次争执", "identity_verified": true,
        "parties": [
            {"side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false, "name": "苗岫",
                "document": {"kind": "RESIDENT_ID", "number": "11010519491231002X"}},
            {"side": "RESPONDENT", "capacity": "NATURAL_PERSON", "minor": false},
        ],
    })
}

const UUID_V7: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$";
const DAY: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
const SUBJECT: &str = "^(psn|org)_[0-9a-f]{32}$";
const HASH: &str = "^[0-9a-f]{64}$";
const CHAIN_NUMBER: &str = "^JF[0-9]{18}[0-9X]$";
