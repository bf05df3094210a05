// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {LiquidStakingVault} from "../src/LiquidStakingVault.sol";
import {IERC7540Operator, IERC7540Redeem, IERC7575} from "../src/interfaces/IERC7540.sol";
import {ILiquidStakingVault} from "../src/interfaces/ILiquidStakingVault.sol";
import {ShareVotes} from "../src/vault/ShareVotes.sol";
import {VaultFixture} from "./base/VaultFixture.sol";

/// @notice The shares: ERC-4626 and ERC-7540, as the standards say, without a validator or with one that does no harm.
contract LiquidStakingVaultTest is VaultFixture {
    function setUp() public {
        makeVault();
    }

    function test_aDepositBuysSharesAtParFirst() public {
        uint256 shares = depositFor(ALICE, LEAST);
        assertEq(shares, LEAST * 1e6);
        assertEq(vault.balanceOf(ALICE), shares);
        assertEq(vault.totalAssets(), LEAST);
        assertEq(vault.convertToAssets(shares), LEAST);
        assertEq(vault.cash(), LEAST);
        assertEq(vault.name(), "Staked METIS");
        assertEq(vault.symbol(), "stMETIS");
        assertEq(vault.decimals(), 24);
        assertEq(vault.asset(), address(metis));
        assertEq(vault.share(), address(vault));
        assertEq(vault.provider(), PROVIDER);
        assertEq(vault.fee(), FEE);
    }

    function test_mintTakesWhatItSays() public {
        uint256 shares = 5e24;
        uint256 assets = vault.previewMint(shares);
        metis.mint(ALICE, assets);
        vm.startPrank(ALICE);
        metis.approve(address(vault), assets);
        assertEq(vault.mint(shares, ALICE), assets);
        vm.stopPrank();
        assertEq(vault.balanceOf(ALICE), shares);
        assertEq(metis.balanceOf(ALICE), 0);
    }

    function test_depositsStopAtTheMostOfANode() public {
        depositFor(ALICE, MOST - 1);
        assertEq(vault.maxDeposit(ALICE), 1);
        assertEq(vault.maxMint(ALICE), 1e6);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(ERC4626.ERC4626ExceededMaxDeposit.selector, BOB, 2, 1));
        vault.deposit(2, BOB);
        // Who leaves makes room.
        request(ALICE, vault.balanceOf(ALICE) / 2);
        assertApproxEqAbs(vault.maxDeposit(BOB), MOST / 2, 1);
    }

    function test_aDepositOfNothingIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.DepositTooSmall.selector, 0));
        vault.deposit(0, ALICE);
    }

    function test_beforeTheFirstValidatorEverybodyLeavesAtOnce() public {
        uint256 shares = depositFor(ALICE, LEAST);
        vm.expectEmit(address(vault));
        emit IERC7540Redeem.RedeemRequest(ALICE, ALICE, 0, ALICE, shares);
        request(ALICE, shares);
        assertEq(vault.pendingRedeemRequest(0, ALICE), shares);
        assertEq(vault.claimableRedeemRequest(0, ALICE), 0);
        assertEq(vault.balanceOf(ALICE), 0);

        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.Served(shares, LEAST);
        vault.serve();
        assertEq(vault.pendingRedeemRequest(0, ALICE), 0);
        assertEq(vault.claimableRedeemRequest(0, ALICE), shares);
        assertEq(vault.maxWithdraw(ALICE), LEAST);
        assertEq(vault.totalSupply(), 0);
        assertEq(vault.reserved(), LEAST);
        assertEq(claim(ALICE), LEAST);
        assertEq(metis.balanceOf(ALICE), LEAST);
        assertEq(vault.reserved(), 0);
    }

    function test_otherRequestIdsAreEmpty() public {
        request(ALICE, depositFor(ALICE, LEAST));
        assertEq(vault.pendingRedeemRequest(1, ALICE), 0);
        vault.serve();
        assertEq(vault.claimableRedeemRequest(1, ALICE), 0);
    }

    function test_aClaimCanBeMadeInPartsBothWays() public {
        uint256 shares = depositFor(ALICE, 3 * LEAST);
        request(ALICE, shares);
        vault.serve();
        vm.startPrank(ALICE);
        assertEq(vault.redeem(shares / 3, BOB, ALICE), LEAST);
        assertEq(vault.withdraw(LEAST, BOB, ALICE), shares / 3);
        vm.expectRevert(abi.encodeWithSelector(ERC4626.ERC4626ExceededMaxWithdraw.selector, ALICE, LEAST + 1, LEAST));
        vault.withdraw(LEAST + 1, BOB, ALICE);
        vm.expectRevert(
            abi.encodeWithSelector(ERC4626.ERC4626ExceededMaxRedeem.selector, ALICE, shares / 3 + 1, shares / 3)
        );
        vault.redeem(shares / 3 + 1, BOB, ALICE);
        assertEq(vault.redeem(shares / 3, BOB, ALICE), LEAST);
        assertEq(vault.redeem(0, BOB, ALICE), 0);
        assertEq(vault.withdraw(0, BOB, ALICE), 0);
        vm.stopPrank();
        assertEq(metis.balanceOf(BOB), 3 * LEAST);
    }

    function test_previewsOfRedemptionRefuse() public {
        vm.expectRevert(ILiquidStakingVault.PreviewImpossible.selector);
        vault.previewRedeem(1);
        vm.expectRevert(ILiquidStakingVault.PreviewImpossible.selector);
        vault.previewWithdraw(1);
    }

    function test_interfacesAreThoseOfTheStandards() public view {
        assertEq(type(IERC7540Operator).interfaceId, bytes4(0xe3bc4e65));
        assertEq(type(IERC7540Redeem).interfaceId, bytes4(0x620ee8e4));
        assertEq(type(IERC4626).interfaceId ^ type(IERC7575).interfaceId, bytes4(0x2f0a18c5));
        assertTrue(vault.supportsInterface(type(IERC165).interfaceId));
        assertTrue(vault.supportsInterface(0xe3bc4e65));
        assertTrue(vault.supportsInterface(0x620ee8e4));
        assertTrue(vault.supportsInterface(0x2f0a18c5));
        assertFalse(vault.supportsInterface(0xce3bbe50), "deposits are synchronous");
        assertFalse(vault.supportsInterface(0xffffffff));
    }

    /* OPERATORS */

    function test_anOperatorRequestsAndClaims() public {
        uint256 shares = depositFor(ALICE, LEAST);
        vm.expectEmit(address(vault));
        emit IERC7540Operator.OperatorSet(ALICE, BOB, true);
        vm.prank(ALICE);
        assertTrue(vault.setOperator(BOB, true));
        assertTrue(vault.isOperator(ALICE, BOB));
        vm.prank(BOB);
        vault.requestRedeem(shares, ALICE, ALICE);
        vault.serve();
        vm.prank(BOB);
        vault.redeem(shares / 2, BOB, ALICE);
        assertEq(metis.balanceOf(BOB), LEAST / 2);

        vm.prank(ALICE);
        vault.setOperator(BOB, false);
        vm.startPrank(BOB);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.NotOperator.selector, ALICE, BOB));
        vault.redeem(1, BOB, ALICE);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.NotOperator.selector, ALICE, BOB));
        vault.withdraw(1, BOB, ALICE);
    }

    function test_anAllowanceRequestsToo() public {
        uint256 shares = depositFor(ALICE, LEAST);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, BOB, 0, shares));
        vault.requestRedeem(shares, BOB, ALICE);
        vm.prank(ALICE);
        vault.approve(BOB, shares);
        vm.prank(BOB);
        vault.requestRedeem(shares, BOB, ALICE);
        assertEq(vault.pendingRedeemRequest(0, BOB), shares);
        assertEq(vault.allowance(ALICE, BOB), 0);
    }

    function test_nobodyFillsAnothersPlaces() public {
        depositFor(ALICE, LEAST);
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.ControllerUnwilling.selector, BOB, ALICE));
        vault.requestRedeem(1, BOB, ALICE);
        vm.expectRevert(ILiquidStakingVault.ControllerZero.selector);
        vault.requestRedeem(1, address(0), ALICE);
        vm.expectRevert(ILiquidStakingVault.NothingRequested.selector);
        vault.requestRedeem(0, ALICE, ALICE);
        uint256 most = vault.MAX_REQUESTS();
        for (uint256 i = 0; i < most; i++) {
            vault.requestRedeem(1e24, ALICE, ALICE);
        }
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.TooManyRequests.selector, ALICE, most));
        vault.requestRedeem(1e24, ALICE, ALICE);
        // What is served gives its places back.
        vault.serve();
        vault.requestRedeem(1e24, ALICE, ALICE);
        vault.serve();
        assertEq(vault.maxWithdraw(ALICE), (most + 1) * 1e18);
        assertEq(vault.redeem((most + 1) * 1e24, ALICE, ALICE), (most + 1) * 1e18);
        vm.stopPrank();
    }

    /* ATTACKS */

    /// @dev The first depositor makes the price, then sends METIS so that the next one's shares round down.
    function testFuzz_inflationGainsNothing(uint256 first, uint256 gift, uint256 second) public {
        first = bound(first, 1, LEAST);
        gift = bound(gift, 0, 10 * MOST);
        second = bound(second, 1, MOST - LEAST);
        depositFor(ALICE, first);
        metis.mint(address(vault), gift);
        assertEq(vault.totalAssets(), first, "a gift counts for nothing");
        depositFor(BOB, second);
        request(BOB, vault.balanceOf(BOB));
        request(ALICE, vault.balanceOf(ALICE));
        vault.serve();
        assertEq(claim(BOB), second);
        assertEq(claim(ALICE), first);
        assertEq(metis.balanceOf(address(vault)), gift);
    }

    /// @dev The only way to lift the price is rewards: here with one wei of shares left, the worst there is.
    function testFuzz_aPriceMadeByRewardsRobsNobody(uint256 gift, uint256 second) public {
        gift = bound(gift, 1, 1_000e18);
        second = bound(second, 1e18, 10_000e18);
        depositFor(ALICE, LEAST);
        uint64 id = lockAs(1);
        vm.prank(PROVIDER);
        vault.leave();
        skip(EXIT_DELAY);
        vault.collect();
        request(ALICE, vault.balanceOf(ALICE) - 1);
        skip(EXIT_DELAY);
        vault.serve();
        claim(ALICE);
        earn(id, gift);
        vault.harvest(id);
        depositFor(BOB, second);
        request(BOB, vault.balanceOf(BOB));
        skip(EXIT_DELAY);
        vault.serve();
        uint256 back = claim(BOB);
        assertLe(back, second);
        assertGe(back, second - second / 1e6 - gift / 1e6 - 1);
    }

    function testFuzz_aDepositNeverLowersThePrice(uint256 stay, uint256 assets, uint256 rewards, uint256 times) public {
        stay = bound(stay, LEAST, 2 * LEAST);
        assets = bound(assets, 1, LEAST / 2);
        depositFor(ALICE, stay);
        earn(lockAs(1), bound(rewards, 0, LEAST));
        for (uint256 i = 0; i < bound(times, 1, 4); i++) {
            uint256 before = price();
            uint256 shares = depositFor(BOB, assets);
            assertGe(price(), before);
            assertLe(vault.convertToAssets(shares), assets);
        }
    }

    function test_sharesSentToTheVaultAreNotInTheQueue() public {
        uint256 shares = depositFor(ALICE, LEAST);
        vm.prank(ALICE);
        vault.transfer(address(vault), shares / 2);
        request(ALICE, shares / 2);
        vault.serve();
        assertEq(claim(ALICE), LEAST / 2);
        assertEq(vault.balanceOf(address(vault)), shares / 2);
    }

    /* WHO MAY */

    function test_whatTheProviderDoesNobodyElseDoes() public {
        bytes[] memory tried = new bytes[](7);
        tried[0] = abi.encodeCall(vault.lock, (address(1), bytes32("key"), ""));
        tried[1] = abi.encodeCall(vault.leave, ());
        tried[2] = abi.encodeCall(vault.release, ());
        tried[3] = abi.encodeCall(vault.updateSigner, (address(1), ""));
        tried[4] = abi.encodeCall(vault.updateNodeKey, (bytes32("key")));
        tried[5] = abi.encodeCall(vault.announceFee, (1));
        tried[6] = abi.encodeCall(vault.takeCover, ());
        for (uint256 i = 0; i < tried.length; i++) {
            (bool done, bytes memory answer) = address(vault).call(tried[i]);
            assertFalse(done);
            assertEq(answer, abi.encodeWithSelector(ILiquidStakingVault.NotProvider.selector, address(this)));
        }
    }

    function test_whatTheFactoryDoesNobodyElseDoes() public {
        ShareVotes votes = vault.votes();
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.NotFactory.selector, address(this)));
        vault.close();
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.NotFactory.selector, address(this)));
        vault.initialize(_terms(0), votes);
        vm.prank(address(factory));
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        vault.initialize(_terms(0), votes);
    }

    function test_theModelIsNoVault() public {
        LiquidStakingVault model = factory.MODEL();
        assertEq(model.maxDeposit(ALICE), 0);
        vm.expectRevert(abi.encodeWithSelector(ERC4626.ERC4626ExceededMaxDeposit.selector, ALICE, 1, 0));
        model.deposit(1, ALICE);
        vm.prank(address(factory));
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        model.initialize(_terms(0), ShareVotes(address(0)));
    }

    /// @dev The factory asks too, and earlier.
    function test_aVaultBeginsWithAFeeWithinBounds() public {
        address clone = Clones.clone(address(factory.MODEL()));
        vm.prank(address(factory));
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.FeeTooHigh.selector, 2_001, 2_000));
        LiquidStakingVault(clone).initialize(_terms(2_001), ShareVotes(address(0)));
    }

    function _terms(uint16 fee) private pure returns (ILiquidStakingVault.Terms memory) {
        return ILiquidStakingVault.Terms({provider: address(1), fee: fee, cover: 0, name: "", symbol: ""});
    }

    /* THE FEE */

    function test_theFeeIsAPartOfRewardsAlone() public {
        depositFor(ALICE, LEAST);
        uint64 id = lockAs(1);
        earn(id, 100e18);
        assertEq(vault.totalAssets(), LEAST + 90e18, "counted without the fee");
        uint256 before = price();
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.Harvested(id, 100e18, 10e18);
        vault.harvest(id);
        assertEq(price(), before);
        assertEq(vault.feeOwed(), 10e18);
        assertEq(vault.cash(), 90e18);
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.FeePaid(PROVIDER, 10e18);
        assertEq(vault.payFee(), 10e18);
        assertEq(metis.balanceOf(PROVIDER), 10e18);
        vm.expectRevert(ILiquidStakingVault.NothingToPay.selector);
        vault.payFee();
        vault.harvest(id);
    }

    function test_aNewFeeTakesItsNoticeAndSparesWhatWasEarned() public {
        depositFor(ALICE, LEAST);
        uint64 id = lockAs(1);
        vm.expectRevert(ILiquidStakingVault.NoFeeAnnounced.selector);
        vault.applyFee();
        vm.startPrank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.FeeTooHigh.selector, 2_001, 2_000));
        vault.announceFee(2_001);
        uint64 from = uint64(vm.getBlockTimestamp()) + 30 days;
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.FeeAnnounced(2_000, from);
        vault.announceFee(2_000);
        vm.stopPrank();
        (uint16 newFee, uint64 announcedFrom) = vault.announcedFee();
        assertEq(newFee, 2_000);
        assertEq(announcedFrom, from);
        skip(30 days - 1);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.NoticeRunning.selector, from));
        vault.applyFee();
        assertGt(vault.FEE_NOTICE(), EXIT_DELAY + PACE, "time to leave");

        skip(1);
        earn(id, 100e18);
        uint256 before = price();
        vm.expectEmit(address(vault));
        emit ILiquidStakingVault.FeeChanged(2_000);
        vault.applyFee();
        assertEq(price(), before);
        assertEq(vault.feeOwed(), 10e18, "at the old fee");
        earn(id, 100e18);
        vault.harvest(id);
        assertEq(vault.feeOwed(), 30e18);
        vm.expectRevert(ILiquidStakingVault.NoFeeAnnounced.selector);
        vault.applyFee();
    }

    function test_aFeeCanChangeWithoutAValidator() public {
        vm.prank(PROVIDER);
        vault.announceFee(0);
        skip(30 days);
        vault.applyFee();
        assertEq(vault.fee(), 0);
    }
}
