// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {LockingEscrow} from "../src/LockingEscrow.sol";
import {LockingPool} from "../src/LockingPool.sol";
import {Slasher} from "../src/Slasher.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {ISlasher} from "../src/interfaces/ISlasher.sol";
import {HostileToken} from "./base/HostileToken.sol";
import {Offences} from "./base/Offences.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice The owner of a validator that is a contract, and is called back when it is paid.
contract HostileOwner {
    function act(address target, bytes calldata data) external returns (bytes memory) {
        (bool good, bytes memory answer) = target.call(data);
        if (!good) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        return answer;
    }
}

contract ReentrancyTest is Offences {
    uint256 private constant LEAST = 20_000e18;
    uint256 private constant SECRET = 0x51;

    HostileToken private token = new HostileToken();
    LockingPool private pool = Proxied.pool(token, address(this), 21 days);
    HostileOwner private owner = new HostileOwner();
    address private escrow = address(pool.ESCROW());

    function setUp() public {
        // Owner and governance in one, so that nothing but the guard stands in the way.
        pool.setWhitelist(address(owner), true);
        token.mint(address(owner), 10 * LEAST);
        owner.act(address(token), abi.encodeCall(token.approve, (escrow, type(uint256).max)));
    }

    /// @dev Whatever is tried from inside a transfer, of a deposit or of a payment, the guard refuses it.
    function test_fromInsideATransferNothingIsPossible() public {
        bytes[] memory tried = new bytes[](5);
        tried[0] = abi.encodeCall(pool.increaseStake, (1));
        tried[1] = abi.encodeCall(pool.relock, (1, 0));
        tried[2] = abi.encodeCall(pool.unlockClaim, ());
        tried[3] = abi.encodeCall(pool.claimWithdrawals, (1));
        tried[4] = abi.encodeCall(pool.withdrawRewards, (1));
        _act(abi.encodeCall(pool.lockFor, (vm.addr(SECRET), bytes32("key"), 2 * LEAST, _proof())));
        _act(abi.encodeCall(pool.withdraw, (LEAST)));
        for (uint256 i = 0; i < tried.length; i++) {
            token.attack(address(owner), abi.encodeCall(owner.act, (address(pool), tried[i])));
            uint256 stake = pool.validator(1).stake;
            _act(abi.encodeCall(pool.increaseStake, (1)));
            assertEq(pool.validator(1).stake, stake + 1);
            _assertRefused();
        }
        _act(abi.encodeCall(pool.unlock, ()));
        skip(21 days);
        for (uint256 i = 0; i < tried.length; i++) {
            uint256 before = vm.snapshotState();
            token.attack(address(owner), abi.encodeCall(owner.act, (address(pool), tried[i])));
            _act(abi.encodeCall(pool.unlockClaim, ()));
            _assertRefused();
            _act(abi.encodeCall(pool.claimWithdrawals, (1)));
            _assertRefused();
            assertEq(token.balanceOf(address(owner)), 10 * LEAST);
            assertEq(pool.ESCROW().owed(), 0);
            vm.revertToState(before);
        }
    }

    /// @dev What needs no guard changes nothing that the payment has not changed before.
    function test_unlockingFromInsideADepositIsAnOrdinaryUnlock() public {
        token.attack(address(owner), abi.encodeCall(owner.act, (address(pool), abi.encodeCall(pool.unlock, ()))));
        _act(abi.encodeCall(pool.lockFor, (vm.addr(SECRET), bytes32("key"), LEAST, _proof())));
        assertTrue(token.went());
        assertEq(pool.validators().length, 0);
        assertEq(pool.ESCROW().owed(), LEAST);
        assertEq(token.balanceOf(escrow), LEAST);
    }

    /// @dev Nor does any other of them: whatever is called from inside a deposit or a payment, the books are right after.
    function test_whatNeedsNoGuardLeavesTheBooksRight() public {
        bytes[] memory tried = new bytes[](8);
        uint256 other = 0x52;
        bytes memory proof = ecdsa(other, pool.signerDigest(address(owner), vm.addr(other)));
        tried[0] = abi.encodeCall(pool.withdraw, (LEAST));
        tried[1] = abi.encodeCall(pool.updateSigner, (vm.addr(other), proof));
        tried[2] = abi.encodeCall(pool.updateNodeKey, (bytes32("other")));
        tried[3] = abi.encodeCall(pool.setRewardRecipient, (address(0xCAFE)));
        tried[4] = abi.encodeCall(pool.proposeOwner, (address(0xCAFE)));
        tried[5] = abi.encodeCall(pool.unlock, ());
        tried[6] = abi.encodeCall(pool.acceptOwner, (1));
        tried[7] = abi.encodeCall(pool.release, ());
        address rewards = address(this);
        pool.connect(Proxied.inbox(pool, 0), address(this), rewards);
        for (uint256 i = 0; i < tried.length; i++) {
            uint256 before = vm.snapshotState();
            token.attack(address(owner), abi.encodeCall(owner.act, (address(pool), tried[i])));
            _act(abi.encodeCall(pool.lockFor, (vm.addr(SECRET), bytes32("key"), 3 * LEAST, _proof())));
            // The last two are refused: nothing was offered, and nobody is in jail.
            assertEq(token.went(), i < 6);
            _assertBooks(3 * LEAST, 0);
            _reward(7e18);
            _assertBooks(3 * LEAST, 7e18);
            _act(abi.encodeCall(pool.withdrawRewards, (1)));
            _assertBooks(3 * LEAST, 0);
            vm.revertToState(before);
        }
    }

    /// @dev The reporter is called back when it is paid, and posts the same proof again.
    function test_aReporterThatCallsBackIsPaidOnce() public {
        ISlasher.Penalty memory cost =
            ISlasher.Penalty({fraction: 1_000, reporterShare: 500, jailTime: 0, treasury: address(0x7EA)});
        Slasher slasher = Proxied.slasher(pool, L2_CHAIN_ID, address(this), cost);
        pool.connect(Proxied.inbox(pool, 0), address(slasher), address(1));
        _act(abi.encodeCall(pool.lockFor, (vm.addr(SECRET), bytes32("key"), LEAST, _proof())));
        ISlasher.Proof memory proof = _proofOf(SECRET, _blockAt(1, "a"), _blockAt(1, "b"));
        token.attack(address(slasher), abi.encodeCall(slasher.report, (proof, address(owner))));
        uint256 before = token.balanceOf(address(owner));
        assertEq(slasher.report(proof, address(owner)), LEAST / 10);
        assertFalse(token.went());
        bytes memory again = abi.encodeWithSelector(ISlasher.AlreadyConvicted.selector, 1, EPOCH, TERM);
        assertEq(token.answer(), again);
        assertEq(token.balanceOf(address(owner)) - before, LEAST / 200);
        assertEq(pool.ESCROW().owed(), LEAST * 9 / 10);
    }

    function test_aTokenThatKeepsAPartIsRefused() public {
        token.charge(1);
        bytes memory lock = abi.encodeCall(pool.lockFor, (vm.addr(SECRET), bytes32("key"), LEAST, _proof()));
        vm.expectRevert(abi.encodeWithSelector(LockingEscrow.WrongAmountReceived.selector, LEAST - 1, LEAST));
        _act(lock);
    }

    function _locking() internal view override returns (address) {
        return address(pool);
    }

    function _act(bytes memory call) private {
        owner.act(address(pool), call);
    }

    function _reward(uint256 amount) private {
        (uint64[] memory ids, uint256[] memory amounts) = (new uint64[](1), new uint256[](1));
        (ids[0], amounts[0]) = (1, amount);
        token.mint(address(this), amount);
        token.approve(escrow, amount);
        pool.creditRewards(ids, amounts);
    }

    /// @dev All stake is somewhere, and the escrow holds it.
    function _assertBooks(uint256 stake, uint256 rewards) private view {
        ILockingPool.Validator memory mine = pool.validator(1);
        uint256 leaving;
        ILockingPool.Withdrawal[] memory withdrawals = pool.withdrawals(1);
        for (uint256 i = 0; i < withdrawals.length; i++) {
            leaving += withdrawals[i].amount;
        }
        assertEq(mine.stake + leaving, stake);
        assertEq(mine.rewards, rewards);
        assertEq(pool.ESCROW().owed(), stake + rewards);
        assertEq(token.balanceOf(escrow), stake + rewards);
    }

    function _assertRefused() private view {
        assertFalse(token.went());
        assertEq(bytes4(token.answer()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
    }

    function _proof() private view returns (bytes memory) {
        return ecdsa(SECRET, pool.signerDigest(address(owner), vm.addr(SECRET)));
    }
}
