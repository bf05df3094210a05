// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {LockingEscrow} from "../src/LockingEscrow.sol";
import {LockingPool} from "../src/LockingPool.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {Fixture} from "./base/Fixture.sol";
import {Proxied} from "./base/Proxied.sol";

contract LockingPoolTest is Fixture {
    uint256 private constant LEAST = 20_000e18;
    uint256 private constant MOST = 100_000e18;

    /* JOINING */

    function test_joining() public {
        fund(1, LEAST);
        bytes memory proof = _proof(1);
        vm.expectEmit(address(pool));
        emit ILockingPool.Locked(1, ownerOf(1), signerOf(1), nodeKeyOf(1), LEAST);
        vm.prank(ownerOf(1));
        assertEq(pool.lockFor(signerOf(1), nodeKeyOf(1), LEAST, proof), 1);

        ILockingPool.Validator memory v = pool.validator(1);
        assertEq(v.owner, ownerOf(1));
        assertEq(v.signer, signerOf(1));
        assertEq(v.nodeKey, nodeKeyOf(1));
        assertEq(v.stake, LEAST);
        assertEq(v.claimableAt, 0);
        assertEq(uint8(v.status), uint8(ILockingPool.Status.Active));
        assertEq(pool.validatorOf(ownerOf(1)), 1);
        assertEq(pool.validatorOfSigner(signerOf(1)), 1);
        assertEq(metis.balanceOf(address(pool.ESCROW())), LEAST);
    }

    function test_joiningIsForTheWhitelisted() public {
        fund(1, LEAST);
        pool.setWhitelist(ownerOf(1), false);
        bytes memory proof = _proof(1);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotWhitelisted.selector, ownerOf(1)));
        vm.prank(ownerOf(1));
        pool.lockFor(signerOf(1), nodeKeyOf(1), LEAST, proof);
    }

    function test_theWhitelistIsTheOwners() public {
        vm.expectEmit(address(pool));
        emit ILockingPool.Whitelisted(ownerOf(1), true);
        pool.setWhitelist(ownerOf(1), true);
        assertTrue(pool.isWhitelisted(ownerOf(1)));
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, ownerOf(1)));
        vm.prank(ownerOf(1));
        pool.setWhitelist(ownerOf(2), true);
    }

    function testFuzz_stakeIsWithinBounds(uint256 amount) public {
        amount = bound(amount, 0, 2 * MOST);
        if (amount >= LEAST && amount <= MOST) {
            assertEq(pool.validator(join(1, amount)).stake, amount);
        } else {
            fund(1, amount);
            _refusesJoin(abi.encodeWithSelector(ILockingPool.StakeOutOfBounds.selector, amount, LEAST, MOST), amount);
        }
    }

    function test_theBoundsThemselvesAreAllowed() public {
        join(1, LEAST);
        join(2, MOST);
    }

    function test_anOwnerHasOneValidator() public {
        join(1, LEAST);
        fund(1, LEAST);
        bytes memory proof = ecdsa(signerSecret(2), pool.signerDigest(ownerOf(1), signerOf(2)));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.AlreadyLocked.selector, 1));
        vm.prank(ownerOf(1));
        pool.lockFor(signerOf(2), nodeKeyOf(2), LEAST, proof);
    }

    function test_aSignerKeyServesOnce() public {
        join(1, LEAST);
        fund(2, LEAST);
        bytes memory proof = ecdsa(signerSecret(1), pool.signerDigest(ownerOf(2), signerOf(1)));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.SignerUsed.selector, signerOf(1)));
        vm.prank(ownerOf(2));
        pool.lockFor(signerOf(1), nodeKeyOf(2), LEAST, proof);
    }

    function test_aSignerKeyThatWasReplacedServesNoMore() public {
        join(1, LEAST);
        changeSigner(1, 9);
        fund(2, LEAST);
        bytes memory proof = ecdsa(signerSecret(1), pool.signerDigest(ownerOf(2), signerOf(1)));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.SignerUsed.selector, signerOf(1)));
        vm.prank(ownerOf(2));
        pool.lockFor(signerOf(1), nodeKeyOf(2), LEAST, proof);
    }

    function test_aNodeKeyServesOnce() public {
        join(1, LEAST);
        fund(2, LEAST);
        bytes memory proof = _proof(2);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NodeKeyUsed.selector, nodeKeyOf(1)));
        vm.prank(ownerOf(2));
        pool.lockFor(signerOf(2), nodeKeyOf(1), LEAST, proof);
        vm.expectRevert(ILockingPool.NodeKeyZero.selector);
        vm.prank(ownerOf(2));
        pool.lockFor(signerOf(2), 0, LEAST, proof);
    }

    function test_theSignerMustHaveSignedForThisOwnerPoolAndChain() public {
        fund(1, LEAST);
        bytes[] memory wrong = new bytes[](6);
        wrong[0] = ecdsa(signerSecret(2), pool.signerDigest(ownerOf(1), signerOf(1)));
        wrong[1] = ecdsa(signerSecret(1), pool.signerDigest(ownerOf(2), signerOf(1)));
        LockingPool other = Proxied.pool(metis, address(this), EXIT_DELAY);
        wrong[2] = ecdsa(signerSecret(1), other.signerDigest(ownerOf(1), signerOf(1)));
        vm.chainId(5);
        wrong[3] = _proof(1);
        vm.chainId(31_337);
        wrong[4] = "";
        wrong[5] = bytes.concat(_proof(1), hex"00");
        for (uint256 i = 0; i < wrong.length; i++) {
            vm.expectRevert(abi.encodeWithSelector(ILockingPool.SignerProofInvalid.selector, signerOf(1)));
            vm.prank(ownerOf(1));
            pool.lockFor(signerOf(1), nodeKeyOf(1), LEAST, wrong[i]);
        }
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.SignerProofInvalid.selector, address(0)));
        vm.prank(ownerOf(1));
        pool.lockFor(address(0), nodeKeyOf(1), LEAST, "");
    }

    function testFuzz_aFlippedBitOfTheProofIsRefused(uint256 bit) public {
        fund(1, LEAST);
        bytes memory proof = _proof(1);
        bit = bound(bit, 0, proof.length * 8 - 1);
        proof[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.SignerProofInvalid.selector, signerOf(1)));
        vm.prank(ownerOf(1));
        pool.lockFor(signerOf(1), nodeKeyOf(1), LEAST, proof);
    }

    /* WHILE ACTIVE */

    function test_increasingTheStake() public {
        join(1, LEAST);
        fund(1, MOST);
        vm.expectEmit(address(pool));
        emit ILockingPool.StakeChanged(1, signerOf(1), LEAST + 7);
        vm.prank(ownerOf(1));
        pool.increaseStake(7);
        assertEq(pool.validator(1).stake, LEAST + 7);
        assertEq(metis.balanceOf(address(pool.ESCROW())), LEAST + 7);

        vm.expectRevert(abi.encodeWithSelector(ILockingPool.StakeOutOfBounds.selector, MOST + 1, LEAST, MOST));
        vm.prank(ownerOf(1));
        pool.increaseStake(MOST + 1 - LEAST - 7);
    }

    function test_changingKeys() public {
        join(1, LEAST);
        vm.expectEmit(address(pool));
        emit ILockingPool.SignerUpdated(1, signerOf(1), signerOf(9));
        changeSigner(1, 9);
        assertEq(pool.validator(1).signer, signerOf(9));
        assertEq(pool.validatorOfSigner(signerOf(1)), 1, "the old key remains answerable");
        assertEq(pool.validatorOfSigner(signerOf(9)), 1);

        vm.expectEmit(address(pool));
        emit ILockingPool.NodeKeyUpdated(1, signerOf(9), nodeKeyOf(9));
        vm.prank(ownerOf(1));
        pool.updateNodeKey(nodeKeyOf(9));
        assertEq(pool.validator(1).nodeKey, nodeKeyOf(9));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NodeKeyUsed.selector, nodeKeyOf(1)));
        vm.prank(ownerOf(1));
        pool.updateNodeKey(nodeKeyOf(1));
    }

    function test_onlyAnActiveOwnerChangesAnything() public {
        join(1, LEAST);
        vm.prank(ownerOf(1));
        pool.unlock();
        // Owner 1 is leaving, and owner 2 never came.
        for (uint64 n = 1; n <= 2; n++) {
            bytes memory inactive = abi.encodeWithSelector(ILockingPool.NotActive.selector, n == 1 ? 1 : 0);
            bytes memory proof = ecdsa(signerSecret(9), pool.signerDigest(ownerOf(n), signerOf(9)));
            vm.startPrank(ownerOf(n));
            vm.expectRevert(inactive);
            pool.increaseStake(1);
            vm.expectRevert(inactive);
            pool.updateSigner(signerOf(9), proof);
            vm.expectRevert(inactive);
            pool.updateNodeKey(nodeKeyOf(9));
            vm.expectRevert(inactive);
            pool.unlock();
            vm.stopPrank();
        }
    }

    /* LEAVING */

    /// @dev Neither a validator that never was, nor number zero, nor the highest, nor a caller without one.
    function test_nobodysValidatorIsRefusedByName() public {
        join(1, LEAST);
        uint64[3] memory nobodys = [0, 2, type(uint64).max];
        address slasher = pool.slasher();
        address rewards = pool.rewards();
        for (uint256 i = 0; i < nobodys.length; i++) {
            uint64 id = nobodys[i];
            vm.startPrank(ownerOf(2));
            vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotOwnerOf.selector, id, ownerOf(2)));
            pool.claimWithdrawals(id);
            vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotOwnerOf.selector, id, ownerOf(2)));
            pool.withdrawRewards(id);
            vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotProposed.selector, id, ownerOf(2)));
            pool.acceptOwner(id);
            vm.stopPrank();
            vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotActive.selector, id));
            pool.forceUnlock(id);
            vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingAtStake.selector, id));
            vm.prank(slasher);
            pool.slash(id, 100, 0, address(1), address(2), 0);
            uint64[] memory ids = new uint64[](1);
            ids[0] = id;
            vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotLocked.selector, id));
            vm.prank(rewards);
            pool.creditRewards(ids, new uint256[](1));
            assertEq(pool.liable(id), 0);
            assertEq(uint8(pool.validator(id).status), uint8(ILockingPool.Status.Unknown));
            assertEq(pool.withdrawals(id).length, 0);
        }
        vm.startPrank(ownerOf(2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotActive.selector, 0));
        pool.withdraw(1);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotLocked.selector, 0));
        pool.proposeOwner(ownerOf(3));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotJailed.selector, 0));
        pool.release();
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotUnlocking.selector, 0));
        pool.unlockClaim();
        vm.stopPrank();
    }

    function test_nothingIsRefusedByName() public {
        join(1, LEAST);
        vm.startPrank(ownerOf(1));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingToAdd.selector, 1));
        pool.increaseStake(0);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingToAdd.selector, 1));
        pool.relock(0, 0);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingToWithdraw.selector, 1));
        pool.withdraw(0);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingToWithdraw.selector, 1));
        pool.withdrawRewards(1);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingClaimable.selector, 1));
        pool.claimWithdrawals(1);
        vm.expectRevert(ILockingPool.NodeKeyZero.selector);
        pool.updateNodeKey(0);
        vm.stopPrank();
        fund(2, LEAST);
        bytes memory proof = ecdsa(signerSecret(2), pool.signerDigest(ownerOf(2), signerOf(2)));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.StakeOutOfBounds.selector, 0, LEAST, pool.MAX_LOCK()));
        vm.prank(ownerOf(2));
        pool.lockFor(signerOf(2), nodeKeyOf(2), 0, proof);
    }

    function test_leaving() public {
        join(1, MOST);
        join(2, LEAST);
        uint64 claimableAt = uint64(block.timestamp) + EXIT_DELAY;
        vm.expectEmit(address(pool));
        emit ILockingPool.UnlockInitiated(1, signerOf(1), MOST, claimableAt);
        vm.prank(ownerOf(1));
        pool.unlock();
        assertEq(pool.validators().length, 1);
        assertEq(pool.validators()[0].id, 2);
        assertEq(uint8(pool.validator(1).status), uint8(ILockingPool.Status.Unlocking));
        assertEq(pool.validator(1).stake, MOST, "liable until claimed");

        vm.warp(claimableAt - 1);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.ExitDelayRunning.selector, claimableAt));
        vm.prank(ownerOf(1));
        pool.unlockClaim();

        vm.warp(claimableAt);
        vm.expectEmit(address(pool));
        emit ILockingPool.Claimed(1, ownerOf(1), MOST);
        vm.prank(ownerOf(1));
        pool.unlockClaim();
        assertEq(metis.balanceOf(ownerOf(1)), MOST);
        assertEq(metis.balanceOf(address(pool.ESCROW())), LEAST);
        assertEq(pool.validatorOf(ownerOf(1)), 0);

        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotUnlocking.selector, 0));
        vm.prank(ownerOf(1));
        pool.unlockClaim();
    }

    function test_claimingWantsAnUnlock() public {
        join(1, LEAST);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotUnlocking.selector, 1));
        vm.prank(ownerOf(1));
        pool.unlockClaim();
    }

    function test_whoIsOffTheWhitelistStillGetsItsMoneyOut() public {
        join(1, LEAST);
        pool.setWhitelist(ownerOf(1), false);
        vm.prank(ownerOf(1));
        pool.unlock();
        skip(EXIT_DELAY);
        vm.prank(ownerOf(1));
        pool.unlockClaim();
        assertEq(metis.balanceOf(ownerOf(1)), LEAST);
    }

    function test_anOwnerMayComeBackWithNewKeys() public {
        join(1, LEAST);
        vm.prank(ownerOf(1));
        pool.unlock();
        skip(EXIT_DELAY);
        vm.startPrank(ownerOf(1));
        pool.unlockClaim();
        bytes memory proof = ecdsa(signerSecret(9), pool.signerDigest(ownerOf(1), signerOf(9)));
        assertEq(pool.lockFor(signerOf(9), nodeKeyOf(9), LEAST, proof), 2);
        vm.stopPrank();
    }

    function test_thePoolsOwnerMayForceAnUnlock() public {
        join(1, LEAST);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, ownerOf(1)));
        vm.prank(ownerOf(1));
        pool.forceUnlock(1);
        pool.forceUnlock(1);
        assertEq(pool.validators().length, 0);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotActive.selector, 1));
        pool.forceUnlock(1);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotActive.selector, 77));
        pool.forceUnlock(77);
    }

    /* LISTING */

    function test_theListGivesAllInOneCall() public {
        for (uint256 n = 1; n <= 5; n++) {
            join(n, n * LEAST);
        }
        vm.prank(ownerOf(2));
        pool.unlock();
        ILockingPool.Entry[] memory entries = pool.validators();
        assertEq(entries.length, 4);
        uint256 seen;
        for (uint256 i = 0; i < entries.length; i++) {
            uint64 n = entries[i].id;
            assertEq(entries[i].owner, ownerOf(n));
            assertEq(entries[i].signer, signerOf(n));
            assertEq(entries[i].nodeKey, nodeKeyOf(n));
            assertEq(entries[i].stake, n * LEAST);
            seen |= 1 << n;
        }
        assertEq(seen, (1 << 1) | (1 << 3) | (1 << 4) | (1 << 5));
    }

    function testFuzz_theSnapshotIsSortedAndWeighed(uint256 seed, uint256 count) public {
        count = bound(count, 1, 12);
        uint256 total;
        for (uint256 n = 1; n <= count; n++) {
            join(n, bound(uint256(keccak256(abi.encode(seed, n))), LEAST, MOST));
        }
        (address[] memory signers, uint64[] memory weights) = pool.snapshot();
        assertEq(signers.length, count);
        for (uint256 i = 0; i < count; i++) {
            if (i > 0) assertTrue(signers[i] > signers[i - 1]);
            ILockingPool.Validator memory v = pool.validator(pool.validatorOfSigner(signers[i]));
            assertLe(weights[i], v.stake / LEAST);
            assertGe(weights[i], 1);
            if (count < 4) assertEq(weights[i], v.stake / LEAST);
            total += weights[i];
        }
        for (uint256 i = 0; count >= 4 && i < count; i++) {
            assertLt(3 * weights[i], total);
        }
    }

    function test_anEmptyPoolHasAnEmptySnapshot() public view {
        (address[] memory signers, uint64[] memory weights) = pool.snapshot();
        assertEq(signers.length + weights.length + pool.validators().length, 0);
    }

    /* ESCROW */

    function test_theEscrowObeysThePoolAlone() public {
        LockingEscrow escrow = pool.ESCROW();
        join(1, LEAST);
        vm.startPrank(ownerOf(1));
        vm.expectRevert(abi.encodeWithSelector(LockingEscrow.NotPool.selector, ownerOf(1)));
        escrow.pay(ownerOf(1), LEAST);
        vm.expectRevert(abi.encodeWithSelector(LockingEscrow.NotPool.selector, ownerOf(1)));
        escrow.deposit(ownerOf(1), LEAST);
        vm.stopPrank();
    }

    /* HELP */

    function _proof(uint256 n) private view returns (bytes memory) {
        return ecdsa(signerSecret(n), pool.signerDigest(ownerOf(n), signerOf(n)));
    }

    function _refusesJoin(bytes memory reason, uint256 amount) private {
        bytes memory proof = _proof(1);
        vm.expectRevert(reason);
        vm.prank(ownerOf(1));
        pool.lockFor(signerOf(1), nodeKeyOf(1), amount, proof);
    }
}
