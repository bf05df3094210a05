// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @dev What stands before `LockingPool`, `BatchInbox`, `Slasher`, `RewardSchedule` and `ForcedQueue`: OpenZeppelin's transparent
/// proxy, and the `ProxyAdmin` that each makes for itself and that alone upgrades it. Named here to be compiled and
/// committed with the rest; nothing is added to them.
// forge-lint: disable-next-item(unused-import)
import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
// forge-lint: disable-next-item(unused-import)
import {TransparentUpgradeableProxy} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
