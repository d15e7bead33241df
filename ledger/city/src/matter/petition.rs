//! Petitions (信访事项) that are answered without mediation.

use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::{Value as Json, json};

use crate::dispute::{Step, Telling};

/// How a petition comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// At the counter, by letter, or on the platform of the state.
    Counter,
    /// On 平安浮梁·阳光法治.
    App,
    /// Assigned by the national bureau.
    National,
}

/// Registered, received, sent on, accepted, answered and rated.
pub(super) fn petition(t: &mut Telling<'_>, way: Way) {
    let (bureau, organ) = (t.place.nearest(AgencyKind::Petition), t.place.nearest(AgencyKind::TownshipGovernment));
    let petition = received(t, bureau, way);
    let day = t.day();
    t.within("XF-1", day, 4);
    let delivered = t.day();
    let sent = sent(t, bureau, organ, petition, way);
    t.within("XF-4", delivered, 2);
    t.take(sent, organ, "ADM");
    t.within("XF-3", delivered, 3);
    let on = t.day();
    t.act(
        "PetitionAccepted",
        organ,
        "ADM",
        json!({"notice_on": on.to_string(), "routes_told": ["LITIGATION", "PETITION_REVIEW"], "petition": petition}),
    );
    let days = t.draw(5, 25);
    t.within("XF-5", on, days);
    let (opinion, receipt) = (t.document("信访事项处理意见书", "S2"), t.day().to_string());
    let result = t.one_of("SUPPORTED", &["EXPLAINED"]);
    t.act(
        "PetitionReplied",
        organ,
        "HEAD",
        json!({
            "result": result, "law_basis": "信访工作条例第32、34条", "opinion": opinion, "receipt_on": receipt,
            "review_right_told": true, "petition": petition,
        }),
    );
    t.wait_some(1, 5);
    let (petitioner, score) = (t.applicant.clone(), t.one_of("SATISFIED", &["VERY_SATISFIED", "NEUTRAL"]));
    t.act("PetitionEvaluated", bureau, "PETO", json!({"score": score, "evaluated_by": petitioner}));
}

fn received(t: &mut Telling<'_>, bureau: &str, way: Way) -> Step {
    let (form, channel) = match way {
        Way::Counter => t.one_of(("VISIT", "WALK_IN"), &[("LETTER", "LETTER"), ("ONLINE", "ONLINE_PETITION")]),
        Way::App => ("ONLINE", "ONLINE_PINGAN_FULIANG"),
        Way::National => ("ONLINE", "ONLINE_PETITION"),
    };
    let kind = t.one_of("PUBLIC_WORKS_DAMAGE", &["SUBSIDY", "NEIGHBOUR", "HOUSING_FACILITY"]);
    t.register(bureau, channel, kind);
    let origin = if way == Way::National { "NATIONAL_BUREAU" } else { "DIRECT" };
    let (petitioner, number) = (t.applicant.clone(), format!("XF{:018}", t.number()));
    t.act(
        "PetitionReceived",
        bureau,
        "PETO",
        json!({
            "form": form, "kind": "CLAIM", "headcount": 1, "direct": way != Way::National, "origin": origin,
            "channel": channel, "petitioners": [petitioner], "number": number, "procedure": "ORDINARY",
            "anonymous": false, "litigation_related": false,
        }),
    )
}

fn sent(t: &mut Telling<'_>, bureau: &str, organ: &str, petition: Step, way: Way) -> Step {
    let (letter, day, by) = (t.document("信访转送函", "S1"), t.day(), t.day_after(35).to_string());
    let mut data = json!({
        "target": organ, "delivered_on": day.to_string(), "importance": "NORMAL", "petition": petition,
        "legal_basis": "信访工作条例第22条", "documents": [letter],
    });
    if let Some(data) = data.as_object_mut().filter(|_| way == Way::National) {
        data.extend([("report_by".to_owned(), Json::from(by)), ("origin".to_owned(), json!("NATIONAL_BUREAU"))]);
        return t.act("PetitionAssigned", bureau, "PETO", Json::Object(data.clone()));
    }
    t.act("PetitionForwarded", bureau, "PETO", data)
}
