// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {VaultFixture} from "./base/VaultFixture.sol";

/// @notice Gas of whole transactions at a vault, as in `Gas.t.sol`.
contract GasVaultTest is VaultFixture {
    /// forge-config: default.isolate = true
    function test_gasOfAVault() public {
        makeVault();
        depositFor(ALICE, 2 * LEAST);
        depositFor(BOB, LEAST);
        lockAs(1);
        metis.mint(CAROL, LEAST);
        vm.startPrank(CAROL);
        metis.approve(address(vault), LEAST);
        vault.deposit(LEAST, CAROL);
        vm.snapshotGasLastCall("LiquidStakingVault", "deposit");
        vault.requestRedeem(LEAST * 1e6, CAROL, CAROL);
        vm.snapshotGasLastCall("LiquidStakingVault", "requestRedeem");
        vm.stopPrank();
        request(BOB, LEAST * 1e6);
        vault.rebalance();
        vm.snapshotGasLastCall("LiquidStakingVault", "rebalance, a withdrawal");
        skip(EXIT_DELAY);
        vault.collect();
        vm.snapshotGasLastCall("LiquidStakingVault", "collect");
        vm.prank(CAROL);
        vault.redeem(LEAST * 1e6, CAROL, CAROL);
        vm.snapshotGasLastCall("LiquidStakingVault", "redeem");
    }
}
