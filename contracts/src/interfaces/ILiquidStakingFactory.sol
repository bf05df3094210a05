// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title ILiquidStakingFactory
/// @notice Pairs providers, who run nodes, with vaults, one each. Governance (the owner) opens rounds, and so says how many
/// nodes may come by them; providers apply in them; governance approves as many as a round has places.
///
/// `approveProvider(provider, true)` does all that there is to do: it makes the vault, whitelists it at the pool, and makes its
/// shares vote. It is the call that an application for liquid staking is voted on (`IRules.Approval`), and for that the
/// pool and the voting power must have named this contract: `setVaultFactory`, `setRegistrar`. Then whoever wants to deposits
/// at the vault, the provider adds the cover that the round asks for, and calls `lock` there.
///
/// A vault's address is known as soon as its provider applies, so that the signer's proof can be made for it before it is
/// there.
///
/// `approveProvider(provider, false)` undoes all that: the vault is closed, its validator unlocked, and its shares are
/// redeemed for what comes back. The provider may apply again, for a new vault.
interface ILiquidStakingFactory {
    /// @notice A round of applications: from `begin` (included) to `end` (excluded), in seconds.
    struct Round {
        uint64 begin;
        uint64 end;
        /// How many may be approved, and how many were.
        uint32 places;
        uint32 approved;
        /// What each provider has at stake of its own, in wei of METIS.
        uint128 cover;
    }

    /// @notice What a provider applies with.
    struct Application {
        /// Zero if there is none.
        uint256 round;
        /// Of its vault's shares.
        string name;
        string symbol;
        /// Its part of rewards at first, in 1 / 10,000.
        uint16 fee;
        /// keccak256 of the metadata, which `Applied` has in full.
        bytes32 metadataHash;
        bool isApproved;
    }

    /// @notice Round `round` takes applications from `begin` to `end` for `places` places, with `cover` wei of METIS each.
    event RoundOpened(uint256 indexed round, uint64 begin, uint64 end, uint32 places, uint128 cover);
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
    /// @notice `provider` was approved, and `vault` is its vault, whose votes `votes` keeps.
    event Approved(uint256 indexed round, address indexed provider, address indexed vault, address votes);
    /// @notice `vault` of `provider` was closed.
    event Offboarded(address indexed provider, address indexed vault);

    error RoundMalformed(uint64 begin, uint64 end, uint32 places, uint128 cover);
    error RoundUnknown(uint256 round);
    error RoundNotOpen(uint256 round, uint64 begin, uint64 end);
    error RoundFull(uint256 round, uint32 places);
    error AlreadyApplied(uint256 round, address provider);
    error NotApplied(address provider);
    error HasVault(address provider, address vault);
    error NoVault(address provider);
    error TextOutOfBounds(uint256 length, uint256 least, uint256 most);
    error FeeTooHigh(uint16 fee, uint16 most);

    /// @notice Opens a round; rounds count from 1. @dev Only the contract's owner.
    /// @param cover In wei of METIS, up to the pool's `MAX_LOCK`. Let it be more than the largest reward of a reporter (the
    /// slasher's `fraction` x `reporterShare` x `MAX_LOCK`), or a provider gains by reporting itself.
    function openRound(uint64 begin, uint64 end, uint32 places, uint128 cover) external returns (uint256 round);

    /// @notice Applies for a place in `round`, once. The caller is the provider. An application in a later round replaces one
    /// that was not approved.
    /// @param name Of the vault's shares, 1 to 64 bytes. @param symbol Of the vault's shares, 1 to 16 bytes.
    /// @param fee Part of rewards, in 1 / 10,000, at most the vaults' `MAX_FEE`.
    /// @param metadata Who the provider is, as governance asks for it; up to 4,096 bytes.
    /// @return vault Address that its vault would have.
    function applyFor(uint256 round, string calldata name, string calldata symbol, uint16 fee, string calldata metadata)
        external
        returns (address vault);

    /// @notice Approves the provider's last application, also after its round has ended; or, if not `approved`, closes the
    /// provider's vault for good. @dev Only the contract's owner.
    /// @return vault The one that was made or closed.
    function approveProvider(address provider, bool approved) external returns (address vault);

    /// @notice How many rounds there were.
    function roundCount() external view returns (uint256);

    /// @notice A round; all zero if there never was one.
    function roundAt(uint256 round) external view returns (Round memory);

    /// @notice What `provider` applied with last; empty if it never did.
    function applicationOf(address provider) external view returns (Application memory);

    /// @notice Where the vault of `provider` is, or will be, if it is approved in `round`.
    function vaultAddress(uint256 round, address provider) external view returns (address);

    /// @notice The vault that `provider` runs now; zero if none.
    function vaultOf(address provider) external view returns (address);

    /// @notice Whether this factory made `vault`.
    function isVault(address vault) external view returns (bool);
}
