// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
import {TransparentUpgradeableProxy} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {BatchInbox} from "../../src/BatchInbox.sol";
import {ForcedQueue} from "../../src/ForcedQueue.sol";
import {LockingPool} from "../../src/LockingPool.sol";
import {RewardSchedule} from "../../src/RewardSchedule.sol";
import {Slasher} from "../../src/Slasher.sol";
import {IBatchInbox} from "../../src/interfaces/IBatchInbox.sol";
import {IForcedQueue} from "../../src/interfaces/IForcedQueue.sol";
import {ILockingPool} from "../../src/interfaces/ILockingPool.sol";
import {ISlasher} from "../../src/interfaces/ISlasher.sol";

/// @notice Makes the upgradeable contracts as a deploy script does: each behind a proxy of its own. The proxies' admins are
/// owned by the test; of contracts that have an owner it is the one that is named.
library Proxied {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev L1 blocks after which a batch must include an entry.
    uint64 internal constant FORCED_DEADLINE = 300;
    /// @dev Of the price of forced gas.
    uint64 internal constant FLOOR = 1 gwei;

    /// @dev Where ERC-1967 keeps a proxy's implementation and admin.
    bytes32 internal constant IMPLEMENTATION_SLOT = bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);
    bytes32 internal constant ADMIN_SLOT = bytes32(uint256(keccak256("eip1967.proxy.admin")) - 1);

    function pool(IERC20 metis, address owner, uint64 exitDelay) internal returns (LockingPool) {
        bytes memory init = abi.encodeCall(LockingPool.initialize, (metis, owner, exitDelay));
        return LockingPool(behind(address(new LockingPool()), init));
    }

    /// @dev With a queue of its own, connected.
    function inbox(ILockingPool pool_, uint64 emergencyDelay) internal returns (BatchInbox made) {
        ForcedQueue its = queue();
        made = inbox(pool_, emergencyDelay, its, FORCED_DEADLINE);
        its.connect(made);
    }

    /// @dev The queue is not connected.
    function inbox(ILockingPool pool_, uint64 emergencyDelay, IForcedQueue queue_, uint64 deadline)
        internal
        returns (BatchInbox)
    {
        bytes memory init = abi.encodeCall(BatchInbox.initialize, (pool_, emergencyDelay, queue_, deadline));
        return BatchInbox(behind(address(new BatchInbox()), init));
    }

    /// @dev Owned by the test, and not connected.
    function queue() internal returns (ForcedQueue) {
        bytes memory init = abi.encodeCall(ForcedQueue.initialize, (address(this), FLOOR));
        return ForcedQueue(behind(address(new ForcedQueue()), init));
    }

    function slasher(ILockingPool pool_, uint64 l2ChainId, address owner, ISlasher.Penalty memory penalty)
        internal
        returns (Slasher)
    {
        bytes memory init = abi.encodeCall(Slasher.initialize, (pool_, l2ChainId, owner, penalty));
        return Slasher(behind(address(new Slasher()), init));
    }

    function schedule(LockingPool pool_, IBatchInbox inbox_, address owner) internal returns (RewardSchedule) {
        bytes memory init = abi.encodeCall(RewardSchedule.initialize, (pool_, inbox_, owner));
        return RewardSchedule(behind(address(new RewardSchedule()), init));
    }

    /// @dev A proxy of `implementation`, which it initializes.
    function behind(address implementation, bytes memory init) internal returns (address) {
        return address(new TransparentUpgradeableProxy(implementation, address(this), init));
    }

    function adminOf(address proxy) internal view returns (ProxyAdmin) {
        return ProxyAdmin(address(uint160(uint256(vm.load(proxy, ADMIN_SLOT)))));
    }

    function implementationOf(address proxy) internal view returns (address) {
        return address(uint160(uint256(vm.load(proxy, IMPLEMENTATION_SLOT))));
    }
}
