#![expect(clippy::indexing_slicing, reason = "a test that looks for what is not there fails, and says where")]

use super::*;

const CLUSTER: &str = "[kurrentdb]
address = \"esdb://a:2113,b:2113,c:2113?tls=true\"
authorities = \"kurrentdb/authority.pem\"
";

const VAULT: &str = "[vault]
address = \"vault:7443\"
agency = \"CT-ZS\"
";

fn objections(parts: &[&str]) -> Vec<String> {
    let config: Config = toml::from_str(&parts.concat()).unwrap();
    config.check().iter().map(ToString::to_string).collect()
}

/// The one objection to a configuration names this.
fn names(parts: &[&str], expected: &str) {
    let found = objections(parts);
    let [only] = found.as_slice() else { panic!("{parts:?}: {found:?}") };
    assert!(only.contains(expected), "{only}");
}

#[test]
fn what_a_ledger_is_founded_with_can_be_served() {
    assert_eq!(Config::default().check(), []);
}

#[test]
fn the_processes_of_a_cluster_can_be_served() {
    let desk =
        "roles = []\nagencies = [\"CT-ZS\"]\ndesks = [\"court\", \"labour\"]\n[health]\nlisten = \"0.0.0.0:7444\"\n";
    assert!(objections(&[desk, CLUSTER, VAULT]).is_empty());
    assert!(objections(&["roles = [\"vault\"]\nagencies = []\n", CLUSTER]).is_empty());
    assert!(objections(&["roles = [\"sealer\"]\ndesks = []\n", CLUSTER]).is_empty());
    let gateway = "roles = [\"gateway\"]\nagencies = []\n[log_http]\nlisten = \"0.0.0.0:7480\"\n";
    assert!(objections(&[gateway, CLUSTER]).is_empty());
    let plain =
        "roles = [\"sealer\"]\nagencies = []\n[kurrentdb]\naddress = \"esdb://127.0.0.1:2113,[::1]:2113?tls=false\"\n";
    assert!(objections(&[plain]).is_empty());
}

#[test]
fn roles_are_split_only_where_others_can_do_the_rest() {
    names(&["roles = [\"vault\", \"audit\"]"], "`sealer` is missing");
    names(&["roles = [\"sealer\"]"], "`vault` is missing");
    names(&["roles = []\n", CLUSTER], "`[vault]` is missing");
    names(&["roles = [\"keeper\"]\nagencies = []\n", CLUSTER], "`[vault]` is missing");
    names(&["roles = [\"vault\"]\nagencies = []\n", CLUSTER, VAULT], "this one has role `vault`");
    names(&["roles = [\"gateway\"]\nagencies = []\n", CLUSTER], "role `gateway` serves nothing");
    names(
        &["roles = [\"sealer\", \"vault\"]\n[log_http]\nlisten = \"127.0.0.1:7480\"\n"],
        "role `gateway`, which serves it",
    );
}

#[test]
fn names_of_desks_and_agencies_are_known_ones() {
    names(&["desks = [\"court\", \"COURT\"]"], "`desks`: `COURT`");
    names(&["desks = [\"unspecified\"]"], "`desks`: `unspecified`");
    names(&["agencies = [\"ct-zs\"]"], "`agencies`: `ct-zs`");
    let vault = VAULT.replace("CT-ZS", "CT/ZS");
    names(&["roles = []\n", CLUSTER, &vault], "`vault.agency`: `CT/ZS`");
    names(&["roles = []\nagencies = [\"PR-CJ\"]\n", CLUSTER, VAULT], "`CT-ZS` is not among `agencies`");
}

#[test]
fn a_connection_string_is_whole_verified_and_without_credentials() {
    let of = |from: &str, to: &str| objections(&["roles = []\n", &CLUSTER.replace(from, to), VAULT]);
    assert_eq!(of("esdb://a", "esdb://admin:geheim@a").len(), 1);
    assert!(of("esdb://a", "esdb://admin:geheim@a")[0].contains("holds credentials"));
    let unread = of("esdb://a", "http://admin:geheim@a");
    assert!(unread[0].contains("no connection string") && !unread[0].contains("geheim"), "{unread:?}");
    for broken in ["a:0", "a:", "a", "", "a:2113/x"] {
        assert!(of("a:2113", broken)[0].contains("no connection string"), "{broken}");
    }
    assert!(of("tls=true", "tls=true&tlsVerifyCert=false")[0].contains("switches off the verification"));
    assert!(of("tls=true", "tls=false")[0].contains("`a` is elsewhere"));
    assert!(of("authorities = \"kurrentdb/authority.pem\"\n", "")[0].contains("`kurrentdb.authorities` is missing"));
}

#[test]
fn whoever_is_waited_for_is_waited_for_a_while() {
    let kurrentdb = format!("{CLUSTER}append_timeout_ms = 60001\n");
    names(&["roles = []\n", &kurrentdb, VAULT], "`kurrentdb.append_timeout_ms`: 60001 ms");
    let vault = format!("{VAULT}timeout_ms = 0\n");
    names(&["roles = []\n", CLUSTER, &vault], "`vault.timeout_ms`: 0 ms");
    names(&["[witnesses]\ntimeout_ms = 99\n"], "`witnesses.timeout_ms`: 99 ms");
    names(&["[timestamps]\nurl = \"http://tsa.example\"\nevery_s = 0\n"], "`timestamps.every_s` is 0");
    names(&["[log]\nqueue_capacity = 0\n"], "`log.queue_capacity` is 0");
    names(&["[quotas]\nrequests_per_second = 0\n"], "`quotas.requests_per_second` is 0");
    names(&["[limits]\nanswer_timeout_ms = 99\n"], "`limits.answer_timeout_ms`: 99 ms");
    names(&["[limits]\nconnections = 0\n"], "`limits.connections` is 0");
    names(&["[quotas]\nburst = 0\n"], "`quotas.burst` is 0");
    names(&["[quotas]\nsubjects_per_minute = 0\n"], "`quotas.subjects_per_minute` is 0");
    names(&["roles = []\n", CLUSTER, &VAULT.replace("vault:7443", "https://vault:7443")], "`vault.address`");
}

#[test]
fn two_listeners_do_not_share_a_port() {
    names(&["listen = \"127.0.0.1:7443\"\n[health]\nlisten = \"0.0.0.0:7443\"\n"], "`listen` and `health.listen`");
    let other = "listen = \"127.0.0.1:7443\"\n[health]\nlisten = \"127.0.0.2:7443\"\n";
    assert!(objections(&[other]).is_empty());
    assert!(objections(&["listen = \"127.0.0.1:0\"\n[health]\nlisten = \"127.0.0.1:0\"\n"]).is_empty());
}
