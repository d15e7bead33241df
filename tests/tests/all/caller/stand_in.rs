//! A server that lies: it stands between the bureau and the ledger, and changes what passes.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::Stream;
use mediation_client::{Client, ClientError, Connection, TrustError, signing::PreparedError};
use mediation_ledger::{
    merkle::Hash,
    part::{self, Commitment},
    statement::Statement,
};
use mediation_proto::mediation::{
    desk::v1::{
        PetitionPrepareRequest, PetitionRecordRequest,
        petition_desk_client::PetitionDeskClient,
        petition_desk_server::{PetitionDesk, PetitionDeskServer},
    },
    ledger::v1::{
        Act, DisclosedPart, PartKind, PrepareResponse, Prepared, PreparedPart, Receipt, RecordStreamResponse,
        SubmitRequest, prepare_response::Result as Preparation,
    },
    types::v1::AgencyKind,
};
use prost::Message as _;
use tonic::{
    Request, Response, Status, Streaming, async_trait,
    transport::{Channel, Server, server::TcpIncoming},
};

use super::{BUREAU, Bureau, fresh};
use crate::served::{chain_id, event_id, registration};

/// What the stand-in makes of what the ledger prepared.
type Lie = fn(&mut Statement, &mut Vec<PreparedPart>);

/// How it lies.
#[derive(Debug, Clone)]
struct StandIn {
    ledger: PetitionDeskClient<Channel>,
    lie: Lie,
    /// Whether it keeps extra signatures back.
    keeps_back: bool,
    /// Answers every submission with the receipt of this act instead.
    other: Option<Receipt>,
    submitted: Arc<AtomicUsize>,
}

impl StandIn {
    async fn new(bureau: &Bureau) -> Self {
        let ledger = PetitionDeskClient::new(bureau.served.connection(Some(BUREAU)).await.channel);
        Self { ledger, lie: |_, _| (), keeps_back: false, other: None, submitted: Arc::default() }
    }

    /// A client that takes it for the ledger.
    async fn client(&self, bureau: &Bureau) -> Client {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let server = Server::builder().add_service(PetitionDeskServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(incoming));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Client::new(Connection { channel }, bureau.served.trust(), AgencyKind::Petition).unwrap()
    }
}

#[async_trait]
impl PetitionDesk for StandIn {
    type RecordStreamStream = Pin<Box<dyn Stream<Item = Result<RecordStreamResponse, Status>> + Send>>;

    async fn record(&self, request: Request<PetitionRecordRequest>) -> Result<Response<Receipt>, Status> {
        self.ledger.clone().record(request.into_inner()).await
    }

    async fn record_stream(
        &self,
        _request: Request<Streaming<PetitionRecordRequest>>,
    ) -> Result<Response<Self::RecordStreamStream>, Status> {
        Err(Status::unimplemented("not by this one"))
    }

    async fn prepare(&self, request: Request<PetitionPrepareRequest>) -> Result<Response<PrepareResponse>, Status> {
        let answer = self.ledger.clone().prepare(request.into_inner()).await?.into_inner();
        let Some(Preparation::Prepared(mut prepared)) = answer.result else { return Ok(Response::new(answer)) };
        let mut statement = Statement::parse(&prepared.statement).unwrap();
        (self.lie)(&mut statement, &mut prepared.parts);
        let prepared = Prepared { statement: statement.to_bytes(), ..prepared };
        Ok(Response::new(PrepareResponse { result: Some(Preparation::Prepared(prepared)) }))
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<Receipt>, Status> {
        self.submitted.fetch_add(1, Ordering::SeqCst);
        let mut request = request.into_inner();
        if let Some(other) = &self.other {
            return Ok(Response::new(other.clone()));
        }
        if self.keeps_back {
            let own = Statement::parse(&request.statement).unwrap().key_id;
            request.signatures.retain(|signature| signature.key_id == own.0.as_slice());
        }
        self.ledger.clone().submit(request).await
    }
}

/// Replaces what a part says, so that the statement commits to it.
fn replace(statement: &mut Statement, parts: &mut [PreparedPart], at: usize, change: impl FnOnce(&mut Act)) {
    let shown = parts[at].part.as_mut().unwrap();
    let mut act = Act::decode(shown.plaintext.clone()).unwrap();
    change(&mut act);
    shown.plaintext = act.encode_to_vec().into();
    statement.commitments[at] = committed(statement, shown);
}

fn committed(statement: &Statement, shown: &DisclosedPart) -> Commitment {
    let opened = part::disclosed(shown).unwrap();
    let Commitment { kind, number, .. } = opened.commitment;
    let digest = part::digest(&statement.origin, statement.event_id, kind, number, &opened.salt, &opened.plaintext);
    Commitment { kind, number, digest }
}

fn other_summary(statement: &mut Statement, parts: &mut [PreparedPart]) {
    let last = parts.len() - 1;
    let other = registration(&chain_id(), &event_id(), "已协商解决，不再追究");
    let narrative = part::split(&other.act).unwrap().pop().unwrap();
    replace(statement, parts, last, |act| *act = Act::decode(narrative.plaintext).unwrap());
}

fn other_signer(statement: &mut Statement, parts: &mut [PreparedPart]) {
    replace(statement, parts, 0, |act| act.header.as_mut().unwrap().signer = Some("XF-FL/HEAD-9".to_owned()));
}

fn extra_part(statement: &mut Statement, parts: &mut Vec<PreparedPart>) {
    let mut extra = parts.last().unwrap().clone();
    extra.part.as_mut().unwrap().kind = PartKind::Sealed.into();
    statement.commitments.push(committed(statement, extra.part.as_ref().unwrap()));
    parts.push(extra);
}

/// What a lie is, the lie, and whether an error is the one that it ends in.
type Told = (&'static str, Lie, fn(&PreparedError) -> bool);

/// Every lie.
fn lies() -> Vec<Told> {
    macro_rules! other {
        ($field:literal, $lie:expr) => {
            ($field, $lie, |found| matches!(found, PreparedError::Other { field: $field }))
        };
    }
    vec![
        (
            "other content",
            |statement, parts| other_summary(statement, parts),
            |found| matches!(found, PreparedError::OtherContent { kind: PartKind::Narrative, .. }),
        ),
        (
            "another signer",
            |statement, parts| other_signer(statement, parts),
            |found| matches!(found, PreparedError::OtherContent { kind: PartKind::Act, number: 0 }),
        ),
        ("an extra part", extra_part, |found| matches!(found, PreparedError::OtherParts)),
        (
            "an extra commitment without its part",
            |statement, parts| {
                extra_part(statement, parts);
                parts.pop();
            },
            |found| matches!(found, PreparedError::OtherParts),
        ),
        (
            "a part left out",
            |statement, parts| {
                statement.commitments.pop();
                parts.pop();
            },
            |found| matches!(found, PreparedError::OtherParts),
        ),
        (
            "a commitment to something that is not shown",
            |statement, _| statement.commitments[0].digest = Hash([7; 32]),
            |found| matches!(found, PreparedError::CommitmentBroken { kind: PartKind::Act, number: 0 }),
        ),
        other!("origin", |statement, _| statement.origin = "other.example/main".to_owned()),
        other!("chain", |statement, _| statement.chain.0 = [9; 16]),
        other!("event_id", |statement, _| statement.event_id.0[15] ^= 1),
        other!("previous", |statement, _| statement.previous = Hash([9; 32])),
        other!("agency", |statement, _| statement.agency = "CT-ZS".to_owned()),
        other!("key_id", |statement, _| statement.key_id.0 = [9; 32]),
        other!("occurred_at", |statement, _| statement.occurred_at -= 86_400),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_prepares_something_else_gets_no_signature() {
    let bureau = Bureau::new().await;
    let size = bureau.size().await;
    let honest = StandIn::new(&bureau).await;
    for (what, lie, expected) in lies() {
        let liar = StandIn { lie, ..honest.clone() };
        let told = liar.client(&bureau).await.record_signed(fresh(), &bureau.keys).await;
        let Err(ClientError::Trust(TrustError::Prepared(found))) = told else { panic!("{what}: {told:?}") };
        assert!(expected(&found), "{what}: {found:?}");
    }
    assert_eq!(honest.submitted.load(Ordering::SeqCst), 0, "something was signed");
    assert_eq!(bureau.size().await, size);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_the_caller_insists_on_cannot_be_exchanged() {
    let bureau = Bureau::new().await;
    let lie: Lie = |statement, _| statement.revision = statement.revision.next();
    let liar = StandIn { lie, ..StandIn::new(&bureau).await };
    let mut act = fresh();
    act.expected_revision = Some(0);
    let told = liar.client(&bureau).await.record_signed(act, &bureau.keys).await;
    let Err(ClientError::Trust(TrustError::Prepared(found))) = told else { panic!("{told:?}") };
    assert_eq!(found, PreparedError::Other { field: "revision" });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_a_signature_back_or_answers_for_another_act_is_found_out() {
    let mut bureau = Bureau::new().await;
    let other = bureau.record(fresh()).await;
    let liar = StandIn { other: Some(other), ..StandIn::new(&bureau).await };
    let told = liar.client(&bureau).await.record_signed(fresh(), &bureau.keys).await;
    assert!(matches!(told, Err(ClientError::Trust(TrustError::OtherAct))), "{told:?}");

    bureau.keys = bureau.served.keys(BUREAU, &["CT-ZS"]);
    let court = bureau.keys.extra[0].public_key().id();
    let liar = StandIn { keeps_back: true, ..StandIn::new(&bureau).await };
    let told = liar.client(&bureau).await.record_signed(fresh(), &bureau.keys).await;
    let Err(ClientError::Trust(TrustError::SignatureMissing { key_id })) = told else { panic!("{told:?}") };
    assert_eq!(key_id, court);
}
