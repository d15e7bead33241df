//! Replaying a case: every step through the real desk of its agency, then the ledger's own judgement.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use mediation_city::{City, ORIGIN};
use mediation_client::{Client, ClientError, VerifiedChain};
use mediation_domain::{
    calendar::Day,
    case::{
        Case, Expect, ExpectedClock, ExpectedFinding, ExpectedHandoff, ExpectedLead, ExpectedObligation,
        ExpectedRefusal, Mutation, Step, StepNumber,
    },
    directory::{Agency, Directory},
    history::{EventId, Recorded},
    judge::{Judgement, Moment, compare, compare_mutation, judge},
    rules::RuleSet,
};
use mediation_ledger::{
    chain::ChainId,
    clock::{Clock, ManualClock},
    registry::Registry,
};
use mediation_log_embedded::SEGMENT_BYTES_DEFAULT;
use mediation_proto::{
    ActRequest,
    mediation::{ledger::v1::GetChainResponse, types::v1::LateReason},
};
use serde::Serialize;
use tempfile::TempDir;
use tonic_types::StatusExt as _;

use crate::{
    access::{Door, ReadingArguments},
    command::city,
    config::{Config, KeeperConfig, ModelConfig},
    founding::{Founding, found},
    layout::Layout,
    manifest::Manifest,
    member::{self, Member},
    process::Process,
    suite::Suites,
};

/// What a replay of one history gave, in the shape of the file's `expect`.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// Case.
    pub(crate) case: String,
    /// Mutation; none for the original.
    pub(crate) mutation: Option<String>,
    /// Everything is as expected.
    pub(crate) matches: bool,
    /// What is not.
    pub(crate) differences: Vec<String>,
    /// Chain that it was recorded on, of a ledger that goes on: it says nothing about the case.
    #[serde(skip)]
    pub(crate) chain: Option<String>,
    /// Steps that admission refused.
    pub(crate) refusals: Vec<ExpectedRefusal>,
    leads: Vec<ExpectedLead>,
    handoffs: Vec<ExpectedHandoff>,
    clocks: Vec<ExpectedClock>,
    obligations: Vec<ExpectedObligation>,
    findings: Vec<ExpectedFinding>,
    outcome: Option<String>,
}

/// One history: a case, or one of its mutations.
#[derive(Debug)]
pub(crate) struct History<'a> {
    /// The case as it stands in the file.
    pub(crate) original: &'a Case,
    /// The history that is replayed.
    pub(crate) case: Case,
    /// The mutation that made it, when one did.
    pub(crate) mutation: Option<&'a Mutation>,
}

impl<'a> History<'a> {
    /// The histories of a case: the original, and its mutations when they are wanted.
    pub(crate) fn all(case: &'a Case, mutations: bool) -> Result<Vec<Self>> {
        let mut histories = vec![Self { original: case, case: case.clone(), mutation: None }];
        for mutation in case.mutations.iter().filter(|_| mutations) {
            let changed = case.mutated(mutation).with_context(|| format!("mutation `{}`", mutation.id))?;
            histories.push(Self { original: case, case: changed, mutation: Some(mutation) });
        }
        Ok(histories)
    }

    /// Compares what was found with what the file expects.
    pub(crate) fn outcome(&self, replay: &Replay) -> Outcome {
        let Replay { judgement, steps, refusals } = replay;
        let step = |revision: u64| step_of(steps, revision);
        let expected = &self.original.expect;
        let compared = match self.mutation {
            Some(mutation) => compare_mutation(expected, mutation, judgement, &step),
            None => compare(expected, judgement, &step),
        };
        let mut differences: Vec<String> = compared.iter().map(ToString::to_string).collect();
        differences.extend(self.refusal_differences(refusals));
        let Expect { leads, handoffs, clocks, obligations, findings, outcome, .. } = judgement.as_expectation(&step);
        Outcome {
            case: self.case.case.clone(),
            mutation: self.mutation.map(|mutation| mutation.id.clone()),
            matches: differences.is_empty(),
            differences,
            refusals: refusals.clone(),
            leads,
            handoffs,
            clocks,
            obligations,
            findings,
            outcome,
            chain: None,
        }
    }

    /// Steps that were refused and should not have been, or the other way round. A mutation names no refusals: those of
    /// the original that still stand in it are expected.
    fn refusal_differences(&self, refused: &[ExpectedRefusal]) -> Vec<String> {
        let stands = |refusal: &&ExpectedRefusal| self.case.position(refusal.step).is_some();
        let expected: Vec<&ExpectedRefusal> = self.original.expect.refusals.iter().filter(stands).collect();
        let missing = expected.iter().filter(|refusal| !refused.contains(refusal));
        let missing =
            missing.map(|refusal| format!("step {}: expected to be refused with {}", refusal.step, refusal.reason));
        let surplus = refused.iter().filter(|refusal| !expected.contains(refusal));
        let surplus = surplus.map(|refusal| format!("step {}: refused with {}", refusal.step, refusal.reason));
        missing.chain(surplus).collect()
    }
}

fn step_of(steps: &[StepNumber], revision: u64) -> Option<StepNumber> {
    steps.get(usize::try_from(revision).ok()?).copied()
}

/// Time between two looks whether everything is judged, and in all at most.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const SETTLE_MAX: Duration = Duration::from_secs(120);

/// Bytes of a segment of a ledger that holds nothing but cases: each is laid out before it is written.
const CASES_SEGMENT_BYTES: u64 = 1024 * 1024;

/// A ledger in a temporary directory, whose clock follows the case.
#[derive(Debug)]
pub(crate) struct TemporaryLedger {
    directory: TempDir,
    process: Process,
    clock: Arc<ManualClock>,
    door: Door,
    registry: Registry,
}

impl TemporaryLedger {
    /// Founds and serves a ledger for these cases, which nobody searches.
    pub(crate) async fn start(cases: &[&Case]) -> Result<Self> {
        let first = cases.iter().flat_map(|case| &case.steps).map(Step::occurred_at).min();
        let now = first.unwrap_or_default() * 1000;
        let origin = "replay.mediation.example/main";
        let ground = Box::pin(Ground::found(origin, cases, members(cases)?, CASES_SEGMENT_BYTES, now)).await?;
        Box::pin(ground.serve(now, false)).await
    }

    /// The same with a read model, for who looks around in it, and with the year of a city beside the cases.
    pub(crate) async fn of_a_city(cases: &[&Case], city: City) -> Result<(Self, CityYear)> {
        let mut members = members(cases)?;
        let seats: BTreeSet<String> = members.iter().map(|member| member.id.clone()).collect();
        members.extend(city::members(&city).into_iter().filter(|member| !seats.contains(&member.id)));
        let ground =
            Box::pin(Ground::found(ORIGIN, cases, members, SEGMENT_BYTES_DEFAULT, city::founded_at(&city)?)).await?;
        let layout = Layout::new(&ground.ledger());
        let (acts, chains) = Box::pin(city::record_into(&layout, &ground.manifest, &Config::default(), city)).await?;
        let first = cases.iter().flat_map(|case| &case.steps).map(Step::occurred_at).min();
        let ledger = Box::pin(ground.serve(first.unwrap_or_default() * 1000, true)).await?;
        Ok((ledger, CityYear { seats, acts, chains }))
    }

    /// Directory of the ledger.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("ledger")
    }

    /// Records and judges a case.
    pub(crate) async fn replay(&self, case: &Case, progress: &(dyn Fn() + Sync)) -> Result<Replayed> {
        Replaying { door: &self.door, registry: &self.registry, clock: Some(&self.clock), progress }.run(case).await
    }

    /// The way into it.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// Its clock, which follows the cases.
    pub(crate) fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.clock)
    }

    /// Sets its clock to the end of a day, and waits until who searches finds everything as of that day, or has waited for long.
    pub(crate) async fn settle(&self, day: Day) {
        self.clock.set(day.end() * 1_000);
        let settled = async {
            while !self.process.is_judged_as_of(day).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(SETTLE_MAX, settled).await.is_err() {
            tracing::warn!("the read model is not complete yet; it goes on beside the console");
        }
    }

    /// The registry of the ledger.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Stops serving; the directory stays until the value is dropped.
    pub(crate) async fn stop(self) -> Result<TempDir> {
        self.process.stop().await?;
        Ok(self.directory)
    }
}

/// The year of a city that stands on a ledger beside the cases.
#[derive(Debug)]
pub(crate) struct CityYear {
    /// The agencies of the cases and of the fixture: those that anybody would sit at.
    pub(crate) seats: BTreeSet<String>,
    /// Acts of the city.
    pub(crate) acts: u64,
    /// Its chains.
    pub(crate) chains: u64,
}

/// A ledger that was founded in a temporary directory, and that nobody serves yet.
struct Ground {
    directory: TempDir,
    manifest: Manifest,
}

impl Ground {
    /// Founds it at an instant, in milliseconds.
    async fn found(
        origin: &str,
        cases: &[&Case],
        members: Vec<Member>,
        segment_bytes: u64,
        now_ms: i64,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("mediation-replay-").tempdir()?;
        let founding = Founding {
            origin: origin.parse()?,
            rule_set: cases.first().map_or("cn-2024-fixture", |case| case.rule_set.as_str()).to_owned(),
            segment_bytes,
            members,
            suites: Suites::default(),
            valid_from: "1949-10-01".to_owned(),
            clock: Arc::new(ManualClock::at(now_ms)),
        };
        let manifest = found(&directory.path().join("ledger"), &founding, &Config::default()).await?;
        Ok(Self { directory, manifest })
    }

    fn ledger(&self) -> PathBuf {
        self.directory.path().join("ledger")
    }

    /// Serves it; its clock stands at an instant until it is set.
    async fn serve(self, now_ms: i64, searched: bool) -> Result<TemporaryLedger> {
        let clock = Arc::new(ManualClock::at(now_ms));
        // A case brings its own time-outs and defaults.
        let keeper = KeeperConfig { enabled: false };
        let model = ModelConfig { enabled: searched };
        let config = Config { listen: ([127, 0, 0, 1], 0).into(), keeper, model, ..Config::default() };
        let process = Process::start(&self.ledger(), &config, Arc::clone(&clock) as Arc<dyn Clock>).await?;
        let door = Door::open(&process.address.to_string(), &self.ledger())?;
        let registry = door.registry().await?;
        Ok(TemporaryLedger { directory: self.directory, process, clock, door, registry })
    }
}

/// A judged history.
#[derive(Debug)]
pub(crate) struct Replay {
    /// What the judge found.
    judgement: Judgement,
    /// Steps by revision.
    steps: Vec<StepNumber>,
    /// Steps that admission refused.
    refusals: Vec<ExpectedRefusal>,
}

/// A case that stands on a ledger.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// The chain, verified.
    pub(crate) chain: VerifiedChain,
    /// Chain id.
    pub(crate) id: String,
    /// What was made of it.
    pub(crate) replay: Replay,
}

/// Replays a case against a ledger that runs elsewhere. Its clock is its own, so every act says why it is late.
pub(crate) async fn replay_at(
    door: &Door,
    registry: &Registry,
    case: &Case,
    progress: &(dyn Fn() + Sync),
) -> Result<Replayed> {
    Replaying { door, registry, clock: None, progress }.run(case).await
}

struct Replaying<'a> {
    door: &'a Door,
    registry: &'a Registry,
    clock: Option<&'a ManualClock>,
    progress: &'a (dyn Fn() + Sync),
}

impl Replaying<'_> {
    async fn run(&self, case: &Case) -> Result<Replayed> {
        let id = uuid::Uuid::new_v4().to_string();
        let ids: BTreeMap<StepNumber, EventId> =
            case.steps.iter().map(|step| (step.n, EventId(*uuid::Uuid::now_v7().as_bytes()))).collect();
        // A step that was left out keeps its name, so that what refers to it is refused by the ledger and not by us.
        let event_id = |step: &StepNumber| ids.get(step).copied().unwrap_or_else(|| step.event_id());
        let mut clients: BTreeMap<String, Client> = BTreeMap::new();
        let mut refusals = Vec::new();
        let mut steps = Vec::new();
        for step in &case.steps {
            if !clients.contains_key(&step.agency) {
                clients.insert(step.agency.clone(), self.door.client(&step.agency, self.registry).await?);
            }
            let client = clients.get(&step.agency).context("the client was just made")?;
            let mut act = case.act(step, &event_id)?;
            match self.clock {
                Some(clock) => clock.set(step.occurred_at() * 1000),
                None => {
                    let header = act.header.get_or_insert_default();
                    header.late_reason.get_or_insert(LateReason::Historical as i32);
                }
            }
            let request = ActRequest {
                chain_id: Some(id.clone()),
                event_id: Some(event_id(&step.n).to_string()),
                expected_revision: None,
                occurred_at: Some(prost_types::Timestamp { seconds: step.occurred_at(), nanos: 0 }),
                wait: None,
                act,
            };
            match client.record(request).await {
                Ok(_) => steps.push(step.n),
                Err(ClientError::Status(status)) => {
                    refusals.push(ExpectedRefusal { step: step.n, reason: reason(&status)? })
                }
                Err(error) => return Err(error).with_context(|| format!("step {} of {}", step.n, case.case)),
            }
            (self.progress)();
        }
        let chain = self.whole(&id, case).await?;
        if let Some((_, entry)) = chain.entries.iter().find(|(_, entry)| entry.outcome.is_err()) {
            bail!("entry {} of the replayed chain does not count: {:?}", entry.revision, entry.outcome.as_ref().err());
        }
        let judgement = judge_chain(&chain, self.registry, case)?;
        Ok(Replayed { chain, id, replay: Replay { judgement, steps, refusals } })
    }

    /// The chain as the audit is shown it, with every part that the agencies that recorded on it are shown: each sees in full
    /// what it recorded itself, so that together they see everything.
    async fn whole(&self, id: &str, case: &Case) -> Result<VerifiedChain> {
        let auditor = self.door.auditor(self.registry)?;
        let client = self.door.client(&auditor, self.registry).await?;
        let mut all = client.chain(id, Some(case.as_of.clone())).await?;
        let agencies: BTreeSet<&str> = case.steps.iter().map(|step| step.agency.as_str()).collect();
        for agency in agencies {
            let client = self.door.client_reading(agency, self.registry, &ReadingArguments::of_a_clerk()).await?;
            // Whose every act was refused does not know the chain.
            if let Ok(others) = client.chain(id, None).await {
                merge(&mut all, others);
            }
        }
        let chain = ChainId::parse(id).context("the id was just made")?;
        Ok(client.trust().chain(chain, all, self.registry)?)
    }
}

/// Adds to what one reader was shown the parts that another one was.
fn merge(all: &mut GetChainResponse, others: GetChainResponse) {
    for (entry, other) in all.entries.iter_mut().zip(others.entries) {
        let known: Vec<(i32, u32)> = entry.parts.iter().map(|part| (part.kind, part.number)).collect();
        entry.parts.extend(other.parts.into_iter().filter(|part| !known.contains(&(part.kind, part.number))));
    }
}

/// Judges a verified chain here, and insists that the ledger has judged it the same.
fn judge_chain(chain: &VerifiedChain, registry: &Registry, case: &Case) -> Result<Judgement> {
    let history: Vec<Recorded> =
        chain.entries.iter().filter_map(|(_, entry)| entry.outcome.as_ref().ok()).cloned().collect();
    let (rules, as_of) = rules_of(case)?;
    let judgement = judge(&history, registry.directory(), rules, Moment::end_of(as_of));
    let named = &chain.judgement.rule_set;
    ensure!(*named == case.rule_set, "the chain is judged by the rule set `{named}`, the case by `{}`", case.rule_set);
    let own = mediation_desk::judgement::message(&judgement, &case.rule_set, as_of);
    ensure!(own == chain.judgement, "the ledger judges the chain otherwise than its own entries say");
    Ok(judgement)
}

fn rules_of(case: &Case) -> Result<(&'static RuleSet, Day)> {
    let rules = RuleSet::named(&case.rule_set).with_context(|| format!("there is no rule set `{}`", case.rule_set))?;
    let calendar = rules.calendar_name();
    ensure!(case.calendar == calendar, "the rule set counts by the calendar `{calendar}`, not by `{}`", case.calendar);
    let as_of = Day::parse(&case.as_of).with_context(|| format!("`{}` is no day", case.as_of))?;
    Ok((rules, as_of))
}

fn reason(status: &tonic::Status) -> Result<String> {
    let info = status.get_details_error_info();
    let info = info.with_context(|| format!("the ledger answered {}: {}", status.code(), status.message()))?;
    Ok(info.reason)
}

/// Judges a history without recording it.
pub(crate) fn judge_only(case: &Case) -> Result<Replay> {
    let judgement = Judgeable::of(case)?.judge();
    let steps = case.steps.iter().map(|step| step.n).collect();
    Ok(Replay { judgement, steps, refusals: Vec::new() })
}

/// A history, and all that judging it takes.
#[derive(Debug)]
pub(crate) struct Judgeable {
    /// The acts.
    pub(crate) history: Vec<Recorded>,
    directory: Directory,
    rules: &'static RuleSet,
    as_of: Day,
}

impl Judgeable {
    /// The history of a case, as of its day.
    pub(crate) fn of(case: &Case) -> Result<Self> {
        let history = case.checked_history(&StepNumber::event_id).with_context(|| format!("case `{}`", case.case))?;
        let mut directory = Directory::default();
        for member in members(&[case])? {
            directory.insert(member.id, Agency { kind: member.kind, name: member.name, division: member.division });
        }
        let (rules, as_of) = rules_of(case)?;
        Ok(Self { history, directory, rules, as_of })
    }

    /// What the judge finds.
    pub(crate) fn judge(&self) -> Judgement {
        judge(&self.history, &self.directory, self.rules, Moment::end_of(self.as_of))
    }
}

/// The agencies of the fixture city, and those that the cases name beyond them, whose kind their ids tell.
fn members(cases: &[&Case]) -> Result<Vec<Member>> {
    let mut members = member::fixture()?;
    for step in cases.iter().flat_map(|case| &case.steps) {
        if members.iter().all(|member| member.id != step.agency) {
            let kind = member::kind_of_id(&step.agency)?;
            members.push(Member { id: step.agency.clone(), name: step.agency.clone(), kind, division: String::new() });
        }
    }
    Ok(members)
}

/// Reads a case file; a name of one that is built in (`G01`) stands for it.
pub(crate) fn read(path: &Path) -> Result<Case> {
    if let Some(text) = path.to_str().and_then(built_in) {
        return Ok(Case::parse(text)?);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the case `{}`", path.display()))?;
    Case::parse(&text).with_context(|| format!("`{}` is no case", path.display()))
}

/// The cases that the demo shows.
pub(crate) const BUILT_IN: [(&str, &str); 3] = [
    ("G01", include_str!("../../../tests/cases/G01.json")),
    ("G02", include_str!("../../../tests/cases/G02.json")),
    ("G03", include_str!("../../../tests/cases/G03.json")),
];

fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
