// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {LiquidStakingVault} from "../src/LiquidStakingVault.sol";
import {ILiquidStakingVault} from "../src/interfaces/ILiquidStakingVault.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {VaultFixture} from "./base/VaultFixture.sol";

/// @notice What the provider has at stake itself: taken first, counted at once, and its own again when nothing is at stake.
contract VaultCoverTest is VaultFixture {
    uint128 private constant COVER = 2_500e18;

    function setUp() public {
        makeVault();
        factory.approveProvider(PROVIDER, false);
        vault = approved(PROVIDER, COVER);
    }

    function _staked() private returns (uint64 id) {
        coverBy(PROVIDER, COVER);
        depositFor(ALICE, 2 * LEAST);
        depositFor(BOB, LEAST);
        id = lockAs(1);
    }

    /// @dev In 1 / 10,000 of what is liable.
    function _cut(uint256 fraction) private returns (uint256 lost) {
        uint64 id = vault.validatorId();
        vm.prank(pool.slasher());
        lost = pool.slash(id, fraction, 500, address(0xBEE), TREASURY, 3 days);
    }

    /* WHAT IT IS FOR */

    function test_withoutItsCoverNothingIsLocked() public {
        depositFor(ALICE, LEAST);
        coverBy(PROVIDER, COVER - 1);
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.CoverTooSmall.selector, COVER - 1, COVER));
        vault.lock(signerOf(1), nodeKeyOf(1), "");
        // Anyone may add to it.
        metis.mint(BOB, 1);
        vm.startPrank(BOB);
        metis.approve(address(vault), 1);
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.CoverAdded(BOB, 1);
        vault.addCover(1);
        vm.stopPrank();
        lockAs(1);
        assertEq(vault.cover(), COVER);
    }

    function test_aSlashTakesTheCoverFirst() public {
        _staked();
        uint256 before = price();
        assertEq(_cut(400), 2_400e18);
        assertEq(price(), before, "at once, before anyone calls");
        assertEq(vault.totalAssets(), 3 * LEAST);
        assertEq(vault.cover(), COVER, "as last made good");
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.CoverUsed(2_400e18);
        vault.collect();
        assertEq(price(), before);
        assertEq(vault.cover(), 100e18);
        assertEq(vault.cash(), 2_400e18);
        vault.collect();
        assertEq(vault.cash(), 2_400e18, "once");
    }

    function test_whatTheCoverDoesNotReachIsSharedByAll() public {
        _staked();
        request(BOB, vault.balanceOf(BOB));
        assertEq(_cut(1_000), 6_000e18);
        assertEq(vault.totalAssets(), 3 * LEAST - 3_500e18);
        vault.collect();
        assertEq(vault.totalAssets(), 3 * LEAST - 3_500e18);
        assertEq(vault.cover(), 0);
        (, uint256 bobHas) = vault.queued();
        assertApproxEqAbs(bobHas, LEAST - uint256(3_500e18) / 3, 1);
        assertApproxEqAbs(vault.convertToAssets(vault.balanceOf(ALICE)), 2 * LEAST - uint256(7_000e18) / 3, 1);
    }

    /// @dev Slash upon slash, with or without calls in between: the cover pays up to what it is, in whatever steps.
    function testFuzz_theCoverPaysOnceHoweverOftenAnyoneCalls(uint256 first, uint256 second, uint8 calls) public {
        first = bound(first, 1, 4_000);
        second = bound(second, 1, 4_000);
        _staked();
        request(BOB, vault.balanceOf(BOB) / 2);
        vault.rebalance();
        uint256 lost = _cut(first);
        if (calls & 1 != 0) vault.collect();
        if (calls & 2 != 0) vault.serve();
        lost += _cut(second);
        if (calls & 4 != 0) vault.collect();
        uint256 paid = lost < COVER ? lost : COVER;
        assertEq(vault.totalAssets(), 3 * LEAST - lost + paid);
        vault.collect();
        assertEq(vault.totalAssets(), 3 * LEAST - lost + paid);
        assertEq(vault.cover(), COVER - paid);
    }

    function test_aCoverThatComesLaterMakesNothingGood() public {
        _staked();
        _cut(1_000);
        uint256 fallen = price();
        coverBy(PROVIDER, 4_000e18);
        assertEq(price(), fallen);
        assertEq(vault.cover(), 4_000e18, "the old one is used up, the new one is whole");
        vault.collect();
        assertEq(price(), fallen);
        // And stands for the next.
        uint256 before = vault.totalAssets();
        assertEq(_cut(500), 2_700e18);
        assertEq(vault.totalAssets(), before);
    }

    /// @dev A provider that never pays: its validator stays in jail, and the holders leave without it.
    function test_withoutAWholeCoverNobodyComesBackFromJail() public {
        _staked();
        _cut(100);
        skip(300 days);
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.CoverTooSmall.selector, COVER - 600e18, COVER));
        vault.release();
        request(ALICE, vault.balanceOf(ALICE));
        request(BOB, vault.balanceOf(BOB));
        skip(vault.PATIENCE());
        vault.rebalance();
        assertStatus(ILockingPool.Status.Unlocking);
        skip(EXIT_DELAY);
        vault.collect();
        assertEq(claim(ALICE), 2 * LEAST, "the cover paid all of it");
        assertEq(claim(BOB), LEAST);
    }

    function test_withAWholeCoverItComesBack() public {
        _staked();
        _cut(100);
        skip(3 days);
        coverBy(PROVIDER, 600e18);
        vm.prank(PROVIDER);
        vault.release();
        assertStatus(ILockingPool.Status.Active);
        assertEq(pool.validator(vault.validatorId()).stake, 3 * LEAST, "with what the cover had paid");
        assertEq(vault.cover(), COVER);
    }

    /// @dev The largest reward there is, at a cover as large: who reports itself gains nothing.
    function testFuzz_whoReportsItselfGainsNothing(uint256 fraction, uint256 share, uint256 stake) public {
        fraction = bound(fraction, 100, 10_000);
        share = bound(share, 0, 2_000);
        stake = bound(stake, LEAST, MOST);
        factory.approveProvider(PROVIDER, false);
        vault = approved(PROVIDER, uint128(MOST * fraction * share / 1e8));
        uint256 spent = vault.coverNeeded();
        coverBy(PROVIDER, spent);
        depositFor(ALICE, stake);
        uint64 id = lockAs(1);
        uint256 before = metis.balanceOf(PROVIDER);
        vm.prank(pool.slasher());
        pool.slash(id, fraction, share, PROVIDER, TREASURY, 0);
        vm.prank(PROVIDER);
        vault.leave();
        skip(EXIT_DELAY);
        vault.collect();
        if (vault.cover() != 0) {
            vm.prank(PROVIDER);
            vault.takeCover();
        }
        assertLe(metis.balanceOf(PROVIDER), before + spent);
    }

    /* WHOSE IT IS */

    function test_itIsInNoSharesPrice() public {
        depositFor(ALICE, LEAST);
        uint256 before = price();
        coverBy(PROVIDER, 10 * MOST);
        assertEq(price(), before);
        assertEq(vault.maxDeposit(BOB), MOST - LEAST, "and takes nobody's place");
        request(ALICE, vault.balanceOf(ALICE));
        vault.serve();
        assertEq(claim(ALICE), LEAST);
    }

    function test_theProviderTakesItBackWhenNothingIsAtStake() public {
        uint64 id = _staked();
        vm.startPrank(PROVIDER);
        bytes memory refused = abi.encodeWithSelector(ILiquidStakingVault.HasValidator.selector, id);
        vm.expectRevert(refused);
        vault.takeCover();
        vault.leave();
        skip(EXIT_DELAY);
        vm.expectRevert(refused);
        vault.takeCover();
        vault.collect();
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.CoverTaken(PROVIDER, COVER);
        assertEq(vault.takeCover(), COVER);
        assertEq(metis.balanceOf(PROVIDER), COVER);
        vm.expectRevert(ILiquidStakingVault.NothingToPay.selector);
        vault.takeCover();
        vm.stopPrank();
        assertEq(vault.totalAssets(), 3 * LEAST);
    }

    /// @dev A slash on the last day of an exit is still paid by it, whoever is quick.
    function test_itAnswersUntilTheStakeIsBack() public {
        _staked();
        vm.prank(PROVIDER);
        vault.leave();
        skip(EXIT_DELAY - 1);
        _cut(100);
        skip(1);
        vault.collect();
        assertEq(vault.totalAssets(), 3 * LEAST);
        vm.prank(PROVIDER);
        assertEq(vault.takeCover(), COVER - 600e18);
    }

    function test_aClosedVaultGivesItBackToo() public {
        _staked();
        factory.approveProvider(PROVIDER, false);
        skip(EXIT_DELAY);
        vault.collect();
        vm.prank(PROVIDER);
        assertEq(vault.takeCover(), COVER);
    }

    /// @dev One validator's loss is not another's: the books begin anew.
    function test_theNextValidatorBeginsWithoutTheOldOnesLoss() public {
        _staked();
        _cut(5_000);
        vm.prank(PROVIDER);
        vault.leave();
        skip(EXIT_DELAY);
        vault.collect();
        uint256 left = vault.totalAssets();
        assertEq(left, 3 * LEAST / 2 + COVER);
        coverBy(PROVIDER, COVER);
        lockAs(2);
        assertEq(vault.totalAssets(), left);
        assertEq(_cut(100), left / 100);
        assertEq(vault.totalAssets(), left);
    }
}
