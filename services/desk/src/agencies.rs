//! `RegistryService`: the registry, folded, for whoever does not read its chain himself.

use std::sync::Arc;

use mediation_domain::{
    admit::Violation,
    calendar::{Day, format_instant},
    directory::Agency,
    routing::{is_division, keepers, nearest},
};
use mediation_ledger::{
    key::{Algorithm, KeyId},
    log::Log,
    registry::{EnrolledKey, Registry},
    vault::Vault,
};
use mediation_proto::mediation::{
    ledger::v1::{
        FindCenterRequest, FindCenterResponse, GetAgencyRequest, GetAgencyResponse, ListAgenciesRequest,
        ListAgenciesResponse, Reason, RegisteredAgency, RegisteredKey, RegisteredSigner,
        registry_service_server::RegistryService,
    },
    types::v1::{AgencyKind, Center, KeyAlgorithm},
};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    node::{Node, request_id},
    request::violation,
    status::Refused,
};

/// Agencies of an answer, unless fewer or more are wanted.
const PAGE_DEFAULT: u32 = 100;

/// Agencies of an answer at most.
const PAGE_MAX: u32 = 500;

/// Digits of the longest code of a division.
const DIVISION_DIGITS_MAX: usize = 12;

/// Bytes of an agency id that is asked for.
const AGENCY_BYTES_MAX: usize = 64;

/// `RegistryService` of a node.
#[derive(Debug)]
pub(crate) struct Agencies<L, V> {
    node: Arc<Node<L, V>>,
}

impl<L: Log, V: Vault> Agencies<L, V> {
    pub(crate) fn new(node: Arc<Node<L, V>>) -> Self {
        Self { node }
    }

    /// The registry, with what was recorded until now.
    async fn registry<T>(&self, request: &Request<T>) -> Result<Arc<Registry>, Refused> {
        self.node.caller(request)?;
        Ok(self.node.ledger().refresh_registry().await?)
    }

    async fn list(&self, request: Request<ListAgenciesRequest>) -> Result<ListAgenciesResponse, Refused> {
        let registry = self.registry(&request).await?;
        listed(&registry, &request.into_inner())
    }

    async fn get(&self, request: Request<GetAgencyRequest>) -> Result<GetAgencyResponse, Refused> {
        let registry = self.registry(&request).await?;
        told(&registry, &request.into_inner(), self.node.today())
    }

    async fn find(&self, request: Request<FindCenterRequest>) -> Result<FindCenterResponse, Refused> {
        let registry = self.registry(&request).await?;
        found(&registry, &request.into_inner())
    }
}

fn listed(registry: &Registry, request: &ListAgenciesRequest) -> Result<ListAgenciesResponse, Refused> {
    let mut violations = Vec::new();
    let kind = request.kind.map(AgencyKind::try_from);
    if matches!(kind, Some(Err(_) | Ok(AgencyKind::Unspecified))) {
        violations.push(violation("kind", "is no kind of agency", "不是有效的机构类别"));
    }
    let division = request.division.as_deref().unwrap_or_default();
    if division.len() > DIVISION_DIGITS_MAX || !division.bytes().all(|digit| digit.is_ascii_digit()) {
        violations.push(violation("division", "must be at most 12 digits", "应为至多 12 位数字"));
    }
    let page = request.page_size.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&page) {
        violations.push(violation("page_size", "must be 1 to 500", "应为 1 至 500"));
    }
    let after = request.after.as_deref();
    if after.is_some_and(|id| id.len() > AGENCY_BYTES_MAX) {
        violations.push(violation("after", "must have at most 64 bytes", "不得超过 64 字节"));
    }
    if !violations.is_empty() {
        return Err(Refused::malformed(violations));
    }
    let is_wanted = |(id, agency): &(&str, &Agency)| {
        after.is_none_or(|after| after < *id)
            && kind.is_none_or(|kind| kind == Ok(agency.kind))
            && agency.division.starts_with(division)
    };
    let page = usize::try_from(page).unwrap_or(usize::MAX);
    let mut rows = registry.directory().iter().filter(is_wanted);
    let agencies = rows.by_ref().take(page).map(|(id, agency)| registered(id, agency)).collect();
    Ok(ListAgenciesResponse { agencies, more: rows.next().is_some() })
}

fn told(registry: &Registry, request: &GetAgencyRequest, today: Day) -> Result<GetAgencyResponse, Refused> {
    let on = request.on.as_deref().map_or(Some(today), Day::parse);
    let on = on.ok_or_else(|| Refused::malformed(vec![not_a_day()]))?;
    let id = request.agency.as_deref().unwrap_or_default();
    let agency = registry.directory().agency(id).ok_or_else(|| Refused::new(Reason::AgencyNotFound))?;
    let keys = registry.keys().filter(|(_, key)| key.agency == id).map(|(key_id, key)| enrolled(*key_id, key));
    let signers = registry.directory().signers(id, on).into_iter().map(|(signer, roles)| RegisteredSigner {
        signer: signer.to_owned(),
        roles: roles.into_iter().map(i32::from).collect(),
    });
    Ok(GetAgencyResponse {
        agency: Some(registered(id, agency)),
        root_key_id: registry.root(id).map(|key| key.id().to_string()).unwrap_or_default(),
        keys: keys.collect(),
        signers: signers.collect(),
        on: on.to_string(),
    })
}

fn found(registry: &Registry, request: &FindCenterRequest) -> Result<FindCenterResponse, Refused> {
    let mut violations = Vec::new();
    let center = center(request.center, &mut violations);
    let division = request.division.as_deref().unwrap_or_default();
    if !is_division(division) {
        violations.push(violation("division", "must have 6, 9 or 12 digits", "应为 6、9 或 12 位数字"));
    }
    if !violations.is_empty() {
        return Err(Refused::malformed(violations));
    }
    let directory = registry.directory();
    let ids = nearest(directory, keepers(center), division).into_iter();
    let agencies = ids.filter_map(|id| Some(registered(id, directory.agency(id)?))).collect();
    Ok(FindCenterResponse { agencies })
}

/// The center that is named, if one is.
pub(crate) fn center(number: Option<i32>, violations: &mut Vec<Violation>) -> Center {
    let center = number.and_then(|number| Center::try_from(number).ok()).unwrap_or_default();
    if center == Center::Unspecified {
        violations.push(violation("center", "is missing, or no center", "缺少所送中心，或不在代码表内"));
    }
    center
}

fn not_a_day() -> Violation {
    violation("on", "must be a day of the form YYYY-MM-DD", "应为 YYYY-MM-DD 形式的日期")
}

fn registered(id: &str, agency: &Agency) -> RegisteredAgency {
    let Agency { kind, name, division } = agency;
    RegisteredAgency { agency: id.to_owned(), kind: (*kind).into(), name: name.clone(), division: division.clone() }
}

fn enrolled(key_id: KeyId, key: &EnrolledKey) -> RegisteredKey {
    let algorithm = match key.key.algorithm() {
        Algorithm::Ed25519 => KeyAlgorithm::Ed25519,
        Algorithm::Sm2Sm3 => KeyAlgorithm::Sm2Sm3,
    };
    RegisteredKey {
        key_id: key_id.to_string(),
        algorithm: algorithm.into(),
        valid_from: key.valid_from.map(|day| day.to_string()),
        valid_to: key.valid_to.map(|day| day.to_string()),
        replaced: key.replaced.is_some(),
        revoked_as_of: key.revoked_as_of().map(format_instant),
    }
}

fn answered<T>(answer: Result<T, Refused>) -> Result<Response<T>, Status> {
    answer.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
}

#[async_trait]
impl<L: Log, V: Vault> RegistryService for Agencies<L, V> {
    async fn list_agencies(
        &self,
        request: Request<ListAgenciesRequest>,
    ) -> Result<Response<ListAgenciesResponse>, Status> {
        answered(self.list(request).await)
    }

    async fn get_agency(&self, request: Request<GetAgencyRequest>) -> Result<Response<GetAgencyResponse>, Status> {
        answered(self.get(request).await)
    }

    async fn find_center(&self, request: Request<FindCenterRequest>) -> Result<Response<FindCenterResponse>, Status> {
        answered(self.find(request).await)
    }
}
