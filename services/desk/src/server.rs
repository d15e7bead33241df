//! The server: every service on one listener, limits on everything, and a graceful stop.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use mediation_ledger::{limits::PART_BYTES_MAX, log::Log, vault::Vault};
use mediation_proto::{
    DeskInfo, FILE_DESCRIPTOR_SET,
    derived::DESKS,
    mediation::ledger::v1::{Reason, chain_service_server::ChainServiceServer, log_service_server::LogServiceServer},
};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tonic::{server::NamedService, service::RoutesBuilder, transport::Server};
use tonic_health::ServingStatus;

use crate::{
    answer::Answered,
    chains::Chains,
    desk::{self, Desk},
    listener::connections,
    node::Node,
    proofs::Proofs,
};

/// Bytes of a request: the parts of an act, and some framing. A larger one is refused before it is decoded.
pub const MESSAGE_BYTES_MAX: usize = 2 * PART_BYTES_MAX;

/// Requests under way on one connection.
const STREAMS_PER_CONNECTION_MAX: u32 = 256;

/// A silent connection is asked for a sign of life this often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// What a process serves beside health and reflection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Services {
    /// Keys of the desks ([`DeskInfo::key`](mediation_proto::DeskInfo::key)); all without it.
    pub desks: Option<BTreeSet<String>>,
}

impl Services {
    /// Whether the desk of this short name is served.
    pub(crate) fn serves(&self, name: &str) -> bool {
        let key = DESKS.iter().find(|desk| desk.name == name).map(DeskInfo::key);
        key.is_some_and(|key| self.desks.as_ref().is_none_or(|desks| desks.contains(&key)))
    }
}

/// Serves until told to stop, then finishes what is under way.
///
/// # Errors
/// The listener fails, or the descriptors of the reflection service are damaged.
pub async fn serve<L: Log, V: Vault>(
    node: Arc<Node<L, V>>,
    services: &Services,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let mut routes = RoutesBuilder::default();
    desk::mount(&mut routes, &Desk::new(Arc::clone(&node)), services, MESSAGE_BYTES_MAX);
    let chains = ChainServiceServer::new(Chains::new(Arc::clone(&node)));
    let proofs = LogServiceServer::new(Proofs::new(Arc::clone(&node)));
    let desks = DESKS.iter().filter(|desk| services.serves(desk.name)).map(|desk| desk.service);
    let services: Vec<&str> = desks.chain([name_of(&chains), name_of(&proofs), ""]).collect();
    routes
        .add_service(Answered::new(chains, Reason::LogUnavailable))
        .add_service(Answered::new(proofs, Reason::LogUnavailable));
    let (health, health_service) = tonic_health::server::health_reporter();
    for service in &services {
        health.set_service_status(service, ServingStatus::Serving).await;
    }
    routes.add_service(health_service);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    routes.add_service(reflection);
    let stop = async move {
        stop.await;
        for service in services {
            health.set_service_status(service, ServingStatus::NotServing).await;
        }
        node.end_streams();
    };
    Server::builder()
        .concurrency_limit_per_connection(STREAMS_PER_CONNECTION_MAX as usize)
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .add_routes(routes.routes())
        .serve_with_incoming_shutdown(connections(listener, tls), stop)
        .await?;
    Ok(())
}

fn name_of<S: NamedService>(_service: &S) -> &'static str {
    S::NAME
}

/// Why serving ended otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors are damaged.
    #[error(transparent)]
    Reflection(#[from] tonic_reflection::server::Error),
}
