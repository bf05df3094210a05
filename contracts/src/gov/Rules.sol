// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {Bytes} from "@openzeppelin/contracts/utils/Bytes.sol";

import {ILockingPool} from "../interfaces/ILockingPool.sol";
import {IRules} from "../interfaces/IRules.sol";

/// @title Rules
/// @notice Counts votes, and judges them by what the proposal would do. `IRules` is the manual.
abstract contract Rules is IRules, GovernorCountingSimple {
    uint16 private constant WHOLE = 10_000;
    /// @notice Bounds of a rule. Above, few could block everything; below, few could decide.
    uint128 public constant MIN_QUORUM = 10_000e18;
    uint128 public constant MAX_QUORUM = 500_000e18;
    uint16 public constant MIN_SHARE = 5_001;
    uint16 public constant MAX_SHARE = 9_500;

    ILockingPool public immutable POOL;

    Approval private _liquidStaking;
    mapping(Kind => Rule) private _rules;
    mapping(uint256 proposalId => Rule) private _ruleOf;

    constructor(ILockingPool pool) {
        POOL = pool;
        _setRule(Kind.General, Rule({quorum: 50_000e18, share: 8_000}));
        _setRule(Kind.Validator, Rule({quorum: 50_000e18, share: 8_000}));
        _setRule(Kind.LiquidStaking, Rule({quorum: 20_000e18, share: 8_000}));
    }

    /// @inheritdoc IRules
    function setRule(Kind kind, Rule calldata rule_) external onlyGovernance {
        _setRule(kind, rule_);
    }

    /// @inheritdoc IRules
    function setLiquidStaking(Approval calldata approval) external onlyGovernance {
        // What these do must not become an application's business.
        address target = approval.target;
        bool allowed = target != address(POOL) && target != address(this) && target != _executor();
        require(allowed, ApprovalNotAllowed(target));
        _liquidStaking = approval;
        emit LiquidStakingChanged(approval);
    }

    /// @inheritdoc IRules
    function rule(Kind kind) external view returns (Rule memory) {
        return _rules[kind];
    }

    /// @inheritdoc IRules
    function proposalRule(uint256 proposalId) external view returns (Rule memory) {
        return _ruleOf[proposalId];
    }

    /// @inheritdoc IRules
    function liquidStaking() public view returns (Approval memory) {
        return _liquidStaking;
    }

    /// @inheritdoc IRules
    function kindOf(address target, uint256 value, bytes memory data) public view returns (Kind) {
        if (value != 0 || !_grants(data)) return Kind.General;
        bytes4 selector = bytes4(data);
        if (target == address(POOL) && selector == ILockingPool.setWhitelist.selector) return Kind.Validator;
        Approval memory approval = _liquidStaking;
        bool isApproval = target != address(0) && target == approval.target && selector == approval.selector;
        return isApproval ? Kind.LiquidStaking : Kind.General;
    }

    /// @notice The quorum of general proposals; `proposalRule` says what a certain one needs.
    function quorum(uint256) public view override returns (uint256) {
        return _rules[Kind.General].quorum;
    }

    /* INTERNAL */

    function _propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description,
        address proposer
    ) internal virtual override returns (uint256 proposalId) {
        proposalId = super._propose(targets, values, calldatas, description, proposer);
        Rule memory needed;
        for (uint256 i = 0; i < targets.length; i++) {
            _raise(needed, kindOf(targets[i], values[i], calldatas[i]));
        }
        _ruleOf[proposalId] = needed;
        emit ProposalRuled(proposalId, needed);
    }

    function _quorumReached(uint256 proposalId) internal view override returns (bool) {
        (, uint256 inFavour, uint256 abstained) = proposalVotes(proposalId);
        return inFavour + abstained >= _ruleOf[proposalId].quorum;
    }

    function _voteSucceeded(uint256 proposalId) internal view override returns (bool) {
        (uint256 against, uint256 inFavour,) = proposalVotes(proposalId);
        return inFavour != 0 && inFavour * WHOLE >= (inFavour + against) * _ruleOf[proposalId].share;
    }

    /// @dev A general call can do all that the others do, so it needs what each of them needs.
    function _raise(Rule memory needed, Kind kind) private view {
        if (kind == Kind.General) {
            _raise(needed, Kind.Validator);
            _raise(needed, Kind.LiquidStaking);
        }
        Rule memory own = _rules[kind];
        if (own.quorum > needed.quorum) needed.quorum = own.quorum;
        if (own.share > needed.share) needed.share = own.share;
    }

    /// @dev Whether these are a selector, an address and `true`, and nothing else.
    function _grants(bytes memory data) private pure returns (bool) {
        if (data.length != 68) return false;
        (, uint256 granted) = abi.decode(Bytes.slice(data, 4), (uint256, uint256));
        return granted == 1;
    }

    function _setRule(Kind kind, Rule memory rule_) private {
        bool fine = rule_.quorum >= MIN_QUORUM && rule_.quorum <= MAX_QUORUM && rule_.share >= MIN_SHARE
            && rule_.share <= MAX_SHARE;
        require(fine, RuleOutOfBounds(rule_));
        _rules[kind] = rule_;
        emit RuleChanged(kind, rule_);
    }
}
