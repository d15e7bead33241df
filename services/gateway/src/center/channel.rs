//! Who may ask the gateway: channels, each with a token, rights and a quota.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, time::Duration};

use axum::http::{HeaderMap, header::AUTHORIZATION};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use sha2::{Digest as _, Sha256};

use super::problem::{Kind, Problem};

/// Letters that a token has at least: nobody guesses it.
pub const TOKEN_LENGTH_MIN: usize = 32;

/// What a channel may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// To hand in matters.
    Intake,
    /// To ask for a matter with the code of its party.
    Status,
    /// The center's worklist.
    Worklist,
    /// The feed of acts.
    Events,
}

impl Right {
    /// All of them, by the names that configurations use.
    pub const ALL: [(&'static str, Self); 4] =
        [("intake", Self::Intake), ("status", Self::Status), ("worklist", Self::Worklist), ("events", Self::Events)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, right)| *right == self).map_or("", |(name, _)| name)
    }
}

/// A channel, as its configuration describes it.
#[derive(Debug, Clone)]
pub struct ChannelTerms {
    /// Name. It goes into event ids: a channel with another name is another one.
    pub name: String,
    /// Codes of the list `Channel` that it may hand matters in under.
    pub codes: Vec<String>,
    /// What it may ask for.
    pub rights: Vec<Right>,
    /// Requests a second.
    pub per_second: NonZeroU32,
    /// Requests at once.
    pub burst: NonZeroU32,
}

/// A channel.
pub(super) struct Channel {
    pub(super) terms: ChannelTerms,
    left: DefaultDirectRateLimiter,
}

/// The channels of a gateway, by the digests of their tokens: how long a look-up takes tells nothing of a token.
#[derive(Debug, Default)]
pub struct Channels(BTreeMap<[u8; 32], Channel>);

impl Channels {
    /// Adds a channel; false when its token is too short or another channel's.
    #[must_use]
    pub fn add(&mut self, token: &str, terms: ChannelTerms) -> bool {
        let token = token.trim_end();
        let quota = Quota::per_second(terms.per_second).allow_burst(terms.burst);
        let channel = Channel { terms, left: RateLimiter::direct(quota) };
        token.len() >= TOKEN_LENGTH_MIN && self.0.insert(digest(token), channel).is_none()
    }

    /// The channel of a request, if it has this right and something left of its quota.
    pub(super) fn admitted(&self, headers: &HeaderMap, right: Right) -> Result<&Channel, Problem> {
        let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let channel = token.and_then(|token| self.0.get(&digest(token))).ok_or_else(|| Problem::new(Kind::NoToken))?;
        channel.take()?;
        if channel.terms.rights.contains(&right) {
            return Ok(channel);
        }
        let (name, right) = (&channel.terms.name, right.name());
        Err(Problem::new(Kind::RightMissing)
            .say(format!("渠道“{name}”没有权限“{right}”"), format!("channel `{name}` has not the right `{right}`")))
    }
}

impl Channel {
    fn take(&self) -> Result<(), Problem> {
        let Err(until) = self.left.check() else { return Ok(()) };
        let wait = until.wait_time_from(self.left.clock().now());
        let per_second = self.terms.per_second;
        Err(Problem::new(Kind::QuotaExceeded)
            .say(format!("本渠道每秒 {per_second} 次"), format!("{per_second} requests a second of this channel"))
            .after(wait.max(Duration::from_secs(1))))
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("terms", &self.terms).finish_non_exhaustive()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
