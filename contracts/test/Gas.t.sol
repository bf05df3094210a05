// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
import {ITransparentUpgradeableProxy} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";

import {Frost} from "../src/Frost.sol";
import {LockingPool} from "../src/LockingPool.sol";
import {IBatchInbox} from "../src/interfaces/IBatchInbox.sol";
import {IRewardSchedule} from "../src/interfaces/IRewardSchedule.sol";
import {IRules} from "../src/interfaces/IRules.sol";
import {ISlasher} from "../src/interfaces/ISlasher.sol";
import {Government} from "./base/Government.sol";
import {GroupSignature, Multisig, Nothing} from "./base/Multisig.sol";
import {Offences} from "./base/Offences.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice Gas of whole transactions, calldata and the 21,000 of the transaction itself included, through the proxies and on cold
/// storage: each call is one of its own (`isolate`). `checks/gas.mjs` makes `GAS.md` of the snapshots.
contract GasTest is Government, Offences {
    address private constant CARRIER = address(0xB0B);
    address private constant OTHER = address(0x0123);

    Key private key;
    Key private nextKey;

    function setUp() public {
        deploy();
        (key, nextKey) = (keyOf(0xC0FFEE), keyOf(0xDECAF));
    }

    function _locking() internal view override returns (address) {
        return address(pool);
    }

    /* VALIDATORS */

    /// forge-config: default.isolate = true
    function test_gasOfAValidatorsLife() public {
        join(9, LEAST);
        fund(1, 4 * LEAST);
        bytes memory proof = ecdsa(signerSecret(1), pool.signerDigest(ownerOf(1), signerOf(1)));
        pool.setWhitelist(ownerOf(2), true);
        vm.snapshotGasLastCall("LockingPool", "setWhitelist");
        vm.startPrank(ownerOf(1));
        uint64 id = pool.lockWithRewardRecipient(signerOf(1), OTHER, nodeKeyOf(1), LEAST, proof);
        vm.snapshotGasLastCall("LockingPool", "lockWithRewardRecipient");
        pool.increaseStake(LEAST);
        vm.snapshotGasLastCall("LockingPool", "increaseStake");
        vm.stopPrank();
        earnOf(id, 10e18);
        vm.startPrank(ownerOf(1));
        pool.relock(LEAST, 1e18);
        vm.snapshotGasLastCall("LockingPool", "relock");
        pool.withdrawRewards(id);
        vm.snapshotGasLastCall("LockingPool", "withdrawRewards");
        pool.withdraw(LEAST);
        vm.snapshotGasLastCall("LockingPool", "withdraw");
        skip(EXIT_DELAY);
        pool.claimWithdrawals(id);
        vm.snapshotGasLastCall("LockingPool", "claimWithdrawals");
        bytes memory another = ecdsa(signerSecret(3), pool.signerDigest(ownerOf(1), signerOf(3)));
        pool.updateSigner(signerOf(3), another);
        vm.snapshotGasLastCall("LockingPool", "updateSigner");
        pool.updateNodeKey(nodeKeyOf(3));
        vm.snapshotGasLastCall("LockingPool", "updateNodeKey");
        pool.setRewardRecipient(ownerOf(1));
        vm.snapshotGasLastCall("LockingPool", "setRewardRecipient");
        pool.proposeOwner(ownerOf(2));
        vm.snapshotGasLastCall("LockingPool", "proposeOwner");
        vm.stopPrank();
        vm.startPrank(ownerOf(2));
        pool.acceptOwner(id);
        vm.snapshotGasLastCall("LockingPool", "acceptOwner");
        pool.unlock();
        vm.snapshotGasLastCall("LockingPool", "unlock");
        skip(EXIT_DELAY);
        pool.unlockClaim();
        vm.snapshotGasLastCall("LockingPool", "unlockClaim");
        vm.stopPrank();
        pool.forceUnlock(1);
        vm.snapshotGasLastCall("LockingPool", "forceUnlock");
    }

    /// forge-config: default.isolate = true
    function test_gasOfLockFor() public {
        join(9, LEAST);
        fund(1, LEAST);
        bytes memory proof = ecdsa(signerSecret(1), pool.signerDigest(ownerOf(1), signerOf(1)));
        vm.prank(ownerOf(1));
        pool.lockFor(signerOf(1), nodeKeyOf(1), LEAST, proof);
        vm.snapshotGasLastCall("LockingPool", "lockFor");
        vm.prank(GUARDIAN);
        pool.pause();
        vm.snapshotGasLastCall("LockingPool", "pause");
        pool.unpause();
        vm.snapshotGasLastCall("LockingPool", "unpause");
        pool.setGuardian(OTHER);
        vm.snapshotGasLastCall("LockingPool", "setGuardian");
        pool.setChangeInterval(1);
        vm.snapshotGasLastCall("LockingPool", "setChangeInterval");
        pool.setMaxValidators(20);
        vm.snapshotGasLastCall("LockingPool", "setMaxValidators");
    }

    /// @dev The most that a place which comes free costs.
    /// forge-config: default.isolate = true
    function test_gasOfAPlaceThatComesFree() public {
        pool.setMaxValidators(1);
        for (uint256 n = 1; n <= 1 + pool.MAX_WAITING(); n++) {
            join(n, LEAST);
        }
        vm.prank(ownerOf(1));
        pool.unlock();
        vm.snapshotGasLastCall("LockingPool", "unlock, forty wait");
    }

    /* BATCHES AND KEYS */

    /// forge-config: default.isolate = true
    function test_gasOfBatches() public {
        _group(4);
        submit(key);
        _submitMeasured(1_024, "submit, 1 kB");
        _submitMeasured(100_000, "submit, 100 kB");
    }

    /// forge-config: default.isolate = true
    function test_gasOfKeysOfFour() public {
        _keysMeasured(4, "4 validators");
    }

    /// forge-config: default.isolate = true
    function test_gasOfKeysOfTen() public {
        _keysMeasured(10, "10 validators");
    }

    /// forge-config: default.isolate = true
    function test_gasOfKeysOfForty() public {
        _keysMeasured(40, "40 validators");
    }

    /// forge-config: default.isolate = true
    function test_gasOfForcedTransactions() public {
        _group(4);
        submit(key);
        vm.deal(OTHER, 10 ether);
        vm.startPrank(OTHER, OTHER);
        uint256 price = forced.gasPrice();
        forced.enqueue{value: 100_000 * price}(address(1), false, 0, 0, 100_000, "");
        vm.snapshotGasLastCall("ForcedQueue", "enqueue, first");
        vm.roll(vm.getBlockNumber() + 1);
        price = forced.gasPrice();
        forced.enqueue{value: 100_000 * price + 1 ether}(address(1), false, 1 ether, 1 ether, 100_000, new bytes(256));
        vm.snapshotGasLastCall("ForcedQueue", "enqueue, deposit with 256 bytes");
        vm.stopPrank();
        IBatchInbox.Batch memory batch = nextBatch(10, "data");
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.prank(CARRIER, CARRIER);
        inbox.submit(batch, signature, "data");
        vm.snapshotGasLastCall("BatchInbox", "submit, 4 bytes and two forced transactions");
        vm.prank(CARRIER);
        forced.withdraw(payable(CARRIER));
        vm.snapshotGasLastCall("ForcedQueue", "withdraw");
        forced.setFloor(2 gwei);
        vm.snapshotGasLastCall("ForcedQueue", "setFloor");
    }

    /* SLASHING AND REWARDS */

    /// forge-config: default.isolate = true
    function test_gasOfConvicting() public {
        join(1, LEAST);
        join(2, LEAST);
        ISlasher.Proof memory proof =
            _proofOf(signerSecret(1), _blockAt(4, keccak256("a")), _blockAt(4, keccak256("b")));
        vm.prank(OTHER);
        slasher.report(proof, OTHER);
        vm.snapshotGasLastCall("Slasher", "report");
        slasher.setPenalty(ISlasher.Penalty(5_000, 500, 1 days, TREASURY));
        vm.snapshotGasLastCall("Slasher", "setPenalty");
        metis.mint(ownerOf(1), LEAST);
        skip(7 days);
        vm.startPrank(ownerOf(1));
        pool.increaseStake(LEAST);
        pool.release();
        vm.snapshotGasLastCall("LockingPool", "release");
        vm.stopPrank();
    }

    /// forge-config: default.isolate = true
    function test_gasOfRewardsOfFour() public {
        _rewardsMeasured(4, "4 validators");
        schedule.checkpoint();
        vm.snapshotGasLastCall("RewardSchedule", "checkpoint");
        schedule.setRate(500);
        vm.snapshotGasLastCall("RewardSchedule", "setRate");
    }

    /// forge-config: default.isolate = true
    function test_gasOfRewardsOfForty() public {
        _rewardsMeasured(40, "40 validators");
    }

    /* GOVERNANCE */

    /// forge-config: default.isolate = true
    function test_gasOfGovernance() public {
        handOver();
        metis.mint(OTHER, 2e18);
        vm.startPrank(OTHER);
        metis.approve(address(wrapped), 2e18);
        wrapped.depositFor(OTHER, 1e18);
        vm.snapshotGasLastCall("Governance", "VotingMetis.depositFor");
        wrapped.delegate(OTHER);
        vm.snapshotGasLastCall("Governance", "VotingMetis.delegate");
        wrapped.withdrawTo(OTHER, 1e18);
        vm.snapshotGasLastCall("Governance", "VotingMetis.withdrawTo");
        vm.stopPrank();
        bonded(1);
        vm.prank(ownerOf(1));
        uint64 id = applications.applyFor(IRules.Kind.Validator, profileOf(1));
        vm.snapshotGasLastCall("Governance", "Applications.applyFor");
        toVote();
        vote(WHALE, applications.application(id).proposalId, 1);
        vm.snapshotGasLastCall("Governance", "HoraeGovernor.castVote");
        afterVote();
        Proposal memory p = proposalOf(id);
        queue(p);
        vm.snapshotGasLastCall("Governance", "HoraeGovernor.queue");
        skip(DELAY);
        execute(p);
        vm.snapshotGasLastCall("Governance", "HoraeGovernor.execute, setWhitelist");
        applications.settle(id);
        vm.snapshotGasLastCall("Governance", "Applications.settle");
        LockingPool next = new LockingPool();
        ProxyAdmin admin = Proxied.adminOf(address(pool));
        ITransparentUpgradeableProxy proxy = ITransparentUpgradeableProxy(address(pool));
        p = proposal(address(admin), abi.encodeCall(ProxyAdmin.upgradeAndCall, (proxy, address(next), "")), "Upgrade");
        propose(p);
        vm.snapshotGasLastCall("Governance", "HoraeGovernor.propose");
        vm.prank(address(timelock));
        admin.upgradeAndCall(proxy, address(next), "");
        vm.snapshotGasLastCall("Governance", "ProxyAdmin.upgradeAndCall");
    }

    /* SIGNATURES OF MANY */

    /// forge-config: default.isolate = true
    function test_gasOfSignaturesOfMany() public {
        _callMeasured(address(new Nothing()), "", "a transaction that does nothing");
        bytes32 digest = keccak256("digest");
        GroupSignature group = new GroupSignature(key.px, key.parity);
        bytes memory call = abi.encodeCall(group.check, (digest, groupSign(key, digest)));
        _callMeasured(address(group), call, "FROST, any number");
        _multisigMeasured(digest, 4, "3 of 4");
        _multisigMeasured(digest, 10, "7 of 10");
        _multisigMeasured(digest, 40, "27 of 40");
    }

    /* HELP */

    /// @dev `n` validators, whose key is in force.
    function _group(uint256 n) private {
        for (uint256 i = 1; i <= n; i++) {
            join(i, LEAST);
        }
        installFirstKey(key);
    }

    /// @dev Of bytes none of which is zero, for compressed data has few zeros.
    function _submitMeasured(uint256 size, string memory name) private {
        bytes memory data = new bytes(size);
        for (uint256 i = 0; i < size; i++) {
            data[i] = 0xC5;
        }
        IBatchInbox.Batch memory batch = nextBatch(10, data);
        Frost.Signature memory signature = groupSign(key, inbox.batchDigest(batch));
        vm.prank(CARRIER, CARRIER);
        inbox.submit(batch, signature, data);
        vm.snapshotGasLastCall("BatchInbox", name);
    }

    function _keysMeasured(uint256 n, string memory size) private {
        _group(n);
        vm.snapshotGasLastCall("BatchInbox", string.concat("installFirstKey, ", size));
        submit(key);
        rotate(key, nextKey);
        vm.snapshotGasLastCall("BatchInbox", string.concat("rotate, ", size));
        submit(nextKey);
        (address[] memory signers, uint64[] memory weights) = pool.snapshot();
        bytes32 hash = keccak256(abi.encode(signers, weights));
        bytes32 digest = inbox.installationDigest(3, key.px, key.parity, hash);
        // A third may be silent.
        bytes[] memory signed = signatures(signers, digest, (1 << ((n - 1) / 3)) - 1);
        inbox.startEmergencyRotation(key.px, key.parity, hash, signers, weights, signed);
        vm.snapshotGasLastCall("BatchInbox", string.concat("startEmergencyRotation, ", size));
        skip(EMERGENCY_DELAY);
        inbox.finishEmergencyRotation(key.px, key.parity, signers, weights);
        vm.snapshotGasLastCall("BatchInbox", string.concat("finishEmergencyRotation, ", size));
    }

    function _rewardsMeasured(uint256 n, string memory size) private {
        _group(n);
        schedule.begin();
        vm.snapshotGasLastCall("RewardSchedule", "begin");
        _settleMeasured(n, string.concat("settle, ", size, ", first time"));
        _settleMeasured(n, string.concat("settle, ", size));
        skip(1 days);
        // Too little for all: the rest is owed, and paid when there are funds.
        _submits();
        _settle(n);
        _fundSchedule(1e24);
        vm.snapshotGasLastCall("RewardSchedule", "fund");
        uint64[] memory ids = new uint64[](n);
        for (uint64 i = 0; i < n; i++) {
            ids[i] = i + 1;
        }
        vm.prank(OTHER);
        schedule.pay(ids);
        vm.snapshotGasLastCall("RewardSchedule", string.concat("pay, ", size));
    }

    function _settleMeasured(uint256 n, string memory name) private {
        skip(1 days);
        _submits();
        _fundSchedule(schedule.allowed());
        _settle(n);
        vm.snapshotGasLastCall("RewardSchedule", name);
    }

    /// @dev Blocks enough for forty to have one each.
    function _submits() private {
        for (uint256 i = 0; i < 4; i++) {
            submit(key);
        }
    }

    function _settle(uint256 n) private {
        IRewardSchedule.Settlement memory settlement;
        settlement.index = schedule.nextIndex();
        settlement.firstBlock = schedule.lastSettled() + 1;
        settlement.lastBlock = inbox.head().lastBlock;
        (settlement.ids, settlement.blocks) = (new uint64[](n), new uint64[](n));
        uint64 blocks = settlement.lastBlock - settlement.firstBlock + 1;
        for (uint64 i = 0; i < n; i++) {
            (settlement.ids[i], settlement.blocks[i]) = (i + 1, i + 1 < n ? 1 : blocks - uint64(n) + 1);
        }
        Frost.Signature memory signature = groupSign(key, schedule.settlementDigest(settlement));
        vm.prank(OTHER);
        schedule.settle(settlement, signature);
    }

    function _fundSchedule(uint256 amount) private {
        metis.mint(address(this), amount);
        metis.approve(address(schedule), amount);
        schedule.fund(amount);
    }

    /// @dev As the schedule credits it.
    function earnOf(uint64 id, uint256 amount) private {
        (uint64[] memory ids, uint256[] memory amounts) = (new uint64[](1), new uint256[](1));
        (ids[0], amounts[0]) = (id, amount);
        metis.mint(address(schedule), amount);
        vm.startPrank(address(schedule));
        metis.approve(address(pool.ESCROW()), amount);
        pool.creditRewards(ids, amounts);
        vm.stopPrank();
    }

    /// @dev More than two thirds of `m` sign.
    function _multisigMeasured(bytes32 digest, uint256 m, string memory name) private {
        uint256 n = m * 2 / 3 + 1;
        (address[] memory signers, uint256[] memory secrets) = _ascending(m);
        bytes memory signed;
        for (uint256 i = 0; i < n; i++) {
            signed = bytes.concat(signed, ecdsa(secrets[i], digest));
        }
        Multisig many = new Multisig(signers, n);
        bytes memory stored = abi.encodeCall(many.checkStored, (digest, signed));
        _callMeasured(address(many), stored, string.concat("ECDSA, signers in storage, ", name));
        bytes memory listed = abi.encodeCall(many.checkListed, (digest, signers, signed));
        _callMeasured(address(many), listed, string.concat("ECDSA, list of signers in the call, ", name));
    }

    /// @dev As a transaction: a typed call of a view would be none.
    function _callMeasured(address target, bytes memory call, string memory name) private {
        (bool went,) = target.call(call);
        vm.snapshotGasLastCall("Signatures", name);
        assertTrue(went);
    }

    function _ascending(uint256 m) private pure returns (address[] memory signers, uint256[] memory secrets) {
        (signers, secrets) = (new address[](m), new uint256[](m));
        for (uint256 i = 0; i < m; i++) {
            (address signer, uint256 secret) = (signerOf(i), signerSecret(i));
            uint256 at = i;
            for (; at > 0 && signers[at - 1] > signer; at--) {
                (signers[at], secrets[at]) = (signers[at - 1], secrets[at - 1]);
            }
            (signers[at], secrets[at]) = (signer, secret);
        }
    }
}
