//! Founding a ledger: keys, certificates, the registry chain, the first checkpoint. Nothing of this happens by accident,
//! and nothing stands at the target until all of it does.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use mediation_domain::{admit::Caller, history::EventId};
use mediation_ledger::{
    chain::ChainId,
    clock::Clock,
    entropy::{Entropy, Purpose, SeededEntropy, SystemEntropy},
    key::{Algorithm, Ed25519Signer, PublicKey, Signer},
    ledger::Ledger,
    merkle::Hash,
    note::{KeyName, VerifierKey},
    recorder::{Placed, Recorder, Request},
    subject::SubjectKey,
};
use mediation_log_embedded::{
    Embedded, FatalHandler,
    disk::{Disk, RealDisk},
    vault::FileVault,
};
use mediation_proto::{
    fields::kind_of_event,
    json::act_from_json,
    mediation::{ledger::v1::Act, types::v1::AgencyKind},
};
use serde_json::{Map, Value, json};

use crate::{
    config::Config,
    durable,
    keys::{self, PrivateKey},
    layout::Layout,
    manifest::Manifest,
    member::Member,
    pki, process,
    sealing::Sealing,
    suite::Suites,
};

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
    /// What they sign with.
    pub(crate) suites: Suites,
    /// First day on which the agencies' keys are valid, `YYYY-MM-DD`.
    pub(crate) valid_from: String,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Where the bytes come from that nobody can guess.
#[derive(Debug, Clone)]
pub(crate) enum Randomness {
    /// The operating system: every ledger that shall hide anything.
    System,
    /// A seed: a ledger that is made up, and the same byte for byte whenever it is made.
    Seeded(SeededEntropy),
}

impl Randomness {
    /// The bytes.
    pub(crate) fn entropy(&self) -> Arc<dyn Entropy> {
        match self {
            Self::System => Arc::new(SystemEntropy),
            Self::Seeded(entropy) => Arc::new(entropy.clone()),
        }
    }
}

/// A ledger that is being founded, beside its target: what a crash leaves of it nobody has ever relied on.
#[derive(Debug)]
pub(crate) struct Unfinished {
    directory: PathBuf,
    target: PathBuf,
    parent: PathBuf,
}

impl Unfinished {
    /// Begins; the target must not exist yet, or be empty.
    pub(crate) fn begin(target: &Path) -> Result<Self> {
        Self::begin_unless(target, "a ledger is founded once")
    }

    /// Begins; where the target exists and is not empty, the error says why it must not.
    pub(crate) fn begin_unless(target: &Path, why: &str) -> Result<Self> {
        if target.exists() && fs::read_dir(target)?.next().is_some() {
            bail!("`{}` exists and is not empty; {why}", target.display());
        }
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(parent)?;
        let name = target.file_name().context("the directory has no name")?.to_string_lossy();
        let directory = parent.join(format!(".{name}.unfinished-{}", std::process::id()));
        if directory.exists() {
            // What a crash of an earlier founding left.
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir(&directory)?;
        Ok(Self { directory, target: target.to_owned(), parent: parent.to_owned() })
    }

    /// Where it stands until it is finished.
    pub(crate) fn layout(&self) -> Layout {
        Layout::new(&self.directory)
    }

    /// Removes what there is of it.
    pub(crate) fn abandon(self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            tracing::warn!(%error, directory = %self.directory.display(), "an unfinished ledger stays behind");
        }
    }

    /// Makes all of it survive a power cut, and gives it its place in one step.
    pub(crate) fn finish(self) -> Result<()> {
        durable::sync_tree(&self.directory)?;
        if self.target.exists() {
            fs::remove_dir(&self.target)?;
        }
        fs::rename(&self.directory, &self.target)?;
        Ok(File::open(&self.parent)?.sync_all()?)
    }
}

/// Founds a ledger in a directory that does not exist yet, or is empty.
pub(crate) async fn found(directory: &Path, founding: &Founding, config: &Config) -> Result<Manifest> {
    let unfinished = Unfinished::begin(directory)?;
    let manifest = build(&unfinished.layout(), founding, config, &Randomness::System).await?;
    unfinished.finish()?;
    Ok(manifest)
}

/// The ledger that another one carries on: its first entry commits to what of the end is known.
#[derive(Debug)]
pub(crate) struct Previous {
    /// Identity of the ledger that lost its end.
    pub(crate) origin: KeyName,
    /// Its genesis.
    pub(crate) genesis: Hash,
    /// The last checkpoint of it that others hold; the note, verbatim.
    pub(crate) checkpoint: String,
    /// What made its pseudonyms, where it is left: the new ledger knows everybody by the same ones.
    pub(crate) subjects: Option<SubjectKey>,
}

/// Founds a ledger that carries on another one.
pub(crate) async fn reincarnate(
    directory: &Path,
    founding: &Founding,
    previous: &Previous,
    config: &Config,
) -> Result<Manifest> {
    let unfinished = Unfinished::begin(directory)?;
    let manifest = build_after(&unfinished.layout(), founding, Some(previous), config, &Randomness::System).await?;
    unfinished.finish()?;
    Ok(manifest)
}

/// Builds a ledger with nothing but its founding in an empty directory.
pub(crate) async fn build(
    layout: &Layout,
    founding: &Founding,
    config: &Config,
    randomness: &Randomness,
) -> Result<Manifest> {
    build_after(layout, founding, None, config, randomness).await
}

async fn build_after(
    layout: &Layout,
    founding: &Founding,
    previous: Option<&Previous>,
    config: &Config,
    randomness: &Randomness,
) -> Result<Manifest> {
    let origin = founding.origin.as_str();
    let entropy = randomness.entropy();
    let log_key = Ed25519Signer::generate_from(entropy.as_ref(), &[b"log"])?;
    let signing_key = log_key.signing_key().clone();
    let verifier = Manifest::verifier(&founding.origin, &signing_key)?;
    fs::create_dir(layout.keys())?;
    keys::write(&layout.log_key(), &signing_key)?;
    let sm2_log_key = if founding.suites.has_twin() { Some(make_sm2_log_key(layout, entropy.as_ref())?) } else { None };
    let MemberKeys { roots, desks } = make_keys(layout, founding, entropy.as_ref())?;
    pki::create(layout, origin, randomness, founding.members.iter().map(|member| member.id.as_str()))?;

    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = process::log_options(origin, founding.segment_bytes, config, None);
    Embedded::create(&disk, layout.root(), &options)?;
    let cipher = founding.suites.cipher();
    FileVault::create_from(disk.as_ref(), &layout.vault(), origin, cipher, entropy.as_ref())?;
    let fresh = || SubjectKey::generate(entropy.as_ref(), origin, founding.suites.subject_hash());
    let subjects = previous.and_then(|previous| previous.subjects.clone()).map_or_else(fresh, Ok)?;
    keys::write_subject_key(&layout.subject_key(), &subjects)?;
    let log = Arc::new(Embedded::open(Arc::clone(&disk), layout.root(), &options)?);
    let vault =
        FileVault::open_from(disk.as_ref(), &layout.vault(), origin, FatalHandler::default(), Arc::clone(&entropy))?;
    let vault = Arc::new(vault);
    let clock = Arc::clone(&founding.clock);
    let ledger = Ledger::new(origin, &founding.rule_set, Arc::clone(&log), Arc::clone(&vault), clock);
    let ledger = Arc::new(ledger.with_cipher(cipher));
    let recorder = Recorder::new(ledger, roots.clone()).with_entropy(Arc::clone(&entropy));
    let register = Register { recorder: &recorder, entropy: entropy.as_ref() };
    let genesis = register.enter_founding(founding, previous, &verifier.to_string(), &roots).await?;
    recorder.ledger().refresh_registry().await?;
    for member in &founding.members {
        let key = desks.get(&member.id).context("every member has a key")?;
        register.enter_key(founding, member, key).await?;
    }
    let sealing = Sealing::open(layout, &disk, &founding.origin, vec![signing_key.clone()], sm2_log_key.clone())?;
    let (sealer, seals) = sealing.start(log.as_ref()).await?;
    sealer.run(seals.reached(log.size())).await?;
    log.close().await;
    vault.close().await;

    let manifest = Manifest {
        origin: founding.origin.clone(),
        rule_set: founding.rule_set.clone(),
        segment_bytes: founding.segment_bytes,
        genesis: genesis.leaf,
        log_key: verifier,
        twin_key: sm2_log_key.map(|key| VerifierKey::of_log(founding.origin.twin(), key.public_key())),
        cipher,
    };
    fs::write(layout.config(), config.initial()?)?;
    fs::write(layout.policy(), manifest.policy(&recorder.ledger().registry()))?;
    fs::write(layout.manifest(), manifest.sign(&signing_key)?)?;
    Ok(manifest)
}

/// Makes the key that signs for the twin tree.
fn make_sm2_log_key(layout: &Layout, entropy: &dyn Entropy) -> Result<Arc<dyn Signer>> {
    let key = PrivateKey::generate(Algorithm::Sm2Sm3, entropy, &[b"log"])?;
    key.write(&layout.sm2_log_key())?;
    Ok(key.into_signer())
}

/// The keys of the members, by agency.
struct MemberKeys {
    /// What signs with the root keys.
    roots: BTreeMap<String, Arc<dyn Signer>>,
    /// The public signing keys.
    desks: BTreeMap<String, PublicKey>,
}

/// Makes root and signing key of every member.
fn make_keys(layout: &Layout, founding: &Founding, entropy: &dyn Entropy) -> Result<MemberKeys> {
    let mut roots = BTreeMap::new();
    let mut desks = BTreeMap::new();
    for member in &founding.members {
        let id = member.id.as_str();
        fs::create_dir(layout.keys().join(id))?;
        let algorithm = founding.suites.algorithm(id);
        let root = PrivateKey::generate(algorithm, entropy, &[b"root", id.as_bytes()])?;
        let desk = PrivateKey::generate(algorithm, entropy, &[b"desk", id.as_bytes()])?;
        root.write(&layout.root_key(id))?;
        desk.write(&layout.signing_key(id))?;
        desks.insert(id.to_owned(), desk.public_key());
        roots.insert(id.to_owned(), root.into_signer());
    }
    Ok(MemberKeys { roots, desks })
}

/// Enters the founding into the registry chain.
struct Register<'a> {
    recorder: &'a Recorder<Embedded, FileVault>,
    entropy: &'a dyn Entropy,
}

impl Register<'_> {
    async fn enter_founding(
        &self,
        founding: &Founding,
        previous: Option<&Previous>,
        vkey: &str,
        roots: &BTreeMap<String, Arc<dyn Signer>>,
    ) -> Result<Placed> {
        let founder = founding.members.iter().find(|member| member.kind == AgencyKind::GovernanceCenter);
        let founder = founder.context("a ledger is founded by a governance center; the agencies file names none")?;
        let members: Vec<Value> = founding
            .members
            .iter()
            .map(|member| {
                let root = roots.get(&member.id).map(|root| root.public_key());
                let kind = member.kind.as_str_name().trim_start_matches("AGENCY_KIND_");
                json!({"agency": member.id, "kind": kind, "name": member.name, "division": member.division,
                       "root_algorithm": root.map(|root| algorithm(&root)),
                       "root_key": root.map(|root| hex::encode(root.to_bytes()))})
            })
            .collect();
        let founded_on = day(founding.clock.now_ms());
        let Some(Previous { origin, genesis, checkpoint, .. }) = previous else {
            let data = json!({"log_key": vkey, "founded_on": founded_on, "members": members});
            return self.enter(founder, "LedgerFounded", data).await;
        };
        let data = json!({"log_key": vkey, "founded_on": founded_on, "members": members,
                          "previous_origin": origin.as_str(), "previous_genesis_digest": genesis.to_string(),
                          "previous_checkpoint": checkpoint});
        self.enter(founder, "LedgerReincarnated", data).await
    }

    async fn enter_key(&self, founding: &Founding, member: &Member, key: &PublicKey) -> Result<Placed> {
        let data = json!({"agency": member.id, "algorithm": algorithm(key), "public_key": hex::encode(key.to_bytes()),
                          "valid_from": founding.valid_from});
        self.enter(member, "AgencyKeyEnrolled", data).await
    }

    async fn enter(&self, member: &Member, event: &str, data: Value) -> Result<Placed> {
        let ledger = self.recorder.ledger();
        let now_ms = ledger.clock().now_ms();
        let request = Request {
            chain: ChainId::registry(ledger.origin()),
            event_id: self.event_id(now_ms, event, member)?,
            expected_revision: None,
            occurred_at: now_ms / 1000,
            act: act(event, &format!("{}/SYS-1", member.id), "SYS", data)?,
        };
        let caller = Caller { agency: member.id.clone(), kind: member.kind };
        let placed = self.recorder.record(&caller, &request).await;
        placed.with_context(|| format!("`{event}` of `{}` could not be recorded", member.id))
    }

    /// UUIDv7 of the ledger's time; a member enters each event once.
    fn event_id(&self, now_ms: i64, event: &str, member: &Member) -> Result<EventId> {
        let mut random = [0_u8; 10];
        let of = [event.as_bytes(), member.id.as_bytes()];
        self.entropy.fill(&Purpose { what: "founding/event-id", of: &of }, &mut random)?;
        let id = uuid::Builder::from_unix_timestamp_millis(u64::try_from(now_ms)?, &random);
        Ok(EventId(id.into_uuid().into_bytes()))
    }
}

/// The catalogue's word for the algorithm of a key.
pub(crate) fn algorithm(key: &PublicKey) -> &'static str {
    match key.algorithm() {
        Algorithm::Ed25519 => "ED25519",
        Algorithm::Sm2Sm3 => "SM2_SM3",
    }
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
