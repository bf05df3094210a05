// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";

import {StakeVotes} from "../src/pool/StakeVotes.sol";
import {Fixture} from "./base/Fixture.sol";

/// @notice Which stake votes, and for whom.
contract StakeVotesTest is Fixture {
    uint256 private constant LEAST = 20_000e18;
    StakeVotes private votes;

    function setUp() public {
        vm.warp(1_700_000_000);
        votes = pool.VOTES();
        join(1, 3 * LEAST);
    }

    function test_lockedStakeVotesForItsOwner() public {
        assertEq(votes.getVotes(ownerOf(1)), 3 * LEAST);
        assertEq(votes.delegates(ownerOf(1)), ownerOf(1));
        uint256 then_ = vm.getBlockTimestamp();
        skip(1);
        metis.mint(ownerOf(1), LEAST);
        vm.prank(ownerOf(1));
        pool.increaseStake(LEAST);
        skip(1);
        assertEq(votes.getPastVotes(ownerOf(1), then_), 3 * LEAST);
        assertEq(votes.getPastVotes(ownerOf(1), then_ + 1), 4 * LEAST);
        assertEq(votes.getPastTotalSupply(then_ + 1), 4 * LEAST);
        assertEq(votes.getPastVotes(ownerOf(1), then_ - 1), 0);
        assertEq(votes.clock(), vm.getBlockTimestamp());
        assertEq(votes.CLOCK_MODE(), "mode=timestamp");
        vm.expectRevert(
            abi.encodeWithSelector(Votes.ERC5805FutureLookup.selector, vm.getBlockTimestamp(), vm.getBlockTimestamp())
        );
        votes.getPastVotes(ownerOf(1), vm.getBlockTimestamp());
    }

    function test_whoWaitsVotes() public {
        pool.setMaxValidators(1);
        join(2, LEAST);
        assertEq(pool.waiting().length, 1);
        assertEq(votes.getVotes(ownerOf(2)), LEAST);
        metis.mint(ownerOf(2), LEAST);
        vm.prank(ownerOf(2));
        pool.increaseStake(LEAST);
        assertEq(votes.getVotes(ownerOf(2)), 2 * LEAST);
        // Coming on the list changes nothing.
        pool.setMaxValidators(2);
        assertEq(votes.getVotes(ownerOf(2)), 2 * LEAST);
    }

    function test_whatLeavesDoesNotVote() public {
        vm.startPrank(ownerOf(1));
        pool.withdraw(LEAST);
        assertEq(votes.getVotes(ownerOf(1)), 2 * LEAST);
        pool.unlock();
        assertEq(votes.getVotes(ownerOf(1)), 0);
        vm.stopPrank();
        skip(1);
        assertEq(votes.getPastTotalSupply(vm.getBlockTimestamp() - 1), 0);
        vm.warp(pool.validator(1).claimableAt);
        vm.prank(ownerOf(1));
        pool.unlockClaim();
        assertEq(votes.getVotes(ownerOf(1)), 0);
    }

    function test_whoIsInJailDoesNotVote() public {
        address slasher = pool.slasher();
        vm.prank(slasher);
        pool.slash(1, 5_000, 0, address(1), address(2), 1 days);
        assertEq(votes.getVotes(ownerOf(1)), 0);
        metis.mint(ownerOf(1), LEAST);
        vm.prank(ownerOf(1));
        pool.increaseStake(LEAST);
        assertEq(votes.getVotes(ownerOf(1)), 0, "still in jail");
        skip(1 days);
        vm.prank(ownerOf(1));
        pool.release();
        assertEq(votes.getVotes(ownerOf(1)), 3 * LEAST / 2 + LEAST);
    }

    /// @dev With a delegate too: it is told what the stake is, so there is nothing that could not be taken off.
    function test_aSlashTakesVotesFromTheDelegate() public {
        vm.prank(ownerOf(1));
        votes.delegate(ownerOf(9));
        address slasher = pool.slasher();
        vm.prank(slasher);
        pool.slash(1, 10_000, 0, address(1), address(2), 1 days);
        assertEq(votes.getVotes(ownerOf(9)), 0);
    }

    function test_anOwnerNamesADelegate() public {
        join(2, LEAST);
        vm.startPrank(ownerOf(1));
        vm.expectEmit(address(votes));
        emit IVotes.DelegateChanged(ownerOf(1), ownerOf(1), ownerOf(2));
        votes.delegate(ownerOf(2));
        assertEq(votes.getVotes(ownerOf(1)), 0);
        assertEq(votes.getVotes(ownerOf(2)), 4 * LEAST);
        pool.withdraw(LEAST);
        assertEq(votes.getVotes(ownerOf(2)), 3 * LEAST);
        // Nobody is oneself.
        votes.delegate(address(0));
        assertEq(votes.delegates(ownerOf(1)), ownerOf(1));
        assertEq(votes.getVotes(ownerOf(1)), 2 * LEAST);
        assertEq(votes.getVotes(ownerOf(2)), LEAST);
        votes.delegate(address(0));
        assertEq(votes.getVotes(ownerOf(1)), 2 * LEAST);
        vm.stopPrank();
    }

    function test_aNewOwnerVotes() public {
        fund(2, 0);
        vm.startPrank(ownerOf(1));
        votes.delegate(ownerOf(7));
        pool.proposeOwner(ownerOf(2));
        vm.stopPrank();
        vm.prank(ownerOf(2));
        pool.acceptOwner(1);
        assertEq(votes.getVotes(ownerOf(7)), 0, "who was named by the old owner");
        assertEq(votes.getVotes(ownerOf(2)), 3 * LEAST);
        skip(1);
        assertEq(votes.getPastTotalSupply(vm.getBlockTimestamp() - 1), 3 * LEAST);
    }

    function test_aNewOwnerOfWhatLeavesDoesNotVote() public {
        fund(2, 0);
        vm.startPrank(ownerOf(1));
        pool.unlock();
        pool.proposeOwner(ownerOf(2));
        vm.stopPrank();
        vm.prank(ownerOf(2));
        pool.acceptOwner(1);
        assertEq(votes.getVotes(ownerOf(1)) + votes.getVotes(ownerOf(2)), 0);
    }

    function test_onlyThePoolSaysWhatStakeIs() public {
        assertEq(votes.POOL(), address(pool));
        vm.expectRevert(abi.encodeWithSelector(StakeVotes.NotPool.selector, address(this)));
        votes.set(address(this), 1);
        vm.expectRevert(abi.encodeWithSelector(StakeVotes.NotPool.selector, address(this)));
        votes.pass(ownerOf(1), address(this));
    }

    /// @dev Neither any sequence of stakes, nor anything that owners do with delegates, makes it refuse.
    function testFuzz_theLedgerNeverRefusesThePool(uint128[8] memory stakes, uint8[8] memory who, uint8[8] memory to)
        public
    {
        StakeVotes ledger = new StakeVotes(address(this));
        for (uint256 i = 0; i < stakes.length; i++) {
            ledger.set(ownerOf(who[i] % 3), stakes[i]);
            vm.prank(ownerOf(to[i] % 3));
            ledger.delegate(ownerOf(who[i] % 5));
            if (to[i] % 4 == 0) ledger.pass(ownerOf(who[i] % 3), ownerOf(10 + i));
            skip(stakes[i] % 2);
        }
        uint256 sum;
        for (uint256 n = 0; n < 20; n++) {
            sum += ledger.stakeOf(ownerOf(n));
        }
        skip(1);
        assertEq(ledger.getPastTotalSupply(vm.getBlockTimestamp() - 1), sum);
    }
}
