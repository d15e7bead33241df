//! Why there is no page.

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use mediation_client::ClientError;

use super::{
    frame::{Frame, Text, Tongue, answer, see},
    session::tongue,
};

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Failure {
    /// The browser has no session, or it is over.
    NoSession,
    /// The connection has shown no certificate of an official.
    NoOfficial,
    /// The official may take no seat; said in both languages.
    NotAppointed(String),
    /// What was asked for is not in the form it must have; said in Chinese and English.
    Malformed(&'static str, &'static str),
    /// The ledger refuses, is away, or proves nothing.
    Ledger(Box<ClientError>),
    /// The bundle cannot be made; said in both languages.
    Bundle(String),
    /// A page cannot be made: a fault of ours.
    Broken(String),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Ledger(Box::new(error))
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    frame: Frame,
    heading: String,
    lines: Vec<Text>,
    reason: Option<String>,
    request_id: Option<String>,
}

impl FailurePage {
    fn new(heading: &str) -> Self {
        let frame = Frame {
            t: Tongue::Chinese,
            title: heading.to_owned(),
            path: "/".to_owned(),
            section: "",
            reader: None,
            today: String::new(),
        };
        Self { frame, heading: heading.to_owned(), lines: Vec::new(), reason: None, request_id: None }
    }

    fn line(mut self, line: &str) -> Self {
        self.lines.push(Text::of(line));
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, page) = match self {
            Self::NoSession => return see("/login"),
            Self::NoOfficial => {
                let page = FailurePage::new("证书未指明官员 · The certificate names no official");
                let page = page.line("请使用本机构签发、载明官员编号的客户端证书登录。");
                (StatusCode::FORBIDDEN, page.line("Log in with a client certificate of your agency that names you."))
            }
            Self::NotAppointed(told) => {
                let page = FailurePage::new("没有可用的身份 · You have no seat here");
                (StatusCode::FORBIDDEN, told.lines().fold(page, FailurePage::line))
            }
            Self::Malformed(zh, en) => {
                (StatusCode::BAD_REQUEST, FailurePage::new("请求有误 · The request is malformed").line(zh).line(en))
            }
            Self::Ledger(error) => ledger(&error),
            Self::Bundle(told) => {
                let page = FailurePage::new("未能导出证据包 · No evidence bundle");
                (StatusCode::CONFLICT, told.lines().fold(page, FailurePage::line))
            }
            Self::Broken(error) => {
                tracing::error!(%error, "a page cannot be made");
                let page = FailurePage::new("页面出错 · The page is broken");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    page.line("已记入运行日志。").line("It stands in the log of the console."),
                )
            }
        };
        answer(status, &page).unwrap_or_else(|_| status.into_response())
    }
}

fn ledger(error: &ClientError) -> (StatusCode, FailurePage) {
    let Some(told) = error.told() else {
        let page = FailurePage::new("核验未通过 · Not verified");
        let page = page
            .line("账本的答复未能证明其内容，故不予显示。")
            .line("The ledger's answer proves nothing, and is not shown.");
        return (StatusCode::BAD_GATEWAY, page.line(&error.to_string()));
    };
    let (status, heading) = if told.reason == "CHAIN_NOT_FOUND" {
        (StatusCode::NOT_FOUND, "没有此链，或不可查阅 · No such chain, or not yours to read")
    } else if told.is_away {
        (StatusCode::SERVICE_UNAVAILABLE, "账本暂不可用 · The ledger is away")
    } else {
        (StatusCode::FORBIDDEN, "账本拒绝 · The ledger refuses")
    };
    let mut page = FailurePage::new(heading).line(&told.zh).line(&told.en);
    (page.reason, page.request_id) = (Some(told.reason), told.request_id);
    (status, page)
}

/// There is nothing at this path.
pub(super) async fn no_such_page(headers: HeaderMap, uri: Uri) -> Response {
    let t = tongue(&headers);
    let page = FailurePage::new(t.say("没有这个页面", "No such page")).line(uri.path());
    answer(StatusCode::NOT_FOUND, &page).unwrap_or_else(|_| StatusCode::NOT_FOUND.into_response())
}
