// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {LiquidStakingFactory} from "../../src/LiquidStakingFactory.sol";
import {LiquidStakingVault} from "../../src/LiquidStakingVault.sol";
import {IRules} from "../../src/interfaces/IRules.sol";
import {Government} from "./Government.sol";
import {VaultSteps} from "./VaultSteps.sol";

/// @notice A whole deployment, with a factory of vaults that governance has taken into its service.
abstract contract VaultGovernment is Government, VaultSteps {
    /// @dev What a reporter gets of the most stake at the penalty of `Government`.
    uint128 internal constant COVER = 2_500e18;

    /// @dev Governance names the factory wherever it must be named, and opens its first round. The timelock owns all.
    function makeFactory() internal {
        factory = new LiquidStakingFactory(pool, power, address(timelock));
        Proposal memory p =
            proposal(address(pool), abi.encodeCall(pool.setVaultFactory, (address(factory))), "Liquid staking");
        add(p, address(power), abi.encodeCall(power.setRegistrar, (address(factory))));
        IRules.Approval memory call = IRules.Approval(address(factory), factory.approveProvider.selector);
        add(p, address(governor), abi.encodeCall(governor.setLiquidStaking, (call)));
        uint64 begin = uint64(vm.getBlockTimestamp());
        add(p, address(factory), abi.encodeCall(factory.openRound, (begin, begin + 60 days, 2, COVER)));
        pass(p);
    }

    function applyAtFactory(address provider) internal {
        vm.prank(provider);
        factory.applyFor(1, "Staked METIS", "stMETIS", FEE, "https://provider.example");
    }

    /// @dev A vault for the provider, by the shortest way.
    function makeVaultOf(address provider) internal returns (LiquidStakingVault) {
        applyAtFactory(provider);
        vm.prank(address(timelock));
        return LiquidStakingVault(factory.approveProvider(provider, true));
    }
}
