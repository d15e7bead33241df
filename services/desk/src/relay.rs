//! Chains, and pseudonyms, from the process that holds the vault, for one that holds none. That process decides what the reader sees, and records
//! that he reads; this one vouches with its certificate for the agency that it is of, and passes on what it is told.

use mediation_ledger::{chain::ChainId, log::Log, vault::Vault};
use mediation_proto::mediation::ledger::v1::{
    CompareAgenciesRequest, CompareAgenciesResponse, FollowActsRequest, GetChainRequest, GetChainResponse,
    GetFiguresRequest, GetFiguresResponse, ListAccessesRequest, ListAccessesResponse, ListDutiesRequest,
    ListDutiesResponse, MirrorLeavesRequest, NameSubjectRequest, NameSubjectResponse, Reason, SearchChainsRequest,
    SearchChainsResponse, WatchChainRequest, access_service_client::AccessServiceClient,
    audit_service_client::AuditServiceClient, chain_service_client::ChainServiceClient,
    docket_service_client::DocketServiceClient, figures_service_client::FiguresServiceClient,
    gateway_service_client::GatewayServiceClient, identity_service_client::IdentityServiceClient,
    log_service_client::LogServiceClient,
};
use tonic::{Request, Response, Status, transport::Channel};

use crate::{
    gateway::Acts,
    mirror::Leaves,
    node::{Node, request_id},
    status::Refused,
    vault::RemoteVault,
    watched::Entries,
};

/// Bytes of an answer: a chain with all its parts.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The way to the process that holds the vault.
#[derive(Debug)]
pub(crate) struct Relay {
    vault: RemoteVault,
}

impl Relay {
    pub(crate) fn new(vault: RemoteVault) -> Self {
        Self { vault }
    }

    pub(crate) async fn get_chain<L: Log, V: Vault>(
        &self,
        node: &Node<L, V>,
        request: Request<GetChainRequest>,
    ) -> Result<Response<GetChainResponse>, Status> {
        let chain = request.get_ref().chain_id.clone();
        let answer = self.ask(node, request, chain.as_deref(), |channel, request| async move {
            let mut chains = ChainServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
            chains.get_chain(request).await
        });
        answer.await.map(Response::new)
    }

    pub(crate) async fn watch_chain<L: Log, V: Vault>(
        &self,
        node: &Node<L, V>,
        request: Request<WatchChainRequest>,
    ) -> Result<Response<Entries>, Status> {
        let chain = request.get_ref().chain_id.clone();
        let answer = self.ask(node, request, chain.as_deref(), |channel, request| async move {
            let mut chains = ChainServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
            chains.watch_chain(request).await
        });
        let entries = answer.await?;
        Ok(Response::new(Box::pin(entries)))
    }

    pub(crate) async fn mirror_leaves<L: Log, V: Vault>(
        &self,
        node: &Node<L, V>,
        request: Request<MirrorLeavesRequest>,
    ) -> Result<Response<Leaves>, Status> {
        let answer = self.ask(node, request, None, |channel, request| async move {
            let mut log = LogServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
            log.mirror_leaves(request).await
        });
        let leaves = answer.await?;
        Ok(Response::new(Box::pin(leaves)))
    }

    pub(crate) async fn follow_acts<L: Log, V: Vault>(
        &self,
        node: &Node<L, V>,
        request: Request<FollowActsRequest>,
    ) -> Result<Response<Acts>, Status> {
        let answer = self.ask(node, request, None, |channel, request| async move {
            let mut gateway = GatewayServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
            gateway.follow_acts(request).await
        });
        let acts = answer.await?;
        Ok(Response::new(Box::pin(acts)))
    }

    pub(crate) async fn list_accesses<L: Log, V: Vault>(
        &self,
        node: &Node<L, V>,
        request: Request<ListAccessesRequest>,
    ) -> Result<Response<ListAccessesResponse>, Status> {
        let chain = request.get_ref().chain_id.clone();
        let answer = self.ask(node, request, chain.as_deref(), |channel, request| async move {
            let mut accesses = AccessServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
            accesses.list_accesses(request).await
        });
        answer.await.map(Response::new)
    }

    pub(crate) async fn search_chains<L: Log, V: Vault>(
        &self,
        node: &Node<L, V>,
        request: Request<SearchChainsRequest>,
    ) -> Result<Response<SearchChainsResponse>, Status> {
        let answer = self.ask(node, request, None, |channel, request| async move {
            AuditServiceClient::new(channel).search_chains(request).await
        });
        answer.await.map(Response::new)
    }

    pub(crate) async fn list_duties<L: Log, V: Vault>(
        &self,
        node: &Node<L, V>,
        request: Request<ListDutiesRequest>,
    ) -> Result<Response<ListDutiesResponse>, Status> {
        let answer = self.ask(node, request, None, |channel, request| async move {
            DocketServiceClient::new(channel).list_duties(request).await
        });
        answer.await.map(Response::new)
    }

    pub(crate) async fn get_figures<L: Log, V: Vault>(
        &self,
        node: &Node<L, V>,
        request: Request<GetFiguresRequest>,
    ) -> Result<Response<GetFiguresResponse>, Status> {
        let answer = self.ask(node, request, None, |channel, request| async move {
            FiguresServiceClient::new(channel).get_figures(request).await
        });
        answer.await.map(Response::new)
    }

    pub(crate) async fn compare_agencies<L: Log, V: Vault>(
        &self,
        node: &Node<L, V>,
        request: Request<CompareAgenciesRequest>,
    ) -> Result<Response<CompareAgenciesResponse>, Status> {
        let answer = self.ask(node, request, None, |channel, request| async move {
            FiguresServiceClient::new(channel)
                .max_decoding_message_size(ANSWER_BYTES_MAX)
                .compare_agencies(request)
                .await
        });
        answer.await.map(Response::new)
    }

    pub(crate) async fn name_subject<L: Log, V: Vault>(
        &self,
        node: &Node<L, V>,
        request: Request<NameSubjectRequest>,
    ) -> Result<Response<NameSubjectResponse>, Status> {
        let answer = self.ask(node, request, None, |channel, request| async move {
            IdentityServiceClient::new(channel).name_subject(request).await
        });
        answer.await.map(Response::new)
    }

    /// Asks the other process in the caller's stead, if this one may.
    async fn ask<L: Log, V: Vault, T: Clone, A, F>(
        &self,
        node: &Node<L, V>,
        request: Request<T>,
        chain: Option<&str>,
        call: impl Fn(Channel, T) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.check(node, &request, chain)?;
        let request = request.into_inner();
        self.vault.again(|channel| call(channel, request.clone())).await.map_err(told)
    }

    /// Whether this process can ask for the caller: for its own agency, and for everybody where a chain is open.
    fn check<L: Log, V: Vault, T>(
        &self,
        node: &Node<L, V>,
        request: &Request<T>,
        chain: Option<&str>,
    ) -> Result<(), Status> {
        let caller = node.caller(request).map_err(|refused| refused.into_status(&request_id()))?;
        let is_open = chain.and_then(ChainId::parse) == Some(ChainId::registry(node.ledger().origin()));
        if is_open || caller.agency == self.vault.agency() {
            return Ok(());
        }
        let own = self.vault.agency();
        let refused = Refused::new(Reason::WrongDesk).detail(
            format!("this process shows chains to `{own}`; ask at the one of your own agency"),
            format!("本进程只向 {own} 出示链条，请在贵机构的进程查阅"),
        );
        Err(refused.into_status(&request_id()))
    }
}

/// What the other process says, where it says something; else that it is away.
fn told(status: Status) -> Status {
    if status.details().is_empty() { Refused::new(Reason::LogUnavailable).into_status(&request_id()) } else { status }
}
