// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";

import {ForcedQueue} from "../../src/ForcedQueue.sol";
import {LockingPool} from "../../src/LockingPool.sol";
import {RewardSchedule} from "../../src/RewardSchedule.sol";
import {Slasher} from "../../src/Slasher.sol";
import {Applications} from "../../src/gov/Applications.sol";
import {HoraeGovernor} from "../../src/gov/HoraeGovernor.sol";
import {Timelock} from "../../src/gov/Timelock.sol";
import {VotingMetis} from "../../src/gov/VotingMetis.sol";
import {VotingPower} from "../../src/gov/VotingPower.sol";
import {IApplications} from "../../src/interfaces/IApplications.sol";
import {ISlasher} from "../../src/interfaces/ISlasher.sol";
import {Fixture} from "./Fixture.sol";
import {Proxied} from "./Proxied.sol";

/// @notice Takes approvals of providers, as a factory of vaults would.
contract Approvals {
    mapping(address provider => bool) public isApproved;

    function approveProvider(address provider, bool approved) external {
        isApproved[provider] = approved;
    }
}

/// @notice All contracts of a deployment, and people who vote.
abstract contract Government is Fixture {
    uint256 internal constant LEAST = 20_000e18;
    uint256 internal constant BOND = 200e18;
    uint48 internal constant VOTING_DELAY = 1 days;
    uint32 internal constant VOTING_PERIOD = 5 days;
    uint256 internal constant THRESHOLD = 1_000e18;
    uint256 internal constant DELAY = 2 days;

    /// @dev Holds votes enough to decide everything alone.
    address internal constant WHALE = address(0x3A1E);
    address internal constant TREASURY = address(0x7EA);
    address internal constant GUARDIAN = address(0x6A);

    ForcedQueue internal forced;
    Slasher internal slasher;
    RewardSchedule internal schedule;
    VotingMetis internal wrapped;
    Timelock internal timelock;
    VotingPower internal power;
    HoraeGovernor internal governor;
    Applications internal applications;

    struct Proposal {
        address[] targets;
        uint256[] values;
        bytes[] calldatas;
        string description;
    }

    /// @dev Everything, owned by this contract as by a deploy script.
    function deploy() internal {
        vm.warp(1_700_000_000);
        pool = Proxied.pool(metis, address(this), EXIT_DELAY);
        inbox = Proxied.inbox(pool, EMERGENCY_DELAY);
        forced = ForcedQueue(address(inbox.QUEUE()));
        ISlasher.Penalty memory penalty = ISlasher.Penalty(2_500, 1_000, 7 days, TREASURY);
        slasher = Proxied.slasher(pool, 59_902, address(this), penalty);
        schedule = Proxied.schedule(pool, inbox, address(this));
        pool.connect(inbox, address(slasher), address(schedule));
        pool.setGuardian(GUARDIAN);

        wrapped = new VotingMetis(metis);
        timelock = new Timelock(DELAY, address(this));
        power = new VotingPower(wrapped, pool.VOTES(), address(timelock));
        governor =
            new HoraeGovernor(power, timelock, pool, HoraeGovernor.Setup(VOTING_DELAY, VOTING_PERIOD, THRESHOLD, BOND));
        applications = governor.APPLICATIONS();
        timelock.grantRole(timelock.PROPOSER_ROLE(), address(governor));
        timelock.grantRole(timelock.CANCELLER_ROLE(), address(governor));
        timelock.grantRole(timelock.EXECUTOR_ROLE(), address(0));
        voter(WHALE, 1_000_000e18);
    }

    /// @dev How a deploy script makes the timelock the owner without a vote: it proposes at the timelock for a while, waits
    /// for the delay, and gives up all that it could do.
    function handOver() internal {
        handOverUpgrades();
        Proposal memory p = handingOver();
        timelock.grantRole(timelock.PROPOSER_ROLE(), address(this));
        timelock.scheduleBatch(p.targets, p.values, p.calldatas, 0, 0, DELAY);
        skip(DELAY);
        timelock.executeBatch(p.targets, p.values, p.calldatas, 0, 0);
        timelock.revokeRole(timelock.PROPOSER_ROLE(), address(this));
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), address(this));
    }

    /// @dev Gives the timelock the right to upgrade. In one step: the admins of proxies are plainly `Ownable`.
    function handOverUpgrades() internal {
        address[5] memory upgradeable = proxies();
        for (uint256 i = 0; i < upgradeable.length; i++) {
            Proxied.adminOf(upgradeable[i]).transferOwnership(address(timelock));
        }
    }

    function proxies() internal view returns (address[5] memory) {
        return [address(pool), address(inbox), address(forced), address(slasher), address(schedule)];
    }

    /// @dev Offers all that is owned to the timelock; the proposal takes it.
    function handingOver() internal returns (Proposal memory p) {
        pool.transferOwnership(address(timelock));
        forced.transferOwnership(address(timelock));
        slasher.transferOwnership(address(timelock));
        schedule.transferOwnership(address(timelock));
        p = proposal(address(pool), abi.encodeCall(pool.acceptOwnership, ()), "Take over");
        add(p, address(forced), abi.encodeCall(forced.acceptOwnership, ()));
        add(p, address(slasher), abi.encodeCall(slasher.acceptOwnership, ()));
        add(p, address(schedule), abi.encodeCall(schedule.acceptOwnership, ()));
    }

    /* VOTERS */

    function voter(address who, uint256 amount) internal {
        metis.mint(who, amount);
        vm.startPrank(who);
        metis.approve(address(wrapped), amount);
        wrapped.depositFor(who, amount);
        wrapped.delegate(who);
        vm.stopPrank();
        skip(1);
    }

    function vote(address who, uint256 id, uint8 support) internal {
        vm.prank(who);
        governor.castVote(id, support);
    }

    /* PROPOSALS */

    function proposal(address target, bytes memory data, string memory text) internal pure returns (Proposal memory p) {
        p.description = text;
        add(p, target, data);
    }

    function add(Proposal memory p, address target, bytes memory data) internal pure {
        uint256 size = p.targets.length;
        (address[] memory targets, bytes[] memory calldatas) = (new address[](size + 1), new bytes[](size + 1));
        for (uint256 i = 0; i < size; i++) {
            (targets[i], calldatas[i]) = (p.targets[i], p.calldatas[i]);
        }
        (targets[size], calldatas[size]) = (target, data);
        (p.targets, p.values, p.calldatas) = (targets, new uint256[](size + 1), calldatas);
    }

    function propose(Proposal memory p) internal returns (uint256) {
        vm.prank(WHALE);
        return governor.propose(p.targets, p.values, p.calldatas, p.description);
    }

    function toVote() internal {
        skip(VOTING_DELAY + 1);
    }

    function afterVote() internal {
        skip(VOTING_PERIOD + 1);
    }

    function queue(Proposal memory p) internal {
        governor.queue(p.targets, p.values, p.calldatas, keccak256(bytes(p.description)));
    }

    function execute(Proposal memory p) internal {
        governor.execute(p.targets, p.values, p.calldatas, keccak256(bytes(p.description)));
    }

    /// @dev Everything up to the execution, which is left to the caller.
    function carry(Proposal memory p) internal {
        uint256 id = propose(p);
        toVote();
        vote(WHALE, id, 1);
        afterVote();
        queue(p);
        skip(DELAY);
    }

    function pass(Proposal memory p) internal {
        carry(p);
        execute(p);
    }

    /// @dev Carries a single call, which is expected to be refused with `why`.
    function passRefused(address target, bytes memory data, bytes memory why) internal {
        Proposal memory p = proposal(target, data, vm.toString(vm.getBlockTimestamp()));
        carry(p);
        vm.expectRevert(why);
        execute(p);
    }

    function assertState(uint256 id, IGovernor.ProposalState state) internal view {
        assertEq(uint8(governor.state(id)), uint8(state));
    }

    /* APPLICATIONS */

    function profileOf(uint256 n) internal pure returns (IApplications.Profile memory) {
        return IApplications.Profile({
            uri: "ipfs://application",
            hash: keccak256(abi.encode("application", n)),
            contact: "ops@example.org",
            signer: signerOf(n),
            nodeKey: nodeKeyOf(n)
        });
    }

    /// @dev Gives owner `n` METIS for a bond.
    function bonded(uint256 n) internal {
        uint256 bond = applications.bond();
        metis.mint(ownerOf(n), bond);
        vm.prank(ownerOf(n));
        metis.approve(address(applications), bond);
    }

    function proposalOf(uint64 id) internal view returns (Proposal memory p) {
        (p.targets, p.values, p.calldatas, p.description) = applications.proposalOf(id);
    }
}
