//! Putting the contracts on an L1 and locking stake: what a devnet and the tests begin with, and a validator does once.

use alloy::sol_types::{SolCall, SolConstructor};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use horae_contracts::{BatchInbox, LockingPool, TestMetis, recoverable, signer_digest};
use horae_control::SignerKey;

use super::{L1Error, Sender};

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
}

/// Deploys a test METIS token, the LockingPool (owned by the sender) and the BatchInbox. Delays are in seconds.
///
/// # Errors
/// Those of [`Sender::send`].
pub async fn deploy(sender: &Sender, exit_delay_s: u64, emergency_delay_s: u64) -> Result<Deployment, L1Error> {
    let metis = create(sender, &TestMetis::BYTECODE, Vec::new()).await?;
    let pool = LockingPool::constructorCall { metis, owner: sender.address(), exitDelay: exit_delay_s };
    let locking = create(sender, &LockingPool::BYTECODE, pool.abi_encode()).await?;
    let escrow = sender.l1().view_call(locking, LockingPool::ESCROWCall {}, "latest").await?;
    let inbox = BatchInbox::constructorCall { pool: locking, emergencyDelay: emergency_delay_s };
    let inbox = create(sender, &BatchInbox::BYTECODE, inbox.abi_encode()).await?;
    Ok(Deployment { metis, locking, escrow, inbox })
}

/// Lets `owner` join. Only the LockingPool's owner may.
///
/// # Errors
/// Those of [`Sender::send`].
pub async fn whitelist(sender: &Sender, locking: Address, owner: Address) -> Result<(), L1Error> {
    call(sender, locking, LockingPool::setWhitelistCall { owner, allowed: true }).await
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
    call(sender, deployment.metis, TestMetis::mintCall { to: owner, amount: stake }).await?;
    call(sender, deployment.metis, TestMetis::approveCall { spender: deployment.escrow, value: stake }).await?;
    let digest = signer_digest(sender.l1().chain_id(), deployment.locking, owner, signer.address());
    let proof = recoverable(&signer.sign(digest).0);
    let lock = LockingPool::lockForCall { signer: signer.address(), nodeKey: node_key.into(), amount: stake, proof };
    call(sender, deployment.locking, lock).await
}

async fn create(sender: &Sender, code: &Bytes, arguments: Vec<u8>) -> Result<Address, L1Error> {
    let input = [code.as_ref(), &arguments].concat();
    let included = sender.send(TxKind::Create, input.into(), U256::ZERO).await?;
    included.contract.ok_or(L1Error::Nonsense { what: "receipt", problem: "it names no new contract".to_owned() })
}

async fn call<C: SolCall>(sender: &Sender, to: Address, call: C) -> Result<(), L1Error> {
    sender.send(TxKind::Call(to), call.abi_encode().into(), U256::ZERO).await.map(|_| ())
}
