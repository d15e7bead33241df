//! The protocol's services, one seat for each node.

mod append;
mod batch;
mod node;
mod read;
mod streams;

use std::sync::Arc;

use tonic::transport::{Server, server::Router};
use uuid::Uuid;

use crate::{
    cluster::Cluster,
    wire::event_store::client::{
        StreamIdentifier, Uuid as WireUuid,
        gossip::gossip_server::GossipServer,
        persistent_subscriptions::persistent_subscriptions_server::PersistentSubscriptionsServer,
        server_features::server_features_server::ServerFeaturesServer,
        streams::streams_server::StreamsServer,
        uuid::{Structured, Value},
    },
};

/// One node's view of the cluster; it answers all services.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    cluster: Arc<Cluster>,
    node: usize,
}

impl Seat {
    pub(crate) fn new(cluster: Arc<Cluster>, node: usize) -> Self {
        Self { cluster, node }
    }

    pub(crate) fn mount(self, server: &mut Server) -> Router {
        let streams = StreamsServer::new(self.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(REPLY_BYTES_MAX);
        server
            .add_service(streams)
            .add_service(GossipServer::new(self.clone()))
            .add_service(PersistentSubscriptionsServer::new(self.clone()))
            .add_service(ServerFeaturesServer::new(self))
    }
}

fn stream_name(identifier: Option<StreamIdentifier>) -> Result<String, tonic::Status> {
    let name = identifier.map(|identifier| identifier.stream_name).unwrap_or_default();
    match String::from_utf8(name.to_vec()) {
        Ok(name) if !name.is_empty() && name != "$$" => Ok(name),
        Ok(_) | Err(_) => Err(tonic::Status::invalid_argument("'stream_identifier' is a required argument")),
    }
}

fn identifier(stream: &str) -> Option<StreamIdentifier> {
    Some(StreamIdentifier { stream_name: stream.as_bytes().to_vec().into() })
}

fn uuid(wire: Option<WireUuid>) -> Result<Uuid, tonic::Status> {
    let missing = || tonic::Status::invalid_argument("'id' is a required argument");
    match wire.and_then(|wire| wire.value).ok_or_else(missing)? {
        Value::Structured(Structured { most_significant_bits, least_significant_bits }) => {
            Ok(Uuid::from_u64_pair(most_significant_bits.cast_unsigned(), least_significant_bits.cast_unsigned()))
        }
        Value::String(text) => text.parse().map_err(|_| missing()),
    }
}

fn wire_uuid(id: Uuid, as_text: bool) -> Option<WireUuid> {
    let value = if as_text {
        Value::String(id.to_string())
    } else {
        let (most, least) = id.as_u64_pair();
        Value::Structured(Structured {
            most_significant_bits: most.cast_signed(),
            least_significant_bits: least.cast_signed(),
        })
    };
    Some(WireUuid { value: Some(value) })
}

/// What a server takes in one message.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024 - 10_000;
/// What clients take in one reply.
const REPLY_BYTES_MAX: usize = 17 * 1024 * 1024;
