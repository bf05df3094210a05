// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

import {VotingMetis} from "../src/gov/VotingMetis.sol";
import {VotingPower} from "../src/gov/VotingPower.sol";
import {IVotingPower} from "../src/interfaces/IVotingPower.sol";
import {Government} from "./base/Government.sol";

/// @notice Shares of a vault that vote, as a vault's would.
contract Shares is ERC20Votes, ERC20Permit {
    constructor() ERC20("Shares", "S") ERC20Permit("Shares") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}

/// @notice A source that is well when it is added, and then is not.
contract Broken {
    enum How {
        Well,
        Reverts,
        BurnsAll,
        Long,
        Huge
    }

    How public how;

    function become(How how_) external {
        how = how_;
    }

    function getVotes(address) external view returns (uint256) {
        return _answer();
    }

    function getPastVotes(address, uint256) external view returns (uint256) {
        return _answer();
    }

    function getPastTotalSupply(uint256) external view returns (uint256) {
        return _answer();
    }

    function _answer() private view returns (uint256) {
        require(how != How.Reverts, "broken");
        while (how == How.BurnsAll) {}
        if (how == How.Long) {
            assembly ("memory-safe") {
                return(0, 64)
            }
        }
        return how == How.Huge ? type(uint256).max : 5;
    }
}

/// @notice A token that keeps a part of each transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0)) super._update(to, address(0xFEE), 1);
    }
}

contract VotingPowerTest is Government {
    Shares private shares;
    address private constant ALICE = address(0xA11);

    function setUp() public {
        deploy();
        join(1, LEAST);
        handOver();
        shares = new Shares();
        voter(ALICE, 500e18);
    }

    /* WRAPPED METIS */

    function test_wrappedMetisIsBackedAndComesOutAtAnyTime() public {
        assertEq(wrapped.totalSupply(), metis.balanceOf(address(wrapped)));
        assertEq(wrapped.decimals(), 18);
        assertEq(wrapped.CLOCK_MODE(), "mode=timestamp");
        assertEq(wrapped.nonces(ALICE), 0);
        vm.prank(ALICE);
        wrapped.withdrawTo(ALICE, 200e18);
        assertEq(metis.balanceOf(ALICE), 200e18);
        assertEq(wrapped.getVotes(ALICE), 300e18);
    }

    function test_wrappedMetisVotesOnceItIsDelegated() public {
        metis.mint(address(this), 7);
        metis.approve(address(wrapped), 7);
        wrapped.depositFor(address(this), 7);
        assertEq(power.getVotes(address(this)), 0);
        wrapped.delegate(ALICE);
        assertEq(power.getVotes(ALICE), 500e18 + 7);
    }

    function test_votesMustBeBacked() public {
        FeeToken fee = new FeeToken();
        VotingMetis other = new VotingMetis(fee);
        fee.mint(address(this), 100);
        fee.approve(address(other), 100);
        vm.expectRevert(abi.encodeWithSelector(VotingMetis.WrongAmountReceived.selector, 99, 100));
        other.depositFor(address(this), 100);
    }

    /* SUMS */

    function test_wrappedAndLockedAreSummed() public {
        voter(ownerOf(1), 5e18);
        uint256 at = vm.getBlockTimestamp() - 1;
        assertEq(power.getVotes(ownerOf(1)), LEAST + 5e18);
        assertEq(power.getPastVotes(ownerOf(1), at), LEAST + 5e18);
        assertEq(power.getPastTotalSupply(at), LEAST + 1_000_505e18);
        assertEq(power.clock(), vm.getBlockTimestamp());
        assertEq(power.CLOCK_MODE(), "mode=timestamp");
        vm.prank(ownerOf(1));
        pool.unlock();
        assertEq(power.getVotes(ownerOf(1)), 5e18);
        assertEq(power.getPastVotes(ownerOf(1), at), LEAST + 5e18);
        vm.expectRevert(abi.encodeWithSelector(Votes.ERC5805FutureLookup.selector, at + 1, at + 1));
        power.getPastVotes(ownerOf(1), at + 1);
        vm.expectRevert(abi.encodeWithSelector(Votes.ERC5805FutureLookup.selector, at + 1, at + 1));
        power.getPastTotalSupply(at + 1);
    }

    /// @dev The same METIS, first wrapped, then locked, votes once at any time.
    function testFuzz_noMetisVotesTwice(uint256 amount, uint256 wait) public {
        amount = bound(amount, LEAST, 5 * LEAST);
        wait = bound(wait, 1, 100 days);
        voter(ownerOf(2), amount);
        uint256 at = vm.getBlockTimestamp() - 1;
        uint256 total = power.getPastTotalSupply(at);
        vm.prank(ownerOf(2));
        wrapped.withdrawTo(ownerOf(2), amount);
        vm.startPrank(ownerOf(2));
        metis.approve(address(pool.ESCROW()), amount);
        vm.stopPrank();
        vm.prank(address(timelock));
        pool.setWhitelist(ownerOf(2), true);
        bytes memory proof = ecdsa(signerSecret(2), pool.signerDigest(ownerOf(2), signerOf(2)));
        vm.prank(ownerOf(2));
        pool.lockFor(signerOf(2), nodeKeyOf(2), amount, proof);
        skip(wait);
        assertEq(power.getPastTotalSupply(vm.getBlockTimestamp() - 1), total);
        assertEq(power.getPastVotes(ownerOf(2), vm.getBlockTimestamp() - 1), amount);
        assertEq(power.getPastVotes(ownerOf(2), at), amount);
    }

    /// @dev Wrapped for one transaction only, METIS does not vote: not in the past, where alone votes are read.
    function test_aLoanWithinABlockDoesNotVote() public {
        metis.mint(address(this), 1e24);
        metis.approve(address(wrapped), 1e24);
        uint256 at = vm.getBlockTimestamp();
        wrapped.delegate(address(this));
        wrapped.depositFor(address(this), 1e24);
        wrapped.withdrawTo(address(this), 1e24);
        skip(1);
        assertEq(power.getPastVotes(address(this), at), 0);
    }

    function test_delegationIsElsewhere() public {
        vm.expectRevert(IVotingPower.DelegateAtTheSource.selector);
        power.delegate(ALICE);
        vm.expectRevert(IVotingPower.DelegateAtTheSource.selector);
        power.delegates(ALICE);
        vm.expectRevert(IVotingPower.DelegateAtTheSource.selector);
        power.delegateBySig(ALICE, 0, 0, 0, 0, 0);
    }

    /* SOURCES */

    function test_sharesVoteInsteadOfTheVault() public {
        // The vault is an owner of stake, with shares for it.
        vm.etch(ownerOf(1), address(new Shares()).code);
        Shares vault = Shares(ownerOf(1));
        vault.mint(ALICE, LEAST);
        vm.prank(ALICE);
        vault.delegate(ALICE);
        skip(10);
        uint256 before = vm.getBlockTimestamp() - 1;
        assertEq(power.getVotes(address(vault)), LEAST);
        vm.expectEmit(address(power));
        emit IVotingPower.SourceAdded(address(vault));
        _add(address(vault));
        assertEq(power.sources().length, 1);
        skip(10);
        uint256 at = vm.getBlockTimestamp() - 1;
        assertEq(power.getVotes(ALICE), LEAST + 500e18);
        assertEq(power.getPastVotes(ALICE, at), LEAST + 500e18);
        assertEq(power.getVotes(address(vault)), 0);
        assertEq(power.getPastVotes(address(vault), at), 0);
        assertEq(power.getPastTotalSupply(at), LEAST + 1_000_500e18);
        // What was before is as it was.
        assertEq(power.getPastVotes(ALICE, before), 500e18);
        assertEq(power.getPastVotes(address(vault), before), LEAST);
        assertEq(power.getPastTotalSupply(before), LEAST + 1_000_500e18);

        vm.expectEmit(address(power));
        emit IVotingPower.SourceRemoved(address(vault));
        _remove(address(vault));
        skip(10);
        assertEq(power.getVotes(ALICE), 500e18);
        assertEq(power.getPastVotes(ALICE, at), LEAST + 500e18, "as it was");
        assertEq(power.getPastVotes(address(vault), vm.getBlockTimestamp() - 1), LEAST);
        // And back again.
        _add(address(vault));
        assertEq(power.getVotes(ALICE), LEAST + 500e18);
    }

    function test_aBrokenSourceHasNoVotesAndStopsNobody() public {
        Broken broken = new Broken();
        _add(address(broken));
        skip(10);
        uint256 at = vm.getBlockTimestamp() - 1;
        assertEq(power.getPastVotes(ALICE, at), 500e18 + 5);
        for (uint8 how = 1; how <= 4; how++) {
            broken.become(Broken.How(how));
            assertEq(power.getPastVotes(ALICE, at), 500e18);
            assertEq(power.getVotes(ALICE), 500e18);
            assertEq(power.getPastTotalSupply(at), LEAST + 1_000_500e18);
        }
    }

    /// @dev Who carries a signed vote cannot starve a source of gas.
    function test_littleGasIsRefused() public {
        _add(address(shares));
        skip(10);
        uint256 needed = power.SOURCE_GAS() * 64 / 63 + 10_000;
        bytes memory call = abi.encodeCall(power.getPastVotes, (ALICE, vm.getBlockTimestamp() - 1));
        (bool good, bytes memory answer) = address(power).staticcall{gas: needed}(call);
        assertFalse(good);
        assertEq(answer, abi.encodeWithSelector(IVotingPower.TooLittleGas.selector, needed));
        (good,) = address(power).staticcall{gas: needed + 100_000}(call);
        assertTrue(good);
    }

    function testFuzz_gasChangesNoSum(uint256 gas) public {
        vm.prank(ALICE);
        shares.delegate(ALICE);
        shares.mint(ALICE, 77);
        _add(address(shares));
        skip(10);
        gas = bound(gas, 50_000, 500_000);
        bytes memory call = abi.encodeCall(power.getPastVotes, (ALICE, vm.getBlockTimestamp() - 1));
        (bool good, bytes memory answer) = address(power).staticcall{gas: gas}(call);
        if (good) assertEq(abi.decode(answer, (uint256)), 500e18 + 77);
    }

    function test_whatIsNoSourceIsRefused() public {
        _refuses(address(wrapped), abi.encodeWithSelector(IVotingPower.AlreadySource.selector, wrapped));
        address stakes = address(pool.VOTES());
        _refuses(stakes, abi.encodeWithSelector(IVotingPower.AlreadySource.selector, stakes));
        _refuses(address(power), abi.encodeWithSelector(IVotingPower.AlreadySource.selector, power));
        _refuses(address(metis), abi.encodeWithSelector(IVotingPower.NotVotes.selector, metis));
        _refuses(ALICE, abi.encodeWithSelector(IVotingPower.NotVotes.selector, ALICE));
        _add(address(shares));
        _refuses(address(shares), abi.encodeWithSelector(IVotingPower.AlreadySource.selector, shares));
        _remove(address(shares));
        vm.expectRevert(abi.encodeWithSelector(IVotingPower.NotSource.selector, shares));
        _remove(address(shares));
    }

    function test_onlyGovernanceAddsSources() public {
        bytes memory stranger = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, ALICE);
        vm.startPrank(ALICE);
        vm.expectRevert(stranger);
        power.addSource(address(shares));
        vm.expectRevert(stranger);
        power.removeSource(address(shares));
        vm.stopPrank();
    }

    function test_removedSourcesMakeRoomInTime() public {
        for (uint256 i = 0; i < power.MAX_SOURCES(); i++) {
            Shares more = new Shares();
            _add(address(more));
            if (i < 2) _remove(address(more));
        }
        _refuses(address(shares), abi.encodeWithSelector(IVotingPower.TooManySources.selector, 40));
        skip(power.MEMORY() + 1);
        _add(address(shares));
        assertEq(power.sources().length, 39);
        // All of them answer within what a vote may cost.
        uint256 gas = gasleft();
        power.getPastVotes(ALICE, vm.getBlockTimestamp() - 1);
        assertLt(gas - gasleft(), 2_000_000);
    }

    function _add(address source) private {
        vm.prank(address(timelock));
        power.addSource(source);
    }

    function _remove(address source) private {
        vm.prank(address(timelock));
        power.removeSource(source);
    }

    function _refuses(address source, bytes memory why) private {
        vm.expectRevert(why);
        _add(source);
    }
}
