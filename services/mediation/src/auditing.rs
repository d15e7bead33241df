//! The auditors' console of this program: its seats, its door, its bundles.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mediation_desk::{
    caller::{official_of, spiffe_id},
    listener::{TlsFiles, tls_config},
};
use mediation_domain::{calendar::Day, catalogue};
use mediation_gateway::{
    console::{Console, Entrance, Office, Seat, router},
    listener::{self, Tls},
};
use mediation_ledger::{
    bundle,
    chain::ChainId,
    clock::{Clock, SystemClock},
    registry::Registry,
};
use mediation_proto::{
    derived::TYPES_ROLE,
    mediation::types::v1::{AccessPurpose, Role},
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    access::{Door, ReadingArguments},
    command::{explanation, export},
    evidence::{Wanted, from_ledger},
};

/// Bytes of the code that opens the console's door: nobody guesses it.
const CODE_BYTES: usize = 18;

/// A console that is served.
pub(crate) struct Served {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Page to begin with, which brings the code along.
    pub(crate) invitation: String,
    /// Ends when it was told to stop.
    pub(crate) task: JoinHandle<()>,
}

/// Serves a console on an address of this machine, to whoever has the code.
///
/// # Errors
/// The address is not of this machine alone, or is taken.
pub(crate) async fn serve(
    listen: SocketAddr,
    door: Door,
    seats: Vec<Seat>,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Served> {
    ensure!(
        listen.ip().is_loopback(),
        "without certificates the console speaks plain HTTP and listens on this machine alone: use --certificates for others · \
         未启用证书登录的控制台为明文 HTTP，只在本机监听；供他人使用请加 --certificates"
    );
    let (listener, address) = bound(listen).await?;
    let mut bytes = [0; CODE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let code = URL_SAFE_NO_PAD.encode(bytes);
    let invitation = format!("http://{address}/login?code={code}");
    let agency = seats.first().map(|seat| seat.agency.clone()).unwrap_or_default();
    let console = Console::new(Entrance::Code { code, seats }, Arc::clone(&clock), OfficeOf { door, agency, clock });
    let task = tokio::spawn(listener::serve(listener, router(console, hosts(address, &[])), stop));
    Ok(Served { address, invitation, task })
}

/// How officials are known by their certificates.
pub(crate) struct Certificates {
    /// Certificate and key of the console, and who vouches for officials.
    pub(crate) tls: TlsFiles,
    /// Names under which the console is asked, beside its address and `localhost`.
    pub(crate) names: Vec<String>,
}

/// Serves a console of one agency over TLS, to its officials.
///
/// # Errors
/// The address is taken, or the certificates do not fit together.
pub(crate) async fn serve_officials(
    listen: SocketAddr,
    door: Door,
    agency: String,
    certificates: Certificates,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Served> {
    let (listener, address) = bound(listen).await?;
    let hosts = hosts(address, &certificates.names);
    let invitation = format!("https://{}/", hosts.last().map_or("", String::as_str));
    let mut config = Arc::unwrap_or_clone(tls_config(&certificates.tls)?);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let origin = door.trust.log_key.name().to_string();
    let official = move |certificate: &[u8]| official_of(&spiffe_id(certificate)?, &origin);
    let tls = Tls { config: Arc::new(config), official: Arc::new(official) };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let office = OfficeOf { door, agency, clock: Arc::clone(&clock) };
    let router = router(Console::new(Entrance::Certificate, clock, office), hosts);
    let task = tokio::spawn(listener::serve_tls(listener, router, tls, stop));
    Ok(Served { address, invitation, task })
}

async fn bound(listen: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Names under which a console is asked, the one to be printed last.
fn hosts(address: SocketAddr, names: &[String]) -> Vec<String> {
    let port = address.port();
    let named = names.iter().map(|name| if port == HTTPS { name.clone() } else { format!("{name}:{port}") });
    [format!("localhost:{port}"), address.to_string()].into_iter().chain(named).collect()
}

/// The port that browsers leave out.
const HTTPS: u16 = 443;

/// The seat of an official of an agency.
///
/// # Errors
/// The agency does not take part, or its certificate is not here.
pub(crate) async fn seat(door: &Door, registry: &Registry, agency: &str, reading: &ReadingArguments) -> Result<Seat> {
    let client = door.client_reading(agency, registry, reading).await?;
    let known = registry.directory().agency(agency).with_context(|| format!("`{agency}` does not take part"))?;
    let reads = client.reads().cloned().unwrap_or_default();
    let role = reads.role.and_then(|role| catalogue::zh_of_number(&TYPES_ROLE, role)).unwrap_or_default();
    let (name, official) = (known.name.clone(), reads.reader().to_owned());
    Ok(Seat { agency: agency.to_owned(), name, official, role: role.to_owned(), client })
}

/// What a console has of this program.
#[derive(Debug)]
struct OfficeOf {
    door: Door,
    /// Agency whose officials are let in.
    agency: String,
    clock: Arc<dyn Clock>,
}

impl Office for OfficeOf {
    async fn seats(&self, official: &str) -> Result<Vec<Seat>, String> {
        self.appointed(official).await.map_err(|error| explanation(&error).join("\n"))
    }

    async fn bundle(&self, seat: &Seat, chain: ChainId, as_of: Day) -> Result<Vec<u8>, String> {
        let made = self.made(seat, chain, as_of).await;
        made.map_err(|error| explanation(&error).join("\n"))
    }
}

impl OfficeOf {
    /// One seat for each role that the registry gives an official today. Of an agency that has appointed nobody the registry says
    /// nothing: its officials read as those who see least.
    async fn appointed(&self, official: &str) -> Result<Vec<Seat>> {
        let agency = &self.agency;
        ensure!(
            official.split_once('/').is_some_and(|(own, _)| own == agency),
            "`{official}` is no official of `{agency}`, whose console this is · 本控制台只供 {agency} 的官员使用"
        );
        let registry = self.door.registry_as(agency).await?;
        let today = Day::of(self.clock.now_ms().div_euclid(1_000));
        let signers = registry.directory().signers(agency, today);
        let roles: Vec<Option<Role>> = match signers.get(official) {
            Some(roles) => roles.iter().copied().map(Some).collect(),
            None if signers.is_empty() => vec![None],
            None => Vec::new(),
        };
        ensure!(
            !roles.is_empty(),
            "`{official}` holds no role today; his agency appoints him with SignerAppointed · {official} 今日未任任何角色，由本机构以“签署人任职”登记"
        );
        let mut seats = Vec::with_capacity(roles.len());
        for role in roles {
            let reading = ReadingArguments::of_an_official(official, role);
            seats.push(seat(&self.door, &registry, agency, &reading).await?);
        }
        Ok(seats)
    }

    async fn made(&self, seat: &Seat, chain: ChainId, as_of: Day) -> Result<Vec<u8>> {
        let mut reading = seat.client.reads().cloned().unwrap_or_default();
        reading.purpose = Some(AccessPurpose::Export.into());
        let exported = export::exported(Some(&seat.agency), &reading, self.clock.as_ref());
        let client = seat.client.clone().reading(reading);
        let wanted = Wanted { chain: chain.to_string(), as_of, withhold: Vec::new(), exported };
        let evidence = from_ledger(&self.door, &client, &wanted).await?;
        let bytes = bundle::make(&evidence)?;
        let verdict = bundle::verify(&bytes, Some(&evidence.policy))?;
        ensure!(verdict.is_good(), "the bundle does not verify, and is not given out · 证据包核验未通过，不予导出");
        Ok(bytes.into())
    }
}
