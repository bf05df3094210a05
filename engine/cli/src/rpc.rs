//! A node's JSON-RPC from the client's side: what the commands ask, and the parts of the answers they use.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U64};
use horae_control::ControlState;
use jsonrpsee::{
    core::{
        client::{ClientT, Error},
        params::{ArrayParams, BatchRequestBuilder},
        traits::ToRpcParams,
    },
    http_client::{HttpClient, HttpClientBuilder},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::CliError;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Calls in one batch.
const BATCH_CALLS: usize = 100;
/// Largest request and answer, in bytes.
const MESSAGE_BYTES: u32 = 64 << 20;

/// A node.
#[derive(Clone, Debug)]
pub struct Rpc {
    url: String,
    client: HttpClient,
}

/// What of `horae_status` the commands use.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Running slot.
    pub slot: u64,
    /// Who holds it.
    pub sequencer: Address,
    /// The heads, by strength.
    pub heads: Heads,
    /// Committed transactions a second.
    pub transactions_per_second: f64,
    /// The group key in force, if there is one.
    pub group_key: Option<Bytes>,
}

/// Heads by strength.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Heads {
    /// Signed by the sequencer.
    pub ordered: u64,
    /// Acked by > 2/3.
    pub certified: u64,
    /// Acked by > 2/3 who hold the certificate.
    pub committed: u64,
    /// In an accepted batch.
    pub safe: u64,
    /// In an accepted batch on a final L1 block.
    pub finalized: u64,
}

/// What of `horae_block` the commands use.
#[derive(Clone, Debug, Deserialize)]
pub struct BlockReport {
    /// The block hash.
    pub hash: B256,
    /// Hashes of its transactions.
    pub transactions: Vec<B256>,
    /// The batch on L1 with it.
    pub batch: Option<BatchReport>,
}

/// What of a batch's record the commands use.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchReport {
    /// Its first block.
    pub first_block: u64,
    /// Validators whose shares signed it.
    pub signers: Vec<Address>,
}

/// What of `eth_getBlockByNumber`, asked for whole transactions, the commands use.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockSummary {
    /// Height.
    pub number: U64,
    /// Who sealed it.
    pub sequencer: Address,
    /// Its transactions.
    pub transactions: Vec<TransactionSummary>,
    /// Its epoch.
    pub epoch: U64,
    /// Its slot.
    pub slot: U64,
}

/// What of a transaction they use.
#[derive(Clone, Debug, Deserialize)]
pub struct TransactionSummary {
    /// EIP-2718 type.
    #[serde(rename = "type")]
    pub kind: U64,
}

impl Rpc {
    /// A client; nothing is sent yet.
    pub fn new(url: &str) -> Result<Self, CliError> {
        let client = HttpClientBuilder::default()
            .request_timeout(TIMEOUT)
            .max_request_size(MESSAGE_BYTES)
            .max_response_size(MESSAGE_BYTES)
            .build(url)
            .map_err(|e| CliError::because(format!("`{url}` is no JSON-RPC endpoint (http://HOST:PORT)"), e))?;
        Ok(Self { url: url.to_owned(), client })
    }

    /// The endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One call.
    pub async fn ask<R: DeserializeOwned, const N: usize>(
        &self,
        method: &str,
        params: [Value; N],
    ) -> Result<R, CliError> {
        self.try_ask(method, params).await.map_err(|error| self.explain(method, &error))
    }

    /// One call, with the error as it came.
    pub async fn try_ask<R: DeserializeOwned, const N: usize>(
        &self,
        method: &str,
        params: [Value; N],
    ) -> Result<R, Error> {
        self.client.request(method, array(params)?).await
    }

    /// The same method many times, in batches; answers in order.
    pub async fn ask_many<R: DeserializeOwned + std::fmt::Debug + 'static, const N: usize>(
        &self,
        method: &'static str,
        params: impl IntoIterator<Item = [Value; N]>,
    ) -> Result<Vec<R>, CliError> {
        let mut answers = Vec::new();
        for answer in self.try_many(method, params).await.map_err(|error| self.explain(method, &error))? {
            answers.push(
                answer.map_err(|(_, message)| CliError::because(format!("{} refused {method}", self.url), message))?,
            );
        }
        Ok(answers)
    }

    /// The same, with each refusal (code and message) in its place.
    pub async fn try_many<R: DeserializeOwned + std::fmt::Debug + 'static, const N: usize>(
        &self,
        method: &'static str,
        params: impl IntoIterator<Item = [Value; N]>,
    ) -> Result<Vec<Result<R, (i32, String)>>, Error> {
        let params = params.into_iter().map(array).collect::<Result<Vec<_>, _>>()?;
        self.try_batch(method, params).await
    }

    /// The same, with parameters in whatever form.
    pub async fn try_batch<R: DeserializeOwned + std::fmt::Debug + 'static>(
        &self,
        method: &'static str,
        params: impl IntoIterator<Item: ToRpcParams>,
    ) -> Result<Vec<Result<R, (i32, String)>>, Error> {
        let mut answers = Vec::new();
        let mut params = params.into_iter().peekable();
        while params.peek().is_some() {
            let mut batch = BatchRequestBuilder::new();
            for params in params.by_ref().take(BATCH_CALLS) {
                batch.insert(method, params).map_err(Error::ParseError)?;
            }
            let responses = self.client.batch_request::<R>(batch).await?;
            answers.extend(responses.into_iter().map(|r| r.map_err(|e| (e.code(), e.message().to_owned()))));
        }
        Ok(answers)
    }

    /// `horae_status`.
    pub async fn status(&self) -> Result<Status, CliError> {
        self.ask("horae_status", []).await
    }

    /// The control state that the node has by its own word.
    pub async fn control_state(&self) -> Result<ControlState, CliError> {
        #[derive(Deserialize)]
        struct Report {
            state: Bytes,
        }
        let report: Report = self.ask("horae_controlState", []).await?;
        borsh::from_slice(&report.state)
            .map_err(|why| CliError::because(format!("the control state of {} is unreadable", self.url), why))
    }

    fn explain(&self, method: &str, error: &Error) -> CliError {
        match error {
            Error::Call(refusal) => CliError::because(format!("{} refused {method}", self.url), refusal.message()),
            Error::RequestTimeout => CliError::new(format!(
                "{} did not answer {method} within {} s; is the node stuck?",
                self.url,
                TIMEOUT.as_secs()
            )),
            Error::Transport(why) => CliError::new(format!(
                "no node answers at {} ({}); start one, or name another with --rpc",
                self.url,
                root_cause(why.as_ref())
            )),
            other => CliError::because(format!("{} answered {method} with something else", self.url), other),
        }
    }
}

/// The HTTP form of an endpoint.
pub fn http(url: &str) -> String {
    url.strip_prefix("ws://").map(|rest| format!("http://{rest}")).unwrap_or_else(|| url.to_owned())
}

/// The WebSocket form of an endpoint.
pub fn websocket(url: &str) -> String {
    url.strip_prefix("http://").map(|rest| format!("ws://{rest}")).unwrap_or_else(|| url.to_owned())
}

/// A JSON value for parameters.
pub fn value(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn array<const N: usize>(params: [Value; N]) -> Result<ArrayParams, Error> {
    let mut array = ArrayParams::new();
    for param in params {
        array.insert(param).map_err(Error::ParseError)?;
    }
    Ok(array)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_endpoint_are_taken() {
        assert_eq!((http("ws://a:1"), websocket("ws://a:1")), ("http://a:1".into(), "ws://a:1".into()));
        assert_eq!((http("http://a:1"), websocket("http://a:1")), ("http://a:1".into(), "ws://a:1".into()));
    }
}
