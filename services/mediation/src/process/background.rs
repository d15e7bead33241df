//! Work that no request waits for: streams, the read model, the index of texts, the clock keeper. It has threads of its own, to which
//! the system gives a processor when those who record and read leave one.

use std::io;

use rustix::process::nice;
use tokio::runtime::{Builder, Handle, Runtime};

/// How much nicer these threads are than the others: they get a tenth of a processor that both want.
const NICER: i32 = 10;

/// The threads of that work.
#[derive(Debug)]
pub(super) struct Background {
    /// None once it has ended.
    runtime: Option<Runtime>,
}

impl Background {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has none left.
    pub(super) fn start() -> io::Result<Self> {
        let mut threads = Builder::new_multi_thread();
        let threads = threads.enable_all().thread_name("background").on_thread_start(|| {
            // Of one thread, not of the process, on Linux; elsewhere, or where it may not be set, all are alike.
            if cfg!(target_os = "linux")
                && let Err(error) = nice(NICER)
            {
                tracing::warn!(%error, "background work has the priority of everything else");
            }
        });
        Ok(Self { runtime: Some(threads.build()?) })
    }

    /// Where to spawn such work; in the runtime of the caller once it has ended.
    pub(super) fn handle(&self) -> Handle {
        self.runtime.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // The work itself is ended by who spawned it; a thread that still blocks is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The nineteenth field of what the system says of this thread: its niceness.
    fn niceness() -> i32 {
        let told = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = told.rsplit_once(") ").unwrap();
        fields.split(' ').nth(16).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn background_work_steps_back_and_nothing_else_does() {
        let background = Background::start().unwrap();
        let own = niceness();
        let (worker, blocking) = (
            background.handle().spawn(async { niceness() }).await.unwrap(),
            background.handle().spawn_blocking(niceness).await.unwrap(),
        );
        let expected = (own + NICER).min(19);
        assert_eq!((worker, blocking, niceness()), (expected, expected, own));
        drop(background);
    }
}
