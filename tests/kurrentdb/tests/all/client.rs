//! The unmodified `eventstore` client against the stand-in.
use eventstore::{CurrentRevision, ExpectedRevision, ReadAllOptions, ReadStreamOptions, StreamPosition};
use mediation_kurrentdb_stand_in::{Options, StandIn};
use uuid::Uuid;

use crate::calls::{all, append, client, soon, stream};

#[tokio::test]
async fn what_is_appended_is_read_in_both_directions() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    let ids = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let written = append(&client, "chain-1", ExpectedRevision::NoStream, &ids).await.unwrap();
    assert_eq!(written.next_expected_version, 2);
    assert_eq!(stream(&client, "chain-1", ReadStreamOptions::default()).await, ids);
    let backwards = ReadStreamOptions::default().backwards().position(StreamPosition::End).max_count(2);
    assert_eq!(stream(&client, "chain-1", backwards).await, [ids[2], ids[1]]);
    let from = ReadStreamOptions::default().position(StreamPosition::Position(1));
    assert_eq!(stream(&client, "chain-1", from).await, ids[1..]);
    let all = all(&client, ReadAllOptions::default()).await;
    let ours = all.iter().filter(|(_, stream, _)| stream == "chain-1").map(|(id, ..)| *id).collect::<Vec<_>>();
    assert_eq!(ours, ids);
    assert!(all.len() > ours.len(), "the server's own events stand between");
}

#[tokio::test]
async fn a_missing_stream_is_not_found() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    let mut missing = client.read_stream("chain-none", &ReadStreamOptions::default()).await.unwrap();
    let error = soon(missing.next()).await.unwrap_err();
    assert!(matches!(error, eventstore::Error::ResourceNotFound), "{error:?}");
}

#[tokio::test]
async fn a_wrong_revision_is_refused_with_the_current_one() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    append(&client, "chain-1", ExpectedRevision::NoStream, &[Uuid::new_v4()]).await.unwrap();
    let refused = [ExpectedRevision::NoStream, ExpectedRevision::Exact(1), ExpectedRevision::Exact(7)];
    for expected in refused {
        let error = append(&client, "chain-1", expected, &[Uuid::new_v4()]).await.unwrap_err();
        let eventstore::Error::WrongExpectedVersion { current, .. } = error else { panic!("{error:?}") };
        assert_eq!(current, CurrentRevision::Current(0));
    }
}

#[tokio::test]
async fn the_same_ids_at_the_same_place_are_a_replay_without_position() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    let ids = [Uuid::new_v4(), Uuid::new_v4()];
    let first = append(&client, "chain-1", ExpectedRevision::NoStream, &ids).await.unwrap();
    append(&client, "chain-1", ExpectedRevision::Exact(1), &[Uuid::new_v4()]).await.unwrap();
    let again = append(&client, "chain-1", ExpectedRevision::NoStream, &ids).await.unwrap();
    assert_eq!((again.next_expected_version, again.position.commit), (1, 0));
    assert!(first.position.commit > 0);
    let partly = append(&client, "chain-1", ExpectedRevision::NoStream, &[ids[0], Uuid::new_v4()]).await.unwrap_err();
    assert!(matches!(partly, eventstore::Error::WrongExpectedVersion { .. }), "{partly:?}");
    assert_eq!(stream(&client, "chain-1", ReadStreamOptions::default()).await.len(), 3);
}

#[tokio::test]
async fn all_is_read_from_a_position_on_with_the_event_that_stands_there() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    for stream in 0..100 {
        append(&client, &format!("chain-{stream}"), ExpectedRevision::NoStream, &[Uuid::new_v4()]).await.unwrap();
    }
    let whole = all(&client, ReadAllOptions::default()).await;
    let positions = whole.iter().map(|(.., position)| *position).collect::<Vec<_>>();
    assert!(positions.is_sorted_by(|left, right| left < right));
    assert!(positions.windows(2).all(|pair| pair[1] - pair[0] > 100), "positions are sparse");
    let middle = positions[50];
    let at = StreamPosition::Position(eventstore::Position { commit: middle, prepare: middle });
    assert_eq!(all(&client, ReadAllOptions::default().position(at)).await, whole[50..]);
    let mut before = all(&client, ReadAllOptions::default().backwards().position(at)).await;
    before.reverse();
    assert_eq!(before, whole[..50]);
    let inside = StreamPosition::Position(eventstore::Position { commit: middle + 1, prepare: middle + 1 });
    let mut reading = client.read_all(&ReadAllOptions::default().position(inside)).await.unwrap();
    soon(reading.next()).await.unwrap_err();
}
