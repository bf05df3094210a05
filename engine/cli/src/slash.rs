//! `horae slash`: offences that the control plane has on record, and what L1 did about them.

use alloy_primitives::Address;
use clap::{Args, Subcommand};
use horae_contracts::{LockingPool, Slasher};
use horae_control::{Jailed, Offence};
use horae_node::edges::l1::{L1, evidence::for_slasher};
use serde::Serialize;

use crate::{
    amount::{lasting, metis, percent},
    args::RpcOptions,
    error::CliError,
    ethereum::{L1Options, SendOptions},
    json,
    plan::Plan,
    rpc::Rpc,
};

/// `horae slash`
#[derive(Clone, Debug, Subcommand)]
pub enum SlashCommand {
    /// List the offences that the chain has on record, and whether L1 has punished them. One leaves the record when L1 has punished it and
    /// released the validator.
    Show(ShowOptions),
    /// Report an offence to L1 with the proof that a node shows. Anyone may; the reporter gets a share of what is cut.
    ///
    /// Validators' nodes do it by themselves within seconds, and so get the share, if they can send to L1.
    ///
    /// The node need not be trusted: the contract checks the proof, two statements that the offender signed.
    Submit(SubmitOptions),
}

/// `horae slash show`
#[derive(Clone, Debug, Args)]
pub struct ShowOptions {
    /// The node that has the record.
    #[command(flatten)]
    pub rpc: RpcOptions,
    /// The chain.
    #[command(flatten)]
    pub l1: L1Options,
}

/// `horae slash submit`
#[derive(Clone, Debug, Args)]
pub struct SubmitOptions {
    /// JSON-RPC endpoint of the node that has the proof.
    #[arg(long, value_name = "URL", env = "HORAE_RPC")]
    pub rpc: String,
    /// Signer address of the offender.
    #[arg(long, value_name = "ADDRESS")]
    pub validator: Address,
    /// Who gets the reporter's share; the account that sends unless told.
    #[arg(long, value_name = "ADDRESS")]
    pub reporter: Option<Address>,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}

/// An offence on record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    validator: Address,
    offence: Offence,
    epoch: u64,
    term: u64,
    /// `None` if this chain's LockingPool works with no Slasher.
    punished_on_l1: Option<bool>,
}

/// Does what the command line says.
pub async fn run(command: &SlashCommand) -> Result<(), CliError> {
    match command {
        SlashCommand::Show(options) => show(options).await,
        SlashCommand::Submit(options) => submit(options).await,
    }
}

async fn show(options: &ShowOptions) -> Result<(), CliError> {
    let l1 = options.l1.connect().await?;
    let mut shown = Vec::new();
    for jailed in on_record(&options.rpc.rpc).await? {
        let on_l1 = l1.offence(&jailed.proof).await?;
        shown.push(Shown {
            validator: jailed.validator,
            offence: jailed.offence,
            epoch: jailed.proof.epoch,
            term: jailed.proof.term,
            punished_on_l1: on_l1.map(|on_l1| on_l1.is_convicted),
        });
    }
    if options.rpc.json {
        return json::print(&shown);
    }
    if shown.is_empty() {
        println!("no offence is on record");
    }
    for offence in &shown {
        let Shown { validator, offence, epoch, term, punished_on_l1 } = offence;
        let l1 = match punished_on_l1 {
            Some(true) => "punished on L1",
            Some(false) => "not reported to L1 yet: the nodes do it, or `horae slash submit`",
            None => "this chain has no Slasher",
        };
        println!("{validator}  {offence} in term {term} of epoch {epoch}; {l1}");
    }
    Ok(())
}

async fn submit(options: &SubmitOptions) -> Result<(), CliError> {
    let record = on_record(&options.rpc).await?;
    let jailed = record.iter().find(|jailed| jailed.validator == options.validator).ok_or_else(|| {
        CliError::new(format!(
            "{} has no offence of {} on record; see `horae slash show`",
            options.rpc, options.validator
        ))
    })?;
    let sender = options.send.sender().await?;
    let l1 = sender.l1();
    let on_l1 = l1.offence(&jailed.proof).await?;
    let on_l1 = on_l1.ok_or_else(|| CliError::new("the LockingPool of this chain works with no Slasher"))?;
    if on_l1.is_convicted {
        return Err(CliError::new("L1 has punished this offence already"));
    }
    let reporter = options.reporter.unwrap_or(sender.address());
    let plan = Plan::new(format!("report {} for {}", jailed.validator, jailed.offence))
        .fact("validator", on_l1.id)
        .fact("offence in", format!("term {} of epoch {}", jailed.proof.term, jailed.proof.epoch));
    let plan = cost(plan, l1, on_l1.slasher, on_l1.id).await?.fact("reporter", reporter);
    let call = Slasher::reportCall { proof: for_slasher(&jailed.proof), reporter };
    plan.call(on_l1.slasher, &call).carry_out(&sender, &options.send).await
}

/// What the offence costs.
async fn cost(plan: Plan, l1: &L1, slasher: Address, id: u64) -> Result<Plan, CliError> {
    let penalty = l1.view(slasher, Slasher::penaltyCall {}).await?;
    let liable = l1.view(l1.locking(), LockingPool::liableCall { id }).await?;
    Ok(plan
        .fact(
            "costs",
            format!("{} of {}, and {} in jail", percent(penalty.fraction), metis(liable), lasting(penalty.jailTime)),
        )
        .fact("share", format!("{} of what is cut goes to the reporter", percent(penalty.reporterShare))))
}

async fn on_record(url: &str) -> Result<Vec<Jailed>, CliError> {
    let state = Rpc::new(url)?.control_state().await?;
    Ok(state.jail().iter().map(|(_, jailed)| jailed.clone()).collect())
}
