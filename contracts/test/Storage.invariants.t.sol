// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EpochRangeWithContextDigest, Submission, SubmissionData, SubmissionNode} from "../src/interfaces/IFlow.sol";
import {ChunkRewards} from "../src/storage/ChunkRewards.sol";
import {FixedPriceMarket} from "../src/storage/FixedPriceMarket.sol";
import {Flow} from "../src/storage/Flow.sol";
import {Storage} from "./Storage.sol";
import {assertEq, assertTrue, skip, vm} from "./Vm.sol";

/// Everybody at once: payers that take refunds and one that does not, a miner, a donor, time and blocks that pass.
contract StorageHandler {
    uint256 private constant PRICE = 30_733_644_962;
    uint256 private constant RANGES = 4;

    Flow private immutable flow;
    FixedPriceMarket private immutable market;
    ChunkRewards private immutable reward;

    /// Takes refunds only while this is true.
    bool private takesRefunds = true;

    uint256 public submissions;
    uint256 public fees;
    uint256 public donated;
    uint256 public renewed;
    uint256 public withdrawn;
    uint256 public endOfLast = 1;
    bool public rootChanged;
    mapping(uint256 txSeq => bytes32) private rootAt;

    constructor(Flow flow_, FixedPriceMarket market_, ChunkRewards reward_) {
        (flow, market, reward) = (flow_, market_, reward_);
    }

    receive() external payable {
        require(takesRefunds || msg.sender != address(flow), "no refund wanted");
    }

    /// One or two subtrees of a legal decomposition; overpaid by `surplus`.
    function submit(uint256 seed, uint64 surplus, bool refundable, bool firstGeneration) external {
        takesRefunds = refundable;
        SubmissionData memory data = draw(seed);
        uint256 sectors = sectorsOf(data);
        uint256 start;
        uint256 length;
        uint256 value = sectors * PRICE + surplus;
        if (firstGeneration) (,, start, length) = flow.submit{value: value}(data);
        else (,, start, length) = flow.submit{value: value}(Submission(data, address(this)));
        note(1, sectors * PRICE, start, length);
    }

    function submitBatch(uint256 seed, uint8 count, uint64 surplus) external {
        takesRefunds = true;
        uint256 size = uint256(count) % 4 + 1;
        SubmissionData[] memory datas = new SubmissionData[](size);
        uint256 sectors = 0;
        for (uint256 i = 0; i < size; ++i) {
            datas[i] = draw(uint256(keccak256(abi.encode(seed, i))));
            sectors += sectorsOf(datas[i]);
        }
        (,, uint256[] memory starts, uint256[] memory lengths) =
            flow.batchSubmit{value: sectors * PRICE + surplus}(datas);
        note(size, sectors * PRICE, starts[size - 1], lengths[size - 1]);
    }

    function takeCredit() external {
        takesRefunds = true;
        if (flow.refunds(address(this)) > 0) flow.withdrawRefund(payable(address(0xC0FFEE)));
    }

    function makeContexts(uint8 count) external {
        if (count % 2 == 0) flow.makeContext();
        else flow.makeContextFixedTimes(count);
    }

    function pass(uint16 blocks, uint32 elapsed) external {
        vm.roll(vm.getBlockNumber() + uint256(blocks) % 600 + 1);
        skip(uint256(elapsed) % 2 days);
    }

    function claim(uint256 index) external {
        vm.prank(reward.mine());
        reward.claimMineReward(index % RANGES, payable(address(0x3142)), bytes32(uint256(1)));
    }

    function withdraw() external {
        uint256 amount = reward.payments(address(0x3142));
        if (amount == 0) return;
        reward.withdrawPayments(payable(address(0x3142)));
        withdrawn += amount;
    }

    function donate(uint64 amount) external {
        reward.donate{value: amount}();
        donated += amount;
    }

    /// A renewal of a filled range whose lease has begun to run.
    function renew(uint256 index, uint8 hundredths) external {
        uint256 leaseEnd = reward.rewardDeadline(index % RANGES);
        if (leaseEnd == 0 || leaseEnd >= vm.getBlockTimestamp() + reward.releaseSeconds()) return;
        uint256 amount = (PRICE << 25) * (uint256(hundredths) + 1) / 100;
        reward.renew{value: amount}(index % RANGES);
        renewed += amount;
    }

    /// Moves what nobody claimed, where that is allowed.
    function rollOver(uint256 index) external {
        try reward.rollOver(index % RANGES) {} catch {}
    }

    function note(uint256 count, uint256 fee, uint256 start, uint256 length) private {
        for (uint256 i = submissions; i < submissions + count; ++i) rootAt[i] = flow.getFlowRootByTxSeq(i);
        submissions += count;
        fees += fee;
        endOfLast = start + length;
        for (uint256 i = 0; i < submissions; ++i) if (flow.getFlowRootByTxSeq(i) != rootAt[i]) rootChanged = true;
    }

    function draw(uint256 seed) private pure returns (SubmissionData memory data) {
        uint256 high = seed % 16;
        bool isPair = high > 0 && (seed >> 8) % 2 == 0;
        data.nodes = new SubmissionNode[](isPair ? 2 : 1);
        data.nodes[0] = SubmissionNode(keccak256(abi.encode(seed, 0)), high);
        if (isPair) data.nodes[1] = SubmissionNode(keccak256(abi.encode(seed, 1)), high > 3 ? high - 3 : high - 1);
        data.length = sectorsOf(data) * 256;
    }

    function sectorsOf(SubmissionData memory data) private pure returns (uint256 sectors) {
        for (uint256 i = 0; i < data.nodes.length; ++i) sectors += 1 << data.nodes[i].height;
    }
}

contract StorageInvariants is Storage {
    StorageHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new StorageHandler(flow, market, reward);
        vm.deal(address(handler), 1e9 ether);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_flow_holds_only_what_it_owes_as_credits() public view {
        assertEq(address(flow).balance, flow.refunds(address(handler)), "flow balance");
    }

    function invariant_the_market_passes_every_fee_on() public view {
        assertEq(address(market).balance, 0, "market balance");
    }

    function invariant_every_wei_of_the_rewards_is_accounted_for() public view {
        uint256 held = reward.payments(address(0x3142)) + reward.payments(ADMIN) + reward.totalBaseReward();
        for (uint256 i = 0; i < 4; ++i) {
            ChunkRewards.Range memory range = reward.rewards(i);
            held += uint256(range.locked) + range.claimable;
        }
        assertEq(address(reward).balance, held, "rewards balance");
        assertEq(held + handler.withdrawn(), handler.fees() + handler.donated() + handler.renewed(), "in equals out");
    }

    function invariant_the_log_is_append_only() public view {
        assertEq(flow.numSubmissions(), handler.submissions(), "no submission is lost or made up");
        (uint256 length,) = flow.tree();
        assertEq(length, handler.endOfLast(), "the flow ends where the last file ends");
        assertTrue(!handler.rootChanged(), "a past root never changes");
        if (handler.submissions() > 0) {
            assertTrue(flow.getFlowRootByTxSeq(handler.submissions() - 1) == flow.computeFlowRoot(), "newest root");
        }
    }

    function invariant_mining_ranges_touch_and_never_overlap() public view {
        (uint256 length,) = flow.tree();
        uint256 next = 0;
        for (uint256 i = 0; i < 4096; ++i) {
            try flow.getEpochRangeHistory(i) returns (EpochRangeWithContextDigest memory range) {
                if (i > 0) assertEq(range.start, next, "starts where the previous one ended");
                assertTrue(range.end > range.start, "is not empty");
                assertTrue(range.digest != flow.EMPTY_HASH(), "has a digest");
                next = range.end;
            } catch {
                break;
            }
        }
        assertTrue(next <= length, "covers only what was submitted");
    }
}
