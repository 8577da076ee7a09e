// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Holds the bond of each miner id.
/// @notice What PoraMine needs of a vault; a deposit today, a share of an operator's stake when StakeVault takes over.
interface IIdBond {
    error BondMissing(address operator, uint256 free, uint256 bond);
    error OnlyMine(address caller);

    /// @notice Wei that one id reserves.
    function bond() external view returns (uint256);

    /// @notice Adds the call's value to what `operator` may reserve or withdraw.
    function depositFor(address operator) external payable;

    /// @notice Reserves one bond of `operator`. Only the mine contract. Reverts BondMissing.
    function reserve(address operator) external;

    /// @notice Frees one bond of `operator`. Only the mine contract.
    function release(address operator) external;
}
