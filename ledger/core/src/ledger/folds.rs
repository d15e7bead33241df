//! Folds of chains that are kept, with whatever else belongs to each, so that whoever comes back to a chain reads only what was
//! added since.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::Fold;
use crate::chain::ChainId;

/// The folds of a bounded number of chains.
#[derive(Debug)]
pub struct Folds<T = Fold> {
    max: usize,
    folds: Mutex<BTreeMap<ChainId, Arc<tokio::sync::Mutex<T>>>>,
}

impl From<ChainId> for Fold {
    fn from(chain: ChainId) -> Self {
        Self::new(chain)
    }
}

impl<T: From<ChainId>> Folds<T> {
    /// Room for so many chains.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, folds: Mutex::new(BTreeMap::new()) }
    }

    /// The fold of a chain, if one is kept.
    #[must_use]
    pub fn kept(&self, chain: ChainId) -> Option<Arc<tokio::sync::Mutex<T>>> {
        self.folds.lock().unwrap_or_else(PoisonError::into_inner).get(&chain).map(Arc::clone)
    }

    /// The fold of a chain, an empty one when none is kept. When too many are kept, those nobody uses are forgotten.
    #[must_use]
    pub fn of(&self, chain: ChainId) -> Arc<tokio::sync::Mutex<T>> {
        let mut folds = self.folds.lock().unwrap_or_else(PoisonError::into_inner);
        if folds.len() >= self.max && !folds.contains_key(&chain) {
            folds.retain(|_, fold| Arc::strong_count(fold) > 1);
        }
        Arc::clone(folds.entry(chain).or_insert_with(|| Arc::new(tokio::sync::Mutex::new(T::from(chain)))))
    }
}
