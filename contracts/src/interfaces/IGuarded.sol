// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title IGuarded
/// @notice A pause that ends by itself: a guardian may start one, and can do nothing else. The contract's owner, which is
/// governance, may end it early.
interface IGuarded {
    /// @notice `guardian` may pause from now on; nobody may if it is zero.
    event GuardianChanged(address indexed guardian);
    /// @notice Paused until the second `until`.
    event Paused(uint64 until);
    /// @notice The pause ended before its time.
    event Unpaused();

    error NotGuardian(address caller);
    error PausedUntil(uint64 until);
    error PauseTooSoon(uint64 allowedFrom);

    /// @notice Names the guardian. @dev Only the contract's owner.
    function setGuardian(address guardian) external;

    /// @notice Pauses for `PAUSE_TIME`. @dev Only the guardian, and not again before `PAUSE_REST` after the end of the last.
    function pause() external;

    /// @notice Ends a pause. @dev Only the contract's owner.
    function unpause() external;

    /// @notice Who may pause.
    function guardian() external view returns (address);

    /// @notice The second at which the present pause ends, or the last one ended.
    function pausedUntil() external view returns (uint64);
}
