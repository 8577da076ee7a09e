// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ChunkRewards} from "../src/storage/ChunkRewards.sol";
import {FixedPriceMarket} from "../src/storage/FixedPriceMarket.sol";
import {Governed} from "../src/access/Governed.sol";
import {Storage} from "./Storage.sol";
import {assertEq, assertTrue, skip, vm} from "./Vm.sol";

contract RewardsTest is Storage {
    address payable internal constant MINER = payable(address(0x3142));

    function setUp() public override {
        super.setUp();
        vm.deal(address(market), 1_000_000 ether);
    }

    function fill(uint256 before, uint256 sectors, uint256 amount) private {
        vm.prank(address(market));
        reward.fillReward{value: amount}(before, sectors);
    }

    function claim(uint256 index) private returns (uint256 paid) {
        uint256 before = reward.payments(MINER);
        vm.prank(address(mine));
        reward.claimMineReward(index, MINER, bytes32(uint256(1)));
        return reward.payments(MINER) - before;
    }

    function test_only_market_fills_and_only_mine_claims() public {
        vm.expectRevert(abi.encodeWithSelector(ChunkRewards.OnlyMarket.selector, address(this)));
        reward.fillReward(1, 1);
        vm.expectRevert(abi.encodeWithSelector(ChunkRewards.OnlyMine.selector, address(this)));
        reward.claimMineReward(0, MINER, bytes32(0));
        vm.expectRevert(abi.encodeWithSelector(FixedPriceMarket.OnlyFlow.selector, address(this)));
        market.chargeFee(0, 1, 0);
    }

    function test_an_open_range_pays_from_its_first_fill_and_linearly() public {
        fill(1, 100, 86_400 ether);
        skip(RELEASE / 4);
        assertEq(claim(0), 10_800 ether, "half of a quarter");
        skip(RELEASE);
        ChunkRewards.Range memory range = reward.rewards(0);
        assertEq(range.locked, 0, "all released");
        assertEq(range.claimable, 75_600 ether, "what was not claimed rolls over");
    }

    function test_a_late_small_fill_neither_resets_nor_dilutes() public {
        fill(1, 100, 86_400 ether);
        skip(RELEASE / 2);
        fill(101, 1, 1);
        skip(RELEASE / 2);
        assertTrue(reward.rewards(0).claimable >= 86_400 ether, "the first fill is out on time");
    }

    function test_a_fill_across_ranges_is_split_by_sectors() public {
        uint256 edge = reward.SECTORS_PER_PRICING();
        fill(edge - 1, 4, 4 ether);
        ChunkRewards.Range memory first = reward.rewards(0);
        ChunkRewards.Range memory second = reward.rewards(1);
        assertEq(first.locked, 1 ether, "first");
        assertEq(second.locked, 3 ether, "second");
    }

    function test_leases_end_can_be_renewed_and_are_found() public {
        fill(1, 100, 1 ether);
        fill(reward.SECTORS_PER_PRICING(), 100, 1 ether);
        skip(RELEASE);
        (uint64 index,) = reward.firstRewardableChunk();
        assertEq(index, 2, "both ended");
        vm.deal(address(this), 1 ether);
        uint256 half = (PRICE << 25) / 2;
        reward.renew{value: half}(1);
        (index,) = reward.firstRewardableChunk();
        assertEq(index, 1, "renewed");
        assertEq(reward.rewardDeadline(1), vm.getBlockTimestamp() + RELEASE / 2, "half the price, half the lease");
        vm.expectRevert(abi.encodeWithSelector(ChunkRewards.NeverFilled.selector, 7));
        reward.renew{value: 1}(7);
        vm.expectRevert(abi.encodeWithSelector(ChunkRewards.RenewalTooSmall.selector, 1, PRICE << 25));
        reward.renew{value: 1}(1);
    }

    function test_a_renewal_buys_at_most_one_lease_from_now() public {
        fill(1, 100, 1 ether);
        skip(RELEASE / 2);
        vm.deal(address(this), 10 ether);
        reward.renew{value: 10 ether}(0);
        assertEq(reward.rewardDeadline(0), vm.getBlockTimestamp() + RELEASE, "one lease");
        skip(RELEASE);
        assertEq(reward.rewards(0).locked, 0, "everything released when it ends");
    }

    function test_the_end_of_a_lease_is_announced_once() public {
        fill(1, 100, 86_400 ether);
        vm.expectRevert(abi.encodeWithSelector(ChunkRewards.LeaseNotEnding.selector, 0, vm.getBlockTimestamp() + RELEASE));
        reward.announceLeaseEnd(0);
        skip(RELEASE - RELEASE / 12);
        vm.expectEmit(address(reward));
        emit ChunkRewards.LeaseEnding(0, vm.getBlockTimestamp() + RELEASE / 12);
        claim(0);
        vm.expectRevert(abi.encodeWithSelector(ChunkRewards.LeaseNotEnding.selector, 0, vm.getBlockTimestamp() + RELEASE / 12));
        reward.announceLeaseEnd(0);
        vm.expectRevert(abi.encodeWithSelector(ChunkRewards.LeaseNotEnding.selector, 5, 0));
        reward.announceLeaseEnd(5);
    }

    function test_what_nobody_claimed_rolls_over_one_lease_after_the_end() public {
        fill(1, 100, 1 ether);
        skip(2 * RELEASE - 1);
        fill(2 * reward.SECTORS_PER_PRICING(), 100, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(ChunkRewards.LeaseNotOver.selector, 0, vm.getBlockTimestamp() + 1));
        reward.rollOver(0);
        skip(1);
        // Ranges fill in order: range 1 was never filled, so the search stops there.
        vm.expectRevert(abi.encodeWithSelector(ChunkRewards.NoRangeUnderLease.selector));
        reward.rollOver(0);
        fill(reward.SECTORS_PER_PRICING(), 100, 1 ether);
        reward.rollOver(0);
        assertEq(reward.rewards(0).claimable, 0, "moved");
        assertEq(reward.rewards(1).locked, 2 ether, "into the first range under lease");
        vm.expectRevert(abi.encodeWithSelector(ChunkRewards.NothingToRollOver.selector, 0));
        reward.rollOver(0);
    }

    function test_base_reward_is_at_most_half_of_the_released_fee() public {
        vm.deal(address(this), 100 ether);
        reward.donate{value: 50 ether}();
        vm.prank(ADMIN);
        reward.announceParameters(ADMIN, 0, 10 ether);
        vm.expectRevert();
        reward.applyParameters();
        skip(1 days);
        reward.applyParameters();
        assertEq(claim(0), 0, "nothing released, nothing paid");
        fill(1, 100, 86_400 wei);
        skip(RELEASE);
        assertEq(claim(0), 43_200 + 21_600, "half of the fee and half of that");
    }

    function test_parameters_have_caps_and_roles() public {
        vm.expectRevert(abi.encodeWithSelector(Governed.AccessControlUnauthorizedAccount.selector, address(this), keccak256("PARAMS_ADMIN_ROLE")));
        market.setPricePerSector(1);
        uint256 cap = market.PRICE_CAP();
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(Governed.AboveCap.selector, cap + 1, cap));
        market.setPricePerSector(cap + 1);
        vm.prank(ADMIN);
        market.setPricePerSector(5);
        assertEq(market.pricePerSector(), PRICE, "not yet");
        skip(1 days);
        assertEq(market.pricePerSector(), 5, "after the timelock");
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(Governed.AboveCap.selector, 2001, 2000));
        reward.announceParameters(ADMIN, 2001, 0);
    }

    function testFuzz_value_is_conserved(uint256 seed) public {
        uint256 filled = 0;
        uint256 withdrawn = 0;
        for (uint256 i = 0; i < 10; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            if (draw % 3 == 0) {
                uint256 amount = (draw >> 8) % 1000 ether;
                fill((draw >> 16) % (1 << 27), 1 + ((draw >> 24) % (1 << 26)), amount);
                filled += amount;
            } else if (draw % 3 == 1) {
                claim((draw >> 8) % 5);
            } else {
                skip(((draw >> 8) % RELEASE));
            }
            if (reward.payments(MINER) > 0 && draw % 5 == 0) {
                withdrawn += reward.payments(MINER);
                reward.withdrawPayments(MINER);
            }
        }
        uint256 held = reward.payments(MINER);
        for (uint256 i = 0; i < 9; ++i) {
            ChunkRewards.Range memory range = reward.rewards(i);
            held += uint256(range.locked) + range.claimable;
        }
        assertEq(held + withdrawn, filled, "every wei is somewhere");
        assertEq(address(reward).balance, held, "and it is here");
        assertEq(MINER.balance, withdrawn, "or paid");
    }
}
