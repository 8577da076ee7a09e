// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Batch, BlobHeader} from "../interfaces/DaTypes.sol";
import {DaTags} from "./DaTags.sol";

/// @title Hashes of headers and batches, the tree of a batch, and the bytes of a lookup (libs/quorum is the twin).
library Certificates {
    uint256 internal constant MAX_BATCH = 64;
    uint256 internal constant LOOKUP_VERSION = 1;
    /// Words of a lookup before its siblings: version, batch (6), header (12), index.
    uint256 private constant LOOKUP_WORDS = 20;
    uint256 private constant SIBLINGS_MAX = 6;
    /// Width in bits, less one, of each of these words.
    bytes20 private constant LOOKUP_BITS = hex"011f0f3f3f1fff07071f1fff9f9fff1f0f3fff3f";

    /// Bytes of a header and of a batch: both are static, so calldata holds just what `abi.encode` would give.
    uint256 private constant HEADER_BYTES = 384;
    uint256 private constant BATCH_BYTES = 192;

    /// @notice `K(abi(BLOB, chainId, entrance, header))`. Reverts on a field that is longer than its type, as `abi.encode` does.
    /// @dev Copied instead of encoded field by field: a third of the gas.
    function blobKey(BlobHeader calldata header, address entrance) internal view returns (bytes32 key) {
        checkFields(header);
        bytes32 tag = DaTags.BLOB;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, tag)
            mstore(add(data, 0x20), chainid())
            mstore(add(data, 0x40), entrance)
            calldatacopy(add(data, 0x60), header, HEADER_BYTES)
            key := keccak256(data, add(0x60, HEADER_BYTES))
        }
    }

    /// @notice `K(abi(typeHash, header))` of EIP-712. For headers that went through `blobKey`: no field is checked.
    function structHash(BlobHeader calldata header, bytes32 typeHash) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, typeHash)
            calldatacopy(add(data, 0x20), header, HEADER_BYTES)
            hash := keccak256(data, add(0x20, HEADER_BYTES))
        }
    }

    function batchHash(Batch calldata batch) internal pure returns (bytes32 hash) {
        checkFields(batch);
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, batch, BATCH_BYTES)
            hash := keccak256(data, BATCH_BYTES)
        }
    }

    function attestMessage(Batch calldata batch, address entrance) internal view returns (bytes32 message) {
        checkFields(batch);
        bytes32 tag = DaTags.ATTEST;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, tag)
            mstore(add(data, 0x20), chainid())
            mstore(add(data, 0x40), entrance)
            calldatacopy(add(data, 0x60), batch, BATCH_BYTES)
            message := keccak256(data, add(0x60, BATCH_BYTES))
        }
    }

    /// Every field fits its type: otherwise two encodings of one header would hash differently.
    function checkFields(BlobHeader calldata header) internal pure {
        assembly ("memory-safe") {
            let rest := shr(8, calldataload(header)) // version
            rest := or(rest, shr(8, calldataload(add(header, 0x20)))) // shape
            rest := or(rest, shr(32, calldataload(add(header, 0x40)))) // length
            rest := or(rest, shr(32, calldataload(add(header, 0x60)))) // rowSize
            rest := or(rest, shr(160, calldataload(add(header, 0xa0)))) // account
            rest := or(rest, shr(160, calldataload(add(header, 0xc0)))) // disperser
            rest := or(rest, shr(32, calldataload(add(header, 0x100)))) // epoch
            rest := or(rest, shr(16, calldataload(add(header, 0x120)))) // quorum
            rest := or(rest, shr(64, calldataload(add(header, 0x140)))) // expiry
            if rest { revert(0, 0) }
        }
    }

    function checkFields(Batch calldata batch) internal pure {
        assembly ("memory-safe") {
            let rest := shr(32, calldataload(batch)) // epoch
            rest := or(rest, shr(16, calldataload(add(batch, 0x20)))) // quorum
            rest := or(rest, shr(64, calldataload(add(batch, 0x40)))) // referenceBlock
            rest := or(rest, shr(64, calldataload(add(batch, 0x60)))) // expiry
            rest := or(rest, shr(32, calldataload(add(batch, 0x80)))) // blobs
            if rest { revert(0, 0) }
        }
    }

    /// @notice Root of the left-heavy tree over `keys`, which are overwritten.
    /// @dev Level by level: pairs from the left; an odd last node rises. That is the left-heavy tree: with c leaves the left
    /// side has nextPow2(c)/2.
    function root(bytes32[] memory keys) internal pure returns (bytes32) {
        uint256 count = keys.length;
        while (count > 1) {
            uint256 half = count / 2;
            for (uint256 i = 0; i < half; ++i) {
                keys[i] = join(keys[2 * i], keys[2 * i + 1]);
            }
            if (count % 2 == 1) keys[half] = keys[count - 1];
            count = (count + 1) / 2;
        }
        return keys[0];
    }

    /// @return isLeaf whether `key` is leaf `index` of a tree over `count` keys; exact path length, sides from (count, index)
    function isLeafOf(bytes32 root_, uint256 count, uint256 index, bytes32 key, bytes32[] calldata siblings)
        internal
        pure
        returns (bool isLeaf)
    {
        if (index >= count) return false;
        bytes32 node = key;
        uint256 used = 0;
        while (count > 1) {
            // A last node without a partner rises as it is.
            if (index % 2 == 1 || index + 1 < count) {
                if (used == siblings.length) return false;
                node = index % 2 == 1 ? join(siblings[used], node) : join(node, siblings[used]);
                ++used;
            }
            index /= 2;
            count = (count + 1) / 2;
        }
        return used == siblings.length && node == root_;
    }

    function join(bytes32 left, bytes32 right) internal pure returns (bytes32 node) {
        assembly ("memory-safe") {
            mstore(0, left)
            mstore(0x20, right)
            node := keccak256(0, 0x40)
        }
    }

    /// @notice Reads a lookup by hand, so that any byte string gets an answer and none a revert.
    /// @return isWellFormed exact length, every word within its type
    /// @return isValid the header is leaf `index` of the batch
    /// @return hash of the batch
    /// @return referenceBlock of the batch
    /// @return index of the leaf
    function readLookup(bytes calldata data, address entrance)
        internal
        view
        returns (bool isWellFormed, bool isValid, bytes32 hash, uint256 referenceBlock, uint256 index)
    {
        if (data.length % 32 != 0) return (false, false, 0, 0, 0);
        uint256 words = data.length / 32;
        if (words < LOOKUP_WORDS || words > LOOKUP_WORDS + SIBLINGS_MAX) return (false, false, 0, 0, 0);
        for (uint256 i = 0; i < LOOKUP_WORDS; ++i) {
            uint256 width = uint256(uint8(LOOKUP_BITS[i])) + 1;
            // A shift by 256 gives zero: such a word may hold anything.
            if (_word(data, i) >> width != 0) return (false, false, 0, 0, 0);
        }
        if (_word(data, 0) != LOOKUP_VERSION) return (false, false, 0, 0, 0);
        uint256 count = _word(data, 5);
        if (count == 0 || count > MAX_BATCH) return (false, false, 0, 0, 0);
        isWellFormed = true;
        referenceBlock = _word(data, 3);
        index = _word(data, 19);
        hash = keccak256(data[32:224]);
        bytes32 key = keccak256(bytes.concat(abi.encode(DaTags.BLOB, block.chainid, entrance), data[224:608]));
        bytes32[] calldata siblings;
        assembly ("memory-safe") {
            siblings.offset := add(data.offset, 640)
            siblings.length := sub(words, 20)
        }
        isValid = isLeafOf(bytes32(_word(data, 6)), count, index, key, siblings);
    }

    function _word(bytes calldata data, uint256 index) private pure returns (uint256) {
        return uint256(bytes32(data[32 * index:32 * index + 32]));
    }
}
