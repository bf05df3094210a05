//! One JSON-RPC client over several endpoints: bounded tries, the next endpoint when one does not answer.

use std::{
    borrow::Cow,
    fmt::{self, Debug},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use alloy::{
    network::Ethereum,
    providers::{Provider, RootProvider},
    sol_types::{SolCall, SolInterface},
    transports::{RpcError, TransportError, http::reqwest::Url},
};
use alloy_primitives::{Address, B256, Bytes, U64};
use horae_contracts::{
    Applications, BatchInbox, ForcedQueue, HoraeGovernor, LiquidStakingFactory, LiquidStakingVault, LockingPool,
    RewardSchedule, Slasher, StakeVotes, TestMetis, Timelock, VotingMetis, VotingPower,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{sleep, timeout};

use super::{
    L1Error,
    limits::{CALL_ROUNDS, CALL_TIMEOUT, ROUND_WAIT},
};
use crate::genesis::{L1Genesis, ViewDepth};

/// Largest part of an endpoint's complaint that is repeated to the user, in characters.
const COMPLAINT_MAX: usize = 300;

/// Ethereum as one chain reads it. Clones share connections.
#[derive(Clone)]
pub struct L1 {
    inner: Arc<Inner>,
}

struct Inner {
    endpoints: Vec<Endpoint>,
    /// The endpoint that answered last, tried first.
    preferred: AtomicUsize,
    chain_id: u64,
    locking: Address,
    inbox: Address,
    queue: Address,
    view_depth: ViewDepth,
    /// The contracts that the pool was connected with, once it was.
    slasher: OnceLock<Address>,
    rewards: OnceLock<Address>,
}

struct Endpoint {
    url: String,
    provider: RootProvider<Ethereum>,
}

impl fmt::Debug for L1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<&str> = self.inner.endpoints.iter().map(|e| e.url.as_str()).collect();
        f.debug_struct("L1").field("urls", &urls).field("chain_id", &self.inner.chain_id).finish_non_exhaustive()
    }
}

/// What can be sent as the parameters of a call.
pub(super) trait Params: Serialize + Clone + Debug + Send + Sync + Unpin + 'static {}
impl<T: Serialize + Clone + Debug + Send + Sync + Unpin + 'static> Params for T {}

/// What can be read as the result of a call.
pub(super) trait Answer: DeserializeOwned + Debug + Send + Sync + Unpin + 'static {}
impl<T: DeserializeOwned + Debug + Send + Sync + Unpin + 'static> Answer for T {}

/// Why an endpoint gave no result.
pub(super) enum Refusal {
    /// It answered with a JSON-RPC error.
    Answered {
        /// Its words.
        message: String,
        /// The contract's own error by name, or the words again, if they are about a revert.
        reverted: Option<String>,
    },
    /// Nobody answered.
    Failed(L1Error),
}

impl L1 {
    /// A client of the chain's contracts over these endpoints, best first. Nothing is sent yet.
    ///
    /// # Errors
    /// [`L1Error::BadUrl`].
    pub fn new(urls: &[String], genesis: &L1Genesis) -> Result<Self, L1Error> {
        let endpoint = |url: &String| {
            let parsed: Url = url.parse().map_err(|e| L1Error::BadUrl { url: url.clone(), problem: format!("{e}") })?;
            Ok(Endpoint { url: url.clone(), provider: RootProvider::new_http(parsed) })
        };
        let endpoints = urls.iter().map(endpoint).collect::<Result<Vec<_>, L1Error>>()?;
        if endpoints.is_empty() {
            return Err(L1Error::BadUrl { url: String::new(), problem: "no endpoint is configured".to_owned() });
        }
        Ok(Self {
            inner: Arc::new(Inner {
                endpoints,
                preferred: AtomicUsize::new(0),
                chain_id: genesis.chain_id,
                locking: genesis.locking,
                inbox: genesis.inbox,
                queue: genesis.queue,
                view_depth: genesis.view_depth,
                slasher: OnceLock::new(),
                rewards: OnceLock::new(),
            }),
        })
    }

    /// Chain id of L1, as in the genesis file.
    pub fn chain_id(&self) -> u64 {
        self.inner.chain_id
    }

    /// The LockingPool.
    pub fn locking(&self) -> Address {
        self.inner.locking
    }

    /// The BatchInbox.
    pub fn inbox(&self) -> Address {
        self.inner.inbox
    }

    /// The ForcedQueue.
    pub fn queue(&self) -> Address {
        self.inner.queue
    }

    /// The Slasher; `None` while the pool is connected with none. It is connected once, for ever.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn slasher(&self) -> Result<Option<Address>, L1Error> {
        self.connected(&self.inner.slasher, LockingPool::slasherCall {}).await
    }

    /// The RewardSchedule; `None` while the pool is connected with none. It is connected once, for ever.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn rewards(&self) -> Result<Option<Address>, L1Error> {
        self.connected(&self.inner.rewards, LockingPool::rewardsCall {}).await
    }

    async fn connected<C>(&self, known: &OnceLock<Address>, call: C) -> Result<Option<Address>, L1Error>
    where
        C: SolCall<Return = Address>,
    {
        if let Some(address) = known.get() {
            return Ok(Some(*address));
        }
        let address = self.view(self.locking(), call).await?;
        Ok((!address.is_zero()).then(|| *known.get_or_init(|| address)))
    }

    pub(super) fn view_depth(&self) -> ViewDepth {
        self.inner.view_depth
    }

    /// Checks that every endpoint that answers is of the right chain and knows the contracts.
    ///
    /// # Errors
    /// [`L1Error::WrongChain`], [`L1Error::NoContract`], [`L1Error::Unreachable`] if none answers.
    pub async fn check(&self) -> Result<(), L1Error> {
        let mut unreachable = None;
        for endpoint in &self.inner.endpoints {
            match self.ask::<_, U64>(endpoint, "eth_chainId", ()).await {
                Ok(id) if id.to::<u64>() != self.inner.chain_id => {
                    return Err(L1Error::WrongChain {
                        url: endpoint.url.clone(),
                        found: id.to(),
                        expected: self.inner.chain_id,
                    });
                }
                Ok(_) => {}
                Err(refusal) => unreachable = Some(refusal.into_error("eth_chainId", &endpoint.url)),
            }
        }
        if let Some(error) = unreachable {
            if self.inner.endpoints.len() == 1 {
                return Err(error);
            }
            tracing::warn!(%error, "an L1 endpoint does not answer; the others are used");
        }
        let Inner { locking, inbox, queue, .. } = *self.inner;
        for (name, address) in [("l1.locking", locking), ("l1.inbox", inbox), ("l1.queue", queue)] {
            let code: Bytes = self.call("eth_getCode", (address, "latest")).await?;
            if code.is_empty() {
                return Err(L1Error::NoContract { name, address });
            }
        }
        let its = self.view(inbox, BatchInbox::QUEUECall {}).await?;
        if its == queue { Ok(()) } else { Err(L1Error::ForeignQueue { queue, inbox, its }) }
    }

    /// One call, tried at every endpoint in turn, [`CALL_ROUNDS`] times. An error that an endpoint answered with is not tried again.
    pub(super) async fn call<P, R>(&self, method: &'static str, params: P) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer,
    {
        self.try_call(method, params).await.map_err(|refusal| refusal.into_error(method, ""))
    }

    pub(super) async fn try_call<P, R>(&self, method: &'static str, params: P) -> Result<R, Refusal>
    where
        P: Params,
        R: Answer,
    {
        let count = self.inner.endpoints.len();
        let mut wait = ROUND_WAIT;
        for round in 1.. {
            let first = self.inner.preferred.load(Ordering::Relaxed);
            let mut last = None;
            for at in (0..count).map(|step| (first + step) % count) {
                match self.ask(&self.inner.endpoints[at], method, params.clone()).await {
                    Err(Refusal::Failed(error)) => last = Some(Refusal::Failed(error)),
                    answer => {
                        self.inner.preferred.store(at, Ordering::Relaxed);
                        return answer;
                    }
                }
            }
            match last {
                Some(refusal) if round == CALL_ROUNDS => return Err(refusal),
                _ => sleep(wait).await,
            }
            wait *= 2;
        }
        unreachable!("the loop above has no end of its own")
    }

    async fn ask<P, R>(&self, endpoint: &Endpoint, method: &'static str, params: P) -> Result<R, Refusal>
    where
        P: Params,
        R: Answer,
    {
        let unreachable = |problem: String| {
            Refusal::Failed(L1Error::Unreachable { call: method, url: endpoint.url.clone(), problem })
        };
        let request = endpoint.provider.raw_request(Cow::Borrowed(method), params);
        match timeout(CALL_TIMEOUT, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error @ RpcError::ErrorResp(_))) => Err(Refusal::answered(&error)),
            Ok(Err(error)) => Err(unreachable(root_cause(&error))),
            Err(_) => Err(unreachable(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
        }
    }
}

impl Refusal {
    fn answered(error: &TransportError) -> Self {
        let Some(payload) = error.as_error_resp() else {
            return Self::Answered { message: shorten(&error.to_string()), reverted: None };
        };
        let message = shorten(&payload.message);
        let named = payload.as_revert_data().and_then(|data| contract_error(&data));
        let reverted = named.or_else(|| message.contains("revert").then(|| message.clone()));
        Self::Answered { message, reverted }
    }

    pub(super) fn into_error(self, call: &'static str, url: &str) -> L1Error {
        match self {
            Self::Failed(error) => error,
            Self::Answered { reverted: Some(reason), .. } => L1Error::Reverted { reason },
            Self::Answered { message, .. } => L1Error::Unreachable { call, url: url.to_owned(), problem: message },
        }
    }
}

/// An error of one of our contracts, by name and with its values.
fn contract_error(data: &[u8]) -> Option<String> {
    let readers: [Reader; 14] = [
        named::<BatchInbox::BatchInboxErrors>,
        named::<LockingPool::LockingPoolErrors>,
        named::<ForcedQueue::ForcedQueueErrors>,
        named::<Slasher::SlasherErrors>,
        named::<RewardSchedule::RewardScheduleErrors>,
        named::<TestMetis::TestMetisErrors>,
        named::<HoraeGovernor::HoraeGovernorErrors>,
        named::<Applications::ApplicationsErrors>,
        named::<Timelock::TimelockErrors>,
        named::<VotingMetis::VotingMetisErrors>,
        named::<StakeVotes::StakeVotesErrors>,
        named::<VotingPower::VotingPowerErrors>,
        named::<LiquidStakingFactory::LiquidStakingFactoryErrors>,
        named::<LiquidStakingVault::LiquidStakingVaultErrors>,
    ];
    readers.iter().find_map(|read| read(data)).map(|text| inner_of(&text))
}

/// Reads an error of one contract.
type Reader = fn(&[u8]) -> Option<String>;

fn named<E: SolInterface + Debug>(data: &[u8]) -> Option<String> {
    E::abi_decode(data).ok().map(|error| format!("{error:?}"))
}

/// `WrongIndex(WrongIndex { given: 0, expected: 1 })` without the outer name.
fn inner_of(debug: &str) -> String {
    let inner = debug.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(debug).to_owned()
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    shorten(&cause.to_string())
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(COMPLAINT_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// `0x..` as JSON-RPC wants a block number.
pub(super) fn quantity(number: u64) -> U64 {
    U64::from(number)
}

/// EIP-1898: the block with this hash, which must be on the node's chain.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CanonicalBlock {
    pub block_hash: B256,
    pub require_canonical: bool,
}
