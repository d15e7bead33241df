//! What is computed from the log: seals now, read models later.

pub mod sealer;
