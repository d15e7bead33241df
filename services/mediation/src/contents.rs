//! Files that are read whole: a configuration, a key, a checkpoint. Anything may stand in their place: a directory, a pipe that
//! nobody writes to, a link to a device without an end, a file of a terabyte.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// Bytes of a file that is read whole. The largest, a list of agencies or a state of the scrub, has some hundred kilobytes.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reads a file.
///
/// # Errors
/// What the system says; it is no regular file, or larger than anything that is read whole. The error does not name the file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened: opening a pipe waits for somebody who writes to it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Reads a file of text.
///
/// # Errors
/// Those of [`read`], or it is no text.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_a_file_of_bounded_size_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("text"), "纠纷").unwrap();
        fs::write(path("bytes"), [0xff, 0xfe]).unwrap();
        symlink(path("text"), path("link")).unwrap();
        symlink("/dev/zero", path("endless")).unwrap();
        File::create(path("large")).unwrap().set_len(BYTES_MAX + 1).unwrap();
        File::create(path("largest")).unwrap().set_len(BYTES_MAX).unwrap();
        assert_eq!(
            (text(&path("text")).unwrap(), text(&path("link")).unwrap()),
            ("纠纷".to_owned(), "纠纷".to_owned())
        );
        assert_eq!(read(&path("bytes")).unwrap(), [0xff, 0xfe]);
        assert_eq!(text(&path("bytes")).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read(&path("missing")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(read(&path("largest")).unwrap().len() as u64, BYTES_MAX);
        for (name, told) in [("endless", "no file"), ("", "no file"), ("large", "more than 16777216 bytes")] {
            let refused = read(&path(name)).unwrap_err().to_string();
            assert!(refused.contains(told), "{name}: {refused}");
        }
    }
}
