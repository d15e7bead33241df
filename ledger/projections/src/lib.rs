//! What follows the log: the sealer, the collector of its witnesses' cosignatures, and the clock keeper; read models
//! later.

pub mod keeper;
pub mod sealer;
pub mod witnesses;
