// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ILockingPool} from "../interfaces/ILockingPool.sol";
import {Roster} from "./Roster.sol";

/// @title Liability
/// @notice What an offence costs: a part of all stake that has not left yet, and the place on the list.
abstract contract Liability is Roster, ReentrancyGuardTransient {
    uint256 private constant WHOLE = 10_000;

    /// @inheritdoc ILockingPool
    /// @dev Not stopped by a pause: a guardian must not be able to shield anyone.
    // slither-disable-next-line reentrancy-no-eth: `VOTES` is ours and calls nobody; METIS comes last.
    function slash(
        uint64 id,
        uint256 fraction,
        uint256 reporterShare,
        address reporter,
        address treasury,
        uint64 jailTime
    ) external nonReentrant returns (uint256 amount) {
        require(msg.sender == slasher, NotConnected(msg.sender));
        require(fraction <= WHOLE, ParameterOutOfBounds(fraction, 0, WHOLE));
        require(reporterShare <= WHOLE, ParameterOutOfBounds(reporterShare, 0, WHOLE));
        require(liable(id) != 0, NothingAtStake(id));

        _jail(id, uint64(block.timestamp) + jailTime);
        amount = _cut(id, fraction);
        _fill();
        uint256 reward = amount * reporterShare / WHOLE;
        emit Slashed(id, reporter, amount, reward);
        if (reward != 0) ESCROW.pay(reporter, reward);
        if (amount != reward) ESCROW.pay(treasury, amount - reward);
    }

    /// @dev Who is leaving goes on leaving: it has no place to lose, and jail would only hold its stake back.
    function _jail(uint64 id, uint64 until) private {
        Record storage v = _records[id];
        if (v.status == Status.Unlocking || v.status == Status.Claimed) return;
        if (until > v.jailedUntil) v.jailedUntil = until;
        bool wasListed = _leave(id, Status.Jailed);
        emit Jailed(id, v.signer, v.jailedUntil, wasListed);
    }

    function _cut(uint64 id, uint256 fraction) private returns (uint256 amount) {
        if (_isStakeLiable(id)) {
            uint256 stake = _records[id].stake;
            amount = stake * fraction / WHOLE;
            _setStake(id, stake - amount);
        }
        Withdrawal[] storage leaving = _withdrawals[id];
        for (uint256 i = 0; i < leaving.length; i++) {
            if (block.timestamp >= leaving[i].claimableAt) continue;
            // forge-lint: disable-next-line(unsafe-typecast): at most the amount, which is a uint128.
            uint128 part = uint128(leaving[i].amount * fraction / WHOLE);
            leaving[i].amount -= part;
            amount += part;
        }
    }
}
