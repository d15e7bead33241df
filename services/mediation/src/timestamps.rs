//! Timestamps over checkpoints (RFC 3161): a third party's word that a tree was there at a time.
//!
//! ```text
//! seals.watch ─ wait ─ newest checkpoint ─ request ─ authority ─ token, verified ─ timestamps/<size>.tsr
//! ```
//!
//! What is stamped is SHA-256 of the text of the checkpoint over SHA-256: origin, size, root. It follows from the log alone,
//! so that nothing but the answer is kept, as the authority gave it; `openssl ts -verify` reads it.
//!
//! Sealing never waits for it. One checkpoint is stamped at a time, always the newest one, so that nothing piles up while
//! the authority is away: it is asked again after a pause, and the next token covers what the ones in between would have.

mod authority;
mod stamper;
mod token;

pub(crate) use self::{
    authority::Authority,
    stamper::{AUTHORITY, Stamper, file, sizes},
    token::verify,
};
