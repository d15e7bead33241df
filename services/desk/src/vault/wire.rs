//! What goes between a vault and the desks, to and fro. Every field has its bound, and is parsed once.

use bytes::Bytes;
use mediation_domain::{
    admit::{Refusal, Violation},
    limits::REFERENCE_BYTES_MAX,
};
use mediation_ledger::{
    chain::{ChainId, Revision},
    kek,
    merkle::Hash,
    vault::{Admission, DataKey, Deposit, Holder, Keys, VaultError},
};
use mediation_proto::mediation::ledger::v1::{
    ActAdmitted, ActRefused, AdmitResponse, ChainDeposits, DepositRequest, FieldRefused, KeyDeposit, KeyMaterial,
    KeysRequest, KeysResponse, Reason, ReleasedKey, admit_response,
};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{DEPOSITS_MAX, DIGESTS_MAX};
use crate::{
    request::{chain_id, violation},
    status::Refused,
};

/// A key that is wiped when what was sent is dropped.
struct Wiped(DataKey);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0.0
    }
}

fn material(key: DataKey) -> KeyMaterial {
    KeyMaterial { key: Bytes::from_owner(Wiped(key)) }
}

fn read_material(material: Option<KeyMaterial>) -> Option<DataKey> {
    material?.key.as_ref().try_into().ok().map(DataKey)
}

fn read_digest(digest: &Bytes) -> Option<Hash> {
    digest.as_ref().try_into().ok().map(Hash)
}

/// Reads a chain id.
pub(super) fn read_chain(id: Option<&str>) -> Result<ChainId, Refused> {
    let mut violations = Vec::new();
    chain_id(id, &mut violations).ok_or_else(|| Refused::malformed(violations))
}

/// Requests that deposit keys, each within its bound.
pub(super) fn deposit_requests(deposits: Vec<(ChainId, Vec<Deposit>)>) -> Vec<DepositRequest> {
    let mut requests = Vec::new();
    let (mut request, mut keys) = (DepositRequest::default(), 0);
    for (chain, deposits) in deposits {
        let mut rest = deposits.into_iter().peekable();
        while rest.peek().is_some() {
            let deposits: Vec<KeyDeposit> = rest.by_ref().take(DEPOSITS_MAX - keys).map(key_deposit).collect();
            keys += deposits.len();
            request.chains.push(ChainDeposits { chain_id: Some(chain.to_string()), deposits });
            if keys == DEPOSITS_MAX {
                requests.push(std::mem::take(&mut request));
                keys = 0;
            }
        }
    }
    if keys > 0 {
        requests.push(request);
    }
    requests
}

fn key_deposit(deposit: Deposit) -> KeyDeposit {
    let subject = match deposit.holder {
        Holder::Chain => None,
        Holder::Subject(subject) => Some(subject),
    };
    KeyDeposit { digest: digest(deposit.digest), subject, key: Some(material(deposit.key)) }
}

fn digest(Hash(digest): Hash) -> Bytes {
    Bytes::copy_from_slice(&digest)
}

/// Reads a deposit; the first key that is not of its form is named.
pub(super) fn read_deposits(request: DepositRequest) -> Result<Vec<(ChainId, Vec<Deposit>)>, Refused> {
    let keys: usize = request.chains.iter().map(|chain| chain.deposits.len()).sum();
    if keys > DEPOSITS_MAX || request.chains.len() > DEPOSITS_MAX {
        return Err(Refused::malformed(vec![violation("chains", "has more than 2048 keys", "密钥超过 2048 个")]));
    }
    let read_chain = |chain: ChainDeposits| {
        let id = read_chain(chain.chain_id.as_deref())?;
        Ok((id, chain.deposits.into_iter().map(read_deposit).collect::<Result<_, Refused>>()?))
    };
    request.chains.into_iter().map(read_chain).collect()
}

fn read_deposit(KeyDeposit { digest, subject, key }: KeyDeposit) -> Result<Deposit, Refused> {
    let malformed = |path, en, zh| Refused::malformed(vec![violation(path, en, zh)]);
    let digest = read_digest(&digest);
    let digest = digest.ok_or_else(|| malformed("deposits.digest", "must have 32 bytes", "应为 32 字节"))?;
    let key = read_material(key);
    let key = key.ok_or_else(|| malformed("deposits.key", "must have 32 bytes", "应为 32 字节"))?;
    if subject.as_ref().is_some_and(|subject| subject.len() > REFERENCE_BYTES_MAX) {
        return Err(malformed("deposits.subject", "has more than 64 bytes", "超过 64 字节"));
    }
    Ok(Deposit { digest, holder: subject.map_or(Holder::Chain, Holder::Subject), key })
}

/// Requests for keys, each within its bound.
pub(super) fn keys_requests(chain: ChainId, next: Revision, digests: &[Hash]) -> Vec<KeysRequest> {
    let request = |digests: &[Hash]| KeysRequest {
        chain_id: Some(chain.to_string()),
        next_revision: next.0,
        digests: digests.iter().copied().map(digest).collect(),
    };
    digests.chunks(DIGESTS_MAX).map(request).collect()
}

/// Reads which keys are asked for.
pub(super) fn read_keys_request(request: KeysRequest) -> Result<(ChainId, Revision, Vec<Hash>), Refused> {
    let chain = read_chain(request.chain_id.as_deref())?;
    if request.digests.len() > DIGESTS_MAX {
        return Err(Refused::malformed(vec![violation("digests", "has more than 4096 parts", "超过 4096 项")]));
    }
    let digests: Option<Vec<Hash>> = request.digests.iter().map(read_digest).collect();
    let wrong = || Refused::malformed(vec![violation("digests", "must have 32 bytes each", "每项应为 32 字节")]);
    Ok((chain, Revision(request.next_revision), digests.ok_or_else(wrong)?))
}

/// The answer to a request for keys.
pub(super) fn keys_response(keys: Keys) -> KeysResponse {
    let released = |(of, key)| ReleasedKey { digest: digest(of), key: Some(material(key)) };
    KeysResponse {
        keys: keys.given.into_iter().map(released).collect(),
        withheld: keys.withheld.into_iter().map(digest).collect(),
    }
}

/// Reads an answer; none when it is not of its form.
pub(super) fn read_keys(response: KeysResponse) -> Option<Keys> {
    let released = |released: ReleasedKey| Some((read_digest(&released.digest)?, read_material(released.key)?));
    Some(Keys {
        given: response.keys.into_iter().map(released).collect::<Option<_>>()?,
        withheld: response.withheld.iter().map(read_digest).collect::<Option<_>>()?,
    })
}

/// The answer to an act that asks to be admitted.
pub(super) fn admit_response(admission: Admission) -> AdmitResponse {
    let result = match admission {
        Admission::NotNeeded => None,
        Admission::Admitted { chain_is_empty } => {
            Some(admit_response::Result::Admitted(ActAdmitted { chain_is_empty }))
        }
        Admission::Refused(Refusal { reason, violations, detail_en, detail_zh }) => {
            let field = |Violation { path, en, zh }| FieldRefused { path, en, zh };
            let violations = violations.into_iter().map(field).collect();
            let refused = ActRefused { reason: reason.into(), violations, detail_en, detail_zh };
            Some(admit_response::Result::Refused(refused))
        }
    };
    AdmitResponse { result }
}

/// Reads an answer; none when it is not of its form.
pub(super) fn read_admission(response: AdmitResponse) -> Option<Admission> {
    match response.result? {
        admit_response::Result::Admitted(ActAdmitted { chain_is_empty }) => {
            Some(Admission::Admitted { chain_is_empty })
        }
        admit_response::Result::Refused(refused) => {
            let reason = Reason::try_from(refused.reason).ok().filter(|reason| *reason != Reason::Unspecified)?;
            let field = |FieldRefused { path, en, zh }| Violation { path, en, zh };
            let violations = refused.violations.into_iter().map(field).collect();
            let (detail_en, detail_zh) = (refused.detail_en, refused.detail_zh);
            Some(Admission::Refused(Refusal { reason, violations, detail_en, detail_zh }))
        }
    }
}

/// What a status of the vault means to whoever asked it. What is not the vault's own word is that it cannot be reached.
pub(super) fn error(status: &Status) -> VaultError {
    let info = status.get_details_error_info();
    let part = info.as_ref().and_then(|info| info.metadata.get("part")?.parse().ok());
    let reason = info.map(|info| info.reason).unwrap_or_default();
    match (reason, part) {
        (reason, Some(digest)) if reason == Reason::DepositConflict.info().name => VaultError::Conflict { digest },
        (reason, Some(digest)) if reason == Reason::KeyDestroyed.info().name => VaultError::Destroyed { digest },
        (reason, _) if reason == Reason::KekUnavailable.info().name => {
            VaultError::Kek(kek::Error::Unavailable(status.message().to_owned()))
        }
        (reason, Some(digest)) if reason == Reason::DataLoss.info().name => VaultError::Damaged { digest },
        (reason, _) if reason == Reason::DiskFull.info().name => VaultError::NoSpace,
        (reason, _) if reason == Reason::Overloaded.info().name => VaultError::Full,
        _ => {
            let told = format!("{:?}: {}", status.code(), status.message());
            VaultError::Unavailable(Some(std::io::Error::other(told)))
        }
    }
}
