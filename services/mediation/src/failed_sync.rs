//! A sync that failed: the process ends at once, and the next one tells that it happened.
//!
//! What the process leaves is a note in a file of its state. The disk has just failed, so that the note may not come to it: then
//! the last line of the log is all there is. The note is never waited for longer than a moment, and nothing depends on it.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::mpsc,
    thread,
    time::Duration,
};

use mediation_ledger::clock::{Clock as _, SystemClock};
use mediation_log_embedded::FatalHandler;

use crate::layout::Layout;

/// The file with the note.
pub(crate) const FAILED_SYNC: &str = "sync.failed";

/// Time that the disk gets to take the note.
const NOTE_TIMEOUT: Duration = Duration::from_secs(1);

/// Ends the process when a sync has failed, with a note of when.
pub(crate) fn ending(layout: &Layout) -> FatalHandler {
    let path = path(layout.state());
    FatalHandler::new(move |error| {
        tracing::error!(%error, "the disk failed; the process ends, nothing unacknowledged is certain");
        leave(&path, SystemClock.now_ms().div_euclid(1_000));
        process::abort();
    })
}

/// When a sync failed last, in seconds since 1970-01-01T00:00:00Z, as far as it is noted.
pub(crate) fn last(state: &Path) -> Option<i64> {
    fs::read_to_string(path(state)).ok()?.trim_end().parse().ok()
}

fn path(state: &Path) -> PathBuf {
    state.join(FAILED_SYNC)
}

/// Leaves the note, if the disk takes it in time.
fn leave(path: &Path, at: i64) {
    let (noted, is_noted) = mpsc::channel();
    let path = path.to_owned();
    // A disk that hangs keeps this thread, and not the process.
    let noting = thread::Builder::new().name("failed-sync".to_owned()).spawn(move || {
        let written = fs::File::create(&path).and_then(|mut file| {
            use std::io::Write as _;
            writeln!(file, "{at}")?;
            file.sync_all()
        });
        drop(noted.send(written));
    });
    match noting.map(|_thread| is_noted.recv_timeout(NOTE_TIMEOUT)) {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) | Err(error) => tracing::error!(%error, "the failed sync could not be noted"),
        Ok(Err(error)) => tracing::error!(%error, "the failed sync could not be noted in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_again_and_one_that_cannot_be_left_holds_nothing_up() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(last(directory.path()), None);
        leave(&path(directory.path()), 1_709_514_720);
        assert_eq!(last(directory.path()), Some(1_709_514_720));
        leave(&path(directory.path()), 1_709_514_721);
        assert_eq!(last(directory.path()), Some(1_709_514_721));
        leave(&directory.path().join("away").join(FAILED_SYNC), 1);
        fs::write(path(directory.path()), "soon").unwrap();
        assert_eq!(last(directory.path()), None);
    }
}
