//! Numbers of steps.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::Number;

use crate::history::EventId;

/// Number of a step, in its written form: `5`, or `5.1` for a step that was put in later. Names a step and nothing
/// more: the order of the chain is that of the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepNumber {
    whole: u32,
    digits: u8,
    fraction: u16,
}

/// Digits after the point, so that they fit into `u16`.
const DIGITS_MAX: usize = 4;

impl StepNumber {
    /// An event id for judging without recording: of the form of a UUIDv7, the same for the same number, and another
    /// for every other number.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        let mut bytes = [0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
        let parts = self.whole.to_be_bytes().into_iter().chain([self.digits]).chain(self.fraction.to_be_bytes());
        for (byte, part) in bytes.iter_mut().skip(9).zip(parts) {
            *byte = part;
        }
        EventId(bytes)
    }
}

impl From<u32> for StepNumber {
    fn from(whole: u32) -> Self {
        Self { whole, digits: 0, fraction: 0 }
    }
}

impl FromStr for StepNumber {
    type Err = NotAStepNumber;

    fn from_str(text: &str) -> Result<Self, NotAStepNumber> {
        let wrong = || NotAStepNumber(text.to_owned());
        // JSON does not tell 5 from 5.0.
        let text = text.strip_suffix(".0").unwrap_or(text);
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let plain = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
        let formed = plain(whole) && plain(fraction) && fraction.len() <= DIGITS_MAX && !text.ends_with('.');
        if !formed {
            return Err(wrong());
        }
        let digits = u8::try_from(fraction.len()).map_err(|_| wrong())?;
        let fraction = if digits == 0 { 0 } else { fraction.parse().map_err(|_| wrong())? };
        Ok(Self { whole: whole.parse().map_err(|_| wrong())?, digits, fraction })
    }
}

impl fmt::Display for StepNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.digits {
            0 => write!(f, "{}", self.whole),
            digits => write!(f, "{}.{:0width$}", self.whole, self.fraction, width = usize::from(digits)),
        }
    }
}

impl<'de> Deserialize<'de> for StepNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Number::deserialize(deserializer)?.to_string().parse().map_err(D::Error::custom)
    }
}

impl Serialize for StepNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Number::from_str(&self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// A text is no number of a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no step number such as 5 or 5.1")]
pub struct NotAStepNumber(pub String);
