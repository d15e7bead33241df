//! `mediation docket`: what an agency has to do.

use anyhow::Result;
use clap::Args;
use mediation_gateway::sheet::{self, Tongue};
use mediation_ledger::registry::Registry;
use mediation_proto::mediation::ledger::v1::{Duty, ListDutiesRequest};
use serde_json::{Value, json};

use crate::{
    access::{Access, ReadingArguments},
    output::{self, line, table},
    spreadsheet::Files,
    view::name,
};

/// `mediation docket`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    reading: ReadingArguments,
    /// 何机构的待办，缺省为所连接的机构；他机构仅限审计 · Whose duties; those of the calling agency without it, others for the audit
    #[arg(long, value_name = "ID")]
    of: Option<String>,
    /// 仅此日或之前到期者 · Only what is due on this day or earlier
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<String>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    files: Files,
}

/// Lists what an agency has to do, what is due first coming first.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let (client, registry) = arguments.access.connect_reading(&arguments.reading).await?;
    let wanted = ListDutiesRequest { agency: arguments.of, due_to: arguments.to, ..ListDutiesRequest::default() };
    let answer = client.duties(wanted).await?;
    if arguments.json {
        let duties: Vec<Value> = answer.duties.iter().map(to_json).collect();
        output::json(&json!({"as_of": answer.as_of, "duties": duties, "more": answer.more}))?;
        return Ok(true);
    }
    if arguments.files.are_wanted() {
        arguments.files.write(&sheet::duties(&answer.duties, &registry, Tongue::Chinese))?;
    } else {
        line(format!("待办，截至 {} 终了 · duties", answer.as_of));
        print(&answer.duties, &registry);
    }
    if answer.more {
        line("  其后可能还有，可用 --to 限定到期日 · there may be more: --to");
    }
    Ok(true)
}

fn print(duties: &[Duty], registry: &Registry) {
    if duties.is_empty() {
        line("  没有待办 · nothing to do");
        return;
    }
    let head = ["到期", "逾期天数", "事项", "名称", "来自", "纠纷链号", "链"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(duties.iter().map(|duty| {
        let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "—".to_owned());
        vec![
            or(&duty.due),
            duty.days_late.to_string(),
            kind(&duty.kind).to_owned(),
            format!("{} {}", duty.code, duty.zh),
            duty.from.as_deref().map_or_else(|| "—".to_owned(), |from| name(from, registry)),
            or(&duty.chain_no),
            duty.chain_id.clone(),
        ]
    }));
    table(&rows).into_iter().for_each(|row| line(format!("  {row}")));
}

fn kind(code: &str) -> &str {
    match code {
        "HANDOFF" => "答复移送",
        "CLOCK" => "办理期限",
        "OBLIGATION" => "督促履行",
        other => other,
    }
}

fn to_json(duty: &Duty) -> Value {
    json!({
        "chain": duty.chain_id, "chain_no": duty.chain_no, "kind": duty.kind, "code": duty.code, "zh": duty.zh, "due": duty.due,
        "days_late": duty.days_late, "revision": duty.revision, "from": duty.from,
    })
}
