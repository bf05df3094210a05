// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Digests} from "./Digests.sol";
import {LockingEscrow} from "./LockingEscrow.sol";
import {Weights} from "./Weights.sol";
import {ILockingPool} from "./interfaces/ILockingPool.sol";

/// @title LockingPool
/// @notice The list of validators and their stakes. `ILockingPool` is the manual.
contract LockingPool is ILockingPool, Ownable2Step {
    /// @notice Bounds of a validator's stake, in wei of METIS.
    uint256 public constant MIN_LOCK = Weights.UNIT;
    uint256 public constant MAX_LOCK = Weights.MAX * Weights.UNIT;
    /// @notice Most active validators. At `Weights.MAX` shares each they hold the 200 that key generation is bounded to.
    uint256 public constant MAX_VALIDATORS = 40;

    LockingEscrow public immutable ESCROW;
    /// @notice Seconds from `unlock` to `unlockClaim`.
    uint64 public immutable EXIT_DELAY;

    mapping(address owner => bool) public isWhitelisted;
    /// @inheritdoc ILockingPool
    mapping(address owner => uint64 id) public validatorOf;
    /// @inheritdoc ILockingPool
    mapping(address signer => uint64 id) public validatorOfSigner;
    mapping(bytes32 nodeKey => bool) public isNodeKeyUsed;

    mapping(uint64 id => Validator) private _validators;
    uint64[] private _active;
    uint64 private _lastId;

    /// @param metis The METIS token.
    /// @param owner Who keeps the whitelist.
    /// @param exitDelay In seconds; 21 days.
    constructor(IERC20 metis, address owner, uint64 exitDelay) Ownable(owner) {
        ESCROW = new LockingEscrow(metis);
        EXIT_DELAY = exitDelay;
    }

    /* WHITELIST */

    /// @inheritdoc ILockingPool
    function setWhitelist(address owner, bool allowed) external onlyOwner {
        isWhitelisted[owner] = allowed;
        emit Whitelisted(owner, allowed);
    }

    /* JOINING */

    /// @inheritdoc ILockingPool
    function lockFor(address signer, bytes32 nodeKey, uint256 amount, bytes calldata proof)
        external
        returns (uint64 id)
    {
        require(isWhitelisted[msg.sender], NotWhitelisted(msg.sender));
        require(validatorOf[msg.sender] == 0, AlreadyLocked(validatorOf[msg.sender]));
        require(_active.length < MAX_VALIDATORS, PoolFull(MAX_VALIDATORS));
        _requireStake(amount);

        id = ++_lastId;
        _bindSigner(id, signer, proof);
        _bindNodeKey(nodeKey);
        validatorOf[msg.sender] = id;
        _active.push(id);
        _validators[id] = Validator({
            owner: msg.sender, signer: signer, nodeKey: nodeKey, stake: amount, claimableAt: 0, status: Status.Active
        });

        emit Locked(id, msg.sender, signer, nodeKey, amount);
        ESCROW.deposit(msg.sender, amount);
    }

    /* WHILE ACTIVE */

    /// @inheritdoc ILockingPool
    function increaseStake(uint256 amount) external {
        (uint64 id, Validator storage mine) = _activeOf(msg.sender);
        uint256 stake = mine.stake + amount;
        _requireStake(stake);
        mine.stake = stake;

        emit StakeChanged(id, mine.signer, stake);
        ESCROW.deposit(msg.sender, amount);
    }

    /// @inheritdoc ILockingPool
    function updateSigner(address newSigner, bytes calldata proof) external {
        (uint64 id, Validator storage mine) = _activeOf(msg.sender);
        _bindSigner(id, newSigner, proof);
        address oldSigner = mine.signer;
        mine.signer = newSigner;

        emit SignerUpdated(id, oldSigner, newSigner);
    }

    /// @inheritdoc ILockingPool
    function updateNodeKey(bytes32 nodeKey) external {
        (uint64 id, Validator storage mine) = _activeOf(msg.sender);
        _bindNodeKey(nodeKey);
        mine.nodeKey = nodeKey;

        emit NodeKeyUpdated(id, mine.signer, nodeKey);
    }

    /* LEAVING */

    /// @inheritdoc ILockingPool
    function unlock() external {
        _unlock(validatorOf[msg.sender]);
    }

    /// @inheritdoc ILockingPool
    function forceUnlock(uint64 id) external onlyOwner {
        _unlock(id);
    }

    /// @inheritdoc ILockingPool
    /// @dev Not tied to the whitelist: whoever has joined can get its money out.
    function unlockClaim() external {
        uint64 id = validatorOf[msg.sender];
        Validator storage mine = _validators[id];
        require(mine.status == Status.Unlocking, NotUnlocking(id));
        require(block.timestamp >= mine.claimableAt, ExitDelayRunning(mine.claimableAt));
        uint256 stake = mine.stake;
        mine.stake = 0;
        mine.status = Status.Claimed;
        delete validatorOf[msg.sender];

        emit Claimed(id, msg.sender, stake);
        ESCROW.pay(msg.sender, stake);
    }

    /* VIEWS */

    /// @inheritdoc ILockingPool
    function validators() external view returns (Entry[] memory entries) {
        entries = new Entry[](_active.length);
        for (uint256 i = 0; i < entries.length; i++) {
            uint64 id = _active[i];
            Validator storage v = _validators[id];
            entries[i] = Entry({id: id, owner: v.owner, signer: v.signer, nodeKey: v.nodeKey, stake: v.stake});
        }
    }

    /// @inheritdoc ILockingPool
    function snapshot() external view returns (address[] memory signers, uint64[] memory weights) {
        signers = new address[](_active.length);
        uint256[] memory stakes = new uint256[](_active.length);
        for (uint256 i = 0; i < signers.length; i++) {
            Validator storage v = _validators[_active[i]];
            uint256 place = i;
            for (; place > 0 && signers[place - 1] > v.signer; place--) {
                signers[place] = signers[place - 1];
                stakes[place] = stakes[place - 1];
            }
            signers[place] = v.signer;
            stakes[place] = v.stake;
        }
        weights = Weights.weigh(stakes);
    }

    /// @inheritdoc ILockingPool
    function validator(uint64 id) external view returns (Validator memory) {
        return _validators[id];
    }

    /// @inheritdoc ILockingPool
    function signerDigest(address owner, address signer) public view returns (bytes32) {
        return Digests.signer(block.chainid, address(this), owner, signer);
    }

    /* INTERNAL */

    function _requireStake(uint256 stake) private pure {
        require(stake >= MIN_LOCK && stake <= MAX_LOCK, StakeOutOfBounds(stake, MIN_LOCK, MAX_LOCK));
    }

    function _activeOf(address owner) private view returns (uint64 id, Validator storage mine) {
        id = validatorOf[owner];
        mine = _validators[id];
        require(mine.status == Status.Active, NotActive(id));
    }

    /// @dev The proof is by the caller's name, so that nobody can join with a signer that means to serve another.
    function _bindSigner(uint64 id, address signer, bytes calldata proof) private {
        require(validatorOfSigner[signer] == 0, SignerUsed(signer));
        (address recovered,,) = ECDSA.tryRecoverCalldata(signerDigest(msg.sender, signer), proof);
        require(recovered != address(0) && recovered == signer, SignerProofInvalid(signer));
        validatorOfSigner[signer] = id;
    }

    function _bindNodeKey(bytes32 nodeKey) private {
        require(nodeKey != 0, NodeKeyZero());
        require(!isNodeKeyUsed[nodeKey], NodeKeyUsed(nodeKey));
        isNodeKeyUsed[nodeKey] = true;
    }

    function _unlock(uint64 id) private {
        Validator storage leaving = _validators[id];
        require(leaving.status == Status.Active, NotActive(id));
        leaving.status = Status.Unlocking;
        leaving.claimableAt = uint64(block.timestamp) + EXIT_DELAY;
        _removeActive(id);

        emit UnlockInitiated(id, leaving.signer, leaving.stake, leaving.claimableAt);
    }

    function _removeActive(uint64 id) private {
        uint256 last = _active.length - 1;
        for (uint256 i = 0; i < last; i++) {
            if (_active[i] == id) {
                _active[i] = _active[last];
                break;
            }
        }
        _active.pop();
    }
}
