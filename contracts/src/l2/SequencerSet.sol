// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Predeploy} from "./Predeploy.sol";

/// @title SequencerSet
/// @notice Who sealed which block, for contracts on L2. Lies at 0x4200000000000000000000000000000000000100 from block 0 on. The
/// first transaction of each slot's first block records the slot; the latest 8,192 slots are remembered.
contract SequencerSet is Predeploy {
    /// @notice Slots that are remembered.
    uint64 public constant REMEMBERED = 8_192;

    /// @dev A slot in the ring: one word.
    struct Turn {
        uint64 firstBlock;
        address sequencer;
    }

    /// @dev The place of the running slot, and how many slots were recorded: one word.
    struct Newest {
        uint64 epoch;
        uint64 term;
        uint64 slot;
        uint64 count;
    }

    Turn[REMEMBERED] private _turns;
    Newest private _newest;

    /// @notice A slot began.
    event SlotBegan(
        uint64 indexed slot, uint64 indexed epoch, address indexed sequencer, uint64 term, uint64 firstBlock
    );

    /// @notice No slot has begun.
    error NoSlot();
    /// @notice The block is not there yet.
    error NotYet(uint256 blockNumber, uint256 current);
    /// @notice The block is of a slot that is no longer remembered; the lowest block known is `lowest`.
    error Forgotten(uint256 blockNumber, uint64 lowest);
    /// @notice A slot begins above the one before.
    error OutOfOrder(uint64 firstBlock, uint64 previous);

    /// @notice Records the slot that begins with block `firstBlock`. Only the protocol calls it.
    /// @param epoch The slot's epoch. @param term Its term. @param slot Its number. @param sequencer Signer address of who seals its
    /// blocks.
    function record(uint64 epoch, uint64 term, uint64 slot, uint64 firstBlock, address sequencer) external onlySystem {
        uint64 count = _newest.count;
        uint64 previous = count == 0 ? 0 : _turns[(count - 1) % REMEMBERED].firstBlock;
        require(firstBlock > previous, OutOfOrder(firstBlock, previous));
        _turns[count % REMEMBERED] = Turn(firstBlock, sequencer);
        _newest = Newest(epoch, term, slot, count + 1);
        emit SlotBegan(slot, epoch, sequencer, term, firstBlock);
    }

    /// @notice The running slot.
    function current()
        external
        view
        returns (uint64 epoch, uint64 term, uint64 slot, uint64 firstBlock, address sequencer)
    {
        Newest memory newest = _newest;
        require(newest.count != 0, NoSlot());
        Turn memory turn = _turns[(newest.count - 1) % REMEMBERED];
        return (newest.epoch, newest.term, newest.slot, turn.firstBlock, turn.sequencer);
    }

    /// @notice Signer address of who sealed a block, or seals it now.
    /// @param blockNumber At most the current block, and of one of the slots remembered.
    function sequencerOf(uint256 blockNumber) external view returns (address) {
        require(blockNumber <= block.number, NotYet(blockNumber, block.number));
        uint64 count = _newest.count;
        require(count != 0, NoSlot());
        uint64 low = count > REMEMBERED ? count - REMEMBERED : 0;
        uint64 lowest = _turns[low % REMEMBERED].firstBlock;
        require(blockNumber >= lowest, Forgotten(blockNumber, lowest));
        // The last slot that begins at or below the block: `low` always does, `high` never.
        uint64 high = count;
        while (high - low > 1) {
            uint64 middle = low + (high - low) / 2;
            if (_turns[middle % REMEMBERED].firstBlock <= blockNumber) low = middle;
            else high = middle;
        }
        return _turns[low % REMEMBERED].sequencer;
    }
}
