// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Digests} from "./Digests.sol";
import {Frost} from "./Frost.sol";
import {LockingPool} from "./LockingPool.sol";
import {IBatchInbox} from "./interfaces/IBatchInbox.sol";
import {IRewardSchedule} from "./interfaces/IRewardSchedule.sol";

/// @title RewardSchedule
/// @notice Reckons and pays rewards. `IRewardSchedule` is the manual. The sum comes from L1 alone, time and listed stake; the
/// group only says how it is split, so no signature makes it more. Runs behind a proxy that governance upgrades.
contract RewardSchedule is IRewardSchedule, Ownable2StepUpgradeable, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice The yearly rate of the first twelve months, in 1 / 10,000.
    uint16 public constant FIRST_RATE = 2_000;
    /// @notice The most that governance may set for later.
    uint16 public constant MAX_RATE = 2_000;
    /// @notice The first twelve months, and the year of all rates.
    uint64 public constant YEAR = 365 days;
    uint256 private constant WHOLE = 10_000;

    /* Written by `initialize` and never again, which is why they are named like constants. */
    // forge-lint: disable-start(mixed-case-variable)

    IERC20 public METIS;
    LockingPool public POOL;
    IBatchInbox public INBOX;

    // forge-lint: disable-end(mixed-case-variable)

    /// @notice Second at which the twelve months began; zero before.
    uint64 public begunAt;
    /// @notice The yearly rate after them, in 1 / 10,000.
    uint16 public rate;
    /// @inheritdoc IRewardSchedule
    uint64 public nextIndex;
    /// @inheritdoc IRewardSchedule
    uint64 public lastSettled;
    /// @inheritdoc IRewardSchedule
    mapping(uint64 id => uint256) public owedTo;
    /// @inheritdoc IRewardSchedule
    uint256 public owed;

    /// @dev Allowed and not settled, reckoned up to `_reckonedAt`, when the pool's sum was `_stakeSeconds`.
    uint256 private _allowed;
    uint256 private _stakeSeconds;
    uint64 private _reckonedAt;

    constructor() {
        _disableInitializers();
    }

    /// @notice Makes the schedule, within its proxy's construction.
    /// @param pool Whose stakes earn. @param inbox Whose group signs. @param owner Governance.
    function initialize(LockingPool pool, IBatchInbox inbox, address owner) external initializer {
        __Ownable_init(owner);
        POOL = pool;
        INBOX = inbox;
        METIS = pool.ESCROW().METIS();
    }

    /* GOVERNANCE */

    /// @inheritdoc IRewardSchedule
    function begin() external onlyOwner {
        require(begunAt == 0, AlreadyBegun(begunAt));
        begunAt = uint64(block.timestamp);
        _reckonedAt = begunAt;
        _stakeSeconds = POOL.stakeSeconds();
        emit Begun(begunAt);
    }

    /// @inheritdoc IRewardSchedule
    function setRate(uint16 rate_) external onlyOwner {
        require(rate_ <= MAX_RATE, RateOutOfBounds(rate_, MAX_RATE));
        // What is behind keeps the rate that it had.
        if (begunAt != 0) checkpoint();
        rate = rate_;
        emit RateChanged(rate_);
    }

    /* FUNDS */

    /// @inheritdoc IRewardSchedule
    function fund(uint256 amount) external nonReentrant {
        METIS.safeTransferFrom(msg.sender, address(this), amount);
        emit Funded(msg.sender, amount);
    }

    /// @inheritdoc IRewardSchedule
    function pay(uint64[] calldata ids) external nonReentrant {
        require(_pay(ids), NothingToPay());
    }

    /* SETTLING */

    /// @inheritdoc IRewardSchedule
    function settle(Settlement calldata settlement, Frost.Signature calldata signature) external nonReentrant {
        _requireNext(settlement);
        _requireWhole(settlement);
        _requireSigned(settlementDigest(settlement), signature);
        checkpoint();

        uint256 allowed_ = _allowed;
        uint256 blocks = settlement.lastBlock - settlement.firstBlock + 1;
        uint256 due;
        for (uint256 i = 0; i < settlement.ids.length; i++) {
            uint256 part = allowed_ * settlement.blocks[i] / blocks;
            owedTo[settlement.ids[i]] += part;
            due += part;
            emit Earned(settlement.ids[i], settlement.index, part);
        }
        // What rounding leaves over is nobody's: carried on, it would make another epoch more than its own.
        _allowed = 0;
        owed += due;
        nextIndex = settlement.index + 1;
        lastSettled = settlement.lastBlock;
        emit Settled(settlement.index, settlement.firstBlock, settlement.lastBlock, allowed_, due);
        _pay(settlement.ids);
    }

    /// @inheritdoc IRewardSchedule
    function checkpoint() public {
        require(begunAt != 0, NotBegun());
        _allowed = allowed();
        _stakeSeconds = POOL.stakeSeconds();
        _reckonedAt = uint64(block.timestamp);
    }

    /* VIEWS */

    /// @inheritdoc IRewardSchedule
    /// @dev Over an end of the twelve months the two rates are mixed by time.
    function allowed() public view returns (uint256) {
        uint256 elapsed = block.timestamp - _reckonedAt;
        if (begunAt == 0 || elapsed == 0) return _allowed;
        uint256 end = uint256(begunAt) + YEAR;
        uint256 early = block.timestamp <= end ? elapsed : end > _reckonedAt ? end - _reckonedAt : 0;
        uint256 rates = FIRST_RATE * early + uint256(rate) * (elapsed - early);
        return _allowed + (POOL.stakeSeconds() - _stakeSeconds) * rates / (elapsed * WHOLE * YEAR);
    }

    /// @inheritdoc IRewardSchedule
    function missing() external view returns (uint256) {
        uint256 funds = METIS.balanceOf(address(this));
        return owed > funds ? owed - funds : 0;
    }

    /// @inheritdoc IRewardSchedule
    function settlementDigest(Settlement calldata settlement) public view returns (bytes32) {
        return Digests.settlement(block.chainid, address(this), settlement);
    }

    /* INTERNAL */

    function _requireNext(Settlement calldata settlement) private view {
        require(settlement.index == nextIndex, WrongIndex(settlement.index, nextIndex));
        uint64 expected = lastSettled + 1;
        require(
            settlement.firstBlock == expected && settlement.lastBlock >= expected,
            WrongBlockRange(settlement.firstBlock, settlement.lastBlock, expected)
        );
        uint64 accepted = INBOX.head().lastBlock;
        require(settlement.lastBlock <= accepted, NotAccepted(settlement.lastBlock, accepted));
    }

    /// @dev Every block of the range is somebody's, once.
    function _requireWhole(Settlement calldata settlement) private view {
        (uint64[] calldata ids, uint64[] calldata blocks) = (settlement.ids, settlement.blocks);
        require(ids.length == blocks.length, WrongLengths(ids.length, blocks.length));
        uint64 last = POOL.validatorCount();
        uint64 previous;
        uint256 sum;
        for (uint256 i = 0; i < ids.length; i++) {
            require(ids[i] > previous, NotAscending(ids[i], previous));
            require(ids[i] <= last, UnknownValidator(ids[i]));
            require(blocks[i] != 0, NoBlocks(ids[i]));
            previous = ids[i];
            sum += blocks[i];
        }
        uint256 expected = settlement.lastBlock - settlement.firstBlock + 1;
        require(sum == expected, WrongBlockCount(sum, expected));
    }

    function _requireSigned(bytes32 digest, Frost.Signature calldata signature) private view {
        IBatchInbox.GroupKey memory key = INBOX.groupKey();
        require(key.index != 0, NoGroupKey());
        require(Frost.verify(key.px, key.parity, signature, abi.encode(digest)), WrongGroupSignature(digest));
    }

    /// @dev Pays each the same part of what it is owed, all of it if the funds suffice; says whether anything was paid.
    function _pay(uint64[] calldata ids) private returns (bool) {
        uint256 funds = METIS.balanceOf(address(this));
        uint256 wanted;
        for (uint256 i = 0; i < ids.length; i++) {
            wanted += owedTo[ids[i]];
        }
        if (wanted == 0 || funds == 0) return false;
        uint256[] memory amounts = new uint256[](ids.length);
        uint256 sum;
        for (uint256 i = 0; i < ids.length; i++) {
            uint256 mine = owedTo[ids[i]];
            amounts[i] = funds < wanted ? mine * funds / wanted : mine;
            // One named twice is owed less the second time, and never less than nothing.
            owedTo[ids[i]] = mine - amounts[i];
            sum += amounts[i];
        }
        owed -= sum;
        METIS.forceApprove(address(POOL.ESCROW()), sum);
        POOL.creditRewards(ids, amounts);
        return true;
    }
}
