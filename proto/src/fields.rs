//! Acts described at run time: every field of every act by number, without copying and without decoding twice.
//!
//! The tables are derived from the proto descriptors, so there is nothing here to keep in step by hand.

use std::fmt::Debug;

/// A code list.
#[derive(Debug)]
pub struct EnumInfo {
    /// Name of the list, as in the catalogue.
    pub name: &'static str,
    /// Number on the wire and code; value 0 (not given) is left out.
    pub values: &'static [(i32, &'static str)],
}

impl EnumInfo {
    /// Code of a number; `None` for 0 and for numbers that the list does not hold.
    #[must_use]
    pub fn code(&self, number: i32) -> Option<&'static str> {
        self.values.iter().find(|value| value.0 == number).map(|value| value.1)
    }

    /// Number of a code.
    #[must_use]
    pub fn number(&self, code: &str) -> Option<i32> {
        self.values.iter().find(|value| value.1 == code).map(|value| value.0)
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// True or false.
    Bool,
    /// Whole number.
    Int,
    /// UTF-8 text; the catalogue says of which form.
    Text,
    /// A code of a list.
    Enum(&'static EnumInfo),
    /// A composite.
    Message(&'static MessageInfo),
}

/// One field of a message.
#[derive(Debug)]
pub struct FieldInfo {
    /// Number on the wire.
    pub number: u32,
    /// Name, as in the catalogue.
    pub name: &'static str,
    /// Holds a list.
    pub repeated: bool,
    /// What it, or each element, holds.
    pub shape: Shape,
}

/// A message.
#[derive(Debug)]
pub struct MessageInfo {
    /// Name, as in the catalogue.
    pub name: &'static str,
    /// Fields in the order of their numbers.
    pub fields: &'static [FieldInfo],
}

impl MessageInfo {
    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static FieldInfo> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A kind of act.
#[derive(Debug)]
pub struct KindInfo {
    /// Stable name on the wire: `court.case_filed`.
    pub kind: &'static str,
    /// Name in the catalogue: `CaseFiled`.
    pub event: &'static str,
    /// Family: `court`.
    pub family: &'static str,
    /// Field number of the family in `Act`.
    pub family_number: u32,
    /// Field number of the act in its family.
    pub number: u32,
    /// Its fields.
    pub info: &'static MessageInfo,
}

/// One value of a field.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// True or false.
    Bool(bool),
    /// Whole number.
    Int(u64),
    /// UTF-8 text.
    Text(&'a str),
    /// Number of a code.
    Enum(i32),
    /// A composite.
    Message(&'a dyn Fields),
}

/// Access to the fields of a message by number.
pub trait Fields: Debug + Send + Sync {
    /// The message's table.
    fn info(&self) -> &'static MessageInfo;
    /// How many values a field has: 0 when absent, 1 for a single one.
    fn count(&self, number: u32) -> usize;
    /// The value at a position; position 0 for a single one.
    fn value(&self, number: u32, at: usize) -> Option<Value<'_>>;
}

impl dyn Fields + '_ {
    /// The single or first value of the field of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Value<'_>> {
        self.value(self.info().field(name)?.number, 0)
    }

    /// The text of the field of this name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.named(name)? {
            Value::Text(text) => Some(text),
            Value::Bool(_) | Value::Int(_) | Value::Enum(_) | Value::Message(_) => None,
        }
    }
}

/// The kind of this name in the catalogue (`CaseFiled`).
#[must_use]
pub fn kind_of_event(event: &str) -> Option<&'static KindInfo> {
    crate::derived::KINDS.iter().find(|kind| kind.event == event)
}
