// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ILockingPool} from "../interfaces/ILockingPool.sol";
import {PoolStorage} from "./PoolStorage.sol";

/// @title ExitClock
/// @notice When stake that leaves is free, and how much is liable until then. A key's signers answer with their stake for
/// as long as they may sign under it, so the exit delay counts from the rotation that leaves a validator out.
abstract contract ExitClock is PoolStorage {
    /// @inheritdoc ILockingPool
    /// @dev One word is written for each signer, and nothing here can fail for any list: a rotation must go through.
    function keyInstalled(uint64 keyIndex, address[] calldata signers) external {
        require(msg.sender == address(inbox), NotConnected(msg.sender));
        keyInstalledAt[keyIndex] = uint64(block.timestamp);
        for (uint256 i = 0; i < signers.length; i++) {
            uint64 id = validatorOfSigner[signers[i]];
            // A group may sign for keys that the pool does not know: in an emergency they may be its own.
            if (id != 0) _records[id].lastKey = keyIndex;
        }
    }

    /// @inheritdoc ILockingPool
    function liable(uint64 id) public view returns (uint256 amount) {
        if (_isStakeLiable(id)) amount = _records[id].stake;
        Withdrawal[] storage leaving = _withdrawals[id];
        for (uint256 i = 0; i < leaving.length; i++) {
            if (block.timestamp < leaving[i].claimableAt) amount += leaving[i].amount;
        }
    }

    /// @inheritdoc ILockingPool
    function withdrawals(uint64 id) external view returns (Withdrawal[] memory) {
        return _withdrawals[id];
    }

    function _isStakeLiable(uint64 id) internal view returns (bool) {
        Status status = _records[id].status;
        if (status == Status.Unlocking) return block.timestamp < _claimableAt(id);
        return status != Status.Unknown && status != Status.Claimed;
    }

    /// @dev Of a validator that is unlocking. While a key made for it is in force this moves on with every batch.
    function _claimableAt(uint64 id) internal view returns (uint64) {
        Record storage leaving = _records[id];
        uint64 start = leaving.unlockedAt;
        if (leaving.lastKey != 0) {
            uint64 leftOutAt = keyInstalledAt[leaving.lastKey + 1];
            // A group that has accepted nothing for an exit delay is gone, and signs nothing that could be slashed.
            if (leftOutAt == 0) leftOutAt = inbox.lastAcceptedAt() + EXIT_DELAY;
            if (leftOutAt > start) start = leftOutAt;
        }
        return start + EXIT_DELAY;
    }

    /// @dev For events: zero while the delay waits for a rotation.
    function _announcedClaim(uint64 id) internal view returns (uint64) {
        uint64 lastKey = _records[id].lastKey;
        return lastKey != 0 && keyInstalledAt[lastKey + 1] == 0 ? 0 : _claimableAt(id);
    }
}
