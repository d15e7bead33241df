//! Findings (审计发现): which rule a chain broke, where, and whether it was made good.

use std::collections::BTreeMap;

use super::{
    Matter,
    chain::{Act, Chain, Kind, kind},
    surroundings::{ChainKey, Place, Reading},
};
use crate::{
    calendar::Day,
    clocks::{Instance, Severity},
    rules::Invariant,
};

/// A rule that the chain broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Code, `F-OVERDUE`; with `O-` when it is an observation.
    pub code: String,
    /// Revision of the act at which it stands.
    pub revision: Option<u64>,
    /// Chain of that act, when it is another one than the chain that is judged: the access chain of a reading.
    pub chain: Option<ChainKey>,
    /// Agency that is blamed; none when nobody is.
    pub agency: Option<String>,
    /// Id of the clock that is concerned.
    pub clock: Option<String>,
    /// Limit that was passed.
    pub due: Option<Day>,
    /// Day on which it was passed or done, or on which the matter is judged.
    pub on: Option<Day>,
    /// Calendar days late, or that the state lasted; none where days mean nothing.
    pub days_late: Option<u64>,
    /// How grave it is.
    pub severity: Severity,
    /// Reasons of the rule, in the words of the rule data.
    pub reasons: Vec<String>,
    /// Whether it was made good.
    pub state: FindingState,
    /// Revision of the act that cleared or cured it; none when it was cleared on another chain.
    pub cleared: Option<u64>,
    /// Chain on which an auditor cleared it, when that is another one.
    pub cleared_on: Option<ChainKey>,
    /// Number of the rule, `I-6`.
    pub rule: &'static str,
    /// Chinese text of the rule.
    pub zh: &'static str,
    /// English text of the rule.
    pub en: &'static str,
    /// Legal source; for a clock its own source and article.
    pub article: String,
}

/// Whether a finding was made good. It is never deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingState {
    /// Stands.
    Open,
    /// An act put the facts right.
    Cured,
    /// An auditor cleared it.
    Cleared,
}

/// A finding as a rule makes it; code, texts and clearing are added afterwards.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    at: Option<usize>,
    /// The act, when it stands on another chain.
    elsewhere: Option<Place>,
    agency: Option<&'a str>,
    /// Clock, and what tells its instances apart.
    clock: Option<(String, String, Option<usize>)>,
    due: Option<Day>,
    on: Option<Day>,
    days: Option<u64>,
    severity: Option<Severity>,
    reasons: Vec<String>,
    cured_by: Option<usize>,
}

impl<'a> Draft<'a> {
    /// A finding at an act, against the agency that recorded it.
    pub(super) fn at(act: &Act<'a>) -> Self {
        Self::against(act, Some(act.agency))
    }

    /// A finding at an act, against an agency.
    pub(super) fn against(act: &Act<'a>, agency: Option<&'a str>) -> Self {
        Self {
            at: Some(act.at),
            elsewhere: None,
            agency,
            clock: None,
            due: None,
            on: None,
            days: None,
            severity: None,
            reasons: Vec::new(),
            cured_by: None,
        }
    }

    /// A finding at a reading, against the agency of the reader.
    pub(super) fn reading(read: &Reading<'a>) -> Self {
        let at = if read.elsewhere.is_some() { None } else { Some(read.at) };
        Self {
            at,
            elsewhere: read.elsewhere,
            agency: read.reader,
            clock: None,
            due: None,
            on: None,
            days: None,
            severity: None,
            reasons: Vec::new(),
            cured_by: None,
        }
    }

    pub(super) fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reasons.push(reason.into());
        self
    }

    pub(super) fn reasons(mut self, reasons: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.reasons.extend(reasons.into_iter().map(Into::into));
        self
    }

    pub(super) fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    pub(super) fn severity_if(self, holds: bool, severity: Severity) -> Self {
        if holds { self.severity(severity) } else { self }
    }

    pub(super) fn days(mut self, from: Day, to: Day) -> Self {
        self.due = Some(from);
        self.on = Some(to);
        self.days = Some(to.days_after(from));
        self
    }

    pub(super) fn clock(mut self, id: &str) -> Self {
        self.clock = Some((id.to_owned(), String::new(), None));
        self
    }

    /// The instance of a clock that was late, with its days.
    pub(super) fn instance(mut self, instance: &Instance<'a>, chain: &Chain<'a>) -> Self {
        let article = format!("{}{}", instance.clock.source, instance.clock.article);
        self.clock = Some((instance.clock.id.clone(), article, instance.opened_by.or(instance.proposal)));
        self.due = instance.due();
        self.on = Some(instance.end.map_or_else(|| chain.today(), |end| end.day));
        self.days = Some(instance.days_late(chain.as_of()));
        if !instance.clock.enabled {
            self.severity = Some(Severity::Observation);
        }
        self
    }

    pub(super) fn cured_by(mut self, act: Option<usize>) -> Self {
        self.cured_by = act;
        self
    }
}

/// Applies every rule to a chain.
pub(super) fn find(matter: &Matter<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut drafts = Vec::new();
    for (invariant, rule) in matter.rules.rulebook().with(matter.rules.invariants()) {
        rule(matter, &mut drafts);
        if !drafts.is_empty() {
            let united = united(drafts.drain(..), invariant.severity);
            findings.extend(united.into_iter().map(|draft| finding(matter, invariant, draft)));
        }
    }
    clear(&matter.chain, &mut findings);
    findings.sort_by(|a, b| (a.chain, a.revision, &a.code).cmp(&(b.chain, b.revision, &b.code)));
    findings
}

/// One finding per act, agency and instance of a clock; several reasons are one finding with a list of them.
fn united<'a>(drafts: impl Iterator<Item = Draft<'a>>, severity: Severity) -> Vec<Draft<'a>> {
    let mut united: Vec<Draft<'a>> = Vec::new();
    let mut places = BTreeMap::new();
    for mut draft in drafts {
        draft.severity = draft.severity.or(Some(severity));
        let key = (draft.at, draft.elsewhere, draft.agency, draft.clock.clone());
        let place = *places.entry(key).or_insert(united.len());
        match united.get_mut(place) {
            Some(same) => {
                same.severity = same.severity.min(draft.severity);
                same.reasons.extend(draft.reasons);
            }
            None => united.push(draft),
        }
    }
    united
}

fn finding(matter: &Matter<'_>, invariant: &'static Invariant, draft: Draft<'_>) -> Finding {
    let chain = &matter.chain;
    let severity = match draft.severity {
        _ if !invariant.enabled => Severity::Observation,
        stated => stated.unwrap_or(invariant.severity),
    };
    let name = invariant.code.get(2..).unwrap_or_default();
    let revision = |at: Option<usize>| at.and_then(|at| chain.get(at)).map(|act| act.revision);
    let (clock, article) = match draft.clock {
        Some((clock, article, _)) if !article.is_empty() => (Some(clock), article),
        Some((clock, ..)) => (Some(clock), invariant.legal_source.clone()),
        None => (None, invariant.legal_source.clone()),
    };
    let code = if severity == Severity::Observation { format!("O-{name}") } else { format!("F-{name}") };
    let act = || draft.elsewhere.map(|place| place.event_id).or_else(|| Some(chain.get(draft.at?)?.event_id));
    let cleared_on = matter.around.cleared_on(&code, act, matter.moment);
    let state = match (cleared_on, draft.cured_by) {
        (Some(_), _) => FindingState::Cleared,
        (None, Some(_)) => FindingState::Cured,
        (None, None) => FindingState::Open,
    };
    Finding {
        code,
        revision: draft.elsewhere.map(|place| place.revision).or_else(|| revision(draft.at)),
        chain: draft.elsewhere.map(|place| place.chain),
        agency: draft.agency.map(str::to_owned),
        clock,
        due: draft.due,
        on: draft.on,
        days_late: draft.days,
        severity,
        reasons: draft.reasons,
        state,
        cleared: revision(draft.cured_by).filter(|_| cleared_on.is_none()),
        cleared_on,
        rule: &invariant.id,
        zh: &invariant.zh,
        en: &invariant.en,
        article,
    }
}

/// An auditor's clearing prevails over a cure.
fn clear(chain: &Chain<'_>, findings: &mut [Finding]) {
    for cleared in chain.of(CLEARED) {
        let Some(raised) = chain.referred(cleared, "finding").filter(|act| act.is(RAISED)) else { continue };
        let revisions: Vec<u64> = raised
            .records("steps")
            .filter_map(|reference| chain.referent(reference, raised.at))
            .map(|act| act.revision)
            .collect();
        let names_no_step = raised.records("steps").next().is_none();
        for finding in findings.iter_mut().filter(|finding| raised.text("code") == Some(finding.code.as_str())) {
            let is_meant = if names_no_step {
                finding.agency.as_deref() == raised.text("against")
            } else {
                finding.chain.is_none() && finding.revision.is_some_and(|revision| revisions.contains(&revision))
            };
            if is_meant && finding.state != FindingState::Cleared {
                finding.state = FindingState::Cleared;
                finding.cleared = Some(cleared.revision);
            }
        }
    }
}

const RAISED: Kind = kind("AuditFindingRaised");
const CLEARED: Kind = kind("AuditFindingCleared");
