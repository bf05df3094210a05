// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IGuarded} from "../src/interfaces/IGuarded.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {Fixture} from "./base/Fixture.sol";

/// @notice The pause: who, for how long, and what it stops.
contract GuardedTest is Fixture {
    uint256 private constant LEAST = 20_000e18;
    address private constant GUARDIAN = address(0x6A);

    function setUp() public {
        vm.warp(1_700_000_000);
        join(1, 2 * LEAST);
        vm.expectEmit(address(pool));
        emit IGuarded.GuardianChanged(GUARDIAN);
        pool.setGuardian(GUARDIAN);
    }

    function test_aPauseStopsWhatOwnersDoAndEndsByItself() public {
        uint64 until = _pause();
        bytes memory paused = abi.encodeWithSelector(IGuarded.PausedUntil.selector, until);
        vm.startPrank(ownerOf(1));
        vm.expectRevert(paused);
        pool.lockFor(signerOf(2), nodeKeyOf(2), LEAST, "");
        vm.expectRevert(paused);
        pool.increaseStake(1);
        vm.expectRevert(paused);
        pool.relock(1, 0);
        vm.expectRevert(paused);
        pool.withdraw(1);
        vm.expectRevert(paused);
        pool.claimWithdrawals(1);
        vm.expectRevert(paused);
        pool.withdrawRewards(1);
        vm.expectRevert(paused);
        pool.updateSigner(signerOf(2), "");
        vm.expectRevert(paused);
        pool.updateNodeKey(nodeKeyOf(2));
        vm.expectRevert(paused);
        pool.proposeOwner(ownerOf(2));
        vm.expectRevert(paused);
        pool.acceptOwner(1);
        vm.expectRevert(paused);
        pool.release();
        vm.expectRevert(paused);
        pool.unlockClaim();
        vm.warp(until);
        pool.withdraw(1);
        vm.stopPrank();
    }

    function test_aPauseStopsNeitherLeavingNorSlashing() public {
        join(2, LEAST);
        _pause();
        vm.prank(ownerOf(1));
        pool.unlock();
        address slasher = pool.slasher();
        vm.prank(slasher);
        pool.slash(2, 100, 0, address(1), address(2), 0);
        assertEq(pool.validators().length, 0);
    }

    function test_pausesCannotBeStrungTogether() public {
        uint64 until = _pause();
        uint64 allowedFrom = until + pool.PAUSE_REST();
        vm.startPrank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(IGuarded.PauseTooSoon.selector, allowedFrom));
        pool.pause();
        vm.warp(allowedFrom - 1);
        vm.expectRevert(abi.encodeWithSelector(IGuarded.PauseTooSoon.selector, allowedFrom));
        pool.pause();
        skip(1);
        pool.pause();
        vm.stopPrank();
    }

    function test_governanceEndsAPause() public {
        _pause();
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, GUARDIAN));
        vm.prank(GUARDIAN);
        pool.unpause();
        vm.expectEmit(address(pool));
        emit IGuarded.Unpaused();
        pool.unpause();
        vm.prank(ownerOf(1));
        pool.withdraw(1);
        // Cut short, and still not followed by another at once.
        uint64 allowedFrom = uint64(vm.getBlockTimestamp()) + pool.PAUSE_REST();
        vm.expectRevert(abi.encodeWithSelector(IGuarded.PauseTooSoon.selector, allowedFrom));
        vm.prank(GUARDIAN);
        pool.pause();
        skip(1);
        pool.unpause();
        assertEq(pool.pausedUntil(), block.timestamp - 1, "nothing to end");
    }

    function test_onlyTheGuardianPauses() public {
        vm.expectRevert(abi.encodeWithSelector(IGuarded.NotGuardian.selector, address(this)));
        pool.pause();
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, GUARDIAN));
        vm.prank(GUARDIAN);
        pool.setGuardian(address(1));
    }

    /// @dev The guardian can do nothing else.
    function test_theGuardianHasNoOtherPower() public {
        vm.startPrank(GUARDIAN);
        bytes memory stranger = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, GUARDIAN);
        vm.expectRevert(stranger);
        pool.forceUnlock(1);
        vm.expectRevert(stranger);
        pool.setWhitelist(GUARDIAN, true);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotConnected.selector, GUARDIAN));
        pool.slash(1, 100, 0, address(1), address(2), 0);
        vm.stopPrank();
    }

    function _pause() private returns (uint64 until) {
        until = uint64(vm.getBlockTimestamp()) + pool.PAUSE_TIME();
        vm.expectEmit(address(pool));
        emit IGuarded.Paused(until);
        vm.prank(GUARDIAN);
        pool.pause();
    }
}
