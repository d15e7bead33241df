//! Court and mediation (诉调对接): delegation before filing, confirmation, enforcement, and the fast track when
//! mediation fails.

use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::json;

use super::{script::Step, stage::Delegation, telling::Telling};

/// A delegated mediation that ended in an agreement, which the court took note of.
struct Agreed<'a> {
    court: &'a str,
    committee: &'a str,
    agreement: Step,
}

/// 委派调解 that succeeds and is performed.
pub(super) fn delegated(t: &mut Telling<'_>) {
    let agreed = mediated_for_the_court(t, "WALK_IN", false);
    t.wait_some(2, 8);
    t.perform(agreed.committee, "MED", "VOLUNTARY");
    concluded(t, "MEDIATED");
}

/// The same, for what came in on the platform of 乐平.
pub(super) fn delegated_online(t: &mut Telling<'_>) {
    let agreed = mediated_for_the_court(t, "ONLINE_LEFA", false);
    t.wait_some(2, 8);
    t.perform(agreed.committee, "MED", "VOLUNTARY");
    concluded(t, "MEDIATED");
}

/// The first committee must step aside and returns the matter; the court asks another (退回).
pub(super) fn returned(t: &mut Telling<'_>) {
    let agreed = mediated_for_the_court(t, "WALK_IN", true);
    t.wait_some(2, 8);
    t.perform(agreed.committee, "MED", "VOLUNTARY");
    concluded(t, "MEDIATED");
}

/// The agreement is confirmed by the court (司法确认), then performed.
pub(super) fn confirmed(t: &mut Telling<'_>) {
    let agreed = mediated_for_the_court(t, "WALK_IN", false);
    confirm(t, &agreed);
    t.wait_some(1, 4);
    t.perform(agreed.committee, "MED", "VOLUNTARY");
    concluded(t, "CONFIRMED");
}

/// The confirmed agreement is not performed, and is enforced (强制执行).
pub(super) fn enforced(t: &mut Telling<'_>) {
    let agreed = mediated_for_the_court(t, "WALK_IN", false);
    let (court, granted) = (agreed.court, confirm(t, &agreed));
    t.wait(30);
    let center = t.place.center();
    t.obligations.insert("O1".to_owned(), "DEFAULTED");
    t.act("ObligationDefaulted", center, "SYS", json!({"obligation_ids": ["O1"], "explanation": "期满未见付款凭证。"}));
    t.wait_some(2, 5);
    let applicant = t.applicant.clone();
    let application = t.act(
        "EnforcementApplied",
        court,
        "JAST",
        json!({
            "applicant": applicant, "title": "CONFIRMATION_RULING", "title_step": granted, "obligation_ids": ["O1"],
        }),
    );
    let (applied, number) = (t.day(), t.case_number(court, "执"));
    t.within("ZX-2", applied, 2);
    t.act("EnforcementFiled", court, "EXEC", json!({"number": number, "application": application}));
    t.procedures.push(json!({"kind": "ENFORCEMENT", "number": number, "state": "COMPLETED"}));
    t.wait_some(2, 8);
    let ruling = t.document("冻结裁定书", "S2");
    t.act("EnforcementMeasureTaken", court, "EXEC", json!({"measure": "ACCOUNT_FROZEN", "decision": ruling}));
    t.wait_some(10, 25);
    let notice = t.document("结案通知书", "S1");
    t.act(
        "EnforcementCompleted",
        court,
        "EXEC",
        json!({"amount": 1_000_000, "interest": 3_000, "obligation_ids": ["O1"], "notice": notice}),
    );
    t.perform(court, "EXEC", "ENFORCED");
    concluded(t, "CONFIRMED_AND_ENFORCED");
}

/// Mediation fails, the plaintiff insists, and the fast track judges (速裁快审).
pub(super) fn judged(t: &mut Telling<'_>) {
    let filed = failed_and_filed(t, "WALK_IN", "SMALL_CLAIMS");
    let court = filed.court;
    t.within("SS-6", filed.on, 6);
    let judgment = t.document("民事判决书", "S2");
    let day = t.day_after(2).to_string();
    let rendered = t.act(
        "JudgmentRendered",
        court,
        "JUDGE",
        json!({
            "number": filed.number, "kind": "JUDGMENT", "appealable": false, "judgment": judgment, "receipt_on": day,
            "amount": 2_100_000, "holding": "被告支付货款；本判决为终审判决。",
        }),
    );
    t.wait(2);
    let day = t.day().to_string();
    t.act(
        "JudgmentEffective",
        court,
        "JAST",
        json!({"effective_on": day, "ground": "FIRST_INSTANCE_FINAL", "judgment": rendered, "number": filed.number}),
    );
    let due = t.day_after(10);
    t.owe(rendered, court, "JUDGE", due);
    t.wait_some(2, 8);
    t.perform(court, "JAST", "VOLUNTARY");
    concluded(t, "ADJUDICATED");
}

/// Filed under the simple procedure, and settled before the judge.
pub(super) fn settled_in_court(t: &mut Telling<'_>) {
    let filed = failed_and_filed(t, "WALK_IN", "SIMPLE");
    let court = filed.court;
    t.within("SS-5", filed.on, 4);
    settled_before_the_judge(t, court, &filed.number);
    concluded(t, "COURT_MEDIATED");
}

/// Entrusted to a committee during the suit (委托调解), and settled there.
pub(super) fn entrusted(t: &mut Telling<'_>) {
    let filed = failed_and_filed(t, "WALK_IN", "SIMPLE");
    let (court, committee) = (filed.court, t.place.committee());
    let consent = t.consent(court, "JAST", "WRITTEN");
    let proposal = t.delegate(
        Delegation {
            from: court,
            role: "JUDGE",
            to: committee,
            purpose: "ENTRUSTED_MEDIATION",
            basis: "特邀调解规定第11条",
        },
        consent,
    );
    let proposed = t.day();
    t.within("TJ-9", proposed, 1);
    t.take(proposal, committee, "MED");
    let from = t.day();
    t.appoint(committee);
    t.within("TJ-8b", from, 2);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    t.wait(1);
    let report = t.report(proposal, committee, Some(agreement));
    let reported = t.day();
    t.within("HD-3", reported, 1);
    t.acknowledge(report, court, "JAST", "CONTINUE");
    t.wait_some(1, 3);
    settled_before_the_judge(t, court, &filed.number);
    concluded(t, "COURT_MEDIATED");
}

/// Judged with a right to appeal, and appealed against before the intermediate court.
pub(super) fn appealed(t: &mut Telling<'_>) {
    let filed = failed_and_filed(t, "WALK_IN", "SIMPLE");
    let (court, above) = (filed.court, t.place.of_city(AgencyKind::Court));
    t.within("SS-5", filed.on, 6);
    let (judgment, day) = (t.document("民事判决书", "S2"), t.day().to_string());
    let rendered = t.act(
        "JudgmentRendered",
        court,
        "JUDGE",
        json!({
            "number": filed.number, "kind": "JUDGMENT", "appealable": true, "judgment": judgment, "receipt_on": day,
            "appeal_told": true, "holding": "被告支付货款。",
        }),
    );
    t.wait_some(3, 8);
    let respondent = t.respondent.clone();
    t.act(
        "AppealFiled",
        above,
        "JAST",
        json!({"appellants": [respondent], "against": "JUDGMENT", "judgment": rendered}),
    );
    let appealed = t.day();
    t.within("SS-8a", appealed, 20);
    let (judgment, day, number) = (t.document("民事判决书", "S2"), t.day().to_string(), t.case_number(above, "民终"));
    let upheld = t.act(
        "JudgmentRendered",
        above,
        "JUDGE",
        json!({
            "number": number, "kind": "JUDGMENT", "appealable": false, "judgment": judgment, "receipt_on": day,
            "holding": "驳回上诉，维持原判。",
        }),
    );
    t.act(
        "JudgmentEffective",
        above,
        "JAST",
        json!({"effective_on": day, "ground": "SECOND_INSTANCE", "judgment": upheld, "number": number}),
    );
    t.procedures.push(json!({"kind": "LITIGATION", "number": number, "state": "COMPLETED"}));
    let due = t.day_after(10);
    t.owe(upheld, above, "JUDGE", due);
    t.wait_some(2, 8);
    t.perform(court, "JAST", "VOLUNTARY");
    concluded(t, "ADJUDICATED");
}

/// From intake to the court's note of the agreement.
fn mediated_for_the_court<'a>(t: &mut Telling<'a>, channel: &str, first_returns: bool) -> Agreed<'a> {
    let (court, filing, consent) = taken_to_court(t, channel);
    let (first, last) = (t.place.county_committee(), t.place.committee());
    let (mut proposal, mut committee) = (asked(t, court, first, filing, consent), first);
    if first_returns {
        let proposed = t.day();
        t.within("TJ-9", proposed, 1);
        let letter = t.document("退回函", "S1");
        t.act(
            "HandoffReturned",
            first,
            "MED",
            json!({
                "proposal": proposal, "reason": "R6", "competent_agency": last, "documents_returned": ["委托调解函", "案情摘要"],
                "return_letter": letter,
            }),
        );
        t.wait(1);
        let consent = t.consent(court, "JAST", "WRITTEN");
        (proposal, committee) = (delegate_before_filing(t, court, last, consent), last);
    }
    let proposed = t.day();
    t.within("TJ-9", proposed, 1);
    let accepted = t.take(proposal, committee, "MED");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(2, 5);
    t.session(committee, "ON_SITE");
    if first_returns {
        extend(t, committee, "TJ-7", accepted);
        t.wait(4);
    } else {
        t.within("TJ-7", from, 4);
    }
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let file = t.file_number();
    t.procedures.push(json!({"kind": "DELEGATED_MEDIATION", "number": file, "state": "SETTLED"}));
    let due = t.day_after(28);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(0, 1);
    let report = t.report(proposal, committee, Some(agreement));
    let reported = t.day();
    t.within("HD-3", reported, 1);
    t.acknowledge(report, court, "JAST", "CLOSE");
    Agreed { court, committee, agreement }
}

/// A case that was filed after mediation failed.
struct Filed<'a> {
    court: &'a str,
    number: String,
    on: mediation_domain::calendar::Day,
}

/// From intake over a failed mediation to service and hearing.
fn failed_and_filed<'a>(t: &mut Telling<'a>, channel: &str, procedure: &str) -> Filed<'a> {
    let (court, filing, consent) = taken_to_court(t, channel);
    let committee = t.place.county_committee();
    let proposal = asked(t, court, committee, filing, consent);
    let proposed = t.day();
    t.within("TJ-9", proposed, 1);
    t.take(proposal, committee, "MED");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(2, 5);
    t.session(committee, "VIDEO");
    t.within("TJ-7", from, 4);
    let (parties, notice, facts) =
        (t.parties(), t.document("调解终结通知书", "S1"), t.document("无争议事实记载", "S2"));
    t.mediated(
        "MediationFailed",
        committee,
        json!({
            "reason": "AMOUNT", "routes_told": ["LITIGATION", "ARBITRATION"], "undisputed_facts": facts,
            "facts_agreed_by": parties, "notice": notice,
        }),
    );
    let file = t.file_number();
    t.procedures.push(json!({"kind": "DELEGATED_MEDIATION", "number": file, "state": "FAILED"}));
    t.wait_some(0, 1);
    let report = t.report(proposal, committee, None);
    let reported = t.day();
    t.within("HD-3", reported, 1);
    t.acknowledge(report, court, "JAST", "FILE_CASE");
    let insisted = t.day();
    t.within("SS-1", insisted, 2);
    let (number, on) = (t.case_number(court, "民初"), t.day());
    t.act(
        "CaseFiled",
        court,
        "JUDGE",
        json!({
            "case_number": number, "number_type": "MIN_CHU", "cause_of_action": "买卖合同纠纷", "procedure": procedure,
            "filing": filing, "claim_amount": 2_360_000,
        }),
    );
    let judge = format!("{court}/JUDGE-2");
    t.act(
        "FastTrackAssigned",
        court,
        "JUDGE",
        json!({"panel": "综治中心速裁庭", "procedure": procedure, "judge": judge, "in_center": true}),
    );
    t.within("SS-2", on, 2);
    let (day, defendants) = (t.day(), [t.respondent.clone()]);
    t.act(
        "ComplaintServed",
        court,
        "JAST",
        json!({"method": "ELECTRONIC", "served_on": day.to_string(), "defendants": defendants, "all_served": true}),
    );
    t.lapse("SS-3", day);
    let (record, attendees) = (t.document("庭审笔录", "S2"), t.parties());
    t.act(
        "HearingHeld",
        court,
        "JUDGE",
        json!({"record": record, "attendees": attendees, "public": true, "online": false, "defence_period_waived": false}),
    );
    t.procedures.push(json!({"kind": "FAST_TRACK", "number": number, "state": "COMPLETED"}));
    Filed { court, number, on }
}

/// The center takes the dispute in, the court leads, receives the complaint and hears both sides about mediation.
fn taken_to_court<'a>(t: &mut Telling<'a>, channel: &str) -> (&'a str, Step, Step) {
    let (center, court) = (t.place.center(), t.place.nearest(AgencyKind::Court));
    let kind = t.one_of("LEASE", &["SALE", "LOAN", "CONTRACT_OTHER", "PROPERTY_SERVICE"]);
    t.register(center, channel, kind);
    t.wait_some(0, 1);
    t.lead(center, center, court, "COMPETENCE");
    let (plaintiff, complaint) = (t.applicant.clone(), t.document("起诉状", "S2"));
    let (evidence, receipt) = (t.document("证据目录", "S2"), t.document("材料收据", "S1"));
    let filing = t.act(
        "FilingMaterialReceived",
        court,
        "JAST",
        json!({
            "plaintiffs": [plaintiff], "documents": [complaint, evidence], "receipt": receipt, "online": false,
            "suit": "CIVIL", "claim_amount": 2_360_000,
        }),
    );
    t.wait(1);
    let consent = t.consent(court, "JAST", "WRITTEN");
    (court, filing, consent)
}

/// The mediation before filing is registered, which stops the clock of filing, and a committee is asked.
fn asked(t: &mut Telling<'_>, court: &str, committee: &str, filing: Step, consent: Step) -> Step {
    let number = t.case_number(court, "民诉前调");
    t.act(
        "PreFilingMediationRegistered",
        court,
        "JAST",
        json!({"number": number, "filing": filing, "consent": consent}),
    );
    delegate_before_filing(t, court, committee, consent)
}

fn delegate_before_filing(t: &mut Telling<'_>, court: &str, committee: &str, consent: Step) -> Step {
    t.delegate(
        Delegation {
            from: court,
            role: "JAST",
            to: committee,
            purpose: "PRE_FILING_MEDIATION",
            basis: "特邀调解规定第11条",
        },
        consent,
    )
}

/// Both parties agree on more time for the mediation.
fn extend(t: &mut Telling<'_>, committee: &str, clock: &str, opened_by: Step) {
    let consenting = t.parties();
    t.act(
        "DeadlineExtended",
        committee,
        "HEAD",
        json!({
            "clock_id": clock, "opened_by": opened_by, "days": 15, "approver_role": "PARTIES", "reason": "PARTIES_AGREE",
            "consenting": consenting,
        }),
    );
}

/// The joint application, its acceptance and the ruling.
fn confirm(t: &mut Telling<'_>, agreed: &Agreed<'_>) -> Step {
    let court = agreed.court;
    let effective = t.agreed_on;
    t.within("SF-1", effective, 3);
    let (applicants, digest) = (t.parties(), t.digest());
    let application = t.act(
        "JudicialConfirmationApplied",
        court,
        "JAST",
        json!({
            "applicants": applicants, "joint": true, "agreement": agreed.agreement, "agreement_digest": digest,
            "effective_on": effective.to_string(), "both_present": false,
        }),
    );
    let applied = t.day();
    t.within("SF-2", applied, 1);
    let number = t.case_number(court, "民特");
    t.act(
        "JudicialConfirmationAccepted",
        court,
        "JUDGE",
        json!({"number": number, "application": application, "fee_charged": 0}),
    );
    let accepted = t.day();
    t.within("SF-3", accepted, 5);
    let (ruling, day) = (t.document("民事裁定书", "S2"), t.day().to_string());
    t.procedures.push(json!({"kind": "JUDICIAL_CONFIRMATION", "number": number, "state": "COMPLETED"}));
    t.act(
        "JudicialConfirmationGranted",
        court,
        "JUDGE",
        json!({"ruling": ruling, "number": number, "application": application, "receipt_on": day}),
    )
}

/// The judge's statement of what the parties settled, and its performance.
pub(super) fn settled_before_the_judge(t: &mut Telling<'_>, court: &str, number: &str) {
    let (statement, day, judge) = (t.document("民事调解书", "S2"), t.day().to_string(), format!("{court}/JUDGE-2"));
    let mut signers: Vec<_> = t.parties().iter().map(|person| json!({"kind": "PARTY", "person": person})).collect();
    signers.extend([json!({"kind": "COURT_OFFICER", "person": judge}), json!({"kind": "SEAL"})]);
    let issued = t.act(
        "CourtMediationStatementIssued",
        court,
        "JUDGE",
        json!({"number": number, "statement": statement, "document_signers": signers, "receipt_on": day}),
    );
    let due = t.day_after(8);
    t.owe(issued, court, "JUDGE", due);
    t.wait_some(1, 6);
    t.perform(court, "JAST", "VOLUNTARY");
}

/// The center of the county asks how it goes, and closes.
fn concluded(t: &mut Telling<'_>, outcome: &str) {
    let center = t.place.center();
    t.wait_some(1, 4);
    t.follow_up(center);
    t.close(center, outcome, "FULL_PERFORMANCE");
}
