//! What happens when nobody can say any more what is on the disk.

use std::{fmt, io, process, sync::Arc};

/// Called once when a sync has failed. By default it ends the process: the kernel has marked the unwritten pages clean,
/// so that no later call in this process can find out what is stored. A new one reads what is there.
#[derive(Clone)]
pub struct FatalHandler(Arc<dyn Fn(&io::Error) + Send + Sync>);

impl FatalHandler {
    /// Calls a function instead, for tests. The log acknowledges nothing afterwards.
    pub fn new(handler: impl Fn(&io::Error) + Send + Sync + 'static) -> Self {
        Self(Arc::new(handler))
    }

    pub(crate) fn call(&self, error: &io::Error) {
        (self.0)(error);
    }
}

impl Default for FatalHandler {
    fn default() -> Self {
        Self::new(|error| {
            tracing::error!(%error, "the disk failed; the process ends, nothing unacknowledged is certain");
            process::abort();
        })
    }
}

impl fmt::Debug for FatalHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FatalHandler")
    }
}
