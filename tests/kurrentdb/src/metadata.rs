//! What an administrator may say about a stream in its `$$` stream, and the rights on it.

use serde_json::{Map, Value};

/// A revision that stands for a stream's end: `$tb` of a soft-deleted stream, and the revision of a tombstone.
pub(crate) const DELETED: u64 = i64::MAX.cast_unsigned();

/// The metadata of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamMetadata {
    /// `$maxCount`: events that are not hidden.
    pub(crate) max_count: Option<u64>,
    /// `$maxAge`, in seconds.
    pub(crate) max_age_seconds: Option<u64>,
    /// `$tb`: the first revision that is not hidden.
    pub(crate) truncate_before: Option<u64>,
    /// `$acl`.
    pub(crate) acl: Option<Acl>,
    /// As it was set; keys that nobody knows stay.
    text: Map<String, Value>,
}

impl StreamMetadata {
    /// What cannot be read counts as nothing said, as the server takes it.
    pub(crate) fn parse(json: &[u8]) -> Self {
        let text = serde_json::from_slice::<Map<String, Value>>(json).unwrap_or_default();
        Self {
            max_count: text.get("$maxCount").and_then(Value::as_u64),
            max_age_seconds: text.get("$maxAge").and_then(Value::as_u64),
            truncate_before: text.get("$tb").and_then(Value::as_u64),
            acl: text.get("$acl").map(Acl::parse),
            text,
        }
    }

    pub(crate) fn is_soft_deleted(&self) -> bool {
        self.truncate_before == Some(DELETED)
    }

    /// The text that hides everything before `revision` and leaves the rest as it is.
    pub(crate) fn reborn_at(&self, revision: u64) -> String {
        let mut text = self.text.clone();
        text.insert("$tb".to_owned(), Value::from(revision));
        Value::Object(text).to_string()
    }
}

/// What a caller wants to do with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    Delete,
    MetadataRead,
    MetadataWrite,
}

/// Who may do what: for each access the roles that may, or nothing said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acl {
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
    delete: Option<Vec<String>>,
    metadata_read: Option<Vec<String>>,
    metadata_write: Option<Vec<String>>,
}

impl Acl {
    pub(crate) fn parse(value: &Value) -> Self {
        let roles = |key: &str| match value.get(key) {
            Some(Value::String(role)) => Some(vec![role.clone()]),
            Some(Value::Array(roles)) => Some(roles.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => None,
        };
        Self {
            read: roles("$r"),
            write: roles("$w"),
            delete: roles("$d"),
            metadata_read: roles("$mr"),
            metadata_write: roles("$mw"),
        }
    }

    pub(crate) fn roles(&self, access: Access) -> Option<&[String]> {
        match access {
            Access::Read => self.read.as_deref(),
            Access::Write => self.write.as_deref(),
            Access::Delete => self.delete.as_deref(),
            Access::MetadataRead => self.metadata_read.as_deref(),
            Access::MetadataWrite => self.metadata_write.as_deref(),
        }
    }
}
