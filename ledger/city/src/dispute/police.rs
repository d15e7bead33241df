//! Police and mediation (公调对接): the committee at the station, and what follows when nothing is agreed or paid.

use mediation_domain::calendar::Day;
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::json;

use super::{script::Step, stage::Delegation, telling::Telling};

/// A minor brawl, mediated and performed: no penalty.
pub(super) fn mediated(t: &mut Telling<'_>) {
    let (police, committee) = (t.place.nearest(AgencyKind::Police), t.place.committee());
    let (proposal, accepted) = docked(t, police, committee);
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 1);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(4);
    t.owe(agreement, committee, "MED", due);
    let report = t.report(proposal, committee, Some(agreement));
    let reported = t.day();
    t.within("HD-3", reported, 1);
    t.acknowledge(report, police, "POL", "MONITOR");
    t.wait_some(0, 2);
    t.perform(committee, "MED", "VOLUNTARY");
    t.within("GA-1", accepted, 1);
    let number = police_number(t, "调结字");
    t.act(
        "PublicSecurityCaseClosedByMediation",
        police,
        "POL",
        json!({"agreement": agreement, "performed": true, "number": number}),
    );
    t.procedures.push(json!({"kind": "POLICE", "number": number, "state": "SETTLED"}));
    concluded(t, "MEDIATED", "FULL_PERFORMANCE");
}

/// Nothing is agreed: the police punish, and tell of the civil route.
pub(super) fn punished(t: &mut Telling<'_>) {
    let (police, committee) = (t.place.nearest(AgencyKind::Police), t.place.committee());
    let (proposal, _) = docked(t, police, committee);
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 1);
    let notice = t.document("调解终结通知书", "S1");
    t.mediated(
        "MediationFailed",
        committee,
        json!({"reason": "LIABILITY", "routes_told": ["LITIGATION"], "notice": notice}),
    );
    let failed = t.day();
    let report = t.report(proposal, committee, None);
    let reported = t.day();
    t.within("HD-3", reported, 1);
    t.acknowledge(report, police, "POL", "CONTINUE");
    t.within("GA-1", failed, 3);
    let (number, decision, person) = (police_number(t, "罚决字"), t.document("处罚决定书", "S2"), t.respondent.clone());
    t.act(
        "PublicSecurityPenaltyDecided",
        police,
        "POL",
        json!({
            "number": number, "penalty": "FINE", "persons": [person], "amount": 20_000, "civil_route_told": true,
            "decision": decision,
        }),
    );
    t.procedures.push(json!({"kind": "POLICE", "number": number, "state": "COMPLETED"}));
    concluded(t, "FAILED", "NO_SETTLEMENT");
}

/// Purely civil: handed over to the committee with the lead.
pub(super) fn transferred(t: &mut Telling<'_>) {
    let (police, committee) = (t.place.nearest(AgencyKind::Police), t.place.committee());
    incident(t, police, "A_CIVIL");
    t.register(police, "POLICE_110", "NEIGHBOUR");
    let proposal = t.transfer(police, "POL", committee, "CIVIL_DISPUTE");
    let proposed = t.day();
    t.within("HD-1", proposed, 1);
    t.take(proposal, committee, "MED");
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "ON_SITE");
    t.within("TJ-1", from, 1);
    let agreement = t.agree_orally(committee);
    let due = t.day_after(4);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 3);
    t.perform(committee, "MED", "VOLUNTARY");
    concluded(t, "MEDIATED", "FULL_PERFORMANCE");
}

/// Violence at home: the police admonish, the victim is counselled, and the family agrees on how to live on.
pub(super) fn admonished(t: &mut Telling<'_>) {
    let (police, committee) = (t.place.nearest(AgencyKind::Police), t.place.committee());
    incident(t, police, "B_PUBLIC_SECURITY");
    t.register(police, "POLICE_110", "DOMESTIC_VIOLENCE");
    let (addressee, letter) = (t.respondent.clone(), t.document("家庭暴力告诫书", "S2"));
    t.act(
        "AdmonitionIssued",
        police,
        "POL",
        json!({"addressee": addressee, "domestic_violence": true, "admonition": letter}),
    );
    t.wait(1);
    let proposal = t.transfer(police, "POL", committee, "CIVIL_DISPUTE");
    let proposed = t.day();
    t.within("HD-1", proposed, 1);
    t.take(proposal, committee, "MED");
    let subject = t.applicant.clone();
    t.counselled(committee, &subject, None);
    t.begin(committee, "PEOPLE");
    let from = t.day();
    t.appoint(committee);
    t.wait_some(1, 3);
    t.session(committee, "BACK_TO_BACK");
    t.within("TJ-1", from, 2);
    let agreement = t.agree(committee, "PEOPLE", "ON_SITE");
    let due = t.day_after(4);
    t.owe(agreement, committee, "MED", due);
    t.wait_some(1, 3);
    t.perform(committee, "MED", "VOLUNTARY");
    concluded(t, "MEDIATED", "FULL_PERFORMANCE");
}

/// From the call to the committee's acceptance; with the day on which the case was accepted.
fn docked(t: &mut Telling<'_>, police: &str, committee: &str) -> (Step, Day) {
    incident(t, police, "B_PUBLIC_SECURITY");
    t.register(police, "POLICE_110", "PUBLIC_ORDER");
    t.wait_some(0, 1);
    let (number, receipt) = (police_number(t, "受案字"), t.document("受案回执", "S1"));
    t.act(
        "PublicSecurityCaseAccepted",
        police,
        "POL",
        json!({"number": number, "mediable": true, "repeat_offender": false, "receipt": receipt}),
    );
    let accepted = t.day();
    t.wait_some(0, 1);
    let consent = t.consent(police, "POL", "WRITTEN");
    let proposal = t.delegate(
        Delegation {
            from: police, role: "POL", to: committee, purpose: "MEDIATION", basis: "治安管理处罚法第9条"
        },
        consent,
    );
    let proposed = t.day();
    t.within("HD-1", proposed, 1);
    t.take(proposal, committee, "MED");
    (proposal, accepted)
}

pub(super) fn incident(t: &mut Telling<'_>, police: &str, class: &str) -> Step {
    let (number, division) = (police_number(t, "接警"), t.place.township.to_owned());
    t.act(
        "PoliceIncidentReceived",
        police,
        "POL",
        json!({"incident_number": number, "incident_class": class, "division": division, "summary": "双方发生争执，一方报警。"}),
    )
}

pub(super) fn police_number(t: &mut Telling<'_>, kind: &str) -> String {
    format!("公{kind}〔{}〕{}号", t.day().year(), t.number())
}

fn concluded(t: &mut Telling<'_>, outcome: &str, ground: &str) {
    let town = t.place.town();
    t.wait_some(1, 3);
    t.follow_up(town);
    t.close(town, outcome, ground);
}
