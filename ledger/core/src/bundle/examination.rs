//! Looking at evidence as every reader of the ledger does: the registry first, then the chain, each entry by the registry
//! as it stood at its index.

use mediation_domain::{
    history::Recorded,
    judge::{Judgement, Moment, judge},
    rules::RuleSet,
};

use super::{
    CHECKPOINT, Check, Evidence, POLICY, Proof, ProvedEntry, Section, TrustFile, Verdict,
    verdict::{self, Cause},
};
use crate::{
    chain::{ChainId, Revision},
    checkpoint::{Checkpoint, SignedCheckpoint},
    entry::EntryError,
    ledger::{CheckedEntry, Fault, Fold, rule_set_of},
    limits::RECORDED_AT_SLACK_MS,
    merkle::{LeafIndex, verify_inclusion},
    part::{Commitment, OpenError},
    registry::{KeyFault, Registry},
    statement::StatementError,
};

/// Evidence that was looked at.
#[derive(Debug)]
pub(super) struct Examined<'a> {
    pub(super) evidence: &'a Evidence,
    /// Name of the ledger.
    pub(super) origin: String,
    /// The checkpoint; none when its text is none.
    pub(super) checkpoint: Option<Checkpoint>,
    /// The same with its cosignatures, when the log signed it.
    pub(super) signed: Option<SignedCheckpoint>,
    /// Witnesses of the trust file.
    pub(super) witness_count: usize,
    /// The registry as the evidence leaves it.
    pub(super) registry: Registry,
    /// The entries of the registry chain.
    pub(super) registered: Vec<CheckedEntry>,
    /// The entries of the chain.
    pub(super) entries: Vec<CheckedEntry>,
    /// What the judge finds, by which rules; none when the rule set is unknown.
    pub(super) judged: Option<(&'static RuleSet, Judgement)>,
}

/// Looks at all of it.
pub(super) fn examine<'a>(evidence: &'a Evidence, trust: &TrustFile, verdict: &mut Verdict) -> Examined<'a> {
    let origin = trust.origin().map(ToString::to_string).unwrap_or_default();
    let checkpoint = evidence.checkpoint.text().parse::<Checkpoint>().ok();
    let signed = check_checkpoint(evidence, trust, checkpoint.as_ref(), verdict);
    check_witnesses(trust, signed.as_ref(), verdict);
    let mut walk = Walk { origin: &origin, checkpoint: checkpoint.as_ref(), signed: signed.as_ref(), verdict };
    let (registered, registries) = walk.registry(&evidence.registry);
    walk.check_registry(trust, &registered, &registries);
    let entries = walk.chain(evidence.chain, &evidence.entries, &registries);
    let registry = registries.last().map(|(_, registry)| registry.clone()).unwrap_or_default();
    let judged = judged(evidence, &entries, &registry, verdict);
    let examined = Examined {
        evidence,
        origin,
        checkpoint,
        signed,
        witness_count: trust.witness_count(),
        registry,
        registered,
        entries,
        judged,
    };
    examined.pass(verdict);
    examined
}

fn check_checkpoint(
    evidence: &Evidence,
    trust: &TrustFile,
    checkpoint: Option<&Checkpoint>,
    verdict: &mut Verdict,
) -> Option<SignedCheckpoint> {
    let origin = trust.origin()?;
    match checkpoint {
        None => verdict.fail(Check::Checkpoint, verdict::CHECKPOINT_MALFORMED, CHECKPOINT),
        Some(checkpoint) if checkpoint.origin != *origin => {
            verdict.fail(Check::Checkpoint, verdict::CHECKPOINT_OF_OTHER_LOG, CHECKPOINT);
        }
        Some(_) => match SignedCheckpoint::verify(evidence.checkpoint.clone(), origin, &trust.keys()) {
            Ok(signed) => {
                let note = format!("大小 size {}，根 root {}", signed.checkpoint.size, signed.checkpoint.root);
                verdict.pass(Check::Checkpoint, note);
                return Some(signed);
            }
            Err(_) => verdict.fail(Check::Checkpoint, verdict::CHECKPOINT_UNSIGNED, CHECKPOINT),
        },
    }
    None
}

fn check_witnesses(trust: &TrustFile, signed: Option<&SignedCheckpoint>, verdict: &mut Verdict) {
    let Some(signed) = signed else { return };
    let (cosigned, all) = (signed.cosignatures.len(), trust.witness_count());
    if !trust.is_met_by(&signed.cosignatures) {
        verdict.fail(Check::Witnesses, verdict::QUORUM_MISSED, CHECKPOINT);
    }
    let note = if all == 0 {
        "信任文件未要求见证 · the trust file asks for none".to_owned()
    } else {
        format!("{all} 家中 {cosigned} 家共签 · {cosigned} of {all} cosigned")
    };
    verdict.pass(Check::Witnesses, note);
}

/// Goes along the entries.
struct Walk<'a> {
    origin: &'a str,
    checkpoint: Option<&'a Checkpoint>,
    signed: Option<&'a SignedCheckpoint>,
    verdict: &'a mut Verdict,
}

impl Walk<'_> {
    /// The entries of the registry chain, and the registry after each that changed it.
    fn registry(&mut self, entries: &[ProvedEntry]) -> (Vec<CheckedEntry>, Vec<(LeafIndex, Registry)>) {
        let mut fold = Fold::new(ChainId::registry(self.origin));
        let mut registries: Vec<(LeafIndex, Registry)> = Vec::new();
        let mut checked = Vec::new();
        for (revision, proved) in entries.iter().enumerate() {
            checked.push(self.place(Section::Registry, &mut fold, &Registry::default(), revision, proved));
            let known = registries.last().map(|(_, registry)| registry);
            if let Some(registry) = fold.registry().filter(|registry| known != Some(registry)) {
                registries.push((index(proved), registry.clone()));
            }
        }
        self.check_order(Section::Registry, entries);
        (checked, registries)
    }

    fn chain(
        &mut self,
        chain: ChainId,
        entries: &[ProvedEntry],
        registries: &[(LeafIndex, Registry)],
    ) -> Vec<CheckedEntry> {
        let mut fold = Fold::new(chain);
        let unfounded = Registry::default();
        let mut checked = Vec::new();
        for (revision, proved) in entries.iter().enumerate() {
            let before = registries.partition_point(|(changed, _)| *changed < index(proved));
            let known = before.checked_sub(1).and_then(|last| registries.get(last));
            let registry = known.map_or(&unfounded, |(_, registry)| registry);
            let entry = self.place(Section::Chain, &mut fold, registry, revision, proved);
            self.check_time(revision, &entry);
            checked.push(entry);
        }
        self.check_order(Section::Chain, entries);
        checked
    }

    fn place(
        &mut self,
        section: Section,
        fold: &mut Fold,
        registry: &Registry,
        revision: usize,
        proved: &ProvedEntry,
    ) -> CheckedEntry {
        let (entry, parts) = (proved.entry.clone(), proved.parts.clone());
        let checked =
            fold.place_disclosed(self.origin, registry, Revision(revision as u64), index(proved).into(), entry, parts);
        if let Err(fault) = &checked.outcome {
            let (check, cause) = named(fault);
            self.verdict.fail(check, cause, place_of(section, revision, fault));
        }
        for fault in checked.extra_signatures.iter().filter_map(|extra| extra.agency.as_ref().err()) {
            let (check, cause) = named(fault);
            self.verdict.fail(check, cause, section.entry(revision));
        }
        if let Some(statement) = &checked.statement {
            let committed = |part: &Commitment| {
                statement.commitments.iter().any(|other| (other.kind, other.number) == (part.kind, part.number))
            };
            let more = proved.parts.iter().find(|part| !committed(&part.commitment));
            if let Some(Commitment { kind, number, .. }) = more.map(|part| part.commitment) {
                self.verdict.fail(Check::Parts, verdict::PART_UNCOMMITTED, section.part(revision, kind, number));
            }
        }
        self.check_inclusion(section, revision, proved, &checked);
        checked
    }

    fn check_inclusion(&mut self, section: Section, revision: usize, proved: &ProvedEntry, checked: &CheckedEntry) {
        let cause = match (&proved.proof, self.checkpoint) {
            (Proof::None(cause), _) => Some(*cause),
            (Proof::Path(index, path), Some(checkpoint)) => {
                let proved = verify_inclusion(checked.leaf, *index, checkpoint.size, path, checkpoint.root);
                proved.is_err().then_some(verdict::PROOF_INVALID)
            }
            (Proof::Path(..), None) => None,
        };
        if let Some(cause) = cause {
            self.verdict.fail(Check::Inclusion, cause, section.proof(revision));
        }
    }

    fn check_order(&mut self, section: Section, entries: &[ProvedEntry]) {
        let indexes: Vec<_> = entries.iter().map(index).collect();
        let disordered = indexes.windows(2).position(|pair| pair.first() >= pair.last());
        if let Some(at) = disordered {
            self.verdict.fail(Check::Links, verdict::INDEX_DISORDERED, section.proof(at + 1));
        }
    }

    /// Whatever a witness has seen was there by then.
    fn check_time(&mut self, revision: usize, entry: &CheckedEntry) {
        let Some(seen) = self.signed.and_then(first_seen) else { return };
        let latest = i64::try_from(seen.saturating_mul(1_000)).unwrap_or(i64::MAX).saturating_add(RECORDED_AT_SLACK_MS);
        if entry.statement.is_some() && entry.recorded_at > latest {
            self.verdict.fail(Check::Time, verdict::RECORDED_AFTER_WITNESS, Section::Chain.entry(revision));
        }
    }

    fn check_registry(&mut self, trust: &TrustFile, registered: &[CheckedEntry], registries: &[(LeafIndex, Registry)]) {
        let first = registered.first().map(|entry| entry.leaf);
        if trust.genesis().is_some() && first != trust.genesis() {
            self.verdict.fail(Check::Registry, verdict::GENESIS_DIFFERS, Section::Registry.entry(0));
        }
        if let Some((_, registry)) = registries.last()
            && !trust.logs().any(|trusted| registry.log_keys().iter().any(|key| key.vkey == trusted.to_string()))
        {
            self.verdict.fail(Check::Registry, verdict::LOG_KEY_DIFFERS, POLICY);
        }
        // A part that is not shown could be a revocation.
        let hidden = registered.iter().position(|entry| entry.statement.is_some() && !entry.withheld.is_empty());
        if let Some(revision) = hidden {
            self.verdict.fail(Check::Registry, verdict::REGISTRY_INCOMPLETE, Section::Registry.entry(revision));
        }
        let enrolled = registries.last().map(|(_, registry)| registry.keys().count()).unwrap_or_default();
        let note = format!("创世条目相符，{} 项登记，{enrolled} 把密钥 · acts, keys", registered.len());
        self.verdict.pass(Check::Registry, note);
    }
}

/// The earliest time at which a witness had seen the checkpoint, in seconds since 1970-01-01T00:00:00Z.
pub(super) fn first_seen(signed: &SignedCheckpoint) -> Option<u64> {
    signed.cosignatures.iter().map(|cosignature| cosignature.time).min()
}

/// Leaf index; the last that there can be when there is no proof, so that the newest registry decides.
pub(super) fn index(proved: &ProvedEntry) -> LeafIndex {
    match proved.proof {
        Proof::Path(index, _) => index,
        Proof::None(_) => LeafIndex(u64::MAX),
    }
}

fn judged(
    evidence: &Evidence,
    entries: &[CheckedEntry],
    registry: &Registry,
    verdict: &mut Verdict,
) -> Option<(&'static RuleSet, Judgement)> {
    let named = rule_set_of(entries).unwrap_or_default();
    let Ok(rules) = RuleSet::for_chain(named) else {
        if !named.is_empty() {
            verdict.fail(Check::Judgement, verdict::RULE_SET_UNKNOWN, Section::Chain.entry(0));
        }
        return None;
    };
    let history: Vec<Recorded> = entries.iter().filter_map(|entry| entry.outcome.clone().ok()).collect();
    Some((rules, judge(&history, registry.directory(), rules, Moment::end_of(evidence.as_of))))
}

/// The check that a fault is of, and its cause.
fn named(fault: &Fault) -> (Check, Cause) {
    match fault {
        Fault::NotARecord => (Check::Entries, verdict::ENTRY_FOREIGN),
        Fault::Entry(error) => (Check::Entries, entry_cause(error)),
        Fault::Statement(StatementError::NotCanonical) => (Check::Entries, verdict::STATEMENT_NOT_CANONICAL),
        Fault::Statement(_) => (Check::Entries, verdict::STATEMENT_MALFORMED),
        Fault::OtherLedger => (Check::Links, verdict::OTHER_LEDGER),
        Fault::OtherPlace => (Check::Links, verdict::OTHER_PLACE),
        Fault::BrokenLink { .. } => (Check::Links, verdict::LINK_BROKEN),
        Fault::EventIdReused => (Check::Links, verdict::EVENT_ID_REPEATED),
        Fault::UnknownAgency => (Check::Keys, verdict::AGENCY_UNKNOWN),
        Fault::Key(fault) => (Check::Keys, key_cause(fault)),
        Fault::BadSignature => (Check::Signatures, verdict::SIGNATURE_INVALID),
        Fault::ExtraKeyUnknown { .. } => (Check::Signatures, verdict::EXTRA_KEY_UNKNOWN),
        Fault::ExtraSignatureBad { .. } => (Check::Signatures, verdict::EXTRA_SIGNATURE_INVALID),
        Fault::OtherParts | Fault::Part(_) => (Check::Parts, verdict::PART_CHANGED),
        Fault::NotAnAct => (Check::Admission, verdict::ACT_MALFORMED),
        Fault::Refused(_) => (Check::Admission, verdict::ACT_REFUSED),
        Fault::Registry(_) => (Check::Registry, verdict::REGISTRY_ACT_INVALID),
    }
}

fn key_cause(fault: &KeyFault) -> Cause {
    match fault {
        KeyFault::Unknown { .. } => verdict::KEY_UNKNOWN,
        KeyFault::OfAnother { .. } => verdict::KEY_OF_ANOTHER,
        KeyFault::NotForThisAct { .. } => verdict::KEY_OF_OTHER_USE,
        KeyFault::NotYetValid { .. } => verdict::KEY_NOT_YET_VALID,
        KeyFault::Expired { .. } => verdict::KEY_EXPIRED,
        KeyFault::Replaced { .. } => verdict::KEY_REPLACED,
        KeyFault::Revoked { .. } => verdict::KEY_REVOKED,
    }
}

fn entry_cause(error: &EntryError) -> Cause {
    match error {
        EntryError::TooLarge { .. } => verdict::ENTRY_TOO_LARGE,
        EntryError::NotCanonical => verdict::ENTRY_NOT_CANONICAL,
        EntryError::NotProtobuf(_)
        | EntryError::SignatureCount { .. }
        | EntryError::KeyIdLength
        | EntryError::SignaturesDisordered => verdict::ENTRY_MALFORMED,
    }
}

fn place_of(section: Section, revision: usize, fault: &Fault) -> String {
    if let Fault::Part(OpenError::CommitmentBroken { kind, number }) = fault {
        return section.part(revision, *kind, *number);
    }
    section.entry(revision)
}

impl Examined<'_> {
    /// What is good when nothing was found.
    fn pass(&self, verdict: &mut Verdict) {
        let (own, all) = (self.entries.len(), self.entries.len() + self.registered.len());
        verdict.pass(Check::Entries, format!("{own} 条，登记链 {} 条 · entries", self.registered.len()));
        verdict.pass(Check::Links, "逐条相连，序号连续 · each links to the one before".to_owned());
        verdict.pass(Check::Keys, self.keys_note());
        let extra: usize = self.registered.iter().chain(&self.entries).map(|entry| entry.extra_signatures.len()).sum();
        verdict.pass(Check::Signatures, format!("{} 个机构签名 · signatures of agencies", all + extra));
        if self.checkpoint.is_some() {
            verdict.pass(Check::Inclusion, format!("{all} 条均在检查点之下 · all under the checkpoint"));
        }
        verdict.pass(Check::Time, self.time_note());
        let parts: usize = self.entries.iter().map(|entry| entry.parts.len()).sum();
        verdict.pass(Check::Parts, format!("{parts} 个与承诺相符 · agree with their commitments"));
        verdict.pass(Check::Admission, "逐条重验 · judged again".to_owned());
    }

    /// A revocation that was recorded later takes nothing away, and whoever relies on an entry has to know of it.
    fn keys_note(&self) -> String {
        let late = self.entries.iter().filter(|entry| entry.late_revocation(&self.registry).is_some()).count();
        let valid = "在各自序号处有效 · each valid at its index";
        if late == 0 {
            return valid.to_owned();
        }
        format!("{valid}；{late} 条的密钥事后被吊销 · the keys of {late} were revoked later, as of an instant before")
    }

    fn time_note(&self) -> String {
        match self.signed.as_ref().and_then(first_seen).and_then(|seen| i64::try_from(seen).ok()) {
            Some(seen) => format!(
                "不晚于 {} 见证，下界未证明 · not later than a witness saw it; no lower bound",
                mediation_domain::calendar::format_instant(seen)
            ),
            None => "时间未证明：无见证 · time unproved: no witness".to_owned(),
        }
    }
}
