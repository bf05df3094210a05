// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

import {IVotingPower} from "../interfaces/IVotingPower.sol";
import {StakeVotes} from "../pool/StakeVotes.sol";
import {VotingMetis} from "./VotingMetis.sol";

/// @title VotingPower
/// @notice Sums the sources of votes. `IVotingPower` is the manual.
contract VotingPower is IVotingPower, Ownable2Step {
    /// @notice Most sources at a time: as many as there can be validators, for each may have a vault.
    uint256 public constant MAX_SOURCES = 40;
    /// @notice Seconds for which a removed source is remembered: longer than any vote runs.
    uint48 public constant MEMORY = 60 days;
    /// @notice Gas that a source may use. One that fails, or needs more, has no votes: it must not be able to stop all others.
    /// Enough for a vault's four searches among a million checkpoints each.
    uint256 public constant SOURCE_GAS = 220_000;
    /// @dev What the call of a source costs besides, and the 64th part that is kept back.
    uint256 private constant GAS_NEEDED = SOURCE_GAS * 64 / 63 + 10_000;

    VotingMetis public immutable WRAPPED;
    StakeVotes public immutable STAKES;

    /// @inheritdoc IVotingPower
    address public registrar;

    Source[] private _sources;

    modifier onlyRegistrar() {
        if (msg.sender != registrar) _checkOwner();
        _;
    }

    /// @param wrapped METIS that votes. @param stakes Of the pool. @param owner Governance.
    constructor(VotingMetis wrapped, StakeVotes stakes, address owner) Ownable(owner) {
        WRAPPED = wrapped;
        STAKES = stakes;
    }

    /* GOVERNANCE */

    /// @inheritdoc IVotingPower
    // slither-disable-next-line missing-zero-check: zero is none.
    function setRegistrar(address registrar_) external onlyOwner {
        registrar = registrar_;
        emit RegistrarChanged(registrar_);
    }

    /// @inheritdoc IVotingPower
    function addSource(address source) external onlyRegistrar {
        bool ours = source == address(WRAPPED) || source == address(STAKES) || source == address(this);
        require(!ours && !_counts(source, clock()), AlreadySource(source));
        _forget();
        require(_sources.length < MAX_SOURCES, TooManySources(MAX_SOURCES));
        (bool answers,) = _ask(source, abi.encodeCall(IVotes.getVotes, (source)));
        require(answers, NotVotes(source));
        _sources.push(Source({votes: source, since: clock(), until: type(uint48).max}));
        emit SourceAdded(source);
    }

    /// @inheritdoc IVotingPower
    function removeSource(address source) external onlyRegistrar {
        for (uint256 i = 0; i < _sources.length; i++) {
            if (_sources[i].votes != source || _sources[i].until != type(uint48).max) continue;
            _sources[i].until = clock();
            emit SourceRemoved(source);
            return;
        }
        revert NotSource(source);
    }

    /* VOTES */

    function getVotes(address account) external view returns (uint256 votes) {
        votes = WRAPPED.getVotes(account) + _added(clock(), abi.encodeCall(IVotes.getVotes, (account)));
        if (!_counts(account, clock())) votes += STAKES.getVotes(account);
    }

    function getPastVotes(address account, uint256 timepoint) external view returns (uint256 votes) {
        votes = WRAPPED.getPastVotes(account, timepoint);
        votes += _added(timepoint, abi.encodeCall(IVotes.getPastVotes, (account, timepoint)));
        if (!_counts(account, timepoint)) votes += STAKES.getPastVotes(account, timepoint);
    }

    function getPastTotalSupply(uint256 timepoint) external view returns (uint256 votes) {
        votes = WRAPPED.getPastTotalSupply(timepoint) + STAKES.getPastTotalSupply(timepoint);
        votes += _added(timepoint, abi.encodeCall(IVotes.getPastTotalSupply, (timepoint)));
        for (uint256 i = 0; i < _sources.length; i++) {
            if (_at(_sources[i], timepoint)) votes -= STAKES.getPastVotes(_sources[i].votes, timepoint);
        }
    }

    /// @inheritdoc IVotingPower
    function isSource(address source) external view returns (bool) {
        return _counts(source, clock());
    }

    /// @inheritdoc IVotingPower
    function sources() external view returns (Source[] memory) {
        return _sources;
    }

    function clock() public view returns (uint48) {
        return Time.timestamp();
    }

    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() external pure returns (string memory) {
        return "mode=timestamp";
    }

    function delegates(address) external pure returns (address) {
        revert DelegateAtTheSource();
    }

    function delegate(address) external pure {
        revert DelegateAtTheSource();
    }

    function delegateBySig(address, uint256, uint256, uint8, bytes32, bytes32) external pure {
        revert DelegateAtTheSource();
    }

    /* INTERNAL */

    function _added(uint256 timepoint, bytes memory question) private view returns (uint256 votes) {
        for (uint256 i = 0; i < _sources.length; i++) {
            if (!_at(_sources[i], timepoint)) continue;
            (, uint256 answer) = _ask(_sources[i].votes, question);
            votes += answer;
        }
    }

    function _ask(address source, bytes memory question) private view returns (bool answered, uint256 votes) {
        // Whoever carries another's signed vote must not make it count less by giving little gas.
        require(gasleft() > GAS_NEEDED, TooLittleGas(GAS_NEEDED));
        // slither-disable-next-line return-bomb: to copy an answer costs no more than the source had to make it.
        (bool success, bytes memory answer) = source.staticcall{gas: SOURCE_GAS}(question);
        if (!success || answer.length != 32) return (false, 0);
        votes = abi.decode(answer, (uint256));
        // As in `Votes`; and no sum of these overflows.
        return votes > type(uint208).max ? (false, 0) : (true, votes);
    }

    function _counts(address source, uint256 timepoint) private view returns (bool) {
        for (uint256 i = 0; i < _sources.length; i++) {
            if (_sources[i].votes == source && _at(_sources[i], timepoint)) return true;
        }
        return false;
    }

    function _at(Source storage source, uint256 timepoint) private view returns (bool) {
        return source.since <= timepoint && timepoint < source.until;
    }

    /// @dev Drops sources that no vote under way can ask any more.
    function _forget() private {
        uint256 i;
        while (i < _sources.length) {
            if (uint256(_sources[i].until) + MEMORY >= clock()) {
                i++;
                continue;
            }
            _sources[i] = _sources[_sources.length - 1];
            _sources.pop();
        }
    }
}
