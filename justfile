# Recipes of this repository. `just ci` is what the pipeline runs; `.ci/run` installs `just` and calls it.

export CARGO_TERM_COLOR := env("CARGO_TERM_COLOR", "never")

# The tests of tests/ on the workspace's own features, so that nothing is compiled twice.
house := "cargo test --quiet --locked --workspace --test all"

# Lists the recipes.
default:
    @just --list

# Everything a change must pass; prints a table of seconds per stage and ends with the summary of the tests. `test` runs
# golden-unchanged, proto-lock, tidy, dependencies, documents and fuzz-smoke among all others: they are not run twice.
ci:
    @.ci/stages format lint docs binary advisories small-disk failing-disk bench-smoke softhsm kubernetes console examples gateway city-year sumdb timing test

# The long repetitions: every test with the full numbers of rounds and seeds, or only these stages, to go on with a night that was cut short.
nightly *stages="binary small-disk failing-disk simulation kill-cycles kill-loop planted test":
    MEDIATION_TEST_SCALE=full .ci/stages {{stages}}

# Sources and manifests are formatted.
format:
    cargo fmt --all --check

# Clippy on every target with every feature, and on the binary without any; nothing is let through.
lint:
    cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
    cargo clippy --locked --package mediation --no-default-features -- -D warnings

# The reference of every crate, every link resolves.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --all-features --no-deps

# The one binary, and the tests beside it: with the features of all, so that nothing is compiled twice.
binary:
    cargo build --locked --workspace --tests

# The year of a whole city: every figure as published, every signature verified; a fiftieth of it made twice.
city-year: release
    .ci/city-year

# Go's golang.org/x/mod/sumdb audits a served log of 70 000 entries and more; needs Go, or Debian's packages of it.
[no-exit-message]
sumdb: release
    @.ci/sumdb

# A restricted chain takes the time of one that does not exist: 10^5 calls in turn, |t| < 4.5.
timing: release
    MEDIATION_TEST_SCALE=full MEDIATION_BINARY="$PWD/target/release/mediation" {{house}} timing -- --nocapture

# Every parser of outside bytes on its corpus, and on mutations of it for a second each.
fuzz-smoke:
    cargo test --quiet --locked --workspace --test fuzz

# The same for so many seconds altogether, from any seed: `just fuzz 3600 7`.
fuzz seconds="600" seed="1":
    MEDIATION_FUZZ_SECONDS={{seconds}} MEDIATION_FUZZ_SEED={{seed}} cargo test --locked --package mediation-fuzz --test fuzz -- --nocapture

# The one binary, as it is delivered.
release:
    cargo build --release --locked

# Every test of every crate: the command of the README.
test:
    cargo test --workspace

# Golden bytes and generated documents are what the code makes now.
golden-unchanged:
    {{house}} golden

# Acts and chains that the judge judges per second on one core, and what it does with chains of thousands of acts.
bench-judge *options:
    cargo bench --locked --package mediation-tests --bench judge -- {{options}}

# What an agency that floods at ten times its quota costs the others: seven pairs of runs, in turn, on a quiet machine.
fairness: release
    MEDIATION_BINARY="$PWD/target/release/mediation" cargo bench --locked --package mediation-tests --bench fairness

# What a thousand subscribers, a tenth of them stopped, cost those who record: seven pairs of runs, in turn, on a quiet machine.
subscribers: release
    MEDIATION_BINARY="$PWD/target/release/mediation" cargo bench --locked --package mediation-tests --bench subscribers

# Five times as many requests as a process can answer: what it still records, and how it recovers. On a quiet machine.
overload: release
    MEDIATION_BINARY="$PWD/target/release/mediation" cargo bench --locked --package mediation-tests --bench overload

# The ledger beside the bare prototype of tests/baseline: seven pairs of rounds of each way to append, in turn, on a quiet machine.
bench-baseline: release
    MEDIATION_BINARY="$PWD/target/release/mediation" cargo bench --locked --package mediation-tests --bench baseline

# How fast the ledger is here, beside what transport, disk and signatures cost alone: `just bench append stream --seconds 5`.
bench *options: release
    target/release/mediation bench {{options}}

# What a city's year costs: the log, the read model, pages and searches of the console. 1 is the whole city.
measure-city scale="1": release
    tests/measure-city {{scale}}

# Every bench once, without timing it: it runs, and what it asserts holds.
bench-smoke:
    cargo test --quiet --locked --workspace --bench baseline --bench fairness --bench judge --bench overload --bench subscribers

# Writes the golden bytes and the generated documents anew. Look at the difference: bytes that were recorded must open for ever.
golden:
    MEDIATION_GOLDEN=write {{house}} -- golden proto_lock

# Kill -9 under load, 50 rounds of 10 s, everything acknowledged accounted for after each.
kill-loop:
    tests/kill-loop

# Kill -9 within 60 ms of the first act, 2 000 times, everything acknowledged accounted for after each.
kill-cycles count="2000":
    tests/kill-loop --cycles {{count}}

# Lives of a whole ledger on a simulated disk: `MEDIATION_SEED=7` lives one again, `MEDIATION_SEEDS=5000..10000` a range.
simulation *filter:
    cargo test --locked --workspace --test simulation -- --nocapture {{filter}}

# Each bug of tests/planted, planted into a copy of the last commit: the test that its patch names must find it.
planted *patches:
    tests/planted/run {{patches}}

# The messages only ever grow.
proto-lock:
    {{house}} proto_lock

# Arrows between crates, bans, lengths, titles, links.
tidy:
    {{house}} tidy

# The commands in README and docs print what the documents say.
documents:
    {{house}} documents

# Licences, sources, native libraries, and duplicates with a reason each.
dependencies:
    {{house}} dependencies

# Known vulnerabilities of dependencies; needs `cargo-audit` and its database on this machine.
[no-exit-message]
advisories:
    @.ci/advisories

# A ledger on a real file system of 16 MiB that runs full; needs root and a loop device.
[no-exit-message]
small-disk:
    @.ci/small-disk

# Signing with a key in a PKCS #11 token, against SoftHSM; installs it where it can.
[no-exit-message]
softhsm:
    @.ci/softhsm

# The clients of examples/ in Python and Node record, prove and read against a ledger that is served; installs their packages where it can.
[no-exit-message]
examples:
    @.ci/examples python node

# The same of the clients in Go and Java, with the compilers and libraries of the distribution.
[no-exit-message]
examples-compiled:
    @.ci/examples go java

# The integration gateway against its own OpenAPI document, by schemathesis; installs it where it can.
[no-exit-message]
gateway:
    @.ci/gateway

# A ledger on a real file system whose device fails to write; needs root, tmpfs and a loop device.
[no-exit-message]
failing-disk:
    @.ci/failing-disk

# The auditors' console in Chromium: the main journeys, tampered bytes, pictures; installs what that needs where it can.
[no-exit-message]
console *directory:
    @.ci/console {{directory}}

# The overlays of k8s/ render and pass every check, and broken ones do not; installs what that needs where it can.
[no-exit-message]
kubernetes:
    @.ci/kubernetes
