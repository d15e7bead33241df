//! Wages and work: inspection, legal aid, arbitration (欠薪、劳动争议).

use mediation_domain::calendar::Day;
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::json;

use super::{script::Step, telling::Telling};

/// An application for arbitration that was accepted.
struct Accepted<'a> {
    board: &'a str,
    number: String,
    on: Day,
}

/// The inspection makes the employer pay.
pub(super) fn inspected(t: &mut Telling<'_>) {
    let (center, bureau) = (t.place.center(), t.place.nearest(AgencyKind::HumanResources));
    taken_in(t, center, bureau);
    let opened = inspection(t, bureau);
    t.within("LD-8", opened, 12);
    let (number, decision) = (number_of(t, "人社察结"), t.document("劳动监察结案审批表", "S2"));
    t.act(
        "LaborInspectionDecided",
        bureau,
        "INSP",
        json!({"result": "CORRECTED_PAID", "number": number, "decision": decision, "amount_paid": 41_200_000}),
    );
    t.procedures.push(json!({"kind": "LABOUR_INSPECTION", "number": number, "state": "COMPLETED"}));
    concluded(t, "PAID", "NO_OBLIGATION");
}

/// With a lawyer assigned, both sides settle before the arbitrator.
pub(super) fn arbitrated_by_agreement(t: &mut Telling<'_>) {
    let accepted = before_the_board(t);
    let board = accepted.board;
    t.within("LD-5", accepted.on, 10);
    let (statement, day) = (t.document("仲裁调解书", "S2"), t.day().to_string());
    let mut signers: Vec<_> = t.parties().iter().map(|person| json!({"kind": "PARTY", "person": person})).collect();
    signers.extend([json!({"kind": "ARBITRATOR", "person": format!("{board}/ARB-1")}), json!({"kind": "SEAL"})]);
    let issued = t.act(
        "ArbitrationMediationStatementIssued",
        board,
        "ARB",
        json!({
            "document_signers": signers, "statement": statement, "number": accepted.number, "receipt_on": day,
            "amount": 41_200_000,
        }),
    );
    let due = t.day_after(12);
    t.owe(issued, board, "ARB", due);
    t.wait_some(2, 9);
    let bureau = t.place.nearest(AgencyKind::HumanResources);
    t.perform(bureau, "INSP", "VOLUNTARY");
    t.procedures.push(json!({"kind": "LABOUR_ARBITRATION", "number": accepted.number, "state": "SETTLED"}));
    concluded(t, "ARBITRATION_MEDIATED", "FULL_PERFORMANCE");
}

/// Mediation before the board fails, and it renders an award that nobody sues against.
pub(super) fn awarded(t: &mut Telling<'_>) {
    let accepted = before_the_board(t);
    t.within("LD-5", accepted.on, 18);
    let (award, day) = (t.document("仲裁裁决书", "S2"), t.day());
    t.act(
        "ArbitralAwardRendered",
        accepted.board,
        "ARB",
        json!({
            "kind": "LABOUR", "final": false, "award": award, "number": accepted.number, "receipt_on": day.to_string(),
            "mediation_tried": true, "suit_right_told": true, "amount": 41_200_000,
        }),
    );
    t.procedures.push(json!({"kind": "LABOUR_ARBITRATION", "number": accepted.number, "state": "COMPLETED"}));
    t.lapse("LD-6", day);
    concluded(t, "AWARDED", "FINAL_DECISION");
}

/// Inspection, legal aid and the application to the board.
fn before_the_board<'a>(t: &mut Telling<'a>) -> Accepted<'a> {
    let (center, bureau) = (t.place.center(), t.place.nearest(AgencyKind::HumanResources));
    let board = t.place.nearest(AgencyKind::Arbitration);
    taken_in(t, center, bureau);
    let opened = inspection(t, bureau);
    t.wait_some(1, 3);
    aided(t);
    t.within("LD-8", opened, 1);
    let (number, decision) = (number_of(t, "人社察结"), t.document("劳动监察结案审批表", "S2"));
    t.act(
        "LaborInspectionDecided",
        bureau,
        "INSP",
        json!({"result": "OTHER_ROUTE", "number": number, "decision": decision}),
    );
    t.procedures.push(json!({"kind": "LABOUR_INSPECTION", "number": number, "state": "COMPLETED"}));
    t.lead(center, bureau, board, "PROCEDURE_CHANGED");
    let (applicant, respondent, known) = (t.applicant.clone(), t.respondent.clone(), t.day().plus(-30).to_string());
    let application = t.act(
        "ArbitrationApplied",
        board,
        "ARB",
        json!({
            "kind": "LABOUR", "claims": ["WAGES"], "workers": 12, "applicants": [applicant], "respondent": respondent,
            "amount": 41_200_000, "known_on": known, "claim": "请求支付拖欠工资。",
        }),
    );
    let applied = t.day();
    t.within("LD-2", applied, 2);
    let (number, on) = (number_of(t, "劳人仲字"), t.day());
    let acceptance = t.act(
        "ArbitrationAccepted",
        board,
        "ARB",
        json!({"kind": "LABOUR", "number": number, "application": application}),
    );
    if t.knows("ArbitrationServed") {
        answered(t, board, acceptance, on);
    }
    Accepted { board, number, on }
}

/// The application is served on the employer, whose answer goes to the workers (调解仲裁法第30条).
fn answered(t: &mut Telling<'_>, board: &str, acceptance: Step, accepted: Day) {
    t.within("LD-3a", accepted, 2);
    let served = t.day();
    let service = t.act(
        "ArbitrationServed",
        board,
        "ARB",
        json!({"kind": "LABOUR", "served_on": served.to_string(), "acceptance": acceptance}),
    );
    t.within("LD-3b", served, 4);
    let (answer, received) = (t.document("答辩书", "S2"), t.day());
    let answered = t.act(
        "ArbitrationAnswered",
        board,
        "ARB",
        json!({"kind": "LABOUR", "answer": answer, "received_on": received.to_string(), "served": service}),
    );
    t.within("LD-3c", received, 1);
    let day = t.day().to_string();
    t.act("ArbitrationAnswerForwarded", board, "ARB", json!({"served_on": day, "answered": answered}));
}

fn taken_in(t: &mut Telling<'_>, center: &str, bureau: &str) {
    t.register(center, "WALK_IN", "UNPAID_WAGES");
    let (record, representative) = (t.document("推选代表记录", "S2"), t.applicant.clone());
    t.act(
        "PartyRepresentativeElected",
        center,
        "REG",
        json!({"representatives": [representative], "represented_count": 12, "election_record": record}),
    );
    t.lead(center, center, bureau, "COMPETENCE");
    t.wait_some(0, 1);
}

fn inspection(t: &mut Telling<'_>, bureau: &str) -> Day {
    let (number, employer) = (number_of(t, "人社察立"), t.respondent.clone());
    t.act(
        "LaborInspectionOpened",
        bureau,
        "INSP",
        json!({"number": number, "employer": employer, "workers": 12, "amount": 48_000_000}),
    );
    t.day()
}

/// Legal aid is applied for, granted and assigned (法律援助).
pub(super) fn aided(t: &mut Telling<'_>) {
    let (aid, office) = (t.place.nearest(AgencyKind::LegalAid), t.place.nearest(AgencyKind::LawOffice));
    let applicant = t.applicant.clone();
    let application = t.act(
        "LegalAidApplied",
        aid,
        "LAID",
        json!({
            "matter": "WAGES", "means_test": "WAIVED_MIGRANT_WORKER", "applicants": [applicant], "headcount": 12,
            "channel": "HALL", "claim": "请求援助讨薪。",
        }),
    );
    let applied = t.day();
    t.within("FL-1", applied, 2);
    let (number, decision) = (number_of(t, "援"), t.document("给予法律援助决定书", "S2"));
    let grant = t.act(
        "LegalAidGranted",
        aid,
        "LAID",
        json!({"ground": "WAIVED_MIGRANT_WORKER", "application": application, "number": number, "decision": decision}),
    );
    let granted = t.day();
    t.within("FL-2", granted, 1);
    t.procedures.push(json!({"kind": "LEGAL_AID", "number": number, "state": "COMPLETED"}));
    let lawyer = format!("L-{}", 10 + t.draw(0, 80));
    t.act("LegalAidAssigned", aid, "LAID", json!({"lawyer": lawyer, "lawyer_office": office, "grant": grant}));
}

fn number_of(t: &mut Telling<'_>, kind: &str) -> String {
    format!("{kind}〔{}〕第{}号", t.day().year(), t.number())
}

fn concluded(t: &mut Telling<'_>, outcome: &str, ground: &str) {
    let center = t.place.center();
    t.wait_some(1, 4);
    t.follow_up(center);
    t.close(center, outcome, ground);
}
