//! The load on the prototype: a closed loop, as `mediation bench` has it on the ledger.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use hdrhistogram::Histogram;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

use crate::{
    Tls,
    generated::{Placed, Submission, ledger_client::LedgerClient},
    server::SEED,
};

/// Callers that share a connection, as in `mediation bench`.
const CALLERS_OF_A_CONNECTION: usize = 32;

/// Entries under way on a stream, as there.
const WINDOW: usize = 64;

/// Time for which the load runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// How entries are appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One a call; the server signs.
    Desk,
    /// One a call; the caller signs.
    Caller,
    /// The caller has each prepared by a call before, then signs: as many calls as the ledger takes.
    Prepared,
    /// Over a stream, some under way at once; the server signs.
    Stream,
}

/// What a load was given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Entries in a second.
    pub per_second: f64,
    /// Median answer, in microseconds.
    pub p50_us: f64,
    /// 99th percentile, in microseconds.
    pub p99_us: f64,
}

/// What the callers send.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How.
    pub mode: Mode,
    /// How many callers or streams at once.
    pub callers: usize,
    /// Bytes of a statement.
    pub statement_bytes: usize,
    /// For how long.
    pub during: Duration,
}

impl Load {
    /// Loads the server at an address.
    ///
    /// # Errors
    /// The server is away, or refuses.
    pub async fn run(self, address: SocketAddr, tls: &Tls) -> Result<Figures> {
        let mut channels = Vec::new();
        for _connection in 0..self.callers.div_ceil(CALLERS_OF_A_CONNECTION) {
            channels.push(connect(address, tls).await?);
        }
        let mut under_way = JoinSet::new();
        let begins = Instant::now() + WARM_UP;
        for caller in 0..self.callers {
            let channel = channels.get(caller % channels.len()).context("no connection")?.clone();
            under_way.spawn(self.call(channel, begins));
        }
        let mut all = histogram()?;
        while let Some(ended) = under_way.join_next().await {
            all.add(ended??)?;
        }
        let seconds = begins.elapsed().as_secs_f64();
        let us = |quantile| float(all.value_at_quantile(quantile)) / 1_000.0;
        Ok(Figures { per_second: float(all.len()) / seconds, p50_us: us(0.5), p99_us: us(0.99) })
    }

    /// One caller; what it was answered after the load began to be measured.
    async fn call(self, channel: Channel, begins: Instant) -> Result<Histogram<u64>> {
        let mut caller = Caller::new(LedgerClient::new(channel), self).await?;
        let (until, mut taken) = (begins + self.during, histogram()?);
        while Instant::now() < until {
            let since = caller.once().await?;
            if Instant::now() >= begins {
                taken.saturating_record(u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
        }
        Ok(taken)
    }
}

struct Caller {
    ledger: LedgerClient<Channel>,
    mode: Mode,
    key: SigningKey,
    statement: Vec<u8>,
    number: u64,
    stream: Option<Pipeline>,
}

struct Pipeline {
    requests: mpsc::Sender<Submission>,
    answers: Streaming<Placed>,
    sent: VecDeque<Instant>,
}

impl Caller {
    async fn new(mut ledger: LedgerClient<Channel>, load: Load) -> Result<Self> {
        let stream = match load.mode {
            Mode::Stream => {
                let (requests, receiver) = mpsc::channel(WINDOW);
                let answers = ledger.append_stream(ReceiverStream::new(receiver)).await?.into_inner();
                Some(Pipeline { requests, answers, sent: VecDeque::new() })
            }
            Mode::Desk | Mode::Caller | Mode::Prepared => None,
        };
        let (key, statement) = (SigningKey::from_bytes(&SEED), vec![0x5a; load.statement_bytes]);
        Ok(Self { ledger, mode: load.mode, key, statement, number: 0, stream })
    }

    /// A statement as none was before.
    fn statement(&mut self) -> Bytes {
        self.number += 1;
        for (to, from) in self.statement.iter_mut().zip(self.number.to_le_bytes()) {
            *to = from;
        }
        Bytes::copy_from_slice(&self.statement)
    }

    /// Appends once more; says when that was begun.
    async fn once(&mut self) -> Result<Instant> {
        let statement = self.statement();
        let since = Instant::now();
        match self.mode {
            Mode::Desk => {
                self.ledger.append(Submission { statement, signature: Bytes::new() }).await?;
            }
            Mode::Caller | Mode::Prepared => {
                let statement = match self.mode {
                    Mode::Prepared => {
                        let submission = Submission { statement, signature: Bytes::new() };
                        self.ledger.prepare(submission).await?.into_inner().statement
                    }
                    Mode::Caller | Mode::Desk | Mode::Stream => statement,
                };
                let signature = Bytes::copy_from_slice(&self.key.sign(&statement).to_bytes());
                self.ledger.append(Submission { statement, signature }).await?;
            }
            Mode::Stream => return self.next(statement).await,
        }
        Ok(since)
    }

    async fn next(&mut self, statement: Bytes) -> Result<Instant> {
        let Some(stream) = &mut self.stream else { anyhow::bail!("there is no stream") };
        loop {
            stream.sent.push_back(Instant::now());
            stream.requests.send(Submission { statement: statement.clone(), signature: Bytes::new() }).await?;
            if stream.sent.len() >= WINDOW {
                break;
            }
        }
        stream.answers.message().await?.context("the stream was ended")?;
        stream.sent.pop_front().context("an answer to nothing")
    }
}

async fn connect(address: SocketAddr, tls: &Tls) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls.client())?.tcp_nodelay(true);
    Ok(endpoint.connect().await?)
}

fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).context("no such histogram")
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "counts and times are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
