//! The stand-in for KurrentDB under a client of KurrentDB that shares no code with it, nor with the client that we use.

use mediation_kurrentdb_stand_in::{Options, StandIn};

use crate::{python::python, workspace::root};

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_finds_the_stand_in_honest() {
    // Servers that this client knows tell the positions of what is read from a stream.
    let stand_in = StandIn::start(Options { stream_positions: true, ..Options::default() }).await.unwrap();
    let address = stand_in.address().to_string();
    let script = root().join("tests/python/kurrentdb_client.py");
    let run = tokio::task::spawn_blocking(move || python().arg(script).arg(address).output().unwrap());
    let output = run.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
