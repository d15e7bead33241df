//! `mediation reincarnate`: carries on a ledger whose end was lost. A log must never sign two histories under one name, so
//! the new one has another origin; its first entry commits to the last checkpoint of the old one that others hold.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use mediation_domain::calendar::Day;
use mediation_ledger::{
    checkpoint::Checkpoint,
    clock::{Clock as _, SystemClock},
    key::Algorithm,
    note::KeyName,
    part::Cipher,
    registry::Registry,
};

use crate::{
    config::Config,
    founding::{Founding, Previous, reincarnate},
    keys::read_subject_key,
    layout::Layout,
    manifest::Manifest,
    member::Member,
    output::line,
    suite::{Suite, Suites},
    survey::{Damage, Survey},
};

/// `mediation reincarnate`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 末尾丢失的账本目录 · Directory of the ledger whose end was lost
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 新账本目录，须不存在或为空 · Directory of the new ledger; must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// 他方所持最后的（见证）检查点 · Last checkpoint that others hold, a witnessed one best
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// 新账本标识，缺省为旧标识加序号 · Identity of the new ledger; the old one with a number without it
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// 日志私钥已失，末尾未丢失 · Nothing of the end is lost, but the private log key is
    #[arg(long)]
    log_key_lost: bool,
}

/// Founds the new incarnation.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let survey = match Survey::open(&arguments.dir, &|_| {})? {
        Ok(survey) => survey,
        Err(Damage(damage)) => bail!("{}", damage.join("\n")),
    };
    let old = &survey.manifest;
    let bytes =
        fs::read(&arguments.checkpoint).with_context(|| format!("cannot read `{}`", arguments.checkpoint.display()))?;
    let layout = Layout::new(&arguments.dir);
    let keys = old.stored_keys(&layout);
    let signed = Checkpoint::open(&bytes, &old.origin, &keys).with_context(|| {
        format!("`{}` is no checkpoint of this ledger · 不是该账本的检查点", arguments.checkpoint.display())
    })?;
    let known = signed.checkpoint;
    let is_whole = known.size <= survey.tree.size && (known.size < survey.tree.size || known.root == survey.tree.root);
    ensure!(
        arguments.log_key_lost || !is_whole,
        "the directory has {} entries, the checkpoint covers {}: nothing is lost, serve it · 目录未缺条目，无须重立",
        survey.tree.size,
        known.size
    );
    let origin = match &arguments.origin {
        Some(origin) => origin.clone(),
        None => next_origin(old.origin.as_str()),
    };
    let origin: KeyName = origin.parse().with_context(|| format!("`{origin}` cannot be an origin"))?;
    ensure!(origin != old.origin, "the new ledger needs an origin of its own · 新账本须用新标识");
    let founding = Founding {
        origin,
        rule_set: old.rule_set.clone(),
        segment_bytes: old.segment_bytes,
        members: members(&survey.registry()),
        suites: suites(old, &survey.registry()),
        valid_from: Day::of(SystemClock.now_ms().div_euclid(1000)).to_string(),
        clock: Arc::new(SystemClock),
    };
    let checkpoint = String::from_utf8(bytes).context("the checkpoint is not UTF-8")?;
    let subjects = layout.subject_key();
    let subjects = subjects.exists().then(|| read_subject_key(&subjects)).transpose()?;
    let previous = Previous { origin: old.origin.clone(), genesis: old.genesis, checkpoint, subjects };
    let manifest = reincarnate(&arguments.out, &founding, &previous, &Config::default()).await?;
    line(format!("账本已重立 · ledger carried on: {}", arguments.out.display()));
    line(format!("  新标识 origin     {}", manifest.origin));
    line(format!("  创世叶 genesis    {}", manifest.genesis));
    line(format!("  承接 carries on   {}，大小 size {}，根 root {}", known.origin, known.size, known.root));
    line(format!(
        "  目录中的条目 entries in the directory {}；见证 cosignatures {}",
        survey.tree.size,
        signed.cosignatures.len()
    ));
    line(
        "旧目录只供查阅，不得再签署；各机构密钥与证书均为新制 · the old directory is for reading only; keys and certificates are new",
    );
    Ok(true)
}

/// The founder first: it founds again.
fn members(registry: &Registry) -> Vec<Member> {
    let member = |(id, agency): (&str, &mediation_domain::directory::Agency)| Member {
        id: id.to_owned(),
        name: agency.name.clone(),
        kind: agency.kind,
        division: agency.division.clone(),
    };
    let (founder, others): (Vec<Member>, Vec<Member>) =
        registry.directory().iter().map(member).partition(|member| member.id == registry.founder());
    founder.into_iter().chain(others).collect()
}

/// Each agency keeps the suite of its root key, and the ledger its cipher.
fn suites(old: &Manifest, registry: &Registry) -> Suites {
    let is_sm2 = |id: &&str| registry.root(id).is_some_and(|root| root.algorithm() == Algorithm::Sm2Sm3);
    let agencies = registry.directory().iter().map(|(id, _)| id);
    Suites {
        suite: Suite::Ed25519,
        sm2_agencies: agencies.filter(is_sm2).map(str::to_owned).collect(),
        sm3_twin: old.twin_key.is_some(),
        sm4: old.cipher == Cipher::Sm4Gcm,
    }
}

/// `ledger.example/main` is followed by `ledger.example/main/2`, that by `ledger.example/main/3`.
fn next_origin(origin: &str) -> String {
    match origin.rsplit_once('/').and_then(|(name, number)| Some((name, number.parse::<u32>().ok()?))) {
        Some((name, number)) => format!("{name}/{}", number.saturating_add(1)),
        None => format!("{origin}/2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incarnations_are_numbered() {
        assert_eq!(next_origin("ledger.example/main"), "ledger.example/main/2");
        assert_eq!(next_origin("ledger.example/main/2"), "ledger.example/main/3");
    }
}
