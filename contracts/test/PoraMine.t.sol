// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EpochRange, MineContext} from "../src/interfaces/IFlow.sol";
import {IStakeVault} from "../src/interfaces/IStakeVault.sol";
import {IPoraMine, MineParameters, PoraAnswer, WorkerContext} from "../src/interfaces/IPoraMine.sol";
import {Governed} from "../src/access/Governed.sol";
import {Flow} from "../src/storage/Flow.sol";
import {MineState} from "../src/storage/MineState.sol";
import {PoraMine} from "../src/storage/PoraMine.sol";
import {PoraFixture} from "./PoraFixture.sol";
import {assertEq, assertTrue, skip, vm} from "./Vm.sol";

contract PoraMineTest is PoraFixture {
    function refuse(PoraAnswer memory answer, bytes memory expected) private {
        vm.expectRevert(expected);
        mine.submit(answer);
    }

    /// Refused by the check with this error, whatever values it names.
    function refuseAs(PoraAnswer memory answer, bytes4 selector) private {
        (bool ok, bytes memory out) = address(mine).call(abi.encodeCall(IPoraMine.submit, (answer)));
        assertTrue(!ok && bytes4(out) == selector, "refused by another check, or not at all");
    }

    function test_selectors_are_those_that_miners_call() public pure {
        assertTrue(IPoraMine.submit.selector == 0xae722e82, "submit");
        assertTrue(
            IPoraMine.computeWorkerContext.selector == bytes4(keccak256("computeWorkerContext(bytes32)")), "work"
        );
        assertTrue(IPoraMine.requestMinerId.selector == bytes4(keccak256("requestMinerId(address,uint64)")), "id");
        assertTrue(IPoraMine.transferBeneficial.selector == bytes4(keccak256("transferBeneficial(address,bytes32)")), "t");
    }

    function test_derives_the_miner_id_of_the_vectors() public view {
        assertTrue(minerId == vm.parseJsonBytes32(json, ".minerIdDerivation.minerId"), "id");
        assertTrue(mine.beneficiaries(minerId) == MINER, "beneficiary");
    }

    function test_offers_the_work_that_the_vectors_solve() public {
        vm.prank(mine.computeWorkerContextCaller());
        WorkerContext memory work = mine.computeWorkerContext(minerId);
        assertTrue(work.context.digest == vm.parseJsonBytes32(json, ".context.digest"), "digest");
        assertTrue(work.context.flowRoot == vm.parseJsonBytes32(json, ".context.flowRoot"), "root");
        assertEq(work.context.epoch, 2, "epoch");
        assertEq(work.context.mineStart, MINE_START, "start");
        assertEq(work.poraTarget, type(uint256).max, "target");
        assertEq(work.maxShards, 32, "shards");
    }

    function test_accepts_what_the_peer_accepted() public {
        mine.submit(answerOf(0));
        mine.submit(answerOf(2));
        assertEq(mine.currentSubmissions(), 2, "submissions");
        assertEq(mine.lastMinedEpoch(), 2, "epoch");
        assertEq(mine.activeIds(), 1, "active");
    }

    /// Answer 1 is sealed under the first epoch's digest, whose block hash is not published: the flow's answer is replaced.
    function test_accepts_the_answer_sealed_under_the_first_epoch() public {
        PoraAnswer memory answer = answerOf(1);
        MineContext memory context = flow.makeContextWithResult();
        vm.mockCall(
            address(flow),
            abi.encodeCall(Flow.contextForAnswer, (answer.sealedContextDigest)),
            abi.encode(context, EpochRange(0, 10_496), uint256(1))
        );
        mine.submit(answer);
        assertEq(mine.currentSubmissions(), 1, "accepted");
    }

    function test_pays_the_beneficiary_whoever_sends_the_answer() public {
        skip(1 hours);
        address thief = address(0xBAD);
        vm.prank(thief);
        mine.submit(answerOf(0));
        assertTrue(reward.payments(MINER) > 0, "the miner earned");
        assertEq(reward.payments(thief), 0, "the thief did not");
        uint256 owed = reward.payments(MINER);
        uint256 before = MINER.balance;
        reward.withdrawPayments(payable(MINER));
        assertEq(MINER.balance, before + owed, "withdrawn");
    }

    /* ----------------------------------------------------- bad input --------------------------------------------------- */

    function test_refuses_a_replay() public {
        mine.submit(answerOf(0));
        refuse(answerOf(0), abi.encodeWithSelector(IPoraMine.AnswerReplayed.selector, minerId, qualityOf(0)));
        mine.submit(answerOf(2));
        refuse(answerOf(2), abi.encodeWithSelector(IPoraMine.AnswerReplayed.selector, minerId, qualityOf(2)));
        refuse(answerOf(0), abi.encodeWithSelector(IPoraMine.AnswerReplayed.selector, minerId, qualityOf(0)));
    }

    function test_refuses_ids_that_nobody_registered() public {
        PoraAnswer memory answer = answerOf(0);
        answer.minerId = bytes32(0);
        refuse(answer, abi.encodeWithSelector(IPoraMine.UnknownMinerId.selector, bytes32(0)));
        answer.minerId = bytes32(uint256(minerId) ^ 1);
        refuse(answer, abi.encodeWithSelector(IPoraMine.UnknownMinerId.selector, answer.minerId));
    }

    function test_refuses_another_context() public {
        PoraAnswer memory answer = answerOf(0);
        bytes32 digest = answer.contextDigest;
        answer.contextDigest = bytes32(uint256(digest) ^ 1);
        refuse(answer, abi.encodeWithSelector(IPoraMine.ContextMismatch.selector, digest, answer.contextDigest));
    }

    function test_refuses_the_answer_of_an_epoch_that_is_over() public {
        vm.roll(MINE_START + EPOCH + 1);
        MineContext memory next = flow.makeContextWithResult();
        PoraAnswer memory answer = answerOf(0);
        refuse(answer, abi.encodeWithSelector(IPoraMine.ContextMismatch.selector, next.digest, answer.contextDigest));
    }

    function test_refuses_answers_outside_their_subtask() public {
        vm.roll(MINE_START + 16);
        refuse(answerOf(0), abi.encodeWithSelector(IPoraMine.SubtaskEnded.selector, MINE_START + 16, MINE_START + 15));
        vm.roll(MINE_START + 15);
        mine.submit(answerOf(0));
        // No answer can precede its subtask here, as there is one per epoch: PoraMineSubtasksTest has several.
    }

    function test_refuses_an_epoch_without_a_block_hash() public {
        vm.roll(MINE_START + 9000);
        MineContext memory context = flow.makeContextWithResult();
        assertTrue(context.digest != flow.EMPTY_HASH() || context.epoch > 2, "another epoch");
        vm.mockCall(
            address(flow),
            abi.encodeWithSelector(Flow.contextForAnswer.selector),
            abi.encode(MineContext(5, 1, bytes32(0), 24_576, flow.EMPTY_HASH(), flow.EMPTY_HASH()), EpochRange(0, 1), uint256(1))
        );
        refuse(answerOf(0), abi.encodeWithSelector(IPoraMine.EmptyContext.selector, 5));
        vm.mockCall(
            address(flow),
            abi.encodeWithSelector(Flow.contextForAnswer.selector),
            abi.encode(MineContext(5, 1, bytes32(0), 1023, answerOf(0).contextDigest, answerOf(0).contextDigest), EpochRange(0, 1), uint256(0))
        );
        refuse(answerOf(0), abi.encodeWithSelector(IPoraMine.RangeEmpty.selector, 1023));
    }

    function test_refuses_every_wrong_field_of_a_range() public {
        PoraAnswer memory answer = answerOf(2);
        answer.range.startPosition = 1;
        refuse(answer, abi.encodeWithSelector(IPoraMine.RangeNotAligned.selector, 1));
        answer.range.startPosition = 1 << 25;
        refuse(answer, abi.encodeWithSelector(IPoraMine.RangeOverflow.selector, 1 << 25, 24_576, 24_576));
        answer.range.startPosition = type(uint256).max << 25;
        refuse(answer, abi.encodeWithSelector(IPoraMine.RangeOverflow.selector, type(uint256).max << 25, 24_576, 24_576));
        answer = answerOf(2);
        answer.range.mineLength = 24_577;
        refuse(answer, abi.encodeWithSelector(IPoraMine.RangeOverflow.selector, 0, 24_577, 24_576));
        answer.range.mineLength = 24_575;
        refuse(answer, abi.encodeWithSelector(IPoraMine.RangeTooShort.selector, 24_575, 24_576));
        answer.range.mineLength = 0;
        refuse(answer, abi.encodeWithSelector(IPoraMine.RangeTooShort.selector, 0, 24_576));
        answer = answerOf(2);
        answer.range.shardId = 6;
        refuse(answer, abi.encodeWithSelector(IPoraMine.ShardIdMasked.selector, 6, answer.range.shardMask));
        answer = answerOf(0);
        answer.range.shardMask = type(uint64).max << 6;
        refuse(answer, abi.encodeWithSelector(IPoraMine.TooManyShards.selector, 64, 32));
        answer.range.shardMask = 0;
        refuse(answer, abi.encodeWithSelector(IPoraMine.TooManyShards.selector, 1 << 64, 32));
    }

    /// The forged answer of storage-protocol 4.8: a seal far outside the recalled load, at a position that fits it.
    function test_refuses_a_seal_outside_the_recalled_load() public {
        PoraAnswer memory answer = answerOf(0);
        uint256 loadStart = answer.recallPosition - 16 * answer.sealOffset;
        uint256[3] memory offsets = [uint256(64), 959, type(uint256).max];
        for (uint256 i = 0; i < offsets.length; ++i) {
            answer.sealOffset = offsets[i];
            unchecked {
                answer.recallPosition = loadStart + 16 * offsets[i];
            }
            refuse(answer, abi.encodeWithSelector(IPoraMine.SealOffsetOutOfRange.selector, offsets[i]));
        }
    }

    function test_refuses_another_position_offset_or_nonce() public {
        PoraAnswer memory answer = answerOf(0);
        uint256 position = answer.recallPosition;
        answer.recallPosition = position + 1;
        refuse(answer, abi.encodeWithSelector(IPoraMine.RecallPositionMismatch.selector, position, position + 1));
        answer.recallPosition = type(uint256).max;
        refuse(answer, abi.encodeWithSelector(IPoraMine.RecallPositionMismatch.selector, position, type(uint256).max));
        answer = answerOf(0);
        answer.sealOffset += 1;
        refuse(answer, abi.encodeWithSelector(IPoraMine.RecallPositionMismatch.selector, position + 16, position));
        answer = answerOf(0);
        answer.nonce = bytes32(uint256(answer.nonce) ^ 1);
        refuseAs(answer, IPoraMine.RecallPositionMismatch.selector);
    }

    function test_refuses_another_seal_context() public {
        PoraAnswer memory answer = answerOf(0);
        answer.sealedContextDigest = bytes32(uint256(answer.sealedContextDigest) ^ 1);
        refuse(answer, abi.encodeWithSelector(IPoraMine.SealContextMismatch.selector, answer.sealedContextDigest, 0, 0));
    }

    function test_refuses_proofs_that_are_too_long_too_short_or_wrong() public {
        PoraAnswer memory answer = answerOf(0);
        bytes32[] memory proof = answer.merkleProof;
        answer.merkleProof = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < proof.length - 1; ++i) answer.merkleProof[i] = proof[i];
        refuse(answer, abi.encodeWithSelector(IPoraMine.ProofLength.selector, 11, 10));
        answer.merkleProof = new bytes32[](proof.length + 1);
        for (uint256 i = 0; i < proof.length; ++i) answer.merkleProof[i] = proof[i];
        refuse(answer, abi.encodeWithSelector(IPoraMine.ProofLength.selector, 11, 12));
        answer = answerOf(0);
        for (uint256 i = 0; i < proof.length; ++i) {
            answer = answerOf(0);
            answer.merkleProof[i] = bytes32(uint256(answer.merkleProof[i]) ^ 1);
            refuseAs(answer, IPoraMine.FlowRootMismatch.selector);
        }
    }

    function testFuzz_refuses_any_changed_bit_of_the_sealed_data(uint256 bit) public {
        PoraAnswer memory answer = answerOf(bit % 2 == 0 ? 0 : 2);
        bit = (bit >> 1) % (4096 * 8);
        answer.sealedData[bit / 256] ^= bytes32(1 << (bit % 256));
        refuseAs(answer, IPoraMine.FlowRootMismatch.selector);
    }

    function test_takes_an_answer_at_the_target_and_refuses_one_below() public {
        // The first answer closes the gap before it, which moves the target; the next one is judged by what is set now.
        mine.submit(answerOf(2));
        // The threshold moves in steps of 2^64: the target that just reaches the quality has its high bits.
        uint256 reach = (qualityOf(0) >> 64) + 1;
        setTarget(reach << 64);
        uint256 snapshot = vm.snapshotState();
        mine.submit(answerOf(0));
        vm.revertToState(snapshot);
        setTarget((reach << 64) - 1);
        refuse(
            answerOf(0),
            abi.encodeWithSelector(IPoraMine.QualityNotReached.selector, qualityOf(0), (reach - 1) << 64)
        );
    }

    /// Writes the target where the contract keeps it, which is checked.
    function setTarget(uint256 target) private {
        for (uint256 slot = 0; slot < 16; ++slot) {
            if (vm.load(address(mine), bytes32(slot)) != bytes32(mine.poraTarget())) continue;
            vm.store(address(mine), bytes32(slot), bytes32(target));
            break;
        }
        assertEq(mine.poraTarget(), target, "target slot");
    }

    /* -------------------------------------------------------- ids ------------------------------------------------------ */

    function test_an_id_costs_a_bond_that_comes_with_the_request_and_stays_the_operators() public {
        assertEq(vault.missingFor(ALICE, address(mine), BOND), BOND, "what to bring");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotOptedIn.selector, ALICE, address(mine)));
        mine.requestMinerId{value: BOND - 1}(ALICE, 1);
        vm.prank(ALICE);
        mine.requestMinerId{value: BOND + 7}(ALICE, 1);
        assertEq(vault.reservedFor(ALICE, address(mine)), BOND, "reserved");
        assertEq(vault.stakeOf(ALICE), 7, "the surplus is stake like any other");
        bytes32 again = keccak256(abi.encodePacked(blockhash(block.number - 1), ALICE, uint64(1)));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IPoraMine.MinerIdTaken.selector, again));
        mine.requestMinerId{value: BOND}(ALICE, 1);
        uint256 perWei = vault.VIRTUAL_SHARES();
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ReservedStake.selector, ALICE, BOND - 1, BOND));
        vault.queueExit(ALICE, 8 * perWei);
        vm.prank(ALICE);
        vault.queueExit(ALICE, 7 * perWei);
    }

    function test_an_operator_that_opted_in_takes_ids_out_of_its_stake() public {
        vm.prank(ALICE);
        vault.deposit{value: 2 * BOND}(ALICE);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotOptedIn.selector, ALICE, address(mine)));
        mine.requestMinerId(ALICE, 1);
        vm.prank(ALICE);
        vault.optIn(address(mine));
        assertEq(vault.missingFor(ALICE, address(mine), BOND), 0, "nothing to bring");
        vm.prank(ALICE);
        mine.requestMinerId(ALICE, 1);
        vm.prank(ALICE);
        mine.requestMinerId(ALICE, 2);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ReservedStake.selector, ALICE, 0, BOND));
        mine.requestMinerId(ALICE, 3);
        vm.prank(ALICE);
        vault.optOut(address(mine));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ReservedStake.selector, ALICE, 0, 2 * BOND));
        vault.leaveService(address(mine));
    }

    function test_a_bond_is_free_again_when_its_id_is_inactive_and_retired() public {
        mine.submit(answerOf(0));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IPoraMine.NotOperator.selector, ALICE, minerId));
        mine.retireMinerId(minerId);
        vm.roll(MINE_START + 63 * EPOCH + 1);
        vm.prank(MINER);
        vm.expectRevert(abi.encodeWithSelector(IPoraMine.MinerIdActive.selector, minerId, 2));
        mine.retireMinerId(minerId);
        vm.roll(MINE_START + 64 * EPOCH + 1);
        vm.prank(MINER);
        mine.retireMinerId(minerId);
        uint256 shares = vault.sharesOf(MINER, MINER);
        vm.prank(MINER);
        uint256 exit = vault.queueExit(MINER, shares);
        skip(UNBONDING);
        uint256 before = MINER.balance;
        vault.release(exit);
        assertEq(MINER.balance - before, BOND, "all of it");
        vm.prank(MINER);
        vm.expectRevert(abi.encodeWithSelector(IPoraMine.UnknownMinerId.selector, minerId));
        mine.retireMinerId(minerId);
        vm.expectRevert(abi.encodeWithSelector(IPoraMine.UnknownMinerId.selector, minerId));
        mine.computeWorkerContext(minerId);
    }

    function test_only_the_beneficiary_gives_an_id_away() public {
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IPoraMine.NotBeneficiary.selector, ALICE, minerId));
        mine.transferBeneficial(ALICE, minerId);
        vm.prank(MINER);
        vm.expectRevert(abi.encodeWithSelector(Governed.ZeroAddress.selector));
        mine.transferBeneficial(address(0), minerId);
        vm.prank(MINER);
        mine.transferBeneficial(ALICE, minerId);
        skip(1 hours);
        mine.submit(answerOf(0));
        assertTrue(reward.payments(ALICE) > 0 && reward.payments(MINER) == 0, "paid to the new one");
    }

    /* ---------------------------------------------------- governance --------------------------------------------------- */

    function test_a_pause_stops_answers_and_nothing_else() public {
        skip(1 hours);
        mine.submit(answerOf(0));
        vm.prank(ADMIN);
        mine.pause();
        refuse(answerOf(2), abi.encodeWithSelector(MineState.EnforcedPause.selector));
        assertEq(mine.computeWorkerContext(minerId).poraTarget, 0, "no work");
        reward.withdrawPayments(payable(MINER));
        vm.prank(ADMIN);
        mine.unpause();
        mine.submit(answerOf(2));
        vm.expectRevert(abi.encodeWithSelector(Governed.AccessControlUnauthorizedAccount.selector, address(this), mine.PAUSER_ROLE()));
        mine.pause();
    }

    function test_parameters_wait_for_the_timelock_and_the_next_epoch() public {
        MineParameters memory next = mineParameters();
        next.maxShards = 2;
        bytes32 role = mine.PARAMS_ADMIN_ROLE();
        vm.expectRevert(abi.encodeWithSelector(Governed.AccessControlUnauthorizedAccount.selector, address(this), role));
        mine.announceParameters(next);
        vm.prank(ADMIN);
        mine.announceParameters(next);
        mine.submit(answerOf(2)); // four shards: still allowed, the timelock runs
        assertEq(mine.maxShards(), 32, "not yet");
        skip(1 days);
        assertEq(mine.computeWorkerContext(minerId).maxShards, 32, "not in this epoch");
        vm.roll(MINE_START + EPOCH + 1);
        assertEq(mine.computeWorkerContext(minerId).maxShards, 2, "in the next");
    }

    function test_parameters_have_bounds() public {
        for (uint256 i = 0; i < 9; ++i) {
            MineParameters memory next = mineParameters();
            if (i == 0) next.targetMineBlocks = 0;
            else if (i == 1) next.targetMineBlocks = 19; // + 1 reaches the epoch
            else if (i == 2) next.targetSubmissions = 0;
            else if (i == 3) next.targetSubmissions = 1001;
            else if (i == 4) next.difficultyAdjustRatio = 0;
            else if (i == 5) next.subtaskCount = 0;
            else if (i == 6) (next.subtaskCount, next.subtaskInterval) = (2, 0);
            else if (i == 7) next.maxShards = 3;
            else next.minDifficulty = 0;
            vm.prank(ADMIN);
            vm.expectRevert(abi.encodeWithSelector(IPoraMine.InvalidParameters.selector));
            mine.announceParameters(next);
        }
    }

    /* -------------------------------------------------------- gas ------------------------------------------------------ */

    /// Peer (measuredGas of the vectors, same proof length, transaction and calldata included): 413,428 first, 377,973 at a new
    /// epoch, 359,179 steady, without a payout. Ours pays in every one of them.
    function test_gas_of_submit() public {
        skip(1 hours);
        uint256 fresh = vm.snapshotState();
        uint256 withContext = gasOfSubmit(answerOf(0));
        vm.revertToState(fresh);
        flow.makeContext();
        uint256 first = gasOfSubmit(answerOf(0));
        uint256 steady = gasOfSubmit(answerOf(2));
        vm.snapshotValue("PoraMine", "submit, first answer ever, paid", first);
        vm.snapshotValue("PoraMine", "submit, first answer ever, paid, and two contexts made", withContext);
        vm.snapshotValue("PoraMine", "submit, second of the epoch, paid", steady);
        assertTrue(first <= 413_000, "first");
        assertTrue(steady <= 359_000, "steady");
    }
}

/// Several subtasks in an epoch: each id has a window of its own.
contract PoraMineSubtasksTest is PoraFixture {
    uint256 private constant SUBTASKS = 4;
    uint256 private constant INTERVAL = 3;
    uint256 private constant WINDOW = 3;

    function mineParameters() internal view override returns (MineParameters memory parameters) {
        parameters = super.mineParameters();
        parameters.targetMineBlocks = uint16(WINDOW);
        parameters.subtaskCount = uint16(SUBTASKS);
        parameters.subtaskInterval = uint32(INTERVAL);
    }

    function test_an_answer_counts_in_the_window_of_its_subtask_only() public {
        PoraAnswer memory answer = answerOf(0);
        uint256 index = uint256(keccak256(abi.encode(answer.contextDigest, minerId))) % SUBTASKS;
        assertTrue(index > 0, "the id of the vectors does not come first, or this would test nothing");
        uint256 start = MINE_START + index * INTERVAL;
        bytes memory early = abi.encodeWithSelector(IPoraMine.SubtaskNotStarted.selector, MINE_START + 1, start);
        vm.expectRevert(early);
        mine.submit(answer);
        assertTrue(mine.computeWorkerContext(minerId).subtaskDigest == bytes32(0), "no work yet");
        vm.roll(start);
        vm.expectRevert(abi.encodeWithSelector(IPoraMine.SubtaskNotStarted.selector, start, start));
        mine.submit(answer);
        // Within the window the subtask's own block hash counts: made for another, the nonce recalls something else.
        vm.roll(start + 1);
        assertTrue(mine.computeWorkerContext(minerId).poraTarget != 0, "work");
        (bool ok, bytes memory out) = address(mine).call(abi.encodeCall(IPoraMine.submit, (answer)));
        assertTrue(!ok && bytes4(out) == IPoraMine.RecallPositionMismatch.selector, "another subtask digest");
        vm.roll(start + WINDOW + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IPoraMine.SubtaskEnded.selector, start + WINDOW + 1, start + WINDOW)
        );
        mine.submit(answer);
    }
}
