// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token as METIS must never become: whoever is named is called in the middle of each transfer. It can also keep
/// a part of what is sent.
contract HostileToken is ERC20("Hostile", "HOST") {
    address public called;
    bytes public call;
    bytes public answer;
    bool public went;
    uint256 public fee;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function attack(address called_, bytes calldata call_) external {
        (called, call) = (called_, call_);
    }

    function charge(uint256 fee_) external {
        fee = fee_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (fee != 0 && from != address(0)) super._update(to, address(0xFEE), fee);
        if (called != address(0) && from != address(0)) {
            (went, answer) = called.call(call);
        }
    }
}
