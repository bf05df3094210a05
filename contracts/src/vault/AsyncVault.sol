// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IERC7540Operator, IERC7540Redeem, IERC7575} from "../interfaces/IERC7540.sol";
import {ILiquidStakingVault} from "../interfaces/ILiquidStakingVault.sol";
import {RedeemLine} from "./RedeemLine.sol";
import {ShareVotes} from "./ShareVotes.sol";

/// @title AsyncVault
/// @notice The shares: deposits at once, redemption through a queue. Knows nothing of validators; the books here say what is
/// in hand and set aside, never the token's balance, so a donation moves no price.
abstract contract AsyncVault is ILiquidStakingVault, ERC4626, ReentrancyGuardTransient {
    using RedeemLine for RedeemLine.Line;
    using SafeERC20 for IERC20;

    /// @notice Most requests of one controller that wait.
    uint256 public constant MAX_REQUESTS = 64;
    /// @notice Below this part of the price at the start there are no deposits: shares would grow without bound.
    uint256 public constant LEAST_PRICE = 1_000;
    bytes4 private constant ERC7575_ID = 0x2f0a18c5;

    /// @inheritdoc ILiquidStakingVault
    uint256 public cash;
    /// @inheritdoc ILiquidStakingVault
    uint256 public reserved;
    /// @inheritdoc ILiquidStakingVault
    bool public isClosed;
    /// @inheritdoc IERC7540Operator
    mapping(address controller => mapping(address operator => bool)) public isOperator;

    /// @inheritdoc ILiquidStakingVault
    ShareVotes public votes;

    RedeemLine.Line internal _line;

    /// @dev On every call that moves METIS in hand or shares in the queue: what votes follows from them.
    modifier noted() {
        _;
        votes.note(cash, convertToAssets(totalSupply() - balanceOf(address(this))));
    }

    /* COMING */

    /// @inheritdoc ERC4626
    function maxDeposit(address) public view override(ERC4626, IERC4626) returns (uint256) {
        uint256 virtualShares = 10 ** _decimalsOffset();
        bool isWorthless = (totalAssets() + 1) * virtualShares * LEAST_PRICE < totalSupply() + virtualShares;
        if (isClosed || isWorthless) return 0;
        (, uint256 leaving) = queued();
        return Math.saturatingSub(_capacity(), totalAssets() - leaving);
    }

    /// @inheritdoc ERC4626
    function maxMint(address receiver) public view override(ERC4626, IERC4626) returns (uint256) {
        return convertToShares(maxDeposit(receiver));
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares)
        internal
        override
        nonReentrant
        noted
    {
        require(assets != 0 && shares != 0, DepositTooSmall(assets));
        super._deposit(caller, receiver, assets, shares);
    }

    function _transferIn(address from, uint256 assets) internal override {
        _take(from, assets);
        cash += assets;
    }

    function _take(address from, uint256 assets) internal {
        uint256 before = _balance();
        super._transferIn(from, assets);
        uint256 received = _balance() - before;
        require(received == assets, WrongAmountReceived(received, assets));
    }

    function _update(address from, address to, uint256 shares) internal override {
        super._update(from, to, shares);
        votes.move(from, to, shares);
    }

    /* LEAVING */

    /// @inheritdoc IERC7540Operator
    function setOperator(address operator, bool approved) external returns (bool) {
        isOperator[msg.sender][operator] = approved;
        emit OperatorSet(msg.sender, operator, approved);
        return true;
    }

    /// @inheritdoc IERC7540Redeem
    function requestRedeem(uint256 shares, address controller, address owner)
        external
        nonReentrant
        noted
        returns (uint256)
    {
        require(shares != 0, NothingRequested());
        require(controller != address(0), ControllerZero());
        bool willing = controller == owner || _mayActFor(controller);
        require(willing, ControllerUnwilling(controller, msg.sender));
        // slither-disable-next-line unused-return: frees places, and is not paid out here.
        _line.settle(controller);
        require(_line.open(controller) < MAX_REQUESTS, TooManyRequests(controller, MAX_REQUESTS));
        if (!_mayActFor(owner)) _spendAllowance(owner, msg.sender, shares);

        _transfer(owner, address(this), shares);
        _line.join(controller, shares);
        emit RedeemRequest(controller, owner, 0, msg.sender, shares);
        return 0;
    }

    /// @inheritdoc ERC4626
    /// @dev A claim of shares that were served.
    function redeem(uint256 shares, address receiver, address controller)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 assets)
    {
        RedeemLine.Account storage account = _claimantOf(controller);
        uint256 most = account.shares;
        require(shares <= most, ERC4626ExceededMaxRedeem(controller, shares, most));
        if (shares != 0) assets = Math.mulDiv(account.assets, shares, most);
        _claim(account, receiver, controller, assets, shares);
    }

    /// @inheritdoc ERC4626
    /// @dev A claim of shares that were served.
    function withdraw(uint256 assets, address receiver, address controller)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 shares)
    {
        RedeemLine.Account storage account = _claimantOf(controller);
        uint256 most = account.assets;
        require(assets <= most, ERC4626ExceededMaxWithdraw(controller, assets, most));
        if (assets != 0) shares = Math.mulDiv(account.shares, assets, most, Math.Rounding.Ceil);
        _claim(account, receiver, controller, assets, shares);
    }

    /// @inheritdoc ILiquidStakingVault
    function serve() external nonReentrant noted {
        _serve();
    }

    /// @dev One step, however long the queue is.
    // slither-disable-next-line reentrancy-no-eth: `votes` is ours and calls nobody.
    function _serve() internal {
        uint256 done = _line.served();
        uint256 ready = _isDelayNeeded() ? _requestedBefore(_exitDelay()) : _line.length();
        uint256 shares = Math.saturatingSub(ready, done);
        // Asked in METIS first: the last shares may be worth less than the wei that they would be rounded down to.
        if (convertToAssets(shares) > cash) shares = convertToShares(cash);
        if (shares == 0) return;
        uint256 assets = convertToAssets(shares);
        _burn(address(this), shares);
        (cash, reserved) = (cash - assets, reserved + assets);
        _line.serve(shares, assets);
        emit Served(shares, assets);
    }

    /// @dev Length of the line `time` ago.
    function _requestedBefore(uint256 time) internal view returns (uint256) {
        return _line.lengthAt(Math.saturatingSub(block.timestamp, time));
    }

    function _claimantOf(address controller) private returns (RedeemLine.Account storage) {
        require(_mayActFor(controller), NotOperator(controller, msg.sender));
        return _line.settle(controller);
    }

    function _claim(
        RedeemLine.Account storage account,
        address receiver,
        address controller,
        uint256 assets,
        uint256 shares
    ) private {
        account.shares -= shares;
        account.assets -= assets;
        reserved -= assets;
        emit Withdraw(msg.sender, receiver, controller, assets, shares);
        _transferOut(receiver, assets);
    }

    function _mayActFor(address who) private view returns (bool) {
        return msg.sender == who || isOperator[who][msg.sender];
    }

    /* VIEWS */

    /// @inheritdoc IERC7540Redeem
    function pendingRedeemRequest(uint256 requestId, address controller) external view returns (uint256 waiting) {
        // slither-disable-next-line unused-return: what waits is asked.
        if (requestId == 0) (waiting,,) = _line.standing(controller);
    }

    /// @inheritdoc IERC7540Redeem
    function claimableRedeemRequest(uint256 requestId, address controller) external view returns (uint256) {
        return requestId == 0 ? maxRedeem(controller) : 0;
    }

    /// @inheritdoc ERC4626
    function maxRedeem(address controller) public view override(ERC4626, IERC4626) returns (uint256 shares) {
        // slither-disable-next-line unused-return: what can be claimed is asked, in shares.
        (, shares,) = _line.standing(controller);
    }

    /// @inheritdoc ERC4626
    function maxWithdraw(address controller) public view override(ERC4626, IERC4626) returns (uint256 assets) {
        // slither-disable-next-line unused-return: what can be claimed is asked, in METIS.
        (,, assets) = _line.standing(controller);
    }

    /// @inheritdoc ERC4626
    /// @dev Nobody knows the price of a day to come. (A plain `revert` would make code of the library unreachable.)
    function previewRedeem(uint256) public pure override(ERC4626, IERC4626) returns (uint256) {
        require(false, PreviewImpossible());
        return 0;
    }

    /// @inheritdoc ERC4626
    /// @dev Likewise.
    function previewWithdraw(uint256) public pure override(ERC4626, IERC4626) returns (uint256) {
        require(false, PreviewImpossible());
        return 0;
    }

    /// @inheritdoc ILiquidStakingVault
    function queued() public view returns (uint256 shares, uint256 assets) {
        shares = _line.length() - _line.served();
        assets = convertToAssets(shares);
    }

    /// @inheritdoc ILiquidStakingVault
    function queueProgress() external view returns (uint256 requested, uint256 served) {
        return (_line.length(), _line.served());
    }

    /// @inheritdoc ILiquidStakingVault
    function getVotes(address account) external view returns (uint256) {
        return votes.getVotes(account);
    }

    /// @inheritdoc ILiquidStakingVault
    function getPastVotes(address account, uint256 timepoint) external view returns (uint256) {
        return votes.getPastVotes(account, timepoint);
    }

    /// @inheritdoc ILiquidStakingVault
    function getPastTotalSupply(uint256 timepoint) external view returns (uint256) {
        return votes.getPastTotalSupply(timepoint);
    }

    /// @inheritdoc IERC7575
    function share() external view returns (address) {
        return address(this);
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC165).interfaceId || id == type(IERC7540Operator).interfaceId
            || id == type(IERC7540Redeem).interfaceId || id == ERC7575_ID;
    }

    /// @inheritdoc ERC4626
    function decimals() public view override(ERC4626, IERC20Metadata) returns (uint8) {
        return super.decimals();
    }

    /// @dev Makes the first deposit's rounding worth nothing to anybody.
    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }

    function _balance() internal view returns (uint256) {
        return IERC20(asset()).balanceOf(address(this));
    }

    /* WHAT THE STAKE SAYS */

    /// @dev Most that may be in the vault to stay.
    function _capacity() internal view virtual returns (uint256);

    /// @dev Seconds between a request and its service.
    function _exitDelay() internal view virtual returns (uint256);

    /// @dev Whether anything here can be slashed, or anything be gained by coming and going at once.
    function _isDelayNeeded() internal view virtual returns (bool);
}
