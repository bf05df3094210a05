// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {LockingPool} from "../LockingPool.sol";
import {IApplications} from "../interfaces/IApplications.sol";
import {ILockingPool} from "../interfaces/ILockingPool.sol";
import {IRules} from "../interfaces/IRules.sol";
import {HoraeGovernor} from "./HoraeGovernor.sol";

/// @title Applications
/// @notice Keeps applications and their bonds. `IApplications` is the manual. Made by the governor.
contract Applications is IApplications, Ownable2Step, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    uint256 public constant MIN_BOND = 1e18;
    uint256 public constant MAX_BOND = 10_000e18;
    uint256 public constant MAX_URI = 256;
    uint256 public constant MAX_CONTACT = 128;

    struct Record {
        address applicant;
        IRules.Kind kind;
        uint64 appliedAt;
        bool withdrawn;
        bool settled;
        /// What the proposal calls.
        IRules.Approval call;
        uint256 proposalId;
        uint256 bond;
        Profile profile;
    }

    HoraeGovernor public immutable GOVERNOR;
    LockingPool public immutable POOL;
    IERC20 public immutable METIS;

    /// @inheritdoc IApplications
    uint256 public bond;
    /// @inheritdoc IApplications
    uint64 public count;
    /// @notice The application of an applicant that is not settled; zero if there is none.
    mapping(address applicant => mapping(IRules.Kind => uint64 id)) public openOf;

    mapping(uint64 id => Record) private _records;
    mapping(address applicant => uint64[]) private _idsOf;

    /// @param governor Which decides. @param pool Whose whitelist it is. @param bond_ In wei of METIS. @param owner The timelock.
    constructor(HoraeGovernor governor, LockingPool pool, uint256 bond_, address owner) Ownable(owner) {
        GOVERNOR = governor;
        POOL = pool;
        METIS = pool.ESCROW().METIS();
        _setBond(bond_);
    }

    /// @inheritdoc IApplications
    function setBond(uint256 bond_) external onlyOwner {
        _setBond(bond_);
    }

    /* APPLICANTS */

    /// @inheritdoc IApplications
    function applyFor(IRules.Kind kind, Profile calldata profile) external nonReentrant returns (uint64 id) {
        uint64 open = openOf[msg.sender][kind];
        require(open == 0, AlreadyApplied(open));
        _requireProfile(profile);
        if (kind == IRules.Kind.Validator) _requireMayValidate(profile);

        id = ++count;
        Record storage mine = _records[id];
        (mine.applicant, mine.kind, mine.appliedAt) = (msg.sender, kind, uint64(block.timestamp));
        (mine.call, mine.bond, mine.profile) = (_callOf(kind), bond, profile);
        openOf[msg.sender][kind] = id;
        _idsOf[msg.sender].push(id);
        (address[] memory targets, uint256[] memory values, bytes[] memory calldatas, string memory text) =
            proposalOf(id);
        mine.proposalId = GOVERNOR.propose(targets, values, calldatas, text);
        emit Applied(id, msg.sender, kind, mine.proposalId, profile);
        _take(mine.bond);
    }

    /// @inheritdoc IApplications
    function withdraw(uint64 id) external nonReentrant {
        Record storage mine = _openRecord(id);
        require(mine.applicant == msg.sender, NotApplicant(id, msg.sender));
        Status status = _status(id);
        // The governor would cancel also what was rejected, and so give back what is lost.
        bool open = status == Status.Pending || status == Status.Approved || status == Status.Queued;
        // Who runs from a vote would otherwise never pay for having called it.
        bool voting = status == Status.Voting;
        require(open || voting, AlreadyDecided(id, status));
        mine.withdrawn = true;
        emit Withdrawn(id, msg.sender);
        (address[] memory targets, uint256[] memory values, bytes[] memory calldatas, string memory text) =
            proposalOf(id);
        // slither-disable-next-line unused-return: it is the id that was found above.
        GOVERNOR.cancel(targets, values, calldatas, keccak256(bytes(text)));
        _close(id, mine, voting ? owner() : msg.sender);
    }

    /// @inheritdoc IApplications
    function settle(uint64 id) external nonReentrant {
        Record storage record = _openRecord(id);
        Status status = _status(id);
        bool decided = status == Status.Accepted || status == Status.Rejected || status == Status.Cancelled;
        require(decided || status == Status.Ignored, NotDecided(id, status));
        _close(id, record, decided ? record.applicant : owner());
    }

    /* VIEWS */

    /// @inheritdoc IApplications
    function application(uint64 id) public view returns (Application memory) {
        Record storage record = _record(id);
        return Application({
            id: id,
            applicant: record.applicant,
            kind: record.kind,
            appliedAt: record.appliedAt,
            proposalId: record.proposalId,
            bond: record.bond,
            settled: record.settled,
            status: _status(id),
            profile: record.profile
        });
    }

    /// @inheritdoc IApplications
    function page(uint64 first, uint64 limit) external view returns (Application[] memory applications) {
        uint256 size = first == 0 || first > count ? 0 : count - first + 1;
        applications = new Application[](size < limit ? size : limit);
        for (uint64 i = 0; i < applications.length; i++) {
            applications[i] = application(first + i);
        }
    }

    /// @inheritdoc IApplications
    function applicationsOf(address applicant) external view returns (uint64[] memory) {
        return _idsOf[applicant];
    }

    /// @inheritdoc IApplications
    /// @dev The end of the description keeps everyone else from making the same proposal first.
    function proposalOf(uint64 id)
        public
        view
        returns (address[] memory targets, uint256[] memory values, bytes[] memory calldatas, string memory description)
    {
        Record storage record = _record(id);
        (targets, values, calldatas) = (new address[](1), new uint256[](1), new bytes[](1));
        targets[0] = record.call.target;
        calldatas[0] = abi.encodeWithSelector(record.call.selector, record.applicant, true);
        description = string.concat(
            record.kind == IRules.Kind.Validator ? "Validator application " : "Liquid staking application ",
            Strings.toString(id),
            " of ",
            Strings.toHexString(record.applicant),
            "\n",
            record.profile.uri,
            "\n",
            Strings.toHexString(uint256(record.profile.hash), 32),
            "\n#proposer=",
            Strings.toHexString(address(this))
        );
    }

    /* INTERNAL */

    function _record(uint64 id) private view returns (Record storage record) {
        record = _records[id];
        require(record.applicant != address(0), UnknownApplication(id));
    }

    function _openRecord(uint64 id) private view returns (Record storage record) {
        record = _record(id);
        require(!record.settled, AlreadySettled(id));
    }

    function _callOf(IRules.Kind kind) private view returns (IRules.Approval memory call) {
        require(kind != IRules.Kind.General, NotAnApplication(kind));
        if (kind == IRules.Kind.Validator) {
            return IRules.Approval({target: address(POOL), selector: ILockingPool.setWhitelist.selector});
        }
        call = GOVERNOR.liquidStaking();
        require(call.target != address(0), NoLiquidStaking());
    }

    function _status(uint64 id) private view returns (Status) {
        Record storage record = _records[id];
        if (record.withdrawn) return Status.Withdrawn;
        IGovernor.ProposalState state = GOVERNOR.state(record.proposalId);
        if (state == IGovernor.ProposalState.Pending) return Status.Pending;
        if (state == IGovernor.ProposalState.Active) return Status.Voting;
        if (state == IGovernor.ProposalState.Succeeded) return Status.Approved;
        if (state == IGovernor.ProposalState.Queued) return Status.Queued;
        if (state == IGovernor.ProposalState.Executed) return Status.Accepted;
        if (state != IGovernor.ProposalState.Defeated) return Status.Cancelled;
        (uint256 against, uint256 inFavour, uint256 abstained) = GOVERNOR.proposalVotes(record.proposalId);
        bool heard = against + inFavour + abstained >= GOVERNOR.proposalRule(record.proposalId).quorum;
        return heard ? Status.Rejected : Status.Ignored;
    }

    function _requireProfile(Profile calldata profile) private pure {
        (uint256 uri, uint256 contact) = (bytes(profile.uri).length, bytes(profile.contact).length);
        require(uri != 0 && contact != 0 && profile.hash != 0, ProfileIncomplete());
        require(uri <= MAX_URI, ProfileTooLong(uri, MAX_URI));
        require(contact <= MAX_CONTACT, ProfileTooLong(contact, MAX_CONTACT));
    }

    /// @dev Tells early what `lockFor` would refuse; it does not keep the keys for the applicant.
    function _requireMayValidate(Profile calldata profile) private view {
        require(profile.signer != address(0) && profile.nodeKey != 0, ProfileIncomplete());
        bool free = POOL.validatorOfSigner(profile.signer) == 0 && !POOL.isNodeKeyUsed(profile.nodeKey);
        require(free, KeysTaken(profile.signer, profile.nodeKey));
        require(!POOL.isWhitelisted(msg.sender), AlreadyWhitelisted(msg.sender));
    }

    function _take(uint256 amount) private {
        uint256 before = METIS.balanceOf(address(this));
        METIS.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = METIS.balanceOf(address(this)) - before;
        require(received == amount, WrongAmountReceived(received, amount));
    }

    function _close(uint64 id, Record storage record, address to) private {
        record.settled = true;
        delete openOf[record.applicant][record.kind];
        emit Settled(id, to, record.bond);
        METIS.safeTransfer(to, record.bond);
    }

    function _setBond(uint256 bond_) private {
        require(bond_ >= MIN_BOND && bond_ <= MAX_BOND, BondOutOfBounds(bond_, MIN_BOND, MAX_BOND));
        bond = bond_;
        emit BondChanged(bond_);
    }
}
