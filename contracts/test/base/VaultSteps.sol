// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {LiquidStakingFactory} from "../../src/LiquidStakingFactory.sol";
import {LiquidStakingVault} from "../../src/LiquidStakingVault.sol";
import {ILockingPool} from "../../src/interfaces/ILockingPool.sol";
import {Fixture} from "./Fixture.sol";

/// @notice What people do at a vault.
abstract contract VaultSteps is Fixture {
    uint256 internal constant MOST = 100_000e18;
    uint16 internal constant FEE = 1_000;
    uint64 internal constant PACE = EXIT_DELAY / 8;
    address internal constant PROVIDER = address(0x9120);
    address internal constant ALICE = address(0xA);
    address internal constant BOB = address(0xB);
    address internal constant CAROL = address(0xC);

    LiquidStakingFactory internal factory;
    LiquidStakingVault internal vault;

    function coverBy(address who, uint256 amount) internal {
        metis.mint(who, amount);
        vm.startPrank(who);
        metis.approve(address(vault), amount);
        vault.addCover(amount);
        vm.stopPrank();
    }

    function depositFor(address who, uint256 assets) internal returns (uint256 shares) {
        metis.mint(who, assets);
        vm.startPrank(who);
        metis.approve(address(vault), assets);
        shares = vault.deposit(assets, who);
        vm.stopPrank();
    }

    function request(address who, uint256 shares) internal {
        vm.prank(who);
        vault.requestRedeem(shares, who, who);
    }

    function claim(address who) internal returns (uint256 assets) {
        uint256 shares = vault.maxRedeem(who);
        vm.prank(who);
        assets = vault.redeem(shares, who, who);
    }

    /// @dev The vault's validator, with signer and node key `n`.
    function lockAs(uint256 n) internal returns (uint64) {
        remember(n);
        bytes memory proof = ecdsa(signerSecret(n), pool.signerDigest(address(vault), signerOf(n)));
        vm.prank(PROVIDER);
        vault.lock(signerOf(n), nodeKeyOf(n), proof);
        return vault.validatorId();
    }

    function statusOf(uint64 id) internal view returns (ILockingPool.Status) {
        return pool.validator(id).status;
    }

    function assertStatus(ILockingPool.Status status) internal view {
        assertEq(uint8(statusOf(vault.validatorId())), uint8(status), "status");
    }

    /// @dev What a whole METIS bought at the start is worth, in 1e-18 of METIS, with 18 digits more.
    function price() internal view returns (uint256) {
        return (vault.totalAssets() + 1) * 1e36 / (vault.totalSupply() + 1e6);
    }
}
