//! Probes of an orchestrator: their listener, and the watch over the log that they are told of.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use mediation_desk::{
    health::{self, Health, Metrics},
    node::Node,
};
use mediation_ledger::{chain::ChainId, log::Log, vault::Vault};
use tokio::{net::TcpListener, task::JoinSet};

use crate::config::HealthConfig;

/// Answers probes while the process runs, until it is dropped: a probe must not find the process dead while it stops.
#[derive(Debug)]
pub(crate) struct Probes {
    /// Address of the listener for probes; none when the configuration says so.
    pub(crate) address: Option<SocketAddr>,
    tasks: JoinSet<Result<()>>,
}

impl Probes {
    /// Starts to watch the log of a node, and to answer probes if the configuration gives an address.
    pub(crate) async fn start<L: Log, V: Vault>(
        config: Option<&HealthConfig>,
        node: Arc<Node<L, V>>,
        health: Health,
        metrics: Arc<impl Metrics>,
    ) -> Result<Self> {
        let (mut tasks, mut address) = (JoinSet::new(), None);
        if let Some(HealthConfig { listen }) = config {
            let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
            address = Some(listener.local_addr()?);
            let health = health.clone();
            tasks.spawn(async move { Ok(health::serve(health, metrics, listener).await?) });
        }
        tasks.spawn(async move {
            let ledger = node.ledger();
            health::watch_log(ledger.log().as_ref(), ChainId::registry(ledger.origin()), &health).await;
            Ok(())
        });
        Ok(Self { address, tasks })
    }

    /// Waits until the listener fails.
    pub(crate) async fn failed(&mut self) -> Result<()> {
        match self.tasks.join_next().await {
            Some(ended) => ended?,
            None => Ok(()),
        }
    }
}
