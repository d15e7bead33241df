//! For whom a chain is: the one place that says it, for what is shown of a chain and for the keys that open it.

use mediation_domain::admit::Caller;
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::Fold,
};
use mediation_proto::mediation::types::v1::AgencyKind;

/// Whether a chain is open to an agency.
///
/// Until the whole visibility matrix is in force this is its strictest subset: agencies that recorded on the chain or are
/// named in it, governance and township centers, and the audit; of a restricted chain only those that take part. The
/// registry chain is open to every agency. A chain that could not be seen whole is open to nobody: what could not be seen
/// may restrict it.
pub(crate) fn is_open(origin: &str, caller: &Caller, fold: &Fold) -> bool {
    let oversees = matches!(caller.kind, AgencyKind::GovernanceCenter | AgencyKind::TownshipCenter | AgencyKind::Audit);
    let standing = fold.standing();
    let open = fold.chain() == ChainId::registry(origin)
        || standing.takes_part(&caller.agency)
        || (oversees && !standing.is_restricted());
    open && !fold.is_blind() && fold.next() != Revision::FIRST
}
