// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Batch, BlobHeader, DaParameters} from "../interfaces/DaTypes.sol";
import {IDAChallenges} from "../interfaces/IDAChallenges.sol";
import {IDAEntrance} from "../interfaces/IDAEntrance.sol";
import {IDARegistry} from "../interfaces/IDARegistry.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {BlockHash} from "../libraries/BlockHash.sol";
import {Certificates} from "../libraries/Certificates.sol";
import {ChallengeTerms} from "../libraries/ChallengeTerms.sol";
import {PieceProof} from "../libraries/PieceProof.sol";
import {RowAssignment} from "../libraries/RowAssignment.sol";

/// @title DAChallenges
/// @notice Holds members to the rows they signed for (see IDAChallenges).
/// @dev A challenge is kept as one hash; its data travels in the event and comes back with each call. Every challenge ends in an
/// answer or a failure, and the stake of its member is locked until then. Nobody can pause anything here.
contract DAChallenges is IDAChallenges {
    /* ---------------------------------------------------- constants ---------------------------------------------------- */

    /// First step: 1% of the stake, or 32 times the fee share of the blob.
    uint256 private constant FIRST_STEP_DIVISOR = 100;
    uint256 private constant FEE_FACTOR = 32;
    uint256 public constant FIRST_STEPS_MAX = 16;
    uint256 private constant CORRELATION_FACTOR = 3;
    bytes32 private constant FAILED = bytes32(uint256(1));
    address private constant GRAVE = 0x000000000000000000000000000000000000dEaD;

    IStakeVault public immutable vault;
    IDARegistry public immutable registry;
    IDAEntrance public immutable entrance;
    uint256 public immutable responseBlocks;
    uint256 public immutable correlationBlocks;
    uint256 public immutable minBond;

    /* ----------------------------------------------------- storage ----------------------------------------------------- */

    /// A member that failed: one per member and epoch.
    struct Failure {
        uint64 firstBlock; // zero: it did not fail
        uint16 firstSteps;
        bool isCorrelated;
    }

    /// id => hash of the open challenge, or FAILED
    mapping(bytes32 id => bytes32) private _challenges;
    mapping(address operator => uint256) public openCount;
    /// second steps that are due
    mapping(address operator => uint256) public dueCount;
    mapping(uint256 epoch => mapping(uint256 quorum => uint256)) public failedWeight;
    mapping(uint256 epoch => mapping(uint256 quorum => mapping(uint256 member => Failure))) private _failures;
    mapping(bytes32 blobKey => bool) private _lost;
    mapping(address account => uint256) public credits;
    /// Block of the latest deadline, as `ChallengeTerms` keeps it.
    uint256 private _pace;
    uint256 public burned;
    uint256 private transient _entered;

    error Reentered();

    /* --------------------------------------------------- construction -------------------------------------------------- */

    constructor(DaParameters memory p, address vault_, address registry_, address entrance_) {
        vault = IStakeVault(vault_);
        registry = IDARegistry(registry_);
        entrance = IDAEntrance(entrance_);
        responseBlocks = p.responseBlocks;
        correlationBlocks = uint256(p.correlationEpochs) * p.epochBlocks;
        minBond = p.minBond;
        if (BlockHash.hashOf(block.number - 1) == 0) revert NotYet(block.number);
    }

    modifier nonReentrant() {
        if (_entered != 0) revert Reentered();
        _entered = 1;
        _;
        _entered = 0;
    }

    /* ---------------------------------------------------- challenges --------------------------------------------------- */

    /// @inheritdoc IDAChallenges
    function challenge(
        Batch calldata batch,
        uint16[] calldata absentees,
        BlobHeader calldata header,
        uint256 index,
        bytes32[] calldata blobProof,
        uint16 member,
        uint32 position
    ) external payable nonReentrant returns (bytes32 id) {
        bytes32 key = _checkBlob(batch, absentees, header, index, blobProof);
        if (block.timestamp > header.expiry) revert Expired(header.expiry);
        _checkPresent(absentees, member);
        Challenge memory opened;
        opened.operator = _checkPosition(header, member, position);
        id = keccak256(abi.encode(key, member, position));
        if (_challenges[id] == FAILED) revert AlreadyFailed(id);
        if (_challenges[id] != 0) revert AlreadyOpen(id);
        uint256 bond = bondFor(opened.operator);
        if (msg.value < bond) revert BondTooLow(msg.value, bond);
        opened.id = id;
        opened.header = header;
        opened.member = member;
        opened.position = position;
        opened.openedBlock = uint64(block.number);
        uint256 deadline;
        (deadline, _pace) = ChallengeTerms.nextDeadline(_pace, responseBlocks);
        opened.deadline = uint64(deadline);
        opened.baseFee = block.basefee;
        opened.bond = bond;
        opened.challenger = msg.sender;
        _challenges[id] = keccak256(abi.encode(opened));
        openCount[opened.operator] += 1;
        emit Opened(id, opened.operator, key, opened);
        if (msg.value > bond) _pay(msg.sender, msg.value - bond);
    }

    /// @inheritdoc IDAChallenges
    function answer(Challenge calldata opened, Answer calldata proof) external nonReentrant {
        _checkOpen(opened);
        if (block.number <= opened.openedBlock + ChallengeTerms.DRAW_DELAY) revert NotDrawnYet(opened.openedBlock);
        if (block.number > opened.deadline) revert PastDeadline(opened.deadline);
        BlobHeader calldata header = opened.header;
        bytes32 leaf = PieceProof.rowLeaf(proof.piece, pieceOf(opened), header.rowSize, proof.piecePath);
        bytes32 key = RowAssignment.rowKey(
            address(entrance), header.epoch, header.quorum, registry.mixOf(header.epoch), header.commitment
        );
        uint256 row = RowAssignment.rowAt(key, header.shape, opened.position);
        bytes32 root = PieceProof.rowRoot(leaf, row, RowAssignment.rowsOf(header.shape), proof.rowPath);
        bytes32 actual = PieceProof.commitmentOf(header.shape, header.rowSize, root, proof.rlcRoot);
        if (actual != header.commitment) revert WrongCommitment(header.commitment, actual);

        delete _challenges[opened.id];
        openCount[opened.operator] -= 1;
        uint256 paid = ChallengeTerms.payOf(opened.baseFee, opened.bond);
        burned += opened.bond - paid;
        credits[opened.operator] += paid;
        emit Answered(opened.id, opened.operator, paid);
    }

    /// @inheritdoc IDAChallenges
    function fail(Challenge calldata opened) external nonReentrant {
        _checkOpen(opened);
        if (block.number <= opened.deadline) revert BeforeDeadline(opened.deadline);
        BlobHeader calldata header = opened.header;
        IDARegistry.Member memory who = registry.memberOf(header.epoch, header.quorum, opened.member);
        _challenges[opened.id] = FAILED;
        openCount[opened.operator] -= 1;
        credits[opened.challenger] += opened.bond;

        Failure storage failure = _failures[header.epoch][header.quorum][opened.member];
        if (failure.firstBlock == 0) {
            failure.firstBlock = uint64(block.number);
            failedWeight[header.epoch][header.quorum] += who.weight;
            dueCount[opened.operator] += 1;
        }
        uint256 slashed = 0;
        if (failure.firstSteps < FIRST_STEPS_MAX) {
            failure.firstSteps += 1;
            slashed = _firstStep(opened, who);
        }
        emit Failed(opened.id, opened.operator, slashed);
        entrance.forfeit(header, entrance.blobKeyOf(header), opened.member);
        registry.jail(opened.operator);
    }

    /// @inheritdoc IDAChallenges
    function correlate(uint256 epoch, uint256 quorum, uint256 member) external nonReentrant {
        Failure storage failure = _failures[epoch][quorum][member];
        if (failure.firstBlock == 0 || failure.isCorrelated) revert NothingToSettle(epoch, quorum, member);
        uint256 from = failure.firstBlock + correlationBlocks;
        if (block.number < from) revert NotYet(from);
        failure.isCorrelated = true;
        IDARegistry.Member memory who = registry.memberOf(epoch, quorum, member);
        dueCount[who.operator] -= 1;
        uint256 stake = _stakeOf(who.operator, epoch);
        uint256 scaled = CORRELATION_FACTOR * failedWeight[epoch][quorum];
        uint256 amount = scaled >= who.totalWeight ? stake : stake * scaled / who.totalWeight;
        uint256 slashed = vault.slash(address(registry), who.operator, amount, address(0), 0);
        emit Correlated(epoch, quorum, member, who.operator, slashed);
    }

    /// @inheritdoc IDAChallenges
    function declareLost(
        Batch calldata batch,
        uint16[] calldata absentees,
        BlobHeader calldata header,
        uint256 index,
        bytes32[] calldata blobProof,
        uint16[] calldata failed
    ) external {
        bytes32 key = _checkBlob(batch, absentees, header, index, blobProof);
        uint256 left = RowAssignment.rowsOf(header.shape);
        uint256 needed = left / 4;
        // Both lists rise strictly: `absentees` because the certificate's do, `failed` is checked. None counts twice.
        for (uint256 i = 0; i < absentees.length; ++i) left -= _rowCount(header, absentees[i]);
        for (uint256 i = 0; i < failed.length; ++i) {
            bool isRising = i == 0 || failed[i] > failed[i - 1];
            if (!isRising || _failures[header.epoch][header.quorum][failed[i]].firstBlock == 0) {
                revert MemberDidNotFail(failed[i]);
            }
            _checkPresent(absentees, failed[i]);
            left -= _rowCount(header, failed[i]);
        }
        if (left >= needed) revert NotLost(left, needed);
        _lost[key] = true;
        emit Lost(key);
    }

    /* ----------------------------------------------------- payments ---------------------------------------------------- */

    /// @notice Pays out what `account` was credited; anyone may trigger it.
    function withdraw(address account) external nonReentrant {
        uint256 amount = credits[account];
        if (amount == 0) revert NothingToWithdraw(account);
        credits[account] = 0;
        emit Withdrawn(account, amount);
        _pay(account, amount);
    }

    /// @notice Sends what was burned to an address nobody has the key of; anyone may trigger it.
    function flushBurned() external nonReentrant {
        uint256 amount = burned;
        if (amount == 0) revert NothingToWithdraw(GRAVE);
        burned = 0;
        _pay(GRAVE, amount);
    }

    /* ------------------------------------------------------ views ------------------------------------------------------ */

    /// @notice Bond of the next challenge against `operator`: it doubles with every fourth one that is open. There is no cap on
    /// their number and no part for the member beyond its cost, or challenging oneself would be a shield.
    function bondFor(address operator) public view returns (uint256) {
        return ChallengeTerms.bondFor(block.basefee, minBond, openCount[operator]);
    }

    /// @notice Piece that an open challenge asks for; reverts before the draw.
    function pieceOf(Challenge calldata opened) public view returns (uint256) {
        bytes32 hash = BlockHash.hashOf(opened.openedBlock + ChallengeTerms.DRAW_DELAY);
        if (hash == 0) revert NotDrawnYet(opened.openedBlock);
        return uint256(keccak256(abi.encode(hash, opened.id))) % PieceProof.pieceCount(opened.header.rowSize);
    }

    /// @inheritdoc IDAChallenges
    function isLost(bytes32 blobKey) external view returns (bool) {
        return _lost[blobKey];
    }

    /// @inheritdoc IDAChallenges
    function lockOf(address operator) external view returns (uint256) {
        return openCount[operator] + dueCount[operator] == 0 ? 0 : type(uint256).max;
    }

    function failureOf(uint256 epoch, uint256 quorum, uint256 member) external view returns (Failure memory) {
        return _failures[epoch][quorum][member];
    }

    function challengeHash(bytes32 id) external view returns (bytes32) {
        return _challenges[id];
    }

    /* ----------------------------------------------------- internal ---------------------------------------------------- */

    /// A confirmed, paid blob of a confirmed batch; `absentees` are the certificate's.
    function _checkBlob(
        Batch calldata batch,
        uint16[] calldata absentees,
        BlobHeader calldata header,
        uint256 index,
        bytes32[] calldata blobProof
    ) private view returns (bytes32 key) {
        bytes32 hash = Certificates.batchHash(batch);
        (bytes32 absenteesHash, bool isPaid) = entrance.leafOf(hash, index);
        if (absenteesHash == 0 || absenteesHash != keccak256(abi.encode(absentees))) revert NotConfirmed(hash);
        key = Certificates.blobKey(header, address(entrance));
        if (!Certificates.isLeafOf(batch.root, batch.blobs, index, key, blobProof)) revert NotInBatch(key);
        // A paid header's epoch, quorum, expiry, shape and row size were checked when it was charged.
        if (!isPaid) revert Unpaid(key);
    }

    function _checkPresent(uint16[] calldata absentees, uint256 member) private pure {
        for (uint256 i = 0; i < absentees.length; ++i) {
            if (absentees[i] == member) revert MemberAbsent(member);
        }
    }

    function _checkPosition(BlobHeader calldata header, uint256 member, uint256 position)
        private
        view
        returns (address operator)
    {
        IDARegistry.Member memory who = registry.memberOf(header.epoch, header.quorum, member);
        (uint256 start, uint256 end) = RowAssignment.positions(
            RowAssignment.rowsOf(header.shape), who.weightBefore, who.weight, who.totalWeight
        );
        if (position < start || position >= end) revert NotItsPosition(position, start, end);
        return who.operator;
    }

    function _rowCount(BlobHeader calldata header, uint256 member) private view returns (uint256) {
        IDARegistry.Member memory who = registry.memberOf(header.epoch, header.quorum, member);
        (uint256 start, uint256 end) = RowAssignment.positions(
            RowAssignment.rowsOf(header.shape), who.weightBefore, who.weight, who.totalWeight
        );
        return end - start;
    }

    function _checkOpen(Challenge calldata opened) private view {
        bytes32 hash = keccak256(abi.encode(opened));
        if (_challenges[opened.id] != hash) revert UnknownChallenge(opened.id);
    }

    function _firstStep(Challenge calldata opened, IDARegistry.Member memory who) private returns (uint256) {
        uint256 amount = _stakeOf(opened.operator, opened.header.epoch) / FIRST_STEP_DIVISOR;
        uint256 fees = FEE_FACTOR * entrance.memberShare(opened.header, who.weight, who.totalWeight);
        if (fees > amount) amount = fees;
        uint256 reward = ChallengeTerms.rewardOf(amount, opened.baseFee, minBond);
        return vault.slash(address(registry), opened.operator, amount, opened.challenger, reward);
    }

    /// Stake at the epoch's snapshot: what the member's weight came from.
    function _stakeOf(address operator, uint256 epoch) private view returns (uint256) {
        return vault.stakeAt(operator, registry.snapshotBlock(epoch));
    }

    function _pay(address to, uint256 amount) private {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert PaymentFailed(to, amount);
    }
}
