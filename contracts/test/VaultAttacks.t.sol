// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {LiquidStakingVault} from "../src/LiquidStakingVault.sol";
import {ILiquidStakingVault} from "../src/interfaces/ILiquidStakingVault.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {VaultFixture} from "./base/VaultFixture.sol";

/// @notice What those try who come and go at the right moment, round in their favour, or stand in others' way; and what it
/// brings them, to the wei.
contract VaultAttacksTest is VaultFixture {
    uint128 private constant COVER = 2_500e18;
    address private constant MALLORY = address(0xBAD);
    address private constant OTHER = address(0x9121);

    uint64 private id;

    function setUp() public {
        makeVault();
    }

    function _staked() private {
        depositFor(ALICE, 2 * LEAST);
        depositFor(BOB, LEAST);
        id = lockAs(1);
    }

    /// @dev Cuts without a reporter's share, so that nobody's balance but the treasury's grows.
    function _cut(uint256 fraction) private returns (uint256) {
        vm.prank(pool.slasher());
        return pool.slash(id, fraction, 0, address(0), TREASURY, 0);
    }

    /// @dev Everything of `who`, as fast as it goes.
    function _out(address who) private returns (uint256) {
        if (vault.balanceOf(who) != 0) request(who, vault.balanceOf(who));
        for (uint256 i = 0; i < 10 && vault.pendingRedeemRequest(0, who) != 0; i++) {
            if (vault.validatorId() != 0) vault.rebalance();
            else vault.serve();
            skip(EXIT_DELAY / 2);
        }
        return claim(who);
    }

    /* COMING AND GOING AT THE RIGHT MOMENT */

    /// @dev Who comes just before a settlement has the part of it that its METIS is of all, as if it had been staked, pays
    /// the fee on it, and cannot leave for 21 days.
    function testFuzz_whoComesBeforeASettlementHasOneSettlementsPart(uint256 assets, uint256 rewards) public {
        assets = bound(assets, 1e18, 2 * LEAST);
        rewards = bound(rewards, 1, 1_000e18);
        _staked();
        depositFor(MALLORY, assets);
        earn(id, rewards);
        uint256 arrived = vm.getBlockTimestamp();
        uint256 gain = _out(MALLORY) - assets;
        assertLe(gain, rewards * 9 / 10 * assets / (3 * LEAST + assets) + 1);
        assertGe(vm.getBlockTimestamp(), arrived + EXIT_DELAY);
    }

    /// @dev And who comes after it has nothing of it.
    function testFuzz_whoComesAfterASettlementHasNothingOfIt(uint256 assets, uint256 rewards, bool taken) public {
        assets = bound(assets, 1e18, LEAST);
        rewards = bound(rewards, 1, 1_000e18);
        _staked();
        earn(id, rewards);
        if (taken) vault.harvest(id);
        depositFor(MALLORY, assets);
        assertLe(_out(MALLORY), assets);
    }

    /// @dev Who asks its shares back because it saw an offence bears its part, on whichever of the 21 days the proof comes.
    function testFuzz_whoLeavesBeforeASlashLandsBearsIt(uint256 when, uint256 fraction) public {
        when = bound(when, 0, EXIT_DELAY - 1);
        fraction = bound(fraction, 100, 9_000);
        _staked();
        request(BOB, vault.balanceOf(BOB));
        vault.rebalance();
        skip(when);
        vault.rebalance();
        uint256 lost = _cut(fraction);
        skip(EXIT_DELAY - when);
        vault.collect();
        assertApproxEqAbs(claim(BOB), LEAST - lost / 3, 1);
    }

    /// @dev The order of one block decides only for who has waited the whole time: whoever collects first serves it.
    function test_whoHasWaitedLongEnoughIsServedBeforeASlash() public {
        _staked();
        request(BOB, vault.balanceOf(BOB));
        vault.rebalance();
        skip(EXIT_DELAY);
        uint256 before = vm.snapshotState();
        vault.collect();
        assertEq(_cut(1_000), LEAST / 5, "the stake alone: the withdrawal was free");
        assertEq(claim(BOB), LEAST);
        vm.revertToState(before);
        _cut(1_000);
        vault.collect();
        assertApproxEqAbs(claim(BOB), LEAST - LEAST / 15, 1);
    }

    /// @dev Around a slash, with a cover or without, before or after anyone has called: coming brings nothing.
    function testFuzz_comingAroundASlashBringsNothing(uint256 assets, uint256 fraction, uint256 steps) public {
        factory.approveProvider(PROVIDER, false);
        vault = approved(PROVIDER, uint128(bound(steps, 0, 1)) * COVER);
        coverBy(PROVIDER, COVER);
        _staked();
        assets = bound(assets, 1e18, LEAST);
        fraction = bound(fraction, 1, 5_000);
        if (steps & 2 != 0) depositFor(MALLORY, assets);
        _cut(fraction);
        if (steps & 2 == 0) depositFor(MALLORY, assets);
        if (steps & 4 != 0) vault.collect();
        if (steps & 8 != 0) coverBy(PROVIDER, COVER);
        assertLe(_out(MALLORY), assets);
    }

    /// @dev A proof that comes after the exit finds nothing, and a vault pays for its own validator only.
    function test_oneVaultsSlashIsNotAnothers() public {
        _staked();
        LiquidStakingVault other = approved(OTHER, 0);
        LiquidStakingVault mine = vault;
        vault = other;
        depositFor(CAROL, LEAST);
        bytes memory proof = ecdsa(signerSecret(2), pool.signerDigest(address(other), signerOf(2)));
        vm.prank(OTHER);
        other.lock(signerOf(2), nodeKeyOf(2), proof);
        _cut(10_000);
        assertEq(mine.totalAssets(), 0);
        assertEq(other.totalAssets(), LEAST);
        assertEq(other.convertToAssets(other.balanceOf(CAROL)), LEAST);
    }

    /* ROUNDING */

    /// @dev Any number of small steps, in shares or in METIS, in parts or whole: nothing is gained, and what is lost is less
    /// than two wei a step.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_roundingIsNeverForWhoMoves(uint256 seed, uint256 rewards) public {
        _staked();
        earn(id, bound(rewards, 1, 1_000e18));
        vault.harvest(id);
        vm.prank(PROVIDER);
        vault.leave();
        skip(EXIT_DELAY);
        vault.collect();
        metis.mint(MALLORY, 1_000e18);
        vm.startPrank(MALLORY);
        metis.approve(address(vault), type(uint256).max);
        uint256 before = price();
        for (uint256 i = 0; i < 24; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            _move(seed % 5, 1 + (seed >> 8) % (seed & 1 == 0 ? 3 : 1e18));
            assertGe(price(), before, "the price");
            before = price();
        }
        vm.stopPrank();
        _out(MALLORY);
        assertLe(metis.balanceOf(MALLORY), 1_000e18);
        assertGe(metis.balanceOf(MALLORY), 1_000e18 - 48);
    }

    function _move(uint256 how, uint256 amount) private {
        if (how == 0) {
            vault.deposit(amount, MALLORY);
        } else if (how == 1) {
            vault.mint(amount * 1e6 + amount % 1e6, MALLORY);
        } else if (how == 2) {
            uint256 shares = vault.balanceOf(MALLORY);
            if (shares != 0) vault.requestRedeem(shares < amount ? shares : amount, MALLORY, MALLORY);
        } else if (how == 3) {
            skip(EXIT_DELAY);
            vault.serve();
        } else {
            uint256 ready = vault.maxWithdraw(MALLORY);
            vault.withdraw(ready < amount ? ready : amount, MALLORY, MALLORY);
        }
    }

    /// @dev A claim in whatever parts is the claim as a whole, to the wei.
    function testFuzz_partsOfAClaimAreTheWhole(uint256 seed) public {
        depositFor(ALICE, LEAST);
        request(ALICE, vault.balanceOf(ALICE));
        vault.serve();
        uint256 whole = vault.maxWithdraw(ALICE);
        uint256 got;
        vm.startPrank(ALICE);
        for (uint256 i = 0; i < 20; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 part = seed % (1 + vault.maxRedeem(ALICE) / 3);
            if (seed & 256 == 0) {
                got += vault.redeem(part, ALICE, ALICE);
            } else {
                part = part > vault.maxWithdraw(ALICE) ? vault.maxWithdraw(ALICE) : part;
                vault.withdraw(part, ALICE, ALICE);
                got += part;
            }
        }
        got += vault.redeem(vault.maxRedeem(ALICE), ALICE, ALICE);
        if (vault.maxWithdraw(ALICE) != 0) {
            got += vault.maxWithdraw(ALICE);
            vault.withdraw(vault.maxWithdraw(ALICE), ALICE, ALICE);
        }
        vm.stopPrank();
        assertEq(got, whole);
        assertEq(vault.reserved(), 0);
    }

    /// @dev A share of which nothing comes back is not sold.
    function test_metisThatBuysNoShareIsRefused() public {
        _staked();
        metis.mint(MALLORY, 1);
        vm.startPrank(MALLORY);
        metis.approve(address(vault), 1);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.DepositTooSmall.selector, 0));
        vault.mint(0, MALLORY);
        // One wei of a share costs a whole wei of METIS.
        assertEq(vault.mint(1, MALLORY), 1);
        assertEq(vault.convertToAssets(1), 0);
        vm.stopPrank();
    }

    /* STANDING IN THE WAY */

    /// @dev Hundreds of requests before an honest one cost it neither time nor gas.
    function test_aCrowdBeforeOneDelaysItByNothing() public {
        depositFor(BOB, LEAST);
        depositFor(MALLORY, 2 * LEAST);
        id = lockAs(1);
        for (uint256 i = 0; i < 128; i++) {
            address who = address(uint160(0x4000 + i / 64));
            vm.prank(MALLORY);
            vault.transfer(who, 1e24);
            request(who, 1e24);
        }
        request(BOB, vault.balanceOf(BOB));
        vault.rebalance();
        skip(EXIT_DELAY);
        vault.collect();
        assertEq(claim(BOB), LEAST);
    }

    /// @dev Deposits up to the most keep nobody else out for longer than they stay, and who leaves makes room at once.
    function test_aFullVaultIsFullOnlyWithWhatStays() public {
        _staked();
        depositFor(MALLORY, MOST - 3 * LEAST);
        assertEq(vault.maxDeposit(CAROL), 0);
        request(MALLORY, vault.balanceOf(MALLORY));
        assertApproxEqAbs(vault.maxDeposit(CAROL), MOST - 3 * LEAST, 1);
        depositFor(CAROL, LEAST);
        assertApproxEqAbs(vault.maxDeposit(CAROL), MOST - 4 * LEAST, 1);
    }

    /// @dev The provider changes its key just before each withdrawal: it can once, and holds the queue up by a day.
    function test_aProviderHoldsTheQueueUpByOneDayAtMost() public {
        _staked();
        request(BOB, vault.balanceOf(BOB));
        bytes memory proof = ecdsa(signerSecret(2), pool.signerDigest(address(vault), signerOf(2)));
        vm.prank(PROVIDER);
        vault.updateSigner(signerOf(2), proof);
        vm.expectPartialRevert(ILockingPool.ChangedTooSoon.selector);
        vault.rebalance();
        skip(1 days);
        proof = ecdsa(signerSecret(3), pool.signerDigest(address(vault), signerOf(3)));
        vm.prank(PROVIDER);
        vm.expectPartialRevert(ILiquidStakingVault.SignerChangedTooSoon.selector);
        vault.updateSigner(signerOf(3), proof);
        vault.rebalance();
        assertEq(pool.withdrawals(id).length, 1);
    }

    /// @dev The group that should rotate the validator out is gone for good: the pool's clock runs all the same.
    function test_aDeadGroupKeepsNobodysMetis() public {
        join(9, LEAST);
        join(10, LEAST);
        _staked();
        installFirstKey(keyOf(0xC0FFEE));
        vm.prank(PROVIDER);
        vault.leave();
        request(ALICE, vault.balanceOf(ALICE));
        request(BOB, vault.balanceOf(BOB));
        skip(2 * EXIT_DELAY - 1);
        vault.collect();
        assertEq(vault.maxWithdraw(ALICE), 0);
        skip(1);
        vault.collect();
        assertEq(claim(ALICE), 2 * LEAST);
        assertEq(claim(BOB), LEAST);
    }

    /// @dev A year of jail, a provider that does nothing, a pool that takes the vault's place away: the holders get out.
    function test_aYearInJailHoldsNobodyBack() public {
        _staked();
        vm.prank(pool.slasher());
        pool.slash(id, 100, 0, address(0), TREASURY, 365 days);
        pool.setWhitelist(address(vault), false);
        uint256 left = vault.totalAssets();
        uint256 arrived = vm.getBlockTimestamp();
        request(BOB, vault.balanceOf(BOB));
        skip(vault.PATIENCE());
        vault.rebalance();
        skip(EXIT_DELAY);
        vault.collect();
        assertEq(claim(BOB), left / 3);
        assertEq(vm.getBlockTimestamp(), arrived + vault.PATIENCE() + EXIT_DELAY);
        request(ALICE, vault.balanceOf(ALICE));
        skip(EXIT_DELAY);
        vault.serve();
        assertApproxEqAbs(claim(ALICE), left * 2 / 3, 1);
    }

    /* RECIPIENTS */

    /// @dev METIS that a holder sends to nobody stays its own; what it sends to the vault itself is lost to it, and to nobody
    /// else: the books do not count it.
    function test_aClaimToNobodyIsRefusedAndOneToTheVaultCountsForNothing() public {
        depositFor(ALICE, LEAST);
        request(ALICE, vault.balanceOf(ALICE));
        vault.serve();
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0)));
        vault.withdraw(LEAST, address(0), ALICE);
        vault.withdraw(LEAST, address(vault), ALICE);
        vm.stopPrank();
        assertEq(vault.totalAssets(), 0);
        assertEq(vault.reserved(), 0);
        depositFor(BOB, LEAST);
        assertEq(vault.convertToAssets(vault.balanceOf(BOB)), LEAST);
    }

    /// @dev Shares sent where nobody is are lost to who sent them, and to nobody else.
    function test_sharesSentAwayCostOnlyTheSender() public {
        _staked();
        vm.prank(ALICE);
        vault.transfer(address(1), 1e24);
        assertEq(vault.convertToAssets(vault.balanceOf(BOB)), LEAST);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0)));
        vault.transfer(address(0), 1);
    }
}
