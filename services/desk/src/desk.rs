//! The desks: one generic implementation behind every agency's own gRPC service.
//!
//! Reading order for a newcomer: here → `recorder.rs` → `statement.rs`.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt as _, stream};
use mediation_domain::admit::Caller;
use mediation_ledger::{chain::ChainId, log::Log, recorder::Preparation, vault::Vault};
use mediation_proto::{
    ActRequest, PrepareRequest, desk_of, google,
    mediation::{
        desk::v1 as proto,
        ledger::v1::{
            PrepareResponse, Reason, Receipt, RecordStreamResponse, SubmitRequest, prepare_response,
            record_stream_response,
        },
    },
};
use prost::Message as _;
use tokio::{runtime::Handle, time::Instant};
use tonic::{Request, Response, Status, Streaming, async_trait, service::RoutesBuilder};

use crate::{
    answer::{Answered, of_transport},
    driven::driven,
    even::{beat, denies_the_chain},
    node::{Node, request_id},
    request, signing,
    status::Refused,
    turns::{Turn, Turns},
};

/// Acts of one stream that are under way at once. Answers keep the order of the acts, and acts on the same chain are
/// recorded in it.
const STREAM_ACTS_MAX: usize = 64;

/// Answers of a stream.
pub type Receipts = Pin<Box<dyn Stream<Item = Result<RecordStreamResponse, Status>> + Send>>;

/// A desk. All services are this one type.
#[derive(Debug)]
pub struct Desk<L, V> {
    node: Arc<Node<L, V>>,
}

impl<L, V> Clone for Desk<L, V> {
    fn clone(&self) -> Self {
        Self { node: Arc::clone(&self.node) }
    }
}

impl<L: Log, V: Vault> Desk<L, V> {
    /// A desk of this node.
    #[must_use]
    pub fn new(node: Arc<Node<L, V>>) -> Self {
        Self { node }
    }

    /// Records one act: caller ← certificate; request ← parse, once; recorded; receipt.
    pub(crate) async fn record(
        &self,
        caller: &Caller,
        request: ActRequest,
        turn: Option<Turn>,
    ) -> Result<Receipt, Refused> {
        let (request, wait) = request::parse(request, self.node.ledger().clock().now_ms())?;
        let (mut turn, quotas) = (turn, self.node.quotas());
        let in_work = match &mut turn {
            Some(turn) => {
                turn.come().await;
                quotas.begin_when_it_may(&caller.agency).await
            }
            None => quotas.begin(&caller.agency).await?,
        };
        let placed = self.node.recorder().record(caller, &request).await?;
        // Neither the next act of the chain nor the next one of the agency need wait for this one's seal.
        drop((turn, in_work));
        Ok(self.node.receipt(placed, wait).await)
    }

    /// Prepares one act for the caller to sign: caller ← certificate; request ← parse, once; statement and parts.
    async fn prepare(&self, caller: &Caller, request: PrepareRequest) -> Result<PrepareResponse, Refused> {
        let (request, wait, key_id) = signing::parse_prepare(request, self.node.ledger().clock().now_ms())?;
        let in_work = self.node.quotas().begin(&caller.agency).await?;
        let preparation = self.node.recorder().prepare(caller, &request, key_id).await?;
        drop(in_work);
        let result = match preparation {
            Preparation::Prepared(prepared) => prepare_response::Result::Prepared(signing::prepared(prepared)?),
            Preparation::Recorded(placed) => prepare_response::Result::Recorded(self.node.receipt(placed, wait).await),
        };
        Ok(PrepareResponse { result: Some(result) })
    }

    /// Records one act that the caller signed: caller ← certificate; statement and parts ← parse, once; recorded; receipt.
    async fn submit(&self, caller: &Caller, request: SubmitRequest) -> Result<Receipt, Refused> {
        let (signed, wait) = signing::parse_submit(request, self.node.ledger().clock().now_ms())?;
        let in_work = self.node.quotas().begin(&caller.agency).await?;
        let placed = self.node.recorder().submit(caller, &signed).await?;
        drop(in_work);
        Ok(self.node.receipt(placed, wait).await)
    }

    /// The caller, if this desk serves his kind of agency.
    fn caller<T>(&self, desk: &'static str, request: &Request<T>) -> Result<Caller, Refused> {
        let caller = self.node.caller(request)?;
        let own = desk_of(caller.kind);
        if own.is_some_and(|own| own.name == desk) {
            return Ok(caller);
        }
        let own = own.map_or("", |own| own.name);
        Err(Refused::new(Reason::WrongDesk)
            .detail(
                format!("you called `{desk}`, yours is `{own}`"),
                format!("所用窗口为 {desk}，贵机构的窗口为 {own}"),
            )
            .with("desk", own))
    }

    /// Answers one request: who calls, then what he wants.
    async fn unary<T, A>(
        &self,
        desk: &'static str,
        request: Request<T>,
        answer: impl AsyncFnOnce(&Caller, T) -> Result<A, Refused>,
    ) -> Result<Response<A>, Status> {
        let id = request_id();
        let answered = match self.caller(desk, &request) {
            Ok(caller) => answer(&caller, request.into_inner()).await,
            Err(refused) => Err(refused),
        };
        answered.map(Response::new).map_err(|refused| refused.into_status(&id))
    }

    fn stream<T: Into<ActRequest> + Send + 'static>(
        &self,
        desk: &'static str,
        request: Request<Streaming<T>>,
    ) -> Result<Response<Receipts>, Status> {
        let caller = self.caller(desk, &request).map_err(|refused| refused.into_status(&request_id()))?;
        let (desk, caller, mut turns) = (self.clone(), Arc::new(caller), Turns::new(STREAM_ACTS_MAX));
        let acts = self.requests(request.into_inner(), caller.agency.clone()).map(|act| act.map(T::into));
        let receipts = acts.map(move |act| {
            let (desk, caller) = (desk.clone(), Arc::clone(&caller));
            let chain = act.as_ref().ok().and_then(|act| ChainId::parse(act.chain_id.as_deref()?));
            let turn = chain.map(|chain| turns.next(chain));
            // A task each: what is under way goes on whether or not its sender takes the answers (`driven.rs`).
            let recorded = tokio::spawn(async move {
                let arrived = Instant::now();
                let recorded = desk.record(&caller, act?, turn).await;
                if recorded.as_ref().is_err_and(|refused| denies_the_chain(refused.reason())) {
                    beat(arrived).await;
                }
                Ok(response(recorded))
            });
            async move { recorded.await.unwrap_or_else(|_died| Err(unknown())) }
        });
        Ok(Response::new(driven(&Handle::current(), self.node.subscriber(), receipts.buffered(STREAM_ACTS_MAX))))
    }

    /// The requests of a stream, each when the quota of its agency has one left, until the caller ends it or the server stops; then
    /// it is told so, after the answers to all that were taken.
    pub(crate) fn requests<T: Send + 'static>(
        &self,
        requests: Streaming<T>,
        agency: String,
    ) -> impl Stream<Item = Result<T, Status>> + Send + use<L, V, T> {
        let (stop, node) = (Box::pin(self.node.streams_end()), Arc::clone(&self.node));
        stream::unfold(Some((requests, stop, node, agency)), async |open| {
            let (mut requests, mut stop, node, agency) = open?;
            let next = async {
                let request = requests.next().await?;
                node.quotas().wait(&agency).await;
                Some(request)
            };
            let request = tokio::select! {
                biased;
                () = &mut stop => return Some((Err(stopped()), None)),
                request = next => request?,
            };
            match request {
                Ok(request) => Some((Ok(request), Some((requests, stop, node, agency)))),
                Err(status) => {
                    let refused = of_transport(status).map(|refused| refused.into_status(&request_id()));
                    Some((Err(refused.unwrap_or_else(|status| status)), None))
                }
            }
        })
    }
}

/// What an open stream is told when the server stops: come again.
pub(crate) fn stopped() -> Status {
    Refused::new(Reason::LogUnavailable).into_status(&request_id())
}

/// What is told of an act whose task has died.
fn unknown() -> Status {
    Refused::new(Reason::OutcomeUnknown).into_status(&request_id())
}

/// The answer to one act of several.
pub(crate) fn response(recorded: Result<Receipt, Refused>) -> RecordStreamResponse {
    let result = match recorded {
        Ok(receipt) => record_stream_response::Result::Receipt(receipt),
        Err(refused) => record_stream_response::Result::Refusal(refusal(refused)),
    };
    RecordStreamResponse { result: Some(result) }
}

/// The status of a refusal, as a message.
pub(crate) fn refusal(refused: Refused) -> google::rpc::Status {
    let status = refused.into_status(&request_id());
    // The details of a tonic status are an encoded google.rpc.Status, our own bytes.
    let details = google::rpc::Status::decode(status.details()).unwrap_or_default().details;
    google::rpc::Status { code: status.code() as i32, message: status.message().to_owned(), details }
}

/// One line per desk: its service, the module and type of its server, its requests.
macro_rules! desks {
    ($($service:ident, $module:ident, $server:ident, $request:ident, $prepare:ident;)*) => {
        $(
            #[async_trait]
            impl<L: Log, V: Vault> proto::$module::$service for Desk<L, V> {
                type RecordStreamStream = Receipts;

                async fn record(&self, request: Request<proto::$request>) -> Result<Response<Receipt>, Status> {
                    let record = async |caller: &Caller, act: proto::$request| self.record(caller, act.into(), None).await;
                    self.unary(stringify!($service), request, record).await
                }

                async fn record_stream(
                    &self,
                    request: Request<Streaming<proto::$request>>,
                ) -> Result<Response<Receipts>, Status> {
                    self.stream(stringify!($service), request)
                }

                async fn prepare(
                    &self,
                    request: Request<proto::$prepare>,
                ) -> Result<Response<PrepareResponse>, Status> {
                    let prepare = async |caller: &Caller, act: proto::$prepare| self.prepare(caller, act.into()).await;
                    self.unary(stringify!($service), request, prepare).await
                }

                async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<Receipt>, Status> {
                    let submit = async |caller: &Caller, signed| self.submit(caller, signed).await;
                    self.unary(stringify!($service), request, submit).await
                }
            }
        )*

        /// Mounts the desks that are served.
        pub(crate) fn mount<L: Log, V: Vault>(
            routes: &mut RoutesBuilder,
            desk: &Desk<L, V>,
            message_bytes_max: usize,
            within: Duration,
        ) {
            $(
                if desk.node.scope().serves(stringify!($service)) {
                    routes.add_service(Answered::new(
                        proto::$module::$server::new(desk.clone()).max_decoding_message_size(message_bytes_max),
                        Reason::OutcomeUnknown,
                        within,
                    ));
                }
            )*
        }
    };
}

desks! {
    CourtDesk, court_desk_server, CourtDeskServer, CourtRecordRequest, CourtPrepareRequest;
    ProcuratorateDesk, procuratorate_desk_server, ProcuratorateDeskServer, ProcuratorateRecordRequest, ProcuratoratePrepareRequest;
    PetitionDesk, petition_desk_server, PetitionDeskServer, PetitionRecordRequest, PetitionPrepareRequest;
    JusticeDesk, justice_desk_server, JusticeDeskServer, JusticeRecordRequest, JusticePrepareRequest;
    LegalServiceDesk, legal_service_desk_server, LegalServiceDeskServer, LegalServiceRecordRequest, LegalServicePrepareRequest;
    PublicSecurityDesk, public_security_desk_server, PublicSecurityDeskServer, PublicSecurityRecordRequest, PublicSecurityPrepareRequest;
    LabourDesk, labour_desk_server, LabourDeskServer, LabourRecordRequest, LabourPrepareRequest;
    DepartmentDesk, department_desk_server, DepartmentDeskServer, DepartmentRecordRequest, DepartmentPrepareRequest;
    PsychologyDesk, psychology_desk_server, PsychologyDeskServer, PsychologyRecordRequest, PsychologyPrepareRequest;
    MediationDesk, mediation_desk_server, MediationDeskServer, MediationRecordRequest, MediationPrepareRequest;
    TownshipDesk, township_desk_server, TownshipDeskServer, TownshipRecordRequest, TownshipPrepareRequest;
    GovernanceCenterDesk, governance_center_desk_server, GovernanceCenterDeskServer, GovernanceCenterRecordRequest, GovernanceCenterPrepareRequest;
}
