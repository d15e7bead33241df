//! Whether an order to freeze, erase or lift, or its counter-signature, may be made on a chain that stands so.

use mediation_proto::mediation::{
    ledger::v1::{Act, Reason, act::Family},
    registry::v1::{ErasureOrdered, registry_act},
    types::v1::{AgencyKind, ErasureMeasure, ErasureScope, Part, StepRef},
};

use super::{Caller, Refusal};
use crate::{
    calendar::Day,
    erasure::{Order, State},
    history::EventId,
    standing::Standing,
};

/// Check 10. The day is the one that the agency states; who carries the order out looks at the day again.
pub(super) fn may_order(caller: &Caller, standing: &Standing, occurred_at: i64, act: &Act) -> Result<(), Refusal> {
    let Some(Family::Registry(family)) = act.family.as_ref() else { return Ok(()) };
    let named = |reference: &Option<StepRef>| reference.as_ref().and_then(|step| EventId::parse(step.event_id()));
    let order = match family.act.as_ref() {
        Some(registry_act::Act::ErasureOrdered(order)) => order,
        Some(registry_act::Act::ErasureCountersigned(countersigned)) => {
            takes_part(caller, standing)?;
            let order = named(&countersigned.order).and_then(|id| standing.erasures().named(id));
            return may_countersign(caller, order);
        }
        Some(_) | None => return Ok(()),
    };
    takes_part(caller, standing)?;
    match order.measure() {
        ErasureMeasure::Lift => may_lift(caller, named(&order.lifts).and_then(|id| standing.erasures().named(id))),
        ErasureMeasure::Freeze => says_what(order),
        ErasureMeasure::Erase => {
            says_what(order)?;
            let day = Day::of(occurred_at);
            standing
                .erasures()
                .may_order(order.basis(), day)
                .map_err(|hindrance| refused(&hindrance.to_string(), &hindrance.zh()))
        }
        ErasureMeasure::Unspecified => Ok(()),
    }
}

fn takes_part(caller: &Caller, standing: &Standing) -> Result<(), Refusal> {
    if standing.takes_part(&caller.agency) || caller.kind == AgencyKind::Audit {
        return Ok(());
    }
    Err(refused(
        "only agencies that take part in the chain, and the audit, may order or countersign",
        "只有参与该链的机构和审计机构可以作出或会签决定",
    ))
}

fn may_countersign(caller: &Caller, order: Option<&Order>) -> Result<(), Refusal> {
    let waits = |order: &&Order| order.measure == ErasureMeasure::Erase && order.state() == State::Ordered;
    let Some(order) = order.filter(|order| waits(order) || order.state() == State::InForce) else {
        return Err(refused("there is no such order in force", "没有所会签的有效决定"));
    };
    if order.agency == caller.agency {
        return Err(refused("the agency that ordered cannot countersign", "作出决定的机构不得自行会签"));
    }
    Ok(())
}

fn may_lift(caller: &Caller, order: Option<&Order>) -> Result<(), Refusal> {
    let Some(order) = order.filter(|order| matches!(order.state(), State::Ordered | State::InForce)) else {
        return Err(refused("there is no such order that can be lifted", "没有可以解除的该项决定"));
    };
    if order.agency == caller.agency || caller.kind == AgencyKind::Audit {
        return Ok(());
    }
    Err(refused("only the agency that ordered, and the audit, may lift", "只有原决定机构和审计机构可以解除"))
}

/// What the order is about is said, and is no fact.
fn says_what(order: &ErasureOrdered) -> Result<(), Refusal> {
    let missing = |en: &str, zh: &str| Err(refused(en, zh));
    match order.scope() {
        ErasureScope::Subject if order.subject().is_empty() => missing("`subject` must be given", "须填写“个人”"),
        ErasureScope::Part if order.steps.is_empty() => missing("`steps` must be given", "须填写“所涉行为”"),
        ErasureScope::Subject | ErasureScope::Chain | ErasureScope::Part | ErasureScope::Unspecified
            if order.parts().any(|part| part == Part::Act) =>
        {
            missing("facts (`ACT`) are neither frozen nor erased", "事实部分（ACT）不冻结、不删除")
        }
        ErasureScope::Subject | ErasureScope::Chain | ErasureScope::Part | ErasureScope::Unspecified => Ok(()),
    }
}

fn refused(en: &str, zh: &str) -> Refusal {
    Refusal::of_case(Reason::ErasureNotAllowed, en.to_owned(), zh.to_owned())
}
