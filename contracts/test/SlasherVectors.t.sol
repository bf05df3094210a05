// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {stdJson} from "forge-std/StdJson.sol";
import {Test} from "forge-std/Test.sol";

import {Slasher} from "../src/Slasher.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {ISlasher} from "../src/interfaces/ISlasher.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice Proofs that the nodes' code made, signatures and all, are read here as they are meant.
contract SlasherVectorsTest is Test {
    using stdJson for string;

    string private _vectors;

    function test_vectors() public {
        _vectors = vm.readFile("../tests/vectors/evidence.json");
        ISlasher.Penalty memory penalty = ISlasher.Penalty(1_000, 1_000, 1 days, address(this));
        ILockingPool pool = ILockingPool(_vectors.readAddress(".locking"));
        Slasher slasher = Proxied.slasher(pool, uint64(_vectors.readUint(".chainId")), address(this), penalty);
        uint256 cases;
        for (;; cases++) {
            string memory base = string.concat(".cases[", vm.toString(cases), "]");
            if (!vm.keyExistsJson(_vectors, base)) break;
            ISlasher.Proof memory proof = _proof(base);
            assertEq(uint8(slasher.offenceOf(proof)), _vectors.readUint(string.concat(base, ".offence")), base);
            _assertSigned(slasher, proof, proof.first, base);
            _assertSigned(slasher, proof, proof.second, base);
        }
        assertGe(cases, 8);
    }

    function _proof(string memory base) private view returns (ISlasher.Proof memory) {
        return ISlasher.Proof({
            validator: _vectors.readAddress(string.concat(base, ".validator")),
            incarnation: uint64(_vectors.readUint(string.concat(base, ".incarnation"))),
            epoch: uint64(_vectors.readUint(string.concat(base, ".epoch"))),
            term: uint64(_vectors.readUint(string.concat(base, ".term"))),
            first: _statement(string.concat(base, ".first")),
            second: _statement(string.concat(base, ".second"))
        });
    }

    function _statement(string memory base) private view returns (ISlasher.Statement memory) {
        return ISlasher.Statement({
            kind: ISlasher.Kind(_vectors.readUint(string.concat(base, ".kind"))),
            slot: uint64(_vectors.readUint(string.concat(base, ".slot"))),
            words: _vectors.readBytes32Array(string.concat(base, ".words")),
            listed: _vectors.readBytes32Array(string.concat(base, ".listed")),
            signature: _vectors.readBytes(string.concat(base, ".signature"))
        });
    }

    function _assertSigned(
        Slasher slasher,
        ISlasher.Proof memory proof,
        ISlasher.Statement memory said,
        string memory base
    ) private view {
        bytes memory signature = said.signature;
        signature[64] = bytes1(uint8(signature[64]) + 27);
        assertEq(ECDSA.recover(slasher.digestOf(proof, said), signature), proof.validator, base);
    }
}
