//! Invariants about the record itself: times, numbers, signers, what was told, what may not be stored.

use std::{collections::BTreeMap, sync::LazyLock};

use mediation_proto::{
    derived::KINDS,
    fields::{Fields, MessageInfo, Shape, Value},
    mediation::types::v1::{AgencyKind, Role, Sensitivity},
};

use crate::{
    calendar::Day,
    catalogue::{self, Row},
    judge::{
        Matter,
        chain::{Act, Chain, Kind, code_of, kind},
        findings::Draft,
    },
};

/// I-21: the signer was not appointed to his role. Whether a key is the agency's is the verifier's to say.
pub(super) fn signer_invalid<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.acts().filter(|act| act.role() != Role::Sys) {
        let Some(signer) = act.signer() else { continue };
        let appointed = chain.directory().is_appointed(act.agency, signer, act.role(), act.day, chain.as_of());
        if appointed == Some(false) {
            drafts.push(Draft::at(act));
        }
    }
}

/// I-22: somebody signed who may not.
pub(super) fn signer_forbidden<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.acts() {
        let on_document = act.is(const { kind("CriminalReconciliationAgreementSigned") })
            && act
                .records("document_signers")
                .filter_map(|signer| code_of(signer, "kind"))
                .any(|kind| matches!(kind, "PROSECUTOR" | "POLICE_OFFICER" | "COURT_OFFICER" | "SEAL"));
        let role = act.role();
        let unattended = role == Role::Sys && !act.row.signers.contains(&Role::Sys);
        let on_act = unattended || matches!(role, Role::Pty | Role::Rep | Role::Exp);
        if on_document || on_act {
            drafts.push(Draft::at(act));
        }
    }
}

/// I-32: a right or a route was not told.
pub(super) fn not_informed<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.acts() {
        let told = TOLD.get(act.kind.0).map(Vec::as_slice).unwrap_or_default().iter().copied();
        let missing = told.filter(|field| act.lacks(field) && is_expected(&matter.chain, act, field));
        let missing: Vec<&str> = missing.collect();
        if !missing.is_empty() {
            drafts.push(Draft::at(act).reasons(missing));
        }
    }
}

/// Whether a right is to be told on an act: some only under a condition.
fn is_expected(chain: &Chain<'_>, act: &Act<'_>, field: &str) -> bool {
    match (act.row.event, field) {
        ("JudgmentRendered", "appeal_told") => act.bool("appealable") == Some(true),
        ("PetitionDeclined", "competent_agency") => act.code("ground") == Some("NOT_COMPETENT"),
        ("PublicSecurityPenaltyDecided", "civil_route_told") => chain.has_before(MEDIATION_OVER, act.at),
        ("SubjectRequestDecided", "suit_right_told") => matches!(act.code("decision"), Some("REFUSED" | "RESTRICTED")),
        _ => true,
    }
}

/// I-38: violence was threatened and the police was not told.
pub(super) fn risk_unreported<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let to_police = |act: &Act<'a>| {
        act.text("reported_to").and_then(|agency| chain.directory().kind(agency)) == Some(AgencyKind::Police)
    };
    for act in chain.of(RISK) {
        let violent = act.code("risk").is_some_and(|risk| POLICE_RISKS.contains(&risk));
        let mut later = chain.of_after(RISK, act.at).filter(|later| later.day == act.day);
        if violent && !to_police(act) && !later.any(|later| later.agency == act.agency && to_police(later)) {
            drafts.push(Draft::at(act));
        }
    }
}

/// I-34: entered late without a reason, dated into the future, or out of order.
pub(super) fn backdated<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let mut books = Books::default();
    let mut latest = chain.acts().next().map_or_else(|| chain.today(), |first| first.day);
    for act in chain.acts() {
        let mut reasons = Vec::new();
        let recorded_s = act.recorded_at.div_euclid(1_000);
        let allowed = matter.rules.calendar().plus_working_days(act.day, ENTRY_WORKING_DAYS + 1);
        if Day::of(recorded_s) >= allowed && act.header.is_none_or(|header| header.late_reason.is_none()) {
            reasons.push("LAG");
        }
        if act.occurred_at > recorded_s + FUTURE_S {
            reasons.push("FUTURE");
        }
        if is_entry(act) {
            if act.day < latest && books.preceding(chain, act).is_some_and(|preceding| act.day < preceding) {
                reasons.push("ORDER");
            }
            latest = latest.max(act.day);
        }
        if !reasons.is_empty() {
            drafts.push(Draft::at(act).reasons(reasons));
        }
    }
}

/// The days of the last acts that each agency entered, in each procedure and in each family. They are written up only when
/// an act is earlier than another one before it, which on most chains none is.
#[derive(Debug, Default)]
struct Books<'a> {
    procedures: BTreeMap<(&'a str, &'a str), Day>,
    families: BTreeMap<(&'a str, &'a str), Day>,
    /// Position up to which they are written.
    written: usize,
}

impl<'a> Books<'a> {
    /// Day of the preceding act of the same agency in the same procedure; without a number, in the same family.
    fn preceding(&mut self, chain: &Chain<'a>, act: &Act<'a>) -> Option<Day> {
        for earlier in chain.all().get(self.written..act.at).unwrap_or_default().iter().filter(|act| is_entry(act)) {
            self.families.insert((earlier.agency, earlier.row.family), earlier.day);
            if let Some(number) = earlier.procedure_no() {
                self.procedures.insert((earlier.agency, number), earlier.day);
            }
        }
        self.written = act.at;
        match act.procedure_no() {
            Some(number) => self.procedures.get(&(act.agency, number)).copied(),
            None => self.families.get(&(act.agency, act.row.family)).copied(),
        }
    }
}

/// Whether an act stands in its agency's own book. What the clock keeper noted under the agency's key does not: it stands
/// where it came to be noted.
fn is_entry(act: &Act<'_>) -> bool {
    act.withdrawn_by.is_none() && !act.is(CORRECTED) && !act.event_id.is_keepers()
}

/// I-41: a figure did not come out again.
pub(super) fn kpi_mismatch<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.of(const { kind("AuditReplayPerformed") }) {
        if act.code("scope") == Some("FIGURE") && act.code("result") == Some("DIFFERS") {
            drafts.push(Draft::against(act, None));
        }
    }
}

/// I-42: a state secret is on the chain.
pub(super) fn secret<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let is_secret = |act: &&Act<'a>| {
        let header = act.header.is_some_and(|header| HEADER_GRADES.mark(header));
        header || GRADES.get(act.kind.0).is_some_and(|grades| grades.mark(act.fields))
    };
    drafts.extend(matter.chain.acts().filter(is_secret).map(Draft::at));
}

/// Where a message can be marked with a class of secrecy: most can nowhere, and need not be searched.
#[derive(Debug)]
struct Grades {
    /// Numbers of its fields that hold a class.
    own: Vec<u32>,
    /// Numbers of its fields that hold composites with classes.
    inner: Vec<(u32, Self)>,
}

impl Grades {
    fn of(info: &MessageInfo) -> Self {
        let mut grades = Self { own: Vec::new(), inner: Vec::new() };
        for field in info.fields {
            match field.shape {
                Shape::Enum(list) if list.name == "Sensitivity" => grades.own.push(field.number),
                Shape::Message(info) => grades.inner.push((field.number, Self::of(info))),
                Shape::Bool | Shape::Int | Shape::Text | Shape::Enum(_) => {}
            }
        }
        grades.inner.retain(|(_, inner)| !inner.own.is_empty() || !inner.inner.is_empty());
        grades
    }

    /// Whether a message is marked as a state secret (S9).
    fn mark(&self, message: &dyn Fields) -> bool {
        let values = |number: u32| (0..message.count(number)).filter_map(move |at| message.value(number, at));
        let is_marked = |value| matches!(value, Value::Enum(code) if code == Sensitivity::S9 as i32);
        self.own.iter().any(|number| values(*number).any(is_marked))
            || self.inner.iter().any(|(number, inner)| {
                values(*number).any(|value| matches!(value, Value::Message(message) if inner.mark(message)))
            })
    }
}

/// I-43: keys were destroyed although a hold was in force. Whether they are gone is the vault's to say.
pub(super) fn erasure<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.of(const { kind("ErasureExecuted") }) {
        let own = act.header.and_then(|header| header.chain_no.as_deref());
        let mut chains: Vec<&str> = act.texts("chains").collect();
        if chains.is_empty() {
            chains.extend(own);
        }
        let covers = |hold: &Act<'a>| {
            hold.texts("chains").any(|chain| chains.contains(&chain))
                || hold.texts("subjects").any(|subject| Some(subject) == act.text("subject"))
        };
        let mut holds = chain.of_before(const { kind("LegalHoldPlaced") }, act.at);
        let held = holds.any(|hold| hold.date("until_on").is_none_or(|until| until >= act.day) && covers(hold));
        if held || matter.around.is_held(chain, act, &chains, matter.moment) {
            drafts.push(Draft::at(act));
        }
    }
}

/// Fields by kind of act whose absence is the finding of I-32.
static TOLD: LazyLock<Vec<Vec<&'static str>>> = LazyLock::new(|| {
    let told = |row: &Row| {
        let told = row.fields.iter().filter(|field| field.missing.as_deref() == Some("F-NOT-INFORMED"));
        told.map(|field| field.name).collect()
    };
    catalogue::rows().iter().map(told).collect()
});

/// Classes of secrecy by kind of act.
static GRADES: LazyLock<Vec<Grades>> = LazyLock::new(|| KINDS.iter().map(|kind| Grades::of(kind.info)).collect());

/// Classes of secrecy in the header.
static HEADER_GRADES: LazyLock<Grades> = LazyLock::new(|| Grades::of(catalogue::header().info));

/// Working days within which an act is entered.
const ENTRY_WORKING_DAYS: u32 = 3;

/// Seconds by which clocks may differ.
const FUTURE_S: i64 = 300;

/// Risks that the police must hear of: `police_required` of the code list `EscalationRisk`.
pub(super) const POLICE_RISKS: &[&str] = &["VIOLENCE", "ARSON_EXPLOSION", "REVENGE"];

const RISK: Kind = kind("EscalationRiskReported");
const CORRECTED: Kind = kind("RecordCorrected");
const MEDIATION_OVER: &[Kind] =
    &[kind("MediationFailed"), kind("MediationRefused"), kind("MediationTerminated"), kind("ObligationDefaulted")];
