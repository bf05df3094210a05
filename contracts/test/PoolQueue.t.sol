// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {Fixture} from "./base/Fixture.sol";

/// @notice The bounded list and the queue for it.
contract PoolQueueTest is Fixture {
    uint256 private constant LEAST = 20_000e18;

    function setUp() public {
        vm.expectEmit(address(pool));
        emit ILockingPool.MaxValidatorsChanged(2);
        pool.setMaxValidators(2);
        join(1, LEAST);
        join(2, 2 * LEAST);
    }

    function test_whoComesToAFullListWaits() public {
        fund(3, LEAST);
        bytes memory proof = ecdsa(signerSecret(3), pool.signerDigest(ownerOf(3), signerOf(3)));
        vm.expectEmit(address(pool));
        emit ILockingPool.Queued(3, ownerOf(3), signerOf(3), nodeKeyOf(3), LEAST);
        vm.prank(ownerOf(3));
        pool.lockFor(signerOf(3), nodeKeyOf(3), LEAST, proof);
        assertEq(uint8(pool.validator(3).status), uint8(ILockingPool.Status.Waiting));
        assertEq(pool.validators().length, 2);
        (address[] memory signers,) = pool.snapshot();
        assertEq(signers.length, 2);
    }

    function test_aFreePlaceGoesToTheMostStakeThenTheLowestId() public {
        join(3, LEAST);
        join(4, 3 * LEAST);
        join(5, 3 * LEAST);
        join(6, 2 * LEAST);
        _assertWaiting(4, 5, 6, 3);
        vm.expectEmit(address(pool));
        emit ILockingPool.Locked(4, ownerOf(4), signerOf(4), nodeKeyOf(4), 3 * LEAST);
        vm.prank(ownerOf(1));
        pool.unlock();
        assertEq(uint8(pool.validator(4).status), uint8(ILockingPool.Status.Active));
        pool.forceUnlock(2);
        assertEq(uint8(pool.validator(5).status), uint8(ILockingPool.Status.Active));

        // More stake is a better place.
        fund(3, 2 * LEAST);
        vm.expectEmit(address(pool));
        emit ILockingPool.UnlistedStakeChanged(3, signerOf(3), 3 * LEAST);
        vm.prank(ownerOf(3));
        pool.increaseStake(2 * LEAST);
        pool.setMaxValidators(3);
        assertEq(uint8(pool.validator(3).status), uint8(ILockingPool.Status.Active));
        assertEq(pool.waiting().length, 1);
        assertEq(pool.waiting()[0].id, 6);
    }

    /// @dev Nobody is driven from the list by more stake, or by a smaller list.
    function test_whoIsListedStays() public {
        join(3, 5 * LEAST);
        pool.setMaxValidators(1);
        assertEq(pool.validators().length, 2);
        vm.prank(ownerOf(2));
        pool.unlock();
        assertEq(pool.validators().length, 1);
        assertEq(pool.validators()[0].id, 1);
        assertEq(pool.waiting().length, 1);
    }

    function test_whoWaitsMayLeaveAndIsPaid() public {
        join(3, LEAST);
        vm.expectEmit(address(pool));
        emit ILockingPool.UnlistedUnlockInitiated(3, signerOf(3), LEAST, uint64(block.timestamp) + EXIT_DELAY);
        vm.prank(ownerOf(3));
        pool.unlock();
        assertEq(pool.waiting().length, 0);
        assertEq(pool.validators().length, 2);
        skip(EXIT_DELAY);
        vm.prank(ownerOf(3));
        pool.unlockClaim();
        assertEq(metis.balanceOf(ownerOf(3)), LEAST);
    }

    function test_whoWaitsMayChangeItsSigner() public {
        join(3, LEAST);
        vm.expectEmit(address(pool));
        emit ILockingPool.UnlistedSignerUpdated(3, signerOf(3), signerOf(9));
        changeSigner(3, 9);
        vm.prank(ownerOf(1));
        vm.expectEmit(address(pool));
        emit ILockingPool.Locked(3, ownerOf(3), signerOf(9), nodeKeyOf(3), LEAST);
        pool.unlock();
    }

    function test_whoWaitsWithdrawsNothing() public {
        join(3, 2 * LEAST);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotActive.selector, 3));
        vm.prank(ownerOf(3));
        pool.withdraw(LEAST);
    }

    /// @dev The queue cannot be made so long that a place could no longer be given on.
    function test_theQueueIsBounded() public {
        uint256 limit = pool.MAX_WAITING();
        for (uint256 n = 3; n < 3 + limit; n++) {
            join(n, LEAST);
        }
        uint256 last = 3 + limit;
        fund(last, LEAST);
        bytes memory proof = ecdsa(signerSecret(last), pool.signerDigest(ownerOf(last), signerOf(last)));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.QueueFull.selector, limit));
        vm.prank(ownerOf(last));
        pool.lockFor(signerOf(last), nodeKeyOf(last), LEAST, proof);

        uint256 most = pool.MAX_VALIDATORS();
        pool.setMaxValidators(most);
        assertEq(pool.validators().length, most);
        assertEq(pool.waiting().length, 2 + limit - most);
    }

    function test_theLimitIsGovernances() public {
        uint256 most = pool.MAX_VALIDATORS();
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.ParameterOutOfBounds.selector, 0, 1, most));
        pool.setMaxValidators(0);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.ParameterOutOfBounds.selector, most + 1, 1, most));
        pool.setMaxValidators(most + 1);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, ownerOf(1)));
        vm.prank(ownerOf(1));
        pool.setMaxValidators(3);
    }

    function testFuzz_theQueueIsOrdered(uint256[6] memory stakes) public {
        for (uint256 i = 0; i < stakes.length; i++) {
            join(3 + i, bound(stakes[i], LEAST, 5 * LEAST));
        }
        ILockingPool.Entry[] memory entries = pool.waiting();
        for (uint256 i = 1; i < entries.length; i++) {
            bool tie = entries[i - 1].stake == entries[i].stake && entries[i - 1].id < entries[i].id;
            assertTrue(entries[i - 1].stake > entries[i].stake || tie);
        }
        for (uint256 i = 0; i < entries.length; i++) {
            pool.setMaxValidators(3 + i);
            assertEq(uint8(pool.validator(entries[i].id).status), uint8(ILockingPool.Status.Active));
        }
    }

    function _assertWaiting(uint64 a, uint64 b, uint64 c, uint64 d) private view {
        ILockingPool.Entry[] memory entries = pool.waiting();
        assertEq(entries.length, 4);
        assertEq(abi.encode(entries[0].id, entries[1].id, entries[2].id, entries[3].id), abi.encode(a, b, c, d));
    }
}
