// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title LockingEscrow
/// @notice Holds the METIS that validators have locked, and does nothing else. Only the pool that it was made for moves any.
/// @dev Behind no proxy: whatever the pool becomes, no more leaves than was deposited and is owed.
contract LockingEscrow {
    using SafeERC20 for IERC20;

    IERC20 public immutable METIS;
    address public immutable POOL;

    /// @notice What is owed to validators, in wei. The balance is never below it.
    uint256 public owed;

    error NotPool(address caller);
    error WrongAmountReceived(uint256 received, uint256 expected);

    modifier onlyPool() {
        require(msg.sender == POOL, NotPool(msg.sender));
        _;
    }

    /// @param metis The METIS token. @param pool The pool's address, which is its proxy's.
    // slither-disable-next-line missing-zero-check: it is the caller of `FixedParts`.
    constructor(IERC20 metis, address pool) {
        METIS = metis;
        POOL = pool;
    }

    /// @notice Takes `amount` from `from`, who has approved this contract.
    function deposit(address from, uint256 amount) external onlyPool {
        owed += amount;
        uint256 before = METIS.balanceOf(address(this));
        // slither-disable-next-line arbitrary-send-erc20: the pool names only its own caller.
        METIS.safeTransferFrom(from, address(this), amount);
        uint256 received = METIS.balanceOf(address(this)) - before;
        require(received == amount, WrongAmountReceived(received, amount));
    }

    /// @notice Pays `amount` of what is owed to `to`.
    function pay(address to, uint256 amount) external onlyPool {
        owed -= amount;
        METIS.safeTransfer(to, amount);
    }
}
