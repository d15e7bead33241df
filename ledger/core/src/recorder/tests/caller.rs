//! Acts that the caller signs: the recorder has no key at all.

use super::*;
use crate::{
    entry::{Entry, Signature},
    key::KeyId,
    part::{Commitment, OpenedPart},
    recorder::{Placed, Preparation, Prepared, Signed, SignedError},
    statement::{Statement, pre_authentication},
};

/// A bench whose recorder holds no key, beside the caller who has it.
struct Desk {
    bench: Bench,
    recorder: TestRecorder,
}

impl Desk {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let recorder = Recorder::new(Arc::clone(bench.recorder.ledger()), BTreeMap::new());
        Self { bench, recorder }
    }

    fn key(&self) -> &dyn Signer {
        self.bench.key.as_ref()
    }

    async fn prepare(&self, request: &Request) -> Result<Preparation, RecordError> {
        self.recorder.prepare(&self.bench.caller, request, self.key().public_key().id()).await
    }

    async fn prepared(&self, request: &Request) -> Prepared {
        match self.prepare(request).await.unwrap() {
            Preparation::Prepared(prepared) => prepared,
            Preparation::Recorded(placed) => panic!("{placed:?}"),
        }
    }

    async fn submit(&self, signed: &Signed) -> Result<Placed, RecordError> {
        self.recorder.submit(&self.bench.caller, signed).await
    }

    /// Enrols another key of the center: an officer's.
    async fn enrol_officer(&self, number: u8) -> Ed25519Signer {
        let officer = Ed25519Signer::generate().unwrap();
        let enrolled = json!({"agency": CENTER, "algorithm": "ED25519", "valid_from": "2020-01-01",
            "public_key": hex::encode(officer.public_key().to_bytes())});
        let enrolled = request(ChainId::registry(ORIGIN), number, "AgencyKeyEnrolled", "SYS", enrolled);
        self.bench.founder.record(&self.bench.caller, &enrolled).await.unwrap();
        officer
    }
}

fn shown(prepared: &Prepared) -> Vec<OpenedPart> {
    let parts = prepared.parts.iter().map(|prepared| OpenedPart {
        commitment: Commitment { kind: prepared.part.kind, number: prepared.part.number, digest: Hash::ZERO },
        salt: *prepared.salt,
        plaintext: prepared.part.plaintext.clone(),
    });
    parts.collect()
}

fn signature(prepared: &Prepared, signer: &dyn Signer) -> Signature {
    let value = signer.sign(&pre_authentication(&prepared.statement)).unwrap().into();
    Signature { key_id: signer.public_key().id(), value }
}

fn signed(prepared: &Prepared, signers: &[&dyn Signer]) -> Signed {
    let signatures = signers.iter().map(|signer| signature(prepared, *signer)).collect();
    Signed::new(prepared.statement.clone(), signatures, shown(prepared)).unwrap()
}

#[tokio::test]
async fn an_act_that_the_caller_signed_is_recorded_where_no_key_is_held() {
    let desk = Desk::new().await;
    let refused = desk.recorder.record(&desk.bench.caller, &registration(chain(1), 1, "拖欠租金")).await;
    assert!(matches!(refused, Err(RecordError::KeyNotHeld { .. })), "{refused:?}");
    let prepared = desk.prepared(&registration(chain(1), 1, "拖欠租金")).await;
    assert_eq!(prepared.parts.len(), 4);
    let placed = desk.submit(&signed(&prepared, &[desk.key()])).await.unwrap();
    assert_eq!(Entry::parse(&placed.entry).unwrap().statement, prepared.statement, "what was signed is what is stored");
    let counts = desk.bench.verified().await;
    assert_eq!((counts.entries, counts.parts), (3, 2 + 4));
    // A desk that holds the key goes on from there.
    assert_eq!(desk.bench.record(&follow_up(chain(1), 2)).await.unwrap(), Revision(1));
    assert_eq!(desk.bench.verified().await.entries, 4);
}

#[tokio::test]
async fn preparing_keeps_nothing() {
    let desk = Desk::new().await;
    for _ in 0..3 {
        desk.prepared(&registration(chain(1), 1, "拖欠租金")).await;
    }
    assert_eq!(desk.bench.verified().await.entries, 2);
    assert!(desk.bench.log().log().read(chain(1), Revision::FIRST, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_act_again_answers_the_same_entry_and_other_content_is_refused() {
    let desk = Desk::new().await;
    let request = registration(chain(1), 1, "拖欠租金");
    let (prepared, once_more) = (desk.prepared(&request).await, desk.prepared(&request).await);
    assert_ne!(prepared.statement, once_more.statement, "salts are never the same");
    let submission = signed(&prepared, &[desk.key()]);
    let placed = desk.submit(&submission).await.unwrap();
    desk.bench.record(&follow_up(chain(1), 2)).await.unwrap();
    assert_eq!(desk.submit(&submission).await.unwrap(), placed);
    assert_eq!(desk.submit(&signed(&once_more, &[desk.key()])).await.unwrap(), placed, "under other salts");
    let again = desk.prepare(&request).await.unwrap();
    assert!(matches!(again, Preparation::Recorded(known) if known == placed));
    let other = desk.prepare(&registration(chain(1), 1, "拖欠货款")).await;
    assert!(matches!(other, Err(RecordError::EventIdReused { .. })), "{other:?}");
    assert_eq!(desk.bench.verified().await.entries, 4);
}

#[tokio::test]
async fn a_statement_for_a_place_that_is_taken_is_refused_with_the_new_head() {
    let desk = Desk::new().await;
    desk.bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    let prepared = desk.prepared(&follow_up(chain(1), 2)).await;
    let placed = desk.bench.recorder.record(&desk.bench.caller, &follow_up(chain(1), 3)).await.unwrap();
    let stale = desk.submit(&signed(&prepared, &[desk.key()])).await;
    let Err(RecordError::PreparedStale { prepared: Revision(1), next: Revision(2), head }) = stale else {
        panic!("{stale:?}")
    };
    assert_eq!(head, placed.leaf);
    let prepared = desk.prepared(&follow_up(chain(1), 2)).await;
    assert_eq!(Statement::parse(&prepared.statement).unwrap().previous, head);
    assert_eq!(desk.submit(&signed(&prepared, &[desk.key()])).await.unwrap().revision, Revision(2));
    assert_eq!(desk.bench.verified().await.entries, 5);
}

#[tokio::test]
async fn admission_is_asked_again_when_the_signed_act_comes() {
    let desk = Desk::new().await;
    desk.bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    let closed = |number| {
        let data = json!({"outcome": "MEDIATED", "ground": "FULL_PERFORMANCE",
            "procedures": [{"kind": "PETITION", "number": "XF1", "state": "COMPLETED"}]});
        request(chain(1), number, "DisputeClosed", "DIR", data)
    };
    let prepared = desk.prepared(&closed(2)).await;
    desk.bench.record(&closed(3)).await.unwrap();
    let refused = desk.submit(&signed(&prepared, &[desk.key()])).await;
    assert!(
        matches!(&refused, Err(RecordError::Refused(refusal)) if refusal.reason == Reason::ChainClosed),
        "{refused:?}"
    );
    assert_eq!(desk.bench.verified().await.entries, 4);
}

#[tokio::test]
async fn what_does_not_agree_with_its_statement_is_no_signed_act() {
    let desk = Desk::new().await;
    let prepared = desk.prepared(&registration(chain(1), 1, "拖欠租金")).await;
    let own = signature(&prepared, desk.key());
    let with = |change: fn(&mut Vec<OpenedPart>)| {
        let mut parts = shown(&prepared);
        change(&mut parts);
        Signed::new(prepared.statement.clone(), vec![own.clone()], parts).map(|_| ())
    };
    assert_eq!(with(|_| ()), Ok(()));
    let broken = |found: Result<(), SignedError>| matches!(found, Err(SignedError::CommitmentBroken { .. }));
    assert!(broken(with(|parts| {
        let salt = parts.first().unwrap().salt;
        parts.last_mut().unwrap().salt = salt;
    })));
    assert!(broken(with(|parts| parts.last_mut().unwrap().plaintext = b"\x32\x00".as_slice().into())));
    assert_eq!(with(|parts| drop(parts.pop())), Err(SignedError::OtherParts));
    assert_eq!(with(|parts| parts.push(parts.last().unwrap().clone())), Err(SignedError::OtherParts));
    assert_eq!(with(|parts| parts.swap(0, 3)), Err(SignedError::OtherParts));

    let signed = |signatures| Signed::new(prepared.statement.clone(), signatures, shown(&prepared)).map(|_| ());
    assert_eq!(signed(vec![]), Err(SignedError::SignatureCount { count: 0 }));
    assert_eq!(signed(vec![own.clone(), own.clone()]), Err(SignedError::SignedTwice));
    let many = (0..17).map(|number| Signature { key_id: KeyId([number; 32]), value: own.value.clone() });
    assert_eq!(signed(many.collect()), Err(SignedError::SignatureCount { count: 17 }));
    let longer = [prepared.statement.as_ref(), &[0xa0, 0x06, 0x01]].concat().into();
    let noncanonical = Signed::new(longer, vec![own.clone()], shown(&prepared));
    assert!(matches!(noncanonical, Err(SignedError::Statement(_))), "{noncanonical:?}");
}

/// Changes a statement, signs it, and submits it.
async fn changed(desk: &Desk, change: impl FnOnce(&mut Statement)) -> Result<Placed, RecordError> {
    let prepared = desk.prepared(&registration(chain(1), 1, "拖欠租金")).await;
    let mut statement = Statement::parse(&prepared.statement).unwrap();
    change(&mut statement);
    let mut parts = shown(&prepared);
    if statement.origin != ORIGIN {
        // The commitments are those of the other ledger, so that nothing but the name is wrong.
        for (commitment, part) in statement.commitments.iter_mut().zip(&mut parts) {
            let (kind, number) = (commitment.kind, commitment.number);
            commitment.digest =
                crate::part::digest(&statement.origin, statement.event_id, kind, number, &part.salt, &part.plaintext);
        }
    }
    let changed = Prepared { statement: statement.to_bytes(), parts: Vec::new() };
    let own = signature(&changed, desk.key());
    desk.submit(&Signed::new(changed.statement, vec![own], parts).unwrap()).await
}

#[tokio::test]
async fn a_statement_that_this_ledger_would_not_prepare_for_this_caller_is_refused() {
    let desk = Desk::new().await;
    let other = changed(&desk, |statement| statement.origin = "other.example/log".to_owned()).await;
    assert!(matches!(other, Err(RecordError::OtherStatement { field: "origin" })), "{other:?}");
    let other = changed(&desk, |statement| statement.agency = "CT-ZS".to_owned()).await;
    assert!(matches!(other, Err(RecordError::OtherStatement { field: "agency" })), "{other:?}");
    let other = changed(&desk, |statement| statement.rule_set = "cn-2019".to_owned()).await;
    assert!(matches!(other, Err(RecordError::OtherStatement { field: "rule_set" })), "{other:?}");
    let other = changed(&desk, |statement| statement.key_id = KeyId([7; 32])).await;
    assert!(matches!(other, Err(RecordError::KeyNotEnrolled { key_id: KeyId([7, ..]), .. })), "{other:?}");
    let other = changed(&desk, |statement| statement.revision = Revision(1)).await;
    assert!(matches!(other, Err(RecordError::PreparedStale { next: Revision(0), .. })), "{other:?}");
    let other = changed(&desk, |statement| statement.previous = Hash([7; 32])).await;
    assert!(matches!(other, Err(RecordError::PreparedStale { head: Hash::ZERO, .. })), "{other:?}");
    assert_eq!(desk.bench.verified().await.entries, 2);
}

#[tokio::test]
async fn a_signature_that_is_none_is_refused_the_agencys_as_any_other() {
    let desk = Desk::new().await;
    let (officer, stranger) = (desk.enrol_officer(3).await, Ed25519Signer::generate().unwrap());
    let prepared = desk.prepared(&registration(chain(1), 1, "拖欠租金")).await;
    let own = signature(&prepared, desk.key());
    let submit = async |signatures: Vec<Signature>| {
        let signed = Signed::new(prepared.statement.clone(), signatures, shown(&prepared)).unwrap();
        desk.submit(&signed).await
    };
    let missing = submit(vec![signature(&prepared, &officer)]).await;
    assert!(matches!(missing, Err(RecordError::SignatureBad { key_id }) if key_id == own.key_id), "{missing:?}");
    let foreign = Signature { value: signature(&prepared, &officer).value, ..own.clone() };
    let foreign = submit(vec![foreign]).await;
    assert!(matches!(foreign, Err(RecordError::SignatureBad { key_id }) if key_id == own.key_id), "{foreign:?}");
    let unknown = submit(vec![own.clone(), signature(&prepared, &stranger)]).await;
    assert!(matches!(unknown, Err(RecordError::ExtraKeyUnknown { key_id }) if key_id == stranger.public_key().id()));
    let bad = Signature { key_id: officer.public_key().id(), value: own.value.clone() };
    let bad = submit(vec![own.clone(), bad]).await;
    assert!(matches!(bad, Err(RecordError::SignatureBad { key_id }) if key_id == officer.public_key().id()), "{bad:?}");
    assert_eq!(desk.bench.verified().await.entries, 3);

    let placed = submit(vec![own, signature(&prepared, &officer)]).await.unwrap();
    assert_eq!(Entry::parse(&placed.entry).unwrap().signatures.len(), 2);
    let counts = desk.bench.verified().await;
    assert_eq!((counts.entries, counts.signatures), (4, 5), "both signatures of the entry are good");
}

/// Only a key's owner can show that he has it: he signs its enrolment beside the root key.
#[tokio::test]
async fn a_key_that_is_being_enrolled_may_sign_its_own_enrolment_beside_the_root_key() {
    let desk = Desk::new().await;
    let (root, new) = (desk.bench.founder.signers.get(CENTER).unwrap(), Ed25519Signer::generate().unwrap());
    let enrolled = json!({"agency": CENTER, "algorithm": "ED25519", "valid_from": "2020-01-01",
        "public_key": hex::encode(new.public_key().to_bytes())});
    let enrolled = request(ChainId::registry(ORIGIN), 3, "AgencyKeyEnrolled", "SYS", enrolled);
    let at_desk = desk.prepare(&enrolled).await;
    assert!(matches!(at_desk, Err(RecordError::KeyNotEnrolled { .. })), "a signing key enrols nothing: {at_desk:?}");
    let prepared = desk.recorder.prepare(&desk.bench.caller, &enrolled, root.public_key().id()).await.unwrap();
    let Preparation::Prepared(prepared) = prepared else { panic!("{prepared:?}") };
    desk.submit(&signed(&prepared, &[root.as_ref(), &new])).await.unwrap();
    assert_eq!(desk.bench.verified().await.signatures, 4);
}

#[tokio::test]
async fn a_signed_act_whose_append_was_lost_or_went_unanswered_stands_once() {
    for fault in [AppendFault::Lost, AppendFault::AnswerLost] {
        let desk = Desk::new().await;
        let prepared = desk.prepared(&registration(chain(1), 1, "拖欠租金")).await;
        desk.bench.log().faults().on_append(fault);
        let placed = desk.submit(&signed(&prepared, &[desk.key()])).await.unwrap();
        assert_eq!(desk.submit(&signed(&prepared, &[desk.key()])).await.unwrap(), placed);
        assert_eq!(desk.bench.verified().await.entries, 3);
    }
}

#[tokio::test]
async fn eight_callers_who_sign_on_one_chain_all_get_through() {
    let desk = Arc::new(Desk::new().await);
    desk.bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    let callers = (0..8_u8).map(|caller| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            for act in 0..5 {
                let request = follow_up(chain(1), 10 + caller * 5 + act);
                loop {
                    let prepared = desk.prepared(&request).await;
                    // Others come in between.
                    tokio::task::yield_now().await;
                    match desk.submit(&signed(&prepared, &[desk.key()])).await {
                        Ok(_) => break,
                        Err(RecordError::PreparedStale { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(desk.bench.verified().await.entries, 3 + 40);
}
