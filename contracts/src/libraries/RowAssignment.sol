// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DaTags} from "./DaTags.sol";

/// @title Which rows a member of a quorum holds (libs/quorum/src/rows.ts is the twin).
library RowAssignment {
    uint256 internal constant ROW_BYTES_MAX = 32_768;
    uint256 internal constant ROWS_PER_MEMBER_MIN = 64;
    uint256 internal constant SHAPES = 3;
    uint256 private constant ROUNDS = 4;

    /// @return rows all rows of a shape: 4096, 16384, 65536. An even power of two, which `rowAt` needs.
    function rowsOf(uint256 shape) internal pure returns (uint256 rows) {
        return 4096 << (2 * shape);
    }

    /// @return bytes_ bytes of a row that holds `length` payload bytes: 64·ceil((5 + length)/(64·K)).
    function rowBytes(uint256 shape, uint256 length) internal pure returns (uint256 bytes_) {
        uint256 unit = 64 * (rowsOf(shape) / 4);
        return 64 * ((5 + length + unit - 1) / unit);
    }

    /// @return start first position of a member
    /// @return end position after its last; over all members the ranges cover [0, rows) exactly once
    function positions(uint256 rows, uint256 weightBefore, uint256 weight, uint256 totalWeight)
        internal
        pure
        returns (uint256 start, uint256 end)
    {
        start = rows * weightBefore / totalWeight;
        end = rows * (weightBefore + weight) / totalWeight;
    }

    /// @notice Key of the permutation of one commitment. It binds the whole commitment, so nobody aims bad rows at a victim.
    function rowKey(address entrance, uint256 epoch, uint256 quorum, bytes32 mix, bytes32 commitment)
        internal
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(DaTags.ROWS, block.chainid, entrance, epoch, quorum, mix, commitment));
    }

    /// @return row the row at `position`: four Feistel rounds over log2(rows)/2 bits
    function rowAt(bytes32 key, uint256 shape, uint256 position) internal pure returns (uint256 row) {
        uint256 bits = 6 + shape;
        uint256 mask = (1 << bits) - 1;
        uint256 left = position >> bits;
        uint256 right = position & mask;
        for (uint256 round = 0; round < ROUNDS; ++round) {
            uint256 value = uint256(keccak256(abi.encode(key, round, right))) & mask;
            (left, right) = (right, left ^ value);
        }
        return (left << bits) | right;
    }
}
