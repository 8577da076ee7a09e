// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Bonds, pay and deadlines of challenges (design/da-protocol.md section 6).
/// @dev No cap on the number of open challenges and no part of a bond for the challenged beyond its cost: either would be a shield
/// that one raises by challenging oneself.
library ChallengeTerms {
    /// Gas of an answer that bonds and payments reckon with, and the factors on it.
    uint256 internal constant ANSWER_GAS = 250_000;
    uint256 private constant BOND_FACTOR = 8;
    uint256 private constant PAY_FACTOR = 2;
    /// Open challenges for which the bond stays the same.
    uint256 private constant BOND_STEP = 4;
    /// Deadlines leave room: a tenth of each block for answers of 200,000 gas.
    uint256 private constant BLOCK_SHARE = 10;
    uint256 private constant ANSWER_GAS_TARGET = 200_000;
    /// Blocks ahead at most: within the reach of EIP-2935, with room for the draw.
    uint256 internal constant DEADLINE_MAX = 7000;
    /// Blocks between the opening and the block whose hash draws.
    uint256 internal constant DRAW_DELAY = 2;
    uint256 private constant REWARD_DIVISOR = 10;
    uint256 private constant REWARD_BONDS = 20;
    /// Fixed point of the pace of deadlines.
    uint256 private constant PACE_BITS = 16;

    error TooFarAhead(uint256 deadline);

    /// @return bond of a first challenge, eight answers dear
    function baseBond(uint256 baseFee, uint256 minBond) internal pure returns (uint256 bond) {
        bond = ANSWER_GAS * baseFee * BOND_FACTOR;
        if (bond < minBond) bond = minBond;
    }

    /// @return bond of a challenge while `open` others are: it doubles with every fourth
    /// @dev No overflow in practice: 256 open challenges already hold 2^63 times the base bond.
    function bondFor(uint256 baseFee, uint256 minBond, uint256 open) internal pure returns (uint256) {
        return baseBond(baseFee, minBond) << (open / BOND_STEP);
    }

    /// @return paid to whoever was challenged for an answer: twice its cost, at most the bond
    function payOf(uint256 baseFee, uint256 bond) internal pure returns (uint256 paid) {
        paid = ANSWER_GAS * baseFee * PAY_FACTOR;
        if (paid > bond) paid = bond;
    }

    /// @return reward of the challenger: a tenth of the slash, at most twenty bonds
    function rewardOf(uint256 slashed, uint256 baseFee, uint256 minBond) internal pure returns (uint256 reward) {
        reward = slashed / REWARD_DIVISOR;
        uint256 most = REWARD_BONDS * baseBond(baseFee, minBond);
        if (reward > most) reward = most;
    }

    /// Deadlines are paced, so that all answers fit into a tenth of the blocks before them.
    /// @param pace the pace that was returned before, zero at first
    function nextDeadline(uint256 pace, uint256 responseBlocks)
        internal
        view
        returns (uint256 deadline, uint256 nextPace)
    {
        uint256 perBlock = block.gaslimit / BLOCK_SHARE / ANSWER_GAS_TARGET;
        if (perBlock == 0) perBlock = 1;
        uint256 step = (1 << PACE_BITS) / perBlock;
        uint256 earliest = (block.number + responseBlocks) << PACE_BITS;
        nextPace = pace + (step == 0 ? 1 : step);
        if (nextPace < earliest) nextPace = earliest;
        deadline = (nextPace + (1 << PACE_BITS) - 1) >> PACE_BITS;
        if (deadline > block.number + DEADLINE_MAX) revert TooFarAhead(deadline);
    }
}
