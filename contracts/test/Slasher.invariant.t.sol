// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {LockingPool} from "../src/LockingPool.sol";
import {Slasher} from "../src/Slasher.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {ISlasher} from "../src/interfaces/ISlasher.sol";
import {Fixture} from "./base/Fixture.sol";
import {Offences} from "./base/Offences.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice Strangers who post proofs of all kinds, true, forged and repeated, while validators leave and come back.
contract Strangers is Offences {
    uint256 public constant COUNT = 4;

    LockingPool private immutable POOL;
    Slasher private immutable SLASHER;
    uint256[COUNT] private _secrets;

    /// @notice How often each validator was convicted of what it did in a place.
    mapping(bytes32 place => uint256) public convictions;
    uint256 public most;
    uint256 public total;
    uint256 public repeated;
    uint256 public cut;
    uint256 public gained;

    constructor(LockingPool pool, Slasher slasher, uint256[COUNT] memory secrets) {
        (POOL, SLASHER, _secrets) = (pool, slasher, secrets);
    }

    function _locking() internal view override returns (address) {
        return address(POOL);
    }

    function post(uint256 who, uint64 term, uint64 epoch, uint8 kind, bytes32 a, bytes32 b, bool forged) external {
        uint256 secret = _secrets[who % COUNT];
        ISlasher.Proof memory proof = _contradiction(secret, kind % 4, a, b);
        proof.epoch = epoch % 3;
        if (proof.term != 0) proof.term = 1 + term % 3;
        _sign(secret, proof);
        if (forged) proof.second.signature = _signature(0xBAD, _digestOf(proof, proof.second));
        uint64 id = POOL.validatorOfSigner(proof.validator);
        uint256 liable = POOL.liable(id);
        bool known = SLASHER.isConvicted(id, proof.epoch, proof.term);
        bool fair = a != b && !forged && !known && liable != 0;
        try SLASHER.report(proof, address(0xBEE)) returns (uint256 amount) {
            require(fair, "convicted of what is none");
            require(amount <= liable / 10 && POOL.liable(id) == liable - amount, "cut too much");
            bytes32 place = keccak256(abi.encode(id, proof.epoch, proof.term));
            if (++convictions[place] > most) most = convictions[place];
            (total, cut) = (total + 1, cut + amount);
        } catch {
            require(!fair, "an offence went unpunished");
            if (known) repeated++;
        }
    }

    function leave(uint256 who) external {
        (uint64 id, ILockingPool.Validator memory v) = _of(who);
        if (v.status != ILockingPool.Status.Active && v.status != ILockingPool.Status.Jailed) return;
        vm.prank(v.owner);
        POOL.unlock();
        require(POOL.liable(id) == v.stake, "leaving freed stake");
    }

    function wait(uint256 time) external {
        skip(bound(time, 1 hours, 5 days));
    }

    function claim(uint256 who) external {
        (, ILockingPool.Validator memory v) = _of(who);
        if (v.status != ILockingPool.Status.Unlocking || block.timestamp < v.claimableAt) return;
        vm.prank(v.owner);
        POOL.unlockClaim();
        gained += v.stake;
    }

    function _of(uint256 who) private view returns (uint64 id, ILockingPool.Validator memory) {
        id = POOL.validatorOfSigner(vm.addr(_secrets[who % COUNT]));
        return (id, POOL.validator(id));
    }

    function _contradiction(uint256 secret, uint8 kind, bytes32 a, bytes32 b)
        private
        view
        returns (ISlasher.Proof memory)
    {
        if (kind == 0) return _proofOf(secret, _blockAt(4, a), _blockAt(4, b));
        if (kind == 1) return _proofOf(secret, _ackOf(4, a, 3, b), _ackOf(4, b, 0, 0));
        if (kind == 2) return _proofOf(secret, _ackOf(4, a, 0, 0), _closeWith(3, a, _list(4, b)));
        return _proofOf(secret, _engine(1, 4, 1, a, 0), _engine(1, 4, 1, b, 0));
    }
}

contract SlasherInvariantTest is Fixture {
    uint256 private constant STAKE = 100_000e18;

    Strangers private strangers;

    function setUp() public {
        vm.warp(1_700_000_000);
        pool = Proxied.pool(metis, address(this), EXIT_DELAY);
        inbox = Proxied.inbox(pool, EMERGENCY_DELAY);
        ISlasher.Penalty memory cost =
            ISlasher.Penalty({fraction: 1_000, reporterShare: 500, jailTime: 7 days, treasury: address(0x7EA)});
        Slasher slasher = Proxied.slasher(pool, 59_902, address(this), cost);
        pool.connect(inbox, address(slasher), makeAddr("rewards"));
        uint256[4] memory secrets;
        for (uint256 n = 0; n < 4; n++) {
            join(n, STAKE);
            secrets[n] = signerSecret(n);
        }
        strangers = new Strangers(pool, slasher, secrets);
        bytes4[] memory selectors = new bytes4[](4);
        (selectors[0], selectors[1]) = (Strangers.post.selector, Strangers.leave.selector);
        (selectors[2], selectors[3]) = (Strangers.wait.selector, Strangers.claim.selector);
        targetSelector(FuzzSelector(address(strangers), selectors));
        targetContract(address(strangers));
    }

    function invariant_oneSlashAnOffence() public view {
        assertLe(strangers.most(), 1);
    }

    function invariant_whatWasCutIsWhatIsGone() public view {
        assertEq(pool.ESCROW().owed(), 4 * STAKE - strangers.cut() - strangers.gained());
        assertEq(metis.balanceOf(address(0xBEE)) + metis.balanceOf(address(0x7EA)), strangers.cut());
        assertGe(metis.balanceOf(address(pool.ESCROW())), pool.ESCROW().owed());
    }

    /// @dev That the handler gets somewhere.
    function test_theHandlerConvictsOnceAndRepeats() public {
        strangers.post(0, 0, 0, 0, "a", "b", false);
        strangers.post(0, 0, 0, 1, "a", "b", false);
        strangers.post(0, 0, 0, 2, "a", "b", true);
        strangers.post(0, 0, 0, 3, "a", "b", false);
        strangers.post(1, 0, 0, 2, "a", "a", false);
        assertEq(strangers.total(), 2);
        assertEq(strangers.repeated(), 2);
        strangers.leave(0);
        strangers.wait(5 days);
        strangers.claim(0);
        assertEq(strangers.gained(), 0);
        skip(EXIT_DELAY);
        strangers.claim(0);
        assertGt(strangers.gained(), 0);
    }
}
