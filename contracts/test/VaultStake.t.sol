// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IGuarded} from "../src/interfaces/IGuarded.sol";
import {ILiquidStakingVault} from "../src/interfaces/ILiquidStakingVault.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {VaultFixture} from "./base/VaultFixture.sol";

/// @notice A vault and its validator at the real pool: what it locks, withdraws, unlocks, and what it survives.
contract VaultStakeTest is VaultFixture {
    uint64 private id;

    function setUp() public {
        makeVault();
    }

    /// @dev Alice and Bob have 40,000 and 20,000, all of it locked.
    function _staked() private {
        depositFor(ALICE, 2 * LEAST);
        depositFor(BOB, LEAST);
        id = lockAs(1);
    }

    /* LOCKING */

    function test_theVaultOwnsTheValidatorAndItsRewards() public {
        depositFor(ALICE, 2 * LEAST);
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.ValidatorLocked(1, signerOf(1), 2 * LEAST);
        id = lockAs(1);
        ILockingPool.Validator memory v = pool.validator(id);
        assertEq(v.owner, address(vault));
        assertEq(v.rewardRecipient, address(vault));
        assertEq(v.stake, 2 * LEAST);
        assertEq(pool.validatorOf(address(vault)), id);
        assertEq(vault.cash(), 0);
        assertEq(vault.totalAssets(), 2 * LEAST);
    }

    function test_onlyWhatNoRequestNeedsIsLocked() public {
        depositFor(ALICE, 2 * LEAST);
        request(ALICE, vault.balanceOf(ALICE) / 4);
        lockAs(1);
        // Served first: nothing was at stake yet.
        assertEq(vault.maxWithdraw(ALICE), LEAST / 2);
        assertEq(pool.validator(1).stake, 3 * LEAST / 2);
    }

    function test_tooLittleIsNotLocked() public {
        depositFor(ALICE, LEAST - 1);
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.TooLittleToLock.selector, LEAST - 1, LEAST));
        vault.lock(signerOf(1), nodeKeyOf(1), "");
    }

    function test_oneValidatorAtATime() public {
        _staked();
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.HasValidator.selector, id));
        vault.lock(signerOf(2), nodeKeyOf(2), "");
    }

    function test_withoutAValidatorThereIsNothingToDo() public {
        vm.startPrank(PROVIDER);
        vm.expectRevert(ILiquidStakingVault.NoValidator.selector);
        vault.leave();
        vm.expectRevert(ILiquidStakingVault.NoValidator.selector);
        vault.release();
        vm.stopPrank();
        vm.expectRevert(ILiquidStakingVault.NoValidator.selector);
        vault.rebalance();
        vault.collect();
        vault.serve();
        vault.harvest(0);
    }

    function test_withoutTheWhitelistNothingIsLocked() public {
        pool.setWhitelist(address(vault), false);
        depositFor(ALICE, LEAST);
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotWhitelisted.selector, address(vault)));
        vault.lock(signerOf(1), nodeKeyOf(1), "");
        assertEq(vault.cash(), LEAST);
    }

    function test_nobodyHarvestsFromAStrangersValidator() public {
        uint64 other = join(7, LEAST);
        earn(other, 1e18);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotOwnerOf.selector, other, address(vault)));
        vault.harvest(other);
    }

    function test_depositsAndRewardsAreStakedUpToTheMost() public {
        _staked();
        depositFor(CAROL, LEAST);
        earn(id, 100e18);
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.Staked(id, LEAST + 90e18);
        vault.rebalance();
        assertEq(pool.validator(id).stake, 4 * LEAST + 90e18);
        assertEq(vault.cash(), 0);
        depositFor(CAROL, vault.maxDeposit(CAROL));
        earn(id, 1_000e18);
        vault.rebalance();
        assertEq(pool.validator(id).stake, MOST);
        assertEq(vault.cash(), 900e18, "what is above the most rests in hand");
        assertEq(vault.maxDeposit(CAROL), 0);
    }

    function test_nodeAndSignerKeysCanBeChanged() public {
        _staked();
        bytes memory proof = ecdsa(signerSecret(2), pool.signerDigest(address(vault), signerOf(2)));
        vm.startPrank(PROVIDER);
        vault.updateNodeKey(nodeKeyOf(2));
        vault.updateSigner(signerOf(2), proof);
        uint64 from = uint64(vm.getBlockTimestamp()) + EXIT_DELAY;
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.SignerChangedTooSoon.selector, from));
        vault.updateSigner(signerOf(3), proof);
        vm.stopPrank();
        assertEq(pool.validator(id).signer, signerOf(2));
        assertEq(pool.validator(id).nodeKey, nodeKeyOf(2));

        // The pool's pace holds the queue up once, for as long as it is.
        request(BOB, vault.balanceOf(BOB));
        vm.expectRevert(
            abi.encodeWithSelector(ILockingPool.ChangedTooSoon.selector, uint64(vm.getBlockTimestamp()) + 1 days)
        );
        vault.rebalance();
        vault.collect();
        skip(1 days);
        vault.rebalance();
        assertEq(pool.withdrawals(id).length, 1);
    }

    /* LEAVING */

    function test_aRequestIsWithdrawnAndServedAfterTheDelay() public {
        _staked();
        request(BOB, vault.balanceOf(BOB));
        (uint256 shares, uint256 assets) = vault.queued();
        assertEq(shares, LEAST * 1e6);
        assertEq(assets, LEAST);
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.WithdrawalStarted(id, LEAST);
        vault.rebalance();
        vault.rebalance();
        assertEq(pool.withdrawals(id).length, 1, "covered once");
        assertEq(vault.totalAssets(), 3 * LEAST);

        skip(EXIT_DELAY - 1);
        vault.rebalance();
        vault.collect();
        assertEq(vault.maxRedeem(BOB), 0);
        skip(1);
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.Collected(id, LEAST);
        vault.collect();
        assertEq(claim(BOB), LEAST);
        assertEq(vault.totalAssets(), 2 * LEAST);
        (uint256 requested, uint256 served) = vault.queueProgress();
        assertEq(requested, served);
    }

    function test_metisInHandServesNobodyBeforeItsDelay() public {
        _staked();
        request(BOB, vault.balanceOf(BOB));
        depositFor(CAROL, LEAST);
        vault.rebalance();
        assertEq(vault.cash(), LEAST, "kept for the queue");
        assertEq(pool.withdrawals(id).length, 0, "nothing needs to be withdrawn");
        skip(EXIT_DELAY - 1);
        vault.serve();
        assertEq(vault.maxRedeem(BOB), 0);
        skip(1);
        vault.serve();
        assertEq(claim(BOB), LEAST);
    }

    function test_theQueueIsServedInOrder() public {
        depositFor(ALICE, 2 * LEAST);
        depositFor(BOB, LEAST);
        depositFor(CAROL, LEAST);
        id = lockAs(1);
        request(BOB, vault.balanceOf(BOB));
        vault.rebalance();
        skip(1 days);
        request(CAROL, vault.balanceOf(CAROL));
        vault.rebalance();
        assertEq(pool.withdrawals(id).length, 1, "the second waits for the pace");
        skip(PACE - 1 days);
        vault.rebalance();
        assertEq(pool.withdrawals(id).length, 2);

        // Carol's delay is over, and METIS for one of the two is there: it is Bob's.
        skip(EXIT_DELAY - PACE + 1 days);
        vault.collect();
        assertEq(vault.maxWithdraw(BOB), LEAST);
        assertEq(vault.maxWithdraw(CAROL), 0);
        skip(PACE - 1 days);
        vault.collect();
        assertEq(vault.maxWithdraw(CAROL), LEAST);
    }

    function test_aRequestIsServedInPartsAsMetisComesIn() public {
        _staked();
        uint256 shares = vault.balanceOf(BOB);
        request(BOB, shares);
        skip(EXIT_DELAY);
        depositFor(CAROL, LEAST / 4);
        vault.serve();
        assertEq(vault.claimableRedeemRequest(0, BOB), shares / 4);
        assertEq(vault.pendingRedeemRequest(0, BOB), shares - shares / 4);
        assertEq(claim(BOB), LEAST / 4);
        depositFor(CAROL, LEAST / 4);
        vault.serve();
        assertEq(vault.maxWithdraw(BOB), LEAST / 4);
        depositFor(CAROL, LEAST / 2);
        vault.serve();
        assertEq(claim(BOB), 3 * LEAST / 4);
        assertEq(vault.pendingRedeemRequest(0, BOB), 0);
    }

    function test_tooLittleToStayUnlocksEverything() public {
        _staked();
        request(ALICE, vault.balanceOf(ALICE));
        request(BOB, vault.balanceOf(BOB) / 100);
        vault.rebalance();
        assertStatus(ILockingPool.Status.Active);
        assertEq(pool.validator(id).stake, LEAST, "what can go, goes at once");
        skip(vault.PATIENCE());
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.ExitStarted(id);
        vault.rebalance();
        assertStatus(ILockingPool.Status.Unlocking);
        vault.rebalance();
        skip(EXIT_DELAY);
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.ExitCompleted(id);
        vault.collect();
        assertEq(vault.validatorId(), 0);
        assertEq(claim(ALICE), 2 * LEAST);
        assertEq(claim(BOB), LEAST / 100);
        // Nothing is at stake any more, but the delay is the same.
        request(BOB, vault.balanceOf(BOB));
        skip(EXIT_DELAY - 1);
        vault.serve();
        assertEq(vault.maxRedeem(BOB), 0);
        skip(1);
        vault.serve();
        assertEq(claim(BOB), LEAST - LEAST / 100);
        assertEq(vault.totalSupply(), 0);
        assertEq(vault.totalAssets(), 0);
        assertEq(metis.balanceOf(address(vault)), 0);
    }

    /// @dev One wei asked back from a vault at the least does not end its validator, if anyone cares for it.
    function test_aSmallRequestDoesNotEndAValidatorThatOthersKeep() public {
        depositFor(ALICE, LEAST);
        id = lockAs(1);
        request(ALICE, 1e24);
        vault.rebalance();
        skip(vault.PATIENCE() - 1);
        depositFor(CAROL, 1e18);
        skip(1);
        vault.rebalance();
        assertStatus(ILockingPool.Status.Active);
        skip(EXIT_DELAY - vault.PATIENCE());
        vault.serve();
        assertEq(claim(ALICE), 1e18);
        vault.rebalance();
        assertStatus(ILockingPool.Status.Active);
        assertEq(pool.validator(id).stake, LEAST);
    }

    function test_afterAnExitANewValidatorCanBeLocked() public {
        _staked();
        vm.prank(PROVIDER);
        vault.leave();
        earn(id, 100e18);
        uint256 before = price();
        skip(EXIT_DELAY);
        vault.rebalance();
        assertEq(price(), before, "rewards came along");
        assertEq(vault.cash(), 3 * LEAST + 90e18);
        assertEq(lockAs(2), id + 1);
        assertEq(pool.validator(id + 1).stake, 3 * LEAST + 90e18);

        // What the old one earned and was paid late comes to who holds shares then.
        earn(id, 10e18);
        vault.harvest(id);
        assertEq(vault.cash(), 9e18);
        vault.rebalance();
        assertEq(pool.validator(id + 1).stake, 3 * LEAST + 99e18);
    }

    function test_allSharesRedeemedAndThenAnewAtPar() public {
        _staked();
        request(ALICE, vault.balanceOf(ALICE));
        request(BOB, vault.balanceOf(BOB));
        skip(vault.PATIENCE());
        vault.rebalance();
        skip(EXIT_DELAY);
        vault.collect();
        assertEq(claim(ALICE) + claim(BOB), 3 * LEAST);
        depositFor(CAROL, LEAST);
        assertEq(vault.convertToAssets(vault.balanceOf(CAROL)), LEAST);
        lockAs(2);
    }

    function test_partialWithdrawalsAreCollectedBeforeTheStake() public {
        _staked();
        request(BOB, vault.balanceOf(BOB) / 2);
        vault.rebalance();
        vm.prank(PROVIDER);
        vault.leave();
        skip(EXIT_DELAY);
        vault.rebalance();
        assertEq(vault.validatorId(), 0);
        assertEq(vault.cash() + vault.reserved(), 3 * LEAST);
        assertEq(pool.ESCROW().owed(), 0);
    }

    /// @dev Whoever makes a small request whenever a withdrawal could start delays nobody by more than the pace.
    function test_manySmallRequestsDoNotStopALargeOne() public {
        depositFor(ALICE, MOST);
        id = lockAs(1);
        uint256 longest;
        for (uint256 i = 0; i < 20; i++) {
            request(ALICE, 1e24);
            vault.rebalance();
            skip(1);
            request(ALICE, 1_000e24);
            uint256 madeAt = vm.getBlockTimestamp();
            while (true) {
                vault.rebalance();
                (, uint256 needed) = vault.queued();
                uint256 coming = vault.cash();
                ILockingPool.Withdrawal[] memory leaving = pool.withdrawals(id);
                assertLe(leaving.length, 8);
                for (uint256 k = 0; k < leaving.length; k++) {
                    coming += leaving[k].amount;
                }
                if (coming >= needed) break;
                skip(6 hours);
            }
            longest = longest > vm.getBlockTimestamp() - madeAt ? longest : vm.getBlockTimestamp() - madeAt;
        }
        assertLe(longest, PACE + 6 hours);
    }

    /// @dev Serving takes one step, however many requests there are.
    function test_aLongQueueCostsNoMoreThanAShortOne() public {
        _staked();
        vault.rebalance();
        uint256 short = _gasOfServing(1);
        uint256 long = _gasOfServing(300);
        // The searches grow as the logarithm.
        assertLt(long, short + 60_000);
    }

    function _gasOfServing(uint256 many) private returns (uint256 gas) {
        uint256 part = LEAST * 1e6 / 1_000;
        for (uint256 i = 0; i < many; i++) {
            address who = address(uint160(0x1000 + i));
            vm.prank(BOB);
            vault.transfer(who, part);
            request(who, part);
        }
        vault.rebalance();
        skip(EXIT_DELAY);
        gas = gasleft();
        vault.collect();
        gas -= gasleft();
        assertEq(vault.maxRedeem(address(uint160(0x1000 + many - 1))) % part, 0);
        (uint256 waiting,) = vault.queued();
        assertEq(waiting, 0);
    }

    /// @dev Late rewards of a validator that has left, and a lender of METIS for one transaction.
    function test_nobodyComesAndGoesAtOnceForLateRewards() public {
        _staked();
        vm.prank(PROVIDER);
        vault.leave();
        skip(EXIT_DELAY);
        vault.collect();
        depositFor(CAROL, 2 * LEAST);
        earn(id, 1_000e18);
        vault.harvest(id);
        request(CAROL, vault.balanceOf(CAROL));
        vault.serve();
        assertEq(vault.maxRedeem(CAROL), 0);
    }

    /* WHAT IT SURVIVES */

    function test_aForcedUnlockIsAnExitLikeAnother() public {
        _staked();
        pool.forceUnlock(id);
        vault.rebalance();
        skip(EXIT_DELAY);
        vault.rebalance();
        assertEq(vault.validatorId(), 0);
        assertEq(vault.cash(), 3 * LEAST);
    }

    function test_aPauseStopsWhatThePoolPaysAndNothingElse() public {
        _staked();
        request(BOB, vault.balanceOf(BOB));
        vault.rebalance();
        skip(EXIT_DELAY);
        depositFor(CAROL, LEAST / 2);
        pool.setGuardian(address(this));
        pool.pause();
        vm.expectRevert(abi.encodeWithSelector(IGuarded.PausedUntil.selector, uint64(vm.getBlockTimestamp()) + 3 days));
        vault.collect();
        vault.serve();
        assertEq(claim(BOB), LEAST / 2, "from METIS in hand");
        vm.prank(PROVIDER);
        vault.leave();
        skip(3 days);
        vault.collect();
        assertEq(claim(BOB), LEAST / 2);
    }

    function test_whoWaitsForAPlaceIsUnlockedWhenTheQueueHasWaitedLongEnough() public {
        pool.setMaxValidators(1);
        join(9, LEAST);
        _staked();
        assertStatus(ILockingPool.Status.Waiting);
        depositFor(CAROL, LEAST);
        vault.rebalance();
        assertEq(pool.validator(id).stake, 4 * LEAST, "stakes also while it waits");
        request(BOB, vault.balanceOf(BOB));
        skip(vault.PATIENCE() - 1);
        vault.rebalance();
        assertStatus(ILockingPool.Status.Waiting);
        skip(1);
        vault.rebalance();
        assertStatus(ILockingPool.Status.Unlocking);
        skip(EXIT_DELAY);
        vault.rebalance();
        assertEq(claim(BOB), LEAST);
    }

    function test_theExitWaitsForTheRotationAsThePoolSays() public {
        join(9, LEAST);
        join(10, LEAST);
        _staked();
        Key memory key = keyOf(0xC0FFEE);
        installFirstKey(key);
        request(ALICE, vault.balanceOf(ALICE));
        request(BOB, vault.balanceOf(BOB));
        skip(vault.PATIENCE());
        vault.rebalance();
        assertStatus(ILockingPool.Status.Unlocking);
        skip(5 days);
        rotate(key, keyOf(0xC0FFEF));
        skip(EXIT_DELAY - 1);
        vault.rebalance();
        assertEq(vault.maxRedeem(ALICE), 0);
        skip(1);
        vault.rebalance();
        assertEq(claim(ALICE), 2 * LEAST);
    }
}
