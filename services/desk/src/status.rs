//! The one place that makes a `Status`: gRPC code, reason, and details that a program can read, in Chinese and English.

use std::{collections::HashMap, num::NonZeroU16, time::Duration};

use mediation_domain::{
    admit::{Refusal, Violation},
    calendar::format_instant,
};
use mediation_ledger::{
    chain::ChainId,
    ledger::LedgerError,
    log::{AppendError, ReadError},
    part::SplitError,
    recorder::{BatchError, RecordError, SignedError},
    registry::KeyFault,
    vault::VaultError,
};
use mediation_proto::mediation::ledger::v1::Reason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt as _};

use crate::server::MESSAGE_BYTES_MAX;

/// `ErrorInfo.domain`.
pub const ERROR_DOMAIN: &str = "mediation-ledger";

/// Bytes of violations that one status lists, and of any other text in it. A status travels in headers, and common
/// clients take 8 KiB of them: one that is longer is never read.
const LISTED_BYTES_MAX: usize = 1_280;
const DETAIL_BYTES_MAX: usize = 512;
const METADATA_BYTES_MAX: usize = 256;

/// When a caller may come back after an overload.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// What a caller is told: a reason with what belongs to it.
#[derive(Debug, Clone)]
pub struct Refused {
    reason: Reason,
    detail: Option<(String, String)>,
    metadata: Vec<(&'static str, String)>,
    violations: Vec<Violation>,
    /// Violations that are not listed.
    unlisted: u16,
    /// What happened, for the trace alone.
    cause: Option<Box<str>>,
    /// Milliseconds until the caller may come back, if that is known.
    retry_after_ms: Option<NonZeroU16>,
}

impl Refused {
    /// Refused for this reason.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        let (metadata, violations) = (Vec::new(), Vec::new());
        Self { reason, detail: None, metadata, violations, unlisted: 0, cause: None, retry_after_ms: None }
    }

    /// Malformed fields, all of them.
    #[must_use]
    pub fn malformed(violations: Vec<Violation>) -> Self {
        Self::new(Reason::Malformed).listing(violations)
    }

    /// A request that the transport did not take for its size.
    #[must_use]
    pub fn too_large() -> Self {
        Self::new(Reason::PartTooLarge).with("bytes_max", MESSAGE_BYTES_MAX).detail(
            format!("a request has at most {MESSAGE_BYTES_MAX} bytes"),
            format!("一次请求不得超过 {MESSAGE_BYTES_MAX} 字节"),
        )
    }

    /// There is no such chain, or the caller may not know of it.
    #[must_use]
    pub(crate) fn no_chain(chain: ChainId) -> Self {
        Self::new(Reason::ChainNotFound).detail(chain.to_string(), chain.to_string())
    }

    /// Bytes that are no message of the service.
    #[must_use]
    pub fn no_message() -> Self {
        Self::malformed(vec![Violation {
            path: "request".to_owned(),
            en: "is no protobuf message of this service".to_owned(),
            zh: "不是该服务的 protobuf 消息".to_owned(),
        }])
    }

    fn listing(mut self, mut violations: Vec<Violation>) -> Self {
        let mut bytes = 0;
        for violation in &mut violations {
            violation.path = clipped(&violation.path, METADATA_BYTES_MAX);
            violation.en = clipped(&violation.en, DETAIL_BYTES_MAX);
            violation.zh = clipped(&violation.zh, DETAIL_BYTES_MAX);
        }
        let listed = violations.iter().take_while(|violation| {
            bytes += violation.path.len() + violation.en.len() + violation.zh.len();
            bytes <= LISTED_BYTES_MAX
        });
        let listed = listed.count().max(1);
        self.unlisted = u16::try_from(violations.len().saturating_sub(listed)).unwrap_or(u16::MAX);
        violations.truncate(listed);
        self.violations = violations;
        self
    }

    /// Adds a value that a program can read.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.metadata.push((key, clipped(&value.to_string(), METADATA_BYTES_MAX)));
        self
    }

    /// Adds what is particular to the case, in English and Chinese.
    #[must_use]
    pub fn detail(mut self, en: impl Into<String>, zh: impl Into<String>) -> Self {
        self.detail = Some((clipped(&en.into(), DETAIL_BYTES_MAX), clipped(&zh.into(), DETAIL_BYTES_MAX)));
        self
    }

    /// Adds what happened, for the trace alone.
    #[must_use]
    pub(crate) fn caused_by(mut self, cause: &str) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says when the caller may come back, a minute later at most, where the reason lets him at all.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        // Rounded up: who comes a moment early is refused again.
        let milliseconds = u16::try_from(delay.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
        self.retry_after_ms = NonZeroU16::new(milliseconds);
        self
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The status of this refusal. The request id is what the caller reports and the trace is found by.
    #[must_use]
    pub fn into_status(self, request_id: &str) -> Status {
        let info = self.reason.info();
        match &self.cause {
            Some(cause) => tracing::error!(request_id, reason = info.name, cause, "refused"),
            None => tracing::debug!(request_id, reason = info.name, "refused"),
        }
        let (detail_en, detail_zh) = self.texts();
        let en = join(info.en, &detail_en, ": ");
        let zh = join(info.zh, &detail_zh, "：");
        let metadata: HashMap<String, String> =
            self.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let mut details = ErrorDetails::new();
        details
            .set_error_info(info.name, ERROR_DOMAIN, metadata)
            .set_request_info(request_id, "")
            .set_localized_message("zh-CN", format!("{zh}。{}。", info.action_zh));
        let code = Code::from(info.status_code);
        if code == Code::InvalidArgument {
            let fields = self.violations.iter().map(|violation| FieldViolation {
                field: violation.path.clone(),
                description: format!("{}；{}", violation.zh, violation.en),
                ..Default::default()
            });
            details.set_bad_request(fields.collect::<Vec<_>>());
        } else if code == Code::FailedPrecondition {
            let violation = PreconditionViolation { r#type: info.name.to_owned(), subject: detail_en, description: zh };
            details.set_precondition_failure(vec![violation]);
        } else if code == Code::NotFound {
            details.set_resource_info("mediation-ledger/chain", detail_en, "", info.en);
        }
        if info.retry {
            let known = self.retry_after_ms.map(|delay| Duration::from_millis(delay.get().into()));
            details.set_retry_info(Some(known.unwrap_or(RETRY_DELAY)));
        }
        Status::with_error_details(code, format!("{en}; {}", info.action_en), details)
    }

    fn texts(&self) -> (String, String) {
        if let Some(texts) = self.detail.clone() {
            return texts;
        }
        let list = |text: fn(&Violation) -> &String, separator: &str, more: String| {
            let listed = self.violations.iter().map(|violation| format!("`{}` {}", violation.path, text(violation)));
            listed.chain((self.unlisted > 0).then_some(more)).collect::<Vec<_>>().join(separator)
        };
        let en = list(|violation| &violation.en, ", ", format!("and {} more", self.unlisted));
        (en, list(|violation| &violation.zh, "，", format!("另有 {} 项", self.unlisted)))
    }
}

/// The beginning of a text, if it is longer.
fn clipped(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    format!("{}…", text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default())
}

fn join(text: &str, detail: &str, separator: &str) -> String {
    if detail.is_empty() { text.to_owned() } else { format!("{text}{separator}{detail}") }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let refused = Self::new(refusal.reason).listing(refusal.violations);
        if refusal.detail_en.is_empty() { refused } else { refused.detail(refusal.detail_en, refusal.detail_zh) }
    }
}

impl From<RecordError> for Refused {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the enum may grow is a bug until it is given a reason here"
    )]
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Refused(refusal) => refusal.into(),
            RecordError::KeyNotHeld { agency } => Self::new(Reason::KeyNotHeld).with("agency", agency),
            RecordError::KeyInvalid { agency, fault } => {
                Self::new(Reason::KeyInvalid).detail(fault.to_string(), key_zh(&fault)).with("agency", agency)
            }
            RecordError::KeyNotEnrolled { agency, key_id } => {
                Self::new(Reason::KeyNotEnrolled).with("agency", agency).with("key_id", key_id)
            }
            RecordError::ExtraKeyUnknown { key_id } => Self::new(Reason::KeyNotEnrolled)
                .detail(format!("extra signature of key {key_id}"), format!("附加签名的密钥 {key_id}"))
                .with("key_id", key_id),
            RecordError::SignatureBad { key_id } => Self::new(Reason::SignatureBad)
                .detail(format!("key {key_id}"), format!("密钥 {key_id}"))
                .with("key_id", key_id),
            RecordError::OtherStatement { field } => Self::new(Reason::StatementOther).listing(vec![Violation {
                path: format!("statement.{field}"),
                en: "is another one".to_owned(),
                zh: "与本窗口不符".to_owned(),
            }]),
            RecordError::PreparedStale { prepared, next, head } => Self::new(Reason::PreparedStale)
                .detail(
                    format!("prepared for {prepared}, next {next}"),
                    format!("拟制版本 {prepared}，下一版本 {next}"),
                )
                .with("expected", prepared)
                .with("actual", next)
                .with("head", head),
            RecordError::Split(SplitError::TooLarge { kind, size }) => {
                Self::new(Reason::PartTooLarge).with("part", kind.as_str_name()).with("bytes", size)
            }
            RecordError::Split(SplitError::NoAct) => Self::malformed(vec![Violation {
                path: "act".to_owned(),
                en: "is missing".to_owned(),
                zh: "缺少行为内容".to_owned(),
            }]),
            RecordError::Split(_) => Self::new(Reason::PartTooLarge),
            RecordError::RecordTooLarge { size } => Self::new(Reason::PartTooLarge).with("bytes", size),
            RecordError::RevisionStale { expected, actual } => Self::new(Reason::RevisionStale)
                .detail(
                    format!("expected {expected}, actual {actual}"),
                    format!("期望版本 {expected}，实际版本 {actual}"),
                )
                .with("expected", expected)
                .with("actual", actual),
            RecordError::EventIdReused { recorded, submitted } => {
                Self::new(Reason::EventIdReused).with("recorded_digest", recorded).with("submitted_digest", submitted)
            }
            RecordError::EventIdTaken => Self::new(Reason::EventIdReused),
            RecordError::Contended { attempts } => Self::new(Reason::Contended).with("attempts", attempts),
            RecordError::Append(error) => error.into(),
            RecordError::Ledger(error) => error.into(),
            RecordError::Vault(error) => error.into(),
            RecordError::Registry(error) => Self::malformed(vec![Violation {
                path: "act".to_owned(),
                en: error.to_string(),
                zh: "该行为不能登入登记链".to_owned(),
            }]),
            RecordError::Withheld { chain } => {
                Self::new(Reason::ChainNotOpenToYou).detail(chain.to_string(), chain.to_string())
            }
            RecordError::Lost { revision } => Self::new(Reason::DataLoss).with("revision", revision),
            error => Self::internal(&error),
        }
    }
}

impl From<BatchError> for Refused {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the enum may grow is a bug until it is given a reason here"
    )]
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Refused { source, .. } | BatchError::Failed(source) => source.into(),
            error => Self::internal(&error),
        }
    }
}

/// Why a key does not count, in Chinese.
fn key_zh(fault: &KeyFault) -> String {
    match fault {
        KeyFault::Unknown { key_id } => format!("密钥 {key_id} 未登记"),
        KeyFault::OfAnother { key_id, agency } => format!("密钥 {key_id} 属于 {agency}"),
        KeyFault::NotForThisAct { key_id } => format!("密钥 {key_id} 不是签署此类行为的密钥"),
        KeyFault::NotYetValid { key_id, valid_from } => format!("密钥 {key_id} 自 {valid_from} 起方可使用"),
        KeyFault::Expired { key_id, valid_to } => format!("密钥 {key_id} 已于 {valid_to} 到期"),
        KeyFault::Replaced { key_id } => format!("密钥 {key_id} 已被更换"),
        KeyFault::Revoked { key_id, invalid_from } => {
            format!("密钥 {key_id} 已吊销，自 {} 起失效", format_instant(*invalid_from))
        }
        // What the enum may grow is told in the words of the reason until it is given some here.
        fault => fault.to_string(),
    }
}

impl From<SignedError> for Refused {
    fn from(error: SignedError) -> Self {
        let (path, zh) = match &error {
            SignedError::Split(split) => return RecordError::Split(split.clone()).into(),
            SignedError::Statement(_) => ("statement", "陈述字节无效或非规范编码"),
            SignedError::SignatureCount { .. } => ("signatures", "签名数量应为 1 至 16"),
            SignedError::SignedTwice => ("signatures", "同一密钥重复签名"),
            SignedError::CommitmentBroken { .. } => ("parts", "内容与盐值不符合所签承诺"),
            SignedError::OtherParts => ("parts", "内容与所签承诺不对应"),
            SignedError::NotAnAct => ("parts", "各部分不构成同一行为"),
            _ => ("request", "所签行为无效"),
        };
        Self::malformed(vec![Violation { path: path.to_owned(), en: error.to_string(), zh: zh.to_owned() }])
    }
}

impl From<AppendError> for Refused {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the enum may grow is a bug until it is given a reason here"
    )]
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full { .. } => Self::new(Reason::Overloaded),
            AppendError::NoSpace => Self::new(Reason::DiskFull),
            AppendError::TooLarge { size, max } => {
                Self::new(Reason::PartTooLarge).with("bytes", size).with("bytes_max", max)
            }
            AppendError::Unavailable(_) => Self::new(Reason::LogUnavailable),
            AppendError::Unknown(_) => Self::new(Reason::OutcomeUnknown),
            error => Self::internal(&error),
        }
    }
}

impl From<LedgerError> for Refused {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Log(error) => error.into(),
            LedgerError::Vault(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<ReadError> for Refused {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the enum may grow is a bug until it is given a reason here"
    )]
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(_) => Self::new(Reason::LogUnavailable),
            ReadError::Damaged { place } => {
                tracing::error!(%place, "stored bytes are damaged");
                Self::new(Reason::DataLoss).with("place", place)
            }
            error => Self::internal(&error),
        }
    }
}

impl From<VaultError> for Refused {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Conflict { digest } => {
                tracing::error!(%digest, "another key is kept for a part");
                Self::new(Reason::DepositConflict).with("part", digest)
            }
            VaultError::Destroyed { digest } => {
                tracing::error!(%digest, "a key comes again for a part whose key was destroyed");
                Self::new(Reason::KeyDestroyed).with("part", digest)
            }
            VaultError::OtherAgency { agency } => Self::new(Reason::KeyNotHeld).with("agency", agency),
            VaultError::NoSpace => Self::new(Reason::DiskFull),
            VaultError::Full => Self::new(Reason::Overloaded),
            VaultError::Unavailable(_) => Self::new(Reason::LogUnavailable),
            VaultError::Kek(error) => {
                tracing::error!(%error, "the key-encryption key cannot be used; nothing is recorded or read");
                Self::new(Reason::KekUnavailable)
            }
            VaultError::Damaged { digest } => {
                tracing::error!(%digest, "a wrap does not open");
                Self::new(Reason::DataLoss).with("part", digest)
            }
            VaultError::NotHere => Self::internal(&VaultError::NotHere),
            error => Self::internal(&error),
        }
    }
}

impl Refused {
    /// A bug. What happened goes to the trace, with the request id; nothing of it leaves the server.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        Self { cause: Some(error.to_string().into()), ..Self::new(Reason::Internal) }
    }
}

#[cfg(test)]
mod tests;
