//! Putting the contracts on an L1 and locking stake: what a devnet and the tests begin with, and a validator does once.

use alloy::sol_types::{SolCall, SolConstructor};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use horae_contracts::{
    BatchInbox, ForcedQueue, LockingPool, Penalty, RewardSchedule, Slasher, TestMetis, TransparentUpgradeableProxy,
    recoverable, signer_digest,
};
use horae_control::SignerKey;

use super::{L1Error, Sender};

mod governance;

pub use governance::{Governance, VotingTimes, deploy_governance, hand_over};

/// What an offence costs at first, of all stake that is liable, in 1 / 10,000.
const SLASHED_FRACTION: u16 = 1_000;
/// What of it goes to whoever reports the offence, in 1 / 10,000.
const REPORTER_SHARE: u16 = 1_000;

/// What a unit of L2 gas costs in the forced queue at first, and at least, in wei.
const FORCED_GAS_FLOOR: u64 = 10_000_000;

/// Where a chain's contracts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The METIS token; on a devnet one that anybody may mint.
    pub metis: Address,
    /// The LockingPool.
    pub locking: Address,
    /// The LockingEscrow, made by the pool.
    pub escrow: Address,
    /// The BatchInbox.
    pub inbox: Address,
    /// The ForcedQueue.
    pub queue: Address,
    /// The Slasher.
    pub slasher: Address,
    /// The RewardSchedule.
    pub rewards: Address,
}

/// Delays of the contracts, in seconds where nothing else is said.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// From the rotation that leaves a validator out until it can claim its stake.
    pub exit_s: u64,
    /// Of an emergency rotation.
    pub emergency_s: u64,
    /// That an offender stays in jail.
    pub jail_s: u64,
    /// Until a batch's view has to include what was entered in the forced queue; in L1 blocks, not seconds.
    pub forced_blocks: u64,
}

/// Deploys a test METIS token and the contracts for an L2 with this id, all owned by the sender, which also gets what is slashed,
/// and connects them.
///
/// # Errors
/// Those of [`Sender::send`].
pub async fn deploy(sender: &Sender, l2_chain_id: u64, delays: Delays) -> Result<Deployment, L1Error> {
    let owner = sender.address();
    let metis = create(sender, &TestMetis::BYTECODE, Vec::new()).await?;
    let pool = LockingPool::initializeCall { metis, owner, exitDelay: delays.exit_s };
    let locking = create_upgradeable(sender, &LockingPool::BYTECODE, &pool).await?;
    let escrow = sender.l1().view(locking, LockingPool::ESCROWCall {}).await?;
    let queue = ForcedQueue::initializeCall { owner_: owner, floor_: FORCED_GAS_FLOOR };
    let queue = create_upgradeable(sender, &ForcedQueue::BYTECODE, &queue).await?;
    let inbox = BatchInbox::initializeCall {
        pool: locking,
        emergencyDelay: delays.emergency_s,
        queue,
        forcedDeadline: delays.forced_blocks,
    };
    let inbox = create_upgradeable(sender, &BatchInbox::BYTECODE, &inbox).await?;
    sender.call(queue, &ForcedQueue::connectCall { inbox_: inbox }).await?;
    let penalty =
        Penalty { fraction: SLASHED_FRACTION, reporterShare: REPORTER_SHARE, jailTime: delays.jail_s, treasury: owner };
    let slasher = Slasher::initializeCall { pool: locking, l2ChainId: l2_chain_id, owner, penalty_: penalty };
    let slasher = create_upgradeable(sender, &Slasher::BYTECODE, &slasher).await?;
    let rewards = RewardSchedule::initializeCall { pool: locking, inbox, owner };
    let rewards = create_upgradeable(sender, &RewardSchedule::BYTECODE, &rewards).await?;
    let connect = LockingPool::connectCall { inbox_: inbox, slasher_: slasher, rewards_: rewards };
    sender.call(locking, &connect).await?;
    Ok(Deployment { metis, locking, escrow, inbox, queue, slasher, rewards })
}

/// A contract behind a proxy, set up by `initialize` as the proxy is made. The proxy's admin is the sender's.
async fn create_upgradeable(sender: &Sender, code: &Bytes, initialize: &impl SolCall) -> Result<Address, L1Error> {
    let implementation = create(sender, code, Vec::new()).await?;
    let proxy = TransparentUpgradeableProxy::constructorCall {
        _logic: implementation,
        initialOwner: sender.address(),
        _data: initialize.abi_encode().into(),
    };
    create(sender, &TransparentUpgradeableProxy::BYTECODE, proxy.abi_encode()).await
}

/// Begins the twelve months of the schedule, and mints devnet METIS to pay rewards with, in wei. Only the schedule's owner may.
///
/// # Errors
/// Those of [`Sender::send`].
pub async fn begin_rewards(sender: &Sender, deployment: &Deployment, funds: U256) -> Result<(), L1Error> {
    let Deployment { metis, rewards, .. } = *deployment;
    sender.call(metis, &TestMetis::mintCall { to: sender.address(), amount: funds }).await?;
    sender.call(metis, &TestMetis::approveCall { spender: rewards, value: funds }).await?;
    sender.call(rewards, &RewardSchedule::fundCall { amount: funds }).await?;
    sender.call(rewards, &RewardSchedule::beginCall {}).await.map(drop)
}

/// Lets `owner` join. Only the LockingPool's owner may.
///
/// # Errors
/// Those of [`Sender::send`].
pub async fn whitelist(sender: &Sender, locking: Address, owner: Address) -> Result<(), L1Error> {
    sender.call(locking, &LockingPool::setWhitelistCall { owner, allowed: true }).await.map(drop)
}

/// Mints devnet METIS to the sender and locks it for the validator with these keys; the sender becomes its owner and must be
/// whitelisted. `stake` in wei METIS.
///
/// # Errors
/// Those of [`Sender::send`].
pub async fn mint_and_lock(
    sender: &Sender,
    deployment: &Deployment,
    signer: &SignerKey,
    node_key: [u8; 32],
    stake: U256,
) -> Result<(), L1Error> {
    let owner = sender.address();
    sender.call(deployment.metis, &TestMetis::mintCall { to: owner, amount: stake }).await?;
    sender.call(deployment.metis, &TestMetis::approveCall { spender: deployment.escrow, value: stake }).await?;
    let proof = signer_proof(sender.l1().chain_id(), deployment.locking, owner, signer);
    let lock = LockingPool::lockForCall { signer: signer.address(), nodeKey: node_key.into(), amount: stake, proof };
    sender.call(deployment.locking, &lock).await.map(drop)
}

/// What a signer key signs to serve an owner's validator.
pub fn signer_proof(l1_chain_id: u64, locking: Address, owner: Address, signer: &SignerKey) -> Bytes {
    recoverable(&signer.sign(signer_digest(l1_chain_id, locking, owner, signer.address())).0)
}

async fn create(sender: &Sender, code: &Bytes, arguments: Vec<u8>) -> Result<Address, L1Error> {
    let input = [code.as_ref(), &arguments].concat();
    let included = sender.send(TxKind::Create, input.into(), U256::ZERO).await?;
    included.contract.ok_or(L1Error::Nonsense { what: "receipt", problem: "it names no new contract".to_owned() })
}
