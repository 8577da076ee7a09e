// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DAChallenges} from "../src/da/DAChallenges.sol";
import {BlobHeader} from "../src/interfaces/DaTypes.sol";
import {IDAChallenges} from "../src/interfaces/IDAChallenges.sol";
import {IDARegistry} from "../src/interfaces/IDARegistry.sol";
import {BLS12381} from "../src/libraries/BLS12381.sol";
import {PieceProof} from "../src/libraries/PieceProof.sol";
import {RowAssignment} from "../src/libraries/RowAssignment.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {Da} from "./Da.sol";
import {assertEq, assertTrue, vm} from "./Vm.sol";

/// Operators, a payer, a challenger and time, in any order. Steps that the state does not allow do nothing; `succeeded` counts those
/// that did something.
contract DaHandler is Da {
    address private constant CHALLENGER = address(0xC4A);
    /// 100,000 bytes in the smallest shape: rows of 128 bytes, one piece each. All rows are alike, so every path is known.
    uint256 private constant ROW = 128;

    uint256 public epoch;
    uint256 public nonce = 1;
    uint256 public bondsOpen;
    bool public verdictChanged;
    bool public leftUnderObligation;
    bool public chargedTwice;
    mapping(bytes4 step => uint256) public succeeded;
    /// epoch => rewards that its members claimed
    mapping(uint256 epoch => uint256) public claimed;
    uint256[] public spentNonces;
    bytes[] private queries;
    uint8[] private verdicts;
    uint256[] private decidedAfter;
    uint256[] private exits;
    IDAChallenges.Challenge[] private open_;
    Sealed private last;
    bool private hasBatch;
    bytes32[13] private nodes; // of the row tree, from the leaf up

    constructor() {
        setUp();
        vm.fee(1 gwei);
        vm.deal(CHALLENGER, 1000 ether);
        nodes[0] = sha256(bytes.concat(hex"00", new bytes(ROW)));
        for (uint256 i = 1; i < 13; ++i) nodes[i] = sha256(abi.encode(nodes[i - 1], nodes[i - 1]));
        epoch = 1;
        openEpoch(1);
    }

    function operatorCount() external view returns (uint256) {
        return operators.length;
    }

    function operatorAt(uint256 i) external view returns (address) {
        return operators[i];
    }

    function contracts() external view returns (address, address, address, address) {
        return (address(vault), address(registry), address(entrance), address(challenges));
    }

    function payer() external view returns (address) {
        return account;
    }

    function openChallenges() external view returns (uint256) {
        return open_.length;
    }

    function spentCount() external view returns (uint256) {
        return spentNonces.length;
    }

    function balanceOfPayer() public view returns (uint256 balance) {
        (balance,,) = entrance.accounts(account);
    }

    function openAgainst(address operator) external view returns (uint256 count) {
        for (uint256 i = 0; i < open_.length; ++i) if (open_[i].operator == operator) ++count;
    }

    function keysOf(uint256 e) external view returns (bytes32[4] memory sum, uint256 weight) {
        uint256 count = registry.memberCount(e, 0);
        for (uint256 i = 0; i < count; ++i) {
            IDARegistry.Member memory who = registry.memberOf(e, 0, i);
            sum = BLS12381.add(sum, BlsSigner.publicKey(secretOf(indexOf(who.operator))));
            weight += who.weight;
        }
    }

    /* ------------------------------------------------------ steps ------------------------------------------------------ */

    function stakeMore(uint256 who, uint256 amount) external {
        address operator = operators[who % operators.length];
        amount = 1 ether + amount % 100 ether;
        vm.deal(operator, amount);
        vm.prank(operator);
        try vault.deposit{value: amount}(operator) {
            _did(this.stakeMore.selector);
        } catch {}
    }

    function leave(uint256 who, uint256 part) external {
        address operator = operators[who % operators.length];
        uint256 shares = vault.sharesOf(operator, operator) / (2 + part % 8);
        if (shares == 0) return;
        vm.prank(operator);
        exits.push(vault.queueExit(operator, shares));
        _did(this.leave.selector);
    }

    function release(uint256 which) external {
        if (exits.length == 0) return;
        uint256 id = exits[which % exits.length];
        address operator = vault.exitOf(id).operator;
        if (operator == address(0)) return;
        uint256 free = registry.lockedUntil(operator);
        if (free < vault.exitOf(id).releaseAt) free = vault.exitOf(id).releaseAt;
        // Every other try waits until it may; the others come when they come.
        if (which % 2 == 1 && free != type(uint256).max && free > vm.getBlockTimestamp()) {
            roll(blockNow + free - vm.getBlockTimestamp());
        }
        bool isHeld = registry.lockedUntil(operator) > vm.getBlockTimestamp();
        try vault.release(id) {
            leftUnderObligation = leftUnderObligation || isHeld;
            _did(this.release.selector);
        } catch {}
    }

    /// Somebody who is away comes back; when nobody is, somebody leaves.
    function comeAndGo(uint256 who) external {
        for (uint256 i = 0; i < operators.length; ++i) {
            if (registry.operatorOf(operators[i]).place != 0) continue;
            vm.prank(operators[i]);
            try registry.activate(address(0)) {
                _did(this.comeAndGo.selector);
                return;
            } catch {} // jailed, or without stake
        }
        vm.prank(operators[who % operators.length]);
        try registry.deactivate() {} catch {}
    }

    function nextEpoch(uint256 silent) external {
        if (registry.epochAt(blockNow) > epoch) epoch = registry.epochAt(blockNow);
        epoch += 1;
        if (blockNow > registry.snapshotBlock(epoch) + 2) epoch += 1;
        openWindow(epoch);
        for (uint256 i = 0; i < operators.length; ++i) {
            if (silent >> i & 7 == 7) continue;
            bytes32[8] memory y = revealOf(epoch, i);
            try registry.reveal(epoch, lastSeed, operators[i], y) {
                _did(this.nextEpoch.selector);
            } catch {}
        }
        roll(registry.epochStart(epoch));
        try registry.reportMissed(operators[silent % operators.length], epoch) {} catch {}
    }

    function certify(uint256 absent, uint256 late) external {
        uint256 e = registry.epochAt(blockNow);
        uint256 count = registry.memberCount(e, 0);
        (,,, bool isOpen) = registry.quorumOf(e, 0);
        if (!isOpen) return;
        uint16[] memory absentees = absent % 3 == 0 ? none() : only(uint16(absent % count));
        Sealed memory batch = _seal(1 + absent % 2, absentees);
        bytes32[] memory path = new bytes32[](batch.keys.length - 1);
        if (path.length == 1) path[0] = batch.keys[1];
        queries.push(lookup(batch.certificate.batch, batch.headers[0], 0, path));
        decidedAfter.push(batch.certificate.batch.referenceBlock + 30);
        verdicts.push(0);
        if (late % 4 == 0) return;
        try entrance.confirmBatch(batch.certificate, batch.headers, batch.authorizations) {
            _did(this.certify.selector);
            last.certificate = batch.certificate;
            delete last.headers;
            for (uint256 i = 0; i < batch.headers.length; ++i) {
                last.headers.push(batch.headers[i]);
                spentNonces.push(batch.headers[i].nonce);
            }
            last.keys = batch.keys;
            hasBatch = true;
        } catch {}
    }

    /// The same header in a second certificate, as anybody can get one: it is rejected and nothing is paid.
    function replay() external {
        uint256 e = registry.epochAt(blockNow);
        (,,, bool isOpen) = registry.quorumOf(e, 0);
        if (!isOpen) return;
        Sealed memory batch = _seal(1, none());
        try entrance.confirmBatch(batch.certificate, batch.headers, batch.authorizations) {
            spentNonces.push(batch.headers[0].nonce);
        } catch {
            return;
        }
        uint256 balance = balanceOfPayer();
        if (registry.epochAt(blockNow) != e) return;
        batch = sealHeaders(batch.headers, none());
        try entrance.confirmBatch(batch.certificate, batch.headers, batch.authorizations) {
            chargedTwice = chargedTwice || balanceOfPayer() != balance;
            _did(this.replay.selector);
        } catch {}
    }

    /// A certificate that nobody brought to the chain in time: a tenth, once, and never a confirmation after it.
    function lapse() external {
        (,,, bool isOpen) = registry.quorumOf(registry.epochAt(blockNow), 0);
        if (!isOpen) return;
        Sealed memory batch = _seal(1, none());
        roll(blockNow + 31);
        uint256 balance = balanceOfPayer();
        try entrance.settleLapsed(batch.certificate, batch.headers, batch.authorizations) {
            spentNonces.push(batch.headers[0].nonce);
            chargedTwice = chargedTwice || balance - balanceOfPayer() > entrance.feeOf(batch.headers[0]) / 10;
            _did(this.lapse.selector);
        } catch {}
        try entrance.confirmBatch(batch.certificate, batch.headers, batch.authorizations) {
            chargedTwice = true;
        } catch {}
    }

    /// A member takes its reward once the epoch has vested; twice never.
    function claim(uint256 which, uint256 member) external {
        uint256 e = 1 + which % epoch;
        uint256 count = registry.memberCount(e, 0);
        if (count == 0) return;
        member %= count;
        address operator = registry.memberOf(e, 0, member).operator;
        if (challenges.lockOf(operator) != 0) return;
        uint256 vests = registry.epochLockedUntil(e);
        uint256 time = vm.getBlockTimestamp();
        if (time < vests) roll(blockNow + vests - time);
        uint256 before = entrance.credits(operator);
        try entrance.claimReward(e, 0, member) {
            claimed[e] += entrance.credits(operator) - before;
            _did(this.claim.selector);
        } catch {}
        try entrance.claimReward(e, 0, member) {
            chargedTwice = true;
        } catch {}
    }

    function withdraw(uint256 amount) external {
        amount = amount % (balanceOfPayer() / 8 + 1) + 1;
        vm.prank(account);
        entrance.requestWithdrawal(amount);
        roll(blockNow + 60);
        vm.prank(account);
        entrance.completeWithdrawal();
        _did(this.withdraw.selector);
    }

    function challenge(uint256 member, uint256 offset) external {
        if (!hasBatch) return;
        BlobHeader memory header = last.headers[0];
        uint256 count = registry.memberCount(header.epoch, 0);
        IDAChallenges.Challenge memory c;
        c.member = uint16(member % count);
        IDARegistry.Member memory who = registry.memberOf(header.epoch, 0, c.member);
        (uint256 start, uint256 end) = RowAssignment.positions(4096, who.weightBefore, who.weight, who.totalWeight);
        if (start == end) return;
        c.position = uint32(start + offset % (end - start));
        c.bond = challenges.bondFor(who.operator);
        bytes32[] memory path = new bytes32[](last.keys.length - 1);
        if (path.length == 1) path[0] = last.keys[1];
        vm.prank(CHALLENGER);
        try challenges.challenge{value: c.bond}(
            last.certificate.batch, last.certificate.absentees, header, 0, path, c.member, c.position
        ) returns (bytes32 id) {
            c.id = id;
        } catch {
            return;
        }
        (c.header, c.operator, c.openedBlock, c.baseFee) = (header, who.operator, uint64(blockNow), 1 gwei);
        c.challenger = CHALLENGER;
        c.deadline = uint64(blockNow + 30);
        while (challenges.challengeHash(c.id) != keccak256(abi.encode(c))) c.deadline += 1;
        open_.push(c);
        bondsOpen += c.bond;
        _did(this.challenge.selector);
    }

    function answer(uint256 which) external {
        if (open_.length == 0) return;
        IDAChallenges.Challenge memory c = open_[which % open_.length];
        if (blockNow <= c.openedBlock + 2) roll(c.openedBlock + 3);
        IDAChallenges.Answer memory proof;
        proof.piece = new bytes(ROW);
        proof.rowPath = new bytes32[](12);
        for (uint256 i = 0; i < 12; ++i) proof.rowPath[i] = nodes[i];
        proof.rlcRoot = bytes32(c.header.nonce);
        try challenges.answer(c, proof) {
            _did(this.answer.selector);
        } catch {
            return;
        }
        bondsOpen -= c.bond;
        _drop(which);
    }

    function fail(uint256 which) external {
        if (open_.length == 0) return;
        IDAChallenges.Challenge memory c = open_[which % open_.length];
        if (blockNow <= c.deadline) roll(c.deadline + 1);
        challenges.fail(c);
        bondsOpen -= c.bond;
        _drop(which);
        _did(this.fail.selector);
        if (which % 2 == 0) return;
        roll(blockNow + 30);
        try challenges.correlate(c.header.epoch, 0, c.member) {
            _did(bytes4("corr"));
        } catch {}
    }

    function pass(uint256 blocks) external {
        roll(blockNow + 1 + blocks % 400);
    }

    /// Once decided, a verdict stays.
    function look() external {
        for (uint256 i = 0; i < queries.length; ++i) {
            uint8 verdict = entrance.checkCertificate(queries[i]);
            bool isDecided = verdicts[i] == 1 || verdicts[i] >= 3;
            if (isDecided && verdict != verdicts[i]) verdictChanged = true;
            if (blockNow > decidedAfter[i] && verdict == 2) verdictChanged = true;
            verdicts[i] = verdict;
        }
    }

    /* ----------------------------------------------------- helpers ----------------------------------------------------- */

    function _did(bytes4 step) private {
        succeeded[step] += 1;
    }

    function _drop(uint256 which) private {
        open_[which % open_.length] = open_[open_.length - 1];
        open_.pop();
    }

    /// A batch of blobs whose challenges can be answered.
    function _seal(uint256 count, uint16[] memory absentees) private returns (Sealed memory) {
        BlobHeader[] memory headers = new BlobHeader[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 commitment = PieceProof.commitmentOf(0, uint32(ROW), nodes[12], bytes32(nonce));
            headers[i] = headerFor(nonce++, commitment, 100_000);
        }
        return sealHeaders(headers, absentees);
    }
}

contract DaInvariants is Da {
    DaHandler private handler;

    struct Selectors {
        address target;
        bytes4[] selectors;
    }

    function setUp() public override {
        _begin();
    }

    /// A fresh history.
    function _begin() private {
        handler = new DaHandler();
        (address a, address b, address c, address d) = handler.contracts();
        assembly {
            sstore(vault.slot, a)
            sstore(registry.slot, b)
            sstore(entrance.slot, c)
            sstore(challenges.slot, d)
        }
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (Selectors[] memory list) {
        list = new Selectors[](1);
        list[0].target = address(handler);
        bytes4[] memory s = _steps();
        list[0].selectors = s;
    }

    function _steps() private pure returns (bytes4[] memory s) {
        s = new bytes4[](15);
        (s[0], s[1], s[2], s[3]) =
            (DaHandler.stakeMore.selector, DaHandler.leave.selector, DaHandler.release.selector, DaHandler.comeAndGo.selector);
        (s[4], s[5], s[6]) = (DaHandler.nextEpoch.selector, DaHandler.certify.selector, DaHandler.challenge.selector);
        (s[7], s[8], s[9]) = (DaHandler.fail.selector, DaHandler.answer.selector, DaHandler.replay.selector);
        (s[10], s[11], s[12]) = (DaHandler.lapse.selector, DaHandler.claim.selector, DaHandler.withdraw.selector);
        (s[13], s[14]) = (DaHandler.pass.selector, DaHandler.look.selector);
    }

    /// Random histories long enough that every step, most of which the state may refuse, has done something. Several of them: a
    /// jailed operator never comes back, so a long one ends with nobody.
    function test_random_histories_reach_every_step() public {
        bytes4[] memory steps = _steps();
        uint256[] memory done = new uint256[](14);
        for (uint256 history = 0; history < 10; ++history) {
            if (history != 0) _begin();
            for (uint256 i = 0; i < 40; ++i) {
                bytes32 seed = keccak256(abi.encode("history", history, i));
                // Blobs and challenges are what the other steps work on: every other step is one of those.
                uint256 pick = uint256(seed) % 2 == 0 ? uint256(seed >> 8) % steps.length : 4 + uint256(seed >> 8) % 3;
                (bool ok,) = address(handler).call(abi.encodePacked(steps[pick], keccak256(abi.encode(seed)), seed));
                assertTrue(ok, "no step reverts");
            }
            invariant_of_stake_draws_certificates_and_challenges();
            for (uint256 i = 0; i < 13; ++i) done[i] += handler.succeeded(steps[i]);
            done[13] += handler.succeeded(bytes4("corr"));
        }
        string memory missing = "";
        for (uint256 i = 0; i < done.length; ++i) {
            if (done[i] == 0) missing = string.concat(missing, " ", _digits(i));
        }
        assertTrue(bytes(missing).length == 0, string.concat("steps that never did anything:", missing));
    }

    function _digits(uint256 number) private pure returns (string memory) {
        return string(abi.encodePacked(bytes1(uint8(48 + number / 10)), bytes1(uint8(48 + number % 10))));
    }

    /// All in one: a step here costs a whole epoch or a pairing, and every invariant of its own would repeat the run.
    function invariant_of_stake_draws_certificates_and_challenges() public view {
        _votes_sum_and_never_exceed_the_stake();
        _every_wei_of_the_vault_is_accounted_for();
        _challenges_hold_their_bonds();
        _every_open_challenge_is_counted_and_locks();
        _no_stake_leaves_under_an_obligation();
        _a_verdict_never_changes();
        _the_aggregate_is_the_sum_of_members();
        _the_entrance_owes_no_more_than_it_holds();
        _a_nonce_is_charged_once();
        _claims_never_exceed_the_pool();
        _failed_weight_is_that_of_failed_members();
        _every_failure_that_is_not_settled_locks();
        _weights_are_a_partition();
        _members_are_locked_until_their_obligations_end();
    }

    function _votes_sum_and_never_exceed_the_stake() private view {
        uint256 s1 = 0;
        uint256 s2 = 0;
        for (uint256 i = 0; i < handler.operatorCount(); ++i) {
            address operator = handler.operatorAt(i);
            uint256 votes = registry.operatorOf(operator).votes;
            assertTrue(votes * 1 ether <= vault.stakeOf(operator), "votes without stake");
            s1 += votes;
            s2 += votes * votes;
        }
        (uint256 one, uint256 squares) = registry.voteSums();
        assertEq(s1, one, "S1");
        assertEq(s2, squares, "S2");
    }

    function _every_wei_of_the_vault_is_accounted_for() private view {
        uint256 held = vault.burned() + vault.totalAssets() + vault.credits(address(0xC4A));
        assertEq(address(vault).balance, held, "vault");
        uint256 pools = 0;
        for (uint256 i = 0; i < handler.operatorCount(); ++i) pools += vault.poolOf(handler.operatorAt(i)).assets;
        assertEq(pools, vault.totalAssets(), "pools");
    }

    function _challenges_hold_their_bonds() private view {
        uint256 held = handler.bondsOpen() + challenges.burned() + challenges.credits(address(0xC4A));
        for (uint256 i = 0; i < handler.operatorCount(); ++i) held += challenges.credits(handler.operatorAt(i));
        assertEq(address(challenges).balance, held, "bonds");
    }

    function _every_open_challenge_is_counted_and_locks() private view {
        for (uint256 i = 0; i < handler.operatorCount(); ++i) {
            address operator = handler.operatorAt(i);
            uint256 count = handler.openAgainst(operator);
            assertEq(challenges.openCount(operator), count, "open");
            if (count != 0) assertEq(registry.lockedUntil(operator), type(uint256).max, "locked");
        }
    }

    function _no_stake_leaves_under_an_obligation() private view {
        assertTrue(!handler.leftUnderObligation(), "left");
    }

    function _a_verdict_never_changes() private view {
        assertTrue(!handler.verdictChanged(), "verdict");
    }

    function _the_aggregate_is_the_sum_of_members() private view {
        uint256 e = handler.epoch();
        (bytes32[4] memory sum, uint256 sumOfWeights) = handler.keysOf(e);
        (uint256 weight,, bytes32[4] memory key,) = registry.quorumOf(e, 0);
        assertEq(weight, sumOfWeights, "weight");
        assertTrue(keccak256(abi.encode(sum)) == keccak256(abi.encode(key)), "key");
    }

    function _the_entrance_owes_no_more_than_it_holds() private view {
        (uint256 owed,,) = entrance.accounts(handler.payer());
        owed += entrance.credits(DISPERSER);
        for (uint256 i = 0; i < handler.operatorCount(); ++i) owed += entrance.credits(handler.operatorAt(i));
        for (uint256 e = 0; e <= handler.epoch(); ++e) owed += entrance.ledgerOf(e, 0).treasury;
        assertTrue(address(entrance).balance >= owed, "entrance");
    }

    function _a_nonce_is_charged_once() private view {
        assertTrue(!handler.chargedTwice(), "twice");
        for (uint256 i = 0; i < handler.spentCount(); ++i) {
            assertTrue(entrance.isNonceSpent(handler.payer(), handler.spentNonces(i)), "unspent");
        }
        assertTrue(!entrance.isNonceSpent(handler.payer(), handler.nonce()), "spent in advance");
    }

    function _claims_never_exceed_the_pool() private view {
        for (uint256 e = 1; e <= handler.epoch(); ++e) {
            assertTrue(handler.claimed(e) <= uint256(entrance.ledgerOf(e, 0).pool) << 20, "claimed more than was paid");
        }
    }

    /// The latest epochs: an older one changed only if somebody failed in it, and those were looked at when they were late.
    function _failed_weight_is_that_of_failed_members() private view {
        uint256 end = handler.epoch();
        for (uint256 e = end > 3 ? end - 3 : 1; e <= end; ++e) {
            uint256 count = registry.memberCount(e, 0);
            uint256 failed = 0;
            for (uint256 i = 0; i < count; ++i) {
                DAChallenges.Failure memory failure = challenges.failureOf(e, 0, i);
                assertTrue(failure.firstSteps <= challenges.FIRST_STEPS_MAX(), "steps");
                if (failure.firstBlock != 0) failed += registry.memberOf(e, 0, i).weight;
            }
            assertEq(challenges.failedWeight(e, 0), failed, "failed weight");
        }
    }

    function _every_failure_that_is_not_settled_locks() private view {
        for (uint256 i = 0; i < handler.operatorCount(); ++i) {
            address operator = handler.operatorAt(i);
            uint256 open = challenges.openCount(operator) + challenges.dueCount(operator);
            assertEq(challenges.lockOf(operator), open == 0 ? 0 : type(uint256).max, "lock");
        }
    }

    /// Every row position belongs to exactly one member.
    function _weights_are_a_partition() private view {
        uint256 e = handler.epoch();
        uint256 count = registry.memberCount(e, 0);
        uint256 before = 0;
        for (uint256 i = 0; i < count; ++i) {
            IDARegistry.Member memory who = registry.memberOf(e, 0, i);
            assertEq(who.weightBefore, before, "gap");
            before += who.weight;
        }
        (uint256 total,,,) = registry.quorumOf(e, 0);
        assertEq(before, total, "total");
    }

    function _members_are_locked_until_their_obligations_end() private view {
        uint256 e = handler.epoch();
        uint256 until = registry.epochLockedUntil(e);
        uint256 count = registry.memberCount(e, 0);
        for (uint256 i = 0; i < count; ++i) {
            assertTrue(registry.lockedUntil(registry.memberOf(e, 0, i).operator) >= until, "free too early");
        }
    }
}
