//! The commands of README and docs, run as they stand there.
//!
//! Every block marked `console` is run: lines that begin with `$ ` are commands, the lines after them are what they print,
//! `…` stands for any text, a line of `…` alone for any lines, and a last line `[exit 1]` for an exit code other than 0. A
//! command that ends in ` &` goes on until the document ends. A block that this cannot run says so in its first line, with
//! the reason: `console not run: needs …`.
//!
//! The blocks of one document run in order in one empty directory in which only `tests` leads to the repository's.

mod blocks;
mod pattern;
mod session;

use self::{blocks::blocks, session::Session};
use crate::workspace::files;

#[test]
fn every_command_in_the_documents_prints_what_they_say() {
    let mut failures = Vec::new();
    let mut commands = 0;
    for document in files().iter().filter(|file| file.is(".md")) {
        let blocks: Vec<_> = blocks(document).into_iter().filter(|block| block.not_run.is_none()).collect();
        if blocks.is_empty() {
            continue;
        }
        let mut session = Session::start();
        for command in blocks.iter().flat_map(|block| &block.commands) {
            commands += 1;
            if let Err(failure) = session.run(command) {
                failures.push(format!("{}:{}: `{}`: {failure}", document.path, command.line, command.text));
                // What follows in a document builds on what came before.
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(commands > 0, "no document has a command");
}

#[test]
fn a_block_that_is_not_run_says_why() {
    for document in files().iter().filter(|file| file.is(".md")) {
        for block in blocks(document) {
            let why = block.not_run.as_deref().is_none_or(|reason| reason.len() > 10);
            assert!(why, "{}:{}: say why the block is not run", document.path, block.line);
        }
    }
}

#[test]
fn commands_stand_only_in_console_blocks() {
    for document in files().iter().filter(|file| file.is(".md")) {
        let mut fence = None;
        for (line, text) in document.text.lines().enumerate() {
            if let Some(info) = text.trim_start().strip_prefix("```") {
                fence = if fence.is_some() { None } else { Some(info) };
            }
            let command = text.trim_start().starts_with("$ ");
            let console = fence.is_some_and(|info| info.starts_with("console"));
            assert!(!command || console, "{}:{}: a command outside of a `console` block", document.path, line + 1);
            assert!(
                fence.is_none_or(|info| !["sh", "bash", "shell"].contains(&info)),
                "{}:{}: say `console`",
                document.path,
                line + 1
            );
        }
    }
}
