//! Two algorithms in one ledger: the registry says which one a key has, whatever an entry claims.

use super::*;
use crate::{
    key::{Algorithm, KeyId, Sm2Signer},
    registry::{KeyFault, RegistryError},
};

/// The center's keys are Ed25519, the bureau's SM2.
fn mixed() -> Signers {
    let (edwards, sm2) = (Ed25519Signer::generate().unwrap(), Sm2Signer::generate().unwrap());
    BTreeMap::from([
        (CENTER.to_owned(), Arc::new(edwards) as Arc<dyn Signer>),
        (BUREAU.to_owned(), Arc::new(sm2) as Arc<dyn Signer>),
    ])
}

#[tokio::test]
async fn an_agency_signs_with_sm2_beside_one_that_signs_with_ed25519() {
    let bench = Bench::of(mixed(), mixed()).await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let registered = request(ChainId([2; 16]), 2, "DisputeRegistered", "XF-FL/REG-1", registration_data());
    let placed = bench.desks.record(&caller(BUREAU), &registered).await.unwrap();
    assert!(bench.entries(ChainId([2; 16])).await.1.iter().all(|entry| entry.outcome.is_ok()));
    assert_eq!(placed.revision, Revision::FIRST);
    let registry = bench.ledger.refresh_registry().await.unwrap();
    let key = bench.key(BUREAU).public_key();
    assert_eq!(registry.key(key.id()).unwrap().key, key);
    assert_eq!(registry.root(BUREAU).unwrap().algorithm(), Algorithm::Sm2Sm3);
}

#[tokio::test]
async fn a_signature_of_the_other_algorithm_under_a_key_is_named() {
    let bench = Bench::of(mixed(), mixed()).await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let (edwards, sm2) = (bench.key(CENTER), bench.key(BUREAU));
    // SM2 under the center's Ed25519 key; Ed25519 under the bureau's SM2 key; SM2 as the bureau, for comparison.
    let under = |signer: &dyn Signer| signer.public_key().id();
    let first = bench.forge(2, sm2, |statement| statement.key_id = under(edwards)).await;
    let as_bureau = |statement: &mut Statement| {
        statement.agency = BUREAU.to_owned();
        statement.key_id = under(sm2);
    };
    let second = bench.forge(3, edwards, as_bureau).await;
    let faults = bench.faults().await;
    assert_eq!(faults, [(CHAIN, first, Fault::BadSignature), (CHAIN, second, Fault::BadSignature)]);
}

#[tokio::test]
async fn a_key_id_made_with_the_other_algorithm_is_that_of_no_key() {
    use sha2::Digest as _;
    let bench = Bench::of(mixed(), mixed()).await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let edwards = bench.key(CENTER);
    let claimed = [&[Algorithm::Sm2Sm3 as u8], edwards.public_key().to_bytes().as_slice()].concat();
    let key_id = KeyId(sha2::Sha256::digest(claimed).into());
    let placed = bench.forge(2, edwards, |statement| statement.key_id = key_id).await;
    assert_eq!(bench.faults().await, [(CHAIN, placed, Fault::Key(KeyFault::Unknown { key_id }))]);
}

#[tokio::test]
async fn a_key_enrolled_under_the_other_algorithm_is_malformed() {
    let bench = Bench::of(mixed(), mixed()).await;
    let (edwards, sm2) = (Ed25519Signer::generate().unwrap(), Sm2Signer::generate().unwrap());
    let cases = [("SM2_SM3", edwards.public_key()), ("ED25519", sm2.public_key())];
    for (number, (algorithm, key)) in (10..).zip(cases) {
        let key = hex::encode(key.to_bytes());
        let data = json!({"agency": CENTER, "algorithm": algorithm, "valid_from": "2020-01-01", "public_key": key});
        let enrolled = on_registry(number, "AgencyKeyEnrolled", CENTER, data);
        let refused = bench.founder.record(&caller(CENTER), &enrolled).await.unwrap_err();
        let malformed = RegistryError::MalformedKey { agency: CENTER.to_owned() };
        assert!(refused.to_string().contains(&malformed.to_string()), "{refused}");
    }
}
