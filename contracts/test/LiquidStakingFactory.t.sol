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

    uint128 private constant COVER = 2_500e18;

    uint64 private begin;
    uint64 private end;

    function setUp() public {
        makeVault();
        (begin, end) = (uint64(vm.getBlockTimestamp()) + 1 days, uint64(vm.getBlockTimestamp()) + 8 days);
    }

    function _round(uint32 places) private returns (uint256 round) {
        round = factory.openRound(begin, end, places, COVER);
        vm.warp(begin);
    }

    function _apply(uint256 round, address who) private returns (address) {
        vm.prank(who);
        return factory.applyFor(round, "Next", "NXT", 500, "who we are");
    }

    /* ROUNDS */

    function test_aRoundIsOpenedByGovernance() public {
        vm.expectEmit(address(factory));
        emit ILiquidStakingFactory.RoundOpened(2, begin, end, 2, COVER);
        assertEq(factory.openRound(begin, end, 2, COVER), 2);
        assertEq(factory.roundCount(), 2);
        ILiquidStakingFactory.Round memory round = factory.roundAt(2);
        assertEq(round.begin, begin);
        assertEq(round.end, end);
        assertEq(round.places, 2);
        assertEq(round.approved, 0);
        assertEq(round.cover, COVER);
    }

    function test_onlyGovernanceGoverns() public {
        vm.startPrank(NEXT);
        bytes memory refused = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, NEXT);
        vm.expectRevert(refused);
        factory.openRound(begin, end, 1, COVER);
        vm.expectRevert(refused);
        factory.approveProvider(NEXT, true);
        vm.expectRevert(refused);
        factory.approveProvider(PROVIDER, false);
    }

    function test_aRoundMustMakeSense() public {
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.RoundMalformed.selector, end, end, 1, 0));
        factory.openRound(end, end, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.RoundMalformed.selector, begin, end, 0, 0));
        factory.openRound(begin, end, 0, 0);
        uint64 now_ = uint64(vm.getBlockTimestamp());
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.RoundMalformed.selector, now_ - 1, now_, 1, 0));
        factory.openRound(now_ - 1, now_, 1, 0);
        uint128 cover = uint128(MOST + 1);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.RoundMalformed.selector, begin, end, 1, cover));
        factory.openRound(begin, end, 1, cover);
    }

    /* APPLYING */

    function test_anApplicationNamesItsVault() public {
        uint256 round = _round(1);
        address vaultAt = factory.vaultAddress(round, NEXT);
        vm.expectEmit(address(factory));
        emit ILiquidStakingFactory.Applied(round, NEXT, vaultAt, "Next", "NXT", 500, "who we are");
        assertEq(_apply(round, NEXT), vaultAt);
        ILiquidStakingFactory.Application memory application = factory.applicationOf(NEXT);
        assertEq(application.round, round);
        assertEq(application.name, "Next");
        assertEq(application.symbol, "NXT");
        assertEq(application.fee, 500);
        assertEq(application.metadataHash, keccak256("who we are"));
        assertFalse(application.isApproved);
        assertEq(vaultAt.code.length, 0);
    }

    function test_applicationsComeInTimeAndOnce() public {
        uint256 round = factory.openRound(begin, end, 1, COVER);
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
        vm.warp(end + 100 days);
        vm.expectEmit(true, true, true, false, address(factory));
        emit ILiquidStakingFactory.Approved(round, NEXT, vaultAt, address(0));
        vm.expectEmit(address(pool));
        emit ILockingPool.Whitelisted(vaultAt, true);
        assertEq(factory.approveProvider(NEXT, true), vaultAt);
        assertTrue(pool.isWhitelisted(vaultAt));
        assertEq(factory.vaultOf(NEXT), vaultAt);
        assertTrue(factory.isVault(vaultAt));
        assertEq(factory.roundAt(round).approved, 1);
        assertTrue(factory.applicationOf(NEXT).isApproved);
        vault = LiquidStakingVault(vaultAt);
        assertEq(vault.provider(), NEXT);
        assertEq(vault.fee(), 500);
        assertEq(vault.name(), "Next");
        assertEq(vault.symbol(), "NXT");
        assertEq(address(vault.POOL()), address(pool));
        assertEq(vault.FACTORY(), address(factory));
        assertEq(vault.coverNeeded(), COVER);
        assertEq(vault.votes().vault(), vaultAt);
        coverBy(NEXT, COVER);
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
        factory.approveProvider(ALICE, true);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.RoundFull.selector, round, 1));
        factory.approveProvider(NEXT, true);
    }

    function test_whoDidNotApplyIsNotApproved() public {
        _round(1);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.NotApplied.selector, NEXT));
        factory.approveProvider(NEXT, true);
    }

    function test_oneProviderOneNode() public {
        uint256 round = _round(2);
        bytes memory refused = abi.encodeWithSelector(ILiquidStakingFactory.HasVault.selector, PROVIDER, address(vault));
        vm.expectRevert(refused);
        _apply(round, PROVIDER);
        vm.expectRevert(refused);
        factory.approveProvider(PROVIDER, true);

        // One that applies in two rounds gets one place, in the later one.
        uint256 other = factory.openRound(begin, end, 1, 0);
        _apply(round, NEXT);
        _apply(other, NEXT);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.AlreadyApplied.selector, other, NEXT));
        _apply(round, NEXT);
        address vaultAt = factory.approveProvider(NEXT, true);
        assertEq(vaultAt, factory.vaultAddress(other, NEXT));
        assertEq(LiquidStakingVault(vaultAt).coverNeeded(), 0);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.HasVault.selector, NEXT, vaultAt));
        factory.approveProvider(NEXT, true);
    }

    function test_withoutThePoolsTrustNoProviderIsApproved() public {
        uint256 round = _round(1);
        _apply(round, NEXT);
        vm.expectEmit(address(pool));
        emit ILockingPool.VaultFactoryChanged(address(0));
        pool.setVaultFactory(address(0));
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(factory)));
        factory.approveProvider(NEXT, true);
        // It can still close what it made.
        factory.approveProvider(PROVIDER, false);
        assertTrue(pool.isWhitelisted(address(vault)), "governance sees to it itself");
        assertTrue(vault.isClosed());
    }

    function test_onlyGovernanceNamesTheFactory() public {
        vm.prank(NEXT);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, NEXT));
        pool.setVaultFactory(NEXT);
        vm.prank(NEXT);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, NEXT));
        pool.setWhitelist(NEXT, true);
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
        factory.approveProvider(PROVIDER, false);
        assertTrue(vault.isClosed());
        assertFalse(pool.isWhitelisted(address(vault)));
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
        factory.approveProvider(PROVIDER, false);
        vm.revertToState(before);
        // On its way out already.
        lockAs(1);
        before = vm.snapshotState();
        vm.prank(PROVIDER);
        vault.leave();
        factory.approveProvider(PROVIDER, false);
        vm.revertToState(before);
        // In jail, and the pool paused.
        slashBy(1_000, 300 days);
        pool.setGuardian(address(this));
        pool.pause();
        factory.approveProvider(PROVIDER, false);
        assertStatus(ILockingPool.Status.Unlocking);
    }

    function test_whoWasOffboardedMayApplyAnew() public {
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.NoVault.selector, NEXT));
        factory.approveProvider(NEXT, false);
        factory.approveProvider(PROVIDER, false);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.NoVault.selector, PROVIDER));
        factory.approveProvider(PROVIDER, false);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingFactory.NotApplied.selector, PROVIDER));
        factory.approveProvider(PROVIDER, true);
        LiquidStakingVault next = approved(PROVIDER, 0);
        assertTrue(address(next) != address(vault));
        assertFalse(next.isClosed());
        vm.prank(address(factory));
        vm.expectRevert(ILiquidStakingVault.VaultClosed.selector);
        vault.close();
    }
}
