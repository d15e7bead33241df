//! A table as a workbook.

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::{Column, Kind, Table, named};

/// Letters that a cell can hold, in units of UTF-16: what spreadsheets read. Text that is longer ends with a mark.
const CELL_UNITS_MAX: usize = 32_767;

/// Mark of a text that goes on.
const CUT: char = '…';

/// Width of a column at most, in letters of the Latin alphabet.
const WIDTH_MAX: u16 = 60;

/// Digits of a number that a spreadsheet keeps.
const DIGITS_MAX: usize = 15;

/// Bytes of the file with one sheet for each table.
pub(super) fn written(tables: &[Table]) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let formats = Formats::new();
    for table in tables {
        let sheet = workbook.add_worksheet();
        sheet.set_name(&table.name)?;
        sheet.set_freeze_panes(1, 0)?;
        for (at, column) in (0_u16..).zip(&table.columns) {
            sheet.write_string_with_format(0, at, &column.title, &formats.head)?;
            sheet.set_column_width(at, width(column, &table.rows, usize::from(at)))?;
        }
        for (line, row) in (1_u32..).zip(&table.rows) {
            for ((at, column), cell) in (0_u16..).zip(&table.columns).zip(row) {
                write(sheet, line, at, column.kind, cell, &formats)?;
            }
        }
    }
    workbook.save_to_buffer()
}

struct Formats {
    head: Format,
    day: Format,
    instant: Format,
}

impl Formats {
    fn new() -> Self {
        Self {
            head: Format::new().set_bold(),
            day: Format::new().set_num_format("yyyy-mm-dd"),
            instant: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
        }
    }
}

fn write(
    sheet: &mut Worksheet,
    line: u32,
    at: u16,
    kind: Kind,
    cell: &str,
    formats: &Formats,
) -> Result<(), XlsxError> {
    if cell.is_empty() {
        return Ok(());
    }
    let moment = |length: usize| if cell.len() == length { ExcelDateTime::parse_from_str(cell).ok() } else { None };
    let (moment, format, number) = match kind {
        Kind::Day => (moment("YYYY-MM-DD".len()), &formats.day, None),
        Kind::Instant => (moment("YYYY-MM-DD HH:MM:SS".len()), &formats.instant, None),
        Kind::Number => (None, &formats.head, number(cell)),
        Kind::Text => (None, &formats.head, None),
    };
    if let Some(moment) = moment {
        sheet.write_datetime_with_format(line, at, moment, format)?;
    } else if let Some(number) = number {
        sheet.write_number(line, at, number)?;
    } else {
        sheet.write_string(line, at, fitting(cell))?;
    }
    Ok(())
}

fn number(cell: &str) -> Option<f64> {
    let is_exact = cell.len() <= DIGITS_MAX && cell.bytes().all(|byte| byte.is_ascii_digit());
    is_exact.then(|| cell.parse().ok()).flatten()
}

/// Text that a cell can hold.
fn fitting(text: &str) -> String {
    let mut text = named(text);
    if text.encode_utf16().count() > CELL_UNITS_MAX {
        let mut units = CUT.len_utf16();
        let end = text.char_indices().find(|(_, letter)| {
            units += letter.len_utf16();
            units > CELL_UNITS_MAX
        });
        text.truncate(end.map_or(text.len(), |(end, _)| end));
        text.push(CUT);
    }
    text
}

/// Letters that the widest cell of a column takes; Chinese characters take two.
fn width(column: &Column, rows: &[Vec<String>], at: usize) -> u16 {
    let wide = |text: &str| -> u16 {
        let letters = text.chars().take(usize::from(WIDTH_MAX));
        letters.map(|letter| if u32::from(letter) >= 0x2e80 { 2 } else { 1 }).sum()
    };
    let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| wide(cell));
    let widest = cells.max().unwrap_or_default().max(wide(&column.title));
    (widest + 2).min(WIDTH_MAX)
}
