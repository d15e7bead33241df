//! Whether an approval of exports is one: nobody approves his own, and only for an official of the own agency.

use mediation_proto::mediation::{
    ledger::v1::{Act, act::Family},
    registry::v1::registry_act,
};

use super::{Caller, Violation};

/// The reader is another official of the agency that approves.
pub(super) fn violations(caller: &Caller, act: &Act) -> Vec<Violation> {
    let Some(Family::Registry(family)) = act.family.as_ref() else { return Vec::new() };
    let Some(registry_act::Act::ExportApproved(approval)) = family.act.as_ref() else { return Vec::new() };
    // One that is not given is said to be by its form.
    let Some(reader) = approval.reader.as_deref() else { return Vec::new() };
    let header = act.header.as_ref();
    let own = reader.strip_prefix(caller.agency.as_str()).and_then(|rest| rest.strip_prefix('/'));
    let (en, zh) = if own.is_none_or(str::is_empty) {
        ("is no official of your agency", "不是本机构人员")
    } else if header.is_some_and(|header| header.signer() == reader) {
        ("is who approves: nobody approves his own exports", "即批准人本人：不得批准自己的导出")
    } else {
        return Vec::new();
    };
    vec![Violation { path: "ExportApproved.reader".to_owned(), en: en.to_owned(), zh: format!("“导出人”{zh}") }]
}
