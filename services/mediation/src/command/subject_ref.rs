//! `mediation subject-ref`: the pseudonym of a person or an organisation.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use clap::Args;
use mediation_domain::identity::NUMBER_BYTES_MAX;
use mediation_proto::mediation::types::v1::IdKind;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    access::{Access, code},
    keys::read_subject_key,
    layout::Layout,
    output::{self, line},
};

/// `mediation subject-ref`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 证件种类代码，如 RESIDENT_ID、CREDIT_CODE · Kind of the document, such as RESIDENT_ID or CREDIT_CODE
    #[arg(long, value_name = "CODE", value_parser = code::<IdKind>, default_value = "RESIDENT_ID")]
    kind: IdKind,
    /// 账本目录 · Directory of the ledger; with --ledger only certificates and trust file are taken from it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 运行中账本的地址；缺省则用目录中的假名密钥 · Address of a served ledger; without it the key in the directory is used
    #[arg(long, value_name = "ADDR")]
    ledger: Option<String>,
    /// 以何机构身份连接 · Agency to call as
    #[arg(long, value_name = "ID", requires = "ledger")]
    agency: Option<String>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Reads a number and prints its pseudonym. The number is no argument: those stand in the list of processes and in histories.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let number = number()?;
    let subject = match arguments.ledger {
        None => {
            let key = read_subject_key(&Layout::new(&arguments.dir).subject_key())?;
            let told = key.subject(arguments.kind, &number);
            told.map_err(|fault| anyhow::anyhow!("{} · {fault}", fault.zh()))?
        }
        Some(ledger) => {
            let access = Access { ledger, dir: arguments.dir, agency: arguments.agency };
            let (client, _) = access.connect().await?;
            client.subject(arguments.kind, &number).await?
        }
    };
    if arguments.json {
        output::json(&json!({ "subject": subject }))?;
    } else {
        line(subject);
    }
    Ok(true)
}

/// A line of standard input.
fn number() -> Result<Zeroizing<String>> {
    let input = io::stdin();
    if input.is_terminal() {
        output::note("证件号 · number of the document:");
    }
    let mut number = Zeroizing::new(String::with_capacity(NUMBER_BYTES_MAX + 2));
    // One byte more than a number has: what is longer is refused as such.
    let bytes_max = u64::try_from(NUMBER_BYTES_MAX)? + 2;
    input.lock().take(bytes_max).read_line(&mut number).context("the number cannot be read from standard input")?;
    let text = Zeroizing::new(number.trim_end_matches(['\r', '\n']).to_owned());
    Ok(text)
}
