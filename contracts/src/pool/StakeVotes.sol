// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

/// @title StakeVotes
/// @notice How much locked stake votes for whom, now and at any past second, in wei of METIS. An owner's stake votes while
/// its validator is listed or waits; not in jail, not while it leaves. The owner votes itself unless it names a delegate
/// here. Made for the pool, and obeys only it.
/// @dev A contract of its own because the pool has no room for it, and made with the pool (`FixedParts`) because a contract
/// that could be chosen could refuse a change, and so stop a slash or an exit. Nothing here can fail: each call says what an
/// owner's stake is, not by how much it changed. Behind no proxy: votes that were counted stay as they were counted.
contract StakeVotes is Votes {
    address public immutable POOL;

    /// @notice Stake of `owner` that votes now.
    mapping(address owner => uint256) public stakeOf;

    error NotPool(address caller);

    modifier onlyPool() {
        require(msg.sender == POOL, NotPool(msg.sender));
        _;
    }

    /// @param pool The pool's address, which is its proxy's.
    // slither-disable-next-line missing-zero-check: it is the caller of `FixedParts`.
    constructor(address pool) EIP712("Horae StakeVotes", "1") {
        POOL = pool;
    }

    /// @notice The stake of `owner` that votes is now `stake`.
    function set(address owner, uint256 stake) public onlyPool {
        uint256 old = stakeOf[owner];
        stakeOf[owner] = stake;
        if (stake > old) _transferVotingUnits(address(0), owner, stake - old);
        else if (stake < old) _transferVotingUnits(owner, address(0), old - stake);
    }

    /// @notice What voted for `from` as an owner now does for `to`, which owned nothing.
    function pass(address from, address to) external onlyPool {
        uint256 stake = stakeOf[from];
        set(from, 0);
        set(to, stake);
    }

    /// @notice Who votes with the stake of `account`: itself, unless it named another.
    function delegates(address account) public view override returns (address) {
        address named = super.delegates(account);
        return named == address(0) ? account : named;
    }

    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @dev Naming nobody is naming oneself.
    function _delegate(address account, address delegatee) internal override {
        super._delegate(account, delegatee == address(0) ? account : delegatee);
    }

    function _getVotingUnits(address account) internal view override returns (uint256) {
        return stakeOf[account];
    }
}
