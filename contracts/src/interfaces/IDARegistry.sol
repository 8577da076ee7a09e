// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IStakedService} from "./IStakedService.sol";

/// @title IDARegistry
/// @notice Operators of the DA service, epochs, seeds, reveals, quorums (design/da-protocol.md sections 1 and 2).
interface IDARegistry is IStakedService {
    /// What a certificate of a quorum is checked against.
    struct Signers {
        uint256 total;
        uint256 present;
        /// Aggregate key of the members that are not absent.
        bytes32[4] key;
        uint256 memberCount;
        /// Unix time up to which members' stake answers for rows; a batch may not expire later.
        uint256 obligationEnd;
        /// Draws the quorum of a blob; zero when only one is open and nothing is drawn.
        bytes32 seed;
        uint256 openCount;
        /// Place of this quorum among the open ones.
        uint256 openIndex;
    }

    /// One member of one quorum. `record` holds its key and operator for good: later checks of the epoch use it.
    struct Member {
        address operator;
        address record;
        uint256 weight;
        uint256 weightBefore;
        uint256 totalWeight;
    }

    event OperatorRegistered(address indexed operator, address record, string endpoint);
    event EndpointChanged(address indexed operator, string endpoint);
    event Activated(address indexed operator);
    event Deactivated(address indexed operator);
    event Evicted(address indexed operator, address indexed by);
    event Jailed(address indexed operator);
    event VotesChanged(address indexed operator, uint256 votes);
    event SeedCaptured(uint256 indexed epoch, bytes32 seed, uint256 quorumCount, uint256 votes);
    event Revealed(
        uint256 indexed epoch,
        address indexed operator,
        uint256 quorum,
        uint256 member,
        uint256 weight,
        address record,
        bytes32 beta
    );

    error BadParameters();
    error WrongSeed(uint256 epoch, bytes32 expected, bytes32 actual);
    error SeedNotCaptured(uint256 epoch);
    error OutsideWindow(uint256 epoch, uint256 start, uint256 end);
    error WrongHeader(uint256 number, bytes32 expected, bytes32 actual);
    error NobodyActive(uint256 epoch);
    error NotActive(address operator, uint256 epoch);
    error AlreadyRevealed(address operator, uint256 epoch);
    error BadSignature();
    error BadKey();
    error KeyTaken(bytes32 keyHash);
    error NotRegistered(address operator);
    error EndpointLength(uint256 length);
    error AlreadyActive(address operator);
    error NoVotes(address operator);
    error IsJailed(address operator);
    error NotEvictable(address evicted, uint256 votes, uint256 leastVotes);
    error NotMissed(address operator);
    error OnlyChallenges(address caller);
    error NoSuchMember(uint256 epoch, uint256 quorum, uint256 member);
    error BadAbsentees(uint256 member);
    error NotServing(uint256 epoch, uint256 quorum, uint256 atEpoch);

    /// @notice Registers the caller, or gives it a new key from the next snapshot on. `possession` is the key's signature on
    /// `popMessage`; the operator sends it itself, so nobody registers a victim's key first. A key belongs to one record for ever.
    function register(bytes32[4] calldata key, bytes32[8] calldata possession, string calldata endpoint) external;

    function setEndpoint(string calldata endpoint) external;

    /// @notice Makes the caller active from the next snapshot on. When all places are taken, `evicted` must be the operator with
    /// the fewest votes and the caller must have at least 110% of them; ignored otherwise.
    function activate(address evicted) external;

    function deactivate() external;

    /// @notice Counts an operator's votes anew; anyone may.
    function sync(address operator) external;

    /// @notice Takes the seed of `epoch` from the header (RLP) of its seed block; anyone may. A no-op when already taken.
    function captureSeed(uint256 epoch, bytes calldata header) external;

    /// @notice Admits an operator into its quorum of `epoch`. Anybody may send it on the operator's behalf.
    function reveal(uint256 epoch, bytes32 seed, address operator, bytes32[8] calldata signature) external;

    /// @notice `captureSeed`, then `reveal`.
    function captureAndReveal(
        uint256 epoch,
        bytes calldata header,
        bytes32 seed,
        address operator,
        bytes32[8] calldata signature
    ) external;

    /// @notice Many reveals for one pairing. One wrong signature reverts all and punishes nobody.
    function revealBatch(
        uint256 epoch,
        bytes32 seed,
        address[] calldata operators,
        bytes32[8][] calldata signatures
    ) external;

    /// @notice Makes an operator inactive that missed the last two epochs of which both windows are over; anyone may.
    function reportMissed(address operator, uint256 epoch) external;

    /// @notice Keeps a failed member out from the next snapshot on.
    function jail(address operator) external;

    /// @notice Signers of a quorum of `epoch` at `referenceBlock`, less `absentees` (strictly increasing). Reverts when the quorum
    /// does not serve then.
    function signers(uint256 referenceBlock, uint256 epoch, uint256 quorum, uint16[] calldata absentees)
        external
        view
        returns (Signers memory);

    function memberCount(uint256 epoch, uint256 quorum) external view returns (uint256);

    function memberOf(uint256 epoch, uint256 quorum, uint256 member) external view returns (Member memory);

    /// @return mix `mix(epoch)`, final once the reveal window is over
    function mixOf(uint256 epoch) external view returns (bytes32 mix);

    /// @return until unix time at which every obligation of members of `epoch` is over
    function epochLockedUntil(uint256 epoch) external view returns (uint256 until);

    function snapshotBlock(uint256 epoch) external view returns (uint256);
}
