// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Frost} from "../src/Frost.sol";
import {LockingPool} from "../src/LockingPool.sol";
import {RewardSchedule} from "../src/RewardSchedule.sol";
import {TestMetis} from "../src/devnet/TestMetis.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {IRewardSchedule} from "../src/interfaces/IRewardSchedule.sol";
import {Rewarding} from "./base/Rewarding.sol";
import {Signing} from "./base/Signing.sol";

/// @notice A group that signs whatever split it likes, whenever it likes, and a fund that is filled now and then. Keeps
/// its own account of what the schedule allows: rate x stake x seconds, step by step.
contract Greedy is Signing {
    uint256 private constant YEAR = 365 days;

    TestMetis private immutable METIS;
    LockingPool private immutable POOL;
    RewardSchedule private immutable SCHEDULE;
    uint256 private immutable BEGUN_AT;
    Key private _key;

    uint256 public ceiling;
    uint256 public settled;
    uint64 public settlements;
    uint64 public blocksSettled;
    uint256 public refused;
    uint256 public funded;

    constructor(TestMetis metis, LockingPool pool, RewardSchedule schedule, Key memory key) {
        (METIS, POOL, SCHEDULE, _key, BEGUN_AT) = (metis, pool, schedule, key, block.timestamp);
        metis.approve(address(schedule), type(uint256).max);
    }

    function wait(uint256 time) external {
        time = bound(time, 1, 40 days);
        uint256 end = BEGUN_AT + YEAR;
        uint256 rate;
        if (block.timestamp + time <= end) {
            rate = 2_000 * time;
        } else if (block.timestamp >= end) {
            rate = SCHEDULE.rate() * time;
        } else {
            rate = 2_000 * (end - block.timestamp) + SCHEDULE.rate() * (block.timestamp + time - end);
        }
        // Kept in wei x 1 / 10,000 x seconds, so that nothing is lost here by rounding.
        ceiling += _listed() * rate;
        // Mixed rates are exact only from one reckoning to the next.
        SCHEDULE.checkpoint();
        skip(time);
        SCHEDULE.checkpoint();
    }

    function setRate(uint16 rate) external {
        address governance = SCHEDULE.owner();
        vm.prank(governance);
        SCHEDULE.setRate(uint16(bound(rate, 0, 2_000)));
    }

    function settle(uint64 blocks, uint64 mine) external {
        IRewardSchedule.Settlement memory next;
        (uint64 last, uint64 accepted) = (SCHEDULE.lastSettled(), SCHEDULE.INBOX().head().lastBlock);
        if (last + 2 > accepted) return;
        blocks = uint64(bound(blocks, 2, accepted - last));
        (next.index, next.firstBlock, next.lastBlock) = (SCHEDULE.nextIndex(), last + 1, last + blocks);
        (next.ids, next.blocks) = (new uint64[](2), new uint64[](2));
        (next.ids[0], next.ids[1]) = (1, 2);
        next.blocks[0] = uint64(bound(mine, 1, blocks - 1));
        next.blocks[1] = blocks - next.blocks[0];
        bytes32 digest = SCHEDULE.settlementDigest(next);
        uint256 before = SCHEDULE.owed() + _rewards();
        SCHEDULE.settle(next, groupSign(_key, digest));
        settled += SCHEDULE.owed() + _rewards() - before;
        settlements++;
        blocksSettled += blocks;
    }

    /// @dev One that the group signed, but that is not the next: before it, after it, with a gap, or too long.
    function settleOutOfOrder(uint8 how, uint64 by) external {
        IRewardSchedule.Settlement memory next;
        (uint64 last, uint64 accepted) = (SCHEDULE.lastSettled(), SCHEDULE.INBOX().head().lastBlock);
        (next.index, next.firstBlock, next.lastBlock) = (SCHEDULE.nextIndex(), last + 1, last + 1);
        by = uint64(bound(by, 1, type(uint64).max - accepted - 1));
        if (how % 4 == 0) next.index += uint64(bound(by, 1, type(uint32).max));
        else if (how % 4 == 1 && next.index != 0) next.index -= 1;
        else if (how % 4 == 2) next.firstBlock = next.lastBlock = last + 1 + by;
        else next.lastBlock = accepted + by;
        (next.ids, next.blocks) = (new uint64[](1), new uint64[](1));
        (next.ids[0], next.blocks[0]) = (1, next.lastBlock - next.firstBlock + 1);
        Frost.Signature memory signature = groupSign(_key, SCHEDULE.settlementDigest(next));
        vm.expectRevert();
        SCHEDULE.settle(next, signature);
        refused++;
    }

    function fund(uint256 amount) external {
        amount = bound(amount, 1, 2_000e18);
        METIS.mint(address(this), amount);
        SCHEDULE.fund(amount);
        funded += amount;
    }

    function pay() external {
        uint64[] memory ids = new uint64[](2);
        (ids[0], ids[1]) = (1, 2);
        if (SCHEDULE.owed() == 0 || METIS.balanceOf(address(SCHEDULE)) == 0) return;
        SCHEDULE.pay(ids);
    }

    function changeStake(uint256 who, uint256 amount) external {
        uint64 id = uint64(1 + who % 2);
        ILockingPool.Validator memory v = POOL.validator(id);
        if (v.stake == POOL.MAX_LOCK()) return;
        amount = bound(amount, 1, POOL.MAX_LOCK() - v.stake);
        METIS.mint(v.owner, amount);
        vm.prank(v.owner);
        POOL.increaseStake(amount);
    }

    function _listed() private view returns (uint256 sum) {
        ILockingPool.Entry[] memory entries = POOL.validators();
        for (uint256 i = 0; i < entries.length; i++) {
            sum += entries[i].stake;
        }
    }

    function _rewards() private view returns (uint256) {
        return POOL.validator(1).rewards + POOL.validator(2).rewards;
    }
}

contract RewardScheduleInvariantTest is Rewarding {
    Greedy private greedy;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 40; i++) {
            submit(key);
        }
        schedule.begin();
        greedy = new Greedy(metis, pool, schedule, key);
        bytes4[] memory selectors = new bytes4[](7);
        (selectors[0], selectors[1], selectors[2]) =
        (Greedy.wait.selector, Greedy.settle.selector, Greedy.fund.selector);
        (selectors[3], selectors[4], selectors[5]) =
        (Greedy.pay.selector, Greedy.changeStake.selector, Greedy.setRate.selector);
        selectors[6] = Greedy.settleOutOfOrder.selector;
        targetSelector(FuzzSelector(address(greedy), selectors));
        targetContract(address(greedy));
    }

    /// @dev No payout, and no debt, above the schedule.
    function invariant_neverMoreThanTheScheduleAllows() public view {
        uint256 ceiling = greedy.ceiling() / 10_000 / 365 days;
        assertLe(greedy.settled() + schedule.allowed(), ceiling);
    }

    /// @dev What was earned is paid or owed; what was paid came out of the fund, and no stake was touched.
    function invariant_rewardsComeFromTheFundAlone() public view {
        uint256 rewards = pool.validator(1).rewards + pool.validator(2).rewards;
        assertEq(greedy.settled(), rewards + schedule.owed());
        assertEq(metis.balanceOf(address(schedule)), greedy.funded() - rewards);
        assertEq(schedule.owed(), schedule.owedTo(1) + schedule.owedTo(2));
        uint256 stakes = pool.validator(1).stake + pool.validator(2).stake;
        assertEq(metis.balanceOf(address(pool.ESCROW())), stakes + rewards);
    }

    /// @dev I6: settlements count from 0 without gaps, and so do the blocks that they settle.
    function invariant_settlementsFollowOneAnother() public view {
        assertEq(schedule.nextIndex(), greedy.settlements());
        assertEq(schedule.lastSettled(), greedy.blocksSettled());
        assertLe(schedule.lastSettled(), inbox.head().lastBlock);
    }

    function test_theHandlerGetsSomewhere() public {
        greedy.wait(10 days);
        greedy.settle(5, 2);
        assertGt(greedy.settled(), 0);
        greedy.fund(1_000e18);
        greedy.pay();
        greedy.changeStake(1, 5);
        greedy.setRate(100);
        for (uint8 how = 0; how < 4; how++) {
            greedy.settleOutOfOrder(how, 3);
        }
        assertEq(greedy.refused(), 4);
        assertGt(pool.validator(1).rewards, 0);
    }
}
