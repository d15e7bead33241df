//! Calls of an agency system.

use std::time::Duration;

use bytes::Bytes;
use mediation_ledger::{
    checkpoint::Checkpoint,
    key::{KeyId, SignError},
    merkle::Hash,
};
use mediation_proto::{
    ActRequest, NotOfThisDesk, PrepareRequest, desk_of, may_be_sent_again,
    mediation::{
        desk::v1 as desk,
        ledger::v1::{
            CompareAgenciesRequest, CompareAgenciesResponse, GetChainRequest, GetChainResponse, GetCheckpointRequest,
            GetConsistencyProofRequest, GetFiguresRequest, GetFiguresResponse, GetInclusionProofRequest,
            GetInclusionProofResponse, GetReceiptRequest, GetWitnessesRequest, GetWitnessesResponse,
            ListAccessesRequest, ListAccessesResponse, ListDutiesRequest, ListDutiesResponse, NameSubjectRequest,
            PrepareResponse, Reading, Receipt, ReceiptLevel, SearchChainsRequest, SearchChainsResponse, SubmitRequest,
            access_service_client::AccessServiceClient, audit_service_client::AuditServiceClient,
            chain_service_client::ChainServiceClient, docket_service_client::DocketServiceClient,
            figures_service_client::FiguresServiceClient, identity_service_client::IdentityServiceClient,
            log_service_client::LogServiceClient, prepare_response,
        },
        types::v1::{AgencyKind, IdKind},
    },
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

mod following;

pub use self::following::{Followed, Mirrored};
use crate::{
    chain::Replay,
    connection::Connection,
    trust::{Trust, TrustError, VerifiedReceipt, hashes},
};

/// Times one act is sent; with the pauses between them some seconds.
const ATTEMPTS_MAX: u32 = 6;

/// Pause before the second attempt; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause that the ledger may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Bytes of an answer: a chain with all its parts.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A client of a ledger, for one agency.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Connection,
    trust: Trust,
    desk: &'static str,
    reading: Option<Reading>,
}

impl Client {
    /// A client for an agency of this kind.
    ///
    /// # Errors
    /// No desk serves this kind.
    pub fn new(connection: Connection, trust: Trust, kind: AgencyKind) -> Result<Self, ClientError> {
        let desk = desk_of(kind).ok_or(ClientError::NoDesk { kind: kind.as_str_name() })?;
        Ok(Self { connection, trust, desk: desk.name, reading: None })
    }

    /// This client, reading for somebody and a purpose: without them the ledger shows nothing but its registry chain.
    #[must_use]
    pub fn reading(self, reading: Reading) -> Self {
        Self { reading: Some(reading), ..self }
    }

    /// For whom and for which purpose it reads.
    #[must_use]
    pub fn reads(&self) -> Option<&Reading> {
        self.reading.as_ref()
    }

    /// What the client trusts.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Records an act and verifies that its receipt is one for this request. The request must carry an event id that the
    /// caller has kept: the same request is sent again, bounded, while the ledger is busy or away.
    ///
    /// # Errors
    /// The ledger refuses, stays away, or its receipt proves nothing, or proves another act.
    pub async fn record(&self, request: ActRequest) -> Result<(Receipt, VerifiedReceipt), ClientError> {
        let receipt = self.again(|| self.send(request.clone())).await?;
        let verified = self.trust.verify(&receipt)?;
        Asked::of(&request).check(&verified)?;
        Ok((receipt, verified))
    }

    /// Sends the same again, bounded, while the ledger is busy or away.
    pub(crate) async fn again<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        send: impl Fn() -> F,
    ) -> Result<T, ClientError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            match send().await {
                Err(ClientError::Status(status)) if attempt < ATTEMPTS_MAX && may_be_sent_again(&status) => {
                    tracing::debug!(code = ?status.code(), attempt, "sending again");
                    let asked_for = status.get_details_retry_info().and_then(|info| info.retry_delay);
                    tokio::time::sleep(pause.max(asked_for.unwrap_or_default().min(PAUSE_MAX))).await;
                    pause *= 2;
                    attempt += 1;
                }
                ended => return ended,
            }
        }
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// The ledger refuses or is away.
    pub async fn send(&self, request: ActRequest) -> Result<Receipt, ClientError> {
        send(self.connection.clone(), self.desk, request).await
    }

    /// Asks once for an act to be prepared that the key of this id will sign.
    ///
    /// # Errors
    /// The ledger refuses or is away, or answers nothing.
    pub async fn prepare(&self, request: ActRequest, key_id: KeyId) -> Result<prepare_response::Result, ClientError> {
        let request = PrepareRequest { request, key_id: Bytes::copy_from_slice(&key_id.0) };
        let answer = prepare(self.connection.clone(), self.desk, request).await?;
        answer.result.ok_or(ClientError::Incomplete("prepared act"))
    }

    /// Sends a signed act once.
    ///
    /// # Errors
    /// The ledger refuses or is away.
    pub async fn submit(&self, request: SubmitRequest) -> Result<Receipt, ClientError> {
        submit(self.connection.clone(), self.desk, request).await
    }

    /// The chain as this agency may see it, judged as of the end of a day, or as of now.
    ///
    /// # Errors
    /// The ledger refuses or is away.
    pub async fn chain(&self, chain_id: &str, as_of: Option<String>) -> Result<GetChainResponse, ClientError> {
        self.replay(chain_id, Replay { as_of, ..Replay::default() }).await
    }

    /// The chain as this agency may see it, as of when it is asked for.
    ///
    /// # Errors
    /// The ledger refuses or is away.
    pub async fn replay(&self, chain_id: &str, replay: Replay) -> Result<GetChainResponse, ClientError> {
        let Replay { as_of, known_at, through_revision } = replay;
        let (chain_id, reading) = (Some(chain_id.to_owned()), self.reading.clone());
        let request = GetChainRequest { chain_id, as_of, reading, known_at, through_revision };
        let mut service =
            ChainServiceClient::new(self.connection.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(service.get_chain(request).await.map_err(Box::new)?.into_inner())
    }

    /// Readings of a chain that are on record, the last first; `page_token` is that of the answer before.
    ///
    /// # Errors
    /// The ledger refuses or is away.
    pub async fn accesses(
        &self,
        chain_id: &str,
        page_size: Option<u32>,
        page_token: Option<String>,
    ) -> Result<ListAccessesResponse, ClientError> {
        let (chain_id, reading) = (Some(chain_id.to_owned()), self.reading.clone());
        let request = ListAccessesRequest { chain_id, reading, page_size, page_token };
        let mut service =
            AccessServiceClient::new(self.connection.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(service.list_accesses(request).await.map_err(Box::new)?.into_inner())
    }

    /// Chains that meet the conditions of a request, in which nobody needs to say who reads.
    ///
    /// # Errors
    /// A condition is malformed, or the ledger refuses or is away.
    pub async fn search(&self, wanted: SearchChainsRequest) -> Result<SearchChainsResponse, ClientError> {
        let request = SearchChainsRequest { reading: self.reading.clone(), ..wanted };
        let mut service = AuditServiceClient::new(self.connection.channel.clone());
        Ok(service.search_chains(request).await.map_err(Box::new)?.into_inner())
    }

    /// What an agency has to do, likewise.
    ///
    /// # Errors
    /// A condition is malformed, or the ledger refuses or is away.
    pub async fn duties(&self, wanted: ListDutiesRequest) -> Result<ListDutiesResponse, ClientError> {
        let request = ListDutiesRequest { reading: self.reading.clone(), ..wanted };
        let mut service = DocketServiceClient::new(self.connection.channel.clone());
        Ok(service.list_duties(request).await.map_err(Box::new)?.into_inner())
    }

    /// Figures of a year, and the checkpoint of the log that they were counted from; asked for again, bounded, while they are
    /// being counted.
    ///
    /// # Errors
    /// They are not for this agency, a field is malformed, the ledger refuses or is away, or the checkpoint is not this log's.
    pub async fn figures(&self, wanted: GetFiguresRequest) -> Result<(GetFiguresResponse, Checkpoint), ClientError> {
        self.again(|| self.figures_now(wanted.clone())).await
    }

    /// The same, asked for once: while they are being counted for longer than a request may wait, the ledger is away.
    ///
    /// # Errors
    /// Likewise.
    pub async fn figures_now(
        &self,
        wanted: GetFiguresRequest,
    ) -> Result<(GetFiguresResponse, Checkpoint), ClientError> {
        let mut service = FiguresServiceClient::new(self.connection.channel.clone());
        let answer = service.get_figures(wanted).await.map_err(Box::new)?.into_inner();
        let checkpoint = self.trust.checkpoint(&answer.checkpoint)?;
        Ok((answer, checkpoint))
    }

    /// The agencies side by side over some days, as [`Client::figures`].
    ///
    /// # Errors
    /// Likewise.
    pub async fn compare_agencies(
        &self,
        wanted: CompareAgenciesRequest,
    ) -> Result<(CompareAgenciesResponse, Checkpoint), ClientError> {
        self.again(|| self.compare_agencies_now(wanted.clone())).await
    }

    /// The same, asked for once.
    ///
    /// # Errors
    /// Likewise.
    pub async fn compare_agencies_now(
        &self,
        wanted: CompareAgenciesRequest,
    ) -> Result<(CompareAgenciesResponse, Checkpoint), ClientError> {
        let mut service =
            FiguresServiceClient::new(self.connection.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let answer = service.compare_agencies(wanted).await.map_err(Box::new)?.into_inner();
        let checkpoint = self.trust.checkpoint(&answer.checkpoint)?;
        Ok((answer, checkpoint))
    }

    /// The pseudonym under which the ledger knows whoever has this identity document.
    ///
    /// # Errors
    /// The number is none of its kind, or the ledger refuses or is away.
    pub async fn subject(&self, kind: IdKind, number: &str) -> Result<String, ClientError> {
        let request = NameSubjectRequest { id_kind: Some(kind.into()), number: Some(number.to_owned()) };
        let mut service = IdentityServiceClient::new(self.connection.channel.clone());
        Ok(service.name_subject(request).await.map_err(Box::new)?.into_inner().subject)
    }

    /// The receipt of an act that was recorded before.
    ///
    /// # Errors
    /// The ledger refuses or is away, or the receipt proves nothing.
    pub async fn receipt(&self, chain_id: &str, event_id: &str) -> Result<(Receipt, VerifiedReceipt), ClientError> {
        self.receipt_of_level(chain_id, event_id, ReceiptLevel::Sealed).await
    }

    /// The receipt of an act that was recorded before, once it has come that far, or as far as it has come after some
    /// seconds. Whether its witnesses are enough, [`Trust::verify_quorum`] says.
    ///
    /// # Errors
    /// The ledger refuses or is away, or the receipt proves nothing.
    pub async fn receipt_of_level(
        &self,
        chain_id: &str,
        event_id: &str,
        level: ReceiptLevel,
    ) -> Result<(Receipt, VerifiedReceipt), ClientError> {
        let request = GetReceiptRequest {
            chain_id: Some(chain_id.to_owned()),
            event_id: Some(event_id.to_owned()),
            wait: Some(level.into()),
        };
        let receipt = self.log().get_receipt(request).await.map_err(Box::new)?.into_inner();
        let verified = self.trust.verify(&receipt)?;
        let (chain, event_id) = (Some(chain_id.to_owned()), Some(event_id.to_owned()));
        Asked { chain, event_id, occurred_at: None }.check(&verified)?;
        Ok((receipt, verified))
    }

    /// The last checkpoint, as a note; its signature is checked.
    ///
    /// # Errors
    /// The ledger is away, or the checkpoint is not this log's.
    pub async fn checkpoint(&self) -> Result<String, ClientError> {
        let note = self.log().get_checkpoint(GetCheckpointRequest {}).await.map_err(Box::new)?.into_inner().checkpoint;
        self.trust.checkpoint(&note)?;
        Ok(note)
    }

    /// The last checkpoint of the twin tree over SM3, as a note; its signature is checked.
    ///
    /// # Errors
    /// The ledger is away or grows no twin, or the checkpoint is not this twin's.
    pub async fn twin_checkpoint(&self) -> Result<String, ClientError> {
        let answer = self.log().get_checkpoint(GetCheckpointRequest {}).await.map_err(Box::new)?.into_inner();
        self.trust.twin_checkpoint(&answer.sm3_checkpoint)?;
        Ok(answer.sm3_checkpoint)
    }

    /// Inclusion proof of a leaf in the tree of a size, or of the last checkpoint.
    ///
    /// # Errors
    /// The ledger refuses or is away.
    pub async fn inclusion(
        &self,
        leaf_index: u64,
        tree_size: Option<u64>,
    ) -> Result<GetInclusionProofResponse, ClientError> {
        let request = GetInclusionProofRequest { leaf_index: Some(leaf_index), tree_size };
        Ok(self.log().get_inclusion_proof(request).await.map_err(Box::new)?.into_inner())
    }

    /// Consistency path between the trees of two sizes.
    ///
    /// # Errors
    /// The ledger refuses or is away, or the answer is malformed.
    pub async fn consistency(&self, first: u64, second: u64) -> Result<Vec<Hash>, ClientError> {
        let request = GetConsistencyProofRequest { first: Some(first), second: Some(second) };
        let answer = self.log().get_consistency_proof(request).await.map_err(Box::new)?.into_inner();
        hashes(&answer.consistency).ok_or(ClientError::Trust(TrustError::MalformedPath))
    }

    /// How the witnesses of the log stand. The ledger's word; the witnessed checkpoint in it proves itself.
    ///
    /// # Errors
    /// The ledger is away, or the witnessed checkpoint is not this log's.
    pub async fn witnesses(&self) -> Result<GetWitnessesResponse, ClientError> {
        let answer = self.log().get_witnesses(GetWitnessesRequest {}).await.map_err(Box::new)?.into_inner();
        answer.witnessed_checkpoint.as_deref().map(|note| self.trust.checkpoint(note)).transpose()?;
        Ok(answer)
    }

    fn log(&self) -> LogServiceClient<tonic::transport::Channel> {
        LogServiceClient::new(self.connection.channel.clone())
    }
}

/// What a receipt must be about: a ledger that lies could answer with a good receipt of another act.
pub(crate) struct Asked {
    chain: Option<String>,
    event_id: Option<String>,
    occurred_at: Option<i64>,
}

impl Asked {
    pub(crate) fn of(request: &ActRequest) -> Self {
        Self {
            chain: request.chain_id.clone(),
            event_id: request.event_id.clone(),
            occurred_at: request.occurred_at.map(|time| time.seconds),
        }
    }

    pub(crate) fn check(&self, receipt: &VerifiedReceipt) -> Result<(), TrustError> {
        let statement = &receipt.statement;
        let same = self.chain.as_ref().is_none_or(|chain| *chain == statement.chain.to_string())
            && self.event_id.as_ref().is_none_or(|id| *id == statement.event_id.to_string())
            && self.occurred_at.is_none_or(|occurred_at| occurred_at == statement.occurred_at);
        if same { Ok(()) } else { Err(TrustError::OtherAct) }
    }
}

/// One line per desk: its name, the module and type of its client, its requests.
macro_rules! desks {
    ($($name:ident, $module:ident, $client:ident, $request:ident, $prepare:ident;)*) => {
        async fn send(connection: Connection, desk: &'static str, request: ActRequest) -> Result<Receipt, ClientError> {
            match desk {
                $(
                    stringify!($name) => {
                        let request = desk::$request::try_from(request)?;
                        let mut service = desk::$module::$client::new(connection.channel);
                        Ok(service.record(request).await.map_err(Box::new)?.into_inner())
                    }
                )*
                other => Err(ClientError::NoDesk { kind: other }),
            }
        }

        async fn prepare(
            connection: Connection,
            desk: &'static str,
            request: PrepareRequest,
        ) -> Result<PrepareResponse, ClientError> {
            match desk {
                $(
                    stringify!($name) => {
                        let request = desk::$prepare::try_from(request)?;
                        let mut service = desk::$module::$client::new(connection.channel);
                        Ok(service.prepare(request).await.map_err(Box::new)?.into_inner())
                    }
                )*
                other => Err(ClientError::NoDesk { kind: other }),
            }
        }

        async fn submit(connection: Connection, desk: &'static str, request: SubmitRequest) -> Result<Receipt, ClientError> {
            match desk {
                $(
                    stringify!($name) => {
                        let mut service = desk::$module::$client::new(connection.channel);
                        Ok(service.submit(request).await.map_err(Box::new)?.into_inner())
                    }
                )*
                other => Err(ClientError::NoDesk { kind: other }),
            }
        }
    };
}

desks! {
    CourtDesk, court_desk_client, CourtDeskClient, CourtRecordRequest, CourtPrepareRequest;
    ProcuratorateDesk, procuratorate_desk_client, ProcuratorateDeskClient, ProcuratorateRecordRequest, ProcuratoratePrepareRequest;
    PetitionDesk, petition_desk_client, PetitionDeskClient, PetitionRecordRequest, PetitionPrepareRequest;
    JusticeDesk, justice_desk_client, JusticeDeskClient, JusticeRecordRequest, JusticePrepareRequest;
    LegalServiceDesk, legal_service_desk_client, LegalServiceDeskClient, LegalServiceRecordRequest, LegalServicePrepareRequest;
    PublicSecurityDesk, public_security_desk_client, PublicSecurityDeskClient, PublicSecurityRecordRequest, PublicSecurityPrepareRequest;
    LabourDesk, labour_desk_client, LabourDeskClient, LabourRecordRequest, LabourPrepareRequest;
    DepartmentDesk, department_desk_client, DepartmentDeskClient, DepartmentRecordRequest, DepartmentPrepareRequest;
    PsychologyDesk, psychology_desk_client, PsychologyDeskClient, PsychologyRecordRequest, PsychologyPrepareRequest;
    MediationDesk, mediation_desk_client, MediationDeskClient, MediationRecordRequest, MediationPrepareRequest;
    TownshipDesk, township_desk_client, TownshipDeskClient, TownshipRecordRequest, TownshipPrepareRequest;
    GovernanceCenterDesk, governance_center_desk_client, GovernanceCenterDeskClient, GovernanceCenterRecordRequest, GovernanceCenterPrepareRequest;
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The ledger said no, or is away. The status carries reason and details.
    #[error("{}: {}", .0.code(), .0.message())]
    Status(#[from] Box<Status>),
    /// The receipt, or proof, does not prove what it says.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The caller's signer did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The agency's desk does not take this act.
    #[error(transparent)]
    NotOfThisDesk(#[from] NotOfThisDesk),
    /// No desk serves this kind of agency.
    #[error("no desk serves `{kind}`")]
    NoDesk {
        /// Kind of agency.
        kind: &'static str,
    },
    /// The ledger's answer lacks something.
    #[error("the answer lacks its {0}")]
    Incomplete(&'static str),
}

/// What a ledger says when it refuses, or is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Reason, as `docs/errors.md` lists it; empty for a failure of the connection.
    pub reason: String,
    /// What is wrong and what to do, in Chinese; in English where the ledger gave no Chinese.
    pub zh: String,
    /// The same in English.
    pub en: String,
    /// Id by which the operator finds the request.
    pub request_id: Option<String>,
    /// The same call may succeed later.
    pub is_away: bool,
}

impl ClientError {
    /// What the ledger said; none when it is not the ledger that failed the call.
    #[must_use]
    pub fn told(&self) -> Option<Told> {
        let Self::Status(status) = self else { return None };
        let en = status.message().to_owned();
        let localized = status.get_details_localized_message().map(|localized| localized.message);
        Some(Told {
            reason: status.get_details_error_info().map(|info| info.reason).unwrap_or_default(),
            zh: localized.unwrap_or_else(|| en.clone()),
            en,
            request_id: status.get_details_request_info().map(|request| request.request_id),
            is_away: [Code::Unavailable, Code::ResourceExhausted, Code::DeadlineExceeded].contains(&status.code()),
        })
    }
}

#[cfg(test)]
mod tests;
