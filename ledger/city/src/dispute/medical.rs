//! Disputes between patients and hospitals (医疗纠纷): the committee of the city, or the health commission.

use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::json;

use super::telling::Telling;

/// Mediated by the medical committee; the time of the appraisal does not count.
pub(super) fn mediated(t: &mut Telling<'_>) {
    let (center, committee) = (t.place.center(), t.place.nearest(AgencyKind::MedicalMediation));
    t.register(center, "WALK_IN", "MEDICAL");
    t.triage(center, "INDUSTRY_MEDIATION");
    t.lead(center, center, committee, "COMPETENCE");
    t.wait_some(0, 1);
    t.consent(committee, "REG", "WRITTEN");
    t.begin(committee, "MEDICAL");
    t.appoint(committee);
    sealed(t, committee, "MED");
    t.wait_some(1, 3);
    let ground = t.document("鉴定委托书", "S2");
    let suspension =
        t.mediated("ClockSuspended", committee, json!({"clock_id": "TJ-3", "ground": "APPRAISAL", "document": ground}));
    t.wait_some(10, 20);
    let (expert, opinion, day) = (format!("E-{}", 10 + t.draw(0, 80)), t.document("医疗损害鉴定意见", "S3"), t.day());
    t.mediated(
        "ExpertOpinionObtained",
        committee,
        json!({
            "expert": expert, "question": "MEDICAL_LIABILITY", "opinion": opinion,
            "conflict_checked_on": day.to_string(), "joint_commission": true,
        }),
    );
    let received = t.document("鉴定意见签收单", "S1");
    t.mediated("ClockResumed", committee, json!({"clock_id": "TJ-3", "suspension": suspension, "document": received}));
    let resumed = t.day();
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-3", resumed, 3);
    paid(t, committee, "MEDICAL", "MED");
}

/// Mediated by the health commission on application (行政调解).
pub(super) fn by_the_commission(t: &mut Telling<'_>) {
    let (center, commission) = (t.place.center(), t.place.nearest(AgencyKind::Health));
    t.register(center, "WALK_IN", "MEDICAL");
    t.lead(center, center, commission, "COMPETENCE");
    t.wait_some(0, 1);
    t.consent(commission, "ADM", "WRITTEN");
    let applicants = t.parties();
    let application = t.act(
        "MediationApplied",
        commission,
        "ADM",
        json!({"kind": "ADMIN", "applicants": applicants, "joint": true, "oral": false, "claim": "请求行政调解。"}),
    );
    let (applied, file) = (t.day(), t.file_number());
    t.within("TJ-4", applied, 2);
    t.act(
        "MediationAccepted",
        commission,
        "MED",
        json!({"kind": "ADMIN", "committee": commission, "file_number": file, "application": application, "fee_charged": 0}),
    );
    t.procedures.push(json!({"kind": "ADMINISTRATIVE_MEDIATION", "number": file, "state": "SETTLED"}));
    let from = t.day();
    t.appoint(commission);
    sealed(t, commission, "ADM");
    t.wait_some(2, 5);
    t.session(commission, "ON_SITE");
    t.within("TJ-5", from, 4);
    paid(t, commission, "ADMIN", "MED");
}

/// The records are sealed before both sides.
fn sealed(t: &mut Telling<'_>, agency: &str, role: &str) {
    let list = t.document("病历封存清单", "S3");
    let signers: Vec<_> = t.parties().iter().map(|person| json!({"kind": "PARTY", "person": person})).collect();
    t.act(
        "MedicalRecordsSealed",
        agency,
        role,
        json!({"list_document": list, "list_signers": signers, "keeper": agency, "copies": 2}),
    );
}

fn paid(t: &mut Telling<'_>, agency: &str, kind: &str, role: &str) {
    let agreement = t.agree(agency, kind, "ON_SITE");
    let due = t.day_after(10);
    t.owe(agreement, agency, role, due);
    t.wait_some(2, 8);
    t.perform(agency, role, "INSURER_PAID");
    let center = t.place.center();
    t.wait_some(1, 3);
    t.follow_up(center);
    t.close(center, "MEDIATED", "FULL_PERFORMANCE");
}
