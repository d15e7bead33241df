//! A key in a PKCS #11 token.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use clap::Args;
use mediation_client::CallerSigner;
use mediation_pkcs11::TokenSigner;

use crate::pin::pin;

/// The token, the key in it, and where its PIN comes from. The PIN is never an argument: those everybody on the machine
/// can read.
#[derive(Debug, Clone, Args)]
pub(crate) struct Token {
    /// 以 PKCS #11 设备（UKey、密码机）中的密钥签名：模块文件 · Sign with a key in a token: its PKCS #11 module
    #[arg(long, value_name = "MODULE", conflicts_with = "sign_with", requires = "token", requires = "key")]
    pkcs11: Option<PathBuf>,
    /// 设备标签 · Label of the token
    #[arg(long, value_name = "LABEL", requires = "pkcs11")]
    token: Option<String>,
    /// 密钥标签 · Label of the key
    #[arg(long, value_name = "LABEL", requires = "pkcs11")]
    key: Option<String>,
    /// PIN 文件；缺省取环境变量 MEDIATION_PIN，否则提示输入 · File with the PIN; else MEDIATION_PIN, else you are asked
    #[arg(long, value_name = "FILE", requires = "pkcs11")]
    pin_file: Option<PathBuf>,
}

impl Token {
    /// The key in the token; none when no token is named.
    pub(crate) fn signer(&self) -> Result<Option<Arc<dyn CallerSigner>>> {
        let (Some(module), Some(token), Some(key)) = (&self.pkcs11, &self.token, &self.key) else { return Ok(None) };
        let pin = pin(self.pin_file.as_deref())?;
        let signer = TokenSigner::open(module, token, key, &pin);
        let signer = signer.with_context(|| format!("cannot sign with key `{key}` of token `{token}`"))?;
        Ok(Some(Arc::new(signer)))
    }
}
