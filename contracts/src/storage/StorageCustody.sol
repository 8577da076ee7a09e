// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFlow} from "../interfaces/IFlow.sol";
import {IStakedService} from "../interfaces/IStakedService.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {CustodyParameters, IStorageCustody, Receipt} from "../interfaces/IStorageCustody.sol";
import {BlockHash} from "../libraries/BlockHash.sol";
import {ChallengeTerms} from "../libraries/ChallengeTerms.sol";
import {Receipts} from "../libraries/Receipts.sol";

/// @title StorageCustody
/// @notice Holds providers to the receipts they signed (see IStorageCustody).
/// @dev A receipt needs no transaction: it is checked when somebody challenges it. A challenge is kept as one hash; its data travels in
/// the event and comes back with each call. Every challenge ends in an answer or a failure, and the provider's stake is locked
/// until then. No owner, and nobody can pause anything here.
contract StorageCustody is IStorageCustody {
    using Receipts for Receipt;

    /* ---------------------------------------------------- constants ---------------------------------------------------- */

    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    address private constant GRAVE = 0x000000000000000000000000000000000000dEaD;

    IFlow public immutable flow;
    IStakeVault public immutable vault;
    uint64 public immutable maxShards;
    uint64 public immutable maxReceiptSeconds;
    uint64 public immutable lockMarginSeconds;
    uint64 public immutable responseBlocks;
    uint256 public immutable minBond;
    uint256 public immutable slashPerSector;

    /* ----------------------------------------------------- storage ----------------------------------------------------- */

    /// A key and the time from which it signs.
    struct Signer {
        address account;
        uint64 from;
    }

    mapping(address provider => Signer[]) private _signers;
    mapping(address provider => uint256) private _locks;
    mapping(bytes32 id => bytes32) private _challenges;
    mapping(address provider => mapping(uint256 serial => bool)) public hasFailed;
    mapping(address provider => uint256) public openCount;
    mapping(address account => uint256) public credits;
    uint256 public challengeCount;
    uint256 private _pace;
    uint256 public burned;
    uint256 private transient _entered;

    error Reentered();
    error ZeroAddress();

    /* --------------------------------------------------- construction -------------------------------------------------- */

    constructor(CustodyParameters memory p, address flow_, address vault_) {
        if (flow_ == address(0) || vault_ == address(0)) revert ZeroAddress();
        flow = IFlow(flow_);
        vault = IStakeVault(vault_);
        maxShards = p.maxShards;
        maxReceiptSeconds = p.maxReceiptSeconds;
        lockMarginSeconds = p.lockMarginSeconds;
        responseBlocks = p.responseBlocks;
        minBond = p.minBond;
        slashPerSector = p.slashPerSector;
    }

    modifier nonReentrant() {
        if (_entered != 0) revert Reentered();
        _entered = 1;
        _;
        _entered = 0;
    }

    /* ---------------------------------------------------- providers ---------------------------------------------------- */

    /// @inheritdoc IStorageCustody
    function setSigner(address signer) external {
        if (signer == address(0)) revert ZeroAddress();
        Signer[] storage signers = _signers[msg.sender];
        uint256 count = signers.length;
        // The last one set in a second is the one of that second.
        if (count != 0 && signers[count - 1].from == block.timestamp) signers[count - 1].account = signer;
        else signers.push(Signer(signer, uint64(block.timestamp)));
        emit SignerSet(msg.sender, signer, block.timestamp);
    }

    /// @inheritdoc IStorageCustody
    function lock(uint256 until) external {
        // Who is opted in cannot leave the service before the lock ends, so whatever a receipt binds can be slashed.
        if (!vault.isServing(msg.sender, address(this))) revert NotServing(msg.sender);
        if (until < _locks[msg.sender]) revert LockShortened(until, _locks[msg.sender]);
        _locks[msg.sender] = until;
        emit Locked(msg.sender, until);
    }

    /* ---------------------------------------------------- challenges --------------------------------------------------- */

    /// @inheritdoc IStorageCustody
    function challenge(Receipt calldata receipt, bytes calldata signature)
        external
        payable
        nonReentrant
        returns (bytes32 id)
    {
        checkReceipt(receipt, signature);
        address provider = receipt.provider;
        uint256 bond = bondFor(provider);
        if (msg.value < bond) revert BondTooLow(msg.value, bond);
        Challenge memory opened;
        id = keccak256(abi.encode(receipt.structHash(), ++challengeCount));
        opened.id = id;
        opened.receipt = receipt;
        opened.openedBlock = uint64(block.number);
        uint256 deadline;
        (deadline, _pace) = ChallengeTerms.nextDeadline(_pace, responseBlocks);
        opened.deadline = uint64(deadline);
        opened.baseFee = block.basefee;
        opened.bond = bond;
        opened.challenger = msg.sender;
        _challenges[id] = keccak256(abi.encode(opened));
        openCount[provider] += 1;
        emit Opened(id, provider, receipt.serial, opened);
        if (msg.value > bond) _pay(msg.sender, msg.value - bond);
    }

    /// @inheritdoc IStorageCustody
    function answer(Challenge calldata opened, bytes calldata sector, bytes32[] calldata path) external nonReentrant {
        _checkOpen(opened);
        if (block.number > opened.deadline) revert PastDeadline(opened.deadline);
        bytes32 actual = Receipts.rootFrom(sector, sectorOf(opened), path);
        if (actual != opened.receipt.flowRoot) revert WrongRoot(opened.receipt.flowRoot, actual);
        address provider = opened.receipt.provider;
        _close(opened.id, provider);
        uint256 paid = ChallengeTerms.payOf(opened.baseFee, opened.bond);
        burned += opened.bond - paid;
        credits[provider] += paid;
        emit Answered(opened.id, provider, paid);
    }

    /// @inheritdoc IStorageCustody
    function fail(Challenge calldata opened) external nonReentrant {
        _checkOpen(opened);
        if (block.number <= opened.deadline) revert BeforeDeadline(opened.deadline);
        Receipt calldata receipt = opened.receipt;
        _close(opened.id, receipt.provider);
        credits[opened.challenger] += opened.bond;
        uint256 slashed = 0;
        if (!hasFailed[receipt.provider][receipt.serial]) {
            hasFailed[receipt.provider][receipt.serial] = true;
            uint256 amount = receipt.held(maxShards) * slashPerSector;
            if (amount < opened.bond) amount = opened.bond;
            uint256 reward = ChallengeTerms.rewardOf(amount, opened.baseFee, minBond);
            slashed = vault.slash(address(this), receipt.provider, amount, opened.challenger, reward);
        }
        emit Failed(opened.id, receipt.provider, receipt.serial, slashed);
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

    /// @inheritdoc IStorageCustody
    function checkReceipt(Receipt calldata receipt, bytes calldata signature) public view {
        receipt.segments(maxShards);
        if (receipt.expiry <= receipt.issuedAt || receipt.expiry - receipt.issuedAt > maxReceiptSeconds) {
            revert BadPeriod(receipt.issuedAt, receipt.expiry);
        }
        if (block.timestamp < receipt.issuedAt) revert NotYetIssued(receipt.issuedAt);
        if (block.timestamp > receipt.expiry) revert ReceiptExpired(receipt.expiry);
        uint256 required = uint256(receipt.expiry) + lockMarginSeconds;
        if (required > _locks[receipt.provider]) revert NotLocked(required, _locks[receipt.provider]);
        bytes32 actual = flow.getFlowRootByTxSeq(receipt.txSeq);
        if (actual == 0 || actual != receipt.flowRoot) revert VoidReceipt(receipt.txSeq, receipt.flowRoot, actual);
        address signer = signerAt(receipt.provider, receipt.issuedAt);
        address recovered = Receipts.recover(receiptDigest(receipt), signature);
        if (recovered == address(0) || recovered != signer) revert NotSigned(recovered, signer);
        if (hasFailed[receipt.provider][receipt.serial]) revert AlreadyFailed(receipt.provider, receipt.serial);
    }

    /// @inheritdoc IStorageCustody
    function sectorOf(Challenge calldata opened) public view returns (uint256) {
        bytes32 hash = BlockHash.hashOf(opened.openedBlock + ChallengeTerms.DRAW_DELAY);
        if (hash == 0) revert NotDrawnYet(opened.openedBlock);
        return opened.receipt.draw(maxShards, keccak256(abi.encode(hash, opened.id)));
    }

    /// @inheritdoc IStorageCustody
    function bondFor(address provider) public view returns (uint256) {
        return ChallengeTerms.bondFor(block.basefee, minBond, openCount[provider]);
    }

    /// @inheritdoc IStorageCustody
    function signerAt(address provider, uint256 issuedAt) public view returns (address) {
        Signer[] storage signers = _signers[provider];
        uint256 low = 0;
        uint256 high = signers.length;
        while (low < high) {
            uint256 mid = (low + high) / 2;
            if (signers[mid].from <= issuedAt) low = mid + 1;
            else high = mid;
        }
        return low == 0 ? address(0) : signers[low - 1].account;
    }

    /// @notice The key that signs now.
    function signerOf(address provider) external view returns (address) {
        return signerAt(provider, block.timestamp);
    }

    /// @notice What the provider's key signs (EIP-712).
    function receiptDigest(Receipt calldata receipt) public view returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", domainSeparator(), receipt.structHash()));
    }

    function domainSeparator() public view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPE, keccak256("Cairn StorageCustody"), keccak256("1"), block.chainid, address(this))
        );
    }

    /// @inheritdoc IStakedService
    function lockedUntil(address provider) external view returns (uint256) {
        return openCount[provider] == 0 ? _locks[provider] : type(uint256).max;
    }

    /// @notice Lock by `lock` alone, whatever challenges are open.
    function lockOf(address provider) external view returns (uint256) {
        return _locks[provider];
    }

    function challengeHash(bytes32 id) external view returns (bytes32) {
        return _challenges[id];
    }

    /// @inheritdoc IStakedService
    /// @dev Nothing here depends on the amount: who accepts a receipt looks at the stake behind it.
    function stakeChanged(address) external {}

    /* ----------------------------------------------------- internal ---------------------------------------------------- */

    function _checkOpen(Challenge calldata opened) private view {
        if (_challenges[opened.id] != keccak256(abi.encode(opened))) revert UnknownChallenge(opened.id);
    }

    function _close(bytes32 id, address provider) private {
        delete _challenges[id];
        openCount[provider] -= 1;
    }

    function _pay(address to, uint256 amount) private {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert PaymentFailed(to, amount);
    }
}
