//! Golden bytes and generated documents: what the code makes must be what lies in the repository.
//!
//! `just golden` (`MEDIATION_GOLDEN=write`) writes them anew.

mod acts;
mod errors;
mod format;
pub(crate) mod sample;
mod visibility;
mod wire;

use std::{env, fs};

use crate::workspace::{read, root};

/// Fails with the first line that differs between a file of the repository and what is made now.
pub(crate) fn assert_golden(path: &str, made: &str) {
    let golden = read(path);
    if golden == made {
        return;
    }
    if env::var("MEDIATION_GOLDEN").as_deref() == Ok("write") {
        fs::write(root().join(path), made).unwrap();
        return;
    }
    let differs = golden.lines().zip(made.lines()).position(|(golden, made)| golden != made);
    let line = differs.unwrap_or_else(|| golden.lines().count().min(made.lines().count()));
    let [there, here] = [&golden, made].map(|text| text.lines().nth(line).unwrap_or("(end of the file)"));
    panic!("{path}:{}: stands `{there}`, is made `{here}`; look, then run `just golden`", line + 1);
}
