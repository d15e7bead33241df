//! How a cluster is reached, and what makes that unsafe.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::es;

/// Appends that may be under way at once. A call has a floor of some 44 ms (the client's crate leaves Nagle's algorithm on),
/// which this many hide.
const IN_FLIGHT_DEFAULT: usize = 64;

/// What stands in for certificates where no TLS is used: without a file the client's crate loads those of the system even
/// then, and panics when one is odd.
const NO_AUTHORITIES: &str = "/dev/null";

/// How a cluster is reached.
#[derive(Debug, Clone)]
pub struct KurrentOptions {
    /// Connection string without credentials, such as `esdb://a:2113,b:2113,c:2113?tls=true`.
    pub address: String,
    /// Certificates (PEM) of those who vouch for the nodes. Needed with TLS.
    pub authorities: Option<PathBuf>,
    /// User of this process; none on a cluster without users.
    pub credentials: Option<Credentials>,
    /// How long one attempt of an append may take. All attempts of one append
    /// together take at most twice as long, and once more for a look at what stands.
    pub append_timeout: Duration,
    /// How long a page may take.
    pub read_timeout: Duration,
    /// Appends that may be under way at once; beyond them the queue is full.
    pub in_flight: usize,
}

impl KurrentOptions {
    /// Options with the defaults: 5 s for an append, 10 s for a page, 64 appends at once.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            authorities: None,
            credentials: None,
            append_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            in_flight: IN_FLIGHT_DEFAULT,
        }
    }
}

/// A user of the engine.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name.
    pub name: String,
    /// Password, in clear: the engine takes nothing else.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a log cannot be opened. A cluster that cannot be reached is no reason: the log waits for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address is none.
    #[error("`{address}` is no address of a cluster: {reason}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address names a user: it would stand in logs.
    #[error("the address of the cluster holds credentials")]
    CredentialsInAddress,
    /// The address turns the check of certificates off.
    #[error("the address of the cluster turns the check of certificates off")]
    Unverified,
    /// The address asks for followers, which may be behind what was acknowledged.
    #[error("the address of the cluster asks for another node than the leader")]
    NotLeader,
    /// TLS is on, and nobody vouches for the nodes.
    #[error("the cluster is reached over TLS, and no file names the authorities of its nodes")]
    NoAuthorities,
    /// The file of authorities cannot be used.
    #[error("the file `{}` holds no usable certificates", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody installed a TLS provider before the client's crate could, which it does not survive.
    #[error("a TLS provider was installed in this process before `prepare_tls`")]
    TlsProvider,
    /// No thread for the client.
    #[error("no runtime for the client")]
    Runtime(#[source] io::Error),
}

/// The settings of the client's crate, with what it must not be left to choose.
pub(crate) fn settings(options: &KurrentOptions) -> Result<es::ClientSettings, OpenError> {
    let reason = |reason: String| OpenError::Address { address: options.address.clone(), reason };
    if options.address.contains('@') {
        return Err(OpenError::CredentialsInAddress);
    }
    let (hosts, query) = options.address.split_once('?').unwrap_or((&options.address, ""));
    let given: es::ClientSettings = options.address.parse().map_err(|error| reason(format!("{error}")))?;
    if given.is_secure_mode_enabled() {
        let path = options.authorities.as_deref().ok_or(OpenError::NoAuthorities)?;
        check_authorities(path).map_err(|source| OpenError::Authorities { path: path.to_owned(), source })?;
        if !given.is_tls_certificate_verification_enabled() {
            return Err(OpenError::Unverified);
        }
    }
    if given.node_preference() != es::NodePreference::Leader {
        return Err(OpenError::NotLeader);
    }
    let authorities = options.authorities.as_deref().filter(|_path| given.is_secure_mode_enabled());
    let authorities = authorities.map_or_else(|| NO_AUTHORITIES.into(), Path::to_string_lossy);
    // A slash before the question mark would become a host without a name. The waits between attempts are the link's.
    let complete = format!(
        "{}?discoveryInterval=50&gossipTimeout=2000&{query}&tlsCaFile={}&connectionName=mediation",
        hosts.trim_end_matches('/'),
        percent_encoded(&authorities),
    );
    complete.parse().map_err(|error| reason(format!("{error}")))
}

/// The client's crate panics over a file that it cannot use, out of anybody's sight.
fn check_authorities(path: &Path) -> io::Result<()> {
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| invalid(error.to_string()))? {
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
    }
    if roots.is_empty() { Err(invalid("no certificate".to_owned())) } else { Ok(()) }
}

/// The crate takes every comma of an address for one between hosts.
fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(encoded).collect()
}
