//! The Prometheus exporter, and the names of the node's metrics with their descriptions, in one place.
//!
//! Each edge records under a name from [`names`]; edges of their own crates add theirs to the same recorder.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// Upper bounds of latency buckets, in seconds.
const LATENCY_BUCKETS_S: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Names of metrics.
pub mod names {
    /// Unix time at which the process started.
    pub const PROCESS_START: &str = "process_start_time_seconds";
    /// Version of the binary, as a label of a gauge that is 1.
    pub const BUILD: &str = "horae_build_info";
    /// Highest block ordered.
    pub const HEAD_ORDERED: &str = "horae_head_ordered";
    /// Highest block certified.
    pub const HEAD_CERTIFIED: &str = "horae_head_certified";
    /// Highest block committed.
    pub const HEAD_COMMITTED: &str = "horae_head_committed";
    /// Highest block in an accepted batch.
    pub const HEAD_SAFE: &str = "horae_head_safe";
    /// Highest block in a batch that is final on L1.
    pub const HEAD_FINALIZED: &str = "horae_head_finalized";
    /// Transactions in committed blocks since the start.
    pub const TRANSACTIONS_COMMITTED: &str = "horae_transactions_committed_total";
    /// Height of the state store.
    pub const STORE_HEIGHT: &str = "horae_store_height";
    /// Height the state store has on stable storage.
    pub const STORE_DURABLE_HEIGHT: &str = "horae_store_durable_height";
    /// Groups that the journal committed, each one write and one sync of the disk.
    pub const JOURNAL_GROUPS: &str = "horae_journal_groups_total";
    /// Time to write and sync a group.
    pub const JOURNAL_COMMIT_SECONDS: &str = "horae_journal_commit_seconds";
    /// Records in those groups.
    pub const JOURNAL_RECORDS: &str = "horae_journal_records_total";
    /// Bytes that callers appended.
    pub const JOURNAL_PAYLOAD_BYTES: &str = "horae_journal_payload_bytes_total";
    /// The same bytes with the journal's own around them.
    pub const JOURNAL_BYTES: &str = "horae_journal_bytes_total";
    /// Bytes of the pages of the disk that they touched; over the payload's, the write amplification.
    pub const JOURNAL_PAGE_BYTES: &str = "horae_journal_page_bytes_total";
    /// Bytes of the store's files, by file.
    pub const STORE_BYTES: &str = "horae_store_bytes";
    /// Bytes written to the store's files, by file.
    pub const STORE_WRITTEN: &str = "horae_store_written_bytes_total";
    /// Syncs of the store's files, by file.
    pub const STORE_SYNCS: &str = "horae_store_syncs_total";
    /// Time to bring the state trie to the end of a batch.
    pub const STATE_ROOT_SECONDS: &str = "horae_state_root_seconds";
    /// Accounts and slots that changed, as taken into the state trie.
    pub const STATE_ROOT_KEYS: &str = "horae_state_root_keys_total";
    /// Branches of the state trie written.
    pub const STATE_ROOT_BRANCHES: &str = "horae_state_root_branches_total";
    /// State tries built from the whole state, by reason.
    pub const STATE_ROOT_REBUILDS: &str = "horae_state_root_rebuilds_total";
    /// State roots that wait to be computed or are.
    pub const STATE_ROOTS_WAITING: &str = "horae_state_roots_waiting";
    /// Times the chain view waited because as many roots as may wait did.
    pub const STATE_ROOT_STALLS: &str = "horae_state_root_stalls_total";
    /// Times the store was not made durable when it was due, because state roots were under way for too long.
    pub const STORE_FLUSHES_DELAYED: &str = "horae_store_flushes_delayed_total";
    /// JSON-RPC requests, by method and whether they failed.
    pub const RPC_REQUESTS: &str = "horae_rpc_requests_total";
    /// Time to answer a JSON-RPC request, by method.
    pub const RPC_SECONDS: &str = "horae_rpc_seconds";
    /// Transactions refused at JSON-RPC, by reason.
    pub const RPC_REFUSED: &str = "horae_rpc_refused_total";
    /// Open subscriptions.
    pub const RPC_SUBSCRIPTIONS: &str = "horae_rpc_subscriptions";
    /// Subscriptions closed because the client did not keep up.
    pub const RPC_SLOW_SUBSCRIBERS: &str = "horae_rpc_slow_subscribers_total";
}

/// Starts the exporter on its own address and describes the metrics. Once a process.
///
/// Must be called inside a tokio runtime. Fails if the address is taken.
pub fn serve(address: SocketAddr) -> Result<(), BuildError> {
    // The exporter binds inside its task, where a failure would only be logged: find out here.
    std::net::TcpListener::bind(address).map_err(|e| BuildError::FailedToCreateHTTPListener(e.to_string()))?;
    PrometheusBuilder::new()
        .with_http_listener(address)
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &LATENCY_BUCKETS_S)?
        .install()?;
    describe();
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    gauge!(names::PROCESS_START).set(since_epoch.as_secs_f64());
    gauge!(names::BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(())
}

fn describe() {
    describe_gauge!(names::PROCESS_START, Unit::Seconds, "Unix time at which the process started");
    describe_gauge!(names::BUILD, "1, with the version of the binary as a label");
    describe_gauge!(names::HEAD_ORDERED, "Highest block ordered");
    describe_gauge!(names::HEAD_CERTIFIED, "Highest block certified by acks of more than 2/3 of the weights");
    describe_gauge!(names::HEAD_COMMITTED, "Highest block committed");
    describe_gauge!(names::HEAD_SAFE, "Highest block in a batch that L1 accepted");
    describe_gauge!(names::HEAD_FINALIZED, "Highest block in a batch that is final on L1");
    describe_counter!(names::TRANSACTIONS_COMMITTED, "Transactions in committed blocks since the start");
    describe_gauge!(names::STORE_HEIGHT, "Height of the state store");
    describe_gauge!(names::STORE_DURABLE_HEIGHT, "Height the state store has on stable storage");
    describe_counter!(names::JOURNAL_GROUPS, "Groups the journal committed, each one write and one sync of the disk");
    describe_histogram!(names::JOURNAL_COMMIT_SECONDS, Unit::Seconds, "Time to write and sync a group of the journal");
    describe_counter!(names::JOURNAL_RECORDS, "Records that the journal committed");
    describe_counter!(names::JOURNAL_PAYLOAD_BYTES, Unit::Bytes, "Bytes appended to the journal");
    describe_counter!(names::JOURNAL_BYTES, Unit::Bytes, "The same bytes with the journal's own around them");
    describe_counter!(names::JOURNAL_PAGE_BYTES, Unit::Bytes, "Bytes of the pages they touched: what the disk writes");
    describe_gauge!(names::STORE_BYTES, Unit::Bytes, "Size of the store's files, by file (state, trie)");
    describe_counter!(names::STORE_WRITTEN, Unit::Bytes, "Bytes written to the store's files, by file");
    describe_counter!(names::STORE_SYNCS, "Syncs of the store's files, by file");
    describe_histogram!(
        names::STATE_ROOT_SECONDS,
        Unit::Seconds,
        "Time to compute the state root at the end of a batch"
    );
    describe_counter!(names::STATE_ROOT_KEYS, "Changed accounts and slots taken into the state trie");
    describe_counter!(names::STATE_ROOT_BRANCHES, "Branches of the state trie written");
    describe_counter!(names::STATE_ROOT_REBUILDS, "State tries built from the whole state, by reason");
    describe_gauge!(names::STATE_ROOTS_WAITING, "State roots that wait to be computed, with the one under way");
    describe_counter!(names::STATE_ROOT_STALLS, "Times committed blocks had to wait for state roots");
    describe_counter!(
        names::STORE_FLUSHES_DELAYED,
        "Times state roots under way kept the store from being made durable"
    );
    describe_counter!(names::RPC_REQUESTS, "JSON-RPC requests by method and outcome");
    describe_histogram!(names::RPC_SECONDS, Unit::Seconds, "Time to answer a JSON-RPC request by method");
    describe_counter!(names::RPC_REFUSED, "Transactions refused at JSON-RPC by reason");
    describe_gauge!(names::RPC_SUBSCRIPTIONS, "Open JSON-RPC subscriptions");
    describe_counter!(names::RPC_SLOW_SUBSCRIBERS, "Subscriptions closed because the client did not keep up");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn scrape(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn exports_descriptions_and_values_and_refuses_a_busy_port() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let refused = serve(taken.local_addr().unwrap()).unwrap_err();
        assert!(refused.to_string().contains("in use"), "{refused}");
        let address = taken.local_addr().unwrap();
        drop(taken);
        serve(address).unwrap();
        gauge!(names::HEAD_COMMITTED).set(7.0);
        metrics::histogram!(names::RPC_SECONDS, "method" => "eth_call").record(0.003);
        let answer = tokio::task::spawn_blocking(move || scrape(address)).await.unwrap();
        assert!(answer.contains("# HELP horae_head_committed Highest block committed"), "{answer}");
        assert!(answer.contains("process_start_time_seconds 1"), "{answer}");
        assert!(answer.contains("horae_rpc_seconds_bucket{method=\"eth_call\",le=\"0.005\"} 1"), "{answer}");
    }
}
