//! Grid matters (网格事件): found by the grid worker, handled on the spot, by a department, or by whistle.

use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::json;

use crate::{
    dispute::{Step, Telling},
    story::Planted,
};

/// Handled and closed within its limits and before the year is out; one in two hundred is dispatched too late.
pub(super) fn closed(t: &mut Telling<'_>, days_left: u32) {
    match t.draw(1, 100) {
        1..=35 => on_the_spot(t),
        36..=37 if days_left >= 5 => by_whistle(t),
        _ => by_department(t, days_left),
    }
}

/// Reported, dispatched and, when there is a day for it, accepted before the year ends.
pub(super) fn open(t: &mut Telling<'_>, days_left: u32) {
    let report = reported(t, "SIMPLE", false);
    let dispatch = dispatched(t, report, "SIMPLE");
    if days_left > 0 {
        t.wait(1);
        accepted(t, dispatch);
    }
}

fn on_the_spot(t: &mut Telling<'_>) {
    let report = reported(t, "SELF_HANDLED", true);
    feedback(t, report);
    concluded(t, report, true);
}

fn by_department(t: &mut Telling<'_>, days_left: u32) {
    let level = if days_left >= 8 && t.draw(1, 20) == 1 { "COMPLEX" } else { "SIMPLE" };
    let report = reported(t, level, false);
    if t.draw(1, 200) == 1 {
        t.pass(HOURS_TOO_LATE);
        let at = t.length();
        let town = t.place.town().to_owned();
        t.plant(Planted { code: "F-OVERDUE", at: Some(at), agency: Some(town), clock: Some("WG-1") });
    }
    let dispatch = dispatched(t, report, level);
    let department = department(t);
    let days = t.draw(0, 1).min(days_left);
    t.wait(days);
    accepted(t, dispatch);
    let longest = if level == "COMPLEX" { 6 } else { 2 };
    let days = t.draw(0, longest).min(days_left.saturating_sub(days));
    t.wait(days);
    let measure = t.one_of("已派人到场处置。", &["已清理恢复。", "已责令整改。", "已协调解决。"]);
    t.act("GridEventHandled", department, "ADM", json!({"dispatch": dispatch, "measure": measure}));
    let town = t.place.town();
    t.act("GridEventFeedbackGiven", department, "ADM", json!({"to": town, "report": report, "feedback": "已处置。"}));
    concluded(t, report, false);
}

fn by_whistle(t: &mut Telling<'_>) {
    let report = reported(t, "COMPLEX", false);
    dispatched(t, report, "COMPLEX");
    let (town, department) = (t.place.town(), department(t));
    let whistle = t.act(
        "WhistleBlown",
        town,
        "TCOM",
        json!({"level": "WORK", "departments": [department], "report": report, "matter": "请到场共同处置。"}),
    );
    let at = format!("{}T10:30:00+08:00", t.day());
    t.act(
        "WhistleAnswered",
        department,
        "ADM",
        json!({"whistle": whistle, "arrived_at": at, "person": format!("{department}/ADM-1"), "measures": "已到场。"}),
    );
    feedback(t, report);
    concluded(t, report, false);
}

fn reported(t: &mut Telling<'_>, level: &str, self_handled: bool) -> Step {
    let item = format!("WG-{:02}", t.draw(1, 38));
    let grid = t.grid();
    let summary =
        t.one_of("井盖破损", &["占道堆放", "路灯不亮", "邻里噪声", "电动车违停", "独居老人需走访", "管道漏水"]);
    let town = t.place.town();
    t.act(
        "GridEventReported",
        town,
        "GRID",
        json!({
            "grid": grid, "item_code": item, "level": level, "self_handled": self_handled, "place": "网格内",
            "summary": summary,
        }),
    )
}

fn dispatched(t: &mut Telling<'_>, report: Step, level: &str) -> Step {
    let (town, department) = (t.place.town(), department(t));
    t.act("GridEventDispatched", town, "TCOM", json!({"target": department, "report": report, "level": level}))
}

fn accepted(t: &mut Telling<'_>, dispatch: Step) {
    let department = department(t);
    let handler = format!("{department}/ADM-1");
    t.act("GridEventAccepted", department, "ADM", json!({"dispatch": dispatch, "handler": handler}));
}

fn feedback(t: &mut Telling<'_>, report: Step) {
    let town = t.place.town();
    t.act("GridEventFeedbackGiven", town, "TCOM", json!({"to": town, "report": report, "feedback": "已告知报事人。"}));
}

fn concluded(t: &mut Telling<'_>, report: Step, self_handled: bool) {
    let (town, score) = (t.place.town(), t.one_of("SATISFIED", &["VERY_SATISFIED", "SATISFIED", "NEUTRAL"]));
    t.act(
        "GridEventClosed",
        town,
        "TCOM",
        json!({"result": "SOLVED", "self_handled": self_handled, "report": report, "satisfaction": score}),
    );
}

fn department<'a>(t: &Telling<'a>) -> &'a str {
    t.place.nearest(AgencyKind::TownshipGovernment)
}

/// Five hours: dispatching is due within four (WG-1).
const HOURS_TOO_LATE: i64 = 5;
