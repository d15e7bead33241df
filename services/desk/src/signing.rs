//! What goes to and fro when the caller signs: requests to prepare, what was prepared, and the signed act, parsed once.

use mediation_domain::admit::Violation;
use mediation_ledger::{
    entry,
    key::KeyId,
    part::{self, OpenedPart},
    recorder::{Prepared, Request, Signed},
    vault::Holder,
};
use mediation_proto::{
    PrepareRequest,
    mediation::ledger::v1::{self as proto, DisclosedPart, PreparedPart, ReceiptLevel, Signature, SubmitRequest},
};
use prost::Message as _;

use crate::{
    request::{is_new_event_id, not_an_event_id, occurred_at, parse, violation, wait},
    server::MESSAGE_BYTES_MAX,
    status::Refused,
};

/// Bytes that signatures may add when what was prepared comes back.
const SIGNATURE_BYTES: usize = 4 * 1024;

/// Parses a request to prepare an act: the act, the receipt level, and the key that will sign.
///
/// # Errors
/// All malformed fields of the act at once, or the key's id.
pub fn parse_prepare(request: PrepareRequest, now_ms: i64) -> Result<(Request, ReceiptLevel, KeyId), Refused> {
    let PrepareRequest { request, key_id } = request;
    let (request, wait) = parse(request, now_ms)?;
    match key_id.as_ref().try_into() {
        Ok(key_id) => Ok((request, wait, KeyId(key_id))),
        Err(_) => Err(Refused::malformed(vec![violation("key_id", "must have 32 bytes", "应为 32 字节")])),
    }
}

/// Parses a signed act, which must agree with itself. What a caller may not choose in a request he may not choose in a
/// statement either.
///
/// # Errors
/// The first malformed field.
pub fn parse_submit(request: SubmitRequest, now_ms: i64) -> Result<(Signed, ReceiptLevel), Refused> {
    let SubmitRequest { statement, signatures, parts, wait: level } = request;
    let mut violations = Vec::new();
    let level = wait(level, &mut violations);
    let signatures = all(signatures, "signatures", signature, &mut violations);
    let parts = all(parts, "parts", disclosed, &mut violations);
    let (Some(level), true) = (level, violations.is_empty()) else { return Err(Refused::malformed(violations)) };
    let signed = Signed::new(statement, signatures, parts)?;
    let named = signed.statement();
    if !is_new_event_id(named.event_id) {
        violations.push(not_an_event_id());
    }
    occurred_at(prost_types::Timestamp { seconds: named.occurred_at, nanos: 0 }, now_ms, &mut violations);
    if violations.is_empty() { Ok((signed, level)) } else { Err(Refused::malformed(violations)) }
}

/// Every row of a list, or where one is not of its form.
fn all<T, U>(
    rows: Vec<T>,
    list: &str,
    read: impl Fn(T) -> Result<U, Violation>,
    violations: &mut Vec<Violation>,
) -> Vec<U> {
    let mut read_rows = Vec::with_capacity(rows.len());
    for (at, row) in rows.into_iter().enumerate() {
        match read(row) {
            Ok(row) => read_rows.push(row),
            Err(wrong) => violations.push(Violation { path: format!("{list}[{at}].{}", wrong.path), ..wrong }),
        }
    }
    read_rows
}

fn signature(signature: Signature) -> Result<entry::Signature, Violation> {
    match signature.key_id.as_ref().try_into() {
        Ok(key_id) => Ok(entry::Signature { key_id: KeyId(key_id), value: signature.value }),
        Err(_) => Err(violation("key_id", "must have 32 bytes", "应为 32 字节")),
    }
}

fn disclosed(shown: DisclosedPart) -> Result<OpenedPart, Violation> {
    let wrong = || {
        violation(
            "salt",
            "needs a part kind, a number to 255, and 32 bytes of salt",
            "须有类别、序号（不大于255）和32字节盐值",
        )
    };
    part::disclosed(&shown).ok_or_else(wrong)
}

/// What was prepared, as it is sent. It comes back in a request, so that it must fit into one.
///
/// # Errors
/// It does not.
pub fn prepared(prepared: Prepared) -> Result<proto::Prepared, Refused> {
    let parts = prepared.parts.into_iter().map(|prepared| {
        let part = DisclosedPart {
            kind: prepared.part.kind.into(),
            number: prepared.part.number.into(),
            salt: prepared.salt.to_vec().into(),
            plaintext: prepared.part.plaintext,
        };
        let subject = match prepared.part.holder {
            Holder::Chain => None,
            Holder::Subject(subject) => Some(subject),
        };
        PreparedPart { part: Some(part), subject }
    });
    let prepared = proto::Prepared { statement: prepared.statement, parts: parts.collect() };
    if prepared.encoded_len() + SIGNATURE_BYTES > MESSAGE_BYTES_MAX {
        return Err(Refused::too_large());
    }
    Ok(prepared)
}
