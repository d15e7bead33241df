//! How the tree stands: checkpoint, witnesses, and whether it extends what this session was shown before; the agencies and
//! their keys.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use mediation_domain::{catalogue, wording};
use mediation_ledger::checkpoint::Checkpoint;
use mediation_proto::derived::TYPES_AGENCY_KIND;

use super::{
    Console, Office, Page,
    failure::Failure,
    frame::{Frame, Text, page},
    session::Visitor,
    sheet,
};

#[derive(Template)]
#[template(path = "integrity.html")]
struct IntegrityPage {
    frame: Frame,
    origin: String,
    log_key: String,
    size: u64,
    root: String,
    note: Text,
    /// The size that this session was shown before; the tree extends it, or there would be no page.
    before: Option<u64>,
    witnessed: Option<u64>,
    witnesses: Vec<WitnessRow>,
}

struct WitnessRow {
    name: Text,
    key_id: String,
    size: Option<u64>,
    at: String,
    behind: u64,
    is_lagging: bool,
    trouble: Option<Text>,
}

/// The page.
pub(super) async fn show<E: Office>(State(console): State<Arc<Console<E>>>, headers: HeaderMap) -> Page {
    let visitor = console.visitor(&headers)?;
    let client = &visitor.seat.client;
    let note = client.checkpoint().await?;
    let checkpoint = client.trust().checkpoint(&note).map_err(mediation_client::ClientError::from)?;
    let before = extended(&visitor, &checkpoint).await?;
    let answer = client.witnesses().await?;
    let witnesses = answer.witnesses.into_iter().map(|witness| WitnessRow {
        name: Text::of(&witness.name),
        key_id: witness.key_id,
        size: witness.cosigned_size,
        at: witness.cosigned_at.map(instant).unwrap_or_default(),
        behind: witness.checkpoints_behind,
        is_lagging: witness.lagging,
        trouble: witness.trouble.as_deref().map(Text::of),
    });
    let title = visitor.tongue.say("完整性", "Integrity").to_owned();
    let shown = IntegrityPage {
        frame: Frame::of(&visitor, "integrity", title, "/integrity".to_owned(), console.today()),
        origin: client.trust().log_key.name().to_string(),
        log_key: client.trust().log_key.to_string(),
        size: checkpoint.size.0,
        root: checkpoint.root.to_string(),
        note: Text::of(&note),
        before,
        witnessed: answer.witnessed_size,
        witnesses: witnesses.collect(),
    };
    console.witness(&visitor, checkpoint);
    page(&shown)
}

/// Checks that the tree extends the one that this session was shown last; answers the size of that one.
async fn extended(visitor: &Visitor, checkpoint: &Checkpoint) -> Result<Option<u64>, Failure> {
    let Some(before) = &visitor.checkpoint else { return Ok(None) };
    let client = &visitor.seat.client;
    let (earlier, later) = if before.size <= checkpoint.size { (before, checkpoint) } else { (checkpoint, before) };
    let path = match earlier.size.0 {
        0 => Vec::new(),
        size if size == later.size.0 => Vec::new(),
        size => client.consistency(size, later.size.0).await?,
    };
    client.trust().extends(earlier, later, &path).map_err(mediation_client::ClientError::from)?;
    Ok(Some(before.size.0))
}

#[derive(Template)]
#[template(path = "agencies.html")]
struct AgenciesPage {
    frame: Frame,
    agencies: Vec<AgencyRow>,
}

struct AgencyRow {
    id: String,
    name: Text,
    kind: String,
    keys: Vec<KeyRow>,
}

struct KeyRow {
    id: String,
    from: String,
    to: String,
    state: &'static str,
}

/// The agencies and their keys, as the registry chain names them: read anew.
pub(super) async fn agencies<E: Office>(State(console): State<Arc<Console<E>>>, headers: HeaderMap) -> Page {
    let visitor = console.visitor(&headers)?;
    let t = visitor.tongue;
    let registry = visitor.seat.client.registry(None).await?;
    let agencies = registry.directory().iter().map(|(id, agency)| AgencyRow {
        id: id.to_owned(),
        name: Text::of(&agency.name),
        kind: catalogue::zh_of_number(&TYPES_AGENCY_KIND, agency.kind.into()).unwrap_or_default().to_owned(),
        keys: registry
            .keys()
            .filter(|(_, key)| key.agency == id)
            .map(|(key_id, key)| KeyRow {
                id: key_id.to_string(),
                from: key.valid_from.map(|day| day.to_string()).unwrap_or_default(),
                to: key.valid_to.map(|day| day.to_string()).unwrap_or_default(),
                state: match (key.revocations.is_empty(), key.replaced.is_some()) {
                    (false, _) => t.say("已吊销", "revoked"),
                    (true, true) => t.say("已更换", "replaced"),
                    (true, false) => t.say("有效", "valid"),
                },
            })
            .collect(),
    });
    let title = t.say("机构与密钥", "Agencies and keys").to_owned();
    let agencies = agencies.collect();
    let frame = Frame::of(&visitor, "agencies", title, "/agencies".to_owned(), console.today());
    console.know(&visitor, registry);
    page(&AgenciesPage { frame, agencies })
}

/// The agencies and their keys, as a file.
pub(super) async fn agencies_file<E: Office>(
    State(console): State<Arc<Console<E>>>,
    uri: Uri,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let registry = visitor.seat.client.registry(None).await?;
    let answer = sheet::file("agencies", &crate::sheet::agencies(&registry, visitor.tongue), &uri);
    console.know(&visitor, registry);
    answer
}

fn instant(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    wording::instant(seconds)
}
