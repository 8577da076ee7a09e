// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DARegistry} from "../src/da/DARegistry.sol";
import {DAEntrance} from "../src/da/DAEntrance.sol";
import {BlobHeader} from "../src/interfaces/DaTypes.sol";
import {BLS12381} from "../src/libraries/BLS12381.sol";
import {Certificates} from "../src/libraries/Certificates.sol";
import {DaTags} from "../src/libraries/DaTags.sol";
import {PieceProof} from "../src/libraries/PieceProof.sol";
import {RowAssignment} from "../src/libraries/RowAssignment.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {Da} from "./Da.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

contract PieceHarness {
    function rowLeaf(bytes calldata piece, uint256 index, uint256 rowSize, bytes32[] calldata path)
        external
        pure
        returns (bytes32)
    {
        return PieceProof.rowLeaf(piece, index, rowSize, path);
    }

    function rowRoot(bytes32 leaf, uint256 row, uint256 rows, bytes32[] calldata path) external pure returns (bytes32) {
        return PieceProof.rowRoot(leaf, row, rows, path);
    }
}

/// The vectors of libs/quorum and libs/erasure, made by references that share no code with either side.
contract DaVectorsTest is Da {
    string private json;
    /// Where the vectors say the contracts are.
    DARegistry private placedRegistry;
    DAEntrance private placedEntrance;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("../libs/quorum/test/vectors/quorum.json");
        address registryAt = vm.parseJsonAddress(json, ".registry");
        address entranceAt = vm.parseJsonAddress(json, ".entrance");
        vm.etch(registryAt, address(registry).code);
        vm.etch(entranceAt, address(entrance).code);
        placedRegistry = DARegistry(registryAt);
        placedEntrance = DAEntrance(entranceAt);
    }

    function numbers(string memory name) private view returns (uint256[] memory) {
        return vm.parseJsonUintArray(json, name);
    }

    function hashes(string memory name) private view returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(json, name);
    }

    function points(string memory name) private view returns (bytes[] memory) {
        return vm.parseJsonBytesArray(json, name);
    }

    function g1(bytes memory raw) private pure returns (bytes32[4] memory) {
        return abi.decode(raw, (bytes32[4]));
    }

    function g2(bytes memory raw) private pure returns (bytes32[8] memory) {
        return abi.decode(raw, (bytes32[8]));
    }

    function test_hash_to_the_curve_is_that_of_rfc_9380() public view {
        bytes32[] memory messages = hashes(".hashMessages");
        bytes[] memory expected = points(".hashPoints");
        for (uint256 i = 0; i < messages.length; ++i) {
            assertTrue(keccak256(abi.encode(BLS12381.hashToG2(messages[i]))) == keccak256(expected[i]), "point");
        }
    }

    function test_keys_signatures_messages_and_outputs() public view {
        bytes32[] memory secrets = hashes(".secrets");
        bytes[] memory keys = points(".keys");
        bytes[] memory possessions = points(".popSignatures");
        bytes[] memory reveals = points(".reveals");
        bytes32[] memory pops = hashes(".popMessages");
        bytes32[] memory betas = hashes(".betas");
        address[] memory owners = vm.parseJsonAddressArray(json, ".operators");
        bytes32 message = placedRegistry.vrfMessage(vm.parseJsonUint(json, ".epoch"), vm.parseJsonBytes32(json, ".seed"));
        assertTrue(message == vm.parseJsonBytes32(json, ".vrfMessage"), "vrf message");
        for (uint256 i = 0; i < keys.length; ++i) {
            bytes32[4] memory key = g1(keys[i]);
            assertTrue(keccak256(abi.encode(BlsSigner.publicKey(uint256(secrets[i])))) == keccak256(keys[i]), "key");
            assertTrue(placedRegistry.popMessage(owners[i], key) == pops[i], "pop message");
            assertTrue(BLS12381.verify(key, pops[i], g2(possessions[i])), "possession");
            assertTrue(!BLS12381.verify(key, message, g2(possessions[i])), "another message");
            assertTrue(BLS12381.verify(key, message, g2(reveals[i])), "reveal");
            assertTrue(keccak256(reveals[i]) == betas[i], "beta");
        }
    }

    function test_tags_seed_and_rows() public view {
        bytes32[] memory tags = hashes(".tags");
        assertTrue(tags[0] == DaTags.POP && tags[1] == DaTags.VRF && tags[2] == DaTags.ATTEST, "tags");
        assertTrue(tags[3] == DaTags.SEED && tags[4] == DaTags.MIX && tags[5] == DaTags.ROWS, "tags");
        assertTrue(tags[6] == DaTags.SAMPLE && tags[7] == DaTags.BLOB, "tags");
        uint256[] memory weights = numbers(".weights");
        uint256[] memory starts = numbers(".shareStarts");
        uint256[] memory ends = numbers(".shareEnds");
        uint256 before = 0;
        for (uint256 i = 0; i < weights.length; ++i) {
            (uint256 start, uint256 end) = RowAssignment.positions(4096, before, weights[i], 3000);
            assertTrue(start == starts[i] && end == ends[i], "positions");
            before += weights[i];
        }
        uint256[] memory rows = numbers(".permutationRows");
        uint256[] memory quorums = numbers(".permutationQuorums");
        bytes32[] memory commitments = hashes(".permutationCommitments");
        bytes32[] memory keys = hashes(".permutationKeys");
        uint256[] memory at = numbers(".permutationPositions");
        uint256[] memory values = numbers(".permutationValues");
        for (uint256 i = 0; i < rows.length; ++i) {
            bytes32 key = RowAssignment.rowKey(
                address(placedEntrance),
                vm.parseJsonUint(json, ".epoch"),
                quorums[i],
                vm.parseJsonBytes32(json, ".mix"),
                commitments[i]
            );
            assertTrue(key == keys[i], "row key");
            assertEq(RowAssignment.rowsOf(i), rows[i], "rows");
            for (uint256 j = 16 * i; j < 16 * i + 16; ++j) {
                assertEq(RowAssignment.rowAt(key, i, at[j]), values[j], "row");
            }
        }
    }

    function headerAt(uint256 i) private view returns (BlobHeader memory header) {
        uint256[] memory n = numbers(".headerNumbers");
        header.version = uint8(n[7 * i]);
        header.shape = uint8(n[7 * i + 1]);
        header.length = uint32(n[7 * i + 2]);
        header.rowSize = uint32(n[7 * i + 3]);
        header.epoch = uint32(n[7 * i + 4]);
        header.quorum = uint16(n[7 * i + 5]);
        header.expiry = uint64(n[7 * i + 6]);
        header.commitment = hashes(".headerCommitments")[i];
        header.account = vm.parseJsonAddressArray(json, ".headerAccounts")[i];
        header.disperser = vm.parseJsonAddressArray(json, ".headerDispersers")[i];
        header.nonce = uint256(hashes(".headerNonces")[i]);
        header.maxFee = uint256(hashes(".headerMaxFees")[i]);
    }

    function test_headers_batches_and_roots() public view {
        bytes32[] memory keys = hashes(".blobKeys");
        bytes32[] memory roots = hashes(".batchRoots");
        for (uint256 i = 0; i < keys.length; ++i) {
            BlobHeader memory header = headerAt(i);
            assertTrue(placedEntrance.blobKeyOf(header) == keys[i], "blob key");
            assertEq(RowAssignment.rowBytes(header.shape, header.length), header.rowSize, "row size");
            bytes32[] memory level = new bytes32[](i + 1);
            for (uint256 j = 0; j <= i; ++j) level[j] = keys[j];
            assertTrue(Certificates.root(level) == roots[i], "root");
        }
    }

    function test_pieces_of_the_codec_open_their_commitment() public {
        PieceHarness harness = new PieceHarness();
        string memory codec = vm.readFile("../libs/erasure/test/vectors/blob-0x11.json");
        for (uint256 i = 0; i < 10; ++i) {
            string memory at = string.concat(".cases[", digit(i), "]");
            uint256 rowSize = vm.parseJsonUint(codec, string.concat(at, ".format.rowBytes"));
            uint256 rows = 4 * vm.parseJsonUint(codec, string.concat(at, ".format.dataRows"));
            bytes32 root = vm.parseJsonBytes32(codec, string.concat(at, ".rowRoot"));
            for (uint256 j = 0; j < 2; ++j) {
                string memory part = string.concat(at, ".pieces[", digit(j), "]");
                uint256 row = vm.parseJsonUint(codec, string.concat(part, ".rowIndex"));
                bytes32 leaf = harness.rowLeaf(
                    vm.parseJsonBytes(codec, string.concat(part, ".piece")),
                    vm.parseJsonUint(codec, string.concat(part, ".pieceIndex")),
                    rowSize,
                    vm.parseJsonBytes32Array(codec, string.concat(part, ".piecePath"))
                );
                bytes32[] memory path = vm.parseJsonBytes32Array(codec, string.concat(part, ".rowPath"));
                assertTrue(harness.rowRoot(leaf, row, rows, path) == root, "row root");
                // Equal neighbours (padding) have no order.
                bool isTwin = leaf == path[0];
                assertTrue(isTwin || harness.rowRoot(leaf, row ^ 1, rows, path) != root, "another row");
            }
            uint8 shape = uint8(vm.parseJsonUint(codec, string.concat(at, ".format.shapeId")));
            bytes32 rlcRoot = vm.parseJsonBytes32(codec, string.concat(at, ".rlcRoot"));
            bytes32 commitment = vm.parseJsonBytes32(codec, string.concat(at, ".commitment"));
            assertTrue(PieceProof.commitmentOf(shape, uint32(rowSize), root, rlcRoot) == commitment, "commitment");
            // One root must not read under two shapes or row sizes.
            assertTrue(PieceProof.commitmentOf(shape + 1, uint32(rowSize), root, rlcRoot) != commitment, "shape");
            assertTrue(PieceProof.commitmentOf(shape, uint32(rowSize + 64), root, rlcRoot) != commitment, "row size");
        }
    }

    function digit(uint256 value) private pure returns (string memory) {
        return string(abi.encodePacked(bytes1(uint8(48 + value))));
    }

    /// The certificate of the vectors: keys of members 0 to 6 without the absentees.
    function test_the_aggregate_of_the_vectors_verifies() public view {
        uint256[] memory absentees = numbers(".absentees");
        bytes[] memory keys = points(".keys");
        bytes32[4] memory all;
        bytes32[4] memory absent;
        for (uint256 i = 0; i < keys.length; ++i) {
            all = BLS12381.add(all, g1(keys[i]));
            if (i == absentees[0] || i == absentees[1]) absent = BLS12381.add(absent, g1(keys[i]));
        }
        bytes32[8] memory signature = g2(points2(".aggregateSignature"));
        bytes32 message = hashes(".attestMessages")[4];
        assertTrue(BLS12381.verify(BLS12381.subtract(all, absent), message, signature), "certificate");
        assertTrue(!BLS12381.verify(all, message, signature), "with the absentees");
    }

    function points2(string memory name) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, name);
    }

    /// Identity keys and signatures, points off the curve, field elements with high bits: false, never a revert or true.
    function test_points_that_are_none_verify_nothing() public view {
        bytes32[4] memory key = g1(points(".keys")[0]);
        bytes32[8] memory signature = g2(points(".reveals")[0]);
        bytes32 message = vm.parseJsonBytes32(json, ".vrfMessage");
        bytes32[4] memory zeroKey;
        bytes32[8] memory zeroSignature;
        assertTrue(!BLS12381.verify(zeroKey, message, zeroSignature), "identities");
        assertTrue(!BLS12381.verify(key, message, zeroSignature), "identity signature");
        assertTrue(!BLS12381.verify(zeroKey, message, signature), "identity key");
        key[0] |= bytes32(uint256(1) << 255);
        assertTrue(!BLS12381.verify(key, message, signature), "upper bits");
        key = g1(points(".keys")[0]);
        key[3] = bytes32(uint256(key[3]) ^ 1);
        assertTrue(!BLS12381.verify(key, message, signature), "off the curve");
    }

    /// A point on the curve outside the subgroup: (0, 2) lies on y² = x³ + 4 and has order 3.
    function test_a_point_outside_the_subgroup_is_refused() public view {
        bytes32[4] memory key;
        key[3] = bytes32(uint256(2));
        assertTrue(!BLS12381.verify(key, bytes32(0), g2(points(".reveals")[0])), "small order");
    }
}
