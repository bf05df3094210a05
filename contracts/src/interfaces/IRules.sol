// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title IRules
/// @notice What a proposal needs to pass, by what it would do. Nobody declares what kind a proposal is: it follows from its
/// calls.
///
/// | kind | its calls | quorum | in favour | taken from |
/// |---|---|---|---|---|
/// | `Validator` | `setWhitelist(owner, true)` on the pool | 50,000 METIS | 80 % | ceg.vote category 1905 |
/// | `LiquidStaking` | the approval of a provider at `liquidStaking()` | 20,000 METIS | 80 % | ceg.vote category 428 |
/// | `General` | anything else: parameters, offboarding, funds, owners | 50,000 METIS | 80 % | category 1905, which decides offboarding too |
///
/// (The figures are those of the deployment; governance changes them within the bounds.) The quorum counts votes in favour
/// and abstentions; the part in favour is of votes in favour and against. A proposal of several calls needs the highest
/// quorum and the highest part of all of its calls; one general call makes it need the highest of all kinds, so nothing
/// that an application would decide is cheaper in disguise. The rule is fixed when the proposal is made.
///
/// The incumbent's "500 wallets at least" is not here: on L1 anyone can make 500 wallets.
interface IRules {
    enum Kind {
        General,
        Validator,
        LiquidStaking
    }

    struct Rule {
        /// In wei of METIS.
        uint128 quorum;
        /// In 1 / 10,000.
        uint16 share;
    }

    /// @notice How a provider of liquid staking is approved.
    struct Approval {
        /// Zero while there is no liquid staking.
        address target;
        /// Of a function that takes `(address provider, bool approved)`, or the first of them only.
        bytes4 selector;
    }

    /// @notice Proposals of this kind need this from now on.
    event RuleChanged(Kind indexed kind, Rule rule);
    /// @notice Providers are approved so from now on.
    event LiquidStakingChanged(Approval approval);
    /// @notice What a proposal needs.
    event ProposalRuled(uint256 indexed proposalId, Rule rule);

    error RuleOutOfBounds(Rule rule);
    error ApprovalNotAllowed(address target);

    /// @notice Sets what proposals of a kind need. @dev Only by a proposal.
    function setRule(Kind kind, Rule calldata rule) external;

    /// @notice Sets how providers are approved. @dev Only by a proposal.
    function setLiquidStaking(Approval calldata approval) external;

    /// @notice What was set for a kind. A general proposal needs at least what is set for each of the others too.
    function rule(Kind kind) external view returns (Rule memory);

    /// @notice What a proposal needs; zeros if there is none.
    function proposalRule(uint256 proposalId) external view returns (Rule memory);

    /// @notice Of what kind a call is.
    function kindOf(address target, uint256 value, bytes memory data) external view returns (Kind);

    /// @notice How providers are approved.
    function liquidStaking() external view returns (Approval memory);
}
