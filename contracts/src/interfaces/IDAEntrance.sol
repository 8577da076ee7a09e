// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Batch, BlobHeader, Certificate} from "./DaTypes.sol";

/// @title IDAEntrance
/// @notice Certificates, payments and rewards of data availability (design/da-protocol.md sections 4 and 5).
interface IDAEntrance {
    /// Why a blob of a confirmed batch was not charged: its leaf counts as unpaid.
    enum Reject {
        None,
        Version,
        Shape,
        RowSize,
        WrongEpoch,
        WrongQuorum,
        WrongExpiry,
        BadSignature,
        SpentNonce,
        FeeAboveMax,
        LowBalance
    }

    event Deposited(address indexed account, address indexed from, uint256 amount);
    event WithdrawalRequested(address indexed account, uint256 amount, uint256 releaseBlock);
    event Withdrawn(address indexed account, uint256 amount);
    event SessionKeySet(address indexed account, address indexed key, uint256 until);
    event BatchConfirmed(bytes32 indexed batchHash, uint32 epoch, uint16 quorum, bytes32 root, uint32 blobs);
    /// 0G's shape; `dataRoot` is our commitment.
    event ErasureCommitmentVerified(bytes32 dataRoot, uint256 epoch, uint256 quorumId);
    event BlobCharged(bytes32 indexed blobKey, address indexed account, uint256 amount);
    event BlobRejected(bytes32 indexed blobKey, Reject reason);
    event LateSigners(bytes32 indexed batchHash, uint16[] members);
    event LapsedSettled(bytes32 indexed batchHash);
    event RewardClaimed(uint256 indexed epoch, uint256 quorum, uint256 member, address indexed operator, uint256 amount);
    event Forfeited(bytes32 indexed blobKey, uint256 member, uint256 amount);
    event PriceAnnounced(uint256 pricePerByteSecond, uint256 effectiveFrom);
    event PriceSet(uint256 pricePerByteSecond);

    error BadBatch(uint256 blobs, uint256 headers, uint256 authorizations);
    error WrongRoot(bytes32 expected, bytes32 actual);
    error OutsideConfirmWindow(uint256 referenceBlock, uint256 blockNumber);
    error BadExpiry(uint256 expiry, uint256 earliest, uint256 latest);
    error AlreadyConfirmed(bytes32 batchHash);
    error NotConfirmed(bytes32 batchHash);
    error NotEnoughWeight(uint256 present, uint256 total);
    error BadSignature();
    error BadAbsentees();
    error NotLapsed(bytes32 batchHash);
    error LateWindowOver(uint256 lastBlock);
    error NotEnoughGas(uint256 left, uint256 required);
    error NotVested(uint256 from);
    error AlreadyClaimed(uint256 epoch, uint256 quorum, uint256 member);
    error OnlyChallenges(address caller);
    error InsufficientBalance(uint256 wanted, uint256 available);
    error NotReleasable(uint256 releaseBlock);
    error NothingToWithdraw(address account);
    error PaymentFailed(address account, uint256 amount);
    error AnnouncedFor(uint256 effectiveFrom);

    /// @notice Adds to `account`'s prepaid balance.
    function deposit(address account) external payable;

    /// @notice Announces a withdrawal; members stop counting the amount at once, it can be taken after 2·CONFIRM_BLOCKS. A new
    /// request replaces the old one.
    function requestWithdrawal(uint256 amount) external;

    /// @notice Pays out the announced amount, or what is left of it.
    function completeWithdrawal() external;

    /// @notice Lets `key` authorize blobs for the caller until `until` (unix seconds); zero revokes.
    function setSessionKey(address key, uint256 until) external;

    /// @notice Confirms a batch: checks the certificate once, charges each header by itself. See the protocol for every check.
    function confirmBatch(
        Certificate calldata certificate,
        BlobHeader[] calldata headers,
        bytes[] calldata authorizations
    ) external;

    /// @notice Marks members present that signed late: within 2·CONFIRM_BLOCKS of the reference block. They answer for their rows
    /// and earn nothing: their part went back to the payer at confirmation.
    function addLate(
        Batch calldata batch,
        uint16[] calldata absentees,
        bytes32[8] calldata signature,
        uint16[] calldata members
    ) external;

    /// @notice Charges a tenth of the fee of a batch that a third of the weight signed and nobody confirmed in time.
    function settleLapsed(
        Certificate calldata certificate,
        BlobHeader[] calldata headers,
        bytes[] calldata authorizations
    ) external;

    /// @notice A lookup, not a signature check: 1 confirmed and paid; 2 undecided, the window is open; 3 malformed; 4 the header is not
    /// in the batch; 5 not paid; 6 never confirmed. From 3 on, and 1, for good. Any byte string gets a code.
    function checkCertificate(bytes calldata data) external view returns (uint8);

    /// @notice Whether the signature of a certificate verifies now: information for off-chain readers, no verdict. Reverts rather
    /// than answer when gas is short.
    function verifySignature(Certificate calldata certificate) external view returns (bool);

    /// @notice What a member earned in a quorum, once its epoch's obligations are over. Paid to the operator of its record.
    function claimReward(uint256 epoch, uint256 quorum, uint256 member) external;

    /// @notice Takes a failed member's part for one blob and gives it back to the payer.
    function forfeit(BlobHeader calldata header, bytes32 blobKey, uint256 member) external;

    function blobKeyOf(BlobHeader calldata header) external view returns (bytes32);

    /// @return absenteesHash `K(abi(absentees))` of a confirmed batch, zero otherwise
    /// @return isPaid whether leaf `index` was charged
    function leafOf(bytes32 batchHash, uint256 index) external view returns (bytes32 absenteesHash, bool isPaid);

    /// @return share wei that a member of `weight` of `totalWeight` gets for a confirmed blob
    function memberShare(BlobHeader calldata header, uint256 weight, uint256 totalWeight)
        external
        view
        returns (uint256 share);
}
