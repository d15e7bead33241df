//! Admission: whether an act may be recorded at all.
//!
//! Refused is only what cannot be a true, authorised, well-formed statement. Everything else is recorded, whatever rule
//! it breaks, and found by the judge. The checks run in this order, and the first that fails is the answer:
//!
//! 1. well-formed: act and header present, every field of its form and within its bounds, everything required given, the
//!    days of a breach in an order that can be, exports approved for another official; all violations are reported at once
//! 2. no content of class S9 (国家秘密)
//! 3. the caller's kind of agency may record this act
//! 4. the signer's role may sign it
//! 5. the signer belongs to the caller, each co-signer to the agency he signs for
//! 6. the first act of a chain is an opening act
//! 7. a closed chain takes only what I-12 allows
//! 8. a chain with an accusation takes only those it names, and auditors
//! 9. every act referred to stands on the chain
//! 10. an order to freeze, erase or lift, or its counter-signature, is one that this agency may make here
//! 11. a report of a breach completes an earlier one of the same agency on the chain

mod approval;
mod breach;
mod erasing;
mod form;
mod text;

use std::fmt;

use mediation_proto::{
    derived::{TYPES_AGENCY_KIND, TYPES_ROLE},
    fields::EnumInfo,
    mediation::{
        ledger::v1::{Act, Reason},
        types::v1::{ActHeader, AgencyKind, Role},
    },
};

use self::form::{Form, Reference};
use crate::{
    catalogue::{self, Row},
    directory::Directory,
    standing::Standing,
};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Agency id, as the certificate names it.
    pub agency: String,
    /// Its kind, as the registry says.
    pub kind: AgencyKind,
}

/// One field that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path in the words of the catalogue: `DisputeRegistered.parties.0.side`, `header.signer`.
    pub path: String,
    /// What is wrong, in English; follows the path.
    pub en: String,
    /// What is wrong, in Chinese, with the title of the field.
    pub zh: String,
}

/// Not recorded, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Fields that are concerned, when fields are.
    pub violations: Vec<Violation>,
    /// What is particular to this case, in English; empty when the violations say it.
    pub detail_en: String,
    /// What is particular to this case, in Chinese; empty when the violations say it.
    pub detail_zh: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.info().en, self.detail_en)?;
        for (at, violation) in self.violations.iter().enumerate() {
            write!(f, "{}`{}` {}", if at == 0 { "" } else { ", " }, violation.path, violation.en)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// Whether another state of the chain could have led to another answer.
    #[must_use]
    pub fn depends_on_chain(&self) -> bool {
        !matches!(
            self.reason,
            Reason::Malformed
                | Reason::SecretContent
                | Reason::KindNotAllowed
                | Reason::RoleNotAllowed
                | Reason::SignerNotOfAgency
        )
    }

    fn of_fields(reason: Reason, violations: Vec<Violation>) -> Self {
        Self { reason, violations, detail_en: String::new(), detail_zh: String::new() }
    }

    fn of_case(reason: Reason, detail_en: String, detail_zh: String) -> Self {
        Self { reason, violations: Vec::new(), detail_en, detail_zh }
    }
}

/// Whether a caller may record an act on a chain that stands so. `occurred_at` is the agency's word, in seconds since
/// 1970-01-01T00:00:00Z; whether it lies in the future or far back is for the judge.
///
/// # Errors
/// The first check that fails, in the order above.
pub fn admit(
    caller: &Caller,
    standing: &Standing,
    directory: &Directory,
    occurred_at: i64,
    act: &Act,
) -> Result<(), Refusal> {
    let mut form = Form::new(directory);
    form.occurred_at(occurred_at);
    let told = (form.event(act), form.header(act));
    form.violations.extend(breach::violations(occurred_at, act));
    form.violations.extend(approval::violations(caller, act));
    let (row, header) = match told {
        (Some(row), Some(header)) if form.violations.is_empty() => (row, header),
        _ => return Err(Refusal::of_fields(Reason::Malformed, form.violations)),
    };
    if !form.secrets.is_empty() {
        return Err(Refusal::of_fields(Reason::SecretContent, form.secrets));
    }
    kind_may_record(row, caller.kind)?;
    role_may_sign(row, header.signer_role())?;
    signers_belong(caller, header)?;
    chain_takes(row, caller, standing)?;
    references_stand(form.references, standing)?;
    erasing::may_order(caller, standing, occurred_at, act)?;
    breach::may_complete(caller, standing, act)
}

/// What admission can say of an act some of whose parts are gone: checks 3 to 8, 10 and 11 of those above, which look at
/// nothing but the `act` part. Whoever appends an act and keeps the keys of its other parts from everybody must not pass them.
///
/// # Errors
/// The first check that fails.
pub fn admit_told(caller: &Caller, standing: &Standing, occurred_at: i64, act: &Act) -> Result<(), Refusal> {
    let Some((kind, _)) = act.event() else { return Ok(()) };
    let row = catalogue::row(kind);
    kind_may_record(row, caller.kind)?;
    if let Some(header) = &act.header {
        role_may_sign(row, header.signer_role())?;
        signers_belong(caller, header)?;
    }
    chain_takes(row, caller, standing)?;
    erasing::may_order(caller, standing, occurred_at, act)?;
    breach::may_complete(caller, standing, act)
}

fn kind_may_record(row: &Row, kind: AgencyKind) -> Result<(), Refusal> {
    if row.agency_kinds.contains(&kind) {
        return Ok(());
    }
    let (en, zh) = titles(&TYPES_AGENCY_KIND, row.agency_kinds.iter().map(|kind| *kind as i32));
    Err(Refusal::of_case(
        Reason::KindNotAllowed,
        format!("`{}` is recorded by {en}", row.event),
        format!("“{}”由{zh}登记", row.zh),
    ))
}

fn role_may_sign(row: &Row, role: Role) -> Result<(), Refusal> {
    if row.signers.contains(&role) {
        return Ok(());
    }
    let (en, zh) = titles(&TYPES_ROLE, row.signers.iter().map(|role| *role as i32));
    Err(Refusal::of_case(
        Reason::RoleNotAllowed,
        format!("`{}` is signed by {en}", row.event),
        format!("“{}”由{zh}签署", row.zh),
    ))
}

fn signers_belong(caller: &Caller, header: &ActHeader) -> Result<(), Refusal> {
    let cosigners = header.cosigners.iter().map(|cosigner| (cosigner.agency(), cosigner.signer()));
    for (agency, signer) in std::iter::once((caller.agency.as_str(), header.signer())).chain(cosigners) {
        let belongs = signer.strip_prefix(agency).and_then(|rest| rest.strip_prefix('/'));
        if belongs.is_none_or(str::is_empty) {
            return Err(Refusal::of_case(
                Reason::SignerNotOfAgency,
                format!("`{signer}` is not of the form `{agency}/…`"),
                format!("“{signer}”不是“{agency}/…”形式的签署人编号"),
            ));
        }
    }
    Ok(())
}

fn chain_takes(row: &Row, caller: &Caller, standing: &Standing) -> Result<(), Refusal> {
    let hidden = standing.is_restricted() && !standing.takes_part(&caller.agency) && caller.kind != AgencyKind::Audit;
    // Who may not know of the chain is told what he would be told if there were none.
    let refused = if (standing.is_empty() || hidden) && !row.opening {
        Reason::NotAnOpeningAct
    } else if hidden {
        Reason::ChainNotOpenToYou
    } else if standing.is_closed() && !row.after_closing {
        Reason::ChainClosed
    } else {
        return Ok(());
    };
    Err(Refusal::of_case(refused, format!("`{}`", row.event), format!("“{}”", row.zh)))
}

fn references_stand(references: Vec<Reference>, standing: &Standing) -> Result<(), Refusal> {
    let unknown: Vec<Violation> = references
        .into_iter()
        .filter(|reference| !standing.holds(reference.id))
        .map(|reference| Violation {
            path: reference.path,
            en: format!("names `{}`, which does not stand on the chain", reference.id),
            zh: format!("“{}”所引用的 {} 不在该链上", reference.title, reference.id),
        })
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::of_fields(Reason::ReferenceUnknown, unknown)) }
}

/// Codes and Chinese titles of some numbers of a list.
fn titles(list: &EnumInfo, numbers: impl Iterator<Item = i32>) -> (String, String) {
    let (codes, titles): (Vec<&str>, Vec<&str>) = numbers
        .filter_map(|number| {
            let code = list.code(number)?;
            Some((code, catalogue::zh(list.name, code).unwrap_or(code)))
        })
        .unzip();
    (codes.join(", "), titles.join("、"))
}

#[cfg(test)]
mod tests;
