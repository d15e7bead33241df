//! Whose identities a part holds.

use mediation_proto::{
    fields::{Shape, Value},
    mediation::{
        ledger::v1::{Act, PartKind},
        types::v1::Identity,
    },
};
use prost::Message as _;

use super::OpenedPart;

impl OpenedPart {
    /// The identities in an identities part; none in any other.
    #[must_use]
    pub fn identities(&self) -> Vec<Identity> {
        if self.commitment.kind != PartKind::Identities {
            return Vec::new();
        }
        let Ok(act) = Act::decode(self.plaintext.clone()) else { return Vec::new() };
        let Some((_, fields)) = act.event() else { return Vec::new() };
        let messages = fields.info().fields.iter().filter(|field| matches!(field.shape, Shape::Message(_)));
        let values =
            messages.flat_map(|field| (0..fields.count(field.number)).filter_map(|at| fields.value(field.number, at)));
        values.filter_map(identity).collect()
    }
}

fn identity(value: Value<'_>) -> Option<Identity> {
    let Value::Message(message) = value else { return None };
    if message.info().name != "Identity" {
        return None;
    }
    let text = |name: &str| message.text(name).map(str::to_owned);
    let id_kind = match message.named("id_kind") {
        Some(Value::Enum(number)) => Some(number),
        Some(Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Message(_)) | None => None,
    };
    Some(Identity {
        subject: text("subject"),
        name: text("name"),
        id_kind,
        id_masked: text("id_masked"),
        phone: text("phone"),
        address: text("address"),
        birth_date: text("birth_date"),
        credit_code: text("credit_code"),
    })
}
