// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {LiquidStakingFactory} from "../../src/LiquidStakingFactory.sol";
import {LiquidStakingVault} from "../../src/LiquidStakingVault.sol";
import {IVotingPower} from "../../src/interfaces/IVotingPower.sol";
import {VaultSteps} from "./VaultSteps.sol";

/// @notice A factory at the real pool, and a vault whose provider was approved, without a cover.
abstract contract VaultFixture is VaultSteps {
    uint256 internal constant LEAST = 20_000e18;
    address internal constant TREASURY = address(0x7EA);

    function makeVault() internal {
        vm.warp(1_700_000_000);
        factory = new LiquidStakingFactory(pool, IVotingPower(address(0)), address(this));
        pool.setVaultFactory(address(factory));
        vault = approved(PROVIDER, 0);
    }

    function approved(address who, uint128 cover) internal returns (LiquidStakingVault) {
        uint256 round =
            factory.openRound(uint64(vm.getBlockTimestamp()), uint64(vm.getBlockTimestamp()) + 7 days, 3, cover);
        vm.prank(who);
        factory.applyFor(round, "Staked METIS", "stMETIS", FEE, "https://provider.example");
        return LiquidStakingVault(factory.approveProvider(who, true));
    }

    function slashBy(uint256 fraction, uint64 jail) internal {
        uint64 id = vault.validatorId();
        vm.prank(pool.slasher());
        pool.slash(id, fraction, 500, address(0xBEE), TREASURY, jail);
    }
}
