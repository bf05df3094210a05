//! `horae stake`: what the owner of a validator does at the LockingPool.

pub mod args;
mod registration;
mod show;

use alloy_primitives::{Address, U256};
use horae_contracts::{LockingEscrow, LockingPool, TestMetis};
use horae_node::edges::l1::Sender;

use crate::{
    amount::{lasting, metis},
    error::CliError,
    ethereum::SendOptions,
    plan::Plan,
};
use args::{AccountOptions, AmountOptions, LockOptions, RelockOptions, StakeCommand, UpdateSignerOptions};
pub use registration::Registration;
use show::Shown;

/// Does what the command line says.
pub async fn run(command: &StakeCommand) -> Result<(), CliError> {
    match command {
        StakeCommand::Show(options) => show::run(options).await,
        StakeCommand::Lock(options) => lock(options).await,
        StakeCommand::Relock(options) => relock(options).await,
        StakeCommand::Withdraw(options) => withdraw(options).await,
        StakeCommand::Unlock(options) => unlock(options).await,
        StakeCommand::Claim(options) => claim(options).await,
        StakeCommand::Rewards(options) => rewards(options).await,
        StakeCommand::UpdateSigner(options) => update_signer(options).await,
        StakeCommand::SetRecipient(options) => set_recipient(options).await,
        StakeCommand::SetOwner(options) => set_owner(options).await,
        StakeCommand::Accept(options) => {
            let sender = options.send.sender().await?;
            let shown = show::read(sender.l1(), options.id).await?;
            let plan = Plan::new(format!("take over validator {}", options.id)).fact("owner now", shown.owner);
            let plan = plan.fact("stake", metis(shown.stake));
            let call = LockingPool::acceptOwnerCall { id: options.id };
            plan.call(sender.l1().locking(), &call).carry_out(&sender, &options.send).await
        }
        StakeCommand::Release(options) => {
            let (sender, shown) = mine(options).await?;
            let plan = Plan::new(format!("release validator {} from jail", shown.id)).fact("stake", metis(shown.stake));
            plan.call(sender.l1().locking(), &LockingPool::releaseCall {}).carry_out(&sender, options).await
        }
    }
}

async fn lock(options: &LockOptions) -> Result<(), CliError> {
    let send = &options.send;
    let sender = send.sender().await?;
    let (l1, owner) = (sender.l1(), sender.address());
    let found = Registration::find(options.registration.as_deref(), send.l1.home.as_deref(), owner, l1)?;
    let recipient = options.recipient.unwrap_or(owner);
    let plan = Plan::new(format!("lock {} for a new validator", metis(options.amount)))
        .fact("owner", owner)
        .fact("signer", found.signer)
        .fact("node key", found.node_key)
        .fact("rewards to", recipient)
        .fact("exit delay", exit_delay(&sender).await?);
    let plan = approved(plan, &sender, options.amount).await?;
    let call = LockingPool::lockWithRewardRecipientCall {
        signer: found.signer,
        recipient,
        nodeKey: found.node_key,
        amount: options.amount,
        proof: found.proof,
    };
    plan.call(l1.locking(), &call).carry_out(&sender, send).await
}

async fn relock(options: &RelockOptions) -> Result<(), CliError> {
    let (sender, shown) = mine(&options.send).await?;
    let amount = options.amount.unwrap_or_default();
    let from_rewards = options.from_rewards.unwrap_or_default();
    let plan = Plan::new(format!("add to the stake of validator {}", shown.id))
        .fact("stake now", metis(shown.stake))
        .fact("added", metis(amount))
        .fact("of rewards", format!("{} of {}", metis(from_rewards), metis(shown.rewards)));
    let plan = approved(plan, &sender, amount).await?;
    let call = LockingPool::relockCall { amount, fromRewards: from_rewards };
    plan.call(sender.l1().locking(), &call).carry_out(&sender, &options.send).await
}

async fn withdraw(options: &AmountOptions) -> Result<(), CliError> {
    let (sender, shown) = mine(&options.send).await?;
    let plan = Plan::new(format!("withdraw {} from validator {}", metis(options.amount), shown.id))
        .fact("stake now", metis(shown.stake))
        .fact("claimable", format!("after {}; liable until then", exit_delay(&sender).await?));
    let call = LockingPool::withdrawCall { amount: options.amount };
    plan.call(sender.l1().locking(), &call).carry_out(&sender, &options.send).await
}

async fn unlock(options: &SendOptions) -> Result<(), CliError> {
    let (sender, shown) = mine(options).await?;
    let delay = exit_delay(&sender).await?;
    let plan = Plan::new(format!("take validator {} off the list", shown.id))
        .fact("stake", metis(shown.stake))
        .fact("claimable", format!("{delay} after the group key that is made without it; liable until then"))
        .fact("node", "keep it running until the epoch that it is in has ended");
    plan.call(sender.l1().locking(), &LockingPool::unlockCall {}).carry_out(&sender, options).await
}

async fn claim(options: &SendOptions) -> Result<(), CliError> {
    let (sender, shown) = mine(options).await?;
    let plan = Plan::new(format!("claim what has left validator {}", shown.id)).fact("paid to", shown.owner);
    let locking = sender.l1().locking();
    let plan = match shown.is_unlocking() {
        true => plan.fact("stake", metis(shown.stake)).call(locking, &LockingPool::unlockClaimCall {}),
        false => plan.call(locking, &LockingPool::claimWithdrawalsCall { id: shown.id }),
    };
    plan.carry_out(&sender, options).await
}

async fn rewards(options: &SendOptions) -> Result<(), CliError> {
    let (sender, shown) = mine(options).await?;
    let plan = Plan::new(format!("pay out the rewards of validator {}", shown.id))
        .fact("amount", metis(shown.rewards))
        .fact("paid to", shown.reward_recipient);
    let call = LockingPool::withdrawRewardsCall { id: shown.id };
    plan.call(sender.l1().locking(), &call).carry_out(&sender, options).await
}

async fn update_signer(options: &UpdateSignerOptions) -> Result<(), CliError> {
    let (sender, shown) = mine(&options.send).await?;
    let found = Registration::find(Some(&options.registration), None, sender.address(), sender.l1())?;
    let plan = Plan::new(format!("give validator {} another signer key", shown.id))
        .fact("new signer", found.signer)
        .fact("in force", "with the next epoch's group key; run the node with the old key until then");
    let call = LockingPool::updateSignerCall { newSigner: found.signer, proof: found.proof };
    plan.call(sender.l1().locking(), &call).carry_out(&sender, &options.send).await
}

async fn set_recipient(options: &AccountOptions) -> Result<(), CliError> {
    let (sender, shown) = mine(&options.send).await?;
    let plan = Plan::new(format!("pay the rewards of validator {} to another account", shown.id))
        .fact("recipient now", shown.reward_recipient)
        .fact("recipient", options.to);
    let call = LockingPool::setRewardRecipientCall { recipient: options.to };
    plan.call(sender.l1().locking(), &call).carry_out(&sender, &options.send).await
}

async fn set_owner(options: &AccountOptions) -> Result<(), CliError> {
    let (sender, shown) = mine(&options.send).await?;
    let plan = Plan::new(format!("offer validator {} to another owner", shown.id))
        .fact("stake", metis(shown.stake))
        .fact("new owner", options.to)
        .fact("in force", format!("once it runs `horae stake accept --id {}`", shown.id));
    let call = LockingPool::proposeOwnerCall { newOwner: options.to };
    plan.call(sender.l1().locking(), &call).carry_out(&sender, &options.send).await
}

/// The account that sends, and the validator that it owns.
async fn mine(options: &SendOptions) -> Result<(Sender, Shown), CliError> {
    let sender = options.sender().await?;
    let (l1, owner) = (sender.l1(), sender.address());
    let id = l1.view(l1.locking(), LockingPool::validatorOfCall { owner }).await?;
    if id == 0 {
        return Err(CliError::new(format!(
            "{owner} owns no validator; name its owner's key with --key-file or HORAE_KEY, or `horae stake lock` first"
        )));
    }
    let shown = show::read(l1, id).await?;
    Ok((sender, shown))
}

/// Lets the escrow take an amount of METIS, if it may not yet.
async fn approved(plan: Plan, sender: &Sender, amount: U256) -> Result<Plan, CliError> {
    let (l1, owner) = (sender.l1(), sender.address());
    let escrow: Address = l1.view(l1.locking(), LockingPool::ESCROWCall {}).await?;
    let metis = l1.view(escrow, LockingEscrow::METISCall {}).await?;
    let allowance = l1.view(metis, TestMetis::allowanceCall { owner, spender: escrow }).await?;
    if allowance >= amount {
        return Ok(plan);
    }
    Ok(plan.call(metis, &TestMetis::approveCall { spender: escrow, value: amount }))
}

async fn exit_delay(sender: &Sender) -> Result<String, CliError> {
    let seconds = sender.l1().view(sender.l1().locking(), LockingPool::EXIT_DELAYCall {}).await?;
    Ok(lasting(seconds))
}
