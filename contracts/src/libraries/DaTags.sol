// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Domain tags of the DA protocol: every hash starts with one, so nothing signed or drawn serves two purposes.
/// @dev The same list as `libs/quorum/src/tags.ts`.
library DaTags {
    bytes32 internal constant POP = keccak256("cairn.da.v1.POP");
    bytes32 internal constant VRF = keccak256("cairn.da.v1.VRF");
    bytes32 internal constant ATTEST = keccak256("cairn.da.v1.ATTEST");
    bytes32 internal constant SEED = keccak256("cairn.da.v1.SEED");
    bytes32 internal constant MIX = keccak256("cairn.da.v1.MIX");
    bytes32 internal constant ROWS = keccak256("cairn.da.v1.ROWS");
    bytes32 internal constant SAMPLE = keccak256("cairn.da.v1.SAMPLE");
    bytes32 internal constant BLOB = keccak256("cairn.da.v1.BLOB");
}
