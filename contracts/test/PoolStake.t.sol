// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {Fixture} from "./base/Fixture.sol";

/// @notice What an owner does with stake, rewards, keys and the ownership itself while it is in.
contract PoolStakeTest is Fixture {
    uint256 private constant LEAST = 20_000e18;
    uint256 private constant MOST = 100_000e18;
    address private constant RECIPIENT = address(0xCAFE);

    function setUp() public {
        vm.warp(1_700_000_000);
        join(1, 3 * LEAST);
    }

    /* RECIPIENTS */

    function test_joiningWithARecipient() public {
        fund(2, LEAST);
        bytes memory proof = ecdsa(signerSecret(2), pool.signerDigest(ownerOf(2), signerOf(2)));
        vm.prank(ownerOf(2));
        vm.expectRevert(ILockingPool.RecipientZero.selector);
        pool.lockWithRewardRecipient(signerOf(2), address(0), nodeKeyOf(2), LEAST, proof);
        vm.prank(ownerOf(2));
        vm.expectEmit(address(pool));
        emit ILockingPool.RewardRecipientChanged(2, RECIPIENT);
        pool.lockWithRewardRecipient(signerOf(2), RECIPIENT, nodeKeyOf(2), LEAST, proof);
        assertEq(pool.validator(2).rewardRecipient, RECIPIENT);
        assertEq(pool.validator(1).rewardRecipient, ownerOf(1));
    }

    function test_changingTheRecipient() public {
        vm.expectEmit(address(pool));
        emit ILockingPool.RewardRecipientChanged(1, RECIPIENT);
        vm.prank(ownerOf(1));
        pool.setRewardRecipient(RECIPIENT);
        vm.prank(ownerOf(1));
        vm.expectRevert(ILockingPool.RecipientZero.selector);
        pool.setRewardRecipient(address(0));
        vm.prank(ownerOf(2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotLocked.selector, 0));
        pool.setRewardRecipient(RECIPIENT);
    }

    /* REWARDS */

    function test_rewardsGoToTheRecipient() public {
        earn(1, 5e18);
        assertEq(pool.validator(1).rewards, 5e18);
        vm.startPrank(ownerOf(1));
        pool.setRewardRecipient(RECIPIENT);
        vm.expectEmit(address(pool));
        emit ILockingPool.RewardsWithdrawn(1, RECIPIENT, 5e18);
        pool.withdrawRewards(1);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingToWithdraw.selector, 1));
        pool.withdrawRewards(1);
        vm.stopPrank();
        assertEq(metis.balanceOf(RECIPIENT), 5e18);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotOwnerOf.selector, 1, ownerOf(2)));
        vm.prank(ownerOf(2));
        pool.withdrawRewards(1);
    }

    function test_rewardsOutliveTheValidator() public {
        vm.startPrank(ownerOf(1));
        pool.unlock();
        skip(EXIT_DELAY);
        pool.unlockClaim();
        vm.stopPrank();
        earn(1, 7);
        vm.prank(ownerOf(1));
        pool.withdrawRewards(1);
        assertEq(metis.balanceOf(ownerOf(1)), 3 * LEAST + 7);
    }

    function test_onlyTheScheduleCredits() public {
        (uint64[] memory ids, uint256[] memory amounts) = (new uint64[](1), new uint256[](2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotConnected.selector, address(this)));
        pool.creditRewards(ids, amounts);
        vm.startPrank(pool.rewards());
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.WrongLengths.selector, 1, 2));
        pool.creditRewards(ids, amounts);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotLocked.selector, 0));
        pool.creditRewards(ids, new uint256[](1));
        ids[0] = 1;
        vm.expectEmit(address(pool));
        emit ILockingPool.RewardsCredited(1, 0);
        pool.creditRewards(ids, new uint256[](1));
    }

    function test_relockingRewards() public {
        earn(1, 100);
        fund(1, 50);
        vm.startPrank(ownerOf(1));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.RewardsTooFew.selector, 1, 100, 101));
        pool.relock(0, 101);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingToAdd.selector, 1));
        pool.relock(0, 0);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingToAdd.selector, 1));
        pool.increaseStake(0);
        vm.expectEmit(address(pool));
        emit ILockingPool.StakeChanged(1, signerOf(1), 3 * LEAST + 110);
        vm.expectEmit(address(pool));
        emit ILockingPool.RewardsLocked(1, 60);
        pool.relock(50, 60);
        pool.relock(0, 40);
        vm.stopPrank();
        assertEq(pool.validator(1).stake, 3 * LEAST + 150);
        assertEq(pool.validator(1).rewards, 0);
        assertEq(pool.ESCROW().owed(), 3 * LEAST + 150);

        earn(1, MOST);
        bytes memory bounds =
            abi.encodeWithSelector(ILockingPool.StakeOutOfBounds.selector, 3 * LEAST + 150 + MOST, LEAST, MOST);
        vm.expectRevert(bounds);
        vm.prank(ownerOf(1));
        pool.relock(0, MOST);
    }

    function test_overflowIsRefused() public {
        uint256 max = type(uint256).max;
        bytes memory tooMuch = abi.encodeWithSelector(ILockingPool.StakeOutOfBounds.selector, max, LEAST, MOST);
        vm.expectRevert(tooMuch);
        vm.prank(ownerOf(1));
        pool.increaseStake(max);
        earn(1, 5);
        vm.expectRevert(tooMuch);
        vm.prank(ownerOf(1));
        pool.relock(max, 5);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.RewardsTooFew.selector, 1, 5, max));
        vm.prank(ownerOf(1));
        pool.relock(max, max);
        bytes memory nothingLeft = abi.encodeWithSelector(ILockingPool.StakeOutOfBounds.selector, 0, LEAST, MOST);
        vm.expectRevert(nothingLeft);
        vm.prank(ownerOf(1));
        pool.withdraw(type(uint256).max);
    }

    /* PARTIAL WITHDRAWALS */

    function test_aWithdrawalTakesTheExitDelay() public {
        uint64 claimableAt = uint64(vm.getBlockTimestamp()) + EXIT_DELAY;
        vm.expectEmit(address(pool));
        emit ILockingPool.StakeChanged(1, signerOf(1), LEAST);
        vm.expectEmit(address(pool));
        emit ILockingPool.WithdrawalInitiated(1, 2 * LEAST, claimableAt);
        vm.prank(ownerOf(1));
        pool.withdraw(2 * LEAST);
        assertEq(pool.validator(1).stake, LEAST);
        assertEq(pool.liable(1), 3 * LEAST);
        assertEq(pool.withdrawals(1).length, 1);
        assertEq(pool.ESCROW().owed(), 3 * LEAST);

        vm.warp(claimableAt - 1);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingClaimable.selector, 1));
        vm.prank(ownerOf(1));
        pool.claimWithdrawals(1);
        skip(1);
        assertEq(pool.liable(1), LEAST);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotOwnerOf.selector, 1, ownerOf(2)));
        vm.prank(ownerOf(2));
        pool.claimWithdrawals(1);
        vm.expectEmit(address(pool));
        emit ILockingPool.WithdrawalClaimed(1, ownerOf(1), 2 * LEAST);
        vm.prank(ownerOf(1));
        pool.claimWithdrawals(1);
        assertEq(metis.balanceOf(ownerOf(1)), 2 * LEAST);
        assertEq(pool.withdrawals(1).length, 0);
    }

    function test_whatRemainsIsWithinBounds() public {
        vm.startPrank(ownerOf(1));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.StakeOutOfBounds.selector, LEAST - 1, LEAST, MOST));
        pool.withdraw(2 * LEAST + 1);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NothingToWithdraw.selector, 1));
        pool.withdraw(0);
        vm.stopPrank();
        vm.prank(ownerOf(2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotActive.selector, 0));
        pool.withdraw(1);
    }

    /// @dev Some are ready and some not, in any order: each is paid once.
    function test_manyWithdrawals() public {
        uint256 limit = pool.MAX_WITHDRAWALS();
        uint64 interval = pool.changeInterval();
        vm.startPrank(ownerOf(1));
        for (uint256 i = 1; i <= limit; i++) {
            pool.withdraw(i);
            skip(interval);
        }
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.TooManyWithdrawals.selector, 1, limit));
        pool.withdraw(1);
        uint64 third = pool.withdrawals(1)[2].claimableAt;
        vm.warp(third);
        pool.claimWithdrawals(1);
        assertEq(metis.balanceOf(ownerOf(1)), 1 + 2 + 3);
        assertEq(pool.withdrawals(1).length, limit - 3);
        skip(EXIT_DELAY);
        pool.claimWithdrawals(1);
        assertEq(metis.balanceOf(ownerOf(1)), limit * (limit + 1) / 2);
        vm.stopPrank();
    }

    /// @dev Also after everything else has left.
    function test_aWithdrawalOutlivesTheValidator() public {
        vm.startPrank(ownerOf(1));
        pool.withdraw(5);
        pool.unlock();
        skip(EXIT_DELAY);
        pool.unlockClaim();
        pool.claimWithdrawals(1);
        vm.stopPrank();
        assertEq(metis.balanceOf(ownerOf(1)), 3 * LEAST);
        assertEq(pool.ESCROW().owed(), 0);
    }

    /* PACE */

    /// @dev Signer changes and withdrawals share one pace.
    function test_changesAreThrottled() public {
        uint64 interval = pool.changeInterval();
        changeSigner(1, 9);
        uint64 allowedFrom = uint64(vm.getBlockTimestamp()) + interval;
        bytes memory tooSoon = abi.encodeWithSelector(ILockingPool.ChangedTooSoon.selector, allowedFrom);
        bytes memory proof = ecdsa(signerSecret(10), pool.signerDigest(ownerOf(1), signerOf(10)));
        vm.startPrank(ownerOf(1));
        vm.warp(allowedFrom - 1);
        vm.expectRevert(tooSoon);
        pool.updateSigner(signerOf(10), proof);
        vm.expectRevert(tooSoon);
        pool.withdraw(1);
        skip(1);
        pool.withdraw(1);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.ChangedTooSoon.selector, allowedFrom + interval));
        pool.updateSigner(signerOf(10), proof);
        vm.stopPrank();
    }

    function test_thePaceIsGovernances() public {
        uint64 most = pool.MAX_CHANGE_INTERVAL();
        vm.expectEmit(address(pool));
        emit ILockingPool.ChangeIntervalChanged(most);
        pool.setChangeInterval(most);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.ParameterOutOfBounds.selector, most + 1, 0, most));
        pool.setChangeInterval(most + 1);
        pool.setChangeInterval(0);
        changeSigner(1, 9);
        changeSigner(1, 10);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, ownerOf(1)));
        vm.prank(ownerOf(1));
        pool.setChangeInterval(1);
    }

    /* OWNERS */

    function test_aNewOwnerTakesOver() public {
        vm.expectEmit(address(pool));
        emit ILockingPool.OwnerProposed(1, ownerOf(1), ownerOf(2));
        vm.prank(ownerOf(1));
        pool.proposeOwner(ownerOf(2));

        vm.startPrank(ownerOf(2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotWhitelisted.selector, ownerOf(2)));
        pool.acceptOwner(1);
        vm.stopPrank();
        pool.setWhitelist(ownerOf(2), true);
        vm.expectEmit(address(pool));
        emit ILockingPool.OwnerChanged(1, ownerOf(1), ownerOf(2));
        vm.prank(ownerOf(2));
        pool.acceptOwner(1);
        assertEq(pool.validatorOf(ownerOf(1)), 0);
        assertEq(pool.validatorOf(ownerOf(2)), 1);
        assertEq(pool.validators()[0].owner, ownerOf(2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotActive.selector, 0));
        vm.prank(ownerOf(1));
        pool.unlock();
        vm.startPrank(ownerOf(2));
        pool.unlock();
        skip(EXIT_DELAY);
        pool.unlockClaim();
        vm.stopPrank();
        assertEq(metis.balanceOf(ownerOf(2)), 3 * LEAST);
    }

    /// @dev Nobody is made the owner of what it did not ask for, which would keep it from joining.
    function test_nobodyBecomesOwnerUnasked() public {
        join(2, LEAST);
        pool.setWhitelist(ownerOf(3), true);
        vm.prank(ownerOf(3));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotProposed.selector, 1, ownerOf(3)));
        pool.acceptOwner(1);
        vm.prank(ownerOf(1));
        pool.proposeOwner(ownerOf(2));
        vm.prank(ownerOf(2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.AlreadyLocked.selector, 2));
        pool.acceptOwner(1);
        vm.prank(ownerOf(1));
        pool.proposeOwner(address(0));
        vm.prank(ownerOf(2));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotProposed.selector, 1, ownerOf(2)));
        pool.acceptOwner(1);
    }

    function test_anOfferEndsWithTheValidator() public {
        pool.setWhitelist(ownerOf(3), true);
        vm.startPrank(ownerOf(1));
        pool.proposeOwner(ownerOf(3));
        pool.unlock();
        skip(EXIT_DELAY);
        pool.unlockClaim();
        vm.stopPrank();
        vm.prank(ownerOf(3));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotProposed.selector, 1, ownerOf(3)));
        pool.acceptOwner(1);
        vm.prank(ownerOf(1));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotLocked.selector, 0));
        pool.proposeOwner(ownerOf(3));
    }

    /* STAKE OVER TIME */

    function test_stakeIsSummedOverTime() public {
        uint256 before = pool.stakeSeconds();
        skip(100);
        assertEq(pool.stakeSeconds() - before, 100 * 3 * LEAST);
        join(2, LEAST);
        skip(10);
        assertEq(pool.stakeSeconds() - before, 100 * 3 * LEAST + 10 * 4 * LEAST);
        vm.prank(ownerOf(1));
        pool.unlock();
        skip(1);
        assertEq(pool.stakeSeconds() - before, 100 * 3 * LEAST + 10 * 4 * LEAST + LEAST);
    }
}
