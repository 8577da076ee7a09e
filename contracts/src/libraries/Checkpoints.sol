// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Values over blocks: one word per change, looked up by block.
/// @dev A word is the block in its upper 48 bits and 208 bits of whatever the user packs.
library Checkpoints {
    uint256 private constant VALUE_MASK = (1 << 208) - 1;

    struct Trace {
        uint256[] words;
    }

    /// @notice Notes `value` from this block on. Several changes in one block are one.
    function push(Trace storage trace, uint256 value) internal {
        uint256 word = (block.number << 208) | (value & VALUE_MASK);
        uint256 count = trace.words.length;
        if (count != 0 && trace.words[count - 1] >> 208 == block.number) trace.words[count - 1] = word;
        else trace.words.push(word);
    }

    function latest(Trace storage trace) internal view returns (uint256) {
        uint256 count = trace.words.length;
        return count == 0 ? 0 : trace.words[count - 1] & VALUE_MASK;
    }

    /// @notice The value at the end of block `number`; zero before the first change. Only sense below block.number: a later
    /// transaction of this block may still change it.
    function valueAt(Trace storage trace, uint256 number) internal view returns (uint256) {
        uint256 high = trace.words.length;
        uint256 low = 0;
        // Most lookups want the newest entry.
        if (high != 0) {
            uint256 newest = trace.words[high - 1];
            if (newest >> 208 <= number) return newest & VALUE_MASK;
            --high;
        }
        while (low < high) {
            uint256 mid = (low + high) / 2;
            if (trace.words[mid] >> 208 <= number) low = mid + 1;
            else high = mid;
        }
        return low == 0 ? 0 : trace.words[low - 1] & VALUE_MASK;
    }
}
