// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {CommonBase} from "forge-std/Base.sol";
import {StdCheats} from "forge-std/StdCheats.sol";
import {StdUtils} from "forge-std/StdUtils.sol";
import {Test} from "forge-std/Test.sol";

import {BatchInbox} from "../src/BatchInbox.sol";
import {LockingPool} from "../src/LockingPool.sol";
import {TestMetis} from "../src/devnet/TestMetis.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice Owners who come, go, and change their minds, in any order that the pool allows.
contract Owners is CommonBase, StdCheats, StdUtils {
    uint256 public constant COUNT = 8;

    TestMetis internal immutable METIS;
    LockingPool internal immutable POOL;

    /// @notice All that was ever taken in and paid out, kept apart from the contracts' own books.
    uint256 public taken;
    uint256 public paid;
    uint256 public claims;
    uint256 public slashes;
    uint256 private _keys;

    constructor(TestMetis metis, LockingPool pool) {
        METIS = metis;
        POOL = pool;
        address escrow = address(pool.ESCROW());
        for (uint256 n = 0; n < COUNT; n++) {
            vm.prank(ownerOf(n));
            metis.approve(escrow, type(uint256).max);
        }
    }

    function ownerOf(uint256 n) public pure returns (address) {
        return address(uint160(0xA11CE000 + n % COUNT));
    }

    function lock(uint256 n, uint256 amount) external {
        if (_status(n) != ILockingPool.Status.Unknown) return;
        amount = bound(amount, POOL.MIN_LOCK(), POOL.MAX_LOCK());
        uint256 secret = uint256(keccak256(abi.encode("key", ++_keys)));
        address owner = ownerOf(n);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, POOL.signerDigest(owner, vm.addr(secret)));
        METIS.mint(owner, amount);
        vm.prank(owner);
        POOL.lockFor(vm.addr(secret), bytes32(secret), amount, abi.encodePacked(r, s, v));
        taken += amount;
    }

    function increaseStake(uint256 n, uint256 amount) external {
        if (!_isMember(n)) return;
        ILockingPool.Validator memory mine = _mine(n);
        if (mine.stake == POOL.MAX_LOCK()) return;
        // Who was slashed below the least must come up to it.
        uint256 least = mine.stake < POOL.MIN_LOCK() ? POOL.MIN_LOCK() - mine.stake : 1;
        amount = bound(amount, least, POOL.MAX_LOCK() - mine.stake);
        METIS.mint(ownerOf(n), amount);
        vm.prank(ownerOf(n));
        POOL.increaseStake(amount);
        taken += amount;
    }

    function relockRewards(uint256 n, uint256 amount) external {
        if (!_isMember(n)) return;
        ILockingPool.Validator memory mine = _mine(n);
        uint256 room = POOL.MAX_LOCK() - mine.stake;
        if (room > mine.rewards) room = mine.rewards;
        if (room == 0 || mine.stake + room < POOL.MIN_LOCK()) return;
        uint256 least = mine.stake < POOL.MIN_LOCK() ? POOL.MIN_LOCK() - mine.stake : 1;
        vm.prank(ownerOf(n));
        POOL.relock(0, bound(amount, least, room));
    }

    function withdraw(uint256 n, uint256 amount, uint256 wait) external {
        if (_status(n) != ILockingPool.Status.Active) return;
        ILockingPool.Validator memory mine = _mine(n);
        if (mine.stake == POOL.MIN_LOCK()) return;
        if (POOL.withdrawals(POOL.validatorOf(ownerOf(n))).length == POOL.MAX_WITHDRAWALS()) return;
        skip(POOL.changeInterval() + bound(wait, 0, 10 days));
        amount = bound(amount, 1, mine.stake - POOL.MIN_LOCK());
        vm.prank(ownerOf(n));
        POOL.withdraw(amount);
    }

    function claimWithdrawals(uint256 n) external {
        uint64 id = POOL.validatorOf(ownerOf(n));
        ILockingPool.Withdrawal[] memory leaving = POOL.withdrawals(id);
        uint256 ready;
        bool any;
        for (uint256 i = 0; i < leaving.length; i++) {
            if (block.timestamp < leaving[i].claimableAt) continue;
            ready += leaving[i].amount;
            any = true;
        }
        if (!any) return;
        uint256 before = METIS.balanceOf(ownerOf(n));
        vm.prank(ownerOf(n));
        POOL.claimWithdrawals(id);
        require(METIS.balanceOf(ownerOf(n)) - before == ready, "paid otherwise than shown");
        paid += ready;
    }

    function earn(uint256 n, uint256 amount) external {
        uint64 id = POOL.validatorOf(ownerOf(n));
        if (id == 0) return;
        amount = bound(amount, 1, 5_000e18);
        (uint64[] memory ids, uint256[] memory amounts) = (new uint64[](1), new uint256[](1));
        (ids[0], amounts[0]) = (id, amount);
        METIS.mint(POOL.rewards(), amount);
        address payer = POOL.rewards();
        address escrow = address(POOL.ESCROW());
        vm.startPrank(payer);
        METIS.approve(escrow, amount);
        POOL.creditRewards(ids, amounts);
        vm.stopPrank();
        taken += amount;
    }

    function withdrawRewards(uint256 n) external {
        uint64 id = POOL.validatorOf(ownerOf(n));
        if (id == 0 || POOL.validator(id).rewards == 0) return;
        uint256 before = METIS.balanceOf(ownerOf(n));
        vm.prank(ownerOf(n));
        POOL.withdrawRewards(id);
        paid += METIS.balanceOf(ownerOf(n)) - before;
    }

    function slash(uint256 n, uint256 fraction) external {
        uint64 id = POOL.validatorOf(ownerOf(n));
        if (id == 0 || POOL.liable(id) == 0) return;
        uint256 liable = POOL.liable(id);
        address slasher = POOL.slasher();
        vm.prank(slasher);
        uint256 amount = POOL.slash(id, bound(fraction, 0, 10_000), 500, address(0xBEE), address(0x7EA), 1 days);
        require(POOL.liable(id) == liable - amount, "cut otherwise than said");
        paid += amount;
        slashes++;
    }

    function release(uint256 n) external {
        if (_status(n) != ILockingPool.Status.Jailed) return;
        ILockingPool.Validator memory mine = _mine(n);
        if (mine.stake < POOL.MIN_LOCK()) return;
        if (block.timestamp < mine.jailedUntil) vm.warp(mine.jailedUntil);
        vm.prank(ownerOf(n));
        POOL.release();
    }

    function setMaxValidators(uint256 limit) external {
        address governance = POOL.owner();
        vm.prank(governance);
        POOL.setMaxValidators(bound(limit, 1, COUNT));
    }

    function unlock(uint256 n) external {
        if (!_isMember(n)) return;
        vm.prank(ownerOf(n));
        POOL.unlock();
    }

    function unlockClaim(uint256 n, uint256 wait) external {
        if (_status(n) != ILockingPool.Status.Unlocking) return;
        skip(bound(wait, 0, 2 * POOL.EXIT_DELAY()));
        uint64 claimableAt = POOL.validator(POOL.validatorOf(ownerOf(n))).claimableAt;
        if (block.timestamp < claimableAt) return;
        uint256 before = METIS.balanceOf(ownerOf(n));
        vm.prank(ownerOf(n));
        POOL.unlockClaim();
        paid += METIS.balanceOf(ownerOf(n)) - before;
        claims++;
    }

    function donate(uint256 amount) external {
        METIS.mint(address(POOL.ESCROW()), bound(amount, 0, 1e24));
    }

    function _mine(uint256 n) internal view returns (ILockingPool.Validator memory) {
        return POOL.validator(POOL.validatorOf(ownerOf(n)));
    }

    function _isMember(uint256 n) internal view returns (bool) {
        ILockingPool.Status status = _status(n);
        return status == ILockingPool.Status.Active || status == ILockingPool.Status.Waiting
            || status == ILockingPool.Status.Jailed;
    }

    function _status(uint256 n) internal view returns (ILockingPool.Status) {
        return POOL.validator(POOL.validatorOf(ownerOf(n))).status;
    }
}

contract LockingEscrowInvariantTest is Test {
    TestMetis private metis = new TestMetis();
    LockingPool private pool = Proxied.pool(metis, address(this), 21 days);
    BatchInbox private inbox = Proxied.inbox(pool, 7 days);
    Owners private owners;

    function setUp() public {
        pool.connect(inbox, makeAddr("slasher"), makeAddr("rewards"));
        owners = new Owners(metis, pool);
        for (uint256 n = 0; n < owners.COUNT(); n++) {
            pool.setWhitelist(owners.ownerOf(n), true);
        }
        targetContract(address(owners));
    }

    /// @dev I7, and ours: the escrow holds all that it owes, which is stakes, what is being withdrawn, and rewards.
    function invariant_theEscrowHoldsWhatItOwes() public view {
        uint256 owed = pool.ESCROW().owed();
        assertEq(owed, owners.taken() - owners.paid());
        assertEq(owed, _owedByTheBooks());
        assertGe(metis.balanceOf(address(pool.ESCROW())), owed);
    }

    /// @dev I1 to I4: one validator an owner, a signer for one validator only, stakes within bounds, ids without gaps.
    function invariant_theBooksAreInOrder() public view {
        for (uint64 id = 1; id <= _lastId(); id++) {
            ILockingPool.Validator memory v = pool.validator(id);
            assertEq(pool.validatorOfSigner(v.signer), id);
            if (v.status != ILockingPool.Status.Claimed) assertEq(pool.validatorOf(v.owner), id);
            if (v.status == ILockingPool.Status.Active || v.status == ILockingPool.Status.Waiting) {
                assertGe(v.stake, pool.MIN_LOCK());
                assertLe(v.stake, pool.MAX_LOCK());
            }
        }
    }

    /// @dev I8: everybody is in exactly one place, and nobody waits while there is room.
    function invariant_everyoneIsInOnePlace() public view {
        uint256[6] memory counts;
        for (uint64 id = 1; id <= _lastId(); id++) {
            counts[uint8(pool.validator(id).status)]++;
        }
        ILockingPool.Entry[] memory listed = pool.validators();
        assertEq(listed.length, counts[uint8(ILockingPool.Status.Active)]);
        assertEq(pool.waiting().length, counts[uint8(ILockingPool.Status.Waiting)]);
        if (pool.waiting().length != 0) assertGe(listed.length, pool.maxValidators());
        for (uint256 i = 0; i < listed.length; i++) {
            assertEq(uint8(pool.validator(listed[i].id).status), uint8(ILockingPool.Status.Active));
        }
    }

    /// @dev What rewards are reckoned from follows the list.
    function invariant_stakeOverTimeGrowsByTheList() public {
        uint256 listed;
        ILockingPool.Entry[] memory entries = pool.validators();
        for (uint256 i = 0; i < entries.length; i++) {
            listed += entries[i].stake;
        }
        uint256 before = pool.stakeSeconds();
        uint256 state = vm.snapshotState();
        skip(10);
        assertEq(pool.stakeSeconds() - before, 10 * listed);
        vm.revertToState(state);
    }

    /// @dev Not only in sum: at the end of any history everyone leaves, and everyone is paid in full.
    function afterInvariant() public {
        uint256 owed = pool.ESCROW().owed();
        uint256 received;
        for (uint256 n = 0; n < owners.COUNT(); n++) {
            uint64 id = pool.validatorOf(owners.ownerOf(n));
            ILockingPool.Status status = pool.validator(id).status;
            if (id != 0 && status != ILockingPool.Status.Unlocking) pool.forceUnlock(id);
        }
        skip(21 days);
        for (uint64 id = 1; id <= _lastId(); id++) {
            ILockingPool.Validator memory v = pool.validator(id);
            uint256 before = metis.balanceOf(v.owner);
            vm.startPrank(v.owner);
            if (v.status == ILockingPool.Status.Unlocking) pool.unlockClaim();
            if (v.rewards != 0) pool.withdrawRewards(id);
            if (pool.withdrawals(id).length != 0) pool.claimWithdrawals(id);
            vm.stopPrank();
            received += metis.balanceOf(v.owner) - before;
        }
        assertEq(received, owed);
        assertEq(pool.ESCROW().owed(), 0);
    }

    /// @dev The handler skips what the pool would refuse; this shows that enough is left to say something.
    function test_theHandlerReachesEveryAction() public {
        owners.setMaxValidators(1);
        owners.lock(1, 0);
        owners.lock(2, 0);
        assertEq(pool.waiting().length, 1);
        owners.increaseStake(1, 5);
        owners.earn(1, 9);
        owners.relockRewards(1, 2);
        owners.withdrawRewards(1);
        owners.withdraw(1, 3, 0);
        owners.slash(1, 10);
        assertEq(owners.slashes(), 1);
        owners.release(1);
        owners.unlock(1);
        owners.unlockClaim(1, type(uint256).max);
        assertGt(owners.taken(), 0);
        skip(21 days);
        owners.claimWithdrawals(1);
        owners.unlockClaim(1, 0);
        assertEq(owners.claims(), 1);
    }

    function _lastId() private view returns (uint64 id) {
        while (pool.validator(id + 1).status != ILockingPool.Status.Unknown) id++;
    }

    function _owedByTheBooks() private view returns (uint256 sum) {
        for (uint64 id = 1; id <= _lastId(); id++) {
            ILockingPool.Validator memory v = pool.validator(id);
            sum += v.stake + v.rewards;
            ILockingPool.Withdrawal[] memory leaving = pool.withdrawals(id);
            for (uint256 i = 0; i < leaving.length; i++) {
                sum += leaving[i].amount;
            }
        }
    }
}
