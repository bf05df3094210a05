// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {stdJson} from "forge-std/StdJson.sol";
import {Test} from "forge-std/Test.sol";

import {Weights} from "../src/Weights.sol";

contract WeightsTest is Test {
    using stdJson for string;

    function test_vectors() public view {
        string memory vectors = vm.readFile("../tests/vectors/weights.json");
        uint256 cases;
        for (;; cases++) {
            string memory base = string.concat(".cases[", vm.toString(cases), "]");
            if (!vm.keyExistsJson(vectors, base)) break;
            uint256[] memory expected = vectors.readUintArray(string.concat(base, ".weights"));
            uint64[] memory weights = Weights.weigh(vectors.readUintArray(string.concat(base, ".stakes")));
            assertEq(weights.length, expected.length);
            for (uint256 i = 0; i < weights.length; i++) {
                assertEq(weights[i], expected[i], vectors.readString(string.concat(base, ".name")));
            }
        }
        assertGe(cases, 18);
    }

    /// @dev The rule itself: one cap for all, each below 1/3, and no larger cap would do.
    function testFuzz_theCapIsTheLargestThatBalances(uint256 seed, uint8 count) public pure {
        uint256[] memory stakes = new uint256[](bound(count, 4, 40));
        uint64[] memory raw = new uint64[](stakes.length);
        for (uint256 i = 0; i < stakes.length; i++) {
            stakes[i] = bound(uint256(keccak256(abi.encode(seed, i))), Weights.UNIT, 5 * Weights.UNIT);
            raw[i] = uint64(stakes[i] / Weights.UNIT);
        }
        uint64[] memory weights = Weights.weigh(stakes);
        uint64 cap = _largest(weights);
        assertTrue(_isBalanced(raw, cap));
        for (uint64 larger = cap + 1; larger <= _largest(raw); larger++) {
            assertFalse(_isBalanced(raw, larger));
        }
        for (uint256 i = 0; i < stakes.length; i++) {
            assertEq(weights[i], raw[i] < cap ? raw[i] : cap);
        }
    }

    function testFuzz_fewerThanFourAreNotCut(uint256 seed, uint8 count) public pure {
        uint256[] memory stakes = new uint256[](bound(count, 0, 3));
        for (uint256 i = 0; i < stakes.length; i++) {
            stakes[i] = bound(uint256(keccak256(abi.encode(seed, i))), Weights.UNIT, 5 * Weights.UNIT);
        }
        uint64[] memory weights = Weights.weigh(stakes);
        for (uint256 i = 0; i < stakes.length; i++) {
            assertEq(weights[i], stakes[i] / Weights.UNIT);
        }
    }

    function test_aQuorumIsMoreThanTwoThirds() public pure {
        assertFalse(Weights.isQuorum(0, 0));
        assertFalse(Weights.isQuorum(2, 3));
        assertTrue(Weights.isQuorum(3, 4));
        assertFalse(Weights.isQuorum(4, 6));
        assertTrue(Weights.isQuorum(5, 6));
        assertFalse(Weights.isQuorum(4, 7) || Weights.isQuorum(66, 99) || Weights.isQuorum(66, 100));
        assertTrue(Weights.isQuorum(5, 7) && Weights.isQuorum(67, 99) && Weights.isQuorum(67, 100));
    }

    function _isBalanced(uint64[] memory raw, uint64 cap) private pure returns (bool) {
        uint64 total;
        for (uint256 i = 0; i < raw.length; i++) {
            total += raw[i] < cap ? raw[i] : cap;
        }
        uint64 largest = _largest(raw);
        return 3 * (largest < cap ? largest : cap) < total;
    }

    function _largest(uint64[] memory values) private pure returns (uint64 largest) {
        for (uint256 i = 0; i < values.length; i++) {
            if (values[i] > largest) largest = values[i];
        }
    }
}
