//! Exact numbers, and how they are printed.

use serde::Deserialize;

/// A fraction of whole numbers. Nothing is rounded before it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact {
    /// Numerator.
    pub numerator: i128,
    /// Denominator, above 0.
    pub denominator: i128,
}

impl Exact {
    /// A whole number.
    #[must_use]
    pub const fn whole(number: i128) -> Self {
        Self { numerator: number, denominator: 1 }
    }

    /// A quotient of whole numbers; none when it is divided by 0.
    #[must_use]
    pub fn quotient(numerator: i128, denominator: i128) -> Option<Self> {
        match denominator.signum() {
            0 => None,
            1 => Some(Self { numerator, denominator }),
            _ => Some(Self { numerator: -numerator, denominator: -denominator }),
        }
    }

    /// The number, when it is whole.
    pub(super) fn as_whole(self) -> Option<i128> {
        (self.denominator == 1).then_some(self.numerator)
    }
}

/// How a figure is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Print {
    style: Style,
    pub(super) decimals: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Style {
    /// Times 100, with `%`.
    Percent,
    /// Divided by 10 000, with 万.
    Wan,
    /// As it is.
    Number,
}

impl Print {
    /// A whole number as it is.
    pub(super) const PLAIN: Self = Self { style: Style::Number, decimals: 0 };

    /// A number, rounded half up on the exact fraction; `—` where there is none.
    pub(super) fn print(self, exact: Option<Exact>) -> String {
        let Some(Exact { numerator, denominator }) = exact else { return "—".to_owned() };
        let unit = 10_i128.pow(self.decimals);
        let (numerator, denominator, suffix) = match self.style {
            Style::Percent => (numerator * 100, denominator, "%"),
            Style::Wan => (numerator, denominator * 10_000, "万"),
            Style::Number => (numerator, denominator, ""),
        };
        let rounded = (numerator * unit * 2 + denominator).div_euclid(denominator * 2);
        let sign = if rounded < 0 { "-" } else { "" };
        let (whole, rest) = (rounded.abs() / unit, rounded.abs() % unit);
        if self.decimals == 0 {
            return format!("{sign}{whole}{suffix}");
        }
        let width = usize::try_from(self.decimals).unwrap_or_default();
        format!("{sign}{whole}.{rest:0width$}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(style: &str, decimals: u32, numerator: i128, denominator: i128) -> String {
        let print: Print = serde_json::from_value(serde_json::json!({"style": style, "decimals": decimals})).unwrap();
        print.print(Exact::quotient(numerator, denominator))
    }

    #[test]
    fn every_fixture_prints_as_published() {
        for (style, decimals, numerator, denominator, expected) in [
            ("percent", 2, 8000 - 5367, 8000, "32.91%"),
            ("percent", 2, 71 - 26, 71, "63.38%"),
            ("percent", 1, 500 - 322, 500, "35.6%"),
            ("percent", 0, 27, 53, "51%"),
            ("percent", 2, 70, 459, "15.25%"),
            ("percent", 2, 3082 - 1682, 1682, "83.23%"),
            ("number", 0, 285_000, 1000, "285"),
            ("wan", 2, 206_880, 1, "20.69万"),
            ("wan", 2, 205_328, 1, "20.53万"),
            ("percent", 2, 205_328, 206_880, "99.25%"),
            ("percent", 2, 662, 664, "99.70%"),
        ] {
            assert_eq!(printed(style, decimals, numerator, denominator), expected);
        }
    }

    #[test]
    fn halves_go_up_on_the_exact_fraction() {
        for (style, decimals, numerator, denominator, expected) in [
            ("wan", 2, 206_849, 1, "20.68万"),
            ("wan", 2, 206_850, 1, "20.69万"),
            ("wan", 2, 206_911, 1, "20.69万"),
            ("wan", 2, 206_950, 1, "20.70万"),
            ("percent", 2, 205_318, 206_880, "99.24%"),
            ("percent", 2, 205_319, 206_880, "99.25%"),
            ("percent", 2, 205_338, 206_880, "99.25%"),
            ("percent", 2, 205_339, 206_880, "99.26%"),
            ("percent", 0, 1, 200, "1%"),
            ("percent", 0, 1, 201, "0%"),
            ("percent", 1, -5, 1000, "-0.5%"),
            ("percent", 0, -5, 1000, "0%"),
            ("percent", 0, -6, 1000, "-1%"),
            ("number", 1, 1, 20, "0.1"),
            ("number", 2, 1, -3, "-0.33"),
            ("percent", 2, 1, 0, "—"),
        ] {
            assert_eq!(printed(style, decimals, numerator, denominator), expected, "{numerator}/{denominator}");
        }
    }

    #[test]
    fn a_rate_of_rounded_figures_would_be_another() {
        assert_eq!(printed("percent", 2, 2053, 2069), "99.23%");
    }
}
