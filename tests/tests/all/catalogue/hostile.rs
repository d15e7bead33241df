//! Whatever somebody writes into a free text does no harm where it is shown: in the console, which is also what is printed, in evidence
//! bundles, and in JSON. (Spreadsheets: `spreadsheets.rs`; they hold no free text of acts, but what readers and registries wrote.)
//!
//! Every field of every act that takes free text holds markup, script, formulas, emoji, letters that are written from right to left and
//! ones that nobody sees, as long as the field may be. What turns the order of letters about, and what is too long, is refused.

use std::{collections::BTreeMap, process::Command};

use mediation_domain::{
    catalogue::{self, FieldRow, FieldType, Row},
    limits::{STRING_BYTES_MAX, TEXT_BYTES_MAX},
};
use mediation_ledger::bundle::read;
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::{Map, Value, json};

use super::{Desks, Notation, ORDERS, Opened, ROOTED};
use crate::{console::Console, served::mediation};

/// What is written, and how a page may show it: as text, and what is not seen named.
const WRITTEN: &str =
    "=cmd|' /C calc'!A1 <script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;{{7*7}} 😀👩‍👧 שלום\u{200b}";
const SHOWN: &str = "&#60;script&#62;alert(1)&#60;/script&#62;&#60;img src=x onerror=alert(2)&#62;";

/// What no page, report or file may hold.
const LIVE: [&str; 4] = ["<script>alert", "<img src=x", "\u{200b}", "\u{202e}"];

/// Fields that take free text, by their rows: no form is asked of them.
fn is_free(field: &FieldRow) -> bool {
    let has_form = |name: &str| {
        ["division", "chain_no", "public_key", "root_key", "digest", "certificate_sha256", "credit_code"]
            .contains(&name)
            || name.ends_with("_digest")
    };
    matches!(field.ty, FieldType::Text) || matches!(field.ty, FieldType::String) && !has_form(field.name)
}

/// Puts a text into every field that takes free text; how many there were.
fn fill(fields: &[FieldRow], data: &mut Map<String, Value>, text: &str) -> usize {
    let mut filled = 0;
    for field in fields {
        let Some(value) = data.get_mut(field.name) else { continue };
        let values = if let Value::Array(values) = value { values.iter_mut().collect() } else { vec![value] };
        for value in values {
            if let (FieldType::Record(info), Value::Object(inner)) = (field.ty, &mut *value) {
                filled += fill(&catalogue::record(info).unwrap().fields, inner, text);
            } else if is_free(field) {
                let max = if matches!(field.ty, FieldType::Text) { TEXT_BYTES_MAX } else { STRING_BYTES_MAX };
                let rest = max.saturating_sub(text.len()) / "长".len();
                *value = json!(format!("{text}{}", "长".repeat(rest)));
                filled += 1;
            }
        }
    }
    filled
}

/// Records an act whose free texts are hostile on a chain of its own; none where it has no free text.
async fn recorded(desks: &Desks, row: &'static Row, wrong: &mut Vec<String>) -> Option<(Opened, usize)> {
    let kind = *row.agency_kinds.first().unwrap();
    let opened = desks.opened_chain().await;
    let whole = desks.sample(row, kind, &opened);
    let filled = |text: &str| {
        let mut act = whole.clone();
        let count = fill(&row.fields, &mut act.data, text);
        (act, count)
    };
    let (act, count) = filled(WRITTEN);
    if count == 0 {
        return None;
    }
    if let Err(error) = desks.client(kind).send(desks.request(row, &opened, act)).await {
        // A string of which a form is asked cannot hold it at all.
        wrong.push(format!("{}: {error}", row.event));
        return None;
    }
    for text in ["甲\u{202e}乙", "甲\u{2066}乙", "甲\u{0}乙", "甲\u{1b}[2J", &"长".repeat(TEXT_BYTES_MAX)] {
        let (Notation { header, data }, _) = filled(text);
        desks.refused(row, kind, &opened, Notation { header, data }).await;
    }
    Some((opened, count))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_free_text_of_any_act_does_harm_where_it_is_shown() {
    let desks = Desks::open().await;
    let (mut wrong, mut by_kind) = (Vec::new(), BTreeMap::<AgencyKind, Vec<(&str, String)>>::new());
    let mut fields = 0;
    for row in catalogue::rows().iter().filter(|row| !ROOTED.contains(&row.event) && !ORDERS.contains(&row.event)) {
        if let Some((opened, count)) = recorded(&desks, row, &mut wrong).await {
            by_kind.entry(*row.agency_kinds.first().unwrap()).or_default().push((row.event, opened.chain));
            fields += count;
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(fields > 150, "only {fields} fields");
    let (mut pages, mut shown) = (0, 0);
    for (kind, chains) in &by_kind {
        let agency = desks.agency(*kind).to_owned();
        let console = tokio::task::block_in_place(|| Console::of(&desks.served, &agency));
        for (event, chain) in chains {
            let page = console.get(&format!("/chains/{chain}"));
            assert_eq!(page.status, 200, "{event}: {}", page.text());
            harmless(event, &page.text());
            pages += 1;
            shown += page.text().matches(SHOWN).count();
            let json = desks.served.run(&["chain", chain, "--agency", &agency, "--role", "REG", "--json"]);
            let told: Value = serde_json::from_slice(&json.stdout)
                .unwrap_or_else(|error| panic!("{event}: {error}: {}", String::from_utf8_lossy(&json.stderr)));
            assert!(told.is_object(), "{event}");
        }
        let (event, chain) = chains.first().unwrap();
        report(&desks, &agency, event, chain);
    }
    assert!(pages > 80 && shown > 150, "{pages} pages with {shown} texts");
}

fn harmless(what: &str, page: &str) {
    for live in LIVE {
        if let Some(at) = page.find(live) {
            let before: String = page[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
            panic!("{what}: {live:?} after {before}");
        }
    }
}

/// The report of a bundle is a page that judges open, and print.
fn report(desks: &Desks, agency: &str, event: &str, chain: &str) {
    let file = desks.served.directory.path().join(format!("{chain}.zip"));
    let exported = desks.served.run(&["export", chain, "--agency", agency, "--out", file.to_str().unwrap()]);
    // Where an entry is not for the reader there is no bundle.
    if !exported.status.success() {
        return;
    }
    let files = read(&std::fs::read(&file).unwrap().into()).unwrap();
    harmless(event, std::str::from_utf8(&files["report.html"]).unwrap());
    let policy = desks.served.path().join("policy");
    let verified = Command::new(mediation()).arg("verify").arg(&file).arg("--policy").arg(policy).output().unwrap();
    assert!(verified.status.success(), "{event}");
}
