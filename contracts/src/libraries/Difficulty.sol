// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The mining target between epochs.
/// @notice spec/storage-protocol.md 4.7 for the ordinary step; design/contracts.md 3 for epochs that nobody answered. A
/// smaller target is harder. libs/pora/src/difficulty.ts computes the same bit for bit.
library Difficulty {
    uint256 internal constant SCALED_MAX = type(uint256).max >> 16;
    /// Skipped epochs that relax by 21/20; each further one relaxes by 5/4.
    uint256 internal constant GENTLE_SKIPS = 16;
    uint256 internal constant COUNTED_SKIPS = 128;

    /// @notice The target after an epoch with `submissions` answers: at most doubled, at least halved.
    /// @dev `wanted` is below 2^16 and the scaled target below 2^240: no overflow.
    function adjust(uint256 target, uint256 wanted, uint256 submissions, uint256 ratio) internal pure returns (uint256) {
        uint256 scaled = target >> 16;
        uint256 expected = submissions == 0 ? SCALED_MAX : (scaled * wanted) / submissions;
        uint256 adjusted = (scaled * (ratio - 1) + expected) / ratio;
        if (adjusted < scaled / 2) adjusted = scaled / 2;
        if (adjusted > scaled * 2) adjusted = scaled * 2;
        if (adjusted > SCALED_MAX) adjusted = SCALED_MAX;
        return adjusted << 16;
    }

    /// @notice The target after `skipped` epochs in a row without an answer, in closed form.
    function relax(uint256 target, uint256 skipped) internal pure returns (uint256) {
        uint256 counted = skipped < COUNTED_SKIPS ? skipped : COUNTED_SKIPS;
        uint256 gentle = counted < GENTLE_SKIPS ? counted : GENTLE_SKIPS;
        uint256 steep = counted - gentle;
        target = _scale(target, 21 ** gentle, 20 ** gentle);
        // In two halves: 5^112 does not fit a word, 5^56 is below 2^131.
        uint256 half = steep / 2;
        target = _scale(target, 5 ** half, 4 ** half);
        return _scale(target, 5 ** (steep - half), 4 ** (steep - half));
    }

    /// floor(target * numerator / denominator), saturating; numerator and denominator below 2^131 with denominator below 2^113,
    /// so that the remainder's product fits.
    function _scale(uint256 target, uint256 numerator, uint256 denominator) private pure returns (uint256) {
        uint256 quotient = target / denominator;
        if (quotient > type(uint256).max / numerator) return type(uint256).max;
        uint256 whole = quotient * numerator;
        uint256 part = ((target % denominator) * numerator) / denominator;
        return part > type(uint256).max - whole ? type(uint256).max : whole + part;
    }
}
