//! A chain as swim lanes: one lane for each agency, its acts in the order of the chain, handoffs as arrows between them.

use std::collections::BTreeMap;

use super::{
    chain::{ActRow, HandoffRow, Judged},
    frame::{Text, Tongue},
};

/// Widths and heights in CSS pixels.
const LABEL: u64 = 190;
const STEP: u64 = 58;
const LANE: u64 = 58;
const HEAD: u64 = 34;

/// Letters of an agency's name that fit beside its lane.
const NAME_CHARS: usize = 13;

/// A drawing of lanes.
#[derive(Debug, Clone, Default)]
pub(super) struct Lanes {
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) lanes: Vec<Lane>,
    pub(super) leads: Vec<Band>,
    pub(super) arrows: Vec<Arrow>,
    pub(super) points: Vec<Point>,
    pub(super) dates: Vec<(u64, String)>,
}

/// The lane of an agency.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) y: u64,
    pub(super) middle: u64,
    pub(super) name: Text,
    pub(super) short: Text,
    pub(super) is_even: bool,
}

/// While an agency is first responsible.
#[derive(Debug, Clone)]
pub(super) struct Band {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) agency: Text,
}

/// A handoff, from the act that proposes it to the one that answers.
#[derive(Debug, Clone)]
pub(super) struct Arrow {
    pub(super) path: String,
    pub(super) class: &'static str,
    pub(super) title: String,
}

/// An act.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) number: u64,
    pub(super) class: &'static str,
    pub(super) title: String,
    pub(super) has_findings: bool,
}

impl Lanes {
    /// Draws acts in their lanes.
    pub(super) fn of(acts: &[ActRow], judged: &Judged, t: Tongue) -> Self {
        let mut lanes: Vec<(&str, &Text)> = Vec::new();
        for act in acts.iter().filter(|act| !act.is_hidden) {
            if !lanes.iter().any(|(id, _)| *id == act.agency_id) {
                lanes.push((&act.agency_id, &act.agency));
            }
        }
        for handoff in &judged.handoffs {
            if !lanes.iter().any(|(id, _)| *id == handoff.to_id) {
                lanes.push((&handoff.to_id, &handoff.to));
            }
        }
        let hidden = Text::of(t.say("（不可见）", "(not shown)"));
        if acts.iter().any(|act| act.is_hidden) {
            lanes.push(("", &hidden));
        }
        let places = Places::of(acts, &lanes);
        let drawn = (0..).zip(&lanes).map(|(at, (_, name))| Lane {
            y: HEAD + at * LANE,
            middle: HEAD + at * LANE + LANE / 2,
            name: (*name).clone(),
            short: short(name),
            is_even: at % 2 == 0,
        });
        Self {
            width: LABEL + acts.len() as u64 * STEP + STEP / 2,
            height: HEAD + lanes.len() as u64 * LANE + 4,
            lanes: drawn.collect(),
            leads: places.bands(judged),
            arrows: judged.handoffs.iter().filter_map(|handoff| places.arrow(handoff)).collect(),
            points: acts.iter().filter_map(|act| places.point(act)).collect(),
            dates: places.dates(acts),
        }
    }
}

/// Where acts and agencies stand.
struct Places<'a> {
    columns: BTreeMap<u64, u64>,
    lanes: BTreeMap<&'a str, u64>,
    end: u64,
}

impl<'a> Places<'a> {
    fn of(acts: &[ActRow], lanes: &[(&'a str, &Text)]) -> Self {
        let x = |at: u64| LABEL + at * STEP + STEP / 2;
        let columns: BTreeMap<u64, u64> = (0..).zip(acts).map(|(at, act)| (act.revision, x(at))).collect();
        let lanes = (0..).zip(lanes).map(|(at, (id, _))| (*id, HEAD + at * LANE + LANE / 2)).collect();
        Self { columns, lanes, end: x(acts.len() as u64) }
    }

    fn bands(&self, judged: &Judged) -> Vec<Band> {
        let band = |lead: &super::chain::LeadRow| {
            let (from, y) = (self.columns.get(&lead.from)?, self.lanes.get(lead.agency_id.as_str())?);
            let to = lead.to.and_then(|to| self.columns.get(&to)).copied().unwrap_or(self.end - STEP / 2);
            let x = from - STEP / 2 + 4;
            Some(Band {
                x,
                y: y - LANE / 2 + 6,
                width: (to + STEP / 2 - 4).saturating_sub(x).max(STEP / 2),
                height: LANE - 12,
                agency: lead.agency.clone(),
            })
        };
        judged.leads.iter().filter_map(band).collect()
    }

    fn arrow(&self, handoff: &HandoffRow) -> Option<Arrow> {
        let x = *self.columns.get(&handoff.proposal)?;
        let (from, to) = (*self.lanes.get(handoff.from_id.as_str())?, *self.lanes.get(handoff.to_id.as_str())?);
        let answered = handoff.answered.and_then(|revision| self.columns.get(&revision)).copied();
        let end = answered.unwrap_or(x + STEP / 2);
        // From the edge of one point to the edge of the other, leaving along the lane.
        let (start, head) = if to >= from { (from + 13, to.saturating_sub(15)) } else { (from - 13, to + 15) };
        let half = u64::midpoint(start, head);
        let class = if handoff.days_late > 0 {
            "late"
        } else if handoff.is_open {
            "open"
        } else {
            "answered"
        };
        Some(Arrow {
            path: format!("M{x} {start} C{x} {half} {end} {half} {end} {head}"),
            class,
            title: format!("{} → {}（{}）：{}", handoff.from, handoff.to, handoff.mode, handoff.answer),
        })
    }

    fn point(&self, act: &ActRow) -> Option<Point> {
        let lane = if act.is_hidden { "" } else { act.agency_id.as_str() };
        let class = match (act.is_hidden, act.fault.is_some(), act.findings.is_empty()) {
            (true, ..) => "hidden",
            (false, true, _) => "fault",
            (false, false, false) => "found",
            (false, false, true) => "good",
        };
        let title = if act.is_hidden {
            format!("{} {}", act.number, act.event)
        } else {
            format!("{} {} {} · {}", act.number, act.day, act.event, act.agency)
        };
        Some(Point {
            x: *self.columns.get(&act.revision)?,
            y: *self.lanes.get(lane)?,
            number: act.number,
            class,
            title,
            has_findings: !act.findings.is_empty(),
        })
    }

    /// Each day stands once, above its first act; the year where it is another one than before.
    fn dates(&self, acts: &[ActRow]) -> Vec<(u64, String)> {
        let mut last = "";
        let mut dates = Vec::new();
        for act in acts.iter().filter(|act| !act.day.is_empty()) {
            if act.day == last {
                continue;
            }
            let is_new_year = act.day.get(..4) != last.get(..4);
            let label = if is_new_year { act.day.as_str() } else { act.day.get(5..).unwrap_or_default() };
            dates.extend(self.columns.get(&act.revision).map(|x| (*x, label.to_owned())));
            last = &act.day;
        }
        dates
    }
}

fn short(name: &Text) -> Text {
    let name = name.to_string();
    if name.chars().count() <= NAME_CHARS {
        return Text::of(&name);
    }
    let cut: String = name.chars().take(NAME_CHARS - 1).collect();
    Text::of(&format!("{cut}…"))
}
