// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {CommonBase} from "forge-std/Base.sol";
import {StdCheats} from "forge-std/StdCheats.sol";
import {StdUtils} from "forge-std/StdUtils.sol";

import {LockingPool} from "../src/LockingPool.sol";
import {TestMetis} from "../src/devnet/TestMetis.sol";
import {Applications} from "../src/gov/Applications.sol";
import {HoraeGovernor} from "../src/gov/HoraeGovernor.sol";
import {IApplications} from "../src/interfaces/IApplications.sol";
import {IRules} from "../src/interfaces/IRules.sol";
import {Government} from "./base/Government.sol";

/// @notice Applicants who come and go, and voters who vote as they please, in any order.
contract Applicants is CommonBase, StdCheats, StdUtils {
    uint256 public constant COUNT = 4;

    TestMetis private immutable METIS;
    Applications private immutable APPLICATIONS;
    HoraeGovernor private immutable GOVERNOR;
    address[] private _voters;

    uint256 public left;
    uint256 public returned;
    uint256 public kept;
    uint256 public accepted;
    mapping(address => bool) public wasExecuted;

    constructor(TestMetis metis, HoraeGovernor governor, address[] memory voters) {
        (METIS, GOVERNOR, APPLICATIONS, _voters) = (metis, governor, governor.APPLICATIONS(), voters);
    }

    function applicantOf(uint256 n) public pure returns (address) {
        return address(uint160(0xA991 + n % COUNT));
    }

    function applyFor(uint256 n, bytes32 key) external {
        address who = applicantOf(n);
        if (key == 0 || wasExecuted[who] || APPLICATIONS.openOf(who, IRules.Kind.Validator) != 0) return;
        uint256 bond = APPLICATIONS.bond();
        METIS.mint(who, bond);
        IApplications.Profile memory profile = IApplications.Profile("u", key, "c", address(uint160(n) | 1), key);
        vm.startPrank(who);
        METIS.approve(address(APPLICATIONS), bond);
        APPLICATIONS.applyFor(IRules.Kind.Validator, profile);
        vm.stopPrank();
        left += bond;
    }

    function vote(uint64 id, uint256 who, uint8 support) external {
        id = _some(id);
        if (id == 0 || _status(id) != IApplications.Status.Voting) return;
        uint256 proposalId = APPLICATIONS.application(id).proposalId;
        address voter = _voters[who % _voters.length];
        if (GOVERNOR.hasVoted(proposalId, voter)) return;
        vm.prank(voter);
        GOVERNOR.castVote(proposalId, support % 3);
    }

    function wait(uint256 time) external {
        skip(bound(time, 1, 4 days));
    }

    function carry(uint64 id) external {
        id = _some(id);
        if (id == 0) return;
        (address[] memory targets, uint256[] memory values, bytes[] memory calldatas, string memory text) =
            APPLICATIONS.proposalOf(id);
        bytes32 hash = keccak256(bytes(text));
        if (_status(id) == IApplications.Status.Approved) {
            GOVERNOR.queue(targets, values, calldatas, hash);
        } else if (_status(id) == IApplications.Status.Queued) {
            uint256 eta = GOVERNOR.proposalEta(APPLICATIONS.application(id).proposalId);
            if (block.timestamp < eta) vm.warp(eta);
            GOVERNOR.execute(targets, values, calldatas, hash);
            wasExecuted[APPLICATIONS.application(id).applicant] = true;
            accepted++;
        }
    }

    function withdraw(uint64 id) external {
        id = _some(id);
        if (id == 0) return;
        IApplications.Application memory a = APPLICATIONS.application(id);
        uint256 before = METIS.balanceOf(a.applicant);
        bool ignored = a.status == IApplications.Status.Ignored;
        // Tried in every state, also where it is refused.
        vm.prank(a.applicant);
        try APPLICATIONS.withdraw(id) {
            require(!a.settled && !ignored, "what is lost came back");
            _paid(a, before);
        } catch {}
    }

    function settle(uint64 id) external {
        id = _some(id);
        if (id == 0) return;
        IApplications.Application memory a = APPLICATIONS.application(id);
        bool closed = a.status == IApplications.Status.Accepted || a.status == IApplications.Status.Rejected
            || a.status == IApplications.Status.Ignored;
        if (a.settled || !closed) return;
        uint256 before = METIS.balanceOf(a.applicant);
        APPLICATIONS.settle(id);
        _paid(a, before);
    }

    function setBond(uint256 bond) external {
        address governance = APPLICATIONS.owner();
        vm.prank(governance);
        APPLICATIONS.setBond(bound(bond, 1e18, 10_000e18));
    }

    function _paid(IApplications.Application memory a, uint256 before) private {
        uint256 back = METIS.balanceOf(a.applicant) - before;
        require(back == 0 || back == a.bond, "a bond comes back whole or not");
        returned += back;
        kept += a.bond - back;
    }

    function _some(uint64 id) private view returns (uint64) {
        uint64 count = APPLICATIONS.count();
        return count == 0 ? 0 : 1 + id % count;
    }

    function _status(uint64 id) private view returns (IApplications.Status) {
        return APPLICATIONS.application(id).status;
    }
}

contract ApplicationsInvariantTest is Government {
    Applicants private applicants;

    function setUp() public {
        deploy();
        handOver();
        address[] memory voters = new address[](3);
        (voters[0], voters[1], voters[2]) = (address(0xD1), address(0xD2), address(0xD3));
        voter(voters[0], 45_000e18);
        voter(voters[1], 10_000e18);
        voter(voters[2], 12_000e18);
        applicants = new Applicants(metis, governor, voters);
        bytes4[] memory selectors = new bytes4[](7);
        (selectors[0], selectors[1], selectors[2]) =
        (Applicants.applyFor.selector, Applicants.vote.selector, Applicants.wait.selector);
        (selectors[3], selectors[4], selectors[5]) =
        (Applicants.carry.selector, Applicants.withdraw.selector, Applicants.settle.selector);
        selectors[6] = Applicants.setBond.selector;
        targetSelector(FuzzSelector(address(applicants), selectors));
        targetContract(address(applicants));
    }

    /// @dev All bonds that are not settled are here; the others went to the applicant or to governance.
    function invariant_everyBondIsSomewhere() public view {
        uint256 open;
        for (uint64 id = 1; id <= applications.count(); id++) {
            IApplications.Application memory a = applications.application(id);
            if (!a.settled) open += a.bond;
            assertEq(applications.openOf(a.applicant, a.kind) == id, !a.settled);
        }
        assertEq(metis.balanceOf(address(applications)), open);
        assertEq(applicants.left(), open + applicants.returned() + applicants.kept());
        assertEq(metis.balanceOf(address(timelock)), applicants.kept());
    }

    /// @dev Only a vote that was won and carried out lets anyone in.
    function invariant_onlyWhoWonIsLetIn() public view {
        for (uint256 n = 0; n < applicants.COUNT(); n++) {
            address who = applicants.applicantOf(n);
            assertEq(pool.isWhitelisted(who), applicants.wasExecuted(who));
        }
        for (uint64 id = 1; id <= applications.count(); id++) {
            IApplications.Application memory a = applications.application(id);
            if (a.status != IApplications.Status.Accepted) continue;
            (uint256 against, uint256 inFavour, uint256 abstained) = governor.proposalVotes(a.proposalId);
            assertGe(inFavour + abstained, 50_000e18);
            assertGe(inFavour * 10, (inFavour + against) * 8);
        }
    }

    function test_theHandlerReachesEveryAction() public {
        applicants.applyFor(1, bytes32(uint256(1)));
        applicants.wait(2 days);
        applicants.vote(0, 0, 1);
        applicants.vote(0, 1, 1);
        applicants.wait(4 days);
        applicants.wait(4 days);
        applicants.carry(0);
        applicants.carry(0);
        applicants.settle(0);
        assertEq(applicants.accepted(), 1);
        assertGt(applicants.returned(), 0);
        applicants.setBond(7e18);
        applicants.applyFor(2, bytes32(uint256(2)));
        applicants.wait(2 days);
        applicants.withdraw(1);
        assertEq(applicants.kept(), 7e18);
        invariant_everyBondIsSomewhere();
        invariant_onlyWhoWonIsLetIn();
    }
}
