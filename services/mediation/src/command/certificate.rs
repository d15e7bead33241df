//! `mediation certificate`: with what an official logs in to the console.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::json;

use crate::{
    keys::write_private,
    layout::Layout,
    manifest::Manifest,
    output::{line, note},
    pki,
};

/// `mediation certificate`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 官员编号，如 AUD-JDZ/AUD-1 · The official, such as AUD-JDZ/AUD-1
    #[arg(long, value_name = "REF")]
    official: String,
    /// 建账时的账本目录（内有开发用证书机构） · Directory that the ledger was founded in, with its development authority
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 新目录：certificate.pem 与 certificate.key · New directory for certificate.pem and certificate.key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Writes the certificate.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let Arguments { official, dir, out, json } = arguments;
    ensure!(!out.exists(), "`{}` stands already; nothing was written · 该目录已存在", out.display());
    let layout = Layout::new(dir);
    let (trust, _) = Manifest::read_policy(
        &fs::read_to_string(layout.policy()).with_context(|| format!("`{}` holds no ledger", dir.display()))?,
    )?;
    let (certificate, key) = pki::of_official(&layout, trust.log_key.name().as_str(), official)?;
    fs::create_dir_all(out).with_context(|| format!("cannot make `{}`", out.display()))?;
    let (certificate_file, key_file) = (out.join("certificate.pem"), out.join("certificate.key"));
    write_private(&key_file, key.as_bytes())?;
    fs::write(&certificate_file, certificate)
        .with_context(|| format!("cannot write `{}`", certificate_file.display()))?;
    if *json {
        line(json!({"certificate": certificate_file, "key": key_file, "official": official}).to_string());
    } else {
        line(format!("已签发 · issued: {}", certificate_file.display()));
        note(format!(
            "导入浏览器 · for the browser: openssl pkcs12 -export -in {} -inkey {} -out {}",
            certificate_file.display(),
            key_file.display(),
            out.join("official.p12").display()
        ));
    }
    Ok(true)
}
