//! Refusals that say nothing by the time they take.
//!
//! Of a chain that a caller may not know of he is told that it does not exist ([`Refused::no_chain`]), and it must not show in
//! time that it was looked at. So such an answer is given on a beat:
//!
//! ```text
//! arrived ─ decided ───── next full beat since it arrived ─▶ answered
//! ```
//!
//! The timer goes by the millisecond, which hides what is left of the difference. A busy process may take longer than a beat to
//! look at a chain; so it looks once, and remembers (`denied.rs`).

use std::time::Duration;

use mediation_proto::mediation::ledger::v1::Reason;
use tokio::time::Instant;
use tonic::Status;
use tonic_types::StatusExt as _;

/// Time by whose multiples it is answered that there is no such chain: much longer than it takes to look at one.
const BEAT: Duration = Duration::from_millis(50);

/// What is told of a chain that does not exist, and of one that the caller may not know of.
const DENIALS: [Reason; 2] = [Reason::ChainNotFound, Reason::NotAnOpeningAct];

/// Whether a refusal says that there is no such chain, whether there is one or not.
pub(crate) fn denies_the_chain(reason: Reason) -> bool {
    DENIALS.contains(&reason)
}

/// Whether a status says so.
pub(crate) fn status_denies_the_chain(status: &Status) -> bool {
    let told = status.get_details_error_info();
    told.is_some_and(|told| DENIALS.iter().any(|denial| denial.info().name == told.reason))
}

/// Waits for the next full beat since the request arrived.
pub(crate) async fn beat(arrived: Instant) {
    tokio::time::sleep_until(next(arrived, Instant::now())).await;
}

fn next(arrived: Instant, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(arrived).as_nanos().checked_div(BEAT.as_nanos()).unwrap_or_default();
    arrived + BEAT * u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_waits_for_the_next_full_beat_however_long_it_took() {
        let arrived = Instant::now();
        let at = |ms| next(arrived, arrived + Duration::from_micros(ms)).duration_since(arrived).as_millis();
        assert_eq!([at(0), at(1), at(49_999), at(50_000), at(50_001), at(120_000)], [50, 50, 50, 100, 100, 150]);
    }
}
