//! The auditors' console (审计控制台): a dispute's whole way through the agencies, page by page, in a browser.
//!
//! ```text
//! browser ─ code, or certificate ─ session ─ seat: an official of an agency, with that agency's own client ─ gRPC ─ the ledger decides, and records
//!                                                                                  └ every answer verified before it is shown
//! ```
//!
//! The console is a client like any other. It holds no key of the log and no vault; what a reader sees was decided, and the
//! reading recorded, where the vault is. Pages work without scripts; scripts only move the slider without a new page, and
//! verify the chain once more in the reader's own browser.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use mediation_client::Client;
use mediation_domain::calendar::Day;
use mediation_ledger::{chain::ChainId, clock::Clock};

mod accesses;
mod asset;
mod chain;
mod comparison;
mod counted;
mod failure;
mod figures;
mod frame;
mod home;
mod integrity;
mod lanes;
mod lists;
mod login;
mod paths;
mod proof;
mod session;
mod sheet;

use self::{failure::Failure, session::Sessions};
use crate::listener::Official;

/// An official of an agency who reads in the console, with his agency's client.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Agency id.
    pub agency: String,
    /// Public name of the agency.
    pub name: String,
    /// The official, as the records of his readings name him.
    pub official: String,
    /// His role, in Chinese; empty for the one that sees least.
    pub role: String,
    /// The agency's client, which reads for him.
    pub client: Client,
}

/// What the console has of the program that serves it.
pub trait Office: Send + Sync + 'static {
    /// The seats that an official may take, by his certificate: one for each role to which his agency has appointed him.
    ///
    /// # Errors
    /// What he is told, in Chinese and English.
    fn seats(&self, official: &str) -> impl Future<Output = Result<Vec<Seat>, String>> + Send;

    /// The bundle of a chain, as the reader of a seat may export it.
    ///
    /// # Errors
    /// What the reader is told, in Chinese and English.
    fn bundle(&self, seat: &Seat, chain: ChainId, as_of: Day) -> impl Future<Output = Result<Vec<u8>, String>> + Send;
}

/// How officials come in.
#[derive(Debug)]
pub enum Entrance {
    /// Who knows the code takes one of these seats. For one machine, and its user.
    Code {
        /// The code.
        code: String,
        /// The seats.
        seats: Vec<Seat>,
    },
    /// By the certificate that the connection has shown, which names the official.
    Certificate,
}

/// A console.
#[derive(Debug)]
pub struct Console<E> {
    entrance: Entrance,
    clock: Arc<dyn Clock>,
    office: E,
    sessions: Sessions,
}

impl<E: Office> Console<E> {
    /// A console with this entrance.
    #[must_use]
    pub fn new(entrance: Entrance, clock: Arc<dyn Clock>, office: E) -> Self {
        Self { entrance, clock, office, sessions: Sessions::default() }
    }

    fn today(&self) -> Day {
        Day::of(self.clock.now_ms().div_euclid(1_000))
    }
}

/// The pages of a console that is asked under these names, `HOST:PORT`.
pub fn router<E: Office>(console: Console<E>, hosts: Vec<String>) -> Router {
    let scheme = match console.entrance {
        Entrance::Code { .. } => "http://",
        Entrance::Certificate => "https://",
    };
    Router::new()
        .route("/", get(home::show::<E>))
        .route("/login", get(login::show::<E>).post(login::enter::<E>))
        .route("/logout", post(login::leave::<E>))
        .route("/language", post(login::language))
        .route("/search", get(lists::search::<E>))
        .route("/search.csv", get(lists::search_sheet::<E>))
        .route("/search.xlsx", get(lists::search_sheet::<E>))
        .route("/docket", get(lists::docket::<E>))
        .route("/docket.csv", get(lists::docket_sheet::<E>))
        .route("/docket.xlsx", get(lists::docket_sheet::<E>))
        .route("/chains", get(home::find::<E>))
        .route("/chains/{chain}", get(chain::show::<E>))
        .route("/chains/{chain}/proof", get(proof::show::<E>))
        .route("/chains/{chain}/bundle", get(chain::bundle::<E>))
        .route("/chains/{chain}/accesses", get(accesses::show::<E>))
        .route("/chains/{chain}/accesses.csv", get(accesses::file::<E>))
        .route("/chains/{chain}/accesses.xlsx", get(accesses::file::<E>))
        .route("/registry/proof", get(proof::registry::<E>))
        .route("/integrity", get(integrity::show::<E>))
        .route("/agencies", get(integrity::agencies::<E>))
        .route("/agencies.csv", get(integrity::agencies_file::<E>))
        .route("/agencies.xlsx", get(integrity::agencies_file::<E>))
        .route("/figures", get(figures::show::<E>))
        .route("/figures.csv", get(figures::show_file::<E>))
        .route("/figures.xlsx", get(figures::show_file::<E>))
        .route("/figures/agencies", get(comparison::show::<E>))
        .route("/figures/agencies.csv", get(comparison::show_file::<E>))
        .route("/figures/agencies.xlsx", get(comparison::show_file::<E>))
        .route("/paths", get(paths::show::<E>))
        .route("/assets/{name}", get(asset::show))
        .fallback(failure::no_such_page)
        .layer(middleware::from_fn_with_state(Arc::new(Hosts { scheme, hosts }), guarded))
        .with_state(Arc::new(console))
}

/// How, and under which names, the console may be asked.
#[derive(Debug)]
struct Hosts {
    scheme: &'static str,
    hosts: Vec<String>,
}

impl Hosts {
    fn hold(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| known == host)
    }
}

/// Whether a page that is not of this console made the browser ask. Cookies know no ports: they come along from any other
/// server of this machine, and a reading that its page brings about would stand on record as the official's own. The door alone
/// may be linked to.
fn is_led_here(request: &Request) -> bool {
    let site = request.headers().get("sec-fetch-site").and_then(|site| site.to_str().ok());
    matches!(site, Some("same-site" | "cross-site")) && request.uri().path() != "/login"
}

/// What holds of every request and answer. A name that was made to point here by somebody else's DNS is refused, and so is
/// what another site sends, or makes the browser ask for. Nothing of a page comes from elsewhere, nothing runs in it that is not a file of ours, and
/// no cache keeps it.
async fn guarded(State(hosts): State<Arc<Hosts>>, mut request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let from_here = |origin: &str| origin.strip_prefix(hosts.scheme).is_some_and(|host| hosts.hold(host));
    let is_sent_elsewhere = request.method().as_str() == "POST" && !origin.is_some_and(from_here);
    if !hosts.hold(host) || is_sent_elsewhere || is_led_here(&request) {
        return (StatusCode::FORBIDDEN, "此请求来自其他站点，已拒绝 · the request comes from another site\n")
            .into_response();
    }
    // Whom the certificate names is told further on in a header, which nobody else can set.
    request.headers_mut().remove(OFFICIAL);
    let official = request.extensions().get::<Official>().and_then(|official| HeaderValue::from_str(&official.0).ok());
    request.headers_mut().extend(official.map(|official| (OFFICIAL, official)));
    let is_asset = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, CSP);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("permissions-policy", HeaderValue::from_static("camera=(), geolocation=(), microphone=()"));
    if !is_asset {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Header that carries the official whom the certificate names, from the connection to the pages.
const OFFICIAL: HeaderName = HeaderName::from_static("mediation-official");

const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// A page, or why there is none.
type Page = Result<Response, Failure>;
