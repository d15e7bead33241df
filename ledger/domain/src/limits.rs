//! Every bound of what may stand in an act or in a case file, with its unit and its reason.

/// Bytes of a field of type `string`, as `types.json` says.
pub const STRING_BYTES_MAX: usize = 256;

/// Bytes of a field of type `text`, as `types.json` says.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Bytes of an agency id, a pseudonym or a `signer_ref`: they stand in statements, certificates and file names.
pub const REFERENCE_BYTES_MAX: usize = 64;

/// Elements of one list: the largest true ones are the parties of a group petition and the documents of a file.
pub const LIST_LENGTH_MAX: usize = 1_000;

/// Largest whole number: 2^53, beyond which readers that keep numbers as doubles lose digits.
pub const INT_MAX: u64 = 1 << 53;

/// Hexadecimal digits of a digest: SHA-256 and SM3 both give 32 bytes.
pub const DIGEST_HEX_LENGTH: usize = 64;

/// Hexadecimal digits of a public key at most: an uncompressed SM2 point has 65 bytes.
pub const KEY_HEX_LENGTH_MAX: usize = 130;

/// First year that a day may lie in: nobody who takes part was born earlier, and a year such as 0024 is a slip.
pub const YEAR_MIN: u16 = 1900;

/// Last year that a day may lie in: no term of an obligation or of a key reaches further.
pub const YEAR_MAX: u16 = 2199;

/// First second that a business time may have: 1900-01-01T00:00:00+08:00, the beginning of [`YEAR_MIN`].
pub const OCCURRED_AT_MIN_S: i64 = -2_209_017_600;

/// First second that a business time may not have any more: 2200-01-01T00:00:00+08:00, the end of [`YEAR_MAX`].
pub const OCCURRED_AT_END_S: i64 = 7_258_089_600;

/// Violations reported at once: enough to correct a form, and a bound on what an answer can grow to.
pub const VIOLATIONS_MAX: usize = 100;

/// Bytes of a case file: the largest known has 24 KiB, a thousand steps some 700 KiB.
pub const CASE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Steps of a case: ten years of three acts a day.
pub const CASE_STEPS_MAX: usize = 10_000;
