//! Whether an act is well-formed: one walk over all its fields, by the catalogue, that also notes what later checks
//! need: state secrets and references.

use mediation_proto::{
    fields::{Fields, Value},
    mediation::{
        ledger::v1::{Act, PartKind},
        types::v1::ActHeader,
    },
};

use super::{Violation, text};
use crate::{
    catalogue::{self, FieldRow, FieldType, Row},
    directory::Directory,
    history::EventId,
    limits::{INT_MAX, LIST_LENGTH_MAX, OCCURRED_AT_END_S, OCCURRED_AT_MIN_S, VIOLATIONS_MAX, YEAR_MAX, YEAR_MIN},
};

/// What a walk found.
#[derive(Debug)]
pub(super) struct Form<'a> {
    directory: &'a Directory,
    /// `header`, or the name of the event.
    root: &'static str,
    /// Where the walk is: the fields from the root down.
    place: Vec<Step>,
    /// The act tells of agencies that the registry may not hold yet.
    introduces_agencies: bool,
    /// References may name acts of other chains.
    leaves_chain: bool,
    pub(super) violations: Vec<Violation>,
    pub(super) secrets: Vec<Violation>,
    pub(super) references: Vec<Reference>,
}

/// A reference to an act that must stand on the chain.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) path: String,
    pub(super) title: String,
    pub(super) id: EventId,
}

/// One field on the way down, with the position of the element in a list.
#[derive(Debug)]
struct Step {
    field: &'static FieldRow,
    at: Option<usize>,
}

impl<'a> Form<'a> {
    pub(super) fn new(directory: &'a Directory) -> Self {
        Self {
            directory,
            root: HEADER,
            place: Vec::new(),
            introduces_agencies: false,
            leaves_chain: false,
            violations: Vec::new(),
            secrets: Vec::new(),
            references: Vec::new(),
        }
    }

    pub(super) fn occurred_at(&mut self, seconds: i64) {
        if !(OCCURRED_AT_MIN_S..OCCURRED_AT_END_S).contains(&seconds) {
            self.violations.push(Violation {
                path: "occurred_at".to_owned(),
                en: format!("lies outside the years {YEAR_MIN} to {YEAR_MAX}"),
                zh: format!("“业务时间”不在{YEAR_MIN}年至{YEAR_MAX}年之间"),
            });
        }
    }

    pub(super) fn header<'b>(&mut self, act: &'b Act) -> Option<&'b ActHeader> {
        let Some(header) = act.header.as_ref() else {
            self.absent(HEADER, "缺少行为头");
            return None;
        };
        self.root = HEADER;
        self.introduces_agencies = false;
        self.leaves_chain = false;
        self.walk(&catalogue::header().fields, header);
        Some(header)
    }

    pub(super) fn event(&mut self, act: &Act) -> Option<&'static Row> {
        let Some((kind, event)) = act.event() else {
            self.absent("act", "缺少行为内容");
            return None;
        };
        let row = catalogue::row(kind);
        self.root = row.event;
        self.introduces_agencies = row.family == REGISTRY;
        self.leaves_chain = row.opening || NAMES_CHAINS.iter().any(|name| row.named(name).is_some());
        self.walk(&row.fields, event);
        Some(row)
    }

    fn walk(&mut self, fields: &'static [FieldRow], message: &dyn Fields) {
        for field in fields {
            let count = message.count(field.number);
            self.place.push(Step { field, at: None });
            if count == 0 && field.required {
                self.violate("is required", "为必填项");
            }
            if count > LIST_LENGTH_MAX {
                self.violate(&format!("has more than {LIST_LENGTH_MAX} elements"), &format!("超过{LIST_LENGTH_MAX}项"));
            } else {
                for at in 0..count {
                    if let Some(step) = self.place.last_mut().filter(|step| step.field.list) {
                        step.at = Some(at);
                    }
                    if let Some(value) = message.value(field.number, at) {
                        self.value(field, value);
                    }
                }
            }
            self.place.pop();
        }
    }

    fn value(&mut self, field: &'static FieldRow, value: Value<'_>) {
        match value {
            Value::Bool(_) => {}
            Value::Int(number) if number > INT_MAX => self.violate("is larger than 2^53", "大于 2^53"),
            Value::Int(_) => {}
            Value::Enum(number) => self.code(field, number),
            Value::Text(value) => {
                let agencies = (!self.introduces_agencies).then_some(self.directory);
                let checked = text::check(field, value, agencies).and_then(|()| text::impersonal(self.part(), value));
                if let Err(problem) = checked {
                    self.violate(&problem.en, &problem.zh);
                }
            }
            Value::Message(message) => match catalogue::record(message.info()) {
                Some(record) => self.walk(&record.fields, message),
                None => self.reference(field, message),
            },
        }
    }

    /// Part of the act in which the walk is.
    fn part(&self) -> PartKind {
        self.place.first().map_or(PartKind::Act, |step| step.field.part)
    }

    fn code(&mut self, field: &FieldRow, number: i32) {
        let FieldType::Enum(list) = field.ty else { return };
        match list.code(number) {
            None if number == 0 => self.violate("holds 0, which means not given", "未填写代码"),
            None => self.violate(&format!("holds {number}, which `{}` has not", list.name), "代码不在代码表内"),
            Some(code) if !catalogue::accepted(list.name, code) => {
                let secret = self.violation(&format!("is {code}"), &format!("为 {code}"));
                self.secrets.push(secret);
            }
            Some(_) => {}
        }
    }

    fn reference(&mut self, field: &FieldRow, message: &dyn Fields) {
        let Some(id) = message.text("event_id").and_then(EventId::parse) else {
            self.violate(
                "must be an event id: a UUID, 36 characters, lower case with hyphens",
                "应为行为编号：UUID，36 个字符，小写并带连字符",
            );
            return;
        };
        if !self.leaves_chain && !ELSEWHERE.contains(&(self.root, field.name)) {
            self.references.push(Reference { path: self.path(), title: self.title(), id });
        }
    }

    fn absent(&mut self, path: &str, zh: &str) {
        self.violations.push(Violation { path: path.to_owned(), en: "is missing".to_owned(), zh: zh.to_owned() });
    }

    fn violate(&mut self, en: &str, zh: &str) {
        if self.violations.len() < VIOLATIONS_MAX {
            let violation = self.violation(en, zh);
            self.violations.push(violation);
        }
    }

    fn violation(&self, en: &str, zh: &str) -> Violation {
        Violation { path: self.path(), en: en.to_owned(), zh: format!("“{}”{zh}", self.title()) }
    }

    /// `DisputeRegistered.parties.0.side`.
    fn path(&self) -> String {
        let mut path = self.root.to_owned();
        for step in &self.place {
            path.push('.');
            path.push_str(step.field.name);
            if let Some(at) = step.at {
                path.push('.');
                path.push_str(&at.to_string());
            }
        }
        path
    }

    /// `当事人1·地位`: titles of the fields, with positions from 1.
    fn title(&self) -> String {
        let titles = self.place.iter().map(|step| match step.at {
            Some(at) => format!("{}{}", step.field.zh, at + 1),
            None => step.field.zh.clone(),
        });
        titles.collect::<Vec<_>>().join("·")
    }
}

const HEADER: &str = "header";

/// The family whose acts tell of agencies.
const REGISTRY: &str = "registry";

/// Fields that name the chain on which what the act refers to stands.
const NAMES_CHAINS: &[&str] = &["chain", "chains"];

/// References that may leave the chain though the act neither opens one nor names one: a repeated petition opens a
/// chain of its own, and what an audit chain found is remedied on the chain that it concerns.
const ELSEWHERE: &[(&str, &str)] = &[("RepeatPetitionDeclined", "termination"), ("AuditFindingCleared", "remedied_by")];
