//! Printed lines against what a document says.

const ANY: &str = "…";

/// Whether the lines are those that the document shows.
pub(super) fn lines_match(shown: &[String], printed: &[&str]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return printed.is_empty() };
    if first.trim() == ANY {
        return (0..=printed.len()).any(|skipped| lines_match(rest, printed.get(skipped..).unwrap_or_default()));
    }
    printed
        .split_first()
        .is_some_and(|(line, others)| line_matches(first.trim_end(), line.trim_end()) && lines_match(rest, others))
}

/// Whether a line is the one that the document shows.
pub(super) fn line_matches(shown: &str, printed: &str) -> bool {
    let Some((before, after)) = shown.split_once(ANY) else { return shown == printed };
    let Some(rest) = printed.strip_prefix(before) else { return false };
    rest.char_indices()
        .map(|(at, _)| at)
        .chain([rest.len()])
        .any(|at| line_matches(after, rest.get(at..).unwrap_or_default()))
}

#[test]
fn an_ellipsis_stands_for_any_text_and_alone_for_any_lines() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(lines_match(&shown("root …\n…\nend"), &["root 12ab", "x", "y", "end"]));
    assert!(lines_match(&shown("…"), &[]));
    assert!(lines_match(&shown("a … b … c"), &["a 1 b 2 c"]));
    assert!(!lines_match(&shown("root …\nend"), &["root 12ab", "x", "end"]));
    assert!(!lines_match(&shown("end"), &["end", "more"]));
    assert!(!lines_match(&shown("a … b"), &["a 1 c"]));
}
