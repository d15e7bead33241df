//! Tests across crates and processes; they stand in `tests/all`, one binary. See `docs/architecture.md`, "Checks".
