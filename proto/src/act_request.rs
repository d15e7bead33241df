//! What all desks have in common: a request to record one act, and which desk serves which kind of agency.

use crate::{
    derived::DESKS,
    mediation::{ledger::v1::Act, types::v1::AgencyKind},
};

/// A request to record one act, whatever desk it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct ActRequest {
    /// Chain id as sent.
    pub chain_id: Option<String>,
    /// Event id as sent.
    pub event_id: Option<String>,
    /// Revision that the act shall take.
    pub expected_revision: Option<u64>,
    /// Business time.
    pub occurred_at: Option<prost_types::Timestamp>,
    /// Number of the receipt level to wait for.
    pub wait: Option<i32>,
    /// What was done.
    pub act: Act,
}

/// A request to prepare one act for the caller to sign, whatever desk it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareRequest {
    /// The act.
    pub request: ActRequest,
    /// Id of the key that will sign, as sent.
    pub key_id: prost::bytes::Bytes,
}

/// The desk does not take acts of this family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{desk}` does not take acts of this family (act given: {given})")]
pub struct NotOfThisDesk {
    /// The desk.
    pub desk: &'static str,
    /// Whether the request named an act at all.
    pub given: bool,
}

/// A desk.
#[derive(Debug)]
pub struct DeskInfo {
    /// Full name of the gRPC service.
    pub service: &'static str,
    /// Short name.
    pub name: &'static str,
    /// Numbers of the kinds of agency that it serves.
    pub agency_kinds: &'static [i32],
}

impl DeskInfo {
    /// What configurations call it: `court`, `public_security`.
    #[must_use]
    pub fn key(&self) -> String {
        let mut key = String::new();
        for letter in self.name.trim_end_matches("Desk").chars() {
            if letter.is_ascii_uppercase() && !key.is_empty() {
                key.push('_');
            }
            key.push(letter.to_ascii_lowercase());
        }
        key
    }
}

/// The desk of a kind of agency; `None` for a kind that has none.
#[must_use]
pub fn desk_of(kind: AgencyKind) -> Option<&'static DeskInfo> {
    DESKS.iter().find(|desk| desk.agency_kinds.contains(&(kind as i32)))
}

/// Text and code of a reason, from `errors.proto`.
#[derive(Debug, PartialEq, Eq)]
pub struct ReasonInfo {
    /// Name without the prefix, as in `ErrorInfo.reason`.
    pub name: &'static str,
    /// gRPC status code.
    pub status_code: i32,
    /// Text in English.
    pub en: &'static str,
    /// Text in Chinese.
    pub zh: &'static str,
    /// What the caller should do, in English.
    pub action_en: &'static str,
    /// What the caller should do, in Chinese.
    pub action_zh: &'static str,
    /// Sending the same request again may succeed.
    pub retry: bool,
}
