// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Weights} from "../Weights.sol";
import {ILockingPool} from "../interfaces/ILockingPool.sol";
import {ExitClock} from "./ExitClock.sol";

/// @title Roster
/// @notice The list of validators, the queue for it, and the sum of listed stake over time.
abstract contract Roster is ExitClock {
    /// @inheritdoc ILockingPool
    function validators() external view returns (Entry[] memory) {
        return _entries(_active);
    }

    /// @inheritdoc ILockingPool
    function waiting() external view returns (Entry[] memory entries) {
        entries = _entries(_waiting);
        for (uint256 i = 1; i < entries.length; i++) {
            Entry memory entry = entries[i];
            uint256 place = i;
            for (; place > 0 && _isBefore(entry, entries[place - 1]); place--) {
                entries[place] = entries[place - 1];
            }
            entries[place] = entry;
        }
    }

    /// @inheritdoc ILockingPool
    function snapshot() external view returns (address[] memory signers, uint64[] memory weights) {
        signers = new address[](_active.length);
        uint256[] memory stakes = new uint256[](_active.length);
        for (uint256 i = 0; i < signers.length; i++) {
            Record storage v = _records[_active[i]];
            uint256 place = i;
            for (; place > 0 && signers[place - 1] > v.signer; place--) {
                signers[place] = signers[place - 1];
                stakes[place] = stakes[place - 1];
            }
            signers[place] = v.signer;
            stakes[place] = v.stake;
        }
        weights = Weights.weigh(stakes);
    }

    /// @inheritdoc ILockingPool
    function stakeSeconds() public view returns (uint256) {
        return _stakeSeconds + _listedStake * (block.timestamp - _summedAt);
    }

    /// @dev Puts a validator on the list, or at the end of a full list's queue.
    // slither-disable-next-line reentrancy-no-eth: `VOTES` is ours and calls nobody.
    function _enter(uint64 id) internal {
        Record storage v = _records[id];
        VOTES.set(v.owner, v.stake);
        if (_active.length < maxValidators) {
            _list(id);
            return;
        }
        require(_waiting.length < MAX_WAITING, QueueFull(MAX_WAITING));
        v.status = Status.Waiting;
        _waiting.push(id);
        emit Queued(id, v.owner, v.signer, v.nodeKey, v.stake);
    }

    /// @dev Takes a validator from the list or queue, if it is in one, gives its place on, and says whether it was listed.
    function _leave(uint64 id, Status status) internal returns (bool wasListed) {
        Record storage v = _records[id];
        wasListed = v.status == Status.Active;
        if (wasListed) {
            _remove(_active, id);
            _addListed(0, v.stake);
        } else if (v.status == Status.Waiting) {
            _remove(_waiting, id);
        }
        v.status = status;
        // An owner has one validator at a time, so this is all that it has.
        VOTES.set(v.owner, 0);
    }

    /// @dev Gives the places that are free to those who wait, most stake first, the lowest id among equals.
    function _fill() internal {
        while (_waiting.length > 0 && _active.length < maxValidators) {
            uint64 best = _waiting[0];
            for (uint256 i = 1; i < _waiting.length; i++) {
                uint64 id = _waiting[i];
                (uint256 a, uint256 b) = (_records[id].stake, _records[best].stake);
                if (a > b || (a == b && id < best)) best = id;
            }
            _remove(_waiting, best);
            _list(best);
        }
    }

    /// @dev Writes a validator's stake, and keeps the sum of what is listed.
    function _setStake(uint64 id, uint256 stake) internal {
        Record storage v = _records[id];
        bool listed = v.status == Status.Active;
        if (listed) _addListed(stake, v.stake);
        v.stake = stake;
        if (listed || v.status == Status.Waiting) VOTES.set(v.owner, stake);
        if (listed) emit StakeChanged(id, v.signer, stake);
        else emit UnlistedStakeChanged(id, v.signer, stake);
    }

    function _list(uint64 id) private {
        Record storage v = _records[id];
        v.status = Status.Active;
        _active.push(id);
        _addListed(v.stake, 0);
        emit Locked(id, v.owner, v.signer, v.nodeKey, v.stake);
    }

    function _addListed(uint256 more, uint256 less) private {
        _stakeSeconds = stakeSeconds();
        _summedAt = uint64(block.timestamp);
        _listedStake = _listedStake + more - less;
    }

    function _remove(uint64[] storage ids, uint64 id) private {
        uint256 last = ids.length - 1;
        for (uint256 i = 0; i < last; i++) {
            if (ids[i] == id) {
                ids[i] = ids[last];
                break;
            }
        }
        ids.pop();
    }

    function _entries(uint64[] storage ids) private view returns (Entry[] memory entries) {
        entries = new Entry[](ids.length);
        for (uint256 i = 0; i < entries.length; i++) {
            Record storage v = _records[ids[i]];
            entries[i] = Entry({id: ids[i], owner: v.owner, signer: v.signer, nodeKey: v.nodeKey, stake: v.stake});
        }
    }

    function _isBefore(Entry memory a, Entry memory b) private pure returns (bool) {
        return a.stake > b.stake || (a.stake == b.stake && a.id < b.id);
    }
}
