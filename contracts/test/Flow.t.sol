// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Governed} from "../src/access/Governed.sol";
import {EpochRangeWithContextDigest, IFlow, MineContext, Submission, SubmissionData, SubmissionNode} from "../src/interfaces/IFlow.sol";
import {Flow} from "../src/storage/Flow.sol";
import {Storage} from "./Storage.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

/// Takes no refund.
contract Stubborn {
    receive() external payable {
        revert();
    }

    function submit(Flow flow, SubmissionData calldata data, uint256 value) external {
        flow.submit{value: value}(data);
    }

    function withdraw(Flow flow, address payable to) external {
        flow.withdrawRefund(to);
    }
}

contract FlowTest is Storage {
    /// The 30 placements of shared/vectors/file-roots.json; node roots by test/fixtures/placement.json.
    function test_places_and_hashes_the_vectors() public {
        string memory json = vm.readFile("test/fixtures/placement.json");
        uint256[] memory sizes = vm.parseJsonUintArray(json, ".sizes");
        uint256[] memory counts = vm.parseJsonUintArray(json, ".nodeCounts");
        uint256[] memory heights = vm.parseJsonUintArray(json, ".heights");
        bytes32[] memory roots = vm.parseJsonBytes32Array(json, ".roots");
        uint256[] memory starts = vm.parseJsonUintArray(json, ".starts");
        uint256[] memory lengths = vm.parseJsonUintArray(json, ".lengthsAfter");
        bytes32[] memory flowRoots = vm.parseJsonBytes32Array(json, ".flowRoots");
        uint256 used = 0;
        for (uint256 i = 0; i < sizes.length; ++i) {
            SubmissionData memory data;
            data.length = sizes[i];
            data.nodes = new SubmissionNode[](counts[i]);
            for (uint256 k = 0; k < counts[i]; ++k) data.nodes[k] = SubmissionNode(roots[used], heights[used++]);
            (uint256 index, uint256 start) = submitAs(ALICE, data);
            (uint256 length,) = flow.tree();
            assertEq(start, starts[i], "start");
            assertEq(length, lengths[i], "length");
            assertTrue(flow.getFlowRootByTxSeq(index) == flowRoots[i], "flow root");
        }
    }

    function test_selectors_are_those_that_clients_call() public pure {
        assertTrue(bytes4(keccak256("submit(((uint256,bytes,(bytes32,uint256)[]),address))")) == 0xbc8c11f8, "submit v2");
        assertTrue(bytes4(keccak256("submit((uint256,bytes,(bytes32,uint256)[]))")) == 0xef3e12dc, "submit v1");
        assertTrue(bytes4(keccak256("batchSubmit(((uint256,bytes,(bytes32,uint256)[]),address)[])")) == 0x49aa3395, "batch v2");
        assertTrue(bytes4(keccak256("batchSubmit((uint256,bytes,(bytes32,uint256)[])[])")) == 0x9e62a38e, "batch v1");
        assertTrue(Flow.makeContextWithResult.selector == 0xb464b53e, "makeContextWithResult");
        assertTrue(Flow.getContext.selector == 0x127f0f07, "getContext");
        assertTrue(Flow.getFlowRootByTxSeq.selector == 0x6d7ad0fc, "getFlowRootByTxSeq");
        assertTrue(Flow.tree.selector == 0xfd54b228, "tree");
        assertTrue(Flow.numSubmissions.selector == 0x77e19824, "numSubmissions");
        assertTrue(IFlow.Submit.selector == 0x167ce04d2aa1981994d3a31695da0d785373335b1078cec239a1a3a2c7675555, "Submit");
        assertTrue(IFlow.NewEpoch.selector == 0xbc8a3fd82465d43f1709e44ed882f7e1af0147274196ef1ec009f5d52ff4e993, "NewEpoch");
        assertTrue(IFlow.NotEnoughFee.selector == 0xf85c6482, "NotEnoughFee");
    }

    function test_both_generations_place_alike() public {
        SubmissionData memory data = one(3, 1);
        vm.prank(ALICE);
        (uint256 index,,, uint256 length) = flow.submit{value: 8 * PRICE}(data);
        assertEq(index, 0, "index");
        assertEq(length, 8, "length");
        SubmissionData[] memory datas = new SubmissionData[](2);
        (datas[0], datas[1]) = (one(0, 2), two(4, 2, 3));
        vm.prank(ALICE);
        (uint256[] memory indexes,, uint256[] memory starts,) = flow.batchSubmit{value: 21 * PRICE}(datas);
        assertEq(indexes[1], 2, "second of the batch");
        assertTrue(starts[1] > starts[0], "positions ascend");
        assertEq(address(flow).balance, 0, "nothing stays");
    }

    function test_refuses_what_is_not_the_exact_decomposition() public {
        SubmissionData memory data = one(5, 1);
        uint256[4] memory lengths = [uint256(0), 32 * 256 + 1, 30 * 256, 1];
        for (uint256 i = 0; i < lengths.length; ++i) {
            data.length = lengths[i];
            vm.prank(ALICE);
            vm.expectRevert(bytes("Invalid submission"));
            flow.submit{value: 1 ether}(data);
        }
        data = two(4, 4, 1);
        vm.prank(ALICE);
        vm.expectRevert(bytes("Invalid submission"));
        flow.submit{value: 1 ether}(data);
        data = two(8, 4, 1);
        vm.prank(ALICE);
        vm.expectRevert(bytes("Invalid submission"));
        flow.submit{value: 1 ether}(data);
        data = one(64, 1);
        vm.prank(ALICE);
        vm.expectRevert();
        flow.submit{value: 1 ether}(data);
        data.nodes = new SubmissionNode[](0);
        vm.prank(ALICE);
        vm.expectRevert(bytes("Invalid submission"));
        flow.submit{value: 1 ether}(data);
        vm.prank(ALICE);
        vm.expectRevert(bytes("Invalid submission"));
        flow.submit{value: 1 ether}(Submission(one(2, 1), address(0)));
    }

    function test_underpayment_reverts_with_the_numbers() public {
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IFlow.NotEnoughFee.selector, PRICE, 4, 4 * PRICE - 1));
        flow.submit{value: 4 * PRICE - 1}(one(2, 1));
    }

    function test_the_surplus_goes_back_and_a_stranger_cannot_spend_it() public {
        uint256 before = ALICE.balance;
        vm.prank(ALICE);
        flow.submit{value: 1 ether}(one(2, 1));
        assertEq(before - ALICE.balance, 4 * PRICE, "charged exactly");
        vm.expectRevert(abi.encodeWithSelector(IFlow.NotEnoughFee.selector, PRICE, 4, 0));
        flow.submit(one(2, 2));
    }

    function test_a_refund_that_fails_waits_for_its_owner() public {
        Stubborn stubborn = new Stubborn();
        vm.deal(address(stubborn), 2 ether);
        stubborn.submit(flow, one(0, 1), 1 ether);
        assertEq(flow.refunds(address(stubborn)), 1 ether - PRICE, "credited");
        stubborn.withdraw(flow, payable(ALICE));
        assertEq(address(flow).balance, 0, "paid out");
        vm.expectRevert(abi.encodeWithSelector(IFlow.NothingToWithdraw.selector, address(stubborn)));
        stubborn.withdraw(flow, payable(ALICE));
    }

    function test_nobody_submits_in_the_name_of_another() public {
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IFlow.UnauthorizedSubmitter.selector, ALICE, address(this)));
        flow.submit{value: PRICE}(Submission(one(0, 1), ALICE));
        vm.prank(ALICE);
        flow.approveSubmitter(address(this), true);
        flow.submit{value: PRICE}(Submission(one(0, 1), ALICE));
    }

    function test_a_signature_speaks_once_and_for_one_file() public {
        address signer = vm.addr(7);
        SubmissionData memory data = one(0, 1);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Submit(bytes32 identity,uint256 length,uint256 nonce,uint256 deadline)"),
                keccak256(abi.encodePacked(data.nodes[0].root)),
                data.length,
                0,
                block.timestamp
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(7, keccak256(abi.encodePacked("\x19\x01", flow.domainSeparator(), structHash)));
        bytes memory signature = abi.encodePacked(r, s, v);
        vm.deal(address(this), 1 ether);
        vm.expectRevert();
        flow.submitBySig{value: PRICE}(Submission(one(0, 2), signer), block.timestamp, signature);
        flow.submitBySig{value: PRICE}(Submission(data, signer), block.timestamp, signature);
        vm.expectRevert();
        flow.submitBySig{value: PRICE}(Submission(data, signer), block.timestamp, signature);
        vm.expectRevert(abi.encodeWithSelector(IFlow.SignatureExpired.selector, 0, block.timestamp));
        flow.submitBySig{value: PRICE}(Submission(data, signer), 0, signature);
    }

    function test_batches_have_a_cap() public {
        SubmissionData[] memory datas = new SubmissionData[](101);
        for (uint256 i = 0; i < 101; ++i) datas[i] = one(0, i);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IFlow.BatchTooLarge.selector, 101, 100));
        flow.batchSubmit{value: 101 * PRICE}(datas);
    }

    function test_contexts_cover_exactly_what_was_there() public {
        submitAs(ALICE, one(4, 1));
        (uint256 length,) = flow.tree();
        vm.roll(100 + EPOCH + 1);
        MineContext memory context = flow.makeContextWithResult();
        assertEq(context.epoch, 1, "epoch");
        assertEq(context.flowLength, length, "length");
        assertEq(context.mineStart, 100 + EPOCH, "boundary");
        assertTrue(context.flowRoot == flow.getFlowRootByTxSeq(0), "root");
        assertTrue(context.digest == keccak256(abi.encode(context.blockDigest, context.flowRoot, context.flowLength)), "digest");
        EpochRangeWithContextDigest memory range = flow.queryContextAtPosition(5);
        assertEq(range.end, length, "range");
        assertTrue(range.digest == context.digest, "range digest");
        vm.roll(100 + 2 * EPOCH + 1);
        flow.makeContextFixedTimes(0);
        assertEq(flow.epoch(), 1, "no step");
        flow.makeContextFixedTimes(1);
        assertEq(flow.epoch(), 2, "one step");
    }

    function test_a_long_silence_is_skipped_in_one_step_and_data_waits() public {
        submitAs(ALICE, one(4, 1));
        vm.roll(100 + 10_000 * EPOCH);
        uint256 gas = gasleft();
        flow.makeContext();
        assertTrue(gas - gasleft() < 12_000_000, "bounded");
        assertEq(flow.epoch(), 9_999, "all due epochs passed");
        assertTrue(flow.epochRoot(9_999) == flow.getFlowRootByTxSeq(0), "ring answers");
        assertTrue(flow.epochRoot(1) == bytes32(0), "and forgets");
    }

    function test_pause_stops_submitting_and_nothing_else() public {
        vm.expectRevert(abi.encodeWithSelector(Governed.AccessControlUnauthorizedAccount.selector, address(this), keccak256("PAUSER_ROLE")));
        flow.pause();
        vm.prank(ADMIN);
        flow.pause();
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Flow.EnforcedPause.selector));
        flow.submit{value: PRICE}(one(0, 1));
        vm.roll(100 + EPOCH + 1);
        flow.makeContext();
        vm.prank(ADMIN);
        flow.unpause();
        submitAs(ALICE, one(0, 1));
    }

    function testFuzz_positions_ascend_aligned_and_never_straddle(uint256 seed) public {
        uint256 end = 1;
        for (uint256 i = 0; i < 12; ++i) {
            uint256 height = uint256(keccak256(abi.encode(seed, i))) % 14;
            SubmissionData memory data =
                height >= 1 && i % 2 == 0 ? two(height, height > 3 ? height - 3 : height - 1, i) : one(height, i);
            uint256 sectors = sectorsOf(data);
            if (sectors < 16) data.length = sectors * 256;
            (, uint256 start) = submitAs(ALICE, data);
            assertTrue(start >= end, "after the previous one");
            assertEq(start % (1 << data.nodes[0].height), 0, "aligned");
            assertTrue(start % 1024 == 0 || start / 1024 == (start + sectors - 1) / 1024, "inside a segment or on its start");
            (end,) = flow.tree();
            assertEq(end, start + sectors, "length");
        }
        assertEq(address(flow).balance, 0, "flow keeps nothing");
        assertEq(address(market).balance, 0, "market keeps nothing");
    }

    /// An estimate taken in one state must hold in the next: the gas asked for depends on the call alone.
    function test_gas_that_passed_before_an_epoch_passes_after_it() public {
        uint256 enough = flow.CALL_GAS_MIN() + flow.SUBMISSION_GAS_MIN() + 20_000;
        SubmissionData[4] memory data = [one(0, 1), two(4, 2, 2), one(11, 3), one(0, 4)];
        for (uint256 i = 0; i < data.length; ++i) {
            vm.roll(101 + i * i * EPOCH);
            uint256 fee = sectorsOf(data[i]) * PRICE;
            Submission memory submission = Submission(data[i], ALICE);
            vm.prank(ALICE);
            (bool poor,) = address(flow).call{value: fee, gas: enough - 100_000}(
                abi.encodeWithSelector(bytes4(0xbc8c11f8), submission)
            );
            require(!poor, "less than the minimum passed");
            vm.prank(ALICE);
            (bool ok,) = address(flow).call{value: fee, gas: enough}(abi.encodeWithSelector(bytes4(0xbc8c11f8), submission));
            require(ok, "the minimum did not suffice");
        }
    }

    function test_gas_of_submit() public {
        vm.deal(address(this), 1 ether);
        SubmissionData memory first = file3(1);
        flow.submit{value: sectorsOf(first) * PRICE}(Submission(first, address(this)));
        uint256 gasFirst = vm.snapshotGasLastCall("Flow", "submit first, 3 nodes");
        for (uint256 i = 0; i < 8; ++i) {
            SubmissionData memory next = two(5, 3, i + 2);
            flow.submit{value: sectorsOf(next) * PRICE}(Submission(next, address(this)));
        }
        uint256 gasSteady = vm.snapshotGasLastCall("Flow", "submit steady, 2 nodes");
        // Peer, spec/storage-protocol.md 4.6: 470,609 and 194,867, with 21,000 and calldata that these do not count.
        assertTrue(gasFirst < 430_000, "first");
        assertTrue(gasSteady < 160_000, "steady");
    }

    function file3(uint256 seed) private pure returns (SubmissionData memory) {
        uint256[] memory heights = new uint256[](3);
        (heights[0], heights[1], heights[2]) = (11, 9, 8);
        return file(heights, seed);
    }

    receive() external payable {}
}
