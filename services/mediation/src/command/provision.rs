//! `mediation provision`: the directory of one process of a ledger whose log is shared. It holds what the process needs
//! and no key of anybody else.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use mediation_proto::derived::DESKS;
use serde_json::json;

use crate::{
    cluster::Cluster,
    command::verify::unserved,
    config::{Config, KeeperConfig, KurrentdbConfig, LogHttpConfig, Role, VaultConfig},
    founding::Unfinished,
    keys::write_private,
    layout::Layout,
    manifest::Manifest,
    output::{self, line},
    pki,
};

/// `mediation provision`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 账本目录（立账时的全套） · Directory that the ledger was founded in
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 新进程的目录，须不存在或为空 · Directory of the new process; must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// 进程所属机构：其证书随之写入；设窗口或守钟时另写签名密钥 · Agency that the process is for: its certificate goes along, and its signing key with a desk or the keeper
    #[arg(long, value_name = "ID")]
    agency: Option<String>,
    /// 窗口，如 court；可多次给出；缺省不设窗口 · Desk such as `court`; repeatable; none without it
    #[arg(long, value_name = "DESK", requires = "agency")]
    desk: Vec<String>,
    /// 角色；可多次给出 · Role; repeatable
    #[arg(long, value_name = "ROLE", value_enum)]
    role: Vec<Role>,
    /// 进程在网络上的名称，写入服务端证书；可多次给出 · Name of the process in the network, for its certificate; repeatable
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// 监听地址 · Address to listen on
    #[arg(long, value_name = "ADDR", default_value_t = Config::default().listen)]
    listen: std::net::SocketAddr,
    #[command(flatten)]
    cluster: Cluster,
    /// 保险库进程的地址；本进程即保险库时不给 · Address of the vault's process; left out for that process itself
    #[arg(long, value_name = "HOST:PORT", requires = "agency")]
    vault: Option<String>,
    /// 日志公开服务的监听地址（角色 gateway） · Address to serve the log on over HTTP, of role `gateway`
    #[arg(long, value_name = "ADDR")]
    log_http: Option<std::net::SocketAddr>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// File of the cluster's authorities, below the process's directory.
const CLUSTER_AUTHORITIES: &str = "kurrentdb/authority.pem";

/// File of the process's user in the cluster, below the process's directory.
const CLUSTER_CREDENTIALS: &str = "kurrentdb/credentials";

/// Writes the directory.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let from = Layout::new(&arguments.dir);
    let manifest = Manifest::read(&from)?;
    let roles: BTreeSet<Role> = arguments.role.iter().copied().collect();
    check(arguments, &roles)?;
    // What the vault holds is copied whole.
    let _lock = unserved(&arguments.dir)?;
    let unfinished = Unfinished::begin(&arguments.out)?;
    match write(arguments, &roles, &from, &unfinished.layout(), &manifest) {
        Ok(()) => unfinished.finish()?,
        Err(error) => {
            unfinished.abandon();
            return Err(error);
        }
    }
    if arguments.json {
        output::json(&json!({
            "directory": arguments.out, "origin": manifest.origin.as_str(), "agency": arguments.agency,
            "desks": arguments.desk, "roles": roles,
        }))?;
    } else {
        let directory = arguments.out.display();
        line(format!("进程目录已写成 · provisioned: {directory}"));
        line(format!("  机构 agency  {}", arguments.agency.as_deref().unwrap_or("—")));
        line(format!("  窗口 desks   {}", or_none(&arguments.desk)));
        let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
        line(format!("  角色 roles   {}", or_none(&roles)));
        line(format!("下一步 · next: mediation serve --dir {directory}"));
    }
    Ok(true)
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "—".to_owned() } else { names.join(" ") }
}

fn check(arguments: &Arguments, roles: &BTreeSet<Role>) -> Result<()> {
    let known: Vec<String> = DESKS.iter().map(|desk| desk.key()).collect();
    for desk in &arguments.desk {
        ensure!(known.contains(desk), "there is no desk `{desk}`; there are {}", known.join(", "));
    }
    ensure!(
        !roles.contains(&Role::Keeper) || arguments.agency.is_some(),
        "the keeper signs for an agency; name it with `--agency`"
    );
    ensure!(
        !roles.contains(&Role::Vault) || arguments.agency.is_some(),
        "the vault's process signs who has read; name a governance center with `--agency` · \
         保管库进程须签署查阅记录，请以 --agency 指定综治中心"
    );
    let objections: Vec<String> = config(arguments, roles).check().iter().map(ToString::to_string).collect();
    ensure!(objections.is_empty(), "{}", objections.join("; "));
    Ok(())
}

fn write(arguments: &Arguments, roles: &BTreeSet<Role>, from: &Layout, to: &Layout, manifest: &Manifest) -> Result<()> {
    copy(&from.manifest(), &to.manifest())?;
    copy(&from.policy(), &to.policy())?;
    fs::create_dir_all(to.pki().join("agencies"))?;
    copy(&from.authority(), &to.authority())?;
    pki::create_server(from, to, &arguments.host)?;
    fs::create_dir(to.keys())?;
    if let Some(agency) = &arguments.agency {
        // Who neither serves the agency's desk nor keeps its clocks signs nothing for it.
        // The vault's process signs that somebody has read.
        let signs = !arguments.desk.is_empty() || roles.contains(&Role::Keeper) || roles.contains(&Role::Vault);
        give_agency(from, to, agency, signs)?;
    }
    if roles.contains(&Role::Sealer) {
        copy_private(&from.log_key(), &to.log_key())?;
        let others = [(from.next_log_key(), to.next_log_key()), (from.sm2_log_key(), to.sm2_log_key())];
        for (source, target) in others.iter().filter(|(source, _)| source.exists()) {
            copy_private(source, target)?;
        }
    }
    ensure!(
        manifest.twin_key.is_none() || !roles.contains(&Role::Sealer) || to.sm2_log_key().exists(),
        "the SM2 key of the log is missing in `{}`",
        from.keys().display()
    );
    if roles.contains(&Role::Vault) {
        copy_tree(&from.vault(), &to.vault())?;
        if from.subject_key().exists() {
            copy_private(&from.subject_key(), &to.subject_key())?;
        }
    }
    let cluster = [&arguments.cluster.kurrentdb_authorities, &arguments.cluster.kurrentdb_credentials];
    if cluster.iter().any(|file| file.is_some()) {
        fs::create_dir(to.root().join("kurrentdb"))?;
    }
    if let Some(path) = &arguments.cluster.kurrentdb_authorities {
        copy(path, &to.root().join(CLUSTER_AUTHORITIES))?;
    }
    if let Some(path) = &arguments.cluster.kurrentdb_credentials {
        copy_private(path, &to.root().join(CLUSTER_CREDENTIALS))?;
    }
    fs::write(to.config(), config(arguments, roles).initial()?)?;
    Ok(())
}

fn give_agency(from: &Layout, to: &Layout, agency: &str, signs: bool) -> Result<()> {
    let certificate = from.certificate(agency);
    if !certificate.exists() {
        bail!("`{agency}` has no certificate in `{}`", from.pki().display());
    }
    let parent = to.certificate(agency);
    fs::create_dir_all(parent.parent().context("a certificate stands in a directory")?)?;
    copy(&certificate, &to.certificate(agency))?;
    copy_private(&from.certificate_key(agency), &to.certificate_key(agency))?;
    // An agency whose systems sign themselves has no key here.
    let keys = [
        (from.signing_key(agency), to.signing_key(agency)),
        (from.next_signing_key(agency), to.next_signing_key(agency)),
    ];
    for (source, target) in keys.iter().filter(|(source, _)| signs && source.exists()) {
        fs::create_dir_all(to.keys().join(agency))?;
        copy_private(source, target)?;
    }
    Ok(())
}

fn config(arguments: &Arguments, roles: &BTreeSet<Role>) -> Config {
    let shared = KurrentdbConfig::new(
        arguments.cluster.kurrentdb.clone(),
        arguments.cluster.kurrentdb_authorities.is_some().then(|| CLUSTER_AUTHORITIES.into()),
        arguments.cluster.kurrentdb_credentials.is_some().then(|| CLUSTER_CREDENTIALS.into()),
    );
    let vault = arguments.vault.clone().zip(arguments.agency.clone());
    // The audit and the vault answer every agency; a desk its own.
    let answers_all = roles.contains(&Role::Audit) || roles.contains(&Role::Vault) || roles.contains(&Role::Gateway);
    let agencies = arguments.agency.iter().cloned().collect();
    Config {
        listen: arguments.listen,
        roles: roles.clone(),
        desks: Some(arguments.desk.iter().cloned().collect()),
        agencies: (!answers_all).then_some(agencies),
        log_http: LogHttpConfig { listen: arguments.log_http, ..LogHttpConfig::default() },
        kurrentdb: Some(shared),
        vault: vault.map(|(address, agency)| VaultConfig::new(address, agency)),
        keeper: KeeperConfig { enabled: roles.contains(&Role::Keeper) },
        ..Config::default()
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy `{}`", from.display()))?;
    Ok(())
}

/// A copy that only its owner can read.
fn copy_private(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read `{}`", from.display()))?;
    write_private(to, &zeroize::Zeroizing::new(bytes))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot read `{}`", from.display()))?;
    for entry in entries {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if path.is_dir() {
            copy_tree(&path, &to.join(name))?;
        } else {
            copy_private(&path, &to.join(name))?;
        }
    }
    Ok(())
}
