//! The ledger of the tests: its log, its vault over TLS, and desks with certificates.

use std::{collections::BTreeMap, net::SocketAddr};

use bytes::Bytes;
use mediation_ledger::{
    clock::{Clock, ManualClock},
    entropy::SystemEntropy,
    key::{Ed25519Signer, KeyId, Signer},
    memory::{MemoryLog, MemoryVault},
    record::Record,
    recorder::{Recorder, sign},
    statement::Statement,
};
use mediation_proto::{
    fields::kind_of_event,
    json::act_from_json,
    mediation::types::v1::{AgencyKind, StepRef},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType, string::Ia5String,
};
use serde_json::{Map, Value};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::*;
use crate::{
    caller::spiffe_id_of,
    health::Health,
    limits::Limits,
    listener::{TlsFiles, tls_config},
    metrics::Requests,
    server::{Served, serve},
};

pub(super) const ORIGIN: &str = "test.example/log";
pub(super) const CENTER: &str = "ZC-ZS";
pub(super) const BUREAU: &str = "XF-FL";
pub(super) const NEIGHBOUR: &str = "XF-LP";
pub(super) const COURT: &str = "CT-ZS";
const NOW_MS: i64 = 1_709_514_720_000;

const AGENCIES: [(&str, AgencyKind, &str); 4] = [
    (CENTER, AgencyKind::GovernanceCenter, "GOVERNANCE_CENTER"),
    (BUREAU, AgencyKind::Petition, "PETITION"),
    (NEIGHBOUR, AgencyKind::Petition, "PETITION"),
    (COURT, AgencyKind::Court, "COURT"),
];

type Desk = Recorder<MemoryLog, RemoteVault>;

pub(super) struct Bench {
    pub(super) log: Arc<MemoryLog>,
    /// What the vault keeps.
    pub(super) kept: MemoryVault,
    /// One machine that holds everything.
    pub(super) single: Recorder<MemoryLog, MemoryVault>,
    keys: BTreeMap<String, Arc<dyn Signer>>,
    authority: CertifiedIssuer<'static, KeyPair>,
    address: SocketAddr,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Bench {
    /// Founded, all keys enrolled, the vault served.
    pub(super) async fn new() -> Self {
        let signers = || {
            let signer = |(agency, ..): (&str, AgencyKind, &str)| {
                (agency.to_owned(), Arc::new(Ed25519Signer::generate().unwrap()) as Arc<dyn Signer>)
            };
            BTreeMap::from(AGENCIES.map(signer))
        };
        let (roots, keys) = (signers(), signers());
        let (log, kept) = (Arc::new(MemoryLog::new()), MemoryVault::new());
        let ledger = ledger(&log, kept.clone());
        let founder = Recorder::new(Arc::clone(&ledger), roots.clone());
        let public = |signers: &BTreeMap<String, Arc<dyn Signer>>, agency: &str| {
            hex(&signers.get(agency).unwrap().public_key().to_bytes())
        };
        let members = AGENCIES.map(|(agency, _, kind)| {
            json!({"agency": agency, "kind": kind, "name": agency, "division": "360203",
                "root_algorithm": "ED25519", "root_key": public(&roots, agency)})
        });
        let registry = ChainId::registry(ORIGIN);
        let founded = json!({"log_key": "none", "founded_on": "2024-01-01", "members": members});
        let founded = wanted(registry, 1, "LedgerFounded", CENTER, "SYS", founded);
        founder.record(&caller(CENTER), &founded).await.unwrap();
        for (number, (agency, ..)) in (2..).zip(AGENCIES) {
            let enrolled = json!({"agency": agency, "algorithm": "ED25519", "valid_from": "2020-01-01",
                "public_key": public(&keys, agency)});
            let enrolled = wanted(registry, number, "AgencyKeyEnrolled", agency, "SYS", enrolled);
            founder.record(&caller(agency), &enrolled).await.unwrap();
        }
        let single = Recorder::new(ledger, keys.clone());
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let address = ([127, 0, 0, 1], 0).into();
        let mut bench = Self { log, kept, single, keys, authority, address, running: None };
        bench.start().await;
        bench
    }

    /// Serves the vault, at the address that it had.
    pub(super) async fn start(&mut self) {
        let custodian = Custodian::new(ledger(&self.log, self.kept.clone()));
        let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (certificates, key) = self.issue(server);
        let client_authorities = self.authority.pem().into_bytes();
        let tls = tls_config(&TlsFiles { certificates, key, client_authorities }).unwrap();
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = Served { node: None, vault: Some(custodian), pseudonyms: None, limits: Limits::default() };
        let serving = tokio::spawn(async move {
            let (health, requests) = (Health::default(), Requests::default());
            serve(served, listener, tls, health, requests, async { drop(stopped.await) }).await.unwrap();
        });
        self.running = Some((stop, serving));
    }

    /// Ends the process of the vault; what it keeps stays.
    pub(super) async fn stop(&mut self) {
        let (stop, serving) = self.running.take().unwrap();
        stop.send(()).unwrap();
        serving.await.unwrap();
    }

    /// A desk with the signing key and the certificate of an agency.
    pub(super) fn desk(&self, agency: &str) -> Desk {
        self.desk_as(agency, agency)
    }

    /// A desk with the signing key of one agency and the certificate of another.
    pub(super) fn desk_as(&self, agency: &str, certified: &str) -> Desk {
        let signers = BTreeMap::from([(agency.to_owned(), self.signer(agency))]);
        Recorder::new(ledger(&self.log, self.remote(certified)), signers)
    }

    pub(super) fn remote(&self, agency: &str) -> RemoteVault {
        let (certificate, key) = self.client(agency);
        RemoteVault::new(VaultAccess {
            address: self.address.to_string(),
            agency: agency.to_owned(),
            server_authorities: self.authority.pem().into_bytes(),
            certificate,
            key,
            timeout: Duration::from_secs(5),
        })
        .unwrap()
    }

    pub(super) fn channel(&self, agency: &str) -> Channel {
        let (certificate, key) = self.client(agency);
        self.connect(self.tls().identity(Identity::from_pem(certificate, key)))
    }

    pub(super) fn channel_of_nobody(&self) -> Channel {
        self.connect(self.tls())
    }

    fn tls(&self) -> ClientTlsConfig {
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.authority.pem()))
    }

    fn connect(&self, tls: ClientTlsConfig) -> Channel {
        let address = format!("https://{}", self.address);
        Endpoint::from_shared(address).unwrap().tls_config(tls).unwrap().connect_lazy()
    }

    fn client(&self, agency: &str) -> (Vec<u8>, Vec<u8>) {
        let mut client = CertificateParams::default();
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let id = Ia5String::try_from(spiffe_id_of(ORIGIN, agency)).unwrap();
        client.subject_alt_names = vec![SanType::URI(id)];
        self.issue(client)
    }

    fn issue(&self, params: CertificateParams) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }

    fn signer(&self, agency: &str) -> Arc<dyn Signer> {
        Arc::clone(self.keys.get(agency).unwrap())
    }

    pub(super) fn key_id(&self, agency: &str) -> KeyId {
        self.signer(agency).public_key().id()
    }

    /// A chain, as a desk may read it.
    pub(super) async fn read(&self, desk: &Desk, chain: ChainId) -> (Fold, Vec<CheckedEntry>) {
        let mut fold = Fold::new(chain);
        let entries = desk.ledger().catch_up(&mut fold).await.unwrap();
        (fold, entries)
    }

    /// An entry that is made by hand, with the keys of so many of its parts in the vault.
    pub(super) async fn forge(&self, chain: ChainId, wanted: &Wanted, agency: &str, given: usize) -> Append {
        let mut fold = Fold::new(chain);
        self.single.ledger().catch_up(&mut fold).await.unwrap();
        let parts = part::split(&wanted.act).unwrap();
        let seal =
            |part| part::seal(&SystemEntropy, part::Cipher::Aes256Gcm, ORIGIN, chain, wanted.event_id, part).unwrap();
        let sealed: Vec<_> = parts.iter().map(seal).collect();
        let statement = Statement {
            origin: ORIGIN.to_owned(),
            event_id: wanted.event_id,
            chain,
            revision: fold.next(),
            previous: fold.head(),
            agency: agency.to_owned(),
            key_id: self.key_id(agency),
            occurred_at: wanted.occurred_at,
            rule_set: "cn-2024-fixture".to_owned(),
            commitments: sealed.iter().map(|part| part.commitment).collect(),
        };
        let deposits = sealed.iter().take(given).map(|part| Deposit {
            digest: part.commitment.digest,
            holder: Holder::Chain,
            key: part.key.clone(),
        });
        self.kept.deposit(chain, deposits.collect()).await.unwrap();
        let entry: Bytes = sign(&statement, self.signer(agency).as_ref(), NOW_MS).unwrap();
        let record = Record { entry, parts: sealed.into_iter().map(|part| part.stored).collect() };
        Append { chain, expected: fold.next(), record: record.to_bytes() }
    }
}

fn ledger<V: Vault>(log: &Arc<MemoryLog>, vault: V) -> Arc<Ledger<MemoryLog, V>> {
    let clock = Arc::new(ManualClock::at(NOW_MS)) as Arc<dyn Clock>;
    Arc::new(Ledger::new(ORIGIN, "cn-2024-fixture", Arc::clone(log), Arc::new(vault), clock))
}

pub(super) fn caller(agency: &str) -> Caller {
    let (_, kind, _) = AGENCIES.into_iter().find(|(id, ..)| *id == agency).unwrap();
    Caller { agency: agency.to_owned(), kind }
}

pub(super) fn event_id(number: u8) -> EventId {
    EventId([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, number])
}

pub(super) fn step(id: EventId) -> StepRef {
    StepRef { event_id: Some(id.to_string()) }
}

fn wanted(chain: ChainId, number: u8, event: &str, agency: &str, role: &str, data: Value) -> Wanted {
    let header = Map::from_iter([
        ("signer".to_owned(), json!(format!("{agency}/{role}-1"))),
        ("signer_role".to_owned(), json!(role)),
    ]);
    let Value::Object(data) = data else { panic!("the fields of an act are an object") };
    let act = act_from_json(kind_of_event(event).unwrap(), &header, &data, &|_| None).unwrap();
    Wanted { chain, event_id: event_id(number), expected_revision: None, occurred_at: NOW_MS / 1000, act }
}

pub(super) fn registration(chain: ChainId, number: u8, agency: &str) -> Wanted {
    let data = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "parties": [{"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "side": "APPLICANT", "capacity": "SOLE_TRADER", "minor": false}],
        "identities": [{"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "name": "青岚陶艺工作室"}],
        "summary": "拖欠租金"});
    wanted(chain, number, "DisputeRegistered", agency, "REG", data)
}

pub(super) fn accusation(chain: ChainId, number: u8, agency: &str) -> Wanted {
    let data = json!({"form": "VISIT", "kind": "ACCUSATION", "headcount": 1, "direct": true, "origin": "DIRECT"});
    wanted(chain, number, "PetitionReceived", agency, "PETO", data)
}

/// With a narrative, so that it has two parts.
pub(super) fn follow_up(chain: ChainId, number: u8, agency: &str) -> Wanted {
    let data = json!({"satisfaction": "SATISFIED", "relapse_signs": false, "notes": "回访满意"});
    wanted(chain, number, "FollowUpVisited", agency, "REG", data)
}

pub(super) fn closing(chain: ChainId, number: u8) -> Wanted {
    let procedure = json!({"kind": "DELEGATED_MEDIATION", "number": "1", "state": "SETTLED"});
    let data = json!({"outcome": "CONFIRMED_AND_ENFORCED", "ground": "FULL_PERFORMANCE", "procedures": [procedure]});
    wanted(chain, number, "DisputeClosed", CENTER, "DIR", data)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
