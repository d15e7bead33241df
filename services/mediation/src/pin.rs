//! The PIN of a token, which is never an argument and never shown.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use mediation_pkcs11::AuthPin;

/// The PIN: of a file, else of the environment variable `MEDIATION_PIN`, else whoever sits there is asked.
pub(crate) fn pin(file: Option<&Path>) -> Result<AuthPin> {
    let pin = match (file, std::env::var("MEDIATION_PIN")) {
        (Some(file), _) => {
            fs::read_to_string(file).with_context(|| format!("cannot read the PIN file `{}`", file.display()))?
        }
        (None, Ok(pin)) => pin,
        (None, Err(_)) => rpassword::prompt_password("PIN: ").context("the PIN cannot be asked for")?,
    };
    Ok(AuthPin::from(pin.trim_end_matches(['\r', '\n']).to_owned()))
}
