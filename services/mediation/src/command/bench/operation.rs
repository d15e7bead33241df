//! What callers do over and over. Nothing is verified here: it is the server that is measured, not the SDK.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use mediation_ledger::{key::Signer, statement::pre_authentication};
use mediation_proto::mediation::{
    desk::v1::{
        GovernanceCenterPrepareRequest, GovernanceCenterRecordRequest,
        governance_center_desk_client::GovernanceCenterDeskClient,
    },
    ledger::v1::{
        GetChainRequest, GetChainResponse, GetInclusionProofRequest, Prepared, Reading, RecordStreamResponse,
        Signature, SubmitRequest, chain_service_client::ChainServiceClient, log_service_client::LogServiceClient,
        prepare_response, record_stream_response,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

use super::{
    acts::Acts,
    load::{Done, Operation},
};

/// Bytes of an answer: a chain with all its parts.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Records one act after the other, each in a request of its own.
#[derive(Debug)]
pub(super) struct Record {
    desk: GovernanceCenterDeskClient<Channel>,
    acts: Acts,
}

impl Record {
    pub(super) fn new(channel: Channel, acts: Acts) -> Self {
        Self { desk: GovernanceCenterDeskClient::new(channel), acts }
    }
}

impl Operation for Record {
    async fn once(&mut self) -> Result<Done> {
        let act = self.acts.next();
        let since = Instant::now();
        self.desk.record(act).await?;
        Ok(Done { since, units: 1 })
    }
}

/// Records acts that the caller signs: prepared, signed here, handed in.
#[derive(Debug)]
pub(super) struct Submit {
    desk: GovernanceCenterDeskClient<Channel>,
    acts: Acts,
    signer: Arc<dyn Signer>,
}

impl Submit {
    pub(super) fn new(channel: Channel, acts: Acts, signer: Arc<dyn Signer>) -> Self {
        Self { desk: GovernanceCenterDeskClient::new(channel), acts, signer }
    }
}

impl Operation for Submit {
    async fn once(&mut self) -> Result<Done> {
        let key_id = Bytes::copy_from_slice(&self.signer.public_key().id().0);
        let act = GovernanceCenterPrepareRequest { request: Some(self.acts.next()), key_id: key_id.clone() };
        let since = Instant::now();
        let prepared = self.desk.prepare(act).await?.into_inner().result;
        let Some(prepare_response::Result::Prepared(Prepared { statement, parts })) = prepared else {
            anyhow::bail!("the ledger has prepared nothing");
        };
        let value = self.signer.sign(&pre_authentication(&statement))?.into();
        let parts = parts.into_iter().filter_map(|prepared| prepared.part).collect();
        let signatures = vec![Signature { key_id, value }];
        self.desk.submit(SubmitRequest { statement, signatures, parts, wait: None }).await?;
        Ok(Done { since, units: 1 })
    }
}

/// Records acts over one stream, of which some are always under way.
#[derive(Debug)]
pub(super) struct Pipeline {
    requests: mpsc::Sender<GovernanceCenterRecordRequest>,
    answers: Streaming<RecordStreamResponse>,
    acts: Acts,
    /// When the acts under way were sent.
    sent: VecDeque<Instant>,
    window: usize,
}

impl Pipeline {
    pub(super) async fn open(channel: Channel, acts: Acts, window: usize) -> Result<Self> {
        let (requests, receiver) = mpsc::channel(window);
        let mut desk = GovernanceCenterDeskClient::new(channel);
        let answers = desk.record_stream(ReceiverStream::new(receiver)).await?.into_inner();
        Ok(Self { requests, answers, acts, sent: VecDeque::with_capacity(window), window })
    }
}

impl Operation for Pipeline {
    async fn once(&mut self) -> Result<Done> {
        while self.sent.len() < self.window {
            let act = self.acts.next();
            self.sent.push_back(Instant::now());
            self.requests.send(act).await.context("the stream has ended")?;
        }
        recorded(self.answers.message().await?)?;
        let since = self.sent.pop_front().context("an answer to nothing")?;
        Ok(Done { since, units: 1 })
    }
}

/// Records some acts with each request: a stream of them that is answered to its end.
#[derive(Debug)]
pub(super) struct Batch {
    desk: GovernanceCenterDeskClient<Channel>,
    acts: Acts,
    size: usize,
}

impl Batch {
    pub(super) fn new(channel: Channel, acts: Acts, size: usize) -> Self {
        Self { desk: GovernanceCenterDeskClient::new(channel), acts, size }
    }

    /// Records the acts of one request, and gives the chains that they stand on.
    pub(super) async fn chains(&mut self) -> Result<BTreeSet<String>> {
        let acts: Vec<_> = (0..self.size).map(|_| self.acts.next()).collect();
        let chains = acts.iter().filter_map(|act| act.chain_id.clone()).collect();
        self.record(acts).await?;
        Ok(chains)
    }

    async fn record(&mut self, acts: Vec<GovernanceCenterRecordRequest>) -> Result<Done> {
        let since = Instant::now();
        let mut answers = self.desk.record_stream(tokio_stream::iter(acts)).await?.into_inner();
        let mut units = 0;
        while let Some(answer) = answers.message().await? {
            recorded(Some(answer))?;
            units += 1;
        }
        ensure!(units == self.size as u64, "{units} answers to {} acts", self.size);
        Ok(Done { since, units })
    }
}

impl Operation for Batch {
    async fn once(&mut self) -> Result<Done> {
        let acts = (0..self.size).map(|_| self.acts.next()).collect();
        self.record(acts).await
    }
}

fn recorded(answer: Option<RecordStreamResponse>) -> Result<()> {
    match answer.and_then(|answer| answer.result) {
        Some(record_stream_response::Result::Receipt(_)) => Ok(()),
        Some(record_stream_response::Result::Refusal(status)) => {
            anyhow::bail!("an act of a stream was refused: {} {}", status.code, status.message)
        }
        None => anyhow::bail!("the stream was ended by the ledger"),
    }
}

/// Reads one chain after the other. The ledger records that it was read, and judges it.
#[derive(Debug)]
pub(super) struct Read {
    chains: ChainServiceClient<Channel>,
    ids: Arc<Vec<String>>,
    reading: Option<Reading>,
    at: usize,
}

impl Read {
    pub(super) fn new(channel: Channel, ids: Arc<Vec<String>>, reading: Option<Reading>, at: usize) -> Self {
        let chains = ChainServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        Self { chains, ids, reading, at }
    }

    pub(super) async fn read(&mut self) -> Result<GetChainResponse> {
        self.at += 1;
        let chain = self.ids.get(self.at % self.ids.len().max(1)).context("there is no chain to read")?;
        let (chain_id, reading) = (Some(chain.clone()), self.reading.clone());
        Ok(self
            .chains
            .get_chain(GetChainRequest { chain_id, reading, ..GetChainRequest::default() })
            .await?
            .into_inner())
    }
}

impl Operation for Read {
    async fn once(&mut self) -> Result<Done> {
        let since = Instant::now();
        self.read().await?;
        Ok(Done { since, units: 1 })
    }
}

/// Asks for the inclusion proof of one leaf after the other.
#[derive(Debug)]
pub(super) struct Prove {
    log: LogServiceClient<Channel>,
    size: u64,
    at: u64,
}

/// From one leaf to the next that is asked for: all over the tree.
const STRIDE: u64 = 7_919;

impl Prove {
    pub(super) fn new(channel: Channel, size: u64, at: u64) -> Self {
        Self { log: LogServiceClient::new(channel), size, at }
    }
}

impl Operation for Prove {
    async fn once(&mut self) -> Result<Done> {
        self.at = (self.at + STRIDE) % self.size.max(1);
        let request = GetInclusionProofRequest { leaf_index: Some(self.at), tree_size: Some(self.size) };
        let since = Instant::now();
        self.log.get_inclusion_proof(request).await?;
        Ok(Done { since, units: 1 })
    }
}

/// Of ten requests eight record, one reads a chain, and one asks for a proof.
#[derive(Debug)]
pub(super) struct Mixed {
    record: Record,
    read: Read,
    prove: Prove,
    turn: usize,
}

impl Mixed {
    pub(super) fn new(record: Record, read: Read, prove: Prove) -> Self {
        Self { record, read, prove, turn: 0 }
    }
}

impl Operation for Mixed {
    async fn once(&mut self) -> Result<Done> {
        self.turn = (self.turn + 1) % 10;
        match self.turn {
            3 => self.read.once().await,
            7 => self.prove.once().await,
            0.. => self.record.once().await,
        }
    }
}
