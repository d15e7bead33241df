//! Keys of the log and of its witnesses, as the registry chain names them.

use std::collections::BTreeMap;

use mediation_proto::mediation::types::v1::KeyRevocationReason;

use super::{Purpose, RegistryError, acts, possession};
use crate::{
    log::Order,
    note::{SignatureType, VerifierKey},
};

/// A key that signs checkpoints, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    /// C2SP vkey, in the name of the origin.
    pub vkey: String,
    /// Place of the act that named it.
    pub added: Order,
    /// Where and why it was retired; none while it signs.
    pub retired: Option<(Order, KeyRevocationReason)>,
}

/// A witness of an agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Agency that runs it.
    pub agency: String,
    /// C2SP vkey of a cosigner.
    pub vkey: String,
    /// Place of its enrolment.
    pub enrolled: Order,
    /// Place of its retirement; none while it cosigns.
    pub retired: Option<Order>,
}

/// Log keys and witnesses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Logs {
    pub(super) keys: Vec<LogKey>,
    pub(super) witnesses: BTreeMap<String, Witness>,
}

impl Logs {
    /// Takes in a key of the log that its holder has proved to hold.
    pub(super) fn add_key(
        &mut self,
        origin: &str,
        agency: &str,
        order: Order,
        vkey: Option<&str>,
        proof: Option<&str>,
    ) -> Result<(), RegistryError> {
        let malformed = || RegistryError::MalformedVkey { agency: agency.to_owned() };
        let vkey = vkey.unwrap_or_default();
        let key: VerifierKey = vkey.parse().map_err(|_error| malformed())?;
        if key.name().as_str() != origin || key.signature_type() != SignatureType::Ed25519 || key.to_string() != vkey {
            return Err(malformed());
        }
        if self.keys.iter().any(|known| known.vkey == vkey) {
            return Err(RegistryError::VkeyTaken { agency: agency.to_owned() });
        }
        let message = possession(origin, Purpose::Log, agency, vkey);
        if !key.verifies(&message, &acts::signature(proof)) {
            return Err(RegistryError::NotProved { agency: agency.to_owned() });
        }
        self.keys.push(LogKey { vkey: vkey.to_owned(), added: order, retired: None });
        Ok(())
    }

    pub(super) fn retire_key(
        &mut self,
        agency: &str,
        order: Order,
        vkey: Option<&str>,
        reason: KeyRevocationReason,
    ) -> Result<(), RegistryError> {
        let signing = self.keys.iter().filter(|key| key.retired.is_none()).count();
        let key = self.keys.iter_mut().find(|key| Some(key.vkey.as_str()) == vkey && key.retired.is_none());
        let key = key.ok_or_else(|| RegistryError::NoSuchVkey { agency: agency.to_owned() })?;
        if signing == 1 {
            return Err(RegistryError::LastLogKey { agency: agency.to_owned() });
        }
        key.retired = Some((order, reason));
        Ok(())
    }

    pub(super) fn enrol_witness(
        &mut self,
        agency: &str,
        order: Order,
        name: Option<&str>,
        vkey: Option<&str>,
    ) -> Result<(), RegistryError> {
        let vkey = vkey.unwrap_or_default();
        let key = vkey.parse::<VerifierKey>().ok().filter(|key| key.signature_type() == SignatureType::CosignatureV1);
        if key.is_none_or(|key| key.to_string() != vkey) {
            return Err(RegistryError::MalformedVkey { agency: agency.to_owned() });
        }
        let name = name.unwrap_or_default();
        // One key is one witness: two names for it would count twice in a quorum.
        let taken = self.witnesses.values().any(|witness| witness.retired.is_none() && witness.vkey == vkey);
        if taken || self.witnesses.contains_key(name) {
            return Err(RegistryError::VkeyTaken { agency: agency.to_owned() });
        }
        let witness = Witness { agency: agency.to_owned(), vkey: vkey.to_owned(), enrolled: order, retired: None };
        self.witnesses.insert(name.to_owned(), witness);
        Ok(())
    }

    pub(super) fn retire_witness(
        &mut self,
        agency: &str,
        order: Order,
        name: Option<&str>,
    ) -> Result<(), RegistryError> {
        let witness = self.witnesses.get_mut(name.unwrap_or_default());
        let witness = witness.filter(|witness| witness.retired.is_none());
        let witness = witness.ok_or_else(|| RegistryError::NoSuchVkey { agency: agency.to_owned() })?;
        if witness.agency != agency {
            return Err(RegistryError::ActsForAnother { agency: agency.to_owned() });
        }
        witness.retired = Some(order);
        Ok(())
    }
}
