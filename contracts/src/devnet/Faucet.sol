// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Faucet
/// @notice FOR TESTNETS ONLY: gives away the test tokens that it was sent, so much an address and interval, and so much to all
/// together in a day.
contract Faucet {
    using SafeERC20 for IERC20;

    IERC20 public immutable TOKEN;
    /// @notice What one call gives.
    uint256 public immutable AMOUNT;
    /// @notice Seconds between two gifts to one address.
    uint256 public immutable INTERVAL;
    /// @notice The most that is given in a day (of 86,400 seconds since 1970). Addresses cost nothing, so the first bound
    /// alone would bound nothing.
    uint256 public immutable DAILY;

    /// @notice Second from which an address may be given to.
    mapping(address to => uint256) public allowedFrom;
    mapping(uint256 day => uint256) public givenOn;

    event Given(address indexed to, uint256 amount);

    error TooSoon(uint256 allowedFrom);
    error DryToday(uint256 given, uint256 daily);

    constructor(IERC20 token, uint256 amount, uint256 interval, uint256 daily) {
        (TOKEN, AMOUNT, INTERVAL, DAILY) = (token, amount, interval, daily);
    }

    /// @notice Gives `AMOUNT` to `to`. Anyone may call.
    function give(address to) external {
        require(block.timestamp >= allowedFrom[to], TooSoon(allowedFrom[to]));
        uint256 today = block.timestamp / 1 days;
        uint256 given = givenOn[today] + AMOUNT;
        require(given <= DAILY, DryToday(givenOn[today], DAILY));
        givenOn[today] = given;
        allowedFrom[to] = block.timestamp + INTERVAL;
        emit Given(to, AMOUNT);
        TOKEN.safeTransfer(to, AMOUNT);
    }
}
