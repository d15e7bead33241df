//! `FiguresService`: the figures of a year, and the agencies side by side, counted from the log of a process that goes on
//! recording.
//!
//! ```text
//! request ─ caller: audit or center? ─ counted lately? the same answer again
//!                                    └ one at a time, on a thread of its own: follow the log up to the checkpoint ─ chains
//!                                                                             chain after chain: read, check, tally ─ answer
//! ```
//!
//! Nothing is locked while chains are read, so that nobody who records waits. A figure names no chain and no person, and stands
//! in no record of readings.

mod counting;
mod kept;
mod message;
mod question;

use std::{sync::Arc, time::Duration};

use mediation_domain::rules::RuleSet;
use mediation_ledger::{log::Log, vault::Vault};
use mediation_proto::mediation::{
    ledger::v1::{
        CompareAgenciesRequest, CompareAgenciesResponse, GetFiguresRequest, GetFiguresResponse, Reason,
        figures_service_server::FiguresService,
    },
    types::v1::AgencyKind,
};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard},
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout_at},
};
use tonic::{Request, Response, Status, async_trait};

pub use self::{
    counting::Reading,
    message::{compared, message},
};
use self::{
    kept::{Answered, Kept},
    question::{Agencies, Question, Year},
};
use crate::{
    node::{Node, request_id},
    status::Refused,
};

/// Time that a request waits for the figures. Counting goes on when it is over.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// After this time whoever was told to come again may ask.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// `FiguresService` of a node.
#[derive(Debug)]
pub(crate) struct NodeFigures<L, V> {
    node: Arc<Node<L, V>>,
    kept: Arc<Mutex<Kept>>,
}

impl<L: Log, V: Vault> NodeFigures<L, V> {
    pub(crate) fn new(node: Arc<Node<L, V>>) -> Self {
        Self { node, kept: Arc::default() }
    }

    async fn answer<Q: Question>(&self, request: Request<Q::Request>) -> Result<Q::Answer, Refused> {
        let until = Instant::now() + WAIT_MAX;
        let caller = self.node.caller(&request)?;
        entitled(caller.kind)?;
        let question = Q::parse(&request.into_inner())?;
        let name = self.node.ledger().rule_set();
        let rules = RuleSet::named(name).ok_or_else(|| Refused::new(Reason::RuleSetUnknown).with("rule_set", name))?;
        let plan = question.plan(rules)?;
        let mut kept = timeout_at(until, Arc::clone(&self.kept).lock_owned()).await.map_err(|_late| being_counted())?;
        let checkpoint = self.node.seals().checkpoint();
        if let Some(known) = Q::kept(&mut kept).as_ref().filter(|known| known.answers(question, &checkpoint)) {
            return Ok(known.answer.clone());
        }
        tracing::info!(agency = caller.agency, ?question, "figures are counted");
        let counted = timeout_at(until, self.count(question, (plan, rules), checkpoint, kept)).await;
        match counted.map_err(|_late| being_counted())? {
            Ok(answer) => answer,
            Err(failed) => Err(Refused::internal(&failed)),
        }
    }

    /// Counts on a thread of its own, up to the entry that a checkpoint ends with. It goes on when nobody waits any more, and
    /// ends when the process stops.
    fn count<Q: Question>(
        &self,
        question: Q,
        (plan, rules): (Q::Plan, &'static RuleSet),
        checkpoint: String,
        mut kept: OwnedMutexGuard<Kept>,
    ) -> JoinHandle<Result<Q::Answer, Refused>> {
        let (node, runtime) = (Arc::clone(&self.node), Handle::current());
        spawn_blocking(move || {
            let began = Instant::now();
            let answer = runtime.block_on(async {
                tokio::select! {
                    counted = Q::count(plan, node.ledger(), rules, checkpoint.clone()) => counted.map_err(Refused::from),
                    () = node.streams_end() => Err(Refused::new(Reason::LogUnavailable)),
                }
            })?;
            let done = Instant::now();
            *Q::kept(&mut kept) =
                Some(Answered { question, answer: answer.clone(), checkpoint, done, took: done - began });
            Ok(answer)
        })
    }
}

/// Nobody may ask but who is named here: a figure counts acts that others may not know of.
fn entitled(kind: AgencyKind) -> Result<(), Refused> {
    if matches!(kind, AgencyKind::Audit | AgencyKind::GovernanceCenter) {
        return Ok(());
    }
    Err(Refused::new(Reason::ReaderNotEntitled).detail(
        "figures of the whole ledger are for the audit and the governance centers",
        "全账本的统计指标仅供审计与综治中心查阅",
    ))
}

fn being_counted() -> Refused {
    let refused = Refused::new(Reason::Overloaded);
    refused.detail("the figures are being counted", "指标正在统计").after(ASK_AGAIN)
}

#[async_trait]
impl<L: Log, V: Vault> FiguresService for NodeFigures<L, V> {
    async fn get_figures(&self, request: Request<GetFiguresRequest>) -> Result<Response<GetFiguresResponse>, Status> {
        if let Some(relay) = self.node.relay() {
            return relay.get_figures(&self.node, request).await;
        }
        self.answer::<Year>(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn compare_agencies(
        &self,
        request: Request<CompareAgenciesRequest>,
    ) -> Result<Response<CompareAgenciesResponse>, Status> {
        if let Some(relay) = self.node.relay() {
            return relay.compare_agencies(&self.node, request).await;
        }
        self.answer::<Agencies>(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }
}
