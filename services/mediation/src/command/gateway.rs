//! `mediation gateway`: the intake of a governance center, over HTTP/JSON.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    num::NonZeroU32,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};
use mediation_gateway::{
    intake::{Book, Channel, Intake, Secret, document, router, token_digest},
    listener,
};
use mediation_ledger::clock::SystemClock;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    access::{Access, ReadingArguments},
    command::interrupted,
    output::{self, line},
    process::stopped,
};

/// Channels of a new gateway: name, code of the channel, whether it may read the worklist.
const CHANNELS: [(&str, &str, bool); 5] = [
    ("lefa", "ONLINE_LEFA", false),
    ("pingan-fuliang", "ONLINE_PINGAN_FULIANG", false),
    ("terminal", "TERMINAL", false),
    ("hotline", "HOTLINE_12345", false),
    ("hall", "WALK_IN", true),
];

/// Requests a minute that a channel of a new gateway may send.
const PER_MINUTE: u32 = 600;

/// Bytes of a token: nobody guesses it.
const TOKEN_BYTES: usize = 24;

/// `mediation gateway`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 建立网关目录：配置、密钥、各渠道令牌 · The directory of a gateway: configuration, secret, tokens of its channels
    Init(InitArguments),
    /// 运行受理网关 · Serve the intake
    Serve(ServeArguments),
    /// 打印接口说明（OpenAPI 3.1） · Print the interface (OpenAPI 3.1)
    Openapi,
}

/// `mediation gateway init`
#[derive(Debug, Args)]
struct InitArguments {
    /// 网关目录，须不存在 · Directory of the gateway; must not exist
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// 综治中心的机构编号 · Governance center
    #[arg(long, value_name = "ID")]
    agency: String,
    /// 登记人员编号，缺省为 机构/REG-1 · Official who registers; AGENCY/REG-1 without it
    #[arg(long, value_name = "REF")]
    official: Option<String>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// `mediation gateway serve`
#[derive(Debug, Args)]
struct ServeArguments {
    /// 网关目录 · Directory of the gateway
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// 账本地址 · Address of the ledger, HOST:PORT
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7443")]
    ledger: String,
    /// 账本目录（取证书与信任文件） · Directory of the ledger: certificate of the center, and trust file
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 监听地址，仅限本机 · Address to listen on, of this machine alone
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7090")]
    listen: SocketAddr,
    /// 启动后以 JSON 输出地址 · Print the address as JSON once serving
    #[arg(long)]
    json: bool,
}

/// `gateway.toml`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    agency: String,
    official: String,
    channel: Vec<ChannelConfig>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelConfig {
    name: String,
    code: String,
    token_sha256: String,
    worklist: bool,
    per_minute: NonZeroU32,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    match arguments.command {
        Command::Init(arguments) => init(&arguments),
        Command::Serve(arguments) => serve(arguments).await,
        Command::Openapi => {
            output::json(&document())?;
            Ok(true)
        }
    }
}

fn init(arguments: &InitArguments) -> Result<bool> {
    let InitArguments { state, agency, official, json } = arguments;
    ensure!(!state.exists(), "`{}` exists already · 目录已存在", state.display());
    fs::create_dir_all(state).with_context(|| format!("cannot make `{}`", state.display()))?;
    let mut secret = [0; 32];
    random(&mut secret)?;
    private(&state.join("secret"), format!("{}\n", hex::encode(secret)).as_bytes())?;
    private(&state.join("book"), b"")?;
    let (mut channel, mut tokens) = (Vec::new(), Vec::new());
    for (name, code, worklist) in CHANNELS {
        let mut bytes = [0; TOKEN_BYTES];
        random(&mut bytes)?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let token_sha256 = hex::encode(token_digest(&token));
        let per_minute = NonZeroU32::new(PER_MINUTE).unwrap_or(NonZeroU32::MIN);
        channel.push(ChannelConfig {
            name: name.to_owned(),
            code: code.to_owned(),
            token_sha256,
            worklist,
            per_minute,
        });
        tokens.push((name, token));
    }
    let official = official.clone().unwrap_or_else(|| format!("{agency}/REG-1"));
    let config = Config { agency: agency.clone(), official, channel };
    private(&state.join("gateway.toml"), toml::to_string(&config)?.as_bytes())?;
    fs::File::open(state)?.sync_all()?;
    if *json {
        let tokens: serde_json::Map<_, _> =
            tokens.into_iter().map(|(name, token)| (name.to_owned(), json!(token))).collect();
        output::json(&json!({"state": state, "tokens": tokens}))?;
    } else {
        line(format!("网关目录已建立 · the gateway's directory: {}", state.display()));
        line("各渠道令牌，仅显示这一次 · tokens of the channels, shown this once:");
        for (name, token) in tokens {
            line(format!("  {name:<16} {token}"));
        }
    }
    Ok(true)
}

fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))
}

/// A new file that is the operator's alone, on the disk before this answers.
fn private(path: &Path, bytes: &[u8]) -> Result<()> {
    let cannot = || format!("cannot write `{}`", path.display());
    let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(path).with_context(cannot)?;
    file.write_all(bytes).with_context(cannot)?;
    file.sync_all().with_context(cannot)
}

async fn serve(arguments: ServeArguments) -> Result<bool> {
    let ServeArguments { state, ledger, dir, listen, json } = arguments;
    ensure!(
        listen.ip().is_loopback(),
        "the gateway speaks plain HTTP and listens on this machine alone: put a proxy with TLS in front for others · \
         网关为明文 HTTP，只在本机监听；对外须在前面设置带 TLS 的代理"
    );
    let (config, secret) = (read_config(&state)?, read_secret(&state)?);
    let book = Book::open(&state.join("book"))?;
    let channels = config.channel.into_iter().map(channel).collect::<Result<Vec<_>>>()?;
    let access = Access { ledger, dir, agency: Some(config.agency) };
    let (door, registry, agency) = access.caller().await?;
    let client = door.client_reading(&agency, &registry, &ReadingArguments::of_official(&config.official)).await?;
    let clock = Arc::new(SystemClock);
    let intake = Intake { official: config.official, client, registry, channels, secret, book, clock };
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let (stop, stopping) = watch::channel(false);
    let task = tokio::spawn(listener::serve(listener, router(intake), stopped(stopping)));
    if json {
        line(json!({"address": address.to_string(), "url": format!("http://{address}")}).to_string());
    } else {
        line(format!("受理网关 · the intake: http://{address}/v1/openapi.json"));
        line("按 Ctrl-C 结束 · Ctrl-C ends it");
    }
    interrupted().await?;
    stop.send_replace(true);
    task.await?;
    Ok(true)
}

fn read_config(state: &Path) -> Result<Config> {
    let path = state.join("gateway.toml");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read `{}`; `mediation gateway init` makes it", path.display()))?;
    toml::from_str(&text).with_context(|| format!("`{}` is no configuration of a gateway", path.display()))
}

fn read_secret(state: &Path) -> Result<Secret> {
    let path = state.join("secret");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes).with_context(|| format!("`{}` is no secret", path.display()))?;
    Ok(Secret::new(bytes))
}

fn channel(config: ChannelConfig) -> Result<Channel> {
    let ChannelConfig { name, code, token_sha256, worklist, per_minute } = config;
    let mut token = [0; 32];
    hex::decode_to_slice(&token_sha256, &mut token)
        .with_context(|| format!("`token_sha256` of the channel `{name}` is no SHA-256 in hex"))?;
    let number = Channel::CODES.number(&code);
    let code = number.and_then(|number| Channel::CODES.code(number));
    let code = code.with_context(|| format!("`code` of the channel `{name}` is no channel of the catalogue"))?;
    Ok(Channel { name, code, token, worklist, per_minute })
}
