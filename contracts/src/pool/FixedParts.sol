// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {LockingEscrow} from "../LockingEscrow.sol";
import {StakeVotes} from "./StakeVotes.sol";

/// @title FixedParts
/// @notice Makes the two parts of a pool that no upgrade changes: its escrow and its ledger of votes. Both obey the caller.
/// @dev The pool calls this when it is initialized, for only then is the address known that the parts shall obey, and has
/// no room for their code itself. Made by the pool's implementation, so nobody can put other parts in their place.
contract FixedParts {
    /// @notice An escrow of `metis` and a ledger of votes, which belong to the caller.
    function make(IERC20 metis) external returns (LockingEscrow escrow, StakeVotes votes) {
        escrow = new LockingEscrow(metis, msg.sender);
        votes = new StakeVotes(msg.sender);
    }
}
