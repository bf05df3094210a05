// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Frost} from "../src/Frost.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {IForcedQueue} from "../src/interfaces/IForcedQueue.sol";
import {Forcing} from "./base/Forcing.sol";

/// @notice Users that enter what they like, carriers that post batches which the queue may take or not, time, governance,
/// gifts. Keeps a model of its own: what was paid, and in which L1 block each entry was made.
contract QueueActions is Forcing {
    uint256 public minted;
    uint256 public fees;
    uint256 public over;
    uint256 public paidOut;
    uint256 public given;
    uint256 public accepted;
    uint256 public refused;
    uint256 public full;
    bool public capsHeld = true;
    bool public priceMovedAsItMay = true;

    uint64[] public since;
    address[] private _accounts;
    uint64 private _block;
    uint64 private _gas;
    uint64 private _entries;
    uint64 private _bytes;
    uint64 private _price;

    constructor() {
        begin();
        for (uint160 i = 0; i < 6; i++) {
            _accounts.push(address(0xACC0000 + i));
        }
        (_block, _price) = (here(), queue.gasPrice());
    }

    function enterSomething(uint256 who, uint64 gas, uint64 mint, uint64 tip, uint16 size, bool isCreation) external {
        size = uint16(bound(size, 0, queue.MAX_DATA()));
        gas = uint64(bound(gas, queue.intrinsicGas(isCreation, size), queue.BLOCK_GAS()));
        _newBlock();
        bool fits = _gas + gas <= 10_000_000 && _entries < 32 && _bytes + size <= 65_536;
        uint256 fee = uint256(gas) * queue.gasPrice();
        uint64 index = _enter(_account(who), fits, isCreation, fee + tip, mint, gas, size);
        if (!fits) {
            full++;
            return;
        }

        assertEq(index, since.length);
        since.push(here());
        (minted, fees, over) = (minted + mint, fees + fee, over + tip);
        (_gas, _entries, _bytes) = (_gas + gas, _entries + 1, _bytes + size);
        capsHeld = capsHeld && _gas <= 10_000_000 && _entries <= 32 && _bytes <= 65_536;
    }

    /// @dev Many small entries in one go, so that a block's number of entries is reached too.
    function enterMany(uint256 who, uint8 count) external {
        for (uint256 i = 0; i < count % 40; i++) {
            this.enterSomething(who, LEAST_GAS, 0, 0, 0, false);
        }
    }

    /// @dev A batch of any view and number of entries, near what is due, or to the block. The queue must do as the model
    /// says.
    function carrySomething(uint256 who, uint16 views, uint8 forced, uint8 edge) external {
        IBatchInbox.Head memory head = inbox.head();
        uint64 l1View = uint64(bound(views, head.l1View, here()));
        uint64 to = head.forced + forced % 70;
        to = to == 0 ? 0 : to - 1;
        if (edge % 3 != 0 && to < since.length) {
            uint64 due = since[to] + FORCED_DEADLINE - edge % 3 + 1;
            if (due >= l1View && due <= here()) l1View = due;
        }
        bool good = to >= head.forced && to <= since.length;
        if (good && to < since.length) good = since[to] + FORCED_DEADLINE > l1View;
        if (good && to > head.forced) good = since[to - 1] <= l1View;

        address carrier = _account(who);
        IBatchInbox.Batch memory batch = batchOf(l1View, to);
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        if (!good) vm.expectRevert();
        vm.prank(carrier, carrier);
        inbox.submit(batch, signature, "data");
        if (good) accepted++;
        else refused++;
    }

    /// @dev One that includes all that its view has seen, as an honest group's does.
    function carryAllSeen(uint256 who, uint16 views) external {
        IBatchInbox.Head memory head = inbox.head();
        uint64 l1View = uint64(bound(views, head.l1View, here()));
        uint64 to = head.forced;
        while (to < since.length && since[to] <= l1View) to++;
        carry(_account(who), l1View, to);
    }

    function withdrawSomething(uint256 who, uint256 recipient) external {
        address account = _account(who);
        uint256 owed = queue.owed(account);
        if (owed == 0) vm.expectRevert(abi.encodeWithSelector(IForcedQueue.NothingOwed.selector, account));
        vm.prank(account);
        paidOut += queue.withdraw(payable(_account(recipient)));
    }

    function passBlocks(uint16 count) external {
        vm.roll(here() + bound(count, 1, 400));
        _newBlock();
    }

    function passOneBlock() external {
        vm.roll(here() + 1);
        _newBlock();
    }

    function changeFloor(uint64 floor) external {
        queue.setFloor(uint64(bound(floor, queue.MIN_FLOOR(), queue.MAX_FLOOR())));
        _price = queue.gasPrice();
    }

    function give(uint64 amount) external {
        vm.deal(address(queue), address(queue).balance + amount);
        given += amount;
    }

    function owedToAll() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _accounts.length; i++) {
            sum += queue.owed(_accounts[i]);
        }
    }

    function queue_() external view returns (IForcedQueue) {
        return queue;
    }

    function deadline() external view returns (uint64) {
        return inbox.FORCED_DEADLINE();
    }

    function entered() external view returns (uint256) {
        return since.length;
    }

    function _enter(address account, bool fits, bool isCreation, uint256 fee, uint64 mint, uint64 gas, uint16 size)
        private
        returns (uint64)
    {
        vm.deal(account, account.balance + fee + mint);
        if (!fits) vm.expectPartialRevert(IForcedQueue.BlockFull.selector);
        vm.prank(account, account);
        return queue.enqueue{value: fee + mint}(address(0), isCreation, mint, 0, gas, new bytes(size));
    }

    function _newBlock() private {
        if (here() == _block) return;
        uint64 price = queue.gasPrice();
        if (price > uint256(_price) * 9 / 8 + 1 || price < queue.floor()) priceMovedAsItMay = false;
        (_block, _gas, _entries, _bytes, _price) = (here(), 0, 0, 0, price);
    }

    function _account(uint256 who) private view returns (address) {
        return _accounts[who % _accounts.length];
    }
}

contract ForcedQueueInvariants is Forcing {
    QueueActions private actions;

    function setUp() public {
        actions = new QueueActions();
        queue = actions.queue_();
        targetContract(address(actions));
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = actions.enterSomething.selector;
        selectors[1] = actions.enterMany.selector;
        selectors[2] = actions.carrySomething.selector;
        selectors[3] = actions.carryAllSeen.selector;
        selectors[4] = actions.withdrawSomething.selector;
        selectors[5] = actions.passBlocks.selector;
        selectors[6] = actions.passOneBlock.selector;
        selectors[7] = actions.changeFloor.selector;
        selectors[8] = actions.give.selector;
        targetSelector(FuzzSelector(address(actions), selectors));
    }

    /// @dev In words: what the queue holds is what was minted, and fees and surplus that were not withdrawn.
    function invariant_everyWeiIsAccountedFor() public view {
        uint256 unpaid = actions.fees() + actions.over() - actions.paidOut();
        assertEq(address(queue).balance, actions.minted() + unpaid + actions.given());
        uint64 length = queue.length();
        if (length == 0) return;
        IForcedQueue.Entry memory last = queue.entry(length - 1);
        assertEq(last.mintedUpTo, actions.minted());
        assertEq(last.feesUpTo, actions.fees());
        uint64 included = queue.included();
        uint256 pending = actions.fees() - (included == 0 ? 0 : queue.entry(included - 1).feesUpTo);
        assertEq(actions.owedToAll() + pending, unpaid);
    }

    function invariant_noBatchIsPastAMissedDeadline() public view {
        IBatchInbox.Head memory head = queue.inbox().head();
        uint64 included = queue.included();
        assertEq(head.forced, included);
        assertLe(included, queue.length());
        if (included < queue.length()) assertGt(actions.since(included) + actions.deadline(), head.l1View);
        if (included > 0) assertLe(actions.since(included - 1), head.l1View);
    }

    function invariant_everyEntryHasItsIndex() public view {
        uint64 length = queue.length();
        assertEq(length, actions.entered());
        if (length != 0) assertEq(queue.entry(length - 1).l1Block, actions.since(length - 1));
    }

    function invariant_capsHoldAndThePriceMovesByAnEighthAtMost() public view {
        assertTrue(actions.capsHeld());
        assertTrue(actions.priceMovedAsItMay());
    }

    function test_theHandlerReachesEveryAction() public {
        actions.enterSomething(0, 100_000, 5 ether, 7, 100, true);
        actions.enterMany(1, 39);
        assertEq(actions.entered(), 32);
        assertEq(actions.full(), 8);
        actions.withdrawSomething(0, 1);
        assertEq(actions.paidOut(), 7);
        actions.passOneBlock();
        actions.enterMany(1, 5);
        actions.passBlocks(400);
        // To the block: a block too late without it; in time without it; in time with it.
        actions.carrySomething(0, 1_000, 1, 1);
        assertEq(actions.refused(), 1);
        actions.carrySomething(0, 1_000, 1, 2);
        assertEq(actions.accepted(), 1);
        actions.carrySomething(0, 1_300, 33, 0);
        assertEq(actions.accepted(), 2);
        actions.carryAllSeen(0, 1_400);
        assertEq(queue.included(), 37);
        actions.withdrawSomething(0, 1);
        assertGt(actions.paidOut(), 7);
        actions.changeFloor(5 gwei);
        actions.give(9);
        assertEq(actions.given(), 9);
    }

    /// @dev At the end of a run: nothing that was entered has moved since.
    function afterInvariant() public view {
        for (uint64 i = 0; i < queue.length(); i++) {
            assertEq(queue.entry(i).l1Block, actions.since(i));
            if (i > 0) assertGe(actions.since(i), actions.since(i - 1));
        }
    }
}
