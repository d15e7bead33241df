//! Who did what, when.

use mediation_domain::{
    catalogue,
    history::Recorded,
    wording::{self, Names},
};
use mediation_proto::derived::TYPES_ROLE;

use super::{Page, instant, name};
use crate::{
    bundle::examination::{Examined, index},
    ledger::{CheckedEntry, ExtraSignature},
};

pub(super) fn section(page: &mut Page, examined: &Examined<'_>) {
    page.heading("二、行为");
    page.subheading("（一）清单");
    let rows: Vec<Vec<String>> = examined.entries.iter().map(|entry| row(examined, entry)).collect();
    page.table(&["序", "业务时间", "机构", "行为", "签署", "效力"], &rows);
    page.subheading("（二）逐项内容");
    for (entry, proved) in examined.entries.iter().zip(&examined.evidence.entries) {
        page.begin_block("act");
        let title = format!("{}. {}", entry.revision.0 + 1, title(entry));
        page.subheading(&title);
        page.facts(&head(examined, entry, index(proved).0));
        if let Ok(recorded) = &entry.outcome {
            let told = told(examined, recorded);
            if !told.is_empty() {
                page.facts(&told);
            }
        }
        page.end_block();
    }
}

fn row(examined: &Examined<'_>, entry: &CheckedEntry) -> Vec<String> {
    let statement = entry.statement.as_ref();
    let validity = match &entry.outcome {
        Ok(_) => "有效".to_owned(),
        Err(fault) => format!("不计入：{fault}"),
    };
    vec![
        (entry.revision.0 + 1).to_string(),
        statement.map(|statement| instant(statement.occurred_at)).unwrap_or_default(),
        statement.map(|statement| name(examined, &statement.agency)).unwrap_or_default(),
        title(entry),
        entry.outcome.as_ref().map(signer).unwrap_or_default(),
        validity,
    ]
}

fn title(entry: &CheckedEntry) -> String {
    let event = entry.outcome.as_ref().ok().and_then(|recorded| recorded.act.event());
    event.map_or_else(|| "（内容不可见）".to_owned(), |(kind, _)| catalogue::row(kind).zh.clone())
}

fn signer(recorded: &Recorded) -> String {
    let Some(header) = &recorded.act.header else { return String::new() };
    let role = header.signer_role.and_then(|role| catalogue::zh_of_number(&TYPES_ROLE, role)).unwrap_or_default();
    format!("{role} {}", header.signer.as_deref().unwrap_or_default())
}

fn head(examined: &Examined<'_>, entry: &CheckedEntry, index: u64) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut add = |name: &str, value: String| rows.push((name.to_owned(), value));
    if let Some(statement) = &entry.statement {
        add("机构", format!("{}（{}）", name(examined, &statement.agency), statement.agency));
        if let Ok(recorded) = &entry.outcome {
            add("签署", signer(recorded));
        }
        add("业务时间", format!("{}（机构所述）", instant(statement.occurred_at)));
        add("登记时间", format!("{}（账本所记）", instant(entry.recorded_at.div_euclid(1_000))));
        add("行为编号", statement.event_id.to_string());
        add("签名密钥", statement.key_id.to_string());
        for ExtraSignature { key_id, agency } in &entry.extra_signatures {
            match agency {
                Ok(agency) => add("附加签名", format!("{}（{agency}），密钥 {key_id}", name(examined, agency))),
                Err(fault) => add("附加签名", format!("不成立：{fault}")),
            }
        }
    }
    add("账本位置", format!("全账本第 {} 条；条目摘要 {}", index.saturating_add(1), entry.leaf));
    if let Err(fault) = &entry.outcome {
        add("效力", format!("不计入：{fault}"));
    }
    rows
}

/// Fields of the act that are disclosed, by their Chinese titles.
fn told(examined: &Examined<'_>, recorded: &Recorded) -> Vec<(String, String)> {
    let Some((kind, fields)) = recorded.act.event() else { return Vec::new() };
    wording::facts(examined, fields, &catalogue::row(kind).fields)
}

impl Names for Examined<'_> {
    fn agency(&self, id: &str) -> Option<String> {
        self.registry.directory().agency(id).map(|agency| agency.name.clone())
    }

    /// As the report numbers it.
    fn act(&self, event_id: &str) -> Option<String> {
        let is_it = |entry: &&CheckedEntry| {
            entry.statement.as_ref().is_some_and(|statement| statement.event_id.to_string() == event_id)
        };
        self.entries.iter().find(is_it).map(|entry| format!("第 {} 项「{}」", entry.revision.0 + 1, title(entry)))
    }
}
