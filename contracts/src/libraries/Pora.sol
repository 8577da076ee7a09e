// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Blake2b} from "./Blake2b.sol";

/// @title One mining iteration: pad, recall seed, quality.
/// @notice spec/storage-protocol.md 4.5. The pad is 256 cells of 64 bytes, each two chained Keccaks; only the quarter that
/// meets the seal is mixed, so the pad itself is never stored.
library Pora {
    /// @notice What the nonce recalls, and how good the sealed data is for it.
    /// @dev Memory: offset (32), pad seed (64), zeros (32), mixed data (4,096): the message of the quality hash, built in place.
    /// 512 Keccaks of 64 bytes and 34 calls of the BLAKE2b precompile.
    function evaluate(
        bytes32 minerId,
        bytes32 nonce,
        bytes32 subtaskDigest,
        bytes32 rangeDigest,
        uint256 sealOffset,
        bytes32[128] calldata sealedData
    ) internal view returns (uint256 recallSeed, uint256 quality) {
        uint256 message;
        assembly ("memory-safe") {
            message := mload(0x40)
            mstore(0x40, add(message, 4224))
            mstore(message, minerId)
            mstore(add(message, 0x20), nonce)
            mstore(add(message, 0x40), subtaskDigest)
            mstore(add(message, 0x60), rangeDigest)
        }
        (bytes32 first, bytes32 second) = Blake2b.hash(message, 128);
        assembly ("memory-safe") {
            mstore(message, sealOffset)
            mstore(add(message, 0x20), first)
            mstore(add(message, 0x40), second)
            mstore(add(message, 0x60), 0)

            // The running cell lives in scratch space.
            mstore(0x00, first)
            mstore(0x20, second)

            // Advances the chain by four cells at a time.
            function skipCells(cells) {
                for {} cells { cells := sub(cells, 4) } {
                    mstore(0x00, keccak256(0x00, 0x40))
                    mstore(0x20, keccak256(0x00, 0x40))
                    mstore(0x00, keccak256(0x00, 0x40))
                    mstore(0x20, keccak256(0x00, 0x40))
                    mstore(0x00, keccak256(0x00, 0x40))
                    mstore(0x20, keccak256(0x00, 0x40))
                    mstore(0x00, keccak256(0x00, 0x40))
                    mstore(0x20, keccak256(0x00, 0x40))
                }
            }

            let before := shl(6, and(sealOffset, 3))
            skipCells(before)
            let source := sealedData
            let end := add(message, 4224)
            for { let to := add(message, 0x80) } lt(to, end) {} {
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x20, keccak256(0x00, 0x40))
                mstore(to, xor(calldataload(source), mload(0x00)))
                mstore(add(to, 0x20), xor(calldataload(add(source, 0x20)), mload(0x20)))
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x20, keccak256(0x00, 0x40))
                mstore(add(to, 0x40), xor(calldataload(add(source, 0x40)), mload(0x00)))
                mstore(add(to, 0x60), xor(calldataload(add(source, 0x60)), mload(0x20)))
                to := add(to, 0x80)
                source := add(source, 0x80)
            }
            skipCells(sub(192, before))
            recallSeed := keccak256(0x00, 0x40)
        }
        (first,) = Blake2b.hash(message, 4224);
        quality = uint256(first);
    }
}
