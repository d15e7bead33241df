//! People's mediation in the townships (人民调解): the bulk of all disputes, and what can happen in it.

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

/// A party objects to the mediator, and another takes over (回避).
pub(super) fn recused(t: &mut Telling<'_>) {
    let (town, committee) = opened(t);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait(1);
    let session = t.session(committee, "ON_SITE");
    let (old, requester) = (t.mediating(committee), t.respondent.clone());
    t.recused = Some(old.clone());
    let request = t.act(
        "RecusalRequested",
        committee,
        "REG",
        json!({"target": old, "target_role": "MED", "ground": "KINSHIP", "requester": requester}),
    );
    let asked = t.day();
    t.within("SS-11", asked, 1);
    t.act(
        "RecusalDecided",
        committee,
        "CHAIR",
        json!({
            "request": request, "target": old, "granted": true, "reason": "经核实存在亲属关系，准予回避。",
            "acts_reexamined": [session],
        }),
    );
    replaced(t, committee, Some(request));
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 2);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(8);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 6);
    settled(t, town, committee);
}

/// An entry is put right by the one who made it and the director of the center (更正).
pub(super) fn corrected(t: &mut Telling<'_>) {
    let (town, committee) = opened(t);
    let accepted = t.begin(committee, "PEOPLE");
    let from = t.day();
    t.wait(1);
    let (old, new, center) = (t.digest(), t.digest(), t.place.center());
    t.cosigned(
        "RecordCorrected",
        (committee, "MED"),
        (center, "DIR"),
        json!({
            "target": accepted, "field": "file_number", "old_digest": old, "new_digest": new, "reason": "CLERICAL",
            "withdrawn": false,
        }),
    );
    t.appoint(committee);
    t.wait_some(1, 4);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 2);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(8);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 6);
    settled(t, town, committee);
}

/// Handled by several agencies together, for a group that elects its representatives (联合处置).
pub(super) fn joint(t: &mut Telling<'_>) {
    use mediation_proto::mediation::types::v1::AgencyKind::Department;
    let (center, committee, department) = (t.place.center(), t.place.county_committee(), t.place.of_city(Department));
    t.register(center, "WALK_IN", "PROPERTY_SERVICE");
    let (record, representative) = (t.document("推选代表记录", "S2"), t.applicant.clone());
    t.act(
        "PartyRepresentativeElected",
        center,
        "REG",
        json!({"representatives": [representative], "represented_count": 12, "election_record": record}),
    );
    t.triage(center, "INDUSTRY_MEDIATION");
    let invitation = t.document("协办邀请函", "S1");
    t.act(
        "CoAgencyJoined",
        center,
        "DIR",
        json!({"joined": department, "presence_mode": "ON_DEMAND", "task": "到场核查并答复。", "invitation": invitation}),
    );
    t.lead(center, center, committee, "COMPETENCE");
    t.wait_some(1, 2);
    t.consent(committee, "REG", "WRITTEN");
    t.begin(committee, "INDUSTRY");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(2, 5);
    t.session(committee, "ON_SITE");
    let by = t.day_after(5).to_string();
    let order = t.act(
        "SupervisionOrderIssued",
        center,
        "DIR",
        json!({"target": department, "answer_by": by, "matter": "请核查小区设施并书面答复。"}),
    );
    t.wait_some(1, 3);
    t.act(
        "SupervisionOrderAnswered",
        department,
        "HEAD",
        json!({"order": order, "done": true, "measures": "已现场核查并责令整改。"}),
    );
    t.within("TJ-1", from, 1);
    let agreement = t.agree(committee, "INDUSTRY", "ON_SITE");
    let due = t.day_after(12);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(3, 9);
    t.perform(committee, "MED", "VOLUNTARY");
    t.wait_some(1, 3);
    t.follow_up(center);
    t.close(center, "MEDIATED", "FULL_PERFORMANCE");
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

/// The mediator himself declares that he is related to a side, before anything was said (自行回避).
pub(super) fn conflicted(t: &mut Telling<'_>) {
    let (town, committee) = opened(t);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    let old = t.mediating(committee);
    t.recused = Some(old.clone());
    t.wait(1);
    t.mediated(
        "ConflictDeclared",
        committee,
        json!({"target": old, "target_role": "MED", "ground": "OTHER_RELATION", "parties_accept": false}),
    );
    replaced(t, committee, None);
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 2);
    let agreement = t.agree_orally(committee);
    let due = t.day_after(8);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 6);
    settled(t, town, committee);
}

/// Handed over in error, recalled, and handed over to the right committee with the lead (撤回移送).
pub(super) fn recalled(t: &mut Telling<'_>) {
    let (center, committee) = (t.place.center(), t.place.committee());
    let wrong = t.place.nearest(mediation_proto::mediation::types::v1::AgencyKind::MedicalMediation);
    t.register(center, "TELEPHONE", "HOUSING_FACILITY");
    t.triage(center, "PEOPLES_MEDIATION");
    let proposal = t.transfer(center, "REG", wrong, "CIVIL_DISPUTE");
    let proposed = t.day();
    t.within("HD-1", proposed, 1);
    t.act("HandoffRecalled", center, "REG", json!({"proposal": proposal, "reason": "SENT_IN_ERROR"}));
    let proposal = t.transfer(center, "REG", committee, "CIVIL_DISPUTE");
    let proposed = t.day();
    t.within("HD-1", proposed, 1);
    t.take(proposal, committee, "MED");
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 2);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(8);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 6);
    t.perform(committee, "MED", "VOLUNTARY");
    t.wait_some(1, 3);
    t.follow_up(center);
    t.close(center, "MEDIATED", "FULL_PERFORMANCE");
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

/// One of the applicants is of another chain: the dispute is split, and the rest is settled here.
pub(super) fn split(t: &mut Telling<'_>) {
    let third = t.person();
    t.others.push(third.clone());
    let (center, committee, other) = (t.place.center(), t.place.county_committee(), t.other_chain_number());
    t.register(center, "WALK_IN", "CONTRACT_OTHER");
    t.triage(center, "PEOPLES_MEDIATION");
    t.wait(1);
    t.act(
        "DisputeSplit",
        center,
        "DIR",
        json!({"chains": [other], "ground": "DIFFERENT_PROCEDURE", "mapping": [{"subject": third, "chain": other}]}),
    );
    t.others.clear();
    t.lead(center, center, committee, "COMPETENCE");
    t.wait_some(0, 1);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 4);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 2);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(8);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 6);
    t.perform(committee, "MED", "VOLUNTARY");
    t.wait(1);
    t.close(center, "MEDIATED", "FULL_PERFORMANCE");
}

/// The same facts stand on another chain: the dispute goes on there (并案).
pub(super) fn duplicate(t: &mut Telling<'_>) {
    let (center, other) = (t.place.center(), t.other_chain_number());
    t.register(center, "HOTLINE_12345", "NEIGHBOUR");
    t.wait(1);
    let applicant = t.applicant.clone();
    t.act(
        "DisputesLinked",
        center,
        "DIR",
        json!({
            "chains": [other], "ground": "SAME_FACTS", "merged_into": other,
            "mapping": [{"subject": applicant, "chain": other}],
        }),
    );
    t.procedures.push(json!({"kind": "PEOPLES_MEDIATION", "state": "REPLACED"}));
    t.close(center, "DUPLICATE", "DUPLICATE");
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

/// Violence threatens: the police hear of it the same day, a warning is raised and lifted (风险预警).
pub(super) fn threatening(t: &mut Telling<'_>) {
    use mediation_proto::mediation::types::v1::AgencyKind::{Police, PoliticalLegalCommittee};
    let (town, committee) = opened(t);
    let (police, center) = (t.place.nearest(Police), t.place.center());
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "BACK_TO_BACK");
    t.mediated(
        "EscalationRiskReported",
        committee,
        json!({"risk": "VIOLENCE", "reported_to": police, "measures": "已将双方隔离劝离。"}),
    );
    let warning = t.act(
        "RiskWarningRaised",
        town,
        "TCOM",
        json!({"level": 2, "headcount": 2, "risk": "CIVIL_TO_CRIMINAL", "machine_proposed": false, "facts": "一方扬言报复。"}),
    );
    let superior = t.place.nearest(PoliticalLegalCommittee);
    t.act("RiskWarningVerified", center, "DIR", json!({"warning": warning, "confirmed": true, "level": 2}));
    t.act("RiskWarningEscalated", center, "DIR", json!({"warning": warning, "addressee": superior}));
    t.wait(1);
    t.act("RiskWarningMitigated", town, "TCOM", json!({"warning": warning, "measure": "民警上门告诫，双方承诺克制。"}));
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 2);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(6);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 4);
    t.perform(committee, "MED", "VOLUNTARY");
    t.act("RiskWarningLifted", center, "DIR", json!({"ground": "SETTLED", "warning": warning}));
    t.wait(1);
    t.follow_up(town);
    t.close(town, "MEDIATED", "FULL_PERFORMANCE");
}

/// The center of the township takes the dispute in and hands first responsibility to its committee.
fn opened<'a>(t: &mut Telling<'a>) -> (&'a str, &'a str) {
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

/// Another mediator takes the place of the one who may not go on.
fn replaced(t: &mut Telling<'_>, committee: &str, request: Option<Step>) {
    let (old, new, day) = (t.mediating(committee), format!("{committee}/M-{}", 201 + t.draw(0, 8)), t.day());
    let mut data = json!({
        "role": "MED", "old": old, "new": new, "effective_at": format!("{day}T17:30:00+08:00"),
        "conflict_checked_on": day.to_string(),
    });
    if let (Some(data), Some(request)) = (data.as_object_mut(), request) {
        data.insert("request".to_owned(), json!(request));
    }
    t.act("HandlerReplaced", committee, "CHAIR", data);
    t.mediator = Some(new);
}

/// The debtor performs, the center asks how it goes, and closes.
fn settled(t: &mut Telling<'_>, town: &str, committee: &str) {
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
