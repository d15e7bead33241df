//! The log as it comes in, and matters between the centers.

use bytes::Bytes;
use mediation_ledger::merkle::{Hash, hash_leaf};
use mediation_proto::mediation::ledger::v1::{
    FollowActsRequest, FollowActsResponse, FollowedAct, HandleJointlyRequest, HandleJointlyResponse,
    MirrorLeavesRequest, MirrorLeavesResponse, MirroredLeaf, SubmitIntakeRequest, SubmitIntakeResponse,
    gateway_service_client::GatewayServiceClient, record_stream_response,
};
use tonic::Streaming;

use super::{ANSWER_BYTES_MAX, Asked, Client, ClientError};
use crate::trust::TrustError;

/// Leaves of the log as they come in.
#[derive(Debug)]
pub struct Mirrored {
    leaves: Streaming<MirrorLeavesResponse>,
}

impl Mirrored {
    /// The next leaves, none at the end: the hash of each, and the entry under it where it was given.
    ///
    /// # Errors
    /// The ledger refuses or is away, or an entry is not the one under its hash.
    pub async fn next(&mut self) -> Result<Vec<(Hash, Option<Bytes>)>, ClientError> {
        let Some(answer) = self.leaves.message().await.map_err(Box::new)? else { return Ok(Vec::new()) };
        let leaves = answer.leaves.into_iter().map(|MirroredLeaf { leaf_hash, entry }| {
            let hash = Hash(leaf_hash.as_ref().try_into().ok()?);
            let is_right = entry.is_empty() || hash_leaf(&entry) == hash;
            is_right.then(|| (hash, Some(entry).filter(|entry| !entry.is_empty())))
        });
        leaves.collect::<Option<_>>().ok_or(ClientError::Trust(TrustError::MalformedPath))
    }
}

/// Acts of the log as they come in.
#[derive(Debug)]
pub struct Followed {
    acts: Streaming<FollowActsResponse>,
}

impl Followed {
    /// The next acts, and how far they go; none when the ledger ends the stream. There may be none of them: that is a sign of life.
    ///
    /// # Errors
    /// The ledger refuses or is away, or an entry is not the one under its hash.
    pub async fn next(&mut self) -> Result<Option<FollowActsResponse>, ClientError> {
        let Some(answer) = self.acts.message().await.map_err(Box::new)? else { return Ok(None) };
        let is_right = |act: &FollowedAct| hash_leaf(&act.entry).0.as_slice() == act.leaf_hash.as_ref();
        answer.acts.iter().all(is_right).then_some(Some(answer)).ok_or(ClientError::Trust(TrustError::MalformedPath))
    }
}

impl Client {
    /// The leaves of the log from one on, up to the last checkpoint, each with its entry where this agency may know of the act.
    ///
    /// # Errors
    /// The ledger refuses or is away.
    pub async fn mirror(&self, first: u64) -> Result<Mirrored, ClientError> {
        let leaves = self.log().mirror_leaves(MirrorLeavesRequest { first }).await.map_err(Box::new)?.into_inner();
        Ok(Mirrored { leaves })
    }

    /// The acts that this agency may know of, from a leaf on, and then live.
    ///
    /// # Errors
    /// The ledger refuses or is away.
    pub async fn follow(&self, next: u64) -> Result<Followed, ClientError> {
        let acts = self.gateway().follow_acts(FollowActsRequest { next: Some(next) }).await.map_err(Box::new)?;
        Ok(Followed { acts: acts.into_inner() })
    }

    /// Hands a matter in at the center whose it is. Sent again until it is known how it ended; the receipts are verified.
    ///
    /// # Errors
    /// As [`Client::record`]. That the registration stands and the handoff was refused is no error: the answer says so.
    pub async fn submit_intake(&self, matter: SubmitIntakeRequest) -> Result<SubmitIntakeResponse, ClientError> {
        let send = async || Ok(self.gateway().submit_intake(matter.clone()).await.map_err(Box::new)?.into_inner());
        let answer = self.again(send).await?;
        let occurred_at = matter.occurred_at.map(|time| time.seconds);
        let asked = |event_id: &Option<String>| Asked {
            chain: matter.chain_id.clone(),
            event_id: event_id.clone(),
            occurred_at,
        };
        if let Some(receipt) = &answer.registered {
            asked(&matter.event_id).check(&self.trust.verify(receipt)?)?;
        }
        if let Some(record_stream_response::Result::Receipt(receipt)) =
            answer.handed_over.as_ref().and_then(|answer| answer.result.as_ref())
        {
            asked(&matter.handoff_event_id).check(&self.trust.verify(receipt)?)?;
        }
        Ok(answer)
    }

    /// Has agencies handle a dispute jointly. Sent again until it is known how it ended; the receipts are verified.
    ///
    /// # Errors
    /// As [`Client::record`]. That single invitations were refused is no error: the answer says so.
    pub async fn handle_jointly(&self, asked: HandleJointlyRequest) -> Result<HandleJointlyResponse, ClientError> {
        let send = async || Ok(self.gateway().handle_jointly(asked.clone()).await.map_err(Box::new)?.into_inner());
        let answer = self.again(send).await?;
        let occurred_at = asked.occurred_at.map(|time| time.seconds);
        for (invitation, answer) in asked.invitations.iter().zip(&answer.results) {
            let Some(record_stream_response::Result::Receipt(receipt)) = &answer.result else { continue };
            let (chain, event_id) = (asked.chain_id.clone(), invitation.event_id.clone());
            Asked { chain, event_id, occurred_at }.check(&self.trust.verify(receipt)?)?;
        }
        Ok(answer)
    }

    fn gateway(&self) -> GatewayServiceClient<tonic::transport::Channel> {
        GatewayServiceClient::new(self.connection.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }
}
