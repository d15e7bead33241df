//! Lists that a command writes into a file for a spreadsheet.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mediation_gateway::sheet::Table;

use crate::{durable, output::line};

/// Where a list is written besides, or instead of, the screen.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// 写入此 Excel 文件，须尚不存在 · Write the list into this workbook, which must not exist
    #[arg(long, value_name = "FILE")]
    xlsx: Option<PathBuf>,
    /// 写入此 CSV 文件，须尚不存在 · Write the list into this CSV file, which must not exist
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl Files {
    /// Whether a file is wanted; the list is then not printed.
    pub(crate) fn are_wanted(&self) -> bool {
        self.xlsx.is_some() || self.csv.is_some()
    }

    /// Writes the files that are wanted, and says so.
    pub(crate) fn write(&self, table: &Table) -> Result<()> {
        for (path, bytes) in [(&self.xlsx, table.workbook()), (&self.csv, table.csv())] {
            let Some(path) = path else { continue };
            durable::create(path, &bytes?)?;
            line(format!("已写入 · written: {} 行 rows → {}", table.rows.len(), path.display()));
        }
        Ok(())
    }
}
