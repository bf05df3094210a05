// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {LockingPool} from "../../src/LockingPool.sol";
import {RewardSchedule} from "../../src/RewardSchedule.sol";
import {Fixture} from "./Fixture.sol";
import {Proxied} from "./Proxied.sol";

/// @notice A pool with a reward schedule, two validators with one and three units, and their group's key in force.
abstract contract Rewarding is Fixture {
    uint256 internal constant LEAST = 20_000e18;

    RewardSchedule internal schedule;
    Key internal key;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        pool = Proxied.pool(metis, address(this), EXIT_DELAY);
        inbox = Proxied.inbox(pool, EMERGENCY_DELAY);
        schedule = Proxied.schedule(pool, inbox, address(this));
        pool.connect(inbox, makeAddr("slasher"), address(schedule));
        key = keyOf(0xC0FFEE);
        join(1, LEAST);
        join(2, 3 * LEAST);
        installFirstKey(key);
    }
}
