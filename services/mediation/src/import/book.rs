//! A file as sheets of text, within bounds.

use std::{
    fs::File,
    io::{self, Cursor, Read as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};
use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx};
use zip::ZipArchive;

/// Bytes of a file: some ten thousand rows.
pub(crate) const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes that a workbook may come to when it is unpacked.
pub(crate) const UNPACKED_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Files in a workbook.
const PACKED_FILES_MAX: usize = 1_000;

/// Rows of a file, all sheets together.
pub(crate) const ROWS_MAX: u32 = 10_000;

/// Columns of a sheet.
pub(crate) const COLUMNS_MAX: u32 = 512;

/// Sheets of a workbook.
const SHEETS_MAX: usize = 64;

/// Bytes of a cell: more than any field takes.
pub(crate) const CELL_BYTES_MAX: usize = 64 * 1024;

/// Digits of a number that a spreadsheet keeps; those behind are lost.
const EXACT_MAX: f64 = 999_999_999_999_999.0;

/// A sheet: rows with something in them, from the first on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
}

/// A row: its cells with something in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// From 1 on.
    pub(crate) number: u32,
    /// Column, from 1 on, and text, in the order of the columns.
    pub(crate) cells: Vec<(u32, String)>,
}

impl Row {
    pub(crate) fn cell(&self, column: u32) -> Option<&str> {
        self.cells.iter().find(|cell| cell.0 == column).map(|cell| cell.1.as_str())
    }
}

/// Reads a file: a workbook, or else a CSV, whose only sheet is named by `sheet`. Beyond a bound nothing of it is read.
pub(crate) fn read(path: &Path, sheet: &str) -> Result<Vec<Sheet>> {
    let file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(
        u64::try_from(bytes.len())? <= FILE_BYTES_MAX,
        "the file has more than {FILE_BYTES_MAX} bytes · 文件超过 {FILE_BYTES_MAX} 字节，请分为数个文件"
    );
    // What every ZIP archive begins with.
    if bytes.starts_with(b"PK") { workbook(&bytes) } else { Ok(vec![csv(&bytes, sheet)?]) }
}

/// Sheets of a workbook.
pub(crate) fn workbook(bytes: &[u8]) -> Result<Vec<Sheet>> {
    bounded(bytes)?;
    let mut workbook: Xlsx<_> =
        Xlsx::new(Cursor::new(bytes)).context("the file is no workbook · 文件不是有效的工作簿")?;
    let names = workbook.sheet_names();
    ensure!(
        names.len() <= SHEETS_MAX,
        "the workbook has more than {SHEETS_MAX} sheets · 工作簿超过 {SHEETS_MAX} 张工作表"
    );
    let mut sheets = Vec::new();
    let mut count = 0;
    for name in names {
        let mut cells = workbook.worksheet_cells_reader(&name).context("a sheet is malformed · 工作表有误")?;
        let mut sheet = Sheet { name, rows: Vec::new() };
        while let Some(cell) = cells.next_cell().context("a cell is malformed · 单元格有误")? {
            let (row, column) = cell.get_position();
            let text = text(cell.get_value())
                .with_context(|| format!("{}, row {} column {}", sheet.name, row + 1, column + 1))?;
            put(&mut sheet, &mut count, row.saturating_add(1), column.saturating_add(1), text)?;
        }
        sheets.push(sheet);
    }
    Ok(sheets)
}

/// Unpacks a workbook into nowhere, so that one that is small and unpacks to gigabytes is refused by what it does, not by what it says.
fn bounded(bytes: &[u8]) -> Result<()> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).context("the file is no workbook · 文件不是有效的工作簿")?;
    ensure!(
        archive.len() <= PACKED_FILES_MAX,
        "the workbook holds more than {PACKED_FILES_MAX} files · 工作簿内文件超过 {PACKED_FILES_MAX} 个"
    );
    let mut left = UNPACKED_BYTES_MAX;
    for at in 0..archive.len() {
        let file = archive.by_index(at).context("the workbook is damaged · 工作簿已损坏")?;
        let unpacked =
            io::copy(&mut file.take(left + 1), &mut io::sink()).context("the workbook is damaged · 工作簿已损坏")?;
        let Some(rest) = left.checked_sub(unpacked) else {
            bail!(
                "the workbook unpacks to more than {UNPACKED_BYTES_MAX} bytes · 工作簿解压后超过 {UNPACKED_BYTES_MAX} 字节"
            )
        };
        left = rest;
    }
    Ok(())
}

fn csv(bytes: &[u8], name: &str) -> Result<Sheet> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut sheet = Sheet { name: name.to_owned(), rows: Vec::new() };
    let mut count = 0;
    for (number, record) in (1_u32..).zip(reader.records()) {
        let record = record
            .context("the file is neither a workbook nor CSV in UTF-8 · 文件既非工作簿，也非 UTF-8 编码的 CSV")?;
        for (column, text) in (1_u32..).zip(&record) {
            let text = if (number, column) == (1, 1) { text.trim_start_matches('\u{feff}') } else { text };
            put(&mut sheet, &mut count, number, column, text.to_owned())?;
        }
    }
    Ok(sheet)
}

/// Takes a cell, when it says something. Rows come from above, so that a new number is a new row.
fn put(sheet: &mut Sheet, count: &mut u32, number: u32, column: u32, text: String) -> Result<()> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(());
    }
    let place = super::Place { sheet: sheet.name.clone(), row: number, column };
    ensure!(column <= COLUMNS_MAX, "{place}: more than {COLUMNS_MAX} columns · 超过 {COLUMNS_MAX} 列");
    ensure!(
        text.len() <= CELL_BYTES_MAX,
        "{place}: the cell has more than {CELL_BYTES_MAX} bytes · 单元格超过 {CELL_BYTES_MAX} 字节"
    );
    if sheet.rows.last().is_none_or(|row| row.number != number) {
        *count += 1;
        ensure!(*count <= ROWS_MAX, "{place}: more than {ROWS_MAX} rows · 超过 {ROWS_MAX} 行，请分为数个文件");
        sheet.rows.push(Row { number, cells: Vec::new() });
    }
    if let Some(row) = sheet.rows.last_mut() {
        row.cells.push((column, text.to_owned()));
    }
    Ok(())
}

/// The text of a cell, as its reader sees it.
fn text(value: &DataRef<'_>) -> Result<String> {
    Ok(match value {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => {
            ensure!(
                number.abs() <= EXACT_MAX,
                "a number of more than 15 digits has lost its end: write it as text · 超过 15 位的数字尾数已失真，请将单元格设为文本后重新填写"
            );
            number.to_string()
        }
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(instant) => moment(instant),
        DataRef::Error(error) => bail!("the cell holds an error: {error} · 单元格为错误值"),
        DataRef::Empty => String::new(),
    })
}

fn moment(instant: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = instant.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    if (hour, minute, second) == (0, 0, 0) { date } else { format!("{date} {hour:02}:{minute:02}:{second:02}") }
}
