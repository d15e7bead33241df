//! What can come between in people's mediation: recusal, correction, recall, joint handling, splits and threats.

use serde_json::json;

use super::{
    people::{opened, settled},
    script::Step,
    telling::Telling,
};

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
