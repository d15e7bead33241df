//! `mediation gateway`.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use mediation_gateway::feed::Letters;
use mediation_ledger::clock::SystemClock;
use mediation_proto::derived::TYPES_CHANNEL;
use serde_json::json;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use crate::{
    center::{ChannelConfig, GatewayConfig, WebhookConfig, serve},
    command::interrupted,
    output::{self, line},
    process::stopped,
};

/// `mediation gateway`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 写出一个网关的目录：配置、密钥、渠道令牌 · Write the directory of a gateway: configuration, key, tokens
    New(NewArguments),
    /// 运行网关 · Serve a gateway
    Serve(ServeArguments),
    /// 打印一个新的幂等键 · Print a new idempotency key
    Key,
    /// 登记一个推送接收方：密钥、状态、配置 · Add who is told by webhook: key, state, configuration
    Subscribe(SubscribeArguments),
    /// 列出未被接收的事件 · List the events that a subscriber did not take
    Letters(LettersArguments),
    /// 重新推送未被接收的事件 · Have events sent again that a subscriber did not take
    Resend(ResendArguments),
}

#[derive(Debug, Args)]
struct SubscribeArguments {
    /// 配置文件 · Configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// 接收方名称 · Name of the subscriber
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// 推送地址 · Where he is told
    #[arg(value_name = "URL")]
    url: String,
    /// 自第几叶起 · Leaf from which on he is told
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
}

#[derive(Debug, Args)]
struct LettersArguments {
    /// 配置文件 · Configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// 接收方名称 · Name of the subscriber
    #[arg(value_name = "NAME")]
    name: String,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ResendArguments {
    /// 配置文件 · Configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// 接收方名称 · Name of the subscriber
    #[arg(value_name = "NAME")]
    name: String,
    /// 事件编号，缺省为全部 · Ids of events; all of them without it
    #[arg(value_name = "ID")]
    events: Vec<u64>,
}

#[derive(Debug, Args)]
struct NewArguments {
    /// 网关目录，须不存在 · Directory of the gateway, which must not exist
    #[arg(value_name = "DIR")]
    gateway: PathBuf,
    /// 账本目录（取证书与信任文件） · Directory of the ledger: certificates and trust file
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 账本地址 · Address of the ledger, HOST:PORT
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7443")]
    ledger: String,
    /// 综治中心的机构编号 · Agency id of the governance center
    #[arg(long, value_name = "ID")]
    agency: String,
    /// 登记人编号，如 ZC-ZS/REG-1 · Official who registers, such as ZC-ZS/REG-1
    #[arg(long, value_name = "SIGNER")]
    official: String,
    /// 监听地址，仅限本机 · Address to listen on, of this machine alone
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7090")]
    listen: std::net::SocketAddr,
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// 配置文件 · Configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// 启动后以 JSON 输出地址 · Print the address as JSON once serving
    #[arg(long)]
    json: bool,
    /// 日志级别 · Log level: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", env = "MEDIATION_LOG", default_value = "info")]
    log: String,
}

/// Runs a command of the gateway.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    match arguments.command {
        Command::New(arguments) => new(&arguments),
        Command::Serve(arguments) => run_served(&arguments).await,
        Command::Key => {
            line(uuid::Uuid::now_v7().to_string());
            Ok(true)
        }
        Command::Subscribe(arguments) => subscribe(&arguments),
        Command::Letters(arguments) => letters(&arguments),
        Command::Resend(arguments) => {
            let state = webhook(&arguments.config, &arguments.name)?.state;
            let count = Letters::resend(&state, &arguments.events)?;
            line(format!("将重新推送 {count} 个事件 · {count} events will be sent again"));
            Ok(true)
        }
    }
}

/// A name that is a name of a file as well.
fn name(text: &str) -> Result<String, String> {
    let formed = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    let is_name = (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(formed);
    is_name
        .then(|| text.to_owned())
        .ok_or_else(|| "应为小写字母、数字与连字符 · lower-case letters, digits and hyphens".to_owned())
}

const NAME_LENGTH_MAX: usize = 32;

fn webhook(config: &Path, name: &str) -> Result<WebhookConfig> {
    let known = GatewayConfig::read(config)?.webhooks.into_iter().find(|webhook| webhook.name == name);
    known.with_context(|| format!("there is no webhook `{name}` · 没有这个接收方"))
}

fn subscribe(arguments: &SubscribeArguments) -> Result<bool> {
    let SubscribeArguments { config: file, name, url, from } = arguments;
    let known = GatewayConfig::read(file)?;
    ensure!(
        known.webhooks.iter().all(|webhook| webhook.name != *name),
        "there is a webhook `{name}` already · 接收方已存在"
    );
    ensure!(
        url.starts_with("http://") || url.starts_with("https://"),
        "`{url}` is no address of HTTP · 不是 HTTP 地址"
    );
    let root = file.parent().unwrap_or_else(|| Path::new("."));
    let (key, state) = (format!("webhook-{name}.key"), format!("webhook-{name}"));
    let bytes = random()?;
    create_secret(&root.join(&key), &format!("whsec_{}\n", STANDARD.encode(bytes.as_slice())))?;
    Letters::create(&root.join(&state), *from)?;
    // A table at the end of the file: what stands there before stays as it was written.
    let mut written = OpenOptions::new().append(true).open(file)?;
    let table = toml::to_string(&WebhookConfig {
        name: name.clone(),
        url: url.clone(),
        key: key.clone().into(),
        state: state.into(),
        authorities: None,
        attempts: 10_u32.try_into()?,
        first_pause_ms: 500,
    })?;
    written.write_all(format!("\n[[webhooks]]\n{table}").as_bytes())?;
    written.sync_all()?;
    line(format!("已登记推送接收方 · subscribed: {name} {url}"));
    line(format!("  密钥 key {key}"));
    Ok(true)
}

fn letters(arguments: &LettersArguments) -> Result<bool> {
    let letters = Letters::dead(&webhook(&arguments.config, &arguments.name)?.state)?;
    if arguments.json {
        output::json(&letters)?;
        return Ok(true);
    }
    line(format!("未被接收的事件 {} 个 · events that were not taken", letters.len()));
    letters.iter().for_each(|letter| line(format!("  {} {} {}", letter.index, letter.chain, letter.why)));
    Ok(true)
}

fn new(arguments: &NewArguments) -> Result<bool> {
    let root = &arguments.gateway;
    let dir = fs::canonicalize(&arguments.dir).with_context(|| format!("cannot find `{}`", arguments.dir.display()))?;
    let private = |path: &Path| DirBuilder::new().mode(0o700).create(path);
    private(root).with_context(|| format!("cannot create `{}`", root.display()))?;
    let secret = PathBuf::from("gateway.key");
    write_secret(&root.join(&secret))?;
    private(&root.join("tokens"))?;
    let all = || TYPES_CHANNEL.values.iter().map(|(_, code)| (*code).to_owned()).collect();
    let mut channels = vec![channel("hall", all(), &["intake", "status", "worklist", "events"])?];
    for (name, code) in [("lefa", "ONLINE_LEFA"), ("pingan-fuliang", "ONLINE_PINGAN_FULIANG"), ("terminal", "TERMINAL")]
    {
        channels.push(channel(name, vec![code.to_owned()], &["intake", "status"])?);
    }
    for channel in &channels {
        write_secret(&root.join(&channel.token))?;
    }
    let config = GatewayConfig {
        listen: arguments.listen,
        ledger: arguments.ledger.clone(),
        dir,
        agency: arguments.agency.clone(),
        official: arguments.official.clone(),
        secret,
        numbers_first: 5_000,
        numbers_last: 9_999,
        legal_basis: "《个人信息保护法》第四十五条".to_owned(),
        channels,
        webhooks: Vec::new(),
    };
    let file = root.join("gateway.toml");
    create_secret(&file, &toml::to_string(&config)?)?;
    line(format!("已写出网关目录 · written: {}", file.display()));
    for channel in &config.channels {
        line(format!("  渠道 channel {:<16} 令牌 token {}", channel.name, channel.token.display()));
    }
    Ok(true)
}

fn channel(name: &str, codes: Vec<String>, rights: &[&str]) -> Result<ChannelConfig> {
    Ok(ChannelConfig {
        name: name.to_owned(),
        token: PathBuf::from(format!("tokens/{name}")),
        codes,
        rights: rights.iter().map(|right| (*right).to_owned()).collect(),
        requests_per_second: 20_u32.try_into()?,
        burst: 40_u32.try_into()?,
    })
}

/// Writes 32 random bytes in hex for the owner alone.
fn write_secret(path: &Path) -> Result<()> {
    let text = Zeroizing::new(format!("{}\n", hex::encode(random()?.as_slice())));
    create_secret(path, &text)
}

fn random() -> Result<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(bytes)
}

/// Writes a file that must not exist, for the owner alone.
fn create_secret(path: &Path, text: &str) -> Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.with_context(|| format!("cannot create `{}`", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

/// Serves until a signal comes.
async fn run_served(arguments: &ServeArguments) -> Result<bool> {
    let filter = EnvFilter::try_new(&arguments.log)?;
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    let config = GatewayConfig::read(&arguments.config)?;
    let (stop, stopping) = watch::channel(false);
    let served = serve(&config, Arc::new(SystemClock), stopped(stopping)).await?;
    if arguments.json {
        line(json!({"address": served.address.to_string(), "agency": config.agency}).to_string());
    } else {
        line(format!("对接网关已启动 · the gateway of {} on http://{}", config.agency, served.address));
    }
    interrupted().await?;
    stop.send_replace(true);
    served.task.await?;
    Ok(true)
}
