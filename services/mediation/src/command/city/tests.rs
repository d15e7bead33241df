//! Small cities: the same from the same seed, whole, and refused where they must be.

use std::collections::BTreeMap;

use super::*;
use crate::{command::verify::verify, process::Process};

async fn city(out: &Path, seed: u64) -> Result<Made> {
    let arguments = Arguments { year: 2024, seed, out: out.to_owned(), scale: "0.001".parse()?, json: true };
    make_in_place(&arguments).await
}

/// Every file with its content.
fn content(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(at) = directories.pop() {
        for file in fs::read_dir(at).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.insert(path.strip_prefix(directory).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_gives_the_same_directory_and_it_verifies() {
    let root = tempfile::tempdir().unwrap();
    let [one, two, other] = ["one", "two", "other"].map(|name| root.path().join(name));
    for (out, seed) in [(&one, 7), (&two, 7), (&other, 8)] {
        let made = city(out, seed).await.unwrap();
        assert!(made.acts > 0 && made.chains > 0 && made.checkpoint.size.0 > made.acts);
    }
    let (one_content, two_content, other_content) = (content(&one), content(&two), content(&other));
    let names = |content: &BTreeMap<PathBuf, Vec<u8>>| content.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one_content), names(&two_content));
    for (path, bytes) in &one_content {
        assert!(two_content.get(path) == Some(bytes), "`{}` differs", path.display());
    }
    // Nothing is left beside it, and nothing secret is shared with the ledger of another seed.
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 3);
    for (path, bytes) in other_content.iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "key")) {
        assert!(one_content.get(path) != Some(bytes), "`{}` is the same", path.display());
    }
    let report = verify(&one, &|_| {}).unwrap();
    assert_eq!(report.faults(), <[String; 0]>::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_city_is_served_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("city");
    city(&out, 1).await.unwrap();
    let mut config = Config::read(&Layout::new(&out).config()).unwrap();
    config.listen = ([127, 0, 0, 1], 0).into();
    let process = Process::start(&out, &config, Arc::new(mediation_ledger::clock::SystemClock)).await.unwrap();
    let door = crate::access::Door::open(&process.address.to_string(), &out).unwrap();
    let registry = door.registry().await.unwrap();
    let (client, chain) = (door.client(&door.auditor(&registry).unwrap(), &registry).await.unwrap(), {
        let first = City::new(2024, 1, "0.001".parse().unwrap()).acts().next().unwrap();
        ChainId(first.0).to_string()
    });
    let verified = client.verified_chain(&chain, None, &registry).await.unwrap();
    assert!(verified.entries.iter().all(|(_, entry)| entry.outcome.is_ok()));
    process.stop().await.unwrap();
    assert_eq!(verify(&out, &|_| {}).unwrap().faults(), <[String; 0]>::default());
}

#[tokio::test]
async fn a_directory_that_is_not_empty_and_a_year_without_rules_are_refused_in_both_languages() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let taken = city(root.path(), 1).await.unwrap_err().to_string();
    assert!(taken.contains("已存在且非空") && taken.contains("is not empty"), "{taken}");
    let out = root.path().join("city");
    let arguments = Arguments { year: 1900, seed: 1, out: out.clone(), scale: Scale::WHOLE, json: true };
    let unknown = make_in_place(&arguments).await.unwrap_err().to_string();
    assert!(unknown.contains("没有 1900 年的规则集 · "), "{unknown}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing is left of it");
}
