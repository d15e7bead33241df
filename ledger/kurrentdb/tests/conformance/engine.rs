//! What somebody with rights on the engine does behind the log's back, on any server: on chains of this run's own only.
//!
//! Where the user may not delete or write metadata the rows say so, and ask for nothing else.

use std::{io, time::Duration};

use bytes::Bytes;
use eventstore::{
    AppendToStreamOptions, Client, EventData, ExpectedRevision, StreamMetadataBuilder, TombstoneStreamOptions,
};
use mediation_kurrentdb_stand_in::Options;
use mediation_ledger::{
    chain::{ChainId, Revision, uuid_v8},
    log::{AppendError, Follower as _, Log as _, ReadError},
};
use mediation_log_kurrentdb::{Alarm, Credentials, KurrentLog, KurrentOptions};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use uuid::Uuid;

use crate::server::{Server, tell};

const SOON: Duration = Duration::from_secs(20);

/// A log with a chain that nobody else has, and the engine behind it.
struct Behind {
    log: KurrentLog,
    chain: ChainId,
    client: Client,
    server: Server,
}

impl Behind {
    async fn new() -> Self {
        Self::on(Options::default()).await
    }

    async fn on(options: Options) -> Self {
        let server = Server::any(options).await;
        // The log comes first: it sees to the TLS provider.
        let log = server.open().await;
        let KurrentOptions { address, authorities, .. } = &server.options;
        let joint = if address.contains('?') { '&' } else { '?' };
        let authorities = authorities.as_deref().map_or_else(|| "/dev/null".into(), |path| path.to_string_lossy());
        let client = Client::new(format!("{address}{joint}tlsCaFile={authorities}").parse().unwrap()).unwrap();
        Self { log, chain: ChainId(Uuid::new_v4().into_bytes()), client, server }
    }

    async fn append(&self, at: u64, record: &'static [u8]) -> Result<(), AppendError> {
        timeout(SOON, self.log.append(self.chain, Revision(at), Bytes::from_static(record))).await.unwrap()
    }

    async fn read(&self) -> Result<Vec<Bytes>, ReadError> {
        let read = timeout(SOON, self.log.read(self.chain, Revision::FIRST, 9)).await.unwrap()?;
        Ok(read.into_iter().map(|stored| stored.record).collect())
    }

    fn stream(&self) -> String {
        format!("chain-{}", self.chain)
    }

    fn user(&self) -> Option<eventstore::Credentials> {
        let Credentials { name, password } = self.server.options.credentials.clone()?;
        Some(eventstore::Credentials::new(name, password))
    }

    fn appending(&self) -> AppendToStreamOptions {
        let options = AppendToStreamOptions::default().expected_revision(ExpectedRevision::Any);
        match self.user() {
            Some(user) => options.authenticated(user),
            None => options,
        }
    }

    /// Writes an event that the log knows nothing of.
    async fn write(&self, id: Uuid, data: &'static [u8]) {
        let event = EventData::binary("of.somebody.else", Bytes::from_static(data)).id(id);
        timeout(SOON, self.client.append_to_stream(self.stream(), &self.appending(), event)).await.unwrap().unwrap();
    }

    /// Hides the first records.
    async fn truncate(&self, before: u64) -> eventstore::Result<()> {
        let metadata = StreamMetadataBuilder::new().truncate_before(before).build();
        let options = self.appending();
        let written = self.client.set_stream_metadata(self.stream(), &options, &metadata);
        timeout(SOON, written).await.unwrap().map(drop)
    }

    /// Deletes the stream for ever.
    async fn tombstone(&self) -> eventstore::Result<()> {
        let options = TombstoneStreamOptions::default().expected_revision(ExpectedRevision::Any);
        let options = match self.user() {
            Some(user) => options.authenticated(user),
            None => options,
        };
        timeout(SOON, self.client.tombstone_stream(self.stream(), &options)).await.unwrap().map(drop)
    }

    async fn alarmed(&self, matches: impl Fn(&Alarm) -> bool) {
        let mut alarms = self.log.alarms();
        let raised = timeout(SOON, alarms.wait_for(|raised| raised.iter().any(&matches))).await;
        assert!(raised.is_ok(), "{:?}", self.log.alarms().borrow());
    }
}

/// Id that the log gives a record: of this text it depends whether two versions of the log take each other's for a replay.
fn event_id(stream: &str, revision: u64, record: &[u8]) -> Uuid {
    let text = [b"mediation-ledger/kurrentdb-event/v1\0", stream.as_bytes(), b"\0", &revision.to_be_bytes()].concat();
    let digest = Sha256::new().chain_update(text).chain_update(Sha256::digest(record)).finalize();
    Uuid::from_bytes(uuid_v8(digest.into()))
}

/// Whether the user may do it; where he may not, somebody who looks at the terminal is told.
fn may(row: &str, done: eventstore::Result<()>) -> bool {
    if matches!(done, Err(eventstore::Error::AccessDenied)) {
        tell(&format!("{row}: not shown, as the user may not"));
        return false;
    }
    done.unwrap();
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_under_an_id_of_somebody_else_are_ours_and_other_bytes_are_not() {
    let behind = Behind::new().await;
    behind.write(Uuid::new_v4(), b"record 0").await;
    behind.append(0, b"record 0").await.unwrap();
    let other = behind.append(0, b"another").await;
    assert!(matches!(other, Err(AppendError::Conflict { next: Revision(1) })), "{other:?}");
    assert_eq!(behind.read().await.unwrap(), ["record 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_under_our_id_are_no_success() {
    let behind = Behind::new().await;
    behind.write(event_id(&behind.stream(), 0, b"record 0"), b"another").await;
    let answer = behind.append(0, b"record 0").await;
    assert!(matches!(answer, Err(AppendError::Conflict { next: Revision(1) })), "{answer:?}");
    assert_eq!(behind.read().await.unwrap(), ["another"]);
    // Without this the engine may have compared nothing: the id is the one that the log gives.
    behind.write(event_id(&behind.stream(), 1, b"record 1"), b"record 1").await;
    let replays = behind.log.metrics().replays;
    behind.append(1, b"record 1").await.unwrap();
    assert_eq!(behind.log.metrics().replays, replays + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_under_our_id_are_no_success_even_where_a_replay_tells_its_place() {
    let behind = Behind::on(Options { replay_positions: true, ..Options::default() }).await;
    behind.write(event_id(&behind.stream(), 0, b"record 0"), b"another").await;
    let answer = behind.append(0, b"record 0").await;
    assert!(matches!(answer, Err(AppendError::Conflict { next: Revision(1) })), "{answer:?}");
    assert_eq!(behind.read().await.unwrap(), ["another"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_deleted_for_ever_is_damage_and_an_alarm() {
    let behind = Behind::new().await;
    behind.append(0, b"record 0").await.unwrap();
    assert_eq!(behind.read().await.unwrap().len(), 1);
    if !may("a tombstone", behind.tombstone().await) {
        return;
    }
    let read = behind.read().await;
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    behind.alarmed(|alarm| matches!(alarm, Alarm::Deleted { stream } if *stream == behind.stream())).await;
    let answer = behind.append(1, b"record 1").await;
    assert!(matches!(answer, Err(AppendError::Unavailable(Some(_)))), "{answer:?}");
    let elsewhere = ChainId(Uuid::new_v4().into_bytes());
    behind.log.append(elsewhere, Revision::FIRST, Bytes::from_static(b"record 0")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_truncate_are_an_alarm_and_what_is_left_is_damage() {
    let behind = Behind::new().await;
    for (at, record) in [(0, b"record 0"), (1, b"record 1"), (2, b"record 2")] {
        behind.append(at, record).await.unwrap();
    }
    let mut follower = behind.log.follow(None).await.unwrap();
    assert!(!timeout(SOON, follower.next()).await.unwrap().unwrap().is_empty());
    if !may("metadata", behind.truncate(2).await) {
        return;
    }
    let read = behind.read().await;
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    behind.alarmed(|alarm| matches!(alarm, Alarm::Gap { stream, .. } if *stream == behind.stream())).await;
    // Other rows write, too, and a follower stops paging while nobody takes its pages.
    let seen = async { while follower.next().await.is_ok() {} };
    tokio::select! {
        () = seen => panic!("the follower ended"),
        () = behind.alarmed(|alarm| matches!(alarm, Alarm::Metadata { stream, .. } if *stream == behind.stream())) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_denied_at_once() {
    let server = Server::any(Options::default()).await;
    let Some(credentials) = server.options.credentials.clone() else {
        tell("a wrong password: not shown, as MEDIATION_KURRENTDB_USER names nobody");
        return;
    };
    let wrong = Some(Credentials { password: format!("{}, wrong", credentials.password), ..credentials });
    let log = KurrentLog::open(KurrentOptions { credentials: wrong, ..server.options.clone() }).await.unwrap();
    let chain = ChainId(Uuid::new_v4().into_bytes());
    let denied = |cause: &io::Error| cause.kind() == io::ErrorKind::PermissionDenied;
    let answer = timeout(SOON, log.append(chain, Revision::FIRST, Bytes::from_static(b"record 0"))).await.unwrap();
    assert!(matches!(&answer, Err(AppendError::Unavailable(Some(cause))) if denied(cause)), "{answer:?}");
    let read = timeout(SOON, log.read(chain, Revision::FIRST, 1)).await.unwrap();
    assert!(matches!(&read, Err(ReadError::Unavailable(Some(cause))) if denied(cause)), "{read:?}");
}
