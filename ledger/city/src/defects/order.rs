//! Acts that are not done, and acts that must not be done.

use serde_json::{Value as Json, json};

use super::{Blame, Change, Defect, Mark, Mistake, always};
use crate::dispute::Telling;

/// One row for each.
pub(super) static DEFECTS: &[Defect] = &[
    Defect {
        name: "closed though nothing was paid",
        event: "ObligationPerformed",
        when: |_, data| data.get("in_full") == Some(&Json::Bool(true)),
        change: Change::Instead(|t| t.wait_past_due()),
        mistakes: &[
            Mistake::new("F-CLOSED-OPEN-OBLIGATION", Mark::Each("DisputeClosed")),
            Mistake::new("F-WRONG-PATH", Mark::Perhaps("NonProsecutionDecided")),
        ],
    },
    Defect {
        name: "an outcome of which the sender takes no note",
        event: "HandoffOutcomeAcknowledged",
        when: always,
        change: Change::Instead(|t| t.wait(4)),
        mistakes: &[
            Mistake::new("F-CLOSED-OPEN-HANDOFF", Mark::Later("DisputeClosed")),
            Mistake::new("F-OVERDUE", Mark::Later("DisputeClosed")).by(Blame::Intended).clock("HD-3"),
        ],
    },
    Defect {
        name: "an applicant for support without a reply",
        event: "ProceduralReplySent",
        when: |t, _| !t.has("SupervisionApplied"),
        change: Change::Instead(|t| t.wait(6)),
        mistakes: &[Mistake::new("F-OVERDUE", Mark::Later("DisputeClosed")).by(Blame::Intended).clock("JC-1")],
    },
    Defect {
        name: "an applicant for supervision without a reply",
        event: "ProceduralReplySent",
        when: |t, _| t.has("SupervisionApplied"),
        change: Change::Instead(|t| t.wait(6)),
        mistakes: &[
            Mistake::new("F-MISSING-STEP", Mark::Later("DisputeClosed")).by(Blame::Intended),
            Mistake::new("F-OVERDUE", Mark::Later("DisputeClosed")).by(Blame::Intended).clock("JC-1"),
        ],
    },
    Defect {
        name: "a petition answered that was never accepted",
        event: "PetitionAccepted",
        when: |t, _| !t.has("PetitionAssigned"),
        change: Change::Instead(|t| t.wait(12)),
        mistakes: &[
            Mistake::new("F-MISSING-STEP", Mark::Later("PetitionReplied")),
            Mistake::new("F-OVERDUE", Mark::Later("DisputeClosed")).by(Blame::Intended).clock("XF-3"),
        ],
    },
    Defect {
        name: "a second lead beside the first",
        event: "LeadAgencyAssigned",
        when: always,
        change: Change::After(second_lead),
        mistakes: &[Mistake::new("F-DUAL-LEAD", Mark::Here)],
    },
    Defect {
        name: "handled before it is registered",
        event: "DisputeRegistered",
        when: |t, _| t.opener().is_some(),
        change: Change::Before(applied_early),
        mistakes: &[Mistake::new("F-NO-LEAD", Mark::Here)],
    },
    Defect {
        name: "the recused mediator goes on",
        event: "HandlerReplaced",
        when: always,
        change: Change::After(recused_session),
        mistakes: &[Mistake::new("F-RECUSED-ACTED", Mark::Here)],
    },
    Defect {
        name: "closed while a request to another agency is open",
        event: "DisputeClosed",
        when: always,
        change: Change::Before(open_request),
        mistakes: &[
            Mistake::new("F-CLOSED-OPEN-HANDOFF", Mark::Each("DisputeClosed")),
            Mistake::new("F-HANDOFF-TIMEOUT", Mark::Here).by(Blame::Target).clock("HD-1"),
            Mistake::new("F-NO-ESCALATION", Mark::Here).by(Blame::Closer).clock("HD-4"),
        ],
    },
    Defect {
        name: "a timeout is recorded after the closing of what was answered long ago",
        event: "DisputeClosed",
        when: |t, _| t.proposal().is_some(),
        change: Change::After(timed_out_after_closing),
        mistakes: &[
            Mistake::new("F-EVENT-AFTER-CLOSE", Mark::Here),
            Mistake::new("F-EVENT-AFTER-CLOSE", Mark::Later("HandoffEscalated")),
        ],
    },
];

fn second_lead(t: &mut Telling<'_>) {
    let town = t.place.town();
    t.act("LeadAgencyAssigned", town, "TCOM", json!({"new_lead": town, "previous_released": false, "reason": "PLACE"}));
}

fn applied_early(t: &mut Telling<'_>) {
    let (agency, applicant) = (t.opener().unwrap_or_default(), t.applicant.clone());
    t.act(
        "MediationApplied",
        &agency,
        "REG",
        json!({"kind": "PEOPLE", "applicants": [applicant], "oral": true, "claim": "请求调解处理。"}),
    );
}

fn recused_session(t: &mut Telling<'_>) {
    let Some(recused) = t.recused.clone() else { return };
    let Some((committee, _)) = recused.split_once('/') else { return };
    let present = t.mediator.replace(recused.clone());
    t.session(committee, "ON_SITE");
    t.mediator = present;
}

fn open_request(t: &mut Telling<'_>) {
    let (center, target) = (t.place.center(), t.place.county_committee());
    t.transfer(center, "DIR", target, "SAFETY_CHECK");
}

fn timed_out_after_closing(t: &mut Telling<'_>) {
    let Some(proposal) = t.proposal() else { return };
    let (center, day) = (t.place.center(), t.day().to_string());
    let timeout =
        t.act("HandoffTimedOut", center, "SYS", json!({"proposal": proposal, "clock_id": "HD-1", "due_on": day}));
    let record = t.document("协调会议记录", "S1");
    t.act(
        "HandoffEscalated",
        center,
        "DIR",
        json!({"proposal": proposal, "timeout": timeout, "level": "COUNTY", "meeting_record": record}),
    );
}
