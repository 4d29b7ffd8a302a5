//! Clients that are built when they are first used. Building all six would take most of the
//! process's start.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

type Initializer<T> = Box<dyn FnOnce() -> T + Send>;

/// A value that is made at its first use. `Clone` is cheap and shares it.
pub(super) struct Lazy<T>(Arc<LazyLock<T, Initializer<T>>>);

impl<T> Lazy<T> {
    /// A value that `make` makes, at most once.
    pub(super) fn new(make: impl FnOnce() -> T + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

impl<T> Clone for Lazy<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Lazy<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
