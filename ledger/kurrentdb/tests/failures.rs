//! What a cluster does when it fails, row by row, and what is made of it here.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use mediation_kurrentdb_stand_in::{AppendFault, Options, StandIn, User};
use mediation_ledger::{
    chain::{ChainId, Revision},
    heads::Heads as _,
    log::{Append, AppendError, Cursor, Follower as _, Log as _, ReadError},
};
use mediation_log_kurrentdb::{Alarm, Credentials, HEADS_STREAM, KurrentLog, KurrentOptions};
use tokio::time::{Instant, timeout};

const CHAIN: ChainId = ChainId([7; 16]);

/// Far above what an answer takes, far below what the client's crate waits by itself.
const SOON: Duration = Duration::from_secs(15);

async fn stood(options: Options) -> (StandIn, KurrentLog) {
    let cluster = StandIn::start(options).await.unwrap();
    let log = open(&cluster).await;
    (cluster, log)
}

async fn open(cluster: &StandIn) -> KurrentLog {
    let short = Duration::from_secs(2);
    let options = KurrentOptions { append_timeout: short, read_timeout: short, ..KurrentOptions::new(cluster.uri()) };
    KurrentLog::open(options).await.unwrap()
}

async fn append(log: &KurrentLog, at: u64) -> Result<(), AppendError> {
    timeout(SOON, log.append(CHAIN, Revision(at), record(at))).await.unwrap()
}

async fn revisions(log: &KurrentLog) -> Vec<u64> {
    let read = timeout(SOON, log.read(CHAIN, Revision(0), 1_000)).await.unwrap().unwrap();
    assert!(read.iter().all(|stored| stored.record == record(stored.revision.0)));
    read.into_iter().map(|stored| stored.revision.0).collect()
}

fn record(at: u64) -> Bytes {
    Bytes::from(format!("record {at}"))
}

fn stream() -> String {
    format!("chain-{CHAIN}")
}

async fn alarmed(log: &KurrentLog, matches: impl Fn(&Alarm) -> bool) {
    let mut alarms = log.alarms();
    let raised = timeout(SOON, alarms.wait_for(|raised| raised.iter().any(&matches))).await;
    assert!(raised.is_ok(), "{:?}", log.alarms().borrow());
}

fn unalarmed(log: &KurrentLog) {
    assert_eq!(*log.alarms().borrow(), BTreeSet::new());
}

/// Cursors and revisions of the next records of the chain.
async fn follow(log: &KurrentLog, after: Option<Cursor>, count: usize) -> Vec<(Cursor, u64)> {
    let mut follower = log.follow(after).await.unwrap();
    let mut followed = Vec::new();
    while followed.len() < count {
        let page = timeout(SOON, follower.next()).await.unwrap().unwrap();
        followed.extend(page.into_iter().map(|followed| (followed.cursor, followed.stored.revision.0)));
    }
    followed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_steps_down_before_accepting_is_followed_by_the_new_one() {
    let (cluster, log) = stood(Options::cluster(3)).await;
    append(&log, 0).await.unwrap();
    cluster.faults().lead(1);
    append(&log, 1).await.unwrap();
    cluster.faults().next_append("chain-", AppendFault::NotLeader);
    append(&log, 2).await.unwrap();
    assert_eq!(revisions(&log).await, [0, 1, 2]);
    assert_eq!(log.metrics().unknown_outcomes_resolved, 0);
    unalarmed(&log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_dies_before_it_accepts_loses_nothing() {
    let (cluster, log) = stood(Options::default()).await;
    cluster.faults().next_append("chain-", AppendFault::LoseRequest);
    append(&log, 0).await.unwrap();
    assert_eq!(revisions(&log).await, [0]);
    assert_eq!(log.metrics().unknown_outcomes_resolved, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_dies_after_it_accepted_doubles_nothing() {
    let (cluster, log) = stood(Options::default()).await;
    for at in 0..3 {
        cluster.faults().next_append("chain-", AppendFault::LoseAnswer);
        append(&log, at).await.unwrap();
    }
    assert_eq!(revisions(&log).await, [0, 1, 2]);
    assert_eq!(log.metrics().unknown_outcomes_resolved, 3);
    assert_eq!(log.metrics().replays, 3);
    assert!(log.metrics().clients_built >= 4);
    unalarmed(&log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_of_the_majority_is_asked_again_until_it_is_known() {
    let (cluster, log) = stood(Options::default()).await;
    cluster.faults().next_append("chain-", AppendFault::AbortBeforeCommit);
    append(&log, 0).await.unwrap();
    cluster.faults().next_append("chain-", AppendFault::AbortAfterCommit);
    append(&log, 1).await.unwrap();
    cluster.faults().next_append("chain-", AppendFault::DropResends(2));
    append(&log, 2).await.unwrap();
    assert_eq!(revisions(&log).await, [0, 1, 2]);
    assert_eq!(log.metrics().unknown_outcomes_resolved, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_the_outcome_is_unknown_and_reading_goes_on() {
    let (cluster, log) = stood(Options::cluster(3)).await;
    append(&log, 0).await.unwrap();
    cluster.faults().majority(false);
    let answer = append(&log, 1).await;
    assert!(matches!(answer, Err(AppendError::Unknown(Some(_)))), "{answer:?}");
    assert_eq!(revisions(&log).await, [0]);
    cluster.faults().majority(true);
    append(&log, 1).await.unwrap();
    assert_eq!(revisions(&log).await, [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deposed_leader_never_replicated_is_stored_by_asking_again() {
    let (cluster, log) = stood(Options::cluster(3)).await;
    append(&log, 0).await.unwrap();
    cluster.faults().next_append("chain-", AppendFault::LoseRequest);
    cluster.faults().kill(0);
    append(&log, 1).await.unwrap();
    cluster.faults().revive(0);
    append(&log, 2).await.unwrap();
    assert_eq!(revisions(&log).await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_revision_is_ours_when_the_bytes_are_and_a_conflict_otherwise() {
    let (cluster, log) = stood(Options::default()).await;
    for at in 0..3 {
        append(&log, at).await.unwrap();
    }
    append(&log, 1).await.unwrap();
    let other = log.append(CHAIN, Revision(1), record(9)).await;
    assert!(matches!(other, Err(AppendError::Conflict { next: Revision(3) })), "{other:?}");
    let early = log.append(CHAIN, Revision(7), record(7)).await;
    assert!(matches!(early, Err(AppendError::Conflict { next: Revision(3) })), "{early:?}");
    // Of a batch that was cut short, what stands is passed over and the rest is stored.
    let batch = (1..6).map(|at| Append { chain: CHAIN, expected: Revision(at), record: record(at) }).collect();
    log.append_batch(batch).await.unwrap();
    assert_eq!(revisions(&log).await, [0, 1, 2, 3, 4, 5]);
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_under_an_id_of_somebody_else_are_ours_and_other_bytes_are_not() {
    let (cluster, log) = stood(Options::default()).await;
    cluster.faults().write(&stream(), "of.somebody.else", b"", &record(0)).unwrap();
    append(&log, 0).await.unwrap();
    let other = log.append(CHAIN, Revision(0), record(1)).await;
    assert!(matches!(other, Err(AppendError::Conflict { next: Revision(1) })), "{other:?}");
    append(&log, 1).await.unwrap();
    assert_eq!(revisions(&log).await, [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_without_a_position_is_read_back() {
    for replay_positions in [false, true] {
        let (_cluster, log) = stood(Options { replay_positions, ..Options::default() }).await;
        append(&log, 0).await.unwrap();
        append(&log, 0).await.unwrap();
        assert_eq!(log.metrics().replays, u64::from(!replay_positions));
        assert_eq!(revisions(&log).await, [0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_is_damage_and_an_alarm_and_takes_no_number() {
    let (cluster, log) = stood(Options::default()).await;
    append(&log, 0).await.unwrap();
    let mut follower = log.follow(None).await.unwrap();
    assert_eq!(follower.next().await.unwrap().len(), 1);
    cluster.faults().tombstone(&stream()).unwrap();
    alarmed(&log, |alarm| matches!(alarm, Alarm::Deleted { .. })).await;
    let read = log.read(CHAIN, Revision(0), 9).await;
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    let answer = append(&log, 1).await;
    assert!(matches!(answer, Err(AppendError::Unavailable(Some(_)))), "{answer:?}");
    let elsewhere = ChainId([8; 16]);
    log.append(elsewhere, Revision(0), record(0)).await.unwrap();
    let next = timeout(SOON, follower.next()).await.unwrap().unwrap();
    assert!(next.iter().all(|followed| followed.stored.chain == elsewhere));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_deletion_and_its_metadata_are_alarms() {
    let (cluster, log) = stood(Options::default()).await;
    for at in 0..3 {
        append(&log, at).await.unwrap();
    }
    assert_eq!(follow(&log, None, 3).await.len(), 3);
    cluster.faults().delete(&stream()).unwrap();
    let read = log.read(CHAIN, Revision(0), 9).await;
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    alarmed(&log, |alarm| matches!(alarm, Alarm::Shrunk { .. })).await;
    let _follower = log.follow(None).await.unwrap();
    alarmed(&log, |alarm| matches!(alarm, Alarm::Metadata { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_a_deleted_stream_takes_elsewhere_is_no_success() {
    let (cluster, log) = stood(Options::default()).await;
    for at in 0..3 {
        append(&log, at).await.unwrap();
    }
    cluster.faults().delete(&stream()).unwrap();
    let answer = log.append(CHAIN, Revision(0), record(9)).await;
    assert!(matches!(answer, Err(AppendError::Unavailable(Some(_)))), "{answer:?}");
    alarmed(&log, |alarm| matches!(alarm, Alarm::Displaced { .. } | Alarm::Shrunk { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_truncate_are_an_alarm_and_what_is_left_is_damage() {
    let (cluster, log) = stood(Options::default()).await;
    for at in 0..4 {
        append(&log, at).await.unwrap();
    }
    cluster.faults().metadata(&stream(), r#"{"$tb": 2}"#).unwrap();
    let read = log.read(CHAIN, Revision(0), 9).await;
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    alarmed(&log, |alarm| matches!(alarm, Alarm::Gap { .. })).await;
    let _follower = log.follow(None).await.unwrap();
    alarmed(&log, |alarm| matches!(alarm, Alarm::Metadata { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_the_heads_are_an_alarm_and_those_of_others_are_not() {
    let (cluster, log) = stood(Options::default()).await;
    cluster.faults().metadata("somebody-else", r#"{"$tb": 2}"#).unwrap();
    append(&log, 0).await.unwrap();
    assert_eq!(follow(&log, None, 1).await.len(), 1);
    unalarmed(&log);
    cluster.faults().metadata(HEADS_STREAM, r#"{"$maxCount": 1}"#).unwrap();
    let _follower = log.follow(None).await.unwrap();
    alarmed(&log, |alarm| matches!(alarm, Alarm::Metadata { stream, .. } if stream == HEADS_STREAM)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_denied_is_told_at_once() {
    let (cluster, log) = stood(Options::default()).await;
    append(&log, 0).await.unwrap();
    cluster.faults().deny(true);
    let before = Instant::now();
    let answer = append(&log, 1).await;
    let denied = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::PermissionDenied;
    assert!(matches!(&answer, Err(AppendError::Unavailable(Some(cause))) if denied(cause)), "{answer:?}");
    let read = log.read(CHAIN, Revision(0), 1).await;
    assert!(matches!(&read, Err(ReadError::Unavailable(Some(cause))) if denied(cause)), "{read:?}");
    let followed = log.follow(None).await.unwrap().next().await;
    assert!(matches!(&followed, Err(ReadError::Unavailable(Some(cause))) if denied(cause)), "{followed:?}");
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_wrong_password_is_denied_and_the_right_one_serves() {
    let user = User { name: "desk".to_owned(), password: "right".to_owned(), groups: vec!["$admins".to_owned()] };
    let cluster = StandIn::start(Options { users: vec![user], ..Options::default() }).await.unwrap();
    for (password, good) in [("right", true), ("wrong", false)] {
        let credentials = Some(Credentials { name: "desk".to_owned(), password: password.to_owned() });
        let options = KurrentOptions { credentials, ..KurrentOptions::new(cluster.uri()) };
        let log = KurrentLog::open(options).await.unwrap();
        assert_eq!(append(&log, 0).await.is_ok(), good);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_big_for_the_engine_is_refused_without_asking_again() {
    let (_cluster, log) = stood(Options { append_bytes_max: 1_000, ..Options::default() }).await;
    let before = Instant::now();
    let answer = log.append(CHAIN, Revision(0), Bytes::from(vec![7; 2_000])).await;
    let refused = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::InvalidInput;
    assert!(matches!(&answer, Err(AppendError::Unavailable(Some(cause))) if refused(cause)), "{answer:?}");
    assert!(before.elapsed() < Duration::from_secs(1));
    append(&log, 0).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_restored_from_a_backup_knows_the_cursor_no_more() {
    let (cluster, log) = stood(Options::default()).await;
    for at in 0..4 {
        append(&log, at).await.unwrap();
    }
    let followed = follow(&log, None, 4).await;
    let last = followed.last().unwrap().0;
    let mut live = log.follow(Some(last)).await.unwrap();
    cluster.faults().rewind(2).unwrap();
    let answer = timeout(SOON, live.next()).await.unwrap();
    assert!(matches!(answer, Err(ReadError::UnknownCursor)), "{answer:?}");
    let answer = log.follow(Some(last)).await.unwrap().next().await;
    assert!(matches!(answer, Err(ReadError::UnknownCursor)), "{answer:?}");
    alarmed(&log, |alarm| matches!(alarm, Alarm::Rewound { .. })).await;
    let read = log.read(CHAIN, Revision(0), 9).await;
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scavenged_record_is_found() {
    let (cluster, log) = stood(Options::default()).await;
    for at in 0..4 {
        append(&log, at).await.unwrap();
    }
    assert!(cluster.faults().scavenge(&stream(), 1).unwrap());
    let read = log.read(CHAIN, Revision(0), 9).await;
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    alarmed(&log, |alarm| matches!(alarm, Alarm::Gap { found: Revision(2), .. })).await;
    let fresh = open(&cluster).await;
    assert_eq!(follow(&fresh, None, 3).await.into_iter().map(|(_, at)| at).collect::<Vec<_>>(), [0, 2, 3]);
    alarmed(&fresh, |alarm| matches!(alarm, Alarm::Gap { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_stands_twice_takes_a_number_of_its_own_and_is_no_alarm() {
    let (cluster, log) = stood(Options::default()).await;
    append(&log, 0).await.unwrap();
    assert_eq!(cluster.faults().duplicate(&stream()).unwrap(), Some(1));
    let read = log.read(CHAIN, Revision(0), 9).await.unwrap();
    assert!(read.iter().all(|stored| stored.record == record(0)));
    assert_eq!(read.len(), 2);
    assert_eq!(follow(&log, None, 2).await.len(), 2);
    append(&log, 2).await.unwrap();
    unalarmed(&log);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_bytes_of_any_type_in_a_chain_take_a_number_and_streams_of_others_none() {
    let (cluster, log) = stood(Options::default()).await;
    let faults = cluster.faults();
    faults.write("somebody-else", "noise", b"", b"noise").unwrap();
    faults.write(&stream(), "$>", b"meta", b"0@somebody-else").unwrap();
    faults.write("chain-not-a-uuid", "noise", b"", b"noise").unwrap();
    faults.write(&stream(), "$streamDeleted", b"", b"no tombstone").unwrap();
    log.heads().append(Revision(0), record(0)).await.unwrap();
    assert_eq!(log.read(CHAIN, Revision(0), 9).await.unwrap().len(), 2);
    assert_eq!(follow(&log, None, 2).await.into_iter().map(|(_, at)| at).collect::<Vec<_>>(), [0, 1]);
    unalarmed(&log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_link_is_answered_within_our_own_timeout() {
    let (cluster, log) = stood(Options::default()).await;
    append(&log, 0).await.unwrap();
    let mut follower = log.follow(None).await.unwrap();
    assert_eq!(follower.next().await.unwrap().len(), 1);
    cluster.faults().freeze();
    let before = Instant::now();
    let (appended, read) = tokio::join!(append(&log, 1), log.read(CHAIN, Revision(0), 1));
    assert!(matches!(appended, Err(AppendError::Unknown(_))), "{appended:?}");
    assert!(matches!(read, Err(ReadError::Unavailable(_))), "{read:?}");
    assert!(before.elapsed() < Duration::from_secs(8), "{:?}", before.elapsed());
    cluster.faults().release();
    append(&log, 1).await.unwrap();
    assert_eq!(timeout(SOON, follower.next()).await.unwrap().unwrap().len(), 1);
    assert_eq!(revisions(&log).await, [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_links_are_made_anew() {
    let (cluster, log) = stood(Options::default()).await;
    for at in 0..10 {
        append(&log, at).await.unwrap();
        cluster.faults().cut();
    }
    assert_eq!(revisions(&log).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_leader_is_left_for_the_new_one() {
    let (cluster, log) = stood(Options::cluster(3)).await;
    append(&log, 0).await.unwrap();
    for (at, node) in [(1, 0), (2, 1)] {
        cluster.faults().kill(node);
        append(&log, at).await.unwrap();
    }
    assert_eq!(revisions(&log).await, [0, 1, 2]);
    assert!(log.metrics().clients_built > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_connect_that_failed_heals_when_the_server_comes_up() {
    let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let options = KurrentOptions {
        append_timeout: Duration::from_secs(5),
        ..KurrentOptions::new(format!("esdb://{address}?tls=false"))
    };
    let log = KurrentLog::open(options).await.unwrap();
    let mut follower = log.follow(None).await.unwrap();
    let answer = append(&log, 0).await;
    assert!(matches!(answer, Err(AppendError::Unavailable(Some(_)))), "{answer:?}");
    let cluster = StandIn::start(Options { listen: vec![address], ..Options::default() }).await.unwrap();
    let stored = async { while append(&log, 0).await.is_err() {} };
    timeout(SOON, stored).await.unwrap();
    assert_eq!(timeout(SOON, follower.next()).await.unwrap().unwrap().len(), 1);
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_appends_than_fit_are_told_at_once() {
    let cluster = StandIn::start(Options::default()).await.unwrap();
    let options = KurrentOptions { in_flight: 1, ..KurrentOptions::new(cluster.uri()) };
    let log = KurrentLog::open(options).await.unwrap();
    append(&log, 0).await.unwrap();
    cluster.faults().slow(Duration::from_millis(300));
    let (first, second) = tokio::join!(append(&log, 1), append(&log, 2));
    assert!(first.is_ok(), "{first:?}");
    assert!(matches!(second, Err(AppendError::Full { capacity: 1 })), "{second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn seeded_places_are_the_ones_that_followers_see() {
    let (cluster, log) = stood(Options::default()).await;
    for at in 0..5 {
        append(&log, at).await.unwrap();
    }
    let followed = follow(&log, None, 5).await;
    let fresh = open(&cluster).await;
    assert_eq!(fresh.seed(followed.iter().take(3).map(|(at, revision)| (CHAIN, Revision(*revision), *at))), 3);
    let read = fresh.read(CHAIN, Revision(0), 9).await.unwrap();
    assert!(read.iter().map(|stored| stored.order.0).eq(followed.iter().map(|(at, _)| at.0)));
    unalarmed(&fresh);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_faults_of_every_kind_eight_writers_lose_and_double_nothing() {
    let (cluster, log) = stood(Options::cluster(3)).await;
    let writers: Vec<_> = (0..8_u8)
        .map(|name| {
            let log = log.clone();
            tokio::spawn(async move {
                for at in 0..15 {
                    let chain = ChainId([name; 16]);
                    while log.append(chain, Revision(at), record(at)).await.is_err() {}
                }
            })
        })
        .collect();
    let faults = cluster.faults();
    for round in 0..6_usize {
        faults.next_append("chain-", AppendFault::LoseAnswer);
        faults.next_append("chain-", AppendFault::AbortAfterCommit);
        faults.next_append("chain-", AppendFault::LoseRequest);
        tokio::time::sleep(Duration::from_millis(200)).await;
        faults.kill(round % 3);
        faults.revive(round % 3);
        faults.cut();
    }
    for writer in writers {
        timeout(Duration::from_secs(90), writer).await.unwrap().unwrap();
    }
    for name in 0..8_u8 {
        let read = log.read(ChainId([name; 16]), Revision(0), 99).await.unwrap();
        assert!(
            read.iter().map(|stored| (stored.revision.0, stored.record.clone())).eq((0..15).map(|at| (at, record(at))))
        );
    }
    assert_eq!(follow(&log, None, 8 * 15).await.len(), 8 * 15);
    unalarmed(&log);
}
