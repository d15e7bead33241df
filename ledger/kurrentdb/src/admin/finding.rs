//! What can be wrong with a cluster.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{names, pager};
use crate::{alarm::named, wire::Event};

/// Something about a cluster that a ledger should not stand on, or that could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// Whoever is on the way reads and changes everything.
    #[error("the cluster is reached without TLS")]
    NoTls,
    /// Whoever reaches the cluster may do everything.
    #[error("the cluster has no users: anybody is an administrator")]
    NoUsers,
    /// No access list binds an administrator. Expected only when an administrator runs the check.
    #[error("user `{name}` is an administrator: no service may hold such credentials")]
    Administrator {
        /// Name of the user.
        name: String,
    },
    /// A password that stands in the engine's manual.
    #[error("user `{name}` has the password that the engine comes with")]
    DefaultPassword {
        /// Name of the user.
        name: String,
    },
    /// A right that is not given to somebody by name: every user has it; or somebody has a right to delete.
    #[error("the access list of all streams does not close right `{right}`")]
    OpenList {
        /// Right, as the engine calls it: `$w` writes, `$d` deletes, `$mw` writes metadata, `$r` and `$mr` read.
        right: String,
    },
    /// Only administrators see the lists.
    #[error("the access lists cannot be seen with these credentials")]
    ListsUnseen,
    /// Nothing can be followed.
    #[error("`$all` cannot be read with these credentials")]
    AllUnseen,
    /// The cluster serves somebody else, too.
    #[error("stream `{stream}` is not of a ledger")]
    Foreign {
        /// The stream.
        stream: String,
    },
    /// Projections double the log, and copy what is erased.
    #[error("projections are running: there is a link in stream `{stream}`")]
    Projections {
        /// The stream.
        stream: String,
    },
    /// Somebody truncated, opened or deleted a stream.
    #[error("stream `{stream}` has metadata of its own, or was deleted")]
    Metadata {
        /// The stream.
        stream: String,
    },
}

/// Rights that a list must close, and whether it may name somebody who has them.
const RIGHTS: [(&str, bool); 5] = [("$r", true), ("$w", true), ("$d", false), ("$mr", true), ("$mw", false)];

/// Type of the events that projections write.
const LINK_KIND: &str = "$>";

/// The rights that the settings leave open to every user.
pub(super) fn open_lists(settings: Option<&[u8]>) -> Vec<Finding> {
    let settings = settings.and_then(|data| serde_json::from_slice::<Value>(data).ok());
    let lists = settings.as_ref().and_then(|settings| settings.get("$userStreamAcl"));
    let closed = |(right, some): (&str, bool)| {
        let named: Vec<&str> = match lists.and_then(|lists| lists.get(right)) {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => return false,
        };
        // An administrator may anyway.
        let others = named.iter().any(|name| *name != "$admins");
        !named.contains(&"$all") && (some || !others)
    };
    let open = RIGHTS.into_iter().filter(|right| !closed(*right));
    open.map(|(right, _)| Finding::OpenList { right: right.to_owned() }).collect()
}

/// What is not of a ledger, each once, and at most so many streams of others.
pub(super) fn foreign(events: &[Event], streams_max: usize) -> Vec<Finding> {
    let (mut findings, mut streams) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let stream = named(&event.stream);
        if let Some(described) = names::described(&event.stream) {
            findings.insert(Finding::Metadata { stream: named(described) });
        } else if event.stream.starts_with('$') {
            if event.kind == LINK_KIND {
                findings.insert(Finding::Projections { stream });
            }
        } else if names::chain_of(&event.stream).is_some() {
            if !pager::is_record(event) {
                findings.insert(Finding::Metadata { stream });
            }
        } else if event.stream != names::HEADS_STREAM && streams.len() < streams_max {
            streams.insert(stream);
        }
    }
    findings.extend(streams.into_iter().map(|stream| Finding::Foreign { stream }));
    findings.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(settings: &str) -> Vec<String> {
        let right = |finding| {
            let Finding::OpenList { right } = finding else { panic!("{finding}") };
            right
        };
        open_lists(Some(settings.as_bytes())).into_iter().map(right).collect()
    }

    #[test]
    fn a_list_that_is_not_there_is_open_and_an_empty_one_is_closed() {
        assert_eq!(open_lists(None).len(), 5);
        assert_eq!(open("no json").len(), 5);
        let closed = r#"{"$userStreamAcl": {"$r": ["r"], "$w": "w", "$d": [], "$mr": [], "$mw": "$admins"}}"#;
        assert_eq!(open(closed), [""; 0]);
        let leaky = r#"{"$userStreamAcl": {"$r": ["$all"], "$w": ["w"], "$d": ["w"], "$mr": [], "$mw": []}}"#;
        assert_eq!(open(leaky), ["$r", "$d"]);
    }
}
