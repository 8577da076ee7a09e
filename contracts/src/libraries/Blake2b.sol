// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title BLAKE2b with a 64-byte digest, no key and no salt, over the compression precompile (EIP-152).
library Blake2b {
    error PrecompileFailed();

    /// @notice Hashes `length` bytes of memory at `from`; a positive multiple of 128 below 2^16.
    /// @dev The precompile's input is rounds (4 bytes), state (64), block (128), counter (16, little-endian), final flag (1).
    /// It is built once behind the free memory; each call writes the new state where the next one reads it. 170 gas a block.
    function hash(uint256 from, uint256 length) internal view returns (bytes32 first, bytes32 second) {
        bool ok = true;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, shl(224, 12))
            // Initial state, xored with the parameter block 0x01010040, in little-endian words.
            mstore(add(input, 4), 0x48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5)
            mstore(add(input, 36), 0xd182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b)
            for { let at := 0 } lt(at, length) {} {
                mcopy(add(input, 68), add(from, at), 128)
                at := add(at, 128)
                // Counter in two bytes, final flag in byte 16 of the word.
                mstore(
                    add(input, 196),
                    or(or(shl(248, and(at, 0xff)), shl(240, shr(8, at))), shl(120, eq(at, length)))
                )
                ok := and(ok, staticcall(gas(), 0x09, input, 213, add(input, 4), 64))
            }
            first := mload(add(input, 4))
            second := mload(add(input, 36))
        }
        if (!ok) revert PrecompileFailed();
    }
}
