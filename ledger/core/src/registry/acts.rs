//! The acts that the registry takes from, and their fields.

use mediation_domain::calendar::{Day, parse_instant};
use mediation_proto::mediation::{
    core::v1::core_act,
    ledger::v1::{Act, act::Family},
    registry::v1::{AgencyOnboarded, LedgerFounded, LedgerReincarnated, registry_act},
    types::v1::{KeyAlgorithm, LedgerMember, Role},
};

use super::RegistryError;
use crate::key::{Algorithm, KeyId, PublicKey};

/// An act of family `registry`.
pub(super) fn registered(act: &Act) -> Option<&registry_act::Act> {
    let Some(Family::Registry(family)) = act.family.as_ref() else { return None };
    family.act.as_ref()
}

/// What founds a ledger: the first of its name, or one that carries on another.
pub(super) struct Founding<'a> {
    pub(super) log_key: Option<&'a str>,
    pub(super) members: &'a [LedgerMember],
}

pub(super) fn founding(act: &Act) -> Option<Founding<'_>> {
    let act = registered(act)?;
    if let registry_act::Act::LedgerFounded(LedgerFounded { log_key, members, .. })
    | registry_act::Act::LedgerReincarnated(LedgerReincarnated { log_key, members, .. }) = act
    {
        return Some(Founding { log_key: log_key.as_deref(), members });
    }
    None
}

pub(super) fn onboarding(act: &Act) -> Option<&AgencyOnboarded> {
    let Some(registry_act::Act::AgencyOnboarded(onboarded)) = registered(act) else { return None };
    Some(onboarded)
}

pub(super) fn is_correction(act: &Act) -> bool {
    let Some(Family::Core(family)) = act.family.as_ref() else { return false };
    matches!(family.act, Some(core_act::Act::RecordCorrected(_)))
}

pub(super) fn day(agency: &str, text: Option<&str>) -> Result<Day, RegistryError> {
    text.and_then(Day::parse).ok_or_else(|| RegistryError::MalformedDay { agency: agency.to_owned() })
}

pub(super) fn day_if_given(agency: &str, text: Option<&str>) -> Result<Option<Day>, RegistryError> {
    text.map(|text| day(agency, Some(text))).transpose()
}

pub(super) fn instant(agency: &str, text: Option<&str>) -> Result<i64, RegistryError> {
    text.and_then(parse_instant).ok_or_else(|| RegistryError::MalformedDay { agency: agency.to_owned() })
}

pub(super) fn roles(numbers: &[i32]) -> Vec<Role> {
    numbers.iter().filter_map(|number| Role::try_from(*number).ok()).collect()
}

pub(super) fn key_id(text: Option<&str>) -> Option<KeyId> {
    let bytes = lower_hex(text?)?;
    bytes.try_into().ok().map(KeyId)
}

pub(super) fn public_key(
    algorithm: Option<i32>,
    hex_text: Option<&str>,
    agency: &str,
) -> Result<PublicKey, RegistryError> {
    let malformed = || RegistryError::MalformedKey { agency: agency.to_owned() };
    let algorithm = algorithm.and_then(|number| KeyAlgorithm::try_from(number).ok()).ok_or_else(malformed)?;
    let algorithm = match algorithm {
        KeyAlgorithm::Unspecified => return Err(malformed()),
        KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        KeyAlgorithm::Sm2Sm3 => Algorithm::Sm2Sm3,
    };
    let bytes = hex_text.and_then(lower_hex).ok_or_else(malformed)?;
    PublicKey::new(algorithm, &bytes).map_err(|_| malformed())
}

/// A signature as an act carries it; empty when it is none.
pub(super) fn signature(text: Option<&str>) -> Vec<u8> {
    text.and_then(lower_hex).unwrap_or_default()
}

fn lower_hex(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|letter| letter.is_ascii_uppercase()) {
        return None;
    }
    hex::decode(text).ok()
}
