// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Predeploy} from "../src/l2/Predeploy.sol";
import {SequencerSet} from "../src/l2/SequencerSet.sol";

/// @notice Who sealed which block, as far back as it is remembered.
contract SequencerSetTest is Test {
    SequencerSet private set;
    address private system;
    uint64 private remembered;

    function setUp() public {
        set = new SequencerSet();
        system = set.SYSTEM();
        remembered = set.REMEMBERED();
        vm.roll(1_000_000);
    }

    /// @dev Slot `n` begins with block `10 * n` and is led by address `n`.
    function record(uint64 n) private {
        vm.prank(system);
        set.record(n / 100, n / 10, n, 10 * n, address(uint160(n)));
    }

    function test_The_current_slot_is_the_one_recorded_last() public {
        record(7);
        record(123);
        (uint64 epoch, uint64 term, uint64 slot, uint64 firstBlock, address sequencer) = set.current();
        assertEq(epoch, 1);
        assertEq(term, 12);
        assertEq(slot, 123);
        assertEq(firstBlock, 1_230);
        assertEq(sequencer, address(123));
    }

    function test_A_slot_that_begins_is_told() public {
        vm.expectEmit();
        emit SequencerSet.SlotBegan(7, 2, address(9), 3, 40);
        vm.prank(system);
        set.record(2, 3, 7, 40, address(9));
    }

    function test_A_block_belongs_to_the_slot_that_began_at_or_below_it() public {
        for (uint64 n = 1; n <= 20; ++n) {
            record(n);
        }
        for (uint64 number = 10; number < 230; ++number) {
            uint64 n = number / 10;
            assertEq(set.sequencerOf(number), address(uint160(n > 20 ? 20 : n)));
        }
    }

    function test_Any_block_of_any_remembered_slots_is_found(uint8[40] calldata lengths, uint256 seed) public {
        uint64 first = 1;
        for (uint64 n = 0; n < lengths.length; ++n) {
            vm.prank(system);
            set.record(1, 1, n, first, address(uint160(n + 1)));
            first += 1 + uint64(lengths[n]);
        }
        uint256 wanted = bound(seed, 1, first - 1);
        uint64 begins = 1;
        uint64 at;
        while (begins + 1 + uint64(lengths[at]) <= wanted) {
            begins += 1 + uint64(lengths[at]);
            ++at;
        }
        assertEq(set.sequencerOf(wanted), address(uint160(at + 1)));
    }

    function test_What_is_older_than_the_ring_is_forgotten_and_says_so() public {
        for (uint64 n = 1; n <= remembered + 3; ++n) {
            record(n);
        }
        assertEq(set.sequencerOf(40), address(4));
        assertEq(set.sequencerOf(49), address(4));
        assertEq(set.sequencerOf(10 * (remembered + 3)), address(uint160(remembered + 3)));
        vm.expectRevert(abi.encodeWithSelector(SequencerSet.Forgotten.selector, 39, 40));
        set.sequencerOf(39);
    }

    function test_Before_any_slot_there_is_none() public {
        vm.expectRevert(SequencerSet.NoSlot.selector);
        set.current();
        vm.expectRevert(SequencerSet.NoSlot.selector);
        set.sequencerOf(1);
    }

    function test_A_block_to_come_has_no_sequencer_yet() public {
        record(1);
        assertEq(set.sequencerOf(block.number), address(1));
        vm.expectRevert(abi.encodeWithSelector(SequencerSet.NotYet.selector, block.number + 1, block.number));
        set.sequencerOf(block.number + 1);
    }

    function test_Slots_are_recorded_in_order() public {
        record(5);
        vm.prank(system);
        vm.expectRevert(abi.encodeWithSelector(SequencerSet.OutOfOrder.selector, 50, 50));
        set.record(1, 1, 6, 50, address(1));
        vm.prank(system);
        vm.expectRevert(abi.encodeWithSelector(SequencerSet.OutOfOrder.selector, 49, 50));
        set.record(1, 1, 6, 49, address(1));
    }

    function test_Nobody_but_the_protocol_records(address caller) public {
        vm.assume(caller != system);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(Predeploy.NotSystem.selector, caller));
        set.record(1, 1, 1, 1, caller);
    }

    /// @dev The record that nodes make, byte for byte (`stages/src/tests/protocol.rs` has the same).
    function test_The_record_is_what_nodes_send() public pure {
        address sequencer = address(bytes20(hex"5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"));
        bytes memory data = abi.encodeCall(SequencerSet.record, (2, 5, 40, 1, sequencer));
        assertEq(keccak256(data), 0xdd818f03c6841d6855ea14194ca66627a00c6219aebd56e92994fb8a277f75ef);
    }
}
