// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {BatchInbox} from "../src/BatchInbox.sol";
import {LockingPool} from "../src/LockingPool.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {Fixture} from "./base/Fixture.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice From when the exit delay counts: the rotation that leaves the validator out.
contract PoolExitTest is Fixture {
    uint256 private constant LEAST = 20_000e18;

    Key private first;
    Key private second;
    Key private third;

    function setUp() public {
        for (uint256 n = 1; n <= 4; n++) {
            join(n, LEAST);
        }
        (first, second, third) = (keyOf(0xC0FFEE), keyOf(0xF00D), keyOf(0xBEEF));
        vm.warp(1_700_000_000);
        installFirstKey(first);
    }

    function test_theDelayCountsFromTheRotation() public {
        assertEq(pool.validator(1).lastKey, 1);
        vm.expectEmit(address(pool));
        emit ILockingPool.UnlockInitiated(1, signerOf(1), LEAST, 0);
        _unlock(1);
        _batches(30 days);
        _refusesClaim(1);

        rotate(first, second);
        uint64 leftOutAt = uint64(vm.getBlockTimestamp());
        assertEq(pool.validator(1).lastKey, 1);
        assertEq(pool.validator(2).lastKey, 2);
        assertEq(pool.validator(1).claimableAt, leftOutAt + EXIT_DELAY);
        vm.warp(leftOutAt + EXIT_DELAY - 1);
        assertEq(pool.liable(1), LEAST);
        _refusesClaim(1);
        skip(1);
        assertEq(pool.liable(1), 0);
        vm.prank(ownerOf(1));
        pool.unlockClaim();
        assertEq(metis.balanceOf(ownerOf(1)), LEAST);
    }

    /// @dev Rotations before it leaves, and after it is left out, change nothing.
    function test_onlyTheRotationThatLeavesItOutCounts() public {
        rotate(first, second);
        skip(1 days);
        _unlock(1);
        skip(1 days);
        rotate(second, third);
        uint64 leftOutAt = uint64(vm.getBlockTimestamp());
        skip(5 days);
        rotate(third, first);
        assertEq(pool.validator(1).claimableAt, leftOutAt + EXIT_DELAY);
    }

    /// @dev A key may have been made for it before it left.
    function test_aKeyThatStillNamesItHoldsItBack() public {
        (address[] memory signers, uint64[] memory weights) = pool.snapshot();
        bytes32 digest = inbox.rotationDigest(2, second.px, second.parity, keccak256(abi.encode(signers, weights)));
        _unlock(1);
        inbox.rotate(second.px, second.parity, signers, weights, groupSign(first, digest));
        assertEq(pool.validator(1).lastKey, 2);
        skip(30 days);
        submit(second);
        _refusesClaim(1);
        rotate(second, third);
        assertEq(pool.validator(1).claimableAt, block.timestamp + EXIT_DELAY);
    }

    function test_whoWasInNoKeyCountsFromTheUnlock() public {
        join(5, LEAST);
        vm.expectEmit(address(pool));
        emit ILockingPool.UnlockInitiated(5, signerOf(5), LEAST, uint64(block.timestamp) + EXIT_DELAY);
        _unlock(5);
        _batches(EXIT_DELAY);
        vm.prank(ownerOf(5));
        pool.unlockClaim();
    }

    /// @dev A validator that was left out first, say by an emergency rotation, and unlocks later.
    function test_whoWasLeftOutBeforeCountsFromTheUnlock() public {
        (address[] memory signers, uint64[] memory weights) = (new address[](1), new uint64[](1));
        (signers[0], weights[0]) = (signerOf(2), 1);
        bytes32 digest = inbox.rotationDigest(2, second.px, second.parity, keccak256(abi.encode(signers, weights)));
        inbox.rotate(second.px, second.parity, signers, weights, groupSign(first, digest));
        skip(3 days);
        _unlock(1);
        assertEq(pool.validator(1).claimableAt, block.timestamp + EXIT_DELAY);
    }

    /// @dev Old keys count for their validator: it is in the set under whichever of them.
    function test_aKeyMadeForAnOldSignerHoldsItBackToo() public {
        (address[] memory signers, uint64[] memory weights) = pool.snapshot();
        changeSigner(1, 9);
        bytes32 digest = inbox.rotationDigest(2, second.px, second.parity, keccak256(abi.encode(signers, weights)));
        inbox.rotate(second.px, second.parity, signers, weights, groupSign(first, digest));
        assertEq(pool.validator(1).lastKey, 2);
    }

    function test_aGroupThatIsGoneHoldsNobodysStake() public {
        submit(first);
        uint64 silentSince = uint64(vm.getBlockTimestamp());
        assertEq(inbox.lastAcceptedAt(), silentSince);
        skip(1 days);
        _unlock(1);
        assertEq(pool.validator(1).claimableAt, silentSince + 2 * EXIT_DELAY);
        vm.warp(silentSince + 2 * EXIT_DELAY - 1);
        _refusesClaim(1);
        assertEq(pool.liable(1), LEAST);
        skip(1);
        vm.prank(ownerOf(1));
        pool.unlockClaim();
        assertEq(metis.balanceOf(ownerOf(1)), LEAST);

        // Who leaves when the group is long gone waits for the delay alone.
        skip(365 days);
        _unlock(2);
        assertEq(pool.validator(2).claimableAt, block.timestamp + EXIT_DELAY);
    }

    function test_aGroupThatWasOnlySilentHoldsItsMembersAgain() public {
        _unlock(1);
        skip(2 * EXIT_DELAY - 1);
        submit(first);
        skip(1);
        _refusesClaim(1);
    }

    function test_onlyTheInboxSaysWhatWasInstalled() public {
        address[] memory none = new address[](0);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotConnected.selector, address(this)));
        pool.keyInstalled(7, none);
    }

    /// @dev Whatever the group names, its rotation goes through.
    function test_signersThatThePoolDoesNotKnowAreNoHindrance() public {
        (address[] memory signers, uint64[] memory weights) = (new address[](2), new uint64[](2));
        (signers[0], weights[0], signers[1], weights[1]) = (address(1), 1, address(2), 1);
        bytes32 digest = inbox.rotationDigest(2, second.px, second.parity, keccak256(abi.encode(signers, weights)));
        inbox.rotate(second.px, second.parity, signers, weights, groupSign(first, digest));
        assertEq(inbox.groupKey().index, 2);
        assertEq(pool.keyInstalledAt(2), block.timestamp);
    }

    /* CONNECTING */

    function test_connectingIsDoneOnceByTheOwner() public {
        vm.expectRevert(ILockingPool.AlreadyConnected.selector);
        pool.connect(inbox, address(1), address(2));

        LockingPool other = Proxied.pool(metis, address(this), EXIT_DELAY);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, ownerOf(1)));
        vm.prank(ownerOf(1));
        other.connect(inbox, address(1), address(2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotOurInbox.selector, address(inbox)));
        other.connect(inbox, address(1), address(2));

        BatchInbox its = Proxied.inbox(other, EMERGENCY_DELAY);
        IBatchInbox.GroupKey memory used = IBatchInbox.GroupKey(1, 27, 1, 0);
        vm.mockCall(address(its), abi.encodeCall(IBatchInbox.groupKey, ()), abi.encode(used));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.InboxInUse.selector, 1));
        other.connect(its, address(1), address(2));
        vm.clearMockedCalls();
        vm.expectEmit(address(other));
        emit ILockingPool.Connected(address(its), address(1), address(2));
        other.connect(its, address(1), address(2));
        assertEq(address(other.inbox()), address(its));
    }

    /// @dev As a devnet does it: keys are installed all the same, and the delay counts from the unlock.
    function test_aPoolWithoutAnInboxCountsFromTheUnlock() public {
        pool = Proxied.pool(metis, address(this), EXIT_DELAY);
        inbox = Proxied.inbox(pool, EMERGENCY_DELAY);
        join(11, LEAST);
        installFirstKey(first);
        assertEq(pool.validator(1).lastKey, 0);
        vm.prank(ownerOf(11));
        pool.unlock();
        skip(EXIT_DELAY);
        vm.prank(ownerOf(11));
        pool.unlockClaim();
    }

    /* HELP */

    function _unlock(uint256 n) private {
        vm.prank(ownerOf(n));
        pool.unlock();
    }

    /// @dev The group lives: it has batches accepted all along.
    function _batches(uint256 time) private {
        for (uint256 passed = 0; passed < time; passed += 1 days) {
            skip(1 days);
            submit(first);
        }
    }

    function _refusesClaim(uint64 n) private {
        uint64 claimableAt = pool.validator(n).claimableAt;
        assertGt(claimableAt, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.ExitDelayRunning.selector, claimableAt));
        vm.prank(ownerOf(n));
        pool.unlockClaim();
    }
}
