//! Lists as files for a spreadsheet: CSV (RFC 4180), in UTF-8 with a mark that spreadsheets look for.
//!
//! A cell that a spreadsheet would take for a formula is given as text.

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};

use super::failure::Failure;

/// Mark by which spreadsheets know UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Letters with which a formula begins, or with which a spreadsheet skips to one.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A file with a line for each row, below the names of the columns.
pub(super) fn sheet(
    name: &str,
    columns: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<Response, Failure> {
    let bytes = written(columns, rows).map_err(|error| Failure::Broken(error.to_string()))?;
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    Ok((
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)],
        bytes,
    )
        .into_response())
}

fn written(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(MARK.to_vec());
    writer.write_record(columns)?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| as_text(cell)))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// A cell that is text whatever stands in it.
fn as_text(cell: &str) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text_and_lines_are_whole_whatever_stands_in_them() {
        let row = ["=cmd|' /C calc'!A1", "@SUM(1)", "-1", "+1", "甲\"乙,丙\n丁", "\t=1", "2024-05-06"];
        let bytes =
            written(&["a", "b", "c", "d", "e", "f", "g"], [row.map(str::to_owned).to_vec()].into_iter()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "\u{feff}a,b,c,d,e,f,g\r\n'=cmd|' /C calc'!A1,'@SUM(1),'-1,'+1,\"甲\"\"乙,丙\n丁\",'\t=1,2024-05-06\r\n"
        );
    }
}
