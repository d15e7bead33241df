//! Every bound of what is signed and stored, with its unit and its reason.

/// Bytes of an entry: a C2SP entry bundle gives its length in two bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Bytes of the plaintext of one part: a narrative is at most some texts of 8 KiB, an act some lists; documents stay
/// with their holder.
pub const PART_BYTES_MAX: usize = 256 * 1024;

/// Parts of one act: the act, a narrative, a sealed part, and one per subject.
pub const PARTS_MAX: usize = 256;

/// Bytes of a record: KurrentDB takes 1 MiB by default, and some of it is its own.
pub const RECORD_BYTES_MAX: usize = 1_000_000;

/// Signatures of one entry: the agency's, officers' and parties'.
pub const SIGNATURES_MAX: usize = 16;

/// Bytes of an origin: a schema-less URL.
pub const ORIGIN_BYTES_MAX: usize = 128;

/// Bytes of an agency id.
pub const AGENCY_BYTES_MAX: usize = 64;

/// Bytes of the name of a rule set.
pub const RULE_SET_BYTES_MAX: usize = 64;

/// Entries of one chain: a dispute of a whole life has some hundreds; registry and access chains more.
pub const CHAIN_ENTRIES_MAX: usize = 100_000;

/// Acts recorded as one batch: their records make one group of the embedded log, which is bounded at 16 MiB.
pub const BATCH_REQUESTS_MAX: usize = 4_096;

/// Times an append is tried on a chain that moves: more contenders than agencies in one dispute.
pub const APPEND_ATTEMPTS_MAX: u32 = 16;

/// Times the same bytes are sent again to learn how an append ended.
pub const RESEND_ATTEMPTS_MAX: u32 = 5;

/// Distance that `recorded_at` may keep from the witnessed time around it, in milliseconds (± 5 min).
pub const RECORDED_AT_SLACK_MS: i64 = 5 * 60 * 1000;

/// Time by which the last entry of a chain may lie ahead of the clock and still hold the next one back, in milliseconds (7 days): a
/// clock that leapt by some days and was set right must not make later look earlier; one that was wrong by years must not hold
/// a chain until its keys have expired.
pub const RECORDED_AHEAD_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;

/// Bytes of an evidence bundle: some tens of thousands of entries with their proofs and parts; what a court's mail system
/// still takes is smaller.
pub const BUNDLE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Files of an evidence bundle: the container counts them in two bytes.
pub const BUNDLE_FILES_MAX: usize = 65_534;

/// Bytes of each word by which a bundle says who exported it: as many as a string of an act.
pub const EXPORTER_BYTES_MAX: usize = 256;
