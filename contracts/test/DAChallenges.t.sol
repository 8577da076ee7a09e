// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Batch, BlobHeader} from "../src/interfaces/DaTypes.sol";
import {IDAChallenges} from "../src/interfaces/IDAChallenges.sol";
import {IDARegistry} from "../src/interfaces/IDARegistry.sol";
import {PieceProof} from "../src/libraries/PieceProof.sol";
import {RowAssignment} from "../src/libraries/RowAssignment.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {Da} from "./Da.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

/// Challenges, answers, slashing; each attack of da-protocol.md section 6 by name. The blob has 4096 equal rows of three pieces
/// (2048, 2048, 64 bytes), so that every path is known.
contract DAChallengesTest is Da {
    uint256 private constant ROW = 4160;
    uint32 private constant LENGTH = 4_200_000;
    address private constant CHALLENGER = address(0xC4A);
    bytes32 private constant RLC_ROOT = keccak256("rlc");

    bytes32[4] private pieceNodes; // leaf 0, leaf 1, leaf 2, node (0, 1)
    bytes32 private commitment;
    Sealed private sealedBatch;

    function setUp() public override {
        super.setUp();
        pieceNodes[0] = sha256(bytes.concat(hex"00", piece(0)));
        pieceNodes[1] = sha256(bytes.concat(hex"00", piece(1)));
        pieceNodes[2] = sha256(bytes.concat(hex"00", piece(2)));
        pieceNodes[3] = sha256(abi.encode(pieceNodes[0], pieceNodes[1]));
        bytes32 node = sha256(abi.encode(pieceNodes[3], pieceNodes[2]));
        for (uint256 i = 0; i < 12; ++i) node = sha256(abi.encode(node, node));
        commitment = PieceProof.commitmentOf(0, uint32(ROW), node, RLC_ROOT);
        vm.deal(CHALLENGER, 1000 ether);
        vm.fee(1 gwei);
        openEpoch(1);
        BlobHeader[] memory headers = new BlobHeader[](1);
        headers[0] = headerFor(1, commitment, LENGTH);
        Sealed memory batch = sealHeaders(headers, only(6));
        confirm(batch);
        sealedBatch.certificate = batch.certificate;
        sealedBatch.headers.push(headers[0]);
        sealedBatch.keys.push(batch.keys[0]);
    }

    function piece(uint256 index) private pure returns (bytes memory bytes_) {
        bytes_ = new bytes(index == 2 ? 64 : 2048);
        for (uint256 i = 0; i < bytes_.length; ++i) bytes_[i] = bytes1(uint8(i * 31 + index * 7 + 1));
    }

    function proofFor(uint256 index) private view returns (IDAChallenges.Answer memory proof) {
        proof.piece = piece(index);
        proof.rlcRoot = RLC_ROOT;
        if (index == 2) {
            proof.piecePath = new bytes32[](1);
            proof.piecePath[0] = pieceNodes[3];
        } else {
            proof.piecePath = new bytes32[](2);
            (proof.piecePath[0], proof.piecePath[1]) = (pieceNodes[1 - index], pieceNodes[2]);
        }
        proof.rowPath = new bytes32[](12);
        proof.rowPath[0] = sha256(abi.encode(pieceNodes[3], pieceNodes[2]));
        for (uint256 i = 1; i < 12; ++i) proof.rowPath[i] = sha256(abi.encode(proof.rowPath[i - 1], proof.rowPath[i - 1]));
    }

    function positionOf(uint256 member) private view returns (uint32 start, uint32 end) {
        IDARegistry.Member memory who = registry.memberOf(1, 0, member);
        (uint256 a, uint256 b) = RowAssignment.positions(4096, who.weightBefore, who.weight, who.totalWeight);
        return (uint32(a), uint32(b));
    }

    function open(uint16 member, uint32 position) private returns (IDAChallenges.Challenge memory opened) {
        address operator = registry.memberOf(1, 0, member).operator;
        uint256 bond = challenges.bondFor(operator);
        Batch memory batch = sealedBatch.certificate.batch;
        BlobHeader memory header = sealedBatch.headers[0];
        uint256 pace = blockNow + 30;
        vm.cool(address(challenges));
        vm.cool(address(entrance));
        vm.cool(address(registry));
        vm.prank(CHALLENGER);
        opened.id = challenges.challenge{value: bond}(batch, only(6), header, 0, new bytes32[](0), member, position);
        vm.snapshotGasLastCall("DA", "challenge, opened");
        opened.header = header;
        opened.member = member;
        opened.operator = operator;
        opened.position = position;
        opened.openedBlock = uint64(blockNow);
        opened.deadline = uint64(pace);
        opened.baseFee = 1 gwei;
        opened.bond = bond;
        opened.challenger = CHALLENGER;
        // Deadlines are paced: find this one's.
        while (challenges.challengeHash(opened.id) != keccak256(abi.encode(opened))) {
            opened.deadline += 1;
            require(opened.deadline < pace + 100, "deadline not found");
        }
    }

    function test_a_member_that_has_its_row_answers_and_is_paid_out_of_the_bond() public {
        (uint32 start,) = positionOf(2);
        IDAChallenges.Challenge memory opened = open(2, start + 5);
        assertEq(opened.bond, 250_000 * 1 gwei * 8, "eight answers");
        IDAChallenges.Answer memory proof = proofFor(0);
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.NotDrawnYet.selector, blockNow));
        challenges.answer(opened, proof);
        assertEq(vault.isServing(opened.operator, address(registry)) ? 1 : 0, 1, "serving");
        assertEq(registry.lockedUntil(opened.operator), type(uint256).max, "locked while it is open");
        roll(blockNow + 3);
        proof = proofFor(challenges.pieceOf(opened));
        vm.cool(address(challenges));
        vm.cool(address(registry));
        challenges.answer(opened, proof);
        vm.snapshotGasLastCall("DA", "challenge, answered");
        assertEq(challenges.credits(opened.operator), 250_000 * 1 gwei * 2, "twice its cost");
        assertEq(challenges.burned(), opened.bond - 250_000 * 1 gwei * 2, "the rest burns");
        assertEq(challenges.lockOf(opened.operator), 0, "free");
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.UnknownChallenge.selector, opened.id));
        challenges.answer(opened, proof); // one answer pays once
        assertEq(address(challenges).balance, challenges.burned() + challenges.credits(opened.operator), "conserved");
    }

    /// Wrong index, another row, lengths off by one, hashes instead of bytes: nothing but the drawn piece answers.
    function test_nothing_but_the_drawn_piece_answers() public {
        (uint32 start,) = positionOf(2);
        IDAChallenges.Challenge memory opened = open(2, start);
        roll(blockNow + 3);
        uint256 index = challenges.pieceOf(opened);
        IDAChallenges.Answer memory proof = proofFor((index + 1) % 3);
        vm.expectRevert();
        challenges.answer(opened, proof);
        proof = proofFor(index);
        proof.rlcRoot = keccak256("other");
        vm.expectRevert();
        challenges.answer(opened, proof);
        proof = proofFor(index);
        proof.piece[0] ^= 0x01;
        vm.expectRevert();
        challenges.answer(opened, proof);
        proof = proofFor(index);
        proof.piece = bytes.concat(proof.piece, hex"00");
        vm.expectRevert(
            abi.encodeWithSelector(PieceProof.WrongPieceLength.selector, proof.piece.length - 1, proof.piece.length)
        );
        challenges.answer(opened, proof);
        proof = proofFor(index);
        proof.rowPath = new bytes32[](11);
        vm.expectRevert(abi.encodeWithSelector(PieceProof.WrongPathLength.selector, 12, 11));
        challenges.answer(opened, proof);
        proof.rowPath = new bytes32[](13);
        vm.expectRevert(abi.encodeWithSelector(PieceProof.WrongPathLength.selector, 12, 13));
        challenges.answer(opened, proof);
        challenges.answer(opened, proofFor(index));
    }

    /// [rotation that escapes challenges] The epoch's member entry names its record: a new key changes nothing of what the old one
    /// signed.
    function test_a_new_key_does_not_escape_what_the_old_one_signed() public {
        address operator = registry.memberOf(1, 0, 2).operator;
        registerKey(operator, 777);
        (uint32 start,) = positionOf(2);
        uint256 stake = vault.stakeOf(operator);
        IDAChallenges.Challenge memory opened = open(2, start);
        assertTrue(opened.operator == operator, "still answers for it");
        roll(opened.deadline + 1);
        challenges.fail(opened);
        assertTrue(vault.stakeOf(operator) < stake, "slashed");
    }

    function test_an_unanswered_challenge_slashes_jails_and_forfeits() public {
        (uint32 start,) = positionOf(1); // 700 of 3000
        IDAChallenges.Challenge memory opened = open(1, start);
        (uint256 balance,,) = entrance.accounts(account);
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.BeforeDeadline.selector, opened.deadline));
        challenges.fail(opened);
        roll(opened.deadline + 1);
        IDAChallenges.Answer memory proof = proofFor(0);
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.PastDeadline.selector, opened.deadline));
        challenges.answer(opened, proof); // too late, though nobody reported it yet
        challenges.fail(opened);
        assertEq(vault.poolOf(operators[1]).assets, 693 ether, "1% of its stake");
        assertEq(challenges.credits(CHALLENGER), opened.bond, "the bond is back");
        uint256 most = 20 * uint256(250_000) * 1 gwei * 8;
        assertEq(vault.credits(CHALLENGER), 0.7 ether < most ? 0.7 ether : most, "a tenth, at most twenty bonds");
        assertEq(vault.burned(), 7 ether - vault.credits(CHALLENGER), "the rest burns");
        assertTrue(registry.operatorOf(operators[1]).isJailed, "jailed");
        (uint256 after_,,) = entrance.accounts(account);
        assertTrue(after_ > balance, "the payer gets its part back");
        vm.prank(operators[1]);
        vm.expectRevert(abi.encodeWithSelector(IDARegistry.IsJailed.selector, operators[1]));
        registry.activate(address(0));
        // Second step: 3 · 700/3000 of the stake at the snapshot, capped by the service's cap per window.
        vm.expectRevert();
        challenges.correlate(1, 0, 1);
        roll(blockNow + 30);
        challenges.correlate(1, 0, 1);
        assertEq(challenges.lockOf(operators[1]), 0, "settled");
        assertEq(vault.poolOf(operators[1]).assets, 693 ether - 415.8 ether, "60% of what is there, the cap");
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.NothingToSettle.selector, 1, 0, 1));
        challenges.correlate(1, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.UnknownChallenge.selector, opened.id));
        challenges.fail(opened); // every challenge ends once
    }

    /// [challenging oneself first to go cheap] The second step counts everybody that failed until it is taken.
    function test_failing_first_by_ones_own_challenge_is_not_cheap() public {
        (uint32 first,) = positionOf(5);
        (uint32 second,) = positionOf(0);
        IDAChallenges.Challenge memory own = open(5, first);
        roll(blockNow + 5);
        IDAChallenges.Challenge memory later = open(0, second);
        roll(own.deadline + 1);
        challenges.fail(own);
        roll(later.deadline + 1);
        challenges.fail(later);
        assertEq(challenges.failedWeight(1, 0), 1100, "both count");
        roll(blockNow + 30);
        uint256 before = vault.poolOf(operators[5]).assets;
        challenges.correlate(1, 0, 5);
        assertEq(vault.poolOf(operators[5]).assets, before - before * 6 / 10, "all of it, down to the cap");
    }

    /// [a shield raised by challenging oneself] Open challenges make the next bond dearer and never refuse it.
    function test_challenges_against_oneself_are_no_shield() public {
        (uint32 start,) = positionOf(0);
        uint256 first = challenges.bondFor(operators[0]);
        for (uint32 i = 0; i < 12; ++i) open(0, start + i);
        assertEq(challenges.bondFor(operators[0]), first * 8, "doubled three times");
        IDAChallenges.Challenge memory opened = open(0, start + 100);
        roll(opened.deadline + 1);
        challenges.fail(opened);
    }

    function test_only_a_present_members_own_position_of_a_paid_blob_is_challenged() public {
        Batch memory batch = sealedBatch.certificate.batch;
        BlobHeader memory header = sealedBatch.headers[0];
        bytes32[] memory path = new bytes32[](0);
        (uint32 start, uint32 end) = positionOf(2);
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.NotItsPosition.selector, end, start, end));
        challenges.challenge{value: 1 ether}(batch, only(6), header, 0, path, 2, end);
        (uint32 last,) = positionOf(6);
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.MemberAbsent.selector, 6));
        challenges.challenge{value: 1 ether}(batch, only(6), header, 0, path, 6, last);
        bytes32 hash = hasher.batchHash(batch);
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.NotConfirmed.selector, hash));
        challenges.challenge{value: 1 ether}(batch, none(), header, 0, path, 2, start);
        header.length -= 1;
        bytes32 key = entrance.blobKeyOf(header);
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.NotInBatch.selector, key));
        challenges.challenge{value: 1 ether}(batch, only(6), header, 0, path, 2, start);
        header.length += 1;
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.BondTooLow.selector, 1, 250_000 * 1 gwei * 8));
        challenges.challenge{value: 1}(batch, only(6), header, 0, path, 2, start);
        open(2, start);
        bytes32 id = keccak256(abi.encode(sealedBatch.keys[0], uint16(2), start));
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.AlreadyOpen.selector, id));
        challenges.challenge{value: 1 ether}(batch, only(6), header, 0, path, 2, start);
        roll(blockNow + 700);
        vm.expectRevert(abi.encodeWithSelector(IDAChallenges.Expired.selector, header.expiry));
        challenges.challenge{value: 1 ether}(batch, only(6), header, 0, path, 2, start + 1);
    }

    /// [stake under an obligation] An exit waits for the challenge and is slashed with the rest.
    function test_queued_stake_waits_for_its_challenges_and_is_slashed() public {
        uint256 shares = vault.sharesOf(operators[3], operators[3]);
        vm.prank(operators[3]);
        uint256 id = vault.queueExit(operators[3], shares);
        (uint32 start,) = positionOf(3);
        roll(blockNow + 500);
        IDAChallenges.Challenge memory opened = open(3, start);
        roll(opened.deadline + 1);
        vm.warp(vm.getBlockTimestamp() + 2000); // unbonding is over, the challenge is not
        vm.expectRevert();
        vault.release(id);
        challenges.fail(opened);
        vm.expectRevert();
        vault.release(id);
        roll(blockNow + 30);
        challenges.correlate(1, 0, 3);
        uint256 before = operators[3].balance;
        vault.release(id);
        assertTrue(operators[3].balance - before < 400 ether * 0.65, "less what was slashed");
    }

    function test_a_blob_is_lost_when_its_signers_cannot_be_relied_on() public {
        uint16[6] memory members = [uint16(0), 1, 2, 3, 4, 5];
        IDAChallenges.Challenge[] memory all = new IDAChallenges.Challenge[](6);
        for (uint256 i = 0; i < 6; ++i) {
            (uint32 start,) = positionOf(members[i]);
            all[i] = open(members[i], start);
        }
        roll(all[5].deadline + 1);
        for (uint256 i = 0; i < 6; ++i) if (i < 3 || i == 5) challenges.fail(all[i]);
        uint16[] memory failed = new uint16[](4);
        (failed[0], failed[1], failed[2], failed[3]) = (0, 1, 2, 5);
        Batch memory batch = sealedBatch.certificate.batch;
        BlobHeader memory header = sealedBatch.headers[0];
        bytes32[] memory path = new bytes32[](0);
        vm.expectRevert();
        challenges.declareLost(batch, only(6), header, 0, path, two(0, 1)); // 1250 of 3000 are left: enough
        challenges.declareLost(batch, only(6), header, 0, path, failed); // 650 of 3000: below a quarter
        assertTrue(challenges.isLost(sealedBatch.keys[0]), "lost");
    }

    /// However many positions fail, the payer gets a member's part for the blob back once; a late signer's never left the payer.
    function test_a_part_is_forfeited_once_and_only_if_it_was_charged() public {
        (uint32 start,) = positionOf(1);
        IDAChallenges.Challenge memory first = open(1, start);
        IDAChallenges.Challenge memory second = open(1, start + 1);
        Batch memory batch = sealedBatch.certificate.batch;
        bytes32 message = hasher.attestMessage(batch, address(entrance));
        entrance.addLate(batch, only(6), BlsSigner.sign(secretOf(6), message), only(6));
        roll(second.deadline + 1);
        (uint256 before,,) = entrance.accounts(account);
        challenges.fail(first);
        (uint256 once,,) = entrance.accounts(account);
        assertTrue(once > before, "its part");
        challenges.fail(second);
        (uint256 twice,,) = entrance.accounts(account);
        assertEq(twice, once, "once");
        // Member 6 signed late: it is held to its rows and there is nothing of it to give back.
        (uint32 late,) = positionOf(6);
        BlobHeader memory header = sealedBatch.headers[0];
        uint256 bond = challenges.bondFor(operators[6]);
        vm.prank(CHALLENGER);
        challenges.challenge{value: bond}(batch, none(), header, 0, new bytes32[](0), 6, late);
        vm.prank(address(challenges));
        entrance.forfeit(header, sealedBatch.keys[0], 6);
        (uint256 after_,,) = entrance.accounts(account);
        assertEq(after_, once, "nothing to give back");
    }
}
