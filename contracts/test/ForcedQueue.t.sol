// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Initializable} from "@openzeppelin/contracts-upgradeable/proxy/utils/Initializable.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ForcedQueue} from "../src/ForcedQueue.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {IForcedQueue} from "../src/interfaces/IForcedQueue.sol";
import {Forcing} from "./base/Forcing.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice Enters transactions from a contract, in its constructor too, and does as it is told when it is paid.
contract Caller {
    IForcedQueue private immutable _QUEUE;
    bool private _refuses;
    bytes private _again;
    bool public went;
    bytes public answer;

    constructor(IForcedQueue queue) payable {
        _QUEUE = queue;
        if (msg.value != 0) enter(msg.value);
    }

    function enter(uint256 value) public payable {
        _QUEUE.enqueue{value: value}(address(0), false, 0, 0, 21_000, "");
    }

    function act(bytes calldata call) external {
        (bool good, bytes memory why) = address(_QUEUE).call(call);
        if (good) return;
        assembly ("memory-safe") {
            revert(add(why, 32), mload(why))
        }
    }

    function whenPaid(bool refuses, bytes calldata again) external {
        (_refuses, _again) = (refuses, again);
    }

    receive() external payable {
        require(!_refuses);
        if (_again.length != 0) (went, answer) = address(_QUEUE).call(_again);
    }
}

contract ForcedQueueTest is Forcing {
    uint256 private constant FEE = uint256(LEAST_GAS) * FLOOR;
    uint160 private constant OFFSET = uint160(0x1111000000000000000000000000000000001111);

    function setUp() public {
        begin();
        vm.deal(USER, 1_000_000 ether);
    }

    /* ENTERING */

    function testFuzz_anEntryIsWhatItsEventSays(
        address to,
        uint64 mint,
        uint256 value,
        uint64 gas,
        bytes calldata data,
        bool isCreation
    ) public {
        if (isCreation) to = address(0);
        gas = uint64(bound(gas, queue.intrinsicGas(isCreation, uint64(data.length)), queue.BLOCK_GAS()));
        uint256 fee = uint256(gas) * FLOOR;
        vm.expectEmit(address(queue));
        emit IForcedQueue.Enqueued(0, USER, to, isCreation, mint, value, gas, data);
        vm.prank(USER, USER);
        assertEq(queue.enqueue{value: fee + mint}(to, isCreation, mint, value, gas, data), 0);

        IForcedQueue.Entry memory kept = queue.entry(0);
        assertEq(kept.l1Block, here());
        assertEq(kept.feesUpTo, fee);
        assertEq(kept.mintedUpTo, mint);
        assertEq(address(queue).balance, fee + mint);
        assertEq(queue.owed(USER), 0);
        (uint64 gasLeft, uint64 entriesLeft, uint64 bytesLeft) = queue.left();
        assertEq(gasLeft, queue.BLOCK_GAS() - gas);
        assertEq(entriesLeft, queue.BLOCK_ENTRIES() - 1);
        assertEq(bytesLeft, queue.BLOCK_BYTES() - data.length);
    }

    function test_indicesHaveNoGapsAndSumsGoOn() public {
        for (uint64 i = 0; i < 5; i++) {
            assertEq(queue.length(), i);
            assertEq(enter(LEAST_GAS, 1 ether, ""), i);
            assertEq(queue.entry(i).feesUpTo, (i + 1) * FEE);
            assertEq(queue.entry(i).mintedUpTo, (i + 1) * 1 ether);
            vm.roll(here() + i);
        }
        assertEq(queue.included(), 0);
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.UnknownEntry.selector, 5, 5));
        queue.entry(5);
    }

    function test_aDepositWithoutAnythingElse() public {
        vm.prank(USER, USER);
        queue.enqueue{value: 7 ether + FEE}(USER, false, 7 ether, 7 ether, LEAST_GAS, "");
        assertEq(queue.entry(0).mintedUpTo, 7 ether);
    }

    /* WHO IT IS FROM */

    function test_aContractIsSomeoneElseOnL2() public {
        Caller caller = new Caller(queue);
        _expectFrom(address(uint160(address(caller)) + OFFSET));
        vm.prank(USER, USER);
        caller.enter{value: FEE}(FEE);
    }

    /// @dev It has no code yet: the place that its code will have on L2 may be another's.
    function test_soIsAContractUnderConstruction() public {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        _expectFrom(address(uint160(next) + OFFSET));
        new Caller{value: FEE}(queue);
    }

    function test_anAccountWithADelegationIsItself() public {
        vm.etch(USER, abi.encodePacked(hex"ef0100", address(this)));
        _expectFrom(USER);
        vm.prank(USER, USER);
        queue.enqueue{value: FEE}(address(0), false, 0, 0, LEAST_GAS, "");
    }

    /// @dev Whoever it lets act for it may not do so on L2.
    function test_anAccountWithADelegationThatOthersCalledIsNot() public {
        vm.etch(USER, abi.encodePacked(hex"ef0100", address(this)));
        _expectFrom(address(uint160(USER) + OFFSET));
        vm.prank(USER, CARRIER);
        queue.enqueue{value: FEE}(address(0), false, 0, 0, LEAST_GAS, "");
    }

    function test_theOffsetWrapsAround() public {
        address high = address(type(uint160).max);
        vm.deal(high, FEE);
        _expectFrom(address(OFFSET - 1));
        vm.prank(high, USER);
        queue.enqueue{value: FEE}(address(0), false, 0, 0, LEAST_GAS, "");
    }

    /* WHAT IS REFUSED */

    function test_anEmptyEntryIsRefused() public {
        _refuses(0, 0, "", abi.encodeWithSelector(IForcedQueue.TooLittleGas.selector, 0, LEAST_GAS));
    }

    function test_aCreationCallsNobody() public {
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.CreationHasRecipient.selector, USER));
        vm.prank(USER, USER);
        queue.enqueue{value: 1 ether}(USER, true, 0, 0, 100_000, "");
    }

    function testFuzz_gasPaysForTheBytes(uint64 size, bool isCreation) public {
        size = uint64(bound(size, 0, queue.MAX_DATA()));
        uint64 words = (size + 31) / 32;
        uint64 least = isCreation ? 53_000 + 40 * size + 2 * words : 21_000 + 40 * size;
        assertEq(queue.intrinsicGas(isCreation, size), least);
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.TooLittleGas.selector, least - 1, least));
        vm.prank(USER, USER);
        queue.enqueue{value: 1 ether}(address(0), isCreation, 0, 0, least - 1, new bytes(size));
        vm.prank(USER, USER);
        queue.enqueue{value: 1 ether}(address(0), isCreation, 0, 0, least, new bytes(size));
    }

    function test_gasIsBounded() public {
        uint64 most = queue.BLOCK_GAS();
        bytes memory why = abi.encodeWithSelector(IForcedQueue.TooMuchGas.selector, most + 1, most);
        _refuses(most + 1, 0, "", why);
        why = abi.encodeWithSelector(IForcedQueue.TooMuchGas.selector, type(uint64).max, most);
        _refuses(type(uint64).max, 0, "", why);
        enter(most, 0, "");
        // An L2 transaction may have no more (EIP-7825).
        assertLt(most, 2 ** 24);
    }

    function test_dataIsBounded() public {
        uint64 most = queue.MAX_DATA();
        bytes memory why = abi.encodeWithSelector(IForcedQueue.TooMuchData.selector, most + 1, most);
        _refuses(2_000_000, 0, new bytes(most + 1), why);
        enter(2_000_000, 0, new bytes(most));
    }

    function test_theGasOfMoreBytesThanThereAreHasNoAnswer() public {
        uint256 gas = 53_000 + 40 * uint256(type(uint64).max) + 2 * (uint256(1) << 59);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 64, gas));
        queue.intrinsicGas(true, type(uint64).max);
    }

    function testFuzz_whatIsNotPaidIsRefused(uint256 mint, uint256 sent) public {
        sent = bound(sent, 0, 1_000 ether);
        uint256 most = sent >= FEE ? sent - FEE : 0;
        mint = sent >= FEE ? bound(mint, most + 1, type(uint256).max) : mint;
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.TooLittleValue.selector, sent, mint, FEE));
        vm.prank(USER, USER);
        queue.enqueue{value: sent}(USER, false, mint, 0, LEAST_GAS, "");
    }

    /// @dev More than all the ether that there is.
    function test_sumsDoNotOverflow() public {
        uint256 mint = type(uint96).max;
        vm.deal(USER, 3 * mint);
        vm.prank(USER, USER);
        queue.enqueue{value: mint + FEE}(USER, false, mint, 0, LEAST_GAS, "");
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 96, mint + 1));
        vm.prank(USER, USER);
        queue.enqueue{value: 1 + FEE}(USER, false, 1, 0, LEAST_GAS, "");
        enter();
    }

    function test_nothingEntersAQueueWithoutAnInbox() public {
        queue = Proxied.queue();
        assertEq(address(queue.inbox()), address(0));
        _refuses(LEAST_GAS, 0, "", abi.encodeWithSelector(IForcedQueue.NotConnected.selector));
    }

    function test_etherThatEntersNothingIsRefused() public {
        vm.prank(USER, USER);
        (bool good,) = address(queue).call{value: 1}("");
        assertFalse(good);
    }

    /* PAYING */

    function testFuzz_whatIsSentTooMuchComesBack(uint64 over) public {
        over = uint64(bound(over, 1, type(uint64).max));
        uint256 before = USER.balance;
        vm.prank(USER, USER);
        queue.enqueue{value: 1 ether + FEE + over}(USER, false, 1 ether, 0, LEAST_GAS, "");
        assertEq(queue.owed(USER), over);
        assertEq(queue.entry(0).mintedUpTo, 1 ether);
        vm.expectEmit(address(queue));
        emit IForcedQueue.Withdrawn(USER, USER, over);
        vm.prank(USER);
        assertEq(queue.withdraw(payable(USER)), over);
        assertEq(USER.balance, before - 1 ether - FEE);
    }

    /// @dev What it may be charged is known by the time the price has risen.
    function test_anEighthMorePaysInTheNextBlockWhateverHappens() public {
        enter(queue.BLOCK_GAS(), 0, "");
        uint256 quoted = uint256(LEAST_GAS) * queue.gasPrice();
        vm.roll(here() + 1);
        vm.prank(USER, USER);
        queue.enqueue{value: quoted + quoted / 8}(USER, false, 0, 0, LEAST_GAS, "");
        assertEq(queue.owed(USER), 0);
    }

    function test_nothingOwedNothingPaid() public {
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.NothingOwed.selector, USER));
        vm.prank(USER);
        queue.withdraw(payable(USER));
        enter();
        carry(here(), 1);
        vm.startPrank(CARRIER);
        vm.expectRevert(IForcedQueue.NoRecipient.selector);
        queue.withdraw(payable(address(0)));
        queue.withdraw(payable(USER));
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.NothingOwed.selector, CARRIER));
        queue.withdraw(payable(USER));
        vm.stopPrank();
    }

    /// @dev The carrier names one that refuses: its own loss, and no batch waits for it.
    function test_aRecipientThatRefusesHoldsUpNobody() public {
        Caller hostile = new Caller(queue);
        hostile.whenPaid(true, "");
        enter();
        carry(here(), 1);
        vm.expectRevert(Errors.FailedCall.selector);
        vm.prank(CARRIER);
        queue.withdraw(payable(address(hostile)));
        assertEq(queue.owed(CARRIER), FEE);
        enter();
        carry(here(), 2);
        assertEq(queue.owed(CARRIER), 2 * FEE);
        vm.prank(CARRIER);
        assertEq(queue.withdraw(payable(USER)), 2 * FEE);
    }

    function test_aRecipientThatCallsBackIsPaidOnce() public {
        Caller hostile = new Caller(queue);
        vm.prank(USER, USER);
        hostile.enter{value: FEE + 1 ether}(FEE + 1 ether);
        enter(LEAST_GAS, 5 ether, "");
        bytes memory withdrawal = abi.encodeCall(queue.withdraw, (payable(address(hostile))));
        hostile.whenPaid(false, withdrawal);
        hostile.act(withdrawal);
        assertFalse(hostile.went());
        assertEq(hostile.answer(), abi.encodeWithSelector(IForcedQueue.NothingOwed.selector, address(hostile)));
        assertEq(address(hostile).balance, 1 ether);
        assertEq(address(queue).balance, 5 ether + 2 * FEE);
    }

    /// @dev Entering from inside a payment is an ordinary entry.
    function test_aRecipientThatEntersPaysAsOthersDo() public {
        Caller hostile = new Caller(queue);
        vm.prank(USER, USER);
        hostile.enter{value: FEE + 1 ether}(FEE + 1 ether);
        hostile.whenPaid(false, abi.encodeCall(queue.enqueue, (USER, false, 0, 0, LEAST_GAS, "")));
        hostile.act(abi.encodeCall(queue.withdraw, (payable(address(hostile)))));
        assertFalse(hostile.went());
        bytes memory why = abi.encodeWithSelector(IForcedQueue.TooLittleValue.selector, 0, 0, FEE);
        assertEq(hostile.answer(), why);
        assertEq(queue.length(), 1);
    }

    /// @dev It is nobody's: no entry, nothing owed, and no sum is wrong after.
    function test_aDonationChangesNothing() public {
        enter(LEAST_GAS, 1 ether, "");
        // As a block's reward or a contract's end would bring it.
        vm.deal(address(queue), address(queue).balance + 9 ether);
        enter(LEAST_GAS, 1 ether, "");
        carry(here(), 2);
        assertEq(queue.owed(CARRIER), 2 * FEE);
        vm.prank(CARRIER);
        queue.withdraw(payable(CARRIER));
        assertEq(address(queue).balance, 11 ether);
    }

    /* GOVERNANCE */

    function test_theInboxIsNamedOnceByTheOwner() public {
        ForcedQueue fresh = Proxied.queue();
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, USER));
        vm.prank(USER);
        fresh.connect(inbox);
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.ForeignInbox.selector, inbox, queue));
        fresh.connect(inbox);
        IBatchInbox its = Proxied.inbox(pool, EMERGENCY_DELAY);
        fresh = ForcedQueue(address(its.QUEUE()));
        assertEq(address(fresh.inbox()), address(its));
        vm.expectRevert(abi.encodeWithSelector(IForcedQueue.AlreadyConnected.selector, its));
        fresh.connect(its);
    }

    function test_theFloorIsTheOwnersWithinBounds() public {
        (uint64 least, uint64 most) = (queue.MIN_FLOOR(), queue.MAX_FLOOR());
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, USER));
        vm.prank(USER);
        queue.setFloor(least);
        uint64[4] memory wrong = [0, least - 1, most + 1, type(uint64).max];
        for (uint256 i = 0; i < wrong.length; i++) {
            vm.expectRevert(abi.encodeWithSelector(IForcedQueue.FloorOutOfBounds.selector, wrong[i], least, most));
            queue.setFloor(wrong[i]);
        }
        vm.expectEmit(address(queue));
        emit IForcedQueue.FloorChanged(most);
        queue.setFloor(most);
        assertEq(queue.floor(), most);
        assertEq(queue.gasPrice(), most);
        enter();
        queue.setFloor(least);
        assertEq(queue.floor(), least);
        assertEq(queue.gasPrice(), most, "falls block by block from where it was");
        vm.roll(here() + 1);
        assertLt(queue.gasPrice(), most);
    }

    function test_itIsSetUpOnce() public {
        ForcedQueue code = new ForcedQueue();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        code.initialize(address(this), FLOOR);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        ForcedQueue(address(queue)).initialize(address(this), FLOOR);
    }

    /* HELP */

    function _expectFrom(address from) private {
        vm.expectEmit(true, true, false, false, address(queue));
        emit IForcedQueue.Enqueued(0, from, address(0), false, 0, 0, 0, "");
    }

    function _refuses(uint64 gas, uint256 mint, bytes memory data, bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(USER, USER);
        queue.enqueue{value: 10 ether}(address(0xD0), false, mint, 0, gas, data);
    }
}
