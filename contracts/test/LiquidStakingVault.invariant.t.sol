// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {LiquidStakingVault} from "../src/LiquidStakingVault.sol";
import {LockingPool} from "../src/LockingPool.sol";
import {TestMetis} from "../src/devnet/TestMetis.sol";
import {IGuarded} from "../src/interfaces/IGuarded.sol";
import {ILiquidStakingVault} from "../src/interfaces/ILiquidStakingVault.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {ShareVotes} from "../src/vault/ShareVotes.sol";
import {Signing} from "./base/Signing.sol";
import {VaultFixture} from "./base/VaultFixture.sol";

/// @notice Holders that come and go, a provider, governance, a slasher and passers-by, in any order. Keeps the queue as a
/// plain list, and the price before and after each step.
contract Crowd is Signing {
    uint256 private constant LEAST = 20_000e18;
    uint256 public constant HOLDERS = 4;

    /// @dev A request as it was made; `end` is its end on the line of all shares ever requested.
    struct Request {
        uint256 end;
        uint256 madeAt;
    }

    LiquidStakingVault private immutable VAULT;
    LockingPool private immutable POOL;
    TestMetis private immutable METIS;
    address private immutable PROVIDER;
    address private immutable GOVERNANCE;
    uint64 private immutable EXIT_DELAY;

    uint256 public deposited;
    uint256 public earned;
    uint256 public slashed;
    uint256 public claimed;
    uint256 public feesPaid;
    uint256 public given;
    uint256 public coverAdded;
    uint256 public coverTaken;
    /// @notice What of the cover no slash has taken yet, whether or not the vault was called since.
    uint256 public shield;
    uint256 public slashes;
    uint256 public exits;
    /// @notice What went wrong first; empty if nothing did.
    string public wrong;

    Request[] private _requests;
    uint256 private _keys;
    uint256 private _price;

    constructor(LiquidStakingVault vault, TestMetis metis, address provider) {
        (VAULT, POOL, METIS, PROVIDER, GOVERNANCE) = (vault, vault.POOL(), metis, provider, msg.sender);
        EXIT_DELAY = POOL.EXIT_DELAY();
        for (uint256 i = 0; i < HOLDERS; i++) {
            vm.prank(holder(i));
            metis.approve(address(vault), type(uint256).max);
        }
        vm.prank(provider);
        metis.approve(address(vault), type(uint256).max);
    }

    /// @dev What every step but a slash keeps, and what every second that passes.
    modifier step() {
        uint256 before = price();
        (, uint256 servedBefore) = VAULT.queueProgress();
        bool wasLocked = VAULT.validatorId() != 0;
        _;
        if (price() < before) wrong = "the price fell";
        (, uint256 served) = VAULT.queueProgress();
        if (served > servedBefore && served > _dueAt()) wrong = "served before its delay";
        if (wasLocked && VAULT.validatorId() == 0) exits++;
    }

    /* HOLDERS */

    function deposit(uint256 who, uint256 assets) external step {
        uint256 most = VAULT.maxDeposit(address(0));
        if (most == 0) return;
        assets = bound(assets, 1, most);
        METIS.mint(holder(who), assets);
        vm.prank(holder(who));
        VAULT.deposit(assets, holder(who));
        deposited += assets;
    }

    function request(uint256 who, uint256 shares) external step {
        uint256 balance = VAULT.balanceOf(holder(who));
        if (balance == 0) return;
        shares = shares % 3 == 0 ? balance : bound(shares, 1, balance);
        _call(holder(who), abi.encodeCall(VAULT.requestRedeem, (shares, holder(who), holder(who))));
        (uint256 end,) = VAULT.queueProgress();
        _requests.push(Request(end, vm.getBlockTimestamp()));
    }

    function redeem(uint256 who, uint256 shares) external step {
        shares = bound(shares, 0, VAULT.maxRedeem(holder(who)));
        vm.prank(holder(who));
        claimed += VAULT.redeem(shares, holder(who), holder(who));
    }

    function withdraw(uint256 who, uint256 assets) external step {
        assets = bound(assets, 0, VAULT.maxWithdraw(holder(who)));
        vm.prank(holder(who));
        VAULT.withdraw(assets, holder(who), holder(who));
        claimed += assets;
    }

    function transfer(uint256 who, uint256 to, uint256 shares) external step {
        shares = bound(shares, 0, VAULT.balanceOf(holder(who)));
        vm.prank(holder(who));
        VAULT.transfer(holder(to), shares);
    }

    function delegate(uint256 who, uint256 to) external step {
        ShareVotes ledger = VAULT.votes();
        vm.prank(holder(who));
        ledger.delegate(holder(to));
    }

    /* PASSERS-BY */

    function rebalance() external step {
        _call(address(this), abi.encodeCall(VAULT.rebalance, ()));
    }

    function collect() external step {
        _call(address(this), abi.encodeCall(VAULT.collect, ()));
    }

    function serve() external step {
        VAULT.serve();
        uint256 staying = VAULT.totalSupply() - VAULT.balanceOf(address(VAULT));
        if (votes() > VAULT.convertToAssets(staying)) wrong = "who stays votes for who leaves";
    }

    function harvest(uint64 id) external step {
        id = uint64(bound(id, 0, POOL.validatorCount()));
        _call(address(this), abi.encodeCall(VAULT.harvest, (id)));
    }

    function donate(uint256 amount) external step {
        amount = bound(amount, 1, LEAST);
        METIS.mint(address(VAULT), amount);
        given += amount;
    }

    /// @dev Votes of the past are what they were.
    function wait(uint256 time) external step {
        uint256 at = vm.getBlockTimestamp();
        uint256[] memory had = new uint256[](HOLDERS);
        for (uint256 i = 0; i < HOLDERS; i++) {
            had[i] = VAULT.getVotes(holder(i));
        }
        skip(bound(time, 1, 12 days));
        for (uint256 i = 0; i < HOLDERS; i++) {
            if (VAULT.getPastVotes(holder(i), at) != had[i]) wrong = "a past vote is not what it was";
        }
    }

    /* PROVIDER */

    function lock() external {
        if (VAULT.validatorId() != 0) return;
        uint256 before = price();
        address signer = vm.addr(++_keys);
        bytes memory proof = ecdsa(_keys, POOL.signerDigest(address(VAULT), signer));
        _call(PROVIDER, abi.encodeCall(VAULT.lock, (signer, bytes32(_keys), proof)));
        if (price() < before) wrong = "the price fell";
    }

    function addCover(uint256 amount) external step {
        amount = bound(amount, 1, 1_000e18);
        METIS.mint(PROVIDER, amount);
        vm.prank(PROVIDER);
        VAULT.addCover(amount);
        coverAdded += amount;
        shield += amount;
    }

    function takeCover() external step {
        if (VAULT.validatorId() != 0 || VAULT.cover() == 0) return;
        vm.prank(PROVIDER);
        coverTaken += VAULT.takeCover();
        shield = 0;
    }

    function leaveOrRelease(uint256 which) external step {
        bytes4 selector = which % 4 == 0 ? VAULT.leave.selector : VAULT.release.selector;
        _call(PROVIDER, abi.encodeWithSelector(selector));
    }

    function changeFee(uint16 fee) external step {
        (, uint64 from) = VAULT.announcedFee();
        if (from == 0) {
            vm.prank(PROVIDER);
            VAULT.announceFee(uint16(bound(fee, 0, 2_000)));
        } else {
            _call(address(this), abi.encodeCall(VAULT.applyFee, ()));
        }
    }

    function payFee() external step {
        if (VAULT.feeOwed() != 0) feesPaid += VAULT.payFee();
    }

    /* THE POOL'S */

    function earn(uint64 id, uint256 amount) external step {
        uint64 count = POOL.validatorCount();
        if (count == 0) return;
        (uint64[] memory ids, uint256[] memory amounts) = (new uint64[](1), new uint256[](1));
        (ids[0], amounts[0]) = (uint64(bound(id, 1, count)), bound(amount, 1, 500e18));
        address payer = POOL.rewards();
        METIS.mint(payer, amounts[0]);
        vm.startPrank(payer);
        METIS.approve(address(POOL.ESCROW()), amounts[0]);
        POOL.creditRewards(ids, amounts);
        vm.stopPrank();
        earned += amounts[0];
    }

    /// @dev The one step at which the price may fall: by the part of it that was cut, and a wei of rounding.
    function slash(uint256 fraction, uint64 jail) external {
        uint64 id = VAULT.validatorId();
        if (id == 0 || POOL.liable(id) == 0) return;
        (uint256 before, uint256 assets) = (price(), VAULT.totalAssets());
        vm.prank(POOL.slasher());
        uint256 cut =
            POOL.slash(id, bound(fraction, 100, 3_000), 500, address(1), address(2), uint64(bound(jail, 0, 12 days)));
        slashed += cut;
        slashes++;
        uint256 paid = cut < shield ? cut : shield;
        shield -= paid;
        if (VAULT.totalAssets() != assets - cut + paid) wrong = "a slash cost another sum than was cut";
        uint256 fair = before * (assets - cut + paid + 1) / (assets + 1);
        if (price() + 1 < fair || price() > fair + 1) wrong = "a slash cost a share another part than was cut";
    }

    function forceUnlock() external step {
        uint64 id = VAULT.validatorId();
        if (id == 0) return;
        vm.prank(GOVERNANCE);
        try POOL.forceUnlock(id) {} catch {}
    }

    function pause() external step {
        vm.prank(GOVERNANCE);
        try POOL.pause() {} catch {}
    }

    /* WHAT IS LOOKED AT */

    function price() public view returns (uint256) {
        return (VAULT.totalAssets() + 1) * 1e36 / (VAULT.totalSupply() + 1e6);
    }

    /// @notice Of all holders together.
    function votes() public view returns (uint256 sum) {
        for (uint256 i = 0; i < HOLDERS; i++) {
            sum += VAULT.getVotes(holder(i));
        }
    }

    function holder(uint256 i) public pure returns (address) {
        return address(uint160(0xA000 + i % HOLDERS));
    }

    /// @dev End of the last request whose delay is over, from the plain list.
    function _dueAt() private view returns (uint256 end) {
        for (uint256 i = 0; i < _requests.length; i++) {
            if (_requests[i].madeAt + EXIT_DELAY <= vm.getBlockTimestamp()) end = _requests[i].end;
        }
    }

    /// @dev Nothing may fail but for these reasons.
    function _call(address from, bytes memory call) private {
        vm.prank(from);
        (bool done, bytes memory answer) = address(VAULT).call(call);
        if (done) return;
        bytes4 why = bytes4(answer);
        bool fine = why == IGuarded.PausedUntil.selector || why == ILiquidStakingVault.NoValidator.selector
            || why == ILiquidStakingVault.CoverTooSmall.selector || why == ILiquidStakingVault.TooLittleToLock.selector
            || why == ILiquidStakingVault.NoticeRunning.selector || why == ILockingPool.NotActive.selector
            || why == ILockingPool.NotJailed.selector || why == ILockingPool.JailRunning.selector
            || why == ILiquidStakingVault.TooManyRequests.selector
            || (why == ILockingPool.StakeOutOfBounds.selector && bytes4(call) == VAULT.release.selector);
        if (!fine) wrong = vm.toString(answer);
    }
}

contract LiquidStakingVaultInvariantTest is VaultFixture {
    Crowd private crowd;

    function setUp() public {
        makeVault();
        factory.approveProvider(PROVIDER, false);
        vault = approved(PROVIDER, 500e18);
        crowd = new Crowd(vault, metis, PROVIDER);
        pool.setGuardian(address(this));
        bytes4[] memory selectors = new bytes4[](25);
        selectors[0] = Crowd.deposit.selector;
        selectors[1] = Crowd.request.selector;
        selectors[2] = Crowd.redeem.selector;
        selectors[3] = Crowd.withdraw.selector;
        selectors[4] = Crowd.rebalance.selector;
        selectors[5] = Crowd.collect.selector;
        selectors[6] = Crowd.serve.selector;
        selectors[7] = Crowd.harvest.selector;
        selectors[8] = Crowd.donate.selector;
        selectors[9] = Crowd.wait.selector;
        selectors[10] = Crowd.lock.selector;
        selectors[11] = Crowd.leaveOrRelease.selector;
        selectors[12] = Crowd.changeFee.selector;
        selectors[13] = Crowd.payFee.selector;
        selectors[14] = Crowd.earn.selector;
        selectors[15] = Crowd.slash.selector;
        selectors[16] = Crowd.forceUnlock.selector;
        selectors[17] = Crowd.pause.selector;
        (selectors[21], selectors[22]) = (Crowd.addCover.selector, Crowd.takeCover.selector);
        (selectors[23], selectors[24]) = (Crowd.transfer.selector, Crowd.delegate.selector);
        // More often.
        (selectors[18], selectors[19], selectors[20]) =
        (Crowd.wait.selector, Crowd.rebalance.selector, Crowd.request.selector);
        targetSelector(FuzzSelector(address(crowd), selectors));
        targetContract(address(crowd));
        // Most runs should have a validator from early on.
        crowd.deposit(0, 2 * LEAST);
        crowd.deposit(1, LEAST);
        crowd.addCover(1_000e18);
        crowd.lock();
    }

    /// @dev The price fell by slashes alone and by the part that was cut; nobody was served early; nothing failed that
    /// should not.
    function invariant_nothingWentWrong() public view {
        assertEq(crowd.wrong(), "");
    }

    /// @dev In the vault is exactly what its books say, and what was given away; the pool owes what the price counts.
    function invariant_everythingIsCovered() public view {
        uint256 books = vault.cash() + vault.reserved() + vault.feeOwed() + vault.cover() + crowd.given();
        assertEq(metis.balanceOf(address(vault)), books);
        assertGe(metis.balanceOf(address(pool.ESCROW())), pool.ESCROW().owed());
    }

    /// @dev What was set aside is what can be claimed, to the wei.
    function invariant_claimsAreWhatWasSetAside() public view {
        uint256 claims;
        uint256 waiting;
        for (uint256 i = 0; i < crowd.HOLDERS(); i++) {
            claims += vault.maxWithdraw(crowd.holder(i));
            waiting += vault.pendingRedeemRequest(0, crowd.holder(i));
        }
        assertEq(claims, vault.reserved());
        (uint256 shares,) = vault.queued();
        assertEq(waiting, shares);
        assertEq(waiting, vault.balanceOf(address(vault)));
    }

    /// @dev Nobody gets more than came in and was not lost.
    function invariant_noMoreGoesOutThanThereIs() public view {
        uint256 given = crowd.deposited() + crowd.earned() + crowd.coverAdded();
        uint256 gone = crowd.claimed() + crowd.slashed() + crowd.feesPaid() + crowd.coverTaken();
        uint256 there = vault.totalAssets() + vault.reserved() + vault.feeOwed() + crowd.shield();
        assertLe(gone + there, given);
    }

    /// @dev What votes is in hand, or counted by the pool's ledger for the vault.
    function invariant_noMetisVotesTwice() public view {
        assertLe(crowd.votes(), vault.cash() + pool.VOTES().getVotes(address(vault)));
    }

    /// @dev However it stands, everybody gets out, and nothing but dust stays behind.
    function afterInvariant() public {
        // Pauses are three days.
        skip(3 days);
        uint64 id = vault.validatorId();
        if (id != 0) {
            if (statusOf(id) != ILockingPool.Status.Unlocking) {
                vm.prank(PROVIDER);
                vault.leave();
            }
            skip(EXIT_DELAY);
            vault.collect();
        }
        for (uint256 i = 0; i < crowd.HOLDERS(); i++) {
            address who = crowd.holder(i);
            uint256 shares = vault.balanceOf(who);
            if (shares == 0) continue;
            request(who, shares);
        }
        skip(EXIT_DELAY);
        vault.serve();
        for (uint256 i = 0; i < crowd.HOLDERS(); i++) {
            claim(crowd.holder(i));
        }
        assertEq(vault.totalSupply(), 0);
        assertEq(vault.reserved(), 0);
        assertLe(vault.cash(), 1e12);
        assertEq(vault.cover(), crowd.shield(), "what is left of the cover is the provider's");
        assertEq(vault.getPastTotalSupply(vm.getBlockTimestamp() - 1), 0);
    }

    function test_theCrowdGetsSomewhere() public {
        crowd.request(0, 3);
        crowd.request(1, 3);
        crowd.earn(1, 10e18);
        crowd.rebalance();
        crowd.slash(1_000, 1 days);
        crowd.wait(8 days);
        crowd.rebalance();
        crowd.wait(12 days);
        crowd.wait(12 days);
        crowd.rebalance();
        crowd.redeem(0, type(uint256).max);
        assertEq(crowd.exits(), 1);
        assertGt(crowd.claimed(), 0);
        assertGt(crowd.slashes(), 0);
        crowd.deposit(2, 2 * LEAST);
        crowd.lock();
        assertEq(vault.validatorId(), 0, "the slash has taken the cover");
        crowd.addCover(500e18);
        crowd.lock();
        assertEq(vault.validatorId(), 2);
        assertEq(crowd.wrong(), "");
    }
}
