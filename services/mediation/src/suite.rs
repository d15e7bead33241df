//! Which signature suites a ledger is founded with.

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use mediation_ledger::{key::Algorithm, part::Cipher, subject::SubjectHash};

use crate::member::Member;

/// Signature suites of a new ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub(crate) struct Suites {
    /// 各机构密钥的签名算法 · Algorithm of the agencies' keys
    #[arg(long, value_name = "SUITE", value_enum, default_value_t = Suite::Ed25519)]
    pub(crate) suite: Suite,
    /// 改用 SM2 密钥的机构，可重复 · Agency whose keys are SM2; may be given several times
    #[arg(long = "sm2-agency", value_name = "ID")]
    pub(crate) sm2_agencies: Vec<String>,
    /// 另以 SM3 生成孪生树，检查点以 SM2 签名（--suite sm2 时总是如此） · Grow a twin tree over SM3 as well, its checkpoints signed with SM2; always with --suite sm2
    #[arg(long)]
    pub(crate) sm3_twin: bool,
    /// 内容与保管库密钥以 SM4-GCM 加密（--suite sm2 时总是如此） · Encrypt parts and the vault's keys under SM4-GCM; always with --suite sm2
    #[arg(long)]
    pub(crate) sm4: bool,
}

/// A signature suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Suite {
    /// Ed25519
    #[default]
    Ed25519,
    /// SM2 配 SM3，并以 SM4 加密（国密） · SM2 with SM3, and SM4
    Sm2,
}

impl Suites {
    /// Algorithm of an agency's keys.
    pub(crate) fn algorithm(&self, agency: &str) -> Algorithm {
        match self.suite {
            Suite::Ed25519 if !self.sm2_agencies.iter().any(|named| named == agency) => Algorithm::Ed25519,
            Suite::Ed25519 | Suite::Sm2 => Algorithm::Sm2Sm3,
        }
    }

    /// What makes pseudonyms.
    pub(crate) fn subject_hash(&self) -> SubjectHash {
        match self.suite {
            Suite::Ed25519 => SubjectHash::HmacSha256,
            Suite::Sm2 => SubjectHash::HmacSm3,
        }
    }

    /// Whether a twin tree over SM3 is grown.
    pub(crate) fn has_twin(&self) -> bool {
        self.sm3_twin || self.suite == Suite::Sm2
    }

    /// Cipher of parts and of the vault.
    pub(crate) fn cipher(&self) -> Cipher {
        if self.sm4 || self.suite == Suite::Sm2 { Cipher::Sm4Gcm } else { Cipher::Aes256Gcm }
    }

    /// Every agency that is named takes part.
    pub(crate) fn check(&self, members: &[Member]) -> Result<()> {
        for agency in &self.sm2_agencies {
            ensure!(members.iter().any(|member| member.id == *agency), "`{agency}` is none of the founding agencies");
        }
        Ok(())
    }
}
