//! What a configuration must mean, beyond what its keys may be: every objection at once, each about a key by its name.

use std::net::{IpAddr, SocketAddr};

use mediation_proto::derived::DESKS;

use super::{Config, KurrentdbConfig, Role, TracesConfig, VaultConfig};
use crate::member::is_agency_id;

/// Milliseconds that anybody may be waited for. Less than the first is a slip of the pen; callers give up before the
/// last.
const TIMEOUT_MS_MIN: u64 = 100;
const TIMEOUT_MS_MAX: u64 = 60_000;

/// Why a configuration is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Objection {
    #[error("`desks`: `{0}` is no desk, such as `court`")]
    Desk(String),
    #[error("`{key}`: `{id}` is no agency id: capital letters, digits and hyphens, at most 32")]
    Agency { key: &'static str, id: String },
    #[error(
        "`roles`: without `[kurrentdb]` the log is this process's alone, and `{0}` is missing: nobody else can do it"
    )]
    Alone(&'static str),
    #[error("`[vault]` is missing: this process needs keys of parts, and role `vault` is not among its roles")]
    NoVault,
    #[error("`[vault]` names another process, but this one has role `vault`")]
    TwoVaults,
    #[error("`vault.agency`: `{0}` is not among `agencies`; a process asks in the name of an agency that it serves")]
    ForeignVaultAgency(String),
    #[error("`{key}`: `{address}` is no address of the form `HOST:PORT`")]
    Address { key: &'static str, address: String },
    #[error("`kurrentdb.address`: `{0}` is no connection string of the form `esdb://HOST:PORT,…?tls=true`")]
    ConnectionString(String),
    #[error("`kurrentdb.address` holds credentials; they stand in the file that `kurrentdb.credentials` names")]
    Credentials,
    #[error("`kurrentdb.address`: `{0}` switches off the verification of certificates")]
    Unverified(String),
    #[error("`kurrentdb.address`: `tls=false` is for loopback only, and `{0}` is elsewhere")]
    Plain(String),
    #[error("`kurrentdb.authorities` is missing: TLS needs the certificates of those who vouch for the nodes")]
    NoAuthorities,
    #[error("`{key}`: {value} ms is not from {TIMEOUT_MS_MIN} to {TIMEOUT_MS_MAX}")]
    Timeout { key: &'static str, value: u64 },
    #[error("`{key}` is 0; it must be at least 1")]
    Zero { key: &'static str },
    #[error("`{first}` and `{second}` are the same port: {port}")]
    Clash { first: &'static str, second: &'static str, port: u16 },
    #[error("`traces.otlp_endpoint`: `{0}` is no `https://HOST:PORT`, nor `http://HOST:PORT` on this machine")]
    Collector(String),
    #[error("`traces.authorities` is missing: TLS needs the certificates of those who vouch for the collector")]
    NoCollectorAuthorities,
    #[error("`traces.per_mille`: {0} is more than 1000")]
    PerMille(u16),
    #[error("`log_http.listen` is given, but role `gateway`, which serves it, is not among the roles")]
    NoGateway,
    #[error("role `gateway` serves nothing without `log_http.listen`")]
    IdleGateway,
}

impl Config {
    /// Everything that speaks against serving with this configuration; nothing when it can be served.
    pub(crate) fn check(&self) -> Vec<Objection> {
        let mut objections = Vec::new();
        self.check_names(&mut objections);
        self.check_roles(&mut objections);
        if let Some(kurrentdb) = &self.kurrentdb {
            check_kurrentdb(kurrentdb, &mut objections);
        }
        if let Some(vault) = &self.vault {
            self.check_vault(vault, &mut objections);
        }
        if let Some(traces) = &self.traces {
            check_traces(traces, &mut objections);
        }
        self.check_bounds(&mut objections);
        self.check_listeners(&mut objections);
        objections
    }

    fn check_names(&self, objections: &mut Vec<Objection>) {
        let desks = self.desks.iter().flatten().filter(|desk| !is_desk(desk));
        objections.extend(desks.map(|desk| Objection::Desk(desk.clone())));
        let agencies = self.agencies.iter().flatten().filter(|id| !is_agency_id(id));
        objections.extend(agencies.map(|id| Objection::Agency { key: "agencies", id: id.clone() }));
    }

    fn check_roles(&self, objections: &mut Vec<Objection>) {
        let has = |role| self.roles.contains(&role);
        if self.kurrentdb.is_none() {
            let needed = [(Role::Sealer, "sealer"), (Role::Vault, "vault")];
            objections.extend(needed.iter().filter(|(role, _)| !has(*role)).map(|(_, name)| Objection::Alone(name)));
        }
        let serves_desks =
            [&self.desks, &self.agencies].into_iter().all(|some| some.as_ref().is_none_or(|some| !some.is_empty()));
        let opens_parts = serves_desks || has(Role::Audit) || has(Role::Keeper);
        match (has(Role::Vault), &self.vault) {
            (true, Some(_)) => objections.push(Objection::TwoVaults),
            (false, None) if self.kurrentdb.is_some() && opens_parts => objections.push(Objection::NoVault),
            (true, None) | (false, Some(_) | None) => {}
        }
        match (has(Role::Gateway), self.log_http.listen) {
            (false, Some(_)) => objections.push(Objection::NoGateway),
            // On one machine the role is there by default, and the log over HTTP is a matter of its address alone.
            (true, None) if self.roles != Role::ALL.into() => objections.push(Objection::IdleGateway),
            (true, _) | (false, None) => {}
        }
    }

    fn check_vault(&self, vault: &VaultConfig, objections: &mut Vec<Objection>) {
        if host_of(&vault.address).is_none() {
            objections.push(Objection::Address { key: "vault.address", address: vault.address.clone() });
        }
        if !is_agency_id(&vault.agency) {
            objections.push(Objection::Agency { key: "vault.agency", id: vault.agency.clone() });
        }
        if self.agencies.as_ref().is_some_and(|served| !served.is_empty() && !served.contains(&vault.agency)) {
            objections.push(Objection::ForeignVaultAgency(vault.agency.clone()));
        }
    }

    fn check_bounds(&self, objections: &mut Vec<Objection>) {
        let mut timeouts = vec![("witnesses.timeout_ms", self.witnesses.timeout_ms)];
        if let Some(kurrentdb) = &self.kurrentdb {
            timeouts.push(("kurrentdb.append_timeout_ms", kurrentdb.append_timeout_ms));
            timeouts.push(("kurrentdb.read_timeout_ms", kurrentdb.read_timeout_ms));
        }
        timeouts.extend(self.vault.iter().map(|vault| ("vault.timeout_ms", vault.timeout_ms)));
        timeouts.extend(self.timestamps.iter().map(|timestamps| ("timestamps.timeout_ms", timestamps.timeout_ms)));
        timeouts.extend(self.traces.iter().map(|traces| ("traces.timeout_ms", traces.timeout_ms)));
        timeouts.extend([
            ("limits.answer_timeout_ms", self.limits.answer_timeout_ms),
            ("limits.keepalive_interval_ms", self.limits.keepalive_interval_ms),
            ("limits.keepalive_timeout_ms", self.limits.keepalive_timeout_ms),
        ]);
        let bounds = TIMEOUT_MS_MIN..=TIMEOUT_MS_MAX;
        let outside = timeouts.into_iter().filter(|(_, value)| !bounds.contains(value));
        objections.extend(outside.map(|(key, value)| Objection::Timeout { key, value }));
        if self.log.queue_capacity == 0 {
            objections.push(Objection::Zero { key: "log.queue_capacity" });
        }
        if self.search.text_bytes_max == 0 {
            objections.push(Objection::Zero { key: "search.text_bytes_max" });
        }
        let limits = [
            ("limits.connections", u64::from(self.limits.connections)),
            ("limits.requests_per_connection", self.limits.requests_per_connection.into()),
            ("limits.header_bytes", self.limits.header_bytes.into()),
            ("limits.pending_resets", self.limits.pending_resets.into()),
            ("limits.connection_age_s", self.limits.connection_age_s),
            ("limits.connection_age_grace_s", self.limits.connection_age_grace_s),
        ];
        objections.extend(limits.iter().filter(|(_, value)| *value == 0).map(|(key, _)| Objection::Zero { key }));
        if self.scrub.bytes_per_second_max == 0 {
            objections.push(Objection::Zero { key: "scrub.bytes_per_second_max" });
        }
        let quotas = [
            ("quotas.requests_per_second", self.quotas.requests_per_second),
            ("quotas.burst", self.quotas.burst),
            ("quotas.subjects_per_minute", self.quotas.subjects_per_minute),
        ];
        objections.extend(quotas.iter().filter(|(_, value)| *value == 0).map(|(key, _)| Objection::Zero { key }));
        if self.timestamps.as_ref().is_some_and(|timestamps| timestamps.every_s == 0) {
            objections.push(Objection::Zero { key: "timestamps.every_s" });
        }
    }

    fn check_listeners(&self, objections: &mut Vec<Objection>) {
        let mut listeners = vec![("listen", self.listen)];
        listeners.extend(self.log_http.listen.map(|address| ("log_http.listen", address)));
        listeners.extend(self.health.iter().map(|health| ("health.listen", health.listen)));
        for (index, (second, address)) in listeners.iter().enumerate() {
            let earlier = listeners.iter().take(index).filter(|(_, other)| clash(*other, *address));
            objections.extend(earlier.map(|(first, _)| Objection::Clash { first, second, port: address.port() }));
        }
    }
}

fn is_desk(name: &str) -> bool {
    DESKS.iter().any(|desk| desk.key() == name)
}

fn check_kurrentdb(config: &KurrentdbConfig, objections: &mut Vec<Objection>) {
    let address = &config.address;
    let parts = address.split_once("://").filter(|(scheme, _)| SCHEMES.contains(scheme));
    let Some((_, rest)) = parts else {
        // It is not printed: what cannot be taken apart may hold a password.
        let shown = if address.contains('@') { "…" } else { address };
        objections.push(Objection::ConnectionString(shown.to_owned()));
        return;
    };
    if rest.contains('@') {
        objections.push(Objection::Credentials);
        return;
    }
    let (hosts, query) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts: Vec<Option<&str>> = hosts.trim_end_matches('/').split(',').map(host_of).collect();
    if hosts.contains(&None) {
        objections.push(Objection::ConnectionString(address.clone()));
    }
    let options: Vec<String> = query.split('&').map(str::to_ascii_lowercase).collect();
    objections
        .extend(options.iter().filter(|option| *option == "tlsverifycert=false").cloned().map(Objection::Unverified));
    if options.iter().any(|option| option == "tls=false") {
        let elsewhere = hosts.iter().flatten().find(|host| !is_loopback(host));
        objections.extend(elsewhere.map(|host| Objection::Plain((*host).to_owned())));
    } else if config.authorities.is_none() {
        objections.push(Objection::NoAuthorities);
    }
}

fn check_traces(config: &TracesConfig, objections: &mut Vec<Objection>) {
    let address = &config.otlp_endpoint;
    let host = |scheme| host_of(address.strip_prefix(scheme)?);
    let is_tls = host("https://").is_some();
    if !is_tls && !host("http://").is_some_and(is_loopback) {
        objections.push(Objection::Collector(address.clone()));
    }
    if is_tls && config.authorities.is_none() {
        objections.push(Objection::NoCollectorAuthorities);
    }
    if config.per_mille > 1_000 {
        objections.push(Objection::PerMille(config.per_mille));
    }
}

const SCHEMES: [&str; 2] = ["esdb", "esdb+discover"];

/// The host of `HOST:PORT`.
fn host_of(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ['.', '-', '[', ']', ':'].contains(&letter);
    let port_is_given = port.parse::<u16>().is_ok_and(|port| port != 0);
    (port_is_given && !host.is_empty() && host.chars().all(plain)).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Whether two listeners cannot both have their addresses. Port 0 is any free one.
fn clash(first: SocketAddr, second: SocketAddr) -> bool {
    let shared = first.ip() == second.ip() || first.ip().is_unspecified() || second.ip().is_unspecified();
    shared && first.port() == second.port() && first.port() != 0
}

#[cfg(test)]
mod tests;
