// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC1967} from "@openzeppelin/contracts/interfaces/IERC1967.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
import {
    ITransparentUpgradeableProxy,
    TransparentUpgradeableProxy
} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";

import {BatchInbox} from "../src/BatchInbox.sol";
import {ForcedQueue} from "../src/ForcedQueue.sol";
import {Frost} from "../src/Frost.sol";
import {LockingPool} from "../src/LockingPool.sol";
import {RewardSchedule} from "../src/RewardSchedule.sol";
import {Slasher} from "../src/Slasher.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {IForcedQueue} from "../src/interfaces/IForcedQueue.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {IRules} from "../src/interfaces/IRules.sol";
import {ISlasher} from "../src/interfaces/ISlasher.sol";
import {Government} from "./base/Government.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice A next version of the pool, which has one more variable.
contract NextPool is LockingPool {
    uint256 public added;

    function addIt(uint256 value) external reinitializer(2) {
        added = value;
    }
}

/// @notice Who may upgrade, what an upgrade leaves alone, and that an implementation is good for nothing by itself.
contract UpgradesTest is Government {
    address private constant STRANGER = address(0xBAD);

    Key private key;

    function setUp() public {
        deploy();
        key = keyOf(0xC0FFEE);
        join(1, LEAST);
        join(2, 3 * LEAST);
        installFirstKey(key);
        submit(key);
        schedule.begin();
        skip(1 days);
        schedule.checkpoint();
        earnBySchedule();
        vm.prank(GUARDIAN);
        pool.pause();
        skip(3 days);
        vm.startPrank(ownerOf(2));
        pool.withdraw(LEAST);
        pool.proposeOwner(ownerOf(3));
        vm.stopPrank();
    }

    /* WHO MAY */

    function test_afterTheHandoverOnlyTheTimelockUpgrades() public {
        handOver();
        address[5] memory upgradeable = proxies();
        for (uint256 i = 0; i < upgradeable.length; i++) {
            ProxyAdmin admin = Proxied.adminOf(upgradeable[i]);
            assertEq(admin.owner(), address(timelock));
            ITransparentUpgradeableProxy proxy = ITransparentUpgradeableProxy(upgradeable[i]);
            address[4] memory refused = [address(this), GUARDIAN, WHALE, STRANGER];
            for (uint256 j = 0; j < refused.length; j++) {
                vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, refused[j]));
                vm.prank(refused[j]);
                admin.upgradeAndCall(proxy, upgradeable[i], "");
            }
            vm.prank(address(timelock));
            vm.expectRevert();
            proxy.upgradeToAndCall(upgradeable[i], "");
        }
        LockingPool next = new NextPool();
        Proposal memory p = _upgrade(address(pool), address(next), abi.encodeCall(NextPool.addIt, (7)));
        carry(p);
        vm.expectEmit(address(pool));
        emit IERC1967.Upgraded(address(next));
        execute(p);
        assertEq(Proxied.implementationOf(address(pool)), address(next));
        assertEq(NextPool(address(pool)).added(), 7);
    }

    /// @dev Each proxy has an admin of its own, whose right can be passed on alone.
    function test_eachProxyHasAnAdminOfItsOwn() public {
        address[5] memory upgradeable = proxies();
        for (uint256 i = 0; i < upgradeable.length; i++) {
            ProxyAdmin mine = Proxied.adminOf(upgradeable[i]);
            for (uint256 j = 0; j < upgradeable.length; j++) {
                if (i == j) continue;
                assertNotEq(address(mine), address(Proxied.adminOf(upgradeable[j])));
                vm.expectRevert();
                mine.upgradeAndCall(ITransparentUpgradeableProxy(upgradeable[j]), upgradeable[i], "");
            }
        }
    }

    /// @dev A proxy never passes a call of its admin on, so no function of ours can be taken for one of the proxy's.
    function test_anAdminCallsNothingBehindTheProxy() public {
        address admin = address(Proxied.adminOf(address(pool)));
        vm.expectRevert(TransparentUpgradeableProxy.ProxyDeniedAdminAccess.selector);
        vm.prank(admin);
        pool.validatorCount();
    }

    function test_anUpgradeToWhatIsNoContractIsRefused() public {
        ProxyAdmin admin = Proxied.adminOf(address(pool));
        vm.expectRevert(abi.encodeWithSelector(ERC1967Utils.ERC1967InvalidImplementation.selector, STRANGER));
        admin.upgradeAndCall(ITransparentUpgradeableProxy(address(pool)), STRANGER, "");
    }

    /// @dev An upgrade can do anything, so it needs what anything needs: the highest quorum and share.
    function test_anUpgradeNeedsTheGeneralRule() public {
        handOver();
        Proposal memory p = _upgrade(address(slasher), address(new Slasher()), "");
        IRules.Rule memory needed = governor.proposalRule(propose(p));
        assertEq(abi.encode(needed), abi.encode(governor.rule(IRules.Kind.General)));
    }

    /* WHAT STAYS */

    function test_anUpgradeKeepsAllStorageOfThePool() public {
        bytes32 words = _words(address(pool));
        bytes memory seen = _poolAsSeen();
        _upgradeNow(address(pool), address(new NextPool()));
        assertEq(_words(address(pool)), words);
        assertEq(_poolAsSeen(), seen);
        // And it goes on: nothing but the code has changed.
        skip(EXIT_DELAY);
        vm.prank(ownerOf(2));
        pool.claimWithdrawals(2);
        assertEq(metis.balanceOf(ownerOf(2)), LEAST);
        assertEq(NextPool(address(pool)).added(), 0);
    }

    function test_anUpgradeKeepsAllStorageOfTheInbox() public {
        bytes32 words = _words(address(inbox));
        bytes memory seen = _inboxAsSeen();
        _upgradeNow(address(inbox), address(new BatchInbox()));
        assertEq(_words(address(inbox)), words);
        assertEq(_inboxAsSeen(), seen);
        submit(key);
        assertEq(inbox.head().nextIndex, 2);
    }

    function test_anUpgradeKeepsAllStorageOfTheQueue() public {
        vm.deal(address(this), 1 ether);
        _enter();
        submit(key);
        _enter();
        bytes32 words = _words(address(forced));
        bytes memory seen = _queueAsSeen();
        _upgradeNow(address(forced), address(new ForcedQueue()));
        assertEq(_words(address(forced)), words);
        assertEq(_queueAsSeen(), seen);
        submit(key);
        assertEq(forced.included(), 2);
        vm.prank(address(0xB0B));
        forced.withdraw(payable(address(0xB0B)));
        assertEq(address(forced).balance, 0);
    }

    function test_anUpgradeKeepsAllStorageOfSlasherAndSchedule() public {
        bytes32 words = keccak256(abi.encode(_words(address(slasher)), _words(address(schedule))));
        bytes memory seen = _othersAsSeen();
        _upgradeNow(address(slasher), address(new Slasher()));
        _upgradeNow(address(schedule), address(new RewardSchedule()));
        assertEq(keccak256(abi.encode(_words(address(slasher)), _words(address(schedule)))), words);
        assertEq(_othersAsSeen(), seen);
    }

    /// @dev Money and votes are not behind proxies: an upgraded pool has the escrow and the ledger that it had.
    function test_escrowAndVotesCannotBeUpgraded() public view {
        assertEq(address(Proxied.adminOf(address(pool.ESCROW()))), address(0));
        assertEq(address(Proxied.adminOf(address(pool.VOTES()))), address(0));
        assertEq(pool.ESCROW().POOL(), address(pool));
        assertEq(pool.VOTES().POOL(), address(pool));
    }

    /// @dev ERC-7201; the layouts in `storage/` do not show what has a namespace.
    function test_theGuardHasItsNamespace() public view {
        bytes32 inner = bytes32(uint256(keccak256("horae.storage.Guarded")) - 1);
        bytes32 slot = keccak256(abi.encode(inner)) & ~bytes32(uint256(0xff));
        uint256 word = uint256(vm.load(address(pool), slot));
        assertEq(word, uint256(uint160(GUARDIAN)) | uint256(pool.pausedUntil()) << 160);
    }

    /* IMPLEMENTATIONS AND INITIALIZERS */

    function test_nothingIsInitializedTwice() public {
        ISlasher.Penalty memory cost = slasher.penalty();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        pool.initialize(metis, STRANGER, 0);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        inbox.initialize(pool, 0, forced, 0);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        forced.initialize(STRANGER, Proxied.FLOOR);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        slasher.initialize(pool, 1, STRANGER, cost);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        schedule.initialize(pool, inbox, STRANGER);
    }

    function test_anImplementationCannotBeInitialized() public {
        LockingPool pool_ = new LockingPool();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        pool_.initialize(metis, address(this), EXIT_DELAY);
        BatchInbox inbox_ = new BatchInbox();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        inbox_.initialize(pool, 0, forced, 0);
        ForcedQueue queue_ = new ForcedQueue();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        queue_.initialize(address(this), Proxied.FLOOR);
        Slasher slasher_ = new Slasher();
        ISlasher.Penalty memory cost = slasher.penalty();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        slasher_.initialize(pool, 1, address(this), cost);
        RewardSchedule schedule_ = new RewardSchedule();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        schedule_.initialize(pool, inbox, address(this));
    }

    function test_anImplementationIsOfNoUseByItself() public {
        LockingPool pool_ = new LockingPool();
        assertEq(pool_.owner(), address(0));
        assertEq(address(pool_.ESCROW()), address(0));
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        pool_.setWhitelist(address(this), true);
        vm.expectRevert(abi.encodeWithSelector(ILockingPool.NotWhitelisted.selector, address(this)));
        pool_.lockFor(signerOf(9), nodeKeyOf(9), LEAST, "");

        BatchInbox inbox_ = new BatchInbox();
        IBatchInbox.Batch memory batch = nextBatch(1, "data");
        (batch.index, batch.previousDigest, batch.firstBlock, batch.lastBlock) = (0, 0, 1, 1);
        Frost.Signature memory signature = groupSign(key, inbox_.batchDigest(batch));
        vm.prank(address(0xB0B), address(0xB0B));
        vm.expectRevert(IBatchInbox.NoKey.selector);
        inbox_.submit(batch, signature, "data");
        vm.expectRevert();
        inbox_.installFirstKey(key.px, key.parity, new address[](0), new uint64[](0), new bytes[](0));

        Slasher slasher_ = new Slasher();
        ISlasher.Proof memory proof;
        vm.expectRevert();
        slasher_.report(proof, address(this));
        RewardSchedule schedule_ = new RewardSchedule();
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        schedule_.begin();
    }

    /* HELP */

    function earnBySchedule() private {
        uint256 amount = 1_000e18;
        metis.mint(address(this), amount);
        metis.approve(address(schedule), amount);
        schedule.fund(amount);
    }

    function _upgrade(address proxy, address next, bytes memory init) private view returns (Proposal memory) {
        ITransparentUpgradeableProxy proxy_ = ITransparentUpgradeableProxy(proxy);
        bytes memory data = abi.encodeCall(ProxyAdmin.upgradeAndCall, (proxy_, next, init));
        return proposal(address(Proxied.adminOf(proxy)), data, "Upgrade");
    }

    function _upgradeNow(address proxy, address next) private {
        Proxied.adminOf(proxy).upgradeAndCall(ITransparentUpgradeableProxy(proxy), next, "");
    }

    /// @dev All plain slots of a contract, and those with a namespace.
    function _words(address of_) private view returns (bytes32) {
        bytes32[] memory words = new bytes32[](68);
        for (uint256 i = 0; i < 64; i++) {
            words[i] = vm.load(of_, bytes32(i));
        }
        words[64] = vm.load(of_, 0x3e2a68e2cf03ecdc9441e02db714b0c56f60adefe72d42cf1e9d4298f5740500);
        words[65] = vm.load(of_, 0x9016d09d72d40fdae2fd8ceac6b6234c7706214fd39c1cd1e609a0528c199300);
        words[66] = vm.load(of_, 0x237e158222e3e6968b72b9db0d8043aacf074ad9f650f0d1606b4d82ee432c00);
        words[67] = vm.load(of_, 0xf0c57e16840df040f15088dc2f81fe391c3923bec73e23a9662efc9c229c6a00);
        return keccak256(abi.encode(words));
    }

    function _poolAsSeen() private view returns (bytes memory) {
        bytes memory people =
            abi.encode(pool.validators(), pool.validator(1), pool.validator(2), pool.withdrawals(2), pool.waiting());
        bytes memory works = abi.encode(
            pool.ESCROW(), pool.VOTES(), pool.EXIT_DELAY(), pool.inbox(), pool.slasher(), pool.rewards(), pool.owner()
        );
        return abi.encode(
            people,
            works,
            pool.guardian(),
            pool.pausedUntil(),
            pool.maxValidators(),
            pool.changeInterval(),
            pool.stakeSeconds(),
            pool.keyInstalledAt(1)
        );
    }

    function _enter() private {
        forced.enqueue{value: uint256(21_000) * forced.gasPrice()}(address(0), false, 0, 0, 21_000, "");
    }

    function _inboxAsSeen() private view returns (bytes memory) {
        bytes memory parts = abi.encode(inbox.POOL(), inbox.EMERGENCY_DELAY(), inbox.QUEUE(), inbox.FORCED_DEADLINE());
        return abi.encode(inbox.head(), inbox.groupKey(), parts);
    }

    function _queueAsSeen() private view returns (bytes memory) {
        return abi.encode(
            forced.inbox(),
            forced.length(),
            forced.included(),
            forced.entry(0),
            forced.entry(1),
            forced.gasPrice(),
            forced.floor(),
            forced.owed(address(0xB0B)),
            forced.owner()
        );
    }

    function _othersAsSeen() private view returns (bytes memory) {
        return abi.encode(
            slasher.POOL(),
            slasher.L2_CHAIN_ID(),
            slasher.penalty(),
            slasher.owner(),
            schedule.POOL(),
            schedule.INBOX(),
            schedule.METIS(),
            schedule.owner(),
            schedule.begunAt(),
            schedule.allowed(),
            schedule.nextIndex()
        );
    }
}
