//! Signing with a key in SoftHSM. `.ci/softhsm` makes the token and names it in the environment.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails, and says where")]

use std::{env, path::PathBuf};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    mechanism::Mechanism,
    object::Attribute,
    session::UserType,
};
use mediation_ledger::{key::Signer as _, statement::pre_authentication};
use mediation_pkcs11::{AuthPin, TokenError, TokenSigner};

/// DER of the name of the curve, as SoftHSM takes it: a `PrintableString`.
const EDWARDS_25519: &[u8] = b"\x13\x0cedwards25519";

const TOKEN: &str = "mediation";
const PIN: &str = "1234";

fn module() -> PathBuf {
    env::var_os("SOFTHSM2_MODULE").expect("`.ci/softhsm` names the module").into()
}

fn open(token: &str, key: &str, pin: &str) -> Result<TokenSigner, TokenError> {
    TokenSigner::open(&module(), token, key, &AuthPin::from(pin))
}

/// Makes a key pair in the token; its private half can be neither read nor taken out.
fn generate(label: &str) {
    let pkcs11 = Pkcs11::new(module()).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = pkcs11.get_slots_with_initialized_token().unwrap().into_iter();
    let slot = slot.into_iter().find(|slot| pkcs11.get_token_info(*slot).unwrap().label() == TOKEN).unwrap();
    let session = pkcs11.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
    let label = Attribute::Label(label.as_bytes().to_vec());
    let public = [
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::EcParams(EDWARDS_25519.to_vec()),
        label.clone(),
    ];
    let private = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        label,
    ];
    session.generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &private).unwrap();
}

/// One test: a module is loaded once into a process, and logged in to once.
#[test]
fn a_key_that_was_made_in_a_token_signs_statements_and_mistakes_are_named() {
    generate("officer");
    let signer = open(TOKEN, "officer", PIN).unwrap();
    let (key, signed) = (signer.public_key(), pre_authentication(b"statement"));
    let signature = signer.sign(&signed).unwrap();
    assert!(key.verifies(&signed, &signature));
    assert!(!key.verifies(b"statement", &signature));
    assert_eq!(signer.sign(&signed).unwrap(), signature, "Ed25519 is deterministic");
    drop(signer);

    let wrong_pin = open(TOKEN, "officer", "4321");
    assert!(matches!(wrong_pin, Err(TokenError::Module(_))), "{wrong_pin:?}");
    let no_token = open("another", "officer", PIN);
    assert!(matches!(no_token, Err(TokenError::NotThere { what: "token", .. })), "{no_token:?}");
    let no_key = open(TOKEN, "nobody", PIN);
    assert!(matches!(no_key, Err(TokenError::NotThere { what: "public Ed25519 key", .. })), "{no_key:?}");
    generate("twice");
    generate("twice");
    let twice = open(TOKEN, "twice", PIN);
    assert!(matches!(twice, Err(TokenError::Ambiguous { .. })), "{twice:?}");
    let no_module = TokenSigner::open(&PathBuf::from("/nowhere/module.so"), TOKEN, "officer", &AuthPin::from(PIN));
    assert!(matches!(no_module, Err(TokenError::Module(_))), "{no_module:?}");
}
