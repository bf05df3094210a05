// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Frost} from "../../src/Frost.sol";

/// @notice What a group's signature is measured against: n of m plain ECDSA signatures, in the two ways in which contracts
/// keep their signers. Signatures are 65 bytes each, ascending by signer, so that none counts twice.
contract Multisig {
    uint256 public immutable THRESHOLD;
    bytes32 public immutable LIST_HASH;
    mapping(address => bool) public isSigner;

    error TooFew(uint256 given);
    error NotSigner(address recovered);
    error WrongList();

    constructor(address[] memory signers, uint256 threshold) {
        THRESHOLD = threshold;
        LIST_HASH = keccak256(abi.encode(signers));
        for (uint256 i = 0; i < signers.length; i++) {
            isSigner[signers[i]] = true;
        }
    }

    /// @notice Looks each signer up in storage, as multi-signature wallets do.
    function checkStored(bytes32 digest, bytes calldata signatures) external view {
        address previous;
        for (uint256 i = 0; i < signatures.length / 65; i++) {
            address signer = ECDSA.recoverCalldata(digest, signatures[65 * i:65 * i + 65]);
            require(signer > previous && isSigner[signer], NotSigner(signer));
            previous = signer;
        }
        require(signatures.length / 65 >= THRESHOLD, TooFew(signatures.length / 65));
    }

    /// @notice Takes the list of signers with the call and checks its hash, as light clients do.
    function checkListed(bytes32 digest, address[] calldata signers, bytes calldata signatures) external view {
        require(keccak256(abi.encode(signers)) == LIST_HASH, WrongList());
        uint256 next;
        for (uint256 i = 0; i < signatures.length / 65; i++) {
            address signer = ECDSA.recoverCalldata(digest, signatures[65 * i:65 * i + 65]);
            while (next < signers.length && signers[next] != signer) next++;
            require(next < signers.length, NotSigner(signer));
            next++;
        }
        require(signatures.length / 65 >= THRESHOLD, TooFew(signatures.length / 65));
    }
}

/// @notice The same by a group's key, which fits into two words of storage.
contract GroupSignature {
    uint256 public px;
    uint8 public parity;

    error Wrong();

    constructor(uint256 px_, uint8 parity_) {
        (px, parity) = (px_, parity_);
    }

    function check(bytes32 digest, Frost.Signature calldata signature) external view {
        require(Frost.verify(px, parity, signature, abi.encode(digest)), Wrong());
    }
}

/// @notice Nothing but a transaction.
contract Nothing {
    fallback() external {}
}
