// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ILockingPool} from "../interfaces/ILockingPool.sol";

/// @title StakeView
/// @notice How a validator stands at the pool, in the few words that a vault wants. Keeps nothing and decides nothing; a
/// contract of its own because the vault has no room to read the pool's answers itself.
contract StakeView {
    struct Standing {
        ILockingPool.Status status;
        /// Whether a withdrawal can be claimed.
        bool isAnyReady;
        /// Whether the whole stake can be claimed.
        bool isOver;
        /// In wei of METIS, as the next two.
        uint256 stake;
        uint256 withdrawing;
        uint256 rewards;
    }

    ILockingPool public immutable POOL;

    constructor(ILockingPool pool) {
        POOL = pool;
    }

    /// @notice How validator `id` stands; all zero if there is none. At most the pool's `MAX_WITHDRAWALS` steps.
    function standing(uint64 id) external view returns (Standing memory s) {
        ILockingPool.Validator memory v = POOL.validator(id);
        (s.status, s.stake, s.rewards) = (v.status, v.stake, v.rewards);
        s.isOver = v.status == ILockingPool.Status.Unlocking && block.timestamp >= v.claimableAt;
        ILockingPool.Withdrawal[] memory leaving = POOL.withdrawals(id);
        for (uint256 i = 0; i < leaving.length; i++) {
            s.withdrawing += leaving[i].amount;
            if (block.timestamp >= leaving[i].claimableAt) s.isAnyReady = true;
        }
    }
}
