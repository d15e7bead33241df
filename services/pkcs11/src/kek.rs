//! A vault's key-encryption key in a token.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use cryptoki::{
    context::Pkcs11,
    error::{Error as CryptokiError, RvError},
    mechanism::{Mechanism, aead::GcmParams},
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
};
use mediation_ledger::{
    entropy::{Entropy, Purpose},
    kek::{Error, Kek, Name, WRAPPED_BYTES, Wrapped},
    part::{Cipher, NONCE_BYTES},
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{AuthPin, TokenError, initialized, only, slot};

const NAME_DOMAIN: &[u8] = b"mediation-ledger/vault/kek-token/v1\0";

/// Associated data of what a session that is opened anew must open: that the key is still the same.
const SAME_DOMAIN: &[u8] = b"mediation-ledger/vault/kek-same/v1\0";

const TAG_BITS: u64 = 128;

/// An AES-256 key in a token (`CKM_AES_GCM`, PKCS #11 3.0 section 2.13.3) that cannot be taken out of it.
///
/// A session that fails is opened anew, with the module; a token that came back is found by its label, and must be the
/// same one with the same key. A wrong PIN is tried once: a token locks itself after a few.
pub struct TokenKek {
    module: PathBuf,
    token: String,
    key: String,
    pin: AuthPin,
    name: Name,
    /// What the key wrapped when it was opened first.
    same: Wrapped,
    state: Mutex<State>,
}

/// A session is used by one thread at a time.
enum State {
    Open(Opened),
    /// The next call opens it.
    Away,
    /// The token refused the PIN: nothing is tried any more.
    Refused(String),
}

struct Opened {
    session: Session,
    key: ObjectHandle,
    name: Name,
}

impl TokenKek {
    /// Loads a module, finds a token and a secret key in it by their labels, and logs in with the user's PIN.
    ///
    /// # Errors
    /// The module does not load, token or key are not there or there twice, the PIN is wrong, the token does not have
    /// `CKM_AES_GCM`, or the key is no AES-256 key that stays in the token.
    pub fn open(module: &Path, token: &str, key: &str, pin: AuthPin) -> Result<Self, TokenError> {
        let opened = Opened::new(module, token, key, &pin)?;
        let (mut nonce, probe) = ([0; NONCE_BYTES], Zeroizing::new([0; 32]));
        opened.session.generate_random_slice(&mut nonce)?;
        let same = opened.wrap(nonce, SAME_DOMAIN, &probe)?;
        Ok(Self {
            module: module.to_owned(),
            token: token.to_owned(),
            key: key.to_owned(),
            pin,
            name: opened.name,
            same,
            state: Mutex::new(State::Open(opened)),
        })
    }

    /// What a call says; once more with a new session where the first one is gone.
    ///
    /// Tokens say in many words that a wrap does not open. What a key refuses that has just opened its own wrap is refused.
    fn call<T>(
        &self,
        refused: impl Fn(CryptokiError) -> Error,
        call: impl Fn(&Opened) -> Result<T, CryptokiError>,
    ) -> Result<T, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(opened) = &*state {
            match call(opened) {
                Ok(answer) => return Ok(answer),
                // The token's word on the wrap, not on the session.
                Err(error) if is_refusal(&error) => return Err(Error::Refused),
                Err(error) => tracing::warn!(%error, "the session with the token is gone; it is opened anew"),
            }
        }
        let opened = self.reopened(&mut state)?;
        let answer = call(&opened).map_err(refused);
        *state = State::Open(opened);
        answer
    }

    /// The same key in a new session. Whatever fails, the old one is gone.
    fn reopened(&self, state: &mut MutexGuard<'_, State>) -> Result<Opened, Error> {
        if let State::Refused(why) = &**state {
            return Err(Error::Unavailable(why.clone()));
        }
        if let State::Open(Opened { session, .. }) = std::mem::replace(&mut **state, State::Away) {
            drop(session);
        }
        let opened = match Opened::new(&self.module, &self.token, &self.key, &self.pin) {
            Ok(opened) => opened,
            Err(error) => {
                let told = error.to_string();
                if matches!(
                    &error,
                    TokenError::Module(CryptokiError::Pkcs11(RvError::PinIncorrect | RvError::PinLocked, _))
                ) {
                    **state = State::Refused(told.clone());
                }
                return Err(Error::Unavailable(told));
            }
        };
        let same = opened.name == self.name && opened.unwrap(SAME_DOMAIN, &self.same).is_ok();
        if same { Ok(opened) } else { Err(Error::Unavailable("the token that came back has another key".to_owned())) }
    }
}

impl fmt::Debug for TokenKek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenKek").field(&self.name).finish()
    }
}

impl Kek for TokenKek {
    fn name(&self) -> Name {
        self.name
    }

    fn cipher(&self) -> Cipher {
        Cipher::Aes256Gcm
    }

    fn wrap(&self, entropy: &dyn Entropy, aad: &[u8], key: &[u8; 32]) -> Result<Wrapped, Error> {
        let mut nonce = [0; NONCE_BYTES];
        let purpose = Purpose { what: "vault/nonce", of: &[&self.name.0, aad, key] };
        entropy.fill(&purpose, &mut nonce).map_err(|error| Error::Unavailable(error.to_string()))?;
        self.call(|error| Error::Unavailable(error.to_string()), |opened| opened.wrap(nonce, aad, key))
    }

    fn unwrap(&self, aad: &[u8], wrapped: &Wrapped) -> Result<Zeroizing<[u8; 32]>, Error> {
        self.call(|_error| Error::Refused, |opened| opened.unwrap(aad, wrapped))
    }
}

impl Opened {
    fn new(module: &Path, token: &str, key: &str, pin: &AuthPin) -> Result<Self, TokenError> {
        let pkcs11: Pkcs11 = initialized(module)?;
        let slot = slot(&pkcs11, token)?;
        let serial = pkcs11.get_token_info(slot)?.serial_number().to_owned();
        let session = pkcs11.open_ro_session(slot)?;
        match session.login(UserType::User, Some(pin)) {
            // The PIN counts for all sessions of a process with one token.
            Ok(()) | Err(CryptokiError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(error.into()),
        }
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(key.as_bytes().to_vec()),
        ];
        let handle = only(session.find_objects(&template)?, "secret AES key", key)?;
        let id = checked(&session, handle, key)?;
        // A token without ids tells keys apart by their labels.
        let id = if id.is_empty() { key.as_bytes().to_vec() } else { id };
        Ok(Self { session, key: handle, name: name(&serial, &id) })
    }

    fn wrap(&self, mut nonce: [u8; NONCE_BYTES], aad: &[u8], key: &[u8; 32]) -> Result<Wrapped, CryptokiError> {
        let sent = nonce;
        let gcm = Mechanism::AesGcm(GcmParams::new(&mut nonce, aad, TAG_BITS.into())?);
        let sealed = self.session.encrypt(&gcm, self.key, key)?;
        let whole: Option<[u8; WRAPPED_BYTES]> = [sent.as_slice(), &sealed].concat().try_into().ok();
        whole.map(Wrapped).ok_or(CryptokiError::InvalidValue)
    }

    fn unwrap(&self, aad: &[u8], wrapped: &Wrapped) -> Result<Zeroizing<[u8; 32]>, CryptokiError> {
        let (nonce, sealed) = wrapped.0.split_first_chunk::<NONCE_BYTES>().ok_or(CryptokiError::InvalidValue)?;
        let mut nonce = *nonce;
        let gcm = Mechanism::AesGcm(GcmParams::new(&mut nonce, aad, TAG_BITS.into())?);
        let opened = Zeroizing::new(self.session.decrypt(&gcm, self.key, sealed)?);
        opened.as_slice().try_into().map(Zeroizing::new).map_err(|_error| CryptokiError::InvalidValue)
    }
}

/// The id of a key that is what it has to be.
fn checked(session: &Session, key: ObjectHandle, label: &str) -> Result<Vec<u8>, TokenError> {
    let wanted = [AttributeType::Id, AttributeType::ValueLen, AttributeType::Extractable, AttributeType::Sensitive];
    let (mut id, mut bytes, mut extractable, mut sensitive) = (Vec::new(), 0, true, false);
    for attribute in session.get_attributes(key, &wanted)? {
        if let Attribute::Id(found) = attribute {
            id = found;
        } else if let Attribute::ValueLen(found) = attribute {
            bytes = u64::from(found);
        } else if let Attribute::Extractable(found) = attribute {
            extractable = found;
        } else if let Attribute::Sensitive(found) = attribute {
            sensitive = found;
        }
    }
    if bytes != 32 || extractable || !sensitive {
        return Err(TokenError::Unfit { label: label.to_owned() });
    }
    Ok(id)
}

/// First half of SHA-256(domain, serial number and id of the key, each after its length in 8 bytes).
fn name(serial: &str, id: &[u8]) -> Name {
    let mut hasher = Sha256::new();
    hasher.update(NAME_DOMAIN);
    for field in [serial.as_bytes(), id] {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    Name(digest.first_chunk().copied().unwrap_or_default())
}

/// Whether the token says that a wrap does not open.
fn is_refusal(error: &CryptokiError) -> bool {
    matches!(error, CryptokiError::Pkcs11(RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange, _))
}
