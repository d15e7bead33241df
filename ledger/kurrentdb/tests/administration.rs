//! Access lists: what an administrator sets up, what the check tells, and what the users may do then.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use mediation_kurrentdb_stand_in::{Options, StandIn, User};
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{Follower as _, Log as _},
};
use mediation_log_kurrentdb::{
    Credentials, KurrentLog, KurrentOptions,
    admin::{self, AdminError, Finding, Roles},
};

async fn cluster(admin_password: &str) -> StandIn {
    let user = |name: &str, password: &str, groups: &[&str]| User {
        name: name.to_owned(),
        password: password.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let users = vec![user("admin", admin_password, &["$admins"]), user("desk", "d", &[]), user("audit", "a", &[])];
    StandIn::start(Options { users, ..Options::default() }).await.unwrap()
}

fn options(cluster: &StandIn, name: &str, password: &str) -> KurrentOptions {
    let credentials = Some(Credentials { name: name.to_owned(), password: password.to_owned() });
    KurrentOptions { credentials, ..KurrentOptions::new(cluster.uri()) }
}

fn roles() -> Roles {
    Roles { writers: vec!["desk".to_owned()], readers: vec!["audit".to_owned()] }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_init_writers_write_readers_read_and_the_lists_are_closed() {
    let cluster = cluster("secret").await;
    for _time in 0..2 {
        admin::init(options(&cluster, "admin", "secret"), &roles()).await.unwrap();
    }
    let desk = KurrentLog::open(options(&cluster, "desk", "d")).await.unwrap();
    let audit = KurrentLog::open(options(&cluster, "audit", "a")).await.unwrap();
    let (chain, record) = (ChainId([1; 16]), Bytes::from_static(b"record"));
    desk.append(chain, Revision(0), record.clone()).await.unwrap();
    assert!(audit.append(chain, Revision(1), record).await.is_err());
    for log in [desk, audit] {
        assert_eq!(log.read(chain, Revision(0), 9).await.unwrap().len(), 1);
        assert_eq!(log.follow(None).await.unwrap().next().await.unwrap().len(), 1);
    }
    let seen = admin::check(options(&cluster, "admin", "secret")).await.unwrap();
    assert_eq!(seen, [Finding::NoTls, Finding::Administrator { name: "admin".to_owned() }]);
    let seen = admin::check(options(&cluster, "desk", "d")).await.unwrap();
    assert_eq!(seen, [Finding::NoTls, Finding::ListsUnseen]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_as_it_comes_is_found_open_with_the_default_password() {
    let cluster = cluster("changeit").await;
    cluster.faults().write("of-somebody-else", "noise", b"", b"noise").unwrap();
    cluster.faults().metadata("chain-x", r#"{"$maxCount": 1}"#).unwrap();
    cluster.faults().write("$ce-noise", "$>", b"", b"0@of-somebody-else").unwrap();
    let seen = admin::check(options(&cluster, "admin", "changeit")).await.unwrap();
    let open = seen.iter().filter(|finding| matches!(finding, Finding::OpenList { .. })).count();
    assert_eq!(open, 5);
    for finding in [
        Finding::DefaultPassword { name: "admin".to_owned() },
        Finding::Foreign { stream: "of-somebody-else".to_owned() },
        Finding::Metadata { stream: "chain-x".to_owned() },
        Finding::Projections { stream: "$ce-noise".to_owned() },
    ] {
        assert!(seen.contains(&finding), "{finding}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_users_is_found_and_who_is_no_administrator_sets_nothing_up() {
    let open = StandIn::start(Options::default()).await.unwrap();
    let seen = admin::check(KurrentOptions::new(open.uri())).await.unwrap();
    assert!(seen.contains(&Finding::NoUsers), "{seen:?}");
    let cluster = cluster("secret").await;
    let refused = admin::init(options(&cluster, "desk", "d"), &roles()).await;
    assert!(matches!(refused, Err(AdminError::Denied { .. })), "{refused:?}");
}
