//! `horae apply`: asking governance to be let in, as a sequencer or as a provider of liquid staking.

pub mod args;
mod show;

use std::fs;

use alloy_primitives::{Address, B256, U256, keccak256};
use horae_contracts::{Applications, Profile, TestMetis};
use horae_node::edges::l1::Sender;

use crate::{
    amount::{lasting, metis},
    error::CliError,
    ethereum::SendOptions,
    governance::contracts::{Governance, GovernorOption},
    plan::Plan,
    stake::Registration,
};
use args::{ApplyCommand, NumberOptions, ProfileOptions, ProviderOptions, SequencerOptions};

/// `IRules.Kind`
const SEQUENCER: u8 = 1;
const LIQUID_STAKING: u8 = 2;
/// Largest file of an application, in bytes.
const PROFILE_MAX_BYTES: u64 = 64 << 20;

/// Does what the command line says.
pub async fn run(command: &ApplyCommand) -> Result<(), CliError> {
    match command {
        ApplyCommand::Sequencer(options) => sequencer(options).await,
        ApplyCommand::LiquidStaking(options) => provider(options).await,
        ApplyCommand::List(options) => show::list(options).await,
        ApplyCommand::Show(options) => show::one(options).await,
        ApplyCommand::Withdraw(options) => withdraw(options).await,
        ApplyCommand::Settle(options) => settle(options).await,
    }
}

async fn sequencer(options: &SequencerOptions) -> Result<(), CliError> {
    let sender = options.send.sender().await?;
    let home = options.send.l1.home.as_deref();
    let keys = Registration::find(options.registration.as_deref(), home, sender.address(), sender.l1())?;
    let profile = profile(&options.profile, keys.signer, keys.node_key)?;
    let plan = Plan::new("apply to run a sequencer")
        .fact("owner", sender.address())
        .fact("signer", keys.signer)
        .fact("node key", keys.node_key);
    apply(plan, SEQUENCER, profile, &sender, &options.governor, &options.send).await
}

async fn provider(options: &ProviderOptions) -> Result<(), CliError> {
    let sender = options.send.sender().await?;
    let profile = profile(&options.profile, Address::ZERO, B256::ZERO)?;
    let plan = Plan::new("apply to provide liquid staking").fact("provider", sender.address());
    apply(plan, LIQUID_STAKING, profile, &sender, &options.governor, &options.send).await
}

async fn apply(
    plan: Plan,
    kind: u8,
    profile: Profile,
    sender: &Sender,
    governor: &GovernorOption,
    send: &SendOptions,
) -> Result<(), CliError> {
    let (l1, applicant) = (sender.l1(), sender.address());
    let governance = Governance::find(l1, &send.l1, governor).await?;
    let applications = governance.applications;
    let bond: U256 = l1.view(applications, Applications::bondCall {}).await?;
    let rule = governance.rule(l1, kind).await?;
    let (delay, period) = governance.voting_s(l1).await?;
    let mut plan = plan
        .fact("written at", &profile.uri)
        .fact("its keccak256", profile.hash)
        .fact("contact", &profile.contact)
        .fact("bond", format!("{}, back once the vote has decided", metis(bond)))
        .fact(
            "needs",
            format!(
                "{} of votes, {} of them in favour",
                metis(U256::from(rule.quorum)),
                crate::amount::percent(rule.share)
            ),
        )
        .fact("vote", format!("begins in {}, lasts {}", lasting(delay), lasting(period)));
    let allowance = TestMetis::allowanceCall { owner: applicant, spender: applications };
    if l1.view(governance.metis, allowance).await? < bond {
        plan = plan.call(governance.metis, &TestMetis::approveCall { spender: applications, value: bond });
    }
    let plan = plan.call(applications, &Applications::applyForCall { kind, profile });
    plan.carry_out_and(sender, send, async || {
        let id = l1.view(applications, Applications::openOfCall { applicant, _1: kind }).await?;
        let made = l1.view(applications, Applications::applicationCall { id }).await?;
        let proposal = crate::governance::proposal::whole(made.proposalId);
        Ok(vec![("application", id.to_string()), ("proposal", proposal)])
    })
    .await
}

fn profile(options: &ProfileOptions, signer: Address, node_key: B256) -> Result<Profile, CliError> {
    let hash = match (&options.hash, &options.profile) {
        (Some(hash), _) => *hash,
        (None, Some(file)) => {
            let because = |why: std::io::Error| CliError::because(file.display(), why);
            let length = fs::metadata(file).map_err(because)?.len();
            if length > PROFILE_MAX_BYTES {
                let problem = format!("{length} bytes are more than {PROFILE_MAX_BYTES}");
                return Err(CliError::because(file.display(), problem));
            }
            keccak256(fs::read(file).map_err(because)?)
        }
        (None, None) => return Err(CliError::new("name the --profile file, or its --hash")),
    };
    let (uri, contact) = (options.uri.clone(), options.contact.clone());
    Ok(Profile { uri, hash, contact, signer, nodeKey: node_key })
}

async fn withdraw(options: &NumberOptions) -> Result<(), CliError> {
    let (sender, governance, shown) = read(options).await?;
    let back = match shown.status {
        "voting" => "goes to governance, for the vote runs",
        _ => "comes back",
    };
    let plan = Plan::new(format!("withdraw application {}", options.number))
        .fact("applicant", shown.applicant)
        .fact("stands", shown.status)
        .fact("bond", format!("{} {back}", metis(shown.bond)));
    let call = Applications::withdrawCall { id: options.number };
    plan.call(governance.applications, &call).carry_out(&sender, &options.send).await
}

async fn settle(options: &NumberOptions) -> Result<(), CliError> {
    let (sender, governance, shown) = read(options).await?;
    let to = match shown.status {
        "ignored" => "to governance: too few voted".to_owned(),
        _ => format!("to {}", shown.applicant),
    };
    let plan = Plan::new(format!("settle application {}", options.number))
        .fact("stands", shown.status)
        .fact("bond", format!("{} {to}", metis(shown.bond)));
    let call = Applications::settleCall { id: options.number };
    plan.call(governance.applications, &call).carry_out(&sender, &options.send).await
}

async fn read(options: &NumberOptions) -> Result<(Sender, Governance, show::Shown), CliError> {
    let sender = options.send.sender().await?;
    let governance = Governance::find(sender.l1(), &options.send.l1, &options.governor).await?;
    let shown = show::read(sender.l1(), &governance, options.number).await?;
    Ok((sender, governance, shown))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_hash_of_a_profile_is_that_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("us.json");
        fs::write(&file, "we").unwrap();
        let options = ProfileOptions {
            uri: "https://example.org/us.json".to_owned(),
            profile: Some(file.clone()),
            hash: None,
            contact: "us".to_owned(),
        };
        let made = profile(&options, Address::repeat_byte(1), B256::repeat_byte(2)).unwrap();
        assert_eq!(
            (made.hash, made.signer, made.nodeKey),
            (keccak256("we"), Address::repeat_byte(1), B256::repeat_byte(2))
        );
        fs::remove_file(&file).unwrap();
        assert!(profile(&options, Address::ZERO, B256::ZERO).is_err());
    }
}
