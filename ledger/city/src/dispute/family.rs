//! Families (婚姻家庭): a child is counselled in between, or the agreement becomes a notarised deed.

use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::json;

use super::{people, telling::Telling};

/// Child support in instalments; the child is counselled with the consent of its guardian.
pub(super) fn child_supported(t: &mut Telling<'_>) {
    let (town, committee) = (t.place.town(), t.place.committee());
    let (child, guardian) = (t.person(), t.applicant.clone());
    t.register(town, "WALK_IN", "CHILD_SUPPORT");
    t.act(
        "PartyAdded",
        town,
        "REG",
        json!({"party": {
            "subject": child, "side": "THIRD_PARTY", "capacity": "NATURAL_PERSON", "minor": true, "under_14": true,
            "guardian": guardian,
        }}),
    );
    t.triage(town, "PEOPLES_MEDIATION");
    t.lead(town, town, committee, "COMPETENCE");
    t.wait_some(0, 1);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.counselled(committee, &child, Some(&guardian));
    t.appoint(committee);
    t.wait_some(0, 1);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 1);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    people::owe_monthly(t, agreement, committee, 2);
    people::pay(t, committee, "O1");
    t.wait(1);
    t.follow_up(town);
    t.procedures.push(json!({"kind": "PSYCHOLOGY", "state": "COMPLETED"}));
    t.close(town, "MEDIATED", "DUE_PERFORMED_MONITORED");
    people::pay(t, committee, "O2");
}

/// The agreement becomes an enforceable deed (赋予强制执行效力的公证).
pub(super) fn notarised(t: &mut Telling<'_>) {
    let (town, committee, notary) = (t.place.town(), t.place.committee(), t.place.nearest(AgencyKind::Notary));
    t.register(town, "WALK_IN", "LOAN");
    t.triage(town, "PEOPLES_MEDIATION");
    t.lead(town, town, committee, "COMPETENCE");
    t.wait_some(0, 1);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 2);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(15);
    t.owe(agreement, committee, "MED", due);
    let applicants = t.parties();
    let application = t.act(
        "NotarizationApplied",
        notary,
        "NOT",
        json!({"matter": "ENFORCEABLE_DEBT_DEED", "applicants": applicants, "channel": "HALL", "agreement": agreement}),
    );
    let applied = t.day();
    t.within("GZ-1", applied, 4);
    let (number, deed) = (format!("〔{}〕证字第{}号", t.day().year(), t.number()), t.document("公证书", "S2"));
    t.act(
        "NotarizationIssued",
        notary,
        "NOT",
        json!({"number": number, "deed": deed, "enforceable": true, "application": application}),
    );
    t.procedures.push(json!({"kind": "NOTARISATION", "number": number, "state": "COMPLETED"}));
    t.wait_some(1, 6);
    t.perform(committee, "MED", "VOLUNTARY");
    t.wait(1);
    t.follow_up(town);
    t.close(town, "MEDIATED", "FULL_PERFORMANCE");
}
