//! A bare prototype of the append path: unary calls and streams over mutual TLS, an Ed25519 signature that is made or checked, a
//! Merkle frontier over SHA-256, and one write with one sync for each group. Nothing else: no admission, no chains, no idempotency, no
//! encryption, no receipts with proofs. It says how fast an append could be on a machine, and the ledger is held against it.
//!
//! ```text
//! call ─ sign or check ─ leaf hash ─┐ queue
//!                                   └ thread: frontier ─ one write ─ one sync ─▶ answers
//! ```

mod committer;
mod frontier;
pub mod load;
pub mod server;
mod tls;

pub use self::tls::Tls;

#[expect(
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "generated code"
)]
mod generated {
    tonic::include_proto!("baseline");
}
