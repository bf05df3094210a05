//! `horae queue`: deposits and forced transactions, which enter the L2 by way of L1.

pub mod args;
mod show;

use alloy_primitives::{Address, TxKind, U256};
use horae_contracts::{BatchInbox, ForcedQueue};
use horae_node::edges::l1::L1;
use horae_stages::ForcedEntry;

use crate::{amount::ether, error::CliError, ethereum::SendOptions, plan::Plan};
use args::{EnterOptions, QueueCommand};

/// Does what the command line says.
pub async fn run(command: &QueueCommand) -> Result<(), CliError> {
    match command {
        QueueCommand::Send(options) => enter(options).await,
        QueueCommand::Show(options) => show::run(options).await,
        QueueCommand::Withdraw(options) => withdraw(options).await,
    }
}

async fn enter(options: &EnterOptions) -> Result<(), CliError> {
    let sender = options.send.sender().await?;
    let (l1, queue) = (sender.l1(), sender.l1().queue());
    let bytes = options.data.len() as u64;
    let least = ForcedQueue::intrinsicGasCall { isCreation: options.create, bytes_: bytes };
    let least = l1.view(queue, least).await?;
    let gas = match options.gas {
        Some(gas) => gas,
        None if options.data.is_empty() && !options.create => least,
        None => return Err(CliError::new(format!("--data needs --gas: it costs {least} before it does anything"))),
    };
    let to = if options.create { Address::ZERO } else { options.to.unwrap_or(sender.address()) };
    let value = options.value.unwrap_or(options.mint);
    let price = price(l1).await?;
    let fee = U256::from(gas) * U256::from(price.now);
    // What is over is owed to the account, and can be withdrawn.
    let most = U256::from(gas) * U256::from(price.most);
    let deadline = l1.view(l1.inbox(), BatchInbox::FORCED_DEADLINECall {}).await?;
    let what = if options.create { "create a contract".to_owned() } else { format!("call {to}") };
    let plan = Plan::new(format!("force a transaction into the L2: {what}"))
        .fact("from", format!("{} on L2 too", sender.address()))
        .fact("mints", format!("{}; there is no way back to L1 yet", ether(options.mint)))
        .fact("carries", ether(value))
        .fact("data", format!("{} bytes", options.data.len()))
        .fact("gas", format!("{gas} at {} wei each", price.now))
        .fact("fee", ether(fee));
    let plan = if most > fee {
        plan.fact("sent beside", format!("{} in case the price rises; can be withdrawn", ether(most - fee)))
    } else {
        plan
    };
    let plan = plan.fact("deadline", format!("{deadline} L1 blocks in the view of a batch"));
    let call = ForcedQueue::enqueueCall {
        to,
        isCreation: options.create,
        mint: options.mint,
        value,
        gas,
        data: options.data.clone(),
    };
    let plan = plan.paying_call(queue, &call, options.mint.saturating_add(most));
    let (first, since) = (l1.view(queue, ForcedQueue::lengthCall {}).await?, l1.height().await?);
    let to = if options.create { TxKind::Create } else { TxKind::Call(to) };
    let wanted =
        ForcedEntry { index: 0, from: sender.address(), to, mint: options.mint, value, gas, data: call.data.clone() };
    plan.carry_out_and(&sender, &options.send, async || {
        let entries = l1.entries(since, l1.height().await?).await?;
        let is_ours = |entry: &ForcedEntry| {
            entry.index >= first && *entry == ForcedEntry { index: entry.index, ..wanted.clone() }
        };
        let found = entries.into_iter().map(|(_, entry)| entry).find(is_ours);
        let entry = found.ok_or_else(|| CliError::new("L1 took the call, but shows no such entry"))?;
        Ok(vec![("entry", entry.index.to_string()), ("L2 transaction", entry.hash().to_string())])
    })
    .await
}

async fn withdraw(options: &SendOptions) -> Result<(), CliError> {
    let sender = options.sender().await?;
    let (l1, account) = (sender.l1(), sender.address());
    let owed = l1.view(l1.queue(), ForcedQueue::owedCall { account }).await?;
    let plan = Plan::new("withdraw what the forced queue owes").fact("amount", ether(owed)).fact("paid to", account);
    let call = ForcedQueue::withdrawCall { recipient: account };
    plan.call(l1.queue(), &call).carry_out(&sender, options).await
}

/// Wei a unit of gas.
struct Price {
    /// In the newest L1 block.
    now: u64,
    /// In the next one at most: it rises by an eighth if more than half of what the newest one holds was bought.
    most: u64,
}

async fn price(l1: &L1) -> Result<Price, CliError> {
    let queue = l1.queue();
    let now = l1.view(queue, ForcedQueue::gasPriceCall {}).await?;
    let left = l1.view(queue, ForcedQueue::leftCall {}).await?;
    let gas = l1.view(queue, ForcedQueue::BLOCK_GASCall {}).await?;
    let entries = l1.view(queue, ForcedQueue::BLOCK_ENTRIESCall {}).await?;
    let bytes = l1.view(queue, ForcedQueue::BLOCK_BYTESCall {}).await?;
    let is_calm = left.gas >= gas / 2 && left.entries >= entries / 2 && left.bytes_ >= bytes / 2;
    Ok(Price { now, most: if is_calm { now } else { now + now / 8 } })
}
