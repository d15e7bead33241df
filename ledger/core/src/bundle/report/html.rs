//! Building a page: everything that comes from evidence is text, whatever stands in it.

use std::fmt::Write as _;

use mediation_domain::wording::is_hidden;

/// A page under way.
#[derive(Debug)]
pub(super) struct Page {
    html: String,
}

impl Page {
    pub(super) fn begin(title: &str, style: &str) -> Self {
        let mut page = Self { html: String::new() };
        page.raw("<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n");
        // Nothing in a report loads or runs anything, and a browser is told so.
        page.raw(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
        );
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
        page.text(title);
        page.raw("</title>\n<style>\n");
        page.raw(style);
        page.raw("</style>\n</head>\n<body>\n");
        page
    }

    pub(super) fn end(mut self) -> String {
        self.raw("</body>\n</html>\n");
        self.html
    }

    pub(super) fn title(&mut self, title: &str, below: &str) {
        self.element("h1", "", title);
        self.element("p", "below", below);
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.element("h2", "", text);
    }

    pub(super) fn subheading(&mut self, text: &str) {
        self.element("h3", "", text);
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        self.element("p", "", text);
    }

    pub(super) fn note(&mut self, text: &str) {
        self.element("p", "note", text);
    }

    /// A line that is printed across each page.
    pub(super) fn mark(&mut self, text: &str) {
        self.element("p", "mark", text);
    }

    /// Begins a block.
    pub(super) fn begin_block(&mut self, class: &str) {
        self.raw("<section class=\"");
        self.raw(class);
        self.raw("\">\n");
    }

    pub(super) fn end_block(&mut self) {
        self.raw("</section>\n");
    }

    pub(super) fn list(&mut self, items: &[&str]) {
        self.raw("<ol>\n");
        for item in items {
            self.element("li", "", item);
        }
        self.raw("</ol>\n");
    }

    /// Names with their values.
    pub(super) fn facts(&mut self, rows: &[(impl AsRef<str>, String)]) {
        self.raw("<table class=\"facts\">\n");
        for (name, value) in rows {
            self.raw("<tr>");
            self.cell("th", name.as_ref());
            self.cell("td", value);
            self.raw("</tr>\n");
        }
        self.raw("</table>\n");
    }

    pub(super) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        self.raw("<table>\n<thead><tr>");
        head.iter().for_each(|cell| self.cell("th", cell));
        self.raw("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.raw("<tr>");
            row.iter().for_each(|cell| self.cell("td", cell));
            self.raw("</tr>\n");
        }
        self.raw("</tbody>\n</table>\n");
    }

    fn element(&mut self, tag: &str, class: &str, text: &str) {
        if class.is_empty() {
            self.raw(&format!("<{tag}>"));
        } else {
            self.raw(&format!("<{tag} class=\"{class}\">"));
        }
        self.text(text);
        self.raw(&format!("</{tag}>\n"));
    }

    /// A cell. Digests are set in one width and may break anywhere.
    fn cell(&mut self, tag: &str, text: &str) {
        let digest = text.len() >= DIGEST_CHARS && text.bytes().all(|letter| letter.is_ascii_hexdigit());
        self.raw(&if digest { format!("<{tag} class=\"digest\">") } else { format!("<{tag}>") });
        self.text(text);
        self.raw(&format!("</{tag}>"));
    }

    fn raw(&mut self, html: &str) {
        self.html.push_str(html);
    }

    /// Text. Characters that could change how other text is shown are named instead.
    fn text(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.raw("&amp;"),
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '"' => self.raw("&quot;"),
                '\'' => self.raw("&#39;"),
                '\n' => self.raw("<br>"),
                letter if is_hidden(letter) => {
                    // Writing to memory cannot fail.
                    write!(self.html, "[U+{:04X}]", u32::from(letter)).unwrap_or_default();
                }
                letter => self.html.push(letter),
            }
        }
    }
}

/// Hex digits from which on a text counts as a digest.
const DIGEST_CHARS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_evidence_is_text_and_nothing_else() {
        let mut page = Page::begin("t", "");
        page.paragraph("<script>alert('1')</script>\u{202e}&\"\u{7}");
        let html = page.end();
        assert!(html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;[U+202E]&amp;&quot;[U+0007]"), "{html}");
    }
}
