//! The auditors' console of this program: its seats, its door, its bundles.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mediation_domain::{calendar::Day, catalogue};
use mediation_gateway::{
    console::{Console, Evidence, Seat, router},
    listener,
};
use mediation_ledger::{bundle, chain::ChainId, clock::Clock, registry::Registry};
use mediation_proto::{derived::TYPES_ROLE, mediation::types::v1::AccessPurpose};
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

/// Serves a console on an address of this machine.
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
        "the console speaks plain HTTP and listens on this machine alone: put a proxy with TLS and log-in in front for others · \
         控制台为明文 HTTP，只在本机监听；供他人使用时须在前面设置带 TLS 与登录的代理"
    );
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let mut bytes = [0; CODE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let code = URL_SAFE_NO_PAD.encode(bytes);
    let invitation = format!("http://{address}/login?code={code}");
    let console = Console::new(seats, code, Arc::clone(&clock), Bundles { door, clock });
    let task = tokio::spawn(listener::serve(listener, router(console, address), stop));
    Ok(Served { address, invitation, task })
}

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

/// Bundles of a served ledger.
#[derive(Debug)]
struct Bundles {
    door: Door,
    clock: Arc<dyn Clock>,
}

impl Evidence for Bundles {
    async fn bundle(&self, seat: &Seat, chain: ChainId, as_of: Day) -> Result<Vec<u8>, String> {
        let made = self.made(seat, chain, as_of).await;
        made.map_err(|error| explanation(&error).join("\n"))
    }
}

impl Bundles {
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
