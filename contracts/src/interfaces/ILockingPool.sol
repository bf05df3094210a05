// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IBatchInbox} from "./IBatchInbox.sol";

/// @title ILockingPool
/// @notice Who may validate, with which keys and how much stake. Nodes read it, and its events, through their agreed
/// view of L1; `BatchInbox` takes the first validator set from it. The METIS rests in `LockingEscrow`.
///
/// The list says who the next group key is to be made for. It changes at once; what it says takes effect at the epoch
/// boundary, when a key made for it comes into force at the inbox. Until then whoever has left still signs, and so the
/// exit delay counts from there.
///
/// `Locked`, `StakeChanged`, `SignerUpdated`, `UnlockInitiated` and `Jailed` with `wasListed` tell all that happens to the
/// list. Events named `Unlisted...` speak of validators that are not on it.
interface ILockingPool {
    /// @notice Where a validator stands. `Active` is on the list, `Waiting` in the queue for it. `Jailed` was slashed and
    /// is in neither. `Unlocking` is leaving; its stake stays liable until the exit delay is over.
    enum Status {
        Unknown,
        Active,
        Unlocking,
        Claimed,
        Waiting,
        Jailed
    }

    /// @notice A validator. Its `id` counts from 1 and outlives changes of its keys.
    struct Validator {
        /// Holder of the stake, whitelisted when it joined.
        address owner;
        /// Address of the secp256k1 key that signs blocks, acks and votes.
        address signer;
        /// ed25519 public key that authenticates the node's links.
        bytes32 nodeKey;
        /// In wei of METIS, without what is being withdrawn.
        uint256 stake;
        /// Second from which the stake can be claimed, as things stand; zero unless unlocking.
        uint64 claimableAt;
        Status status;
        /// Where rewards are paid to.
        address rewardRecipient;
        /// Earned, and neither withdrawn nor locked; in wei of METIS.
        uint256 rewards;
        /// Second from which it may be released; zero if it never was in jail.
        uint64 jailedUntil;
        /// Index of the last group key that was made for it; zero if none was.
        uint64 lastKey;
    }

    /// @notice An active validator as nodes want it.
    struct Entry {
        uint64 id;
        address owner;
        address signer;
        bytes32 nodeKey;
        uint256 stake;
    }

    /// @notice A part of a stake that is being withdrawn.
    struct Withdrawal {
        uint128 amount;
        uint64 claimableAt;
    }

    /// @notice `owner` may (or may no longer) join.
    event Whitelisted(address indexed owner, bool allowed);
    /// @notice A validator came on the list: it joined, its turn came in the queue, or it was released from jail.
    event Locked(uint64 indexed id, address indexed owner, address indexed signer, bytes32 nodeKey, uint256 stake);
    /// @notice A listed validator's stake is now `stake`.
    event StakeChanged(uint64 indexed id, address indexed signer, uint256 stake);
    /// @notice A listed validator signs with `newSigner` from now on.
    event SignerUpdated(uint64 indexed id, address indexed oldSigner, address indexed newSigner);
    /// @notice A validator's links use `nodeKey` from now on.
    event NodeKeyUpdated(uint64 indexed id, address indexed signer, bytes32 nodeKey);
    /// @notice A validator left the list; its stake can be claimed from the second `claimableAt` on. That is zero if
    /// a group key made for it is in force: then the delay starts with the rotation that leaves it out.
    event UnlockInitiated(uint64 indexed id, address indexed signer, uint256 stake, uint64 claimableAt);
    /// @notice A validator's stake went back to its owner.
    event Claimed(uint64 indexed id, address indexed owner, uint256 stake);

    /// @notice A validator waits for a place on the list.
    event Queued(uint64 indexed id, address indexed owner, address indexed signer, bytes32 nodeKey, uint256 stake);
    /// @notice The stake of a validator that is not on the list is now `stake`.
    event UnlistedStakeChanged(uint64 indexed id, address indexed signer, uint256 stake);
    /// @notice A validator that is not on the list will sign with `newSigner`.
    event UnlistedSignerUpdated(uint64 indexed id, address indexed oldSigner, address indexed newSigner);
    /// @notice A validator that is not on the list leaves; `claimableAt` as in `UnlockInitiated`.
    event UnlistedUnlockInitiated(uint64 indexed id, address indexed signer, uint256 stake, uint64 claimableAt);

    /// @notice A part of a stake leaves; it can be claimed from the second `claimableAt` on.
    event WithdrawalInitiated(uint64 indexed id, uint256 amount, uint64 claimableAt);
    /// @notice Withdrawn stake went to the owner.
    event WithdrawalClaimed(uint64 indexed id, address indexed owner, uint256 amount);
    /// @notice A validator earned rewards.
    event RewardsCredited(uint64 indexed id, uint256 amount);
    /// @notice Rewards were added to the stake.
    event RewardsLocked(uint64 indexed id, uint256 amount);
    /// @notice Rewards were paid.
    event RewardsWithdrawn(uint64 indexed id, address indexed recipient, uint256 amount);
    /// @notice Rewards are paid to `recipient` from now on.
    event RewardRecipientChanged(uint64 indexed id, address indexed recipient);
    /// @notice `newOwner` may take the validator over; nobody may if it is zero.
    event OwnerProposed(uint64 indexed id, address indexed owner, address indexed newOwner);
    /// @notice A validator has a new owner.
    event OwnerChanged(uint64 indexed id, address indexed oldOwner, address indexed newOwner);

    /// @notice A validator lost `amount` for an offence; `reward` of it went to `reporter`.
    event Slashed(uint64 indexed id, address indexed reporter, uint256 amount, uint256 reward);
    /// @notice A validator is in jail until the second `until` at least.
    event Jailed(uint64 indexed id, address indexed signer, uint64 until, bool wasListed);
    /// @notice A validator came out of jail; `Locked` or `Queued` says whereto.
    event Released(uint64 indexed id);

    /// @notice The pool works with these contracts from now on, for ever.
    event Connected(address inbox, address slasher, address rewards);
    /// @notice At most `limit` validators are listed.
    event MaxValidatorsChanged(uint256 limit);
    /// @notice Between two changes of a validator's signer or withdrawals lie at least `interval` seconds.
    event ChangeIntervalChanged(uint64 interval);
    /// @notice `factory` keeps the whitelist too from now on; nobody beside governance does if it is zero.
    event VaultFactoryChanged(address factory);

    error NotWhitelisted(address owner);
    error AlreadyLocked(uint64 id);
    error NotActive(uint64 id);
    error NotUnlocking(uint64 id);
    error NotJailed(uint64 id);
    error NotLocked(uint64 id);
    error NotOwnerOf(uint64 id, address caller);
    error NotProposed(uint64 id, address caller);
    error StakeOutOfBounds(uint256 stake, uint256 least, uint256 most);
    error SignerUsed(address signer);
    error SignerProofInvalid(address signer);
    error NodeKeyUsed(bytes32 nodeKey);
    error NodeKeyZero();
    error RecipientZero();
    error QueueFull(uint256 limit);
    error ExitDelayRunning(uint64 claimableAt);
    error ChangedTooSoon(uint64 allowedFrom);
    error NothingToAdd(uint64 id);
    error NothingToWithdraw(uint64 id);
    error NothingClaimable(uint64 id);
    error TooManyWithdrawals(uint64 id, uint256 limit);
    error RewardsTooFew(uint64 id, uint256 rewards, uint256 wanted);
    error JailRunning(uint64 until);
    error NothingAtStake(uint64 id);
    error AlreadyConnected();
    error NotOurInbox(address inbox);
    error InboxInUse(uint64 keyIndex);
    error NotConnected(address caller);
    error ParameterOutOfBounds(uint256 given, uint256 least, uint256 most);
    error WrongLengths(uint256 ids, uint256 amounts);

    /* GOVERNANCE */

    /// @notice Tells the pool, once, of the contracts that it works with. The inbox must be this pool's and have no key yet:
    /// the pool must have seen every key.
    /// @param slasher May cut stakes. @param rewards May credit rewards.
    /// @dev Only the contract's owner.
    function connect(IBatchInbox inbox, address slasher, address rewards) external;

    /// @notice Lets `owner` join, or no longer. A validator that has joined stays, and may leave, either way.
    /// @dev Only the contract's owner, and the factory of vaults.
    function setWhitelist(address owner, bool allowed) external;

    /// @notice Sets the contract that whitelists the vaults that it makes, so that whoever approves a provider need not say
    /// so twice; zero for none. @dev Only the contract's owner.
    function setVaultFactory(address factory) external;

    /// @notice Lists at most `limit` validators, from 1 to `MAX_VALIDATORS`. Nobody is put off the list by it.
    /// @dev Only the contract's owner.
    function setMaxValidators(uint256 limit) external;

    /// @notice Sets the least time between two changes of a validator, up to `MAX_CHANGE_INTERVAL`.
    /// @dev Only the contract's owner.
    function setChangeInterval(uint64 interval) external;

    /// @notice Unlocks validator `id`, as its owner could. @dev Only the contract's owner.
    function forceUnlock(uint64 id) external;

    /* JOINING */

    /// @notice Joins: takes `amount` METIS, approved to the escrow, from the whitelisted caller, who becomes the owner and
    /// the recipient of rewards. If the list is full the validator waits; a place that becomes free goes to whoever
    /// waits with most stake, and among those to the lowest id.
    /// @param signer Address of the validator's signer key. No key joins twice, ever.
    /// @param nodeKey ed25519 public key of the node. No key joins twice either.
    /// @param amount From `MIN_LOCK` to `MAX_LOCK`, in wei.
    /// @param proof The signer's 65 bytes r || s || v (v 27 or 28, low s) over `signerDigest(caller, signer)`.
    /// @return id The new validator's.
    function lockFor(address signer, bytes32 nodeKey, uint256 amount, bytes calldata proof) external returns (uint64 id);

    /// @notice `lockFor`, with another recipient of rewards.
    function lockWithRewardRecipient(
        address signer,
        address recipient,
        bytes32 nodeKey,
        uint256 amount,
        bytes calldata proof
    ) external returns (uint64 id);

    /* WHILE LOCKED */

    /// @notice Adds `amount` METIS to the caller's validator, up to `MAX_LOCK`.
    function increaseStake(uint256 amount) external;

    /// @notice Adds `amount` METIS, and `fromRewards` of what it has earned, to the caller's validator, up to `MAX_LOCK`.
    function relock(uint256 amount, uint256 fromRewards) external;

    /// @notice Takes `amount` off the stake of the caller's active validator; at least `MIN_LOCK` must remain. It can be
    /// claimed after the exit delay, counted from now, and is liable until then.
    function withdraw(uint256 amount) external;

    /// @notice Pays validator `id`'s owner, who calls, all withdrawals whose delay is over.
    function claimWithdrawals(uint64 id) external;

    /// @notice Pays the rewards of validator `id` to their recipient. The owner calls, also after it has left.
    function withdrawRewards(uint64 id) external;

    /// @notice Gives the caller's validator a new signer key, which proves itself as in `lockFor`. The old one stays bound
    /// to the stake, and to nothing else ever.
    function updateSigner(address newSigner, bytes calldata proof) external;

    /// @notice Gives the caller's validator a new node key.
    function updateNodeKey(bytes32 nodeKey) external;

    /// @notice Pays rewards of the caller's validator to `recipient` from now on.
    function setRewardRecipient(address recipient) external;

    /// @notice Offers the caller's validator to `newOwner`; zero takes the offer back.
    function proposeOwner(address newOwner) external;

    /// @notice Takes over validator `id`, which was offered to the caller: whitelisted, and without one of its own.
    function acceptOwner(uint64 id) external;

    /// @notice Brings the caller's validator back from jail, to the list or the queue. Its time must be over, its stake
    /// within bounds and its owner whitelisted.
    function release() external;

    /* LEAVING */

    /// @notice Takes the caller's validator off the list or queue. Its exit delay starts with the rotation that leaves it
    /// out; at once if no key made for it is in force; or, so that no stake is stuck behind a group that is gone, once
    /// the inbox has been silent for as long as an exit delay.
    function unlock() external;

    /// @notice Pays the caller's stake back once its exit delay is over. The caller may then join anew.
    function unlockClaim() external;

    /* OTHER CONTRACTS */

    /// @notice The inbox has installed key `keyIndex`, made for `signers`. Never reverts, so that no rotation can fail here.
    /// @dev Only the inbox.
    function keyInstalled(uint64 keyIndex, address[] calldata signers) external;

    /// @notice Cuts all stake of validator `id` that is still liable by `fraction` / 10,000, pays `reporterShare` / 10,000
    /// of that to `reporter` and the rest to `treasury`, and jails the validator for `jailTime` seconds.
    /// @dev Only the slasher.
    function slash(
        uint64 id,
        uint256 fraction,
        uint256 reporterShare,
        address reporter,
        address treasury,
        uint64 jailTime
    ) external returns (uint256 amount);

    /// @notice Takes METIS from the caller for the validators to withdraw or lock. @dev Only the reward schedule.
    function creditRewards(uint64[] calldata ids, uint256[] calldata amounts) external;

    /* VIEWS */

    /// @notice All active validators, in no particular order.
    function validators() external view returns (Entry[] memory);

    /// @notice The validators that wait, in the order in which they will be listed.
    function waiting() external view returns (Entry[] memory);

    /// @notice Signers, ascending, and weights of the active validators: what a group key is made for.
    function snapshot() external view returns (address[] memory signers, uint64[] memory weights);

    /// @notice Validator `id`; `Status.Unknown` if there never was one.
    function validator(uint64 id) external view returns (Validator memory);

    /// @notice How many validators there ever were; the last one's `id`.
    function validatorCount() external view returns (uint64);

    /// @notice What validator `id` is withdrawing.
    function withdrawals(uint64 id) external view returns (Withdrawal[] memory);

    /// @notice What validator `id` could lose now.
    function liable(uint64 id) external view returns (uint256);

    /// @notice Validator that `owner` has stake in now; zero if none.
    function validatorOf(address owner) external view returns (uint64);

    /// @notice Validator that `signer` is, or ever was, a key of; zero if none. So old keys remain answerable.
    function validatorOfSigner(address signer) external view returns (uint64);

    /// @notice What `signer` signs to join, or take over, under `owner`.
    function signerDigest(address owner, address signer) external view returns (bytes32);

    /// @notice Stake of the list over time: wei of METIS times seconds, up to now. Rewards are reckoned from it.
    function stakeSeconds() external view returns (uint256);

    /// @notice The inbox whose rotations count; zero before `connect`.
    function inbox() external view returns (IBatchInbox);

    /// @notice The contract that whitelists the vaults that it makes; zero if none.
    function vaultFactory() external view returns (address);
}
