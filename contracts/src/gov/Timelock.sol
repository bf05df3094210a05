// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title Timelock
/// @notice What governance decides happens from here, and only after a delay, so this is the owner of everything. The
/// delay may be changed within bounds: never below what it began with, so that nobody is surprised, and never beyond
/// `LONGEST`, so that governance cannot lock itself out.
contract Timelock is TimelockController {
    /// @notice The longest delay.
    uint256 public constant LONGEST = 30 days;
    /// @notice The shortest delay: the first one.
    uint256 public immutable SHORTEST;

    error DelayOutOfBounds(uint256 given, uint256 least, uint256 most);

    /// @param delay In seconds.
    /// @param admin Hands out the roles to begin with, and then renounces `DEFAULT_ADMIN_ROLE`.
    constructor(uint256 delay, address admin) TimelockController(delay, new address[](0), new address[](0), admin) {
        require(delay <= LONGEST, DelayOutOfBounds(delay, 0, LONGEST));
        SHORTEST = delay;
    }

    /// @notice Sets the delay of what is scheduled from now on. @dev Only this contract itself.
    function updateDelay(uint256 newDelay) public override {
        require(newDelay >= SHORTEST && newDelay <= LONGEST, DelayOutOfBounds(newDelay, SHORTEST, LONGEST));
        super.updateDelay(newDelay);
    }
}
