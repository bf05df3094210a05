//! What a command is about to send to L1: shown, asked about, sent.

use std::io::{BufRead, IsTerminal, Write};

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use horae_node::edges::l1::{Included, L1Error, Sender};
use serde_json::{Map, Value, json, map::Entry};

use crate::{error::CliError, ethereum::SendOptions, governance::refusals, json};

/// What will be done, in words, and the calls that do it.
pub struct Plan {
    title: String,
    facts: Vec<(&'static str, String)>,
    calls: Vec<Call>,
}

struct Call {
    name: &'static str,
    to: Address,
    input: Bytes,
    value: U256,
}

impl Plan {
    /// A plan that does nothing yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), facts: Vec::new(), calls: Vec::new() }
    }

    /// Something that the user should know before it is sent.
    #[must_use]
    pub fn fact(mut self, name: &'static str, what: impl ToString) -> Self {
        self.facts.push((name, what.to_string()));
        self
    }

    /// Several of these.
    #[must_use]
    pub fn facts(mut self, facts: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.facts.extend(facts);
        self
    }

    /// One more call.
    #[must_use]
    pub fn call<C: SolCall>(self, to: Address, call: &C) -> Self {
        self.paying_call(to, call, U256::ZERO)
    }

    /// One more call, which carries wei.
    #[must_use]
    pub fn paying_call<C: SolCall>(mut self, to: Address, call: &C, value: U256) -> Self {
        let name = C::SIGNATURE.split('(').next().unwrap_or_default();
        self.calls.push(Call { name, to, input: call.abi_encode().into(), value });
        self
    }

    /// Shows the plan, asks, and sends the calls one after the other.
    ///
    /// # Errors
    /// What L1 says, in words; or that the user did not agree.
    pub async fn carry_out(self, sender: &Sender, options: &SendOptions) -> Result<(), CliError> {
        self.carry_out_and(sender, options, async || Ok(Vec::new())).await
    }

    /// As [`Self::carry_out`], and shows what `find_out` finds once everything is in L1.
    ///
    /// # Errors
    /// What L1 says, in words; or that the user did not agree.
    pub async fn carry_out_and(
        mut self,
        sender: &Sender,
        options: &SendOptions,
        find_out: impl AsyncFnOnce() -> Result<Vec<(&'static str, String)>, CliError>,
    ) -> Result<(), CliError> {
        if options.json && !options.yes && !options.dry_run {
            return Err(CliError::new("--json cannot ask: add --yes to send, or --dry-run"));
        }
        if !options.json {
            self.show(sender);
        }
        for call in &self.calls {
            match sender.try_out(TxKind::Call(call.to), &call.input, call.value).await {
                // What the call before it allows.
                Err(L1Error::Reverted { reason }) if reason.starts_with("ERC20InsufficientAllowance") => {}
                Err(why) => return Err(in_words(why)),
                Ok(_) => {}
            }
        }
        if options.dry_run {
            if options.json {
                return json::print(&self.report(&[]));
            }
            println!("nothing was sent (--dry-run); L1 would take it");
            return Ok(());
        }
        if !options.yes && !agreed()? {
            return Err(CliError::new("nothing was sent"));
        }
        let mut sent = Vec::new();
        for call in &self.calls {
            let included = sender.send(TxKind::Call(call.to), call.input.clone(), call.value).await;
            let included = included.map_err(in_words)?;
            if !options.json {
                let Included { hash, block, gas_used, .. } = included;
                println!("{:<18} in L1 block {}, {gas_used} gas, {hash}", call.name, block.number);
            }
            sent.push(included);
        }
        let found = find_out().await?;
        if options.json {
            self.facts.extend(found);
            return json::print(&self.report(&sent));
        }
        for (name, what) in found {
            println!("{name:<18} {what}");
        }
        Ok(())
    }

    fn show(&self, sender: &Sender) {
        println!("{}", self.title);
        for (name, what) in &self.facts {
            println!("  {name:<13} {what}");
        }
        println!("  {:<13} {}", "sent by", sender.address());
        for call in &self.calls {
            println!("  {:<13} {} at {}", "calls", call.name, call.to);
        }
    }

    fn report(&self, sent: &[Included]) -> Value {
        let facts = by_name(&self.facts);
        let sent: Vec<Value> = sent
            .iter()
            .zip(&self.calls)
            .map(|(included, call)| {
                json!({ "call": call.name, "hash": included.hash, "block": included.block.number, "gasUsed": included.gas_used })
            })
            .collect();
        json!({ "does": self.title, "facts": facts, "sent": sent })
    }
}

/// Facts as one object; those of the same name as a list.
fn by_name(facts: &[(&'static str, String)]) -> Map<String, Value> {
    let mut named = Map::new();
    for (name, what) in facts {
        match named.entry(name.replace(' ', "_")) {
            Entry::Vacant(place) => drop(place.insert(json!(what))),
            Entry::Occupied(mut place) => match place.get_mut() {
                Value::Array(list) => list.push(json!(what)),
                first => *first = json!([first.take(), what]),
            },
        }
    }
    named
}

fn agreed() -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::new("there is nobody to ask: add --yes to send, or --dry-run"));
    }
    print!("send? [y/N] ");
    let mut answer = String::new();
    std::io::stdout()
        .flush()
        .and_then(|()| std::io::stdin().lock().read_line(&mut answer))
        .map_err(|why| CliError::because("cannot ask", why))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What the contracts' errors mean for whoever typed the command.
pub fn in_words(error: L1Error) -> CliError {
    let L1Error::Reverted { reason } = &error else { return error.into() };
    let name = reason.split([' ', '{', '(']).next().unwrap_or_default();
    let advice = match name {
        "NotWhitelisted" => "this account may not own a validator: governance has to whitelist it first",
        "AlreadyLocked" => "this account has a validator already; `horae stake relock` adds to its stake",
        "NotActive" | "NotLocked" => "this account has no validator that this applies to; see `horae stake show`",
        "NotUnlocking" => "this validator is not leaving; `horae stake unlock` first",
        "NotJailed" => "this validator is not in jail",
        "StakeOutOfBounds" => "a stake is from 20,000 to 100,000 METIS (the numbers are in wei)",
        "SignerUsed" => {
            "this signer key served a validator before; a key serves once: make a new home with `horae init`"
        }
        "NodeKeyUsed" => {
            "this node key served a validator before; a key serves once: make a new home with `horae init`"
        }
        "SignerProofInvalid" => {
            "the signer key has not signed for this owner; `horae keys --owner OWNER` makes the proof"
        }
        "ExitDelayRunning" => "the stake is liable until that second (Unix time); try again then",
        "JailRunning" => "the validator is in jail until that second (Unix time); try again then",
        "ChangedTooSoon" => {
            "keys and withdrawals may change once in a while only; try again at that second (Unix time)"
        }
        "NothingToWithdraw" | "NothingClaimable" => "there is nothing to pay now; see `horae stake show`",
        "NothingToAdd" => "name an amount, or --from-rewards",
        "RewardsTooFew" => "it has earned less than that; see `horae stake show`",
        "TooManyWithdrawals" => "so many withdrawals are under way already; claim one first",
        "QueueFull" => "the list of validators and the queue for it are full; try again later",
        "PausedUntil" => "the guardian has paused the contract until that second (Unix time)",
        "AlreadyConvicted" => "this offence has been punished",
        "NotBegun" => "the schedule of rewards has not begun; governance begins it",
        "NothingToPay" => "nothing is owed to these validators, or there are no funds; see `horae rewards show`",
        "NotAccepted" => "L1 does not have the batches with these blocks (any more); the nodes settle them again",
        "WrongGroupSignature" => "the group key has changed since it was signed; ask a node again",
        "NothingAtStake" => "no stake of the offender is liable any more",
        "NotProposed" => "this validator was not offered to this account",
        "OwnableUnauthorizedAccount" => "only the contract's owner, which is governance, may do this",
        "TooMuchData" => "an entry of the forced queue has at most so many bytes of data",
        "TooLittleGas" => "that is less gas than the transaction costs before it does anything; raise --gas",
        "TooMuchGas" => "an entry of the forced queue has at most so much gas; lower --gas",
        "BlockFull" => "others have bought what this L1 block can take; try again in the next one",
        "TooLittleValue" => "the price of gas has risen meanwhile; try again",
        "NothingOwed" => "the forced queue owes this account nothing",
        "NotConnected" => "the forced queue is not open yet",
        "ERC20InsufficientBalance" => "the account has fewer METIS than that (the numbers are in wei)",
        name => match refusals::of_governance(name, reason) {
            Some(advice) => return CliError::new(format!("L1 would refuse this: {advice} ({reason})")),
            None => return error.into(),
        },
    };
    CliError::new(format!("L1 would refuse this: {advice} ({reason})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_one_name_are_a_list() {
        let facts = [("does", "a"), ("sent by", "x"), ("does", "b"), ("does", "c")].map(|(n, w)| (n, w.to_owned()));
        assert_eq!(Value::Object(by_name(&facts)), json!({ "does": ["a", "b", "c"], "sent_by": "x" }));
    }
}
