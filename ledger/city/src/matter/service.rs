//! Public legal services (公共法律服务): advice, legal aid, notaries.

use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::json;

use crate::dispute::Telling;

/// One consultation. A remote one, by video or at a terminal, is of 浮梁.
pub(super) fn advice(t: &mut Telling<'_>, remote: bool, follow_on: bool) {
    let agency = t.place.nearest(AgencyKind::LegalAid);
    let channel = if remote { t.one_of("VIDEO", &["TERMINAL"]) } else { t.one_of("HALL", &["PHONE"]) };
    let topic = t.one_of("FAMILY", &["LABOUR", "CONTRACT", "TORT", "PROPERTY", "LAND", "OTHER"]);
    let minutes = t.draw(5, 50);
    t.act(
        "LegalConsultationCompleted",
        agency,
        "LAID",
        json!({
            "channel": channel, "minutes": minutes, "topic": topic, "follow_on_service": follow_on,
            "division": t.place.county(),
        }),
    );
}

/// Applied for, granted, assigned and completed.
pub(super) fn legal_aid(t: &mut Telling<'_>, terminal: bool) {
    let agency = t.place.nearest(AgencyKind::LegalAid);
    let channel = if terminal { "TERMINAL" } else { t.one_of("HALL", &["PHONE"]) };
    let (matter, applicant) = (t.one_of("WAGES", &["INJURY", "SUPPORT_MAINTENANCE"]), t.applicant.clone());
    let application = t.act(
        "LegalAidApplied",
        agency,
        "LAID",
        json!({"matter": matter, "means_test": "REQUIRED", "applicants": [applicant], "channel": channel}),
    );
    let day = t.day();
    t.within("FL-1", day, 2);
    let grant = t.act("LegalAidGranted", agency, "LAID", json!({"ground": "REQUIRED", "application": application}));
    let day = t.day();
    t.within("FL-2", day, 1);
    let lawyer = t.person();
    let assignment = t.act("LegalAidAssigned", agency, "LAID", json!({"lawyer": lawyer, "grant": grant}));
    t.wait_some(10, 40);
    let result = t.one_of("FAVOURABLE", &["PARTLY_FAVOURABLE", "MEDIATED", "ADVICE_ONLY"]);
    t.act("LegalAidCompleted", agency, "LAID", json!({"result": result, "assignment": assignment}));
}

/// Applied for and issued.
pub(super) fn notary(t: &mut Telling<'_>, terminal: bool) {
    let agency = t.place.nearest(AgencyKind::Notary);
    let (matter, applicant) = (t.one_of("WILL_INHERITANCE", &["STATEMENT", "EVIDENCE"]), t.applicant.clone());
    let mut data = json!({"matter": matter, "applicants": [applicant]});
    if let Some(data) = data.as_object_mut() {
        data.insert("channel".to_owned(), json!(if terminal { "TERMINAL" } else { "HALL" }));
    }
    let application = t.act("NotarizationApplied", agency, "NOT", data);
    t.wait_some(2, 6);
    let (deed, number) = (t.document("公证书", "S2"), format!("({})赣景证字第{}号", t.day().year(), t.number()));
    t.act(
        "NotarizationIssued",
        agency,
        "NOT",
        json!({"number": number, "deed": deed, "enforceable": false, "application": application}),
    );
}
