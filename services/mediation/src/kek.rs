//! The key-encryption key of a vault, where a token has it.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use mediation_ledger::kek::Kek;
use mediation_log_embedded::{
    disk::Disk,
    vault::{VaultReader, elsewhere},
};

use crate::{
    config::{Config, KekConfig},
    layout::Layout,
};

/// The key-encryption key of the vault of a directory; none where it lies in a file there. The token is opened only where
/// the vault needs it.
///
/// # Errors
/// The vault is under a key that is kept elsewhere, and the configuration does not say where, or it cannot be reached.
pub(crate) fn of(layout: &Layout, config: &Config, disk: &dyn Disk) -> Result<Option<Arc<dyn Kek>>> {
    let vault = layout.vault();
    // A file that is not there, or broken, is named by whoever opens the vault.
    let Ok(Some(name)) = elsewhere(disk, &vault) else {
        if config.kek.is_some() {
            tracing::warn!(
                "`[kek]` names a token, and the key-encryption key still lies in a file: `mediation vault rotate --to token`"
            );
        }
        return Ok(None);
    };
    let kek = config.kek.as_ref().with_context(|| {
        format!("the vault opens under the key {name}, which a token has: say which under `[kek]` · 保管库主密钥 {name} 存于密码设备，须在 [kek] 中配置")
    })?;
    opened(layout, kek, &kek.key).map(Some)
}

/// The keys of a vault that is only read.
///
/// # Errors
/// As [`of`]; or the vault is damaged.
pub(crate) fn reader(layout: &Layout, disk: &dyn Disk, origin: &str) -> Result<VaultReader> {
    let config = Config::read(&layout.config()).unwrap_or_default();
    let kek = of(layout, &config, disk)?;
    Ok(VaultReader::open_with(disk, &layout.vault(), origin, kek.as_ref())?)
}

/// A key of the token that the configuration names.
#[cfg(feature = "pkcs11")]
pub(crate) fn opened(layout: &Layout, config: &KekConfig, key: &str) -> Result<Arc<dyn Kek>> {
    let KekConfig { pkcs11, token, key: _, pin_file } = config;
    let pin = crate::pin::pin(pin_file.as_ref().map(|file| layout.root().join(file)).as_deref())?;
    let kek = mediation_pkcs11::TokenKek::open(pkcs11, token, key, pin);
    let kek = kek.with_context(|| {
        format!("the key-encryption key `{key}` of token `{token}` cannot be used; nothing was written or read · 密码设备“{token}”中的主密钥“{key}”不可用；未写入、未读取任何内容")
    })?;
    Ok(Arc::new(kek))
}

/// A key of the token that the configuration names.
#[cfg(not(feature = "pkcs11"))]
pub(crate) fn opened(_layout: &Layout, _config: &KekConfig, _key: &str) -> Result<Arc<dyn Kek>> {
    anyhow::bail!("this program is built without the feature `pkcs11` · 本程序未包含 pkcs11 功能")
}
