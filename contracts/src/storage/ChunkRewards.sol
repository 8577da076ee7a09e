// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "../access/Governed.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IReward} from "../interfaces/IReward.sol";

/// @title ChunkRewards
/// @notice Fees of each 8 GiB of the flow, released linearly to whoever proves storage of it.
/// @dev Two words per range. Each fill adds `amount / releaseSeconds` to the range's slope, so a late small fill neither
/// resets nor dilutes earlier ones; a range that is still open pays from its first fill on. What nobody claims stays
/// claimable, and rolls over to the first range under lease when a lease is over for good. Everything leaves by pull payment.
/// Ether is counted internally, never by balance.
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
        bool endAnnounced;
    }

    address public immutable market;
    address public immutable mine;
    uint256 public immutable releaseSeconds;

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
    /// The lease of a range ends soon; `renew` extends it. Once per lease.
    event LeaseEnding(uint256 indexed pricingIndex, uint256 leaseEnd);
    event RolledOver(uint256 indexed from, uint256 indexed to, uint256 amount);
    event ParametersSet(address treasury, uint256 serviceFeeRateBps, uint256 baseReward);
    event Withdrawn(address indexed account, uint256 amount);

    error OnlyMarket(address caller);
    error OnlyMine(address caller);
    error LeaseNotOver(uint256 pricingIndex, uint256 until);
    error LeaseNotEnding(uint256 pricingIndex, uint256 leaseEnd);
    error NothingToRollOver(uint256 pricingIndex);
    error NoRangeUnderLease();
    error NeverFilled(uint256 pricingIndex);
    error RenewalTooSmall(uint256 value, uint256 leasePrice);
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

    constructor(address market_, address mine_, uint256 releaseSeconds_, address admin, uint256 timelock_)
        Governed(admin, timelock_)
    {
        if (market_ == address(0) || mine_ == address(0)) revert ZeroAddress();
        require(releaseSeconds_ > 0, "releaseSeconds");
        market = market_;
        mine = mine_;
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

    /// @notice Extends the lease of a filled range by the time that the call's value buys for 8 GiB at the present price, up to one
    /// lease from now; anyone may. What is paid is released over that time.
    function renew(uint256 pricingIndex) external payable {
        uint256 leaseEnd = _ranges[pricingIndex].leaseEnd;
        if (leaseEnd == 0) revert NeverFilled(pricingIndex);
        uint256 price = IMarket(market).pricePerSector() * SECTORS_PER_PRICING;
        uint256 bought = price == 0 ? releaseSeconds : (msg.value * releaseSeconds) / price;
        uint256 from = leaseEnd > block.timestamp ? leaseEnd : block.timestamp;
        uint256 until = from + bought;
        uint256 latest = block.timestamp + releaseSeconds;
        if (until > latest) until = latest;
        if (until <= leaseEnd || bought == 0) revert RenewalTooSmall(msg.value, price);
        uint256 amount = _takeServiceFee(msg.value);
        _add(pricingIndex, amount, until - block.timestamp);
        _ranges[pricingIndex].leaseEnd = uint40(until);
        _ranges[pricingIndex].endAnnounced = false;
        emit LeaseRenewed(pricingIndex, msg.sender, amount, until);
    }

    /// @notice Adds to the pool that base rewards come from.
    function donate() external payable {
        totalBaseReward += uint128(msg.value);
        emit Donated(msg.sender, msg.value);
    }

    /// @notice Tells that a lease ends within a twelfth of its time; anyone may, and a claim does.
    function announceLeaseEnd(uint256 pricingIndex) external {
        Range storage range = _ranges[pricingIndex];
        uint40 leaseEnd = range.leaseEnd;
        if (range.endAnnounced || leaseEnd == 0 || !_isEnding(leaseEnd)) revert LeaseNotEnding(pricingIndex, leaseEnd);
        range.endAnnounced = true;
        emit LeaseEnding(pricingIndex, leaseEnd);
    }

    /// @notice Moves what nobody claimed of a range, a whole further lease after its end, to the first range under lease, where
    /// it is released like a fill. Anyone may; until then whoever still proves the range is paid from it.
    function rollOver(uint256 pricingIndex) external {
        Range memory range = _accrued(pricingIndex);
        uint256 until = uint256(range.leaseEnd) + releaseSeconds;
        if (range.leaseEnd == 0 || block.timestamp < until) revert LeaseNotOver(pricingIndex, until);
        // The slope rounds up, so that everything was released when the lease ended.
        uint256 amount = range.claimable;
        if (amount == 0) revert NothingToRollOver(pricingIndex);
        (uint64 to,) = firstRewardableChunk();
        if (_ranges[to].leaseEnd == 0) revert NoRangeUnderLease();
        range.claimable = 0;
        _ranges[pricingIndex] = range;
        _add(to, amount, releaseSeconds);
        emit RolledOver(pricingIndex, to, amount);
    }

    /* ----------------------------------------------------- claiming ---------------------------------------------------- */

    /// @inheritdoc IReward
    /// @dev Pays half of what is claimable plus the base reward, which is at most half of what this claim pays from fees
    /// and zero when the range released nothing [padding and self-dealt data must not earn it].
    function claimMineReward(uint256 pricingIndex, address payable beneficiary, bytes32 minerId) external {
        if (msg.sender != mine) revert OnlyMine(msg.sender);
        Range memory range = _accrued(pricingIndex);
        uint256 amount = range.claimable / 2;
        // Nothing is lost by not writing: what accrued will accrue again.
        if (amount == 0) return;
        range.claimable -= uint128(amount);
        if (!range.endAnnounced && _isEnding(range.leaseEnd)) {
            range.endAnnounced = true;
            emit LeaseEnding(pricingIndex, range.leaseEnd);
        }
        _ranges[pricingIndex] = range;
        uint256 base = baseReward;
        if (base > amount / 2) base = amount / 2;
        if (base != 0) {
            uint256 pool = totalBaseReward;
            if (base > pool) base = pool;
            totalBaseReward = uint128(pool - base);
            amount += base;
        }
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
    function firstRewardableChunk() public view returns (uint64 index, uint256 timestamp) {
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
        _add(index, amount, releaseSeconds);
        leaseEnd = block.timestamp + releaseSeconds;
        _ranges[index].leaseEnd = uint40(leaseEnd);
        _ranges[index].endAnnounced = false;
    }

    /// Adds to the pool of a range, released over `duration` seconds by a slope of its own. Leaves the lease alone.
    function _add(uint256 index, uint256 amount, uint256 duration) private {
        Range memory range = _accrued(index);
        // 2^128 wei is more than any chain's supply; the sum is checked arithmetic on uint128.
        range.locked += uint128(amount);
        range.slope += uint128((amount + duration - 1) / duration);
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

    function _isEnding(uint256 leaseEnd) private view returns (bool) {
        return block.timestamp + releaseSeconds / 12 >= leaseEnd;
    }

    function _hasEnded(uint256 index) private view returns (bool) {
        uint256 leaseEnd = _ranges[index].leaseEnd;
        return leaseEnd != 0 && leaseEnd <= block.timestamp;
    }
}
