//! What became of a matter, as its citizen may see it; and what the center has to do.

use mediation_domain::{calendar::Day, catalogue, history::Recorded};
use mediation_ledger::ledger::CheckedEntry;
use mediation_proto::{
    derived::TYPES_OUTCOME,
    mediation::{
        ledger::v1::{Clock, ListDutiesResponse, Reading},
        types::v1::{AccessPurpose, Role},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Counter, book::Noted, problem::Problem};

/// The ground on which a citizen is told of his own matter.
const OWN_DATA: &str = "个人信息保护法第四十五条";

/// What became of a matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Standing {
    /// 纠纷链号.
    number: String,
    /// Day on which it was handed in.
    registered_on: String,
    /// Agency that leads now, by its name; absent when nobody does, or he may not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    handled_by: Option<String>,
    /// How it ended, in Chinese; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    /// What was done, as far as he may know of it.
    steps: Vec<Step>,
    /// What is due next, what is due first coming first.
    due: Vec<Due>,
    /// The gateway has verified inclusion, links and signatures under a checkpoint of this many entries.
    verified_under: u64,
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Step {
    /// Day.
    on: String,
    /// Agency, by its name.
    agency: String,
    /// What was done, in Chinese.
    what: String,
}

/// A limit that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Due {
    /// What it is, in Chinese.
    what: String,
    /// Last day.
    on: String,
    /// Agency that is bound, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    agency: Option<String>,
}

impl Standing {
    /// Reads it as a party of the matter: the ledger decides what he sees, and records that he was shown it.
    pub(super) async fn read(counter: &Counter, noted: &Noted) -> Result<Self, Problem> {
        let reading = Reading {
            reader: Some(noted.party.clone()),
            role: Some(Role::Pty.into()),
            purpose: Some(AccessPurpose::OwnData.into()),
            legal_basis: Some(OWN_DATA.to_owned()),
            ..Reading::default()
        };
        let client = counter.client.clone().reading(reading);
        let chain = client.verified_chain(&noted.chain, None, &counter.registry).await?;
        let name = |agency: &str| {
            let known = counter.registry.directory().agency(agency);
            known.map_or_else(|| agency.to_owned(), |agency| agency.name.clone())
        };
        let acts = chain.entries.iter().filter_map(|(_, entry)| recorded(entry));
        let steps = acts.filter_map(|act| {
            let (kind, _) = act.act.event()?;
            let (on, what) = (Day::of(act.occurred_at).to_string(), catalogue::row(kind).zh.to_owned());
            Some(Step { on, agency: name(&act.agency), what })
        });
        let judged = &chain.judgement;
        let outcome = judged.outcome.as_deref().and_then(|code| catalogue::zh(TYPES_OUTCOME.name, code));
        let lead = judged.leads.iter().rfind(|lead| lead.to_revision.is_none());
        let mut due: Vec<Due> = judged.clocks.iter().filter_map(|clock| running(clock, &name)).collect();
        due.sort_unstable_by(|one, other| one.on.cmp(&other.on));
        Ok(Self {
            number: noted.number.clone(),
            registered_on: Day::of(noted.occurred_at).to_string(),
            handled_by: lead.map(|lead| name(&lead.agency)),
            outcome: outcome.map(str::to_owned),
            steps: steps.collect(),
            due,
            verified_under: chain.checkpoint.size.0,
        })
    }
}

fn recorded(entry: &CheckedEntry) -> Option<&Recorded> {
    entry.outcome.as_ref().ok()
}

fn running(clock: &Clock, name: &dyn Fn(&str) -> String) -> Option<Due> {
    let on = clock.due.clone().filter(|_| clock.state == "OPEN")?;
    Some(Due { what: clock.zh.clone(), on, agency: clock.obliged.as_deref().map(name) })
}

/// What the center has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Worklist {
    /// Day as of whose end it stands.
    as_of: String,
    /// What is due first comes first.
    duties: Vec<WorklistDuty>,
    /// There are more than are shown.
    more: bool,
}

/// A duty (待办).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct WorklistDuty {
    /// Chain id (UUID).
    chain: String,
    /// 纠纷链号.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    /// `HANDOFF`, `CLOCK` or `OBLIGATION`.
    kind: String,
    /// What it is, in Chinese.
    what: String,
    /// Last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    /// Calendar days by which that day has passed.
    days_late: u64,
    /// Agency that handed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

impl Worklist {
    pub(super) fn of(answer: ListDutiesResponse) -> Self {
        let duties = answer.duties.into_iter().map(|duty| WorklistDuty {
            chain: duty.chain_id,
            number: duty.chain_no,
            kind: duty.kind,
            what: duty.zh,
            due: duty.due,
            days_late: duty.days_late,
            from: duty.from,
        });
        Self { as_of: answer.as_of, duties: duties.collect(), more: answer.more }
    }
}
