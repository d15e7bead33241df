//! `BatchAppend`: many appends over one call, each answered by its correlation id.

use std::collections::BTreeMap;

use prost_types::Any;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming, metadata::MetadataMap};
use uuid::Uuid;

use super::{Seat, stream_name, uuid, wire_uuid};
use crate::{
    cluster::Caller,
    metadata::Access,
    refusal,
    store::{Expected, Proposed, Stored, Verdict},
    wire::{
        event_store::client::{
            AccessDenied, AllStreamPosition, BadRequest, Empty, MaximumAppendSizeExceeded, StreamDeleted,
            StreamIdentifier, Timeout, WrongExpectedVersion,
            streams::{
                BatchAppendReq, BatchAppendResp,
                batch_append_req::{Options, options::ExpectedStreamPosition as Expectation},
                batch_append_resp::{self, ExpectedStreamPosition, Success, success},
            },
            wrong_expected_version::{CurrentStreamRevisionOption, ExpectedStreamPositionOption},
        },
        google::rpc,
    },
};

/// One append that is not complete yet.
struct Batch {
    options: Options,
    events: Vec<Proposed>,
    size: usize,
}

impl Seat {
    pub(super) fn batches(
        &self,
        caller: Caller,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> ReceiverStream<Result<BatchAppendResp, Status>> {
        let (metadata, _, mut messages) = request.into_parts();
        let (replies, stream) = mpsc::channel(1);
        let seat = self.clone();
        tokio::spawn(async move {
            let mut open = BTreeMap::new();
            // A client that is gone leaves nothing half done: what is not final is not stored.
            while let Ok(Some(message)) = messages.message().await {
                let answer = seat.batch(&caller, &metadata, &mut open, message).await.transpose();
                if let Some(answer) = answer
                    && replies.send(answer).await.is_err()
                {
                    break;
                }
            }
        });
        ReceiverStream::new(stream)
    }

    async fn batch(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        open: &mut BTreeMap<Uuid, Batch>,
        message: BatchAppendReq,
    ) -> Result<Option<BatchAppendResp>, Status> {
        let correlation = uuid(message.correlation_id)?;
        if let Some(options) = message.options {
            open.insert(correlation, Batch { options, events: Vec::new(), size: 0 });
        }
        let Some(batch) = open.get_mut(&correlation) else {
            return Err(refusal::bad_request("the options come first"));
        };
        for message in message.proposed_messages {
            let event = self.proposed(message.id, message.metadata, message.custom_metadata, message.data)?;
            batch.size += event.size();
            batch.events.push(event);
        }
        let too_big = batch.size > self.cluster.options.append_bytes_max;
        if !message.is_final && !too_big {
            return Ok(None);
        }
        let Some(batch) = open.remove(&correlation) else { return Ok(None) };
        let identifier = batch.options.stream_identifier.clone();
        let expectation = batch.options.expected_stream_position;
        let result = if too_big {
            let maximum = u32::try_from(self.cluster.options.append_bytes_max).unwrap_or(u32::MAX);
            let detail = MaximumAppendSizeExceeded { max_append_size: maximum };
            batch_append_resp::Result::Error(error(Code::InvalidArgument, "MaximumAppendSizeExceeded", &detail))
        } else {
            self.batch_result(caller, metadata, batch).await?
        };
        Ok(Some(BatchAppendResp {
            correlation_id: wire_uuid(correlation, false),
            result: Some(result),
            stream_identifier: identifier,
            expected_stream_position: expectation.map(echo),
        }))
    }

    async fn batch_result(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        batch: Batch,
    ) -> Result<batch_append_resp::Result, Status> {
        let identifier = batch.options.stream_identifier.clone();
        let stream = stream_name(batch.options.stream_identifier)?;
        let expected = match batch.options.expected_stream_position {
            Some(Expectation::StreamPosition(revision)) => Expected::Revision(revision),
            Some(Expectation::NoStream(Empty {})) => Expected::NoStream,
            Some(Expectation::Any(Empty {})) => Expected::Any,
            Some(Expectation::StreamExists(Empty {})) => Expected::StreamExists,
            None => return Err(refusal::bad_request("no expected revision")),
        };
        self.cluster.require_leader(self.node, metadata)?;
        let appended = match self.cluster.allow(caller, Access::Write, &stream) {
            Ok(()) => self.cluster.append(self.node, &stream, expected, batch.events).await,
            Err(denied) => Err(denied),
        };
        Ok(match appended {
            Ok(Ok(stored)) => batch_append_resp::Result::Success(self.batch_success(stored)),
            Ok(Err(verdict)) => batch_append_resp::Result::Error(refused(verdict, expected, identifier)),
            Err(status) if status.code() == Code::NotFound => return Err(status),
            Err(status) => batch_append_resp::Result::Error(failed(&status)),
        })
    }

    fn batch_success(&self, stored: Stored) -> Success {
        use success::{CurrentRevisionOption as Current, PositionOption as Position};
        let revision = stored.revision.map_or(Current::NoStream(Empty {}), Current::CurrentRevision);
        let position = self.told_position(stored).map_or(Position::NoPosition(Empty {}), |position| {
            Position::Position(AllStreamPosition { commit_position: position, prepare_position: position })
        });
        Success { current_revision_option: Some(revision), position_option: Some(position) }
    }
}

fn echo(expectation: Expectation) -> ExpectedStreamPosition {
    match expectation {
        Expectation::StreamPosition(revision) => ExpectedStreamPosition::StreamPosition(revision),
        Expectation::NoStream(empty) => ExpectedStreamPosition::NoStream(empty),
        Expectation::Any(empty) => ExpectedStreamPosition::Any(empty),
        Expectation::StreamExists(empty) => ExpectedStreamPosition::StreamExists(empty),
    }
}

fn refused(verdict: Verdict, expected: Expected, identifier: Option<StreamIdentifier>) -> rpc::Status {
    use CurrentStreamRevisionOption as Current;
    use ExpectedStreamPositionOption as Position;
    match verdict {
        Verdict::Deleted => error(Code::NotFound, "StreamDeleted", &StreamDeleted { stream_identifier: identifier }),
        Verdict::WrongRevision { current } => {
            let current = current.map_or(Current::CurrentNoStream(Empty {}), Current::CurrentStreamRevision);
            let expected = match expected {
                Expected::Any => Position::ExpectedAny(Empty {}),
                Expected::StreamExists => Position::ExpectedStreamExists(Empty {}),
                Expected::NoStream => Position::ExpectedNoStream(Empty {}),
                Expected::Revision(revision) => Position::ExpectedStreamPosition(revision),
            };
            let detail = WrongExpectedVersion {
                current_stream_revision_option: Some(current),
                expected_stream_position_option: Some(expected),
            };
            error(Code::AlreadyExists, "WrongExpectedVersion", &detail)
        }
        Verdict::Allowed { .. } | Verdict::Replay { .. } => error(Code::Internal, "Empty", &Empty {}),
    }
}

fn failed(status: &Status) -> rpc::Status {
    if status.code() == Code::PermissionDenied {
        error(Code::PermissionDenied, "AccessDenied", &AccessDenied {})
    } else if status.code() == Code::Aborted {
        error(Code::DeadlineExceeded, "Timeout", &Timeout {})
    } else {
        error(status.code(), "BadRequest", &BadRequest { message: status.message().to_owned() })
    }
}

/// `name` is that of the detail's message; the server gives it as the text too.
fn error(code: Code, name: &str, detail: &impl prost::Message) -> rpc::Status {
    rpc::Status {
        code: code.into(),
        message: name.to_owned(),
        details: Some(Any {
            type_url: format!("type.googleapis.com/event_store.client.{name}"),
            value: detail.encode_to_vec(),
        }),
    }
}
