// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "../access/Governed.sol";
import {IStakedService} from "../interfaces/IStakedService.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {Checkpoints} from "../libraries/Checkpoints.sol";

/// @title StakeVault
/// @notice One bond, several duties (see IStakeVault).
/// @dev A pool is (assets, shares). Queued exits keep their shares, so a slash reaches them without a loop and a pool's slash never
/// touches another pool. Virtual shares make the first depositor's inflation attack cost more than it can take.
contract StakeVault is IStakeVault, Governed {
    using Checkpoints for Checkpoints.Trace;

    /* ---------------------------------------------------- constants ---------------------------------------------------- */

    uint256 public constant VIRTUAL_SHARES = 1e6;
    uint256 public constant SERVICES_MAX = 8;
    uint256 public constant BPS = 10_000;
    /// The pool counts for at most this many times the operator's own stake.
    uint256 public constant POOL_PER_OWN = 10;
    /// A pool whose share price fell below 1/DUST of the first takes no deposits.
    uint256 public constant DUST = 1000;
    address public constant GRAVE = 0x000000000000000000000000000000000000dEaD;

    uint256 public immutable unbonding;
    uint256 public immutable minimumStake;
    /// Seconds over which a service's cap counts.
    uint256 public immutable slashWindow;

    /* ----------------------------------------------------- storage ----------------------------------------------------- */

    struct Pool {
        uint128 assets;
        uint128 shares; // all, queued ones included
        uint128 queued;
        uint128 reserved;
    }

    struct Exit {
        address owner;
        uint40 releaseAt;
        address operator;
        uint128 shares;
    }

    struct Membership {
        uint40 effectiveFrom; // zero: not opted in
        bool isLeaving;
        uint40 windowStart;
        uint128 windowBase;
        uint128 windowSlashed;
    }

    mapping(address operator => Pool) private _pools;
    mapping(address operator => mapping(address owner => uint256)) public sharesOf;
    mapping(address operator => Checkpoints.Trace) private _stakes;
    mapping(uint256 id => Exit) private _exits;
    mapping(address service => Service) private _services;
    mapping(address operator => address[]) private _servicesOf;
    mapping(address operator => mapping(address service => Membership)) private _memberships;
    mapping(address account => uint256) public credits;
    mapping(address operator => mapping(address service => uint256)) public reservedFor;
    uint256 public exitCount;
    uint256 public burned;
    uint256 public totalAssets;
    uint256 private transient _entered;

    error Reentered();

    /* --------------------------------------------------- construction -------------------------------------------------- */

    /// @param requiredUnbonding what the services' obligations need: RETENTION + 3·EPOCH + LOOKAHEAD + CONFIRM + RESPONSE + CORRELATION
    /// @param initial services known from the start; later ones wait for the timelock
    constructor(
        uint256 unbonding_,
        uint256 requiredUnbonding,
        uint256 minimumStake_,
        uint256 slashWindow_,
        address[] memory initial,
        Service[] memory settings,
        address admin,
        uint256 timelock_
    ) Governed(admin, timelock_) {
        if (unbonding_ < requiredUnbonding) revert UnbondingTooShort(unbonding_, requiredUnbonding);
        unbonding = unbonding_;
        minimumStake = minimumStake_;
        slashWindow = slashWindow_;
        for (uint256 i = 0; i < initial.length; ++i) _announce(initial[i], settings[i].slasher, settings[i].capBps, 0);
    }

    modifier nonReentrant() {
        if (_entered != 0) revert Reentered();
        _entered = 1;
        _;
        _entered = 0;
    }

    /* ----------------------------------------------------- staking ----------------------------------------------------- */

    /// @inheritdoc IStakeVault
    function deposit(address operator) external payable nonReentrant returns (uint256 shares) {
        if (operator == address(0)) revert ZeroAddress();
        if (msg.value < minimumStake) revert BelowMinimum(msg.value, minimumStake);
        Pool storage pool = _pools[operator];
        shares = msg.value * (pool.shares + VIRTUAL_SHARES) / (uint256(pool.assets) + 1);
        _add(operator, msg.sender, shares);
        if (msg.sender != operator) {
            uint256 own = sharesOf[operator][operator];
            uint256 active = pool.shares - pool.queued;
            if (own * POOL_PER_OWN < active) revert OwnStakeTooLow(operator, own, active);
        }
        _stakeChanged(operator);
    }

    /// @inheritdoc IStakeVault
    function queueExit(address operator, uint256 shares) external nonReentrant returns (uint256 id) {
        uint256 held = sharesOf[operator][msg.sender];
        if (shares == 0 || shares > held) revert InsufficientShares(shares, held);
        Pool storage pool = _pools[operator];
        sharesOf[operator][msg.sender] = held - shares;
        pool.queued += uint128(shares);
        // What is reserved comes out of the operator's own stake.
        if (msg.sender == operator && pool.reserved != 0) {
            uint256 own = _toAssets(pool, held - shares);
            if (own < pool.reserved) revert ReservedStake(operator, own, pool.reserved);
        }
        id = ++exitCount;
        uint256 releaseAt = block.timestamp + unbonding;
        _exits[id] = Exit(msg.sender, uint40(releaseAt), operator, uint128(shares));
        emit ExitQueued(id, operator, msg.sender, shares, releaseAt);
        _stakeChanged(operator);
    }

    /// @inheritdoc IStakeVault
    /// @dev A service that cannot answer keeps the stake: no failure of its lets an obligation out.
    function release(uint256 id) external nonReentrant {
        Exit memory exit = _exits[id];
        if (exit.owner == address(0)) revert NoSuchExit(id);
        uint256 releasableAt = exit.releaseAt;
        address[] storage services = _servicesOf[exit.operator];
        for (uint256 i = 0; i < services.length; ++i) {
            uint256 until = IStakedService(services[i]).lockedUntil(exit.operator);
            if (until > releasableAt) releasableAt = until;
        }
        if (block.timestamp < releasableAt) revert NotReleasable(id, releasableAt);
        Pool storage pool = _pools[exit.operator];
        uint256 assets = _toAssets(pool, exit.shares);
        delete _exits[id];
        pool.assets -= uint128(assets);
        pool.shares -= exit.shares;
        pool.queued -= exit.shares;
        totalAssets -= assets;
        emit Released(id, exit.owner, assets);
        (bool ok,) = exit.owner.call{value: assets}("");
        if (!ok) revert PaymentFailed(exit.owner, assets);
    }

    /* ----------------------------------------------------- services ---------------------------------------------------- */

    /// @inheritdoc IStakeVault
    function optIn(address service) external nonReentrant {
        Service memory setting = _services[service];
        if (setting.slasher == address(0)) revert UnknownService(service);
        if (block.timestamp < setting.effectiveFrom) revert ServiceNotEffective(service, setting.effectiveFrom);
        Membership storage membership = _memberships[msg.sender][service];
        if (membership.effectiveFrom != 0) revert AlreadyOptedIn(msg.sender, service);
        address[] storage services = _servicesOf[msg.sender];
        if (services.length >= SERVICES_MAX) revert TooManyServices(services.length);
        uint256 sum = setting.capBps;
        for (uint256 i = 0; i < services.length; ++i) sum += _services[services[i]].capBps;
        if (sum > BPS) revert CapsExceeded(sum);
        services.push(service);
        // Nobody has to be given time to leave a pool that holds only the operator's own stake; who joins later sees the opt-in.
        bool isAlone = sharesOf[msg.sender][msg.sender] == _pools[msg.sender].shares;
        uint256 effectiveFrom = block.timestamp + (isAlone ? 0 : unbonding);
        membership.effectiveFrom = uint40(effectiveFrom);
        emit OptedIn(msg.sender, service, effectiveFrom);
    }

    /// @inheritdoc IStakeVault
    function optOut(address service) external nonReentrant {
        Membership storage membership = _memberships[msg.sender][service];
        if (membership.effectiveFrom == 0 || membership.isLeaving) revert NotOptedIn(msg.sender, service);
        membership.isLeaving = true;
        emit OptedOut(msg.sender, service);
        IStakedService(service).stakeChanged(msg.sender);
    }

    /// @inheritdoc IStakeVault
    function leaveService(address service) external nonReentrant {
        Membership storage membership = _memberships[msg.sender][service];
        if (!membership.isLeaving) revert NotOptedIn(msg.sender, service);
        uint256 until = IStakedService(service).lockedUntil(msg.sender);
        if (block.timestamp < until) revert StillLocked(msg.sender, service, until);
        if (reservedFor[msg.sender][service] != 0) {
            revert ReservedStake(msg.sender, 0, reservedFor[msg.sender][service]);
        }
        delete _memberships[msg.sender][service];
        address[] storage services = _servicesOf[msg.sender];
        for (uint256 i = 0; i < services.length; ++i) {
            if (services[i] != service) continue;
            services[i] = services[services.length - 1];
            services.pop();
            break;
        }
        emit Left(msg.sender, service);
    }

    /// @inheritdoc IStakeVault
    function slash(address service, address operator, uint256 amount, address beneficiary, uint256 reward)
        external
        nonReentrant
        returns (uint256 taken)
    {
        Service memory setting = _services[service];
        if (msg.sender != setting.slasher) revert OnlySlasher(msg.sender, setting.slasher);
        Membership storage membership = _memberships[operator][service];
        if (membership.effectiveFrom == 0) revert NotOptedIn(operator, service);
        Pool storage pool = _pools[operator];
        if (block.timestamp >= membership.windowStart + slashWindow) {
            membership.windowStart = uint40(block.timestamp);
            membership.windowBase = pool.assets;
            membership.windowSlashed = 0;
        }
        uint256 cap = uint256(membership.windowBase) * setting.capBps / BPS;
        uint256 left = cap > membership.windowSlashed ? cap - membership.windowSlashed : 0;
        taken = amount < left ? amount : left;
        if (taken > pool.assets) taken = pool.assets;
        membership.windowSlashed += uint128(taken);
        pool.assets -= uint128(taken);
        totalAssets -= taken;
        if (reward > taken) reward = taken;
        if (beneficiary == address(0)) reward = 0;
        burned += taken - reward;
        emit Slashed(operator, service, taken, beneficiary, reward);
        if (reward != 0) _credit(beneficiary, reward);
        _stakeChanged(operator);
    }

    /// @inheritdoc IStakeVault
    function reserve(address operator, uint256 amount) external nonReentrant {
        if (!isServing(operator, msg.sender)) revert NotOptedIn(operator, msg.sender);
        _reserve(operator, amount);
    }

    /// @inheritdoc IStakeVault
    /// @dev Shares are rounded up, or a bond's exact value could come out one wei short of it; the excess of one share is worth
    /// less than a wei.
    function bond(address operator, uint256 amount) external payable nonReentrant {
        if (operator == address(0)) revert ZeroAddress();
        Service memory setting = _services[msg.sender];
        if (setting.slasher == address(0)) revert UnknownService(msg.sender);
        if (block.timestamp < setting.effectiveFrom) revert ServiceNotEffective(msg.sender, setting.effectiveFrom);
        if (msg.value < amount && !isServing(operator, msg.sender)) revert NotOptedIn(operator, msg.sender);
        if (msg.value != 0) {
            Pool storage pool = _pools[operator];
            uint256 assets = uint256(pool.assets) + 1;
            _add(operator, operator, (msg.value * (pool.shares + VIRTUAL_SHARES) + assets - 1) / assets);
        }
        _reserve(operator, amount);
    }

    /// @inheritdoc IStakeVault
    function unreserve(address operator, uint256 amount) external nonReentrant {
        // Checked subtraction: a service gives back what it reserved, no more.
        emit Reserved(operator, msg.sender, reservedFor[operator][msg.sender] -= amount);
        _pools[operator].reserved -= uint128(amount);
        _stakeChanged(operator);
    }

    /* ----------------------------------------------------- payments ---------------------------------------------------- */

    /// @notice Pays out what `account` was credited; anyone may trigger it.
    function withdraw(address account) external nonReentrant {
        uint256 amount = credits[account];
        if (amount == 0) revert NothingToWithdraw(account);
        credits[account] = 0;
        emit Withdrawn(account, amount);
        (bool ok,) = account.call{value: amount}("");
        if (!ok) revert PaymentFailed(account, amount);
    }

    /// @notice Sends what was burned to an address nobody has the key of; anyone may trigger it.
    function flushBurned() external nonReentrant {
        uint256 amount = burned;
        if (amount == 0) revert NothingToWithdraw(GRAVE);
        burned = 0;
        emit Burned(amount);
        (bool ok,) = GRAVE.call{value: amount}("");
        if (!ok) revert PaymentFailed(GRAVE, amount);
    }

    /* ---------------------------------------------------- governance --------------------------------------------------- */

    /// @notice Adds a service, or changes one for operators that opt in later; in effect after the timelock.
    function announceService(address service, address slasher, uint16 capBps) external onlyRole(PARAMS_ADMIN_ROLE) {
        // A known service's slasher and cap are what operators agreed to: they never change.
        if (_services[service].slasher != address(0)) revert AlreadyOptedIn(address(0), service);
        _announce(service, slasher, capBps, block.timestamp + timelock);
    }

    /* ------------------------------------------------------ views ------------------------------------------------------ */

    /// @inheritdoc IStakeVault
    function stakeOf(address operator) public view returns (uint256) {
        Pool storage pool = _pools[operator];
        uint256 active = _toAssets(pool, pool.shares - pool.queued);
        uint256 own = _toAssets(pool, sharesOf[operator][operator]);
        uint256 stake = active < own * POOL_PER_OWN ? active : own * POOL_PER_OWN;
        return stake > pool.reserved ? stake - pool.reserved : 0;
    }

    /// @inheritdoc IStakeVault
    function stakeAt(address operator, uint256 number) external view returns (uint256) {
        return _stakes[operator].valueAt(number);
    }

    /// @inheritdoc IStakeVault
    function missingFor(address operator, address service, uint256 amount) external view returns (uint256) {
        Pool storage pool = _pools[operator];
        uint256 own = _toAssets(pool, sharesOf[operator][operator]);
        uint256 needed = amount + pool.reserved;
        uint256 missing = needed > own ? needed - own : 0;
        return missing < amount && !isServing(operator, service) ? amount : missing;
    }

    /// @inheritdoc IStakeVault
    function isServing(address operator, address service) public view returns (bool) {
        Membership storage membership = _memberships[operator][service];
        uint256 effectiveFrom = membership.effectiveFrom;
        return effectiveFrom != 0 && block.timestamp >= effectiveFrom && !membership.isLeaving;
    }

    function poolOf(address operator) external view returns (Pool memory) {
        return _pools[operator];
    }

    function exitOf(uint256 id) external view returns (Exit memory) {
        return _exits[id];
    }

    function serviceOf(address service) external view returns (Service memory) {
        return _services[service];
    }

    function servicesOf(address operator) external view returns (address[] memory) {
        return _servicesOf[operator];
    }

    /* ----------------------------------------------------- internal ---------------------------------------------------- */

    function _announce(address service, address slasher, uint256 capBps, uint256 effectiveFrom) private {
        if (service == address(0) || slasher == address(0)) revert ZeroAddress();
        if (capBps > BPS) revert AboveCap(capBps, BPS);
        _services[service] = Service(slasher, uint16(capBps), uint40(effectiveFrom));
        emit ServiceAnnounced(service, slasher, capBps, effectiveFrom);
    }

    /// Adds the call's value to a pool for `shares` of it.
    function _add(address operator, address owner, uint256 shares) private {
        Pool storage pool = _pools[operator];
        uint256 assets = pool.assets;
        uint256 supply = pool.shares;
        if (supply != 0 && assets * VIRTUAL_SHARES * DUST < supply) revert PoolClosed(operator);
        if (shares == 0) revert PoolClosed(operator);
        pool.assets = _to128(assets + msg.value);
        pool.shares = _to128(supply + shares);
        sharesOf[operator][owner] += shares;
        totalAssets += msg.value;
        emit Deposited(operator, msg.sender, msg.value, shares);
    }

    /// Sets aside own stake of `operator` for the calling service.
    function _reserve(address operator, uint256 amount) private {
        Pool storage pool = _pools[operator];
        uint256 own = _toAssets(pool, sharesOf[operator][operator]);
        uint256 free = own > pool.reserved ? own - pool.reserved : 0;
        if (amount > free) revert ReservedStake(operator, free, amount);
        pool.reserved += uint128(amount);
        emit Reserved(operator, msg.sender, reservedFor[operator][msg.sender] += amount);
        _stakeChanged(operator);
    }

    /// Notes the stake and tells every service. A service that reverts stops the change: no vote outlives its stake.
    function _stakeChanged(address operator) private {
        _stakes[operator].push(stakeOf(operator));
        address[] storage services = _servicesOf[operator];
        for (uint256 i = 0; i < services.length; ++i) IStakedService(services[i]).stakeChanged(operator);
    }

    /// Rounds down: dust stays in the pool.
    function _toAssets(Pool storage pool, uint256 shares) private view returns (uint256) {
        return shares * (uint256(pool.assets) + 1) / (uint256(pool.shares) + VIRTUAL_SHARES);
    }

    function _credit(address account, uint256 amount) private {
        credits[account] += amount;
        emit Credited(account, amount);
    }

    function _to128(uint256 value) private pure returns (uint128) {
        if (value > type(uint128).max) revert AboveCap(value, type(uint128).max);
        return uint128(value);
    }
}
