//! What a citizen may know of his own matter: `GET /v1/matters/{chain_no}`, with his code.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
};
use mediation_client::VerifiedChain;
use mediation_domain::{calendar::Day, catalogue};
use mediation_ledger::registry::Registry;
use mediation_proto::mediation::ledger::v1::Judgement;
use serde_json::{Value, json};

use super::{
    Center, Here, Right,
    problem::{Kind, Problem},
};

/// Header that carries the citizen's code. It does not stand in the address, which is logged on the way.
pub(super) const CODE_HEADER: &str = "matter-code";

/// Shows a party his matter. A wrong code, a number that does not exist and a chain that is not for him give one answer.
pub(super) async fn show(
    State(center): Here,
    number: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    center.admitted(&headers, Right::Status)?;
    let code = headers.get(CODE_HEADER).and_then(|code| code.to_str().ok()).unwrap_or_default();
    let Path(number) = number.map_err(|_| Problem::new(Kind::MatterNotFound))?;
    // Whether the code is one of this number is known without the ledger: who guesses learns nothing, and costs nothing.
    let subject = center.secret.party(&number, code).ok_or_else(|| Problem::new(Kind::MatterNotFound))?;
    let (client, registry) = (center.party(subject), center.registry().await?);
    let chain = client.verified_chain(&center.secret.chain(&number).to_string(), None, &registry).await;
    let chain = chain.map_err(|error| match Problem::from(error) {
        problem if problem.ledger_reason() == "CHAIN_NOT_FOUND" => Problem::new(Kind::MatterNotFound),
        problem => problem,
    })?;
    Ok(Json(told(&center, &number, &chain, &registry)))
}

fn told(center: &Center, number: &str, chain: &VerifiedChain, registry: &Registry) -> Value {
    let judgement = &chain.judgement;
    let moments = chain.entries.iter().filter_map(|(_, entry)| Some(entry.statement.as_ref()?.occurred_at));
    let days: Vec<String> = moments.map(|moment| Day::of(moment).to_string()).collect();
    let outcome = judgement.outcome.as_ref().map(|code| json!({"code": code, "zh": catalogue::zh("Outcome", code)}));
    let state = match (&outcome, days.len()) {
        (Some(_), _) => "CLOSED",
        (None, 0 | 1) => "REGISTERED",
        (None, _) => "IN_PROGRESS",
    };
    let lead = judgement.leads.last().map(|lead| agency(registry, &lead.agency));
    json!({
        "chain_no": number, "state": state, "as_of": judgement.as_of, "registered_on": days.first(), "last_act_on": days.last(),
        "center": {"id": center.terms.agency, "name": center.terms.name}, "lead": lead,
        "next_step": next_step(judgement, registry), "outcome": outcome,
    })
}

/// What comes next: the open limit that ends first.
fn next_step(judgement: &Judgement, registry: &Registry) -> Option<Value> {
    let clocks = judgement.clocks.iter().filter(|clock| clock.state == "OPEN").filter_map(|clock| {
        let due = clock.due.as_deref()?;
        Some((due, clock.zh.as_str(), clock.obliged.as_deref()))
    });
    let handoffs = judgement.handoffs.iter().filter(|handoff| handoff.answer == "OPEN").filter_map(|handoff| {
        let due = handoff.due.as_deref()?;
        Some((due, "答复移送", Some(handoff.to.as_str())))
    });
    let (due, zh, by) = clocks.chain(handoffs).min()?;
    Some(json!({"zh": zh, "due": due, "by": by.map(|by| agency(registry, by))}))
}

fn agency(registry: &Registry, id: &str) -> Value {
    let name = registry.directory().agency(id).map(|agency| agency.name.as_str());
    json!({"id": id, "name": name.unwrap_or(id)})
}
