//! A vault in another process, as one agency may use it.

use std::{fmt, time::Duration};

use mediation_domain::admit::Caller;
use mediation_ledger::{
    chain::{ChainId, Revision},
    merkle::Hash,
    vault::{Admission, Candidate, DataKey, Deposit, Keys, Vault, VaultError},
};
use mediation_proto::{
    may_be_sent_again,
    mediation::ledger::v1::{AdmitRequest, vault_service_client::VaultServiceClient},
};
use tonic::{
    Response, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Error, Identity},
};

use super::wire;

/// Times that the vault is asked the same.
const ATTEMPTS_MAX: u32 = 5;

/// Pause before the second attempt; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A silent connection is asked for a sign of life this often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Where a vault is, and who asks it.
pub struct VaultAccess {
    /// `HOST:PORT`. The certificate of the vault must be valid for `HOST`.
    pub address: String,
    /// Agency of the certificate.
    pub agency: String,
    /// Certificates (PEM) that the vault must chain to.
    pub server_authorities: Vec<u8>,
    /// Certificate chain (PEM) of the agency.
    pub certificate: Vec<u8>,
    /// Key (PEM) of the certificate.
    pub key: Vec<u8>,
    /// Time that one answer may take. What is asked again takes twice as long at most.
    pub timeout: Duration,
}

impl fmt::Debug for VaultAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultAccess")
            .field("address", &self.address)
            .field("agency", &self.agency)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A vault in another process. It gives the keys of the chains that are open to one agency.
///
/// What is asked is asked again, bounded, while the vault is away: a deposit that is sent twice is kept once. The
/// connection is made when it is needed, and anew after it was lost.
#[derive(Debug, Clone)]
pub struct RemoteVault {
    channel: Channel,
    agency: String,
    timeout: Duration,
}

impl RemoteVault {
    /// Prepares the way to a vault. Nobody is asked yet.
    ///
    /// # Errors
    /// The address, the certificates or the key are malformed.
    pub fn new(access: VaultAccess) -> Result<Self, Error> {
        let VaultAccess { address, agency, server_authorities, certificate, key, timeout } = access;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(server_authorities))
            .identity(Identity::from_pem(certificate, key));
        let channel = Endpoint::from_shared(format!("https://{address}"))?
            .tls_config(tls)?
            .connect_timeout(timeout)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(timeout)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
            .connect_lazy();
        Ok(Self { channel, agency, timeout })
    }

    /// Agency in whose name the vault is asked.
    pub(crate) fn agency(&self) -> &str {
        &self.agency
    }

    async fn ask<T, F>(&self, send: impl Fn(VaultServiceClient<Channel>) -> F) -> Result<T, VaultError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let asked = self.again(|channel| send(VaultServiceClient::new(channel)));
        asked.await.map_err(|status| wire::error(&status))
    }

    /// Asks the process that holds the vault, and asks it again, bounded, while it is away.
    pub(crate) async fn again<T, F>(&self, send: impl Fn(Channel) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let asked = async {
            let mut pause = FIRST_PAUSE;
            let mut attempt = 1;
            loop {
                let answer = send(self.channel.clone());
                let status = match tokio::time::timeout(self.timeout, answer).await {
                    Ok(Ok(answer)) => return Ok(answer.into_inner()),
                    Ok(Err(status)) => status,
                    Err(_) => Status::deadline_exceeded("no answer in time"),
                };
                if attempt == ATTEMPTS_MAX || !may_be_sent_again(&status) {
                    return Err(status);
                }
                tracing::warn!(code = ?status.code(), attempt, "the vault gave no answer, asking again");
                tokio::time::sleep(pause).await;
                pause *= 2;
                attempt += 1;
            }
        };
        let late = || Err(Status::unavailable("the vault gave no answer in time"));
        tokio::time::timeout(self.timeout * 2, asked).await.unwrap_or_else(|_elapsed| late())
    }
}

impl Vault for RemoteVault {
    async fn deposit(&self, chain: ChainId, deposits: Vec<Deposit>) -> Result<(), VaultError> {
        self.deposit_all(vec![(chain, deposits)]).await
    }

    async fn deposit_all(&self, deposits: Vec<(ChainId, Vec<Deposit>)>) -> Result<(), VaultError> {
        for request in wire::deposit_requests(deposits) {
            self.ask(|mut vault| {
                let request = request.clone();
                async move { vault.deposit(request).await }
            })
            .await?;
        }
        Ok(())
    }

    async fn key(&self, chain: ChainId, digest: Hash) -> Result<Option<DataKey>, VaultError> {
        let mut keys = self.keys(chain, Revision::FIRST, &[digest]).await?;
        Ok(keys.given.remove(&digest))
    }

    async fn keys(&self, chain: ChainId, next: Revision, digests: &[Hash]) -> Result<Keys, VaultError> {
        let mut all = Keys::default();
        for request in wire::keys_requests(chain, next, digests) {
            let response = self.ask(|mut vault| {
                let request = request.clone();
                async move { vault.keys(request).await }
            });
            let Keys { given, withheld } = wire::read_keys(response.await?).ok_or_else(malformed)?;
            all.given.extend(given);
            all.withheld.extend(withheld);
        }
        Ok(all)
    }

    /// A desk destroys nothing: the vault's process does, by what the log orders.
    async fn destroy(&self, _chain: ChainId, _digests: &[Hash]) -> Result<usize, VaultError> {
        Err(VaultError::NotHere)
    }

    /// Of another agency's act the vault would say what it says of this one's.
    async fn admit(&self, caller: &Caller, candidate: Candidate<'_>) -> Result<Admission, VaultError> {
        if caller.agency != self.agency {
            return Err(VaultError::OtherAgency { agency: caller.agency.clone() });
        }
        let Candidate { chain, next, occurred_at, act } = candidate;
        let request = AdmitRequest {
            chain_id: Some(chain.to_string()),
            next_revision: next.0,
            occurred_at,
            act: Some(act.clone()),
        };
        let response = self.ask(|mut vault| {
            let request = request.clone();
            async move { vault.admit(request).await }
        });
        wire::read_admission(response.await?).ok_or_else(malformed)
    }
}

fn malformed() -> VaultError {
    VaultError::Unavailable(Some(std::io::Error::other("the answer of the vault is malformed")))
}
