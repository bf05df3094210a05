// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IGuarded} from "./interfaces/IGuarded.sol";

/// @title Guarded
/// @notice The bounded pause of `IGuarded`. Not OpenZeppelin's `Pausable`, whose pauses have no end.
abstract contract Guarded is IGuarded, Ownable2Step {
    /// @notice Seconds that a pause lasts: time enough for governance to look, below any exit delay.
    uint64 public constant PAUSE_TIME = 3 days;
    /// @notice Seconds between the end of a pause and the next, so that pauses cannot be strung together.
    uint64 public constant PAUSE_REST = 14 days;

    /// @inheritdoc IGuarded
    address public guardian;
    /// @inheritdoc IGuarded
    uint64 public pausedUntil;

    modifier whenNotPaused() {
        _requireNotPaused();
        _;
    }

    /// @inheritdoc IGuarded
    function setGuardian(address guardian_) external onlyOwner {
        guardian = guardian_;
        emit GuardianChanged(guardian_);
    }

    /// @inheritdoc IGuarded
    function pause() external {
        require(msg.sender == guardian, NotGuardian(msg.sender));
        uint64 allowedFrom = pausedUntil == 0 ? 0 : pausedUntil + PAUSE_REST;
        require(block.timestamp >= allowedFrom, PauseTooSoon(allowedFrom));
        pausedUntil = uint64(block.timestamp) + PAUSE_TIME;
        emit Paused(pausedUntil);
    }

    /// @inheritdoc IGuarded
    function unpause() external onlyOwner {
        // The rest counts from here: a pause that was cut short is no reason for another at once.
        if (pausedUntil > block.timestamp) pausedUntil = uint64(block.timestamp);
        emit Unpaused();
    }

    function _requireNotPaused() private view {
        require(block.timestamp >= pausedUntil, PausedUntil(pausedUntil));
    }
}
