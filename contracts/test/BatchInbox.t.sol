// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Frost} from "../src/Frost.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {Fixture} from "./base/Fixture.sol";

/// @notice Carries a batch as no plain account does: from a contract.
contract Carrier {
    function carry(
        IBatchInbox inbox,
        IBatchInbox.Batch calldata batch,
        Frost.Signature calldata signature,
        bytes calldata data
    ) external {
        inbox.submit(batch, signature, data);
    }
}

contract BatchInboxTest is Fixture {
    address private constant ANYONE = address(0xB0B);

    Key private key;

    function setUp() public {
        for (uint256 n = 1; n <= 4; n++) {
            join(n, 20_000e18 * n);
        }
        key = keyOf(0xC0FFEE);
        installFirstKey(key);
    }

    /* ACCEPTING */

    function test_acceptsBatchesInARow() public {
        for (uint64 i = 0; i < 3; i++) {
            bytes memory data = abi.encode("data", i);
            IBatchInbox.Batch memory batch = nextBatch(10 + i, data);
            assertEq(batch.index, i);
            if (i == 0) assertEq(batch.firstBlock, 1);
            bytes32 digest = inbox.batchDigest(batch);

            vm.expectEmit(address(inbox));
            emit IBatchInbox.BatchAccepted(
                i,
                digest,
                batch.firstBlock,
                batch.lastBlock,
                batch.lastBlockHash,
                batch.stateRoot,
                batch.dataHash,
                batch.l1View,
                0,
                ANYONE
            );
            _submit(batch, data);

            IBatchInbox.Head memory head = inbox.head();
            assertEq(head.nextIndex, i + 1);
            assertEq(head.lastBlock, batch.lastBlock);
            assertEq(head.l1View, batch.l1View);
            assertEq(head.digest, digest);
            assertEq(head.lastBlockHash, batch.lastBlockHash);
            assertEq(head.stateRoot, batch.stateRoot);
        }
    }

    function testFuzz_acceptsAnyContiguousBatch(
        uint64 blocks,
        uint64 l1View,
        bytes32 hash,
        bytes32 root,
        bytes memory data
    ) public {
        IBatchInbox.Batch memory batch = nextBatch(uint64(bound(blocks, 1, type(uint64).max - 1)), data);
        vm.roll(l1View);
        (batch.l1View, batch.lastBlockHash, batch.stateRoot) = (l1View, hash, root);
        _submit(batch, data);
        assertEq(inbox.head().digest, inbox.batchDigest(batch));
    }

    /* WHO CARRIES */

    function test_refusesAContract() public {
        (IBatchInbox.Batch memory batch, Frost.Signature memory signature) = _signed("data");
        Carrier carrier = new Carrier();
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.NotPlainAccount.selector, address(carrier)));
        vm.prank(ANYONE, ANYONE);
        carrier.carry(inbox, batch, signature, "data");
    }

    /// @dev A contract under construction has no code yet, but is not the origin.
    function test_refusesAnAccountThatIsNotTheOrigin() public {
        (IBatchInbox.Batch memory batch, Frost.Signature memory signature) = _signed("data");
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.NotPlainAccount.selector, ANYONE));
        vm.prank(ANYONE, address(0xCAFE));
        inbox.submit(batch, signature, "data");
    }

    function test_refusesADelegatedAccount() public {
        (IBatchInbox.Batch memory batch, Frost.Signature memory signature) = _signed("data");
        vm.etch(ANYONE, abi.encodePacked(hex"ef0100", address(this)));
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.NotPlainAccount.selector, ANYONE));
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, signature, "data");
    }

    /* WHAT FOLLOWS WHAT */

    function test_refusesWhatDoesNotFollow() public {
        _submit(nextBatch(10, "data"), "data");
        bytes32 last = inbox.head().digest;

        IBatchInbox.Batch memory batch = nextBatch(5, "data");
        batch.index = 0;
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.WrongIndex.selector, 0, 1));
        batch.index = 2;
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.WrongIndex.selector, 2, 1));

        batch = nextBatch(5, "data");
        batch.previousDigest = bytes32(uint256(last) ^ 1);
        _refuses(
            batch, "data", abi.encodeWithSelector(IBatchInbox.WrongPreviousDigest.selector, batch.previousDigest, last)
        );

        batch = nextBatch(5, "data");
        batch.firstBlock = 10;
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.WrongBlockRange.selector, 10, 15, 11));
        batch.firstBlock = 12;
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.WrongBlockRange.selector, 12, 15, 11));
        batch.firstBlock = 11;
        batch.lastBlock = 10;
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.WrongBlockRange.selector, 11, 10, 11));

        batch = nextBatch(5, "data");
        batch.l1View = 0;
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.L1ViewFell.selector, 0, 1));

        _submit(nextBatch(5, "data"), "data");
    }

    /// @dev After the last number that there is nothing could follow: it is kept out.
    function test_refusesNumbersThatLeaveNoRoom() public {
        uint64 max = type(uint64).max;
        IBatchInbox.Batch memory batch = nextBatch(5, "data");
        batch.lastBlock = max;
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.WrongBlockRange.selector, 1, max, 1));
        batch.index = max;
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.WrongIndex.selector, max, 0));
        batch = nextBatch(5, "data");
        batch.firstBlock = max;
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.WrongBlockRange.selector, max, 5, 1));
        batch.firstBlock = 0;
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.WrongBlockRange.selector, 0, 5, 1));
        batch = nextBatch(max - 1, "data");
        _submit(batch, "data");
        batch = nextBatch(0, "data");
        (batch.firstBlock, batch.lastBlock) = (max, max);
        _refuses(batch, "data", abi.encodeWithSelector(IBatchInbox.WrongBlockRange.selector, max, max, max));
    }

    /// @dev All zero: neither a header nor a signature.
    function test_refusesNothing() public {
        IBatchInbox.Batch memory batch;
        Frost.Signature memory none;
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongBlockRange.selector, 0, 0, 1));
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, none, "");
        _refusesSignature(nextBatch(1, "data"), none);
    }

    function test_refusesTheSameBatchTwice() public {
        (IBatchInbox.Batch memory batch, Frost.Signature memory signature) = _signed("data");
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, signature, "data");
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongIndex.selector, 0, 1));
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, signature, "data");
    }

    /* WHAT WAS SIGNED */

    function testFuzz_refusesAFlippedBitOfData(bytes memory data, uint256 bit) public {
        vm.assume(data.length > 0);
        (IBatchInbox.Batch memory batch, Frost.Signature memory signature) = _signed(data);
        bit = bound(bit, 0, data.length * 8 - 1);
        data[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongDataHash.selector, batch.dataHash, keccak256(data)));
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, signature, data);
    }

    /// @dev Any bit of any field: whatever else may refuse it, it is never accepted.
    function testFuzz_refusesAFlippedBitOfTheHeader(uint256 field, uint256 bit) public {
        _submit(nextBatch(3, "before"), "before");
        (IBatchInbox.Batch memory batch, Frost.Signature memory signature) = _signed("data");
        uint64 narrow = uint64(1) << uint64(bit % 64);
        bytes32 wide = bytes32(1 << (bit % 256));
        field %= 9;
        if (field == 0) batch.index ^= narrow;
        if (field == 1) batch.previousDigest ^= wide;
        if (field == 2) batch.firstBlock ^= narrow;
        if (field == 3) batch.lastBlock ^= narrow;
        if (field == 4) batch.lastBlockHash ^= wide;
        if (field == 5) batch.dataHash ^= wide;
        if (field == 6) batch.stateRoot ^= wide;
        if (field == 7) batch.l1View ^= narrow;
        if (field == 8) batch.forced ^= narrow;
        vm.expectRevert();
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, signature, "data");
    }

    /// @dev What no other check looks at stands under the signature alone.
    function testFuzz_refusesAHeaderThatWasNotSigned(uint256 field, bytes32 other) public {
        (IBatchInbox.Batch memory batch, Frost.Signature memory signature) = _signed("data");
        bytes32 signed = inbox.batchDigest(batch);
        vm.roll(type(uint64).max);
        field %= 5;
        if (field == 0) batch.lastBlock = uint64(bound(uint256(other), 1, type(uint64).max - 1));
        if (field == 1) batch.lastBlockHash = other;
        if (field == 2) batch.stateRoot = other;
        if (field == 3) batch.l1View = uint64(uint256(other));
        if (field == 4) batch.forced = uint64(uint256(other));
        vm.assume(inbox.batchDigest(batch) != signed);
        _refusesSignature(batch, signature);
    }

    function testFuzz_refusesAFlippedBitOfTheSignature(uint256 field, uint256 bit) public {
        (IBatchInbox.Batch memory batch, Frost.Signature memory signature) = _signed("data");
        uint256 mask = 1 << (bit % 256);
        field %= 3;
        if (field == 0) signature.rx ^= mask;
        if (field == 1) signature.ry ^= mask;
        if (field == 2) signature.z ^= mask;
        _refusesSignature(batch, signature);
    }

    function testFuzz_refusesAnotherKey(uint256 secret) public {
        secret = bound(secret, 1, Frost.N - 1);
        vm.assume(secret != key.secret);
        IBatchInbox.Batch memory batch = nextBatch(10, "data");
        _refusesSignature(batch, groupSign(keyOf(secret), inbox.batchDigest(batch)));
    }

    function test_refusesWhatWasSignedForAnotherInboxOrChain() public {
        IBatchInbox.Batch memory batch = nextBatch(10, "data");
        vm.chainId(5);
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.chainId(31_337);
        _refusesSignature(batch, signature);
        bytes32 elsewhere = keccak256(abi.encode(keccak256("horae.v1.batch"), block.chainid, address(this), batch));
        _refusesSignature(batch, groupSign(key, elsewhere));
        bytes32 here = keccak256(abi.encode(keccak256("horae.v1.batch"), block.chainid, address(inbox), batch));
        assertEq(here, inbox.batchDigest(batch));
    }

    /* HELP */

    function _signed(bytes memory data) private returns (IBatchInbox.Batch memory batch, Frost.Signature memory) {
        batch = nextBatch(10, data);
        return (batch, groupSign(key, inbox.batchDigest(batch)));
    }

    function _submit(IBatchInbox.Batch memory batch, bytes memory data) private {
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, signature, data);
    }

    function _refuses(IBatchInbox.Batch memory batch, bytes memory data, bytes memory reason) private {
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.expectRevert(reason);
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, signature, data);
    }

    function _refusesSignature(IBatchInbox.Batch memory batch, Frost.Signature memory signature) private {
        bytes memory reason = abi.encodeWithSelector(IBatchInbox.WrongGroupSignature.selector, inbox.batchDigest(batch));
        vm.expectRevert(reason);
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, signature, "data");
    }
}
