//! What the commands print: results on standard output, progress and trouble on standard error.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Prints a line of the result. A reader that has gone away (`| head`) has seen enough; any other failure ends the
/// command, since a result that was not written must not look like one.
pub(crate) fn line(text: impl AsRef<str>) {
    let written = writeln!(io::stdout().lock(), "{}", text.as_ref());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            note(format!("错误 · error: the result cannot be written: {error}"));
            std::process::exit(i32::from(crate::command::TROUBLE));
        }
        Ok(()) | Err(_) => {}
    }
}

/// Prints a line of progress or trouble.
pub(crate) fn note(text: impl AsRef<str>) {
    let mut err = io::stderr().lock();
    // When standard error is gone there is nobody to tell.
    drop(writeln!(err, "{}", text.as_ref()));
}

/// Prints a result as JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A progress bar on standard error; silent when nobody watches.
pub(crate) fn progress(steps: u64, label: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:40} {human_pos}/{human_len} {per_sec} {eta}");
    let bar = ProgressBar::new(steps).with_message(label.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Width of a text in columns of a terminal: Chinese characters take two.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|letter| if is_wide(letter) { 2 } else { 1 }).sum()
}

fn is_wide(letter: char) -> bool {
    matches!(u32::from(letter), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6)
}

/// Pads the cells of these columns at their left, so that a [`table`] shows them at the right end of the column.
pub(crate) fn to_the_right(rows: &mut [Vec<String>], columns: &[usize]) {
    for column in columns {
        let wide = rows.iter().filter_map(|row| row.get(*column)).map(|cell| width(cell)).max().unwrap_or_default();
        for cell in rows.iter_mut().filter_map(|row| row.get_mut(*column)) {
            cell.insert_str(0, &" ".repeat(wide - width(cell)));
        }
    }
}

/// A table with columns as wide as their widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or_default())
        .collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}
