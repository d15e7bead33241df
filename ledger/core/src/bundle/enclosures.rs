//! Every file of a bundle, from the evidence that was looked at; and whether a bundle's files are these.

use bytes::Bytes;

use super::{
    CHECKPOINT, Check, Evidence, FINDINGS, Files, MANIFEST, POLICY, Proof, ProvedEntry, README, REPORT, SCRIPT,
    Section, Verdict, WITHHELD,
    examination::Examined,
    findings::{findings_json, withheld, withheld_json},
    manifest::{Manifest, TOOL},
    report, timestamp, verdict,
};
use crate::proof::OfflineProof;

/// The stand-alone verifier.
const SCRIPT_TEXT: &str = include_str!("verify.py");

/// How to use it.
const README_TEXT: &str = include_str!("README.txt");

/// Every file of the bundle.
pub(super) fn files(examined: &Examined<'_>) -> Files {
    let evidence = examined.evidence;
    let mut files = Files::new();
    for (section, entries) in [(Section::Registry, &evidence.registry), (Section::Chain, &evidence.entries)] {
        for (revision, proved) in entries.iter().enumerate() {
            add_entry(&mut files, section, revision, proved, evidence);
        }
    }
    for (number, token) in evidence.timestamps.iter().enumerate() {
        files.insert(timestamp(number), token.clone());
    }
    for (name, text) in [
        (README, README_TEXT.to_owned()),
        (SCRIPT, SCRIPT_TEXT.to_owned()),
        (POLICY, evidence.policy.clone()),
        (CHECKPOINT, evidence.checkpoint.to_string()),
        (REPORT, report::render(examined)),
    ] {
        files.insert(name.to_owned(), text.into());
    }
    files.insert(FINDINGS.to_owned(), findings_json(examined).into());
    files.insert(WITHHELD.to_owned(), withheld_json(examined).into());
    let manifest = Manifest::new(&examined.origin, evidence, &files).to_bytes();
    files.insert(MANIFEST.to_owned(), manifest.into());
    files
}

fn add_entry(files: &mut Files, section: Section, revision: usize, proved: &ProvedEntry, evidence: &Evidence) {
    files.insert(section.entry(revision), proved.entry.clone());
    if let Proof::Path(index, path) = &proved.proof {
        let checkpoint = evidence.checkpoint.clone();
        let proof = OfflineProof { extra: Vec::new(), index: *index, path: path.clone(), checkpoint };
        files.insert(section.proof(revision), proof.to_string().into());
    }
    for part in &proved.parts {
        let name = section.part(revision, part.commitment.kind, part.commitment.number);
        files.insert(name, Bytes::from([part.salt.as_slice(), &part.plaintext].concat()));
    }
}

/// Compares what follows from the evidence with what the bundle encloses.
pub(super) fn compare(examined: &Examined<'_>, found: &Files, verdict: &mut Verdict) {
    let is = |name: &str, content: &[u8]| found.get(name).is_some_and(|found| found == content);
    if !is(WITHHELD, &withheld_json(examined)) {
        verdict.fail(Check::Withheld, verdict::WITHHELD_DIFFERS, WITHHELD);
    }
    let count = withheld(examined).len();
    verdict.pass(Check::Withheld, format!("{count} 个未披露，逐一列明承诺 · each named with its commitment"));
    if !is(FINDINGS, &findings_json(examined)) {
        // Rule sets are data with versions: the same one finds the same whatever program applies it.
        verdict.fail(Check::Judgement, verdict::JUDGEMENT_DIFFERS, FINDINGS);
    }
    if let Some((rules, judgement)) = &examined.judged {
        let (name, found) = (rules.name(), judgement.findings.len());
        let day = examined.evidence.as_of;
        verdict.pass(
            Check::Judgement,
            format!("按 {name} 截至 {day} 重新评判，{found} 项发现，与所附一致 · judged again, the same"),
        );
    }
    if Manifest::parse(found).is_none_or(|manifest| manifest.tool != TOOL) {
        // It may say the same in other words; so may a forger who names another version.
        return verdict.leave(Check::Enclosures, OTHER_VERSION);
    }
    for (name, content, cause) in [
        (REPORT, report::render(examined), verdict::REPORT_DIFFERS),
        (SCRIPT, SCRIPT_TEXT.to_owned(), verdict::SCRIPT_DIFFERS),
        (README, README_TEXT.to_owned(), verdict::README_DIFFERS),
    ] {
        if !is(name, content.as_bytes()) {
            verdict.fail(Check::Enclosures, cause, name);
        }
    }
    verdict
        .pass(Check::Enclosures, "报告、脚本与说明由证据重新生成，逐字节一致 · made again, byte for byte".to_owned());
}

const OTHER_VERSION: &str = "由本程序的另一版本生成，未比对，不足为凭；以 --again 重新生成 · made by another version, not compared: do not \
     rely on them, make them --again";
