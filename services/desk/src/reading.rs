//! Who reads, and why: parsed once. The agency is that of the certificate, and what it says of its official is its word.

use mediation_domain::{
    admit::{Caller, Violation},
    calendar::Day,
    directory::Directory,
    history::EventId,
    limits::{REFERENCE_BYTES_MAX, STRING_BYTES_MAX},
    visibility::Reader,
};
use mediation_proto::mediation::{
    ledger::v1::{Reading, Reason},
    types::v1::{AccessPurpose, AgencyKind, Role},
};

use crate::{denied::Denied, request::violation, status::Refused};

/// Who reads, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reads {
    pub(crate) agency: String,
    pub(crate) kind: AgencyKind,
    pub(crate) reader: String,
    pub(crate) role: Role,
    pub(crate) purpose: AccessPurpose,
    pub(crate) legal_basis: Option<String>,
    grid: Option<String>,
    /// Approval by which he exports.
    pub(crate) approval: Option<EventId>,
}

impl Reads {
    /// Parses who reads, and applies what his agency has said of his roles: one who sits on the bench reads as a judge in
    /// whatever role he comes, and nobody reads in a role that he was not appointed to.
    ///
    /// # Errors
    /// It is not said, a field is malformed, or the official does not hold the role.
    pub(crate) fn parse(
        caller: &Caller,
        reading: Option<Reading>,
        directory: &Directory,
        now_s: i64,
    ) -> Result<Self, Refused> {
        let reading = reading.ok_or_else(|| Refused::new(Reason::ReadingNotStated))?;
        let mut violations = Vec::new();
        let role = role(caller.kind, reading.role, &mut violations);
        let is_party = matches!(role, Role::Pty | Role::Rep);
        let reader = reader(&caller.agency, is_party, reading.reader, &mut violations);
        let purpose = purpose(reading.purpose, &mut violations);
        let legal_basis = text("reading.legal_basis", reading.legal_basis, STRING_BYTES_MAX, &mut violations);
        let grid = text("reading.grid", reading.grid, REFERENCE_BYTES_MAX, &mut violations);
        let approval = approval(reading.approval, &mut violations);
        let (Some(reader), Some(purpose), true) = (reader, purpose, violations.is_empty()) else {
            return Err(Refused::malformed(violations));
        };
        let (agency, kind) = (caller.agency.clone(), caller.kind);
        let reads = Self { agency, kind, reader, role, purpose, legal_basis, grid, approval };
        if is_party { Ok(reads) } else { reads.entitled(reading.role.is_some(), directory, now_s) }
    }

    fn entitled(mut self, role_is_said: bool, directory: &Directory, now_s: i64) -> Result<Self, Refused> {
        let holds = |role| directory.is_appointed(&self.agency, &self.reader, role, Day::of(now_s), now_s);
        if holds(Role::Judge) == Some(true) {
            self.role = Role::Judge;
        } else if role_is_said && holds(self.role) == Some(false) {
            let (reader, role) = (&self.reader, self.role.as_str_name());
            let role = role.strip_prefix("ROLE_").unwrap_or(role);
            return Err(Refused::new(Reason::ReaderNotEntitled)
                .detail(format!("`{reader}` is not appointed as {role}"), format!("{reader} 未被任命为 {role}")));
        }
        Ok(self)
    }

    /// All of him on which it depends whether he may know of a chain.
    pub(crate) fn viewer(&self) -> Denied {
        let Reader { agency, role, subject, grid, .. } = self.reader();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Denied { agency: agency.to_owned(), role: Some(role), subject: owned(subject), grid: owned(grid) }
    }

    /// As the matrix sees him.
    pub(crate) fn reader(&self) -> Reader<'_> {
        let is_party = matches!(self.role, Role::Pty | Role::Rep);
        Reader {
            agency: &self.agency,
            kind: self.kind,
            role: self.role,
            subject: is_party.then_some(self.reader.as_str()),
            grid: self.grid.as_deref(),
        }
    }
}

/// The system of an agency, which reads for nobody in particular: in the role that sees least.
pub(crate) fn system(caller: &Caller) -> Reader<'_> {
    Reader {
        agency: &caller.agency,
        kind: caller.kind,
        role: role(caller.kind, None, &mut Vec::new()),
        subject: None,
        grid: None,
    }
}

/// The role that is said; else the one of the agency that sees least.
fn role(kind: AgencyKind, said: Option<i32>, violations: &mut Vec<Violation>) -> Role {
    match said.map(Role::try_from) {
        None if kind == AgencyKind::Court => Role::Judge,
        None if kind == AgencyKind::Audit => Role::Aud,
        None => Role::Reg,
        Some(Ok(role)) if !matches!(role, Role::Unspecified | Role::Sys) => role,
        Some(_) => {
            violations.push(violation("reading.role", "is no role in which somebody reads", "不是可以查阅的角色"));
            Role::Unspecified
        }
    }
}

/// An official of the agency, by signer_ref; a party, by pseudonym.
fn reader(agency: &str, is_party: bool, said: Option<String>, violations: &mut Vec<Violation>) -> Option<String> {
    let said = said.unwrap_or_default();
    let formed = |letter: u8| letter.is_ascii_alphanumeric() || b"-_/.:".contains(&letter);
    let is_reference = (1..=REFERENCE_BYTES_MAX).contains(&said.len()) && said.bytes().all(formed);
    let own = said.strip_prefix(agency).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| !rest.is_empty());
    let problem = match (is_party, is_reference) {
        (true, true) if !said.contains('/') => return Some(said),
        (false, true) if own => return Some(said),
        (true, _) => ("must be the pseudonym of a party on the chain", "应为链上当事人的假名"),
        (false, _) => ("must be an official of your agency, `AGENCY/…`", "应为本机构人员编号，“机构编号/…”形式"),
    };
    violations.push(violation("reading.reader", problem.0, problem.1));
    None
}

fn purpose(said: Option<i32>, violations: &mut Vec<Violation>) -> Option<AccessPurpose> {
    let known = said.and_then(|said| AccessPurpose::try_from(said).ok());
    let purpose = known.filter(|purpose| *purpose != AccessPurpose::Unspecified);
    if purpose.is_none() {
        violations.push(violation("reading.purpose", "must say for which purpose", "应填写查阅目的"));
    }
    purpose
}

fn approval(said: Option<String>, violations: &mut Vec<Violation>) -> Option<EventId> {
    let said = said?;
    let id = EventId::parse(&said);
    if id.is_none() {
        let zh = "应为行为编号：UUID，36 个字符，小写并带连字符";
        violations.push(violation("reading.approval", "must be an event id: a UUID, lower case with hyphens", zh));
    }
    id
}

/// A text that stands in a record: neither empty nor longer than its field, without control characters.
fn text(path: &str, said: Option<String>, bytes_max: usize, violations: &mut Vec<Violation>) -> Option<String> {
    let said = said?;
    if said.trim().is_empty() || said.len() > bytes_max || said.chars().any(char::is_control) {
        let en = format!("must have 1 to {bytes_max} bytes without control characters");
        violations.push(violation(path, &en, &format!("应为 1 至 {bytes_max} 字节，不含控制字符")));
        return None;
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use mediation_domain::directory::Appointment;

    use super::*;

    const NOW: i64 = 1_710_000_000;

    fn court() -> Caller {
        Caller { agency: "CT-LP".to_owned(), kind: AgencyKind::Court }
    }

    fn by(reader: &str, role: Option<Role>) -> Reading {
        Reading {
            reader: Some(reader.to_owned()),
            role: role.map(Into::into),
            purpose: Some(AccessPurpose::Handling.into()),
            ..Reading::default()
        }
    }

    fn bench() -> Directory {
        let mut directory = Directory::default();
        let appointment = |signer: &str, role| Appointment {
            signer: signer.to_owned(),
            roles: vec![role],
            from: Day::of(0),
            to: None,
            occurred_at: 0,
        };
        directory.appoint("CT-LP", appointment("CT-LP/J-1", Role::Judge));
        directory.appoint("CT-LP", appointment("CT-LP/R-1", Role::Reg));
        directory
    }

    fn role_of(reading: Reading, directory: &Directory) -> Result<Role, Reason> {
        let reads = Reads::parse(&court(), Some(reading), directory, NOW);
        reads.map(|reads| reads.role).map_err(|refused| refused.reason())
    }

    #[test]
    fn a_court_that_says_no_role_reads_as_its_bench() {
        let nobody = Directory::default();
        assert_eq!(role_of(by("CT-LP/anybody", None), &nobody), Ok(Role::Judge));
        assert_eq!(role_of(by("CT-LP/anybody", Some(Role::Reg)), &nobody), Ok(Role::Reg));
    }

    #[test]
    fn a_judge_reads_as_one_whatever_he_says_and_others_in_their_roles_alone() {
        let bench = bench();
        assert_eq!(role_of(by("CT-LP/J-1", Some(Role::Reg)), &bench), Ok(Role::Judge));
        assert_eq!(role_of(by("CT-LP/R-1", Some(Role::Reg)), &bench), Ok(Role::Reg));
        assert_eq!(role_of(by("CT-LP/R-1", Some(Role::Exec)), &bench), Err(Reason::ReaderNotEntitled));
        assert_eq!(role_of(by("CT-LP/unknown", Some(Role::Reg)), &bench), Err(Reason::ReaderNotEntitled));
    }

    #[test]
    fn who_reads_and_why_must_be_said_in_form() {
        let nobody = Directory::default();
        let refused = Reads::parse(&court(), None, &nobody, NOW).unwrap_err();
        assert_eq!(refused.reason(), Reason::ReadingNotStated);
        let long = "x".repeat(STRING_BYTES_MAX + 1);
        for reading in [
            by("", None),
            by("PR-LP/P-1", None),
            by("CT-LP/", None),
            by("CT-LP/张三", None),
            by("psn_1", None),
            by("CT-LP/P-1", Some(Role::Pty)),
            by("CT-LP/P-1", Some(Role::Sys)),
            Reading { purpose: None, ..by("CT-LP/P-1", None) },
            Reading { purpose: Some(99), ..by("CT-LP/P-1", None) },
            Reading { role: Some(99), ..by("CT-LP/P-1", None) },
            Reading { legal_basis: Some(long), ..by("CT-LP/P-1", None) },
            Reading { grid: Some("\n".to_owned()), ..by("CT-LP/P-1", None) },
            Reading { approval: Some("x".to_owned()), ..by("CT-LP/P-1", None) },
        ] {
            assert_eq!(role_of(reading.clone(), &nobody), Err(Reason::Malformed), "{reading:?}");
        }
        assert_eq!(role_of(by("psn_1", Some(Role::Pty)), &nobody), Ok(Role::Pty));
    }
}
