//! Which server the rows run on.

use std::io::Write as _;

use bytes::Bytes;
use mediation_kurrentdb_stand_in::{Options, StandIn, User};
use mediation_ledger::{
    chain::{ChainId, Revision},
    heads::Heads as _,
    log::Log as _,
};
use mediation_log_kurrentdb::{Credentials, HEADS_STREAM, KurrentLog, KurrentOptions};

/// Account of the stand-in.
const USER: (&str, &str) = ("desk", "right");

/// The server that is named, or a stand-in. Others have used it before.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) options: KurrentOptions,
    /// Lives as long as its rows.
    _stand_in: Option<StandIn>,
}

impl Server {
    /// With no server named, a stand-in that behaves as said.
    pub(crate) async fn any(behaviour: Options) -> Self {
        match named() {
            Some(options) => Self::real(options).await,
            None => Self::stand_in(behaviour).await,
        }
    }

    /// A server that a relay can stand before: whoever asks a cluster is sent past the relay by its gossip.
    pub(crate) async fn single() -> Self {
        match named().filter(is_single) {
            Some(options) => Self::real(options).await,
            None => Self::stand_in(Options::default()).await,
        }
    }

    pub(crate) async fn open(&self) -> KurrentLog {
        KurrentLog::open(self.options.clone()).await.unwrap()
    }

    async fn real(options: KurrentOptions) -> Self {
        let server = Self { options, _stand_in: None };
        let heads = server.open().await.heads().last(1).await.unwrap();
        assert!(
            heads.is_empty(),
            "`{HEADS_STREAM}` holds heads: this server has a ledger, and these records would have numbers in it for ever"
        );
        server
    }

    async fn stand_in(behaviour: Options) -> Self {
        let (name, password) = (USER.0.to_owned(), USER.1.to_owned());
        let user = User { name: name.clone(), password: password.clone(), groups: vec!["$admins".to_owned()] };
        let stand_in = StandIn::start(Options { users: vec![user], ..behaviour }).await.unwrap();
        let credentials = Some(Credentials { name, password });
        let options = KurrentOptions { credentials, ..KurrentOptions::new(stand_in.uri()) };
        let server = Self { options, _stand_in: Some(stand_in) };
        let record = Bytes::from_static(b"of somebody else");
        server.open().await.append(ChainId([1; 16]), Revision::FIRST, record).await.unwrap();
        server
    }
}

/// The server that is named from outside, and how it is reached.
fn named() -> Option<KurrentOptions> {
    let credentials = variable("MEDIATION_KURRENTDB_USER").and_then(|user| {
        let (name, password) = user.split_once(':')?;
        Some(Credentials { name: name.to_owned(), password: password.to_owned() })
    });
    let authorities = variable("MEDIATION_KURRENTDB_CA").map(Into::into);
    Some(KurrentOptions { authorities, credentials, ..KurrentOptions::new(variable("MEDIATION_KURRENTDB")?) })
}

#[expect(clippy::disallowed_methods, reason = "a server to test with is named from outside")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn is_single(options: &KurrentOptions) -> bool {
    let hosts = options.address.split_once('?').map_or(options.address.as_str(), |(hosts, _)| hosts);
    !hosts.contains(',') && !hosts.contains("+discover")
}

/// Tells whoever looks at the terminal. What a macro prints is kept from him when a test succeeds.
pub(crate) fn tell(what: &str) {
    std::io::stderr().write_all(format!("\n{what}\n").as_bytes()).unwrap();
}

#[test]
#[expect(non_snake_case, reason = "the variable has this name")]
fn no_real_server_was_tested_unless_MEDIATION_KURRENTDB_names_one() {
    let told = match named() {
        None => "MEDIATION_KURRENTDB names no server: all rows ran on the stand-in, and none on a real one".to_owned(),
        Some(options) if is_single(&options) => format!("the rows ran on {}", options.address),
        Some(options) => {
            format!(
                "the rows ran on {}, but those of module `network`, which need one node, on the stand-in",
                options.address
            )
        }
    };
    tell(&told);
}
