// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BatchInbox} from "../src/BatchInbox.sol";
import {Frost} from "../src/Frost.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {IForcedQueue} from "../src/interfaces/IForcedQueue.sol";
import {Forcing} from "./base/Forcing.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice Batches and the entries that they include, or leave out.
contract ForcedDeadlineTest is Forcing {
    uint256 private constant FEE = uint256(LEAST_GAS) * FLOOR;

    function setUp() public {
        begin();
    }

    /* THE DEADLINE */

    function test_aBatchPastAMissedDeadlineIsRefused() public {
        uint64 since = here();
        enter();
        vm.roll(since + 2 * FORCED_DEADLINE);
        uint64 due = since + FORCED_DEADLINE;
        carryRefused(due, 0, abi.encodeWithSelector(IForcedQueue.ForcedOverdue.selector, 0, since, due));
        carryRefused(here(), 0, abi.encodeWithSelector(IForcedQueue.ForcedOverdue.selector, 0, since, here()));
        // One L1 block earlier it may still wait, whenever the batch lands.
        carry(due - 1, 0);
        carryRefused(due, 0, abi.encodeWithSelector(IForcedQueue.ForcedOverdue.selector, 0, since, due));
        carry(due, 1);
        assertEq(inbox.head().forced, 1);
    }

    /// @dev The one that counts is the first that is left out.
    function test_includingSomeIsNotEnough() public {
        uint64 since = here();
        enter();
        enter();
        vm.roll(since + 1);
        enter();
        uint64 due = since + FORCED_DEADLINE;
        vm.roll(due + 1);
        carryRefused(due, 1, abi.encodeWithSelector(IForcedQueue.ForcedOverdue.selector, 1, since, due));
        carry(due, 2);
        carryRefused(due + 1, 2, abi.encodeWithSelector(IForcedQueue.ForcedOverdue.selector, 2, since + 1, due + 1));
        carry(due + 1, 3);
    }

    function test_aBatchIncludesNothingThatItsViewHasNotSeen() public {
        uint64 since = here();
        enter();
        vm.roll(since + 5);
        enter();
        carryRefused(since - 1, 1, abi.encodeWithSelector(IForcedQueue.ForcedAhead.selector, 0, since, since - 1));
        carryRefused(since + 4, 2, abi.encodeWithSelector(IForcedQueue.ForcedAhead.selector, 1, since + 5, since + 4));
        carry(since, 1);
        carry(since + 5, 2);
    }

    function test_entriesAreNeitherRepeatedNorInvented() public {
        enter();
        enter();
        carryRefused(here(), 3, abi.encodeWithSelector(IForcedQueue.ForcedOutOfRange.selector, 3, 0, 2));
        carry(here(), 2);
        carryRefused(here(), 1, abi.encodeWithSelector(IForcedQueue.ForcedOutOfRange.selector, 1, 2, 2));
        carryRefused(here(), 0, abi.encodeWithSelector(IForcedQueue.ForcedOutOfRange.selector, 0, 2, 2));
        uint64 most = type(uint64).max;
        carryRefused(here(), most, abi.encodeWithSelector(IForcedQueue.ForcedOutOfRange.selector, most, 2, 2));
        carry(here(), 2);
    }

    /// @dev What was entered after the batch's view, and before the batch landed, is the next one's.
    function test_whatComesWhileABatchIsUnderWayDoesNotStopIt() public {
        carry(here(), 0);
        uint64 seen = here();
        vm.roll(seen + 50);
        enter();
        carry(seen + 20, 0);
        carry(seen + 50, 1);
    }

    /// @dev Against a plain count of what must be in, and what may be.
    function testFuzz_exactlyWhatMayBeIsAccepted(uint8[8] memory gaps, uint64 l1View, uint64 forced, uint8 edge)
        public
    {
        uint64[8] memory since;
        for (uint256 i = 0; i < gaps.length; i++) {
            vm.roll(here() + gaps[i] % 128);
            enter();
            since[i] = here();
        }
        vm.roll(here() + 2 * FORCED_DEADLINE);
        l1View = uint64(bound(l1View, 900, here()));
        forced = uint64(bound(forced, 0, 9));
        // To the block before, at and after a deadline or an entry.
        if (edge % 4 == 1 && forced < 8) l1View = since[forced] + FORCED_DEADLINE - edge / 4 % 2;
        if (edge % 4 == 2 && forced > 0 && forced < 9) l1View = since[forced - 1] - edge / 4 % 2;
        (uint64 least, uint64 most) = (0, 0);
        for (uint256 i = 0; i < since.length; i++) {
            if (since[i] + FORCED_DEADLINE <= l1View) least++;
            if (since[i] <= l1View) most++;
        }
        if (forced > 8) {
            carryRefused(l1View, forced, abi.encodeWithSelector(IForcedQueue.ForcedOutOfRange.selector, forced, 0, 8));
        } else if (forced < least) {
            bytes memory why =
                abi.encodeWithSelector(IForcedQueue.ForcedOverdue.selector, forced, since[forced], l1View);
            carryRefused(l1View, forced, why);
        } else if (forced > most) {
            bytes memory why =
                abi.encodeWithSelector(IForcedQueue.ForcedAhead.selector, forced - 1, since[forced - 1], l1View);
            carryRefused(l1View, forced, why);
        } else {
            carry(l1View, forced);
            assertEq(inbox.head().forced, forced);
            assertEq(queue.included(), forced);
        }
    }

    function test_aDeadlineOfNothingAndOneWithoutEnd() public {
        uint64[2] memory deadlines = [0, type(uint64).max];
        for (uint256 i = 0; i < deadlines.length; i++) {
            queue = Proxied.queue();
            inbox = Proxied.inbox(pool, EMERGENCY_DELAY, queue, deadlines[i]);
            queue.connect(inbox);
            installFirstKey(key);
            uint64 since = here();
            enter();
            vm.roll(since + 1_000_000);
            if (deadlines[i] == 0) {
                bytes memory why = abi.encodeWithSelector(IForcedQueue.ForcedOverdue.selector, 0, since, since);
                carryRefused(since, 0, why);
            } else {
                carry(here(), 0);
            }
            carry(here(), 1);
        }
    }

    /* WHAT NEVER WAITS */

    function test_rotationsNeverWaitForTheQueue() public {
        enter();
        vm.roll(here() + 10 * FORCED_DEADLINE);
        bytes memory why = abi.encodeWithSelector(IForcedQueue.ForcedOverdue.selector, 0, 1_000, here());
        carryRefused(here(), 0, why);
        Key memory next = keyOf(0xC0FFEF);
        rotate(key, next);
        assertEq(inbox.groupKey().index, 2);

        (address[] memory signers, uint64[] memory weights) = pool.snapshot();
        bytes32 hash = keccak256(abi.encode(signers, weights));
        bytes32 digest = inbox.installationDigest(3, key.px, key.parity, hash);
        inbox.startEmergencyRotation(key.px, key.parity, hash, signers, weights, signatures(signers, digest, 0));
        skip(EMERGENCY_DELAY);
        inbox.finishEmergencyRotation(key.px, key.parity, signers, weights);
        assertEq(inbox.groupKey().index, 3);
        carryRefused(here(), 0, why);
        carry(here(), 1);
    }

    /// @dev Nothing was posted for a hundred deadlines while entries came in all the time. The batches' views move as slowly
    /// as they did when they were made.
    function test_aLongBacklogCanBePostedLate() public {
        uint64 start = here();
        for (uint64 i = 0; i < 100; i++) {
            enter();
            vm.roll(here() + FORCED_DEADLINE);
        }
        assertEq(queue.length(), 100);
        for (uint64 i = 1; i <= 100; i++) {
            carry(start + i * FORCED_DEADLINE - 1, i);
            assertEq(inbox.head().forced, i);
        }
        assertEq(queue.owed(CARRIER), 100 * FEE);
    }

    /// @dev A view that stands still owes nothing new.
    function test_manyBatchesMayHaveOneView() public {
        enter();
        uint64 seen = here();
        vm.roll(seen + 10 * FORCED_DEADLINE);
        for (uint256 i = 0; i < 5; i++) {
            carry(seen + FORCED_DEADLINE - 1, 0);
        }
        carry(seen + FORCED_DEADLINE, 1);
    }

    /// @dev The cost of a batch does not grow with the entries that it includes.
    function test_thousandsOfEntriesFitIntoOneBatch() public {
        carry(here(), 0);
        vm.roll(here() + 1);
        enter();
        uint256 one = _gasOfCarrying(1);
        for (uint256 i = 0; i < 60; i++) {
            vm.roll(here() + 1);
            for (uint256 j = 0; j < queue.BLOCK_ENTRIES(); j++) {
                enter();
            }
        }
        uint256 many = _gasOfCarrying(60 * queue.BLOCK_ENTRIES() + 1);
        assertLt(many, one + 10_000);
    }

    /* WHO CARRIES */

    function test_whoCarriesAnEntryHasItsFee() public {
        address second = address(0xB0B2);
        enter();
        enter(100_000, 1 ether, "");
        enter(50_000, 0, "");
        vm.expectEmit(address(queue));
        emit IForcedQueue.Included(0, 2, CARRIER, uint256(121_000) * FLOOR);
        carry(here(), 2);
        carry(second, here(), 2);
        assertEq(queue.owed(second), 0, "nothing new, nothing paid");
        vm.expectEmit(address(queue));
        emit IForcedQueue.Included(2, 3, second, uint256(50_000) * FLOOR);
        carry(second, here(), 3);
        assertEq(queue.owed(CARRIER), uint256(121_000) * FLOOR);
        assertEq(queue.owed(second), uint256(50_000) * FLOOR);
        vm.prank(CARRIER);
        queue.withdraw(payable(CARRIER));
        vm.prank(second);
        queue.withdraw(payable(second));
        assertEq(address(queue).balance, 1 ether);
    }

    function testFuzz_nobodyButTheInboxIncludes(address caller) public {
        enter();
        vm.assume(caller != address(inbox));
        // The proxy's own administrator, which is nobody's to call from.
        vm.assume(uint160(caller) > 0xFFFF && caller != _adminOfQueue());
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.NotInbox.selector, caller));
        vm.prank(caller);
        queue.include(1, here(), FORCED_DEADLINE, caller);
    }

    /* WHAT WAS SIGNED */

    /// @dev As many entries as the group signed: not one more or less, though the queue would take it.
    function test_theNumberOfEntriesIsSigned() public {
        enter();
        IBatchInbox.Batch memory batch = batchOf(here(), 0);
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        batch.forced = 1;
        bytes32 digest = inbox.batchDigest(batch);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongGroupSignature.selector, digest));
        vm.prank(CARRIER, CARRIER);
        inbox.submit(batch, signature, "data");
        assertEq(queue.included(), 0);
        bytes32 kind = keccak256("horae.v1.batch");
        assertEq(digest, keccak256(abi.encode(kind, block.chainid, address(inbox), batch)));
    }

    /// @dev The queue of one inbox takes no word of another.
    function test_anotherInboxMovesNothingHere() public {
        enter();
        BatchInbox other = Proxied.inbox(pool, EMERGENCY_DELAY, queue, FORCED_DEADLINE);
        IBatchInbox mine = inbox;
        inbox = other;
        installFirstKey(key);
        carryRefused(here(), 1, abi.encodeWithSelector(IForcedQueue.NotInbox.selector, other));
        inbox = BatchInbox(address(mine));
        assertEq(queue.included(), 0);
        carry(here(), 1);
    }

    function test_aSignatureServesOneChain() public {
        enter();
        IBatchInbox.Batch memory batch = batchOf(here(), 1);
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.chainId(5);
        bytes32 digest = inbox.batchDigest(batch);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongGroupSignature.selector, digest));
        vm.prank(CARRIER, CARRIER);
        inbox.submit(batch, signature, "data");
    }

    /* VIEWS OF L1 */

    function test_aViewThatIsAheadOfL1IsRefused() public {
        uint64 ahead = here() + 1;
        carryRefused(ahead, 0, abi.encodeWithSelector(IBatchInbox.L1ViewAhead.selector, ahead, here()));
        uint64 most = type(uint64).max;
        carryRefused(most, 0, abi.encodeWithSelector(IBatchInbox.L1ViewAhead.selector, most, here()));
        carry(here(), 0);
    }

    function test_anInboxWithoutAQueueIsRefused() public {
        address code = address(new BatchInbox());
        IForcedQueue none = IForcedQueue(address(0));
        bytes memory init = abi.encodeCall(BatchInbox.initialize, (pool, EMERGENCY_DELAY, none, FORCED_DEADLINE));
        vm.expectRevert(IBatchInbox.NoQueue.selector);
        Proxied.behind(code, init);
    }

    function test_anInboxWhoseQueueIsNotConnectedTakesNothing() public {
        queue = Proxied.queue();
        inbox = Proxied.inbox(pool, EMERGENCY_DELAY, queue, FORCED_DEADLINE);
        installFirstKey(key);
        carryRefused(here(), 0, abi.encodeWithSelector(IForcedQueue.NotInbox.selector, inbox));
        queue.connect(inbox);
        carry(here(), 0);
    }

    /* HELP */

    function _gasOfCarrying(uint64 forced) private returns (uint256) {
        IBatchInbox.Batch memory batch = batchOf(here(), forced);
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.cool(address(inbox));
        vm.cool(address(queue));
        vm.prank(CARRIER, CARRIER);
        inbox.submit(batch, signature, "data");
        return vm.lastCallGas().gasTotalUsed;
    }

    function _adminOfQueue() private view returns (address) {
        bytes32 slot = bytes32(uint256(keccak256("eip1967.proxy.admin")) - 1);
        return address(uint160(uint256(vm.load(address(queue), slot))));
    }
}
