//! Whom we believe about the time.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject as _};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring};

use crate::contents;

/// Certificates of authorities whose timestamps are believed.
#[derive(Debug)]
pub(crate) struct Authority {
    anchors: Vec<TrustAnchor<'static>>,
}

impl Authority {
    /// Reads the file of certificates, in PEM.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = contents::read(path).with_context(|| {
            format!("cannot read `{}`, the certificates of the timestamp authority", path.display())
        })?;
        Self::parse(&bytes).with_context(|| format!("`{}` holds no certificates", path.display()))
    }

    pub(super) fn parse(pem: &[u8]) -> Result<Self> {
        let mut anchors = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            anchors.push(anchor_from_trusted_cert(&certificate?)?.to_owned());
        }
        ensure!(!anchors.is_empty(), "there is no certificate");
        Ok(Self { anchors })
    }

    /// Whether the certificate may stamp times, and leads to one that is believed, at that time.
    pub(super) fn believes(
        &self,
        signer: &EndEntityCert<'_>,
        others: &[CertificateDer<'_>],
        time: UnixTime,
    ) -> Result<(), webpki::Error> {
        let usage = KeyUsage::required(TIME_STAMPING);
        signer.verify_for_usage(ALGORITHMS, &self.anchors, others, time, usage, None, None).map(|_| ())
    }
}

/// id-kp-timeStamping, 1.3.6.1.5.5.7.3.8 (RFC 3161 §2.3), as the contents of an OBJECT IDENTIFIER.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// Signatures of certificates.
const ALGORITHMS: &[&dyn rustls_pki_types::SignatureVerificationAlgorithm] = &[
    ring::RSA_PKCS1_2048_8192_SHA256,
    ring::RSA_PKCS1_2048_8192_SHA384,
    ring::RSA_PKCS1_2048_8192_SHA512,
    ring::ECDSA_P256_SHA256,
    ring::ECDSA_P256_SHA384,
    ring::ECDSA_P384_SHA256,
    ring::ECDSA_P384_SHA384,
    ring::ED25519,
];
