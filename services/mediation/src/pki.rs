//! The development PKI: one authority, a server certificate for loopback, one client certificate per agency.
//!
//! It gives a new ledger real mutual TLS from the first minute. In production each agency's certificate comes from its
//! own authority; only the paths in the configuration change.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use mediation_desk::caller::{spiffe_id_of, spiffe_id_of_official};
use mediation_ledger::key::Ed25519Signer;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SanType, string::Ia5String,
};
use zeroize::Zeroizing;

use crate::{founding::Randomness, keys::write_private, layout::Layout};

/// Writes the certificates of a new ledger.
pub(crate) fn create<'a>(
    layout: &Layout,
    origin: &str,
    randomness: &Randomness,
    agencies: impl Iterator<Item = &'a str>,
) -> Result<()> {
    fs::create_dir_all(layout.pki().join("agencies"))?;
    let issuer = authority(origin, key_pair(randomness, "authority")?)?;
    fs::write(layout.authority(), issuer.pem())?;
    write_private(&layout.authority_key(), issuer.key().serialize_pem().as_bytes())?;
    write_server(layout, &[], key_pair(randomness, "server")?, &issuer)?;
    for agency in agencies {
        let mut client = CertificateParams::default();
        client.distinguished_name.push(DnType::CommonName, agency);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        client.subject_alt_names = vec![SanType::URI(Ia5String::try_from(spiffe_id_of(origin, agency))?)];
        let (certificate, key) = issue(client, key_pair(randomness, &format!("agency {agency}"))?, &issuer)?;
        let path = layout.certificate(agency);
        fs::create_dir_all(path.parent().context("a certificate stands in a directory")?)?;
        fs::write(path, certificate)?;
        write_private(&layout.certificate_key(agency), key.as_bytes())?;
    }
    Ok(())
}

/// A client certificate and its key (PEM) for an official, with which he logs in to the console; the ledger's own authority vouches
/// for it.
pub(crate) fn of_official(founded: &Layout, origin: &str, official: &str) -> Result<(String, Zeroizing<String>)> {
    let uri = spiffe_id_of_official(origin, official).with_context(|| {
        format!("`{official}` is no official, such as AUD-JDZ/AUD-1 · 官员编号应形如 AUD-JDZ/AUD-1")
    })?;
    let mut client = CertificateParams::default();
    client.distinguished_name.push(DnType::CommonName, official);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    client.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri)?)];
    let (certificate, key) = issue(client, KeyPair::generate()?, &own_authority(founded)?)?;
    Ok((certificate, Zeroizing::new(key)))
}

/// The authority of a ledger, whose key lies in the directory that it was founded in.
fn own_authority(founded: &Layout) -> Result<Issuer<'static, KeyPair>> {
    let read = |path: PathBuf| {
        let read = fs::read_to_string(&path);
        read.with_context(|| {
            format!("cannot read `{}`; certificates of another authority are put in place by hand", path.display())
        })
    };
    let key = KeyPair::from_pem(&Zeroizing::new(read(founded.authority_key())?))?;
    Ok(Issuer::from_ca_cert_pem(&read(founded.authority())?, key)?)
}

/// Writes the certificate of another process of a ledger, for these names beside loopback; the ledger's own authority, whose
/// key lies in the directory that it was founded in, vouches for it.
#[cfg(feature = "kurrentdb")]
pub(crate) fn create_server(founded: &Layout, layout: &Layout, hosts: &[String]) -> Result<()> {
    write_server(layout, hosts, KeyPair::generate()?, &own_authority(founded)?)
}

fn write_server(layout: &Layout, hosts: &[String], key: KeyPair, issuer: &Issuer<'_, KeyPair>) -> Result<()> {
    let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut server = CertificateParams::new(loopback.iter().chain(hosts).cloned().collect::<Vec<_>>())?;
    server.distinguished_name.push(DnType::CommonName, "mediation ledger");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (certificate, key) = issue(server, key, issuer)?;
    fs::write(layout.server_certificate(), certificate)?;
    write_private(&layout.server_key(), key.as_bytes())
}

fn authority(origin: &str, key: KeyPair) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("development authority of {origin}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, key)?)
}

fn issue(mut params: CertificateParams, key: KeyPair, issuer: &Issuer<'_, KeyPair>) -> Result<(String, String)> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let certificate = params.signed_by(&key, issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// The key of a certificate. Made from a seed it is Ed25519: an ECDSA signature would hold fresh randomness, an Ed25519
/// one is the same every time; serial number and validity follow from key and defaults.
fn key_pair(randomness: &Randomness, holder: &str) -> Result<KeyPair> {
    match randomness {
        Randomness::System => Ok(KeyPair::generate()?),
        Randomness::Seeded(entropy) => {
            let key = Ed25519Signer::generate_from(entropy, &[b"certificate", holder.as_bytes()])?;
            let der = key.signing_key().to_pkcs8_der().context("the key cannot be encoded")?;
            Ok(KeyPair::from_pkcs8_der_and_sign_algo(&der.as_bytes().into(), &PKCS_ED25519)?)
        }
    }
}
