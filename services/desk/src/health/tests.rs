//! The statuses, with a log that comes and goes.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use mediation_ledger::{
    log::{AppendError, Cursor, ReadError, Stored},
    memory::MemoryLog,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_server::Health as _};

use super::*;

const SERVICE: &str = "mediation.desk.v1.CourtDesk";

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that counts nothing.
struct Unmeasured;

impl Metrics for Unmeasured {
    async fn text(&self) -> Option<String> {
        None
    }
}

/// A log that answers, or is away.
#[derive(Default)]
struct Flickering {
    log: MemoryLog,
    away: AtomicBool,
}

impl Log for Flickering {
    type Follower = <MemoryLog as Log>::Follower;

    async fn append(&self, chain: ChainId, expected: Revision, record: Bytes) -> Result<(), AppendError> {
        self.log.append(chain, expected, record).await
    }

    async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(ReadError::Unavailable(None)),
            false => self.log.read(chain, from, limit).await,
        }
    }

    async fn follow(&self, after: Option<Cursor>) -> Result<Self::Follower, ReadError> {
        self.log.follow(after).await
    }
}

async fn status(health: &Health, service: &str) -> Result<ServingStatus, Code> {
    let asked = Request::new(HealthCheckRequest { service: service.to_owned() });
    let answer = HealthService::from_health_reporter(health.reporter.clone()).check(asked).await;
    match answer.map(|answer| answer.into_inner().status).map_err(|status| status.code())? {
        1 => Ok(ServingStatus::Serving),
        _ => Ok(ServingStatus::NotServing),
    }
}

async fn until(health: &Health, expected: ServingStatus) {
    let reached = async {
        while status(health, "").await != Ok(expected) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap();
}

#[tokio::test]
async fn a_process_serves_between_opening_and_stopping_and_lives_all_the_while() {
    let health = Health::default();
    health.learn(|_| {}).await;
    assert_eq!(status(&health, "").await, Ok(ServingStatus::NotServing));
    assert_eq!(status(&health, LIVENESS).await, Ok(ServingStatus::Serving));
    health.opened([SERVICE]).await;
    for service in ["", SERVICE, LIVENESS] {
        assert_eq!(status(&health, service).await, Ok(ServingStatus::Serving), "{service}");
    }
    assert_eq!(status(&health, "no.such.Service").await, Err(Code::NotFound));
    health.closed().await;
    for service in ["", SERVICE] {
        assert_eq!(status(&health, service).await, Ok(ServingStatus::NotServing), "{service}");
    }
    assert_eq!(status(&health, LIVENESS).await, Ok(ServingStatus::Serving));
}

#[tokio::test]
async fn a_process_whose_log_is_away_lives_and_does_not_serve_until_the_log_answers() {
    let (health, log) = (Health::default(), Arc::new(Flickering::default()));
    health.opened([SERVICE]).await;
    let (watched, statuses) = (Arc::clone(&log), health.clone());
    let chain = ChainId::registry("health.example/log");
    let watch = tokio::spawn(async move {
        watch_log_every(Duration::from_millis(1), watched.as_ref(), chain, &statuses).await;
    });
    log.away.store(true, Ordering::SeqCst);
    until(&health, ServingStatus::NotServing).await;
    assert_eq!(status(&health, LIVENESS).await, Ok(ServingStatus::Serving));
    log.away.store(false, Ordering::SeqCst);
    until(&health, ServingStatus::Serving).await;
    health.closed().await;
    // A log that answers opens nothing that is closed.
    health.log_answers(true).await;
    assert_eq!(status(&health, "").await, Ok(ServingStatus::NotServing));
    watch.abort();
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_their_places_come_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(Health::default(), Arc::new(Unmeasured), listener));
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        open.push(TcpStream::connect(address).await.unwrap());
    }
    closed(TcpStream::connect(address).await.unwrap()).await;
    drop(open);
    // A place is free as soon as somebody is answered.
    let asked = async || {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").await?;
        stream.read_u8().await
    };
    let answered = async { while asked().await.is_err() {} };
    timeout(PATIENCE, answered).await.unwrap();
    serving.abort();
}

/// Waits until the other side has closed a connection on which it has said nothing.
async fn closed(mut stream: TcpStream) {
    let read = timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}
