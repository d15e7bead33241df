//! Readings of chains and refusals, as access chains record them.

use mediation_domain::{calendar::Day, history::Recorded};
use mediation_ledger::{chain::ChainId, ledger::CheckedEntry};
use mediation_proto::{
    derived::{TYPES_ACCESS_PURPOSE, TYPES_ACCESS_REFUSAL, TYPES_ROLE, TYPES_VISIBILITY_GRADE},
    mediation::{
        ledger::v1::act::Family,
        registry::v1::{AccessDenied, RecordAccessed, registry_act::Act},
    },
};

/// One reading, or one that was refused.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) revision: u64,
    pub(super) chain: String,
    pub(super) agency: String,
    pub(super) reader: String,
    pub(super) role: Option<&'static str>,
    pub(super) purpose: Option<&'static str>,
    pub(super) grade: Option<&'static str>,
    pub(super) refusal: Option<&'static str>,
    pub(super) recorded_at_ms: i64,
    /// Event ids of the acts that it showed.
    pub(super) acts: Vec<String>,
}

/// Whether a chain that begins with this entry is an access chain: the one of the reader's agency in that month.
pub(crate) fn is_access_chain(origin: &str, chain: ChainId, first: &CheckedEntry) -> bool {
    let Ok(recorded) = &first.outcome else { return false };
    let month = Day::of(recorded.occurred_at).month();
    of(recorded).is_some_and(|access| ChainId::accesses(origin, &access.agency, &month) == chain)
}

/// The reading, or refusal, that an act of an access chain records.
pub(super) fn of(recorded: &Recorded) -> Option<Access> {
    let Some(Family::Registry(family)) = &recorded.act.family else { return None };
    let act = family.act.as_ref()?;
    if let Act::RecordAccessed(read) = act {
        return Some(reading(recorded, read));
    }
    let Act::AccessDenied(denied) = act else { return None };
    Some(refusal(recorded, denied))
}

fn reading(recorded: &Recorded, read: &RecordAccessed) -> Access {
    Access {
        revision: recorded.revision,
        chain: read.chain().to_owned(),
        agency: read.reader_agency().to_owned(),
        reader: read.reader().to_owned(),
        role: TYPES_ROLE.code(read.reader_role().into()),
        purpose: TYPES_ACCESS_PURPOSE.code(read.purpose().into()),
        grade: TYPES_VISIBILITY_GRADE.code(read.grade().into()),
        refusal: None,
        recorded_at_ms: recorded.recorded_at,
        acts: read.steps.iter().filter_map(|step| step.event_id.clone()).collect(),
    }
}

fn refusal(recorded: &Recorded, denied: &AccessDenied) -> Access {
    Access {
        revision: recorded.revision,
        chain: denied.chain().to_owned(),
        agency: denied.reader_agency().to_owned(),
        reader: denied.reader().to_owned(),
        role: TYPES_ROLE.code(denied.reader_role().into()),
        purpose: TYPES_ACCESS_PURPOSE.code(denied.purpose().into()),
        grade: None,
        refusal: TYPES_ACCESS_REFUSAL.code(denied.refusal().into()),
        recorded_at_ms: recorded.recorded_at,
        acts: denied.steps.iter().filter_map(|step| step.event_id.clone()).collect(),
    }
}
