//! `horae governance queue`, `execute` and `cancel`

use std::time::Duration;

use horae_contracts::HoraeGovernor;
use horae_node::edges::l1::{L1, Sender};
use tokio::time::sleep;

use super::{
    args::DecideOptions,
    contracts::Governance,
    find::find,
    proposal::{Proposal, Standing, State, whole},
};
use crate::{amount::lasting, error::CliError, moment::moment, plan::Plan};

/// How often L1's clock is looked at while a command waits.
const WAIT_POLL: Duration = Duration::from_millis(500);

/// What a command needs.
struct Case {
    sender: Sender,
    governance: Governance,
    proposal: Proposal,
}

/// Hands a proposal that was won to the timelock.
pub async fn queue(options: &DecideOptions) -> Result<(), CliError> {
    let case = Case::open(options).await?;
    let l1 = case.sender.l1();
    if options.wait {
        until(l1, case.proposal.vote_end_s + 1).await?;
    }
    let standing = case.standing().await?;
    if matches!(standing.state, State::Pending | State::Active) {
        let ends = moment(case.proposal.vote_end_s, l1.head().await?.timestamp_s);
        return Err(CliError::new(format!("its vote ends {ends}; --wait waits for it")));
    }
    let delay = case.governance.timelock_s(l1).await?;
    let (targets, values, calldatas, hash) = case.proposal.arguments();
    let call = HoraeGovernor::queueCall { targets, values, calldatas, descriptionHash: hash };
    let plan = case.plan("queue").fact("executable", format!("{} after that", lasting(delay)));
    plan.call(case.governance.governor, &call).carry_out(&case.sender, &options.send).await
}

/// Has the timelock do what a proposal says.
pub async fn execute(options: &DecideOptions) -> Result<(), CliError> {
    let case = Case::open(options).await?;
    let l1 = case.sender.l1();
    let mut standing = case.standing().await?;
    if options.wait && standing.state == State::Queued {
        until(l1, standing.executable_s).await?;
        standing = case.standing().await?;
    }
    let now = l1.head().await?.timestamp_s;
    match standing.state {
        State::Queued if standing.executable_s > now => {
            let when = moment(standing.executable_s, now);
            return Err(CliError::new(format!("the timelock lets it through {when}; --wait waits for it")));
        }
        State::Succeeded => {
            return Err(CliError::new("it was won, and is to be queued first: `horae governance queue`"));
        }
        _ => {}
    }
    let (targets, values, calldatas, hash) = case.proposal.arguments();
    let call = HoraeGovernor::executeCall { targets, values, calldatas, descriptionHash: hash };
    case.plan("execute").call(case.governance.governor, &call).carry_out(&case.sender, &options.send).await
}

/// Takes a proposal back.
pub async fn cancel(options: &DecideOptions) -> Result<(), CliError> {
    let case = Case::open(options).await?;
    if case.proposal.proposer == case.governance.applications {
        return Err(CliError::new("an application made it: the applicant takes it back with `horae apply withdraw`"));
    }
    let (targets, values, calldatas, hash) = case.proposal.arguments();
    let call = HoraeGovernor::cancelCall { targets, values, calldatas, descriptionHash: hash };
    case.plan("cancel").call(case.governance.governor, &call).carry_out(&case.sender, &options.send).await
}

impl Case {
    async fn open(options: &DecideOptions) -> Result<Self, CliError> {
        let sender = options.send.sender().await?;
        let l1 = sender.l1();
        let governance = Governance::find(l1, &options.send.l1, &options.governor).await?;
        let proposal = find(l1, &governance, &options.which.proposal, options.which.blocks).await?;
        Ok(Self { sender, governance, proposal })
    }

    async fn standing(&self) -> Result<Standing, CliError> {
        self.proposal.standing(self.sender.l1(), &self.governance).await
    }

    fn plan(&self, does: &str) -> Plan {
        Plan::new(format!("{does}: {}", self.proposal.title()))
            .fact("proposal", whole(self.proposal.id))
            .facts(self.proposal.calls.iter().map(|call| ("does", call.words(&self.governance))))
    }
}

/// Waits until L1's clock has come to a second.
async fn until(l1: &L1, unix_s: u64) -> Result<(), CliError> {
    while l1.head().await?.timestamp_s < unix_s {
        sleep(WAIT_POLL).await;
    }
    Ok(())
}
