// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Difficulty} from "../src/libraries/Difficulty.sol";
import {EpochRing} from "../src/libraries/EpochRing.sol";
import {Recall} from "../src/libraries/Recall.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

contract MineLibrariesTest {
    using EpochRing for uint256[4];

    uint256[4] private ring;
    mapping(uint256 id => uint256) private latest;

    /// Ids answer at random over random gaps; after each epoch the total is what counting the ids one by one gives.
    function testFuzz_the_ring_counts_active_ids(uint256 seed) public {
        uint256 total = 0;
        uint256 last = 0;
        uint256 epoch = 0;
        for (uint256 round = 0; round < 24; ++round) {
            uint256 draw = uint256(keccak256(abi.encode(seed, round)));
            // Mostly the next epoch, sometimes a gap that crosses words of the ring or all of it.
            epoch += draw % 4 == 0 ? 1 + (draw >> 8) % 150 : 1;
            if (total != 0) total -= ring.advance(last, epoch);
            last = epoch;
            for (uint256 i = 0; i < 1 + (draw >> 16) % 4; ++i) {
                uint256 id = (draw >> (24 + 8 * i)) % 9;
                total += ring.move(latest[id], epoch);
                latest[id] = epoch;
            }
            uint256 counted = 0;
            for (uint256 id = 0; id < 9; ++id) if (latest[id] != 0 && epoch - latest[id] < 64) ++counted;
            assertEq(total, counted, "active ids");
        }
    }

    function testFuzz_relaxing_never_hardens_and_never_overflows(uint256 target, uint16 skipped) public pure {
        uint256 relaxed = Difficulty.relax(target, skipped);
        assertTrue(relaxed >= target, "not harder");
        assertTrue(Difficulty.relax(target, uint256(skipped) + 1) >= relaxed, "monotone");
        if (skipped >= 128) assertEq(relaxed, Difficulty.relax(target, 128), "at most 128 count");
    }

    function testFuzz_a_step_at_most_doubles_and_halves(uint256 target, uint8 wanted, uint8 got, uint8 ratio) public pure {
        uint256 next = Difficulty.adjust(target, uint256(wanted) + 1, got, uint256(ratio) + 1);
        assertTrue(next >> 16 <= 2 * (target >> 16), "at most doubled");
        assertTrue(next >> 16 >= (target >> 16) / 2, "at least halved");
    }

    /// The vectors' step (libs/pora/test/vectors/pora.json, difficulty).
    function test_takes_the_difficulty_step_of_the_vectors() public pure {
        uint256 next = Difficulty.adjust(type(uint256).max / 4, 3, 2, 20);
        assertEq(next, 0x4199999999999999999999999999999999999999999999999999999999980000, "after");
    }

    function testFuzz_shards_are_two_to_the_zero_bits(uint64 mask) public pure {
        uint256 expected = 1;
        for (uint256 i = 0; i < 64; ++i) if (mask & (1 << i) == 0) expected *= 2;
        assertEq(Recall.shardsOf(mask), expected, "shards");
    }
}
