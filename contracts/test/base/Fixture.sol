// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BatchInbox} from "../../src/BatchInbox.sol";
import {Frost} from "../../src/Frost.sol";
import {LockingPool} from "../../src/LockingPool.sol";
import {TestMetis} from "../../src/devnet/TestMetis.sol";
import {IBatchInbox} from "../../src/interfaces/IBatchInbox.sol";
import {Proxied} from "./Proxied.sol";
import {Signing} from "./Signing.sol";

/// @notice A pool, an inbox, and validators that have joined the pool.
abstract contract Fixture is Signing {
    uint64 internal constant EXIT_DELAY = 21 days;
    uint64 internal constant EMERGENCY_DELAY = 7 days;

    TestMetis internal metis = new TestMetis();
    LockingPool internal pool = Proxied.pool(metis, address(this), EXIT_DELAY);
    BatchInbox internal inbox = Proxied.inbox(pool, EMERGENCY_DELAY);

    mapping(address signer => uint256) private _secrets;

    constructor() {
        pool.connect(inbox, makeAddr("slasher"), makeAddr("rewards"));
    }

    function ownerOf(uint256 n) internal pure returns (address) {
        return address(uint160(0xA11CE000 + n));
    }

    function signerSecret(uint256 n) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("signer", n)));
    }

    function signerOf(uint256 n) internal pure returns (address) {
        return vm.addr(signerSecret(n));
    }

    function nodeKeyOf(uint256 n) internal pure returns (bytes32) {
        return keccak256(abi.encode("node key", n));
    }

    /// @dev Whitelists owner `n` and gives it `amount` METIS, approved to the escrow.
    function fund(uint256 n, uint256 amount) internal {
        pool.setWhitelist(ownerOf(n), true);
        metis.mint(ownerOf(n), amount);
        vm.startPrank(ownerOf(n));
        metis.approve(address(pool.ESCROW()), type(uint256).max);
        vm.stopPrank();
    }

    /// @dev `signatures` has those of signer `n` from now on.
    function remember(uint256 n) internal {
        _secrets[signerOf(n)] = signerSecret(n);
    }

    /// @dev Owner `n` joins with its signer and node key.
    function join(uint256 n, uint256 amount) internal returns (uint64) {
        fund(n, amount);
        bytes memory proof = ecdsa(signerSecret(n), pool.signerDigest(ownerOf(n), signerOf(n)));
        remember(n);
        vm.prank(ownerOf(n));
        return pool.lockFor(signerOf(n), nodeKeyOf(n), amount, proof);
    }

    /// @dev One signature a signer, in order; empty where `absent` has the signer's bit.
    function signatures(address[] memory signers, bytes32 digest, uint256 absent)
        internal
        view
        returns (bytes[] memory given)
    {
        given = new bytes[](signers.length);
        for (uint256 i = 0; i < signers.length; i++) {
            if (absent & (1 << i) == 0) given[i] = ecdsa(_secrets[signers[i]], digest);
        }
    }

    /// @dev Owner `n` changes its validator's signer key to that of `to`.
    function changeSigner(uint256 n, uint256 to) internal {
        bytes memory proof = ecdsa(signerSecret(to), pool.signerDigest(ownerOf(n), signerOf(to)));
        remember(to);
        vm.prank(ownerOf(n));
        pool.updateSigner(signerOf(to), proof);
    }

    /// @dev Earns rewards for validator `id`, as the reward schedule would.
    function earn(uint64 id, uint256 amount) internal {
        (uint64[] memory ids, uint256[] memory amounts) = (new uint64[](1), new uint256[](1));
        (ids[0], amounts[0]) = (id, amount);
        address payer = pool.rewards();
        metis.mint(payer, amount);
        vm.startPrank(payer);
        metis.approve(address(pool.ESCROW()), amount);
        pool.creditRewards(ids, amounts);
        vm.stopPrank();
    }

    /// @dev Puts `next` in force, signed by `key`, for those that the pool lists now.
    function rotate(Key memory key, Key memory next) internal {
        (address[] memory signers, uint64[] memory weights) = pool.snapshot();
        uint64 keyIndex = inbox.groupKey().index + 1;
        bytes32 hash = keccak256(abi.encode(signers, weights));
        bytes32 digest = inbox.rotationDigest(keyIndex, next.px, next.parity, hash);
        inbox.rotate(next.px, next.parity, signers, weights, groupSign(key, digest));
    }

    function submit(Key memory key) internal {
        IBatchInbox.Batch memory batch = nextBatch(10, "data");
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.prank(address(0xB0B), address(0xB0B));
        inbox.submit(batch, signature, "data");
    }

    function installFirstKey(Key memory key) internal {
        (address[] memory signers, uint64[] memory weights) = pool.snapshot();
        bytes32 digest = inbox.installationDigest(1, key.px, key.parity, keccak256(abi.encode(signers, weights)));
        inbox.installFirstKey(key.px, key.parity, signers, weights, signatures(signers, digest, 0));
    }

    /// @dev The next batch as the inbox stands, of `blocks` blocks.
    function nextBatch(uint64 blocks, bytes memory data) internal view returns (IBatchInbox.Batch memory) {
        IBatchInbox.Head memory head = inbox.head();
        uint64 lastBlock = head.lastBlock + blocks;
        return IBatchInbox.Batch({
            index: head.nextIndex,
            previousDigest: head.digest,
            firstBlock: head.lastBlock + 1,
            lastBlock: lastBlock,
            lastBlockHash: keccak256(abi.encode("block", lastBlock)),
            dataHash: keccak256(data),
            stateRoot: keccak256(abi.encode("state", lastBlock)),
            l1View: uint64(vm.getBlockNumber()),
            forced: inbox.QUEUE().length()
        });
    }
}
