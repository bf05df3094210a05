// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {CommonBase} from "forge-std/Base.sol";
import {StdCheats} from "forge-std/StdCheats.sol";
import {StdUtils} from "forge-std/StdUtils.sol";
import {Test} from "forge-std/Test.sol";

import {LockingPool} from "../src/LockingPool.sol";
import {TestMetis} from "../src/devnet/TestMetis.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";

/// @notice Owners who come, go, and change their minds, in any order that the pool allows.
contract Owners is CommonBase, StdCheats, StdUtils {
    uint256 public constant COUNT = 8;

    TestMetis private immutable METIS;
    LockingPool private immutable POOL;

    /// @notice All that was ever taken in and paid out, kept apart from the contracts' own books.
    uint256 public taken;
    uint256 public paid;
    uint256 public claims;
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
        if (_status(n) != ILockingPool.Status.Active) return;
        amount = bound(amount, 0, POOL.MAX_LOCK() - POOL.validator(POOL.validatorOf(ownerOf(n))).stake);
        METIS.mint(ownerOf(n), amount);
        vm.prank(ownerOf(n));
        POOL.increaseStake(amount);
        taken += amount;
    }

    function unlock(uint256 n) external {
        if (_status(n) != ILockingPool.Status.Active) return;
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

    function _status(uint256 n) private view returns (ILockingPool.Status) {
        return POOL.validator(POOL.validatorOf(ownerOf(n))).status;
    }
}

contract LockingEscrowInvariantTest is Test {
    TestMetis private metis = new TestMetis();
    LockingPool private pool = new LockingPool(metis, address(this), 21 days);
    Owners private owners = new Owners(metis, pool);

    function setUp() public {
        for (uint256 n = 0; n < owners.COUNT(); n++) {
            pool.setWhitelist(owners.ownerOf(n), true);
        }
        targetContract(address(owners));
    }

    function invariant_theEscrowHoldsWhatItOwes() public view {
        uint256 owed = pool.ESCROW().owed();
        assertEq(owed, owners.taken() - owners.paid());
        assertEq(owed, _stakes());
        assertGe(metis.balanceOf(address(pool.ESCROW())), owed);
    }

    /// @dev Not only in sum: at the end of any history everyone leaves, and everyone is paid in full.
    function afterInvariant() public {
        uint256 owed = pool.ESCROW().owed();
        uint256 received;
        for (uint256 n = 0; n < owners.COUNT(); n++) {
            uint64 id = pool.validatorOf(owners.ownerOf(n));
            if (id != 0 && pool.validator(id).status == ILockingPool.Status.Active) pool.forceUnlock(id);
        }
        skip(21 days);
        for (uint256 n = 0; n < owners.COUNT(); n++) {
            address owner = owners.ownerOf(n);
            uint64 id = pool.validatorOf(owner);
            if (id == 0) continue;
            uint256 stake = pool.validator(id).stake;
            uint256 before = metis.balanceOf(owner);
            vm.prank(owner);
            pool.unlockClaim();
            assertEq(metis.balanceOf(owner) - before, stake);
            received += stake;
        }
        assertEq(received, owed);
        assertEq(pool.ESCROW().owed(), 0);
    }

    /// @dev The handler skips what the pool would refuse; this shows that enough is left to say something.
    function test_theHandlerReachesEveryAction() public {
        owners.lock(1, 0);
        owners.increaseStake(1, 5);
        owners.unlock(1);
        owners.unlockClaim(1, type(uint256).max);
        assertGt(owners.taken(), 0);
        skip(21 days);
        owners.unlockClaim(1, 0);
        assertEq(owners.claims(), 1);
        assertEq(owners.paid(), owners.taken());
    }

    function _stakes() private view returns (uint256 sum) {
        for (uint64 id = 1; pool.validator(id).status != ILockingPool.Status.Unknown; id++) {
            sum += pool.validator(id).stake;
        }
    }
}
