//! Formulas as the table writes them.

use serde::Deserialize;

use crate::clocks::condition::ConditionData;

/// How a figure is computed.
#[derive(Debug, Deserialize)]
#[serde(tag = "aggregate", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum FormulaData {
    /// How many there are.
    Count(SelectionData),
    /// How many different values a field has.
    CountDistinct(SelectionData),
    /// Sum of a field.
    Sum(SelectionData),
    /// Smallest value of a field.
    Min(SelectionData),
    /// Largest value of a field.
    Max(SelectionData),
    /// Sum, over the values of another field, of a field in the latest act.
    SumLatest(SelectionData),
    /// The same of the first act.
    SumFirst(SelectionData),
    /// Length of the run of consecutive years that ends in the last year of the period.
    LongestRunTo(SelectionData),
    /// The value in the middle; of an even number the mean of the two.
    Median(SelectionData),
    /// `numerator / divide_by`.
    Ratio { numerator: Operand, divide_by: Operand, period: Option<String> },
    /// `(a − b) / a` of the two periods in order.
    RateDown { of: Box<Self>, periods: [String; 2], period: String },
    /// `(after − before) / before`.
    RateUp { before: Operand, after: Operand, period: String },
    /// Sum of the parts.
    SumOf { of: Vec<Self>, period: String },
}

/// A formula, or the id of the row that has it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Operand {
    Row(String),
    Formula(Box<FormulaData>),
}

/// What is looked at, and what of it is taken.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SelectionData {
    /// Acts of these kinds.
    pub(super) event: OneOrMore,
    /// A table of the registry.
    pub(super) registry: Option<String>,
    /// Runs of these clocks.
    pub(super) clock: Vec<String>,
    /// What the judge works out of whole chains.
    pub(super) of: Option<String>,
    pub(super) r#where: Option<ConditionData>,
    /// None in the operational rows: the year of the report.
    pub(super) period: Option<String>,
    pub(super) field: Option<String>,
    /// The field is a list and its elements count.
    pub(super) each: bool,
    pub(super) by: Option<String>,
    /// Later acts of this kind drop the acts that they name.
    pub(super) unless: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    #[default]
    None,
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(name) => std::slice::from_ref(name),
            Self::More(names) => names,
        }
    }
}
