// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Hashes of blocks up to 8191 behind: BLOCKHASH, then the history contract of EIP-2935.
library BlockHash {
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint256 internal constant REACH = 8191;

    /// @return digest the hash, or zero when it is out of reach or the chain has no history contract.
    function hashOf(uint256 number) internal view returns (bytes32 digest) {
        if (number >= block.number) return bytes32(0);
        uint256 distance = block.number - number;
        if (distance <= 256) return blockhash(number);
        if (distance > REACH) return bytes32(0);
        (bool ok, bytes memory out) = HISTORY.staticcall(abi.encode(number));
        if (ok && out.length == 32) digest = abi.decode(out, (bytes32));
    }
}
