// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {PieceProof} from "./PieceProof.sol";
import {RowAssignment} from "./RowAssignment.sol";

/// @title Opens a blob at a few bytes of its payload, from the commitment alone (libs/erasure/src/da/range.ts is the twin).
/// @dev Proof: rlc root, then for each piece the range touches: piece, path in its row, path of the row. All lengths follow from
/// shape, row size and range. Bytes are those of the data rows, whatever the frame in them says: certified rows fix each one.
library RangeProof {
    /// Version byte and length in front of the payload.
    uint256 private constant FRAME_HEADER = 5;

    error WrongProofLength(uint256 actual);
    error WrongCommitment(bytes32 expected, bytes32 actual);

    /// @param start first byte of the payload, `end` the one after the last; the caller knows that they are in the data rows
    /// @return out the bytes
    function open(bytes32 commitment, uint8 shape, uint32 rowSize, uint256 start, uint256 end, bytes calldata proof)
        internal
        pure
        returns (bytes memory out)
    {
        if (proof.length < 32) revert WrongProofLength(proof.length);
        uint256 used = 32;
        end += FRAME_HEADER;
        for (uint256 at = start + FRAME_HEADER; at < end;) {
            Piece memory piece = _pieceAt(rowSize, at);
            bytes calldata raw = _take(proof, used, piece.size);
            bytes32[] calldata path = _words(proof, used + piece.size, piece.depth);
            used += piece.size + 32 * piece.depth;
            uint256 rows = RowAssignment.rowsOf(shape);
            bytes32[] calldata rowPath = _words(proof, used, 12 + 2 * uint256(shape));
            used += 32 * (12 + 2 * uint256(shape));
            bytes32 leaf = PieceProof.rowLeaf(raw, piece.index, rowSize, path);
            bytes32 root = PieceProof.rowRoot(leaf, at / rowSize, rows, rowPath);
            bytes32 actual = PieceProof.commitmentOf(shape, rowSize, root, bytes32(proof[:32]));
            if (actual != commitment) revert WrongCommitment(commitment, actual);
            uint256 from = at % rowSize - PieceProof.PIECE * piece.index;
            uint256 to = from + end - at < piece.size ? from + end - at : piece.size;
            out = bytes.concat(out, raw[from:to]);
            at += to - from;
        }
        if (used != proof.length) revert WrongProofLength(proof.length);
    }

    struct Piece {
        uint256 index;
        uint256 size;
        /// Siblings on its way to the row leaf.
        uint256 depth;
    }

    function _pieceAt(uint256 rowSize, uint256 at) private pure returns (Piece memory piece) {
        piece.index = at % rowSize / PieceProof.PIECE;
        uint256 left = rowSize - PieceProof.PIECE * piece.index;
        piece.size = left < PieceProof.PIECE ? left : PieceProof.PIECE;
        uint256 index = piece.index;
        for (uint256 count = PieceProof.pieceCount(rowSize); count > 1; count = (count + 1) / 2) {
            if (index % 2 == 1 || index + 1 < count) ++piece.depth;
            index /= 2;
        }
    }

    function _take(bytes calldata proof, uint256 from, uint256 size) private pure returns (bytes calldata) {
        if (proof.length < from + size) revert WrongProofLength(proof.length);
        return proof[from:from + size];
    }

    function _words(bytes calldata proof, uint256 from, uint256 count)
        private
        pure
        returns (bytes32[] calldata words)
    {
        bytes calldata part = _take(proof, from, 32 * count);
        assembly ("memory-safe") {
            words.offset := part.offset
            words.length := count
        }
    }
}
