// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Keys of operators as code: a record is the address of 149 bytes `00 || key (128) || operator (20)`.
/// @dev Written once, never changed. Reading one costs 2,600 gas and gives key and operator together; three storage words would
/// cost 6,300, five absentees of a certificate 18,500 more. The leading STOP makes the record do nothing when called.
library KeyStore {
    error RecordNotCreated();

    function write(bytes32[4] memory key, address operator) internal returns (address record) {
        // PUSH2 0x95 DUP1 PUSH1 0x0a RETURNDATASIZE CODECOPY RETURNDATASIZE RETURN
        bytes memory code = abi.encodePacked(hex"61009580600a3d393df300", key, operator);
        assembly ("memory-safe") {
            record := create(0, add(code, 0x20), mload(code))
        }
        if (record == address(0)) revert RecordNotCreated();
    }

    function keyOf(address record) internal view returns (bytes32[4] memory key) {
        assembly ("memory-safe") {
            extcodecopy(record, key, 1, 0x80)
        }
    }

    function operatorOf(address record) internal view returns (address operator) {
        assembly ("memory-safe") {
            extcodecopy(record, 12, 129, 20)
            operator := and(mload(0), 0xffffffffffffffffffffffffffffffffffffffff)
        }
    }
}
