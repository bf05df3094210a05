// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Digests} from "../src/Digests.sol";
import {Frost} from "../src/Frost.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {Fixture} from "./base/Fixture.sol";

/// @notice A group that posts batches, rotates its key, loses it and replaces it in an emergency, and those who post what
/// it signed once more, or what another signed. Keeps the chain of digests and the line of keys by itself.
contract Carriers is Fixture {
    Key[] private _keys;
    uint256 private _inForce;
    address[] private _signers;
    uint64[] private _weights;
    bytes32 private _snapshotHash;

    IBatchInbox.Batch private _last;
    Frost.Signature private _lastSignature;

    bytes32 private _startedFor;
    uint256 private _startedAt;
    uint256 private _candidate;

    uint64 public accepted;
    uint64 public installed;
    uint64 public lastBlock;
    uint64 public lastView;
    bytes32 public lastDigest;
    uint256 public refused;
    uint256 public finished;

    constructor() {
        vm.warp(1_700_000_000);
        vm.roll(100);
        for (uint256 n = 1; n <= 4; n++) {
            join(n, 20_000e18 * n);
        }
        for (uint256 i = 0; i < 4; i++) {
            _keys.push(keyOf(0xC0FFEE + i));
        }
        (_signers, _weights) = pool.snapshot();
        _snapshotHash = Digests.snapshot(_signers, _weights);
        installFirstKey(_keys[0]);
        installed = 1;
    }

    function post(uint64 blocks, uint64 views) external {
        IBatchInbox.Batch memory batch = nextBatch(uint64(bound(blocks, 1, 1_000)), "data");
        batch.l1View = uint64(bound(views, lastView, vm.getBlockNumber()));
        Frost.Signature memory signature = groupSign(_keys[_inForce], inbox.batchDigest(batch));
        bytes32 digest = inbox.batchDigest(batch);
        _submit(batch, signature);
        (accepted, lastBlock, lastView, lastDigest) = (accepted + 1, batch.lastBlock, batch.l1View, digest);
        (_last, _lastSignature) = (batch, signature);
    }

    /// @dev Signed by the group in force, and out of order in one field; or the last one again; or of another key.
    function postWrongly(uint8 how, uint64 by) external {
        IBatchInbox.Batch memory batch = nextBatch(5, "data");
        by = uint64(bound(by, 1, type(uint32).max));
        uint256 signer = _inForce;
        if (how % 9 == 0) batch.index += by;
        if (how % 9 == 1) batch.previousDigest = keccak256(abi.encode(by));
        if (how % 9 == 2) batch.firstBlock += by;
        if (how % 9 == 3) batch.lastBlock = batch.firstBlock - 1;
        if (how % 9 == 4) batch.l1View = uint64(vm.getBlockNumber()) + by;
        if (how % 9 == 5) batch.forced = by;
        if (how % 9 == 6) signer = (signer + 1) % 4;
        if (how % 9 == 8 && lastView != 0) batch.l1View = lastView - 1;
        Frost.Signature memory signature = groupSign(_keys[signer], inbox.batchDigest(batch));
        if (how % 9 == 7 && accepted != 0) (batch, signature) = (_last, _lastSignature);
        else if (how % 9 == 7 || (how % 9 == 8 && lastView == 0)) signature.z = 0;
        vm.expectRevert();
        _submit(batch, signature);
        refused++;
    }

    function rotateTo(uint8 next) external {
        uint256 to = next % 4;
        rotate(_keys[_inForce], _keys[to]);
        (_inForce, installed) = (to, installed + 1);
    }

    /// @dev Signed by a key that is not in force.
    function rotateWrongly(uint8 signer, uint8 next) external {
        uint256 by = (_inForce + 1 + signer % 3) % 4;
        Key memory to = _keys[next % 4];
        bytes32 digest = inbox.rotationDigest(installed + 1, to.px, to.parity, _snapshotHash);
        Frost.Signature memory signature = groupSign(_keys[by], digest);
        vm.expectRevert(abi.encodeWithSelector(IBatchInbox.WrongGroupSignature.selector, digest));
        inbox.rotate(to.px, to.parity, _signers, _weights, signature);
        refused++;
    }

    function startEmergency(uint8 next) external {
        Key memory to = _keys[next % 4];
        bytes32 digest = inbox.installationDigest(installed + 1, to.px, to.parity, _snapshotHash);
        if (inbox.emergencyStartedAt(digest) != 0) return;
        bytes[] memory given = signatures(_signers, digest, 0);
        inbox.startEmergencyRotation(to.px, to.parity, _snapshotHash, _signers, _weights, given);
        (_startedFor, _startedAt, _candidate) = (digest, block.timestamp, next % 4);
    }

    /// @dev Goes through exactly if nothing was accepted since, and the delay is over.
    function finishEmergency(uint256 wait) external {
        if (_startedFor == 0) return;
        skip(bound(wait, 0, 5 days));
        Key memory to = _keys[_candidate];
        bool stands = inbox.installationDigest(installed + 1, to.px, to.parity, _snapshotHash) == _startedFor;
        bool over = block.timestamp >= _startedAt + EMERGENCY_DELAY;
        if (!stands) vm.expectPartialRevert(IBatchInbox.NotStarted.selector);
        else if (!over) vm.expectPartialRevert(IBatchInbox.DelayRunning.selector);
        inbox.finishEmergencyRotation(to.px, to.parity, _signers, _weights);
        if (!stands || !over) {
            refused++;
            return;
        }
        (_inForce, installed, _startedFor) = (_candidate, installed + 1, 0);
        finished++;
    }

    function passBlocks(uint64 blocks) external {
        vm.roll(vm.getBlockNumber() + bound(blocks, 1, 100));
        skip(12);
    }

    function keyInForce() external view returns (uint256) {
        return _keys[_inForce].px;
    }

    function inbox_() external view returns (IBatchInbox) {
        return inbox;
    }

    function _submit(IBatchInbox.Batch memory batch, Frost.Signature memory signature) private {
        vm.prank(address(0xB0B), address(0xB0B));
        inbox.submit(batch, signature, "data");
    }
}

contract BatchInboxInvariantTest is Fixture {
    Carriers private carriers;

    function setUp() public {
        carriers = new Carriers();
        bytes4[] memory selectors = new bytes4[](7);
        (selectors[0], selectors[1]) = (Carriers.post.selector, Carriers.postWrongly.selector);
        (selectors[2], selectors[3]) = (Carriers.rotateTo.selector, Carriers.rotateWrongly.selector);
        (selectors[4], selectors[5]) = (Carriers.startEmergency.selector, Carriers.finishEmergency.selector);
        selectors[6] = Carriers.passBlocks.selector;
        targetSelector(FuzzSelector(address(carriers), selectors));
        targetContract(address(carriers));
    }

    /// @dev Batches without gaps, each on the one before, under a view of L1 that never falls.
    function invariant_batchesAreAChain() public view {
        IBatchInbox.Head memory head = carriers.inbox_().head();
        assertEq(head.nextIndex, carriers.accepted());
        assertEq(head.lastBlock, carriers.lastBlock());
        assertEq(head.l1View, carriers.lastView());
        assertEq(head.digest, carriers.lastDigest());
    }

    /// @dev Keys counted without gaps, each put in force by the one before or by the validators after the delay.
    function invariant_keysAreALine() public view {
        IBatchInbox.GroupKey memory key = carriers.inbox_().groupKey();
        assertEq(key.index, carriers.installed());
        assertEq(key.px, carriers.keyInForce());
    }

    function test_theHandlerReachesEveryAction() public {
        for (uint8 how = 0; how < 9; how++) {
            carriers.postWrongly(how, 3);
        }
        carriers.post(5, 100);
        carriers.postWrongly(7, 3);
        carriers.postWrongly(8, 3);
        carriers.rotateTo(1);
        carriers.rotateWrongly(0, 2);
        assertEq(carriers.refused(), 12);
        carriers.startEmergency(2);
        carriers.finishEmergency(5 days);
        assertEq(carriers.finished(), 0);
        carriers.finishEmergency(5 days);
        assertEq(carriers.finished(), 1);
        carriers.startEmergency(3);
        carriers.passBlocks(5);
        carriers.post(5, 100);
        carriers.finishEmergency(5 days);
        carriers.finishEmergency(5 days);
        assertEq(carriers.finished(), 1, "the batch cancelled it");
        assertEq(carriers.installed(), 3);
    }
}
