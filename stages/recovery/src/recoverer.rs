//! The choice of a backend, and the watch over it.
