//! Proposals: as the governor's event tells them, and where they stand.

use std::fmt;

use alloy::sol_types::SolInterface;
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use horae_contracts::{
    Applications::{self, ApplicationsCalls},
    ForcedQueue::ForcedQueueCalls,
    HoraeGovernor::{self, HoraeGovernorCalls, ProposalCreated},
    LockingPool::LockingPoolCalls,
    ProxyAdmin::ProxyAdminCalls,
    RewardSchedule::RewardScheduleCalls,
    Rule,
    Slasher::SlasherCalls,
    TestMetis::TestMetisCalls,
    Timelock::TimelockCalls,
    VotingPower::VotingPowerCalls,
};
use horae_node::edges::l1::L1;
use serde::Serialize;

use super::contracts::Governance;
use crate::error::CliError;

/// Hexadecimal digits of a proposal's number that are shown in lists.
const SHORT: usize = 8;

/// A proposal.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Its number: a hash.
    pub id: U256,
    /// Who made it.
    pub proposer: Address,
    /// What it does.
    pub calls: Vec<ProposedCall>,
    /// What it says of itself.
    pub description: String,
    /// Unix second after which it can be voted on, and at which votes are counted.
    pub vote_start_s: u64,
    /// Last Unix second of the vote.
    pub vote_end_s: u64,
}

/// A call that the timelock is to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProposedCall {
    /// Which contract.
    pub to: Address,
    /// Wei that go with it.
    pub value: U256,
    /// Selector and arguments.
    pub input: Bytes,
}

/// `IGovernor.ProposalState`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Pending,
    Active,
    Canceled,
    Defeated,
    Succeeded,
    Queued,
    Expired,
    Executed,
}

/// Where a proposal stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its state.
    pub state: State,
    /// Votes against it, in wei of METIS.
    pub against: U256,
    /// For it.
    pub in_favour: U256,
    /// Neither.
    pub abstained: U256,
    /// What it needs.
    pub rule: Rule,
    /// Unix second from which it can be executed; zero unless queued.
    pub executable_s: u64,
}

/// How a proposal is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposalName {
    /// By its number.
    Id(U256),
    /// By the first hexadecimal digits of it, in lower case.
    Begins(String),
    /// By the application that made it.
    Application(u64),
}

/// `0x1a2b3c4d`, as lists show it, or more digits of it; its number in decimal; `a3` for application 3.
pub fn parse_name(text: &str) -> Result<ProposalName, String> {
    let wrong =
        || "is no proposal: 0x and its first digits, as in `horae governance list`, or a3 for application 3".to_owned();
    if let Some(number) = text.strip_prefix('a') {
        return number.parse().map(ProposalName::Application).map_err(|_| wrong());
    }
    let Some(digits) = text.strip_prefix("0x") else {
        let id = Some(text).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        return id.and_then(|text| U256::from_str_radix(text, 10).ok()).map(ProposalName::Id).ok_or_else(wrong);
    };
    if digits.is_empty() || digits.len() > 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    match digits.len() {
        64 => U256::from_str_radix(digits, 16).map(ProposalName::Id).map_err(|_| wrong()),
        _ => Ok(ProposalName::Begins(digits.to_lowercase())),
    }
}

impl fmt::Display for ProposalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{}", whole(*id)),
            Self::Begins(digits) => write!(f, "0x{digits}"),
            Self::Application(number) => write!(f, "a{number}"),
        }
    }
}

impl State {
    /// The state with this number.
    pub fn of(number: u8) -> Option<Self> {
        use State::*;
        let all = [Pending, Active, Canceled, Defeated, Succeeded, Queued, Expired, Executed];
        all.get(usize::from(number)).copied()
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Pending => "not open to votes yet",
            Self::Active => "open to votes",
            Self::Canceled => "cancelled",
            Self::Defeated => "defeated",
            Self::Succeeded => "won, to be queued",
            Self::Queued => "queued at the timelock",
            Self::Expired => "expired",
            Self::Executed => "executed",
        }
    }
}

/// All digits of a proposal's number.
pub fn whole(id: U256) -> String {
    format!("0x{id:064x}")
}

impl From<ProposalCreated> for Proposal {
    fn from(event: ProposalCreated) -> Self {
        let inputs = event.targets.into_iter().zip(event.values).zip(event.calldatas);
        Self {
            id: event.proposalId,
            proposer: event.proposer,
            calls: inputs.map(|((to, value), input)| ProposedCall { to, value, input }).collect(),
            description: event.description,
            vote_start_s: event.voteStart.saturating_to(),
            vote_end_s: event.voteEnd.saturating_to(),
        }
    }
}

impl Proposal {
    /// The one that an application made.
    pub async fn of_application(l1: &L1, governance: &Governance, number: u64) -> Result<Self, CliError> {
        let application = l1.view(governance.applications, Applications::applicationCall { id: number }).await;
        let application = application.map_err(crate::plan::in_words)?;
        let text = l1.view(governance.applications, Applications::proposalOfCall { id: number }).await?;
        let id = application.proposalId;
        let start: U256 = l1.view(governance.governor, HoraeGovernor::proposalSnapshotCall { proposalId: id }).await?;
        let end: U256 = l1.view(governance.governor, HoraeGovernor::proposalDeadlineCall { proposalId: id }).await?;
        let inputs = text.targets.into_iter().zip(text.values).zip(text.calldatas);
        Ok(Self {
            id,
            proposer: governance.applications,
            calls: inputs.map(|((to, value), input)| ProposedCall { to, value, input }).collect(),
            description: text.description,
            vote_start_s: start.saturating_to(),
            vote_end_s: end.saturating_to(),
        })
    }

    /// The first digits of its number.
    pub fn short(&self) -> String {
        whole(self.id)[..SHORT + 2].to_owned()
    }

    /// The first line of its description, without what could confuse a terminal.
    pub fn title(&self) -> String {
        printable(self.description.lines().next().unwrap_or_default())
    }

    /// What the governor's `queue`, `execute` and `cancel` take.
    pub fn arguments(&self) -> (Vec<Address>, Vec<U256>, Vec<Bytes>, B256) {
        let (targets, values, inputs) = split(&self.calls);
        (targets, values, inputs, keccak256(&self.description))
    }

    /// Where it stands.
    pub async fn standing(&self, l1: &L1, governance: &Governance) -> Result<Standing, CliError> {
        let (governor, proposal) = (governance.governor, self.id);
        let state = l1.view(governor, HoraeGovernor::stateCall { id: proposal }).await?;
        let state = State::of(state).ok_or_else(|| CliError::new(format!("the governor gave the state {state}")))?;
        let votes = l1.view(governor, HoraeGovernor::proposalVotesCall { proposalId: proposal }).await?;
        let eta: U256 = l1.view(governor, HoraeGovernor::proposalEtaCall { proposalId: proposal }).await?;
        Ok(Standing {
            state,
            against: votes.againstVotes,
            in_favour: votes.forVotes,
            abstained: votes.abstainVotes,
            rule: l1.view(governor, HoraeGovernor::proposalRuleCall { proposalId: proposal }).await?,
            executable_s: eta.saturating_to(),
        })
    }
}

impl Standing {
    /// Of the votes for and against, those for, in 1 / 10,000; `None` without votes.
    pub fn share(&self) -> Option<u16> {
        let sum = self.in_favour + self.against;
        (!sum.is_zero()).then(|| (self.in_favour * U256::from(10_000) / sum).saturating_to())
    }
}

/// Calls as the governor takes them.
pub fn split(calls: &[ProposedCall]) -> (Vec<Address>, Vec<U256>, Vec<Bytes>) {
    (
        calls.iter().map(|call| call.to).collect(),
        calls.iter().map(|call| call.value).collect(),
        calls.iter().map(|call| call.input.clone()).collect(),
    )
}

impl ProposedCall {
    /// What it does, in the words of the contract where it is one of Horae's.
    pub fn words(&self, governance: &Governance) -> String {
        let decoded = match governance.name_of(self.to) {
            Some("LockingPool") => decoded::<LockingPoolCalls>(&self.input),
            Some("Slasher") => decoded::<SlasherCalls>(&self.input),
            Some("RewardSchedule") => decoded::<RewardScheduleCalls>(&self.input),
            Some("ForcedQueue") => decoded::<ForcedQueueCalls>(&self.input),
            Some("HoraeGovernor") => decoded::<HoraeGovernorCalls>(&self.input),
            Some("Timelock") => decoded::<TimelockCalls>(&self.input),
            Some("Applications") => decoded::<ApplicationsCalls>(&self.input),
            Some("VotingPower") => decoded::<VotingPowerCalls>(&self.input),
            Some("METIS") => decoded::<TestMetisCalls>(&self.input),
            // A proxy's admin is one of many, and known by its calls.
            _ => decoded::<ProxyAdminCalls>(&self.input),
        };
        let name = governance.name_of(self.to).map_or_else(|| self.to.to_string(), str::to_owned);
        let what = decoded.unwrap_or_else(|| hex::encode_prefixed(&self.input));
        let wei = if self.value.is_zero() { String::new() } else { format!(", with {} wei", self.value) };
        format!("{name}: {what}{wei}")
    }
}

/// `setWhitelist { owner: 0x.., allowed: true }`
fn decoded<C: SolInterface + fmt::Debug>(input: &[u8]) -> Option<String> {
    let text = C::abi_decode(input).ok().map(|call| format!("{call:?}"))?;
    let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(&text);
    Some(inner.replacen("Call", "", 1))
}

/// Text of strangers, for a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy::sol_types::SolCall;
    use horae_contracts::LockingPool;

    #[test]
    fn a_proposal_is_named_by_its_digits_its_number_or_its_application() {
        let id = U256::from(0x1a2b) << 240;
        assert_eq!(parse_name(&whole(id)), Ok(ProposalName::Id(id)));
        assert_eq!(parse_name(&id.to_string()), Ok(ProposalName::Id(id)));
        assert_eq!(parse_name("0x1A2b"), Ok(ProposalName::Begins("1a2b".to_owned())));
        assert_eq!(parse_name("a12"), Ok(ProposalName::Application(12)));
        for name in ["0x1a2b", "a12"] {
            assert_eq!(parse_name(name).unwrap().to_string(), name);
        }
        for wrong in ["", "0x", "0xg", "a", "ax", "-1", "1.5", &format!("0x{}", "1".repeat(65)), &"9".repeat(90)] {
            assert!(parse_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_call_is_told_in_the_words_of_its_contract() {
        let zero = Address::ZERO;
        let governance = Governance {
            governor: Address::repeat_byte(1),
            timelock: Address::repeat_byte(2),
            power: Address::repeat_byte(3),
            wrapped: Address::repeat_byte(4),
            stakes: Address::repeat_byte(5),
            applications: Address::repeat_byte(6),
            metis: Address::repeat_byte(7),
            pool: Address::repeat_byte(8),
            queue: Address::repeat_byte(9),
            inbox: Address::repeat_byte(10),
            slasher: zero,
            rewards: zero,
        };
        let input: Bytes = LockingPool::setWhitelistCall { owner: zero, allowed: true }.abi_encode().into();
        let call = ProposedCall { to: governance.pool, value: U256::ZERO, input };
        let said = call.words(&governance);
        assert_eq!(said, format!("LockingPool: setWhitelist {{ owner: {zero}, allowed: true }}"));
        let unknown = ProposedCall { to: zero, value: U256::from(3), input: Bytes::from_static(&[1, 2, 3, 4]) };
        assert_eq!(unknown.words(&governance), format!("{zero}: 0x01020304, with 3 wei"));
    }

    #[test]
    fn the_share_in_favour_is_of_those_for_and_against() {
        let standing = |in_favour: u64, against: u64| Standing {
            state: State::Active,
            against: U256::from(against),
            in_favour: U256::from(in_favour),
            abstained: U256::from(1_000),
            rule: Rule { quorum: 0, share: 0 },
            executable_s: 0,
        };
        assert_eq!(standing(0, 0).share(), None);
        assert_eq!(standing(4, 1).share(), Some(8_000));
        assert_eq!(standing(0, 7).share(), Some(0));
    }

    #[test]
    fn text_of_strangers_does_not_move_the_cursor() {
        assert_eq!(printable("fine\u{1b}[2J\u{7}"), "fine?[2J?");
    }
}
