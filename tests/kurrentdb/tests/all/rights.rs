//! Accounts, access lists, encryption and limits.

use eventstore::{AppendToStreamOptions, Client, Credentials, Error, EventData, ExpectedRevision, ReadAllOptions};
use mediation_kurrentdb_stand_in::{Options, StandIn, Tls, User};
use uuid::Uuid;

use crate::calls::{all, append, client, soon};

#[tokio::test]
async fn only_who_is_listed_writes_reads_and_describes() {
    let stand_in = StandIn::start(Options { users: users(), ..Options::default() }).await.unwrap();
    stand_in.faults().write("$settings", "update", &[], SETTINGS.as_bytes()).unwrap();
    stand_in.faults().metadata("$all", r#"{"$acl":{"$r":["reader"]}}"#).unwrap();
    let client = client(&stand_in);
    assert!(matches!(by(&client, "writer", "chain-1").await, Ok(())));
    for (name, stream) in [("reader", "chain-1"), ("writer", "$$chain-1"), ("writer", "$settings"), ("writer", "$all")]
    {
        let error = by(&client, name, stream).await.unwrap_err();
        assert!(matches!(error, Error::AccessDenied), "{name} {stream}: {error:?}");
    }
    assert!(matches!(by(&client, "admin", "$$chain-1").await, Ok(())));
    let reading =
        |name: &str| ReadAllOptions::default().authenticated(Credentials::new(name.to_owned(), "secret".to_owned()));
    assert!(!all(&client, reading("reader")).await.is_empty());
    let mut refused = soon(client.read_all(&reading("writer"))).await;
    let error = match &mut refused {
        Ok(reading) => soon(reading.next()).await.unwrap_err(),
        Err(_) => refused.unwrap_err(),
    };
    assert!(matches!(error, Error::AccessDenied), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_and_no_name_are_denied() {
    let stand_in = StandIn::start(Options { users: users(), ..Options::default() }).await.unwrap();
    let client = client(&stand_in);
    let error = by(&client, "nobody", "chain-1").await.unwrap_err();
    assert!(matches!(error, Error::AccessDenied), "{error:?}");
    let error = append(&client, "chain-1", ExpectedRevision::NoStream, &[Uuid::new_v4()]).await.unwrap_err();
    assert!(matches!(error, Error::AccessDenied), "{error:?}");
}

#[tokio::test]
async fn an_append_over_the_limit_is_refused_whole() {
    let stand_in = StandIn::start(Options { append_bytes_max: 1_000, ..Options::default() }).await.unwrap();
    let client = client(&stand_in);
    let events = || (0..2).map(|_| EventData::binary("kind", vec![7; 600].into()).id(Uuid::new_v4()));
    let options = AppendToStreamOptions::default().expected_revision(ExpectedRevision::NoStream);
    let error = soon(client.append_to_stream("chain-1", &options, events().collect::<Vec<_>>())).await.unwrap_err();
    assert!(error.to_string().contains("Maximum Append Size"), "{error:?}");
    let one = events().take(1).collect::<Vec<_>>();
    soon(client.append_to_stream("chain-1", &options, one)).await.unwrap();
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_speaks_over_tls() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let tls = Tls { certificates: certificate.pem().into_bytes(), key: key.serialize_pem().into_bytes() };
    let stand_in = StandIn::start(Options { tls: Some(tls), ..Options::default() }).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("ca.pem");
    std::fs::write(&root, certificate.pem()).unwrap();
    let uri = format!("esdb://localhost:{}?tls=true&tlsCaFile={}", stand_in.address().port(), root.display());
    let client = Client::new(uri.parse().unwrap()).unwrap();
    append(&client, "chain-1", ExpectedRevision::NoStream, &[Uuid::new_v4()]).await.unwrap();
}

async fn by(client: &Client, name: &str, stream: &str) -> eventstore::Result<()> {
    let credentials = Credentials::new(name.to_owned(), "secret".to_owned());
    let options = AppendToStreamOptions::default().expected_revision(ExpectedRevision::Any).authenticated(credentials);
    let event = EventData::binary("kind", "{}".into()).id(Uuid::new_v4());
    soon(client.append_to_stream(stream, &options, event)).await.map(drop)
}

fn users() -> Vec<User> {
    let user = |name: &str, groups: &[&str]| User {
        name: name.to_owned(),
        password: "secret".to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    vec![user("admin", &["$admins"]), user("writer", &[]), user("reader", &[])]
}

const SETTINGS: &str =
    r#"{"$userStreamAcl":{"$r":["reader","writer"],"$w":["writer"],"$d":[],"$mr":["reader"],"$mw":[]}}"#;
