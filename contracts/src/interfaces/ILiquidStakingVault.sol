// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";

import {ShareVotes} from "../vault/ShareVotes.sol";
import {IERC7540Operator, IERC7540Redeem, IERC7575} from "./IERC7540.sol";

/// @title ILiquidStakingVault
/// @notice Shares of one validator's stake. The vault is the validator's owner at `LockingPool` and its recipient of
/// rewards; the provider runs the node, has its keys, and never has the METIS.
///
/// **What a share is worth.** `totalAssets` is METIS in hand, the validator's stake, what it is withdrawing, and its rewards
/// without the provider's fee: read from the pool as it stands, so a slash is in the price in the block in which it happens,
/// as far as the provider's cover does not make it good: that too is there at once.
/// METIS sent to the vault unasked counts for nothing and belongs to nobody. 10^6 virtual shares and one virtual wei are in
/// the price, and all rounding is for those who stay. Only a slash that the cover does not reach makes the price fall.
///
/// **Coming** is synchronous, up to `MAX_LOCK` of what stays.
///
/// **Leaving** is a queue, in order. `requestRedeem` moves shares to the vault, where they *remain shares*: they earn and are
/// slashed like all others. They are served, in the order of requests, from METIS in hand, at the price of that moment, and
/// none before `EXIT_DELAY` from its request, unless the vault never had a validator, or is closed and has none any more.
/// Served shares are burnt, and their METIS is set aside for the claim: nothing touches it any more. Hence the rule of
/// slashes: one that takes `x` from the vault beyond the cover takes `x / (supply + virtual shares)` from each share that is not served, of
/// those who stay and of those in the queue alike, and nothing from those served. A request may be served in parts, each at
/// its own price.
///
/// `requestId` is always 0: requests are told apart by controller only. Who names a controller must be it, be its operator,
/// or be naming the owner of the shares, so that nobody fills another's `MAX_REQUESTS` places.
///
/// **Upkeep** is for anyone: `rebalance` does all there is to do; `harvest`, `collect` and `serve` are its parts. Between two
/// withdrawals lie at least `EXIT_DELAY / MAX_WITHDRAWALS`, so that there is always a place for the next, however small and
/// many the requests; each withdrawal is for all of the queue that is not covered. So a request is covered at most that long,
/// and the pool's own `changeInterval`, after it was made, and served `EXIT_DELAY` later. What the pool's `MIN_LOCK` does not
/// let go, and all of a validator that is in jail or waits for a place, cannot be withdrawn in part: if requests have waited
/// `PATIENCE` for it, and no deposit covered them, the whole stake is unlocked, which takes as long as the pool says. So one
/// small request does not take a small vault's validator away at once, and none waits without end.
///
/// **After an exit** (by the provider, by governance at the pool, for want of stake) the shares live on: the provider may
/// lock a new validator with new keys. `close`, by governance through the factory, is for ever: no more deposits and no new
/// validator, and whoever holds shares redeems them. A vault that lost all but a thousandth of its price takes no deposits
/// either.
///
/// **The fee** is a part of rewards, in METIS, set aside when they are harvested. Not in shares: they would take from the
/// `MAX_LOCK` of others and stand before them in the queue; and rewards cannot be slashed, so the fee owes nothing to a
/// slash. A change takes `FEE_NOTICE`, longer than an exit in good order, and never touches rewards that are there.
///
/// **The cover** is METIS that the provider has at stake itself, in no share's price. What a slash takes, it takes from there
/// first. Without all of `coverNeeded` no validator is locked or released from jail; the provider has it back while the vault
/// has no validator.
///
/// **Votes.** Shares vote at governance, in wei of METIS, as `votes()` says, where a holder may name a delegate.
interface ILiquidStakingVault is IERC4626, IERC7540Operator, IERC7540Redeem, IERC7575 {
    /// @notice What a vault begins with, as its provider applied and its round says.
    struct Terms {
        address provider;
        /// Of rewards, in 1 / 10,000.
        uint16 fee;
        /// In wei of METIS; for ever.
        uint256 cover;
        /// Of the shares.
        string name;
        string symbol;
    }

    /// @notice The vault locked `amount` as validator `id`.
    event ValidatorLocked(uint64 indexed id, address indexed signer, uint256 amount);
    /// @notice `amount` of METIS in hand was added to the stake.
    event Staked(uint64 indexed id, uint256 amount);
    /// @notice `amount` of the stake is being withdrawn for the queue.
    event WithdrawalStarted(uint64 indexed id, uint256 amount);
    /// @notice The vault takes its validator out.
    event ExitStarted(uint64 indexed id);
    /// @notice The stake of validator `id` is back; the vault has no validator now.
    event ExitCompleted(uint64 indexed id);
    /// @notice `amount` came back from the pool, withdrawn or unlocked.
    event Collected(uint64 indexed id, uint256 amount);
    /// @notice Rewards came in; `fee` of them is the provider's.
    event Harvested(uint64 indexed id, uint256 amount, uint256 fee);
    /// @notice The next `shares` of the queue are worth `assets`, for their controllers to claim.
    event Served(uint256 shares, uint256 assets);
    /// @notice From the second `from` on `fee` can be put in force.
    event FeeAnnounced(uint16 fee, uint64 from);
    /// @notice The fee is `fee` from now on.
    event FeeChanged(uint16 fee);
    /// @notice The provider was paid its fee.
    event FeePaid(address indexed provider, uint256 amount);
    /// @notice `amount` was added to the cover.
    event CoverAdded(address indexed from, uint256 amount);
    /// @notice `amount` of the cover made good what a slash had taken.
    event CoverUsed(uint256 amount);
    /// @notice The provider took its cover back.
    event CoverTaken(address indexed provider, uint256 amount);
    /// @notice The vault takes no more deposits, ever, and leaves the pool.
    event Closed();

    error NotProvider(address caller);
    error NotFactory(address caller);
    error NotOperator(address controller, address caller);
    error ControllerUnwilling(address controller, address caller);
    error ControllerZero();
    error TooManyRequests(address controller, uint256 limit);
    error NothingRequested();
    error DepositTooSmall(uint256 assets);
    error WrongAmountReceived(uint256 received, uint256 expected);
    error PreviewImpossible();
    error VaultClosed();
    error HasValidator(uint64 id);
    error NoValidator();
    error TooLittleToLock(uint256 free, uint256 least);
    error SignerChangedTooSoon(uint64 allowedFrom);
    error FeeTooHigh(uint16 fee, uint16 most);
    error NoFeeAnnounced();
    error NoticeRunning(uint64 until);
    error NothingToPay();
    error CoverTooSmall(uint256 cover, uint256 needed);

    /* PROVIDER */

    /// @notice Locks the METIS in hand that no request needs, up to `MAX_LOCK`, as a new validator. The pool's owner must have
    /// whitelisted the vault, and the cover be whole.
    /// @param proof The signer's, over `signerDigest(vault, signer)` of the pool. @dev Only the provider.
    function lock(address signer, bytes32 nodeKey, bytes calldata proof) external;

    /// @notice Takes the validator out. @dev Only the provider.
    function leave() external;

    /// @notice Brings the validator back from jail, after adding METIS in hand that no request needs, once the cover is whole
    /// again. Only the provider knows whether the key is safe. @dev Only the provider.
    function release() external;

    /// @notice Gives the validator a new signer key, once in an `EXIT_DELAY`: changes of keys and withdrawals share a pace at
    /// the pool, and no provider may hold up the queue with it. @dev Only the provider.
    function updateSigner(address newSigner, bytes calldata proof) external;

    /// @notice Gives the validator a new node key. @dev Only the provider.
    function updateNodeKey(bytes32 nodeKey) external;

    /// @notice Announces a new fee, in 1 / 10,000 of rewards, in place of any announced before. @dev Only the provider.
    function announceFee(uint16 newFee) external;

    /// @notice Pays the provider the cover, while the vault has no validator. @dev Only the provider.
    function takeCover() external returns (uint256 amount);

    /* UPKEEP */

    /// @notice Adds `amount` METIS of the caller, approved to the vault, to the cover. It stands for slashes to come, not for
    /// those that were, and is the provider's.
    function addCover(uint256 amount) external;

    /// @notice Puts the announced fee in force, once its notice is over. Rewards that are there pay the old one.
    function applyFee() external;

    /// @notice Pays the provider what is set aside for it.
    function payFee() external returns (uint256 amount);

    /// @notice Takes in the rewards of validator `id`, the present one or one that the vault had.
    function harvest(uint64 id) external;

    /// @notice Takes in what the pool has ready, stake withdrawn or unlocked, and serves the queue.
    function collect() external;

    /// @notice Serves the queue from METIS in hand. Works also while the pool is paused.
    function serve() external;

    /// @notice Harvests, collects, serves, and then starts what the queue needs, or stakes what it does not need.
    function rebalance() external;

    /* FACTORY */

    /// @notice Makes a new clone the vault of `terms.provider`, with a ledger of votes. @dev Once, by the factory.
    function initialize(Terms calldata terms, ShareVotes votes) external;

    /// @notice Ends the vault's life: no more deposits, no new validator; the one it has is unlocked. @dev Only the factory.
    function close() external;

    /* VIEWS */

    /// @notice Runs the node and earns the fee.
    function provider() external view returns (address);

    /// @notice The vault's validator; zero if it has none.
    function validatorId() external view returns (uint64);

    /// @notice METIS in hand: neither in the pool nor set aside for claims or the fee.
    function cash() external view returns (uint256);

    /// @notice Set aside for claims of shares that were served.
    function reserved() external view returns (uint256);

    /// @notice Set aside for the provider.
    function feeOwed() external view returns (uint256);

    /// @notice The provider's METIS that a slash takes first, as last made good; in no share's price otherwise.
    function cover() external view returns (uint256);

    /// @notice What the cover must be at least for the validator to be locked, and to be released from jail.
    function coverNeeded() external view returns (uint256);

    /// @notice The provider's part of rewards, in 1 / 10,000.
    function fee() external view returns (uint16);

    /// @notice The fee that was announced, and the second from which it can be put in force; zero if none was.
    function announcedFee() external view returns (uint16 newFee, uint64 from);

    /// @notice Whether the vault is closed for good.
    function isClosed() external view returns (bool);

    /// @notice Shares in the queue, and what they are worth now.
    function queued() external view returns (uint256 shares, uint256 assets);

    /// @notice Shares that the queue has taken in and served since the vault began: a request is served whole when the latter
    /// reaches what the former was right after it.
    function queueProgress() external view returns (uint256 requested, uint256 served);

    /// @notice Second from which the next withdrawal can be started, as far as the vault goes.
    function nextWithdrawalAt() external view returns (uint64);

    /* VOTES */

    /// @notice The ledger of votes, where holders may name delegates.
    function votes() external view returns (ShareVotes);

    /// @notice What `account` votes with by shares, in wei of METIS: its own, or of whoever named it.
    function getVotes(address account) external view returns (uint256);

    /// @notice The same at the past second `timepoint`.
    function getPastVotes(address account, uint256 timepoint) external view returns (uint256);

    /// @notice What all shares voted with at the past second `timepoint`: never METIS that votes elsewhere.
    function getPastTotalSupply(uint256 timepoint) external view returns (uint256);
}
