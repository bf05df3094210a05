// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {Fixture} from "./base/Fixture.sol";

/// @notice What the pool does when the slasher says so: cut, jail, and let out again.
contract PoolSlashTest is Fixture {
    uint256 private constant LEAST = 20_000e18;
    uint256 private constant MOST = 100_000e18;
    address private constant REPORTER = address(0xBEE);
    address private constant TREASURY = address(0x7EA);
    uint64 private constant JAIL = 7 days;

    address private slasher;

    function setUp() public {
        slasher = pool.slasher();
        vm.warp(1_700_000_000);
        join(1, MOST);
        join(2, LEAST);
    }

    function test_aSlashCutsJailsAndPays() public {
        vm.expectEmit(address(pool));
        emit ILockingPool.Jailed(1, signerOf(1), uint64(block.timestamp) + JAIL, true);
        vm.expectEmit(address(pool));
        emit ILockingPool.UnlistedStakeChanged(1, signerOf(1), MOST * 3 / 4);
        vm.expectEmit(address(pool));
        emit ILockingPool.Slashed(1, REPORTER, MOST / 4, MOST / 40);
        _slash(1, 2_500);
        assertEq(metis.balanceOf(REPORTER), MOST / 40);
        assertEq(metis.balanceOf(TREASURY), MOST / 4 - MOST / 40);
        assertEq(pool.validator(1).stake, MOST * 3 / 4);
        assertEq(uint8(pool.validator(1).status), uint8(ILockingPool.Status.Jailed));
        assertEq(pool.validators().length, 1);
        assertEq(pool.ESCROW().owed(), MOST * 3 / 4 + LEAST);
    }

    function test_whatIsLeavingIsCutToo() public {
        vm.prank(ownerOf(1));
        pool.withdraw(LEAST);
        skip(2 days);
        vm.startPrank(ownerOf(1));
        pool.withdraw(2 * LEAST);
        pool.unlock();
        vm.stopPrank();
        assertEq(pool.liable(1), MOST);

        // The first part is free by now, the rest is not.
        skip(EXIT_DELAY - 2 days);
        assertEq(pool.liable(1), MOST - LEAST);
        _slash(1, 5_000);
        assertEq(pool.liable(1), (MOST - LEAST) / 2);
        assertEq(uint8(pool.validator(1).status), uint8(ILockingPool.Status.Unlocking), "goes on leaving");
        assertEq(pool.validator(1).jailedUntil, 0);

        skip(2 days);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingAtStake.selector, 1));
        _slash(1, 5_000);
        vm.startPrank(ownerOf(1));
        pool.unlockClaim();
        pool.claimWithdrawals(1);
        vm.stopPrank();
        assertEq(metis.balanceOf(ownerOf(1)), LEAST + (MOST - LEAST) / 2);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingAtStake.selector, 1));
        _slash(1, 5_000);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingAtStake.selector, 77));
        _slash(77, 5_000);
    }

    function test_theFreePlaceGoesToWhoWaits() public {
        pool.setMaxValidators(2);
        join(3, LEAST);
        _slash(1, 100);
        assertEq(uint8(pool.validator(3).status), uint8(ILockingPool.Status.Active));
        assertEq(pool.waiting().length, 0);
    }

    function test_whoWaitsCanBeSlashed() public {
        pool.setMaxValidators(2);
        join(3, LEAST);
        vm.expectEmit(address(pool));
        emit ILockingPool.Jailed(3, signerOf(3), uint64(block.timestamp) + JAIL, false);
        _slash(3, 100);
        assertEq(pool.waiting().length, 0);
        assertEq(pool.validators().length, 2);
    }

    function test_onlyTheSlasherSlashesAndWithinReason() public {
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotConnected.selector, address(this)));
        pool.slash(1, 100, 100, REPORTER, TREASURY, JAIL);
        vm.startPrank(slasher);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.ParameterOutOfBounds.selector, 10_001, 0, 10_000));
        pool.slash(1, 10_001, 100, REPORTER, TREASURY, JAIL);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.ParameterOutOfBounds.selector, 10_001, 0, 10_000));
        pool.slash(1, 100, 10_001, REPORTER, TREASURY, JAIL);
        vm.stopPrank();
    }

    /// @dev All of it, and all to one of the two.
    function test_theExtremes() public {
        vm.prank(slasher);
        pool.slash(1, 10_000, 10_000, REPORTER, TREASURY, JAIL);
        assertEq(metis.balanceOf(REPORTER), MOST);
        vm.prank(slasher);
        pool.slash(2, 10_000, 0, REPORTER, TREASURY, JAIL);
        assertEq(metis.balanceOf(TREASURY), LEAST);
        // Nothing is left, and so nothing to slash; but leaving works.
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingAtStake.selector, 1));
        _slash(1, 1);
        vm.startPrank(ownerOf(1));
        pool.unlock();
        skip(EXIT_DELAY);
        pool.unlockClaim();
        vm.stopPrank();
    }

    /* JAIL */

    function test_comingOutOfJail() public {
        uint64 until = uint64(vm.getBlockTimestamp()) + JAIL;
        _slash(1, 2_500);
        vm.startPrank(ownerOf(1));
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.JailRunning.selector, until));
        pool.release();
        skip(1);
        vm.expectEmit(address(pool));
        emit ILockingPool.Released(1);
        vm.expectEmit(address(pool));
        emit ILockingPool.Locked(1, ownerOf(1), signerOf(1), nodeKeyOf(1), MOST * 3 / 4);
        pool.release();
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotJailed.selector, 1));
        pool.release();
        vm.stopPrank();
        assertEq(pool.validators().length, 2);
    }

    function test_whoFellBelowTheLeastAddsFirst() public {
        _slash(2, 5_000);
        skip(JAIL);
        vm.prank(ownerOf(2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.StakeOutOfBounds.selector, LEAST / 2, LEAST, MOST));
        pool.release();
        fund(2, LEAST / 2);
        vm.startPrank(ownerOf(2));
        pool.increaseStake(LEAST / 2);
        pool.release();
        vm.stopPrank();
        assertEq(uint8(pool.validator(2).status), uint8(ILockingPool.Status.Active));
    }

    function test_governanceHasTheLastWord() public {
        _slash(1, 100);
        skip(JAIL);
        pool.setWhitelist(ownerOf(1), false);
        vm.prank(ownerOf(1));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotWhitelisted.selector, ownerOf(1)));
        pool.release();
        pool.forceUnlock(1);
        assertEq(uint8(pool.validator(1).status), uint8(ILockingPool.Status.Unlocking));
    }

    function test_aSecondOffenceLengthensTheJailAndAShorterOneDoesNot() public {
        _slash(1, 100);
        uint64 until = pool.validator(1).jailedUntil;
        skip(1);
        vm.prank(slasher);
        pool.slash(1, 100, 0, REPORTER, TREASURY, 0);
        assertEq(pool.validator(1).jailedUntil, until);
        _slash(1, 100);
        assertEq(pool.validator(1).jailedUntil, until + 1);
    }

    function test_aFullListMakesTheReleasedWait() public {
        pool.setMaxValidators(2);
        _slash(1, 100);
        join(3, LEAST);
        skip(JAIL);
        vm.prank(ownerOf(1));
        pool.release();
        assertEq(uint8(pool.validator(1).status), uint8(ILockingPool.Status.Waiting));
    }

    function testFuzz_aSlashIsNeverMoreThanItSays(uint256 stake, uint256 part, uint256 fraction) public {
        stake = bound(stake, 2 * LEAST, MOST);
        part = bound(part, 1, stake - LEAST);
        fraction = bound(fraction, 0, 10_000);
        uint64 id = join(3, stake);
        vm.prank(ownerOf(3));
        pool.withdraw(part);
        uint256 owed = pool.ESCROW().owed();
        vm.prank(slasher);
        uint256 amount = pool.slash(id, fraction, 1_000, REPORTER, TREASURY, JAIL);
        assertLe(amount, stake * fraction / 10_000);
        assertGe(amount + 1, stake * fraction / 10_000);
        assertEq(pool.liable(id), stake - amount);
        assertEq(pool.ESCROW().owed(), owed - amount);
        assertEq(metis.balanceOf(REPORTER) + metis.balanceOf(TREASURY), amount);
    }

    function _slash(uint64 id, uint256 fraction) private {
        vm.prank(slasher);
        pool.slash(id, fraction, 1_000, REPORTER, TREASURY, JAIL);
    }
}
