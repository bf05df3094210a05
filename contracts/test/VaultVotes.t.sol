// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";

import {LiquidStakingVault} from "../src/LiquidStakingVault.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {IVotingPower} from "../src/interfaces/IVotingPower.sol";
import {ShareVotes} from "../src/vault/ShareVotes.sol";
import {VaultGovernment} from "./base/VaultGovernment.sol";

/// @notice Shares of a vault vote in wei of METIS, and no METIS votes twice: waiting, staked, on its way out, or cut.
contract VaultVotesTest is VaultGovernment {
    ShareVotes private votes;
    /// @dev What votes beside the vault.
    uint256 private others;

    function setUp() public {
        deploy();
        join(9, LEAST);
        handOver();
        makeFactory();
        vault = makeVaultOf(PROVIDER);
        votes = vault.votes();
        others = LEAST + 1_000_000e18;
        coverBy(PROVIDER, COVER);
    }

    /// @dev What everybody votes with as it stands now, by the past as governance reads it.
    function _assertVotes(uint256 alice, uint256 bob, uint256 all) private {
        uint256 at = vm.getBlockTimestamp();
        assertEq(power.getVotes(ALICE), alice, "alice now");
        assertEq(power.getVotes(BOB), bob, "bob now");
        skip(1);
        assertEq(power.getPastVotes(ALICE, at), alice, "alice");
        assertEq(power.getPastVotes(BOB, at), bob, "bob");
        assertEq(power.getPastTotalSupply(at), others + all, "all");
        assertEq(vault.getPastTotalSupply(at), all, "the vault's");
        assertEq(power.getPastVotes(address(vault), at), 0, "the vault itself");
        assertLe(alice + bob, all);
    }

    function _staked() private returns (uint64 id) {
        depositFor(ALICE, 2 * LEAST);
        depositFor(BOB, LEAST);
        id = lockAs(1);
    }

    function _slash(uint256 fraction) private {
        uint64 id = vault.validatorId();
        vm.prank(pool.slasher());
        pool.slash(id, fraction, 0, address(0), TREASURY, 3 days);
    }

    /* WHERE THE METIS IS */

    function test_metisThatMovesFromWrappedToTheVaultVotesOnceAllTheTime() public {
        voter(ALICE, LEAST);
        uint256 all = power.getPastTotalSupply(vm.getBlockTimestamp() - 1);
        assertEq(power.getVotes(ALICE), LEAST);
        vm.startPrank(ALICE);
        wrapped.withdrawTo(ALICE, LEAST);
        metis.approve(address(vault), LEAST);
        vault.deposit(LEAST, ALICE);
        vm.stopPrank();
        assertEq(power.getVotes(ALICE), LEAST, "waits in the vault");
        skip(1);
        assertEq(power.getPastTotalSupply(vm.getBlockTimestamp() - 1), all);
        lockAs(1);
        assertEq(power.getVotes(ALICE), LEAST, "staked");
        skip(1);
        assertEq(power.getPastTotalSupply(vm.getBlockTimestamp() - 1), all);
        assertEq(power.getPastVotes(ALICE, vm.getBlockTimestamp() - 1), LEAST);
    }

    function test_depositsThatWaitVoteBesideStake() public {
        _staked();
        _assertVotes(2 * LEAST, LEAST, 3 * LEAST);
        depositFor(BOB, LEAST);
        assertEq(vault.cash(), LEAST);
        _assertVotes(2 * LEAST, 2 * LEAST, 4 * LEAST);
        vault.rebalance();
        assertEq(vault.cash(), 0);
        _assertVotes(2 * LEAST, 2 * LEAST, 4 * LEAST);
    }

    function test_whoWaitsForAPlaceInTheSetVotes() public {
        vm.prank(address(timelock));
        pool.setMaxValidators(1);
        _staked();
        assertStatus(ILockingPool.Status.Waiting);
        _assertVotes(2 * LEAST, LEAST, 3 * LEAST);
    }

    /// @dev From the request to the claim, and whoever stays votes with what is its own all the time.
    function test_whatIsInTheExitQueueDoesNotVote() public {
        _staked();
        request(BOB, vault.balanceOf(BOB));
        _assertVotes(2 * LEAST, 0, 2 * LEAST);
        vault.rebalance();
        assertEq(pool.validator(vault.validatorId()).stake, 2 * LEAST, "a withdrawal is under way");
        _assertVotes(2 * LEAST, 0, 2 * LEAST);
        skip(EXIT_DELAY);
        _assertVotes(2 * LEAST, 0, 2 * LEAST);
        vault.collect();
        assertEq(vault.reserved(), LEAST);
        _assertVotes(2 * LEAST, 0, 2 * LEAST);
        claim(BOB);
        vm.startPrank(BOB);
        metis.approve(address(wrapped), LEAST);
        wrapped.depositFor(BOB, LEAST);
        wrapped.delegate(BOB);
        vm.stopPrank();
        others += LEAST;
        assertEq(power.getVotes(BOB), LEAST, "and then it votes elsewhere");
        skip(1);
        assertEq(power.getPastTotalSupply(vm.getBlockTimestamp() - 1), others + 2 * LEAST);
    }

    function test_metisKeptForTheQueueDoesNotVoteForThoseWhoStay() public {
        _staked();
        request(BOB, vault.balanceOf(BOB));
        depositFor(CAROL, LEAST);
        vault.rebalance();
        assertEq(vault.cash(), LEAST, "kept for Bob");
        assertEq(power.getVotes(CAROL), LEAST);
        _assertVotes(2 * LEAST, 0, 3 * LEAST);
    }

    /// @dev One share that stays has no more than its own, however much leaves.
    function test_nobodyVotesWithTheSharesOfThoseWhoLeave() public {
        _staked();
        vm.prank(ALICE);
        vault.transfer(CAROL, 1e24);
        request(ALICE, vault.balanceOf(ALICE));
        request(BOB, vault.balanceOf(BOB));
        assertEq(power.getVotes(CAROL), 1e18);
        vault.rebalance();
        assertEq(power.getVotes(CAROL), 1e18);
        _assertVotes(0, 0, 1e18);
    }

    function test_inJailOnlyMetisInHandVotes() public {
        _staked();
        depositFor(BOB, LEAST);
        skip(1);
        uint256 before = vm.getBlockTimestamp() - 1;
        _slash(0);
        assertStatus(ILockingPool.Status.Jailed);
        // 20,000 in hand, of 80,000 shares.
        _assertVotes(LEAST / 2, LEAST / 2, LEAST);
        assertEq(power.getPastVotes(ALICE, before), 2 * LEAST, "as it was");
        skip(3 days);
        vm.prank(PROVIDER);
        vault.release();
        _assertVotes(2 * LEAST, 2 * LEAST, 4 * LEAST);
    }

    /// @dev Nobody needs to call the vault: what was cut votes for whoever got it, and for nobody here.
    function test_whatASlashTookVotesNoMore() public {
        uint64 id = _staked();
        _slash(5_000);
        _assertVotes(0, 0, 0);
        assertEq(metis.balanceOf(TREASURY), 3 * LEAST / 2);
        coverBy(PROVIDER, COVER);
        skip(3 days);
        vm.prank(PROVIDER);
        vault.release();
        uint256 left = pool.validator(id).stake;
        assertEq(left, 3 * LEAST / 2 + COVER, "half, and what the cover made good");
        assertEq(power.getVotes(ALICE), left * 2 / 3);
        _assertVotes(left * 2 / 3, left / 3, left);
    }

    function test_whileTheValidatorLeavesNothingVotesAndAfterwardsMetisInHandDoes() public {
        _staked();
        vm.prank(PROVIDER);
        vault.leave();
        _assertVotes(0, 0, 0);
        skip(EXIT_DELAY);
        _assertVotes(0, 0, 0);
        vault.collect();
        _assertVotes(2 * LEAST, LEAST, 3 * LEAST);
        lockAs(2);
        _assertVotes(2 * LEAST, LEAST, 3 * LEAST);
    }

    function test_rewardsVoteOnceTheyAreTakenInAndTheFeeNever() public {
        uint64 id = _staked();
        earn(id, 300e18);
        _assertVotes(2 * LEAST, LEAST, 3 * LEAST);
        vault.harvest(id);
        assertEq(vault.cash(), 270e18);
        // A wei less than their parts: rounding is never in favour of a voter.
        _assertVotes(2 * LEAST + 180e18 - 1, LEAST + 90e18 - 1, 3 * LEAST + 270e18 - 1);
        vault.payFee();
        _assertVotes(2 * LEAST + 180e18 - 1, LEAST + 90e18 - 1, 3 * LEAST + 270e18 - 1);
    }

    function test_theCoverDoesNotVote() public {
        depositFor(ALICE, LEAST);
        assertEq(power.getVotes(ALICE), LEAST);
        assertEq(power.getVotes(PROVIDER), 0);
        coverBy(ALICE, LEAST);
        assertEq(power.getVotes(ALICE), LEAST);
    }

    function test_aLoanWithinABlockDoesNotVote() public {
        uint256 at = vm.getBlockTimestamp();
        uint256 shares = depositFor(ALICE, MOST);
        request(ALICE, shares);
        vault.serve();
        assertEq(claim(ALICE), MOST, "out at once: there never was a validator");
        skip(1);
        assertEq(power.getPastVotes(ALICE, at), 0);
        assertEq(power.getPastTotalSupply(at), others);
    }

    /// @dev Wrapped, deposited, staked, asked back, withdrawn, cut, claimed, given away and delegated, in any order: all that
    /// votes is wrapped, or in the pool's ledger, or in the vault's hand; and never more than there is.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_noMetisVotesTwiceWhereverItGoes(uint256 seed) public {
        _staked();
        for (uint256 i = 0; i < 30; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            _wander(seed % 12, (seed >> 8) & 1 == 0 ? ALICE : BOB, (seed >> 16) % LEAST);
            address[5] memory all = [ALICE, BOB, WHALE, ownerOf(9), address(vault)];
            uint256 cast;
            for (uint256 k = 0; k < all.length; k++) {
                cast += power.getVotes(all[k]);
            }
            uint256 staked = pool.VOTES().getVotes(ownerOf(9)) + pool.VOTES().getVotes(address(vault));
            assertLe(cast, wrapped.totalSupply() + staked + vault.cash());
            skip(1);
            assertLe(cast, power.getPastTotalSupply(vm.getBlockTimestamp() - 1));
            assertLe(power.getPastTotalSupply(vm.getBlockTimestamp() - 1), metis.totalSupply());
        }
    }

    /// @dev One step; what cannot be done as things stand is refused, and that is well.
    function _wander(uint256 how, address who, uint256 amount) private {
        if (how == 0) voter(who, amount);
        else if (how == 1) _try(who, address(wrapped), abi.encodeCall(wrapped.withdrawTo, (who, amount)));
        else if (how == 2 && amount < vault.maxDeposit(who)) depositFor(who, amount + 1);
        else if (how == 3) _try(who, address(vault), abi.encodeCall(vault.requestRedeem, (amount * 1e6, who, who)));
        else if (how == 4) _try(who, address(vault), abi.encodeCall(vault.rebalance, ()));
        else if (how == 5) _try(who, address(vault), abi.encodeCall(vault.collect, ()));
        else if (how == 6) claim(who);
        else if (how == 7) _try(PROVIDER, address(vault), abi.encodeCall(vault.release, ()));
        else if (how == 8 && amount % 4 == 0) _try(PROVIDER, address(vault), abi.encodeCall(vault.leave, ()));
        else if (how == 9) _try(pool.slasher(), address(pool), _cut(amount % 2_000));
        else if (how == 10) _try(who, address(votes), abi.encodeCall(votes.delegate, (amount % 2 == 0 ? who : WHALE)));
        else skip(amount % EXIT_DELAY);
    }

    function _cut(uint256 fraction) private view returns (bytes memory) {
        return abi.encodeCall(pool.slash, (vault.validatorId(), fraction, 0, address(0), TREASURY, 3 days));
    }

    function _try(address who, address target, bytes memory call) private {
        vm.prank(who);
        (bool done,) = target.call(call);
        if (done) skip(1);
    }

    /* WHOSE THEY ARE */

    function test_sharesThatAreGivenAwayVoteForTheNewHolder() public {
        _staked();
        uint256 before = vm.getBlockTimestamp();
        skip(1);
        uint256 part = vault.balanceOf(ALICE) / 2;
        vm.prank(ALICE);
        vault.transfer(BOB, part);
        _assertVotes(LEAST, 2 * LEAST, 3 * LEAST);
        assertEq(power.getPastVotes(ALICE, before), 2 * LEAST);
        vm.prank(BOB);
        vault.transfer(BOB, part);
        _assertVotes(LEAST, 2 * LEAST, 3 * LEAST);
    }

    function test_holdersNameDelegatesAtTheLedger() public {
        _staked();
        assertEq(votes.delegates(ALICE), ALICE, "each itself to begin with");
        vm.prank(ALICE);
        votes.delegate(BOB);
        _assertVotes(0, 3 * LEAST, 3 * LEAST);
        depositFor(ALICE, LEAST);
        _assertVotes(0, 4 * LEAST, 4 * LEAST);
        vm.prank(ALICE);
        votes.delegate(address(0));
        assertEq(votes.delegates(ALICE), ALICE);
        _assertVotes(3 * LEAST, LEAST, 4 * LEAST);
    }

    function test_aDelegationCanBeSigned() public {
        _staked();
        (address signer, uint256 secret) = makeAddrAndKey("holder");
        uint256 shares = vault.balanceOf(BOB);
        vm.prank(BOB);
        vault.transfer(signer, shares);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Horae ShareVotes"),
                keccak256("1"),
                block.chainid,
                address(votes)
            )
        );
        bytes32 wish = keccak256(
            abi.encode(
                keccak256("Delegation(address delegatee,uint256 nonce,uint256 expiry)"), ALICE, 0, type(uint256).max
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, keccak256(abi.encodePacked(hex"1901", domain, wish)));
        votes.delegateBySig(ALICE, 0, type(uint256).max, v, r, s);
        _assertVotes(3 * LEAST, 0, 3 * LEAST);
    }

    function test_sharesLostToTheVaultVoteForNobody() public {
        _staked();
        vm.startPrank(ALICE);
        vault.transfer(address(vault), vault.balanceOf(ALICE) / 2);
        votes.delegate(ALICE);
        vm.stopPrank();
        // What they are worth is nobody's either.
        assertEq(power.getVotes(ALICE), LEAST * 3 / 2);
    }

    /// @dev Stake that names the vault as its delegate votes for the holders, up to what their shares are worth, and for
    /// nobody else: once, in any case.
    function test_stakeThatIsDelegatedToAVaultVotesOnceAtMost() public {
        _staked();
        ILockingPool locking = pool;
        _slash(0);
        _assertVotes(0, 0, 0);
        address other = ownerOf(9);
        assertEq(locking.validatorOf(other), 1);
        vm.startPrank(other);
        pool.VOTES().delegate(address(vault));
        vm.stopPrank();
        assertEq(power.getVotes(other), 0);
        others -= LEAST;
        _assertVotes(LEAST * 2 / 3, LEAST / 3, LEAST);
    }

    /* THE SOURCE */

    function test_anApprovedVaultIsASourceUntilItIsClosed() public {
        _staked();
        assertTrue(power.isSource(address(vault)));
        skip(1);
        uint256 at = vm.getBlockTimestamp() - 1;
        vm.prank(address(timelock));
        factory.approveProvider(PROVIDER, false);
        assertFalse(power.isSource(address(vault)));
        assertEq(power.getVotes(ALICE), 0);
        assertEq(power.getPastVotes(ALICE, at), 2 * LEAST, "a vote under way is what it was");
        skip(1);
        assertEq(power.getPastTotalSupply(vm.getBlockTimestamp() - 1), others, "leaves, and votes no more");
    }

    function test_aRegistrarIsNamedByGovernanceAlone() public {
        assertEq(power.registrar(), address(factory));
        vm.prank(ALICE);
        vm.expectRevert(_notOwner(ALICE));
        power.setRegistrar(ALICE);
        vm.expectEmit(address(power));
        emit IVotingPower.RegistrarChanged(address(0));
        vm.prank(address(timelock));
        power.setRegistrar(address(0));
        applyAtFactory(BOB);
        vm.startPrank(address(timelock));
        vm.expectRevert(_notOwner(address(factory)));
        factory.approveProvider(BOB, true);
        // A vault that voted is closed all the same; governance takes its source away itself.
        factory.approveProvider(PROVIDER, false);
        assertTrue(power.isSource(address(vault)));
        power.removeSource(address(vault));
        vm.stopPrank();
        assertFalse(power.isSource(address(vault)));
    }

    function test_aSourceThatGovernanceTookAwayStopsNoClosing() public {
        vm.startPrank(address(timelock));
        power.removeSource(address(vault));
        factory.approveProvider(PROVIDER, false);
        vm.stopPrank();
        assertTrue(vault.isClosed());
    }

    function test_onlyTheVaultWritesItsLedger() public {
        bytes memory refused = abi.encodeWithSelector(ShareVotes.NotVault.selector, ALICE);
        vm.startPrank(ALICE);
        vm.expectRevert(refused);
        votes.move(address(0), ALICE, 1);
        vm.expectRevert(refused);
        votes.note(1, 1);
        vm.stopPrank();
        assertEq(votes.vault(), address(vault));
        assertEq(votes.clock(), vm.getBlockTimestamp());
        assertEq(votes.CLOCK_MODE(), "mode=timestamp");
        assertEq(address(votes.STAKES()), address(pool.VOTES()));
    }

    function test_thePastIsPast() public {
        uint256 now_ = vm.getBlockTimestamp();
        vm.expectRevert(abi.encodeWithSelector(Votes.ERC5805FutureLookup.selector, now_, now_));
        vault.getPastTotalSupply(now_);
        vm.expectRevert(abi.encodeWithSelector(Votes.ERC5805FutureLookup.selector, now_, now_));
        vault.getPastVotes(ALICE, now_);
    }

    /// @dev Amounts that no METIS can have do not stop the vault.
    function test_theLedgerTakesAnyAmount() public {
        depositFor(ALICE, LEAST);
        vm.prank(address(vault));
        votes.note(type(uint256).max, type(uint256).max);
        assertEq(vault.getVotes(ALICE), type(uint104).max);
    }

    /// @dev A vault that is used every block for months answers within the gas of a source.
    function test_aBusyVaultAnswersWithinItsGas() public {
        _staked();
        for (uint256 i = 0; i < 600; i++) {
            depositFor(ALICE, 1e18);
            vm.prank(ALICE);
            vault.transfer(BOB, 1e24);
            skip(12);
        }
        uint256 at = vm.getBlockTimestamp() - 550 * 12;
        vm.cool(address(vault));
        vm.cool(address(votes));
        vm.cool(address(pool.VOTES()));
        uint256 gas = gasleft();
        uint256 had = vault.getPastVotes(BOB, at);
        gas -= gasleft();
        assertGt(had, LEAST);
        // A hundredfold history takes seven steps more in each of three searches, of some 2,500 gas each.
        assertLt(gas, power.SOURCE_GAS() * 3 / 4);
    }

    function _notOwner(address who) private pure returns (bytes memory) {
        return abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", who);
    }
}
