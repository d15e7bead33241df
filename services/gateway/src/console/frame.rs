//! What every page has around it.

use std::fmt::{self, Display, Write as _};

use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use mediation_domain::{calendar::Day, wording::is_hidden};

use super::{Page, failure::Failure, session::Visitor};
pub(super) use crate::tongue::Tongue;

/// What stands around a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) t: Tongue,
    pub(super) title: String,
    /// Path of the page, to come back to after the language was changed.
    pub(super) path: String,
    /// Section of the navigation.
    pub(super) section: &'static str,
    /// Who reads; none before he has taken a seat.
    pub(super) reader: Option<Reader>,
    pub(super) today: String,
}

/// Who reads, as the head of a page says it.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) agency: String,
    pub(super) official: String,
    pub(super) role: String,
}

impl Frame {
    /// The frame of a visitor's page.
    pub(super) fn of(visitor: &Visitor, section: &'static str, title: String, path: String, today: Day) -> Self {
        let seat = &visitor.seat;
        let reader = Reader { agency: seat.name.clone(), official: seat.official.clone(), role: seat.role.clone() };
        Self { t: visitor.tongue, title, path, section, reader: Some(reader), today: today.to_string() }
    }
}

/// Answers a page.
pub(super) fn page(template: &impl Template) -> Page {
    answer(StatusCode::OK, template)
}

/// Answers a page with another status.
pub(super) fn answer(status: StatusCode, template: &impl Template) -> Page {
    let html = template.render().map_err(|error| Failure::Broken(error.to_string()))?;
    Ok((status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}

/// Sends the browser to another page.
pub(super) fn see(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path.to_owned())]).into_response()
}

/// Text from outside. Letters that could change how other text is shown are named instead; the template escapes the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(String);

impl Text {
    /// Text that a page may show.
    pub(super) fn of(text: &str) -> Self {
        let mut shown = String::with_capacity(text.len());
        for letter in text.chars() {
            if letter != '\n' && is_hidden(letter) {
                // Writing to memory cannot fail.
                write!(shown, "[U+{:04X}]", u32::from(letter)).unwrap_or_default();
            } else {
                shown.push(letter);
            }
        }
        Self(shown)
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_change_how_others_are_shown_are_named() {
        let told = Text::of("甲\u{202e}乙\u{202c}\u{2066}\u{feff}\u{7}\r\n丙 שלום 😀");
        assert_eq!(told.to_string(), "甲[U+202E]乙[U+202C][U+2066][U+FEFF][U+0007][U+000D]\n丙 שלום 😀");
    }
}
