// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Certificates} from "./Certificates.sol";
import {DaTags} from "./DaTags.sol";
import {RowAssignment} from "./RowAssignment.sol";

/// @title The certificate a rollup posts: a byte range of a certified blob (libs/quorum/src/rollup.ts is the twin; layout there).
/// @dev Read by hand, so that any byte string gets an answer and none a revert.
library RollupCertificates {
    uint256 private constant FIXED = 160;
    uint256 private constant CHECKSUM = 4;
    uint256 private constant SIBLINGS_MAX = 6;
    /// Type byte, layer byte, version.
    bytes3 private constant HEAD = 0x014301;
    uint256 private constant LOOKUP_WORDS = 20;

    /// What a reader of the input needs.
    struct Input {
        uint8 shape;
        uint32 rowSize;
        /// The input is bytes [offset, offset + length) of the blob's payload.
        uint32 offset;
        uint32 length;
        bytes32 commitment;
    }

    /// @return isWellFormed exactly the bytes that the encoder makes for some certificate
    /// @return input what it names
    function read(bytes calldata data) internal pure returns (bool isWellFormed, Input memory input) {
        if (data.length < FIXED + CHECKSUM || (data.length - FIXED - CHECKSUM) % 32 != 0) return (false, input);
        uint256 siblings = (data.length - FIXED - CHECKSUM) / 32;
        if (siblings > SIBLINGS_MAX || bytes3(data[:3]) != HEAD) return (false, input);
        if (bytes4(data[data.length - CHECKSUM:]) != bytes4(keccak256(data[:data.length - CHECKSUM]))) return (false, input);
        uint256 blobLength = _uint(data, 4, 4);
        uint256 shape = uint8(data[3]);
        if (shape >= RowAssignment.SHAPES || blobLength == 0) return (false, input);
        uint256 rowSize = RowAssignment.rowBytes(shape, blobLength);
        if (rowSize > RowAssignment.ROW_BYTES_MAX) return (false, input);
        // Blocks and times beyond 2^53 are nothing anybody means, and the twin cannot hold them.
        if (_uint(data, 22, 8) >> 53 != 0 || _uint(data, 30, 8) >> 53 != 0) return (false, input);
        uint256 blobs = uint8(data[38]);
        uint256 index = uint8(data[39]);
        if (blobs == 0 || blobs > Certificates.MAX_BATCH || index >= blobs) return (false, input);
        if (_depth(blobs, index) != siblings) return (false, input);
        input = Input({
            shape: uint8(shape),
            rowSize: uint32(rowSize),
            offset: uint32(_uint(data, 8, 4)),
            length: uint32(_uint(data, 12, 4)),
            commitment: bytes32(data[40:72])
        });
        isWellFormed = input.length != 0 && uint256(input.offset) + input.length <= blobLength;
    }

    /// @notice Block the certificate was made at, for whoever chooses a verifier by it. Zero for what is too short to have one.
    function referenceBlock(bytes calldata data) internal pure returns (uint256) {
        return data.length < 30 ? 0 : _uint(data, 22, 8);
    }

    /// @notice `Certificates.batchHash` of the batch in a lookup: its words 1 to 6.
    function batchHash(bytes memory lookup_) internal pure returns (bytes32 hash) {
        // A lookup has 20 words at least.
        assembly ("memory-safe") {
            hash := keccak256(add(lookup_, 0x40), 0xc0)
        }
    }

    /// @notice What `DAEntrance.checkCertificate` takes, from a well-formed certificate. The leaf is in the batch by construction;
    /// whether that batch was ever confirmed, the entrance says.
    function lookup(bytes calldata data, address entrance) internal view returns (bytes memory out) {
        uint256 blobs = uint8(data[38]);
        uint256 index = uint8(data[39]);
        uint256 siblings = (data.length - FIXED - CHECKSUM) / 32;
        uint256 rowSize = RowAssignment.rowBytes(uint8(data[3]), _uint(data, 4, 4));
        out = new bytes(32 * (LOOKUP_WORDS + siblings));
        _put(out, 0, Certificates.LOOKUP_VERSION);
        _put(out, 1, _uint(data, 16, 4)); // epoch
        _put(out, 2, _uint(data, 20, 2)); // quorum
        _put(out, 3, _uint(data, 22, 8)); // reference block
        _put(out, 4, _uint(data, 30, 8)); // expiry
        _put(out, 5, blobs);
        _put(out, 7, 0x11);
        _put(out, 8, uint8(data[3]));
        _put(out, 9, _uint(data, 4, 4));
        _put(out, 10, rowSize);
        _put(out, 11, _uint(data, 40, 32)); // commitment
        _put(out, 12, _uint(data, 72, 20)); // account
        _put(out, 13, _uint(data, 92, 20)); // disperser
        _put(out, 14, _uint(data, 112, 32)); // nonce
        _put(out, 15, _uint(data, 16, 4));
        _put(out, 16, _uint(data, 20, 2));
        _put(out, 17, _uint(data, 30, 8));
        _put(out, 18, _uint(data, 144, 16)); // max fee
        _put(out, 19, index);
        bytes32 node = keccak256(abi.encodePacked(abi.encode(DaTags.BLOB, block.chainid, entrance), _slice(out, 7, 12)));
        uint256 at = FIXED;
        for (uint256 used = 0; blobs > 1; blobs = (blobs + 1) / 2) {
            if (index % 2 == 1 || index + 1 < blobs) {
                bytes32 sibling = bytes32(data[at:at + 32]);
                node = index % 2 == 1 ? Certificates.join(sibling, node) : Certificates.join(node, sibling);
                _put(out, LOOKUP_WORDS + used, uint256(sibling));
                at += 32;
                ++used;
            }
            index /= 2;
        }
        _put(out, 6, uint256(node));
    }

    /// Siblings of leaf `index` in a left-heavy tree over `count` leaves: an odd last node rises.
    function _depth(uint256 count, uint256 index) private pure returns (uint256 depth) {
        for (; count > 1; count = (count + 1) / 2) {
            if (index % 2 == 1 || index + 1 < count) ++depth;
            index /= 2;
        }
    }

    /// Big-endian integer of `width` bytes at `at`. The caller knows that it is there.
    function _uint(bytes calldata data, uint256 at, uint256 width) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, width)), calldataload(add(data.offset, at)))
        }
    }

    function _put(bytes memory out, uint256 word, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(add(out, shl(5, add(word, 1))), value)
        }
    }

    /// Copy of `count` words.
    function _slice(bytes memory from, uint256 word, uint256 count) private pure returns (bytes memory part) {
        part = new bytes(32 * count);
        assembly ("memory-safe") {
            mcopy(add(part, 32), add(from, shl(5, add(word, 1))), shl(5, count))
        }
    }
}
