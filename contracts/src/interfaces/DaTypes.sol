// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// Parameters of the DA protocol (design/da-protocol.md section 8). Blocks unless said otherwise.
struct DaParameters {
    uint32 epochBlocks;
    uint32 lookaheadBlocks;
    uint32 seedDelayBlocks;
    uint32 revealWindowBlocks;
    uint32 confirmBlocks;
    uint32 responseBlocks;
    uint32 correlationEpochs;
    uint32 retentionSeconds;
    /// Seconds per block that locks are reckoned with.
    uint32 blockSeconds;
    uint32 effectivePerQuorum;
    uint32 maxOperators;
    uint32 minMembers;
    /// Wei of stake for one vote.
    uint128 voteUnit;
    uint128 minBond;
    /// For chains whose mixHash is constant: one quorum whatever the stake.
    bool isSingleQuorum;
}

/// What an account signs and members are obliged by (section 4).
struct BlobHeader {
    uint8 version;
    uint8 shape;
    uint32 length;
    uint32 rowSize;
    bytes32 commitment;
    address account;
    address disperser;
    uint256 nonce;
    uint32 epoch;
    uint16 quorum;
    uint64 expiry;
    uint256 maxFee;
}

struct Batch {
    uint32 epoch;
    uint16 quorum;
    uint64 referenceBlock;
    uint64 expiry;
    uint32 blobs;
    bytes32 root;
}

struct Certificate {
    Batch batch;
    bytes32[8] signature;
    uint16[] absentees;
}
