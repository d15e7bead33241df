//! Reads a served log, over HTTP or HTTPS, with a bound on every answer and on the time that it may take.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::courier::{CourierError, causes, connector};

/// A log at an address.
#[derive(Clone)]
pub struct LogReader {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    timeout: Duration,
}

impl LogReader {
    /// Reads below an address such as `http://ledger.example:7480`. Only `https` addresses need the authorities (PEM);
    /// what is read proves itself.
    ///
    /// # Errors
    /// The authorities are not certificates.
    pub fn new(url: &str, authorities: Option<&[u8]>, timeout: Duration) -> Result<Self, CourierError> {
        let client = Client::builder(TokioExecutor::new()).build(connector(authorities)?);
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), timeout })
    }

    /// What stands at a path of the log, of at most so many bytes; none when nothing does.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn read(&self, path: &str, bytes_max: usize) -> Result<Option<Bytes>, Unread> {
        let url = format!("{}/{path}", self.url);
        let unread = |cause: String| Unread { url: url.clone(), cause };
        let asked = tokio::time::timeout(self.timeout, self.ask(&url, bytes_max)).await;
        asked.unwrap_or_else(|_| Err(format!("not within {} ms", self.timeout.as_millis()))).map_err(unread)
    }

    async fn ask(&self, url: &str, bytes_max: usize) -> Result<Option<Bytes>, String> {
        let uri: Uri = url.parse().map_err(|_| "no address".to_owned())?;
        let request = Request::get(uri).body(Full::default()).map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| causes(&error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(format!("status {}", status.as_u16())),
        }
        let body = Limited::new(answer.into_body(), bytes_max).collect().await;
        Ok(Some(body.map_err(|error| causes(error.as_ref()))?.to_bytes()))
    }
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why a log could not be read. It says nothing about the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` cannot be read: {cause}")]
pub struct Unread {
    /// Address.
    pub url: String,
    /// No answer, no answer in time, another status, or more bytes than may be.
    pub cause: String,
}
