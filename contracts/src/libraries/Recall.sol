// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPoraMine, RecallRange} from "../interfaces/IPoraMine.sol";

/// @title Recall ranges: which loads an answer may come from, and how good it must be.
/// @notice spec/storage-protocol.md 4.4 and 4.5, with the bounds of design/contracts.md 2.
library Recall {
    uint256 internal constant SECTORS_PER_LOAD = 1 << 10;
    uint256 internal constant SECTORS_PER_PRICING = 1 << 25;
    /// 8 TiB in sectors.
    uint256 internal constant MINING_SECTORS_MAX = 1 << 35;

    /// @notice Refuses a range that is not the one its shard has to answer for.
    /// @return shards number of shards that the mask names
    function check(RecallRange calldata range, uint256 flowLength, uint256 maxShards)
        internal
        pure
        returns (uint256 shards)
    {
        uint256 end = flowLength & ~(SECTORS_PER_LOAD - 1);
        (uint256 start, uint256 length) = (range.startPosition, range.mineLength);
        if (end == 0) revert IPoraMine.RangeEmpty(flowLength);
        if (start % SECTORS_PER_PRICING != 0) revert IPoraMine.RangeNotAligned(start);
        if (length > end || start > end - length) revert IPoraMine.RangeOverflow(start, length, end);
        shards = shardsOf(range.shardMask);
        // At most 2^64 shards: no overflow.
        uint256 longest = MINING_SECTORS_MAX * shards;
        if (length > longest) revert IPoraMine.RangeTooLong(length, longest);
        uint256 shortest = end < longest ? end : longest;
        if (length < shortest) revert IPoraMine.RangeTooShort(length, shortest);
        if (range.shardId & range.shardMask != 0) revert IPoraMine.ShardIdMasked(range.shardId, range.shardMask);
        if (shards > maxShards) revert IPoraMine.TooManyShards(shards, maxShards);
    }

    /// @notice Two to the number of zero bits of a mask.
    function shardsOf(uint64 mask) internal pure returns (uint256) {
        // Sums of bits in pairs, nibbles, bytes; the product adds the bytes up in its top byte.
        uint256 x = uint256(~mask);
        unchecked {
            x -= (x >> 1) & 0x5555555555555555;
            x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
            x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
            x = ((x * 0x0101010101010101) >> 56) & 0xff;
        }
        return 1 << x;
    }

    /// @notice What the pad seed commits to.
    function digest(RecallRange calldata range) internal pure returns (bytes32) {
        return keccak256(abi.encode(range.startPosition, range.mineLength, range.shardId, range.shardMask));
    }

    /// @notice First sector of the recalled load; strictly inside the range.
    function loadStart(RecallRange calldata range, uint256 recallSeed) internal pure returns (uint256) {
        uint256 length = range.mineLength;
        // `check` passed: the range holds at least one load.
        uint256 load = (uint64(recallSeed % (length / SECTORS_PER_LOAD)) & range.shardMask) | range.shardId;
        if (load * SECTORS_PER_LOAD >= length) revert IPoraMine.RecallOutOfRange(load, length);
        return range.startPosition + load * SECTORS_PER_LOAD;
    }

    /// @notice Highest quality that wins: a shard of 1/n has an n times smaller target, as its iterations all land on data it has.
    function threshold(uint256 poraTarget, uint256 shards, uint256 flowLength) internal pure returns (uint256) {
        uint256 part = flowLength / shards;
        if (part == 0) revert IPoraMine.TooManyShards(shards, flowLength);
        uint256 whole = flowLength < MINING_SECTORS_MAX ? flowLength : MINING_SECTORS_MAX;
        if (part > MINING_SECTORS_MAX) part = MINING_SECTORS_MAX;
        // The scale is at least 2^64, so that the shift back loses no high bit.
        return (poraTarget / ((whole << 64) / part)) << 64;
    }
}
