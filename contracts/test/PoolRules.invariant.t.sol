// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {BatchInbox} from "../src/BatchInbox.sol";
import {LockingPool} from "../src/LockingPool.sol";
import {TestMetis} from "../src/devnet/TestMetis.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {Owners} from "./LockingEscrow.invariant.t.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice Owners and strangers who also try what the rules forbid: keys used before, changes too soon, claims too early,
/// rewards that are nobody's to give, stake of others. Keeps its own clock of changes and exits.
contract Rogues is Owners {
    address public constant STRANGER = address(0x57A);

    uint256[] private _secrets;
    mapping(uint64 id => uint256) private _changedAt;
    mapping(uint64 id => uint256) private _unlockedAt;
    uint64 public joined;
    uint256 public changed;
    uint256 public tooSoon;
    uint256 public reused;
    uint256 public tooEarly;
    uint256 public refusedToStrangers;

    constructor(TestMetis metis, LockingPool pool) Owners(metis, pool) {}

    /// @dev Joins with a key that was used before, if there is one and `again`, else with a new one.
    function join(uint256 n, uint256 which, bool again) external {
        if (_status(n) != ILockingPool.Status.Unknown) return;
        again = again && _secrets.length != 0;
        (address signer, bytes memory proof) = _signer(n, which, again);
        address owner = ownerOf(n);
        if (!again) METIS.mint(owner, 20_000e18);
        if (again) vm.expectRevert(abi.encodeWithSelector(ILockingPool.SignerUsed.selector, signer));
        vm.prank(owner);
        uint64 id = POOL.lockFor(signer, keccak256(abi.encode(_secrets.length)), 20_000e18, proof);
        if (again) {
            reused++;
            return;
        }
        taken += 20_000e18;
        joined++;
        require(id == joined, "numbers have a gap");
    }

    /// @dev Changes the signer, or withdraws a little, whenever it likes: both move one clock.
    function change(uint256 n, bool isWithdrawal, uint256 which, bool again, uint256 wait) external {
        uint64 id = POOL.validatorOf(ownerOf(n));
        if (isWithdrawal ? !_canWithdraw(n) : !_isMember(n)) return;
        skip(bound(wait, 0, 2 days));
        bool soon = _changedAt[id] != 0 && block.timestamp < _changedAt[id] + POOL.changeInterval();
        again = again && !isWithdrawal;
        (address signer, bytes memory proof) = _signer(n, which, again);
        if (soon) vm.expectPartialRevert(ILockingPool.ChangedTooSoon.selector);
        else if (again) vm.expectRevert(abi.encodeWithSelector(ILockingPool.SignerUsed.selector, signer));
        vm.prank(ownerOf(n));
        if (isWithdrawal) POOL.withdraw(1e18);
        else POOL.updateSigner(signer, proof);
        if (soon) {
            tooSoon++;
        } else if (again) {
            reused++;
        } else {
            _changedAt[id] = block.timestamp;
            changed++;
        }
    }

    function leave(uint256 n) external {
        if (!_isMember(n)) return;
        _unlockedAt[POOL.validatorOf(ownerOf(n))] = block.timestamp;
        vm.prank(ownerOf(n));
        POOL.unlock();
    }

    /// @dev Claims everything, now: stake and withdrawals come at the end of their delay and not a second before.
    function claim(uint256 n, uint256 wait) external {
        uint64 id = POOL.validatorOf(ownerOf(n));
        if (_status(n) != ILockingPool.Status.Unlocking) return;
        skip(bound(wait, 0, 15 days));
        bool early = block.timestamp < _unlockedAt[id] + POOL.EXIT_DELAY();
        uint256 before = METIS.balanceOf(ownerOf(n));
        if (early) vm.expectPartialRevert(ILockingPool.ExitDelayRunning.selector);
        vm.prank(ownerOf(n));
        POOL.unlockClaim();
        paid += METIS.balanceOf(ownerOf(n)) - before;
        if (early) tooEarly++;
        else claims++;
    }

    /// @dev One who owns nothing, and the owner of another validator, try all that moves what is `n`'s.
    function stealFrom(uint256 n, uint256 amount, bool byOwner) external {
        uint64 id = POOL.validatorOf(ownerOf(n));
        if (id == 0) return;
        address thief = byOwner ? ownerOf(n + 1) : STRANGER;
        (uint64[] memory ids, uint256[] memory amounts) = (new uint64[](1), new uint256[](1));
        (ids[0], amounts[0]) = (id, amount);
        bytes[7] memory tried = [
            abi.encodeCall(POOL.creditRewards, (ids, amounts)),
            abi.encodeCall(POOL.slash, (id, 10_000, 10_000, thief, thief, 0)),
            abi.encodeCall(POOL.withdrawRewards, (id)),
            abi.encodeCall(POOL.claimWithdrawals, (id)),
            abi.encodeCall(POOL.acceptOwner, (id)),
            abi.encodeCall(POOL.forceUnlock, (id)),
            abi.encodeCall(POOL.setWhitelist, (thief, true))
        ];
        bytes32 before = keccak256(abi.encode(POOL.validator(id), POOL.withdrawals(id)));
        for (uint256 i = 0; i < tried.length; i++) {
            vm.prank(thief);
            (bool good,) = address(POOL).call(tried[i]);
            require(!good, "a stranger got through");
        }
        require(before == keccak256(abi.encode(POOL.validator(id), POOL.withdrawals(id))), "a stranger changed it");
        refusedToStrangers++;
    }

    /// @dev A signer for owner `n`, new or used before, and its proof, which is good in both cases.
    function _signer(uint256 n, uint256 which, bool again) private returns (address signer, bytes memory proof) {
        if (!again) _secrets.push(uint256(keccak256(abi.encode("rogue", _secrets.length))));
        uint256 secret = again ? _secrets[which % _secrets.length] : _secrets[_secrets.length - 1];
        signer = vm.addr(secret);
        // What was refused as too soon was never used.
        if (again && POOL.validatorOfSigner(signer) == 0) (signer, secret) = (vm.addr(_secrets[0]), _secrets[0]);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, POOL.signerDigest(ownerOf(n), signer));
        proof = abi.encodePacked(r, s, v);
    }

    function _canWithdraw(uint256 n) private view returns (bool) {
        if (_status(n) != ILockingPool.Status.Active) return false;
        uint64 id = POOL.validatorOf(ownerOf(n));
        return _mine(n).stake > POOL.MIN_LOCK() + 1e18 && POOL.withdrawals(id).length < POOL.MAX_WITHDRAWALS();
    }
}

/// @notice I2, I4, I9, I10 and I11 of `metis.md`: what is tried against them here never succeeds.
contract PoolRulesInvariantTest is Test {
    TestMetis private metis = new TestMetis();
    LockingPool private pool = Proxied.pool(metis, address(this), 21 days);
    BatchInbox private inbox = Proxied.inbox(pool, 7 days);
    Rogues private rogues;

    function setUp() public {
        vm.warp(1_700_000_000);
        pool.connect(inbox, makeAddr("slasher"), makeAddr("rewards"));
        rogues = new Rogues(metis, pool);
        for (uint256 n = 0; n < rogues.COUNT(); n++) {
            pool.setWhitelist(rogues.ownerOf(n), true);
        }
        bytes4[] memory selectors = new bytes4[](9);
        (selectors[0], selectors[1]) = (Rogues.join.selector, Rogues.change.selector);
        (selectors[2], selectors[3]) = (Rogues.leave.selector, Rogues.claim.selector);
        (selectors[4], selectors[5]) = (Rogues.stealFrom.selector, Owners.increaseStake.selector);
        (selectors[6], selectors[7]) = (Owners.earn.selector, Owners.withdrawRewards.selector);
        selectors[8] = Owners.claimWithdrawals.selector;
        targetSelector(FuzzSelector(address(rogues), selectors));
        targetContract(address(rogues));
    }

    /// @dev I9 and I10: all that left the escrow went to owners, each its own; nobody else has any METIS, and nothing was
    /// credited that was not brought.
    function invariant_onlyOwnersArePaid() public view {
        uint256 held;
        for (uint256 n = 0; n < rogues.COUNT(); n++) {
            held += metis.balanceOf(rogues.ownerOf(n));
        }
        assertEq(held, rogues.paid());
        assertEq(metis.balanceOf(rogues.STRANGER()), 0);
        assertEq(metis.balanceOf(address(pool.ESCROW())), rogues.taken() - rogues.paid());
        assertEq(metis.totalSupply(), rogues.taken());
    }

    /// @dev I4: numbers from 1 without gaps; I2: a validator's signer is its own.
    function invariant_numbersAreDenseAndSignersServeOnce() public view {
        assertEq(pool.validatorCount(), rogues.joined());
        for (uint64 id = 1; id <= rogues.joined(); id++) {
            assertEq(pool.validatorOfSigner(pool.validator(id).signer), id);
        }
        assertEq(uint8(pool.validator(rogues.joined() + 1).status), uint8(ILockingPool.Status.Unknown));
    }

    function test_theHandlerReachesEveryAction() public {
        rogues.join(1, 0, false);
        rogues.join(2, 0, true);
        assertEq(rogues.reused(), 1);
        rogues.join(2, 0, false);
        rogues.increaseStake(1, 5_000e18);
        rogues.change(1, true, 0, false, 0);
        rogues.change(1, false, 0, false, 0);
        assertEq(rogues.tooSoon(), 1);
        rogues.change(1, false, 0, true, 1 days);
        assertEq(rogues.reused(), 2);
        rogues.change(1, false, 0, false, 0);
        assertEq(rogues.changed(), 2);
        rogues.earn(1, 5);
        rogues.stealFrom(1, 5, true);
        rogues.stealFrom(1, 5, false);
        assertEq(rogues.refusedToStrangers(), 2);
        rogues.leave(1);
        rogues.claim(1, 15 days);
        assertEq(rogues.tooEarly(), 1);
        rogues.claim(1, 15 days);
        assertEq(rogues.claims(), 1);
    }
}
