// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "../access/Governed.sol";
import {Batch, BlobHeader, Certificate, DaParameters} from "../interfaces/DaTypes.sol";
import {IDAChallenges} from "../interfaces/IDAChallenges.sol";
import {IDAEntrance} from "../interfaces/IDAEntrance.sol";
import {IDARegistry} from "../interfaces/IDARegistry.sol";
import {BLS12381} from "../libraries/BLS12381.sol";
import {Certificates} from "../libraries/Certificates.sol";
import {RowAssignment} from "../libraries/RowAssignment.sol";

/// @title DAEntrance
/// @notice Certificates, payments and rewards (see IDAEntrance).
/// @dev A certificate is checked once, when it is confirmed; afterwards only its hash is looked up. Money is counted here, never by
/// balance, and leaves by pull payment.
contract DAEntrance is IDAEntrance, Governed {
    /* ---------------------------------------------------- constants ---------------------------------------------------- */

    uint256 private constant VERSION = 0x11;
    uint256 private constant BPS = 10_000;
    uint256 public constant DISPERSER_BPS = 2000;
    uint256 public constant TREASURY_BPS = 500;
    /// A lapsed header costs a tenth.
    uint256 private constant LAPSED_DIVISOR = 10;
    uint256 public constant PRICE_CAP = 1e9;
    /// Fees of absent members are counted in units of 2^20 wei, four members to a word.
    uint256 private constant UNIT = 1 << 20;
    /// More than the pairing and the hash to the curve take: less must revert, or it would read as "invalid".
    uint256 private constant VERIFY_GAS = 170_000;
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant HEADER_TYPE = keccak256(
        "BlobHeader(uint8 version,uint8 shape,uint32 length,uint32 rowSize,bytes32 commitment,address account,"
        "address disperser,uint256 nonce,uint32 epoch,uint16 quorum,uint64 expiry,uint256 maxFee)"
    );
    bytes32 private constant NAME_HASH = keccak256("Cairn DA");
    bytes32 private constant DOMAIN_VERSION_HASH = keccak256("1");

    IDARegistry public immutable registry;
    IDAChallenges public immutable challenges;
    uint256 public immutable confirmBlocks;
    uint256 public immutable retentionSeconds;
    uint256 public immutable slackSeconds;
    address public immutable treasury;
    /// On another chain (a fork) it is computed anew.
    bytes32 private immutable _domainSeparator;
    uint256 private immutable _chainId;

    /* ----------------------------------------------------- storage ----------------------------------------------------- */

    struct Account {
        uint96 balance;
        uint96 pending; // part of the balance that leaves at releaseBlock
        uint64 releaseBlock;
    }

    /// One word per quorum of an epoch.
    struct Ledger {
        uint64 pool; // UNITs, absent members' parts included
        uint128 treasury; // wei
        uint64 price; // per byte and second, fixed by the first batch of the quorum
    }

    mapping(address account => Account) public accounts;
    mapping(address account => mapping(uint256 word => uint256)) private _nonces;
    mapping(address account => mapping(address key => uint256)) public sessionKeyUntil;
    mapping(bytes32 batchHash => bytes32) public certOf;
    mapping(bytes32 batchHash => uint256) private _unpaid;
    mapping(bytes32 batchHash => bool) public isSettled;
    mapping(bytes32 key => bool) private _commitments;
    mapping(uint256 epoch => mapping(uint256 quorum => Ledger)) private _ledgers;
    mapping(uint256 epoch => mapping(uint256 quorum => mapping(uint256 word => uint256))) private _absent;
    mapping(uint256 epoch => mapping(uint256 quorum => mapping(uint256 member => uint256))) private _forfeits;
    /// K(blobKey, member)
    mapping(bytes32 key => bool) private _isForfeited;
    mapping(uint256 epoch => mapping(uint256 quorum => mapping(uint256 word => uint256))) private _claims;
    mapping(address account => uint256) public credits;
    uint64 public pricePerByteSecond;
    uint64 public announcedPrice;
    uint64 public announcedFrom;

    /* --------------------------------------------------- construction -------------------------------------------------- */

    constructor(
        DaParameters memory p,
        uint64 price,
        address registry_,
        address challenges_,
        address treasury_,
        address admin,
        uint256 timelock_
    ) Governed(admin, timelock_) {
        if (registry_ == address(0) || challenges_ == address(0) || treasury_ == address(0)) revert ZeroAddress();
        if (price > PRICE_CAP) revert AboveCap(price, PRICE_CAP);
        registry = IDARegistry(registry_);
        challenges = IDAChallenges(challenges_);
        confirmBlocks = p.confirmBlocks;
        retentionSeconds = p.retentionSeconds;
        slackSeconds = uint256(p.confirmBlocks) * p.blockSeconds + 60;
        treasury = treasury_;
        pricePerByteSecond = price;
        _chainId = block.chainid;
        _domainSeparator = _separator();
    }

    /* ----------------------------------------------------- accounts ---------------------------------------------------- */

    /// @inheritdoc IDAEntrance
    function deposit(address account) external payable {
        if (account == address(0)) revert ZeroAddress();
        uint256 balance = accounts[account].balance + msg.value;
        if (balance > type(uint96).max) revert AboveCap(balance, type(uint96).max);
        accounts[account].balance = uint96(balance);
        emit Deposited(account, msg.sender, msg.value);
    }

    /// @inheritdoc IDAEntrance
    function requestWithdrawal(uint256 amount) external {
        Account storage account = accounts[msg.sender];
        if (amount > account.balance) revert InsufficientBalance(amount, account.balance);
        // Headers that members accepted before stay payable: each counts for CONFIRM_BLOCKS.
        uint256 releaseBlock = block.number + 2 * confirmBlocks;
        account.pending = uint96(amount);
        account.releaseBlock = uint64(releaseBlock);
        emit WithdrawalRequested(msg.sender, amount, releaseBlock);
    }

    /// @inheritdoc IDAEntrance
    function completeWithdrawal() external {
        Account storage account = accounts[msg.sender];
        uint256 amount = account.pending;
        if (amount > account.balance) amount = account.balance; // headers were charged meanwhile
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        if (block.number < account.releaseBlock) revert NotReleasable(account.releaseBlock);
        account.pending = 0;
        account.balance -= uint96(amount);
        emit Withdrawn(msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @inheritdoc IDAEntrance
    function setSessionKey(address key, uint256 until) external {
        sessionKeyUntil[msg.sender][key] = until;
        emit SessionKeySet(msg.sender, key, until);
    }

    /// @notice Pays out what `account` was credited (dispersers, treasury, members); anyone may trigger it.
    function withdrawCredit(address account) external {
        uint256 amount = credits[account];
        if (amount == 0) revert NothingToWithdraw(account);
        credits[account] = 0;
        emit Withdrawn(account, amount);
        _pay(account, amount);
    }

    /* --------------------------------------------------- certificates -------------------------------------------------- */

    /// @inheritdoc IDAEntrance
    function confirmBatch(
        Certificate calldata certificate,
        BlobHeader[] calldata headers,
        bytes[] calldata authorizations
    ) external {
        Batch calldata batch = certificate.batch;
        bytes32[] memory keys = _checkBlobs(batch, headers, authorizations);
        if (batch.referenceBlock >= block.number || block.number > batch.referenceBlock + confirmBlocks) {
            revert OutsideConfirmWindow(batch.referenceBlock, block.number);
        }
        uint256 latest = block.timestamp + retentionSeconds;
        if (batch.expiry > latest || batch.expiry + slackSeconds < latest) {
            revert BadExpiry(batch.expiry, latest - slackSeconds, latest);
        }
        bytes32 hash = Certificates.batchHash(batch);
        if (certOf[hash] != 0) revert AlreadyConfirmed(hash);
        IDARegistry.Signers memory set = _checkSignature(certificate, 2);
        if (batch.expiry > set.obligationEnd) revert BadExpiry(batch.expiry, latest - slackSeconds, set.obligationEnd);
        certOf[hash] = keccak256(abi.encode(certificate.absentees));
        uint256 unpaid = _charge(batch, headers, authorizations, keys, set, certificate.absentees, 1);
        if (unpaid != 0) _unpaid[hash] = unpaid;
        emit BatchConfirmed(hash, batch.epoch, batch.quorum, batch.root, batch.blobs);
    }

    /// @inheritdoc IDAEntrance
    function settleLapsed(
        Certificate calldata certificate,
        BlobHeader[] calldata headers,
        bytes[] calldata authorizations
    ) external {
        Batch calldata batch = certificate.batch;
        bytes32 hash = Certificates.batchHash(batch);
        bool isOver = block.number > batch.referenceBlock + confirmBlocks;
        if (!isOver || certOf[hash] != 0 || isSettled[hash]) revert NotLapsed(hash);
        bytes32[] memory keys = _checkBlobs(batch, headers, authorizations);
        IDARegistry.Signers memory set = _checkSignature(certificate, 1);
        isSettled[hash] = true;
        _charge(batch, headers, authorizations, keys, set, certificate.absentees, LAPSED_DIVISOR);
        emit LapsedSettled(hash);
    }

    /// @inheritdoc IDAEntrance
    function addLate(
        Batch calldata batch,
        uint16[] calldata absentees,
        bytes32[8] calldata signature,
        uint16[] calldata members
    ) external {
        bytes32 hash = Certificates.batchHash(batch);
        if (certOf[hash] == 0) revert NotConfirmed(hash);
        if (certOf[hash] != keccak256(abi.encode(absentees))) revert BadAbsentees();
        uint256 lastBlock = batch.referenceBlock + 2 * confirmBlocks;
        if (block.number > lastBlock) revert LateWindowOver(lastBlock);
        uint16[] memory left = _without(absentees, members);
        // The key of the late ones: everybody's without everybody else's.
        uint16[] memory others = _complement(members, registry.memberCount(batch.epoch, batch.quorum));
        IDARegistry.Signers memory set = registry.signers(batch.referenceBlock, batch.epoch, batch.quorum, others);
        if (!BLS12381.verify(set.key, Certificates.attestMessage(batch, address(this)), signature)) {
            revert BadSignature();
        }
        certOf[hash] = keccak256(abi.encode(left));
        emit LateSigners(hash, members);
    }

    /// @inheritdoc IDAEntrance
    /// @dev Storage reads and opcodes only: no inner call whose failure could be lack of gas, so gas never makes a verdict.
    function checkCertificate(bytes calldata data) external view returns (uint8) {
        (bool isWellFormed, bool isLeaf, bytes32 hash, uint256 referenceBlock, uint256 index) =
            Certificates.readLookup(data, address(this));
        if (!isWellFormed) return 3;
        if (!isLeaf) return 4;
        if (certOf[hash] != 0) return _unpaid[hash] >> index & 1 == 0 ? 1 : 5;
        // No overflow: a word of a lookup that holds a block number has 64 bits.
        return block.number <= referenceBlock + confirmBlocks ? 2 : 6;
    }

    /// @inheritdoc IDAEntrance
    function verifySignature(Certificate calldata certificate) external view returns (bool) {
        Batch calldata batch = certificate.batch;
        IDARegistry.Signers memory set =
            registry.signers(batch.referenceBlock, batch.epoch, batch.quorum, certificate.absentees);
        uint256 left = gasleft();
        if (left / 64 * 63 < VERIFY_GAS + 10_000) revert NotEnoughGas(left, VERIFY_GAS + 10_000);
        return 3 * set.present >= 2 * set.total
            && BLS12381.verify(set.key, Certificates.attestMessage(batch, address(this)), certificate.signature);
    }

    /* ----------------------------------------------------- rewards ----------------------------------------------------- */

    /// @inheritdoc IDAEntrance
    function claimReward(uint256 epoch, uint256 quorum, uint256 member) external {
        IDARegistry.Member memory who = registry.memberOf(epoch, quorum, member);
        uint256 from = registry.epochLockedUntil(epoch);
        uint256 disputed = challenges.lockOf(who.operator);
        if (disputed > from) from = disputed;
        if (block.timestamp < from) revert NotVested(from);
        uint256 bit = 1 << (member % 256);
        uint256 claimed = _claims[epoch][quorum][member / 256];
        if (claimed & bit != 0) revert AlreadyClaimed(epoch, quorum, member);
        _claims[epoch][quorum][member / 256] = claimed | bit;
        uint256 amount = _earned(epoch, quorum, member, who);
        emit RewardClaimed(epoch, quorum, member, who.operator, amount);
        credits[who.operator] += amount;
    }

    /// @notice Credits the treasury its part of one quorum's fees; anyone may trigger it.
    function sweepTreasury(uint256 epoch, uint256 quorum) external {
        uint256 amount = _ledgers[epoch][quorum].treasury;
        _ledgers[epoch][quorum].treasury = 0;
        credits[treasury] += amount;
    }

    /// @inheritdoc IDAEntrance
    function forfeit(BlobHeader calldata header, bytes32 blobKey, uint256 member) external {
        if (msg.sender != address(challenges)) revert OnlyChallenges(msg.sender);
        // Once per blob and member, however many of its positions failed.
        bytes32 once = keccak256(abi.encode(blobKey, member));
        if (_isForfeited[once]) return;
        _isForfeited[once] = true;
        IDARegistry.Member memory who = registry.memberOf(header.epoch, header.quorum, member);
        uint256 amount = memberShare(header, who.weight, who.totalWeight);
        // A late signer's part never left the payer: nobody gets back more than the member has earned.
        uint256 left = _earned(header.epoch, header.quorum, member, who);
        if (amount > left) amount = left;
        _forfeits[header.epoch][header.quorum][member] += amount;
        accounts[header.account].balance += uint96(amount);
        emit Forfeited(blobKey, member, amount);
    }

    /* ------------------------------------------------------ views ------------------------------------------------------ */

    /// @inheritdoc IDAEntrance
    function leafOf(bytes32 batchHash, uint256 index) external view returns (bytes32 absenteesHash, bool isPaid) {
        return (certOf[batchHash], _unpaid[batchHash] >> index & 1 == 0);
    }

    /// @inheritdoc IDAEntrance
    function memberShare(BlobHeader calldata header, uint256 weight, uint256 totalWeight)
        public
        view
        returns (uint256)
    {
        (uint256 units,,) = _split(_feeOf(header, _ledgers[header.epoch][header.quorum].price));
        return units * UNIT * weight / totalWeight;
    }

    /// @notice Fee of a header at the price that holds for its quorum now.
    function feeOf(BlobHeader calldata header) external view returns (uint256) {
        uint256 price = _ledgers[header.epoch][header.quorum].price;
        return _feeOf(header, price == 0 ? pricePerByteSecond : price);
    }

    function isNonceSpent(address account, uint256 nonce) external view returns (bool) {
        return _nonces[account][nonce >> 8] >> (nonce & 255) & 1 == 1;
    }

    function ledgerOf(uint256 epoch, uint256 quorum) external view returns (Ledger memory) {
        return _ledgers[epoch][quorum];
    }

    function blobKeyOf(BlobHeader calldata header) external view returns (bytes32) {
        return Certificates.blobKey(header, address(this));
    }

    /// @notice 0G's read: whether a commitment was confirmed and paid for in this quorum.
    function commitmentExists(bytes32 dataRoot, uint256 epoch, uint256 quorumId) public view returns (bool) {
        return _commitments[keccak256(abi.encode(dataRoot, epoch, quorumId))];
    }

    /// @notice 0G's read, where a curve point stood: our commitment as (version, commitment), zero when there is none.
    function verifiedErasureCommitment(bytes32 dataRoot, uint256 epoch, uint256 quorumId)
        external
        view
        returns (uint256 version, uint256 commitment)
    {
        if (commitmentExists(dataRoot, epoch, quorumId)) return (VERSION, uint256(dataRoot));
    }

    function domainSeparator() public view returns (bytes32) {
        return block.chainid == _chainId ? _domainSeparator : _separator();
    }

    /* ---------------------------------------------------- governance --------------------------------------------------- */

    /// @notice Announces a price; `applyPrice` works `timelock` seconds later, for quorums that confirmed nothing yet.
    function announcePrice(uint64 price) external onlyRole(PARAMS_ADMIN_ROLE) {
        if (price > PRICE_CAP) revert AboveCap(price, PRICE_CAP);
        announcedPrice = price;
        announcedFrom = uint64(block.timestamp + timelock);
        emit PriceAnnounced(price, announcedFrom);
    }

    function applyPrice() external {
        if (announcedFrom == 0 || block.timestamp < announcedFrom) revert AnnouncedFor(announcedFrom);
        announcedFrom = 0;
        pricePerByteSecond = announcedPrice;
        emit PriceSet(pricePerByteSecond);
    }

    /* ----------------------------------------------------- internal ---------------------------------------------------- */

    function _checkBlobs(Batch calldata batch, BlobHeader[] calldata headers, bytes[] calldata authorizations)
        private
        view
        returns (bytes32[] memory keys)
    {
        uint256 count = headers.length;
        if (count == 0 || count > Certificates.MAX_BATCH || count != batch.blobs || count != authorizations.length) {
            revert BadBatch(batch.blobs, count, authorizations.length);
        }
        keys = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) keys[i] = Certificates.blobKey(headers[i], address(this));
        bytes32 actual = keys[0];
        if (count > 1) {
            bytes32[] memory level = new bytes32[](count);
            for (uint256 i = 0; i < count; ++i) level[i] = keys[i];
            actual = Certificates.root(level);
        }
        if (actual != batch.root) revert WrongRoot(batch.root, actual);
    }

    /// `thirds` of the weight must have signed.
    function _checkSignature(Certificate calldata certificate, uint256 thirds)
        private
        view
        returns (IDARegistry.Signers memory set)
    {
        Batch calldata batch = certificate.batch;
        set = registry.signers(batch.referenceBlock, batch.epoch, batch.quorum, certificate.absentees);
        if (3 * set.present < thirds * set.total) revert NotEnoughWeight(set.present, set.total);
        // Running out of gas here reads as a bad signature and reverts: no verdict comes of it.
        if (!BLS12381.verify(set.key, Certificates.attestMessage(batch, address(this)), certificate.signature)) {
            revert BadSignature();
        }
    }

    /// What charging the headers of one batch needs and sums up.
    struct Charging {
        uint256 epoch;
        uint256 quorum;
        uint256 expiry;
        uint256 divisor;
        IDARegistry.Signers set;
        Ledger ledger;
        uint256 units;
        uint256 unpaid;
    }

    /// Charges each header by itself and books the sums once. Returns the bits of those that were rejected.
    function _charge(
        Batch calldata batch,
        BlobHeader[] calldata headers,
        bytes[] calldata authorizations,
        bytes32[] memory keys,
        IDARegistry.Signers memory set,
        uint16[] calldata absentees,
        uint256 divisor
    ) private returns (uint256) {
        Ledger memory ledger = _ledgers[batch.epoch][batch.quorum];
        if (ledger.price == 0) ledger.price = pricePerByteSecond;
        Charging memory all = Charging(batch.epoch, batch.quorum, batch.expiry, divisor, set, ledger, 0, 0);
        for (uint256 i = 0; i < keys.length; ++i) {
            Reject reason = _chargeOne(all, headers[i], authorizations[i], keys[i]);
            if (reason == Reject.None) continue;
            all.unpaid |= 1 << i;
            emit BlobRejected(keys[i], reason);
        }
        _book(all, absentees);
        return all.unpaid;
    }

    function _book(Charging memory all, uint16[] calldata absentees) private {
        _ledgers[all.epoch][all.quorum] = all.ledger;
        if (all.units == 0) return;
        for (uint256 i = 0; i < absentees.length; ++i) {
            uint256 member = absentees[i];
            // Four counters of 64 bits; each is at most the pool, whose sum is checked.
            _absent[all.epoch][all.quorum][member / 4] += all.units << (64 * (member % 4));
        }
    }

    function _chargeOne(Charging memory all, BlobHeader calldata header, bytes calldata authorization, bytes32 key)
        private
        returns (Reject reason)
    {
        uint256 fee = _feeOf(header, all.ledger.price) / all.divisor;
        reason = _fault(all, header, fee);
        if (reason == Reject.None) reason = _spend(header, authorization, fee);
        if (reason == Reject.None) _take(all, header, key, fee);
    }

    /// What is wrong with a header, signature and balance apart.
    function _fault(Charging memory all, BlobHeader calldata header, uint256 fee)
        private
        pure
        returns (Reject)
    {
        if (header.version != VERSION || header.length == 0) return Reject.Version;
        uint256 rowSize = _rowSizeOf(header.shape, header.length, all.set.memberCount);
        if (rowSize == 0) return Reject.Shape;
        // Paying for a byte and storing 128 MiB.
        if (header.rowSize != rowSize) return Reject.RowSize;
        if (header.epoch != all.epoch) return Reject.WrongEpoch;
        if (header.expiry != all.expiry) return Reject.WrongExpiry;
        if (header.quorum != all.quorum) return Reject.WrongQuorum;
        if (all.set.openCount > 1) {
            uint256 draw =
                uint256(keccak256(abi.encode(all.set.seed, header.commitment, header.account, header.nonce)));
            if (draw % all.set.openCount != all.set.openIndex) return Reject.WrongQuorum;
        }
        if (fee > header.maxFee) return Reject.FeeAboveMax;
        return Reject.None;
    }

    /// The bytes of a row, if `shape` is the smallest with 64 rows per member and room for the blob; zero otherwise.
    function _rowSizeOf(uint256 shape, uint256 length, uint256 memberCount) private pure returns (uint256) {
        for (uint256 candidate = 0; candidate < RowAssignment.SHAPES; ++candidate) {
            if (RowAssignment.rowsOf(candidate) < RowAssignment.ROWS_PER_MEMBER_MIN * memberCount) continue;
            uint256 rowSize = RowAssignment.rowBytes(candidate, length);
            if (rowSize > RowAssignment.ROW_BYTES_MAX) continue;
            return candidate == shape ? rowSize : 0;
        }
        return 0;
    }

    /// Checks who authorized the header and whether the balance covers it, then spends the nonce.
    function _spend(BlobHeader calldata header, bytes calldata authorization, uint256 fee) private returns (Reject) {
        address account = header.account;
        uint256 bit = 1 << (header.nonce & 255);
        uint256 word = _nonces[account][header.nonce >> 8];
        if (word & bit != 0) return Reject.SpentNonce;
        address signer = _recover(header, authorization);
        if (signer == address(0)) return Reject.BadSignature;
        if (signer != account && sessionKeyUntil[account][signer] <= block.timestamp) return Reject.BadSignature;
        if (accounts[account].balance < fee) return Reject.LowBalance;
        _nonces[account][header.nonce >> 8] = word | bit;
        return Reject.None;
    }

    /// Moves the money of one header. The part of absent members stays with the payer.
    function _take(Charging memory all, BlobHeader calldata header, bytes32 key, uint256 fee) private {
        bool isConfirmed = all.divisor == 1;
        (uint256 units, uint256 disperserPart, uint256 treasuryPart) = _split(fee);
        // Nobody earns by letting a batch lapse; who relays its own blob keeps its part instead of being credited it.
        if (!isConfirmed || header.disperser == header.account) disperserPart = 0;
        uint256 total = all.set.total;
        uint256 charged = (units * UNIT * all.set.present + total - 1) / total + disperserPart + treasuryPart;
        // charged <= fee, and the balance covers the fee.
        accounts[header.account].balance -= uint96(charged);
        all.units += units;
        all.ledger.pool += uint64(units);
        all.ledger.treasury += uint128(treasuryPart);
        if (disperserPart != 0) credits[header.disperser] += disperserPart;
        emit BlobCharged(key, header.account, charged);
        if (isConfirmed) {
            _commitments[keccak256(abi.encode(header.commitment, all.epoch, all.quorum))] = true;
            emit ErasureCommitmentVerified(header.commitment, all.epoch, all.quorum);
        }
    }

    function _split(uint256 fee)
        private
        pure
        returns (uint256 poolUnits, uint256 disperserPart, uint256 treasuryPart)
    {
        // A fee is below 2^110 (`_feeOf`), and both parts together are a quarter of it.
        unchecked {
            disperserPart = fee * DISPERSER_BPS / BPS;
            treasuryPart = fee * TREASURY_BPS / BPS;
            // Whole units; the rounding, below 2^20 wei, is not charged.
            poolUnits = (fee - disperserPart - treasuryPart) / UNIT;
        }
    }

    function _feeOf(BlobHeader calldata header, uint256 price) private view returns (uint256) {
        if (header.shape >= RowAssignment.SHAPES) return 0; // rejected for its shape
        // Rows up to 2^16, row size and retention of 32 bits, price up to PRICE_CAP < 2^30: below 2^110.
        unchecked {
            return RowAssignment.rowsOf(header.shape) * header.rowSize * retentionSeconds * price;
        }
    }

    /// What a member earned in a quorum, less what it forfeited: its share of every fee of a batch it was present in.
    function _earned(uint256 epoch, uint256 quorum, uint256 member, IDARegistry.Member memory who)
        private
        view
        returns (uint256)
    {
        uint256 units = _ledgers[epoch][quorum].pool - _absentUnits(epoch, quorum, member);
        uint256 amount = units * UNIT * who.weight / who.totalWeight;
        uint256 lost = _forfeits[epoch][quorum][member];
        return amount > lost ? amount - lost : 0;
    }

    function _absentUnits(uint256 epoch, uint256 quorum, uint256 member) private view returns (uint256) {
        return (_absent[epoch][quorum][member / 4] >> (64 * (member % 4))) & type(uint64).max;
    }

    function _recover(BlobHeader calldata header, bytes calldata signature) private view returns (address) {
        if (signature.length != 65) return address(0);
        bytes32 digest =
            keccak256(abi.encodePacked(hex"1901", domainSeparator(), Certificates.structHash(header, HEADER_TYPE)));
        bytes32 s = bytes32(signature[32:64]);
        if (uint256(s) > HALF_ORDER) return address(0); // one signature, one form
        return ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), s);
    }

    /// `all` without `gone`, both strictly increasing, `gone` within `all`.
    function _without(uint16[] calldata all, uint16[] calldata gone) private pure returns (uint16[] memory left) {
        if (gone.length == 0 || gone.length > all.length) revert BadAbsentees();
        left = new uint16[](all.length - gone.length);
        uint256 j = 0;
        for (uint256 i = 0; i < all.length; ++i) {
            if (j < gone.length && gone[j] == all[i]) ++j;
            else if (i - j == left.length) revert BadAbsentees();
            else left[i - j] = all[i];
        }
        if (j != gone.length) revert BadAbsentees();
    }

    /// Every member below `count` that is not in `members` (strictly increasing, checked by `_without` before).
    function _complement(uint16[] calldata members, uint256 count) private pure returns (uint16[] memory others) {
        others = new uint16[](count - members.length);
        uint256 j = 0;
        for (uint256 i = 0; i < count; ++i) {
            if (j < members.length && members[j] == i) ++j;
            else others[i - j] = uint16(i);
        }
    }

    function _pay(address to, uint256 amount) private {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert PaymentFailed(to, amount);
    }

    function _separator() private view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, NAME_HASH, DOMAIN_VERSION_HASH, block.chainid, address(this)));
    }
}
