// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Predeploy} from "./Predeploy.sol";

/// @title FeePot
/// @notice Holds the part of the L2 fees that is for whoever carries batches to L1. Lies at
/// 0x4200000000000000000000000000000000000101 from block 0 on. The chain's rules credit each block's part when the block closes, and
/// pay all that is there to the carrier of each batch, in the block that sees on L1 that the batch was accepted.
contract FeePot is Predeploy {
    /// @notice Gas that a carrier's contract has to receive with.
    uint256 public constant RECEIVE_GAS = 30_000;

    /// @notice The carrier of a batch was paid.
    event Paid(address indexed carrier, uint256 amount);
    /// @notice The carrier did not take it: the money stays, for the carrier of a later batch.
    event Kept(address indexed carrier, uint256 amount);

    /// @notice Takes gifts.
    receive() external payable {}

    /// @notice Pays all there is to a carrier. Only the protocol calls it. It does not fail if the carrier does.
    // slither-disable-next-line missing-zero-check,return-bomb: whom the protocol names; an answer costs no more than `RECEIVE_GAS`.
    function pay(address carrier) external onlySystem {
        uint256 amount = address(this).balance;
        (bool taken,) = carrier.call{value: amount, gas: RECEIVE_GAS}("");
        if (taken) emit Paid(carrier, amount);
        else emit Kept(carrier, amount);
    }
}
