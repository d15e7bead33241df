//! Compiles the restated `.proto` files without protoc.

use std::error::Error;

const FILES: &[&str] = &[
    "gossip.proto",
    "journal.proto",
    "persistent.proto",
    "server_features.proto",
    "shared.proto",
    "status.proto",
    "streams.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure()
        .include_file("modules.rs")
        .bytes(".")
        .build_client(false)
        .build_transport(true)
        .compile_fds(descriptors)?;
    Ok(())
}
