//! JSON-RPC from the client's side, one call at a time.

use std::{sync::OnceLock, time::Duration};

use jsonrpsee::{
    core::{
        client::{ClientT, Error},
        params::ArrayParams,
    },
    http_client::{HttpClient, HttpClientBuilder},
};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The runtime that all clients of a test share.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime for the clients")
    })
}

/// A node, or an L1.
#[derive(Clone, Debug)]
pub struct Rpc {
    url: String,
    client: HttpClient,
}

/// A refusal as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// JSON-RPC error code; 0 if there was no JSON-RPC answer at all.
    pub code: i32,
    /// Its text.
    pub message: String,
}

impl Rpc {
    /// A client of `url`; nothing is sent yet.
    ///
    /// # Panics
    /// If it is no URL.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let client = HttpClientBuilder::default()
            .request_timeout(TIMEOUT)
            .max_request_size(64 << 20)
            .build(url)
            .unwrap_or_else(|e| panic!("{url}: {e}"));
        Self { url: url.to_owned(), client }
    }

    /// The endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One call; `params` is a JSON array.
    ///
    /// # Errors
    /// The error object of the answer, or why there was none.
    pub fn try_ask(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        let mut array = ArrayParams::new();
        for param in params.as_array().into_iter().flatten() {
            array.insert(param).expect("JSON values are JSON");
        }
        runtime().block_on(self.client.request(method, array)).map_err(|error| match error {
            Error::Call(error) => Refusal { code: error.code(), message: error.message().to_owned() },
            other => Refusal { code: 0, message: other.to_string() },
        })
    }

    /// One call that must succeed.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn ask(&self, method: &str, params: &Value) -> Value {
        self.try_ask(method, params).unwrap_or_else(|refusal| panic!("{method} {params} at {}: {refusal:?}", self.url))
    }
}

/// A number that Ethereum's JSON-RPC gives as a hexadecimal string.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn quantity(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no quantity: {value}"));
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("no quantity: {value}"))
}
