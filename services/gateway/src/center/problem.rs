//! Why a request was not done: problems of RFC 9457, in Chinese and English.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mediation_client::ClientError;
use serde_json::{Map, Value, json};

/// Media type of a problem.
pub(super) const PROBLEM: &str = "application/problem+json";

/// What went wrong. The name is stable: programs go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No token, or one that is not known.
    NoToken,
    /// The channel has not this right.
    RightMissing,
    /// The channel may not hand matters in under this code.
    ChannelNotYours,
    /// There is nothing at this path.
    NoSuchPath,
    /// The path knows other methods.
    MethodNotAllowed,
    /// The key is missing, is no UUIDv7, or its moment lies too far away.
    IdempotencyKeyInvalid,
    /// The key was used for other content.
    IdempotencyKeyReused,
    /// The body is no JSON of the form that is asked for.
    BodyMalformed,
    /// The body is too large.
    BodyTooLarge,
    /// The body is not said to be JSON.
    NotJson,
    /// The body did not come in time.
    TooSlow,
    /// A field does not hold what it must.
    FieldsInvalid,
    /// A condition in the address does not hold what it must.
    QueryMalformed,
    /// No such matter, or not the code of one of its parties.
    MatterNotFound,
    /// The channel has used its quota.
    QuotaExceeded,
    /// All numbers that were tried are taken.
    NumbersExhausted,
    /// The ledger refuses.
    LedgerRefused,
    /// The ledger is away, or busy.
    LedgerAway,
    /// What the ledger answered proves nothing.
    LedgerNotBelieved,
    /// A reader of the feed says that he has had something that is no event.
    LastEventIdInvalid,
    /// All streams of the feed are taken.
    StreamsTaken,
    /// A fault of the gateway.
    Internal,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 22] = [
        Self::NoToken,
        Self::RightMissing,
        Self::ChannelNotYours,
        Self::NoSuchPath,
        Self::MethodNotAllowed,
        Self::IdempotencyKeyInvalid,
        Self::IdempotencyKeyReused,
        Self::BodyMalformed,
        Self::BodyTooLarge,
        Self::NotJson,
        Self::TooSlow,
        Self::FieldsInvalid,
        Self::QueryMalformed,
        Self::MatterNotFound,
        Self::QuotaExceeded,
        Self::NumbersExhausted,
        Self::LedgerRefused,
        Self::LedgerAway,
        Self::LedgerNotBelieved,
        Self::LastEventIdInvalid,
        Self::StreamsTaken,
        Self::Internal,
    ];

    /// Name, HTTP status, and what it says in Chinese and English.
    pub(super) fn told(self) -> (&'static str, u16, &'static str, &'static str) {
        match self {
            Self::NoToken => ("NO_TOKEN", 401, "未出示有效的渠道令牌", "no token of a channel was shown"),
            Self::RightMissing => ("RIGHT_MISSING", 403, "本渠道无此权限", "the channel has not this right"),
            Self::ChannelNotYours => {
                ("CHANNEL_NOT_YOURS", 403, "本渠道不得以此受理渠道提交", "the channel may not hand in under this code")
            }
            Self::NoSuchPath => ("NO_SUCH_PATH", 404, "没有此地址", "there is nothing at this path"),
            Self::MethodNotAllowed => {
                ("METHOD_NOT_ALLOWED", 405, "此地址不接受该方法", "the path does not know this method")
            }
            Self::IdempotencyKeyInvalid => {
                ("IDEMPOTENCY_KEY_INVALID", 400, "幂等键无效", "the idempotency key is not one")
            }
            Self::IdempotencyKeyReused => {
                ("IDEMPOTENCY_KEY_REUSED", 422, "幂等键已用于其他内容", "the key was used for other content")
            }
            Self::BodyMalformed => ("BODY_MALFORMED", 400, "请求体格式有误", "the body has not the form it must have"),
            Self::BodyTooLarge => ("BODY_TOO_LARGE", 413, "请求体过大", "the body is too large"),
            Self::NotJson => ("NOT_JSON", 415, "请求体应为 application/json", "the body must be application/json"),
            Self::TooSlow => ("TOO_SLOW", 408, "请求体未及时送达", "the body did not come in time"),
            Self::FieldsInvalid => ("FIELDS_INVALID", 422, "字段内容有误", "fields do not hold what they must"),
            Self::QueryMalformed => ("QUERY_MALFORMED", 400, "查询条件有误", "a condition is malformed"),
            Self::MatterNotFound => {
                ("MATTER_NOT_FOUND", 404, "没有此事项，或查询码不符", "no such matter, or not a code of it")
            }
            Self::QuotaExceeded => ("QUOTA_EXCEEDED", 429, "请求过于频繁", "too many requests"),
            Self::NumbersExhausted => ("NUMBERS_EXHAUSTED", 503, "当日链号已用尽", "the numbers of the day are taken"),
            Self::LedgerRefused => ("LEDGER_REFUSED", 422, "账本拒绝", "the ledger refuses"),
            Self::LedgerAway => {
                ("LEDGER_AWAY", 503, "账本暂不可用，请以同一幂等键重试", "the ledger is away; send the same again")
            }
            Self::LedgerNotBelieved => {
                ("LEDGER_NOT_BELIEVED", 502, "账本答复未通过核验", "the ledger's answer proves nothing")
            }
            Self::LastEventIdInvalid => {
                ("LAST_EVENT_ID_INVALID", 400, "事件编号无效", "the id of the last event is not one")
            }
            Self::StreamsTaken => ("STREAMS_TAKEN", 503, "事件流连接已满", "all streams are taken"),
            Self::Internal => ("INTERNAL", 500, "网关故障", "a fault of the gateway"),
        }
    }
}

/// One field that does not hold what it must.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) path: String,
    pub(super) zh: String,
    pub(super) en: String,
}

/// Why a request was not done.
#[derive(Debug)]
pub(super) struct Problem {
    kind: Kind,
    zh: Box<str>,
    en: Box<str>,
    ledger_reason: Option<Box<str>>,
    request_id: Option<Box<str>>,
    violations: Vec<Violation>,
    after: Option<Duration>,
}

impl Problem {
    pub(super) fn new(kind: Kind) -> Self {
        let (zh, en) = (Box::default(), Box::default());
        Self { kind, zh, en, ledger_reason: None, request_id: None, violations: Vec::new(), after: None }
    }

    /// What is particular to this case.
    pub(super) fn say(self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into().into(), en: en.into().into(), ..self }
    }

    pub(super) fn after(self, wait: Duration) -> Self {
        Self { after: Some(wait), ..self }
    }

    pub(super) fn of_fields(violations: Vec<Violation>) -> Self {
        Self { violations, ..Self::new(Kind::FieldsInvalid) }
    }

    /// The ledger's own reason, where it was the ledger that said no.
    pub(super) fn ledger_reason(&self) -> &str {
        self.ledger_reason.as_deref().unwrap_or_default()
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        let Some(told) = error.told() else {
            tracing::error!(%error, "the ledger's answer proves nothing");
            return Self::new(Kind::LedgerNotBelieved);
        };
        let (kind, after) = match told.reason.as_str() {
            // The center's own at the ledger: all its channels share it.
            "QUOTA_EXCEEDED" => (Kind::QuotaExceeded, Some(AWAY)),
            _ if told.is_away => (Kind::LedgerAway, Some(AWAY)),
            // What says no reason comes from the way there: the connection was cut.
            "" => (Kind::LedgerAway, Some(AWAY)),
            "EVENT_ID_REUSED" => (Kind::IdempotencyKeyReused, None),
            "CHAIN_NOT_FOUND" => (Kind::MatterNotFound, None),
            _ => (Kind::LedgerRefused, None),
        };
        let reason = (!told.reason.is_empty()).then(|| told.reason.into());
        Self {
            ledger_reason: reason,
            request_id: told.request_id.map(Into::into),
            after,
            ..Self::new(kind).say(told.zh, told.en)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (name, status, title_zh, title) = self.kind.told();
        let or = |said: Box<str>, title: &str| if said.is_empty() { title.to_owned() } else { said.into() };
        let mut body = Map::from_iter([
            ("type".to_owned(), json!(format!("urn:mediation:problem:{name}"))),
            ("title".to_owned(), json!(title)),
            ("status".to_owned(), json!(status)),
            ("detail".to_owned(), json!(or(self.en, title))),
            ("reason".to_owned(), json!(name)),
            ("title_zh".to_owned(), json!(title_zh)),
            ("detail_zh".to_owned(), json!(or(self.zh, title_zh))),
        ]);
        body.extend(self.ledger_reason.map(|reason| ("ledger_reason".to_owned(), json!(reason))));
        body.extend(self.request_id.map(|id| ("request_id".to_owned(), json!(id))));
        if !self.violations.is_empty() {
            let told = |told: &Violation| json!({"path": told.path, "zh": told.zh, "en": told.en});
            body.insert("violations".to_owned(), self.violations.iter().map(told).collect());
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        let mut response = (status, [content_type], Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        if self.kind == Kind::NoToken {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.after {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)),
            );
        }
        response
    }
}

/// What who finds the ledger away is asked to wait.
const AWAY: Duration = Duration::from_secs(2);
