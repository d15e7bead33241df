//! `mediation verify FILE`: an evidence bundle, offline.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use mediation_ledger::{
    bundle::{self, EXPORTED_IS_NO_PROOF, Outcome, Verdict},
    limits::BUNDLE_BYTES_MAX,
};
use serde_json::{Value, json};

use crate::{
    durable,
    output::{self, line, width},
};

/// Verifies a bundle, by the verifier's own trust file if there is one. What is good is made again into `again`.
pub(super) fn run(path: &Path, policy: Option<&Path>, again: Option<&Path>, as_json: bool) -> Result<bool> {
    let size = fs::metadata(path)?.len();
    ensure!(size <= BUNDLE_BYTES_MAX as u64, "`{}` is larger than a bundle may be", path.display());
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let policy = policy.map(|path| {
        fs::read_to_string(path).with_context(|| format!("cannot read the trust file `{}`", path.display()))
    });
    let bytes = Bytes::from(bytes);
    let verdict = bundle::verify(&bytes, policy.transpose()?.as_deref())?;
    if let Some(again) = again.filter(|_| verdict.is_good()) {
        let made = bundle::again(&bytes)?.context("there is too little in the bundle")?;
        durable::create(again, &made)?;
    }
    if as_json {
        output::json(&to_json(&verdict))?;
    } else {
        print(&verdict);
    }
    Ok(verdict.is_good())
}

/// Prints a verdict: one line for each check.
pub(crate) fn print(verdict: &Verdict) {
    line(match (verdict.is_good(), verdict.is_complete()) {
        (true, true) => "核验通过 ✓ · verified",
        (true, false) => {
            "证据核验通过 ✓，所附报告与脚本未经核验 · the evidence is verified, the report and script beside it are not"
        }
        (false, _) => "核验发现问题 ✗ · faults found",
    });
    for (check, outcome) in verdict.lines() {
        let (name, zh) = check.title();
        let title = format!("{name} {zh}{}", " ".repeat(24_usize.saturating_sub(width(name) + width(zh))));
        line(match outcome {
            Outcome::Passed { note } => format!("  ✓ {title} {note}"),
            Outcome::Failed { cause, place } if place.is_empty() => format!("  ✗ {title} {cause}"),
            Outcome::Failed { cause, place } => format!("  ✗ {title} {cause}：{place}"),
            Outcome::Unchecked { note } => format!("  – {title} {note}"),
        });
    }
    if let Some(exported) = verdict.exported() {
        line(format!("  导出 exported by {}（{EXPORTED_IS_NO_PROOF}）", exported.told()));
    }
}

/// A verdict as JSON.
fn to_json(verdict: &Verdict) -> Value {
    let checks = verdict.lines().map(|(check, outcome)| {
        let (state, cause, place, note) = match outcome {
            Outcome::Passed { note } => ("passed", None, None, Some(note)),
            Outcome::Failed { cause, place } => ("failed", Some(cause.name), Some(place), None),
            Outcome::Unchecked { note } => ("unchecked", None, None, Some(note)),
        };
        json!({"check": check.title().0, "state": state, "cause": cause, "place": place, "note": note})
    });
    let checks: Vec<Value> = checks.collect();
    let exported = verdict.exported();
    json!({"good": verdict.is_good(), "complete": verdict.is_complete(), "exported": exported, "checks": checks})
}
