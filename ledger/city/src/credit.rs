//! Unified social credit codes (统一社会信用代码) of agencies that do not exist: the form and both check characters are
//! those of GB 32100 and GB 11714.

/// The code of a made-up public institution of a county. Its organisation part begins with `LEDG`, as no real one does.
pub(crate) fn credit_code(division: &str, serial: u64) -> String {
    let organisation = format!("LEDG{:04}", serial % 10_000);
    let check = organisation_check(&organisation);
    let county = division.get(..6).unwrap_or("360200");
    let body = format!("12{county}{organisation}{check}");
    let check = code_check(&body);
    format!("{body}{check}")
}

/// GB 11714: weights 3, 7, 9, 10, 5, 8, 4, 2, modulus 11.
fn organisation_check(code: &str) -> char {
    const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = code.chars().zip(WEIGHTS).map(|(letter, weight)| letter.to_digit(36).unwrap_or(0) * weight).sum();
    match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        digit => char::from_digit(digit, 10).unwrap_or('0'),
    }
}

/// GB 32100: weights are the powers of 3, modulus 31, letters without I, O, S, V and Z.
fn code_check(code: &str) -> char {
    const LETTERS: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let value = |letter| LETTERS.find(letter).and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
    let (sum, _) = code.chars().fold((0, 1), |(sum, weight), letter| (sum + value(letter) * weight, weight * 3 % 31));
    let at = usize::try_from((31 - sum % 31) % 31).unwrap_or_default();
    LETTERS.chars().nth(at).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The city's committee in the fixture: `11360200LEDG00010X`.
    #[test]
    fn check_characters_are_those_of_the_fixture() {
        assert_eq!(organisation_check("LEDG0001"), '0');
        assert_eq!(code_check("11360200LEDG00010"), 'X');
        assert_eq!(credit_code("360222101", 7).len(), 18);
    }
}
