//! Where a chain's governance is, found from its governor.

use alloy_primitives::{Address, U256};
use clap::Args;
use horae_contracts::{Applications, HoraeGovernor, LockingPool, Rule, Timelock, VotingPower};
use horae_node::edges::l1::{L1, L1Error};

use crate::{error::CliError, ethereum::L1Options};

/// Which governance.
#[derive(Clone, Debug, Args)]
pub struct GovernorOption {
    /// The governor; the one in genesis.json unless told.
    #[arg(long, value_name = "ADDRESS", env = "HORAE_GOVERNOR")]
    pub governor: Option<Address>,
}

/// The contracts of governance, and those that it decides about.
#[derive(Clone, Copy, Debug)]
pub struct Governance {
    /// Takes proposals and votes.
    pub governor: Address,
    /// Owns what it decides about, and executes.
    pub timelock: Address,
    /// Sums the votes.
    pub power: Address,
    /// METIS that votes.
    pub wrapped: Address,
    /// How locked stake votes.
    pub stakes: Address,
    /// Takes applications.
    pub applications: Address,
    /// The METIS token.
    pub metis: Address,
    /// The LockingPool.
    pub pool: Address,
    /// The ForcedQueue.
    pub queue: Address,
    /// The BatchInbox.
    pub inbox: Address,
    /// The Slasher; zero if the pool works with none.
    pub slasher: Address,
    /// The RewardSchedule; zero if the pool works with none.
    pub rewards: Address,
}

impl Governance {
    /// That of a chain.
    pub async fn find(l1: &L1, chain: &L1Options, named: &GovernorOption) -> Result<Self, CliError> {
        let governor = match named.governor {
            Some(governor) => governor,
            None => chain.genesis()?.l1.governor.ok_or_else(|| {
                CliError::new(
                    "genesis.json names no governor: name it with --governor, or this chain has no governance",
                )
            })?,
        };
        let pool = match l1.view(governor, HoraeGovernor::POOLCall {}).await {
            Ok(pool) => pool,
            Err(L1Error::Nonsense { .. } | L1Error::Reverted { .. }) => {
                return Err(CliError::new(format!("there is no governor of Horae at {governor} on this L1")));
            }
            Err(other) => return Err(other.into()),
        };
        if pool != l1.locking() {
            return Err(CliError::new(format!(
                "the governor at {governor} decides about another LockingPool ({pool}) than this chain's ({})",
                l1.locking()
            )));
        }
        let power = l1.view(governor, HoraeGovernor::tokenCall {}).await?;
        let applications = l1.view(governor, HoraeGovernor::APPLICATIONSCall {}).await?;
        Ok(Self {
            governor,
            timelock: l1.view(governor, HoraeGovernor::timelockCall {}).await?,
            power,
            wrapped: l1.view(power, VotingPower::WRAPPEDCall {}).await?,
            stakes: l1.view(power, VotingPower::STAKESCall {}).await?,
            applications,
            metis: l1.view(applications, Applications::METISCall {}).await?,
            pool,
            queue: l1.queue(),
            inbox: l1.inbox(),
            slasher: l1.view(pool, LockingPool::slasherCall {}).await?,
            rewards: l1.view(pool, LockingPool::rewardsCall {}).await?,
        })
    }

    /// The name of one of these contracts.
    pub fn name_of(&self, address: Address) -> Option<&'static str> {
        let named = [
            (self.pool, "LockingPool"),
            (self.slasher, "Slasher"),
            (self.rewards, "RewardSchedule"),
            (self.queue, "ForcedQueue"),
            (self.inbox, "BatchInbox"),
            (self.governor, "HoraeGovernor"),
            (self.timelock, "Timelock"),
            (self.applications, "Applications"),
            (self.power, "VotingPower"),
            (self.wrapped, "VotingMetis"),
            (self.metis, "METIS"),
        ];
        let own = named.into_iter().find(|(own, _)| *own == address && !address.is_zero());
        own.map(|(_, name)| name)
    }

    /// Seconds of the timelock.
    pub async fn timelock_s(&self, l1: &L1) -> Result<u64, CliError> {
        Ok(l1.view(self.timelock, Timelock::getMinDelayCall {}).await?.saturating_to())
    }

    /// Seconds from a proposal to its vote, and of the vote.
    pub async fn voting_s(&self, l1: &L1) -> Result<(u64, u64), CliError> {
        let delay: U256 = l1.view(self.governor, HoraeGovernor::votingDelayCall {}).await?;
        let period: U256 = l1.view(self.governor, HoraeGovernor::votingPeriodCall {}).await?;
        Ok((delay.saturating_to(), period.saturating_to()))
    }

    /// What proposals of a kind (`IRules.Kind`) need.
    pub async fn rule(&self, l1: &L1, kind: u8) -> Result<Rule, CliError> {
        Ok(l1.view(self.governor, HoraeGovernor::ruleCall { kind }).await?)
    }
}
