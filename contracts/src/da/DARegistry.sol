// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DaParameters} from "../interfaces/DaTypes.sol";
import {IDAChallenges} from "../interfaces/IDAChallenges.sol";
import {IDARegistry} from "../interfaces/IDARegistry.sol";
import {IStakedService} from "../interfaces/IStakedService.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {BLS12381} from "../libraries/BLS12381.sol";
import {BlockHash} from "../libraries/BlockHash.sol";
import {BlockHeader} from "../libraries/BlockHeader.sol";
import {Checkpoints} from "../libraries/Checkpoints.sol";
import {DaTags} from "../libraries/DaTags.sol";
import {KeyStore} from "../libraries/KeyStore.sol";

/// @title DARegistry
/// @notice Operators, epochs, seeds, reveals and quorums (see IDARegistry).
/// @dev A snapshot needs no transaction: votes and their sums S1 = Σ votes, S2 = Σ votes² are kept as checkpoints, and an epoch reads
/// them at its snapshot block. A reveal costs O(1): it appends a member to its quorum. libs/quorum computes the same off chain.
contract DARegistry is IDARegistry {
    using Checkpoints for Checkpoints.Trace;

    /* ---------------------------------------------------- constants ---------------------------------------------------- */

    /// Votes of one operator; with at most 1,024 operators sums stay below 2^48 and fit a member's word.
    uint256 public constant VOTES_END = 1 << 38;
    uint256 public constant MAX_OPERATORS_END = 1025;
    uint256 public constant ENDPOINT_MAX = 255;
    /// A newcomer needs this share of the stake of whom it replaces.
    uint256 public constant EVICTION_BPS = 11_000;
    /// Epochs that the quorums of an epoch may serve beyond their own.
    uint256 public constant CARRY_OVER = 2;
    uint256 public constant BATCH_REVEALS_MAX = 128;

    IStakeVault public immutable vault;
    IDAChallenges public immutable challenges;
    uint256 public immutable genesisBlock;
    uint256 public immutable epochBlocks;
    uint256 public immutable lookaheadBlocks;
    uint256 public immutable seedDelayBlocks;
    uint256 public immutable revealWindowBlocks;
    uint256 public immutable effectivePerQuorum;
    uint256 public immutable maxOperators;
    uint256 public immutable minMembers;
    uint256 public immutable voteUnit;
    bool public immutable isSingleQuorum;
    /// Seconds of answering after a batch expired: response and correlation.
    uint256 public immutable answerSeconds;
    /// Seconds from the last block at which a batch of an epoch may land to the end of its members' locks.
    uint256 private immutable _lockSeconds;
    uint256 private immutable _confirmBlocks;
    uint256 private immutable _blockSeconds;

    /* ----------------------------------------------------- storage ----------------------------------------------------- */

    struct OperatorState {
        address record; // the current key; zero: not registered
        uint40 votes; // counted now; zero unless active
        bool isJailed;
        uint16 place; // 1 + index into the active list; zero: inactive
        // When votes, or the record they count for, changed last. 2^32 blocks are 34 years at four a second.
        uint32 changedBlock;
        // The second word is all that a reveal writes.
        uint32 lastReveal; // newest epoch it revealed in
        uint40 lockedUntil;
        uint40 activeSince; // block
    }

    /// What `operatorOf` tells of an operator.
    struct Operator {
        address record;
        uint48 votes;
        bool isJailed;
        uint16 place;
        uint32 lastReveal;
        uint40 lockedUntil;
        uint40 activeSince;
    }

    struct Epoch {
        bytes32 seed; // zero: not captured
        uint256 betaSum;
        uint96 votes; // S1 at the snapshot
        uint16 quorumCount;
        uint40 lockedUntil;
    }

    struct Quorum {
        uint64 weight;
        uint16 members;
        bytes32[3] key; // x low, y low, x high || y high
    }

    mapping(address operator => OperatorState) private _operators;
    mapping(address operator => string) public endpointOf;
    /// votes and record at a block: 48 | 160 bits
    mapping(address operator => Checkpoints.Trace) private _votes;
    /// S1 and S2: 96 | 112 bits
    Checkpoints.Trace private _sums;
    address[] private _active;
    mapping(bytes32 keyHash => address record) public recordOfKey;
    mapping(uint256 epoch => Epoch) private _epochs;
    mapping(uint256 epoch => mapping(uint256 quorum => Quorum)) private _quorums;
    /// record, weight, weight before: 160 | 48 | 48 bits
    mapping(uint256 epoch => mapping(uint256 quorum => mapping(uint256 member => uint256))) private _members;

    /* --------------------------------------------------- construction -------------------------------------------------- */

    constructor(DaParameters memory p, address vault_, address challenges_) {
        // The seed block lies after the snapshot, the window closes by the start of the epoch, and the mix before is final at the
        // snapshot.
        bool isSound = p.seedDelayBlocks >= 1 && p.revealWindowBlocks >= 1
            && p.seedDelayBlocks + 1 + p.revealWindowBlocks <= p.lookaheadBlocks && p.lookaheadBlocks < p.epochBlocks
            && p.maxOperators >= 1 && p.maxOperators < MAX_OPERATORS_END && p.effectivePerQuorum >= 1 && p.voteUnit >= 1
            && p.blockSeconds >= 1 && vault_ != address(0) && challenges_ != address(0);
        if (!isSound) revert BadParameters();
        BLS12381.probe();
        vault = IStakeVault(vault_);
        challenges = IDAChallenges(challenges_);
        genesisBlock = block.number;
        epochBlocks = p.epochBlocks;
        lookaheadBlocks = p.lookaheadBlocks;
        seedDelayBlocks = p.seedDelayBlocks;
        revealWindowBlocks = p.revealWindowBlocks;
        effectivePerQuorum = p.effectivePerQuorum;
        maxOperators = p.maxOperators;
        minMembers = p.minMembers;
        voteUnit = p.voteUnit;
        isSingleQuorum = p.isSingleQuorum;
        answerSeconds = (uint256(p.responseBlocks) + uint256(p.correlationEpochs) * p.epochBlocks) * p.blockSeconds;
        _lockSeconds = p.retentionSeconds + answerSeconds;
        _confirmBlocks = p.confirmBlocks;
        _blockSeconds = p.blockSeconds;
    }

    /* ---------------------------------------------------- operators ---------------------------------------------------- */

    /// @inheritdoc IDARegistry
    function register(bytes32[4] calldata key, bytes32[8] calldata possession, string calldata endpoint) external {
        bytes32 keyHash = keccak256(abi.encode(key));
        if (recordOfKey[keyHash] != address(0)) revert KeyTaken(keyHash);
        // The pairing also proves that the key lies in the subgroup and is not the identity.
        if (!BLS12381.verify(key, popMessage(msg.sender, key), possession)) revert BadSignature();
        address record = KeyStore.write(key, msg.sender);
        recordOfKey[keyHash] = record;
        OperatorState storage operator = _operators[msg.sender];
        operator.record = record;
        _setEndpoint(endpoint);
        emit OperatorRegistered(msg.sender, record, endpoint);
        // A new key counts from the next snapshot; members of running epochs keep the record they revealed with.
        if (operator.place != 0) _note(operator, msg.sender);
    }

    /// @inheritdoc IDARegistry
    function setEndpoint(string calldata endpoint) external {
        if (_operators[msg.sender].record == address(0)) revert NotRegistered(msg.sender);
        _setEndpoint(endpoint);
        emit EndpointChanged(msg.sender, endpoint);
    }

    /// @inheritdoc IDARegistry
    function activate(address evicted) external {
        OperatorState storage operator = _operators[msg.sender];
        if (operator.record == address(0)) revert NotRegistered(msg.sender);
        if (operator.place != 0) revert AlreadyActive(msg.sender);
        if (operator.isJailed) {
            // Out of jail only when every challenge and every second step against it is done.
            if (challenges.lockOf(msg.sender) != 0) revert IsJailed(msg.sender);
            operator.isJailed = false;
        }
        uint256 votes = _countVotes(msg.sender);
        if (votes == 0) revert NoVotes(msg.sender);
        if (_active.length >= maxOperators) {
            _checkEviction(evicted, votes);
            emit Evicted(evicted, msg.sender);
            _removeActive(evicted);
        }
        _active.push(msg.sender);
        operator.place = uint16(_active.length);
        operator.activeSince = uint40(block.number);
        emit Activated(msg.sender);
        _setVotes(msg.sender, votes);
    }

    /// @inheritdoc IDARegistry
    function deactivate() external {
        if (_operators[msg.sender].place == 0) revert NotActive(msg.sender, 0);
        _removeActive(msg.sender);
    }

    /// @inheritdoc IDARegistry
    function sync(address operator) public {
        if (_operators[operator].place == 0) return; // joining is the operator's own act
        uint256 votes = _countVotes(operator);
        if (votes == 0) _removeActive(operator);
        else _setVotes(operator, votes);
    }

    /// @inheritdoc IStakedService
    /// @dev Nothing to protect: anyone may have votes counted anew.
    function stakeChanged(address operator) external {
        sync(operator);
    }

    /// @inheritdoc IDARegistry
    function reportMissed(address operator, uint256 epoch) external {
        OperatorState storage entry = _operators[operator];
        uint256 before = epoch - 1;
        bool isOver = block.number >= _windowEnd(epoch);
        // An epoch without a seed had no reveals: nobody missed it.
        bool couldReveal = _epochs[epoch].seed != 0 && _epochs[before].seed != 0;
        bool wasActive = entry.place != 0 && snapshotBlock(before) >= entry.activeSince;
        if (!isOver || !couldReveal || !wasActive || entry.lastReveal >= before) revert NotMissed(operator);
        _removeActive(operator);
    }

    /// @inheritdoc IDARegistry
    function jail(address operator) external {
        if (msg.sender != address(challenges)) revert OnlyChallenges(msg.sender);
        _operators[operator].isJailed = true;
        emit Jailed(operator);
        if (_operators[operator].place != 0) _removeActive(operator);
    }

    /* ------------------------------------------------------ epochs ----------------------------------------------------- */

    /// @inheritdoc IDARegistry
    function captureSeed(uint256 epoch, bytes calldata header) public {
        Epoch storage entry = _epochs[epoch];
        if (entry.seed != 0) return;
        uint256 seedBlock = snapshotBlock(epoch) + seedDelayBlocks;
        _checkWindow(epoch);
        bytes32 hash = BlockHash.hashOf(seedBlock);
        if (hash == 0 || keccak256(header) != hash) revert WrongHeader(seedBlock, hash, keccak256(header));
        uint256 sums = _sums.valueAt(snapshotBlock(epoch));
        uint256 s1 = sums >> 112;
        uint256 s2 = sums & type(uint112).max;
        if (s1 == 0) revert NobodyActive(epoch);
        uint256 count = isSingleQuorum ? 1 : s1 * s1 / (s2 * effectivePerQuorum);
        if (count == 0) count = 1;
        bytes32 seed = keccak256(
            abi.encode(
                DaTags.SEED,
                block.chainid,
                address(this),
                epoch,
                BlockHeader.mixHashOf(header),
                epoch == 0 ? bytes32(0) : mixOf(epoch - 1)
            )
        );
        entry.seed = seed;
        entry.votes = uint96(s1);
        entry.quorumCount = uint16(count);
        // Two carry-overs are paid for in advance: locks reach to end(e+2) whatever opens.
        uint256 lastBlock = epochStart(epoch + CARRY_OVER + 1) + _confirmBlocks;
        entry.lockedUntil = uint40(block.timestamp + (lastBlock - block.number) * _blockSeconds + _lockSeconds);
        emit SeedCaptured(epoch, seed, count, s1);
    }

    /// @inheritdoc IDARegistry
    function reveal(uint256 epoch, bytes32 seed, address operator, bytes32[8] calldata signature) public {
        _checkReveal(epoch, seed);
        (uint256 votes, address record) = _snapshotOf(operator, epoch);
        bytes32[4] memory key = KeyStore.keyOf(record);
        if (!BLS12381.verify(key, vrfMessage(epoch, seed), signature)) revert BadSignature();
        _admit(epoch, operator, votes, record, key, keccak256(abi.encode(signature)));
    }

    /// @inheritdoc IDARegistry
    function captureAndReveal(
        uint256 epoch,
        bytes calldata header,
        bytes32 seed,
        address operator,
        bytes32[8] calldata signature
    ) external {
        captureSeed(epoch, header);
        reveal(epoch, seed, operator, signature);
    }

    /// @inheritdoc IDARegistry
    /// @dev Random weights from the hash of all inputs: a wrong signature passes with probability 2^-128. Every signature enters the
    /// MSM, which checks its subgroup; otherwise a point of small order could be split between two reveals.
    function revealBatch(
        uint256 epoch,
        bytes32 seed,
        address[] calldata operators,
        bytes32[8][] calldata signatures
    ) external {
        uint256 count = operators.length;
        if (count == 0 || count != signatures.length || count > BATCH_REVEALS_MAX) revert BadParameters();
        _checkReveal(epoch, seed);
        bytes32 inputs = keccak256(msg.data);
        bytes memory keys = new bytes(160 * count);
        bytes memory points = new bytes(288 * count);
        for (uint256 i = 0; i < count; ++i) {
            (uint256 votes, address record) = _snapshotOf(operators[i], epoch);
            bytes32[4] memory key = KeyStore.keyOf(record);
            uint256 weight = uint128(uint256(keccak256(abi.encode(inputs, i))));
            bytes32[8] calldata signature = signatures[i];
            bytes32 beta;
            assembly ("memory-safe") {
                let to := add(add(keys, 0x20), mul(160, i))
                mcopy(to, key, 0x80)
                mstore(add(to, 0x80), weight)
                to := add(add(points, 0x20), mul(288, i))
                calldatacopy(to, signature, 0x100)
                mstore(add(to, 0x100), weight)
                beta := keccak256(to, 0x100)
            }
            // Checked below, all at once: a wrong signature takes everything back.
            _admit(epoch, operators[i], votes, record, key, beta);
        }
        bytes32[8] memory sum = BLS12381.g2Msm(points);
        if (!BLS12381.verify(BLS12381.g1Msm(keys), vrfMessage(epoch, seed), sum)) revert BadSignature();
    }

    /* ------------------------------------------------------ views ------------------------------------------------------ */

    /// @inheritdoc IDARegistry
    function signers(uint256 referenceBlock, uint256 epoch, uint256 quorum, uint16[] calldata absentees)
        external
        view
        returns (Signers memory out)
    {
        Epoch storage entry = _epochs[epoch];
        uint256 atEpoch = epochAt(referenceBlock);
        if (atEpoch != epoch) _checkCarryOver(epoch, quorum, atEpoch);
        bool isOpen;
        (out.openCount, out.openIndex, isOpen) = _openRank(epoch, quorum);
        if (!isOpen) revert NotServing(epoch, quorum, atEpoch);
        // Nothing is drawn where there is one quorum.
        if (out.openCount > 1) out.seed = entry.seed;
        out.obligationEnd = entry.lockedUntil - answerSeconds;
        Quorum storage group = _quorums[epoch][quorum];
        out.total = group.weight;
        out.memberCount = group.members;
        out.key = _load(group);
        out.present = out.total;
        if (absentees.length == 0) return out;
        uint256 absent = 0;
        bytes32[4] memory absentKey;
        for (uint256 i = 0; i < absentees.length; ++i) {
            uint256 index = absentees[i];
            if (index >= out.memberCount || (i != 0 && index <= absentees[i - 1])) revert BadAbsentees(index);
            uint256 word = _members[epoch][quorum][index];
            absent += (word >> 48) & type(uint48).max;
            absentKey = BLS12381.add(absentKey, KeyStore.keyOf(address(uint160(word >> 96))));
        }
        out.present = out.total - absent;
        out.key = BLS12381.subtract(out.key, absentKey);
    }

    /// @inheritdoc IDARegistry
    function memberCount(uint256 epoch, uint256 quorum) external view returns (uint256) {
        return _quorums[epoch][quorum].members;
    }

    /// @inheritdoc IDARegistry
    function memberOf(uint256 epoch, uint256 quorum, uint256 member) external view returns (Member memory out) {
        Quorum storage group = _quorums[epoch][quorum];
        if (member >= group.members) revert NoSuchMember(epoch, quorum, member);
        uint256 word = _members[epoch][quorum][member];
        out.record = address(uint160(word >> 96));
        out.operator = KeyStore.operatorOf(out.record);
        out.weight = (word >> 48) & type(uint48).max;
        out.weightBefore = word & type(uint48).max;
        out.totalWeight = group.weight;
    }

    /// @inheritdoc IDARegistry
    function mixOf(uint256 epoch) public view returns (bytes32) {
        return keccak256(abi.encode(DaTags.MIX, epoch, _epochs[epoch].betaSum));
    }

    /// @inheritdoc IDARegistry
    function epochLockedUntil(uint256 epoch) external view returns (uint256) {
        return _epochs[epoch].lockedUntil;
    }

    /// @inheritdoc IStakedService
    function lockedUntil(address operator) external view returns (uint256) {
        uint256 disputed = challenges.lockOf(operator);
        uint256 own = _operators[operator].lockedUntil;
        return disputed > own ? disputed : own;
    }

    function popMessage(address operator, bytes32[4] memory key) public view returns (bytes32) {
        return keccak256(abi.encode(DaTags.POP, block.chainid, address(this), operator, key));
    }

    function vrfMessage(uint256 epoch, bytes32 seed) public view returns (bytes32) {
        return keccak256(abi.encode(DaTags.VRF, block.chainid, address(this), epoch, seed));
    }

    function epochStart(uint256 epoch) public view returns (uint256) {
        return genesisBlock + epoch * epochBlocks;
    }

    function epochAt(uint256 number) public view returns (uint256) {
        return (number - genesisBlock) / epochBlocks;
    }

    /// @inheritdoc IDARegistry
    function snapshotBlock(uint256 epoch) public view returns (uint256) {
        return epochStart(epoch) - lookaheadBlocks;
    }

    function operatorOf(address operator) external view returns (Operator memory) {
        OperatorState storage entry = _operators[operator];
        return Operator({
            record: entry.record,
            votes: entry.votes,
            isJailed: entry.isJailed,
            place: entry.place,
            lastReveal: entry.lastReveal,
            lockedUntil: entry.lockedUntil,
            activeSince: entry.activeSince
        });
    }

    function epochOf(uint256 epoch) external view returns (Epoch memory) {
        return _epochs[epoch];
    }

    /// @return weight of the quorum, its members, its aggregate key and whether it is open
    function quorumOf(uint256 epoch, uint256 quorum)
        external
        view
        returns (uint256 weight, uint256 members, bytes32[4] memory key, bool isOpen)
    {
        Quorum storage group = _quorums[epoch][quorum];
        return (group.weight, group.members, _load(group), _isOpen(epoch, quorum));
    }

    function activeOperators() external view returns (address[] memory) {
        return _active;
    }

    /// @return s1 Σ votes of the active operators now
    /// @return s2 Σ votes²
    function voteSums() external view returns (uint256 s1, uint256 s2) {
        uint256 sums = _sums.latest();
        return (sums >> 112, sums & type(uint112).max);
    }

    function votesAt(address operator, uint256 number) public view returns (uint256 votes, address record) {
        uint256 word = _votes[operator].valueAt(number);
        return (word >> 160, address(uint160(word)));
    }

    /* ----------------------------------------------------- internal ---------------------------------------------------- */

    function _setEndpoint(string calldata endpoint) private {
        uint256 length = bytes(endpoint).length;
        if (length == 0 || length > ENDPOINT_MAX) revert EndpointLength(length);
        endpointOf[msg.sender] = endpoint;
    }

    function _countVotes(address operator) private view returns (uint256 votes) {
        if (!vault.isServing(operator, address(this))) return 0;
        votes = vault.stakeOf(operator) / voteUnit;
        if (votes >= VOTES_END) votes = VOTES_END - 1;
    }

    /// The one place where votes and their sums change.
    function _setVotes(address operator, uint256 votes) private {
        OperatorState storage entry = _operators[operator];
        uint256 before = entry.votes;
        if (before == votes) return;
        entry.votes = uint40(votes);
        uint256 sums = _sums.latest();
        uint256 s1 = (sums >> 112) + votes - before;
        uint256 s2 = (sums & type(uint112).max) + votes * votes - before * before;
        _sums.push((s1 << 112) | s2);
        _note(entry, operator);
        emit VotesChanged(operator, votes);
    }

    /// Appends votes and record as they are now to the trace.
    function _note(OperatorState storage entry, address operator) private {
        entry.changedBlock = uint32(block.number);
        uint256 votes = entry.votes;
        _votes[operator].push(votes == 0 ? 0 : (votes << 160) | uint160(entry.record));
    }

    function _removeActive(address operator) private {
        OperatorState storage entry = _operators[operator];
        uint256 place = entry.place;
        address last = _active[_active.length - 1];
        _active[place - 1] = last;
        _operators[last].place = uint16(place);
        _active.pop();
        entry.place = 0;
        emit Deactivated(operator);
        _setVotes(operator, 0);
    }

    /// One word per active operator: at most 1,024 reads, only when all places are taken.
    function _checkEviction(address evicted, uint256 votes) private view {
        if (_operators[evicted].place == 0) revert NotEvictable(evicted, 0, 0);
        uint256 mine = _operators[evicted].votes;
        uint256 least = mine;
        for (uint256 i = 0; i < _active.length; ++i) {
            uint256 other = _operators[_active[i]].votes;
            if (other < least) least = other;
        }
        if (mine != least || votes * 10_000 < mine * EVICTION_BPS) revert NotEvictable(evicted, mine, least);
    }

    function _windowEnd(uint256 epoch) private view returns (uint256) {
        return snapshotBlock(epoch) + seedDelayBlocks + 1 + revealWindowBlocks;
    }

    function _checkWindow(uint256 epoch) private view {
        uint256 end = _windowEnd(epoch);
        uint256 start = end - revealWindowBlocks;
        if (block.number < start || block.number >= end) revert OutsideWindow(epoch, start, end);
    }

    function _checkReveal(uint256 epoch, bytes32 seed) private view {
        bytes32 expected = _epochs[epoch].seed;
        if (expected == 0) revert SeedNotCaptured(epoch);
        if (seed != expected) revert WrongSeed(epoch, expected, seed);
        _checkWindow(epoch);
    }

    function _snapshotOf(address operator, uint256 epoch) private view returns (uint256 votes, address record) {
        OperatorState storage entry = _operators[operator];
        uint256 at = snapshotBlock(epoch);
        // Mostly nothing changed since: one word then, where the trace takes two.
        if (entry.changedBlock <= at) (votes, record) = (entry.votes, entry.record);
        else (votes, record) = votesAt(operator, at);
        if (votes == 0) revert NotActive(operator, epoch);
        // Windows of epochs do not overlap, so the newest reveal tells.
        if (entry.lastReveal == epoch) revert AlreadyRevealed(operator, epoch);
    }

    function _admit(
        uint256 epoch,
        address operator,
        uint256 votes,
        address record,
        bytes32[4] memory key,
        bytes32 beta
    ) private {
        Epoch storage entry = _epochs[epoch];
        uint256 index = uint256(beta) % entry.quorumCount;
        Quorum storage group = _quorums[epoch][index];
        uint256 member = group.members;
        uint256 before = group.weight;
        _members[epoch][index][member] = (uint256(uint160(record)) << 96) | (votes << 48) | before;
        group.members = uint16(member + 1);
        group.weight = uint64(before + votes);
        _save(group, member == 0 ? key : BLS12381.add(_load(group), key));
        unchecked {
            entry.betaSum += uint256(beta); // modulo 2^256 by definition
        }
        OperatorState storage who = _operators[operator];
        // `_snapshotOf` looked whether it is the epoch's already, also for a second one in the same batch.
        who.lastReveal = uint32(epoch);
        if (who.lockedUntil < entry.lockedUntil) who.lockedUntil = entry.lockedUntil;
        emit Revealed(epoch, operator, index, member, votes, record, beta);
    }

    function _load(Quorum storage group) private view returns (bytes32[4] memory key) {
        uint256 high = uint256(group.key[2]);
        key[0] = bytes32(high >> 128);
        key[1] = group.key[0];
        key[2] = bytes32(high & type(uint128).max);
        key[3] = group.key[1];
    }

    function _save(Quorum storage group, bytes32[4] memory key) private {
        group.key[0] = key[1];
        group.key[1] = key[3];
        group.key[2] = (key[0] << 128) | key[2];
    }

    function _isOpen(uint256 epoch, uint256 quorum) private view returns (bool) {
        Epoch storage entry = _epochs[epoch];
        uint256 count = entry.quorumCount;
        if (quorum >= count || block.number < _windowEnd(epoch)) return false;
        Quorum storage group = _quorums[epoch][quorum];
        if (group.members < minMembers) return false;
        uint256 weight = group.weight;
        if (count == 1) return 3 * weight >= 2 * uint256(entry.votes);
        uint256 scaled = 4 * weight * count;
        return scaled >= 3 * uint256(entry.votes) && scaled <= 5 * uint256(entry.votes);
    }

    /// How many quorums of an epoch are open, how many of those lie before `quorum`, and whether it is one of them. Q is at most
    /// 1,024/EFF_PER_QUORUM.
    function _openRank(uint256 epoch, uint256 quorum)
        private
        view
        returns (uint256 count, uint256 rank, bool isOpen)
    {
        uint256 end = _epochs[epoch].quorumCount;
        for (uint256 i = 0; i < end; ++i) {
            if (!_isOpen(epoch, i)) continue;
            if (i < quorum) ++rank;
            if (i == quorum) isOpen = true;
            ++count;
        }
    }

    /// The quorums of `epoch` serve `atEpoch` only while none opened in between, at most twice running.
    function _checkCarryOver(uint256 epoch, uint256 quorum, uint256 atEpoch) private view {
        if (atEpoch < epoch || atEpoch - epoch > CARRY_OVER) revert NotServing(epoch, quorum, atEpoch);
        for (uint256 e = epoch + 1; e <= atEpoch; ++e) {
            (uint256 count,,) = _openRank(e, 0);
            if (count != 0) revert NotServing(epoch, quorum, atEpoch);
        }
    }
}
