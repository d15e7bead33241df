//! What the judge finds.

use mediation_domain::{
    catalogue,
    judge::{ClockRun, Finding, FindingState, Handoff, Judgement},
    wording,
};

use super::{Page, name};
use crate::bundle::{examination::Examined, findings::due};

pub(super) fn section(page: &mut Page, examined: &Examined<'_>) {
    page.heading("五、首办、移送、期限与审计发现");
    let Some((rules, judgement)) = &examined.judged else {
        page.paragraph("未评判：本程序没有该链所用的规则集。");
        return;
    };
    page.note(&format!(
        "由程序按规则集 {} 就上列行为推算，截至 {} 终了；不是法院或机构的认定。只看本链，不涉及其他链。",
        rules.name(),
        examined.evidence.as_of
    ));
    leads_and_handoffs(page, examined, judgement);
    if !judgement.clocks.is_empty() {
        page.subheading("期限");
        let head = ["编号", "名称", "责任方", "起算", "届满", "完成", "状态"];
        page.table(&head, &judgement.clocks.iter().map(|run| clock(examined, run)).collect::<Vec<_>>());
    }
    if !judgement.obligations.is_empty() {
        page.subheading("义务");
        let rows = judgement.obligations.iter().map(|obligation| {
            let code = obligation.state.code();
            let state = catalogue::zh("ObligationState", code).unwrap_or(code);
            vec![obligation.id.clone(), day(obligation.due), state.to_owned(), act(obligation.by)]
        });
        page.table(&["编号", "到期", "状态", "所据行为"], &rows.collect::<Vec<_>>());
    }
    page.subheading("审计发现");
    if judgement.findings.is_empty() {
        page.paragraph("无。");
        return;
    }
    let rows = judgement.findings.iter().map(|finding| finding_row(examined, finding));
    page.table(&["代码", "程度", "责任单位", "行为", "内容", "依据", "状态"], &rows.collect::<Vec<_>>());
}

fn leads_and_handoffs(page: &mut Page, examined: &Examined<'_>, judgement: &Judgement) {
    if !judgement.leads.is_empty() {
        page.subheading("首办责任");
        let rows = judgement.leads.iter().map(|lead| {
            let until = lead.to.map_or_else(|| "至今".to_owned(), |revision| act(Some(revision)));
            vec![name(examined, &lead.agency), act(Some(lead.from)), until]
        });
        page.table(&["机构", "自", "至"], &rows.collect::<Vec<_>>());
    }
    if !judgement.handoffs.is_empty() {
        page.subheading("移送对接");
        let head = ["提出", "方式", "自", "至", "应答复日", "答复", "逾期"];
        page.table(&head, &judgement.handoffs.iter().map(|one| handoff(examined, one)).collect::<Vec<_>>());
    }
}

fn handoff(examined: &Examined<'_>, handoff: &Handoff) -> Vec<String> {
    let answer = wording::handoff_answer(handoff.answer.code());
    vec![
        act(Some(handoff.proposal)),
        catalogue::zh("HandoffMode", handoff.mode).unwrap_or(handoff.mode).to_owned(),
        name(examined, &handoff.from),
        name(examined, &handoff.to),
        day(handoff.due),
        format!("{answer} {}", handoff.answered.map(|revision| act(Some(revision))).unwrap_or_default()),
        days(handoff.days_late),
    ]
}

fn clock(examined: &Examined<'_>, run: &ClockRun) -> Vec<String> {
    let state = wording::clock_state(run.state.code());
    let late = days(run.days_late);
    vec![
        run.id.to_owned(),
        run.zh.to_owned(),
        run.obliged.as_deref().map_or_else(|| "当事人".to_owned(), |agency| name(examined, agency)),
        run.start.to_string(),
        run.due.map_or_else(|| "—".to_owned(), |limit| due(limit).replace('T', " ").replace("+08:00", "")),
        day(run.done),
        if late == "—" { state.to_owned() } else { format!("{state}，{late}") },
    ]
}

fn finding_row(examined: &Examined<'_>, finding: &Finding) -> Vec<String> {
    let state = match finding.state {
        FindingState::Open => "未纠正",
        FindingState::Cured => "已纠正",
        FindingState::Cleared => "已销号",
    };
    let days = finding.days_late.map(|days| format!("（{days} 天）")).unwrap_or_default();
    let clock = finding.clock.as_deref().map(|clock| format!("期限 {clock}：")).unwrap_or_default();
    vec![
        finding.code.clone(),
        finding.severity.zh().to_owned(),
        finding.agency.as_deref().map_or_else(|| "—".to_owned(), |agency| name(examined, agency)),
        act(finding.revision),
        format!("{clock}{}{days}", finding.zh),
        finding.article.clone(),
        state.to_owned(),
    ]
}

/// An act as the report numbers it.
fn act(revision: Option<u64>) -> String {
    revision.map_or_else(|| "—".to_owned(), |revision| format!("第 {} 项", revision.saturating_add(1)))
}

fn day(day: Option<mediation_domain::calendar::Day>) -> String {
    day.map_or_else(|| "—".to_owned(), |day| day.to_string())
}

fn days(days: u64) -> String {
    if days == 0 { "—".to_owned() } else { format!("{days} 天") }
}
