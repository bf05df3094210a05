//! The command line of `horae queue`.

use alloy_primitives::{Address, Bytes, U256};
use clap::{Args, Subcommand};

use crate::{
    amount::parse_ether,
    ethereum::{L1Options, SendOptions},
};

/// `horae queue`
#[derive(Clone, Debug, Subcommand)]
pub enum QueueCommand {
    /// Enter a deposit or a transaction: it is executed on L2 without the consent of a sequencer.
    ///
    /// The account that sends on L1 is the sender on L2, and needs no ether there: its gas is bought on L1, and --mint credits it
    /// first. No node is asked: --genesis and --l1 are enough. Batches that leave the entry out for longer than the deadline are
    /// refused by L1. There is no way back for what is minted yet.
    ///
    /// A deposit of half an ether:  horae queue send --mint 0.5 --genesis genesis.json --l1 URL
    ///
    /// A call:  horae queue send --to 0xCONTRACT --data 0xa9059cbb... --gas 100000 --genesis genesis.json --l1 URL
    Send(EnterOptions),
    /// Show the queue: its price, what waits, by when it has to be in; or one entry, or what an account may withdraw.
    Show(ShowOptions),
    /// Take what the queue owes the account: fees of entries whose batches it carried, or what it paid too much.
    Withdraw(SendOptions),
}

/// `horae queue send`
#[derive(Clone, Debug, Args)]
pub struct EnterOptions {
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
    /// Whom it calls on L2; the account that sends unless told.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "create")]
    pub to: Option<Address>,
    /// Create a contract, of which --data is the init code.
    #[arg(long, requires = "data")]
    pub create: bool,
    /// Ether that is locked on L1 and credited to the sender on L2 first.
    #[arg(long, value_name = "ETHER", value_parser = parse_ether, default_value = "0")]
    pub mint: U256,
    /// Ether that the call carries, out of the sender's balance on L2; what is minted unless told.
    #[arg(long, value_name = "ETHER", value_parser = parse_ether)]
    pub value: Option<U256>,
    /// Gas on L2, bought on L1; without --data and --create the least unless told.
    #[arg(long, value_name = "N")]
    pub gas: Option<u64>,
    /// Call data or init code, hexadecimal.
    #[arg(long, value_name = "HEX", default_value = "0x")]
    pub data: Bytes,
}

/// `horae queue show`
#[derive(Clone, Debug, Args)]
pub struct ShowOptions {
    /// The chain.
    #[command(flatten)]
    pub l1: L1Options,
    /// One entry.
    #[arg(long, value_name = "N", conflicts_with = "of")]
    pub index: Option<u64>,
    /// What the queue owes this account.
    #[arg(long, value_name = "ADDRESS")]
    pub of: Option<Address>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
