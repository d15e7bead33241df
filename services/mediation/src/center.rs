//! The integration gateway of this program: its configuration, its channels, its key.

use std::{
    fs,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use mediation_gateway::{
    center::{Center, ChannelTerms, Channels, Numbers, Right, Secret, Terms, router},
    courier::HttpCourier,
    feed::{Feed, Retry, Subscriber, WebhookKey, deliver},
    listener,
};
use mediation_ledger::clock::Clock;
use mediation_proto::{derived::TYPES_CHANNEL, mediation::types::v1::AgencyKind};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use zeroize::Zeroizing;

use crate::access::{Door, ReadingArguments};

/// `gateway.toml`. Paths are named from its directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayConfig {
    /// Address to listen on, of this machine alone.
    pub(crate) listen: SocketAddr,
    /// Address of the ledger, `HOST:PORT`.
    pub(crate) ledger: String,
    /// Directory with the center's certificate and the trust file.
    pub(crate) dir: PathBuf,
    /// Agency id of the governance center.
    pub(crate) agency: String,
    /// The official who answers for what is handed in, `ZC-ZS/REG-1`.
    pub(crate) official: String,
    /// File with the key from which numbers, chains, event ids and codes follow: 64 hex digits. Never replaced: with another
    /// key nobody finds his matter, and a key of an intake that is sent again is recorded again.
    pub(crate) secret: PathBuf,
    /// First of the last four digits of the numbers that this gateway gives.
    pub(crate) numbers_first: u16,
    /// Last of them.
    pub(crate) numbers_last: u16,
    /// On which legal basis a party reads of his own matter.
    pub(crate) legal_basis: String,
    /// Who may ask.
    pub(crate) channels: Vec<ChannelConfig>,
    /// Who is told by webhook.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) webhooks: Vec<WebhookConfig>,
}

/// Who is told by webhook.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookConfig {
    /// Name.
    pub(crate) name: String,
    /// Where he is told, `http` or `https`.
    pub(crate) url: String,
    /// File with the key that he knows, `whsec_…`.
    pub(crate) key: PathBuf,
    /// Directory of what is kept of him: how far he was told, and dead letters.
    pub(crate) state: PathBuf,
    /// Certificates (PEM) that an `https` address must chain to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authorities: Option<PathBuf>,
    /// Attempts before an event is given up.
    pub(crate) attempts: NonZeroU32,
    /// Milliseconds before the second; doubled each time, up to a minute.
    pub(crate) first_pause_ms: u64,
}

/// A channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelConfig {
    /// Name; never changed, since event ids follow from it.
    pub(crate) name: String,
    /// File with its token.
    pub(crate) token: PathBuf,
    /// Codes of the list `Channel` under which it may hand in.
    pub(crate) codes: Vec<String>,
    /// What it may ask for: `intake`, `status`, `worklist`, `events`.
    pub(crate) rights: Vec<String>,
    /// Requests a second.
    pub(crate) requests_per_second: NonZeroU32,
    /// Requests at once.
    pub(crate) burst: NonZeroU32,
}

/// A gateway that is served.
pub(crate) struct Served {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Ends when it was told to stop.
    pub(crate) task: JoinHandle<()>,
}

impl GatewayConfig {
    /// Reads a configuration; paths in it are from then on whole.
    ///
    /// # Errors
    /// It cannot be read, or does not hold together.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let mut config: Self =
            toml::from_str(&text).with_context(|| format!("`{}` is no configuration", path.display()))?;
        let beside = path.parent().unwrap_or_else(|| Path::new("."));
        config.dir = beside.join(&config.dir);
        config.secret = beside.join(&config.secret);
        for channel in &mut config.channels {
            channel.token = beside.join(&channel.token);
        }
        for webhook in &mut config.webhooks {
            webhook.key = beside.join(&webhook.key);
            webhook.state = beside.join(&webhook.state);
            webhook.authorities = webhook.authorities.as_ref().map(|path| beside.join(path));
        }
        ensure!(
            config.listen.ip().is_loopback(),
            "the gateway speaks plain HTTP and listens on this machine alone: put a proxy with TLS in front for others · \
             网关为明文 HTTP，只在本机监听；供他人使用时须在前面设置带 TLS 的代理"
        );
        ensure!(!config.channels.is_empty(), "a gateway without channels serves nobody · 未配置任何渠道");
        Ok(config)
    }

    fn numbers(&self) -> Result<Numbers> {
        let numbers = Numbers { first: self.numbers_first, last: self.numbers_last };
        ensure!(
            numbers.is_valid(),
            "numbers lie between 1 and 9999, the first before the last · 链号序列应在 1 至 9999 之间"
        );
        Ok(numbers)
    }

    fn channels(&self) -> Result<Channels> {
        let mut channels = Channels::default();
        for channel in &self.channels {
            let name = &channel.name;
            let token = secret_text(&channel.token)?;
            let unknown = channel.codes.iter().find(|code| TYPES_CHANNEL.number(code).is_none());
            ensure!(unknown.is_none(), "`{name}`: {unknown:?} is no code of `Channel` · 不是受理渠道代码");
            let terms = ChannelTerms {
                name: name.clone(),
                codes: channel.codes.clone(),
                rights: channel.rights.iter().map(|right| named(right)).collect::<Result<_>>()?,
                per_second: channel.requests_per_second,
                burst: channel.burst,
            };
            let is_new = self.channels.iter().filter(|other| other.name == *name).count() == 1;
            ensure!(is_new, "there are two channels `{name}` · 渠道重名");
            ensure!(
                channels.add(&token, terms),
                "the token of `{name}` is too short, or another channel's · 渠道令牌过短或重复"
            );
        }
        Ok(channels)
    }
}

impl WebhookConfig {
    fn subscriber(&self) -> Result<Subscriber> {
        let key = WebhookKey::parse(&secret_text(&self.key)?)
            .with_context(|| format!("`{}` holds no key of a webhook", self.key.display()))?;
        let read = |path: &PathBuf| fs::read(path).with_context(|| format!("cannot read `{}`", path.display()));
        let authorities = self.authorities.as_ref().map(read).transpose()?;
        Ok(Subscriber {
            name: self.name.clone(),
            url: self.url.clone(),
            key,
            state: self.state.clone(),
            retry: Retry { attempts: self.attempts.get(), first_pause: Duration::from_millis(self.first_pause_ms) },
            courier: HttpCourier::new(authorities.as_deref())?,
        })
    }
}

fn named(right: &str) -> Result<Right> {
    let known = Right::ALL.iter().find(|(name, _)| *name == right).map(|(_, right)| *right);
    known.with_context(|| format!("there is no right `{right}` · 没有这种权限"))
}

fn secret_text(path: &Path) -> Result<Zeroizing<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(Zeroizing::new(text))
}

/// Serves the gateway of a configuration.
///
/// # Errors
/// The configuration does not hold together, no ledger answers, or the address is taken.
pub(crate) async fn serve(
    config: &GatewayConfig,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Served> {
    let (numbers, channels) = (config.numbers()?, config.channels()?);
    let secret = Secret::parse(&secret_text(&config.secret)?)
        .with_context(|| format!("`{}` holds no 64 hex digits", config.secret.display()))?;
    let door = Door::open(&config.ledger, &config.dir)?;
    let registry = door.registry_as(&config.agency).await?;
    let client = door.client_reading(&config.agency, &registry, &ReadingArguments::default()).await?;
    let agency = registry.directory().agency(&config.agency).context("the center does not take part in this ledger")?;
    ensure!(
        agency.kind == AgencyKind::GovernanceCenter && agency.division.len() >= 6,
        "`{}` is no governance center with a division · 不是设有区划的综治中心",
        config.agency
    );
    let terms = Terms {
        agency: config.agency.clone(),
        name: agency.name.clone(),
        division: agency.division.clone(),
        official: config.official.clone(),
        legal_basis: config.legal_basis.clone(),
        numbers,
        genesis: door.genesis,
    };
    let listener =
        TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let (stopping, end) = watch::channel(false);
    let subscribers: Vec<Subscriber> = config.webhooks.iter().map(WebhookConfig::subscriber).collect::<Result<_>>()?;
    for subscriber in subscribers {
        let (client, end, name) = (client.clone(), end.clone(), subscriber.name.clone());
        tokio::spawn(async move {
            if let Err(error) = deliver(subscriber, client, end).await {
                tracing::error!(%name, %error, "a webhook is not served any more");
            }
        });
    }
    let center = Arc::new(Center::new(terms, client.clone(), secret, channels, clock));
    let feed = Feed::new(client, end, center.admits_to_events());
    let stop = async move {
        stop.await;
        // Streams end with the feed, and connections with their streams.
        stopping.send_replace(true);
    };
    let task = tokio::spawn(listener::serve(listener, router(center, feed), stop));
    Ok(Served { address, task })
}
