//! Every target on its corpus, and on mutations of it: a fixed number of them, or for as many seconds as
//! `MEDIATION_FUZZ_SECONDS` says, from the seed that `MEDIATION_FUZZ_SEED` says.

use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use mediation_fuzz::{Mutator, TARGETS, Target};

/// Milliseconds of mutations for each target without further word.
const SMOKE_MS: u64 = 1_000;

/// Seconds that a parser may take for one input: far more than any takes, on a machine that does other things too.
const INPUT_SECONDS_MAX: u64 = 10;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The inputs of a target, by the names of their files.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(corpus(target)).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Whether the target accepts the input. One that it breaks on is kept below `target/`.
fn run(target: Target, input: &[u8]) -> bool {
    let begun = Instant::now();
    let accepted = catch_unwind(|| (target.run)(input)).unwrap_or_else(|_| {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
        fs::write(&kept, input).unwrap();
        panic!("`{}` broke on `{}`: keep it in its corpus", target.name, kept.display())
    });
    let seconds = begun.elapsed().as_secs();
    assert!(seconds < INPUT_SECONDS_MAX, "`{}` took {seconds} s for {} bytes", target.name, input.len());
    accepted
}

#[test]
fn every_target_has_a_corpus_of_which_it_accepts_some() {
    let mut named: Vec<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    for target in TARGETS {
        let accepted = inputs(target.name).iter().filter(|input| run(*target, input)).count();
        assert!(accepted > 0, "`{}` accepts nothing of its corpus", target.name);
    }
    let root = corpus("").read_dir().unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut directories: Vec<_> = root.collect();
    directories.sort();
    named.sort();
    assert_eq!(named, directories, "each target has a directory, and each directory a target");
}

#[test]
fn no_target_breaks_on_mutations_of_its_corpus() {
    let seed = setting("MEDIATION_FUZZ_SEED").unwrap_or(1);
    let each = setting("MEDIATION_FUZZ_SECONDS").map_or(Duration::from_millis(SMOKE_MS), |seconds| {
        Duration::from_secs(seconds) / u32::try_from(TARGETS.len()).unwrap()
    });
    for target in TARGETS {
        let (inputs, mut mutator) = (inputs(target.name), Mutator::new(seed));
        let (begun, mut tried, mut accepted) = (Instant::now(), 0_u64, 0_u64);
        while begun.elapsed() < each {
            let input = mutator.input(&inputs);
            tried += 1;
            accepted += u64::from(run(*target, &input));
        }
        println!("{:16} seed {seed}: {tried} inputs, {accepted} accepted", target.name);
    }
}
