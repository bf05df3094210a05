// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Digests} from "./Digests.sol";
import {Frost} from "./Frost.sol";
import {Weights} from "./Weights.sol";
import {IBatchInbox} from "./interfaces/IBatchInbox.sol";
import {IForcedQueue} from "./interfaces/IForcedQueue.sol";
import {ILockingPool} from "./interfaces/ILockingPool.sol";

/// @title BatchInbox
/// @notice Accepts batches under the validators' group key, and keys under each other. `IBatchInbox` is the manual. Runs
/// behind a proxy that governance upgrades.
contract BatchInbox is IBatchInbox, Initializable {
    /// @dev `Head` as it is stored: the time shares a word with the numbers, and so costs a batch nothing. `forced` is the
    /// queue's to remember.
    struct Accepted {
        uint64 nextIndex;
        uint64 lastBlock;
        uint64 l1View;
        uint64 at;
        bytes32 digest;
        bytes32 lastBlockHash;
        bytes32 stateRoot;
    }

    Accepted private _head;
    GroupKey private _key;
    /// @inheritdoc IBatchInbox
    mapping(bytes32 digest => uint64) public emergencyStartedAt;

    /* Written by `initialize` and never again, which is why they are named like constants. */
    // forge-lint: disable-start(mixed-case-variable)

    ILockingPool public POOL;
    /// @notice Seconds between the start and the end of an emergency rotation.
    uint64 public EMERGENCY_DELAY;
    /// @inheritdoc IBatchInbox
    IForcedQueue public QUEUE;
    /// @inheritdoc IBatchInbox
    /// @dev Shares a word with the queue, for every batch reads both.
    uint64 public FORCED_DEADLINE;

    // forge-lint: disable-end(mixed-case-variable)

    constructor() {
        _disableInitializers();
    }

    /// @notice Makes the inbox, within its proxy's construction.
    /// @param pool Whose validators install the first key.
    /// @param emergencyDelay In seconds.
    /// @param queue Whose entries batches must include; it is connected to this inbox afterwards.
    /// @param forcedDeadline In L1 blocks.
    function initialize(ILockingPool pool, uint64 emergencyDelay, IForcedQueue queue, uint64 forcedDeadline)
        external
        initializer
    {
        require(address(queue) != address(0), NoQueue());
        POOL = pool;
        EMERGENCY_DELAY = emergencyDelay;
        QUEUE = queue;
        FORCED_DEADLINE = forcedDeadline;
    }

    /* BATCHES */

    /// @inheritdoc IBatchInbox
    function submit(Batch calldata batch, Frost.Signature calldata signature, bytes calldata data) external {
        // An account of EIP-7702 has code too, and may call from anywhere in a transaction.
        require(msg.sender == tx.origin && msg.sender.code.length == 0, NotPlainAccount(msg.sender));
        _requireNext(batch);
        bytes32 dataHash = keccak256(data);
        require(batch.dataHash == dataHash, WrongDataHash(batch.dataHash, dataHash));
        bytes32 digest = batchDigest(batch);
        _requireGroupSignature(digest, signature);

        _head = Accepted({
            nextIndex: batch.index + 1,
            lastBlock: batch.lastBlock,
            l1View: batch.l1View,
            at: uint64(block.timestamp),
            digest: digest,
            lastBlockHash: batch.lastBlockHash,
            stateRoot: batch.stateRoot
        });
        emit BatchAccepted(
            batch.index,
            digest,
            batch.firstBlock,
            batch.lastBlock,
            batch.lastBlockHash,
            batch.stateRoot,
            batch.dataHash,
            batch.l1View,
            batch.forced,
            msg.sender
        );
        QUEUE.include(batch.forced, batch.l1View, FORCED_DEADLINE, msg.sender);
    }

    /* KEYS */

    /// @inheritdoc IBatchInbox
    function installFirstKey(
        uint256 px,
        uint8 parity,
        address[] calldata signers,
        uint64[] calldata weights,
        bytes[] calldata signatures
    ) external {
        require(_key.index == 0, KeyAlreadyInstalled());
        (address[] memory listed, uint64[] memory listedWeights) = POOL.snapshot();
        bytes32 snapshotHash = _requireSnapshot(signers, weights, Digests.snapshot(listed, listedWeights));
        _requireQuorum(installationDigest(1, px, parity, snapshotHash), signers, weights, signatures);
        _install(px, parity, signers, weights);
    }

    /// @inheritdoc IBatchInbox
    function rotate(
        uint256 px,
        uint8 parity,
        address[] calldata signers,
        uint64[] calldata weights,
        Frost.Signature calldata signature
    ) external {
        bytes32 snapshotHash = Digests.snapshot(signers, weights);
        _requireGroupSignature(rotationDigest(_key.index + 1, px, parity, snapshotHash), signature);
        _install(px, parity, signers, weights);
    }

    /// @inheritdoc IBatchInbox
    function startEmergencyRotation(
        uint256 px,
        uint8 parity,
        bytes32 nextSnapshotHash,
        address[] calldata signers,
        uint64[] calldata weights,
        bytes[] calldata signatures
    ) external {
        require(_key.index != 0, NoKey());
        _requireSnapshot(signers, weights, _key.snapshotHash);
        uint64 keyIndex = _key.index + 1;
        bytes32 digest = installationDigest(keyIndex, px, parity, nextSnapshotHash);
        // The same signatures could otherwise restart the delay for ever.
        require(emergencyStartedAt[digest] == 0, AlreadyStarted(digest));
        _requireQuorum(digest, signers, weights, signatures);

        emergencyStartedAt[digest] = uint64(block.timestamp);
        uint64 readyAt = uint64(block.timestamp) + EMERGENCY_DELAY;
        emit EmergencyRotationStarted(keyIndex, digest, px, parity, nextSnapshotHash, readyAt);
    }

    /// @inheritdoc IBatchInbox
    function finishEmergencyRotation(uint256 px, uint8 parity, address[] calldata signers, uint64[] calldata weights)
        external
    {
        // A batch or a rotation since the start has changed this digest, and so cancelled what was started.
        bytes32 digest = installationDigest(_key.index + 1, px, parity, Digests.snapshot(signers, weights));
        uint64 startedAt = emergencyStartedAt[digest];
        require(startedAt != 0, NotStarted(digest));
        uint64 readyAt = startedAt + EMERGENCY_DELAY;
        require(block.timestamp >= readyAt, DelayRunning(readyAt));
        _install(px, parity, signers, weights);
    }

    /* VIEWS */

    /// @inheritdoc IBatchInbox
    function head() external view returns (Head memory) {
        return Head({
            nextIndex: _head.nextIndex,
            lastBlock: _head.lastBlock,
            l1View: _head.l1View,
            forced: QUEUE.included(),
            digest: _head.digest,
            lastBlockHash: _head.lastBlockHash,
            stateRoot: _head.stateRoot
        });
    }

    /// @inheritdoc IBatchInbox
    function lastAcceptedAt() external view returns (uint64) {
        return _head.at;
    }

    /// @inheritdoc IBatchInbox
    function groupKey() external view returns (GroupKey memory) {
        return _key;
    }

    /// @inheritdoc IBatchInbox
    function batchDigest(Batch calldata batch) public view returns (bytes32) {
        return Digests.batch(block.chainid, address(this), batch);
    }

    /// @inheritdoc IBatchInbox
    function rotationDigest(uint64 keyIndex, uint256 px, uint8 parity, bytes32 snapshotHash)
        public
        view
        returns (bytes32)
    {
        return Digests.rotation(block.chainid, address(this), _succession(keyIndex, px, parity, snapshotHash));
    }

    /// @inheritdoc IBatchInbox
    function installationDigest(uint64 keyIndex, uint256 px, uint8 parity, bytes32 snapshotHash)
        public
        view
        returns (bytes32)
    {
        return Digests.installation(block.chainid, address(this), _succession(keyIndex, px, parity, snapshotHash));
    }

    /* INTERNAL */

    function _succession(uint64 keyIndex, uint256 px, uint8 parity, bytes32 snapshotHash)
        private
        view
        returns (Digests.Succession memory)
    {
        return Digests.Succession({
            keyIndex: keyIndex, px: px, parity: parity, snapshotHash: snapshotHash, lastBatchDigest: _head.digest
        });
    }

    function _requireNext(Batch calldata batch) private view {
        require(batch.index == _head.nextIndex, WrongIndex(batch.index, _head.nextIndex));
        require(batch.previousDigest == _head.digest, WrongPreviousDigest(batch.previousDigest, _head.digest));
        require(
            batch.firstBlock == _head.lastBlock + 1 && batch.lastBlock >= batch.firstBlock
                && batch.lastBlock != type(uint64).max,
            WrongBlockRange(batch.firstBlock, batch.lastBlock, _head.lastBlock + 1)
        );
        require(batch.l1View >= _head.l1View, L1ViewFell(batch.l1View, _head.l1View));
        // It never falls, so one that is ahead would make every entry to come overdue.
        require(batch.l1View <= block.number, L1ViewAhead(batch.l1View, uint64(block.number)));
    }

    function _requireGroupSignature(bytes32 digest, Frost.Signature calldata signature) private view {
        require(_key.index != 0, NoKey());
        bool good = Frost.verify(_key.px, _key.parity, signature, abi.encode(digest));
        require(good, WrongGroupSignature(digest));
    }

    function _requireSnapshot(address[] calldata signers, uint64[] calldata weights, bytes32 expected)
        private
        pure
        returns (bytes32 given)
    {
        given = Digests.snapshot(signers, weights);
        require(given == expected, WrongSnapshot(given, expected));
    }

    /// @dev `signers` and `weights` are of a known snapshot: of one length, and no signer twice.
    function _requireQuorum(
        bytes32 digest,
        address[] calldata signers,
        uint64[] calldata weights,
        bytes[] calldata signatures
    ) private pure {
        require(signatures.length == signers.length, WrongSignatureCount(signatures.length, signers.length));
        uint256 signed;
        uint256 total;
        for (uint256 i = 0; i < signers.length; i++) {
            total += weights[i];
            if (signatures[i].length == 0) continue;
            // slither-disable-next-line unused-return: an error recovers to zero.
            (address recovered,,) = ECDSA.tryRecoverCalldata(digest, signatures[i]);
            require(recovered != address(0) && recovered == signers[i], WrongSignature(signers[i]));
            signed += weights[i];
        }
        require(Weights.isQuorum(signed, total), NoQuorum(signed, total));
    }

    function _install(uint256 px, uint8 parity, address[] calldata signers, uint64[] calldata weights) private {
        require(Frost.isKey(px, parity), InvalidKey(px, parity));
        _requireWellFormed(signers, weights);
        bytes32 snapshotHash = Digests.snapshot(signers, weights);
        uint64 keyIndex = _key.index + 1;
        _key = GroupKey({px: px, parity: parity, index: keyIndex, snapshotHash: snapshotHash});
        _head.at = uint64(block.timestamp);
        emit KeyInstalled(keyIndex, px, parity, snapshotHash, signers, weights);
        // Exit delays count from here. A pool that was never connected has none to count.
        if (address(POOL.inbox()) == address(this)) POOL.keyInstalled(keyIndex, signers);
    }

    /// @dev Otherwise an emergency quorum of the new key could be counted wrong, or never be reached.
    function _requireWellFormed(address[] calldata signers, uint64[] calldata weights) private pure {
        require(signers.length != 0 && signers.length == weights.length, MalformedSnapshot());
        address previous;
        for (uint256 i = 0; i < signers.length; i++) {
            require(signers[i] > previous && weights[i] != 0, MalformedSnapshot());
            previous = signers[i];
        }
    }
}
