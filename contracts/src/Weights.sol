// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Weights
/// @notice How stakes become the weights that every quorum counts. Rust computes the same; both are held to
/// `tests/vectors/weights.json`.
library Weights {
    /// @notice Stake of one unit of weight, in wei of METIS.
    uint256 internal constant UNIT = 20_000e18;
    /// @notice The most that one validator weighs.
    uint64 internal constant MAX = 5;
    /// @notice From this many validators on, none may weigh 1/3 or more of the total. Fewer cannot all stay below it.
    uint256 internal constant CAPPED_FROM = 4;

    /// @notice The weight of each stake: whole units, at most `MAX`, cut by the largest common cap that leaves each
    /// below 1/3 of the total when there are four or more.
    /// @param stakes In wei of METIS, each at least `UNIT`.
    function weigh(uint256[] memory stakes) internal pure returns (uint64[] memory weights) {
        bool balanced;
        (weights, balanced) = _capped(stakes, MAX);
        if (stakes.length < CAPPED_FROM) return weights;
        // Ends at a cap of one at the latest: one of four or more equal weights is below 1/3.
        for (uint64 cap = MAX - 1; cap > 0 && !balanced; cap--) {
            (weights, balanced) = _capped(stakes, cap);
        }
    }

    /// @notice Whether `weight` is more than 2/3 of `total`.
    function isQuorum(uint256 weight, uint256 total) internal pure returns (bool) {
        return 3 * weight > 2 * total;
    }

    function _capped(uint256[] memory stakes, uint64 cap)
        private
        pure
        returns (uint64[] memory weights, bool balanced)
    {
        weights = new uint64[](stakes.length);
        uint64 largest;
        uint64 total;
        for (uint256 i = 0; i < stakes.length; i++) {
            uint256 units = stakes[i] / UNIT;
            // forge-lint: disable-next-line(unsafe-typecast): below `cap`, which is a uint64.
            uint64 weight = units < cap ? uint64(units) : cap;
            weights[i] = weight;
            total += weight;
            if (weight > largest) largest = weight;
        }
        balanced = 3 * largest < total;
    }
}
