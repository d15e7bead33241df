//! `mediation clock`: computes limits.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use mediation_domain::clocks::vector::{Computed, Vectors, compute};
use serde_json::{Value, json};

use crate::{
    command::rules::known,
    output::{self, line, table},
};

/// `mediation clock`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 期限计算向量（JSON） · File of clock vectors (JSON)
    #[arg(long, value_name = "FILE")]
    vectors: PathBuf,
    /// 规则集 · Rule set
    #[arg(long, value_name = "NAME", default_value = "cn-2024-fixture")]
    rule_set: String,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Computes vectors, and compares with what they expect where they say so.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let rules = known(&arguments.rule_set)?;
    let text = fs::read_to_string(&arguments.vectors)
        .with_context(|| format!("cannot read `{}`", arguments.vectors.display()))?;
    let file: Value = serde_json::from_str(&text).context("not a file of clock vectors")?;
    let vectors: Vectors = serde_json::from_value(file.clone()).context("not a file of clock vectors")?;
    let written = file.get("vectors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut results = Vec::new();
    for (vector, written) in vectors.vectors.iter().zip(written) {
        let computed = compute(rules, vector).with_context(|| format!("vector `{}`", vector.id))?;
        let expected: Option<Computed> = match written.get("expect") {
            Some(expected) => {
                Some(serde_json::from_value(expected.clone()).with_context(|| format!("vector `{}`", vector.id))?)
            }
            None => None,
        };
        let agrees = expected.as_ref().map(|expected| *expected == computed);
        results.push((vector, computed, agrees));
    }
    if arguments.json {
        let rows: Vec<Value> = results
            .iter()
            .map(|(vector, computed, agrees)| json!({"id": vector.id, "clock": vector.clock, "computed": computed, "agrees": agrees}))
            .collect();
        output::json(&rows)?;
    } else {
        let head = ["编号", "期限", "届满", "按期", "逾期(天)", "与预期"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(results.iter().map(|(vector, computed, agrees)| {
            let late = computed.days_late.or(computed.hours_late).map(|late| late.to_string()).unwrap_or_default();
            let in_time = computed.in_time.map_or("—", |in_time| if in_time { "是" } else { "否" });
            let agrees = agrees.map_or("未给出", |agrees| if agrees { "相符 ✓" } else { "不符 ✗" });
            let due = computed.due.clone().unwrap_or_else(|| "—".to_owned());
            vec![vector.id.clone(), vector.clock.clone(), due, in_time.to_owned(), late, agrees.to_owned()]
        }));
        table(&rows).into_iter().for_each(line);
    }
    Ok(results.iter().all(|(_, _, agrees)| *agrees != Some(false)))
}
