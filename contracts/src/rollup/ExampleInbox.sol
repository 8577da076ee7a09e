// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VerifierRouter} from "./VerifierRouter.sol";

/// @title An inbox that takes a batch only with a certificate that is confirmed and paid for: the pattern, kept small.
/// @dev Checked when posted, so a reader never meets an undecided, false or stale one. A rollup adds its own order of messages.
contract ExampleInbox {
    uint8 private constant CONFIRMED = 1;

    VerifierRouter public immutable router;
    address public immutable poster;
    /// Blocks after its reference block within which a certificate may be posted: readers must have time until rows expire.
    uint256 public immutable maxAge;

    uint256 public batchCount;
    /// Hash chain over the certificates in order.
    bytes32 public accumulator;

    event BatchPosted(uint256 indexed number, bytes32 indexed certHash, bytes32 accumulator);

    error OnlyPoster(address caller);
    error BadCertificate(uint8 code);
    error TooOld(uint256 lastBlock, uint256 blockNumber);

    constructor(VerifierRouter router_, address poster_, uint256 maxAge_) {
        router = router_;
        poster = poster_;
        maxAge = maxAge_;
    }

    /// @notice Appends a batch. The certificate itself stays in calldata, as readers of rollups expect.
    function post(bytes calldata certificate) external returns (uint256 number) {
        if (msg.sender != poster) revert OnlyPoster(msg.sender);
        uint8 code = router.checkCertificate(certificate);
        if (code != CONFIRMED) revert BadCertificate(code);
        // Where every version has it; a confirmed certificate is long enough.
        uint256 last = uint64(bytes8(certificate[22:30])) + maxAge;
        if (block.number > last) revert TooOld(last, block.number);
        bytes32 certHash = keccak256(certificate);
        number = batchCount++;
        accumulator = keccak256(abi.encode(accumulator, certHash));
        emit BatchPosted(number, certHash, accumulator);
    }
}
