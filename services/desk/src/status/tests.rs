//! What fits into a status, and what it says.

use tonic::codegen::http::HeaderMap;

use super::*;

fn violation(at: usize, text: &str) -> Violation {
    Violation { path: format!("DisputeRegistered.parties.{at}.subject"), en: text.to_owned(), zh: text.to_owned() }
}

/// Bytes of a header list as HTTP/2 counts them (RFC 9113 section 6.5.2).
fn header_bytes(status: &Status) -> usize {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers).unwrap();
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

#[test]
fn a_status_fits_into_the_headers_that_every_client_takes() {
    let long = "字".repeat(8 * 1024);
    let refusals = [
        Refused::malformed((0..100).map(|at| violation(at, "is required")).collect()),
        Refused::malformed((0..100).map(|at| violation(at, &long)).collect()),
        Refusal {
            reason: Reason::ReferenceUnknown,
            violations: (0..1_000).map(|at| violation(at, "names an act that does not stand on the chain")).collect(),
            detail_en: String::new(),
            detail_zh: String::new(),
        }
        .into(),
        Refused::new(Reason::ChainNotFound).detail(long.as_str(), long.as_str()),
        Refused::new(Reason::SignerNotOfAgency).detail(long.as_str(), long.as_str()).with("certificate", &long),
    ];
    for refused in refusals {
        let status = refused.clone().into_status("01890000-0000-7000-8000-000000000000");
        let bytes = header_bytes(&status);
        assert!(bytes <= 8 * 1024, "{:?} takes {bytes} bytes", refused.reason());
    }
}

#[test]
fn violations_that_are_not_listed_are_counted_in_both_languages() {
    let status = Refused::malformed((0..100).map(|at| violation(at, "is required")).collect()).into_status("id");
    let listed = status.get_details_bad_request().unwrap().field_violations.len();
    assert!((10..100).contains(&listed), "{listed}");
    assert!(status.message().contains(&format!("and {} more", 100 - listed)), "{}", status.message());
    let localized = status.get_details_localized_message().unwrap().message;
    assert!(localized.contains(&format!("另有 {} 项", 100 - listed)), "{localized}");
}

#[test]
fn nothing_of_a_bug_leaves_the_server() {
    let status = Refused::internal(&std::io::Error::other("a secret")).into_status("id");
    assert_eq!(status.code(), Code::Internal);
    assert!(!format!("{status:?}").contains("a secret"));
}
