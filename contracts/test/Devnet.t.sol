// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Test} from "forge-std/Test.sol";

import {Faucet} from "../src/devnet/Faucet.sol";
import {Seasons} from "../src/devnet/Seasons.sol";
import {TestMetis} from "../src/devnet/TestMetis.sol";

/// @notice What only testnets have: a faucet, and points.
contract DevnetTest is Test {
    TestMetis private metis = new TestMetis();
    Faucet private faucet;
    Seasons private seasons;
    address private constant ALICE = address(0xA11);
    address private constant BOB = address(0xB0B0);
    address private constant SCORER = address(0x5C);

    function setUp() public {
        vm.warp(1_700_000_000 / 1 days * 1 days);
        faucet = new Faucet(metis, 100, 8 hours, 250);
        metis.mint(address(faucet), 1_000);
        seasons = new Seasons(address(this));
        seasons.grantRole(seasons.SCORER(), SCORER);
    }

    /* FAUCET */

    function test_theFaucetGivesOnceAnInterval() public {
        vm.expectEmit(address(faucet));
        emit Faucet.Given(ALICE, 100);
        faucet.give(ALICE);
        assertEq(metis.balanceOf(ALICE), 100);
        uint256 allowedFrom = vm.getBlockTimestamp() + 8 hours;
        skip(8 hours - 1);
        vm.expectRevert(abi.encodeWithSelector(Faucet.TooSoon.selector, allowedFrom));
        faucet.give(ALICE);
        skip(1);
        faucet.give(ALICE);
        assertEq(metis.balanceOf(ALICE), 200);
    }

    function test_theFaucetRunsDryForADay() public {
        faucet.give(ALICE);
        faucet.give(BOB);
        vm.expectRevert(abi.encodeWithSelector(Faucet.DryToday.selector, 200, 250));
        faucet.give(SCORER);
        skip(1 days);
        faucet.give(SCORER);
    }

    function test_anEmptyFaucetSaysSo() public {
        Faucet empty = new Faucet(metis, 1, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, empty, 0, 1));
        empty.give(ALICE);
    }

    function testFuzz_noDayGivesMoreThanItMay(uint8[32] memory who, uint16[32] memory waits) public {
        uint256 day;
        uint256 given;
        for (uint256 i = 0; i < who.length; i++) {
            skip(waits[i]);
            if (vm.getBlockTimestamp() / 1 days != day) (day, given) = (vm.getBlockTimestamp() / 1 days, 0);
            try faucet.give(address(1 + uint160(who[i]))) {
                given += 100;
            } catch {}
            assertLe(given, 250);
        }
    }

    /* SEASONS */

    function test_pointsCountBySeason() public {
        vm.expectEmit(address(seasons));
        emit Seasons.SeasonBegun(1);
        seasons.begin();
        vm.expectEmit(address(seasons));
        emit Seasons.Given(1, ALICE, "run a node", 10);
        _give(ALICE, 10);
        _give(BOB, 5);
        _give(ALICE, 1);
        seasons.begin();
        _give(BOB, 7);
        assertEq(seasons.points(1, ALICE), 11);
        assertEq(seasons.pointsOf(1), 16);
        assertEq(seasons.points(2, ALICE), 0);
        assertEq(seasons.pointsOf(2), 7);
        assertEq(seasons.testers(1), 2);
        assertEq(seasons.testers(2), 1);
    }

    function test_totalsArePaged() public {
        seasons.begin();
        Seasons.Gift[] memory gifts = new Seasons.Gift[](5);
        for (uint256 i = 0; i < 5; i++) {
            gifts[i] = Seasons.Gift(address(uint160(100 + i)), uint128(i + 1), "");
        }
        vm.prank(SCORER);
        seasons.give(gifts);
        Seasons.Total[] memory totals = seasons.page(1, 3, 10);
        assertEq(totals.length, 2);
        assertEq(totals[1].tester, address(104));
        assertEq(totals[1].points, 5);
        assertEq(seasons.page(1, 0, 2).length, 2);
        assertEq(seasons.page(1, 5, 2).length, 0);
        assertEq(seasons.page(2, 0, 2).length, 0);
    }

    function test_onlyScorersGiveAndOnlyTheAdminBegins() public {
        Seasons.Gift[] memory gifts = new Seasons.Gift[](0);
        bytes32 role = seasons.SCORER();
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, ALICE, role));
        vm.prank(ALICE);
        seasons.give(gifts);
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, SCORER, 0));
        vm.prank(SCORER);
        seasons.begin();
    }

    function test_giftsAreInASeasonAndNotEmpty() public {
        vm.expectRevert(Seasons.NoSeason.selector);
        _give(ALICE, 1);
        seasons.begin();
        vm.expectRevert(abi.encodeWithSelector(Seasons.NoPoints.selector, ALICE));
        _give(ALICE, 0);
        vm.expectRevert(abi.encodeWithSelector(Seasons.TooManyGifts.selector, 201, 200));
        vm.prank(SCORER);
        seasons.give(new Seasons.Gift[](201));
    }

    function testFuzz_totalsAreTheSumOfWhatWasGiven(uint8[24] memory who, uint128[24] memory points) public {
        seasons.begin();
        uint256 sum;
        for (uint256 i = 0; i < who.length; i++) {
            if (points[i] == 0) continue;
            _give(address(uint160(1 + who[i] % 7)), points[i]);
            sum += points[i];
        }
        Seasons.Total[] memory totals = seasons.page(1, 0, type(uint256).max);
        uint256 paged;
        for (uint256 i = 0; i < totals.length; i++) {
            paged += totals[i].points;
            for (uint256 j = 0; j < i; j++) {
                assertNotEq(totals[i].tester, totals[j].tester);
            }
        }
        assertEq(paged, sum);
        assertEq(seasons.pointsOf(1), sum);
    }

    function _give(address to, uint128 points) private {
        Seasons.Gift[] memory gifts = new Seasons.Gift[](1);
        gifts[0] = Seasons.Gift(to, points, "run a node");
        vm.prank(SCORER);
        seasons.give(gifts);
    }
}
