// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title IERC7540Operator
/// @notice Operators as ERC-7540 has them. Its ERC-165 id is 0xe3bc4e65.
interface IERC7540Operator {
    /// @notice `operator` may (or may no longer) act for `controller`.
    event OperatorSet(address indexed controller, address indexed operator, bool approved);

    /// @notice Lets `operator` request and claim redemptions for the caller, or no longer.
    function setOperator(address operator, bool approved) external returns (bool);

    /// @notice Whether `operator` may act for `controller`.
    function isOperator(address controller, address operator) external view returns (bool);
}

/// @title IERC7540Redeem
/// @notice Asynchronous redemption as ERC-7540 has it. Its ERC-165 id is 0x620ee8e4.
interface IERC7540Redeem {
    /// @notice `shares` of `owner` stand in the queue for `controller`; `sender` put them there.
    event RedeemRequest(
        address indexed controller, address indexed owner, uint256 indexed requestId, address sender, uint256 shares
    );

    /// @notice Puts `shares` of `owner` into the queue, for `controller` to claim what comes of them.
    function requestRedeem(uint256 shares, address controller, address owner) external returns (uint256 requestId);

    /// @notice Shares of `controller` that wait.
    function pendingRedeemRequest(uint256 requestId, address controller) external view returns (uint256 shares);

    /// @notice Shares of `controller` that can be claimed.
    function claimableRedeemRequest(uint256 requestId, address controller) external view returns (uint256 shares);
}

/// @title IERC7575
/// @notice The part of ERC-7575 that ERC-4626 has not. The ERC-165 id of the whole, 0x2f0a18c5, is not this interface's.
interface IERC7575 {
    /// @notice The share token: the vault itself.
    function share() external view returns (address);
}
