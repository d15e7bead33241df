//! Streams of answers, each driven by a task of its own.
//!
//! ```text
//! task: room for an answer? ─ make the next one, to its end ─┐ channel of one
//! transport: the reader takes more? ─────────────────────────┴▶ the answer
//! ```
//!
//! The transport polls a stream only while its reader has room. A future that it leaves half done may stand first in line for a
//! lock that everybody needs: one reader who stops would then stop the whole process. A task is polled whoever reads, and waits for
//! its reader only between two answers, when it holds nothing. That it waits is told of (`subscribers.rs`).

use std::{
    pin::{Pin, pin},
    sync::Arc,
};

use futures_util::{Stream, StreamExt as _};
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, error::TrySendError},
};
use tokio_stream::wrappers::ReceiverStream;

use crate::subscribers::Subscriber;

/// The same stream, driven by a task of this runtime until it ends or nobody waits for it any more. One answer is made ahead of the
/// reader.
pub(crate) fn driven<T: Send + 'static>(
    runtime: &Handle,
    subscriber: Arc<Subscriber>,
    answers: impl Stream<Item = T> + Send + 'static,
) -> Pin<Box<dyn Stream<Item = T> + Send>> {
    let (sender, receiver) = mpsc::channel(1);
    runtime.spawn(async move {
        let mut answers = pin!(answers);
        while let Some(room) = room(&sender, &subscriber).await {
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

/// Room for one more answer, as soon as the reader has taken the last one; none when he is gone.
async fn room<'s, T>(sender: &'s mpsc::Sender<T>, subscriber: &Subscriber) -> Option<mpsc::Permit<'s, T>> {
    match sender.try_reserve() {
        Ok(room) => return Some(room),
        Err(TrySendError::Closed(())) => return None,
        Err(TrySendError::Full(())) => {}
    }
    subscriber.is_behind();
    let room = sender.reserve().await.ok();
    subscriber.has_taken();
    room
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio::sync::{Mutex, oneshot};

    use super::*;
    use crate::subscribers::{Standing, Subscribers};

    fn subscriber() -> Arc<Subscriber> {
        Arc::new(Subscribers::default().open())
    }

    #[tokio::test]
    async fn who_does_not_read_holds_no_lock() {
        let lock = Arc::new(Mutex::new(()));
        let held = Arc::clone(&lock).lock_owned().await;
        let taken = Arc::clone(&lock);
        let mut answers =
            driven(&Handle::current(), subscriber(), stream::once(async move { drop(taken.lock().await) }));
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
        drop(driven(&Handle::current(), subscriber(), stream::once(never)));
        assert!(is_dropped.await.is_err());
    }

    #[tokio::test]
    async fn one_answer_is_made_ahead_and_no_more() {
        let (made, mut seen) = mpsc::unbounded_channel();
        let answers = stream::iter(0..9).inspect(move |answer| made.send(*answer).unwrap_or_default());
        let subscribers = Subscribers::default();
        let mut answers = driven(&Handle::current(), Arc::new(subscribers.open()), answers);
        assert_eq!(seen.recv().await, Some(0));
        tokio::task::yield_now().await;
        assert!(seen.try_recv().is_err());
        assert_eq!(subscribers.standing(0).behind, 1);
        assert_eq!(answers.next().await, Some(0));
        assert_eq!(seen.recv().await, Some(1));
        assert_eq!(answers.collect::<Vec<_>>().await, (1..9).collect::<Vec<_>>());
        tokio::task::yield_now().await;
        assert_eq!(subscribers.standing(0), Standing::default());
    }
}
