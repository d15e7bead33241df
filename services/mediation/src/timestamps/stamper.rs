//! Has checkpoints stamped, for as long as the process runs.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use mediation_gateway::courier::{HttpCourier, Post};
use mediation_ledger::{
    checkpoint::Checkpoint,
    entropy::{Entropy as _, Purpose, SystemEntropy},
    merkle::TreeSize,
    note::Note,
};
use mediation_projections::sealer::Seals;
use tokio::time::Instant;

use super::{Authority, token};
use crate::{config::TimestampConfig, durable};

/// Pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Bytes of an answer: a token with a long chain of certificates has some ten thousand.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// HTTP's `OK`, the only status of an answer (RFC 3161 §3.4).
const OK: u16 = 200;

/// Has checkpoints stamped.
#[derive(Debug)]
pub(crate) struct Stamper {
    seals: Seals,
    courier: HttpCourier,
    url: String,
    timeout: Duration,
    authority: Authority,
    directory: PathBuf,
    every: Duration,
    /// Leaves after which the pause is cut short; 0: never.
    leaves: u64,
    /// Size of the largest tree that has a token.
    stamped: TreeSize,
}

impl Stamper {
    /// Stamps checkpoints into this directory, which holds the certificates of the authority.
    pub(crate) fn new(seals: Seals, config: &TimestampConfig, directory: PathBuf) -> Result<Self> {
        ensure!(config.url.starts_with("http://"), "`{}`: a timestamp authority is asked by `http`", config.url);
        let authority = Authority::read(&directory.join(AUTHORITY))?;
        let stamped = sizes(&directory)?.into_iter().next_back().unwrap_or(TreeSize(0));
        Ok(Self {
            seals,
            courier: HttpCourier::new(None)?,
            url: config.url.clone(),
            timeout: Duration::from_millis(config.timeout_ms),
            authority,
            directory,
            every: Duration::from_secs(config.every_s.max(1)),
            leaves: config.every_leaves,
            stamped,
        })
    }

    /// Stamps until told to stop. The authority may be away for any time: nothing but a missing token comes of it.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = stop => {}
            () = self.stamp_all() => {}
        }
    }

    async fn stamp_all(&mut self) {
        let mut failures = 0_u32;
        let mut sealed = self.seals.watch();
        loop {
            // An error says that the sealer has stopped: there will be nothing more to stamp.
            if sealed.wait_for(|size| *size > self.stamped).await.is_err() {
                return;
            }
            match self.stamp().await {
                Ok(time) => {
                    failures = 0;
                    tracing::debug!(size = self.stamped.0, time, "a checkpoint is stamped");
                    self.pause().await;
                }
                Err(error) => {
                    let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(6)).min(PAUSE_MAX);
                    tracing::warn!(error = format!("{error:#}"), "no timestamp; trying again");
                    failures = failures.saturating_add(1);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Waits until the next checkpoint may be stamped.
    async fn pause(&self) {
        let until = Instant::now() + self.every;
        let mut sealed = self.seals.watch();
        let enough = self.stamped.0.saturating_add(self.leaves);
        let grown = async {
            if self.leaves == 0 || sealed.wait_for(|size| size.0 >= enough).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = grown => {}
        }
    }

    /// Has the newest checkpoint stamped. Answers the authority's word.
    async fn stamp(&mut self) -> Result<u64> {
        let note = Note::parse(self.seals.checkpoint().as_bytes())?;
        let (text, checkpoint) = (note.text().to_owned(), note.text().parse::<Checkpoint>()?);
        let mut nonce = [0; 8];
        SystemEntropy.fill(&Purpose { what: "timestamp/nonce", of: &[] }, &mut nonce)?;
        let answer = self.ask(token::request(text.as_bytes(), nonce)?).await?;
        let stamp = token::verify(&answer, text.as_bytes(), Some(nonce), &self.authority)?;
        let (directory, size) = (self.directory.clone(), checkpoint.size);
        tokio::task::spawn_blocking(move || keep(&directory, size, &answer)).await??;
        self.stamped = size;
        Ok(stamp.time)
    }

    /// Sends a request; the answer is not verified yet.
    async fn ask(&self, request: Vec<u8>) -> Result<Vec<u8>> {
        let post = Post {
            headers: Vec::new(),
            content_type: "application/timestamp-query",
            body: request.into(),
            answer_bytes_max: ANSWER_BYTES_MAX,
            timeout: self.timeout,
        };
        let (status, answer) = self.courier.exchange(&self.url, post).await.map_err(|cause| anyhow!(cause))?;
        ensure!(status == OK, "the timestamp authority answers with status {status}");
        Ok(answer)
    }
}

/// Name of the file with the certificates of authorities that are believed.
pub(crate) const AUTHORITY: &str = "authority.pem";

/// What the name of a stored answer ends in, after the size of the tree.
const SUFFIX: &str = ".tsr";

/// The file of the answer about the tree of a size.
pub(crate) fn file(directory: &Path, size: TreeSize) -> PathBuf {
    directory.join(format!("{size}{SUFFIX}"))
}

/// Sizes of the trees that have an answer in the directory.
pub(crate) fn sizes(directory: &Path) -> Result<BTreeSet<TreeSize>> {
    let mut sizes = BTreeSet::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read `{}`", directory.display()))? {
        let name = entry?.file_name();
        let size = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        sizes.extend(size.and_then(|size| size.parse::<TreeSize>().ok()));
    }
    Ok(sizes)
}

/// Keeps an answer: whole or not at all, whatever a crash leaves.
fn keep(directory: &Path, size: TreeSize, answer: &[u8]) -> Result<()> {
    durable::replace(&file(directory, size), &directory.join("new"), answer)
}
