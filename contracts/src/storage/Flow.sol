// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "../access/Governed.sol";
import {
    EpochRange,
    EpochRangeWithContextDigest,
    IFlow,
    MineContext,
    Submission,
    SubmissionData,
    SubmissionNode
} from "../interfaces/IFlow.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {BlockHash} from "../libraries/BlockHash.sol";
import {FlowTree} from "../libraries/FlowTree.sol";

/// @title Flow
/// @notice The ordered, append-only log of everything stored (see IFlow).
/// @dev Immutable; wired in the constructor, so nobody can initialise it first. Where clients match a revert string the string stays.
contract Flow is IFlow, Governed {
    using FlowTree for FlowTree.Frontier;

    /* ---------------------------------------------------- constants ---------------------------------------------------- */

    bytes32 public constant EMPTY_HASH = keccak256("");
    uint256 public constant MAX_DEPTH = 64;
    /// Files per `batchSubmit`; 0G's Go client sends 10.
    uint256 public constant BATCH_MAX = 100;
    /// Gas that a call must bring, whatever the state: contexts that fall due, a tree that another submission moved. An
    /// estimate made in one block then suffices in the next. What is left over is not spent.
    uint256 public constant CALL_GAS_MIN = 450_000;
    uint256 public constant SUBMISSION_GAS_MIN = 150_000;
    /// Sectors of the smallest flow that can be mined: one load.
    uint256 private constant SECTORS_PER_LOAD = 1024;
    /// Flow roots kept by epoch.
    uint256 public constant ROOT_HISTORY = 1000;

    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant SUBMIT_TYPE =
        keccak256("Submit(bytes32 identity,uint256 length,uint256 nonce,uint256 deadline)");

    address public immutable market;
    /// @inheritdoc IFlow
    uint256 public immutable blocksPerEpoch;
    uint256 public immutable firstBlock;
    uint256 public constant deployDelay = 0;

    /* ----------------------------------------------------- storage ----------------------------------------------------- */

    /// One word: what every submission reads and writes.
    struct Cursor {
        uint64 length;
        uint64 submissionIndex;
        uint64 epoch;
        bool paused;
        uint48 minableEpochs;
    }

    Cursor private _cursor;
    uint128 private _epochStart;
    MineContext private _context;
    mapping(uint256 level => bytes32) private _frontier;
    mapping(uint256 txSeq => bytes32) private _rootByTxSeq;
    mapping(bytes32 digest => EpochRange) private _epochRanges;
    EpochRangeWithContextDigest[] private _epochHistory;
    bytes32[ROOT_HISTORY] private _rootRing;
    mapping(address submitter => mapping(address operator => bool)) public isApproved;
    mapping(address submitter => uint256) public nonces;
    mapping(address payer => uint256) public refunds;
    uint256 private transient _entered;

    event Paused(address account);
    event Unpaused(address account);

    error GasReserve(uint256 left, uint256 required);
    error EnforcedPause();
    error ExpectedPause();
    error Reentered();

    /* --------------------------------------------------- construction -------------------------------------------------- */

    constructor(address market_, uint256 blocksPerEpoch_, uint256 firstBlock_, address admin, uint256 timelock_)
        Governed(admin, timelock_)
    {
        if (market_ == address(0)) revert ZeroAddress();
        require(blocksPerEpoch_ > 0, "blocksPerEpoch");
        market = market_;
        blocksPerEpoch = blocksPerEpoch_;
        firstBlock = firstBlock_ == 0 ? block.number : firstBlock_;
        _cursor.length = 1;
        _context = MineContext(0, firstBlock, bytes32(0), 1, EMPTY_HASH, EMPTY_HASH);
    }

    modifier nonReentrant() {
        if (_entered != 0) revert Reentered();
        _entered = 1;
        _;
        _entered = 0;
    }

    /* ---------------------------------------------------- submitting --------------------------------------------------- */

    /// @inheritdoc IFlow
    function submit(Submission calldata submission)
        external
        payable
        nonReentrant
        returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 length)
    {
        _authorize(submission.submitter);
        return _submitOne(submission.data, submission.submitter);
    }

    /// @inheritdoc IFlow
    function submit(SubmissionData calldata data)
        external
        payable
        nonReentrant
        returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 length)
    {
        return _submitOne(data, msg.sender);
    }

    /// @inheritdoc IFlow
    function submitBySig(Submission calldata submission, uint256 deadline, bytes calldata signature)
        external
        payable
        nonReentrant
        returns (uint256 index, bytes32 digest, uint256 startIndex, uint256 length)
    {
        if (block.timestamp > deadline) revert SignatureExpired(deadline, block.timestamp);
        address submitter = submission.submitter;
        bytes32 structHash = keccak256(
            abi.encode(
                SUBMIT_TYPE, _identity(submission.data.nodes), submission.data.length, nonces[submitter]++, deadline
            )
        );
        address signer = _recover(keccak256(abi.encodePacked("\x19\x01", domainSeparator(), structHash)), signature);
        if (signer == address(0) || signer != submitter) revert InvalidSignature(signer, submitter);
        return _submitOne(submission.data, submitter);
    }

    /// @inheritdoc IFlow
    function batchSubmit(Submission[] calldata submissions)
        external
        payable
        nonReentrant
        returns (uint256[] memory, bytes32[] memory, uint256[] memory, uint256[] memory)
    {
        uint256 count = submissions.length;
        Batch memory batch = _openBatch(count);
        for (uint256 i = 0; i < count; ++i) {
            _authorize(submissions[i].submitter);
            _addToBatch(batch, i, submissions[i].data, submissions[i].submitter);
        }
        return _closeBatch(batch);
    }

    /// @inheritdoc IFlow
    function batchSubmit(SubmissionData[] calldata datas)
        external
        payable
        nonReentrant
        returns (uint256[] memory, bytes32[] memory, uint256[] memory, uint256[] memory)
    {
        uint256 count = datas.length;
        Batch memory batch = _openBatch(count);
        for (uint256 i = 0; i < count; ++i) {
            _addToBatch(batch, i, datas[i], msg.sender);
        }
        return _closeBatch(batch);
    }

    /// @notice Lets `operator` submit in the caller's name, or no longer.
    function approveSubmitter(address operator, bool approved) external {
        isApproved[msg.sender][operator] = approved;
        emit SubmitterApproval(msg.sender, operator, approved);
    }

    /// @notice Pays out a refund that could not be pushed. Works while paused.
    function withdrawRefund(address payable to) external nonReentrant {
        uint256 amount = refunds[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        refunds[msg.sender] = 0;
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert RefundFailed(to, amount);
    }

    /* ----------------------------------------------------- contexts ---------------------------------------------------- */

    /// @notice Makes every context that is due.
    function makeContext() external {
        _makeContexts(type(uint256).max);
    }

    /// @notice Makes at most `count` contexts.
    function makeContextFixedTimes(uint256 count) external {
        _makeContexts(count);
    }

    /// @inheritdoc IFlow
    function makeContextWithResult() external returns (MineContext memory) {
        _makeContexts(type(uint256).max);
        return _context;
    }

    /// @inheritdoc IFlow
    function contextForAnswer(bytes32 sealedContextDigest)
        external
        returns (MineContext memory, EpochRange memory, uint256)
    {
        _makeContexts(type(uint256).max);
        return (_context, _epochRanges[sealedContextDigest], _cursor.minableEpochs);
    }

    /// @notice The recorded range that holds `position`.
    function queryContextAtPosition(uint128 position) external returns (EpochRangeWithContextDigest memory range) {
        _makeContexts(type(uint256).max);
        require(position < _cursor.length, "Queried position exceeds upper bound");
        uint256 low = 0;
        uint256 high = _epochHistory.length;
        while (low < high) {
            uint256 mid = (low + high) / 2;
            if (_epochHistory[mid].end <= position) low = mid + 1;
            else high = mid;
        }
        require(low < _epochHistory.length, "Can not find proper context");
        return _epochHistory[low];
    }

    /* ------------------------------------------------------ views ------------------------------------------------------ */

    function epoch() external view returns (uint256) {
        return _cursor.epoch;
    }

    /// @notice Epochs so far that could be mined (see `contextForAnswer`).
    function minableEpochs() external view returns (uint256) {
        return _cursor.minableEpochs;
    }

    function epochStartPosition() external view returns (uint128) {
        return _epochStart;
    }

    function submissionIndex() external view returns (uint256) {
        return _cursor.submissionIndex;
    }

    function numSubmissions() external view returns (uint256) {
        return _cursor.submissionIndex;
    }

    function paused() external view returns (bool) {
        return _cursor.paused;
    }

    /// @return currentLength sectors, placeholder included
    /// @return unstagedHeight always 0: every submission leaves the tree complete
    function tree() external view returns (uint256 currentLength, uint256 unstagedHeight) {
        return (_cursor.length, 0);
    }

    /// @notice This contract keeps the last 1000 epoch roots itself.
    function rootHistory() external view returns (address) {
        return address(this);
    }

    /// @notice Flow root at the start of epoch `index`, zero when it was overwritten or never made.
    function epochRoot(uint256 index) external view returns (bytes32) {
        if (index > _cursor.epoch || index + ROOT_HISTORY <= _cursor.epoch) return bytes32(0);
        return _rootRing[index % ROOT_HISTORY];
    }

    function getContext() external view returns (MineContext memory) {
        return _context;
    }

    function getEpochRange(bytes32 digest) external view returns (EpochRange memory) {
        return _epochRanges[digest];
    }

    function getEpochRangeHistory(uint256 index) external view returns (EpochRangeWithContextDigest memory) {
        return _epochHistory[index];
    }

    /// @inheritdoc IFlow
    function getFlowRootByTxSeq(uint256 txSeq) external view returns (bytes32) {
        return _rootByTxSeq[txSeq];
    }

    function computeFlowRoot() external view returns (bytes32) {
        return _currentRoot();
    }

    function domainSeparator() public view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPE, keccak256("Cairn Flow"), keccak256("1"), block.chainid, address(this))
        );
    }

    /* ---------------------------------------------------- governance --------------------------------------------------- */

    /// @notice Stops submissions. Contexts and refunds go on.
    function pause() external onlyRole(PAUSER_ROLE) {
        if (_cursor.paused) revert EnforcedPause();
        _cursor.paused = true;
        emit Paused(msg.sender);
    }

    function unpause() external onlyRole(PAUSER_ROLE) {
        if (!_cursor.paused) revert ExpectedPause();
        _cursor.paused = false;
        emit Unpaused(msg.sender);
    }

    /* ----------------------------------------------------- internal ---------------------------------------------------- */

    struct Batch {
        uint256[] indexes;
        bytes32[] digests;
        uint256[] starts;
        uint256[] lengths;
        uint256 fees;
        uint256 price;
    }

    function _submitOne(SubmissionData calldata data, address submitter)
        private
        returns (uint256 index, bytes32 digest, uint256 start, uint256 length)
    {
        uint256 price = _begin(1);
        uint256 fee;
        (index, digest, start, length, fee) = _place(data, submitter, price, msg.value);
        _refund(msg.value - fee);
    }

    function _openBatch(uint256 count) private returns (Batch memory batch) {
        if (count > BATCH_MAX) revert BatchTooLarge(count, BATCH_MAX);
        batch.price = _begin(count);
        batch.indexes = new uint256[](count);
        batch.digests = new bytes32[](count);
        batch.starts = new uint256[](count);
        batch.lengths = new uint256[](count);
    }

    function _addToBatch(Batch memory batch, uint256 i, SubmissionData calldata data, address submitter) private {
        uint256 fee;
        (batch.indexes[i], batch.digests[i], batch.starts[i], batch.lengths[i], fee) =
            _place(data, submitter, batch.price, msg.value - batch.fees);
        batch.fees += fee;
    }

    function _closeBatch(Batch memory batch)
        private
        returns (uint256[] memory, bytes32[] memory, uint256[] memory, uint256[] memory)
    {
        _refund(msg.value - batch.fees);
        return (batch.indexes, batch.digests, batch.starts, batch.lengths);
    }

    /// Checks that submitting is possible, makes due contexts, reads the price once.
    function _begin(uint256 count) private returns (uint256 price) {
        uint256 gasMin = CALL_GAS_MIN + count * SUBMISSION_GAS_MIN;
        if (gasleft() < gasMin) revert GasReserve(gasleft(), gasMin);
        if (_cursor.paused) revert EnforcedPause();
        require(block.number >= firstBlock, "Contract has not launched.");
        _makeContexts(type(uint256).max);
        return IMarket(market).pricePerSector();
    }

    function _place(SubmissionData calldata data, address submitter, uint256 price, uint256 available)
        private
        returns (uint256 index, bytes32 digest, uint256 start, uint256 sectors, uint256 fee)
    {
        sectors = _checkedSectors(data, submitter);
        fee = sectors * price;
        if (fee > available) revert NotEnoughFee(price, sectors, available);

        Cursor memory cursor = _cursor;
        index = cursor.submissionIndex;
        uint256 before = cursor.length;
        FlowTree.Frontier memory frontier = FlowTree.open(before);
        start = frontier.append(_frontier, data.nodes, sectors);
        _rootByTxSeq[index] = frontier.root(_frontier);
        frontier.save(_frontier);
        // Heights are below 64, but a flow never nears 2^64 sectors (4 ZiB): checked, not assumed.
        require(frontier.length <= type(uint64).max, "Flow is full");
        cursor.length = uint64(frontier.length);
        cursor.submissionIndex = uint64(index + 1);
        _cursor = cursor;

        digest = _identity(data.nodes);
        emit Submit(submitter, digest, index, start, sectors, data);
        IMarket(market).chargeFee{value: fee}(before, sectors, start - before);
    }

    /// Only the exact power-of-two decomposition of a file padded by less than 1/16 of the next power of two passes.
    function _checkedSectors(SubmissionData calldata data, address submitter) private pure returns (uint256 sectors) {
        SubmissionNode[] calldata nodes = data.nodes;
        uint256 count = nodes.length;
        require(submitter != address(0) && count > 0, "Invalid submission");
        uint256 first = nodes[0].height;
        uint256 previous = first;
        require(first < MAX_DEPTH, "Invalid submission");
        sectors = 1 << first;
        for (uint256 i = 1; i < count; ++i) {
            uint256 height = nodes[i].height;
            require(height < previous, "Invalid submission");
            sectors += 1 << height;
            previous = height;
        }
        require(first - previous < 4, "Invalid submission");
        uint256 below;
        if (sectors < 16) below = sectors - 1;
        else if (count == 1) below = sectors - sectors / 16;
        else below = sectors - (1 << (first - 3));
        require(data.length <= sectors * 256 && data.length > below * 256, "Invalid submission");
    }

    function _identity(SubmissionNode[] calldata nodes) private pure returns (bytes32) {
        bytes32[] memory roots = new bytes32[](nodes.length);
        for (uint256 i = 0; i < nodes.length; ++i) roots[i] = nodes[i].root;
        return keccak256(abi.encodePacked(roots));
    }

    function _authorize(address submitter) private view {
        if (submitter == msg.sender || submitter == address(0)) return; // zero is refused as "Invalid submission"
        if (!isApproved[submitter][msg.sender]) revert UnauthorizedSubmitter(submitter, msg.sender);
    }

    /// The last action of a submission. A payer that cannot take it withdraws it later.
    function _refund(uint256 surplus) private {
        if (surplus == 0) return;
        (bool ok,) = msg.sender.call{value: surplus}("");
        if (ok) return;
        refunds[msg.sender] += surplus;
        emit RefundCredited(msg.sender, surplus);
    }

    function _currentRoot() private view returns (bytes32) {
        uint256 count = _cursor.submissionIndex;
        return count == 0 ? bytes32(0) : _rootByTxSeq[count - 1];
    }

    /// Makes up to `limit` contexts. Epochs whose block hash is out of reach are skipped in one step: they cover nothing,
    /// so only the last of them is announced. Storage is written once, however many epochs passed.
    function _makeContexts(uint256 limit) private {
        uint256 last = _cursor.epoch;
        uint256 due = block.number <= firstBlock ? 0 : (block.number - firstBlock - 1) / blocksPerEpoch;
        if (due <= last || limit == 0) return;
        if (due - last > limit) due = last + limit;

        bytes32 flowRoot = _currentRoot();
        uint256 flowLength = _cursor.length;
        uint128 start = _epochStart;
        bytes32 blockDigest;
        bytes32 digest;
        uint256 oldest = block.number > BlockHash.REACH ? block.number - BlockHash.REACH : 0;
        uint256 next = last + 1;
        if (firstBlock + next * blocksPerEpoch < oldest) {
            // The last epoch that is still out of reach, at most the last one due.
            uint256 skipTo = (oldest - 1 - firstBlock) / blocksPerEpoch;
            next = skipTo > due ? due : skipTo;
        }
        uint256 minable = _cursor.minableEpochs;
        for (uint256 n = next; n <= due; ++n) {
            blockDigest = BlockHash.hashOf(firstBlock + n * blocksPerEpoch);
            if (blockDigest == bytes32(0)) {
                blockDigest = EMPTY_HASH;
                digest = EMPTY_HASH;
            } else {
                digest = keccak256(abi.encode(blockDigest, flowRoot, flowLength));
                if (flowLength >= SECTORS_PER_LOAD) ++minable;
                if (flowLength > start) {
                    _epochRanges[digest] = EpochRange(start, uint128(flowLength));
                    _epochHistory.push(EpochRangeWithContextDigest(start, uint128(flowLength), digest));
                    start = uint128(flowLength);
                }
            }
            _rootRing[n % ROOT_HISTORY] = flowRoot;
            emit NewEpoch(msg.sender, n, flowRoot, _cursor.submissionIndex, flowLength, digest);
        }
        _epochStart = start;
        _cursor.epoch = uint64(due);
        _cursor.minableEpochs = uint48(minable);
        _context = MineContext(due, firstBlock + due * blocksPerEpoch, flowRoot, flowLength, blockDigest, digest);
    }

    function _recover(bytes32 hash, bytes calldata signature) private pure returns (address) {
        if (signature.length != 65) return address(0);
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        // Upper half of the curve order would make the signature malleable.
        if (uint256(s) > 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0) return address(0);
        return ecrecover(hash, uint8(signature[64]), r, s);
    }
}
