//! Stores that were written once and open for ever: `tests/golden/store-*.txt` hold the files of a ledger, of a vault under
//! SM4-GCM and of one whose key-encryption key is kept elsewhere, as the program of that day wrote them.
//!
//! A fixture is never changed. When a format changes, raise [`TODAY`] and write the new one by `MEDIATION_GOLDEN=write`, which
//! leaves those that are there as they are.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, sync::Arc};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    entropy::{Entropy, SeededEntropy},
    kek::{Error as KekError, Kek, Name, WRAPPED_BYTES, Wrapped},
    log::Log as _,
    merkle::{Hash, TreeSize, hash_leaf},
    part::Cipher,
    vault::{DataKey, Deposit, Holder, Vault as _},
    verify::Verification,
};
use mediation_log_embedded::{
    Embedded, FatalHandler,
    checkpoint::CheckpointFiles,
    disk::{Disk, SimulatedDisk},
    scan::{Expected, scan},
    vault::{self, FileVault, Keks, VaultReader, rotate_from},
};
use mediation_projections::sealer::{LogSigner, last_checkpoint};

use crate::{
    life::{Witnessed, carry_out},
    world::{
        BUREAU, CENTER, ORIGIN, Process, Start, chain, countersignature, directory, event_id, follow_up, handoff,
        options, order_to_erase, registration, runtime, vault_directory, world,
    },
};

/// The fixture of the formats of today.
const TODAY: &str = "store-1.txt";

const HEAD: &str = "\
# The files of a store, as the program wrote them; tests/simulation/tests/simulation/fixture.rs reads them. Never changed.
# A file is its path, its length, and its bytes in hex, without the zeros that it ends in.
";

/// Bytes in a line.
const LINE_BYTES: usize = 60;

/// Vaults beside the ledger's own, each with the keys of [`deposits`].
const SM4_VAULT: &str = "/sm4/vault";
const TOKEN_VAULT: &str = "/token/vault";

/// A key that is kept elsewhere. No cipher for anything but a test: what it wraps is told by hashes of its secret.
#[derive(Debug)]
struct Token;

impl Token {
    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        hash_leaf(&[&[b"the secret of a test".as_slice()][..], parts].concat().concat()).0
    }

    fn sealed(aad: &[u8], ciphertext: &[u8]) -> [u8; 16] {
        *Self::hash(&[b"tag", aad, ciphertext]).first_chunk().unwrap()
    }

    fn turned(aad: &[u8], key: &[u8]) -> Vec<u8> {
        Self::hash(&[b"pad", aad]).iter().zip(key).map(|(pad, byte)| pad ^ byte).collect()
    }
}

impl Kek for Token {
    fn name(&self) -> Name {
        Name(*b"a token of tests")
    }

    fn cipher(&self) -> Cipher {
        Cipher::Aes256Gcm
    }

    fn wrap(&self, _entropy: &dyn Entropy, aad: &[u8], key: &[u8; 32]) -> Result<Wrapped, KekError> {
        let ciphertext = Self::turned(aad, key);
        let wrapped: [u8; WRAPPED_BYTES] =
            [[0; 12].as_slice(), &ciphertext, &Self::sealed(aad, &ciphertext)].concat().try_into().unwrap();
        Ok(Wrapped(wrapped))
    }

    fn unwrap(&self, aad: &[u8], wrapped: &Wrapped) -> Result<zeroize::Zeroizing<[u8; 32]>, KekError> {
        let (ciphertext, tag) = wrapped.0.split_at(44);
        let ciphertext = ciphertext.split_at(12).1;
        if Self::sealed(aad, ciphertext) != tag {
            return Err(KekError::Refused);
        }
        Ok(zeroize::Zeroizing::new(Self::turned(aad, ciphertext).try_into().unwrap()))
    }
}

fn token() -> Arc<dyn Kek> {
    Arc::new(Token)
}

/// Keys of the parts of two chains.
fn deposits() -> Vec<(ChainId, Vec<Deposit>)> {
    let deposit = |number: u8, holder| Deposit { digest: Hash([number; 32]), holder, key: DataKey([number + 100; 32]) };
    let subject = || Holder::Subject("psn_1".to_owned());
    vec![
        (chain(1), vec![deposit(1, Holder::Chain), deposit(2, subject()), deposit(3, subject())]),
        (chain(2), vec![deposit(4, Holder::Chain)]),
    ]
}

/// A part whose key is destroyed again in the vaults beside.
const DESTROYED: (u8, u8) = (1, 3);

/// A store, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Store {
    /// Genesis, seed of the log's key, entries, parts, parts whose keys are gone.
    facts: BTreeMap<String, String>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Store {
    fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (name, value) in &self.facts {
            writeln!(text, "{name} {value}").unwrap();
        }
        for (path, bytes) in &self.files {
            writeln!(text, "file {path} {}", bytes.len()).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            for line in bytes.get(..used).unwrap_or_default().chunks(LINE_BYTES) {
                writeln!(text, "{}", hex::encode(line)).unwrap();
            }
        }
        text
    }

    fn parse(text: &str) -> Self {
        let mut store = Self { facts: BTreeMap::new(), files: BTreeMap::new() };
        let mut file: (String, usize, Vec<u8>) = (String::new(), 0, Vec::new());
        for line in text.lines().filter(|line| !line.starts_with('#')).chain(["file end 0"]) {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["file", path, bytes] => {
                    let next = ((*path).to_owned(), bytes.parse().unwrap(), Vec::new());
                    let (path, length, mut bytes) = std::mem::replace(&mut file, next);
                    assert!(bytes.len() <= length, "`{path}` is longer than it says");
                    bytes.resize(length, 0);
                    store.files.extend((!path.is_empty()).then_some((path, bytes)));
                }
                [name, value] => drop(store.facts.insert((*name).to_owned(), (*value).to_owned())),
                [line] => file.2.extend(hex::decode(line).unwrap()),
                other => panic!("{other:?}"),
            }
        }
        store
    }

    fn fact(&self, name: &str) -> &str {
        self.facts.get(name).unwrap_or_else(|| panic!("the fixture says nothing of `{name}`"))
    }

    /// A disk with the files on it.
    fn disk(&self) -> SimulatedDisk {
        let disk = SimulatedDisk::in_turn();
        for (path, bytes) in &self.files {
            let path = Path::new(path);
            disk.create_dir(path.parent().unwrap()).unwrap();
            disk.tamper(path, bytes.clone());
        }
        disk
    }
}

/// Lives, and takes down what was written.
async fn written() -> Store {
    let (disk, start, witnessed) = (world().disk(), Start::new(21, 1), Witnessed::default());
    let process = Process::open(world(), &disk, &start).await.unwrap();
    let order = event_id(7, 4);
    for (agency, request) in [
        (CENTER, registration(chain(1), event_id(7, 1), 40)),
        (CENTER, registration(chain(2), event_id(7, 2), 40)),
        (CENTER, handoff(chain(1), event_id(7, 3))),
        (CENTER, order_to_erase(chain(1), order)),
        (BUREAU, countersignature(chain(1), event_id(7, 5), order)),
        (CENTER, follow_up(chain(2), event_id(7, 6), 300)),
    ] {
        witnessed.record(&process, agency, &request).await.unwrap();
    }
    carry_out(&process, &start, chain(1)).await.unwrap();
    let entries = process.log.size();
    process.close().await;
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new([21; 32]));
    for (path, cipher) in [(SM4_VAULT, Cipher::Sm4Gcm), (TOKEN_VAULT, Cipher::Aes256Gcm)] {
        let path = Path::new(path);
        FileVault::create_from(&disk, path, ORIGIN, cipher, entropy.as_ref()).unwrap();
        let vault = FileVault::open_from(&disk, path, ORIGIN, FatalHandler::default(), Arc::clone(&entropy)).unwrap();
        vault.deposit_all(deposits()).await.unwrap();
        let (of, part) = DESTROYED;
        assert_eq!(vault.destroy(chain(of), &[Hash([part; 32])]).await.unwrap(), 1);
        vault.close().await;
    }
    let token = token();
    let keks = Keks { from: None, to: Some(&token) };
    rotate_from(&disk, Path::new(TOKEN_VAULT), ORIGIN, keks, entropy.as_ref()).unwrap();
    let mut store = Store { facts: BTreeMap::new(), files: BTreeMap::new() };
    let log = directory().join("log");
    for of in [directory(), &log, &vault_directory(), Path::new(SM4_VAULT), Path::new(TOKEN_VAULT)] {
        for name in disk.list(of).unwrap().iter().filter(|name| !name.ends_with("lock")) {
            let path = of.join(name);
            let content = disk.content(&path);
            store.files.extend(content.map(|content| (path.to_str().unwrap().to_owned(), content)));
        }
    }
    let counts = counted(&disk, world().genesis, &world().log_signer());
    store.facts = [
        ("genesis", world().genesis.to_string()),
        ("log-key-seed", hex::encode(world().log_key().to_bytes())),
        ("entries", entries.0.to_string()),
        ("parts", counts.0.to_string()),
        ("withheld", counts.1.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    store
}

/// Verifies log, vault and checkpoint of a ledger; answers the parts that open and those that do not.
fn counted(disk: &SimulatedDisk, genesis: Hash, signer: &LogSigner) -> (u64, u64) {
    let stored = CheckpointFiles::new(Arc::new(disk.clone()), directory().to_owned());
    let stored: Checkpoint = last_checkpoint(signer, &stored).unwrap().expect("a checkpoint");
    let covered = Some((stored.size, stored.root));
    let reader = VaultReader::open(disk, &vault_directory(), ORIGIN).unwrap();
    assert_eq!(vault::scan(disk, &vault_directory(), ORIGIN).faults, []);
    let mut verification = Verification::new(ORIGIN, genesis, vec![("stored".to_owned(), stored.clone())], true);
    let expected = Expected { origin: ORIGIN.to_owned(), covered };
    let found = scan(disk, directory(), &expected, &mut |placed| {
        let key = |digest: Hash| reader.key(placed.chain, digest).ok().flatten();
        verification.entry(placed.chain, placed.revision, placed.record, &key);
    });
    let found = found.unwrap();
    assert_eq!((found.faults, found.torn_tail, found.size), (vec![], None, stored.size));
    let (counts, faults, _, tree) = verification.finish();
    assert_eq!((faults, tree.size), (vec![], stored.size));
    (counts.parts, counts.withheld)
}

/// Opens everything in a store as it is, compares it with what the store says, and goes on with it.
async fn assert_opens(store: &Store) {
    let disk = store.disk();
    let seed: [u8; 32] = hex::decode(store.fact("log-key-seed")).unwrap().try_into().unwrap();
    let signer = LogSigner::new(ORIGIN.parse().unwrap(), vec![SigningKey::from_bytes(&seed)]);
    let (parts, withheld) = counted(&disk, store.fact("genesis").parse().unwrap(), &signer);
    assert_eq!((parts.to_string(), withheld.to_string()), (store.fact("parts").into(), store.fact("withheld").into()));
    assert!(parts > 0 && withheld > 0, "{parts} parts, {withheld} of them destroyed");
    let token = token();
    for (path, kek) in [(SM4_VAULT, None), (TOKEN_VAULT, Some(&token))] {
        let path = Path::new(path);
        assert_eq!(vault::scan_with(&disk, path, ORIGIN, kek).faults, [], "{}", path.display());
        let entropy = Arc::new(SeededEntropy::new([22; 32]));
        let vault = FileVault::open_with(&disk, path, ORIGIN, kek, FatalHandler::default(), entropy).unwrap();
        for (chain_id, deposits) in deposits() {
            for Deposit { digest, key, .. } in deposits {
                let is_gone = (chain_id, digest) == (chain(DESTROYED.0), Hash([DESTROYED.1; 32]));
                assert_eq!(vault.key(chain_id, digest).await.unwrap(), (!is_gone).then_some(key), "{digest}");
            }
        }
        let more = Deposit { digest: Hash([9; 32]), holder: Holder::Chain, key: DataKey([9; 32]) };
        vault.deposit(chain(3), vec![more]).await.unwrap();
        vault.close().await;
        assert_eq!(vault::scan_with(&disk, path, ORIGIN, kek).faults, [], "{}", path.display());
    }
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let log = Embedded::open(shared, directory(), &options(None, FatalHandler::default())).unwrap();
    assert_eq!(log.size().to_string(), store.fact("entries"));
    log.append(chain(77), Revision::FIRST, Bytes::from_static(b"a later record")).await.unwrap();
    log.close().await;
    let expected = Expected { origin: ORIGIN.to_owned(), covered: None };
    let found = scan(&disk, directory(), &expected, &mut |_| {}).unwrap();
    let entries: u64 = store.fact("entries").parse().unwrap();
    assert_eq!((found.faults, found.size), (vec![], TreeSize(entries + 1)));
}

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden")
}

#[test]
fn a_store_that_was_written_once_opens_for_ever() {
    let mut stores = 0;
    for file in fs::read_dir(golden()).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("store-") {
            runtime().block_on(assert_opens(&Store::parse(&fs::read_to_string(&path).unwrap())));
            stores += 1;
        }
    }
    assert!(stores > 0, "no store in `{}`", golden().display());
}

#[test]
fn a_store_of_today_is_one_that_opens_for_ever() {
    world();
    let store = runtime().block_on(written());
    assert_eq!(Store::parse(&store.to_text()), store);
    runtime().block_on(assert_opens(&store));
    let path = golden().join(TODAY);
    if std::env::var("MEDIATION_GOLDEN").as_deref() == Ok("write") && !path.exists() {
        fs::write(&path, store.to_text()).unwrap();
    }
    // The files of the fixture are those that are written today: a format that is new has a fixture of its own.
    let fixed = Store::parse(&fs::read_to_string(path).unwrap());
    assert!(fixed.files.keys().eq(store.files.keys()), "{:?}", store.files.keys());
}
