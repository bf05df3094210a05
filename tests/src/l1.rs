//! An L1 that is started on the state another one left, and what `BatchInbox` there says of itself.

use std::{net::TcpListener, path::Path, time::Duration};

use alloy::{
    providers::{Provider, ProviderBuilder},
    sol_types::SolEvent,
};
use alloy_primitives::{Address, B256};
use horae_contracts::{BatchInbox, Head};

use crate::{
    child::Child,
    programs::foundry,
    rpc::{Rpc, runtime},
    wait::wait_for,
};

/// What anvil may take to load a state.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running anvil.
#[derive(Debug)]
pub struct Anvil {
    _process: Child,
    url: String,
}

/// A `BatchAccepted` event.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Index of the batch.
    pub index: u64,
    /// The L1 transaction with it.
    pub l1_tx: B256,
}

impl Anvil {
    /// Starts anvil on a dumped state.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn load(state: &Path, log: &Path) -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let state = state.to_string_lossy();
        let arguments = ["--port", &port.to_string(), "--chain-id", "31337", "--load-state", &state, "--quiet"];
        let mut process = Child::start(&foundry("anvil"), &arguments, &[], log);
        let rpc = Rpc::new(&url);
        wait_for("anvil on the dumped state", START_LIMIT, || {
            assert!(process.ended().is_none(), "anvil ended:\n{}", process.tail());
            rpc.try_ask("eth_chainId", &serde_json::json!([])).ok()
        });
        Self { _process: process, url }
    }

    /// Its endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the inbox has accepted last, read from the contract.
    ///
    /// # Panics
    /// If there is no such contract.
    #[must_use]
    pub fn inbox_head(&self, inbox: Address) -> Head {
        inbox_head(&self.url, inbox)
    }

    /// Every batch that the inbox accepted, from its events.
    ///
    /// # Panics
    /// If the L1 does not answer.
    #[must_use]
    pub fn accepted(&self, inbox: Address) -> Vec<Accepted> {
        runtime().block_on(async {
            let provider = ProviderBuilder::new().connect_http(self.url.parse().expect("a URL"));
            let filter = alloy::rpc::types::Filter::new()
                .address(inbox)
                .from_block(0)
                .event_signature(BatchInbox::BatchAccepted::SIGNATURE_HASH);
            let logs = provider.get_logs(&filter).await.expect("logs of the inbox");
            let read = |log: alloy::rpc::types::Log| Accepted {
                index: BatchInbox::BatchAccepted::decode_log(&log.inner).expect("the event of the binding").index,
                l1_tx: log.transaction_hash.expect("a mined log"),
            };
            logs.into_iter().map(read).collect()
        })
    }
}

/// What an inbox has accepted last.
///
/// # Panics
/// If there is no such contract.
#[must_use]
pub fn inbox_head(l1: &str, inbox: Address) -> Head {
    runtime().block_on(async {
        let provider = ProviderBuilder::new().connect_http(l1.parse().expect("a URL"));
        BatchInbox::new(inbox, provider).head().call().await.expect("BatchInbox.head()")
    })
}

/// A TCP port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
