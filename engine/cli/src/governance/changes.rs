//! Changes that can be proposed by name, and the calls that make them.

use std::{fmt::Display, str::FromStr};

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, FixedBytes, U256, aliases::U48, hex};
use clap::ValueEnum;
use horae_contracts::{
    Applications, Approval, ForcedQueue, HoraeGovernor, LiquidStakingFactory, LockingPool, Penalty, ProxyAdmin,
    RewardSchedule, Rule, Slasher, Timelock, VotingPower,
};
use horae_node::edges::l1::L1;

use super::{contracts::Governance, proposal::ProposedCall};
use crate::{
    amount::{lasting, metis, parse_metis, parse_seconds, parse_share, percent},
    error::CliError,
};

/// A change by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Change {
    /// OWNER: let an account own a validator, without an application
    Whitelist,
    /// OWNER: let an account own no validator any more, and take the one that it has off the list
    Offboard,
    /// ID: take a validator off the list
    ForceUnlock,
    /// N: most validators that are listed, 1 to 40
    SetMaxValidators,
    /// TIME: least time between changes of keys or withdrawals of a validator
    SetChangeInterval,
    /// ADDRESS: who may pause the pool for a while
    SetGuardian,
    /// SHARE: what an offence costs, of all stake that is liable, from 1 %
    SetSlashFraction,
    /// SHARE: what of that goes to whoever reports it, up to 20 %
    SetReporterShare,
    /// TIME: how long an offender stays in jail
    SetJailTime,
    /// ADDRESS: where the rest of what is cut goes
    SetTreasury,
    /// (nothing): begin the twelve months of rewards at 20 %
    BeginRewards,
    /// SHARE: the yearly rate of rewards after the first twelve months, up to 20 %
    SetRewardRate,
    /// TIME: from a proposal to its vote
    SetVotingDelay,
    /// TIME: of a vote
    SetVotingPeriod,
    /// TIME: of the timelock, from the queue to the execution
    SetTimelockDelay,
    /// METIS: votes that a proposer holds
    SetProposalThreshold,
    /// KIND QUORUM SHARE: what proposals of a kind (general, sequencer, liquid-staking) need, such as `sequencer 50000 80%`
    SetRule,
    /// METIS: what an applicant leaves
    SetBond,
    /// WEI: least price of a unit of L2 gas in the forced queue
    SetForcedGasFloor,
    /// CONTRACT ADDRESS: put other code behind pool, inbox, queue, slasher or rewards
    Upgrade,
    /// FACTORY PLACES COVER TIME: put a factory of vaults to use, and open its first round: so many places, METIS that each provider has
    /// at stake of its own, and how long applications are taken, such as `0x.. 3 1000 30d`
    StartLiquidStaking,
    /// PLACES COVER TIME: open another round of providers
    OpenRound,
    /// CONTRACT SELECTOR: how providers of liquid staking are approved; SELECTOR of a function of (address, bool), such as 0x12345678
    SetLiquidStaking,
    /// CONTRACT: let what a contract counts vote, such as a vault's shares
    AddVoteSource,
    /// CONTRACT: let it vote no longer
    RemoveVoteSource,
}

/// A change with its values, as calls and in words.
#[derive(Clone, Debug)]
pub struct Changed {
    /// What it does.
    pub calls: Vec<ProposedCall>,
    /// One line.
    pub title: String,
}

/// Values of a change, taken one after the other.
struct Values<'a> {
    change: Change,
    left: std::slice::Iter<'a, String>,
}

impl Change {
    /// The calls that make the change with these values. What is there now is read from L1.
    pub async fn with(self, values: &[String], l1: &L1, governance: &Governance) -> Result<Changed, CliError> {
        let mut values = Values { change: self, left: values.iter() };
        let changed = self.read(&mut values, l1, governance).await?;
        match values.left.next() {
            Some(extra) => Err(values.wrong(format!("does not take `{extra}`"))),
            None => Ok(changed),
        }
    }

    async fn read(self, values: &mut Values<'_>, l1: &L1, g: &Governance) -> Result<Changed, CliError> {
        Ok(match self {
            Self::Whitelist => {
                let owner = values.address()?;
                one(
                    g.pool,
                    LockingPool::setWhitelistCall { owner, allowed: true },
                    format!("let {owner} own a validator"),
                )
            }
            Self::Offboard => {
                let owner = values.address()?;
                let call = LockingPool::setWhitelistCall { owner, allowed: false };
                let changed = one(g.pool, call, format!("offboard {owner}"));
                match l1.view(g.pool, LockingPool::validatorOfCall { owner }).await? {
                    0 => changed,
                    id => changed.and(g.pool, LockingPool::forceUnlockCall { id }, &format!(" and its validator {id}")),
                }
            }
            Self::ForceUnlock => {
                let id = values.number()?;
                one(g.pool, LockingPool::forceUnlockCall { id }, format!("take validator {id} off the list"))
            }
            Self::SetMaxValidators => {
                let limit = U256::from(values.number()?);
                let now = l1.view(g.pool, LockingPool::maxValidatorsCall {}).await?;
                one(g.pool, LockingPool::setMaxValidatorsCall { limit }, from_to("the most validators", now, limit))
            }
            Self::SetChangeInterval => {
                let interval = values.seconds()?;
                let now = l1.view(g.pool, LockingPool::changeIntervalCall {}).await?;
                let title = from_to("the least time between changes of a validator", lasting(now), lasting(interval));
                one(g.pool, LockingPool::setChangeIntervalCall { interval }, title)
            }
            Self::SetGuardian => {
                let guardian = values.address()?;
                let now = l1.view(g.pool, LockingPool::guardianCall {}).await?;
                one(
                    g.pool,
                    LockingPool::setGuardianCall { guardian_: guardian },
                    from_to("the guardian", now, guardian),
                )
            }
            Self::SetSlashFraction | Self::SetReporterShare | Self::SetJailTime | Self::SetTreasury => {
                self.of_penalty(values, l1, g).await?
            }
            Self::BeginRewards => {
                let title = "begin the twelve months of rewards".to_owned();
                one(self.there(g.rewards)?, RewardSchedule::beginCall {}, title)
            }
            Self::SetRewardRate => {
                let (rewards, rate) = (self.there(g.rewards)?, values.share()?);
                let now = l1.view(rewards, RewardSchedule::rateCall {}).await?;
                let title = from_to("the yearly rate of rewards", percent(now), percent(rate));
                one(rewards, RewardSchedule::setRateCall { rate_: rate }, title)
            }
            Self::SetVotingDelay => {
                let delay = values.seconds()?;
                let now = g.voting_s(l1).await?.0;
                let least: U256 = l1.view(g.governor, HoraeGovernor::SHORTEST_DELAYCall {}).await?;
                values.require(delay, least.saturating_to(), longest(l1, g).await?, lasting)?;
                let call = HoraeGovernor::setVotingDelayCall { newVotingDelay: U48::saturating_from(delay) };
                one(g.governor, call, from_to("the time before a vote", lasting(now), lasting(delay)))
            }
            Self::SetVotingPeriod => {
                let period = values.seconds()?;
                let now = g.voting_s(l1).await?.1;
                let least: U256 = l1.view(g.governor, HoraeGovernor::SHORTEST_PERIODCall {}).await?;
                values.require(period, least.saturating_to(), longest(l1, g).await?, lasting)?;
                let fitting =
                    u32::try_from(period).map_err(|_| values.wrong(format!("cannot be {}", lasting(period))))?;
                let call = HoraeGovernor::setVotingPeriodCall { newVotingPeriod: fitting };
                one(g.governor, call, from_to("the time of a vote", lasting(now), lasting(period)))
            }
            Self::SetTimelockDelay => {
                let delay = values.seconds()?;
                let now = g.timelock_s(l1).await?;
                let call = Timelock::updateDelayCall { newDelay: U256::from(delay) };
                one(g.timelock, call, from_to("the timelock's delay", lasting(now), lasting(delay)))
            }
            Self::SetProposalThreshold => {
                let threshold = values.metis()?;
                let now = l1.view(g.governor, HoraeGovernor::proposalThresholdCall {}).await?;
                let most: U256 = l1.view(g.governor, HoraeGovernor::MAX_THRESHOLDCall {}).await?;
                values.require(threshold, U256::ZERO, most, metis)?;
                let call = HoraeGovernor::setProposalThresholdCall { newProposalThreshold: threshold };
                one(g.governor, call, from_to("the votes of a proposer", metis(now), metis(threshold)))
            }
            Self::SetRule => {
                let (name, kind) = values.kind()?;
                let (quorum, share) = (values.metis()?, values.share()?);
                let quorum = u128::try_from(quorum).map_err(|_| values.wrong("takes a smaller quorum".to_owned()))?;
                let least = l1.view(g.governor, HoraeGovernor::MIN_QUORUMCall {}).await?;
                let most = l1.view(g.governor, HoraeGovernor::MAX_QUORUMCall {}).await?;
                values.require(quorum, least, most, |wei| metis(U256::from(wei)))?;
                let least = l1.view(g.governor, HoraeGovernor::MIN_SHARECall {}).await?;
                let most = l1.view(g.governor, HoraeGovernor::MAX_SHARECall {}).await?;
                values.require(share, least, most, percent)?;
                let now = g.rule(l1, kind).await?;
                let words = |rule: &Rule| format!("{} and {}", metis(U256::from(rule.quorum)), percent(rule.share));
                let rule = Rule { quorum, share };
                let title = from_to(&format!("what {name} proposals need"), words(&now), words(&rule));
                one(g.governor, HoraeGovernor::setRuleCall { kind, rule_: rule }, title)
            }
            Self::SetBond => {
                let bond = values.metis()?;
                let now = l1.view(g.applications, Applications::bondCall {}).await?;
                let title = from_to("the bond of an application", metis(now), metis(bond));
                one(g.applications, Applications::setBondCall { bond_: bond }, title)
            }
            Self::SetForcedGasFloor => {
                let floor = values.number()?;
                let now = l1.view(g.queue, ForcedQueue::floorCall {}).await?;
                let title = from_to("the least price of forced gas", format!("{now} wei"), format!("{floor} wei"));
                one(g.queue, ForcedQueue::setFloorCall { floor_: floor }, title)
            }
            Self::Upgrade => {
                let (name, proxy) = values.upgradeable(g)?;
                let implementation = values.address()?;
                let admin = l1.proxy_admin(proxy).await?;
                let call = ProxyAdmin::upgradeAndCallCall { proxy, implementation, data: Bytes::new() };
                one(self.there(admin)?, call, format!("put the code at {implementation} behind the {name} ({proxy})"))
            }
            Self::StartLiquidStaking => {
                let factory = values.address()?;
                let selector = FixedBytes(LiquidStakingFactory::approveProviderCall::SELECTOR);
                let approval = Approval { target: factory, selector };
                one(
                    g.pool,
                    LockingPool::setVaultFactoryCall { factory },
                    format!("put the factory of vaults {factory} to use, and "),
                )
                .and(g.power, VotingPower::setRegistrarCall { registrar_: factory }, "")
                .and(g.governor, HoraeGovernor::setLiquidStakingCall { approval }, "")
                .with_round(values, l1, factory)
                .await?
            }
            Self::OpenRound => {
                let factory = self.there(l1.view(g.governor, HoraeGovernor::liquidStakingCall {}).await?.target)?;
                Changed { calls: Vec::new(), title: String::new() }.with_round(values, l1, factory).await?
            }
            Self::SetLiquidStaking => {
                let (target, selector) = (values.address()?, values.selector()?);
                let title = format!("approve providers of liquid staking at {target} by {selector}");
                let call = HoraeGovernor::setLiquidStakingCall { approval: Approval { target, selector } };
                one(g.governor, call, title)
            }
            Self::AddVoteSource => {
                let source = values.address()?;
                one(g.power, VotingPower::addSourceCall { source }, format!("let {source} vote"))
            }
            Self::RemoveVoteSource => {
                let source = values.address()?;
                one(g.power, VotingPower::removeSourceCall { source }, format!("let {source} vote no longer"))
            }
        })
    }

    /// The four numbers of a penalty are set together, so the others are repeated as they are.
    async fn of_penalty(self, values: &mut Values<'_>, l1: &L1, g: &Governance) -> Result<Changed, CliError> {
        let slasher = self.there(g.slasher)?;
        let now = l1.view(slasher, Slasher::penaltyCall {}).await?;
        let mut penalty = Penalty { ..now };
        let title = match self {
            Self::SetSlashFraction => {
                penalty.fraction = values.share()?;
                from_to("what an offence costs", percent(now.fraction), percent(penalty.fraction))
            }
            Self::SetReporterShare => {
                penalty.reporterShare = values.share()?;
                from_to("the reporter's share", percent(now.reporterShare), percent(penalty.reporterShare))
            }
            Self::SetJailTime => {
                penalty.jailTime = values.seconds()?;
                from_to("the time in jail", lasting(now.jailTime), lasting(penalty.jailTime))
            }
            _ => {
                penalty.treasury = values.address()?;
                from_to("where slashed stake goes", now.treasury, penalty.treasury)
            }
        };
        Ok(one(slasher, Slasher::setPenaltyCall { penalty_: penalty }, title))
    }

    fn there(self, contract: Address) -> Result<Address, CliError> {
        match contract.is_zero() {
            true => Err(CliError::new("the LockingPool of this chain is connected to no such contract")),
            false => Ok(contract),
        }
    }
}

impl Changed {
    async fn with_round(self, values: &mut Values<'_>, l1: &L1, factory: Address) -> Result<Self, CliError> {
        let places = values.next("a number of places", u32::from_str)?;
        let cover = values.next("an amount of METIS", parse_metis)?;
        let cover = u128::try_from(cover).map_err(|_| values.wrong("takes a smaller cover".to_owned()))?;
        let lasts = values.seconds()?;
        let begin = l1.head().await?.timestamp_s;
        let words = format!(
            "open a round of {places} places for {}, {} of cover each",
            lasting(lasts),
            metis(U256::from(cover))
        );
        let call = LiquidStakingFactory::openRoundCall { begin, end: begin.saturating_add(lasts), places, cover };
        Ok(self.and(factory, call, &words))
    }

    fn and(mut self, to: Address, call: impl SolCall, words: &str) -> Self {
        self.calls.push(ProposedCall { to, value: U256::ZERO, input: call.abi_encode().into() });
        self.title += words;
        self
    }
}

impl Values<'_> {
    fn wrong(&self, problem: String) -> CliError {
        let name = self.change.to_possible_value();
        let name = name.as_ref().map_or("this change", |value| value.get_name());
        CliError::new(format!("{name} {problem}; see `horae governance propose --help`"))
    }

    /// The governor's own settings cannot be tried out before they are proposed, so their bounds are looked at here.
    fn require<T: PartialOrd>(&self, given: T, least: T, most: T, shown: impl Fn(T) -> String) -> Result<(), CliError> {
        if given >= least && given <= most {
            return Ok(());
        }
        let (given, least, most) = (shown(given), shown(least), shown(most));
        Err(self.wrong(format!("cannot be {given}: the contract has it from {least} to {most} for ever")))
    }

    fn next<T, E: Display>(&mut self, what: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Result<T, CliError> {
        let text = self.left.next().ok_or_else(|| self.wrong(format!("wants {what}")))?;
        read(text).map_err(|why| self.wrong(format!("wants {what}, but `{text}` is none ({why})")))
    }

    fn address(&mut self) -> Result<Address, CliError> {
        self.next("an address", Address::from_str)
    }

    fn number(&mut self) -> Result<u64, CliError> {
        self.next("a number", u64::from_str)
    }

    fn seconds(&mut self) -> Result<u64, CliError> {
        self.next("a time", parse_seconds)
    }

    fn share(&mut self) -> Result<u16, CliError> {
        self.next("a share", parse_share)
    }

    fn metis(&mut self) -> Result<U256, CliError> {
        self.next("an amount of METIS", parse_metis)
    }

    fn selector(&mut self) -> Result<FixedBytes<4>, CliError> {
        self.next("a selector", |text| hex::decode_to_array::<_, 4>(text).map(FixedBytes))
    }

    fn upgradeable(&mut self, g: &Governance) -> Result<(String, Address), CliError> {
        let proxies =
            [("pool", g.pool), ("inbox", g.inbox), ("queue", g.queue), ("slasher", g.slasher), ("rewards", g.rewards)];
        self.next("pool, inbox, queue, slasher or rewards", |text| {
            let found = proxies.iter().find(|(name, proxy)| *name == text && !proxy.is_zero());
            found.map(|(name, proxy)| ((*name).to_owned(), *proxy)).ok_or("there is no such contract")
        })
    }

    fn kind(&mut self) -> Result<(String, u8), CliError> {
        self.next("general, sequencer or liquid-staking", |text| {
            let number = ["general", "sequencer", "liquid-staking"].iter().position(|kind| *kind == text);
            let number = number.and_then(|number| u8::try_from(number).ok());
            number.map(|number| (text.to_owned(), number)).ok_or("there is no such kind")
        })
    }
}

/// Longest voting delay and period, in seconds.
async fn longest(l1: &L1, governance: &Governance) -> Result<u64, CliError> {
    let longest: U256 = l1.view(governance.governor, HoraeGovernor::LONGESTCall {}).await?;
    Ok(longest.saturating_to())
}

fn one(to: Address, call: impl SolCall, title: String) -> Changed {
    Changed { calls: Vec::new(), title }.and(to, call, "")
}

fn from_to(what: &str, now: impl Display, then: impl Display) -> String {
    format!("change {what} from {now} to {then}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn values<'a>(change: Change, texts: &'a [String]) -> Values<'a> {
        Values { change, left: texts.iter() }
    }

    #[test]
    fn values_are_read_in_order_and_what_is_wrong_is_named() {
        let texts = ["sequencer", "50000", "80%"].map(str::to_owned);
        let mut rule = values(Change::SetRule, &texts);
        assert_eq!(rule.kind().unwrap(), ("sequencer".to_owned(), 1));
        assert_eq!(rule.metis().unwrap(), U256::from(50_000) * U256::from(10).pow(U256::from(18)));
        assert_eq!(rule.share().unwrap(), 8_000);
        let said = rule.share().unwrap_err().to_string();
        assert!(said.starts_with("set-rule wants a share; see"), "{said}");
        let texts = ["0x12".to_owned(), "many".to_owned(), "0x12345678".to_owned()];
        let mut wrong = values(Change::SetLiquidStaking, &texts);
        assert!(wrong.address().unwrap_err().to_string().contains("wants an address, but `0x12` is none"));
        assert!(wrong.kind().unwrap_err().to_string().contains("there is no such kind"));
        assert_eq!(wrong.selector().unwrap(), FixedBytes([0x12, 0x34, 0x56, 0x78]));
    }

    #[test]
    fn a_value_out_of_its_bounds_is_told_with_them() {
        let values = values(Change::SetVotingPeriod, &[]);
        assert!(values.require(5, 5, 9, lasting).is_ok() && values.require(9, 5, 9, lasting).is_ok());
        let said = values.require(10, 5, 9, lasting).unwrap_err().to_string();
        assert!(
            said.starts_with("set-voting-period cannot be 10 seconds: the contract has it from 5 seconds to 9 seconds")
        );
    }

    #[test]
    fn every_change_has_a_name_and_says_what_it_takes() {
        for change in Change::value_variants() {
            let value = change.to_possible_value().unwrap();
            let help = value.get_help().unwrap().to_string();
            assert!(help.contains(':'), "{}: {help}", value.get_name());
        }
    }
}
