// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IStakedService} from "./IStakedService.sol";

/// What a provider promises: to have the segments of `[startPos, startPos + sectors)` that are `shardId` modulo `numShard`, until
/// `expiry`. Positions and counts are in sectors of 256 bytes, times in unix seconds.
struct Receipt {
    uint64 txSeq;
    /// Root of the flow after `txSeq`; void after a reorg that changed it.
    bytes32 flowRoot;
    uint64 startPos;
    uint64 sectors;
    bytes32 dataRoot;
    uint64 shardId;
    uint64 numShard;
    uint64 issuedAt;
    uint64 expiry;
    address provider;
    /// A provider's serials are unique: one failure each.
    uint256 serial;
}

/// Set once, at deployment.
struct CustodyParameters {
    uint64 maxShards;
    /// Seconds that a receipt may hold.
    uint64 maxReceiptSeconds;
    /// Seconds that stake stays locked past a receipt's end: RESPONSE + CORRELATION.
    uint64 lockMarginSeconds;
    /// Blocks that an answer has at least.
    uint64 responseBlocks;
    uint256 minBond;
    /// Wei slashed for each sector held.
    uint256 slashPerSector;
}

/// @title IStorageCustody
/// @notice Holds providers to the receipts they signed (design/contracts.md, StorageCustody). No receipt, no slashing.
/// @dev An answer proves that a sector can be had within the window, not that the provider stores it itself.
interface IStorageCustody is IStakedService {
    /// An open challenge. The contract keeps its hash; whoever acts on it hands it in.
    struct Challenge {
        bytes32 id;
        Receipt receipt;
        uint64 openedBlock;
        uint64 deadline;
        uint256 baseFee;
        uint256 bond;
        address challenger;
    }

    event SignerSet(address indexed provider, address indexed signer, uint256 from);
    event Locked(address indexed provider, uint256 until);
    event Opened(bytes32 indexed id, address indexed provider, uint256 indexed serial, Challenge challenge);
    event Answered(bytes32 indexed id, address indexed provider, uint256 paid);
    event Failed(bytes32 indexed id, address indexed provider, uint256 indexed serial, uint256 slashed);
    event Withdrawn(address indexed account, uint256 amount);

    error NotServing(address provider);
    error LockShortened(uint256 until, uint256 current);
    error BadShard(uint256 shardId, uint256 numShard);
    error BadRange(uint256 startPos, uint256 sectors);
    error NothingHeld(uint256 shardId, uint256 numShard);
    error BadPeriod(uint256 issuedAt, uint256 expiry);
    error ReceiptExpired(uint256 expiry);
    error NotYetIssued(uint256 issuedAt);
    error NotLocked(uint256 required, uint256 lockedUntil);
    error VoidReceipt(uint256 txSeq, bytes32 flowRoot, bytes32 actual);
    error NotSigned(address recovered, address signer);
    error AlreadyFailed(address provider, uint256 serial);
    error BondTooLow(uint256 given, uint256 required);
    error UnknownChallenge(bytes32 id);
    error NotDrawnYet(uint256 openedBlock);
    error PastDeadline(uint256 deadline);
    error BeforeDeadline(uint256 deadline);
    error WrongLength(uint256 expected, uint256 actual);
    error WrongRoot(bytes32 expected, bytes32 actual);
    error NothingToWithdraw(address account);
    error PaymentFailed(address account, uint256 amount);

    /// @notice Names the key whose receipts bind the caller from now on; the one before counts for receipts issued before.
    function setSigner(address signer) external;

    /// @notice Locks the caller's stake until `until`. It never moves back.
    function lock(uint256 until) external;

    /// @notice Asks for one sector of a receipt, drawn after this call. The bond is `bondFor(provider)`; more comes back.
    function challenge(Receipt calldata receipt, bytes calldata signature) external payable returns (bytes32 id);

    /// @notice Answers with the 256 bytes of `sectorOf(opened)` and its siblings up to the receipt's flow root; anybody may. The
    /// provider is paid its cost out of the bond, the rest is burned.
    function answer(Challenge calldata opened, bytes calldata sector, bytes32[] calldata path) external;

    /// @notice Reports an unanswered challenge: the first of a serial slashes, the challenger gets its bond back and a reward.
    function fail(Challenge calldata opened) external;

    /// @notice Reverts when the receipt would not be accepted by `challenge` now.
    function checkReceipt(Receipt calldata receipt, bytes calldata signature) external view;

    /// @notice Sector of the flow that an open challenge asks for; reverts before the draw.
    function sectorOf(Challenge calldata opened) external view returns (uint256);

    /// @notice Bond of the next challenge against `provider`.
    function bondFor(address provider) external view returns (uint256);

    /// @notice The key that counts for a receipt issued at `issuedAt`; zero when there was none.
    function signerAt(address provider, uint256 issuedAt) external view returns (address);
}
