//! The paths of an intake, each with what it says of itself in the OpenAPI document.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{
        Path, State,
        rejection::{BytesRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::Value;

use super::{
    Counter,
    matter::{Accepted, Matter},
    openapi::document,
    problem::Problem,
    standing::{Standing, Worklist},
};

/// A body, or why it could not be read.
type Body = Result<Bytes, BytesRejection>;

/// 受理事项 · Hands a matter in.
///
/// The same `Idempotency-Key` of the same channel names the same matter for ever: sent again, it is answered alike and recorded once.
#[utoipa::path(
    post, path = "/v1/intakes", tag = "intake", operation_id = "handIn", security(("channel" = [])),
    params(("Idempotency-Key" = String, Header, description = "8 至 128 个可见 ASCII 字符 · 8 to 128 visible ASCII letters",
            min_length = 8, max_length = 128, pattern = "^[!-~]{8,128}$", example = "5f0c1f6e-0001")),
    request_body(content = Matter, description = "事项 · the matter", example = json!({
        "division": "360203", "dispute_type": "LEASE", "summary": "房东不退押金。",
        "parties": [{"side": "APPLICANT", "capacity": "NATURAL_PERSON", "name": "苗岫"},
                    {"side": "RESPONDENT", "capacity": "NATURAL_PERSON", "name": "钟离朔"}]})),
    responses(
        (status = 201, description = "已登记 · registered", body = Accepted,
         headers(("location" = String, description = "进度查询地址 · where to ask after it"))),
        (status = 400, description = "缺少请求头，或请求体不是该接口的 JSON · no key, or a body that is not this JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "令牌无效 · no token of a channel", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "账本不允许 · the ledger does not allow it", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "链的现状不允许 · the chain as it stands does not allow it", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "请求体过大 · the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "字段有误，或该键已用于另一事项 · a field is wrong, or the key was used for another matter", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "请求过于频繁 · too many requests", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "账本的答复无效 · the ledger's answer is no good", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "账本或登记簿不可用 · the ledger or the book is away", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn hand_in(State(counter): State<Arc<Counter>>, headers: HeaderMap, body: Body) -> Response {
    let taken = async {
        let body = body.map_err(|rejection| Problem::not_read(&rejection))?;
        counter.accept(&headers, &body).await
    };
    match taken.await {
        Ok(accepted) => {
            let place = format!("/v1/matters/{}", accepted.number);
            (StatusCode::CREATED, [(header::LOCATION, place)], Json(accepted)).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// 查询进度 · What became of a matter, as far as its citizen may know.
#[utoipa::path(
    get, path = "/v1/matters/{number}", tag = "intake", operation_id = "standing", security(("channel" = [])),
    params(
        ("number" = String, Path, description = "纠纷链号 · number of the matter", example = "JF3602032026112750012"),
        ("Status-Code" = String, Header, description = "查询码 · status code that came with the registration"),
    ),
    responses(
        (status = 200, description = "进度 · what became of it", body = Standing),
        (status = 401, description = "令牌无效 · no token of a channel", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "账本不允许 · the ledger does not allow it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "查无此事项，或查询码不符 · no such matter, or not its code", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "请求过于频繁 · too many requests", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "账本的答复无效 · the ledger's answer is no good", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "账本不可用 · the ledger is away", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn standing(
    State(counter): State<Arc<Counter>>,
    number: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let number = number.map(|Path(number)| number).unwrap_or_default();
    counter.standing(&headers, &number).await.map_or_else(Problem::into_response, |told| Json(told).into_response())
}

/// 中心待办 · What the center has to do.
#[utoipa::path(
    get, path = "/v1/worklist", tag = "intake", operation_id = "worklist", security(("channel" = [])),
    responses(
        (status = 200, description = "待办 · duties", body = Worklist),
        (status = 401, description = "令牌无效 · no token of a channel", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "该渠道无权查看 · not for this channel", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "请求过于频繁 · too many requests", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "账本的答复无效 · the ledger's answer is no good", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "账本不可用 · the ledger is away", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn worklist(State(counter): State<Arc<Counter>>, headers: HeaderMap) -> Response {
    counter.duties(&headers).await.map_or_else(Problem::into_response, |duties| Json(duties).into_response())
}

/// 接口说明 · This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "service", operation_id = "description",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub(super) async fn description() -> Json<Value> {
    Json(document())
}

/// 存活检查 · The gateway answers.
#[utoipa::path(
    get, path = "/healthz", tag = "service", operation_id = "health",
    responses((status = 200, description = "正常 · it does", body = String, content_type = "text/plain"))
)]
pub(super) async fn health() -> &'static str {
    "ok\n"
}
