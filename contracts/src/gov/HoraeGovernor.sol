// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";

import {LockingPool} from "../LockingPool.sol";
import {IVotingPower} from "../interfaces/IVotingPower.sol";
import {Applications} from "./Applications.sol";
import {Rules} from "./Rules.sol";

/// @title HoraeGovernor
/// @notice OpenZeppelin's governor: propose, vote (0 against, 1 for, 2 abstain), queue, execute by the timelock. `IRules` says
/// what a proposal needs to pass. Times are in seconds, votes in wei of METIS.
///
/// Whoever proposes holds `proposalThreshold()` votes; the proposals of applications are made by `APPLICATIONS`, where a
/// bond stands for that. Delay, period and threshold change by proposal, within bounds: the two times never below what they
/// began with.
contract HoraeGovernor is GovernorSettings, Rules, GovernorVotes, GovernorTimelockControl {
    /// @notice The longest voting delay, and the longest voting period.
    uint256 public constant LONGEST = 30 days;
    /// @notice The highest proposal threshold.
    uint256 public constant MAX_THRESHOLD = 50_000e18;

    /// @notice Where validators and providers of liquid staking apply. Made by this contract, for it may propose freely.
    Applications public immutable APPLICATIONS;
    /// @notice The shortest voting delay and period: the first ones.
    uint256 public immutable SHORTEST_DELAY;
    uint256 public immutable SHORTEST_PERIOD;

    struct Setup {
        /// Seconds from a proposal to its vote.
        uint48 votingDelay;
        /// Seconds of a vote.
        uint32 votingPeriod;
        /// Votes that a proposer holds.
        uint256 proposalThreshold;
        /// METIS that an applicant leaves.
        uint256 bond;
    }

    error SettingOutOfBounds(uint256 given, uint256 least, uint256 most);

    /// @param power Counts votes. @param timelock Executes, and owns everything. @param pool Whose whitelist it is.
    constructor(IVotingPower power, TimelockController timelock, LockingPool pool, Setup memory setup)
        Governor("Horae")
        GovernorSettings(setup.votingDelay, setup.votingPeriod, setup.proposalThreshold)
        Rules(pool)
        GovernorVotes(power)
        GovernorTimelockControl(timelock)
    {
        SHORTEST_DELAY = setup.votingDelay;
        SHORTEST_PERIOD = setup.votingPeriod;
        APPLICATIONS = new Applications(this, pool, setup.bond, address(timelock));
    }

    function propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description
    ) public override returns (uint256) {
        if (msg.sender == address(APPLICATIONS)) {
            return _propose(targets, values, calldatas, description, msg.sender);
        }
        return super.propose(targets, values, calldatas, description);
    }

    function state(uint256 id) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
        return super.state(id);
    }

    function proposalNeedsQueuing(uint256 id) public view override(Governor, GovernorTimelockControl) returns (bool) {
        return super.proposalNeedsQueuing(id);
    }

    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.proposalThreshold();
    }

    /* INTERNAL */

    /// @dev An application can be withdrawn until it is executed; other proposals until the vote begins.
    function _validateCancel(uint256 id, address caller) internal view override returns (bool) {
        bool application = caller == address(APPLICATIONS) && caller == proposalProposer(id);
        return application || super._validateCancel(id, caller);
    }

    function _setVotingDelay(uint48 delay) internal override {
        _requireWithin(delay, SHORTEST_DELAY, LONGEST);
        super._setVotingDelay(delay);
    }

    function _setVotingPeriod(uint32 period) internal override {
        _requireWithin(period, SHORTEST_PERIOD, LONGEST);
        super._setVotingPeriod(period);
    }

    function _setProposalThreshold(uint256 threshold) internal override {
        _requireWithin(threshold, 0, MAX_THRESHOLD);
        super._setProposalThreshold(threshold);
    }

    function _requireWithin(uint256 given, uint256 least, uint256 most) private pure {
        require(given >= least && given <= most, SettingOutOfBounds(given, least, most));
    }

    function _propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description,
        address proposer
    ) internal override(Governor, Rules) returns (uint256) {
        return super._propose(targets, values, calldatas, description, proposer);
    }

    function _queueOperations(
        uint256 id,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(id, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 id,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(id, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
