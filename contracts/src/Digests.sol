// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IBatchInbox} from "./interfaces/IBatchInbox.sol";
import {IRewardSchedule} from "./interfaces/IRewardSchedule.sol";

/// @title Digests
/// @notice Every digest that someone signs for L1 to check. Each binds its kind, the L1 chain and the contract it is
/// for, so that no signature serves twice. Rust computes the same: `contracts/bindings/src/digest.rs`, held together
/// by `tests/vectors/digests.json`.
library Digests {
    bytes32 internal constant BATCH = keccak256("horae.v1.batch");
    bytes32 internal constant ROTATION = keccak256("horae.v1.rotation");
    bytes32 internal constant INSTALLATION = keccak256("horae.v1.installation");
    bytes32 internal constant SIGNER = keccak256("horae.v1.signer");
    bytes32 internal constant SETTLEMENT = keccak256("horae.v1.settlement");

    /// @notice What a group key stands for: the next key's index, the key, the validators whose weights it follows,
    /// and the batch it comes after (zero before the first).
    struct Succession {
        uint64 keyIndex;
        uint256 px;
        uint8 parity;
        bytes32 snapshotHash;
        bytes32 lastBatchDigest;
    }

    /// @notice The message that the group signs for a batch, and the next batch's `previousDigest`.
    function batch(uint256 chainId, address inbox, IBatchInbox.Batch memory header) internal pure returns (bytes32) {
        return keccak256(abi.encode(BATCH, chainId, inbox, header));
    }

    /// @notice The message that the group in force signs for its successor.
    function rotation(uint256 chainId, address inbox, Succession memory next) internal pure returns (bytes32) {
        return keccak256(abi.encode(ROTATION, chainId, inbox, next));
    }

    /// @notice The digest that validators sign, each for itself, for a first key or an emergency rotation.
    function installation(uint256 chainId, address inbox, Succession memory next) internal pure returns (bytes32) {
        return keccak256(abi.encode(INSTALLATION, chainId, inbox, next));
    }

    /// @notice The hash of a validator set, sorted ascending by signer.
    function snapshot(address[] memory signers, uint64[] memory weights) internal pure returns (bytes32) {
        return keccak256(abi.encode(signers, weights));
    }

    /// @notice The digest that a signer key signs to join `pool` under `owner`.
    function signer(uint256 chainId, address pool, address owner, address signer_) internal pure returns (bytes32) {
        return keccak256(abi.encode(SIGNER, chainId, pool, owner, signer_));
    }

    /// @notice The message that the group signs for a settlement. The split is hashed by itself, as a snapshot is.
    function settlement(uint256 chainId, address schedule, IRewardSchedule.Settlement calldata given)
        internal
        pure
        returns (bytes32)
    {
        bytes32 split = keccak256(abi.encode(given.ids, given.blocks));
        return
            keccak256(abi.encode(SETTLEMENT, chainId, schedule, given.index, given.firstBlock, given.lastBlock, split));
    }
}
