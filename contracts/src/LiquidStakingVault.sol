// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {LockingPool} from "./LockingPool.sol";
import {ILiquidStakingVault} from "./interfaces/ILiquidStakingVault.sol";
import {ILockingPool} from "./interfaces/ILockingPool.sol";
import {AsyncVault} from "./vault/AsyncVault.sol";
import {RedeemLine} from "./vault/RedeemLine.sol";
import {ShareVotes} from "./vault/ShareVotes.sol";
import {StakeView} from "./vault/StakeView.sol";

/// @title LiquidStakingVault
/// @notice The stake behind the shares: one validator at the pool, owned by the vault, run by the provider.
/// `ILiquidStakingVault` is the manual; shares and queue are in `vault/`. Vaults are clones that the factory makes.
///
/// What the stake is, and where it stands, is asked of the pool each time and kept nowhere here, so that nothing that happens
/// there (slash, jail, forced unlock, a place in the queue) can find the vault with another opinion.
contract LiquidStakingVault is AsyncVault, Initializable {
    using RedeemLine for RedeemLine.Line;
    using SafeERC20 for IERC20;

    uint256 private constant WHOLE = 10_000;
    /// @notice The most of rewards that a provider may take, in 1 / 10,000.
    uint16 public constant MAX_FEE = 2_000;
    /// @notice Seconds between the announcement of a fee and its force.
    uint64 public constant FEE_NOTICE = 30 days;
    /// @notice Seconds for which requests wait for deposits, or for a validator's return, before the whole stake is unlocked.
    uint64 public constant PATIENCE = 7 days;

    LockingPool public immutable POOL;
    address public immutable FACTORY;
    StakeView private immutable VIEW;
    address private immutable ESCROW;
    uint64 private immutable EXIT_DELAY;
    uint64 private immutable WITHDRAWAL_PACE;
    uint256 private immutable MIN_LOCK;
    uint256 private immutable MAX_LOCK;

    /// @inheritdoc ILiquidStakingVault
    address public provider;
    /// @inheritdoc ILiquidStakingVault
    uint64 public validatorId;
    /// @inheritdoc ILiquidStakingVault
    uint16 public fee;
    uint16 private _announcedFee;
    uint64 private _announcedFrom;
    uint64 private _withdrewAt;
    uint64 private _signerChangedAt;
    bool private _hasLocked;
    /// @inheritdoc ILiquidStakingVault
    uint256 public feeOwed;
    /// @inheritdoc ILiquidStakingVault
    uint256 public cover;
    /// @inheritdoc ILiquidStakingVault
    uint256 public coverNeeded;
    /// @dev What the vault has at the pool, withdrawals included, unless a slash took of it: then there is less.
    uint256 private _principal;
    string private _name;
    string private _symbol;

    modifier onlyProvider() {
        require(msg.sender == provider, NotProvider(msg.sender));
        _;
    }

    modifier onlyFactory() {
        require(msg.sender == FACTORY, NotFactory(msg.sender));
        _;
    }

    /// @dev The model of all clones, made by the factory; takes no deposits itself.
    constructor(LockingPool pool) ERC4626(pool.ESCROW().METIS()) ERC20("", "") {
        POOL = pool;
        FACTORY = msg.sender;
        VIEW = new StakeView(pool);
        ESCROW = address(pool.ESCROW());
        EXIT_DELAY = pool.EXIT_DELAY();
        // Rounded up, so that the first of `MAX_WITHDRAWALS` is free when the next is due.
        // forge-lint: disable-next-line(unsafe-typecast): a part of a uint64.
        WITHDRAWAL_PACE = uint64(Math.ceilDiv(pool.EXIT_DELAY(), pool.MAX_WITHDRAWALS()));
        (MIN_LOCK, MAX_LOCK) = (pool.MIN_LOCK(), pool.MAX_LOCK());
        isClosed = true;
        _disableInitializers();
    }

    // Every call that changes something is `nonReentrant`; pool, ledger and METIS are none that call back.
    // slither-disable-start reentrancy-no-eth

    /* FACTORY */

    /// @inheritdoc ILiquidStakingVault
    function initialize(Terms calldata terms, ShareVotes votes_) external onlyFactory initializer {
        require(terms.fee <= MAX_FEE, FeeTooHigh(terms.fee, MAX_FEE));
        (provider, fee, coverNeeded, votes) = (terms.provider, terms.fee, terms.cover, votes_);
        (_name, _symbol) = (terms.name, terms.symbol);
        _line.begin();
        emit FeeChanged(fee);
    }

    /// @inheritdoc ILiquidStakingVault
    function close() external onlyFactory nonReentrant {
        require(!isClosed, VaultClosed());
        isClosed = true;
        emit Closed();
        if (validatorId != 0 && _standing().status != ILockingPool.Status.Unlocking) _unlock();
    }

    /* PROVIDER */

    /// @inheritdoc ILiquidStakingVault
    function lock(address signer, bytes32 nodeKey, bytes calldata proof) external onlyProvider nonReentrant noted {
        require(!isClosed, VaultClosed());
        _requireNoValidator();
        _requireCover();
        _serve();
        uint256 amount = Math.min(_free(), MAX_LOCK);
        require(amount >= MIN_LOCK, TooLittleToLock(amount, MIN_LOCK));
        _send(amount);
        validatorId = POOL.lockWithRewardRecipient(signer, address(this), nodeKey, amount, proof);
        _hasLocked = true;
        emit ValidatorLocked(validatorId, signer, amount);
    }

    /// @inheritdoc ILiquidStakingVault
    function leave() external onlyProvider nonReentrant {
        _requireValidator();
        _unlock();
    }

    /// @inheritdoc ILiquidStakingVault
    function release() external onlyProvider nonReentrant noted {
        _requireValidator();
        StakeView.Standing memory s = _standing();
        _absorb(s);
        _requireCover();
        _stake(s);
        POOL.release();
    }

    /// @inheritdoc ILiquidStakingVault
    function updateSigner(address newSigner, bytes calldata proof) external onlyProvider nonReentrant {
        uint64 allowedFrom = _signerChangedAt == 0 ? 0 : _signerChangedAt + EXIT_DELAY;
        require(block.timestamp >= allowedFrom, SignerChangedTooSoon(allowedFrom));
        _signerChangedAt = uint64(block.timestamp);
        POOL.updateSigner(newSigner, proof);
    }

    /// @inheritdoc ILiquidStakingVault
    function updateNodeKey(bytes32 nodeKey) external onlyProvider nonReentrant {
        POOL.updateNodeKey(nodeKey);
    }

    /// @inheritdoc ILiquidStakingVault
    function announceFee(uint16 newFee) external onlyProvider {
        require(newFee <= MAX_FEE, FeeTooHigh(newFee, MAX_FEE));
        (_announcedFee, _announcedFrom) = (newFee, uint64(block.timestamp) + FEE_NOTICE);
        emit FeeAnnounced(newFee, _announcedFrom);
    }

    /// @inheritdoc ILiquidStakingVault
    function takeCover() external onlyProvider nonReentrant returns (uint256 amount) {
        _requireNoValidator();
        amount = cover;
        require(amount != 0, NothingToPay());
        cover = 0;
        emit CoverTaken(provider, amount);
        _transferOut(provider, amount);
    }

    /* UPKEEP */

    /// @inheritdoc ILiquidStakingVault
    function addCover(uint256 amount) external nonReentrant noted {
        // What is lost already is not made good by what comes now.
        _absorb(_standing());
        cover += amount;
        emit CoverAdded(msg.sender, amount);
        _take(msg.sender, amount);
    }

    /// @inheritdoc ILiquidStakingVault
    function applyFee() external nonReentrant noted {
        require(_announcedFrom != 0, NoFeeAnnounced());
        require(block.timestamp >= _announcedFrom, NoticeRunning(_announcedFrom));
        if (validatorId != 0) _harvest(validatorId);
        fee = _announcedFee;
        (_announcedFee, _announcedFrom) = (0, 0);
        emit FeeChanged(fee);
    }

    /// @inheritdoc ILiquidStakingVault
    function payFee() external nonReentrant returns (uint256 amount) {
        amount = feeOwed;
        require(amount != 0, NothingToPay());
        feeOwed = 0;
        emit FeePaid(provider, amount);
        _transferOut(provider, amount);
    }

    /// @inheritdoc ILiquidStakingVault
    function harvest(uint64 id) external nonReentrant noted {
        _harvest(id);
    }

    /// @inheritdoc ILiquidStakingVault
    function collect() external nonReentrant noted {
        _collect();
        _serve();
    }

    /// @inheritdoc ILiquidStakingVault
    function rebalance() external nonReentrant noted {
        _requireValidator();
        _harvest(validatorId);
        _collect();
        _serve();
        if (validatorId != 0) _balanceStake();
    }

    /// @dev Weighs METIS in hand and on its way against the queue.
    function _balanceStake() private {
        StakeView.Standing memory s = _standing();
        // Everything is on its way.
        if (s.status == ILockingPool.Status.Unlocking) return;
        (, uint256 needed) = queued();
        uint256 coming = cash + s.withdrawing;
        bool isListed = s.status == ILockingPool.Status.Active;
        if (coming >= needed) {
            if (isListed || s.status == ILockingPool.Status.Waiting) _stake(s);
            return;
        }
        uint256 short = needed - coming;
        uint256 spare = isListed ? s.stake - MIN_LOCK : 0;
        if (short > spare && _isOverdue(coming)) {
            _unlock();
        } else if (spare != 0 && block.timestamp >= nextWithdrawalAt()) {
            _startWithdrawal(Math.min(short, spare));
        }
    }

    function _startWithdrawal(uint256 amount) private {
        _withdrewAt = uint64(block.timestamp);
        POOL.withdraw(amount);
        emit WithdrawalStarted(validatorId, amount);
    }

    /// @dev Whether what comes does not even cover the requests that have waited for `PATIENCE`.
    function _isOverdue(uint256 coming) private view returns (bool) {
        uint256 shares = Math.saturatingSub(_requestedBefore(PATIENCE), _line.served());
        return convertToAssets(shares) > coming;
    }

    /// @dev Adds what no request needs to a stake, as far as the pool takes it.
    function _stake(StakeView.Standing memory s) private {
        uint256 amount = Math.min(_free(), Math.saturatingSub(MAX_LOCK, s.stake));
        if (amount == 0 || s.stake + amount < MIN_LOCK) return;
        _send(amount);
        POOL.relock(amount, 0);
        emit Staked(validatorId, amount);
    }

    /// @dev The pool takes it in the call that follows.
    function _send(uint256 amount) private {
        (cash, _principal) = (cash - amount, _principal + amount);
        IERC20(asset()).forceApprove(ESCROW, amount);
    }

    function _unlock() private {
        POOL.unlock();
        emit ExitStarted(validatorId);
    }

    /// @dev The fee leaves the price where it was: `totalAssets` has counted without it.
    function _harvest(uint64 id) private {
        if (VIEW.standing(id).rewards == 0) return;
        uint256 before = _balance();
        POOL.withdrawRewards(id);
        uint256 amount = _balance() - before;
        uint256 part = _feeOn(amount);
        feeOwed += part;
        cash += amount - part;
        emit Harvested(id, amount, part);
    }

    function _collect() private {
        uint64 id = validatorId;
        if (id == 0) return;
        StakeView.Standing memory s = _standing();
        _absorb(s);
        uint256 before = _balance();
        if (s.isAnyReady) POOL.claimWithdrawals(id);
        // No withdrawal can be left: none begins after `unlock`, and none takes longer.
        if (s.isOver) POOL.unlockClaim();
        uint256 amount = _balance() - before;
        (cash, _principal) = (cash + amount, Math.saturatingSub(_principal, amount));
        if (amount != 0) emit Collected(id, amount);
        if (!s.isOver) return;
        // The price counts rewards of the present validator only.
        _harvest(id);
        (validatorId, _principal) = (0, 0);
        emit ExitCompleted(id);
    }

    /// @dev Makes a slash good from the cover, as `totalAssets` has counted it since it came.
    function _absorb(StakeView.Standing memory s) private {
        uint256 lost = _lost(s);
        _principal -= lost;
        uint256 paid = Math.min(cover, lost);
        if (paid == 0) return;
        (cover, cash) = (cover - paid, cash + paid);
        emit CoverUsed(paid);
    }

    // slither-disable-end reentrancy-no-eth

    /* VIEWS */

    /// @inheritdoc ERC4626
    function totalAssets() public view override(ERC4626, IERC4626) returns (uint256) {
        StakeView.Standing memory s = _standing();
        return cash + s.stake + s.withdrawing + Math.min(cover, _lost(s)) + s.rewards - _feeOn(s.rewards);
    }

    /// @inheritdoc ILiquidStakingVault
    function announcedFee() external view returns (uint16, uint64) {
        return (_announcedFee, _announcedFrom);
    }

    /// @inheritdoc ILiquidStakingVault
    function nextWithdrawalAt() public view returns (uint64) {
        return _withdrewAt == 0 ? 0 : _withdrewAt + WITHDRAWAL_PACE;
    }

    function name() public view override(ERC20, IERC20Metadata) returns (string memory) {
        return _name;
    }

    function symbol() public view override(ERC20, IERC20Metadata) returns (string memory) {
        return _symbol;
    }

    /* INTERNAL */

    function _requireValidator() private view {
        require(validatorId != 0, NoValidator());
    }

    function _requireNoValidator() private view {
        require(validatorId == 0, HasValidator(validatorId));
    }

    function _requireCover() private view {
        require(cover >= coverNeeded, CoverTooSmall(cover, coverNeeded));
    }

    /// @dev All zero without a validator.
    function _standing() private view returns (StakeView.Standing memory) {
        return VIEW.standing(validatorId);
    }

    /// @dev Nobody but the vault adds to its stake, so what is missing was slashed.
    function _lost(StakeView.Standing memory s) private view returns (uint256) {
        return Math.saturatingSub(_principal, s.stake + s.withdrawing);
    }

    /// @dev METIS in hand that neither covers nor will cover a request. What is being withdrawn covers the rest.
    function _free() private view returns (uint256) {
        (, uint256 needed) = queued();
        return Math.min(cash, Math.saturatingSub(cash + _standing().withdrawing, needed));
    }

    function _feeOn(uint256 rewards) private view returns (uint256) {
        return rewards * fee / WHOLE;
    }

    function _capacity() internal view override returns (uint256) {
        return MAX_LOCK;
    }

    function _exitDelay() internal view override returns (uint256) {
        return EXIT_DELAY;
    }

    /// @dev Between two validators nothing is at stake, but late rewards of the old one may come at any time: who could come
    /// and go in one transaction would take them from those who earned them. Closed, the vault lets nobody come.
    function _isDelayNeeded() internal view override returns (bool) {
        return validatorId != 0 || (_hasLocked && !isClosed);
    }
}
