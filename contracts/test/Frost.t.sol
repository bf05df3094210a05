// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {stdJson} from "forge-std/StdJson.sol";

import {Frost} from "../src/Frost.sol";
import {PlainFrost} from "./base/PlainFrost.sol";
import {Signing} from "./base/Signing.sol";

contract FrostTest is Signing {
    using stdJson for string;

    string private vectors = vm.readFile("../tests/vectors/frost.json");

    function test_acceptsTheSignaturesOfTheRfcAndOfTheRustCrate() public view {
        uint256 cases;
        for (; vm.keyExistsJson(vectors, _at(cases, "")); cases++) {
            uint256 px = vectors.readUint(_at(cases, ".px"));
            uint8 parity = uint8(vectors.readUint(_at(cases, ".parity")));
            bytes memory message = vectors.readBytes(_at(cases, ".message"));
            assertTrue(Frost.isKey(px, parity));
            assertTrue(Frost.verify(px, parity, _signature(cases), message));
        }
        assertGe(cases, 9);
    }

    function test_refusesEveryFlippedBitOfAVector() public view {
        uint256 px = vectors.readUint(_at(1, ".px"));
        uint8 parity = uint8(vectors.readUint(_at(1, ".parity")));
        bytes32 message = vectors.readBytes32(_at(1, ".message"));
        Frost.Signature memory good = _signature(1);
        assertTrue(Frost.verify(px, parity, good, abi.encode(message)));
        assertFalse(Frost.verify(px, 55 - parity, good, abi.encode(message)));
        for (uint256 mask = 1; mask != 0; mask <<= 1) {
            assertFalse(this.verify(px ^ mask, parity, good, message));
            assertFalse(this.verify(px, parity, good, message ^ bytes32(mask)));
            assertFalse(this.verify(px, parity, Frost.Signature(good.rx ^ mask, good.ry, good.z), message));
            assertFalse(this.verify(px, parity, Frost.Signature(good.rx, good.ry ^ mask, good.z), message));
            assertFalse(this.verify(px, parity, Frost.Signature(good.rx, good.ry, good.z ^ mask), message));
        }
    }

    function testFuzz_acceptsWhatIsSignedAndNoBitLess(
        uint256 secret,
        uint256 nonce,
        bytes memory message,
        uint256 bit,
        uint256 field
    ) public {
        vm.assume(message.length > 0);
        Key memory key = keyOf(bound(secret, 1, Frost.N - 1));
        Frost.Signature memory signature = schnorr(key, message, bound(nonce, 1, Frost.N - 1));
        assertTrue(Frost.isKey(key.px, key.parity));
        assertTrue(Frost.verify(key.px, key.parity, signature, message));

        uint256 mask = 1 << (bit % 256);
        field %= 6;
        if (field == 0) signature.rx ^= mask;
        if (field == 1) signature.ry ^= mask;
        if (field == 2) signature.z ^= mask;
        if (field == 3) message[bit % message.length] ^= bytes1(uint8(1 << (bit % 8)));
        if (field == 4) key.px ^= mask;
        if (field == 5) key.parity = 55 - key.parity;
        assertFalse(Frost.verify(key.px, key.parity, signature, message));
    }

    /// @dev Memory is made dirty first: nothing may be taken for zero that is not.
    function testFuzz_agreesWithThePlainVersion(
        uint256 rx,
        uint256 ry,
        uint256 px,
        bool odd,
        bytes memory message,
        uint256 dirt
    ) public view {
        uint8 parity = odd ? 28 : 27;
        uint256 expected = PlainFrost.challenge(rx, ry, px, parity, message);
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, 1024) { i := add(i, 32) } { mstore(add(mload(0x40), i), dirt) }
        }
        assertEq(Frost.challenge(rx, ry, px, parity, message), expected);
    }

    function testFuzz_decidesAsThePlainVersion(
        uint256 secret,
        uint256 nonce,
        bytes memory message,
        Frost.Signature memory noise,
        uint8 which
    ) public {
        Key memory key = keyOf(bound(secret, 1, Frost.N - 1));
        Frost.Signature memory signature = schnorr(key, message, bound(nonce, 1, Frost.N - 1));
        if (which & 1 != 0) signature.rx = noise.rx;
        if (which & 2 != 0) signature.ry = noise.ry;
        if (which & 4 != 0) signature.z = noise.z;
        bool good = Frost.verify(key.px, key.parity, signature, message);
        assertEq(good, PlainFrost.verify(key.px, key.parity, signature, message));
        assertEq(good, which & 7 == 0);
    }

    /// @dev Long messages: hashed in a region that grows with them, which leaves what was allocated as it was.
    function test_takesMessagesOfAnyLengthAndLeavesMemoryAlone() public view {
        for (uint256 size = 0; size < 300; size++) {
            bytes memory message = new bytes(size);
            for (uint256 i = 0; i < size; i++) {
                message[i] = bytes1(uint8(i + 1));
            }
            bytes32 before = keccak256(message);
            uint256 plain = PlainFrost.challenge(1, 2, 3, 27, message);
            bytes memory later = abi.encode(size);
            assertEq(Frost.challenge(1, 2, 3, 27, message), plain);
            assertEq(keccak256(message), before);
            assertEq(abi.decode(later, (uint256)), size);
        }
    }

    /// @dev With too little gas for one of the precompiles there is no answer, least of all a good one.
    function test_withTooLittleGasItFailsAndNeverAccepts() public view {
        uint256 px = vectors.readUint(_at(1, ".px"));
        uint8 parity = uint8(vectors.readUint(_at(1, ".parity")));
        bytes32 message = vectors.readBytes32(_at(1, ".message"));
        Frost.Signature memory wrong = _signature(1);
        wrong.z ^= 1;
        bytes memory call = abi.encodeCall(this.verify, (px, parity, wrong, message));
        uint256 failed;
        for (uint256 gas_ = 500; gas_ < 12_000; gas_ += 100) {
            (bool went, bytes memory answer) = address(this).staticcall{gas: gas_}(call);
            if (!went) failed++;
            else assertFalse(abi.decode(answer, (bool)));
        }
        assertGt(failed, 30);
    }

    /// @dev -R has the abscissa of R, and 1 has another message's length: neither serves.
    function testFuzz_refusesTheMirroredRAndOtherLengths(uint256 secret, uint256 nonce) public {
        Key memory key = keyOf(bound(secret, 1, Frost.N - 1));
        bytes memory message = abi.encode(secret);
        Frost.Signature memory signature = schnorr(key, message, bound(nonce, 1, Frost.N - 1));
        assertFalse(Frost.verify(key.px, key.parity, signature, bytes.concat(message, hex"00")));
        signature.ry = Frost.P - signature.ry;
        assertFalse(Frost.verify(key.px, key.parity, signature, message));
    }

    function test_refusesScalarsOutOfRange() public {
        Key memory key = keyOf(7);
        Frost.Signature memory signature = schnorr(key, "m", 9);
        signature.z = 0;
        assertFalse(Frost.verify(key.px, key.parity, signature, "m"));
        signature.z = Frost.N;
        assertFalse(Frost.verify(key.px, key.parity, signature, "m"));
        signature.z = type(uint256).max;
        assertFalse(Frost.verify(key.px, key.parity, signature, "m"));
    }

    /// @dev The curve check cannot be seen through `verify`, which an R off the curve fails in any case unless it was
    /// searched for in 2^81 steps; so it is tried by itself.
    function test_knowsThePointsOfTheCurve() public pure {
        uint256 y = 0x4218f20ae6c646b363db68605822fb14264ca8d2587fdd6fbc750d587e76a7ee;
        assertTrue(Frost.isOnCurve(1, y));
        assertTrue(Frost.isOnCurve(1, Frost.P - y));
        assertFalse(Frost.isOnCurve(1, y ^ 1));
        assertFalse(Frost.isOnCurve(2, y));
        assertFalse(Frost.isOnCurve(0, 0));
        assertFalse(Frost.isOnCurve(1 + Frost.P, y), "an abscissa that is not reduced");
        uint256 x = 0x1fe1e5ef3fceb5c135ab7741333ce5a6e80d68167653f6b2b24bcbcfaaaff507;
        assertTrue(Frost.isOnCurve(x, 1));
        assertFalse(Frost.isOnCurve(x, 1 + Frost.P), "an ordinate that is not reduced");
    }

    function testFuzz_findsNoPointByChance(uint256 x, uint256 y) public pure {
        assertFalse(Frost.isOnCurve(x, y));
    }

    function test_takesOnlyKeysThatEcrecoverCanUse() public view {
        assertTrue(Frost.isKey(1, 27));
        assertTrue(Frost.isKey(1, 28));
        assertFalse(Frost.isKey(1, 26));
        assertFalse(Frost.isKey(1, 29));
        assertFalse(Frost.isKey(1, 0));
        assertFalse(Frost.isKey(0, 27));
        assertFalse(Frost.isKey(5, 27), "5 is no abscissa of the curve");
        assertTrue(Frost.isKey(Frost.N - 2, 27), "the largest there is");
        // N is an abscissa of the curve, but as a scalar it is zero.
        assertFalse(Frost.isKey(Frost.N, 27));
        assertFalse(Frost.isKey(Frost.P + 1, 27));
    }

    function test_gasOfVerify() public {
        uint256 px = vectors.readUint(_at(1, ".px"));
        uint8 parity = uint8(vectors.readUint(_at(1, ".parity")));
        Frost.Signature memory signature = _signature(1);
        bytes memory message = vectors.readBytes(_at(1, ".message"));
        vm.startSnapshotGas("Frost", "verify");
        bool good = Frost.verify(px, parity, signature, message);
        vm.stopSnapshotGas();
        assertTrue(good);
    }

    /// @dev Called from outside, so that a loop does not pile up memory.
    function verify(uint256 px, uint8 parity, Frost.Signature memory signature, bytes32 message)
        external
        view
        returns (bool)
    {
        return Frost.verify(px, parity, signature, abi.encode(message));
    }

    function _signature(uint256 i) private view returns (Frost.Signature memory) {
        return Frost.Signature(
            vectors.readUint(_at(i, ".rx")), vectors.readUint(_at(i, ".ry")), vectors.readUint(_at(i, ".z"))
        );
    }

    function _at(uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(i), "]", field);
    }
}
