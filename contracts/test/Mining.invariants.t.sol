// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Submission} from "../src/interfaces/IFlow.sol";
import {IPoraMine, MineParameters, PoraAnswer, WorkerContext} from "../src/interfaces/IPoraMine.sol";
import {ChunkRewards} from "../src/storage/ChunkRewards.sol";
import {Flow} from "../src/storage/Flow.sol";
import {PoraMine} from "../src/storage/PoraMine.sol";
import {PatternFlow} from "./PatternFlow.sol";
import {Storage} from "./Storage.sol";
import {assertEq, assertTrue, skip, vm} from "./Vm.sol";

/// Operators with miner ids, honest answers sent by anybody, tampered and repeated ones, a payer, a donor, governance, time.
/// Keeps its own account of who answered when, against which the contract's is checked.
contract MiningHandler is PatternFlow {
    uint256 private constant PRICE = 30_733_644_962;
    uint256 private constant BOND = 1 ether;
    uint256 private constant LOADS_MAX = 48;
    uint256 private constant IDS_MAX = 6;
    address public constant ADMIN = address(0xAD);
    address public constant THIEF = address(0x7133F);

    PoraMine private immutable mine;
    ChunkRewards private immutable reward;

    struct Id {
        bytes32 minerId;
        address operator;
        uint256 lastEpoch;
        uint256 answers;
        bool isRetired;
    }

    Id[] public ids;
    uint256 public epochOfLast;
    uint256 public answersOfEpoch;
    bytes private lastAnswer;

    uint256 public funded;
    uint256 public withdrawn;
    uint256 public basePaid;
    /// What must never become true.
    string public broken;
    /// How often each action did what it is for.
    uint256[12] public done;

    constructor(Flow flow_, PoraMine mine_, ChunkRewards reward_) PatternFlow(flow_) {
        (mine, reward) = (mine_, reward_);
    }

    receive() external payable {}

    function loadCount() external view returns (uint256) {
        return isPattern.length;
    }

    function operatorAt(uint256 i) public pure returns (address) {
        return address(uint160(0x0bE7 + (i % 3)));
    }

    /* ----------------------------------------------------- actions ---------------------------------------------------- */

    function store(uint256 height) public {
        height %= 3;
        if (isPattern.length + (2 << height) > LOADS_MAX) return;
        uint256 fee = (1024 << height) * PRICE;
        (,, uint256 start,) = flow.submit{value: fee}(Submission(patternFile(height), address(this)));
        placed(start, height);
        funded += fee;
        ++done[0];
    }

    function register(uint256 who) public {
        if (ids.length == IDS_MAX) return;
        address operator = operatorAt(who);
        uint64 seed = uint64(ids.length);
        bytes32 id = keccak256(abi.encodePacked(blockhash(vm.getBlockNumber() - 1), operator, seed));
        vm.deal(operator, BOND);
        vm.prank(operator);
        mine.requestMinerId{value: BOND}(operator, seed);
        ids.push(Id(id, operator, 0, 0, false));
        ++done[1];
    }

    /// An id that is idle gives its place up; one that is not must be refused.
    function retire(uint256 which) public {
        if (ids.length == 0) return;
        Id storage id = ids[which % ids.length];
        uint256 epoch = flow.makeContextWithResult().epoch;
        bool isActive = id.lastEpoch != 0 && epoch - id.lastEpoch < 64;
        vm.prank(id.operator);
        try mine.retireMinerId(id.minerId) {
            if (isActive || id.isRetired) broken = "an active or retired id was retired";
            id.isRetired = true;
            ++done[2];
        } catch {
            if (!isActive && !id.isRetired) broken = "an idle id was not retired";
        }
    }

    /// Whoever sends it, an honest answer to offered work is accepted and pays the id.
    function answer(uint256 seed) public {
        (bool found, PoraAnswer memory made, uint256 which) = search(seed);
        if (!found) return;
        Id storage id = ids[which];
        uint256 claimable = reward.rewards(0).claimable;
        uint256 owed = reward.payments(id.operator);
        uint256 base = reward.totalBaseReward();
        uint256 epoch = flow.getContext().epoch;
        if (epoch != epochOfLast) (epochOfLast, answersOfEpoch) = (epoch, 0);
        if (id.lastEpoch != epoch) id.answers = 0;
        if (seed % 2 == 0) vm.prank(THIEF);
        mine.submit(made);
        // The cap goes by the ids that were active before this answer, in the epoch that it opened.
        uint256 wanted = mine.targetSubmissions();
        uint256 before = activeAt(epoch);
        uint256 cap = before == 0 ? 4 * wanted : (4 * wanted + before - 1) / before;
        if (id.answers >= (cap < 2 ? 2 : cap)) broken = "an id answered beyond its cap";
        id.lastEpoch = epoch;
        ++id.answers;
        if (++answersOfEpoch > 2 * wanted) broken = "an epoch took more answers than twice its target";
        uint256 paidBase = base - reward.totalBaseReward();
        uint256 paid = reward.payments(id.operator) - owed;
        if (paid != claimable / 2 + paidBase) broken = "a claim is half of what is claimable and the base reward";
        if (paidBase > claimable / 4) broken = "the base reward is more than half of the released fee";
        basePaid += paidBase;
        lastAnswer = abi.encode(made);
        ++done[3];
        if (paidBase != 0) ++done[4];
    }

    /// One id, or several, as often as they can: what fills epochs and meets caps.
    function answerMany(uint256 seed) public {
        if (ids.length == 0) return;
        for (uint256 i = 0; i < 7; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            // The remainder chooses the id.
            answer(seed % 2 == 0 ? draw : draw - draw % ids.length + seed % ids.length);
        }
    }

    /// An honest answer for which no work is offered, as its id or the epoch has had enough.
    function exceed(uint256 seed) public {
        if (ids.length == 0 || ids[seed % ids.length].isRetired) return;
        WorkerContext memory work = mine.computeWorkerContext(ids[seed % ids.length].minerId);
        if (work.poraTarget != 0 || work.subtaskDigest == bytes32(0)) return;
        work.poraTarget = mine.poraTarget();
        (bool found, PoraAnswer memory made) = solve(seed, work, ids[seed % ids.length].minerId);
        if (!found) return;
        try mine.submit(made) {
            broken = "an answer was accepted that nobody asked for";
        } catch {
            ++done[11];
        }
    }

    /// An honest answer with one thing changed.
    function tamper(uint256 seed) public {
        (bool found, PoraAnswer memory made,) = search(seed);
        if (!found) return;
        uint256 field = (seed >> 64) % 8;
        if (field == 0) made.contextDigest ^= bytes32(uint256(1));
        else if (field == 1) made.minerId ^= bytes32(uint256(1));
        else if (field == 2) made.range.mineLength -= 1024;
        else if (field == 3) made.recallPosition += 16;
        else if (field == 4) made.sealOffset ^= 1;
        else if (field == 5) made.sealedContextDigest ^= bytes32(uint256(1));
        else if (field == 6) made.sealedData[(seed >> 72) % 128] ^= bytes32(1 << ((seed >> 80) % 256));
        else made.merkleProof[(seed >> 72) % made.merkleProof.length] ^= bytes32(uint256(1));
        try mine.submit(made) {
            broken = "a changed answer was accepted";
        } catch {
            ++done[5];
        }
    }

    function replay() public {
        if (lastAnswer.length == 0) return;
        vm.prank(THIEF);
        try mine.submit(abi.decode(lastAnswer, (PoraAnswer))) {
            broken = "an answer was accepted twice";
        } catch {
            ++done[6];
        }
    }

    function withdraw(uint256 who) public {
        address account = operatorAt(who);
        uint256 amount = reward.payments(account);
        if (amount == 0) return;
        reward.withdrawPayments(payable(account));
        withdrawn += amount;
        ++done[7];
    }

    function donate(uint64 amount) public {
        reward.donate{value: amount}();
        funded += amount;
        ++done[8];
    }

    function announce(uint256 seed) public {
        vm.prank(ADMIN);
        mine.announceParameters(
            MineParameters({
                targetMineBlocks: uint16(seed % 10 + 9),
                targetSubmissions: uint16((seed >> 8) % 4 + 1),
                difficultyAdjustRatio: uint16((seed >> 16) % 20 + 1),
                subtaskCount: 1,
                subtaskInterval: 0,
                maxShards: uint64(1 << ((seed >> 24) % 4)),
                minDifficulty: uint96((seed >> 32) % 3 + 1)
            })
        );
        ++done[9];
    }

    /// Mostly within an epoch or to the next; sometimes so far that ids become idle and epochs are missed.
    function pass(uint256 seed) public {
        uint256 blocks = seed % 8 == 0 ? (seed >> 8) % 1500 : seed % 15;
        vm.roll(vm.getBlockNumber() + blocks + 1);
        skip((seed >> 24) % 12 hours);
        ++done[10];
    }

    /* ----------------------------------------------------- account ---------------------------------------------------- */

    /// Ids that answered within 64 epochs of `epoch`.
    function activeAt(uint256 epoch) public view returns (uint256 count) {
        for (uint256 i = 0; i < ids.length; ++i) {
            if (ids[i].lastEpoch != 0 && epoch - ids[i].lastEpoch < 64) ++count;
        }
    }

    function liveIdsOf(address operator) external view returns (uint256 count) {
        for (uint256 i = 0; i < ids.length; ++i) if (ids[i].operator == operator && !ids[i].isRetired) ++count;
    }

    /// An honest answer that wins, of an id that is offered work. Three nonces: at the difficulty of these tests most win.
    function search(uint256 seed) public returns (bool found, PoraAnswer memory made, uint256 which) {
        if (ids.length == 0) return (false, made, 0);
        which = seed % ids.length;
        if (ids[which].isRetired) return (false, made, which);
        WorkerContext memory work = mine.computeWorkerContext(ids[which].minerId);
        if (work.poraTarget == 0) return (false, made, which);
        if (work.poraTarget > type(uint256).max / mine.minDifficulty() && work.maxShards == mine.maxShards()) {
            broken = "the quoted target is easier than the least difficulty";
        }
        (found, made) = solve(seed, work, ids[which].minerId);
    }

    function solve(uint256 seed, WorkerContext memory work, bytes32 minerId)
        private
        returns (bool found, PoraAnswer memory made)
    {
        uint64 shards = uint64(1) << uint64((seed >> 16) % 3);
        if (shards > work.maxShards || shards > work.context.flowLength >> 10) shards = 1;
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 nonce = keccak256(abi.encode(seed, i));
            uint256 quality;
            (made, quality) = answerFor(work, minerId, nonce, uint256(nonce) % 64, uint64(seed >> 24) % shards, shards);
            if (made.merkleProof.length != 0 && quality <= thresholdOf(work, shards)) return (true, made);
        }
    }
}

contract MiningInvariants is Storage {
    MiningHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new MiningHandler(flow, mine, reward);
        vm.deal(address(handler), 1e6 ether);
        vm.prank(ADMIN);
        // Near what a claim releases, so that its half is sometimes the smaller.
        reward.announceParameters(ADMIN, 500, 1e13);
        skip(1 days);
        reward.applyParameters();
        // A start from which answers are possible soon.
        handler.store(2);
        handler.register(0);
        handler.donate(1 ether);
        vm.roll(firstBlock() + EPOCH + 1);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// All in one, as a history costs more than the looks at what it led to.
    /// forge-config: default.invariant.depth = 80
    function invariant_mining() public view {
        nothing_forbidden_happened();
        what_is_paid_was_funded();
        the_target_stays_in_bounds();
        the_account_of_answers_is_right();
        every_live_id_has_its_bond_and_no_other_is_held();
    }

    function nothing_forbidden_happened() private view {
        assertTrue(bytes(handler.broken()).length == 0, handler.broken());
    }

    function what_is_paid_was_funded() private view {
        uint256 paid = handler.withdrawn();
        for (uint256 i = 0; i < 3; ++i) paid += reward.payments(handler.operatorAt(i));
        assertTrue(paid <= handler.funded(), "paid <= funded");
        ChunkRewards.Range memory range = reward.rewards(0);
        uint256 held = uint256(range.locked) + range.claimable + reward.totalBaseReward() + reward.payments(ADMIN);
        assertEq(paid + held, handler.funded(), "and not a wei is missing");
        assertEq(address(reward).balance + handler.withdrawn(), handler.funded(), "nor elsewhere");
        assertEq(reward.payments(handler.THIEF()), 0, "who sends another's answer earns nothing");
        assertEq(reward.payments(address(mine)) + address(mine).balance, 0, "the mine keeps nothing");
    }

    function the_target_stays_in_bounds() private view {
        assertTrue(mine.poraTarget() <= type(uint256).max / mine.minDifficulty(), "least difficulty");
        assertTrue(mine.poraTarget() >= 1 << 200, "and never out of reach");
        assertTrue(mine.targetBeforeGap() <= type(uint256).max / mine.minDifficulty(), "before a gap");
    }

    function the_account_of_answers_is_right() private view {
        uint256 epoch = mine.lastMinedEpoch();
        assertEq(epoch, handler.epochOfLast(), "last mined epoch");
        assertEq(mine.currentSubmissions(), handler.answersOfEpoch(), "answers of it");
        assertEq(mine.activeIds(), handler.activeAt(epoch), "ids that answered within 64 epochs");
    }

    function every_live_id_has_its_bond_and_no_other_is_held() private view {
        uint256 live = 0;
        for (uint256 i = 0; i < 3; ++i) {
            address operator = handler.operatorAt(i);
            uint256 count = handler.liveIdsOf(operator);
            assertEq(vault.reservedFor(operator, address(mine)), count * BOND, "reserved");
            live += count;
        }
        assertTrue(vault.totalAssets() >= live * BOND && address(vault).balance == vault.totalAssets(), "held");
    }

    /// Peer: 377,973 for the same proof length at a new epoch, without a payout. Ours pays, relaxes or tightens the target, and
    /// counts active ids.
    function test_gas_of_submit_at_a_new_epoch() public {
        while (handler.loadCount() <= 16) handler.store(2);
        uint256 made = 0;
        for (uint256 i = 0; i < 2; ++i) {
            vm.roll(firstBlock() + (i + 3) * EPOCH + 1);
            skip(1 hours);
            PoraAnswer memory answer;
            // Looking for work makes the context as a side effect.
            uint256 fresh = vm.snapshotState();
            for (bool found = false; !found; ++made) (found, answer,) = handler.search(made << 64);
            assertEq(answer.merkleProof.length, 11, "siblings");
            if (i == 0) mine.submit(answer);
            else {
                vm.revertToState(fresh);
                uint256 withContext = gasOfSubmit(answer);
                vm.revertToState(fresh);
                flow.makeContext();
                uint256 gas = gasOfSubmit(answer);
                vm.snapshotValue("PoraMine", "submit, first of a new epoch, paid", gas);
                vm.snapshotValue("PoraMine", "submit, first of a new epoch, paid, and one context made", withContext);
                assertTrue(gas <= 378_000, "new epoch");
            }
        }
    }

    /// The random histories above are short: this long one shows that every action does what it is for, and often enough.
    function test_every_action_succeeds_in_a_long_history() public {
        for (uint256 i = 0; i < 400; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("history", i)));
            uint256 action = seed % 16;
            seed = uint256(keccak256(abi.encode(seed)));
            if (action == 0) handler.store(seed);
            else if (action == 1) handler.register(seed);
            else if (action == 2) handler.retire(seed);
            else if (action == 3) handler.exceed(seed);
            else if (action < 6) handler.answer(seed);
            else if (action < 9) handler.answerMany(seed);
            else if (action == 9) handler.tamper(seed);
            else if (action == 10) handler.replay();
            else if (action == 11) handler.withdraw(seed);
            else if (action == 12) handler.donate(uint64(seed));
            else if (action == 13) handler.announce(seed);
            else handler.pass(seed);
            invariant_mining();
        }
        for (uint256 i = 0; i < 12; ++i) assertTrue(handler.done(i) != 0, "an action never succeeded");
        assertTrue(handler.done(3) >= 20, "answers");
    }
}
