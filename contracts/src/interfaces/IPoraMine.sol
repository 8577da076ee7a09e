// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {MineContext} from "./IFlow.sol";

/// Which loads a miner claims to hold: those whose index has `shardId` under `shardMask`, in
/// [startPosition, startPosition + mineLength) sectors.
struct RecallRange {
    uint256 startPosition;
    uint256 mineLength;
    uint64 shardId;
    uint64 shardMask;
}

/// One proof of random access. `sealedData` are the 4,096 bytes on the miner's disk; `merkleProof` the siblings from the
/// seal's node (level 4) up to, not including, the flow root.
struct PoraAnswer {
    bytes32 contextDigest;
    bytes32 nonce;
    bytes32 minerId;
    RecallRange range;
    uint256 recallPosition;
    uint256 sealOffset;
    bytes32 sealedContextDigest;
    bytes32[128] sealedData;
    bytes32[] merkleProof;
}

/// What a miner works on. Idle when `poraTarget` is zero or the context's digest is EMPTY_HASH.
struct WorkerContext {
    MineContext context;
    uint256 poraTarget;
    bytes32 subtaskDigest;
    uint64 maxShards;
}

/// Governed numbers of mining, one word.
struct MineParameters {
    /// Blocks after the start of a subtask in which answers count.
    uint16 targetMineBlocks;
    /// Answers that an epoch should see; twice as many end it.
    uint16 targetSubmissions;
    /// The new target is (n-1)/n old and 1/n observed.
    uint16 difficultyAdjustRatio;
    uint16 subtaskCount;
    /// Blocks between the starts of two subtasks.
    uint32 subtaskInterval;
    /// Most shards that a range may name; a power of two.
    uint64 maxShards;
    /// At least 1: the target never exceeds (2^256-1)/minDifficulty.
    uint96 minDifficulty;
}

/// @title Checks proofs of random access and has them paid.
/// @notice Same answers as 0G's PoraMine; every check that fails reverts with its own error.
interface IPoraMine {
    event NewMinerId(bytes32 indexed minerId, address indexed beneficiary);
    event UpdateMinerId(bytes32 indexed minerId, address indexed from, address indexed to);
    /// `epochIndex` counts the answers of the epoch from 0; `recallPosition` is the first sector of the seal.
    event NewSubmission(
        uint256 indexed epoch, bytes32 indexed minerId, uint256 epochIndex, uint256 recallPosition
    );
    event MinerIdRetired(bytes32 indexed minerId, address indexed operator);
    event ParametersAnnounced(MineParameters parameters, uint256 effectiveFrom);
    /// Announced parameters hold from this epoch on.
    event ParametersApplied(uint256 indexed epoch, MineParameters parameters);
    /// `skippedEpochs`: minable epochs without an answer before this one.
    event TargetAdjusted(uint256 indexed epoch, uint256 poraTarget, uint256 skippedEpochs);

    error UnknownMinerId(bytes32 minerId);
    error MinerIdTaken(bytes32 minerId);
    error NotBeneficiary(address caller, bytes32 minerId);
    error NotOperator(address caller, bytes32 minerId);
    error MinerIdActive(bytes32 minerId, uint256 lastEpoch);
    error InvalidParameters();

    error EmptyContext(uint256 epoch);
    error ContextMismatch(bytes32 expected, bytes32 actual);
    error SubtaskNotStarted(uint256 blockNumber, uint256 startBlock);
    error SubtaskEnded(uint256 blockNumber, uint256 endBlock);
    error BlockHashUnavailable(uint256 blockNumber);
    error EpochFull(uint256 epoch, uint256 submissions);
    error MinerIdCapReached(bytes32 minerId, uint256 cap);
    error RangeEmpty(uint256 flowLength);
    error RangeNotAligned(uint256 startPosition);
    error RangeOverflow(uint256 startPosition, uint256 mineLength, uint256 end);
    error RangeTooLong(uint256 mineLength, uint256 longest);
    error RangeTooShort(uint256 mineLength, uint256 shortest);
    error ShardIdMasked(uint64 shardId, uint64 shardMask);
    error TooManyShards(uint256 count, uint256 max);
    error SealOffsetOutOfRange(uint256 sealOffset);
    error RecallOutOfRange(uint256 load, uint256 mineLength);
    error RecallPositionMismatch(uint256 expected, uint256 actual);
    error SealContextMismatch(bytes32 sealedContextDigest, uint128 start, uint128 end);
    error ProofLength(uint256 expected, uint256 actual);
    error FlowRootMismatch(bytes32 expected, bytes32 actual);
    error QualityNotReached(uint256 quality, uint256 threshold);
    error AnswerReplayed(bytes32 minerId, uint256 quality);

    /// @notice Checks an answer and credits the beneficiary of its miner id, whoever sends it: who copies a pending answer
    /// pays for somebody else's reward.
    function submit(PoraAnswer calldata answer) external;

    /// @notice What `minerId` may work on now. State-changing (due contexts are made); miners use it with eth_call.
    function computeWorkerContext(bytes32 minerId) external returns (WorkerContext memory);

    /// @notice Registers an id for `beneficiary` and reserves its bond of the caller's stake, to which the value of the call is
    /// added first: the bond's full value, or what is missing of it when the caller opted in to this service. NewMinerId is
    /// the first event.
    function requestMinerId(address beneficiary, uint64 seed) external payable;

    /// @notice Gives an id to a new beneficiary; by the present one.
    function transferBeneficial(address to, bytes32 minerId) external;

    /// @notice Ends an id that did not answer for `ACTIVE_EPOCHS` and frees its bond; by who registered it.
    function retireMinerId(bytes32 minerId) external;
}
