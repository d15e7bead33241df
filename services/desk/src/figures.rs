//! `FiguresService`: the figures of a year, counted from the log of a process that goes on recording.
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
mod message;

use std::{sync::Arc, time::Duration};

use mediation_domain::{
    admit::Violation,
    calendar::{Day, parse_instant},
    figures::{Figures as Table, Plan, PlanError},
    rules::RuleSet,
};
use mediation_ledger::{log::Log, vault::Vault};
use mediation_proto::mediation::{
    ledger::v1::{GetFiguresRequest, GetFiguresResponse, Reason, figures_service_server::FiguresService},
    types::v1::AgencyKind,
};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard},
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout_at},
};
use tonic::{Request, Response, Status, async_trait};

use self::counting::{Counted, count};
pub use self::{counting::Reading, message::message};
use crate::{
    node::{Node, request_id},
    request::violation,
    status::Refused,
};

/// Time that a request waits for the figures. Counting goes on when it is over.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// After this time whoever was told to come again may ask.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// `FiguresService` of a node.
#[derive(Debug)]
pub(crate) struct YearFigures<L, V> {
    node: Arc<Node<L, V>>,
    /// The last answer. Whoever counts holds it, so that one is at it at a time.
    kept: Arc<Mutex<Option<Kept>>>,
}

/// What is asked, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    year: i64,
    /// In seconds since 1970-01-01T00:00:00Z.
    as_of: i64,
    operational: bool,
}

/// An answer that may be given again.
#[derive(Debug)]
struct Kept {
    question: Question,
    answer: GetFiguresResponse,
    done: Instant,
    took: Duration,
}

impl<L: Log, V: Vault> YearFigures<L, V> {
    pub(crate) fn new(node: Arc<Node<L, V>>) -> Self {
        Self { node, kept: Arc::default() }
    }

    async fn figures(&self, request: Request<GetFiguresRequest>) -> Result<GetFiguresResponse, Refused> {
        let until = Instant::now() + WAIT_MAX;
        let caller = self.node.caller(&request)?;
        entitled(caller.kind)?;
        let question = Question::parse(&request.into_inner())?;
        let (plan, rules) = self.plan(question)?;
        let kept = timeout_at(until, Arc::clone(&self.kept).lock_owned()).await.map_err(|_late| being_counted())?;
        let checkpoint = self.node.seals().checkpoint();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.answers(question, &checkpoint)) {
            return Ok(kept.answer.clone());
        }
        tracing::info!(agency = caller.agency, year = question.year, "figures are counted");
        let counted = timeout_at(until, self.count(question, (plan, rules), checkpoint, kept)).await;
        match counted.map_err(|_late| being_counted())? {
            Ok(answer) => answer,
            Err(failed) => Err(Refused::internal(&failed)),
        }
    }

    fn plan(&self, question: Question) -> Result<(Plan, &'static RuleSet), Refused> {
        let name = self.node.ledger().rule_set();
        let rules = RuleSet::named(name).ok_or_else(|| Refused::new(Reason::RuleSetUnknown).with("rule_set", name))?;
        let Question { year, as_of, operational } = question;
        let plan = Plan::new(Table::embedded(), year, as_of, rules, operational).map_err(|error| {
            let is_year = matches!(error, PlanError::Year { .. });
            if is_year { Refused::malformed(vec![not_a_year()]) } else { Refused::internal(&error) }
        })?;
        Ok((plan, rules))
    }

    /// Counts on a thread of its own, up to the entry that a checkpoint ends with. It goes on when nobody waits any more, and
    /// ends when the process stops.
    fn count(
        &self,
        question: Question,
        (plan, rules): (Plan, &'static RuleSet),
        checkpoint: String,
        mut kept: OwnedMutexGuard<Option<Kept>>,
    ) -> JoinHandle<Result<GetFiguresResponse, Refused>> {
        let (node, runtime) = (Arc::clone(&self.node), Handle::current());
        spawn_blocking(move || {
            let began = Instant::now();
            // Before the first checkpoint nothing is told, since nothing is proved.
            let size = leaves_under(&checkpoint);
            let Counted { report, reading } = runtime.block_on(async {
                tokio::select! {
                    counted = count(node.ledger(), (&plan, rules), size) => counted.map_err(Refused::from),
                    () = node.streams_end() => Err(Refused::new(Reason::LogUnavailable)),
                }
            })?;
            let answer = message(&report, &reading, rules.name(), checkpoint);
            let done = Instant::now();
            *kept = Some(Kept { question, answer: answer.clone(), done, took: done - began });
            Ok(answer)
        })
    }
}

impl Question {
    fn parse(request: &GetFiguresRequest) -> Result<Self, Refused> {
        let mut violations = Vec::new();
        let year = request.year.map(i64::from);
        let year_end = year.and_then(|year| Day::parse(&format!("{year:04}-12-31"))).map(Day::end);
        if year_end.is_none() {
            violations.push(not_a_year());
        }
        let as_of = match request.as_of.as_deref() {
            Some(text) => {
                let as_of = Day::parse(text).map(Day::end).or_else(|| parse_instant(text));
                if as_of.is_none() {
                    let (en, zh) = ("is neither YYYY-MM-DD nor YYYY-MM-DDTHH:MM:SS+08:00", "既非日期，也非时点");
                    violations.push(violation("as_of", en, zh));
                }
                as_of
            }
            None => year_end,
        };
        match (year, as_of) {
            (Some(year), Some(as_of)) if violations.is_empty() => {
                Ok(Self { year, as_of, operational: request.operational })
            }
            _ => Err(Refused::malformed(violations)),
        }
    }
}

impl Kept {
    /// Whether it is the answer: to the same question, of the same tree, or of one that it was counted of a moment ago. On a log
    /// that grows faster than it is counted nobody would ever be answered otherwise.
    fn answers(&self, question: Question, checkpoint: &str) -> bool {
        let is_fresh = self.done.elapsed() <= self.took;
        self.question == question && (self.answer.checkpoint == checkpoint || is_fresh)
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

fn not_a_year() -> Violation {
    violation("year", "is no year that acts can lie in", "不是行为可以发生的年份")
}

/// Leaves under a checkpoint: its second line. This process has signed it itself.
fn leaves_under(checkpoint: &str) -> u64 {
    checkpoint.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or_default()
}

#[async_trait]
impl<L: Log, V: Vault> FiguresService for YearFigures<L, V> {
    async fn get_figures(&self, request: Request<GetFiguresRequest>) -> Result<Response<GetFiguresResponse>, Status> {
        if let Some(relay) = self.node.relay() {
            return relay.get_figures(&self.node, request).await;
        }
        self.figures(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }
}
