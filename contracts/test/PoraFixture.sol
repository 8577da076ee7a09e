// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SubmissionData, SubmissionNode} from "../src/interfaces/IFlow.sol";
import {PoraAnswer} from "../src/interfaces/IPoraMine.sol";
import {Storage} from "./Storage.sol";
import {assertTrue, vm} from "./Vm.sol";

/// The flow of shared/vectors/pora.json on the real contracts, with the answers that the peer's contract accepted.
/// @dev Files 1 to 3 land in epoch 1, file 4 in epoch 2, whose boundary block has the published hash. The hash of epoch 1's
/// boundary is not published, so its digest differs from the vectors': answer 1, sealed under it, needs `mockFirstEpoch`.
abstract contract PoraFixture is Storage {
    address internal constant MINER = 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266;
    uint256 internal constant MINE_START = 165;
    /// First block in which the answers are accepted.
    uint256 internal constant ANSWER_BLOCK = MINE_START + 1;

    string internal json;
    bytes32 internal minerId;

    function firstBlock() internal pure override returns (uint256) {
        return MINE_START - 2 * EPOCH;
    }

    function setUp() public virtual override {
        super.setUp();
        json = vm.readFile("test/fixtures/pora.json");
        uint256[] memory sizes = vm.parseJsonUintArray(json, ".sizes");
        uint256[] memory counts = vm.parseJsonUintArray(json, ".nodeCounts");
        uint256[] memory heights = vm.parseJsonUintArray(json, ".heights");
        bytes32[] memory roots = vm.parseJsonBytes32Array(json, ".roots");
        uint256 used = 0;
        for (uint256 i = 0; i < sizes.length; ++i) {
            if (i == 3) vm.roll(firstBlock() + EPOCH + 1);
            SubmissionData memory data;
            data.length = sizes[i];
            data.nodes = new SubmissionNode[](counts[i]);
            for (uint256 k = 0; k < counts[i]; ++k) data.nodes[k] = SubmissionNode(roots[used], heights[used++]);
            submitAs(ALICE, data);
        }
        vm.setBlockhash(firstBlock() + EPOCH, vm.parseJsonBytes32(json, ".minerIdDerivation.parentBlockHash"));
        vm.deal(MINER, 10 ether);
        minerId = register(MINER, 0);
        vm.roll(ANSWER_BLOCK);
        vm.setBlockhash(MINE_START, vm.parseJsonBytes32(json, ".context.blockDigest"));
    }

    function register(address operator, uint64 seed) internal returns (bytes32 id) {
        id = keccak256(abi.encodePacked(blockhash(block.number - 1), operator, seed));
        vm.prank(operator);
        mine.requestMinerId{value: BOND}(operator, seed);
    }

    function answerOf(uint256 index) internal view returns (PoraAnswer memory answer) {
        string memory path = string.concat(".answers[", index == 0 ? "0" : index == 1 ? "1" : "2", "].");
        answer.contextDigest = vm.parseJsonBytes32(json, string.concat(path, "contextDigest"));
        answer.nonce = vm.parseJsonBytes32(json, string.concat(path, "nonce"));
        answer.minerId = minerId;
        answer.range.startPosition = vm.parseJsonUint(json, string.concat(path, "startPosition"));
        answer.range.mineLength = vm.parseJsonUint(json, string.concat(path, "mineLength"));
        answer.range.shardId = uint64(vm.parseJsonUint(json, string.concat(path, "shardId")));
        answer.range.shardMask = uint64(vm.parseJsonUint(json, string.concat(path, "shardMask")));
        answer.recallPosition = vm.parseJsonUint(json, string.concat(path, "recallPosition"));
        answer.sealOffset = vm.parseJsonUint(json, string.concat(path, "sealOffset"));
        answer.sealedContextDigest = vm.parseJsonBytes32(json, string.concat(path, "sealedContextDigest"));
        bytes memory data = vm.parseJsonBytes(json, string.concat(path, "sealed"));
        for (uint256 i = 0; i < 128; ++i) {
            bytes32 word;
            assembly ("memory-safe") {
                word := mload(add(add(data, 0x20), mul(i, 0x20)))
            }
            answer.sealedData[i] = word;
        }
        answer.merkleProof = vm.parseJsonBytes32Array(json, string.concat(path, "merkleProof"));
    }

    function qualityOf(uint256 index) internal view returns (uint256) {
        string memory path = string.concat(".answers[", index == 0 ? "0" : index == 1 ? "1" : "2", "].quality");
        return uint256(vm.parseJsonBytes32(json, path));
    }
}
