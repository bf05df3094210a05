// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {LockingPool} from "../src/LockingPool.sol";
import {HoraeGovernor} from "../src/gov/HoraeGovernor.sol";
import {IApplications} from "../src/interfaces/IApplications.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {IRules} from "../src/interfaces/IRules.sol";
import {Approvals, Government} from "./base/Government.sol";
import {HostileToken} from "./base/HostileToken.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice Applying: one whole life, every other end of it, the bond in each, and what is refused.
contract ApplicationsTest is Government {
    address private constant ALICE = address(0xA11);

    Approvals private approvals = new Approvals();

    function setUp() public {
        deploy();
        handOver();
    }

    /* A LIFE */

    /// @dev Wrap, delegate, apply, vote, queue, wait, execute; then `lockFor` works.
    function test_theLifeOfAnApplication() public {
        // Two holders of METIS wrap it; one votes itself, the other by the first.
        voter(ALICE, 45_000e18);
        metis.mint(address(0xB0B0), 10_000e18);
        vm.startPrank(address(0xB0B0));
        metis.approve(address(wrapped), 10_000e18);
        wrapped.depositFor(address(0xB0B0), 10_000e18);
        wrapped.delegate(ALICE);
        vm.stopPrank();
        skip(1);

        // The applicant cannot lock yet, and applies.
        metis.mint(ownerOf(1), LEAST);
        vm.startPrank(ownerOf(1));
        metis.approve(address(pool.ESCROW()), LEAST);
        bytes memory proof = ecdsa(signerSecret(1), pool.signerDigest(ownerOf(1), signerOf(1)));
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotWhitelisted.selector, ownerOf(1)));
        pool.lockFor(signerOf(1), nodeKeyOf(1), LEAST, proof);
        vm.stopPrank();
        uint64 id = _apply(1);
        IApplications.Application memory mine = applications.application(id);
        assertEq(mine.applicant, ownerOf(1));
        assertEq(uint8(mine.kind), uint8(IRules.Kind.Validator));
        assertEq(mine.appliedAt, vm.getBlockTimestamp());
        assertEq(mine.bond, BOND);
        assertEq(mine.profile.signer, signerOf(1));
        assertEq(governor.proposalProposer(mine.proposalId), address(applications));
        assertEq(governor.proposalRule(mine.proposalId).quorum, 50_000e18);
        _assertStatus(id, IApplications.Status.Pending);

        toVote();
        _assertStatus(id, IApplications.Status.Voting);
        vote(ALICE, mine.proposalId, 1);
        afterVote();
        _assertStatus(id, IApplications.Status.Approved);
        Proposal memory p = proposalOf(id);
        queue(p);
        _assertStatus(id, IApplications.Status.Queued);
        skip(DELAY - 1);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        execute(p);
        skip(1);
        execute(p);
        _assertStatus(id, IApplications.Status.Accepted);

        vm.expectEmit(address(applications));
        emit IApplications.Settled(id, ownerOf(1), BOND);
        applications.settle(id);
        assertEq(metis.balanceOf(ownerOf(1)), LEAST + BOND);
        vm.prank(ownerOf(1));
        assertEq(pool.lockFor(signerOf(1), nodeKeyOf(1), LEAST, proof), 1);
        // From now on it votes as well.
        assertEq(power.getVotes(ownerOf(1)), LEAST);
    }

    function test_aProviderIsApprovedByTwentyThousand() public {
        _enableLiquidStaking();
        voter(ALICE, 20_000e18);
        IApplications.Profile memory profile = profileOf(1);
        (profile.signer, profile.nodeKey) = (address(0), 0);
        uint64 id = _applyWith(1, IRules.Kind.LiquidStaking, profile);
        uint256 proposalId = applications.application(id).proposalId;
        assertEq(governor.proposalRule(proposalId).quorum, 20_000e18);
        toVote();
        vote(ALICE, proposalId, 1);
        afterVote();
        Proposal memory p = proposalOf(id);
        queue(p);
        skip(DELAY);
        execute(p);
        assertTrue(approvals.isApproved(ownerOf(1)));
        assertFalse(pool.isWhitelisted(ownerOf(1)));
        applications.settle(id);
        assertEq(metis.balanceOf(ownerOf(1)), BOND);
    }

    /// @dev What a proposal calls is fixed when it is made.
    function test_aProposalKeepsItsTarget() public {
        _enableLiquidStaking();
        uint64 id = _applyWith(1, IRules.Kind.LiquidStaking, profileOf(1));
        IRules.Approval memory other = IRules.Approval(address(new Approvals()), Approvals.approveProvider.selector);
        pass(proposal(address(governor), abi.encodeCall(governor.setLiquidStaking, (other)), "other"));
        assertEq(proposalOf(id).targets[0], address(approvals));
        // Its id is the one that it had.
        Proposal memory p = proposalOf(id);
        uint256 proposalId = governor.getProposalId(p.targets, p.values, p.calldatas, keccak256(bytes(p.description)));
        assertEq(proposalId, applications.application(id).proposalId);
    }

    /* OTHER ENDS */

    function test_whoIsRejectedGetsItsBondBack() public {
        uint64 id = _apply(1);
        toVote();
        vote(WHALE, applications.application(id).proposalId, 0);
        afterVote();
        _assertStatus(id, IApplications.Status.Rejected);
        applications.settle(id);
        assertEq(metis.balanceOf(ownerOf(1)), BOND);
        assertFalse(pool.isWhitelisted(ownerOf(1)));
        // And may try again.
        assertEq(_apply(1), 2);
    }

    function test_whoIsIgnoredLosesItsBond() public {
        voter(ALICE, 50_000e18 - 1);
        uint64 id = _apply(1);
        toVote();
        vote(ALICE, applications.application(id).proposalId, 0);
        afterVote();
        _assertStatus(id, IApplications.Status.Ignored);
        applications.settle(id);
        assertEq(metis.balanceOf(ownerOf(1)), 0);
        assertEq(metis.balanceOf(address(timelock)), BOND);
    }

    function test_anApplicationIsWithdrawnBeforeItsVote() public {
        uint64 id = _apply(1);
        vm.expectEmit(address(applications));
        emit IApplications.Withdrawn(id, ownerOf(1));
        _withdraw(id);
        assertEq(metis.balanceOf(ownerOf(1)), BOND);
        _assertStatus(id, IApplications.Status.Withdrawn);
        assertState(applications.application(id).proposalId, IGovernor.ProposalState.Canceled);
        assertTrue(applications.application(id).settled);
        assertEq(applications.openOf(ownerOf(1), IRules.Kind.Validator), 0);
    }

    function test_whoRunsFromTheVoteLosesItsBond() public {
        uint64 id = _apply(1);
        toVote();
        _withdraw(id);
        assertEq(metis.balanceOf(address(timelock)), BOND);
        assertEq(metis.balanceOf(ownerOf(1)), 0);
    }

    function test_anApplicationIsWithdrawnAfterItWasWon() public {
        uint64 id = _apply(1);
        toVote();
        vote(WHALE, applications.application(id).proposalId, 1);
        afterVote();
        uint256 state = vm.snapshotState();
        _withdraw(id);
        assertEq(metis.balanceOf(ownerOf(1)), BOND);
        vm.revertToState(state);
        // Queued already: it leaves the timelock too.
        Proposal memory p = proposalOf(id);
        queue(p);
        _withdraw(id);
        assertEq(metis.balanceOf(ownerOf(1)), BOND);
        skip(DELAY);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        execute(p);
        assertFalse(pool.isWhitelisted(ownerOf(1)));
    }

    function test_whatOthersCancelIsReturned() public {
        uint64 id = _apply(1);
        toVote();
        vote(WHALE, applications.application(id).proposalId, 1);
        afterVote();
        Proposal memory p = proposalOf(id);
        queue(p);
        bytes32 salt = bytes20(address(governor)) ^ keccak256(bytes(p.description));
        bytes32 operation = timelock.hashOperationBatch(p.targets, p.values, p.calldatas, 0, salt);
        vm.prank(address(governor));
        timelock.cancel(operation);
        _assertStatus(id, IApplications.Status.Cancelled);
        applications.settle(id);
        assertEq(metis.balanceOf(ownerOf(1)), BOND);
    }

    /// @dev Least of all what was ignored, whose bond would come back so.
    function test_whatIsDecidedIsNotWithdrawn() public {
        (uint64 won, uint64 lost, uint64 ignored) = (_apply(1), _apply(2), _apply(3));
        toVote();
        vote(WHALE, applications.application(won).proposalId, 1);
        vote(WHALE, applications.application(lost).proposalId, 0);
        afterVote();
        Proposal memory p = proposalOf(won);
        queue(p);
        skip(DELAY);
        execute(p);
        _refusesToWithdraw(won, IApplications.Status.Accepted);
        _refusesToWithdraw(lost, IApplications.Status.Rejected);
        _refusesToWithdraw(ignored, IApplications.Status.Ignored);
        applications.settle(ignored);
        assertEq(metis.balanceOf(address(timelock)), BOND);
    }

    /* REFUSALS */

    function test_oneApplicationAtATimeOfEachKind() public {
        _enableLiquidStaking();
        uint64 id = _apply(1);
        bonded(1);
        vm.expectRevert(abi.encodeWithSelector(IApplications.AlreadyApplied.selector, id));
        vm.prank(ownerOf(1));
        applications.applyFor(IRules.Kind.Validator, profileOf(1));
        vm.prank(ownerOf(1));
        assertEq(applications.applyFor(IRules.Kind.LiquidStaking, profileOf(1)), 2);
    }

    function test_onlyApplicationsAreAppliedFor() public {
        _refuses(
            IRules.Kind.General,
            profileOf(1),
            abi.encodeWithSelector(IApplications.NotAnApplication.selector, IRules.Kind.General)
        );
        _refuses(
            IRules.Kind.LiquidStaking, profileOf(1), abi.encodeWithSelector(IApplications.NoLiquidStaking.selector)
        );
    }

    function test_profilesAreWholeAndNotTooLong() public {
        bytes memory incomplete = abi.encodeWithSelector(IApplications.ProfileIncomplete.selector);
        IApplications.Profile memory profile = profileOf(1);
        profile.uri = "";
        _refuses(IRules.Kind.Validator, profile, incomplete);
        profile = profileOf(1);
        profile.hash = 0;
        _refuses(IRules.Kind.Validator, profile, incomplete);
        profile = profileOf(1);
        profile.contact = "";
        _refuses(IRules.Kind.Validator, profile, incomplete);
        profile = profileOf(1);
        profile.signer = address(0);
        _refuses(IRules.Kind.Validator, profile, incomplete);
        profile = profileOf(1);
        profile.nodeKey = 0;
        _refuses(IRules.Kind.Validator, profile, incomplete);
        profile = profileOf(1);
        profile.uri = string(new bytes(257));
        _refuses(
            IRules.Kind.Validator, profile, abi.encodeWithSelector(IApplications.ProfileTooLong.selector, 257, 256)
        );
        profile = profileOf(1);
        profile.contact = string(new bytes(129));
        _refuses(
            IRules.Kind.Validator, profile, abi.encodeWithSelector(IApplications.ProfileTooLong.selector, 129, 128)
        );
    }

    function test_whoCouldNotLockOrNeedNotApplyIsTold() public {
        vm.startPrank(address(timelock));
        pool.setWhitelist(ownerOf(1), true);
        vm.stopPrank();
        _refuses(
            IRules.Kind.Validator,
            profileOf(1),
            abi.encodeWithSelector(IApplications.AlreadyWhitelisted.selector, ownerOf(1))
        );
        _lock(1);
        vm.prank(address(timelock));
        pool.setWhitelist(ownerOf(1), false);
        _refuses(
            IRules.Kind.Validator,
            profileOf(1),
            abi.encodeWithSelector(IApplications.KeysTaken.selector, signerOf(1), nodeKeyOf(1))
        );
        IApplications.Profile memory profile = profileOf(2);
        profile.nodeKey = nodeKeyOf(1);
        _refuses(
            IRules.Kind.Validator,
            profile,
            abi.encodeWithSelector(IApplications.KeysTaken.selector, signerOf(2), nodeKeyOf(1))
        );
    }

    function test_onlyTheApplicantWithdraws() public {
        uint64 id = _apply(1);
        vm.expectRevert(abi.encodeWithSelector(IApplications.NotApplicant.selector, id, ALICE));
        vm.prank(ALICE);
        applications.withdraw(id);
    }

    function test_nothingIsSettledBeforeItIsDecided() public {
        uint64 id = _apply(1);
        _refusesToSettle(id, IApplications.Status.Pending);
        toVote();
        _refusesToSettle(id, IApplications.Status.Voting);
        vote(WHALE, applications.application(id).proposalId, 1);
        afterVote();
        _refusesToSettle(id, IApplications.Status.Approved);
        queue(proposalOf(id));
        _refusesToSettle(id, IApplications.Status.Queued);
        skip(DELAY);
        execute(proposalOf(id));
        applications.settle(id);
        bytes memory settled = abi.encodeWithSelector(IApplications.AlreadySettled.selector, id);
        vm.expectRevert(settled);
        applications.settle(id);
        vm.expectRevert(settled);
        _withdraw(id);
    }

    function test_whatIsNotThereIsUnknown() public {
        _apply(1);
        for (uint64 id = 0; id <= 2; id += 2) {
            bytes memory unknown = abi.encodeWithSelector(IApplications.UnknownApplication.selector, id);
            vm.expectRevert(unknown);
            applications.application(id);
            vm.expectRevert(unknown);
            applications.settle(id);
            vm.expectRevert(unknown);
            applications.withdraw(id);
            vm.expectRevert(unknown);
            applications.proposalOf(id);
        }
    }

    function test_theBondChangesWithinBoundsByGovernance() public {
        vm.startPrank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(IApplications.BondOutOfBounds.selector, 1e18 - 1, 1e18, 10_000e18));
        applications.setBond(1e18 - 1);
        vm.expectRevert(abi.encodeWithSelector(IApplications.BondOutOfBounds.selector, 10_000e18 + 1, 1e18, 10_000e18));
        applications.setBond(10_000e18 + 1);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        applications.setBond(1e18);
        // Who has applied is owed what it left.
        uint64 id = _apply(1);
        vm.expectEmit(address(applications));
        emit IApplications.BondChanged(500e18);
        vm.prank(address(timelock));
        applications.setBond(500e18);
        _withdraw(id);
        assertEq(metis.balanceOf(ownerOf(1)), BOND);
        _apply(2);
        assertEq(metis.balanceOf(address(applications)), 500e18);
    }

    /// @dev The description names the proposer, so nobody can make the same proposal first and block the applicant.
    function test_nobodyProposesAnApplicationFirst() public {
        uint256 state = vm.snapshotState();
        Proposal memory p = proposalOf(_apply(1));
        vm.revertToState(state);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorRestrictedProposer.selector, WHALE));
        propose(p);
        _apply(1);
    }

    /* LISTS */

    function test_applicationsArePaged() public {
        for (uint256 n = 1; n <= 5; n++) {
            _apply(n);
        }
        _withdraw(3);
        assertEq(_apply(3), 6);
        assertEq(applications.count(), 6);
        IApplications.Application[] memory page = applications.page(2, 3);
        assertEq(page.length, 3);
        assertEq(page[0].id, 2);
        assertEq(page[0].applicant, ownerOf(2));
        assertEq(uint8(page[1].status), uint8(IApplications.Status.Withdrawn));
        assertEq(page[2].profile.hash, profileOf(4).hash);
        assertEq(applications.page(5, 9).length, 2);
        assertEq(applications.page(6, type(uint64).max).length, 1);
        assertEq(applications.page(7, 1).length, 0);
        assertEq(applications.page(0, 1).length, 0);
        assertEq(applications.page(1, 0).length, 0);
        uint64[] memory ids = applications.applicationsOf(ownerOf(3));
        assertEq(ids.length, 2);
        assertEq(ids[1], 6);
        assertEq(applications.openOf(ownerOf(3), IRules.Kind.Validator), 6);
    }

    function test_theDescriptionSaysWhatIsVotedOn() public {
        Proposal memory p = proposalOf(_apply(1));
        string memory text = string.concat(
            "Validator application 1 of 0x00000000000000000000000000000000a11ce001\nipfs://application\n",
            vm.toString(profileOf(1).hash),
            "\n#proposer=",
            vm.toLowercase(vm.toString(address(applications)))
        );
        assertEq(p.description, text);
        assertEq(p.targets[0], address(pool));
        assertEq(p.calldatas[0], abi.encodeCall(pool.setWhitelist, (ownerOf(1), true)));
    }

    function testFuzz_noProfileEscapesTheRules(string memory uri, string memory contact, bytes32 hash) public {
        IApplications.Profile memory profile = profileOf(1);
        (profile.uri, profile.contact, profile.hash) = (uri, contact, hash);
        bonded(1);
        vm.prank(ownerOf(1));
        (bool good,) =
            address(applications).call(abi.encodeCall(applications.applyFor, (IRules.Kind.Validator, profile)));
        uint256 size = bytes(uri).length;
        uint256 other = bytes(contact).length;
        assertEq(good, size != 0 && size <= 256 && other != 0 && other <= 128 && hash != 0);
        if (!good) return;
        Proposal memory p = proposalOf(1);
        uint256 proposalId = governor.getProposalId(p.targets, p.values, p.calldatas, keccak256(bytes(p.description)));
        assertEq(proposalId, applications.application(1).proposalId);
        assertEq(governor.proposalRule(proposalId).quorum, 50_000e18);
        _withdraw(1);
    }

    /* HOSTILE TOKEN */

    function test_aHostileTokenGetsNoSecondBond() public {
        (HostileToken hostile, HoraeGovernor other) = _hostile();
        // While the bond comes in: closing, or applying again.
        applications = other.APPLICATIONS();
        _hostileBond(hostile);
        hostile.attack(address(applications), abi.encodeCall(applications.settle, (1)));
        vm.prank(ownerOf(1));
        applications.applyFor(IRules.Kind.Validator, profileOf(1));
        bytes memory reentered = abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        assertEq(hostile.answer(), reentered);
        // While it goes out.
        hostile.attack(address(applications), abi.encodeCall(applications.withdraw, (1)));
        vm.prank(ownerOf(1));
        applications.withdraw(1);
        assertEq(hostile.answer(), reentered);
        assertEq(hostile.balanceOf(ownerOf(1)), BOND);
        assertEq(hostile.balanceOf(address(applications)), 0);
    }

    function test_aBondArrivesWhole() public {
        (HostileToken hostile, HoraeGovernor other) = _hostile();
        applications = other.APPLICATIONS();
        _hostileBond(hostile);
        hostile.charge(1);
        vm.expectRevert(abi.encodeWithSelector(IApplications.WrongAmountReceived.selector, BOND - 1, BOND));
        vm.prank(ownerOf(1));
        applications.applyFor(IRules.Kind.Validator, profileOf(1));
        assertEq(applications.count(), 0);
    }

    /* HELPERS */

    function _hostile() private returns (HostileToken hostile, HoraeGovernor other) {
        hostile = new HostileToken();
        LockingPool pool_ = Proxied.pool(hostile, address(timelock), EXIT_DELAY);
        other = new HoraeGovernor(power, timelock, pool_, HoraeGovernor.Setup(VOTING_DELAY, VOTING_PERIOD, 0, BOND));
    }

    function _hostileBond(HostileToken hostile) private {
        hostile.mint(ownerOf(1), BOND);
        vm.prank(ownerOf(1));
        hostile.approve(address(applications), BOND);
    }

    function _enableLiquidStaking() private {
        IRules.Approval memory approval = IRules.Approval(address(approvals), approvals.approveProvider.selector);
        pass(proposal(address(governor), abi.encodeCall(governor.setLiquidStaking, (approval)), "LST"));
    }

    function _apply(uint256 n) private returns (uint64) {
        return _applyWith(n, IRules.Kind.Validator, profileOf(n));
    }

    function _applyWith(uint256 n, IRules.Kind kind, IApplications.Profile memory profile) private returns (uint64) {
        // What it had of bonds that came back is kept apart.
        uint256 had = metis.balanceOf(ownerOf(n));
        bonded(n);
        vm.prank(ownerOf(n));
        uint64 id = applications.applyFor(kind, profile);
        assertEq(metis.balanceOf(ownerOf(n)), had);
        return id;
    }

    function _lock(uint256 n) private {
        metis.mint(ownerOf(n), LEAST);
        bytes memory proof = ecdsa(signerSecret(n), pool.signerDigest(ownerOf(n), signerOf(n)));
        vm.startPrank(ownerOf(n));
        metis.approve(address(pool.ESCROW()), LEAST);
        pool.lockFor(signerOf(n), nodeKeyOf(n), LEAST, proof);
        vm.stopPrank();
    }

    function _withdraw(uint64 id) private {
        vm.prank(ownerOf(id));
        applications.withdraw(id);
    }

    function _refuses(IRules.Kind kind, IApplications.Profile memory profile, bytes memory why) private {
        vm.expectRevert(why);
        vm.prank(ownerOf(1));
        applications.applyFor(kind, profile);
    }

    function _refusesToSettle(uint64 id, IApplications.Status status) private {
        vm.expectRevert(abi.encodeWithSelector(IApplications.NotDecided.selector, id, status));
        applications.settle(id);
    }

    function _refusesToWithdraw(uint64 id, IApplications.Status status) private {
        vm.expectRevert(abi.encodeWithSelector(IApplications.AlreadyDecided.selector, id, status));
        _withdraw(id);
    }

    function _assertStatus(uint64 id, IApplications.Status status) private view {
        assertEq(uint8(applications.application(id).status), uint8(status));
    }
}
