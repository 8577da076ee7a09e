// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What StakeVault asks of a service that stake answers to.
interface IStakedService {
    /// @notice The stake that counts for `operator` changed, or it left. Must not revert for a state of the service.
    function stakeChanged(address operator) external;

    /// @return until unix time before which no stake of `operator` leaves; the maximum while a dispute is open
    function lockedUntil(address operator) external view returns (uint256 until);
}
