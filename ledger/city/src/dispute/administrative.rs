//! Agencies that decide (行政裁决、行政复议、行政调解): land titles, compensation, consumers.

use mediation_domain::calendar::Day;
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::json;

use super::{script::Step, telling::Telling};

/// A boundary in the woods is adjudicated; nobody sues within the time for it.
pub(super) fn adjudicated(t: &mut Telling<'_>) {
    let (center, bureau) = (t.place.center(), t.place.nearest(AgencyKind::Department));
    let application = land_matter(t, center, bureau);
    let applied = t.day();
    t.within("CJ-1", applied, 3);
    let number = number_of(t, "自然资裁受");
    t.act("AdjudicationAccepted", bureau, "ADM", json!({"number": number, "application": application}));
    let (accepted, served) = (t.day(), t.day_after(2));
    t.within("CJ-4", accepted, 25);
    let (decision, day) = (t.document("权属争议处理决定书", "S2"), t.day());
    t.act(
        "AdjudicationDecided",
        bureau,
        "HEAD",
        json!({
            "result": "TITLE_DETERMINED", "number": number, "decision": decision, "receipt_on": day.to_string(),
            "respondent_served_on": served.to_string(), "suit_right_told": true,
        }),
    );
    t.procedures.push(json!({"kind": "ADJUDICATION", "number": number, "state": "COMPLETED"}));
    t.lapse("CJ-5", day);
    concluded(t, "ADJUDICATED", "FINAL_DECISION");
}

/// Compensation is reconsidered, and settled before the office (复议调解).
pub(super) fn reconsidered_by_agreement(t: &mut Telling<'_>) {
    let (office, accepted) = reconsidered(t);
    t.within("FY-7", accepted, 8);
    let (statement, day) = (t.document("行政复议调解书", "S2"), t.day().to_string());
    let mut signers: Vec<_> = t.parties().iter().map(|person| json!({"kind": "PARTY", "person": person})).collect();
    signers.push(json!({"kind": "SEAL"}));
    let issued = t.act(
        "ReconsiderationMediated",
        office,
        "RECON",
        json!({"document_signers": signers, "statement": statement, "receipt_on": day}),
    );
    let due = t.day_after(12);
    t.owe(issued, office, "RECON", due);
    t.wait_some(3, 9);
    let government = t.place.nearest(AgencyKind::Government);
    t.perform(government, "ADM", "VOLUNTARY");
    concluded(t, "RECONSIDERATION_MEDIATED", "FULL_PERFORMANCE");
}

/// Compensation is reconsidered, and the decision stands when the time to sue is over.
pub(super) fn reconsidered_by_decision(t: &mut Telling<'_>) {
    let (office, accepted) = reconsidered(t);
    t.within("FY-7", accepted, 15);
    let (decision, day) = (t.document("行政复议决定书", "S2"), t.day());
    t.act(
        "ReconsiderationDecided",
        office,
        "RECON",
        json!({"result": "UPHELD", "decision": decision, "receipt_on": day.to_string(), "suit_right_told": true}),
    );
    t.lapse("XS-1", day);
    concluded(t, "RECONSIDERED", "FINAL_DECISION");
}

/// A consumer and a shop settle before the market authority.
pub(super) fn by_the_department(t: &mut Telling<'_>) {
    let (center, department) = (t.place.center(), t.place.of_city(AgencyKind::Department));
    t.register(center, "HOTLINE_12345", "CONSUMER");
    t.triage(center, "ADMINISTRATIVE_MEDIATION");
    let proposal = t.transfer(center, "REG", department, "INVESTIGATION");
    let proposed = t.day();
    t.within("HD-1", proposed, 1);
    t.take(proposal, department, "ADM");
    t.wait_some(0, 1);
    t.consent(department, "ADM", "ORAL_RECORDED");
    let (kind, file) = ("ADMIN", t.file_number());
    t.act(
        "MediationAccepted",
        department,
        "MED",
        json!({"kind": kind, "committee": department, "file_number": file, "fee_charged": 0}),
    );
    t.procedures.push(json!({"kind": "ADMINISTRATIVE_MEDIATION", "number": file, "state": "SETTLED"}));
    t.appoint(department);
    t.wait_some(1, 4);
    t.session(department, "TELEPHONE");
    let agreement = t.agree(department, kind, "ON_SITE");
    let due = t.day_after(6);
    t.owe(agreement, department, "MED", due);
    t.wait_some(1, 5);
    t.perform(department, "ADM", "VOLUNTARY");
    concluded(t, "MEDIATED", "FULL_PERFORMANCE");
}

/// The matter is another city's: the center says so and closes.
pub(super) fn not_competent(t: &mut Telling<'_>) {
    let center = t.place.center();
    t.register(center, "TELEPHONE", "OTHER");
    t.wait(1);
    t.triage(center, "CONSULTATION");
    t.procedures.push(json!({"kind": "PEOPLES_MEDIATION", "state": "REJECTED"}));
    t.close(center, "NOT_COMPETENT", "NOT_COMPETENT");
}

fn land_matter(t: &mut Telling<'_>, center: &str, bureau: &str) -> Step {
    t.register(center, "WALK_IN", "LAND_FOREST_TITLE");
    t.triage(center, "ADJUDICATION");
    t.lead(center, center, bureau, "COMPETENCE");
    t.wait_some(0, 1);
    let (applicant, respondent) = (t.applicant.clone(), t.respondent.clone());
    t.act(
        "AdjudicationApplied",
        bureau,
        "ADM",
        json!({
            "matter": "FOREST_TITLE", "matter_law": "土地管理法第14条", "applicants": [applicant],
            "respondents": [respondent], "claim": "请求确定界址。",
        }),
    )
}

/// A decision on compensation is served, reconsideration applied for, accepted, served and answered.
fn reconsidered<'a>(t: &mut Telling<'a>) -> (&'a str, Day) {
    let (center, government) = (t.place.center(), t.place.nearest(AgencyKind::Government));
    let office = t.place.nearest(AgencyKind::Justice);
    t.register(center, "WALK_IN", "LAND_ACQUISITION");
    let (decision, applicant, day) = (t.document("补偿决定书", "S2"), t.applicant.clone(), t.day().to_string());
    let served = t.act(
        "CompensationDecisionServed",
        government,
        "ADM",
        json!({
            "act": "COMPENSATION_DECISION", "addressees": [applicant], "receipt_on": day, "remedy_told": true,
            "decision": decision, "households": 1,
        }),
    );
    t.wait_some(3, 10);
    t.lead(center, center, office, "COMPETENCE");
    let application = t.act(
        "ReconsiderationApplied",
        office,
        "RECON",
        json!({
            "act": "COMPENSATION_DECISION", "respondent": government, "applicants": [applicant], "challenged": served,
            "claim": "请求变更补偿标准。",
        }),
    );
    let applied = t.day();
    t.within("FY-2", applied, 2);
    let (number, accepted) = (number_of(t, "景府复"), t.day());
    t.act(
        "ReconsiderationAccepted",
        office,
        "RECON",
        json!({"number": number, "procedure": "ORDINARY", "application": application}),
    );
    t.procedures.push(json!({"kind": "RECONSIDERATION", "number": number, "state": "COMPLETED"}));
    t.within("FY-5a", accepted, 3);
    let (day, notice) = (t.day(), t.document("答复通知书", "S1"));
    let served = t.act(
        "ReconsiderationServed",
        office,
        "RECON",
        json!({"respondent": government, "served_on": day.to_string(), "notice": notice}),
    );
    t.within("FY-6a", day, 5);
    let (evidence, reply) = (t.document("证据清单", "S2"), t.document("行政复议答复书", "S2"));
    t.act(
        "ReconsiderationReplied",
        government,
        "ADM",
        json!({"evidence": [evidence], "reply": reply, "served": served}),
    );
    (office, accepted)
}

fn number_of(t: &mut Telling<'_>, kind: &str) -> String {
    format!("{kind}〔{}〕{}号", t.day().year(), t.number())
}

fn concluded(t: &mut Telling<'_>, outcome: &str, ground: &str) {
    let center = t.place.center();
    t.wait_some(1, 4);
    t.follow_up(center);
    t.close(center, outcome, ground);
}
