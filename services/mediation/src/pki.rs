//! The development PKI: one authority, a server certificate for loopback, one client certificate per agency.
//!
//! It gives a new ledger real mutual TLS from the first minute. In production each agency's certificate comes from its
//! own authority; only the paths in the configuration change.

use std::fs;

use anyhow::{Context as _, Result};
use mediation_desk::caller::spiffe_id_of;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, string::Ia5String,
};

use crate::{keys::write_private, layout::Layout};

/// Writes the certificates of a new ledger.
pub(crate) fn create<'a>(layout: &Layout, origin: &str, agencies: impl Iterator<Item = &'a str>) -> Result<()> {
    fs::create_dir_all(layout.pki().join("agencies"))?;
    let issuer = authority(origin)?;
    fs::write(layout.authority(), issuer.pem())?;
    write_private(&layout.authority_key(), issuer.key().serialize_pem().as_bytes())?;
    let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let mut server = CertificateParams::new(hosts)?;
    server.distinguished_name.push(DnType::CommonName, "mediation ledger");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (certificate, key) = issue(server, &issuer)?;
    fs::write(layout.server_certificate(), certificate)?;
    write_private(&layout.server_key(), key.as_bytes())?;
    for agency in agencies {
        let mut client = CertificateParams::default();
        client.distinguished_name.push(DnType::CommonName, agency);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        client.subject_alt_names = vec![SanType::URI(Ia5String::try_from(spiffe_id_of(origin, agency))?)];
        let (certificate, key) = issue(client, &issuer)?;
        let path = layout.certificate(agency);
        fs::create_dir_all(path.parent().context("a certificate stands in a directory")?)?;
        fs::write(path, certificate)?;
        write_private(&layout.certificate_key(agency), key.as_bytes())?;
    }
    Ok(())
}

fn authority(origin: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("development authority of {origin}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn issue(mut params: CertificateParams, issuer: &CertifiedIssuer<'static, KeyPair>) -> Result<(String, String)> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
