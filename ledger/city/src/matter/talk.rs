//! Talks with the people (群众说事), and warnings (涉稳预警).

use serde_json::json;

use crate::dispute::Telling;

/// A matter goes through the six steps: 问、说、议、办、评、查.
pub(super) fn talk(t: &mut Telling<'_>, participants: u64, solved: bool) {
    let (town, code) = (t.place.town(), format!("SS-{}", t.place.township));
    let inquiry = t.act("TalkInquired", town, "TCOM", json!({"place_code": code, "topic": "近期烦心事"}));
    t.wait_some(0, 2);
    let matter = t.one_of("道路照明", &["饮水管网", "停车难", "广场舞噪声", "田间沟渠", "垃圾清运"]);
    let raised = t.act(
        "TalkRaised",
        town,
        "TCOM",
        json!({"participants": participants, "place_code": code, "inquiry": inquiry, "matter": matter}),
    );
    t.wait_some(1, 4);
    let attendees = t.draw(5, 20);
    t.act("TalkDeliberated", town, "TCOM", json!({"attendees": attendees, "raised": raised, "plan": "分步办理。"}));
    t.wait_some(2, 8);
    let result = if solved { "已办结。" } else { "条件不具备，已说明。" };
    t.act("TalkActioned", town, "TCOM", json!({"solved": solved, "raised": raised, "result": result}));
    t.wait_some(1, 3);
    let (votes_for, against) = (t.draw(5, 15), t.draw(0, 3));
    t.act("TalkEvaluated", town, "TCOM", json!({"votes_for": votes_for, "votes_against": against, "raised": raised}));
    t.wait_some(3, 8);
    t.act("TalkInspected", town, "TCOM", json!({"relapse": false, "raised": raised}));
}

/// Raised, verified and dealt with; the grave ones are escalated the same day.
pub(super) fn warning(t: &mut Telling<'_>) {
    let (town, center) = (t.place.town(), t.place.center());
    let level = t.draw(1, 4);
    let (headcount, risk) = (t.draw(1, 60), t.one_of("GROUP_PETITION", &["UNPAID_WAGES", "LAND_ACQUISITION", "OTHER"]));
    let warning = t.act(
        "RiskWarningRaised",
        town,
        "TCOM",
        json!({
            "level": level, "headcount": headcount, "risk": risk, "division": t.place.township,
            "machine_proposed": false, "facts": "已掌握苗头。",
        }),
    );
    t.act("RiskWarningVerified", center, "DIR", json!({"warning": warning, "confirmed": true, "level": level}));
    if level <= 2 {
        let committee = t.place.political_legal_committee();
        t.act("RiskWarningEscalated", center, "DIR", json!({"warning": warning, "addressee": committee}));
    }
    t.wait_some(1, 3);
    t.act("RiskWarningMitigated", town, "TCOM", json!({"warning": warning, "measure": "已稳控并协调解决。"}));
    t.wait_some(2, 8);
    t.act("RiskWarningLifted", center, "DIR", json!({"ground": "CONTROLLED", "warning": warning}));
}
