//! Lapses (期限届满): what the mere passing of time makes of a chain, as the acts by which the platform's clock notes it.
//!
//! Two acts of the catalogue arise so: `HandoffTimedOut`, when an answer window passes without an answer, and
//! `ObligationDefaulted`, when the day of an obligation passes without its performance. No finding waits for them (§4.1
//! rule 11, I-3), but what people do next names them: an escalation the time-out, an application to enforce the default.
//!
//! A lapse is the platform's to note only when what it follows from was recorded before the limit had passed. History
//! that is entered afterwards brings its own time-outs, or does without.

mod center;

use mediation_proto::{
    fields::{Fields, Value},
    mediation::{
        core::v1::{CoreAct, ObligationDefaulted, core_act},
        handoff::v1::{HandoffAct, HandoffTimedOut, handoff_act},
        ledger::v1::{Act as ActMessage, act::Family},
        types::v1::{ActHeader, LateReason, Role, StepRef},
    },
};

use self::center::center;
use super::{
    Moment,
    chain::{Act, Chain, Kind, kind},
    handoffs::{Docking, dockings},
    obligations::{Duty, ObligationState, duties},
};
use crate::{
    calendar::Day,
    clocks::{Course, run},
    directory::Directory,
    history::{EventId, Recorded},
    rules::RuleSet,
    standing::Standing,
};

/// A limit that has passed and is not noted on its chain yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Lapse {
    /// Name in the catalogue of the act that notes it.
    pub event: &'static str,
    /// The governance center whose key signs, in role SYS.
    pub agency: String,
    /// The act that it follows from: the proposal, or the recording of the obligation.
    pub cause: EventId,
    /// Id of the obligation within the chain; none for a handoff.
    pub obligation: Option<String>,
    /// Last day of the limit.
    pub due: Day,
    /// 00:00 in Shanghai after that day, in seconds since 1970-01-01T00:00:00Z.
    pub occurred_at: i64,
    /// The act.
    pub act: ActMessage,
}

/// The lapses of a chain as of an instant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lapses {
    /// Those that have come, handoffs first, in the order of their causes.
    pub come: Vec<Lapse>,
    /// The next instant at which one may come if the chain does not move, in seconds; none when none can.
    pub next: Option<i64>,
}

/// The lapses of a chain. `history` holds the acts that count, in the order of their revisions; `as_of` is in seconds
/// since 1970-01-01T00:00:00Z. Acts of a later business time do not exist yet.
#[must_use]
pub fn lapses(history: &[Recorded], directory: &Directory, rules: &'static RuleSet, as_of: i64) -> Lapses {
    let chain = Chain::new(history, directory, Moment { as_of, known_at: None });
    let course = run(rules.clocks(), rules.calendar(), &chain);
    let search = Search { history, directory, rules, standing: history.iter().collect(), chain };
    let windows = dockings(&search.chain, &course);
    let windows = windows.iter().filter_map(|docking| search.window(docking, &course));
    let duties = duties(&search.chain, search.chain.all().len());
    let obligations = duties.iter().filter_map(|duty| search.obligation(duty));
    let later = history.iter().map(|recorded| recorded.occurred_at).filter(|occurred_at| *occurred_at > as_of);
    let mut lapses = Lapses { come: Vec::new(), next: later.min() };
    for limit in windows.chain(obligations) {
        let begins = limit.due.plus(1).begin();
        if begins > as_of {
            lapses.next = Some(lapses.next.map_or(begins, |next| next.min(begins)));
        } else {
            lapses.come.extend(search.lapse(&limit));
        }
    }
    lapses
}

/// A limit that is the platform's to watch.
struct Limit<'c, 'a> {
    /// The act that it follows from.
    cause: &'c Act<'a>,
    obligation: Option<&'a str>,
    due: Day,
    event: &'static str,
    family: Family,
}

struct Search<'a> {
    history: &'a [Recorded],
    directory: &'a Directory,
    rules: &'static RuleSet,
    standing: Standing,
    chain: Chain<'a>,
}

impl<'a> Search<'a> {
    /// The answer window of a proposal, while it is open and its end was not noted. A note that was withdrawn was one:
    /// whoever withdrew it knew better.
    fn window(&self, docking: &Docking, course: &Course<'a>) -> Option<Limit<'_, 'a>> {
        let proposal = self.chain.get(docking.proposal)?;
        let window = course.instances.get(docking.window?).filter(|window| window.is_open() && window.clock.enabled)?;
        let due = window.due().filter(|due| is_before(proposal, *due))?;
        let mut notes = self.chain.all().iter().filter(|act| act.is(TIMED_OUT));
        if notes.any(|note| self.chain.proposal(note).map(|act| act.at) == Some(proposal.at)) {
            return None;
        }
        let timed_out = HandoffTimedOut {
            proposal: Some(reference(proposal)),
            clock_id: Some(window.clock.id.clone()),
            due_on: Some(due.to_string()),
        };
        let family = Family::Handoff(HandoffAct { act: Some(handoff_act::Act::HandoffTimedOut(timed_out)) });
        Some(Limit { cause: proposal, obligation: None, due, event: "HandoffTimedOut", family })
    }

    /// The day of an obligation, while it is open and no default of it was ever declared.
    fn obligation(&self, duty: &Duty<'a>) -> Option<Limit<'_, 'a>> {
        let recorded = self.chain.get(duty.recorded).filter(|_| duty.state == ObligationState::Open)?;
        let due = duty.obligation(&self.chain).due.filter(|due| is_before(recorded, *due))?;
        let is_told = duty.due_on.is_some() || self.due_event(duty).is_some_and(|event| is_before(event, due));
        let mut declared = self.chain.all().iter().filter(|act| act.is(DEFAULTED));
        if !is_told || declared.any(|act| act.texts("obligation_ids").any(|id| id == duty.id)) {
            return None;
        }
        let defaulted = ObligationDefaulted {
            obligation_ids: vec![duty.id.to_owned()],
            amount_open: self.amount_open(recorded, duty.id),
            explanation: None,
        };
        let family = Family::Core(CoreAct { act: Some(core_act::Act::ObligationDefaulted(defaulted)) });
        Some(Limit { cause: recorded, obligation: Some(duty.id), due, event: "ObligationDefaulted", family })
    }

    fn due_event(&self, duty: &Duty<'a>) -> Option<&Act<'a>> {
        let event = duty.due_event?;
        self.chain.after(duty.recorded).find(|act| act.row.event == event)
    }

    /// What is left of the amount, in fen; none when there is no amount, or a payment was for several obligations and
    /// does not say how much for which.
    fn amount_open(&self, recorded: &Act<'a>, id: &str) -> Option<u64> {
        let term = recorded.records("terms").find(|term| term.text("obligation_id") == Some(id))?;
        let amount = int(term, "amount")?;
        let mut payments = self.chain.of(PERFORMED).filter(|act| act.texts("obligation_ids").any(|other| other == id));
        payments.try_fold(amount, |left, payment| {
            let is_alone = payment.texts("obligation_ids").count() == 1;
            is_alone.then(|| left.saturating_sub(payment.int("amount").unwrap_or_default()))
        })
    }

    /// The act that notes a limit that has passed; none when there is no center that may note it on this chain.
    fn lapse(&self, limit: &Limit<'_, 'a>) -> Option<Lapse> {
        let day = limit.due.plus(1);
        let agency = center(&self.chain, self.directory, day)?;
        // A chain of an accusation is told to nobody who is not on it, and admission would refuse him.
        if self.standing.is_restricted() && !self.standing.takes_part(agency) {
            return None;
        }
        let header = ActHeader {
            signer: Some(format!("{agency}/SYS-1")),
            signer_role: Some(Role::Sys as i32),
            causes: vec![reference(limit.cause)],
            late_reason: self.late_reason(day).map(|reason| reason as i32),
            ..ActHeader::default()
        };
        Some(Lapse {
            event: limit.event,
            agency: agency.to_owned(),
            cause: limit.cause.event_id,
            obligation: limit.obligation.map(str::to_owned),
            due: limit.due,
            occurred_at: day.begin(),
            act: ActMessage { header: Some(header), family: Some(limit.family.clone()) },
        })
    }

    /// Why it is noted so late that a reason is due (§2.1): nobody has touched the chain since, so that only the
    /// platform can have stood still; else what came in since may have changed who was late.
    fn late_reason(&self, day: Day) -> Option<LateReason> {
        let latest = self.rules.calendar().plus_working_days(day, NOTED_WORKING_DAYS);
        if self.chain.today() <= latest {
            return None;
        }
        let untouched = self.history.iter().all(|recorded| recorded.recorded_at < day.begin() * 1_000);
        Some(if untouched { LateReason::SystemOutage } else { LateReason::Other })
    }
}

fn reference(act: &Act<'_>) -> StepRef {
    StepRef { event_id: Some(act.event_id.to_string()) }
}

/// Whether an act was recorded before a limit had passed.
fn is_before(act: &Act<'_>, due: Day) -> bool {
    act.recorded_at < due.plus(1).begin().saturating_mul(1_000)
}

fn int(message: &dyn Fields, name: &str) -> Option<u64> {
    match message.named(name)? {
        Value::Int(value) => Some(value),
        Value::Bool(_) | Value::Text(_) | Value::Enum(_) | Value::Message(_) => None,
    }
}

/// Working days after which a late entry owes its reason.
const NOTED_WORKING_DAYS: u32 = 3;

const TIMED_OUT: Kind = kind("HandoffTimedOut");
const DEFAULTED: Kind = kind("ObligationDefaulted");
const PERFORMED: Kind = kind("ObligationPerformed");
