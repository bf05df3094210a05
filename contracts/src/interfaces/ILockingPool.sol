// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title ILockingPool
/// @notice Who may validate, with which keys and how much stake. Nodes read it, and its events, through their agreed
/// view of L1; `BatchInbox` takes the first validator set from it. The METIS rests in `LockingEscrow`.
interface ILockingPool {
    /// @notice Where a validator stands. `Unlocking` is out of the list at once; its stake stays liable until claimed.
    enum Status {
        Unknown,
        Active,
        Unlocking,
        Claimed
    }

    /// @notice A validator. Its `id` counts from 1 and outlives changes of its keys.
    struct Validator {
        /// Holder of the stake, whitelisted when it joined.
        address owner;
        /// Address of the secp256k1 key that signs blocks, acks and votes.
        address signer;
        /// ed25519 public key that authenticates the node's links.
        bytes32 nodeKey;
        /// In wei of METIS.
        uint256 stake;
        /// Second from which the stake can be claimed; zero while active.
        uint64 claimableAt;
        Status status;
    }

    /// @notice An active validator as nodes want it.
    struct Entry {
        uint64 id;
        address owner;
        address signer;
        bytes32 nodeKey;
        uint256 stake;
    }

    /// @notice `owner` may (or may no longer) join.
    event Whitelisted(address indexed owner, bool allowed);
    /// @notice A validator joined.
    event Locked(uint64 indexed id, address indexed owner, address indexed signer, bytes32 nodeKey, uint256 stake);
    /// @notice A validator's stake is now `stake`.
    event StakeChanged(uint64 indexed id, address indexed signer, uint256 stake);
    /// @notice A validator signs with `newSigner` from now on.
    event SignerUpdated(uint64 indexed id, address indexed oldSigner, address indexed newSigner);
    /// @notice A validator's links use `nodeKey` from now on.
    event NodeKeyUpdated(uint64 indexed id, address indexed signer, bytes32 nodeKey);
    /// @notice A validator left the list; its stake can be claimed from the second `claimableAt` on.
    event UnlockInitiated(uint64 indexed id, address indexed signer, uint256 stake, uint64 claimableAt);
    /// @notice A validator's stake went back to its owner.
    event Claimed(uint64 indexed id, address indexed owner, uint256 stake);

    error NotWhitelisted(address owner);
    error AlreadyLocked(uint64 id);
    error NotActive(uint64 id);
    error NotUnlocking(uint64 id);
    error StakeOutOfBounds(uint256 stake, uint256 least, uint256 most);
    error SignerUsed(address signer);
    error SignerProofInvalid(address signer);
    error NodeKeyUsed(bytes32 nodeKey);
    error NodeKeyZero();
    error PoolFull(uint256 limit);
    error ExitDelayRunning(uint64 claimableAt);

    /// @notice Lets `owner` join, or no longer. A validator that has joined stays, and may leave, either way.
    /// @dev Only the contract's owner.
    function setWhitelist(address owner, bool allowed) external;

    /// @notice Joins: takes `amount` METIS, approved to the escrow, from the whitelisted caller, who becomes the owner.
    /// @param signer Address of the validator's signer key. No key joins twice, ever.
    /// @param nodeKey ed25519 public key of the node. No key joins twice either.
    /// @param amount From `MIN_LOCK` to `MAX_LOCK`, in wei.
    /// @param proof The signer's 65 bytes r || s || v (v 27 or 28, low s) over `signerDigest(caller, signer)`.
    /// @return id The new validator's.
    function lockFor(address signer, bytes32 nodeKey, uint256 amount, bytes calldata proof) external returns (uint64 id);

    /// @notice Adds `amount` METIS to the caller's active validator, up to `MAX_LOCK`.
    function increaseStake(uint256 amount) external;

    /// @notice Gives the caller's active validator a new signer key, which proves itself as in `lockFor`. The old one
    /// stays bound to the stake.
    function updateSigner(address newSigner, bytes calldata proof) external;

    /// @notice Gives the caller's active validator a new node key.
    function updateNodeKey(bytes32 nodeKey) external;

    /// @notice Takes the caller's active validator off the list and starts its exit delay.
    function unlock() external;

    /// @notice The same, done by the contract's owner to validator `id`.
    function forceUnlock(uint64 id) external;

    /// @notice Pays the caller's stake back once its exit delay is over. The caller may then join anew.
    function unlockClaim() external;

    /// @notice All active validators, in no particular order.
    function validators() external view returns (Entry[] memory);

    /// @notice Signers, ascending, and weights of the active validators: what a group key is made for.
    function snapshot() external view returns (address[] memory signers, uint64[] memory weights);

    /// @notice Validator `id`; `Status.Unknown` if there never was one.
    function validator(uint64 id) external view returns (Validator memory);

    /// @notice Validator that `owner` has stake in now; zero if none.
    function validatorOf(address owner) external view returns (uint64);

    /// @notice Validator that `signer` is, or ever was, a key of; zero if none. So old keys remain answerable.
    function validatorOfSigner(address signer) external view returns (uint64);

    /// @notice What `signer` signs to join, or take over, under `owner`.
    function signerDigest(address owner, address signer) external view returns (bytes32);
}
