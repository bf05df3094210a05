// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {stdJson} from "forge-std/StdJson.sol";
import {Test} from "forge-std/Test.sol";

import {Digests} from "../src/Digests.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";

contract DigestsTest is Test {
    using stdJson for string;

    string private vectors = vm.readFile("../tests/vectors/digests.json");

    function test_batch() public view {
        for (uint256 i = 0; i < _cases(); i++) {
            IBatchInbox.Batch memory batch = IBatchInbox.Batch({
                index: _u64(i, ".index"),
                previousDigest: _word(i, ".previousDigest"),
                firstBlock: _u64(i, ".firstBlock"),
                lastBlock: _u64(i, ".lastBlock"),
                lastBlockHash: _word(i, ".lastBlockHash"),
                dataHash: _word(i, ".dataHash"),
                stateRoot: _word(i, ".stateRoot"),
                l1View: _u64(i, ".l1View"),
                forced: _u64(i, ".forced")
            });
            assertEq(Digests.batch(_u64(i, ".chainId"), _address(i, ".contract"), batch), _word(i, ".batchDigest"));
        }
    }

    function test_rotationAndInstallation() public view {
        for (uint256 i = 0; i < _cases(); i++) {
            Digests.Succession memory next = Digests.Succession({
                keyIndex: _u64(i, ".keyIndex"),
                px: vectors.readUint(_at(i, ".px")),
                parity: uint8(vectors.readUint(_at(i, ".parity"))),
                snapshotHash: _word(i, ".snapshotHash"),
                lastBatchDigest: _word(i, ".previousDigest")
            });
            (uint64 chainId, address inbox) = (_u64(i, ".chainId"), _address(i, ".contract"));
            assertEq(Digests.rotation(chainId, inbox, next), _word(i, ".rotationDigest"));
            assertEq(Digests.installation(chainId, inbox, next), _word(i, ".installationDigest"));
        }
    }

    function test_snapshot() public view {
        for (uint256 i = 0; i < _cases(); i++) {
            address[] memory signers = vectors.readAddressArray(_at(i, ".signers"));
            uint256[] memory words = vectors.readUintArray(_at(i, ".weights"));
            uint64[] memory weights = new uint64[](words.length);
            for (uint256 j = 0; j < words.length; j++) {
                weights[j] = uint64(words[j]);
            }
            assertEq(Digests.snapshot(signers, weights), _word(i, ".snapshotHash"));
        }
    }

    function test_signer() public view {
        for (uint256 i = 0; i < _cases(); i++) {
            bytes32 digest = Digests.signer(
                _u64(i, ".chainId"), _address(i, ".contract"), _address(i, ".owner"), _address(i, ".signer")
            );
            assertEq(digest, _word(i, ".signerDigest"));
        }
    }

    function _cases() private view returns (uint256 cases) {
        while (vm.keyExistsJson(vectors, _at(cases, ""))) cases++;
        assertGe(cases, 3);
    }

    function _u64(uint256 i, string memory field) private view returns (uint64) {
        return uint64(vectors.readUint(_at(i, field)));
    }

    function _word(uint256 i, string memory field) private view returns (bytes32) {
        return vectors.readBytes32(_at(i, field));
    }

    function _address(uint256 i, string memory field) private view returns (address) {
        return vectors.readAddress(_at(i, field));
    }

    function _at(uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(i), "]", field);
    }
}
