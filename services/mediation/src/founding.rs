//! Founding a ledger: keys, certificates, the registry chain, the first checkpoint. Nothing of this happens by accident,
//! and nothing stands at the target until all of it does.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use mediation_domain::{admit::Caller, history::EventId};
use mediation_ledger::{
    chain::ChainId,
    clock::Clock,
    key::{Ed25519Signer, Signer},
    ledger::Ledger,
    note::KeyName,
    recorder::{Placed, Recorder, Request},
};
use mediation_log_embedded::{
    Embedded, FatalHandler,
    checkpoint::CheckpointFiles,
    disk::{Disk, RealDisk},
    vault::FileVault,
};
use mediation_projections::sealer::{LogSigner, Sealer};
use mediation_proto::{
    fields::kind_of_event,
    json::act_from_json,
    mediation::{ledger::v1::Act, types::v1::AgencyKind},
};
use serde_json::{Map, Value, json};

use crate::{config::Config, keys, layout::Layout, manifest::Manifest, member::Member, pki, process};

/// What a new ledger shall be.
#[derive(Debug)]
pub(crate) struct Founding {
    /// Identity of the ledger: a schema-less URL.
    pub(crate) origin: KeyName,
    /// Rule set that its chains are judged by.
    pub(crate) rule_set: String,
    /// Size of a log segment in bytes.
    pub(crate) segment_bytes: u64,
    /// The agencies that found it.
    pub(crate) members: Vec<Member>,
    /// First day on which the agencies' keys are valid, `YYYY-MM-DD`.
    pub(crate) valid_from: String,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Founds a ledger in a directory that does not exist yet, or is empty.
pub(crate) async fn found(directory: &Path, founding: &Founding, config: &Config) -> Result<Manifest> {
    if directory.exists() && fs::read_dir(directory)?.next().is_some() {
        bail!("`{}` exists and is not empty; a ledger is founded once", directory.display());
    }
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(parent)?;
    let name = directory.file_name().context("the directory has no name")?.to_string_lossy();
    let unfinished = parent.join(format!(".{name}.unfinished-{}", std::process::id()));
    if unfinished.exists() {
        // What a crash of an earlier founding left; nobody has ever relied on it.
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir(&unfinished)?;
    let layout = Layout::new(&unfinished);
    let manifest = build(&layout, founding, config).await?;
    if directory.exists() {
        fs::remove_dir(directory)?;
    }
    fs::rename(&unfinished, directory)?;
    File::open(parent)?.sync_all()?;
    Ok(manifest)
}

async fn build(layout: &Layout, founding: &Founding, config: &Config) -> Result<Manifest> {
    let origin = founding.origin.as_str();
    let log_key = Ed25519Signer::generate()?;
    let signing_key = log_key.signing_key().clone();
    let verifier = Manifest::verifier(&founding.origin, &signing_key)?;
    fs::create_dir(layout.keys())?;
    keys::write(&layout.log_key(), &signing_key)?;
    let mut roots = BTreeMap::new();
    let mut desks = BTreeMap::new();
    for member in &founding.members {
        fs::create_dir(layout.keys().join(&member.id))?;
        let (root, desk) = (Ed25519Signer::generate()?, Ed25519Signer::generate()?);
        keys::write(&layout.root_key(&member.id), root.signing_key())?;
        keys::write(&layout.signing_key(&member.id), desk.signing_key())?;
        roots.insert(member.id.clone(), Arc::new(root) as Arc<dyn Signer>);
        desks.insert(member.id.clone(), desk.public_key());
    }
    pki::create(layout, origin, founding.members.iter().map(|member| member.id.as_str()))?;

    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = process::log_options(origin, founding.segment_bytes, config, None);
    Embedded::create(&disk, layout.root(), &options)?;
    FileVault::create(disk.as_ref(), &layout.vault(), origin)?;
    let log = Arc::new(Embedded::open(Arc::clone(&disk), layout.root(), &options)?);
    let vault = Arc::new(FileVault::open(disk.as_ref(), &layout.vault(), origin, FatalHandler::default())?);
    let ledger = Arc::new(Ledger::new(
        origin,
        &founding.rule_set,
        Arc::clone(&log),
        Arc::clone(&vault),
        Arc::clone(&founding.clock),
    ));
    let recorder = Recorder::new(ledger, roots.clone());
    let vkey = verifier.to_string();
    let genesis = enter_founding(&recorder, founding, &vkey, &roots).await?;
    recorder.ledger().refresh_registry().await?;
    for member in &founding.members {
        let key = hex::encode(desks.get(&member.id).context("every member has a key")?.to_bytes());
        enter_key(&recorder, founding, member, &key).await?;
    }
    let store = Arc::new(CheckpointFiles::new(Arc::clone(&disk), layout.root().to_owned()));
    let (sealer, seals) =
        Sealer::start(log.as_ref(), LogSigner::new(founding.origin.clone(), signing_key.clone()), store).await?;
    sealer.run(seals.reached(log.size())).await?;
    log.close().await;
    vault.close().await;

    let manifest = Manifest {
        origin: founding.origin.clone(),
        rule_set: founding.rule_set.clone(),
        segment_bytes: founding.segment_bytes,
        genesis: genesis.leaf,
        log_key: verifier,
    };
    fs::write(layout.config(), config.initial()?)?;
    fs::write(layout.policy(), manifest.policy())?;
    fs::write(layout.manifest(), manifest.sign(&signing_key)?)?;
    sync_tree(layout.root())?;
    Ok(manifest)
}

/// Makes everything in a directory survive a power cut: keys that are lost cannot be made again.
fn sync_tree(directory: &Path) -> Result<()> {
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(path)?.sync_all()?;
        }
    }
    Ok(File::open(directory)?.sync_all()?)
}

async fn enter_founding(
    recorder: &Recorder<Embedded, FileVault>,
    founding: &Founding,
    vkey: &str,
    roots: &BTreeMap<String, Arc<dyn Signer>>,
) -> Result<Placed> {
    let founder = founding.members.iter().find(|member| member.kind == AgencyKind::GovernanceCenter);
    let founder = founder.context("a ledger is founded by a governance center; the agencies file names none")?;
    let members: Vec<Value> = founding
        .members
        .iter()
        .map(|member| {
            let root = roots.get(&member.id).map(|root| hex::encode(root.public_key().to_bytes()));
            let kind = member.kind.as_str_name().trim_start_matches("AGENCY_KIND_");
            json!({"agency": member.id, "kind": kind, "name": member.name, "division": member.division,
                   "root_algorithm": "ED25519", "root_key": root})
        })
        .collect();
    let data = json!({"log_key": vkey, "founded_on": day(founding.clock.now_ms()), "members": members});
    enter(recorder, founder, "LedgerFounded", data).await
}

async fn enter_key(
    recorder: &Recorder<Embedded, FileVault>,
    founding: &Founding,
    member: &Member,
    key: &str,
) -> Result<Placed> {
    let data =
        json!({"agency": member.id, "algorithm": "ED25519", "public_key": key, "valid_from": founding.valid_from});
    enter(recorder, member, "AgencyKeyEnrolled", data).await
}

async fn enter(recorder: &Recorder<Embedded, FileVault>, member: &Member, event: &str, data: Value) -> Result<Placed> {
    let ledger = recorder.ledger();
    let request = Request {
        chain: ChainId::registry(ledger.origin()),
        event_id: EventId(*uuid::Uuid::now_v7().as_bytes()),
        expected_revision: None,
        occurred_at: ledger.clock().now_ms() / 1000,
        act: act(event, &format!("{}/SYS-1", member.id), "SYS", data)?,
    };
    let caller = Caller { agency: member.id.clone(), kind: member.kind };
    let placed = recorder.record(&caller, &request).await;
    placed.with_context(|| format!("`{event}` of `{}` could not be recorded", member.id))
}

fn act(event: &str, signer: &str, role: &str, data: Value) -> Result<Act> {
    let kind = kind_of_event(event).with_context(|| format!("no act `{event}`"))?;
    let header = Map::from_iter([("signer".to_owned(), json!(signer)), ("signer_role".to_owned(), json!(role))]);
    let Value::Object(data) = data else { bail!("the fields of an act are an object") };
    Ok(act_from_json(kind, &header, &data, &|_| None)?)
}

/// Day in Asia/Shanghai of an instant.
fn day(now_ms: i64) -> String {
    mediation_domain::calendar::Day::of(now_ms.div_euclid(1000)).to_string()
}
