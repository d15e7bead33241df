//! `mediation import`: acts from a spreadsheet.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use mediation_client::{CallerKeys, Client, ClientError};
use mediation_domain::admit::Caller;
use mediation_gateway::sheet::{Kind, Table, Tongue, workbook};
use mediation_proto::ActRequest;
use serde_json::{Value, json};

use crate::{
    access::Access,
    durable,
    import::{
        Fault,
        act::{Plan, Planned, plan},
        book,
        identity::Batch,
        template,
    },
    output::{self, line},
    signing::Signing,
    submitted,
};

/// Faults that are printed; all stand in the result file.
const FAULTS_PRINTED_MAX: usize = 50;

/// `mediation import`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 要导入的 .xlsx 或 .csv 文件；配合 --template 时为要写出的模板 · File with acts; with --template the file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    access: Access,
    /// 写出空白模板，而非导入 · Write an empty template instead
    #[arg(long)]
    template: bool,
    /// 模板或 CSV 文件所登记的行为 · Acts of the template, or of a CSV file
    #[arg(long, value_name = "EVENT", value_delimiter = ',', default_values_t = DEFAULTS.map(str::to_owned))]
    event: Vec<String>,
    /// 只检查，不登记 · Check every cell, record nothing
    #[arg(long)]
    dry_run: bool,
    /// 有错误的案件不登记，其余照常登记 · Leave out the matters with faults, and record the others
    #[arg(long)]
    skip_faulty: bool,
    /// 结果文件（.xlsx 或 .csv），须尚不存在 · Result, a file that must not exist
    #[arg(long, value_name = "FILE")]
    result: Option<PathBuf>,
    #[command(flatten)]
    signing: Signing,
    /// 把行为编号追加到此文件，供 mediation monitor 比对 · Append the event ids to this file, which `mediation monitor` compares
    #[arg(long, value_name = "FILE")]
    submitted: Option<PathBuf>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// What is entered from files most often: that a dispute was taken, what was agreed, and how it ended.
const DEFAULTS: [&str; 3] = ["DisputeRegistered", "MediationAgreementSigned", "DisputeClosed"];

/// Writes a template, checks a file, or records what stands in it. Whether nothing was wrong.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    if arguments.template {
        return write_template(&arguments.file, &arguments.event);
    }
    let Some(agency) = arguments.access.agency.clone() else {
        bail!("name the recording agency with --agency · 请以 --agency 指明登记机构")
    };
    let sheet = arguments.event.first().map(String::as_str).unwrap_or_default();
    let sheets = book::read(&arguments.file, sheet)?;
    let keys = arguments.signing.keys(&agency)?;
    let (client, registry) = arguments.access.connect().await?;
    let known = registry
        .directory()
        .agency(&agency)
        .with_context(|| format!("`{agency}` does not take part in this ledger"))?;
    let mut plan = plan(&sheets, &Caller { agency, kind: known.kind }, registry.directory())?;
    let planned = plan.acts.len();
    if !plan.faults.is_empty() && arguments.skip_faulty {
        leave_out_faulty(&mut plan);
    }
    let is_sent = !arguments.dry_run && (plan.faults.is_empty() || arguments.skip_faulty);
    let outcomes = match is_sent {
        true => send(&client, keys.as_ref(), &plan.acts, arguments.submitted.as_deref()).await?,
        false => Vec::new(),
    };
    if let Some(path) = &arguments.result {
        durable::create(path, &written(path, &[result(&plan, &outcomes)])?)?;
    }
    let refused = outcomes.iter().filter(|outcome| !outcome.is_recorded()).count();
    if arguments.json {
        output::json(&to_json(&plan, &outcomes))?;
    } else {
        tell(&plan, &outcomes, planned);
    }
    Ok(plan.faults.is_empty() && refused == 0)
}

fn write_template(path: &Path, events: &[String]) -> Result<bool> {
    let (acts, batch) = (template::named(events)?, Batch::new());
    let tables = match (is_csv(path), acts.as_slice()) {
        (true, [act]) => vec![template::table(act, batch)],
        (true, _) => bail!("a CSV holds one act: name it with --event · CSV 只能登记一种行为，请以 --event 指明"),
        (false, acts) => template::tables(acts, batch),
    };
    durable::create(path, &written(path, &tables)?)?;
    line(format!("已写出模板 · template written: {}", path.display()));
    Ok(true)
}

fn is_csv(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}

/// The bytes of a file of the form that its name says.
fn written(path: &Path, tables: &[Table]) -> Result<Vec<u8>> {
    match tables {
        [only] if is_csv(path) => Ok(only.csv()?),
        tables => Ok(workbook(tables)?),
    }
}

/// Takes away every act of a matter of which a row is wrong: half a history is none.
fn leave_out_faulty(plan: &mut Plan) {
    let Plan { acts, faulty, .. } = plan;
    acts.retain(|act| !faulty.contains(&act.key));
}

/// What became of an act.
enum Outcome {
    Recorded {
        revision: u64,
        leaf: String,
    },
    Refused {
        reason: String,
        zh: String,
        en: String,
    },
    /// An earlier act of the matter was not recorded.
    NotSent,
}

impl Outcome {
    fn is_recorded(&self) -> bool {
        matches!(self, Self::Recorded { .. })
    }

    fn reason(&self) -> (&str, &str, &str) {
        match self {
            Self::Recorded { .. } => ("", "", ""),
            Self::Refused { reason, zh, en } => (reason, zh, en),
            Self::NotSent => {
                ("", "同一案件在前的行为未登记，故未提交", "an earlier act of the matter was not recorded")
            }
        }
    }
}

/// Records the acts one after the other. An act that is refused ends its matter, not the others; a ledger that is away ends all.
async fn send(
    client: &Client,
    keys: Option<&CallerKeys>,
    acts: &[Planned],
    list: Option<&Path>,
) -> Result<Vec<Outcome>> {
    let bar = output::progress(u64::try_from(acts.len())?, "登记 record");
    let mut outcomes = Vec::new();
    let mut ended: BTreeSet<&str> = BTreeSet::new();
    for act in acts {
        bar.inc(1);
        if ended.contains(act.chain.as_str()) {
            outcomes.push(Outcome::NotSent);
            continue;
        }
        // First listed, then sent: an act that stands in the log and on no list would be taken for a forgery.
        list.map(|file| submitted::append(file, &act.event_id.to_string())).transpose()?;
        let request = ActRequest {
            chain_id: Some(act.chain.clone()),
            event_id: Some(act.event_id.to_string()),
            expected_revision: None,
            occurred_at: Some(prost_types::Timestamp { seconds: act.occurred_at, nanos: 0 }),
            wait: None,
            act: act.act.clone(),
        };
        let sent = match keys {
            Some(keys) => client.record_signed(request, keys).await,
            None => client.record(request).await,
        };
        outcomes.push(match sent {
            Ok((_, verified)) => {
                Outcome::Recorded { revision: verified.statement.revision.0, leaf: verified.leaf.to_string() }
            }
            Err(error) => {
                ended.insert(&act.chain);
                refused(error, act, outcomes.len())?
            }
        });
    }
    bar.finish_and_clear();
    Ok(outcomes)
}

/// What the ledger refuses. Anything else ends the import, which may be run again.
fn refused(error: ClientError, act: &Planned, before: usize) -> Result<Outcome> {
    match error.told() {
        Some(told) if !told.is_away => Ok(Outcome::Refused { reason: told.reason, zh: told.zh, en: told.en }),
        Some(_) | None => Err(error).with_context(|| {
            format!(
                "{}: not acknowledged, after {before} acts; run the import again, nothing is recorded twice · \
                 登记中断，可重新运行，已登记的不会重复",
                act.place
            )
        }),
    }
}

/// What became of each row, as a table.
fn result(plan: &Plan, outcomes: &[Outcome]) -> Table {
    let columns = [
        ("位置", "place", Kind::Text),
        ("本单位案件编号", "key", Kind::Text),
        ("结果", "result", Kind::Text),
        ("链", "chain", Kind::Text),
        ("行为编号", "event id", Kind::Text),
        ("版本", "revision", Kind::Number),
        ("叶", "leaf", Kind::Text),
        ("原因", "reason", Kind::Text),
        ("说明", "说明", Kind::Text),
        ("explanation", "explanation", Kind::Text),
    ];
    let mut table = Table::new("导入结果", &columns, Tongue::Chinese);
    table.rows.extend(plan.faults.iter().map(|fault| {
        let said = fault.shown.as_ref().map(|shown| format!("（{shown}）")).unwrap_or_default();
        let cells = [fault.place.to_string(), String::new(), "有误".to_owned()];
        let told = [String::new(), format!("{}{said}", fault.zh), fault.en.clone()];
        cells.into_iter().chain([(); 4].map(|()| String::new())).chain(told).collect()
    }));
    let outcomes = outcomes.iter().map(Some).chain(std::iter::repeat(None));
    table.rows.extend(plan.acts.iter().zip(outcomes).map(|(act, outcome)| {
        let word = match outcome {
            Some(Outcome::Recorded { .. }) => "已登记",
            Some(Outcome::Refused { .. }) => "被拒绝",
            Some(Outcome::NotSent) | None => "未登记",
        };
        let (revision, leaf) = match outcome {
            Some(Outcome::Recorded { revision, leaf }) => (revision.to_string(), leaf.clone()),
            Some(Outcome::Refused { .. } | Outcome::NotSent) | None => Default::default(),
        };
        let (reason, zh, en) = outcome.map(Outcome::reason).unwrap_or_default();
        let (place, event_id) = (act.place.to_string(), act.event_id.to_string());
        let texts = [place.as_str(), &act.key, word, &act.chain, &event_id, &revision, &leaf, reason, zh, en];
        texts.map(str::to_owned).to_vec()
    }));
    table
}

fn tell(plan: &Plan, outcomes: &[Outcome], planned: usize) {
    for fault in plan.faults.iter().take(FAULTS_PRINTED_MAX) {
        let shown = fault.shown.as_ref().map(|shown| format!(" 「{shown}」")).unwrap_or_default();
        line(format!("✗ {}{shown}：{}", fault.place, fault.zh));
        line(format!("    {}", fault.en));
    }
    if plan.faults.len() > FAULTS_PRINTED_MAX {
        line(format!("  另有 {} 处 · and more", plan.faults.len() - FAULTS_PRINTED_MAX));
    }
    for (act, outcome) in plan.acts.iter().zip(outcomes).filter(|(_, outcome)| !outcome.is_recorded()) {
        let (reason, zh, en) = outcome.reason();
        line(format!("✗ {} {} {reason}：{zh}", act.place, act.kind.zh));
        line(format!("    {en}"));
    }
    let recorded = outcomes.iter().filter(|outcome| outcome.is_recorded()).count();
    line(format!(
        "{} 行，可登记 {planned}，错误 {} 处，已登记 {recorded} · rows, acts that can be recorded, faults, recorded",
        plan.rows,
        plan.faults.len()
    ));
}

fn to_json(plan: &Plan, outcomes: &[Outcome]) -> Value {
    let fault =
        |fault: &Fault| json!({"place": fault.place.to_string(), "shown": fault.shown, "zh": fault.zh, "en": fault.en});
    let outcomes = outcomes.iter().map(Some).chain(std::iter::repeat(None));
    let acts = plan.acts.iter().zip(outcomes).map(|(act, outcome)| {
        let (reason, zh, en) = outcome.map(Outcome::reason).unwrap_or_default();
        json!({
            "place": act.place.to_string(), "key": act.key, "event": act.kind.event, "chain": act.chain,
            "event_id": act.event_id.to_string(), "recorded": outcome.is_some_and(Outcome::is_recorded),
            "reason": reason, "zh": zh, "en": en,
        })
    });
    json!({
        "rows": plan.rows, "faults": plan.faults.iter().map(fault).collect::<Vec<_>>(), "acts": acts.collect::<Vec<_>>(),
    })
}
