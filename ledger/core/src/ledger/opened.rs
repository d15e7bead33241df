//! An entry with its parts, taken apart and checked against its commitments.

use bytes::Bytes;
use mediation_proto::mediation::ledger::v1::{Act, PartKind};

use super::Fault;
use crate::{
    entry::Entry,
    merkle::Hash,
    part::{self, Commitment, OpenError, OpenedPart},
    record::Record,
    statement::Statement,
    vault::DataKey,
};

/// An entry taken apart, before anything is known about its place and signature.
pub(super) struct Opened {
    pub(super) entry: Entry,
    pub(super) statement: Statement,
    pub(super) parts: Vec<OpenedPart>,
    pub(super) withheld: Vec<Commitment>,
    /// Whether what is withheld is kept from this reader; if not, it is gone for everybody.
    pub(super) kept_back: bool,
    /// The parts are not those that were committed to, or are no act.
    pub(super) content_fault: Option<Fault>,
    /// What the parts that opened tell; empty when they tell nothing that holds.
    pub(super) act: Act,
}

/// What a disclosed entry holds, its parts checked against their commitments.
pub(super) fn opened_from_parts(origin: &str, entry: &Bytes, parts: Vec<OpenedPart>) -> Result<Opened, Fault> {
    let mut opened = Opened { kept_back: true, ..Opened::new(entry)? };
    for commitment in opened.statement.commitments.clone() {
        let place = (commitment.kind, commitment.number);
        let Some(part) = parts.iter().find(|part| (part.commitment.kind, part.commitment.number) == place) else {
            opened.withheld.push(commitment);
            continue;
        };
        let digest = part::digest(origin, opened.statement.event_id, place.0, place.1, &part.salt, &part.plaintext);
        opened.take(if digest == commitment.digest {
            Ok(OpenedPart { commitment, ..part.clone() })
        } else {
            Err(OpenError::CommitmentBroken { kind: place.0, number: place.1 })
        });
    }
    Ok(opened.told())
}

/// Takes a record apart and opens the parts whose keys are given. The leaf does not cover how the parts are stored, so
/// stored parts that are not those of the statement take nothing from the entry: only its content is gone.
pub(super) fn open_record(
    origin: &str,
    record: &Record,
    key: &dyn Fn(Hash) -> Option<DataKey>,
) -> Result<Opened, Fault> {
    let mut opened = Opened::new(&record.entry)?;
    if opened.statement.commitments.len() != record.parts.len() {
        opened.content_fault = Some(Fault::OtherParts);
    }
    for (commitment, stored) in opened.statement.commitments.clone().into_iter().zip(&record.parts) {
        if stored.digest != commitment.digest.0.as_slice() {
            opened.content_fault.get_or_insert(Fault::OtherParts);
            continue;
        }
        match key(commitment.digest) {
            None => opened.withheld.push(commitment),
            Some(key) => opened.take(part::open(origin, opened.statement.event_id, commitment, stored, &key)),
        }
    }
    Ok(opened.told())
}

impl Opened {
    /// Whether the `act` part is kept from this reader, by which alone it can be told where the chain stands.
    pub(super) fn keeps_facts_back(&self) -> bool {
        self.kept_back && self.withheld.iter().any(|commitment| commitment.kind == PartKind::Act)
    }

    fn new(entry: &Bytes) -> Result<Self, Fault> {
        let entry = Entry::parse(entry)?;
        let statement = Statement::parse(&entry.statement)?;
        let (parts, withheld) = (Vec::new(), Vec::new());
        let act = Act::default();
        Ok(Self { entry, statement, parts, withheld, kept_back: false, content_fault: None, act })
    }

    fn take(&mut self, part: Result<OpenedPart, OpenError>) {
        match part {
            Ok(part) => self.parts.push(part),
            Err(error) => {
                self.content_fault.get_or_insert(Fault::Part(error));
            }
        }
    }

    /// With the act that the parts tell together.
    fn told(mut self) -> Self {
        if self.content_fault.is_none() {
            match part::join_opened(&self.parts) {
                Some(act) => self.act = act,
                None => self.content_fault = Some(Fault::NotAnAct),
            }
        }
        self
    }
}
