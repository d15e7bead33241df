//! Quotas: how much an agency may ask of a process, so that none of them starves the others.
//!
//! A request that is more than that is refused at once, before its message is read (`gate.rs`), and told when to come again. An act
//! of an open stream waits instead: the stream slows down, and its sender is held up by the flow control of HTTP/2.
//!
//! Of what its quota allows, an agency has only so much in work at once: a burst waits in its agency's own line (`line.rs`), and
//! whoever else comes is served between two of it, not after all of it.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, RateLimiter, clock::Clock as _};
use mediation_proto::mediation::ledger::v1::Reason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    line::{Line, Pass},
    status::Refused,
};

/// Time in which an agency that uses its whole quota is served without waiting in line, when each request takes as long as
/// that: some times what a durable append takes.
const IN_WORK: Duration = Duration::from_millis(40);

/// Time that a request waits in its agency's line. A burst that a quota allows is through by then on a machine that keeps the quota.
const IN_LINE_MAX: Duration = Duration::from_secs(2);

/// Requests that an agency may always have in work at once.
const IN_WORK_MIN: usize = 8;

/// When the next request of an agency may come whose quota is used up, at the earliest: until then it has gathered a few.
const QUOTA_WAIT_MIN: Duration = Duration::from_millis(100);

/// When to come again if the process has more to do than it can.
const OVERLOAD_WAIT: Duration = Duration::from_secs(1);

/// What each agency may ask of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests in a second, and as many acts of streams.
    pub per_second: NonZeroU32,
    /// Requests at once, by an agency that has been silent for a while.
    pub burst: NonZeroU32,
}

impl Quota {
    /// Requests that an agency may have in work at once.
    fn in_work(self) -> usize {
        let requests = u128::from(self.per_second.get()) * IN_WORK.as_millis() / 1_000;
        usize::try_from(requests).unwrap_or(Semaphore::MAX_PERMITS).clamp(IN_WORK_MIN, Semaphore::MAX_PERMITS)
    }
}

/// What of their quotas the agencies have left.
pub(crate) struct Quotas {
    quota: Option<Quota>,
    /// Requests by agency id. Only agencies of the registry get here, so that it stays as small as their number.
    requests: Option<DefaultKeyedRateLimiter<String>>,
    /// Acts of streams: of their own, so that a bulk import leaves its agency's clerks their requests.
    acts: Option<DefaultKeyedRateLimiter<String>>,
    /// By agency id, as above.
    lines: Mutex<BTreeMap<String, Arc<Line>>>,
}

/// Why there is no room for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// Its agency has used up its quota.
    Quota,
    /// The line of its agency is as long as it may be.
    Line,
}

impl Quotas {
    /// The same quota for each agency; none at all without it.
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        let limits = quota.map(|quota| governor::Quota::per_second(quota.per_second).allow_burst(quota.burst));
        let (requests, acts) = (limits.map(RateLimiter::keyed), limits.map(RateLimiter::keyed));
        Self { quota, requests, acts, lines: Mutex::default() }
    }

    /// Takes one request from an agency's quota.
    ///
    /// # Errors
    /// Nothing is left. The refusal says when the next one may come.
    pub(crate) fn take(&self, agency: &str) -> Result<(), Refused> {
        try_take(self.requests.as_ref(), agency).map_err(|_wait| self.refused(Full::Quota, agency))
    }

    /// Takes one request from an agency's quota whose message is not read yet, and lets it pass to the agency's line.
    ///
    /// # Errors
    /// There is no room for it.
    pub(crate) fn enter(&self, agency: &str) -> Result<Option<Pass>, Full> {
        try_take(self.requests.as_ref(), agency).map_err(|_wait| Full::Quota)?;
        let Some(line) = self.line(agency) else { return Ok(None) };
        line.enter().map(Some).ok_or(Full::Line)
    }

    /// What is told when there is no room; the same for all that an agency sends.
    pub(crate) fn refused(&self, full: Full, agency: &str) -> Refused {
        match full {
            Full::Quota => {
                let per_second = self.quota.map_or(0, |quota| quota.per_second.get());
                let wait = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
                Refused::new(Reason::QuotaExceeded)
                    .detail(format!("{per_second} requests a second"), format!("每秒 {per_second} 次"))
                    .with("agency", agency)
                    .with("per_second", per_second)
                    .after(wait.max(QUOTA_WAIT_MIN))
            }
            Full::Line => Refused::new(Reason::Overloaded).after(OVERLOAD_WAIT),
        }
    }

    /// Waits in the agency's line until one more of its requests may be worked on, which it is while what this returns is kept.
    ///
    /// # Errors
    /// It has waited for [`IN_LINE_MAX`]: more is asked for than the process can do. It goes on with those who have waited less; else
    /// it would come to work only for those who have given up.
    pub(crate) async fn begin(&self, agency: &str) -> Result<Option<OwnedSemaphorePermit>, Refused> {
        let Some(line) = self.line(agency) else { return Ok(None) };
        let begun = tokio::time::timeout(IN_LINE_MAX, line.begin()).await;
        begun.map_err(|_elapsed| self.refused(Full::Line, agency))
    }

    /// The same for an act of a stream, which waits as long as it takes: its sender is held up meanwhile.
    pub(crate) async fn begin_when_it_may(&self, agency: &str) -> Option<OwnedSemaphorePermit> {
        self.line(agency)?.begin_uncounted().await
    }

    /// The line of an agency; none where there are no quotas.
    fn line(&self, agency: &str) -> Option<Arc<Line>> {
        let quota = self.quota?;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(agency) {
            return Some(Arc::clone(line));
        }
        let burst = usize::try_from(quota.burst.get()).unwrap_or(usize::MAX);
        let line = Arc::new(Line::new(quota.in_work(), burst));
        lines.insert(agency.to_owned(), Arc::clone(&line));
        Some(line)
    }

    /// Takes one act of a stream from an agency's quota, as soon as there is one.
    pub(crate) async fn wait(&self, agency: &str) {
        while let Err(wait) = try_take(self.acts.as_ref(), agency) {
            tokio::time::sleep(wait).await;
        }
    }
}

/// Takes one, where there is a limit, or says how long until there is one.
fn try_take(left: Option<&DefaultKeyedRateLimiter<String>>, agency: &str) -> Result<(), Duration> {
    left.map_or(Ok(()), |left| wait_of(left, agency))
}

/// Takes one from what an agency has left, or says how long until there is one.
pub(crate) fn wait_of(left: &DefaultKeyedRateLimiter<String>, agency: &str) -> Result<(), Duration> {
    left.check_key(&agency.to_owned()).map_err(|until| until.wait_time_from(left.clock().now()))
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas").field("quota", &self.quota).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt as _;

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
    async fn a_burst_waits_in_the_line_of_its_own_agency() {
        use futures_util::FutureExt as _;

        let quotas = of(1_000, 2_000);
        let mut in_work = Vec::new();
        while let Some(begun) = quotas.begin("CT-LP").now_or_never() {
            in_work.push(begun.unwrap().unwrap());
        }
        assert_eq!(in_work.len(), 40, "a twenty-fifth of the requests of a second");
        assert!(quotas.begin("XF-LP").now_or_never().is_some(), "others are not behind it");
        assert!(quotas.begin("CT-LP").now_or_never().is_none());
        in_work.pop();
        assert!(quotas.begin("CT-LP").now_or_never().is_some(), "one is done, the next begins");
        assert_eq!(of(1, 1).quota.unwrap().in_work(), IN_WORK_MIN);
    }

    #[tokio::test]
    async fn who_has_waited_too_long_in_line_is_told_when_to_come_again_and_an_act_of_a_stream_waits_on() {
        use futures_util::FutureExt as _;

        let quotas = of(1, 1);
        let mut in_work = Vec::new();
        for _request in 0..IN_WORK_MIN {
            in_work.push(quotas.begin("CT-LP").await.unwrap());
        }
        let mut of_stream = Box::pin(quotas.begin_when_it_may("CT-LP"));
        assert!(of_stream.as_mut().now_or_never().is_none());
        let status = quotas.begin("CT-LP").await.unwrap_err().into_status("id");
        let told = status.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert_eq!((status.code(), told), (Code::ResourceExhausted, OVERLOAD_WAIT));
        assert!(of_stream.as_mut().now_or_never().is_none());
        in_work.clear();
        assert!(of_stream.await.is_some());
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
