// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {BatchInbox} from "../src/BatchInbox.sol";
import {LockingPool} from "../src/LockingPool.sol";
import {TestMetis} from "../src/devnet/TestMetis.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {StakeVotes} from "../src/pool/StakeVotes.sol";
import {Owners} from "./LockingEscrow.invariant.t.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice Owners who also name delegates and pass their validators on, and who remember what votes there were.
contract Voters is Owners {
    StakeVotes private immutable VOTES;

    uint256 public at;
    uint256[8] public then_;
    uint256 public passed;

    constructor(TestMetis metis, LockingPool pool) Owners(metis, pool) {
        VOTES = pool.VOTES();
    }

    function delegate(uint256 n, uint256 to) external {
        vm.prank(ownerOf(n));
        VOTES.delegate(to % 3 == 0 ? address(0) : ownerOf(to));
    }

    function passOn(uint256 n, uint256 to) external {
        uint64 id = POOL.validatorOf(ownerOf(n));
        if (id == 0 || POOL.validatorOf(ownerOf(to)) != 0) return;
        vm.prank(ownerOf(n));
        POOL.proposeOwner(ownerOf(to));
        vm.prank(ownerOf(to));
        POOL.acceptOwner(id);
        passed++;
    }

    function remember() external {
        at = block.timestamp;
        for (uint256 n = 0; n < COUNT; n++) {
            then_[n] = VOTES.getVotes(ownerOf(n));
        }
        skip(1);
    }
}

contract StakeVotesInvariantTest is Test {
    TestMetis private metis = new TestMetis();
    LockingPool private pool = Proxied.pool(metis, address(this), 21 days);
    BatchInbox private inbox = Proxied.inbox(pool, 7 days);
    StakeVotes private votes = pool.VOTES();
    Voters private voters;

    function setUp() public {
        pool.connect(inbox, makeAddr("slasher"), makeAddr("rewards"));
        voters = new Voters(metis, pool);
        for (uint256 n = 0; n < voters.COUNT(); n++) {
            pool.setWhitelist(voters.ownerOf(n), true);
        }
        targetContract(address(voters));
    }

    /// @dev What is listed or waits votes, whole; nothing else does.
    function invariant_votesAreTheStakeThatIsListedOrWaits() public view {
        for (uint256 n = 0; n < voters.COUNT(); n++) {
            ILockingPool.Validator memory v = pool.validator(pool.validatorOf(voters.ownerOf(n)));
            bool counts = v.status == ILockingPool.Status.Active || v.status == ILockingPool.Status.Waiting;
            assertEq(votes.stakeOf(voters.ownerOf(n)), counts ? v.stake : 0);
        }
    }

    /// @dev Every stake votes once, for whom its owner named.
    function invariant_everyStakeVotesOnce() public view {
        uint256 sum;
        for (uint256 n = 0; n < voters.COUNT(); n++) {
            uint256 mine;
            for (uint256 m = 0; m < voters.COUNT(); m++) {
                address owner = voters.ownerOf(m);
                if (votes.delegates(owner) == voters.ownerOf(n)) mine += votes.stakeOf(owner);
            }
            assertEq(votes.getVotes(voters.ownerOf(n)), mine);
            sum += votes.stakeOf(voters.ownerOf(n));
        }
        uint256 listed;
        ILockingPool.Entry[] memory entries = pool.validators();
        for (uint256 i = 0; i < entries.length; i++) {
            listed += entries[i].stake;
        }
        entries = pool.waiting();
        for (uint256 i = 0; i < entries.length; i++) {
            listed += entries[i].stake;
        }
        assertEq(sum, listed);
    }

    /// @dev What there was stays what it was.
    function invariant_thePastDoesNotChange() public view {
        uint256 at = voters.at();
        if (at == 0) return;
        for (uint256 n = 0; n < voters.COUNT(); n++) {
            assertEq(votes.getPastVotes(voters.ownerOf(n), at), voters.then_(n));
        }
    }

    function test_theHandlerReachesEveryAction() public {
        voters.lock(1, 0);
        voters.delegate(1, 4);
        assertGt(votes.getVotes(voters.ownerOf(4)), 0);
        voters.remember();
        voters.passOn(1, 2);
        assertEq(voters.passed(), 1);
        invariant_thePastDoesNotChange();
    }
}
