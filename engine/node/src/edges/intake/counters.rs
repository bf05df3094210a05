//! What an ingest edge counts.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident => $metric:literal,)*) => {
        /// The counters of one ingest edge: written by it, read by anyone.
        #[derive(Default)]
        pub struct Counters {
            $(pub(in crate::edges) $name: AtomicU64,)*
        }

        /// What [`Counters`] showed at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// What they show now.
            #[must_use]
            pub fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            /// Hands the totals to the metrics recorder; an edge does it now and then, not once a transaction.
            pub(in crate::edges) fn publish(&self, edge: &'static str) {
                $(metrics::counter!($metric, "edge" => edge).absolute(self.$name.load(Ordering::Relaxed));)*
            }
        }
    };
}

counters! {
    /// Connections taken.
    accepted => "horae_ingest_connections_total",
    /// Connections turned away, for want of a place.
    turned_away => "horae_ingest_connections_turned_away_total",
    /// Connections that have ended, for whatever reason.
    ended => "horae_ingest_connections_ended_total",
    /// Connections closed for sending what is no frame.
    junk_closed => "horae_ingest_junk_closed_total",
    /// Connections closed for silence, or for not reading their answers.
    idle_closed => "horae_ingest_idle_closed_total",
    /// Times that the system gave no connection.
    accept_errors => "horae_ingest_accept_errors_total",
    /// Transactions offered to the node.
    offered => "horae_ingest_offered_total",
    /// Transactions told busy by the edge itself, for want of a place for their answer.
    busy => "horae_ingest_busy_total",
    /// Answers given to connections.
    answered => "horae_ingest_answered_total",
}

/// Counts one.
pub(in crate::edges) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
