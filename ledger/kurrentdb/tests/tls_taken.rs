//! The order of TLS providers as it should not be. A process of its own: a provider is chosen once.

use mediation_log_kurrentdb::{KurrentLog, KurrentOptions, OpenError, prepare_tls};

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_came_first_is_told_instead_of_a_client_that_never_works() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    for _time in 0..2 {
        let refused = prepare_tls().await;
        assert!(matches!(refused, Err(OpenError::TlsProvider)), "{refused:?}");
    }
    let refused = KurrentLog::open(KurrentOptions::new("esdb://127.0.0.1:2113?tls=false")).await;
    assert!(matches!(refused, Err(OpenError::TlsProvider)), "{refused:?}");
}
