// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "../access/Governed.sol";
import {IReward} from "../interfaces/IReward.sol";

/// @title ChunkRewards
/// @notice Fees of each 8 GiB of the flow, released linearly to whoever proves storage of it.
/// @dev Two words per range. Each fill adds `amount / releaseSeconds` to the range's slope, so a late small fill neither
/// resets nor dilutes earlier ones; a range that is still open pays from its first fill on. What nobody claims stays
/// claimable. Everything leaves by pull payment. Ether is counted internally, never by balance.
contract ChunkRewards is IReward, Governed {
    /// Sectors of one range: 8 GiB.
    uint256 public constant SECTORS_PER_PRICING = 1 << 25;
    uint256 public constant FEE_RATE_CAP_BPS = 2000;
    uint256 public constant BASE_REWARD_CAP = 1000 ether;

    struct Range {
        uint128 locked;
        uint128 slope; // wei per second
        uint128 claimable;
        uint40 updatedAt;
        uint40 leaseEnd;
    }

    address public immutable market;
    uint256 public immutable releaseSeconds;

    address public mine;
    address public treasury;
    uint16 public serviceFeeRateBps;
    uint128 public baseReward;
    uint128 public totalBaseReward;
    mapping(uint256 pricingIndex => Range) private _ranges;
    mapping(address account => uint256) private _payments;

    event Filled(uint256 indexed pricingIndex, uint256 amount, uint256 leaseEnd);
    event LeaseRenewed(uint256 indexed pricingIndex, address indexed payer, uint256 amount, uint256 leaseEnd);
    event DistributeReward(
        uint256 indexed pricingIndex, address indexed beneficiary, bytes32 indexed minerId, uint256 amount
    );
    event Donated(address indexed from, uint256 amount);
    event MineSet(address mine);
    event ParametersSet(address treasury, uint256 serviceFeeRateBps, uint256 baseReward);
    event Withdrawn(address indexed account, uint256 amount);

    error OnlyMarket(address caller);
    error OnlyMine(address caller);
    error AlreadySet(address mine);
    error NothingToRelease();
    error NothingToWithdraw(address account);
    error PaymentFailed(address account, uint256 amount);
    error AnnouncedFor(uint256 effectiveFrom);

    /// Announced parameters and when they may take effect.
    struct Announcement {
        address treasury;
        uint16 serviceFeeRateBps;
        uint128 baseReward;
        uint40 effectiveFrom;
    }

    Announcement public announced;

    constructor(address market_, uint256 releaseSeconds_, address admin, uint256 timelock_)
        Governed(admin, timelock_)
    {
        if (market_ == address(0)) revert ZeroAddress();
        require(releaseSeconds_ > 0, "releaseSeconds");
        market = market_;
        releaseSeconds = releaseSeconds_;
        treasury = admin;
    }

    /* ------------------------------------------------------ filling ---------------------------------------------------- */

    /// @inheritdoc IReward
    function fillReward(uint256 beforeLength, uint256 sectors) external payable {
        if (msg.sender != market) revert OnlyMarket(msg.sender);
        uint256 amount = _takeServiceFee(msg.value);
        uint256 end = beforeLength + sectors;
        uint256 left = amount;
        for (uint256 from = beforeLength; from < end;) {
            uint256 index = from / SECTORS_PER_PRICING;
            uint256 rangeEnd = (index + 1) * SECTORS_PER_PRICING;
            uint256 upTo = rangeEnd < end ? rangeEnd : end;
            // The last range takes the rounding dust.
            uint256 part = upTo == end ? left : (amount * (upTo - from)) / sectors;
            left -= part;
            uint256 leaseEnd = _fill(index, part);
            emit Filled(index, part, leaseEnd);
            from = upTo;
        }
    }

    /// @notice Extends the lease of a range by paying into it; anyone may.
    function renew(uint256 pricingIndex) external payable {
        uint256 amount = _takeServiceFee(msg.value);
        uint256 leaseEnd = _fill(pricingIndex, amount);
        emit LeaseRenewed(pricingIndex, msg.sender, amount, leaseEnd);
    }

    /// @notice Adds to the pool that base rewards come from.
    function donate() external payable {
        totalBaseReward += uint128(msg.value);
        emit Donated(msg.sender, msg.value);
    }

    /* ----------------------------------------------------- claiming ---------------------------------------------------- */

    /// @inheritdoc IReward
    /// @dev Pays half of what is claimable plus the base reward, which is at most half of what this claim pays from fees
    /// and zero when the range released nothing [padding and self-dealt data must not earn it].
    function claimMineReward(uint256 pricingIndex, address payable beneficiary, bytes32 minerId) external {
        if (msg.sender != mine) revert OnlyMine(msg.sender);
        Range memory range = _accrued(pricingIndex);
        uint256 amount = range.claimable / 2;
        range.claimable -= uint128(amount);
        _ranges[pricingIndex] = range;
        uint256 base = baseReward;
        if (base > amount / 2) base = amount / 2;
        if (base > totalBaseReward) base = totalBaseReward;
        totalBaseReward -= uint128(base);
        amount += base;
        if (amount == 0) return;
        _payments[beneficiary] += amount;
        emit DistributeReward(pricingIndex, beneficiary, minerId, amount);
    }

    /// @notice Pays out what `account` earned; anyone may trigger it. Works whatever else is paused.
    function withdrawPayments(address payable account) external {
        uint256 amount = _payments[account];
        if (amount == 0) revert NothingToWithdraw(account);
        _payments[account] = 0;
        emit Withdrawn(account, amount);
        (bool ok,) = account.call{value: amount}("");
        if (!ok) revert PaymentFailed(account, amount);
    }

    /* ------------------------------------------------------- views ----------------------------------------------------- */

    function payments(address account) external view returns (uint256) {
        return _payments[account];
    }

    /// @notice State of a range with everything released up to now.
    function rewards(uint256 pricingIndex) external view returns (Range memory) {
        return _accrued(pricingIndex);
    }

    /// @notice When the lease of a range ends; zero when it was never filled.
    function rewardDeadline(uint256 pricingIndex) external view returns (uint256) {
        return _ranges[pricingIndex].leaseEnd;
    }

    /// @notice First range whose lease has not ended, and the time it was asked; ranges fill in order.
    function firstRewardableChunk() external view returns (uint64 index, uint256 timestamp) {
        uint256 low = 0;
        uint256 high = 1;
        while (_hasEnded(high - 1)) {
            low = high;
            high *= 2;
        }
        while (low < high) {
            uint256 mid = (low + high) / 2;
            if (_hasEnded(mid)) low = mid + 1;
            else high = mid;
        }
        return (uint64(low), block.timestamp);
    }

    /* ---------------------------------------------------- governance --------------------------------------------------- */

    /// @notice Names the mine contract, once.
    function setMine(address mine_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (mine != address(0)) revert AlreadySet(mine);
        if (mine_ == address(0)) revert ZeroAddress();
        mine = mine_;
        emit MineSet(mine_);
    }

    /// @notice Announces treasury, service fee and base reward; `applyParameters` works `timelock` seconds later.
    function announceParameters(address treasury_, uint16 feeRateBps, uint128 baseReward_)
        external
        onlyRole(PARAMS_ADMIN_ROLE)
    {
        if (treasury_ == address(0)) revert ZeroAddress();
        if (feeRateBps > FEE_RATE_CAP_BPS) revert AboveCap(feeRateBps, FEE_RATE_CAP_BPS);
        if (baseReward_ > BASE_REWARD_CAP) revert AboveCap(baseReward_, BASE_REWARD_CAP);
        announced = Announcement(treasury_, feeRateBps, baseReward_, uint40(block.timestamp + timelock));
    }

    /// @notice Puts announced parameters into effect; anyone may.
    function applyParameters() external {
        Announcement memory next = announced;
        if (next.effectiveFrom == 0 || block.timestamp < next.effectiveFrom) revert AnnouncedFor(next.effectiveFrom);
        delete announced;
        treasury = next.treasury;
        serviceFeeRateBps = next.serviceFeeRateBps;
        baseReward = next.baseReward;
        emit ParametersSet(next.treasury, next.serviceFeeRateBps, next.baseReward);
    }

    /* ----------------------------------------------------- internal ---------------------------------------------------- */

    function _takeServiceFee(uint256 value) private returns (uint256) {
        uint256 fee = (value * serviceFeeRateBps) / 10_000;
        if (fee != 0) _payments[treasury] += fee;
        return value - fee;
    }

    function _fill(uint256 index, uint256 amount) private returns (uint256 leaseEnd) {
        Range memory range = _accrued(index);
        // 2^128 wei is more than any chain's supply; the sum is checked arithmetic on uint128.
        range.locked += uint128(amount);
        range.slope += uint128((amount + releaseSeconds - 1) / releaseSeconds);
        leaseEnd = block.timestamp + releaseSeconds;
        range.leaseEnd = uint40(leaseEnd);
        _ranges[index] = range;
    }

    /// Moves what was released since the last update from locked to claimable.
    function _accrued(uint256 index) private view returns (Range memory range) {
        range = _ranges[index];
        uint256 released = uint256(range.slope) * (block.timestamp - range.updatedAt);
        if (released >= range.locked) {
            released = range.locked;
            range.slope = 0;
        }
        range.locked -= uint128(released);
        range.claimable += uint128(released);
        range.updatedAt = uint40(block.timestamp);
    }

    function _hasEnded(uint256 index) private view returns (bool) {
        uint256 leaseEnd = _ranges[index].leaseEnd;
        return leaseEnd != 0 && leaseEnd <= block.timestamp;
    }
}
