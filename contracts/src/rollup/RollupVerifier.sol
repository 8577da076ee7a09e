// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDAEntrance} from "../interfaces/IDAEntrance.sol";
import {IRollupVerifier} from "../interfaces/IRollupVerifier.sol";
import {RangeProof} from "../libraries/RangeProof.sol";
import {RollupCertificates} from "../libraries/RollupCertificates.sol";

/// @title Verdicts on rollup certificates and proofs of what they name. No owner.
/// @dev Calls of the entrance are plain: one that runs out of gas reverts here too and never becomes a verdict.
contract RollupVerifier is IRollupVerifier {
    uint256 private constant WORD = 32;
    uint8 private constant CONFIRMED = 1;
    uint8 private constant UNDECIDED = 2;
    uint8 private constant MALFORMED = 3;
    uint8 private constant REFUSED = 7;
    bytes1 private constant PROOF_VERSION = 0x01;
    /// Deeper than any reorg: a batch that was made on one branch is not far ahead on another.
    uint256 public constant REFUSE_AHEAD = 64;

    IDAEntrance public immutable entrance;

    /// Batches that were named too long before they could be confirmed. One that is stays so, whatever becomes of it.
    mapping(bytes32 batchHash => bool) public refused;

    constructor(IDAEntrance entrance_) {
        entrance = entrance_;
    }

    /// @inheritdoc IRollupVerifier
    function checkCertificate(bytes calldata certificate) public view returns (uint8) {
        (bool isWellFormed,) = RollupCertificates.read(certificate);
        if (!isWellFormed) return MALFORMED;
        bytes memory lookup = RollupCertificates.lookup(certificate, address(entrance));
        if (refused[RollupCertificates.batchHash(lookup)]) return REFUSED;
        return entrance.checkCertificate(lookup);
    }

    /// @inheritdoc IRollupVerifier
    function refuse(bytes calldata certificate) external {
        (bool isWellFormed,) = RollupCertificates.read(certificate);
        if (!isWellFormed) revert MalformedCertificate();
        uint256 referenceBlock = RollupCertificates.referenceBlock(certificate);
        uint256 from = block.number + REFUSE_AHEAD;
        if (referenceBlock <= from) revert NotFarAhead(referenceBlock, from);
        bytes32 hash = RollupCertificates.batchHash(RollupCertificates.lookup(certificate, address(entrance)));
        refused[hash] = true;
        emit Refused(hash, referenceBlock);
    }

    /// @inheritdoc IRollupVerifier
    function validateCertificate(bytes calldata proof) external view returns (bool) {
        (bytes calldata certificate, bytes calldata rest) = _split(proof);
        if (rest.length != 2 || rest[1] != PROOF_VERSION) revert MalformedProof();
        uint8 code = checkCertificate(certificate);
        if (code == UNDECIDED) revert Undecided(RollupCertificates.referenceBlock(certificate));
        return code == CONFIRMED;
    }

    /// @inheritdoc IRollupVerifier
    function validateReadPreimage(bytes32 certHash, uint256 offset, bytes calldata proof)
        external
        pure
        returns (bytes memory)
    {
        (bytes calldata certificate, bytes calldata opening) = _split(proof);
        bytes32 actual = keccak256(certificate);
        if (actual != certHash) revert WrongCertificate(certHash, actual);
        (bool isWellFormed, RollupCertificates.Input memory input) = RollupCertificates.read(certificate);
        if (!isWellFormed) revert MalformedProof();
        if (offset >= input.length) {
            if (opening.length != 0) revert MalformedProof();
            return "";
        }
        uint256 end = offset + WORD < input.length ? offset + WORD : input.length;
        return RangeProof.open(
            input.commitment, input.shape, input.rowSize, input.offset + offset, input.offset + end, opening
        );
    }

    /// Certificate and what follows it.
    function _split(bytes calldata proof) private pure returns (bytes calldata certificate, bytes calldata rest) {
        if (proof.length < 8) revert MalformedProof();
        uint256 size = uint64(bytes8(proof[:8]));
        if (proof.length - 8 < size) revert MalformedProof();
        return (proof[8:8 + size], proof[8 + size:]);
    }
}
