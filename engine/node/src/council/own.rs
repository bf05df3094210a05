//! What this node itself does about something that the group signs and any one of its nodes carries to L1.

/// How far this node is with carrying it itself.
pub(super) enum Own {
    /// It does nothing about it before this unix millisecond.
    Idle {
        /// Unix milliseconds.
        not_before_ms: u64,
    },
    /// It asks for signatures.
    Signing,
    /// It is on the way to L1.
    Sending,
}
