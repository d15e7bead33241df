//! A matter that is handed in, parsed: what is registered, whose it is, and how it gets there.

use mediation_domain::{
    admit::{Caller, admit},
    directory::Directory,
    history::Recorded,
    routing::{answers_for, keepers, nearest},
    standing::Standing,
};
use mediation_proto::{
    ActRequest,
    mediation::{
        core::v1::{CoreAct, DisputeRegistered, core_act},
        handoff::v1::{HandoffAct, HandoffProposed, handoff_act},
        ledger::v1::{Act, Reason, SubmitIntakeRequest, act::Family},
        types::v1::{ActHeader, Center, StepRef},
    },
};

use super::missing;
use crate::{agencies::center, request, status::Refused};

/// A matter, and where it goes.
#[derive(Debug)]
pub(super) struct Intake {
    /// Agency whose matter it is.
    pub(super) agency: String,
    /// Its public name.
    pub(super) name: String,
    /// The registration.
    pub(super) registration: ActRequest,
    /// The handoff; none where the caller is that agency.
    pub(super) handoff: Option<ActRequest>,
}

impl Intake {
    /// Parses a request and looks at both acts as admission will: of a matter that could not be handed over nothing is recorded.
    ///
    /// # Errors
    /// Fields are malformed, no agency or several keep the center there, or one of the acts would be refused.
    pub(super) fn parse(
        request: SubmitIntakeRequest,
        (caller, directory): (&Caller, &Directory),
        now_ms: i64,
    ) -> Result<Self, Refused> {
        let mut violations = Vec::new();
        let center = center(request.center, &mut violations);
        let (Some(matter), Some(header)) = (request.matter, request.header) else {
            violations.push(missing("header, matter"));
            return Err(Refused::malformed(violations));
        };
        if !violations.is_empty() {
            return Err(Refused::malformed(violations));
        }
        let wanted = request.handoff.as_ref().and_then(|handoff| handoff.target.as_deref());
        let division = matter.division.clone().unwrap_or_default();
        let agency = whose(directory, &caller.agency, center, &division, wanted)?;
        let name = directory.agency(&agency).map(|agency| agency.name.clone()).unwrap_or_default();
        let recorded = |event_id: &Option<String>, act| ActRequest {
            chain_id: request.chain_id.clone(),
            event_id: event_id.clone(),
            expected_revision: None,
            occurred_at: request.occurred_at,
            wait: request.wait,
            act,
        };
        let mut registration = recorded(&request.event_id, registered(header.clone(), matter));
        // The first act of the chain: a number or a chain that another matter has is not added to.
        registration.expected_revision = Some(0);
        let handoff = if agency == caller.agency {
            None
        } else {
            let handoff = request.handoff.ok_or_else(|| Refused::malformed(vec![missing("handoff")]))?;
            let act =
                handed_over(header, &request.event_id, HandoffProposed { target: Some(agency.clone()), ..handoff });
            Some(recorded(&request.handoff_event_id, act))
        };
        let intake = Self { agency, name, registration, handoff };
        intake.check(caller, directory, now_ms)?;
        Ok(intake)
    }

    /// Looks at the handoff as it will be looked at once the registration stands.
    fn check(&self, caller: &Caller, directory: &Directory, now_ms: i64) -> Result<(), Refused> {
        let (registration, _) = request::parse(self.registration.clone(), now_ms)?;
        let refused = |refusal| Refused::from(refusal);
        let mut standing = Standing::default();
        admit(caller, &standing, directory, registration.occurred_at, &registration.act).map_err(refused)?;
        let Some(handoff) = &self.handoff else { return Ok(()) };
        let (handoff, _) = request::parse(handoff.clone(), now_ms)?;
        standing.apply(&Recorded {
            revision: 0,
            event_id: registration.event_id,
            agency: caller.agency.clone(),
            occurred_at: registration.occurred_at,
            recorded_at: now_ms,
            act: registration.act,
        });
        admit(caller, &standing, directory, handoff.occurred_at, &handoff.act).map_err(refused)
    }
}

/// The agency whose matter it is.
fn whose(
    directory: &Directory,
    caller: &str,
    center: Center,
    division: &str,
    wanted: Option<&str>,
) -> Result<String, Refused> {
    let kinds = keepers(center);
    let unknown = || Refused::new(Reason::CenterUnknown).with("division", division);
    if let Some(wanted) = wanted {
        let answers = answers_for(directory, wanted, kinds, division);
        return answers.then(|| wanted.to_owned()).ok_or_else(|| unknown().with("target", wanted));
    }
    let nearest = nearest(directory, kinds, division);
    match nearest.as_slice() {
        [] => Err(unknown()),
        [one] => Ok((*one).to_owned()),
        // Who is one of them has it already.
        several if several.contains(&caller) => Ok(caller.to_owned()),
        several => {
            let several = several.join(", ");
            Err(Refused::new(Reason::CenterAmbiguous).detail(several.clone(), several).with("division", division))
        }
    }
}

fn registered(header: ActHeader, matter: DisputeRegistered) -> Act {
    let family = Family::Core(CoreAct { act: Some(core_act::Act::DisputeRegistered(matter)) });
    Act { header: Some(header), family: Some(family) }
}

/// The handoff answers the registration.
fn handed_over(mut header: ActHeader, registration: &Option<String>, handoff: HandoffProposed) -> Act {
    header.causes = vec![StepRef { event_id: registration.clone() }];
    let family = Family::Handoff(HandoffAct { act: Some(handoff_act::Act::HandoffProposed(handoff)) });
    Act { header: Some(header), family: Some(family) }
}
