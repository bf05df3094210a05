//! `horae stake show`: a validator as the LockingPool has it.

use alloy_primitives::{Address, B256, U256};
use horae_contracts::LockingPool;
use horae_node::{
    edges::l1::{L1, L1Error},
    home::Home,
};
use serde::Serialize;

use crate::{amount::metis, error::CliError, ethereum::keys_of, json, stake::args::ShowOptions};

/// `ILockingPool.Status`, in words.
const STATUS: [&str; 6] = ["unknown", "active", "unlocking", "claimed", "waiting", "jailed"];

/// A validator at the pool. Amounts in wei of METIS, times in Unix seconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Its number.
    pub id: u64,
    status: &'static str,
    /// Who may change it.
    pub owner: Address,
    signer: Address,
    node_key: B256,
    /// What is locked, without what is being withdrawn.
    pub stake: U256,
    liable: U256,
    withdrawals: Vec<Leaving>,
    claimable_at: u64,
    /// What it has earned and was not paid.
    pub rewards: U256,
    /// Who is paid that.
    pub reward_recipient: Address,
    jailed_until: u64,
    last_key: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Leaving {
    amount: U256,
    claimable_at: u64,
}

/// Prints it.
pub async fn run(options: &ShowOptions) -> Result<(), CliError> {
    let l1 = options.l1.connect().await?;
    let id = match (options.id, options.of, &options.l1.home) {
        (Some(id), _, _) => id,
        (None, Some(account), _) => find(&l1, account).await?,
        (None, None, Some(home)) => find(&l1, keys_of(&Home::new(home))?.signer_address()).await?,
        (None, None, None) => return Err(CliError::new("name a validator: --of ADDRESS or --id N")),
    };
    let shown = read(&l1, id).await?;
    if options.json {
        return json::print(&shown);
    }
    println!("validator  {} ({})", shown.id, shown.status);
    println!("owner      {}", shown.owner);
    println!("signer     {}", shown.signer);
    println!("node key   {}", shown.node_key);
    println!("stake      {}, {} of all that is here or leaving is liable", metis(shown.stake), metis(shown.liable));
    for leaving in &shown.withdrawals {
        println!("leaving    {}, claimable from {} (Unix time)", metis(leaving.amount), leaving.claimable_at);
    }
    match (shown.status, shown.claimable_at) {
        ("unlocking", at) => println!("unlocking  claimable from {at} (Unix time), as things stand"),
        ("jailed", _) => println!("jail       until {} (Unix time) at least", shown.jailed_until),
        _ => {}
    }
    println!("rewards    {}, paid to {}", metis(shown.rewards), shown.reward_recipient);
    Ok(())
}

/// The validator of an owner, or of a signer.
pub async fn find(l1: &L1, account: Address) -> Result<u64, CliError> {
    let of_owner = l1.view(l1.locking(), LockingPool::validatorOfCall { owner: account }).await?;
    let of_signer = l1.view(l1.locking(), LockingPool::validatorOfSignerCall { signer: account }).await?;
    match (of_owner, of_signer) {
        (0, 0) => Err(CliError::new(format!("{account} neither owns a validator nor signs for one"))),
        (0, id) | (id, _) => Ok(id),
    }
}

/// Reads a validator.
pub async fn read(l1: &L1, id: u64) -> Result<Shown, CliError> {
    let pool = l1.locking();
    let v = l1.view(pool, LockingPool::validatorCall { id }).await?;
    let status = STATUS.get(usize::from(v.status)).copied().ok_or_else(|| {
        CliError::from(L1Error::Nonsense { what: "validator", problem: format!("its status is {}", v.status) })
    })?;
    if status == "unknown" {
        return Err(CliError::new(format!("there is no validator {id}")));
    }
    let liable = l1.view(pool, LockingPool::liableCall { id }).await?;
    let withdrawals = l1.view(pool, LockingPool::withdrawalsCall { id }).await?;
    let withdrawals =
        withdrawals.iter().map(|w| Leaving { amount: U256::from(w.amount), claimable_at: w.claimableAt }).collect();
    Ok(Shown {
        id,
        status,
        owner: v.owner,
        signer: v.signer,
        node_key: v.nodeKey,
        stake: v.stake,
        liable,
        withdrawals,
        claimable_at: v.claimableAt,
        rewards: v.rewards,
        reward_recipient: v.rewardRecipient,
        jailed_until: v.jailedUntil,
        last_key: v.lastKey,
    })
}

impl Shown {
    /// Whether it is leaving with all its stake.
    pub fn is_unlocking(&self) -> bool {
        self.status == "unlocking"
    }
}
