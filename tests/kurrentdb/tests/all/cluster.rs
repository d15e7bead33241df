//! Several nodes: gossip, the hop to the leader, a dead leader, a follower that lags.

use eventstore::{Client, Error, ExpectedRevision, ReadStreamOptions};
use mediation_kurrentdb_stand_in::{AppendFault, Options, StandIn};
use uuid::Uuid;

use crate::calls::{append, client, stream};

#[tokio::test]
async fn a_client_finds_the_leader_and_hops_when_it_moves() {
    let stand_in = StandIn::start(Options::cluster(3)).await.unwrap();
    let client = client(&stand_in);
    append(&client, "chain-1", ExpectedRevision::NoStream, &[Uuid::new_v4()]).await.unwrap();
    stand_in.faults().lead(2);
    let id = Uuid::new_v4();
    let error = append(&client, "chain-1", ExpectedRevision::Exact(0), &[id]).await.unwrap_err();
    let Error::NotLeaderException(leader) = error else { panic!("{error:?}") };
    assert_eq!(leader.port, u32::from(stand_in.addresses()[2].port()));
    append(&client, "chain-1", ExpectedRevision::Exact(0), &[id]).await.unwrap();
}

#[tokio::test]
async fn a_fresh_client_goes_on_when_the_leader_is_dead() {
    let stand_in = StandIn::start(Options::cluster(3)).await.unwrap();
    append(&client(&stand_in), "chain-1", ExpectedRevision::NoStream, &[Uuid::new_v4()]).await.unwrap();
    stand_in.faults().kill(0);
    let fresh = client(&stand_in);
    append(&fresh, "chain-1", ExpectedRevision::Exact(0), &[Uuid::new_v4()]).await.unwrap();
    stand_in.faults().revive(0);
    assert_eq!(stream(&fresh, "chain-1", ReadStreamOptions::default()).await.len(), 2);
}

#[tokio::test]
async fn a_stale_follower_shows_less_of_the_log() {
    let stand_in = StandIn::start(Options::cluster(2)).await.unwrap();
    let leader = client(&stand_in);
    append(&leader, "chain-1", ExpectedRevision::NoStream, &[Uuid::new_v4()]).await.unwrap();
    stand_in.faults().stale(true);
    append(&leader, "chain-1", ExpectedRevision::Exact(0), &[Uuid::new_v4()]).await.unwrap();
    let uri = format!("esdb://{}?tls=false&nodePreference=follower", stand_in.addresses()[1]);
    let follower = Client::new(uri.parse().unwrap()).unwrap();
    let options = ReadStreamOptions::default().requires_leader(false);
    assert_eq!(stream(&follower, "chain-1", options).await.len(), 1);
    stand_in.faults().stale(false);
    let options = ReadStreamOptions::default().requires_leader(false);
    assert_eq!(stream(&follower, "chain-1", options).await.len(), 2);
}

#[tokio::test]
async fn a_leader_that_steps_down_stores_nothing() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let client = client(&stand_in);
    stand_in.faults().next_append("chain-", AppendFault::NotLeader);
    let id = Uuid::new_v4();
    let error = append(&client, "chain-1", ExpectedRevision::NoStream, &[id]).await.unwrap_err();
    assert!(matches!(error, Error::NotLeaderException(_)), "{error:?}");
    let written = append(&client, "chain-1", ExpectedRevision::NoStream, &[id]).await.unwrap();
    assert!(written.position.commit > 0, "it is no replay");
}
