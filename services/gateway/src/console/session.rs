//! Who sits before the browser.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mediation_ledger::{checkpoint::Checkpoint, registry::Registry};
use tokio::time::Instant;

use super::{Console, OFFICIAL, Office, Seat, failure::Failure, frame::Tongue};

/// Sessions open at once. A console serves the officials of one agency.
const SESSIONS_MAX: usize = 256;

/// Time after which a session that nobody used is over.
const IDLE_MAX: Duration = Duration::from_secs(30 * 60);

/// Time after which every session is over.
const AGE_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// Chains that a session remembers to have shown.
const SHOWN_MAX: usize = 20;

/// Bytes of a session's token: nobody guesses it.
const TOKEN_BYTES: usize = 32;

const TOKEN: &str = "session";
const LANGUAGE: &str = "lang";

/// Open sessions by their tokens.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<BTreeMap<String, Session>>);

#[derive(Debug, Clone)]
struct Session {
    seat: Seat,
    /// The official whose certificate opened it; none where a code did. It is his alone.
    official: Option<String>,
    registry: Arc<Registry>,
    began: Instant,
    used: Instant,
    shown: Vec<Shown>,
    /// The last checkpoint that this session was shown: every later one must extend it.
    checkpoint: Option<Checkpoint>,
}

/// A chain that was shown in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// Chain id.
    pub(super) chain: String,
    /// What the page called it.
    pub(super) title: String,
}

/// Who sends a request.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) seat: Seat,
    pub(super) registry: Arc<Registry>,
    pub(super) tongue: Tongue,
    pub(super) shown: Vec<Shown>,
    pub(super) checkpoint: Option<Checkpoint>,
    token: String,
}

impl Sessions {
    /// Begins a session; answers its token. None when too many are open, or the machine gives no random numbers.
    pub(super) fn begin(&self, seat: Seat, official: Option<String>, registry: Registry) -> Option<String> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).ok()?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let now = Instant::now();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.is_open(now));
        if sessions.len() >= SESSIONS_MAX {
            return None;
        }
        let registry = Arc::new(registry);
        let (shown, checkpoint) = (Vec::new(), None);
        let session = Session { seat, official, registry, began: now, used: now, shown, checkpoint };
        sessions.insert(token.clone(), session);
        Some(token)
    }

    /// Ends a session.
    pub(super) fn end(&self, headers: &HeaderMap) {
        if let Some(token) = cookie(headers, TOKEN) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
        }
    }

    fn of(&self, headers: &HeaderMap) -> Option<(String, Session)> {
        let token = cookie(headers, TOKEN)?;
        let now = Instant::now();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let official = official(headers);
        let is_his = |session: &&mut Session| session.official.as_deref() == official && session.is_open(now);
        let session = sessions.get_mut(token).filter(is_his)?;
        session.used = now;
        Some((token.to_owned(), session.clone()))
    }

    fn change(&self, token: &str, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(token) {
            change(session);
        }
    }
}

impl Session {
    fn is_open(&self, now: Instant) -> bool {
        now.duration_since(self.used) < IDLE_MAX && now.duration_since(self.began) < AGE_MAX
    }
}

impl<E: Office> Console<E> {
    /// Who sends this request; without a session he is sent to the door.
    pub(super) fn visitor(&self, headers: &HeaderMap) -> Result<Visitor, Failure> {
        let (token, session) = self.sessions.of(headers).ok_or(Failure::NoSession)?;
        let Session { seat, registry, shown, checkpoint, .. } = session;
        Ok(Visitor { seat, registry, tongue: tongue(headers), shown, checkpoint, token })
    }

    /// Remembers that a chain was shown.
    pub(super) fn remember(&self, visitor: &Visitor, shown: Shown) {
        self.sessions.change(&visitor.token, |session| {
            session.shown.retain(|other| other.chain != shown.chain);
            session.shown.insert(0, shown);
            session.shown.truncate(SHOWN_MAX);
        });
    }

    /// Remembers a checkpoint that extends the one before.
    pub(super) fn witness(&self, visitor: &Visitor, checkpoint: Checkpoint) {
        self.sessions.change(&visitor.token, |session| session.checkpoint = Some(checkpoint));
    }

    /// Remembers a registry that was read anew.
    pub(super) fn know(&self, visitor: &Visitor, registry: Registry) {
        self.sessions.change(&visitor.token, |session| session.registry = Arc::new(registry));
    }
}

/// The official whom the certificate of the connection names.
pub(super) fn official(headers: &HeaderMap) -> Option<&str> {
    headers.get(OFFICIAL).and_then(|official| official.to_str().ok())
}

/// The language that the browser keeps.
pub(super) fn tongue(headers: &HeaderMap) -> Tongue {
    if cookie(headers, LANGUAGE) == Some("en") { Tongue::English } else { Tongue::Chinese }
}

/// Cookie of a session: for this site alone, out of reach of scripts, and over TLS alone where there is TLS.
pub(super) fn token_cookie(token: &str, official: Option<&str>) -> String {
    let secure = if official.is_some() { "; Secure" } else { "" };
    format!("{TOKEN}={token}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// Cookie that ends a session.
pub(super) fn no_token_cookie() -> String {
    format!("{TOKEN}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}

/// Cookie of a language.
pub(super) fn language_cookie(tongue: Tongue) -> String {
    format!("{LANGUAGE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000", tongue.code())
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}
