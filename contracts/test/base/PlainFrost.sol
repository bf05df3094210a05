// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Frost} from "../../src/Frost.sol";

/// @title PlainFrost
/// @notice `Frost` as it reads in RFC 9591 and RFC 9380, without assembly and without thought of gas: what `Frost` is held
/// against.
/// @dev A signature (R, z) on a message m under the key P is good when zG = R + cP with c = H2(R || P || m). With
/// `ecrecover(h, v, r, s)` = address of r^-1 (sX - hG), where X is the point of abscissa r and parity v, the choice
/// r = Px, s = -c*Px, h = -z*Px gives the address of zG - cP, which must be the address of R.
library PlainFrost {
    /// @dev Field prime of secp256k1, SEC 2 section 2.4.1.
    uint256 internal constant P = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F;
    /// @dev Order of the group, same source.
    uint256 internal constant N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    /// @dev `DST_prime` of RFC 9380 section 5.3.1: the tag of H2 followed by its length, 29.
    bytes private constant TAG = "FROST-secp256k1-SHA256-v1chal\x1d";

    /// @notice Whether (x, y), both reduced modulo P, is a point of secp256k1.
    function isOnCurve(uint256 x, uint256 y) internal pure returns (bool) {
        return x < P && y < P && mulmod(y, y, P) == _cubePlusSeven(x);
    }

    /// @notice Whether `signature` signs `message` under the key (px, parity).
    /// @dev The key must have passed `isKey`. R must be on the curve: c binds only its abscissa and the parity of its
    /// ordinate, and over ordinates off the curve a birthday search forges in about 2^81 steps.
    function verify(uint256 px, uint8 parity, Frost.Signature memory signature, bytes memory message)
        internal
        pure
        returns (bool)
    {
        (uint256 rx, uint256 ry, uint256 z) = (signature.rx, signature.ry, signature.z);
        if (!isOnCurve(rx, ry)) return false;
        if (z == 0 || z >= N) return false;

        uint256 c = challenge(rx, ry, px, parity, message);
        uint256 h = N - mulmod(z, px, N);
        uint256 s = N - mulmod(c, px, N);
        address recovered = ecrecover(bytes32(h), parity, bytes32(px), bytes32(s));
        return recovered != address(0) && recovered == _addressOf(rx, ry);
    }

    /// @notice H2 of RFC 9591 section 6.5: `hash_to_field` over `expand_message_xmd` with SHA-256 (RFC 9380 section
    /// 5.3.1), 48 bytes reduced modulo the group order.
    function challenge(uint256 rx, uint256 ry, uint256 px, uint8 parity, bytes memory message)
        internal
        pure
        returns (uint256)
    {
        // The prefix of a compressed point, SEC 1 section 2.3.3: 2 for an even ordinate, 3 for an odd one.
        bytes1 rPrefix = bytes1(uint8(2 + (ry & 1)));
        bytes1 pPrefix = bytes1(parity - 25);
        bytes memory input = abi.encodePacked(rPrefix, rx, pPrefix, px, message);
        // 64 zero bytes fill SHA-256's first block; then the message, the 48 bytes wanted, and the counter zero.
        bytes32 b0 = sha256(abi.encodePacked(bytes32(0), bytes32(0), input, uint16(48), uint8(0), TAG));
        bytes32 b1 = sha256(abi.encodePacked(b0, uint8(1), TAG));
        bytes32 b2 = sha256(abi.encodePacked(b0 ^ b1, uint8(2), TAG));
        // Big-endian b1 || b2[..16] as one number, modulo N.
        return addmod(mulmod(uint256(b1), 1 << 128, N), uint256(b2) >> 128, N);
    }

    function _cubePlusSeven(uint256 x) private pure returns (uint256) {
        return addmod(mulmod(mulmod(x, x, P), x, P), 7, P);
    }

    function _addressOf(uint256 x, uint256 y) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(x, y)))));
    }
}
