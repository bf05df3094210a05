// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {LockingEscrow} from "../LockingEscrow.sol";
import {Weights} from "../Weights.sol";
import {IBatchInbox} from "../interfaces/IBatchInbox.sol";
import {ILockingPool} from "../interfaces/ILockingPool.sol";
import {StakeVotes} from "./StakeVotes.sol";

/// @title PoolStorage
/// @notice What the parts of `LockingPool` share: its bounds, its books, and the contracts that it works with.
/// @dev All of the pool's storage that is not namespaced (ERC-7201) is here, so a later version may append to it, and to
/// nothing else: `contracts/storage/LockingPool.json`.
abstract contract PoolStorage is ILockingPool {
    /// @notice A validator as it is kept; `ILockingPool.Validator` is how it is shown.
    struct Record {
        address owner;
        /// Last group key that was made for it.
        uint64 lastKey;
        address signer;
        uint64 unlockedAt;
        Status status;
        address rewardRecipient;
        /// Second of the last change that is throttled.
        uint64 changedAt;
        address proposedOwner;
        uint64 jailedUntil;
        bytes32 nodeKey;
        uint256 stake;
        uint256 rewards;
    }

    /// @notice Bounds of a validator's stake, in wei of METIS.
    uint256 public constant MIN_LOCK = Weights.UNIT;
    uint256 public constant MAX_LOCK = Weights.MAX * Weights.UNIT;
    /// @notice Most active validators. At `Weights.MAX` shares each they hold the 200 that key generation is bounded to.
    uint256 public constant MAX_VALIDATORS = 40;
    /// @notice Most validators that wait. Who waits costs gas when a place is filled, so there must be an end to it.
    uint256 public constant MAX_WAITING = 40;
    /// @notice Most withdrawals of one validator that are under way, for a slash goes through them all.
    uint256 public constant MAX_WITHDRAWALS = 8;
    /// @notice The longest time that governance may set between two changes of a validator.
    uint64 public constant MAX_CHANGE_INTERVAL = 7 days;

    /* Written by `initialize` and never again, which is why they are named like constants. */
    // forge-lint: disable-start(mixed-case-variable)

    /// @notice Holds the money.
    LockingEscrow public ESCROW;
    /// @notice How much stake votes for whom, now and in the past.
    StakeVotes public VOTES;
    /// @notice Seconds that stake stays liable after it has left.
    uint64 public EXIT_DELAY;

    // forge-lint: disable-end(mixed-case-variable)

    /// @inheritdoc ILockingPool
    IBatchInbox public inbox;
    /// @notice The contract that may cut stakes; zero before `connect`.
    address public slasher;
    /// @notice The contract that may credit rewards; zero before `connect`.
    address public rewards;

    /// @notice Most validators that are listed now.
    uint256 public maxValidators;
    /// @notice Least seconds between two changes of a validator's signer or withdrawals.
    uint64 public changeInterval;

    mapping(address owner => bool) public isWhitelisted;
    /// @inheritdoc ILockingPool
    mapping(address owner => uint64 id) public validatorOf;
    /// @inheritdoc ILockingPool
    mapping(address signer => uint64 id) public validatorOfSigner;
    mapping(bytes32 nodeKey => bool) public isNodeKeyUsed;
    /// @notice Second at which a group key came into force.
    mapping(uint64 keyIndex => uint64) public keyInstalledAt;

    mapping(uint64 id => Record) internal _records;
    // slither-disable-next-line uninitialized-state: written through storage pointers.
    mapping(uint64 id => Withdrawal[]) internal _withdrawals;
    uint64[] internal _active;
    uint64[] internal _waiting;
    uint64 internal _lastId;

    /// @dev Stake of `_active`, and its sum over time up to `_summedAt`.
    uint256 internal _listedStake;
    uint256 internal _stakeSeconds;
    uint64 internal _summedAt;

    /// @inheritdoc ILockingPool
    address public vaultFactory;
}
