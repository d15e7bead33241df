//! Calls of the client, each with an end.

use std::{future::Future, time::Duration};

use eventstore::{AppendToStreamOptions, Client, EventData, ExpectedRevision, ReadAllOptions, ReadStreamOptions};
use mediation_kurrentdb_stand_in::StandIn;
use uuid::Uuid;

pub(crate) fn client(stand_in: &StandIn) -> Client {
    Client::new(stand_in.uri().parse().unwrap()).unwrap()
}

pub(crate) async fn append(
    client: &Client,
    stream: &str,
    expected: ExpectedRevision,
    ids: &[Uuid],
) -> eventstore::Result<eventstore::WriteResult> {
    let events = ids.iter().map(|id| EventData::binary("kind", id.as_bytes().to_vec().into()).id(*id));
    let options = AppendToStreamOptions::default().expected_revision(expected);
    soon(client.append_to_stream(stream, &options, events.collect::<Vec<_>>())).await
}

pub(crate) async fn stream(client: &Client, stream: &str, options: ReadStreamOptions) -> Vec<Uuid> {
    let mut reading = client.read_stream(stream, &options).await.unwrap();
    let mut ids = Vec::new();
    while let Some(event) = soon(reading.next()).await.unwrap() {
        let event = event.get_original_event();
        assert_eq!(event.position.commit, u64::MAX, "positions are not told");
        ids.push(event.id);
    }
    ids
}

/// Id, stream and position of each event.
pub(crate) async fn all(client: &Client, options: ReadAllOptions) -> Vec<(Uuid, String, u64)> {
    let mut reading = client.read_all(&options).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = soon(reading.next()).await.unwrap() {
        let event = event.get_original_event();
        events.push((event.id, event.stream_id.clone(), event.position.commit));
    }
    events
}

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.unwrap()
}
