// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Frost
/// @notice Verifies FROST(secp256k1, SHA-256) signatures, RFC 9591 section 6.5, at a cost that does not depend on the
/// number of signers.
/// @dev A signature (R, z) on a message m under the key P is good when zG = R + cP with c = H2(R || P || m). With
/// `ecrecover(h, v, r, s)` = address of r^-1 (sX - hG), where X is the point of abscissa r and parity v, the choice
/// r = Px, s = -c*Px, h = -z*Px gives the address of zG - cP, which must be the address of R.
library Frost {
    /// @notice A signature. R is given by both coordinates: its address is compared, which hashes both.
    struct Signature {
        uint256 rx;
        uint256 ry;
        uint256 z;
    }

    /// @dev Field prime of secp256k1, SEC 2 section 2.4.1.
    uint256 internal constant P = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F;
    /// @dev Order of the group, same source.
    uint256 internal constant N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    /// @dev What RFC 9380 section 5.3.1 puts behind the message: the 48 bytes that are wanted in two bytes, the counter zero,
    /// and `DST_prime`, which is the tag of H2 followed by its length, 29. The length is the 33rd byte, and stands apart.
    bytes32 private constant AFTER_MESSAGE = "\x00\x30\x00FROST-secp256k1-SHA256-v1chal";
    uint256 private constant TAG_LENGTH = 29;
    /// @dev What stands behind a hash in the second call and, but for the counter, in the third: the counter one, and
    /// `DST_prime`; 31 bytes.
    bytes32 private constant AFTER_HASH = "\x01FROST-secp256k1-SHA256-v1chal\x1d";

    /// @notice Whether (px, parity) may be installed as a key: on the curve, and with px below the group order, for
    /// `ecrecover` takes px as a scalar too.
    /// @param parity 27 for an even y, 28 for an odd one.
    function isKey(uint256 px, uint8 parity) internal view returns (bool) {
        if (parity != 27 && parity != 28) return false;
        if (px == 0 || px >= N) return false;
        uint256 square = _cubePlusSeven(px);
        // P = 3 mod 4, so a square's root is its (P + 1) / 4-th power.
        uint256 root = Math.modExp(square, (P + 1) / 4, P);
        return mulmod(root, root, P) == square;
    }

    /// @notice Whether (x, y), both reduced modulo P, is a point of secp256k1.
    function isOnCurve(uint256 x, uint256 y) internal pure returns (bool) {
        return x < P && y < P && mulmod(y, y, P) == _cubePlusSeven(x);
    }

    /// @notice Whether `signature` signs `message` under the key (px, parity).
    /// @dev The key must have passed `isKey`. R must be on the curve: c binds only its abscissa and the parity of its
    /// ordinate, and over ordinates off the curve a birthday search forges in about 2^81 steps.
    function verify(uint256 px, uint8 parity, Signature memory signature, bytes memory message)
        internal
        view
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
    /// @dev In one region of memory, which is free again afterwards. Parity must be 27 or 28. The same without assembly is
    /// `test/base/PlainFrost.sol`.
    function challenge(uint256 rx, uint256 ry, uint256 px, uint8 parity, bytes memory message)
        internal
        view
        returns (uint256 c)
    {
        assembly ("memory-safe") {
            function sha256To(at, size, target) {
                // Fails only for want of gas, and then there would be no hash.
                if iszero(staticcall(gas(), 2, at, size, target, 32)) { revert(0, 0) }
            }

            // b0 = SHA-256(64 zero bytes, which fill its first block || R || P || message || AFTER_MESSAGE || TAG_LENGTH), the
            // points compressed, SEC 1 section 2.3.3: 2 for an even ordinate or 3 for an odd one, then the abscissa.
            let at := mload(0x40)
            mstore(at, 0)
            mstore(add(at, 32), 0)
            mstore8(add(at, 64), add(2, and(ry, 1)))
            mstore(add(at, 65), rx)
            mstore8(add(at, 97), sub(parity, 25))
            mstore(add(at, 98), px)
            let size := mload(message)
            mcopy(add(at, 130), add(message, 32), size)
            mstore(add(at, add(size, 130)), AFTER_MESSAGE)
            mstore8(add(at, add(size, 162)), TAG_LENGTH)
            sha256To(at, add(size, 163), at)

            // b1 = SHA-256(b0 || AFTER_HASH), b2 = SHA-256(b0 ^ b1 || AFTER_HASH with the counter two).
            mstore(add(at, 32), AFTER_HASH)
            sha256To(at, 63, add(at, 64))
            let b1 := mload(add(at, 64))
            mstore(at, xor(mload(at), b1))
            mstore8(add(at, 32), 2)
            sha256To(at, 63, at)

            // Big-endian b1 || b2[..16] as one number, modulo N.
            c := addmod(mulmod(b1, shl(128, 1), N), shr(128, mload(at)), N)
        }
    }

    function _cubePlusSeven(uint256 x) private pure returns (uint256) {
        return addmod(mulmod(mulmod(x, x, P), x, P), 7, P);
    }

    function _addressOf(uint256 x, uint256 y) private pure returns (address) {
        return address(uint160(uint256(Hashes.efficientKeccak256(bytes32(x), bytes32(y)))));
    }
}
