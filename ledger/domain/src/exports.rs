//! How many chains an agency has exported in a calendar month, and who may export more: a head of the agency other than the
//! reader approves it (`ExportApproved`).
//!
//! ```text
//! access chain of the month ─ Exported ─┐
//! registry chain of the agency ─ Approvals ─┴ may_export ─ within the number · by the approval · not
//! ```
//!
//! It counts what readers say they export. Whoever reads for another purpose and copies what he sees is not counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use mediation_proto::fields::{Fields, Value};

use crate::{
    calendar::Day,
    history::{EventId, Recorded},
    judge::chain::{bool_of, code_of, records},
};

/// The exports of an agency in a month, by its access chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    chains: BTreeSet<String>,
    /// Chains that were exported by an approval.
    by_approval: BTreeMap<EventId, BTreeSet<String>>,
}

impl Exported {
    /// Takes the next act of the access chain into account.
    pub fn apply(&mut self, recorded: &Recorded) {
        let Some((kind, event)) = recorded.act.event() else { return };
        if kind.event != ACCESSED || code_of(event, "purpose") != Some(EXPORT) {
            return;
        }
        let Some(chain) = event.text("chain").map(str::to_owned) else { return };
        if let Some(approval) = step(event, "approval") {
            self.by_approval.entry(approval).or_default().insert(chain.clone());
        }
        self.chains.insert(chain);
    }
}

/// What a head of an agency allows a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The official who may export.
    pub reader: String,
    /// Different chains in one calendar month.
    pub chains_max: u64,
    /// Last day on which it holds.
    pub until_on: Day,
}

/// The approvals of an agency, by its registry chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Approvals(BTreeMap<EventId, Approval>);

impl Approvals {
    /// The approvals that an agency has recorded on a chain and not withdrawn.
    #[must_use]
    pub fn of<'a>(agency: &str, history: impl IntoIterator<Item = &'a Recorded>) -> Self {
        let mut approvals = Self::default();
        for recorded in history.into_iter().filter(|recorded| recorded.agency == agency) {
            let Some((kind, event)) = recorded.act.event() else { continue };
            if kind.event == APPROVED {
                approvals.0.extend(approval(event).map(|approval| (recorded.event_id, approval)));
            } else if kind.event == CORRECTED
                && bool_of(event, "withdrawn") == Some(true)
                && let Some(target) = step(event, "target")
            {
                approvals.0.remove(&target);
            }
        }
        approvals
    }
}

/// Who would export what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The chain, by id.
    pub chain: &'a str,
    /// The official.
    pub reader: &'a str,
    /// The approval that he names.
    pub approval: Option<EventId>,
    /// Today.
    pub day: Day,
}

/// Why a chain may not be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// The agency has exported as many chains in this month as it may by itself, and no approval is named.
    Exhausted {
        /// How many those are.
        chains_max: u64,
    },
    /// The agency has recorded no such approval, or has withdrawn it.
    Unknown(EventId),
    /// The approval is another official's.
    OfAnother,
    /// The approval has ended.
    Ended(Day),
    /// As many chains as the approval allows were exported by it in this month.
    UsedUp {
        /// How many those are.
        chains_max: u64,
    },
}

impl Hindrance {
    /// What it says, in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Exhausted { chains_max } => format!("本机构本月已导出 {chains_max} 条不同的链"),
            Self::Unknown(id) => format!("本机构登记链上没有有效的导出批准 {id}"),
            Self::OfAnother => "该导出批准不是给此查阅人的".to_owned(),
            Self::Ended(day) => format!("该导出批准有效期至 {day}，已届满"),
            Self::UsedUp { chains_max } => format!("本月已依该批准导出 {chains_max} 条不同的链"),
        }
    }
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { chains_max } => {
                write!(f, "your agency has exported {chains_max} different chains in this month")
            }
            Self::Unknown(id) => write!(f, "the registry chain of your agency holds no approval `{id}` that counts"),
            Self::OfAnother => f.write_str("the approval is not for this reader"),
            Self::Ended(day) => write!(f, "the approval ended on {day}"),
            Self::UsedUp { chains_max } => {
                write!(f, "{chains_max} different chains were exported by this approval in this month")
            }
        }
    }
}

/// By which approval a chain may be exported; by none while the agency has exported less than `chains_max` different chains in
/// this month, or this one already. `approvals` is asked only beyond that.
///
/// # Errors
/// What stands against it.
pub fn may_export(
    exported: &Exported,
    chains_max: u64,
    asked: &Asked<'_>,
    approvals: Option<&Approvals>,
) -> Result<Option<EventId>, Hindrance> {
    if !is_beyond(exported, chains_max, asked.chain) {
        return Ok(None);
    }
    let Some(id) = asked.approval else { return Err(Hindrance::Exhausted { chains_max }) };
    let approval = approvals.and_then(|approvals| approvals.0.get(&id)).ok_or(Hindrance::Unknown(id))?;
    if approval.reader != asked.reader {
        return Err(Hindrance::OfAnother);
    }
    if approval.until_on < asked.day {
        return Err(Hindrance::Ended(approval.until_on));
    }
    let used = exported.by_approval.get(&id);
    let is_used_up = used.is_some_and(|chains| !chains.contains(asked.chain) && is_full(chains, approval.chains_max));
    if is_used_up || approval.chains_max == 0 {
        return Err(Hindrance::UsedUp { chains_max: approval.chains_max });
    }
    Ok(Some(id))
}

/// Whether a chain can be exported by an approval only.
#[must_use]
pub fn is_beyond(exported: &Exported, chains_max: u64, chain: &str) -> bool {
    !exported.chains.contains(chain) && is_full(&exported.chains, chains_max)
}

fn is_full(chains: &BTreeSet<String>, chains_max: u64) -> bool {
    chains.len() as u64 >= chains_max
}

fn approval(event: &dyn Fields) -> Option<Approval> {
    let Some(Value::Int(chains_max)) = event.named("chains_max") else { return None };
    let until_on = event.text("until_on").and_then(Day::parse)?;
    Some(Approval { reader: event.text("reader")?.to_owned(), chains_max, until_on })
}

fn step(event: &dyn Fields, name: &str) -> Option<EventId> {
    records(event, name).next().and_then(|step| EventId::parse(step.text("event_id")?))
}

const ACCESSED: &str = "RecordAccessed";
const APPROVED: &str = "ExportApproved";
const CORRECTED: &str = "RecordCorrected";
const EXPORT: &str = "EXPORT";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{case::StepNumber, judge::tests::table::case};

    const APPROVALS: &str = r#"
        2024-03-01 CT-ZS HEAD ExportApproved {"reader": "CT-ZS/JAST-1", "chains_max": 2, "until_on": "2024-03-20"}
        2024-03-01 ZC-ZS HEAD ExportApproved {"reader": "CT-ZS/JAST-1", "chains_max": 9, "until_on": "2024-03-20"}
        2024-03-01 CT-ZS HEAD ExportApproved {"reader": "CT-ZS/JAST-1", "chains_max": 9, "until_on": "2024-03-20"}
        2024-03-02 CT-ZS HEAD RecordCorrected {"target": {"step": 3}, "withdrawn": true}
    "#;

    fn approval_of(step: u32) -> EventId {
        StepNumber::from(step).event_id()
    }

    /// Readings, each of a chain and for a purpose, with the approval by the number of its step.
    fn exported(readings: &[(&str, &str, Option<u32>)]) -> Exported {
        let mut exported = Exported::default();
        for (chain, purpose, approval) in readings {
            let approval = approval.map(|step| format!(r#", "approval": {{"step": {step}}}"#)).unwrap_or_default();
            let read = format!(
                r#"2024-03-05 CT-ZS SYS RecordAccessed {{"reader_agency": "CT-ZS", "chain": "{chain}", "purpose": "{purpose}"{approval}}}"#
            );
            let acts = format!("{APPROVALS}\n{read}");
            let history = case("2024-12-31", &acts).history(&StepNumber::event_id).unwrap();
            history.iter().for_each(|recorded| exported.apply(recorded));
        }
        exported
    }

    fn may(
        exported: &Exported,
        chain: &str,
        reader: &str,
        approval: Option<u32>,
        day: &str,
    ) -> Result<Option<EventId>, Hindrance> {
        let history = case("2024-12-31", APPROVALS).history(&StepNumber::event_id).unwrap();
        let approvals = Approvals::of("CT-ZS", &history);
        let asked = Asked { chain, reader, approval: approval.map(approval_of), day: Day::parse(day).unwrap() };
        may_export(exported, 2, &asked, Some(&approvals))
    }

    const READER: &str = "CT-ZS/JAST-1";

    #[test]
    fn different_chains_count_once_and_only_exports_do() {
        let day = "2024-03-06";
        let one = exported(&[("a", "EXPORT", None), ("a", "EXPORT", None), ("b", "HANDLING", None)]);
        assert_eq!(may(&one, "b", READER, None, day), Ok(None));
        let two = exported(&[("a", "EXPORT", None), ("b", "EXPORT", None)]);
        assert_eq!(may(&two, "a", READER, None, day), Ok(None), "again is no further chain");
        assert_eq!(may(&two, "c", READER, None, day), Err(Hindrance::Exhausted { chains_max: 2 }));
    }

    #[test]
    fn an_approval_is_of_one_reader_for_so_many_chains_and_until_a_day() {
        let two = exported(&[("a", "EXPORT", None), ("b", "EXPORT", None)]);
        assert_eq!(may(&two, "c", READER, Some(1), "2024-03-20"), Ok(Some(approval_of(1))));
        assert_eq!(
            may(&two, "c", READER, Some(1), "2024-03-21"),
            Err(Hindrance::Ended(Day::parse("2024-03-20").unwrap()))
        );
        assert_eq!(may(&two, "c", "CT-ZS/JAST-2", Some(1), "2024-03-20"), Err(Hindrance::OfAnother));
        for (unknown, why) in [(2, "of another agency"), (3, "withdrawn"), (4, "no approval")] {
            let refused = may(&two, "c", READER, Some(unknown), "2024-03-20");
            assert_eq!(refused, Err(Hindrance::Unknown(approval_of(unknown))), "{why}");
        }
        let used = exported(&[
            ("a", "EXPORT", None),
            ("b", "EXPORT", None),
            ("c", "EXPORT", Some(1)),
            ("d", "EXPORT", Some(1)),
        ]);
        assert_eq!(may(&used, "e", READER, Some(1), "2024-03-20"), Err(Hindrance::UsedUp { chains_max: 2 }));
        assert_eq!(may(&used, "d", READER, None, "2024-03-20"), Ok(None));
    }

    #[test]
    fn what_hinders_is_said_in_both_languages() {
        let exhausted = Hindrance::Exhausted { chains_max: 200 };
        assert_eq!(exhausted.to_string(), "your agency has exported 200 different chains in this month");
        assert_eq!(exhausted.zh(), "本机构本月已导出 200 条不同的链");
    }
}
