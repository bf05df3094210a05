// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IForcedQueue} from "../src/interfaces/IForcedQueue.sol";
import {Forcing} from "./base/Forcing.sol";

/// @notice What the room in an L1 block costs, and what it costs to take it from others.
contract ForcedPriceTest is Forcing {
    uint64 private blockGas = queue.BLOCK_GAS();

    function setUp() public {
        begin();
    }

    function test_thePriceStaysWhileHalfIsBought() public {
        for (uint256 i = 0; i < 5; i++) {
            enter(blockGas / 2, 0, "");
            vm.roll(here() + 1);
            assertEq(queue.gasPrice(), FLOOR);
        }
    }

    function test_aFullBlockRaisesThePriceByAnEighthAndAnEmptyOneLowersIt() public {
        for (uint256 i = 0; i < 20; i++) {
            uint64 before = queue.gasPrice();
            enter(blockGas, 0, "");
            assertEq(queue.gasPrice(), before, "the same for all in one block");
            vm.roll(here() + 1);
            assertEq(queue.gasPrice(), before + before / 8);
        }
        uint64 price = queue.gasPrice();
        while (price > FLOOR) {
            vm.roll(here() + 1);
            price -= price / 8;
            if (price < FLOOR) price = FLOOR;
            assertEq(queue.gasPrice(), price);
        }
        vm.roll(type(uint64).max);
        assertEq(queue.gasPrice(), FLOOR);
    }

    function testFuzz_thePriceMovesByAnEighthAtMostAndNeverBelowTheFloor(
        uint64[12] memory bought,
        uint8[12] memory quiet
    ) public {
        for (uint256 i = 0; i < bought.length; i++) {
            uint64 before = queue.gasPrice();
            uint64 gas = uint64(bound(bought[i], LEAST_GAS, blockGas));
            enter(gas, 0, "");
            vm.roll(here() + 1);
            uint64 then = queue.gasPrice();
            assertGe(then, FLOOR);
            assertLe(then, before + before / 8);
            assertGe(then, before - before / 8);
            if (gas > blockGas / 2) assertGe(then, before);
            if (gas < blockGas / 2) assertLe(then, before);
            vm.roll(here() + quiet[i]);
            assertLe(queue.gasPrice(), then);
            assertGe(queue.gasPrice(), FLOOR);
        }
    }

    /* CAPS OF AN L1 BLOCK */

    function test_aBlockHoldsSoMuchGas() public {
        enter(blockGas - LEAST_GAS, 0, "");
        _refusesAsFull(LEAST_GAS + 1, "");
        enter();
        _refusesAsFull(LEAST_GAS, "");
        vm.roll(here() + 1);
        enter(blockGas, 0, "");
    }

    function test_aBlockHoldsSoManyEntries() public {
        uint64 most = queue.BLOCK_ENTRIES();
        for (uint256 i = 0; i < most; i++) {
            enter();
        }
        _refusesAsFull(LEAST_GAS, "");
        vm.roll(here() + 1);
        assertEq(enter(), most);
    }

    function test_aBlockHoldsSoManyBytes() public {
        uint64 most = queue.MAX_DATA();
        enter(2_000_000, 0, new bytes(most));
        enter(2_000_000, 0, new bytes(most));
        _refusesAsFull(1_000_000, "a");
        enter();
        vm.roll(here() + 1);
        enter(2_000_000, 0, new bytes(most));
    }

    /* GRIEFING */

    /// @dev The cheapest way to shut others out is as many entries as there may be, of the least gas. It doubles in price
    /// every six L1 blocks.
    function test_shuttingOthersOutCostsTwiceAsMuchEverySixBlocks() public {
        uint256 spent;
        uint256 first = _fillWithEntries();
        uint256 last = first;
        for (uint256 i = 1; i < 150; i++) {
            vm.roll(here() + 1);
            uint256 cost = _fillWithEntries();
            // To the wei of rounding an eighth more.
            assertApproxEqAbs(cost, last * 9 / 8, 32 * uint256(LEAST_GAS));
            (spent, last) = (spent + cost, cost);
        }
        // Half an hour of silence: from less than a thousandth of an ether a block to more than 25,000.
        assertLt(first, 0.001 ether);
        assertGt(last, 25_000 ether);
        assertGt(spent, 200_000 ether);

        // One block of room, and a user is in; without purchases the price is back as fast as it rose.
        vm.roll(here() + 1);
        enter();
        vm.roll(here() + 135);
        assertEq(queue.gasPrice(), FLOOR);
    }

    /// @dev Whichever cap is filled, the price rises alike.
    function test_everyCapHasItsPrice() public {
        uint256 start = vm.snapshotState();
        _fillWithEntries();
        vm.roll(here() + 1);
        assertEq(queue.gasPrice(), FLOOR + FLOOR / 8);
        vm.revertToState(start);
        uint64 most = queue.MAX_DATA();
        enter(queue.intrinsicGas(false, most), 0, new bytes(most));
        enter(queue.intrinsicGas(false, most), 0, new bytes(most));
        vm.roll(here() + 1);
        assertEq(queue.gasPrice(), FLOOR + FLOOR / 8);
    }

    /// @dev One that keeps the price where it is buys half, and leaves half.
    function test_whatKeepsThePriceLeavesRoom() public {
        for (uint256 i = 0; i < 10; i++) {
            for (uint256 j = 0; j < queue.BLOCK_ENTRIES() / 2; j++) {
                enter(blockGas / queue.BLOCK_ENTRIES(), 0, "");
            }
            assertEq(queue.gasPrice(), FLOOR);
            (uint64 gas, uint64 entries, uint64 bytes_) = queue.left();
            assertEq(gas, blockGas / 2);
            assertEq(entries, queue.BLOCK_ENTRIES() / 2);
            assertEq(bytes_, queue.BLOCK_BYTES());
            vm.roll(here() + 1);
        }
    }

    /// @dev The highest price that the word holds: it stays there, and comes down again.
    function test_thePriceHasAnEnd() public {
        vm.deal(USER, type(uint128).max);
        for (uint256 i = 0; i < 220; i++) {
            enter(blockGas, 0, "");
            vm.roll(here() + 1);
        }
        assertEq(queue.gasPrice(), type(uint64).max);
        vm.roll(here() + 1);
        assertLt(queue.gasPrice(), type(uint64).max);
        vm.roll(here() + 1_000_000_000);
        uint256 before = gasleft();
        assertEq(queue.gasPrice(), FLOOR);
        assertLt(before - gasleft(), 200_000, "whatever the time in between, little is computed");
    }

    /* HELP */

    function _fillWithEntries() private returns (uint256 cost) {
        uint256 before = address(queue).balance;
        for (uint256 i = 0; i < queue.BLOCK_ENTRIES(); i++) {
            enter();
        }
        _refusesAsFull(LEAST_GAS, "");
        return address(queue).balance - before;
    }

    function _refusesAsFull(uint64 gas, bytes memory data) private {
        (uint64 gasLeft, uint64 entriesLeft, uint64 bytesLeft) = queue.left();
        uint256 cost = uint256(gas) * queue.gasPrice();
        vm.deal(USER, cost);
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.BlockFull.selector, gasLeft, entriesLeft, bytesLeft));
        vm.prank(USER, USER);
        queue.enqueue{value: cost}(address(0xD0), false, 0, 0, gas, data);
    }
}
