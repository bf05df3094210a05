//! What the errors of governance mean for whoever typed the command.

use super::proposal::State;

/// Advice for an error by its name; `reason` is the error with its values.
pub fn of_governance(name: &str, reason: &str) -> Option<String> {
    let advice = match name {
        "GovernorUnexpectedProposalState" => return Some(in_state(reason)),
        "GovernorNonexistentProposal" => "there is no such proposal; see `horae governance list`",
        "GovernorAlreadyCastVote" => "this account has voted on it already; a vote cannot be changed",
        "GovernorInsufficientProposerVotes" => {
            "who proposes must hold more votes (in wei of METIS), and votes count from the second after they came; see `horae vote power`"
        }
        "GovernorUnableToCancel" => "only who proposed it may cancel, and only before the vote begins",
        "GovernorRestrictedProposer" => "its description says that only another account may propose it",
        "GovernorAlreadyQueuedProposal" => "it is queued already; `horae governance execute` is next",
        "TimelockUnexpectedOperationState" => "the timelock does not let it through yet; see `horae governance show`",
        "SettingOutOfBounds"
        | "DelayOutOfBounds"
        | "RuleOutOfBounds"
        | "BondOutOfBounds"
        | "RateOutOfBounds"
        | "PenaltyOutOfBounds"
        | "ParameterOutOfBounds" => {
            "the value is outside the bounds that the contract sets for ever (given, least, most; METIS in wei)"
        }
        "AlreadyApplied" => "this account has an application under way; `horae apply show`, or settle or withdraw it",
        "AlreadyWhitelisted" => "this account may own a validator already: `horae stake lock`",
        "KeysTaken" => "these keys served a validator before; keys serve once: make a new home with `horae init`",
        "ProfileIncomplete" => {
            "an application needs where it is written out, its hash and a contact; a sequencer's its keys too"
        }
        "ProfileTooLong" => "the address or the contact is too long (bytes given, most)",
        "NoLiquidStaking" => "governance has not said yet how providers of liquid staking are approved",
        "UnknownApplication" => "there is no such application; see `horae apply list`",
        "NotApplicant" => "only the applicant may withdraw it",
        "AlreadySettled" => "its bond has been paid",
        "NotDecided" => "the vote has not decided yet; see `horae apply show`",
        "AlreadyDecided" => "it is decided; `horae apply settle` pays its bond",
        "AlreadySource" => "this contract votes already",
        "NotSource" | "NotVotes" => "this contract is no source of votes",
        "ApprovalNotAllowed" => "providers of liquid staking cannot be approved at this contract",
        "AlreadyBegun" => "rewards have begun",
        "RoundMalformed" => {
            "a round must end after it began, in the future, with places, and a cover of at most 100,000 METIS"
        }
        "RoundNotOpen" => {
            "the round does not take applications now (round, begin, end in Unix time); see `horae vault show`"
        }
        "RoundFull" => "all places of the round are taken",
        "NotApplied" => "the provider has not asked for a vault: `horae vault create`",
        "HasVault" => "the provider runs a vault already",
        "NotProvider" => "only the vault's provider may do this",
        "DepositTooSmall" => "the deposit is worth no share",
        "VaultClosed" => "the vault is closed: shares can be redeemed, nothing can be added",
        "HasValidator" => {
            "the vault has a validator already; `horae vault rebalance` adds what is in hand to its stake"
        }
        "TooLittleToLock" => "the vault has fewer METIS in hand than a validator needs (in wei: free, least)",
        "CoverTooSmall" => "the provider's cover is not whole: `horae vault cover` (in wei: cover, needed)",
        "TooManyRequests" => "so many requests wait in the queue already; `horae vault claim` what was served",
        "NothingRequested" => "nothing was asked for",
        "ERC4626ExceededMaxDeposit" => "the vault takes no more than that (in wei)",
        "TimelockUnauthorizedCaller" | "GovernorOnlyExecutor" => "only governance itself may do this, by a proposal",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// `GovernorUnexpectedProposalState { proposalId: .., current: 3, .. }`
fn in_state(reason: &str) -> String {
    let number = reason.split("current: ").nth(1).and_then(|rest| rest.split([',', ' ', '}']).next());
    match number.and_then(|number| number.parse().ok()).and_then(State::of) {
        Some(state) => format!("the proposal is {}, which does not allow this", state.words()),
        None => "the proposal does not stand so that this is allowed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_proposal_is_told_in_words() {
        let reason = "GovernorUnexpectedProposalState { proposalId: 77, current: 3, expectedStates: 0x02 }";
        let said = of_governance("GovernorUnexpectedProposalState", reason);
        assert_eq!(said.as_deref(), Some("the proposal is defeated, which does not allow this"));
        assert!(of_governance("GovernorUnexpectedProposalState", "x").is_some());
        assert_eq!(of_governance("SomethingElse", "x"), None);
    }
}
