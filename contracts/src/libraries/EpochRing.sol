// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title How many miner ids answered within the last 64 epochs.
/// @notice One 16-bit counter per epoch, sixteen to a word, overwritten after 64 epochs: counter e mod 64 holds the ids whose
/// latest answer was in epoch e. The total is kept by the caller.
/// @dev A counter never exceeds the answers of one epoch, at most twice the largest `targetSubmissions`, far below 2^16.
library EpochRing {
    uint256 internal constant EPOCHS = 64;

    /// @notice Forgets epochs that leave the window when it moves from `last` to `epoch`. At most four words are touched.
    /// @return removed ids that became inactive
    function advance(uint256[4] storage ring, uint256 last, uint256 epoch) internal returns (uint256 removed) {
        uint256 first = epoch - last >= EPOCHS ? epoch - EPOCHS + 1 : last + 1;
        while (first <= epoch) {
            uint256 index = (first / 16) % 4;
            uint256 before = ring[index];
            uint256 word = before;
            do {
                uint256 shift = 16 * (first % 16);
                removed += (word >> shift) & 0xffff;
                word &= ~(0xffff << shift);
                ++first;
            } while (first <= epoch && first % 16 != 0);
            if (word != before) ring[index] = word;
        }
    }

    /// @notice Moves an id from its latest answered epoch (0: none) to `epoch`.
    /// @return added 1 when the id was not active
    function move(uint256[4] storage ring, uint256 latest, uint256 epoch) internal returns (uint256 added) {
        if (latest == epoch) return 0;
        if (latest == 0 || epoch - latest >= EPOCHS) added = 1;
        else ring[(latest / 16) % 4] -= 1 << (16 * (latest % 16));
        ring[(epoch / 16) % 4] += 1 << (16 * (epoch % 16));
    }
}
