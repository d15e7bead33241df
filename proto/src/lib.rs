//! Messages of the mediation ledger, generated from the `.proto` files beside this crate without protoc.
//!
//! - [`mediation`] holds the generated messages, one module per package; service stubs need feature `grpc`.
//! - [`fields`] describes acts at run time: every field of every act by name and number, without copying.
//! - [`json`] reads and writes acts in the notation of the catalogue.
//! - [`derived`] holds the tables that are derived from the descriptors when this crate is built.

mod act_request;
pub mod fields;
pub mod json;
mod key_material;
#[cfg(feature = "grpc")]
mod retry;

#[cfg(feature = "grpc")]
pub use self::retry::may_be_sent_again;
pub use act_request::{ActRequest, DeskInfo, NotOfThisDesk, PrepareRequest, ReasonInfo, desk_of};

/// Tables and conversions derived from the descriptors.
#[expect(clippy::too_many_lines, reason = "one arm per kind of act")]
pub mod derived {
    use crate::{
        act_request::{ActRequest, DeskInfo, NotOfThisDesk, PrepareRequest, ReasonInfo},
        fields::{EnumInfo, FieldInfo, Fields, KindInfo, MessageInfo, Shape, Value},
        mediation::ledger::v1::Act,
    };

    include!(concat!(env!("OUT_DIR"), "/derived.rs"));
}

#[expect(missing_docs, clippy::all, reason = "generated code")]
#[cfg_attr(
    feature = "grpc",
    expect(
        unused_qualifications,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated stubs"
    )
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/modules.rs"));
}

pub use generated::{google, mediation};

/// Descriptors of all files, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
