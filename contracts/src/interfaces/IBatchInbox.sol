// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Frost} from "../Frost.sol";
import {IForcedQueue} from "./IForcedQueue.sol";
import {ILockingPool} from "./ILockingPool.sol";

/// @title IBatchInbox
/// @notice Where batches of L2 blocks reach L1. It checks who signed a batch, not who carries it: the signature is
/// the threshold signature of the validators' group key, of which one is in force at a time.
interface IBatchInbox {
    /// @notice What the group signs for a batch, beside the chain and this contract.
    struct Batch {
        /// From 0, without gaps.
        uint64 index;
        /// Digest of the batch before; zero for the first.
        bytes32 previousDigest;
        /// The block after the last of the batch before; 1 for the first batch.
        uint64 firstBlock;
        uint64 lastBlock;
        bytes32 lastBlockHash;
        /// keccak256 of the data that goes with the header.
        bytes32 dataHash;
        /// Merkle-Patricia root of the state after `lastBlock`.
        bytes32 stateRoot;
        /// Number of the L1 block that `lastBlock` names as its view; never falls.
        uint64 l1View;
        /// Entries of the forced queue that were executed up to and including `lastBlock`.
        uint64 forced;
    }

    /// @notice The last accepted batch. All zero, `nextIndex` too, before the first.
    struct Head {
        uint64 nextIndex;
        uint64 lastBlock;
        uint64 l1View;
        uint64 forced;
        bytes32 digest;
        bytes32 lastBlockHash;
        bytes32 stateRoot;
    }

    /// @notice The group key in force. `index` counts from 1; zero means none is installed.
    struct GroupKey {
        uint256 px;
        uint8 parity;
        uint64 index;
        bytes32 snapshotHash;
    }

    /// @notice A batch was accepted; its data is in the calldata of the transaction, which `carrier` sent.
    event BatchAccepted(
        uint64 indexed index,
        bytes32 digest,
        uint64 firstBlock,
        uint64 lastBlock,
        bytes32 lastBlockHash,
        bytes32 stateRoot,
        bytes32 dataHash,
        uint64 l1View,
        uint64 forced,
        address indexed carrier
    );
    /// @notice A group key came into force, for the validators given.
    event KeyInstalled(
        uint64 indexed keyIndex, uint256 px, uint8 parity, bytes32 snapshotHash, address[] signers, uint64[] weights
    );
    /// @notice An emergency rotation can be finished from the second `readyAt` on, unless a batch or a rotation is
    /// accepted before.
    event EmergencyRotationStarted(
        uint64 indexed keyIndex, bytes32 indexed digest, uint256 px, uint8 parity, bytes32 snapshotHash, uint64 readyAt
    );

    error NoQueue();
    error NotPlainAccount(address sender);
    error NoKey();
    error KeyAlreadyInstalled();
    error InvalidKey(uint256 px, uint8 parity);
    error WrongIndex(uint64 given, uint64 expected);
    error WrongPreviousDigest(bytes32 given, bytes32 expected);
    error WrongBlockRange(uint64 firstBlock, uint64 lastBlock, uint64 expectedFirst);
    error L1ViewFell(uint64 given, uint64 last);
    error L1ViewAhead(uint64 given, uint64 l1Block);
    error WrongDataHash(bytes32 given, bytes32 actual);
    error WrongGroupSignature(bytes32 digest);
    error WrongSnapshot(bytes32 given, bytes32 expected);
    error MalformedSnapshot();
    error WrongSignatureCount(uint256 given, uint256 expected);
    error WrongSignature(address signer);
    error NoQuorum(uint256 weight, uint256 total);
    error AlreadyStarted(bytes32 digest);
    error NotStarted(bytes32 digest);
    error DelayRunning(uint64 readyAt);

    /// @notice Accepts the next batch. The sender must be a plain account, so that `data` is where `derive` looks:
    /// in the calldata of the transaction itself. The forced queue must agree: `batch.forced` neither goes back, nor
    /// beyond what the batch's view has seen, nor leaves out an entry that is `FORCED_DEADLINE` L1 blocks old in that
    /// view (errors `Forced...` of `IForcedQueue`). It is the batch's own view that counts, not when it lands: a late or
    /// long backlog of batches can always be posted. No key waits for the queue.
    /// @param signature The group's, over the batch's digest as a message of 32 bytes.
    function submit(Batch calldata batch, Frost.Signature calldata signature, bytes calldata data) external;

    /// @notice Installs the first group key, on behalf of the validators that `LockingPool` lists now.
    /// @param px Abscissa of the key.
    /// @param parity 27 if its ordinate is even, 28 if odd.
    /// @param signers As in `LockingPool.snapshot`.
    /// @param weights Likewise.
    /// @param signatures One a signer, in the same order, over `installationDigest(1, ...)`: 65 bytes r || s || v (v
    /// 27 or 28, low s), or empty for who has not signed. More than 2/3 of the weights must.
    function installFirstKey(
        uint256 px,
        uint8 parity,
        address[] calldata signers,
        uint64[] calldata weights,
        bytes[] calldata signatures
    ) external;

    /// @notice Replaces the key in force by one that it has signed.
    /// @param signers The validators the new key is made for, ascending.
    /// @param weights Theirs, above zero.
    /// @param signature Of the key in force, over `rotationDigest(keyIndex + 1, ...)`.
    function rotate(
        uint256 px,
        uint8 parity,
        address[] calldata signers,
        uint64[] calldata weights,
        Frost.Signature calldata signature
    ) external;

    /// @notice Starts to replace a key that can no longer sign, on behalf of the validators it was made for. Any batch
    /// or rotation accepted before it is finished cancels it, for its digest names the key and the last batch.
    /// @param nextSnapshotHash The validators the new key is made for.
    /// @param signers The validators the key in force was made for.
    /// @param weights Likewise.
    /// @param signatures As in `installFirstKey`, over `installationDigest(keyIndex + 1, ...)`.
    function startEmergencyRotation(
        uint256 px,
        uint8 parity,
        bytes32 nextSnapshotHash,
        address[] calldata signers,
        uint64[] calldata weights,
        bytes[] calldata signatures
    ) external;

    /// @notice Finishes what `startEmergencyRotation` started, once the delay is over.
    /// @param signers The validators the new key is made for.
    /// @param weights Theirs.
    function finishEmergencyRotation(uint256 px, uint8 parity, address[] calldata signers, uint64[] calldata weights)
        external;

    /// @notice The last accepted batch.
    function head() external view returns (Head memory);

    /// @notice Second at which the last batch or key was accepted: a group that is silent for long is gone.
    function lastAcceptedAt() external view returns (uint64);

    /// @notice The pool whose validators install the first key, and whose exit delays count from rotations here.
    function POOL() external view returns (ILockingPool);

    /// @notice The queue whose entries batches must include.
    function QUEUE() external view returns (IForcedQueue);

    /// @notice L1 blocks within which a batch's view must include what was entered.
    function FORCED_DEADLINE() external view returns (uint64);

    /// @notice The group key in force.
    function groupKey() external view returns (GroupKey memory);

    /// @notice Second at which the emergency rotation `digest` was started; zero if it never was.
    function emergencyStartedAt(bytes32 digest) external view returns (uint64);

    /// @notice The digest of `batch` here.
    function batchDigest(Batch calldata batch) external view returns (bytes32);

    /// @notice What the group in force signs for the key `keyIndex`, as things stand.
    function rotationDigest(uint64 keyIndex, uint256 px, uint8 parity, bytes32 snapshotHash)
        external
        view
        returns (bytes32);

    /// @notice What validators sign for the key `keyIndex`, first or in an emergency, as things stand.
    function installationDigest(uint64 keyIndex, uint256 px, uint8 parity, bytes32 snapshotHash)
        external
        view
        returns (bytes32);
}
