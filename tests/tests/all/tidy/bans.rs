//! What must not stand in the sources. This file alone may name it.

use super::{assert_none, breach};
use crate::workspace::{File, files};

/// A text that must not occur.
struct Ban {
    text: &'static str,
    /// Files that it is banned from.
    from: fn(&File) -> bool,
    why: &'static str,
}

const BANS: &[Ban] = &[
    Ban { text: "todo!(", from: is_rust, why: "unfinished code" },
    Ban { text: "unimplemented!(", from: is_rust, why: "unfinished code" },
    Ban { text: "dbg!(", from: is_rust, why: "left from a search for a bug" },
    Ban { text: "#[ignore", from: is_rust, why: "a test that is not run tests nothing" },
    Ban {
        text: "#[allow(", from: is_rust, why: "say `#[expect(…, reason = …)]`, which notices when it is not needed"
    },
    Ban {
        text: "#![allow(",
        from: is_rust,
        why: "say `#![expect(…, reason = …)]`, which notices when it is not needed",
    },
    Ban { text: "println!(", from: is_library, why: "only `output.rs` writes to the terminal" },
    Ban { text: "eprintln!(", from: is_library, why: "only `output.rs` writes to the terminal" },
    Ban { text: "thread::sleep(", from: is_rust, why: "wait for what is waited for; time is a `Clock`" },
    Ban {
        text: "SeededEntropy::new(",
        from: is_no_city,
        why: "a ledger made from a seed hides nothing; only the made-up city may be one",
    },
    Ban { text: "TODO", from: is_text, why: "do it, or file it" },
    Ban { text: "FIXME", from: is_text, why: "do it, or file it" },
    Ban { text: "XXX", from: is_text, why: "do it, or file it" },
    Ban { text: "/home/", from: is_text, why: "a path of one machine" },
    Ban { text: "/root/", from: is_text, why: "a path of one machine" },
    Ban { text: "/work/", from: is_text, why: "a path of one machine" },
    Ban { text: "/Users/", from: is_text, why: "a path of one machine" },
    Ban { text: "../shared", from: is_text, why: "a path outside the repository" },
    Ban { text: "\r\n", from: is_text, why: "lines end in a line feed" },
    Ban { text: "\u{feff}", from: is_text, why: "no byte order mark" },
];

#[test]
fn nothing_banned_stands_in_the_sources() {
    let mut breaches = Vec::new();
    for file in files().iter().filter(|file| file.path != "tests/tests/all/tidy/bans.rs") {
        for ban in BANS.iter().filter(|ban| (ban.from)(file)) {
            let lines = file.text.split_inclusive('\n').enumerate().filter(|(_, line)| line.contains(ban.text));
            breaches.extend(lines.map(|(line, _)| breach(file, line, &format!("`{}`: {}", ban.text.trim(), ban.why))));
        }
    }
    assert_none(&breaches);
}

#[test]
fn lines_and_files_end_as_they_should() {
    let mut breaches = Vec::new();
    // What fuzz targets are fed is bytes, whatever they look like.
    let is_corpus = |file: &&File| file.path.starts_with("tests/fuzz/corpus");
    for file in files().iter().filter(|file| is_text(file) && !is_corpus(file)) {
        let lines = file.text.lines().enumerate();
        let trailing = lines.filter(|(_, line)| line.ends_with([' ', '\t']));
        breaches.extend(trailing.map(|(line, _)| breach(file, line, "white space at the end of the line")));
        if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
            breaches.push(breach(file, file.text.lines().count(), "does not end in one line feed"));
        }
    }
    assert_none(&breaches);
}

fn is_rust(file: &File) -> bool {
    file.is(".rs")
}

/// Rust that is neither a test nor a build script, which speaks to Cargo on standard output.
fn is_library(file: &File) -> bool {
    file.is(".rs") && !file.is_test() && !file.is("build.rs") && !file.is("/output.rs")
}

/// Rust that is neither a test nor makes up a city. Two files hold tests of their own.
fn is_no_city(file: &File) -> bool {
    let may =
        ["ledger/core/src/entropy.rs", "ledger/embedded/src/vault/cipher.rs", "services/mediation/src/command/city.rs"];
    file.is(".rs") && !file.is_test() && !may.contains(&file.path.as_str())
}

/// Text that we write: data, golden bytes and lockfiles come from elsewhere, third parties' files are as they are.
fn is_text(file: &File) -> bool {
    let foreign = ["Cargo.lock", "LICENSE"].contains(&file.path.as_str())
        || ["ledger/domain/data/", "proto/google/", "tests/cases/", "tests/golden/"]
            .iter()
            .any(|start| file.path.starts_with(start));
    !foreign
}
