// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Frost} from "../../src/Frost.sol";
import {IBatchInbox} from "../../src/interfaces/IBatchInbox.sol";
import {IForcedQueue} from "../../src/interfaces/IForcedQueue.sol";
import {Fixture} from "./Fixture.sol";
import {Proxied} from "./Proxied.sol";

/// @notice People who enter transactions on L1, and batches that include them, or not.
abstract contract Forcing is Fixture {
    uint64 internal constant FORCED_DEADLINE = Proxied.FORCED_DEADLINE;
    uint64 internal constant FLOOR = Proxied.FLOOR;
    uint64 internal constant LEAST_GAS = 21_000;
    address internal constant USER = address(0x05E7);
    address internal constant CARRIER = address(0xB0B);

    IForcedQueue internal queue = inbox.QUEUE();
    Key internal key;

    /// @dev A group that can sign batches.
    function begin() internal {
        for (uint256 n = 1; n <= 4; n++) {
            join(n, 20_000e18 * n);
        }
        key = keyOf(0xC0FFEE);
        installFirstKey(key);
        vm.roll(1_000);
    }

    /// @dev The user enters a call of nobody, exactly paid.
    function enter(uint64 gas, uint256 mint, bytes memory data) internal returns (uint64 index) {
        uint256 cost = mint + uint256(gas) * queue.gasPrice();
        vm.deal(USER, USER.balance + cost);
        vm.prank(USER, USER);
        index = queue.enqueue{value: cost}(address(0xD0), false, mint, 0, gas, data);
    }

    function enter() internal returns (uint64) {
        return enter(LEAST_GAS, 0, "");
    }

    /// @dev The next batch, with this view and these entries.
    function batchOf(uint64 l1View, uint64 forced) internal view returns (IBatchInbox.Batch memory batch) {
        batch = nextBatch(10, "data");
        (batch.l1View, batch.forced) = (l1View, forced);
    }

    function carry(address carrier, uint64 l1View, uint64 forced) internal {
        IBatchInbox.Batch memory batch = batchOf(l1View, forced);
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.prank(carrier, carrier);
        inbox.submit(batch, signature, "data");
    }

    function carry(uint64 l1View, uint64 forced) internal {
        carry(CARRIER, l1View, forced);
    }

    function carryRefused(uint64 l1View, uint64 forced, bytes memory why) internal {
        IBatchInbox.Batch memory batch = batchOf(l1View, forced);
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.expectRevert(why);
        vm.prank(CARRIER, CARRIER);
        inbox.submit(batch, signature, "data");
    }

    /// @dev The L1 block now. Not `block.number`, which the compiler may read once and keep over `vm.roll`.
    function here() internal view returns (uint64) {
        return uint64(vm.getBlockNumber());
    }
}
