//! Mutual TLS 1.3, as the ledger has it.

use std::{fs, io, path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier, version::TLS13},
    server::TlsStream,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Connections that wait to be served.
const WAITING_MAX: usize = 16;

/// Certificates of one side of a connection, as PEM texts.
#[derive(Clone)]
pub struct Tls {
    /// Who vouches for the other side.
    authority: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads them from three files: authority, certificate, key.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(authority: &Path, certificate: &Path, key: &Path) -> Result<Self> {
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read `{}`", path.display()));
        Ok(Self { authority: read(authority)?, certificate: read(certificate)?, key: read(key)? })
    }

    /// For one who calls.
    pub(crate) fn client(&self) -> ClientTlsConfig {
        let identity = Identity::from_pem(&self.certificate, &self.key);
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.authority)).identity(identity)
    }

    /// Connections on a listener, their handshakes done.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub(crate) fn connections(
        &self,
        listener: TcpListener,
    ) -> Result<ReceiverStream<io::Result<TlsStream<TcpStream>>>> {
        let acceptor = TlsAcceptor::from(Arc::new(self.server()?));
        let (ready, connections) = mpsc::channel(WAITING_MAX);
        tokio::spawn(async move {
            while let Ok((socket, _address)) = listener.accept().await {
                let (acceptor, ready) = (acceptor.clone(), ready.clone());
                tokio::spawn(async move {
                    socket.set_nodelay(true)?;
                    // Nobody is there to take it when the server has ended.
                    drop(ready.send(Ok(acceptor.accept(socket).await?)).await);
                    io::Result::Ok(())
                });
            }
        });
        Ok(ReceiverStream::new(connections))
    }

    fn server(&self) -> Result<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&self.authority) {
            roots.add(certificate?)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
        let certificates = CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<Vec<_>, _>>()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates, PrivateKeyDer::from_pem_slice(&self.key)?)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}
