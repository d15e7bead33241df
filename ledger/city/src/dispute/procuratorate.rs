//! Procuratorate and mediation (检调对接): reconciliation in criminal cases, supervision of judgments, support of suits.

use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::json;

use super::{court, police, script::Step, stage::Delegation, telling::Telling};

/// A minor injury between neighbours: the civil part is mediated, the parties reconcile, no prosecution (刑事和解).
pub(super) fn reconciled(t: &mut Telling<'_>) {
    let (police, prosecutor) = (t.place.nearest(AgencyKind::Police), t.place.nearest(AgencyKind::Procuratorate));
    police::incident(t, police, "C_CRIME");
    t.register(police, "POLICE_110", "MINOR_CRIME");
    t.wait_some(1, 2);
    let (number, suspect) = (police::police_number(t, "立字"), t.respondent.clone());
    t.act("CriminalCaseOpened", police, "POL", json!({"number": number, "charge": "故意伤害", "suspects": [suspect]}));
    t.wait_some(15, 30);
    let (opinion, file) = (t.document("起诉意见书", "S2"), t.document("案卷材料", "S3"));
    let sent = t.day();
    let proposal = t.act(
        "CaseTransferredForProsecution",
        police,
        "POL",
        json!({
            "target": prosecutor, "opinion": opinion, "delivered_on": sent.to_string(), "legal_basis": "刑事诉讼法第162条",
            "documents": [file], "reconciled": false,
        }),
    );
    t.within("HD-1", sent, 1);
    t.take(proposal, prosecutor, "PROS");
    let review = civil_part(t, prosecutor);
    let (document, victim, suspect) = (t.document("刑事和解协议书", "S2"), t.applicant.clone(), t.respondent.clone());
    let signed = t.act(
        "CriminalReconciliationAgreementSigned",
        prosecutor,
        "PROS",
        json!({
            "document_signers": [{"kind": "PARTY", "person": victim}, {"kind": "PARTY", "person": suspect}],
            "agreement": document, "review": review, "instalments": false, "guarantee": false, "copies": 3,
        }),
    );
    t.perform(prosecutor, "PROS", "VOLUNTARY");
    t.within("JC-7", sent, 2);
    let (number, decision) = (number_of(t, "刑不诉"), t.document("不起诉决定书", "S2"));
    t.act(
        "NonProsecutionDecided",
        prosecutor,
        "PROS",
        json!({
            "number": number, "ground": "RELATIVE", "reconciliation": signed, "parties_heard": true, "decision": decision,
        }),
    );
    t.procedures.push(json!({"kind": "CRIMINAL_RECONCILIATION", "number": number, "state": "COMPLETED"}));
    concluded(t, "CRIMINAL_RECONCILED");
}

/// The procuratorate suggests to reconcile, a committee mediates the civil part, and the result is reviewed.
fn civil_part(t: &mut Telling<'_>, prosecutor: &str) -> Step {
    let committee = t.place.county_committee();
    t.wait(1);
    let notice = t.document("权利义务告知书", "S1");
    t.act(
        "CriminalReconciliationSuggested",
        prosecutor,
        "PROS",
        json!({
            "eligibility": "CHAPTER_4_5_UNDER_3_YEARS", "no_intentional_crime_in_5_years": true, "rights_told": true,
            "notice": notice,
        }),
    );
    let consent = t.consent(prosecutor, "PROS", "WRITTEN");
    let proposal = t.delegate(
        Delegation {
            from: prosecutor,
            role: "PROS",
            to: committee,
            purpose: "CIVIL_PART_MEDIATION",
            basis: "人民检察院刑事诉讼规则第492条",
        },
        consent,
    );
    let proposed = t.day();
    t.within("HD-1", proposed, 1);
    t.take(proposal, committee, "MED");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 2);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 1);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(6);
    t.owe(agreement, committee, "MED", due);
    let report = t.report(proposal, committee, Some(agreement));
    let reported = t.day();
    t.within("HD-3", reported, 1);
    t.acknowledge(report, prosecutor, "PROS", "CONTINUE");
    let (parties, digest) = (t.parties(), t.digest());
    t.act(
        "CriminalReconciliationReviewed",
        prosecutor,
        "PROS",
        json!({
            "voluntary": true, "lawful": true, "record_digest": digest, "civil_agreement": agreement,
            "parties_heard": parties,
        }),
    )
}

/// A judgment is retried on the suggestion of the procuratorate, and the parties settle (再审检察建议).
pub(super) fn supervised(t: &mut Telling<'_>) {
    let (center, above) = (t.place.center(), t.place.of_city(AgencyKind::Court));
    let (court, prosecutor) = (t.place.nearest(AgencyKind::Court), t.place.nearest(AgencyKind::Procuratorate));
    t.register(center, "WALK_IN", "LOAN");
    t.wait(1);
    t.lead(center, center, above, "COMPETENCE");
    let (applicant, old) = (t.applicant.clone(), t.case_number(court, "民初"));
    let before = t.day().plus(-60).to_string();
    let application = t.act(
        "RetrialApplied",
        above,
        "JAST",
        json!({
            "applicants": [applicant], "grounds": ["NEW_EVIDENCE"], "judgment_number": old, "effective_on": before,
        }),
    );
    let applied = t.day();
    t.within("SS-10", applied, 15);
    let (number, ruling) = (t.case_number(above, "民申"), t.document("民事裁定书", "S2"));
    let rejected = t.act(
        "RetrialRejected",
        above,
        "JUDGE",
        json!({"number": number, "ruling": ruling, "application": application, "supervision_told": true}),
    );
    t.wait_some(3, 6);
    let applied = t.act(
        "SupervisionApplied",
        prosecutor,
        "PROS",
        json!({"judgment_number": old, "ground": "RETRIAL_REJECTED", "proof": rejected, "applicant": t.applicant}),
    );
    let asked = t.day();
    t.within("JC-1", asked, 2);
    t.act(
        "ProceduralReplySent",
        prosecutor,
        "PROS",
        json!({"content": "ACCEPTED", "channel": "LETTER", "answers": applied, "reply": "依法审查，三个月内答复。"}),
    );
    let number = number_of(t, "民监");
    let accepted = t.act("SupervisionAccepted", prosecutor, "PROS", json!({"number": number, "application": applied}));
    t.procedures.push(json!({"kind": "CIVIL_SUPERVISION", "number": number, "state": "COMPLETED"}));
    let reviewed = t.day();
    t.lead(center, above, prosecutor, "PROCEDURE_CHANGED");
    t.within("JC-3", reviewed, 20);
    let (letter, day) = (t.document("再审检察建议书", "S2"), t.day().to_string());
    let suggestion = t.act(
        "ProcuratorialSuggestionIssued",
        prosecutor,
        "PROS",
        json!({
            "kind": "RETRIAL", "target": court, "number": number, "committee_decided_on": day, "supervision": accepted,
            "legal_basis": "民事诉讼法第219条", "documents": [letter],
        }),
    );
    let issued = t.day();
    t.within("HD-1", issued, 1);
    t.take(suggestion, court, "JAST");
    retried(t, court, suggestion);
}

fn retried(t: &mut Telling<'_>, court: &str, suggestion: Step) {
    let received = t.day();
    t.within("JC-4", received, 20);
    let (number, ruling) = (t.case_number(court, "民申"), t.document("再审裁定书", "S2"));
    t.act(
        "RetrialOrdered",
        court,
        "JUDGE",
        json!({
            "number": number, "source": "SUGGESTION", "ruling": ruling, "answers": suggestion, "enforcement_stayed": true,
        }),
    );
    let letter = t.document("复函", "S1");
    t.act(
        "ProcuratorialSuggestionAnswered",
        court,
        "JUDGE",
        json!({"suggestion": suggestion, "answer": "ADOPTED", "letter": letter, "reasons": "决定再审。"}),
    );
    let number = t.case_number(court, "民再");
    t.act(
        "CaseFiled",
        court,
        "JUDGE",
        json!({
            "case_number": number, "number_type": "MIN_ZAI", "cause_of_action": "民间借贷纠纷", "procedure": "RETRIAL",
        }),
    );
    t.wait_some(8, 15);
    let (record, attendees) = (t.document("庭审笔录", "S2"), t.parties());
    t.act(
        "HearingHeld",
        court,
        "JUDGE",
        json!({"record": record, "attendees": attendees, "public": true, "online": false}),
    );
    court::settled_before_the_judge(t, court, &number);
    t.procedures.push(json!({"kind": "LITIGATION", "number": number, "state": "SETTLED"}));
    concluded(t, "COURT_MEDIATED");
}

/// Day labourers without a contract of employment sue with the support of the procuratorate (支持起诉).
pub(super) fn supported(t: &mut Telling<'_>) {
    let (center, court) = (t.place.center(), t.place.nearest(AgencyKind::Court));
    let prosecutor = t.place.nearest(AgencyKind::Procuratorate);
    t.register(center, "WALK_IN", "UNPAID_WAGES");
    t.lead(center, center, prosecutor, "COMPETENCE");
    let applicant = t.applicant.clone();
    let application = t.act(
        "SupportForProsecutionApplied",
        prosecutor,
        "PROS",
        json!({"ground": "MIGRANT_WORKER", "applicants": [applicant], "headcount": 6, "claim_amount": 6_800_000}),
    );
    let applied = t.day();
    t.within("JC-1", applied, 2);
    t.act(
        "ProceduralReplySent",
        prosecutor,
        "PROS",
        json!({"content": "ACCEPTED", "channel": "WALK_IN", "answers": application, "reply": "已受理支持起诉申请。"}),
    );
    t.wait_some(2, 6);
    let (number, opinion) = (number_of(t, "民支"), t.document("支持起诉意见书", "S2"));
    let issued = t.act(
        "SupportForProsecutionIssued",
        prosecutor,
        "PROS",
        json!({"number": number, "court": court, "application": application, "opinion": opinion}),
    );
    t.procedures.push(json!({"kind": "SUPPORT_FOR_PROSECUTION", "number": number, "state": "COMPLETED"}));
    t.lead(center, prosecutor, court, "PROCEDURE_CHANGED");
    t.wait(1);
    let (complaint, receipt) = (t.document("起诉状", "S2"), t.document("材料收据", "S1"));
    let filing = t.act(
        "FilingMaterialReceived",
        court,
        "JAST",
        json!({
            "plaintiffs": [applicant], "documents": [complaint], "receipt": receipt, "online": false, "suit": "CIVIL",
            "supported_by": issued,
        }),
    );
    let received = t.day();
    t.within("SS-1", received, 1);
    let (number, filed) = (t.case_number(court, "民初"), t.day());
    t.act(
        "CaseFiled",
        court,
        "JUDGE",
        json!({
            "case_number": number, "number_type": "MIN_CHU", "cause_of_action": "劳务合同纠纷", "procedure": "SIMPLE",
            "filing": filing, "claim_amount": 6_800_000,
        }),
    );
    t.within("SS-5", filed, 7);
    court::settled_before_the_judge(t, court, &number);
    t.procedures.push(json!({"kind": "LITIGATION", "number": number, "state": "SETTLED"}));
    concluded(t, "PAID");
}

fn number_of(t: &mut Telling<'_>, kind: &str) -> String {
    format!("检{kind}〔{}〕{}号", t.day().year(), t.number())
}

fn concluded(t: &mut Telling<'_>, outcome: &str) {
    let center = t.place.center();
    t.wait_some(1, 4);
    t.follow_up(center);
    t.close(center, outcome, "FULL_PERFORMANCE");
}
