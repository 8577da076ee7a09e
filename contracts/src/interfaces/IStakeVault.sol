// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title IStakeVault
/// @notice Native stake per operator, delegation by shares, services that may slash those who opted in.
interface IStakeVault {
    /// Stake in a service's hands: who may slash, how much of a stake per window.
    struct Service {
        address slasher;
        uint16 capBps;
        uint40 effectiveFrom;
    }

    event Deposited(address indexed operator, address indexed from, uint256 assets, uint256 shares);
    event ExitQueued(uint256 indexed id, address indexed operator, address indexed owner, uint256 shares, uint256 releaseAt);
    event Released(uint256 indexed id, address indexed owner, uint256 assets);
    event OptedIn(address indexed operator, address indexed service, uint256 effectiveFrom);
    event OptedOut(address indexed operator, address indexed service);
    event Left(address indexed operator, address indexed service);
    event Slashed(address indexed operator, address indexed service, uint256 amount, address beneficiary, uint256 reward);
    event Reserved(address indexed operator, address indexed service, uint256 total);
    event ServiceAnnounced(address indexed service, address slasher, uint256 capBps, uint256 effectiveFrom);
    event Credited(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);
    event Burned(uint256 amount);

    error BelowMinimum(uint256 value, uint256 minimum);
    error PoolClosed(address operator);
    error OwnStakeTooLow(address operator, uint256 own, uint256 pool);
    error InsufficientShares(uint256 wanted, uint256 held);
    error NotReleasable(uint256 id, uint256 releasableAt);
    error NoSuchExit(uint256 id);
    error UnknownService(address service);
    error ServiceNotEffective(address service, uint256 effectiveFrom);
    error AlreadyOptedIn(address operator, address service);
    error NotOptedIn(address operator, address service);
    error StillLocked(address operator, address service, uint256 until);
    error CapsExceeded(uint256 sumBps);
    error TooManyServices(uint256 count);
    error OnlySlasher(address caller, address slasher);
    error NothingToWithdraw(address account);
    error PaymentFailed(address account, uint256 amount);
    error UnbondingTooShort(uint256 unbonding, uint256 required);
    error ReservedStake(address operator, uint256 free, uint256 wanted);

    /// @notice Stakes for `operator`. Delegators are refused while the operator's own part would be below a tenth, and by a pool
    /// that was slashed to dust. Assets are counted here, never by balance.
    function deposit(address operator) external payable returns (uint256 shares);

    /// @notice Takes shares out of what counts and queues them. They stay slashable until released.
    function queueExit(address operator, uint256 shares) external returns (uint256 id);

    /// @notice Pays out an exit: not before UNBONDING has passed and every service of the operator lets go.
    function release(uint256 id) external;

    /// @notice Lets `service` slash the caller up to its cap. Takes effect after UNBONDING, so that delegators can leave first; at
    /// once when there are none.
    function optIn(address service) external;

    /// @notice Ends new duties at the service's next snapshot. The service may slash until its lock has passed.
    function optOut(address service) external;

    /// @notice Ends slashability after `optOut`, once the service's lock has passed.
    function leaveService(address service) external;

    /// @notice Takes up to `amount` from an operator's pool, queued exits included: at most the service's cap per window.
    /// @return taken what was taken; `reward` of it (at most) is credited to `beneficiary`, the rest burned
    function slash(address service, address operator, uint256 amount, address beneficiary, uint256 reward)
        external
        returns (uint256 taken);

    /// @notice Sets aside part of the operator's own stake for the calling service (a bond). It stops counting for others.
    function reserve(address operator, uint256 amount) external;

    /// @notice Adds the call's value to the operator's own stake and reserves `amount` of it for the calling service, so that an
    /// operator can post a bond in one transaction with the service. Only announced services. What the operator staked before is
    /// touched only if it opted in: otherwise the call has to bring the whole `amount` (NotOptedIn). No minimum: what remains is
    /// at least the bond.
    function bond(address operator, uint256 amount) external payable;

    /// @notice Gives back what the calling service reserved; the stake stays the operator's.
    function unreserve(address operator, uint256 amount) external;

    /// @notice Wei that `bond` has to bring for `service` to reserve `amount` now.
    function missingFor(address operator, address service, uint256 amount) external view returns (uint256);

    /// @notice Stake that counts: active assets, at most ten times the operator's own, less reserves.
    function stakeOf(address operator) external view returns (uint256);

    /// @notice `stakeOf` at the end of block `number`, which must be past.
    function stakeAt(address operator, uint256 number) external view returns (uint256);

    /// @notice Whether `operator` has duties for `service`: opted in, in effect, not opted out.
    function isServing(address operator, address service) external view returns (bool);
}
