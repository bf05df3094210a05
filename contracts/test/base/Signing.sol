// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test, Vm} from "forge-std/Test.sol";

import {Frost} from "../../src/Frost.sol";

/// @notice Signs as a group and as a validator would. What FROST's signers make together is a Schnorr signature under
/// their key, so here one secret signs alone; `Frost.t.sol` has signatures made by many.
abstract contract Signing is Test {
    struct Key {
        uint256 secret;
        uint256 px;
        uint8 parity;
    }

    function keyOf(uint256 secret) internal returns (Key memory) {
        Vm.Wallet memory wallet = vm.createWallet(secret);
        vm.assume(wallet.publicKeyX < Frost.N);
        return Key(secret, wallet.publicKeyX, uint8(27 + (wallet.publicKeyY & 1)));
    }

    function schnorr(Key memory key, bytes memory message, uint256 nonce) internal returns (Frost.Signature memory) {
        Vm.Wallet memory r = vm.createWallet(nonce);
        uint256 c = Frost.challenge(r.publicKeyX, r.publicKeyY, key.px, key.parity, message);
        uint256 z = addmod(nonce, mulmod(c, key.secret, Frost.N), Frost.N);
        return Frost.Signature(r.publicKeyX, r.publicKeyY, z);
    }

    function groupSign(Key memory key, bytes32 digest) internal returns (Frost.Signature memory) {
        return schnorr(key, abi.encode(digest), 1 + uint256(keccak256(abi.encode(key.secret, digest))) % (Frost.N - 1));
    }

    function ecdsa(uint256 secret, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, digest);
        return abi.encodePacked(r, s, v);
    }
}
