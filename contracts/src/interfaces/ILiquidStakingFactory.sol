// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title ILiquidStakingFactory
/// @notice Pairs providers, who run nodes, with vaults, one each. Governance (the owner) opens rounds; providers apply in
/// them; governance approves as many as a round has places, which makes the vault.
///
/// A vault's address is known as soon as its provider applies (`vaultAddress`), and so can be whitelisted at the pool, and
/// the signer's proof made for it, before it is there. To approve is thus one proposal of two calls:
///
///     factory.approve(round, provider);
///     pool.setWhitelist(factory.vaultAddress(round, provider), true);
///
/// in either order. Then whoever wants to deposits at the vault, and the provider calls `lock` there.
///
/// `offboard` closes a vault: its validator is unlocked, and its shares are redeemed for what comes back. The whitelist is
/// the pool's: governance takes the vault off it too. The provider may apply again, for a new vault.
interface ILiquidStakingFactory {
    /// @notice A round of applications: from `begin` (included) to `end` (excluded), in seconds.
    struct Round {
        uint64 begin;
        uint64 end;
        /// How many may be approved, and how many were.
        uint32 places;
        uint32 approved;
    }

    /// @notice What a provider applies with.
    struct Application {
        /// Of its vault's shares.
        string name;
        string symbol;
        /// Its part of rewards at first, in 1 / 10,000.
        uint16 fee;
        /// keccak256 of the metadata, which `Applied` has in full.
        bytes32 metadataHash;
        bool isApproved;
    }

    /// @notice Round `round` takes applications from `begin` to `end` for `places` places.
    event RoundOpened(uint256 indexed round, uint64 begin, uint64 end, uint32 places);
    /// @notice `provider` applied; `vault` is the address that its vault would have.
    event Applied(
        uint256 indexed round,
        address indexed provider,
        address vault,
        string name,
        string symbol,
        uint16 fee,
        string metadata
    );
    /// @notice `provider` was approved, and `vault` is its vault.
    event Approved(uint256 indexed round, address indexed provider, address indexed vault);
    /// @notice `vault` of `provider` was closed.
    event Offboarded(address indexed provider, address indexed vault);

    error RoundMalformed(uint64 begin, uint64 end, uint32 places);
    error RoundUnknown(uint256 round);
    error RoundNotOpen(uint256 round, uint64 begin, uint64 end);
    error RoundFull(uint256 round, uint32 places);
    error AlreadyApplied(uint256 round, address provider);
    error NotApplied(uint256 round, address provider);
    error HasVault(address provider, address vault);
    error NoVault(address provider);
    error TextOutOfBounds(uint256 length, uint256 least, uint256 most);
    error FeeTooHigh(uint16 fee, uint16 most);

    /// @notice Opens a round; rounds count from 1. @dev Only the contract's owner.
    function openRound(uint64 begin, uint64 end, uint32 places) external returns (uint256 round);

    /// @notice Applies for a place in `round`, once. The caller is the provider.
    /// @param name Of the vault's shares, 1 to 64 bytes. @param symbol Of the vault's shares, 1 to 16 bytes.
    /// @param fee Part of rewards, in 1 / 10,000, at most the vaults' `MAX_FEE`.
    /// @param metadata Who the provider is, as governance asks for it; up to 4,096 bytes.
    /// @return vault Address that its vault would have.
    function applyFor(uint256 round, string calldata name, string calldata symbol, uint16 fee, string calldata metadata)
        external
        returns (address vault);

    /// @notice Approves an application, also after its round has ended, and makes the vault. @dev Only the contract's owner.
    function approve(uint256 round, address provider) external returns (address vault);

    /// @notice Closes the vault of `provider`, for good. @dev Only the contract's owner.
    function offboard(address provider) external;

    /// @notice How many rounds there were.
    function roundCount() external view returns (uint256);

    /// @notice A round; all zero if there never was one.
    function roundAt(uint256 round) external view returns (Round memory);

    /// @notice What `provider` applied with in `round`; empty if it did not.
    function applicationOf(uint256 round, address provider) external view returns (Application memory);

    /// @notice Where the vault of `provider` is, or will be, if it is approved in `round`.
    function vaultAddress(uint256 round, address provider) external view returns (address);

    /// @notice The vault that `provider` runs now; zero if none.
    function vaultOf(address provider) external view returns (address);

    /// @notice Whether this factory made `vault`.
    function isVault(address vault) external view returns (bool);
}
