//! Traces over OTLP: what the services trace goes to a collector, and nobody waits for it.
//!
//! ```text
//! request ends ─ room in the queue? ─ yes: queue ─ task: some at once ─ collector, so long and no longer
//!                         └ no: dropped, counted                              └ away, or hangs: those are dropped, counted
//! ```

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use mediation_desk::traces::Traces;
use opentelemetry::{Context, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithTonicConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor},
};
use tokio::sync::mpsc;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::config::TracesConfig;

/// Spans that may wait for the collector.
const QUEUE_MAX: usize = 4_096;

/// Spans that are sent at once.
const BATCH_MAX: usize = 512;

/// Time for which the spans of a batch are gathered.
const GATHER: Duration = Duration::from_millis(500);

/// Name under which the collector knows the process.
const SERVICE: &str = "mediation-ledger";

/// What became of spans.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl Sent {
    /// Spans that the collector has taken, and those that it has not, or that found no room.
    pub(crate) fn now(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}

/// Sends spans to a collector.
#[derive(Debug)]
pub(crate) struct Exporter {
    exporter: OtlpExporter,
    queue: mpsc::Receiver<SpanData>,
    counts: Arc<Sent>,
    timeout: Duration,
    /// Kept for as long as it sends: what is traced later goes nowhere.
    _provider: SdkTracerProvider,
}

/// Traces of the requests of a ledger, and what sends them.
///
/// # Errors
/// The certificates of those who vouch for the collector cannot be read, or its address is none.
pub(crate) fn start(config: &TracesConfig, origin: &str) -> Result<(Traces, Exporter, Arc<Sent>)> {
    let timeout = Duration::from_millis(config.timeout_ms);
    let address = &config.otlp_endpoint;
    let mut endpoint = Endpoint::from_shared(address.clone())?.connect_timeout(timeout).timeout(timeout);
    if let Some(authorities) = &config.authorities {
        let pem = fs::read(authorities).with_context(|| format!("cannot read `{}`", authorities.display()))?;
        endpoint = endpoint.tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))?;
    }
    let resource = Resource::builder_empty().with_service_name(SERVICE).build();
    let mut exporter = OtlpExporter::builder().with_tonic().with_channel(endpoint.connect_lazy()).build()?;
    exporter.set_resource(&resource);
    let (sender, queue) = mpsc::channel(QUEUE_MAX);
    let counts = Arc::new(Sent::default());
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(f64::from(config.per_mille) / 1e3))))
        .with_span_processor(Queue { sender, counts: Arc::clone(&counts) })
        .build();
    let traces = Traces::new(provider.tracer(SERVICE), origin);
    let exporter = Exporter { exporter, queue, counts: Arc::clone(&counts), timeout, _provider: provider };
    Ok((traces, exporter, counts))
}

impl Exporter {
    /// Sends what is traced until told to stop; then what waits, as far as one attempt gets.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut is_away = false;
        loop {
            let mut batch = Vec::with_capacity(BATCH_MAX);
            tokio::select! {
                () = &mut stop => break,
                received = self.queue.recv_many(&mut batch, BATCH_MAX) => if received == 0 { break },
            }
            // What comes in the next moment goes along.
            let full = self.gather(&mut batch);
            tokio::select! {
                () = full => {}
                () = &mut stop => {}
            }
            is_away = !self.send(batch, is_away).await;
        }
        self.queue.close();
        let mut rest = Vec::new();
        self.queue.recv_many(&mut rest, QUEUE_MAX).await;
        if !rest.is_empty() {
            self.send(rest, is_away).await;
        }
    }

    async fn gather(&mut self, batch: &mut Vec<SpanData>) {
        let gathered = async {
            while batch.len() < BATCH_MAX && self.queue.recv_many(batch, BATCH_MAX - batch.len()).await > 0 {}
        };
        // Its end is that it takes no longer.
        drop(tokio::time::timeout(GATHER, gathered).await);
    }

    /// Whether the collector has taken them.
    async fn send(&self, batch: Vec<SpanData>, was_away: bool) -> bool {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let trouble = match tokio::time::timeout(self.timeout, self.exporter.export(batch)).await {
            Ok(Ok(())) => {
                self.counts.sent.fetch_add(count, Ordering::Relaxed);
                if was_away {
                    tracing::info!("the collector of traces takes them again");
                }
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        self.counts.dropped.fetch_add(count, Ordering::Relaxed);
        if !was_away {
            tracing::warn!(trouble, "the collector of traces does not take them; they are dropped until it does");
        }
        false
    }
}

/// Takes spans that have ended, as long as there is room.
#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<SpanData>,
    counts: Arc<Sent>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.sender.try_send(span).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
