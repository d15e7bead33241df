//! The rows of chains, written.

use mediation_domain::{calendar::Day, clocks::arithmetic::Due, directory::Directory, judge::FindingState};
use rusqlite::{Transaction, params};

use super::{
    Error,
    derived::{ClockRow, Derived, Judged, Kind, Summary},
    steps::Steps,
};

/// A number that SQLite holds. None of ours comes near the limit.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Tables that a chain's rows are all replaced in.
const REPLACED: [&str; 6] = ["ties", "leads", "handoffs", "clocks", "obligations", "findings"];

/// Writes what chains say now in place of what they said.
pub(super) fn write(transaction: &Transaction<'_>, derived: &[Derived], steps: &Steps) -> Result<(), Error> {
    let mut done = transaction.prepare("DELETE FROM pending WHERE chain_id = ?1")?;
    for derived in derived {
        let chain = derived.chain.to_string();
        for table in REPLACED {
            steps.take()?;
            transaction.prepare(&format!("DELETE FROM {table} WHERE chain_id = ?1"))?.execute(params![chain])?;
        }
        steps.take()?;
        entries(transaction, &chain, derived)?;
        steps.take()?;
        accesses(transaction, &chain, derived)?;
        steps.take()?;
        if derived.kind == Kind::Matter {
            matter(transaction, &chain, &derived.summary, &derived.judged)?;
            ties(transaction, &chain, derived)?;
        } else {
            aside(transaction, &chain, derived)?;
        }
        steps.take()?;
        judged(transaction, &chain, &derived.judged)?;
        steps.take()?;
        done.execute(params![chain])?;
    }
    Ok(())
}

/// The agencies that take part, in place of those that did.
pub(super) fn agencies(transaction: &Transaction<'_>, directory: &Directory) -> Result<(), Error> {
    transaction.execute("DELETE FROM agencies", [])?;
    let mut insert =
        transaction.prepare("INSERT INTO agencies (agency, kind, name, division) VALUES (?1, ?2, ?3, ?4)")?;
    for (id, agency) in directory.iter() {
        let kind = agency.kind.as_str_name().trim_start_matches("AGENCY_KIND_");
        insert.execute(params![id, kind, agency.name, agency.division])?;
    }
    Ok(())
}

fn entries(transaction: &Transaction<'_>, chain: &str, derived: &Derived) -> Result<(), Error> {
    let mut update = transaction.prepare(
        "UPDATE entries SET event_id = ?3, agency = ?4, event = ?5, visibility_row = ?6, occurred_at_s = ?7,
                recorded_at_ms = ?8, fault = ?9 WHERE chain_id = ?1 AND revision = ?2",
    )?;
    for entry in &derived.entries {
        update.execute(params![
            chain,
            int(entry.revision),
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

fn accesses(transaction: &Transaction<'_>, chain: &str, derived: &Derived) -> Result<(), Error> {
    for table in ["accesses", "accessed_acts"] {
        let delete = format!("DELETE FROM {table} WHERE access_chain_id = ?1 AND revision >= ?2");
        transaction.execute(&delete, params![chain, int(derived.from)])?;
    }
    let mut access = transaction.prepare(
        "INSERT INTO accesses (access_chain_id, revision, chain, agency, reader, role, purpose, grade, refusal,
                recorded_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut act = transaction.prepare(
        "INSERT INTO accessed_acts (access_chain_id, revision, event_id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?;
    for read in &derived.accesses {
        let revision = int(read.revision);
        access.execute(params![
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
            act.execute(params![chain, revision, event_id])?;
        }
    }
    Ok(())
}

fn matter(transaction: &Transaction<'_>, chain: &str, summary: &Summary, judged: &Judged) -> Result<(), Error> {
    // Who leads now is the one whose interval has no end.
    let lead = judged.leads.iter().rev().find(|lead| lead.to.is_none()).map(|lead| lead.agency.as_str());
    let mut update = transaction.prepare(
        "UPDATE chains SET kind = 'MATTER', dispute_no = ?2, opening_event = ?3, dispute_type = ?4, division = ?5,
                opened_at_s = ?6, last_act_at_s = ?7, acts = ?8, rule_set = ?9, lead_agency = ?10, outcome = ?11,
                is_closed = ?12, is_restricted = ?13, is_blind = ?14, is_settled = ?15, next_due_on = ?16,
                days_overdue_max = ?17 WHERE chain_id = ?1",
    )?;
    update.execute(params![
        chain,
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

/// A chain that is not judged. Time changes nothing of it.
fn aside(transaction: &Transaction<'_>, chain: &str, derived: &Derived) -> Result<(), Error> {
    let update = "UPDATE chains SET kind = ?2, is_blind = ?3, is_settled = 1 WHERE chain_id = ?1";
    transaction.execute(update, params![chain, derived.kind.code(), derived.summary.is_blind])?;
    Ok(())
}

fn ties(transaction: &Transaction<'_>, chain: &str, derived: &Derived) -> Result<(), Error> {
    let mut insert = transaction.prepare("INSERT INTO ties (agency, chain_id) VALUES (?1, ?2)")?;
    for agency in &derived.ties {
        insert.execute(params![agency, chain])?;
    }
    Ok(())
}

fn judged(transaction: &Transaction<'_>, chain: &str, judged: &Judged) -> Result<(), Error> {
    let mut insert = transaction.prepare("INSERT INTO leads VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (no, lead) in (1_i64..).zip(&judged.leads) {
        insert.execute(params![chain, no, lead.agency, int(lead.from), lead.to.map(int)])?;
    }
    let mut insert = transaction.prepare("INSERT INTO handoffs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    for (no, handoff) in (1_i64..).zip(&judged.handoffs) {
        insert.execute(params![
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
    clocks(transaction, chain, &judged.clocks)?;
    let mut insert = transaction.prepare("INSERT INTO obligations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for (no, (owed, agency)) in (1_i64..).zip(&judged.obligations) {
        let (from, by) = (int(owed.from), owed.by.map(int));
        insert.execute(params![chain, no, owed.id, agency, text(owed.due), owed.state.code(), from, by])?;
    }
    findings(transaction, chain, judged)
}

fn clocks(transaction: &Transaction<'_>, chain: &str, clocks: &[ClockRow]) -> Result<(), Error> {
    let mut insert = transaction
        .prepare("INSERT INTO clocks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)")?;
    for (no, ClockRow { usage, run }) in (1_i64..).zip(clocks) {
        let instant = match run.due {
            Some(Due::Instant(instant)) => Some(instant),
            Some(Due::Day(_)) | None => None,
        };
        insert.execute(params![
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

fn findings(transaction: &Transaction<'_>, chain: &str, judged: &Judged) -> Result<(), Error> {
    let mut insert = transaction.prepare(
        "INSERT INTO findings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    for (no, finding) in (1_i64..).zip(&judged.findings) {
        let state = match finding.state {
            FindingState::Open => "OPEN",
            FindingState::Cured => "CURED",
            FindingState::Cleared => "CLEARED",
        };
        insert.execute(params![
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

fn text(day: Option<Day>) -> Option<String> {
    day.map(|day| day.to_string())
}
