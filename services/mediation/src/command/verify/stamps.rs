//! Timestamps in a ledger's directory: each must be one of the checkpoint that the log had at that size.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use mediation_ledger::{
    checkpoint::Checkpoint,
    merkle::{Hash, TreeSize},
    note::KeyName,
};

use super::Report;
use crate::{
    layout::Layout,
    timestamps::{self, AUTHORITY, Authority},
};

/// The timestamps of a directory, and whom they are believed from.
pub(super) struct Stamps {
    directory: PathBuf,
    sizes: BTreeSet<TreeSize>,
    authority: Option<Authority>,
}

impl Stamps {
    /// Finds them; what does not belong there, and certificates that cannot be read, are faults.
    pub(super) fn find(layout: &Layout, report: &mut Report) -> Self {
        let directory = layout.timestamps();
        let mut found = Self { directory, sizes: BTreeSet::new(), authority: None };
        if !found.directory.exists() {
            return found;
        }
        match Authority::read(&found.directory.join(AUTHORITY)) {
            Ok(authority) => found.authority = Some(authority),
            Err(error) => report.fault(found.directory.join(AUTHORITY).display(), format!("{error:#}")),
        }
        match timestamps::sizes(&found.directory) {
            Ok(sizes) => found.sizes = sizes,
            Err(error) => report.fault(found.directory.display(), format!("{error:#}")),
        }
        found.check_names(report);
        found
    }

    /// Sizes of the trees that are stamped.
    pub(super) fn sizes(&self) -> BTreeSet<TreeSize> {
        self.sizes.clone()
    }

    /// Checks each against the checkpoint that follows from the root of the log at its size.
    pub(super) fn check(&self, origin: &KeyName, roots: &BTreeMap<TreeSize, Hash>, report: &mut Report) {
        let Some(authority) = &self.authority else { return };
        for size in &self.sizes {
            let file = timestamps::file(&self.directory, *size);
            let Some(root) = roots.get(size) else {
                report.fault(file.display(), format!("{size} entries are stamped, the log has fewer"));
                continue;
            };
            let text = Checkpoint { origin: origin.clone(), size: *size, root: *root }.to_string();
            let verified = fs::read(&file).map_err(anyhow::Error::from).and_then(|answer| {
                report.bytes += answer.len() as u64;
                Ok(timestamps::verify(&answer, text.as_bytes(), None, authority)?)
            });
            match verified {
                Ok(stamp) => report.stamps.push((*size, stamp.time)),
                Err(error) => report.fault(file.display(), error),
            }
        }
    }

    fn check_names(&self, report: &mut Report) {
        let known: BTreeSet<PathBuf> = self.sizes.iter().map(|size| timestamps::file(&self.directory, *size)).collect();
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            // A crash in the middle of writing leaves `new`; the next timestamp writes over it.
            let is_known = [AUTHORITY, "new"].iter().any(|name| entry.file_name() == *name);
            if !is_known && !known.contains(&entry.path()) {
                report.fault(entry.path().display(), "an unexpected file");
            }
        }
    }
}
