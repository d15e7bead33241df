//! Agencies that shall handle a dispute jointly (联合办理).

use std::collections::BTreeSet;

use mediation_domain::directory::Directory;
use mediation_proto::{
    ActRequest,
    mediation::{
        core::v1::{CoreAct, core_act},
        ledger::v1::{Act, HandleJointlyRequest, JointInvitation, act::Family},
    },
};

use super::missing;
use crate::{request::violation, status::Refused};

/// Agencies of one request.
const INVITATIONS_MAX: usize = 20;

/// One act for each agency that is invited.
///
/// # Errors
/// There are none or too many, or one names no agency of the registry, or one that another names.
pub(super) fn invitations(request: HandleJointlyRequest, directory: &Directory) -> Result<Vec<ActRequest>, Refused> {
    let mut violations = Vec::new();
    let count = request.invitations.len();
    if !(1..=INVITATIONS_MAX).contains(&count) {
        violations.push(violation("invitations", "must be 1 to 20", "应为 1 至 20 家"));
        return Err(Refused::malformed(violations));
    }
    if request.header.is_none() {
        violations.push(missing("header"));
    }
    let mut named = BTreeSet::new();
    for (at, invitation) in request.invitations.iter().enumerate() {
        let path = format!("invitations.{at}.joined.joined");
        let joined = invitation.joined.as_ref().and_then(|joined| joined.joined.as_deref()).unwrap_or_default();
        if directory.agency(joined).is_none() {
            violations.push(violation(&path, "is no agency of the registry", "不在登记名录内"));
        } else if !named.insert(joined) {
            violations.push(violation(&path, "is named twice", "重复列出"));
        }
    }
    if !violations.is_empty() {
        return Err(Refused::malformed(violations));
    }
    let HandleJointlyRequest { chain_id, occurred_at, wait, header, invitations } = request;
    let act = |JointInvitation { event_id, joined }: JointInvitation| {
        let family = Family::Core(CoreAct { act: joined.map(core_act::Act::CoAgencyJoined) });
        let act = Act { header: header.clone(), family: Some(family) };
        ActRequest { chain_id: chain_id.clone(), event_id, expected_revision: None, occurred_at, wait, act }
    };
    Ok(invitations.into_iter().map(act).collect())
}
