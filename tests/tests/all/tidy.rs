//! House rules that neither the compiler nor Clippy knows.

mod arrows;
mod bans;
mod layout;
mod messages;
mod prose;

use crate::workspace::File;

/// One place where a rule is broken.
fn breach(file: &File, line: usize, what: &str) -> String {
    format!("{}:{}: {what}", file.path, line + 1)
}

/// Fails with every breach, one a line.
fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}
