//! What speaks HTTP: the log as the tiles of C2SP `tlog-tiles`, the witness of `tlog-witness`, and the client by which a
//! log asks witnesses; the auditors' console, lists as files for spreadsheets, and the integration gateway of a governance center.
//!
//! Nothing here is trusted: checkpoints and cosignatures carry their signatures, and tiles are checked against a
//! checkpoint by whoever reads them. Who wants the way there to be private puts a TLS proxy in front, or names `https`
//! addresses for the witnesses.

pub mod center;
pub mod console;
pub mod courier;
pub mod feed;
pub mod listener;
pub mod reader;
pub mod served;
pub mod sheet;
mod tongue;
pub mod witness;
