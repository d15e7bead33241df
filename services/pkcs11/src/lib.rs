//! Signs with a key in a PKCS #11 token, and wraps a vault's keys with one: a UKey, a smart card, an HSM. The keys never leave
//! the token; what leaves it is the public half of the one with its signatures, and what the other wraps and opens.
//!
//! A crate of its own, since it alone loads a library that somebody else wrote into the process. Nothing of the ledger's
//! servers needs it, and a client only where the agency's key lies in a token.

use std::{
    fmt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error as CryptokiError, RvError},
    mechanism::{
        Mechanism,
        eddsa::{EddsaParams, EddsaSignatureScheme},
    },
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
};
use mediation_ledger::key::{KeyError, PublicKey, SignError, Signer};

mod kek;

pub use self::kek::TokenKek;
pub use cryptoki::types::AuthPin;

/// DER of an `OCTET STRING` of 32 bytes, before them: how PKCS #11 gives an Ed25519 public key (`CKA_EC_POINT`).
const OCTETS_32: [u8; 2] = [0x04, 0x20];

/// An Ed25519 key in a token (`CKM_EDDSA`, PKCS #11 3.0 section 2.3.14), logged in to for as long as this lives.
pub struct TokenSigner {
    /// A session is used by one thread at a time.
    session: Mutex<Session>,
    key: ObjectHandle,
    public_key: PublicKey,
}

impl TokenSigner {
    /// Loads a module, finds a token and a key pair in it by their labels, and logs in with the user's PIN.
    ///
    /// # Errors
    /// The module does not load, token or key are not there or there twice, the PIN is wrong, or the key is no Ed25519 key.
    pub fn open(module: &Path, token: &str, key: &str, pin: &AuthPin) -> Result<Self, TokenError> {
        let pkcs11 = initialized(module)?;
        let session = pkcs11.open_ro_session(slot(&pkcs11, token)?)?;
        session.login(UserType::User, Some(pin))?;
        let public_key = public_key(&session, key)?;
        let key = object(&session, ObjectClass::PRIVATE_KEY, key)?;
        Ok(Self { session: Mutex::new(session), key, public_key })
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenSigner").field(&self.public_key.id()).finish()
    }
}

impl Signer for TokenSigner {
    fn public_key(&self) -> PublicKey {
        self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let pure = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        session.sign(&pure, self.key, message).map_err(|error| SignError(error.to_string()))
    }
}

/// A module that is ready; it may be in use by this process already.
fn initialized(module: &Path) -> Result<Pkcs11, CryptokiError> {
    let pkcs11 = Pkcs11::new(module)?;
    match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(CryptokiError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(pkcs11),
        Err(error) => Err(error),
    }
}

fn slot(pkcs11: &Pkcs11, label: &str) -> Result<Slot, TokenError> {
    let mut found = Vec::new();
    for slot in pkcs11.get_slots_with_initialized_token()? {
        if pkcs11.get_token_info(slot)?.label() == label {
            found.push(slot);
        }
    }
    only(found, "token", label)
}

fn object(session: &Session, class: ObjectClass, label: &str) -> Result<ObjectHandle, TokenError> {
    let template =
        [Attribute::Class(class), Attribute::KeyType(KeyType::EC_EDWARDS), Attribute::Label(label.as_bytes().to_vec())];
    let what = if class == ObjectClass::PRIVATE_KEY { "private Ed25519 key" } else { "public Ed25519 key" };
    only(session.find_objects(&template)?, what, label)
}

fn only<T>(mut found: Vec<T>, what: &'static str, label: &str) -> Result<T, TokenError> {
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(TokenError::NotThere { what, label: label.to_owned() }),
        (Some(_), _) => Err(TokenError::Ambiguous { what, label: label.to_owned() }),
    }
}

fn public_key(session: &Session, label: &str) -> Result<PublicKey, TokenError> {
    let public = object(session, ObjectClass::PUBLIC_KEY, label)?;
    let point = session
        .get_attributes(public, &[AttributeType::EcPoint])?
        .into_iter()
        .find_map(|attribute| if let Attribute::EcPoint(point) = attribute { Some(point) } else { None });
    let point = point.ok_or(TokenError::NoPoint)?;
    // Some tokens give the bytes bare.
    let bytes = point.strip_prefix(&OCTETS_32).filter(|bytes| bytes.len() == 32).unwrap_or(&point);
    Ok(PublicKey::ed25519(bytes)?)
}

/// Why a token cannot be signed with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The module or the token refuses: it does not load, the PIN is wrong, the device is away.
    #[error("the token's module says: {0}")]
    Module(#[from] CryptokiError),
    /// No token or key of this label.
    #[error("there is no {what} `{label}`")]
    NotThere {
        /// What was looked for.
        what: &'static str,
        /// Its label.
        label: String,
    },
    /// Several of this label: which one is meant nobody can tell.
    #[error("there is more than one {what} `{label}`")]
    Ambiguous {
        /// What was looked for.
        what: &'static str,
        /// Its label.
        label: String,
    },
    /// The key may leave the token, or is none of 256 bits.
    #[error("the key `{label}` is no AES key of 256 bits that is sensitive and cannot be extracted")]
    Unfit {
        /// Its label.
        label: String,
    },
    /// The token does not show the public key.
    #[error("the token does not show the public key")]
    NoPoint,
    /// What the token shows is no Ed25519 public key.
    #[error("the token's public key is none: {0}")]
    Key(#[from] KeyError),
}
