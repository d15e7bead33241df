//! Why a request gave nothing, as problem details (RFC 9457): in Chinese, with the same in English beside it.

use std::time::Duration;

use axum::{
    Json,
    extract::rejection::BytesRejection,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mediation_client::{ClientError, Code};
use serde::Serialize;
use utoipa::ToSchema;

use super::book::BookError;

/// Problem details (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `urn:mediation:problem:` and the reason.
    r#type: String,
    /// HTTP status.
    status: u16,
    /// What is wrong, in Chinese.
    title: String,
    /// What is wrong, in English.
    title_en: String,
    /// Reason: one of the gateway's own, or of the ledger's (docs/errors.md).
    reason: String,
    /// Fields that are malformed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    /// Id by which the operator of the ledger finds the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Seconds after which the same may be asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// A malformed field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Field {
    /// Path of the field.
    path: String,
    /// What is wrong with it, in Chinese and English.
    problem: String,
}

/// Seconds after which a ledger that is away may be asked again.
const AWAY_SECONDS: u64 = 2;

impl Problem {
    fn new(status: StatusCode, reason: &str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            r#type: format!("urn:mediation:problem:{reason}"),
            status: status.as_u16(),
            title: zh.into(),
            title_en: en.into(),
            reason: reason.to_owned(),
            fields: Vec::new(),
            request_id: None,
            retry_after: None,
        }
    }

    pub(super) fn unknown_channel() -> Self {
        let (zh, en) = ("未携带有效的渠道令牌", "the request carries no token of a channel");
        Self::new(StatusCode::UNAUTHORIZED, "CHANNEL_UNKNOWN", zh, en)
    }

    pub(super) fn not_for_this_channel() -> Self {
        let (zh, en) = ("该渠道无权查看待办", "this channel may not read the worklist");
        Self::new(StatusCode::FORBIDDEN, "CHANNEL_NOT_ENTITLED", zh, en)
    }

    pub(super) fn too_many(wait: Duration) -> Self {
        let (zh, en) = ("该渠道请求过于频繁，请稍后再试", "this channel asks too often; try again later");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "CHANNEL_QUOTA", zh, en);
        Self { retry_after: Some(wait.as_secs().saturating_add(1)), ..problem }
    }

    pub(super) fn no_key() -> Self {
        let zh = "须携带 Idempotency-Key 请求头：8 至 128 个可见 ASCII 字符，同一事项重发时不变";
        let en = "the header Idempotency-Key is needed: 8 to 128 visible ASCII letters, the same whenever the same matter is sent";
        Self::new(StatusCode::BAD_REQUEST, "IDEMPOTENCY_KEY_MISSING", zh, en)
    }

    pub(super) fn not_read(rejection: &BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let (zh, en) = ("请求体超过 256 KiB", "the body is larger than 256 KiB");
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", zh, en);
        }
        Self::new(StatusCode::BAD_REQUEST, "BODY_MALFORMED", "请求体未能读完", "the body could not be read to its end")
    }

    pub(super) fn not_json(error: &serde_json::Error) -> Self {
        let zh = format!("请求体不是该接口的 JSON：第 {} 行第 {} 列", error.line(), error.column());
        Self::new(
            StatusCode::BAD_REQUEST,
            "BODY_MALFORMED",
            zh,
            format!("the body is not the JSON of this request: {error}"),
        )
    }

    pub(super) fn malformed(path: &str, zh: &str, en: &str) -> Self {
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "MALFORMED",
            format!("字段 {path}：{zh}"),
            format!("field {path} {en}"),
        );
        Self { fields: vec![Field { path: path.to_owned(), problem: format!("{zh}；{en}") }], ..problem }
    }

    pub(super) fn no_such_matter() -> Self {
        let (zh, en) = ("查无此事项，或查询码不符", "there is no such matter, or the status code is not its own");
        Self::new(StatusCode::NOT_FOUND, "MATTER_NOT_FOUND", zh, en)
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "PATH_NOT_FOUND", "没有这个接口", "there is no such path")
    }

    pub(super) fn no_such_method() -> Self {
        let (zh, en) = ("该接口不支持此请求方法", "the path does not take this method");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", zh, en)
    }

    pub(super) fn broken() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "网关内部错误", "the gateway failed")
    }

    pub(super) fn not_noted(error: &BookError) -> Self {
        tracing::error!(%error, "no number can be given");
        match error {
            BookError::Exhausted { .. } => {
                let (zh, en) =
                    ("今日网上编号已用完，请到窗口办理", "all numbers of today are given; please go to the counter");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "NUMBERS_EXHAUSTED", zh, en)
            }
            BookError::File(_) | BookError::InUse { .. } | BookError::Damaged { .. } => {
                let (zh, en) =
                    ("网关登记簿不可写，未登记", "the gateway's book cannot be written; nothing was recorded");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "BOOK_UNWRITABLE", zh, en)
            }
        }
    }

    fn key_reused() -> Self {
        let zh = "该 Idempotency-Key 已用于另一事项";
        let en = "this Idempotency-Key was used for another matter";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", zh, en)
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        let Some(told) = error.told() else {
            tracing::error!(%error, "the ledger's answer proves nothing");
            let (zh, en) = ("账本的答复未通过核验", "the ledger's answer does not verify");
            return Self::new(StatusCode::BAD_GATEWAY, "LEDGER_NOT_PROVED", zh, en);
        };
        if told.code == Code::AlreadyExists {
            return Self::key_reused();
        }
        let status = match told.code {
            Code::InvalidArgument => StatusCode::UNPROCESSABLE_ENTITY,
            Code::FailedPrecondition | Code::Aborted => StatusCode::CONFLICT,
            Code::PermissionDenied | Code::Unauthenticated => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            _ if told.is_away => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        };
        let reason = if told.reason.is_empty() { "LEDGER_AWAY" } else { &told.reason };
        let fields = told.fields.into_iter().map(|(path, problem)| Field { path, problem }).collect();
        let retry_after = told.is_away.then_some(AWAY_SECONDS);
        Self { fields, request_id: told.request_id, retry_after, ..Self::new(status, reason, told.zh, told.en) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
