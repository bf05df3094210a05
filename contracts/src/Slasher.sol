// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Evidence} from "./Evidence.sol";
import {ILockingPool} from "./interfaces/ILockingPool.sol";
import {ISlasher} from "./interfaces/ISlasher.sol";

/// @title Slasher
/// @notice Convicts on proofs that check themselves. `ISlasher` is the manual. Its owner, which is governance, says what an
/// offence costs, within bounds, and can neither convict nor pardon. Runs behind a proxy that governance upgrades.
contract Slasher is ISlasher, Ownable2StepUpgradeable {
    uint256 private constant WHOLE = 10_000;
    /// @notice The least that an offence costs: governance cannot make it free.
    uint16 public constant MIN_FRACTION = 100;
    /// @notice The most that a reporter gets of a cut, so that nobody saves much by reporting itself.
    uint16 public constant MAX_REPORTER_SHARE = 2_000;
    /// @notice The longest jail.
    uint64 public constant MAX_JAIL_TIME = 365 days;

    /* Written by `initialize` and never again, which is why they are named like constants. */
    // forge-lint: disable-start(mixed-case-variable)

    ILockingPool public POOL;
    /// @notice EIP-155 id of the L2 chain whose validators are convicted here.
    uint64 public L2_CHAIN_ID;

    // forge-lint: disable-end(mixed-case-variable)

    Penalty private _penalty;
    mapping(bytes32 offence => bool) private _convicted;

    constructor() {
        _disableInitializers();
    }

    /// @notice Makes the slasher, within its proxy's construction.
    /// @param pool Whose stakes answer. The statements name its address.
    /// @param l2ChainId Named in the statements too.
    /// @param owner Governance.
    /// @param penalty_ What offences cost at first.
    function initialize(ILockingPool pool, uint64 l2ChainId, address owner, Penalty calldata penalty_)
        external
        initializer
    {
        __Ownable_init(owner);
        POOL = pool;
        L2_CHAIN_ID = l2ChainId;
        _setPenalty(penalty_);
    }

    /// @inheritdoc ISlasher
    function report(Proof calldata proof, address reporter) external returns (uint256 amount) {
        require(reporter != address(0), ReporterZero());
        uint64 id = POOL.validatorOfSigner(proof.validator);
        require(id != 0, UnknownSigner(proof.validator));
        Offence offence = Evidence.judge(proof);
        _requireSigned(proof, proof.first);
        _requireSigned(proof, proof.second);

        bytes32 key = _key(id, proof.epoch, proof.term);
        require(!_convicted[key], AlreadyConvicted(id, proof.epoch, proof.term));
        // Before the money moves: nothing that is called then can come back for the same offence.
        _convicted[key] = true;
        Penalty memory cost = _penalty;
        amount = POOL.slash(id, cost.fraction, cost.reporterShare, reporter, cost.treasury, cost.jailTime);
        emit Convicted(id, proof.validator, reporter, offence, proof.epoch, proof.term, amount);
    }

    /// @inheritdoc ISlasher
    function setPenalty(Penalty calldata penalty_) external onlyOwner {
        _setPenalty(penalty_);
    }

    /// @inheritdoc ISlasher
    function penalty() external view returns (Penalty memory) {
        return _penalty;
    }

    /// @inheritdoc ISlasher
    function offenceOf(Proof calldata proof) external pure returns (Offence) {
        return Evidence.judge(proof);
    }

    /// @inheritdoc ISlasher
    function digestOf(Proof calldata proof, Statement calldata statement) public view returns (bytes32) {
        return Evidence.digest(L2_CHAIN_ID, address(POOL), proof, statement);
    }

    /// @inheritdoc ISlasher
    function isConvicted(uint64 id, uint64 epoch, uint64 term) external view returns (bool) {
        return _convicted[_key(id, epoch, term)];
    }

    function _requireSigned(Proof calldata proof, Statement calldata statement) private view {
        bytes32 digest = digestOf(proof, statement);
        bytes memory signature = statement.signature;
        // The nodes' v is 0 or 1, as in a proof; `ecrecover` wants 27 or 28.
        if (signature.length == 65 && uint8(signature[64]) < 2) signature[64] = bytes1(uint8(signature[64]) + 27);
        // slither-disable-next-line unused-return: an error recovers to zero.
        (address recovered,,) = ECDSA.tryRecover(digest, signature);
        bool signed = recovered != address(0) && recovered == proof.validator;
        require(signed, NotSignedBy(proof.validator, digest));
    }

    function _setPenalty(Penalty memory penalty_) private {
        bool fine = penalty_.fraction >= MIN_FRACTION && penalty_.fraction <= WHOLE
            && penalty_.reporterShare <= MAX_REPORTER_SHARE && penalty_.jailTime <= MAX_JAIL_TIME
            && penalty_.treasury != address(0);
        require(fine, PenaltyOutOfBounds(penalty_));
        _penalty = penalty_;
        emit PenaltyChanged(penalty_);
    }

    function _key(uint64 id, uint64 epoch, uint64 term) private pure returns (bytes32) {
        return keccak256(abi.encode(id, epoch, term));
    }
}
