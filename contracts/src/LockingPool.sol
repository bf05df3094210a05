// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Digests} from "./Digests.sol";
import {Guarded} from "./Guarded.sol";
import {IBatchInbox} from "./interfaces/IBatchInbox.sol";
import {ILockingPool} from "./interfaces/ILockingPool.sol";
import {FixedParts} from "./pool/FixedParts.sol";
import {Liability} from "./pool/Liability.sol";

/// @title LockingPool
/// @notice The list of validators and their stakes: what governance and the owners of validators do. `ILockingPool` is the
/// manual; the rest is in `pool/`. Runs behind a proxy that governance upgrades.
contract LockingPool is Liability, Guarded {
    /// @dev Code to run once, and the same for every pool, so it need not be in storage.
    FixedParts private immutable PARTS = new FixedParts();

    constructor() {
        _disableInitializers();
    }

    /// @notice Makes the pool, within its proxy's construction, with an escrow and a ledger of votes of its own.
    /// @param metis The METIS token.
    /// @param owner Governance: keeps the whitelist and the parameters.
    /// @param exitDelay In seconds; 21 days.
    function initialize(IERC20 metis, address owner, uint64 exitDelay) external initializer {
        __Ownable_init(owner);
        (ESCROW, VOTES) = PARTS.make(metis);
        EXIT_DELAY = exitDelay;
        maxValidators = MAX_VALIDATORS;
        changeInterval = 1 days;
    }

    /* GOVERNANCE */

    /// @inheritdoc ILockingPool
    // slither-disable-next-line missing-zero-check: zero slashes, or pays, nobody.
    function connect(IBatchInbox inbox_, address slasher_, address rewards_) external onlyOwner {
        require(address(inbox) == address(0), AlreadyConnected());
        require(address(inbox_.POOL()) == address(this), NotOurInbox(address(inbox_)));
        uint64 keyIndex = inbox_.groupKey().index;
        require(keyIndex == 0, InboxInUse(keyIndex));
        (inbox, slasher, rewards) = (inbox_, slasher_, rewards_);
        emit Connected(address(inbox_), slasher_, rewards_);
    }

    /// @inheritdoc ILockingPool
    function setWhitelist(address owner, bool allowed) external {
        if (msg.sender != vaultFactory) _checkOwner();
        isWhitelisted[owner] = allowed;
        emit Whitelisted(owner, allowed);
    }

    /// @inheritdoc ILockingPool
    // slither-disable-next-line missing-zero-check: zero is none.
    function setVaultFactory(address factory) external onlyOwner {
        vaultFactory = factory;
        emit VaultFactoryChanged(factory);
    }

    /// @inheritdoc ILockingPool
    function setMaxValidators(uint256 limit) external onlyOwner {
        require(limit >= 1 && limit <= MAX_VALIDATORS, ParameterOutOfBounds(limit, 1, MAX_VALIDATORS));
        maxValidators = limit;
        emit MaxValidatorsChanged(limit);
        _fill();
    }

    /// @inheritdoc ILockingPool
    function setChangeInterval(uint64 interval) external onlyOwner {
        require(interval <= MAX_CHANGE_INTERVAL, ParameterOutOfBounds(interval, 0, MAX_CHANGE_INTERVAL));
        changeInterval = interval;
        emit ChangeIntervalChanged(interval);
    }

    /// @inheritdoc ILockingPool
    function forceUnlock(uint64 id) external onlyOwner {
        _unlock(id);
    }

    /* JOINING */

    /// @inheritdoc ILockingPool
    function lockFor(address signer, bytes32 nodeKey, uint256 amount, bytes calldata proof) external returns (uint64) {
        return lockWithRewardRecipient(signer, msg.sender, nodeKey, amount, proof);
    }

    /// @inheritdoc ILockingPool
    function lockWithRewardRecipient(
        address signer,
        address recipient,
        bytes32 nodeKey,
        uint256 amount,
        bytes calldata proof
    ) public nonReentrant whenNotPaused returns (uint64 id) {
        _requireMayOwn(msg.sender);
        _requireStake(amount);

        id = ++_lastId;
        _bindSigner(id, signer, proof);
        _bindNodeKey(nodeKey);
        validatorOf[msg.sender] = id;
        Record storage mine = _records[id];
        (mine.owner, mine.signer, mine.nodeKey, mine.stake) = (msg.sender, signer, nodeKey, amount);
        _setRecipient(id, mine, recipient);
        _enter(id);
        ESCROW.deposit(msg.sender, amount);
    }

    /* WHILE LOCKED */

    /// @inheritdoc ILockingPool
    function increaseStake(uint256 amount) external nonReentrant whenNotPaused {
        _increase(amount, 0);
    }

    /// @inheritdoc ILockingPool
    function relock(uint256 amount, uint256 fromRewards) external nonReentrant whenNotPaused {
        _increase(amount, fromRewards);
    }

    /// @inheritdoc ILockingPool
    function withdraw(uint256 amount) external whenNotPaused {
        (uint64 id, Record storage mine) = _memberOf(msg.sender);
        require(mine.status == Status.Active, NotActive(id));
        require(amount != 0, NothingToWithdraw(id));
        _throttle(mine);
        Withdrawal[] storage leaving = _withdrawals[id];
        require(leaving.length < MAX_WITHDRAWALS, TooManyWithdrawals(id, MAX_WITHDRAWALS));
        // More than there is counts as leaving nothing.
        uint256 stake = amount < mine.stake ? mine.stake - amount : 0;
        _requireStake(stake);

        uint64 claimableAt = uint64(block.timestamp) + EXIT_DELAY;
        // forge-lint: disable-next-line(unsafe-typecast): less than `MAX_LOCK`.
        leaving.push(Withdrawal({amount: uint128(amount), claimableAt: claimableAt}));
        _setStake(id, stake);
        emit WithdrawalInitiated(id, amount, claimableAt);
    }

    /// @inheritdoc ILockingPool
    function claimWithdrawals(uint64 id) external nonReentrant whenNotPaused {
        address owner = _requireOwnerOf(id);
        Withdrawal[] storage leaving = _withdrawals[id];
        uint256 amount;
        uint256 i;
        bool any;
        while (i < leaving.length) {
            if (block.timestamp < leaving[i].claimableAt) {
                i++;
                continue;
            }
            amount += leaving[i].amount;
            leaving[i] = leaving[leaving.length - 1];
            leaving.pop();
            any = true;
        }
        require(any, NothingClaimable(id));
        emit WithdrawalClaimed(id, owner, amount);
        ESCROW.pay(owner, amount);
    }

    /// @inheritdoc ILockingPool
    function withdrawRewards(uint64 id) external nonReentrant whenNotPaused {
        _requireOwnerOf(id);
        Record storage mine = _records[id];
        uint256 amount = mine.rewards;
        require(amount != 0, NothingToWithdraw(id));
        mine.rewards = 0;
        emit RewardsWithdrawn(id, mine.rewardRecipient, amount);
        ESCROW.pay(mine.rewardRecipient, amount);
    }

    /// @inheritdoc ILockingPool
    function updateSigner(address newSigner, bytes calldata proof) external whenNotPaused {
        (uint64 id, Record storage mine) = _memberOf(msg.sender);
        _throttle(mine);
        _bindSigner(id, newSigner, proof);
        address oldSigner = mine.signer;
        mine.signer = newSigner;
        if (mine.status == Status.Active) emit SignerUpdated(id, oldSigner, newSigner);
        else emit UnlistedSignerUpdated(id, oldSigner, newSigner);
    }

    /// @inheritdoc ILockingPool
    function updateNodeKey(bytes32 nodeKey) external whenNotPaused {
        (uint64 id, Record storage mine) = _memberOf(msg.sender);
        _bindNodeKey(nodeKey);
        mine.nodeKey = nodeKey;
        emit NodeKeyUpdated(id, mine.signer, nodeKey);
    }

    /// @inheritdoc ILockingPool
    function setRewardRecipient(address recipient) external {
        (uint64 id, Record storage mine) = _holderOf(msg.sender);
        _setRecipient(id, mine, recipient);
    }

    /// @inheritdoc ILockingPool
    function proposeOwner(address newOwner) external whenNotPaused {
        (uint64 id, Record storage mine) = _holderOf(msg.sender);
        mine.proposedOwner = newOwner;
        emit OwnerProposed(id, msg.sender, newOwner);
    }

    /// @inheritdoc ILockingPool
    function acceptOwner(uint64 id) external whenNotPaused {
        Record storage offered = _records[id];
        require(offered.proposedOwner == msg.sender, NotProposed(id, msg.sender));
        _requireMayOwn(msg.sender);
        address oldOwner = offered.owner;
        offered.owner = msg.sender;
        delete offered.proposedOwner;
        delete validatorOf[oldOwner];
        validatorOf[msg.sender] = id;
        VOTES.pass(oldOwner, msg.sender);
        emit OwnerChanged(id, oldOwner, msg.sender);
    }

    /// @inheritdoc ILockingPool
    function release() external whenNotPaused {
        uint64 id = validatorOf[msg.sender];
        Record storage mine = _records[id];
        require(mine.status == Status.Jailed, NotJailed(id));
        require(block.timestamp >= mine.jailedUntil, JailRunning(mine.jailedUntil));
        // Governance has the last word on who comes back.
        require(isWhitelisted[msg.sender], NotWhitelisted(msg.sender));
        _requireStake(mine.stake);
        emit Released(id);
        _enter(id);
    }

    /* LEAVING */

    /// @inheritdoc ILockingPool
    /// @dev Not stopped by a pause: nothing is paid yet, and a delay that cannot start would only grow.
    function unlock() external {
        _unlock(validatorOf[msg.sender]);
    }

    /// @inheritdoc ILockingPool
    /// @dev Not tied to the whitelist: whoever has joined can get its money out.
    function unlockClaim() external nonReentrant whenNotPaused {
        uint64 id = validatorOf[msg.sender];
        Record storage mine = _records[id];
        require(mine.status == Status.Unlocking, NotUnlocking(id));
        uint64 claimableAt = _claimableAt(id);
        require(block.timestamp >= claimableAt, ExitDelayRunning(claimableAt));
        uint256 stake = mine.stake;
        mine.stake = 0;
        mine.status = Status.Claimed;
        delete mine.proposedOwner;
        delete validatorOf[msg.sender];

        emit Claimed(id, msg.sender, stake);
        ESCROW.pay(msg.sender, stake);
    }

    /* REWARDS */

    /// @inheritdoc ILockingPool
    function creditRewards(uint64[] calldata ids, uint256[] calldata amounts) external nonReentrant {
        require(msg.sender == rewards, NotConnected(msg.sender));
        require(ids.length == amounts.length, WrongLengths(ids.length, amounts.length));
        uint256 sum;
        for (uint256 i = 0; i < ids.length; i++) {
            // Also of who has left: what was earned is owed.
            require(_records[ids[i]].status != Status.Unknown, NotLocked(ids[i]));
            _records[ids[i]].rewards += amounts[i];
            sum += amounts[i];
            emit RewardsCredited(ids[i], amounts[i]);
        }
        ESCROW.deposit(msg.sender, sum);
    }

    /* VIEWS */

    /// @inheritdoc ILockingPool
    function validator(uint64 id) external view returns (Validator memory) {
        Record storage v = _records[id];
        return Validator({
            owner: v.owner,
            signer: v.signer,
            nodeKey: v.nodeKey,
            stake: v.stake,
            claimableAt: v.status == Status.Unlocking ? _claimableAt(id) : 0,
            status: v.status,
            rewardRecipient: v.rewardRecipient,
            rewards: v.rewards,
            jailedUntil: v.jailedUntil,
            lastKey: v.lastKey
        });
    }

    /// @inheritdoc ILockingPool
    function validatorCount() external view returns (uint64) {
        return _lastId;
    }

    /// @inheritdoc ILockingPool
    function signerDigest(address owner, address signer) public view returns (bytes32) {
        return Digests.signer(block.chainid, address(this), owner, signer);
    }

    /* INTERNAL */

    function _requireStake(uint256 stake) private pure {
        require(stake >= MIN_LOCK && stake <= MAX_LOCK, StakeOutOfBounds(stake, MIN_LOCK, MAX_LOCK));
    }

    function _requireMayOwn(address owner) private view {
        require(isWhitelisted[owner], NotWhitelisted(owner));
        require(validatorOf[owner] == 0, AlreadyLocked(validatorOf[owner]));
    }

    function _requireOwnerOf(uint64 id) private view returns (address owner) {
        owner = _records[id].owner;
        require(owner == msg.sender, NotOwnerOf(id, msg.sender));
    }

    /// @dev Whose stake is here, also while it is leaving.
    function _holderOf(address owner) private view returns (uint64 id, Record storage mine) {
        id = validatorOf[owner];
        require(id != 0, NotLocked(id));
        mine = _records[id];
    }

    /// @dev Who is listed, waits or is in jail, and so may come to validate.
    function _memberOf(address owner) private view returns (uint64 id, Record storage mine) {
        id = validatorOf[owner];
        mine = _records[id];
        bool member = mine.status == Status.Active || mine.status == Status.Waiting || mine.status == Status.Jailed;
        require(member, NotActive(id));
    }

    /// @dev One key may follow another, and one withdrawal another, only at a pace that epochs can follow.
    function _throttle(Record storage mine) private {
        uint64 allowedFrom = mine.changedAt == 0 ? 0 : mine.changedAt + changeInterval;
        require(block.timestamp >= allowedFrom, ChangedTooSoon(allowedFrom));
        mine.changedAt = uint64(block.timestamp);
    }

    function _setRecipient(uint64 id, Record storage mine, address recipient) private {
        require(recipient != address(0), RecipientZero());
        mine.rewardRecipient = recipient;
        emit RewardRecipientChanged(id, recipient);
    }

    function _increase(uint256 amount, uint256 fromRewards) private {
        (uint64 id, Record storage mine) = _memberOf(msg.sender);
        require(amount != 0 || fromRewards != 0, NothingToAdd(id));
        require(fromRewards <= mine.rewards, RewardsTooFew(id, mine.rewards, fromRewards));
        // More than a word holds is out of bounds as any other, and is told so.
        uint256 stake = Math.saturatingAdd(mine.stake + fromRewards, amount);
        _requireStake(stake);
        _setStake(id, stake);
        if (fromRewards != 0) {
            mine.rewards -= fromRewards;
            emit RewardsLocked(id, fromRewards);
        }
        if (amount != 0) ESCROW.deposit(msg.sender, amount);
    }

    /// @dev The proof is by the caller's name, so that nobody can join with a signer that means to serve another.
    function _bindSigner(uint64 id, address signer, bytes calldata proof) private {
        require(validatorOfSigner[signer] == 0, SignerUsed(signer));
        // slither-disable-next-line unused-return: an error recovers to zero.
        (address recovered,,) = ECDSA.tryRecoverCalldata(signerDigest(msg.sender, signer), proof);
        require(recovered != address(0) && recovered == signer, SignerProofInvalid(signer));
        validatorOfSigner[signer] = id;
    }

    function _bindNodeKey(bytes32 nodeKey) private {
        require(nodeKey != 0, NodeKeyZero());
        require(!isNodeKeyUsed[nodeKey], NodeKeyUsed(nodeKey));
        isNodeKeyUsed[nodeKey] = true;
    }

    // slither-disable-next-line reentrancy-no-eth: `VOTES` is ours and calls nobody.
    function _unlock(uint64 id) private {
        Record storage leaving = _records[id];
        Status status = leaving.status;
        bool member = status == Status.Active || status == Status.Waiting || status == Status.Jailed;
        require(member, NotActive(id));
        leaving.unlockedAt = uint64(block.timestamp);
        uint64 claimableAt = _announcedClaim(id);
        if (_leave(id, Status.Unlocking)) emit UnlockInitiated(id, leaving.signer, leaving.stake, claimableAt);
        else emit UnlistedUnlockInitiated(id, leaving.signer, leaving.stake, claimableAt);
        _fill();
    }
}
