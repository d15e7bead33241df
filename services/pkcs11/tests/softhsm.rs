//! Signing with a key in SoftHSM. `.ci/softhsm` makes the token and names it in the environment.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails, and says where")]

use std::{env, fs, path::PathBuf};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    mechanism::Mechanism,
    object::Attribute,
    session::UserType,
};
use mediation_ledger::{
    entropy::SystemEntropy,
    kek::{Error, Kek as _, Wrapped},
    key::Signer as _,
    statement::pre_authentication,
};
use mediation_pkcs11::{AuthPin, TokenError, TokenKek, TokenSigner};

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
fn keys_that_were_made_in_a_token_sign_and_wrap_and_mistakes_are_named() {
    signs();
    wraps();
}

fn signs() {
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

/// Makes a secret key in the token, as the operator does.
fn generate_secret(label: &str, extractable: bool) {
    let pkcs11 = Pkcs11::new(module()).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = pkcs11.get_slots_with_initialized_token().unwrap().into_iter();
    let slot = slot.into_iter().find(|slot| pkcs11.get_token_info(*slot).unwrap().label() == TOKEN).unwrap();
    let session = pkcs11.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
    let template = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(extractable),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::ValueLen(32.into()),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    session.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
}

fn open_kek(key: &str, pin: &str) -> Result<TokenKek, TokenError> {
    TokenKek::open(&module(), TOKEN, key, AuthPin::from(pin))
}

fn wraps() {
    generate_secret("vault", false);
    generate_secret("loose", true);
    let kek = open_kek("vault", PIN).unwrap();
    let wrapped = kek.wrap(&SystemEntropy, b"for", &[7; 32]).unwrap();
    assert_ne!(kek.wrap(&SystemEntropy, b"for", &[7; 32]).unwrap(), wrapped, "a nonce came twice");
    assert_eq!(*kek.unwrap(b"for", &wrapped).unwrap(), [7; 32]);
    assert!(matches!(kek.unwrap(b"another", &wrapped), Err(Error::Refused)));
    let mut damaged = wrapped.0;
    damaged.iter_mut().take(1).for_each(|byte| *byte ^= 1);
    assert!(matches!(kek.unwrap(b"for", &Wrapped(damaged)), Err(Error::Refused)));
    assert_eq!(*kek.unwrap(b"for", &wrapped).unwrap(), [7; 32], "after a refusal");

    // The token is taken away and put back.
    let tokens = PathBuf::from(env::var_os("SOFTHSM2_TOKENS").expect("`.ci/softhsm` names the directory"));
    let away = tokens.with_extension("away");
    fs::rename(&tokens, &away).unwrap();
    fs::create_dir(&tokens).unwrap();
    let gone = kek.unwrap(b"for", &wrapped);
    assert!(matches!(gone, Err(Error::Unavailable(_))), "{gone:?}");
    let gone = kek.wrap(&SystemEntropy, b"for", &[7; 32]);
    assert!(matches!(gone, Err(Error::Unavailable(_))), "{gone:?}");
    fs::remove_dir(&tokens).unwrap();
    fs::rename(&away, &tokens).unwrap();
    assert_eq!(*kek.unwrap(b"for", &wrapped).unwrap(), [7; 32], "it comes back with the token");
    let name = kek.name();
    drop(kek);

    let again = open_kek("vault", PIN).unwrap();
    assert_eq!((again.name(), *again.unwrap(b"for", &wrapped).unwrap()), (name, [7; 32]));
    drop(again);
    let wrong_pin = open_kek("vault", "4321");
    assert!(matches!(wrong_pin, Err(TokenError::Module(_))), "{wrong_pin:?}");
    let loose = open_kek("loose", PIN);
    assert!(matches!(loose, Err(TokenError::Unfit { .. })), "{loose:?}");
    let no_key = open_kek("nobody", PIN);
    assert!(matches!(no_key, Err(TokenError::NotThere { what: "secret AES key", .. })), "{no_key:?}");
}
