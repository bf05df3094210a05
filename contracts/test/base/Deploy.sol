// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {TransparentUpgradeableProxy} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";

import {BatchInbox} from "../../src/BatchInbox.sol";
import {ForcedQueue} from "../../src/ForcedQueue.sol";
import {ILockingPool} from "../../src/interfaces/ILockingPool.sol";

/// @notice Deploys what belongs together, owned by the caller.
library Deploy {
    uint64 internal constant FORCED_DEADLINE = 300;
    uint64 internal constant FLOOR = 1 gwei;

    /// @dev An inbox with a queue of its own, connected.
    function inbox(ILockingPool pool, uint64 emergencyDelay) internal returns (BatchInbox made) {
        ForcedQueue its = queue();
        made = new BatchInbox(pool, emergencyDelay, its, FORCED_DEADLINE);
        its.connect(made);
    }

    /// @dev A queue that is not connected yet.
    function queue() internal returns (ForcedQueue) {
        bytes memory initialize = abi.encodeCall(ForcedQueue.initialize, (address(this), FLOOR));
        return
            ForcedQueue(address(new TransparentUpgradeableProxy(address(new ForcedQueue()), address(this), initialize)));
    }
}
