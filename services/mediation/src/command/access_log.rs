//! `mediation access-log`: who has read a chain.

use anyhow::Result;
use clap::Args;
use mediation_domain::{calendar::format_instant, catalogue};
use mediation_gateway::sheet::{self, Tongue};
use mediation_ledger::registry::Registry;
use mediation_proto::{
    derived::{TYPES_ACCESS_PURPOSE, TYPES_ACCESS_REFUSAL, TYPES_PART, TYPES_ROLE, TYPES_VISIBILITY_GRADE},
    fields::EnumInfo,
    mediation::ledger::v1::AccessRow,
};
use serde_json::{Value, json};

use crate::{
    access::{Access, ReadingArguments, chain_id},
    output::{self, line, table},
    spreadsheet::Files,
    view::name,
};

/// `mediation access-log`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 链编号（UUID） · Chain id (UUID)
    #[arg(value_name = "CHAIN")]
    chain: String,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    reading: ReadingArguments,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    files: Files,
}

/// Lists the readings of a chain that are on record, the last first.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let (client, registry) = arguments.access.connect_reading(&arguments.reading).await?;
    let id = chain_id(&arguments.chain, &client);
    let (mut rows, mut token) = (Vec::new(), None);
    loop {
        let answer = client.accesses(&id, None, token).await?;
        rows.extend(answer.rows);
        token = Some(answer.next_page_token).filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    if arguments.json {
        let rows: Vec<Value> = rows.iter().map(to_json).collect();
        output::json(&json!({"chain": id, "accesses": rows}))?;
        return Ok(true);
    }
    if arguments.files.are_wanted() {
        arguments.files.write(&sheet::accesses(&rows, &registry, Tongue::Chinese))?;
        return Ok(true);
    }
    line(format!("链 {id} 的查阅记录 · readings of the chain"));
    if rows.is_empty() {
        line("  尚无查阅记录 · nobody has read it");
        return Ok(true);
    }
    print(&rows, &registry);
    Ok(true)
}

fn print(rows: &[AccessRow], registry: &Registry) {
    let head = ["时间", "机构", "查阅人", "角色", "目的", "可见等级", "所见部分", "范围", "依据规则"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for row in rows {
        let seconds = i64::try_from(row.recorded_at / 1_000).unwrap_or(i64::MAX);
        let parts: Vec<&str> =
            row.parts.iter().filter_map(|part| catalogue::zh_of_number(&TYPES_PART, *part)).collect();
        let seen = match (row.grade, row.refusal) {
            (_, Some(refusal)) => {
                format!("拒绝：{}", catalogue::zh_of_number(&TYPES_ACCESS_REFUSAL, refusal).unwrap_or(""))
            }
            (grade, None) => zh(&TYPES_VISIBILITY_GRADE, grade),
        };
        let range =
            if row.event_ids.is_empty() { "全链".to_owned() } else { format!("{} 个行为", row.event_ids.len()) };
        lines.push(vec![
            format_instant(seconds),
            name(&row.agency, registry),
            if row.reader.is_empty() { "（不可见）".to_owned() } else { row.reader.clone() },
            zh(&TYPES_ROLE, Some(row.role)),
            zh(&TYPES_ACCESS_PURPOSE, row.purpose),
            seen,
            parts.join("、"),
            range,
            row.rule.clone(),
        ]);
    }
    for row in table(&lines) {
        line(format!("  {row}"));
    }
}

fn zh(list: &'static EnumInfo, number: Option<i32>) -> String {
    number.and_then(|number| catalogue::zh_of_number(list, number)).unwrap_or("—").to_owned()
}

fn to_json(row: &AccessRow) -> Value {
    let code = |list: &'static EnumInfo, number: Option<i32>| number.and_then(|number| list.code(number));
    let parts: Vec<&str> = row.parts.iter().filter_map(|part| TYPES_PART.code(*part)).collect();
    json!({
        "recorded_at_ms": row.recorded_at, "agency": row.agency, "reader": row.reader,
        "role": TYPES_ROLE.code(row.role), "purpose": code(&TYPES_ACCESS_PURPOSE, row.purpose),
        "grade": code(&TYPES_VISIBILITY_GRADE, row.grade), "refusal": code(&TYPES_ACCESS_REFUSAL, row.refusal),
        "parts": parts, "event_ids": row.event_ids, "rule": row.rule, "legal_basis": row.legal_basis,
        "access_chain": row.access_chain_id, "revision": row.revision,
    })
}
