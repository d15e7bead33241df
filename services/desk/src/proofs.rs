//! The log and its proofs over gRPC.

use std::sync::Arc;

use mediation_domain::admit::Violation;
use mediation_ledger::{
    chain::ChainId,
    ledger::{CheckedEntry, Fold},
    log::Log,
    merkle::{Hash, LeafIndex, TreeSize},
    recorder::Placed,
    vault::Vault,
};
use mediation_projections::witnesses::WitnessRow;
use mediation_proto::mediation::ledger::v1::{
    GetCheckpointRequest, GetCheckpointResponse, GetConsistencyProofRequest, GetConsistencyProofResponse,
    GetInclusionProofRequest, GetInclusionProofResponse, GetReceiptRequest, GetWitnessesRequest, GetWitnessesResponse,
    Reason, Receipt, Witness, log_service_server::LogService,
};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    node::{Node, SEAL_TIMEOUT, request_id},
    request::{chain_id, event_id, wait},
    status::Refused,
};

/// `LogService` of a node.
#[derive(Debug)]
pub struct Proofs<L, V> {
    node: Arc<Node<L, V>>,
}

impl<L: Log, V: Vault> Proofs<L, V> {
    /// The service of this node.
    #[must_use]
    pub fn new(node: Arc<Node<L, V>>) -> Self {
        Self { node }
    }

    async fn receipt(&self, request: Request<GetReceiptRequest>) -> Result<Receipt, Refused> {
        let caller = self.node.caller(&request)?;
        let request = request.into_inner();
        let mut violations = Vec::new();
        let chain = chain_id(request.chain_id.as_deref(), &mut violations);
        let event_id = event_id(request.event_id.as_deref(), &mut violations);
        let wait = wait(request.wait, &mut violations);
        let (Some(chain), Some(event_id), Some(wait)) = (chain, event_id, wait) else {
            return Err(Refused::malformed(violations));
        };
        self.node.receipt_not_denied(&caller.agency, chain).await?;
        let mut fold = Fold::new(chain);
        let entries = self.node.ledger().catch_up(&mut fold).await?;
        // A receipt is for who recorded the act; who has recorded nothing on the chain learns nothing of it. The registry
        // chain is open.
        let is_open = chain == ChainId::registry(self.node.ledger().origin());
        let is_for = |entry: &CheckedEntry| {
            is_open || entry.statement.as_ref().is_some_and(|statement| statement.agency == caller.agency)
        };
        let place = fold.place(event_id);
        let mut own = entries.into_iter().filter(is_for).peekable();
        own.peek().ok_or_else(|| self.node.deny_receipt(&caller.agency, &fold))?;
        let found = own.find(|entry| Some(entry.revision) == place);
        let found = found.ok_or_else(|| Refused::new(Reason::EntryNotFound))?;
        let placed = Placed { chain, event_id, revision: found.revision, leaf: found.leaf, entry: found.entry };
        Ok(self.node.receipt(placed, wait).await)
    }

    /// After a start the log is read again before anything is sealed.
    async fn checkpoint(&self, request: &Request<GetCheckpointRequest>) -> Result<GetCheckpointResponse, Refused> {
        self.node.caller(request)?;
        let seals = self.node.seals();
        // On time-out the answer is that there is none.
        drop(tokio::time::timeout(SEAL_TIMEOUT, seals.reached(TreeSize(1))).await);
        let checkpoint = seals.checkpoint();
        if checkpoint.is_empty() {
            Err(Refused::new(Reason::LogUnavailable))
        } else {
            Ok(GetCheckpointResponse { checkpoint, sm3_checkpoint: seals.twin_checkpoint().unwrap_or_default() })
        }
    }

    fn witnesses(&self, request: &Request<GetWitnessesRequest>) -> Result<GetWitnessesResponse, Refused> {
        self.node.caller(request)?;
        let cosigned = self.node.cosigned();
        let (witnessed_size, witnessed_checkpoint) = cosigned.witnessed().map(|(size, note)| (size.0, note)).unzip();
        Ok(GetWitnessesResponse {
            sealed_size: self.node.seals().size().0,
            witnessed_size,
            witnessed_checkpoint,
            witnesses: cosigned.rows().into_iter().map(sent).collect(),
        })
    }

    fn inclusion(&self, request: &Request<GetInclusionProofRequest>) -> Result<GetInclusionProofResponse, Refused> {
        self.node.caller(request)?;
        let message = request.get_ref();
        let index = message.leaf_index.ok_or_else(|| missing("leaf_index"))?;
        let size = message.tree_size.unwrap_or_else(|| self.node.seals().size().0);
        let proof = self.node.seals().inclusion(LeafIndex(index), TreeSize(size));
        let (leaf, path) = proof.ok_or_else(|| Refused::new(Reason::TreeSizeOutOfRange))?;
        Ok(GetInclusionProofResponse {
            leaf_index: index,
            tree_size: size,
            leaf_hash: leaf.0.to_vec().into(),
            inclusion: bytes_of(path),
        })
    }

    fn consistency(
        &self,
        request: &Request<GetConsistencyProofRequest>,
    ) -> Result<GetConsistencyProofResponse, Refused> {
        self.node.caller(request)?;
        let message = request.get_ref();
        let first = message.first.ok_or_else(|| missing("first"))?;
        let second = message.second.unwrap_or_else(|| self.node.seals().size().0);
        let proof = self.node.seals().consistency(TreeSize(first), TreeSize(second));
        let path = proof.ok_or_else(|| Refused::new(Reason::TreeSizeOutOfRange))?;
        Ok(GetConsistencyProofResponse { first, second, consistency: bytes_of(path) })
    }
}

/// A row as it is sent.
fn sent(row: WitnessRow) -> Witness {
    let (cosigned_size, cosigned_at) = row.cosigned.map(|(size, time)| (size.0, time)).unzip();
    Witness {
        name: row.name.to_string(),
        key_id: row.key_id.to_string(),
        url: row.url,
        cosigned_size,
        cosigned_at,
        checkpoints_behind: row.checkpoints_behind,
        seconds_behind: row.seconds_behind,
        lagging: row.is_lagging,
        trouble: row.trouble,
    }
}

fn bytes_of(path: Vec<Hash>) -> Vec<bytes::Bytes> {
    path.into_iter().map(|hash| bytes::Bytes::copy_from_slice(&hash.0)).collect()
}

fn missing(field: &str) -> Refused {
    Refused::malformed(vec![Violation {
        path: field.to_owned(), en: "is missing".to_owned(), zh: "未填写".to_owned()
    }])
}

#[async_trait]
impl<L: Log, V: Vault> LogService for Proofs<L, V> {
    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        self.checkpoint(&request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn get_receipt(&self, request: Request<GetReceiptRequest>) -> Result<Response<Receipt>, Status> {
        self.receipt(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<GetInclusionProofRequest>,
    ) -> Result<Response<GetInclusionProofResponse>, Status> {
        self.inclusion(&request).map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        self.consistency(&request).map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn get_witnesses(
        &self,
        request: Request<GetWitnessesRequest>,
    ) -> Result<Response<GetWitnessesResponse>, Status> {
        self.witnesses(&request).map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }
}
