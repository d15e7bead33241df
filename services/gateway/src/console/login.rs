//! The door: who sits down, in which language he reads.

use std::sync::Arc;

use askama::Template;
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use mediation_domain::calendar::Day;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    Console, Entrance, Office, Page, Seat,
    failure::Failure,
    frame::{Frame, Tongue, answer},
    session::{language_cookie, no_token_cookie, official, token_cookie, tongue},
};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    seats: Vec<Seat>,
    /// None where the certificate says who comes.
    code: Option<String>,
    is_wrong: bool,
}

impl LoginPage {
    fn new(seats: Vec<Seat>, t: Tongue, today: Day, code: Option<String>, is_wrong: bool) -> Self {
        let title = t.say("登录", "Log in").to_owned();
        let path = "/login".to_owned();
        let frame = Frame { t, title, path, section: "", reader: None, today: today.to_string() };
        Self { frame, seats, code, is_wrong }
    }
}

/// What the printed address brings along.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Invitation {
    code: String,
}

/// The page with the seats.
pub(super) async fn show<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Query(Invitation { code }): Query<Invitation>,
    headers: HeaderMap,
) -> Page {
    let (seats, code) = match &console.entrance {
        Entrance::Code { seats, .. } => (seats.clone(), Some(code)),
        Entrance::Certificate => (console.own(&headers).await?, None),
    };
    answer(StatusCode::OK, &LoginPage::new(seats, tongue(&headers), console.today(), code, false))
}

/// A seat that somebody takes.
#[derive(Debug, Deserialize)]
pub(super) struct Entering {
    seat: usize,
    #[serde(default)]
    code: String,
}

/// Begins a session.
pub(super) async fn enter<E: Office>(
    State(console): State<Arc<Console<E>>>,
    headers: HeaderMap,
    Form(Entering { seat, code }): Form<Entering>,
) -> Page {
    let (seats, is_let_in) = match &console.entrance {
        Entrance::Code { seats, code: right } => (seats.clone(), is_same(&code, right)),
        Entrance::Certificate => (console.own(&headers).await?, true),
    };
    let Some(taken) = seats.get(seat).filter(|_| is_let_in).cloned() else {
        let code = matches!(console.entrance, Entrance::Code { .. }).then(String::new);
        let page = LoginPage::new(seats, tongue(&headers), console.today(), code, true);
        return answer(StatusCode::FORBIDDEN, &page);
    };
    let (registry, official) = (taken.client.registry(None).await?, official(&headers));
    let token = console
        .sessions
        .begin(taken, official.map(str::to_owned), registry)
        .ok_or(Failure::Malformed("登录的人太多，请稍后再试。", "Too many sessions are open; try again later."))?;
    Ok(go("/", token_cookie(&token, official)))
}

impl<E: Office> Console<E> {
    /// The seats of the official whom the certificate names.
    async fn own(&self, headers: &HeaderMap) -> Result<Vec<Seat>, Failure> {
        let official = official(headers).ok_or(Failure::NoOfficial)?;
        self.office.seats(official).await.map_err(Failure::NotAppointed)
    }
}

/// Ends the session.
pub(super) async fn leave<E: Office>(State(console): State<Arc<Console<E>>>, headers: HeaderMap) -> Response {
    console.sessions.end(&headers);
    go("/login", no_token_cookie())
}

/// A language that is chosen, and the page to come back to.
#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    to: String,
    back: String,
}

/// Keeps the language in the browser.
pub(super) async fn language(Form(Choice { to, back }): Form<Choice>) -> Response {
    let tongue = if to == Tongue::English.code() { Tongue::English } else { Tongue::Chinese };
    // A path of ours: what begins with two slashes, or a slash and its mirror image, names another site. Browsers leave tabs and
    // line feeds out before they read it.
    let is_ours = back.starts_with('/') && !back.starts_with("//") && !back.contains(['\\', '\t', '\r', '\n']);
    go(if is_ours { &back } else { "/" }, language_cookie(tongue))
}

fn go(path: &str, cookie: String) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path.to_owned()), (header::SET_COOKIE, cookie)]).into_response()
}

/// Whether two texts are the same; the time that it takes says nothing about where they differ.
fn is_same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}
