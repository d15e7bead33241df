//! What a node tells about itself and its cluster: features, gossip, and that there are no persistent subscriptions.

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Seat, wire_uuid};
use crate::{
    refusal,
    store::ticks_now,
    wire::event_store::client::{
        Empty,
        gossip::{ClusterInfo, EndPoint, MemberInfo, gossip_server::Gossip, member_info::VNodeState},
        persistent_subscriptions::{ListReq, ListResp, persistent_subscriptions_server::PersistentSubscriptions},
        server_features::{SupportedMethod, SupportedMethods, server_features_server::ServerFeatures},
    },
};

#[tonic::async_trait]
impl ServerFeatures for Seat {
    async fn get_supported_methods(&self, _: Request<Empty>) -> Result<Response<SupportedMethods>, Status> {
        let methods = METHODS.iter().map(|(service, method)| SupportedMethod {
            method_name: (*method).to_owned(),
            service_name: (*service).to_owned(),
            features: Vec::new(),
        });
        Ok(Response::new(SupportedMethods {
            methods: methods.collect(),
            event_store_server_version: VERSION.to_owned(),
        }))
    }
}

#[tonic::async_trait]
impl Gossip for Seat {
    async fn read(&self, _: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        let leader = self.cluster.leader();
        let members = self.cluster.nodes.iter().enumerate().map(|(index, node)| {
            let state = if index == leader { VNodeState::Leader } else { VNodeState::Follower };
            MemberInfo {
                instance_id: wire_uuid(Uuid::from_u64_pair(0, index as u64), false),
                time_stamp: ticks_now().cast_signed(),
                state: state.into(),
                is_alive: self.cluster.is_alive(index),
                http_end_point: Some(EndPoint {
                    address: node.address.ip().to_string(),
                    port: u32::from(node.address.port()),
                }),
            }
        });
        Ok(Response::new(ClusterInfo { members: members.collect() }))
    }
}

#[tonic::async_trait]
impl PersistentSubscriptions for Seat {
    async fn list(&self, _: Request<ListReq>) -> Result<Response<ListResp>, Status> {
        Err(refusal::no_subscription())
    }
}

/// A server with long-term support.
const VERSION: &str = "26.0.3";

/// Service and method, in lower case as the server gives them.
const METHODS: &[(&str, &str)] = &[
    ("event_store.client.streams.streams", "append"),
    ("event_store.client.streams.streams", "batchappend"),
    ("event_store.client.streams.streams", "delete"),
    ("event_store.client.streams.streams", "read"),
    ("event_store.client.streams.streams", "tombstone"),
    ("event_store.client.gossip.gossip", "read"),
    ("event_store.client.persistent_subscriptions.persistentsubscriptions", "list"),
    ("event_store.client.server_features.serverfeatures", "getsupportedmethods"),
];
