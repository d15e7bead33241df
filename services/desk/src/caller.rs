//! Who calls: the agency that the client certificate names.
//!
//! The certificate carries one URI of the form `spiffe://TRUST-DOMAIN/agency/AGENCY`. The trust domain is the host of
//! the ledger's origin, so that a certificate of another ledger under the same authority does not open this one. That of an official,
//! with which he comes to the console and which no desk takes, is `spiffe://TRUST-DOMAIN/agency/AGENCY/official/NAME`.

use std::net::SocketAddr;

use mediation_domain::{admit::Caller, directory::Directory};
use mediation_proto::mediation::ledger::v1::Reason;
use tonic::Request;
use x509_parser::{
    extensions::{GeneralName, ParsedExtension},
    prelude::{FromDer as _, X509Certificate},
};

use crate::status::Refused;

/// The other end of a connection, as its handshake showed it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Network address.
    pub address: SocketAddr,
    /// Whether it showed a certificate.
    pub certified: bool,
    /// SPIFFE id of the certificate, when it has exactly one.
    pub spiffe_id: Option<String>,
}

impl Peer {
    /// Reads a peer from its certificate (DER), which the handshake has verified.
    #[must_use]
    pub fn new(address: SocketAddr, certificate: Option<&[u8]>) -> Self {
        Self { address, certified: certificate.is_some(), spiffe_id: certificate.and_then(spiffe_id) }
    }

    /// The agency that its certificate names, whether there is such an agency or not.
    pub(crate) fn agency(&self, origin: &str) -> Option<&str> {
        self.spiffe_id.as_deref().filter(|_| self.certified).and_then(|id| agency_of(id, origin))
    }
}

/// SPIFFE id of a certificate (DER), when it has exactly one.
#[must_use]
pub fn spiffe_id(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut ids = Vec::new();
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else { continue };
        for name in &names.general_names {
            let GeneralName::URI(uri) = name else { continue };
            ids.extend(uri.starts_with("spiffe://").then(|| (*uri).to_owned()));
        }
    }
    // More than one identity is no identity (SPIFFE X509-SVID section 2).
    ids.pop().filter(|_| ids.is_empty())
}

/// The agency that calls.
///
/// # Errors
/// No certificate, or one that names no agency of this ledger.
pub fn caller<T>(request: &Request<T>, origin: &str, directory: &Directory) -> Result<Caller, Refused> {
    let peer = request.extensions().get::<Peer>().filter(|peer| peer.certified);
    let peer = peer.ok_or_else(|| Refused::new(Reason::NoCertificate))?;
    let unknown =
        || Refused::new(Reason::CertificateUnknown).with("certificate", peer.spiffe_id.clone().unwrap_or_default());
    let agency = peer.agency(origin).ok_or_else(unknown)?;
    let kind = directory.kind(agency).ok_or_else(unknown)?;
    Ok(Caller { agency: agency.to_owned(), kind })
}

/// SPIFFE id of an agency in a ledger.
#[must_use]
pub fn spiffe_id_of(origin: &str, agency: &str) -> String {
    format!("spiffe://{}/agency/{agency}", trust_domain(origin))
}

/// SPIFFE id of an official, who is named as signers are: `AUD-JDZ/AUD-1`. None where the name is not of that form.
#[must_use]
pub fn spiffe_id_of_official(origin: &str, official: &str) -> Option<String> {
    let (agency, name) = official.split_once('/').filter(|(agency, name)| !agency.is_empty() && is_name(name))?;
    Some(format!("{}{OFFICIAL}{name}", spiffe_id_of(origin, agency)))
}

/// The official whom a SPIFFE id names, as signers are named.
#[must_use]
pub fn official_of(spiffe_id: &str, origin: &str) -> Option<String> {
    let (agency, name) = agency_of(spiffe_id, origin)?.split_once(OFFICIAL)?;
    (!agency.is_empty() && is_name(name)).then(|| format!("{agency}/{name}"))
}

/// What stands between an agency and its official.
const OFFICIAL: &str = "/official/";

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter))
}

fn agency_of<'a>(spiffe_id: &'a str, origin: &str) -> Option<&'a str> {
    let path = spiffe_id.strip_prefix("spiffe://")?.strip_prefix(trust_domain(origin))?;
    path.strip_prefix("/agency/").filter(|agency| !agency.is_empty())
}

/// Host of an origin.
fn trust_domain(origin: &str) -> &str {
    origin.split('/').next().unwrap_or(origin)
}
