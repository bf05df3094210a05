// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Frost} from "../Frost.sol";

/// @title IRewardSchedule
/// @notice What validators earn for ordering: at most rate x listed stake x elapsed L1 seconds / year, split by the committed
/// blocks of each. Sealing faster, or sealing empty blocks, makes it no more. Paid out of what this contract was given and
/// never out of stakes; what is missing is owed, and shown.
///
/// The rate is `FIRST_RATE` for the first twelve months and then what governance says, up to `MAX_RATE`.
interface IRewardSchedule {
    /// @notice Who committed the blocks from `firstBlock` to `lastBlock`; the group signs it.
    struct Settlement {
        /// From 0, without gaps.
        uint64 index;
        /// The block after the last one settled; 1 at first.
        uint64 firstBlock;
        /// At most the last block of an accepted batch.
        uint64 lastBlock;
        /// Validators by number, ascending.
        uint64[] ids;
        /// Blocks of each, above zero, together all of the range.
        uint64[] blocks;
    }

    /// @notice The twelve months have begun.
    event Begun(uint64 at);
    /// @notice After the first twelve months the rate is `rate` / 10,000 a year.
    event RateChanged(uint16 rate);
    /// @notice METIS came in to pay rewards with.
    event Funded(address indexed from, uint256 amount);
    /// @notice Blocks were settled: the schedule allowed `allowed`, of which `due` is owed to validators.
    event Settled(uint64 indexed index, uint64 firstBlock, uint64 lastBlock, uint256 allowed, uint256 due);
    /// @notice A validator is owed `amount` more.
    event Earned(uint64 indexed id, uint64 indexed index, uint256 amount);

    error AlreadyBegun(uint64 at);
    error NotBegun();
    error RateOutOfBounds(uint16 rate, uint16 most);
    error WrongIndex(uint64 given, uint64 expected);
    error WrongBlockRange(uint64 firstBlock, uint64 lastBlock, uint64 expectedFirst);
    error NotAccepted(uint64 lastBlock, uint64 lastAccepted);
    error WrongLengths(uint256 ids, uint256 blocks);
    error WrongBlockCount(uint256 given, uint256 expected);
    error NoBlocks(uint64 id);
    error NotAscending(uint64 id, uint64 previous);
    error UnknownValidator(uint64 id);
    error NoGroupKey();
    error WrongGroupSignature(bytes32 digest);
    error NothingToPay();

    /// @notice Starts the twelve months, and with them the schedule. @dev Only the contract's owner, once.
    function begin() external;

    /// @notice Sets the rate after the first twelve months, from now on. @dev Only the contract's owner.
    function setRate(uint16 rate) external;

    /// @notice Takes `amount` METIS from the caller, who has approved it, to pay rewards with. There is no way back.
    function fund(uint256 amount) external;

    /// @notice Settles the next blocks, and pays what the funds allow. Anyone may carry it.
    /// @param signature Of the group key in force at the inbox, over `settlementDigest(settlement)`.
    function settle(Settlement calldata settlement, Frost.Signature calldata signature) external;

    /// @notice Pays what these validators are still owed, as far as the funds allow, each the same part. Anyone may call.
    function pay(uint64[] calldata ids) external;

    /// @notice Reckons up to now, so that a later change of stake cannot touch what is behind. Anyone may call.
    function checkpoint() external;

    /// @notice What a settlement could pay at most, now.
    function allowed() external view returns (uint256);

    /// @notice What validator `id` has earned and was not paid to the pool yet.
    function owedTo(uint64 id) external view returns (uint256);

    /// @notice What all are owed.
    function owed() external view returns (uint256);

    /// @notice How much of that is not there.
    function missing() external view returns (uint256);

    /// @notice Index of the next settlement.
    function nextIndex() external view returns (uint64);

    /// @notice Last block that was settled.
    function lastSettled() external view returns (uint64);

    /// @notice What the group signs for `settlement`.
    function settlementDigest(Settlement calldata settlement) external view returns (bytes32);
}
