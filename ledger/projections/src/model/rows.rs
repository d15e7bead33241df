//! The rows of chains, written.

use mediation_domain::{calendar::Day, clocks::arithmetic::Due, directory::Directory, judge::FindingState};
use rusqlite::{Connection, Statement, params};

use super::{
    Error,
    derived::{ClockRow, Derived, Judged, Kind, Summary},
    steps::Steps,
};

/// A number that SQLite holds. None of ours comes near the limit.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Statements that take away what is not written over: rows of a chain in these tables are all replaced.
const REPLACED: [&str; 6] = ["ties", "leads", "handoffs", "clocks", "obligations", "findings"];

/// Likewise those from a revision on.
const ADDED: [&str; 2] = ["accesses", "accessed_acts"];

const ENTRY: &str =
    "INSERT INTO entries (position, chain_id, revision, leaf_hash, event_id, agency, event, visibility_row,
        occurred_at_s, recorded_at_ms, fault) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// Where it stands already, what an entry is beyond its place is written over.
const ENTRY_AGAIN: &str =
    " ON CONFLICT (chain_id, revision) DO UPDATE SET event_id = excluded.event_id, agency = excluded.agency,
        event = excluded.event, visibility_row = excluded.visibility_row, occurred_at_s = excluded.occurred_at_s,
        recorded_at_ms = excluded.recorded_at_ms, fault = excluded.fault";

const MATTER: &str = "INSERT INTO chains (chain_id, entries, kind, dispute_no, opening_event, dispute_type, division,
        opened_at_s, last_act_at_s, acts, rule_set, lead_agency, outcome, is_closed, is_restricted, is_blind, is_settled,
        next_due_on, days_overdue_max)
    VALUES (?1, ?2, 'MATTER', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

/// How many entries a chain has stands already.
const MATTER_AGAIN: &str =
    " ON CONFLICT (chain_id) DO UPDATE SET kind = excluded.kind, dispute_no = excluded.dispute_no,
        opening_event = excluded.opening_event, dispute_type = excluded.dispute_type, division = excluded.division,
        opened_at_s = excluded.opened_at_s, last_act_at_s = excluded.last_act_at_s, acts = excluded.acts,
        rule_set = excluded.rule_set, lead_agency = excluded.lead_agency, outcome = excluded.outcome,
        is_closed = excluded.is_closed, is_restricted = excluded.is_restricted, is_blind = excluded.is_blind,
        is_settled = excluded.is_settled, next_due_on = excluded.next_due_on,
        days_overdue_max = excluded.days_overdue_max";

/// A chain that is not judged. Time changes nothing of it.
const ASIDE: &str = "INSERT INTO chains (chain_id, entries, kind, is_blind, is_settled) VALUES (?1, ?2, ?3, ?4, 1)";

const ASIDE_AGAIN: &str =
    " ON CONFLICT (chain_id) DO UPDATE SET kind = excluded.kind, is_blind = excluded.is_blind, is_settled = 1";

const ACCESS: &str =
    "INSERT INTO accesses (access_chain_id, revision, chain, agency, reader, role, purpose, grade, refusal,
        recorded_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

const ACCESSED: &str = "INSERT INTO accessed_acts (access_chain_id, revision, event_id) VALUES (?1, ?2, ?3)
    ON CONFLICT DO NOTHING";

/// The statements that write rows of chains, prepared once for many.
#[derive(Debug)]
pub(super) struct Rows<'c> {
    clearing: Vec<Statement<'c>>,
    cutting: Vec<Statement<'c>>,
    done: Statement<'c>,
    entry: Statement<'c>,
    access: Statement<'c>,
    accessed: Statement<'c>,
    matter: Statement<'c>,
    aside: Statement<'c>,
    tie: Statement<'c>,
    lead: Statement<'c>,
    handoff: Statement<'c>,
    clock: Statement<'c>,
    obligation: Statement<'c>,
    finding: Statement<'c>,
    steps: Steps,
}

impl<'c> Rows<'c> {
    /// Writes into a model in which entries and chains stand, whatever is told of them.
    pub(super) fn again(connection: &'c Connection, steps: &Steps) -> Result<Self, Error> {
        Self::new(connection, steps, [ENTRY_AGAIN, MATTER_AGAIN, ASIDE_AGAIN])
    }

    /// Writes into a model in which nothing of the chains stands.
    pub(super) fn first(connection: &'c Connection, steps: &Steps) -> Result<Self, Error> {
        Self::new(connection, steps, [""; 3])
    }

    fn new(connection: &'c Connection, steps: &Steps, again: [&str; 3]) -> Result<Self, Error> {
        let [entry, matter, aside] = again;
        let prepare = |statement: &str| connection.prepare(statement);
        let clear = |table: &&str| prepare(&format!("DELETE FROM {table} WHERE chain_id = ?1"));
        let cut = |table: &&str| prepare(&format!("DELETE FROM {table} WHERE access_chain_id = ?1 AND revision >= ?2"));
        Ok(Self {
            clearing: REPLACED.iter().map(clear).collect::<Result<_, _>>()?,
            cutting: ADDED.iter().map(cut).collect::<Result<_, _>>()?,
            done: prepare("DELETE FROM pending WHERE chain_id = ?1")?,
            entry: prepare(&format!("{ENTRY}{entry}"))?,
            access: prepare(ACCESS)?,
            accessed: prepare(ACCESSED)?,
            matter: prepare(&format!("{MATTER}{matter}"))?,
            aside: prepare(&format!("{ASIDE}{aside}"))?,
            tie: prepare("INSERT INTO ties (agency, chain_id) VALUES (?1, ?2)")?,
            lead: prepare("INSERT INTO leads VALUES (?1, ?2, ?3, ?4, ?5)")?,
            handoff: prepare("INSERT INTO handoffs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?,
            clock: prepare(
                "INSERT INTO clocks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?,
            obligation: prepare("INSERT INTO obligations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?,
            finding: prepare(
                "INSERT INTO findings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?,
            steps: steps.clone(),
        })
    }

    /// Writes what a chain says now in place of what it said, and takes it off the list.
    pub(super) fn replace(&mut self, derived: &Derived) -> Result<(), Error> {
        let chain = derived.chain.to_string();
        for clear in &mut self.clearing {
            self.steps.take()?;
            clear.execute(params![chain])?;
        }
        for cut in &mut self.cutting {
            self.steps.take()?;
            cut.execute(params![chain, int(derived.from)])?;
        }
        self.add(derived)?;
        self.steps.take()?;
        self.done.execute(params![chain])?;
        Ok(())
    }

    /// Writes what a chain says, whose rows were taken away or never stood.
    pub(super) fn add(&mut self, derived: &Derived) -> Result<(), Error> {
        let chain = derived.chain.to_string();
        self.steps.take()?;
        self.entries(&chain, derived)?;
        self.steps.take()?;
        self.accesses(&chain, derived)?;
        self.steps.take()?;
        let entries = int(derived.from.saturating_add(derived.entries.len() as u64));
        if derived.kind == Kind::Matter {
            self.matter(&chain, entries, &derived.summary, &derived.judged)?;
        } else {
            self.aside.execute(params![chain, entries, derived.kind.code(), derived.summary.is_blind])?;
        }
        self.steps.take()?;
        for agency in &derived.ties {
            self.tie.execute(params![agency, chain])?;
        }
        self.steps.take()?;
        self.judged(&chain, &derived.judged)
    }

    fn entries(&mut self, chain: &str, derived: &Derived) -> Result<(), Error> {
        for entry in &derived.entries {
            self.entry.execute(params![
                int(entry.position),
                chain,
                int(entry.revision),
                entry.leaf_hash,
                entry.event_id,
                entry.agency,
                entry.event,
                entry.visibility_row,
                entry.occurred_at_s,
                entry.recorded_at_ms,
                entry.fault
            ])?;
        }
        Ok(())
    }

    fn accesses(&mut self, chain: &str, derived: &Derived) -> Result<(), Error> {
        for read in &derived.accesses {
            let revision = int(read.revision);
            self.access.execute(params![
                chain,
                revision,
                read.chain,
                read.agency,
                read.reader,
                read.role,
                read.purpose,
                read.grade,
                read.refusal,
                read.recorded_at_ms
            ])?;
            for event_id in &read.acts {
                self.accessed.execute(params![chain, revision, event_id])?;
            }
        }
        Ok(())
    }

    fn matter(&mut self, chain: &str, entries: i64, summary: &Summary, judged: &Judged) -> Result<(), Error> {
        // Who leads now is the one whose interval has no end.
        let lead = judged.leads.iter().rev().find(|lead| lead.to.is_none()).map(|lead| lead.agency.as_str());
        self.matter.execute(params![
            chain,
            entries,
            summary.dispute_no,
            summary.opening_event,
            summary.dispute_type,
            summary.division,
            summary.opened_at_s,
            summary.last_act_at_s,
            int(summary.acts),
            judged.rule_set,
            lead,
            judged.outcome,
            summary.is_closed,
            summary.is_restricted,
            summary.is_blind,
            summary.is_settled,
            text(judged.next_due),
            int(judged.days_overdue_max)
        ])?;
        Ok(())
    }

    fn judged(&mut self, chain: &str, judged: &Judged) -> Result<(), Error> {
        for (no, lead) in (1_i64..).zip(&judged.leads) {
            self.lead.execute(params![chain, no, lead.agency, int(lead.from), lead.to.map(int)])?;
        }
        for (no, handoff) in (1_i64..).zip(&judged.handoffs) {
            self.handoff.execute(params![
                chain,
                no,
                int(handoff.proposal),
                handoff.mode,
                handoff.from,
                handoff.to,
                text(handoff.due),
                handoff.answer.code(),
                handoff.answered.map(int),
                int(handoff.days_late)
            ])?;
        }
        self.clocks(chain, &judged.clocks)?;
        for (no, (owed, agency)) in (1_i64..).zip(&judged.obligations) {
            let (from, by) = (int(owed.from), owed.by.map(int));
            let (due, state) = (text(owed.due), owed.state.code());
            self.obligation.execute(params![chain, no, owed.id, agency, due, state, from, by])?;
        }
        self.findings(chain, judged)
    }

    fn clocks(&mut self, chain: &str, clocks: &[ClockRow]) -> Result<(), Error> {
        for (no, ClockRow { usage, run }) in (1_i64..).zip(clocks) {
            let instant = match run.due {
                Some(Due::Instant(instant)) => Some(instant),
                Some(Due::Day(_)) | None => None,
            };
            self.clock.execute(params![
                chain,
                no,
                usage,
                run.id,
                run.zh,
                run.obliged,
                run.start.to_string(),
                run.opened_by.map(int),
                text(run.due.map(Due::day)),
                instant,
                run.provisional,
                text(run.done),
                run.ended_by.map(int),
                run.state.code(),
                int(run.days_late)
            ])?;
        }
        Ok(())
    }

    fn findings(&mut self, chain: &str, judged: &Judged) -> Result<(), Error> {
        for (no, finding) in (1_i64..).zip(&judged.findings) {
            let state = match finding.state {
                FindingState::Open => "OPEN",
                FindingState::Cured => "CURED",
                FindingState::Cleared => "CLEARED",
            };
            self.finding.execute(params![
                chain,
                no,
                finding.code,
                finding.rule,
                finding.revision.map(int),
                finding.agency,
                finding.clock,
                text(finding.due),
                text(finding.on),
                finding.days_late.map(int),
                finding.severity.letter(),
                state,
                finding.cleared.map(int),
                finding.article,
                finding.zh,
                finding.en
            ])?;
        }
        Ok(())
    }
}

/// The agencies that take part, in place of those that did.
pub(super) fn agencies(connection: &Connection, directory: &Directory) -> Result<(), Error> {
    connection.execute("DELETE FROM agencies", [])?;
    let mut insert =
        connection.prepare("INSERT INTO agencies (agency, kind, name, division) VALUES (?1, ?2, ?3, ?4)")?;
    for (id, agency) in directory.iter() {
        let kind = agency.kind.as_str_name().trim_start_matches("AGENCY_KIND_");
        insert.execute(params![id, kind, agency.name, agency.division])?;
    }
    Ok(())
}

fn text(day: Option<Day>) -> Option<String> {
    day.map(|day| day.to_string())
}
