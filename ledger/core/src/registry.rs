//! Who takes part, and whose signature counts: the registry chain, folded.
//!
//! The first entry of the registry chain (genesis) names every founding agency with its root key; its leaf hash is
//! pinned in the policy file. A root key signs enrolments of that agency's signing keys and nothing else; signing keys
//! sign everything else. Appointments of signers decide nothing about what counts; the judge looks at them.

use std::collections::BTreeMap;

use mediation_domain::{
    calendar::Day,
    directory::{Agency, Appointment, Directory, Dismissal},
};
use mediation_proto::mediation::{
    core::v1::core_act,
    ledger::v1::{Act, act::Family},
    registry::v1::{AgencyKeyEnrolled, AgencyOnboarded, LedgerFounded, SignerAppointed, SignerDismissed, registry_act},
    types::v1::{AgencyKind, KeyAlgorithm, LedgerMember, Role},
};

use crate::{
    chain::ChainId,
    key::{Algorithm, KeyId, PublicKey},
    merkle::Hash,
};

/// A signing key that an agency has enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledKey {
    /// Agency.
    pub agency: String,
    /// The key.
    pub key: PublicKey,
    /// First day of use, `YYYY-MM-DD`.
    pub valid_from: String,
    /// Last day of use, `YYYY-MM-DD`; none: until rotated or revoked.
    pub valid_to: Option<String>,
}

/// The registry chain, folded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    genesis: Option<Hash>,
    log_key: String,
    directory: Directory,
    roots: BTreeMap<String, PublicKey>,
    keys: BTreeMap<KeyId, EnrolledKey>,
    /// Agencies by the ids of their registry chains.
    chains: BTreeMap<ChainId, String>,
}

impl Registry {
    /// Leaf hash of the first entry, once there is one.
    #[must_use]
    pub fn genesis(&self) -> Option<Hash> {
        self.genesis
    }

    /// C2SP vkey of the key that signs checkpoints.
    #[must_use]
    pub fn log_key(&self) -> &str {
        &self.log_key
    }

    /// The agencies and their signers.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Root key of an agency.
    #[must_use]
    pub fn root(&self, agency: &str) -> Option<&PublicKey> {
        self.roots.get(agency)
    }

    /// The enrolled key of this id.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<&EnrolledKey> {
        self.keys.get(&id)
    }

    /// All enrolled keys.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, &EnrolledKey)> {
        self.keys.iter()
    }

    /// The key of this id by which an entry of this agency counts: an enrolled one, and on the registry chain its root.
    #[must_use]
    pub fn key_of(&self, agency: &str, id: KeyId, on_registry: bool) -> Option<PublicKey> {
        let root = self.roots.get(agency).filter(|root| on_registry && root.id() == id).copied();
        root.or_else(|| self.keys.get(&id).filter(|enrolled| enrolled.agency == agency).map(|enrolled| enrolled.key))
    }

    /// The key that may sign this act for this agency: for enrolments its root, for everything else an enrolled key.
    #[must_use]
    pub fn signing_key(&self, agency: &str, id: KeyId, act: &Act) -> Option<PublicKey> {
        if enrolment(act).is_some() || founding(act).is_some() {
            return self.roots.get(agency).filter(|root| root.id() == id).copied();
        }
        self.keys.get(&id).filter(|enrolled| enrolled.agency == agency).map(|enrolled| enrolled.key)
    }

    /// Whether an act may stand on a chain that admits it: everybody can compute the id of an agency's registry chain,
    /// and what is none of its acts could close it, or shut it to those whom it does not name.
    ///
    /// # Errors
    /// The chain is an agency's registry chain and would not begin with its onboarding, or the act is neither one of the
    /// registry nor a correction.
    pub fn check_chain(&self, chain: ChainId, is_empty: bool, act: &Act) -> Result<(), RegistryError> {
        let Some(agency) = self.chains.get(&chain) else { return Ok(()) };
        let onboards = onboarding(act).is_some_and(|onboarded| onboarded.subject.as_ref() == Some(agency));
        let is_of_registry = matches!(act.family, Some(Family::Registry(_))) || is_correction(act);
        if is_empty && !onboards {
            return Err(RegistryError::NotItsOnboarding { agency: agency.clone() });
        }
        if is_of_registry { Ok(()) } else { Err(RegistryError::NotOfRegistry { agency: agency.clone() }) }
    }

    /// Takes the founding into account. Genesis is self-describing, so this comes before its signature can be checked.
    ///
    /// # Errors
    /// The act is not a founding, or a member cannot be understood.
    pub fn found(&mut self, origin: &str, leaf: Hash, act: &Act) -> Result<(), RegistryError> {
        let founded = founding(act).ok_or(RegistryError::NotAFounding)?;
        for member in &founded.members {
            self.admit_member(member)?;
        }
        let chain = |agency: &str| (ChainId::agency_registry(origin, agency), agency.to_owned());
        self.chains = self.directory.iter().map(|(agency, _)| chain(agency)).collect();
        self.log_key = founded.log_key.clone().unwrap_or_default();
        self.genesis = Some(leaf);
        Ok(())
    }

    /// Takes a checked act of the registry chain into account. `occurred_at` is the agency's word, in seconds since
    /// 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// An enrolment that cannot be understood or of a key that is known already, an appointment or a dismissal that
    /// cannot be understood, any of these for another agency, or a second founding.
    pub fn apply(&mut self, agency: &str, occurred_at: i64, act: &Act) -> Result<(), RegistryError> {
        if founding(act).is_some() {
            return Err(RegistryError::FoundedTwice);
        }
        if let Some(enrolled) = enrolment(act) {
            return self.enrol(agency, enrolled);
        }
        if let Some(appointed) = appointment(act) {
            return self.appoint(agency, occurred_at, appointed);
        }
        if let Some(dismissed) = dismissal(act) {
            return self.dismiss(agency, occurred_at, dismissed);
        }
        Ok(())
    }

    fn enrol(&mut self, agency: &str, enrolled: &AgencyKeyEnrolled) -> Result<(), RegistryError> {
        if enrolled.agency.as_deref() != Some(agency) {
            return Err(RegistryError::EnrolsForAnother { agency: agency.to_owned() });
        }
        let key = public_key(enrolled.algorithm, enrolled.public_key.as_deref(), agency)?;
        // Public keys are public: whoever could enrol another's would take it, and all that it signed, from him.
        if self.keys.contains_key(&key.id()) || self.roots.values().any(|root| *root == key) {
            return Err(RegistryError::KeyTaken { agency: agency.to_owned() });
        }
        self.keys.insert(
            key.id(),
            EnrolledKey {
                agency: agency.to_owned(),
                key,
                valid_from: enrolled.valid_from.clone().unwrap_or_default(),
                valid_to: enrolled.valid_to.clone(),
            },
        );
        Ok(())
    }

    /// An appointment counts from its first day on, but not before the day as of which it is recorded: nobody is
    /// appointed afterwards to what he has signed already.
    fn appoint(&mut self, agency: &str, occurred_at: i64, act: &SignerAppointed) -> Result<(), RegistryError> {
        own(agency, act.agency.as_deref())?;
        let from = day(agency, act.valid_from.as_deref())?;
        let appointment = Appointment {
            signer: act.signer.clone().unwrap_or_default(),
            roles: roles(&act.roles),
            from: from.max(Day::of(occurred_at)),
            to: act.valid_to.as_deref().map(|last| day(agency, Some(last))).transpose()?,
            occurred_at,
        };
        self.directory.appoint(agency, appointment);
        Ok(())
    }

    fn dismiss(&mut self, agency: &str, occurred_at: i64, act: &SignerDismissed) -> Result<(), RegistryError> {
        own(agency, act.agency.as_deref())?;
        let dismissal = Dismissal {
            signer: act.signer.clone().unwrap_or_default(),
            roles: roles(&act.roles),
            last: day(agency, act.valid_to.as_deref())?,
            occurred_at,
        };
        self.directory.dismiss(agency, dismissal);
        Ok(())
    }

    fn admit_member(&mut self, member: &LedgerMember) -> Result<(), RegistryError> {
        let id = member.agency.clone().unwrap_or_default();
        let kind = member
            .kind
            .and_then(|kind| AgencyKind::try_from(kind).ok())
            .filter(|kind| *kind != AgencyKind::Unspecified);
        let kind = kind.ok_or_else(|| RegistryError::UnknownKind { agency: id.clone() })?;
        let root = public_key(member.root_algorithm, member.root_key.as_deref(), &id)?;
        if self.roots.insert(id.clone(), root).is_some() {
            return Err(RegistryError::NamedTwice { agency: id });
        }
        let name = member.name.clone().unwrap_or_default();
        let division = member.division.clone().unwrap_or_default();
        self.directory.insert(id, Agency { kind, name, division });
        Ok(())
    }
}

fn founding(act: &Act) -> Option<&LedgerFounded> {
    let Some(Family::Registry(family)) = act.family.as_ref() else { return None };
    let Some(registry_act::Act::LedgerFounded(founded)) = family.act.as_ref() else { return None };
    Some(founded)
}

fn enrolment(act: &Act) -> Option<&AgencyKeyEnrolled> {
    let Some(Family::Registry(family)) = act.family.as_ref() else { return None };
    let Some(registry_act::Act::AgencyKeyEnrolled(enrolled)) = family.act.as_ref() else { return None };
    Some(enrolled)
}

fn onboarding(act: &Act) -> Option<&AgencyOnboarded> {
    let Some(Family::Registry(family)) = act.family.as_ref() else { return None };
    let Some(registry_act::Act::AgencyOnboarded(onboarded)) = family.act.as_ref() else { return None };
    Some(onboarded)
}

fn is_correction(act: &Act) -> bool {
    let Some(Family::Core(family)) = act.family.as_ref() else { return false };
    matches!(family.act, Some(core_act::Act::RecordCorrected(_)))
}

fn appointment(act: &Act) -> Option<&SignerAppointed> {
    let Some(Family::Registry(family)) = act.family.as_ref() else { return None };
    let Some(registry_act::Act::SignerAppointed(appointed)) = family.act.as_ref() else { return None };
    Some(appointed)
}

fn dismissal(act: &Act) -> Option<&SignerDismissed> {
    let Some(Family::Registry(family)) = act.family.as_ref() else { return None };
    let Some(registry_act::Act::SignerDismissed(dismissed)) = family.act.as_ref() else { return None };
    Some(dismissed)
}

fn own(agency: &str, named: Option<&str>) -> Result<(), RegistryError> {
    if named == Some(agency) {
        return Ok(());
    }
    Err(RegistryError::AppointsForAnother { agency: agency.to_owned() })
}

fn day(agency: &str, text: Option<&str>) -> Result<Day, RegistryError> {
    text.and_then(Day::parse).ok_or_else(|| RegistryError::MalformedDay { agency: agency.to_owned() })
}

fn roles(numbers: &[i32]) -> Vec<Role> {
    numbers.iter().filter_map(|number| Role::try_from(*number).ok()).collect()
}

fn public_key(algorithm: Option<i32>, hex_text: Option<&str>, agency: &str) -> Result<PublicKey, RegistryError> {
    let malformed = || RegistryError::MalformedKey { agency: agency.to_owned() };
    let algorithm = algorithm.and_then(|number| KeyAlgorithm::try_from(number).ok()).ok_or_else(malformed)?;
    let algorithm = match algorithm {
        KeyAlgorithm::Unspecified => return Err(malformed()),
        KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        KeyAlgorithm::Sm2Sm3 => Algorithm::Sm2Sm3,
    };
    let text = hex_text.filter(|text| !text.bytes().any(|letter| letter.is_ascii_uppercase())).ok_or_else(malformed)?;
    let bytes = hex::decode(text).map_err(|_| malformed())?;
    PublicKey::new(algorithm, &bytes).map_err(|_| malformed())
}

/// Why an act of the registry chain has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The first entry of the registry chain does not found a ledger.
    #[error("the first entry of the registry chain does not found the ledger")]
    NotAFounding,
    /// A ledger is founded once.
    #[error("the ledger is founded already")]
    FoundedTwice,
    /// A member is named twice.
    #[error("`{agency}` is named twice")]
    NamedTwice {
        /// Agency.
        agency: String,
    },
    /// A member's kind is not one of the catalogue.
    #[error("`{agency}` is of unknown kind")]
    UnknownKind {
        /// Agency.
        agency: String,
    },
    /// A key is not one.
    #[error("the key of `{agency}` is malformed")]
    MalformedKey {
        /// Agency.
        agency: String,
    },
    /// The key is enrolled already, or is a root key.
    #[error("`{agency}` enrols a key that is enrolled already, or is a root key")]
    KeyTaken {
        /// Agency that signed.
        agency: String,
    },
    /// An agency enrols keys for itself only.
    #[error("`{agency}` enrols a key for another agency")]
    EnrolsForAnother {
        /// Agency that signed.
        agency: String,
    },
    /// An agency appoints and dismisses its own signers only.
    #[error("`{agency}` appoints or dismisses a signer of another agency")]
    AppointsForAnother {
        /// Agency that signed.
        agency: String,
    },
    /// The registry chain of an agency begins with its onboarding.
    #[error("the registry chain of `{agency}` begins with its onboarding")]
    NotItsOnboarding {
        /// Agency whose chain it is.
        agency: String,
    },
    /// The registry chain of an agency takes acts of the registry and corrections only.
    #[error("the registry chain of `{agency}` takes acts of the registry and corrections only")]
    NotOfRegistry {
        /// Agency whose chain it is.
        agency: String,
    },
    /// A day of an appointment or a dismissal is not one.
    #[error("`{agency}` gives a day that is none")]
    MalformedDay {
        /// Agency that signed.
        agency: String,
    },
}
