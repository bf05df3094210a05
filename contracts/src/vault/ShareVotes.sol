// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

import {StakeVotes} from "../pool/StakeVotes.sol";

/// @title ShareVotes
/// @notice How much the shares of one vault vote for whom, now and at any past second, in wei of METIS. A holder votes itself
/// unless it names a delegate here. Obeys only its vault; it is a clone with the vault's address behind its code.
///
/// What votes is METIS that is nowhere else: what the vault has in hand, and its stake as far as the pool's ledger of votes
/// counts it (listed or waiting; not in jail, not in a withdrawal, not while it leaves). All shares but those in the exit
/// queue have equal parts of it, and none more than the share was worth when the vault was last called: who stays does not
/// vote for who leaves. METIS set aside for claims, the provider's fee and its cover, and rewards not yet taken in do not vote.
///
/// The stake is asked of the pool's ledger for the second in question, so a slash, a jail or an exit counts at once, whether
/// or not anyone has called the vault since. `DelegateVotesChanged` tells shares, not METIS.
/// @dev A contract of its own because the vault has no room for it. What it keeps of a vault's books is two amounts of 104
/// bits: a billion times all METIS.
contract ShareVotes is Votes {
    using Checkpoints for Checkpoints.Trace208;

    /// @notice The pool's ledger, which knows how much of the vault's stake votes.
    StakeVotes public immutable STAKES;

    /// @dev METIS in hand, and what the shares outside of the queue are worth, side by side, by second.
    Checkpoints.Trace208 private _books;

    error NotVault(address caller);

    modifier onlyVault() {
        require(msg.sender == vault(), NotVault(msg.sender));
        _;
    }

    /// @dev The model of all clones.
    constructor(StakeVotes stakes) EIP712("Horae ShareVotes", "1") {
        STAKES = stakes;
    }

    /* THE VAULT */

    /// @notice `shares` went from `from` to `to`; zero stands for none.
    function move(address from, address to, uint256 shares) external onlyVault {
        (from, to) = (_voter(from), _voter(to));
        if (from != to) _transferVotingUnits(from, to, shares);
    }

    /// @notice The vault has `cash` in hand, and all shares outside of the queue are worth `worth`, in wei of METIS.
    function note(uint256 cash, uint256 worth) external onlyVault {
        uint208 books = uint208(_fit(cash)) << 104 | _fit(worth);
        // slither-disable-next-line unused-return: it is known already.
        if (books != _books.latest()) _books.push(clock(), books);
    }

    /* VOTES */

    function getVotes(address account) public view override returns (uint256) {
        uint256 shares = super.getVotes(account);
        if (shares == 0) return 0;
        uint256 whole = _least(_books.latest(), STAKES.getVotes(vault()));
        return Math.mulDiv(shares, whole, _getTotalSupply());
    }

    function getPastVotes(address account, uint256 timepoint) public view override returns (uint256) {
        uint256 shares = super.getPastVotes(account, timepoint);
        if (shares == 0) return 0;
        return Math.mulDiv(shares, getPastTotalSupply(timepoint), super.getPastTotalSupply(timepoint));
    }

    /// @notice What all shares together voted with.
    function getPastTotalSupply(uint256 timepoint) public view override returns (uint256) {
        uint208 books = _books.upperLookupRecent(_validateTimepoint(timepoint));
        return _least(books, STAKES.getPastVotes(vault(), timepoint));
    }

    /// @notice Who votes with the shares of `account`: itself, unless it named another.
    function delegates(address account) public view override returns (address) {
        address named = super.delegates(account);
        return named == address(0) ? account : named;
    }

    /// @notice The vault whose shares these are.
    function vault() public view returns (address) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (address));
    }

    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /* INTERNAL */

    /// @dev Naming nobody is naming oneself.
    function _delegate(address account, address delegatee) internal override {
        super._delegate(account, delegatee == address(0) ? account : delegatee);
    }

    function _getVotingUnits(address account) internal view override returns (uint256) {
        return _voter(account) == address(0) ? 0 : IERC20(vault()).balanceOf(account);
    }

    /// @dev Shares that the vault has are in its queue, or were lost to it.
    function _voter(address holder) private view returns (address) {
        return holder == vault() ? address(0) : holder;
    }

    function _least(uint208 books, uint256 stake) private pure returns (uint256) {
        // forge-lint: disable-next-line(unsafe-typecast): the lower half is meant.
        return Math.min((books >> 104) + stake, uint104(books));
    }

    function _fit(uint256 amount) private pure returns (uint104) {
        // forge-lint: disable-next-line(unsafe-typecast): the lesser of the two fits.
        return uint104(Math.min(amount, type(uint104).max));
    }
}
