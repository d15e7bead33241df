//! How large a city is made, as an exact ratio: `0.01` is one in a hundred, on every machine.

use std::{fmt, str::FromStr};

/// Decimals that are read: one in a million of the city is less than one matter.
const DECIMALS_MAX: usize = 6;

/// Largest scale.
const WHOLE_MAX: u64 = 10;

/// A ratio of the whole city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    numerator: u64,
    /// A power of ten.
    denominator: u64,
}

impl Scale {
    /// The whole city.
    pub const WHOLE: Self = Self { numerator: 1, denominator: 1 };

    /// So much of a number, rounded half up.
    #[must_use]
    pub fn of(self, number: u64) -> u64 {
        let scaled = (u128::from(number) * u128::from(self.numerator) * 2 + u128::from(self.denominator))
            / (u128::from(self.denominator) * 2);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// The ratio in lowest terms of tens: numerator and denominator.
    #[must_use]
    pub fn ratio(self) -> (u64, u64) {
        (self.numerator, self.denominator)
    }
}

impl FromStr for Scale {
    type Err = ScaleError;

    /// Reads a plain decimal: `1`, `0.01`; no sign, no exponent.
    fn from_str(text: &str) -> Result<Self, ScaleError> {
        let malformed = || ScaleError::NotADecimal { text: text.to_owned() };
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(malformed());
        }
        let (whole, decimals) = (whole.trim_start_matches('0'), decimals.trim_end_matches('0'));
        if decimals.len() > DECIMALS_MAX {
            return Err(ScaleError::TooFine { text: text.to_owned() });
        }
        let out_of_bounds = || ScaleError::OutOfBounds { text: text.to_owned() };
        let mut denominator = 1;
        let mut numerator: u64 = 0;
        for (place, digit) in whole.bytes().chain(decimals.bytes()).enumerate() {
            if place >= whole.len() {
                denominator *= 10;
            }
            numerator = numerator
                .checked_mul(10)
                .and_then(|numerator| numerator.checked_add(u64::from(digit - b'0')))
                .ok_or_else(out_of_bounds)?;
        }
        if numerator == 0 || numerator > WHOLE_MAX * denominator {
            return Err(out_of_bounds());
        }
        Ok(Self { numerator, denominator })
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.numerator / self.denominator, self.numerator % self.denominator);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let decimals = self.denominator.ilog10() as usize;
        write!(f, "{whole}.{rest:0decimals$}")
    }
}

/// Why a text is no scale.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScaleError {
    /// No plain decimal.
    NotADecimal {
        /// As written.
        text: String,
    },
    /// More decimals than are read.
    TooFine {
        /// As written.
        text: String,
    },
    /// Nothing at all, or more than the largest.
    OutOfBounds {
        /// As written.
        text: String,
    },
}

impl fmt::Display for ScaleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADecimal { text } => {
                write!(f, "`{text}` 不是十进制小数，应如 1 或 0.01 · `{text}` is no decimal such as 1 or 0.01")
            }
            Self::TooFine { text } => {
                write!(f, "`{text}` 的小数超过 {DECIMALS_MAX} 位 · `{text}` has more than {DECIMALS_MAX} decimals")
            }
            Self::OutOfBounds { text } => {
                write!(
                    f,
                    "规模须大于 0 且不超过 {WHOLE_MAX}，`{text}` 不是 · a scale is above 0 and at most {WHOLE_MAX}, `{text}` is not"
                )
            }
        }
    }
}

impl std::error::Error for ScaleError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_read_exactly_and_written_as_it_was_meant() {
        for (text, ratio, written) in [
            ("1", (1, 1), "1"),
            ("0.01", (1, 100), "0.01"),
            ("00.010", (1, 100), "0.01"),
            ("0.000001", (1, 1_000_000), "0.000001"),
            ("2.5", (25, 10), "2.5"),
            ("10", (10, 1), "10"),
            ("10.000", (10, 1), "10"),
        ] {
            let scale: Scale = text.parse().unwrap();
            assert_eq!((scale.ratio(), scale.to_string().as_str()), (ratio, written), "{text}");
        }
    }

    #[test]
    fn what_is_no_scale_is_named_in_both_languages() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e-2", "1,5", "０.１", " 1", "NaN", "1.2.3"] {
            assert!(matches!(text.parse::<Scale>(), Err(ScaleError::NotADecimal { .. })), "{text}");
        }
        assert!(matches!("0.0000001".parse::<Scale>(), Err(ScaleError::TooFine { .. })));
        for text in ["0", "0.000", "10.1", "11", "99999999999999999999999999"] {
            let error = text.parse::<Scale>().unwrap_err();
            assert!(matches!(error, ScaleError::OutOfBounds { .. }), "{text}");
            assert!(error.to_string().contains(" · "), "{error}");
        }
    }

    #[test]
    fn a_scaled_number_is_rounded_half_up() {
        let scale: Scale = "0.01".parse().unwrap();
        assert_eq!([0, 49, 50, 12_418, 220_000].map(|number| scale.of(number)), [0, 0, 1, 124, 2_200]);
        assert_eq!(Scale::WHOLE.of(u64::MAX), u64::MAX);
    }
}
