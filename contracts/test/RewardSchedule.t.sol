// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {BatchInbox} from "../src/BatchInbox.sol";
import {Frost} from "../src/Frost.sol";
import {RewardSchedule} from "../src/RewardSchedule.sol";
import {IRewardSchedule} from "../src/interfaces/IRewardSchedule.sol";
import {Proxied} from "./base/Proxied.sol";
import {Rewarding} from "./base/Rewarding.sol";

/// @notice The schedule: what it allows, how it is split, and what is refused.
contract RewardScheduleTest is Rewarding {
    uint64 private constant YEAR = 365 days;
    uint256 private constant FUND = 4_600_000e18;

    function setUp() public override {
        super.setUp();
        schedule.begin();
    }

    /* WHAT IS ALLOWED */

    function test_aYearPaysTwentyPercent() public {
        skip(YEAR);
        assertEq(schedule.allowed(), 4 * LEAST / 5);
        // Afterwards nothing until governance says what.
        skip(YEAR);
        schedule.checkpoint();
        assertEq(schedule.allowed(), 4 * LEAST / 5);
    }

    function test_afterTheFirstYearGovernanceSetsTheRate() public {
        vm.expectEmit(address(schedule));
        emit IRewardSchedule.RateChanged(500);
        schedule.setRate(500);
        skip(YEAR / 2);
        assertEq(schedule.allowed(), 4 * LEAST / 10, "the first year is fixed");
        skip(YEAR);
        assertEq(schedule.allowed(), 4 * LEAST / 5 + 4 * LEAST / 40);
        // What is behind keeps its rate.
        schedule.setRate(0);
        skip(YEAR);
        assertEq(schedule.allowed(), 4 * LEAST / 5 + 4 * LEAST / 40);

        vm.expectRevert(abi.encodeWithSelector(IRewardSchedule.RateOutOfBounds.selector, 2_001, 2_000));
        schedule.setRate(2_001);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, ownerOf(1)));
        vm.prank(ownerOf(1));
        schedule.setRate(1);
    }

    /// @dev Stake that comes just before a settlement earns from then on only.
    function test_stakeThatComesLateEarnsLittle() public {
        skip(YEAR / 10 - 1);
        join(3, 5 * LEAST);
        skip(1);
        uint256 expected = (4 * LEAST * uint256(YEAR / 10) + 5 * LEAST) / 5 / YEAR;
        assertEq(schedule.allowed(), expected);
    }

    function test_theSchedulesBeginsOnceByGovernance() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardSchedule.AlreadyBegun.selector, block.timestamp));
        schedule.begin();
        RewardSchedule other = Proxied.schedule(pool, inbox, address(this));
        other.setRate(7);
        skip(1 days);
        assertEq(other.allowed(), 0);
        vm.expectRevert(IRewardSchedule.NotBegun.selector);
        other.checkpoint();
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, ownerOf(1)));
        vm.prank(ownerOf(1));
        other.begin();
        vm.expectEmit(address(other));
        emit IRewardSchedule.Begun(uint64(block.timestamp));
        other.begin();
        assertEq(other.allowed(), 0);
    }

    /* SETTLING */

    function test_aSettlementPaysByBlocks() public {
        _fund(FUND);
        submit(key);
        skip(YEAR / 10);
        uint256 allowed = 4 * LEAST / 50;
        IRewardSchedule.Settlement memory settlement = _settlement(10, 3);
        vm.expectEmit(address(schedule));
        emit IRewardSchedule.Settled(0, 1, 10, allowed, allowed);
        _settle(settlement);
        assertEq(pool.validator(1).rewards, allowed * 3 / 10);
        assertEq(pool.validator(2).rewards, allowed * 7 / 10);
        assertEq(schedule.allowed(), 0);
        assertEq(schedule.owed(), 0);
        assertEq(schedule.missing(), 0);
        assertEq(metis.balanceOf(address(schedule)), FUND - allowed);
        vm.prank(ownerOf(1));
        pool.withdrawRewards(1);
        assertEq(metis.balanceOf(ownerOf(1)), allowed * 3 / 10);
    }

    /// @dev More blocks in the same time are not more money.
    function test_sealingFasterEarnsNoMore() public {
        _fund(FUND);
        for (uint256 i = 0; i < 50; i++) {
            submit(key);
        }
        skip(YEAR / 10);
        _settle(_settlement(500, 250));
        assertEq(pool.validator(1).rewards + pool.validator(2).rewards, 4 * LEAST / 50);
    }

    function test_whatIsMissingIsOwedAndPaidLater() public {
        uint256 allowed = 4 * LEAST / 50;
        _fund(allowed / 4);
        submit(key);
        skip(YEAR / 10);
        _settle(_settlement(10, 5));
        assertEq(pool.validator(1).rewards, allowed / 8);
        assertEq(pool.validator(2).rewards, allowed / 8);
        assertEq(schedule.owed(), allowed * 3 / 4);
        assertEq(schedule.missing(), allowed * 3 / 4);
        assertEq(schedule.owedTo(1), allowed * 3 / 8);
        uint64[] memory ids = new uint64[](1);
        ids[0] = 1;
        vm.expectRevert(IRewardSchedule.NothingToPay.selector);
        schedule.pay(ids);

        _fund(FUND);
        assertEq(schedule.missing(), 0);
        // One named twice is paid once.
        uint64[] memory twice = new uint64[](2);
        (twice[0], twice[1]) = (1, 1);
        schedule.pay(twice);
        assertEq(pool.validator(1).rewards, allowed / 2);
        vm.expectRevert(IRewardSchedule.NothingToPay.selector);
        schedule.pay(ids);
        ids[0] = 2;
        schedule.pay(ids);
        assertEq(pool.validator(2).rewards, allowed / 2);
        assertEq(schedule.owed(), 0);
        assertEq(metis.balanceOf(address(schedule)), FUND + allowed / 4 - allowed);
    }

    function test_whoHasLeftIsPaidAllTheSame() public {
        _fund(FUND);
        submit(key);
        skip(1 days);
        vm.prank(ownerOf(1));
        pool.unlock();
        vm.warp(pool.validator(1).claimableAt);
        vm.prank(ownerOf(1));
        pool.unlockClaim();
        _settle(_settlement(10, 5));
        uint256 earned = pool.validator(1).rewards;
        assertGt(earned, 0);
        vm.prank(ownerOf(1));
        pool.withdrawRewards(1);
        assertEq(metis.balanceOf(ownerOf(1)), LEAST + earned);
    }

    /* WHAT IS REFUSED */

    function test_settlementsFollowOneAnother() public {
        submit(key);
        submit(key);
        IRewardSchedule.Settlement memory settlement = _settlement(10, 5);
        settlement.index = 1;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongIndex.selector, 1, 0));
        settlement = _settlement(10, 5);
        settlement.firstBlock = 2;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongBlockRange.selector, 2, 10, 1));
        (settlement.firstBlock, settlement.lastBlock) = (1, 0);
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongBlockRange.selector, 1, 0, 1));
        _settle(_settlement(10, 5));
        // The same again; and the blocks of it under the next index.
        settlement = _settlement(10, 5);
        settlement.index = 0;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongIndex.selector, 0, 1));
        settlement = _settlement(10, 5);
        (settlement.firstBlock, settlement.lastBlock) = (1, 10);
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongBlockRange.selector, 1, 10, 11));
        _settle(_settlement(10, 5));
        assertEq(schedule.lastSettled(), 20);
    }

    function test_onlyAcceptedBlocksAreSettled() public {
        submit(key);
        _refuses(_settlement(11, 5), abi.encodeWithSelector(IRewardSchedule.NotAccepted.selector, 11, 10));
    }

    function test_everyBlockIsSomebodysOnce() public {
        submit(key);
        IRewardSchedule.Settlement memory settlement = _settlement(10, 5);
        settlement.blocks[0] = 4;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongBlockCount.selector, 9, 10));
        settlement.blocks[0] = type(uint64).max;
        bytes memory tooMany =
            abi.encodeWithSelector(IRewardSchedule.WrongBlockCount.selector, uint256(type(uint64).max) + 5, 10);
        _refuses(settlement, tooMany);
        settlement.blocks[0] = 0;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.NoBlocks.selector, 1));
        settlement = _settlement(10, 5);
        settlement.ids[1] = 1;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.NotAscending.selector, 1, 1));
        settlement.ids[0] = 0;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.NotAscending.selector, 0, 0));
        settlement = _settlement(10, 5);
        settlement.ids[1] = 3;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.UnknownValidator.selector, 3));
        settlement.ids = new uint64[](1);
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongLengths.selector, 1, 2));
        (settlement.ids, settlement.blocks) = (new uint64[](0), new uint64[](0));
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongBlockCount.selector, 0, 10));
    }

    function test_onlyTheGroupInForceSigns() public {
        submit(key);
        IRewardSchedule.Settlement memory settlement = _settlement(10, 5);
        bytes32 digest = schedule.settlementDigest(settlement);
        bytes memory wrong = abi.encodeWithSelector(IRewardSchedule.WrongGroupSignature.selector, digest);
        Key memory other = keyOf(0xF00D);
        Frost.Signature memory signature = groupSign(other, digest);
        vm.expectRevert(wrong);
        schedule.settle(settlement, signature);
        // Of another chain; then of another schedule.
        vm.chainId(5);
        signature = groupSign(key, schedule.settlementDigest(settlement));
        vm.chainId(31_337);
        vm.expectRevert(wrong);
        schedule.settle(settlement, signature);
        RewardSchedule elsewhere = Proxied.schedule(pool, inbox, address(this));
        signature = groupSign(key, elsewhere.settlementDigest(settlement));
        vm.expectRevert(wrong);
        schedule.settle(settlement, signature);
        // After a rotation the old group's word is worth nothing.
        signature = groupSign(key, digest);
        rotate(key, other);
        vm.expectRevert(wrong);
        schedule.settle(settlement, signature);
        schedule.settle(settlement, groupSign(other, digest));
    }

    function test_withoutAKeyNothingIsSettled() public {
        BatchInbox keyless = Proxied.inbox(pool, EMERGENCY_DELAY);
        RewardSchedule other = Proxied.schedule(pool, keyless, address(this));
        IRewardSchedule.Settlement memory settlement = _settlement(0, 0);
        Frost.Signature memory signature = groupSign(key, other.settlementDigest(settlement));
        vm.expectRevert(abi.encodeWithSelector(IRewardSchedule.WrongBlockRange.selector, 1, 0, 1));
        other.settle(settlement, signature);
        settlement = _settlement(10, 5);
        vm.mockCall(address(keyless), abi.encodeCall(keyless.head, ()), abi.encode(1, 10, 0, 0, 0, 0, 0));
        vm.expectRevert(IRewardSchedule.NoGroupKey.selector);
        other.settle(settlement, signature);
    }

    /// @dev Whatever the group signs, the sum is the schedule's.
    function testFuzz_noSignatureMakesItMore(uint32 time, uint64 mine, uint256 stake) public {
        _fund(FUND);
        submit(key);
        join(3, bound(stake, LEAST, 5 * LEAST));
        skip(time);
        uint256 total = 4 * LEAST + pool.validator(3).stake;
        _settle(_settlement(10, uint64(bound(mine, 1, 9))));
        uint256 paid = pool.validator(1).rewards + pool.validator(2).rewards + schedule.owed();
        uint256 early = time < YEAR ? time : YEAR;
        assertLe(paid, total * early / 5 / YEAR);
        assertGe(paid + 3, total * early / 5 / YEAR);
    }

    /// @dev Whoever reckons all the time takes at most a wei each time from all together.
    function testFuzz_reckoningOftenCostsAWeiEachAtMost(uint8 times, uint16 apart) public {
        uint256 start = vm.getBlockTimestamp();
        for (uint256 i = 0; i < times; i++) {
            skip(uint256(apart) + 1);
            schedule.checkpoint();
        }
        uint256 whole = 4 * LEAST * (vm.getBlockTimestamp() - start) / 5 / YEAR;
        assertLe(schedule.allowed(), whole);
        assertGe(schedule.allowed() + times + 1, whole);
    }

    /// @dev No range, and no number of blocks, that a word holds makes a sum overflow or a settlement go through.
    function test_numbersWithoutRoomAreRefusedByName() public {
        submit(key);
        uint64 max = type(uint64).max;
        IRewardSchedule.Settlement memory settlement = _settlement(10, 5);
        settlement.lastBlock = max;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.NotAccepted.selector, max, 10));
        settlement.firstBlock = max;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongBlockRange.selector, max, max, 1));
        settlement = _settlement(10, 5);
        settlement.firstBlock = 0;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongBlockRange.selector, 0, 10, 1));
        settlement = _settlement(10, 5);
        settlement.index = max;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongIndex.selector, max, 0));
        settlement = _settlement(10, 5);
        settlement.ids[1] = max;
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.UnknownValidator.selector, max));
        settlement = _settlement(10, 5);
        (settlement.blocks[0], settlement.blocks[1]) = (max, max);
        uint256 sum = 2 * uint256(max);
        _refuses(settlement, abi.encodeWithSelector(IRewardSchedule.WrongBlockCount.selector, sum, 10));
    }

    function test_payingNobodyIsRefused() public {
        _fund(FUND);
        vm.expectRevert(IRewardSchedule.NothingToPay.selector);
        schedule.pay(new uint64[](0));
        uint64[] memory ids = new uint64[](2);
        (ids[0], ids[1]) = (0, type(uint64).max);
        vm.expectRevert(IRewardSchedule.NothingToPay.selector);
        schedule.pay(ids);
    }

    function test_donationsAreFunds() public {
        submit(key);
        skip(1 days);
        metis.mint(address(schedule), FUND);
        _settle(_settlement(10, 5));
        assertEq(schedule.owed(), 0);
    }

    /* HELP */

    function _fund(uint256 amount) private {
        metis.mint(address(this), amount);
        metis.approve(address(schedule), amount);
        vm.expectEmit(address(schedule));
        emit IRewardSchedule.Funded(address(this), amount);
        schedule.fund(amount);
    }

    /// @dev The next `blocks` blocks, `mine` of them validator 1's and the rest validator 2's.
    function _settlement(uint64 blocks, uint64 mine) private view returns (IRewardSchedule.Settlement memory next) {
        uint64 last = schedule.lastSettled();
        (next.index, next.firstBlock, next.lastBlock) = (schedule.nextIndex(), last + 1, last + blocks);
        (next.ids, next.blocks) = (new uint64[](2), new uint64[](2));
        (next.ids[0], next.ids[1]) = (1, 2);
        (next.blocks[0], next.blocks[1]) = (mine, blocks - mine);
    }

    function _settle(IRewardSchedule.Settlement memory settlement) private {
        schedule.settle(settlement, groupSign(key, schedule.settlementDigest(settlement)));
    }

    function _refuses(IRewardSchedule.Settlement memory settlement, bytes memory reason) private {
        Frost.Signature memory signature = groupSign(key, schedule.settlementDigest(settlement));
        vm.expectRevert(reason);
        schedule.settle(settlement, signature);
    }
}
