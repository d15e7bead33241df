//! Attacks on keys: each is refused beforehand, and named when it is forced into the log. What a revocation finds out
//! afterwards is told and rewrites nothing.

use mediation_domain::calendar::format_instant;

use super::*;
use crate::{
    faulty::{AppendFault, Faulty},
    key::KeyId,
    registry::{Purpose, possession},
};

/// 2024-03-04 09:12 in Shanghai.
const NOW: i64 = NOW_MS / 1000;
const HOUR: i64 = 3_600;

fn hex_id(key: KeyId) -> String {
    key.to_string()
}

fn fresh() -> Arc<dyn Signer> {
    Arc::new(Ed25519Signer::generate().unwrap())
}

fn hex_key(signer: &dyn Signer) -> String {
    hex::encode(signer.public_key().to_bytes())
}

/// What a new key signs to show that it is held.
fn proof(signer: &dyn Signer, purpose: Purpose, agency: &str) -> String {
    let message = possession(ORIGIN, purpose, agency, &hex_id(signer.public_key().id()));
    hex::encode(signer.sign(&message).unwrap())
}

fn rotation(number: u8, agency: &str, replaced: &dyn Signer, new: &dyn Signer, proof: &str) -> Request {
    let data = json!({"agency": agency, "replaced_key": hex_id(replaced.public_key().id()), "algorithm": "ED25519",
        "public_key": hex_key(new), "proof": proof});
    on_registry(number, "AgencyKeyRotated", agency, data)
}

fn revocation(number: u8, agency: &str, key: KeyId, invalid_from: i64) -> Request {
    let data = json!({"agency": agency, "key_id": hex_id(key), "reason": "COMPROMISED",
        "invalid_from": format_instant(invalid_from)});
    on_registry(number, "AgencyKeyRevoked", agency, data)
}

fn validity(number: u8, agency: &str, key: &dyn Signer, from: &str, to: Option<&str>) -> Request {
    let mut data = json!({"agency": agency, "algorithm": "ED25519", "valid_from": from, "public_key": hex_key(key)});
    if let Some(to) = to {
        data.as_object_mut().unwrap().insert("valid_to".to_owned(), json!(to));
    }
    on_registry(number, "AgencyKeyEnrolled", agency, data)
}

impl Bench {
    /// By the root key of an agency.
    async fn rooted(&self, agency: &str, request: &Request) -> Result<Placed, RecordError> {
        let placed = self.founder.record(&caller(agency), request).await;
        self.ledger.refresh_registry().await.unwrap();
        placed
    }

    /// By a key of the center that is not in the bench.
    async fn signed_by(&self, signer: &Arc<dyn Signer>, request: &Request) -> Result<Placed, RecordError> {
        let signers = BTreeMap::from([(CENTER.to_owned(), Arc::clone(signer))]);
        Recorder::new(Arc::clone(&self.ledger), signers).record(&caller(CENTER), request).await
    }

    /// Forces an act of the center onto a chain, past the recorder, as of an instant of recording.
    async fn forced(&self, request: &Request, signer: &dyn Signer, agency: &str, recorded_at: i64) -> Revision {
        let (mut statement, record) = self.drafted(request.chain, request.event_id.0[15], &request.act).await;
        agency.clone_into(&mut statement.agency);
        statement.key_id = signer.public_key().id();
        let entry = sign(&statement, signer, recorded_at).unwrap();
        let placed = self.append(request.chain, Record { entry, ..record }.to_bytes()).await;
        self.ledger.refresh_registry().await.unwrap();
        placed
    }

    /// Faults that the verifier names, and that the served chain shows: they are the same.
    async fn agreed_faults(&self) -> Vec<Fault> {
        let named = self.faults().await;
        for chain in [CHAIN, ChainId::registry(ORIGIN)] {
            let served = self.entries(chain).await.1;
            let served = served.into_iter().filter_map(|entry| Some((chain, entry.revision, entry.outcome.err()?)));
            let of_chain = named.iter().filter(|(of, _, _)| *of == chain).cloned();
            assert_eq!(served.collect::<Vec<_>>(), of_chain.collect::<Vec<_>>(), "server and verifier judge alike");
        }
        named.into_iter().map(|(_, _, fault)| fault).collect()
    }
}

fn refused_key(refused: &Result<Placed, RecordError>) -> &KeyFault {
    match refused {
        Err(RecordError::KeyInvalid { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

/// One row per way in which a key does not count, in the order of the checks.
#[tokio::test]
async fn a_key_that_does_not_count_is_refused_and_named_when_it_is_forced_into_the_log() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let [revoked, replaced, new, early, late] = std::array::from_fn(|_| fresh());
    let id = |signer: &Arc<dyn Signer>| signer.public_key().id();
    bench.rooted(CENTER, &validity(20, CENTER, revoked.as_ref(), "2024-01-01", None)).await.unwrap();
    bench.rooted(CENTER, &validity(21, CENTER, replaced.as_ref(), "2024-01-01", None)).await.unwrap();
    bench.rooted(CENTER, &validity(22, CENTER, early.as_ref(), "2024-03-05", None)).await.unwrap();
    bench.rooted(CENTER, &validity(23, CENTER, late.as_ref(), "2024-01-01", Some("2024-03-03"))).await.unwrap();
    bench.rooted(CENTER, &revocation(24, CENTER, id(&revoked), NOW)).await.unwrap();
    let proof = proof(new.as_ref(), Purpose::Signing, CENTER);
    let rotated = rotation(25, CENTER, replaced.as_ref(), new.as_ref(), &proof);
    bench.rooted(CENTER, &rotated).await.unwrap();
    assert_eq!(bench.agreed_faults().await, []);

    let day = |text| Day::parse(text).unwrap();
    let rows = [
        (&revoked, KeyFault::Revoked { key_id: id(&revoked), invalid_from: NOW }),
        (&replaced, KeyFault::Replaced { key_id: id(&replaced) }),
        (&early, KeyFault::NotYetValid { key_id: id(&early), valid_from: day("2024-03-05") }),
        (&late, KeyFault::Expired { key_id: id(&late), valid_to: day("2024-03-03") }),
    ];
    for (number, (signer, fault)) in (30..).zip(&rows) {
        let refused = bench.signed_by(signer, &follow_up(number)).await;
        assert_eq!(refused_key(&refused), fault);
        bench.forced(&follow_up(number), signer.as_ref(), CENTER, NOW_MS).await;
    }
    // Another agency's key, in the center's name.
    let bureau = bench.key(BUREAU);
    bench.forced(&follow_up(40), bureau, CENTER, NOW_MS).await;
    let foreign = KeyFault::OfAnother { key_id: bureau.public_key().id(), agency: BUREAU.to_owned() };
    let expected = rows.into_iter().map(|(_, fault)| fault).chain([foreign]).map(Fault::Key);
    assert_eq!(bench.agreed_faults().await, expected.collect::<Vec<_>>());
    bench.signed_by(&new, &follow_up(50)).await.unwrap();
}

/// `recorded_at` is the desk's word: behind a revocation it reaches no further back than the revocation itself.
#[tokio::test]
async fn who_dates_an_entry_back_does_not_get_before_a_revocation() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let key = bench.key(CENTER).public_key().id();
    bench.rooted(CENTER, &revocation(20, CENTER, key, NOW - HOUR)).await.unwrap();
    bench.forced(&follow_up(2), bench.key(CENTER), CENTER, NOW_MS - 48 * HOUR * 1000).await;
    let revoked = Fault::Key(KeyFault::Revoked { key_id: key, invalid_from: NOW - HOUR });
    assert_eq!(bench.agreed_faults().await, [revoked]);
}

#[tokio::test]
async fn a_revocation_as_of_a_day_to_come_lets_the_key_sign_until_then() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let key = bench.key(CENTER).public_key().id();
    bench.rooted(CENTER, &revocation(20, CENTER, key, NOW + HOUR)).await.unwrap();
    bench.clock.set(NOW_MS + HOUR * 1000 - 1);
    bench.desks.record(&caller(CENTER), &follow_up(2)).await.unwrap();
    bench.clock.set(NOW_MS + HOUR * 1000);
    let refused = bench.desks.record(&caller(CENTER), &follow_up(3)).await;
    assert_eq!(*refused_key(&refused), KeyFault::Revoked { key_id: key, invalid_from: NOW + HOUR });
    assert_eq!(bench.agreed_faults().await, []);
    assert_eq!(bench.entries(CHAIN).await.1.len(), 2);
}

/// The entry keeps counting, with its place and its effect; whoever reads it can tell.
#[tokio::test]
async fn a_late_revocation_flags_and_rewrites_nothing() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    bench.clock.set(NOW_MS + HOUR * 1000);
    bench.desks.record(&caller(CENTER), &follow_up(2)).await.unwrap();
    let before = bench.entries(CHAIN).await.1;
    let key = bench.key(CENTER).public_key().id();
    bench.clock.set(NOW_MS + 24 * HOUR * 1000);
    bench.rooted(CENTER, &revocation(20, CENTER, key, NOW + HOUR)).await.unwrap();
    let after = bench.entries(CHAIN).await.1;
    let told = |entries: &[CheckedEntry]| -> Vec<_> {
        entries.iter().map(|entry| (entry.leaf, entry.outcome.clone().unwrap())).collect()
    };
    assert_eq!(told(&before), told(&after));
    let registry = bench.ledger.registry();
    let flags =
        after.iter().map(|entry| registry.late_revocation(key, entry.recorded_at).map(|late| late.invalid_from));
    assert_eq!(flags.collect::<Vec<_>>(), [None, Some(NOW + HOUR)]);
    assert_eq!(bench.agreed_faults().await, []);
    assert_eq!(*bench.late.lock().unwrap(), [(NOW + HOUR, 1)], "the verifier tells, and finds no fault");

    // Found out later to be older still: the first entry is flagged as well. Never is less flagged than before.
    bench.rooted(CENTER, &revocation(21, CENTER, key, NOW)).await.unwrap();
    let registry = bench.ledger.registry();
    assert_eq!(registry.late_revocation(key, NOW_MS).map(|late| late.invalid_from), Some(NOW));
    let again = bench.rooted(CENTER, &revocation(22, CENTER, key, NOW + HOUR)).await;
    assert!(matches!(again, Err(RecordError::Registry(RegistryError::RevokedAlready { .. }))), "{again:?}");
}

#[tokio::test]
async fn a_key_that_is_replaced_hands_over_in_one_step() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let new = fresh();
    let proof = proof(new.as_ref(), Purpose::Signing, CENTER);
    let rotated = rotation(20, CENTER, bench.key(CENTER), new.as_ref(), &proof);
    let early = bench.signed_by(&new, &follow_up(2)).await;
    assert!(matches!(early, Err(RecordError::KeyNotHeld { .. })), "{early:?}");
    // The key that goes signs for the one that comes.
    bench.desks.record(&caller(CENTER), &rotated).await.unwrap();
    bench.signed_by(&new, &follow_up(3)).await.unwrap();
    let gone = bench.desks.record(&caller(CENTER), &follow_up(4)).await;
    assert!(matches!(refused_key(&gone), KeyFault::Replaced { .. }));
    assert_eq!(bench.agreed_faults().await, []);
    assert!(
        bench.entries(CHAIN).await.1.iter().all(|entry| entry.outcome.is_ok()),
        "what the old key signed counts on"
    );
}

/// Forgeries of acts about keys, each with the cause that the verifier names.
#[tokio::test]
async fn nobody_changes_keys_without_the_right_to() {
    let bench = Bench::new().await;
    let (new, stranger) = (fresh(), fresh());
    let (center, bureau) = (bench.key(CENTER), bench.key(BUREAU));
    let key = center.public_key().id();
    let good = proof(new.as_ref(), Purpose::Signing, CENTER);
    let of_bureau = proof(new.as_ref(), Purpose::Signing, BUREAU);
    let as_root = proof(new.as_ref(), Purpose::Root, CENTER);
    let by_stranger = proof(stranger.as_ref(), Purpose::Signing, CENTER);
    let unproved = || RegistryError::NotProved { agency: CENTER.to_owned() };
    let (root, foreign_root) = (bench.root(CENTER), bench.root(BUREAU));
    let for_another = || RegistryError::ActsForAnother { agency: BUREAU.to_owned() };
    let rows: Vec<(Request, &dyn Signer, &str, Fault)> = vec![
        (rotation(61, CENTER, center, new.as_ref(), &of_bureau), root, CENTER, unproved().into()),
        (rotation(62, CENTER, center, new.as_ref(), &as_root), root, CENTER, unproved().into()),
        (rotation(63, CENTER, center, new.as_ref(), &by_stranger), root, CENTER, unproved().into()),
        (rotation(64, CENTER, center, new.as_ref(), "none"), center, CENTER, unproved().into()),
        (rotation(65, CENTER, center, new.as_ref(), &good), foreign_root, BUREAU, for_another().into()),
        (
            rotation(66, CENTER, center, new.as_ref(), &good),
            bureau,
            BUREAU,
            KeyFault::NotForThisAct { key_id: bureau.public_key().id() }.into(),
        ),
        (
            rotation(67, CENTER, stranger.as_ref(), new.as_ref(), &good),
            root,
            CENTER,
            RegistryError::NoSuchKey { agency: CENTER.to_owned() }.into(),
        ),
        (revocation(68, CENTER, key, NOW), foreign_root, BUREAU, for_another().into()),
        (revocation(69, CENTER, key, NOW), center, CENTER, KeyFault::NotForThisAct { key_id: key }.into()),
        (
            revocation(70, BUREAU, key, NOW),
            foreign_root,
            BUREAU,
            RegistryError::NoSuchKey { agency: BUREAU.to_owned() }.into(),
        ),
        (
            enrolment(71, BUREAU, &hex_key(center)),
            foreign_root,
            BUREAU,
            RegistryError::KeyTaken { agency: BUREAU.to_owned() }.into(),
        ),
    ];
    let mut expected = Vec::new();
    for (mut request, signer, agency, fault) in rows {
        request.act.header.as_mut().unwrap().signer = Some(format!("{agency}/SYS-1"));
        let signers = BTreeMap::from([(agency.to_owned(), held(&bench, signer))]);
        let refused = Recorder::new(Arc::clone(&bench.ledger), signers).record(&caller(agency), &request).await;
        assert!(is_refused_for(&refused, &fault), "{refused:?} for {fault}");
        bench.forced(&request, signer, agency, NOW_MS).await;
        expected.push(fault);
    }
    assert_eq!(bench.agreed_faults().await, expected);
    bench.desks.record(&caller(CENTER), &registration(50)).await.unwrap();
    bench.desks.record(&caller(BUREAU), &Request { chain: ChainId([2; 16]), ..bureau_registration(51) }).await.unwrap();
}

/// The signer of the bench that a desk would hold.
fn held(bench: &Bench, signer: &dyn Signer) -> Arc<dyn Signer> {
    let all = bench.roots.values().chain(bench.keys.values());
    Arc::clone(all.into_iter().find(|held| held.public_key() == signer.public_key()).unwrap())
}

/// What a desk answers to an act that would be named so.
fn is_refused_for(refused: &Result<Placed, RecordError>, fault: &Fault) -> bool {
    match (refused, fault) {
        (Err(RecordError::Registry(refused)), Fault::Registry(fault)) => refused == fault,
        (Err(RecordError::KeyNotHeld { .. }), Fault::Key(KeyFault::NotForThisAct { .. })) => true,
        _ => false,
    }
}

fn bureau_registration(number: u8) -> Request {
    let mut request = registration(number);
    request.act.header.as_mut().unwrap().signer = Some(format!("{BUREAU}/REG-1"));
    request
}

#[tokio::test]
async fn a_root_key_is_replaced_with_the_proof_of_the_new_one() {
    let bench = Bench::new().await;
    let new = fresh();
    let rotated = |number, proof: &str| {
        let data = json!({"agency": BUREAU, "algorithm": "ED25519", "root_key": hex_key(new.as_ref()), "proof": proof});
        on_registry(number, "AgencyRootRotated", BUREAU, data)
    };
    let unproved = bench.rooted(BUREAU, &rotated(20, &proof(new.as_ref(), Purpose::Signing, BUREAU))).await;
    assert!(matches!(unproved, Err(RecordError::Registry(RegistryError::NotProved { .. }))), "{unproved:?}");
    bench.rooted(BUREAU, &rotated(21, &proof(new.as_ref(), Purpose::Root, BUREAU))).await.unwrap();
    let gone = bench.rooted(BUREAU, &enrolment(22, BUREAU, &hex_key(fresh().as_ref()))).await;
    assert!(matches!(refused_key(&gone), KeyFault::Replaced { .. }));
    bench.forced(&enrolment(23, BUREAU, &hex_key(fresh().as_ref())), new.as_ref(), BUREAU, NOW_MS).await;
    assert_eq!(bench.agreed_faults().await, []);
    assert_eq!(bench.ledger.registry().root(BUREAU), Some(&new.public_key()));
}

#[tokio::test]
async fn only_the_founder_takes_in_a_member_who_holds_his_root_key() {
    let bench = Bench::new().await;
    let root: Arc<dyn Signer> = fresh();
    let joined = |number, agency: &str, proof: &str| {
        let member = json!({"agency": "CT-ZS", "kind": "COURT", "name": "珠山区人民法院", "division": "360203",
            "root_algorithm": "ED25519", "root_key": hex_key(root.as_ref())});
        on_registry(number, "AgencyJoined", agency, json!({"member": member, "proof": proof}))
    };
    let unproved = bench.rooted(CENTER, &joined(20, CENTER, "00")).await;
    assert!(matches!(unproved, Err(RecordError::Registry(RegistryError::NotProved { .. }))), "{unproved:?}");
    let proof = proof(root.as_ref(), Purpose::Root, "CT-ZS");
    bench.rooted(CENTER, &joined(21, CENTER, &proof)).await.unwrap();
    let twice = bench.rooted(CENTER, &joined(22, CENTER, &proof)).await;
    assert!(matches!(twice, Err(RecordError::Registry(RegistryError::KeyTaken { .. }))), "{twice:?}");
    bench.forced(&enrolment(23, "CT-ZS", &hex_key(fresh().as_ref())), root.as_ref(), "CT-ZS", NOW_MS).await;
    assert_eq!(bench.agreed_faults().await, []);
    let registry = bench.ledger.registry();
    assert_eq!(registry.directory().kind("CT-ZS"), Some(AgencyKind::Court));
    assert_eq!(registry.keys().filter(|(_, key)| key.agency == "CT-ZS").count(), 1);
}

#[tokio::test]
async fn log_keys_overlap_and_one_always_remains() {
    let bench = Bench::new().await;
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let vkey = crate::note::VerifierKey::new(
        ORIGIN.parse().unwrap(),
        crate::note::SignatureType::Ed25519,
        key.verifying_key(),
    );
    let vkey = vkey.unwrap().to_string();
    let proof = hex::encode(Ed25519Signer::new(key).sign(&possession(ORIGIN, Purpose::Log, CENTER, &vkey)).unwrap());
    let added = |number, agency: &str, proof: &str| {
        on_registry(number, "LogKeyAdded", agency, json!({"log_key": vkey, "proof": proof}))
    };
    let retired = |number, vkey: &str| {
        on_registry(number, "LogKeyRetired", CENTER, json!({"log_key": vkey, "reason": "SUPERSEDED"}))
    };
    let last = bench.rooted(CENTER, &retired(20, "none")).await;
    assert!(matches!(last, Err(RecordError::Registry(RegistryError::LastLogKey { .. }))), "{last:?}");
    let unproved = bench.rooted(CENTER, &added(21, CENTER, "00")).await;
    assert!(matches!(unproved, Err(RecordError::Registry(RegistryError::NotProved { .. }))), "{unproved:?}");
    bench.rooted(CENTER, &added(22, CENTER, &proof)).await.unwrap();
    let signing = |bench: &Bench| -> Vec<String> {
        let registry = bench.ledger.registry();
        let signing = registry.log_keys().iter().filter(|key| key.retired.is_none());
        signing.map(|key| key.vkey.clone()).collect()
    };
    assert_eq!(signing(&bench), ["none", vkey.as_str()]);
    bench.rooted(CENTER, &retired(23, "none")).await.unwrap();
    assert_eq!(signing(&bench), [vkey.as_str()]);
    let last = bench.rooted(CENTER, &retired(24, &vkey)).await;
    assert!(matches!(last, Err(RecordError::Registry(RegistryError::LastLogKey { .. }))), "{last:?}");
}

#[tokio::test]
async fn a_witness_is_enrolled_and_retired_by_the_agency_that_runs_it() {
    let bench = Bench::new().await;
    let vkey = |seed: u8| {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
        let kind = crate::note::SignatureType::CosignatureV1;
        crate::note::VerifierKey::new("bureau.example/w".parse().unwrap(), kind, key).unwrap().to_string()
    };
    let enrolled = |number, name: &str, vkey: &str| {
        on_registry(number, "WitnessEnrolled", BUREAU, json!({"agency": BUREAU, "name": name, "vkey": vkey}))
    };
    let log_key = bench.rooted(BUREAU, &enrolled(20, "bureau", "bureau.example/w+0+AA==")).await;
    assert!(matches!(log_key, Err(RecordError::Registry(RegistryError::MalformedVkey { .. }))), "{log_key:?}");
    bench.rooted(BUREAU, &enrolled(21, "bureau", &vkey(9))).await.unwrap();
    let second_name = bench.rooted(BUREAU, &enrolled(22, "other", &vkey(9))).await;
    assert!(matches!(second_name, Err(RecordError::Registry(RegistryError::VkeyTaken { .. }))), "{second_name:?}");
    let retired = |number, agency: &str| {
        on_registry(number, "WitnessRetired", agency, json!({"agency": agency, "name": "bureau"}))
    };
    let foreign = bench.rooted(CENTER, &retired(23, CENTER)).await;
    assert!(matches!(foreign, Err(RecordError::Registry(RegistryError::ActsForAnother { .. }))), "{foreign:?}");
    bench.rooted(BUREAU, &retired(24, BUREAU)).await.unwrap();
    assert!(bench.ledger.registry().witnesses().all(|(_, witness)| witness.retired.is_some()));
}

#[tokio::test]
async fn a_ledger_is_founded_once() {
    let bench = Bench::new().await;
    let root = fresh();
    let member = json!({"agency": BUREAU, "kind": "GOVERNANCE_CENTER", "name": "x", "division": "360203",
        "root_algorithm": "ED25519", "root_key": hex_key(root.as_ref())});
    let founded = json!({"log_key": "none", "founded_on": "2024-01-01", "members": [member]});
    let request = on_registry(20, "LedgerFounded", CENTER, founded);
    let refused = bench.rooted(CENTER, &request).await;
    assert!(matches!(refused, Err(RecordError::Refused(_) | RecordError::Registry(_))), "{refused:?}");
    bench.forced(&request, bench.root(CENTER), CENTER, NOW_MS).await;
    let faults = bench.agreed_faults().await;
    assert!(
        matches!(faults.as_slice(), [Fault::Refused(_) | Fault::Registry(RegistryError::FoundedTwice)]),
        "{faults:?}"
    );
    assert_eq!(bench.ledger.registry().genesis(), Some(bench.genesis));
}

/// A desk signs, and before its append arrives another one revokes the key: nobody takes notice of the entry, and the
/// caller is told so instead of being given a receipt.
#[tokio::test]
async fn an_entry_that_a_revocation_overtakes_has_no_receipt() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let key = bench.key(CENTER).public_key().id();
    let log = Faulty::new(bench.ledger.log().as_ref().clone());
    let faults = log.faults();
    let (vault, clock) = (Arc::clone(bench.ledger.vault()), Arc::clone(&bench.clock) as Arc<dyn Clock>);
    let ledger = Arc::new(Ledger::new(ORIGIN, "cn-2024-fixture", Arc::new(log), vault, clock));
    let slow = Recorder::new(ledger, bench.keys.clone());
    faults.on_append(AppendFault::Held);
    let overtaken = tokio::spawn(async move { slow.record(&caller(CENTER), &follow_up(2)).await });
    while faults.injected() == 0 {
        tokio::task::yield_now().await;
    }
    bench.rooted(CENTER, &revocation(20, CENTER, key, NOW)).await.unwrap();
    faults.release();
    let revoked = KeyFault::Revoked { key_id: key, invalid_from: NOW };
    assert_eq!(*refused_key(&overtaken.await.unwrap()), revoked);
    assert_eq!(bench.agreed_faults().await, [Fault::Key(revoked)]);
    assert_eq!(bench.entries(CHAIN).await.1.len(), 2, "it stands, and counts for nobody");
}
