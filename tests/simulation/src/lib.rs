//! A whole ledger in one thread: recorder, embedded log, vault, sealer and eraser as they are, on a disk, a clock and
//! randomness that follow from a seed.
//!
//! ```text
//! seed ─ plan ─ life ── clients ── recorder ─┬─ log ───┐
//!                 │                          ├─ vault ─┼── simulated disk ── crash ─ image ─ judge ─ the next life
//!                 │                sealer ───┘─ checkpoints                              │
//!                 └ what was submitted, acknowledged, refused, published, read ──────────┘
//! ```
//!
//! Everything lies in `tests/simulation/`. Nothing there is a copy of the product: it is linked as it is. What stands in
//! for the world are the simulated disk behind the seam to the file system, a clock that is set, the paused clock of the
//! runtime, and seeded entropy. On a disk that never blocks the product starts no threads, so the order of everything
//! follows from the seed.
