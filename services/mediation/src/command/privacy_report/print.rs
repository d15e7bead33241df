//! The report for people.

use mediation_domain::{
    calendar::Day,
    catalogue,
    privacy::{
        Account, Assessment, Breach, Exports, Hold, Order, OrderState, Place, Report, Request, Sums, Timeliness,
    },
};

use crate::{
    output::{line, table, to_the_right},
    survey::{Reading, Survey},
    view::name,
};

/// Prints all of it.
pub(super) fn print(survey: &Survey, report: &Report, reading: &Reading) {
    let period = report.period;
    let from = period.from.map_or_else(|| "账本之始 the beginning".to_owned(), |from| from.to_string());
    line(format!("个人信息保护报告 · report on personal data：{from} 至 to {}", period.to));
    line(format!("  账本 ledger {}，树大小 tree size {}", survey.manifest.origin, survey.tree.size));
    let registry = survey.registry();
    for (agency, account) in &report.agencies {
        line("");
        line(format!("{} {agency}", name(agency, &registry)));
        print_account(account);
    }
    line("");
    if report.agencies.is_empty() {
        line("期间内没有可报告的事项 · nothing to report of these days");
    } else {
        line("合计 · in all");
        print_sums(&report.sums());
    }
    let (unread, withheld, faulty) = (reading.counts.unread, reading.counts.withheld, reading.faulty());
    line(format!(
        "  未计入 not counted：无法读取的行为 unreadable acts {unread}（未打开的部分 withheld parts {withheld}），无效条目 faulty entries {faulty}"
    ));
}

fn print_account(account: &Account) {
    let Account { breaches, assessments, requests, orders, holds, readings, refusals, exports } = account;
    let head =
        ["发现日期", "事件", "信息种类", "人数", "报主管部门天数", "告知个人天数", "不告知理由", "报告数", "位置"];
    section("个人信息泄露 · breaches", &head, &[3, 4, 5, 7], breaches.iter().map(breach));
    let head = ["评估日期", "情形", "风险", "保存至", "仍须保存", "位置"];
    section("个人信息保护影响评估 · impact assessments", &head, &[], assessments.iter().map(assessment));
    let head = ["收到日期", "权利", "应于", "答复日期", "结果", "状态", "逾期天数", "位置"];
    section("个人权利请求 · requests of persons", &head, &[6], requests.iter().map(request));
    let head = ["决定日期", "决定文号", "措施", "范围", "会签", "状态", "障碍", "位置"];
    section("冻结删除决定 · orders", &head, &[], orders.iter().map(order));
    section("有效的保全冻结 · holds in force", &["冻结至", "位置"], &[], holds.iter().map(hold));
    let rows = readings
        .iter()
        .map(|row| vec![zh("AccessPurpose", row.purpose), zh("VisibilityGrade", row.grade), row.count.to_string()]);
    section("查阅 · readings", &["目的", "可见等级", "次数"], &[2], rows);
    let rows = refusals
        .iter()
        .map(|row| vec![zh("AccessRefusal", row.refusal), row.count.to_string(), row.attempts.to_string()]);
    section("拒绝查阅 · refused readings", &["原因", "记录", "次数"], &[1, 2], rows);
    section("导出证据包 · exports", &["查阅人", "次数", "链数"], &[1, 2], exports.iter().map(export));
}

/// A table under its title; nothing where there are no rows. The columns of numbers go to the right.
fn section(title: &str, head: &[&str], numbers: &[usize], rows: impl Iterator<Item = Vec<String>>) {
    let mut lines = vec![head.iter().map(|cell| (*cell).to_owned()).collect()];
    lines.extend(rows);
    if lines.len() == 1 {
        return;
    }
    line(format!("  {title}"));
    to_the_right(&mut lines, numbers);
    table(&lines).into_iter().for_each(|row| line(format!("    {row}")));
}

fn breach(row: &Breach) -> Vec<String> {
    let days = |days: Option<i64>| days.map_or_else(|| "未告知".to_owned(), |days| days.to_string());
    let reason = match (&row.no_notice_reason, row.is_reason_given) {
        (Some(reason), _) => reason.replace('\n', " "),
        (None, true) => "（不可见）".to_owned(),
        (None, false) => "—".to_owned(),
    };
    vec![
        row.discovered_on.to_string(),
        all("PersonalDataIncident", &row.incidents),
        all("PersonalDataKind", &row.data_kinds),
        row.persons_affected.to_string(),
        days(row.authority_days),
        days(row.persons_days),
        reason,
        row.reports.to_string(),
        place(&row.place),
    ]
}

fn assessment(row: &Assessment) -> Vec<String> {
    let kept = if row.is_kept { "是" } else { "否" };
    let short = if row.is_kept_too_short { "（短于三年）" } else { "" };
    vec![
        row.assessed_on.to_string(),
        all("ImpactOccasion", &row.occasions),
        zh("RiskLevel", row.risk),
        format!("{}{short}", or_none(row.kept_until)),
        kept.to_owned(),
        place(&row.place),
    ]
}

fn request(row: &Request) -> Vec<String> {
    let state = match row.state {
        Timeliness::InTime => "按期",
        Timeliness::Late => "逾期答复",
        Timeliness::Open => "未决",
        Timeliness::Overdue => "逾期未决",
        Timeliness::Void => "已失效",
        Timeliness::Unjudged => "未评判",
    };
    vec![
        row.received_on.to_string(),
        zh("SubjectRight", row.right),
        or_none(row.due),
        or_none(row.decided_on),
        zh("SubjectDecision", row.decision),
        state.to_owned(),
        row.days_late.to_string(),
        place(&row.place),
    ]
}

fn order(row: &Order) -> Vec<String> {
    let state = match row.state {
        Some(OrderState::Ordered) => "待会签",
        Some(OrderState::InForce) => "有效",
        Some(OrderState::Executed) => "已执行",
        Some(OrderState::Lifted) => "已解除",
        None => "—",
    };
    vec![
        row.ordered_on.to_string(),
        row.number.clone().unwrap_or_else(|| "（不可见）".to_owned()),
        zh("ErasureMeasure", row.measure),
        zh("ErasureScope", row.scope),
        if row.is_countersigned { "是" } else { "—" }.to_owned(),
        state.to_owned(),
        row.hindered.as_ref().map_or_else(|| "—".to_owned(), |hindered| hindered.zh.clone()),
        place(&row.place),
    ]
}

fn hold(row: &Hold) -> Vec<String> {
    vec![row.until.map_or_else(|| "期限未定".to_owned(), |until| until.to_string()), place(&row.place)]
}

fn export(row: &Exports) -> Vec<String> {
    vec![row.reader.clone(), row.count.to_string(), row.chains.to_string()]
}

fn print_sums(sums: &Sums) {
    let rows = [
        ("个人信息泄露 breaches", sums.breaches),
        ("  涉及人数 persons affected", sums.persons_affected),
        ("  未报主管部门 authority not told", sums.authority_not_told),
        ("  未告知个人 persons not told", sums.persons_not_told),
        ("影响评估 impact assessments", sums.assessments),
        ("  仍须保存 to be kept", sums.assessments_kept),
        ("个人权利请求 requests", sums.requests),
        ("  已答复 decided", sums.requests_decided),
        ("  同意或部分同意 granted", sums.requests_granted),
        ("  按期 in time", sums.requests_in_time),
        ("  逾期答复 late", sums.requests_late),
        ("  未决 open", sums.requests_open),
        ("  逾期未决 overdue", sums.requests_overdue),
        ("  期限未能评判 not judged", sums.requests_unjudged),
        ("冻结 freeze", sums.frozen),
        ("删除 erase", sums.erased),
        ("解除 lift", sums.lifted),
        ("  已会签 countersigned", sums.countersigned),
        ("  已执行 carried out", sums.executed),
        ("  受阻 hindered", sums.hindered),
        ("有效的保全冻结 holds in force", sums.holds),
        ("查阅 readings", sums.readings),
        ("拒绝查阅次数 refused attempts", sums.attempts_refused),
        ("导出 exports", sums.exports),
    ];
    let mut rows: Vec<Vec<String>> =
        rows.into_iter().map(|(title, number)| vec![title.to_owned(), number.to_string()]).collect();
    to_the_right(&mut rows, &[1]);
    table(&rows).into_iter().for_each(|row| line(format!("  {row}")));
}

fn place(place: &Place) -> String {
    match (&place.chain, place.revision) {
        (Some(chain), Some(revision)) => format!("链 {chain} 版本 {revision}"),
        (Some(_) | None, Some(_) | None) => "（限制知悉的链）".to_owned(),
    }
}

fn or_none(day: Option<Day>) -> String {
    day.map_or_else(|| "—".to_owned(), |day| day.to_string())
}

fn zh(list: &str, code: Option<&'static str>) -> String {
    code.map_or_else(|| "—".to_owned(), |code| catalogue::zh(list, code).unwrap_or(code).to_owned())
}

fn all(list: &str, codes: &[&'static str]) -> String {
    codes.iter().map(|code| zh(list, Some(*code))).collect::<Vec<_>>().join("、")
}
