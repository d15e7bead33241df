//! What may be asked again: one rule for every client of the services.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Whether the same request may be sent again: nothing was recorded, or it is not known. The ledger says so itself; a
/// status without its details comes from the way there, such as a connection that was cut.
#[must_use]
pub fn may_be_sent_again(status: &Status) -> bool {
    if status.get_details_error_info().is_some() {
        return status.get_details_retry_info().is_some();
    }
    matches!(
        status.code(),
        Code::Unavailable
            | Code::ResourceExhausted
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
    )
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use tonic_types::ErrorDetails;

    use super::*;

    fn of_the_ledger(code: Code, retry: bool) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info("REASON", "mediation-ledger", HashMap::new());
        if retry {
            details.set_retry_info(Some(Duration::from_millis(500)));
        }
        Status::with_error_details(code, "refused", details)
    }

    #[test]
    fn a_refusal_is_sent_again_only_when_the_ledger_says_so() {
        for code in [Code::Unavailable, Code::ResourceExhausted, Code::Aborted, Code::Internal] {
            assert!(may_be_sent_again(&of_the_ledger(code, true)), "{code:?}");
            assert!(!may_be_sent_again(&of_the_ledger(code, false)), "{code:?}");
        }
    }

    #[test]
    fn a_connection_that_was_cut_is_no_refusal_and_the_act_is_sent_again() {
        for code in [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal, Code::DeadlineExceeded] {
            assert!(may_be_sent_again(&Status::new(code, "transport error")), "{code:?}");
        }
        for code in [Code::InvalidArgument, Code::PermissionDenied, Code::Unimplemented, Code::DataLoss] {
            assert!(!may_be_sent_again(&Status::new(code, "no details")), "{code:?}");
        }
    }
}
