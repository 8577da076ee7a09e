// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Prices sectors and passes fees on.
interface IMarket {
    /// Wei for one sector of 256 bytes for one lease.
    function pricePerSector() external view returns (uint256);

    /// @notice Takes the fee (the call's value) for `uploadSectors` placed after `paddingSectors` that follow
    /// `beforeLength`. Only the flow.
    function chargeFee(uint256 beforeLength, uint256 uploadSectors, uint256 paddingSectors) external payable;
}
