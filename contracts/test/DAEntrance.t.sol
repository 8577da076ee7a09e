// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BlobHeader} from "../src/interfaces/DaTypes.sol";
import {IDAEntrance} from "../src/interfaces/IDAEntrance.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {Da} from "./Da.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

/// Certificates and payments; each attack of da-protocol.md sections 4 and 5 by name.
contract DAEntranceTest is Da {
    function setUp() public override {
        super.setUp();
        openEpoch(1);
    }

    function balanceOf(address who) private view returns (uint256 balance) {
        (balance,,) = entrance.accounts(who);
    }

    function coolAll() private {
        for (uint256 i = 0; i < operators.length; ++i) vm.cool(registry.operatorOf(operators[i]).record);
        vm.cool(address(registry));
        vm.cool(address(entrance));
    }

    /// Calls and refuses a change of one field of a good header: the batch goes on, the leaf counts as unpaid.
    function rejected(BlobHeader memory header, IDAEntrance.Reject reason) private {
        BlobHeader[] memory headers = new BlobHeader[](2);
        headers[0] = headerFor(uint256(keccak256(abi.encode(header.nonce))), keccak256("other"), 100_000);
        headers[1] = header;
        Sealed memory batch = sealHeaders(headers, none());
        vm.expectEmit(address(entrance));
        emit IDAEntrance.BlobRejected(batch.keys[1], reason);
        confirm(batch);
        bytes32[] memory path = new bytes32[](1);
        path[0] = batch.keys[0];
        assertEq(entrance.checkCertificate(lookup(batch.certificate.batch, header, 1, path)), 5, "unpaid");
        path[0] = batch.keys[1];
        assertEq(entrance.checkCertificate(lookup(batch.certificate.batch, headers[0], 0, path)), 1, "its neighbour is paid");
    }

    function fresh(uint256 nonce) private view returns (BlobHeader memory) {
        return headerFor(nonce, keccak256(abi.encode("c", nonce)), 100_000);
    }

    /// [paying for a byte, storing 128 MiB]
    function test_a_row_size_that_does_not_follow_from_the_length_is_rejected() public {
        BlobHeader memory header = fresh(1);
        header.length = 1;
        header.rowSize = 32_768;
        rejected(header, IDAEntrance.Reject.RowSize);
    }

    function test_each_wrong_field_rejects_its_blob_alone() public {
        BlobHeader memory header = fresh(2);
        header.version = 0x10;
        rejected(header, IDAEntrance.Reject.Version);
        header = fresh(3);
        header.shape = 1;
        header.rowSize = 64;
        rejected(header, IDAEntrance.Reject.Shape);
        header = fresh(4);
        header.epoch = 2;
        rejected(header, IDAEntrance.Reject.WrongEpoch);
        header = fresh(6);
        header.maxFee = 1;
        rejected(header, IDAEntrance.Reject.FeeAboveMax);
        header = fresh(7);
        header.expiry += 1; // differs from the batch's
        rejected(header, IDAEntrance.Reject.WrongExpiry);
        header = fresh(8);
        header.account = address(0x1234);
        rejected(header, IDAEntrance.Reject.BadSignature);
        header = fresh(9);
        rejectedTwice(header);
    }

    function rejectedTwice(BlobHeader memory header) private {
        BlobHeader[] memory headers = new BlobHeader[](1);
        headers[0] = header;
        confirm(sealHeaders(headers, none()));
        header.expiry = uint64(vm.getBlockTimestamp() + 600);
        rejected(header, IDAEntrance.Reject.SpentNonce);
    }

    function test_a_blob_that_the_balance_does_not_cover_is_rejected() public {
        vm.prank(account);
        entrance.requestWithdrawal(10 ether);
        BlobHeader memory header = fresh(1);
        uint256 fee = entrance.feeOf(header);
        assertEq(fee, uint256(4096) * 128 * 600 * PRICE, "n * rowSize * RETENTION * price");
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.NotReleasable.selector, blockNow + 60));
        vm.prank(account);
        entrance.completeWithdrawal();
        confirm(sealBatch(1, 50, none())); // still charged while the withdrawal waits
        roll(blockNow + 60);
        vm.prank(account);
        entrance.completeWithdrawal();
        assertEq(balanceOf(account), 0, "all out");
        assertTrue(account.balance < 1000 ether, "less what was charged");
    }

    /// [copied transactions] Whoever sends it, the relay's part goes to the disperser of the header.
    function test_a_copied_transaction_earns_the_thief_nothing() public {
        Sealed memory batch = sealBatch(3, 1, none());
        uint256 fee = entrance.feeOf(batch.headers[0]);
        vm.prank(address(0xBAD));
        confirm(batch);
        assertEq(entrance.credits(address(0xBAD)), 0, "thief");
        assertEq(entrance.credits(DISPERSER), 3 * (fee / 5), "a fifth each");
    }

    /// [excluding rivals] The part of absent members stays with the payer; nobody else gets it.
    function test_the_part_of_absent_members_returns_to_the_payer() public {
        uint256 before = balanceOf(account);
        confirm(sealBatch(1, 1, none()));
        uint256 whole = before - balanceOf(account);
        before = balanceOf(account);
        confirm(sealBatch(1, 2, only(1))); // 700 of 3000
        uint256 less = before - balanceOf(account);
        uint256 pool = uint256(entrance.ledgerOf(1, 0).pool) * (1 << 20) / 2;
        assertTrue(whole - less >= pool * 700 / 3000 - 1 && whole - less <= pool * 700 / 3000 + 1, "its part");
        roll(blockNow + 1000);
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.AlreadyClaimed.selector, 1, 0, 0));
        this.claimTwice(0);
        uint256 paid = 0;
        for (uint256 i = 0; i < 7; ++i) {
            entrance.claimReward(1, 0, i);
            paid += entrance.credits(operators[i]);
        }
        assertEq(entrance.credits(operators[1]), pool * 700 / 3000, "present in one of two");
        assertEq(entrance.credits(operators[0]), 2 * pool * 1000 / 3000, "present in both");
        assertTrue(paid <= 2 * pool - pool * 700 / 3000, "nobody is paid the absent part");
        conserves(paid);
    }

    function claimTwice(uint256 member) external {
        entrance.claimReward(1, 0, member);
        entrance.claimReward(1, 0, member);
    }

    /// All that came in is a balance, a credit, the treasury's or unclaimed dust.
    function conserves(uint256 paid) private view {
        uint256 owed = balanceOf(account) + paid + entrance.credits(DISPERSER) + entrance.ledgerOf(1, 0).treasury;
        assertTrue(address(entrance).balance >= owed, "solvent");
        assertTrue(address(entrance).balance - owed < 1000, "only dust is left");
    }

    function test_rewards_vest_when_the_obligations_of_the_epoch_end() public {
        confirm(sealBatch(1, 1, none()));
        uint256 from = registry.epochLockedUntil(1);
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.NotVested.selector, from));
        entrance.claimReward(1, 0, 0);
    }

    function test_weight_below_two_thirds_certifies_nothing() public {
        Sealed memory batch = sealBatch(1, 1, two(0, 6)); // 1950 of 3000
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.NotEnoughWeight.selector, 1950, 3000));
        confirm(batch);
        confirm(sealBatch(1, 2, only(0))); // exactly two thirds
    }

    function test_a_signature_on_anything_else_certifies_nothing() public {
        Sealed memory batch = sealBatch(1, 1, none());
        batch.certificate.batch.expiry -= 1;
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.BadSignature.selector));
        confirm(batch);
        batch.certificate.batch.expiry += 1;
        batch.certificate.absentees = only(6); // it signed
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.BadSignature.selector));
        confirm(batch);
        batch.certificate.absentees = none();
        bytes32 root = batch.certificate.batch.root;
        batch.certificate.batch.root = keccak256("x");
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.WrongRoot.selector, keccak256("x"), root));
        confirm(batch);
        batch.certificate.batch.root = root;
        confirm(batch);
        bytes32 hash = hasher.batchHash(batch.certificate.batch);
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.AlreadyConfirmed.selector, hash));
        confirm(batch);
    }

    function test_a_batch_outside_its_windows_is_refused() public {
        Sealed memory batch = sealBatch(1, 1, none());
        roll(batch.certificate.batch.referenceBlock);
        vm.expectRevert(
            abi.encodeWithSelector(IDAEntrance.OutsideConfirmWindow.selector, blockNow, blockNow)
        );
        confirm(batch);
        roll(batch.certificate.batch.referenceBlock + 31);
        vm.expectRevert(
            abi.encodeWithSelector(IDAEntrance.OutsideConfirmWindow.selector, blockNow - 31, blockNow)
        );
        confirm(batch);
    }

    function test_an_expiry_too_far_or_too_near_is_refused() public {
        BlobHeader[] memory headers = new BlobHeader[](1);
        headers[0] = fresh(1);
        headers[0].expiry += 2;
        Sealed memory batch = sealHeaders(headers, none());
        vm.expectRevert();
        confirm(batch);
        headers[0] = fresh(1);
        headers[0].expiry -= 91;
        batch = sealHeaders(headers, none());
        vm.expectRevert();
        confirm(batch);
    }

    function test_a_session_key_authorizes_until_it_ends() public {
        BlobHeader[] memory headers = new BlobHeader[](1);
        headers[0] = fresh(1);
        address session = vm.addr(0x5E55);
        vm.prank(account);
        entrance.setSessionKey(session, vm.getBlockTimestamp() + 10);
        Sealed memory batch = sealHeaders(headers, none());
        batch.authorizations[0] = authorizeWith(headers[0], 0x5E55);
        confirm(batch);
        bytes memory query = lookup(batch.certificate.batch, headers[0], 0, new bytes32[](0));
        assertEq(entrance.checkCertificate(query), 1, "paid");
        roll(blockNow + 10);
        headers[0] = fresh(2);
        batch = sealHeaders(headers, none());
        batch.authorizations[0] = authorizeWith(headers[0], 0x5E55);
        confirm(batch);
        query = lookup(batch.certificate.batch, headers[0], 0, new bytes32[](0));
        assertEq(entrance.checkCertificate(query), 5, "the key ended");
    }

    function test_the_other_form_of_a_signature_is_refused() public {
        Sealed memory batch = sealBatch(1, 1, none());
        bytes memory signature = batch.authorizations[0];
        bytes32 r;
        bytes32 s;
        assembly {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
        }
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        batch.authorizations[0] = abi.encodePacked(r, order - uint256(s), uint8(signature[64]) == 27 ? uint8(28) : uint8(27));
        vm.expectEmit(address(entrance));
        emit IDAEntrance.BlobRejected(batch.keys[0], IDAEntrance.Reject.BadSignature);
        confirm(batch);
    }

    /// [an invalid verdict forged by gas starvation] Every gas limit from 20,000 to 400,000: the right code or a revert.
    function test_gas_never_makes_a_verdict() public {
        Sealed memory batch = sealBatch(1, 1, none());
        confirm(batch);
        bytes memory query = abi.encodeCall(
            entrance.checkCertificate, (lookup(batch.certificate.batch, batch.headers[0], 0, new bytes32[](0)))
        );
        bytes memory verify = abi.encodeCall(entrance.verifySignature, (batch.certificate));
        uint256 answers = 0;
        for (uint256 gas = 20_000; gas <= 400_000; gas += 500) {
            (bool ok, bytes memory out) = address(entrance).staticcall{gas: gas}(query);
            if (ok) {
                assertEq(abi.decode(out, (uint256)), 1, "verdict");
                ++answers;
            }
            (ok, out) = address(entrance).staticcall{gas: gas}(verify);
            if (ok) {
                assertTrue(abi.decode(out, (bool)), "information");
                ++answers;
            }
        }
        assertTrue(answers > 1000, "most had gas enough");
    }

    /// Any byte string gets a code, and three never become anything else.
    function testFuzz_any_bytes_get_a_code(bytes calldata data) public view {
        uint8 code = entrance.checkCertificate(data);
        assertTrue(code >= 2 && code <= 6, "a code");
    }

    function testFuzz_a_changed_lookup_is_never_confirmed(uint256 position, uint8 bits) public {
        Sealed memory batch = sealBatch(2, 1, none());
        confirm(batch);
        bytes32[] memory path = new bytes32[](1);
        path[0] = batch.keys[1];
        bytes memory query = lookup(batch.certificate.batch, batch.headers[0], 0, path);
        assertEq(entrance.checkCertificate(query), 1, "confirmed");
        position %= query.length;
        if (bits == 0) bits = 1;
        query[position] = bytes1(uint8(query[position]) ^ bits);
        uint8 code = entrance.checkCertificate(query);
        assertTrue(code != 1, "changed");
    }

    function test_the_verdict_stays_after_the_window() public {
        Sealed memory batch = sealBatch(1, 1, none());
        bytes memory query = lookup(batch.certificate.batch, batch.headers[0], 0, new bytes32[](0));
        Sealed memory other = sealBatch(1, 2, only(2));
        bytes memory confirmed = lookup(other.certificate.batch, other.headers[0], 0, new bytes32[](0));
        confirm(other);
        assertEq(entrance.checkCertificate(query), 2, "undecided");
        roll(batch.certificate.batch.referenceBlock + 30);
        assertEq(entrance.checkCertificate(query), 2, "undecided to the last block");
        roll(blockNow + 1);
        assertEq(entrance.checkCertificate(query), 6, "never confirmed");
        vm.expectRevert();
        confirm(batch);
        assertEq(entrance.checkCertificate(query), 6, "for good");
        assertEq(entrance.checkCertificate(confirmed), 1, "for good");
    }

    function test_late_signers_become_present() public {
        Sealed memory batch = sealBatch(1, 1, two(1, 4));
        confirm(batch);
        bytes32 message = hasher.attestMessage(batch.certificate.batch, address(entrance));
        bytes32[8] memory late = BlsSigner.sign(secretOf(4), message);
        bytes32[8] memory wrong = BlsSigner.sign(secretOf(1), message);
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.BadSignature.selector));
        entrance.addLate(batch.certificate.batch, two(1, 4), wrong, only(4));
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.BadAbsentees.selector));
        entrance.addLate(batch.certificate.batch, two(1, 4), late, only(3));
        entrance.addLate(batch.certificate.batch, two(1, 4), late, only(4));
        bytes32 hash = hasher.batchHash(batch.certificate.batch);
        assertTrue(entrance.certOf(hash) == keccak256(abi.encode(only(1))), "one left");
        roll(batch.certificate.batch.referenceBlock + 61);
        vm.expectRevert();
        entrance.addLate(batch.certificate.batch, only(1), wrong, only(1));
    }

    function test_a_lapsed_batch_costs_a_tenth_once() public {
        Sealed memory batch = sealBatch(1, 1, two(0, 2)); // half the weight
        bytes32 hash = hasher.batchHash(batch.certificate.batch);
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.NotLapsed.selector, hash));
        entrance.settleLapsed(batch.certificate, batch.headers, batch.authorizations);
        roll(batch.certificate.batch.referenceBlock + 31);
        uint256 before = balanceOf(account);
        entrance.settleLapsed(batch.certificate, batch.headers, batch.authorizations);
        uint256 charged = before - balanceOf(account);
        assertTrue(charged > 0 && charged <= entrance.feeOf(batch.headers[0]) / 10, "a tenth at most");
        assertEq(entrance.credits(DISPERSER), 0, "nobody earns by letting it lapse");
        vm.expectRevert(abi.encodeWithSelector(IDAEntrance.NotLapsed.selector, hash));
        entrance.settleLapsed(batch.certificate, batch.headers, batch.authorizations);
        bytes memory query = lookup(batch.certificate.batch, batch.headers[0], 0, new bytes32[](0));
        assertEq(entrance.checkCertificate(query), 6, "never confirmed");
    }

    function test_who_relays_its_own_blob_keeps_the_relays_part() public {
        confirm(sealBatch(1, 1, none()));
        uint256 relayed = entrance.credits(DISPERSER);
        BlobHeader[] memory headers = new BlobHeader[](1);
        headers[0] = headerFor(2, keccak256("own"), 100_000);
        headers[0].disperser = account;
        Sealed memory batch = sealHeaders(headers, none());
        uint256 fee = entrance.feeOf(headers[0]);
        uint256 before = balanceOf(account);
        coolAll();
        confirm(batch);
        vm.snapshotGasLastCall("DA", "confirm steady, 1 blob of its own disperser, 0 absentees");
        uint256 charged = before - balanceOf(account);
        uint256 kept = fee * entrance.DISPERSER_BPS() / 10_000;
        assertTrue(charged <= fee - kept && charged + (1 << 20) > fee - kept, "all but its own part");
        assertEq(entrance.credits(account), 0, "nothing to collect");
        assertEq(entrance.credits(DISPERSER), relayed, "nobody else earns");
    }

    /// Otherwise one header would have many keys, and could be charged under each of them.
    function test_a_field_longer_than_its_type_is_refused() public {
        BlobHeader memory header = sealBatch(1, 1, none()).headers[0];
        bytes memory call = abi.encodeCall(entrance.blobKeyOf, (header));
        uint256 refused = 0;
        for (uint256 word = 0; word < 12; ++word) {
            bytes memory changed = bytes.concat(call);
            changed[4 + 32 * word] ^= 0x80; // the uppermost bit
            (bool ok,) = address(entrance).staticcall(changed);
            if (!ok) ++refused;
            // commitment, nonce and maxFee have all 256 bits.
            assertTrue(ok == (word == 4 || word == 7 || word == 11), "which fields are narrow");
        }
        assertEq(refused, 9, "every narrow field");
    }

    function test_gas_of_certificates() public {
        confirm(sealBatch(1, 1, none()));
        Sealed memory batch = sealBatch(1, 2, none());
        coolAll();
        confirm(batch);
        vm.snapshotGasLastCall("DA", "confirm steady, 1 blob, 0 absentees");
        uint16[] memory absentees = new uint16[](5);
        for (uint16 i = 0; i < 5; ++i) absentees[i] = i + 7;
        batch = sealBatch(1, 3, two(4, 6));
        confirm(batch);
        batch = sealBatch(1, 4, two(4, 6));
        coolAll();
        confirm(batch);
        vm.snapshotGasLastCall("DA", "confirm steady, 1 blob, 2 absentees");
        batch = sealBatch(16, 5, none());
        coolAll();
        confirm(batch);
        vm.snapshotGasLastCall("DA", "confirm steady, 16 blobs, 0 absentees");
    }
}
