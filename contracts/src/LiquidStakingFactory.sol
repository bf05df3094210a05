// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {LiquidStakingVault} from "./LiquidStakingVault.sol";
import {LockingPool} from "./LockingPool.sol";
import {ILiquidStakingFactory} from "./interfaces/ILiquidStakingFactory.sol";

/// @title LiquidStakingFactory
/// @notice Rounds, applications, and vaults as clones of one model. `ILiquidStakingFactory` is the manual.
contract LiquidStakingFactory is ILiquidStakingFactory, Ownable2Step {
    uint256 private constant MAX_NAME = 64;
    uint256 private constant MAX_SYMBOL = 16;
    uint256 private constant MAX_METADATA = 4_096;

    /// @notice What all vaults are clones of. No vault itself.
    LiquidStakingVault public immutable MODEL;

    /// @inheritdoc ILiquidStakingFactory
    uint256 public roundCount;
    /// @inheritdoc ILiquidStakingFactory
    mapping(address provider => address) public vaultOf;
    /// @inheritdoc ILiquidStakingFactory
    mapping(address vault => bool) public isVault;

    mapping(uint256 round => Round) private _rounds;
    mapping(uint256 round => mapping(address provider => Application)) private _applications;

    /// @param pool Where vaults stake. @param owner Governance.
    constructor(LockingPool pool, address owner) Ownable(owner) {
        MODEL = new LiquidStakingVault(pool);
    }

    /* GOVERNANCE */

    /// @inheritdoc ILiquidStakingFactory
    function openRound(uint64 begin, uint64 end, uint32 places) external onlyOwner returns (uint256 round) {
        require(begin < end && end > block.timestamp && places != 0, RoundMalformed(begin, end, places));
        round = ++roundCount;
        _rounds[round] = Round({begin: begin, end: end, places: places, approved: 0});
        emit RoundOpened(round, begin, end, places);
    }

    /// @inheritdoc ILiquidStakingFactory
    function approve(uint256 round, address provider) external onlyOwner returns (address vault) {
        Application storage application = _applications[round][provider];
        require(bytes(application.name).length != 0, NotApplied(round, provider));
        require(vaultOf[provider] == address(0), HasVault(provider, vaultOf[provider]));
        // Its vault was closed: who comes back applies anew.
        require(!application.isApproved, NotApplied(round, provider));
        Round storage at = _rounds[round];
        require(at.approved < at.places, RoundFull(round, at.places));
        at.approved++;
        application.isApproved = true;

        vault = vaultAddress(round, provider);
        (vaultOf[provider], isVault[vault]) = (vault, true);
        emit Approved(round, provider, vault);
        Clones.cloneDeterministic(address(MODEL), _salt(round, provider));
        LiquidStakingVault(vault).initialize(provider, application.fee, application.name, application.symbol);
    }

    /// @inheritdoc ILiquidStakingFactory
    function offboard(address provider) external onlyOwner {
        address vault = vaultOf[provider];
        require(vault != address(0), NoVault(provider));
        delete vaultOf[provider];
        emit Offboarded(provider, vault);
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
        Application storage mine = _applications[round][msg.sender];
        require(bytes(mine.name).length == 0, AlreadyApplied(round, msg.sender));
        _requireLength(name, 1, MAX_NAME);
        _requireLength(symbol, 1, MAX_SYMBOL);
        _requireLength(metadata, 0, MAX_METADATA);
        uint16 most = MODEL.MAX_FEE();
        require(fee <= most, FeeTooHigh(fee, most));

        (mine.name, mine.symbol, mine.fee, mine.metadataHash) = (name, symbol, fee, keccak256(bytes(metadata)));
        vault = vaultAddress(round, msg.sender);
        emit Applied(round, msg.sender, vault, name, symbol, fee, metadata);
    }

    /* VIEWS */

    /// @inheritdoc ILiquidStakingFactory
    function roundAt(uint256 round) external view returns (Round memory) {
        return _rounds[round];
    }

    /// @inheritdoc ILiquidStakingFactory
    function applicationOf(uint256 round, address provider) external view returns (Application memory) {
        return _applications[round][provider];
    }

    /// @inheritdoc ILiquidStakingFactory
    function vaultAddress(uint256 round, address provider) public view returns (address) {
        return Clones.predictDeterministicAddress(address(MODEL), _salt(round, provider));
    }

    /* INTERNAL */

    function _salt(uint256 round, address provider) private pure returns (bytes32) {
        return keccak256(abi.encode(round, provider));
    }

    function _requireLength(string calldata text, uint256 least, uint256 most) private pure {
        uint256 length = bytes(text).length;
        require(length >= least && length <= most, TextOutOfBounds(length, least, most));
    }
}
