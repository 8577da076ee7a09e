// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Pools of fees, one for each 8 GiB of the flow.
interface IReward {
    /// @notice Adds the call's value for sectors [beforeLength, beforeLength + sectors). Only the market.
    function fillReward(uint256 beforeLength, uint256 sectors) external payable;

    /// @notice Pays the beneficiary of an accepted answer from one pool, as pull payment. Only the mine contract.
    function claimMineReward(uint256 pricingIndex, address payable beneficiary, bytes32 minerId) external;
}
