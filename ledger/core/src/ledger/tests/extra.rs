//! Signatures beside the agency's own: good ones are counted, bad ones are named, and none decides what counts.

use super::*;

impl Bench {
    /// Appends an entry that the center has signed, with more signatures than that.
    async fn with_extra(&self, number: u8, extra: impl FnOnce(&[u8]) -> Vec<Signature>) -> Revision {
        let (statement, record) = self.drafted(CHAIN, number, &follow_up(number).act).await;
        let statement = statement.to_bytes();
        let signed = pre_authentication(&statement);
        let mut signatures = extra(&signed);
        signatures.push(signature(self.key(CENTER), &signed));
        let entry = Entry { statement, signatures, recorded_at: NOW_MS }.to_bytes();
        self.append(CHAIN, Record { entry, ..record }.to_bytes()).await
    }
}

fn signature(signer: &dyn Signer, signed: &[u8]) -> Signature {
    Signature { key_id: signer.public_key().id(), value: signer.sign(signed).unwrap().into() }
}

#[tokio::test]
async fn an_extra_signature_that_is_none_is_named_and_takes_nothing_from_the_entry() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let (bureau, stranger) = (bench.key(BUREAU), Ed25519Signer::generate().unwrap());
    let (bureaus, strangers) = (bureau.public_key().id(), stranger.public_key().id());
    let good = bench.with_extra(2, |signed| vec![signature(bureau, signed)]).await;
    let unknown = bench.with_extra(3, |signed| vec![signature(&stranger, signed)]).await;
    let bad = bench.with_extra(4, |_| vec![signature(bureau, b"another statement")]).await;

    let (_, entries) = bench.entries(CHAIN).await;
    assert!(entries.iter().all(|entry| entry.outcome.is_ok()), "all count");
    let extra = |revision: Revision| {
        let entry = entries.iter().find(|entry| entry.revision == revision).unwrap();
        entry.extra_signatures.iter().map(|extra| (extra.key_id, extra.agency.clone())).collect::<Vec<_>>()
    };
    assert_eq!(extra(Revision::FIRST), []);
    assert_eq!(extra(good), [(bureaus, Ok(BUREAU.to_owned()))]);
    let unknown_key = Fault::ExtraKeyUnknown { key_id: strangers };
    let bad_value = Fault::ExtraSignatureBad { key_id: bureaus };
    assert_eq!(extra(unknown), [(strangers, Err(unknown_key.clone()))]);
    assert_eq!(extra(bad), [(bureaus, Err(bad_value.clone()))]);
    assert!([&unknown_key, &bad_value].iter().all(|fault| fault.code() == "F-SIGNER-INVALID"));
    assert_eq!(bench.faults().await, [(CHAIN, unknown, unknown_key), (CHAIN, bad, bad_value)]);
    // The chain goes on from what counts.
    assert_eq!(bench.desks.record(&caller(CENTER), &follow_up(5)).await.unwrap().revision, bad.next());
}

#[tokio::test]
async fn beside_an_entry_that_does_not_count_nobody_bears_witness() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let (mut statement, record) = bench.drafted(CHAIN, 2, &follow_up(2).act).await;
    statement.agency = BUREAU.to_owned();
    let statement = statement.to_bytes();
    let signatures = vec![signature(bench.key(CENTER), &pre_authentication(&statement))];
    let entry = Entry { statement, signatures, recorded_at: NOW_MS }.to_bytes();
    bench.append(CHAIN, Record { entry, ..record }.to_bytes()).await;
    let (_, entries) = bench.entries(CHAIN).await;
    let last = entries.last().unwrap();
    assert!(matches!(last.outcome, Err(Fault::Key(_))), "{:?}", last.outcome);
    assert_eq!(last.extra_signatures, []);
}
