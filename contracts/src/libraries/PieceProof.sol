// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Opens a commitment of version 0x11 at one piece of one row (design/da-protocol.md section 3).
/// @dev Every hash is SHA-256. A piece leaf is H(0x00 || piece) over raw bytes, an inner node H(left || right): leaf preimages are 1
/// mod 64 bytes long, inner ones 64, so no value reads as both. Depth and sides come from the shape, never from the proof.
library PieceProof {
    uint256 internal constant PIECE = 2048;

    error WrongPieceLength(uint256 expected, uint256 actual);
    error WrongPathLength(uint256 expected, uint256 actual);

    /// @return count pieces of a row
    function pieceCount(uint256 rowSize) internal pure returns (uint256 count) {
        return (rowSize + PIECE - 1) / PIECE;
    }

    /// @return leaf root of the row's piece tree, from piece `index` of `count`; left-heavy: an odd last node rises
    function rowLeaf(bytes calldata piece, uint256 index, uint256 rowSize, bytes32[] calldata path)
        internal
        pure
        returns (bytes32 leaf)
    {
        uint256 count = pieceCount(rowSize);
        uint256 expected = rowSize - PIECE * index < PIECE ? rowSize - PIECE * index : PIECE;
        if (piece.length != expected) revert WrongPieceLength(expected, piece.length);
        leaf = sha256(bytes.concat(hex"00", piece));
        uint256 used = 0;
        while (count > 1) {
            if (index % 2 == 1 || index + 1 < count) {
                if (used == path.length) revert WrongPathLength(used + 1, path.length);
                leaf = index % 2 == 1 ? _join(path[used], leaf) : _join(leaf, path[used]);
                ++used;
            }
            index /= 2;
            count = (count + 1) / 2;
        }
        if (used != path.length) revert WrongPathLength(used, path.length);
    }

    /// @return root of a complete tree over `rows` row leaves
    function rowRoot(bytes32 leaf, uint256 row, uint256 rows, bytes32[] calldata path)
        internal
        pure
        returns (bytes32 root)
    {
        uint256 used = 0;
        root = leaf;
        for (; rows > 1; rows /= 2) {
            if (used == path.length) revert WrongPathLength(used + 1, path.length);
            root = row % 2 == 1 ? _join(path[used], root) : _join(root, path[used]);
            row /= 2;
            ++used;
        }
        if (used != path.length) revert WrongPathLength(used, path.length);
    }

    /// @return commitment SHA256(0x02 || 0x11 || shape || LE32 rowSize || rowRoot || rlcRoot): it binds the shape
    function commitmentOf(uint8 shape, uint32 rowSize, bytes32 root, bytes32 rlcRoot)
        internal
        pure
        returns (bytes32 commitment)
    {
        uint32 swapped = ((rowSize & 0xff) << 24) | ((rowSize & 0xff00) << 8) | ((rowSize >> 8) & 0xff00) | (rowSize >> 24);
        return sha256(abi.encodePacked(hex"0211", shape, swapped, root, rlcRoot));
    }

    function _join(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encode(left, right));
    }
}
