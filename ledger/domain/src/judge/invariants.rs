//! The invariants of `data/invariants.json`: one function each, named by the code of its findings.

mod clock;
mod closing;
mod confirmation;
mod lead;
mod mediation;
mod number;
mod path;
mod petition;
mod record;
mod secrecy;

pub(super) use self::number::key as number_key;
use super::{Matter, findings::Draft};
use crate::rules::Invariant;

/// The functions of the invariants of a rule set, in the order of the data: looked up once, not for every chain.
#[derive(Debug)]
pub(crate) struct Rulebook(Vec<Option<Rule>>);

impl Rulebook {
    /// The functions of these invariants.
    pub(crate) fn of(invariants: &[Invariant]) -> Self {
        Self(invariants.iter().map(|invariant| rule(&invariant.code)).collect())
    }

    /// Each of the invariants with its function, without those that another part of the ledger judges.
    pub(super) fn with<'r>(&'r self, invariants: &'r [Invariant]) -> impl Iterator<Item = (&'r Invariant, Rule)> {
        invariants.iter().zip(&self.0).filter_map(|(invariant, rule)| Some((invariant, (*rule)?)))
    }
}

/// Looks for breaches of one invariant.
type Rule = for<'a> fn(&Matter<'a>, &mut Vec<Draft<'a>>);

/// The function of an invariant, by the code of its findings; none for those that another part of the ledger judges.
fn rule(code: &str) -> Option<Rule> {
    let name = code.get(2..)?;
    RULES.iter().find(|(function, _)| is_named(function, name)).map(|(_, rule)| *rule)
}

/// `closed_open_handoff` is named by `F-CLOSED-OPEN-HANDOFF`.
fn is_named(function: &str, code: &str) -> bool {
    let function = function.bytes().map(|letter| if letter == b'_' { b'-' } else { letter.to_ascii_uppercase() });
    function.eq(code.bytes())
}

macro_rules! rules {
    ($($module:ident: $($function:ident),+;)+) => {
        &[$($((stringify!($function), $module::$function as Rule)),+),+]
    };
}

/// Every invariant that is judged here.
const RULES: &[(&str, Rule)] = rules! {
    clock: overdue, handoff_timeout, no_escalation, deemed_failed, extension_late, suspension_abuse;
    closing: closed_open_handoff, return_no_reason, closed_open_obligation, closed_right_running, missing_step;
    confirmation: late_confirm, confirm_barred, no_title;
    lead: no_lead, dual_lead, reopen_no_cause, event_after_close;
    mediation: no_consent, unsigned, recused_acted, no_conflict_check, role_conflict, fee;
    number: bad_number;
    path: wrong_path;
    petition: litigation_in_petition, repeat_accepted, group_reps;
    record: signer_invalid, signer_forbidden, not_informed, risk_unreported, backdated, kpi_mismatch, secret, erasure;
    secrecy: privilege_leak, sealed_disclosed, accuser_exposed, no_basis, minor_exposed;
};

/// Invariants that a chain alone cannot show, and who judges them instead.
#[cfg(test)]
const ELSEWHERE: &[(&str, &str)] = &[("F-INTEGRITY", "the verifier, over entries, signatures and the tree")];

#[cfg(test)]
mod tests;
