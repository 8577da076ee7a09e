// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IDARegistry} from "../src/interfaces/IDARegistry.sol";
import {DaParameters} from "../src/interfaces/DaTypes.sol";
import {BLS12381} from "../src/libraries/BLS12381.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {Da} from "./Da.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

/// Operators, snapshots, seeds, reveals, quorums; each attack of da-protocol.md sections 1 and 2 by name.
contract DARegistryTest is Da {
    function sumOfKeys() private view returns (bytes32[4] memory sum) {
        for (uint256 i = 0; i < operators.length; ++i) sum = BLS12381.add(sum, BlsSigner.publicKey(secretOf(i)));
    }

    function test_weights_sum_and_the_aggregate_is_the_sum_of_keys() public {
        openEpoch(1);
        uint256 sum = 0;
        for (uint256 i = 0; i < 7; ++i) {
            IDARegistry.Member memory who = registry.memberOf(1, 0, i);
            assertEq(who.weightBefore, sum, "weight before");
            sum += who.weight;
        }
        (uint256 weight,, bytes32[4] memory key,) = registry.quorumOf(1, 0);
        assertEq(weight, sum, "weight");
        assertTrue(keccak256(abi.encode(key)) == keccak256(abi.encode(sumOfKeys())), "aggregate key");
    }

    function test_gas_of_reveals() public {
        openWindow(1);
        bytes32[8] memory signature = revealOf(1, 0);
        registry.reveal(1, lastSeed, operators[0], signature);
        vm.snapshotGasLastCall("DA", "reveal, first of a quorum");
        signature = revealOf(1, 1);
        coolAll();
        registry.reveal(1, lastSeed, operators[1], signature);
        vm.snapshotGasLastCall("DA", "reveal, second");
        (address[] memory who, bytes32[8][] memory signatures) = batchOf(1, 2, 7);
        coolAll();
        registry.revealBatch(1, lastSeed, who, signatures);
        vm.snapshotGasLastCall("DA", "reveal, batch of 5");
    }

    function test_gas_of_a_hundred_reveals_at_once() public {
        for (uint256 i = operators.length; i < 100; ++i) addOperator(10);
        openWindow(1);
        (address[] memory who, bytes32[8][] memory signatures) = batchOf(1, 0, 100);
        coolAll();
        registry.revealBatch(1, lastSeed, who, signatures);
        uint256 gas = vm.snapshotGasLastCall("DA", "reveal, batch of 100");
        assertTrue(gas < 7_000_000, "at most 70,000 each");
        (uint256 weight, uint256 members,,) = registry.quorumOf(1, 0);
        assertEq(members, 100, "all in");
        assertEq(weight, 3930, "weight");
    }

    function coolAll() private {
        vm.cool(address(registry));
        for (uint256 i = 0; i < operators.length; ++i) vm.cool(registry.operatorOf(operators[i]).record);
        vm.cool(address(registry));
    }

    function batchOf(uint256 epoch, uint256 from, uint256 to)
        private
        view
        returns (address[] memory who, bytes32[8][] memory signatures)
    {
        who = new address[](to - from);
        signatures = new bytes32[8][](to - from);
        for (uint256 i = from; i < to; ++i) (who[i - from], signatures[i - from]) = (operators[i], revealOf(epoch, i));
    }

    /// One wrong signature reverts the batch and punishes nobody.
    function test_one_wrong_reveal_takes_its_batch_back() public {
        openWindow(1);
        (address[] memory who, bytes32[8][] memory signatures) = batchOf(1, 0, 7);
        (signatures[2], signatures[3]) = (signatures[3], signatures[2]);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.BadSignature.selector));
        registry.revealBatch(1, lastSeed, who, signatures);
        (uint256 weight,,,) = registry.quorumOf(1, 0);
        assertEq(weight, 0, "nobody in");
        (signatures[2], signatures[3]) = (signatures[3], signatures[2]);
        registry.revealBatch(1, lastSeed, who, signatures);
    }

    /// Errors that cancel in a plain sum do not pass: the weights differ.
    function test_wrong_reveals_that_cancel_are_caught() public {
        openWindow(1);
        (address[] memory who, bytes32[8][] memory signatures) = batchOf(1, 0, 2);
        bytes32[8] memory noise = BlsSigner.sign(99, keccak256("noise"));
        signatures[0] = BLS12381.g2Msm(abi.encodePacked(signatures[0], uint256(1), noise, uint256(1)));
        uint256 order = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;
        signatures[1] = BLS12381.g2Msm(abi.encodePacked(signatures[1], uint256(1), noise, order - 1));
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.BadSignature.selector));
        registry.revealBatch(1, lastSeed, who, signatures);
    }

    function test_nobody_reveals_twice_in_one_batch_or_in_two() public {
        openWindow(1);
        (address[] memory who, bytes32[8][] memory signatures) = batchOf(1, 0, 2);
        (who[1], signatures[1]) = (who[0], signatures[0]);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.AlreadyRevealed.selector, who[0], 1));
        registry.revealBatch(1, lastSeed, who, signatures);
        revealOne(1, 0);
        bytes32[8] memory again = revealOf(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.AlreadyRevealed.selector, who[0], 1));
        registry.reveal(1, lastSeed, who[0], again);
    }

    /// [censorship] Anybody sends a reveal on the operator's behalf.
    function test_a_stranger_reveals_for_an_operator() public {
        openWindow(1);
        bytes32[8] memory signature = revealOf(1, 3);
        vm.prank(address(0xBAD));
        registry.reveal(1, lastSeed, operators[3], signature);
        assertEq(registry.memberCount(1, 0), 1, "in");
    }

    function test_another_seed_is_named_as_such() public {
        openWindow(1);
        bytes32[8] memory signature = revealOf(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.WrongSeed.selector, 1, lastSeed, bytes32(uint256(5))));
        registry.reveal(1, bytes32(uint256(5)), operators[0], signature);
    }

    /// [front-running a victim's key] The proof of possession names the operator that sends it.
    function test_a_victims_key_cannot_be_registered_first() public {
        bytes32[4] memory key = BlsSigner.publicKey(4242);
        address victim = address(0x51C);
        bytes32[8] memory possession = BlsSigner.sign(4242, registry.popMessage(victim, key));
        vm.prank(address(0xBAD));
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.BadSignature.selector));
        registry.register(key, possession, "thief:1");
        vm.prank(victim);
        registry.register(key, possession, "victim:1");
        // For ever: not even its owner takes it again.
        vm.prank(victim);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.KeyTaken.selector, keccak256(abi.encode(key))));
        registry.register(key, possession, "victim:1");
    }

    /// [rotation that escapes challenges] Members keep the record they revealed with.
    function test_a_new_key_counts_from_the_next_snapshot() public {
        openEpoch(1);
        address before = registry.memberOf(1, 0, 0).record;
        registerKey(operators[0], 777);
        assertTrue(registry.memberOf(1, 0, 0).record == before, "the old record stays");
        Sealed memory batch = sealBatch(1, 1, none());
        confirm(batch); // signed with the old key
        openWindow(2);
        bytes32[8] memory old = revealOf(2, 0);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.BadSignature.selector));
        registry.reveal(2, lastSeed, operators[0], old);
        registry.reveal(2, lastSeed, operators[0], BlsSigner.sign(777, registry.vrfMessage(2, lastSeed)));
        assertTrue(registry.memberOf(2, 0, 0).record != before, "the new record");
    }

    /// [moving stake after seeing one's VRF] Votes are those of the snapshot, and the stake behind them stays.
    function test_stake_that_moves_after_the_snapshot_changes_nothing_of_the_epoch() public {
        openWindow(1);
        uint256 shares = vault.sharesOf(operators[0], operators[0]);
        vm.prank(operators[0]);
        uint256 id = vault.queueExit(operators[0], shares);
        vm.deal(operators[6], 5000 ether);
        vm.prank(operators[6]);
        vault.deposit{value: 5000 ether}(operators[6]);
        revealOne(1, 0);
        revealOne(1, 6);
        assertEq(registry.memberOf(1, 0, 0).weight, 1000, "still its votes");
        assertEq(registry.memberOf(1, 0, 1).weight, 50, "no votes yet");
        uint256 until = registry.lockedUntil(operators[0]);
        assertTrue(until > vm.getBlockTimestamp(), "locked");
        // Unbonding is long enough by construction; the lock would hold it back even so.
        roll(blockNow + 899);
        vm.expectRevert();
        vault.release(id);
        openWindow(40);
        (uint256 votes,) = registry.votesAt(operators[0], registry.snapshotBlock(40));
        assertEq(votes, 0, "gone from later snapshots");
    }

    /// [counting heads] Dust beside one large operator makes no second quorum.
    function test_dust_does_not_open_a_second_quorum() public {
        (uint256 s1, uint256 s2) = registry.voteSums();
        assertEq(s1, 3000, "S1");
        assertEq(s2, 1000 * 1000 + 700 * 700 + 500 * 500 + 400 * 400 + 250 * 250 + 100 * 100 + 50 * 50, "S2");
        openWindow(1);
        assertEq(registry.epochOf(1).quorumCount, 1, "one quorum");
    }

    /// [a block hash is grindable] Only the mixHash of the header enters the seed; a header that is not the block's is refused.
    function test_the_seed_takes_nothing_but_the_mix_of_the_right_header() public {
        uint256 seedBlock = registry.snapshotBlock(1) + 2;
        roll(seedBlock + 1);
        bytes memory header = headerWith(mixHash(1));
        bytes memory other = headerWith(mixHash(2));
        vm.setBlockhash(seedBlock, keccak256(header));
        vm.expectRevert(
            abi.encodeWithSelector(IDARegistry.WrongHeader.selector, seedBlock, keccak256(header), keccak256(other))
        );
        registry.captureSeed(1, other);
        registry.captureSeed(1, header);
        bytes32 expected = keccak256(
            abi.encode(
                keccak256("cairn.da.v1.SEED"), block.chainid, address(registry), uint256(1), mixHash(1), registry.mixOf(0)
            )
        );
        assertTrue(registry.epochOf(1).seed == expected, "seed");
        registry.captureSeed(1, other); // taken already: nothing happens
        assertTrue(registry.epochOf(1).seed == expected, "seed stays");
    }

    function test_reveals_end_with_the_window() public {
        openWindow(1);
        bytes32[8] memory signature = revealOf(1, 0);
        uint256 start = registry.snapshotBlock(1) + 3;
        roll(start + 8);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.OutsideWindow.selector, 1, start, start + 8));
        registry.reveal(1, lastSeed, operators[0], signature);
    }

    /// [low turnout] Two thirds of the votes open the only quorum, less does not, and then the epoch before serves.
    function test_low_turnout_opens_nothing_and_the_quorums_before_serve_twice() public {
        openEpoch(1);
        openWindow(2);
        revealOne(2, 0); // 1000 of 3000
        roll(registry.epochStart(2));
        (,,, bool isOpen) = registry.quorumOf(2, 0);
        assertTrue(!isOpen, "a third is not enough");
        registry.signers(blockNow, 1, 0, none()); // carried over once
        roll(registry.epochStart(3)); // no seed at all
        registry.signers(blockNow, 1, 0, none()); // and twice
        roll(registry.epochStart(4));
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.NotServing.selector, 1, 0, 4));
        registry.signers(blockNow, 1, 0, none());
    }

    function test_an_epoch_that_opened_ends_the_one_before() public {
        openEpoch(1);
        openEpoch(2);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.NotServing.selector, 1, 0, 2));
        registry.signers(blockNow, 1, 0, none());
        registry.signers(blockNow, 2, 0, none());
    }

    function test_two_misses_in_a_row_make_inactive_and_one_does_not() public {
        openEpoch(1);
        openWindow(2);
        for (uint256 i = 1; i < 7; ++i) revealOne(2, i);
        roll(registry.epochStart(2));
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.NotMissed.selector, operators[0]));
        registry.reportMissed(operators[0], 2);
        openWindow(3);
        for (uint256 i = 1; i < 7; ++i) revealOne(3, i);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.NotMissed.selector, operators[0]));
        registry.reportMissed(operators[0], 3); // the window is still open
        roll(registry.epochStart(3));
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.NotMissed.selector, operators[1]));
        registry.reportMissed(operators[1], 3);
        registry.reportMissed(operators[0], 3);
        assertEq(registry.activeOperators().length, 6, "out");
        vm.prank(operators[0]);
        registry.activate(address(0));
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.NotMissed.selector, operators[0]));
        registry.reportMissed(operators[0], 3); // not for what it missed before it came back
    }

    function test_absentees_must_rise_and_exist() public {
        openEpoch(1);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.BadAbsentees.selector, 3));
        registry.signers(blockNow, 1, 0, two(3, 3));
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.BadAbsentees.selector, 2));
        registry.signers(blockNow, 1, 0, two(3, 2));
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.BadAbsentees.selector, 7));
        registry.signers(blockNow, 1, 0, only(7));
        IDARegistry.Signers memory set = registry.signers(blockNow, 1, 0, two(4, 6));
        assertEq(set.present, 2700, "present");
    }

    function test_a_header_cut_anywhere_is_refused() public {
        uint256 seedBlock = registry.snapshotBlock(1) + 2;
        roll(seedBlock + 1);
        bytes memory whole = headerWith(mixHash(1));
        // Ten bytes follow the mixHash.
        for (uint256 length = 0; length < whole.length - 10; length += 13) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; ++i) cut[i] = whole[i];
            vm.setBlockhash(seedBlock, keccak256(cut));
            vm.expectRevert();
            registry.captureSeed(1, cut);
        }
    }
}

/// Every place taken.
contract DARegistryFullTest is Da {
    function parameters() internal pure override returns (DaParameters memory p) {
        p = super.parameters();
        p.maxOperators = 7;
    }

    function test_a_newcomer_replaces_the_smallest_and_needs_a_tenth_more() public {
        address newcomer = address(0x9E3);
        vm.deal(newcomer, 1000 ether);
        vm.startPrank(newcomer);
        vault.deposit{value: 54 ether}(newcomer);
        vault.optIn(address(registry));
        vm.stopPrank();
        registerKey(newcomer, 4321);
        vm.startPrank(newcomer);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.NotEvictable.selector, operators[6], 50, 50));
        registry.activate(operators[6]);
        vault.deposit{value: 1 ether}(newcomer);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.NotEvictable.selector, operators[5], 100, 50));
        registry.activate(operators[5]);
        registry.activate(operators[6]);
        vm.stopPrank();
        (uint256 s1,) = registry.voteSums();
        assertEq(s1, 3005, "its votes for the other's");
        assertEq(registry.activeOperators().length, 7, "no place more");
    }
}

/// Two quorums: what only a larger network has.
contract DARegistryQuorumsTest is Da {
    function parameters() internal pure override returns (DaParameters memory p) {
        p = super.parameters();
        p.effectivePerQuorum = 2;
        p.minMembers = 1;
    }

    function test_the_output_draws_the_quorum_and_only_fair_shares_open() public {
        openEpoch(1);
        assertEq(registry.epochOf(1).quorumCount, 2, "two");
        (uint256 a, uint256 membersA,, bool isOpenA) = registry.quorumOf(1, 0);
        (uint256 b, uint256 membersB,, bool isOpenB) = registry.quorumOf(1, 1);
        assertEq(a + b, 3000, "a partition");
        assertEq(membersA + membersB, 7, "a partition");
        assertTrue(isOpenA == (a * 8 >= 9000 && a * 8 <= 15_000 && membersA >= 1), "within 3/4 to 5/4 of half");
        assertTrue(isOpenB == (b * 8 >= 9000 && b * 8 <= 15_000 && membersB >= 1), "within 3/4 to 5/4 of half");
        for (uint256 q = 0; q < 2; ++q) {
            for (uint256 i = 0; i < registry.memberCount(1, q); ++i) {
                uint256 index = indexOf(registry.memberOf(1, q, i).operator);
                assertEq(uint256(keccak256(abi.encode(revealOf(1, index)))) % 2, q, "drawn by its own output");
            }
        }
    }
}
