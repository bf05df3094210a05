// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Slasher} from "../src/Slasher.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {ISlasher} from "../src/interfaces/ISlasher.sol";
import {Offences} from "./base/Offences.sol";
import {Proxied} from "./base/Proxied.sol";
import {VaultFixture} from "./base/VaultFixture.sol";

/// @notice A slash is shared by all shares that are not served, each alike, wherever the METIS was that the pool cut.
contract VaultSlashTest is VaultFixture, Offences {
    uint64 private constant JAIL = 3 days;
    uint16 private constant FRACTION = 1_000;

    uint64 private id;
    Slasher private slasher;

    function setUp() public {
        pool = Proxied.pool(metis, address(this), EXIT_DELAY);
        inbox = Proxied.inbox(pool, EMERGENCY_DELAY);
        ISlasher.Penalty memory penalty = ISlasher.Penalty(FRACTION, 500, JAIL, TREASURY);
        slasher = Proxied.slasher(pool, L2_CHAIN_ID, address(this), penalty);
        pool.connect(inbox, address(slasher), makeAddr("rewards"));
        makeVault();
    }

    function _locking() internal view override returns (address) {
        return address(pool);
    }

    function _staked(uint256 alice, uint256 bob) private {
        depositFor(ALICE, alice);
        depositFor(BOB, bob);
        id = lockAs(1);
    }

    /// @dev The node signed two blocks at one height, and a stranger posts it.
    function _convict() private {
        ISlasher.Proof memory proof = _proofOf(signerSecret(1), _blockAt(7, "one"), _blockAt(7, "other"));
        slasher.report(proof, address(0xBEE));
    }

    /* SHARED FAIRLY */

    function test_aConvictionCostsWhoStaysAndWhoLeavesTheSamePart() public {
        _staked(2 * LEAST, LEAST);
        depositFor(CAROL, LEAST);
        vault.rebalance();
        request(CAROL, vault.balanceOf(CAROL));
        vault.rebalance();
        skip(EXIT_DELAY);
        vault.collect();
        request(BOB, vault.balanceOf(BOB));
        vault.rebalance();
        skip(EXIT_DELAY / 2);

        _convict();
        assertStatus(ILockingPool.Status.Jailed);
        assertEq(vault.totalAssets(), 54_000e18);
        assertEq(claim(CAROL), LEAST, "served before: nothing is lost");
        skip(EXIT_DELAY / 2);
        vault.collect();
        assertEq(claim(BOB), LEAST * 9 / 10);
        assertEq(vault.convertToAssets(vault.balanceOf(ALICE)), 2 * LEAST * 9 / 10);
        // The reporter's and the treasury's are what the vault lost.
        assertEq(metis.balanceOf(address(0xBEE)) + metis.balanceOf(TREASURY), 6_000e18);
    }

    /// @dev Whether the pool cut stake, withdrawals, or only one of the two, the loss is the same part of each share.
    function testFuzz_eachShareLosesTheSame(uint256 alice, uint256 bob, uint256 leaving, uint256 fraction, uint256 when)
        public
    {
        alice = bound(alice, LEAST, 3 * LEAST);
        bob = bound(bob, 1e18, 2 * LEAST - 1);
        leaving = bound(leaving, 1e6, 1e6 * bob);
        fraction = bound(fraction, 1, 9_000);
        when = bound(when, 0, 2 * EXIT_DELAY);
        _staked(alice, bob);
        request(BOB, leaving);
        vault.rebalance();
        skip(when);

        uint256 before = vault.totalAssets();
        slasherCuts(fraction);
        uint256 lost = before - vault.totalAssets();
        uint256 aliceHas = vault.convertToAssets(vault.balanceOf(ALICE));
        (, uint256 bobHas) = vault.queued();
        bobHas += vault.convertToAssets(vault.balanceOf(BOB));
        // Supply is a million shares a METIS here, so the loss of each is in proportion to what it had put in.
        assertApproxEqAbs(alice - aliceHas, lost * alice / (alice + bob), 2);
        assertApproxEqAbs(bob - bobHas, lost * bob / (alice + bob), 2);

        // And nobody is better off for having been in the queue.
        vm.prank(PROVIDER);
        vault.leave();
        skip(2 * EXIT_DELAY);
        vault.collect();
        request(ALICE, vault.balanceOf(ALICE));
        if (vault.balanceOf(BOB) != 0) request(BOB, vault.balanceOf(BOB));
        skip(EXIT_DELAY);
        vault.serve();
        uint256 bobGot = claim(BOB);
        uint256 aliceGot = claim(ALICE);
        assertApproxEqAbs(bobGot * alice, aliceGot * bob, 4 * (alice + bob));
        assertLe(bobGot + aliceGot, before - lost);
        assertGe(bobGot + aliceGot + 4, before - lost);
    }

    function slasherCuts(uint256 fraction) private {
        vm.prank(address(slasher));
        pool.slash(id, fraction, 500, address(0xBEE), TREASURY, JAIL);
    }

    function test_aSlashBeforeTheRestIsServedCutsTheRestOnly() public {
        _staked(2 * LEAST, 2 * LEAST);
        uint256 shares = vault.balanceOf(BOB);
        request(BOB, shares);
        vault.rebalance();
        skip(EXIT_DELAY - 1);
        depositFor(CAROL, LEAST);
        skip(1);
        vault.serve();
        assertEq(vault.maxWithdraw(BOB), LEAST, "half, at the price of now");
        skip(1);
        slasherCuts(5_000);
        // The withdrawal was free by then, so only the stake was cut: 20,000 of 80,000 that were not served.
        uint256 before = vault.maxWithdraw(BOB);
        vault.collect();
        assertEq(before, LEAST);
        assertApproxEqAbs(claim(BOB), LEAST + LEAST * 3 / 4, 2);
    }

    function test_aSlashDuringAnExitIsSharedToo() public {
        _staked(2 * LEAST, LEAST);
        vm.prank(PROVIDER);
        vault.leave();
        request(BOB, vault.balanceOf(BOB));
        skip(EXIT_DELAY - 1);
        _convict();
        assertStatus(ILockingPool.Status.Unlocking);
        skip(1);
        vault.collect();
        assertEq(claim(BOB), LEAST * 9 / 10);
        assertEq(vault.convertToAssets(vault.balanceOf(ALICE)), 2 * LEAST * 9 / 10);
    }

    /// @dev Who knows of an offence and runs for the METIS in hand does not get away.
    function test_nobodyOutrunsASlash() public {
        _staked(2 * LEAST, LEAST);
        depositFor(CAROL, LEAST);
        request(BOB, vault.balanceOf(BOB));
        vault.serve();
        vault.rebalance();
        assertEq(vault.maxRedeem(BOB), 0);
        _convict();
        skip(EXIT_DELAY);
        vault.serve();
        assertApproxEqAbs(claim(BOB), LEAST * (80_000 - 6_000) / 80_000, 2);
    }

    function testFuzz_aDepositAfterASlashTakesNoPartInIt(uint256 fraction, uint256 amount) public {
        fraction = bound(fraction, 1, 9_900);
        amount = bound(amount, 1e6, LEAST);
        _staked(2 * LEAST, LEAST);
        slasherCuts(fraction);
        uint256 shares = depositFor(CAROL, amount);
        assertApproxEqAbs(vault.convertToAssets(shares), amount, 1);
        slasherCuts(0);
        assertApproxEqAbs(vault.convertToAssets(shares), amount, 1);
    }

    /* JAIL */

    function test_fromJailTheProviderBringsItBack() public {
        _staked(2 * LEAST, LEAST);
        _convict();
        vm.prank(PROVIDER);
        vm.expectRevert(
            abi.encodeWithSelector(ILockingPool.JailRunning.selector, uint64(vm.getBlockTimestamp()) + JAIL)
        );
        vault.release();
        depositFor(CAROL, LEAST);
        vault.rebalance();
        assertEq(vault.cash(), LEAST, "nothing is added to a stake in jail unasked");
        skip(JAIL);
        vm.prank(PROVIDER);
        vault.release();
        assertStatus(ILockingPool.Status.Active);
        assertEq(pool.validator(id).stake, 54_000e18 + LEAST);
    }

    function test_belowTheLeastItComesBackWithNewDeposits() public {
        _staked(LEAST, 1e18);
        _convict();
        uint256 stake = pool.validator(id).stake;
        assertLt(stake, LEAST);
        skip(JAIL);
        depositFor(CAROL, 1e18);
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.StakeOutOfBounds.selector, stake, LEAST, MOST));
        vault.release();
        depositFor(CAROL, LEAST / 10);
        vm.prank(PROVIDER);
        vault.release();
        assertStatus(ILockingPool.Status.Active);
        assertGe(pool.validator(id).stake, LEAST);
    }

    function test_fromJailTheQueueForcesTheExitAfterItsPatience() public {
        _staked(2 * LEAST, LEAST);
        _convict();
        request(BOB, vault.balanceOf(BOB));
        vault.rebalance();
        assertStatus(ILockingPool.Status.Jailed);
        skip(vault.PATIENCE());
        vault.rebalance();
        assertStatus(ILockingPool.Status.Unlocking);
        skip(EXIT_DELAY);
        vault.rebalance();
        assertEq(claim(BOB), LEAST * 9 / 10);
        assertEq(vault.validatorId(), 0);
    }

    function test_inJailWhatIsOnItsWayIsEnough() public {
        _staked(2 * LEAST, LEAST);
        request(BOB, vault.balanceOf(BOB));
        vault.rebalance();
        _convict();
        skip(vault.PATIENCE());
        vault.rebalance();
        assertStatus(ILockingPool.Status.Jailed);
    }

    /* ALL LOST */

    function test_allLostIsNothingForEverybodyAndTheEndOfDeposits() public {
        _staked(2 * LEAST, LEAST);
        request(BOB, vault.balanceOf(BOB));
        slasherCuts(10_000);
        assertEq(vault.totalAssets(), 0);
        assertEq(vault.maxDeposit(CAROL), 0);
        assertEq(vault.maxMint(CAROL), 0);
        skip(EXIT_DELAY);
        vault.collect();
        assertEq(vault.pendingRedeemRequest(0, BOB), 0);
        assertEq(claim(BOB), 0);
        vm.prank(PROVIDER);
        vault.leave();
        skip(EXIT_DELAY);
        vault.collect();
        assertEq(vault.validatorId(), 0);
        request(ALICE, vault.balanceOf(ALICE));
        skip(EXIT_DELAY);
        vault.serve();
        assertEq(claim(ALICE), 0);
    }

    function test_afterAllWasLostAndRedeemedItBeginsAnew() public {
        _staked(2 * LEAST, LEAST);
        slasherCuts(10_000);
        vm.prank(PROVIDER);
        vault.leave();
        skip(EXIT_DELAY);
        vault.collect();
        request(ALICE, vault.balanceOf(ALICE));
        request(BOB, vault.balanceOf(BOB));
        skip(EXIT_DELAY);
        vault.serve();
        assertEq(vault.totalSupply(), 0);
        assertEq(depositFor(CAROL, LEAST), LEAST * 1e6);
        lockAs(2);
    }

    /// @dev Rounding after a slash leaves less than a wei of anyone's behind.
    function testFuzz_afterASlashEverybodyGetsOutWhole(uint256 fraction, uint256 rewards) public {
        fraction = bound(fraction, 1, 9_999);
        rewards = bound(rewards, 0, 1_000e18);
        _staked(2 * LEAST, LEAST);
        earn(id, rewards);
        slasherCuts(fraction);
        vm.prank(PROVIDER);
        vault.leave();
        skip(EXIT_DELAY);
        vault.collect();
        uint256 all = vault.totalAssets();
        request(ALICE, vault.balanceOf(ALICE));
        request(BOB, vault.balanceOf(BOB));
        skip(EXIT_DELAY);
        vault.serve();
        assertEq(vault.totalSupply(), 0);
        uint256 paid = claim(ALICE) + claim(BOB);
        assertLe(paid, all);
        assertGe(paid + all / 1e6 + 2, all);
    }
}
