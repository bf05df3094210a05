// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IBatchInbox} from "./interfaces/IBatchInbox.sol";
import {IForcedQueue} from "./interfaces/IForcedQueue.sol";

/// @title ForcedQueue
/// @notice Deposits and forced transactions, and the price of their gas. `IForcedQueue` is the manual. Runs behind a proxy
/// that governance upgrades.
contract ForcedQueue is IForcedQueue, Ownable2StepUpgradeable {
    using SafeCast for uint256;

    /// @inheritdoc IForcedQueue
    uint160 public constant ALIAS = uint160(0x1111000000000000000000000000000000001111);
    /// @inheritdoc IForcedQueue
    /// @dev A third of an L2 block, so that what one L1 block holds always fits; also below EIP-7825's 2^24.
    uint64 public constant BLOCK_GAS = 10_000_000;
    /// @inheritdoc IForcedQueue
    uint64 public constant BLOCK_ENTRIES = 32;
    /// @inheritdoc IForcedQueue
    uint64 public constant BLOCK_BYTES = 64 * 1024;
    /// @inheritdoc IForcedQueue
    uint64 public constant MAX_DATA = 32 * 1024;
    /// @inheritdoc IForcedQueue
    /// @dev High enough for an eighth of it to be more than nothing.
    uint64 public constant MIN_FLOOR = 0.001 gwei;
    /// @inheritdoc IForcedQueue
    uint64 public constant MAX_FLOOR = 1000 gwei;

    /// @dev All that a batch needs when the queue is empty, in one word.
    struct Progress {
        IBatchInbox inbox;
        uint48 length;
        uint48 included;
    }

    /// @dev The price in the L1 block of the last entry, and what was bought in that block. One word.
    struct Market {
        uint64 l1Block;
        uint64 gasPrice;
        uint48 floor;
        uint32 gas;
        uint32 bytes_;
        uint16 entries;
    }

    Progress private _progress;
    Market private _market;
    // slither-disable-next-line uninitialized-state: written by `enqueue`.
    mapping(uint64 index => Entry) private _entries;
    /// @inheritdoc IForcedQueue
    mapping(address account => uint256) public owed;

    constructor() {
        _disableInitializers();
    }

    /// @notice Makes the queue, within its proxy's construction.
    /// @param owner_ Connects the inbox and sets the floor.
    /// @param floor_ The first floor, and price.
    function initialize(address owner_, uint64 floor_) external initializer {
        __Ownable_init(owner_);
        _setFloor(floor_);
    }

    /* ENTERING */

    /// @inheritdoc IForcedQueue
    function enqueue(address to, bool isCreation, uint256 mint, uint256 value, uint64 gas, bytes calldata data)
        external
        payable
        returns (uint64 index)
    {
        Progress memory progress = _progress;
        require(address(progress.inbox) != address(0), NotConnected());
        require(!isCreation || to == address(0), CreationHasRecipient(to));
        require(data.length <= MAX_DATA, TooMuchData(data.length, MAX_DATA));
        uint64 least = intrinsicGas(isCreation, uint64(data.length));
        require(gas >= least, TooLittleGas(gas, least));
        require(gas <= BLOCK_GAS, TooMuchGas(gas, BLOCK_GAS));

        uint256 fee = _buy(gas, data.length);
        require(msg.value >= fee && msg.value - fee >= mint, TooLittleValue(msg.value, mint, fee));
        uint256 over = msg.value - fee - mint;
        if (over != 0) owed[msg.sender] += over;

        index = progress.length;
        _progress.length = progress.length + 1;
        Entry memory last;
        if (index != 0) last = _entries[index - 1];
        _entries[index] = Entry({
            l1Block: uint64(block.number),
            feesUpTo: SafeCast.toUint96(last.feesUpTo + fee),
            mintedUpTo: SafeCast.toUint96(last.mintedUpTo + mint)
        });
        emit Enqueued(index, _sender(), to, isCreation, mint, value, gas, data);
    }

    /// @inheritdoc IForcedQueue
    function withdraw(address payable recipient) external returns (uint256 amount) {
        amount = owed[msg.sender];
        require(amount != 0, NothingOwed(msg.sender));
        require(recipient != address(0), NoRecipient());
        owed[msg.sender] = 0;
        emit Withdrawn(msg.sender, recipient, amount);
        Address.sendValue(recipient, amount);
    }

    /* BATCHES */

    /// @inheritdoc IForcedQueue
    function include(uint64 to, uint64 l1View, uint64 deadline, address carrier) external {
        Progress memory progress = _progress;
        require(msg.sender == address(progress.inbox), NotInbox(msg.sender));
        require(
            to >= progress.included && to <= progress.length, ForcedOutOfRange(to, progress.included, progress.length)
        );
        if (to < progress.length) {
            uint64 since = _entries[to].l1Block;
            require(uint256(since) + deadline > l1View, ForcedOverdue(to, since, l1View));
        }
        // The view never falls, so what earlier batches include is no newer than it.
        if (to == progress.included) return;
        Entry memory last = _entries[to - 1];
        require(last.l1Block <= l1View, ForcedAhead(to - 1, last.l1Block, l1View));

        uint256 fees = last.feesUpTo;
        if (progress.included != 0) fees -= _entries[progress.included - 1].feesUpTo;
        owed[carrier] += fees;
        _progress.included = uint48(to);
        emit Included(progress.included, to, carrier, fees);
    }

    /* GOVERNANCE */

    /// @inheritdoc IForcedQueue
    function connect(IBatchInbox inbox_) external onlyOwner {
        require(address(_progress.inbox) == address(0), AlreadyConnected(_progress.inbox));
        address its = address(inbox_.QUEUE());
        require(its == address(this), ForeignInbox(inbox_, its));
        _progress.inbox = inbox_;
        emit Connected(inbox_);
    }

    /// @inheritdoc IForcedQueue
    function setFloor(uint64 floor_) external onlyOwner {
        _setFloor(floor_);
    }

    /* VIEWS */

    /// @inheritdoc IForcedQueue
    function gasPrice() external view returns (uint64) {
        return _today().gasPrice;
    }

    /// @inheritdoc IForcedQueue
    function floor() external view returns (uint64) {
        return _market.floor;
    }

    /// @inheritdoc IForcedQueue
    function left() external view returns (uint64 gas, uint64 entries, uint64 bytes_) {
        return _left(_today());
    }

    /// @inheritdoc IForcedQueue
    /// @dev The highest that a byte can cost since EIP-7623, and EIP-3860's cost of init code.
    function intrinsicGas(bool isCreation, uint64 bytes_) public pure returns (uint64) {
        uint256 gas = 21_000 + 40 * uint256(bytes_);
        if (isCreation) gas += 32_000 + 2 * Math.ceilDiv(bytes_, 32);
        return gas.toUint64();
    }

    /// @inheritdoc IForcedQueue
    function length() external view returns (uint64) {
        return _progress.length;
    }

    /// @inheritdoc IForcedQueue
    function included() external view returns (uint64) {
        return _progress.included;
    }

    /// @inheritdoc IForcedQueue
    function entry(uint64 index) external view returns (Entry memory) {
        require(index < _progress.length, UnknownEntry(index, _progress.length));
        return _entries[index];
    }

    /// @inheritdoc IForcedQueue
    function inbox() external view returns (IBatchInbox) {
        return _progress.inbox;
    }

    /* INTERNAL */

    /// @dev A contract under construction has no code yet, so having code is not what is asked.
    function _sender() private view returns (address) {
        if (msg.sender == tx.origin) return msg.sender;
        unchecked {
            return address(uint160(msg.sender) + ALIAS);
        }
    }

    /// @dev Takes room in this L1 block.
    /// @return fee In wei.
    function _buy(uint64 gas, uint256 bytes_) private returns (uint256 fee) {
        Market memory market = _today();
        (uint64 gasLeft, uint64 entriesLeft, uint64 bytesLeft) = _left(market);
        require(gas <= gasLeft && entriesLeft != 0 && bytes_ <= bytesLeft, BlockFull(gasLeft, entriesLeft, bytesLeft));
        market.gas += uint32(gas);
        market.bytes_ += uint32(bytes_);
        market.entries += 1;
        _market = market;
        return uint256(gas) * market.gasPrice;
    }

    function _left(Market memory market) private pure returns (uint64 gas, uint64 entries, uint64 bytes_) {
        return (BLOCK_GAS - market.gas, BLOCK_ENTRIES - market.entries, BLOCK_BYTES - market.bytes_);
    }

    /// @dev The market in this L1 block.
    function _today() private view returns (Market memory market) {
        market = _market;
        if (market.l1Block != block.number) {
            uint256 price = _priceAfter(market);
            uint256 quiet = block.number - market.l1Block - 1;
            // Ends soon: from the highest price that there can be it takes some 300 blocks down to the lowest floor.
            for (; quiet != 0 && price > market.floor; quiet--) {
                price -= price / 8;
            }
            market.gasPrice = Math.min(price, type(uint64).max).toUint64();
            (market.l1Block, market.gas, market.bytes_, market.entries) = (uint64(block.number), 0, 0, 0);
        }
        if (market.gasPrice < market.floor) market.gasPrice = market.floor;
    }

    /// @dev The price in the block after the one that `market` is about.
    function _priceAfter(Market memory market) private pure returns (uint256) {
        uint256 bought = Math.max(
            market.gas,
            Math.max(
                uint256(market.entries) * BLOCK_GAS / BLOCK_ENTRIES, uint256(market.bytes_) * BLOCK_GAS / BLOCK_BYTES
            )
        );
        uint256 target = BLOCK_GAS / 2;
        uint256 price = market.gasPrice;
        if (bought > target) return price + price * (bought - target) / target / 8;
        return price - price * (target - bought) / target / 8;
    }

    function _setFloor(uint64 floor_) private {
        require(floor_ >= MIN_FLOOR && floor_ <= MAX_FLOOR, FloorOutOfBounds(floor_, MIN_FLOOR, MAX_FLOOR));
        _market.floor = uint48(floor_);
        emit FloorChanged(floor_);
    }
}
