// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {LiquidStakingVault} from "./LiquidStakingVault.sol";
import {LockingPool} from "./LockingPool.sol";
import {ILiquidStakingFactory} from "./interfaces/ILiquidStakingFactory.sol";
import {ILiquidStakingVault} from "./interfaces/ILiquidStakingVault.sol";
import {IVotingPower} from "./interfaces/IVotingPower.sol";
import {ShareVotes} from "./vault/ShareVotes.sol";

/// @title LiquidStakingFactory
/// @notice Rounds, applications, and vaults as clones of one model. `ILiquidStakingFactory` is the manual.
contract LiquidStakingFactory is ILiquidStakingFactory, Ownable2Step {
    uint256 private constant MAX_NAME = 64;
    uint256 private constant MAX_SYMBOL = 16;
    uint256 private constant MAX_METADATA = 4_096;

    /// @notice What all vaults are clones of. No vault itself.
    LiquidStakingVault public immutable MODEL;
    /// @notice What all ledgers of votes are clones of.
    ShareVotes public immutable VOTES_MODEL;
    LockingPool public immutable POOL;
    /// @notice Where vaults vote; zero if there is no governance.
    IVotingPower public immutable POWER;

    /// @inheritdoc ILiquidStakingFactory
    uint256 public roundCount;
    /// @inheritdoc ILiquidStakingFactory
    mapping(address provider => address) public vaultOf;
    /// @inheritdoc ILiquidStakingFactory
    mapping(address vault => bool) public isVault;

    mapping(uint256 round => Round) private _rounds;
    mapping(address provider => Application) private _applications;

    /// @param pool Where vaults stake. @param power Where they vote; zero for nowhere. @param owner Governance.
    constructor(LockingPool pool, IVotingPower power, address owner) Ownable(owner) {
        (POOL, POWER) = (pool, power);
        MODEL = new LiquidStakingVault(pool);
        VOTES_MODEL = new ShareVotes(pool.VOTES());
    }

    /* GOVERNANCE */

    /// @inheritdoc ILiquidStakingFactory
    function openRound(uint64 begin, uint64 end, uint32 places, uint128 cover)
        external
        onlyOwner
        returns (uint256 round)
    {
        bool fine = begin < end && end > block.timestamp && places != 0 && cover <= POOL.MAX_LOCK();
        require(fine, RoundMalformed(begin, end, places, cover));
        round = ++roundCount;
        _rounds[round] = Round({begin: begin, end: end, places: places, approved: 0, cover: cover});
        emit RoundOpened(round, begin, end, places, cover);
    }

    /// @inheritdoc ILiquidStakingFactory
    function approveProvider(address provider, bool approved) external onlyOwner returns (address vault) {
        return approved ? _onboard(provider) : _offboard(provider);
    }

    function _onboard(address provider) private returns (address vault) {
        Application storage application = _applications[provider];
        require(vaultOf[provider] == address(0), HasVault(provider, vaultOf[provider]));
        // Its vault may have been closed: who comes back applies anew.
        require(application.round != 0 && !application.isApproved, NotApplied(provider));
        Round storage round = _rounds[application.round];
        require(round.approved < round.places, RoundFull(application.round, round.places));
        round.approved++;
        application.isApproved = true;

        vault = _make(provider, application, round.cover);
        POOL.setWhitelist(vault, true);
        if (address(POWER) != address(0)) POWER.addSource(vault);
    }

    function _make(address provider, Application storage application, uint256 cover) private returns (address vault) {
        vault = Clones.cloneDeterministic(address(MODEL), _salt(application.round, provider));
        (vaultOf[provider], isVault[vault]) = (vault, true);
        ShareVotes votes = ShareVotes(Clones.cloneWithImmutableArgs(address(VOTES_MODEL), abi.encode(vault)));
        emit Approved(application.round, provider, vault, address(votes));
        ILiquidStakingVault.Terms memory terms = ILiquidStakingVault.Terms({
            provider: provider, fee: application.fee, cover: cover, name: application.name, symbol: application.symbol
        });
        LiquidStakingVault(vault).initialize(terms, votes);
    }

    /// @dev Governance may have named another factory since; then it sees to whitelist and votes itself, and this must still
    /// be able to close its vaults.
    function _offboard(address provider) private returns (address vault) {
        vault = vaultOf[provider];
        require(vault != address(0), NoVault(provider));
        delete vaultOf[provider];
        emit Offboarded(provider, vault);
        if (POOL.vaultFactory() == address(this)) POOL.setWhitelist(vault, false);
        if (_mayRemove(vault)) POWER.removeSource(vault);
        LiquidStakingVault(vault).close();
    }

    /* PROVIDERS */

    /// @inheritdoc ILiquidStakingFactory
    function applyFor(uint256 round, string calldata name, string calldata symbol, uint16 fee, string calldata metadata)
        external
        returns (address vault)
    {
        Round memory at = _rounds[round];
        require(at.end != 0, RoundUnknown(round));
        bool isOpen = block.timestamp >= at.begin && block.timestamp < at.end;
        require(isOpen, RoundNotOpen(round, at.begin, at.end));
        require(vaultOf[msg.sender] == address(0), HasVault(msg.sender, vaultOf[msg.sender]));
        Application storage mine = _applications[msg.sender];
        require(round > mine.round, AlreadyApplied(mine.round, msg.sender));
        _requireLength(name, 1, MAX_NAME);
        _requireLength(symbol, 1, MAX_SYMBOL);
        _requireLength(metadata, 0, MAX_METADATA);
        uint16 most = MODEL.MAX_FEE();
        require(fee <= most, FeeTooHigh(fee, most));

        (mine.round, mine.name, mine.symbol, mine.fee) = (round, name, symbol, fee);
        (mine.metadataHash, mine.isApproved) = (keccak256(bytes(metadata)), false);
        vault = vaultAddress(round, msg.sender);
        emit Applied(round, msg.sender, vault, name, symbol, fee, metadata);
    }

    /* VIEWS */

    /// @inheritdoc ILiquidStakingFactory
    function roundAt(uint256 round) external view returns (Round memory) {
        return _rounds[round];
    }

    /// @inheritdoc ILiquidStakingFactory
    function applicationOf(address provider) external view returns (Application memory) {
        return _applications[provider];
    }

    /// @inheritdoc ILiquidStakingFactory
    function vaultAddress(uint256 round, address provider) public view returns (address) {
        return Clones.predictDeterministicAddress(address(MODEL), _salt(round, provider));
    }

    /* INTERNAL */

    function _mayRemove(address vault) private view returns (bool) {
        return address(POWER) != address(0) && POWER.registrar() == address(this) && POWER.isSource(vault);
    }

    function _salt(uint256 round, address provider) private pure returns (bytes32) {
        return keccak256(abi.encode(round, provider));
    }

    function _requireLength(string calldata text, uint256 least, uint256 most) private pure {
        uint256 length = bytes(text).length;
        require(length >= least && length <= most, TextOutOfBounds(length, least, most));
    }
}
