//! The server of the prototype.

use std::{net::SocketAddr, path::Path, pin::Pin, sync::Arc};

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use futures_util::{Stream, StreamExt as _};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tonic::{Request, Response, Status, Streaming, async_trait, transport::Server};

use crate::{
    Tls,
    committer::{self, Durable, Waiting},
    frontier,
    generated::{
        Placed, Submission,
        ledger_server::{Ledger, LedgerServer},
    },
};

/// Seed of the one key: everybody may know it, nothing is ever trusted that it signs.
pub(crate) const SEED: [u8; 32] = [7; 32];

/// Entries of a stream that are under way at once.
const STREAM_MAX: usize = 256;

/// A server that serves until its process ends.
#[derive(Debug)]
pub struct Served {
    /// Address that it listens on, of loopback.
    pub address: SocketAddr,
    /// The task that serves.
    pub serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

/// Serves on a free port of loopback, with its log in a file that is made anew.
///
/// # Errors
/// The file cannot be made, the port not be listened on, or the certificates not be used.
pub async fn serve(tls: &Tls, log: &Path) -> Result<Served> {
    let key = SigningKey::from_bytes(&SEED);
    let bare = Bare { public: Arc::new(key.verifying_key()), key: Arc::new(key), queue: committer::start(log)? };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::builder().add_service(LedgerServer::new(bare));
    Ok(Served { address, serving: tokio::spawn(server.serve_with_incoming(tls.connections(listener)?)) })
}

#[derive(Debug, Clone)]
struct Bare {
    key: Arc<SigningKey>,
    public: Arc<VerifyingKey>,
    queue: mpsc::Sender<Waiting>,
}

impl Bare {
    /// Signs or checks, and hands over to the thread that writes.
    async fn hand_over(&self, submission: Submission) -> Result<(Bytes, oneshot::Receiver<Durable>), Status> {
        let Submission { statement, signature } = submission;
        let signature = if signature.is_empty() {
            self.key.sign(&statement)
        } else {
            let signature = Signature::from_slice(&signature).map_err(|_| Status::invalid_argument("no signature"))?;
            let checked = self.public.verify_strict(&statement, &signature);
            checked.map_err(|_| Status::invalid_argument("not the key's signature"))?;
            signature
        };
        let mut entry = BytesMut::with_capacity(statement.len() + Signature::BYTE_SIZE);
        entry.extend_from_slice(&statement);
        entry.extend_from_slice(&signature.to_bytes());
        let (entry, (answer, durable)) = (entry.freeze(), oneshot::channel());
        let waiting = Waiting { leaf: frontier::leaf(&entry), entry: entry.clone(), answer };
        self.queue.send(waiting).await.map_err(|_| away())?;
        Ok((entry, durable))
    }
}

async fn placed(entry: Bytes, durable: oneshot::Receiver<Durable>) -> Result<Placed, Status> {
    let Durable { index, root } = durable.await.map_err(|_| away())?;
    Ok(Placed { index, root: Bytes::copy_from_slice(&root), entry })
}

fn away() -> Status {
    Status::unavailable("the disk has failed")
}

#[async_trait]
impl Ledger for Bare {
    type AppendStreamStream = Pin<Box<dyn Stream<Item = Result<Placed, Status>> + Send>>;

    async fn prepare(&self, request: Request<Submission>) -> Result<Response<Submission>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn append(&self, request: Request<Submission>) -> Result<Response<Placed>, Status> {
        let (entry, durable) = self.hand_over(request.into_inner()).await?;
        Ok(Response::new(placed(entry, durable).await?))
    }

    async fn append_stream(
        &self,
        request: Request<Streaming<Submission>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        let bare = self.clone();
        let handed_over = request.into_inner().then(move |submission| {
            let bare = bare.clone();
            async move { bare.hand_over(submission?).await }
        });
        let answers = handed_over.map(|handed_over| async {
            let (entry, durable) = handed_over?;
            placed(entry, durable).await
        });
        Ok(Response::new(Box::pin(answers.buffered(STREAM_MAX))))
    }
}
