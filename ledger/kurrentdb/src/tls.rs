//! The order in which a process may choose its TLS provider.
//!
//! The client's crate installs `aws-lc-rs` as the provider of the process when its first client is built, and panics in
//! a task of its own when one is installed already; from then on none of its clients works. The ledger's own TLS names
//! its provider at each place and does not ask for the process's, but other crates do.

use std::time::Duration;

use crate::{es, link::Live, options::OpenError};

/// How long a client takes to find that nobody listens.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Lets the client's crate install its TLS provider, so that whoever wants the process's one finds it. To be called
/// before anything else installs one; opening a log does it, too.
///
/// # Errors
///
/// [`OpenError::TlsProvider`] when another one came first, [`OpenError::Runtime`].
pub async fn prepare_tls() -> Result<(), OpenError> {
    // Nobody listens there. A client that came through its start says so; one that panicked is closed.
    let nobody = "esdb://127.0.0.1:1?tls=false&tlsCaFile=/dev/null&maxDiscoverAttempts=2&discoveryInterval=1";
    let address = |reason: String| OpenError::Address { address: nobody.to_owned(), reason };
    let settings: es::ClientSettings = nobody.parse().map_err(|error| address(format!("{error}")))?;
    let live = Live::build(0, settings).await.map_err(|failure| address(failure.to_string()))?;
    let client = live.client();
    let asked = live.run(async move { client.server_info().await.err() });
    match tokio::time::timeout(TIMEOUT, asked).await {
        Ok(Ok(Some(es::Error::ConnectionClosed))) => Err(OpenError::TlsProvider),
        Ok(Ok(_)) if rustls::crypto::CryptoProvider::get_default().is_some() => Ok(()),
        Ok(_) | Err(_) => Err(OpenError::TlsProvider),
    }
}
