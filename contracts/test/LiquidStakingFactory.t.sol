// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {LiquidStakingVault} from "../src/LiquidStakingVault.sol";
import {ILiquidStakingFactory} from "../src/interfaces/ILiquidStakingFactory.sol";
import {ILiquidStakingVault} from "../src/interfaces/ILiquidStakingVault.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {VaultFixture} from "./base/VaultFixture.sol";

contract LiquidStakingFactoryTest is VaultFixture {
    address private constant NEXT = address(0x9121);

    uint64 private begin;
    uint64 private end;

    function setUp() public {
        makeVault();
        (begin, end) = (uint64(block.timestamp) + 1 days, uint64(block.timestamp) + 8 days);
    }

    function _round(uint32 places) private returns (uint256 round) {
        round = factory.openRound(begin, end, places);
        vm.warp(begin);
    }

    function _apply(uint256 round, address who) private returns (address) {
        vm.prank(who);
        return factory.applyFor(round, "Next", "NXT", 500, "who we are");
    }

    /* ROUNDS */

    function test_aRoundIsOpenedByGovernance() public {
        vm.expectEmit(address(factory));
        emit ILiquidStakingFactory.RoundOpened(2, begin, end, 2);
        assertEq(factory.openRound(begin, end, 2), 2);
        assertEq(factory.roundCount(), 2);
        ILiquidStakingFactory.Round memory round = factory.roundAt(2);
        assertEq(round.begin, begin);
        assertEq(round.end, end);
        assertEq(round.places, 2);
        assertEq(round.approved, 0);
    }

    function test_onlyGovernanceGoverns() public {
        vm.startPrank(NEXT);
        bytes memory refused = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, NEXT);
        vm.expectRevert(refused);
        factory.openRound(begin, end, 1);
        vm.expectRevert(refused);
        factory.approve(1, NEXT);
        vm.expectRevert(refused);
        factory.offboard(PROVIDER);
    }

    function test_aRoundMustMakeSense() public {
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.RoundMalformed.selector, end, end, 1));
        factory.openRound(end, end, 1);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.RoundMalformed.selector, begin, end, 0));
        factory.openRound(begin, end, 0);
        uint64 now_ = uint64(block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.RoundMalformed.selector, now_ - 1, now_, 1));
        factory.openRound(now_ - 1, now_, 1);
    }

    /* APPLYING */

    function test_anApplicationNamesItsVault() public {
        uint256 round = _round(1);
        address vaultAt = factory.vaultAddress(round, NEXT);
        vm.expectEmit(address(factory));
        emit ILiquidStakingFactory.Applied(round, NEXT, vaultAt, "Next", "NXT", 500, "who we are");
        assertEq(_apply(round, NEXT), vaultAt);
        ILiquidStakingFactory.Application memory application = factory.applicationOf(round, NEXT);
        assertEq(application.name, "Next");
        assertEq(application.symbol, "NXT");
        assertEq(application.fee, 500);
        assertEq(application.metadataHash, keccak256("who we are"));
        assertFalse(application.isApproved);
        assertEq(vaultAt.code.length, 0);
    }

    function test_applicationsComeInTimeAndOnce() public {
        uint256 round = factory.openRound(begin, end, 1);
        bytes memory closed = abi.encodeWithSelector(ILiquidStakingFactory.RoundNotOpen.selector, round, begin, end);
        vm.warp(begin - 1);
        vm.expectRevert(closed);
        _apply(round, NEXT);
        vm.warp(end);
        vm.expectRevert(closed);
        _apply(round, NEXT);
        vm.warp(end - 1);
        _apply(round, NEXT);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.AlreadyApplied.selector, round, NEXT));
        _apply(round, NEXT);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.RoundUnknown.selector, 77));
        _apply(77, NEXT);
    }

    function test_applicationsAreOfBoundedSize() public {
        uint256 round = _round(1);
        vm.startPrank(NEXT);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.TextOutOfBounds.selector, 0, 1, 64));
        factory.applyFor(round, "", "NXT", 0, "");
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.TextOutOfBounds.selector, 65, 1, 64));
        factory.applyFor(round, string(new bytes(65)), "NXT", 0, "");
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.TextOutOfBounds.selector, 17, 1, 16));
        factory.applyFor(round, "Next", string(new bytes(17)), 0, "");
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.TextOutOfBounds.selector, 4_097, 0, 4_096));
        factory.applyFor(round, "Next", "NXT", 0, string(new bytes(4_097)));
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.FeeTooHigh.selector, 2_001, 2_000));
        factory.applyFor(round, "Next", "NXT", 2_001, "");
    }

    /* APPROVING */

    function test_anApprovedProviderHasAVaultWhereItWasSaid() public {
        uint256 round = _round(1);
        address vaultAt = _apply(round, NEXT);
        // Whitelisted before it is there.
        pool.setWhitelist(vaultAt, true);
        vm.warp(end + 100 days);
        vm.expectEmit(address(factory));
        emit ILiquidStakingFactory.Approved(round, NEXT, vaultAt);
        assertEq(factory.approve(round, NEXT), vaultAt);
        assertEq(factory.vaultOf(NEXT), vaultAt);
        assertTrue(factory.isVault(vaultAt));
        assertEq(factory.roundAt(round).approved, 1);
        assertTrue(factory.applicationOf(round, NEXT).isApproved);
        vault = LiquidStakingVault(vaultAt);
        assertEq(vault.provider(), NEXT);
        assertEq(vault.fee(), 500);
        assertEq(vault.name(), "Next");
        assertEq(vault.symbol(), "NXT");
        assertEq(address(vault.POOL()), address(pool));
        assertEq(vault.FACTORY(), address(factory));
        depositFor(ALICE, LEAST);
        bytes memory proof = ecdsa(signerSecret(5), pool.signerDigest(vaultAt, signerOf(5)));
        vm.prank(NEXT);
        vault.lock(signerOf(5), nodeKeyOf(5), proof);
        assertEq(pool.validatorOf(vaultAt), 1);
    }

    function test_aRoundHasSoManyPlaces() public {
        uint256 round = _round(1);
        _apply(round, NEXT);
        _apply(round, ALICE);
        factory.approve(round, ALICE);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.RoundFull.selector, round, 1));
        factory.approve(round, NEXT);
    }

    function test_whoDidNotApplyIsNotApproved() public {
        uint256 round = _round(1);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.NotApplied.selector, round, NEXT));
        factory.approve(round, NEXT);
    }

    function test_oneProviderOneNode() public {
        uint256 round = _round(2);
        bytes memory refused = abi.encodeWithSelector(ILiquidStakingFactory.HasVault.selector, PROVIDER, address(vault));
        vm.expectRevert(refused);
        _apply(round, PROVIDER);
        vm.expectRevert(refused);
        factory.approve(1, PROVIDER);

        // One that applies in two rounds gets one place.
        uint256 other = factory.openRound(begin, end, 1);
        _apply(round, NEXT);
        _apply(other, NEXT);
        address vaultAt = factory.approve(round, NEXT);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.HasVault.selector, NEXT, vaultAt));
        factory.approve(other, NEXT);
    }

    /* OFFBOARDING */

    function test_anOffboardedVaultPaysEverybodyAndEnds() public {
        depositFor(ALICE, 2 * LEAST);
        depositFor(BOB, LEAST);
        uint64 id = lockAs(1);
        request(BOB, vault.balanceOf(BOB) / 2);
        vm.expectEmit(address(factory));
        emit ILiquidStakingFactory.Offboarded(PROVIDER, address(vault));
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.Closed();
        factory.offboard(PROVIDER);
        assertTrue(vault.isClosed());
        assertStatus(ILockingPool.Status.Unlocking);
        assertEq(vault.maxDeposit(ALICE), 0);
        assertEq(factory.vaultOf(PROVIDER), address(0));
        assertTrue(factory.isVault(address(vault)));

        skip(EXIT_DELAY);
        vault.collect();
        request(ALICE, vault.balanceOf(ALICE));
        request(BOB, vault.balanceOf(BOB));
        vault.serve();
        assertEq(claim(ALICE), 2 * LEAST);
        assertEq(claim(BOB), LEAST);
        assertEq(vault.validatorId(), 0);
        vm.prank(PROVIDER);
        vm.expectRevert(ILiquidStakingVault.VaultClosed.selector);
        vault.lock(signerOf(2), nodeKeyOf(2), "");
        assertEq(id, 1);
    }

    function test_offboardingWorksWhateverTheValidatorDoes() public {
        depositFor(ALICE, 2 * LEAST);
        // Without a validator.
        uint256 before = vm.snapshotState();
        factory.offboard(PROVIDER);
        vm.revertToState(before);
        // On its way out already.
        lockAs(1);
        before = vm.snapshotState();
        vm.prank(PROVIDER);
        vault.leave();
        factory.offboard(PROVIDER);
        vm.revertToState(before);
        // In jail, and the pool paused.
        slashBy(1_000, 300 days);
        pool.setGuardian(address(this));
        pool.pause();
        factory.offboard(PROVIDER);
        assertStatus(ILockingPool.Status.Unlocking);
    }

    function test_whoWasOffboardedMayApplyAnew() public {
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.NoVault.selector, NEXT));
        factory.offboard(NEXT);
        factory.offboard(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.NoVault.selector, PROVIDER));
        factory.offboard(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.NotApplied.selector, 1, PROVIDER));
        factory.approve(1, PROVIDER);
        LiquidStakingVault next = approved(PROVIDER);
        assertTrue(address(next) != address(vault));
        assertFalse(next.isClosed());
        vm.prank(address(factory));
        vm.expectRevert(ILiquidStakingVault.VaultClosed.selector);
        vault.close();
    }
}
