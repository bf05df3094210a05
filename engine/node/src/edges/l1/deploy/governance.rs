//! Governance on an L1: votes, governor, timelock, and everything that is owned handed over to the timelock.

use std::time::Duration;

use alloy::sol_types::{SolCall, SolConstructor};
use alloy_primitives::{Address, B256, Bytes, U256, aliases::U48};
use horae_contracts::{
    ForcedQueue, HoraeGovernor, LiquidStakingFactory, LockingPool, Penalty, ProxyAdmin, RewardSchedule, Slasher,
    Timelock, VotingMetis, VotingPower,
};
use tokio::time::{Instant, sleep};

use super::{Deployment, create};
use crate::edges::l1::{L1Error, Sender};

/// Votes that a proposer holds at first, in wei of METIS. The incumbent has no such number; CONTRACTS.md names this one.
const PROPOSAL_THRESHOLD: u128 = 1_000 * WEI;
/// What an applicant leaves at first, in wei of METIS.
const APPLICATION_BOND: u128 = 200 * WEI;
/// Wei in one METIS.
const WEI: u128 = 1_000_000_000_000_000_000;
/// How often the timelock is asked whether it is time.
const TIMELOCK_POLL: Duration = Duration::from_millis(200);
/// How much later than its delay the timelock may let something through: L1 blocks are apart.
const TIMELOCK_SLACK: Duration = Duration::from_secs(60);

/// Where governance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Governance {
    /// Takes proposals and votes.
    pub governor: Address,
    /// Owns what governance decides about, and executes.
    pub timelock: Address,
    /// METIS that votes.
    pub wrapped: Address,
    /// Sums the votes.
    pub power: Address,
    /// Takes applications; made by the governor.
    pub applications: Address,
    /// Makes vaults of liquid staking, once governance puts it to use.
    pub vaults: Address,
}

/// How long decisions take, in seconds. These are also the shortest that governance may ever set.
#[derive(Clone, Copy, Debug)]
pub struct VotingTimes {
    /// From a proposal to its vote.
    pub delay_s: u64,
    /// Of a vote.
    pub period_s: u32,
    /// From the queue of the timelock to the execution.
    pub timelock_s: u64,
}

/// Deploys governance for a pool. The timelock takes orders from the governor alone, and anyone may carry them out; the sender stays its
/// admin until [`hand_over`].
///
/// # Errors
/// Those of [`Sender::send`].
pub async fn deploy_governance(
    sender: &Sender,
    deployment: &Deployment,
    times: VotingTimes,
) -> Result<Governance, L1Error> {
    let locking = deployment.locking;
    let votes = sender.l1().view(locking, LockingPool::VOTESCall {}).await?;
    let wrapped = VotingMetis::constructorCall { metis: deployment.metis };
    let wrapped = create(sender, &VotingMetis::BYTECODE, wrapped.abi_encode()).await?;
    let timelock = Timelock::constructorCall { delay: U256::from(times.timelock_s), admin: sender.address() };
    let timelock = create(sender, &Timelock::BYTECODE, timelock.abi_encode()).await?;
    let power = VotingPower::constructorCall { wrapped, stakes: votes, owner: timelock };
    let power = create(sender, &VotingPower::BYTECODE, power.abi_encode()).await?;
    let setup = HoraeGovernor::Setup {
        votingDelay: U48::saturating_from(times.delay_s),
        votingPeriod: times.period_s,
        proposalThreshold: U256::from(PROPOSAL_THRESHOLD),
        bond: U256::from(APPLICATION_BOND),
    };
    let governor = HoraeGovernor::constructorCall { power, timelock, pool: locking, setup };
    let governor = create(sender, &HoraeGovernor::BYTECODE, governor.abi_encode()).await?;
    let applications = sender.l1().view(governor, HoraeGovernor::APPLICATIONSCall {}).await?;
    for (role, account) in [
        (role(sender, timelock, Timelock::PROPOSER_ROLECall {}).await?, governor),
        (role(sender, timelock, Timelock::CANCELLER_ROLECall {}).await?, governor),
        (role(sender, timelock, Timelock::EXECUTOR_ROLECall {}).await?, Address::ZERO),
    ] {
        sender.call(timelock, &Timelock::grantRoleCall { role, account }).await?;
    }
    let vaults = LiquidStakingFactory::constructorCall { pool: locking, power, owner: timelock };
    let vaults = create(sender, &LiquidStakingFactory::BYTECODE, vaults.abi_encode()).await?;
    Ok(Governance { governor, timelock, wrapped, power, applications, vaults })
}

/// Makes the timelock the owner of all that the sender owns, upgrades included, and the treasury for what is slashed, and takes from
/// the sender whatever it could still do at the timelock. The sender proposes there itself for one delay, which is waited for.
///
/// # Errors
/// Those of [`Sender::send`]; [`L1Error::Nonsense`] if the timelock does not get ready.
pub async fn hand_over(sender: &Sender, deployment: &Deployment, governance: &Governance) -> Result<(), L1Error> {
    let timelock = governance.timelock;
    let penalty = sender.l1().view(deployment.slasher, Slasher::penaltyCall {}).await?;
    let penalty = Penalty { treasury: timelock, ..penalty };
    sender.call(deployment.slasher, &Slasher::setPenaltyCall { penalty_: penalty }).await?;
    for proxy in [deployment.locking, deployment.inbox, deployment.queue, deployment.slasher, deployment.rewards] {
        let admin = sender.l1().proxy_admin(proxy).await?;
        sender.call(admin, &ProxyAdmin::transferOwnershipCall { newOwner: timelock }).await?;
    }
    let targets = owned(deployment);
    for (to, offer, _) in &targets {
        sender.send(alloy_primitives::TxKind::Call(*to), offer(timelock), U256::ZERO).await?;
    }
    let proposer = role(sender, timelock, Timelock::PROPOSER_ROLECall {}).await?;
    sender.call(timelock, &Timelock::grantRoleCall { role: proposer, account: sender.address() }).await?;
    let (addresses, payloads): (Vec<Address>, Vec<Bytes>) =
        targets.iter().map(|(to, _, accept)| (*to, accept.clone())).unzip();
    let values = vec![U256::ZERO; addresses.len()];
    let delay = sender.l1().view(timelock, Timelock::getMinDelayCall {}).await?;
    let (predecessor, salt) = (B256::ZERO, B256::ZERO);
    let execute = Timelock::executeBatchCall { targets: addresses, values, payloads, predecessor, salt };
    let Timelock::executeBatchCall { targets, values, payloads, .. } = execute.clone();
    let schedule = Timelock::scheduleBatchCall { targets, values, payloads, predecessor, salt, delay };
    sender.call(timelock, &schedule).await?;
    let Timelock::executeBatchCall { targets, values, payloads, .. } = execute.clone();
    let id = Timelock::hashOperationBatchCall { targets, values, payloads, predecessor, salt };
    let id = sender.l1().view(timelock, id).await?;
    wait_for(sender, timelock, id, delay).await?;
    sender.call(timelock, &execute).await?;
    sender.call(timelock, &Timelock::revokeRoleCall { role: proposer, account: sender.address() }).await?;
    let admin = role(sender, timelock, Timelock::DEFAULT_ADMIN_ROLECall {}).await?;
    let renounce = Timelock::renounceRoleCall { role: admin, callerConfirmation: sender.address() };
    sender.call(timelock, &renounce).await.map(drop)
}

/// A contract that is handed over: where it is, the offer to its new owner, and the new owner's word that it takes it.
type Owned = (Address, fn(Address) -> Bytes, Bytes);

fn owned(deployment: &Deployment) -> [Owned; 4] {
    [
        (
            deployment.queue,
            |to| ForcedQueue::transferOwnershipCall { newOwner: to }.abi_encode().into(),
            ForcedQueue::acceptOwnershipCall {}.abi_encode().into(),
        ),
        (
            deployment.locking,
            |to| LockingPool::transferOwnershipCall { newOwner: to }.abi_encode().into(),
            LockingPool::acceptOwnershipCall {}.abi_encode().into(),
        ),
        (
            deployment.slasher,
            |to| Slasher::transferOwnershipCall { newOwner: to }.abi_encode().into(),
            Slasher::acceptOwnershipCall {}.abi_encode().into(),
        ),
        (
            deployment.rewards,
            |to| RewardSchedule::transferOwnershipCall { newOwner: to }.abi_encode().into(),
            RewardSchedule::acceptOwnershipCall {}.abi_encode().into(),
        ),
    ]
}

async fn role<C: SolCall<Return = B256>>(sender: &Sender, timelock: Address, call: C) -> Result<B256, L1Error> {
    sender.l1().view(timelock, call).await
}

async fn wait_for(sender: &Sender, timelock: Address, id: B256, delay: U256) -> Result<(), L1Error> {
    let until = Instant::now() + Duration::from_secs(delay.saturating_to()) + TIMELOCK_SLACK;
    while !sender.l1().view(timelock, Timelock::isOperationReadyCall { id }).await? {
        if Instant::now() > until {
            let problem = format!("operation {id} is not ready {} s after its delay", TIMELOCK_SLACK.as_secs());
            return Err(L1Error::Nonsense { what: "timelock", problem });
        }
        sleep(TIMELOCK_POLL).await;
    }
    Ok(())
}
