// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IStorageCustody, Receipt} from "../src/interfaces/IStorageCustody.sol";
import {Receipts} from "../src/libraries/Receipts.sol";
import {Custody} from "./Custody.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

/// The library's functions with memory arguments turned into calldata.
contract ReceiptRanges {
    function held(Receipt calldata receipt) external pure returns (uint256) {
        return Receipts.held(receipt, 256);
    }

    function draw(Receipt calldata receipt, bytes32 hash) external pure returns (uint256) {
        return Receipts.draw(receipt, 256, hash);
    }
}

contract StorageCustodyTest is Custody {
    ReceiptRanges private ranges;

    function setUp() public override {
        super.setUp();
        ranges = new ReceiptRanges();
    }

    function test_a_provider_that_has_the_data_answers_and_is_paid_out_of_the_bond() public {
        IStorageCustody.Challenge memory opened = open(receiptOf(1, 2));
        assertEq(opened.bond, 250_000 * 1 gwei * 8, "eight answers");
        assertEq(custody.lockedUntil(PROVIDER), type(uint256).max, "locked while it is open");
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.NotDrawnYet.selector, blockNow));
        custody.sectorOf(opened);
        roll(blockNow + 3);
        uint256 sector = custody.sectorOf(opened);
        assertEq(sector / 1024 % 2, 1, "a segment of its shard");
        bytes memory data = sectorBytes(sector - SECTORS);
        bytes32[] memory path = pathOf(sector);
        vm.cool(address(custody));
        custody.answer(opened, data, path);
        vm.snapshotGasLastCall("Custody", "challenge, answered");
        assertEq(custody.credits(PROVIDER), 250_000 * 1 gwei * 2, "twice its cost");
        assertEq(custody.burned(), opened.bond - custody.credits(PROVIDER), "the rest burns");
        assertEq(custody.lockedUntil(PROVIDER), custody.lockOf(PROVIDER), "no longer");
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.UnknownChallenge.selector, opened.id));
        custody.answer(opened, data, path); // one answer pays once
        assertEq(vault.poolOf(PROVIDER).assets, 100 ether, "nothing is slashed");
        uint256 before = PROVIDER.balance;
        custody.withdraw(PROVIDER);
        assertEq(PROVIDER.balance - before, 250_000 * 1 gwei * 2, "paid out");
        custody.flushBurned();
        assertEq(address(custody).balance, 0, "conserved");
    }

    function test_nothing_but_the_drawn_sector_answers() public {
        IStorageCustody.Challenge memory opened = open(receiptOf(0, 1));
        roll(blockNow + 3);
        uint256 sector = custody.sectorOf(opened);
        bytes memory data = sectorBytes(sector - SECTORS);
        bytes32[] memory path = pathOf(sector);
        bytes memory other = sectorBytes((sector - SECTORS) ^ 1);
        bytes32[] memory otherPath = pathOf(sector ^ 1);
        vm.expectRevert();
        custody.answer(opened, other, otherPath); // its neighbour, with a good proof
        data[0] ^= 0x01;
        vm.expectRevert();
        custody.answer(opened, data, path);
        data[0] ^= 0x01;
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.WrongLength.selector, 256, 257));
        custody.answer(opened, bytes.concat(data, hex"00"), path);
        // The two hashes below the sector's parent in place of the sector: never a node for the bytes.
        bytes32[] memory shorter = new bytes32[](HEIGHT);
        for (uint256 i = 0; i < HEIGHT; ++i) shorter[i] = path[i + 1];
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.WrongLength.selector, 256, 64));
        custody.answer(opened, abi.encode(nodes[SECTORS], nodes[SECTORS + 1]), shorter);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.WrongLength.selector, 64, HEIGHT));
        custody.answer(opened, data, shorter); // the index is not used up
        bytes32[] memory longer = new bytes32[](HEIGHT + 2);
        for (uint256 i = 0; i <= HEIGHT; ++i) longer[i] = path[i];
        vm.expectRevert();
        custody.answer(opened, data, longer);
        opened.receipt.sectors -= 1;
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.UnknownChallenge.selector, opened.id));
        custody.answer(opened, data, path);
        opened.receipt.sectors += 1;
        custody.answer(opened, data, path);
    }

    function test_an_unanswered_challenge_slashes_once_for_each_serial() public {
        Receipt memory receipt = receiptOf(1, 4);
        IStorageCustody.Challenge memory opened = open(receipt);
        IStorageCustody.Challenge memory second = open(receipt);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.BeforeDeadline.selector, opened.deadline));
        custody.fail(opened);
        roll(second.deadline);
        roll(second.deadline + 1);
        bytes memory data = sectorBytes(0);
        bytes32[] memory path = pathOf(SECTORS);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.PastDeadline.selector, opened.deadline));
        custody.answer(opened, data, path); // too late, though nobody reported it yet
        custody.fail(opened);
        uint256 slashed = 1024 * SLASH; // one segment of four
        assertEq(vault.poolOf(PROVIDER).assets, 100 ether - slashed, "for what it held");
        uint256 most = 20 * uint256(250_000) * 1 gwei * 8;
        assertEq(vault.credits(CHALLENGER), slashed / 10 < most ? slashed / 10 : most, "a tenth, at most twenty bonds");
        custody.fail(second);
        assertEq(vault.poolOf(PROVIDER).assets, 100 ether - slashed, "once");
        assertEq(custody.credits(CHALLENGER), opened.bond + second.bond, "both bonds are back");
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.UnknownChallenge.selector, opened.id));
        custody.fail(opened); // every challenge ends once
        receipt.issuedAt = uint64(vm.getBlockTimestamp());
        receipt.expiry = receipt.issuedAt + 60;
        bytes memory signature = signed(receipt);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.AlreadyFailed.selector, PROVIDER, receipt.serial));
        custody.checkReceipt(receipt, signature);
    }

    /// [losing a little must cost more than challenging it] The slash is never below the bond, never above the cap.
    function test_a_slash_is_at_least_the_bond_and_at_most_the_cap() public {
        Receipt memory small = receiptOf(0, 1);
        small.sectors = 1; // one segment or a part of it
        IStorageCustody.Challenge memory opened = open(small);
        IStorageCustody.Challenge memory all = open(receiptOf(0, 1)); // 4096 sectors: 4.096 ether
        roll(all.deadline + 1);
        custody.fail(opened);
        assertEq(vault.poolOf(PROVIDER).assets, 100 ether - opened.bond, "the bond");
        custody.fail(all);
        assertEq(vault.poolOf(PROVIDER).assets, 100 ether - opened.bond - 4096 * SLASH, "all it held");
        for (uint256 i = 0; i < 10; ++i) {
            all = open(receiptOf(0, 1));
            roll(all.deadline + 1);
            custody.fail(all);
        }
        assertTrue(vault.poolOf(PROVIDER).assets > 50 ether, "caps per window hold");
    }

    function test_every_field_of_a_receipt_is_checked() public {
        Receipt memory r = receiptOf(1, 4);
        uint256 now_ = vm.getBlockTimestamp();
        custody.checkReceipt(r, signed(r));
        r.numShard = 3;
        refused(r, abi.encodeWithSelector(IStorageCustody.BadShard.selector, 1, 3));
        r.numShard = 512;
        refused(r, abi.encodeWithSelector(IStorageCustody.BadShard.selector, 1, 512));
        r.numShard = 0;
        refused(r, abi.encodeWithSelector(IStorageCustody.BadShard.selector, 1, 0));
        (r.numShard, r.shardId) = (4, 4);
        refused(r, abi.encodeWithSelector(IStorageCustody.BadShard.selector, 4, 4));
        (r.shardId, r.sectors) = (1, 0);
        refused(r, abi.encodeWithSelector(IStorageCustody.BadRange.selector, SECTORS, 0));
        (r.startPos, r.sectors) = (0, 4096);
        refused(r, abi.encodeWithSelector(IStorageCustody.BadRange.selector, 0, 4096));
        (r.startPos, r.sectors) = (1025, 1024); // across a boundary without starting on one
        refused(r, abi.encodeWithSelector(IStorageCustody.BadRange.selector, 1025, 1024));
        (r.startPos, r.sectors) = (4096, 1024); // segment 4 only
        refused(r, abi.encodeWithSelector(IStorageCustody.NothingHeld.selector, 1, 4));
        r.sectors = 4096;
        r.expiry = r.issuedAt;
        refused(r, abi.encodeWithSelector(IStorageCustody.BadPeriod.selector, now_, now_));
        r.expiry = r.issuedAt + 601;
        refused(r, abi.encodeWithSelector(IStorageCustody.BadPeriod.selector, now_, now_ + 601));
        (r.issuedAt, r.expiry) = (uint64(now_ + 1), uint64(now_ + 100));
        refused(r, abi.encodeWithSelector(IStorageCustody.NotYetIssued.selector, now_ + 1));
        (r.issuedAt, r.expiry) = (uint64(now_ - 100), uint64(now_ - 1));
        refused(r, abi.encodeWithSelector(IStorageCustody.ReceiptExpired.selector, now_ - 1));
        (r.issuedAt, r.expiry) = (uint64(now_), uint64(now_ + 600));
        r.txSeq = 1;
        refused(r, abi.encodeWithSelector(IStorageCustody.VoidReceipt.selector, 1, flowRoot, bytes32(0)));
        r.flowRoot = 0;
        refused(r, abi.encodeWithSelector(IStorageCustody.VoidReceipt.selector, 1, bytes32(0), bytes32(0)));
        (r.txSeq, r.flowRoot) = (0, keccak256("reorged"));
        refused(r, abi.encodeWithSelector(IStorageCustody.VoidReceipt.selector, 0, r.flowRoot, flowRoot));
        r.flowRoot = flowRoot;
        bytes memory foreign = signedBy(0x52, r);
        address signer = vm.addr(SIGNER_KEY);
        address stranger = vm.addr(0x52);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.NotSigned.selector, stranger, signer));
        custody.checkReceipt(r, foreign);
        bytes memory good = signed(r);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.NotSigned.selector, address(0), signer));
        custody.checkReceipt(r, bytes.concat(good, hex"00"));
        r.serial += 1;
        vm.expectRevert();
        custody.checkReceipt(r, good); // signed for another serial
        vm.expectRevert(
            abi.encodeWithSelector(IStorageCustody.BondTooLow.selector, 1, 250_000 * 1 gwei * 8)
        );
        r.serial -= 1;
        custody.challenge{value: 1}(r, good);
    }

    function refused(Receipt memory receipt, bytes memory reason) private {
        bytes memory signature = signed(receipt);
        vm.expectRevert(reason);
        custody.checkReceipt(receipt, signature);
    }

    function test_the_upper_half_of_the_curve_order_is_no_signature() public {
        Receipt memory receipt = receiptOf(0, 1);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, custody.receiptDigest(receipt));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory twin = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        address signer = vm.addr(SIGNER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.NotSigned.selector, address(0), signer));
        custody.checkReceipt(receipt, twin);
    }

    function test_a_replaced_key_counts_for_what_it_signed_before() public {
        Receipt memory old = receiptOf(0, 1);
        bytes memory oldSignature = signed(old);
        address next = vm.addr(0x52);
        roll(blockNow + 10);
        vm.prank(PROVIDER);
        custody.setSigner(next);
        custody.checkReceipt(old, oldSignature);
        Receipt memory late = receiptOf(0, 1);
        bytes memory lateSignature = signed(late);
        address first = vm.addr(SIGNER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.NotSigned.selector, first, next));
        custody.checkReceipt(late, lateSignature);
        custody.checkReceipt(late, signedBy(0x52, late));
        assertTrue(custody.signerAt(PROVIDER, 1) == address(0), "none before the first");
        assertTrue(custody.signerOf(PROVIDER) == next, "the newest");
    }

    function test_a_receipt_needs_a_lock_and_a_lock_a_service() public {
        address other = address(0x9999);
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.NotServing.selector, other));
        custody.lock(1e12);
        uint256 until = custody.lockOf(PROVIDER);
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.LockShortened.selector, until - 1, until));
        custody.lock(until - 1);
        vm.warp(until - MARGIN - 599);
        Receipt memory receipt = receiptOf(0, 1); // holds one second too long
        bytes memory signature = signed(receipt);
        vm.expectRevert(abi.encodeWithSelector(IStorageCustody.NotLocked.selector, until + 1, until));
        custody.checkReceipt(receipt, signature);
        receipt.expiry -= 1;
        custody.checkReceipt(receipt, signed(receipt));
    }

    /// [stake under an obligation] Neither an exit nor leaving the service gets it out before the receipt's challenge is over.
    function test_stake_stays_until_the_last_challenge_ends() public {
        uint256 shares = vault.sharesOf(PROVIDER, PROVIDER);
        uint256 until = custody.lockOf(PROVIDER);
        vm.startPrank(PROVIDER);
        uint256 id = vault.queueExit(PROVIDER, shares);
        vault.optOut(address(custody));
        vm.expectRevert();
        vault.leaveService(address(custody));
        vm.stopPrank();
        vm.warp(until - MARGIN - 600);
        Receipt memory receipt = receiptOf(0, 1);
        vm.warp(receipt.expiry);
        IStorageCustody.Challenge memory opened = open(receipt);
        vm.warp(until + 100);
        vm.expectRevert();
        vault.release(id);
        vm.expectRevert();
        vm.prank(PROVIDER);
        vault.leaveService(address(custody));
        vm.roll(opened.deadline + 1);
        uint256 before = PROVIDER.balance;
        custody.fail(opened);
        vault.release(id);
        assertTrue(PROVIDER.balance - before <= 100 ether - 4096 * SLASH, "the exit was slashed");
        vm.prank(PROVIDER);
        vault.leaveService(address(custody));
    }

    /// [a shield raised by challenging oneself] Open challenges make the next bond dearer and never refuse it.
    function test_challenges_against_oneself_are_no_shield() public {
        Receipt memory receipt = receiptOf(0, 1);
        uint256 first = custody.bondFor(PROVIDER);
        for (uint256 i = 0; i < 12; ++i) open(receipt);
        assertEq(custody.bondFor(PROVIDER), first * 8, "doubled three times");
        IStorageCustody.Challenge memory opened = open(receipt);
        roll(opened.deadline + 1);
        custody.fail(opened);
    }

    function test_what_is_paid_above_the_bond_comes_back() public {
        Receipt memory receipt = receiptOf(0, 1);
        bytes memory signature = signed(receipt);
        uint256 bond = custody.bondFor(PROVIDER);
        uint256 before = CHALLENGER.balance;
        vm.prank(CHALLENGER);
        custody.challenge{value: bond + 5 ether}(receipt, signature);
        assertEq(before - CHALLENGER.balance, bond, "the bond");
    }

    /// Every draw lies in a held segment and the held sectors are what enumerating them gives.
    function testFuzz_draws_stay_within_what_is_held(uint32 start, uint16 sectors, uint8 shard, uint8 log, bytes32 hash)
        public
    {
        Receipt memory receipt = receiptOf(0, 1);
        receipt.numShard = uint64(1) << (log % 5);
        receipt.shardId = shard % receipt.numShard;
        receipt.sectors = uint64(sectors) + 1;
        receipt.startPos = sectors < 1024 && start % 1024 != 0 && uint256(start) % 1024 + receipt.sectors <= 1024
            ? start
            : (start / 1024 + 1) * uint64(1024);
        uint256 held = 0;
        uint256 end = uint256(receipt.startPos) + receipt.sectors;
        for (uint256 sector = receipt.startPos; sector < end;) {
            uint256 next = (sector / 1024 + 1) * 1024 < end ? (sector / 1024 + 1) * 1024 : end;
            if (sector / 1024 % receipt.numShard == receipt.shardId) held += next - sector;
            sector = next;
        }
        if (held == 0) {
            vm.expectRevert(
                abi.encodeWithSelector(IStorageCustody.NothingHeld.selector, receipt.shardId, receipt.numShard)
            );
            ranges.held(receipt);
            return;
        }
        assertEq(ranges.held(receipt), held, "held");
        uint256 drawn = ranges.draw(receipt, hash);
        assertTrue(drawn >= receipt.startPos && drawn < end, "in the range");
        assertEq(drawn / 1024 % receipt.numShard, receipt.shardId, "of the shard");
    }
}
