//! What a process says of itself to whoever watches over it (`grpc.health.v1`), on the listener of its services and on
//! one of its own.
//!
//! The own listener is for an orchestrator on the same machine, whose probes speak neither TLS nor certificates: it takes
//! no other request but `GET /metrics`, tells nothing but these statuses and counts, and is off unless the configuration names an address for it.
//!
//! | service asked for | `SERVING` while |
//! |---|---|
//! | empty, or a service of the ledger | requests are taken, and the log answers as far as known |
//! | [`LIVENESS`] | the process runs; it depends on nothing outside, since a restart brings no log back |

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::routing::get;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::Log,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    codegen::http::{StatusCode, header::CONTENT_TYPE},
    service::Routes,
    transport::{
        Server,
        server::{Connected, TcpConnectInfo},
    },
};
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

/// Service name by which it is asked whether the process runs at all.
pub const LIVENESS: &str = "liveness";

/// The log is asked this often whether it answers. A probe of an orchestrator comes every some seconds as well.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// A log that takes longer to read one record counts as away.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections open at once on the listener of its own: a prober needs one for a moment.
const CONNECTIONS_MAX: usize = 32;

/// A prober keeps no connection; whoever does makes room for others after this long.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(60);

/// Media type of the metrics.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bytes of a request, which holds the name of a service.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// The statuses of a process; clones are the same statuses.
#[derive(Debug, Clone, Default)]
pub struct Health {
    reporter: HealthReporter,
    facts: Arc<Mutex<Facts>>,
}

#[derive(Debug)]
struct Facts {
    /// Names beside the empty one.
    services: Vec<&'static str>,
    /// Requests are taken.
    open: bool,
    /// The last that is known of the log.
    log_answers: bool,
}

impl Default for Facts {
    fn default() -> Self {
        Self { services: Vec::new(), open: false, log_answers: true }
    }
}

impl Health {
    /// Requests of these services are taken from now on.
    pub async fn opened(&self, services: impl IntoIterator<Item = &'static str>) {
        self.learn(|facts| {
            facts.services.extend(services);
            facts.open = true;
        })
        .await;
    }

    /// No new requests are taken any more.
    pub async fn closed(&self) {
        self.learn(|facts| facts.open = false).await;
    }

    /// The log answers, or is away.
    pub async fn log_answers(&self, answers: bool) {
        self.learn(|facts| facts.log_answers = answers).await;
    }

    /// The service of these statuses.
    pub(crate) fn service(&self) -> HealthServer<HealthService> {
        let service = HealthService::from_health_reporter(self.reporter.clone());
        HealthServer::new(service).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    async fn learn(&self, fact: impl FnOnce(&mut Facts)) {
        // Held to the end: of two who learn something at once, the later one's statuses stand.
        let mut facts = self.facts.lock().await;
        fact(&mut facts);
        let status = if facts.open && facts.log_answers { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in facts.services.iter().chain([&""]) {
            self.reporter.set_service_status(service, status).await;
        }
        self.reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
    }
}

/// What answers `GET /metrics`; none when it cannot be told now.
pub trait Metrics: Send + Sync + 'static {
    /// The metrics as they are, in the text format of OpenMetrics.
    fn text(&self) -> impl Future<Output = Option<String>> + Send;
}

/// Serves the statuses, and over HTTP/1.1 the metrics, without TLS, until the future is dropped. Whoever watches them does not
/// hold up a stop.
///
/// # Errors
/// The transport fails.
pub async fn serve<M: Metrics>(
    health: Health,
    metrics: Arc<M>,
    listener: TcpListener,
) -> Result<(), tonic::transport::Error> {
    // Until the services are open the statuses say so.
    health.learn(|_| {}).await;
    let answer = move || {
        let metrics = Arc::clone(&metrics);
        async move {
            let text = metrics.text().await.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
            Ok::<_, StatusCode>(([(CONTENT_TYPE, METRICS_TYPE)], text))
        }
    };
    let router = Routes::new(health.service()).into_axum_router().route("/metrics", get(answer));
    Server::builder()
        .accept_http1(true)
        .max_connection_age(CONNECTION_AGE_MAX)
        .add_routes(Routes::from(router))
        .serve_with_incoming(connections(listener))
        .await
}

/// Asks the log for the first record of a chain again and again, and reports whether it answers, until the future is
/// dropped. What the log answered last stays reported then.
pub async fn watch_log<L: Log>(log: &L, chain: ChainId, health: &Health) {
    watch_log_every(LOG_INTERVAL, log, chain, health).await;
}

async fn watch_log_every<L: Log>(period: Duration, log: &L, chain: ChainId, health: &Health) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answered = true;
    loop {
        ticks.tick().await;
        let answers = matches!(timeout(LOG_TIMEOUT, log.read(chain, Revision::FIRST, 1)).await, Ok(Ok(_)));
        match (answered, answers) {
            (true, false) => tracing::warn!("the log is away; this process says that it does not serve"),
            (false, true) => tracing::info!("the log answers again"),
            (true, true) | (false, false) => {}
        }
        answered = answers;
        health.log_answers(answers).await;
    }
}

/// A connection of the own listener.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// One of [`CONNECTIONS_MAX`], given back with the connection.
    _place: OwnedSemaphorePermit,
}

fn connections(listener: TcpListener) -> ReceiverStream<io::Result<Connection>> {
    let (ready, connections) = mpsc::channel(1);
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                () = ready.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, address)) = accepted else {
                // Out of file descriptors, or the peer went away: let others finish before the next try.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!(%address, CONNECTIONS_MAX, "too many connections ask for health; this one is closed");
                continue;
            };
            // The receiver is gone only when the process ends.
            drop(ready.send(Ok(Connection { stream, _place: place })).await);
        }
    });
    ReceiverStream::new(connections)
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
