// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EpochRange, IFlow, MineContext} from "../interfaces/IFlow.sol";
import {IPoraMine, MineParameters, PoraAnswer, RecallRange, WorkerContext} from "../interfaces/IPoraMine.sol";
import {IReward} from "../interfaces/IReward.sol";
import {IStakedService} from "../interfaces/IStakedService.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {BlockHash} from "../libraries/BlockHash.sol";
import {Difficulty} from "../libraries/Difficulty.sol";
import {EpochRing} from "../libraries/EpochRing.sol";
import {Pora} from "../libraries/Pora.sol";
import {Recall} from "../libraries/Recall.sol";
import {Seal} from "../libraries/Seal.sol";
import {MineState} from "./MineState.sol";

/// @title PoraMine
/// @notice Checks proofs of random access and has them paid (see IPoraMine).
/// @dev Immutable; wired in the constructor. Accepts what 0G's contract accepts of honest miners; a seal lies in the recalled
/// load, the load strictly in the range, a proof has exactly one length, and difficulty moves over epochs that nobody
/// answered. PoRA pays for fast access to one copy of the data: sealing prices further copies, receipts guarantee them.
contract PoraMine is MineState, IStakedService {
    using EpochRing for uint256[4];
    using Recall for RecallRange;

    /* ---------------------------------------------------- constants ---------------------------------------------------- */

    bytes32 private constant EMPTY_HASH = keccak256("");
    uint256 private constant SECTORS_PER_SEAL = 16;
    uint256 private constant SEALS_PER_LOAD = 64;
    uint256 private constant SEAL_HEIGHT = 4;
    /// Upstream accepts `computeWorkerContext` from this caller only, so miners send it. Ours changes nothing but contexts that
    /// are due, hence needs no such check.
    address public constant computeWorkerContextCaller = address(0x0A);

    /* --------------------------------------------------- construction -------------------------------------------------- */

    constructor(
        address flow_,
        address reward_,
        address stakeVault_,
        uint256 idBond_,
        uint256 difficulty,
        MineParameters memory parameters,
        address admin,
        uint256 timelock_
    ) MineState(flow_, reward_, stakeVault_, idBond_, difficulty, parameters, admin, timelock_) {}

    /* ------------------------------------------------------ mining ----------------------------------------------------- */

    /// @inheritdoc IPoraMine
    /// @dev Nothing is called after effects but the reward, which credits and calls nobody.
    function submit(PoraAnswer calldata answer) external {
        State memory state = _state;
        if (state.paused) revert EnforcedPause();
        Miner memory miner = _miners[answer.minerId];
        // The zero id is registered by nobody.
        if (miner.beneficiary == address(0)) revert UnknownMinerId(answer.minerId);

        (MineContext memory context, EpochRange memory sealRange, uint256 minable) =
            IFlow(flow).contextForAnswer(answer.sealedContextDigest);
        if (context.digest == EMPTY_HASH) revert EmptyContext(context.epoch);
        if (answer.contextDigest != context.digest) revert ContextMismatch(context.digest, answer.contextDigest);

        // Such an epoch is not counted as minable, which `_enterEpoch` relies on.
        if (context.flowLength < Recall.SECTORS_PER_LOAD) revert RangeEmpty(context.flowLength);

        MineParameters memory parameters = _parameters;
        uint256 target = _poraTarget;
        if (context.epoch != state.lastMinedEpoch) {
            target = _enterEpoch(state, parameters, target, context.epoch, minable);
        }
        if (state.currentSubmissions >= 2 * uint256(parameters.targetSubmissions)) {
            revert EpochFull(context.epoch, state.currentSubmissions);
        }
        if (miner.lastEpoch != context.epoch) miner.answers = 0;
        uint256 cap = _capPerId(state.activeIds, parameters.targetSubmissions);
        if (miner.answers >= cap) revert MinerIdCapReached(answer.minerId, cap);

        uint256 quality = _checkAnswer(answer, context, sealRange, parameters, target);
        _rejectReplay(answer.minerId, miner.answers, quality);

        state.activeIds += uint32(_ring.move(miner.lastEpoch, context.epoch));
        uint256 epochIndex = state.currentSubmissions++;
        _state = state;
        miner.lastEpoch = uint64(context.epoch);
        ++miner.answers;
        _miners[answer.minerId] = miner;
        emit NewSubmission(context.epoch, answer.minerId, epochIndex, answer.recallPosition);

        IReward(reward).claimMineReward(
            answer.recallPosition / Recall.SECTORS_PER_PRICING, payable(miner.beneficiary), answer.minerId
        );
    }

    /// @inheritdoc IPoraMine
    function computeWorkerContext(bytes32 minerId) external returns (WorkerContext memory work) {
        Miner memory miner = _miners[minerId];
        if (miner.beneficiary == address(0)) revert UnknownMinerId(minerId);
        uint256 minable;
        (work.context,, minable) = IFlow(flow).contextForAnswer(bytes32(0));
        State memory state = _state;
        MineParameters memory parameters = _parameters;
        work.maxShards = parameters.maxShards;
        bool isMinable = work.context.digest != EMPTY_HASH && work.context.flowLength >= Recall.SECTORS_PER_LOAD;
        if (state.paused || !isMinable) return work;

        uint256 target = _poraTarget;
        bool isNewEpoch = work.context.epoch != state.lastMinedEpoch;
        if (isNewEpoch) {
            if (_isAnnouncementDue(state)) parameters = _announced;
            (target,) = _nextTarget(state, parameters, _parameters, target, minable);
            // Ids that become inactive meanwhile raise the cap; counting them here would need the ring. Work may be offered late
            // by one answer, never wrongly.
            state.currentSubmissions = 0;
        }
        work.maxShards = parameters.maxShards;
        (uint256 start, uint256 end) = _subtask(work.context, minerId, parameters);
        if (block.number <= start || block.number > end) return work;
        bytes32 startHash = BlockHash.hashOf(start);
        if (startHash == bytes32(0)) return work;
        work.subtaskDigest = keccak256(abi.encode(work.context.digest, startHash));
        uint256 answers = miner.lastEpoch == work.context.epoch ? miner.answers : 0;
        bool isOpen = state.currentSubmissions < 2 * uint256(parameters.targetSubmissions)
            && answers < _capPerId(state.activeIds, parameters.targetSubmissions);
        if (isOpen) work.poraTarget = target;
    }

    /* ----------------------------------------------------- miner ids --------------------------------------------------- */

    /// @inheritdoc IPoraMine
    function requestMinerId(address beneficiary, uint64 seed) external payable {
        if (beneficiary == address(0)) revert ZeroAddress();
        bytes32 minerId = keccak256(abi.encodePacked(blockhash(block.number - 1), msg.sender, seed));
        if (operatorOf[minerId] != address(0)) revert MinerIdTaken(minerId);
        operatorOf[minerId] = msg.sender;
        _miners[minerId] = Miner(beneficiary, 0, 0);
        emit NewMinerId(minerId, beneficiary);
        IStakeVault(stakeVault).bond{value: msg.value}(msg.sender, idBond);
    }

    /// @inheritdoc IPoraMine
    function transferBeneficial(address to, bytes32 minerId) external {
        if (to == address(0)) revert ZeroAddress();
        if (_miners[minerId].beneficiary != msg.sender) revert NotBeneficiary(msg.sender, minerId);
        _miners[minerId].beneficiary = to;
        emit UpdateMinerId(minerId, msg.sender, to);
    }

    /// @inheritdoc IPoraMine
    /// @dev `operatorOf` stays, so that the id can never be registered again.
    function retireMinerId(bytes32 minerId) external {
        if (operatorOf[minerId] != msg.sender) revert NotOperator(msg.sender, minerId);
        Miner memory miner = _miners[minerId];
        if (miner.beneficiary == address(0)) revert UnknownMinerId(minerId);
        uint256 epoch = IFlow(flow).makeContextWithResult().epoch;
        if (miner.lastEpoch != 0 && epoch - miner.lastEpoch < ACTIVE_EPOCHS) {
            revert MinerIdActive(minerId, miner.lastEpoch);
        }
        delete _miners[minerId];
        emit MinerIdRetired(minerId, msg.sender);
        IStakeVault(stakeVault).unreserve(msg.sender, idBond);
    }

    /// @inheritdoc IStakedService
    /// @dev A bond is reserved, whatever else happens to the stake.
    function stakeChanged(address) external pure {}

    /// @inheritdoc IStakedService
    /// @dev The reservation itself keeps a bond in the vault.
    function lockedUntil(address) external pure returns (uint256) {
        return 0;
    }

    /* ----------------------------------------------------- internal ---------------------------------------------------- */

    /// Everything that the answer itself must satisfy; returns its quality.
    function _checkAnswer(
        PoraAnswer calldata answer,
        MineContext memory context,
        EpochRange memory sealRange,
        MineParameters memory parameters,
        uint256 target
    ) private view returns (uint256 quality) {
        uint256 shards = answer.range.check(context.flowLength, parameters.maxShards);
        uint256 sealOffset = answer.sealOffset;
        if (sealOffset >= SEALS_PER_LOAD) revert SealOffsetOutOfRange(sealOffset);

        uint256 recallSeed;
        (recallSeed, quality) = Pora.evaluate(
            answer.minerId,
            answer.nonce,
            _subtaskDigest(context, answer.minerId, parameters),
            answer.range.digest(),
            sealOffset,
            answer.sealedData
        );
        uint256 position = answer.range.loadStart(recallSeed) + sealOffset * SECTORS_PER_SEAL;
        if (answer.recallPosition != position) revert RecallPositionMismatch(position, answer.recallPosition);

        uint256 sealEnd = position + SECTORS_PER_SEAL;
        if (sealRange.start >= sealEnd || sealRange.end < sealEnd) {
            revert SealContextMismatch(answer.sealedContextDigest, sealRange.start, sealRange.end);
        }
        // The position lies below the flow's length: after so many siblings its index is zero, so there is nothing left to check.
        uint256 siblings = _height(context.flowLength) - SEAL_HEIGHT;
        if (answer.merkleProof.length != siblings) revert ProofLength(siblings, answer.merkleProof.length);
        bytes32 node = Seal.unsealedRoot(answer.minerId, answer.sealedContextDigest, position, answer.sealedData);
        bytes32 root = Seal.fold(node, position / SECTORS_PER_SEAL, answer.merkleProof);
        if (root != context.flowRoot) revert FlowRootMismatch(context.flowRoot, root);

        uint256 threshold = Recall.threshold(target, shards, context.flowLength);
        if (quality > threshold) revert QualityNotReached(quality, threshold);
    }

    function _subtask(MineContext memory context, bytes32 minerId, MineParameters memory parameters)
        private
        pure
        returns (uint256 start, uint256 end)
    {
        uint256 index = uint256(keccak256(abi.encode(context.digest, minerId))) % parameters.subtaskCount;
        start = context.mineStart + index * parameters.subtaskInterval;
        end = start + parameters.targetMineBlocks;
    }

    function _subtaskDigest(MineContext memory context, bytes32 minerId, MineParameters memory parameters)
        private
        view
        returns (bytes32)
    {
        (uint256 start, uint256 end) = _subtask(context, minerId, parameters);
        if (block.number <= start) revert SubtaskNotStarted(block.number, start);
        if (block.number > end) revert SubtaskEnded(block.number, end);
        bytes32 startHash = BlockHash.hashOf(start);
        if (startHash == bytes32(0)) revert BlockHashUnavailable(start);
        return keccak256(abi.encode(context.digest, startHash));
    }

    /// Closes the last mined epoch and opens `epoch`: target, parameters, active ids. `state` and `parameters` change in place.
    function _enterEpoch(
        State memory state,
        MineParameters memory parameters,
        uint256 target,
        uint256 epoch,
        uint256 minable
    ) private returns (uint256 nextTarget) {
        MineParameters memory past = parameters;
        if (_isAnnouncementDue(state)) {
            past = _parameters;
            MineParameters memory announced = _announced;
            parameters.targetMineBlocks = announced.targetMineBlocks;
            parameters.targetSubmissions = announced.targetSubmissions;
            parameters.difficultyAdjustRatio = announced.difficultyAdjustRatio;
            parameters.subtaskCount = announced.subtaskCount;
            parameters.subtaskInterval = announced.subtaskInterval;
            parameters.maxShards = announced.maxShards;
            parameters.minDifficulty = announced.minDifficulty;
            state.announcedFrom = 0;
            _parameters = announced;
            delete _announced;
            emit ParametersApplied(epoch, announced);
        }
        uint256 beforeGap;
        (nextTarget, beforeGap) = _nextTarget(state, parameters, past, target, minable);
        if (nextTarget != target) _poraTarget = nextTarget;
        if (beforeGap != 0 || _targetBeforeGap != 0) _targetBeforeGap = beforeGap;
        emit TargetAdjusted(epoch, nextTarget, minable - state.minableEpochs - 1);

        if (state.activeIds != 0) state.activeIds -= uint32(_ring.advance(state.lastMinedEpoch, epoch));
        state.lastMinedEpoch = uint48(epoch);
        state.minableEpochs = uint48(minable);
        state.currentSubmissions = 0;
    }

    /// The target for the epoch that follows `state`. The epoch that ends is judged by the parameters it had.
    function _nextTarget(
        State memory state,
        MineParameters memory parameters,
        MineParameters memory past,
        uint256 target,
        uint256 minable
    ) private view returns (uint256 nextTarget, uint256 beforeGap) {
        nextTarget = target;
        if (state.lastMinedEpoch != 0) {
            beforeGap = _targetBeforeGap;
            // An epoch that filled up right after a gap shows that the gap had relaxed too far.
            bool overran = beforeGap != 0 && state.currentSubmissions >= 2 * uint256(past.targetSubmissions);
            nextTarget = overran
                ? beforeGap
                : Difficulty.adjust(target, past.targetSubmissions, state.currentSubmissions, past.difficultyAdjustRatio);
        }
        uint256 easiest = type(uint256).max / parameters.minDifficulty;
        if (nextTarget > easiest) nextTarget = easiest;
        beforeGap = 0;
        // The present epoch is minable, or the caller would have returned: it counts itself.
        uint256 skipped = minable - state.minableEpochs - 1;
        if (skipped != 0) {
            beforeGap = nextTarget;
            nextTarget = Difficulty.relax(nextTarget, skipped);
            if (nextTarget > easiest) nextTarget = easiest;
        }
    }

    function _isAnnouncementDue(State memory state) private view returns (bool) {
        return state.announcedFrom != 0 && block.timestamp >= state.announcedFrom;
    }

    /// Answers that one id may give in an epoch: four times its even share, at least two.
    function _capPerId(uint256 active, uint256 wanted) private pure returns (uint256 cap) {
        cap = active == 0 ? 4 * wanted : (4 * wanted + active - 1) / active;
        if (cap < 2) cap = 2;
    }

    /// Compares with the qualities of the id's earlier answers in this epoch and records this one. Two of an id's answers that
    /// agree in 64 bits are taken for the same: one honest answer in 2^56 would have to be found again.
    function _rejectReplay(bytes32 minerId, uint256 answers, uint256 quality) private {
        uint256 tag = uint64(quality);
        mapping(uint256 index => uint256) storage tags = _tags[minerId];
        uint256 word = 0;
        for (uint256 i = 0; i < answers; ++i) {
            if (i % 4 == 0) word = tags[i / 4];
            if (uint64(word >> (64 * (i % 4))) == tag) revert AnswerReplayed(minerId, quality);
        }
        if (answers % 4 == 0) word = 0;
        tags[answers / 4] = word | (tag << (64 * (answers % 4)));
    }

    /// Height of a tree of `length` sectors: the least h with 2^h >= length, for lengths of at least one load.
    function _height(uint256 length) private pure returns (uint256 height) {
        uint256 rest = length - 1;
        for (uint256 step = 128; step != 0; step /= 2) {
            if (rest >> step != 0) {
                rest >>= step;
                height += step;
            }
        }
        ++height;
    }
}
