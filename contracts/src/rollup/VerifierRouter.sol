// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRollupVerifier} from "../interfaces/IRollupVerifier.sol";
import {RollupCertificates} from "../libraries/RollupCertificates.sol";

/// @title Which verifier judges which certificates: a rollup's own list, by activation block, that only grows.
/// @dev A certificate is judged by the verifier that was active at its reference block, so an upgrade never changes a verdict that
/// was given. The owner is the rollup's governance; its only power is to add a verifier for blocks to come.
contract VerifierRouter {
    struct Entry {
        uint64 activationBlock;
        IRollupVerifier verifier;
    }

    uint8 private constant UNDECIDED = 2;

    address public owner;
    address public pendingOwner;
    Entry[] private _entries;

    event VerifierAdded(uint256 indexed index, uint256 activationBlock, address verifier);
    event OwnershipOffered(address indexed owner, address indexed pendingOwner);
    event OwnershipTaken(address indexed previousOwner, address indexed owner);

    error OnlyOwner(address caller);
    error OnlyPendingOwner(address caller);
    error NotAContract(address verifier);
    error ActivationNotAhead(uint256 activationBlock, uint256 earliest);

    modifier onlyOwner() {
        if (msg.sender != owner) revert OnlyOwner(msg.sender);
        _;
    }

    constructor(address owner_, IRollupVerifier first) {
        owner = owner_;
        _add(0, first);
    }

    /// @notice Offers the list to another owner, who must take it.
    function offerOwnership(address to) external onlyOwner {
        pendingOwner = to;
        emit OwnershipOffered(msg.sender, to);
    }

    function takeOwnership() external {
        if (msg.sender != pendingOwner) revert OnlyPendingOwner(msg.sender);
        emit OwnershipTaken(owner, msg.sender);
        owner = msg.sender;
        delete pendingOwner;
    }

    /// @notice Adds the verifier of certificates from `activationBlock` on: a block to come, after every activation so far.
    function addVerifier(uint256 activationBlock, IRollupVerifier verifier) external onlyOwner {
        uint256 earliest = _entries[_entries.length - 1].activationBlock;
        if (earliest < block.number) earliest = block.number;
        if (activationBlock <= earliest || activationBlock > type(uint64).max) {
            revert ActivationNotAhead(activationBlock, earliest);
        }
        _add(uint64(activationBlock), verifier);
    }

    /// @notice Code of the verifier that is responsible (`IRollupVerifier.checkCertificate`).
    function checkCertificate(bytes calldata certificate) external view returns (uint8) {
        uint256 at = RollupCertificates.referenceBlock(certificate);
        // One from the future would be judged by a list that may still grow.
        if (at > block.number) return UNDECIDED;
        return getCertVerifierAt(at).checkCertificate(certificate);
    }

    /// @return verifier the one active at a block
    function getCertVerifierAt(uint256 blockNumber) public view returns (IRollupVerifier verifier) {
        // From the newest down: that is nearly always the one. The first is active from block 0.
        uint256 index = _entries.length - 1;
        while (_entries[index].activationBlock > blockNumber) --index;
        return _entries[index].verifier;
    }

    function verifierCount() external view returns (uint256) {
        return _entries.length;
    }

    function entryAt(uint256 index) external view returns (uint256 activationBlock, address verifier) {
        return (_entries[index].activationBlock, address(_entries[index].verifier));
    }

    function _add(uint64 activationBlock, IRollupVerifier verifier) private {
        if (address(verifier).code.length == 0) revert NotAContract(address(verifier));
        _entries.push(Entry(activationBlock, verifier));
        emit VerifierAdded(_entries.length - 1, activationBlock, address(verifier));
    }
}
