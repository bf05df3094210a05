// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Predeploy
/// @notice What the contracts that every L2 has from block 0 on share: the caller that is the protocol itself. It sends its
/// transactions without a key, and the chain's rules say when (`stages/CHAIN.md`).
abstract contract Predeploy {
    /// @notice Whom the protocol calls as.
    address public constant SYSTEM = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;

    /// @notice Only the protocol may call this.
    error NotSystem(address caller);

    modifier onlySystem() {
        _onlySystem();
        _;
    }

    function _onlySystem() private view {
        require(msg.sender == SYSTEM, NotSystem(msg.sender));
    }
}
