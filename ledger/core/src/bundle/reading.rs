//! Taking a bundle's files apart: the evidence in them, and whom to trust.

use std::collections::BTreeSet;

use bytes::Bytes;
use mediation_proto::mediation::ledger::v1::PartKind;

use super::{
    CHECKPOINT, Check, Evidence, FINDINGS, Files, MANIFEST, POLICY, Proof, ProvedEntry, README, REPORT, SCRIPT,
    Section, TrustFile, Verdict, WITHHELD, manifest::Manifest, timestamp, verdict,
};
use crate::{
    merkle::Hash,
    note::Note,
    part::{Commitment, OpenedPart},
    proof::OfflineProof,
};

/// The evidence in a bundle's files, and the trust file by which it is judged: the verifier's own, else the enclosed one.
/// None when there is too little to go on.
pub(super) fn evidence(files: &Files, own: Option<&TrustFile>, verdict: &mut Verdict) -> Option<(Evidence, TrustFile)> {
    let Some(manifest) = Manifest::parse(files) else {
        verdict.fail(Check::Manifest, verdict::MANIFEST_MALFORMED, MANIFEST);
        return None;
    };
    verdict.exported = manifest.exported.clone();
    check_manifest(&manifest, files, verdict);
    let Some((chain, as_of, withhold)) = manifest.options() else {
        verdict.fail(Check::Manifest, verdict::MANIFEST_MALFORMED, MANIFEST);
        return None;
    };
    let mut reader = Reader { files, known: FIXED.iter().map(|name| (*name).to_owned()).collect() };
    for name in FIXED.iter().filter(|name| !files.contains_key(**name)) {
        verdict.fail(Check::Container, verdict::FILE_MISSING, *name);
    }
    let trust = trust(files, own, &manifest, verdict)?;
    let Some(checkpoint) = files.get(CHECKPOINT).and_then(|note| Note::parse(note).ok()) else {
        verdict.fail(Check::Checkpoint, verdict::CHECKPOINT_MALFORMED, CHECKPOINT);
        return None;
    };
    let registry = reader.section(Section::Registry, &checkpoint, verdict);
    let entries = reader.section(Section::Chain, &checkpoint, verdict);
    let timestamps = reader.timestamps();
    for name in files.keys().filter(|name| !reader.known.contains(*name)) {
        verdict.fail(Check::Container, verdict::FILE_UNKNOWN, name);
    }
    verdict.pass(Check::Container, format!("{} 个文件 · files", files.len()));
    let policy = files.get(POLICY).map(|policy| String::from_utf8_lossy(policy).into_owned()).unwrap_or_default();
    let exported = manifest.exported;
    Some((Evidence { chain, as_of, withhold, exported, policy, checkpoint, registry, entries, timestamps }, trust))
}

/// Files that every bundle has, whatever its chain.
const FIXED: [&str; 8] = [CHECKPOINT, FINDINGS, MANIFEST, POLICY, README, REPORT, SCRIPT, WITHHELD];

fn check_manifest(manifest: &Manifest, files: &Files, verdict: &mut Verdict) {
    let listed: BTreeSet<&str> = manifest.files.iter().map(|listed| listed.name.as_str()).collect();
    for listed in &manifest.files {
        match files.get(&listed.name) {
            Some(content) if listed.is(content) => {}
            Some(_) => verdict.fail(Check::Manifest, verdict::FILE_CHANGED, &listed.name),
            None => verdict.fail(Check::Manifest, verdict::FILE_MISSING, &listed.name),
        }
    }
    for name in files.keys().filter(|name| *name != MANIFEST && !listed.contains(name.as_str())) {
        verdict.fail(Check::Manifest, verdict::FILE_UNLISTED, name);
    }
    verdict.pass(Check::Manifest, format!("{} 个摘要相符 · digests agree", listed.len()));
}

/// The trust file that counts. One that the verifier brought must be of the same ledger as the enclosed one: otherwise he
/// would be shown a good bundle of another ledger.
fn trust(files: &Files, own: Option<&TrustFile>, manifest: &Manifest, verdict: &mut Verdict) -> Option<TrustFile> {
    let enclosed = files.get(POLICY).and_then(|policy| TrustFile::parse(str::from_utf8(policy).ok()?).ok());
    let Some(enclosed) = enclosed else {
        verdict.fail(Check::Trust, verdict::POLICY_MALFORMED, POLICY);
        return None;
    };
    let trust = own.unwrap_or(&enclosed);
    // A key of the log that the verifier knows beside it is one that has joined since.
    let knows = enclosed.logs().all(|key| trust.logs().any(|known| known == key));
    if trust.genesis() != enclosed.genesis() || !knows {
        verdict.fail(Check::Trust, verdict::POLICY_DIFFERS, POLICY);
    }
    if trust.genesis().is_none() {
        verdict.fail(Check::Trust, verdict::GENESIS_UNPINNED, POLICY);
    }
    if trust.origin().is_none_or(|origin| origin.as_str() != manifest.origin) {
        verdict.fail(Check::Trust, verdict::ORIGIN_DIFFERS, MANIFEST);
    }
    let note = match own {
        Some(_) => "以核验人所持信任文件为准 · by the verifier's own trust file",
        None => "仅凭所附信任文件：请另行取得并用 --policy 比对 · trust rests on the enclosed file alone",
    };
    verdict.pass(Check::Trust, note.to_owned());
    Some(trust.clone())
}

/// Remembers which names belong to the bundle.
struct Reader<'a> {
    files: &'a Files,
    known: BTreeSet<String>,
}

impl Reader<'_> {
    fn section(&mut self, section: Section, checkpoint: &Note, verdict: &mut Verdict) -> Vec<ProvedEntry> {
        let mut entries = Vec::new();
        while let Some(entry) = self.take(section.entry(entries.len())) {
            let revision = entries.len();
            let name = section.proof(revision);
            let proof = match self.take(name.clone()) {
                Some(proof) => proof_under(&proof, checkpoint),
                None => {
                    verdict.fail(Check::Container, verdict::FILE_MISSING, name);
                    Proof::None(verdict::PROOF_MALFORMED)
                }
            };
            let parts = self.parts(section, revision, verdict);
            entries.push(ProvedEntry { entry, proof, parts });
        }
        if entries.is_empty() {
            verdict.fail(Check::Container, verdict::FILE_MISSING, section.entry(0));
        }
        entries
    }

    fn parts(&mut self, section: Section, revision: usize, verdict: &mut Verdict) -> Vec<OpenedPart> {
        let start = section.parts(revision);
        let names = self.files.range(start.clone()..).map(|(name, _)| name).take_while(|name| name.starts_with(&start));
        let mut parts = Vec::new();
        for name in names.cloned().collect::<Vec<_>>() {
            let Some((kind, number)) = place(section, revision, &name) else { continue };
            let Some(content) = self.take(name.clone()) else { continue };
            let Some((salt, _)) = content.split_first_chunk() else {
                verdict.fail(Check::Parts, verdict::PART_MALFORMED, name);
                continue;
            };
            let commitment = Commitment { kind, number, digest: Hash::ZERO };
            let salt = *salt;
            parts.push(OpenedPart { commitment, salt, plaintext: content.slice(salt.len()..) });
        }
        parts
    }

    fn timestamps(&mut self) -> Vec<Bytes> {
        (0..).map_while(|number| self.take(timestamp(number))).collect()
    }

    fn take(&mut self, name: String) -> Option<Bytes> {
        let content = self.files.get(&name).cloned()?;
        self.known.insert(name);
        Some(content)
    }
}

/// Kind and number of the part whose file has this name.
fn place(section: Section, revision: usize, name: &str) -> Option<(PartKind, u8)> {
    let (kind, number) = name.strip_prefix(&section.parts(revision))?.strip_suffix(".bin")?.split_once('-')?;
    let kind = PartKind::try_from(kind.parse::<i32>().ok()?).ok().filter(|kind| *kind != PartKind::Unspecified)?;
    let number = number.parse().ok()?;
    // A name has one form.
    (section.part(revision, kind, number) == name).then_some((kind, number))
}

fn proof_under(bytes: &[u8], checkpoint: &Note) -> Proof {
    match OfflineProof::parse(bytes) {
        Ok(proof) if proof.checkpoint != *checkpoint => Proof::None(verdict::PROOF_OF_OTHER_CHECKPOINT),
        Ok(proof) if proof.extra.is_empty() && proof.to_string().as_bytes() == bytes => {
            Proof::Path(proof.index, proof.path)
        }
        Ok(_) | Err(_) => Proof::None(verdict::PROOF_MALFORMED),
    }
}
