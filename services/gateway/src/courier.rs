//! Brings requests to witnesses and other services, over HTTP or HTTPS.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Uri, header::CONTENT_TYPE};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use mediation_projections::witnesses::Courier;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Bytes of a witness's answer: a signature line has some hundred, and a witness may send several.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// What is posted, and what may come back.
#[derive(Debug, Clone)]
pub struct Post {
    /// Media type of the body.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Bytes,
    /// Bytes that an answer may have; a longer one is an error.
    pub answer_bytes_max: usize,
    /// Time for the whole exchange.
    pub timeout: Duration,
}

/// Posts requests over connections that are kept.
#[derive(Clone)]
pub struct HttpCourier {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpCourier {
    /// A courier that trusts these authorities (PEM) for `https` addresses; without any, only `http` reaches a witness.
    /// That is enough for the truth of a cosignature, which is checked by itself.
    ///
    /// # Errors
    /// The authorities are not certificates.
    pub fn new(authorities: Option<&[u8]>) -> Result<Self, CourierError> {
        let connector = connector(authorities)?;
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// Posts a body; gives the HTTP status and the answer.
    ///
    /// # Errors
    /// Why there is no answer, in words: nobody listens, it came too late, or it is too long.
    pub async fn exchange(&self, url: &str, post: Post) -> Result<(u16, Vec<u8>), String> {
        let timeout = post.timeout;
        let sent = tokio::time::timeout(timeout, self.send(url, post)).await;
        sent.unwrap_or_else(|_| Err(format!("not within {} ms", timeout.as_millis())))
    }

    async fn send(&self, url: &str, post: Post) -> Result<(u16, Vec<u8>), String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no address"))?;
        let request = Request::post(uri).header(CONTENT_TYPE, post.content_type);
        let request = post.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let request = request.body(Full::from(post.body)).map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| causes(&error))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), post.answer_bytes_max).collect().await;
        let body = body.map_err(|error| causes(error.as_ref()))?;
        Ok((status, body.to_bytes().to_vec()))
    }
}

impl Courier for HttpCourier {
    async fn post(&self, url: &str, body: String, timeout: Duration) -> Result<(u16, Vec<u8>), String> {
        let content_type = "text/plain; charset=utf-8";
        let (body, answer_bytes_max) = (body.into(), ANSWER_BYTES_MAX);
        self.exchange(url, Post { content_type, headers: Vec::new(), body, answer_bytes_max, timeout }).await
    }
}

impl fmt::Debug for HttpCourier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpCourier")
    }
}

/// Connections over HTTP, and over HTTPS to whom these authorities (PEM) vouch for.
pub(crate) fn connector(authorities: Option<&[u8]>) -> Result<HttpsConnector<HttpConnector>, CourierError> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities.into_iter().flat_map(CertificateDer::pem_slice_iter) {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build())
}

/// An error with what caused it: `client error (Connect)` alone says nothing.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Why there can be no courier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CourierError {
    /// No PEM, or not the PEM that was expected.
    #[error("the authorities are not certificates in PEM: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The certificates cannot be used.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}
