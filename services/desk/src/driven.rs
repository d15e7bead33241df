//! Streams of answers, each driven by a task of its own.
//!
//! ```text
//! task: room for an answer? ─ make the next one, to its end ─┐ channel of one
//! transport: the reader takes more? ─────────────────────────┴▶ the answer
//! ```
//!
//! The transport polls a stream only while its reader has room. A future that it leaves half done may stand first in line for a
//! lock that everybody needs: one reader who stops would then stop the whole process. A task is polled whoever reads, and waits for
//! its reader only between two answers, when it holds nothing.

use std::pin::{Pin, pin};

use futures_util::{Stream, StreamExt as _};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// The same stream, driven by a task of this runtime until it ends or nobody waits for it any more. One answer is made ahead of the
/// reader.
pub(crate) fn driven<T: Send + 'static>(
    runtime: &Handle,
    answers: impl Stream<Item = T> + Send + 'static,
) -> Pin<Box<dyn Stream<Item = T> + Send>> {
    let (sender, receiver) = mpsc::channel(1);
    runtime.spawn(async move {
        let mut answers = pin!(answers);
        while let Ok(room) = sender.reserve().await {
            let answer = tokio::select! {
                () = sender.closed() => return,
                answer = answers.next() => answer,
            };
            let Some(answer) = answer else { return };
            room.send(answer);
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::stream;
    use tokio::sync::{Mutex, oneshot};

    use super::*;

    #[tokio::test]
    async fn who_does_not_read_holds_no_lock() {
        let lock = Arc::new(Mutex::new(()));
        let held = Arc::clone(&lock).lock_owned().await;
        let taken = Arc::clone(&lock);
        let mut answers = driven(&Handle::current(), stream::once(async move { drop(taken.lock().await) }));
        // It stands in line by now, and is not polled by its reader again.
        assert!(futures_util::poll!(answers.next()).is_pending());
        tokio::task::yield_now().await;
        drop(held);
        drop(lock.lock().await);
        assert_eq!(answers.next().await, Some(()));
        assert_eq!(answers.next().await, None);
    }

    #[tokio::test]
    async fn of_a_stream_that_nobody_waits_for_any_more_nothing_is_left() {
        let (dropped, is_dropped) = oneshot::channel::<()>();
        let never = async move {
            let _kept = dropped;
            std::future::pending::<()>().await;
        };
        drop(driven(&Handle::current(), stream::once(never)));
        assert!(is_dropped.await.is_err());
    }

    #[tokio::test]
    async fn one_answer_is_made_ahead_and_no_more() {
        let (made, mut seen) = mpsc::unbounded_channel();
        let answers = stream::iter(0..9).inspect(move |answer| made.send(*answer).unwrap_or_default());
        let mut answers = driven(&Handle::current(), answers);
        assert_eq!(seen.recv().await, Some(0));
        tokio::task::yield_now().await;
        assert!(seen.try_recv().is_err());
        assert_eq!(answers.next().await, Some(0));
        assert_eq!(seen.recv().await, Some(1));
        assert_eq!(answers.collect::<Vec<_>>().await, (1..9).collect::<Vec<_>>());
    }
}
