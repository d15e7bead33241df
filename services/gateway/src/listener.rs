//! An HTTP/1.1 listener with a bound on everything: connections, time until the head of a request, its body, its answer. In plain,
//! or over TLS with client certificates.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

/// Connections open at once. Each takes a file descriptor, and the log needs some too.
const CONNECTIONS_MAX: usize = 1_024;

/// Time until the head of a request is there, and a silent connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Time until a request is answered, with its body read.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Time that requests under way are waited for at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Time that a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The official whom the certificate of a connection names; an extension of each of its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Official(pub String);

/// Whom a client's certificate (DER) names, if it names an official.
pub type NamesOfficial = Arc<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// TLS of a listener.
#[derive(Clone)]
pub struct Tls {
    /// Certificate, key, and who may vouch for clients.
    pub config: Arc<ServerConfig>,
    /// Whom a certificate names, which the handshake has verified.
    pub official: NamesOfficial,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Serves until told to stop, then finishes what is under way.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    accept(listener, router, None, stop).await;
}

/// The same over TLS.
pub async fn serve_tls(listener: TcpListener, router: Router, tls: Tls, stop: impl Future<Output = ()>) {
    accept(listener, router, Some(tls), stop).await;
}

async fn accept(listener: TcpListener, router: Router, tls: Option<Tls>, stop: impl Future<Output = ()>) {
    let router = router.layer(middleware::from_fn(in_time));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or the peer went away: let others finish before the next try.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%address, CONNECTIONS_MAX, "too many connections; this one is closed");
            continue;
        };
        let (router, watcher, tls) = (router.clone(), graceful.watcher(), tls.clone());
        tokio::spawn(async move {
            let ended = match tls {
                None => watcher.watch(connection(socket, router)).await.map_err(|error| error.to_string()),
                Some(tls) => match secured(socket, &tls).await {
                    Ok((stream, official)) => {
                        let router = match official {
                            Some(official) => router.layer(Extension(official)),
                            None => router,
                        };
                        watcher.watch(connection(stream, router)).await.map_err(|error| error.to_string())
                    }
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = ended {
                tracing::debug!(%address, %error, "a connection ended early");
            }
            drop(place);
        });
    }
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("open connections did not end in time and are cut");
    }
}

/// Shakes hands; the connection, and whom its certificate names.
async fn secured(socket: TcpStream, tls: &Tls) -> Result<(TlsStream<TcpStream>, Option<Official>), String> {
    let handshake = TlsAcceptor::from(Arc::clone(&tls.config)).accept(socket);
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(|error| error.to_string())?;
    let stream = stream.map_err(|error| error.to_string())?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let official = certificate.and_then(|certificate| (tls.official)(certificate)).map(Official);
    Ok((stream, official))
}

type Connection<S> = hyper::server::conn::http1::Connection<TokioIo<S>, TowerToHyperService<Router>>;

fn connection<S: AsyncRead + AsyncWrite + Unpin>(socket: S, router: Router) -> Connection<S> {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.serve_connection(TokioIo::new(socket), TowerToHyperService::new(router))
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response(),
    }
}
