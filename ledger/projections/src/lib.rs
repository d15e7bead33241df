//! What follows the log: the sealer, and the clock keeper; read models later.

pub mod keeper;
pub mod sealer;
