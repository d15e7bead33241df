//! The one message that holds a key: no log and no trace shows it.

use std::fmt;

use crate::mediation::ledger::v1::KeyMaterial;

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(…)")
    }
}
