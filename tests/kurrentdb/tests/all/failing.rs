//! What goes wrong on command: each fault as a client sees it, and what is stored afterwards.

use std::time::Duration;

use eventstore::{
    Client, DeleteStreamOptions, Error, ExpectedRevision, ReadAllOptions, ReadStreamOptions, SubscribeToAllOptions,
    SubscriptionEvent,
};
use mediation_kurrentdb_stand_in::{AppendFault, Options, StandIn};
use uuid::Uuid;

use crate::calls::{all, append, client, soon, stream};

#[tokio::test]
async fn an_aborted_append_is_stored_or_not_and_its_resend_settles_it() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    for (fault, stored) in [(AppendFault::AbortBeforeCommit, false), (AppendFault::AbortAfterCommit, true)] {
        let (name, id) = (format!("chain-{}", Uuid::new_v4()), Uuid::new_v4());
        stand_in.faults().next_append("chain-", fault);
        let error = append(&client, &name, ExpectedRevision::NoStream, &[id]).await.unwrap_err();
        assert!(error.to_string().contains("Operation timed out"), "{error:?}");
        assert_eq!(is_there(&client, &name).await, stored);
        append(&client, &name, ExpectedRevision::NoStream, &[id]).await.unwrap();
        assert_eq!(stream(&client, &name, ReadStreamOptions::default()).await, [id]);
    }
}

#[tokio::test]
async fn an_append_without_answer_is_stored_or_not_and_its_resend_settles_it() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    for (fault, stored) in [(AppendFault::LoseRequest, false), (AppendFault::LoseAnswer, true)] {
        let (name, id) = (format!("chain-{}", Uuid::new_v4()), Uuid::new_v4());
        stand_in.faults().next_append("chain-", fault);
        append(&client(&stand_in), &name, ExpectedRevision::NoStream, &[id]).await.unwrap_err();
        let fresh = client(&stand_in);
        assert_eq!(is_there(&fresh, &name).await, stored);
        append(&fresh, &name, ExpectedRevision::NoStream, &[id]).await.unwrap();
        assert_eq!(stream(&fresh, &name, ReadStreamOptions::default()).await, [id]);
    }
}

#[tokio::test]
async fn a_record_that_waits_for_replication_is_not_seen_until_a_resend_finds_it() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    let id = Uuid::new_v4();
    stand_in.faults().next_append("chain-", AppendFault::DropResends(2));
    for _ in 0..3 {
        append(&client, "chain-1", ExpectedRevision::NoStream, &[id]).await.unwrap_err();
        assert!(!is_there(&client, "chain-1").await);
    }
    append(&client, "chain-1", ExpectedRevision::NoStream, &[id]).await.unwrap();
    assert_eq!(stream(&client, "chain-1", ReadStreamOptions::default()).await, [id]);
}

#[tokio::test]
async fn without_a_majority_nothing_is_stored_and_reads_work() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    append(&client, "chain-1", ExpectedRevision::NoStream, &[Uuid::new_v4()]).await.unwrap();
    stand_in.faults().majority(false);
    append(&client, "chain-1", ExpectedRevision::Exact(0), &[Uuid::new_v4()]).await.unwrap_err();
    assert_eq!(stream(&client, "chain-1", ReadStreamOptions::default()).await.len(), 1);
    stand_in.faults().majority(true);
    append(&client, "chain-1", ExpectedRevision::Exact(0), &[Uuid::new_v4()]).await.unwrap();
}

#[tokio::test]
async fn a_frozen_server_answers_when_it_is_released() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    append(&client, "chain-1", ExpectedRevision::NoStream, &[Uuid::new_v4()]).await.unwrap();
    stand_in.faults().freeze();
    let ids = [Uuid::new_v4()];
    let waiting = append(&client, "chain-1", ExpectedRevision::Exact(0), &ids);
    let mut waiting = Box::pin(waiting);
    tokio::time::timeout(Duration::from_millis(500), &mut waiting).await.unwrap_err();
    stand_in.faults().release();
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_deleted_stream_leaves_a_mark_in_the_log() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    for name in ["chain-soft", "chain-hard"] {
        append(&client, name, ExpectedRevision::NoStream, &[Uuid::new_v4()]).await.unwrap();
    }
    soon(client.delete_stream("chain-soft", &DeleteStreamOptions::default())).await.unwrap();
    stand_in.faults().tombstone("chain-hard").unwrap();
    let marks = all(&client, ReadAllOptions::default()).await.into_iter().map(|(_, name, _)| name);
    let marks = marks.filter(|name| name.contains("chain-")).collect::<Vec<_>>();
    assert_eq!(marks, ["chain-soft", "chain-hard", "$$chain-soft", "chain-hard"]);
    assert!(!is_there(&client, "chain-soft").await);
    let error = append(&client, "chain-hard", ExpectedRevision::Exact(0), &[Uuid::new_v4()]).await.unwrap_err();
    assert!(matches!(error, Error::ResourceDeleted), "{error:?}");
    // A softly deleted stream goes on with the next revision.
    let reborn = append(&client, "chain-soft", ExpectedRevision::Exact(0), &[Uuid::new_v4()]).await.unwrap();
    assert_eq!(reborn.next_expected_version, 1);
    assert_eq!(stream(&client, "chain-soft", ReadStreamOptions::default()).await.len(), 1);
}

#[tokio::test]
async fn a_duplicate_a_scavenged_and_a_rewound_event_change_what_is_read() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    let ids = [Uuid::new_v4(), Uuid::new_v4()];
    append(&client, "chain-1", ExpectedRevision::NoStream, &ids).await.unwrap();
    assert_eq!(stand_in.faults().duplicate("chain-1").unwrap(), Some(2));
    assert_eq!(stream(&client, "chain-1", ReadStreamOptions::default()).await, [ids[0], ids[1], ids[1]]);
    assert!(stand_in.faults().scavenge("chain-1", 0).unwrap());
    assert_eq!(stream(&client, "chain-1", ReadStreamOptions::default()).await, [ids[1], ids[1]]);
    stand_in.faults().rewind(1).unwrap();
    assert_eq!(stream(&client, "chain-1", ReadStreamOptions::default()).await, [ids[1]]);
    append(&client, "chain-1", ExpectedRevision::Exact(1), &[Uuid::new_v4()]).await.unwrap();
}

#[tokio::test]
async fn a_subscription_goes_on_after_the_named_event_and_lives() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    let ids = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    append(&client, "chain-1", ExpectedRevision::NoStream, &ids[..2]).await.unwrap();
    let events = all(&client, ReadAllOptions::default()).await;
    let (.., first) = events.iter().find(|(id, ..)| *id == ids[0]).unwrap();
    let after = eventstore::StreamPosition::Position(eventstore::Position { commit: *first, prepare: *first });
    let mut following = client.subscribe_to_all(&SubscribeToAllOptions::default().position(after)).await;
    assert_eq!(next(&mut following).await, ids[1]);
    append(&client, "chain-1", ExpectedRevision::Exact(1), &ids[2..]).await.unwrap();
    assert_eq!(next(&mut following).await, ids[2]);
}

async fn next(subscription: &mut eventstore::Subscription) -> Uuid {
    loop {
        if let SubscriptionEvent::EventAppeared(event) = soon(subscription.next_subscription_event()).await.unwrap() {
            return event.get_original_event().id;
        }
    }
}

async fn is_there(client: &Client, stream: &str) -> bool {
    let mut reading = soon(client.read_stream(stream, &ReadStreamOptions::default())).await.unwrap();
    match soon(reading.next()).await {
        Ok(_) => true,
        Err(Error::ResourceNotFound) => false,
        Err(error) => panic!("{error:?}"),
    }
}
