//! The container of a bundle: a ZIP archive of stored files that has one encoding only.
//!
//! ```text
//! local header | content      for each file, by name        stored, 1980-01-01 00:00, no extra fields
//! central header              for each file, by name        regular file, readable by everybody
//! end record                                                no comment
//! ```
//!
//! Every archiver opens it. What is read is written again and must be the same bytes: so no two readers can see different
//! files in it, nothing stands before, between or behind them, and nothing in it expands.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::limits::{BUNDLE_BYTES_MAX, BUNDLE_FILES_MAX};

/// Files by their names.
pub type Files = BTreeMap<String, Bytes>;

/// Why bytes are not a container.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// Too many bytes or files.
    #[error("a bundle has at most {BUNDLE_BYTES_MAX} bytes and {BUNDLE_FILES_MAX} files")]
    TooLarge,
    /// Not an archive of stored files in its one encoding.
    #[error("the file is not an archive of stored files in its one encoding, from byte {offset} on")]
    Malformed {
        /// First byte that is another.
        offset: usize,
    },
}

/// Writes a container.
///
/// # Errors
/// [`ContainerError::TooLarge`].
pub fn write(files: &Files) -> Result<Vec<u8>, ContainerError> {
    let count = u16::try_from(files.len()).map_err(|_| ContainerError::TooLarge)?;
    let size: usize = files.iter().map(|(name, content)| 2 * name.len() + content.len() + HEADERS_BYTES).sum();
    if files.len() > BUNDLE_FILES_MAX || size > BUNDLE_BYTES_MAX {
        return Err(ContainerError::TooLarge);
    }
    let mut out = Vec::with_capacity(size + END_BYTES);
    let mut directory = Vec::new();
    for (name, content) in files {
        let offset = length(out.len())?;
        let described = described(name, content)?;
        out.extend_from_slice(&LOCAL.to_le_bytes());
        out.extend_from_slice(&described);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(content);
        directory.extend_from_slice(&CENTRAL.to_le_bytes());
        directory.extend_from_slice(&MADE_BY.to_le_bytes());
        directory.extend_from_slice(&described);
        // Comment, disk, internal attributes: none.
        directory.extend_from_slice(&[0; 6]);
        directory.extend_from_slice(&ATTRIBUTES.to_le_bytes());
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let offset = length(out.len())?;
    out.extend_from_slice(&directory);
    out.extend_from_slice(&END.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&length(directory.len())?.to_le_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    Ok(out)
}

/// Reads a container.
///
/// # Errors
/// The bytes are too many, or not those that [`write()`] gives for the files in them.
pub fn read(bytes: &Bytes) -> Result<Files, ContainerError> {
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err(ContainerError::TooLarge);
    }
    let mut files = Files::new();
    let mut offset = 0;
    while let Some((name, content, next)) = file_at(bytes, offset) {
        if files.len() == BUNDLE_FILES_MAX {
            return Err(ContainerError::TooLarge);
        }
        files.insert(name, content);
        offset = next;
    }
    let again = write(&files)?;
    if again == *bytes {
        return Ok(files);
    }
    let same = again.iter().zip(bytes.iter()).take_while(|(one, other)| one == other).count();
    Err(ContainerError::Malformed { offset: same })
}

/// The file whose local header begins at an offset, and the offset behind it. Only its lengths are looked at: everything
/// else is compared when the files are written again.
fn file_at(bytes: &Bytes, offset: usize) -> Option<(String, Bytes, usize)> {
    let header = bytes.get(offset..offset + LOCAL_BYTES)?;
    if !header.starts_with(&LOCAL.to_le_bytes()) {
        return None;
    }
    let size = header.get(22..26)?.try_into().ok().map(u32::from_le_bytes)?;
    let name_length = header.get(26..28)?.try_into().ok().map(u16::from_le_bytes)?;
    let begin = offset + LOCAL_BYTES + usize::from(name_length);
    let end = begin.checked_add(usize::try_from(size).ok()?)?;
    let name = str::from_utf8(bytes.get(offset + LOCAL_BYTES..begin)?).ok()?;
    bytes.get(begin..end)?;
    Some((name.to_owned(), bytes.slice(begin..end), end))
}

/// What both headers say of a file.
fn described(name: &str, content: &[u8]) -> Result<Vec<u8>, ContainerError> {
    let (size, crc) = (length(content.len())?, crc32fast::hash(content));
    let name_length = u16::try_from(name.len()).map_err(|_| ContainerError::TooLarge)?;
    let mut out = Vec::with_capacity(LOCAL_BYTES - 4);
    out.extend_from_slice(&NEEDED.to_le_bytes());
    // Flags, method and time of day: none.
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&DATE.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&name_length.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    Ok(out)
}

fn length(bytes: usize) -> Result<u32, ContainerError> {
    u32::try_from(bytes).map_err(|_| ContainerError::TooLarge)
}

/// Signatures of local header, central header and end record (APPNOTE 4.3.7, 4.3.12, 4.3.16).
const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const LOCAL_BYTES: usize = 30;
/// Both headers of a file, without its name.
const HEADERS_BYTES: usize = LOCAL_BYTES + 46;
const END_BYTES: usize = 22;
/// Version 1.0 is needed to extract; made by version 3.0 on Unix, which gives the attributes their meaning.
const NEEDED: u16 = 10;
const MADE_BY: u16 = 0x031e;
/// A regular file, mode 0644.
const ATTRIBUTES: u32 = 0o100_644 << 16;
/// 1980-01-01, the first day that the format knows.
const DATE: u16 = 0x0021;

#[cfg(test)]
mod tests {
    use super::*;

    fn files(rows: &[(&str, &str)]) -> Files {
        rows.iter().map(|(name, content)| ((*name).to_owned(), Bytes::copy_from_slice(content.as_bytes()))).collect()
    }

    #[test]
    fn files_read_back_as_they_were_written() {
        for files in [files(&[]), files(&[("a", "")]), files(&[("a/b.bin", "x"), ("manifest.json", "{}\n")])] {
            assert_eq!(read(&write(&files).unwrap().into()), Ok(files));
        }
    }

    #[test]
    fn there_is_one_encoding_and_every_other_byte_is_refused() {
        let bytes = write(&files(&[("a", "one"), ("b", "two")])).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            *changed.get_mut(at).unwrap() ^= 0x20;
            // A changed content has another sum, a changed name another place in the directory.
            assert!(read(&changed.into()).is_err(), "byte {at}");
        }
        for at in 0..bytes.len() {
            assert!(read(&bytes.get(..at).unwrap().to_vec().into()).is_err(), "cut at {at}");
        }
        for extra in [&b"PK"[..], b"\0"] {
            assert!(read(&[bytes.as_slice(), extra].concat().into()).is_err());
            assert!(read(&[extra, bytes.as_slice()].concat().into()).is_err());
        }
    }
}
