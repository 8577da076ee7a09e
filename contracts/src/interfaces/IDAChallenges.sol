// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Batch, BlobHeader} from "./DaTypes.sol";

/// @title IDAChallenges
/// @notice Holds members to the rows they signed for (design/da-protocol.md section 6).
/// @dev An answer proves that a row can be had within the window, not that the member stores it itself.
interface IDAChallenges {
    /// An open challenge. The contract keeps its hash; whoever acts on it hands it in.
    struct Challenge {
        bytes32 id;
        BlobHeader header;
        uint16 member;
        address operator;
        uint32 position;
        uint64 openedBlock;
        uint64 deadline;
        uint256 baseFee;
        uint256 bond;
        address challenger;
    }

    /// Proof of one piece of a row.
    struct Answer {
        bytes piece;
        /// Siblings from the piece to the row leaf.
        bytes32[] piecePath;
        /// Siblings from the row leaf to rowRoot: exactly log2(rows).
        bytes32[] rowPath;
        bytes32 rlcRoot;
    }

    event Opened(bytes32 indexed id, address indexed operator, bytes32 indexed blobKey, Challenge challenge);
    event Answered(bytes32 indexed id, address indexed operator, uint256 paid);
    event Failed(bytes32 indexed id, address indexed operator, uint256 slashed);
    event Correlated(uint256 indexed epoch, uint256 quorum, uint256 member, address indexed operator, uint256 slashed);
    event Lost(bytes32 indexed blobKey);
    event Withdrawn(address indexed account, uint256 amount);

    error NotConfirmed(bytes32 batchHash);
    error NotInBatch(bytes32 blobKey);
    error Unpaid(bytes32 blobKey);
    error MemberAbsent(uint256 member);
    error NotItsPosition(uint256 position, uint256 start, uint256 end);
    error Expired(uint256 expiry);
    error AlreadyOpen(bytes32 id);
    error AlreadyFailed(bytes32 id);
    error BondTooLow(uint256 given, uint256 required);
    error UnknownChallenge(bytes32 id);
    error NotDrawnYet(uint256 openedBlock);
    error PastDeadline(uint256 deadline);
    error BeforeDeadline(uint256 deadline);
    error WrongCommitment(bytes32 expected, bytes32 actual);
    error NothingToSettle(uint256 epoch, uint256 quorum, uint256 member);
    error NotYet(uint256 fromBlock);
    error NotLost(uint256 rowsLeft, uint256 rowsNeeded);
    error MemberDidNotFail(uint256 member);
    error NothingToWithdraw(address account);
    error PaymentFailed(address account, uint256 amount);

    /// @notice Asks a member for a piece of the row at one of its positions. The bond is `bondFor(operator)`; more comes back.
    function challenge(
        Batch calldata batch,
        uint16[] calldata absentees,
        BlobHeader calldata header,
        uint256 index,
        bytes32[] calldata blobProof,
        uint16 member,
        uint32 position
    ) external payable returns (bytes32 id);

    /// @notice Answers; anybody may. The member is paid its cost out of the bond, the rest is burned.
    function answer(Challenge calldata opened, Answer calldata proof) external;

    /// @notice Reports an unanswered challenge: first step of the slash, the challenger gets its bond back and a reward.
    function fail(Challenge calldata opened) external;

    /// @notice Second step: once CORRELATION is over, takes min(1, 3·failed weight/W) of the stake; anyone may.
    function correlate(uint256 epoch, uint256 quorum, uint256 member) external;

    /// @notice Marks a blob as lost for good: its signers without the failed members hold fewer than K rows.
    function declareLost(
        Batch calldata batch,
        uint16[] calldata absentees,
        BlobHeader calldata header,
        uint256 index,
        bytes32[] calldata blobProof,
        uint16[] calldata failed
    ) external;

    function isLost(bytes32 blobKey) external view returns (bool);

    /// @return until the maximum while a challenge against `operator` is open or a second step is due, zero otherwise
    function lockOf(address operator) external view returns (uint256 until);
}
