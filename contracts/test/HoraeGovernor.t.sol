// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {stdError} from "forge-std/StdError.sol";

import {LockingEscrow} from "../src/LockingEscrow.sol";
import {HoraeGovernor} from "../src/gov/HoraeGovernor.sol";
import {Timelock} from "../src/gov/Timelock.sol";
import {IGuarded} from "../src/interfaces/IGuarded.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {IRules} from "../src/interfaces/IRules.sol";
import {ISlasher} from "../src/interfaces/ISlasher.sol";
import {StakeVotes} from "../src/pool/StakeVotes.sol";
import {Approvals, Government} from "./base/Government.sol";

/// @notice What a proposal needs, who may decide what, and what nobody may.
contract HoraeGovernorTest is Government {
    address private constant ALICE = address(0xA11);
    address private constant BOB = address(0xB0B0);
    uint128 private constant QUORUM = 50_000e18;

    Approvals private approvals = new Approvals();

    function setUp() public {
        deploy();
    }

    /* OWNERSHIP */

    function test_theFirstProposalTakesEverythingOver() public {
        Proposal memory p = handingOver();
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), address(this));
        pass(p);
        _assertAllOwned();
    }

    function test_aDeployScriptHandsOverWithoutAVote() public {
        handOver();
        _assertAllOwned();
        // And keeps nothing.
        assertFalse(timelock.hasRole(timelock.DEFAULT_ADMIN_ROLE(), address(this)));
        bytes memory stranger = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, address(this), timelock.PROPOSER_ROLE()
        );
        vm.expectRevert(stranger);
        timelock.schedule(address(pool), 0, "", 0, 0, DELAY);
    }

    /* RULES */

    function test_theRulesAreTheIncumbents() public view {
        _assertRule(governor.rule(IRules.Kind.General), QUORUM, 8_000);
        _assertRule(governor.rule(IRules.Kind.Validator), QUORUM, 8_000);
        _assertRule(governor.rule(IRules.Kind.LiquidStaking), 20_000e18, 8_000);
        assertEq(governor.quorum(0), QUORUM);
        assertEq(address(governor.POOL()), address(pool));
    }

    function test_aVoteNeedsItsQuorum() public {
        voter(ALICE, QUORUM - 1);
        voter(BOB, 1);
        uint256 id = propose(_whitelisting(true));
        toVote();
        vote(ALICE, id, 1);
        uint256 state = vm.snapshotState();
        afterVote();
        assertState(id, IGovernor.ProposalState.Defeated);
        vm.revertToState(state);
        // Who abstains is there, who is against does not help.
        vote(BOB, id, 2);
        afterVote();
        assertState(id, IGovernor.ProposalState.Succeeded);
        vm.revertToState(state);
        vote(BOB, id, 0);
        afterVote();
        assertState(id, IGovernor.ProposalState.Defeated);
    }

    function test_aVoteNeedsFourFifths() public {
        voter(ALICE, 80_000e18);
        voter(BOB, 20_000e18);
        voter(address(0xC), 1);
        uint256 id = propose(_whitelisting(true));
        toVote();
        vote(ALICE, id, 1);
        vote(BOB, id, 0);
        uint256 state = vm.snapshotState();
        afterVote();
        assertState(id, IGovernor.ProposalState.Succeeded);
        vm.revertToState(state);
        vote(address(0xC), id, 0);
        afterVote();
        assertState(id, IGovernor.ProposalState.Defeated);
    }

    function test_abstentionsAloneDecideNothing() public {
        uint256 id = propose(_whitelisting(true));
        toVote();
        vote(WHALE, id, 2);
        afterVote();
        assertState(id, IGovernor.ProposalState.Defeated);
    }

    function testFuzz_theRuleIsWhatItSays(uint256 inFavour, uint256 against, uint256 abstained) public {
        inFavour = bound(inFavour, 0, 200_000e18);
        against = bound(against, 0, 60_000e18);
        abstained = bound(abstained, 0, 60_000e18);
        voter(ALICE, inFavour);
        voter(BOB, against);
        voter(address(0xC), abstained);
        uint256 id = propose(_whitelisting(true));
        toVote();
        vote(ALICE, id, 1);
        vote(BOB, id, 0);
        vote(address(0xC), id, 2);
        afterVote();
        bool passes = inFavour + abstained >= QUORUM && inFavour != 0 && inFavour * 10 >= (inFavour + against) * 8;
        assertState(id, passes ? IGovernor.ProposalState.Succeeded : IGovernor.ProposalState.Defeated);
    }

    /* KINDS */

    function test_aKindFollowsFromTheCall() public {
        _enableLiquidStaking();
        bytes memory yes = abi.encodeCall(pool.setWhitelist, (ALICE, true));
        bytes memory no = abi.encodeCall(pool.setWhitelist, (ALICE, false));
        bytes memory approve = abi.encodeCall(approvals.approveProvider, (ALICE, true));
        _assertKind(address(pool), 0, yes, IRules.Kind.Validator);
        _assertKind(address(approvals), 0, approve, IRules.Kind.LiquidStaking);
        // Taking it back is offboarding.
        _assertKind(address(pool), 0, no, IRules.Kind.General);
        _assertKind(
            address(approvals), 0, abi.encodeCall(approvals.approveProvider, (ALICE, false)), IRules.Kind.General
        );
        _assertKind(address(pool), 0, abi.encodeCall(pool.forceUnlock, (1)), IRules.Kind.General);
        // Nearly the same.
        _assertKind(address(pool), 1, yes, IRules.Kind.General);
        _assertKind(address(inbox), 0, yes, IRules.Kind.General);
        _assertKind(address(approvals), 0, yes, IRules.Kind.General);
        _assertKind(address(pool), 0, approve, IRules.Kind.General);
        _assertKind(address(pool), 0, abi.encodePacked(yes, uint8(0)), IRules.Kind.General);
        _assertKind(address(pool), 0, "", IRules.Kind.General);
        _assertKind(
            address(pool), 0, abi.encodePacked(pool.setWhitelist.selector, abi.encode(ALICE, 2)), IRules.Kind.General
        );
        // Words that the pool itself would refuse are at least no reason to fail here.
        bytes memory dirty = abi.encodePacked(pool.setWhitelist.selector, abi.encode(type(uint256).max, 1));
        _assertKind(address(pool), 0, dirty, IRules.Kind.Validator);
    }

    function test_whereNothingIsApprovedNothingIsAnApproval() public view {
        bytes memory data = abi.encodePacked(bytes4(0), abi.encode(ALICE, true));
        assertEq(uint8(governor.kindOf(address(0), 0, data)), uint8(IRules.Kind.General));
    }

    function test_mixedCallsNeedTheStrictestRule() public {
        _enableLiquidStaking();
        _setRule(IRules.Kind.General, 30_000e18, 6_000);
        _setRule(IRules.Kind.Validator, 60_000e18, 7_000);
        _setRule(IRules.Kind.LiquidStaking, 10_000e18, 9_000);
        Proposal memory p = _approving("1");
        _assertRule(governor.proposalRule(propose(p)), 10_000e18, 9_000);
        p = _whitelisting(true);
        _assertRule(governor.proposalRule(propose(p)), 60_000e18, 7_000);
        // Two that are let in together.
        add(p, address(approvals), abi.encodeCall(approvals.approveProvider, (BOB, true)));
        _assertRule(governor.proposalRule(propose(p)), 60_000e18, 9_000);
        // A general call in front or behind makes nothing cheaper, and a general proposal alone is not cheaper either.
        p = _approving("2");
        add(p, address(pool), abi.encodeCall(pool.setChangeInterval, (1)));
        _assertRule(governor.proposalRule(propose(p)), 60_000e18, 9_000);
        p = proposal(address(pool), abi.encodeCall(pool.setChangeInterval, (1)), "3");
        _assertRule(governor.proposalRule(propose(p)), 60_000e18, 9_000);
    }

    function testFuzz_noMixIsCheaperThanAnyOfItsCalls(
        uint8[5] memory calls,
        uint128[3] memory quorums,
        uint16[3] memory shares
    ) public {
        _enableLiquidStaking();
        for (uint8 i = 0; i < 3; i++) {
            quorums[i] = uint128(bound(quorums[i], 10_000e18, 400_000e18));
            shares[i] = uint16(bound(shares[i], 5_001, 9_500));
            _setRule(IRules.Kind(i), quorums[i], shares[i]);
        }
        Proposal memory p;
        p.description = "mixed";
        for (uint256 i = 0; i < calls.length; i++) {
            if (calls[i] % 3 == 0) add(p, address(pool), abi.encodeCall(pool.forceUnlock, (calls[i])));
            if (calls[i] % 3 == 1) add(p, address(pool), abi.encodeCall(pool.setWhitelist, (ownerOf(i), true)));
            if (calls[i] % 3 == 2) {
                add(p, address(approvals), abi.encodeCall(approvals.approveProvider, (ownerOf(i), true)));
            }
        }
        IRules.Rule memory needed = governor.proposalRule(propose(p));
        for (uint256 i = 0; i < calls.length; i++) {
            uint8 kind = calls[i] % 3;
            assertGe(needed.quorum, quorums[kind]);
            assertGe(needed.share, shares[kind]);
            for (uint8 other = 0; kind == 0 && other < 3; other++) {
                assertGe(needed.quorum, quorums[other]);
                assertGe(needed.share, shares[other]);
            }
        }
    }

    function test_aRuleIsFixedWhenTheProposalIsMade() public {
        uint256 id = propose(_whitelisting(true));
        _setRule(IRules.Kind.Validator, 400_000e18, 9_000);
        _assertRule(governor.proposalRule(id), QUORUM, 8_000);
        _assertRule(governor.proposalRule(12_345), 0, 0);
    }

    /* PARAMETERS */

    function test_rulesChangeWithinBoundsOnly() public {
        IRules.Rule[4] memory outside = [
            IRules.Rule(10_000e18 - 1, 8_000),
            IRules.Rule(500_000e18 + 1, 8_000),
            IRules.Rule(QUORUM, 5_000),
            IRules.Rule(QUORUM, 9_501)
        ];
        for (uint256 i = 0; i < outside.length; i++) {
            passRefused(
                address(governor),
                abi.encodeCall(governor.setRule, (IRules.Kind.Validator, outside[i])),
                abi.encodeWithSelector(IRules.RuleOutOfBounds.selector, outside[i])
            );
        }
        Proposal memory p = proposal(
            address(governor),
            abi.encodeCall(governor.setRule, (IRules.Kind.Validator, IRules.Rule(500_000e18, 9_500))),
            "within"
        );
        carry(p);
        vm.expectEmit(address(governor));
        emit IRules.RuleChanged(IRules.Kind.Validator, IRules.Rule(500_000e18, 9_500));
        execute(p);
    }

    function test_timesAndThresholdChangeWithinBoundsOnly() public {
        _refusedSetting(
            abi.encodeCall(governor.setVotingDelay, (VOTING_DELAY - 1)), VOTING_DELAY - 1, VOTING_DELAY, 30 days
        );
        _refusedSetting(abi.encodeCall(governor.setVotingDelay, (30 days + 1)), 30 days + 1, VOTING_DELAY, 30 days);
        _refusedSetting(
            abi.encodeCall(governor.setVotingPeriod, (VOTING_PERIOD - 1)), VOTING_PERIOD - 1, VOTING_PERIOD, 30 days
        );
        _refusedSetting(abi.encodeCall(governor.setVotingPeriod, (30 days + 1)), 30 days + 1, VOTING_PERIOD, 30 days);
        uint256 most = governor.MAX_THRESHOLD();
        _refusedSetting(abi.encodeCall(governor.setProposalThreshold, (most + 1)), most + 1, 0, most);

        Proposal memory p = proposal(address(governor), abi.encodeCall(governor.setVotingDelay, (2 days)), "within");
        add(p, address(governor), abi.encodeCall(governor.setVotingPeriod, (6 days)));
        add(p, address(governor), abi.encodeCall(governor.setProposalThreshold, (0)));
        pass(p);
        assertEq(governor.votingDelay(), 2 days);
        assertEq(governor.votingPeriod(), 6 days);
        assertEq(governor.proposalThreshold(), 0);
    }

    function test_theTimelocksDelayChangesWithinBoundsOnly() public {
        bytes memory tooShort = abi.encodeWithSelector(Timelock.DelayOutOfBounds.selector, DELAY - 1, DELAY, 30 days);
        passRefused(address(timelock), abi.encodeCall(timelock.updateDelay, (DELAY - 1)), tooShort);
        bytes memory tooLong = abi.encodeWithSelector(Timelock.DelayOutOfBounds.selector, 30 days + 1, DELAY, 30 days);
        passRefused(address(timelock), abi.encodeCall(timelock.updateDelay, (30 days + 1)), tooLong);
        pass(proposal(address(timelock), abi.encodeCall(timelock.updateDelay, (3 days)), "within"));
        assertEq(timelock.getMinDelay(), 3 days);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, address(this)));
        timelock.updateDelay(3 days);
        vm.expectRevert(abi.encodeWithSelector(Timelock.DelayOutOfBounds.selector, 30 days + 1, 0, 30 days));
        new Timelock(30 days + 1, address(this));
    }

    function test_onlyProposalsChangeTheGovernor() public {
        bytes memory stranger = abi.encodeWithSelector(IGovernor.GovernorOnlyExecutor.selector, WHALE);
        vm.startPrank(WHALE);
        vm.expectRevert(stranger);
        governor.setRule(IRules.Kind.General, IRules.Rule(QUORUM, 8_000));
        vm.expectRevert(stranger);
        governor.setLiquidStaking(IRules.Approval(address(approvals), 0));
        vm.expectRevert(stranger);
        governor.setVotingDelay(2 days);
        vm.expectRevert(stranger);
        governor.setVotingPeriod(6 days);
        vm.expectRevert(stranger);
        governor.setProposalThreshold(0);
        vm.stopPrank();
    }

    /// @dev Anyone may execute at the timelock, but what changes the governor only by the governor.
    function test_theTimelockAloneDoesNotChangeTheGovernor() public {
        Proposal memory p = proposal(address(governor), abi.encodeCall(governor.setProposalThreshold, (0)), "threshold");
        carry(p);
        bytes32 salt = bytes20(address(governor)) ^ keccak256(bytes(p.description));
        vm.expectRevert(stdError.popError);
        timelock.executeBatch(p.targets, p.values, p.calldatas, 0, salt);
        execute(p);
        assertEq(governor.proposalThreshold(), 0);
    }

    /// @dev Else 20,000 METIS could do with the pool what needs 50,000.
    function test_anApprovalIsNotMadeOfThePoolsOwnCalls() public {
        address[3] memory targets = [address(pool), address(governor), address(timelock)];
        for (uint256 i = 0; i < targets.length; i++) {
            IRules.Approval memory approval = IRules.Approval(targets[i], pool.setWhitelist.selector);
            passRefused(
                address(governor),
                abi.encodeCall(governor.setLiquidStaking, (approval)),
                abi.encodeWithSelector(IRules.ApprovalNotAllowed.selector, targets[i])
            );
        }
        _enableLiquidStaking();
        assertEq(governor.liquidStaking().target, address(approvals));
    }

    /* WHO PROPOSES */

    function test_whoProposesHoldsVotes() public {
        voter(ALICE, THRESHOLD - 1);
        Proposal memory p = _whitelisting(true);
        bytes memory tooFew = abi.encodeWithSelector(
            IGovernor.GovernorInsufficientProposerVotes.selector, ALICE, THRESHOLD - 1, THRESHOLD
        );
        vm.expectRevert(tooFew);
        vm.prank(ALICE);
        governor.propose(p.targets, p.values, p.calldatas, p.description);
        voter(ALICE, 1);
        vm.prank(ALICE);
        governor.propose(p.targets, p.values, p.calldatas, p.description);
    }

    function test_aProposerTakesBackOnlyBeforeTheVote() public {
        Proposal memory p = _whitelisting(true);
        uint256 id = propose(p);
        bytes32 hash = keccak256(bytes(p.description));
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, id, ALICE));
        vm.prank(ALICE);
        governor.cancel(p.targets, p.values, p.calldatas, hash);
        toVote();
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, id, WHALE));
        vm.prank(WHALE);
        governor.cancel(p.targets, p.values, p.calldatas, hash);
        // Nor may `Applications` cancel what it did not propose.
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, id, applications));
        vm.prank(address(applications));
        governor.cancel(p.targets, p.values, p.calldatas, hash);
    }

    function test_lockedStakeVotes() public {
        join(1, 5 * LEAST);
        uint256 id = propose(_whitelisting(true));
        toVote();
        vm.prank(ownerOf(1));
        assertEq(governor.castVote(id, 1), 5 * LEAST);
        // What leaves after the snapshot has voted, what comes after it has not.
        join(2, 5 * LEAST);
        vm.prank(ownerOf(2));
        assertEq(governor.castVote(id, 1), 0);
    }

    /* OFFBOARDING */

    function test_offboardingIsAGeneralProposal() public {
        join(1, LEAST);
        handOver();
        Proposal memory p = proposal(address(pool), abi.encodeCall(pool.setWhitelist, (ownerOf(1), false)), "Offboard");
        add(p, address(pool), abi.encodeCall(pool.forceUnlock, (1)));
        pass(p);
        assertFalse(pool.isWhitelisted(ownerOf(1)));
        // The stake goes home all the same.
        vm.warp(pool.validator(1).claimableAt);
        vm.prank(ownerOf(1));
        pool.unlockClaim();
        assertEq(metis.balanceOf(ownerOf(1)), LEAST);
    }

    /* WHAT NOBODY MAY */

    function test_aGuardianPausesAndNothingElse() public {
        join(1, LEAST);
        handOver();
        vm.startPrank(GUARDIAN);
        pool.pause();
        bytes memory notOwner = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, GUARDIAN);
        bytes memory notConnected = abi.encodeWithSelector(ILockingPool.NotConnected.selector, GUARDIAN);
        vm.expectRevert(notOwner);
        pool.unpause();
        vm.expectRevert(notOwner);
        pool.setGuardian(GUARDIAN);
        vm.expectRevert(notOwner);
        pool.setWhitelist(GUARDIAN, true);
        vm.expectRevert(notOwner);
        pool.setMaxValidators(1);
        vm.expectRevert(notOwner);
        pool.setChangeInterval(0);
        vm.expectRevert(notOwner);
        pool.forceUnlock(1);
        vm.expectRevert(notOwner);
        pool.connect(inbox, GUARDIAN, GUARDIAN);
        vm.expectRevert(notOwner);
        pool.transferOwnership(GUARDIAN);
        vm.expectRevert(notConnected);
        pool.slash(1, 1, 0, GUARDIAN, GUARDIAN, 0);
        vm.expectRevert(notConnected);
        pool.creditRewards(new uint64[](0), new uint256[](0));
        vm.expectRevert(notConnected);
        pool.keyInstalled(1, new address[](0));
        ISlasher.Penalty memory penalty = slasher.penalty();
        vm.expectRevert(notOwner);
        slasher.setPenalty(penalty);
        vm.expectRevert(notOwner);
        schedule.begin();
        vm.expectRevert(notOwner);
        schedule.setRate(0);
        vm.expectRevert(notOwner);
        power.addSource(GUARDIAN);
        vm.expectRevert(notOwner);
        applications.setBond(1e18);
        bytes memory executor = abi.encodeWithSelector(IGovernor.GovernorOnlyExecutor.selector, GUARDIAN);
        vm.expectRevert(executor);
        governor.setProposalThreshold(0);
        bytes32 role = timelock.PROPOSER_ROLE();
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, GUARDIAN, role)
        );
        timelock.schedule(address(pool), 0, "", 0, 0, DELAY);
        role = timelock.CANCELLER_ROLE();
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, GUARDIAN, role)
        );
        timelock.cancel(0);
        vm.stopPrank();
    }

    /// @dev Votes, decisions and exits go on; governance ends the pause and names another guardian.
    function test_aPauseStopsNoVote() public {
        join(1, LEAST);
        handOver();
        Proposal memory p = proposal(address(pool), abi.encodeCall(pool.setGuardian, (ALICE)), "Another guardian");
        add(p, address(pool), abi.encodeCall(pool.unpause, ()));
        carry(p);
        vm.prank(GUARDIAN);
        pool.pause();
        execute(p);
        assertLe(pool.pausedUntil(), vm.getBlockTimestamp());
        vm.expectRevert(abi.encodeWithSelector(IGuarded.NotGuardian.selector, GUARDIAN));
        vm.prank(GUARDIAN);
        pool.pause();
    }

    /// @dev With all votes in one hand: no stake is taken, and none is let go, but by what the contracts allow to anyone.
    function test_governanceTakesNoStakesAndPardonsNobody() public {
        join(1, 2 * LEAST);
        address escrow = address(pool.ESCROW());
        handOver();
        _refused(
            address(pool),
            abi.encodeCall(pool.slash, (1, 10_000, 0, WHALE, WHALE, 0)),
            ILockingPool.NotConnected.selector,
            address(timelock)
        );
        _refused(
            escrow, abi.encodeCall(LockingEscrow.pay, (WHALE, LEAST)), LockingEscrow.NotPool.selector, address(timelock)
        );
        passRefused(
            address(pool),
            abi.encodeCall(pool.connect, (inbox, WHALE, WHALE)),
            abi.encodeWithSelector(ILockingPool.AlreadyConnected.selector)
        );
        ISlasher.Penalty memory free = ISlasher.Penalty(0, 0, 0, TREASURY);
        passRefused(
            address(slasher),
            abi.encodeCall(slasher.setPenalty, (free)),
            abi.encodeWithSelector(ISlasher.PenaltyOutOfBounds.selector, free)
        );
        bytes memory notOwner = abi.encodeWithSelector(ILockingPool.NotOwnerOf.selector, 1, timelock);
        passRefused(address(pool), abi.encodeCall(pool.claimWithdrawals, (1)), notOwner);
        // Its ledger of votes obeys the pool only: nobody can make it refuse a slash.
        StakeVotes votes = pool.VOTES();
        passRefused(
            address(votes),
            abi.encodeCall(votes.set, (ownerOf(1), type(uint256).max)),
            abi.encodeWithSelector(StakeVotes.NotPool.selector, timelock)
        );

        // An offender that governance would shield: whatever it does, the slasher cuts and jails.
        vm.startPrank(address(timelock));
        pool.setWhitelist(ownerOf(1), true);
        pool.setGuardian(address(timelock));
        pool.pause();
        pool.forceUnlock(1);
        vm.stopPrank();
        assertEq(pool.liable(1), 2 * LEAST);
        vm.prank(address(slasher));
        pool.slash(1, 2_500, 0, ALICE, TREASURY, 7 days);
        assertEq(pool.validator(1).stake, 3 * LEAST / 2);
        // And what is left is its owner's.
        assertEq(metis.balanceOf(escrow), 3 * LEAST / 2);
        vm.warp(pool.validator(1).claimableAt);
        vm.prank(ownerOf(1));
        pool.unlockClaim();
        assertEq(metis.balanceOf(ownerOf(1)), 3 * LEAST / 2);
    }

    function test_settingsOfADeploymentAreWithinBounds() public {
        vm.expectRevert(abi.encodeWithSelector(HoraeGovernor.SettingOutOfBounds.selector, 30 days + 1, 0, 30 days));
        new HoraeGovernor(power, timelock, pool, HoraeGovernor.Setup(30 days + 1, VOTING_PERIOD, 0, BOND));
    }

    /* HELPERS */

    function _assertAllOwned() private view {
        assertEq(pool.owner(), address(timelock));
        assertEq(slasher.owner(), address(timelock));
        assertEq(schedule.owner(), address(timelock));
        assertEq(power.owner(), address(timelock));
        assertEq(applications.owner(), address(timelock));
        assertEq(governor.timelock(), address(timelock));
    }

    function _assertRule(IRules.Rule memory rule, uint256 quorum, uint256 share) private pure {
        assertEq(rule.quorum, quorum);
        assertEq(rule.share, share);
    }

    function _assertKind(address target, uint256 value, bytes memory data, IRules.Kind kind) private view {
        assertEq(uint8(governor.kindOf(target, value, data)), uint8(kind));
    }

    function _whitelisting(bool allowed) private view returns (Proposal memory) {
        return proposal(address(pool), abi.encodeCall(pool.setWhitelist, (ALICE, allowed)), "Whitelist Alice");
    }

    function _approving(string memory text) private view returns (Proposal memory) {
        return proposal(address(approvals), abi.encodeCall(approvals.approveProvider, (ALICE, true)), text);
    }

    function _enableLiquidStaking() private {
        IRules.Approval memory approval = IRules.Approval(address(approvals), approvals.approveProvider.selector);
        Proposal memory p = proposal(address(governor), abi.encodeCall(governor.setLiquidStaking, (approval)), "LST");
        carry(p);
        vm.expectEmit(address(governor));
        emit IRules.LiquidStakingChanged(approval);
        execute(p);
    }

    function _setRule(IRules.Kind kind, uint128 quorum, uint16 share) private {
        bytes memory data = abi.encodeCall(governor.setRule, (kind, IRules.Rule(quorum, share)));
        pass(proposal(address(governor), data, "rule"));
    }

    function _refusedSetting(bytes memory data, uint256 given, uint256 least, uint256 most) private {
        bytes memory why = abi.encodeWithSelector(HoraeGovernor.SettingOutOfBounds.selector, given, least, most);
        passRefused(address(governor), data, why);
    }

    function _refused(address target, bytes memory data, bytes4 error, address caller) private {
        passRefused(target, data, abi.encodeWithSelector(error, caller));
    }
}
