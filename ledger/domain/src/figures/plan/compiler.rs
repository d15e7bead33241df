//! Compiles one row: names become numbers of fields and kinds, periods become days, `where` becomes a condition.

use std::collections::BTreeSet;

use mediation_proto::{derived::KINDS, fields::MessageInfo};

use super::{Formula, Line, PlanError};
use crate::{
    catalogue,
    clocks::{
        LoadError,
        condition::{ConditionData, Names, kind_named},
    },
    figures::{
        Check, Expected, Figure,
        formula::{FormulaData, Operand, SelectionData},
        measure::{Acts, Aggregate, Entry, Measure, Source},
        operational::{ItemStatement, Items, anchor, exclusion},
        period::{Period, Periods},
    },
    rules::RuleSet,
};

/// Compiles one row.
pub(super) struct Compiler<'a> {
    pub(super) rules: &'static RuleSet,
    pub(super) measures: &'a mut Vec<Measure>,
    pub(super) periods: &'a Periods<'a>,
    /// The rows before it.
    pub(super) lines: &'a [Line],
    pub(super) figure: &'static Figure,
    /// The period for which `$each` stands.
    pub(super) each: Option<&'static str>,
}

impl Compiler<'_> {
    pub(super) fn formula(&mut self, data: &'static FormulaData) -> Result<Formula, PlanError> {
        Ok(match data {
            FormulaData::Count(selection) => self.count(selection)?,
            FormulaData::CountDistinct(selection) if selection.field.as_deref() == Some(CHAIN) => {
                self.measure(Aggregate::CountChains, selection)?
            }
            FormulaData::CountDistinct(selection) => self.measure(Aggregate::CountDistinct, selection)?,
            FormulaData::Sum(selection) => self.measure(Aggregate::Sum, selection)?,
            FormulaData::Min(selection) => self.measure(Aggregate::Min, selection)?,
            FormulaData::Max(selection) => self.measure(Aggregate::Max, selection)?,
            FormulaData::SumLatest(selection) => self.measure(Aggregate::SumLatest, selection)?,
            FormulaData::SumFirst(selection) => self.measure(Aggregate::SumFirst, selection)?,
            FormulaData::LongestRunTo(selection) => self.measure(Aggregate::LongestRunTo, selection)?,
            FormulaData::Median(selection) => self.median(selection)?,
            FormulaData::Ratio { numerator, divide_by, period } => {
                self.known(period.as_deref())?;
                Formula::Ratio(self.operand(numerator)?, self.operand(divide_by)?)
            }
            FormulaData::RateDown { of, periods: [first, second], period } => {
                self.known(Some(period))?;
                Formula::Down(self.during(of, first)?, self.during(of, second)?)
            }
            FormulaData::RateUp { before, after, period } => {
                self.known(Some(period))?;
                Formula::Up(self.operand(before)?, self.operand(after)?)
            }
            FormulaData::SumOf { of, period } => {
                self.known(Some(period))?;
                Formula::Sum(of.iter().map(|part| self.whole(part)).collect::<Result<_, _>>()?)
            }
        })
    }

    fn during(&mut self, data: &'static FormulaData, period: &'static str) -> Result<Box<Formula>, PlanError> {
        self.each = Some(period);
        let formula = self.whole(data);
        self.each = None;
        formula.map(Box::new)
    }

    /// What is added, divided or compared is a whole number: rates are computed from integers.
    fn whole(&mut self, data: &'static FormulaData) -> Result<Formula, PlanError> {
        let formula = self.formula(data)?;
        if formula.is_whole(self.lines) { Ok(formula) } else { Err(self.problem("a part is no whole number")) }
    }

    fn operand(&mut self, operand: &'static Operand) -> Result<Box<Formula>, PlanError> {
        let formula = match operand {
            Operand::Formula(data) => self.whole(data)?,
            Operand::Row(id) => {
                let row = self.lines.iter().position(|line| line.figure.id == *id);
                Formula::Row(row.ok_or_else(|| self.problem(&format!("there is no row `{id}` before it")))?)
            }
        };
        if formula.is_whole(self.lines) {
            Ok(Box::new(formula))
        } else {
            Err(self.problem("a part is no whole number"))
        }
    }

    fn count(&mut self, data: &'static SelectionData) -> Result<Formula, PlanError> {
        let Some(items) = self.items(data)? else { return self.measure(Aggregate::Count, data) };
        let statement = |data: &ConditionData, names: &Names<'_>| {
            let (field, test) = data.test(names)?;
            if !items.fields().contains(&field) {
                return Err(LoadError::NoPath { event: "what is counted", path: field.to_owned() });
            }
            Ok(ItemStatement { field: field.to_owned(), test })
        };
        let when = data.r#where.as_ref();
        let when = when.map(|when| self.named(|names| when.build(&|data| statement(data, names)))).transpose()?;
        let source = Source::Items { items, when };
        Ok(Formula::Measure(self.push(Aggregate::Count, source, self.period(data)?)))
    }

    fn median(&mut self, data: &'static SelectionData) -> Result<Formula, PlanError> {
        if data.of.as_deref() != Some("answer_hours") {
            return Err(self.problem("there is no such median"));
        }
        let source = Source::Items { items: Items::AnswerHours(self.clocks(data)?), when: None };
        Ok(Formula::Hours(self.push(Aggregate::Median, source, self.period(data)?)))
    }

    /// What is counted, when it is no acts.
    fn items(&self, data: &SelectionData) -> Result<Option<Items>, PlanError> {
        Ok(match data.of.as_deref() {
            None if data.clock.is_empty() => None,
            None => {
                let anchor = anchor(&self.figure.id).ok_or_else(|| self.problem("no day places its clocks"))?;
                Some(Items::Clocks(self.clocks(data)?, anchor))
            }
            Some("obligations") => Some(Items::Obligations),
            Some("closed_chains") => Some(Items::ClosedChains),
            Some("petitioners") => Some(Items::Petitioners),
            Some(other) => return Err(self.problem(&format!("`{other}` is nothing that can be counted"))),
        })
    }

    /// The clocks that are named, by id or by row.
    fn clocks(&self, data: &SelectionData) -> Result<BTreeSet<&'static str>, PlanError> {
        let mut ids = BTreeSet::new();
        for name in &data.clock {
            let called = self.rules.clocks().iter().filter(|clock| clock.id == *name || clock.row == *name);
            let called: Vec<&str> = called.map(|clock| clock.id.as_str()).collect();
            if called.is_empty() {
                return Err(self.problem(&format!("there is no clock `{name}`")));
            }
            ids.extend(called);
        }
        Ok(ids)
    }

    fn measure(&mut self, aggregate: Aggregate, data: &'static SelectionData) -> Result<Formula, PlanError> {
        let events: Vec<&str> = match &data.registry {
            None => data.event.as_slice().iter().map(String::as_str).collect(),
            Some(registry) => {
                let event = REGISTRIES.iter().find(|(name, _)| name == registry).map(|(_, event)| *event);
                let event = event.ok_or_else(|| self.problem(&format!("there is no registry `{registry}`")))?;
                // A registry that the catalogue has no act for is empty.
                catalogue::event(event).map(|row| row.event).into_iter().collect()
            }
        };
        let entries = events.into_iter().map(|event| self.entry(aggregate, data, event)).collect::<Result<_, _>>()?;
        let unless = data.unless.as_deref().map(|unless| self.named(|_| kind_named(unless))).transpose()?;
        let source = Source::Acts(Acts { entries, unless, exclusion: exclusion(&self.figure.id) });
        Ok(Formula::Measure(self.push(aggregate, source, self.period(data)?)))
    }

    fn entry(&self, aggregate: Aggregate, data: &SelectionData, event: &str) -> Result<Entry, PlanError> {
        let kind = self.named(|_| kind_named(event))?;
        let row = catalogue::event(event).ok_or_else(|| self.problem(&format!("there is no event `{event}`")))?;
        let info: &'static MessageInfo = row.kind.info;
        let number = |name: &str| match info.field(name) {
            Some(field) => Ok(field.number),
            None => Err(self.problem(&format!("`{event}` has no field `{name}`"))),
        };
        let when = data.r#where.as_ref();
        let when = when.map(|when| self.named(|names| when.compile(info, names))).transpose()?;
        let needs_field = !matches!(aggregate, Aggregate::Count | Aggregate::CountBy | Aggregate::CountChains);
        let needs_by = matches!(aggregate, Aggregate::CountBy | Aggregate::SumLatest | Aggregate::SumFirst);
        let taken = |name: &Option<String>, needed: bool| match name.as_deref().filter(|_| needed) {
            Some(name) => number(name).map(Some),
            None if needed => Err(self.problem("it does not say which field is taken")),
            None => Ok(None),
        };
        let registers = REGISTRATIONS.iter().find(|(name, _)| *name == event);
        Ok(Entry {
            kind,
            when,
            field: taken(&data.field, needs_field)?,
            by: taken(&data.by, needs_by)?,
            each: data.each,
            registers: registers.map(|(_, field)| number(field)).transpose()?,
        })
    }

    /// The numerator once more, told apart by a field.
    pub(super) fn parts(&mut self) -> Result<Option<usize>, PlanError> {
        let Some(by) = self.figure.by.as_ref() else { return Ok(None) };
        let FormulaData::Ratio { numerator: Operand::Formula(numerator), .. } = &self.figure.formula else {
            return Err(self.problem("only a ratio has parts"));
        };
        let FormulaData::Count(data) = &**numerator else { return Err(self.problem("only counted acts have parts")) };
        let Formula::Measure(place) = self.measure(Aggregate::Count, data)? else { return Ok(None) };
        let Some(Measure { aggregate, source: Source::Acts(acts), .. }) = self.measures.get_mut(place) else {
            return Ok(None);
        };
        *aggregate = Aggregate::CountBy;
        for entry in &mut acts.entries {
            let info = KINDS.get(entry.kind.0).map(|kind| kind.info);
            entry.by = info.and_then(|info| info.field(by)).map(|field| field.number);
        }
        Ok(Some(place))
    }

    /// What a row is compared with can be compared.
    pub(super) fn check(&self) -> Result<(), PlanError> {
        let figure = self.figure;
        let bounded = matches!(figure.check, Some(Check::AtLeast | Check::AtMost));
        if bounded && !matches!(figure.expect, Some(Expected::Number(_))) {
            return Err(self.problem("a bound is a number"));
        }
        if figure.print.is_some_and(|print| print.decimals > DECIMALS_MAX) {
            return Err(self.problem("it prints more decimals than anybody reads"));
        }
        if figure.check.is_some() != figure.expect.is_some() {
            return Err(self.problem("`check` and `expect` belong together"));
        }
        match figure.equals.as_ref() {
            Some(id) if self.lines.iter().all(|line| line.figure.id != *id) => {
                Err(self.problem(&format!("there is no row `{id}` before it")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Compiles something in which names stand. Figures ask for no open clocks: these are the judge's.
    fn named<T>(&self, compile: impl FnOnce(&Names<'_>) -> Result<T, LoadError>) -> Result<T, PlanError> {
        let names = Names {
            clock: &|id| Err(LoadError::NoClock(id.to_owned())),
            period: &|name| self.periods.named(name).ok().map(|period| period.days()),
        };
        compile(&names).map_err(|error| self.problem(&error.to_string()))
    }

    fn push(&mut self, aggregate: Aggregate, source: Source, period: Period) -> usize {
        self.measures.push(Measure { aggregate, source, period });
        self.measures.len() - 1
    }

    fn period(&self, data: &SelectionData) -> Result<Period, PlanError> {
        match data.period.as_deref() {
            Some("$each") => self.periods.named(self.each.ok_or_else(|| self.problem("`$each` of no periods"))?),
            Some(name) => self.periods.named(name),
            None => self.periods.named(&self.figure.period),
        }
    }

    fn known(&self, period: Option<&str>) -> Result<(), PlanError> {
        period.map_or(Ok(()), |label| self.periods.labelled(label).map(drop))
    }

    fn problem(&self, problem: &str) -> PlanError {
        PlanError::Row { id: self.figure.id.clone(), problem: problem.to_owned() }
    }
}

/// The field that stands for the chain of an act.
const CHAIN: &str = "chain";

/// Tables of the registry, with the acts that make them.
const REGISTRIES: [(&str, &str); 1] = [("honours", "HonourAwarded")];

/// Acts that register something, with the field that names it: of several about one thing the latest counts.
const REGISTRATIONS: [(&str, &str); 2] = [("AgencyOnboarded", "subject"), ("SpecialCommissionerPosted", "township")];

/// Decimals of a printed figure at most.
const DECIMALS_MAX: u32 = 6;
