// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {ERC20Wrapper} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Wrapper.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

/// @title VotingMetis
/// @notice METIS that votes: one for one, in by `depositFor`, out by `withdrawTo` at any time. As in every `ERC20Votes`
/// nothing votes before its holder has called `delegate`, with its own address to vote itself. Nobody owns this.
contract VotingMetis is ERC20Wrapper, ERC20Votes, ERC20Permit {
    error WrongAmountReceived(uint256 received, uint256 expected);

    /// @param metis The METIS token.
    constructor(IERC20 metis) ERC20("Voting METIS", "vMETIS") ERC20Permit("Voting METIS") ERC20Wrapper(metis) {}

    /// @notice Wraps `value` METIS of the caller, who has approved it, for `account`.
    function depositFor(address account, uint256 value) public override returns (bool) {
        uint256 before = underlying().balanceOf(address(this));
        super.depositFor(account, value);
        // Votes must be backed: no token that keeps a part of a transfer can be wrapped.
        uint256 received = underlying().balanceOf(address(this)) - before;
        require(received == value, WrongAmountReceived(received, value));
        return true;
    }

    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function decimals() public view override(ERC20, ERC20Wrapper) returns (uint8) {
        return super.decimals();
    }

    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}
