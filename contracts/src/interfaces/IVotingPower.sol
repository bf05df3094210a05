// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC5805} from "@openzeppelin/contracts/interfaces/IERC5805.sol";

/// @title IVotingPower
/// @notice What the governor counts with, in wei of METIS: wrapped METIS, locked stake, and what governance adds, such as the
/// shares of a vault. METIS that is locked is not wrapped any more, so these are summed as they are. Past timepoints are
/// seconds.
///
/// Delegation is made where the votes are: at `VotingMetis` for wrapped METIS (needed once, also to vote oneself), at the
/// pool's `StakeVotes` for locked stake (each owner votes itself unless it names another). `delegates`, `delegate` and
/// `delegateBySig` are refused here.
///
/// A source that is added votes instead of the stake that it has locked itself: the shares of a vault vote, the vault does
/// not (and it must not name a delegate at `StakeVotes`, or its stake would vote beside them). It counts from the second at
/// which it was added until the second at which it is removed, by the proposal's snapshot, so neither changes a vote under
/// way.
interface IVotingPower is IERC5805 {
    struct Source {
        /// Tells votes in wei of METIS, by the second: a contract whose `getVotes`, `getPastVotes`, `getPastTotalSupply`
        /// are those of `IVotes`.
        address votes;
        uint48 since;
        /// Largest value while it counts.
        uint48 until;
    }

    /// @notice `source` votes from now on.
    event SourceAdded(address indexed source);
    /// @notice `source` votes no longer.
    event SourceRemoved(address indexed source);
    /// @notice `registrar` adds and removes sources too from now on; nobody beside governance does if it is zero.
    event RegistrarChanged(address registrar);

    error DelegateAtTheSource();
    error AlreadySource(address source);
    error NotSource(address source);
    error NotVotes(address source);
    error TooManySources(uint256 limit);
    error TooLittleGas(uint256 needed);

    /// @notice Adds a source of votes. @dev Only the contract's owner, and the registrar.
    function addSource(address source) external;

    /// @notice Removes a source of votes. @dev Only the contract's owner, and the registrar.
    function removeSource(address source) external;

    /// @notice Sets the contract that adds the vaults that it makes, and removes those that it closes; zero for none.
    /// @dev Only the contract's owner.
    function setRegistrar(address registrar) external;

    /// @notice The contract that adds and removes sources beside the owner; zero if none.
    function registrar() external view returns (address);

    /// @notice Whether `source` votes now.
    function isSource(address source) external view returns (bool);

    /// @notice The sources beside wrapped METIS and locked stake, and those that were removed within `MEMORY`.
    function sources() external view returns (Source[] memory);
}
