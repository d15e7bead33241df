//! The agencies that take part and the officials who sign for them, as the registry chain names them.

use std::collections::BTreeMap;

use mediation_proto::mediation::types::v1::{AgencyKind, Role};

use crate::calendar::Day;

/// What the rules need to know of an agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agency {
    /// Kind; decides desk, acts and visibility.
    pub kind: AgencyKind,
    /// Public name, Chinese.
    pub name: String,
    /// Administrative division code; empty when none is given.
    pub division: String,
}

/// An appointment of a signer by his agency (任职).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// Who may sign, `CT-LP/JUDGE-1`.
    pub signer: String,
    /// In which roles.
    pub roles: Vec<Role>,
    /// First day on which it counts.
    pub from: Day,
    /// Last day; none until he is dismissed.
    pub to: Option<Day>,
    /// Instant as of which it was recorded; seconds since 1970-01-01T00:00:00Z.
    pub occurred_at: i64,
}

/// The end of appointments of a signer (免职). It ends those made before it, not those made after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dismissal {
    /// Whose.
    pub signer: String,
    /// In which roles; empty: in all.
    pub roles: Vec<Role>,
    /// Last day on which they count.
    pub last: Day,
    /// Instant as of which it was recorded; seconds since 1970-01-01T00:00:00Z.
    pub occurred_at: i64,
}

/// Agencies and their signers by agency id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    agencies: BTreeMap<String, Agency>,
    /// Appointments and dismissals of each agency, in the order of recording.
    tenures: BTreeMap<String, Vec<Tenure>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tenure {
    Begins(Appointment),
    Ends(Dismissal),
}

impl Directory {
    /// The agency of this id.
    #[must_use]
    pub fn agency(&self, id: &str) -> Option<&Agency> {
        self.agencies.get(id)
    }

    /// The kind of the agency of this id.
    #[must_use]
    pub fn kind(&self, id: &str) -> Option<AgencyKind> {
        self.agencies.get(id).map(|agency| agency.kind)
    }

    /// Adds an agency; a later row replaces an earlier one.
    pub fn insert(&mut self, id: impl Into<String>, agency: Agency) {
        self.agencies.insert(id.into(), agency);
    }

    /// All agencies, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Agency)> {
        self.agencies.iter().map(|(id, agency)| (id.as_str(), agency))
    }

    /// Adds an appointment of an agency's signer.
    pub fn appoint(&mut self, agency: impl Into<String>, appointment: Appointment) {
        self.tenures.entry(agency.into()).or_default().push(Tenure::Begins(appointment));
    }

    /// Ends the earlier appointments of an agency's signer.
    pub fn dismiss(&mut self, agency: impl Into<String>, dismissal: Dismissal) {
        self.tenures.entry(agency.into()).or_default().push(Tenure::Ends(dismissal));
    }

    /// The signers of an agency on a day, by id, with their roles, for all that is recorded.
    #[must_use]
    pub fn signers(&self, agency: &str, day: Day) -> BTreeMap<&str, Vec<Role>> {
        let mut signers: BTreeMap<&str, Vec<Role>> = BTreeMap::new();
        for tenure in self.tenures.get(agency).into_iter().flatten() {
            let Tenure::Begins(Appointment { signer, roles, .. }) = tenure else { continue };
            let known = signers.entry(signer).or_default();
            for role in roles {
                let is_appointed = self.is_appointed(agency, signer, *role, day, i64::MAX) == Some(true);
                if is_appointed && !known.contains(role) {
                    known.push(*role);
                }
            }
        }
        signers.retain(|_, roles| !roles.is_empty());
        signers
    }

    /// Whether everything that is recorded of an agency's signers was recorded as of an instant (seconds).
    #[must_use]
    pub fn is_settled(&self, agency: &str, as_of: i64) -> bool {
        self.tenures.get(agency).into_iter().flatten().all(|tenure| tenure.occurred_at() <= as_of)
    }

    /// Whether a signer was appointed to a role on a day, for all that was recorded as of an instant (seconds). None
    /// when the agency had not appointed anybody by that day: then nothing can be said.
    #[must_use]
    pub fn is_appointed(&self, agency: &str, signer: &str, role: Role, day: Day, as_of: i64) -> Option<bool> {
        let recorded = || self.tenures.get(agency).into_iter().flatten().filter(|tenure| tenure.occurred_at() <= as_of);
        let has_begun = |tenure: &Tenure| matches!(tenure, Tenure::Begins(appointment) if appointment.from <= day);
        recorded().any(has_begun).then(|| {
            recorded().fold(false, |appointed, tenure| match tenure {
                Tenure::Begins(appointment) => appointed || appointment.covers(signer, role, day),
                Tenure::Ends(dismissal) => appointed && !dismissal.covers(signer, role, day),
            })
        })
    }
}

impl Tenure {
    fn occurred_at(&self) -> i64 {
        match self {
            Self::Begins(appointment) => appointment.occurred_at,
            Self::Ends(dismissal) => dismissal.occurred_at,
        }
    }
}

impl Appointment {
    fn covers(&self, signer: &str, role: Role, day: Day) -> bool {
        self.signer == signer
            && self.roles.contains(&role)
            && self.from <= day
            && self.to.is_none_or(|last| day <= last)
    }
}

impl Dismissal {
    fn covers(&self, signer: &str, role: Role, day: Day) -> bool {
        self.signer == signer && (self.roles.is_empty() || self.roles.contains(&role)) && self.last < day
    }
}
