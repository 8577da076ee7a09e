// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// A perfect subtree of 2^height sectors.
struct SubmissionNode {
    bytes32 root;
    uint256 height;
}

/// What a client submits: bytes of data, free tags, the subtrees of the padded file, largest first.
struct SubmissionData {
    uint256 length;
    bytes tags;
    SubmissionNode[] nodes;
}

struct Submission {
    SubmissionData data;
    address submitter;
}

/// Sectors [start, end) that one mining context covers.
struct EpochRange {
    uint128 start;
    uint128 end;
}

struct EpochRangeWithContextDigest {
    uint128 start;
    uint128 end;
    bytes32 digest;
}

struct MineContext {
    uint256 epoch;
    uint256 mineStart;
    bytes32 flowRoot;
    uint256 flowLength;
    bytes32 blockDigest;
    bytes32 digest;
}

/// @title The ordered, append-only log of everything stored.
/// @notice Both generations of `submit` are here, so old and new clients work. Sectors are 256 bytes.
interface IFlow {
    /// A submission was placed. `sender` is the submitter, `identity` the hash of the node roots, `length` in sectors.
    event Submit(
        address indexed sender,
        bytes32 indexed identity,
        uint256 submissionIndex,
        uint256 startPos,
        uint256 length,
        SubmissionData submission
    );
    /// An epoch began. `context` is EMPTY_HASH when its block hash was out of reach.
    event NewEpoch(
        address indexed sender,
        uint256 indexed index,
        bytes32 startMerkleRoot,
        uint256 submissionIndex,
        uint256 flowLength,
        bytes32 context
    );
    /// `submitter` lets `operator` submit in its name, or no longer.
    event SubmitterApproval(address indexed submitter, address indexed operator, bool approved);
    /// A refund could not be paid and waits for `withdrawRefund`.
    event RefundCredited(address indexed payer, uint256 amount);

    error NotEnoughFee(uint256 price, uint256 amount, uint256 paid);
    error UnauthorizedSubmitter(address submitter, address caller);
    error BatchTooLarge(uint256 count, uint256 max);
    error SignatureExpired(uint256 deadline, uint256 timestamp);
    error InvalidSignature(address recovered, address submitter);
    error NothingToWithdraw(address account);
    error RefundFailed(address account, uint256 amount);

    /// @notice Places one file in the flow for `submitter`, who is the caller or has approved it. Charges exactly
    /// `pricePerSector * sectors`; the surplus goes back to the caller.
    /// @dev Reverts "Invalid submission", "Contract has not launched.", EnforcedPause, NotEnoughFee, UnauthorizedSubmitter.
    function submit(Submission calldata submission)
        external
        payable
        returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 length);

    /// @notice First-generation form: the submitter is the caller.
    function submit(SubmissionData calldata data)
        external
        payable
        returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 length);

    /// @notice As `submit`, in the name of a submitter who signed (EIP-712 `Submit(bytes32 identity,uint256 length,uint256 nonce,uint256 deadline)`).
    function submitBySig(Submission calldata submission, uint256 deadline, bytes calldata signature)
        external
        payable
        returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 length);

    /// @notice At most `BATCH_MAX` files in order, paid together.
    function batchSubmit(Submission[] calldata submissions)
        external
        payable
        returns (
            uint256[] memory indexes,
            bytes32[] memory digests,
            uint256[] memory startIndexes,
            uint256[] memory lengths
        );

    function batchSubmit(SubmissionData[] calldata datas)
        external
        payable
        returns (
            uint256[] memory indexes,
            bytes32[] memory digests,
            uint256[] memory startIndexes,
            uint256[] memory lengths
        );

    /// @notice Makes due contexts and returns the newest; miners use it with eth_call.
    function makeContextWithResult() external returns (MineContext memory);

    /// @notice What an answer is checked against, in one call: the newest context after making those due, the sectors that
    /// `sealedContextDigest` covers (an empty range when it is unknown), and the epochs so far that could be mined: those with a
    /// block hash and at least one whole load of 1024 sectors.
    function contextForAnswer(bytes32 sealedContextDigest)
        external
        returns (MineContext memory context, EpochRange memory sealRange, uint256 minableEpochs);

    /// @notice Blocks of one epoch.
    function blocksPerEpoch() external view returns (uint256);

    /// @notice Root of the flow right after submission `txSeq`; zero when there is none.
    function getFlowRootByTxSeq(uint256 txSeq) external view returns (bytes32);
}
