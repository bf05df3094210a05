// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";

import {IGuarded} from "./interfaces/IGuarded.sol";

/// @title Guarded
/// @notice The bounded pause of `IGuarded`. Not OpenZeppelin's `Pausable`, whose pauses have no end.
/// @dev Its storage has a namespace (ERC-7201), as OpenZeppelin's has: a contract's own variables lie alone from slot 0 on.
abstract contract Guarded is IGuarded, Ownable2StepUpgradeable {
    /// @custom:storage-location erc7201:horae.storage.Guarded
    struct Guard {
        address guardian;
        uint64 pausedUntil;
    }

    /// @notice Seconds that a pause lasts: time enough for governance to look, below any exit delay.
    uint64 public constant PAUSE_TIME = 3 days;
    /// @notice Seconds between the end of a pause and the next, so that pauses cannot be strung together.
    uint64 public constant PAUSE_REST = 14 days;

    /// @dev keccak256(abi.encode(uint256(keccak256("horae.storage.Guarded")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant GUARD_SLOT = 0x3e2a68e2cf03ecdc9441e02db714b0c56f60adefe72d42cf1e9d4298f5740500;

    modifier whenNotPaused() {
        _requireNotPaused();
        _;
    }

    /// @inheritdoc IGuarded
    function setGuardian(address guardian_) external onlyOwner {
        _guard().guardian = guardian_;
        emit GuardianChanged(guardian_);
    }

    /// @inheritdoc IGuarded
    function pause() external {
        Guard storage guard = _guard();
        require(msg.sender == guard.guardian, NotGuardian(msg.sender));
        uint64 last = guard.pausedUntil;
        uint64 allowedFrom = last == 0 ? 0 : last + PAUSE_REST;
        require(block.timestamp >= allowedFrom, PauseTooSoon(allowedFrom));
        uint64 until = uint64(block.timestamp) + PAUSE_TIME;
        guard.pausedUntil = until;
        emit Paused(until);
    }

    /// @inheritdoc IGuarded
    function unpause() external onlyOwner {
        Guard storage guard = _guard();
        // The rest counts from here: a pause that was cut short is no reason for another at once.
        if (guard.pausedUntil > block.timestamp) guard.pausedUntil = uint64(block.timestamp);
        emit Unpaused();
    }

    /// @inheritdoc IGuarded
    function guardian() external view returns (address) {
        return _guard().guardian;
    }

    /// @inheritdoc IGuarded
    function pausedUntil() external view returns (uint64) {
        return _guard().pausedUntil;
    }

    function _requireNotPaused() private view {
        uint64 until = _guard().pausedUntil;
        require(block.timestamp >= until, PausedUntil(until));
    }

    function _guard() private pure returns (Guard storage guard) {
        assembly ("memory-safe") {
            guard.slot := GUARD_SLOT
        }
    }
}
