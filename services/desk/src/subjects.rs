//! Pseudonyms over gRPC. Who may ask for many of them could try the numbers of everybody, so that an agency gets only as many in
//! a minute as its counters take in.

use std::{fmt, num::NonZeroU32, sync::Arc};

use governor::{DefaultKeyedRateLimiter, RateLimiter};
use mediation_domain::{admit::Violation, identity::NUMBER_BYTES_MAX};
use mediation_ledger::{log::Log, subject::SubjectKey, vault::Vault};
use mediation_proto::mediation::{
    ledger::v1::{NameSubjectRequest, NameSubjectResponse, Reason, identity_service_server::IdentityService},
    types::v1::IdKind,
};
use tonic::{Request, Response, Status, async_trait};
use zeroize::Zeroizing;

use crate::{
    node::{Node, request_id},
    quota::wait_of,
    request::violation,
    status::Refused,
};

/// The key of the pseudonyms, and how often each agency may use it.
pub struct Pseudonyms {
    key: SubjectKey,
    per_minute: NonZeroU32,
    /// By agency id. Only agencies of the registry get here, so that it stays as small as their number.
    left: DefaultKeyedRateLimiter<String>,
}

impl Pseudonyms {
    /// Makes pseudonyms under a key, for each agency so many in a minute, and as many at once after a silence.
    #[must_use]
    pub fn new(key: SubjectKey, per_minute: NonZeroU32) -> Self {
        Self { key, per_minute, left: RateLimiter::keyed(governor::Quota::per_minute(per_minute)) }
    }

    fn name(&self, agency: &str, request: NameSubjectRequest) -> Result<NameSubjectResponse, Refused> {
        let number = Zeroizing::new(request.number.unwrap_or_default());
        let kind = request.id_kind.and_then(|kind| IdKind::try_from(kind).ok()).unwrap_or_default();
        let mut violations = Vec::new();
        if kind == IdKind::Unspecified {
            violations.push(violation("id_kind", "is missing, or no kind of document", "缺少证件种类，或不在代码表内"));
        }
        if number.is_empty() || number.len() > NUMBER_BYTES_MAX {
            violations.push(violation("number", "must have 1 to 64 bytes", "应为 1 至 64 字节"));
        }
        if !violations.is_empty() {
            return Err(Refused::malformed(violations));
        }
        self.take(agency)?;
        let subject = self.key.subject(kind, &number).map_err(|fault| {
            Refused::malformed(vec![Violation { path: "number".to_owned(), en: fault.to_string(), zh: fault.zh() }])
        })?;
        tracing::info!(agency, "a pseudonym was made");
        Ok(NameSubjectResponse { subject })
    }

    /// Takes one from what an agency has left. A typing error takes one as well: else check characters could be tried.
    fn take(&self, agency: &str) -> Result<(), Refused> {
        let Err(wait) = wait_of(&self.left, agency) else { return Ok(()) };
        Err(Refused::new(Reason::QuotaExceeded)
            .detail(format!("{} pseudonyms a minute", self.per_minute), format!("每分钟 {} 个假名", self.per_minute))
            .with("agency", agency)
            .with("per_minute", self.per_minute)
            .after(wait))
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").field("per_minute", &self.per_minute).finish_non_exhaustive()
    }
}

/// `IdentityService` of a node.
#[derive(Debug)]
pub(crate) struct Subjects<L, V> {
    node: Arc<Node<L, V>>,
    /// None where no key lies.
    pseudonyms: Option<Arc<Pseudonyms>>,
}

impl<L: Log, V: Vault> Subjects<L, V> {
    pub(crate) fn new(node: Arc<Node<L, V>>, pseudonyms: Option<Arc<Pseudonyms>>) -> Self {
        Self { node, pseudonyms }
    }

    fn name(&self, request: Request<NameSubjectRequest>) -> Result<NameSubjectResponse, Refused> {
        let caller = self.node.caller(&request)?;
        let pseudonyms = self.pseudonyms.as_ref().ok_or_else(|| Refused::new(Reason::SubjectKeyNotHeld))?;
        pseudonyms.name(&caller.agency, request.into_inner())
    }
}

#[async_trait]
impl<L: Log, V: Vault> IdentityService for Subjects<L, V> {
    async fn name_subject(
        &self,
        request: Request<NameSubjectRequest>,
    ) -> Result<Response<NameSubjectResponse>, Status> {
        if let Some(relay) = self.node.relay() {
            return relay.name_subject(&self.node, request).await;
        }
        self.name(request).map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }
}

#[cfg(test)]
mod tests {
    use mediation_ledger::{entropy::SystemEntropy, subject::SubjectHash};

    use super::*;

    fn pseudonyms(per_minute: u32) -> Pseudonyms {
        let key = SubjectKey::generate(&SystemEntropy, "a.example", SubjectHash::HmacSha256).unwrap();
        Pseudonyms::new(key, NonZeroU32::new(per_minute).unwrap())
    }

    fn asked(kind: IdKind, number: &str) -> NameSubjectRequest {
        NameSubjectRequest { id_kind: Some(kind.into()), number: Some(number.to_owned()) }
    }

    #[test]
    fn every_agency_is_told_the_same_and_none_more_than_its_share() {
        let pseudonyms = pseudonyms(2);
        let number = asked(IdKind::ResidentId, "11010519491231002X");
        let subject = pseudonyms.name("CT-LP", number.clone()).unwrap();
        assert_eq!(pseudonyms.name("XF-LP", number.clone()).unwrap(), subject);
        let mistyped = asked(IdKind::ResidentId, "110105194912310021");
        assert_eq!(pseudonyms.name("CT-LP", mistyped).unwrap_err().reason(), Reason::Malformed);
        assert_eq!(pseudonyms.name("CT-LP", number.clone()).unwrap_err().reason(), Reason::QuotaExceeded);
        assert!(pseudonyms.name("XF-LP", number).is_ok());
    }

    #[test]
    fn what_is_no_request_takes_nothing_and_no_refusal_tells_the_number() {
        let pseudonyms = pseudonyms(1);
        let long = "1".repeat(NUMBER_BYTES_MAX + 1);
        for request in [
            NameSubjectRequest::default(),
            asked(IdKind::Unspecified, "11010519491231002X"),
            NameSubjectRequest { id_kind: Some(99), number: Some("11010519491231002X".to_owned()) },
            asked(IdKind::ResidentId, &long),
        ] {
            let number = request.number.clone().unwrap_or_default();
            let refused = pseudonyms.name("CT-LP", request).unwrap_err();
            assert_eq!(refused.reason(), Reason::Malformed);
            let told = format!("{refused:?} {:?}", refused.clone().into_status("1"));
            assert!(number.is_empty() || !told.contains(&number), "{told}");
        }
        assert!(pseudonyms.name("CT-LP", asked(IdKind::ResidentId, "11010519491231002X")).is_ok());
    }
}
