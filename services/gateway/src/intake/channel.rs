//! Who may hand matters in: each channel has a token of its own, and as many requests a minute as it was given.

use std::num::NonZeroU32;

use axum::http::{HeaderMap, header};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use mediation_proto::{derived::TYPES_CHANNEL, fields::EnumInfo};
use sha2::{Digest as _, Sha256};

use super::problem::Problem;

/// A channel (受理渠道): a mini-program, a terminal, a hotline, a front desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Name, by which logs tell it.
    pub name: String,
    /// Code of the channel in the catalogue, such as `ONLINE_LEFA`.
    pub code: &'static str,
    /// SHA-256 of its token: the token itself is kept by the channel alone.
    pub token: [u8; 32],
    /// Whether it may read the center's worklist.
    pub worklist: bool,
    /// Requests a minute, and as many at once.
    pub per_minute: NonZeroU32,
}

impl Channel {
    /// The code list of channels.
    pub const CODES: &'static EnumInfo = &TYPES_CHANNEL;
}

/// SHA-256 of a token.
#[must_use]
pub fn token_digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The channels, and what each has left.
#[derive(Debug)]
pub(super) struct Channels(Vec<(Channel, DefaultDirectRateLimiter)>);

impl Channels {
    pub(super) fn new(channels: Vec<Channel>) -> Self {
        let limited = |channel: Channel| {
            let limiter = RateLimiter::direct(Quota::per_minute(channel.per_minute));
            (channel, limiter)
        };
        Self(channels.into_iter().map(limited).collect())
    }

    /// The channel whose token a request carries. The request is taken from what it has left.
    pub(super) fn of(&self, headers: &HeaderMap) -> Result<&Channel, Problem> {
        let said = headers.get(header::AUTHORIZATION).and_then(|said| said.to_str().ok()).unwrap_or_default();
        let token = said.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let digest = token_digest(token.map(|(_, token)| token.trim()).unwrap_or_default());
        // Every channel is compared, by digests: neither which one it is nor how much agrees shows in time.
        let found = self.0.iter().fold(None, |found, one| if one.0.token == digest { Some(one) } else { found });
        let (channel, limiter) = found.ok_or_else(Problem::unknown_channel)?;
        limiter.check().map_err(|until| Problem::too_many(until.wait_time_from(limiter.clock().now())))?;
        Ok(channel)
    }
}
