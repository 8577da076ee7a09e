// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IStorageCustody, Receipt} from "../interfaces/IStorageCustody.sol";

/// @title What a receipt covers, which of its sectors is drawn, how it is signed.
library Receipts {
    uint256 internal constant SECTORS_PER_SEGMENT = 1024;
    uint256 internal constant BYTES_PER_SECTOR = 256;
    bytes32 private constant RECEIPT_TYPE = keccak256(
        "Receipt(uint64 txSeq,bytes32 flowRoot,uint64 startPos,uint64 sectors,bytes32 dataRoot,uint64 shardId,uint64 numShard,uint64 issuedAt,uint64 expiry,address provider,uint256 serial)"
    );

    function structHash(Receipt calldata receipt) internal pure returns (bytes32) {
        // Every member is one word, in the order of the type.
        return keccak256(abi.encode(RECEIPT_TYPE, receipt));
    }

    /// @return first segment of the flow that the receipt covers
    /// @return count of its segments, each `numShard` after the one before; never zero
    function segments(Receipt calldata receipt, uint256 maxShards) internal pure returns (uint256 first, uint256 count) {
        uint256 shards = receipt.numShard;
        if (shards == 0 || shards & (shards - 1) != 0 || shards > maxShards || receipt.shardId >= shards) {
            revert IStorageCustody.BadShard(receipt.shardId, shards);
        }
        uint256 start = receipt.startPos / SECTORS_PER_SEGMENT;
        uint256 end = uint256(receipt.startPos) + receipt.sectors;
        uint256 last = receipt.sectors == 0 ? 0 : (end - 1) / SECTORS_PER_SEGMENT;
        bool isAligned = receipt.startPos % SECTORS_PER_SEGMENT == 0;
        // The smallest flow's sector 0 is the placeholder: no file starts there.
        if (receipt.sectors == 0 || receipt.startPos == 0 || !(isAligned || last == start)) {
            revert IStorageCustody.BadRange(receipt.startPos, receipt.sectors);
        }
        first = start + ((uint256(receipt.shardId) + shards - start % shards) % shards);
        // A receipt that covers nothing could never be slashed.
        if (first > last) revert IStorageCustody.NothingHeld(receipt.shardId, shards);
        count = (last - first) / shards + 1;
    }

    /// @return start first sector of the range in `segment`
    /// @return end one past its last
    function sectorsIn(Receipt calldata receipt, uint256 segment) internal pure returns (uint256 start, uint256 end) {
        start = segment * SECTORS_PER_SEGMENT;
        end = start + SECTORS_PER_SEGMENT;
        uint256 rangeEnd = uint256(receipt.startPos) + receipt.sectors;
        if (start < receipt.startPos) start = receipt.startPos;
        if (end > rangeEnd) end = rangeEnd;
    }

    /// @return sectors that the provider holds under the receipt
    function held(Receipt calldata receipt, uint256 maxShards) internal pure returns (uint256 sectors) {
        (uint256 first, uint256 count) = segments(receipt, maxShards);
        // Only the first and the last segment of a range can be cut.
        (uint256 start, uint256 end) = sectorsIn(receipt, first);
        sectors = end - start;
        if (count == 1) return sectors;
        (start, end) = sectorsIn(receipt, first + (count - 1) * receipt.numShard);
        sectors += end - start + (count - 2) * SECTORS_PER_SEGMENT;
    }

    /// @return sector of the flow that `hash` draws: a segment by its lower half, the sector in it by the upper
    function draw(Receipt calldata receipt, uint256 maxShards, bytes32 hash) internal pure returns (uint256 sector) {
        (uint256 first, uint256 count) = segments(receipt, maxShards);
        uint256 segment = first + uint256(receipt.numShard) * (uint128(uint256(hash)) % count);
        (uint256 start, uint256 end) = sectorsIn(receipt, segment);
        sector = start + (uint256(hash) >> 128) % (end - start);
    }

    /// @notice Root of a flow tree from one sector and its siblings. The leaf is the hash of 256 bytes and every other node that of 64,
    /// so no node passes for a sector, and a path that is too short or too long ends at another root.
    function rootFrom(bytes calldata sector, uint256 index, bytes32[] calldata path)
        internal
        pure
        returns (bytes32 node)
    {
        if (sector.length != BYTES_PER_SECTOR) {
            revert IStorageCustody.WrongLength(BYTES_PER_SECTOR, sector.length);
        }
        // An index that is not used up is a position outside the tree.
        if (path.length > 63 || index >> path.length != 0) revert IStorageCustody.WrongLength(64, path.length);
        node = keccak256(sector);
        for (uint256 i = 0; i < path.length; ++i) {
            node = index & 1 == 0
                ? keccak256(abi.encodePacked(node, path[i]))
                : keccak256(abi.encodePacked(path[i], node));
            index >>= 1;
        }
    }

    /// @return signer zero for anything but a signature of 65 bytes in the lower half of the order
    function recover(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        if (signature.length != 65) return address(0);
        bytes32 s = bytes32(signature[32:64]);
        if (uint256(s) > 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0) return address(0);
        return ecrecover(digest, uint8(signature[64]), bytes32(signature[0:32]), s);
    }
}
