//! The evidence bundle (证据包): one file that proves a chain offline, to somebody who trusts nobody but his trust file.
//!
//! ```text
//! manifest.json                    what this is, who exported it, and the SHA-256 of every other file
//! README.txt  verify.py            how to check it with nothing but Python; neither is evidence
//! report.html  findings.json       what it says, for people and for programs; follows from the rest
//! policy                           the trust file as published
//! checkpoint                       signed tree head, with the cosignatures it has
//! entries/0000.bin …               leaves of the chain, byte for byte
//! proofs/0000.tlog-proof …         inclusion of each under that checkpoint (C2SP)
//! parts/0000-1-0.bin …             revision, kind and number of a disclosed part: salt[32] | plaintext
//! withheld.json                    commitments whose parts are not disclosed, each with the reason
//! registry/entries|proofs|parts/   the same of the registry chain, up to the checkpoint
//! timestamps/0000.tsr …            RFC 3161 tokens over the checkpoint, when there are any
//! ```
//!
//! [`make`] and [`verify`] are two ways through the same code: `verify` reads the evidence out of the files, examines it
//! as every reader of the ledger does ([`Fold`](crate::ledger::Fold)), makes the bundle of it again, and compares. So
//! report and findings cannot say anything that the evidence does not.
//!
//! What a bundle does not prove: that nothing was recorded on the chain, or in the registry, after its last entry. For
//! that, whoever holds a later receipt or the log itself has to look.

mod container;
mod enclosures;
mod examination;
mod exported;
mod findings;
mod manifest;
mod reading;
mod report;
mod trust;
mod verdict;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use mediation_domain::calendar::Day;
use mediation_proto::mediation::ledger::v1::PartKind;

pub use self::{
    container::{ContainerError, Files, read, write},
    exported::{EXPORTED_IS_NO_PROOF, Exported, Exporter},
    trust::{TrustFile, TrustFileError},
    verdict::{CAUSES, Cause, Check, Outcome, Verdict},
};
use crate::{
    chain::ChainId,
    merkle::{Hash, LeafIndex},
    note::Note,
    part::OpenedPart,
};

/// Everything that a bundle is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Chain that is proved.
    pub chain: ChainId,
    /// Day at whose end it is judged.
    pub as_of: Day,
    /// Kinds of parts that are not disclosed because whoever exports asked for it, in order. Never the act part.
    pub withhold: Vec<PartKind>,
    /// Who exported it, as he says himself; none in bundles of programs that did not ask.
    pub exported: Option<Exported>,
    /// The trust file, byte for byte.
    pub policy: String,
    /// Checkpoint that every proof leads to, with its signatures.
    pub checkpoint: Note,
    /// Every entry of the registry chain below the checkpoint.
    pub registry: Vec<ProvedEntry>,
    /// The entries of the chain below the checkpoint.
    pub entries: Vec<ProvedEntry>,
    /// RFC 3161 tokens over the note of the checkpoint.
    pub timestamps: Vec<Bytes>,
}

/// An entry with its proof, and those of its parts that are disclosed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedEntry {
    /// The leaf's bytes.
    pub entry: Bytes,
    /// Leaf index, and path to the checkpoint's root.
    pub proof: Proof,
    /// Disclosed parts. What the commitments in them say is not relied on, only their kinds and numbers.
    pub parts: Vec<OpenedPart>,
}

/// Where a leaf stands under the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Leaf index, and path to the checkpoint's root.
    Path(LeafIndex, Vec<Hash>),
    /// What stands in its place is none under this checkpoint, for this cause.
    None(Cause),
}

/// Makes a bundle. The same evidence gives the same bytes.
///
/// # Errors
/// The trust file cannot be read, or the bundle would be too large.
pub fn make(evidence: &Evidence) -> Result<Bytes, MakeError> {
    let trust = TrustFile::parse(&evidence.policy)?;
    let examined = examination::examine(evidence, &trust, &mut Verdict::default());
    Ok(write(&enclosures::files(&examined))?.into())
}

/// Verifies a bundle. `policy` is the verifier's own trust file; without it all trust rests on the enclosed one.
///
/// # Errors
/// The verifier's own trust file cannot be read. What is wrong with the bundle stands in the verdict.
pub fn verify(bytes: &Bytes, policy: Option<&str>) -> Result<Verdict, TrustFileError> {
    let own = policy.map(TrustFile::parse).transpose()?;
    let mut verdict = Verdict::default();
    let files = match read(bytes) {
        Ok(files) => files,
        Err(ContainerError::TooLarge) => {
            verdict.fail(Check::Container, verdict::CONTAINER_TOO_LARGE, "");
            return Ok(verdict.finish());
        }
        Err(ContainerError::Malformed { .. }) => {
            verdict.fail(Check::Container, verdict::CONTAINER_MALFORMED, "");
            return Ok(verdict.finish());
        }
    };
    let Some((evidence, trust)) = reading::evidence(&files, own.as_ref(), &mut verdict) else {
        return Ok(verdict.finish());
    };
    let examined = examination::examine(&evidence, &trust, &mut verdict);
    // Whoever made the bundle had the enclosed trust file, which may know fewer witnesses than the verifier's own.
    match TrustFile::parse(&evidence.policy) {
        Ok(enclosed) if enclosed != trust => {
            let as_made = examination::examine(&evidence, &enclosed, &mut Verdict::default());
            enclosures::compare(&as_made, &files, &mut verdict);
        }
        Ok(_) | Err(_) => enclosures::compare(&examined, &files, &mut verdict),
    }
    Ok(verdict.finish())
}

/// The same evidence as a bundle that this program makes: for one that another version made, whose report and script
/// nobody can compare. None when there is too little in it; whether it is good, [`verify`] says.
///
/// # Errors
/// The enclosed trust file cannot be read, or the bundle would be too large.
pub fn again(bytes: &Bytes) -> Result<Option<Bytes>, MakeError> {
    let files = read(bytes)?;
    let evidence = reading::evidence(&files, None, &mut Verdict::default());
    evidence.map(|(evidence, _)| make(&evidence)).transpose()
}

/// Why a bundle cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// The trust file cannot be read.
    #[error(transparent)]
    Trust(#[from] TrustFileError),
    /// Too many files or bytes.
    #[error(transparent)]
    Container(#[from] ContainerError),
}

/// One of the two chains that a bundle shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    /// The registry chain.
    Registry,
    /// The chain that is proved.
    Chain,
}

impl Section {
    fn entry(self, revision: usize) -> String {
        format!("{}entries/{revision:04}.bin", self.directory())
    }

    fn proof(self, revision: usize) -> String {
        format!("{}proofs/{revision:04}.tlog-proof", self.directory())
    }

    fn part(self, revision: usize, kind: PartKind, number: u8) -> String {
        format!("{}{}-{number}.bin", self.parts(revision), kind as i32)
    }

    /// How the names of the parts of an entry begin.
    fn parts(self, revision: usize) -> String {
        format!("{}parts/{revision:04}-", self.directory())
    }

    fn directory(self) -> &'static str {
        match self {
            Self::Registry => "registry/",
            Self::Chain => "",
        }
    }
}

fn timestamp(number: usize) -> String {
    format!("timestamps/{number:04}.tsr")
}

const MANIFEST: &str = "manifest.json";
const README: &str = "README.txt";
const SCRIPT: &str = "verify.py";
const REPORT: &str = "report.html";
const FINDINGS: &str = "findings.json";
const POLICY: &str = "policy";
const CHECKPOINT: &str = "checkpoint";
const WITHHELD: &str = "withheld.json";
