//! What the center has to do: `GET /v1/worklist`.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
};
use mediation_domain::calendar::Day;
use mediation_proto::mediation::ledger::v1::{Duty, ListDutiesRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Here, Right,
    problem::{Kind, Problem},
};

/// Duties of one answer.
pub(super) const PAGE_SIZE_MAX: u32 = 500;

/// Which duties are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    due_to: Option<String>,
    page_size: Option<u32>,
}

/// The center's duties, what is due first coming first.
pub(super) async fn show(
    State(center): Here,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    center.admitted(&headers, Right::Worklist)?;
    let malformed = |zh: &str, en: &str| Problem::new(Kind::QueryMalformed).say(zh, en);
    let Query(Asked { due_to, page_size }) = asked.map_err(|error| {
        malformed(
            "可用条件为 due_to 与 page_size",
            &format!("conditions are `due_to` and `page_size`: {}", error.body_text()),
        )
    })?;
    if due_to.as_deref().is_some_and(|day| Day::parse(day).is_none()) {
        return Err(malformed("due_to 应为 YYYY-MM-DD", "`due_to` must be a day of the form YYYY-MM-DD"));
    }
    if page_size.is_some_and(|size| !(1..=PAGE_SIZE_MAX).contains(&size)) {
        return Err(malformed("page_size 应为 1 至 500", "`page_size` must lie between 1 and 500"));
    }
    let wanted = ListDutiesRequest { due_to, page_size, ..ListDutiesRequest::default() };
    let answer = center.official().duties(wanted).await?;
    let duties: Vec<Value> = answer.duties.iter().map(told).collect();
    Ok(Json(json!({"as_of": answer.as_of, "duties": duties, "more": answer.more})))
}

fn told(duty: &Duty) -> Value {
    json!({
        "chain_id": duty.chain_id, "chain_no": duty.chain_no, "kind": duty.kind, "code": duty.code, "zh": duty.zh,
        "due": duty.due, "days_late": duty.days_late, "revision": duty.revision, "from": duty.from,
    })
}
