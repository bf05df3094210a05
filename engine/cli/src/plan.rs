//! What a command is about to send to L1: shown, asked about, sent.

use std::io::{BufRead, IsTerminal, Write};

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, TxKind, U256, utils};
use horae_node::edges::l1::{Included, L1Error, Sender};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{error::CliError, ethereum::SendOptions};

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

    /// One more call.
    #[must_use]
    pub fn call<C: SolCall>(mut self, to: Address, call: &C) -> Self {
        let name = C::SIGNATURE.split('(').next().unwrap_or_default();
        self.calls.push(Call { name, to, input: call.abi_encode().into() });
        self
    }

    /// Shows the plan, asks, and sends the calls one after the other.
    ///
    /// # Errors
    /// What L1 says, in words; or that the user did not agree.
    pub async fn carry_out(self, sender: &Sender, options: &SendOptions) -> Result<(), CliError> {
        if options.json && !options.yes && !options.dry_run {
            return Err(CliError::new("--json cannot ask: add --yes to send, or --dry-run"));
        }
        if !options.json {
            self.show(sender);
        }
        for call in &self.calls {
            match sender.try_out(TxKind::Call(call.to), &call.input).await {
                // What the call before it allows.
                Err(L1Error::Reverted { reason }) if reason.starts_with("ERC20InsufficientAllowance") => {}
                tried => drop(tried.map_err(in_words)?),
            }
        }
        if options.dry_run {
            match options.json {
                true => println!("{}", self.report(&[])),
                false => println!("nothing was sent (--dry-run); L1 would take it"),
            }
            return Ok(());
        }
        if !options.yes && !agreed()? {
            return Err(CliError::new("nothing was sent"));
        }
        let mut sent = Vec::new();
        for call in &self.calls {
            let included = sender.send(TxKind::Call(call.to), call.input.clone(), U256::ZERO).await;
            let included = included.map_err(in_words)?;
            if !options.json {
                let Included { hash, block, gas_used, .. } = included;
                println!("{:<15} in L1 block {}, {gas_used} gas, {hash}", call.name, block.number);
            }
            sent.push(included);
        }
        if options.json {
            println!("{}", self.report(&sent));
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
        let facts: Map<String, Value> =
            self.facts.iter().map(|(name, what)| (name.replace(' ', "_"), json!(what))).collect();
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

/// METIS, from wei.
pub fn metis(wei: U256) -> String {
    let text = utils::format_ether(wei);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} METIS")
}

/// An amount of METIS on the command line, in wei.
pub fn parse_metis(text: &str) -> Result<U256, String> {
    let is_amount = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    // The library reads a negative number as a very large one.
    let wei = Some(text).filter(|_| is_amount).and_then(|text| utils::parse_ether(text).ok());
    let wei = wei.ok_or("is not an amount of METIS, such as 20000 or 0.5")?;
    if wei.is_zero() { Err("must be above zero".to_owned()) } else { Ok(wei) }
}

/// Seconds, for people.
pub fn lasting(seconds: u64) -> String {
    match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => format!("{} days", s / 86_400),
        s if s >= 3_600 && s % 3_600 == 0 => format!("{} hours", s / 3_600),
        s => format!("{s} seconds"),
    }
}

/// Prints a value as one line of JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string(value).map_err(|why| CliError::because("cannot print the answer", why))?;
    println!("{text}");
    Ok(())
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
fn in_words(error: L1Error) -> CliError {
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
        "NothingAtStake" => "no stake of the offender is liable any more",
        "NotProposed" => "this validator was not offered to this account",
        "OwnableUnauthorizedAccount" => "only the contract's owner, which is governance, may do this",
        "ERC20InsufficientBalance" => "the account has fewer METIS than that (the numbers are in wei)",
        _ => return error.into(),
    };
    CliError::new(format!("L1 would refuse this: {advice} ({reason})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_shown_in_metis() {
        let wei = parse_metis("20000.5").unwrap();
        assert_eq!((wei, metis(wei).as_str()), (U256::from(20_000_500_000_000_000_000_000_u128), "20000.5 METIS"));
        assert_eq!(metis(U256::ZERO), "0 METIS");
        assert_eq!(metis(U256::from(100_u128 * 1_000_000_000_000_000_000)), "100 METIS");
        for wrong in ["", "0", "-1", "1,000", "x", "1e3"] {
            assert!(parse_metis(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn delays_are_shown_in_the_largest_whole_unit() {
        assert_eq!(
            (lasting(21 * 86_400), lasting(7_200), lasting(61)),
            ("21 days".into(), "2 hours".into(), "61 seconds".into())
        );
    }
}
