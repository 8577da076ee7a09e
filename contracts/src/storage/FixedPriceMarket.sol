// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "../access/Governed.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IReward} from "../interfaces/IReward.sol";

/// @title FixedPriceMarket
/// @notice One price for every sector; fees go to the reward pools in the same call and never rest here.
contract FixedPriceMarket is IMarket, Governed {
    /// Highest price that can ever be set: 100 times the launch price of 0G's mainnet.
    uint256 public constant PRICE_CAP = 3_073_364_496_200;

    address public immutable flow;
    address public immutable reward;

    uint128 private _price;
    uint128 private _nextPrice;
    uint256 public nextPriceFrom;

    event PriceAnnounced(uint256 price, uint256 from);

    error OnlyFlow(address caller);

    constructor(uint256 price, address flow_, address reward_, address admin, uint256 timelock_)
        Governed(admin, timelock_)
    {
        if (flow_ == address(0) || reward_ == address(0)) revert ZeroAddress();
        if (price > PRICE_CAP) revert AboveCap(price, PRICE_CAP);
        flow = flow_;
        reward = reward_;
        _price = uint128(price);
    }

    /// @inheritdoc IMarket
    function pricePerSector() public view returns (uint256) {
        uint256 from = nextPriceFrom;
        return from != 0 && block.timestamp >= from ? _nextPrice : _price;
    }

    /// @notice Announces a price; it holds `timelock` seconds later.
    function setPricePerSector(uint256 price) external onlyRole(PARAMS_ADMIN_ROLE) {
        if (price > PRICE_CAP) revert AboveCap(price, PRICE_CAP);
        _price = uint128(pricePerSector());
        _nextPrice = uint128(price);
        nextPriceFrom = block.timestamp + timelock;
        emit PriceAnnounced(price, nextPriceFrom);
    }

    /// @inheritdoc IMarket
    /// @dev The fee spreads evenly over padding and upload, which are adjacent: one fill.
    function chargeFee(uint256 beforeLength, uint256 uploadSectors, uint256 paddingSectors) external payable {
        if (msg.sender != flow) revert OnlyFlow(msg.sender);
        if (msg.value == 0) return;
        IReward(reward).fillReward{value: msg.value}(beforeLength, paddingSectors + uploadSectors);
    }
}
