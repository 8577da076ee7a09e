// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IDAEntrance} from "../src/interfaces/IDAEntrance.sol";
import {BlobHeader} from "../src/interfaces/DaTypes.sol";
import {IRollupVerifier} from "../src/interfaces/IRollupVerifier.sol";
import {PieceProof} from "../src/libraries/PieceProof.sol";
import {RangeProof} from "../src/libraries/RangeProof.sol";
import {RollupCertificates} from "../src/libraries/RollupCertificates.sol";
import {ExampleInbox} from "../src/rollup/ExampleInbox.sol";
import {RollupVerifier} from "../src/rollup/RollupVerifier.sol";
import {VerifierRouter} from "../src/rollup/VerifierRouter.sol";
import {Da} from "./Da.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

contract CertificateHarness {
    function read(bytes calldata data) external pure returns (bool, RollupCertificates.Input memory) {
        return RollupCertificates.read(data);
    }

    function lookup(bytes calldata data, address entrance) external view returns (bytes memory) {
        return RollupCertificates.lookup(data, entrance);
    }
}

/// Always says the same.
contract FixedVerifier {
    uint8 private immutable _code;

    constructor(uint8 code) {
        _code = code;
    }

    function checkCertificate(bytes calldata) external view returns (uint8) {
        return _code;
    }
}

contract RollupVerifierTest is Da {
    CertificateHarness private harness = new CertificateHarness();
    RollupVerifier private verifier;
    string private vectors;
    string private ranges;
    uint256 private nonceNow;

    function setUp() public override {
        super.setUp();
        verifier = new RollupVerifier(IDAEntrance(address(entrance)));
        vectors = vm.readFile("../libs/quorum/test/vectors/rollup.json");
        ranges = vm.readFile("../libs/erasure/test/vectors/ranges.json");
    }

    /* ---------------------------------------------------- certificates -------------------------------------------------- */

    function test_certificates_are_the_vectors() public view {
        bytes[] memory certificates = vm.parseJsonBytesArray(vectors, ".certificates");
        bytes[] memory lookups = vm.parseJsonBytesArray(vectors, ".lookups");
        uint256[] memory offsets = vm.parseJsonUintArray(vectors, ".offsets");
        address at = vm.parseJsonAddress(vectors, ".entrance");
        for (uint256 i = 0; i < certificates.length; ++i) {
            (bool isWellFormed, RollupCertificates.Input memory input) = harness.read(certificates[i]);
            assertTrue(isWellFormed, "well-formed");
            assertEq(input.offset, offsets[i], "offset");
            assertTrue(keccak256(harness.lookup(certificates[i], at)) == keccak256(lookups[i]), "lookup");
        }
    }

    function testFuzz_any_changed_byte_is_malformed(uint256 which, uint256 at, uint8 change) public view {
        bytes[] memory certificates = vm.parseJsonBytesArray(vectors, ".certificates");
        bytes memory one = certificates[which % certificates.length];
        if (change == 0) return;
        one[at % one.length] ^= bytes1(change);
        assertEq(verifier.checkCertificate(one), 3, "malformed");
    }

    function testFuzz_any_bytes_get_a_code(bytes calldata data) public view {
        assertEq(verifier.checkCertificate(data), 3, "malformed");
        assertTrue(!verifier.validateCertificate(_withSize(data, hex"0101")), "not valid");
    }

    /// A checksum over nonsense does not make it a certificate.
    function testFuzz_fields_out_of_range_are_malformed(uint256 field) public {
        (bytes memory good,) = _confirmed(1000, 0, 1000, keccak256("c"));
        bytes memory bad = _body(good);
        field %= 6;
        if (field == 0) bad[3] = 0x03; // no such shape
        if (field == 1) (bad[4], bad[5], bad[6], bad[7]) = (bytes1(0xff), bytes1(0xff), bytes1(0xff), bytes1(0xff)); // too long for the shape
        if (field == 2) (bad[12], bad[13]) = (bytes1(0x01), bytes1(0)); // range beyond the blob
        if (field == 3) bad[22] = 0x01; // block beyond 2^53
        if (field == 4) bad[38] = 0x00; // no blobs
        if (field == 5) bad[39] = 0x01; // no such leaf
        assertEq(verifier.checkCertificate(_sum(bad)), 3, "malformed");
    }

    function test_verdicts_follow_the_batch() public {
        openEpoch(1);
        Sealed memory batch = sealBatch(1, 50, none());
        bytes memory certificate = _encode(batch, 0, 5, 900);
        assertEq(verifier.checkCertificate(certificate), 2, "open");
        bytes memory proof = _withSize(certificate, hex"0101");
        vm.expectRevert(
            abi.encodeWithSelector(IRollupVerifier.Undecided.selector, batch.certificate.batch.referenceBlock)
        );
        verifier.validateCertificate(proof);
        confirm(batch);
        assertEq(verifier.checkCertificate(certificate), 1, "confirmed");
        vm.cool(address(entrance));
        vm.cool(address(verifier));
        assertTrue(verifier.validateCertificate(proof), "valid");
        vm.snapshotGasLastCall("Rollup", "validateCertificate");
        assertTrue(verifier.validateCertificate(_withSize(certificate, hex"0001")), "the claim decides nothing");
        // Another blob than the one confirmed: undecided while the window of its reference block is open, false after it.
        bytes memory other = _body(certificate);
        other[40] ^= 0x01;
        other = _sum(other);
        assertEq(verifier.checkCertificate(other), 2, "open");
        roll(blockNow + 40);
        assertTrue(!verifier.validateCertificate(_withSize(other, hex"0101")), "claimed valid and is not");
        assertEq(verifier.checkCertificate(certificate), 1, "for good");
    }

    /// A poster that names a block far ahead would make its readers wait for it: anyone can end that.
    function test_a_certificate_from_far_ahead_is_refused_for_good() public {
        openEpoch(1);
        Sealed memory batch = sealBatch(2, 55, none());
        uint256 referenceBlock = batch.certificate.batch.referenceBlock;
        uint256 ahead = verifier.REFUSE_AHEAD();
        bytes memory certificate = _encode(batch, 0, 0, 10);
        vm.roll(referenceBlock - ahead);
        vm.expectRevert(
            abi.encodeWithSelector(IRollupVerifier.NotFarAhead.selector, referenceBlock, referenceBlock)
        );
        verifier.refuse(certificate);
        vm.roll(referenceBlock - ahead - 1);
        assertEq(verifier.checkCertificate(certificate), 2, "waits");
        vm.prank(address(0xB0B));
        verifier.refuse(certificate);
        vm.snapshotGasLastCall("Rollup", "refuse");
        assertEq(verifier.checkCertificate(certificate), 7, "refused");
        assertTrue(!verifier.validateCertificate(_withSize(certificate, hex"0101")), "not valid");
        assertEq(verifier.checkCertificate(_encode(batch, 1, 3, 4)), 7, "every certificate of the batch");
        vm.roll(blockNow);
        confirm(batch);
        assertEq(verifier.checkCertificate(certificate), 7, "also when its time has come");
    }

    function test_what_was_made_before_now_cannot_be_refused() public {
        (bytes memory certificate, Sealed memory batch) = _confirmed(1000, 0, 1000, keccak256("c"));
        uint256 referenceBlock = batch.certificate.batch.referenceBlock;
        vm.expectRevert(
            abi.encodeWithSelector(
                IRollupVerifier.NotFarAhead.selector, referenceBlock, blockNow + verifier.REFUSE_AHEAD()
            )
        );
        verifier.refuse(certificate);
        vm.expectRevert(abi.encodeWithSelector(IRollupVerifier.MalformedCertificate.selector));
        verifier.refuse(_body(certificate));
        assertEq(verifier.checkCertificate(certificate), 1, "confirmed");
    }

    function test_each_blob_of_a_batch_is_provable() public {
        openEpoch(1);
        Sealed memory batch = sealBatch(5, 60, none());
        confirm(batch);
        for (uint256 i = 0; i < 5; ++i) assertEq(verifier.checkCertificate(_encode(batch, i, 0, 10)), 1, "confirmed");
    }

    function test_malformed_proofs_of_validity_revert() public {
        (bytes memory certificate,) = _confirmed(1000, 0, 1000, keccak256("c"));
        bytes[5] memory bad = [
            bytes(""),
            hex"0000000000",
            abi.encodePacked(uint64(certificate.length + 3), certificate, hex"0101"),
            _withSize(certificate, hex"01"),
            _withSize(certificate, hex"010100")
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IRollupVerifier.MalformedProof.selector));
            verifier.validateCertificate(bad[i]);
        }
    }

    /// Short gas reverts; it never turns a good certificate into a bad one.
    function test_no_gas_limit_makes_a_verdict() public {
        (bytes memory certificate,) = _confirmed(1000, 0, 1000, keccak256("c"));
        bytes memory proof = _withSize(certificate, hex"0101");
        uint256 answered = 0;
        for (uint256 gas = 5_000; gas <= 200_000; gas += 1_500) {
            try verifier.validateCertificate{gas: gas}(proof) returns (bool isValid) {
                assertTrue(isValid, "a verdict made by gas");
                ++answered;
            } catch {}
        }
        assertTrue(answered > 0, "some limit is enough");
    }

    /* ------------------------------------------------------ openings ---------------------------------------------------- */

    function test_openings_are_the_vectors() public {
        string[3] memory names = ["row of 64", "two pieces", "DA-M"];
        uint256[3] memory measured = [uint256(0), 1, 0];
        for (uint256 i = 0; i < 3; ++i) {
            (bytes memory certificate, uint256[] memory starts, bytes[] memory opened, bytes[] memory proofs) = _case(i);
            for (uint256 j = 0; j < starts.length; ++j) {
                bytes memory got = verifier.validateReadPreimage(
                    keccak256(certificate), starts[j], _withSize(certificate, proofs[j])
                );
                if (j == measured[i]) vm.snapshotGasLastCall("Rollup", string.concat("validateReadPreimage, ", names[i]));
                assertTrue(keccak256(got) == keccak256(opened[j]), "bytes");
            }
        }
    }

    function testFuzz_a_changed_opening_is_refused(uint256 which, uint256 at, uint8 change) public {
        (bytes memory certificate, uint256[] memory starts,, bytes[] memory proofs) = _case(which % 3);
        bytes memory proof = proofs[which % proofs.length];
        if (change == 0) return;
        proof[at % proof.length] ^= bytes1(change);
        bytes memory whole = _withSize(certificate, proof);
        vm.expectRevert();
        verifier.validateReadPreimage(keccak256(certificate), starts[which % proofs.length], whole);
    }

    function test_openings_of_other_lengths_or_places_revert() public {
        (bytes memory certificate, uint256[] memory starts,, bytes[] memory proofs) = _case(0);
        bytes32 hash = keccak256(certificate);
        vm.expectRevert(abi.encodeWithSelector(RangeProof.WrongProofLength.selector, proofs[0].length + 1));
        verifier.validateReadPreimage(hash, starts[0], _withSize(certificate, bytes.concat(proofs[0], hex"00")));
        vm.expectRevert(abi.encodeWithSelector(RangeProof.WrongProofLength.selector, 0));
        verifier.validateReadPreimage(hash, starts[0], _withSize(certificate, ""));
        vm.expectRevert();
        verifier.validateReadPreimage(hash, starts[0] + 64, _withSize(certificate, proofs[0]));
        vm.expectRevert(abi.encodeWithSelector(IRollupVerifier.WrongCertificate.selector, bytes32(0), hash));
        verifier.validateReadPreimage(bytes32(0), starts[0], _withSize(certificate, proofs[0]));
        vm.expectRevert(abi.encodeWithSelector(IRollupVerifier.MalformedProof.selector));
        verifier.validateReadPreimage(keccak256("abc"), 0, _withSize("abc", proofs[0]));
    }

    function test_beyond_the_end_there_is_nothing() public {
        (bytes memory certificate,,, bytes[] memory proofs) = _case(0);
        bytes32 hash = keccak256(certificate);
        assertEq(verifier.validateReadPreimage(hash, 60_000, _withSize(certificate, "")).length, 0, "empty");
        assertEq(verifier.validateReadPreimage(hash, type(uint256).max, _withSize(certificate, "")).length, 0, "empty");
        vm.expectRevert(abi.encodeWithSelector(IRollupVerifier.MalformedProof.selector));
        verifier.validateReadPreimage(hash, 60_000, _withSize(certificate, proofs[0]));
    }

    /* -------------------------------------------------- router and inbox ------------------------------------------------ */

    function test_the_router_asks_the_verifier_of_the_reference_block() public {
        (bytes memory certificate,) = _confirmed(1000, 0, 1000, keccak256("c"));
        VerifierRouter router = new VerifierRouter(address(this), IRollupVerifier(address(verifier)));
        assertEq(router.checkCertificate(certificate), 1, "the first");
        IRollupVerifier next = IRollupVerifier(address(new FixedVerifier(9)));
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.ActivationNotAhead.selector, blockNow, blockNow));
        router.addVerifier(blockNow, next);
        router.addVerifier(blockNow + 5, next);
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.ActivationNotAhead.selector, blockNow + 5, blockNow + 5));
        router.addVerifier(blockNow + 5, next);
        roll(blockNow + 10);
        assertEq(router.checkCertificate(certificate), 1, "an old certificate keeps its verifier");
        bytes memory later = _body(certificate);
        for (uint256 i = 0; i < 8; ++i) later[22 + i] = bytes8(uint64(blockNow))[i];
        assertEq(router.checkCertificate(_sum(later)), 9, "a new one has the new one");
        for (uint256 i = 0; i < 8; ++i) later[22 + i] = bytes8(uint64(blockNow + 1))[i];
        assertEq(router.checkCertificate(_sum(later)), 2, "from the future");
        assertEq(router.checkCertificate(hex"0143"), 3, "malformed");
        assertEq(router.verifierCount(), 2, "count");
    }

    function test_only_the_owner_adds_verifiers() public {
        VerifierRouter router = new VerifierRouter(address(0xA11CE), IRollupVerifier(address(verifier)));
        IRollupVerifier next = IRollupVerifier(address(verifier));
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.OnlyOwner.selector, address(this)));
        router.addVerifier(blockNow + 5, next);
        vm.prank(address(0xA11CE));
        router.offerOwnership(address(this));
        vm.prank(address(0xB0B));
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.OnlyPendingOwner.selector, address(0xB0B)));
        router.takeOwnership();
        router.takeOwnership();
        router.addVerifier(blockNow + 5, next);
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.NotAContract.selector, address(1)));
        router.addVerifier(blockNow + 6, IRollupVerifier(address(1)));
    }

    function test_the_inbox_takes_confirmed_certificates_only() public {
        VerifierRouter router = new VerifierRouter(address(this), IRollupVerifier(address(verifier)));
        ExampleInbox inbox = new ExampleInbox(router, address(this), 20);
        openEpoch(1);
        Sealed memory batch = sealBatch(1, 70, none());
        bytes memory certificate = _encode(batch, 0, 0, 1000);
        vm.expectRevert(abi.encodeWithSelector(ExampleInbox.BadCertificate.selector, 2));
        inbox.post(certificate);
        confirm(batch);
        vm.cool(address(entrance));
        vm.cool(address(verifier));
        assertEq(inbox.post(certificate), 0, "first");
        vm.snapshotGasLastCall("Rollup", "ExampleInbox.post");
        assertEq(inbox.post(certificate), 1, "second");
        assertTrue(inbox.accumulator() != bytes32(0), "accumulated");
        vm.expectRevert(abi.encodeWithSelector(ExampleInbox.BadCertificate.selector, 3));
        inbox.post(hex"00");
        vm.prank(address(0xBAD));
        vm.expectRevert(abi.encodeWithSelector(ExampleInbox.OnlyPoster.selector, address(0xBAD)));
        inbox.post(certificate);
        uint256 last = batch.certificate.batch.referenceBlock + 20;
        roll(last + 1);
        vm.expectRevert(abi.encodeWithSelector(ExampleInbox.TooOld.selector, last, last + 1));
        inbox.post(certificate);
    }

    /* ------------------------------------------------------- tools ------------------------------------------------------ */

    function _withSize(bytes memory certificate, bytes memory rest) private pure returns (bytes memory) {
        return abi.encodePacked(uint64(certificate.length), certificate, rest);
    }

    function _body(bytes memory certificate) private pure returns (bytes memory body) {
        body = new bytes(certificate.length - 4);
        for (uint256 i = 0; i < body.length; ++i) body[i] = certificate[i];
    }

    function _sum(bytes memory body) private pure returns (bytes memory) {
        return abi.encodePacked(body, bytes4(keccak256(body)));
    }

    /// Rollup certificate of blob `index` of a sealed batch.
    function _encode(Sealed memory batch, uint256 index, uint32 offset, uint32 length)
        private
        pure
        returns (bytes memory)
    {
        BlobHeader memory h = batch.headers[index];
        bytes memory head = abi.encodePacked(hex"014301", h.shape, h.length, offset, length, h.epoch, h.quorum);
        head = abi.encodePacked(
            head,
            batch.certificate.batch.referenceBlock,
            h.expiry,
            uint8(batch.certificate.batch.blobs),
            uint8(index),
            h.commitment
        );
        head = abi.encodePacked(head, h.account, h.disperser, h.nonce, uint128(h.maxFee));
        return _sum(bytes.concat(head, _siblings(batch.keys, index)));
    }

    /// Siblings of a leaf of the tree over `keys`, level by level.
    function _siblings(bytes32[] memory keys, uint256 index) private pure returns (bytes memory out) {
        uint256 count = keys.length;
        bytes32[] memory level = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) level[i] = keys[i];
        for (; count > 1; count = (count + 1) / 2) {
            if (index % 2 == 1 || index + 1 < count) out = bytes.concat(out, level[index ^ 1]);
            for (uint256 i = 0; 2 * i < count; ++i) {
                level[i] = 2 * i + 1 < count ? keccak256(abi.encode(level[2 * i], level[2 * i + 1])) : level[2 * i];
            }
            index /= 2;
        }
    }

    /// A confirmed blob of `blobLength` bytes with this commitment, and the certificate of a range of it.
    function _confirmed(uint32 blobLength, uint32 offset, uint32 length, bytes32 commitment)
        private
        returns (bytes memory certificate, Sealed memory batch)
    {
        if (nonceNow == 0) openEpoch(1);
        BlobHeader[] memory headers = new BlobHeader[](1);
        headers[0] = headerFor(1000 + nonceNow++, commitment, blobLength);
        batch = sealHeaders(headers, none());
        confirm(batch);
        certificate = _encode(batch, 0, offset, length);
    }

    /// A case of the vectors as a certificate of the whole payload. Nothing is confirmed: openings do not ask.
    function _case(uint256 index)
        private
        returns (bytes memory certificate, uint256[] memory starts, bytes[] memory opened, bytes[] memory proofs)
    {
        string memory at = string.concat(".cases[", index == 0 ? "0" : index == 1 ? "1" : "2", "]");
        uint32 length = uint32(vm.parseJsonUint(ranges, string.concat(at, ".payloadBytes")));
        Sealed memory batch;
        batch.headers = new BlobHeader[](1);
        batch.keys = new bytes32[](1);
        batch.headers[0] = headerFor(1, vm.parseJsonBytes32(ranges, string.concat(at, ".commitment")), length);
        batch.headers[0].shape = uint8(vm.parseJsonUint(ranges, string.concat(at, ".shape")));
        batch.certificate.batch.blobs = 1;
        certificate = _encode(batch, 0, 0, length);
        starts = vm.parseJsonUintArray(ranges, string.concat(at, ".starts"));
        opened = vm.parseJsonBytesArray(ranges, string.concat(at, ".opened"));
        proofs = vm.parseJsonBytesArray(ranges, string.concat(at, ".proofs"));
    }
}
