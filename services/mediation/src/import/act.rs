//! Rows as acts, admitted here by the rules by which the desk admits them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use mediation_domain::{
    admit::{Caller, Refusal, admit},
    catalogue::{self, Row as Kind},
    directory::Directory,
    history::{EventId, Recorded},
    standing::Standing,
};
use mediation_proto::{json::act_from_json, mediation::ledger::v1::Act};
use serde_json::{Map, Value};

use super::{
    CHAIN, Fault, OCCURRED_AT, Place, REMARK,
    book::{Row, Sheet},
    column::{Column, instant},
    identity::Batch,
};

/// An act that is to be recorded.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) place: Place,
    /// What the agency knows the matter by.
    pub(crate) key: String,
    pub(crate) chain: String,
    pub(crate) event_id: EventId,
    pub(crate) occurred_at: i64,
    pub(crate) kind: &'static Kind,
    pub(crate) act: Act,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// In the order in which they are recorded: of each matter by business time, then as they stand in the file.
    pub(crate) acts: Vec<Planned>,
    /// In the order of the file.
    pub(crate) faults: Vec<Fault>,
    /// Keys of the matters of which a row is wrong.
    pub(crate) faulty: BTreeSet<String>,
    /// Rows with acts, good and bad.
    pub(crate) rows: usize,
}

/// A row whose cells are read, before its references are.
struct Draft<'a> {
    place: Place,
    key: &'a str,
    chain: String,
    event_id: EventId,
    occurred_at: i64,
    kind: &'static Kind,
    row: &'a Row,
    columns: &'a [Column],
    header: Node,
    data: Node,
}

/// A sheet with acts.
struct Head<'a> {
    sheet: &'a Sheet,
    kind: &'static Kind,
    batch: Batch,
    columns: Vec<Column>,
    occurred_at: Option<u32>,
}

/// Reads the sheets of a file. Those whose first cell names no chains are for people, and are passed over.
pub(crate) fn plan(sheets: &[Sheet], caller: &Caller, directory: &Directory) -> Result<Plan> {
    let mut plan = Plan::default();
    let heads: Vec<Head<'_>> =
        sheets.iter().filter_map(|sheet| head(sheet, &mut plan.faults).transpose()).collect::<Result<_>>()?;
    ensure!(!heads.is_empty(), "no sheet holds acts: take the template · 没有可导入的工作表，请使用模板（--template）");
    let mut drafts = Vec::new();
    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for head in &heads {
        for row in head.sheet.rows.iter().skip(1) {
            let Some(key) = row.cell(1).filter(|key| !key.starts_with(REMARK)) else {
                if row.cell(1).is_none() {
                    plan.rows += 1;
                    plan.faults.push(missing(
                        head,
                        row,
                        1,
                        "缺少本单位案件编号",
                        "the agency's key of the matter is missing",
                    ));
                }
                continue;
            };
            plan.rows += 1;
            let count = counts.entry((key, head.kind.event)).or_default();
            *count += 1;
            drafts.extend(draft(head, row, key, *count, caller, &mut plan.faults));
        }
    }
    // References are to rows of any sheet.
    let ids: BTreeMap<String, EventId> =
        drafts.iter().map(|draft| (format!("{}!{}", draft.place.sheet, draft.place.row), draft.event_id)).collect();
    let resolve = |id: &Value| {
        let text = id.as_str()?;
        ids.get(text).map(ToString::to_string).or_else(|| EventId::parse(text).map(|id| id.to_string()))
    };
    drafts.sort_by_key(|draft| (draft.occurred_at, draft.key));
    let mut standings: BTreeMap<String, Standing> = BTreeMap::new();
    for draft in &drafts {
        let (Value::Object(header), Value::Object(data)) = (draft.header.json(), draft.data.json()) else { continue };
        match act_from_json(draft.kind.kind, &header, &data, &resolve) {
            Ok(act) => {
                let standing = standings.entry(draft.chain.clone()).or_default();
                match admitted(draft, &act, standing, caller, directory) {
                    Ok(()) => plan.acts.push(draft.planned(act, standing, caller)),
                    Err(refusal) => plan.faults.extend(draft.told(&refusal)),
                }
            }
            Err(error) => plan.faults.push(draft.fault(
                &error.path,
                "无法解读：应填本文件某行（工作表名!行号）或行为编号",
                &format!("is not read: {}", error.problem.split(", found").next().unwrap_or_default()),
            )),
        }
    }
    plan.faults.sort_by(|one, other| one.place.cmp(&other.place));
    for head in &heads {
        let of_sheet = plan.faults.iter().filter(|fault| fault.place.sheet == head.sheet.name);
        let rows: BTreeSet<u32> = of_sheet.map(|fault| fault.place.row).collect();
        // What is wrong with the first row is wrong with all.
        let is_whole = head.sheet.rows.first().is_some_and(|first| rows.contains(&first.number));
        let faulty = head.sheet.rows.iter().skip(1).filter(|row| is_whole || rows.contains(&row.number));
        let keys = faulty.filter_map(|row| row.cell(1)).filter(|key| !key.starts_with(REMARK));
        plan.faulty.extend(keys.map(str::to_owned));
    }
    Ok(plan)
}

fn admitted(
    draft: &Draft<'_>,
    act: &Act,
    standing: &Standing,
    caller: &Caller,
    directory: &Directory,
) -> Result<(), Refusal> {
    match admit(caller, standing, directory, draft.occurred_at, act) {
        // What stands on a chain that was begun elsewhere is for the desk to see.
        Err(refusal) if draft.is_elsewhere() && refusal.depends_on_chain() => Ok(()),
        admitted => admitted,
    }
}

/// What the first row says of a sheet; none of one that holds no acts.
fn head<'a>(sheet: &'a Sheet, faults: &mut Vec<Fault>) -> Result<Option<Head<'a>>> {
    let Some((first, batch)) = sheet.rows.first().and_then(|row| Some((row, row.cell(1)?.strip_prefix(CHAIN)?))) else {
        return Ok(None);
    };
    let Some(batch) = Batch::parse(batch) else {
        bail!("{}!A1: the batch is not as the template has it · 批次编号与模板不符", sheet.name)
    };
    let named = |kind: &&'static Kind| kind.event == sheet.name || kind.zh == sheet.name;
    let Some(kind) = catalogue::rows().iter().find(named) else {
        bail!("there is no act `{}` · 没有名为“{}”的行为，工作表名应与模板一致", sheet.name, sheet.name)
    };
    let mut head = Head { sheet, kind, batch, columns: Vec::new(), occurred_at: None };
    for (number, path) in first.cells.iter().filter(|cell| cell.0 > 1) {
        let place = Place { sheet: sheet.name.clone(), row: first.number, column: *number };
        if path == OCCURRED_AT {
            head.occurred_at = Some(*number);
        } else if head.columns.iter().any(|column| column.path == *path) {
            faults.push(Fault::at(place, "此列重复", "the column is there twice").showing(path));
        } else {
            match Column::parse(kind, *number, path) {
                Ok(column) => head.columns.push(column),
                Err((zh, en)) => faults.push(Fault::at(place, zh, en).showing(path)),
            }
        }
    }
    Ok(Some(head))
}

fn missing(head: &Head<'_>, row: &Row, column: u32, zh: &str, en: &str) -> Fault {
    Fault::at(Place { sheet: head.sheet.name.clone(), row: row.number, column }, zh, en)
}

/// The cells of a row, each read by what its column is; none when one of them is not as it must be.
fn draft<'a>(
    head: &'a Head<'a>,
    row: &'a Row,
    key: &'a str,
    count: u32,
    caller: &Caller,
    faults: &mut Vec<Fault>,
) -> Option<Draft<'a>> {
    let before = faults.len();
    let place = |column| Place { sheet: head.sheet.name.clone(), row: row.number, column };
    let (mut header, mut data) = (Node::default(), Node::default());
    for column in &head.columns {
        let Some(text) = row.cell(column.number) else { continue };
        match column.value(text) {
            Ok(value) if column.of_header => header.put(column, value),
            Ok(value) => data.put(column, value),
            Err((zh, en)) => {
                let fault = Fault::at(place(column.number), zh, en);
                faults.push(if column.is_personal { fault } else { fault.showing(text) });
            }
        }
    }
    for (column, text) in row.cells.iter().filter(|cell| cell.0 > 1) {
        let is_known = head.occurred_at == Some(*column) || head.columns.iter().any(|known| known.number == *column);
        if !is_known && head.sheet.rows.first().is_some_and(|first| first.cell(*column).is_none()) {
            faults.push(Fault::at(place(*column), "此列没有列名", "the column has no name").showing(text));
        }
    }
    let at = head.occurred_at.unwrap_or(2);
    let occurred_at = head.occurred_at.and_then(|column| row.cell(column)).and_then(instant);
    if occurred_at.is_none() {
        let en = "the business time is missing, or not of the form 2024-05-06 or 2024-05-06 08:09:10";
        faults.push(Fault::at(place(at), "缺少业务时间，或格式不是 2024-05-06 或 2024-05-06 08:09:10", en));
    }
    let occurred_at = occurred_at.filter(|_| faults.len() == before)?;
    let elsewhere = uuid::Uuid::parse_str(key).ok().map(|uuid| uuid.to_string()).filter(|uuid| uuid == key);
    let chain = elsewhere.unwrap_or_else(|| head.batch.chain(&caller.agency, key).to_string());
    let event_id = head.batch.event(&caller.agency, key, head.kind.event, count);
    let (columns, kind, place) = (head.columns.as_slice(), head.kind, place(1));
    Some(Draft { place, key, chain, event_id, occurred_at, kind, row, columns, header, data })
}

impl Draft<'_> {
    /// The key is the id of a chain that exists.
    fn is_elsewhere(&self) -> bool {
        self.key == self.chain
    }

    fn planned(&self, act: Act, standing: &mut Standing, caller: &Caller) -> Planned {
        let recorded = Recorded {
            revision: u64::try_from(standing.len()).unwrap_or(u64::MAX),
            event_id: self.event_id,
            agency: caller.agency.clone(),
            occurred_at: self.occurred_at,
            recorded_at: self.occurred_at.saturating_mul(1_000),
            act,
        };
        standing.apply(&recorded);
        Planned {
            place: self.place.clone(),
            key: self.key.to_owned(),
            chain: self.chain.clone(),
            event_id: self.event_id,
            occurred_at: self.occurred_at,
            kind: self.kind,
            act: recorded.act,
        }
    }

    /// What admission refuses, cell by cell where it names fields.
    fn told(&self, refusal: &Refusal) -> Vec<Fault> {
        if refusal.violations.is_empty() {
            let info = refusal.reason.info();
            let zh = format!("{}：{}", info.zh, refusal.detail_zh);
            return vec![Fault::at(self.place.clone(), zh, format!("{}: {}", info.en, refusal.detail_en))];
        }
        let faults = refusal.violations.iter();
        faults
            .map(|violation| {
                self.fault(&violation.path, &violation.zh, &format!("`{}` {}", violation.path, violation.en))
            })
            .collect()
    }

    /// A fault of the cell of a field, by its path in the words of the catalogue; of the row, when the sheet has no such column.
    fn fault(&self, path: &str, zh: &str, en: &str) -> Fault {
        let column = self.columns.iter().find(|column| self.canonical(column) == path);
        let column = column.or_else(|| {
            // A list in one cell: the element that is meant is behind its path.
            let list = path.rsplit_once('.').map_or(path, |(list, _)| list);
            self.columns.iter().find(|column| self.canonical(column) == list)
        });
        let number = column.map_or(1, |column| column.number);
        let fault = Fault::at(Place { column: number, ..self.place.clone() }, zh, en);
        match column.filter(|column| !column.is_personal).and_then(|column| self.row.cell(column.number)) {
            Some(text) => fault.showing(text),
            None => fault,
        }
    }

    /// Path of a column as refusals name it: elements are counted from 0, and only those that are there.
    fn canonical(&self, column: &Column) -> String {
        let mut path = if column.of_header { "header".to_owned() } else { self.kind.event.to_owned() };
        let mut node = Some(if column.of_header { &self.header } else { &self.data });
        for step in &column.steps {
            path.push('.');
            path.push_str(step.field.name);
            node = node.and_then(|node| node.fields.get(step.field.name));
            if let Some(element) = step.element {
                let before = node.map(|node| node.elements.range(..element).count()).unwrap_or_default();
                path.push_str(&format!(".{before}"));
                node = node.and_then(|node| node.elements.get(&element));
            }
        }
        path
    }
}

/// What the cells of a row say, in the shape of the act.
#[derive(Debug, Default)]
struct Node {
    value: Option<Value>,
    fields: BTreeMap<&'static str, Self>,
    /// Of a list of records, by their numbers in the paths.
    elements: BTreeMap<u32, Self>,
}

impl Node {
    fn put(&mut self, column: &Column, value: Value) {
        let mut node = self;
        for step in &column.steps {
            node = node.fields.entry(step.field.name).or_default();
            if let Some(element) = step.element {
                node = node.elements.entry(element).or_default();
            }
        }
        node.value = Some(value);
    }

    fn json(&self) -> Value {
        if let Some(value) = &self.value {
            return value.clone();
        }
        if !self.elements.is_empty() {
            return Value::Array(self.elements.values().map(Self::json).collect());
        }
        let fields = self.fields.iter().map(|(name, node)| ((*name).to_owned(), node.json()));
        Value::Object(fields.collect::<Map<_, _>>())
    }
}
