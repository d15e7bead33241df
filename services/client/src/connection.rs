//! A mutually authenticated channel.

use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as TlsIdentity};

/// Time a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time one call may take; a sealed receipt takes some milliseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// PEM texts of a client: who vouches for the server, and who the client is.
#[derive(Clone)]
pub struct Identity {
    /// Certificates that the server must chain to.
    pub server_authorities: Vec<u8>,
    /// The client's certificate chain and key; without them the ledger answers every call with `NO_CERTIFICATE`.
    pub certificate_and_key: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("certified", &self.certificate_and_key.is_some()).finish_non_exhaustive()
    }
}

/// A channel to a ledger.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The channel; cheap to clone, calls share one connection.
    pub channel: Channel,
}

impl Connection {
    /// Connects to `HOST:PORT`. The server's certificate must be valid for `HOST`.
    ///
    /// # Errors
    /// The address is malformed, nobody answers, or the handshake fails.
    pub async fn open(address: &str, identity: &Identity) -> Result<Self, tonic::transport::Error> {
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&identity.server_authorities));
        if let Some((certificate, key)) = &identity.certificate_and_key {
            tls = tls.identity(TlsIdentity::from_pem(certificate, key));
        }
        let channel = Endpoint::from_shared(format!("https://{address}"))?
            .tls_config(tls)?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .tcp_nodelay(true)
            .connect()
            .await?;
        Ok(Self { channel })
    }
}
