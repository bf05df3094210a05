//! What stands in for the vector registers on processors that are no x86-64: nothing, it is never chosen.

/// There are none.
pub(crate) fn available() -> bool {
    false
}

/// A type for the places that name one.
pub(crate) type Wide = crate::portable::Counted;
