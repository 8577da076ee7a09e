// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Unseals 4 KiB and folds them to a flow root.
/// @notice spec/storage-protocol.md 4.2 and 4.6.
library Seal {
    /// @notice Root of the 16 unsealed sectors: word i is c[i] xor K(c[i-1]), the first mask is K(minerId, digest, sector).
    /// @dev Scratch space takes the pairs; eight words at a time stand behind the free memory. 128 + 16 + 15 hashes.
    function unsealedRoot(
        bytes32 minerId,
        bytes32 contextDigest,
        uint256 startSector,
        bytes32[128] calldata sealedData
    ) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            let words := mload(0x40)
            let hashes := add(words, 0x100)
            mstore(words, minerId)
            mstore(add(words, 0x20), contextDigest)
            mstore(add(words, 0x40), startSector)
            let mask := keccak256(words, 0x60)
            let source := sealedData
            for { let to := hashes } lt(to, add(hashes, 0x200)) { to := add(to, 0x20) } {
                for { let word := words } lt(word, hashes) { word := add(word, 0x20) } {
                    let sealedWord := calldataload(source)
                    mstore(word, xor(sealedWord, mask))
                    mstore(0x00, sealedWord)
                    mask := keccak256(0x00, 0x20)
                    source := add(source, 0x20)
                }
                mstore(to, keccak256(words, 0x100))
            }
            // Levels in place: n pairs become n nodes at the front.
            for { let bytesOfLevel := 0x200 } gt(bytesOfLevel, 0x20) { bytesOfLevel := shr(1, bytesOfLevel) } {
                for { let at := 0 } lt(at, bytesOfLevel) { at := add(at, 0x40) } {
                    mstore(add(hashes, shr(1, at)), keccak256(add(hashes, at), 0x40))
                }
            }
            root := mload(hashes)
        }
    }

    /// @notice Root that siblings lead to from the node with this index; bit i of the index says on which side sibling i is.
    function fold(bytes32 node, uint256 index, bytes32[] calldata siblings) internal pure returns (bytes32 root) {
        root = node;
        assembly ("memory-safe") {
            let end := add(siblings.offset, shl(5, siblings.length))
            for { let at := siblings.offset } lt(at, end) { at := add(at, 0x20) } {
                // The node goes to word 0 when its index is even.
                let side := shl(5, and(index, 1))
                mstore(side, root)
                mstore(xor(side, 0x20), calldataload(at))
                root := keccak256(0x00, 0x40)
                index := shr(1, index)
            }
        }
    }
}
