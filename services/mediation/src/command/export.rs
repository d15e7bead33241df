//! `mediation export`: the evidence bundle of a chain.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use mediation_domain::calendar::Day;
use mediation_ledger::{
    bundle::{self, Exported, Exporter},
    clock::{Clock, SystemClock},
};
use mediation_proto::{
    derived::{TYPES_ACCESS_PURPOSE, TYPES_ROLE},
    mediation::{
        ledger::v1::{PartKind, Reading},
        types::v1::AccessPurpose,
    },
};

use crate::{
    access::{Access, ReadingArguments},
    command::verify::bundle::print,
    durable,
    evidence::{Wanted, from_directory, from_ledger},
    output::line,
};

/// `mediation export`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 链编号（UUID），或 registry、registry:机构 · Chain id (UUID), or registry, or registry:AGENCY
    #[arg(value_name = "CHAIN")]
    chain: String,
    /// 账本目录 · Directory of the ledger; with --ledger only certificates and trust file are taken from it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 运行中账本的地址；缺省则直接读取目录 · Address of a served ledger; without it the directory is read
    #[arg(long, value_name = "ADDR")]
    ledger: Option<String>,
    /// 以何机构身份连接 · Agency to call as
    #[arg(long, value_name = "ID", requires = "ledger")]
    agency: Option<String>,
    #[command(flatten)]
    reading: ReadingArguments,
    /// 证据包文件，须不存在 · File of the bundle; must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// 不披露的内容部分 · Kinds of parts that are not disclosed
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    withhold: Vec<Kind>,
    /// 评判截至某日终了，缺省为今日 · Judged as of the end of this day; today without it
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<String>,
}

/// A kind of part that may be withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// 身份部分 · names, contacts, addresses
    Identities,
    /// 叙述部分 · free text
    Narrative,
    /// 封存部分 · privileged content
    Sealed,
}

impl From<Kind> for PartKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Identities => Self::Identities,
            Kind::Narrative => Self::Narrative,
            Kind::Sealed => Self::Sealed,
        }
    }
}

/// Exports a chain, and verifies what was exported.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let as_of = match &arguments.as_of {
        Some(text) => Day::parse(text)
            .with_context(|| format!("`{text}` is no day of the form YYYY-MM-DD · 日期格式应为 YYYY-MM-DD"))?,
        None => Day::of(SystemClock.now_ms().div_euclid(1_000)),
    };
    let mut withhold: Vec<PartKind> = arguments.withhold.into_iter().map(PartKind::from).collect();
    withhold.sort_unstable_by_key(|kind| *kind as i32);
    withhold.dedup();
    let reading = arguments.reading.for_purpose(AccessPurpose::Export);
    let evidence = match arguments.ledger {
        None => {
            // The agency and its official are asked of nobody: whoever has the directory has all of it.
            let exported = exported(
                None,
                &Reading { purpose: Some(AccessPurpose::Export.into()), ..Reading::default() },
                &SystemClock,
            );
            from_directory(&arguments.dir, &Wanted { chain: arguments.chain, as_of, withhold, exported })?
        }
        Some(ledger) => {
            let access = Access { ledger, dir: arguments.dir, agency: arguments.agency };
            let (door, registry, agency) = access.caller().await?;
            let client = door.client_reading(&agency, &registry, &reading).await?;
            let exported = exported(Some(&agency), &client.reads().cloned().unwrap_or_default(), &SystemClock);
            from_ledger(&door, &client, &Wanted { chain: arguments.chain, as_of, withhold, exported }).await?
        }
    };
    let bytes = bundle::make(&evidence)?;
    durable::create(&arguments.out, &bytes)?;
    line(format!("证据包 · evidence bundle: {}（{} 字节 bytes）", arguments.out.display(), bytes.len()));
    let verdict = bundle::verify(&bytes, Some(&evidence.policy))?;
    print(&verdict);
    Ok(verdict.is_good())
}

/// What the bundle says of whoever exports it: the agency as which he calls, and what he tells the ledger of himself.
pub(crate) fn exported(agency: Option<&str>, reading: &Reading, clock: &dyn Clock) -> Exported {
    let purpose = reading.purpose.and_then(|purpose| TYPES_ACCESS_PURPOSE.code(purpose));
    let by = agency.map(|agency| Exporter {
        agency: agency.to_owned(),
        official: reading.reader().to_owned(),
        role: reading.role.and_then(|role| TYPES_ROLE.code(role)).map(str::to_owned),
    });
    let now = clock.now_ms().div_euclid(1_000);
    Exported::new(*uuid::Uuid::new_v4().as_bytes(), now, purpose.unwrap_or_default(), by)
}
