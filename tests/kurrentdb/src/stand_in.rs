//! Starting and stopping.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_rustls::rustls::{ServerConfig, crypto::ring};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use crate::{
    cluster::{Cluster, Node},
    faults::Faults,
    link,
    services::Seat,
    store::Store,
};

/// How a stand-in is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen, one address for each node of the cluster; port 0 takes a free one. The first node leads.
    pub listen: Vec<SocketAddr>,
    /// Where the journal is kept; without one, all is forgotten at the end.
    pub directory: Option<PathBuf>,
    /// Certificate chain and key, in PEM; without them, connections are in the clear.
    pub tls: Option<Tls>,
    /// Who may call; nobody named means that everybody may do everything.
    pub users: Vec<User>,
    /// Bytes of one append; the default is that of servers up to 25.0.
    pub append_bytes_max: usize,
    /// Bytes of one event.
    pub event_bytes_max: usize,
    /// Whether reads of a stream tell positions in `$all`. The client must not need them; servers differ.
    pub stream_positions: bool,
    /// Whether the answer to a replayed append tells a position. The client must not need it; servers differ.
    pub replay_positions: bool,
    /// Whether the kernel may put off its acknowledgements, as it does on other servers. Calls of `eventstore` then take some
    /// 44 ms.
    pub delayed_acknowledgements: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            directory: None,
            tls: None,
            users: Vec::new(),
            append_bytes_max: 1024 * 1024,
            event_bytes_max: 16 * 1024 * 1024,
            stream_positions: false,
            replay_positions: false,
            delayed_acknowledgements: false,
        }
    }
}

impl Options {
    /// A cluster of `nodes` nodes on free ports of this machine.
    #[must_use]
    pub fn cluster(nodes: usize) -> Self {
        Self { listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); nodes], ..Self::default() }
    }
}

/// What a server shows to its clients.
#[derive(Clone)]
pub struct Tls {
    /// Its own certificate first, in PEM.
    pub certificates: Vec<u8>,
    /// In PEM.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tls")
    }
}

/// Somebody who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Of the account; it counts as a role too.
    pub name: String,
    /// In the clear: these are accounts of a test.
    pub password: String,
    /// The roles; `$admins` may do everything.
    pub groups: Vec<String>,
}

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct StandIn {
    cluster: Arc<Cluster>,
    tasks: Vec<JoinHandle<()>>,
}

impl StandIn {
    /// Starts all nodes; they serve when this returns.
    ///
    /// # Errors
    ///
    /// An address cannot be listened on, the journal cannot be read or belongs to another process, or certificate and
    /// key do not fit.
    pub async fn start(options: Options) -> io::Result<Self> {
        let tls = options.tls.as_ref().map(server_config).transpose()?;
        let store = Store::open(options.directory.as_deref())?;
        let mut listeners = Vec::new();
        let mut nodes = Vec::new();
        for address in &options.listen {
            let listener = TcpListener::bind(address).await?;
            nodes.push(Node::new(listener.local_addr()?, !options.delayed_acknowledgements));
            listeners.push(listener);
        }
        let cluster = Arc::new(Cluster::new(options, nodes, store));
        let mut tasks = Vec::new();
        for (index, (listener, node)) in listeners.into_iter().zip(&cluster.nodes).enumerate() {
            let (accepted, connections) = mpsc::channel(16);
            tasks.push(tokio::spawn(link::accept(listener, node.wire.clone(), tls.clone(), accepted)));
            let seat = Seat::new(cluster.clone(), index);
            tasks.push(tokio::spawn(async move {
                let serving = seat.mount(&mut Server::builder());
                // The connections never fail as a whole: each is closed by itself.
                serving.serve_with_incoming(ReceiverStream::new(connections)).await.ok();
            }));
        }
        Ok(Self { cluster, tasks })
    }

    /// The address of the first node.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.cluster.nodes.first().map_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |node| node.address)
    }

    /// The addresses of all nodes.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.cluster.nodes.iter().map(|node| node.address).collect()
    }

    /// What a client connects to. Over TLS it must add `tlsCaFile`.
    #[must_use]
    pub fn uri(&self) -> String {
        let addresses = self.cluster.nodes.iter().map(|node| node.address.to_string()).collect::<Vec<_>>().join(",");
        format!("esdb://{addresses}?tls={}", self.cluster.options.tls.is_some())
    }

    /// The faults on command.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::new(self.cluster.clone())
    }

    /// Cuts all connections and frees ports and directory.
    pub async fn stop(mut self) {
        self.end();
        for task in &mut self.tasks {
            // It was told to end; how it did does not matter.
            task.await.ok();
        }
    }

    fn end(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.faults().cut();
        self.cluster.store().close();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.end();
    }
}

fn server_config(tls: &Tls) -> io::Result<Arc<ServerConfig>> {
    let certificates = CertificateDer::pem_slice_iter(&tls.certificates).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(&tls.key).map_err(io::Error::other)?;
    // Named here, as the process may hold several providers and have chosen none.
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let mut config = builder.with_no_client_auth().with_single_cert(certificates, key).map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}
