//! Forms of the fields that hold text.

use mediation_proto::mediation::ledger::v1::PartKind;

use crate::{
    catalogue::{FieldRow, FieldType},
    civil,
    directory::Directory,
    identity::{holds_mobile_phone, holds_resident_id, mod_11_2},
    limits::{DIGEST_HEX_LENGTH, KEY_HEX_LENGTH_MAX, REFERENCE_BYTES_MAX, STRING_BYTES_MAX, TEXT_BYTES_MAX},
    routing::is_division,
};

/// What is wrong with a text; follows the name of the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) en: String,
    pub(super) zh: String,
}

/// Checks a text against the form of its field. Without `agencies` an agency id need not be known.
pub(super) fn check(field: &FieldRow, text: &str, agencies: Option<&Directory>) -> Result<(), Problem> {
    match field.ty {
        FieldType::String => string(field.name, text),
        FieldType::Text => free(text, TEXT_BYTES_MAX, "\n\t"),
        FieldType::Obligation => free(text, REFERENCE_BYTES_MAX, ""),
        FieldType::Date => {
            must(civil::days(text).is_some(), "must be a day of the form YYYY-MM-DD", "应为 YYYY-MM-DD 形式的日期")
        }
        FieldType::DateTime => must(
            civil::is_date_time(text),
            "must be a time of the form YYYY-MM-DDTHH:MM:SS+08:00",
            "应为 YYYY-MM-DDTHH:MM:SS+08:00 形式的时间",
        ),
        FieldType::Agency => agency(text, agencies),
        FieldType::Person => must(
            is_reference(text),
            "must be a pseudonym or a signer_ref, never a name",
            "应为假名或签署人编号，不得填写姓名",
        ),
        // The shapes of these hold no text; the catalogue does not load otherwise.
        FieldType::Bool
        | FieldType::Int
        | FieldType::Money
        | FieldType::StepRef
        | FieldType::Document
        | FieldType::Enum(_)
        | FieldType::Record(_) => Ok(()),
    }
}

/// Checks that a text of a part holds no number that leads to a person where none may stand: the number of an identity card
/// nowhere, that of a mobile phone in none of the facts, which more may see than the identities.
pub(super) fn impersonal(part: PartKind, text: &str) -> Result<(), Problem> {
    must(
        !holds_resident_id(text),
        "holds the whole number of an identity card; write it masked, as 3602**********123X, or write the pseudonym",
        "含有完整的居民身份证号，应填写掩码（如 3602**********123X）或假名",
    )?;
    let in_facts = matches!(part, PartKind::Act | PartKind::Unspecified);
    must(
        !in_facts || !holds_mobile_phone(text),
        "holds the number of a mobile phone, which belongs into the identities",
        "含有手机号码，应填入身份资料",
    )
}

fn string(name: &str, text: &str) -> Result<(), Problem> {
    free(text, STRING_BYTES_MAX, "")?;
    match name {
        "division" => must(is_division(text), "must have 6, 9 or 12 digits", "应为 6、9 或 12 位数字"),
        "chain_no" => must(
            is_chain_number(text),
            "must be `JF`, 18 digits and their check character",
            "应为 JF 加 18 位数字及校验字符",
        ),
        "public_key" | "root_key" => must(
            text.len() <= KEY_HEX_LENGTH_MAX && text.len().is_multiple_of(2) && is_hex(text),
            "must be lower-case hex",
            "应为小写十六进制",
        ),
        name if name == "digest" || name.ends_with("_digest") => must(
            text.len() == DIGEST_HEX_LENGTH && is_hex(text),
            &format!("must be {DIGEST_HEX_LENGTH} digits of lower-case hex"),
            &format!("应为 {DIGEST_HEX_LENGTH} 位小写十六进制"),
        ),
        _ => Ok(()),
    }
}

/// Text that says something, is not too long, and holds no character that changes how others look.
fn free(text: &str, bytes_max: usize, allowed: &str) -> Result<(), Problem> {
    must(!text.trim().is_empty(), "is empty", "为空")?;
    must(
        text.len() <= bytes_max,
        &format!("has {} bytes, more than {bytes_max}", text.len()),
        &format!("有 {} 字节，超过 {bytes_max} 字节", text.len()),
    )?;
    let hidden = text.chars().find(|letter| is_hidden(*letter) && !allowed.contains(*letter));
    match hidden {
        None => Ok(()),
        Some(letter) => Err(Problem {
            en: format!("holds the control character U+{:04X}", u32::from(letter)),
            zh: format!("含有控制字符 U+{:04X}", u32::from(letter)),
        }),
    }
}

fn agency(text: &str, agencies: Option<&Directory>) -> Result<(), Problem> {
    must(is_reference(text), "must be an agency id", "应为机构编号")?;
    let known = agencies.is_none_or(|agencies| agencies.agency(text).is_some());
    must(known, &format!("names `{text}`, which is no agency of this ledger"), &format!("所填“{text}”不是本账本的机构"))
}

fn must(holds: bool, en: &str, zh: &str) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(Problem { en: en.to_owned(), zh: zh.to_owned() }) }
}

/// Control characters, and those that reorder text: both show a reader something else than was signed.
fn is_hidden(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Ids are made of ASCII, so that no name passes as one.
fn is_reference(text: &str) -> bool {
    let formed = |letter: u8| letter.is_ascii_alphanumeric() || b"-_/.:".contains(&letter);
    !text.is_empty() && text.len() <= REFERENCE_BYTES_MAX && text.bytes().all(formed)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// A 纠纷链号: `JF`, division, day, sequence, and the check character of ISO 7064 MOD 11-2 over the 18 digits.
fn is_chain_number(text: &str) -> bool {
    let Some((digits, check)) = text.strip_prefix("JF").and_then(|rest| rest.split_at_checked(18)) else {
        return false;
    };
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    check.chars().eq([mod_11_2(digits)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    fn problem(record: &str, field: &str, text: &str) -> Option<String> {
        let row = match record {
            "header" => catalogue::header().fields.iter().find(|row| row.name == field),
            event => catalogue::event(event).unwrap().named(field),
        };
        check(row.unwrap(), text, None).err().map(|problem| problem.en)
    }

    #[test]
    fn texts_are_held_to_the_form_of_their_field() {
        let long = "字".repeat(3_000);
        for (record, field, text, expected) in [
            ("DisputeRegistered", "grid", "360203006001012", None),
            ("DisputeRegistered", "grid", "", Some("is empty")),
            ("DisputeRegistered", "grid", " \u{3000}", Some("is empty")),
            ("DisputeRegistered", "grid", long.get(..258).unwrap(), Some("has 258 bytes, more than 256")),
            ("DisputeRegistered", "grid", "a\nb", Some("holds the control character U+000A")),
            ("DisputeRegistered", "grid", "a\u{202E}b", Some("holds the control character U+202E")),
            ("DisputeRegistered", "division", "360203", None),
            ("DisputeRegistered", "division", "36020", Some("must have 6, 9 or 12 digits")),
            ("DisputeRegistered", "summary", "一\n\t二", None),
            ("DisputeRegistered", "summary", "一\r二", Some("holds the control character U+000D")),
            ("DisputeRegistered", "summary", &long, Some("has 9000 bytes, more than 8192")),
            ("HandoffProposed", "delivered_on", "2024-02-29", None),
            ("HandoffProposed", "delivered_on", "2023-02-29", Some("must be a day of the form YYYY-MM-DD")),
            ("HandlerReplaced", "effective_at", "2024-02-29T08:00:00+08:00", None),
            (
                "HandlerReplaced",
                "effective_at",
                "2024-02-29T08:00:00Z",
                Some("must be a time of the form YYYY-MM-DDTHH:MM:SS+08:00"),
            ),
            ("HandoffProposed", "target", "CT-ZS", None),
            ("HandoffProposed", "target", "珠山法院", Some("must be an agency id")),
            ("HandoffAccepted", "handler", "PMC-ZS/MED-1", None),
            ("HandoffAccepted", "handler", "霍砚秋", Some("must be a pseudonym or a signer_ref, never a name")),
            ("MediationSessionHeld", "note_digest", &"0a".repeat(32), None),
            ("MediationSessionHeld", "note_digest", &"0A".repeat(32), Some("must be 64 digits of lower-case hex")),
            ("MediationSessionHeld", "note_digest", &"0a".repeat(31), Some("must be 64 digits of lower-case hex")),
            ("AgencyKeyEnrolled", "public_key", &"0a".repeat(32), None),
            ("AgencyKeyEnrolled", "public_key", "0g", Some("must be lower-case hex")),
            ("header", "chain_no", "JF3602032024030400017", None),
            ("header", "chain_no", "JF360222202401080029X", None),
            ("header", "chain_no", "JF3602032024030400018", Some("must be `JF`, 18 digits and their check character")),
            ("header", "chain_no", "3602032024030400017", Some("must be `JF`, 18 digits and their check character")),
        ] {
            assert_eq!(problem(record, field, text).as_deref(), expected, "{record}.{field}: {text}");
        }
    }

    #[test]
    fn agencies_are_those_of_the_ledger() {
        let row = catalogue::event("HandoffProposed").unwrap().named("target").unwrap();
        let problem = check(row, "CT-ZS", Some(&Directory::default())).unwrap_err();
        assert_eq!(problem.en, "names `CT-ZS`, which is no agency of this ledger");
        assert_eq!(problem.zh, "所填“CT-ZS”不是本账本的机构");
    }
}
