//! What follows the log: the sealer, the leaves it keeps of a shared log, the collector of its witnesses' cosignatures, and
//! the clock keeper and the eraser, the read model, and the index of texts.

pub mod eraser;
pub mod keeper;
pub mod leaves;
pub mod model;
pub mod sealer;
pub mod texts;
pub mod witnesses;
