// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {stdJson} from "forge-std/StdJson.sol";
import {Test} from "forge-std/Test.sol";

import {Digests} from "../src/Digests.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {IRewardSchedule} from "../src/interfaces/IRewardSchedule.sol";

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
            assertEq(Digests.snapshot(signers, _u64s(i, ".weights")), _word(i, ".snapshotHash"));
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

    function test_settlement() public view {
        for (uint256 i = 0; i < _cases(); i++) {
            IRewardSchedule.Settlement memory settlement = IRewardSchedule.Settlement({
                index: _u64(i, ".index"),
                firstBlock: _u64(i, ".firstBlock"),
                lastBlock: _u64(i, ".lastBlock"),
                ids: _u64s(i, ".ids"),
                blocks: _u64s(i, ".blocks")
            });
            bytes32 digest = this.settlementDigest(_u64(i, ".chainId"), _address(i, ".contract"), settlement);
            assertEq(digest, _word(i, ".settlementDigest"));
        }
    }

    /// @dev The library wants calldata.
    function settlementDigest(uint256 chainId, address schedule, IRewardSchedule.Settlement calldata settlement)
        external
        pure
        returns (bytes32)
    {
        return Digests.settlement(chainId, schedule, settlement);
    }

    function _cases() private view returns (uint256 cases) {
        while (vm.keyExistsJson(vectors, _at(cases, ""))) cases++;
        assertGe(cases, 3);
    }

    function _u64(uint256 i, string memory field) private view returns (uint64) {
        return uint64(vectors.readUint(_at(i, field)));
    }

    function _u64s(uint256 i, string memory field) private view returns (uint64[] memory numbers) {
        uint256[] memory words = vectors.readUintArray(_at(i, field));
        numbers = new uint64[](words.length);
        for (uint256 j = 0; j < words.length; j++) {
            numbers[j] = uint64(words[j]);
        }
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
