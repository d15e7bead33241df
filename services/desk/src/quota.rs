//! Quotas: how much an agency may ask of a process, so that none of them starves the others.
//!
//! A request that is more than that is refused at once, before its content is looked at, and told when to come again. An act of
//! an open stream waits instead: the stream slows down, and its sender is held up by the flow control of HTTP/2.

use std::{fmt, num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use mediation_proto::mediation::ledger::v1::Reason;

use crate::status::Refused;

/// What each agency may ask of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests in a second, and as many acts of streams.
    pub per_second: NonZeroU32,
    /// Requests at once, by an agency that has been silent for a while.
    pub burst: NonZeroU32,
}

/// What of their quotas the agencies have left.
pub(crate) struct Quotas {
    quota: Option<Quota>,
    /// Requests by agency id. Only agencies of the registry get here, so that it stays as small as their number.
    requests: Option<DefaultKeyedRateLimiter<String>>,
    /// Acts of streams: of their own, so that a bulk import leaves its agency's clerks their requests.
    acts: Option<DefaultKeyedRateLimiter<String>>,
    clock: DefaultClock,
}

impl Quotas {
    /// The same quota for each agency; none at all without it.
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        let limits = quota.map(|quota| governor::Quota::per_second(quota.per_second).allow_burst(quota.burst));
        let clock = DefaultClock::default();
        Self { quota, requests: limits.map(RateLimiter::keyed), acts: limits.map(RateLimiter::keyed), clock }
    }

    /// Takes one request from an agency's quota.
    ///
    /// # Errors
    /// Nothing is left. The refusal says when the next one may come.
    pub(crate) fn take(&self, agency: &str) -> Result<(), Refused> {
        let Err(wait) = self.try_take(self.requests.as_ref(), agency) else { return Ok(()) };
        let per_second = self.quota.map_or(0, |quota| quota.per_second.get());
        Err(Refused::new(Reason::QuotaExceeded)
            .detail(format!("{per_second} requests a second"), format!("每秒 {per_second} 次"))
            .with("agency", agency)
            .with("per_second", per_second)
            .after(wait))
    }

    /// Takes one act of a stream from an agency's quota, as soon as there is one.
    pub(crate) async fn wait(&self, agency: &str) {
        while let Err(wait) = self.try_take(self.acts.as_ref(), agency) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes one, or says how long until there is one.
    fn try_take(&self, left: Option<&DefaultKeyedRateLimiter<String>>, agency: &str) -> Result<(), Duration> {
        let Some(left) = left else { return Ok(()) };
        left.check_key(&agency.to_owned()).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas").field("quota", &self.quota).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(per_second: u32, burst: u32) -> Quotas {
        let number = |number| NonZeroU32::new(number).unwrap();
        Quotas::new(Some(Quota { per_second: number(per_second), burst: number(burst) }))
    }

    #[test]
    fn an_agency_that_has_used_its_quota_is_refused_and_the_others_are_not() {
        let quotas = of(1, 3);
        for _request in 0..3 {
            quotas.take("CT-LP").unwrap();
        }
        let refused = quotas.take("CT-LP").unwrap_err();
        assert_eq!(refused.reason(), Reason::QuotaExceeded);
        quotas.take("XF-LP").unwrap();
    }

    #[test]
    fn without_a_quota_nobody_is_refused() {
        let quotas = Quotas::new(None);
        for _request in 0..10_000 {
            quotas.take("CT-LP").unwrap();
        }
    }

    #[tokio::test]
    async fn an_act_of_a_stream_waits_and_leaves_requests_alone() {
        let (quotas, begun) = (of(50, 1), std::time::Instant::now());
        for _act in 0..5 {
            quotas.wait("CT-LP").await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(80), "four of the five have waited 20 ms each");
        quotas.take("CT-LP").unwrap();
    }
}
