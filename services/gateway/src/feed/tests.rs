//! Letters, order and signatures, without a ledger.

use std::time::Duration;

use mediation_ledger::chain::ChainId;

use super::{Event, Letters, LettersError, Retry, WebhookKey};

fn event(index: u64, chain: u8) -> Event {
    Event { index, chain: ChainId([chain; 16]), json: format!("{{\"id\":\"{index}\"}}") }
}

#[test]
fn a_signature_is_the_one_of_standard_webhooks() {
    // The example of the specification, and computed apart with Python's hmac.
    let key = WebhookKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    for text in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
        assert!(WebhookKey::parse(text).is_none(), "{text}");
    }
}

#[test]
fn a_pause_doubles_within_its_halves_and_is_bounded() {
    let retry = Retry { attempts: 30, first_pause: Duration::from_millis(100) };
    for (attempt, whole) in [(1, 100), (2, 200), (5, 1_600), (29, 60_000)] {
        let pause = retry.pause(attempt).as_millis();
        assert!((whole / 2..=whole).contains(&pause), "{attempt}: {pause}");
    }
}

#[test]
fn letters_and_cursor_stand_after_a_restart_and_hold_up_their_chain_alone() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("state").join("province");
    Letters::create(&root, 7).unwrap();
    assert!(Letters::create(&root, 0).is_err(), "there is one already");
    let mut letters = Letters::open(&root).unwrap();
    assert!(matches!(Letters::open(&root), Err(LettersError::Held { .. })));
    assert_eq!(letters.cursor().unwrap(), 7);
    letters.keep(&event(8, 1), "answered 500").unwrap();
    letters.keep(&event(11, 1), "behind").unwrap();
    letters.advance(12).unwrap();
    drop(letters);
    let mut letters = Letters::open(&root).unwrap();
    assert_eq!(letters.cursor().unwrap(), 12);
    assert!(letters.is_behind(ChainId([1; 16])) && !letters.is_behind(ChainId([2; 16])));
    // Of two letters of a chain the later is not sent before the earlier.
    assert_eq!(Letters::resend(&root, &[11]).unwrap(), 1);
    assert!(letters.again().unwrap().is_empty());
    assert_eq!(Letters::resend(&root, &[]).unwrap(), 1);
    let again: Vec<u64> = letters.again().unwrap().iter().map(|letter| letter.index).collect();
    assert_eq!(again, [8, 11]);
    letters.refused(8).unwrap();
    assert!(letters.again().unwrap().is_empty(), "the later waits behind the one that was refused");
    Letters::resend(&root, &[8]).unwrap();
    letters.taken(8).unwrap();
    letters.taken(11).unwrap();
    assert!(!letters.is_behind(ChainId([1; 16])) && Letters::dead(&root).unwrap().is_empty());
    assert!(Letters::resend(&root, &[8]).is_err(), "what is not there cannot be sent");
}

#[test]
fn a_state_that_is_not_there_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Letters::open(&directory.path().join("none")).is_err());
}
