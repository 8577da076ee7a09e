// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Reads one field of a block header in RLP. The caller has checked its hash, so only bounds matter here.
library BlockHeader {
    uint256 private constant MIX_HASH = 13;

    error MalformedHeader();

    /// @return mixHash item 13: on a proof-of-stake chain the randomness of the block
    function mixHashOf(bytes calldata header) internal pure returns (bytes32 mixHash) {
        // The list's own length is not needed: its items are walked until the one wanted.
        if (header.length < 2 || uint8(header[0]) < 0xf8) revert MalformedHeader();
        uint256 offset = 1 + uint8(header[0]) - 0xf7;
        for (uint256 item = 0; item < MIX_HASH; ++item) {
            if (offset >= header.length) revert MalformedHeader();
            uint256 first = uint8(header[offset]);
            if (first < 0x80) {
                offset += 1;
            } else if (first < 0xb8) {
                offset += 1 + first - 0x80;
            } else if (first < 0xc0) {
                uint256 lengthBytes = first - 0xb7;
                if (lengthBytes > 2 || offset + 1 + lengthBytes > header.length) revert MalformedHeader();
                uint256 length = uint8(header[offset + 1]);
                if (lengthBytes == 2) length = (length << 8) | uint8(header[offset + 2]);
                offset += 1 + lengthBytes + length;
            } else {
                revert MalformedHeader();
            }
        }
        if (offset + 33 > header.length || uint8(header[offset]) != 0xa0) revert MalformedHeader();
        mixHash = bytes32(header[offset + 1:offset + 33]);
    }
}
