//! The list of the acts that an agency has submitted: one event id a line, written by whoever submits for it.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
};

use anyhow::{Context as _, Result};
use mediation_domain::history::EventId;

/// Appends an event id; it is on the disk before this answers.
pub(crate) fn append(file: &Path, event_id: &str) -> Result<()> {
    let cannot = || format!("cannot write the list `{}`", file.display());
    let mut list = OpenOptions::new().create(true).append(true).open(file).with_context(cannot)?;
    list.write_all(format!("{event_id}\n").as_bytes()).with_context(cannot)?;
    list.sync_all().with_context(cannot)
}

/// Reads a list. Empty lines, and what stands behind a `#`, say nothing.
pub(crate) fn read(file: &Path) -> Result<BTreeSet<EventId>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read the list `{}`", file.display()))?;
    let lines = text.lines().zip(1..).map(|(line, number)| (line.split('#').next().unwrap_or_default().trim(), number));
    lines
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, number)| {
            let malformed = || format!("line {number} of `{}` is no event id", file.display());
            EventId::parse(line).with_context(malformed)
        })
        .collect()
}
