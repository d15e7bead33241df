//! What an administrator does once: the access lists, and the check that they and what is around them are right.
//!
//! By default every user of a cluster may delete and truncate every stream. Administrators always may: their credentials
//! belong in a safe, and in no service. `$all` is read by administrators only, unless its own list says otherwise.

mod finding;

use serde_json::{Value, json};
use uuid::Uuid;

pub use self::finding::Finding;
use crate::{
    link::Link,
    names,
    options::{Credentials, KurrentOptions, OpenError, settings},
    pager,
    tls::prepare_tls,
    wire::{self, Bounds, Event, Failure, From, Page, Write},
};

/// Stream whose last event holds the lists of all streams without one of their own.
const SETTINGS_STREAM: &str = "$settings";

/// Stream of the metadata of `$all`.
const ALL_METADATA_STREAM: &str = "$$$all";

/// Events that a check looks at from either end of the log: what should not be there shows early or late.
const LOOKED_AT: Bounds = Bounds { events: 5_000, bytes: 64 * 1024 * 1024 };

/// Streams of others that are named; there may be thousands.
const FOREIGN_MAX: usize = 10;

/// Who administers a cluster that nobody has set up.
const DEFAULT_USERS: [(&str, &str); 2] = [("admin", "changeit"), ("ops", "changeit")];

/// Users or groups that the access lists name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// Those who append: desks and sealers. They may read, too.
    pub writers: Vec<String>,
    /// Those who only read: auditors.
    pub readers: Vec<String>,
}

/// Why a cluster cannot be set up or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The options are wrong.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The user may not: setting up needs an administrator.
    #[error("the cluster denies access to stream `{stream}`")]
    Denied {
        /// The stream.
        stream: &'static str,
    },
    /// The cluster does not answer, or not as it should.
    #[error("the cluster does not answer about stream `{stream}`")]
    Unavailable {
        /// The stream.
        stream: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Writes the access lists, with the credentials of an administrator: writers append, readers read, nobody deletes and
/// nobody writes metadata. Whoever is named twice is taken once; what is written already is not written again.
///
/// # Errors
///
/// [`AdminError`]. What was written before the error stays, and another call goes on from there.
pub async fn init(options: KurrentOptions, roles: &Roles) -> Result<(), AdminError> {
    let link = link(options).await?;
    put(&link, ALL_METADATA_STREAM, "$metadata", &all_metadata(roles)).await?;
    put(&link, SETTINGS_STREAM, "$settings", &settings_of(roles)).await
}

/// Looks at a cluster with the credentials of a service, or with those of an administrator, who sees more. Changes nothing.
///
/// # Errors
///
/// [`AdminError`], when nothing can be said.
pub async fn check(options: KurrentOptions) -> Result<Vec<Finding>, AdminError> {
    let mut findings = Vec::new();
    let link = link(options.clone()).await?;
    if !link.is_encrypted() {
        findings.push(Finding::NoTls);
    }
    let settings = last(&link, SETTINGS_STREAM).await;
    let user = options.credentials.as_ref().map(|credentials| credentials.name.clone());
    match settings {
        Ok(settings) => {
            findings.extend(user.map(|name| Finding::Administrator { name }));
            findings.extend(finding::open_lists(settings.as_ref().map(|event| event.data.as_ref())));
        }
        Err(AdminError::Denied { .. }) => findings.push(Finding::ListsUnseen),
        Err(error) => return Err(error),
    }
    if may_see_settings(&options, None).await? {
        findings.push(Finding::NoUsers);
    } else {
        for (name, password) in DEFAULT_USERS {
            let credentials = Credentials { name: name.to_owned(), password: password.to_owned() };
            if may_see_settings(&options, Some(credentials)).await? {
                findings.push(Finding::DefaultPassword { name: name.to_owned() });
            }
        }
    }
    findings.extend(contents(&link).await?);
    Ok(findings)
}

fn settings_of(roles: &Roles) -> Value {
    json!({ "$userStreamAcl": {
        "$r": everybody(roles), "$w": roles.writers, "$d": [], "$mr": everybody(roles), "$mw": [],
    } })
}

fn all_metadata(roles: &Roles) -> Value {
    json!({ "$acl": { "$r": everybody(roles) } })
}

fn everybody(roles: &Roles) -> Vec<String> {
    let mut names: Vec<String> = roles.readers.iter().chain(&roles.writers).cloned().collect();
    names.sort();
    names.dedup();
    names
}

async fn link(options: KurrentOptions) -> Result<Link, AdminError> {
    let settings = settings(&options)?;
    prepare_tls().await?;
    Ok(Link::new(options, settings))
}

/// Writes the stream's next event, unless the last one says the same.
async fn put(link: &Link, stream: &'static str, kind: &'static str, value: &Value) -> Result<(), AdminError> {
    let last = last(link, stream).await?;
    let same =
        last.as_ref().is_some_and(|last| serde_json::from_slice(&last.data).is_ok_and(|last: Value| last == *value));
    if same {
        return Ok(());
    }
    let events = vec![(Uuid::new_v4(), kind, value.to_string().into())];
    let first = last.map_or(0, |last| last.revision.saturating_add(1));
    let write = Write { stream: stream.to_owned(), first, events, json: true };
    let timeout = link.options.append_timeout;
    let ask = |client, user| wire::append(client, user, write.clone(), timeout);
    // The same id at the same revision again is the same write.
    let taken = link.read(timeout, ask).await;
    taken.map(|_taken| ()).map_err(|failure| error(stream, failure))
}

async fn last(link: &Link, stream: &'static str) -> Result<Option<Event>, AdminError> {
    let bounds = Bounds { events: 1, bytes: usize::MAX };
    let ask = |client, user| wire::read_stream(client, user, stream.to_owned(), From::End, bounds);
    let page = link.read(link.options.read_timeout, ask).await.map_err(|failure| error(stream, failure))?;
    Ok(page.and_then(|page| page.events.into_iter().next()))
}

/// Whether a user, or nobody in particular, may see what is for administrators only.
async fn may_see_settings(options: &KurrentOptions, credentials: Option<Credentials>) -> Result<bool, AdminError> {
    let link = link(KurrentOptions { credentials, ..options.clone() }).await?;
    match last(&link, SETTINGS_STREAM).await {
        Ok(_) => Ok(true),
        Err(AdminError::Denied { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is in the log that should not be there.
async fn contents(link: &Link) -> Result<Vec<Finding>, AdminError> {
    let mut events: Vec<Event> = Vec::new();
    for backwards in [false, true] {
        let ask = |client, user| wire::read_all(client, user, None, backwards, LOOKED_AT);
        match link.read(link.options.read_timeout, ask).await {
            Ok(Page { events: page, .. }) => events.extend(page),
            Err(Failure::Denied) => return Ok(vec![Finding::AllUnseen]),
            Err(failure) => return Err(error("$all", failure)),
        }
    }
    Ok(finding::foreign(&events, FOREIGN_MAX))
}

fn error(stream: &'static str, failure: Failure) -> AdminError {
    if failure == Failure::Denied {
        return AdminError::Denied { stream };
    }
    AdminError::Unavailable { stream, source: failure.into_io() }
}
