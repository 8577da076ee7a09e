// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What a rollup asks about the certificates it was posted. Immutable: a rollup changes to another one through its router.
interface IRollupVerifier {
    error MalformedProof();
    error WrongCertificate(bytes32 expected, bytes32 actual);
    /// The batch may still be confirmed: neither answer would hold.
    error Undecided(uint256 referenceBlock);
    error MalformedCertificate();
    error NotFarAhead(uint256 referenceBlock, uint256 from);

    event Refused(bytes32 indexed batchHash, uint256 referenceBlock);

    /// @notice Codes of `IDAEntrance.checkCertificate`: 1 confirmed and paid for, 2 undecided, 3 and above invalid for good (3
    /// malformed, 7 refused). Any byte string gets a code.
    function checkCertificate(bytes calldata certificate) external view returns (uint8);

    /// @notice Makes all certificates of a batch invalid for good whose reference block is more than `REFUSE_AHEAD` blocks to come.
    /// Anyone may call it. A certificate is made after its reference block, so no honest one can be refused; one that names a block
    /// far ahead is undecided until then, and whoever posts it would make all its readers wait.
    function refuse(bytes calldata certificate) external;

    /// @notice Nitro's VALIDATE hook: whether the certificate in the proof is good. False for any malformed or unconfirmed one;
    /// reverts on a malformed proof, and `Undecided` while the answer is open.
    /// @param proof certificate length (8 bytes, big-endian), certificate, claim (1 byte), 0x01. The claim decides nothing.
    function validateCertificate(bytes calldata proof) external view returns (bool);

    /// @notice Nitro's READPREIMAGE hook: the up to 32 bytes of the input from `offset` on, none beyond its end. Reverts unless the
    /// proof opens the certificate's commitment there. Says nothing of confirmation: `validateCertificate` does.
    /// @param certHash Keccak-256 of the certificate
    /// @param proof certificate length (8 bytes, big-endian), certificate, opening (`RangeProof`)
    function validateReadPreimage(bytes32 certHash, uint256 offset, bytes calldata proof)
        external
        view
        returns (bytes memory);
}
