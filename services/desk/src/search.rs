//! `AuditService`: chains by what is known of them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::try_join_all;
use mediation_domain::{admit::Violation, calendar::Day, limits::STRING_BYTES_MAX};
use mediation_ledger::{chain::ChainId, log::Log, vault::Vault};
use mediation_projections::{
    model::{self, Filter, PageKey},
    texts::Words,
};
use mediation_proto::{
    derived::{TYPES_DISPUTE_TYPE, TYPES_OUTCOME},
    fields::EnumInfo,
    mediation::{
        ledger::v1::{
            ChainSummary, Reason, SearchChainsRequest, SearchChainsResponse, audit_service_server::AuditService,
        },
        types::v1::AgencyKind,
    },
};
use tokio::time::Instant;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    even::beat,
    listing::Listed,
    node::{Node, request_id},
    reading::Reads,
    request::violation,
    status::Refused,
    texts::words,
};

/// Chains of an answer, unless fewer or more are wanted.
const PAGE_DEFAULT: u32 = 25;

/// Chains of an answer at most: each is read whole.
const PAGE_MAX: u32 = 100;

/// Chains that are looked at for one answer, so that it takes bounded time however few are for the reader.
const CANDIDATES_MAX: usize = 200;

/// Chains that the index is asked for at once.
const CANDIDATES_AT_ONCE: u32 = 50;

/// Characters of a chain's number.
const CHAIN_NO_MAX: usize = 21;

/// Lists that may be gone on with.
const TOKENS_MAX: usize = 4_096;

/// `AuditService` of a node.
#[derive(Debug)]
pub(crate) struct Search<L, V> {
    node: Arc<Node<L, V>>,
    tokens: Mutex<Tokens>,
}

/// Where lists go on. The place in the index may be a chain that the reader may not know of, so that it is kept here and he
/// is given a token that says nothing.
#[derive(Debug, Default)]
struct Tokens {
    places: BTreeMap<String, (String, PageKey)>,
    order: VecDeque<String>,
}

/// What is wanted of a list, parsed.
#[derive(Debug)]
struct Wanted {
    filter: Filter,
    words: Option<Words>,
    page: usize,
    after: Option<PageKey>,
}

impl<L: Log, V: Vault> Search<L, V> {
    pub(crate) fn new(node: Arc<Node<L, V>>) -> Self {
        Self { node, tokens: Mutex::default() }
    }

    async fn search(&self, request: Request<SearchChainsRequest>) -> Result<SearchChainsResponse, Refused> {
        let arrived = Instant::now();
        let caller = self.node.caller(&request)?;
        let mut request = request.into_inner();
        let reading = request.reading.take();
        let wanted = self.wanted(request, &caller.agency)?;
        let registry = self.node.ledger().refresh_registry().await?;
        let now_s = self.node.ledger().clock().now_ms().div_euclid(1_000);
        let reads = Reads::parse(&caller, reading, registry.directory(), now_s)?;
        let in_work = self.node.quotas().begin(&caller.agency).await?;
        let (found, next) = self.found(&reads, wanted).await?;
        drop(in_work);
        let record = |listed: &Listed| self.node.accesses().record(&reads, listed.chain, listed.seen.clone());
        try_join_all(found.iter().map(record)).await?;
        let next_page_token = next.map(|place| self.token(&caller.agency, place)).unwrap_or_default();
        // How many chains were looked at that are not for the reader must not show in time.
        beat(arrived).await;
        Ok(SearchChainsResponse { chains: found.into_iter().map(|listed| listed.summary).collect(), next_page_token })
    }

    /// The chains of a page, and where the next begins.
    async fn found(&self, reads: &Reads, wanted: Wanted) -> Result<(Vec<Listed>, Option<PageKey>), Refused> {
        let Wanted { filter, words, page, mut after } = wanted;
        // Whoever is no auditor may know of no chain with which his agency has nothing to do.
        let reader = (reads.kind != AgencyKind::Audit).then(|| reads.agency.clone());
        let among = match &words {
            Some(words) => Some(Arc::new(self.node.chains_with(reads, words).await?)),
            None => None,
        };
        let narrowed = Filter { among, ..narrowed(&filter, reader) };
        let (mut found, mut looked_at) = (Vec::new(), 0);
        loop {
            let rows = self.node.index()?.search(narrowed.clone(), after.clone(), CANDIDATES_AT_ONCE).await;
            let rows = rows.map_err(not_ready)?;
            let is_last = rows.len() < usize::try_from(CANDIDATES_AT_ONCE).unwrap_or(usize::MAX);
            for row in rows {
                if looked_at == CANDIDATES_MAX {
                    return Ok((found, after));
                }
                looked_at += 1;
                let here = row.key();
                let listed = match ChainId::parse(&row.chain_id) {
                    Some(chain) => self.node.listed(reads, chain, words.as_ref()).await?,
                    None => None,
                };
                let is_found = |listed: &Listed| words.is_none() || !listed.summary.hits.is_empty();
                let listed = listed.filter(|listed| is_found(listed) && meets(&filter, listed));
                // That there is a next page is told when something stands on it: a token for chains that are not for the
                // reader would say that there are some.
                if listed.is_some() && found.len() == page {
                    return Ok((found, after));
                }
                found.extend(listed);
                after = Some(here);
            }
            if is_last {
                return Ok((found, None));
            }
        }
    }

    fn wanted(&self, request: SearchChainsRequest, agency: &str) -> Result<Wanted, Refused> {
        let mut violations = Vec::new();
        let page = request.page_size.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&page) {
            violations.push(violation("page_size", "must be 1 to 100", "应为 1 至 100"));
        }
        let after = request.page_token.filter(|token| !token.is_empty()).and_then(|token| {
            let place = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).place(&token, agency);
            if place.is_none() {
                violations.push(violation("page_token", "is none that was answered", "不是应答给出的翻页标记"));
            }
            place
        });
        let filter = Filter {
            number_prefix: text("chain_no", request.chain_no, CHAIN_NO_MAX, &mut violations),
            agency: text("agency", request.agency, STRING_BYTES_MAX, &mut violations),
            reader: None,
            dispute_type: code("dispute_type", &TYPES_DISPUTE_TYPE, request.dispute_type, &mut violations),
            opened_from: day("opened_from", request.opened_from.as_deref(), &mut violations),
            opened_to: day("opened_to", request.opened_to.as_deref(), &mut violations),
            acted_from: None,
            acted_to: None,
            outcome: code("outcome", &TYPES_OUTCOME, request.outcome, &mut violations),
            is_open: request.open,
            is_overdue: request.overdue,
            finding: text("finding", request.finding, STRING_BYTES_MAX, &mut violations),
            among: None,
        };
        let words = words(request.text.as_deref(), &mut violations);
        let page = usize::try_from(page).unwrap_or_default();
        if violations.is_empty() {
            Ok(Wanted { filter, words, page, after })
        } else {
            Err(Refused::malformed(violations))
        }
    }

    fn token(&self, agency: &str, place: PageKey) -> String {
        let token = uuid::Uuid::new_v4().to_string();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.keep(token.clone(), agency.to_owned(), place);
        token
    }
}

impl Tokens {
    fn place(&self, token: &str, agency: &str) -> Option<PageKey> {
        let (of, place) = self.places.get(token)?;
        (of == agency).then(|| place.clone())
    }

    fn keep(&mut self, token: String, agency: String, place: PageKey) {
        if self.order.len() >= TOKENS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.places.remove(&oldest);
        }
        self.order.push_back(token.clone());
        self.places.insert(token, (agency, place));
    }
}

/// What the index is asked. Its day of opening is that of the first act, which may be none of the reader's: for him who may not
/// know every act it must not leave out a chain of whose later acts he is told, since that would date the first.
fn narrowed(filter: &Filter, reader: Option<String>) -> Filter {
    let Filter { opened_from, opened_to, .. } = *filter;
    match reader {
        None => filter.clone(),
        Some(reader) => Filter {
            reader: Some(reader),
            opened_from: None,
            opened_to: None,
            acted_from: opened_from,
            acted_to: opened_to,
            ..filter.clone()
        },
    }
}

/// Whether a chain meets the conditions by what its reader is told of it.
fn meets(filter: &Filter, listed: &Listed) -> bool {
    let ChainSummary { chain_no, dispute_type, opened_on, outcome, days_overdue, findings, .. } = &listed.summary;
    let opened = Day::parse(opened_on);
    let of_type = dispute_type.and_then(|number| TYPES_DISPUTE_TYPE.code(number));
    let is_number = |prefix: &String| chain_no.as_ref().is_some_and(|number| number.starts_with(prefix));
    filter.number_prefix.as_ref().is_none_or(is_number)
        && filter.agency.as_deref().is_none_or(|agency| takes_part(listed, agency))
        && filter.dispute_type.as_deref().is_none_or(|wanted| of_type == Some(wanted))
        && filter.opened_from.is_none_or(|from| opened.is_some_and(|opened| opened >= from))
        && filter.opened_to.is_none_or(|to| opened.is_some_and(|opened| opened <= to))
        && filter.outcome.as_ref().is_none_or(|wanted| outcome.as_ref() == Some(wanted))
        && (!filter.is_open || outcome.is_none())
        && (!filter.is_overdue || *days_overdue > 0)
        && filter.finding.as_ref().is_none_or(|wanted| findings.contains(wanted))
}

fn takes_part(listed: &Listed, agency: &str) -> bool {
    listed.agencies.iter().any(|(_, of)| of == agency)
        || listed.judged.leads.iter().any(|lead| lead.agency == agency)
        || listed.judged.handoffs.iter().any(|handoff| handoff.from == agency || handoff.to == agency)
}

/// The index has no answer: it is being built, or its file failed and will be built again.
pub(crate) fn not_ready(error: model::Error) -> Refused {
    tracing::warn!(%error, "the index of the chains gives no answer");
    Refused::new(Reason::IndexNotReady)
}

fn text(path: &str, said: Option<String>, bytes_max: usize, violations: &mut Vec<Violation>) -> Option<String> {
    let said = said.filter(|said| !said.is_empty())?;
    if said.len() > bytes_max {
        let (en, zh) = (format!("has more than {bytes_max} bytes"), format!("超过 {bytes_max} 字节"));
        violations.push(violation(path, &en, &zh));
        return None;
    }
    Some(said)
}

pub(crate) fn day(path: &str, said: Option<&str>, violations: &mut Vec<Violation>) -> Option<Day> {
    let said = said.filter(|said| !said.is_empty())?;
    let day = Day::parse(said);
    if day.is_none() {
        violations.push(violation(path, "is no day of the form YYYY-MM-DD", "不是 YYYY-MM-DD 形式的日期"));
    }
    day
}

fn code(path: &str, list: &EnumInfo, said: Option<i32>, violations: &mut Vec<Violation>) -> Option<String> {
    let code = list.code(said?).filter(|code| *code != "UNSPECIFIED");
    if code.is_none() {
        violations.push(violation(path, "is no code of its list", "不是代码表中的值"));
    }
    code.map(str::to_owned)
}

#[async_trait]
impl<L: Log, V: Vault> AuditService for Search<L, V> {
    async fn search_chains(
        &self,
        request: Request<SearchChainsRequest>,
    ) -> Result<Response<SearchChainsResponse>, Status> {
        if let Some(relay) = self.node.relay() {
            return relay.search_chains(&self.node, request).await;
        }
        self.search(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }
}
