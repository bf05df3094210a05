// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";

import {LiquidStakingVault} from "../src/LiquidStakingVault.sol";
import {IApplications} from "../src/interfaces/IApplications.sol";
import {ILiquidStakingVault} from "../src/interfaces/ILiquidStakingVault.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {IRewardSchedule} from "../src/interfaces/IRewardSchedule.sol";
import {IRules} from "../src/interfaces/IRules.sol";
import {ISlasher} from "../src/interfaces/ISlasher.sol";
import {Offences} from "./base/Offences.sol";
import {VaultGovernment} from "./base/VaultGovernment.sol";

/// @notice The whole life of a vault, with the real governor, schedule, slasher and inbox, to the wei: applied for, voted in,
/// funded, locked, earning, voting, slashed, released, left, paid out, closed.
contract LiquidStakingLifeTest is VaultGovernment, Offences {
    uint256 private constant FUND = 4_600_000e18;
    address private constant VOTER = address(0x20);
    address private constant OPPONENT = address(0x21);
    address private constant STRANGER = address(0xBEE);

    Key private key;
    uint64 private id;
    uint64 private application;

    function setUp() public {
        deploy();
        for (uint256 n = 1; n <= 3; n++) {
            join(n, 2 * LEAST);
        }
        key = keyOf(0xC0FFEE);
        installFirstKey(key);
        metis.mint(address(schedule), FUND);
        handOver();
        makeFactory();
        voter(VOTER, LEAST);
        voter(OPPONENT, LEAST / 4);
    }

    function _locking() internal view override returns (address) {
        return address(pool);
    }

    function test_aVaultLives() public {
        _isVotedIn();
        _isFunded();
        _earns();
        _decides();
        _isSlashed();
        _comesBack();
        _paysOut();
        _isClosed();
    }

    /// @dev Exactly the quorum of 20,000 METIS, and exactly 80 % of them that were for or against.
    function _isVotedIn() private {
        applyAtFactory(PROVIDER);
        Proposal memory p;
        (application, p) = _applyAtGovernance(PROVIDER);
        uint256 proposalId = applications.application(application).proposalId;
        assertEq(governor.proposalRule(proposalId).quorum, LEAST);
        toVote();
        vote(VOTER, proposalId, 1);
        vote(OPPONENT, proposalId, 0);
        afterVote();
        queue(p);
        skip(DELAY);
        execute(p);
        applications.settle(application);
        assertEq(metis.balanceOf(PROVIDER), BOND, "the vote has decided");
        assertEq(uint8(applications.application(application).status), uint8(IApplications.Status.Accepted));

        vault = LiquidStakingVault(factory.vaultOf(PROVIDER));
        assertEq(address(vault), factory.vaultAddress(1, PROVIDER));
        assertTrue(pool.isWhitelisted(address(vault)));
        assertTrue(power.isSource(address(vault)));
        assertEq(vault.provider(), PROVIDER);
        assertEq(vault.coverNeeded(), COVER);
    }

    function _isFunded() private {
        coverBy(PROVIDER, COVER);
        depositFor(ALICE, 2 * LEAST);
        depositFor(BOB, LEAST);
        id = lockAs(4);
        assertEq(id, 4);
        assertStatus(ILockingPool.Status.Active);
        key = _rotateTo(0xC0FFEF);
        (address[] memory signers, uint64[] memory weights) = pool.snapshot();
        assertEq(signers.length, 4);
        for (uint256 i = 0; i < 4; i++) {
            assertEq(weights[i], 2, "three units would be a third of all");
        }
    }

    /// @dev A quarter of the blocks of 73 days at 20 % a year: a fifth of a year.
    function _earns() private {
        vm.prank(address(timelock));
        schedule.begin();
        skip(73 days);
        uint256 allowed = 9 * LEAST / 25;
        assertEq(schedule.allowed(), allowed);
        _settle(0, 10);
        uint256 earned = allowed / 4;
        assertEq(pool.validator(id).rewards, earned);
        assertEq(earned, 1_800e18);
        assertEq(vault.totalAssets(), 3 * LEAST + 1_620e18, "less the fee of a tenth, and in the price at once");
        vault.rebalance();
        assertEq(vault.feeOwed(), 180e18);
        assertEq(pool.validator(id).stake, 3 * LEAST + 1_620e18);
        assertEq(vault.payFee(), 180e18);
    }

    /// @dev The holders vote with the stake, and carry a proposal alone that the others do not care for.
    function _decides() private {
        skip(1);
        uint256 at = vm.getBlockTimestamp() - 1;
        uint256 all = 3 * LEAST + 1_620e18;
        assertApproxEqAbs(power.getPastVotes(ALICE, at), all * 2 / 3, 2);
        uint256 votes = power.getPastVotes(ALICE, at) + power.getPastVotes(BOB, at);
        assertApproxEqAbs(votes, all, 2);
        assertLe(votes, all, "never more than there is");
        Proposal memory p = proposal(address(pool), abi.encodeCall(pool.setChangeInterval, (2 days)), "Slower");
        vm.prank(ALICE);
        uint256 proposalId = governor.propose(p.targets, p.values, p.calldatas, p.description);
        toVote();
        vote(ALICE, proposalId, 1);
        vote(BOB, proposalId, 1);
        afterVote();
        queue(p);
        skip(DELAY);
        execute(p);
        assertEq(pool.changeInterval(), 2 days);
    }

    /// @dev Two blocks at one height, and a stranger who saw them. Bob is on his way out, and bears his part.
    function _isSlashed() private {
        request(BOB, vault.balanceOf(BOB));
        vault.rebalance();
        uint256 withdrawing = pool.withdrawals(id)[0].amount;
        assertApproxEqAbs(withdrawing, LEAST + 540e18, 1);
        skip(10 days);
        uint256 before = vault.totalAssets();
        uint256 fromStake = pool.validator(id).stake / 4;
        ISlasher.Proof memory proof = _proofOf(signerSecret(4), _blockAt(7, "one"), _blockAt(7, "other"));
        vm.prank(STRANGER);
        uint256 cut = slasher.report(proof, STRANGER);
        assertEq(cut, fromStake + withdrawing / 4);
        assertEq(metis.balanceOf(STRANGER), cut / 10);
        assertEq(metis.balanceOf(TREASURY), cut - cut / 10);
        assertStatus(ILockingPool.Status.Jailed);
        assertEq(vault.totalAssets(), before - cut + COVER, "the provider first");
        vault.collect();
        assertEq(vault.cover(), 0);
        assertEq(vault.cash(), COVER);
        assertEq(vault.totalAssets(), before - cut + COVER);
    }

    function _comesBack() private {
        skip(7 days);
        vm.startPrank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ILiquidStakingVault.CoverTooSmall.selector, 0, COVER));
        vault.release();
        vm.stopPrank();
        coverBy(PROVIDER, COVER);
        vm.prank(PROVIDER);
        vault.release();
        assertStatus(ILockingPool.Status.Active);
        key = _rotateTo(0xC0FFF0);
    }

    function _paysOut() private {
        skip(4 days);
        uint256 assets = vault.totalAssets();
        uint256 shares = LEAST * 1e6;
        // What the formula of the price says, worked out here.
        uint256 due = shares * (assets + 1) / (3 * shares + 1e6);
        vault.collect();
        assertEq(vault.maxWithdraw(BOB), due);
        assertEq(claim(BOB), due);
        assertEq(metis.balanceOf(BOB), due);
        assertEq(vault.totalAssets(), assets - due);
    }

    /// @dev Governance ends it: the set goes on without it, and the last wei goes where it belongs.
    function _isClosed() private {
        pass(proposal(address(factory), abi.encodeCall(factory.approveProvider, (PROVIDER, false)), "No more"));
        assertTrue(vault.isClosed());
        assertStatus(ILockingPool.Status.Unlocking);
        assertFalse(pool.isWhitelisted(address(vault)));
        assertFalse(power.isSource(address(vault)));
        assertEq(pool.validator(id).claimableAt, inbox.lastAcceptedAt() + 2 * EXIT_DELAY, "no key without it yet");
        key = _rotateTo(0xC0FFF1);
        skip(EXIT_DELAY);
        uint256 assets = vault.totalAssets();
        request(ALICE, vault.balanceOf(ALICE));
        vault.rebalance();
        assertEq(vault.validatorId(), 0);
        uint256 paid = claim(ALICE);
        vm.prank(PROVIDER);
        assertEq(vault.takeCover(), COVER);
        assertEq(vault.totalSupply(), 0);
        assertEq(vault.reserved(), 0);
        assertEq(metis.balanceOf(address(vault)), vault.cash(), "nothing but dust");
        assertEq(paid + vault.cash(), assets);
        assertLe(vault.cash(), 1e12);

        // All that ever came to the vault went to somebody: deposits, two covers and rewards; exits, fee, slash, a cover.
        uint256 slashed = metis.balanceOf(STRANGER) + metis.balanceOf(TREASURY);
        uint256 out = metis.balanceOf(ALICE) + metis.balanceOf(BOB) + slashed + 180e18 + COVER + vault.cash();
        assertEq(out, 3 * LEAST + 2 * COVER + 1_800e18);
        // The stakes of the other three, and what they earned.
        assertEq(pool.ESCROW().owed(), 3 * (2 * LEAST + 1_800e18));
    }

    /* WHAT A VOTE DOES NOT DO */

    function test_withoutTheQuorumThereIsNoVault() public {
        applyAtFactory(PROVIDER);
        (uint64 mine, Proposal memory p) = _applyAtGovernance(PROVIDER);
        uint256 proposalId = applications.application(mine).proposalId;
        vm.prank(VOTER);
        wrapped.withdrawTo(VOTER, 1);
        toVote();
        vote(VOTER, proposalId, 1);
        afterVote();
        assertState(proposalId, IGovernor.ProposalState.Defeated);
        bytes32 text = keccak256(bytes(p.description));
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        governor.queue(p.targets, p.values, p.calldatas, text);
        applications.settle(mine);
        assertEq(metis.balanceOf(address(timelock)), BOND, "too few cared");
    }

    /// @dev What only governance as a whole may do with the factory is not an application's business.
    function test_approvalsNeedTwentyThousandAndAllElseFifty() public view {
        bytes memory approve = abi.encodeCall(factory.approveProvider, (PROVIDER, true));
        assertEq(uint8(governor.kindOf(address(factory), 0, approve)), uint8(IRules.Kind.LiquidStaking));
        bytes memory close = abi.encodeCall(factory.approveProvider, (PROVIDER, false));
        assertEq(uint8(governor.kindOf(address(factory), 0, close)), uint8(IRules.Kind.General));
        bytes memory open = abi.encodeCall(factory.openRound, (1, 2, 3, 4));
        assertEq(uint8(governor.kindOf(address(factory), 0, open)), uint8(IRules.Kind.General));
        bytes memory rename = abi.encodeCall(pool.setVaultFactory, (address(1)));
        assertEq(uint8(governor.kindOf(address(pool), 0, rename)), uint8(IRules.Kind.General));
    }

    /// @dev Who was voted in and never applied at the factory has a proposal that cannot be executed until it has.
    function test_whoIsVotedInBeforeItAppliesAppliesThen() public {
        (uint64 mine, Proposal memory p) = _applyAtGovernance(PROVIDER);
        toVote();
        vote(VOTER, applications.application(mine).proposalId, 1);
        afterVote();
        queue(p);
        skip(DELAY);
        vm.expectPartialRevert(bytes4(keccak256("NotApplied(address)")));
        execute(p);
        applyAtFactory(PROVIDER);
        execute(p);
        assertTrue(factory.vaultOf(PROVIDER) != address(0));
    }

    /* STEPS */

    function _applyAtGovernance(address provider) private returns (uint64 mine, Proposal memory p) {
        metis.mint(provider, BOND);
        vm.startPrank(provider);
        metis.approve(address(applications), BOND);
        mine = applications.applyFor(
            IRules.Kind.LiquidStaking,
            IApplications.Profile({
                uri: "ipfs://provider",
                hash: keccak256("provider"),
                contact: "ops@provider.example",
                signer: address(0),
                nodeKey: 0
            })
        );
        vm.stopPrank();
        p = proposalOf(mine);
    }

    function _rotateTo(uint256 secret) private returns (Key memory next) {
        next = keyOf(secret);
        rotate(key, next);
    }

    /// @dev The next `blocks` of each of the four, accepted and settled.
    function _settle(uint64 index, uint64 blocks) private {
        for (uint64 i = 0; i < 4 * blocks; i += 10) {
            submit(key);
        }
        (uint64[] memory ids, uint64[] memory counts) = (new uint64[](4), new uint64[](4));
        for (uint64 i = 0; i < 4; i++) {
            (ids[i], counts[i]) = (i + 1, blocks);
        }
        uint64 first = schedule.lastSettled() + 1;
        IRewardSchedule.Settlement memory settlement = IRewardSchedule.Settlement({
            index: index, firstBlock: first, lastBlock: first + 4 * blocks - 1, ids: ids, blocks: counts
        });
        schedule.settle(settlement, groupSign(key, schedule.settlementDigest(settlement)));
    }
}
