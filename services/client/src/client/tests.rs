//! Which receipts are believed.

use mediation_ledger::statement::{Statement, encode};
use mediation_proto::mediation::ledger::v1::{self as proto, Act, PartKind};

use super::*;

const CHAIN: &str = "01010101-0101-0101-0101-010101010101";
const EVENT: &str = "00000000-0000-7000-8000-000000000001";

fn receipt() -> VerifiedReceipt {
    let commitment =
        proto::Commitment { algorithm: 1, kind: PartKind::Act.into(), number: 0, digest: vec![4; 32].into() };
    let statement = proto::Statement {
        origin: "test.example/log".to_owned(),
        event_id: vec![0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1].into(),
        chain: vec![1; 16].into(),
        revision: 0,
        previous: vec![0; 32].into(),
        agency: "ZC-ZS".to_owned(),
        key_id: vec![3; 32].into(),
        occurred_at: 1_709_514_720,
        rule_set: "cn-2024-fixture".to_owned(),
        commitments: vec![commitment],
    };
    let statement = Statement::parse(&encode(&statement).into()).unwrap();
    VerifiedReceipt { statement, recorded_at: 0, leaf: Hash::ZERO, seal: None }
}

#[test]
fn a_good_receipt_of_another_act_is_not_believed() {
    let request = ActRequest {
        chain_id: Some(CHAIN.to_owned()),
        event_id: Some(EVENT.to_owned()),
        expected_revision: None,
        occurred_at: Some(prost_types::Timestamp { seconds: 1_709_514_720, nanos: 0 }),
        wait: None,
        act: Act::default(),
    };
    let agrees = |request: &ActRequest| Asked::of(request).check(&receipt()).is_ok();
    assert!(agrees(&request));
    let others = [
        ActRequest { chain_id: Some(EVENT.to_owned()), ..request.clone() },
        ActRequest { event_id: Some(CHAIN.to_owned()), ..request.clone() },
        ActRequest { occurred_at: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }), ..request },
    ];
    for other in others {
        assert!(!agrees(&other), "{other:?}");
    }
}
