//! The prototype, loaded for a moment in every way.

#[cfg(test)]
mod prototype {
    use std::{fs, path::Path, time::Duration};

    use mediation_baseline::{
        Tls,
        load::{Load, Mode},
        server,
    };
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    /// An authority, and what it has issued for loopback, in three files.
    fn certificates(directory: &Path) -> Tls {
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        let own_key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&own_key, &issuer).unwrap();
        let files = [("authority", certificate.pem()), ("own", own.pem()), ("key", own_key.serialize_pem())];
        let [authority, own, key] = files.map(|(name, pem)| {
            let path = directory.join(name);
            fs::write(&path, pem).unwrap();
            path
        });
        Tls::read(&authority, &own, &key).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_appends_in_every_way() {
        let directory = tempfile::tempdir().unwrap();
        let tls = certificates(directory.path());
        let served = server::serve(&tls, &directory.path().join("log")).await.unwrap();
        for mode in [Mode::Desk, Mode::Caller, Mode::Prepared, Mode::Stream] {
            let load = Load { mode, callers: 2, statement_bytes: 500, during: Duration::from_millis(50) };
            let figures = load.run(served.address, &tls).await.unwrap();
            assert!(figures.per_second > 0.0 && figures.p50_us <= figures.p99_us, "{mode:?}: {figures:?}");
        }
        served.serving.abort();
    }
}
