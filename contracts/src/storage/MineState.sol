// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "../access/Governed.sol";
import {IFlow, MineContext} from "../interfaces/IFlow.sol";
import {IPoraMine, MineParameters} from "../interfaces/IPoraMine.sol";
import {BlockHash} from "../libraries/BlockHash.sol";
import {EpochRing} from "../libraries/EpochRing.sol";

/// @title MineState
/// @notice What `PoraMine` keeps, what of it can be asked, and who may change its settings.
/// @dev Nothing here checks or pays an answer.
abstract contract MineState is IPoraMine, Governed {
    /* ---------------------------------------------------- constants ---------------------------------------------------- */

    /// An id that answered within so many epochs counts as active.
    uint256 public constant ACTIVE_EPOCHS = EpochRing.EPOCHS;
    uint256 public constant TARGET_SUBMISSIONS_MAX = 1000;
    /// Version of the protocol; a node that knows another refuses to mine.
    uint64 public constant poraVersion = 1;

    address public immutable flow;
    address public immutable reward;
    address public immutable stakeVault;
    /// Wei of its operator's stake that every id reserves. Nothing of it is ever slashed: it prices identities.
    uint256 public immutable idBond;

    /* ----------------------------------------------------- storage ----------------------------------------------------- */

    /// One word: what every answer reads and writes.
    struct State {
        /// Zero until the first answer.
        uint48 lastMinedEpoch;
        /// Minable epochs of the flow at that time.
        uint48 minableEpochs;
        uint32 currentSubmissions;
        uint32 activeIds;
        /// When announced parameters may hold; zero when none are announced.
        uint40 announcedFrom;
        bool paused;
    }

    struct Miner {
        address beneficiary;
        /// Latest epoch with an answer; zero when it never answered.
        uint64 lastEpoch;
        /// Answers in that epoch.
        uint32 answers;
    }

    State internal _state;
    MineParameters internal _parameters;
    MineParameters internal _announced;
    uint256 internal _poraTarget;
    /// Target before the gap that led to the last mined epoch; zero when it followed none.
    uint256 internal _targetBeforeGap;
    uint256[4] internal _ring;
    mapping(bytes32 minerId => Miner) internal _miners;
    mapping(bytes32 minerId => address) public operatorOf;
    /// Low 64 bits of the qualities that an id answered with in its latest epoch, four to a word; overwritten in the next.
    mapping(bytes32 minerId => mapping(uint256 index => uint256)) internal _tags;

    event Paused(address account);
    event Unpaused(address account);

    error EnforcedPause();
    error ExpectedPause();

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
    ) Governed(admin, timelock_) {
        if (flow_ == address(0) || reward_ == address(0) || stakeVault_ == address(0)) revert ZeroAddress();
        (flow, reward, stakeVault, idBond) = (flow_, reward_, stakeVault_, idBond_);
        _checkParameters(parameters);
        if (difficulty < parameters.minDifficulty) revert InvalidParameters();
        _parameters = parameters;
        _poraTarget = type(uint256).max / difficulty;
    }

    /* ------------------------------------------------------ views ------------------------------------------------------ */

    function beneficiaries(bytes32 minerId) external view returns (address) {
        return _miners[minerId].beneficiary;
    }

    function minerOf(bytes32 minerId) external view returns (Miner memory) {
        return _miners[minerId];
    }

    /// @notice Target of the last mined epoch; what holds now is in `computeWorkerContext`.
    function poraTarget() external view returns (uint256) {
        return _poraTarget;
    }

    function targetBeforeGap() external view returns (uint256) {
        return _targetBeforeGap;
    }

    function currentParameters() external view returns (MineParameters memory) {
        return _parameters;
    }

    function announcedParameters() external view returns (MineParameters memory announced, uint256 effectiveFrom) {
        return (_announced, _state.announcedFrom);
    }

    function lastMinedEpoch() external view returns (uint256) {
        return _state.lastMinedEpoch;
    }

    function currentSubmissions() external view returns (uint256) {
        return _state.currentSubmissions;
    }

    /// @notice Ids that answered within `ACTIVE_EPOCHS` of the last mined epoch.
    function activeIds() external view returns (uint256) {
        return _state.activeIds;
    }

    function targetMineBlocks() external view returns (uint256) {
        return _parameters.targetMineBlocks;
    }

    function targetSubmissions() external view returns (uint256) {
        return _parameters.targetSubmissions;
    }

    function difficultyAdjustRatio() external view returns (uint256) {
        return _parameters.difficultyAdjustRatio;
    }

    function maxShards() external view returns (uint64) {
        return _parameters.maxShards;
    }

    function minDifficulty() external view returns (uint256) {
        return _parameters.minDifficulty;
    }

    function nSubtasks() external view returns (uint256) {
        return _parameters.subtaskCount;
    }

    function subtaskInterval() external view returns (uint256) {
        return _parameters.subtaskInterval;
    }

    function paused() external view returns (bool) {
        return _state.paused;
    }

    /// @notice Whether the epoch takes further answers.
    function canSubmit() external returns (bool) {
        MineContext memory context = IFlow(flow).makeContextWithResult();
        return !_state.paused
            && (context.epoch > _state.lastMinedEpoch
                || _state.currentSubmissions < 2 * uint256(_parameters.targetSubmissions));
    }

    /* ---------------------------------------------------- governance --------------------------------------------------- */

    /// @notice Announces parameters; they hold from the first mined epoch that begins `timelock` seconds later.
    function announceParameters(MineParameters calldata next) external onlyRole(PARAMS_ADMIN_ROLE) {
        _checkParameters(next);
        _announced = next;
        _state.announcedFrom = uint40(block.timestamp + timelock);
        emit ParametersAnnounced(next, block.timestamp + timelock);
    }

    /// @notice Stops answers. Rewards stay withdrawable, ids can be retired.
    function pause() external onlyRole(PAUSER_ROLE) {
        if (_state.paused) revert EnforcedPause();
        _state.paused = true;
        emit Paused(msg.sender);
    }

    function unpause() external onlyRole(PAUSER_ROLE) {
        if (!_state.paused) revert ExpectedPause();
        _state.paused = false;
        emit Unpaused(msg.sender);
    }

    function _checkParameters(MineParameters memory next) private view {
        bool valid = next.targetMineBlocks != 0 && next.targetMineBlocks <= BlockHash.REACH
            && next.targetSubmissions != 0 && next.targetSubmissions <= TARGET_SUBMISSIONS_MAX
            && next.difficultyAdjustRatio != 0 && next.subtaskCount != 0 && next.minDifficulty != 0
            && next.maxShards != 0 && next.maxShards & (next.maxShards - 1) == 0
            && (next.subtaskCount == 1 || next.subtaskInterval != 0)
            && uint256(next.subtaskCount - 1) * next.subtaskInterval + next.targetMineBlocks + 1
                < IFlow(flow).blocksPerEpoch();
        if (!valid) revert InvalidParameters();
    }
}
