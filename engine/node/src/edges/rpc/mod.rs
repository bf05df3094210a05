//! JSON-RPC over HTTP and WebSocket on one port: Ethereum's methods, and `horae_*` for what is Horae's own.
//!
//! Errors, their codes and their words follow go-ethereum where it has them. `latest` is the committed head, so nothing a
//! client sees at `latest` is ever taken back; `pending` is the ordered head. Receipts and logs appear at `latest`.
//!
//! jsonrpsee does it all, but for `eth_sendRawTransaction` as every client writes it: see [`hot`].

mod api;
mod calls;
mod context;
mod error;
mod eth;
mod feed;
mod fees;
mod heads;
mod horae;
mod hot;
mod intake;
mod layer;
pub mod limits;
mod logs;
mod send;
mod shapes;
mod subscribe;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use horae_stages::ChainParams;
use jsonrpsee::RpcModule;
use jsonrpsee::core::middleware::RpcServiceBuilder;
use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::server::{BatchRequestConfig, Server, ServerConfig, ServerHandle};
use jsonrpsee::types::SubscriptionId;
use tower::ServiceBuilder;

use self::api::{EthServer, HoraeServer, NetServer, Web3Server};
use self::context::Context;
use self::hot::HotPath;
pub use self::intake::{Admissions, Outcome, Seat, Seats, TransactionIntake};
use crate::chain_view::ChainView;
use crate::feed::Decisions;

/// How the server answers.
#[derive(Clone, Debug)]
pub struct RpcOptions {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The chain's parameters.
    pub params: ChainParams,
    /// Least priority fee this node takes, in wei a gas: what it suggests while blocks have room.
    pub min_priority_fee: u128,
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen for JSON-RPC on {address}: {source}; is another node running? give this one another address"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Two methods have one name: a fault of this crate.
    #[error("JSON-RPC methods clash: {0}")]
    Methods(#[from] jsonrpsee::core::RegisterMethodError),
}

/// A running server. Stops when dropped.
pub struct RpcServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl RpcServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops taking requests, and waits until those under way are answered.
    pub async fn stop(self) {
        // An error means that it has stopped already.
        let _ = self.handle.stop();
        self.handle.stopped().await;
    }
}

/// Starts the server on the current tokio runtime.
pub async fn serve(
    view: ChainView,
    intake: Arc<dyn TransactionIntake>,
    decisions: Arc<dyn Decisions>,
    options: RpcOptions,
) -> Result<RpcServer, RpcError> {
    let address = options.listen;
    let listen = |source| RpcError::Listen { address, source };
    let config = ServerConfig::builder()
        .max_request_body_size(limits::MAX_REQUEST_BYTES)
        .max_response_body_size(limits::MAX_RESPONSE_BYTES)
        .max_connections(limits::MAX_CONNECTIONS)
        .max_subscriptions_per_connection(limits::MAX_SUBSCRIPTIONS_PER_CONNECTION)
        .set_message_buffer_capacity(limits::MESSAGES_WAITING_PER_CONNECTION)
        .set_batch_request_config(BatchRequestConfig::Limit(limits::MAX_BATCH_CALLS))
        .set_id_provider(HexIds::default())
        .build();
    let middleware = RpcServiceBuilder::new().layer_fn(layer::Calls::new);
    let context = Context::new(view, intake, decisions, options);
    let hot = HotPath::new(context.clone());
    let http = ServiceBuilder::new().layer_fn(move |inner| hot.before(inner));
    let server = Server::builder().set_config(config).set_rpc_middleware(middleware).set_http_middleware(http);
    let server = server.build(address).await.map_err(listen)?;
    let address = server.local_addr().map_err(listen)?;
    let mut methods = RpcModule::new(());
    methods.merge(EthServer::into_rpc(context.clone()))?;
    methods.merge(NetServer::into_rpc(context.clone()))?;
    methods.merge(Web3Server::into_rpc(context.clone()))?;
    methods.merge(HoraeServer::into_rpc(context))?;
    Ok(RpcServer { address, handle: server.start(methods) })
}

/// Subscription ids in hexadecimal, as Ethereum's clients expect them. A connection sees only its own, so counting will do.
#[derive(Debug, Default)]
struct HexIds(AtomicU64);

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(format!("{:#x}", self.0.fetch_add(1, Ordering::Relaxed) + 1).into())
    }
}
