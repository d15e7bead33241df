//! Who takes part, and whose signature counts: the registry chain, folded.
//!
//! The first entry of the registry chain (genesis) names every founding agency with its root key; its leaf hash is
//! pinned in the policy file. A root key signs acts about that agency's keys and witnesses, the root key of the founder
//! also acts about members and log keys; signing keys sign everything else. Appointments of signers decide nothing about
//! what counts; the judge looks at them.
//!
//! The registry remembers the place of everything that it took in, so that an entry is judged by what stands before it in
//! the log, also by a reader who has read on.

mod acts;
mod error;
mod logs;
mod possession;
mod validity;

use std::collections::BTreeMap;

use mediation_domain::{
    calendar::Day,
    directory::{Agency, Appointment, Directory, Dismissal},
};
use mediation_proto::mediation::{
    ledger::v1::{Act, act::Family},
    registry::v1::{
        AgencyJoined, AgencyKeyEnrolled, AgencyKeyRevoked, AgencyKeyRotated, AgencyRootRotated, SignerAppointed,
        SignerDismissed, registry_act,
    },
    types::v1::{AgencyKind, LedgerMember},
};

use self::{
    acts::{day, day_if_given, founding, instant, is_correction, onboarding, public_key, registered, roles, signature},
    logs::Logs,
    validity::RootKey,
};
pub use self::{
    error::RegistryError,
    logs::{LogKey, Witness},
    possession::{Purpose, possession},
    validity::{EnrolledKey, KeyFault, Revocation, SignedAt},
};
use crate::{
    chain::ChainId,
    key::{KeyId, PublicKey},
    log::Order,
    merkle::Hash,
};

/// The registry chain, folded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    origin: String,
    genesis: Option<Hash>,
    /// Agency that founded the ledger.
    founder: String,
    log_key: String,
    logs: Logs,
    directory: Directory,
    /// Root keys by id, those that were replaced too.
    roots: BTreeMap<KeyId, RootKey>,
    keys: BTreeMap<KeyId, EnrolledKey>,
    /// Agencies by the ids of their registry chains.
    chains: BTreeMap<ChainId, String>,
}

/// An act of the registry chain whose signature and form are good.
#[derive(Debug, Clone, Copy)]
pub struct Entered<'a> {
    /// Agency that signed.
    pub agency: &'a str,
    /// The agency's word; seconds since 1970-01-01T00:00:00Z.
    pub occurred_at: i64,
    /// Where it stands.
    pub at: SignedAt,
    /// The act.
    pub act: &'a Act,
}

impl Registry {
    /// Leaf hash of the first entry, once there is one.
    #[must_use]
    pub fn genesis(&self) -> Option<Hash> {
        self.genesis
    }

    /// C2SP vkey of the key that the founding names to sign checkpoints.
    #[must_use]
    pub fn log_key(&self) -> &str {
        &self.log_key
    }

    /// All keys that sign checkpoints, or did, in the order in which they were added; the founding's first.
    #[must_use]
    pub fn log_keys(&self) -> &[LogKey] {
        &self.logs.keys
    }

    /// The witnesses of the agencies, by name.
    pub fn witnesses(&self) -> impl Iterator<Item = (&str, &Witness)> {
        self.logs.witnesses.iter().map(|(name, witness)| (name.as_str(), witness))
    }

    /// Agency that founded the ledger; empty before.
    #[must_use]
    pub fn founder(&self) -> &str {
        &self.founder
    }

    /// The agencies and their signers.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Root key of an agency, the latest.
    #[must_use]
    pub fn root(&self, agency: &str) -> Option<&PublicKey> {
        self.roots.values().find(|root| root.agency == agency && root.until.is_none()).map(|root| &root.key)
    }

    /// The enrolled key of this id, whether it counts or not.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<&EnrolledKey> {
        self.keys.get(&id)
    }

    /// All keys that were ever enrolled.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, &EnrolledKey)> {
        self.keys.iter()
    }

    /// The key of this id by which an entry of this agency counts, there and then: an enrolled one, and on the registry
    /// chain its root.
    ///
    /// # Errors
    /// Why it is not one by which it counts.
    pub fn key_of(&self, agency: &str, id: KeyId, on_registry: bool, at: SignedAt) -> Result<PublicKey, KeyFault> {
        if let Some(root) = self.roots.get(&id).filter(|root| root.is_known(at.order)) {
            return match (root.agency == agency, on_registry) {
                (false, _) => Err(KeyFault::OfAnother { key_id: id, agency: root.agency.clone() }),
                (true, false) => Err(KeyFault::NotForThisAct { key_id: id }),
                (true, true) if root.counts(at.order) => Ok(root.key),
                (true, true) => Err(KeyFault::Replaced { key_id: id }),
            };
        }
        let enrolled = self.keys.get(&id).filter(|enrolled| enrolled.enrolled < at.order);
        let enrolled = enrolled.ok_or(KeyFault::Unknown { key_id: id })?;
        if enrolled.agency != agency {
            return Err(KeyFault::OfAnother { key_id: id, agency: enrolled.agency.clone() });
        }
        enrolled.check(at).map(|()| enrolled.key)
    }

    /// Whether a key of this agency, by which its entries count, is the one that signs this act: for acts about keys a
    /// root key, for a rotation also the key that is replaced, for everything else a signing key.
    ///
    /// # Errors
    /// [`KeyFault::NotForThisAct`].
    pub fn check_signer(&self, agency: &str, id: KeyId, act: &Act) -> Result<(), KeyFault> {
        let is_root = self.roots.get(&id).is_some_and(|root| root.agency == agency);
        let may = match registered(act) {
            Some(
                registry_act::Act::LedgerFounded(_)
                | registry_act::Act::LedgerReincarnated(_)
                | registry_act::Act::AgencyKeyEnrolled(_)
                | registry_act::Act::AgencyKeyRevoked(_)
                | registry_act::Act::AgencyRootRotated(_)
                | registry_act::Act::AgencyJoined(_)
                | registry_act::Act::LogKeyAdded(_)
                | registry_act::Act::LogKeyRetired(_)
                | registry_act::Act::WitnessEnrolled(_)
                | registry_act::Act::WitnessRetired(_),
            ) => is_root,
            Some(registry_act::Act::AgencyKeyRotated(rotated)) => {
                is_root || acts::key_id(rotated.replaced_key.as_deref()) == Some(id)
            }
            Some(_) | None => !is_root,
        };
        if may { Ok(()) } else { Err(KeyFault::NotForThisAct { key_id: id }) }
    }

    /// The revocation of a key that was recorded after an entry which counts, as of an instant before it: the entry keeps
    /// counting, and whoever reads it has to be told. `recorded_at` in milliseconds.
    #[must_use]
    pub fn late_revocation(&self, id: KeyId, recorded_at: i64) -> Option<&Revocation> {
        let late = |revocation: &&Revocation| revocation.invalid_from <= recorded_at.div_euclid(1000);
        self.keys.get(&id)?.revocations.iter().filter(late).min_by_key(|revocation| revocation.invalid_from)
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

    /// Takes the founding by an agency into account. Genesis is self-describing, so this comes before its signature can
    /// be checked.
    ///
    /// # Errors
    /// The act is not a founding, or a member cannot be understood.
    pub fn found(&mut self, origin: &str, leaf: Hash, agency: &str, act: &Act) -> Result<(), RegistryError> {
        let founded = founding(act).ok_or(RegistryError::NotAFounding)?;
        origin.clone_into(&mut self.origin);
        agency.clone_into(&mut self.founder);
        for member in founded.members {
            self.admit_member(member, None)?;
        }
        founded.log_key.unwrap_or_default().clone_into(&mut self.log_key);
        self.logs.keys.push(LogKey { vkey: self.log_key.clone(), added: Order::FIRST, retired: None });
        self.genesis = Some(leaf);
        Ok(())
    }

    /// Takes a checked act of the registry chain into account.
    ///
    /// # Errors
    /// The act cannot be understood, is about another agency than the one that signed, is not proved, or contradicts what
    /// stands. It then has changed nothing.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other acts of the family say nothing of keys or signers")]
    pub fn apply(&mut self, entered: &Entered<'_>) -> Result<(), RegistryError> {
        let Entered { agency, occurred_at, at, act } = *entered;
        let Some(act) = registered(act) else { return Ok(()) };
        match act {
            registry_act::Act::LedgerFounded(_) | registry_act::Act::LedgerReincarnated(_) => {
                Err(RegistryError::FoundedTwice)
            }
            registry_act::Act::AgencyKeyEnrolled(enrolled) => self.enrol(agency, at, enrolled),
            registry_act::Act::AgencyKeyRotated(rotated) => self.rotate(agency, at, rotated),
            registry_act::Act::AgencyKeyRevoked(revoked) => self.revoke(agency, at, revoked),
            registry_act::Act::AgencyRootRotated(rotated) => self.rotate_root(agency, at.order, rotated),
            registry_act::Act::AgencyJoined(joined) => self.join(agency, at.order, joined),
            registry_act::Act::LogKeyAdded(added) => {
                self.founder_only(agency)?;
                let (vkey, proof) = (added.log_key.as_deref(), added.proof.as_deref());
                self.logs.add_key(&self.origin, agency, at.order, vkey, proof)
            }
            registry_act::Act::LogKeyRetired(retired) => {
                self.founder_only(agency)?;
                self.logs.retire_key(agency, at.order, retired.log_key.as_deref(), retired.reason())
            }
            registry_act::Act::WitnessEnrolled(enrolled) => {
                own(agency, enrolled.agency.as_deref())?;
                self.logs.enrol_witness(agency, at.order, enrolled.name.as_deref(), enrolled.vkey.as_deref())
            }
            registry_act::Act::WitnessRetired(retired) => {
                own(agency, retired.agency.as_deref())?;
                self.logs.retire_witness(agency, at.order, retired.name.as_deref())
            }
            registry_act::Act::SignerAppointed(appointed) => self.appoint(agency, occurred_at, appointed),
            registry_act::Act::SignerDismissed(dismissed) => self.dismiss(agency, occurred_at, dismissed),
            _ => Ok(()),
        }
    }

    fn enrol(&mut self, agency: &str, at: SignedAt, act: &AgencyKeyEnrolled) -> Result<(), RegistryError> {
        if act.agency.as_deref() != Some(agency) {
            return Err(RegistryError::EnrolsForAnother { agency: agency.to_owned() });
        }
        let key = public_key(act.algorithm, act.public_key.as_deref(), agency)?;
        self.free(agency, key)?;
        let valid_from = Some(day(agency, act.valid_from.as_deref())?);
        let valid_to = day_if_given(agency, act.valid_to.as_deref())?;
        self.keys.insert(key.id(), enrolled(agency, key, at.order, valid_from, valid_to));
        Ok(())
    }

    /// The new key counts from the next entry on, the replaced one up to this one: never none, never both.
    fn rotate(&mut self, agency: &str, at: SignedAt, act: &AgencyKeyRotated) -> Result<(), RegistryError> {
        own(agency, act.agency.as_deref())?;
        let replaced = self.own_key(agency, act.replaced_key.as_deref())?;
        replaced.check(at).map_err(|fault| RegistryError::RotatesInvalid { agency: agency.to_owned(), fault })?;
        let replaced = replaced.key.id();
        let key = public_key(act.algorithm, act.public_key.as_deref(), agency)?;
        self.free(agency, key)?;
        let valid_to = day_if_given(agency, act.valid_to.as_deref())?;
        self.proved(agency, Purpose::Signing, key, act.proof.as_deref())?;
        self.keys.insert(key.id(), enrolled(agency, key, at.order, None, valid_to));
        if let Some(replaced) = self.keys.get_mut(&replaced) {
            replaced.replaced = Some(at.order);
        }
        Ok(())
    }

    /// A key can be revoked again, as of an earlier instant: what is found out later reaches further back, never less far.
    fn revoke(&mut self, agency: &str, at: SignedAt, act: &AgencyKeyRevoked) -> Result<(), RegistryError> {
        own(agency, act.agency.as_deref())?;
        let key = self.own_key(agency, act.key_id.as_deref())?;
        let invalid_from = instant(agency, act.invalid_from.as_deref())?;
        if key.revoked_as_of().is_some_and(|known| known <= invalid_from) {
            return Err(RegistryError::RevokedAlready { agency: agency.to_owned() });
        }
        let id = key.key.id();
        if let Some(key) = self.keys.get_mut(&id) {
            key.revocations.push(Revocation { at, invalid_from, reason: act.reason() });
        }
        Ok(())
    }

    fn rotate_root(&mut self, agency: &str, order: Order, act: &AgencyRootRotated) -> Result<(), RegistryError> {
        own(agency, act.agency.as_deref())?;
        let key = public_key(act.algorithm, act.root_key.as_deref(), agency)?;
        self.free(agency, key)?;
        self.proved(agency, Purpose::Root, key, act.proof.as_deref())?;
        for replaced in self.roots.values_mut().filter(|root| root.agency == agency) {
            replaced.until.get_or_insert(order);
        }
        self.roots.insert(key.id(), RootKey { agency: agency.to_owned(), key, since: Some(order), until: None });
        Ok(())
    }

    fn join(&mut self, agency: &str, order: Order, act: &AgencyJoined) -> Result<(), RegistryError> {
        self.founder_only(agency)?;
        let member = act.member.as_ref().ok_or_else(|| RegistryError::UnknownKind { agency: String::new() })?;
        let (id, key) = (member.agency.as_deref().unwrap_or_default(), member_key(member)?);
        self.free(id, key)?;
        self.proved(id, Purpose::Root, key, act.proof.as_deref())?;
        self.admit_member(member, Some(order))
    }

    /// An appointment counts from its first day on, but not before the day as of which it is recorded: nobody is
    /// appointed afterwards to what he has signed already.
    fn appoint(&mut self, agency: &str, occurred_at: i64, act: &SignerAppointed) -> Result<(), RegistryError> {
        own_signer(agency, act.agency.as_deref())?;
        let from = day(agency, act.valid_from.as_deref())?;
        let appointment = Appointment {
            signer: act.signer.clone().unwrap_or_default(),
            roles: roles(&act.roles),
            from: from.max(Day::of(occurred_at)),
            to: day_if_given(agency, act.valid_to.as_deref())?,
            occurred_at,
        };
        self.directory.appoint(agency, appointment);
        Ok(())
    }

    fn dismiss(&mut self, agency: &str, occurred_at: i64, act: &SignerDismissed) -> Result<(), RegistryError> {
        own_signer(agency, act.agency.as_deref())?;
        let dismissal = Dismissal {
            signer: act.signer.clone().unwrap_or_default(),
            roles: roles(&act.roles),
            last: day(agency, act.valid_to.as_deref())?,
            occurred_at,
        };
        self.directory.dismiss(agency, dismissal);
        Ok(())
    }

    fn admit_member(&mut self, member: &LedgerMember, joined: Option<Order>) -> Result<(), RegistryError> {
        let id = member.agency.clone().unwrap_or_default();
        let kind = member
            .kind
            .and_then(|kind| AgencyKind::try_from(kind).ok())
            .filter(|kind| *kind != AgencyKind::Unspecified);
        let kind = kind.ok_or_else(|| RegistryError::UnknownKind { agency: id.clone() })?;
        let key = member_key(member)?;
        if self.directory.agency(&id).is_some() {
            return Err(RegistryError::NamedTwice { agency: id });
        }
        self.free(&id, key)?;
        let name = member.name.clone().unwrap_or_default();
        let division = member.division.clone().unwrap_or_default();
        self.chains.insert(ChainId::agency_registry(&self.origin, &id), id.clone());
        self.roots.insert(key.id(), RootKey { agency: id.clone(), key, since: joined, until: None });
        self.directory.insert(id, Agency { kind, name, division });
        Ok(())
    }

    fn own_key(&self, agency: &str, id: Option<&str>) -> Result<&EnrolledKey, RegistryError> {
        let key = acts::key_id(id).and_then(|id| self.keys.get(&id)).filter(|key| key.agency == agency);
        key.ok_or_else(|| RegistryError::NoSuchKey { agency: agency.to_owned() })
    }

    /// Public keys are public: whoever could enrol another's would take it, and all that it signed, from him.
    fn free(&self, agency: &str, key: PublicKey) -> Result<(), RegistryError> {
        if self.keys.contains_key(&key.id()) || self.roots.contains_key(&key.id()) {
            return Err(RegistryError::KeyTaken { agency: agency.to_owned() });
        }
        Ok(())
    }

    fn proved(&self, agency: &str, purpose: Purpose, key: PublicKey, proof: Option<&str>) -> Result<(), RegistryError> {
        let message = possession(&self.origin, purpose, agency, &key.id().to_string());
        if key.verifies(&message, &signature(proof)) {
            return Ok(());
        }
        Err(RegistryError::NotProved { agency: agency.to_owned() })
    }

    fn founder_only(&self, agency: &str) -> Result<(), RegistryError> {
        if agency == self.founder { Ok(()) } else { Err(RegistryError::NotTheFounder { agency: agency.to_owned() }) }
    }
}

fn enrolled(agency: &str, key: PublicKey, at: Order, valid_from: Option<Day>, valid_to: Option<Day>) -> EnrolledKey {
    let (agency, revocations) = (agency.to_owned(), Vec::new());
    EnrolledKey { agency, key, enrolled: at, valid_from, valid_to, replaced: None, revocations }
}

fn member_key(member: &LedgerMember) -> Result<PublicKey, RegistryError> {
    let agency = member.agency.as_deref().unwrap_or_default();
    public_key(member.root_algorithm, member.root_key.as_deref(), agency)
}

fn own(agency: &str, named: Option<&str>) -> Result<(), RegistryError> {
    if named == Some(agency) { Ok(()) } else { Err(RegistryError::ActsForAnother { agency: agency.to_owned() }) }
}

fn own_signer(agency: &str, named: Option<&str>) -> Result<(), RegistryError> {
    if named == Some(agency) { Ok(()) } else { Err(RegistryError::AppointsForAnother { agency: agency.to_owned() }) }
}
