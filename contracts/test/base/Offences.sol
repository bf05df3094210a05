// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ISlasher} from "../../src/interfaces/ISlasher.sol";
import {Signing} from "./Signing.sol";

/// @notice Makes and signs the statements of a validator. The digests are written out here from the nodes' description
/// (`consensus/control/src/proof.rs`) and not taken from the contract.
abstract contract Offences is Signing {
    uint64 internal constant L2_CHAIN_ID = 59_902;
    uint64 internal constant INCARNATION = 3;
    uint64 internal constant EPOCH = 5;
    uint64 internal constant TERM = 8;
    uint64 internal constant SLOT = 13;

    /// @dev The pool that the statements name.
    function _locking() internal view virtual returns (address);

    function _blockAt(uint64 number, bytes32 hash) internal pure returns (ISlasher.Statement memory) {
        return _said(ISlasher.Kind.Block, SLOT, _words(bytes32(uint256(number)), hash));
    }

    function _ackOf(uint64 number, bytes32 hash, uint64 certNumber, bytes32 certHash)
        internal
        pure
        returns (ISlasher.Statement memory)
    {
        bytes32[] memory words = new bytes32[](4);
        (words[0], words[1], words[2], words[3]) =
        (bytes32(uint256(number)), hash, bytes32(uint256(certNumber)), certHash);
        return _said(ISlasher.Kind.Ack, SLOT, words);
    }

    function _closeWith(uint64 certNumber, bytes32 certHash, bytes32[] memory listed)
        internal
        pure
        returns (ISlasher.Statement memory said)
    {
        bytes32[] memory words = new bytes32[](4);
        (words[0], words[1], words[2], words[3]) =
        (bytes32(uint256(certNumber)), certHash, keccak256(abi.encodePacked(listed)), keccak256("attached"));
        said = _said(ISlasher.Kind.Close, 0, words);
        said.listed = listed;
    }

    function _engine(uint256 step, uint64 height, uint32 round, bytes32 value, uint64 pol)
        internal
        pure
        returns (ISlasher.Statement memory)
    {
        bytes32[] memory words = new bytes32[](5);
        (words[0], words[1], words[2], words[3], words[4]) =
        (bytes32(step), bytes32(uint256(height)), bytes32(uint256(round)), value, bytes32(uint256(pol)));
        return _said(step == 2 ? ISlasher.Kind.Proposal : ISlasher.Kind.Vote, 0, words);
    }

    function _list(uint64 number, bytes32 hash) internal pure returns (bytes32[] memory) {
        return _words(bytes32(uint256(number)), hash);
    }

    /// @dev A proof with both statements signed by `secret`.
    function _proofOf(uint256 secret, ISlasher.Statement memory first, ISlasher.Statement memory second)
        internal
        view
        returns (ISlasher.Proof memory proof)
    {
        bool isEngine = first.kind == ISlasher.Kind.Vote || first.kind == ISlasher.Kind.Proposal;
        proof = ISlasher.Proof({
            validator: vm.addr(secret),
            incarnation: INCARNATION,
            epoch: EPOCH,
            term: isEngine ? 0 : TERM,
            first: first,
            second: second
        });
        _sign(secret, proof);
    }

    function _sign(uint256 secret, ISlasher.Proof memory proof) internal view {
        proof.first.signature = _signature(secret, _digestOf(proof, proof.first));
        proof.second.signature = _signature(secret, _digestOf(proof, proof.second));
    }

    /// @dev As nodes write it: v is 0 or 1.
    function _signature(uint256 secret, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, digest);
        return abi.encodePacked(r, s, v - 27);
    }

    function _digestOf(ISlasher.Proof memory proof, ISlasher.Statement memory said) internal view returns (bytes32) {
        string[5] memory names =
            ["horae.v1.block", "horae.v1.ack", "horae.v1.close", "horae.v1.vote", "horae.v1.proposal"];
        return keccak256(
            bytes.concat(
                keccak256(bytes(names[uint256(said.kind)])),
                bytes32(uint256(L2_CHAIN_ID)),
                bytes32(uint256(uint160(_locking()))),
                bytes32(uint256(proof.incarnation)),
                bytes32(uint256(proof.epoch)),
                bytes32(uint256(proof.term)),
                bytes32(uint256(said.slot)),
                keccak256(abi.encodePacked(said.words))
            )
        );
    }

    function _said(ISlasher.Kind kind, uint64 slot, bytes32[] memory words)
        private
        pure
        returns (ISlasher.Statement memory)
    {
        return ISlasher.Statement({kind: kind, slot: slot, words: words, listed: new bytes32[](0), signature: ""});
    }

    function _words(bytes32 a, bytes32 b) private pure returns (bytes32[] memory words) {
        words = new bytes32[](2);
        (words[0], words[1]) = (a, b);
    }
}
