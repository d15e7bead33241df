//! `mediation search`: chains by what is known of them.

use anyhow::Result;
use clap::Args;
use mediation_domain::catalogue;
use mediation_gateway::sheet::{self, Tongue};
use mediation_ledger::registry::Registry;
use mediation_proto::{
    derived::TYPES_DISPUTE_TYPE,
    mediation::{
        ledger::v1::{ChainSummary, SearchChainsRequest},
        types::v1::{DisputeType, Outcome},
    },
};
use serde_json::{Value, json};

use crate::{
    access::{Access, ReadingArguments, code},
    output::{self, line, table},
    spreadsheet::Files,
    view::name,
};

/// `mediation search`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    reading: ReadingArguments,
    /// 纠纷链号，或其开头 · Number of the chain, or its beginning
    #[arg(long, value_name = "JF…")]
    number: Option<String>,
    /// 参与机构 · Agency that takes part
    #[arg(long, value_name = "ID")]
    with: Option<String>,
    /// 纠纷类型代码 · Type of the dispute
    #[arg(long = "type", value_name = "CODE", value_parser = code::<DisputeType>)]
    dispute_type: Option<DisputeType>,
    /// 此日或之后首次登记 · Opened on this day or later
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<String>,
    /// 此日或之前首次登记 · Opened on this day or earlier
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<String>,
    /// 结案方式代码 · Outcome
    #[arg(long, value_name = "CODE", value_parser = code::<Outcome>)]
    outcome: Option<Outcome>,
    /// 仅未结案 · Only chains that are not closed
    #[arg(long)]
    open: bool,
    /// 仅有逾期期限者 · Only chains with a limit that has passed
    #[arg(long)]
    overdue: bool,
    /// 有此审计发现，如 F-OVERDUE · With this finding
    #[arg(long, value_name = "CODE")]
    finding: Option<String>,
    /// 所能完整查阅的文字中含有这些词 · Words in the free text that the reader is shown in full
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// 至多列出条数 · Chains listed at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    most: usize,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    files: Files,
}

/// Lists the chains that meet all conditions, the one opened last first.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let (client, registry) = arguments.access.connect_reading(&arguments.reading).await?;
    let mut wanted = SearchChainsRequest {
        chain_no: arguments.number,
        agency: arguments.with,
        dispute_type: arguments.dispute_type.map(Into::into),
        opened_from: arguments.from,
        opened_to: arguments.to,
        outcome: arguments.outcome.map(Into::into),
        open: arguments.open,
        overdue: arguments.overdue,
        finding: arguments.finding,
        text: arguments.text,
        ..SearchChainsRequest::default()
    };
    let mut chains: Vec<ChainSummary> = Vec::new();
    let more = loop {
        let answer = client.search(wanted.clone()).await?;
        chains.extend(answer.chains);
        let more = !answer.next_page_token.is_empty();
        if chains.len() >= arguments.most || !more {
            break more || chains.len() > arguments.most;
        }
        wanted.page_token = Some(answer.next_page_token);
    };
    chains.truncate(arguments.most);
    if arguments.json {
        let chains: Vec<Value> = chains.iter().map(to_json).collect();
        output::json(&json!({"chains": chains, "more": more}))?;
        return Ok(true);
    }
    if arguments.files.are_wanted() {
        arguments.files.write(&sheet::chains(&chains, &registry, Tongue::Chinese))?;
    } else {
        print(&chains, &registry);
    }
    if more {
        line("  其后还有，可用 --most 多列 · there are more: --most");
    }
    Ok(true)
}

fn print(chains: &[ChainSummary], registry: &Registry) {
    if chains.is_empty() {
        line("没有符合条件且可知悉的链 · no chain that meets this, or none to be known");
        return;
    }
    let head = ["链", "纠纷链号", "登记", "类型", "首办单位", "结案方式", "最近届满", "逾期天数", "审计发现"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(chains.iter().map(|chain| {
        let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "—".to_owned());
        let kind = chain.dispute_type.and_then(|number| catalogue::zh_of_number(&TYPES_DISPUTE_TYPE, number));
        let outcome =
            chain.outcome.as_deref().map_or("未结案", |code| catalogue::zh("Outcome", code).unwrap_or(code));
        vec![
            chain.chain_id.clone(),
            or(&chain.chain_no),
            chain.opened_on.clone(),
            kind.unwrap_or("—").to_owned(),
            chain.lead.as_deref().map_or_else(|| "—".to_owned(), |lead| name(lead, registry)),
            outcome.to_owned(),
            or(&chain.next_due),
            chain.days_overdue.to_string(),
            chain.findings.join(" "),
        ]
    }));
    let mut rows = table(&rows).into_iter();
    rows.by_ref().take(1).for_each(|head| line(format!("  {head}")));
    for (row, chain) in rows.zip(chains) {
        line(format!("  {row}"));
        for hit in &chain.hits {
            let event = catalogue::event(&hit.event).map_or(hit.event.as_str(), |row| row.zh.as_str());
            line(format!("    #{} {event}：{}", hit.revision, hit.excerpt));
        }
    }
}

fn to_json(chain: &ChainSummary) -> Value {
    json!({
        "chain": chain.chain_id, "chain_no": chain.chain_no, "opened_on": chain.opened_on, "last_act_on": chain.last_act_on,
        "dispute_type": chain.dispute_type.and_then(|number| TYPES_DISPUTE_TYPE.code(number)),
        "opening_event": chain.opening_event, "acts": chain.acts, "lead": chain.lead, "outcome": chain.outcome,
        "next_due": chain.next_due, "days_overdue": chain.days_overdue, "findings": chain.findings,
        "hits": chain.hits.iter().map(|hit| json!({"revision": hit.revision, "event": hit.event, "excerpt": hit.excerpt})).collect::<Vec<_>>(),
    })
}
