//! Webhooks, signed as Standard Webhooks signs them: HMAC-SHA-256 over id, time and body.
//!
//! One event after the other, in the order of the log: so the order of every chain is kept. What a subscriber does not take is
//! tried again, longer and longer apart, and given up in the end; the chain's later events are then given up behind it, until
//! the operator has them sent again.

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use mediation_client::Client;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Event, Follower, Letter, Letters, LettersError, Stop, ended};
use crate::courier::{HttpCourier, Post};

/// Bytes of a subscriber's answer: nothing in it matters but its status.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Time that a subscriber has to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How often the disk is asked for letters to be sent again, and a ledger that is away is asked again.
const LOOK: Duration = Duration::from_secs(1);

/// How often, and how far apart, an event is tried.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Attempts before an event is given up.
    pub attempts: u32,
    /// Pause before the second; it doubles each time, up to a minute.
    pub first_pause: Duration,
}

impl Retry {
    /// The pause after an attempt: half of it for certain, the other half by chance, so that many do not come at once.
    pub(super) fn pause(self, attempt: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << attempt.saturating_sub(1).min(20)).min(PAUSE_MAX);
        // Without chance the pause is the shorter half: nothing depends on it.
        let chance = getrandom::u32().unwrap_or_default() >> 16;
        doubled / 2 + doubled / 2 * chance / u32::from(u16::MAX)
    }
}

/// The key that a subscriber shares with the gateway.
#[derive(Clone)]
pub struct WebhookKey(Zeroizing<Vec<u8>>);

impl WebhookKey {
    /// Reads a key as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in base64.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim_end().strip_prefix("whsec_")?).ok()?);
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The signature over an event, as it stands in the header.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn sign(&self, id: &str, time_s: u64, body: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length");
        let signed = mac.chain_update(format!("{id}.{time_s}.{body}")).finalize().into_bytes();
        format!("v1,{}", STANDARD.encode(signed))
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey")
    }
}

/// Who is told by webhook.
#[derive(Debug)]
pub struct Subscriber {
    /// Name, for the trace.
    pub name: String,
    /// Where he is told.
    pub url: String,
    /// Key that he knows.
    pub key: WebhookKey,
    /// What is kept of him.
    pub state: PathBuf,
    /// How he is tried.
    pub retry: Retry,
    /// Connections to him.
    pub courier: HttpCourier,
}

/// Tells a subscriber of everything, until the feed ends.
///
/// # Errors
/// His state cannot be read or written. Who goes on without it would tell him twice, or never.
pub async fn deliver(subscriber: Subscriber, client: Client, mut stop: Stop) -> Result<(), LettersError> {
    let letters = Letters::open(&subscriber.state)?;
    let follower = Follower::new(client, letters.cursor()?);
    let mut delivery = Delivery { subscriber, letters };
    tokio::select! {
        done = delivery.run(follower) => done,
        // Cut off at any place it is gone on with from the cursor.
        () = ended(&mut stop) => Ok(()),
    }
}

struct Delivery {
    subscriber: Subscriber,
    letters: Letters,
}

impl Delivery {
    async fn run(&mut self, mut follower: Follower) -> Result<(), LettersError> {
        loop {
            self.send_again().await?;
            match tokio::time::timeout(LOOK, follower.next()).await {
                Err(_) => {}
                Ok(Ok(event)) => self.tell(&event).await?,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the ledger is away; the feed goes on when it is back");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Tells of the next event, or keeps it; then the cursor moves.
    async fn tell(&mut self, event: &Event) -> Result<(), LettersError> {
        while self.letters.is_behind(event.chain) && self.letters.is_full() {
            tracing::error!(name = %self.subscriber.name, "there is no room for more letters; the feed waits for the operator");
            self.send_again().await?;
            tokio::time::sleep(LOOK).await;
        }
        if self.letters.is_behind(event.chain) {
            self.letters.keep(event, "an earlier event of the chain was not taken")?;
        } else {
            while let Err(why) = self.tried(event.index, &event.json).await {
                let (name, index) = (&self.subscriber.name, event.index);
                if self.letters.is_full() {
                    tracing::error!(%name, index, %why, "an event is not taken, and there is no room for more letters");
                    continue;
                }
                tracing::error!(%name, index, %why, "an event is given up");
                self.letters.keep(event, &why)?;
                break;
            }
        }
        self.letters.advance(event.index.saturating_add(1))
    }

    /// Sends again what the operator wants to be sent again.
    async fn send_again(&mut self) -> Result<(), LettersError> {
        // Looked for anew after each: one that is refused holds up the later ones of its chain.
        while let Some(Letter { index, event, .. }) = self.letters.again()?.into_iter().next() {
            match self.tried(index, &event).await {
                Ok(()) => self.letters.taken(index)?,
                Err(why) => {
                    tracing::error!(name = %self.subscriber.name, index, %why, "a letter is refused again");
                    self.letters.refused(index)?;
                }
            }
        }
        Ok(())
    }

    /// Tries an event as often as it is tried.
    async fn tried(&self, index: u64, body: &str) -> Result<(), String> {
        let Subscriber { name, retry, .. } = &self.subscriber;
        let mut attempt = 1;
        loop {
            let Err(why) = self.sent(index, body).await else { return Ok(()) };
            if attempt >= retry.attempts {
                return Err(why);
            }
            tracing::warn!(%name, index, attempt, %why, "an event was not taken");
            tokio::time::sleep(retry.pause(attempt)).await;
            attempt += 1;
        }
    }

    async fn sent(&self, index: u64, body: &str) -> Result<(), String> {
        let Subscriber { url, key, courier, .. } = &self.subscriber;
        let id = format!("msg_{index}");
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signature = key.sign(&id, now_s, body);
        let post = Post {
            content_type: "application/cloudevents+json; charset=utf-8",
            headers: vec![
                ("webhook-id", id),
                ("webhook-timestamp", now_s.to_string()),
                ("webhook-signature", signature),
            ],
            body: body.to_owned().into(),
            answer_bytes_max: ANSWER_BYTES_MAX,
            timeout: TIMEOUT,
        };
        match courier.exchange(url, post).await? {
            (200..=299, _) => Ok(()),
            (status, _) => Err(format!("answered {status}")),
        }
    }
}
