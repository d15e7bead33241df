//! Petition and mediation (访调对接): forwarded, accepted, mediated by delegation, answered, evaluated.

use mediation_domain::calendar::Day;
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::{Value as Json, json};

use super::{script::Step, stage::Delegation, telling::Telling};

/// A petition that the organ in charge has accepted.
struct Accepted<'a> {
    bureau: &'a str,
    organ: &'a str,
    petition: Step,
    on: Day,
}

/// Mediated by the committee of the township, and answered with the agreement.
pub(super) fn mediated(t: &mut Telling<'_>) {
    let accepted = accepted(t, "PetitionForwarded");
    let agreement = delegated(t, &accepted);
    answered(t, &accepted, Some(agreement));
    evaluated(t, &accepted);
    let committee = t.place.committee();
    t.perform(committee, "MED", "VOLUNTARY");
    concluded(t, "MEDIATED", "FULL_PERFORMANCE");
}

/// Assigned with a day to report by, supervised, and given more time by the head of the organ.
pub(super) fn extended(t: &mut Telling<'_>) {
    let accepted = accepted(t, "PetitionAssigned");
    let (bureau, organ) = (accepted.bureau, accepted.organ);
    t.wait_some(2, 5);
    let by = t.day_after(6).to_string();
    let order = t.act(
        "SupervisionOrderIssued",
        bureau,
        "PETO",
        json!({"target": organ, "clock_id": "XF-5", "answer_by": by, "matter": "请加快办理并反馈进展。"}),
    );
    t.wait_some(1, 3);
    t.act("SupervisionOrderAnswered", organ, "HEAD", json!({"order": order, "done": true, "measures": "已约谈双方。"}));
    t.wait(1);
    let day = t.day().to_string();
    t.act(
        "DeadlineExtended",
        organ,
        "HEAD",
        json!({
            "clock_id": "XF-5", "days": 20, "approver_role": "HEAD", "requested_on": day, "reason": "COMPLEX",
            "party_told_on": day,
        }),
    );
    let agreement = delegated(t, &accepted);
    answered(t, &accepted, Some(agreement));
    evaluated(t, &accepted);
    let committee = t.place.committee();
    t.perform(committee, "MED", "VOLUNTARY");
    concluded(t, "MEDIATED", "FULL_PERFORMANCE");
}

/// Answered without an agreement; the petitioner lets the time for a review pass.
pub(super) fn explained(t: &mut Telling<'_>) {
    let accepted = accepted(t, "PetitionForwarded");
    t.within("XF-5", accepted.on, 12);
    answered(t, &accepted, None);
    let answered = t.day();
    evaluated(t, &accepted);
    t.lapse("XF-6", answered);
    concluded(t, "PETITION_TERMINATED", "FINAL_DECISION");
}

/// Answered, reviewed, re-reviewed and terminated (三级终结).
pub(super) fn terminated(t: &mut Telling<'_>) {
    let accepted = accepted(t, "PetitionForwarded");
    let (county, city) = (t.place.nearest(AgencyKind::Government), t.place.of_city(AgencyKind::Government));
    t.within("XF-5", accepted.on, 12);
    let reply = answered(t, &accepted, None);
    t.wait_some(3, 10);
    let request = t.act(
        "ReviewRequested",
        county,
        "PETO",
        json!({"organ": county, "against": reply, "grounds": "认为处理意见未解决诉求。"}),
    );
    let asked = t.day();
    t.within("XF-7", asked, 10);
    let (opinion, day) = (t.document("复查意见书", "S2"), t.day().to_string());
    let review = t.act(
        "ReviewDecided",
        county,
        "HEAD",
        json!({
            "result": "UPHELD", "request": request, "opinion": opinion, "receipt_on": day, "re_review_right_told": true,
        }),
    );
    t.wait_some(3, 10);
    let request = t.act(
        "ReReviewRequested",
        city,
        "PETO",
        json!({"organ": city, "against": review, "grounds": "不服复查意见。"}),
    );
    let asked = t.day();
    t.within("XF-9", asked, 10);
    let opinion = t.document("复核意见书", "S2");
    let last = t.act(
        "ReReviewDecided",
        city,
        "HEAD",
        json!({"result": "UPHELD", "published": true, "request": request, "opinion": opinion}),
    );
    t.wait(2);
    t.act("PetitionTerminated", city, "HEAD", json!({"opinions": [reply, review, last]}));
    t.wait(1);
    concluded(t, "PETITION_TERMINATED", "FINAL_DECISION");
}

/// From the bureau's counter to the organ's written notice.
fn accepted<'a>(t: &mut Telling<'a>, sent: &'static str) -> Accepted<'a> {
    let bureau = t.place.nearest(AgencyKind::Petition);
    let organ = t.place.nearest(AgencyKind::TownshipGovernment);
    let kind = t.one_of("PUBLIC_WORKS_DAMAGE", &["SUBSIDY", "NEIGHBOUR", "HOUSING_FACILITY"]);
    t.register(bureau, "WALK_IN", kind);
    let (petitioner, number) = (t.applicant.clone(), format!("XF{:018}", t.number()));
    let petition = t.act(
        "PetitionReceived",
        bureau,
        "PETO",
        json!({
            "form": "VISIT", "kind": "CLAIM", "headcount": 1, "direct": true, "origin": "DIRECT", "channel": "WALK_IN",
            "petitioners": [petitioner], "number": number, "procedure": "ORDINARY", "anonymous": false,
            "litigation_related": false,
        }),
    );
    t.procedures.push(json!({"kind": "PETITION", "number": number, "state": "COMPLETED"}));
    let received = t.day();
    t.within("XF-1", received, 3);
    let (letter, day, by) = (t.document("信访转送函", "S1"), t.day(), t.day_after(60).to_string());
    let mut data = json!({
        "target": organ, "delivered_on": day.to_string(), "importance": "NORMAL", "petition": petition,
        "legal_basis": "信访工作条例第22条", "documents": [letter],
    });
    if let Some(data) = data.as_object_mut().filter(|_| sent == "PetitionAssigned") {
        data.extend([("report_by".to_owned(), Json::from(by)), ("origin".to_owned(), json!("COUNTY_BUREAU"))]);
    }
    let proposal = t.act(sent, bureau, "PETO", data);
    t.within("XF-4", day, 2);
    t.take(proposal, organ, "ADM");
    t.within("XF-3", day, 2);
    let (notice, on) = (t.document("信访事项受理告知书", "S1"), t.day());
    t.act(
        "PetitionAccepted",
        organ,
        "ADM",
        json!({
            "notice_on": on.to_string(), "routes_told": ["LITIGATION", "PETITION_REVIEW"], "petition": petition,
            "notice": notice,
        }),
    );
    Accepted { bureau, organ, petition, on }
}

/// The organ delegates the mediation, and hears of the agreement.
fn delegated(t: &mut Telling<'_>, accepted: &Accepted<'_>) -> Step {
    let (organ, committee) = (accepted.organ, t.place.committee());
    t.wait_some(0, 2);
    let consent = t.consent(organ, "ADM", "WRITTEN");
    let proposal = t.delegate(
        Delegation {
            from: organ, role: "ADM", to: committee, purpose: "MEDIATION", basis: "信访工作条例第33条"
        },
        consent,
    );
    let proposed = t.day();
    t.within("HD-1", proposed, 1);
    t.take(proposal, committee, "MED");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 2);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let file = t.file_number();
    t.procedures.push(json!({"kind": "DELEGATED_MEDIATION", "number": file, "state": "SETTLED"}));
    let due = t.day_after(15);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(0, 1);
    let report = t.report(proposal, committee, Some(agreement));
    let reported = t.day();
    t.within("HD-3", reported, 1);
    t.acknowledge(report, organ, "ADM", "REPLY");
    agreement
}

/// The organ's written opinion.
fn answered(t: &mut Telling<'_>, accepted: &Accepted<'_>, agreement: Option<Step>) -> Step {
    t.wait_some(1, 2);
    let (opinion, day) = (t.document("信访事项处理意见书", "S2"), t.day().to_string());
    let mut data = json!({
        "result": if agreement.is_some() { "SUPPORTED" } else { "EXPLAINED" }, "law_basis": "信访工作条例第32、34条",
        "opinion": opinion, "receipt_on": day, "review_right_told": true, "petition": accepted.petition,
    });
    if let (Some(data), Some(agreement)) = (data.as_object_mut(), agreement) {
        data.insert("agreement".to_owned(), json!(agreement));
    }
    t.act("PetitionReplied", accepted.organ, "HEAD", data)
}

fn evaluated(t: &mut Telling<'_>, accepted: &Accepted<'_>) {
    let petitioner = t.applicant.clone();
    let score = t.one_of("SATISFIED", &["VERY_SATISFIED", "SATISFIED", "NEUTRAL"]);
    t.wait_some(1, 3);
    t.act("PetitionEvaluated", accepted.bureau, "PETO", json!({"score": score, "evaluated_by": petitioner}));
}

fn concluded(t: &mut Telling<'_>, outcome: &str, ground: &str) {
    let center = t.place.center();
    t.wait_some(1, 3);
    t.follow_up(center);
    t.close(center, outcome, ground);
}
