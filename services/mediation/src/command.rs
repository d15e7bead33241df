//! The commands. Each answers whether all is as it should be.

pub(crate) mod access_log;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod certificate;
pub(crate) mod chain;
pub(crate) mod city;
pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod console;
pub(crate) mod demo;
pub(crate) mod docket;
pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod figures;
pub(crate) mod findings;
pub(crate) mod gateway;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod key;
#[cfg(feature = "kurrentdb")]
pub(crate) mod kurrent;
pub(crate) mod log;
pub(crate) mod log_key;
#[cfg(feature = "kurrentdb")]
pub(crate) mod migrate;
pub(crate) mod mirror;
pub(crate) mod monitor;
pub(crate) mod privacy_report;
#[cfg(feature = "kurrentdb")]
pub(crate) mod provision;
pub(crate) mod rebuild;
pub(crate) mod record;
pub(crate) mod reincarnate;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod rules;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod subject_ref;
pub(crate) mod vault;
pub(crate) mod verify;
pub(crate) mod witness;

use mediation_client::ClientError;
use mediation_gateway::reader::Unread;
use tokio::signal::unix::{SignalKind, signal};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Differences were found, or verification found something.
pub(crate) const DIFFERENCES: u8 = 1;

/// The ledger refused.
pub(crate) const REFUSED: u8 = 3;

/// The ledger is away.
pub(crate) const AWAY: u8 = 4;

/// Trouble on this machine.
pub(crate) const TROUBLE: u8 = 5;

/// Resolves when the operator, or the machine, asks the program to end.
pub(crate) async fn interrupted() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Exit code of an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let proves_nothing = |cause: &ClientError| matches!(cause, ClientError::Trust(_));
    match refusal(error) {
        // What a status without a reason says comes from the way there: the connection was cut.
        Some(status) if status.get_details_error_info().is_none() => AWAY,
        Some(status) => match status.code() {
            code if [Code::Unavailable, Code::ResourceExhausted, Code::DeadlineExceeded].contains(&code) => AWAY,
            _ => REFUSED,
        },
        None if error.chain().any(|cause| cause.is::<tonic::transport::Error>() || cause.is::<Unread>()) => AWAY,
        None if error.chain().any(|cause| cause.downcast_ref().is_some_and(proves_nothing)) => DIFFERENCES,
        None => TROUBLE,
    }
}

/// What the operator is told of an error, line by line. What the ledger says is given in its own words, in both
/// languages, with the request id.
pub(crate) fn explanation(error: &anyhow::Error) -> Vec<String> {
    let Some(status) = refusal(error) else { return vec![format!("错误 · error: {error:#}")] };
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    let mut lines = vec![format!("账本拒绝 · refused: {reason} ({:?})", status.code())];
    let outer = error.to_string();
    if !error.is::<ClientError>() {
        lines.push(format!("  {outer}"));
    }
    lines.extend(status.get_details_localized_message().map(|localized| format!("  {}", localized.message)));
    lines.push(format!("  {}", status.message()));
    lines.extend(
        status.get_details_request_info().map(|request| format!("  请求编号 request id: {}", request.request_id)),
    );
    lines
}

/// What the ledger answered, when an error is its answer.
fn refusal(error: &anyhow::Error) -> Option<&Status> {
    error.chain().find_map(|cause| match cause.downcast_ref::<ClientError>() {
        Some(ClientError::Status(status)) => Some(status.as_ref()),
        Some(_) | None => None,
    })
}
