//! The bare server: the services that are measured, over the same listener and TLS, each answered at once with what the ledger has
//! answered once. What it takes is what the transport costs.

use std::{fs, path::Path, pin::Pin, sync::Arc};

use anyhow::{Context as _, Result};
use mediation_desk::{
    limits::Limits,
    listener::{TlsFiles, connections, tls_config},
};
use mediation_proto::mediation::{
    desk::v1::{
        GovernanceCenterPrepareRequest, GovernanceCenterRecordRequest,
        governance_center_desk_server::{GovernanceCenterDesk, GovernanceCenterDeskServer},
    },
    ledger::v1::{
        ChainEntry, GetChainRequest, GetChainResponse, GetCheckpointRequest, GetCheckpointResponse,
        GetConsistencyProofRequest, GetConsistencyProofResponse, GetInclusionProofRequest, GetInclusionProofResponse,
        GetReceiptRequest, GetWitnessesRequest, GetWitnessesResponse, MirrorLeavesRequest, MirrorLeavesResponse,
        PrepareResponse, Receipt, RecordStreamResponse, SubmitRequest, WatchChainRequest,
        chain_service_server::{ChainService, ChainServiceServer},
        log_service_server::{LogService, LogServiceServer},
        record_stream_response,
    },
};
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming, async_trait, transport::Server};

use crate::{command::interrupted, layout::Layout, output::line};

/// What the ledger has answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    pub(super) receipt: Receipt,
    pub(super) prepared: PrepareResponse,
    pub(super) chain: GetChainResponse,
    pub(super) proof: GetInclusionProofResponse,
    pub(super) leaves: MirrorLeavesResponse,
}

impl Answers {
    /// Keeps them in a directory.
    pub(super) fn keep(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("receipt"), self.receipt.encode_to_vec())?;
        fs::write(directory.join("prepared"), self.prepared.encode_to_vec())?;
        fs::write(directory.join("chain"), self.chain.encode_to_vec())?;
        fs::write(directory.join("proof"), self.proof.encode_to_vec())?;
        fs::write(directory.join("leaves"), self.leaves.encode_to_vec())?;
        Ok(())
    }

    fn kept(directory: &Path) -> Result<Self> {
        Ok(Self {
            receipt: kept(directory, "receipt")?,
            prepared: kept(directory, "prepared")?,
            chain: kept(directory, "chain")?,
            proof: kept(directory, "proof")?,
            leaves: kept(directory, "leaves")?,
        })
    }
}

fn kept<T: Message + Default>(directory: &Path, name: &str) -> Result<T> {
    let bytes = fs::read(directory.join(name)).with_context(|| format!("cannot read the answer `{name}`"))?;
    T::decode(bytes.as_slice()).with_context(|| format!("`{name}` is no answer"))
}

/// Serves what lies in a directory, with the certificates of a ledger, until told to stop; says on which address.
pub(super) async fn serve(answers: &Path, directory: &Path) -> Result<()> {
    let layout = Layout::new(directory);
    let identity = TlsFiles {
        certificates: fs::read(layout.server_certificate())?,
        key: fs::read(layout.server_key())?,
        client_authorities: fs::read(layout.authority())?,
    };
    let echo = Echo { answers: Arc::new(Answers::kept(answers)?) };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    line(json!({"address": listener.local_addr()?.to_string()}).to_string());
    let limits = Limits::default();
    Server::builder()
        .max_concurrent_streams(limits.requests_per_connection)
        .add_service(GovernanceCenterDeskServer::new(echo.clone()))
        .add_service(ChainServiceServer::new(echo.clone()))
        .add_service(LogServiceServer::new(echo))
        .serve_with_incoming_shutdown(
            connections(listener, tls_config(&identity)?, limits.connections as usize),
            async { drop(interrupted().await) },
        )
        .await?;
    Ok(())
}

#[derive(Debug, Clone)]
struct Echo {
    answers: Arc<Answers>,
}

type Many<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn not_measured<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not measured"))
}

#[async_trait]
impl GovernanceCenterDesk for Echo {
    type RecordStreamStream = Many<RecordStreamResponse>;

    async fn record(&self, _request: Request<GovernanceCenterRecordRequest>) -> Result<Response<Receipt>, Status> {
        Ok(Response::new(self.answers.receipt.clone()))
    }

    async fn record_stream(
        &self,
        request: Request<Streaming<GovernanceCenterRecordRequest>>,
    ) -> Result<Response<Self::RecordStreamStream>, Status> {
        let answers = Arc::clone(&self.answers);
        let receipts = request.into_inner().map(move |act| {
            drop(act?);
            let receipt = record_stream_response::Result::Receipt(answers.receipt.clone());
            Ok(RecordStreamResponse { result: Some(receipt) })
        });
        Ok(Response::new(Box::pin(receipts)))
    }

    async fn prepare(
        &self,
        _request: Request<GovernanceCenterPrepareRequest>,
    ) -> Result<Response<PrepareResponse>, Status> {
        Ok(Response::new(self.answers.prepared.clone()))
    }

    async fn submit(&self, _request: Request<SubmitRequest>) -> Result<Response<Receipt>, Status> {
        Ok(Response::new(self.answers.receipt.clone()))
    }
}

#[async_trait]
impl ChainService for Echo {
    type WatchChainStream = Many<ChainEntry>;

    async fn get_chain(&self, _request: Request<GetChainRequest>) -> Result<Response<GetChainResponse>, Status> {
        Ok(Response::new(self.answers.chain.clone()))
    }

    async fn watch_chain(
        &self,
        _request: Request<WatchChainRequest>,
    ) -> Result<Response<Self::WatchChainStream>, Status> {
        not_measured()
    }
}

#[async_trait]
impl LogService for Echo {
    type MirrorLeavesStream = Many<MirrorLeavesResponse>;

    async fn get_checkpoint(
        &self,
        _request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        not_measured()
    }

    async fn get_receipt(&self, _request: Request<GetReceiptRequest>) -> Result<Response<Receipt>, Status> {
        not_measured()
    }

    async fn get_inclusion_proof(
        &self,
        _request: Request<GetInclusionProofRequest>,
    ) -> Result<Response<GetInclusionProofResponse>, Status> {
        Ok(Response::new(self.answers.proof.clone()))
    }

    async fn get_consistency_proof(
        &self,
        _request: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        not_measured()
    }

    async fn get_witnesses(
        &self,
        _request: Request<GetWitnessesRequest>,
    ) -> Result<Response<GetWitnessesResponse>, Status> {
        not_measured()
    }

    /// The same leaves over and over: as many answers as `first` says.
    async fn mirror_leaves(
        &self,
        request: Request<MirrorLeavesRequest>,
    ) -> Result<Response<Self::MirrorLeavesStream>, Status> {
        let (answers, count) = (Arc::clone(&self.answers), request.into_inner().first);
        let leaves = tokio_stream::iter(0..count).map(move |_| Ok(answers.leaves.clone()));
        Ok(Response::new(Box::pin(leaves)))
    }
}
