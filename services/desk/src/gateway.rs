//! `GatewayService`: matters between the seven centers.
//!
//! ```text
//! matter ─ center, division ─ nearest agency of the registry ─ registration, handoff: both looked at ─ recorded, one after the other
//! invitations ─ all known, none twice ─ CoAgencyJoined, one after the other
//! log ─ leaf by leaf ─ acts that the agency may know of ─ a stream that goes on          (`gateway/following.rs`)
//! ```
//!
//! Acts go through the caller's own desk ([`Desk::record`]): what may be recorded, and under whose key, is decided there and
//! nowhere else.

mod following;
mod intake;
mod joint;

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt as _};
use mediation_domain::admit::{Caller, Violation};
use mediation_ledger::{log::Log, vault::Vault};
use mediation_proto::{
    ActRequest, desk_of,
    mediation::ledger::v1::{
        FollowActsRequest, FollowActsResponse, HandleJointlyRequest, HandleJointlyResponse, ImportIntakesResponse,
        Reason, SubmitIntakeRequest, SubmitIntakeResponse, gateway_service_server::GatewayService,
        import_intakes_response,
    },
};
use tokio::runtime::Handle;
use tonic::{Request, Response, Status, Streaming, async_trait};

use self::{following::following, intake::Intake, joint::invitations};
use crate::{
    desk::{Desk, refusal, response},
    driven::driven,
    even::{beat, denies_the_chain},
    node::{Node, request_id},
    request::violation,
    status::Refused,
};

/// Answers of an import.
type Imported = Pin<Box<dyn Stream<Item = Result<ImportIntakesResponse, Status>> + Send>>;

/// Acts as they are followed.
pub(crate) type Acts = Pin<Box<dyn Stream<Item = Result<FollowActsResponse, Status>> + Send>>;

/// `GatewayService` of a node.
#[derive(Debug)]
pub(crate) struct Gateway<L, V> {
    node: Arc<Node<L, V>>,
    desk: Desk<L, V>,
}

impl<L, V> Clone for Gateway<L, V> {
    fn clone(&self) -> Self {
        Self { node: Arc::clone(&self.node), desk: self.desk.clone() }
    }
}

impl<L: Log, V: Vault> Gateway<L, V> {
    pub(crate) fn new(node: Arc<Node<L, V>>) -> Self {
        let desk = Desk::new(Arc::clone(&node));
        Self { node, desk }
    }

    /// The caller, if this process has the desk of his kind of agency.
    fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Refused> {
        let caller = self.node.caller(request)?;
        let own = desk_of(caller.kind).map_or("", |desk| desk.name);
        if self.node.scope().serves(own) {
            return Ok(caller);
        }
        Err(Refused::new(Reason::WrongDesk)
            .detail(
                format!("`{own}` is yours, and this process does not serve it"),
                format!("贵机构的窗口为 {own}，本进程不提供"),
            )
            .with("desk", own))
    }

    /// Registers a matter, and hands it over where it belongs.
    async fn submit(&self, caller: &Caller, request: SubmitIntakeRequest) -> Result<SubmitIntakeResponse, Refused> {
        let registry = self.node.ledger().refresh_registry().await?;
        let now_ms = self.node.ledger().clock().now_ms();
        let intake = Intake::parse(request, (caller, registry.directory()), now_ms)?;
        let registered = Some(self.desk.record(caller, intake.registration, None).await?);
        let handed_over = match intake.handoff {
            Some(handoff) => Some(response(self.desk.record(caller, handoff, None).await)),
            None => None,
        };
        Ok(SubmitIntakeResponse { agency: intake.agency, name: intake.name, registered, handed_over })
    }

    /// Has agencies handle a dispute jointly.
    async fn join(&self, caller: &Caller, request: HandleJointlyRequest) -> Result<HandleJointlyResponse, Refused> {
        let registry = self.node.ledger().refresh_registry().await?;
        let acts: Vec<ActRequest> = invitations(request, registry.directory())?;
        let mut results = Vec::with_capacity(acts.len());
        for (at, act) in acts.into_iter().enumerate() {
            if at > 0 {
                self.node.quotas().wait(&caller.agency).await;
            }
            let recorded = self.desk.record(caller, act, None).await;
            match recorded {
                // There is no such chain for the caller, now and for all that would come.
                Err(refused) if denies_the_chain(refused.reason()) => return Err(refused),
                recorded => results.push(response(recorded)),
            }
        }
        Ok(HandleJointlyResponse { results })
    }

    fn import(&self, request: Request<Streaming<SubmitIntakeRequest>>) -> Result<Imported, Refused> {
        let caller = Arc::new(self.caller(&request)?);
        let (gateway, matters) = (self.clone(), self.desk.requests(request.into_inner(), caller.agency.clone()));
        Ok(driven(
            &Handle::current(),
            self.node.subscriber(),
            matters.then(move |matter| {
                let (gateway, caller) = (gateway.clone(), Arc::clone(&caller));
                async move { Ok(gateway.imported(&caller, matter?).await) }
            }),
        ))
    }

    async fn imported(&self, caller: &Caller, matter: SubmitIntakeRequest) -> ImportIntakesResponse {
        let arrived = tokio::time::Instant::now();
        let result = match self.submit(caller, matter).await {
            Ok(submitted) => import_intakes_response::Result::Submitted(submitted),
            Err(refused) => {
                if denies_the_chain(refused.reason()) {
                    beat(arrived).await;
                }
                import_intakes_response::Result::Refusal(refusal(refused))
            }
        };
        ImportIntakesResponse { result: Some(result) }
    }
}

/// What no act of a gateway may lack.
fn missing(path: &str) -> Violation {
    violation(path, "is missing", "未填写")
}

#[async_trait]
impl<L: Log, V: Vault> GatewayService for Gateway<L, V> {
    type ImportIntakesStream = Imported;
    type FollowActsStream = Acts;

    async fn submit_intake(
        &self,
        request: Request<SubmitIntakeRequest>,
    ) -> Result<Response<SubmitIntakeResponse>, Status> {
        let submitted = match self.caller(&request) {
            Ok(caller) => self.submit(&caller, request.into_inner()).await,
            Err(refused) => Err(refused),
        };
        submitted.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn import_intakes(
        &self,
        request: Request<Streaming<SubmitIntakeRequest>>,
    ) -> Result<Response<Imported>, Status> {
        self.import(request).map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn handle_jointly(
        &self,
        request: Request<HandleJointlyRequest>,
    ) -> Result<Response<HandleJointlyResponse>, Status> {
        let joined = match self.caller(&request) {
            Ok(caller) => self.join(&caller, request.into_inner()).await,
            Err(refused) => Err(refused),
        };
        joined.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn follow_acts(&self, request: Request<FollowActsRequest>) -> Result<Response<Acts>, Status> {
        if let Some(relay) = self.node.relay() {
            return relay.follow_acts(&self.node, request).await;
        }
        let followed = match self.node.caller(&request) {
            Ok(caller) => following(&self.node, caller, request.into_inner().next.unwrap_or_default()).await,
            Err(refused) => Err(refused),
        };
        followed.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }
}
