//! The served log of a process: tiles from the seals, entries from the log.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use mediation_gateway::{
    listener,
    served::{LogSource, Options, router},
};
use mediation_ledger::{
    log::ReadError,
    merkle::{LeafIndex, TreeSize},
    record::leaf_bytes,
    tile::Tile,
};
use mediation_projections::{sealer::Seals, witnesses::Cosigned};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{backend::AnyLog, config::LogHttpConfig};

/// The log of this process.
struct Source {
    log: Arc<AnyLog>,
    seals: Seals,
    cosigned: Cosigned,
}

impl LogSource for Source {
    fn size(&self) -> TreeSize {
        self.seals.size()
    }

    fn checkpoint(&self) -> Option<String> {
        self.cosigned.checkpoint()
    }

    fn witnessed(&self) -> Option<String> {
        self.cosigned.witnessed().map(|(_, note)| note)
    }

    fn hashes(&self, tile: Tile) -> Option<Vec<u8>> {
        self.seals.tile(tile)
    }

    async fn leaves(&self, from: LeafIndex, count: usize) -> Result<Vec<Bytes>, ReadError> {
        let stored = self.log.leaves(from, count).await?;
        Ok(stored.iter().map(|stored| leaf_bytes(&stored.record)).collect())
    }
}

/// Serves the log if the configuration gives an address; answers the address, and the task.
pub(crate) async fn start(
    config: &LogHttpConfig,
    log: Arc<AnyLog>,
    seals: Seals,
    cosigned: Cosigned,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Option<(SocketAddr, JoinHandle<()>)>> {
    let Some(address) = config.listen else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    let source = Arc::new(Source { log, seals, cosigned });
    let router = router(source, Options { entries: config.entries });
    Ok(Some((address, tokio::spawn(listener::serve(listener, router, stop)))))
}
