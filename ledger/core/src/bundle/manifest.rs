//! The manifest: what a bundle is, and the digest of every other file in it.

use mediation_domain::calendar::Day;
use mediation_proto::mediation::ledger::v1::PartKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Evidence, Exported, Files, MANIFEST, findings::pretty};
use crate::chain::ChainId;

/// Format of a bundle.
const FORMAT: &str = "mediation-ledger/evidence/v1";

/// Program that makes bundles; another version may make another report of the same evidence.
pub(super) const TOOL: &str = concat!("mediation ", env!("CARGO_PKG_VERSION"));

/// The manifest, in the order of its fields. It has one encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: String,
    /// Program that made the bundle.
    pub(super) tool: String,
    /// Identity of the ledger.
    pub(super) origin: String,
    chain: String,
    as_of: Day,
    withhold: Vec<String>,
    /// Absent in bundles of programs that did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exported: Option<Exported>,
    pub(super) files: Vec<Listed>,
}

/// A file as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    pub(super) name: String,
    bytes: u64,
    sha256: String,
}

impl Listed {
    fn new(name: &str, content: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: content.len() as u64, sha256: hex::encode(Sha256::digest(content)) }
    }

    pub(super) fn is(&self, content: &[u8]) -> bool {
        *self == Self::new(&self.name, content)
    }
}

impl Manifest {
    /// The manifest of a bundle with these other files.
    pub(super) fn new(origin: &str, evidence: &Evidence, files: &Files) -> Self {
        Self {
            format: FORMAT.to_owned(),
            tool: TOOL.to_owned(),
            origin: origin.to_owned(),
            chain: evidence.chain.to_string(),
            as_of: evidence.as_of,
            withhold: evidence.withhold.iter().map(|kind| kind_name(*kind)).collect(),
            exported: evidence.exported.clone(),
            files: files.iter().map(|(name, content)| Listed::new(name, content)).collect(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        pretty(self)
    }

    /// Reads a manifest; none when it is not in its one encoding, or of another format.
    pub(super) fn parse(files: &Files) -> Option<Self> {
        let bytes = files.get(MANIFEST)?;
        let manifest: Self = serde_json::from_slice(bytes).ok()?;
        let ordered = manifest.files.windows(2).all(|pair| pair.first().map(name) < pair.last().map(name));
        let formed = manifest.exported.as_ref().is_none_or(Exported::is_formed);
        (manifest.to_bytes() == *bytes && manifest.format == FORMAT && ordered && formed).then_some(manifest)
    }

    /// The chain, the day, and the kinds that are withheld; none when one of them is none.
    pub(super) fn options(&self) -> Option<(ChainId, Day, Vec<PartKind>)> {
        let kinds = self.withhold.iter().map(|name| kind_named(name)).collect::<Option<Vec<_>>>()?;
        Some((ChainId::parse(&self.chain)?, self.as_of, kinds))
    }
}

fn name(listed: &Listed) -> &str {
    &listed.name
}

/// Name of a kind of part, `narrative`.
pub(super) fn kind_name(kind: PartKind) -> String {
    kind.as_str_name().trim_start_matches("PART_KIND_").to_lowercase()
}

/// The kind of this name that may be withheld.
fn kind_named(name: &str) -> Option<PartKind> {
    [PartKind::Identities, PartKind::Narrative, PartKind::Sealed].into_iter().find(|kind| kind_name(*kind) == name)
}
