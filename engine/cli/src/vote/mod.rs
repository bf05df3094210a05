//! `horae vote`: what an account does with its votes.

pub mod args;
mod power;

use alloy_primitives::{Address, U256};
use horae_contracts::{HoraeGovernor, StakeVotes, TestMetis, VotingMetis};

use crate::{
    amount::metis,
    error::CliError,
    governance::{
        contracts::Governance,
        find::find,
        proposal::{State, whole},
    },
    moment::moment,
    plan::Plan,
};
use args::{AmountOptions, CastOptions, DelegateOptions, Delegated, VoteCommand};

/// `GovernorCountingSimple.VoteType`
const AGAINST: u8 = 0;
const FOR: u8 = 1;
const ABSTAIN: u8 = 2;

/// Does what the command line says.
pub async fn run(command: &VoteCommand) -> Result<(), CliError> {
    match command {
        VoteCommand::For(options) => cast(options, FOR).await,
        VoteCommand::Against(options) => cast(options, AGAINST).await,
        VoteCommand::Abstain(options) => cast(options, ABSTAIN).await,
        VoteCommand::Power(options) => power::run(options).await,
        VoteCommand::Wrap(options) => wrap(options).await,
        VoteCommand::Unwrap(options) => unwrap(options).await,
        VoteCommand::Delegate(options) => delegate(options).await,
    }
}

async fn cast(options: &CastOptions, support: u8) -> Result<(), CliError> {
    let sender = options.send.sender().await?;
    let (l1, account) = (sender.l1(), sender.address());
    let governance = Governance::find(l1, &options.send.l1, &options.governor).await?;
    let proposal = find(l1, &governance, &options.which.proposal, options.which.blocks).await?;
    let standing = proposal.standing(l1, &governance).await?;
    let now = l1.head().await?.timestamp_s;
    match standing.state {
        State::Active => {}
        State::Pending => {
            return Err(CliError::new(format!("the vote begins {}", moment(proposal.vote_start_s, now))));
        }
        other => return Err(CliError::new(format!("the proposal is {}: it cannot be voted on", other.words()))),
    }
    let at = U256::from(proposal.vote_start_s);
    let votes: U256 = l1.view(governance.governor, HoraeGovernor::getVotesCall { account, timepoint: at }).await?;
    if votes.is_zero() {
        return Err(CliError::new(format!(
            "{account} had no votes when the vote began; wrapped METIS votes only once it is delegated, see `horae vote power`"
        )));
    }
    let word = ["against", "for", "abstain"][usize::from(support)];
    let reason = options.reason.clone().unwrap_or_default();
    let plan = Plan::new(format!("vote {word}: {}", proposal.title()))
        .fact("proposal", whole(proposal.id))
        .facts(proposal.calls.iter().map(|call| ("does", call.words(&governance))))
        .fact("with", metis(votes))
        .fact("so far", format!("{} for, {} against", metis(standing.in_favour), metis(standing.against)))
        .fact("vote ends", moment(proposal.vote_end_s, now));
    let plan = match reason.is_empty() {
        true => {
            let call = HoraeGovernor::castVoteCall { proposalId: proposal.id, support };
            plan.call(governance.governor, &call)
        }
        false => {
            let plan = plan.fact("reason", &reason);
            let call = HoraeGovernor::castVoteWithReasonCall { proposalId: proposal.id, support, reason };
            plan.call(governance.governor, &call)
        }
    };
    plan.carry_out(&sender, &options.send).await
}

async fn wrap(options: &AmountOptions) -> Result<(), CliError> {
    let sender = options.send.sender().await?;
    let (l1, account) = (sender.l1(), sender.address());
    let governance = Governance::find(l1, &options.send.l1, &options.governor).await?;
    let (wrapped, amount) = (governance.wrapped, options.amount);
    let voter: Address = l1.view(wrapped, VotingMetis::delegatesCall { account }).await?;
    let plan = Plan::new(format!("wrap {} so that it votes", metis(amount)))
        .fact("votes of", if voter.is_zero() { account } else { voter })
        .fact("from", "the next L1 block on, for votes that begin then or later")
        .fact("back", "at any time, by `horae vote unwrap`");
    let allowance = TestMetis::allowanceCall { owner: account, spender: wrapped };
    let mut plan = plan;
    if l1.view(governance.metis, allowance).await? < amount {
        plan = plan.call(governance.metis, &TestMetis::approveCall { spender: wrapped, value: amount });
    }
    plan = plan.call(wrapped, &VotingMetis::depositForCall { account, value: amount });
    if voter.is_zero() {
        plan = plan.call(wrapped, &VotingMetis::delegateCall { delegatee: account });
    }
    plan.carry_out(&sender, &options.send).await
}

async fn unwrap(options: &AmountOptions) -> Result<(), CliError> {
    let sender = options.send.sender().await?;
    let (l1, account) = (sender.l1(), sender.address());
    let governance = Governance::find(l1, &options.send.l1, &options.governor).await?;
    let held: U256 = l1.view(governance.wrapped, VotingMetis::balanceOfCall { account }).await?;
    let plan = Plan::new(format!("unwrap {}", metis(options.amount)))
        .fact("wrapped now", metis(held))
        .fact("votes", "under way are not changed");
    let call = VotingMetis::withdrawToCall { account, value: options.amount };
    plan.call(governance.wrapped, &call).carry_out(&sender, &options.send).await
}

async fn delegate(options: &DelegateOptions) -> Result<(), CliError> {
    let sender = options.send.sender().await?;
    let (l1, account) = (sender.l1(), sender.address());
    let governance = Governance::find(l1, &options.send.l1, &options.governor).await?;
    let held: U256 = l1.view(governance.wrapped, VotingMetis::balanceOfCall { account }).await?;
    let staked: U256 = l1.view(governance.stakes, StakeVotes::stakeOfCall { owner: account }).await?;
    let mut plan = Plan::new(format!("have {} vote", options.to));
    if options.what != Delegated::Stake {
        let call = VotingMetis::delegateCall { delegatee: options.to };
        plan = plan.fact("wrapped METIS", metis(held)).call(governance.wrapped, &call);
    }
    if options.what != Delegated::Wrapped {
        let call = StakeVotes::delegateCall { delegatee: options.to };
        plan = plan.fact("locked stake", metis(staked)).call(governance.stakes, &call);
    }
    plan.fact("votes", "under way are not changed").carry_out(&sender, &options.send).await
}
