//! The rounds of each workload: the ledger, then what stands beside it, and again.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use mediation_client::Client;
use mediation_proto::mediation::{
    desk::v1::{GovernanceCenterPrepareRequest, governance_center_desk_client::GovernanceCenterDeskClient},
    ledger::v1::{GetCheckpointRequest, GetInclusionProofRequest, log_service_client::LogServiceClient},
};
use prost::Message as _;
use tempfile::TempDir;
use tonic::transport::Channel;

use super::{
    Arguments, Workload,
    acts::{Acts, CHAIN_ACTS},
    bare,
    echo::Answers,
    load::{Figures, Operation, Taken, closed_loop},
    operation::{Batch, Mixed, Pipeline, Prove, Read, Record, Submit},
    pass,
    report::{Point, Round},
    target::{Echo, Target},
};
use crate::{layout::Layout, output};

/// Acts under way on a stream.
const WINDOW: usize = 64;

/// Acts of a request with many.
const BATCH: usize = 20;

/// Streams at once.
const STREAMS: usize = 4;

/// Readers of chains, and callers for proofs, at once.
const READERS: [usize; 2] = [1, 8];

/// Callers of mixed requests, and of many acts a request.
const MANY: usize = 32;

/// Time for which a load runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// A bench that runs.
#[derive(Debug)]
pub(super) struct Bench {
    target: Target,
    /// The bare server, unless the ledger is measured alone.
    echo: Option<Echo>,
    rounds: usize,
    during: Duration,
    writers: Vec<usize>,
    caller_signed: bool,
    acts: usize,
    /// What one act takes on the disk, about.
    act_bytes: usize,
    reader: Client,
    /// Chains that stand, each of twenty acts.
    chains: Arc<Vec<String>>,
    /// Where bare writes go, and the answers of the bare server lie.
    scratch: TempDir,
    is_stopped: bool,
}

impl Bench {
    /// Records a first chain, and starts the bare server on what the ledger has answered.
    pub(super) async fn start(target: Target, arguments: &Arguments) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("mediation-bare-").tempdir_in(target.beside())?;
        let reader = target.door.client(&target.agency, &target.registry).await?;
        let mut bench = Self {
            target,
            echo: None,
            rounds: arguments.rounds,
            during: Duration::try_from_secs_f64(arguments.seconds).context("no such time")?,
            writers: arguments.writers.clone(),
            caller_signed: arguments.caller_signed,
            acts: arguments.acts,
            act_bytes: 0,
            reader,
            chains: Arc::default(),
            scratch,
            is_stopped: false,
        };
        let answers = bench.answers().await?;
        let has_server_key = Layout::new(&bench.target.directory).server_key().exists();
        if !arguments.alone && !has_server_key {
            output::note(
                "目录中没有服务器密钥，不测裸传输 · no key of the server in the directory: no bare server beside it",
            );
        }
        if !arguments.alone && has_server_key {
            let kept = bench.scratch.path().join("answers");
            answers.keep(&kept)?;
            bench.echo = Some(Echo::start(&bench.target, &kept).await?);
        }
        Ok(bench)
    }

    /// Measures one workload.
    pub(super) async fn measure(&mut self, workload: Workload) -> Result<Vec<Point>> {
        match workload {
            Workload::Append => self.append().await,
            Workload::Stream => self.stream().await,
            Workload::Batch => self.batch().await,
            Workload::Chain => self.chain().await,
            Workload::Replay => self.replay().await,
            Workload::Judge => self.judge().await,
            Workload::Proof => self.proof().await,
            Workload::Mixed => self.mixed().await,
            Workload::Rebuild => self.rebuild().await,
        }
    }

    /// Stops what was started.
    pub(super) async fn end(mut self) -> Result<()> {
        if self.is_stopped { Ok(()) } else { self.target.stop().await }
    }

    async fn append(&self) -> Result<Vec<Point>> {
        let workload = if self.caller_signed { "append --caller-signed" } else { "append" };
        let mut points = Vec::new();
        for writers in self.writers.iter().copied() {
            let sides = async |channels: Vec<Channel>| {
                if self.caller_signed {
                    let signer = self.target.signer()?;
                    let submit = |channel| Ok(Submit::new(channel, self.some_acts(1)?, Arc::clone(&signer)));
                    self.load(channels.into_iter().map(submit).collect::<Result<Vec<_>>>()?).await
                } else {
                    let record = |channel| Ok(Record::new(channel, self.some_acts(1)?));
                    self.load(channels.into_iter().map(record).collect::<Result<Vec<_>>>()?).await
                }
            };
            let mut point = point(workload, format!("× {writers}"), "acts");
            let bar = self.bar(&point);
            for _round in 0..self.rounds {
                let ledger = Some(sides(self.target.channels(writers).await?).await?);
                let echo = match &self.echo {
                    Some(echo) => Some(sides(echo.channels(writers).await?).await?),
                    None => None,
                };
                let (sync, crypto) = (self.syncs(writers.div_ceil(2)).await?, self.crypto().await?);
                point.rounds.push(Round { ledger, echo, sync, crypto });
                bar.inc(1);
            }
            bar.finish_and_clear();
            points.push(point);
        }
        Ok(points)
    }

    async fn stream(&self) -> Result<Vec<Point>> {
        let side = async |channels: Vec<Channel>| {
            let mut streams = Vec::new();
            for channel in channels {
                streams.push(Pipeline::open(channel, self.some_acts(WINDOW)?, WINDOW).await?);
            }
            self.load(streams).await
        };
        let point = point("stream", format!("{STREAMS} × {WINDOW}"), "acts");
        Ok(vec![self.rounds(point, STREAMS, side, STREAMS * WINDOW / 2).await?])
    }

    async fn batch(&self) -> Result<Vec<Point>> {
        let side = async |channels: Vec<Channel>| {
            let batch = |channel| Ok(Batch::new(channel, self.some_acts(BATCH)?, BATCH));
            self.load(channels.into_iter().map(batch).collect::<Result<Vec<_>>>()?).await
        };
        let point = point("batch", format!("{MANY} × {BATCH}"), "acts");
        Ok(vec![self.rounds(point, MANY, side, MANY * BATCH / 2).await?])
    }

    async fn chain(&mut self) -> Result<Vec<Point>> {
        self.fill().await?;
        let mut points = Vec::new();
        for readers in READERS {
            let side = async |channels: Vec<Channel>| {
                let reader = (0..).zip(channels).map(|(at, channel)| self.read(channel, at));
                self.load(reader.collect()).await
            };
            let point = point("chain", format!("× {readers}"), "chains");
            points.push(self.rounds(point, readers, side, 1).await?);
        }
        Ok(points)
    }

    async fn proof(&mut self) -> Result<Vec<Point>> {
        self.fill().await?;
        let size = self.size().await?;
        let mut points = Vec::new();
        for callers in READERS {
            let side = async |channels: Vec<Channel>| {
                let prove = (0..).zip(channels).map(|(at, channel)| Prove::new(channel, size, at));
                self.load(prove.collect()).await
            };
            let point = point("proof", format!("× {callers}"), "proofs");
            points.push(self.rounds(point, callers, side, 0).await?);
        }
        Ok(points)
    }

    async fn mixed(&mut self) -> Result<Vec<Point>> {
        self.fill().await?;
        let size = self.size().await?;
        let side = async |channels: Vec<Channel>| {
            let mixed = (0..).zip(channels).map(|(at, channel): (usize, Channel)| {
                let record = Record::new(channel.clone(), self.some_acts(1)?);
                let read = self.read(channel.clone(), at);
                Ok(Mixed::new(record, read, Prove::new(channel, size, at as u64)))
            });
            self.load(mixed.collect::<Result<Vec<_>>>()?).await
        };
        Ok(vec![self.rounds(point("mixed", format!("× {MANY}"), "requests"), MANY, side, MANY / 2).await?])
    }

    async fn replay(&mut self) -> Result<Vec<Point>> {
        self.fill().await?;
        let (mut plain, mut verified) =
            (point("replay", String::new(), "leaves"), point("replay", "验 verified".to_owned(), "leaves"));
        let (trust, registry) = (&self.target.door.trust, &self.target.registry);
        let bar = self.bar(&plain);
        for _round in 0..self.rounds {
            let ledger = pass::replay(self.target.auditor().await?, 0).await?.figures();
            let echo = match &self.echo {
                Some(echo) => {
                    let answers = self.size().await?.div_ceil(pass::LEAVES as u64);
                    let channel = echo.channels(1).await?.pop().context("no connection")?;
                    Some(pass::replay(channel, answers).await?.figures())
                }
                None => None,
            };
            plain.rounds.push(Round { ledger: Some(ledger), echo, ..Round::default() });
            let ledger = pass::replay_verified(self.target.auditor().await?, trust, registry).await?.figures();
            let crypto = self.bare(|during, _| bare::verifies(during)).await?;
            verified.rounds.push(Round { ledger: Some(ledger), crypto, ..Round::default() });
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(vec![plain, verified])
    }

    async fn judge(&self) -> Result<Vec<Point>> {
        let mut point = point("judge", String::new(), "acts");
        for _round in 0..self.rounds {
            let during = self.during;
            let taken = tokio::task::spawn_blocking(move || pass::judge(during)).await??;
            point.rounds.push(Round { ledger: Some(taken.figures()), ..Round::default() });
        }
        Ok(vec![point])
    }

    /// The ledger is stopped for it: it must be one of ours, and nothing can be measured on it afterwards.
    async fn rebuild(&mut self) -> Result<Vec<Point>> {
        self.fill().await?;
        self.target.stop().await?;
        self.is_stopped = true;
        let mut point = point("rebuild", String::new(), "entries");
        for _round in 0..self.rounds {
            let taken = Box::pin(pass::build(&self.target.directory)).await?;
            point.rounds.push(Round { ledger: Some(taken.figures()), ..Round::default() });
        }
        Ok(vec![point])
    }

    /// Rounds of one load: the ledger, the bare server, bare writes of so many acts together.
    async fn rounds(
        &self,
        mut point: Point,
        callers: usize,
        side: impl AsyncFn(Vec<Channel>) -> Result<Figures>,
        synced: usize,
    ) -> Result<Point> {
        let bar = self.bar(&point);
        for _round in 0..self.rounds {
            let ledger = Some(side(self.target.channels(callers).await?).await?);
            let echo = match &self.echo {
                Some(echo) => Some(side(echo.channels(callers).await?).await?),
                None => None,
            };
            let sync = if synced > 0 { self.syncs(synced).await? } else { None };
            point.rounds.push(Round { ledger, echo, sync, crypto: None });
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(point)
    }

    /// One side of a round, which is under way a moment before it is measured.
    async fn load<O: Operation>(&self, operations: Vec<O>) -> Result<Figures> {
        let (operations, _warm) = closed_loop(operations, WARM_UP).await?;
        let (_operations, taken): (Vec<O>, Taken) = closed_loop(operations, self.during).await?;
        Ok(taken.figures())
    }

    /// Bare writes of so many acts together.
    async fn syncs(&self, acts: usize) -> Result<Option<Figures>> {
        let act_bytes = self.act_bytes;
        self.bare(move |during, scratch| bare::syncs(&scratch, acts as u64, act_bytes, during)).await
    }

    /// Bare signatures, as the ledger has them to do: it signs, or it checks what a caller has signed.
    async fn crypto(&self) -> Result<Option<Figures>> {
        if self.caller_signed {
            return self.bare(|during, _| bare::verifies(during)).await;
        }
        self.bare(|during, _| bare::signs(during)).await
    }

    async fn bare(
        &self,
        work: impl FnOnce(Duration, PathBuf) -> Result<Taken> + Send + 'static,
    ) -> Result<Option<Figures>> {
        if self.echo.is_none() {
            return Ok(None);
        }
        let (during, scratch) = (self.during / 4, self.scratch.path().to_owned());
        Ok(Some(tokio::task::spawn_blocking(move || work(during, scratch)).await??.figures()))
    }

    fn some_acts(&self, width: usize) -> Result<Acts> {
        Acts::new(&self.target.agency, width)
    }

    fn read(&self, channel: Channel, at: usize) -> Read {
        Read::new(channel, Arc::clone(&self.chains), self.reader.reads().cloned(), at)
    }

    async fn one_channel(&self) -> Result<Channel> {
        self.target.channels(1).await?.pop().context("no connection")
    }

    /// Size of the sealed tree.
    async fn size(&self) -> Result<u64> {
        let mut log = LogServiceClient::new(self.one_channel().await?);
        let note = log.get_checkpoint(GetCheckpointRequest {}).await?.into_inner().checkpoint;
        Ok(self.target.door.trust.checkpoint(&note)?.size.0)
    }

    /// Records as many acts as chains are to be read from, once.
    async fn fill(&mut self) -> Result<()> {
        let wanted = self.acts.div_ceil(CHAIN_ACTS);
        if self.chains.len() >= wanted {
            return Ok(());
        }
        let bar = output::progress(wanted as u64, "登记 record");
        let mut chains = self.chains.to_vec();
        while chains.len() < wanted {
            let more = (wanted - chains.len()).min(MANY);
            let mut batch = Batch::new(self.one_channel().await?, self.some_acts(more)?, more * CHAIN_ACTS);
            chains.extend(batch.chains().await?);
            bar.set_position(chains.len() as u64);
        }
        bar.finish_and_clear();
        self.chains = Arc::new(chains);
        Ok(())
    }

    /// What the ledger answers of a first chain.
    async fn answers(&mut self) -> Result<Answers> {
        let channel = self.one_channel().await?;
        let mut desk = GovernanceCenterDeskClient::new(channel.clone());
        let (mut acts, mut answers) = (self.some_acts(1)?, Answers::default());
        for at in 0..CHAIN_ACTS {
            let act = acts.next();
            let act_bytes = act.encoded_len();
            answers.receipt = desk.record(act).await?.into_inner();
            if at + 1 == CHAIN_ACTS {
                self.act_bytes = act_bytes + answers.receipt.entry.len();
                self.chains = Arc::new(vec![answers.receipt.chain_id.clone()]);
            }
        }
        let key_id = bytes::Bytes::copy_from_slice(&self.target.signer()?.public_key().id().0);
        let request = GovernanceCenterPrepareRequest { request: Some(acts.next()), key_id };
        answers.prepared = desk.prepare(request).await?.into_inner();
        answers.chain = self.read(channel.clone(), 0).read().await?;
        let size = self.size().await?;
        let request = GetInclusionProofRequest { leaf_index: Some(0), tree_size: Some(size) };
        answers.proof = LogServiceClient::new(channel).get_inclusion_proof(request).await?.into_inner();
        answers.leaves = pass::leaves_of_an_answer(self.target.auditor().await?).await?;
        Ok(answers)
    }

    fn bar(&self, point: &Point) -> ProgressBar {
        output::progress(self.rounds as u64, &format!("{} {}", point.workload, point.setting))
    }
}

fn point(workload: &str, setting: String, unit: &'static str) -> Point {
    Point { workload: workload.to_owned(), setting, unit, rounds: Vec::new() }
}
