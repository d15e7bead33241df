//! The server: every service on one listener, limits on everything, and a graceful stop.

use std::{future::Future, sync::Arc, time::Duration};

use mediation_ledger::{limits::PART_BYTES_MAX, log::Log, vault::Vault};
use mediation_proto::{
    FILE_DESCRIPTOR_SET,
    derived::DESKS,
    mediation::ledger::v1::{
        Reason, access_service_server::AccessServiceServer, audit_service_server::AuditServiceServer,
        chain_service_server::ChainServiceServer, docket_service_server::DocketServiceServer,
        figures_service_server::FiguresServiceServer, gateway_service_server::GatewayServiceServer,
        identity_service_server::IdentityServiceServer, log_service_server::LogServiceServer,
        registry_service_server::RegistryServiceServer, vault_service_server::VaultServiceServer,
    },
};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tonic::{server::NamedService, service::RoutesBuilder, transport::Server};

use crate::{
    access_log::AccessLog,
    agencies::Agencies,
    answer::Answered,
    chains::Chains,
    desk::{self, Desk},
    docket::Docket,
    figures::NodeFigures,
    gate::{Door, Gate},
    gateway::Gateway,
    health::Health,
    limits::Limits,
    listener::connections,
    metrics::Requests,
    node::Node,
    proofs::Proofs,
    search::Search,
    subjects::{Pseudonyms, Subjects},
    vault::Custodian,
};

/// Bytes of a request: the parts of an act, and some framing. A larger one is refused before it is decoded.
pub const MESSAGE_BYTES_MAX: usize = 2 * PART_BYTES_MAX;

/// Bytes by which a request to the vault may be longer than the one to a desk that it is made for.
const VAULT_MESSAGE_EXTRA_BYTES: usize = 1_024;

/// What a process serves.
#[derive(Debug)]
pub struct Served<L, V> {
    /// The desks, chains and proofs.
    pub node: Option<Arc<Node<L, V>>>,
    /// The vault, for other processes.
    pub vault: Option<Arc<Custodian<L, V>>>,
    /// Makes pseudonyms, where there is a key for them.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
    /// What callers may do at once.
    pub limits: Limits,
}

/// Serves until told to stop, then finishes what is under way. The health of the process says that requests are taken
/// from here on, and no longer when it is told to stop.
///
/// # Errors
/// The listener fails, or the descriptors of the reflection service are damaged.
pub async fn serve<L: Log, V: Vault>(
    served: Served<L, V>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    health: Health,
    requests: Requests,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let mut routes = RoutesBuilder::default();
    let (mut services, limits) = (Vec::new(), served.limits);
    if let Some(node) = &served.node {
        services.extend(mount(&mut routes, node, served.pseudonyms, limits.answer));
    }
    if let Some(vault) = served.vault {
        let bytes_max = MESSAGE_BYTES_MAX + VAULT_MESSAGE_EXTRA_BYTES;
        let vault = VaultServiceServer::from_arc(vault).max_decoding_message_size(bytes_max);
        services.push(name_of(&vault));
        routes.add_service(Answered::new(vault, Reason::LogUnavailable, limits.answer));
    }
    let node = served.node;
    let gate = Gate::new(node.clone().map(|node| node as Arc<dyn Door>), &requests);
    routes.add_service(health.service());
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    routes.add_service(reflection);
    health.opened(services).await;
    let stop = async move {
        stop.await;
        health.closed().await;
        if let Some(node) = node {
            node.end_streams();
        }
    };
    Server::builder()
        .layer(gate)
        .layer(requests)
        .max_concurrent_streams(limits.requests_per_connection)
        .http2_max_header_list_size(limits.header_bytes)
        .http2_max_pending_accept_reset_streams(Some(limits.pending_resets as usize))
        .http2_keepalive_interval(Some(limits.keepalive_interval))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .max_connection_age(limits.connection_age)
        .max_connection_age_grace(limits.connection_age_grace)
        .add_routes(routes.routes())
        .serve_with_incoming_shutdown(connections(listener, tls, limits.connections as usize), stop)
        .await?;
    Ok(())
}

/// Mounts desks, chains, proofs and pseudonyms; gives their names.
fn mount<L: Log, V: Vault>(
    routes: &mut RoutesBuilder,
    node: &Arc<Node<L, V>>,
    pseudonyms: Option<Arc<Pseudonyms>>,
    within: Duration,
) -> Vec<&'static str> {
    desk::mount(routes, &Desk::new(Arc::clone(node)), MESSAGE_BYTES_MAX, within);
    let chains = ChainServiceServer::new(Chains::new(Arc::clone(node)));
    let proofs = LogServiceServer::new(Proofs::new(Arc::clone(node)));
    let scope = node.scope();
    let desks = DESKS.iter().filter(|desk| scope.serves(desk.name)).map(|desk| desk.service);
    let mut services: Vec<&str> = desks.chain([name_of(&proofs)]).collect();
    routes.add_service(Answered::new(proofs, Reason::LogUnavailable, within));
    if scope.chains {
        services.push(name_of(&chains));
        routes.add_service(Answered::new(chains, Reason::LogUnavailable, within));
        let accesses = AccessServiceServer::new(AccessLog::new(Arc::clone(node)));
        services.push(name_of(&accesses));
        routes.add_service(Answered::new(accesses, Reason::LogUnavailable, within));
        let search = AuditServiceServer::new(Search::new(Arc::clone(node)));
        services.push(name_of(&search));
        routes.add_service(Answered::new(search, Reason::LogUnavailable, within));
        let docket = DocketServiceServer::new(Docket::new(Arc::clone(node)));
        services.push(name_of(&docket));
        routes.add_service(Answered::new(docket, Reason::LogUnavailable, within));
        let figures = FiguresServiceServer::new(NodeFigures::new(Arc::clone(node)));
        services.push(name_of(&figures));
        routes.add_service(Answered::new(figures, Reason::LogUnavailable, within));
        let agencies = RegistryServiceServer::new(Agencies::new(Arc::clone(node)));
        services.push(name_of(&agencies));
        routes.add_service(Answered::new(agencies, Reason::LogUnavailable, within));
        let gateway = GatewayServiceServer::new(Gateway::new(Arc::clone(node)));
        let gateway = gateway.max_decoding_message_size(MESSAGE_BYTES_MAX);
        services.push(name_of(&gateway));
        routes.add_service(Answered::new(gateway, Reason::OutcomeUnknown, within));
        let subjects = IdentityServiceServer::new(Subjects::new(Arc::clone(node), pseudonyms));
        services.push(name_of(&subjects));
        routes.add_service(Answered::new(subjects, Reason::LogUnavailable, within));
    }
    services
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
