// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SubmissionData, SubmissionNode} from "../src/interfaces/IFlow.sol";
import {PoraAnswer, RecallRange, WorkerContext} from "../src/interfaces/IPoraMine.sol";
import {Pora} from "../src/libraries/Pora.sol";
import {Recall} from "../src/libraries/Recall.sol";
import {Flow} from "../src/storage/Flow.sol";

/// A flow whose every byte is known and every proof can be made in a test: files of whole loads that repeat one word, zeros in
/// between, the placeholder in front. So an honest answer needs no vectors and no call out of the machine.
contract PatternFlow {
    bytes32 private constant WORD = keccak256("pattern");
    uint256 private constant LOAD_HEIGHT = 10;
    uint256 private constant HEIGHTS = 20;

    Flow internal immutable flow;
    /// Whether a load holds the pattern; others are zeros.
    bool[] internal isPattern;
    /// Roots of 2^height sectors of the pattern, of zeros, and of zeros behind the placeholder.
    bytes32[HEIGHTS] private patterns;
    bytes32[HEIGHTS] private zeros;
    bytes32[HEIGHTS] private firsts;

    constructor(Flow flow_) {
        flow = flow_;
        bytes memory sector = new bytes(256);
        zeros[0] = keccak256(sector);
        for (uint256 i = 0; i < 8; ++i) {
            bytes32 word = WORD;
            assembly ("memory-safe") {
                mstore(add(add(sector, 0x20), mul(i, 0x20)), word)
            }
        }
        patterns[0] = keccak256(sector);
        for (uint256 h = 1; h < HEIGHTS; ++h) {
            zeros[h] = keccak256(abi.encode(zeros[h - 1], zeros[h - 1]));
            patterns[h] = keccak256(abi.encode(patterns[h - 1], patterns[h - 1]));
            firsts[h] = keccak256(abi.encode(firsts[h - 1], zeros[h - 1]));
        }
    }

    /// A file of 2^height loads.
    function patternFile(uint256 height) internal view returns (SubmissionData memory data) {
        data.length = 256 << (height + LOAD_HEIGHT);
        data.nodes = new SubmissionNode[](1);
        data.nodes[0] = SubmissionNode(patterns[height + LOAD_HEIGHT], height + LOAD_HEIGHT);
    }

    /// Notes where the file of 2^height loads was placed.
    function placed(uint256 start, uint256 height) internal {
        while (isPattern.length < start >> LOAD_HEIGHT) isPattern.push(false);
        for (uint256 i = 0; i < 1 << height; ++i) isPattern.push(true);
    }

    /// An honest answer for the nonce, with the quality it has; no answer (quality the maximum) when the nonce recalls a load
    /// outside of the range or the one seal that nobody can prove.
    function answerFor(WorkerContext memory work, bytes32 minerId, bytes32 nonce, uint256 sealOffset, uint64 shardId, uint64 shards)
        internal
        returns (PoraAnswer memory answer, uint256 quality)
    {
        answer.contextDigest = work.context.digest;
        answer.nonce = nonce;
        answer.minerId = minerId;
        answer.sealOffset = sealOffset;
        answer.range = RecallRange(0, work.context.flowLength & ~uint256(1023), shardId, ~(shards - 1));
        bytes32 rangeDigest = keccak256(abi.encode(answer.range));
        (uint256 seed,) = this.evaluate(minerId, nonce, work.subtaskDigest, rangeDigest, 0, answer.sealedData);
        uint256 load = (uint64(seed % (answer.range.mineLength >> LOAD_HEIGHT)) & ~(shards - 1)) | shardId;
        if (load >= work.context.flowLength >> LOAD_HEIGHT || (load == 0 && sealOffset == 0)) return (answer, type(uint256).max);
        uint256 position = (load << LOAD_HEIGHT) + 16 * sealOffset;
        answer.recallPosition = position;
        answer.sealedContextDigest = flow.queryContextAtPosition(uint128(position + 15)).digest;
        bytes32 mask = keccak256(abi.encode(minerId, answer.sealedContextDigest, position));
        for (uint256 i = 0; i < 128; ++i) {
            answer.sealedData[i] = (isPattern[load] ? WORD : bytes32(0)) ^ mask;
            mask = keccak256(abi.encode(answer.sealedData[i]));
        }
        answer.merkleProof = proofOf(position >> 4, work.context.flowLength);
        (, quality) = this.evaluate(minerId, nonce, work.subtaskDigest, rangeDigest, sealOffset, answer.sealedData);
    }

    function thresholdOf(WorkerContext memory work, uint256 shards) internal pure returns (uint256) {
        return Recall.threshold(work.poraTarget, shards, work.context.flowLength);
    }

    /// External for the sake of calldata.
    function evaluate(
        bytes32 minerId,
        bytes32 nonce,
        bytes32 subtaskDigest,
        bytes32 rangeDigest,
        uint256 sealOffset,
        bytes32[128] calldata sealedData
    ) external view returns (uint256 recallSeed, uint256 quality) {
        return Pora.evaluate(minerId, nonce, subtaskDigest, rangeDigest, sealOffset, sealedData);
    }

    /// Siblings of the level-4 node `index` up to the root of a flow of `length` sectors, a multiple of a load.
    function proofOf(uint256 index, uint256 length) private view returns (bytes32[] memory proof) {
        uint256 height = 0;
        while (1 << height < length) ++height;
        proof = new bytes32[](height - 4);
        for (uint256 level = 4; level < height; ++level) {
            proof[level - 4] = nodeAt(level, index ^ 1, length >> LOAD_HEIGHT);
            index >>= 1;
        }
    }

    function nodeAt(uint256 level, uint256 index, uint256 loads) private view returns (bytes32) {
        if (level > LOAD_HEIGHT && (index << (level - LOAD_HEIGHT)) < loads) {
            return keccak256(
                abi.encode(nodeAt(level - 1, 2 * index, loads), nodeAt(level - 1, 2 * index + 1, loads))
            );
        }
        if (index == 0) return firsts[level];
        uint256 load = level > LOAD_HEIGHT ? loads : index >> (LOAD_HEIGHT - level);
        return load < loads && isPattern[load] ? patterns[level] : zeros[level];
    }
}
