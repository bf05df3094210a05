// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IRules} from "./IRules.sol";

/// @title IApplications
/// @notice Where one applies to become a validator, or a provider of liquid staking. To apply makes a proposal at the
/// governor, whose execution lets the applicant in; from there on the vote decides, and what is said here follows it.
///
/// An applicant leaves a bond in METIS. It is
/// - returned when the vote has decided, either way: the application was executed, or it was rejected by a vote in which
///   as many took part as the quorum asks, for, against and abstentions together;
/// - returned when the application is withdrawn before the vote begins or after it was won, and when it was cancelled by
///   others;
/// - governance's, at its timelock, when too few cared to vote, or when it is withdrawn while the vote runs.
///
/// `settle` pays it, to either, for anyone who calls.
interface IApplications {
    /// @notice Where an application stands. `Ignored` is rejected without enough who voted.
    enum Status {
        Unknown,
        Pending,
        Voting,
        Approved,
        Queued,
        Accepted,
        Rejected,
        Ignored,
        Withdrawn,
        Cancelled
    }

    /// @notice What an applicant says of itself.
    struct Profile {
        /// Where the application is written out, with name, experience, servers and funds; up to `MAX_URI` bytes.
        string uri;
        /// keccak256 of what is there, so that it does not change under the vote.
        bytes32 hash;
        /// Up to `MAX_CONTACT` bytes.
        string contact;
        /// Keys that the node is going to use. They bind nobody; `lockFor` does. Zero for providers.
        address signer;
        bytes32 nodeKey;
    }

    struct Application {
        uint64 id;
        /// Whom the whitelist will name: the owner of the stake, or the provider.
        address applicant;
        IRules.Kind kind;
        uint64 appliedAt;
        uint256 proposalId;
        uint256 bond;
        /// Whether the bond was paid.
        bool settled;
        Status status;
        Profile profile;
    }

    /// @notice Someone has applied. The governor's `ProposalCreated` tells the rest.
    event Applied(
        uint64 indexed id, address indexed applicant, IRules.Kind indexed kind, uint256 proposalId, Profile profile
    );
    /// @notice An application was taken back.
    event Withdrawn(uint64 indexed id, address indexed applicant);
    /// @notice An application is closed, and its bond paid.
    event Settled(uint64 indexed id, address indexed paidTo, uint256 bond);
    /// @notice Applications need this bond from now on.
    event BondChanged(uint256 bond);

    error NotAnApplication(IRules.Kind kind);
    error NoLiquidStaking();
    error ProfileIncomplete();
    error ProfileTooLong(uint256 bytesGiven, uint256 most);
    error KeysTaken(address signer, bytes32 nodeKey);
    error AlreadyWhitelisted(address applicant);
    error AlreadyApplied(uint64 id);
    error UnknownApplication(uint64 id);
    error NotApplicant(uint64 id, address caller);
    error AlreadySettled(uint64 id);
    error NotDecided(uint64 id, Status status);
    error AlreadyDecided(uint64 id, Status status);
    error WrongAmountReceived(uint256 received, uint256 expected);
    error BondOutOfBounds(uint256 given, uint256 least, uint256 most);

    /// @notice Applies for the caller, and takes the bond, which is approved to this contract. One at a time of each kind.
    function applyFor(IRules.Kind kind, Profile calldata profile) external returns (uint64 id);

    /// @notice Takes the caller's application back, until it is executed or rejected, and cancels its proposal.
    function withdraw(uint64 id) external;

    /// @notice Closes an application that is decided, and pays its bond. Anyone may call.
    function settle(uint64 id) external;

    /// @notice Sets the bond of applications from now on. @dev Only the contract's owner.
    function setBond(uint256 bond) external;

    /// @notice The bond of an application now, in wei of METIS.
    function bond() external view returns (uint256);

    /// @notice How many applications there ever were; the last one's `id`. They count from 1.
    function count() external view returns (uint64);

    /// @notice Application `id`.
    function application(uint64 id) external view returns (Application memory);

    /// @notice Up to `limit` applications from `first` on.
    function page(uint64 first, uint64 limit) external view returns (Application[] memory);

    /// @notice Ids of all applications of `applicant`, oldest first.
    function applicationsOf(address applicant) external view returns (uint64[] memory);

    /// @notice The arguments of the governor's `queue` and `execute` (these with the keccak256 of the description).
    function proposalOf(uint64 id)
        external
        view
        returns (address[] memory targets, uint256[] memory values, bytes[] memory calldatas, string memory description);
}
