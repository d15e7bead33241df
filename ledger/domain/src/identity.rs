//! Numbers of identity documents: their forms, their check characters, and where none may stand.
//!
//! A resident's number tells his birth and his sex and leads to everything else that is kept of him. It stands nowhere in the
//! ledger: a person is known by a pseudonym, which is made of the number under a secret key, and by a masked number at most.

use mediation_proto::mediation::types::v1::IdKind;

use crate::civil;

/// Bytes of the longest number that is looked at.
pub const NUMBER_BYTES_MAX: usize = 64;

/// Why a text is no number of its kind. None of them says the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberFault {
    /// Without a document there is no number.
    #[error("without an identity document there is no number to make a pseudonym of")]
    NoDocument,
    /// Not as many characters as the kind has, or others.
    #[error("the number has not the form of its kind: {en}")]
    Form {
        /// The form, in English.
        en: &'static str,
        /// The form, in Chinese.
        zh: &'static str,
    },
    /// The day of birth in it is none.
    #[error("the digits 7 to 14 of the number are no day of birth")]
    Birth,
    /// Its check character does not follow from the others: a typing error.
    #[error("the check character does not fit the number; look for a typing error")]
    Check,
}

impl NumberFault {
    /// The same in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::NoDocument => "无证件者没有可据以生成假名的号码".to_owned(),
            Self::Form { zh, .. } => format!("证件号形式不符：{zh}"),
            Self::Birth => "证件号第 7 至 14 位不是出生日期".to_owned(),
            Self::Check => "证件号校验码不符，请核对是否录入有误".to_owned(),
        }
    }
}

/// A number in the one way of writing it, so that the same document gives the same pseudonym however it was typed: without
/// spaces, half-width, letters upper case.
///
/// # Errors
/// It is no number of this kind.
pub fn normalised(kind: IdKind, text: &str) -> Result<String, NumberFault> {
    let number: String = text.chars().filter(|letter| !letter.is_whitespace()).map(half_width).collect();
    let number = number.to_ascii_uppercase();
    match kind {
        IdKind::ResidentId => resident(&number)?,
        IdKind::CreditCode => credit_code(&number)?,
        // 护照: by the states that issue them; the ICAO number has nine characters at most, others have some more.
        IdKind::Passport => lettered(&number, 5..=20, "5 to 20 letters and digits", "5 至 20 位字母和数字")?,
        // 港澳居民来往内地通行证: H or M and eight digits, with two more for the edition on older ones.
        IdKind::HkMacaoPermit => {
            let digits = number.strip_prefix(['H', 'M']).unwrap_or_default();
            must_be(
                matches!(digits.len(), 8 | 10) && is_digits(digits),
                "H or M, and 8 or 10 digits",
                "H 或 M 加 8 或 10 位数字",
            )?;
        }
        // 台湾居民来往大陆通行证.
        IdKind::TaiwanPermit => {
            must_be(matches!(number.len(), 8 | 10) && is_digits(&number), "8 or 10 digits", "8 或 10 位数字")?
        }
        // 外国人永久居留身份证: fifteen characters, since 2023 eighteen digits built as a resident's.
        IdKind::ForeignResidentId if number.len() == RESIDENT_LENGTH => resident(&number)?,
        IdKind::ForeignResidentId => {
            lettered(&number, 15..=15, "15 letters and digits, or 18 digits", "15 位字母和数字，或 18 位数字")?
        }
        IdKind::None | IdKind::Unspecified => return Err(NumberFault::NoDocument),
    }
    Ok(number)
}

/// Whether a text holds the whole number of a resident's identity card, whatever stands around it.
#[must_use]
pub fn holds_resident_id(text: &str) -> bool {
    runs(text).any(|run| run.len() == RESIDENT_LENGTH && resident(&run.to_ascii_uppercase()).is_ok())
}

/// Whether a text holds the number of a mobile phone (11 digits, the first of them 1, the second 3 to 9).
#[must_use]
pub fn holds_mobile_phone(text: &str) -> bool {
    runs(text).any(|run| run.len() == 11 && is_digits(run) && run.starts_with('1') && run.chars().nth(1) >= Some('3'))
}

const RESIDENT_LENGTH: usize = 18;

/// GB 11643: division, day of birth, sequence, and the check character of ISO 7064 MOD 11-2 over the 17 digits.
fn resident(number: &str) -> Result<(), NumberFault> {
    let (digits, check) = number.split_at_checked(RESIDENT_LENGTH - 1).unwrap_or_default();
    let formed = is_digits(digits) && matches!(check.as_bytes(), [b'0'..=b'9' | b'X']);
    must_be(formed, "17 digits, and a digit or X", "17 位数字加 1 位数字或 X")?;
    let birth = [(6, 10), (10, 12), (12, 14)].map(|(from, to)| digits.get(from..to).unwrap_or_default());
    if civil::days(&birth.join("-")).is_none() {
        return Err(NumberFault::Birth);
    }
    if check.chars().eq([mod_11_2(digits)]) { Ok(()) } else { Err(NumberFault::Check) }
}

/// Check character of ISO 7064 MOD 11-2 over ASCII digits.
#[must_use]
pub fn mod_11_2(digits: &str) -> char {
    let sum = digits.bytes().fold(0_u32, |sum, digit| (sum + u32::from(digit.wrapping_sub(b'0'))) * 2 % 11);
    match (12 - sum) % 11 {
        10 => 'X',
        value => char::from_digit(value, 10).unwrap_or('X'),
    }
}

/// GB 32100: 18 characters of an alphabet of 31, the last of which makes the weighted sum a multiple of 31.
fn credit_code(number: &str) -> Result<(), NumberFault> {
    const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let values: Option<Vec<usize>> = number.chars().map(|letter| ALPHABET.find(letter)).collect();
    let values = values.filter(|values| values.len() == RESIDENT_LENGTH);
    let en = "18 digits and capital letters without I, O, S, V, Z";
    must_be(values.is_some(), en, "18 位数字和大写字母（不含 I、O、S、V、Z）")?;
    // The last character has weight 1: 31 minus the sum of the others.
    let weights =
        std::iter::successors(Some(1_usize), |weight| Some(weight * 3 % 31)).take(RESIDENT_LENGTH - 1).chain([1]);
    let sum: usize = values.unwrap_or_default().into_iter().zip(weights).map(|(value, weight)| value * weight).sum();
    if sum.is_multiple_of(31) { Ok(()) } else { Err(NumberFault::Check) }
}

fn lettered(
    number: &str,
    length: std::ops::RangeInclusive<usize>,
    en: &'static str,
    zh: &'static str,
) -> Result<(), NumberFault> {
    must_be(length.contains(&number.len()) && number.bytes().all(|letter| letter.is_ascii_alphanumeric()), en, zh)
}

fn must_be(formed: bool, en: &'static str, zh: &'static str) -> Result<(), NumberFault> {
    if formed { Ok(()) } else { Err(NumberFault::Form { en, zh }) }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_digit())
}

/// Runs of ASCII letters and digits: a number ends where anything else begins, a Chinese character too.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric())
}

/// Full-width forms (U+FF01 to U+FF5E) as the ASCII that they stand for.
fn half_width(letter: char) -> char {
    match letter {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(letter) - 0xFEE0).unwrap_or(letter),
        letter => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_residents_number_is_checked_to_its_last_character() {
        // Made up, but for the check character.
        assert_eq!(normalised(IdKind::ResidentId, "11010519491231002X").unwrap(), "11010519491231002X");
        assert_eq!(normalised(IdKind::ResidentId, "440524188001010014"), Err(NumberFault::Birth), "born in 1880");
        let typed = " 110105 19491231 ００２ｘ ";
        assert_eq!(normalised(IdKind::ResidentId, typed).unwrap(), "11010519491231002X");
        assert_eq!(normalised(IdKind::ResidentId, "110105194912310021"), Err(NumberFault::Check));
        assert_eq!(normalised(IdKind::ResidentId, "11010519490231002X"), Err(NumberFault::Birth));
        for text in [
            "",
            "1101051949123100",
            "11010519491231002XX",
            "1101051949123100２Ａ",
            "一一〇一〇五一九四九一二三一〇〇二",
        ] {
            assert!(matches!(normalised(IdKind::ResidentId, text), Err(NumberFault::Form { .. })), "{text}");
        }
    }

    #[test]
    fn every_single_typing_error_in_a_number_is_noticed() {
        for (kind, number) in [(IdKind::ResidentId, "11010519491231002X"), (IdKind::CreditCode, "91350100M000100Y43")] {
            assert_eq!(normalised(kind, number).unwrap(), number);
            for (at, letter) in number.char_indices() {
                for other in ('0'..='9').filter(|other| *other != letter) {
                    let mut typed = number.to_owned();
                    typed.replace_range(at..=at, &other.to_string());
                    assert!(normalised(kind, &typed).is_err(), "{typed}");
                }
            }
        }
    }

    #[test]
    fn other_documents_have_their_forms() {
        for (kind, number, is_one) in [
            (IdKind::Passport, "E12345678", true),
            (IdKind::Passport, "E123", false),
            (IdKind::HkMacaoPermit, "h1234567890", true),
            (IdKind::HkMacaoPermit, "1234567890", false),
            (IdKind::TaiwanPermit, "12345678", true),
            (IdKind::TaiwanPermit, "1234567", false),
            (IdKind::ForeignResidentId, "CHN110080123456", true),
            (IdKind::ForeignResidentId, "11010519491231002X", true),
            (IdKind::ForeignResidentId, "110105194912310021", false),
            (IdKind::CreditCode, "91350100M000100Y4I", false),
            (IdKind::None, "1", false),
        ] {
            assert_eq!(normalised(kind, number).is_ok(), is_one, "{kind:?} {number}");
        }
    }

    #[test]
    fn a_number_is_found_in_a_text_and_what_only_looks_like_one_is_not() {
        for (text, id, phone) in [
            ("身份证号11010519491231002x，电话13812345678", true, true),
            ("11010519491231002X", true, false),
            ("110105194912310021", false, false),
            ("JF3602032024030400017", false, false),
            ("1101**********002X", false, false),
            ("138****5678", false, false),
            ("12012345678 138123456789 a13812345678", false, false),
            ("6217000011010519491231002X", false, false),
        ] {
            assert_eq!((holds_resident_id(text), holds_mobile_phone(text)), (id, phone), "{text}");
        }
    }

    #[test]
    fn nothing_that_is_told_of_a_fault_holds_the_number() {
        for number in ["110105194912310021", "11010519490231002X", "12345"] {
            let fault = normalised(IdKind::ResidentId, number).unwrap_err();
            assert!(![fault.to_string(), fault.zh(), format!("{fault:?}")].iter().any(|text| text.contains(number)));
        }
    }
}
