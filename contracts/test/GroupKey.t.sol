// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Digests} from "../src/Digests.sol";
import {Frost} from "../src/Frost.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {Fixture} from "./base/Fixture.sol";

/// @notice How group keys come into force: the first, its successors, and one in an emergency.
contract GroupKeyTest is Fixture {
    address private constant ANYONE = address(0xB0B);

    Key private first;
    Key private second;
    address[] private signers;
    uint64[] private weights;
    bytes32 private snapshotHash;

    /// @dev Weights 2, 2, 2, 1 in some order: the heaviest is cut, and 5 of 7 are a quorum, 4 are not.
    function setUp() public {
        first = keyOf(0xC0FFEE);
        second = keyOf(0xF00D);
        join(1, 100_000e18);
        join(2, 40_000e18);
        join(3, 40_000e18);
        join(4, 20_000e18);
        (signers, weights) = pool.snapshot();
        snapshotHash = Digests.snapshot(signers, weights);
    }

    /* THE FIRST */

    function test_theFirstKey() public {
        vm.expectEmit(address(inbox));
        emit IBatchInbox.KeyInstalled(1, first.px, first.parity, snapshotHash, signers, weights);
        installFirstKey(first);
        _assertKey(first, 1);
    }

    function test_theFirstKeyComesOnce() public {
        installFirstKey(first);
        bytes[] memory given = _installation(1, second, 0);
        vm.expectRevert(IBatchInbox.KeyAlreadyInstalled.selector);
        inbox.installFirstKey(second.px, second.parity, signers, weights, given);
    }

    /// @dev Every set of absent validators: it goes through exactly if those who signed have more than 2/3.
    function test_theFirstKeyTakesAQuorumOfWeights() public {
        for (uint256 absent = 0; absent < 16; absent++) {
            uint256 weight;
            for (uint256 i = 0; i < 4; i++) {
                if (absent & (1 << i) == 0) weight += weights[i];
            }
            bytes[] memory given = _installation(1, first, absent);
            uint256 before = vm.snapshotState();
            if (weight < 5) vm.expectRevert(abi.encodeWithSelector(IBatchInbox.NoQuorum.selector, weight, 7));
            inbox.installFirstKey(first.px, first.parity, signers, weights, given);
            assertEq(inbox.groupKey().index, weight < 5 ? 0 : 1);
            vm.revertToState(before);
        }
    }

    function test_theFirstKeyIsForThePoolsValidators() public {
        bytes[] memory given = _installation(1, first, 0);
        join(5, 20_000e18);
        bytes32 listed = _listedHash();
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongSnapshot.selector, snapshotHash, listed));
        inbox.installFirstKey(first.px, first.parity, signers, weights, given);

        vm.prank(ownerOf(5));
        pool.unlock();
        (signers[0], signers[1]) = (signers[1], signers[0]);
        bytes32 unsorted = Digests.snapshot(signers, weights);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongSnapshot.selector, unsorted, snapshotHash));
        inbox.installFirstKey(first.px, first.parity, signers, weights, given);
        (signers[0], signers[1]) = (signers[1], signers[0]);
        inbox.installFirstKey(first.px, first.parity, signers, weights, given);
    }

    function test_anEmptyPoolInstallsNothing() public {
        for (uint64 id = 1; id <= 4; id++) {
            pool.forceUnlock(id);
        }
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.NoQuorum.selector, 0, 0));
        inbox.installFirstKey(first.px, first.parity, new address[](0), new uint64[](0), new bytes[](0));
    }

    function testFuzz_aWrongSignatureOfAValidatorIsRefused(uint256 who, uint256 bit) public {
        bytes[] memory given = _installation(1, first, 0);
        who %= 4;
        bit = bound(bit, 0, 65 * 8 - 1);
        given[who][bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongSignature.selector, signers[who]));
        inbox.installFirstKey(first.px, first.parity, signers, weights, given);
    }

    function test_signaturesOfOthersOrOverOtherThingsAreRefused() public {
        // Each signed, but in another's place; then for another key; then for a rotation.
        bytes[] memory given = _installation(1, first, 0);
        (given[0], given[1]) = (given[1], given[0]);
        bytes memory wrong = abi.encodeWithSelector(IBatchInbox.WrongSignature.selector, signers[0]);
        vm.expectRevert(wrong);
        inbox.installFirstKey(first.px, first.parity, signers, weights, given);
        given = _installation(1, second, 0);
        vm.expectRevert(wrong);
        inbox.installFirstKey(first.px, first.parity, signers, weights, given);
        given = _installation(2, first, 0);
        vm.expectRevert(wrong);
        inbox.installFirstKey(first.px, first.parity, signers, weights, given);
        given = signatures(signers, inbox.rotationDigest(1, first.px, first.parity, snapshotHash), 0);
        vm.expectRevert(wrong);
        inbox.installFirstKey(first.px, first.parity, signers, weights, given);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongSignatureCount.selector, 3, 4));
        inbox.installFirstKey(first.px, first.parity, signers, weights, new bytes[](3));
    }

    function test_aKeyThatEcrecoverCannotUseIsRefused() public {
        Key memory bad = Key(0, Frost.N, 27);
        bytes[] memory given = _installation(1, bad, 0);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.InvalidKey.selector, Frost.N, 27));
        inbox.installFirstKey(bad.px, bad.parity, signers, weights, given);
    }

    function test_withoutAKeyNothingIsAccepted() public {
        IBatchInbox.Batch memory batch = nextBatch(1, "data");
        Frost.Signature memory signature = groupSign(first, inbox.batchDigest(batch));
        vm.expectRevert(IBatchInbox.NoKey.selector);
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, signature, "data");
        signature = groupSign(first, inbox.rotationDigest(1, second.px, second.parity, snapshotHash));
        vm.expectRevert(IBatchInbox.NoKey.selector);
        inbox.rotate(second.px, second.parity, signers, weights, signature);
        vm.expectRevert(IBatchInbox.NoKey.selector);
        inbox.startEmergencyRotation(second.px, second.parity, 0, signers, weights, new bytes[](4));
        vm.expectRevert();
        inbox.finishEmergencyRotation(second.px, second.parity, signers, weights);
    }

    /* ROTATION */

    function test_rotation() public {
        installFirstKey(first);
        _submit(first);
        Frost.Signature memory signature =
            groupSign(first, inbox.rotationDigest(2, second.px, second.parity, snapshotHash));
        vm.expectEmit(address(inbox));
        emit IBatchInbox.KeyInstalled(2, second.px, second.parity, snapshotHash, signers, weights);
        vm.prank(ANYONE);
        inbox.rotate(second.px, second.parity, signers, weights, signature);
        _assertKey(second, 2);

        IBatchInbox.Batch memory batch = nextBatch(1, "data");
        Frost.Signature memory old = groupSign(first, inbox.batchDigest(batch));
        bytes memory reason = abi.encodeWithSelector(IBatchInbox.WrongGroupSignature.selector, inbox.batchDigest(batch));
        vm.expectRevert(reason);
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, old, "data");
        _submit(second);
    }

    function test_aRotationServesOnceAndOnlyUntilTheNextBatch() public {
        installFirstKey(first);
        Frost.Signature memory signature =
            groupSign(first, inbox.rotationDigest(2, first.px, first.parity, snapshotHash));
        uint256 before = vm.snapshotState();
        // The key that comes in is the one that signed, so a replay has nothing but the digest against it.
        inbox.rotate(first.px, first.parity, signers, weights, signature);
        _refusesRotation(first, signature);
        vm.revertToState(before);
        _submit(first);
        _refusesRotation(first, signature);
    }

    function testFuzz_aRotationThatWasNotSignedIsRefused(uint256 field, uint256 bit) public {
        installFirstKey(first);
        Frost.Signature memory signature =
            groupSign(first, inbox.rotationDigest(2, second.px, second.parity, snapshotHash));
        uint256 mask = 1 << (bit % 256);
        field %= 7;
        Key memory next = second;
        if (field == 0) signature.rx ^= mask;
        if (field == 1) signature.ry ^= mask;
        if (field == 2) signature.z ^= mask;
        if (field == 3) next.px ^= mask;
        if (field == 4) next.parity = 55 - next.parity;
        if (field == 5) signers[bit % 4] = address(uint160(signers[bit % 4]) ^ uint160(1 << (bit % 160)));
        if (field == 6) weights[bit % 4] ^= uint64(1 << (bit % 64));
        _refusesRotation(next, signature);
    }

    function test_aRotationSaysForWhomInFull() public {
        installFirstKey(first);
        (address[] memory noSigners, uint64[] memory noWeights) = (new address[](0), new uint64[](0));
        _refusesMalformed(noSigners, noWeights);
        uint64[] memory three = new uint64[](3);
        _refusesMalformed(signers, three);
        uint64[] memory zero = weights;
        zero[2] = 0;
        _refusesMalformed(signers, zero);
        address[] memory twice = signers;
        twice[1] = twice[0];
        _refusesMalformed(twice, weights);
        address[] memory unsorted = signers;
        (unsorted[2], unsorted[3]) = (unsorted[3], unsorted[2]);
        _refusesMalformed(unsorted, weights);
    }

    function test_aRotationToNoKeyIsRefused() public {
        installFirstKey(first);
        Frost.Signature memory signature = groupSign(first, inbox.rotationDigest(2, 5, 27, snapshotHash));
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.InvalidKey.selector, 5, 27));
        inbox.rotate(5, 27, signers, weights, signature);
    }

    /* EMERGENCY */

    function test_emergencyRotation() public {
        installFirstKey(first);
        _submit(first);
        // The pool has moved on; those for whom the key was made decide all the same.
        pool.forceUnlock(1);
        (address[] memory nextSigners, uint64[] memory nextWeights) = pool.snapshot();
        bytes32 nextHash = Digests.snapshot(nextSigners, nextWeights);
        bytes32 digest = inbox.installationDigest(2, second.px, second.parity, nextHash);
        bytes[] memory given = signatures(signers, digest, 0);
        uint64 readyAt = uint64(block.timestamp) + EMERGENCY_DELAY;
        vm.expectEmit(address(inbox));
        emit IBatchInbox.EmergencyRotationStarted(2, digest, second.px, second.parity, nextHash, readyAt);
        inbox.startEmergencyRotation(second.px, second.parity, nextHash, signers, weights, given);
        assertEq(inbox.emergencyStartedAt(digest), block.timestamp);
        _assertKey(first, 1);

        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.DelayRunning.selector, readyAt));
        inbox.finishEmergencyRotation(second.px, second.parity, nextSigners, nextWeights);
        vm.warp(readyAt);
        vm.expectEmit(address(inbox));
        emit IBatchInbox.KeyInstalled(2, second.px, second.parity, nextHash, nextSigners, nextWeights);
        inbox.finishEmergencyRotation(second.px, second.parity, nextSigners, nextWeights);
        assertEq(inbox.groupKey().snapshotHash, nextHash);

        bytes32 again = inbox.installationDigest(3, second.px, second.parity, nextHash);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.NotStarted.selector, again));
        inbox.finishEmergencyRotation(second.px, second.parity, nextSigners, nextWeights);
        _submit(second);
    }

    function test_aBatchCancelsAnEmergencyRotation() public {
        installFirstKey(first);
        _start(second);
        _submit(first);
        _refusesFinish();
    }

    function test_aRotationCancelsAnEmergencyRotation() public {
        installFirstKey(first);
        _start(second);
        Key memory third = keyOf(0xBEEF);
        Frost.Signature memory signature =
            groupSign(first, inbox.rotationDigest(2, third.px, third.parity, snapshotHash));
        inbox.rotate(third.px, third.parity, signers, weights, signature);
        _refusesFinish();
    }

    function test_anEmergencyRotationThatWasNeverStartedCannotBeFinished() public {
        installFirstKey(first);
        _start(keyOf(0xBEEF));
        _refusesFinish();
    }

    function test_anEmergencyRotationIsStartedOnce() public {
        installFirstKey(first);
        bytes32 digest = inbox.installationDigest(2, second.px, second.parity, snapshotHash);
        bytes[] memory given = _installation(2, second, 0);
        inbox.startEmergencyRotation(second.px, second.parity, snapshotHash, signers, weights, given);
        skip(1 days);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.AlreadyStarted.selector, digest));
        inbox.startEmergencyRotation(second.px, second.parity, snapshotHash, signers, weights, given);
        // Another that they start meanwhile does not hold up this one.
        _start(keyOf(0xBEEF));
        skip(EMERGENCY_DELAY - 1 days);
        inbox.finishEmergencyRotation(second.px, second.parity, signers, weights);
        _assertKey(second, 2);
    }

    function test_anEmergencyRotationTakesAQuorumOfTheStoredWeights() public {
        installFirstKey(first);
        for (uint256 absent = 0; absent < 16; absent++) {
            uint256 weight;
            for (uint256 i = 0; i < 4; i++) {
                if (absent & (1 << i) == 0) weight += weights[i];
            }
            bytes[] memory given = _installation(2, second, absent);
            uint256 before = vm.snapshotState();
            if (weight < 5) vm.expectRevert(abi.encodeWithSelector(IBatchInbox.NoQuorum.selector, weight, 7));
            inbox.startEmergencyRotation(second.px, second.parity, snapshotHash, signers, weights, given);
            vm.revertToState(before);
        }
        // Nor may the caller say what they weigh.
        bytes[] memory one = _installation(2, second, 14);
        weights[0] = 100;
        bytes32 claimed = Digests.snapshot(signers, weights);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongSnapshot.selector, claimed, snapshotHash));
        inbox.startEmergencyRotation(second.px, second.parity, snapshotHash, signers, weights, one);
    }

    /* HELP */

    function _installation(uint64 keyIndex, Key memory key, uint256 absent) private view returns (bytes[] memory) {
        return signatures(signers, inbox.installationDigest(keyIndex, key.px, key.parity, snapshotHash), absent);
    }

    function _start(Key memory key) private {
        bytes[] memory given = _installation(2, key, 0);
        inbox.startEmergencyRotation(key.px, key.parity, snapshotHash, signers, weights, given);
    }

    function _submit(Key memory key) private {
        IBatchInbox.Batch memory batch = nextBatch(10, "data");
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.prank(ANYONE, ANYONE);
        inbox.submit(batch, signature, "data");
    }

    function _refusesFinish() private {
        skip(EMERGENCY_DELAY);
        uint64 keyIndex = inbox.groupKey().index + 1;
        bytes32 digest = inbox.installationDigest(keyIndex, second.px, second.parity, snapshotHash);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.NotStarted.selector, digest));
        inbox.finishEmergencyRotation(second.px, second.parity, signers, weights);
    }

    function _refusesRotation(Key memory next, Frost.Signature memory signature) private {
        bytes32 hash = Digests.snapshot(signers, weights);
        bytes32 digest = inbox.rotationDigest(inbox.groupKey().index + 1, next.px, next.parity, hash);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongGroupSignature.selector, digest));
        inbox.rotate(next.px, next.parity, signers, weights, signature);
    }

    function _refusesMalformed(address[] memory nextSigners, uint64[] memory nextWeights) private {
        bytes32 hash = Digests.snapshot(nextSigners, nextWeights);
        Frost.Signature memory signature = groupSign(first, inbox.rotationDigest(2, second.px, second.parity, hash));
        vm.expectRevert(IBatchInbox.MalformedSnapshot.selector);
        inbox.rotate(second.px, second.parity, nextSigners, nextWeights, signature);
    }

    function _listedHash() private view returns (bytes32) {
        (address[] memory listed, uint64[] memory listedWeights) = pool.snapshot();
        return Digests.snapshot(listed, listedWeights);
    }

    function _assertKey(Key memory key, uint64 index) private view {
        IBatchInbox.GroupKey memory inForce = inbox.groupKey();
        assertEq(inForce.px, key.px);
        assertEq(inForce.parity, key.parity);
        assertEq(inForce.index, index);
        assertEq(inForce.snapshotHash, snapshotHash);
    }
}
