//! The service `Streams`: each call in the order of the server's checks.

use std::pin::Pin;

use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{Seat, stream_name};
use crate::{
    metadata::Access,
    refusal,
    store::{Expected, Stored, Verdict},
    wire::event_store::client::{
        Empty,
        streams::{
            AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp,
            delete_req::options::ExpectedStreamRevision, delete_resp, streams_server::Streams,
        },
    },
};

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Streams for Seat {
    type ReadStream = Replies<ReadResp>;
    type BatchAppendStream = Replies<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        let caller = self.cluster.enter(request.metadata()).await?;
        let reading = self.reading(&caller, request).await?;
        Ok(Response::new(Box::pin(reading)))
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        let caller = self.cluster.enter(request.metadata()).await?;
        Ok(Response::new(self.appended(&caller, request).await?))
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        self.ended(request, false).await
    }

    async fn tombstone(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        self.ended(request, true).await
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        let caller = self.cluster.enter(request.metadata()).await?;
        Ok(Response::new(Box::pin(self.batches(caller, request))))
    }
}

impl Seat {
    /// Deletes a stream, for ever or until somebody appends to it again.
    async fn ended(&self, request: Request<DeleteReq>, for_ever: bool) -> Result<Response<DeleteResp>, Status> {
        let caller = self.cluster.enter(request.metadata()).await?;
        let (metadata, _, message) = request.into_parts();
        let options = message.options.unwrap_or_default();
        let stream = stream_name(options.stream_identifier)?;
        let expected = match options.expected_stream_revision {
            Some(ExpectedStreamRevision::Revision(revision)) => Expected::Revision(revision),
            Some(ExpectedStreamRevision::NoStream(Empty {})) => Expected::NoStream,
            Some(ExpectedStreamRevision::Any(Empty {})) => Expected::Any,
            Some(ExpectedStreamRevision::StreamExists(Empty {})) => Expected::StreamExists,
            None => return Err(refusal::bad_request("no expected revision")),
        };
        self.cluster.allow(&caller, Access::Delete, &stream)?;
        self.cluster.require_leader(self.node, &metadata)?;
        let position = self.deleted(stream, expected, for_ever).await?;
        let position = delete_resp::Position { commit_position: position, prepare_position: position };
        Ok(Response::new(DeleteResp { position_option: Some(delete_resp::PositionOption::Position(position)) }))
    }

    async fn deleted(&self, stream: String, expected: Expected, hard: bool) -> Result<u64, Status> {
        match self.cluster.delete(stream.clone(), expected, hard).await? {
            Ok(Stored { position, .. }) => Ok(position.unwrap_or(u64::MAX)),
            Err(Verdict::Deleted) => Err(refusal::stream_deleted(&stream)),
            Err(Verdict::WrongRevision { current }) => {
                let expected = match expected {
                    Expected::Revision(revision) => revision.cast_signed(),
                    Expected::NoStream => -1,
                    Expected::Any => -2,
                    Expected::StreamExists => -4,
                };
                let actual = current.map_or(-1, u64::cast_signed);
                Err(refusal::wrong_revision(&stream, expected, actual))
            }
            Err(Verdict::Allowed { .. } | Verdict::Replay { .. }) => Err(Status::internal("not a refusal")),
        }
    }
}
