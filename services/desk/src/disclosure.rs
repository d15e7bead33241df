//! What of a chain a reader is shown: the one place that says it, for every way to read one.
//!
//! ```text
//! entries ─ Viewed ─ by the reader ─ Decision of each act ─▶ View: full, redacted, existence only, sealed placeholder
//!                                                         └▶ Seen: what the record of the reading says of it
//! ```
//!
//! What an order freezes or erases is shown to nobody, whoever he is, and whether its key is still there or not.

use std::collections::{BTreeMap, BTreeSet};

use mediation_domain::{
    catalogue,
    erasure::{Order, part_of},
    history::{EventId, Recorded},
    visibility::{Decision, Grade, Row, Shown, Sight, mask_identity},
};
use mediation_ledger::{
    erasure::place,
    ledger::CheckedEntry,
    part::{Commitment, OpenedPart},
};
use mediation_proto::mediation::{
    ledger::v1::{ClosedPart, DisclosedPart, Existence, PartKind},
    types::v1::{Identity, Part, VisibilityGrade},
};

use crate::accesses::Seen;

/// What a reader is shown of one entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct View {
    /// The entry itself: who, when, and the commitments. Without it, its leaf hash alone.
    pub(crate) entry: bool,
    /// How much of the act; none for an entry without a decision.
    pub(crate) grade: Option<VisibilityGrade>,
    pub(crate) rule: String,
    pub(crate) parts: Vec<DisclosedPart>,
    pub(crate) masked: Vec<Identity>,
    pub(crate) existence: Option<Existence>,
    pub(crate) closed: Vec<ClosedPart>,
    /// Why the entry does not count; to a reader who may not know more, the code alone.
    pub(crate) fault: String,
    disclosure: Option<EventId>,
}

/// An entry of a registry chain, which is open to everybody: its facts, and everything to the agency that recorded it. What is no
/// matter of the registry, such as a hold or an order to erase, is shown to that agency alone.
pub(crate) fn open(agency: &str, entry: &CheckedEntry) -> View {
    let own = is_own(agency, entry);
    let event = entry.outcome.as_ref().ok().and_then(|recorded| recorded.act.event());
    let row = event.and_then(|(kind, _)| Row::named(&catalogue::row(kind).visibility_row));
    if row == Some(Row::FINDINGS) && !own {
        return View::default();
    }
    shown(agency, entry, entry.parts.iter())
}

fn shown<'e>(agency: &str, entry: &CheckedEntry, parts: impl Iterator<Item = &'e OpenedPart>) -> View {
    let own = is_own(agency, entry);
    let parts = parts.filter(|part| own || part.commitment.kind == PartKind::Act).map(sent).collect();
    View { entry: true, parts, fault: fault(entry), ..View::default() }
}

/// An entry as a reader sees it.
pub(crate) fn view(sight: &Sight<'_, '_>, entry: &CheckedEntry) -> View {
    let revision = entry.revision.0;
    match (&entry.outcome, sight.decide(revision)) {
        (Ok(_), Some(decision)) if decision.grade > Grade::None => decided(sight, entry, &decision),
        (Ok(_), Some(decision)) => View { rule: decision.rule.to_string(), ..View::default() },
        // Of what does not count, or cannot be read, nobody can say whose it is to know but who recorded it.
        (Ok(_) | Err(_), _) => {
            let own = is_own(sight.reader().agency, entry);
            if own || sight.is_audit() {
                let open = entry.parts.iter().filter(|part| closing(sight, entry, part, &part.identities()).is_none());
                return shown(sight.reader().agency, entry, open);
            }
            let code = entry.outcome.as_ref().err().map(|fault| fault.code().to_owned());
            View { fault: code.unwrap_or_default(), ..View::default() }
        }
    }
}

fn decided(sight: &Sight<'_, '_>, entry: &CheckedEntry, decision: &Decision) -> View {
    let (grade, rule) = (Some(sent_grade(decision.grade)), decision.rule.to_string());
    let mut view = View { entry: true, grade, rule, fault: fault(entry), ..View::default() };
    for part in &entry.parts {
        let kind = part.commitment.kind;
        let subjects = part.identities();
        if let Some(order) = closing(sight, entry, part, &subjects) {
            view.closed.extend(sight.is_audit().then(|| closed(&part.commitment, order, false)));
            continue;
        }
        let own = !subjects.is_empty() && subjects.iter().all(|identity| sight.is_own(identity.subject()));
        match decision.part(kind, own) {
            Shown::Plain => view.parts.push(sent(part)),
            Shown::Masked => {
                let masked = |identity: &Identity| mask_identity(identity, sight.minor_place(identity.subject()));
                view.masked.extend(subjects.iter().map(masked));
            }
            Shown::Withheld => {}
        }
    }
    let erased_by = |commitment: &Commitment| sight.erasures().erased_by(&commitment.digest.to_string());
    view.closed.extend(entry.withheld.iter().filter_map(|part| Some(closed(part, erased_by(part)?, true))));
    if view.shows(PartKind::Sealed) {
        view.disclosure = sight.approval(entry.revision.0, PartKind::Sealed);
    }
    if decision.grade == Grade::Existence {
        view.existence = sight.existence(entry.revision.0).map(|(event, outcome)| Existence {
            event: event.to_owned(),
            outcome: outcome.unwrap_or_default().to_owned(),
        });
    }
    view
}

/// The order that closes a part to everybody.
fn closing<'s>(
    sight: &'s Sight<'_, '_>,
    entry: &CheckedEntry,
    part: &OpenedPart,
    identities: &[Identity],
) -> Option<&'s Order> {
    sight.erasures().is_frozen(&place(entry, part, identities)?)
}

fn closed(part: &Commitment, order: &Order, erased: bool) -> ClosedPart {
    ClosedPart {
        kind: part.kind.into(),
        number: u32::from(part.number),
        order: order.id.to_string(),
        order_no: order.number.clone(),
        erased,
    }
}

impl View {
    fn shows(&self, kind: PartKind) -> bool {
        self.parts.iter().any(|part| part.kind() == kind)
    }
}

/// What the record of a reading says: one row for each grade, and sealed parts in rows of their own, since of a session the
/// rules ask whether that part was read. `of_all` says that these are all the acts of the chain, which are not named one by one then.
pub(crate) fn seen<'e>(views: impl Iterator<Item = (&'e Recorded, &'e View)>, of_all: bool) -> Vec<Seen> {
    let mut groups: BTreeMap<(VisibilityGrade, bool, Option<EventId>), Group> = BTreeMap::new();
    let mut all = 0;
    for (recorded, view) in views {
        all += 1;
        let Some(grade) = view.grade else { continue };
        let mut add = |grade, sealed, disclosure, parts: &[Part]| {
            let group = groups.entry((grade, sealed, disclosure)).or_default();
            group.acts.insert(recorded.revision, recorded.event_id);
            group.parts.extend(parts);
            group.rules.insert(view.rule.clone());
        };
        let plain: Vec<Part> = view.parts.iter().map(|part| part_of(part.kind())).collect();
        let (sealed, others): (Vec<Part>, Vec<Part>) = plain.into_iter().partition(|part| *part == Part::Sealed);
        // Of what is seen by its existence alone, that is of its facts.
        add(grade, false, None, if others.is_empty() { &[Part::Act] } else { &others });
        if !view.masked.is_empty() {
            add(VisibilityGrade::R, false, None, &[Part::Identities]);
        }
        if !sealed.is_empty() {
            add(VisibilityGrade::F, true, view.disclosure, &sealed);
        }
    }
    let rows = groups.into_iter().map(|((grade, sealed, disclosure), Group { acts, parts, rules })| {
        let whole = of_all && acts.len() == all && !sealed;
        let acts = if whole { Vec::new() } else { acts.into_values().collect() };
        Seen { grade, parts: parts.into_iter().collect(), acts, rules: rules.into_iter().collect(), disclosure }
    });
    rows.collect()
}

#[derive(Default)]
struct Group {
    /// By revision.
    acts: BTreeMap<u64, EventId>,
    parts: BTreeSet<Part>,
    rules: BTreeSet<String>,
}

fn is_own(agency: &str, entry: &CheckedEntry) -> bool {
    entry.statement.as_ref().is_some_and(|statement| statement.agency == agency)
}

fn fault(entry: &CheckedEntry) -> String {
    entry.outcome.as_ref().err().map(|fault| format!("{}: {fault}", fault.code())).unwrap_or_default()
}

fn sent(part: &OpenedPart) -> DisclosedPart {
    DisclosedPart {
        kind: part.commitment.kind.into(),
        number: u32::from(part.commitment.number),
        salt: part.salt.to_vec().into(),
        plaintext: part.plaintext.clone(),
    }
}

/// A grade as it is sent.
pub(crate) fn sent_grade(grade: Grade) -> VisibilityGrade {
    match grade {
        Grade::Full => VisibilityGrade::F,
        Grade::Redacted => VisibilityGrade::R,
        Grade::Existence => VisibilityGrade::E,
        Grade::None => VisibilityGrade::N,
    }
}
