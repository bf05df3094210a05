// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {Fixture} from "./base/Fixture.sol";

/// @notice What those whom governance has let in can do to others, what it costs them, and how it ends.
contract PoolGriefingTest is Fixture {
    uint256 private constant LEAST = 20_000e18;
    uint256 private constant MOST = 100_000e18;

    function setUp() public {
        vm.warp(1_700_000_000);
        pool.setMaxValidators(1);
        join(1, LEAST);
    }

    /// @dev A place in the queue costs the least stake for a whole exit delay, also if it is given up at once.
    function test_fillingTheQueueLocksStakeInEachPlace() public {
        uint256 places = pool.MAX_WAITING();
        for (uint256 n = 2; n < 2 + places; n++) {
            join(n, LEAST);
            vm.prank(ownerOf(n));
            pool.unlock();
            vm.prank(ownerOf(n));
            vm.expectRevert(
                abi.encodeWithSelector(ILockingPool.ExitDelayRunning.selector, block.timestamp + EXIT_DELAY)
            );
            pool.unlockClaim();
        }
        // Given up they stand in nobody's way; and the stakes are still here.
        assertEq(pool.waiting().length, 0);
        assertEq(pool.ESCROW().owed(), (1 + places) * LEAST);
        join(100, LEAST);
        assertEq(pool.waiting().length, 1);
    }

    /// @dev Only those let in can wait, so a queue full of one's friends ends with a word of governance.
    function test_governanceEmptiesAQueueThatKeepsOthersOut() public {
        uint256 places = pool.MAX_WAITING();
        for (uint256 n = 2; n < 2 + places; n++) {
            join(n, LEAST);
        }
        fund(100, MOST);
        bytes memory proof = ecdsa(signerSecret(100), pool.signerDigest(ownerOf(100), signerOf(100)));
        vm.prank(ownerOf(100));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.QueueFull.selector, places));
        pool.lockFor(signerOf(100), nodeKeyOf(100), MOST, proof);
        pool.setWhitelist(ownerOf(2), false);
        pool.forceUnlock(2);
        vm.prank(ownerOf(100));
        uint64 id = pool.lockFor(signerOf(100), nodeKeyOf(100), MOST, proof);
        // The most stake is the next.
        assertEq(pool.waiting()[0].id, id);
    }

    /// @dev Node keys are not proven, so a validator may use up one that it saw coming. The other takes a new one, which
    /// costs nothing; its signer, which does cost a proof, is still its own.
    function test_whoTakesAnothersNodeKeyGainsNothing() public {
        fund(2, LEAST);
        bytes memory proof = ecdsa(signerSecret(2), pool.signerDigest(ownerOf(2), signerOf(2)));
        vm.prank(ownerOf(1));
        pool.updateNodeKey(nodeKeyOf(2));
        vm.prank(ownerOf(2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NodeKeyUsed.selector, nodeKeyOf(2)));
        pool.lockFor(signerOf(2), nodeKeyOf(2), LEAST, proof);
        vm.prank(ownerOf(2));
        pool.lockFor(signerOf(2), nodeKeyOf(3), LEAST, proof);
        assertEq(pool.validatorOfSigner(signerOf(2)), 2);
    }

    /// @dev The proof names the owner: one that was seen coming serves nobody else.
    function test_nobodyTakesAnothersSigner() public {
        fund(2, LEAST);
        fund(3, LEAST);
        bytes memory proof = ecdsa(signerSecret(2), pool.signerDigest(ownerOf(2), signerOf(2)));
        vm.prank(ownerOf(3));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.SignerProofInvalid.selector, signerOf(2)));
        pool.lockFor(signerOf(2), nodeKeyOf(3), LEAST, proof);
        vm.prank(ownerOf(1));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.SignerProofInvalid.selector, signerOf(2)));
        pool.updateSigner(signerOf(2), proof);
    }

    /// @dev As many withdrawals as there may be: a slash still goes through them all, at a cost that has an end.
    function test_nobodyMakesItselfTooDearToSlash() public {
        join(2, MOST);
        pool.setMaxValidators(40);
        pool.setChangeInterval(0);
        for (uint256 i = 0; i < pool.MAX_WITHDRAWALS(); i++) {
            vm.prank(ownerOf(2));
            pool.withdraw(1e18);
            skip(1);
        }
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.TooManyWithdrawals.selector, 2, pool.MAX_WITHDRAWALS()));
        vm.prank(ownerOf(2));
        pool.withdraw(1e18);
        address slasher = pool.slasher();
        vm.prank(slasher);
        assertEq(pool.slash(2, 5_000, 500, address(0xBEE), address(0x7EA), 1 days), MOST / 2);
        assertLt(vm.lastCallGas().gasTotalUsed, 500_000);
        assertEq(pool.liable(2), MOST / 2);
    }

    /// @dev METIS that is sent to the escrow or the pool is nobody's, and no count is wrong after.
    function test_donationsChangeNoBooks() public {
        metis.mint(address(pool.ESCROW()), 5 * LEAST);
        metis.mint(address(pool), 7);
        assertEq(pool.ESCROW().owed(), LEAST);
        assertEq(pool.stakeSeconds(), 0);
        skip(10);
        assertEq(pool.stakeSeconds(), 10 * LEAST);
        vm.prank(ownerOf(1));
        pool.unlock();
        skip(EXIT_DELAY);
        vm.prank(ownerOf(1));
        pool.unlockClaim();
        assertEq(metis.balanceOf(ownerOf(1)), LEAST);
        assertEq(metis.balanceOf(address(pool.ESCROW())), 5 * LEAST);
    }
}
