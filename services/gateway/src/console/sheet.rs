//! Lists of the console as files for a spreadsheet.

use axum::{
    http::{Uri, header},
    response::{IntoResponse as _, Response},
};

use super::failure::Failure;
use crate::sheet::Table;

/// Type of a workbook.
const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A file of the form that the path asks for at its end.
pub(super) fn file(name: &str, table: &Table, uri: &Uri) -> Result<Response, Failure> {
    let is_workbook = uri.path().ends_with(".xlsx");
    let bytes = if is_workbook { table.workbook() } else { table.csv() };
    let bytes = bytes.map_err(|error| Failure::Broken(error.to_string()))?;
    let (media, extension) = if is_workbook { (WORKBOOK, "xlsx") } else { ("text/csv; charset=utf-8", "csv") };
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    let headers = [(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, bytes).into_response())
}
