// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {TestMetis} from "../src/devnet/TestMetis.sol";
import {IRewardSchedule} from "../src/interfaces/IRewardSchedule.sol";
import {HostileToken} from "./base/HostileToken.sol";
import {Rewarding} from "./base/Rewarding.sol";

/// @notice A token that calls the schedule back in the middle of each transfer.
contract RewardReentrancyTest is Rewarding {
    uint64 private constant YEAR = 365 days;
    uint256 private constant FUND = 100_000e18;

    HostileToken private token = new HostileToken();

    function setUp() public override {
        metis = TestMetis(address(token));
        super.setUp();
        schedule.begin();
        submit(key);
        submit(key);
        skip(YEAR / 10);
        token.mint(address(this), FUND);
        token.approve(address(schedule), FUND);
    }

    function test_fromInsideAFundingNothingIsPossible() public {
        bytes[] memory tried = _tried();
        for (uint256 i = 0; i < tried.length; i++) {
            uint256 before = vm.snapshotState();
            token.attack(address(schedule), tried[i]);
            schedule.fund(FUND);
            _assertRefused();
            assertEq(token.balanceOf(address(schedule)), FUND);
            vm.revertToState(before);
        }
    }

    /// @dev The next settlement is signed already, and comes from inside the payment of this one.
    function test_fromInsideASettlementNothingIsPossible() public {
        schedule.fund(FUND);
        uint256 allowed = schedule.allowed();
        bytes[] memory tried = _tried();
        IRewardSchedule.Settlement memory settlement = _settlement(0);
        for (uint256 i = 0; i < tried.length; i++) {
            uint256 before = vm.snapshotState();
            token.attack(address(schedule), tried[i]);
            schedule.settle(settlement, groupSign(key, schedule.settlementDigest(settlement)));
            _assertRefused();
            assertEq(pool.validator(1).rewards, allowed / 2);
            assertEq(pool.validator(2).rewards, allowed / 2);
            assertEq(token.balanceOf(address(schedule)), FUND - allowed);
            assertEq(schedule.owed(), 0);
            assertEq(schedule.nextIndex(), 1);
            vm.revertToState(before);
        }
    }

    function test_fromInsideALatePaymentNothingIsPossible() public {
        IRewardSchedule.Settlement memory settlement = _settlement(0);
        uint256 allowed = schedule.allowed();
        schedule.settle(settlement, groupSign(key, schedule.settlementDigest(settlement)));
        token.mint(address(schedule), FUND);
        bytes[] memory tried = _tried();
        for (uint256 i = 0; i < tried.length; i++) {
            uint256 before = vm.snapshotState();
            token.attack(address(schedule), tried[i]);
            schedule.pay(settlement.ids);
            _assertRefused();
            assertEq(token.balanceOf(address(schedule)), FUND - allowed);
            vm.revertToState(before);
        }
    }

    /// @dev What needs no guard: reckoning once more in the same second changes nothing.
    function test_reckoningFromInsideChangesNothing() public {
        schedule.fund(FUND);
        uint256 allowed = schedule.allowed();
        token.attack(address(schedule), abi.encodeCall(schedule.checkpoint, ()));
        IRewardSchedule.Settlement memory settlement = _settlement(0);
        schedule.settle(settlement, groupSign(key, schedule.settlementDigest(settlement)));
        assertTrue(token.went());
        assertEq(pool.validator(1).rewards + pool.validator(2).rewards, allowed);
        assertEq(schedule.allowed(), 0);
    }

    function _tried() private returns (bytes[] memory tried) {
        tried = new bytes[](3);
        IRewardSchedule.Settlement memory next = _settlement(1);
        bytes32 digest = schedule.settlementDigest(next);
        tried[0] = abi.encodeCall(schedule.settle, (next, groupSign(key, digest)));
        tried[1] = abi.encodeCall(schedule.pay, (next.ids));
        tried[2] = abi.encodeCall(schedule.fund, (0));
    }

    /// @dev The blocks of batch `index`, half of them each validator's.
    function _settlement(uint64 index) private pure returns (IRewardSchedule.Settlement memory next) {
        (next.index, next.firstBlock, next.lastBlock) = (index, 10 * index + 1, 10 * index + 10);
        (next.ids, next.blocks) = (new uint64[](2), new uint64[](2));
        (next.ids[0], next.ids[1], next.blocks[0], next.blocks[1]) = (1, 2, 5, 5);
    }

    function _assertRefused() private view {
        assertFalse(token.went());
        assertEq(bytes4(token.answer()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
    }
}
