//! People's mediation in the townships (人民调解): the bulk of all disputes, from the door to the closing.

use serde_json::{Value as Json, json};

use super::{script::Step, telling::Telling};

/// Settled by word of mouth before the committee of the township.
pub(super) fn oral(t: &mut Telling<'_>) {
    let (town, committee) = opened(t);
    t.consent(committee, "REG", "ORAL_RECORDED");
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.wait_some(0, 2);
    t.appoint(committee);
    t.wait_some(0, 2);
    t.session(committee, "BACK_TO_BACK");
    if t.draw(0, 1) == 0 {
        t.wait_some(0, 2);
        t.session(committee, "ON_SITE");
    }
    t.within("TJ-1", from, 0);
    let agreement = t.agree_orally(committee);
    let due = t.day_after(8);
    t.owe(agreement, committee, "MED", due);
    settled(t, town, committee);
}

/// Settled in writing after two meetings.
pub(super) fn written(t: &mut Telling<'_>) {
    let (town, committee) = opened(t);
    t.consent(committee, "REG", "WRITTEN");
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.wait_some(0, 2);
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.wait_some(1, 4);
    t.session(committee, "BACK_TO_BACK");
    t.within("TJ-1", from, 1);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(12);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(2, 10);
    settled(t, town, committee);
}

/// Settled on the online platform of 乐平 (乐法诉智云).
pub(super) fn online(t: &mut Telling<'_>) {
    let (center, committee) = (t.place.center(), t.place.county_committee());
    t.register(center, "ONLINE_LEFA", "SALE");
    t.wait_some(0, 1);
    t.triage(center, "PEOPLES_MEDIATION");
    t.lead(center, center, committee, "COMPETENCE");
    t.wait_some(0, 1);
    t.consent(committee, "REG", "ONLINE");
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 4);
    t.session(committee, "VIDEO");
    t.within("TJ-1", from, 2);
    let agreement = t.agree_online(committee);
    let due = t.day_after(10);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 8);
    t.perform(committee, "MED", "VOLUNTARY");
    t.wait_some(1, 3);
    t.follow_up(center);
    t.close(center, "MEDIATED", "FULL_PERFORMANCE");
}

/// Found by a grid officer and dispatched to the committee (网格发现).
pub(super) fn from_the_grid(t: &mut Telling<'_>) {
    let (town, committee) = (t.place.town(), t.place.committee());
    let (township, number, photo) = (t.place.township, t.draw(1, 40), t.digest());
    let grid = format!("{township}001{number:03}");
    let report = t.act(
        "GridEventReported",
        town,
        "GRID",
        json!({
            "grid": grid, "item_code": "WG-12", "level": "COMPLEX", "self_handled": false, "photo_digest": photo,
            "place": "辖区居民小区", "summary": "网格走访中发现两户争执。",
        }),
    );
    let dispatch =
        t.act("GridEventDispatched", town, "TCOM", json!({"target": committee, "report": report, "level": "COMPLEX"}));
    t.register(town, "GRID_REPORT", "NEIGHBOUR");
    let handler = format!("{committee}/MED-1");
    t.wait(1);
    t.act("GridEventAccepted", committee, "MED", json!({"dispatch": dispatch, "handler": handler}));
    t.lead(town, town, committee, "COMPETENCE");
    t.wait_some(0, 2);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 2);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(6);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 5);
    t.perform(committee, "MED", "VOLUNTARY");
    t.wait(1);
    t.act(
        "GridEventFeedbackGiven",
        committee,
        "MED",
        json!({"to": town, "report": report, "feedback": "双方已和解。"}),
    );
    t.act(
        "GridEventClosed",
        town,
        "TCOM",
        json!({"result": "ENTERED_PROCEDURE", "self_handled": false, "report": report, "satisfaction": "SATISFIED"}),
    );
    t.procedures.push(json!({"kind": "GRID_EVENT", "state": "COMPLETED"}));
    t.close(town, "MEDIATED", "FULL_PERFORMANCE");
}

/// Paid in monthly instalments, which are watched after the closing too.
pub(super) fn in_instalments(t: &mut Telling<'_>) {
    let (town, committee) = opened(t);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 4);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 3);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let terms = t.draw(2, 3);
    owe_monthly(t, agreement, committee, terms);
    pay(t, committee, "O1");
    t.wait_some(1, 3);
    t.follow_up(town);
    t.close(town, "MEDIATED", "DUE_PERFORMED_MONITORED");
    for term in 2..=terms {
        pay(t, committee, &format!("O{term}"));
    }
}

/// The debtor stops paying: the dispute is opened again, and settled anew.
pub(super) fn reopened(t: &mut Telling<'_>) {
    let (town, committee) = opened(t);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 4);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 3);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    owe_monthly(t, agreement, committee, 2);
    pay(t, committee, "O1");
    t.wait(1);
    let closing = t.close(town, "MEDIATED", "DUE_PERFORMED_MONITORED");
    t.wait(32);
    t.mediated("ObligationDefaulted", committee, json!({"obligation_ids": ["O2"], "explanation": "第二期到期未付。"}));
    t.wait(1);
    let center = t.place.center();
    t.act(
        "DisputeReopened",
        center,
        "DIR",
        json!({"cause": "DEFAULT", "restored_lead": committee, "closing": closing}),
    );
    t.wait(2);
    t.session(committee, "ON_SITE");
    let again = t.agree(committee, "PEOPLE", "ON_SITE");
    t.obligations.insert("O2".to_owned(), "REPLACED");
    let (due, debtor, creditor) = (t.day_after(10).to_string(), t.respondent.clone(), t.applicant.clone());
    let term = json!({
        "obligation_id": "O3", "obligor": debtor, "obligee": creditor, "kind": "PAYMENT", "amount": 300_000, "due_on": due,
    });
    t.mediated(
        "ObligationRecorded",
        committee,
        json!({"basis": again, "terms": [term], "instalments": false, "replaces": ["O2"], "content": "补付欠款。"}),
    );
    t.obligations.insert("O3".to_owned(), "SCHEDULED");
    t.wait_some(2, 8);
    t.perform(committee, "MED", "VOLUNTARY");
    t.wait(1);
    t.close(town, "MEDIATED", "FULL_PERFORMANCE");
}

/// Half is paid, and the creditor lets the debtor off the rest in writing (免除).
pub(super) fn waived(t: &mut Telling<'_>) {
    let (town, committee) = opened(t);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 4);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 3);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(10);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 5);
    let (creditor, receipt, waiver) = (t.applicant.clone(), t.document("收条", "S2"), t.document("书面免除声明", "S2"));
    t.mediated(
        "ObligationPerformed",
        committee,
        json!({"obligation_ids": ["O1"], "amount": 100_000, "mode": "VOLUNTARY", "in_full": false, "evidence": receipt}),
    );
    t.mediated(
        "ObligationWaived",
        committee,
        json!({"obligation_ids": ["O1"], "ground": "WRITTEN_WAIVER", "waived_by": creditor, "waiver": waiver}),
    );
    t.obligations.insert("O1".to_owned(), "WAIVED");
    t.wait_some(1, 2);
    t.follow_up(town);
    t.close(town, "MEDIATED", "WRITTEN_WAIVER");
}

/// Still under way when the year ends.
pub(super) fn under_way(t: &mut Telling<'_>) {
    let (_, committee) = opened(t);
    t.consent(committee, "REG", "WRITTEN");
    t.begin(committee, "PEOPLE");
    t.wait_some(0, 2);
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
}

/// The applicant takes the matter back.
pub(super) fn withdrawn(t: &mut Telling<'_>) {
    let (town, committee) = opened(t);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.within("TJ-1", from, 3);
    let (applicant, notice) = (t.applicant.clone(), t.document("终止通知书", "S1"));
    t.mediated(
        "MediationTerminated",
        committee,
        json!({"reason": "WITHDRAWAL", "requested_by": [applicant], "routes_told": ["LITIGATION"], "notice": notice}),
    );
    t.wait(1);
    t.close(town, "WITHDRAWN", "WITHDRAWAL");
}

/// The other side refuses, which stops the mediation.
pub(super) fn refused(t: &mut Telling<'_>) {
    let (town, committee) = opened(t);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.within("TJ-1", from, 4);
    let (respondent, notice) = (t.respondent.clone(), t.document("终止通知书", "S1"));
    t.mediated(
        "MediationRefused",
        committee,
        json!({"refused_by": [respondent], "routes_told": ["LITIGATION", "ARBITRATION"], "notice": notice}),
    );
    t.wait_some(1, 2);
    t.close(town, "FAILED", "NO_SETTLEMENT");
}

/// The center of the township takes the dispute in and hands first responsibility to its committee.
pub(super) fn opened<'a>(t: &mut Telling<'a>) -> (&'a str, &'a str) {
    let (town, committee) = (t.place.town(), t.place.committee());
    let channel =
        t.one_of("WALK_IN", &["WALK_IN", "TALK_ROOM", "TELEPHONE", "HOTLINE_12345", "MINI_PROGRAM", "TERMINAL"]);
    let kinds = ["NEIGHBOUR", "LOAN", "LEASE", "SALE", "CONTRACT_OTHER", "CONSUMER", "HOUSING_FACILITY", "TRAFFIC"];
    let kind = t.one_of("NEIGHBOUR", &kinds);
    t.register(town, channel, kind);
    t.wait_some(0, 1);
    t.triage(town, "PEOPLES_MEDIATION");
    t.lead(town, town, committee, "COMPETENCE");
    t.wait_some(0, 1);
    (town, committee)
}

/// The debtor performs, the center asks how it goes, and closes.
pub(super) fn settled(t: &mut Telling<'_>, town: &str, committee: &str) {
    t.perform(committee, "MED", "VOLUNTARY");
    t.wait_some(1, 4);
    t.follow_up(town);
    t.close(town, "MEDIATED", "FULL_PERFORMANCE");
}

/// Monthly terms, the first in two weeks.
pub(super) fn owe_monthly(t: &mut Telling<'_>, basis: Step, committee: &str, terms: u32) {
    let (first, plan) = (t.day_after(8), t.document("履行监督计划", "S1"));
    let (debtor, creditor) = (t.respondent.clone(), t.applicant.clone());
    let terms: Vec<Json> = (0..terms)
        .map(|month| {
            let (id, due) = (format!("O{}", month + 1), first.plus_months(month).to_string());
            t.obligations.insert(id.clone(), "SCHEDULED");
            json!({
                "obligation_id": id, "obligor": debtor, "obligee": creditor, "kind": "PAYMENT", "amount": 80_000,
                "due_on": due,
            })
        })
        .collect();
    t.mediated(
        "ObligationRecorded",
        committee,
        json!({
            "basis": basis, "terms": terms, "instalments": true, "monitoring_plan": plan, "monitoring_agency": committee,
            "content": "按月支付。",
        }),
    );
    t.first_due = Some(first);
    t.due = Some(first);
}

/// One instalment is paid on the day it is due.
pub(super) fn pay(t: &mut Telling<'_>, committee: &str, id: &str) {
    let month = id.get(1..).and_then(|number| number.parse::<u32>().ok()).unwrap_or(1) - 1;
    if let Some(first) = t.first_due {
        t.wait_until(first.plus_months(month));
    }
    t.obligations.insert(id.to_owned(), "PERFORMED");
    let evidence = t.document("转账凭证", "S2");
    t.mediated(
        "ObligationPerformed",
        committee,
        json!({"obligation_ids": [id], "amount": 80_000, "mode": "VOLUNTARY", "in_full": true, "evidence": evidence}),
    );
}
