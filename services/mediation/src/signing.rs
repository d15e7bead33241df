//! Keys that sign on this machine, so that the server never sees them.

#[cfg(feature = "pkcs11")]
mod token;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, ensure};
use clap::Args;
use mediation_client::{CallerKeys, CallerSigner};

use crate::keys::PrivateKey;

/// Who signs, when it is not the desk.
#[derive(Debug, Clone, Args)]
pub(crate) struct Signing {
    /// 以此密钥文件自行签名，密钥不离开本机 · Sign with this key file; it never leaves this machine
    #[arg(long, value_name = "KEYFILE")]
    sign_with: Option<PathBuf>,
    #[cfg(feature = "pkcs11")]
    #[command(flatten)]
    token: token::Token,
    /// 附加签名的密钥文件（可多个） · Key files that sign as well: an officer's, another agency's
    #[arg(long, value_name = "KEYFILE")]
    also_sign_with: Vec<PathBuf>,
}

impl Signing {
    /// The caller's keys; none when the desk signs.
    pub(crate) fn keys(&self, agency: &str) -> Result<Option<CallerKeys>> {
        let Some(own) = self.own()? else {
            ensure!(self.also_sign_with.is_empty(), "the desk signs alone; name a key of your own as well");
            return Ok(None);
        };
        let extra = self.also_sign_with.iter().map(|path| read(path)).collect::<Result<_>>()?;
        Ok(Some(CallerKeys { agency: agency.to_owned(), own, extra }))
    }

    fn own(&self) -> Result<Option<Arc<dyn CallerSigner>>> {
        #[cfg(feature = "pkcs11")]
        if let Some(signer) = self.token.signer()? {
            return Ok(Some(signer));
        }
        self.sign_with.as_deref().map(read).transpose()
    }
}

fn read(path: &Path) -> Result<Arc<dyn CallerSigner>> {
    Ok(PrivateKey::read(path)?.into_signer())
}
