// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IBatchInbox} from "./IBatchInbox.sol";

/// @title IForcedQueue
/// @notice Deposits and forced transactions: what anyone enters here on L1 is executed on L2, in this order, without the
/// consent of a sequencer. The inbox takes no batch that leaves an entry out for longer than its deadline.
///
/// An entry is one transaction on L2: `from` is credited with `mint`, then calls `to` (or creates a contract) with
/// `value`, `gas` and `data`. A plain deposit has `value == mint`, no data and 21,000 gas. It pays no fee on L2: its gas
/// is bought here. What cannot be executed there (too little balance, a call that fails) is included all the same, with a
/// failed receipt; `mint` is credited even so.
///
/// *The sender on L2* is the caller, if it is the origin of the L1 transaction (with or without an EIP-7702 delegation).
/// Every other caller is a contract, or acts for one: its address plus `ALIAS`, for another contract may have the same
/// address on L2.
///
/// *There is no way back yet*: what was minted stays in this contract. An upgrade by governance may add one.
interface IForcedQueue {
    /// @notice What is kept of an entry; the rest is in its event.
    struct Entry {
        /// L1 block in which it was entered.
        uint64 l1Block;
        /// Wei of the fees of all entries up to and including this one.
        uint96 feesUpTo;
        /// Wei minted by all entries up to and including this one.
        uint96 mintedUpTo;
    }

    /// @notice Entry `index` (from 0, without gaps): all that L2 executes. `from` is the sender on L2; `to` is zero for a
    /// creation.
    event Enqueued(
        uint64 indexed index,
        address indexed from,
        address to,
        bool isCreation,
        uint256 mint,
        uint256 value,
        uint64 gas,
        bytes data
    );
    /// @notice The entries from `from` to before `to` are in a batch that `carrier` brought; `fees` wei are its own.
    event Included(uint64 from, uint64 to, address indexed carrier, uint256 fees);
    /// @notice `amount` wei that were owed to `account` were paid to `recipient`.
    event Withdrawn(address indexed account, address recipient, uint256 amount);
    /// @notice The price is at least `floor` wei a unit of gas from now on.
    event FloorChanged(uint64 floor);
    /// @notice `inbox` takes the batches that include these entries, for ever.
    event Connected(IBatchInbox inbox);

    error NotConnected();
    error AlreadyConnected(IBatchInbox inbox);
    /// @notice The inbox works with the queue `its`, not with this one.
    error ForeignInbox(IBatchInbox inbox, address its);
    error FloorOutOfBounds(uint64 floor, uint64 least, uint64 most);
    error CreationHasRecipient(address to);
    error TooMuchData(uint256 given, uint256 most);
    error TooLittleGas(uint64 given, uint64 least);
    error TooMuchGas(uint64 given, uint64 most);
    /// @notice What others entered in this L1 block leaves too little room: try again in the next one.
    error BlockFull(uint64 gasLeft, uint64 entriesLeft, uint64 bytesLeft);
    /// @notice The wei sent do not pay `mint` and `fee`.
    error TooLittleValue(uint256 given, uint256 mint, uint256 fee);
    error NotInbox(address caller);
    /// @notice The batch ends at the entry `to`: it may neither repeat entries (before `included`) nor invent them.
    error ForcedOutOfRange(uint64 to, uint64 included, uint64 length);
    /// @notice The batch leaves out entry `index` of the L1 block `l1Block`, whose deadline its view `l1View` has reached.
    error ForcedOverdue(uint64 index, uint64 l1Block, uint64 l1View);
    /// @notice The batch includes entry `index` of the L1 block `l1Block`, which its view `l1View` has not seen yet.
    error ForcedAhead(uint64 index, uint64 l1Block, uint64 l1View);
    error NothingOwed(address account);
    error NoRecipient();
    error UnknownEntry(uint64 index, uint64 length);

    /// @notice Enters a transaction. Send `mint + gas * gasPrice()` wei, or a little more, for the price may have
    /// risen when the call lands (by an eighth an L1 block at most): what is over can be withdrawn by the caller.
    /// @param to Whom it calls on L2; zero for a creation.
    /// @param isCreation Whether it creates a contract, of which `data` is the init code.
    /// @param mint Wei to be credited to the sender on L2, out of what is sent.
    /// @param value Wei that the call carries on L2, out of the sender's balance there.
    /// @param gas Units of L2 gas; at least `intrinsicGas`, at most `BLOCK_GAS`.
    /// @param data Calldata or init code; at most `MAX_DATA` bytes.
    /// @return index The entry's.
    function enqueue(address to, bool isCreation, uint256 mint, uint256 value, uint64 gas, bytes calldata data)
        external
        payable
        returns (uint64 index);

    /// @notice Pays the caller what it is owed: fees of the entries it carried, or what it sent too much.
    /// @param recipient Is called with all the gas there is; if it refuses, the call fails and all stays owed.
    function withdraw(address payable recipient) external returns (uint256 amount);

    /// @notice A batch is accepted that includes all entries before `to`, whose fees are `carrier`'s from now on. Refused
    /// if an entry that is left out is older than `deadline` L1 blocks in the batch's own view, or one that is included newer
    /// than that view. @dev Only the inbox.
    /// @param to The first entry that is left out; the length of the queue if none is.
    /// @param l1View Number of the L1 block that the batch's last block names as its view.
    function include(uint64 to, uint64 l1View, uint64 deadline, address carrier) external;

    /// @notice Names the inbox, once and for ever; until then nothing can be entered. @dev Only the owner.
    function connect(IBatchInbox inbox) external;

    /// @notice Sets the least price, within `MIN_FLOOR` and `MAX_FLOOR`. @dev Only the owner.
    function setFloor(uint64 floor) external;

    /// @notice Wei a unit of L2 gas, in this L1 block. Rises by up to an eighth a block while more is bought than half of
    /// what a block may hold (of gas, entries or bytes, whichever is scarcest), and falls likewise, down to `floor`.
    function gasPrice() external view returns (uint64);

    /// @notice Wei a unit of gas that the price never goes below.
    function floor() external view returns (uint64);

    /// @notice What may still be entered in this L1 block.
    function left() external view returns (uint64 gas, uint64 entries, uint64 bytes_);

    /// @notice Gas that a transaction costs on L2 before it does anything, for `bytes_` bytes of data.
    function intrinsicGas(bool isCreation, uint64 bytes_) external pure returns (uint64);

    /// @notice Entries so far: the next one's index.
    function length() external view returns (uint64);

    /// @notice Entries that accepted batches include: the first one that is still to come.
    function included() external view returns (uint64);

    /// @notice What is kept of entry `index`.
    function entry(uint64 index) external view returns (Entry memory);

    /// @notice Wei that `account` may withdraw.
    function owed(address account) external view returns (uint256);

    /// @notice The only caller of `include`; zero until connected.
    function inbox() external view returns (IBatchInbox);

    /// @notice Added, modulo 2^160, to the address of a caller that is not the origin.
    function ALIAS() external view returns (uint160);

    /// @notice Units of L2 gas an L1 block, and an entry.
    function BLOCK_GAS() external view returns (uint64);

    /// @notice Entries an L1 block.
    function BLOCK_ENTRIES() external view returns (uint64);

    /// @notice Bytes of data an L1 block.
    function BLOCK_BYTES() external view returns (uint64);

    /// @notice Bytes of data an entry.
    function MAX_DATA() external view returns (uint64);

    /// @notice The least floor that governance can set, in wei a unit of gas.
    function MIN_FLOOR() external view returns (uint64);

    /// @notice The highest floor that governance can set, in wei a unit of gas.
    function MAX_FLOOR() external view returns (uint64);
}
