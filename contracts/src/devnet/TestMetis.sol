// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title TestMetis
/// @notice FOR DEVNETS AND TESTS ONLY: stands in for METIS, and anyone may mint any amount.
contract TestMetis is ERC20("Test METIS", "tMETIS") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
