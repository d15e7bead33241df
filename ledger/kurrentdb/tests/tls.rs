//! The order of TLS providers as it should be, and a cluster over TLS.

use std::sync::Arc;

use bytes::Bytes;
use mediation_kurrentdb_stand_in::{Options, StandIn, Tls};
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::Log as _,
};
use mediation_log_kurrentdb::{KurrentLog, KurrentOptions, OpenError, prepare_tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, crypto::ring};

#[tokio::test(flavor = "multi_thread")]
async fn prepared_first_the_client_works_and_so_does_whoever_asks_for_the_process_default() {
    prepare_tls().await.unwrap();
    prepare_tls().await.unwrap();
    assert!(ring::default_provider().install_default().is_err(), "there is one");
    let _panics_without_a_default = ClientConfig::builder();
    let named = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    drop(named.with_safe_default_protocol_versions().unwrap());

    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let tls = Some(Tls { certificates: certificate.pem().into_bytes(), key: key.serialize_pem().into_bytes() });
    let cluster = StandIn::start(Options { tls, ..Options::default() }).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authorities, of the cluster.pem");
    std::fs::write(&path, authority.pem()).unwrap();

    let options = KurrentOptions { authorities: Some(path), ..KurrentOptions::new(cluster.uri()) };
    let log = KurrentLog::open(options).await.unwrap();
    log.append(ChainId([1; 16]), Revision(0), Bytes::from_static(b"record")).await.unwrap();
    assert_eq!(log.read(ChainId([1; 16]), Revision(0), 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_are_unsafe_or_not_meant_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("no-certificates.pem");
    std::fs::write(&path, "nothing").unwrap();
    let open = async |address: &str, authorities: Option<&std::path::Path>| {
        let authorities = authorities.map(Into::into);
        KurrentLog::open(KurrentOptions { authorities, ..KurrentOptions::new(address) }).await.unwrap_err()
    };
    let error = open("esdb://a:2113", None).await;
    assert!(matches!(error, OpenError::NoAuthorities), "{error}");
    let error = open("esdb://a:2113,b:2113?tls=true", Some(&path)).await;
    assert!(matches!(error, OpenError::Authorities { .. }), "{error}");
    let error = open("esdb://a:2113?tls=false&nodePreference=follower", None).await;
    assert!(matches!(error, OpenError::NotLeader), "{error}");
    let error = open("esdb://admin:changeit@a:2113?tls=false", None).await;
    assert!(matches!(error, OpenError::CredentialsInAddress), "{error}");
    let error = open("http://a:2113?tls=false", None).await;
    assert!(matches!(error, OpenError::Address { .. }), "{error}");
}
