//! `console` blocks of a document.

use crate::workspace::File;

/// A block of commands.
#[derive(Debug)]
pub(super) struct Block {
    /// Line in the document, from 1.
    pub(super) line: usize,
    /// Why it is not run, when it says that it is not.
    pub(super) not_run: Option<String>,
    /// Its commands.
    pub(super) commands: Vec<Command>,
}

/// One command with what it prints.
#[derive(Debug)]
pub(super) struct Command {
    /// Line in the document, from 1.
    pub(super) line: usize,
    /// Text after `$ `.
    pub(super) text: String,
    /// Lines that it prints.
    pub(super) output: Vec<String>,
    /// Exit code.
    pub(super) exit_code: i32,
}

/// The blocks of a document, in order.
pub(super) fn blocks(document: &File) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, text) in document.text.lines().enumerate() {
        let line = at + 1;
        match (text.strip_prefix("```"), open.take()) {
            (Some(info), None) => open = begin(info, line),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                extend(&mut block, text, line);
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    blocks
}

fn begin(info: &str, line: usize) -> Option<Block> {
    let mark = info.strip_prefix("console")?;
    let not_run = mark.strip_prefix(" not run:").map(|reason| reason.trim().to_owned());
    assert!(mark.is_empty() || not_run.is_some(), "line {line}: `{info}` is no mark of a block");
    Some(Block { line, not_run, commands: Vec::new() })
}

fn extend(block: &mut Block, text: &str, line: usize) {
    if let Some(command) = text.strip_prefix("$ ") {
        block.commands.push(Command { line, text: command.to_owned(), output: Vec::new(), exit_code: 0 });
        return;
    }
    let Some(command) = block.commands.last_mut() else { panic!("line {line}: output before the first command") };
    match text.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']')) {
        Some(code) => command.exit_code = code.parse().unwrap(),
        None if command.text.ends_with('\\') => {
            command.text.pop();
            command.text.push_str(text.trim_start());
        }
        None => command.output.push(text.to_owned()),
    }
}
