//! One client at a time, and a new one after every error that is no answer.
//!
//! The client's crate never leaves a dead node, is dead for good after one failed connect, has no deadline of its own, may
//! panic on an odd answer, and its connection task never ends, since it holds the handle it waits on. So each client lives
//! in a runtime of its own: a call is a task there, whose panic is an error here, and dropping the runtime ends everything.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::Mutex as AsyncMutex,
    task::{JoinError, JoinSet},
    time::{Instant, sleep, sleep_until, timeout_at},
};
use uuid::Uuid;

use crate::{
    alarm::Alarms,
    es,
    metrics::Counters,
    options::{Credentials, KurrentOptions, OpenError},
    wire::Failure,
};

/// First wait before a client is built again; doubled with every failure.
const REBUILD_PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest wait before a client is built again.
const REBUILD_PAUSE_MAX: Duration = Duration::from_secs(5);

/// What all handles of a log share.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) options: KurrentOptions,
    pub(crate) alarms: Alarms,
    pub(crate) counters: Counters,
    settings: es::ClientSettings,
    slot: Mutex<Slot>,
    /// Held by the one that builds the next client.
    building: AsyncMutex<()>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u64,
    live: Option<Arc<Live>>,
    /// Failures since the last answer.
    failures: u32,
    not_before: Option<Instant>,
}

impl Link {
    pub(crate) fn new(options: KurrentOptions, settings: es::ClientSettings) -> Self {
        Self {
            options,
            settings,
            alarms: Alarms::default(),
            counters: Counters::default(),
            slot: Mutex::default(),
            building: AsyncMutex::default(),
        }
    }

    /// Whether nobody on the way can listen.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.settings.is_secure_mode_enabled()
    }

    /// Asks once, and waits for an answer no longer than `limit`.
    pub(crate) async fn call<T, F>(
        &self,
        limit: Duration,
        ask: impl FnOnce(es::Client, Option<Credentials>) -> F + Send,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
        T: Send + 'static,
    {
        let deadline = Instant::now() + limit;
        let connected = timeout_at(deadline, self.live()).await;
        let live = connected.map_err(|_late| Failure::Unsent("no connection in time".to_owned()))??;
        let asked = live.run(ask(live.client(), self.options.credentials.clone()));
        let answer = match timeout_at(deadline, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panicked)) => {
                self.counters.client_panics.add();
                Err(Failure::Lost(panicked.to_string()))
            }
            Err(_late) => Err(Failure::Lost("no answer in time".to_owned())),
        };
        match &answer {
            Err(failure) if failure.breaks_client() => self.discard(live.generation, failure),
            Ok(_) | Err(_) => self.answered(live.generation),
        }
        answer
    }

    /// Asks what changes nothing, again and again until there is an answer, no longer than `limit` in all.
    pub(crate) async fn read<T, F>(
        &self,
        limit: Duration,
        ask: impl Fn(es::Client, Option<Credentials>) -> F + Send + Sync,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
        T: Send + 'static,
    {
        let deadline = Instant::now() + limit;
        loop {
            let failure = match self.call(deadline - Instant::now(), &ask).await {
                Err(failure) if failure.may_pass() => failure,
                answer => return answer,
            };
            if Instant::now() + REBUILD_PAUSE_MIN >= deadline {
                return Err(failure);
            }
            sleep(REBUILD_PAUSE_MIN).await;
        }
    }

    /// Lets the next call build a new client, whatever the present one says.
    pub(crate) fn refresh(&self) {
        let mut slot = self.slot();
        slot.live = None;
        slot.generation += 1;
    }

    async fn live(&self) -> Result<Arc<Live>, Failure> {
        if let Some(live) = &self.slot().live {
            return Ok(Arc::clone(live));
        }
        let _alone = self.building.lock().await;
        let (generation, not_before) = {
            let slot = self.slot();
            if let Some(live) = &slot.live {
                return Ok(Arc::clone(live));
            }
            (slot.generation, slot.not_before)
        };
        if let Some(not_before) = not_before {
            sleep_until(not_before).await;
        }
        let built = Live::build(generation, self.settings.clone()).await;
        self.counters.clients_built.add();
        match built {
            Ok(live) => {
                let live = Arc::new(live);
                let mut slot = self.slot();
                if slot.generation == generation {
                    slot.live = Some(Arc::clone(&live));
                }
                Ok(live)
            }
            Err(failure) => {
                self.discard(generation, &failure);
                Err(failure)
            }
        }
    }

    fn answered(&self, generation: u64) {
        let mut slot = self.slot();
        if slot.generation == generation {
            slot.failures = 0;
            slot.not_before = None;
        }
    }

    fn discard(&self, generation: u64, failure: &Failure) {
        let mut slot = self.slot();
        if slot.generation != generation {
            return;
        }
        let pause = jittered(pause(slot.failures));
        tracing::warn!(%failure, ?pause, "the connection to the cluster is made anew");
        slot.failures = slot.failures.saturating_add(1);
        slot.not_before = Some(Instant::now() + pause);
        slot.generation += 1;
        slot.live = None;
    }

    /// No holder of this lock panics halfway through a change.
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(failures: u32) -> Duration {
    REBUILD_PAUSE_MIN.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(REBUILD_PAUSE_MAX)
}

/// Between half of it and all of it, so that many processes do not come back at one instant.
fn jittered(pause: Duration) -> Duration {
    let half = pause / 2;
    let span = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
    let (random, _) = Uuid::new_v4().as_u64_pair();
    half + Duration::from_nanos(random % span)
}

/// A client and the runtime that it lives in.
pub(crate) struct Live {
    generation: u64,
    client: es::Client,
    runtime: Apart,
}

impl Live {
    pub(crate) async fn build(generation: u64, settings: es::ClientSettings) -> Result<Self, Failure> {
        let runtime = Apart::new().map_err(|error| Failure::Unsent(error.to_string()))?;
        match runtime.run(async move { es::Client::new(settings) }).await {
            Ok(Ok(client)) => Ok(Self { generation, client, runtime }),
            Ok(Err(error)) => Err(Failure::Unsent(error.to_string())),
            Err(panicked) => Err(Failure::Unsent(panicked.to_string())),
        }
    }

    pub(crate) fn client(&self) -> es::Client {
        self.client.clone()
    }

    /// Runs a call in the client's runtime. Dropping the future aborts it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        self.runtime.run(call).await
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// A runtime that may be dropped anywhere, also by a future that nobody waits for any more: within another one, dropping it
/// plainly is a panic.
struct Apart {
    /// Taken when dropped, never before.
    runtime: Option<Runtime>,
}

impl Apart {
    fn new() -> Result<Self, OpenError> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("kurrentdb").enable_all().build();
        Ok(Self { runtime: Some(runtime.map_err(OpenError::Runtime)?) })
    }

    /// Runs a task there. Dropping the future aborts it.
    async fn run<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> Result<T, JoinError> {
        let mut task = JoinSet::new();
        match &self.runtime {
            Some(runtime) => task.spawn_on(call, runtime.handle()),
            None => task.spawn(call),
        };
        loop {
            if let Some(ended) = task.join_next().await {
                return ended;
            }
        }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_nobody_waits_for_any_more_is_dropped_quietly() {
        let settings: es::ClientSettings = "esdb://127.0.0.1:1?tls=false".parse().unwrap();
        let mut given_up = 0;
        for _build in 0..50 {
            let building = tokio::time::timeout(Duration::ZERO, Live::build(0, settings.clone()));
            given_up += u32::from(building.await.is_err());
        }
        assert!(given_up > 0, "every client was built at once");
    }

    #[test]
    fn a_pause_grows_from_50_milliseconds_to_5_seconds() {
        assert_eq!(pause(0), Duration::from_millis(50));
        assert_eq!(pause(3), Duration::from_millis(400));
        for failures in [7, 31, 32, u32::MAX] {
            assert_eq!(pause(failures), Duration::from_secs(5));
        }
        let jittered = jittered(Duration::from_secs(4));
        assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&jittered), "{jittered:?}");
    }
}
