// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BatchInbox} from "../src/BatchInbox.sol";
import {Digests} from "../src/Digests.sol";
import {Frost} from "../src/Frost.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {Fixture} from "./base/Fixture.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice What validators and their group signed for keys, taken to another chain, to another inbox of the same validators
/// under the same key, or to another purpose. Batches: `BatchInbox.t.sol`. Signer keys: `LockingPool.t.sol`. Settlements:
/// `RewardSchedule.t.sol`. Evidence: `Slasher.t.sol`.
contract ReplayTest is Fixture {
    uint256 private constant HERE = 31_337;

    Key private first;
    Key private second;
    address[] private signers;
    uint64[] private weights;
    bytes32 private snapshotHash;
    BatchInbox private other;

    function setUp() public {
        first = keyOf(0xC0FFEE);
        second = keyOf(0xF00D);
        for (uint256 n = 1; n <= 4; n++) {
            join(n, 20_000e18);
        }
        (signers, weights) = pool.snapshot();
        snapshotHash = Digests.snapshot(signers, weights);
        other = Proxied.inbox(pool, EMERGENCY_DELAY);
        assertEq(block.chainid, HERE);
    }

    function test_aFirstKeySignedForElsewhereIsRefused() public {
        bytes32[4] memory foreign = _foreign(true, 1, first);
        bytes memory wrong = abi.encodeWithSelector(IBatchInbox.WrongSignature.selector, signers[0]);
        for (uint256 i = 0; i < foreign.length; i++) {
            bytes[] memory given = signatures(signers, foreign[i], 0);
            vm.expectRevert(wrong);
            inbox.installFirstKey(first.px, first.parity, signers, weights, given);
        }
        installFirstKey(first);
    }

    function test_aRotationSignedForElsewhereIsRefused() public {
        _installBoth();
        bytes32[4] memory foreign = _foreign(false, 2, second);
        bytes32 digest = inbox.rotationDigest(2, second.px, second.parity, snapshotHash);
        for (uint256 i = 0; i < foreign.length; i++) {
            Frost.Signature memory signature = groupSign(first, foreign[i]);
            vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongGroupSignature.selector, digest));
            inbox.rotate(second.px, second.parity, signers, weights, signature);
        }
        rotate(first, second);
    }

    function test_anEmergencyRotationSignedForElsewhereIsRefused() public {
        _installBoth();
        bytes32[4] memory foreign = _foreign(true, 2, second);
        for (uint256 i = 0; i < foreign.length; i++) {
            bytes[] memory given = signatures(signers, foreign[i], 0);
            vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongSignature.selector, signers[0]));
            _start(given);
        }
        bytes32 digest = inbox.installationDigest(2, second.px, second.parity, snapshotHash);
        _start(signatures(signers, digest, 0));
        assertEq(inbox.emergencyStartedAt(digest), block.timestamp);
        assertEq(other.emergencyStartedAt(digest), 0);
    }

    /// @dev A contract that moved to another chain, as in a fork, takes nothing that was signed before it.
    function test_afterAForkOfTheChainEachHasItsOwn() public {
        _installBoth();
        bytes32 digest = inbox.rotationDigest(2, second.px, second.parity, snapshotHash);
        Frost.Signature memory signature = groupSign(first, digest);
        vm.chainId(HERE + 1);
        bytes32 there = inbox.rotationDigest(2, second.px, second.parity, snapshotHash);
        assertNotEq(there, digest);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongGroupSignature.selector, there));
        inbox.rotate(second.px, second.parity, signers, weights, signature);
        vm.chainId(HERE);
        inbox.rotate(second.px, second.parity, signers, weights, signature);
    }

    /// @dev All that is signed has a kind of its own: no two digests are the same whatever their fields.
    function testFuzz_kindsAreApart(uint64 chainId, address contract_, IBatchInbox.Batch memory batch) public pure {
        Digests.Succession memory next =
            Digests.Succession(batch.index, uint256(batch.dataHash), 27, batch.stateRoot, batch.previousDigest);
        bytes32[4] memory digests = [
            Digests.batch(chainId, contract_, batch),
            Digests.rotation(chainId, contract_, next),
            Digests.installation(chainId, contract_, next),
            Digests.signer(chainId, contract_, contract_, contract_)
        ];
        for (uint256 i = 0; i < digests.length; i++) {
            for (uint256 j = 0; j < i; j++) {
                assertNotEq(digests[i], digests[j]);
            }
        }
    }

    function _installBoth() private {
        installFirstKey(first);
        bytes32 digest = other.installationDigest(1, first.px, first.parity, snapshotHash);
        other.installFirstKey(first.px, first.parity, signers, weights, signatures(signers, digest, 0));
    }

    /// @dev Digests for another chain, another inbox, another key's number, and the other kind; or of a batch.
    function _foreign(bool isInstallation, uint64 index, Key memory key) private returns (bytes32[4] memory foreign) {
        vm.chainId(5);
        foreign[0] = _digest(inbox, isInstallation, index, key);
        vm.chainId(HERE);
        foreign[1] = _digest(other, isInstallation, index, key);
        foreign[2] = _digest(inbox, isInstallation, index + 1, key);
        foreign[3] = _digest(inbox, !isInstallation, index, key);
    }

    function _digest(BatchInbox at, bool isInstallation, uint64 index, Key memory key) private view returns (bytes32) {
        return isInstallation
            ? at.installationDigest(index, key.px, key.parity, snapshotHash)
            : at.rotationDigest(index, key.px, key.parity, snapshotHash);
    }

    function _start(bytes[] memory given) private {
        inbox.startEmergencyRotation(second.px, second.parity, snapshotHash, signers, weights, given);
    }
}
