//! `Read`: pages of a stream or of `$all`, and subscriptions to them.
//!
//! A read ends with OK; a subscription does not, unless it is told to.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status};
use uuid::Uuid;

use super::{Seat, identifier, stream_name, wire_uuid};
use crate::{
    cluster::Caller,
    filter::Filter,
    metadata::Access,
    refusal,
    store::{Direction, NoStream, Record},
    wire::event_store::client::{
        Empty,
        streams::{
            ReadReq, ReadResp,
            read_req::{
                Options,
                options::{
                    CountOption, FilterOption, ReadDirection, StreamOption, all_options::AllOption,
                    filter_options::Window, stream_options::RevisionOption, uuid_option,
                },
            },
            read_resp::{
                CaughtUp, Checkpoint, Content, ReadEvent, StreamNotFound, SubscriptionConfirmation,
                read_event::{Position, RecordedEvent},
            },
        },
    },
};

/// What is read.
enum Source {
    All { position: From, filter: Filter, window: u32 },
    Stream { name: String, revision: From },
}

/// Where a read begins.
#[derive(Clone, Copy)]
enum From {
    Start,
    End,
    At(u64),
}

/// One call of `Read`, at work in a task of its own.
struct Reading {
    seat: Seat,
    replies: mpsc::Sender<Result<ReadResp, Status>>,
    ids_as_text: bool,
    /// The client understands the first and the last revision of a stream.
    tells_ends: bool,
}

/// Nobody listens any more, or the call ends with this.
type Ended = Option<Status>;

impl Seat {
    pub(super) async fn reading(
        &self,
        caller: &Caller,
        request: Request<ReadReq>,
    ) -> Result<ReceiverStream<Result<ReadResp, Status>>, Status> {
        let (metadata, _, message) = request.into_parts();
        let options = message.options.unwrap_or_default();
        let direction = match options.read_direction() {
            ReadDirection::Forwards => Direction::Forwards,
            ReadDirection::Backwards => Direction::Backwards,
        };
        let ids = options.uuid_option.and_then(|option| option.content);
        let ids_as_text = matches!(ids, Some(uuid_option::Content::String(Empty {})));
        let tells_ends = options.control_option.is_some_and(|option| option.compatibility >= 1);
        let count = options.count_option;
        let source = source(options)?;
        match &source {
            Source::All { .. } => self.cluster.allow(caller, Access::Read, "$all")?,
            Source::Stream { name, .. } => self.cluster.allow(caller, Access::Read, name)?,
        }
        self.cluster.require_leader(self.node, &metadata)?;
        let (replies, stream) = mpsc::channel(REPLIES_BUFFERED_MAX);
        let reading = Reading { seat: self.clone(), replies, ids_as_text, tells_ends };
        let work = async move {
            let ended = match count {
                Some(CountOption::Count(count)) => reading.count(source, direction, count).await,
                Some(CountOption::Subscription(_)) => reading.subscription(source).await,
                None => Err(Some(refusal::bad_request("neither count nor subscription"))),
            };
            if let Err(Some(status)) = ended {
                // The client may be gone.
                reading.replies.send(Err(status)).await.ok();
            }
        };
        tokio::spawn(work);
        Ok(ReceiverStream::new(stream))
    }
}

impl Reading {
    async fn count(&self, source: Source, direction: Direction, count: u64) -> Result<(), Ended> {
        match source {
            Source::All { position, filter, .. } => self.count_all(position, &filter, direction, count).await,
            Source::Stream { name, revision } => self.count_stream(&name, revision, direction, count).await,
        }
    }

    async fn count_all(&self, from: From, filter: &Filter, direction: Direction, count: u64) -> Result<(), Ended> {
        let mut position = self.position(from);
        let mut left = count;
        while left > 0 {
            let size = usize::try_from(left).unwrap_or(PAGE_RECORDS).min(PAGE_RECORDS);
            let visible = self.visible();
            let page = self.seat.cluster.store().page(position, direction, filter, size, visible);
            let page = page.ok_or_else(|| Some(refusal::invalid_position()))?;
            for record in &page.records {
                self.event(record, true).await?;
                left -= 1;
            }
            if page.last {
                break;
            }
            position = page.next;
        }
        Ok(())
    }

    async fn count_stream(&self, name: &str, from: From, direction: Direction, count: u64) -> Result<(), Ended> {
        let mut next = match (from, direction) {
            (From::At(revision), Direction::Forwards | Direction::Backwards) => Some(revision),
            (From::Start, Direction::Backwards) => Some(0),
            (From::End, Direction::Forwards) => Some(u64::MAX),
            (From::Start, Direction::Forwards) | (From::End, Direction::Backwards) => None,
        };
        let mut left = count;
        loop {
            let size = usize::try_from(left).unwrap_or(PAGE_RECORDS).min(PAGE_RECORDS);
            let visible = self.visible();
            let page = self.seat.cluster.store().stream_page(name, next, direction, size, visible);
            let page = match page {
                Ok(page) => page,
                Err(NoStream::Tombstoned) => return Err(Some(refusal::stream_deleted(name))),
                Err(NoStream::NotFound) => {
                    let missing = StreamNotFound { stream_identifier: identifier(name) };
                    return self.tell(Content::StreamNotFound(missing)).await;
                }
            };
            if self.tells_ends && left == count && page.records.is_empty() && page.first_revision > 0 {
                self.tell(Content::FirstStreamPosition(page.first_revision)).await?;
            }
            for record in &page.records {
                self.event(record, self.seat.cluster.options.stream_positions).await?;
                left -= 1;
            }
            if page.next.is_none() || left == 0 {
                if self.tells_ends {
                    self.tell(Content::LastStreamPosition(page.last_revision)).await?;
                }
                return Ok(());
            }
            next = page.next;
        }
    }

    async fn subscription(&self, source: Source) -> Result<(), Ended> {
        let id = SubscriptionConfirmation { subscription_id: Uuid::new_v4().to_string() };
        // Both are watched from before the first page on, so that nothing is missed.
        let mut changes = self.seat.cluster.changes.subscribe();
        let mut endings = self.seat.cluster.endings.subscribe();
        changes.mark_unchanged();
        endings.mark_unchanged();
        self.tell(Content::Confirmation(id)).await?;
        let mut follower = self.follower(source);
        let mut live = false;
        loop {
            while self.follow(&mut follower).await? {}
            if !live {
                live = true;
                self.tell(Content::CaughtUp(CaughtUp {})).await?;
            }
            tokio::select! {
                changed = changes.changed() => changed.map_err(|_| Some(refusal::not_ready()))?,
                // Ends the call with OK.
                ended = endings.changed() => return ended.map_err(|_| Some(refusal::not_ready())),
                () = self.replies.closed() => return Err(None),
            }
        }
    }

    /// Where a subscription begins: after the event that it names.
    fn follower(&self, source: Source) -> Follower {
        match source {
            Source::All { position, filter, window } => {
                let excluded = match position {
                    From::At(position) => Some(position),
                    From::Start | From::End => None,
                };
                Follower::All { position: self.position(position), excluded, filter, window, skipped: 0 }
            }
            Source::Stream { name, revision } => {
                let page = self.seat.cluster.store().stream_page(&name, None, Direction::Backwards, 1, self.visible());
                let revision = match revision {
                    From::Start => 0,
                    From::At(revision) => revision.saturating_add(1),
                    From::End => page.map_or(0, |page| page.last_revision + 1),
                };
                Follower::Stream { name, revision }
            }
        }
    }

    /// Sends the next page; says whether there may be another one.
    async fn follow(&self, follower: &mut Follower) -> Result<bool, Ended> {
        let visible = self.visible();
        match follower {
            Follower::All { position, excluded, filter, window, skipped } => {
                let page =
                    self.seat.cluster.store().page(*position, Direction::Forwards, filter, PAGE_RECORDS, visible);
                let page = page.ok_or_else(|| Some(refusal::invalid_position()))?;
                for record in page.records.iter().filter(|record| Some(record.position) != *excluded) {
                    self.event(record, true).await?;
                }
                *skipped = if page.records.is_empty() && page.next > *position { *skipped + 1 } else { 0 };
                *position = page.next;
                if *window > 0 && *skipped > 0 {
                    *skipped = 0;
                    let checkpoint = Checkpoint { commit_position: page.next, prepare_position: page.next };
                    self.tell(Content::Checkpoint(checkpoint)).await?;
                }
                Ok(!page.last)
            }
            Follower::Stream { name, revision } => {
                let page = self.seat.cluster.store().stream_page(
                    name,
                    Some(*revision),
                    Direction::Forwards,
                    PAGE_RECORDS,
                    visible,
                );
                let page = match page {
                    Ok(page) => page,
                    Err(NoStream::NotFound) => return Ok(false),
                    Err(NoStream::Tombstoned) => return Err(Some(refusal::stream_deleted(name))),
                };
                for record in &page.records {
                    self.event(record, self.seat.cluster.options.stream_positions).await?;
                    *revision = record.revision + 1;
                }
                Ok(page.next.is_some())
            }
        }
    }

    fn visible(&self) -> usize {
        self.seat.cluster.visible(self.seat.node)
    }

    fn position(&self, from: From) -> u64 {
        match from {
            From::Start => 0,
            From::At(position) => position,
            From::End => {
                let visible = self.visible();
                self.seat.cluster.store().end(visible)
            }
        }
    }

    async fn event(&self, record: &Record, with_position: bool) -> Result<(), Ended> {
        let content_type = if record.json { "application/json" } else { "application/octet-stream" };
        let metadata = [
            ("type", record.kind.clone()),
            ("created", record.created.to_string()),
            ("content-type", content_type.to_owned()),
        ];
        let position = if with_position { record.position } else { u64::MAX };
        let event = RecordedEvent {
            id: wire_uuid(record.id, self.ids_as_text),
            stream_identifier: identifier(&record.stream),
            stream_revision: record.revision,
            prepare_position: position,
            commit_position: position,
            metadata: metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            custom_metadata: record.custom_metadata.clone(),
            data: record.data.clone(),
        };
        let position =
            if with_position { Position::CommitPosition(record.position) } else { Position::NoPosition(Empty {}) };
        self.tell(Content::Event(ReadEvent { event: Some(event), link: None, position: Some(position) })).await
    }

    async fn tell(&self, content: Content) -> Result<(), Ended> {
        self.replies.send(Ok(ReadResp { content: Some(content) })).await.map_err(|_| None)
    }
}

/// How far a subscription has come.
enum Follower {
    All {
        position: u64,
        /// The event that the client has already.
        excluded: Option<u64>,
        filter: Filter,
        /// Of the filter, in events; zero without one.
        window: u32,
        skipped: u32,
    },
    Stream {
        name: String,
        revision: u64,
    },
}

fn source(options: Options) -> Result<Source, Status> {
    let (filter, window) = match options.filter_option {
        Some(FilterOption::Filter(filter)) => {
            let window = match filter.window {
                Some(Window::Max(max)) => max,
                Some(Window::Count(Empty {})) => u32::MAX,
                None => return Err(refusal::bad_request("no window")),
            };
            (Filter::parse(filter)?, window)
        }
        Some(FilterOption::NoFilter(Empty {})) => (Filter::All, 0),
        None => return Err(refusal::bad_request("neither filter nor none")),
    };
    match options.stream_option {
        Some(StreamOption::All(all)) => {
            let position = match all.all_option {
                Some(AllOption::Start(Empty {})) => From::Start,
                Some(AllOption::End(Empty {})) => From::End,
                Some(AllOption::Position(position)) if position.commit_position == u64::MAX => From::End,
                Some(AllOption::Position(position)) => From::At(position.commit_position),
                None => return Err(refusal::bad_request("no position")),
            };
            Ok(Source::All { position, filter, window })
        }
        Some(StreamOption::Stream(stream)) => {
            let revision = match stream.revision_option {
                Some(RevisionOption::Start(Empty {})) => From::Start,
                Some(RevisionOption::End(Empty {})) => From::End,
                Some(RevisionOption::Revision(u64::MAX)) => From::End,
                Some(RevisionOption::Revision(revision)) => From::At(revision),
                None => return Err(refusal::bad_request("no revision")),
            };
            Ok(Source::Stream { name: stream_name(stream.stream_identifier)?, revision })
        }
        None => Err(refusal::bad_request("neither stream nor all")),
    }
}

/// Replies that wait for a slow client.
const REPLIES_BUFFERED_MAX: usize = 64;
const PAGE_RECORDS: usize = 64;
