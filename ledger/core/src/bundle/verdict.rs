//! What a verification says: one line for each check, one named cause for each that failed.

use std::{collections::BTreeMap, fmt};

use super::Exported;

/// One thing that is checked. The order is the order of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The container is well-formed and holds the files of a bundle and no others.
    Container,
    /// Every file is the one that the manifest lists.
    Manifest,
    /// The trust file can be read, pins genesis, and agrees with the one that the verifier brought.
    Trust,
    /// The log signed the checkpoint.
    Checkpoint,
    /// Enough witnesses cosigned it.
    Witnesses,
    /// The registry chain begins with the pinned founding and is complete up to its last entry shown.
    Registry,
    /// Every entry and statement is well-formed, bounded and canonical.
    Entries,
    /// Every entry stands at its place and links to the one before it.
    Links,
    /// Every key was its agency's at that index of the log.
    Keys,
    /// Every signature is the key's.
    Signatures,
    /// Every entry is under the checkpoint at its index.
    Inclusion,
    /// No entry says that it was recorded after a witness had seen it.
    Time,
    /// Every part that is disclosed is the one that was committed to.
    Parts,
    /// Every part that is not disclosed is named.
    Withheld,
    /// Every act is one that admission lets in.
    Admission,
    /// The judge finds what the bundle says that it found.
    Judgement,
    /// Report, script and instructions are those that follow from the rest.
    Enclosures,
}

impl Check {
    /// Every check, in order.
    pub const ALL: [Self; 17] = [
        Self::Container,
        Self::Manifest,
        Self::Trust,
        Self::Checkpoint,
        Self::Witnesses,
        Self::Registry,
        Self::Entries,
        Self::Links,
        Self::Keys,
        Self::Signatures,
        Self::Inclusion,
        Self::Time,
        Self::Parts,
        Self::Withheld,
        Self::Admission,
        Self::Judgement,
        Self::Enclosures,
    ];

    /// Name, and Chinese title.
    #[must_use]
    pub const fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Container => ("container", "容器"),
            Self::Manifest => ("manifest", "清单"),
            Self::Trust => ("trust", "信任文件"),
            Self::Checkpoint => ("checkpoint", "检查点"),
            Self::Witnesses => ("witnesses", "见证"),
            Self::Registry => ("registry", "登记链"),
            Self::Entries => ("entries", "条目格式"),
            Self::Links => ("links", "链接"),
            Self::Keys => ("keys", "密钥"),
            Self::Signatures => ("signatures", "签名"),
            Self::Inclusion => ("inclusion", "包含证明"),
            Self::Time => ("time", "时间"),
            Self::Parts => ("parts", "内容"),
            Self::Withheld => ("withheld", "未披露内容"),
            Self::Admission => ("admission", "登记规则"),
            Self::Judgement => ("judgement", "评判"),
            Self::Enclosures => ("enclosures", "附件"),
        }
    }
}

/// Why a check failed. The names are stable: programs may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Name, `link-broken`.
    pub name: &'static str,
    /// Chinese text.
    pub zh: &'static str,
    /// English text.
    pub en: &'static str,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} · {}", self.name, self.zh, self.en)
    }
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is wrong; what was checked, or what that does not prove.
    Passed {
        /// Chinese and English.
        note: String,
    },
    /// Something is wrong; the first thing that was found.
    Failed {
        /// Why.
        cause: Cause,
        /// File of the bundle; empty when it is the whole.
        place: String,
    },
    /// What it needs is missing, or nobody can check it here.
    Unchecked {
        /// Why, Chinese and English.
        note: String,
    },
}

/// What a verification says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    outcomes: BTreeMap<Check, Outcome>,
    pub(super) exported: Option<Exported>,
}

impl Verdict {
    /// Every check with its outcome, in order.
    pub fn lines(&self) -> impl Iterator<Item = (Check, &Outcome)> {
        self.outcomes.iter().map(|(check, outcome)| (*check, outcome))
    }

    /// Who exported the bundle, as he says himself. No check is about it.
    #[must_use]
    pub fn exported(&self) -> Option<&Exported> {
        self.exported.as_ref()
    }

    /// Nothing is wrong with what was checked, and everything that does not depend on the version of the program was.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.outcomes.len() == Check::ALL.len()
            && !self.outcomes.values().any(|outcome| matches!(outcome, Outcome::Failed { .. }))
    }

    /// Nothing is wrong, and nothing was left unchecked: the enclosed report and script, too, are what this program makes.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.outcomes.len() == Check::ALL.len()
            && self.outcomes.values().all(|outcome| matches!(outcome, Outcome::Passed { .. }))
    }

    /// The cause for which a check failed, and the file.
    #[must_use]
    pub fn cause(&self, check: Check) -> Option<(&'static str, &str)> {
        match self.outcomes.get(&check)? {
            Outcome::Failed { cause, place } => Some((cause.name, place)),
            Outcome::Passed { .. } | Outcome::Unchecked { .. } => None,
        }
    }

    pub(super) fn fail(&mut self, check: Check, cause: Cause, place: impl Into<String>) {
        let failed = Outcome::Failed { cause, place: place.into() };
        match self.outcomes.get(&check) {
            Some(Outcome::Failed { .. }) => {}
            Some(Outcome::Passed { .. } | Outcome::Unchecked { .. }) | None => {
                self.outcomes.insert(check, failed);
            }
        }
    }

    pub(super) fn pass(&mut self, check: Check, note: String) {
        self.outcomes.entry(check).or_insert(Outcome::Passed { note });
    }

    pub(super) fn leave(&mut self, check: Check, note: &str) {
        self.outcomes.entry(check).or_insert_with(|| Outcome::Unchecked { note: note.to_owned() });
    }

    /// What could not be checked because of what failed before.
    pub(super) fn finish(mut self) -> Self {
        for check in Check::ALL {
            self.leave(check, "因前项不通过，未核验 · not checked, because of what failed before");
        }
        self
    }
}

macro_rules! causes {
    ($($constant:ident $name:literal $zh:literal $en:literal;)*) => {
        $(pub(super) const $constant: Cause = Cause { name: $name, zh: $zh, en: $en };)*

        /// Every cause, in the order of the checks.
        pub const CAUSES: &[Cause] = &[$($constant),*];
    };
}

causes! {
    CONTAINER_TOO_LARGE "container-too-large" "容器过大" "the container is too large";
    CONTAINER_MALFORMED "container-malformed" "容器不是规定的唯一编码" "the container is not in its one encoding";
    FILE_MISSING "file-missing" "缺少文件" "a file is missing";
    FILE_UNKNOWN "file-unknown" "多出文件" "a file does not belong there";
    MANIFEST_MALFORMED "manifest-malformed" "清单格式有误" "the manifest cannot be read";
    FILE_UNLISTED "file-unlisted" "文件未列入清单" "the manifest does not list a file";
    FILE_CHANGED "file-changed" "文件与清单摘要不符" "a file is not the one that the manifest lists";
    POLICY_MALFORMED "policy-malformed" "信任文件格式有误" "the trust file cannot be read";
    POLICY_DIFFERS "policy-differs" "所附信任文件与核验人所持不同" "the enclosed trust file is not the verifier's";
    GENESIS_UNPINNED "genesis-unpinned" "信任文件未固定创世条目" "the trust file pins no genesis";
    ORIGIN_DIFFERS "origin-differs" "清单所列账本不是信任文件的账本" "the manifest names another ledger than the trust file";
    CHECKPOINT_MALFORMED "checkpoint-malformed" "检查点格式有误" "the checkpoint cannot be read";
    CHECKPOINT_OF_OTHER_LOG "checkpoint-of-other-log" "检查点属于另一账本" "the checkpoint is one of another log";
    CHECKPOINT_UNSIGNED "checkpoint-unsigned" "检查点没有账本的有效签名" "the log did not sign the checkpoint";
    QUORUM_MISSED "quorum-missed" "见证不足" "too few witnesses cosigned";
    GENESIS_DIFFERS "genesis-differs" "登记链不以固定的创世条目开始" "the registry does not begin with the pinned founding";
    LOG_KEY_DIFFERS "log-key-differs" "登记链所列日志公钥不是信任文件的" "the registry names another log key than the trust file";
    REGISTRY_INCOMPLETE "registry-incomplete" "登记链内容不全" "the registry is not shown whole";
    REGISTRY_ACT_INVALID "registry-act-invalid" "登记行为无效" "an act of the registry has no effect";
    ENTRY_FOREIGN "entry-foreign" "外来字节，不是条目" "foreign bytes stand in place of an entry";
    ENTRY_TOO_LARGE "entry-too-large" "条目过大" "an entry is too large";
    ENTRY_MALFORMED "entry-malformed" "条目格式有误" "an entry cannot be read";
    ENTRY_NOT_CANONICAL "entry-not-canonical" "条目不是规范编码" "an entry is not canonical";
    STATEMENT_MALFORMED "statement-malformed" "陈述格式有误" "a statement cannot be read";
    STATEMENT_NOT_CANONICAL "statement-not-canonical" "陈述不是规范编码" "a statement is not canonical";
    OTHER_LEDGER "other-ledger" "陈述属于另一账本" "a statement belongs to another ledger";
    OTHER_PLACE "other-place" "陈述属于另一链或另一位置" "a statement belongs to another place";
    LINK_BROKEN "link-broken" "前后链接断裂" "an entry does not link to the one before";
    EVENT_ID_REPEATED "event-id-repeated" "行为编号重复" "an event id stands twice";
    INDEX_DISORDERED "index-disordered" "叶序号未递增" "leaf indexes do not grow";
    AGENCY_UNKNOWN "agency-unknown" "签名机构未参加本账本" "the agency does not take part";
    KEY_UNKNOWN "key-unknown" "该序号处密钥未登记" "the key is not enrolled at that index";
    KEY_OF_ANOTHER "key-of-another" "密钥属于另一机构" "the key is another agency's";
    KEY_OF_OTHER_USE "key-of-other-use" "密钥不是签署此类行为的密钥" "the key is not the one that signs such an act";
    KEY_NOT_YET_VALID "key-not-yet-valid" "密钥尚未启用" "the key was not yet valid";
    KEY_EXPIRED "key-expired" "密钥已到期" "the key had expired";
    KEY_REPLACED "key-replaced" "密钥此前已被更换" "the key had been replaced";
    KEY_REVOKED "key-revoked" "密钥此前已被吊销" "the key had been revoked";
    SIGNATURE_INVALID "signature-invalid" "签名无效" "the signature is not the key's";
    EXTRA_KEY_UNKNOWN "extra-key-unknown" "附加签名的密钥在该序号处不计" "the key of an extra signature does not count at that index";
    EXTRA_SIGNATURE_INVALID "extra-signature-invalid" "附加签名无效" "an extra signature is not the key's";
    PROOF_MALFORMED "proof-malformed" "包含证明格式有误" "an inclusion proof cannot be read";
    PROOF_OF_OTHER_CHECKPOINT "proof-of-other-checkpoint" "包含证明属于另一检查点" "a proof is one under another checkpoint";
    PROOF_INVALID "proof-invalid" "包含证明不成立" "a proof does not lead to the checkpoint";
    RECORDED_AFTER_WITNESS "recorded-after-witness" "登记时间晚于见证时间" "recorded after a witness had seen it";
    PART_MALFORMED "part-malformed" "内容部分格式有误" "a part cannot be read";
    PART_UNCOMMITTED "part-uncommitted" "内容部分未经陈述承诺" "no statement commits to a part";
    PART_CHANGED "part-changed" "内容部分与承诺不符" "a part is not the one committed to";
    WITHHELD_DIFFERS "withheld-differs" "未披露内容清单与陈述不符" "the list of what is withheld is another";
    ACT_MALFORMED "act-malformed" "内容部分不构成行为" "the parts are no act";
    ACT_REFUSED "act-refused" "登记规则不接受该行为" "admission refuses the act";
    RULE_SET_UNKNOWN "rule-set-unknown" "本程序没有该规则集" "this program does not have the rule set";
    JUDGEMENT_DIFFERS "judgement-differs" "评判结果与所附不同" "the judge finds otherwise";
    REPORT_DIFFERS "report-differs" "报告与证据不符" "the report is not the one that follows";
    SCRIPT_DIFFERS "script-differs" "核验脚本不是本程序所附" "the script is not the one of this program";
    README_DIFFERS "readme-differs" "说明不是本程序所附" "the instructions are not those of this program";
}
