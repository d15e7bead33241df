//! Requests and tokens (RFC 3161), and what of a token is believed.
//!
//! A token counts when, all of it: the authority granted it; it is a `SignedData` (RFC 5652) of one signer over a `TSTInfo`;
//! the signer's certificate may stamp times and led to a configured one at the time that is stamped; the signature covers
//! the very content and names the very certificate (ESSCertIDv2, RFC 5816); the digest is the one that was asked about, and
//! the nonce, where it is still known.

use cms::{
    cert::{
        CertificateChoices,
        x509::{
            Certificate,
            attr::{Attribute, Attributes},
            ext::{Extensions, pkix::SubjectKeyIdentifier},
            spki::AlgorithmIdentifierOwned,
        },
    },
    content_info::ContentInfo,
    signed_data::{SignedData, SignerIdentifier, SignerInfo},
};
use der::{
    Any, Decode as _, Encode as _, Sequence, Tag, Tagged as _,
    asn1::{BitString, Int, ObjectIdentifier, OctetString},
};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use webpki::{EndEntityCert, ring};

use super::Authority;

const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// A token that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeStamp {
    /// The authority's word: seconds since 1970-01-01T00:00:00Z.
    pub(crate) time: u64,
}

/// `TimeStampReq` (RFC 3161 §2.4.1): asks for the certificate to come along.
#[derive(Sequence)]
struct Request {
    version: u8,
    message_imprint: MessageImprint,
    nonce: Int,
    cert_req: bool,
}

#[derive(Clone, PartialEq, Eq, Sequence)]
struct MessageImprint {
    hash_algorithm: AlgorithmIdentifierOwned,
    hashed_message: OctetString,
}

/// `TimeStampResp` (RFC 3161 §2.4.2).
#[derive(Sequence)]
struct Response {
    status: Status,
    token: Option<ContentInfo>,
}

/// `PKIStatusInfo`.
#[derive(Sequence)]
struct Status {
    status: u32,
    text: Option<Vec<Any>>,
    failure: Option<BitString>,
}

/// `TSTInfo`. What is optional and means nothing to us is read, so that it may be there.
#[derive(Sequence)]
struct TstInfo {
    version: u8,
    policy: ObjectIdentifier,
    message_imprint: MessageImprint,
    serial_number: Int,
    /// `GeneralizedTime`, of which `der` reads no fractions of seconds.
    time: Any,
    accuracy: Option<Vec<Any>>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    authority: Option<Any>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

/// `SigningCertificateV2` (RFC 5035).
#[derive(Sequence)]
struct SigningCertificate {
    certificates: Vec<CertificateIdentifier>,
    policies: Option<Vec<Any>>,
}

/// `ESSCertIDv2`: SHA-256 unless another hash is named.
#[derive(Sequence)]
struct CertificateIdentifier {
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    hash: OctetString,
    issuer_and_serial: Option<Vec<Any>>,
}

/// A request to stamp this text. The nonce tells the answer from an older one.
pub(super) fn request(text: &[u8], nonce: [u8; 8]) -> Result<Vec<u8>, der::Error> {
    let hash_algorithm = AlgorithmIdentifierOwned { oid: SHA_256, parameters: Some(Any::null()) };
    let hashed_message = OctetString::new(Sha256::digest(text).to_vec())?;
    let message_imprint = MessageImprint { hash_algorithm, hashed_message };
    Request { version: 1, message_imprint, nonce: number(nonce)?, cert_req: true }.to_der()
}

/// Verifies an authority's answer about a text. The nonce is that of the request; who reads a stored answer does not know
/// it any more.
///
/// # Errors
/// The first thing that keeps it from counting.
pub(crate) fn verify(
    answer: &[u8],
    text: &[u8],
    nonce: Option<[u8; 8]>,
    authority: &Authority,
) -> Result<TimeStamp, TokenError> {
    let response = Response::from_der(answer)?;
    let token = match (response.status.status, response.token) {
        (0 | 1, Some(token)) => token,
        (status, _) => return Err(TokenError::Refused { status }),
    };
    if token.content_type != SIGNED_DATA {
        return Err(TokenError::NotATimestamp);
    }
    let signed: SignedData = token.content.decode_as()?;
    let content = signed.encap_content_info.econtent.as_ref().ok_or(TokenError::NotATimestamp)?;
    if signed.encap_content_info.econtent_type != TST_INFO || content.tag() != Tag::OctetString {
        return Err(TokenError::NotATimestamp);
    }
    let info = TstInfo::from_der(content.value())?;
    check_info(&info, text, nonce)?;
    let time = seconds(&info.time).ok_or(TokenError::Time)?;
    check_signer(&signed, content.value(), authority, time)?;
    Ok(TimeStamp { time })
}

fn check_info(info: &TstInfo, text: &[u8], nonce: Option<[u8; 8]>) -> Result<(), TokenError> {
    let imprint = &info.message_imprint;
    if info.version != 1 {
        return Err(TokenError::NotATimestamp);
    }
    let digest = Sha256::digest(text);
    if imprint.hash_algorithm.oid != SHA_256 || imprint.hashed_message.as_bytes() != digest.as_slice() {
        return Err(TokenError::OtherText);
    }
    match nonce.map(number).transpose()? {
        Some(asked) if info.nonce.as_ref() != Some(&asked) => Err(TokenError::OtherNonce),
        Some(_) | None => Ok(()),
    }
}

fn check_signer(signed: &SignedData, content: &[u8], authority: &Authority, time: u64) -> Result<(), TokenError> {
    let mut signers = signed.signer_infos.0.iter();
    let (Some(signer), None) = (signers.next(), signers.next()) else { return Err(TokenError::SignerCount) };
    let certificates: Vec<&Certificate> =
        signed.certificates.iter().flat_map(|set| set.0.iter()).filter_map(plain).collect();
    let certificate = certificates.iter().find(|certificate| is_of(&signer.sid, certificate));
    let certificate = certificate.ok_or(TokenError::NoCertificate)?;
    let der = CertificateDer::from(certificate.to_der()?);
    let key = EndEntityCert::try_from(&der)?;

    let attributes = signer.signed_attrs.as_ref().ok_or(TokenError::Unsigned)?;
    check_attributes(signer, attributes, content, &der)?;
    // What is signed is the SET OF the attributes, not the field that carries them (RFC 5652 §5.4).
    let message = attributes.to_der()?;
    let algorithms = algorithms(signer.digest_alg.oid).ok_or(TokenError::Algorithm)?;
    let signature = signer.signature.as_bytes();
    if !algorithms.iter().any(|algorithm| key.verify_signature(*algorithm, &message, signature).is_ok()) {
        return Err(TokenError::Signature);
    }

    let others = certificates.iter().map(|other| Ok(CertificateDer::from(other.to_der()?)));
    let others: Vec<CertificateDer<'_>> = others.collect::<Result<_, der::Error>>()?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(time));
    Ok(authority.believes(&key, &others, at)?)
}

/// The signature covers the content and names the certificate.
fn check_attributes(
    signer: &SignerInfo,
    attributes: &Attributes,
    content: &[u8],
    certificate: &[u8],
) -> Result<(), TokenError> {
    let content_type: ObjectIdentifier = only(attributes, CONTENT_TYPE)?.decode_as()?;
    let digest: OctetString = only(attributes, MESSAGE_DIGEST)?.decode_as()?;
    let named: SigningCertificate = only(attributes, SIGNING_CERTIFICATE_V2)?.decode_as()?;
    if content_type != TST_INFO || Some(digest.as_bytes()) != hash(signer.digest_alg.oid, content).as_deref() {
        return Err(TokenError::Unsigned);
    }
    // The first one is the signer's (RFC 5035 §3).
    let first = named.certificates.first().ok_or(TokenError::OtherCertificate)?;
    let algorithm = first.hash_algorithm.as_ref().map_or(SHA_256, |algorithm| algorithm.oid);
    if Some(first.hash.as_bytes()) != hash(algorithm, certificate).as_deref() {
        return Err(TokenError::OtherCertificate);
    }
    Ok(())
}

/// The one value of the one attribute of this type.
fn only(attributes: &Attributes, oid: ObjectIdentifier) -> Result<&Any, TokenError> {
    let mut values = attributes
        .iter()
        .filter(|attribute: &&Attribute| attribute.oid == oid)
        .flat_map(|attribute| attribute.values.iter());
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (Some(_) | None, _) => Err(TokenError::Unsigned),
    }
}

fn plain(choice: &CertificateChoices) -> Option<&Certificate> {
    match choice {
        CertificateChoices::Certificate(certificate) => Some(certificate),
        CertificateChoices::Other(_) => None,
    }
}

fn is_of(sid: &SignerIdentifier, certificate: &Certificate) -> bool {
    let certificate = certificate.tbs_certificate();
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            named.issuer == *certificate.issuer() && named.serial_number == *certificate.serial_number()
        }
        SignerIdentifier::SubjectKeyIdentifier(named) => certificate
            .get_extension::<SubjectKeyIdentifier>()
            .is_ok_and(|found| found.is_some_and(|(_, identifier)| identifier == *named)),
    }
}

fn hash(algorithm: ObjectIdentifier, bytes: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        SHA_256 => Some(Sha256::digest(bytes).to_vec()),
        SHA_384 => Some(Sha384::digest(bytes).to_vec()),
        SHA_512 => Some(Sha512::digest(bytes).to_vec()),
        _ => None,
    }
}

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

const OVER_SHA_256: Algorithms = &[ring::RSA_PKCS1_2048_8192_SHA256, ring::ECDSA_P256_SHA256, ring::ECDSA_P384_SHA256];
const OVER_SHA_384: Algorithms = &[ring::RSA_PKCS1_2048_8192_SHA384, ring::ECDSA_P256_SHA384, ring::ECDSA_P384_SHA384];
const OVER_SHA_512: Algorithms = &[ring::RSA_PKCS1_2048_8192_SHA512];

/// Signatures over this hash; the key says which of them it makes.
fn algorithms(hash: ObjectIdentifier) -> Option<Algorithms> {
    match hash {
        SHA_256 => Some(OVER_SHA_256),
        SHA_384 => Some(OVER_SHA_384),
        SHA_512 => Some(OVER_SHA_512),
        _ => None,
    }
}

/// A nonce as a number that is not negative.
fn number(nonce: [u8; 8]) -> Result<Int, der::Error> {
    let [first, rest @ ..] = nonce;
    Int::new(&[&[first & 0x7f | 0x40], rest.as_slice()].concat())
}

/// Seconds since 1970 of a `GeneralizedTime`; fractions are cut (RFC 3161 §2.4.2).
fn seconds(time: &Any) -> Option<u64> {
    if time.tag() != Tag::GeneralizedTime {
        return None;
    }
    let text = str::from_utf8(time.value()).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, "0"), |(whole, fraction)| (whole, fraction));
    if fraction.is_empty() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole = der::asn1::GeneralizedTime::from_der(&[&[0x18, 0x0f], whole.as_bytes(), b"Z"].concat()).ok()?;
    Some(whole.to_unix_duration().as_secs())
}

/// Why an answer of an authority proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TokenError {
    /// Not the bytes of an answer.
    #[error("the answer of the timestamp authority is malformed: {0}")]
    Malformed(#[from] der::Error),
    /// The authority says no.
    #[error("the timestamp authority refuses, with status {status}")]
    Refused {
        /// `PKIStatus`.
        status: u32,
    },
    /// A token of something else.
    #[error("the token is no timestamp")]
    NotATimestamp,
    /// A timestamp of something else.
    #[error("the timestamp is that of another text")]
    OtherText,
    /// An older answer.
    #[error("the timestamp answers another request")]
    OtherNonce,
    /// The time is none.
    #[error("the timestamp has no time")]
    Time,
    /// None has signed, or several.
    #[error("a timestamp has one signer")]
    SignerCount,
    /// The signer's certificate did not come along.
    #[error("the signer's certificate is not in the token")]
    NoCertificate,
    /// What must be signed is not, or not once.
    #[error("the signature does not cover the timestamp")]
    Unsigned,
    /// The signature is that of another certificate.
    #[error("the signature names another certificate than the signer's")]
    OtherCertificate,
    /// A hash that is not accepted.
    #[error("the timestamp is signed over a hash that is not accepted")]
    Algorithm,
    /// The signature is not the signer's.
    #[error("the signature does not verify")]
    Signature,
    /// The certificate may not stamp times, or leads nowhere.
    #[error("the signer is not believed: {0}")]
    Authority(#[from] webpki::Error),
}
