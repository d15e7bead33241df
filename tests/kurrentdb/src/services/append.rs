//! `Append`: one stream, all events or none.

use std::collections::HashMap;

use bytes::Bytes;
use tonic::{Request, Status, Streaming};

use super::{Seat, stream_name, uuid};
use crate::{
    cluster::Caller,
    metadata::Access,
    refusal,
    store::{Expected, Proposed, Stored, Verdict},
    wire::event_store::client::{
        Empty, Uuid as WireUuid,
        streams::{
            AppendReq, AppendResp, append_req,
            append_resp::{self, Success, WrongExpectedVersion, success, wrong_expected_version as wrong},
        },
    },
};

impl Seat {
    pub(super) async fn appended(
        &self,
        caller: &Caller,
        request: Request<Streaming<AppendReq>>,
    ) -> Result<AppendResp, Status> {
        let (metadata, _, mut messages) = request.into_parts();
        let first = messages.message().await?.and_then(|message| message.content);
        let Some(append_req::Content::Options(options)) = first else {
            return Err(refusal::bad_request("the options come first"));
        };
        let stream = stream_name(options.stream_identifier)?;
        let expected = expected(options.expected_stream_revision)?;
        self.cluster.allow(caller, Access::Write, &stream)?;
        let mut events = Vec::new();
        let mut size = 0;
        while let Some(message) = messages.message().await? {
            let Some(append_req::Content::ProposedMessage(message)) = message.content else {
                return Err(refusal::bad_request("the options come once"));
            };
            let event = self.proposed(message.id, message.metadata, message.custom_metadata, message.data)?;
            size += event.size();
            if size > self.cluster.options.append_bytes_max {
                return Err(refusal::append_too_big(self.cluster.options.append_bytes_max));
            }
            events.push(event);
        }
        self.cluster.require_leader(self.node, &metadata)?;
        let result = match self.cluster.append(self.node, &stream, expected, events).await? {
            Ok(stored) => append_resp::Result::Success(self.success(stored)),
            Err(Verdict::WrongRevision { current }) => {
                append_resp::Result::WrongExpectedVersion(wrong_expected(expected, current))
            }
            Err(Verdict::Deleted) => return Err(refusal::stream_deleted(&stream)),
            Err(Verdict::Allowed { .. } | Verdict::Replay { .. }) => return Err(Status::internal("not a refusal")),
        };
        Ok(AppendResp { result: Some(result) })
    }

    /// The event that a client proposes.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT when type or content type are missing, or it is too big.
    pub(super) fn proposed(
        &self,
        id: Option<WireUuid>,
        mut metadata: HashMap<String, String>,
        custom_metadata: Bytes,
        data: Bytes,
    ) -> Result<Proposed, Status> {
        let mut property = |name: &str| metadata.remove(name).ok_or_else(|| refusal::metadata_missing(name));
        let kind = property("type")?;
        let json = property("content-type")? == "application/json";
        let event = Proposed { id: uuid(id)?, kind, json, custom_metadata, data };
        let maximum = self.cluster.options.event_bytes_max;
        if event.size() > maximum {
            return Err(refusal::event_too_big(&event.id.to_string(), event.size(), maximum));
        }
        Ok(event)
    }

    /// The position that an answer tells: servers may not know that of a replay.
    pub(super) fn told_position(&self, stored: Stored) -> Option<u64> {
        stored.position.filter(|_| !stored.replay || self.cluster.options.replay_positions)
    }

    fn success(&self, stored: Stored) -> Success {
        let revision = stored.revision.map_or(success::CurrentRevisionOption::NoStream(Empty {}), |revision| {
            success::CurrentRevisionOption::CurrentRevision(revision)
        });
        let position = self.told_position(stored).map_or(success::PositionOption::NoPosition(Empty {}), |position| {
            let position = append_resp::Position { commit_position: position, prepare_position: position };
            success::PositionOption::Position(position)
        });
        Success { current_revision_option: Some(revision), position_option: Some(position) }
    }
}

fn expected(wire: Option<append_req::options::ExpectedStreamRevision>) -> Result<Expected, Status> {
    use append_req::options::ExpectedStreamRevision as Wire;
    match wire {
        Some(Wire::Revision(revision)) => Ok(Expected::Revision(revision)),
        Some(Wire::NoStream(Empty {})) => Ok(Expected::NoStream),
        Some(Wire::Any(Empty {})) => Ok(Expected::Any),
        Some(Wire::StreamExists(Empty {})) => Ok(Expected::StreamExists),
        None => Err(refusal::bad_request("no expected revision")),
    }
}

/// Both notations at once, as the server gives them.
fn wrong_expected(expected: Expected, current: Option<u64>) -> WrongExpectedVersion {
    use wrong::{
        CurrentRevisionOption as Current, CurrentRevisionOption2060 as OldCurrent, ExpectedRevisionOption as New,
        ExpectedRevisionOption2060 as Old,
    };
    let (old, new) = match expected {
        Expected::Any => (Old::Any2060(Empty {}), New::ExpectedAny(Empty {})),
        Expected::StreamExists => (Old::StreamExists2060(Empty {}), New::ExpectedStreamExists(Empty {})),
        Expected::NoStream => (Old::ExpectedRevision2060(u64::MAX), New::ExpectedNoStream(Empty {})),
        Expected::Revision(revision) => (Old::ExpectedRevision2060(revision), New::ExpectedRevision(revision)),
    };
    let (old_current, new_current) = current
        .map_or((OldCurrent::NoStream2060(Empty {}), Current::CurrentNoStream(Empty {})), |revision| {
            (OldCurrent::CurrentRevision2060(revision), Current::CurrentRevision(revision))
        });
    WrongExpectedVersion {
        current_revision_option_20_6_0: Some(old_current),
        expected_revision_option_20_6_0: Some(old),
        current_revision_option: Some(new_current),
        expected_revision_option: Some(new),
    }
}
